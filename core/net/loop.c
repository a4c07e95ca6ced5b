#include "net/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { EVENT_MOST = 64, TURN_END_MOST = 16, SLEEP_MOST_MS = 60 * 1000 };

struct turn_end {
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	int                epoll;
	bool               stopping;
	struct wheel      *wheel;
	struct epoll_event event[EVENT_MOST];
	int                at, got;	/* events [at, got) of this turn are still to be handled */
	struct turn_end    turn_end[TURN_END_MOST];
	size_t             turn_ends;
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wheel = wheel_new(clock_ms());
	if (l->epoll >= 0 && l->wheel)
		return l;
	loop_free(l);
	return NULL;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->epoll >= 0)
		close(l->epoll);
	wheel_free(l->wheel);
	free(l);
}

static enum err control(struct loop *l, int op, struct loop_fd *f, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = f };

	return epoll_ctl(l->epoll, op, f->fd, &e) ? ERR_IO : OK;
}

enum err loop_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return control(l, EPOLL_CTL_ADD, f, events);
}

enum err loop_change(struct loop *l, struct loop_fd *f, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, f, events);
}

/* Events of this turn may name it still: they are forgotten, for *f may be gone when their turn comes. */
void loop_remove(struct loop *l, struct loop_fd *f)
{
	(void)control(l, EPOLL_CTL_DEL, f, 0);
	for (int i = l->at; i < l->got; i++)
		if (l->event[i].data.ptr == f)
			l->event[i].data.ptr = NULL;
}

struct wheel *loop_wheel(struct loop *l)
{
	return l->wheel;
}

void loop_at_turn_end(struct loop *l, void (*fn)(void *arg), void *arg)
{
	if (l->turn_ends == TURN_END_MOST) {
		log_error(NULL, "too many functions at the end of a turn");
		abort();
	}
	l->turn_end[l->turn_ends++] = (struct turn_end){ .fn = fn, .arg = arg };
}

static int wait_ms(const struct loop *l, uint32_t most_ms)
{
	uint32_t ms = timer_wait_ms(clock_ms(), most_ms < INT32_MAX ? most_ms : INT32_MAX);

	return (int)wheel_wait_ms(l->wheel, clock_ms(), ms);
}

void loop_turn(struct loop *l, uint32_t most_ms)
{
	clock_tick();
	l->got = epoll_wait(l->epoll, l->event, EVENT_MOST, wait_ms(l, most_ms));
	clock_tick();
	for (l->at = 0; l->at < l->got;) {
		const struct epoll_event *e = &l->event[l->at++];
		struct loop_fd           *f = e->data.ptr;

		if (f)
			f->fn(f, e->events);
	}
	l->got = 0;
	timer_run(clock_ms());
	wheel_run(l->wheel, clock_ms());
	for (size_t i = 0; i < l->turn_ends; i++)
		l->turn_end[i].fn(l->turn_end[i].arg);
	log_settle();
}

void loop_run(struct loop *l)
{
	while (!l->stopping)
		loop_turn(l, SLEEP_MOST_MS);
	l->stopping = false;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}
