#include "modules/auth/auth.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { SECRET_BYTES = 32, DATA_BYTES = 12, MAC_BYTES = NONCE_BYTES - DATA_BYTES, LOCKS = 64, SEEN_BITS = 64 };

/* What has been used of one nonce; guarded by the lock of its place. */
struct used {
	uint32_t index;		/* 0: none yet */
	uint32_t highest;	/* nc */
	uint64_t seen;		/* bit i: highest - i was claimed */
};
struct nonces {
	unsigned char secret[SECRET_BYTES];	/* read-only after boot */
	uint32_t      last_index;		/* atomic */
	uint32_t      mask;
	struct lock   lock[LOCKS];		/* RANK_MODULE; of places i, i + LOCKS … */
	struct used   used[];
};

static struct {
	struct nonces *n;	/* shared: a nonce is good in every worker, whichever of them made it, and when one is replaced */
} all;

enum err nonce_boot(uint32_t window)
{
	uint32_t       places = LOCKS;
	struct nonces *n;

	while (places < window)
		places *= 2;
	n = shm_zalloc(shm_owner_new("auth"), sizeof(*n) + places * sizeof(n->used[0]));
	if (!n)
		return ERR_NOMEM;
	random_bytes(n->secret, sizeof(n->secret));
	n->mask = places - 1;
	for (size_t i = 0; i < LOCKS; i++)
		lock_init(&n->lock[i], RANK_MODULE);
	all.n = n;
	return OK;
}

/* Signed with the realm, so that a nonce is of no use in another one. */
static enum err sign(const unsigned char data[DATA_BYTES], struct str realm, unsigned char mac[SHA256_BYTES])
{
	const struct str part[] = { str_n((const char *)data, DATA_BYTES), realm };

	return hmac_sha256(str_n((const char *)all.n->secret, SECRET_BYTES), part, COUNT_OF(part), mac);
}

static uint32_t next_index(void)
{
	uint32_t i;

	do
		i = __atomic_add_fetch(&all.n->last_index, 1, __ATOMIC_RELAXED);
	while (!i);
	return i;
}

enum err nonce_make(struct str realm, char out[NONCE_HEX])
{
	const uint32_t field[] = { (uint32_t)clock_unix(), next_index(), (uint32_t)random_u64() };
	unsigned char  data[DATA_BYTES], mac[SHA256_BYTES];
	struct buf     hex = buf_on(out, NONCE_HEX);
	enum err       err;

	memcpy(data, field, sizeof(data));
	err = sign(data, realm, mac);
	if (err)
		return err;
	buf_hex(&hex, data, DATA_BYTES);
	buf_hex(&hex, mac, MAC_BYTES);
	return OK;
}

static int nibble(char c)
{
	return ch_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(struct str s, unsigned char *out)
{
	for (size_t i = 0; i + 1 < s.len; i += 2) {
		int high = nibble(s.p[i]), low = nibble(s.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (unsigned char)(high << 4 | low);
	}
	return true;
}

enum nonce_state nonce_check(struct str text, struct str realm, uint32_t most_s, struct nonce *out)
{
	unsigned char bytes[NONCE_BYTES], mac[SHA256_BYTES];
	uint32_t      field[DATA_BYTES / 4];

	if (text.len != NONCE_HEX || !from_hex(text, bytes) || sign(bytes, realm, mac) ||
	    !crypto_equal(str_n((const char *)bytes + DATA_BYTES, MAC_BYTES), str_n((const char *)mac, MAC_BYTES)))
		return NONCE_FORGED;
	memcpy(field, bytes, sizeof(field));
	*out = (struct nonce){ .made = field[0], .index = field[1] };
	/* Unsigned: a nonce from the future, after the clock was set back, is over as well. */
	return (uint32_t)clock_unix() - out->made > most_s ? NONCE_EXPIRED : NONCE_GOOD;
}

/* Counts arrive out of order over UDP: the last SEEN_BITS are remembered one by one (RFC 7616 §3.4.5). */
static bool use_count(struct used *u, uint32_t nc)
{
	uint32_t behind = u->highest - nc, ahead = nc - u->highest;

	if (nc > u->highest) {
		u->seen = (ahead < SEEN_BITS ? u->seen << ahead : 0) | 1;
		u->highest = nc;
		return true;
	}
	if (behind >= SEEN_BITS || u->seen >> behind & 1)
		return false;
	u->seen |= (uint64_t)1 << behind;
	return true;
}

static bool use_locked(struct used *u, uint32_t index, uint32_t nc)
{
	if (u->index && (int32_t)(index - u->index) < 0)
		return false;		/* its place was given to a younger one */
	if (u->index != index)
		*u = (struct used){ .index = index };
	return use_count(u, nc);
}

bool nonce_use(const struct nonce *n, uint32_t nc)
{
	uint32_t     place = n->index & all.n->mask;
	struct lock *l = &all.n->lock[place % LOCKS];
	bool         first;

	if (!nc)
		return false;
	lock(l);
	first = use_locked(&all.n->used[place], n->index, nc);
	unlock(l);
	return first;
}
