#include "shm/region.h"

#include <sys/mman.h>

struct shm_here shm_here;

static struct {
	const char *owner[OWNER_MOST];
	size_t      owners;
	unsigned    lives;
} boot = { .owner = { "other" }, .owners = 1 };

static void region_init(struct region *r)
{
	lock_init(&r->lock, RANK_REGION);
	for (size_t i = 0; i < CLASS_COUNT; i++) {
		lock_init(&r->slab[i].lock, RANK_SLAB);
		list_init(&r->slab[i].partial);
	}
}

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

enum err shm_create(size_t limit_bytes, unsigned procs)
{
	size_t blocks = limit_bytes / BLOCK_BYTES ? limit_bytes / BLOCK_BYTES : 1;
	size_t table_at = align_up(sizeof(struct region) + procs * sizeof(struct room), 64);
	size_t base_at = align_up(table_at + blocks * sizeof(struct block), 4096);
	size_t mapped = base_at + blocks * BLOCK_BYTES;
	char  *p;

	if (shm_here.region)
		return ERR_STATE;
	if (!procs || blocks > INT32_MAX)
		return ERR_LIMIT;
	p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return ERR_IO;
	shm_here = (struct shm_here){
		.region = (struct region *)p, .block = (struct block *)(p + table_at), .base = p + base_at,
		.block_count = (uint32_t)blocks, .mapped_bytes = mapped, .procs = procs,
	};
	region_init(shm_here.region);
	slab_boot();
	proc_enter(PROC_SUPERVISOR, "supervisor");
	counter_region_made();
	boot.lives++;
	return OK;
}

unsigned shm_life(void)
{
	return shm_here.region ? boot.lives : 0;
}

void shm_leave(void)
{
	struct shm_here was = shm_here;

	if (!was.region)
		return;
	lock_depth_at(NULL);
	slab_poison_off();	/* the next mapping may get the same addresses */
	shm_here = (struct shm_here){ 0 };
	munmap(was.region, was.mapped_bytes);
}

void shm_destroy(void)
{
	if (!shm_here.region)
		return;
	counter_region_goes();
	shm_leave();
}

/* The lowest run of `count` blocks that were given back; -1: none. */
static int64_t find_free_locked(uint32_t count)
{
	struct region *r = shm_here.region;
	uint32_t       seen = 0;

	if (r->free < count)
		return -1;
	for (uint32_t i = r->hint; i < r->next; i++) {
		seen = shm_here.block[i].use == BLOCK_FREE ? seen + 1 : 0;
		if (seen == count)
			return i + 1 - count;
	}
	return -1;
}

static int64_t take_locked(uint32_t count)
{
	struct region *r = shm_here.region;
	int64_t        at = find_free_locked(count);

	if (at >= 0) {
		r->free -= count;
		if (at == r->hint)
			r->hint += count;
		return at;
	}
	if (count > shm_here.block_count - r->next)
		return -1;
	if (r->hint == r->next)
		r->hint += count;
	at = r->next;
	r->next += count;
	return at;
}

int64_t blocks_take(uint32_t count, enum block_use use)
{
	struct region *r = shm_here.region;
	int64_t        at;

	lock(&r->lock);
	at = take_locked(count);
	for (uint32_t i = 0; at >= 0 && i < count; i++)
		shm_here.block[at + i] = (struct block){ .use = i ? BLOCK_BIG_REST : use, .run = i ? 0 : count };
	unlock(&r->lock);
	return at;
}

void blocks_give(uint32_t first, uint32_t count)
{
	struct region *r = shm_here.region;

	lock(&r->lock);
	for (uint32_t i = 0; i < count; i++)
		shm_here.block[first + i].use = BLOCK_FREE;
	r->free += count;
	if (first < r->hint)
		r->hint = first;
	unlock(&r->lock);
}

bool shm_scarce(void)
{
	const struct region *r = shm_here.region;
	uint32_t             left = shm_here.block_count - __atomic_load_n(&r->next, __ATOMIC_RELAXED) + __atomic_load_n(&r->free, __ATOMIC_RELAXED);

	return left < shm_here.block_count / RESERVE;
}

shm_owner shm_owner_new(const char *name)
{
	for (size_t i = 0; i < boot.owners; i++)
		if (str_is(str_of(name), boot.owner[i]))
			return (shm_owner)i;
	if (boot.owners == OWNER_MOST)
		return 0;
	boot.owner[boot.owners] = name;
	return (shm_owner)boot.owners++;
}

/* Sum of one owner's cells over all process slots. What one process allocates another may free, so that a single
 * cell can be below zero. A process that was killed between an object and its cell leaves a sum one object off. */
static struct shm_usage usage_of(size_t owner)
{
	int64_t bytes = 0, objects = 0;

	for (unsigned i = 0; i < shm_here.procs; i++) {
		const struct room *room = &shm_here.region->room[i];

		bytes += __atomic_load_n(&room->owner_bytes[owner], __ATOMIC_RELAXED);
		objects += __atomic_load_n(&room->owner_objects[owner], __ATOMIC_RELAXED);
	}
	return (struct shm_usage){
		.owner = boot.owner[owner], .bytes = bytes > 0 ? (uint64_t)bytes : 0, .objects = objects > 0 ? (uint64_t)objects : 0,
	};
}

size_t shm_usage(struct shm_usage *rows, size_t most)
{
	for (size_t i = 0; i < boot.owners && i < most; i++)
		rows[i] = usage_of(i);
	return boot.owners;
}

void shm_totals(uint64_t *limit, uint64_t *taken, uint64_t *free_bytes)
{
	uint64_t used = 0;

	*limit = (uint64_t)shm_here.block_count * BLOCK_BYTES;
	*taken = shm_here.region ? (uint64_t)__atomic_load_n(&shm_here.region->next, __ATOMIC_RELAXED) * BLOCK_BYTES : 0;
	for (size_t i = 0; i < boot.owners; i++)
		used += usage_of(i).bytes;
	*free_bytes = used < *taken ? *taken - used : 0;
}
