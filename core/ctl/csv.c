#include "ctl/csv.h"

struct csv csv_open(struct str text)
{
	struct str rest = str_starts(text, STR("\xef\xbb\xbf")) ? str_from(text, 3) : text, first = rest;

	first = str_take_until(&first, '\n');
	return (struct csv){ .text = rest, .line = 1, .column = 1,
			     .separator = str_find(first, ',') >= 0 ? ',' : str_find(first, ';') >= 0 ? ';' : str_find(first, '\t') >= 0 ? '\t' : ',' };
}

/* Takes n bytes, which hold no line end but as their last. */
static struct str take(struct csv *csv, size_t n)
{
	struct str s = str_to(csv->text, n);

	for (size_t i = 0; i < s.len; i++)
		csv->column += (s.p[i] & 0xc0) != 0x80;
	if (s.len && s.p[s.len - 1] == '\n') {
		csv->line++;
		csv->column = 1;
	}
	csv->text = str_from(csv->text, n);
	return s;
}

static void skip_line(struct csv *csv)
{
	ptrdiff_t end = str_find(csv->text, '\n');

	(void)take(csv, end < 0 ? csv->text.len : (size_t)end + 1);
}

/* False: something else follows. */
static bool take_line_end(struct csv *csv)
{
	if (str_starts(csv->text, STR("\r\n")))
		(void)take(csv, 2);
	else if (str_starts(csv->text, STR("\n")))
		(void)take(csv, 1);
	else
		return false;
	return true;
}

/* escaped = DQUOTE *(TEXTDATA / COMMA / CR / LF / 2DQUOTE) DQUOTE */
static enum err take_quoted(struct csv *csv, struct arena *a, struct str *text, const char **why)
{
	struct str all = STR("");

	(void)take(csv, 1);
	for (;;) {
		ptrdiff_t quote = str_find(csv->text, '"'), end = str_find(csv->text, '\n');
		struct str part;

		if (quote < 0) {
			csv->text = STR("");
			*why = "the quote that begins here is never closed";
			return ERR_SYNTAX;
		}
		part = take(csv, end >= 0 && end < quote ? (size_t)end + 1 : (size_t)quote);
		all = all.len ? arena_printf(a, STR_FMT STR_FMT, STR_ARG(all), STR_ARG(part)) : part;
		if (!all.p)
			return ERR_NOMEM;
		if (end >= 0 && end < quote)
			continue;
		(void)take(csv, 1);
		if (!str_starts(csv->text, STR("\"")))
			break;
		(void)take(csv, 1);
		all = arena_printf(a, STR_FMT "\"", STR_ARG(all));
	}
	*text = all;
	return OK;
}

/* non-escaped = *TEXTDATA */
static enum err take_plain(struct csv *csv, struct str *text, const char **why)
{
	size_t n = 0;

	while (n < csv->text.len && csv->text.p[n] != csv->separator && csv->text.p[n] != '\n')
		n++;
	*text = str_to(csv->text, n);
	if (n < csv->text.len && csv->text.p[n] == '\n' && n && text->p[n - 1] == '\r')
		text->len--;
	if (str_find(*text, '"') >= 0) {
		*why = "a quote within a cell: the whole cell belongs into quotes, and the quote doubled";
		return ERR_SYNTAX;
	}
	(void)take(csv, text->len);
	return OK;
}

static enum err take_cell(struct csv *csv, struct arena *a, struct csv_cell *cell, const char **why)
{
	*cell = (struct csv_cell){ .line = csv->line, .column = csv->column };
	if (str_starts(csv->text, STR("\"")))
		return take_quoted(csv, a, &cell->text, why);
	return take_plain(csv, &cell->text, why);
}

static enum err fail(struct csv *csv, struct csv_cell *cell, uint32_t line, uint32_t column, enum err err)
{
	cell[0] = (struct csv_cell){ .line = line, .column = column };
	skip_line(csv);
	return err;
}

enum err csv_next(struct csv *csv, struct arena *a, struct csv_cell cell[CSV_MOST_CELLS], size_t *n, const char **why)
{
	while (take_line_end(csv))
		;
	if (!csv->text.len)
		return ERR_NOT_FOUND;
	for (*n = 0; *n < CSV_MOST_CELLS;) {
		enum err err = take_cell(csv, a, &cell[*n], why);

		if (err)
			return fail(csv, cell, cell[*n].line, cell[*n].column, err);
		++*n;
		if (!csv->text.len || take_line_end(csv))
			return OK;
		if (csv->text.p[0] != csv->separator) {
			*why = "text behind the closing quote: double the quotes that belong to the cell";
			return fail(csv, cell, csv->line, csv->column, ERR_SYNTAX);
		}
		(void)take(csv, 1);
	}
	*why = "there are more than 64 cells";
	return fail(csv, cell, cell[0].line, cell[0].column, ERR_SYNTAX);
}

void csv_write(struct buf *b, struct str cell)
{
	bool quote = cell.len && (ch_lws(cell.p[0]) || ch_lws(cell.p[cell.len - 1]));

	for (size_t i = 0; i < cell.len && !quote; i++)
		quote = strchr(",;\t\"\r\n", cell.p[i]) != NULL;
	if (!quote) {
		buf_add(b, cell);
		return;
	}
	buf_ch(b, '"');
	for (size_t i = 0; i < cell.len; i++) {
		if (cell.p[i] == '"')
			buf_ch(b, '"');
		buf_ch(b, cell.p[i]);
	}
	buf_ch(b, '"');
}
