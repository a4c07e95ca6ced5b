/* sipario: the start, read top to bottom. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "module/module.h"
#include "net/avoid.h"
#include "net/dns.h"
#include "net/mailbox.h"
#include "process/control.h"
#include "process/process.h"
#include "script/regex.h"
#include "script/script.h"
#include "shm/shm.h"

enum { EXIT_BAD_SCRIPT = 1, EXIT_USAGE = 2, EXIT_NO_START = 3, MOST_DEFINES = 64, WHY_BYTES = 512 };

static const char usage[] =
	"usage: sipario -f FILE [-D NAME=VALUE]…      run in the foreground, log on stderr\n"
	"       sipario -c -f FILE [-D NAME=VALUE]…   check the file, start nothing; exit status 0 good, 1 errors\n"
	"       sipario test FILE [-D NAME=VALUE]…    run the tests in the file\n"
	"       sipario -V                            version and linked libraries\n";

struct options {
	const char *file;
	bool        check, test;
	struct str  define[MOST_DEFINES];
	size_t      defines;
};
static struct {
	struct process_plan plan;
	struct arena        arena;	/* boot lifetime */
	struct script      *script;	/* boot lifetime */
} server;

static void print_version(void)
{
	printf("sipario " SIPARIO_VERSION "\n%s\n%s\n%s\n%s\n", crypto_library(), db_library(), dns_library(), regex_library());
}

/* False: wrong usage. */
static bool read_options(int argc, char **argv, struct options *o)
{
	int opt;

	o->test = argc > 1 && !strcmp(argv[1], "test");
	optind = o->test ? 2 : 1;
	while ((opt = getopt(argc, argv, "f:cD:Vh")) != -1)
		switch (opt) {
		case 'f':
			o->file = optarg;
			break;
		case 'c':
			o->check = true;
			break;
		case 'D':
			if (o->defines == MOST_DEFINES || !strchr(optarg, '='))
				return false;
			o->define[o->defines++] = str_of(optarg);
			break;
		case 'V':
			print_version();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			return false;
		}
	if (o->test && optind < argc)
		o->file = argv[optind++];
	return o->file && optind == argc;
}

/* Modules lie beside the program in a build tree, in ../lib/sipario when installed. */
static void find_modules(void)
{
	char        exe[4000], folder[4096];
	ssize_t     n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct stat st;
	char       *slash;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	snprintf(folder, sizeof(folder), "%s/modules", exe);
	if (stat(folder, &st))
		snprintf(folder, sizeof(folder), "%s/../lib/sipario/modules", exe);
	module_set_folder(folder);
}

static int cannot(const char *why)
{
	fprintf(stderr, "sipario: %s\n", why);
	return EXIT_NO_START;
}

static const char *text_or_null(struct str s)
{
	return s.len ? s.p : NULL;	/* settings are NUL-terminated */
}

static unsigned cores(void)
{
	cpu_set_t set;
	unsigned  n = sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);

	return n < SETTINGS_MOST_WORKERS ? n : SETTINGS_MOST_WORKERS;
}

/* "udp:HOST:PORT", "tcp:HOST", with [ ] around an IPv6 address */
static enum err listen_one(struct str text, char *why)
{
	struct str rest = text, transport = str_take_until(&rest, ':'), host = rest;
	ptrdiff_t  bracket = str_find(rest, ']'), colon = str_find(str_from(rest, bracket > 0 ? (size_t)bracket : 0), ':');
	uint32_t   port = 5060;
	enum err   err;

	if (colon >= 0) {
		host = str_to(rest, (size_t)(colon + (bracket > 0 ? bracket : 0)));
		if (!str_u32(str_from(rest, host.len + 1), &port) || port == 0 || port > 65535) {
			snprintf(why, WHY_BYTES, "listen " STR_FMT ": the port is a number from 1 to 65535", STR_ARG(text));
			return ERR_SYNTAX;
		}
	}
	err = net_listen(transport, host, (uint16_t)port, settings.advertise, server.plan.workers, why, WHY_BYTES);
	if (err == ERR_UNSUPPORTED && transport_of(transport) != TP_NONE) {
		log_warn(NULL, "not listening: this version speaks UDP and TCP only listen=" STR_FMT, STR_ARG(text));
		return OK;
	}
	return err;
}

static enum err open_listeners(char *why)
{
	for (size_t i = 0; i < settings.listen.count; i++) {
		enum err err = listen_one(settings.listen.v[i], why);

		if (err)
			return err;
	}
	if (net_listener_count())
		return OK;
	snprintf(why, WHY_BYTES, "nothing to listen on: write `listen udp:*:5060;`");
	return ERR_NOT_FOUND;
}

