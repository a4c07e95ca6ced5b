#include "db/driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/random.h"

enum { MOST_URL = 512 };

static const struct db_driver *const drivers[] = { &db_sqlite, &db_postgres };

static struct {
	const struct db_driver *driver;		/* NULL: no store */
	char                    url[MOST_URL], where[MOST_URL];	/* whole, and behind the scheme */
	char                    shown[MOST_URL];		/* without a password */
	char                    node[17];
	struct db_stmt         *stmts[DB_MOST_STMTS];
	bool                    at_boot[DB_MOST_STMTS];	/* checked against the store before the start */
	unsigned                count;
	/* the supervisor's */
	struct db              *boot;		/* the connection of the start */
	bool                    tried;		/* so that a store that does not answer is waited for once */
	bool                    unseen;		/* it was away when its schema was to be looked at */
	char                    away[DB_WHY_BYTES];	/* why it is; empty: it is there */
} cfg;

/* --- URLs --- */

static const struct db_driver *driver_of(struct str scheme)
{
	if (str_ieqz(scheme, "postgres"))	/* libpq knows both */
		scheme = STR("postgresql");
	for (size_t i = 0; i < COUNT_OF(drivers); i++)
		if (str_ieqz(scheme, drivers[i]->scheme))
			return drivers[i];
	return NULL;
}

static enum err url_parse(struct str url, const struct db_driver **driver, char *where, char *why, size_t cap)
{
	char       shown[MOST_URL];
	struct str rest = url, scheme = str_take_until(&rest, ':');

	*driver = driver_of(scheme);
	if (*driver && rest.len && url.len < MOST_URL && str_cstr(rest, where, MOST_URL))
		return OK;
	db_url_public(url, shown, sizeof(shown));
	if (*driver)
		snprintf(why, cap, "database \"%s\": expected sqlite:PATH or postgresql://USER@HOST/NAME of at most %d bytes", shown, MOST_URL - 1);
	else
		snprintf(why, cap, "database \"%.200s\": this engine is not built in; use sqlite:PATH or postgresql://USER@HOST/NAME", shown);
	return *driver ? ERR_SYNTAX : ERR_UNSUPPORTED;
}

enum err db_configure(struct str url, char *why, size_t cap)
{
	const struct db_driver *driver;
	enum err                err = url_parse(url, &driver, cfg.where, why, cap);

	if (err)
		return err;
	cfg.driver = driver;
	(void)snprintf(cfg.url, sizeof(cfg.url), STR_FMT, STR_ARG(url));
	db_url_public(url, cfg.shown, sizeof(cfg.shown));
	if (driver->shared && !cfg.node[0])
		(void)snprintf(cfg.node, sizeof(cfg.node), "%016llx", (unsigned long long)random_u64());
	return OK;
}

const char *db_node(void)
{
	return cfg.node;
}

struct str db_url(void)
{
	return str_of(cfg.url);
}

struct str db_url_shown(void)
{
	return str_of(cfg.shown);
}

bool db_configured(void)
{
	return cfg.driver != NULL;
}

bool db_shared(void)
{
	return cfg.driver && cfg.driver->shared;
}

enum err db_connect(enum db_mode mode, struct db **out, char *why, size_t cap)
{
	if (cfg.driver)
		return cfg.driver->open(cfg.where, mode, out, why, cap);
	snprintf(why, cap, "no database is configured");
	return ERR_STATE;
}

const char *db_library(void)
{
	static char room[128];
	size_t      len = 0;

	for (size_t i = 0; i < COUNT_OF(drivers); i++) {
		len += (size_t)snprintf(room + len, sizeof(room) - len, "%s", i ? "\n" : "");
		drivers[i]->library(room + len, sizeof(room) - len);
		len = strlen(room);
	}
	return room;
}

/* --- statements --- */

bool db_stmt_add(struct db_stmt *st)
{
	for (unsigned i = 0; i < cfg.count; i++)
		if (cfg.stmts[i] == st)
			return true;
	if (cfg.count == DB_MOST_STMTS || st->params > DB_MOST_PARAMS)
		return false;
	st->id = cfg.count;
	cfg.stmts[cfg.count++] = st;
	return true;
}

