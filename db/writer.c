/* The writer process: letters in, groups of them in one transaction each, answers out after the commit.
 *
 * Letters that were taken wait in a list in shared memory, so that a writer that dies leaves them to the next one. It may then do
 * again what its predecessor had just committed: statements of letters must be fit to be repeated. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/backlog.h"
#include "db/driver.h"
#include "shm/counter.h"
#include "shm/lock.h"

enum {
	MOST_IN_GROUP = 1000,		/* statements in one transaction: bounds how long the first of them waits */
	GIVE_UP_MS = 5000,		/* a letter that somebody waits for is answered by then, also while the store is away */
	RETRY_FIRST_MS = 20, RETRY_MOST_MS = 1000,
	KEPT_SHARE = 8,			/* letters that nobody waits for may take one part of so many of shared memory */
	CLEAN_EVERY_MS = 1000,		/* how old db_written_until_ms() may be in a writer that has nothing to do */
};

/* In shared memory, changed by the process in the writer's slot only, in critical sections. */
struct desk {
	struct list waiting;	/* of db_write.mail.link, in order */
	uint64_t    clean_ms;	/* what was submitted before is written, or given up; atomic */
};

static struct {
	shm_owner    tag;
	unsigned     slot;
	struct desk *desk;
	/* the writer's own */
	struct loop *loop;
	struct db   *conn;
	struct db_job job[MOST_IN_GROUP];
	size_t       most;	/* in the next group: one that the store refuses lets those behind it be sent again */
	struct timer again;
	uint32_t     retry_ms;
	bool         resting;	/* between two tries */
	bool         away;
	bool         unreached;	/* it could not even be connected to */
	bool         known;	/* others know whether it is: not yet in a new process */
	bool         full;	/* logged so */
	uint64_t     kept_bytes;	/* while away: of the letters with a key */
	uint64_t     taken_ms;	/* when the last one of this turn was submitted; 0: none came */
	struct timer clean;
} w;

static struct counter count_dropped = { .name = "db.dropped", .help = "changes given up because too many waited for the database", .unit = "changes" };

/* --- the sender --- */

/* In the sender's process, or in the next one of its slot, which knows nothing of it. */
static void deliver(struct mail *m)
{
	struct db_write *l = CONTAINER(m, struct db_write, mail);

	if (l->incarnation == proc_get(proc_self())->incarnation)
		l->done(l);
	else
		db_write_free(l);
}

static size_t letter_bytes(const struct db_write *l)
{
	return sizeof(*l) + l->n * sizeof(l->v[0]) + db_values_bytes(l->v, l->n);
}

static void forget(struct db_write *l)
{
	w.kept_bytes -= letter_bytes(l);
	critical_enter();
	list_remove(&l->mail.link);
	db_write_free(l);
	critical_leave();
}

/* While the store is away: a letter that says what becomes of something makes older ones that say the same needless. */
static void keep(struct db_write *l)
{
	struct db_write *older;

	if (!l->key)
		return;
	older = backlog_put(l);
	w.kept_bytes += letter_bytes(l);
	if (older)
		forget(older);
}

static void take(struct mail *m)
{
	struct db_write *l = CONTAINER(m, struct db_write, mail);

	critical_enter();
	mail_settled(m);
	list_append(&w.desk->waiting, &m->link);
	critical_leave();
	w.taken_ms = l->at_ms;
	if (w.away)
		keep(l);
}

struct db_write *db_write_new(const struct db_stmt *st, const struct db_value *params, unsigned n)
{
	struct db_write *l = shm_zalloc(w.tag, sizeof(*l) + n * sizeof(l->v[0]) + db_values_bytes(params, n));

	if (!l)
		return NULL;
	mail_init(&l->mail, take);
	l->stmt = st;
	l->n = (uint16_t)n;
	db_values_copy(l->v, params, n, (char *)&l->v[n]);
	return l;
}

void db_write_free(struct db_write *l)
{
	critical_enter();
	mail_settled(&l->mail);
	shm_free(l);
	critical_leave();
}

void db_write_submit(struct db_write *l)
{
	l->slot = (uint16_t)proc_self();
	l->incarnation = proc_get(l->slot)->incarnation;
	l->at_ms = clock_ms();
	mail_post(w.slot, &l->mail);
}

/* --- the writer --- */

