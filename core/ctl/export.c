/* `export`: the users as `import` reads them, row by row, whatever their number. */
#include "ctl/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINE = 1 << 20, LISTS_MEMORY = 1 << 30 };

/* Lists of users' words, each sorted by user: while users go by in the same order, each list is read once. */
struct word_list {
	struct db_rows rows;	/* id, first, second (NULL: none) */
	size_t         at;
};
struct export {
	struct ctl  *c;
	FILE        *out;
	const char  *made;	/* the file under its first name; NULL: it is no file of ours */
	struct arena arena;
	char        *line;
	struct word_list list[COL_FIELDS - COL_ALIASES];
	struct progress bar;
	uint64_t     people;
	bool         digests, failed;
};

static const char *const sql[COL_FIELDS - COL_ALIASES] = {
	"SELECT user_id, name || '@' || domain, NULL FROM aliases ORDER BY user_id, domain, name", "SELECT user_id, group_name, NULL FROM group_members ORDER BY user_id, group_name",
	"SELECT user_id, class, NULL FROM user_permissions ORDER BY user_id, class", "SELECT user_id, name, value FROM preferences ORDER BY user_id, name",
};

/* What stands between blanks and around "=". */
static struct str escaped(struct arena *a, struct str s)
{
	size_t     room = s.len * 3;
	struct buf b = buf_on(arena_alloc(a, room + 1), room + 1);

	for (size_t i = 0; b.p && i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch <= ' ' || ch == '%' || ch == '=' || ch == 0x7f)
			buf_printf(&b, "%%%02x", ch);
		else
			buf_ch(&b, s.p[i]);
	}
	return buf_str(&b);
}

static struct str words_of(struct arena *a, struct word_list *l, int64_t id)
{
	struct str all = STR("");

	for (; l->at < l->rows.rows && db_cell(&l->rows, l->at, 0)->i <= id; l->at++) {
		const struct db_value *first = db_cell(&l->rows, l->at, 1), *second = db_cell(&l->rows, l->at, 2);

		if (db_cell(&l->rows, l->at, 0)->i < id)
			continue;	/* of a user who is gone by now */
		if (second->type)
			all = arena_printf(a, STR_FMT "%s" STR_FMT "=" STR_FMT, STR_ARG(all), all.len ? " " : "", STR_ARG(escaped(a, first->s)), STR_ARG(escaped(a, second->s)));
		else
			all = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(all), all.len ? " " : "", STR_ARG(first->s));
	}
	return all;
}

static struct str text_of(struct arena *a, const struct db_value *v, size_t field)
{
	if (v->type == DB_INT)
		return ctl_user_is_switch(field) ? (v->i ? STR("on") : STR("off")) : arena_printf(a, "%lld", (long long)v->i);
	return v->type == DB_NULL ? STR("") : v->s;
}

static bool put_user(void *arg, const struct db_rows *row)
{
	struct export *ex = arg;
	struct buf     b = buf_on(ex->line, MOST_LINE);
	struct arena   a;
	char           room[4096];

	arena_init(&a, room, sizeof(room), MOST_LINE);
	csv_write(&b, row->cell[1].s);
	for (size_t i = 2; i < 4 && ex->digests; i++) {
		buf_ch(&b, ',');
		csv_write(&b, row->cell[i].type ? row->cell[i].s : STR(""));
	}
	for (size_t i = 0; ctl_user_field(i); i++) {
		buf_ch(&b, ',');
		csv_write(&b, text_of(&a, &row->cell[4 + i], i));
	}
	for (size_t i = 0; i < COUNT_OF(ex->list); i++) {
		buf_ch(&b, ',');
		csv_write(&b, words_of(&a, &ex->list[i], row->cell[0].i));
	}
	BUF_LIT(&b, "\r\n");	/* RFC 4180 §2.1 */
	arena_free(&a);
	ex->failed = !buf_ok(&b) || fwrite(b.p, 1, b.len, ex->out) != b.len;
	ex->people++;
	progress_show(&ex->bar, ex->people, ex->people);
	return !ex->failed;
}

static void put_header(struct export *ex)
{
	fprintf(ex->out, "user%s", ex->digests ? ",ha1_md5,ha1_sha256" : "");
	for (size_t i = 0; ctl_user_field(i); i++)
		fprintf(ex->out, ",%s", ctl_user_field(i));
	for (size_t i = COL_ALIASES; i < COL_FIELDS; i++)
		fprintf(ex->out, ",%s", import_column(i));
	fprintf(ex->out, "\r\n");
}

static enum err load_lists(struct export *ex, struct db *d)
{
	struct ctl *c = ex->c;
	enum err    err = OK;

	for (size_t i = 0; i < COUNT_OF(sql) && !err; i++)
		err = db_exec(d, sql[i], NULL, 0, &ex->arena, &ex->list[i].rows, c->why, sizeof(c->why));
	return err;
}

