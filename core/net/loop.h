#pragma once
/* The event loop of one process: epoll, private timers, work put off to the end of the turn. */
#include "timer/timer.h"

struct loop;
struct loop_fd {
	int  fd;
	void (*fn)(struct loop_fd *f, uint32_t events);	/* EPOLLIN … */
};
MUST_CHECK struct loop *loop_new(void);
void loop_free(struct loop *l);
/* *f must stay where it is until loop_remove(). */
MUST_CHECK enum err loop_add(struct loop *l, struct loop_fd *f, uint32_t events);
MUST_CHECK enum err loop_change(struct loop *l, struct loop_fd *f, uint32_t events);
void loop_remove(struct loop *l, struct loop_fd *f);
/* The private wheel (timer.h wheel_*), run each turn. */
struct wheel *loop_wheel(struct loop *l);
/* Called at the end of each turn, in order of registration (send batch, mailbox). */
void loop_at_turn_end(struct loop *l, void (*fn)(void *arg), void *arg);
/* One turn: wait at most most_ms for events, tick the clock, handle events, run this process's shared and private timers, turn ends. */
void loop_turn(struct loop *l, uint32_t most_ms);
/* Until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
