#include "net/mailbox.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { LETTERS_A_TURN = 1024 };	/* then sockets and timers are served again */

/* In shared memory. */
struct box {
	struct lock lock;	/* RANK_MAILBOX: the list and the letters' links and flags */
	struct list letters;
};

static struct {
	struct box    *box;	/* one a process slot */
	int           *wake;	/* an eventfd a process slot, inherited by all */
	unsigned       count;
	struct loop_fd fd;	/* this process's */
} post;

static void wake(unsigned slot)
{
	uint64_t one = 1;
	ssize_t  done = write(post.wake[slot], &one, sizeof(one));

	(void)done;	/* EAGAIN: it is awake already */
}

static void close_all(void)
{
	for (unsigned i = 0; i < post.count; i++)
		close(post.wake[i]);
	free(post.wake);
	post.wake = NULL;
	post.count = 0;
}

enum err mailbox_boot(void)
{
	unsigned n = proc_count();

	close_all();
	post.box = shm_alloc(shm_owner_new("mailbox"), n * sizeof(*post.box));
	post.wake = calloc(n, sizeof(*post.wake));
	if (!post.box || !post.wake)
		return ERR_NOMEM;
	for (; post.count < n; post.count++) {
		post.wake[post.count] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (post.wake[post.count] < 0)
			return ERR_IO;
		lock_init(&post.box[post.count].lock, RANK_MAILBOX);
		list_init(&post.box[post.count].letters);
	}
	return OK;
}

void mail_init(struct mail *m, void (*fn)(struct mail *m))
{
	*m = (struct mail){ .fn = fn };
	list_init(&m->link);
}

/* The eventfd is written under the lock (it does not block): a process that is killed after the first letter and before the
 * write would otherwise leave a box that nobody wakes for again. `posted` is guarded by the lock of the box that has the letter,
 * which need not be this one: so it is taken with an atomic exchange. */
bool mail_post(unsigned slot, struct mail *m)
{
	struct box *b = &post.box[slot];
	bool        first;

	lock(&b->lock);
	first = !__atomic_exchange_n(&m->posted, 1, __ATOMIC_ACQ_REL);
	if (first) {
		if (list_empty(&b->letters))
			wake(slot);
		list_append(&b->letters, &m->link);
	}
	unlock(&b->lock);
	return first;
}

/* The next process in the slot reads what its predecessor died over, unless it has been posted anew meanwhile. */
static void put_back(void *letter)
{
	struct box  *b = &post.box[proc_self()];
	struct mail *m = letter;

	lock(&b->lock);
	mail_settled(m);
	if (!__atomic_exchange_n(&m->posted, 1, __ATOMIC_ACQ_REL))
		list_prepend(&b->letters, &m->link);
	unlock(&b->lock);
}

void mail_settled(struct mail *m)
{
	hand_give(m);
}

static struct mail *next_letter(struct box *b)
{
	struct mail *m = NULL;

	lock(&b->lock);
	if (!list_empty(&b->letters)) {
		m = LIST_FIRST(&b->letters, struct mail, link);
		list_remove(&m->link);
		__atomic_store_n(&m->posted, 0, __ATOMIC_RELEASE);
		hand_take(m, put_back);
	}
	unlock(&b->lock);
	return m;
}

/* Where the handler has settled the letter it may be freed by now. */
static void read_letter(struct mail *m)
{
	m->fn(m);
	critical_enter();
	mail_settled(m);
	critical_leave();
}

size_t mailbox_read(void)
{
	struct box  *b = &post.box[proc_self()];
	struct mail *m;
	size_t       n = 0;

	for (; n < LETTERS_A_TURN && (m = next_letter(b)); n++)
		read_letter(m);
	if (n == LETTERS_A_TURN)
		wake(proc_self());	/* whoever posts to a box with letters wakes nobody */
	return n;
}

/* Edge-triggered: each write wakes once, so that the count need not be read to be taken back. */
static void on_wake(struct loop_fd *f, uint32_t events)
{
	(void)f, (void)events;
	mailbox_read();
}

enum err mailbox_start(struct loop *l)
{
	post.fd = (struct loop_fd){ .fd = post.wake[proc_self()], .fn = on_wake };
	wake(proc_self());	/* a predecessor may have died with letters unread */
	return loop_add(l, &post.fd, EPOLLIN | EPOLLET);
}
