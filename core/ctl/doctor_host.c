/* The machine: clock, open files, socket buffers, permissions; and whether the server runs. */
#include "ctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "net/tcp.h"
#include "script/script.h"

enum { OTHER_FILES = 1000, BUFFER_BYTES = 4 << 20 };	/* beside connections; what net/udp.c asks for */

static void check_clock(struct doctor *d)
{
	struct timex t = { 0 };
	int          state = adjtimex(&t);

	if (state < 0)
		doctor_note(d, HEALTH_WARN, "clock", "run a time service (chrony, systemd-timesyncd)", "the kernel does not say whether it is synchronised");
	else if (state == TIME_ERROR || t.status & STA_UNSYNC)
		doctor_note(d, HEALTH_WARN, "clock", "run a time service (chrony, systemd-timesyncd): nonces, records of calls and certificates depend on it", "not synchronised");
	else
		doctor_note(d, HEALTH_GOOD, "clock", NULL, "synchronised, off by less than %ld ms", t.maxerror / 1000);
}

/* The first number of a line "Max open files   1024   4096   files"; 0: cannot be read. */
static unsigned long long limit_of(int64_t pid)
{
	char               path[64], line[256];
	unsigned long long soft = 0;
	FILE              *f;

	snprintf(path, sizeof(path), "/proc/%lld/limits", (long long)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Max open files", 14))
			soft = strtoull(line + 14, NULL, 10);
	if (f)
		fclose(f);
	return soft;
}

/* What we find may be another network than the server's. */
static void check_its_database(struct doctor *d, const struct json *status)
{
	struct str state = json_text(json_get(status, "database_state")), why = json_text(json_get(status, "database_why"));

	if (state.len && !str_is(state, "there"))
		doctor_note(d, HEALTH_FAIL, "server's database", "it is tried again all the time; doc/away.md says what works meanwhile", "the running server is without it: " STR_FMT,
			    STR_ARG(why));
}

/* A server that does not run yet will raise its own limit as far as it may. */
static unsigned long long open_files(struct doctor *d, bool *running)
{
	struct rlimit      own;
	struct json       *answer = NULL;
	unsigned long long n = 0;

	*running = !ctl_ask(d->c, "core.status", STR("{}"), &answer);
	check_its_database(d, answer);
	if (*running)
		n = limit_of(json_int(json_get(json_at(json_get(answer, "processes"), 0), "pid"), 0));
	json_free(answer);
	if (!n && !getrlimit(RLIMIT_NOFILE, &own))
		n = own.rlim_max;
	return n;
}

static void check_files(struct doctor *d)
{
	bool               running;
	unsigned long long n = open_files(d, &running), want = (unsigned long long)tcp_limits.connections + OTHER_FILES;

	doctor_note(d, running ? HEALTH_GOOD : HEALTH_WARN, "server", "`sipario -f FILE`; --socket or --config says where its control socket is", "%s %s", running ? "answers at" : "nobody answers at",
		    d->c->socket);
	if (!d->configured)
		return;
	doctor_note(d, n < want ? HEALTH_WARN : HEALTH_GOOD, "open files", "raise the limit (LimitNOFILE= of systemd, ulimit -n), or lower tcp_max_connections",
		    "%llu %s a process, for up to %lld connections", n, running ? "are allowed to" : "can be allowed to", (long long)tcp_limits.connections);
}

static void check_buffers(struct doctor *d)
{
	FILE         *f = fopen("/proc/sys/net/core/rmem_max", "re");
	unsigned long bytes = 0;

	if (f && fscanf(f, "%lu", &bytes) != 1)
		bytes = 0;
	if (f)
		fclose(f);
	doctor_note(d, bytes < BUFFER_BYTES ? HEALTH_WARN : HEALTH_GOOD, "UDP buffers", "sysctl -w net.core.rmem_max=4194304: bursts that do not fit are lost",
		    "the kernel allows %lu kB a socket", bytes / 1024);
}

static void check_mode(struct doctor *d, const char *check, const char *path, unsigned forbidden, const char *remedy)
{
	struct stat st;

	if (!path || !*path || stat(path, &st))
		return;
	doctor_note(d, st.st_mode & forbidden ? HEALTH_WARN : HEALTH_GOOD, check, remedy, "%s, mode %03o", path, st.st_mode & 0777);
}

void doctor_host(struct doctor *d)
{
	check_clock(d);
	check_files(d);
	check_buffers(d);
	check_mode(d, "control socket", d->c->socket, 007, "chmod 660: who may write to it commands the server");
	if (d->configured)
		check_mode(d, "configuration", d->c->config, settings.secret.len ? 077 : 022, settings.secret.len ? "chmod 600: it has a secret" : "chmod 644: it decides what the server does");
}
