/* Calls: arguments brought into declared order, presets put in, literals looked at. */
#include <stdio.h>

#include "script/checker.h"

/* --- signatures --- */
static size_t arg_count(const struct mod_func *f)
{
	size_t n = 0;

	while (f->args && f->args[n].name)
		n++;
	return n;
}

static void signature_write(const struct mod_func *f, struct buf *b)
{
	buf_printf(b, "%s(", f->name);
	for (size_t i = 0; i < arg_count(f); i++) {
		const struct mod_arg *a = &f->args[i];

		buf_printf(b, "%s%s: %s", i ? ", " : "", a->name, a->type == T_ANY ? "any" : vtype_name(a->type));
		if (a->preset)
			buf_printf(b, " = %s", a->preset);
		else if (a->optional)
			BUF_LIT(b, "?");
	}
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
	size_t       most = arg_count(f), least = 0;
	char         room[40];
	struct buf   b = buf_on(room, sizeof(room));
	struct diag *g;

	for (size_t i = 0; i < most; i++)
		least += !is_optional(&f->args[i]);
	if (!most)
		BUF_LIT(&b, "no arguments");
	else if (least == most)
		buf_printf(&b, "%zu argument%s", most, most == 1 ? "" : "s");
	else
		buf_printf(&b, "%zu to %zu arguments", least, most);
	g = diag_add(c->d, D_ARGUMENTS, e->span, "`%s` takes " STR_FMT ", got %zu", f->name, STR_ARG(buf_str(&b)), got);
	help_signature(c, g, f);
}

/* Into argv by position or name. False when one had no place. */
static bool place_args(struct checker *c, const struct mod_func *f, const struct expr *e, struct expr **argv)
{
	size_t next = 0, got = 0, most = arg_count(f);
	bool   ok = true;

	for (const struct arg *a = e->u.call.args; a; a = a->next)
		got++;
	for (const struct arg *a = e->u.call.args; a; a = a->next) {
		int at = a->name.len ? place_of(f, a->name) : (int)next++;

		if (at < 0) {
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

static void check_arg_literal(struct checker *c, const struct mod_func *f, size_t i, const struct expr *e)
{
	const struct mod_arg *a = &f->args[i];

	if (i == 0 && (f->flags & F_REPLY_CODE) && is_const(e) && e->u.value.type == T_INT) {
		if (e->u.value.u.i < 100 || e->u.value.u.i > 699)
			diag_add(c->d, D_REPLY_CODE, e->span, "%lld is no reply code: they are 100 to 699", (long long)e->u.value.u.i);
		return;
	}
	check_range(c, e, a->min, a->max);
	if (a->type == T_URI)
		check_uri(c, e);
	if (strcmp(a->name, "method") == 0 || strcmp(a->name, "methods") == 0)
		check_methods(c, e);
	if ((strcmp(a->name, "header") == 0 || strcmp(a->name, "name") == 0) && strstr(f->name, "hf") && is_const_text(e)) {
		struct str rest = e->u.value.u.s;

		check_header_name(c, str_trim(str_take_until(&rest, ':')), e->span);
	}
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

static void fill_args(struct checker *c, const struct mod_func *f, struct expr *e)
{
	for (size_t i = 0; i < e->u.call.argc; i++) {
		if (e->u.call.argv[i])
			check_arg(c, f, i, e->u.call.argv[i]);
		else
			e->u.call.argv[i] = preset_expr(c, &f->args[i], e->u.call.name_span);
	}
}

void check_call(struct checker *c, struct expr *e, bool wanted)
{
	const struct mod_func *f = check_find_func(c, e->u.call.name);
	struct expr          **argv = f ? check_new(c, (arg_count(f) + 1) * sizeof(*argv)) : NULL;

	if (!f)
		check_no_func(c, &e->u.call);
	if (!f || !argv || !place_args(c, f, e, argv)) {
		check_loose_args(c, e->u.call.args);
		check_bad(e);
		return;
	}
	e->u.call.func = f;
	e->u.call.argc = arg_count(f);
	e->u.call.argv = argv;
	e->u.call.wanted = wanted;
	fill_args(c, f, e);
	e->u.call.ends = ends_run(f, &e->u.call);
	e->type = (struct type){ .type = f->result, .nullable = f->nullable || f->result == T_NULL, .item = T_ANY, .shape = f->shape };
	check_use(c, e->u.call.name, e->u.call.name_span, f->where);
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
	size_t got = 0;

	for (const struct arg *a = e->u.route.args; a; a = a->next) {
		got++;
		if (a->name.len) {
			diag_add(c->d, D_ARGUMENTS, a->name_span, "the arguments of a route are given by position");
			return false;
		}
	}
	if (got == r->param_count)
		return true;
	route_signature(c, diag_add(c->d, D_ARGUMENTS, e->span, "route[" STR_FMT "] takes %zu argument%s, got %zu", STR_ARG(r->name), r->param_count,
				    r->param_count == 1 ? "" : "s", got), r);
	return false;
}

static void check_route_arg(struct checker *c, const struct route *r, const struct local *p, struct expr *e)
{
	char what[120];

	check_expr(c, e, true);
	snprintf(what, sizeof(what), "argument `" STR_FMT "` of route[" STR_FMT "]", STR_ARG(p->name), STR_ARG(r->name));
	check_value_for(c, e, p->type.type, p->type.type == T_ANY, D_ARGUMENT_TYPE, what);
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
