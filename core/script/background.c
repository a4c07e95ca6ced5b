/* timer_route and event_route. One worker runs them, that in the first slot. A timer route's timer is a shared one: when the worker dies, the next in
 * its slot finds it where it was; a reload lets it go on in its rhythm as long as that stays the same. */
#include "script/background.h"
#include "script/check.h"
#include "script/sht.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { FIRST_WORKER = 1, NAME_ROOM = 64, ARENA_LIMIT = 1 << 20 };

/* A timer route. Shared; the lock guards all of it but the link. */
struct beat {
	struct list  link;	/* shared.beats */
	struct lock  lock;	/* RANK_MODULE */
	struct timer timer;
	uint64_t     next_ms;
	uint32_t     every_ms;
	uint32_t     running;	/* incarnation of the process whose run has not ended, 0: none */
	bool         doomed;	/* no program has it any more: freed when its run ends */
	char         name[NAME_ROOM];
};
struct shared {
	struct lock lock;	/* RANK_MODULE: `started` */
	bool        started;	/* core:start has been run */
	struct list beats;	/* of the process in the first slot alone, changed in critical sections */
};

static struct {
	struct shared *shared;
	struct timer   start;		/* private wheel: timers and core:start, in the first turn of the loop */
	shm_owner      owner;
	bool           stopping;
} background;

const char *const background_events[] = { "core:start", "core:stop", NULL };

bool background_stopping(void)
{
	return background.stopping;
}

/* --- boot --- */

enum err background_start(char *why, size_t cap)
{
	background.stopping = false;
	background.owner = shm_owner_new("script.timers");
	background.shared = shm_zalloc(background.owner, sizeof(*background.shared));
	if (!background.shared) {
		snprintf(why, cap, "no shared memory for the timer routes: raise `memory_limit`");
		return ERR_NOMEM;
	}
	lock_init(&background.shared->lock, RANK_MODULE);
	list_init(&background.shared->beats);
	return OK;
}

/* --- runs --- */

struct request *request_alone(void)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	arena_init(&r->arena, NULL, 0, ARENA_LIMIT);
	r->c.arena = &r->arena;
	r->msg.c = &r->c;
	return r;
}

void request_alone_free(struct request *r)
{
	struct arena a = r->arena;	/* the run lies in it */

	free(r);
	arena_free(&a);
}

static void beat_free(struct beat *b)
{
	critical_enter();
	list_remove(&b->link);
	shm_free(b);
	critical_leave();
}

static void beat_ended(struct beat *b)
{
	bool doomed;

	lock(&b->lock);
	b->running = 0;
	doomed = b->doomed;
	unlock(&b->lock);
	if (doomed)
		beat_free(b);
}

void background_done(struct run *run)
{
	if (run->beat)
		beat_ended(run->beat);
	request_alone_free(run->req);
}

/* A run of that route, if there is one. */
static struct run *new_run(enum route_kind kind, struct str name)
{
	struct script      *s = script_now();
	const struct route *route = s ? program_route(s->program, kind, name) : NULL;
	struct request     *r = route ? request_alone() : NULL;
	struct run         *run = r ? run_new(r, s, route) : NULL;

	if (run) {
		run->background = true;
		return run;
	}
	if (r)
		request_alone_free(r);
	if (route)
		log_error(NULL, "no memory to run route=" STR_FMT, STR_ARG(name));
	return NULL;
}

static void start_run(enum route_kind kind, struct str name, struct beat *b)
{
	struct run *run = new_run(kind, name);

	if (run) {
		run->beat = b;
		run_go(run);
	} else if (b) {
		beat_ended(b);
	}
}

/* Texts and addresses point into the copy. */
static void move_values(struct value *to, const struct value *from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((to[i].type == T_STR || to[i].type == T_URI) && to[i].u.s.p)
			to[i].u.s.p = (const char *)to + (from[i].u.s.p - (const char *)from);
		else if (to[i].type == T_IP)
			to[i].u.ip = (const struct addr *)(const void *)((const char *)to + ((const char *)from[i].u.ip - (const char *)from));
	}
}

