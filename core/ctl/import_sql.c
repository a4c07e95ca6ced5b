/* The lines of a batch go to the database as one JSON text, which both engines unfold: thousands of rows a statement, whatever the way there costs. */
#include "ctl/import.h"

#include <stdio.h>

enum { MOST_SQL = 4096 };

/* Names that lines refer to. */
static enum err load(struct import *im, const char *sql, struct seen *names)
{
	struct db_rows rows;
	uint32_t       before;
	enum err       err = ctl_sql(im->c, im->d, sql, NULL, 0, &rows);

	for (size_t i = 0; !err && i < rows.rows; i++)
		err = seen_put(names, db_cell(&rows, i, 0)->s, STR_NONE, 1, &before);
	return err;
}

enum err import_names(struct import *im)
{
	enum err err = load(im, "SELECT name FROM domains", &im->domains);

	if (!err)
		err = load(im, "SELECT name FROM groups", &im->groups);
	return err ? err : load(im, "SELECT name FROM call_classes", &im->classes);
}

/* --- JSON: {"0": [row], "1": [row], …}; the key is the place in the batch --- */

static void open_row(struct json_out *o, size_t i)
{
	char key[24];

	snprintf(key, sizeof(key), "%zu", i);
	json_open_list(o, key);
}

static void put(struct json_out *o, const struct db_value *v)
{
	if (v->type == DB_INT)
		json_put_int(o, NULL, v->i);
	else if (v->type == DB_TEXT)
		json_put_text(o, NULL, v->s);
	else
		json_put_null(o, NULL);
}

static void put_address(struct json_out *o, const struct person *p)
{
	json_put_text(o, NULL, p->name);
	json_put_text(o, NULL, p->domain);
}

static struct str addresses(struct import *im)
{
	struct json_out o = json_into(&im->arena);

	json_open_object(&o, NULL);
	for (size_t i = 0; i < im->n; i++) {
		if (im->batch[i].passed_over)
			continue;
		open_row(&o, i);
		put_address(&o, &im->batch[i]);
		json_close_list(&o);
	}
	json_close_object(&o);
	return json_done(&o);
}

static struct str profiles(struct import *im)
{
	struct json_out o = json_into(&im->arena);

	json_open_object(&o, NULL);
	for (size_t i = 0; i < im->n; i++) {
		const struct person *p = &im->batch[i];

		if (p->passed_over)
			continue;
		open_row(&o, i);
		put_address(&o, p);
		put(&o, &p->md5);
		put(&o, &p->sha256);
		for (size_t f = 0; ctl_user_field(f); f++)
			put(&o, &p->field[f]);
		json_close_list(&o);
	}
	json_close_object(&o);
	return json_done(&o);
}

/* A blank in a preference is written %20. */
static struct str unescaped(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.len; i++) {
		uint64_t byte;
		bool     escaped = s.p[i] == '%' && i + 2 < s.len && str_hex64(str_n(s.p + i + 1, 2), &byte) && byte;

		p[n++] = escaped ? (char)byte : s.p[i];
		i += escaped ? 2 : 0;
	}
	return str_n(p, p ? n : 0);
}

/* What a word of that column means, in two texts. */
static enum err put_word(struct import *im, struct json_out *o, enum column col, struct str word)
{
	struct str first = word, second = STR("");
	enum err   err = OK;

	if (col == COL_ALIASES)
		err = ctl_user_take(im->c, &im->arena, word, &first, &second);
	if (col == COL_PREFERENCES) {
		second = word;
		first = unescaped(&im->arena, str_take_until(&second, '='));
		second = unescaped(&im->arena, second);
	}
	json_put_text(o, NULL, first);
	json_put_text(o, NULL, second);
	return err;
}

static struct str words(struct import *im, enum column col)
{
	struct json_out o = json_into(&im->arena);
	enum err        err = OK;

