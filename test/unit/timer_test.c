/* core/timer: hierarchical wheels, shared and private; handlers of processes that died. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"
#include "timer/timer.h"

enum { MB = 1024 * 1024, HOUR_MS = 3600 * 1000 };

static uint64_t virtual_ms;

static uint64_t virtual_mono(void)
{
	return virtual_ms;
}

static int64_t virtual_unix(void)
{
	return (int64_t)virtual_ms * 1000;
}

static const struct clock_source virtual_clock = { .mono_ms = virtual_mono, .unix_us = virtual_unix };

static void set_clock(uint64_t ms)
{
	virtual_ms = ms;
	clock_replace(&virtual_clock);
}

static void up(void)
{
	set_clock(1000 * 1000);
	shm_destroy();
	CHECK_INT(shm_create(4 * MB, 3), OK);
	CHECK_INT(timer_boot(), OK);
}

static void down(void)
{
	shm_destroy();
	clock_replace(NULL);
}

struct alarm {
	struct timer timer;
	uint64_t     fired_ms;	/* the time that wheel_run was told */
	int          times;
};
static uint64_t told_ms;

static void ring(struct timer *t)
{
	struct alarm *a = CONTAINER(t, struct alarm, timer);

	a->fired_ms = told_ms;
	a->times++;
}

TEST(wheel_fires_in_time_from_ticks_to_days_and_never_early)
{
	static const uint64_t rows[] = {
		0, 1, 9, 10, 11, 2559, 2560, 2561, 5119, 5120, 655349, 655360, 655361, 700000, HOUR_MS, 3 * HOUR_MS + 7,
		46 * HOUR_MS, 47 * HOUR_MS, 500 * HOUR_MS,
	};
	static const uint64_t starts[] = { 0, 5, 2550, 2555, 2560, 655350, 655360, 12345678, 0xffffff0ULL * 10 };

	for (size_t s = 0; s < COUNT_OF(starts); s++) {
		struct wheel *w = wheel_new(starts[s]);
		struct alarm  a[COUNT_OF(rows)] = { 0 };

		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			timer_init(&a[i].timer, ring);
			wheel_arm(w, &a[i].timer, starts[s] + rows[i]);
		}
		for (told_ms = starts[s]; told_ms < starts[s] + 501 * HOUR_MS;) {
			wheel_run(w, told_ms);
			told_ms += wheel_wait_ms(w, told_ms, HOUR_MS);
			if (told_ms % TIMER_TICK_MS)
				told_ms += TIMER_TICK_MS - told_ms % TIMER_TICK_MS;
		}
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			CHECK_INT(a[i].times, 1);
			CHECK(a[i].fired_ms >= starts[s] + rows[i]);
			CHECK(a[i].fired_ms < starts[s] + rows[i] + 2 * TIMER_TICK_MS);
		}
		wheel_free(w);
	}
}

static uint64_t last_ms;