static enum err put_users(struct export *ex, struct db *d, const struct str *domain)
{
	struct ctl     *c = ex->c;
	struct db_value v = db_text(domain ? *domain : STR(""));
	struct str      text = arena_printf(c->arena, "SELECT id, name || '@' || domain, ha1_md5, ha1_sha256");
	enum err        err;

	for (size_t i = 0; ctl_user_field(i); i++)
		text = arena_printf(c->arena, STR_FMT ", %s", STR_ARG(text), ctl_user_field(i));
	text = arena_printf(c->arena, STR_FMT " FROM users%s ORDER BY id%c", STR_ARG(text), domain ? " WHERE domain = $1" : "", 0);
	put_header(ex);
	err = db_each(d, text.p, &v, domain ? 1 : 0, put_user, ex, c->why, sizeof(c->why));
	if (!err && (ex->failed || fflush(ex->out)))
		err = ctl_fail(c, ERR_IO, "the file could not be written: %s", strerror(errno));
	return err;
}

static enum err count(struct export *ex, struct db *d)
{
	struct db_rows rows;
	enum err       err = ctl_sql(ex->c, d, "SELECT count(*) FROM users", NULL, 0, &rows);

	if (!err)
		ex->bar = progress_begin("writing", (uint64_t)rows.cell[0].i, !isatty(STDOUT_FILENO) || ex->out != stdout);
	return err;
}

static enum err export_all(struct export *ex, const struct str *domain)
{
	struct db *d = ctl_open(ex->c);
	enum err   err = d ? OK : ERR_IO;

	if (!err && domain)
		err = ctl_there(ex->c, d, NEED_DOMAIN, (struct db_value[]){ db_text(*domain) });
	if (!err)
		err = ctl_sql(ex->c, d, "BEGIN", NULL, 0, NULL);	/* to read only: nobody waits for it */
	if (!err)
		err = count(ex, d);
	if (!err)
		err = load_lists(ex, d);
	if (!err)
		err = put_users(ex, d, domain);
	if (d)
		db_rollback(d);
	db_close(d);
	progress_end(&ex->bar);
	return err;
}

/* A file that is there is kept, unless --force: then it is replaced once the new one is whole. With digests it is for its owner alone. Devices and
 * pipes are written as they are. */
static enum err open_out(struct export *ex, const char *path)
{
	struct stat st;
	bool        there = !stat(path, &st);
	int         fd;

	if (there && S_ISREG(st.st_mode) && !(ex->c->options & OPT_FORCE))
		return ctl_fail(ex->c, ERR_EXISTS, "%s is there already: --force writes over it", path);
	if (!there || S_ISREG(st.st_mode))
		ex->made = arena_printf(ex->c->arena, "%s.part%c", path, 0).p;
	if (ex->made)
		unlink(ex->made);	/* of one that was killed */
	fd = ex->made ? open(ex->made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, ex->digests ? 0600 : 0640) : open(path, O_WRONLY | O_CLOEXEC);
	ex->out = fd < 0 ? NULL : fdopen(fd, "w");
	return ex->out ? OK : ctl_fail(ex->c, ERR_IO, "%s cannot be written: %s", ex->made ? ex->made : path, strerror(errno));
}

/* Half of it would be taken for the whole. */
static enum err close_out(struct export *ex, const char *path, enum err err)
{
	if (fclose(ex->out) && !err)
		err = ctl_fail(ex->c, ERR_IO, "%s could not be written: %s", path, strerror(errno));
	if (!err && ex->made && rename(ex->made, path))
		err = ctl_fail(ex->c, ERR_IO, "%s could not be written: %s", path, strerror(errno));
	if (err && ex->made)
		unlink(ex->made);
	return err;
}

static void answer(struct export *ex, const char *path)
{
	struct ctl *c = ex->c;

	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "file", str_of(path));
	json_put_int(&c->out, "users", (int64_t)ex->people);
	json_close_object(&c->out);
	ctl_say(c, "%llu user%s written to %s", (unsigned long long)ex->people, ex->people == 1 ? "" : "s", path);
	c->silent = !strcmp(path, "-");
}

enum err export_run(struct ctl *c)
{
	const char   *path = c->argc ? c->argv[0] : "-";
	bool          to_file = strcmp(path, "-") != 0;
	struct export ex = { .c = c, .out = stdout, .digests = c->options & OPT_DIGESTS };
	struct str    domain;
	enum err      err = c->argc > 1 ? ctl_domain(c, c->argv[1], &domain) : OK;

	if (!err && to_file)
		err = open_out(&ex, path);
	if (err)
		return err;
	arena_init(&ex.arena, NULL, 0, LISTS_MEMORY);
	ex.line = malloc(MOST_LINE);
	err = ex.line ? export_all(&ex, c->argc > 1 ? &domain : NULL) : ERR_NOMEM;
	free(ex.line);
	arena_free(&ex.arena);
	if (to_file)
		err = close_out(&ex, path, err);
	if (!err)
		answer(&ex, path);
	return err;
}
