/* Parameters: text as written in a script -> the module's own variable, within its bounds. */
#include "module/module.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/keep.h"

enum { MOST_CHOICES = 8, CHOICE_BITS = 4 };	/* P_CHOICES: nibbles of a uint32_t */

static enum err no(char *why, size_t cap, const char *want, const char *got)
{
	snprintf(why, cap, "expected %s, got %s", want, got);
	return ERR_SYNTAX;
}

static bool is_bool(struct str s, bool *out)
{
	static const struct { const char *word; bool is; } words[] = {
		{ "on", true }, { "true", true }, { "yes", true }, { "off", false }, { "false", false }, { "no", false },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (str_is(s, words[i].word)) {
			*out = words[i].is;
			return true;
		}
	return false;
}

/* What a text looks like, for the second half of "expected duration, got string". */
static const char *kind_of(struct str s, char room[64])
{
	bool    b;
	int64_t i;

	if (!s.len)
		return "nothing";
	if (s.p[0] == '"' || s.p[0] == '\'')
		return "string";
	if (s.p[0] == '[')
		return "list";
	if (s.p[0] == '/')
		return "regex";
	if (is_bool(s, &b))
		return "bool";
	if (str_i64(s, &i))
		return "int";
	if (!duration_parse(s, &i))
		return "duration";
	if (!size_parse(s, &i))
		return "size";
	snprintf(room, 64, "\"%.*s\"", (int)(s.len > 40 ? 40 : s.len), s.p);
	return room;
}

/* A number of the parameter's kept unit, as a script would write it. */
static void number_write(enum param_type t, int64_t n, struct buf *out)
{
	if (t == P_SECONDS)
		duration_write(n * 1000, out);
	else if (t == P_MS)
		duration_write(n, out);
	else if (t == P_SIZE)
		size_write(n, out);
	else
		buf_printf(out, "%" PRId64, n);
}

/* "duration 1s to 1d", "int" */
static void want_write(const struct mod_param *p, const char *type, struct buf *out)
{
	buf_add(out, str_of(type));
	if (!p->min && !p->max)
		return;
	buf_ch(out, ' ');
	number_write(p->type, p->min, out);
	BUF_LIT(out, " to ");
	number_write(p->type, p->max, out);
}

static enum err number_no(const struct mod_param *p, const char *type, const char *got, char *why, size_t cap)
{
	char       room[128];
	struct buf want = buf_on(room, sizeof(room) - 1);

	want_write(p, type, &want);
	room[want.len] = '\0';
	return no(why, cap, room, got);
}

/* Bounds, and what the kept type holds. */
static bool fits(const struct mod_param *p, int64_t n)
{
	if ((p->min || p->max) && (n < p->min || n > p->max))
		return false;
	return p->type == P_INT || (n >= 0 && (p->type == P_SIZE || n <= UINT32_MAX));
}

static enum err number_parse_as(enum param_type t, struct str text, int64_t *n)
{
	enum err err;

	if (t == P_INT)
		return str_i64(text, n) ? OK : ERR_SYNTAX;
	if (t == P_SIZE)
		return size_parse(text, n);
	err = duration_parse(text, n);
	if (err || t == P_MS)
		return err;
	if (*n % 1000)
		return ERR_SYNTAX;	/* kept as whole seconds: "1500ms" would be cut silently */
	*n /= 1000;
	return OK;
}

static enum err set_number(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	const char *type = p->type == P_INT ? "int" : p->type == P_SIZE ? "size" : "duration";
	char        room[64], got[64];
	int64_t     n;
	enum err    err = number_parse_as(p->type, text, &n);

	if (err) {
		const char *kind = kind_of(text, room);

		if (!strcmp(kind, type)) {	/* the right kind, yet not storable: show it as it is */
			snprintf(got, sizeof(got), STR_FMT, (int)(text.len > 60 ? 60 : text.len), text.p);
			kind = got;
		}
		return number_no(p, p->type == P_SECONDS && kind == got ? "whole seconds" : type, kind, why, cap);
	}
	if (!fits(p, n)) {
		snprintf(got, sizeof(got), STR_FMT, (int)(text.len > 60 ? 60 : text.len), text.p);
		return number_no(p, type, got, why, cap);
	}
	if (!store)
		return OK;
	if (p->type == P_INT)
		*(int64_t *)p->where = n;
	else if (p->type == P_SIZE)
		*(uint64_t *)p->where = (uint64_t)n;
	else
		*(uint32_t *)p->where = (uint32_t)n;
	return OK;
}

static enum err set_bool(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	char room[64];
	bool b;

	if (!is_bool(text, &b))
		return no(why, cap, "bool (on or off)", kind_of(text, room));
	if (store)
		*(bool *)p->where = b;
	return OK;
}

/* The text between the quotes; "…" knows the escapes of the language, '…' knows none. `out` has room for all of it, or is NULL: is it one? */
static bool unquote(struct str text, char *out, size_t *len)
{
	char   q = text.len >= 2 ? text.p[0] : 0;
	size_t n = 0;

	if ((q != '"' && q != '\'') || text.p[text.len - 1] != q)
		return false;
	for (size_t i = 1; out && i < text.len - 1; i++) {
		char ch = text.p[i];

		if (q == '"' && ch == '\\' && i + 1 < text.len - 1) {
			ch = text.p[++i];
			ch = ch == 'n' ? '\n' : ch == 'r' ? '\r' : ch == 't' ? '\t' : ch;
		}
		out[n++] = ch;
	}
	*len = n;
	return true;
}

static enum err set_str(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	char       room[64], *plain;
	size_t     len;
	struct str kept;

	if (!unquote(text, NULL, &len))
		return no(why, cap, "string", kind_of(text, room));
	if (!store)
		return OK;
	plain = malloc(text.len);
	kept = plain && unquote(text, plain, &len) ? text_keep(str_n(plain, len)) : STR_NONE;
	free(plain);
	if (!kept.p) {
		snprintf(why, cap, "no memory");
		return ERR_NOMEM;
	}
	*(struct str *)p->where = kept;
	return OK;
}

/* "parallel, serial or q" */
static void choices_write(const char *const *choices, struct buf *out)
{
	for (size_t i = 0; choices[i]; i++) {
		if (i)
			buf_add(out, choices[i + 1] ? STR(", ") : STR(" or "));
		buf_add(out, str_of(choices[i]));
	}
}

static int choice_find(const char *const *choices, struct str word)
{
	for (int i = 0; choices[i]; i++)
		if (str_is(word, choices[i]))
			return i;
	return -1;
}

static const char *choice_near(const char *const *choices, struct str word)
{
	const char *best = NULL;
	unsigned    least = 3;

	for (size_t i = 0; choices[i]; i++) {
		unsigned d = str_distance(word, str_of(choices[i]), least);

		if (d < least) {
			least = d;
			best = choices[i];
		}
	}
	return best;
}

static enum err choice_no(const struct mod_param *p, struct str word, char *why, size_t cap)
{
	const char *near = choice_near(p->choices, word);
	char        want[192], room[64], got[160];
	struct buf  b = buf_on(want, sizeof(want) - 1);

	if (p->type == P_CHOICES)
		BUF_LIT(&b, "a list of ");
	choices_write(p->choices, &b);
	want[b.len] = '\0';
	snprintf(got, sizeof(got), near ? "%s: did you mean %s?" : "%s", kind_of(word, room), near);
	return no(why, cap, want, got);
}

/* A choice may be written as a word or as a string. */
static struct str choice_word(struct str s)
{
	bool quoted = s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0];

	return quoted ? str_n(s.p + 1, s.len - 2) : s;
}

