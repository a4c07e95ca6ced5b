/* What may have to wait for the disk is done by a thread, so that the writer's loop goes on committing while a disk is stalled. The thread touches what its
 * errand is about, which nobody else touches meanwhile, and nothing else: no shared memory, no log, no clock. */
#include "modules/cdr/cdr.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"

static struct {
	pthread_t       thread;
	pthread_mutex_t lock;		/* guards work and stop; private to this process and thus without a rank */
	pthread_cond_t  more, idle;
	void          (*work)(void);	/* NULL: it is done */
	bool            stop;
	/* the loop's */
	struct loop    *loop;		/* NULL: not started */
	struct loop_fd  wake;
	void          (*after)(void);	/* NULL: nothing is under way */
} disk;

/* NULL: stop. */
static void (*next_errand(void))(void)
{
	void (*work)(void);

	pthread_mutex_lock(&disk.lock);
	while (!disk.work && !disk.stop)
		pthread_cond_wait(&disk.more, &disk.lock);
	work = disk.work;
	pthread_mutex_unlock(&disk.lock);
	return work;
}

static void *disk_main(void *unused)
{
	void (*work)(void);

	(void)unused;
	while ((work = next_errand())) {
		work();
		pthread_mutex_lock(&disk.lock);
		disk.work = NULL;
		pthread_cond_signal(&disk.idle);
		pthread_mutex_unlock(&disk.lock);
		(void)eventfd_write(disk.wake.fd, 1);	/* fails only when the counter is full, and then it is readable */
	}
	return NULL;
}

static bool is_done(void)
{
	bool done;

	pthread_mutex_lock(&disk.lock);
	done = !disk.work;
	pthread_mutex_unlock(&disk.lock);
	return done;
}

static void conclude(void)
{
	void (*after)(void) = disk.after;

	disk.after = NULL;
	if (after)
		after();
}

/* It may wake for an errand that disk_wait() has concluded already. */
static void on_wake(struct loop_fd *f, uint32_t events)
{
	eventfd_t n;

	(void)events;
	(void)eventfd_read(f->fd, &n);
	if (is_done())
		conclude();
}

bool disk_busy(void)
{
	return disk.after != NULL;
}

void disk_do(void (*work)(void), void (*after)(void))
{
	disk.after = after;
	pthread_mutex_lock(&disk.lock);
	disk.work = work;
	pthread_cond_signal(&disk.more);
	pthread_mutex_unlock(&disk.lock);
}

void disk_wait(void)
{
	if (!disk.loop)
		return;
	pthread_mutex_lock(&disk.lock);
	while (disk.work)
		pthread_cond_wait(&disk.idle, &disk.lock);
	pthread_mutex_unlock(&disk.lock);
	conclude();
}

enum err disk_start(struct loop *l)
{
	enum err err;

	disk.wake = (struct loop_fd){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = on_wake };
	if (disk.wake.fd < 0)
		return ERR_IO;
	pthread_mutex_init(&disk.lock, NULL);
	pthread_cond_init(&disk.more, NULL);
	pthread_cond_init(&disk.idle, NULL);
	disk.work = disk.after = NULL;
	disk.stop = false;
	err = loop_add(l, &disk.wake, EPOLLIN);
	if (!err && !thread_start(&disk.thread, disk_main, NULL)) {
		loop_remove(l, &disk.wake);
		err = ERR_IO;
	}
	if (err)
		close(disk.wake.fd);
	else
		disk.loop = l;
	return err;
}

void disk_stop(void)
{
	if (!disk.loop)
		return;
	disk_wait();
	pthread_mutex_lock(&disk.lock);
	disk.stop = true;
	pthread_cond_signal(&disk.more);
	pthread_mutex_unlock(&disk.lock);
	pthread_join(disk.thread, NULL);
	loop_remove(disk.loop, &disk.wake);
	close(disk.wake.fd);
	disk.loop = NULL;
}
