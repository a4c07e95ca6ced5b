/* The server: the core as it is, its workers played in turn by this one process, and a "script" that does what the plan says. */
#include "sim.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/avoid.h"
#include "net/mailbox.h"
#include "proxy/request.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { REGION_BYTES = 64 << 20, BUCKETS = 64, MOST_OWNERS = 64, FOR_EVER_MS = 1000000 };
const char server_ip[] = "10.0.1.1";

struct worker {
	struct alarm wheel;	/* its shared timers have something to do */
	struct alarm letters;	/* somebody may have posted something */
	struct alarm dies, lives;
	unsigned     slot;
	bool         dead;
	unsigned     dies_after, dies_stepping;	/* so many messages, or steps in shared memory; 0: not */
	unsigned     heir_steps;	/* after which the next one dies; 0: it does not */
	struct packet *waiting[256];	/* what came while it was dead: its socket outlives it */
	unsigned     n_waiting;
};
static struct {
	struct worker          worker[WORKERS + 1];
	const struct listener *listener;
	unsigned               in_turn;		/* a slot; 0: none */
	jmp_buf                death;
	uint32_t               runs;		/* begun so far: their names */
	unsigned               runs_open[WORKERS + 1];	/* of the living */
	unsigned               turns;
	struct shm_usage       usage[MOST_OWNERS];
	size_t                 owners;
} node;

/* --- turns --- */

static void die(struct worker *w)
{
	proc_get(w->slot)->pid = 0;	/* the supervisor has seen it */
	w->dead = true;
	w->dies_after = w->dies_stepping = 0;
	node.runs_open[w->slot] = 0;
	world_remark("worker %u dies", w->slot);
	check_worker_died();
	outlive_worker_died();
	alarm_off(&w->wheel);
	/* whatever it died of, the supervisor needs a moment */
	alarm_at(&w->lives, world.now_ms + 1 + draw_below(world.plan->seed, 23, node.turns, 1000));
}

/* Its shared timers may have moved, also by another's doing. */
static void set_wheel(struct worker *w)
{
	uint32_t wait;

	if (w->dead)
		return;
	proc_switch(w->slot);
	wait = timer_wait_ms(world.now_ms, FOR_EVER_MS);
	if (wait < FOR_EVER_MS)
		alarm_at(&w->wheel, world.now_ms + wait);
	else
		alarm_off(&w->wheel);
}

/* What was done may have consequences for the others. */
static void look_around(bool did_something)
{
	bool looked = false;

	for (unsigned i = 1; i <= WORKERS; i++) {
		struct worker *w = &node.worker[i];

		set_wheel(w);
		if (!w->dead && did_something && !looked) {
			outlive_look();
			looked = true;
		}
		if (did_something && !w->dead && !w->letters.order)
			alarm_at(&w->letters, world.now_ms + draw_below(world.plan->seed, 20, node.turns, 5));
	}
}

/* Something happens in one worker, which may die over it. fn says whether it did anything. */
static void turn(unsigned slot, bool (*fn)(void *arg), void *arg)
{
	struct worker *w = &node.worker[slot];
	volatile bool  did = true;	/* keeps its value when the worker dies */

	node.turns++;
	node.in_turn = slot;
	proc_switch(slot);
	clock_tick();
	if (!setjmp(node.death)) {
		did = fn(arg);
		net_flush();
		check_turn_end(false);
	} else {
		die(w);
		check_turn_end(true);
	}
	node.in_turn = 0;
	look_around(did);
}

/* A message leaves. The worker may die just before or after it has. */
static void sent(const struct flow *to, struct str bytes)
{
	struct worker *w = &node.worker[node.in_turn];
	bool           dies = w->dies_after && --w->dies_after == 0 && !proc_get(w->slot)->depth;
	bool           gone = dies && draw(world.plan->seed, 21, node.turns) & 1;

	if (to->via != node.listener)
		world_fail("a message leaves by no listener");
	if (!gone)
		world_send(SERVER, place_of(&to->peer), bytes);
	if (dies)
		longjmp(node.death, 1);
}

/* A step in shared memory: outside of a critical section the worker may die over it. */
static void step(void)
{
	struct worker *w = &node.worker[node.in_turn];

	if (node.in_turn && w->dies_stepping && !proc_get(w->slot)->depth && --w->dies_stepping == 0)
		longjmp(node.death, 1);
}

/* The linker puts these in the place of each call of theirs from another file (-Wl,--wrap). */
#define WRAPPED(type, name, ...) type __real_##name(__VA_ARGS__); type __wrap_##name(__VA_ARGS__); type __wrap_##name(__VA_ARGS__)

WRAPPED(void, unlock, struct lock *l)
{
	__real_unlock(l);
	step();
}

WRAPPED(void, critical_leave, void)
{
	__real_critical_leave();
	step();
}

WRAPPED(void *, shm_alloc, shm_owner who, size_t bytes)
{
	void *p = __real_shm_alloc(who, bytes);

	step();
	return p;
}

WRAPPED(void *, shm_zalloc, shm_owner who, size_t bytes)
{
	void *p = __real_shm_zalloc(who, bytes);

	step();
	return p;
}

