/* A line of the file: which column is what, and whether it can be so. */
#include "ctl/import.h"

enum { MOST_SHOWN = 100, MOST_PASSWORD = 128 };

static const char *const own[COL_FIELDS] = { "user", "name", "domain", "password", "ha1_md5", "ha1_sha256", "aliases", "groups", "permissions", "preferences" };

const char *import_column(size_t i)
{
	return i < COL_FIELDS ? own[i] : ctl_user_field(i - COL_FIELDS);
}

bool import_has(const struct import *im, enum column col)
{
	return im->at[col] >= 0;
}

void import_mistake(struct import *im, uint32_t line, uint32_t column, const char *why)
{
	struct ctl *c = im->c;

	if (im->wrong++ >= MOST_SHOWN)
		return;
	c->report = arena_printf(c->arena, STR_FMT "%s:%u:%u: " STR_FMT "\n", STR_ARG(c->report.p ? c->report : STR("")), im->file, line, column,
				 STR_ARG(ctl_printable(c->arena, str_of(why))));
	json_open_object(&im->mistakes, NULL);
	json_put_int(&im->mistakes, "line", line);
	json_put_int(&im->mistakes, "column", column);
	json_put_text(&im->mistakes, "error", str_of(why));
	json_close_object(&im->mistakes);
}

/* --- the header line --- */

static enum err no_column(struct ctl *c, const struct csv_cell *cell)
{
	const char *names[MOST_COLUMNS], *near;
	struct str  all = STR("");
	size_t      n = 0;

	for (; import_column(n); n++) {
		names[n] = import_column(n);
		all = arena_printf(c->arena, STR_FMT "%s%s", STR_ARG(all), n ? ", " : "", names[n]);
	}
	near = ctl_nearest(cell->text, names, n);
	if (near)
		return ctl_fail(c, ERR_STATE, "no column \"" STR_FMT "\": did you mean \"%s\"?", STR_ARG(str_to(cell->text, 80)), near);
	return ctl_fail(c, ERR_STATE, "no column \"" STR_FMT "\": there are " STR_FMT, STR_ARG(str_to(cell->text, 80)), STR_ARG(all));
}

static enum err take_column(struct import *im, const struct csv_cell *cell, int at)
{
	struct str name = str_trim(cell->text);

	for (size_t i = 0; import_column(i); i++) {
		if (!str_ieqz(name, import_column(i)))
			continue;
		if (im->at[i] >= 0)
			return ctl_fail(im->c, ERR_STATE, "column \"%s\" is there twice", import_column(i));
		im->at[i] = at;
		return OK;
	}
	return no_column(im->c, cell);
}

enum err import_header(struct import *im, const struct csv_cell *cell, size_t n)
{
	for (size_t i = 0; i < MOST_COLUMNS; i++)
		im->at[i] = -1;
	im->cells = n;
	for (size_t i = 0; i < n; i++)
		if (take_column(im, &cell[i], (int)i))
			import_mistake(im, cell[i].line, cell[i].column, im->c->why);
	if (!im->wrong && !import_has(im, COL_USER) && !(import_has(im, COL_NAME) && import_has(im, COL_DOMAIN)))
		import_mistake(im, cell[0].line, 1, "the header line names no column \"user\" (alice@example.org), and not both \"name\" and \"domain\"");
	if (!im->wrong && import_has(im, COL_USER) && (import_has(im, COL_NAME) || import_has(im, COL_DOMAIN)))
		import_mistake(im, cell[0].line, 1, "the header line names \"user\", so \"name\" and \"domain\" are too much");
	return im->wrong ? ERR_STATE : OK;
}

/* --- cells --- */

static bool bad(struct import *im, const struct csv_cell *cell)
{
	import_mistake(im, cell->line, cell->column, im->c->why);
	return false;
}

