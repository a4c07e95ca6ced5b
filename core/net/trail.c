#include "net/trail.h"

#include "base/clock.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { CELL_BYTES = 64, FIRST_DATA = 36, MORE_DATA = 56, MOST_CELLS = 8, MOST_TAKEN = 64 };
_Static_assert(FIRST_DATA + (MOST_CELLS - 1) * MORE_DATA == TRAIL_MOST_DATA, "cells");

/* An event has one cell, or several in a row, one cache line each. `mark` is written last and differs from turn to turn of the ring, so
 * that a reader knows a cell that is half written, belongs to another event by now, or was never written. */
struct cell {
	uint32_t mark;		/* of the cell's number, see mark_of(); 0: being written */
	uint8_t  kind;
	uint8_t  cells;		/* of the event; 0: this cell goes on with the one before */
	uint16_t len;		/* of its data */
	union {
		struct {
			uint64_t call, at_us;
			uint32_t place;
			char     data[FIRST_DATA];
		} first;
		char more[MORE_DATA];
	} u;
};
_Static_assert(sizeof(struct cell) == CELL_BYTES, "a cache line");

struct ring {
	uint64_t    next;	/* number of the cell to be written next, from 0; they are never reset */
	uint32_t    salt;	/* of the marks: the memory may have been another ring's before */
	struct cell cell[];	/* trail.cells of them, a power of two */
};
struct watched {
	uint32_t           in_use;
	uint32_t           count;		/* of calls taken, for ever */
	uint64_t           call[MOST_TAKEN];	/* the last of them */
	struct trail_watch what;
};
/* In shared memory. */
struct shared {
	uint64_t        salt;			/* of the calls' numbers */
	uint32_t        watching;	/* watches in use */
	struct watched  watched[TRAIL_WATCHES];
	struct ring    *ring[][2];	/* by slot: of all calls, of the traced ones. NULL: none */
};

static struct {
	struct shared *shared;	/* NULL: no trail */
	uint64_t       cells;	/* of a ring */
	uint64_t       last_us;	/* when something arrived last */
	shm_owner      owner;
} trail;

void trail_boot(size_t bytes)
{
	trail.shared = NULL;
	trail.owner = shm_owner_new("trail");
	for (trail.cells = MOST_CELLS; trail.cells * 2 * CELL_BYTES <= bytes; trail.cells *= 2)
		;
	if (!bytes)
		return;
	trail.shared = shm_zalloc(trail.owner, sizeof(*trail.shared) + proc_count() * sizeof(trail.shared->ring[0]));
	if (trail.shared)
		trail.shared->salt = random_u64();
}

/* Pages are touched when they are written: a ring that was never filled costs little. */
static struct ring *ring_new(void)
{
	struct ring *r = shm_alloc(trail.owner, sizeof(*r) + trail.cells * CELL_BYTES);

	if (!r)
		return NULL;
	r->next = 0;
	r->salt = (uint32_t)random_u64();
	return r;
}

void trail_start(void)
{
	struct ring **mine;

	if (!trail.shared)
		return;
	mine = trail.shared->ring[proc_self()];
	critical_enter();
	for (int i = 0; i < 2; i++)
		if (!mine[i])
			__atomic_store_n(&mine[i], ring_new(), __ATOMIC_RELEASE);
	critical_leave();
}

/* --- writing --- */

static uint32_t mark_of(const struct ring *r, uint64_t number)
{
	uint32_t mark = (uint32_t)number + r->salt;

	return mark ? mark : 1;
}

