#include <stdlib.h>

#include "base/log.h"
#include "shm/counter.h"
#include "shm/region.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* In front of every object. */
struct head {
	uint32_t  magic;	/* HEAD_LIVE or HEAD_FREE: catches double frees and foreign pointers */
	uint8_t   class;	/* CLASS_BIG: by whole blocks */
	shm_owner owner;
	uint16_t  next;	/* free in its block: 1 + index of the next free object, 0: the last */
};
enum { HEAD_LIVE = 0x51a11fe5, HEAD_FREE = 0x0f4ee0b1, CLASS_BIG = 255 };

/* Sizes with the head. Four steps a doubling waste a tenth on average; from 8 kB on a block divided by 7, 6, …, 2. */
static const uint16_t class_bytes[CLASS_COUNT] = {
	32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792,
	2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 9360, 10920, 13104, 16384, 21840, 32768,
};
enum { CLASS_MOST_BYTES = 32768, STEP = 8 };

static struct {
	uint8_t class_of[CLASS_MOST_BYTES / STEP + 1];	/* by size in steps of 8, rounded up */
	uint8_t most[CLASS_COUNT];			/* objects in a magazine */
	unsigned fail_after;
	bool    poison;
} cfg;

static struct counter refused = { .name = "shm.refused", .help = "allocations refused at memory_limit", .unit = "allocations" };

/* A kill may strike between any two instructions: keep the magazine's stores in the order they are written. */
#define KEEP_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

void slab_boot(void)
{
	uint8_t class = 0;

	for (size_t i = 0; i < COUNT_OF(cfg.class_of); i++) {
		while (class_bytes[class] < i * STEP)
			class++;
		cfg.class_of[i] = class;
	}
	for (size_t i = 0; i < CLASS_COUNT; i++) {
		size_t fit = 16384 / class_bytes[i];	/* at most 16 kB of a class idle in a process, or two objects */

		cfg.most[i] = (uint8_t)(fit < 2 ? 2 : fit > MAGAZINE_MOST ? MAGAZINE_MOST : fit);
	}
	cfg.fail_after = 0;
	counter_register(&refused);
#ifdef WITH_ASAN
	cfg.poison = true;
#endif
}

void slab_poison_off(void)
{
	if (cfg.poison)
		ASAN_UNPOISON_MEMORY_REGION(shm_here.base, (size_t)shm_here.region->next * BLOCK_BYTES);
	cfg.poison = false;
}

static size_t head_bytes(const struct head *h)
{
	if (h->class != CLASS_BIG)
		return class_bytes[h->class];
	return (size_t)shm_here.block[((const char *)h - shm_here.base) / BLOCK_BYTES].run * BLOCK_BYTES;
}

/* Under ASan a freed object is filled, so that any process trips over a stale pointer, and poisoned, so that a test
 * of one process hears of every stale access. */
static void hide(struct head *h)
{
#ifdef WITH_ASAN
	size_t n = head_bytes(h) - sizeof(*h);

	ASAN_UNPOISON_MEMORY_REGION(h + 1, n);
	memset(h + 1, 0xdd, n);
	if (cfg.poison)
		ASAN_POISON_MEMORY_REGION(h + 1, n);
#else
	(void)h;
#endif
}

/* Only what was asked for may be touched (or all, after shm_usable). */
static void show(struct head *h, size_t bytes)
{
	if (!cfg.poison)
		return;
	ASAN_POISON_MEMORY_REGION(h + 1, head_bytes(h) - sizeof(*h));
	ASAN_UNPOISON_MEMORY_REGION(h + 1, bytes);
}

/* --- blocks of a class; the slab's lock is held --- */

static uint32_t block_index(const void *p)
{
	return (uint32_t)(((const char *)p - shm_here.base) / BLOCK_BYTES);
}

static struct head *object_at(const struct block *b, uint32_t i)
{
	return (struct head *)(shm_here.base + (size_t)(b - shm_here.block) * BLOCK_BYTES + (size_t)i * class_bytes[b->class]);
}

static struct block *block_new_locked(struct slab *s, uint8_t class)
{
	int64_t       at = blocks_take(1, BLOCK_SLAB);
	struct block *b;

	if (at < 0)
		return NULL;
	b = &shm_here.block[at];
	ASAN_UNPOISON_MEMORY_REGION(shm_here.base + (size_t)at * BLOCK_BYTES, BLOCK_BYTES);
	b->class = class;
	b->free = (uint16_t)(BLOCK_BYTES / class_bytes[class]);
	list_append(&s->partial, &b->link);
	return b;
}

/* One object of the block; those that were never used come last, so that their pages stay untouched. */
static struct head *block_pop_locked(struct block *b)
{
	struct head *h;

	if (b->first) {
		h = object_at(b, b->first - 1u);
		b->first = h->next;
	} else {
		h = object_at(b, b->carved++);
		*h = (struct head){ .magic = HEAD_FREE, .class = b->class };
	}
	if (!--b->free)
		list_remove(&b->link);
	return h;
}

/* Gives the block back to the region when it is whole again, unless it is all that the class has left. */
static void block_push_locked(struct slab *s, struct head *h)
{
	uint32_t      at = block_index(h);
	struct block *b = &shm_here.block[at];
	size_t        size = class_bytes[h->class];

	h->next = b->first;
	b->first = (uint16_t)(1 + ((char *)h - shm_here.base) % BLOCK_BYTES / size);
	if (!b->free++)
		list_append(&s->partial, &b->link);
	if (b->free < BLOCK_BYTES / size || s->partial.next == s->partial.prev)
		return;
	list_remove(&b->link);
	blocks_give(at, 1);
}

