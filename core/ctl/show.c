/* An answer as a person reads it: aligned tables, times and sizes in words. What a key means is told by its end: _unix, _s, bytes. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <time.h>

enum { MOST_COLUMNS = 24 };

struct column {
	const char *key;
	size_t      width;	/* characters of the widest cell */
	bool        number;	/* all cells are: aligned to the right */
};

/* --- cells --- */

static struct str time_words(struct arena *a, int64_t unix_s)
{
	time_t    t = (time_t)unix_s;
	struct tm tm;
	char      room[32];

	localtime_r(&t, &tm);
	strftime(room, sizeof(room), "%Y-%m-%d %H:%M:%S", &tm);
	return arena_dup(a, str_of(room));
}

static struct str span_words(struct arena *a, int64_t s)
{
	if (s >= 86400)
		return arena_printf(a, "%lldd %lldh", (long long)s / 86400, (long long)s % 86400 / 3600);
	if (s >= 3600)
		return arena_printf(a, "%lldh %lldm", (long long)s / 3600, (long long)s % 3600 / 60);
	if (s >= 60)
		return arena_printf(a, "%lldm %llds", (long long)s / 60, (long long)s % 60);
	return arena_printf(a, "%llds", (long long)s);
}

static struct str size_words(struct arena *a, int64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double                   v = (double)bytes;
	size_t                   u = 0;

	while (v >= 1024 && u + 1 < COUNT_OF(units)) {
		v /= 1024;
		u++;
	}
	return u ? arena_printf(a, "%.1f %s", v, units[u]) : arena_printf(a, "%lld B", (long long)bytes);
}

static struct str number_words(struct arena *a, const char *key, int64_t i)
{
	struct str k = str_of(key);

	if (str_ends(k, STR("_unix")))
		return time_words(a, i);
	if (str_ends(k, STR("_s")))
		return span_words(a, i);
	if (str_ends(k, STR("bytes")))
		return size_words(a, i);
	return arena_printf(a, "%lld", (long long)i);
}

/* C0, DEL, C1; what is no UTF-8 at all. */
static bool harmful(struct str at, size_t n)
{
	unsigned char ch = (unsigned char)at.p[0];

	return !n || ch < ' ' || ch == 0x7f || (ch == 0xc2 && (unsigned char)at.p[1] < 0xa0);
}

struct str ctl_printable(struct arena *a, struct str s)
{
	struct str copy = arena_dup(a, s);

	for (size_t i = 0, n; copy.p && i < copy.len; i += n ? n : 1) {
		n = str_utf8(str_from(copy, i));
		if (harmful(str_from(copy, i), n))
			memset((char *)copy.p + i, '?', n ? n : 1);
	}
	return copy;
}

static struct str cell(struct arena *a, const char *key, const struct json *v)
{
	struct str s;

	switch (json_kind(v)) {
	case JSON_IS_NONE:
	case JSON_IS_NULL:
		return STR("-");
	case JSON_IS_BOOL:
		return json_bool(v, false) ? STR("yes") : STR("no");
	case JSON_IS_INT:
		s = number_words(a, key, json_int(v, 0));
		break;
	case JSON_IS_TEXT:
		s = json_text(v).len ? ctl_printable(a, json_text(v)) : STR("-");
		break;
	default:
		s = json_dump(a, v, false);
	}
	return s.p ? s : STR("?");
}

static size_t width_of(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.p[i] & 0xc0) != 0x80;	/* not the first byte of a character */
	return n;
}

static void put_cell(struct str s, size_t width, bool right, bool last)
{
	size_t pad = width > width_of(s) ? width - width_of(s) : 0;

	printf("%*s" STR_FMT "%*s", right ? (int)pad : 0, "", STR_ARG(s), right || last ? 0 : (int)pad, "");
	printf(last ? "\n" : "  ");
}

/* --- keys --- */

/* "start_unix" is read "start": the cell says the rest. */
static struct str key_words(struct arena *a, const char *key, bool upper)
{
	static const char *const ends[] = { "_unix", "_s", "_bytes" };
	struct str               k = str_of(key), copy;

	for (size_t i = 0; i < COUNT_OF(ends); i++)
		if (str_ends(k, str_of(ends[i])))
			k.len -= strlen(ends[i]);
	copy = arena_dup(a, k);
	for (size_t i = 0; copy.p && i < copy.len; i++) {
		char *ch = (char *)&copy.p[i];

		if (*ch == '_')
			*ch = ' ';
		else if (upper && *ch >= 'a' && *ch <= 'z')
			*ch = (char)(*ch - 0x20);
	}
	return copy.p ? copy : STR("?");
}

