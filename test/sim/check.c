/* What the RFCs promise, watched from outside: every message that reaches the server or leaves it passes here, in the order in which it does. Nothing
 * is known of the server's inside but what its messages tell.
 *
 * An `up` is a request as the server got it (a server transaction); a `down` is one branch of it. A message that asks for something at once puts it on
 * the list of what is owed, which must be empty when the worker's turn is over, unless the worker died in it. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	T1 = 500, LONG = 64 * T1, T4 = 5000, TIMER_C = 185000,
	SLACK = 60,		/* timers tick at 10 ms, and a worker's turn may come a little later */
	RESTART = 2200,		/* a worker that died is back by then */
	LEAST_INVITES = 7,	/* at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s (§17.1.1.2) */
	LEAST_REQUESTS = 10,	/* at 0, 0.5, 1.5, 3.5 s, then every four (§17.1.2.2) */
	LEAST_FINALS = 10,	/* the same (§17.2.1) */
	MOST_OWED = 64,
};

struct down {
	struct down *next;
	struct up   *up;
	char         branch[64], user[24];
	int          ua;
	uint64_t     sent_ms, rang_ms, final_ms, cancel_ms;	/* 0: not */
	uint64_t     heard_ms;	/* its first answer of any kind */
	uint64_t     relay_over_ms;	/* when the time of its relay() is up; 0: never */
	unsigned     copies;
	uint16_t     final;
	bool         provisional;
	bool         rung_out;		/* its Timer C was due when a worker died, perhaps over that: its CANCEL may yet come, whatever rings meanwhile */
	bool         unsure;		/* an ICMP error, a death or a tick may have ended it or not: it proves nothing any more */
};
struct up {
	struct up   *next;
	struct down *downs;
	char         branch[64];
	int          call, ua;
	enum method  method;
	enum policy  policy;
	uint64_t     first_ms, final_ms, success_ms, ack_ms, cancel_ms;
	unsigned     ins, answers, finals;
	uint16_t     final;
	char         final_tag[32];
	bool         in_dialog;
	bool         serial;		/* its targets ring one group after the other */
	uint64_t     promised_ms;	/* its CANCEL was answered with 200, before a final */
	bool         scarred;		/* a worker died in the midst of something of it */
	bool         touched;		/* in this turn */
	bool         again;		/* one that is over was like it; the server may still know that one */
};
enum debt { DEBT_SUCCESS, DEBT_ACK, DEBT_ACK_ON, DEBT_CANCEL_OK, DEBT_487, DEBT_AGAIN, DEBT_FORWARD, DEBT_BACK };
struct owed {
	enum debt  debt;
	struct up *up;
	char       key[64];	/* SUCCESS: To tag; others: branch */
};
static struct {
	struct up  *ups;
	struct down *answering;		/* the branch that was answered in this turn */
	struct owed owed[MOST_OWED];
	unsigned    n_owed;
	unsigned    deaths;
	uint64_t    relay_over_ms[MOST_CALLS];	/* of its last relay() */
} seen;

void check_begin(void)
{
	memset(&seen, 0, sizeof(seen));
}

/* --- who is who --- */

static struct up *up_find(const char *branch, enum method method)
{
	for (struct up *u = seen.ups; u; u = u->next)
		if (u->method == method && !strcmp(u->branch, branch))
			return u;
	return NULL;
}

static struct down *down_find(const char *branch, enum method method)
{
	for (struct up *u = seen.ups; u; u = u->next)
		for (struct down *d = u->method == method ? u->downs : NULL; d; d = d->next)
			if (!strcmp(d->branch, branch))
				return d;
	return NULL;
}

static bool stateless(const struct up *u)
{
	return u->policy == POLICY_FORWARD && !u->in_dialog;
}

/* The server may have forgotten it, and takes what comes for a new one. */
static bool up_expired(const struct up *u)
{
	uint64_t now = world.now_ms + SLACK;

	if (stateless(u))
		return false;
	if (u->ack_ms && u->method == M_INVITE && u->final >= 300)
		return now >= u->ack_ms + T4;
	if (u->final)
		return now >= u->final_ms + LONG;
	return u->method != M_INVITE && now >= u->first_ms + LONG;
}

