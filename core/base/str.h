#pragma once
/* Slices: a pointer and a length, passed by value, never NUL-terminated in place. A slice owns
 * nothing; it lives as long as the bytes it points into. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
	const char *p;
	size_t      len;
};

#define STR(literal) ((struct str){ .p = (literal), .len = sizeof(literal) - 1 })
#define STR_NONE ((struct str){ 0 })
/* printf: "x=" STR_FMT, STR_ARG(s) */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){ .p = z, .len = z ? strlen(z) : 0 };
}

static inline struct str str_n(const char *p, size_t len)
{
	return (struct str){ .p = p, .len = len };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

/* ASCII only, as all of SIP's case-insensitive comparisons (RFC 3261 §7.3.1). */
static inline char ch_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool str_ieq(struct str a, struct str b);
bool str_ieqz(struct str a, const char *z);
/* <0, 0, >0 as memcmp, the shorter first. */
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_istarts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Position of the first `c`, or -1. */
ptrdiff_t str_find(struct str s, char c);
/* Position of the first `needle`, or -1; case-sensitive. */
ptrdiff_t str_find_str(struct str s, struct str needle);

static inline struct str str_from(struct str s, size_t at)
{
	if (at > s.len)
		at = s.len;
	/* nothing is added to a NULL pointer, not even 0 */
	return (struct str){ .p = at ? s.p + at : s.p, .len = s.len - at };
}

static inline struct str str_to(struct str s, size_t len)
{
	return (struct str){ .p = s.p, .len = len < s.len ? len : s.len };
}

static inline bool ch_lws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool ch_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Without the white space (folding included) at either end. */
struct str str_trim(struct str s);
/* token characters of RFC 3261 §25.1 */
bool ch_token(char c);

/* The str_take family reads from the front of *rest and moves it past what was read. */

/* White space and folds; true when there was any. */
bool str_take_lws(struct str *rest);
bool str_take_ch(struct str *rest, char c);
/* Decimal digits; false, and nothing moved, when there is none or the value is over UINT32_MAX. */
bool str_take_u32(struct str *rest, uint32_t *out);
/* The token at the front; length 0 when there is none. */
struct str str_take_token(struct str *rest);
/* All up to (not including) the first `c`, which is skipped; the whole rest when there is none. */
struct str str_take_until(struct str *rest, char c);

/* The whole slice as a number: false on other characters, on emptiness and on overflow. */
bool str_u32(struct str s, uint32_t *out);
bool str_u64(struct str s, uint64_t *out);
/* 1 to 16 hexadecimal digits, of either case. */
bool str_hex64(struct str s, uint64_t *out);
bool str_i64(struct str s, int64_t *out);
/* Copy as a C string of at most cap bytes with the NUL; false when it was cut or holds a NUL. */
bool str_cstr(struct str s, char *out, size_t cap);

/* Length of the well-formed UTF-8 sequence at the front (RFC 3629 §4; NUL is one of length 1), 0: there is none. */
size_t str_utf8(struct str s);

/* Edit distance (Damerau, adjacent swaps count one), at most `limit`+1; for suggestions. */
unsigned str_distance(struct str a, struct str b, unsigned limit);