static bool take_address(struct import *im, struct person *p)
{
	const struct csv_cell *cell = &p->cell[import_has(im, COL_USER) ? COL_USER : COL_NAME];
	struct str             text = str_trim(p->cell[COL_USER].text);
	uint32_t               before;

	if (!import_has(im, COL_USER))
		text = arena_printf(&im->arena, STR_FMT "@" STR_FMT, STR_ARG(str_trim(p->cell[COL_NAME].text)), STR_ARG(str_trim(p->cell[COL_DOMAIN].text)));
	if (ctl_user_take(im->c, &im->arena, text, &p->name, &p->domain))
		return bad(im, cell);
	if (!seen_has(&im->domains, p->domain, STR_NONE)) {
		ctl_fail(im->c, ERR_NOT_FOUND, "no domain " STR_FMT ": add it first with `siparioctl domain add " STR_FMT "`", STR_ARG(p->domain), STR_ARG(p->domain));
		return bad(im, cell);
	}
	if (im->writing)
		return true;
	if (seen_put(&im->addresses, p->name, p->domain, p->line, &before))
		before = 0;
	if (before) {
		ctl_fail(im->c, ERR_EXISTS, STR_FMT "@" STR_FMT " is on line %u already", STR_ARG(p->name), STR_ARG(p->domain), before);
		return bad(im, cell);
	}
	return true;
}

static bool take_digest(struct import *im, const struct csv_cell *cell, size_t digits, struct db_value *v)
{
	struct str text = str_trim(cell->text), low;

	*v = db_null();
	if (!text.len)
		return true;
	low = arena_dup(&im->arena, text);
	for (size_t i = 0; i < low.len; i++)
		((char *)low.p)[i] = ch_lower(low.p[i]);
	for (size_t i = 0; i < low.len; i++)
		if (!ch_digit(low.p[i]) && !(low.p[i] >= 'a' && low.p[i] <= 'f'))
			low.len = 0;
	if (low.len != digits) {
		ctl_fail(im->c, ERR_SYNTAX, "a digest of this kind has %zu hexadecimal digits", digits);
		return bad(im, cell);
	}
	*v = db_text(low);
	return true;
}

static bool take_password(struct import *im, struct person *p)
{
	const struct csv_cell *cell = &p->cell[COL_PASSWORD];
	struct str             text = cell->text;
	struct ha1             h;

	if (!text.len)
		return true;
	if (text.len > MOST_PASSWORD)
		ctl_fail(im->c, ERR_SYNTAX, "the password has more than %d bytes", MOST_PASSWORD);
	if (text.len > MOST_PASSWORD || ctl_text(im->c, "password", text))
		return bad(im, cell);
	if (p->md5.type || p->sha256.type) {
		ctl_fail(im->c, ERR_SYNTAX, "a password and a digest: leave one of them empty");
		return bad(im, cell);
	}
	p->md5 = p->sha256 = db_text(STR(""));
	if (!im->writing)
		return true;
	if (ha1_make(p->name, p->domain, text, &h)) {
		ctl_fail(im->c, ERR_STATE, "the digest cannot be computed");
		return bad(im, cell);
	}
	p->md5 = db_text(arena_dup(&im->arena, str_n(h.md5, MD5_HEX)));
	p->sha256 = db_text(arena_dup(&im->arena, str_n(h.sha256, SHA256_HEX)));
	return true;
}

static bool take_fields(struct import *im, const struct csv_cell *cell, struct person *p)
{
	bool good = true;

	for (size_t i = 0; ctl_user_field(i); i++) {
		int        at = im->at[COL_FIELDS + i];
		struct str text = at >= 0 ? cell[at].text : STR("");

		if (!text.len)
			text = str_of(ctl_user_preset(i));
		if (ctl_user_judge(im->c, i, text, &p->field[i]))
			good = bad(im, &cell[at]);
	}
	return good;
}

bool import_word(struct csv_cell *rest, struct csv_cell *word)
{
	while (str_take_ch(&rest->text, ' '))
		rest->column++;
	*word = *rest;
	word->text = str_take_until(&rest->text, ' ');
	rest->column += (uint32_t)word->text.len + 1;
	return word->text.len > 0;
}

