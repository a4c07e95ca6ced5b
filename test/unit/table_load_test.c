/* core/script/sht_load.c: tables that the database fills, in a world without time and network (sim.h). test/reload does the same with a server and with
 * PostgreSQL. */
#include "test.h"

#include <stdio.h>

#include "base/log.h"
#include "module/module.h"
#include "script/sht.h"
#include "script/sim.h"

enum { MB = 1 << 20, SECOND = 1000, LOADED = 5000 };	/* a turn is a tick of the virtual clock */

static struct {
	struct arena   arena;
	struct script *script;
	char           url[300];
	const char    *sql;	/* statements, a line each */
	unsigned       failures, loads;	/* lines of the log */
} world;

static void run_sql(struct db *d, const char *sql)
{
	struct str rest = str_of(sql);
	char       why[256] = "";

	while (rest.len) {
		struct str line = str_take_until(&rest, '\n');
		char       one[1024];

		CHECK(str_cstr(line, one, sizeof(one)));
		if (db_exec(d, one, NULL, 0, NULL, NULL, why, sizeof(why)))
			print_error("%s: %s\n", one, why);
		CHECK_STR(str_of(why), "");
	}
}

/* The file is a temporary one: only SQLite knows its name. */
static enum err fill(struct db *d, void *arg, char *why, size_t cap)
{
	struct db_rows rows;
	enum err       err = db_exec(d, "PRAGMA database_list", NULL, 0, &world.arena, &rows, why, cap);

	(void)arg;
	CHECK(!err);
	snprintf(world.url, sizeof(world.url), "sqlite:" STR_FMT, STR_ARG(db_cell(&rows, 0, 2)->s));
	run_sql(d, world.sql);
	return OK;
}

static void change(const char *sql)
{
	char       why[256];
	struct db *d = db_open(str_of(world.url), false, why, sizeof(why));

	CHECK(d);
	run_sql(d, sql);
	db_close(d);
}

static void count_lines(enum log_level level, struct str line)
{
	(void)level;
	world.failures += str_find_str(line, STR("table cannot be loaded")) >= 0;
	world.loads += str_find_str(line, STR("table loaded")) >= 0;
}

static void up(const char *tables, const char *sql)
{
	struct sim_plan plan = { .fill = fill };
	char            why[256] = "", text[1024];
	struct str      report;

	module_forget_all();
	world.failures = world.loads = 0;
	world.sql = sql;
	arena_init(&world.arena, NULL, 0, 64 * MB);
	snprintf(text, sizeof(text), "database \"sqlite:x.db\"; %s request_route { drop; }", tables);
	CHECK(!script_boot());
	world.script = script_load_text(STR("test.cfg"), str_of(text), NULL, &world.arena, &report);
	if (!world.script)
		print_error(STR_FMT "\n", STR_ARG(report));
	CHECK(world.script && !script_apply(world.script, why, sizeof(why)));
	script_use(world.script);
	log_redirect(count_lines);
	if (sim_boot_as(&plan, why, sizeof(why)))
		print_error("%s\n", why);
	CHECK(sim_loop());
}

static void down(void)
{
	log_redirect(NULL);
	script_use(NULL);
	sim_end();
	arena_free(&world.arena);
}

static int64_t entries(const char *table)
{
	return sht_info(sht_find(str_of(table))).count;
}

static struct value text_value(const char *s)
{
	return value_str(str_of(s));
}

/* "none" where there is none. */
static struct str at(const char *table, const char *key)
{
	struct value v = V_NULL;

	CHECK(!sht_get(sht_find(str_of(table)), &world.arena, str_of(key), &v));
	return v.type == T_NULL ? STR("none") : value_text(&world.arena, &v);
}