static struct up *up_new(const struct packet *p)
{
	struct up *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->call = p->sip.call;
	u->ua = p->from;
	u->method = p->sip.method;
	u->in_dialog = p->sip.to_tag[0];
	u->policy = u->in_dialog ? POLICY_RELAY : world.plan->call[u->call].policy;
	u->serial = !u->in_dialog && plan_is_serial(world.plan, &world.plan->call[u->call]);
	u->first_ms = world.now_ms;
	memcpy(u->branch, p->sip.branch, sizeof(u->branch));
	u->next = seen.ups;
	seen.ups = u;
	return u;
}

/* Until when an answer to this branch means something. */
static bool down_live(const struct down *d)
{
	uint64_t now = world.now_ms + SLACK;

	if (d->unsure)
		return false;
	if (d->final)
		return now < d->final_ms + LONG;
	if (d->cancel_ms)
		return now < d->cancel_ms + LONG;
	if (d->up->method != M_INVITE || !d->provisional)
		return now < d->sent_ms + LONG;
	return true;
}

/* It was silent for too long and has failed by that, though what it says later is dealt with. */
static bool abandoned(const struct down *d)
{
	uint64_t until = d->heard_ms ? d->heard_ms : world.now_ms + SLACK;

	return world.plan->first_ms && d->up->method == M_INVITE && until >= d->sent_ms + world.plan->first_ms;
}

/* Its first answer came when the server was about to give it up, or just had. */
static bool heard_on_the_brink(const struct down *d)
{
	uint64_t over = d->sent_ms + world.plan->first_ms;

	return world.plan->first_ms && d->heard_ms + SLACK >= over && d->heard_ms < over + SLACK + (seen.deaths ? RESTART : 0);
}

/* --- debts --- */

static void owe(enum debt debt, struct up *u, const char *key)
{
	if (seen.n_owed == MOST_OWED)
		return;
	seen.owed[seen.n_owed] = (struct owed){ .debt = debt, .up = u };
	snprintf(seen.owed[seen.n_owed++].key, sizeof(seen.owed[0].key), "%s", key);
}

static void paid(enum debt debt, const char *key)
{
	for (unsigned i = 0; i < seen.n_owed; i++)
		if (seen.owed[i].debt == debt && !strcmp(seen.owed[i].key, key)) {
			seen.owed[i] = seen.owed[--seen.n_owed];
			return;
		}
}

static void unpaid(const struct owed *o)
{
	static const char *const what[] = {
		[DEBT_SUCCESS] = "a 2xx of a callee was not passed on (§16.7 step 5, 9), To tag",
		[DEBT_ACK] = "a final answer but 2xx was not acknowledged (§17.1.1.2), branch",
		[DEBT_ACK_ON] = "the ACK to a 2xx was not forwarded (§16.11), branch",
		[DEBT_CANCEL_OK] = "a CANCEL of a known INVITE was not answered (§9.2), branch",
		[DEBT_487] = "an INVITE that is cancelled before it was sent anywhere is not answered (§9.2), branch",
		[DEBT_AGAIN] = "a repeated request did not get its answer again (§17.2), branch",
		[DEBT_FORWARD] = "a request was not forwarded, branch",
		[DEBT_BACK] = "an answer was not forwarded, branch",
	};

	world_fail("%s %s", what[o->debt], o->key);	/* which tells the call */
}

/* A 2xx or 6xx of one branch decides for all (§16.7 step 10), though a script may try another after a 6xx. `surely`: none that
 * came too late or of another group. */
static bool sibling_decided(const struct up *u, bool surely)
{
	for (const struct down *d = u->downs; d; d = d->next) {
		if (surely && (d->unsure || abandoned(d)))
			continue;
		if ((d->final >= 600 && (!surely || (u->policy != POLICY_WAIT && !u->serial))) || (d->final >= 200 && d->final < 300))
			return true;
	}
	return false;
}

