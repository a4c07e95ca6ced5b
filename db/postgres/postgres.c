/* PostgreSQL for those who may wait: siparioctl, migrations, start-up, the writer. libpq never blocks here either, so that every wait has
 * its limit; only host names are looked up by the system's resolver, within PQconnectStart. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/postgres/postgres.h"

enum {
	SERVER_MS = 4500,		/* the server's own limit, pg_session_sql(), comes first */
	MOST_SCRATCH_BYTES = 16 << 20,
	NEVER_MS = 1 << 30,
};

struct pg {
	struct db        db;	/* first */
	PGconn          *conn;
	enum db_mode     mode;
	bool             broken;	/* out of step with the server: of no further use */
	bool             began;
	uint64_t         until_ms;	/* for what is under way */
	struct arena     scratch;
	struct pg_target target;
	bool             prepared[DB_MOST_STMTS];
};

static struct pg *of(const struct db *d)
{
	return (struct pg *)d;
}

/* --- waiting --- */

static void set_limit(struct pg *p, uint32_t ms)
{
	clock_tick();
	p->until_ms = clock_ms() + ms;
}

static void set_work_limit(struct pg *p)
{
	set_limit(p, p->mode == DB_READ || p->mode == DB_WRITE ? SERVER_MS : NEVER_MS);
}

