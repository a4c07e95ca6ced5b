/* Texts and regular expressions. */
#include "script/builtin.h"
#include "script/regex.h"

enum { MOST_GROUPS = 32, MOST_SUBST = 1000 };

static enum verdict each_char(struct call *c, char (*fn)(char))
{
	struct str s = c->argv[0].u.s;
	char      *p = arena_alloc(c->c->arena, s.len + 1);

	if (!p)
		return V_ERROR;
	for (size_t i = 0; i < s.len; i++)
		p[i] = fn(s.p[i]);
	return give(c, (struct value){ .type = c->argv[0].type, .u.s = str_n(p, s.len) });
}

static char ch_upper(char ch)
{
	return ch >= 'a' && ch <= 'z' ? (char)(ch & ~0x20) : ch;
}

enum verdict fn_lower(struct call *c)
{
	return each_char(c, ch_lower);
}

enum verdict fn_upper(struct call *c)
{
	return each_char(c, ch_upper);
}

enum verdict fn_trim(struct call *c)
{
	return give(c, value_str(str_trim(c->argv[0].u.s)));
}

enum verdict fn_length(struct call *c)
{
	return give(c, value_int((int64_t)c->argv[0].u.s.len));
}

enum verdict fn_starts(struct call *c)
{
	return give(c, value_bool(str_starts(c->argv[0].u.s, c->argv[1].u.s)));
}

enum verdict fn_ends(struct call *c)
{
	return give(c, value_bool(str_ends(c->argv[0].u.s, c->argv[1].u.s)));
}

/* From a place (negative: from the end), so many characters, or all. */
enum verdict fn_substr(struct call *c)
{
	struct str s = c->argv[0].u.s;
	int64_t    from = c->argv[1].u.i, len = (int64_t)s.len;

	if (from < 0)
		from = from + len > 0 ? from + len : 0;
	s = str_from(s, from < len ? (size_t)from : s.len);
	if (c->argv[2].type != T_NULL)
		s = str_to(s, (size_t)c->argv[2].u.i);
	return give(c, value_str(s.len ? s : STR("")));
}

static size_t pieces(struct str s, struct str by, struct value *out)
{
	size_t n = 0;

	for (;;) {
		ptrdiff_t at = str_find_str(s, by);

		if (out)
			out[n] = value_str(at < 0 ? s : str_to(s, (size_t)at));
		n++;
		if (at < 0)
			return n;
		s = str_from(s, (size_t)at + by.len);
	}
}

enum verdict fn_split(struct call *c)
{
	struct str    s = c->argv[0].u.s, by = c->argv[1].u.s;
	size_t        n;
	struct value *v;

	if (!by.len) {
		log_error(c->c, "split(): the separator is empty");
		return V_ERROR;
	}
	n = s.len ? pieces(s, by, NULL) : 0;
	v = arena_alloc(c->c->arena, (n + 1) * sizeof(*v));
	if (!v)
		return V_ERROR;
	if (n)
		pieces(s, by, v);
	return make_list(c->c->arena, v, n, &c->result) ? V_ERROR : V_OK;
}

enum verdict fn_int(struct call *c)
{
	int64_t n;

	return give(c, str_i64(c->argv[0].u.s, &n) ? value_int(n) : V_NULL);
}

enum verdict fn_ip(struct call *c)
{
	struct addr *ip = ARENA_NEW(c->c->arena, struct addr);

	if (!ip)
		return V_ERROR;
	return give(c, addr_parse(c->argv[0].u.s, 0, ip) ? V_NULL : (struct value){ .type = T_IP, .u.ip = ip });
}

static enum verdict gave_up(struct call *c)
{
	struct str pattern = regex_source(c->argv[1].u.regex);

	log_error(c->c, REGEX_GAVE_UP " pattern=\"" STR_FMT "\" bytes=%zu", STR_ARG(pattern), c->argv[0].u.s.len);
	return V_ERROR;
}

/* The whole match, then its groups; null where there is none. */
enum verdict fn_match(struct call *c)
{
	struct str    group[MOST_GROUPS];
	int           n = regex_match(c->argv[1].u.regex, c->argv[0].u.s, group, MOST_GROUPS);
	struct value *v;

	if (n < 0)
		return gave_up(c);
	v = arena_alloc(c->c->arena, ((size_t)n + 1) * sizeof(*v));
	if (!v)
		return V_ERROR;
	if (!n)
		return give(c, V_NULL);
	for (int i = 0; i < n; i++)
		v[i] = value_str(group[i].len ? group[i] : STR(""));
	return make_list(c->c->arena, v, (size_t)n, &c->result) ? V_ERROR : V_OK;
}