/* §16.7 step 10, §9.1: what still rings when the caller has its answer, or soon will, is not wanted any more. */
static void check_losers(const struct up *u)
{
	if (u->method != M_INVITE || (!u->final && !sibling_decided(u, true)))
		return;
	for (const struct down *d = u->downs; d; d = d->next)
		if (d->provisional && !d->final && !d->cancel_ms && down_live(d))
			world_fail("call c%d: another branch has decided, but the one to u%d that rings is not cancelled (§16.7 step 10)", u->call, d->ua + 1);
}

static uint64_t timer_c_since(const struct down *d)
{
	return d->rang_ms ? d->rang_ms : d->sent_ms;
}

/* Any of them: what was about to be sent is not known. */
static void scar(struct up *u)
{
	u->scarred = true;
	for (struct down *d = u->downs; d; d = d->next)
		d->rung_out |= world.now_ms + SLACK >= timer_c_since(d) + TIMER_C;
}

void check_turn_end(bool died)
{
	for (struct up *u = seen.ups; u; u = u->next) {
		if (died)
			scar(u);
		if (u->touched && !u->scarred && !stateless(u))
			check_losers(u);
		u->touched = false;
	}
	if (died && seen.answering)
		seen.answering->unsure = true;
	seen.answering = NULL;
	if (!died && seen.n_owed)
		unpaid(&seen.owed[0]);
	seen.n_owed = 0;
}

void check_worker_died(void)
{
	seen.deaths++;
}

void check_relay_timeout(int call)
{
	seen.relay_over_ms[call] = world.now_ms + world.plan->call[call].timeout_ms;
}

void check_unreachable(int ua)
{
	for (struct up *u = seen.ups; u; u = u->next)
		for (struct down *d = u->downs; d; d = d->next)
			d->unsure |= d->ua == ua && !d->final && (u->method != M_INVITE || !d->provisional);
}

/* --- what the server gets --- */

static void ack_in(const struct packet *p)
{
	struct up *u = up_find(p->sip.branch, M_INVITE);

	if (u && stateless(u))
		owe(DEBT_FORWARD, u, u->branch);
	if (u && !u->ack_ms)
		u->ack_ms = world.now_ms;
	if (!u)
		owe(DEBT_ACK_ON, NULL, p->sip.branch);
}

static void cancel_in(const struct packet *p)
{
	struct up *u = up_find(p->sip.branch, M_INVITE);

	if (!u)
		return;
	if (stateless(u)) {
		owe(DEBT_FORWARD, u, u->branch);
		return;
	}
	u->touched = true;
	if (!u->cancel_ms && !u->final)
		u->cancel_ms = world.now_ms;
	if (!u->final && !seen.deaths)
		owe(DEBT_CANCEL_OK, u, p->sip.branch);
	if (!u->final && !u->downs && !seen.deaths)
		owe(DEBT_487, u, p->sip.branch);
}

/* §17.2.1, §17.2.2: the last answer once more. RFC 6026 §7.1: but not a 2xx to an INVITE; nor to one that has its ACK. */
static bool gets_it_again(const struct up *u)
{
	if (stateless(u) || !u->answers || u->scarred || u->again)
		return false;
	if (u->method != M_INVITE)
		return u->final;
	return !u->success_ms && !u->ack_ms;
}

static void request_in(const struct packet *p)
{
	struct up *u = up_find(p->sip.branch, p->sip.method);

	if (!u) {
		u = up_new(p);
	} else if (up_expired(u)) {
		u->branch[0] = '\0';
		u = up_new(p);
		u->again = true;
	}
	if (gets_it_again(u))
		owe(DEBT_AGAIN, u, u->branch);
	u->ins++;
	u->touched = true;
	if (stateless(u))
		owe(DEBT_FORWARD, u, u->branch);
}

/* RFC 6026 §8.4, §16.7 steps 5 and 9 */
static void success_in(struct down *d, const struct sip *s)
{
	const struct up *u = d->up;

	if (down_live(d) && (!u->success_ms || world.now_ms + SLACK < u->success_ms + LONG))
		owe(DEBT_SUCCESS, d->up, s->to_tag);
}

static void final_in(struct down *d, const struct sip *s)
{
	if (d->up->method == M_INVITE && s->status < 300)
		success_in(d, s);
	else if (d->up->method == M_INVITE && down_live(d) && (!d->final || d->final >= 300))
		owe(DEBT_ACK, d->up, d->branch);
	if (d->final)
		return;
	d->final = s->status;
	d->final_ms = world.now_ms;
}

