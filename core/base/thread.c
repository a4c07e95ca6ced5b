#include "base/thread.h"

#include <signal.h>

bool thread_start(pthread_t *t, void *(*fn)(void *arg), void *arg)
{
	sigset_t all, before;
	int      bad;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bad = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !bad;
}
