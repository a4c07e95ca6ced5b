#include "db/driver.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_FILES = 999, MOST_SQL_BYTES = 1 << 20 };

/* "0007-gateways.sql" */
static bool parse_name(struct str file, struct db_migration *out)
{
	struct str rest = file, number = str_take_until(&rest, '-');
	uint32_t   n;

	if (!str_ends(rest, STR(".sql")) || !str_u32(number, &n) || n < 1 || n > MOST_FILES)
		return false;
	out->number = n;
	out->applied = false;
	return str_cstr(str_to(rest, rest.len - 4), out->name, sizeof(out->name));
}

static int by_number(const void *a, const void *b)
{
	const struct db_migration *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static enum err read_folder(const char *path, struct arena *a, struct db_migration **list, size_t *n, char *why, size_t cap)
{
	struct db_migration *all = arena_alloc(a, MOST_FILES * sizeof(*all));
	size_t               count = 0;
	DIR                 *dir = all ? opendir(path) : NULL;

	if (!dir) {
		snprintf(why, cap, "no migrations at %s: %s; name their folder with --schema", path, strerror(errno));
		return ERR_NOT_FOUND;
	}
	for (struct dirent *e; (e = readdir(dir)) && count < MOST_FILES;)
		if (parse_name(str_of(e->d_name), &all[count]))
			count++;
	closedir(dir);
	qsort(all, count, sizeof(*all), by_number);
	for (size_t i = 0; i < count; i++)
		if (all[i].number != i + 1) {
			snprintf(why, cap, "%s: migration %zu is missing, or there are two", path, i + 1);
			return ERR_STATE;
		}
	*list = all;
	*n = count;
	return OK;
}

enum err db_schema_version(struct db *d, unsigned *version)
{
	struct db_rows rows;
	char           room[512];
	struct arena   a;
	bool           has;
	enum err       err = d->driver->has_table(d, "schema_version", &has);

	if (err)
		return err;
	if (!has) {
		*version = 0;
		return OK;
	}
	arena_init(&a, room, sizeof(room), sizeof(room));
	err = db_exec(d, "SELECT coalesce(max(number), 0) FROM schema_version", NULL, 0, &a, &rows, NULL, 0);
	if (!err)
		*version = (unsigned)rows.cell[0].i;
	return err;
}

/* The number is kept, not the count: a store made by a newer server has ones that we have no file for. */
enum err db_migrations(struct db *d, const char *folder, struct arena *a, struct db_migration **list, size_t *n, char *why, size_t cap)
{
	unsigned version;
	char     path[512];
	enum err err;

	snprintf(path, sizeof(path), "%s/%s", folder, d->driver->scheme);
	err = read_folder(path, a, list, n, why, cap);
	if (err)
		return err;
	err = db_schema_version(d, &version);
	if (err)
		snprintf(why, cap, "the schema version cannot be read");
	for (size_t i = 0; i < *n && !err; i++)
		(*list)[i].applied = (*list)[i].number <= version;
	return err;
}

static char *read_file(const char *path, char *why, size_t cap)
{
	char  *text = malloc(MOST_SQL_BYTES);
	FILE  *f = text ? fopen(path, "re") : NULL;
	size_t n;

	if (!f) {
		snprintf(why, cap, "cannot read %s: %s", path, strerror(errno));
		free(text);
		return NULL;
	}
	n = fread(text, 1, MOST_SQL_BYTES - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static enum err record(struct db *d, const struct db_migration *m, char *why, size_t cap)
{
	struct db_value v[] = { db_int(m->number), db_text(str_of(m->name)) };

	return db_exec(d, "INSERT INTO schema_version (number, name) VALUES ($1, $2)", v, 2, NULL, NULL, why, cap);
}

/* In one transaction with its record: it is applied and known, or neither. */
static enum err apply(struct db *d, const char *folder, const struct db_migration *m, char *why, size_t cap)
{
	char     path[640], words[256] = "";
	char    *sql;
	enum err err;

	snprintf(path, sizeof(path), "%s/%s/%04u-%s.sql", folder, d->driver->scheme, m->number, m->name);
	sql = read_file(path, why, cap);
	if (!sql)
		return ERR_IO;
	err = d->driver->begin(d, true, words, sizeof(words));
	if (!err)
		err = record(d, m, words, sizeof(words));	/* first: of two at a time, one fails here */
	if (!err)
		err = d->driver->script(d, sql, words, sizeof(words));
	if (!err)
		err = d->driver->commit(d, words, sizeof(words));
	if (err) {
		db_rollback(d);
		snprintf(why, cap, "%s: %s", path, words);
	}
	free(sql);
	return err;
}

static enum err not_newer(struct db *d, size_t ours, char *why, size_t cap)
{
	unsigned version;
	enum err err = db_schema_version(d, &version);

	if (err)
		snprintf(why, cap, "the schema version cannot be read");
	else if (version > ours) {
		snprintf(why, cap, "the database has schema %u, this program knows %zu: use the newer siparioctl", version, ours);
		err = ERR_STATE;
	}
	return err;
}

enum err db_migrate(struct db *d, const char *folder, unsigned *applied, char *why, size_t cap)
{
	struct arena         a;
	struct db_migration *list;
	size_t               n;
	unsigned             done = 0;
	enum err             err;

	arena_init(&a, NULL, 0, 1 << 20);
	err = db_migrations(d, folder, &a, &list, &n, why, cap);
	if (!err)
		err = not_newer(d, n, why, cap);
	if (!err && n && !list[n - 1].applied)	/* else nothing is written: it takes no rights to ask */
		err = d->driver->script(d, d->driver->version_table, why, cap);
	for (size_t i = 0; !err && i < n; i++)
		if (!list[i].applied && !(err = apply(d, folder, &list[i], why, cap)))
			done++;
	arena_free(&a);
	if (!err)
		*applied = done;
	return err;
}