TEST(rows_come_in_portions_and_in_the_types_of_the_table)
{
	up("table n { key: string; value: int; load: \"many\"; key_column: \"k\"; value_column: \"v\"; } table t { key: ip; value: bool; load: \"truth\"; } "
	   "table d { key: int; value: duration; load: \"times\"; }",
	   "CREATE TABLE many (k TEXT, v INTEGER)\n"
	   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1203) INSERT INTO many SELECT 'k' || i, i FROM n\n"
	   "CREATE TABLE truth (key TEXT, value INTEGER)\n"
	   "INSERT INTO truth VALUES ('192.0.2.1', 1), ('192.0.2.2', 0), ('192.0.2.3', 2), ('nobody', 1), (NULL, 1), ('192.0.2.4', NULL)\n"
	   "CREATE TABLE times (key INTEGER, value TEXT)\nINSERT INTO times VALUES (1, '30s'), (2, 'soon')");
	sim_pass(LOADED);
	CHECK_INT(world.loads, 3);
	CHECK_INT(entries("n"), 1203);
	CHECK_STR(at("n", "k1203"), "1203");
	CHECK_INT(entries("t"), 2);
	CHECK_STR(at("t", "192.0.2.1"), "true");
	CHECK_STR(at("t", "192.0.2.2"), "false");
	CHECK_INT(entries("d"), 1);
	CHECK_STR(at("d", "1"), "30s");
	down();
}

TEST(a_load_replaces_what_the_one_before_has_brought_and_nothing_else)
{
	struct value ours = text_value("ours");

	up("table t { key: string; value: string; load: \"t\"; }", "CREATE TABLE t (key TEXT, value TEXT)\nINSERT INTO t VALUES ('a', '1'), ('b', '2'), ('c', '3')");
	sim_pass(LOADED);
	CHECK(!sht_set(sht_find(STR("t")), STR("own"), &ours) && !sht_set(sht_find(STR("t")), STR("b"), &ours));
	change("DELETE FROM t WHERE key IN ('a', 'b')\nUPDATE t SET value = '33'\nINSERT INTO t VALUES ('d', '4')");
	CHECK(!sht_load_ask(STR("t")));
	sim_pass(LOADED);
	CHECK_STR(at("t", "a"), "none");		/* deleted there */
	CHECK_STR(at("t", "b"), "ours");		/* set since */
	CHECK_STR(at("t", "c"), "33");
	CHECK_STR(at("t", "d"), "4");
	CHECK_STR(at("t", "own"), "ours");
	CHECK_INT(sht_load_ask(STR("other")), ERR_UNSUPPORTED);
	down();
}