WRAPPED(struct str, shm_dup, shm_owner who, struct str s)
{
	struct str copy = __real_shm_dup(who, s);

	step();
	return copy;
}

WRAPPED(void, shm_free, void *p)
{
	step();
	__real_shm_free(p);
}

static bool timers_due(void *arg)
{
	(void)arg;
	return timer_run(world.now_ms);
}

static void on_wheel(struct alarm *a)
{
	turn(CONTAINER(a, struct worker, wheel)->slot, timers_due, NULL);
}

static bool read_letters(void *arg)
{
	(void)arg;
	return mailbox_read();
}

static void on_letters(struct alarm *a)
{
	struct worker *w = CONTAINER(a, struct worker, letters);

	if (!w->dead)
		turn(w->slot, read_letters, NULL);
}

static struct flow flow_from(int ua)
{
	struct flow f = { .via = node.listener };

	if (addr_parse(str_of(ua_ip(ua)), 5060, &f.peer))
		f.via = NULL;
	return f;
}

static bool inject(void *arg)
{
	const struct packet *p = arg;
	struct flow          from = flow_from(p->from);

	check_in(p);
	net_inject(p->bytes, &from);
	return true;
}

void node_receive(struct packet *p)
{
	struct worker *w = &node.worker[p->slot];

	if (!w->dead)
		turn(p->slot, inject, p);
	else if (w->n_waiting < COUNT_OF(w->waiting))
		w->waiting[w->n_waiting++] = p;
}

static bool unreachable(void *arg)
{
	struct flow to = flow_from(*(int *)arg);

	check_unreachable(*(int *)arg);
	tm_unreachable(&to);
	return true;
}

void node_icmp(int ua)
{
	unsigned slot = 1 + draw_below(world.plan->seed, 22, node.turns, WORKERS);

	if (!node.worker[slot].dead)
		turn(slot, unreachable, &ua);
}

/* --- death and rebirth --- */

static bool adopt(void *arg)
{
	(void)arg;
	hand_adopt();
	timer_adopt();
	tm_adopt();
	mailbox_read();
	timer_run(world.now_ms);
	return true;
}

static void rebirth(struct alarm *a)
{
	struct worker *w = CONTAINER(a, struct worker, lives);
	unsigned       n = w->n_waiting;

	if (!w->dead)
		return;
	proc_enter(w->slot, "worker");
	w->dead = false;
	w->n_waiting = 0;
	w->dies_stepping = w->heir_steps;
	w->heir_steps = 0;
	world_remark("worker %u lives again", w->slot);
	turn(w->slot, adopt, NULL);
	for (unsigned i = 0; i < n; i++)
		node_receive(w->waiting[i]);
}

struct death {
	struct alarm        alarm;
	const struct fault *fault;
};

static void strike(struct alarm *a)
{
	const struct fault *f = CONTAINER(a, struct death, alarm)->fault;
	struct worker      *w = &node.worker[f->which];

	if (w->dead)
		return;
	w->dies_after = f->sends;
	w->dies_stepping = f->steps;
	w->heir_steps = f->heir_steps;
	if (!f->sends && !f->steps)
		die(w);
}

/* --- the script --- */

struct run {
	struct request *r;
	const struct call_plan *plan;
	int             call;
	uint32_t        id;
	unsigned        slot, incarnation, tried;
	struct alarm    wakes;
};

static void run_over(struct run *run)
{
	if (run->r->t)
		tm_release(run->r->t);
	request_done(run->r);
	node.runs_open[run->slot]--;
	free(run);
}

static void add_target(struct run *run, unsigned i)
{
	char          uri[64];
	struct target t = { .q = run->plan->to[i].q };

	snprintf(uri, sizeof(uri), "sip:c%d-t%u@%s:5060", run->call, i, ua_ip((int)run->plan->to[i].ua));
	t.uri = str_of(uri);
	if (request_add_target(run->r, &t))
		world_fail("no memory for a target");
}

static void relay_next(struct run *run);

static void relayed(void *arg, const struct tm_outcome *out)
{
	struct run *run = arg;

	if (run->plan->policy == POLICY_WAIT && !out->sent && !out->cancelled && run->tried < run->plan->targets) {
		relay_next(run);
		return;
	}
	run_over(run);
}

/* The last target needs no waiting. */
static void relay_next(struct run *run)
{
	struct relay_opts o = { .wait = run->tried + 1 < run->plan->targets || run->plan->timeout_ms, .run = run->id, .timeout_ms = run->plan->timeout_ms };

	request_clear_targets(run->r);
	add_target(run, run->tried++);
	if (o.timeout_ms)
		check_relay_timeout(run->call);
	request_relay(run->r, &o, relayed, run);
}

static void relay_all(struct run *run)
{
	for (unsigned i = 0; i < run->plan->targets; i++)
		add_target(run, i);
	request_relay(run->r, &(struct relay_opts){ .run = run->id }, relayed, run);
}

static bool go_on(void *arg)
{
	struct run *run = arg;

	tm_unpark(run->r->t);
	relay_all(run);
	return true;
}

