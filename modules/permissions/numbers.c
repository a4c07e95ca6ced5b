#include <stdlib.h>

#include "modules/permissions/permissions.h"

struct prefix {
	struct str digits, class;
};
struct numbers {
	size_t        count, longest;
	struct prefix at[];	/* sorted by digits; the texts lie behind */
};

static int by_digits(const void *a, const void *b)
{
	return str_cmp(((const struct prefix *)a)->digits, ((const struct prefix *)b)->digits);
}

static struct str put(char **at, struct str s)
{
	struct str kept = str_n(*at, s.len);

	if (s.len)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return kept;
}

void *numbers_of(const struct db_rows *rows)
{
	size_t          bytes = sizeof(struct numbers) + rows->rows * sizeof(struct prefix);
	struct numbers *n;
	char           *at;

	for (size_t i = 0; i < rows->rows; i++)
		bytes += db_cell(rows, i, 0)->s.len + db_cell(rows, i, 1)->s.len;
	n = malloc(bytes);
	if (!n)
		return NULL;
	n->count = rows->rows;
	n->longest = 0;
	at = (char *)&n->at[n->count];
	for (size_t i = 0; i < n->count; i++) {
		n->at[i] = (struct prefix){ .digits = put(&at, db_cell(rows, i, 0)->s), .class = put(&at, db_cell(rows, i, 1)->s) };
		if (n->at[i].digits.len > n->longest)
			n->longest = n->at[i].digits.len;
	}
	qsort(n->at, n->count, sizeof(n->at[0]), by_digits);
	return n;
}

const struct str *numbers_find(const struct numbers *n, struct str number)
{
	for (size_t len = n && number.len > n->longest ? n->longest : number.len; n && len; len--) {
		struct prefix  key = { .digits = str_to(number, len) };
		struct prefix *found = bsearch(&key, n->at, n->count, sizeof(key), by_digits);

		if (found)
			return &found->class;
	}
	return NULL;
}

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

static bool is_dialled(char c, size_t at)
{
	return ch_digit(c) || c == '*' || c == '#' || (c == '+' && at == 0);
}

static struct str only_digits(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len + 1);
	size_t len = 0;

	if (!p)
		return STR_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if (is_separator(s.p[i]))
			continue;
		if (!is_dialled(s.p[i], len))
			return STR("");
		p[len++] = s.p[i];
	}
	return str_n(p, len);
}

struct str number_of(struct arena *a, const struct value *v)
{
	struct str text = v->u.s;
	struct uri u;

	if (v->type == T_URI || str_find(text, ':') >= 0) {
		if (uri_parse(text, &u))
			return STR("");
		text = uri_unescape(a, u.user);
	}
	return text.p ? only_digits(a, text) : STR_NONE;
}
