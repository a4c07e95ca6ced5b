/* Calls: arguments brought into declared order, presets put in, literals looked at. */
#include <stdio.h>

#include "script/builtin.h"
#include "script/checker.h"

/* --- signatures --- */
static size_t arg_count(const struct mod_func *f)
{
	size_t n = 0;

	while (f->args && f->args[n].name)
		n++;
	return n;
}

/* What stands before the dot of a method. */
static size_t self_count(const struct mod_func *f)
{
	return f->flags & F_METHOD ? 1 : 0;
}

static void signature_write(const struct mod_func *f, struct buf *b)
{
	size_t first = self_count(f);

	if (first)
		buf_printf(b, "%s.", f->args[0].type == T_ANY ? "value" : vtype_name(f->args[0].type));
	buf_printf(b, "%s(", f->name);
	for (size_t i = first; i < arg_count(f); i++) {
		const struct mod_arg *a = &f->args[i];

		buf_printf(b, "%s%s: %s", i > first ? ", " : "", a->name, a->type == T_ANY ? "any" : vtype_name(a->type));
		if (a->preset)
			buf_printf(b, " = %s", a->preset);
		else if (a->optional)
			BUF_LIT(b, "?");
	}
	if (f->flags & F_KEYS)
		BUF_LIT(b, arg_count(f) ? ", name = value…" : "name = value…");
	BUF_LIT(b, ")");
}

static void help_signature(struct checker *c, struct diag *g, const struct mod_func *f)
{
	char       room[400];
	struct buf b = buf_on(room, sizeof(room));

	signature_write(f, &b);
	diag_help(c->d, g, "`" STR_FMT "`", STR_ARG(buf_str(&b)));
}

static bool is_optional(const struct mod_arg *a)
{
	return a->optional || a->preset;
}

/* --- placing --- */
static int place_of(const struct mod_func *f, struct str name)
{
	for (size_t i = 0; i < arg_count(f); i++)
		if (str_is(name, f->args[i].name))
			return (int)i;
	return -1;
}

static void no_such_argument(struct checker *c, const struct mod_func *f, const struct arg *a)
{
	struct nearest near = nearest_to(a->name);
	struct diag   *g = diag_add(c->d, D_NO_PARAMETER, a->name_span, "`%s` has no argument `" STR_FMT "`", f->name, STR_ARG(a->name));

	for (size_t i = 0; i < arg_count(f); i++)
		nearest_offer(&near, str_of(f->args[i].name));
	if (nearest_name(&near).len)
		diag_did_you_mean(c->d, g, nearest_name(&near));
	else
		help_signature(c, g, f);
}

static void count_wrong(struct checker *c, const struct mod_func *f, const struct expr *e, size_t got)
{
	size_t       most = arg_count(f) - self_count(f), least = 0;
	char         room[40];
	struct buf   b = buf_on(room, sizeof(room));
	struct diag *g;

	for (size_t i = self_count(f); i < arg_count(f); i++)
		least += !is_optional(&f->args[i]);
	got -= self_count(f);
	if (!most)
		BUF_LIT(&b, "no arguments");
	else if (least == most)
		buf_printf(&b, "%zu argument%s", most, most == 1 ? "" : "s");
	else
		buf_printf(&b, "%zu to %zu arguments", least, most);
	g = diag_add(c->d, D_ARGUMENTS, e->span, "`%s` takes " STR_FMT ", got %zu", f->name, STR_ARG(buf_str(&b)), got);
	help_signature(c, g, f);
}

/* nat_uac_test(private_contact): the bare name of a bool argument means that it is true. */
static int place_of_word(struct checker *c, const struct mod_func *f, struct expr *e)
{
	int at = e->kind == EX_NAME && !check_find_local(c, e->u.name) && !check_find_const(c, e->u.name) ? place_of(f, e->u.name) : -1;

	if (at < 0 || f->args[at].type != T_BOOL)
		return -1;
	e->kind = EX_CONST;
	e->u.value = value_bool(true);
	return at;
}

/* A bare word where a bool goes, and no name of anything: it was meant for one of them. */
static bool is_lost_word(struct checker *c, const struct mod_func *f, const struct expr *e, size_t at)
{
	return e->kind == EX_NAME && at < arg_count(f) && f->args[at].type == T_BOOL && !check_find_local(c, e->u.name) && !check_find_const(c, e->u.name);
}

