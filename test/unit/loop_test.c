/* core/net: event loop and mailboxes. */
#include "test.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { MB = 1024 * 1024 };

static struct pipe_end {
	struct loop_fd f;
	struct loop   *loop;
	struct loop_fd *removes;
	int            calls;
} ends[2];

static void on_pipe(struct loop_fd *f, uint32_t events)
{
	struct pipe_end *e = CONTAINER(f, struct pipe_end, f);
	char             c;

	CHECK(events & EPOLLIN);
	CHECK_INT(read(f->fd, &c, 1), 1);
	e->calls++;
	if (e->removes)
		loop_remove(e->loop, e->removes);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

TEST(loop_handles_events_and_ends_its_turn)
{
	struct loop *l = loop_new();
	int          fd[2], turns = 0;

	CHECK_INT(pipe(fd), 0);
	ends[0] = (struct pipe_end){ .f = { .fd = fd[0], .fn = on_pipe }, .loop = l };
	CHECK_INT(loop_add(l, &ends[0].f, EPOLLIN), OK);
	loop_at_turn_end(l, count_up, &turns);
	loop_turn(l, 0);
	CHECK(ends[0].calls == 0 && turns == 1);
	CHECK_INT(write(fd[1], "x", 1), 1);
	loop_turn(l, 1000);
	CHECK(ends[0].calls == 1 && turns == 2);
	CHECK_INT(loop_change(l, &ends[0].f, 0), OK);
	CHECK_INT(write(fd[1], "x", 1), 1);
	loop_turn(l, 0);
	CHECK_INT(ends[0].calls, 1);
	loop_remove(l, &ends[0].f);
	loop_free(l);
	close(fd[0]);
	close(fd[1]);
}

TEST(loop_forgets_events_of_what_was_removed_in_the_same_turn)
{
	struct loop *l = loop_new();
	int          fd[2][2];

	for (int i = 0; i < 2; i++) {
		CHECK_INT(pipe(fd[i]), 0);
		ends[i] = (struct pipe_end){ .f = { .fd = fd[i][0], .fn = on_pipe }, .loop = l };
		CHECK_INT(loop_add(l, &ends[i].f, EPOLLIN), OK);
		CHECK_INT(write(fd[i][1], "x", 1), 1);
	}
	ends[0].removes = &ends[1].f;
	ends[1].removes = &ends[0].f;
	loop_turn(l, 1000);
	CHECK_INT(ends[0].calls + ends[1].calls, 1);
	loop_free(l);
	for (int i = 0; i < 4; i++)
		close(fd[i / 2][i % 2]);
}

static struct loop *stopped;

static void stop_it(struct timer *t)
{
	(void)t;
	loop_stop(stopped);
}

TEST(loop_wakes_for_private_and_shared_timers)
{
	struct timer  mine;
	struct timer *shared;
	uint64_t      start;

	stopped = loop_new();
	timer_init(&mine, stop_it);
	clock_tick();
	start = clock_ms();
	wheel_arm(loop_wheel(stopped), &mine, start + 30);
	loop_run(stopped);
	CHECK(clock_ms() >= start + 30 && clock_ms() < start + 1000);

	CHECK_INT(shm_create(MB, 2), OK);
	CHECK_INT(timer_boot(), OK);
	shared = shm_zalloc(0, sizeof(*shared));
	timer_init(shared, stop_it);
	start = clock_ms();
	timer_arm(shared, start + 30);
	loop_run(stopped);
	CHECK(clock_ms() >= start + 30 && clock_ms() < start + 1000);
	loop_free(stopped);
	shm_destroy();
}

struct letter {
	struct mail mail;
	int         read;
	int         again;	/* posts itself so many times more */
};
static struct letter *letters;

static void on_letter(struct mail *m)
{
	struct letter *l = CONTAINER(m, struct letter, mail);

	l->read++;
	if (l->again-- > 0)
		mail_post(proc_self(), m);
}

static void up(void)
{
	shm_destroy();
	CHECK_INT(shm_create(MB, 3), OK);
	CHECK_INT(mailbox_boot(), OK);
	letters = shm_zalloc(0, 4 * sizeof(*letters));
	for (int i = 0; i < 4; i++)
		mail_init(&letters[i].mail, on_letter);
}

TEST(mail_is_read_in_order_and_once)
{
	up();
	CHECK(mail_post(0, &letters[0].mail));
	CHECK(!mail_post(0, &letters[0].mail));
	CHECK(!mail_post(1, &letters[0].mail));	/* in another's box: there it stays */
	CHECK(mail_post(0, &letters[1].mail));
	CHECK_INT(mailbox_read(), 2);
	CHECK_INT(letters[0].read, 1);
	letters[0].again = 2;
	CHECK(mail_post(0, &letters[0].mail));
	CHECK_INT(mailbox_read(), 3);
	CHECK_INT(letters[0].read, 4);
	shm_destroy();
}

static bool all_read(void)
{
	return __atomic_load_n(&letters[0].read, __ATOMIC_ACQUIRE) && __atomic_load_n(&letters[1].read, __ATOMIC_ACQUIRE);
}

static void read_from_loop(void)
{
	struct loop *l = loop_new();

	if (!l || mailbox_start(l))
		_exit(1);
	for (int i = 0; i < 100 && !all_read(); i++)
		loop_turn(l, 100);
	loop_free(l);
	_exit(!all_read());
}

static pid_t reader(unsigned slot)
{
	pid_t pid = fork();

	if (!pid) {
		proc_enter(slot, "reader");
		read_from_loop();
	}
	return pid;
}

TEST(mail_wakes_another_process_and_waits_for_one_that_is_not_there)
{
	int   status;
	pid_t pid;

	up();
	mail_post(1, &letters[0].mail);	/* before there is anyone */
	pid = reader(1);
	usleep(20000);
	mail_post(1, &letters[1].mail);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	shm_destroy();
}

/* The first reader dies over the letter. */
static void on_fatal_letter(struct mail *m)
{
	struct letter *l = CONTAINER(m, struct letter, mail);

	if (l->again) {		/* there is nothing more to be done about it */
		critical_enter();
		mail_settled(m);
		critical_leave();
	}
	if (!l->read++)
		_exit(0);
}

static void one_dies_reading(void)
{
	pid_t pid = fork();

	if (!pid) {
		proc_enter(1, "reader");
		mailbox_read();
		_exit(1);
	}
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK(proc_died_clean(1));
}

TEST(mail_that_a_process_died_over_is_read_by_the_next_unless_it_was_settled)
{
	up();
	for (int i = 0; i < 4; i++) {
		letters[i].mail.fn = on_fatal_letter;
		letters[i].read = i == 1;
	}
	mail_post(1, &letters[0].mail);
	mail_post(1, &letters[1].mail);
	one_dies_reading();
	proc_enter(1, "heir");
	hand_adopt();
	CHECK_INT(mailbox_read(), 2);
	CHECK_INT(letters[0].read, 2);
	CHECK_INT(letters[1].read, 2);
	letters[2].again = 1;
	mail_post(1, &letters[2].mail);
	one_dies_reading();
	proc_enter(1, "heir");
	hand_adopt();
	CHECK_INT(mailbox_read(), 0);
	mail_post(1, &letters[3].mail);
	one_dies_reading();
	CHECK(mail_post(2, &letters[3].mail));	/* to another one meanwhile: there it stays */
	proc_enter(1, "heir");
	hand_adopt();
	CHECK_INT(mailbox_read(), 0);
	proc_enter(2, "another");
	CHECK_INT(mailbox_read(), 1);
	shm_destroy();
}

TEST(mail_flood_lets_the_loop_go_on)
{
	up();
	letters[0].again = 1500;
	mail_post(0, &letters[0].mail);
	CHECK_INT(mailbox_read(), 1024);
	CHECK_INT(mailbox_read(), 477);
	shm_destroy();
}
