/* A worker's reads: one thread with its own connection, so that the loop never waits for a disk. Questions go to it by a list,
 * answers come back by another and an eventfd. The thread touches its connection, the questions it took and the two lists, nothing else:
 * no shared memory, no log, no clock. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "db/sqlite/sqlite.h"
#include "net/loop.h"

enum {
	MOST_WAITING = 1024,
	LATE_MS = 5000,			/* an answer is owed by then, also when the disk hangs */
	MOST_ANSWER_BYTES = 16 << 20,
	BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 2000,
};

struct question {
	struct list           link;	/* todo, taken by the thread, finished */
	struct list           waiting;	/* the loop's: all that are not answered yet, oldest first */
	const struct db_stmt *stmt;
	db_done              *done;
	void                 *arg;
	uint64_t              at_ms;	/* when it was asked: also the thread's idea of the time */
	bool                  late;	/* the loop's: has had its ERR_TIMEOUT */
	enum err              err;
	struct db_collect     answer;
	struct arena          arena;	/* of the answer */
	struct db_value       v[DB_MOST_PARAMS];
	char                  room[512] __attribute__((aligned(16)));
	char                  text[];	/* of the parameters */
};

static struct {
	pthread_t       thread;
	pthread_mutex_t lock;		/* guards todo, finished and stop; private to this process and thus without a rank */
	pthread_cond_t  more;
	struct list     todo, finished;
	bool            stop;
	/* the thread's */
	const char     *path;
	struct db      *conn;
	uint64_t        again_ms;	/* do not try to open before */
	uint32_t        backoff_ms;
	/* the loop's */
	struct loop    *loop;		/* NULL: not started */
	struct loop_fd  wake;
	struct list     waiting;
	unsigned        count;
	struct timer    late;
	bool            known, away;	/* what was told of it */
} r;

/* --- the thread --- */

static void drop_connection(uint64_t now_ms)
{
	db_close(r.conn);
	r.conn = NULL;
	r.again_ms = now_ms + r.backoff_ms;
	r.backoff_ms = r.backoff_ms * 2 < BACKOFF_MOST_MS ? r.backoff_ms * 2 : BACKOFF_MOST_MS;
}

static void drop_stale(void)
{
	if (!r.conn || !db_sqlite.stale(r.conn))
		return;
	db_close(r.conn);
	r.conn = NULL;
}

static bool connected(uint64_t now_ms)
{
	char why[256];

	if (r.conn)
		return true;
	if (now_ms < r.again_ms)
		return false;
	if (db_sqlite.open(r.path, DB_READ, &r.conn, why, sizeof(why)))
		drop_connection(now_ms);
	return r.conn != NULL;
}

static enum err ask(struct question *q)
{
	enum err err;

	if (!connected(q->at_ms))
		return ERR_IO;
	q->answer = (struct db_collect){ .arena = &q->arena };
	err = db_sqlite.run(r.conn, q->stmt, q->v, db_collect_row, &q->answer, NULL, 0);
	if (err == ERR_IO || err == ERR_NOMEM)
		drop_connection(q->at_ms);
	else
		r.backoff_ms = BACKOFF_FIRST_MS;
	return !err && q->answer.failed ? ERR_LIMIT : err;
}

/* All that came together read one snapshot: the file is locked once for them. */
static void ask_all(struct list *batch)
{
	bool one = batch->next->next == batch;
	bool began;

	drop_stale();
	began = !one && connected(LIST_FIRST(batch, struct question, link)->at_ms) && !db_sqlite.begin(r.conn, false, NULL, 0);
	LIST_EACH(struct question, q, batch, link)
		q->err = ask(q);
	if (began && r.conn)
		(void)db_sqlite.commit(r.conn, NULL, 0);	/* nothing was written */
}

/* False: stop. */
static bool take(struct list *batch)
{
	bool stop;

	list_init(batch);
	pthread_mutex_lock(&r.lock);
	while (list_empty(&r.todo) && !r.stop)
		pthread_cond_wait(&r.more, &r.lock);
	stop = r.stop;
	if (!stop)
		list_splice(batch, &r.todo);
	pthread_mutex_unlock(&r.lock);
	return !stop;
}

static void *reader_main(void *unused)
{
	struct list batch;

	(void)unused;
	while (take(&batch)) {
		ask_all(&batch);
		pthread_mutex_lock(&r.lock);
		list_splice(&r.finished, &batch);
		pthread_mutex_unlock(&r.lock);
		(void)eventfd_write(r.wake.fd, 1);	/* fails only when the counter is full, and then it is readable */
	}
	db_close(r.conn);
	r.conn = NULL;
	return NULL;
}

/* --- the loop --- */

static void question_free(struct question *q)
{
	arena_free(&q->arena);
	free(q);
}