static enum err set_choice(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	int i = choice_find(p->choices, choice_word(text));

	if (i < 0)
		return choice_no(p, choice_word(text), why, cap);
	if (store)
		*(int *)p->where = i;
	return OK;
}

static enum err set_choices(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	struct str rest = text;
	uint32_t   packed = 0, seen = 0;
	unsigned   n = 0;

	if (text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']')
		rest = str_trim(str_n(text.p + 1, text.len - 2));
	if (!rest.len)
		return choice_no(p, rest, why, cap);
	while (rest.len) {
		struct str word = choice_word(str_trim(str_take_until(&rest, ',')));
		int        i = choice_find(p->choices, word);

		if (i < 0)
			return choice_no(p, word, why, cap);
		if (seen & 1u << i || n == MOST_CHOICES) {
			snprintf(why, cap, STR_FMT " is listed twice", STR_ARG(word));
			return ERR_SYNTAX;
		}
		seen |= 1u << i;
		packed |= (uint32_t)(i + 1) << (CHOICE_BITS * n++);
	}
	if (store)
		*(uint32_t *)p->where = packed;
	return OK;
}

enum err module_param_set(const struct mod_param *p, struct str text, bool store, char *why, size_t cap)
{
	text = str_trim(text);
	switch (p->type) {
	case P_BOOL:
		return set_bool(p, text, store, why, cap);
	case P_STR:
		return set_str(p, text, store, why, cap);
	case P_CHOICE:
		return set_choice(p, text, store, why, cap);
	case P_CHOICES:
		return set_choices(p, text, store, why, cap);
	default:
		return set_number(p, text, store, why, cap);
	}
}

