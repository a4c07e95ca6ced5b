#include "timer/timer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "shm/lock.h"
#include "shm/shm.h"

/* 256 slots a level: 2.56 s, 11 minutes, 46 hours, 497 days. A timer waits in the lowest level whose span covers it, and
 * moves down when the wheel comes to its slot. A bitmap a level lets idle ticks be skipped. */
enum { LEVELS = 4, SLOT_BITS = 8, SLOTS = 1 << SLOT_BITS, WORDS = SLOTS / 64 };

struct wheel {
	struct lock   lock;	/* RANK_TIMER, of a shared wheel: all of it, and the links of its timers */
	bool          shared;
	uint64_t      tick;	/* the first that has not been looked at */
	size_t        count;	/* armed */
	struct timer *current;	/* its handler is running, and has not settled */
	struct list   due;	/* their tick has come. In the wheel, so that they survive the process */
	uint64_t      used[LEVELS][WORDS];	/* a bit a slot that is not empty */
	struct list   slot[LEVELS][SLOTS];
};

static struct {
	struct wheel *wheel;	/* one a process slot, shared */
	unsigned      life;	/* of shared memory, in which they are */
} all;

static struct wheel *mine(void)
{
	return all.life && all.life == shm_life() ? &all.wheel[proc_self()] : NULL;
}

static void wheel_lock(struct wheel *w)
{
	if (w->shared)
		lock(&w->lock);
}

static void wheel_unlock(struct wheel *w)
{
	if (w->shared)
		unlock(&w->lock);
}

static void wheel_init(struct wheel *w, bool shared, uint64_t now_ms)
{
	memset(w->used, 0, sizeof(w->used));
	w->shared = shared;
	w->tick = now_ms / TIMER_TICK_MS;
	w->count = 0;
	w->current = NULL;
	list_init(&w->due);
	for (size_t i = 0; i < LEVELS * SLOTS; i++)
		list_init(&w->slot[0][0] + i);
}

/* The level and slot in which to wait for `tick`. */
static struct list *place_locked(struct wheel *w, uint64_t tick)
{
	uint64_t most = ((uint64_t)1 << (LEVELS * SLOT_BITS)) - 1, wait = tick - w->tick;
	unsigned level = 0, slot;

	if (wait > most)	/* looked at again when the wheel comes around */
		tick = w->tick + (wait = most);
	while (wait >> (SLOT_BITS * (level + 1)))
		level++;
	slot = (tick >> (SLOT_BITS * level)) % SLOTS;
	w->used[level][slot / 64] |= (uint64_t)1 << (slot % 64);
	return &w->slot[level][slot];
}

/* Never early: the tick that begins at or after at_ms. What is past is due at the next tick. */
static void put_locked(struct wheel *w, struct timer *t)
{
	uint64_t tick = t->at_ms / TIMER_TICK_MS + (t->at_ms % TIMER_TICK_MS != 0);

	list_append(place_locked(w, tick < w->tick ? w->tick : tick), &t->link);
}

static void arm_locked(struct wheel *w, struct timer *t, uint64_t at_ms)
{
	t->at_ms = at_ms;
	put_locked(w, t);
	w->count++;
	__atomic_store_n(&t->wheel, w, __ATOMIC_RELAXED);
}

static void take_out_locked(struct wheel *w, struct timer *t)
{
	struct list *head = t->link.next;

	if (head == t->link.prev && head != &w->due) {	/* the last of its slot */
		size_t at = (size_t)(head - &w->slot[0][0]);

		w->used[at / SLOTS][at % SLOTS / 64] &= ~((uint64_t)1 << (at % 64));
	}
	list_remove(&t->link);
	w->count--;
	__atomic_store_n(&t->wheel, NULL, __ATOMIC_RELAXED);
}

/* How many slots after `from` (around the wheel) the first used one is; SLOTS: none. */
static unsigned used_after(const uint64_t used[WORDS], unsigned from)
{
	uint64_t word = used[from / 64] >> (from % 64);

	if (word)
		return (unsigned)__builtin_ctzll(word);
	for (unsigned i = 1; i <= WORDS; i++) {
		unsigned at = (from / 64 + i) % WORDS;

		if (used[at])
			return (at * 64 + (unsigned)__builtin_ctzll(used[at]) + SLOTS - from) % SLOTS;
	}
	return SLOTS;
}

/* The next tick with something to fire or to move down; UINT64_MAX: none. */
static uint64_t next_tick_locked(const struct wheel *w)
{
	uint64_t next = UINT64_MAX;

	for (unsigned level = 0; level < LEVELS; level++) {
		unsigned bits = SLOT_BITS * level;
		uint64_t turn = (w->tick + ((uint64_t)1 << bits) - 1) >> bits;
		unsigned ahead = used_after(w->used[level], turn % SLOTS);

		if (ahead < SLOTS && (turn + ahead) << bits < next)
			next = (turn + ahead) << bits;
	}
	return next;
}

static void empty_slot_locked(struct wheel *w, unsigned level, unsigned slot, struct list *into)
{
	list_splice(into, &w->slot[level][slot]);
	w->used[level][slot / 64] &= ~((uint64_t)1 << (slot % 64));
}

/* The wheel's present tick: first what waits above comes down, then what is due moves to `due`. */
static void turn_locked(struct wheel *w)
{
	struct list down;

	list_init(&down);
	for (unsigned level = 1; level < LEVELS && w->tick % ((uint64_t)1 << (SLOT_BITS * level)) == 0; level++)
		empty_slot_locked(w, level, (w->tick >> (SLOT_BITS * level)) % SLOTS, &down);
	LIST_EACH_SAFE(struct timer, t, &down, link)
		put_locked(w, t);
	empty_slot_locked(w, 0, w->tick % SLOTS, &w->due);
	w->tick++;
}

