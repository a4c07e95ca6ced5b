/* A worker's questions, over a few connections. What was asked within one turn of the loop goes out together at its end, as a group: one
 * system call, and one for the answers. In a group the server passes over what follows an error; that is asked again.
 *
 * While no connection is up questions wait a moment, for a server that starts anew is back soon; then they fail at once. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/postgres/postgres.h"

enum {
	CONNECTIONS = 2,		/* a worker: one that waits for a lock does not hold up the rest */
	MOST_WAITING = 1024,
	LATE_MS = 5000,			/* an answer is owed by then */
	PATIENCE_MS = 2000,		/* for a store that is away */
	MOST_SENT = 3,			/* one that ends its connection again and again is given up */
	MOST_ANSWER_BYTES = 16 << 20,
	QUIET_MS = 10000,
};

static struct {
	struct loop     *loop;		/* NULL: not started */
	struct pg_target target;
	struct pg_link   link[CONNECTIONS];
	struct list      queue;		/* not yet sent */
	struct list      waiting;	/* all, oldest first */
	unsigned         count;
	struct timer     late, impatient;
	struct timer     kick;		/* what is asked behind our part of a turn's end is sent soon after */
	uint64_t         away_ms;	/* since when none is up */
	uint64_t         quiet_ms;	/* until when nothing is said about refused questions */
	bool             up, stopping;
	struct arena     scratch;	/* of one answer */
} p;

/* --- answers --- */

static struct db_value *cells_of(const PGresult *r, size_t rows, size_t cols)
{
	struct db_value *cell = arena_alloc(&p.scratch, (rows * cols + 1) * sizeof(*cell));

	for (size_t i = 0; cell && i < rows; i++)
		if (pg_row(r, (int)i, cell + i * cols, &p.scratch))
			return NULL;
	return cell;
}

static void finish(struct pg_question *q, enum err err, const struct db_rows *rows)
{
	list_remove(&q->link);
	list_remove(&q->waiting);
	p.count--;
	q->done(q->arg, err, rows);
	free(q);
}

void pool_answer(struct pg_question *q, enum err err, const PGresult *r)
{
	struct db_rows rows = { 0 };

	if (err) {
		finish(q, err, NULL);
		return;
	}
	arena_reset(&p.scratch);
	rows.rows = (size_t)PQntuples(r);
	rows.cols = (size_t)PQnfields(r);
	rows.cell = cells_of(r, rows.rows, rows.cols);
	finish(q, rows.cell ? OK : ERR_LIMIT, rows.cell ? &rows : NULL);
}

void pool_refused(const struct pg_question *q, const PGresult *r)
{
	char why[256];

	if (clock_ms() < p.quiet_ms)
		return;
	p.quiet_ms = clock_ms() + QUIET_MS;
	pg_words(r, DB_READ, why, sizeof(why));
	log_error(NULL, "a question was refused by the database why=\"%s\" sql=\"%.60s…\"", why, q->stmt->sql);
}

void pool_again(struct list *flight)
{
	struct list again;

	if (list_empty(flight))
		return;
	list_init(&again);
	LIST_EACH_SAFE(struct pg_question, q, flight, link) {
		list_remove(&q->link);
		if (p.stopping || q->sent >= MOST_SENT)
			finish(q, ERR_IO, NULL);
		else
			list_append(&again, &q->link);
	}
	list_splice(&again, &p.queue);	/* in front of those that came later */
	list_splice(&p.queue, &again);
	if (!list_empty(&p.queue) && p.loop)
		wheel_arm(loop_wheel(p.loop), &p.kick, clock_ms());
}

/* --- up and down --- */

static void fail_all(void)
{
	struct list all;

	list_init(&all);
	list_splice(&all, &p.queue);
	LIST_EACH_SAFE(struct pg_question, q, &all, link)
		finish(q, ERR_IO, NULL);
}

static bool out_of_patience(void)
{
	return !p.up && clock_ms() >= p.away_ms + PATIENCE_MS;
}

static void on_impatient(struct timer *t)
{
	(void)t;
	if (out_of_patience())
		fail_all();
}

static void be_away(void)
{
	p.up = false;
	p.away_ms = clock_ms();
	wheel_arm(loop_wheel(p.loop), &p.impatient, p.away_ms + PATIENCE_MS);
}

static bool any_up(void)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (p.link[i].state == LINK_UP)
			return true;
	return false;
}

static void pool_up(struct pg_link *l)
{
	(void)l;
	p.up = true;
	presence_has(DB_READS);
	wheel_disarm(&p.impatient);
	wheel_arm(loop_wheel(p.loop), &p.kick, clock_ms());
}

static void pool_down(enum err err, const char *why)
{
	if (any_up() || p.stopping)
		return;
	if (p.up)
		be_away();
	presence_lacks(DB_READS, err, why);
}

/* --- sending --- */

static struct pg_link *least_busy(void)
{
	struct pg_link *best = NULL;

