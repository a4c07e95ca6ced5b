#pragma once
/* A set of texts, each with the line of a file it came from. Private memory. */
#include "base/hash.h"

struct seen {
	struct hash_key key;
	struct seen_slot {
		uint64_t hash;		/* keyed, of 64 bits: among a million texts two are taken for one with a chance of 3e-8 */
		uint32_t line;		/* 0: the slot is free */
	} *slot;
	size_t count, room;
};
/* The line from which `a` and `b` (a name and its domain; b may be empty) are there; 0: they were not, and are now. ERR_NOMEM. */
MUST_CHECK enum err seen_put(struct seen *s, struct str a, struct str b, uint32_t line, uint32_t *before);
bool seen_has(const struct seen *s, struct str a, struct str b);
void seen_free(struct seen *s);