static bool take_names(struct import *im, struct csv_cell rest, const struct seen *known, const char *what)
{
	struct csv_cell word;
	bool            good = true;

	while (import_word(&rest, &word)) {
		if (seen_has(known, word.text, STR_NONE))
			continue;
		ctl_fail(im->c, ERR_NOT_FOUND, "no %s \"" STR_FMT "\": add it first with `siparioctl %s add`", what, STR_ARG(str_to(word.text, 80)), what);
		good = bad(im, &word);
	}
	return good;
}

static bool take_alias(struct import *im, const struct csv_cell *word, uint32_t line)
{
	struct str name, domain;
	uint32_t   before = 0;

	if (ctl_user_take(im->c, &im->arena, word->text, &name, &domain))
		return bad(im, word);
	if (!seen_has(&im->domains, domain, STR_NONE)) {
		ctl_fail(im->c, ERR_NOT_FOUND, "no domain " STR_FMT ": add it first with `siparioctl domain add`", STR_ARG(domain));
		return bad(im, word);
	}
	if (!im->writing && !seen_put(&im->addresses, name, domain, line, &before) && before) {
		ctl_fail(im->c, ERR_EXISTS, STR_FMT "@" STR_FMT " is on line %u already", STR_ARG(name), STR_ARG(domain), before);
		return bad(im, word);
	}
	return true;
}

static bool take_lists(struct import *im, const struct person *p)
{
	struct csv_cell rest = p->cell[COL_ALIASES], word;
	bool            good = take_names(im, p->cell[COL_GROUPS], &im->groups, "group");

	good &= take_names(im, p->cell[COL_PERMISSIONS], &im->classes, "class");
	while (import_word(&rest, &word))
		good &= take_alias(im, &word, p->line);
	for (rest = p->cell[COL_PREFERENCES]; import_word(&rest, &word);)
		if (str_find(word.text, '=') <= 0) {
			ctl_fail(im->c, ERR_SYNTAX, "\"" STR_FMT "\" is no NAME=VALUE", STR_ARG(str_to(word.text, 80)));
			good = bad(im, &word);
		}
	return good;
}

/* Of the column of that cell. */
static const char *name_at(const struct import *im, size_t cell)
{
	size_t i = 0;

	while (import_column(i) && im->at[i] != (int)cell)
		i++;
	return import_column(i);
}

static bool all_text(struct import *im, const struct csv_cell *cell, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str text = cell[i].text;

		for (size_t at = 0, len; at < text.len; at += len) {
			len = str_utf8(str_from(text, at));
			if (len)
				continue;
			ctl_fail(im->c, ERR_SYNTAX, "column \"%s\": byte %zu is no UTF-8 text: save the file in UTF-8, or turn it from Latin-1 with `iconv -f latin1 -t utf8`",
				 name_at(im, i), at + 1);
			return bad(im, &cell[i]);
		}
		if (ctl_text(im->c, name_at(im, i), text))
			return bad(im, &cell[i]);
	}
	return true;
}

bool import_judge(struct import *im, const struct csv_cell *cell, size_t n, struct person *p)
{
	bool good;

	*p = (struct person){ .line = cell[0].line };
	if (n != im->cells) {
		ctl_fail(im->c, ERR_SYNTAX, "%zu cells, but the header line has %zu", n, im->cells);
		return bad(im, &cell[0]);
	}
	if (!all_text(im, cell, n))
		return false;
	for (size_t i = 0; i < COL_FIELDS; i++)
		p->cell[i] = im->at[i] >= 0 ? cell[im->at[i]] : (struct csv_cell){ .text = STR("") };
	good = take_address(im, p) && take_digest(im, &p->cell[COL_MD5], MD5_HEX, &p->md5) && take_digest(im, &p->cell[COL_SHA256], SHA256_HEX, &p->sha256) &&
	       take_password(im, p);
	good &= take_fields(im, cell, p);
	return take_lists(im, p) && good;
}
