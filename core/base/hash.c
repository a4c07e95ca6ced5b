#include "base/hash.h"

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(struct hash_state *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotl(s->b, 13) ^ s->a;
	s->d = rotl(s->d, 16) ^ s->c;
	s->a = rotl(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotl(s->b, 17) ^ s->c;
	s->d = rotl(s->d, 21) ^ s->a;
	s->c = rotl(s->c, 32);
}

static inline void sip_word(struct hash_state *s, uint64_t w)
{
	s->d ^= w;
	sip_round(s);
	s->a ^= w;
}

static inline void sip_word_twice(struct hash_state *s, uint64_t w)
{
	s->d ^= w;
	sip_round(s);
	sip_round(s);
	s->a ^= w;
}

void hash_begin(struct hash_state *h, const struct hash_key *key)
{
	uint64_t k0 = key->k[0], k1 = key->k[1];

	*h = (struct hash_state){ .a = k0 ^ 0x736f6d6570736575ULL, .b = k1 ^ 0x646f72616e646f6dULL,
				  .c = k0 ^ 0x6c7967656e657261ULL, .d = k1 ^ 0x7465646279746573ULL };
}

uint64_t hash_end(struct hash_state *h)
{
	h->c ^= 0xff;
	sip_round(h);
	sip_round(h);
	sip_round(h);
	return h->a ^ h->b ^ h->c ^ h->d;
}

/* Eight bytes at a time: every byte with bit 6 set and 5 clear whose value is A-Z gets bit 5. */
static uint64_t word_lower(uint64_t w)
{
	const uint64_t high = 0x8080808080808080ULL, ones = 0x0101010101010101ULL;
	uint64_t       heptets = w & ~high;
	uint64_t       above_z = heptets + (0x7f - 'Z') * ones;
	uint64_t       from_a = heptets + (0x80 - 'A') * ones;

	return w | ((from_a & ~above_z & ~w & high) >> 2);
}

/* On a copy, which lives in registers. */
static inline __attribute__((always_inline)) void add(struct hash_state *h, struct str s, bool lower)
{
	struct hash_state st = *h;
	uint64_t          w, last = (uint64_t)s.len << 56;

	for (; s.len >= 8; s = str_n(s.p + 8, s.len - 8)) {
		memcpy(&w, s.p, 8);
		sip_word(&st, lower ? word_lower(w) : w);
	}
	w = 0;
	if (s.len)
		memcpy(&w, s.p, s.len);
	sip_word(&st, last | (lower ? word_lower(w) : w));
	*h = st;
}

void hash_add(struct hash_state *h, struct str s)
{
	add(h, s, false);
}

uint64_t hash_str(const struct hash_key *key, struct str s)
{
	struct hash_state h;

	hash_begin(&h, key);
	add(&h, s, false);
	return hash_end(&h);
}

uint64_t hash_istr(const struct hash_key *key, struct str s)
{
	struct hash_state h;

	hash_begin(&h, key);
	add(&h, s, true);
	return hash_end(&h);
}

static inline void sip_bytes(struct hash_state *st, struct str s)
{
	uint64_t w;

	for (; s.len >= 8; s = str_n(s.p + 8, s.len - 8)) {
		memcpy(&w, s.p, 8);
		sip_word_twice(st, w);
	}
	w = 0;
	if (s.len)
		memcpy(&w, s.p, s.len);
	sip_word_twice(st, w);
}

uint64_t hash_mac(const struct hash_key *key, struct str a, struct str b)
{
	struct hash_state s;

	hash_begin(&s, key);
	sip_word_twice(&s, (uint64_t)a.len << 32 | (uint32_t)b.len);	/* first, so that no two pairs read alike */
	sip_bytes(&s, a);
	sip_bytes(&s, b);
	s.c ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.a ^ s.b ^ s.c ^ s.d;
}
