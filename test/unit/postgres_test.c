/* db/postgres: what no other engine has – networks, sessions, several hosts, rights – and what goes wrong there. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/postgres/postgres.h"
#include "net/dns.h"
#include "pg_cluster.h"

static struct db_stmt pid_of = { "SELECT pg_backend_pid()", 0, 0 };
static struct db_stmt divide = { "SELECT 100 / $1", 1, 0 };
static struct db_stmt all_notes = { "SELECT * FROM notes", 0, 0 };
static struct db_stmt count_domains = { "SELECT count(*) FROM domains", 0, 0 };
static struct db_stmt is_tls = { "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", 0, 0 };
static struct db_stmt write_one = { "INSERT INTO domains (name) VALUES ('x.example') RETURNING 1", 0, 0 };

static struct {
	struct loop *loop;
	struct db   *d;
	char         name[32], url[400], why[512];
	unsigned     answers, errors[ERR_COUNT];
	int64_t      number, previous;	/* first cells of the last two answers */
	unsigned     logged[4];
	char         line[512];		/* the last error */
} t;

static void note_line(enum log_level level, struct str line)
{
	t.logged[level]++;
	if (level == LOG_ERROR)
		(void)str_cstr(str_to(line, sizeof(t.line) - 1), t.line, sizeof(t.line));
}

static struct db *open_url(const char *url)
{
	t.why[0] = '\0';
	return db_open(str_of(url), false, t.why, sizeof(t.why));
}

static bool says(const char *part)
{
	if (strstr(t.why, part))
		return true;
	print_error("why: %s\n", t.why);
	return false;
}

/* A database of its own, with the schema. */
static void begin(void)
{
	static unsigned n;
	unsigned        applied;

	cluster_start();
	memset(&t, 0, sizeof(t));
	snprintf(t.name, sizeof(t.name), "p%u", ++n);
	snprintf(t.url, sizeof(t.url), "postgresql://sipario@/%s?host=%s&port=%u", t.name, cluster.folder, cluster.port);
	t.d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(t.d && !db_migrate(t.d, "db/schema", &applied, t.why, sizeof(t.why)));
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	db_stmt_register(&pid_of);
	db_stmt_register(&divide);
	db_stmt_register(&count_domains);
	db_stmt_register(&is_tls);
	db_stmt_register(&write_one);
	db_stmt_register(&all_notes);
	db_set_writer_slot(1);
	proc_enter(1, "worker 1");
	log_redirect(note_line);
}

static void start(const char *url)
{
	static const struct dns_config dns = { .servers = "127.0.0.1:9", .timeout_ms = 100, .tries = 1 };

	CHECK(!db_configure(str_of(url), t.why, sizeof(t.why)));
	t.loop = loop_new();
	CHECK(t.loop && !mailbox_start(t.loop) && !dns_start(t.loop, &dns) && !db_worker_start(t.loop));
}

static void end(void)
{
	db_worker_stop();
	dns_replace(NULL);
	dns_stop();
	loop_free(t.loop);
	log_redirect(NULL);
	db_close(t.d);
	shm_destroy();
}