static void open_cell(struct cell *c)
{
	__atomic_store_n(&c->mark, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void close_cell(const struct ring *r, struct cell *c, uint64_t number)
{
	__atomic_store_n(&c->mark, mark_of(r, number), __ATOMIC_RELEASE);
}

static struct cell *cell_at(struct ring *r, uint64_t number)
{
	return &r->cell[number & (trail.cells - 1)];
}

static void write_more(struct ring *r, uint64_t number, const char *data)
{
	struct cell *c = cell_at(r, number);

	open_cell(c);
	c->cells = 0;
	memcpy(c->u.more, data, MORE_DATA);
	close_cell(r, c, number);
}

/* A message has come just now; the rest is a matter of microseconds, and asking for the time has its price. */
static uint64_t time_of(enum trail_kind kind)
{
	uint64_t turn_us = (uint64_t)clock_turn_us();

	if (kind == TRAIL_RECEIVED || trail.last_us < turn_us)
		trail.last_us = kind == TRAIL_RECEIVED ? (uint64_t)clock_unix_us() : turn_us;
	return trail.last_us;
}

/* `data` has room for whole cells, that they are copied in one go; the first one is closed last. */
static void add(struct ring *r, uint64_t call, enum trail_kind kind, uint32_t place, const char *data, size_t len)
{
	size_t       n = len <= FIRST_DATA ? 1 : 1 + (len - FIRST_DATA + MORE_DATA - 1) / MORE_DATA;
	struct cell *c = cell_at(r, r->next);

	open_cell(c);
	c->kind = (uint8_t)kind;
	c->cells = (uint8_t)n;
	c->len = (uint16_t)len;
	c->u.first.call = call;
	c->u.first.at_us = time_of(kind);
	c->u.first.place = place;
	memcpy(c->u.first.data, data, FIRST_DATA);
	for (size_t i = 1; i < n; i++)
		write_more(r, r->next + i, data + FIRST_DATA + (i - 1) * MORE_DATA);
	close_cell(r, c, r->next);
	__atomic_store_n(&r->next, r->next + n, __ATOMIC_RELEASE);
}

static struct ring *ring_for(uint64_t call)
{
	return call && trail.shared ? trail.shared->ring[proc_self()][call & TRAIL_TRACED] : NULL;
}

void trail_add(uint64_t call, enum trail_kind kind, uint32_t place, struct str data)
{
	struct ring *r = ring_for(call);
	struct str   part = str_to(data, TRAIL_MOST_DATA);
	char         room[TRAIL_MOST_DATA];

	if (!r)
		return;
	if (part.len)
		memcpy(room, part.p, part.len);
	add(r, call, kind, place, room, part.len);
}

static struct trail_wire wire_of(const struct flow *f)
{
	struct trail_wire w = { .transport = f->via ? (uint8_t)f->via->transport : TP_NONE, .family = (uint8_t)f->peer.u.any.sa_family, .port = addr_port(&f->peer) };

	if (w.family == AF_INET6)
		memcpy(w.ip, &f->peer.u.v6.sin6_addr, 16);
	else
		memcpy(w.ip, &f->peer.u.v4.sin_addr, 4);
	return w;
}

/* The first line as far as it fits into two cells. */
void trail_message(uint64_t call, enum trail_kind kind, const struct flow *f, struct str bytes)
{
	enum { LINE = FIRST_DATA + MORE_DATA - sizeof(struct trail_wire) };
	struct ring     *r = ring_for(call);
	char             room[sizeof(struct trail_wire) + LINE];
	struct trail_wire w;
	ptrdiff_t        end;

	if (!r || bytes.len < LINE)	/* no message is so short */
		return;
	w = wire_of(f);
	memcpy(room, &w, sizeof(w));
	memcpy(room + sizeof(w), bytes.p, LINE);
	end = str_find(str_n(room + sizeof(w), LINE), '\r');
	add(r, call, kind, 0, room, sizeof(w) + (end < 0 ? (size_t)LINE : (size_t)end));
}

/* --- reading --- */

static bool cell_is(const struct ring *r, const struct cell *c, uint64_t number)
{
	return __atomic_load_n(&c->mark, __ATOMIC_ACQUIRE) == mark_of(r, number);
}

/* Still the same after it was copied? */
static bool cell_still(const struct ring *r, const struct cell *c, uint64_t number)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&c->mark, __ATOMIC_RELAXED) == mark_of(r, number);
}

/* How many cells the event at `number` has; 0: there is none that can be read. room: TRAIL_MOST_DATA bytes. */
static unsigned read_event(struct ring *r, uint64_t number, struct trail_event *e, char *room)
{
	struct cell *c = cell_at(r, number), copy;
	size_t       at = FIRST_DATA;

	if (!cell_is(r, c, number))
		return 0;
	copy = *c;
	if (!cell_still(r, c, number) || !copy.cells || copy.cells > MOST_CELLS || copy.len > TRAIL_MOST_DATA)
		return 0;
	memcpy(room, copy.u.first.data, FIRST_DATA);
	for (unsigned i = 1; i < copy.cells; i++, at += MORE_DATA) {
		struct cell *more = cell_at(r, number + i);

		if (!cell_is(r, more, number + i))
			return 0;
		memcpy(room + at, more->u.more, MORE_DATA);
		if (!cell_still(r, more, number + i))
			return 0;
	}
	e->kind = copy.kind < TRAIL_KINDS ? (enum trail_kind)copy.kind : TRAIL_FAULT;
	e->call = copy.u.first.call;
	e->at_us = copy.u.first.at_us;
	e->place = copy.u.first.place;
	e->data = str_n(room, copy.len);
	return copy.cells;
}

