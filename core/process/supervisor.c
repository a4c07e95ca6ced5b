#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "process/adopt.h"
#include "process/process.h"
#include "script/script.h"
#include "shm/shm.h"

enum {
	MOST_SLOTS = SETTINGS_MOST_WORKERS + 3,	/* the supervisor, the writer, control */
	STOP_GRACE_MS = 1000,	/* children stop by themselves after plan->stop_ms; this much later they are ended */
	CALM_MS = 10000,	/* a child that lived this long has its backoff forgotten */
	MOST_BACKOFF_MS = 5000,
};

struct child {
	pid_t    pid;		/* 0: none, to be forked at due_ms */
	uint64_t born_ms;
	uint64_t due_ms;
	uint32_t backoff_ms;
};
static struct {
	const struct process_plan *plan;
	struct child               child[MOST_SLOTS];
	unsigned                   slots;
	sigset_t                   signals;
} sup;

unsigned process_writer_slot(const struct process_plan *p)
{
	return p->workers + 1;
}

unsigned process_slots(const struct process_plan *p)
{
	return p->workers + 1 + p->writer + (p->control != NULL);
}

unsigned process_control_slot(const struct process_plan *p)
{
	return p->control ? p->workers + 1 + p->writer : 0;
}

static bool is_writer(unsigned slot)
{
	return sup.plan->writer && slot == process_writer_slot(sup.plan);
}

static const char *role_of(unsigned slot, char room[20])
{
	if (slot <= sup.plan->workers)
		snprintf(room, 20, "worker %u", slot);
	else
		snprintf(room, 20, "%s", is_writer(slot) ? "writer" : "control");
	return room;
}

static int child_body(unsigned slot)
{
	if (slot <= sup.plan->workers)
		return worker_run(slot);
	return is_writer(slot) ? writer_run() : control_run(sup.plan);
}

static void fork_child(unsigned slot)
{
	struct child *c = &sup.child[slot];
	char          role[20];
	pid_t         parent = getpid(), pid = fork();

	if (pid < 0) {
		log_error(NULL, "cannot fork %s: %s; trying again", role_of(slot, role), strerror(errno));
		c->due_ms = clock_ms() + 1000;
		return;
	}
	if (pid == 0) {
		/* children do not outlive their supervisor */
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != parent)
			_exit(CANNOT_START);
		log_set_role(role_of(slot, role));
		prctl(PR_SET_NAME, role);	/* ps and top show who is who */
		random_forked();
		clock_tick();
		proc_enter(slot, role);
		exit(child_body(slot));
	}
	c->pid = pid;
	c->born_ms = clock_ms();
}

/* The slot of a child; 0: not ours. */
static unsigned slot_of(pid_t pid)
{
	for (unsigned s = 1; s < sup.slots; s++)
		if (sup.child[s].pid == pid)
			return s;
	return 0;
}

/* May shared memory be trusted after that death? A kill, also by the kernel for want of memory, outside of critical sections leaves it whole.
 * Whoever ends of its own accord and has not failed to start does so since something is wrong: a lock that is left behind (LOCK_POISONED),
 * what a sanitizer has found. */
static bool left_whole(unsigned slot, int status)
{
	if (!proc_died_clean(slot))
		return false;
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CANNOT_START;
	switch (WTERMSIG(status)) {
	case SIGSEGV: case SIGBUS: case SIGABRT: case SIGILL: case SIGFPE:
		return false;
	default:
		return true;
	}
}