static void sql(const char *text)
{
	CHECK(!db_exec(t.d, text, NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
}

static void on_rows(void *arg, enum err err, const struct db_rows *rows)
{
	(void)arg;
	t.answers++;
	t.errors[err]++;
	t.previous = t.number;
	if (rows && rows->rows)
		t.number = rows->cell[0].i;
}

static void ask(const struct db_stmt *st)
{
	CHECK(!db_query(st, NULL, on_rows, NULL));
}

/* For at most twenty seconds. */
static void until(unsigned answers)
{
	for (uint64_t stop = clock_ms() + 20000; t.answers < answers && clock_ms() < stop;)
		loop_turn(t.loop, 20);
	CHECK_INT(t.answers, answers);
}

static void turn_for(uint32_t ms)
{
	for (uint64_t stop = clock_ms() + ms; clock_ms() < stop;)
		loop_turn(t.loop, 20);
}

/* Until two questions, put one right behind the other, are answered by two connections. */
static void until_both_are_up(void)
{
	for (int i = 0; i < 2000 && (t.previous == 0 || t.number == t.previous); i++) {
		unsigned before = t.answers;

		ask(&pid_of);
		loop_turn(t.loop, 0);
		ask(&pid_of);
		loop_turn(t.loop, 0);
		until(before + 2);
	}
	CHECK(t.previous && t.number != t.previous);
	t.answers = 0;
	memset(t.errors, 0, sizeof(t.errors));
}

/* --- questions --- */

TEST(an_error_in_a_group_is_one_questions_alone)
{
	struct db_value v;

	begin();
	start(t.url);
	for (int i = -3; i < 5; i++) {
		v = db_int(i);
		CHECK(!db_query(&divide, &v, on_rows, NULL));
	}
	until(8);
	CHECK_INT(t.errors[OK], 7);
	CHECK_INT(t.errors[ERR_SYNTAX], 1);
	CHECK_INT(t.number, 25);
	CHECK_INT(t.logged[LOG_ERROR], 1);
	end();
}

TEST(a_table_that_changes_under_a_prepared_question_is_read_anew)
{
	begin();
	sql("CREATE TABLE notes (i bigint)");
	sql("INSERT INTO notes VALUES (7)");
	start(t.url);
	ask(&all_notes);
	until(1);
	sql("ALTER TABLE notes ADD COLUMN j bigint DEFAULT 8");
	ask(&all_notes);
	ask(&count_domains);
	until(3);
	CHECK_INT(t.errors[OK], 3);
	end();
}

/* As with a pooler in between that gives a connection to others, too. */
static struct db_stmt remove_prepared = { "DEALLOCATE ALL", 0, 0 }, prepare_other = { NULL, 0, 0 };

static void register_poolers(const struct db_stmt *instead_of)
{
	static char text[64];

	snprintf(text, sizeof(text), "PREPARE s%u AS SELECT 1", instead_of->id);
	prepare_other.sql = text;
	db_stmt_register(&remove_prepared);
	db_stmt_register(&prepare_other);
}

TEST(prepared_statements_that_others_removed_or_made_fail_no_question)
{
	static const struct db_stmt *const steps[] = { &prepare_other, &count_domains, &remove_prepared, &count_domains };

	begin();
	register_poolers(&count_domains);
	start(t.url);
	for (unsigned i = 0; i < COUNT_OF(steps); i++) {
		ask(steps[i]);
		until(i + 1);
	}
	CHECK_INT(t.errors[OK], 4);
	end();
}

static void on_written(struct db_write *l)
{
	t.answers++;
	t.errors[l->result]++;
	db_write_free(l);
}

TEST(prepared_statements_that_others_removed_or_made_refuse_no_change)
{
	static const struct db_stmt *const steps[] = { &prepare_other, &write_one, &remove_prepared, &write_one };

	begin();
	register_poolers(&write_one);
	db_set_writer_slot(1);
	start(t.url);
	CHECK(!db_writer_start(t.loop));
	for (unsigned i = 0; i < COUNT_OF(steps); i++) {
		struct db_write *l = db_write_new(steps[i], NULL, 0);

		CHECK(l);
		l->done = on_written;
		db_write_submit(l);
		until(i + 1);
	}
	CHECK_INT(t.errors[OK], 3);
	CHECK_INT(t.errors[ERR_EXISTS], 1);	/* the second time */
	db_writer_stop();
	end();
}

TEST(a_worker_cannot_write)
{
	begin();
	start(t.url);
	ask(&write_one);
	until(1);
	CHECK_INT(t.errors[OK], 0);
	ask(&count_domains);
	until(2);
	CHECK(t.errors[OK] == 1 && t.number == 0);
	end();
}

TEST(a_locked_table_is_a_timeout_for_its_questions_only)
{
	begin();
	start(t.url);
	until_both_are_up();
	CHECK(!db_begin(t.d));
	sql("LOCK TABLE domains");
	ask(&count_domains);
	loop_turn(t.loop, 0);
	ask(&pid_of);
	until(1);
	CHECK_INT(t.errors[OK], 1);	/* by the other connection, at once */
	until(2);
	CHECK_INT(t.errors[ERR_TIMEOUT], 1);
	db_rollback(t.d);
	ask(&count_domains);
	until(3);
	CHECK_INT(t.errors[OK], 2);
	end();
}

TEST(a_server_that_falls_silent_is_left_after_the_time_limit)
{
	pid_t stopped[2];

	begin();
	start(t.url);
	until_both_are_up();
	stopped[0] = (pid_t)t.previous;
	stopped[1] = (pid_t)t.number;
	CHECK(!kill(stopped[0], SIGSTOP) && !kill(stopped[1], SIGSTOP));
	ask(&pid_of);
	loop_turn(t.loop, 0);
	ask(&pid_of);	/* by the other one */
	until(2);
	CHECK_INT(t.errors[ERR_TIMEOUT], 2);
	ask(&pid_of);	/* by a new one */
	until(3);
	CHECK(t.errors[OK] == 1 && t.number != stopped[0] && t.number != stopped[1]);
	kill(stopped[0], SIGCONT);
	kill(stopped[1], SIGCONT);
	end();
}

TEST(every_question_is_answered_once_when_the_server_is_killed_and_starts_anew)
{
	begin();
	start(t.url);
	ask(&pid_of);
	until(1);
	db_close(t.d);
	t.d = NULL;
	for (unsigned i = 0; i < 500; i++)
		ask(&count_domains);
	loop_turn(t.loop, 0);
	cluster_do("kill");
	for (unsigned i = 0; i < 500; i++)
		ask(&count_domains);
	turn_for(100);
	cluster_do("start");
	until(1001);
	CHECK_INT(t.errors[OK] + t.errors[ERR_IO], 1001);
	t.errors[OK] = 0;
	for (unsigned i = 1002; i < 1100 && !t.errors[OK]; i++) {
		ask(&count_domains);
		until(i);
		turn_for(100);
	}
	CHECK_INT(t.errors[OK], 1);
	end();
}

/* --- connecting --- */

/* Takes connections, and says nothing. */
static int deaf_port(int *fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof(a);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(*fd >= 0 && !bind(*fd, (struct sockaddr *)&a, len) && !listen(*fd, 8) && !getsockname(*fd, (struct sockaddr *)&a, &len));
	return ntohs(a.sin_port);
}

TEST(a_host_that_accepts_and_never_answers_gives_way_to_the_next)
{
	char       url[400];
	int        fd, port = deaf_port(&fd);
	struct db *d;

	begin();
	snprintf(url, sizeof(url), "postgresql://sipario@127.0.0.1:%d,127.0.0.1:%u/%s?connect_timeout=1&sslmode=disable", port, cluster.port, t.name);
	start(url);
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[OK] + t.errors[ERR_IO], 1);
	turn_for(1500);
	ask(&count_domains);
	until(2);
	CHECK(t.errors[OK] >= 1);
	d = open_url(url);
	CHECK(d);
	db_close(d);
	snprintf(url, sizeof(url), "postgresql://sipario@127.0.0.1:%d/%s?connect_timeout=1", port, t.name);
	CHECK(!open_url(url) && says("no answer from the database within 1000 ms"));
	close(fd);
	end();
}

TEST(a_wrong_password_is_said_once_with_the_remedy_and_without_the_password)
{
	char url[400];

	begin();
	snprintf(url, sizeof(url), "postgresql://locked:hush-hush@/%s?host=%s&port=%u", t.name, cluster.folder, cluster.port);
	CHECK(!open_url(url) && says("28P01") && says("passfile") && !strstr(t.why, "hush"));
	start(url);
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[ERR_IO], 1);
	turn_for(1000);
	CHECK_INT(t.logged[LOG_ERROR], 1);
	CHECK(strstr(t.line, "28P01") && strstr(t.line, "passfile") && !strstr(t.line, "hush"));
	sql("ALTER ROLE locked PASSWORD 'hush-hush'");
	for (unsigned i = 2; i < 200 && !t.errors[OK]; i++) {
		ask(&pid_of);
		until(i);
		turn_for(50);
	}
	CHECK(t.errors[OK] == 1 && t.logged[LOG_ERROR] == 1);
	sql("ALTER ROLE locked PASSWORD 'secret word'");
	end();
}