	for (size_t i = 0; i < CONNECTIONS; i++)
		if (p.link[i].state == LINK_UP && (!best || p.link[i].count < best->count))
			best = &p.link[i];
	return best;
}

/* A whole group to one connection: half as many packets as two halves. */
static void send_all(void)
{
	struct pg_link *l = least_busy();
	bool            sent = l != NULL;

	while (sent && !list_empty(&p.queue)) {
		struct pg_question *q = LIST_FIRST(&p.queue, struct pg_question, link);

		list_remove(&q->link);
		sent = link_send(l, q);
	}
	if (sent)
		link_flush(l);
}

static void on_turn_end(void *unused)
{
	(void)unused;
	if (!p.loop || list_empty(&p.queue))
		return;
	wheel_disarm(&p.kick);
	if (p.up)
		send_all();
	else if (out_of_patience())
		fail_all();
}

static void on_kick(struct timer *t)
{
	(void)t;	/* the loop turns, and that is all: the turn's end sends */
}

/* --- time limits --- */

static void watch_late(void)
{
	if (!list_empty(&p.waiting))
		wheel_arm(loop_wheel(p.loop), &p.late, LIST_FIRST(&p.waiting, struct pg_question, waiting)->at_ms + LATE_MS);
}

static bool flies_with(const struct pg_link *l, const struct pg_question *late)
{
	LIST_EACH(struct pg_question, q, &l->flight, link)
		if (q == late)
			return true;
	return false;
}

/* The answers of a connection come in order: what is late holds up all behind it. A done() may ask again: what it appends is not late. */
static void on_late(struct timer *t)
{
	(void)t;
	while (!list_empty(&p.waiting)) {
		struct pg_question *q = LIST_FIRST(&p.waiting, struct pg_question, waiting);

		if (q->at_ms + LATE_MS > clock_ms())
			break;
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (flies_with(&p.link[i], q)) {
				q->sent = MOST_SENT;
				list_remove(&q->link);
				link_renew(&p.link[i], "an answer did not come within 5 s");
				break;
			}
		finish(q, ERR_TIMEOUT, NULL);
	}
	watch_late();
}

/* --- asking --- */

static struct pg_question *question_new(const struct db_stmt *st, const struct db_value *params)
{
	struct pg_question *q = malloc(sizeof(*q) + st->params * sizeof(q->v[0]) + db_values_bytes(params, st->params));

	if (!q)
		return NULL;
	*q = (struct pg_question){ .stmt = st, .at_ms = clock_ms() };
	db_values_copy(q->v, params, st->params, (char *)&q->v[st->params]);
	return q;
}

enum err pool_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg)
{
	struct pg_question *q;

	if (!p.loop)
		return ERR_STATE;
	if (p.count >= MOST_WAITING)
		return ERR_AGAIN;
	q = question_new(st, params);
	if (!q)
		return ERR_NOMEM;
	q->done = done;
	q->arg = arg;
	p.count++;
	if (list_empty(&p.queue))
		wheel_arm(loop_wheel(p.loop), &p.kick, clock_ms());
	list_append(&p.queue, &q->link);
	list_append(&p.waiting, &q->waiting);
	if (!p.late.wheel)
		watch_late();
	return OK;
}

/* --- start and stop --- */

enum err pool_start(struct loop *l, const char *where, enum db_mode mode)
{
	static struct pg_link_user user = { .up = pool_up, .down = pool_down };
	char     why[256] = "";
	enum err err = pg_target_of(where, mode, &p.target, why, sizeof(why));

	if (err) {
		pg_target_free(&p.target);
		log_error(NULL, "%s", why);
		return err;
	}
	p.loop = l;
	p.count = 0;
	p.stopping = false;
	list_init(&p.queue);
	list_init(&p.waiting);
	timer_init(&p.late, on_late);
	timer_init(&p.impatient, on_impatient);
	timer_init(&p.kick, on_kick);
	arena_init(&p.scratch, NULL, 0, MOST_ANSWER_BYTES);
	loop_at_turn_end(l, on_turn_end, NULL);
	be_away();
	user.sql = pg_session_sql(DB_READ);
	for (size_t i = 0; i < CONNECTIONS; i++)
		link_init(&p.link[i], l, &p.target, &user);
	for (size_t i = 0; i < CONNECTIONS; i++)
		link_start(&p.link[i]);
	return OK;
}

/* Whoever still waits is told that there will be no answer. */
void pool_stop(void)
{
	if (!p.loop)
		return;
	p.stopping = true;
	for (size_t i = 0; i < CONNECTIONS; i++)
		link_stop(&p.link[i]);
	wheel_disarm(&p.late);
	wheel_disarm(&p.impatient);
	wheel_disarm(&p.kick);
	p.loop = NULL;
	fail_all();
	arena_free(&p.scratch);
	pg_target_free(&p.target);
}
