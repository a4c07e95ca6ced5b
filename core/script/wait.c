/* Waiting: a run is set aside until its event comes, in the same worker. call_suspend() and call_resume() are declared for the
 * modules in module/module.h.
 *
 * A wait belongs to whoever was told to resume it, and may outlive its run: when the time runs out first, the run goes on without it, and the
 * late call_resume() only frees it. */
#include "base/clock.h"
#include "script/background.h"

#include <stdlib.h>

/* The transaction answers by itself this much after the run's own limit, in case the worker is gone. */
enum { PARK_SLACK_MS = 2000 };

struct wait {
	struct run  *run;	/* NULL: gone */
	struct timer timer;	/* private wheel */
	bool         early;	/* resumed from within the function that suspended */
	enum verdict verdict;	/* then: what with */
	struct value result;
};

static struct {
	struct loop *loop;
	struct list  parked;
	size_t       count;
	uint32_t     last_number;
} waits;

enum err script_worker_start(struct loop *l)
{
	waits.loop = l;
	proxy_worker_start(l);
	list_init(&waits.parked);
	waits.count = 0;
	background_worker_start(l);
	return OK;
}

struct loop *script_loop(void)
{
	return waits.loop;
}

size_t script_runs_parked(void)
{
	return waits.count;
}

uint32_t run_number(struct run *run)
{
	if (!run->number && !++waits.last_number)
		waits.last_number = 1;	/* 0 is nobody */
	if (!run->number)
		run->number = waits.last_number;
	return run->number;
}

static void unpark(struct run *run)
{
	if (list_empty(&run->parked))
		return;
	list_remove(&run->parked);
	waits.count--;
}

void run_park(struct run *run)
{
	list_append(&waits.parked, &run->parked);
	waits.count++;
}

void run_unpark(struct run *run)
{
	unpark(run);
	run->until_ms = 0;
	if (run->req->t)
		tm_unpark(run->req->t);
}

/* Sides of a parallel block wait at the same time: the transaction looks after the longest. */
static void park_request(struct run *run, uint32_t most_ms)
{
	uint64_t    until = clock_ms() + most_ms;
	struct run *outermost = run;

	while (outermost->parent)
		outermost = outermost->parent;
	if (until < outermost->until_ms)
		return;
	outermost->until_ms = until;
	tm_park(run->req->t, run_number(outermost), most_ms + PARK_SLACK_MS);
}

/* The run goes on and needs the wait no more; its owner may have it still. */
static void let_go(struct wait *w)
{
	struct run *run = w->run;

	wheel_disarm(&w->timer);
	w->run = NULL;
	run->wait = NULL;
	if (run->parent)	/* others of its parent's may wait still */
		unpark(run);
	else
		run_unpark(run);
}

static void time_is_up(struct timer *t)
{
	struct wait *w = CONTAINER(t, struct wait, timer);
	struct run  *run = w->run;
	char         room[PLACE_TEXT];

	let_go(w);
	log_warn(&run->req->c, "a wait took too long at=" STR_FMT, STR_ARG(run_place(run, room)));
	run_end(run, V_ERROR, 503);
}

struct wait *wait_new(struct run *run)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	timer_init(&w->timer, time_is_up);
	w->run = run;
	run->wait = w;
	return w;
}

/* 503 so that the caller tries elsewhere, or later (RFC 3261 §21.5.4). */
static void turn_away(struct run *run)
{
	char room[PLACE_TEXT];

	if (run->background) {
		log_warn(&run->req->c, "no room to wait at=" STR_FMT, STR_ARG(run_place(run, room)));
		return;
	}
	if (request_reply(run->req, 503, STR("Busy"), STR("Retry-After: 5\r\n")))
		log_debug(&run->req->c, "could not answer 503");
}

bool wait_room(struct run *run)
{
	if (waits.count < (size_t)settings.max_waiting)
		return true;
	turn_away(run);
	return false;
}

/* Nothing comes back to a run of event_route[core:stop]: the loop has ended. */
static bool may_wait(const struct run *run)
{
	char room[PLACE_TEXT];

	if (!run->background || !background_stopping())
		return true;
	log_warn(NULL, "nothing can be waited for while the server stops at=" STR_FMT, STR_ARG(run_place(run, room)));
	return false;
}

struct wait *call_suspend(struct call *c, uint32_t most_ms)
{
	struct run     *run = c->run;
	struct request *r = run->req;
	struct wait    *w;

	if (run->inner || !wait_room(run) || !may_wait(run))
		return NULL;
	if (!run->background && request_stateful(r)) {
		if (r->end == REQ_OPEN)
			r->end = REQ_DROPPED;	/* a retransmission, or answered below: nothing more to say */
		return NULL;
	}
	w = wait_new(run);
	if (!w) {
		turn_away(run);
		return NULL;
	}
	if (!run->background)
		park_request(run, most_ms);
	wheel_arm(loop_wheel(waits.loop), &w->timer, clock_ms() + most_ms);
	return w;
}

void call_resume(struct wait *w, enum verdict v, struct value result)
{
	struct run *run = w->run;

	if (!run) {
		free(w);
		return;
	}
	if (run->inside) {
		w->early = true;
		w->verdict = v;
		w->result = result;
		return;
	}
	let_go(w);
	free(w);
	run_resume(run, v, result);
}

struct request *wait_request(struct wait *w)
{
	return w->run ? w->run->req : NULL;
}

void wait_take_back(struct run *run)
{
	struct wait *w = run->wait;

	if (!w)
		return;
	let_go(w);
	free(w);
}

bool wait_is_over(struct run *run, enum verdict *v, struct value *result)
{
	struct wait *w = run->wait;

	if (!w->early)
		return false;
	*v = w->verdict;
	*result = w->result;
	wait_take_back(run);
	return true;
}

enum verdict call_unavailable(struct call *c)
{
	if (c->run->inner || c->run->background)
		return V_OK;
	return request_reply(c->req, 503, STR_NONE, STR("Retry-After: 5\r\n")) ? V_ERROR : V_END;
}