static enum err lookup(struct str name, enum dns_type type, struct dns_answer *out)
{
	if (type != DNS_HOST || !str_is(name, "db.example"))
		return ERR_NOT_FOUND;
	out->count = 2;
	CHECK(!addr_parse(STR("127.0.0.9"), 0, &out->addr[0]));	/* nobody there */
	return addr_parse(STR("127.0.0.1"), 0, &out->addr[1]);
}

TEST(host_names_are_looked_up_by_our_own_resolver)
{
	char url[400];

	begin();
	dns_replace(lookup);
	snprintf(url, sizeof(url), "postgresql://sipario@no.example,db.example:%u/%s?sslmode=disable", cluster.port, t.name);
	start(url);
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[OK], 1);
	end();
}

TEST(a_name_that_nobody_knows_is_said)
{
	begin();
	dns_replace(lookup);
	start("postgresql://sipario@no.example/x");
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[ERR_IO], 1);
	CHECK(t.logged[LOG_ERROR] == 1 && strstr(t.line, "no.example"));
	end();
}

static void put_file(char *path, size_t cap, const char *name, const char *text)
{
	FILE *f;

	snprintf(path, cap, "/tmp/sipario-pg-%d-%s", (int)getpid(), name);
	f = fopen(path, "w");
	CHECK(f && !chmod(path, 0600));
	fputs(text, f);
	fclose(f);
}

