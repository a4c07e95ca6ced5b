/* branch_route and reply_route: they run at once, to their end, within what the core does with a message. The checker lets nothing into them that waits
 * or answers. */
#include "script/inner.h"

#include "base/hash.h"
#include "script/check.h"

/* V_END, or V_ERROR, logged. */
static enum verdict run_inner(struct request *r, struct script *s, const struct route *route, bool *dropped)
{
	void        *outer = r->run;
	struct run  *run = run_new(r, s, route);
	enum verdict v = V_ERROR;

	if (run) {
		run->inner = true;
		v = machine_run(run);
		*dropped = run->dropped;
		script_unref(s);	/* the run's */
	} else {
		log_error(&r->c, "no memory to run %s", route_kind_name(route->kind));
	}
	r->run = outer;
	return v;
}

/* Handlers are known by their names' hash: an answer may come to another worker, and after a reload. */
static uint32_t mark_of(struct str name)
{
	const struct hash_key key = { { 0 } };

	return (uint32_t)hash_str(&key, name) | 1;
}

static const struct route *reply_handler(const struct program *p, uint32_t mark)
{
	for (const struct route *r = p->routes; r && mark; r = r->next)
		if (r->kind == ROUTE_REPLY && r->name.len && mark_of(r->name) == mark)
			return r;
	return NULL;
}

/* What may not be kept back is sent on as it stands. */
static bool reply_passes(struct request *r, struct script *s, const struct route *route)
{
	bool dropped = false;

	if (!route || run_inner(r, s, route, &dropped) == V_ERROR || !dropped)
		return true;
	if (r->msg.status < 200)
		return false;
	log_warn(&r->c, "drop in a reply_route refused: a final answer is sent on status=%u", r->msg.status);
	return true;
}

bool script_reply(struct request *r, struct trans *t, unsigned branch)
{
	struct script *s = script_now();
	bool           passes;

	if (!s || !s->code->replies)
		return true;
	r->t = t;	/* for $avp; the reference stays the caller's */
	passes = reply_passes(r, s, s->program->reply) &&
		 (!t || reply_passes(r, s, reply_handler(s->program, tm_branch_mark(t, branch))));
	r->t = NULL;
	return passes;
}

/* A branch that was not edited to its end is not sent: nobody knows what it lacks. */
static enum branch_wish branch_passes(void *arg, struct request *r)
{
	const struct route *route = arg;
	struct run         *outer = r->run;
	bool                dropped = false;

	if (run_inner(r, outer->script, route, &dropped) == V_ERROR)
		return BRANCH_FAILED;
	return dropped ? BRANCH_REFUSED : BRANCH_SEND;
}

void inner_handlers(struct run *run, const struct value *on_branch, const struct value *on_reply, struct relay_opts *opts)
{
	const struct program *p = run->script->program;

	if (on_branch->type == T_STR) {
		opts->branch = branch_passes;
		opts->branch_arg = program_route(p, ROUTE_BRANCH, on_branch->u.s);
	}
	if (on_reply->type == T_STR)
		opts->mark = mark_of(on_reply->u.s);
}
