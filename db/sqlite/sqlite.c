#include "db/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a statement waits for another process's lock, ms. The server retries by itself, a person would have to. */
enum { WAIT_SERVER_MS = 100, WAIT_PERSON_MS = 5000 };

struct sqlite {
	struct db     db;	/* first */
	sqlite3      *h;
	char         *path;
	dev_t         dev;	/* of the file when it was opened */
	ino_t         ino;
	sqlite3_stmt *kept[DB_MOST_STMTS];
};

static struct sqlite *of(const struct db *d)
{
	return (struct sqlite *)d;
}

/* --- errors --- */

static enum err err_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return OK;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ? ERR_EXISTS : ERR_STATE;
	case SQLITE_ERROR:
	case SQLITE_MISMATCH:
	case SQLITE_RANGE:
		return ERR_SYNTAX;
	case SQLITE_TOOBIG:
		return ERR_LIMIT;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	default:	/* busy, full, corrupt, input/output …: the store is away */
		return ERR_IO;
	}
}

static enum err say(struct sqlite *s, int rc, char *why, size_t cap)
{
	enum err err = err_of(rc);

	if (!err || !why)
		return err;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
		snprintf(why, cap, "%s is locked by another program: try again", s->path);
		break;
	case SQLITE_FULL:
		snprintf(why, cap, "no room for %s: free some disk space", s->path);
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		snprintf(why, cap, "%s is not a sound SQLite database (%s): restore it from a copy, or name another",
			 s->path, sqlite3_errmsg(s->h));
		break;
	case SQLITE_READONLY:
		snprintf(why, cap, "%s may not be written by this user", s->path);
		break;
	default:
		snprintf(why, cap, "%s: %s", s->path, sqlite3_errmsg(s->h));
	}
	return err;
}

/* --- statements --- */

/* SQLite takes $1 for a name, numbered by its first appearance; the name says which value it is. */
static int bind_all(sqlite3_stmt *st, const struct db_value *v, unsigned n)
{
	int count = sqlite3_bind_parameter_count(st), rc = SQLITE_OK;

	for (int i = 1; i <= count && !rc; i++) {
		const char            *name = sqlite3_bind_parameter_name(st, i);
		const struct db_value *x;
		uint32_t               at;

		if (!name || name[0] != '$' || !str_u32(str_of(name + 1), &at) || at < 1 || at > n)
			return SQLITE_RANGE;
		x = &v[at - 1];
		switch (x->type) {
		case DB_NULL:
			rc = sqlite3_bind_null(st, i);
			break;
		case DB_INT:
			rc = sqlite3_bind_int64(st, i, x->i);
			break;
		case DB_TEXT:
			rc = sqlite3_bind_text64(st, i, x->s.len ? x->s.p : "", x->s.len, SQLITE_STATIC, SQLITE_UTF8);
			break;
		case DB_BYTES:
			rc = sqlite3_bind_blob64(st, i, x->s.len ? x->s.p : "", x->s.len, SQLITE_STATIC);
			break;
		}
	}
	return rc;
}

static struct db_value column(sqlite3_stmt *st, int i)
{
	switch (sqlite3_column_type(st, i)) {
	case SQLITE_INTEGER:
		return db_int(sqlite3_column_int64(st, i));
	case SQLITE_NULL:
		return db_null();
	case SQLITE_BLOB: {
		const void *p = sqlite3_column_blob(st, i);

		return (struct db_value){ .type = DB_BYTES, .s = str_n(p, (size_t)sqlite3_column_bytes(st, i)) };
	}
	default: {	/* a REAL, which no table of ours has, is given as text */
		const unsigned char *p = sqlite3_column_text(st, i);

		return db_text(str_n((const char *)p, (size_t)sqlite3_column_bytes(st, i)));
	}
	}
}