/* A further name = value of F_KEYS: two places behind those that are declared. */
static void place_key(struct checker *c, const struct arg *a, struct expr **argv)
{
	struct expr *name = CHECK_NEW(c, struct expr);

	if (!name)
		return;
	name->kind = EX_CONST;
	name->span = a->name_span;
	name->u.value = value_str(a->name);
	name->type = TYPE(T_STR);
	argv[0] = name;
	argv[1] = a->value;
}

static size_t given_count(const struct expr *e)
{
	size_t n = 0;

	for (const struct arg *a = e->u.call.args; a; a = a->next)
		n++;
	return n;
}

/* Into argv by position or name; *argc counts them all. False when one had no place. */
static bool place_args(struct checker *c, const struct mod_func *f, const struct expr *e, struct expr **argv, size_t *argc)
{
	size_t next = 0, got = given_count(e), most = arg_count(f);
	bool   ok = true;

	*argc = most;
	for (const struct arg *a = e->u.call.args; a; a = a->next) {
		int word = a->name.len ? -1 : place_of_word(c, f, a->value);
		int at = a->name.len ? place_of(f, a->name) : word >= 0 ? word : (int)next++;

		if (at < 0 && (f->flags & F_KEYS)) {
			place_key(c, a, argv + *argc);
			*argc += 2;
		} else if (!a->name.len && word < 0 && is_lost_word(c, f, a->value, (size_t)at)) {
			no_such_argument(c, f, &(struct arg){ .name = a->value->u.name, .name_span = a->value->span });
			check_bad(a->value);
			ok = false;
		} else if (at < 0) {
			no_such_argument(c, f, a);
			ok = false;
		} else if ((size_t)at >= most) {
			count_wrong(c, f, e, got);
			return false;
		} else if (argv[at]) {
			diag_add(c->d, D_TWICE, a->name.len ? a->name_span : a->value->span, "argument `%s` of `%s` is given twice", f->args[at].name, f->name);
			ok = false;
		} else
			argv[at] = a->value;
	}
	for (size_t i = 0; ok && i < most; i++)
		if (!argv[i] && !is_optional(&f->args[i])) {
			count_wrong(c, f, e, got);
			return false;
		}
	return ok;
}

/* --- presets --- */
/* As it would be parsed in a script; a word that is none of its literals is text. */
static struct value preset_value(struct checker *c, const struct mod_arg *a)
{
	struct str   text = a->preset ? str_of(a->preset) : STR_NONE;
	struct value v = { .type = a->type };
	size_t       quoted = text.len >= 2 && (text.p[0] == '"' || text.p[0] == '\'');
	struct addr *ip;

	if (!text.len || str_is(text, "null"))
		return V_NULL;
	switch (a->type) {
	case T_BOOL:
		return value_bool(str_is(text, "true") || str_is(text, "on"));
	case T_INT:
		return str_i64(text, &v.u.i) ? v : V_NULL;
	case T_DURATION:
		return duration_parse(text, &v.u.i) ? V_NULL : v;
	case T_SIZE:
		return size_parse(text, &v.u.i) ? V_NULL : v;
	case T_IP: case T_CIDR:
		ip = CHECK_NEW(c, struct addr);
		if (!ip || cidr_parse(text, ip, &v.prefix))
			return V_NULL;
		v.u.ip = ip;
		return v;
	default:
		v.type = a->type == T_ANY ? T_STR : a->type;
		v.u.s = quoted ? str_n(text.p + 1, text.len - 2) : text;
		return v.type == T_STR || v.type == T_URI ? v : V_NULL;
	}
}

static struct expr *preset_expr(struct checker *c, const struct mod_arg *a, struct span span)
{
	struct expr *e = CHECK_NEW(c, struct expr);

	if (!e)
		return NULL;
	e->kind = EX_CONST;
	e->span = span;
	e->u.value = preset_value(c, a);
	e->type = type_of_value(&e->u.value);
	return e;
}

/* --- one argument --- */
/* on_branch, on_reply: the name of a route, bare or in quotes. */
static bool is_handler(const struct mod_arg *a)
{
	return a->type == T_STR && strncmp(a->name, "on_", 3) == 0;
}

