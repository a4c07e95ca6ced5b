#include "ctl/ctl.h"

static enum err check_schema(struct ctl *c, struct db *d)
{
	unsigned version;

	if (db_schema_version(d, &version))
		return ctl_fail(c, ERR_IO, "%s cannot be read: is it a database, and readable?", c->shown);
	if (version < DB_SCHEMA)
		return ctl_fail(c, ERR_STATE, "%s has schema %u, this program needs %d: run `siparioctl --db '%s' db migrate`", c->shown, version, DB_SCHEMA,
				c->shown);
	if (version > DB_SCHEMA)
		return ctl_fail(c, ERR_STATE, "%s has schema %u, this program knows %d: use the newer siparioctl", c->shown, version, DB_SCHEMA);
	return OK;
}

struct db *ctl_open(struct ctl *c)
{
	struct db *d = db_open(str_of(c->db), false, c->why, sizeof(c->why));

	if (d && check_schema(c, d)) {
		db_close(d);
		return NULL;
	}
	return d;
}

enum err ctl_change(struct ctl *c, enum err (*fn)(struct ctl *c, struct db *d, void *arg), void *arg)
{
	struct db *d = ctl_open(c);
	enum err   err = d ? db_begin(d) : ERR_IO;

	if (!d)
		return err;
	if (!err)
		err = fn(c, d, arg);
	if (!err)
		err = db_commit(d);
	db_rollback(d);
	db_close(d);
	return err;
}

enum err ctl_sql(struct ctl *c, struct db *d, const char *sql, const struct db_value *v, unsigned n, struct db_rows *rows)
{
	return db_exec(d, sql, v, n, c->arena, rows, c->why, sizeof(c->why));
}

enum err ctl_query(struct ctl *c, const char *sql, const struct db_value *v, unsigned n, struct db_rows *rows)
{
	struct db *d = ctl_open(c);
	enum err   err = d ? ctl_sql(c, d, sql, v, n, rows) : ERR_IO;

	db_close(d);
	return err;
}

static void put_value(struct json_out *o, const char *key, const struct db_value *v)
{
	switch (v->type) {
	case DB_NULL:
		json_put_null(o, key);
		break;
	case DB_INT:
		json_put_int(o, key, v->i);
		break;
	case DB_TEXT:
	case DB_BYTES:
		json_put_text(o, key, v->s);
		break;
	}
}

void ctl_put_row(struct ctl *c, const struct db_rows *rows, size_t row, const char *const *names)
{
	json_open_object(&c->out, NULL);
	for (size_t i = 0; i < rows->cols; i++)
		put_value(&c->out, names[i], db_cell(rows, row, i));
	json_close_object(&c->out);
}

void ctl_put_rows(struct ctl *c, const struct db_rows *rows, const char *const *names)
{
	json_open_list(&c->out, NULL);
	for (size_t r = 0; r < rows->rows; r++)
		ctl_put_row(c, rows, r, names);
	json_close_list(&c->out);
}
