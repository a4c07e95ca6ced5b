/* From a seed to what shall happen. */
#include "sim.h"

#include <stdio.h>

/* splitmix64's finaliser over the three */
uint64_t draw(uint64_t seed, uint64_t what, uint64_t which)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15ULL + what * 0xbf58476d1ce4e5b9ULL + which * 0x94d049bb133111ebULL + 0x2545f4914f6cdd1dULL;

	for (int i = 0; i < 2; i++) {
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		z ^= z >> 31;
	}
	return z;
}

/* A stream of numbers for one part of the plan. */
struct dice {
	uint64_t seed, what, n;
};

static uint32_t roll(struct dice *d, uint32_t below)
{
	return draw_below(d->seed, d->what, d->n++, below);
}

static bool chance(struct dice *d, uint32_t percent)
{
	return roll(d, 100) < percent;
}

/* Mostly short, now and then long. */
static uint32_t some_ms(struct dice *d, uint32_t most)
{
	static const uint32_t scale[] = { 100, 1000, 10000, UINT32_MAX };
	uint32_t              limit = scale[roll(d, COUNT_OF(scale))];

	return 1 + roll(d, limit < most ? limit : most);
}

static uint16_t some_status(struct dice *d)
{
	static const uint16_t status[] = { 200, 200, 200, 200, 200, 302, 401, 404, 407, 408, 480, 486, 488, 500, 503, 503, 600, 603 };

	return status[roll(d, COUNT_OF(status))];
}

static void callee(struct dice *d, const struct plan *p, const struct call_plan *c, struct callee_plan *to)
{
	static const enum callee_kind kinds[] = {
		CALLEE_FINAL, CALLEE_FINAL, CALLEE_FINAL, CALLEE_FINAL, CALLEE_FINAL, CALLEE_FINAL, CALLEE_RINGS, CALLEE_SILENT, CALLEE_DIES,
	};
	bool invite = c->method == M_INVITE;

	to->ua = (c->caller + 1 + roll(d, p->uas - 1)) % p->uas;
	to->kind = kinds[roll(d, COUNT_OF(kinds))];
	to->status = some_status(d);
	to->q = (uint16_t)(1000 - 500 * roll(d, 3));
	to->trying_ms = invite && chance(d, 60) ? some_ms(d, 500) : 0;
	to->ring_ms = invite && chance(d, 80) ? some_ms(d, 8000) : 0;
	to->again_ms = to->ring_ms && chance(d, 30) ? 20000 + some_ms(d, 100000) : 0;
	to->final_ms = (to->ring_ms > to->trying_ms ? to->ring_ms : to->trying_ms) + some_ms(d, invite ? 60000 : 20000);
	/* longer than Timer C, which each 180 starts anew */
	if (to->again_ms && chance(d, 30))
		to->final_ms += 200000 + roll(d, 200000);
}

static void call(const struct plan *p, unsigned number, struct call_plan *c)
{
	static const enum method methods[] = { M_INVITE, M_INVITE, M_INVITE, M_INVITE, M_INVITE, M_MESSAGE, M_OPTIONS };
	static const enum policy policies[] = { POLICY_RELAY, POLICY_RELAY, POLICY_RELAY, POLICY_WAIT, POLICY_WAIT, POLICY_PARK, POLICY_REPLY, POLICY_FORWARD };
	struct dice              d = { p->seed, 100 + number, 0 };

	c->on = true;
	c->caller = roll(&d, p->uas);
	c->method = methods[roll(&d, COUNT_OF(methods))];
	c->policy = policies[roll(&d, COUNT_OF(policies))];
	c->at_ms = 1 + roll(&d, 10 * 60 * 1000) * (chance(&d, 30) ? 20ULL : 1);	/* some of a seed's calls meet, others are alone */
	c->targets = c->policy == POLICY_REPLY || c->policy == POLICY_FORWARD ? 1 : 1 + roll(&d, MOST_TARGETS);
	for (unsigned i = 0; i < c->targets; i++)
		callee(&d, p, c, &c->to[i]);
	c->timeout_ms = c->policy == POLICY_WAIT && chance(&d, 50) ? 2000 + some_ms(&d, 40000) : 0;
	c->park_ms = c->policy == POLICY_PARK ? some_ms(&d, 4000) : 0;
	c->cancel_ms = c->method == M_INVITE && chance(&d, 30) ? some_ms(&d, 60000) : 0;
	c->dies_ms = chance(&d, 10) ? some_ms(&d, 60000) : 0;
	c->reinvite_ms = chance(&d, 30) ? some_ms(&d, 60000) : 0;
	c->bye_ms = chance(&d, 90) ? some_ms(&d, 3600000) : 0;
	c->callee_reinvites = chance(&d, 50);
	c->callee_hangs_up = chance(&d, 50);
}

/* In the midst of something: 0 and 0: between two things. */
static void worker_fault(struct dice *d, struct fault *f)
{
	f->which = 1 + roll(d, WORKERS);
	f->for_ms = 1 + some_ms(d, 1000);
	if (chance(d, 40))
		f->sends = 1 + (chance(d, 50) ? 0 : roll(d, 6));
	else if (chance(d, 70))
		f->steps = 1 + roll(d, 60);
	if (chance(d, 30))
		f->heir_steps = 1 + roll(d, 20);
}

