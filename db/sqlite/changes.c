/* SQLite tells nobody of a change. Triggers write what changed into the table `changes`, numbered without gaps; here it is read, by the thread of
 * the worker's reads. */
#include "base/clock.h"
#include "db/sqlite/sqlite.h"
#include "net/loop.h"

enum { LOOK_MS = 50, AWAY_MS = 250, MOST_ROWS = 500 };

/* The last row that was read comes first, as a proof that nothing is missing and that it is still the same table. */
static struct db_stmt since = { "SELECT id, channel, key FROM changes WHERE id >= $1 ORDER BY id LIMIT 501", 1, 0 };
static struct db_stmt newest = { "SELECT coalesce(max(id), 0) FROM changes", 0, 0 };

static struct {
	struct loop *loop;	/* NULL: not listening */
	struct timer look;
	int64_t      last;	/* -1: not known */
} seen;

static void look_in(uint32_t ms)
{
	wheel_arm(loop_wheel(seen.loop), &seen.look, clock_ms() + ms);
}

static void failed(enum err err)
{
	seen.last = -1;
	db_deaf(err, err_name(err));
	look_in(AWAY_MS);
}

/* False: there is nothing to be taken from this answer. */
static bool answered(enum err err)
{
	if (seen.loop && err)
		failed(err);
	return seen.loop && !err;
}

static void on_newest(void *unused, enum err err, const struct db_rows *rows)
{
	(void)unused;
	if (!answered(err))
		return;
	seen.last = db_cell(rows, 0, 0)->i;
	db_heard_all();
	look_in(LOOK_MS);
}

static bool follows(const struct db_rows *rows)
{
	return seen.last ? rows->rows && db_cell(rows, 0, 0)->i == seen.last : !rows->rows || db_cell(rows, 0, 0)->i == 1;
}

static void on_rows(void *unused, enum err err, const struct db_rows *rows)
{
	(void)unused;
	if (!answered(err))
		return;
	if (!follows(rows)) {
		seen.last = -1;
		look_in(0);
		return;
	}
	for (size_t i = seen.last > 0; i < rows->rows; i++) {
		seen.last = db_cell(rows, i, 0)->i;
		db_heard(db_cell(rows, i, 1)->s, db_cell(rows, i, 2)->s);
	}
	look_in(rows->rows > MOST_ROWS ? 0 : LOOK_MS);
}

static void on_look(struct timer *t)
{
	struct db_value last = db_int(seen.last);
	enum err        err = seen.last < 0 ? reader_query(&newest, NULL, on_newest, NULL) : reader_query(&since, &last, on_rows, NULL);

	(void)t;
	if (err)
		failed(err);
}

enum err changes_start(struct loop *l, const char *path)
{
	(void)path;	/* the reader's */
	if (!db_stmt_add(&since) || !db_stmt_add(&newest))
		return ERR_LIMIT;
	seen.loop = l;
	seen.last = -1;
	timer_init(&seen.look, on_look);
	look_in(0);
	return OK;
}

void changes_stop(void)
{
	if (seen.loop)
		wheel_disarm(&seen.look);
	seen.loop = NULL;
}
