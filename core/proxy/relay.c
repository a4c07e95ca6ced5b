/* Transaction-stateful relaying (RFC 3261 §16.6): the target set becomes branches. */
#include "proxy/internal.h"

struct branch_plan;

/* One request_relay() under way. Lives in the request's arena. */
struct relay {
	struct request   *r;
	struct relay     *next;		/* in the table of waiting runs */
	struct relay_opts opts;
	relay_done       *done;
	void             *arg;
	unsigned          open;		/* next hops still being asked for, and 1 while branches are being planned */
	unsigned          forked;
	unsigned          breadth;	/* still to be divided (RFC 5393 §5.3.3) */
	unsigned          sharing;	/* among so many */
	bool              too_broad;
	enum err          failed;	/* why a branch could not be made */
};
struct branch_plan {
	struct relay        *relay;
	const struct target *target;
	unsigned             breadth;
};

enum { BUCKETS = 1024 };
static struct {
	struct relay *bucket[BUCKETS];	/* waiting for an outcome, by run; private to the process */
} waiting;

static void wait_add(struct relay *y)
{
	struct relay **b = &waiting.bucket[y->opts.run % BUCKETS];

	y->next = *b;
	*b = y;
}

static struct relay *wait_take(const struct trans *t, uint32_t run)
{
	for (struct relay **at = &waiting.bucket[run % BUCKETS]; *at; at = &(*at)->next) {
		struct relay *y = *at;

		if (y->opts.run == run && y->r->t == t) {
			*at = y->next;
			return y;
		}
	}
	return NULL;
}

bool proxy_outcome(struct trans *t, uint32_t run)
{
	struct relay     *y = wait_take(t, run);
	struct tm_outcome out;

	if (!y)
		return false;
	tm_outcome(t, &y->r->arena, &out);
	tm_unpark(t);
	y->done(y->arg, &out);
	return true;
}

/* What the caller of a request that could be sent nowhere is told. An own 503 would make it avoid this whole server, hence 500 (§16.7 step 6). */
static void tell_failure(struct relay *y)
{
	struct tm_outcome out = { .status = 500, .reason = STR("Next hop cannot be resolved") };

	if (y->too_broad)
		out = (struct tm_outcome){ .status = 440, .reason = reason_phrase(440) };
	else if (y->failed == ERR_UNSUPPORTED)
		out.reason = STR("No transport to the next hop");
	else if (y->failed == ERR_STATE)
		out = (struct tm_outcome){ .status = 487, .reason = STR("Request Terminated"), .cancelled = true, .sent = true };
	else if (y->failed == ERR_NOMEM || y->failed == ERR_LIMIT)
		out.reason = STR("Server is out of memory");
	if (y->failed != ERR_STATE)
		log_warn(&y->r->c, "request cannot be sent on uri=" STR_FMT " reason=\"" STR_FMT "\"", STR_ARG(y->r->msg.ruri), STR_ARG(out.reason));
	tm_unpark(y->r->t);
	if (!y->opts.wait && !out.sent && !request_reply(y->r, out.status, out.reason, STR_NONE))
		out.sent = true;
	y->done(y->arg, &out);
}

/* One more part is settled; the last one closes the fork. */
static void settle(struct relay *y)
{
	struct trans *t = y->r->t;

	if (--y->open)
		return;
	if (y->forked && y->opts.wait)
		wait_add(y);
	else if (y->forked)
		tm_unpark(t);
	tm_fork_end(t);
	if (!y->forked)
		tell_failure(y);
	else if (!y->opts.wait)
		y->done(y->arg, &(struct tm_outcome){ 0 });
}

static void build_branch(void *arg, struct str branch_id, struct buf *out)
{
	copy_write(arg, branch_id, out);
}

/* The share of one branch: as much as there is, the first ones get what does not divide evenly. */
static unsigned breadth_share(struct relay *y)
{
	unsigned share = (y->breadth + y->sharing - 1) / y->sharing;

	y->breadth -= share;
	y->sharing--;
	return share;
}

static enum err fork_one(struct relay *y, const struct branch_plan *p, const struct flow *to, size_t count)
{
	struct request   *r = y->r;
	struct route_edit e;
	enum err          err = route_target(r, p->target->uri, p->target->path, &e), undone;
	struct copy       copy = { .r = r, .via = to->via, .ruri = e.ruri, .breadth = p->breadth, .secure = is_secure(e.ruri) || is_secure(e.hop) };

	if (!err)
		err = tm_fork_any(r->t, &r->c, to, count, build_branch, &copy, msg_write_bound(&r->msg, e.ruri.len + COPY_FIELDS_BYTES));
	undone = route_target_undo(r, &e);
	return err ? err : undone;
}

static void found(void *arg, enum err err, const struct flow *to, size_t count)
{
	struct branch_plan *p = arg;
	struct relay       *y = p->relay;

	if (!err)
		err = fork_one(y, p, to, count);
	if (err)
		y->failed = err;
	else
		y->forked++;
	settle(y);
}

/* §16.6 step 7, and what may overrule it: relay(to), the binding's own flow, its $du, the request's $du. */
static void plan(struct relay *y, const struct target *target)
{
	struct branch_plan *p = ARENA_NEW(&y->r->arena, struct branch_plan);
	struct route_edit   e = { 0 };
	struct str          hop;
	enum err            err = p ? route_target(y->r, target->uri, target->path, &e) : ERR_NOMEM;

	hop = y->opts.to.len ? y->opts.to : target->dst.len ? target->dst : y->r->dst.len ? y->r->dst : e.hop;
	if (!err)
		err = route_target_undo(y->r, &e);
	if (err) {
		y->failed = err;
		return;
	}
	*p = (struct branch_plan){ .relay = y, .target = target, .breadth = breadth_share(y) };
	y->open++;
	if (target->flow.via && !y->opts.to.len)
		found(p, OK, &target->flow, 1);
	else
		locate(hop, &(struct locate_how){ .like = y->r->like }, found, p);
}

/* 64*T1 is how long the client waits anyway; names are asked for a shorter time. */
enum { PARK_MS = 32000 };

void request_relay(struct request *r, const struct relay_opts *opts, relay_done *done, void *arg)
{
	struct relay        *y = ARENA_NEW(&r->arena, struct relay);
	struct target        own = { .uri = r->msg.ruri, .q = 1000 };
	const struct target *first = r->targets;

	if (!y || request_stateful(r) || route_out(r)) {
		if (r->end == REQ_OPEN && request_reply(r, 500, STR_NONE, STR_NONE))
			r->end = REQ_DROPPED;
		done(arg, &(struct tm_outcome){ .status = 500, .sent = true });
		return;
	}
	*y = (struct relay){ .r = r, .opts = *opts, .done = done, .arg = arg, .open = 1, .failed = ERR_NOT_FOUND };
	if (!first) {
		struct target *copy = ARENA_NEW(&r->arena, struct target);

		if (copy)
			*copy = own;
		first = copy;
	}
	r->end = REQ_RELAYED;
	tm_fork_begin(r->t);
	if (opts->wait)
		tm_wait(r->t, opts->run, opts->timeout_ms);
	else
		tm_park(r->t, opts->run, PARK_MS);
	for (const struct target *t = first; t; t = t->next)
		y->sharing++;
	y->breadth = r->breadth;
	if (y->sharing > y->breadth) {
		counter_inc(&count_too_broad);
		y->too_broad = true;
		first = NULL;
	}
	for (const struct target *t = first; t; t = t->next)
		plan(y, t);
	settle(y);
}