/* A timer whose time has come, no longer armed; NULL: none up to that tick. */
static struct timer *next_due_locked(struct wheel *w, uint64_t tick)
{
	struct timer *t;

	while (list_empty(&w->due)) {
		uint64_t next = next_tick_locked(w);

		if (next > tick) {
			if (w->tick <= tick)
				w->tick = tick + 1;
			return NULL;
		}
		w->tick = next;
		turn_locked(w);
	}
	t = LIST_FIRST(&w->due, struct timer, link);
	take_out_locked(w, t);
	return t;
}

size_t wheel_run(struct wheel *w, uint64_t now_ms)
{
	struct timer *t;
	size_t        n = 0;

	wheel_lock(w);
	while ((t = next_due_locked(w, now_ms / TIMER_TICK_MS))) {
		w->current = t;
		wheel_unlock(w);
		t->fn(t);
		n++;
		wheel_lock(w);
		w->current = NULL;
	}
	wheel_unlock(w);
	return n;
}

uint32_t wheel_wait_ms(const struct wheel *w, uint64_t now_ms, uint32_t most)
{
	uint64_t next = list_empty(&w->due) ? next_tick_locked(w) : 0;

	if (next > UINT64_MAX / TIMER_TICK_MS || next * TIMER_TICK_MS > now_ms + most)
		return most;
	return next * TIMER_TICK_MS > now_ms ? (uint32_t)(next * TIMER_TICK_MS - now_ms) : 0;
}

/* --- private wheels --- */

struct wheel *wheel_new(uint64_t now_ms)
{
	struct wheel *w = malloc(sizeof(*w));

	if (w)
		wheel_init(w, false, now_ms);
	return w;
}

static void abandon(struct wheel *w, struct list *l)
{
	LIST_EACH_SAFE(struct timer, t, l, link)
		take_out_locked(w, t);
}

void wheel_free(struct wheel *w)
{
	if (!w)
		return;
	abandon(w, &w->due);
	for (size_t i = 0; i < LEVELS * SLOTS; i++)
		abandon(w, &w->slot[0][0] + i);
	free(w);
}

void wheel_arm(struct wheel *w, struct timer *t, uint64_t at_ms)
{
	wheel_disarm(t);
	arm_locked(w, t, at_ms);
}

void wheel_disarm(struct timer *t)
{
	if (t->wheel)
		take_out_locked(t->wheel, t);
}

/* --- shared wheels --- */

enum err timer_boot(void)
{
	struct wheel *w = shm_alloc(shm_owner_new("timer"), proc_count() * sizeof(*w));

	if (!w)
		return ERR_NOMEM;
	for (unsigned i = 0; i < proc_count(); i++) {
		lock_init(&w[i].lock, RANK_TIMER);
		wheel_init(&w[i], true, clock_ms());
	}
	all.wheel = w;
	all.life = shm_life();
	return OK;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	*t = (struct timer){ .fn = fn };
	list_init(&t->link);
}

/* The wheel that has the timer, locked; NULL: not armed. Its owner may fire it at any time until the wheel is locked; nobody
 * arms it meanwhile, since the caller holds the lock of the timer's object. */
static struct wheel *lock_wheel_of(struct timer *t)
{
	struct wheel *w;

	while ((w = __atomic_load_n(&t->wheel, __ATOMIC_RELAXED))) {
		lock(&w->lock);
		if (__atomic_load_n(&t->wheel, __ATOMIC_RELAXED) == w)
			break;
		unlock(&w->lock);
	}
	return w;
}

void timer_arm(struct timer *t, uint64_t at_ms)
{
	struct wheel *w = mine(), *was = lock_wheel_of(t);

	if (was)
		take_out_locked(was, t);
	if (was && was != w)
		unlock(&was->lock);
	if (was != w)
		lock(&w->lock);
	arm_locked(w, t, at_ms);
	if (w->current == t)
		w->current = NULL;
	unlock(&w->lock);
}

bool timer_disarm(struct timer *t)
{
	struct wheel *w = lock_wheel_of(t);

	if (!w)
		return false;
	take_out_locked(w, t);
	unlock(&w->lock);
	return true;
}

/* Without the wheel's lock: only this process writes its `current`, and only its heir reads it. */
void timer_settled(struct timer *t)
{
	struct wheel *w = mine();

	if (w && w->current == t)
		__atomic_store_n(&w->current, NULL, __ATOMIC_RELAXED);
}

size_t timer_run(uint64_t now_ms)
{
	struct wheel *w = mine();

	return w ? wheel_run(w, now_ms) : 0;
}

void timer_adopt(void)
{
	struct wheel *w = mine();

	if (!w || !w->current)
		return;
	w->current->fn(w->current);
	w->current = NULL;
}

uint32_t timer_wait_ms(uint64_t now_ms, uint32_t most)
{
	struct wheel *w = mine();
	uint32_t      wait = most;

	if (!w)
		return most;
	lock(&w->lock);
	wait = wheel_wait_ms(w, now_ms, most);
	unlock(&w->lock);
	return wait;
}

size_t timer_count(void)
{
	size_t n = 0;

	for (unsigned i = 0; mine() && i < proc_count(); i++)
		n += __atomic_load_n(&all.wheel[i].count, __ATOMIC_RELAXED);
	return n;
}