uint64_t trail_each(unsigned slot, bool traced, uint64_t from, void (*fn)(void *arg, const struct trail_event *e), void *arg)
{
	struct ring *r = trail.shared ? __atomic_load_n(&trail.shared->ring[slot][traced], __ATOMIC_ACQUIRE) : NULL;
	uint64_t     next = r ? __atomic_load_n(&r->next, __ATOMIC_ACQUIRE) : 0;
	char         room[TRAIL_MOST_DATA];

	if (next > trail.cells && from < next - trail.cells)
		from = next - trail.cells;
	while (from < next) {
		struct trail_event e = { .slot = slot };
		unsigned           n = read_event(r, from, &e, room);

		if (n)
			fn(arg, &e);
		from += n ? n : 1;
	}
	return from;
}

/* --- traced calls --- */

bool trail_watching(void)
{
	return trail.shared && __atomic_load_n(&trail.shared->watching, __ATOMIC_RELAXED);
}

static bool took(const struct watched *w, uint64_t call)
{
	for (unsigned i = 0; i < MOST_TAKEN; i++)
		if (__atomic_load_n(&w->call[i], __ATOMIC_RELAXED) == call)
			return true;
	return false;
}

static bool watch_lives(const struct watched *w)
{
	return __atomic_load_n(&w->in_use, __ATOMIC_ACQUIRE) && clock_ms() < w->what.until_ms;
}

const struct trail_watch *trail_watch_at(unsigned n)
{
	struct watched *w = trail.shared ? &trail.shared->watched[n] : NULL;

	return w && watch_lives(w) ? &w->what : NULL;
}

/* Nobody gains by two calls with one number: they would be told as one. So a quick hash does: eight bytes a multiplication. */
static uint64_t number_of(struct str s)
{
	uint64_t h = trail.shared->salt ^ s.len, word;

	for (; s.len >= sizeof(word); s = str_from(s, sizeof(word))) {
		memcpy(&word, s.p, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	for (word = 0; s.len; s.len--)
		word = word << 8 | (unsigned char)s.p[s.len - 1];
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return ((h ^ h >> 32) | 2) & ~(uint64_t)TRAIL_TRACED;
}

uint64_t trail_call(struct str call_id)
{
	uint64_t call;

	if (!trail.shared)
		return 0;
	call = number_of(call_id);
	if (trail_watching())
		for (unsigned i = 0; i < TRAIL_WATCHES; i++)
			if (trail_watch_at(i) && took(&trail.shared->watched[i], call | TRAIL_TRACED))
				return call | TRAIL_TRACED;
	return call;
}

uint64_t trail_take(unsigned n, uint64_t call)
{
	struct watched *w = &trail.shared->watched[n];

	call |= TRAIL_TRACED;
	if (!took(w, call))
		__atomic_store_n(&w->call[__atomic_fetch_add(&w->count, 1, __ATOMIC_RELAXED) % MOST_TAKEN], call, __ATOMIC_RELAXED);
	return call;
}

bool trail_took(unsigned number, uint64_t call)
{
	return trail.shared && number && number <= TRAIL_WATCHES && took(&trail.shared->watched[number - 1], call | TRAIL_TRACED);
}

/* Those that ended by themselves are cleared away when the next one comes. */
static void clear_away(void)
{
	for (unsigned i = 0; i < TRAIL_WATCHES; i++)
		if (trail.shared->watched[i].in_use && !watch_lives(&trail.shared->watched[i]))
			trail_unwatch(i + 1);
}

unsigned trail_watch(const struct trail_watch *what)
{
	if (!trail.shared)
		return 0;
	clear_away();
	for (unsigned i = 0; i < TRAIL_WATCHES; i++) {
		struct watched *w = &trail.shared->watched[i];

		if (w->in_use)
			continue;
		memset(w->call, 0, sizeof(w->call));
		w->what = *what;
		__atomic_store_n(&w->in_use, 1, __ATOMIC_RELEASE);
		__atomic_fetch_add(&trail.shared->watching, 1, __ATOMIC_RELAXED);
		return i + 1;
	}
	return 0;
}

void trail_unwatch(unsigned number)
{
	if (!trail.shared || !number || number > TRAIL_WATCHES || !__atomic_exchange_n(&trail.shared->watched[number - 1].in_use, 0, __ATOMIC_RELAXED))
		return;
	__atomic_fetch_sub(&trail.shared->watching, 1, __ATOMIC_RELAXED);
}
