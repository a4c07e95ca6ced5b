#include "modules/cdr/cdr.h"

#include <stdio.h>

#include "base/log.h"

/* At a start: the calls that were under way when the server ended, by the database and by what is still in the spool. Their BYEs are on their way to us. */

static const char select_open[] =
	"SELECT substr(id, 10), call_id, from_tag, to_tag, answer_ms FROM calls WHERE end_ms IS NULL AND ended_by IS NULL AND substr(id, 1, 9) = $1";

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

/* Without the database (shared memory is built anew while it is away) the spool alone. */
static void load_rows(void)
{
	const struct db_value prefix = db_text(node_prefix());
	char                  why[256] = "";
	struct db            *d = db_open(db_url(), false, why, sizeof(why));

	if (!d || db_each(d, select_open, &prefix, 1, open_row, NULL, why, sizeof(why)))
		log_warn(NULL, "calls under way cannot be read from the database: %s", why);
	db_close(d);
}

/* A test of a script is its own writer: nothing is on the disk, neither before nor after it. */
static bool is_simulation(void)
{
	return proc_self() == db_writer_slot();
}

enum err calls_load(char *why, size_t cap)
{
	enum err err;

	if (is_simulation()) {
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
