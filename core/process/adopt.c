#include "process/adopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "shm/shm.h"

enum { POLITE = 10 };	/* nice value of the thread: calls come first */

static struct {
	struct desk   *desk;
	void         (*lead)(struct mail *m);	/* in the leader's process */
	unsigned       leader;			/* its slot; 0: nobody leads */
	uint32_t       epoch;			/* of the program in use here; 0: that of the start */
	/* a child's */
	struct loop   *loop;
	pthread_t      thread;
	bool           busy;			/* the thread is at work */
	struct loop_fd ready;			/* it has ended */
	uint32_t       preparing;		/* for which ticket it works, or has worked */
	struct version next;			/* of that */
	struct script *prepared;		/* the thread's while it works; NULL: no memory */
} own;

static struct seat *my_seat(void)
{
	return &own.desk->seat[proc_self()];
}

static void tell(uint32_t *what, uint32_t epoch)
{
	__atomic_store_n(what, epoch, __ATOMIC_RELEASE);
	if (own.leader)
		mail_post(own.leader, &my_seat()->back);
}

/* --- taking it --- */

enum err adopt_switch(struct script *s, uint32_t epoch, char *why, size_t cap)
{
	enum err err = script_apply(s, why, cap);

	if (!err && own.loop)
		err = script_bind(s, why, cap);
	if (err)
		return err;
	script_set_epoch(s, epoch);
	script_use(s);
	own.epoch = epoch;
	return OK;
}

static enum err take(struct script *s, uint32_t epoch, char *why, size_t cap)
{
	if (s)
		return adopt_switch(s, epoch, why, cap);
	snprintf(why, cap, "no memory for another program");
	return ERR_NOMEM;
}

/* That of this moment, compiled here and now. */
static enum err catch_up(char *why, size_t cap)
{
	struct versions v = versions_get();

	if (!own.epoch)
		own.epoch = 1;
	return v.epoch == own.epoch ? OK : take(version_load(&v.now), v.epoch, why, cap);
}

void adopt_catch_up(void)
{
	char why[256] = "";

	if (catch_up(why, sizeof(why)))
		log_error(NULL, "the supervisor keeps an old program, its children take the new one by themselves reason=\"%s\"", why);
}

/* --- preparing --- */

static void *thread_main(void *unused)
{
	(void)unused;
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), POLITE);	/* of this thread alone: Linux */
	own.prepared = version_load(&own.next);
	(void)eventfd_write(own.ready.fd, 1);
	return NULL;
}

static void thread_end(void)
{
	eventfd_t count;

	if (!own.busy)
		return;
	pthread_join(own.thread, NULL);
	own.busy = false;
	(void)eventfd_read(own.ready.fd, &count);
}

static void drop_prepared(void)
{
	script_free(own.prepared);
	own.prepared = NULL;
	own.preparing = 0;
}

/* What the desk asks for; a thread that works for something else is let finish first. */
static void prepare(void)
{
	uint32_t wanted = __atomic_load_n(&own.desk->preparing, __ATOMIC_ACQUIRE);

	if (own.busy || wanted == own.preparing)
		return;
	drop_prepared();
	if (!wanted)
		return;
	own.preparing = wanted;
	own.next = own.desk->next;
	own.busy = thread_start(&own.thread, thread_main, NULL);
	if (!own.busy)
		tell(&my_seat()->failed, wanted);
}

static void on_ready(struct loop_fd *f, uint32_t events)
{
	(void)f, (void)events;
	thread_end();
	if (own.preparing == __atomic_load_n(&own.desk->preparing, __ATOMIC_ACQUIRE))
		tell(own.prepared ? &my_seat()->prepared : &my_seat()->failed, own.preparing);
	prepare();
}

static void switch_to(const struct versions *v)
{
	char           why[256] = "";
	struct script *s;

	thread_end();
	s = own.next.number == v->now.number ? own.prepared : NULL;
	if (s)
		own.prepared = NULL;
	drop_prepared();
	if (take(s ? s : version_load(&v->now), v->epoch, why, sizeof(why))) {
		log_error(NULL, "cannot take the new program, starting again with it reason=\"%s\"", why);
		exit(1);
	}
}

static void on_letter(struct mail *m)
{
	struct versions v = versions_get();

	(void)m;
	if (v.epoch != own.epoch) {
		switch_to(&v);
		script_reloaded(v.now.number, str_of(v.now.digest));
		tell(&my_seat()->active, v.epoch);
	}
	prepare();
}

static void on_program_end(void)
{
	if (own.loop && script_oldest() != my_seat()->oldest)
		tell(&my_seat()->oldest, script_oldest());
}

/* --- start --- */

enum err adopt_boot(void)
{
	unsigned n = proc_count();

	own.desk = shm_zalloc(shm_owner_new("reload"), sizeof(*own.desk) + n * sizeof(own.desk->seat[0]));
	if (!own.desk)
		return ERR_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		mail_init(&own.desk->seat[i].to, on_letter);
		mail_init(&own.desk->seat[i].back, own.lead);
	}
	return OK;
}

struct desk *adopt_desk(void)
{
	return own.desk;
}

void adopt_set_leader(unsigned slot, void (*fn)(struct mail *m))
{
	own.leader = slot;
	own.lead = fn;
}

enum err adopt_start(struct loop *l, char *why, size_t cap)
{
	enum err err = catch_up(why, cap);

	if (!err)
		err = script_bind(script_now(), why, cap);
	if (err)
		return err;
	own.loop = l;
	own.ready = (struct loop_fd){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = on_ready };
	if (own.ready.fd < 0 || loop_add(l, &own.ready, EPOLLIN)) {
		snprintf(why, cap, "no descriptor is left");
		return ERR_IO;
	}
	script_set_epoch(script_now(), own.epoch);
	script_on_end(on_program_end);
	my_seat()->oldest = own.epoch;
	tell(&my_seat()->active, own.epoch);
	prepare();
	return OK;
}

void adopt_stop(void)
{
	if (!own.loop)
		return;
	thread_end();
	drop_prepared();
	loop_remove(own.loop, &own.ready);
	close(own.ready.fd);
	own.loop = NULL;
}