/* False: the time is up. */
static bool wait_for(struct pg *p, short events)
{
	struct pollfd f = { .fd = PQsocket(p->conn), .events = events };
	int           n;

	do {
		clock_tick();
		if (clock_ms() >= p->until_ms)
			return false;
		n = poll(&f, 1, (int)(p->until_ms - clock_ms()));
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static enum err broken(struct pg *p, char *why, size_t cap, const char *words)
{
	p->broken = true;
	if (why)
		snprintf(why, cap, "%s", words);
	return ERR_IO;
}

/* The next result, which may be NULL: end of a statement. ERR_IO: it did not come. */
static enum err next_result(struct pg *p, PGresult **r, char *why, size_t cap)
{
	int unsent;

	while ((unsent = PQflush(p->conn)) >= 0) {
		if (!PQisBusy(p->conn)) {
			*r = PQgetResult(p->conn);
			return OK;
		}
		if (!wait_for(p, unsent ? POLLIN | POLLOUT : POLLIN))
			return broken(p, why, cap, "the database did not answer in time");
		if (!PQconsumeInput(p->conn))
			break;
	}
	p->broken = true;
	if (why)
		pg_connect_words(p->conn, why, cap);
	return ERR_IO;
}

/* --- one statement --- */

struct rows_for {
	db_row_fn *fn;	/* NULL: nobody, or no more */
	void      *arg;
};

static enum err give_rows(struct pg *p, const PGresult *r, struct rows_for *to)
{
	struct db_value cell[DB_MOST_COLUMNS];
	struct db_rows  row = { .rows = 1, .cols = (size_t)PQnfields(r), .cell = cell };

	if (row.cols > DB_MOST_COLUMNS)
		return ERR_LIMIT;
	for (int i = 0; i < PQntuples(r) && to->fn; i++) {
		arena_reset(&p->scratch);
		if (pg_row(r, i, cell, &p->scratch))
			return ERR_LIMIT;
		if (!to->fn(to->arg, &row))
			to->fn = NULL;	/* the rest is read and forgotten: the statement itself is to be carried out */
	}
	return OK;
}

static enum err take_result(struct pg *p, const PGresult *r, struct rows_for *to, char *why, size_t cap)
{
	enum err err = pg_err(r);

	if (err) {
		pg_words(r, p->mode, why, cap);
		return err;
	}
	return to->fn ? give_rows(p, r, to) : OK;
}

/* Everything up to the end of what was sent; the first error counts. */
static enum err take_results(struct pg *p, db_row_fn *fn, void *arg, char *why, size_t cap)
{
	struct rows_for to = { fn, arg };
	enum err        err = OK, one;
	PGresult       *r;

	for (;;) {
		if (next_result(p, &r, why, cap))
			return ERR_IO;
		if (!r)
			return err;
		one = err ? OK : take_result(p, r, &to, why, cap);
		if (one)
			err = one;
		PQclear(r);
	}
}

static enum err refused_to_send(struct pg *p, char *why, size_t cap)
{
	p->broken = true;
	if (why)
		pg_connect_words(p->conn, why, cap);
	return ERR_IO;
}

static enum err simple(struct pg *p, const char *sql, char *why, size_t cap)
{
	if (!PQsendQuery(p->conn, sql))
		return refused_to_send(p, why, cap);
	return take_results(p, NULL, NULL, why, cap);
}

static enum err params_of(struct pg *p, const struct db_value *v, unsigned n, struct pg_params *out)
{
	struct db_value *copy;
	char            *room;

	arena_reset(&p->scratch);
	copy = arena_alloc(&p->scratch, (n + 1) * sizeof(*copy));
	room = arena_alloc(&p->scratch, db_values_bytes(v, n) + 1);
	if (!copy || !room)
		return ERR_NOMEM;
	db_values_copy(copy, v, n, room);
	pg_params_set(out, copy, n);
	return OK;
}

static enum err prepare(struct pg *p, const struct db_stmt *st, const Oid *types, char *why, size_t cap)
{
	char     name[16];
	enum err err;

	if (p->prepared[st->id])
		return OK;
	snprintf(name, sizeof(name), "s%u", st->id);
	if (!PQsendPrepare(p->conn, name, st->sql, types ? (int)st->params : 0, types))
		return refused_to_send(p, why, cap);
	err = take_results(p, NULL, NULL, why, cap);
	p->prepared[st->id] = !err;
	return err;
}

static enum err run_kept(struct pg *p, const struct db_stmt *st, const struct pg_params *v, db_row_fn *fn, void *arg, char *why, size_t cap)
{
	char     name[16];
	enum err err = prepare(p, st, v->type, why, cap);

	if (err)
		return err;
	snprintf(name, sizeof(name), "s%u", st->id);
	if (!PQsendQueryPrepared(p->conn, name, (int)st->params, v->value, v->length, v->format, 0))
		return refused_to_send(p, why, cap);
	return take_results(p, fn, arg, why, cap);
}

static enum err run_once(struct pg *p, const char *sql, const struct pg_params *v, unsigned n, db_row_fn *fn, void *arg, char *why, size_t cap)
{
	if (!PQsendQueryParams(p->conn, sql, (int)n, v->type, v->value, v->length, v->format, 0))
		return refused_to_send(p, why, cap);
	if (fn)
		PQsetSingleRowMode(p->conn);	/* results may be larger than memory */
	return take_results(p, fn, arg, why, cap);
}

/* A statement that is refused takes its transaction along, in this engine; a savepoint keeps the rest. */
static enum err guarded(struct pg *p, const char *sql, const struct db_stmt *st, const struct db_value *v, unsigned n, db_row_fn *fn, void *arg,
			char *why, size_t cap)
{
	struct pg_params params;
	bool             within = p->began;
	enum err         err;

	if (p->broken)
		return broken(p, why, cap, "the connection was lost");
	set_work_limit(p);
	if (params_of(p, v, n, &params))
		return ERR_NOMEM;
	if (within && simple(p, "SAVEPOINT one", why, cap))
		return ERR_IO;
	err = st ? run_kept(p, st, &params, fn, arg, why, cap) : run_once(p, sql, &params, n, fn, arg, why, cap);
	if (within && !p->broken && simple(p, err ? "ROLLBACK TO SAVEPOINT one" : "RELEASE SAVEPOINT one", err ? NULL : why, cap))
		return ERR_IO;
	return err;
}

static enum err pg_each(struct db *d, const char *sql, const struct db_value *params, unsigned n, db_row_fn *fn, void *arg, char *why, size_t cap)
{
	return guarded(of(d), sql, NULL, params, n, fn, arg, why, cap);
}

static enum err pg_run(struct db *d, const struct db_stmt *st, const struct db_value *params, db_row_fn *fn, void *arg, char *why, size_t cap)
{
	return guarded(of(d), NULL, st, params, st->params, fn, arg, why, cap);
}

static enum err pg_prepare(struct db *d, const struct db_stmt *st, char *why, size_t cap)
{
	set_work_limit(of(d));
	return prepare(of(d), st, NULL, why, cap);
}

static enum err pg_script(struct db *d, const char *sql, char *why, size_t cap)
{
	set_work_limit(of(d));
	return simple(of(d), sql, why, cap);
}

/* --- transactions --- */

static enum err pg_begin(struct db *d, bool write, char *why, size_t cap)
{
	enum err err = pg_script(d, write ? "BEGIN" : "BEGIN READ ONLY", why, cap);

	of(d)->began = !err;
	return err;
}

static enum err pg_commit(struct db *d, char *why, size_t cap)
{
	of(d)->began = false;
	return pg_script(d, "COMMIT", why, cap);
}

static void pg_rollback(struct db *d)
{
	struct pg *p = of(d);

	p->began = false;
	if (!p->broken && PQtransactionStatus(p->conn) != PQTRANS_IDLE)
		(void)pg_script(d, "ROLLBACK", NULL, 0);
}

/* --- a group of changes: one way to the server and back --- */

static bool send_job(struct pg *p, const struct db_job *j, bool *fresh)
{
	struct pg_params v;
	char             name[16];

	if (params_of(p, j->v, j->stmt->params, &v))
		return false;
	snprintf(name, sizeof(name), "s%u", j->stmt->id);
	*fresh = !p->prepared[j->stmt->id];
	p->prepared[j->stmt->id] = true;
	if (*fresh && !PQsendPrepare(p->conn, name, j->stmt->sql, (int)j->stmt->params, v.type))
		return false;
	return PQsendQueryPrepared(p->conn, name, (int)j->stmt->params, v.value, v.length, v.format, 0);
}

static bool send_group(struct pg *p, const struct db_job *job, size_t n, bool *fresh)
{
	bool sent = PQsendQueryParams(p->conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);

	for (size_t i = 0; i < n && sent; i++)
		sent = send_job(p, &job[i], &fresh[i]);
	return sent && PQsendQueryParams(p->conn, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) && PQpipelineSync(p->conn);
}

/* The results of the next statement, which are one result and a NULL. */
static enum err take_one(struct pg *p, char *why, size_t cap)
{
	PGresult *r = NULL, *end = NULL;
	enum err  err;

	if (next_result(p, &r, why, cap))
		return ERR_IO;
	err = r ? pg_err(r) : broken(p, why, cap, "an answer of the database is missing");
	if (err && r)
		pg_words(r, p->mode, why, cap);
	PQclear(r);
	if (!p->broken && next_result(p, &end, why, cap))
		err = ERR_IO;
	PQclear(end);
	return err;
}

/* What follows an error is passed over by the server, up to the end of the group. */
static enum err skip_to_end(struct pg *p, char *why, size_t cap)
{
	PGresult      *r;
	ExecStatusType status;

	do {
		if (next_result(p, &r, why, cap))
			return ERR_IO;
		status = PQresultStatus(r);	/* of NULL: PGRES_FATAL_ERROR */
		PQclear(r);
	} while (status != PGRES_PIPELINE_SYNC);
	return OK;
}

/* *at: how many went well before the first that did not. What was prepared is not fresh any more, whatever becomes of the transaction. */
static enum err take_group(struct pg *p, size_t n, bool *fresh, size_t *at, char *why, size_t cap)
{
	enum err err = take_one(p, why, cap);	/* BEGIN */

	*at = 0;
	while (!err && *at < n) {
		if (fresh[*at])
			err = take_one(p, why, cap);
		fresh[*at] &= err != OK;
		if (!err)
			err = take_one(p, why, cap);
		if (!err)
			++*at;
	}
	if (!err)
		err = take_one(p, why, cap);	/* COMMIT */
	if (!p->broken && skip_to_end(p, err ? NULL : why, cap))
		return ERR_IO;
	return err;
}

/* What was to be prepared behind an error was not. */
static void forget_skipped(struct pg *p, const struct db_job *job, size_t n, const bool *fresh, size_t at)
{
	for (size_t i = at; i < n; i++)
		if (fresh[i])
			p->prepared[job[i].stmt->id] = false;
}

static enum err try_group(struct pg *p, const struct db_job *job, size_t n, size_t *at, char *why, size_t cap)
{
	bool    *fresh = calloc(n, sizeof(*fresh));
	enum err err;

	*at = 0;
	if (!fresh || !PQenterPipelineMode(p->conn) || !send_group(p, job, n, fresh)) {
		free(fresh);
		return broken(p, why, cap, "the changes could not be sent");
	}
	err = take_group(p, n, fresh, at, why, cap);
	if (err)
		forget_skipped(p, job, n, fresh, *at);
	free(fresh);
	if (!p->broken && !PQexitPipelineMode(p->conn))
		return broken(p, why, cap, "the connection is out of step");
	return err;
}

/* One that is refused ends the group before it: those in front of it are sent again without it, and it gets its error. */
static enum err pg_group(struct db *d, struct db_job *job, size_t *n, char *why, size_t cap)
{
	struct pg *p = of(d);
	size_t     todo = *n, at = 0;
	enum err   err;

	while (todo) {
		if (p->broken)
			return broken(p, why, cap, "the connection was lost");
		set_work_limit(p);
		err = try_group(p, job, todo, &at, why, cap);
		if (!err)
			break;
		if (p->broken || err == ERR_IO || err == ERR_NOMEM || at >= todo)	/* the last: it was the COMMIT */
			return ERR_IO;
		pg_rollback(d);
		db_note_refused(why);
		job[at].result = err;
		*n = at + 1;
		todo = at;
	}
	for (size_t i = 0; i < todo; i++)
		job[i].result = OK;
	return OK;
}

/* --- what is there --- */

static bool pg_stale(const struct db *d)
{
	const struct pg *p = of(d);

	/* an end of the connection that came while nobody looked is seen now */
	return p->broken || !PQconsumeInput(p->conn) || PQstatus(p->conn) != CONNECTION_OK;
}

static enum err pg_has_table(struct db *d, const char *name, bool *has)
{
	struct db_value   v = db_text(str_of(name));
	char              room[256];
	struct arena      a;
	struct db_collect c = { .arena = &a };
	enum err          err;

	arena_init(&a, room, sizeof(room), sizeof(room));
	err = pg_each(d, "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)",
		      &v, 1, db_collect_row, &c, NULL, 0);
	if (!err)
		*has = c.rows == 1;
	return err;
}

/* --- connecting --- */

static void pg_close(struct db *d)
{
	struct pg *p = of(d);

	PQfinish(p->conn);
	pg_target_free(&p->target);
	arena_free(&p->scratch);
	free(p);
}

/* Warnings of a migration are for the person who runs it; the rest is for nobody. */
static void on_notice(void *connection, const PGresult *r)
{
	const struct pg *p = connection;
	const char      *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY), *level = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (p->mode == DB_CREATE && words && level && !strcmp(level, "WARNING"))
		fprintf(stderr, "%s\n", words);
}

static bool poll_until_up(struct pg *p, char *why, size_t cap)
{
	PostgresPollingStatusType s = PGRES_POLLING_WRITING;

	while (PQstatus(p->conn) != CONNECTION_BAD) {
		if (!wait_for(p, s == PGRES_POLLING_READING ? POLLIN : POLLOUT)) {
			snprintf(why, cap, "no answer from the database within %u ms", p->target.connect_ms);
			return false;
		}
		s = PQconnectPoll(p->conn);
		if (s == PGRES_POLLING_OK)
			return true;
		if (s == PGRES_POLLING_FAILED)
			break;
	}
	pg_connect_words(p->conn, why, cap);
	return false;
}

/* From that host on, and then the others. */
static bool connect_from(struct pg *p, unsigned first, char *why, size_t cap)
{
	struct pg_host list[PG_MOST_HOSTS];

	for (unsigned i = 0; i < p->target.hosts; i++)
		list[i] = p->target.host[(first + i) % p->target.hosts];
	set_limit(p, p->target.connect_ms);
	p->conn = pg_connect_start(&p->target, list, p->target.hosts);
	if (p->conn) {
		PQsetNoticeReceiver(p->conn, on_notice, p);
		return poll_until_up(p, why, cap);
	}
	snprintf(why, cap, "out of memory");
	return false;
}

/* libpq tries all hosts, but stays for ever with one that accepts and does not answer: the time limit goes on to the next. */
static bool connected(struct pg *p, char *why, size_t cap)
{
	for (unsigned i = 0; i < p->target.hosts; i++) {
		if (connect_from(p, i, why, cap))
			return true;
		if (!p->conn || PQstatus(p->conn) == CONNECTION_BAD)
			return false;	/* all of them have refused */
		PQfinish(p->conn);
		p->conn = NULL;
	}
	return false;
}

static enum err set_up(struct pg *p, char *why, size_t cap)
{
	const char *encoding = PQparameterStatus(p->conn, "server_encoding");

	if (!encoding || strcmp(encoding, "UTF8") != 0) {
		snprintf(why, cap, "the database is in encoding %s: make one with `createdb -E UTF8 -T template0 NAME`", encoding ? encoding : "?");
		return ERR_UNSUPPORTED;
	}
	if (PQsetnonblocking(p->conn, 1))
		return refused_to_send(p, why, cap);
	set_limit(p, p->target.connect_ms);
	return simple(p, pg_session_sql(p->mode), why, cap);
}

static struct pg *pg_new(const char *where, enum db_mode mode, char *why, size_t cap)
{
	struct pg *p = calloc(1, sizeof(*p));

	if (!p) {
		snprintf(why, cap, "out of memory");
		return NULL;
	}
	p->db.driver = &db_postgres;
	p->mode = mode;
	arena_init(&p->scratch, NULL, 0, MOST_SCRATCH_BYTES);
	if (!pg_target_of(where, mode, &p->target, why, cap))
		return p;
	pg_close(&p->db);
	return NULL;
}

static const char *database_name(const struct pg_target *t)
{
	const char *user = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		if (!strcmp(t->key[i], "dbname"))
			return t->value[i];
		if (!strcmp(t->key[i], "user"))
			user = t->value[i];
	}
	return user;	/* as libpq has it */
}