void db_stmt_register(struct db_stmt *st)
{
	if (!db_stmt_add(st))
		abort();	/* a mistake of ours, seen at the first start */
	cfg.at_boot[st->id] = true;
}

const struct db_stmt *db_stmt_at(unsigned id)
{
	return id < cfg.count ? cfg.stmts[id] : NULL;
}

/* --- values --- */

static bool text_ok(struct str s)
{
	for (size_t at = 0, n; at < s.len; at += n) {
		n = str_utf8(str_from(s, at));
		if (!n || s.p[at] == 0)
			return false;
	}
	return true;
}

bool db_values_ok(const struct db_value *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].type == DB_TEXT && !text_ok(v[i].s))
			return false;
	return n <= DB_MOST_PARAMS;
}

size_t db_values_bytes(const struct db_value *v, unsigned n)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += v[i].s.len + 1;
	return bytes;
}

void db_values_copy(struct db_value *to, const struct db_value *v, unsigned n, char *room)
{
	for (unsigned i = 0; i < n; i++) {
		to[i] = v[i];
		to[i].s.p = room;
		if (v[i].s.len)
			memcpy(room, v[i].s.p, v[i].s.len);
		room[v[i].s.len] = '\0';
		room += v[i].s.len + 1;
	}
}

static bool more_room(struct db_collect *c)
{
	size_t           room = c->room ? c->room * 2 : 4;
	struct db_value *cell = arena_alloc(c->arena, room * c->cols * sizeof(*cell));

	if (!cell)
		return false;
	if (c->rows)
		memcpy(cell, c->cell, c->rows * c->cols * sizeof(*cell));
	c->cell = cell;
	c->room = room;
	return true;
}

bool db_collect_row(void *collect, const struct db_rows *row)
{
	struct db_collect *c = collect;

	c->cols = row->cols;
	if (c->rows == c->room && !more_room(c))
		goto full;
	for (size_t i = 0; i < row->cols; i++) {
		struct db_value *v = &c->cell[c->rows * c->cols + i];

		*v = row->cell[i];
		if (v->type != DB_TEXT && v->type != DB_BYTES)
			continue;
		v->s = arena_dup(c->arena, v->s);
		if (!v->s.p)
			goto full;
	}
	c->rows++;
	return true;
full:
	c->failed = true;
	return false;
}

void db_note_refused(const char *why)
{
	log_warn(NULL, "a change was refused by the database: %s", why);
}

/* --- boot --- */

static enum err check_statements(struct db *d, char *why, size_t cap)
{
	enum err err = OK;

	for (unsigned i = 0; i < cfg.count && !err; i++)
		err = cfg.at_boot[i] ? d->driver->prepare(d, cfg.stmts[i], why, cap) : OK;
	return err;
}

bool db_schema_fits(unsigned version, char *why, size_t cap)
{
	if (version < DB_SCHEMA)
		snprintf(why, cap, "%s has schema %u, this server needs %d: run `siparioctl --db '%s' db migrate`", cfg.shown, version,
			 DB_SCHEMA, cfg.shown);
	else if (version > DB_SCHEMA)
		snprintf(why, cap, "%s has schema %u, this server knows %d: install the newer server", cfg.shown, version, DB_SCHEMA);
	return version == DB_SCHEMA;
}

static enum err check(struct db *d, char *why, size_t cap)
{
	unsigned version = 0;
	enum err err = db_schema_version(d, &version);

	if (err)
		snprintf(why, cap, "%s cannot be read: check that it is a database and that this user may read it", cfg.shown);
	else if (!db_schema_fits(version, why, cap))
		err = ERR_STATE;
	return err ? err : check_statements(d, why, cap);
}

enum err db_look(struct db *d, char *why, size_t cap)
{
	enum err err = presence_unseen() ? check(d, why, cap) : OK;

	if (!err)
		presence_seen();
	return err;
}

static enum err connect_at_boot(char *why, size_t cap)
{
	cfg.tried = true;
	cfg.away[0] = '\0';
	return db_connect(DB_READ, &cfg.boot, why, cap);
}

static void begin_without(const char *why)
{
	db_boot_over();
	cfg.tried = true;
	snprintf(cfg.away, sizeof(cfg.away), "%s", why);
	log_error(NULL, "the database %s is away: %s; starting without it: until it is back, which is looked for all the time, whatever needs it gets 503",
		  cfg.shown, why);
}

