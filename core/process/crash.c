/* A backtrace for the log, written by the dying process itself: no allocation, no lock. */
#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

#include "process/process.h"

#if !defined(__SANITIZE_ADDRESS__)
static void on_fault(int sig)
{
	static const char text[] = "memory fault, backtrace follows (resolve with addr2line -e)\n";
	void             *frames[64];
	ssize_t           done = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)done;
	backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
	raise(sig);	/* SA_RESETHAND: ends us with the true signal */
}

void crash_handlers(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };
	void            *warm[1];

	backtrace(warm, 1);	/* loads libgcc now, while that is still safe */
	for (size_t i = 0; i < COUNT_OF(signals); i++)
		sigaction(signals[i], &sa, NULL);
}
#else
void crash_handlers(void)
{
	/* the sanitizer's own report says more */
}
#endif
