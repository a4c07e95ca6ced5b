/* sim --seeds 200 [--first 1] [--jobs 2] | sim --seed 17 [--shrink] [--show] [--log]
 *
 * Runs worlds and says which of them broke a promise. The same seed is the same world, to the last message. */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
	uint64_t first, seeds, one;
	unsigned jobs;
	bool     shrink, quick_exit, verbose, show;
} opt = { .first = 1, .seeds = 200, .jobs = 2 };

/* --- one world, in a process of its own --- */

static void note_harmed(struct result *out)
{
	for (const struct packet *p = world.packets; p && out->harmed_count < MOST_MENDED; p = p->next)
		if (p->harmed && (!out->harmed_count || out->harmed[out->harmed_count - 1] != p->id))
			out->harmed[out->harmed_count++] = p->id;
}

static void mute(enum log_level level, struct str line)
{
	if (opt.verbose)
		world_remark("log %d: " STR_FMT, level, STR_ARG(line));
}

static void in_child(const struct plan *p, bool print, struct result *out)
{
	log_redirect(mute);
	out->ok = world_run(p, print);
	snprintf(out->why, sizeof(out->why), "%s", world.why);
	out->virtual_ms = world.now_ms - world.begun_ms;
	out->delivered = world.delivered;
	note_harmed(out);
	if (print)
		trace_print();
	fflush(stdout);
}

/* What a sanitizer says would only be in the way, unless it is asked for. */
static void hush(bool print)
{
	if (!print && !freopen("/dev/null", "w", stderr))
		_exit(1);
}

void run_plan(const struct plan *p, bool print, struct result *out)
{
	struct result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t          pid;
	int            status;

	if (shared == MAP_FAILED)
		abort();
	snprintf(shared->why, sizeof(shared->why), "the process died: a sanitizer, an assertion or a crash; --seed shows which");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		hush(print);
		in_child(p, print, shared);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	*out = *shared;
	munmap(shared, sizeof(*shared));
}

/* --- many --- */

struct share {
	uint64_t failed[64];
	unsigned failures;
	uint64_t virtual_ms, messages;
};

/* Every jobs-th seed. */
static void some_seeds(unsigned job, struct share *s)
{
	static struct plan   p;
	static struct result r;

	for (uint64_t i = job; i < opt.seeds; i += opt.jobs) {
		plan_draw(&p, opt.first + i);
		run_plan(&p, false, &r);
		s->virtual_ms += r.virtual_ms;
		s->messages += r.delivered;
		if (!r.ok && s->failures < COUNT_OF(s->failed))
			s->failed[s->failures++] = opt.first + i;
		if (!r.ok && opt.quick_exit)
			return;
	}
}

static int show_failure(uint64_t seed)
{
	static struct plan   p;
	static struct result r;

	plan_draw(&p, seed);
	run_plan(&p, false, &r);
	printf("# seed %llu: %s\n", (unsigned long long)seed, r.why);
	if (r.ok && !opt.show)
		return 0;
	if (opt.shrink && !r.ok)
		shrink(&p, &r);
	plan_print(&p);
	if (p.mended_count)
		printf("  %u messages that the network would have harmed get through unharmed\n", p.mended_count);
	run_plan(&p, true, &r);
	printf("%s\n", r.why);
	return !r.ok;
}

static unsigned report(const struct share *share, double wall_s)
{
	struct share all = { 0 };
	unsigned     failures = 0;

	for (unsigned j = 0; j < opt.jobs; j++) {
		all.virtual_ms += share[j].virtual_ms;
		all.messages += share[j].messages;
		failures += share[j].failures;
	}
	for (unsigned j = 0; j < opt.jobs; j++)
		for (unsigned i = 0; i < share[j].failures; i++)
			printf("not ok - seed %llu (see: build/san/test/sim --seed %llu)\n", (unsigned long long)share[j].failed[i],
			       (unsigned long long)share[j].failed[i]);
	printf("# %llu worlds, %.1f virtual hours and %llu messages in %.1f minutes\n", (unsigned long long)opt.seeds, (double)all.virtual_ms / 3600000,
	       (unsigned long long)all.messages, wall_s / 60);
	return failures;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_seeds(void)
{
	struct share *share = mmap(NULL, opt.jobs * sizeof(*share), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double        begun = seconds();
	unsigned      failures;

	if (share == MAP_FAILED)
		return 2;
	for (unsigned j = 0; j < opt.jobs; j++)
		if (!fork()) {
			some_seeds(j, &share[j]);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	failures = report(share, seconds() - begun);
	if (!failures)
		printf("ok - %llu simulated worlds keep their promises\n", (unsigned long long)opt.seeds);
	for (unsigned j = 0; failures && !opt.quick_exit && j < opt.jobs; j++)
		if (share[j].failures) {
			opt.shrink = true;
			(void)show_failure(share[j].failed[0]);
			break;
		}
	return failures > 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "seeds", required_argument, NULL, 'n' }, { "first", required_argument, NULL, 'f' }, { "jobs", required_argument, NULL, 'j' },
		{ "seed", required_argument, NULL, 's' }, { "shrink", no_argument, NULL, 'k' }, { "first-failure", no_argument, NULL, 'q' },
		{ "log", no_argument, NULL, 'l' }, { "show", no_argument, NULL, 'w' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (c) {
		case 'n': opt.seeds = strtoull(optarg, NULL, 10); break;
		case 'f': opt.first = strtoull(optarg, NULL, 10); break;
		case 'j': opt.jobs = (unsigned)strtoul(optarg, NULL, 10); break;
		case 's': opt.one = strtoull(optarg, NULL, 10); break;
		case 'k': opt.shrink = true; break;
		case 'q': opt.quick_exit = true; break;
		case 'l': opt.verbose = true; break;
		case 'w': opt.show = true; break;
		default: return 2;
		}
	if (!opt.jobs)
		opt.jobs = 1;
	return opt.one ? show_failure(opt.one) : run_seeds();
}
