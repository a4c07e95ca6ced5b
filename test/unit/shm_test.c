/* core/shm: region, slabs, magazines, owners, process slots, counters. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "shm/counter.h"
#include "shm/shm.h"

enum { MB = 1024 * 1024 };

static void up(size_t limit_bytes, unsigned procs)
{
	shm_destroy();
	CHECK_INT(shm_create(limit_bytes, procs), OK);
}

static struct shm_usage usage(const char *owner)
{
	struct shm_usage rows[64];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n; i++)
		if (str_is(str_of(rows[i].owner), owner))
			return rows[i];
	return (struct shm_usage){ 0 };
}

static uint64_t taken(void)
{
	uint64_t limit, bytes, free_bytes;

	shm_totals(&limit, &bytes, &free_bytes);
	return bytes;
}

/* Run fn in a child in that slot; its wait status. */
static int in_child(unsigned slot, void (*fn)(void))
{
	pid_t pid = fork();
	int   status = -1;

	if (!pid) {
		proc_enter(slot, "child");
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

TEST(shm_every_size_fits_is_aligned_and_keeps_its_bytes)
{
	shm_owner who = shm_owner_new("sizes");
	char     *all[400];
	size_t    n = 0, sizes[COUNT_OF(all)];

	up(64 * MB, 2);
	for (size_t bytes = 0; n < COUNT_OF(all) && bytes < 200000; bytes += bytes / 20 + 1, n++) {
		all[n] = shm_alloc(who, bytes);
		sizes[n] = bytes;
		CHECK(all[n] && (uintptr_t)all[n] % 8 == 0);
		CHECK(shm_usable(all[n]) >= bytes);
		memset(all[n], (int)n, bytes);
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizes[i]; k++)
			CHECK((unsigned char)all[i][k] == (unsigned char)i);
		shm_free(all[i]);
	}
	CHECK_INT(usage("sizes").bytes, 0);
	CHECK_INT(usage("sizes").objects, 0);
	shm_destroy();
}

TEST(shm_usage_is_by_owner_and_the_same_name_is_one_owner)
{
	shm_owner a = shm_owner_new("alpha"), b = shm_owner_new("beta");
	void     *p, *q;

	up(4 * MB, 1);
	CHECK_INT(shm_owner_new("alpha"), a);
	CHECK(a != b);
	p = shm_alloc(a, 100);	/* 108 with its head: the class of 112 */
	q = shm_alloc(b, 100000);	/* two blocks */
	CHECK_INT(usage("alpha").bytes, 112);
	CHECK_INT(usage("alpha").objects, 1);
	CHECK_INT(usage("beta").bytes, 131072);
	shm_free(p);
	shm_free(q);
	CHECK_INT(usage("alpha").bytes + usage("beta").bytes, 0);
	shm_destroy();
}

TEST(shm_null_at_the_limit_and_all_of_it_again_after_the_release)
{
	shm_owner who = shm_owner_new("limit");
	void    **chain = NULL, **p;
	size_t    first = 0, second = 0;

	up(2 * MB, 1);
	for (; (p = shm_alloc(who, 1000)); first++, chain = p)
		*p = chain;
	CHECK(first > 1700 && taken() == 2 * MB);	/* of 2048 kB in objects of 1024 with their heads: 2048 less a margin */
	CHECK(shm_alloc(who, 100000) == NULL);
	for (; chain; chain = p) {
		p = *chain;
		shm_free(chain);
	}
	CHECK_INT(usage("limit").bytes, 0);
	/* blocks went back: another class and big objects find them */
	p = shm_alloc(who, 20 * 65536);
	CHECK(p);
	shm_free(p);
	for (; (p = shm_alloc(who, 500)); second++, chain = p)
		*p = chain;
	CHECK(second > 3400);
	CHECK_INT(taken(), 2 * MB);
	shm_destroy();
}

TEST(shm_says_when_a_sixteenth_is_left)
{
	shm_owner who = shm_owner_new("scarce");
	void     *p[16];
	size_t    n = 0;

	up(2 * MB, 1);		/* 32 blocks */
	CHECK(!shm_scarce());
	while (!shm_scarce() && n < COUNT_OF(p))
		p[n++] = shm_alloc(who, 100000);	/* two each */
	CHECK_INT(n, 16);
	CHECK(!shm_alloc(who, 10));
	shm_free(p[--n]);
	CHECK(!shm_scarce());
	while (n)
		shm_free(p[--n]);
	shm_destroy();
}

TEST(shm_soak_ends_where_it_began)
{
	shm_owner who = shm_owner_new("soak");
	void     *p[500] = { 0 };
	uint64_t  after_warm_up = 0;

	up(64 * MB, 1);
	random_seed(7);
	for (int round = 0; round < 60; round++) {
		for (size_t i = 0; i < COUNT_OF(p); i++) {
			shm_free(p[i]);
			p[i] = shm_alloc(who, random_below(random_below(8) ? 3000 : 90000));
			CHECK(p[i]);
		}
		if (round == 30)
			after_warm_up = taken();
	}
	CHECK(taken() <= after_warm_up * 5 / 4);
	for (size_t i = 0; i < COUNT_OF(p); i++)
		shm_free(p[i]);
	CHECK_INT(usage("soak").bytes, 0);
	random_seed(0);
	shm_destroy();
}

TEST(shm_fails_on_demand_for_the_tests_of_failure_paths)
{
	shm_owner who = shm_owner_new("fail");
	void     *p;

	up(MB, 1);
	shm_fail_after(2);
	p = shm_alloc(who, 10);
	CHECK(p);
	CHECK(!shm_alloc(who, 10));
	CHECK(!shm_dup(who, STR("x")).p);
	shm_fail_after(0);
	shm_free(p);
	shm_free(NULL);
	CHECK(!shm_alloc(who, SIZE_MAX));
	CHECK(!shm_alloc(who, (size_t)1 << 50));
	shm_destroy();
}

TEST(shm_dup_of_nothing_is_something)
{
	struct str s;

	up(MB, 1);
	s = shm_dup(0, STR_NONE);
	CHECK(s.p && s.len == 0);
	shm_free((char *)s.p);
	s = shm_dup(0, STR("sip:alice@example.com"));
	CHECK_STR(s, "sip:alice@example.com");
	shm_free((char *)s.p);
	shm_destroy();
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

TEST(shm_stale_and_overlong_accesses_are_found_under_asan)
{
	char *p;

	up(MB, 2);
	p = shm_zalloc(0, 100);
	CHECK(!__asan_region_is_poisoned(p, 100));
	CHECK(__asan_address_is_poisoned(p + 100));
	CHECK(shm_usable(p) == 104 && !__asan_region_is_poisoned(p, 104));
	shm_free(p);
	CHECK(__asan_address_is_poisoned(p) && __asan_address_is_poisoned(p + 99));
	shm_destroy();
	CHECK(!__asan_address_is_poisoned(p));
}
#endif

static char *victim;

static void no_log(enum log_level level, struct str line)
{
	(void)level, (void)line;
}

static void free_it(void)
{
	log_redirect(no_log);
	shm_free(victim);
}

static void free_twice(void)
{
	log_redirect(no_log);
	shm_free(victim);
	shm_free(victim);
}

TEST(shm_double_free_and_foreign_pointers_abort)
{
	char *mine;
	int   status;

	up(MB, 2);
	mine = shm_zalloc(0, 100);
	victim = mine;
	CHECK(WIFEXITED(in_child(1, free_it)));	/* once is fine, by any process */
	victim = shm_zalloc(0, 100);
	status = in_child(1, free_twice);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	victim = mine + 16;
	status = in_child(1, free_it);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	victim = (char *)&status;
	status = in_child(1, free_it);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	shm_destroy();
}

static void give_one_away(void)
{
	victim[0] = 'x';
	shm_free(victim);
}

TEST(shm_any_process_frees_what_any_process_allocated)
{
	shm_owner who = shm_owner_new("pass");

	up(4 * MB, 3);
	for (unsigned i = 0; i < 5; i++) {
		victim = shm_alloc(who, 64);
		CHECK(WIFEXITED(in_child(1 + i % 2, give_one_away)));
	}
	CHECK_INT(usage("pass").bytes, 0);
	CHECK_INT(usage("pass").objects, 0);
	CHECK_INT(proc_get(1)->incarnation, 3);
	CHECK_INT(proc_get(2)->incarnation, 2);
	CHECK(str_is(str_of(proc_get(1)->role), "child"));
	shm_destroy();
}

/* A shared table of objects that two processes exchange; a slot is taken with an atomic swap. */
static void **market;

static void trade(void)
{
	shm_owner who = shm_owner_new("hammer");

	random_forked();
	for (int i = 0; i < 20000; i++) {
		size_t bytes = random_below(16) ? random_below(2000) : random_below(100000);
		void  *mine = shm_alloc(who, bytes);

		if (mine && bytes)
			memset(mine, 1, bytes);
		shm_free(__atomic_exchange_n(&market[random_below(256)], mine, __ATOMIC_ACQ_REL));
	}
}

TEST(shm_two_processes_hammering_end_where_they_began)
{
	pid_t pid[2];
	int   status;

	shm_owner_new("hammer");
	up(64 * MB, 3);
	market = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			proc_enter(1 + i, "hammer");
			trade();
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		waitpid(pid[i], &status, 0);
		CHECK_INT(status, 0);
		CHECK(proc_died_clean(1 + i));
	}
	proc_enter(PROC_SUPERVISOR, "test");
	for (size_t i = 0; i < 256; i++)
		shm_free(market[i]);
	CHECK_INT(usage("hammer").bytes, 0);
	CHECK_INT(usage("hammer").objects, 0);
	munmap(market, 4096);
	shm_destroy();
}

static void kill_when_dirty_or_not(unsigned rounds)
{
	shm_owner who = shm_owner_new("killed");
	int64_t   drift;

	for (unsigned i = 0; i < rounds; i++) {
		pid_t pid = fork();
		int   status;

		if (!pid) {
			proc_enter(1, "killed");
			for (;;)
				shm_free(shm_alloc(who, 40));
		}
		usleep(500 + i * 137);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		if (!proc_died_clean(1))
			return;	/* it was in a critical section: the supervisor would rebuild */
	}
	drift = (int64_t)usage("killed").objects;
	CHECK(drift <= (int64_t)rounds);	/* at worst the object in hand */
}

TEST(shm_kill_in_a_magazine_leaves_it_whole)
{
	void *p[64];

	up(4 * MB, 2);
	kill_when_dirty_or_not(40);
	if (!proc_died_clean(1))
		goto out;
	proc_enter(1, "heir");
	for (size_t i = 0; i < COUNT_OF(p); i++)
		CHECK((p[i] = shm_alloc(0, 40)) != NULL);
	for (size_t i = 0; i < COUNT_OF(p); i++)
		for (size_t k = 0; k < i; k++)
			CHECK(p[i] != p[k]);
	for (size_t i = 0; i < COUNT_OF(p); i++)
		shm_free(p[i]);
out:
	shm_destroy();
}

static struct counter requests = { .name = "test.requests", .help = "requests", .unit = "requests" };
static struct counter open_now = { .name = "test.open", .help = "open", .unit = "things", .gauge = true };
static struct counter nobody = { .name = "test.nobody", .help = "never registered", .unit = "" };

static void count_in_child(void)
{
	counter_add(&requests, 10);
	counter_add(&open_now, -1);
}

TEST(counters_are_summed_over_processes_and_outlive_the_region)
{
	shm_destroy();
	counter_register(&requests);
	counter_register(&requests);
	counter_register(&open_now);
	counter_inc(&requests);
	CHECK_INT(counter_read(&requests), 1);
	up(MB, 3);
	counter_add(&open_now, 3);
	for (unsigned i = 0; i < 4; i++)
		in_child(1 + i % 2, count_in_child);
	CHECK_INT(counter_read(&requests), 41);
	CHECK_INT(counter_read(&open_now), -1);
	shm_destroy();
	CHECK_INT(counter_read(&requests), 41);
	CHECK_INT(counter_read(&open_now), 0);
	counter_inc(&nobody);
	CHECK_INT(counter_read(&nobody), 0);
	CHECK(counter_at(requests.id - 1) == &requests);
	CHECK(counter_at(10000) == NULL);
}

static void count_named(const char *name, int64_t n)
{
	struct counter *c = calloc(1, sizeof(*c));

	c->name = name;
	CHECK(counter_register_named(c));
	counter_add(c, n);
	free(c);
}

static void count_new_in_child(void)
{
	count_named("test.first to be named", 1);
	count_named("test.second", 10);
}

static void count_other_way_in_child(void)
{
	count_named("test.second", 100);
	count_named("test.first to be named", 1000);
}

TEST(a_counter_that_is_named_after_the_fork_is_the_same_for_all_and_outlives_the_region)
{
	struct counter first = { .name = "test.first to be named" }, second = { .name = "test.second" };

	shm_destroy();
	up(MB, 3);
	in_child(1, count_new_in_child);
	in_child(2, count_other_way_in_child);
	CHECK(counter_register_named(&first));
	CHECK_INT(counter_read(&first), 1001);
	shm_destroy();
	up(MB, 3);
	CHECK(counter_register_named(&second));
	CHECK_INT(counter_read(&second), 110);
	CHECK_INT(counter_read(&first), 1001);
}

TEST(what_the_region_counts_itself_is_listed)
{
	bool seen = false;

	shm_destroy();
	up(MB, 3);
	for (size_t i = 0; counter_at(i); i++)
		seen |= !strcmp(counter_at(i)->name, "shm.refused");
	CHECK(seen);
}

TEST(a_counter_is_listed_as_long_as_it_is_shown)
{
	struct counter c = { .name = "test.shown" };
	bool           seen = false;

	shm_destroy();
	CHECK(counter_register_named(&c));
	counter_show(&c, true);
	for (size_t i = 0; counter_at(i); i++)
		seen |= counter_at(i) == &c;
	CHECK(seen);
	counter_show(&c, false);
	for (size_t i = 0; counter_at(i); i++)
		CHECK(counter_at(i) != &c);
}
