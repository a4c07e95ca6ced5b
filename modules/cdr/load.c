#include "modules/cdr/cdr.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

/* At a start: the calls that were under way when the server ended, by the database and by what is still in the spool. Their BYEs are on their way to us. */

#define OPEN_CALLS "SELECT substr(id, 10), call_id, from_tag, to_tag, answer_ms, id FROM calls WHERE end_ms IS NULL AND ended_by IS NULL AND substr(id, 1, 9) = $1"
static const char select_open[] = OPEN_CALLS;
/* Those of before this life, a page at a time. */
static struct db_stmt open_page = { OPEN_CALLS " AND answer_ms < $2 AND id > $3 ORDER BY id LIMIT 1000", 3, 0 };

enum { PAGE_ROWS = 1000, AGAIN_MS = 1000, MOST_ID = 64 };

static struct {
	int64_t       start_ms;
	/* the writer's */
	struct wheel *wheel;
	struct timer  again;
	char          from[MOST_ID];	/* the last id of the page before */
} later;

static void add(uint64_t number, struct str call_id, struct str from_tag, struct str to_tag, int64_t answer_ms)
{
	enum err err = dialog_add(&(struct dialog_begin){
		.number = number, .key = cdr_key(call_id), .caller_tag = cdr_key(from_tag), .callee_tag = cdr_key(to_tag), .answer_ms = answer_ms }, false);

	if (err && err != ERR_EXISTS)
		counter_inc(&cdr_unfollowed);
}

static bool open_row(void *arg, const struct db_rows *row)
{
	const struct db_value *c = db_cell(row, 0, 0);
	uint64_t               number;

	(void)arg;
	if (str_hex64(c[0].s, &number))
		add(number, c[1].s, c[2].s, c[3].s, c[4].i);
	return true;
}

static void spooled(void *arg, struct str line)
{
	struct cdr_line l;

	(void)arg;
	if (cdr_line_read(line, &l))
		return;
	if (l.kind == CDR_IS_RECORD && l.r.answer_ms && l.r.ended_by == CDR_NOBODY)
		add(l.r.number, l.r.call_id, l.r.from_tag, l.r.to_tag, l.r.answer_ms);
	else if (l.kind == CDR_IS_END)
		dialog_drop(l.r.key, l.r.number);
}

/* Without the database the spool alone, for now. */
static void load_rows(void)
{
	const struct db_value prefix = db_text(node_prefix());
	char                  why[256] = "";
	struct db            *d = db_at_boot();

	*desk_rows_missing() = !d || db_each(d, select_open, &prefix, 1, open_row, NULL, why, sizeof(why));
	if (d && *desk_rows_missing())
		log_warn(NULL, "calls under way cannot be read from the database, trying again: %s", why);
}

/* A test of a script is its own writer: nothing is on the disk, neither before nor after it. */
static bool is_simulation(void)
{
	return proc_self() == db_writer_slot();
}

enum err calls_load(char *why, size_t cap)
{
	enum err err;

	db_stmt_register(&open_page);
	later.start_ms = clock_unix_us() / 1000;
	if (is_simulation()) {
		desk_simulate();
		node_draw();
		return OK;
	}
	err = spool_folder(cdr_cfg.spool, why, cap);

	if (!err)
		err = node_load(cdr_cfg.spool, why, cap);
	if (err)
		return err;
	load_rows();
	spool_each(cdr_cfg.spool, spooled, NULL);
	if (counter_read(&cdr_open))
		log_info(NULL, "calls under way are known again count=%lld", (long long)counter_read(&cdr_open));
	return OK;
}

/* --- later --- */

static void on_page(void *arg, enum err err, const struct db_rows *rows);

static void try_again(void)
{
	wheel_arm(later.wheel, &later.again, clock_ms() + AGAIN_MS);
}

/* An end that is in the spool still is not in the rows. */
static void ask(struct timer *t)
{
	const struct db_value v[] = { db_text(node_prefix()), db_int(later.start_ms), db_text(str_of(later.from)) };

	(void)t;
	if (!desk_caught_up() || db_query(&open_page, v, on_page, NULL))
		try_again();
}

static void all_known(void)
{
	*desk_rows_missing() = false;
	dialog_arm_all();
	log_info(NULL, "calls under way are known again count=%lld", (long long)counter_read(&cdr_open));
}

static void on_page(void *arg, enum err err, const struct db_rows *rows)
{
	if (err) {
		try_again();
		return;
	}
	for (size_t i = 0; i < rows->rows; i++)
		(void)open_row(arg, &(struct db_rows){ .rows = 1, .cols = rows->cols, .cell = db_cell(rows, i, 0) });
	if (rows->rows == PAGE_ROWS && str_cstr(db_cell(rows, PAGE_ROWS - 1, 5)->s, later.from, sizeof(later.from)))
		ask(NULL);
	else
		all_known();
}

void calls_load_later(struct loop *l)
{
	if (!*desk_rows_missing())
		return;
	later.wheel = loop_wheel(l);
	later.from[0] = '\0';
	timer_init(&later.again, ask);
	try_again();
}