static void check_handler(struct checker *c, const struct mod_arg *a, struct expr *e)
{
	enum route_kind kind = strcmp(a->name, "on_branch") == 0 ? ROUTE_BRANCH : strcmp(a->name, "on_reply") == 0 ? ROUTE_REPLY : ROUTE_SUB;
	struct str      name;
	struct route   *r;

	if (is_const(e) && e->u.value.type == T_NULL)
		return;
	if (e->kind != EX_NAME && !is_const_text(e)) {
		diag_add(c->d, D_ARGUMENT_TYPE, e->span, "`%s` is the name of a %s", a->name, route_kind_name(kind));
		check_bad(e);
		return;
	}
	name = e->kind == EX_NAME ? e->u.name : e->u.value.u.s;
	r = check_find_route(c, kind, name, e->span);
	if (!r) {
		check_bad(e);
		return;
	}
	r->called = true;
	e->kind = EX_HANDLER;
	e->type = TYPE(T_INT);
	e->u.handler.name = name;
	e->u.handler.route = r;
}

static void not_a_choice(struct checker *c, const struct mod_func *f, const struct mod_arg *a, const struct expr *e)
{
	char           room[200];
	struct buf     b = buf_on(room, sizeof(room));
	struct nearest near = nearest_to(e->u.value.u.s);
	struct diag   *g;

	for (const char *const *p = a->choices; *p; p++) {
		buf_printf(&b, "%s%s", p == a->choices ? "" : ", ", *p);
		nearest_offer(&near, str_of(*p));
	}
	g = diag_add(c->d, D_RANGE, e->span, "argument `%s` of `%s` is one of " STR_FMT ", got \"" STR_FMT "\"", a->name, f->name, STR_ARG(buf_str(&b)),
		     STR_ARG(e->u.value.u.s));
	diag_did_you_mean(c->d, g, nearest_name(&near));
}

/* Texts that mean something to this function. */
static void check_arg_text(struct checker *c, const struct mod_func *f, const struct mod_arg *a, const struct expr *e)
{
	char why[200];

	if (a->choices) {
		for (const char *const *p = a->choices; *p; p++)
			if (str_is(e->u.value.u.s, *p))
				return;
		not_a_choice(c, f, a, e);
	}
	if (a->literal && a->literal != uri_ok && !a->literal(e->u.value.u.s, why, sizeof(why)))
		diag_add(c->d, D_RANGE, e->span, "%s", why);
}

/* append_hf("Name: value"), remove_hf("Name"). */
static void check_field(struct checker *c, const struct mod_func *f, const struct expr *e)
{
	struct str rest = e->u.value.u.s, name = str_trim(str_take_until(&rest, ':'));

	check_header_name(c, name, check_within(e, name));
	if (strcmp(f->name, "is_present_hf") != 0)
		check_header_edit(c, name, check_within(e, name));
}

static void check_arg_literal(struct checker *c, const struct mod_func *f, size_t i, const struct expr *e)
{
	const struct mod_arg *a = &f->args[i];
	struct diag          *g;

	if (i == 0 && (f->flags & F_REPLY_CODE) && is_const(e) && e->u.value.type == T_INT) {
		if (e->u.value.u.i < 100 || e->u.value.u.i > 699)
			diag_add(c->d, D_REPLY_CODE, e->span, "%lld is no reply code: they are 100 to 699", (long long)e->u.value.u.i);
		return;
	}
	g = check_range(c, e, a->min, a->max);
	if (g && is_optional(a) && !a->preset && !e->u.value.u.i)	/* 0 for "none" */
		diag_help(c->d, g, "where there shall be no `%s`, leave it out", a->name);
	if (a->type == T_URI || a->literal == uri_ok)
		check_uri(c, e);
	if (strcmp(a->name, "method") == 0 || strcmp(a->name, "methods") == 0)
		check_methods(c, e);
	if (i == 0 && strstr(f->name, "_hf") && is_const_text(e))
		check_field(c, f, e);
	if (is_const_text(e))
		check_arg_text(c, f, a, e);
}

/* 30 where a duration goes: the unit is missing. */
static bool lacks_unit(enum vtype want, const struct expr *e)
{
	return (want == T_DURATION || want == T_SIZE) && is_const(e) && e->u.value.type == T_INT;
}

