/* db/: the synchronous calls, migrations, a worker's reads and the writer: the same tests for each engine, on stores of their own. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "pg_cluster.h"

#define SCHEMA "db/schema"

/* What differs between the engines. */
struct engine {
	const char *scheme;
	void (*url)(void);	/* of a store that is not there yet, to t.url */
	void (*away)(void);	/* the store goes … */
	void (*back)(void);	/* … and comes back, with all that was in it */
	const char *lock;	/* within a transaction: from here on nobody else may write */
	enum err    bad_number;	/* for a text where a column wants a number */
};

static struct {
	const struct engine *engine;
	char folder[64], path[96], url[300], why[512];
	struct arena arena;
} t;

static void sqlite_url(void)
{
	snprintf(t.url, sizeof(t.url), "sqlite:%s", t.path);
}

static void sqlite_away(void)
{
	char away[128];

	snprintf(away, sizeof(away), "%s.away", t.path);
	CHECK(!rename(t.path, away));
}

static void sqlite_back(void)
{
	char away[128];

	snprintf(away, sizeof(away), "%s.away", t.path);
	CHECK(!rename(away, t.path));
}

static void pg_url(void)
{
	static unsigned n;

	cluster_start();
	snprintf(t.url, sizeof(t.url), "postgresql://sipario@/t%u?host=%s&port=%u", ++n, cluster.folder, cluster.port);
}

static void pg_away(void)
{
	cluster_do("stop");
}

static void pg_back(void)
{
	cluster_do("start");
}

static const struct engine engines[] = {
	{ "sqlite", sqlite_url, sqlite_away, sqlite_back, "SELECT 1", ERR_STATE },
	{ "postgresql", pg_url, pg_away, pg_back, "LOCK TABLE domains", ERR_SYNTAX },
};

