/* Tables that the database fills (`load: "ipban"`). The first worker does it, from the first turn of its loop on: it asks for the rows in portions,
 * keeps them until it has them all, and then puts them into the table, some in each turn. So a database that fails halfway leaves the
 * table as it was, and no message waits. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/driver.h"
#include "script/run.h"
#include "script/sht.h"
#include "shm/shm.h"

enum {
	FIRST_WORKER = 1,
	PAGE = 500,			/* rows of a question, and put in one turn */
	CHAINS = 4096,			/* looked through in one turn */
	RETRY_MS = 30 * 1000,
	MOST_BYTES = 512 << 20,		/* of the rows of one table, private memory */
	SQL_ROOM = 1024,
};

/* The statements of one table. Kept for good: a connection has them prepared. */
struct origin {
	struct origin *next;
	struct db_stmt first, more;	/* all the rows begin with; those behind a key */
	char           sql[2][SQL_ROOM];
	bool           told;		/* a failure is logged once */
};
struct page {
	struct page    *next;
	struct db_rows  rows;
};
/* Shared. */
struct box {
	struct mail mail;		/* to the first worker: something is to be loaded */
};

static struct {
	struct box     *box;
	struct loop    *loop;		/* NULL: stopped */
	struct timer    turn, retry;
	struct origin  *origins;
	/* of the table that is being loaded: */
	struct script  *script;		/* kept meanwhile; NULL: none is */
	const struct table *decl;
	struct origin  *origin;
	struct arena    arena;
	struct page    *pages, **end;
	struct page    *at;		/* the next to put */
	uint32_t        number, chain;
	uint64_t        taken, unfit, full, gone;
	bool            again;		/* the second time round */
	bool            told;		/* that there is no memory for an origin */
	size_t          from;		/* tables before this one have failed, and wait for the next try */
} own;

/* --- statements --- */

static void dotted(char *out, size_t cap, struct str name)
{
	struct str rest = name, first = str_take_until(&rest, '.');

	if (first.len == name.len)
		snprintf(out, cap, "\"" STR_FMT "\"", STR_ARG(name));
	else
		snprintf(out, cap, "\"" STR_FMT "\".\"" STR_FMT "\"", STR_ARG(first), STR_ARG(rest));
}

/* The checker has seen to it that the names are harmless. */
static void write_sql(struct origin *s, const struct table *t)
{
	char from[160];

	dotted(from, sizeof(from), t->load);
	for (int i = 0; i < 2; i++)
		snprintf(s->sql[i], SQL_ROOM, "SELECT t.\"" STR_FMT "\", t.\"" STR_FMT "\" FROM %s t WHERE t.\"" STR_FMT "\" %s ORDER BY 1 LIMIT %d",
			 STR_ARG(t->key_column), STR_ARG(t->value_column), from, STR_ARG(t->key_column), i ? "> $1" : "IS NOT NULL", PAGE);
	s->first = (struct db_stmt){ .sql = s->sql[0] };
	s->more = (struct db_stmt){ .sql = s->sql[1], .params = 1 };
}

/* NULL: no memory, or too many. */
static struct origin *origin_of(const struct table *t)
{
	struct origin *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return NULL;
	write_sql(fresh, t);
	for (struct origin *s = own.origins; s; s = s->next)
		if (!strcmp(s->sql[0], fresh->sql[0])) {
			free(fresh);
			return s;
		}
	if (!db_stmt_add(&fresh->first)) {
		free(fresh);
		return NULL;
	}
	if (!db_stmt_add(&fresh->more))
		return NULL;		/* the first is registered, and stays */
	fresh->next = own.origins;
	own.origins = fresh;
	return fresh;
}

/* --- the end of it --- */

static void go_on(void);

static struct sht_kept *table_now(void)
{
	return sht_of(own.script->program, own.decl->index);
}

static void forget(void)
{
	arena_free(&own.arena);
	script_free(own.script);
	own.script = NULL;
	own.pages = own.at = NULL;
}