static void argument_type(struct checker *c, const struct mod_func *f, const struct mod_arg *a, struct expr *e)
{
	bool         known = fact_known(c, e) || is_optional(a) || a->type == T_ANY;
	struct diag *g;

	if (e->type.type == T_NULL ? is_optional(a) || a->type == T_ANY : type_fits(a->type, e->type.type)) {
		if (!e->type.nullable || known)
			return;
		g = diag_add(c->d, D_NULL, e->span, "argument `%s` of `%s` may be null here", a->name, f->name);
		diag_help(c->d, g, "give a default: `" STR_FMT " ?? …`", STR_ARG(span_text(e->span)));
		return;
	}
	g = diag_add(c->d, D_ARGUMENT_TYPE, e->span, "argument `%s` of `%s` is %s, got %s", a->name, f->name, vtype_name(a->type),
		     check_type_text(c, e->type));
	if (lacks_unit(a->type, e))
		diag_help(c->d, g, a->type == T_DURATION ? "say the unit: %llds, %lldms" : "say the unit: %lldkB, %lldMB", (long long)e->u.value.u.i, (long long)e->u.value.u.i);
	else if (a->type == T_STR && e->type.type != T_NULL && e->type.type != T_LIST && e->type.type != T_RECORD && e->type.type != T_REGEX)
		diag_help(c->d, g, "as text: \"$(" STR_FMT ")\"", STR_ARG(span_text(e->span)));
	else if (a->type == T_STR && strcmp(a->name, "methods") == 0 && e->type.type == T_LIST)
		diag_help(c->d, g, "write \"INVITE|MESSAGE\", or `$rm in " STR_FMT "`", STR_ARG(span_text(e->span)));
	else if (check_quoted(c, g, e, a->type))
		return check_bad(e);
	else if (!(f->flags & F_METHOD) || a != f->args || !check_habit(c, g, e, str_of(f->name)))
		help_signature(c, g, f);
	check_bad(e);
}

static void check_arg(struct checker *c, const struct mod_func *f, size_t i, struct expr *e)
{
	const struct mod_arg *a = &f->args[i];

	if (is_handler(a) && e->kind == EX_NAME) {
		check_handler(c, a, e);
		return;
	}
	check_expr(c, e, true);
	if (e->kind == EX_BAD)
		return;
	if (is_handler(a)) {
		check_handler(c, a, e);
		return;
	}
	argument_type(c, f, a, e);
	if (is_const(e))
		check_arg_literal(c, f, i, e);
}

/* --- the call --- */
static bool ends_run(const struct mod_func *f, const struct call_expr *call)
{
	const struct expr *code = call->argc ? call->argv[0] : NULL;

	if (f->flags & F_ENDS)
		return true;
	if ((f->flags & F_WAITS_IF_USED) && !call->wanted)
		return true;
	return (f->flags & F_ENDS_FINAL) && code && is_const(code) && code->u.value.type == T_INT && code->u.value.u.i >= 200;
}

/* The arguments of a call that is wrong otherwise: their own errors count as well. */
static void check_loose_args(struct checker *c, const struct arg *args)
{
	for (const struct arg *a = args; a; a = a->next)
		if (a->value->kind != EX_NAME || !a->name.len)
			check_expr(c, a->value, true);
}

/* The value of a name = value: anything but nothing. */
static void check_key_value(struct checker *c, struct expr *e)
{
	check_expr(c, e, true);
	check_value_for(c, e, T_ANY, true, D_ARGUMENT_TYPE, "this");
}

static void fill_args(struct checker *c, const struct mod_func *f, struct expr *e)
{
	for (size_t i = arg_count(f) + 1; i < e->u.call.argc; i += 2)
		check_key_value(c, e->u.call.argv[i]);
	for (size_t i = 0; i < arg_count(f); i++) {
		if (e->u.call.argv[i])
			check_arg(c, f, i, e->u.call.argv[i]);
		else
			e->u.call.argv[i] = preset_expr(c, &f->args[i], e->u.call.name_span);
	}
}

/* A counter is made when the server starts: its name must be known by then. */
static void check_counter(struct checker *c, const struct mod_func *f, const struct expr *e)
{
	struct counter_use *u;
	struct str          rest;

	if (e->kind == EX_BAD)
		return;
	rest = is_const_text(e) ? e->u.value.u.s : STR_NONE;
	while (rest.len && (ch_token(rest.p[0])))
		rest = str_from(rest, 1);
	if (!is_const_text(e) || rest.len || !e->u.value.u.s.len || e->u.value.u.s.len > 60) {
		diag_add(c->d, D_CONST_EXPR, e->span, "the name of a counter is a literal of letters, digits, dots and dashes: the counter is made when the server starts");
		return;
	}
	u = CHECK_NEW(c, struct counter_use);
	if (!u || !(f->flags & F_COUNTER))
		return;
	*u = (struct counter_use){ .next = c->prog->counters, .name = e->u.value.u.s };
	c->prog->counters = u;
}

