#include "shm/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/region.h"

enum {
	HELD_MOST = 16,	/* ranks ascend, so there cannot be more than ranks */
	LOOK_MS = 50,	/* how often who waits looks whether the owner still lives */
};

static struct {
	uint32_t     pid;	/* of this process, as owner */
	int32_t     *depth;	/* in this process's slot */
	int32_t      private_depth;
	struct lock *held[HELD_MOST];
	unsigned     count;
} here = { .depth = &here.private_depth };

/* A kill may strike between any two instructions: the compiler must keep the depth's stores where they are written. The
 * processor's order is no concern, for the supervisor reads them after the process has ended. */
#define KEEP_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

void lock_depth_at(int32_t *depth)
{
	here.pid = (uint32_t)getpid();
	here.private_depth = 0;
	here.depth = depth ? depth : &here.private_depth;
}

void lock_forget_held(void)
{
	here.count = 0;
}

void critical_enter(void)
{
	__atomic_store_n(here.depth, *here.depth + 1, __ATOMIC_RELAXED);
	KEEP_ORDER();
}

void critical_leave(void)
{
	KEEP_ORDER();
	__atomic_store_n(here.depth, *here.depth - 1, __ATOMIC_RELAXED);
}

static void say(const char *what, const struct lock *l)
{
	char    line[128];
	int     n = snprintf(line, sizeof(line), "sipario[%d]: %s rank=%u\n", (int)getpid(), what, l->rank);
	ssize_t done = write(STDERR_FILENO, line, n > 0 ? (size_t)n : 0);

	(void)done;
}

/* The owner died and left what this lock guards half done: the supervisor will rebuild it. */
static __attribute__((noreturn, cold)) void poisoned(const struct lock *l)
{
	say("a lock's owner has died, leaving shared memory to the supervisor", l);
	_exit(LOCK_POISONED);
}

static __attribute__((noreturn, cold)) void misused(const char *what, const struct lock *l)
{
	say(what, l);
	abort();
}

void lock_init(struct lock *l, enum lock_rank rank)
{
	*l = (struct lock){ .rank = (uint8_t)rank };
	if (!here.pid)	/* else told by proc_enter() */
		here.pid = (uint32_t)getpid();
}

static bool swap_word(struct lock *l, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&l->word, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Its owner can no longer release it: the word is looked at again after the owner was found gone. */
static bool is_orphan(const struct lock *l)
{
	uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED);

	return seen && kill((pid_t)(seen & FUTEX_TID_MASK), 0) && errno == ESRCH && __atomic_load_n(&l->word, __ATOMIC_SEQ_CST) == seen;
}

/* Another one has it. Who has waited takes it together with the mark, since there may be others waiting still. */
static __attribute__((noinline, cold)) void take_slowly(struct lock *l)
{
	static const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };

	for (;;) {
		uint32_t seen = __atomic_load_n(&l->word, __ATOMIC_RELAXED), marked = seen | FUTEX_WAITERS;

		if (!seen && swap_word(l, 0, here.pid | FUTEX_WAITERS))
			return;
		if (!seen || (seen != marked && !swap_word(l, seen, marked)))
			continue;
		if (syscall(SYS_futex, &l->word, FUTEX_WAIT, marked, &look, NULL, 0) && errno == ETIMEDOUT && is_orphan(l))
			poisoned(l);
	}
}

void lock(struct lock *l)
{
	if (here.count && here.held[here.count - 1]->rank >= l->rank)
		misused("a lock is taken against the order of ranks", l);
	if (here.count == HELD_MOST)
		misused("too many locks are taken", l);
	critical_enter();
	if (!swap_word(l, 0, here.pid))
		take_slowly(l);
	here.held[here.count++] = l;
}

static void forget_held(const struct lock *l)
{
	unsigned i = here.count;

	while (i && here.held[i - 1] != l)
		i--;
	if (!i)
		misused("a lock is released that is not held", l);
	for (here.count--; i <= here.count; i++)
		here.held[i - 1] = here.held[i];
}

void unlock(struct lock *l)
{
	forget_held(l);
	if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) & FUTEX_WAITERS)
		syscall(SYS_futex, &l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	critical_leave();
}

bool lock_held(const struct lock *l)
{
	for (unsigned i = 0; i < here.count; i++)
		if (here.held[i] == l)
			return true;
	return false;
}
