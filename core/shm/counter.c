#include "shm/counter.h"

#include "shm/region.h"

/* Id 0 is a cell for counters that nobody registered. */
static struct {
	const struct counter *at[COUNTER_MOST];
	uint32_t              count;
	int64_t               before[COUNTER_MOST];	/* counted before there was a region */
} all = { .count = 1 };

static int64_t *row(void)
{
	return shm_here.room ? shm_here.room->counter : all.before;
}

void counter_register(struct counter *c)
{
	if (c->id || all.count == COUNTER_MOST)
		return;
	c->id = all.count;
	all.at[all.count++] = c;
}

void counter_add(const struct counter *c, int64_t n)
{
	int64_t *cell = row() + c->id;

	__atomic_store_n(cell, *cell + n, __ATOMIC_RELAXED);
}

int64_t counter_read(const struct counter *c)
{
	int64_t sum = 0;

	if (!c->id)
		return 0;
	if (!shm_here.region)
		return all.before[c->id];
	for (unsigned i = 0; i < shm_here.procs; i++)
		sum += __atomic_load_n(&shm_here.region->room[i].counter[c->id], __ATOMIC_RELAXED);
	return sum;
}

const struct counter *counter_at(size_t i)
{
	return i + 1 < all.count ? all.at[i + 1] : NULL;
}

void counter_region_made(void)
{
	memcpy(shm_here.room->counter, all.before, sizeof(all.before));
}

/* What was counted outlives a rebuild; what a gauge measured is gone with the region. */
void counter_region_goes(void)
{
	for (uint32_t i = 1; i < all.count; i++)
		all.before[i] = all.at[i]->gauge ? 0 : counter_read(all.at[i]);
}
