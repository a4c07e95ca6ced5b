/* CANCEL: from the caller, and to the branches (RFC 3261 §9, §16.10). */
#include "tm/trans.h"

/* The CANCEL is a transaction of its own; the INVITE's answer is waited for 64*T1 from now on, not longer (§9.1). */
void cancel_send_locked(struct trans *t, struct branch *b, struct acts *a)
{
	uint32_t now = trans_now(t);

	machine_init(&b->cancel, TM_NICT, TM_TRYING, b->m.reliable);
	machine_start(&b->cancel, now);
	b->m.timeout_at = now + 64 * tm_timers.t1;
	b->timer_c_at = 0;
	acts_cancel(a, b);
}

/* Non-INVITE requests are not cancelled (§9.1). Before a provisional answer it is but remembered. */
void cancel_branch_locked(struct trans *t, struct branch *b, struct acts *a)
{
	if (b->m.kind != TM_ICT || !machine_open(&b->m) || b->cancel_asked)
		return;
	b->cancel_asked = true;
	if (b->m.state == TM_PROCEEDING)
		cancel_send_locked(t, b, a);
}

void cancel_open_locked(struct trans *t, struct acts *a, bool elsewhere)
{
	for (struct branch *b = t->branches; b; b = b->next) {
		if (!b->cancel_asked)
			b->elsewhere = elsewhere;
		cancel_branch_locked(t, b, a);
	}
}

static void reason_locked(struct trans *t, struct str reason)
{
	text_free(&t->cancel_reason);
	if (reason.len)
		t->cancel_reason = shm_dup(tm_owner(), reason);
}

void tm_cancel_branches(struct trans *t, struct ctx *c, struct str reason)
{
	struct acts a;

	acts_init(&a, c, t);
	lock(&t->lock);
	reason_locked(t, reason);
	cancel_open_locked(t, &a, false);
	deadline_set_locked(t);
	unlock(&t->lock);
	acts_run(&a);
}

static bool any_counts(const struct trans *t)
{
	for (const struct branch *b = t->branches; b; b = b->next)
		if (branch_counts(t, b))
			return true;
	return false;
}

/* Branches answer with 487 themselves, which is sent on; where there are none (yet, or any more) it is for us to say (§9.2). */
static void cancelled_locked(struct trans *t, struct acts *a, struct str reason)
{
	if (server_is_final(t) || t->cancelled)
		return;
	t->cancelled = true;
	if (t->witness)
		t->witness->tell->cancelled(t->witness);
	reason_locked(t, reason);
	cancel_open_locked(t, a, false);
	if (any_counts(t) && !t->decided)
		return;
	t->decided = true;
	best_set_locked(t, 487);
	best_send_locked(t, a);
	if (t->run.phase == RUN_WAITING)
		run_wake_locked(t);
}

static void answer_cancel(struct trans *t, struct ctx *c, struct msg *m, const struct flow *from)
{
	struct reply ok = { .status = 200 };
	struct flow  to;

	response_flow(msg_via1(m), from, &to);
	send_text(c, &to, own_reply(t, c, m, &ok));
}

bool tm_cancel(struct ctx *c, struct msg *m, const struct flow *from)
{
	struct str    key = key_of(m, method_name(M_INVITE)), reason = STR_NONE;
	struct trans *t = key.p ? table_find(key) : NULL;
	struct acts   a;

	if (!t)
		return false;
	counter_inc(&tm_count.cancelled);
	if (m->first[H_REASON])
		reason = m->first[H_REASON]->body;
	acts_init(&a, c, t);
	lock(&t->lock);
	cancelled_locked(t, &a, reason);
	deadline_set_locked(t);
	unlock(&t->lock);
	answer_cancel(t, c, m, from);	/* a promise, so it is given when what it promises is noted: we may die in between */
	acts_run(&a);
	trans_drop(t);
	return true;
}
