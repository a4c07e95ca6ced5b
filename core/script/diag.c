#include "script/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/* What one run reports at most: behind that many the reader starts over anyway, and a binary file given by mistake must not fill the memory. */
enum { MOST_DIAGS = 500, LINE_CAP = 160, TAB = 8, GUTTER = 5 };

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

void diags_strict(struct diags *d)
{
	for (struct diag *g = d->first; g; g = g->next)
		g->level = DIAG_ERROR;
	d->strict = true;
	diags_sort(d);
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
	const char *error, *warning, *note, *mark, *edge, *bold, *off;
};
static const struct paint colours = { "\033[1;31m", "\033[1;33m", "\033[1;36m", "\033[1;32m", "\033[34m", "\033[1m", "\033[0m" };
static const struct paint plain = { "", "", "", "", "", "", "" };

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

/* Of a line that no terminal shows whole: the part around the place, cut between characters. */
struct window {
	struct str line;
	size_t     at;		/* of the place, in it */
	bool       before, behind;	/* something was cut off */
};
static struct window window_of(struct str line, size_t at)
{
	struct window w = { .line = line, .at = at };
	size_t        from = at > LINE_CAP / 2 ? at - LINE_CAP / 2 : 0;

	if (line.len <= LINE_CAP)
		return w;
	while (from < at && (line.p[from] & 0xC0) == 0x80)
		from++;
	w.line = str_to(str_from(line, from), LINE_CAP);
	while (w.line.len && from + w.line.len < line.len && (line.p[from + w.line.len] & 0xC0) == 0x80)
		w.line.len--;
	w.at = at - from;
	w.before = from > 0;
	w.behind = from + w.line.len < line.len;
	return w;
}

static void put_marks(FILE *f, const struct window *w, uint32_t len, const struct paint *c)
{
	uint32_t marks = shown_columns(str_to(str_from(w->line, w->at), len));

	fprintf(f, "%*s%s^", (int)shown_columns(str_to(w->line, w->at)) + w->before, "", c->mark);
	for (uint32_t i = 1; i < marks; i++)
		fputc('~', f);
	fprintf(f, "%s\n", c->off);
}

/* The line with its number, and what is meant underlined. */
static void put_snippet(FILE *f, struct span where, const struct paint *c)
{
	struct str    line = span_source_line(where);
	size_t        at = where.src ? where.at - where.src->line_at[span_line(where) - 1] : 0;
	struct window w;

	if (!line.len || at > line.len)
		return;
	w = window_of(line, at);
	fprintf(f, "%s%*u |%s %s", c->edge, GUTTER, span_line(where), c->off, w.before ? "…" : "");
	put_line(f, w.line);
	fprintf(f, "%s\n%s%*s |%s ", w.behind ? "…" : "", c->edge, GUTTER, "", c->off);
	put_marks(f, &w, where.len, c);
}

static void put_place(FILE *f, struct span where, const struct paint *c)
{
	if (where.src)
		fprintf(f, "%s" STR_FMT ":%u:%u:%s ", c->bold, STR_ARG(where.src->name), span_line(where), span_column(where), c->off);
}

/* How an included file came to be read, before the first thing said about it. */
static void put_includes(FILE *f, const struct source *src, const struct paint *c)
{
	for (; src->included.src; src = src->included.src)
		fprintf(f, "%s" STR_FMT "%s is included at " STR_FMT ":%u\n", c->bold, STR_ARG(src->name), c->off, STR_ARG(src->included.src->name),
			span_line(src->included));
}

static void put_note(FILE *f, const struct diag *g, const struct paint *c)
{
	if (!g->note_where.src)
		fprintf(f, "%*s %s=%s ", GUTTER, "", c->edge, c->off);
	put_place(f, g->note_where, c);
	fprintf(f, "%snote:%s " STR_FMT "\n", c->note, c->off, STR_ARG(g->note));
	put_snippet(f, g->note_where, c);
}

static void put_diag(FILE *f, const struct diag *g, const struct paint *c)
{
	put_place(f, g->where, c);
	fprintf(f, "%s%s[%s]:%s %s" STR_FMT "%s\n", g->level == DIAG_ERROR ? c->error : c->warning, g->level == DIAG_ERROR ? "error" : "warning",
		code_text[g->code], c->off, c->bold, STR_ARG(g->message), c->off);
	put_snippet(f, g->where, c);
	if (g->note.len)
		put_note(f, g, c);
	if (g->help.len)
		fprintf(f, "%*s %s=%s %shelp:%s " STR_FMT "\n", GUTTER, "", c->edge, c->off, c->note, c->off, STR_ARG(g->help));
	fputc('\n', f);
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

static void put_count(FILE *f, size_t n, const char *what)
{
	fprintf(f, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

static void put_summary(FILE *f, const struct diags *d)
{
	if (d->errors)
		put_count(f, d->errors, "error");
	if (d->warnings) {
		fputs(d->errors ? ", " : "", f);
		put_count(f, d->warnings, "warning");
	}
	if (d->strict && d->errors)
		fputs(" (warnings count as errors)", f);
	if (d->first)
		fprintf(f, "; `sipario explain %s` says more about a code\n", code_text[d->first->code]);
}

static void put_all(FILE *f, struct diags *d, const void *arg)
{
	const struct source *told = NULL;

	for (const struct diag *g = d->first; g; g = g->next) {
		if (g->where.src && g->where.src != told)
			put_includes(f, g->where.src, arg);
		told = g->where.src;
		put_diag(f, g, arg);
	}
	if (d->no_memory)
		fprintf(f, d->count >= MOST_DIAGS ? "… and more\n" : "error[E001]: not enough memory to check all of it\n");
	put_summary(f, d);
}

struct str diags_text(struct diags *d, struct arena *a, bool colour)
{
	diags_sort(d);
	return printed(d, a, put_all, colour ? &colours : &plain);
}

/* --- as JSON --- */
static void put_json_place(struct json_out *o, struct span where)
{
	json_put_text(o, "file", where.src ? where.src->name : STR_NONE);
	json_put_int(o, "line", span_line(where));
	json_put_int(o, "column", span_column(where));
	json_put_int(o, "length", columns(span_text(where)));
}

static void put_json(struct json_out *o, const struct diag *g)
{
	json_open_object(o, NULL);
	put_json_place(o, g->where);
	json_put_text(o, "level", g->level == DIAG_ERROR ? STR("error") : STR("warning"));
	json_put_text(o, "code", str_of(code_text[g->code]));
	json_put_text(o, "message", g->message);
	if (g->note.len) {
		json_open_object(o, "note");
		put_json_place(o, g->note_where);
		json_put_text(o, "message", g->note);
		json_close_object(o);
	}
	if (g->help.len)
		json_put_text(o, "help", g->help);
	json_close_object(o);
}

struct str diags_json(struct diags *d, struct arena *a)
{
	struct json_out o = json_into(a);

	diags_sort(d);
	json_open_list(&o, NULL);
	for (const struct diag *g = d->first; g; g = g->next)
		put_json(&o, g);
	json_close_list(&o);
	return json_done(&o);
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