/* Near a call, or it would mostly meet nothing. */
static void fault(const struct plan *p, unsigned number, struct fault *f)
{
	struct dice             d = { p->seed, 200 + number, 0 };
	const struct call_plan *near = &p->call[roll(&d, p->calls)];

	f->on = true;
	f->kind = (enum fault_kind)(chance(&d, 50) ? FAULT_WORKER : chance(&d, 60) ? FAULT_PARTITION : FAULT_GONE);
	f->at_ms = near->at_ms + (near->cancel_ms && chance(&d, 50) ? near->cancel_ms : some_ms(&d, 60000));
	f->which = roll(&d, p->uas);
	f->for_ms = 500 + roll(&d, 20000);
	if (f->kind == FAULT_WORKER)
		worker_fault(&d, f);
}

void plan_draw(struct plan *p, uint64_t seed)
{
	static const uint32_t delays[] = { 0, 20, 100, 500, 2000 };
	struct dice           d = { seed, 1, 0 };

	*p = (struct plan){ .seed = seed };
	p->uas = 3 + roll(&d, MOST_UAS - 2);
	p->loss = chance(&d, 25) ? 0 : roll(&d, 301);
	p->twice = chance(&d, 50) ? 0 : roll(&d, 201);
	p->delay_ms = delays[roll(&d, COUNT_OF(delays))];
	p->first_ms = chance(&d, 40) ? 0 : chance(&d, 50) ? 5000 : 1000 + roll(&d, 20000);
	p->ring_ms = chance(&d, 50) ? 0 : 1000 + some_ms(&d, 30000);
	p->calls = 4 + roll(&d, MOST_CALLS - 3);
	p->faults = chance(&d, 30) ? 0 : roll(&d, MOST_FAULTS + 1);
	for (unsigned i = 0; i < p->calls; i++)
		call(p, i, &p->call[i]);
	for (unsigned i = 0; i < p->faults; i++)
		fault(p, i, &p->fault[i]);
}

bool plan_is_serial(const struct plan *p, const struct call_plan *c)
{
	return p->ring_ms && (c->policy == POLICY_RELAY || c->policy == POLICY_PARK);
}

const struct callee_plan *plan_callee(const struct plan *p, const char *user)
{
	unsigned call, target;

	if (sscanf(user, "c%u-t%u", &call, &target) != 2 || call >= p->calls || target >= p->call[call].targets)
		return NULL;
	return &p->call[call].to[target];
}

/* --- shown --- */

static void print_callee(const struct callee_plan *t, bool serial)
{
	static const char *const kinds[] = { "", " rings for ever", " is silent", " sends its answer once and dies" };

	printf("    u%u%s", t->ua + 1, kinds[t->kind]);
	if (serial)
		printf(" q=%u/1000", t->q);
	if (t->kind == CALLEE_SILENT) {
		printf("\n");
		return;
	}
	if (t->trying_ms)
		printf(" 100 after %u ms", t->trying_ms);
	if (t->ring_ms)
		printf(" 180 after %u ms", t->ring_ms);
	if (t->again_ms)
		printf(" and every %u ms", t->again_ms);
	if (t->kind != CALLEE_RINGS)
		printf(" %u after %u ms", t->status, t->final_ms);
	printf("\n");
}

static void print_call(const struct plan *p, unsigned i)
{
	const struct call_plan  *c = &p->call[i];
	static const char *const policies[] = { "relay", "relay and wait", "park, then relay", "refuse", "forward without state" };

	printf("  call c%u at %.3f s: u%u %s, script: %s", i, (double)c->at_ms / 1000, c->caller + 1, method_name(c->method).p, policies[c->policy]);
	if (c->timeout_ms)
		printf(" for %u ms", c->timeout_ms);
	if (c->park_ms)
		printf(" for %u ms", c->park_ms);
	if (c->cancel_ms)
		printf("; CANCEL after %u ms", c->cancel_ms);
	if (c->dies_ms)
		printf("; dead after %u ms", c->dies_ms);
	printf("\n");
	for (unsigned t = 0; t < c->targets && c->policy != POLICY_REPLY; t++)
		print_callee(&c->to[t], plan_is_serial(p, c));
}

static void print_fault(const struct fault *f)
{
	const char *what = f->kind == FAULT_PARTITION ? "is cut off" : f->kind == FAULT_GONE ? "is gone (ICMP)" : "dies";

	printf("  %s%u %s at %.3f s for %u ms", f->kind == FAULT_WORKER ? "worker " : "u", f->kind == FAULT_WORKER ? f->which : f->which + 1, what,
	       (double)f->at_ms / 1000, f->for_ms);
	if (f->sends)
		printf(", in the midst of sending its message no. %u from then on", f->sends);
	if (f->steps)
		printf(", when it touches shared memory for the %u. time from then on", f->steps);
	if (f->heir_steps)
		printf(", the next one when it does so for the %u. time", f->heir_steps);
	printf("\n");
}

void plan_print(const struct plan *p)
{
	printf("seed %llu: loss %u/1000, doubled %u/1000, delay up to %u ms", (unsigned long long)p->seed, p->loss, p->twice, p->delay_ms);
	if (p->first_ms)
		printf(", a callee may be silent for %u ms", p->first_ms);
	if (p->ring_ms)
		printf(", a group rings for %u ms", p->ring_ms);
	printf("\n");
	for (unsigned i = 0; i < p->calls; i++)
		if (p->call[i].on)
			print_call(p, i);
	for (unsigned i = 0; i < p->faults; i++)
		if (p->fault[i].on)
			print_fault(&p->fault[i]);
}