/* Where that text stands in it, from 0. */
enum verdict fn_find(struct call *c)
{
	ptrdiff_t at = str_find_str(c->argv[0].u.s, c->argv[1].u.s);

	return give(c, at < 0 ? V_NULL : value_int(at));
}

/* --- subst --- */

/* The replacement with \1 or $1 (to 9) and \0 or $0 filled in. Counts when `out` is NULL. */
static size_t replacement(struct str with, const struct str *group, unsigned n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < with.len; i++) {
		bool       mark = (with.p[i] == '\\' || with.p[i] == '$') && i + 1 < with.len && ch_digit(with.p[i + 1]);
		unsigned   which = mark ? (unsigned)(with.p[i + 1] - '0') : 0;
		struct str piece = mark ? which < n ? group[which] : STR_NONE : str_n(with.p + i, 1);

		if (out && piece.len)
			memcpy(out + len, piece.p, piece.len);
		len += piece.len;
		i += mark;
	}
	return len;
}

struct subst {
	struct arena *arena;
	char         *p;
	size_t        len, cap;
};

/* Where so many more bytes go; NULL when there is no memory, and for 0 bytes. */
static char *room(struct subst *s, size_t more)
{
	size_t cap = s->cap;
	char  *p;

	if (!more)
		return NULL;
	if (s->len + more <= s->cap)
		return s->p + s->len;
	while (cap < s->len + more)
		cap = cap ? cap * 2 : 256;
	p = arena_alloc(s->arena, cap);
	if (!p)
		return NULL;
	if (s->len)
		memcpy(p, s->p, s->len);
	s->p = p;
	s->cap = cap;
	return s->p + s->len;
}

static bool put(struct subst *s, struct str text)
{
	char *at = room(s, text.len);

	if (!at)
		return !text.len;
	if (text.len)
		memcpy(at, text.p, text.len);
	s->len += text.len;
	return true;
}

static bool put_replacement(struct subst *s, struct str with, const struct str *group, unsigned n)
{
	size_t len = replacement(with, group, n, NULL);
	char  *at = room(s, len);

	if (!at)
		return !len;
	replacement(with, group, n, at);
	s->len += len;
	return true;
}

/* Every occurrence, taken as it stands. */
enum verdict fn_replace(struct call *c)
{
	struct str   rest = c->argv[0].u.s, what = c->argv[1].u.s, with = c->argv[2].u.s;
	struct subst s = { .arena = c->c->arena };
	bool         ok = true;

	for (ptrdiff_t at; ok && what.len && (at = str_find_str(rest, what)) >= 0; rest = str_from(rest, (size_t)at + what.len))
		ok = put(&s, str_to(rest, (size_t)at)) && put(&s, with);
	ok = ok && put(&s, rest);
	return ok ? give(c, (struct value){ .type = c->argv[0].type, .u.s = s.len ? str_n(s.p, s.len) : STR("") }) : V_ERROR;
}

/* An empty match stands before a character, which is taken as it is, or no end would come. */
enum verdict fn_subst(struct call *c)
{
	struct str   text = c->argv[0].u.s, with = c->argv[2].u.s, group[10];
	struct subst s = { .arena = c->c->arena };
	bool         all = c->argv[3].u.b, ok = true;
	size_t       at = 0;
	int          n;

	for (unsigned times = 0; ok && at <= text.len && times < (all ? MOST_SUBST : 1); times++) {
		size_t start, past;

		n = regex_match_from(c->argv[1].u.regex, text, at, group, COUNT_OF(group));
		if (n < 0)
			return gave_up(c);
		if (!n)
			break;
		start = group[0].p ? (size_t)(group[0].p - text.p) : at;
		past = start + group[0].len;
		ok = put(&s, str_n(text.p + at, start - at)) && put_replacement(&s, with, group, (unsigned)n);
		if (ok && !group[0].len && past < text.len)
			ok = put(&s, str_n(text.p + past++, 1));
		else if (!group[0].len)
			past = text.len + 1;
		at = past;
	}
	ok = ok && (at >= text.len || put(&s, str_from(text, at)));
	return ok ? give(c, (struct value){ .type = c->argv[0].type, .u.s = s.len ? str_n(s.p, s.len) : STR("") }) : V_ERROR;
}