/* A file is there or it is not; a server elsewhere comes back. */
static bool may_come_back(enum err err)
{
	return err == ERR_IO && cfg.driver->shared;
}

enum err db_check(char *why, size_t cap)
{
	enum err err;

	db_boot_over();
	err = connect_at_boot(why, cap);
	if (!err)
		err = check(cfg.boot, why, cap);
	cfg.unseen = err != OK;
	if (!err)
		return OK;
	if (may_come_back(err)) {
		begin_without(why);
		return OK;
	}
	db_boot_over();
	return err;
}

struct db *db_at_boot(void)
{
	char why[DB_WHY_BYTES] = "";

	if (cfg.tried || !cfg.driver)
		return cfg.boot;
	if (connect_at_boot(why, sizeof(why)))
		begin_without(why);
	return cfg.boot;
}

void db_boot_over(void)
{
	db_close(cfg.boot);
	cfg.boot = NULL;
	cfg.tried = false;
}

void db_presence_boot(unsigned last_slot)
{
	presence_boot(last_slot, cfg.away[0] ? cfg.away : NULL, !cfg.unseen);
}

/* --- worker: reads --- */

enum err db_worker_start(struct loop *l)
{
	return cfg.driver ? cfg.driver->worker_start(l, cfg.where, DB_READ) : OK;
}

enum err db_primary_start(struct loop *l)
{
	return cfg.driver ? cfg.driver->worker_start(l, cfg.where, DB_WRITE) : OK;
}

void db_worker_stop(void)
{
	if (cfg.driver)
		cfg.driver->worker_stop();
}

enum err db_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg)
{
	if (!cfg.driver)
		return ERR_STATE;
	if (!db_values_ok(params, st->params))
		return ERR_SYNTAX;
	return cfg.driver->query(st, params, done, arg);
}

size_t db_waiting(void)
{
	return cfg.driver && cfg.driver->waiting ? cfg.driver->waiting() : 0;
}

/* --- worker: what others change --- */

enum err db_listen_start(struct loop *l)
{
	return cfg.driver && db_channel_at(0) ? cfg.driver->listen_start(l, cfg.where) : OK;
}

void db_listen_stop(void)
{
	if (cfg.driver)
		cfg.driver->listen_stop();
}

/* --- synchronous --- */

struct db *db_open(struct str url, bool create, char *why, size_t cap)
{
	const struct db_driver *driver;
	char                    where[MOST_URL];
	struct db              *d;

	if (url_parse(url, &driver, where, why, cap) || driver->open(where, create ? DB_CREATE : DB_EDIT, &d, why, cap))
		return NULL;
	return d;
}

void db_close(struct db *d)
{
	if (d)
		d->driver->close(d);
}

enum err db_each(struct db *d, const char *sql, const struct db_value *params, unsigned n,
		 bool (*fn)(void *arg, const struct db_rows *row), void *arg, char *why, size_t cap)
{
	if (!db_values_ok(params, n)) {
		snprintf(why, why ? cap : 0, "a value is not UTF-8 text, or holds a NUL");
		return ERR_SYNTAX;
	}
	return d->driver->each(d, sql, params, n, fn, arg, why, cap);
}

enum err db_exec(struct db *d, const char *sql, const struct db_value *params, unsigned n, struct arena *a,
		 struct db_rows *rows, char *why, size_t cap)
{
	struct db_collect c = { .arena = a };
	enum err          err = db_each(d, sql, params, n, rows ? db_collect_row : NULL, &c, why, cap);

	if (!err && c.failed) {
		snprintf(why, why ? cap : 0, "the result is too large");
		return ERR_LIMIT;
	}
	if (!err && rows)
		*rows = (struct db_rows){ .rows = c.rows, .cols = c.cols, .cell = c.cell };
	return err;
}

enum err db_begin(struct db *d)
{
	return d->driver->begin(d, true, NULL, 0);
}

enum err db_commit(struct db *d)
{
	return d->driver->commit(d, NULL, 0);
}

void db_rollback(struct db *d)
{
	d->driver->rollback(d);
}