static int step_all(sqlite3_stmt *st, db_row_fn *fn, void *arg)
{
	struct db_value cell[DB_MOST_COLUMNS];
	int             cols = sqlite3_column_count(st), rc;

	if (cols > DB_MOST_COLUMNS)
		return SQLITE_TOOBIG;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct db_rows row = { .rows = 1, .cols = (size_t)cols, .cell = cell };

		for (int i = 0; i < cols && fn; i++)
			cell[i] = column(st, i);
		if (fn && !fn(arg, &row))
			return SQLITE_DONE;
	}
	return rc;
}

static enum err run_bound(struct sqlite *s, sqlite3_stmt *st, const struct db_value *params, unsigned n, db_row_fn *fn, void *arg,
			  char *why, size_t cap)
{
	int      rc = bind_all(st, params, n);
	enum err err;

	if (!rc)
		rc = step_all(st, fn, arg);
	err = say(s, rc, why, cap);	/* before the reset, which clears the words */
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);	/* they point to the caller's memory */
	return err;
}

static enum err sqlite_each(struct db *d, const char *sql, const struct db_value *params, unsigned n, db_row_fn *fn, void *arg,
			    char *why, size_t cap)
{
	struct sqlite *s = of(d);
	sqlite3_stmt  *st = NULL;
	int            rc = sqlite3_prepare_v2(s->h, sql, -1, &st, NULL);
	enum err       err;

	if (rc)
		return say(s, rc, why, cap);
	err = run_bound(s, st, params, n, fn, arg, why, cap);
	sqlite3_finalize(st);
	return err;
}

static enum err sqlite_prepare(struct db *d, const struct db_stmt *st, char *why, size_t cap)
{
	struct sqlite *s = of(d);

	if (s->kept[st->id])
		return OK;
	return say(s, sqlite3_prepare_v3(s->h, st->sql, -1, SQLITE_PREPARE_PERSISTENT, &s->kept[st->id], NULL), why, cap);
}

static enum err sqlite_run(struct db *d, const struct db_stmt *st, const struct db_value *params, db_row_fn *fn, void *arg,
			   char *why, size_t cap)
{
	enum err err = sqlite_prepare(d, st, why, cap);

	return err ? err : run_bound(of(d), of(d)->kept[st->id], params, st->params, fn, arg, why, cap);
}

static enum err sqlite_script(struct db *d, const char *sql, char *why, size_t cap)
{
	return say(of(d), sqlite3_exec(of(d)->h, sql, NULL, NULL, NULL), why, cap);
}

static enum err sqlite_begin(struct db *d, bool write, char *why, size_t cap)
{
	return sqlite_script(d, write ? "BEGIN IMMEDIATE" : "BEGIN", why, cap);
}

static enum err sqlite_commit(struct db *d, char *why, size_t cap)
{
	return sqlite_script(d, "COMMIT", why, cap);
}

static void sqlite_rollback(struct db *d)
{
	/* some errors have rolled back already */
	if (!sqlite3_get_autocommit(of(d)->h))
		(void)sqlite_script(d, "ROLLBACK", NULL, 0);
}

static enum err sqlite_has_table(struct db *d, const char *name, bool *has)
{
	struct db_value   v = db_text(str_of(name));
	char              room[256];
	struct arena      a;
	struct db_collect c = { .arena = &a };
	enum err          err;

	arena_init(&a, room, sizeof(room), sizeof(room));
	err = sqlite_each(d, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1", &v, 1, db_collect_row, &c, NULL, 0);
	if (!err)
		*has = c.rows == 1;
	return err;
}

/* --- connections --- */

static void sqlite_close(struct db *d)
{
	struct sqlite *s = of(d);

	for (size_t i = 0; i < DB_MOST_STMTS; i++)
		sqlite3_finalize(s->kept[i]);
	sqlite3_close(s->h);
	free(s->path);
	free(s);
}

static enum err run_jobs(struct db *d, struct db_job *job, size_t n, char *why, size_t cap)
{
	for (size_t i = 0; i < n; i++) {
		job[i].result = sqlite_run(d, job[i].stmt, job[i].v, NULL, NULL, why, cap);
		if (job[i].result == ERR_IO || job[i].result == ERR_NOMEM)
			return job[i].result;
		if (job[i].result)
			db_note_refused(why);
	}
	return OK;
}

static enum err sqlite_group(struct db *d, struct db_job *job, size_t *n, char *why, size_t cap)
{
	enum err err = sqlite_begin(d, true, why, cap);