static void in_order(struct timer *t)
{
	uint64_t tick = (t->at_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;

	CHECK(tick >= last_ms);
	last_ms = tick;
}

TEST(wheel_fires_in_order_of_ticks_when_it_was_late)
{
	struct wheel *w = wheel_new(777);
	struct timer *t = calloc(5000, sizeof(*t));

	random_seed(3);
	for (size_t i = 0; i < 5000; i++) {
		timer_init(&t[i], in_order);
		wheel_arm(w, &t[i], 1000 + random_below(i % 2 ? 10000 : 20 * HOUR_MS));
	}
	for (size_t i = 0; i < 5000; i += 5)
		wheel_disarm(&t[i]);
	last_ms = 0;
	CHECK_INT(wheel_run(w, 30 * HOUR_MS), 4000);	/* one call after a long sleep */
	CHECK_INT(wheel_run(w, 60 * HOUR_MS), 0);
	random_seed(0);
	free(t);
	wheel_free(w);
}

TEST(wheel_beyond_its_span_waits_for_another_turn)
{
	struct wheel *w = wheel_new(0);
	uint64_t      at = ((uint64_t)1 << 32) * TIMER_TICK_MS + 12345;
	struct alarm  a = { 0 };

	timer_init(&a.timer, ring);
	wheel_arm(w, &a.timer, at);
	CHECK_INT(wheel_run(w, at - 20), 0);
	CHECK_INT(wheel_run(w, at + 10), 1);
	wheel_free(w);
}

static struct wheel *ring_wheel;

static void ring_again_in_the_past(struct timer *t)
{
	ring(t);
	wheel_arm(ring_wheel, t, 0);
}

TEST(wheel_arming_in_the_past_is_the_next_tick)
{
	struct alarm a = { 0 };

	ring_wheel = wheel_new(1000);
	timer_init(&a.timer, ring_again_in_the_past);
	wheel_arm(ring_wheel, &a.timer, 5);
	CHECK_INT(wheel_run(ring_wheel, 1000), 1);
	CHECK_INT(wheel_run(ring_wheel, 1000), 0);	/* not the same tick for ever */
	CHECK_INT(wheel_wait_ms(ring_wheel, 1000, 100), 10);
	CHECK_INT(wheel_run(ring_wheel, 1050), 5);
	wheel_free(ring_wheel);
	CHECK(a.timer.wheel == NULL);
}

TEST(wheel_wait_is_long_when_nothing_is_near)
{
	struct wheel *w = wheel_new(1000);
	struct alarm  a = { 0 };

	CHECK_INT(wheel_wait_ms(w, 1000, 5000), 5000);
	timer_init(&a.timer, ring);
	wheel_arm(w, &a.timer, 1500);
	CHECK_INT(wheel_wait_ms(w, 1000, 5000), 500);
	CHECK_INT(wheel_wait_ms(w, 1496, 5000), 4);
	CHECK_INT(wheel_wait_ms(w, 2000, 5000), 0);
	wheel_disarm(&a.timer);
	wheel_disarm(&a.timer);
	CHECK_INT(wheel_wait_ms(w, 1000, 5000), 5000);
	wheel_free(w);
}

TEST(timer_follows_the_clock_that_a_simulation_sets)
{
	struct alarm *a;

	up();
	a = shm_zalloc(0, sizeof(*a));
	timer_init(&a->timer, ring);
	timer_arm(&a->timer, clock_ms() + 500);
	CHECK_INT(timer_count(), 1);
	CHECK_INT(timer_wait_ms(clock_ms(), 10000), 500);
	set_clock(virtual_ms + 490);
	CHECK_INT(timer_run(clock_ms()), 0);
	set_clock(virtual_ms + 10);
	CHECK_INT(timer_run(clock_ms()), 1);
	CHECK_INT(timer_count(), 0);
	CHECK(!timer_disarm(&a->timer));
	timer_arm(&a->timer, clock_ms() + 500);
	timer_arm(&a->timer, clock_ms() + 1000);	/* moves */
	CHECK_INT(timer_count(), 1);
	CHECK(timer_disarm(&a->timer));
	CHECK(!timer_disarm(&a->timer));
	down();
}

static struct alarm *shared_alarm;

static int in_child(unsigned slot, void (*fn)(void))
{
	pid_t pid = fork();
	int   status = -1;

	if (!pid) {
		proc_enter(slot, "child");
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void arm_here(void)
{
	timer_arm(&shared_alarm->timer, clock_ms() + 100);
}

static void disarm_here(void)
{
	if (!timer_disarm(&shared_alarm->timer))
		_exit(1);
}

static void run_here(void)
{
	timer_adopt();
	timer_run(clock_ms() + 200);
}

TEST(timer_moves_to_the_wheel_of_who_arms_it_and_anyone_disarms)
{
	up();
	shared_alarm = shm_zalloc(0, sizeof(*shared_alarm));
	timer_init(&shared_alarm->timer, ring);
	arm_here();
	CHECK_INT(in_child(1, arm_here), 0);
	CHECK_INT(timer_count(), 1);
	CHECK_INT(timer_run(clock_ms() + 200), 0);	/* no longer ours */
	CHECK_INT(in_child(2, run_here), 0);
	CHECK_INT(shared_alarm->times, 0);
	CHECK_INT(in_child(1, run_here), 0);	/* the heir of the slot fires it */
	CHECK_INT(shared_alarm->times, 1);
	arm_here();
	CHECK_INT(in_child(2, disarm_here), 0);
	CHECK_INT(timer_count(), 0);
	down();
}

/* What the handler does in its first, second, … run. */
enum deed { DEED_DIE, DEED_SETTLE_AND_DIE, DEED_ARM_AND_DIE, DEED_NOTHING };
static const enum deed *deeds;

static void act_out(struct timer *t)
{
	enum deed deed = deeds[shared_alarm->times++];

	if (deed == DEED_SETTLE_AND_DIE)
		timer_settled(t);
	if (deed == DEED_ARM_AND_DIE)
		timer_arm(t, clock_ms() + 1000);
	if (deed != DEED_NOTHING)
		kill(getpid(), SIGKILL);
}

TEST(timer_handler_that_died_is_repeated_unless_it_had_settled)
{
	static const struct {
		const char *name;
		enum deed   deeds[4];
		int         times;
		size_t      armed;
	} rows[] = {
		{ "dies once: repeated", { DEED_DIE, DEED_NOTHING, DEED_NOTHING, DEED_NOTHING }, 2, 0 },
		{ "dies twice: repeated twice", { DEED_DIE, DEED_DIE, DEED_NOTHING, DEED_NOTHING }, 3, 0 },
		{ "dies settled: not repeated", { DEED_SETTLE_AND_DIE, DEED_NOTHING, DEED_NOTHING, DEED_NOTHING }, 1, 0 },
		{ "dies armed again: not repeated, goes on", { DEED_ARM_AND_DIE, DEED_NOTHING, DEED_NOTHING, DEED_NOTHING }, 1, 1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		up();
		shared_alarm = shm_zalloc(0, sizeof(*shared_alarm));
		timer_init(&shared_alarm->timer, act_out);
		deeds = rows[i].deeds;
		in_child(1, arm_here);
		for (int k = 0; k < 4; k++) {
			in_child(1, run_here);
			CHECK(proc_died_clean(1));
		}
		CHECK_ROW(shared_alarm->times == rows[i].times, rows[i].name);
		CHECK_ROW(timer_count() == rows[i].armed, rows[i].name);
		down();
	}
}

static struct pair {
	struct timer a, b;
	int          times;
} *pair;

static void die_first_time(struct timer *t)
{
	if (!pair->times++) {
		timer_settled(t);
		kill(getpid(), SIGKILL);
	}
}

static void arm_both(void)
{
	timer_arm(&pair->a, clock_ms() + 100);
	timer_arm(&pair->b, clock_ms() + 100);
}

TEST(timer_due_at_the_same_tick_survives_the_death_of_the_process)
{
	up();
	pair = shm_zalloc(0, sizeof(*pair));
	timer_init(&pair->a, die_first_time);
	timer_init(&pair->b, die_first_time);
	in_child(1, arm_both);
	in_child(1, run_here);
	CHECK_INT(pair->times, 1);
	CHECK_INT(timer_count(), 1);
	in_child(1, run_here);
	CHECK_INT(pair->times, 2);
	CHECK_INT(timer_count(), 0);
	down();
}

/* Two processes arm, disarm and fire the same timers. */
static struct crowd {
	struct lock  lock[16];
	struct timer timer[16];
	int32_t      armed[16];	/* guarded by lock: is there a reference */
	int64_t      fired;
} *crowd;

static void crowd_fire(struct timer *t)
{
	size_t i = (size_t)(t - crowd->timer);

	lock(&crowd->lock[i]);
	crowd->armed[i]--;
	timer_settled(t);
	unlock(&crowd->lock[i]);
	__atomic_add_fetch(&crowd->fired, 1, __ATOMIC_RELAXED);
}

static void crowd_play(void)
{
	clock_replace(NULL);
	random_forked();
	for (int k = 0; k < 30000; k++) {
		uint32_t i = random_below(16);

		lock(&crowd->lock[i]);
		if (random_below(3)) {
			crowd->armed[i] += !timer_disarm(&crowd->timer[i]);
			timer_arm(&crowd->timer[i], clock_ms() + random_below(30));
		} else if (timer_disarm(&crowd->timer[i])) {
			crowd->armed[i]--;
		}
		unlock(&crowd->lock[i]);
		if (k % 64 == 0)
			clock_tick();
		timer_run(clock_ms());
	}
	clock_tick();
	timer_run(clock_ms() + 1000);
}

TEST(timer_two_processes_hammering_the_same_timers_lose_none)
{
	pid_t pid;
	int   status;

	up();
	clock_replace(NULL);
	CHECK_INT(timer_boot(), OK);
	crowd = shm_zalloc(0, sizeof(*crowd));
	for (size_t i = 0; i < 16; i++) {
		lock_init(&crowd->lock[i], RANK_TRANS);
		timer_init(&crowd->timer[i], crowd_fire);
	}
	pid = fork();
	if (!pid) {
		proc_enter(1, "child");
		crowd_play();
		_exit(0);
	}
	crowd_play();
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	proc_enter(1, "heir");
	timer_run(clock_ms() + 10000);
	for (size_t i = 0; i < 16; i++)
		CHECK_INT(crowd->armed[i], 0);
	CHECK(crowd->fired > 0);
	CHECK_INT(timer_count(), 0);
	down();
}
