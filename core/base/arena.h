#pragma once
/* Message lifetime: memory handed out by moving a pointer, freed whole. One owner, one process. */
#include "base/str.h"

struct arena_chunk;
struct arena {
	char               *at, *end;	/* free room of the current chunk */
	struct arena_chunk *chunks;	/* newest first; the oldest may be the caller's own memory */
	size_t              total_bytes;	/* taken from malloc since the last reset */
	size_t              limit_bytes;	/* arena_alloc answers NULL above it */
};

/* `first` (may be NULL) is used before any malloc and stays the caller's. */
void arena_init(struct arena *a, void *first, size_t first_bytes, size_t limit_bytes);
/* Forget all allocations; keeps `first`, frees the rest. */
void arena_reset(struct arena *a);
/* Free everything; arena_init before the next use. */
void arena_free(struct arena *a);

/* 16-byte aligned, uninitialised. NULL when malloc fails or the limit is reached. */
MUST_CHECK void *arena_alloc(struct arena *a, size_t bytes);
MUST_CHECK void *arena_zalloc(struct arena *a, size_t bytes);
/* Copy; .p is NULL on failure (a copy of an empty slice has a non-NULL .p). */
MUST_CHECK struct str arena_dup(struct arena *a, struct str s);
/* printf into the arena; .p is NULL on failure. */
MUST_CHECK struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
