/* `sipario test FILE`: the test blocks, run by the machine that serves, in the simulated world of sim.h. Each test has a world of its own: it runs in a
 * process that is forked for it, so that nothing is left behind and a crash is one failed test. */
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "script/test_bench.h"

static struct {
	char folder[64];	/* of the database every world begins with a copy of; empty: none */
	char database[96];
} master;

/* --- one test --- */

static bool run_wait(struct bench *b, const struct test_step *s)
{
	int64_t left = s->value->u.value.u.i;

	story_note("wait " STR_FMT, STR_ARG(span_text(s->value->span)));
	for (; left > 0; left -= INT32_MAX)
		pass(b, left > INT32_MAX ? INT32_MAX : (uint32_t)left);
	return true;
}

static bool run_break(struct bench *b, const struct test_step *s, bool fail)
{
	struct test_party *p;

	story_note("%s " STR_FMT, fail ? "fail" : "restore", STR_ARG(s->name));
	if (str_is(s->name, "database")) {
		sim_database_fail(fail);
		return true;
	}
	p = party_named(b, s->name);
	if (!p)
		return bench_fail(b, "no party " STR_FMT, STR_ARG(s->name));
	sim_refuse(&p->addr, fail);
	return true;
}

/* What the server does about it at once has been done when the next step begins. */
static bool run_send(struct bench *b, const struct test_step *s)
{
	if (!(s->kind == STEP_SEND_REQUEST ? send_request(b, s) : send_reply(b, s)))
		return false;
	pass(b, 0);
	return true;
}

static bool run_step(struct bench *b, const struct test_step *s)
{
	switch (s->kind) {
	case STEP_SEND_REQUEST: case STEP_SEND_REPLY:
		return run_send(b, s);
	case STEP_EXPECT_REPLY: case STEP_EXPECT_REQUEST:
		return expect_message(b, s);
	case STEP_EXPECT_NOTHING:
		return expect_nothing(b, s);
	case STEP_EXPECT_LOG:
		return expect_log(b, s);
	case STEP_EXPECT_COUNTER:
		return expect_counter(b, s);
	case STEP_EXPECT_TABLE:
		return expect_table(b, s);
	case STEP_WAIT:
		return run_wait(b, s);
	case STEP_FAIL: case STEP_RESTORE:
		return run_break(b, s, s->kind == STEP_FAIL);
	default:
		return true;	/* given: is there already */
	}
}

/* The step that failed, NULL: none did. */
static const struct test_step *run_steps(struct bench *b)
{
	for (const struct test_step *s = b->test->steps; s; s = s->next)
		if (!run_step(b, s))
			return s;
	return NULL;
}

static void print_failure(const struct bench *b, const struct test_step *at)
{
	struct span where = at ? at->span : b->test->span;

	printf("not ok - " STR_FMT " # " STR_FMT ":%u: %s\n", STR_ARG(b->test->name), STR_ARG(where.src->name), span_line(where), b->why);
	story_print();
	printf("# failed at      %5u | " STR_FMT "\n", span_line(where), STR_ARG(str_trim(span_source_line(where))));
}

static bool run_world(struct bench *b)
{
	struct sim_plan         plan = { .database = master.database[0] ? master.database : NULL };
	const struct test_step *failed = NULL;
	bool                    good;

	story_begin(&b->arena);
	good = givens_before(b, &plan) && (!sim_boot_as(&plan, b->why, sizeof(b->why)));
	if (good) {
		pass(b, 0);	/* event_route[core:start] */
		good = givens_after(b);
	}
	if (good)
		failed = run_steps(b);
	if (good && !failed)
		printf("ok - " STR_FMT "\n", STR_ARG(b->test->name));
	else
		print_failure(b, failed);
	sim_end();
	return good && !failed;
}

static bool run_test(const struct program *prog, const struct test *t)
{
	struct bench b = { .prog = prog, .test = t, .domain = settings.domains.count ? settings.domains.v[0] : STR("example.org") };
	bool         good;

	arena_init(&b.arena, NULL, 0, BENCH_BYTES);
	b.c.arena = &b.arena;
	b.last = &b.first;
	good = run_world(&b);
	machine_watch(NULL);
	log_redirect(NULL);
	arena_free(&b.arena);
	return good;
}

/* --- all of them --- */

static bool run_forked(const struct program *prog, const struct test *t)
{
	int   status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bool good = run_test(prog, t);

		fflush(NULL);
		_exit(!good);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("not ok - " STR_FMT " # no process to run it in\n", STR_ARG(t->name));
		return false;
	}
	if (WIFSIGNALED(status) || WEXITSTATUS(status) > 1)
		printf("not ok - " STR_FMT " # " STR_FMT ":%u: the server died of %s\n", STR_ARG(t->name), STR_ARG(t->span.src->name), span_line(t->span),
		       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "an error of its own");
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A pattern without wildcards is a part of the name. */
static bool chosen(const struct test *t, const char *pattern)
{
	char name[400];

	if (!pattern)
		return true;
	if (!strpbrk(pattern, "*?["))
		return str_find_str(t->name, str_of(pattern)) >= 0;
	(void)str_cstr(t->name, name, sizeof(name));
	return !fnmatch(pattern, name, 0);
}

static enum err master_make(char *why, size_t cap)
{
	if (!settings.database.len)
		return OK;
	snprintf(why, cap, "cannot make a folder in /dev/shm or /tmp");
	if (!sim_folder_make(master.folder, sizeof(master.folder)))
		return ERR_IO;
	snprintf(master.database, sizeof(master.database), "%s/master.db", master.folder);
	return sim_database_make(master.database, why, cap);
}

static void master_remove(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char                     path[120];

	for (size_t i = 0; master.folder[0] && i < COUNT_OF(tails); i++) {
		snprintf(path, sizeof(path), "%s%s", master.database, tails[i]);
		unlink(path);
	}
	if (master.folder[0])
		rmdir(master.folder);
	master.folder[0] = master.database[0] = '\0';
}

enum err script_test(struct script *s, const struct test_options *o, struct test_count *out, char *why, size_t cap)
{
	enum err err = o->coverage ? cover_begin(s->code) : OK;

	snprintf(why, cap, "out of memory");
	setenv("TZ", "UTC", 1);		/* the same everywhere */
	if (!err)
		err = master_make(why, cap);
	for (const struct test *t = s->program->tests; t && !err; t = t->next) {
		if (!chosen(t, o->match))
			continue;
		if (run_forked(s->program, t))
			out->passed++;
		else
			out->failed++;
	}
	master_remove();
	if (!err)
		cover_print(s->code);
	cover_end(s->code);
	return err;
}
