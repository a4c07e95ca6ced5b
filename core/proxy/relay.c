/* Transaction-stateful relaying (RFC 3261 §16.6): the target set becomes branches, all at once or one group after the other. */
#include "base/clock.h"
#include "proxy/internal.h"

struct branch_plan;

/* One request_relay() under way. Lives in the request's arena. Where there is more than one group it waits for the outcome of each, whether
 * or not the script does; if the worker dies meanwhile, the transaction goes on with the group that rings. */
struct relay {
	struct request   *r;
	struct relay     *next;		/* in the table of waiting runs */
	struct relay_opts opts;
	relay_done       *done;
	void             *arg;
	const struct target **order;	/* all targets */
	size_t            at, count;	/* the first that has not been tried; how many */
	uint64_t          began_ms;
	struct timer      later;	/* when the next target joins those that ring; private wheel */
	uint64_t          ends_ms;	/* of the time that relay() was given; 0: never */
	bool              waits;	/* for the outcome of a group */
	bool              early;	/* which came while others of the group were being planned: a 2xx, or the caller has given up */
	bool              fresh;	/* no answer so far is worth keeping */
	unsigned          open;		/* next hops still being asked for, and 1 while branches are being planned */
	unsigned          forked;
	unsigned          breadth;	/* still to be divided (RFC 5393 §5.3.3) */
	unsigned          sharing;	/* among so many */
	bool              too_broad;
	bool              refused;	/* a branch, by whoever was asked (opts.branch) */
	bool              broken;	/* who was asked could not say what it sends */
	enum err          failed;	/* why a branch could not be made */
};
struct branch_plan {
	struct relay        *relay;
	const struct target *target;
	struct msg          *msg;	/* the request as this branch sends it; NULL: as all do */
	unsigned             breadth;
};

enum { BUCKETS = 1024 };
static struct {
	struct loop  *loop;
	struct relay *bucket[BUCKETS];	/* waiting for an outcome, by run; private to the process */
} waiting;

void proxy_worker_start(struct loop *l)
{
	waiting.loop = l;
}

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

/* What the caller of a request that could be sent nowhere is told. An own 503 would make it avoid this whole server, hence 500 (§16.7 step 6). */
static void tell_failure(struct relay *y)
{
	struct tm_outcome out = { .status = 500, .reason = STR("Next hop cannot be resolved") };

	if (y->too_broad)
		out = (struct tm_outcome){ .status = 440, .reason = reason_phrase(440) };
	else if (y->broken && y->failed == ERR_NOT_FOUND)
		out.reason = reason_phrase(500);
	else if (y->refused && y->failed == ERR_NOT_FOUND)
		out = (struct tm_outcome){ .status = 480, .reason = STR("No branch is left") };
	else if (y->failed == ERR_UNSUPPORTED)
		out.reason = STR("No transport to the next hop");
	else if (y->failed == ERR_STATE)
		out = (struct tm_outcome){ .status = 487, .reason = STR("Request Terminated"), .cancelled = true, .sent = true };
	else if (y->failed == ERR_NOMEM || y->failed == ERR_LIMIT)
		out.reason = STR("Server is out of memory");
	if (y->failed != ERR_STATE && !y->too_broad)	/* that is counted, and comes in hundreds */
		log_warn(&y->r->c, "request cannot be sent on uri=" STR_FMT " reason=\"" STR_FMT "\"", STR_ARG(y->r->msg.ruri), STR_ARG(out.reason));
	tm_unpark(y->r->t);
	if (!y->opts.wait && !out.sent && !request_reply(y->r, out.status, out.reason, STR_NONE))
		out.sent = true;
	y->done(y->arg, &out);
}

static void outcome_is_there(struct relay *y);
static void fork_group(struct relay *y);

static bool is_grouped(const struct relay *y)
{
	return ring_policy()->ring != RING_PARALLEL || ring_policy()->recurse || y->at < y->count;
}

/* It is over: the script is told, or the best answer is sent on when its run ends. */
static void finish(struct relay *y)
{
	struct tm_outcome out = { 0 };

	if (y->opts.wait)
		tm_outcome(y->r->t, &y->r->arena, &out);
	y->done(y->arg, &out);
}

static bool time_is_over(const struct relay *y)
{
	return y->ends_ms && clock_ms() >= y->ends_ms;
}

/* This group has no address. */
static void could_not_fork(struct relay *y)
{
	if (y->at < y->count && y->failed != ERR_STATE && !time_is_over(y))
		fork_group(y);
	else if (y->fresh || y->failed == ERR_STATE)
		tell_failure(y);
	else
		finish(y);
}

/* Targets that are to join while this group rings. */
static void expect_more(struct relay *y)
{
	if (y->waits && y->at < y->count && y->order[y->at]->after_ms && waiting.loop)
		wheel_arm(loop_wheel(waiting.loop), &y->later, y->began_ms + y->order[y->at]->after_ms);
}