/* $sht(t => k).add(n): read, add and write in one. */
static void check_table_add(struct checker *c, struct expr *e)
{
	struct arg  *args = e->u.call.args;
	struct expr *ref = args->value, *by = args->next ? args->next->value : NULL;
	struct table *t;

	check_expr(c, ref, true);
	if (!by || args->next->next || ref->kind == EX_BAD) {
		if (ref->kind != EX_BAD)
			diag_help(c->d, diag_add(c->d, D_ARGUMENTS, e->span, "`add` takes 1 argument"), "`$sht(table => key).add(number: int)`");
		check_bad(e);
		return;
	}
	check_expr(c, by, true);
	check_value_for(c, by, T_INT, false, D_ARGUMENT_TYPE, "what `add` adds");
	t = ref->u.table.table;
	if (t->value != T_INT && t->value != T_ANY) {
		diag_note(c->d, diag_add(c->d, D_OPERAND, e->span, "the values of table `" STR_FMT "` are %s, `add` counts in int", STR_ARG(t->name), vtype_name(t->value)),
			  t->span, "declared here");
		check_bad(e);
		return;
	}
	e->kind = EX_TABLE;
	e->u.table = ref->u.table;
	e->u.table.add = by;
	e->type = TYPE(T_INT);
}

/* The routes that run within what the core does with a message cannot wait; nobody hears what a block on its own says. */
static uint32_t where_of(const struct mod_func *f)
{
	uint32_t where = f->where;

	if (f->flags & F_SUSPENDS)
		where &= ~(uint32_t)(IN_REPLY | IN_BRANCH);
	return f->flags & (F_SAYS | F_ENDS | F_ENDS_FINAL) ? where : where | IN_SPAWN | IN_PARALLEL;
}

/* A function of ours that gives a value and does nothing else. */
static bool only_gives(const struct mod_func *f)
{
	if (f->result == T_NULL || (f->where & IN_ANY) != IN_ANY || f->flags & (F_SUSPENDS | F_SAYS | F_ENDS | F_MAY_END))
		return false;
	for (const struct mod_func *own = core_funcs; own->name; own++)
		if (own == f)
			return true;
	return false;
}

/* `$rU.strip(1);` changes $rU in other servers. Here it would change nothing, and nobody would notice. */
static void check_idle(struct checker *c, const struct mod_func *f, const struct expr *e)
{
	const struct expr *of = e->u.call.argc ? e->u.call.argv[0] : NULL;
	struct diag       *g = diag_add(c->d, D_SYNTAX, e->span, "this does nothing: nobody takes what `%s` gives", f->name);

	if (f->flags & F_METHOD && of->kind == EX_VAR && of->u.var.var->set)
		diag_help(c->d, g, "to change it: `" STR_FMT " = " STR_FMT ";`", STR_ARG(span_text(of->span)), STR_ARG(span_text(e->span)));
	else
		diag_help(c->d, g, "keep it: `let x = " STR_FMT ";`", STR_ARG(span_text(e->span)));
}

/* Texts whose meaning hangs on whether a second one follows. */
static void check_first_text(struct checker *c, const struct mod_func *f, const struct expr *e)
{
	const struct expr *first = e->u.call.argc > 1 ? e->u.call.argv[0] : NULL, *second = first ? e->u.call.argv[1] : NULL;
	bool               alone = second && is_const(second) && second->u.value.type == T_NULL;
	enum log_level     level;

	if (!first || !second || !is_const_text(first))
		return;
	if (f->fn == fn_xlog && !alone && !level_of(first->u.value.u.s, &level))
		diag_add(c->d, D_RANGE, first->span, "`" STR_FMT "` is no level: they are error, warn, info and debug", STR_ARG(first->u.value.u.s));
	if ((f->fn == fn_append_hf || f->fn == fn_insert_hf) && alone && str_find(first->u.value.u.s, ':') < 0)
		diag_help(c->d, diag_add(c->d, D_RANGE, first->span, "`" STR_FMT "` is no header field", STR_ARG(first->u.value.u.s)),
			  "write \"Name: value\", or name and value: `%s(\"Name\", value)`", f->name);
}

/* nat_uac_test(): of the things to look for, none. */
static void check_asked(struct checker *c, const struct mod_func *f, const struct expr *e)
{
	size_t n = arg_count(f);

	if (!n || given_count(e) > 0 || f->result != T_BOOL)
		return;
	for (size_t i = 0; i < n; i++)
		if (f->args[i].type != T_BOOL || !f->args[i].preset)
			return;
	help_signature(c, diag_add(c->d, D_ARGUMENTS, e->span, "`%s` looks for nothing: name what it shall look for", f->name), f);
}