static void response_in(const struct packet *p)
{
	const struct sip *s = &p->sip;
	struct down      *d = down_find(s->branch, s->method);

	if (s->method == M_CANCEL || !d)
		return;
	if (stateless(d->up)) {
		owe(DEBT_BACK, d->up, d->up->branch);
		return;
	}
	d->up->touched = true;
	seen.answering = d;
	d->unsure |= !down_live(d);
	if (!d->heard_ms) {
		d->heard_ms = world.now_ms;
		d->unsure |= heard_on_the_brink(d);
	}
	if (s->status >= 200) {
		final_in(d, s);
	} else if (!d->final) {
		d->provisional = true;
		if (s->status > 100)
			d->rang_ms = world.now_ms;
	}
}

void check_in(const struct packet *p)
{
	if (p->sip.call < 0)
		return;
	if (!p->sip.request)
		response_in(p);
	else if (p->sip.method == M_ACK)
		ack_in(p);
	else if (p->sip.method == M_CANCEL)
		cancel_in(p);
	else
		request_in(p);
}

/* --- what it sends upstream --- */

static void provisional_out(const struct up *u, const struct sip *s)
{
	if (u->final)
		world_fail("call c%d: %u is passed on after the final %u (§16.7 step 5)", u->call, s->status, u->final);
	if (u->method == M_INVITE)
		return;
	if (s->status != 100)
		world_fail("call c%d: %u to a non-INVITE (RFC 4320 §4.1)", u->call, s->status);
	else if (!u->again && world.now_ms + SLACK < u->first_ms + 7 * T1)
		world_fail("call c%d: 100 to a non-INVITE after %llu ms (RFC 4320 §4.1)", u->call, (unsigned long long)(world.now_ms - u->first_ms));
}

/* What that branch counts for in the choice; 0: it has not ended. */
static uint16_t result_of(const struct down *d)
{
	if (d->unsure)
		return 500;
	if (abandoned(d))
		return 408;
	if (d->final)
		return d->final == 503 ? 500 : d->final;
	return down_live(d) ? 0 : 408;
}

/* §16.7 step 6, for a request whose branches all began together and that nobody has disturbed */
static void check_best(const struct up *u, uint16_t status)
{
	unsigned least = 7;
	bool     there = false, declined = false, open = false, refused = false;

	for (const struct down *d = u->downs; d; d = d->next) {
		uint16_t r = result_of(d);

		there |= r == status || ((d->unsure || abandoned(d)) && d->final == status);
		declined |= r >= 600;
		open |= !r;
		refused |= d->unsure;
		if (r && r / 100u < least)
			least = r / 100u;
	}
	if (status < 300 ? !there : !there && !refused)
		world_fail("call c%d: the caller gets %u, which no branch has answered", u->call, status);
	else if (status >= 300 && open)
		world_fail("call c%d: the caller gets %u while branches are still open (§16.7 step 6)", u->call, status);
	else if (declined && status >= 300 && status < 600)
		world_fail("call c%d: the caller gets %u although a branch answered 6xx (§16.7 step 6)", u->call, status);
	else if (status >= 300 && !declined && !refused && least < 7 && status / 100u != least)
		world_fail("call c%d: the caller gets %u although a branch answered with %uxx (§16.7 step 6)", u->call, status, least);
}

static void first_final_out(struct up *u, const struct sip *s)
{
	u->final = s->status;
	u->final_ms = world.now_ms;
	memcpy(u->final_tag, s->to_tag, sizeof(u->final_tag));
	if ((u->policy == POLICY_RELAY || u->policy == POLICY_PARK) && !u->serial && !u->cancel_ms && !seen.deaths && u->downs)
		check_best(u, s->status);
	/* a branch that is silent at first is cancelled, and then waited for, when it rings */
	if (u->cancel_ms && u->promised_ms && world.now_ms > u->cancel_ms + 2 * LONG + SLACK + (seen.deaths ? RESTART : 0))
		world_fail("call c%d: %u comes %llu ms after the CANCEL (§9.1)", u->call, s->status, (unsigned long long)(world.now_ms - u->cancel_ms));
}

