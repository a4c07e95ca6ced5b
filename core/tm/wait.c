/* Script runs that wait, and what happens without them. */
#include "tm/trans.h"

static struct {
	const struct tm_user *user;	/* boot */
} here;

void tm_set_user(const struct tm_user *u)
{
	here.user = u;
}

const struct tm_user *tm_user(void)
{
	return here.user;
}

/* --- runs --- */

static uint32_t incarnation(unsigned slot)
{
	return __atomic_load_n(&proc_get(slot)->incarnation, __ATOMIC_RELAXED);
}

/* Its process is dead: another one is in the slot, or none. */
static bool is_orphan_locked(const struct trans *t)
{
	const struct run *r = &t->run;

	return incarnation(r->slot) != r->incarnation || !__atomic_load_n(&proc_get(r->slot)->pid, __ATOMIC_RELAXED);
}

bool run_lost_locked(const struct trans *t)
{
	return t->run.phase != RUN_GONE && is_orphan_locked(t);
}

static bool run_here_locked(const struct trans *t)
{
	return t->run.slot == proc_self() && t->run.incarnation == incarnation(proc_self());
}

static void run_is_here_locked(struct trans *t, enum run_phase phase, uint32_t run, uint32_t most_ms)
{
	t->run = (struct run){
		.id = run,
		.incarnation = incarnation(proc_self()),
		.slot = (uint16_t)proc_self(),
		.phase = (uint8_t)phase,
		.give_up_at = most_ms ? trans_now(t) + most_ms : 0,
	};
}

void run_wake_locked(struct trans *t)
{
	t->run.phase = RUN_POSTED;
	t->run.give_up_at = 0;
	if (mail_post(t->run.slot, &t->letter))	/* who reads it needs our lock first */
		trans_ref(t);
}

/* --- outcomes --- */

/* Was it answered with a 2xx that there was no memory to pass on? That will be repeated (success_locked()). */
static bool awaits_repetition(const struct trans *t, const struct branch *b)
{
	return b->round == t->round && b->m.state == TM_ACCEPTED;
}

static bool round_open_locked(const struct trans *t)
{
	if (!t->forked || t->decided || (t->forking && !run_lost_locked(t)))
		return true;
	for (const struct branch *b = t->branches; b; b = b->next)
		if (branch_counts(t, b) || awaits_repetition(t, b))
			return true;
	return false;
}

void round_decide_locked(struct trans *t, struct acts *a)
{
	bool waits = t->run.phase == RUN_WAITING;

	if (round_open_locked(t))
		return;
	t->decided = true;
	if (!t->best.status)		/* the repetition did not come */
		best_set_locked(t, 500);
	if (!waits || t->cancelled || run_lost_locked(t))
		best_send_locked(t, a);
	if (waits)
		run_wake_locked(t);
}

/* The default course where there is something to go on with; false: nothing was sent anywhere yet. */
static bool go_on_locked(struct trans *t, struct acts *a)
{
	if (server_is_final(t))
		return true;
	if (t->forked && !t->decided) {
		round_decide_locked(t, a);
		return true;
	}
	if (!t->best.status)
		return false;
	best_send_locked(t, a);
	return true;
}

/* Nobody knows what to answer. Unless the caller has been told to wait (100), its retransmission may find somebody who does. */
static void nobody_answers_locked(struct trans *t, struct acts *a)
{
	if (go_on_locked(t, a))
		return;
	if (t->m.kind == TM_IST && t->status_up)
		(void)server_final_locked(t, a, 500, STR_NONE, STR_NONE);
	else
		server_forget_locked(t);
}

void run_gone_locked(struct trans *t, struct acts *a)
{
	t->run.phase = RUN_GONE;
	t->held = false;
	t->run.give_up_at = 0;
	t->forking = false;
	counter_inc(&tm_count.adopted);
	nobody_answers_locked(t, a);
}

/* The time that relay() was given is over: the branches are not wanted any more, and their answers come too late, but for a 2xx. */
static void wait_over_locked(struct trans *t, struct acts *a)
{
	cancel_open_locked(t, a, false);
	trail_add(t->call, TRAIL_TIMER, 0, STR("the time of relay(timeout = …) is over"));
	t->decided = true;
	t->timed_out = !t->cancelled;
	if (t->one_choice && !t->cancelled)
		best_offer_locked(t, 0, &(struct answer){ .status = 408 });
	else
		best_set_locked(t, t->cancelled ? 487 : 408);
	if (t->cancelled)
		best_send_locked(t, a);
	run_wake_locked(t);
}

/* The run may come back yet, and is then told that it is too late. */
static void park_over_locked(struct trans *t, struct acts *a)
{
	t->run.phase = RUN_GONE;
	if (go_on_locked(t, a))
		return;
	best_set_locked(t, 500);
	if (t->m.kind == TM_IST)
		best_send_locked(t, a);
	else
		server_forget_locked(t);
}

void run_due_locked(struct trans *t, struct acts *a)
{
	if (run_lost_locked(t))
		run_gone_locked(t, a);
	else if (t->run.phase == RUN_WAITING)
		wait_over_locked(t, a);
	else if (t->run.phase == RUN_PARKED)
		park_over_locked(t, a);
}

/* --- the entry points, each with its own memory --- */