/* A test that every engine must pass. */
#define CONFORMANCE(name)                                                                   \
	static void name(void);                                                             \
	TEST(sqlite_##name)                                                                 \
	{                                                                                   \
		t.engine = &engines[0];                                                     \
		name();                                                                     \
	}                                                                                   \
	TEST(postgresql_##name)                                                             \
	{                                                                                   \
		t.engine = &engines[1];                                                     \
		name();                                                                     \
	}                                                                                   \
	static void name(void)

/* One engine's own. */
#define ONLY(index, name)                                                                   \
	static void name(void);                                                             \
	TEST(only_##name)                                                                   \
	{                                                                                   \
		t.engine = &engines[index];                                                 \
		name();                                                                     \
	}                                                                                   \
	static void name(void)
enum { SQLITE, POSTGRESQL };

static void begin(void)
{
	snprintf(t.folder, sizeof(t.folder), "/tmp/sipario-db-XXXXXX");
	CHECK(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/x.db", t.folder);
	t.engine->url();
	t.why[0] = 0;
	arena_init(&t.arena, NULL, 0, 1 << 20);
}

static void end(void)
{
	char line[128];

	arena_free(&t.arena);
	snprintf(line, sizeof(line), "rm -rf %s", t.folder);
	CHECK(!system(line));
}

static struct db *open_new(void)
{
	struct db *d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	unsigned   n = 99;

	CHECK(d);
	CHECK(!db_migrate(d, SCHEMA, &n, t.why, sizeof(t.why)));
	CHECK_INT(n, DB_SCHEMA);
	return d;
}

static enum err run(struct db *d, const char *sql)
{
	return db_exec(d, sql, NULL, 0, NULL, NULL, t.why, sizeof(t.why));
}

static struct db_rows rows_of(struct db *d, const char *sql, const struct db_value *v, unsigned n)
{
	struct db_rows rows;

	CHECK(!db_exec(d, sql, v, n, &t.arena, &rows, t.why, sizeof(t.why)));
	return rows;
}

static bool says(const char *part)
{
	if (strstr(t.why, part))
		return true;
	print_error("why: %s\n", t.why);
	return false;
}

/* --- opening --- */

ONLY(SQLITE, a_store_is_created_readable_by_its_owner_only)
{
	struct stat st;
	char        wal[112];
	struct db  *d;

	begin();
	umask(0);
	d = open_new();
	CHECK(!stat(t.path, &st) && (st.st_mode & 0777) == 0600);
	snprintf(wal, sizeof(wal), "%s-wal", t.path);
	CHECK(!stat(wal, &st) && (st.st_mode & 0777) == 0600);
	db_close(d);
	umask(022);
	end();
}

CONFORMANCE(a_missing_store_names_the_command_that_makes_it)
{
	begin();
	CHECK(!db_open(str_of(t.url), false, t.why, sizeof(t.why)));
	CHECK(says("no database at") && says("siparioctl --db") && says(t.engine->scheme) && says("db migrate"));
	end();
}

TEST(a_url_of_another_engine_is_unsupported)
{
	char why[256] = "";

	CHECK_INT(db_configure(STR("mysql://bob:secret@localhost/x"), why, sizeof(why)), ERR_UNSUPPORTED);
	CHECK(strstr(why, "not built in") && !strstr(why, "secret"));
	CHECK_INT(db_configure(STR("sqlite:"), why, sizeof(why)), ERR_SYNTAX);
	CHECK_INT(db_configure(STR("var/x.db"), why, sizeof(why)), ERR_UNSUPPORTED);
	CHECK(!db_configured());
	CHECK(!db_open(STR("sqlite:/tmp/no-such-folder/x.db"), true, why, sizeof(why)));
	CHECK(strstr(why, "folder does not exist"));
}

TEST(a_url_is_shown_without_its_password)
{
	static const struct { const char *url, *want; } rows[] = {
		{ "sqlite:var/x:y@z.db", "sqlite:var/x:y@z.db" },
		{ "postgresql://h/d", "postgresql://h/d" },
		{ "postgresql://bob@h:5432/d?sslmode=require", "postgresql://bob@h:5432/d?sslmode=require" },
		{ "postgresql://bob:secret@h/d", "postgresql://bob@h/d" },
		{ "postgres://bob:sec/r@et:@h/d?connect_timeout=1", "postgres://bob@h/d?connect_timeout=1" },	/* not escaped as it should be */
		{ "postgresql://bob:se?cret@h/d", "postgresql://bob@h/d" },
		{ "postgresql:///d?password=secret&host=/run&sslpassword=secret", "postgresql:///d?host=/run" },
		{ "postgresql:///d?PassWord=secret", "postgresql:///d" },
		{ "postgresql:///d?p%61ssword=secret", "postgresql:///d" },
		{ "mysql://bob:secret@h/d", "mysql://bob@h/d" },
	};
	char room[128];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		db_url_public(str_of(rows[i].url), room, sizeof(room));
		CHECK_ROW(!strcmp(room, rows[i].want), rows[i].url);
	}
	db_url_public(STR("postgresql://bob:secret@h/d"), room, 8);
	CHECK(strlen(room) < 8 && !strstr(room, "secret"));
}

ONLY(SQLITE, a_file_that_is_no_database_is_said_to_be_none)
{
	FILE *f;

	begin();
	f = fopen(t.path, "w");
	CHECK(f);
	for (int i = 0; i < 1000; i++)
		fprintf(f, "this is a text, not a database\n");
	fclose(f);
	CHECK(!db_open(str_of(t.url), false, t.why, sizeof(t.why)));
	CHECK(says("not a sound SQLite database"));
	CHECK(!db_configure(str_of(t.url), t.why, sizeof(t.why)));
	CHECK(db_check(t.why, sizeof(t.why)) != OK);
	CHECK(says(t.path));
	end();
}

/* --- values --- */

CONFORMANCE(values_come_back_as_they_went)
{
	static const char bytes[] = "a\0b\xff";
	struct db_value   in[] = { db_int(INT64_MIN), db_text(STR("Zoë \xf0\x9f\x93\x9e")), db_null(), db_text(STR("")),
				   { .type = DB_BYTES, .s = { bytes, 4 } } };
	struct db_rows    r;
	struct db        *d;

	begin();
	d = open_new();
	r = rows_of(d, "SELECT $1, $2, $3, $4, $5", in, 5);
	CHECK(r.rows == 1 && r.cols == 5);
	CHECK(db_cell(&r, 0, 0)->type == DB_INT && db_cell(&r, 0, 0)->i == INT64_MIN);
	CHECK(db_cell(&r, 0, 1)->type == DB_TEXT);
	CHECK_STR(db_cell(&r, 0, 1)->s, "Zoë \xf0\x9f\x93\x9e");
	CHECK(db_cell(&r, 0, 2)->type == DB_NULL);
	CHECK(db_cell(&r, 0, 3)->type == DB_TEXT && db_cell(&r, 0, 3)->s.len == 0);
	CHECK(db_cell(&r, 0, 4)->type == DB_BYTES && str_eq(db_cell(&r, 0, 4)->s, str_n(bytes, 4)));
	db_close(d);
	end();
}

CONFORMANCE(parameters_are_known_by_number_not_by_place)
{
	struct db_value v[] = { db_int(1), db_int(2), db_int(3) };
	struct db_rows  r;
	struct db      *d;

	begin();
	d = open_new();
	r = rows_of(d, "SELECT $3, $1, '$2', $3", v, 3);
	CHECK(db_cell(&r, 0, 0)->i == 3 && db_cell(&r, 0, 1)->i == 1 && db_cell(&r, 0, 3)->i == 3);
	CHECK_STR(db_cell(&r, 0, 2)->s, "$2");
	CHECK_INT(db_exec(d, "SELECT $4", v, 3, NULL, NULL, t.why, sizeof(t.why)), ERR_SYNTAX);
	CHECK_INT(db_exec(d, "SELECT :name", v, 3, NULL, NULL, t.why, sizeof(t.why)), ERR_SYNTAX);
	db_close(d);
	end();
}

CONFORMANCE(a_text_is_a_value_whatever_it_says)
{
	static const char *const rows[] = {
		"'; DROP TABLE users; --", "\" OR 1=1", "$1", "?1", "%s%n", "a'b''c", "\\", "sip:x@y;a=\"b\"", "\r\n",
	};
	struct db *d;

	begin();
	d = open_new();
	CHECK(!run(d, "CREATE TABLE notes (v TEXT)"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct db_value v = db_text(str_of(rows[i]));
		struct db_rows  r;

		CHECK(!db_exec(d, "INSERT INTO notes VALUES ($1)", &v, 1, NULL, NULL, t.why, sizeof(t.why)));
		r = rows_of(d, "SELECT v FROM notes WHERE v = $1", &v, 1);
		CHECK_ROW(r.rows == 1 && str_is(db_cell(&r, 0, 0)->s, rows[i]), rows[i]);
	}
	CHECK(rows_of(d, "SELECT * FROM users", NULL, 0).rows == 0);
	db_close(d);
	end();
}

CONFORMANCE(a_text_that_is_not_utf8_or_holds_a_nul_is_refused)
{
	static const struct { const char *p; size_t len; bool ok; } rows[] = {	/* RFC 3629 §4 */
		{ "abc", 3, true }, { "a\0c", 3, false }, { "\xc3\xab", 2, true }, { "\xc3", 1, false }, { "\xab", 1, false },
		{ "\xc0\x80", 2, false },	/* NUL, overlong */
		{ "\xe0\x80\x80", 3, false }, { "\xed\xa0\x80", 3, false },	/* a surrogate */
		{ "\xef\xbf\xbd", 3, true }, { "\xf0\x80\x80\x80", 4, false }, { "\xf4\x8f\xbf\xbf", 4, true },
		{ "\xf4\x90\x80\x80", 4, false }, { "\xff", 1, false },
	};
	struct db *d;

	begin();
	d = open_new();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct db_value v = db_text(str_n(rows[i].p, rows[i].len));
		enum err        err = db_exec(d, "SELECT $1", &v, 1, NULL, NULL, t.why, sizeof(t.why));

		CHECK_ROW(err == (rows[i].ok ? OK : ERR_SYNTAX), rows[i].p);
	}
	db_close(d);
	end();
}

static bool count_three(void *arg, const struct db_rows *row)
{
	(void)row;
	return ++*(int *)arg < 3;
}

CONFORMANCE(each_stops_when_told_and_large_results_are_refused)
{
	static const char numbers[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i, 'a text' FROM n";
	struct db_rows    r = { 0 };
	int               n = 0;
	struct db        *d;

	begin();
	d = open_new();
	CHECK(!db_each(d, numbers, NULL, 0, count_three, &n, t.why, sizeof(t.why)));
	CHECK_INT(n, 3);
	CHECK_INT(db_exec(d, numbers, NULL, 0, &t.arena, &r, t.why, sizeof(t.why)), ERR_LIMIT);
	CHECK(r.rows == 0);
	db_close(d);
	end();
}

CONFORMANCE(transactions_commit_whole_or_not_at_all)
{
	struct db *d;

	begin();
	d = open_new();
	CHECK(!db_begin(d));
	CHECK(!run(d, "INSERT INTO domains (name) VALUES ('a.example')"));
	db_rollback(d);
	CHECK(rows_of(d, "SELECT * FROM domains", NULL, 0).rows == 0);
	CHECK(!db_begin(d));
	CHECK(!run(d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!db_commit(d));
	db_rollback(d);	/* nothing to roll back: harmless */
	CHECK(rows_of(d, "SELECT * FROM domains", NULL, 0).rows == 1);
	db_close(d);
	end();
}

/* --- schema --- */

CONFORMANCE(the_constraints_refuse_what_the_server_could_not_use)
{
	static const struct { const char *sql; enum err want; } rows[] = {
		{ "INSERT INTO domains (name) VALUES ('a.example')", OK },
		{ "INSERT INTO domains (name) VALUES ('a.example')", ERR_EXISTS },
		{ "INSERT INTO domains (name) VALUES ('B.example')", ERR_STATE },	/* not in lower case */
		{ "INSERT INTO domains (name) VALUES ('')", ERR_STATE },
		{ "INSERT INTO users (name, domain) VALUES ('alice', 'a.example')", OK },
		{ "INSERT INTO users (name, domain) VALUES ('alice', 'a.example')", ERR_EXISTS },
		{ "INSERT INTO users (name, domain) VALUES ('Alice', 'a.example')", OK },	/* RFC 3261 §19.1.4: user parts differ by case */
		{ "INSERT INTO users (name, domain) VALUES ('bob', 'no.example')", ERR_STATE },
		{ "UPDATE users SET ha1_md5 = 'secret'", ERR_STATE },
		{ "UPDATE users SET ha1_md5 = 'D41D8CD98F00B204E9800998ECF8427E'", ERR_STATE },
		{ "UPDATE users SET ha1_md5 = 'd41d8cd98f00b204e9800998ecf8427e'", OK },
		{ "UPDATE users SET status = 'away'", ERR_STATE },
		{ "UPDATE users SET ring_time = 0", ERR_STATE },
		{ "UPDATE users SET ring_time = 20, forward_busy = 'sip:b@a.example'", OK },
		{ "UPDATE users SET forward_busy = 'voicemail'", ERR_STATE },
		{ "DELETE FROM domains", ERR_STATE },	/* has users */
		{ "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) VALUES ('sip:a@b', 'sip:x@y', 'c', 1, 9)", OK },
		{ "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) VALUES ('sip:a@b', 'sip:x@y', 'c', 1, 9)", ERR_EXISTS },
		{ "UPDATE bindings SET q = 1001", ERR_STATE },
		{ "UPDATE users SET voicemail = 'here', max_calls = 3", ERR_STATE },
		{ "UPDATE users SET voicemail = 'sip:vm@a.example', max_calls = 3, max_contacts = 1, do_not_disturb = (1 = 1)", OK },
		{ "UPDATE users SET max_contacts = 0", ERR_STATE },
		{ "INSERT INTO preferences (user_id, name, value) SELECT id, 'language', 'de' FROM users", OK },
		{ "INSERT INTO preferences (user_id, name, value) VALUES (999, 'language', 'de')", ERR_STATE },
		{ "INSERT INTO aliases (name, domain, user_id) SELECT '100', 'a.example', id FROM users WHERE name = 'alice'", OK },
		{ "INSERT INTO aliases (name, domain, user_id) SELECT '100', 'a.example', id FROM users WHERE name = 'Alice'", ERR_EXISTS },
		{ "INSERT INTO aliases (name, domain, user_id) SELECT 'Alice', 'a.example', id FROM users WHERE name = 'alice'", ERR_STATE },
		{ "INSERT INTO users (name, domain) VALUES ('100', 'a.example')", ERR_STATE },	/* is an alias */
		{ "UPDATE users SET name = '100' WHERE name = 'alice'", ERR_STATE },
		{ "UPDATE aliases SET name = 'alice'", ERR_STATE },
		{ "INSERT INTO call_prefixes (prefix, class) VALUES ('+49', 'national')", OK },
		{ "INSERT INTO call_prefixes (prefix, class) VALUES ('00', 'abroad')", ERR_STATE },
		{ "INSERT INTO call_prefixes (prefix, class) VALUES ('4+9', 'national')", ERR_STATE },
		{ "INSERT INTO call_prefixes (prefix, class) VALUES ('x', 'national')", ERR_STATE },
		{ "DELETE FROM call_classes WHERE name = 'national'", ERR_STATE },	/* in use */
		{ "INSERT INTO groups (name) VALUES ('staff')", OK },
		{ "INSERT INTO group_members (group_name, user_id) SELECT 'staff', id FROM users WHERE name = 'alice'", OK },
		{ "INSERT INTO group_permissions (group_name, class) VALUES ('staff', 'national')", OK },
		{ "INSERT INTO group_permissions (group_name, class) VALUES ('nobody', 'national')", ERR_STATE },
		{ "INSERT INTO user_permissions (user_id, class) SELECT id, 'mobile' FROM users WHERE name = 'alice'", OK },
		{ "INSERT INTO trusted_peers (network, name) VALUES ('192.0.2.0/24', 'carrier')", OK },
		{ "INSERT INTO trusted_peers (network, name) VALUES ('2001:db8::/32', 'carrier')", OK },
		{ "INSERT INTO trusted_peers (network, name) VALUES ('192.0.2.0/24', 'other')", ERR_EXISTS },
		{ "INSERT INTO calls (id, call_id, caller, callee, start_ms, code) VALUES ('1', 'c', 'sip:a@b', 'sip:c@d', 1000, 486)", OK },
		{ "INSERT INTO calls (id, call_id, caller, callee, start_ms, code) VALUES ('1', 'c', 'sip:a@b', 'sip:c@d', 1000, 486)", ERR_EXISTS },
		{ "UPDATE calls SET answer_ms = 999", ERR_STATE },	/* before it began */
		{ "UPDATE calls SET answer_ms = 2000, end_ms = 1999", ERR_STATE },
		{ "UPDATE calls SET answer_ms = 2000, end_ms = 9000, ended_by = 'callee', code = 200", OK },
		{ "UPDATE calls SET ended_by = 'nobody'", ERR_STATE },
		{ "SELECT nothing FROM nowhere", ERR_SYNTAX },
	};
	struct db *d;

	begin();
	d = open_new();
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(run(d, rows[i].sql) == rows[i].want, rows[i].sql);
	CHECK_INT(run(d, "UPDATE users SET ring_time = 'soon'"), t.engine->bad_number);
	db_close(d);
	end();
}

CONFORMANCE(the_views_show_what_an_operator_wants)
{
	static const struct { const char *sql, *want; } rows[] = {
		{ "SELECT address FROM user_overview WHERE contacts = 1 AND aliases = 1", "alice@a.example" },
		{ "SELECT target FROM forwardings WHERE address = 'alice@a.example' AND kind = 'no answer' AND ring_time = 7", "sip:b@c" },
		{ "SELECT class FROM user_rights WHERE address = 'alice@a.example' AND by_group = 'staff'", "national" },
		{ "SELECT contact FROM registered", "sip:x@y" },
		{ "SELECT ended_by FROM call_log WHERE seconds = 7", "callee" },
	};
	struct db *d;

	begin();
	d = open_new();
	CHECK(!run(d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!run(d, "INSERT INTO users (name, domain, forward_no_answer, ring_time) VALUES ('alice', 'a.example', 'sip:b@c', 7)"));
	CHECK(!run(d, "INSERT INTO aliases (name, domain, user_id) SELECT '100', domain, id FROM users"));
	CHECK(!run(d, "INSERT INTO groups (name) VALUES ('staff')"));
	CHECK(!run(d, "INSERT INTO group_members (group_name, user_id) SELECT 'staff', id FROM users"));
	CHECK(!run(d, "INSERT INTO group_permissions (group_name, class) VALUES ('staff', 'national')"));
	CHECK(!run(d, "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) VALUES ('sip:alice@a.example', 'sip:x@y', 'c', 1, 4000000000)"));
	CHECK(!run(d, "INSERT INTO calls (id, call_id, caller, callee, start_ms, answer_ms, end_ms, ended_by, code) "
		   "VALUES ('1', 'c', 'sip:a@b', 'sip:c@d', 1000, 2000, 9000, 'callee', 200)"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct db_rows r = rows_of(d, rows[i].sql, NULL, 0);

		CHECK_ROW(r.rows == 1 && str_is(db_cell(&r, 0, 0)->s, rows[i].want), rows[i].sql);
	}
	CHECK(!run(d, "DELETE FROM users"));	/* and all that is theirs */
	CHECK(rows_of(d, "SELECT 1 FROM aliases UNION ALL SELECT 1 FROM group_members", NULL, 0).rows == 0);
	db_close(d);
	end();
}

static void put(const char *name, const char *text)
{
	char  path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", t.folder, t.engine->scheme, name);
	f = fopen(path, "w");
	CHECK(f);
	fputs(text, f);
	fclose(f);
}

static void own_folder(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", t.folder, t.engine->scheme);
	CHECK(!mkdir(path, 0700));
}

CONFORMANCE(migrations_are_applied_once_and_in_order)
{
	struct db_migration *list;
	struct db           *d;
	unsigned             n = 9, version = 9;
	size_t               count;

	begin();
	own_folder();
	put("0002-two.sql", "INSERT INTO a VALUES (2); INSERT INTO a VALUES (3);");
	put("0001-one.sql", "CREATE TABLE a (i INTEGER);");
	put("README", "not a migration");
	d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(d && !db_schema_version(d, &version) && version == 0);
	CHECK(!db_migrate(d, t.folder, &n, t.why, sizeof(t.why)));
	CHECK_INT(n, 2);
	CHECK(!db_migrate(d, t.folder, &n, t.why, sizeof(t.why)));
	CHECK_INT(n, 0);
	CHECK(rows_of(d, "SELECT i FROM a", NULL, 0).rows == 2);
	put("0003-three.sql", "INSERT INTO a VALUES (4);");
	CHECK(!db_migrations(d, t.folder, &t.arena, &list, &count, t.why, sizeof(t.why)));
	CHECK(count == 3 && list[1].applied && !list[2].applied && list[2].number == 3);
	CHECK_STR(str_of(list[2].name), "three");
	db_close(d);
	end();
}

CONFORMANCE(a_newer_schema_is_not_called_up_to_date)
{
	struct db *d;
	unsigned   n = 9;

	begin();
	own_folder();
	put("0001-one.sql", "CREATE TABLE a (i INTEGER);");
	d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(d && !db_migrate(d, t.folder, &n, t.why, sizeof(t.why)));
	CHECK(!db_exec(d, "INSERT INTO schema_version (number, name) VALUES (7, 'future')", NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
	CHECK_INT(db_migrate(d, t.folder, &n, t.why, sizeof(t.why)), ERR_STATE);
	CHECK(says("has schema 7, this program knows 1: use the newer siparioctl"));
	db_close(d);
	end();
}

CONFORMANCE(a_migration_that_fails_leaves_nothing_behind)
{
	struct db *d;
	unsigned   n = 9, version;

	begin();
	own_folder();
	put("0001-one.sql", "CREATE TABLE a (i INTEGER);");
	put("0002-two.sql", "INSERT INTO a VALUES (2); INSERT INTO nowhere VALUES (3);");
	d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(d);
	CHECK_INT(db_migrate(d, t.folder, &n, t.why, sizeof(t.why)), ERR_SYNTAX);
	CHECK(says("0002-two.sql") && says("nowhere"));
	CHECK(n == 9 && !db_schema_version(d, &version) && version == 1);
	CHECK(rows_of(d, "SELECT i FROM a", NULL, 0).rows == 0);
	db_close(d);
	end();
}

CONFORMANCE(a_gap_in_the_migrations_is_refused)
{
	struct db *d;
	unsigned   n;

	begin();
	own_folder();
	put("0002-two.sql", "");
	d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(d);
	CHECK_INT(db_migrate(d, t.folder, &n, t.why, sizeof(t.why)), ERR_STATE);
	CHECK(says("migration 1 is missing"));
	CHECK_INT(db_migrate(d, "/nowhere", &n, t.why, sizeof(t.why)), ERR_NOT_FOUND);
	CHECK(says("--schema"));
	db_close(d);
	end();
}

CONFORMANCE(the_check_at_start_names_the_remedy)
{
	static struct db_stmt good = { "SELECT name FROM domains WHERE name = $1", 1, 0 };
	struct db            *d;

	begin();
	CHECK(!db_configure(str_of(t.url), t.why, sizeof(t.why)));
	CHECK_STR(db_url(), t.url);
	CHECK(db_check(t.why, sizeof(t.why)));
	CHECK(says("no database at"));
	d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(d);
	CHECK_INT(db_check(t.why, sizeof(t.why)), ERR_STATE);
	CHECK(says("has schema 0, this server needs 6: run `siparioctl"));
	db_close(d);
	d = open_new();
	db_stmt_register(&good);
	CHECK(!db_check(t.why, sizeof(t.why)));
	CHECK(!run(d, "INSERT INTO schema_version (number, name) VALUES (99, 'future')"));
	CHECK_INT(db_check(t.why, sizeof(t.why)), ERR_STATE);
	CHECK(says("install the newer server"));
	db_boot_over();
	db_close(d);
	end();
}

/* --- the worker's reads and the writer, in one process: it is worker and writer at once --- */

static struct db_stmt put_domain = { "INSERT INTO domains (name) VALUES ($1)", 1, 0 };
static struct db_stmt find_domain = { "SELECT name, $2 FROM domains WHERE name = $1", 2, 0 };
static struct db_stmt all_domains = { "SELECT name FROM domains ORDER BY name", 0, 0 };

static struct {
	struct loop *loop;
	struct db   *d;
	unsigned     answers, errors[ERR_COUNT], rows;
	char         text[256];	/* first column of the last answer */
} s;

static void serve_begin(void)
{
	begin();
	memset(&s, 0, sizeof(s));
	s.d = open_new();
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	db_stmt_register(&put_domain);
	db_stmt_register(&find_domain);
	db_stmt_register(&all_domains);
	CHECK(!db_configure(str_of(t.url), t.why, sizeof(t.why)) && !db_check(t.why, sizeof(t.why)));
	db_set_writer_slot(1);
	db_boot_over();
}

static void serve_start(void)
{
	proc_enter(1, "worker 1");
	s.loop = loop_new();
	CHECK(s.loop && !mailbox_start(s.loop) && !db_worker_start(s.loop));
}

static void serve_end(void)
{
	db_worker_stop();
	db_writer_stop();
	loop_free(s.loop);
	shm_destroy();
	db_close(s.d);
	end();
}

/* Turns until there are so many answers, for at most a minute: a disk may be slow. */
static void until(unsigned answers)
{
	for (uint64_t stop = clock_ms() + 60000; s.answers < answers && clock_ms() < stop;)
		loop_turn(s.loop, 20);
	CHECK_INT(s.answers, answers);
}

static void on_rows(void *arg, enum err err, const struct db_rows *rows)
{
	CHECK(arg == &s && (rows != NULL) == !err);
	s.answers++;
	s.errors[err]++;
	s.rows = rows ? (unsigned)rows->rows : 0;
	if (s.rows)
		CHECK(str_cstr(db_cell(rows, 0, 0)->s, s.text, sizeof(s.text)));
}

static enum err ask_for(const char *name)
{
	char            room[300];
	struct db_value v[] = { db_text(str_of(strcpy(room, name))), db_int(7) };
	enum err        err = db_query(&find_domain, v, on_rows, &s);

	memset(room, 'x', sizeof(room));	/* parameters were copied */
	return err;
}

static void on_written(struct db_write *w)
{
	CHECK(w->owner == &s);
	s.answers++;
	s.errors[w->result]++;
	db_write_free(w);
}

static void write_by(const struct db_stmt *st, const struct db_value *v, unsigned n)
{
	struct db_write *w = db_write_new(st, v, n);

	CHECK(w);
	w->done = on_written;
	w->owner = &s;
	db_write_submit(w);
}

static void write_domain(struct str name)
{
	struct db_value v = db_text(name);

	write_by(&put_domain, &v, 1);
}

static unsigned domains(void)
{
	struct db_rows r = rows_of(s.d, "SELECT count(*) FROM domains", NULL, 0);

	return (unsigned)r.cell[0].i;
}

static unsigned logged[4];

static void count_lines(enum log_level level, struct str line)
{
	(void)line;
	logged[level]++;
}

CONFORMANCE(a_question_is_answered_by_the_loop)
{
	serve_begin();
	serve_start();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!ask_for("a.example"));
	CHECK_INT(s.answers, 0);
	until(1);
	CHECK(s.rows == 1 && !strcmp(s.text, "a.example"));
	CHECK(!ask_for("b.example"));
	until(2);
	CHECK(s.errors[OK] == 2 && s.rows == 0);
	serve_end();
}

CONFORMANCE(a_question_sees_what_was_committed_before_it)
{
	serve_begin();
	serve_start();
	for (unsigned i = 0; i < 50; i++) {
		char sql[96];

		snprintf(sql, sizeof(sql), "INSERT INTO domains (name) VALUES ('d%u.example')", i);
		CHECK(!run(s.d, sql));
		CHECK(!db_query(&all_domains, NULL, on_rows, &s));
		until(i + 1);
		CHECK_INT(s.rows, i + 1);
	}
	serve_end();
}

CONFORMANCE(questions_over_the_bound_are_refused_and_all_others_answered)
{
	enum err err = OK;
	unsigned asked = 0;

	serve_begin();
	serve_start();
	while (!(err = ask_for("'; DROP TABLE domains; --")) && asked < 5000)
		asked++;
	CHECK_INT(err, ERR_AGAIN);
	CHECK_INT(asked, 1024);
	until(asked);
	CHECK_INT(s.errors[OK], asked);
	CHECK_INT(domains(), 0);
	serve_end();
}

CONFORMANCE(a_question_with_a_nul_is_refused_at_once)
{
	struct db_value v[] = { db_text(str_n("a\0b", 3)), db_int(1) };

	serve_begin();
	serve_start();
	CHECK_INT(db_query(&find_domain, v, on_rows, &s), ERR_SYNTAX);
	CHECK_INT(s.answers, 0);
	serve_end();
}

CONFORMANCE(who_still_waits_at_the_stop_is_told_so)
{
	serve_begin();
	serve_start();
	for (int i = 0; i < 10; i++)
		CHECK(!ask_for("a.example"));
	db_worker_stop();
	CHECK_INT(s.answers, 10);
	CHECK_INT(db_query(&all_domains, NULL, on_rows, &s), ERR_STATE);
	serve_end();
}

CONFORMANCE(a_store_that_goes_is_an_error_and_is_found_again_when_it_is_back)
{
	serve_begin();
	serve_start();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!ask_for("a.example"));
	until(1);
	db_close(s.d);	/* the last one of those that write: nothing is left in the -wal file */
	s.d = NULL;
	memset(logged, 0, sizeof(logged));
	log_redirect(count_lines);
	t.engine->away();
	for (unsigned i = 0; i < 20; i++) {
		CHECK(!ask_for("a.example"));
		until(i + 2);
	}
	CHECK_INT(s.errors[ERR_IO], 20);
	CHECK_INT(logged[LOG_ERROR], 1);
	t.engine->back();
	for (unsigned i = 22; s.rows == 0 && i < 400; i++) {
		CHECK(!ask_for("a.example"));
		until(i);
		loop_turn(s.loop, 10);
	}
	CHECK(s.rows == 1 && !strcmp(s.text, "a.example"));
	CHECK_INT(logged[LOG_ERROR], 1);
	log_redirect(NULL);
	serve_end();
}

ONLY(SQLITE, a_rubbish_store_is_an_error_for_each_question)
{
	FILE *f;

	serve_begin();
	db_close(s.d);
	s.d = NULL;
	f = fopen(t.path, "w");
	CHECK(f);
	for (int i = 0; i < 500; i++)
		fprintf(f, "rubbish, page after page\n");
	fclose(f);
	log_redirect(count_lines);
	serve_start();
	for (unsigned i = 0; i < 5; i++)
		CHECK(!ask_for("a.example"));
	until(5);
	CHECK_INT(s.errors[ERR_IO], 5);
	log_redirect(NULL);
	serve_end();
}

CONFORMANCE(changes_are_committed_before_their_answer_in_few_transactions)
{
	serve_begin();
	serve_start();
	CHECK(!db_writer_start(s.loop));
	for (unsigned i = 0; i < 2500; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%u.example", i);
		write_domain(str_of(name));
	}
	until(2500);
	CHECK_INT(s.errors[OK], 2500);
	CHECK_INT(domains(), 2500);
	serve_end();
}

CONFORMANCE(a_change_that_is_refused_fails_alone)
{
	serve_begin();
	serve_start();
	memset(logged, 0, sizeof(logged));
	log_redirect(count_lines);
	CHECK(!db_writer_start(s.loop));
	write_domain(STR("a.example"));
	write_domain(STR("a.example"));
	write_domain(STR("B.example"));
	write_domain(str_n("a\0b", 3));
	write_domain(STR("'); DROP TABLE domains; --"));	/* refused for its capitals */
	write_domain(STR("'); drop table domains; --"));
	write_domain(STR("c.example"));
	until(7);
	log_redirect(NULL);
	CHECK_INT(s.errors[OK], 3);
	CHECK_INT(s.errors[ERR_EXISTS], 1);
	CHECK_INT(s.errors[ERR_STATE], 2);
	CHECK_INT(s.errors[ERR_SYNTAX], 1);
	CHECK_INT(domains(), 3);
	serve_end();
}

/* PostgreSQL keeps what was prepared in a transaction that failed: to prepare it again would be a mistake, and refused for ever after. */
CONFORMANCE(a_refused_change_that_was_the_first_of_its_connection_is_the_only_one_refused)
{
	serve_begin();
	serve_start();
	CHECK(!db_writer_start(s.loop));
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	write_domain(STR("a.example"));
	until(1);
	CHECK_INT(s.errors[ERR_EXISTS], 1);
	write_domain(STR("b.example"));
	until(2);
	write_domain(STR("c.example"));
	write_domain(STR("a.example"));
	write_domain(STR("d.example"));
	until(5);
	CHECK_INT(s.errors[OK], 3);
	CHECK_INT(s.errors[ERR_EXISTS], 2);
	CHECK_INT(domains(), 4);
	serve_end();
}

CONFORMANCE(of_many_refused_changes_each_is_refused_alone)
{
	enum { EACH = 1000 };

	serve_begin();
	serve_start();
	log_redirect(count_lines);
	CHECK(!db_writer_start(s.loop));
	for (unsigned i = 0; i < EACH; i++) {
		char name[32];

		write_domain(STR("a.example"));
		snprintf(name, sizeof(name), "d%u.example", i / 2);
		write_domain(str_of(name));
	}
	until(2 * EACH);
	log_redirect(NULL);
	CHECK_INT(s.errors[OK], 1 + EACH / 2);
	CHECK_INT(s.errors[ERR_EXISTS], 2 * EACH - 1 - EACH / 2);
	CHECK_INT(domains(), 1 + EACH / 2);
	serve_end();
}

CONFORMANCE(a_change_nobody_waits_for_is_freed_by_the_writer)
{
	struct db_value  v = db_text(STR("a.example"));
	struct db_write *w;

	serve_begin();
	serve_start();
	CHECK(!db_writer_start(s.loop));
	w = db_write_new(&put_domain, &v, 1);
	CHECK(w);
	db_write_submit(w);
	write_domain(STR("b.example"));
	until(1);
	CHECK_INT(domains(), 2);
	shm_fail_after(1);
	CHECK(!db_write_new(&put_domain, &v, 1));
	shm_fail_after(0);
	serve_end();
}

CONFORMANCE(changes_wait_for_a_locked_store)
{
	serve_begin();
	serve_start();
	memset(logged, 0, sizeof(logged));
	log_redirect(count_lines);
	CHECK(!db_writer_start(s.loop));
	CHECK(!db_begin(s.d) && !run(s.d, t.engine->lock));
	write_domain(STR("a.example"));
	for (int i = 0; i < 200 && !logged[LOG_ERROR]; i++)
		loop_turn(s.loop, 20);
	CHECK_INT(s.answers, 0);
	db_rollback(s.d);
	until(1);
	log_redirect(NULL);
	CHECK(s.errors[OK] == 1 && domains() == 1);
	CHECK_INT(logged[LOG_ERROR], 1);
	CHECK_INT(logged[LOG_INFO], 1);
	serve_end();
}

static struct {
	uint64_t ms;
} fake;

static uint64_t fake_ms(void)
{
	return fake.ms += 50;	/* every turn of the loop looks twice */
}

static int64_t fake_us(void)
{
	return 1700000000000000;
}

static struct db_stmt slow = {
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT 'text', count(*) FROM n", 0, 0
};

ONLY(SQLITE, a_question_that_takes_too_long_is_given_up_once)
{
	static const struct clock_source quick = { fake_ms, fake_us };

	fake.ms = clock_ms();
	serve_begin();
	db_stmt_register(&slow);
	clock_replace(&quick);
	serve_start();
	CHECK(!db_query(&slow, NULL, on_rows, &s));
	for (int i = 0; i < 60; i++)
		loop_turn(s.loop, 0);	/* 100 ms each, by that clock */
	CHECK_INT(s.answers, 1);
	CHECK_INT(s.errors[ERR_TIMEOUT], 1);
	clock_replace(NULL);
	CHECK(!ask_for("a.example"));	/* the thread is busy still, then it answers this one */
	until(2);
	CHECK_INT(s.errors[OK], 1);
	serve_end();
}

static struct db_stmt set_domain = { "INSERT INTO domains (name, created) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET created = excluded.created", 2, 0 };

static void away_begin(const struct clock_source *quick)
{
	fake.ms = clock_ms();
	serve_begin();
	db_stmt_register(&set_domain);
	clock_replace(quick);
	serve_start();
	db_worker_stop();	/* it would say so, too */
	log_redirect(count_lines);
	memset(logged, 0, sizeof(logged));
	CHECK(!db_writer_start(s.loop));
	db_close(s.d);
	s.d = NULL;
	t.engine->away();
}

static void back_again(void)
{
	t.engine->back();
	for (int i = 0; i < 200 && !logged[LOG_INFO]; i++)
		loop_turn(s.loop, 20);
	clock_replace(NULL);
	log_redirect(NULL);
	s.d = db_open(str_of(t.url), false, t.why, sizeof(t.why));
	CHECK(s.d);
}

CONFORMANCE(changes_fail_when_the_store_stays_away)
{
	static const struct clock_source quick = { fake_ms, fake_us };

	away_begin(&quick);
	write_domain(STR("a.example"));
	write_domain(STR("b.example"));
	for (int i = 0; i < 1000 && s.answers < 2; i++)
		loop_turn(s.loop, 1);
	log_redirect(NULL);
	CHECK_INT(s.errors[ERR_IO], 2);
	CHECK_INT(logged[LOG_ERROR], 1);
	clock_replace(NULL);
	t.engine->back();
	serve_end();
}

CONFORMANCE(a_store_that_is_back_is_known_to_be_without_a_change_to_write)
{
	static const struct clock_source quick = { fake_ms, fake_us };
	struct db_presence               p;

	away_begin(&quick);
	write_domain(STR("a.example"));
	for (int i = 0; i < 1000 && !s.answers; i++)
		loop_turn(s.loop, 1);
	CHECK_INT(s.errors[ERR_IO], 1);
	db_presence(&p);
	CHECK(p.state == DB_AWAY && p.part == DB_WRITES);
	t.engine->back();
	for (int i = 0; i < 1000 && !logged[LOG_INFO]; i++)
		loop_turn(s.loop, 1);
	log_redirect(NULL);
	db_presence(&p);
	CHECK(p.state == DB_THERE);
	CHECK_INT(logged[LOG_INFO], 1);
	clock_replace(NULL);
	serve_end();
}

static void keep_domain(const char *name, int64_t created, uint64_t key)
{
	struct db_write *w = db_write_new(&set_domain, (const struct db_value[]){ db_text(str_of(name)), db_int(created) }, 2);

	CHECK(w);
	w->key = key;
	db_write_submit(w);
}

static uint64_t bytes_of_letters(void)
{
	struct shm_usage u[32];
	size_t           n = shm_usage(u, COUNT_OF(u));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(u[i].owner, "db"))
			return u[i].bytes;
	return 0;
}

CONFORMANCE(what_nobody_waits_for_outlives_the_absence_of_the_store_and_only_the_last_word_is_kept)
{
	static const struct clock_source quick = { fake_ms, fake_us };
	uint64_t                         one = 0;

	away_begin(&quick);
	write_domain(STR("waited.example"));
	for (int i = 0; i < 1000 && s.answers < 1; i++) {
		for (int k = 0; k < 3; k++)
			keep_domain(k ? "a.example" : "b.example", i, 1 + (k > 0));
		loop_turn(s.loop, 1);
		if (i == 1)
			one = bytes_of_letters();
	}
	CHECK_INT(s.errors[ERR_IO], 1);		/* five seconds have gone by */
	loop_turn(s.loop, 1);
	CHECK(bytes_of_letters() <= one);
	keep_domain("a.example", 4711, 2);
	loop_turn(s.loop, 1);
	back_again();
	CHECK_INT(domains(), 2);
	CHECK_INT(rows_of(s.d, "SELECT created FROM domains WHERE name = 'a.example'", NULL, 0).cell[0].i, 4711);
	CHECK_INT(logged[LOG_ERROR], 1);
	serve_end();
}

CONFORMANCE(letters_for_a_store_that_stays_away_take_no_more_than_their_share_of_memory)
{
	static const struct clock_source quick = { fake_ms, fake_us };
	static char                      name[2000];
	unsigned                         n = 5000;	/* of 2 kB each; the share is 8 MB */

	away_begin(&quick);
	memset(name, 'x', sizeof(name) - 1);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, 8, "%07u", i);
		name[7] = 'x';
		keep_domain(name, 1, 100 + i);
		if (i % 100 == 0)
			loop_turn(s.loop, 0);
	}
	for (int i = 0; i < 30; i++)
		loop_turn(s.loop, 1);
	CHECK(bytes_of_letters() < 10 << 20);
	CHECK_INT(logged[LOG_ERROR], 2);	/* away; full */
	back_again();
	serve_end();
}

CONFORMANCE(a_letter_of_a_dead_sender_is_carried_out_and_freed)
{
	serve_begin();
	serve_start();
	CHECK(!db_writer_start(s.loop));
	write_domain(STR("a.example"));
	proc_get(1)->incarnation++;
	for (int i = 0; i < 50 && domains() == 0; i++)
		loop_turn(s.loop, 10);
	loop_turn(s.loop, 10);
	CHECK_INT(domains(), 1);
	CHECK_INT(s.answers, 0);
	serve_end();
}

/* The writer proper, in a process of its own. */
static pid_t fork_writer(void)
{
	struct loop *l;
	pid_t        pid = fork();

	if (pid)
		return pid;
	proc_enter(2, "writer");
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that fails leaves nobody behind */
	l = loop_new();
	if (!l || mailbox_start(l) || db_writer_start(l))
		_exit(1);
	loop_run(l);
	_exit(0);
}

/* Outside of a critical section: dead within one, the supervisor would rebuild shared memory, which is not tested here. */
static void kill_clean(pid_t pid)
{
	int status;

	for (;;) {
		CHECK(!kill(pid, SIGSTOP) && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
		if (!proc_get(2)->depth)
			break;
		CHECK(!kill(pid, SIGCONT));
	}
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid);
	CHECK(proc_died_clean(2));
}

CONFORMANCE(letters_survive_the_death_of_the_writer)
{
	enum { ROUNDS = 8, EACH = 300 };
	pid_t pid;

	serve_begin();
	db_set_writer_slot(2);
	serve_start();
	db_close(s.d);	/* not to be carried over the fork */
	s.d = NULL;
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid = fork_writer();
		CHECK(pid > 0);
		for (unsigned i = 0; i < EACH; i++) {
			char name[32];

			snprintf(name, sizeof(name), "d%u-%u.example", round, i);
			write_domain(str_of(name));
		}
		loop_turn(s.loop, round);
		if (round == ROUNDS - 1)
			break;
		kill_clean(pid);
	}
	until(ROUNDS * EACH);
	kill_clean(pid);
	/* what had been committed and was not answered was done again, and refused as a repetition */
	CHECK_INT(s.errors[OK] + s.errors[ERR_EXISTS], ROUNDS * EACH);
	s.d = db_open(str_of(t.url), false, t.why, sizeof(t.why));
	CHECK(s.d);
	CHECK_INT(domains(), ROUNDS * EACH);
	serve_end();
}

/* --- hearing of changes --- */

static struct {
	unsigned changed, missed, deaf;
	char     keys[1024];	/* each with a line's end */
} heard;

static void hear(enum db_news news, struct str key)
{
	size_t len = strlen(heard.keys);

	heard.changed += news == DB_CHANGED;
	heard.missed += news == DB_MISSED;
	heard.deaf += news == DB_DEAF;
	if (news == DB_CHANGED && len + key.len + 2 < sizeof(heard.keys))
		snprintf(heard.keys + len, sizeof(heard.keys) - len, STR_FMT "\n", STR_ARG(key));
}

static void hear_nothing(enum db_news news, struct str key)
{
	(void)key;
	CHECK(news != DB_CHANGED);
}

static const struct db_listener listener = { "sipario_profile", hear }, other = { "sipario_other", hear_nothing };

static void turn_until(const unsigned *count, unsigned n)
{
	for (uint64_t stop = clock_ms() + 20000; *count < n && clock_ms() < stop;)
		loop_turn(s.loop, 20);
	CHECK(*count >= n);
}

static void turn_for(uint32_t ms)
{
	for (uint64_t stop = clock_ms() + ms; clock_ms() < stop;)
		loop_turn(s.loop, 20);
}

static void hear_begin(void)
{
	serve_begin();
	serve_start();
	memset(&heard, 0, sizeof(heard));
	db_listen(&listener);
	db_listen(&other);
	CHECK(!db_listen_start(s.loop));
	turn_until(&heard.missed, 1);
}

static void hear_end(void)
{
	db_listen_stop();
	log_redirect(NULL);
	serve_end();
}

CONFORMANCE(a_change_is_heard_by_its_key_once_it_is_committed)
{
	hear_begin();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	turn_until(&heard.changed, 1);
	CHECK(!strcmp(heard.keys, "domains\n"));
	CHECK(!db_begin(s.d) && !run(s.d, "INSERT INTO users (name, domain) VALUES ('al', 'a.example')"));
	turn_for(200);
	CHECK_INT(heard.changed, 1);
	CHECK(!db_commit(s.d));
	turn_until(&heard.changed, 2);
	CHECK(!strcmp(heard.keys, "domains\nuser:al@a.example\n"));
	CHECK(heard.missed == 1 && heard.deaf == 0);
	hear_end();
}

CONFORMANCE(what_belongs_to_a_user_is_heard_under_all_addresses)
{
	static const struct { const char *sql, *key; unsigned news; } rows[] = {
		{ "INSERT INTO aliases (name, domain, user_id) VALUES ('sales', 'a.example', 1)", "user:sales@a.example\n", 1 },
		{ "UPDATE users SET ring_time = 7 WHERE id = 1", "user:al@a.example\n", 2 },
		{ "INSERT INTO preferences (user_id, name, value) VALUES (1, 'l', 'it')", "user:sales@a.example\n", 2 },
		{ "INSERT INTO user_permissions (user_id, class) VALUES (1, 'local')", "user:al@a.example\n", 2 },
		{ "INSERT INTO group_members (group_name, user_id) VALUES ('g', 1)", "user:sales@a.example\n", 2 },
		{ "INSERT INTO group_permissions (group_name, class) VALUES ('g', 'local')", "users\n", 1 },
		{ "INSERT INTO call_prefixes (prefix, class) VALUES ('+39', 'local')", "prefixes\n", 1 },
		{ "INSERT INTO trusted_peers (network, name) VALUES ('192.0.2.0/24', 'x')", "peers\n", 1 },
		{ "UPDATE users SET name = 'bo' WHERE id = 1", "user:al@a.example\n", 3 },
		{ "DELETE FROM users", "user:sales@a.example\n", 2 },
	};

	hear_begin();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')") && !run(s.d, "INSERT INTO users (id, name, domain) VALUES (1, 'al', 'a.example')"));
	CHECK(!run(s.d, "INSERT INTO groups (name) VALUES ('g')"));
	turn_until(&heard.changed, 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		memset(&heard, 0, sizeof(heard));
		CHECK_ROW(!run(s.d, rows[i].sql), rows[i].sql);
		turn_until(&heard.changed, rows[i].news);
		CHECK_ROW(strstr(heard.keys, rows[i].key), heard.keys);
	}
	hear_end();
}

CONFORMANCE(who_was_away_is_told_that_all_may_have_changed)
{
	hear_begin();
	log_redirect(count_lines);
	db_close(s.d);
	t.engine->away();
	turn_until(&heard.deaf, 1);
	turn_for(300);
	CHECK_INT(heard.deaf, 1);
	CHECK_INT(heard.missed, 1);
	t.engine->back();
	s.d = db_open(str_of(t.url), false, t.why, sizeof(t.why));
	CHECK(s.d && !run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	turn_until(&heard.missed, 2);
	turn_for(200);
	memset(&heard, 0, sizeof(heard));
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('b.example')"));
	turn_until(&heard.changed, 1);
	CHECK(heard.missed == 0 && heard.deaf == 0);
	hear_end();
}

CONFORMANCE(a_thousand_changes_at_once_are_each_heard)
{
	hear_begin();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!run(s.d, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) INSERT INTO users (name, domain) SELECT 'u' || i, 'a.example' FROM n"));
	turn_until(&heard.changed, 1301);
	CHECK(heard.missed == 1 && heard.deaf == 0);
	hear_end();
}

/* Ten thousand rows of changes are kept. */
ONLY(SQLITE, what_was_not_kept_counts_as_missed)
{
	hear_begin();
	CHECK(!run(s.d, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO domains (name) SELECT 'u' || i FROM n"));
	turn_until(&heard.missed, 2);
	CHECK(heard.changed == 0 && heard.deaf == 0);
	hear_end();
}

ONLY(POSTGRESQL, an_address_too_long_for_a_notice_is_told_as_all)
{
	hear_begin();
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	CHECK(!run(s.d, "INSERT INTO users (name, domain) VALUES (repeat('x', 9000), 'a.example')"));
	turn_until(&heard.changed, 2);
	CHECK(!strcmp(heard.keys, "domains\nusers\n"));
	hear_end();
}

ONLY(POSTGRESQL, a_lost_connection_is_replaced)
{
	hear_begin();
	log_redirect(count_lines);
	CHECK(!run(s.d, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() AND query LIKE '%LISTEN%'"));
	turn_until(&heard.deaf, 1);
	turn_until(&heard.missed, 2);
	CHECK(!run(s.d, "INSERT INTO domains (name) VALUES ('a.example')"));
	turn_until(&heard.changed, 1);
	hear_end();
}
