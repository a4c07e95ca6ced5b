#include "script/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What one run reports at most: behind that many the reader starts over anyway, and a binary file given by mistake must not fill the memory. */
enum { MOST_DIAGS = 500, LINE_CAP = 160, TAB = 8 };

#define DIAG_TEXT(name, text) [name] = text,
static const char *const code_text[D_COUNT] = { DIAG_CODES(DIAG_TEXT) };

void diags_init(struct diags *d, struct arena *a)
{
	*d = (struct diags){ .arena = a };
}

const char *diag_code_text(enum diag_code code)
{
	return code_text[code];
}

static struct str vprint(struct diags *d, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static struct str vprint(struct diags *d, const char *fmt, va_list ap)
{
	char       room[512];
	int        n = vsnprintf(room, sizeof(room), fmt, ap);
	struct str text = arena_dup(d->arena, str_n(room, n < 0 ? 0 : (size_t)n < sizeof(room) ? (size_t)n : sizeof(room) - 1));

	if (!text.p)
		d->no_memory = true;
	return text;
}

/* Where what cannot be recorded goes: callers may write to it, nobody reads it. */
static struct diag *nowhere(void)
{
	static struct diag scratch;

	return &scratch;
}

struct diag *diag_add(struct diags *d, enum diag_code code, struct span where, const char *fmt, ...)
{
	struct diag *g = d->count < MOST_DIAGS ? ARENA_NEW(d->arena, struct diag) : NULL;
	va_list      ap;

	if (!g) {
		d->no_memory = true;
		return nowhere();
	}
	va_start(ap, fmt);
	g->message = vprint(d, fmt, ap);
	va_end(ap);
	g->level = code_text[code][0] == 'W' ? DIAG_WARNING : DIAG_ERROR;
	g->code = code;
	g->where = where;
	g->order = (unsigned)d->count++;
	if (g->level == DIAG_ERROR)
		d->errors++;
	else
		d->warnings++;
	g->next = d->first;
	d->first = g;
	return g;
}

void diag_note(struct diags *d, struct diag *g, struct span where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g->note = vprint(d, fmt, ap);
	va_end(ap);
	g->note_where = where;
}

void diag_help(struct diags *d, struct diag *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g->help = vprint(d, fmt, ap);
	va_end(ap);
}

void diag_did_you_mean(struct diags *d, struct diag *g, struct str near)
{
	if (near.len)
		diag_help(d, g, "did you mean `" STR_FMT "`?", STR_ARG(near));
}

static int by_place(const void *pa, const void *pb)
{
	const struct diag *a = *(const struct diag *const *)pa, *b = *(const struct diag *const *)pb;
	unsigned           fa = a->where.src ? a->where.src->index + 1 : 0, fb = b->where.src ? b->where.src->index + 1 : 0;

	if (fa != fb)
		return fa < fb ? -1 : 1;
	if (a->where.at != b->where.at)
		return a->where.at < b->where.at ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static bool repeats(const struct diag *a, const struct diag *b)
{
	return a->code == b->code && a->where.src == b->where.src && a->where.at == b->where.at;
}

static void relink(struct diags *d, struct diag **all, size_t n)
{
	struct diag **link = &d->first, *last = NULL;

	d->count = d->errors = d->warnings = 0;
	for (size_t i = 0; i < n; i++) {
		if (last && repeats(last, all[i]))
			continue;
		last = *link = all[i];
		link = &last->next;
		d->count++;
		if (last->level == DIAG_ERROR)
			d->errors++;
		else
			d->warnings++;
	}
	*link = NULL;
}

void diags_sort(struct diags *d)
{
	struct diag *all[MOST_DIAGS];
	size_t       n = 0;

	for (struct diag *g = d->first; g && n < MOST_DIAGS; g = g->next)
		all[n++] = g;
	if (n > 1)
		qsort(all, n, sizeof(all[0]), by_place);
	relink(d, all, n);
}

bool diags_failed(const struct diags *d)
{
	return d->errors || d->no_memory;
}

/* --- as text --- */
struct paint {
	const char *error, *warning, *note, *mark, *bold, *off;
};
static const struct paint colours = { "\033[1;31m", "\033[1;33m", "\033[1;36m", "\033[1;32m", "\033[1m", "\033[0m" };
static const struct paint plain = { "", "", "", "", "", "" };

static uint32_t columns(struct str s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (s.p[i] & 0xC0) != 0x80;
	return n;
}

/* Tabs as they stand would put the caret elsewhere in every terminal: eight columns each. Other control bytes never reach the terminal. */
static void put_line(FILE *f, struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char ch = (unsigned char)line.p[i];

		if (ch == '\t')
			fprintf(f, "%*s", TAB, "");
		else
			fputc(ch < 0x20 || ch == 0x7f ? '?' : ch, f);
	}
}

static uint32_t shown_columns(struct str s)
{
	uint32_t n = columns(s);

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == '\t' ? TAB - 1 : 0;
	return n;
}

static void put_snippet(FILE *f, struct span where, const struct paint *c)
{
	struct str line = span_source_line(where);
	size_t     at = where.src ? where.at - where.src->line_at[span_line(where) - 1] : 0;
	uint32_t   marks;

	if (!line.len || line.len > LINE_CAP || at > line.len)
		return;
	marks = shown_columns(str_to(str_from(line, at), where.len));
	put_line(f, line);
	fprintf(f, "\n%*s%s^", (int)shown_columns(str_to(line, at)), "", c->mark);
	for (uint32_t i = 1; i < marks; i++)
		fputc('~', f);
	fprintf(f, "%s\n", c->off);
}

static void put_place(FILE *f, struct span where, const struct paint *c)
{
	if (where.src)
		fprintf(f, "%s" STR_FMT ":%u:%u:%s ", c->bold, STR_ARG(where.src->name), span_line(where), span_column(where), c->off);
}

static void put_diag(FILE *f, const struct diag *g, const struct paint *c)
{
	put_place(f, g->where, c);
	fprintf(f, "%s%s[%s]:%s " STR_FMT "\n", g->level == DIAG_ERROR ? c->error : c->warning,
		g->level == DIAG_ERROR ? "error" : "warning", code_text[g->code], c->off, STR_ARG(g->message));
	put_snippet(f, g->where, c);
	if (g->note.len) {
		put_place(f, g->note_where, c);
		fprintf(f, "%snote:%s " STR_FMT "\n", c->note, c->off, STR_ARG(g->note));
		put_snippet(f, g->note_where, c);
	}
	if (g->help.len)
		fprintf(f, "%shelp:%s " STR_FMT "\n", c->note, c->off, STR_ARG(g->help));
}

/* What `put` writes to a stream, as a slice of the arena. */
static struct str printed(struct diags *d, struct arena *a, void (*put)(FILE *f, struct diags *d, const void *arg), const void *arg)
{
	char      *p = NULL;
	size_t     len = 0;
	FILE      *f = open_memstream(&p, &len);
	struct str text = STR_NONE;

	if (!f)
		return text;
	put(f, d, arg);
	if (fclose(f) == 0)
		text = arena_dup(a, str_n(p, len));
	free(p);
	return text;
}

static void put_all(FILE *f, struct diags *d, const void *arg)
{
	for (const struct diag *g = d->first; g; g = g->next)
		put_diag(f, g, arg);
	if (d->no_memory)
		fprintf(f, d->count >= MOST_DIAGS ? "… and more\n" : "error[E001]: not enough memory to check all of it\n");
}

struct str diags_text(struct diags *d, struct arena *a, bool colour)
{
	diags_sort(d);
	return printed(d, a, put_all, colour ? &colours : &plain);
}

/* --- as JSON --- */
static void put_json_str(FILE *f, const char *name, struct str s)
{
	fprintf(f, ",\"%s\":\"", name);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '"' || ch == '\\')
			fprintf(f, "\\%c", ch);
		else if (ch < 0x20)
			fprintf(f, "\\u%04x", ch);
		else
			fputc(ch, f);
	}
	fputc('"', f);
}

