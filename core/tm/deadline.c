/* The machines' timers, and the one timer of a transaction that serves them all. */
#include "tm/trans.h"

/* --- machines --- */

void machine_init(struct machine *m, enum tm_kind kind, enum tm_state s, bool reliable)
{
	*m = (struct machine){ .kind = (uint8_t)kind, .state = (uint8_t)s, .reliable = reliable };
}

void machine_start(struct machine *m, uint32_t now)
{
	m->interval_ms = tm_timers.t1;
	m->retransmit_at = m->reliable ? 0 : now + m->interval_ms;
	m->timeout_at = now + 64 * tm_timers.t1;
}

void machine_end(struct machine *m)
{
	machine_init(m, m->kind, TM_TERMINATED, m->reliable);
}

static void set_retransmit(struct machine *m, uint32_t todo, uint32_t now)
{
	if (todo & DO_START_RETRANSMIT)
		m->interval_ms = tm_timers.t1;
	else if (todo & DO_RETRANSMIT_AT_T2)
		m->interval_ms = tm_timers.t2;
	else if (todo & DO_DOUBLE_RETRANSMIT)
		m->interval_ms *= 2;
	else
		return;
	if (m->kind != TM_ICT && m->interval_ms > tm_timers.t2)	/* A doubles without bound (§17.1.1.2) */
		m->interval_ms = tm_timers.t2;
	m->retransmit_at = now + m->interval_ms;
}

uint32_t machine_feed(struct machine *m, enum tm_event ev, uint32_t now)
{
	struct tm_step step = tm_step(m->kind, m->state, ev, m->reliable);

	__atomic_store_n(&m->state, (uint8_t)step.next, __ATOMIC_RELAXED);	/* the table looks at it without our lock */
	if (step.todo & (DO_STOP_RETRANSMIT | DO_END))
		m->retransmit_at = 0;
	if (step.todo & (DO_STOP_TIMEOUT | DO_END))
		m->timeout_at = 0;
	if (step.todo & DO_END)
		m->linger_at = 0;
	if (step.todo & DO_START_TIMEOUT)
		m->timeout_at = now + 64 * tm_timers.t1;
	if (step.todo & DO_START_LINGER)
		m->linger_at = now + tm_linger_ms(m->kind, step.next, m->reliable);
	set_retransmit(m, step.todo, now);
	return step.todo;
}

static bool take_due(uint32_t *at, uint32_t now)
{
	if (!*at || *at > now)
		return false;
	*at = 0;
	return true;
}

bool machine_due(struct machine *m, uint32_t now, enum tm_event *ev)
{
	if (take_due(&m->timeout_at, now))
		*ev = EV_TIMER_TIMEOUT;
	else if (take_due(&m->linger_at, now))
		*ev = EV_TIMER_LINGER;
	else if (take_due(&m->retransmit_at, now))
		*ev = EV_TIMER_RETRANSMIT;
	else
		return false;
	return true;
}

/* --- the earliest of all --- */

static void earlier(uint32_t *first, uint32_t at)
{
	if (at && (!*first || at < *first))
		*first = at;
}

static void machine_earlier(uint32_t *first, const struct machine *m)
{
	earlier(first, m->retransmit_at);
	earlier(first, m->timeout_at);
}

/* Ended, with all its branches, and no run that could ask anything of it. */
static bool is_over_locked(const struct trans *t)
{
	if (t->m.state != TM_TERMINATED || t->held)
		return false;
	for (const struct branch *b = t->branches; b; b = b->next)
		if (b->m.state != TM_TERMINATED)
			return false;
	return true;
}

static uint32_t earliest_locked(const struct trans *t)
{
	uint32_t first = 0;

	if (is_over_locked(t))
		return 1;
	machine_earlier(&first, &t->m);
	earlier(&first, t->m.linger_at);
	earlier(&first, t->trying_at);
	earlier(&first, t->run.give_up_at);
	for (const struct branch *b = t->branches; b; b = b->next) {
		machine_earlier(&first, &b->m);
		machine_earlier(&first, &b->cancel);
		earlier(&first, b->timer_c_at);
		earlier(&first, b->first_at);
		if (!t->m.linger_at)	/* else the branch's end changes nothing that could not wait for the server's */
			earlier(&first, b->m.linger_at);
	}
	return first;
}

/* A timer that is armed for an earlier time stays so: it looks again when it fires, which costs less than moving it at every event. */
void deadline_set_locked(struct trans *t)
{
	uint32_t first = earliest_locked(t);
	uint64_t at_ms = t->born_ms + first - 1;

	if (!first || (t->armed && t->timer.at_ms <= at_ms))
		return;
	if (t->armed && !timer_disarm(&t->timer))
		return;		/* its handler is about to run, and will look */
	if (!t->armed)
		trans_ref(t);
	timer_arm(&t->timer, at_ms);
	t->armed = true;
}

/* --- when it fires --- */

static void server_timer_locked(struct trans *t, struct acts *a, enum tm_event ev, uint32_t now)
{
	uint32_t todo = machine_feed(&t->m, ev, now);

	if (todo & DO_SEND_AGAIN) {
		counter_inc(&tm_count.retransmissions);
		server_send_again_locked(t, a);
	}
	if (!(todo & DO_TIMED_OUT))
		return;
	counter_inc(&tm_count.no_ack);
	acts_timeout(a, &t->back, "H", false);
}

/* 100 Trying: 200 ms after an INVITE (§17.2.1), at the caller's T2 after others (RFC 4320 §4.1). A request whose run died is better forgotten than
 * confirmed. */
static void trying_due_locked(struct trans *t, struct acts *a, uint32_t now)
{
	if (!take_due(&t->trying_at, now))
		return;
	if (run_lost_locked(t) && !t->branches)
		run_gone_locked(t, a);
	else
		(void)server_provisional_locked(t, a, 100, STR_NONE);
}

static void due_locked(struct trans *t, struct acts *a)
{
	uint32_t      now = trans_now(t);
	enum tm_event ev;

	trying_due_locked(t, a, now);
	while (machine_due(&t->m, now, &ev))
		server_timer_locked(t, a, ev, now);
	if (take_due(&t->run.give_up_at, now))
		run_due_locked(t, a);
	for (struct branch *b = t->branches; b; b = b->next)
		branch_due_locked(t, b, a, now);
	round_decide_locked(t, a);
}

/* Up to here the reference of the armed timer is that of its handler, which is repeated if the process is killed; from here on it is in hand.
 * Arming the timer again has counted another. */
static void settled_locked(struct trans *t)
{
	trans_hold_ref(t);
	timer_settled(&t->timer);
}

/* Only here do transactions end. The unlinking is part of what the timer's handler does, so that it is repeated if the process is
 * killed on the way; see timer.h. */
static void end(struct trans *t)
{
	table_unlink(t);
	lock(&t->lock);
	settled_locked(t);
	unlock(&t->lock);
}

void deadline_fire(struct timer *timer)
{
	struct trans  *t = CONTAINER(timer, struct trans, timer);
	struct scratch s;
	struct acts    a;
	bool           over;

	scratch_init(&s);
	acts_init(&a, &s.c, t);
	lock(&t->lock);
	t->armed = false;
	due_locked(t, &a);
	over = is_over_locked(t);
	if (!over) {
		deadline_set_locked(t);
		settled_locked(t);
	}
	unlock(&t->lock);
	acts_run(&a);
	if (over)
		end(t);
	trans_drop(t);
	scratch_free(&s);
}
