#pragma once
/* Shared timers: one hierarchical wheel a process slot, in shared memory, ticking at 10 ms (TIMER_TICK_MS).
 *
 * A timer is armed in the wheel of the process that arms it and fires there; if that process dies, the next in its
 * slot goes on, and repeats the handler that was running when it died. Any process may disarm.
 * The object that holds a timer guards it with its own lock (rank below RANK_TIMER) and holds a reference for as long as
 * the timer is armed. */
#include "base/list.h"
#include "base/str.h"

enum { TIMER_TICK_MS = 10 };

struct wheel;
struct timer {
	struct list   link;
	uint64_t      at_ms;		/* clock_ms() when it is due */
	struct wheel *wheel;		/* NULL: not armed */
	void (*fn)(struct timer *t);	/* the same address in every process: core or a module loaded before the fork */
};

/* Supervisor, before the fork, after every shm_create(): one wheel a process slot. */
MUST_CHECK enum err timer_boot(void);
/* Initialise; not armed. */
void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Arm for at_ms (in the past: the next tick). If it was armed it moves, also from another process's wheel. */
void timer_arm(struct timer *t, uint64_t at_ms);
/* True when it was armed and now is not (the caller drops the timer's reference); false when it was not, or its handler
 * is about to run or running (which then drops it). */
bool timer_disarm(struct timer *t);
/* A handler calls this under its object's lock once the object's state says what it has decided (unless it armed the timer
 * again): from here on the handler is not repeated if the process dies. */
void timer_settled(struct timer *t);

/* Fire what is due in this process's wheel; handlers run without a lock held. Returns how many. Call timer_adopt() once
 * when a process enters its slot: it repeats the handler that its predecessor died in. */
size_t timer_run(uint64_t now_ms);
void   timer_adopt(void);
/* Milliseconds until the next tick at which this process's wheel has something to do, at most `most`. Never too long; a timer far
 * away wakes the process a few times on its way down the levels. */
uint32_t timer_wait_ms(uint64_t now_ms, uint32_t most);
/* Armed timers in all wheels, for tests and `siparioctl stats`. */
size_t timer_count(void);

/* A private wheel: the same for objects of one process (waits of script runs, DNS). No locks, no adoption. */
MUST_CHECK struct wheel *wheel_new(uint64_t now_ms);
void     wheel_free(struct wheel *w);
void     wheel_arm(struct wheel *w, struct timer *t, uint64_t at_ms);
void     wheel_disarm(struct timer *t);	/* not armed is fine */
size_t   wheel_run(struct wheel *w, uint64_t now_ms);
uint32_t wheel_wait_ms(const struct wheel *w, uint64_t now_ms, uint32_t most);
