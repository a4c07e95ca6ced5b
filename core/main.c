/* sipario: the start, read top to bottom. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "module/module.h"
#include "net/avoid.h"
#include "net/dns.h"
#include "net/mailbox.h"
#include "net/trail.h"
#include "process/control.h"
#include "process/adopt.h"
#include "process/process.h"
#include "process/reload.h"
#include "script/diag.h"
#include "script/lsp.h"
#include "script/regex.h"
#include "script/script.h"
#include "shm/shm.h"

enum { EXIT_BAD_SCRIPT = 1, EXIT_USAGE = 2, EXIT_NO_START = 3, MOST_DEFINES = 64, WHY_BYTES = 512 };

static const char usage[] =
	"usage: sipario -f FILE [-D NAME=VALUE]…        run in the foreground, log on stderr\n"
	"       sipario -c FILE [-W] [-D NAME=VALUE]…   check the file, start nothing; exit status 0 good, 1 errors\n"
	"       sipario test FILE… [-D NAME=VALUE]…     run the tests in the files; exit status 0 all passed, 1 not\n"
	"       sipario explain CODE                    what an error or warning of the check means\n"
	"       sipario lsp                             a language server for editors, on standard input and output\n"
	"       sipario -V                              version and linked libraries\n"
	"\n"
	"  -f, --file FILE            the configuration\n"
	"  -c, --check                check it only: no network, no database, no rights are needed\n"
	"  -D, --define NAME=VALUE    another value for a const of the file\n"
	"  -W, --warnings-as-errors   a warning of the check is an error\n"
	"      --json                 what the check found as JSON on standard output, for editors and programs\n"
	"      --coverage             after the tests: the lines of the file that none of them has run\n"
	"      --match PATTERN        tests whose name contains that, or matches it (* and ? are wildcards)\n"
	"  -V, --version              version and linked libraries\n"
	"  -h, --help                 this\n"
	"\n"
	"Colours are for terminals; NO_COLOR in the environment switches them off.\n";

static const struct option long_options[] = {
	{ "file", required_argument, NULL, 'f' }, { "check", no_argument, NULL, 'c' }, { "define", required_argument, NULL, 'D' },
	{ "warnings-as-errors", no_argument, NULL, 'W' }, { "json", no_argument, NULL, 'j' }, { "coverage", no_argument, NULL, 'g' },
	{ "match", required_argument, NULL, 'm' }, { "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' }, { 0 }
};

struct options {
	const char *file;
	bool        check, test, strict, json;
	struct test_options how;
	char      **tests;	/* files of `test`; ends with NULL */
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
	while ((opt = getopt_long(argc, argv, "f:cD:WVh", long_options, NULL)) != -1)
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
		case 'W':
			o->strict = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'V':
			print_version();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'g':
			o->how.coverage = true;
			break;
		case 'm':
			o->how.match = optarg;
			break;
		default:
			return false;
		}
	o->tests = argv + optind;
	if (o->test)
		return optind < argc && !o->file && !o->json;
	if (o->check && !o->file && optind < argc)
		o->file = argv[optind++];
	return !o->how.coverage && !o->how.match && o->file && optind == argc && (o->check || !o->json);
}

