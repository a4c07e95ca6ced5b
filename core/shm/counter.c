#include "shm/counter.h"

#include <stdio.h>

#include "shm/region.h"

/* Id 0 is a cell for counters that nobody registered. */
static struct {
	const struct counter *at[COUNTER_MOST];	/* by id; NULL: this process does not know it, or does not show it */
	uint32_t              count;		/* ids given out, before there was a region and in the regions before this one */
	int64_t               before[COUNTER_MOST];	/* counted before there was a region */
	char                  name[COUNTER_MOST][COUNTER_NAME];	/* of those that were named, the same way */
} all = { .count = 1 };

static int64_t *row(void)
{
	return shm_here.room ? shm_here.room->counter : all.before;
}

static bool is_name(const char *kept, const char *name)
{
	return kept[0] && strncmp(kept, name, COUNTER_NAME - 1) == 0;
}

/* The id of that name, a new one where there is none; NULL: a new one without a name. 0: there is no room. */
static uint32_t take_id(uint32_t *count, char names[][COUNTER_NAME], const char *name)
{
	for (uint32_t i = 1; name && i < *count; i++)
		if (is_name(names[i], name))
			return i;
	if (*count >= COUNTER_MOST)
		return 0;
	if (name)
		snprintf(names[*count], COUNTER_NAME, "%s", name);
	return (*count)++;
}

static uint32_t id_for(const char *name)
{
	struct region *r = shm_here.region;
	uint32_t       id;

	if (!r || !r->counters)		/* none, or it is just being made */
		return take_id(&all.count, all.name, name);
	lock(&r->lock);
	id = take_id(&r->counters, r->counter_name, name);
	unlock(&r->lock);
	return id;
}

void counter_register(struct counter *c)
{
	if (!c->id)
		c->id = id_for(NULL);
	if (c->id)
		all.at[c->id] = c;
}

bool counter_register_named(struct counter *c)
{
	if (!c->id)
		c->id = id_for(c->name);
	return c->id != 0;
}

void counter_show(const struct counter *c, bool shown)
{
	if (c->id)
		all.at[c->id] = shown ? c : NULL;
}

/* A script may add any number: what does not fit begins anew, as with every counter. */
static int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

void counter_add(const struct counter *c, int64_t n)
{
	int64_t *cell = row() + c->id;

	__atomic_store_n(cell, plus(*cell, n), __ATOMIC_RELAXED);
}

int64_t counter_read(const struct counter *c)
{
	int64_t sum = 0;

	if (!c->id)
		return 0;
	if (!shm_here.region)
		return all.before[c->id];
	for (unsigned i = 0; i < shm_here.procs; i++)
		sum = plus(sum, __atomic_load_n(&shm_here.region->room[i].counter[c->id], __ATOMIC_RELAXED));
	return sum;
}

const struct counter *counter_at(size_t i)
{
	for (uint32_t id = 1; id < COUNTER_MOST; id++)
		if (all.at[id] && i-- == 0)
			return all.at[id];
	return NULL;
}

void counter_region_made(void)
{
	struct region *r = shm_here.region;

	r->counters = all.count;
	memcpy(r->counter_name, all.name, sizeof(all.name));
	memcpy(shm_here.room->counter, all.before, sizeof(all.before));
}

static int64_t counted(uint32_t id)
{
	return counter_read(&(struct counter){ .id = id });
}

/* What was counted outlives a rebuild, also of names that this process has not heard of; what a gauge measured is gone with the region.
 * The region may be damaged: nothing that it says is trusted to be in bounds. */
void counter_region_goes(void)
{
	const struct region *r = shm_here.region;
	uint32_t             count = r->counters;

	all.count = count > all.count && count <= COUNTER_MOST ? count : all.count;
	memcpy(all.name, r->counter_name, sizeof(all.name));
	for (uint32_t i = 1; i < all.count; i++) {
		all.name[i][COUNTER_NAME - 1] = '\0';
		all.before[i] = all.at[i] && all.at[i]->gauge ? 0 : counted(i);
	}
}
