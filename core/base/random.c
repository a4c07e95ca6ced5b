#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static struct {
	unsigned char pool[512];
	size_t        left;
	uint64_t      seeded;	/* state of the reproducible generator, 0: the kernel's bytes */
} rnd;

/* splitmix64: for tests only, where repeatability is the point. */
static uint64_t seeded_next(void)
{
	uint64_t z = rnd.seeded += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void pool_fill(void)
{
	for (size_t at = 0; at < sizeof(rnd.pool);) {
		ssize_t n = getrandom(rnd.pool + at, sizeof(rnd.pool) - at, 0);

		if (n < 0 && errno != EINTR)
			abort();	/* without randomness there are no safe nonces, tags or branches */
		at += n > 0 ? (size_t)n : 0;
	}
	rnd.left = sizeof(rnd.pool);
}

void random_bytes(void *out, size_t n)
{
	unsigned char *p = out;

	while (n) {
		size_t take;

		if (rnd.seeded) {
			uint64_t v = seeded_next();

			take = n < sizeof(v) ? n : sizeof(v);
			memcpy(p, &v, take);
		} else {
			if (!rnd.left)
				pool_fill();
			take = n < rnd.left ? n : rnd.left;
			memcpy(p, rnd.pool + sizeof(rnd.pool) - rnd.left, take);
			/* what was handed out must not be found in a core file */
			memset(rnd.pool + sizeof(rnd.pool) - rnd.left, 0, take);
			rnd.left -= take;
		}
		p += take;
		n -= take;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

uint32_t random_below(uint32_t below)
{
	return (uint32_t)(((unsigned __int128)random_u64() * below) >> 64);
}

void random_forked(void)
{
	rnd.left = 0;
}

void random_seed(uint64_t seed)
{
	rnd.seeded = seed;
}