/* --- magazines --- */

static void refill(struct magazine *m, uint8_t class)
{
	struct slab *s = &shm_here.region->slab[class];
	unsigned     want = cfg.most[class] / 2u;

	lock(&s->lock);
	while (m->count < want) {
		if (list_empty(&s->partial) && !block_new_locked(s, class))
			break;
		m->object[m->count] = block_pop_locked(LIST_FIRST(&s->partial, struct block, link));
		m->count++;
	}
	unlock(&s->lock);
}

/* The older half goes back: what was freed last is warm in this processor's cache. */
static void spill(struct magazine *m, uint8_t class)
{
	struct slab *s = &shm_here.region->slab[class];
	unsigned     n = (m->count + 1) / 2;

	lock(&s->lock);
	for (unsigned i = 0; i < n; i++)
		block_push_locked(s, m->object[i]);
	m->count -= n;
	memmove(m->object, m->object + n, m->count * sizeof(m->object[0]));
	unlock(&s->lock);
}

static struct head *small_take(uint8_t class)
{
	struct magazine *m = &shm_here.room->magazine[class];
	struct head     *h;

	if (!m->count)
		refill(m, class);
	if (!m->count)
		return NULL;
	h = m->object[m->count - 1];
	KEEP_ORDER();
	m->count--;	/* killed from here on: this object is lost, nothing else */
	KEEP_ORDER();
	return h;
}

static void small_give(struct head *h)
{
	struct magazine *m = &shm_here.room->magazine[h->class];

	if (m->count == cfg.most[h->class])
		spill(m, h->class);
	m->object[m->count] = h;
	KEEP_ORDER();
	m->count++;
}

/* --- big objects --- */

static struct head *big_take(size_t bytes)
{
	size_t       count = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	int64_t      at = count > shm_here.block_count ? -1 : blocks_take((uint32_t)count, BLOCK_BIG);
	struct head *h;

	if (at < 0)
		return NULL;
	h = (struct head *)(shm_here.base + (size_t)at * BLOCK_BYTES);
	ASAN_UNPOISON_MEMORY_REGION(h, sizeof(*h));
	*h = (struct head){ .magic = HEAD_FREE, .class = CLASS_BIG };
	return h;
}

static void big_give(struct head *h)
{
	uint32_t at = block_index(h);

	blocks_give(at, shm_here.block[at].run);
}

/* --- every object --- */

static void account(shm_owner who, int64_t bytes, int64_t objects)
{
	struct room *room = shm_here.room;

	__atomic_store_n(&room->owner_bytes[who], room->owner_bytes[who] + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&room->owner_objects[who], room->owner_objects[who] + objects, __ATOMIC_RELAXED);
}

static bool told_to_fail(void)
{
	if (!cfg.fail_after)
		return false;
	if (cfg.fail_after == 1)
		return true;
	cfg.fail_after--;
	return false;
}

void *shm_alloc(shm_owner who, size_t bytes)
{
	size_t       need = bytes + sizeof(struct head);
	struct head *h;

	if (need < bytes || told_to_fail())
		return NULL;
	h = need <= CLASS_MOST_BYTES ? small_take(cfg.class_of[(need + STEP - 1) / STEP]) : big_take(need);
	if (!h) {
		counter_inc(&refused);
		return NULL;
	}
	h->owner = who;
	h->magic = HEAD_LIVE;
	account(who, (int64_t)head_bytes(h), 1);
	show(h, bytes);
	return h + 1;
}

void *shm_zalloc(shm_owner who, size_t bytes)
{
	void *p = shm_alloc(who, bytes);

	return p ? memset(p, 0, bytes) : NULL;
}

struct str shm_dup(shm_owner who, struct str s)
{
	char *p = shm_alloc(who, s.len);

	if (!p)
		return STR_NONE;
	if (s.len)
		memcpy(p, s.p, s.len);
	return str_n(p, s.len);
}

static struct head *head_of(const void *p)
{
	struct head *h = (struct head *)p - 1;
	const char  *at = (const char *)h;
	bool         inside = at >= shm_here.base && at < shm_here.base + (size_t)shm_here.block_count * BLOCK_BYTES;

	if (inside && (uintptr_t)p % STEP == 0 && h->magic == HEAD_LIVE)
		return h;
	log_error(NULL, "shared memory is damaged: %s pointer=%p",
		  inside && h->magic == HEAD_FREE ? "freed twice" : "not an object", p);
	abort();
}

void shm_free(void *p)
{
	struct head *h;

	if (!p)
		return;
	h = head_of(p);
	h->magic = HEAD_FREE;
	account(h->owner, -(int64_t)head_bytes(h), -1);
	hide(h);
	if (h->class == CLASS_BIG)
		big_give(h);
	else
		small_give(h);
}

size_t shm_usable(const void *p)
{
	struct head *h = head_of(p);
	size_t       n = head_bytes(h) - sizeof(*h);

	ASAN_UNPOISON_MEMORY_REGION(h + 1, n);
	return n;
}

void shm_fail_after(unsigned n)
{
	cfg.fail_after = n;
}