static void say_death(unsigned slot, pid_t pid, int status)
{
	char role[20];

	if (WIFSIGNALED(status))
		log_error(NULL, "%s died pid=%d signal=%d (%s)", role_of(slot, role), (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error(NULL, "%s ended pid=%d status=%d", role_of(slot, role), (int)pid, WEXITSTATUS(status));
}

/* The first death is answered at once; a child that keeps dying is forked with growing pauses. */
static void plan_fork(unsigned slot)
{
	struct child *c = &sup.child[slot];
	uint64_t      now = clock_ms();

	if (now - c->born_ms >= CALM_MS)
		c->backoff_ms = 0;
	c->due_ms = now + c->backoff_ms;
	c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : 100;
	if (c->backoff_ms > MOST_BACKOFF_MS)
		c->backoff_ms = MOST_BACKOFF_MS;
}

static void signal_one(unsigned slot, int sig)
{
	if (sup.child[slot].pid)
		kill(sup.child[slot].pid, sig);
}

static void signal_all(int sig)
{
	for (unsigned s = 1; s < sup.slots; s++)
		signal_one(s, sig);
}

static bool workers_alive(void)
{
	for (unsigned s = 1; s <= sup.plan->workers; s++)
		if (sup.child[s].pid)
			return true;
	return false;
}

static bool any_alive(void)
{
	for (unsigned s = 1; s < sup.slots; s++)
		if (sup.child[s].pid)
			return true;
	return false;
}

/* Take note of one child that has ended; options as of waitpid(). False: there is none. */
static bool reap_one(int options, unsigned *slot, int *status, pid_t *pid)
{
	do {
		*pid = waitpid(-1, status, options);
	} while (*pid < 0 && errno == EINTR);
	if (*pid <= 0)
		return false;
	*slot = slot_of(*pid);
	sup.child[*slot].pid = 0;
	return true;
}

static void kill_all(void)
{
	unsigned slot;
	int      status;
	pid_t    pid;

	signal_all(SIGKILL);
	while (any_alive() && reap_one(0, &slot, &status, &pid))
		;
}

/* As PostgreSQL does: with what one process may have spoiled, none goes on. A fault that strikes again soon is met with growing
 * pauses, as a child's is. */
static bool rebuild(void)
{
	char why[256] = "";

	log_error(NULL, "shared memory may be damaged: ending all processes and building it anew");
	kill_all();
	adopt_catch_up();
	shm_destroy();
	if (sup.plan->build_shared(why, sizeof(why))) {
		log_error(NULL, "shared memory cannot be rebuilt: %s", why);
		return false;
	}
	for (unsigned s = 1; s < sup.slots; s++)
		plan_fork(s);
	log_info(NULL, "shared memory is new, all processes start again");
	return true;
}

/* False: give up. */
static bool reap(void)
{
	int      status;
	unsigned slot;
	pid_t    pid;

	while (reap_one(WNOHANG, &slot, &status, &pid)) {
		if (!slot)
			continue;
		say_death(slot, pid, status);
		if (!left_whole(slot, status))
			return rebuild();
		plan_fork(slot);
	}
	return true;
}

/* Fork what is due; milliseconds until the next is, at most a second. */
static int fork_due(void)
{
	uint64_t now = clock_ms(), wait = 1000;

	adopt_catch_up();
	for (unsigned s = 1; s < sup.slots; s++) {
		struct child *c = &sup.child[s];

		if (c->pid)
			continue;
		if (c->due_ms <= now)
			fork_child(s);
		else if (c->due_ms - now < wait)
			wait = c->due_ms - now;
	}
	return (int)wait;
}

static int wait_signal(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	int             sig = sigtimedwait(&sup.signals, NULL, &t);

	clock_tick();
	return sig;
}

/* The workers first: until the last of them has ended the writer commits what they still hand over. */
static void stop_gently(bool *writer_told)
{
	if (*writer_told || workers_alive())
		return;
	*writer_told = true;
	for (unsigned s = sup.plan->workers + 1; s < sup.slots; s++)
		signal_one(s, SIGTERM);
}

/* Gently: transactions under way get a few seconds; a second signal ends it at once. */
static void stop(void)
{
	uint64_t until = clock_ms() + settings.stop_timeout_ms + STOP_GRACE_MS;
	bool     writer_told = false;
	int      status, sig;
	unsigned slot;
	pid_t    pid;

	log_info(NULL, "stopping");
	for (unsigned s = 1; s <= sup.plan->workers; s++)
		signal_one(s, SIGTERM);
	while (any_alive() && clock_ms() < until) {
		stop_gently(&writer_told);
		sig = wait_signal(100);
		if (sig == SIGTERM || sig == SIGINT)
			break;
		while (reap_one(WNOHANG, &slot, &status, &pid))
			;
	}
	kill_all();
	log_info(NULL, "stopped");
}

/* The control process leads reloads: it alone need not take calls meanwhile. */
static void pass_hup(void)
{
	unsigned slot = process_control_slot(sup.plan);

	if (slot && sup.child[slot].pid)
		signal_one(slot, SIGHUP);
	else
		log_warn(NULL, "SIGHUP: nothing is reloaded without a control process: add the setting `control`, and restart");
}

int supervisor_run(const struct process_plan *p)
{
	int sig;

	sup.plan = p;
	sup.slots = process_slots(p);
	sigemptyset(&sup.signals);
	sigaddset(&sup.signals, SIGTERM);
	sigaddset(&sup.signals, SIGINT);
	sigaddset(&sup.signals, SIGCHLD);
	sigaddset(&sup.signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &sup.signals, NULL);	/* inherited: children read theirs from a descriptor */
	signal(SIGPIPE, SIG_IGN);
	crash_handlers();
	clock_tick();
	do {
		sig = wait_signal(fork_due());
		if (sig == SIGHUP)
			pass_hup();
		if (!reap())
			return 1;
	} while (sig != SIGTERM && sig != SIGINT);
	stop();
	return 0;
}
