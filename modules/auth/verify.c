#include "modules/auth/auth.h"

#include "base/crypto.h"

static const struct {
	const char *name;
	size_t      hex;
	enum err  (*hash)(const struct str *part, size_t n, char *out);
} algorithms[ALG_COUNT] = {
	[ALG_SHA256] = { "SHA-256", SHA256_HEX, sha256_hex },
	[ALG_MD5] = { "MD5", MD5_HEX, md5_hex },
};

struct str algorithm_name(enum algorithm a)
{
	return str_of(algorithms[a].name);
}

size_t algorithm_hex(enum algorithm a)
{
	return algorithms[a].hex;
}

bool algorithm_of(struct str name, enum algorithm *out)
{
	if (!name.len)
		name = algorithm_name(ALG_MD5);
	for (enum algorithm a = 0; a < ALG_COUNT; a++)
		if (str_ieqz(name, algorithms[a].name)) {
			*out = a;
			return true;
		}
	return false;
}

/* KD(H(A1), nonce ":" nc ":" cnonce ":" qop ":" H(A2)), and without qop as RFC 2069 had it: KD(H(A1), nonce ":" H(A2)). */
static enum err expected(const struct digest *d, enum algorithm a, struct str method, struct str ha1, char out[SHA256_HEX])
{
	char             ha2[SHA256_HEX];
	const struct str colon = STR(":"), a2[] = { method, colon, d->uri }, h2 = str_n(ha2, algorithms[a].hex);
	const struct str with_qop[] = { ha1, colon, d->nonce, colon, d->nc_text, colon, d->cnonce, colon, d->qop, colon, h2 };
	const struct str without[] = { ha1, colon, d->nonce, colon, h2 };
	enum err         err = algorithms[a].hash(a2, COUNT_OF(a2), ha2);

	if (err)
		return err;
	return d->qop.len ? algorithms[a].hash(with_qop, COUNT_OF(with_qop), out) : algorithms[a].hash(without, COUNT_OF(without), out);
}

/* LHEX is lower-case (RFC 7616 §3.3); upper-case is let pass. */
static struct str lower(struct str s, char room[SHA256_HEX])
{
	for (size_t i = 0; i < s.len && i < SHA256_HEX; i++)
		room[i] = ch_lower(s.p[i]);
	return s.len > SHA256_HEX ? STR_NONE : str_n(room, s.len);
}

bool response_is_right(const struct digest *d, enum algorithm a, struct str method, struct str ha1)
{
	static const char nobody[SHA256_HEX + 1] = "0000000000000000000000000000000000000000000000000000000000000000";
	bool              known = ha1.len == algorithms[a].hex;
	char              want[SHA256_HEX], room[SHA256_HEX], hash[SHA256_HEX];
	struct str        use = known ? lower(ha1, hash) : str_n(nobody, algorithms[a].hex);

	if (expected(d, a, method, use, want))
		return false;
	return crypto_equal(lower(d->response, room), str_n(want, algorithms[a].hex)) && known;
}

static bool is_offered(enum algorithm a)
{
	for (uint32_t left = auth_cfg.algorithms; left; left >>= 4)
		if ((left & 15) == a + 1u)
			return true;
	return false;
}

/* RFC 3261 §22.4: nc and cnonce come with qop, and without it they must not. We offer qop=auth only. */
static bool qop_is_fine(const struct digest *d)
{
	if (!d->qop.len)
		return !auth_cfg.require_qop;
	return str_ieqz(d->qop, "auth") && d->has_nc && d->nc && d->cnonce.len;
}

/* Is it signed for this request (RFC 7616 §3.4.6, RFC 8760 §2.6 item 6)? */
static bool uri_is_ours(struct str signed_uri, const struct uri *ruri)
{
	struct uri u;

	if (!ruri)
		return false;
	return str_eq(signed_uri, ruri->text) || (!uri_parse(signed_uri, &u) && uri_eq(&u, ruri));
}

enum judgement judge(const struct digest *d, struct str realm, const struct uri *ruri, enum algorithm *a, struct nonce *n)
{
	enum nonce_state state = nonce_check(d->nonce, realm, auth_cfg.nonce_expire_s, n);

	if (state == NONCE_FORGED)
		counter_inc(&auth_forged);
	if (!d->username.len || !algorithm_of(d->algorithm, a) || !is_offered(*a) || !qop_is_fine(d))
		return JUDGE_CHALLENGE;
	/* Also one from before the last start: without `stale` a phone takes the new challenge for a wrong password (RFC 7616 §3.3). */
	if (state != NONCE_GOOD)
		return JUDGE_STALE;
	return uri_is_ours(d->uri, ruri) ? JUDGE_ASK : JUDGE_BAD;
}

struct str user_of(struct str username, struct str realm)
{
	size_t tail = realm.len + 1;

	if (username.len > tail && username.p[username.len - tail] == '@' && str_ieq(str_from(username, username.len - realm.len), realm))
		return str_to(username, username.len - tail);
	return username;
}