/* A sender that has died gets no answer: its successor would only free it. */
static void answer(struct db_write *l)
{
	bool asked = l->done && l->incarnation == proc_get(l->slot)->incarnation;

	critical_enter();
	list_remove(&l->mail.link);
	if (asked) {
		mail_init(&l->mail, deliver);
		mail_post(l->slot, &l->mail);
	} else {
		db_write_free(l);
	}
	critical_leave();
}

static void answer_first(void)
{
	answer(LIST_FIRST(&w.desk->waiting, struct db_write, mail.link));
}

static bool sound(const struct db_write *l)
{
	return l->n == l->stmt->params && db_values_ok(l->v, l->n);
}

/* The next group, up to one that no store can take. */
static size_t take_group(void)
{
	size_t n = 0;

	LIST_EACH(struct db_write, l, &w.desk->waiting, mail.link) {
		if (n == w.most || !sound(l))
			break;
		w.job[n++] = (struct db_job){ .stmt = l->stmt, .v = l->v };
	}
	return n;
}

/* Many that are refused must not be sent again and again with all behind them. */
static void set_most(bool refused)
{
	if (refused)
		w.most = w.most > 1 ? w.most / 2 : 1;
	else
		w.most = w.most < MOST_IN_GROUP / 2 ? w.most * 2 : MOST_IN_GROUP;
}

static enum err run_group(size_t *n, char *why, size_t cap)
{
	enum err err;
	size_t   i = 0, taken = take_group();

	*n = taken;
	if (!*n) {
		LIST_FIRST(&w.desk->waiting, struct db_write, mail.link)->result = ERR_SYNTAX;
		*n = 1;
		return OK;
	}
	err = w.conn->driver->group(w.conn, w.job, n, why, cap);
	if (err)
		return err;
	set_most(*n < taken);
	LIST_EACH(struct db_write, l, &w.desk->waiting, mail.link) {
		if (i == *n)
			break;
		l->result = w.job[i++].result;
	}
	return OK;
}

static enum err connect_anew(char *why, size_t cap)
{
	enum err err = db_connect(DB_WRITE, &w.conn, why, cap);

	if (err)
		return err;
	err = db_look(w.conn, why, cap);
	if (!err)
		return OK;
	db_close(w.conn);
	w.conn = NULL;
	return err;
}

static enum err connect_if_needed(char *why, size_t cap)
{
	enum err err = OK;

	if (w.conn && w.conn->driver->stale(w.conn)) {
		db_close(w.conn);
		w.conn = NULL;
	}
	if (!w.conn)
		err = connect_anew(why, cap);
	w.unreached = err != OK;
	return err;
}

/* OK, and how many letters it was for; otherwise nothing is committed. */
static enum err write_group(size_t *n, char *why, size_t cap)
{
	enum err err = connect_if_needed(why, cap);

	if (err)
		return err;
	err = run_group(n, why, cap);
	if (err) {
		w.conn->driver->rollback(w.conn);
		db_close(w.conn);	/* what was wrong with it may be in its cache */
		w.conn = NULL;
	}
	return err;
}

/* Those that have waited too long get their error; the others stay. They came in order of time but for clocks of different processes,
 * which are ticked once a turn: the first in time is near enough. */
static void give_up_old(void)
{
	LIST_EACH_SAFE(struct db_write, l, &w.desk->waiting, mail.link) {
		if (l->at_ms + GIVE_UP_MS > clock_ms())
			return;
		if (l->key)
			continue;
		l->result = ERR_IO;
		answer(l);
	}
}

/* What nobody waits for stays, as long as there is room. */
static void drop_oldest(void)
{
	uint64_t limit, taken, free_bytes;

	shm_totals(&limit, &taken, &free_bytes);
	if (w.kept_bytes <= limit / KEPT_SHARE)
		return;
	if (!w.full)
		log_error(NULL, "changes that wait for the database take %llu MB, the oldest are dropped: raise memory_limit or bring it back",
			  (unsigned long long)(w.kept_bytes >> 20));
	w.full = true;
	LIST_EACH_SAFE(struct db_write, l, &w.desk->waiting, mail.link) {
		if (w.kept_bytes <= limit / KEPT_SHARE)
			return;
		if (!l->key)
			continue;
		backlog_remove(l);
		forget(l);
		counter_inc(&count_dropped);
	}
}