/* A refusal was decided on but its worker died over it; a 2xx may be passed on before it is sent again (§16.7 step 5). */
static bool overtaken(const struct up *u)
{
	return u->scarred && u->method == M_INVITE && u->final < 300;
}

static void final_out(struct up *u, const struct sip *s)
{
	bool success = u->method == M_INVITE && s->status < 300;

	u->finals++;
	paid(DEBT_487, u->branch);
	if (u->method != M_INVITE && s->status == 408)
		world_fail("call c%d: 408 to a non-INVITE (RFC 4320 §4.2)", u->call);
	if (u->method != M_INVITE && u->finals > u->ins)
		world_fail("call c%d: a final answer is repeated though nobody asked", u->call);
	if (!u->final)
		first_final_out(u, s);
	else if (!success && (u->final != s->status || strcmp(u->final_tag, s->to_tag)) && !overtaken(u))
		world_fail("call c%d: after the final %u another, %u (§17.2)", u->call, u->final, s->status);
	if (success && !u->success_ms)
		u->success_ms = world.now_ms;
	if (success)
		paid(DEBT_SUCCESS, s->to_tag);
}

static void response_out(const struct packet *p)
{
	const struct sip *s = &p->sip;
	struct up        *u;

	if (s->method == M_CANCEL) {
		paid(DEBT_CANCEL_OK, s->branch);
		u = up_find(s->branch, M_INVITE);
		if (u && s->status == 200 && !u->final && !u->promised_ms)
			u->promised_ms = world.now_ms;
		return;
	}
	u = up_find(s->branch, s->method);
	if (!u || u->ua != p->to) {
		world_fail("a %u goes to u%d, who sent no such request", s->status, p->to + 1);
		return;
	}
	u->touched = true;
	u->answers++;
	paid(DEBT_AGAIN, u->branch);
	if (stateless(u))
		paid(DEBT_BACK, s->branch);
	else if (s->status < 200)
		provisional_out(u, s);
	else
		final_out(u, s);
}

/* --- what it sends downstream --- */

static void cancel_out(const struct packet *p)
{
	struct down *d = down_find(p->sip.branch, M_INVITE);
	struct up   *u = d ? d->up : NULL;
	uint64_t     now = world.now_ms;

	if (!d) {
		world_fail("a CANCEL for nothing goes to u%d", p->to + 1);
		return;
	}
	if (stateless(u))
		paid(DEBT_FORWARD, u->branch);
	if (d->unsure || stateless(u))
		return;
	if (!d->provisional)
		world_fail("call c%d: CANCEL before a provisional answer (§9.1)", u->call);
	else if (d->final)
		world_fail("call c%d: CANCEL after the branch's final %u (§9.1)", u->call, d->final);
	else if (!d->cancel_ms && !u->final && !u->cancel_ms && !sibling_decided(u, false) && !abandoned(d) && !d->rung_out &&
		 now + SLACK < timer_c_since(d) + TIMER_C && (!d->relay_over_ms || now + SLACK < d->relay_over_ms))
		world_fail("call c%d: the branch to u%d is cancelled, and nobody wanted that (§16.8)", u->call, d->ua + 1);
	if (!d->cancel_ms)
		d->cancel_ms = now;
}

static void ack_out(const struct packet *p)
{
	const struct down *d = down_find(p->sip.branch, M_INVITE);

	if (d && stateless(d->up)) {
		paid(DEBT_FORWARD, d->up->branch);
		return;
	}
	if (d && d->final < 300 && !d->unsure)
		world_fail("call c%d: an ACK of ours for a branch without final answer", d->up->call);
	if (d)
		paid(DEBT_ACK, p->sip.branch);
	else
		paid(DEBT_ACK_ON, p->sip.next_branch);
}

