/* Help for habits from elsewhere: methods by the names that other languages have for them (`s.len`, `list.push(x)`), quotes around what is no text. */
#include "script/checker.h"

static const struct habit {
	const char *there;	/* without _, in any case */
	enum vtype  of;
	const char *here;	/* behind the value; one that begins with a blank stands for itself */
} habits[] = {
	{ "len", T_STR, ".length()" }, { "size", T_STR, ".length()" }, { "count", T_STR, ".length()" }, { "strlen", T_STR, ".length()" },
	{ "tolower", T_STR, ".lower()" }, { "lowercase", T_STR, ".lower()" }, { "toupper", T_STR, ".upper()" }, { "uppercase", T_STR, ".upper()" },
	{ "startswith", T_STR, ".starts(…)" }, { "endswith", T_STR, ".ends(…)" }, { "indexof", T_STR, ".find(…)" }, { "index", T_STR, ".find(…)" },
	{ "substring", T_STR, ".substr(…)" }, { "slice", T_STR, ".substr(…)" }, { "toint", T_STR, ".int()" }, { "atoi", T_STR, ".int()" },
	{ "replaceall", T_STR, ".replace(…)" }, { "matches", T_STR, " =~ /…/" }, { "contains", T_STR, NULL }, { "includes", T_STR, NULL }, { "has", T_STR, NULL },
	{ "len", T_LIST, ".count()" }, { "length", T_LIST, ".count()" }, { "size", T_LIST, ".count()" }, { "push", T_LIST, ".append(…)" }, { "add", T_LIST, ".append(…)" },
	{ "contains", T_LIST, NULL }, { "includes", T_LIST, NULL }, { "has", T_LIST, NULL },
};

static bool same_word(struct str name, const char *there)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '_')
			continue;
		if (ch_lower(name.p[i]) != *there++)
			return false;
	}
	return !*there;
}

bool check_habit(struct checker *c, struct diag *g, const struct expr *of, struct str name)
{
	enum vtype             t = of->type.type == T_URI ? T_STR : of->type.type;
	const struct mod_func *f = check_find_func(c, name, true);
	struct str             text = span_text(of->span);

	if (f && f->args[0].type == t) {
		diag_help(c->d, g, "it is a method: write `" STR_FMT ".%s(%s)`", STR_ARG(text), f->name, f->args[1].name ? "…" : "");
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(habits); i++) {
		if (habits[i].of != t || !same_word(name, habits[i].there))
			continue;
		if (habits[i].here)
			diag_help(c->d, g, "write `" STR_FMT "%s`", STR_ARG(text), habits[i].here);
		else
			diag_help(c->d, g, "write `… in " STR_FMT "`", STR_ARG(text));
		return true;
	}
	return false;
}

bool check_quoted(struct checker *c, struct diag *g, const struct expr *e, enum vtype want)
{
	struct value v;

	if (want == T_STR || want == T_URI || want == T_ANY || want == T_LIST || want == T_RECORD || want == T_REGEX || !is_const_text(e))
		return false;
	if (!value_parse(c->a, want, e->u.value.u.s, &v))
		return false;
	diag_help(c->d, g, "write it without the quotes: " STR_FMT, STR_ARG(e->u.value.u.s));
	return true;
}
