/* timer_route and event_route. One worker runs them, that in the first slot. A timer route's timer is a shared one: when the worker dies, the next in
 * its slot finds it where it was. */
#include "script/background.h"
#include "script/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { FIRST_WORKER = 1, NAME_ROOM = 64, ARENA_LIMIT = 1 << 20 };

/* A timer route. Shared; the lock guards all of it. */
struct beat {
	struct lock  lock;	/* RANK_MODULE */
	struct timer timer;
	uint64_t     next_ms;	/* 0: not armed in this life of shared memory */
	uint32_t     every_ms;
	uint32_t     running;	/* incarnation of the process whose run has not ended, 0: none */
	char         name[NAME_ROOM];
};
struct shared {
	struct lock lock;	/* RANK_MODULE */
	bool        started;	/* core:start has been run */
};

/* Boot lifetime. */
struct declared {
	struct declared *next;
	struct beat     *beat;
	uint32_t         every_ms;
	char             name[NAME_ROOM];
};
static struct {
	struct declared *beats;
	struct shared   *shared;
	struct timer     start;		/* private wheel: core:start, in the first turn of the loop */
	shm_owner        owner;
	bool             stopping;
} background;

const char *const background_events[] = { "core:start", "core:stop", NULL };

bool background_stopping(void)
{
	return background.stopping;
}

/* --- boot --- */

enum err background_declare(const struct program *p)
{
	struct declared *d;

	background.owner = shm_owner_new("script.timers");
	while ((d = background.beats)) {
		background.beats = d->next;
		free(d);
	}
	for (const struct route *r = p->routes; r; r = r->next) {
		if (r->kind != ROUTE_TIMER)
			continue;
		d = calloc(1, sizeof(*d));
		if (!d)
			return ERR_NOMEM;
		d->every_ms = r->every_ms;
		snprintf(d->name, sizeof(d->name), STR_FMT, STR_ARG(r->name));
		d->next = background.beats;
		background.beats = d;
	}
	return OK;
}

static void beat_fire(struct timer *t);

static struct beat *beat_new(const struct declared *d)
{
	struct beat *b = shm_zalloc(background.owner, sizeof(*b));

	if (!b)
		return NULL;
	lock_init(&b->lock, RANK_MODULE);
	timer_init(&b->timer, beat_fire);
	b->every_ms = d->every_ms;
	memcpy(b->name, d->name, sizeof(b->name));
	return b;
}

enum err background_start(char *why, size_t cap)
{
	background.stopping = false;
	background.shared = shm_zalloc(background.owner, sizeof(*background.shared));
	if (background.shared)
		lock_init(&background.shared->lock, RANK_MODULE);
	for (struct declared *d = background.beats; d && background.shared; d = d->next) {
		d->beat = beat_new(d);
		if (!d->beat)
			background.shared = NULL;
	}
	if (background.shared)
		return OK;
	snprintf(why, cap, "no shared memory for the timer routes: raise `memory_limit`");
	return ERR_NOMEM;
}

/* --- runs --- */

static struct request *request_alone(void)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	arena_init(&r->arena, NULL, 0, ARENA_LIMIT);
	r->c.arena = &r->arena;
	r->msg.c = &r->c;
	return r;
}

static void request_free(struct request *r)
{
	struct arena a = r->arena;	/* the run lies in it */

	free(r);
	arena_free(&a);
}

static void beat_ended(struct beat *b)
{
	lock(&b->lock);
	b->running = 0;
	unlock(&b->lock);
}

void background_done(struct run *run)
{
	if (run->beat)
		beat_ended(run->beat);
	request_free(run->req);
}

/* Start a run of that route, if there is one. */
static void start_run(enum route_kind kind, struct str name, struct beat *b)
{
	struct script      *s = script_now();
	const struct route *route = s ? program_route(s->program, kind, name) : NULL;
	struct request     *r = route ? request_alone() : NULL;
	struct run         *run = r ? run_new(r, s, route) : NULL;

	if (run) {
		run->background = true;
		run->beat = b;
		run_go(run);
		return;
	}
	if (r)
		request_free(r);
	if (route)
		log_error(NULL, "no memory to run route=" STR_FMT, STR_ARG(name));
	if (b)
		beat_ended(b);
}

/* --- timers --- */

static uint32_t own_incarnation(void)
{
	return proc_get(proc_self())->incarnation;
}

/* The next beat is set before this one runs, so that a worker that dies in it is not given it again. A run that takes longer than its time
 * loses the beats meanwhile. */
static void beat_fire(struct timer *t)
{
	struct beat *b = CONTAINER(t, struct beat, timer);
	uint64_t     now = clock_ms();
	char         name[NAME_ROOM];
	bool         busy;

	lock(&b->lock);
	b->next_ms += b->every_ms;
	if (b->next_ms <= now)
		b->next_ms = now + b->every_ms;
	timer_arm(&b->timer, b->next_ms);
	busy = b->running == own_incarnation();
	b->running = own_incarnation();
	memcpy(name, b->name, sizeof(name));
	unlock(&b->lock);
	if (busy)
		log_warn(NULL, "a timer route takes longer than its time route=%s every_ms=%u", name, b->every_ms);
	else
		start_run(ROUTE_TIMER, str_of(name), b);
}

static void beat_begin(struct beat *b)
{
	lock(&b->lock);
	if (!b->next_ms) {
		b->next_ms = clock_ms() + b->every_ms;
		timer_arm(&b->timer, b->next_ms);
	}
	unlock(&b->lock);
}

/* --- events --- */

/* Once a life of shared memory: the tables are empty then. */
static void run_start(struct timer *t)
{
	bool first;

	(void)t;
	lock(&background.shared->lock);
	first = !background.shared->started;
	background.shared->started = true;
	unlock(&background.shared->lock);
	if (first)
		start_run(ROUTE_EVENT, STR("core:start"), NULL);
}

void background_worker_start(struct loop *l)
{
	if (proc_self() != FIRST_WORKER || !background.shared)
		return;
	timer_init(&background.start, run_start);
	wheel_arm(loop_wheel(l), &background.start, clock_ms());
	for (const struct declared *d = background.beats; d; d = d->next)
		beat_begin(d->beat);
}

void background_stop(void)
{
	background.stopping = true;
	if (proc_self() == FIRST_WORKER)
		start_run(ROUTE_EVENT, STR("core:stop"), NULL);
}
