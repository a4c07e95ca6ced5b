/* relay() and forward(). */
#include "module/services.h"
#include "script/avp.h"
#include "script/builtin.h"
#include "script/inner.h"

static const struct field answer_fields[] = {
	{ "code", T_INT, false, "status of the best answer; 408 when there was none in time" },
	{ "reason", T_STR, false, "its reason phrase" },
	{ "cancelled", T_BOOL, false, "the caller has given up meanwhile" },
	{ "branch", T_INT, false, "which target answered, from 0" },
	{ "timed_out", T_BOOL, false, "the time given to relay() ran out" },
	{ 0 },
};
const struct shape answer_shape = { "answer", answer_fields };

enum { ARG_TIMEOUT, ARG_TO, ARG_ON_BRANCH, ARG_ON_REPLY };

static struct value answer_of(struct arena *a, const struct tm_outcome *out)
{
	struct value  *v = arena_alloc(a, (COUNT_OF(answer_fields) - 1) * sizeof(*v));
	struct record *rec = ARENA_NEW(a, struct record);
	struct str     reason = arena_dup(a, out->reason);

	if (!v || !rec || !reason.p)
		return V_NULL;
	v[0] = value_int(out->status);
	v[1] = value_str(reason);
	v[2] = value_bool(out->cancelled);
	v[3] = value_int(out->branch);
	v[4] = value_bool(out->timed_out);
	*rec = (struct record){ &answer_shape, v };
	return value_record(rec);
}

static bool was_cancelled(const struct run *run)
{
	return run->answer.type == T_RECORD && run->answer.u.rec->v[2].u.b;
}

/* The outcome of a relay whose answer the script wants. */
static void answered(void *arg, const struct tm_outcome *out)
{
	struct wait    *w = arg;
	struct request *r = wait_request(w);
	struct run     *run = r->run;

	run->answer = answer_of(&r->arena, out);
	if (run->answer.type == T_NULL)
		log_error(&r->c, "no memory for the answer of relay()");
	call_resume(w, run->answer.type == T_NULL ? V_ERROR : V_OK, run->answer);
}

/* The branches have been started: nothing more to do for this run. */
static void started(void *arg, const struct tm_outcome *out)
{
	(void)out;
	call_resume(arg, V_END, V_NULL);
}

static bool is_user_of_ours(struct request *r)
{
	const struct uri *u = msg_ruri(&r->msg);

	return module_service("registrar") && !r->dst.len && !r->msg.first[H_ROUTE] && u && u->has_user && proxy_is_self(u);
}

/* Are the contacts of that user known? V_OK, or what the function is to return. */
static enum verdict user_ready(struct call *c)
{
	const struct registrar_service *registrar = module_service("registrar");

	return c->req->targets || !is_user_of_ours(c->req) ? V_OK : registrar->ready(c, msg_ruri(&c->req->msg));
}

/* A Request-URI of a domain of ours names a user, not a place to send to: where the script has not said more, as after `$ru = user.forward_busy`, its
 * contacts are the target set (RFC 3261 §16.5). False: the user has none and the caller has been told. */
static bool targets_known(struct request *r)
{
	const struct registrar_service *registrar = module_service("registrar");
	bool                            found = true;

	if (r->targets || !is_user_of_ours(r))
		return true;
	if (!registrar->lookup(r, msg_ruri(&r->msg), &found) && found)
		return true;
	if (request_reply(r, found ? 500 : 480, STR_NONE, STR_NONE))
		log_error(&r->c, "no memory to answer");
	return false;
}

/* What relay() would ring without add_branch(). */
static enum err own_targets(struct request *r)
{
	const struct registrar_service *registrar = module_service("registrar");
	bool                            found;

	if (r->targets)
		return OK;
	if (is_user_of_ours(r))
		return registrar->lookup(r, msg_ruri(&r->msg), &found);
	return request_add_target(r, &(struct target){ .uri = r->msg.ruri, .q = 1000 });
}

enum verdict fn_add_branch(struct call *c)
{
	const struct value *after = &c->argv[1];
	struct target       t = { .uri = c->argv[0].u.s, .q = 1000 };
	struct uri          u;
	enum verdict        v;

	if (uri_parse(t.uri, &u) || (u.scheme != URI_SIP && u.scheme != URI_SIPS)) {
		log_error(c->c, "add_branch(): no SIP URI: " STR_FMT, STR_ARG(t.uri));
		return V_ERROR;
	}
	v = user_ready(c);
	if (v != V_OK)
		return v;
	if (after->type == T_DURATION)
		t.after_ms = (uint32_t)after->u.i;
	if (own_targets(c->req) || request_add_target(c->req, &t)) {
		log_error(c->c, "no memory for a branch");
		return V_ERROR;
	}
	return V_OK;
}

/* An ACK or CANCEL runs through the script only to follow an INVITE that was forwarded statelessly (script_follow()); where the script would
 * have relayed the INVITE it has a transaction, and this one belongs to none. */
static bool belongs_to_nothing(struct request *r)
{
	if (r->msg.method != M_CANCEL && r->msg.method != M_ACK)
		return false;
	if (request_reply(r, 481, STR_NONE, STR_NONE))
		r->end = REQ_DROPPED;
	return true;
}

enum verdict fn_relay(struct call *c)
{
	const struct value *timeout = &c->argv[ARG_TIMEOUT], *to = &c->argv[ARG_TO];
	struct relay_opts   opts = { .wait = c->wanted };
	struct wait        *w;
	enum verdict        v;

	if (was_cancelled(c->run)) {	/* nobody is there any more to relay for */
		c->result = c->run->answer;
		return c->wanted ? V_OK : V_END;
	}
	if (c->req->end == REQ_REPLIED) {
		log_warn(c->c, "relay() after a final answer refused");
		return V_END;
	}
	if (belongs_to_nothing(c->req))
		return V_END;
	v = to->type == T_NULL ? user_ready(c) : V_OK;
	if (v != V_OK)
		return v;
	if (to->type == T_NULL && !targets_known(c->req))
		return V_END;
	if (c->wanted && !wait_room(c->run))
		return V_END;
	if (avps_share(c)) {
		if (c->req->end == REQ_DROPPED)		/* a retransmission, or answered */
			return V_END;
		log_error(c->c, "no memory for the $avp of a transaction");
		return V_ERROR;
	}
	w = wait_new(c->run);
	if (!w) {
		log_error(c->c, "no memory to relay");
		return V_ERROR;
	}
	opts.run = run_number(c->run);
	if (timeout->type == T_DURATION)
		opts.timeout_ms = timeout->u.i > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout->u.i;
	if (to->type != T_NULL)
		opts.to = to->u.s;
	inner_handlers(c->run, &c->argv[ARG_ON_BRANCH], &c->argv[ARG_ON_REPLY], &opts);
	request_relay(c->req, &opts, c->wanted ? answered : started, w);
	return V_SUSPEND;
}

enum verdict fn_forward(struct call *c)
{
	if (c->req->end != REQ_OPEN) {
		log_warn(c->c, "forward() after an answer or relay() refused");
		return V_END;
	}
	if (c->req->t)		/* it was made while the run waited; who sends again gets the same decision again */
		tm_drop(c->req->t);
	request_forward(c->req, c->argv[0].type == T_NULL ? STR_NONE : c->argv[0].u.s);
	if (c->req->end == REQ_OPEN)
		c->req->end = REQ_RELAYED;
	return V_END;
}
