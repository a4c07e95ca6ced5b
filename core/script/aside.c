/* spawn { … } and parallel { … }: runs that begin in the middle of a route, with its variables as they are then.
 *
 * What is spawned outlives its request: it has one of its own, a copy, that nobody answers. The sides of a parallel block share the request of the run
 * they belong to, which is set aside until the last of them has ended; what each waits for has its own limit of time. */
#include "script/avp.h"
#include "script/background.h"

struct sides {
	unsigned     count, open;
	enum verdict verdict;	/* V_OK, unless one ended the run */
	uint16_t     status;	/* V_ERROR: what the caller is told */
	struct value result[MOST_SIDES];
};

/* NULL: no memory. */
static struct run *run_fork(const struct run *of, struct request *r, uint32_t at)
{
	const struct frame *f = &of->frames[of->depth - 1];
	const struct entry *e = &of->code->entry[f->route];
	struct run         *run = ARENA_NEW(&r->arena, struct run);
	struct value       *stack = arena_alloc(&r->arena, e->most_values * sizeof(*stack));
	struct frame       *frames = arena_alloc(&r->arena, e->most_frames * sizeof(*frames));

	if (!run || !stack || !frames)
		return NULL;
	*run = (struct run){ .req = r, .script = of->script, .code = of->code, .stack = stack, .frames = frames, .at = at, .steps = of->steps,
			     .began = of->steps, .background = of->background, .depth = 1, .height = e->frame };
	list_init(&run->parked);
	memcpy(stack, &of->stack[f->base], e->frame * sizeof(*stack));
	frames[0] = (struct frame){ .route = f->route };
	run->script->refs++;
	return run;
}

static void no_memory(const struct run *run, const char *what)
{
	char room[PLACE_TEXT];

	log_error(&run->req->c, "no memory for %s at=" STR_FMT, what, STR_ARG(run_place(run, room)));
}

/* --- spawn --- */

static bool copy_text(struct arena *a, struct str *s)
{
	if (s->len)
		*s = arena_dup(a, *s);
	return !s->len || s->p;
}

static bool copy_message(const struct request *from, struct request *r)
{
	size_t     cap = msg_write_bound(&from->msg, 0);
	struct buf text = buf_on(arena_alloc(&r->arena, cap), cap);

	if (!text.p)
		return false;
	msg_write(&from->msg, &text);
	if (!buf_ok(&text) || msg_parse(&r->c, buf_str(&text), &r->msg))
		return false;
	r->c.call_id = msg_call_id(&r->msg);
	return true;
}

/* What can be read of a request, in memory of its own. Nothing can be said for it any more. NULL: no memory. */
static struct request *request_copy(const struct run *of)
{
	const struct request *from = of->req;
	struct request       *r = request_alone();

	if (!r)
		return NULL;
	r->from = from->from;
	r->c.call = from->c.call;
	r->end = REQ_DROPPED;
	r->in_dialog = from->in_dialog;
	r->dst = from->dst;
	r->auth_user = from->auth_user;
	r->auth_realm = from->auth_realm;
	if ((!from->msg.hdrs || copy_message(from, r)) && copy_text(&r->arena, &r->dst) && copy_text(&r->arena, &r->auth_user) &&
	    copy_text(&r->arena, &r->auth_realm) && !avps_copy(of, r))
		return r;
	request_alone_free(r);
	return NULL;
}

static struct run *spawned(const struct run *of)
{
	struct request *r = request_copy(of);
	struct run     *run = r ? run_fork(of, r, of->at) : NULL;

	for (unsigned i = 0; run && i < run->height; i++)
		if (value_copy(&r->arena, &run->stack[i], &run->stack[i])) {
			script_unref(run->script);
			run = NULL;
		}
	if (run)
		r->run = run;
	else if (r)
		request_alone_free(r);
	return run;
}

/* It runs at once, up to where it first waits; the steps it takes until then count for both. */
void run_spawn(struct run *run, uint32_t after)
{
	struct run  *own = spawned(run);
	enum verdict v;

	run->at = after;
	if (!own) {
		no_memory(run, "spawn");
		return;
	}
	own->background = true;
	v = machine_run(own);
	run->steps += own->steps - own->began;
	if (v == V_SUSPEND)
		run_park(own);
	else
		run_end(own, v, 500);
}

/* --- parallel --- */

static void side_failed(struct sides *s, enum verdict v, uint16_t status)
{
	if (s->verdict == V_ERROR)
		return;
	s->verdict = v;
	s->status = status;
}

static void side_start(struct run *run, unsigned place, uint32_t at)
{
	struct run *side = run_fork(run, run->req, at);

	if (!side) {
		no_memory(run, "parallel");
		side_failed(run->sides, V_ERROR, 500);
		run->sides->open--;
		return;
	}
	side->parent = run;
	side->place = place;
	run_go(side);
}

/* The last one has ended. */
static enum verdict joined(struct run *run)
{
	struct sides *s = run->sides;

	run->sides = NULL;
	for (unsigned i = 0; i < s->count && s->verdict == V_OK; i++)
		run->stack[run->height++] = s->result[i];
	return s->verdict;
}

enum verdict run_parallel(struct run *run, unsigned n)
{
	struct sides *s = ARENA_NEW(&run->req->arena, struct sides);
	uint32_t      table = run->at;

	if (!s) {
		no_memory(run, "parallel");
		return V_ERROR;
	}
	*s = (struct sides){ .count = n, .open = n };
	run->sides = s;
	run->at = table + n;
	for (unsigned i = 0; i < n; i++)
		side_start(run, i, (uint32_t)insn_arg(run->code->insn[table + i]));
	return s->open ? V_SUSPEND : joined(run);
}

void side_ended(struct run *side, enum verdict v, uint16_t status)
{
	struct run   *run = side->parent;
	struct sides *s = run->sides;

	s->result[side->place] = side->result;
	run->steps += side->steps - side->began;
	if (v == V_ERROR || !side->returned)
		side_failed(s, v, status);
	if (--s->open || run->inside)
		return;
	run_unpark(run);
	v = joined(run);
	if (v == V_OK)
		run_go(run);
	else
		run_end(run, v, s->status);
}