void check_call(struct checker *c, struct expr *e, bool wanted)
{
	const struct mod_func *f;
	struct expr          **argv;
	size_t                 argc = 0;

	if (e->u.call.method && e->u.call.args->value->kind == EX_TABLE && str_is(e->u.call.name, "add")) {
		check_table_add(c, e);
		return;
	}
	f = check_find_func(c, e->u.call.name, e->u.call.method);
	if (!f) {
		check_loose_args(c, e->u.call.args);	/* what the receiver is says what was meant */
		check_no_func(c, &e->u.call);
		check_bad(e);
		return;
	}
	argv = check_new(c, (arg_count(f) + 2 * given_count(e) + 1) * sizeof(*argv));
	if (!argv || !place_args(c, f, e, argv, &argc)) {
		check_loose_args(c, e->u.call.args);
		check_bad(e);
		return;
	}
	e->u.call.func = f;
	e->u.call.argc = argc;
	e->u.call.argv = argv;
	e->u.call.wanted = wanted;
	fill_args(c, f, e);
	check_asked(c, f, e);
	check_first_text(c, f, e);
	if (!wanted && only_gives(f))
		check_idle(c, f, e);
	e->u.call.ends = ends_run(f, &e->u.call);
	e->type = (struct type){ .type = f->result, .nullable = f->nullable || f->result == T_NULL, .item = f->item == T_NULL ? T_ANY : f->item, .shape = f->shape };
	if ((f->flags & F_AS_FIRST) && argv[0]->type.type != T_NULL)
		e->type.type = argv[0]->type.type;
	if (f->flags & F_COUNTER)
		check_counter(c, f, e->u.call.argv[0]);
	check_use(c, e->u.call.name, e->u.call.name_span, where_of(f));
}

/* --- route(NAME, …) --- */
static void route_signature(struct checker *c, struct diag *g, const struct route *r)
{
	char                room[300];
	struct buf          b = buf_on(room, sizeof(room));
	const struct local *p = r->params;

	buf_printf(&b, "route(" STR_FMT, STR_ARG(r->name));
	for (size_t i = 0; i < r->param_count; i++, p = p->next)
		buf_printf(&b, ", " STR_FMT, STR_ARG(p->name));
	buf_ch(&b, ')');
	diag_help(c->d, g, "`" STR_FMT "`", STR_ARG(buf_str(&b)));
}

static bool route_args_match(struct checker *c, const struct route *r, const struct expr *e)
{
	struct diag *g;
	size_t       got = 0;

	for (const struct arg *a = e->u.route.args; a; a = a->next) {
		got++;
		if (a->name.len) {
			diag_add(c->d, D_ARGUMENTS, a->name_span, "the arguments of a route are given by position");
			return false;
		}
	}
	if (got == r->param_count)
		return true;
	g = diag_add(c->d, D_ARGUMENTS, e->span, "route[" STR_FMT "] takes %zu argument%s, got %zu", STR_ARG(r->name), r->param_count,
		     r->param_count == 1 ? "" : "s", got);
	diag_note(c->d, g, r->span, "declared here");
	route_signature(c, g, r);
	return false;
}

static void check_route_arg(struct checker *c, const struct route *r, const struct local *p, struct expr *e)
{
	char what[120];

	check_expr(c, e, true);
	snprintf(what, sizeof(what), "argument `" STR_FMT "` of route[" STR_FMT "]", STR_ARG(p->name), STR_ARG(r->name));
	if (!check_value_for(c, e, p->type.type, p->type.type == T_ANY, D_ARGUMENT_TYPE, what))
		diag_note(c->d, c->d->first, p->span, "declared here");
}

void check_route_call(struct checker *c, struct expr *e)
{
	struct route *r = check_find_route(c, ROUTE_SUB, e->u.route.name, e->u.route.name_span);
	struct expr **argv = r ? check_new(c, (r->param_count + 1) * sizeof(*argv)) : NULL;
	struct local *p;
	size_t        n = 0;

	if (!r || !argv || !route_args_match(c, r, e)) {
		check_loose_args(c, e->u.route.args);
		check_bad(e);
		return;
	}
	p = r->params;
	for (struct arg *a = e->u.route.args; a; a = a->next, p = p->next) {
		check_route_arg(c, r, p, a->value);
		argv[n++] = a->value;
	}
	e->u.route.route = r;
	e->u.route.argc = n;
	e->u.route.argv = argv;
	e->type = r->result;
}