static void note_away(enum err err)
{
	bool away = err == ERR_IO;

	if (r.known && away == r.away)
		return;
	r.known = true;
	r.away = away;
	if (away)
		presence_lacks(DB_READS, err, "the file cannot be read: is it there, sound and readable?");
	else
		presence_has(DB_READS);
}

static void give_answer(struct question *q)
{
	struct db_rows rows = { .rows = q->answer.rows, .cols = q->answer.cols, .cell = q->answer.cell };

	if (r.loop)	/* while stopping it is no news */
		note_away(q->err);
	list_remove(&q->waiting);
	r.count--;
	if (!q->late)
		q->done(q->arg, q->err, q->err ? NULL : &rows);
	question_free(q);
}

static void take_finished(struct list *out)
{
	list_init(out);
	pthread_mutex_lock(&r.lock);
	list_splice(out, &r.finished);
	pthread_mutex_unlock(&r.lock);
}

static void on_wake(struct loop_fd *f, uint32_t events)
{
	struct list finished;
	eventfd_t   n;

	(void)events;
	(void)eventfd_read(f->fd, &n);
	take_finished(&finished);
	LIST_EACH_SAFE(struct question, q, &finished, link)
		give_answer(q);
}

static void watch(void)
{
	LIST_EACH(struct question, q, &r.waiting, waiting)
		if (!q->late) {
			wheel_arm(loop_wheel(r.loop), &r.late, q->at_ms + LATE_MS);
			return;
		}
}

/* The thread still has it and gives it back some day; nobody waits for it any more. A done() may ask again: what it
 * appends is not late. */
static void on_late(struct timer *t)
{
	(void)t;
	LIST_EACH_SAFE(struct question, q, &r.waiting, waiting) {
		if (q->late || q->at_ms + LATE_MS > clock_ms())
			continue;
		q->late = true;
		q->done(q->arg, ERR_TIMEOUT, NULL);
	}
	watch();
}

static struct question *question_new(const struct db_stmt *st, const struct db_value *params)
{
	struct question *q = malloc(sizeof(*q) + db_values_bytes(params, st->params));

	if (!q)
		return NULL;
	*q = (struct question){ .stmt = st, .at_ms = clock_ms() };
	db_values_copy(q->v, params, st->params, q->text);
	arena_init(&q->arena, q->room, sizeof(q->room), MOST_ANSWER_BYTES);
	return q;
}

enum err reader_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg)
{
	struct question *q;

	if (!r.loop)
		return ERR_STATE;
	if (r.count >= MOST_WAITING)
		return ERR_AGAIN;
	q = question_new(st, params);
	if (!q)
		return ERR_NOMEM;
	q->done = done;
	q->arg = arg;
	r.count++;
	list_append(&r.waiting, &q->waiting);
	if (!r.late.wheel)
		watch();
	pthread_mutex_lock(&r.lock);
	list_append(&r.todo, &q->link);
	pthread_cond_signal(&r.more);
	pthread_mutex_unlock(&r.lock);
	return OK;
}

size_t reader_waiting(void)
{
	return r.loop ? r.count : 0;
}

enum err reader_start(struct loop *l, const char *path, enum db_mode mode)
{
	enum err err;

	(void)mode;	/* there is one file */

	r.wake = (struct loop_fd){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = on_wake };
	if (r.wake.fd < 0)
		return ERR_IO;
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.more, NULL);
	list_init(&r.todo);
	list_init(&r.finished);
	list_init(&r.waiting);
	timer_init(&r.late, on_late);
	r.path = path;
	r.stop = false;
	r.again_ms = 0;
	r.backoff_ms = BACKOFF_FIRST_MS;
	err = loop_add(l, &r.wake, EPOLLIN);
	if (!err && !thread_start(&r.thread, reader_main, NULL)) {
		loop_remove(l, &r.wake);
		err = ERR_IO;
	}
	if (err)
		close(r.wake.fd);
	else
		r.loop = l;
	return err;
}

/* Whoever still waits is told that there will be no answer. */
void reader_stop(void)
{
	struct list left;

	if (!r.loop)
		return;
	pthread_mutex_lock(&r.lock);
	r.stop = true;
	pthread_cond_signal(&r.more);
	pthread_mutex_unlock(&r.lock);
	pthread_join(r.thread, NULL);
	loop_remove(r.loop, &r.wake);
	close(r.wake.fd);
	wheel_disarm(&r.late);
	r.loop = NULL;
	take_finished(&left);
	LIST_EACH_SAFE(struct question, q, &r.todo, link) {
		q->err = ERR_IO;
		list_remove(&q->link);
		list_append(&left, &q->link);
	}
	LIST_EACH_SAFE(struct question, q, &left, link)
		give_answer(q);
}