TEST(tls_with_a_checked_certificate_and_a_password_from_the_passfile)
{
	char url[600], pass[96];

	begin();
	put_file(pass, sizeof(pass), "pass", "127.0.0.1:*:*:locked:secret word\n");
	snprintf(url, sizeof(url), "postgresql://locked@127.0.0.1:%u/%s?sslmode=verify-full&sslrootcert=%s/root.crt&passfile=%s", cluster.port, t.name,
		 cluster.folder, pass);
	sql("GRANT sipario_server TO locked");
	start(url);
	ask(&is_tls);
	until(1);
	CHECK(t.errors[OK] == 1 && t.number == 1);
	unlink(pass);
	CHECK(!open_url(url) && says("no password supplied") && says("passfile"));
	end();
}

TEST(a_certificate_that_nobody_vouches_for_is_refused)
{
	char url[400];

	begin();
	snprintf(url, sizeof(url), "postgresql://locked:secret%%20word@127.0.0.1:%u/%s?sslmode=verify-full&sslrootcert=/etc/ssl/certs/none.pem", cluster.port,
		 t.name);
	CHECK(!open_url(url) && says("none.pem"));
	start(url);
	ask(&is_tls);
	until(1);
	CHECK(t.errors[ERR_IO] == 1 && strstr(t.line, "none.pem") && !strstr(t.line, "secret"));
	end();
}

TEST(a_service_file_says_where)
{
	char text[300], path[96];

	begin();
	snprintf(text, sizeof(text), "[sip]\nhost=%s\nport=%u\ndbname=%s\nuser=sipario\n", cluster.folder, cluster.port, t.name);
	put_file(path, sizeof(path), "service", text);
	setenv("PGSERVICEFILE", path, 1);
	start("postgresql://?service=sip");
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[OK], 1);
	CHECK(!open_url("postgresql://?service=sop") && says("\"sop\" not found"));
	unsetenv("PGSERVICE");
	unsetenv("PGSERVICEFILE");
	unlink(path);
	end();
}

/* --- sessions and rights --- */

TEST(who_writes_is_not_content_with_a_server_that_cannot)
{
	char url[400];

	begin();
	sql("CREATE ROLE replica LOGIN");
	sql("ALTER ROLE replica SET default_transaction_read_only = on");
	sql("GRANT sipario_server TO replica");
	snprintf(url, sizeof(url), "postgresql://replica@/%s?host=%s&port=%u", t.name, cluster.folder, cluster.port);
	CHECK(!open_url(url) && says("read-only"));
	start(url);	/* good enough for reading */
	ask(&count_domains);
	until(1);
	CHECK_INT(t.errors[OK], 1);
	end();
}

TEST(a_database_in_another_encoding_is_refused)
{
	char url[400];

	begin();
	sql("CREATE DATABASE latin ENCODING 'SQL_ASCII' TEMPLATE template0");
	snprintf(url, sizeof(url), "postgresql://sipario@/latin?host=%s&port=%u", cluster.folder, cluster.port);
	CHECK(!open_url(url) && says("SQL_ASCII") && says("createdb -E UTF8"));
	end();
}

/* siparioctl opens by t.url as `user`. */
static struct db *open_as(const char *user, bool migrate)
{
	char url[400];

	snprintf(url, sizeof(url), "postgresql://%s@/%s?host=%s&port=%u", user, t.name, cluster.folder, cluster.port);
	return db_open(str_of(url), migrate, t.why, sizeof(t.why));
}

TEST(who_cannot_come_in_learns_what_helps)
{
	begin();
	CHECK(!open_as("nobody", false) && says("createuser"));
	sql("CREATE ROLE peering LOGIN");
	CHECK(!open_as("peering", false) && says("`peer`") && says("localhost"));
	sql("DROP ROLE peering");
	end();
}