static void check_written(const struct packet *p, const struct up *u)
{
	if (p->sip.vias != 2 || strcmp(p->sip.via_host, server_ip))
		world_fail("call c%d: forwarded with %u Via values, the first of %s", u->call, p->sip.vias, p->sip.via_host);
	if (p->sip.max_forwards != 69)
		world_fail("call c%d: forwarded with Max-Forwards %u (§16.6 step 3)", u->call, p->sip.max_forwards);
	if (u->method == M_INVITE && !u->in_dialog && !p->sip.record_route)
		world_fail("call c%d: forwarded without Record-Route", u->call);
}

static uint16_t q_of(const char *user)
{
	const struct callee_plan *c = plan_callee(world.plan, user);

	return c ? c->q : 1000;
}

/* §16.6: who comes first by q has had its time, or has answered. */
static void check_turn(const struct packet *p, const struct up *u)
{
	for (const struct down *o = u->serial ? u->downs : NULL; o; o = o->next) {
		if (o->final >= 600 && !o->unsure && !abandoned(o) && o->final_ms + SLACK < o->relay_over_ms)
			world_fail("call c%d: u%d is tried although another answered %u (§16.7 step 5)", u->call, p->to + 1, o->final);
		if (q_of(o->user) < q_of(p->sip.user))
			world_fail("call c%d: u%d comes after somebody with a lower q (§16.6)", u->call, p->to + 1);
		if (q_of(o->user) > q_of(p->sip.user) && !result_of(o) && world.now_ms + SLACK < o->relay_over_ms)
			world_fail("call c%d: u%d is tried while one with a higher q is (§16.6)", u->call, p->to + 1);
	}
}

static void down_new(const struct packet *p, struct up *u)
{
	struct down *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	if (u->final && !stateless(u) && !u->scarred)	/* the first copy may have died with its worker */
		world_fail("call c%d: forwarded to u%d after the final %u", u->call, p->to + 1, u->final);
	for (const struct down *o = u->downs; o; o = o->next)
		if (!strcmp(o->user, p->sip.user) && stateless(u))
			world_fail("call c%d: another branch parameter for the same request without state (§16.11)", u->call);
		else if (!strcmp(o->user, p->sip.user))
			world_fail("call c%d: u%d gets the same request as a new one, a retransmission was not absorbed (§17.2)", u->call, p->to + 1);
	check_turn(p, u);
	*d = (struct down){ .next = u->downs, .up = u, .ua = p->to, .sent_ms = world.now_ms, .copies = 1, .unsure = u->scarred };
	memcpy(d->branch, p->sip.branch, sizeof(d->branch));
	memcpy(d->user, p->sip.user, sizeof(d->user));
	d->relay_over_ms = u->serial ? world.now_ms + world.plan->ring_ms : u->in_dialog ? 0 : seen.relay_over_ms[u->call];
	u->downs = d;
	check_written(p, u);
}

static void request_out(const struct packet *p)
{
	struct down *d = down_find(p->sip.branch, p->sip.method);
	struct up   *u = d ? d->up : up_find(p->sip.next_branch, p->sip.method);

	if (!u) {
		world_fail("u%d gets a request that nobody sent", p->to + 1);
		return;
	}
	u->touched = true;
	if (stateless(u))
		paid(DEBT_FORWARD, p->sip.next_branch);
	if (!d) {
		down_new(p, u);
		return;
	}
	d->copies++;
	if (stateless(u))
		return;
	if (d->unsure)
		return;
	if (d->final)
		world_fail("call c%d: the request to u%d is repeated after its final %u", u->call, p->to + 1, d->final);
	else if (d->provisional && u->method == M_INVITE)
		world_fail("call c%d: the INVITE to u%d is repeated after a provisional answer (§17.1.1.2)", u->call, p->to + 1);
}

void check_out(const struct packet *p)
{
	if (p->sip.call < 0 || p->to == SERVER) {
		world_fail("the server sends something of no call");
		return;
	}
	if (!p->sip.request)
		response_out(p);
	else if (p->sip.method == M_ACK)
		ack_out(p);
	else if (p->sip.method == M_CANCEL)
		cancel_out(p);
	else
		request_out(p);
}

/* --- in the end --- */

static bool any_success(const struct up *u)
{
	for (const struct down *d = u->downs; d; d = d->next)
		if (d->final >= 200 && d->final < 300)
			return true;
	return false;
}

