/* Digests and encodings. */
#include "base/crypto.h"
#include "base/hash.h"
#include "script/builtin.h"

enum verdict fn_md5(struct call *c)
{
	char hex[MD5_HEX];

	if (md5_hex(&c->argv[0].u.s, 1, hex)) {
		log_error(c->c, "md5(): the system's library refuses MD5");
		return V_ERROR;
	}
	return give_text(c, arena_dup(c->c->arena, str_n(hex, sizeof(hex))));
}

enum verdict fn_sha256(struct call *c)
{
	char hex[SHA256_HEX];

	if (sha256_hex(&c->argv[0].u.s, 1, hex))
		return V_ERROR;
	return give_text(c, arena_dup(c->c->arena, str_n(hex, sizeof(hex))));
}

static enum verdict hashed(struct call *c, enum digest_kind d)
{
	char hex[DIGEST_MOST_HEX];

	if (digest_hex(d, &c->argv[0].u.s, 1, hex)) {
		log_error(c->c, "the system's library refuses this digest");
		return V_ERROR;
	}
	return give_text(c, arena_dup(c->c->arena, str_n(hex, 2 * digest_bytes(d))));
}

enum verdict fn_sha1(struct call *c)
{
	return hashed(c, DIGEST_SHA1);
}

enum verdict fn_sha512(struct call *c)
{
	return hashed(c, DIGEST_SHA512);
}

const char *const digest_names[] = { "md5", "sha1", "sha256", "sha512", NULL };	/* in the order of enum digest_kind */

enum verdict fn_hmac(struct call *c)
{
	char        hex[DIGEST_MOST_HEX];
	enum digest_kind d = 0;

	while (digest_names[d] && !str_is(c->argv[2].u.s, digest_names[d]))
		d++;
	if (!digest_names[d] || hmac_hex(d, c->argv[1].u.s, c->argv[0].u.s, hex)) {
		log_error(c->c, "hmac(): no algorithm \"" STR_FMT "\"", STR_ARG(c->argv[2].u.s));
		return V_ERROR;
	}
	return give_text(c, arena_dup(c->c->arena, str_n(hex, 2 * digest_bytes(d))));
}

/* The same text gives the same number in every process, on every machine and after every restart: for spreading load. */
enum verdict fn_hash(struct call *c)
{
	static const struct hash_key key = { { 1, 2 } };

	return give(c, value_int((int64_t)(hash_str(&key, c->argv[0].u.s) & INT64_MAX)));
}

/* --- base64 (RFC 4648 §4) --- */

static const char base64_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum verdict fn_base64_encode(struct call *c)
{
	struct str s = c->argv[0].u.s;
	char      *p = arena_alloc(c->c->arena, (s.len + 2) / 3 * 4 + 1), *at = p;

	if (!p)
		return V_ERROR;
	for (size_t i = 0; i < s.len; i += 3) {
		size_t   n = s.len - i < 3 ? s.len - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			*at++ = k <= n ? base64_chars[bits >> (18 - 6 * k) & 63] : '=';
	}
	return give(c, value_str(str_n(p, (size_t)(at - p))));
}

enum verdict fn_base64_decode(struct call *c)
{
	struct str s = str_trim(c->argv[0].u.s);
	char      *p = arena_alloc(c->c->arena, s.len + 1);
	size_t     n = 0, bits = 0, have = 0, chars = 0;

	if (!p)
		return V_ERROR;
	while (s.len && s.p[s.len - 1] == '=' && chars++ < 2)
		s.len--;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.p[i] ? strchr(base64_chars, s.p[i]) : NULL;

		if (!at)
			return give(c, V_NULL);
		bits = (bits << 6 | (size_t)(at - base64_chars)) & 0xffffff;
		have += 6;
		if (have >= 8)
			p[n++] = (char)(bits >> (have -= 8) & 255);
	}
	return give(c, have >= 6 ? V_NULL : value_str(str_n(p, n)));	/* one character too many for whole bytes */
}

/* --- hexadecimal, and %HH of URIs (RFC 3986 §2.1) --- */

static int hex_digit(char ch)
{
	if (ch_digit(ch))
		return ch - '0';
	ch = ch_lower(ch);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static int hex_pair(struct str s)
{
	int hi = s.len > 1 ? hex_digit(s.p[0]) : -1, lo = hi >= 0 ? hex_digit(s.p[1]) : -1;

	return lo < 0 ? -1 : hi * 16 + lo;
}

enum verdict fn_hex_encode(struct call *c)
{
	struct str s = c->argv[0].u.s;
	struct buf out = buf_on(arena_alloc(c->c->arena, s.len * 2 + 1), s.len * 2 + 1);

	if (!out.p)
		return V_ERROR;
	buf_hex(&out, s.p, s.len);
	return give(c, value_str(buf_str(&out)));
}

enum verdict fn_hex_decode(struct call *c)
{
	struct str s = c->argv[0].u.s;
	char      *p = arena_alloc(c->c->arena, s.len / 2 + 1);

	if (!p)
		return V_ERROR;
	for (size_t i = 0; i < s.len; i += 2) {
		int byte = hex_pair(str_from(s, i));

		if (byte < 0)
			return give(c, V_NULL);
		p[i / 2] = (char)byte;
	}
	return give(c, value_str(str_n(p, s.len / 2)));
}

static bool unreserved(char ch)
{
	return ch_digit(ch) || (ch_lower(ch) >= 'a' && ch_lower(ch) <= 'z') || (ch && strchr("-._~", ch));
}

enum verdict fn_url_encode(struct call *c)
{
	struct str s = c->argv[0].u.s;
	struct buf out = buf_on(arena_alloc(c->c->arena, s.len * 3 + 1), s.len * 3 + 1);

	if (!out.p)
		return V_ERROR;
	for (size_t i = 0; i < s.len; i++) {
		if (unreserved(s.p[i]))
			buf_ch(&out, s.p[i]);
		else
			buf_printf(&out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
	}
	return give(c, value_str(buf_str(&out)));
}

enum verdict fn_url_decode(struct call *c)
{
	struct str s = c->argv[0].u.s;
	char      *p = arena_alloc(c->c->arena, s.len + 1);
	size_t     n = 0;

	if (!p)
		return V_ERROR;
	for (size_t i = 0; i < s.len; i++) {
		int byte = s.p[i] == '%' ? hex_pair(str_from(s, i + 1)) : (unsigned char)s.p[i];

		if (byte < 0)
			return give(c, V_NULL);
		i += s.p[i] == '%' ? 2 : 0;
		p[n++] = (char)byte;
	}
	return give(c, value_str(str_n(p, n)));
}