void background_event(const struct mod_event *e, const struct value *v, size_t bytes)
{
	struct run    *run = new_run(ROUTE_EVENT, str_of(e->name));
	struct record *rec = run ? ARENA_NEW(&run->req->arena, struct record) : NULL;
	struct value  *copy = run && e->shape ? arena_alloc(&run->req->arena, bytes) : NULL;
	size_t         n = 0;

	if (!run)
		return;
	while (e->shape && e->shape->fields[n].name)
		n++;
	if (copy && rec) {
		memcpy(copy, v, bytes);
		move_values(copy, v, n);
		*rec = (struct record){ .shape = e->shape, .v = copy };
		run->event = rec;
	}
	run_go(run);
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

static struct beat *beat_new(const struct route *r)
{
	struct beat *b;

	critical_enter();
	b = shm_zalloc(background.owner, sizeof(*b));
	if (b) {
		lock_init(&b->lock, RANK_MODULE);
		timer_init(&b->timer, beat_fire);
		snprintf(b->name, sizeof(b->name), STR_FMT, STR_ARG(r->name));
		list_append(&background.shared->beats, &b->link);
	}
	critical_leave();
	if (!b)
		log_error(NULL, "no shared memory for a timer route, it does not run: raise `memory_limit` route=" STR_FMT, STR_ARG(r->name));
	return b;
}

/* A new rhythm begins now; one that stays goes on. */
static void beat_set(struct beat *b, uint32_t every_ms)
{
	lock(&b->lock);
	if (b->every_ms != every_ms) {
		b->every_ms = every_ms;
		b->next_ms = clock_ms() + every_ms;
		timer_arm(&b->timer, b->next_ms);
	}
	unlock(&b->lock);
}

static void beat_drop(struct beat *b)
{
	bool runs;

	lock(&b->lock);
	timer_disarm(&b->timer);	/* armed here, in this process: its handler is not on its way */
	runs = b->running == own_incarnation();
	b->doomed = true;
	unlock(&b->lock);
	if (!runs)
		beat_free(b);
}

static struct beat *beat_of(const struct route *r)
{
	char name[NAME_ROOM];

	snprintf(name, sizeof(name), STR_FMT, STR_ARG(r->name));
	LIST_EACH(struct beat, b, &background.shared->beats, link)
		if (!b->doomed && !strcmp(b->name, name))
			return b;
	return NULL;
}

static bool has_beat(const struct program *p, const struct beat *b)
{
	for (const struct route *r = p->routes; r; r = r->next)
		if (r->kind == ROUTE_TIMER && beat_of(r) == b)
			return true;
	return false;
}

static void set_timers(const struct program *p)
{
	LIST_EACH_SAFE(struct beat, b, &background.shared->beats, link)
		if (!has_beat(p, b))
			beat_drop(b);
	for (const struct route *r = p->routes; r; r = r->next) {
		struct beat *b = r->kind == ROUTE_TIMER ? beat_of(r) : NULL;

		if (!b && r->kind == ROUTE_TIMER)
			b = beat_new(r);
		if (b)
			beat_set(b, r->every_ms);
	}
}

void background_adopt(void)
{
	if (proc_self() != FIRST_WORKER || !background.shared || !script_now())
		return;
	set_timers(script_now()->program);
	sht_load_go(script_loop());
}

/* --- events --- */

/* The first turn of the loop: a handler that the process before us died in has been repeated by now. core:start once a life of shared memory:
 * the tables are empty then. */
static void run_start(struct timer *t)
{
	bool first;

	(void)t;
	background_adopt();
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
}

void background_stop(void)
{
	background.stopping = true;
	sht_load_stop();
	if (proc_self() == FIRST_WORKER)
		start_run(ROUTE_EVENT, STR("core:stop"), NULL);
}