TEST(a_full_table_gives_nothing_up_for_a_load_but_takes_the_place_of_what_is_gone)
{
	up("table t { key: int; value: string; max: 3; ttl: 1h; load: \"t\"; }",
	   "CREATE TABLE t (key INTEGER, value TEXT)\nINSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
	sim_pass(LOADED);
	CHECK_INT(entries("t"), 3);
	CHECK_STR(at("t", "4"), "none");
	change("DELETE FROM t WHERE key < 3\nINSERT INTO t VALUES (5, 'e')");
	CHECK(!sht_load_ask(STR("t")));
	sim_pass(LOADED);				/* 4 and 5 find no room at first */
	CHECK_INT(entries("t"), 3);
	CHECK_STR(at("t", "3"), "c");
	CHECK_STR(at("t", "4"), "d");
	CHECK_STR(at("t", "5"), "e");
	down();
}

TEST(what_cannot_be_loaded_stays_as_it_was_is_tried_again_and_holds_up_nobody)
{
	up("table gone { key: string; load: \"nowhere\"; } table t { key: string; load: \"t\"; }", "CREATE TABLE t (key TEXT, value TEXT)\nINSERT INTO t VALUES ('a', '1')");
	sim_pass(LOADED);
	CHECK_INT(world.failures, 1);
	CHECK_STR(at("t", "a"), "1");
	sim_pass(61 * SECOND);				/* tried twice more, in silence */
	CHECK_INT(world.failures, 1);
	change("CREATE TABLE nowhere (key TEXT, value TEXT)\nINSERT INTO nowhere VALUES ('b', '2')");
	CHECK_STR(at("gone", "b"), "none");
	sim_pass(31 * SECOND);
	CHECK_STR(at("gone", "b"), "2");
	change("DROP TABLE nowhere");
	CHECK(!sht_load_ask(STR("gone")));
	sim_pass(LOADED);
	CHECK_INT(world.failures, 2);			/* somebody asked: he is told */
	CHECK_STR(at("gone", "b"), "2");
	CHECK_STR(at("t", "a"), "1");
	down();
}

TEST(the_database_goes_away_and_comes_back)
{
	up("table t { key: string; load: \"t\"; }", "CREATE TABLE t (key TEXT, value TEXT)\nINSERT INTO t VALUES ('a', '1')");
	sim_database_fail(true);
	sim_pass(10 * SECOND);
	CHECK_STR(at("t", "a"), "none");
	CHECK_INT(world.failures, 1);
	sim_database_fail(false);
	sim_pass(31 * SECOND);
	CHECK_STR(at("t", "a"), "1");
	down();
}

TEST(a_load_that_is_stopped_on_its_way_leaves_nothing_behind)
{
	up("table t { key: int; load: \"t\"; }",
	   "CREATE TABLE t (key INTEGER, value TEXT)\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, 'x' FROM n");
	for (int turns = 0; turns < 100 && !entries("t"); turns++)
		sim_step(1);
	CHECK(entries("t") > 0 && entries("t") < 5000);
	sht_load_stop();
	sim_pass(60 * SECOND);
	CHECK(entries("t") < 5000);
	CHECK_INT(world.loads, 0);
	sht_load_stop();				/* once more does no harm */
	CHECK(!sht_load_ask(STR("t")));		/* as is asking who has stopped */
	sim_pass(LOADED);
	down();
}

/* --- the table's own part --- */

TEST(a_sweep_takes_what_an_earlier_load_has_brought_in_portions_of_chains)
{
	struct sht_kept *t;
	struct value     v = text_value("v");
	uint32_t         first, second, from = 0, turns = 0;
	uint64_t         gone = 0;

	up("table t { key: string; value: string; max: 1000; }", "");
	t = sht_find(STR("t"));
	first = sht_load_number(t);
	second = sht_load_number(t);
	CHECK(first && second && first != second);
	for (int i = 0; i < 300; i++) {
		char key[12];

		snprintf(key, sizeof(key), "%d", i);
		CHECK_INT(i % 3 ? sht_load_put(t, str_of(key), &v, i % 3 == 1 ? first : second) : sht_set(t, str_of(key), &v), OK);
	}
	do {
		from = sht_load_sweep(t, second, from, 10, &gone);
		turns++;
	} while (from);
	CHECK(turns > 10);
	CHECK_INT(gone, 100);
	CHECK_INT(entries("t"), 200);
	CHECK_STR(at("t", "0"), "v");
	CHECK_STR(at("t", "1"), "none");
	CHECK_STR(at("t", "2"), "v");
	CHECK(!sht_set(t, STR("2"), &v));		/* it is the script's from now on */
	gone = 0;
	CHECK_INT(sht_load_sweep(t, sht_load_number(t), 0, UINT32_MAX, &gone), 0);
	CHECK_INT(gone, 99);
	CHECK_STR(at("t", "2"), "v");
	down();
}

TEST(a_put_says_what_cannot_be_kept)
{
	static char        large[SHT_MOST_VALUE + 1];
	struct value       v = text_value("v"), big = value_str(str_n(large, sizeof(large)));
	struct list_value  none = { 0 };
	struct value       list = { .type = T_LIST, .u.list = &none };
	struct sht_kept   *t;

	up("table t { key: string; max: 2; }", "");
	t = sht_find(STR("t"));
	CHECK_INT(sht_load_put(t, STR("a"), &big, 1), ERR_UNSUPPORTED);
	CHECK_INT(sht_load_put(t, STR("a"), &list, 1), ERR_UNSUPPORTED);
	CHECK_INT(sht_load_put(t, STR("a"), &v, 1), OK);
	CHECK_INT(sht_load_put(t, STR("b"), &v, 1), OK);
	CHECK_INT(sht_load_put(t, STR("c"), &v, 1), ERR_LIMIT);
	CHECK_INT(sht_load_put(t, STR("a"), &v, 2), OK);	/* no new one */
	CHECK_INT(entries("t"), 2);
	down();
}
