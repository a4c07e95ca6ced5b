#include "shm/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/region.h"

enum { HELD_MOST = 16 };	/* ranks ascend, so there cannot be more than ranks */

static struct {
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
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&l->m, &a);
	pthread_mutexattr_destroy(&a);
	l->rank = (uint8_t)rank;
}

void lock(struct lock *l)
{
	int rc;

	if (here.count && here.held[here.count - 1]->rank >= l->rank)
		misused("a lock is taken against the order of ranks", l);
	critical_enter();
	rc = pthread_mutex_lock(&l->m);
	if (rc == EOWNERDEAD || rc == ENOTRECOVERABLE)
		poisoned(l);
	if (rc || here.count == HELD_MOST)
		misused("a lock cannot be taken", l);
	here.held[here.count++] = l;
}

void unlock(struct lock *l)
{
	unsigned i = here.count;

	while (i && here.held[i - 1] != l)
		i--;
	if (!i)
		misused("a lock is released that is not held", l);
	for (here.count--; i <= here.count; i++)
		here.held[i - 1] = here.held[i];
	pthread_mutex_unlock(&l->m);
	critical_leave();
}

bool lock_held(const struct lock *l)
{
	for (unsigned i = 0; i < here.count; i++)
		if (here.held[i] == l)
			return true;
	return false;
}
