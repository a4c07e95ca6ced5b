/* From a request to the end of its run, and what is owed then: an answer, and the release of what was held back. */
#include "script/background.h"
#include "script/run_trail.h"

#include "script/builtin.h"
#include "script/event.h"

static struct {
	struct script *script;	/* what new runs take */
	struct script *used;	/* all that have been, and still are for some run; newest first */
	void         (*on_end)(void);
} now;

static bool is_used(const struct script *s)
{
	const struct script *x = now.used;

	while (x && x != s)
		x = x->older;
	return x != NULL;
}

void script_use(struct script *s)
{
	struct script *old = now.script;

	if (s && !is_used(s)) {
		s->older = now.used;
		now.used = s;
	}
	now.script = s;
	if (s) {
		counters_show(s->program);
		events_heard(s->program);
	}
	background_adopt();
	if (old != s)
		script_unref(old);
}

struct script *script_now(void)
{
	return now.script;
}

struct script *script_keep(struct script *s)
{
	s->refs++;
	return s;
}

void script_gone(struct script *s)
{
	struct script **at = &now.used;

	while (*at && *at != s)
		at = &(*at)->older;
	if (!*at)
		return;
	*at = s->older;
	if (now.on_end)
		now.on_end();
}

void script_set_epoch(struct script *s, uint32_t epoch)
{
	s->epoch = epoch;
}

uint32_t script_oldest(void)
{
	uint32_t least = UINT32_MAX;

	for (const struct script *s = now.used; s; s = s->older)
		if (s->epoch < least)
			least = s->epoch;
	return least;
}

void script_on_end(void (*fn)(void))
{
	now.on_end = fn;
}

static void answer(struct request *r, uint16_t status)
{
	if (request_reply(r, status, STR_NONE, STR_NONE))
		log_warn(&r->c, "could not answer status=%u", status);
}

/* Nobody has said what becomes of the request: an error in the script that no check can see (a value of no known type in a
 * condition …), or a failed function. */
static void run_close(struct run *run, enum verdict v, uint16_t status)
{
	struct request *r = run->req;
	char            room[PLACE_TEXT];

	if (r->end != REQ_OPEN || (r->t && tm_is_final(r->t)))
		return;		/* the caller may have given up while the run was parked: 487 has been sent */
	if (v == V_ERROR) {
		answer(r, status);
	} else if (run->dropped) {
		r->end = REQ_DROPPED;
	} else {
		log_error(&r->c, "the script ended without an answer at=" STR_FMT, STR_ARG(run_place(run, room)));
		answer(r, 500);
	}
}

void run_end(struct run *run, enum verdict v, uint16_t status)
{
	struct request *r = run->req;
	struct script  *s = run->script;

	if (run->parent) {
		side_ended(run, v, status);
		script_unref(s);
		return;
	}
	note_end(run, v);
	if (run->background) {
		background_done(run);
		script_unref(s);
		return;
	}
	run_close(run, v, status);
	if (r->t && run->dropped)
		tm_drop(r->t);
	else if (r->t)
		tm_release(r->t);
	request_done(r);	/* the run lies in its arena */
	script_unref(s);
}

void run_go(struct run *run)
{
	enum verdict v = machine_run(run);

	if (v == V_SUSPEND)
		run_park(run);
	else
		run_end(run, v, 500);
}

void run_resume(struct run *run, enum verdict v, struct value result)
{
	if (v == V_AGAIN) {
		machine_again(run);
		run_go(run);
		return;
	}
	if (v != V_OK) {
		run_end(run, v, 500);
		return;
	}
	note_resumed(run, &result);
	run->stack[run->height++] = result;
	run_go(run);
}

bool script_follow(struct request *r)
{
	if (!now.script || !now.script->code->stateless)
		return false;
	script_request(r);
	return true;
}

static void start(struct request *r, const struct route *route)
{
	struct run *run = route ? run_new(r, now.script, route) : NULL;

	if (run) {
		note_begin(run);
		run_go(run);
		return;
	}
	answer(r, route ? 503 : 500);
	request_done(r);
}

void script_request(struct request *r)
{
	start(r, now.script ? now.script->program->request : NULL);
}

bool script_dialog(struct request *r)
{
	if (!now.script || !now.script->program->dialog)
		return false;
	start(r, now.script->program->dialog);
	return true;
}
