#include "modules/cdr/cdr.h"

/* A chain of tallies a key, one for whoever takes part in a call now; a tally goes with the last of its seats. Who holds a seat (an INVITE that rings, a dialog) guards
 * its list by a lock of its own; the tally's is taken behind that one. */
enum { SEAT_BUCKETS = 4096, SEAT_LOCKS = 64 };

struct tally {
	struct list link;	/* guarded by the bucket's lock, as all else */
	uint64_t    key;
	int64_t     calls;
};
struct seat {
	struct seat  *next;
	struct tally *tally;	/* there as long as the seat is */
	uint64_t      key;
};
static struct {
	struct hall {
		struct list bucket[SEAT_BUCKETS];
		struct lock lock[SEAT_LOCKS];
	} *h;	/* shared */
} seats;

enum err seats_boot(void)
{
	struct hall *h = shm_alloc(cdr_owner(), sizeof(*h));

	if (!h)
		return ERR_NOMEM;
	for (size_t i = 0; i < SEAT_BUCKETS; i++)
		list_init(&h->bucket[i]);
	for (size_t i = 0; i < SEAT_LOCKS; i++)
		lock_init(&h->lock[i], RANK_TALLY);
	seats.h = h;
	return OK;
}

static struct lock *lock_of(uint64_t key)
{
	return &seats.h->lock[key % SEAT_LOCKS];
}

static struct tally *find_locked(uint64_t key)
{
	LIST_EACH(struct tally, t, &seats.h->bucket[key % SEAT_BUCKETS], link)
		if (t->key == key)
			return t;
	return NULL;
}

static struct tally *tally_new_locked(uint64_t key)
{
	struct tally *t = shm_alloc(cdr_owner(), sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct tally){ .key = key };
	list_append(&seats.h->bucket[key % SEAT_BUCKETS], &t->link);
	return t;
}

/* Looking and taking are one step: of two calls at once that want the last seat, one gets it. */
static enum err take_locked(struct seat *s, int64_t most)
{
	struct tally *t = find_locked(s->key);

	if ((t ? t->calls : 0) >= most)
		return ERR_LIMIT;
	t = t ? t : tally_new_locked(s->key);
	if (!t)
		return ERR_NOMEM;
	t->calls++;
	s->tally = t;
	return OK;
}

static void leave(struct seat *s)
{
	struct lock *l = lock_of(s->key);

	lock(l);
	if (!--s->tally->calls) {
		list_remove(&s->tally->link);
		shm_free(s->tally);
	}
	unlock(l);
	shm_free(s);
}

static struct seat **place_of(struct seat **list, uint64_t key)
{
	while (*list && (*list)->key != key)
		list = &(*list)->next;
	return list;
}

enum err seat_take(struct seat **list, uint64_t key, int64_t most)
{
	struct seat *s;
	enum err     err;

	if (*place_of(list, key))
		return OK;
	s = shm_alloc(cdr_owner(), sizeof(*s));
	if (!s)
		return ERR_NOMEM;
	*s = (struct seat){ .next = *list, .key = key };
	lock(lock_of(key));
	err = take_locked(s, most);
	unlock(lock_of(key));
	if (err)
		shm_free(s);
	else
		*list = s;
	return err;
}

void seat_leave(struct seat **list, uint64_t key)
{
	struct seat **at = place_of(list, key), *s = *at;

	if (!s)
		return;
	*at = s->next;
	leave(s);
}

void seats_leave(struct seat **list)
{
	while (*list)
		seat_leave(list, (*list)->key);
}

int64_t seats_taken(uint64_t key)
{
	struct lock  *l = lock_of(key);
	struct tally *t;
	int64_t       n;

	lock(l);
	t = find_locked(key);
	n = t ? t->calls : 0;
	unlock(l);
	return n;
}