TEST(only_the_owner_changes_the_schema)
{
	unsigned   n = 9;
	struct db *d;

	begin();
	sql("CREATE ROLE person LOGIN IN ROLE sipario_operator");
	d = open_as("person", true);
	CHECK(d && !db_migrate(d, "db/schema", &n, t.why, sizeof(t.why)) && n == 0);	/* nothing is to be done: no right is needed */
	sql("DELETE FROM schema_version WHERE number > 1");
	CHECK_INT(db_migrate(d, "db/schema", &n, t.why, sizeof(t.why)), ERR_UNSUPPORTED);
	CHECK(says("permission denied") && says("the owner of the database's tables may"));
	db_close(d);
	sql("DROP ROLE person");
	end();
}

TEST(the_roles_may_what_they_need_and_no_more)
{
	static const struct { const char *role, *sql; enum err want; } rows[] = {
		{ "sipario_server", "SELECT ha1_md5 FROM users", OK },
		{ "sipario_server", "SELECT value FROM secrets", OK },
		{ "sipario_server", "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) VALUES ('a', 'b', 'c', 1, 2)", OK },
		{ "sipario_server", "INSERT INTO users (name, domain) VALUES ('a', 'b')", ERR_UNSUPPORTED },
		{ "sipario_server", "DELETE FROM calls", ERR_UNSUPPORTED },
		{ "sipario_server", "CREATE TABLE mine (i integer)", ERR_UNSUPPORTED },
		{ "sipario_operator", "INSERT INTO domains (name) VALUES ('a.example')", OK },
		{ "sipario_operator", "INSERT INTO users (name, domain) VALUES ('a', 'a.example')", OK },
		{ "sipario_operator", "SELECT * FROM calls", OK },
		{ "sipario_operator", "UPDATE calls SET code = 200", ERR_UNSUPPORTED },
		{ "sipario_operator", "SELECT value FROM secrets", ERR_UNSUPPORTED },
		{ "sipario_reader", "SELECT * FROM user_overview", OK },
		{ "sipario_reader", "SELECT * FROM users", ERR_UNSUPPORTED },
		{ "sipario_reader", "DELETE FROM domains", ERR_UNSUPPORTED },
	};
	char set[64];

	begin();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(set, sizeof(set), "SET ROLE %s", rows[i].role);
		sql(set);
		CHECK_ROW(db_exec(t.d, rows[i].sql, NULL, 0, NULL, NULL, t.why, sizeof(t.why)) == rows[i].want, rows[i].sql);
		CHECK_ROW(rows[i].want == OK || says("the owner of the database's tables may"), rows[i].sql);
	}
	end();
}

TEST(every_table_and_view_says_what_it_is)
{
	struct db_rows r;
	struct arena   a;

	begin();
	arena_init(&a, NULL, 0, 1 << 20);
	CHECK(!db_exec(t.d, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'schema_version' "
		       "AND obj_description(oid, 'pg_class') IS NULL", NULL, 0, &a, &r, t.why, sizeof(t.why)));
	CHECK_INT(r.rows, 0);
	arena_free(&a);
	end();
}

/* Appendix A of PostgreSQL's manual. */
TEST(some_failures_to_connect_pass_and_others_do_not)
{
	static const struct { const char *words; enum err want; } rows[] = {
		{ "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n\tIs the server running …?", ERR_IO },
		{ "could not translate host name \"db.invalid\" to address: Name or service not known", ERR_IO },
		{ "connection to server on socket \"/x/.s.PGSQL.1\" failed: FATAL:  57P03: the database system is starting up", ERR_IO },
		{ "FATAL:  53300: sorry, too many clients already", ERR_IO },
		{ "FATAL:  08P01: server login has been failing, try again later", ERR_IO },
		{ "the connection was lost", ERR_IO },
		{ "FATAL:  28P01: password authentication failed for user \"x\"", ERR_STATE },
		{ "СБОЙ:  28000: role \"x\" does not exist", ERR_STATE },
		{ "FATAL:  3D000: database \"x\" does not exist", ERR_STATE },
		{ "host a: FATAL:  57P03: starting up; host b: FATAL:  28P01: password authentication failed", ERR_STATE },
		{ "fe_sendauth: no password supplied", ERR_STATE },
		{ "SSL error: certificate verify failed", ERR_STATE },
		{ "server does not support SSL, but SSL was required", ERR_STATE },
		{ "invalid integer value \"1:2\" for connection option \"port\"", ERR_STATE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(pg_connect_err(rows[i].words) == rows[i].want, rows[i].words);
}