/* One more part is settled; the last one closes the fork. */
static void settle(struct relay *y)
{
	struct trans *t = y->r->t;

	if (--y->open)
		return;
	if (!y->forked && y->waits)
		(void)wait_take(t, y->opts.run);
	else if (!y->waits && y->forked)
		tm_unpark(t);
	if (y->forked)
		y->fresh = false;
	tm_one_choice(t, y->waits && is_grouped(y));
	tm_fork_end(t);
	if (y->early)
		outcome_is_there(y);
	else if (!y->forked)
		could_not_fork(y);
	else if (!y->waits)
		y->done(y->arg, &(struct tm_outcome){ 0 });
	else
		expect_more(y);
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

/* The request takes the form that this branch sends, and its own again. */
static void swap_form(struct request *r, struct branch_plan *p)
{
	struct msg other;

	if (!p->msg)
		return;
	other = r->msg;
	r->msg = *p->msg;
	*p->msg = other;
}

/* Ask what this branch shall send. False: it is not to be, or there is no memory for it. What it is sent to by itself (its connection, its Path) goes
 * with the URI that led there. */
static bool edit_form(struct relay *y, struct branch_plan *p)
{
	struct request *r = y->r;
	struct str       dst = r->dst, asked = p->target->dst.len ? p->target->dst : r->dst;
	struct target   *own = ARENA_NEW(&r->arena, struct target);
	enum branch_wish wish;

	p->msg = ARENA_NEW(&r->arena, struct msg);
	if (!own || !p->msg || msg_fork(&r->msg, p->msg) || msg_set_ruri(p->msg, p->target->uri)) {
		y->failed = ERR_NOMEM;
		return false;
	}
	*own = *p->target;
	swap_form(r, p);
	r->dst = asked;
	wish = y->opts.branch(y->opts.branch_arg, r);
	own->dst = r->dst;
	if (!str_eq(r->msg.ruri, own->uri) || !str_eq(r->dst, asked)) {
		own->path = str_eq(r->msg.ruri, own->uri) ? own->path : STR_NONE;
		own->flow.via = NULL;
	}
	own->uri = r->msg.ruri;
	r->dst = dst;
	swap_form(r, p);
	p->target = own;
	y->refused |= wish == BRANCH_REFUSED;
	y->broken |= wish == BRANCH_FAILED;
	return wish == BRANCH_SEND;
}

static enum err fork_edited(struct relay *y, const struct branch_plan *p, const struct flow *to, size_t count)
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

static enum err fork_one(struct relay *y, struct branch_plan *p, const struct flow *to, size_t count)
{
	enum err err;

	swap_form(y->r, p);
	err = fork_edited(y, p, to, count);
	swap_form(y->r, p);
	return err;
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
static enum err next_hop(struct relay *y, struct branch_plan *p, struct str *hop)
{
	const struct target *target = p->target;
	struct str           dst = target->dst.len || p->msg ? target->dst : y->r->dst;
	struct route_edit    e = { 0 };
	enum err             err;

	swap_form(y->r, p);
	err = route_target(y->r, target->uri, target->path, &e);
	*hop = y->opts.to.len ? y->opts.to : dst.len ? dst : e.hop;
	if (!err)
		err = route_target_undo(y->r, &e);
	swap_form(y->r, p);
	return err;
}

static void plan(struct relay *y, const struct target *target)
{
	struct branch_plan *p = ARENA_NEW(&y->r->arena, struct branch_plan);
	struct str          hop;
	enum err            err = ERR_NOMEM;

	if (p) {
		*p = (struct branch_plan){ .relay = y, .target = target };
		if (y->opts.branch && !edit_form(y, p)) {
			y->sharing--;
			return;
		}
		err = next_hop(y, p, &hop);
	}
	if (err) {
		y->failed = err;
		return;
	}
	p->breadth = breadth_share(y);
	target = p->target;
	y->open++;
	if (target->flow.via && !y->opts.to.len)
		found(p, OK, &target->flow, 1);
	else
		locate(hop, &(struct locate_how){ .like = y->r->like }, found, p);
}

/* 64*T1 is how long the client waits anyway; names are asked for a shorter time. */
enum { PARK_MS = 32000 };

/* How long this group may ring: its own time, or what is left of all. 0: as long as it wants. */
static uint32_t group_ms(const struct relay *y, bool is_all)
{
	uint32_t own = is_all || ring_policy()->ring == RING_PARALLEL ? 0 : ring_policy()->ring_ms;
	uint64_t left = y->ends_ms ? y->ends_ms - clock_ms() : 0;

	if (!y->ends_ms || (own && own < left))
		return own;
	return (uint32_t)left;
}

/* RFC 5393 §5.3.3: each group may have all of it, for the one before has ended (§5.3.3.1). Not where the request has come back here: targets
 * that lead to us again, tried one after the other, would multiply at each turn, whatever the breadth. Those share it once, in series or not, and
 * once more where a 3xx is followed. */
static void divide_breadth(struct relay *y, size_t from, size_t end)
{
	const struct request *r = y->r;
	bool                  later = end < y->count && y->order[end]->after_ms;

	y->sharing = (unsigned)((later || r->spiral ? y->count : end) - from);
	if (!r->spiral || y->fresh)
		y->breadth = r->breadth;
	y->too_broad = (r->spiral ? y->sharing : end - from) > y->breadth;
	if (r->spiral && y->too_broad)
		y->at = y->count;	/* no other group either */
	counter_add(&count_too_broad, y->too_broad);
}

static void fork_group(struct relay *y)
{
	struct request *r = y->r;
	size_t          from = y->at, end = ring_group_end(y->order, from, y->count);

	y->at = end;
	y->open = 1;
	y->forked = 0;
	divide_breadth(y, from, end);
	y->waits = y->opts.wait || (y->opts.run && (y->waits || end < y->count || ring_policy()->recurse));
	tm_one_choice(r->t, !y->fresh);
	tm_fork_begin(r->t);
	if (y->waits) {
		wait_add(y);
		tm_wait(r->t, y->opts.run, group_ms(y, end - from == y->count));
	} else {
		tm_park(r->t, y->opts.run, PARK_MS);
	}
	for (size_t i = from; i < end && !y->too_broad; i++)
		plan(y, y->order[i]);
	settle(y);
}

/* The next targets ring too. Where the outcome is there already it is on its way to goes_on(), which lets them ring alone. */
static void join(struct timer *later)
{
	struct relay *y = CONTAINER(later, struct relay, later);
	size_t        end = ring_group_end(y->order, y->at, y->count);

	if (y->open || !tm_fork_more(y->r->t))
		return;
	y->open = 1;
	for (; y->at < end && y->breadth; y->at++)
		plan(y, y->order[y->at]);
	counter_add(&count_too_broad, y->at < end);
	y->at = end;
	settle(y);
}

/* What the array gets in its middle, behind what has been tried. False: no memory. */
static bool insert(struct relay *y, const struct target **more, size_t n)
{
	const struct target **all = arena_alloc(&y->r->arena, (y->count + n) * sizeof(*all));

	if (!all)
		return false;
	memcpy(all, y->order, y->at * sizeof(*all));
	memcpy(all + y->at, more, n * sizeof(*all));
	memcpy(all + y->at + n, y->order + y->at, (y->count - y->at) * sizeof(*all));
	y->order = all;
	y->count += n;
	return true;
}

/* §16.7 step 4: a 3xx is not an answer to be sent on any more once its contacts ring. */
static bool follow(struct relay *y)
{
	struct request       *r = y->r;
	struct target        *own = r->targets;
	const struct target **more = NULL;
	size_t                n = 0;

	if (!ring_policy()->recurse || r->recursions >= ring_policy()->most_recursions)
		return false;
	if (ring_recurse(r, tm_held(r->t, &r->arena), y->order, y->at))
		more = ring_order(r, &n);
	r->targets = own;
	if (!more || !insert(y, more, n))
		return false;
	r->recursions++;
	y->fresh = true;
	return true;
}

/* §16.6, §16.7 step 5: no more after a 2xx or 6xx, nor when nobody waits any more. */
static bool goes_on(struct relay *y, const struct tm_outcome *out)
{
	if (out->sent || out->cancelled || out->status >= 600 || time_is_over(y))
		return false;
	return (out->status / 100 == 3 && follow(y)) || y->at < y->count;
}

static void outcome_is_there(struct relay *y)
{
	struct tm_outcome out;

	y->early = false;
	tm_outcome(y->r->t, &y->r->arena, &out);
	tm_unpark(y->r->t);
	if (goes_on(y, &out))
		fork_group(y);
	else
		finish(y);
}

bool proxy_outcome(struct trans *t, uint32_t run)
{
	struct relay *y = wait_take(t, run);

	if (!y)
		return false;
	wheel_disarm(&y->later);
	if (y->open)
		y->early = true;	/* the next hops that are being asked for come back to settle() */
	else
		outcome_is_there(y);
	return true;
}

void request_relay(struct request *r, const struct relay_opts *opts, relay_done *done, void *arg)
{
	struct relay *y = ARENA_NEW(&r->arena, struct relay);

	if (!y || request_stateful(r) || route_out(r) || !(y->order = ring_order(r, &y->count))) {
		if (r->end == REQ_OPEN && request_reply(r, 500, STR_NONE, STR_NONE))
			r->end = REQ_DROPPED;
		done(arg, &(struct tm_outcome){ .status = 500, .sent = true });
		return;
	}
	y->r = r;
	y->opts = *opts;
	y->done = done;
	y->arg = arg;
	y->failed = ERR_NOT_FOUND;
	y->fresh = true;
	timer_init(&y->later, join);
	y->began_ms = clock_ms();
	y->ends_ms = opts->timeout_ms ? clock_ms() + opts->timeout_ms : 0;
	r->end = REQ_RELAYED;
	if (opts->mark != r->mark)
		tm_set_mark(r->t, opts->mark);
	r->mark = opts->mark;
	if (proxy_clerk())
		proxy_clerk()->relayed(r);
	fork_group(y);
}
