#include "base/str.h"

bool str_ieq(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (a.p[i] != b.p[i] && ch_lower(a.p[i]) != ch_lower(b.p[i]))
			return false;
	return true;
}

bool str_ieqz(struct str a, const char *z)
{
	return str_ieq(a, str_of(z));
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int    d = n ? memcmp(a.p, b.p, n) : 0;

	if (d)
		return d;
	return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_to(s, prefix.len), prefix);
}

bool str_istarts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_ieq(str_to(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t str_find_str(struct str s, struct str needle)
{
	const char *at;

	if (!needle.len)
		return 0;
	at = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
	return at ? at - s.p : -1;
}

struct str str_trim(struct str s)
{
	while (s.len && ch_lws(s.p[0]))
		s = str_from(s, 1);
	while (s.len && ch_lws(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool ch_token(char c)
{
	static const bool ok[256] = {
		['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
		['-'] = true, ['.'] = true, ['!'] = true, ['%'] = true, ['*'] = true,
		['_'] = true, ['+'] = true, ['`'] = true, ['\''] = true, ['~'] = true,
	};

	return ok[(unsigned char)c];
}

bool str_take_lws(struct str *rest)
{
	size_t before = rest->len;

	while (rest->len && ch_lws(rest->p[0]))
		*rest = str_from(*rest, 1);
	return rest->len != before;
}

bool str_take_ch(struct str *rest, char c)
{
	if (!rest->len || rest->p[0] != c)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

bool str_take_u32(struct str *rest, uint32_t *out)
{
	uint64_t v = 0;
	size_t   n = 0;

	for (; n < rest->len && ch_digit(rest->p[n]); n++) {
		v = v * 10 + (uint64_t)(rest->p[n] - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (!n)
		return false;
	*rest = str_from(*rest, n);
	*out = (uint32_t)v;
	return true;
}

struct str str_take_token(struct str *rest)
{
	size_t     n = 0;
	struct str token;

	while (n < rest->len && ch_token(rest->p[n]))
		n++;
	token = str_to(*rest, n);
	*rest = str_from(*rest, n);
	return token;
}

struct str str_take_until(struct str *rest, char c)
{
	ptrdiff_t  at = str_find(*rest, c);
	struct str head;

	if (at < 0) {
		head = *rest;
		*rest = str_from(*rest, rest->len);
		return head;
	}
	head = str_to(*rest, (size_t)at);
	*rest = str_from(*rest, (size_t)at + 1);
	return head;
}

bool str_u32(struct str s, uint32_t *out)
{
	uint32_t v;

	if (!str_take_u32(&s, &v) || s.len)
		return false;
	*out = v;
	return true;
}

bool str_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ch_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	*out = v;
	return true;
}

bool str_hex64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.len || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = ch_lower(s.p[i]);

		if (!ch_digit(c) && (c < 'a' || c > 'f'))
			return false;
		v = v << 4 | (uint64_t)(ch_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*out = v;
	return true;
}

bool str_i64(struct str s, int64_t *out)
{
	bool     minus = str_take_ch(&s, '-');
	uint64_t v;

	if (!str_u64(s, &v) || v > (uint64_t)INT64_MAX + minus)
		return false;
	*out = minus ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

bool str_cstr(struct str s, char *out, size_t cap)
{
	size_t n = s.len < cap ? s.len : cap - 1;

	memcpy(out, s.len ? s.p : "", n);
	out[n] = '\0';
	return n == s.len && !(n && memchr(s.p, '\0', n));
}

/* RFC 3629 §4: the first byte gives the length and narrows what the second may be (no overlong forms, no surrogates). */
size_t str_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char        low = 0x80, high = 0xbf;
	size_t               n;

	if (!s.len)
		return 0;
	n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (n > s.len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (p[i] < low || p[i] > high)
			return 0;
	return n;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

unsigned str_distance(struct str a, struct str b, unsigned limit)
{
	enum { LONGEST = 64 };	/* names are short; a longer one is never a misspelling of another */
	unsigned row[3][LONGEST + 1];

	if (a.len > LONGEST || b.len > LONGEST)
		return limit + 1;
	for (unsigned j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *cur = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		cur[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			bool same = ch_lower(a.p[i - 1]) == ch_lower(b.p[j - 1]);

			cur[j] = min3(up[j] + 1, cur[j - 1] + 1, up[j - 1] + !same);
			if (i > 1 && j > 1 && ch_lower(a.p[i - 1]) == ch_lower(b.p[j - 2]) &&
			    ch_lower(a.p[i - 2]) == ch_lower(b.p[j - 1]) && up2[j - 2] + 1 < cur[j])
				cur[j] = up2[j - 2] + 1;
		}
	}
	return row[a.len % 3][b.len] <= limit ? row[a.len % 3][b.len] : limit + 1;
}
