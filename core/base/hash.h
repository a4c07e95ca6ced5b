#pragma once
/* Keyed hash (SipHash-1-3): what a peer sends decides the bucket, so the key must be secret. */
#include "base/str.h"

struct hash_key {
	uint64_t k[2];
};

uint64_t hash_str(const struct hash_key *key, struct str s);
/* The same over the lower-case form: for names that compare case-insensitively. */
uint64_t hash_istr(const struct hash_key *key, struct str s);
/* Several slices in one hash, each with its length: begin, add, …, end. */
struct hash_state {
	uint64_t a, b, c, d;
};
void     hash_begin(struct hash_state *h, const struct hash_key *key);
void     hash_add(struct hash_state *h, struct str s);
uint64_t hash_end(struct hash_state *h);
/* Proof that who holds the key has written both: SipHash-2-4, which is made to authenticate short texts, over their lengths and them. Not for
 * tables: it takes twice the time. */
uint64_t hash_mac(const struct hash_key *key, struct str a, struct str b);