static void choices_kept_write(const struct mod_param *p, struct buf *out)
{
	buf_ch(out, '[');
	for (uint32_t left = *(uint32_t *)p->where; left; left >>= CHOICE_BITS) {
		buf_add(out, str_of(p->choices[(left & 15) - 1]));
		if (left >> CHOICE_BITS)
			BUF_LIT(out, ", ");
	}
	buf_ch(out, ']');
}

void module_param_write(const struct mod_param *p, struct buf *out)
{
	switch (p->type) {
	case P_BOOL:
		buf_add(out, *(bool *)p->where ? STR("on") : STR("off"));
		return;
	case P_STR:
		buf_printf(out, "\"" STR_FMT "\"", STR_ARG(*(struct str *)p->where));
		return;
	case P_CHOICE:
		buf_add(out, str_of(p->choices[*(int *)p->where]));
		return;
	case P_CHOICES:
		choices_kept_write(p, out);
		return;
	case P_INT:
		number_write(p->type, *(int64_t *)p->where, out);
		return;
	case P_SIZE:
		number_write(p->type, (int64_t)*(uint64_t *)p->where, out);
		return;
	case P_SECONDS:
	case P_MS:
		number_write(p->type, *(uint32_t *)p->where, out);
		return;
	}
}

/* A preset that names no value leaves what the module's variable holds (zero). */
enum err module_check_presets(const struct module *m, char *why, size_t cap)
{
	char reason[200];

	for (const struct mod_param *p = m->params; p && p->name; p++) {
		if (!p->preset || !module_param_set(p, str_of(p->preset), false, reason, sizeof(reason)))
			continue;
		snprintf(why, cap, "module %s is broken: default of %s: %s", m->name, p->name, reason);
		return ERR_SYNTAX;
	}
	return OK;
}

void module_apply_presets(const struct module *m)
{
	char why[200];

	for (const struct mod_param *p = m->params; p && p->name; p++)
		if (p->preset && module_param_set(p, str_of(p->preset), true, why, sizeof(why)))
			log_error(NULL, "bad default module=%s param=%s reason=%s", m->name, p->name, why);
}

static void param_clear(const struct mod_param *p)
{
	static const size_t bytes[] = {
		[P_BOOL] = sizeof(bool), [P_INT] = sizeof(int64_t), [P_SECONDS] = sizeof(uint32_t), [P_MS] = sizeof(uint32_t), [P_SIZE] = sizeof(uint64_t),
		[P_STR] = sizeof(struct str), [P_CHOICE] = sizeof(int), [P_CHOICES] = sizeof(uint32_t),
	};

	memset(p->where, 0, bytes[p->type]);
}

void module_reset(const struct module *m)
{
	for (const struct mod_param *p = m->params; p && p->name; p++)
		param_clear(p);
	module_apply_presets(m);
}