static void be_away(void)
{
	w.away = true;
	w.kept_bytes = 0;
	LIST_EACH_SAFE(struct db_write, l, &w.desk->waiting, mail.link)
		keep(l);
}

static void be_back(void)
{
	if (w.away || !w.known)
		presence_has(DB_WRITES);
	w.known = true;
	w.away = w.full = false;
	w.retry_ms = RETRY_FIRST_MS;
	backlog_clear();
}

static void rest(enum err err, const char *why)
{
	presence_lacks(DB_WRITES, err, why);
	if (!w.away)
		be_away();
	w.resting = true;
	wheel_arm(loop_wheel(w.loop), &w.again, clock_ms() + w.retry_ms);
	w.retry_ms = w.retry_ms * 2 < RETRY_MOST_MS ? w.retry_ms * 2 : RETRY_MOST_MS;
	give_up_old();
	drop_oldest();
}

/* All that waited was given up, and nobody may write for long: that it is back is to be known all the same. One that takes connections but no changes
 * is believed when it has taken one. */
static void look_again(void)
{
	char     why[256] = "the database is away";
	enum err err = connect_if_needed(why, sizeof(why));

	if (err)
		rest(err, why);
	else
		be_back();
}

static void write_all(void)
{
	char     why[256] = "the database is away";
	size_t   n = 0;
	enum err err;

	while (!w.resting && !list_empty(&w.desk->waiting)) {
		err = write_group(&n, why, sizeof(why));
		if (err) {
			rest(err, why);
			return;
		}
		be_back();	/* before letters go that are noted in the backlog */
		while (n--)
			answer_first();
	}
	if (!w.resting && w.unreached)
		look_again();
}

static void serve(void *unused)
{
	uint64_t clean = w.taken_ms ? w.taken_ms : clock_ms();	/* the mailbox may have more than one turn takes */

	(void)unused;
	w.taken_ms = 0;
	write_all();
	if (!list_empty(&w.desk->waiting))
		clean = LIST_FIRST(&w.desk->waiting, struct db_write, mail.link)->at_ms;
	__atomic_store_n(&w.desk->clean_ms, clean, __ATOMIC_RELEASE);
}

/* The turn's end does the rest. */
static void on_clean(struct timer *t)
{
	wheel_arm(loop_wheel(w.loop), t, clock_ms() + CLEAN_EVERY_MS);
}

uint64_t db_written_until_ms(void)
{
	uint64_t ms = w.desk ? __atomic_load_n(&w.desk->clean_ms, __ATOMIC_ACQUIRE) : 0;

	return ms > CLEAN_EVERY_MS ? ms - CLEAN_EVERY_MS : 0;	/* processes tick their clocks once a turn */
}

static void on_again(struct timer *t)
{
	(void)t;
	w.resting = false;	/* the turn's end tries again */
}

void db_set_writer_slot(unsigned slot)
{
	w.slot = slot;
	w.tag = shm_owner_new("db");
	counter_register(&count_dropped);
	w.desk = shm_zalloc(w.tag, sizeof(*w.desk));
	if (w.desk)
		list_init(&w.desk->waiting);
	db_presence_boot(slot);
}

unsigned db_writer_slot(void)
{
	return w.slot;
}

enum err db_writer_start(struct loop *l)
{
	if (!w.desk)
		return ERR_NOMEM;
	w.loop = l;
	w.conn = NULL;
	w.most = MOST_IN_GROUP;
	w.retry_ms = RETRY_FIRST_MS;
	w.resting = w.away = w.unreached = w.full = w.known = false;
	timer_init(&w.again, on_again);
	timer_init(&w.clean, on_clean);
	wheel_arm(loop_wheel(l), &w.clean, clock_ms());
	loop_at_turn_end(l, serve, NULL);
	return OK;
}

static void say_unwritten(void)
{
	size_t n = 0;

	LIST_EACH(struct db_write, l, &w.desk->waiting, mail.link)
		n++;
	if (n)
		log_error(NULL, "the database is away: changes are lost with this stop count=%zu", n);
}

void db_writer_stop(void)
{
	if (!w.loop)
		return;
	while (mailbox_read())
		;
	w.resting = w.unreached = false;	/* nobody waits for a look */
	serve(NULL);
	say_unwritten();
	wheel_disarm(&w.again);
	wheel_disarm(&w.clean);
	backlog_clear();
	db_close(w.conn);
	w.conn = NULL;
	w.loop = NULL;
}