static void set_database(struct pg_target *t, const char *name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!strcmp(t->key[i], "dbname")) {
			t->value[i] = name;
			return;
		}
	t->key[t->n] = "dbname";
	t->value[t->n++] = name;
}

static enum err create_named(struct pg *p, const char *name, char *why, size_t cap)
{
	char    *quoted = PQescapeIdentifier(p->conn, name, strlen(name));
	char     sql[256];
	enum err err;

	snprintf(sql, sizeof(sql), "CREATE DATABASE %s ENCODING 'UTF8' TEMPLATE template0", quoted ? quoted : "");
	PQfreemem(quoted);
	set_limit(p, NEVER_MS);
	err = simple(p, sql, why, cap);
	if (err) {
		size_t len = strlen(why);

		snprintf(why + len, cap - len, ": let an administrator run `createdb -E UTF8 -T template0 -O USER %s`", name);
	}
	return err;
}

/* By way of the database that every server has. */
static enum err create_database(const char *where, char *why, size_t cap)
{
	struct pg  *p = pg_new(where, DB_CREATE, why, cap);
	const char *name = p ? database_name(&p->target) : NULL;
	enum err    err = ERR_IO;

	if (!p)
		return ERR_IO;
	set_database(&p->target, "postgres");
	if (name && connected(p, why, cap) && !PQsetnonblocking(p->conn, 1))
		err = create_named(p, name, why, cap);
	pg_close(&p->db);
	return err;
}