static void put_json(FILE *f, struct diags *d, const void *arg __attribute__((unused)))
{
	fputc('[', f);
	for (const struct diag *g = d->first; g; g = g->next) {
		fprintf(f, "%s\n{\"line\":%u,\"column\":%u,\"length\":%u", g == d->first ? "" : ",", span_line(g->where), span_column(g->where),
			columns(span_text(g->where)));
		put_json_str(f, "file", g->where.src ? g->where.src->name : STR_NONE);
		put_json_str(f, "level", g->level == DIAG_ERROR ? STR("error") : STR("warning"));
		put_json_str(f, "code", str_of(code_text[g->code]));
		put_json_str(f, "message", g->message);
		put_json_str(f, "note", g->note);
		put_json_str(f, "help", g->help);
		fputc('}', f);
	}
	fputs("]\n", f);
}

struct str diags_json(struct diags *d, struct arena *a)
{
	diags_sort(d);
	return printed(d, a, put_json, NULL);
}

/* --- suggestions --- */
struct nearest nearest_to(struct str want)
{
	unsigned most = want.len < 3 ? 1 : want.len / 3 > 3 ? 3 : (unsigned)(want.len / 3);

	/* the distance to beat: one more than what may be wrong */
	return (struct nearest){ .want = want, .distance = most + 1 };
}

void nearest_offer(struct nearest *n, struct str name)
{
	unsigned d = n->distance ? str_distance(n->want, name, n->distance) : 0;

	if (n->distance && d < n->distance)
		*n = (struct nearest){ .want = n->want, .best = name, .distance = d };
}

struct str nearest_name(const struct nearest *n)
{
	return n->best;
}
