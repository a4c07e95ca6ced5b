/* What the children do: a loop each, and their parts of every floor. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "module/module.h"
#include "net/dns.h"
#include "net/trail.h"
#include "process/adopt.h"
#include "process/control.h"
#include "process/process.h"
#include "process/reload.h"
#include "script/script.h"
#include "shm/hand.h"

enum {
	LOOK_MS = 50,	/* how often a gentle stop looks whether the open transactions have ended */
	LISTENER = 1,	/* the worker that hears what changes in the database: it never waits, and may ask what there is now */
};

static struct {
	struct loop   *loop;
	pid_t          supervisor;
	struct loop_fd signals;
	void         (*stop)(void), (*hup)(void);	/* hup NULL: it means nothing here */
	struct timer   stopping;
	uint64_t       until_ms;
} child;

static bool orphaned(void)
{
	return getppid() != child.supervisor;
}

/* SIGTERM counts when the supervisor sends it, or has gone: a terminal, systemd or timeout(1) signal all of us at once, and then the
 * order of the end is the supervisor's to decide. */
static void on_signal(struct loop_fd *f, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(f->fd, &info, sizeof(info)) == sizeof(info)) {
		bool ours = (pid_t)info.ssi_pid == child.supervisor || orphaned();

		if (info.ssi_signo == SIGTERM && ours)
			child.stop();
		else if (info.ssi_signo == SIGHUP && ours && child.hup)
			child.hup();
	}
}

static struct loop *child_loop(void (*stop)(void))
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	child.stop = stop;
	child.supervisor = getppid();
	child.loop = loop_new();
	child.signals = (struct loop_fd){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), .fn = on_signal };
	hand_adopt();
	if (!child.loop || child.signals.fd < 0 || loop_add(child.loop, &child.signals, EPOLLIN) || mailbox_start(child.loop))
		return NULL;
	return child.loop;
}

static void stop_now(void)
{
	loop_stop(child.loop);
}

static void look_again(struct timer *t)
{
	if (!tm_open() || clock_ms() >= child.until_ms)
		loop_stop(child.loop);
	else
		wheel_arm(loop_wheel(child.loop), t, clock_ms() + LOOK_MS);
}

/* New requests get 503 from now on, so that clients go elsewhere; transactions under way may end. Without a supervisor there is no writer either
 * and nobody takes the place of who dies: the sooner the sockets are free, the sooner another server answers what is sent again. */
static void stop_worker(void)
{
	if (orphaned()) {
		stop_now();
		return;
	}
	proxy_closing();
	child.until_ms = clock_ms() + settings.stop_timeout_ms;
	timer_init(&child.stopping, look_again);
	look_again(&child.stopping);
}

static int failed(const char *what, const char *why)
{
	log_error(NULL, "cannot start what=\"%s\" why=\"%s\"", what, why);
	return CANNOT_START;
}

static int worker_parts(unsigned slot, struct loop *l)
{
	char              why[256] = "";
	struct dns_config dns;

	if (adopt_start(l, why, sizeof(why)))
		return failed("the program", why);
	dns = (struct dns_config){ .servers = settings.dns_servers.len ? settings.dns_servers.p : NULL, .timeout_ms = settings.dns_timeout_ms,
				  .tries = (uint32_t)settings.dns_tries };
	if (dns_start(l, &dns))
		return failed("name resolution", "check the setting `dns_servers`");
	if (db_configured() && db_worker_start(l))
		return failed("database", strerror(errno));
	secret_worker_start(l);
	trail_start();
	if (script_worker_start(l))
		return failed("script machine", strerror(errno));
	if (modules_worker_start(l, why, sizeof(why)))
		return failed("modules", why);
	if (slot == LISTENER && db_listen_start(l))
		return failed("database", strerror(errno));
	timer_adopt();
	tm_adopt();
	return net_worker_start(l, slot - 1) ? failed("sockets", strerror(errno)) : 0;
}

int worker_run(unsigned slot)
{
	struct loop *l = child_loop(stop_worker);
	int          status = l ? worker_parts(slot, l) : failed("event loop", strerror(errno));

	if (status)
		return status;
	loop_run(l);
	net_worker_stop();
	modules_stop();
	db_listen_stop();
	db_worker_stop();
	dns_stop();
	adopt_stop();
	loop_free(l);
	return 0;
}

int writer_run(void)
{
	char         why[256] = "";
	struct loop *l = child_loop(stop_now);

	if (!l || db_writer_start(l) || db_primary_start(l))
		return failed("writer", strerror(errno));
	if (adopt_start(l, why, sizeof(why)))
		return failed("the program", why);
	if (modules_writer_start(l, why, sizeof(why)))
		return failed("modules", why);
	timer_adopt();
	loop_run(l);
	modules_writer_stop();
	db_worker_stop();
	db_writer_stop();
	adopt_stop();
	loop_free(l);
	return 0;
}

int control_run(const struct process_plan *p)
{
	char         why[256] = "";
	struct loop *l = child_loop(stop_now);

	if (!l || reload_start(l, why, sizeof(why)) || control_start(l, p->control, why, sizeof(why)))
		return failed("control", why);
	child.hup = control_reload;
	loop_run(l);
	control_stop();
	reload_stop();
	loop_free(l);
	return 0;
}