/* The one command that needs no file. */
static int explain(const char *code)
{
	struct arena a;
	struct str   text;

	arena_init(&a, NULL, 0, 1 << 20);
	text = diag_explain(&a, str_of(code));
	if (text.len)
		printf(STR_FMT, STR_ARG(text));
	else
		fprintf(stderr, "sipario: no code `%s`: they are like E201 and W501, as the check prints them\n", code);
	arena_free(&a);
	return text.len ? 0 : EXIT_USAGE;
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

static int lsp(void)
{
	find_modules();
	return lsp_serve(stdin, stdout);
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

static enum err listen_one(struct str text, char *why)
{
	struct listen_text l;
	enum err           err = settings_listen(text, &l, why, WHY_BYTES);

	if (err)
		return err;
	err = net_listen(l.transport, l.host, l.port, settings.advertise, server.plan.workers, why, WHY_BYTES);
	if (err == ERR_UNSUPPORTED && transport_of(l.transport) != TP_NONE) {
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

/* Of the table of transactions. The more memory there is, the more of them may linger (a REGISTER that waited for the database does for 32 s, RFC 3261
 * §17.2.2): with a bucket for each 32 kB chains are short at any rate that fits. */
static unsigned transaction_buckets(void)
{
	enum { FEWEST = 1 << 15, MOST = 1 << 20 };
	unsigned n = FEWEST;

	while (n < MOST && n < settings.memory_limit >> 15)
		n *= 2;
	return n;
}

static enum err build_shared(char *why, size_t cap)
{
	static const struct proxy_user proxy = { .request = script_request, .dialog = script_dialog, .reply = script_reply, .follow = script_follow, .timeout = script_timeout, .is_local = script_is_local };
	static const struct net_user   net = {
		.received = proxy_received, .unframed = proxy_unframed, .unreachable = tm_unreachable, .undelivered = tm_undelivered,
		.lost = modules_connection_lost,
	};

	enum err err;

	if (shm_create(settings.memory_limit, process_slots(&server.plan))) {
		snprintf(why, cap, "cannot reserve %llu bytes of shared memory: %s; lower `memory_limit`", (unsigned long long)settings.memory_limit, strerror(errno));
		return ERR_NOMEM;
	}
	trail_boot(settings.trail_bytes < settings.memory_limit / 64 ? settings.trail_bytes : settings.memory_limit / 64);
	reload_boot(process_control_slot(&server.plan));
	if (timer_boot() || mailbox_boot() || adopt_boot() || dns_cache_boot() || avoid_boot() || net_boot() || tm_boot(transaction_buckets())) {
		snprintf(why, cap, "shared memory is too small: raise `memory_limit`");
		return ERR_NOMEM;
	}
	if (server.plan.writer) {
		(void)db_at_boot();	/* when it is built anew: what all know of the database begins with what it is now */
		db_set_writer_slot(process_writer_slot(&server.plan));
	}
	net_set_user(&net);
	if (proxy_boot(&proxy))
		return ERR_NOMEM;
	err = modules_start(why, cap);
	db_boot_over();
	return err;
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

/* https://no-color.org: any value that is not empty. */
static bool colours_wanted(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDERR_FILENO) && !(no && *no);
}

static struct script_options script_options_of(const struct options *o)
{
	return (struct script_options){
		.defines = o->define, .define_count = o->defines, .strict = o->strict, .json = o->json, .colour = colours_wanted(),
	};
}

static int serve(struct script *s, const struct options *o)
{
	struct script_options so = script_options_of(o);
	char                  why[WHY_BYTES] = "";

	control_boot();
	log_set_role("supervisor");
	log_set_level((enum log_level)settings.log_level);
	server.plan = (struct process_plan){
		.workers = settings.workers ? (unsigned)settings.workers : cores(),
		.writer = settings.database.len > 0,
		.control = text_or_null(settings.control),
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
	if (secret_set(settings.secret, why, sizeof(why)))
		return cannot(why);
	if (versions_boot(o->file, &so, s, why, sizeof(why)))
		return cannot(why);
	script_use(s);
	if ((server.plan.control && control_check(server.plan.control, why, sizeof(why))) || build_shared(why, sizeof(why)))
		return cannot(why);
	for (size_t i = 0; i < net_listener_count(); i++)
		log_info(NULL, "listening on " STR_FMT " " STR_FMT, STR_ARG(transport_name(net_listener_at(i)->transport)), STR_ARG(net_listener_at(i)->host_port));
	log_info(NULL, "sipario " SIPARIO_VERSION " is ready workers=%u program=%u version=%s file=%s", server.plan.workers, versions_get().now.number,
		 versions_get().now.digest, o->file);
	return supervisor_run(&server.plan);
}

/* NULL: it has errors. What there is to say about the file has been said. */
static struct script *load(const struct options *o)
{
	struct script_options so = script_options_of(o);
	char                  why[WHY_BYTES] = "";
	struct str            report = STR_NONE;
	struct script        *s = script_load(o->file, &so, &server.arena, &report);

	if (s && script_apply(s, why, sizeof(why))) {
		report = script_refused(s, why, &so, &server.arena);
		script_free(s);
		s = NULL;
	}
	fprintf(o->json ? stdout : stderr, STR_FMT "%s", STR_ARG(report), o->json ? "\n" : "");
	return s;
}

static int test_file(struct options *o, struct test_count *count)
{
	char why[WHY_BYTES] = "";

	server.script = load(o);
	if (!server.script)
		return EXIT_BAD_SCRIPT;
	log_set_level(LOG_ERROR);
	script_use(server.script);
	return script_test(server.script, &o->how, count, why, sizeof(why)) ? cannot(why) : 0;
}

/* Settings and modules are a process's own: each file gets one. */
static int test_files(struct options *o)
{
	struct test_count *count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int                worst = 0, status = 0;

	if (count == MAP_FAILED)
		return cannot("out of memory");
	for (char **file = o->tests; *file; file++) {
		pid_t pid = fork();

		o->file = *file;
		if (pid == 0)
			exit(test_file(o, count));
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return cannot("no process to run the tests in");
		status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_NO_START;
		worst = status > worst ? status : worst;
	}
	printf("%u passed, %u failed\n", count->passed, count->failed);
	return worst ? worst : count->failed ? EXIT_BAD_SCRIPT : 0;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };

	if (argc == 3 && !strcmp(argv[1], "explain"))
		return explain(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "lsp"))
		return lsp();
	if (!read_options(argc, argv, &o)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	find_modules();
	arena_init(&server.arena, NULL, 0, 64 << 20);
	if (script_boot())
		return cannot("out of memory");
	if (o.test)
		return test_files(&o);
	server.script = load(&o);
	if (!server.script)
		return EXIT_BAD_SCRIPT;
	return o.check ? 0 : serve(server.script, &o);
}
