#pragma once
/* What the process floor needs of the script: load it, read its settings, run it. Behind it stand the front end (check.h) and the machine. */
#include "proxy/request.h"

/* --- boot (supervisor; also `sipario -c` and siparioctl, which start nothing) --- */
/* Register the core's own functions, variables and settings as module zero. First of all; harmless when repeated. */
MUST_CHECK enum err script_boot(void);

/* A loaded configuration: checked tree and bytecode. Private memory; runs hold a reference, so that one that a reload has replaced
 * lives until its last run has ended. */
struct script;
struct script_options {
	const struct str *defines;	/* -D "NAME=VALUE" */
	size_t            define_count;
	bool              colour;	/* of the report */
	bool              json;		/* the report is for a program: diags_json() */
	bool              strict;	/* a warning is an error */
	struct str       *diagnostics;	/* not NULL: gets the report as a JSON array, too (diag.h) */
};
/* Read, check and compile a file (what it includes and the modules it names as well). NULL: it has errors. *report, in the arena, is all that
 * is to be said, as text for a terminal: errors, or the warnings of a good file; empty: nothing. */
MUST_CHECK struct script *script_load(const char *path, const struct script_options *o, struct arena *a, struct str *report);
/* The same for a text that goes by that name in messages (tests, `sipario -e`). */
MUST_CHECK struct script *script_load_text(struct str name, struct str text, const struct script_options *o, struct arena *a, struct str *report);
/* All texts that it was made of, in one string, and the same script from them: what several processes make of an image is the same, whatever
 * becomes of the files. May be called in a thread beside the running program, when all modules that it names are loaded. */
MUST_CHECK struct str script_image(const struct script *s, struct arena *a);
MUST_CHECK struct script *script_load_image(struct str image, const struct script_options *o, struct arena *a, struct str *report);
void script_free(struct script *s);	/* NULL is fine; drops the caller's reference */
/* Store its settings and the parameters of its modules, see that their needs are met, and let them configure themselves
 * (modules_configure). `why` is a sentence. Needs neither root nor a database. */
MUST_CHECK enum err script_apply(struct script *s, char *why, size_t cap);
/* What script_apply() objects to, with the rest of the report, at the block of the module that it is about. */
MUST_CHECK struct str script_refused(struct script *s, const char *why, const struct script_options *o, struct arena *a);
/* Find what it shares with other processes, or make it: tables, counters. Before it is used, in each process that shares memory. */
MUST_CHECK enum err script_bind(struct script *s, char *why, size_t cap);
/* New runs take it from here on; takes over the caller's reference. Before modules_start() it need not be bound: that does it. */
void script_use(struct script *s);
struct script *script_now(void);	/* NULL: nothing yet */
struct script *script_keep(struct script *s);	/* one more reference, owed script_free() */
/* event_route[core:reload] of the program in use. */
void script_reloaded(uint32_t number, struct str version);
/* Programs follow each other in epochs: the oldest of a program that some run of this process still uses; and somebody who wants to know
 * when that may have changed. */
void script_set_epoch(struct script *s, uint32_t epoch);
uint32_t script_oldest(void);
void script_on_end(void (*fn)(void));

/* --- settings: valid after script_apply() --- */
struct texts {
	size_t            count;
	const struct str *v;	/* NUL-terminated as well */
};
enum { SETTINGS_MOST_WORKERS = 256 };
struct settings {
	struct texts listen;		/* "udp:*:5060", in order of the file */
	struct texts domains, aliases;	/* host names that are ours */
	struct texts proxy_protocol_from;	/* "10.0.0.0/8" */
	struct str   advertise;		/* "host" or "host:port"; empty: the address of the socket */
	struct str   secret;		/* of dialog seals; empty: one that is found (process/secret.c) */
	struct str   database;		/* "sqlite:var/sipario.db"; empty: none */
	int64_t      workers;		/* 0: one a core */
	uint64_t     memory_limit;	/* bytes of shared memory */
	int          log_level;		/* enum log_level */
	int64_t      log_rate;
	struct str   user, group;	/* to run as; empty: unchanged */
	struct str   control;		/* path of the control socket */
	struct str   dns_servers;	/* empty: the system's */
	uint32_t     dns_timeout_ms;
	int64_t      dns_tries;
	uint32_t     stop_timeout_ms;	/* a gentle stop waits so long for open transactions */
	int64_t      max_waiting;	/* parked runs a worker */
	int64_t      max_steps;		/* instructions a run */
	uint64_t     trail_bytes;	/* of each ring (net/trail.h) */
};
/* t1, t2, t4, timer_c go straight to tm_timers, tcp_* to tcp_limits. */
extern struct settings settings;

/* The parts of a `listen`: "udp:HOST:PORT", "tcp:HOST", with [ ] around an IPv6 address. */
struct listen_text {
	struct str transport, host;	/* slices of the text */
	uint16_t   port;
};
MUST_CHECK enum err settings_listen(struct str text, struct listen_text *out, char *why, size_t cap);

/* --- worker --- */
MUST_CHECK enum err script_worker_start(struct loop *l);
/* proxy_user.request and proxy_user.is_local */
void script_request(struct request *r);
/* proxy_user.follow: request_route decides for an ACK or CANCEL as it did for its INVITE, where the script forwards statelessly at all. */
bool script_follow(struct request *r);
/* proxy_user.dialog: dialog_route, where there is one. */
bool script_dialog(struct request *r);
/* proxy_user.reply: the reply_routes. */
bool script_reply(struct request *r, struct trans *t, unsigned branch);
/* proxy_user.timeout: event_route[tm:timeout]. */
void script_timeout(struct ctx *c, const struct tm_timeout *what);
bool script_is_local(struct str host);
size_t script_runs_parked(void);

/* --- tests in the language --- */
struct test_options {
	const char *match;	/* names: a shell pattern, or a part of them; NULL: all */
	bool        coverage;	/* say which lines were never run */
};
struct test_count {
	unsigned passed, failed;
};
/* Run the `test` blocks of a loaded, applied script, each in a world and a process of its own under a virtual clock and a simulated network; on stdout lines
 * "ok - name", "not ok - name" with what came instead and what happened. Adds to *out; an error is that no test could be run, with `why`. */
MUST_CHECK enum err script_test(struct script *s, const struct test_options *o, struct test_count *out, char *why, size_t cap);