/* One event of the run: fn under the lock, then what it asks for. */
static void run_event(struct trans *t, void (*fn)(struct trans *t, struct acts *a))
{
	struct scratch s;
	struct acts    a;

	scratch_init(&s);
	acts_init(&a, &s.c, t);
	lock(&t->lock);
	fn(t, &a);
	deadline_set_locked(t);
	unlock(&t->lock);
	acts_run(&a);
	scratch_free(&s);
}

void tm_fork_begin(struct trans *t)
{
	lock(&t->lock);
	t->forking = true;
	if (t->decided && !server_is_final(t)) {
		t->round++;	/* what was held stays so until there is a new branch */
		t->decided = t->forked = false;
	}
	unlock(&t->lock);
}

bool tm_fork_more(struct trans *t)
{
	bool may;

	lock(&t->lock);
	may = t->run.phase == RUN_WAITING && t->forked && !t->decided;
	t->forking |= may;
	unlock(&t->lock);
	return may;
}

/* The outcome is there already, or the transaction is over and there will be none. */
static bool wait_in_vain_locked(const struct trans *t)
{
	return t->run.phase == RUN_WAITING && (t->decided || !machine_open(&t->m));
}

static void fork_end_locked(struct trans *t, struct acts *a)
{
	t->forking = false;
	round_decide_locked(t, a);
	if (wait_in_vain_locked(t))
		run_wake_locked(t);
}

void tm_fork_end(struct trans *t)
{
	run_event(t, fork_end_locked);
}

void tm_wait(struct trans *t, uint32_t run, uint32_t most_ms)
{
	lock(&t->lock);
	run_is_here_locked(t, RUN_WAITING, run, most_ms);
	if (wait_in_vain_locked(t))
		run_wake_locked(t);
	deadline_set_locked(t);
	unlock(&t->lock);
}

void tm_park(struct trans *t, uint32_t run, uint32_t most_ms)
{
	lock(&t->lock);
	run_is_here_locked(t, RUN_PARKED, run, most_ms);
	deadline_set_locked(t);
	unlock(&t->lock);
}

void tm_unpark(struct trans *t)
{
	lock(&t->lock);
	run_is_here_locked(t, RUN_ACTIVE, 0, 0);
	unlock(&t->lock);
}

static void run_over_locked(struct trans *t)
{
	t->run.phase = RUN_GONE;
	t->run.give_up_at = 0;
	t->forking = false;
}

static void release_locked(struct trans *t, struct acts *a)
{
	run_over_locked(t);
	if (!go_on_locked(t, a))
		(void)server_final_locked(t, a, 500, STR_NONE, STR_NONE);
}

static void drop_locked(struct trans *t, struct acts *a)
{
	run_over_locked(t);
	if (!go_on_locked(t, a))
		server_forget_locked(t);
}

void tm_release(struct trans *t)
{
	run_event(t, release_locked);
}

void tm_drop(struct trans *t)
{
	run_event(t, drop_locked);
}

static struct str reason_locked(const struct trans *t, struct arena *a)
{
	struct str rest = t->best.bytes;

	if (!rest.p || t->best.status == 503)	/* its bytes say 500 */
		return reason_phrase(t->best.status);
	str_take_until(&rest, ' ');
	str_take_until(&rest, ' ');
	return arena_dup(a, str_trim(str_take_until(&rest, '\r')));
}

void tm_one_choice(struct trans *t, bool on)
{
	lock(&t->lock);
	t->one_choice = on;
	unlock(&t->lock);
}

struct str tm_held(struct trans *t, struct arena *a)
{
	struct str text;

	lock(&t->lock);
	text = t->best.bytes.p ? arena_dup(a, t->best.bytes) : STR_NONE;
	unlock(&t->lock);
	return text;
}

void tm_outcome(struct trans *t, struct arena *a, struct tm_outcome *out)
{
	lock(&t->lock);
	*out = (struct tm_outcome){
		.status = t->best.status,
		.reason = reason_locked(t, a),
		.cancelled = t->cancelled,
		.timed_out = t->timed_out,
		.sent = server_is_final(t),
		.branch = t->best.branch,
	};
	unlock(&t->lock);
}

/* --- letters and heirs --- */

/* A run that had nothing more to say held its transaction all the same. */
static void lost_locked(struct trans *t, struct acts *a)
{
	if (run_lost_locked(t))
		run_gone_locked(t, a);
	else if (is_orphan_locked(t))
		t->held = false;
}

/* Read in the process of the run, or in the next in its slot. */
void letter_read(struct mail *m)
{
	struct trans *t = CONTAINER(m, struct trans, letter);
	uint32_t      run;
	bool          ours;

	lock(&t->lock);
	mail_settled(m);
	trans_hold_ref(t);	/* the letter's */
	ours = t->run.phase == RUN_POSTED && run_here_locked(t);
	run = t->run.id;
	if (ours)
		t->run.phase = RUN_ACTIVE;
	unlock(&t->lock);
	if (!ours)
		run_event(t, lost_locked);
	else if (!here.user || !here.user->outcome || !here.user->outcome(t, run))
		tm_release(t);
	trans_drop(t);
}

static void adopt(struct trans *t)
{
	if (t->run.slot == proc_self())
		run_event(t, lost_locked);
}

void tm_adopt(void)
{
	table_each(adopt);
}