static bool wanted(const struct ctl *c, const char *key)
{
	struct str rest = str_of(c->columns);

	while (rest.len)
		if (str_is(str_take_until(&rest, ','), key))
			return true;
	return !c->columns;
}

static bool has_column(const struct column *col, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(col[i].key, key))
			return true;
	return false;
}

static size_t columns_of(const struct ctl *c, const struct json *list, struct column *col)
{
	size_t n = 0;

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *v;
		const char        *key;

		for (void *at = NULL; json_next(json_at(list, i), &at, &key, &v);)
			if (n < MOST_COLUMNS && wanted(c, key) && !has_column(col, n, key))
				col[n++] = (struct column){ .key = key, .width = width_of(key_words(c->arena, key, true)), .number = true };
	}
	return n;
}

/* --- tables --- */

static void measure(struct ctl *c, const struct json *list, struct column *col, size_t n)
{
	for (size_t r = 0; r < json_count(list); r++)
		for (size_t i = 0; i < n; i++) {
			const struct json *v = json_get(json_at(list, r), col[i].key);
			size_t             width = width_of(cell(c->arena, col[i].key, v));

			if (width > col[i].width)
				col[i].width = width;
			if (v && json_kind(v) != JSON_IS_INT && json_kind(v) != JSON_IS_FRACTION && json_kind(v) != JSON_IS_NULL)
				col[i].number = false;
		}
}

static void show_texts(struct ctl *c, const struct json *list)
{
	for (size_t i = 0; i < json_count(list); i++)
		printf(STR_FMT "\n", STR_ARG(cell(c->arena, "", json_at(list, i))));
}

static void show_table(struct ctl *c, const struct json *list)
{
	struct column col[MOST_COLUMNS];
	size_t        n = columns_of(c, list, col);

	if (!json_count(list)) {
		printf("none\n");
		return;
	}
	if (!n) {
		show_texts(c, list);
		return;
	}
	measure(c, list, col, n);
	for (size_t i = 0; i < n; i++)
		put_cell(key_words(c->arena, col[i].key, true), col[i].width, col[i].number, i + 1 == n);
	for (size_t r = 0; r < json_count(list); r++)
		for (size_t i = 0; i < n; i++)
			put_cell(cell(c->arena, col[i].key, json_get(json_at(list, r), col[i].key)), col[i].width, col[i].number, i + 1 == n);
}

static bool scalar(const struct json *v)
{
	return json_kind(v) != JSON_IS_LIST && json_kind(v) != JSON_IS_OBJECT;
}

static void show_lines(struct ctl *c, const struct json *object)
{
	const struct json *v;
	const char        *key;
	size_t             width = 0;

	for (void *at = NULL; json_next(object, &at, &key, &v);)
		if (scalar(v) && width_of(key_words(c->arena, key, false)) > width)
			width = width_of(key_words(c->arena, key, false));
	for (void *at = NULL; json_next(object, &at, &key, &v);) {
		if (!scalar(v))
			continue;
		put_cell(key_words(c->arena, key, false), width, false, false);
		put_cell(cell(c->arena, key, v), 0, true, true);
	}
}

static void show_upright(struct ctl *c, const struct json *list)
{
	if (!json_count(list))
		printf("none\n");
	for (size_t i = 0; i < json_count(list); i++) {
		if (i)
			printf("\n");
		show_lines(c, json_at(list, i));
	}
}

static void show_list(struct ctl *c, const struct json *list)
{
	if (c->upright)
		show_upright(c, list);
	else
		show_table(c, list);
}

void ctl_show(struct ctl *c, const struct json *answer)
{
	const struct json *v;
	const char        *key;
	bool               lines = false;

	if (json_kind(answer) == JSON_IS_LIST) {
		show_list(c, answer);
		return;
	}
	show_lines(c, answer);
	for (void *at = NULL; json_next(answer, &at, &key, &v);)
		lines |= scalar(v);
	for (void *at = NULL; json_next(answer, &at, &key, &v);) {
		if (json_kind(v) != JSON_IS_LIST || !json_count(v))
			continue;
		printf(lines ? "\n" STR_FMT ":\n" : STR_FMT ":\n", STR_ARG(key_words(c->arena, key, false)));
		show_list(c, v);
		lines = true;
	}
}