	json_open_object(&o, NULL);
	for (size_t i = 0; i < im->n; i++) {
		const struct person *p = &im->batch[i];
		struct csv_cell      rest = p->cell[col], word;

		while (!p->passed_over && !err && import_word(&rest, &word)) {
			open_row(&o, i);
			err = put_word(im, &o, col, word.text);
			put_address(&o, p);
			json_close_list(&o);
		}
	}
	json_close_object(&o);
	return err ? STR_NONE : json_done(&o);
}

static enum err ask(struct import *im, const char *sql, struct str json, struct db_rows *rows)
{
	struct db_value v = db_text(json);

	if (!json.p)
		return ctl_fail(im->c, ERR_NOMEM, "out of memory");
	return db_exec(im->d, sql, &v, 1, &im->arena, rows, im->c->why, sizeof(im->c->why));
}

/* --- what is there already --- */

#define JOIN_USERS(name, domain) " JOIN users u ON u.name = (e.value ->> " name ") AND u.domain = (e.value ->> " domain ")"
#define JOIN_ALIASES(name, domain) " JOIN aliases a ON a.name = (e.value ->> " name ") AND a.domain = (e.value ->> " domain ")"

static struct person *person_of(struct import *im, const struct db_rows *rows, size_t row)
{
	uint32_t i;

	return str_u32(db_cell(rows, row, 0)->s, &i) && i < im->n ? &im->batch[i] : NULL;
}

/* A sentence "$address what" about each row, at the aliases or at the user. */
static enum err complain(struct import *im, const char *sql, struct str json, enum column col, const char *what)
{
	struct db_rows rows;
	enum err       err = ask(im, sql, json, &rows);

	for (size_t r = 0; !err && r < rows.rows; r++) {
		const struct person   *p = person_of(im, &rows, r);
		const struct csv_cell *cell = p ? &p->cell[col] : NULL;
		struct str             who = db_cell(&rows, r, 1)->s, other = db_cell(&rows, r, 2)->s;

		if (!p || p->passed_over)
			continue;
		ctl_fail(im->c, ERR_EXISTS, STR_FMT " %s" STR_FMT, STR_ARG(who), what, STR_ARG(other));
		import_mistake(im, p->line, cell->line ? cell->column : 1, im->c->why);
	}
	return err;
}

static enum err look_for_users(struct import *im, struct str json)
{
	static const char there[] = "SELECT e.key, (e.value ->> 0) || '@' || (e.value ->> 1), '' FROM json_each($1) e" JOIN_USERS("0", "1");
	struct db_rows    rows;
	enum err          err;

	if (!im->update && !im->resume)
		return complain(im, there, json, COL_USER, "is there already: --update changes those that are there, --resume passes over them");
	err = ask(im, there, json, &rows);
	for (size_t r = 0; !err && r < rows.rows; r++) {
		struct person *p = person_of(im, &rows, r);

		if (p)
			p->passed_over = im->resume;
	}
	if (!err && im->writing == im->resume)
		im->there += rows.rows;
	return err;
}

enum err import_look(struct import *im)
{
	struct str json = addresses(im), aliases;
	enum err   err = look_for_users(im, json);

	if (err || im->writing)
		return err;
	err = complain(im, "SELECT e.key, a.name || '@' || a.domain, '' FROM json_each($1) e" JOIN_ALIASES("0", "1"), json, COL_USER,
		       "is an alias: `siparioctl alias list` shows whose");
	aliases = words(im, COL_ALIASES);
	if (!err)
		err = complain(im, "SELECT e.key, a.name || '@' || a.domain, u.name || '@' || u.domain FROM json_each($1) e" JOIN_ALIASES("0", "1")
			       " JOIN users u ON u.id = a.user_id WHERE NOT (u.name = (e.value ->> 2) AND u.domain = (e.value ->> 3))", aliases, COL_ALIASES,
			       "is already an alias of ");
	if (!err)
		err = complain(im, "SELECT e.key, u.name || '@' || u.domain, '' FROM json_each($1) e" JOIN_USERS("0", "1"), aliases, COL_ALIASES,
			       "is the address of a user: an alias has one of its own");
	return err;
}