/* Networks that speak the PROXY protocol. Boot lifetime. */
static enum err read_proxies(char *why)
{
	size_t          n = settings.proxy_protocol_from.count;
	struct network *all = arena_zalloc(&server.arena, (n + 1) * sizeof(*all));

	if (!all) {
		snprintf(why, WHY_BYTES, "out of memory");
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct str text = settings.proxy_protocol_from.v[i];
		uint8_t    prefix;

		if (cidr_parse(text, &all[i].net, &prefix)) {
			snprintf(why, WHY_BYTES, "proxy_protocol_from " STR_FMT ": write a network, 10.0.0.0/8, or an address", STR_ARG(text));
			return ERR_SYNTAX;
		}
		all[i].prefix = prefix;
	}
	tcp_limits.proxies = all;
	tcp_limits.n_proxies = n;
	return OK;
}

static enum err build_shared(char *why, size_t cap)
{
	static const struct proxy_user proxy = { .request = script_request, .follow = script_follow, .is_local = script_is_local };
	static const struct net_user   net = {
		.received = proxy_received, .unframed = proxy_unframed, .unreachable = tm_unreachable, .undelivered = tm_undelivered,
	};

	if (shm_create(settings.memory_limit, process_slots(&server.plan))) {
		snprintf(why, cap, "cannot reserve %llu bytes of shared memory: %s; lower `memory_limit`", (unsigned long long)settings.memory_limit, strerror(errno));
		return ERR_NOMEM;
	}
	if (timer_boot() || mailbox_boot() || dns_cache_boot() || avoid_boot() || net_boot() || tm_boot(0)) {
		snprintf(why, cap, "shared memory is too small: raise `memory_limit`");
		return ERR_NOMEM;
	}
	if (server.plan.writer)
		db_set_writer_slot(process_writer_slot(&server.plan));
	net_set_user(&net);
	if (proxy_boot(&proxy))
		return ERR_NOMEM;
	return modules_start(why, cap);
}

/* Each listener takes a descriptor a worker, connections and the rest come on top. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static int serve(struct script *s)
{
	char why[WHY_BYTES] = "";

	control_boot();
	log_set_role("supervisor");
	log_set_level((enum log_level)settings.log_level);
	server.plan = (struct process_plan){
		.workers = settings.workers ? (unsigned)settings.workers : cores(),
		.writer = settings.database.len > 0,
		.control = text_or_null(settings.control),
		.stop_ms = settings.stop_timeout_ms,
		.build_shared = build_shared,
	};
	raise_limits();
	dns_boot();
	if (read_proxies(why) || open_listeners(why))
		return cannot(why);
	if (privileges_drop(text_or_null(settings.user), text_or_null(settings.group), why, sizeof(why)))
		return cannot(why);
	if (settings.database.len && (db_configure(settings.database, why, sizeof(why)) || db_check(why, sizeof(why))))
		return cannot(why);
	if ((server.plan.control && control_check(server.plan.control, why, sizeof(why))) || build_shared(why, sizeof(why)))
		return cannot(why);
	script_use(s);
	for (size_t i = 0; i < net_listener_count(); i++)
		log_info(NULL, "listening on " STR_FMT " " STR_FMT, STR_ARG(transport_name(net_listener_at(i)->transport)), STR_ARG(net_listener_at(i)->host_port));
	log_info(NULL, "sipario " SIPARIO_VERSION " is ready workers=%u", server.plan.workers);
	return supervisor_run(&server.plan);
}

static int run_tests(struct script *s)
{
	char why[WHY_BYTES] = "";
	int  failed;

	log_set_level(LOG_ERROR);
	script_use(s);
	failed = script_test(s, why, sizeof(why));
	return failed < 0 ? cannot(why) : failed ? EXIT_BAD_SCRIPT : 0;
}

int main(int argc, char **argv)
{
	struct options        o = { 0 };
	struct script_options so;
	struct str            report = STR_NONE;
	char                  why[WHY_BYTES] = "";

	if (!read_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	find_modules();
	arena_init(&server.arena, NULL, 0, 64 << 20);
	if (script_boot())
		return cannot("out of memory");
	so = (struct script_options){ .defines = o.define, .define_count = o.defines, .colour = isatty(STDERR_FILENO) };
	server.script = script_load(o.file, &so, &server.arena, &report);
	fprintf(stderr, STR_FMT, STR_ARG(report));
	if (!server.script)
		return EXIT_BAD_SCRIPT;
	if (script_apply(server.script, why, sizeof(why)))
		return cannot(why);
	if (o.check)
		return 0;
	return o.test ? run_tests(server.script) : serve(server.script);
}