/* What it waited for is there; if its worker is not, nobody hears of it. */
static void wake(struct alarm *a)
{
	struct run    *run = CONTAINER(a, struct run, wakes);
	struct worker *w = &node.worker[run->slot];

	if (!w->dead && proc_get(run->slot)->incarnation == run->incarnation)
		turn(run->slot, go_on, run);
}

static void park(struct run *run)
{
	if (request_stateful(run->r)) {
		run_over(run);
		return;
	}
	tm_park(run->r->t, run->id, 10000);
	run->wakes.fn = wake;
	alarm_at(&run->wakes, world.now_ms + run->plan->park_ms);
}

static void script(struct request *r)
{
	struct run *run = calloc(1, sizeof(*run));
	struct sip  sip;

	if (!run || !sip_read(r->msg.raw, &sip) || sip.call < 0)
		abort();
	*run = (struct run){ .r = r, .plan = &world.plan->call[sip.call], .call = sip.call, .id = ++node.runs, .slot = node.in_turn };
	run->incarnation = proc_get(run->slot)->incarnation;
	node.runs_open[run->slot]++;
	r->record_route = sip.method == M_INVITE;
	switch (run->plan->policy) {
	case POLICY_RELAY:
		relay_all(run);
		break;
	case POLICY_WAIT:
		relay_next(run);
		break;
	case POLICY_PARK:
		park(run);
		break;
	case POLICY_REPLY:
		if (request_stateful(r) || request_reply(r, 403, STR_NONE, STR_NONE))
			world_remark("the script's answer was not taken");
		run_over(run);
		break;
	default:
		add_target(run, 0);
		request_forward(r, STR_NONE);
		run_over(run);
	}
}

/* What a script does with the ACK and CANCEL of what it forwards without state: the same once more. */
static bool follow(struct request *r)
{
	struct run run = { .r = r };
	struct sip sip;

	if (!sip_read(r->msg.raw, &sip) || sip.call < 0 || world.plan->call[sip.call].policy != POLICY_FORWARD)
		return false;
	run.call = sip.call;
	run.plan = &world.plan->call[sip.call];
	add_target(&run, 0);
	request_forward(r, STR_NONE);
	request_done(r);
	return true;
}

static bool is_local(struct str host)
{
	return str_ieqz(host, "example.org");
}

/* --- beginning and end --- */

static void floors_begin(void)
{
	static struct ring_policy      ring;
	static const struct proxy_user user = { .request = script, .follow = follow, .is_local = is_local };
	static const struct net_user   net = { .received = proxy_received, .unreachable = tm_unreachable };

	dialog_seal.on = true;
	if (shm_create(REGION_BYTES, WORKERS + 1) || timer_boot() || mailbox_boot() || avoid_boot() || tm_boot(BUCKETS) || proxy_boot(&user))
		abort();
	tm_timers.first = world.plan->first_ms;
	ring = (struct ring_policy){ .ring = world.plan->ring_ms ? RING_SERIAL : RING_PARALLEL, .ring_ms = world.plan->ring_ms };
	proxy_set_ring(&ring);
	net_set_user(&net);
	net_replace(sent);
	node.listener = net_fake_listener(TP_UDP, server_ip, 5060);
	if (!node.listener)
		abort();
}

static void deaths_begin(void)
{
	static struct death death[MOST_FAULTS];

	for (unsigned i = 0; i < world.plan->faults; i++) {
		const struct fault *f = &world.plan->fault[i];

		death[i] = (struct death){ .alarm.fn = strike, .fault = f };
		if (f->on && f->kind == FAULT_WORKER)
			alarm_at(&death[i].alarm, world.begun_ms + f->at_ms);
	}
}

void node_begin(void)
{
	floors_begin();
	for (unsigned i = 1; i <= WORKERS; i++) {
		node.worker[i] = (struct worker){ .slot = i, .wheel.fn = on_wheel, .letters.fn = on_letters, .lives.fn = rebirth };
		proc_enter(i, "worker");
	}
	outlive_begin();
	node.owners = shm_usage(node.usage, MOST_OWNERS);
	deaths_begin();
}

static void memory_is_back(void)
{
	struct shm_usage now[MOST_OWNERS];
	size_t           n = shm_usage(now, MOST_OWNERS);

	for (size_t i = 0; i < n; i++) {
		uint64_t was = i < node.owners ? node.usage[i].bytes : 0;

		if (now[i].bytes != was)
			world_fail("shared memory of \"%s\" was %llu bytes in the beginning and is %llu in the end", now[i].owner, (unsigned long long)was,
				   (unsigned long long)now[i].bytes);
	}
}

void node_quiet(void)
{
	if (tm_alive())
		world_fail("%zu transactions live on when all is over", tm_alive());
	if (tm_open())
		world_fail("%zu transactions still owe an answer when all is over", tm_open());
	if (timer_count())
		world_fail("%zu timers are armed when all is over", timer_count());
	for (unsigned i = 1; i <= WORKERS; i++)
		if (node.runs_open[i])
			world_fail("%u script runs of worker %u never heard what came of their request", node.runs_open[i], i);
	memory_is_back();
}