/* --- writing --- */

/* "…, status = excluded.status, …" of what the file has a column for. */
static void put_changes(const struct import *im, struct buf *b)
{
	const char *sep = " DO UPDATE SET ";

	if (import_has(im, COL_PASSWORD) || import_has(im, COL_MD5) || import_has(im, COL_SHA256)) {
		for (int i = 0; i < 2; i++, sep = ", ")	/* both, so that no digest of the old password stays; without a new one both stay */
			buf_printf(b, "%s%s = CASE WHEN excluded.ha1_md5 IS NULL AND excluded.ha1_sha256 IS NULL THEN users.%s ELSE excluded.%s END", sep,
				   i ? "ha1_md5" : "ha1_sha256", i ? "ha1_md5" : "ha1_sha256", i ? "ha1_md5" : "ha1_sha256");
	}
	for (size_t i = 0; ctl_user_field(i); i++) {
		if (im->at[COL_FIELDS + i] < 0)
			continue;
		buf_printf(b, "%s%s = excluded.%s", sep, ctl_user_field(i), ctl_user_field(i));
		sep = ", ";
	}
	if (sep[0] == ' ')
		BUF_LIT(b, " DO NOTHING");
}

/* Names of columns are ours, nothing of the file is in it. */
static enum err write_users(struct import *im)
{
	char       sql[MOST_SQL];
	struct buf b = buf_on(sql, sizeof(sql));

	BUF_LIT(&b, "INSERT INTO users (name, domain, ha1_md5, ha1_sha256");
	for (size_t i = 0; ctl_user_field(i); i++)
		buf_printf(&b, ", %s", ctl_user_field(i));
	BUF_LIT(&b, ") SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3");
	for (size_t i = 0; ctl_user_field(i); i++) {
		const char *before, *after;

		ctl_user_cast(i, &before, &after);
		buf_printf(&b, ", %s(value ->> %zu)%s", before, i + 4, after);
	}
	BUF_LIT(&b, " FROM json_each($1) WHERE true");
	if (im->update) {
		BUF_LIT(&b, " ON CONFLICT (name, domain)");
		put_changes(im, &b);
	}
	buf_ch(&b, 0);
	return buf_ok(&b) ? ask(im, sql, profiles(im), NULL) : ERR_LIMIT;
}

static const struct { enum column col; const char *clear, *fill; } lists[] = {
#define CLEAR(table) "DELETE FROM " table " WHERE user_id IN (SELECT u.id FROM json_each($1) e" JOIN_USERS("0", "1") ")"
#define FROM_WORDS " FROM json_each($1) e" JOIN_USERS("2", "3")
	{ COL_ALIASES, CLEAR("aliases"), "INSERT INTO aliases (name, domain, user_id) SELECT e.value ->> 0, e.value ->> 1, u.id" FROM_WORDS },
	{ COL_GROUPS, CLEAR("group_members"), "INSERT INTO group_members (group_name, user_id) SELECT DISTINCT e.value ->> 0, u.id" FROM_WORDS },
	{ COL_PERMISSIONS, CLEAR("user_permissions"), "INSERT INTO user_permissions (class, user_id) SELECT DISTINCT e.value ->> 0, u.id" FROM_WORDS },
	{ COL_PREFERENCES, CLEAR("preferences"), "INSERT INTO preferences (name, value, user_id) SELECT e.value ->> 0, e.value ->> 1, u.id" FROM_WORDS
	  " WHERE true ON CONFLICT DO NOTHING" },
};

static enum err write_list(struct import *im, size_t i)
{
	enum err err = im->update ? ask(im, lists[i].clear, addresses(im), NULL) : OK;

	return err ? err : ask(im, lists[i].fill, words(im, lists[i].col), NULL);
}

enum err import_write(struct import *im)
{
	enum err err = write_users(im);

	for (size_t i = 0; i < COUNT_OF(lists) && !err; i++)
		if (import_has(im, lists[i].col))
			err = write_list(im, i);
	return err;
}