static bool promise_broken(const struct up *u, const struct down *d)
{
	uint64_t since = u->promised_ms > d->heard_ms ? u->promised_ms : d->heard_ms;

	if (!u->promised_ms || !d->provisional || d->cancel_ms || d->unsure)
		return false;
	return !d->final || d->final_ms > since + T1 + RESTART;
}

/* Every INVITE ends, unless nobody could know: its run died before it was heard of, or the 2xx with the worker and then its sender. */
static void end_invite(const struct up *u)
{
	bool forgiven = seen.deaths && ((!u->answers && u->ins <= seen.deaths) || any_success(u));

	if (!u->final && !forgiven)
		world_fail("call c%d: the INVITE of u%d never got its final answer", u->call, u->ua + 1);
	if (u->final >= 300 && !u->ack_ms && !seen.deaths && u->finals < LEAST_FINALS)
		world_fail("call c%d: %u was not acknowledged, and sent only %u times (§17.2.1)", u->call, u->final, u->finals);
	for (const struct down *d = u->downs; d; d = d->next)
		if (promise_broken(u, d))
			world_fail("call c%d: the CANCEL was answered 200, but the branch to u%d that rang was not cancelled (§9.2)", u->call, d->ua + 1);
		else if (u->final && d->provisional && !d->final && !d->cancel_ms && !d->unsure)
			world_fail("call c%d: the branch to u%d rang and lost, but was never cancelled (§16.7 step 10)", u->call, d->ua + 1);
}

/* RFC 4320 §4.2: without an answer there is none; with one it must be passed on. */
static void end_other(const struct up *u)
{
	for (const struct down *d = u->downs; d; d = d->next) {
		if (!d->final || d->final == 408 || d->final_ms + SLACK >= u->first_ms + LONG)
			return;
		if (d->final >= 300 && d->relay_over_ms && d->final_ms + SLACK >= d->relay_over_ms)
			return;
	}
	if (u->downs && !u->final && !seen.deaths)
		world_fail("call c%d: u%d answered %u, but u%d never heard of it", u->call, u->downs->ua + 1, u->downs->final, u->ua + 1);
}

/* As many as fit into the time for a first answer. */
static unsigned least_invites(void)
{
	unsigned n = 1;

	for (uint32_t at = T1; world.plan->first_ms && at + SLACK < world.plan->first_ms; at = 2 * at + T1)
		n++;
	return world.plan->first_ms && n < LEAST_INVITES ? n : LEAST_INVITES;
}

/* Is there anything to be tried behind it? The last group of a serial fork rings as long as it wants. */
static bool has_next(const struct down *d)
{
	const struct call_plan *c = &world.plan->call[d->up->call];

	for (unsigned i = 0; i < c->targets; i++)
		if (!d->up->serial || c->to[i].q < q_of(d->user))
			return true;
	return false;
}

/* Its time was over before anything else ended it. */
static bool rang_on(const struct down *d)
{
	uint64_t until = d->relay_over_ms + 2 * SLACK;

	if (!d->relay_over_ms || !d->provisional || d->heard_ms >= d->relay_over_ms || d->unsure || seen.deaths || !has_next(d))
		return false;
	return (!d->cancel_ms || d->cancel_ms > until) && (!d->final || d->final_ms > until);
}

static void end_down(const struct up *u, const struct down *d)
{
	unsigned least = u->method == M_INVITE ? least_invites() : LEAST_REQUESTS;

	if (!d->provisional && !d->final && !d->unsure && !seen.deaths && d->copies < least)
		world_fail("call c%d: u%d did not answer, and got only %u copies of its request (§17.1)", u->call, d->ua + 1, d->copies);
	if (u->method == M_INVITE && rang_on(d))
		world_fail("call c%d: u%d rings on though its time is over", u->call, d->ua + 1);
}

void check_end(void)
{
	for (const struct up *u = seen.ups; u; u = u->next) {
		if (stateless(u))
			continue;
		if (u->method == M_INVITE)
			end_invite(u);
		else
			end_other(u);
		for (const struct down *d = u->downs; d; d = d->next)
			end_down(u, d);
	}
}
