#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 4096, ALIGN = 16 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t              bytes;
	bool                borrowed;	/* the caller's memory: kept by reset, never freed */
};

static void chunk_open(struct arena *a, struct arena_chunk *c, size_t bytes)
{
	c->bytes = bytes;
	a->at = (char *)c + ((sizeof(*c) + ALIGN - 1) & ~(size_t)(ALIGN - 1));
	a->end = (char *)c + bytes;
}

void arena_init(struct arena *a, void *first, size_t first_bytes, size_t limit_bytes)
{
	*a = (struct arena){ .limit_bytes = limit_bytes };
	if (!first || first_bytes < 2 * sizeof(struct arena_chunk) + ALIGN)
		return;
	a->chunks = first;
	*a->chunks = (struct arena_chunk){ .borrowed = true };
	chunk_open(a, a->chunks, first_bytes);
}

void arena_reset(struct arena *a)
{
	while (a->chunks && !a->chunks->borrowed) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	a->at = a->end = NULL;
	a->total_bytes = 0;
	if (a->chunks)
		chunk_open(a, a->chunks, a->chunks->bytes);
}

void arena_free(struct arena *a)
{
	arena_reset(a);
	*a = (struct arena){ 0 };
}

static bool arena_grow(struct arena *a, size_t need)
{
	size_t              bytes = need + sizeof(struct arena_chunk) + ALIGN;
	struct arena_chunk *c;

	if (bytes < CHUNK_BYTES)
		bytes = CHUNK_BYTES;
	if (bytes < need || a->total_bytes + bytes > a->limit_bytes)
		return false;
	c = malloc(bytes);
	if (!c)
		return false;
	*c = (struct arena_chunk){ .next = a->chunks };
	a->chunks = c;
	a->total_bytes += bytes;
	chunk_open(a, c, bytes);
	return true;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t need = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	void  *p;

	if (need < bytes)
		return NULL;
	if ((size_t)(a->end - a->at) < need && !arena_grow(a, need))
		return NULL;
	p = a->at;
	a->at += need;
	return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
	void *p = arena_alloc(a, bytes);

	return p ? memset(p, 0, bytes) : NULL;
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len ? s.len : 1);

	if (!p)
		return STR_NONE;
	if (s.len)
		memcpy(p, s.p, s.len);
	return str_n(p, s.len);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	int     len;
	char   *p;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
	if (p)
		vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p ? str_n(p, (size_t)len) : STR_NONE;
}