static void failed(const char *why)
{
	bool *told = own.origin ? &own.origin->told : &own.told;

	if (!*told)
		log_error(NULL, "table cannot be loaded, it stays as it was and is tried again every %d s: check that the database is there, has `" STR_FMT
			  "` with columns `" STR_FMT "` and `" STR_FMT "`, and lets this user read it table=" STR_FMT " reason=\"%s\"", RETRY_MS / 1000,
			  STR_ARG(own.decl->load), STR_ARG(own.decl->key_column), STR_ARG(own.decl->value_column), STR_ARG(own.decl->name), why);
	*told = true;
	own.from = own.decl->index + 1;		/* it does not hold up the others */
	forget();
	wheel_disarm(&own.retry);
	wheel_arm(loop_wheel(own.loop), &own.retry, clock_ms() + RETRY_MS);
	go_on();
}

static void loaded(void)
{
	const struct table *t = own.decl;

	if (own.unfit)
		log_warn(NULL, "rows do not fit their table and were left out: correct them in the database, then `siparioctl table load " STR_FMT
			 "` table=" STR_FMT " rows=%llu key=%s value=%s", STR_ARG(t->name), STR_ARG(t->name), (unsigned long long)own.unfit, vtype_name(t->key),
			 t->value == T_ANY ? "any" : vtype_name(t->value));
	if (own.full)
		log_warn(NULL, "rows have no room in their table and were left out: raise its `max`, or `memory_limit` table=" STR_FMT " rows=%llu max=%lld",
			 STR_ARG(t->name), (unsigned long long)own.full, (long long)t->max);
	log_info(NULL, "table loaded table=" STR_FMT " from=" STR_FMT " rows=%llu gone=%llu", STR_ARG(t->name), STR_ARG(t->load), (unsigned long long)own.taken,
		 (unsigned long long)own.gone);
	own.origin->told = false;
	forget();
	go_on();
}

/* --- putting --- */

static struct str text_of(struct arena *a, const struct db_value *v)
{
	if (v->type == DB_INT)
		return arena_printf(a, "%lld", (long long)v->i);
	return v->type == DB_TEXT ? v->s : STR_NONE;
}

/* Engines know truth as a number. */
static bool parse(struct arena *a, enum vtype t, const struct db_value *v, struct value *out)
{
	struct str s = text_of(a, v);

	if (t == T_BOOL && v->type == DB_INT) {
		*out = value_bool(v->i != 0);
		return v->i == 0 || v->i == 1;
	}
	return s.p && value_parse(a, t, s, out);
}

static void put_row(const struct db_value *cell)
{
	char         room[256];
	struct arena a;
	struct value key, v;
	struct str   text;
	enum err     err = ERR_UNSUPPORTED;

	arena_init(&a, room, sizeof(room), SHT_MOST_KEY + SHT_MOST_VALUE);
	if (parse(&a, own.decl->key, &cell[0], &key) && parse(&a, own.decl->value, &cell[1], &v)) {
		text = sht_key(&a, &key);
		if (text.p)
			err = sht_load_put(table_now(), text, &v, own.number);
	}
	arena_free(&a);
	if (!err)
		own.taken++;
	else if (err == ERR_UNSUPPORTED)
		own.unfit++;
	else
		own.full++;
}

static void next_turn(void)
{
	wheel_arm(loop_wheel(own.loop), &own.turn, clock_ms());
}

static void put_page(void)
{
	const struct db_rows *r = &own.at->rows;

	for (size_t i = 0; i < r->rows; i++)
		put_row(db_cell(r, i, 0));
	own.at = own.at->next;
}

/* The first time round, rows may have found no room because of those that are gone now. */
static void swept(void)
{
	if (!own.full || !own.gone || own.again) {
		loaded();
		return;
	}
	own.again = true;
	own.at = own.pages;
	own.taken = own.unfit = own.full = 0;
	next_turn();
}

/* A portion in each turn of the loop: first the rows go in, then goes what an earlier load has brought and this one has not. */
static void on_turn(struct timer *t)
{
	(void)t;
	if (own.at) {
		put_page();
		next_turn();
		return;
	}
	own.chain = sht_load_sweep(table_now(), own.number, own.chain, CHAINS, &own.gone);
	if (own.chain)
		next_turn();
	else
		swept();
}