	if (!err)
		err = run_jobs(d, job, *n, why, cap);
	return err ? err : sqlite_commit(d, why, cap);
}

static bool sqlite_stale(const struct db *d)
{
	const struct sqlite *s = of(d);
	struct stat          st;

	return stat(s->path, &st) || st.st_dev != s->dev || st.st_ino != s->ino;
}

/* The file has everybody's HA1: nobody else may read it. SQLite gives its journal files the same mode. */
static bool make_file(const char *path, char *why, size_t cap)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	if (errno == EEXIST)
		return true;
	if (errno == ENOENT)
		snprintf(why, cap, "cannot create %s: its folder does not exist; make it first (mkdir -m 700)", path);
	else
		snprintf(why, cap, "cannot create %s: %s", path, strerror(errno));
	return false;
}

static bool find_file(struct sqlite *s, char *why, size_t cap)
{
	struct stat st;

	if (stat(s->path, &st)) {
		if (errno == ENOENT)
			snprintf(why, cap, "no database at %s: run `siparioctl --db sqlite:%s db migrate`", s->path, s->path);
		else
			snprintf(why, cap, "cannot open %s: %s", s->path, strerror(errno));
		return false;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return true;
}

/* A 200 to REGISTER is a promise: synchronous=FULL makes every commit survive a power cut. */
static int set_up(struct sqlite *s, enum db_mode mode)
{
	int rc = sqlite3_busy_timeout(s->h, mode == DB_READ || mode == DB_WRITE ? WAIT_SERVER_MS : WAIT_PERSON_MS);

	sqlite3_extended_result_codes(s->h, 1);
	if (!rc)
		rc = sqlite3_exec(s->h, "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
	if (!rc && mode == DB_READ)
		return sqlite3_exec(s->h, "PRAGMA query_only = ON", NULL, NULL, NULL);
	if (!rc)
		rc = sqlite3_exec(s->h, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", NULL, NULL, NULL);
	return rc;
}

static enum err sqlite_open(const char *path, enum db_mode mode, struct db **out, char *why, size_t cap)
{
	int            flags = (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX, rc;
	struct sqlite *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path))) {
		snprintf(why, cap, "out of memory");
		free(s);
		return ERR_IO;
	}
	s->db.driver = &db_sqlite;
	if (mode == DB_CREATE && !make_file(path, why, cap))
		goto fail;
	if (!find_file(s, why, cap))
		goto fail;
	rc = sqlite3_open_v2(path, &s->h, flags, NULL);
	if (!rc)
		rc = set_up(s, mode);
	if (!say(s, rc, why, cap)) {
		*out = &s->db;
		return OK;
	}
fail:
	sqlite_close(&s->db);
	return ERR_IO;
}

static void sqlite_library(char *out, size_t cap)
{
	snprintf(out, cap, "SQLite %s", sqlite3_libversion());
}

const struct db_driver db_sqlite = {
	.scheme = "sqlite", .library = sqlite_library, .version_table = "CREATE TABLE IF NOT EXISTS schema_version (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
	"applied_unix INTEGER NOT NULL DEFAULT (unixepoch())) STRICT",
	.open = sqlite_open, .close = sqlite_close, .stale = sqlite_stale, .has_table = sqlite_has_table,
	.each = sqlite_each, .run = sqlite_run, .group = sqlite_group, .prepare = sqlite_prepare, .script = sqlite_script,
	.begin = sqlite_begin, .commit = sqlite_commit, .rollback = sqlite_rollback,
	.worker_start = reader_start, .worker_stop = reader_stop, .query = reader_query, .waiting = reader_waiting,
	.listen_start = changes_start, .listen_stop = changes_stop,
};
