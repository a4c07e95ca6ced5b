#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

void buf_u64(struct buf *b, uint64_t v)
{
	char   digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, str_n(digits + at, sizeof(digits) - at));
}

static const char hex[] = "0123456789abcdef";

void buf_hex64(struct buf *b, uint64_t v)
{
	char digits[16];

	for (size_t i = sizeof(digits); i--; v >>= 4)
		digits[i] = hex[v & 15];
	buf_add(b, str_n(digits, sizeof(digits)));
}

void buf_hex(struct buf *b, const void *p, size_t n)
{
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++)
		buf_add(b, str_n((char[]){ hex[in[i] >> 4], hex[in[i] & 15] }, 2));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t  room = b->cap - b->len;
	int     n;

	va_start(ap, fmt);
	n = vsnprintf(room ? b->p + b->len : NULL, room, fmt, ap);
	va_end(ap);
	/* vsnprintf wants room for a NUL, which is not ours to keep */
	if (n < 0 || (size_t)n >= room)
		b->full = true;
	else
		b->len += (size_t)n;
}
