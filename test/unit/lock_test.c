/* core/shm/lock: robustness, ranks, depth of critical sections. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/lock.h"
#include "shm/shm.h"

enum { MB = 1024 * 1024 };

static struct shared {
	struct lock low, high;
	int         sum;
} *shared;

static void up(void)
{
	shm_destroy();
	CHECK_INT(shm_create(MB, 3), OK);
	shared = shm_zalloc(0, sizeof(*shared));
	lock_init(&shared->low, RANK_LOCATION);
	lock_init(&shared->high, RANK_TRANS);
}

static void quiet(void)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO);
}

static int in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int   status = -1;

	if (!pid) {
		quiet();
		proc_enter(1, "child");
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

static void die_holding(void)
{
	lock(&shared->low);
	die();
}

static void die_outside(void)
{
	lock(&shared->low);
	unlock(&shared->low);
	die();
}

static void die_in_section(void)
{
	critical_enter();
	critical_enter();
	critical_leave();
	die();
}

static void take_low(void)
{
	lock(&shared->low);
	unlock(&shared->low);
}

TEST(lock_of_a_dead_owner_ends_whoever_finds_it)
{
	int status;

	up();
	status = in_child(die_holding);
	CHECK(WIFSIGNALED(status));
	CHECK(!proc_died_clean(1));
	status = in_child(take_low);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == LOCK_POISONED);
	status = in_child(take_low);	/* and the next, too */
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == LOCK_POISONED);
	shm_destroy();
}

static void hold_for_a_while(void)
{
	lock(&shared->low);
	shared->sum = 1;
	usleep(200 * 1000);	/* longer than a waiter sleeps before it looks whether the owner lives */
	shared->sum = 2;
	unlock(&shared->low);
}

TEST(lock_of_a_living_owner_is_waited_for)
{
	pid_t pid;
	int   status;

	up();
	pid = fork();
	if (!pid) {
		proc_enter(1, "child");
		hold_for_a_while();
		_exit(0);
	}
	while (!__atomic_load_n(&shared->sum, __ATOMIC_ACQUIRE))
		usleep(1000);
	CHECK_INT(in_child(take_low), 0);
	CHECK_INT(shared->sum, 2);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	shm_destroy();
}

TEST(lock_death_outside_is_clean_and_inside_a_section_is_not)
{
	up();
	in_child(die_outside);
	CHECK(proc_died_clean(1));
	in_child(die_in_section);
	CHECK(!proc_died_clean(1));
	CHECK_INT(in_child(take_low), 0);	/* a new incarnation begins at depth 0 */
	CHECK(proc_died_clean(1));
	shm_destroy();
}

static void against_the_ranks(void)
{
	lock(&shared->high);
	lock(&shared->low);
}

static void same_rank_twice(void)
{
	lock(&shared->low);
	lock(&shared->low);
}

static void release_what_is_not_held(void)
{
	unlock(&shared->low);
}

TEST(lock_misuse_aborts)
{
	static void (*const rows[])(void) = { against_the_ranks, same_rank_twice, release_what_is_not_held };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int status;

		up();
		status = in_child(rows[i]);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
	shm_destroy();
}

TEST(lock_held_knows_and_order_of_release_is_free)
{
	up();
	CHECK(!lock_held(&shared->low));
	lock(&shared->low);
	lock(&shared->high);
	CHECK(lock_held(&shared->low) && lock_held(&shared->high));
	CHECK_INT(proc_get(0)->depth, 2);
	unlock(&shared->low);
	CHECK(!lock_held(&shared->low) && lock_held(&shared->high));
	unlock(&shared->high);
	CHECK_INT(proc_get(0)->depth, 0);
	shm_destroy();
}

/* Somebody dies holding it while others wait already. */
TEST(lock_waiters_notice_the_death_of_the_owner)
{
	pid_t owner, waiter;
	int   status;

	up();
	owner = fork();
	if (!owner) {
		proc_enter(1, "owner");
		lock(&shared->low);
		__atomic_store_n(&shared->sum, 1, __ATOMIC_RELEASE);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(&shared->sum, __ATOMIC_ACQUIRE))
		usleep(1000);
	waiter = fork();
	if (!waiter) {
		quiet();
		proc_enter(2, "waiter");
		take_low();
		_exit(0);
	}
	usleep(20 * 1000);
	kill(owner, SIGKILL);
	waitpid(owner, &status, 0);
	waitpid(waiter, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == LOCK_POISONED);
	shm_destroy();
}

static void add_many(void)
{
	for (int i = 0; i < 50000; i++) {
		lock(&shared->low);
		shared->sum++;
		unlock(&shared->low);
	}
}

TEST(lock_excludes_other_processes)
{
	pid_t pid;
	int   status;

	up();
	pid = fork();
	if (!pid) {
		proc_enter(1, "child");
		add_many();
		_exit(0);
	}
	add_many();
	waitpid(pid, &status, 0);
	CHECK_INT(shared->sum, 100000);
	shm_destroy();
}

TEST(lock_works_before_there_is_a_region)
{
	struct lock l;

	shm_destroy();
	lock_init(&l, RANK_MODULE);
	lock(&l);
	critical_enter();
	critical_leave();
	unlock(&l);
	CHECK(!lock_held(&l));
}