/* Why a connection did not come up: it was refused, or nobody answered. */
static enum err err_of(const struct pg *p)
{
	return p->conn && PQstatus(p->conn) == CONNECTION_BAD ? pg_connect_err(PQerrorMessage(p->conn)) : ERR_IO;
}

static void say_missing(const char *where, char *why, size_t cap)
{
	char url[600], shown[600];

	snprintf(url, sizeof(url), "postgresql:%s", where);
	db_url_public(str_of(url), shown, sizeof(shown));
	snprintf(why, cap, "no database at %s: run `siparioctl --db '%s' db migrate`", shown, shown);
}

/* An error has its sentence in `why`. */
static enum err open_once(const char *where, enum db_mode mode, bool *missing, struct db **out, char *why, size_t cap)
{
	struct pg *p = pg_new(where, mode, why, cap);
	enum err   err = !p ? ERR_SYNTAX : connected(p, why, cap) ? OK : err_of(p);

	*missing = err && p && p->conn && strstr(PQerrorMessage(p->conn), " 3D000:");	/* invalid_catalog_name */
	if (*missing)
		say_missing(where, why, cap);
	if (!err)
		err = set_up(p, why, cap);
	if (!err) {
		PQsetErrorVerbosity(p->conn, PQERRORS_DEFAULT);
		*out = &p->db;
	} else if (p) {
		pg_close(&p->db);
	}
	return err;
}

static enum err pg_open(const char *where, enum db_mode mode, struct db **out, char *why, size_t cap)
{
	bool     missing;
	enum err err = open_once(where, mode, &missing, out, why, cap);

	if (!err || mode != DB_CREATE || !missing || create_database(where, why, cap))
		return err;
	return open_once(where, mode, &missing, out, why, cap);
}

static void pg_library(char *out, size_t cap)
{
	snprintf(out, cap, "libpq %d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
}

const struct db_driver db_postgres = {
	.scheme = "postgresql", .shared = true, .library = pg_library, .version_table = "CREATE TABLE IF NOT EXISTS schema_version (number integer PRIMARY KEY, name text NOT NULL, "
	"applied_unix bigint NOT NULL DEFAULT extract(epoch FROM now())::bigint)",
	.open = pg_open, .close = pg_close, .stale = pg_stale, .has_table = pg_has_table,
	.each = pg_each, .run = pg_run, .group = pg_group, .prepare = pg_prepare, .script = pg_script,
	.begin = pg_begin, .commit = pg_commit, .rollback = pg_rollback,
	.worker_start = pool_start, .worker_stop = pool_stop, .query = pool_query, .listen_start = listen_start, .listen_stop = listen_stop,
};