/* --- reading --- */

static void rows_came(void *arg, enum err err, const struct db_rows *rows);

static void ask(const struct db_stmt *st, const struct db_value *after)
{
	enum err err = db_query(st, after, rows_came, NULL);

	if (err)
		failed(err_name(err));
}

/* Behind the others. NULL: no memory. */
static struct page *keep(const struct db_rows *rows)
{
	struct page       *p = ARENA_NEW(&own.arena, struct page);
	struct db_collect  c = { .arena = &own.arena };

	for (size_t i = 0; p && i < rows->rows; i++) {
		struct db_rows row = { .rows = 1, .cols = rows->cols, .cell = db_cell(rows, i, 0) };

		if (!db_collect_row(&c, &row))
			return NULL;
	}
	if (!p)
		return NULL;
	*p = (struct page){ .rows = { .rows = c.rows, .cols = c.cols, .cell = c.cell } };
	*own.end = p;
	own.end = &p->next;
	return p;
}

static void rows_came(void *arg, enum err err, const struct db_rows *rows)
{
	struct page *p;

	(void)arg;
	if (!own.script)	/* stopped meanwhile */
		return;
	if (err) {
		failed(err_name(err));
		return;
	}
	p = keep(rows);
	if (!p) {
		failed("no memory for its rows");
		return;
	}
	if (rows->rows == PAGE) {
		ask(&own.origin->more, db_cell(&p->rows, PAGE - 1, 0));
		return;
	}
	sht_want(table_now(), false);	/* who asks from now on wants it once more */
	own.number = sht_load_number(table_now());
	own.at = own.pages;
	next_turn();
}

static void begin(const struct table *t)
{
	own.script = script_keep(script_now());
	own.decl = t;
	own.pages = NULL;
	own.end = &own.pages;
	own.chain = 0;
	own.taken = own.unfit = own.full = own.gone = 0;
	own.again = false;
	arena_init(&own.arena, NULL, 0, MOST_BYTES);
	own.origin = origin_of(t);
	if (own.origin)
		ask(&own.origin->first, NULL);
	else
		failed("no memory, or too many different tables were loaded: restart the server");
}

/* --- when --- */

/* The first one that waits. */
static void go_on(void)
{
	const struct script *s = script_now();

	if (own.script || !s || !db_configured())
		return;
	for (const struct table *t = s->program->tables; t; t = t->next)
		if (t->load.len && t->index >= own.from && sht_is_wanted(sht_of(s->program, t->index))) {
			begin(t);
			return;
		}
}

void sht_load_go(struct loop *l)
{
	own.loop = l;
	own.from = 0;
	go_on();
}

static void on_retry(struct timer *t)
{
	(void)t;
	sht_load_go(own.loop);
}

static void on_letter(struct mail *m)
{
	(void)m;
	own.told = false;	/* who asks is told */
	for (struct origin *s = own.origins; s; s = s->next)
		s->told = false;
	if (own.loop)
		sht_load_go(own.loop);
}

void sht_load_stop(void)
{
	if (!own.loop)
		return;
	wheel_disarm(&own.turn);
	wheel_disarm(&own.retry);
	if (own.script)
		forget();
	own.loop = NULL;
}

enum err sht_load_boot(char *why, size_t cap)
{
	own.box = shm_zalloc(shm_owner_new("script.table_load"), sizeof(*own.box));
	if (!own.box) {
		snprintf(why, cap, "no shared memory to load tables: raise `memory_limit`");
		return ERR_NOMEM;
	}
	mail_init(&own.box->mail, on_letter);
	timer_init(&own.turn, on_turn);
	timer_init(&own.retry, on_retry);
	return OK;
}

enum err sht_load_ask(struct str name)
{
	const struct script *s = script_now();

	for (const struct table *t = s ? s->program->tables : NULL; t; t = t->next)
		if (str_eq(t->name, name) && t->load.len) {
			sht_want(sht_of(s->program, t->index), true);
			mail_post(FIRST_WORKER, &own.box->mail);
			return OK;
		}
	return ERR_UNSUPPORTED;
}
