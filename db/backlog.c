#include "db/backlog.h"

#include <stdlib.h>

enum { FIRST_ROOM = 1024 };	/* a power of two */

/* Open addressing: `room` places, at most half of them taken. A letter that was removed leaves its key behind until the next growth. */
struct place {
	uint64_t         key;	/* 0: free */
	struct db_write *last;
};
static struct {
	struct place *place;
	size_t        room, taken;
} backlog;

/* Keys are hashes already. */
static struct place *find(struct place *places, size_t room, uint64_t key)
{
	size_t at = key & (room - 1);

	while (places[at].key && places[at].key != key)
		at = (at + 1) & (room - 1);
	return &places[at];
}

static bool grow(void)
{
	size_t        room = backlog.room ? backlog.room * 2 : FIRST_ROOM, taken = 0;
	struct place *places = calloc(room, sizeof(*places));

	if (!places)
		return false;
	for (size_t i = 0; i < backlog.room; i++)
		if (backlog.place[i].last) {
			*find(places, room, backlog.place[i].key) = backlog.place[i];
			taken++;
		}
	free(backlog.place);
	backlog.place = places;
	backlog.room = room;
	backlog.taken = taken;
	return true;
}

struct db_write *backlog_put(struct db_write *l)
{
	struct db_write *older;
	struct place    *p;

	if (backlog.taken * 2 >= backlog.room && !grow())
		return NULL;
	p = find(backlog.place, backlog.room, l->key);
	backlog.taken += !p->key;
	older = p->last;
	*p = (struct place){ .key = l->key, .last = l };
	return older;
}

void backlog_remove(const struct db_write *l)
{
	struct place *p = backlog.room ? find(backlog.place, backlog.room, l->key) : NULL;

	if (p && p->last == l)
		p->last = NULL;
}

void backlog_clear(void)
{
	free(backlog.place);
	backlog.place = NULL;
	backlog.room = backlog.taken = 0;
}
