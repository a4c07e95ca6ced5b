#pragma once
/* Bounded writer: appends into memory of a fixed size and remembers when it did not fit. The
 * caller checks buf_ok() once at the end. Never allocates. */
#include "base/str.h"

struct buf {
	char  *p;
	size_t len, cap;
	bool   full;	/* something did not fit; `len` then counts only what did */
};

static inline struct buf buf_on(void *p, size_t cap)
{
	return (struct buf){ .p = p, .cap = cap };
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->full;
}

static inline struct str buf_str(const struct buf *b)
{
	return str_n(b->p, b->len);
}

/* All or nothing: bytes that do not fit are dropped whole and `full` is set. */
static inline void buf_add(struct buf *b, struct str s)
{
	if (s.len > b->cap - b->len) {
		b->full = true;
		return;
	}
	if (s.len)
		memcpy(b->p + b->len, s.p, s.len);
	b->len += s.len;
}

static inline void buf_ch(struct buf *b, char c)
{
	buf_add(b, str_n(&c, 1));
}

#define BUF_LIT(b, literal) buf_add((b), STR(literal))
void buf_u64(struct buf *b, uint64_t v);
/* 16 digits, lower-case. */
void buf_hex64(struct buf *b, uint64_t v);
/* Lower-case hexadecimal of the bytes. */
void buf_hex(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
