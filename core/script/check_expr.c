/* Expressions: every name is resolved and every type found, in place. */
#include <stdio.h>
#include <stdlib.h>

#include "script/checker.h"
#include "script/event.h"

void check_bad(struct expr *e)
{
	e->kind = EX_BAD;
	e->type = TYPE(T_ANY);
}

bool check_value_for(struct checker *c, struct expr *e, enum vtype want, bool may_be_null, enum diag_code code, const char *what)
{
	struct diag *g;

	if (e->kind == EX_BAD)
		return true;
	if (e->type.type == T_NULL && !is_const(e)) {
		diag_add(c->d, D_NO_VALUE, e->span, "this gives no value");
		return false;
	}
	if (e->type.type != T_NULL && !type_fits(want, e->type.type)) {
		g = diag_add(c->d, code, e->span, "%s is %s, got %s", what, vtype_name(want), check_type_text(c, e->type));
		if (want == T_DURATION && is_const(e) && e->u.value.type == T_INT)
			diag_help(c->d, g, "say the unit: %llds, %lldms", (long long)e->u.value.u.i, (long long)e->u.value.u.i);
		else
			(void)check_quoted(c, g, e, want);
		return false;
	}
	if (!e->type.nullable || may_be_null || fact_known(c, e))
		return true;
	g = diag_add(c->d, D_NULL, e->span, "%s is never null, this may be", what);
	diag_help(c->d, g, "give a default: `" STR_FMT " ?? …`", STR_ARG(span_text(e->span)));
	return false;
}

/* May it be null as far as is known here? */
static bool may_be_null(const struct checker *c, const struct expr *e)
{
	return e->type.nullable && !fact_known(c, e);
}

/* --- constants --- */
static const char *env_value(struct checker *c, struct str name)
{
	char z[256];

	if (!str_cstr(name, z, sizeof(z)))
		return NULL;
	return c->env->getenv ? c->env->getenv(z) : getenv(z);
}

static void check_env_expr(struct checker *c, struct expr *e)
{
	struct expr  *name = e->u.env.name, *preset = e->u.env.preset;
	const char   *found;
	struct value  v;
	struct diag  *g;

	if (!check_const_expr(c, name) || (preset && !check_const_expr(c, preset))) {
		check_bad(e);
		return;
	}
	if (!is_const_text(name)) {
		diag_add(c->d, D_ARGUMENT_TYPE, name->span, "the name of an environment variable is a string");
		check_bad(e);
		return;
	}
	found = env_value(c, name->u.value.u.s);
	if (!found && !preset) {
		g = diag_add(c->d, D_CONST_EXPR, e->span, "the environment has no `" STR_FMT "`", STR_ARG(name->u.value.u.s));
		diag_help(c->d, g, "give a default: env(\"" STR_FMT "\", \"…\")", STR_ARG(name->u.value.u.s));
		check_bad(e);
		return;
	}
	v = found ? value_str(arena_dup(c->a, str_of(found))) : preset->u.value;
	e->kind = EX_CONST;
	e->u.value = v;
	e->type = type_of_value(&v);
}

bool check_const_expr(struct checker *c, struct expr *e)
{
	struct route *route = c->route;
	struct scope *scope = c->scope;
	size_t        errors = c->d->errors;

	c->route = NULL;	/* no message, no variables */
	c->scope = NULL;
	check_expr(c, e, true);
	c->route = route;
	c->scope = scope;
	if (e->kind == EX_BAD)
		return false;
	if (is_const(e))
		return true;
	if (c->d->errors == errors)	/* else the reason has been told */
		diag_add(c->d, D_CONST_EXPR, e->span, "this is not known before the server runs");
	check_bad(e);
	return false;
}

bool check_constant(struct checker *c, struct constant *k)
{
	if (k->state == 1) {
		diag_add(c->d, D_RECURSION, k->span, "the constant `" STR_FMT "` is made of itself", STR_ARG(k->name));
		return false;
	}
	if (k->state == 2)
		return is_const(k->value);
	k->state = 1;
	check_const_expr(c, k->value);
	k->state = 2;
	return is_const(k->value);
}

/* --- names and variables --- */
static void check_name(struct checker *c, struct expr *e)
{
	struct local    *l = check_find_local(c, e->u.name);
	struct constant *k = l ? NULL : check_find_const(c, e->u.name);
	struct value     v;

	if (l) {
		e->kind = EX_LOCAL;
		e->u.local = l;
		e->type = l->type;
		l->used = true;
		return;
	}
	if (!k)
		check_no_name(c, e);
	if (!k || !check_constant(c, k)) {
		check_bad(e);
		return;
	}
	v = k->value->u.value;
	e->kind = EX_CONST;
	e->u.value = v;
	e->type = k->value->type;
}

static bool is_bare_event(const struct checker *c, struct str name)
{
	for (const char *const *e = c->env->events; e && *e; e++)
		if (str_is(name, *e))
			return true;
	return false;
}

/* In the event's own route its fields are known; in a route that it calls they are found when it runs. An unknown event has been reported. */
static void check_event_var(struct checker *c, struct expr *e)
{
	const struct mod_event *ev = c->route->kind == ROUTE_EVENT ? event_find(c->env->at, c->route->name) : NULL;

	if (c->route->kind != ROUTE_EVENT)
		return;
	e->type.shape = ev ? ev->shape : NULL;
	if (e->type.shape)
		return;
	if (ev || is_bare_event(c, c->route->name))
		diag_add(c->d, D_NO_VALUE, e->span, "event `" STR_FMT "` has nothing to say: there is no `$event`", STR_ARG(c->route->name));
	check_bad(e);
}

void check_var(struct checker *c, struct expr *e)
{
	const struct mod_var *v = check_find_var(c, e->u.var.name);
	char                  name[80];

	if (!v) {
		check_no_var(c, e);
		check_bad(e);
		return;
	}
	if (v->has_arg != e->u.var.has_arg) {
		diag_add(c->d, D_ARGUMENTS, e->span, v->has_arg ? "`$%s` needs a name: `$%s(name)`" : "`$%s` takes no argument; within a string write `$($%s)`",
			 v->name, v->name);
		check_bad(e);
		return;
	}
	if (strcmp(v->name, "hdr") == 0)
		check_header_name(c, e->u.var.arg, e->u.var.arg_span);
	if (!c->route) {
		diag_add(c->d, D_CONST_EXPR, e->span, "`$%s` belongs to a message; there is none here", v->name);
		check_bad(e);
		return;
	}
	snprintf(name, sizeof(name), "$%s", v->name);
	check_use(c, arena_dup(c->a, str_of(name)), e->span, v->where | IN_SPAWN | IN_PARALLEL);
	e->u.var.var = v;
	e->type = (struct type){ .type = v->type, .nullable = v->nullable, .item = T_ANY, .shape = v->shape };
	if (strcmp(v->name, "event") == 0)
		check_event_var(c, e);
}

static void check_table_ref(struct checker *c, struct expr *e)
{
	struct table *t = check_find_table(c, e->u.table.name);
	char          what[120];

	check_expr(c, e->u.table.key, true);
	if (!t) {
		check_no_table(c, e->u.table.name, e->u.table.name_span);
		check_bad(e);
		return;
	}
	snprintf(what, sizeof(what), "the key of table `" STR_FMT "`", STR_ARG(t->name));
	check_value_for(c, e->u.table.key, t->key, false, D_ARGUMENT_TYPE, what);
	e->u.table.table = t;
	e->type = (struct type){ .type = t->value, .nullable = true, .item = T_ANY };
}

/* --- parts of values --- */
static void no_such_field(struct checker *c, struct expr *e, const struct shape *shape)
{
	struct nearest near = nearest_to(e->u.field.name);
	char           room[400];
	struct buf     b = buf_on(room, sizeof(room));
	struct diag   *g = diag_add(c->d, D_NO_FIELD, e->u.field.name_span, "%s has no field `" STR_FMT "`", shape->name, STR_ARG(e->u.field.name));

	for (const struct field *f = shape->fields; f->name; f++) {
		nearest_offer(&near, str_of(f->name));
		buf_printf(&b, "%s%s", f == shape->fields ? "" : ", ", f->name);
	}
	if (nearest_name(&near).len)
		diag_did_you_mean(c->d, g, nearest_name(&near));
	else if (!check_habit(c, g, e->u.field.of, e->u.field.name))
		diag_help(c->d, g, "its fields are " STR_FMT, STR_ARG(buf_str(&b)));
	check_bad(e);
}

static void field_of_shape(struct checker *c, struct expr *e, const struct shape *shape)
{
	int i = 0;

	for (const struct field *f = shape->fields; f->name; f++, i++)
		if (str_is(e->u.field.name, f->name)) {
			e->u.field.index = i;
			e->type = (struct type){ .type = f->type, .nullable = f->nullable, .item = T_ANY };
			return;
		}
	no_such_field(c, e, shape);
}

static void check_field(struct checker *c, struct expr *e)
{
	struct expr *of = e->u.field.of;

	check_expr(c, of, true);
	if (of->kind == EX_BAD) {
		check_bad(e);
		return;
	}
	if (of->type.type == T_ANY || (of->type.type == T_RECORD && !of->type.shape)) {
		e->type = (struct type){ .type = T_ANY, .nullable = true, .item = T_ANY };
		return;
	}
	if (of->type.type != T_RECORD && of->type.type != T_URI) {
		(void)check_habit(c, diag_add(c->d, D_OPERAND, e->u.field.name_span, "%s has no fields", check_type_text(c, of->type)), of, e->u.field.name);
		check_bad(e);
		return;
	}
	if (may_be_null(c, of)) {
		struct type  t = { .type = of->type.type, .item = T_ANY, .shape = of->type.shape };
		struct diag *g = diag_add(c->d, D_NULL, of->span, "this %s may be null here", check_type_text(c, t));

		diag_help(c->d, g, "say what then: `" STR_FMT " ?? send_reply(404)`, or `if (" STR_FMT ") { … }`", STR_ARG(span_text(of->span)),
			  STR_ARG(span_text(of->span)));
	}
	field_of_shape(c, e, of->type.type == T_URI ? &uri_shape : of->type.shape);
}

static bool type_of_member(const struct expr *of)
{
	return of->type.type == T_ANY || (of->type.type == T_RECORD && !of->type.shape);
}

static void check_index(struct checker *c, struct expr *e)
{
	struct expr *of = e->u.index.of;
	struct diag *g;

	check_expr(c, of, true);
	check_expr(c, e->u.index.at, true);
	/* j["name"]: what JSON or record() has made is only known when it runs */
	if (type_of_member(of) && e->u.index.at->type.type == T_STR && !may_be_null(c, e->u.index.at)) {
		e->type = (struct type){ .type = T_ANY, .nullable = true, .item = T_ANY };
		return;
	}
	check_value_for(c, e->u.index.at, T_INT, false, D_OPERAND, "a place in a list");
	if (of->type.type != T_LIST && of->type.type != T_ANY) {
		g = diag_add(c->d, D_OPERAND, of->span, "%s is no list", check_type_text(c, of->type));
		if (of->type.type == T_STR || of->type.type == T_URI)
			diag_help(c->d, g, "write `" STR_FMT ".substr(0, 1)` for its first character", STR_ARG(span_text(of->span)));
		check_bad(e);
		return;
	}
	if (of->type.type == T_LIST && may_be_null(c, of))	/* of no known type: seen when it runs, as for fields */
		diag_help(c->d, diag_add(c->d, D_NULL, of->span, "this list may be null here"), "give a default: `" STR_FMT " ?? []`", STR_ARG(span_text(of->span)));
	e->type = (struct type){ .type = of->type.type == T_LIST ? of->type.item : T_ANY, .nullable = true, .item = T_ANY };
}

static void check_items(struct checker *c, struct expr *e)
{
	enum vtype item = T_ANY;

	for (size_t i = 0; i < e->u.list.count; i++) {
		struct expr *x = e->u.list.item[i];

		check_expr(c, x, true);
		if (x->kind != EX_BAD && x->type.type == T_NULL && !is_const(x))
			diag_add(c->d, D_NO_VALUE, x->span, "this gives no value");
		item = i == 0 || item == x->type.type ? x->type.type : T_ANY;
	}
	e->type = e->kind == EX_TEXT ? TYPE(T_STR) : (struct type){ .type = T_LIST, .item = item };
}

/* --- conditions --- */
static void not_a_condition(struct checker *c, const struct expr *e)
{
	struct diag *g;
	struct str   text = span_text(e->span);

	if (e->type.type == T_NULL && !is_const(e)) {
		diag_add(c->d, D_CONDITION, e->span, "this gives no value; a condition is a bool");
		return;
	}
	g = diag_add(c->d, D_CONDITION, e->span, "a condition is a bool, this is %s", check_type_text(c, e->type));
	if (e->type.type == T_INT)
		diag_help(c->d, g, "write `" STR_FMT " != 0`", STR_ARG(text));
	else if (e->type.type == T_STR)
		diag_help(c->d, g, "write `" STR_FMT " != \"\"`", STR_ARG(text));
}

/* Null or not is asked for by the value itself: `if (user.forward_always)`. The one thing besides a bool that is a condition. */
static void wrap_is_set(struct checker *c, struct expr **e)
{
	struct expr *set = CHECK_NEW(c, struct expr);

	if (!set)
		return;
	set->kind = EX_UNARY;
	set->op = OP_IS_SET;
	set->span = (*e)->span;
	set->type = TYPE(T_BOOL);
	set->u.op.a = *e;
	*e = set;
}

/* e has been checked. */
static void make_condition(struct checker *c, struct expr **e)
{
	enum vtype t = (*e)->type.type;

	if ((*e)->kind == EX_BAD || (t == T_BOOL && !may_be_null(c, *e)))
		return;
	if (t == T_BOOL) {
		struct diag *g = diag_add(c->d, D_CONDITION, (*e)->span, "this bool may be null");

		diag_help(c->d, g, "write `" STR_FMT " ?? false`", STR_ARG(span_text((*e)->span)));
		return;
	}
	if ((*e)->type.nullable && t != T_NULL) {
		wrap_is_set(c, e);
		return;
	}
	if (t != T_ANY)
		not_a_condition(c, *e);
}

void check_condition(struct checker *c, struct expr **e)
{
	check_expr(c, *e, true);
	make_condition(c, e);
}

/* --- operators --- */
static const char *op_text(enum op op)
{
	static const char *const text[] = {
		[OP_NOT] = "!", [OP_NEG] = "-", [OP_DEFAULT] = "?\?", [OP_OR] = "||", [OP_AND] = "&&", [OP_EQ] = "==", [OP_NE] = "!=", [OP_LT] = "<",
		[OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=", [OP_MATCH] = "=~", [OP_NO_MATCH] = "!~", [OP_IN] = "in", [OP_ADD] = "+",
		[OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_MOD] = "%",
	};

	return text[op];
}

static bool is_number(enum vtype t)
{
	return t == T_INT || t == T_DURATION || t == T_SIZE;
}

static bool is_text(enum vtype t)
{
	return t == T_STR || t == T_URI;
}

static bool is_null_literal(const struct expr *e)
{
	return is_const(e) && e->u.value.type == T_NULL;
}

/* `$rp == "5060"`, `$si == "10.0.0.1"`: what to write instead. */
static void help_compare(struct checker *c, struct diag *g, const struct expr *a, const struct expr *b)
{
	const struct expr *text = is_const_text(a) ? a : is_const_text(b) ? b : NULL;
	enum vtype         other = text == a ? b->type.type : a->type.type;
	int64_t            n;

	if (text && ((other == T_INT && str_i64(text->u.value.u.s, &n)) || other == T_IP || other == T_CIDR || other == T_DURATION || other == T_SIZE))
		diag_help(c->d, g, "write it without the quotes: " STR_FMT, STR_ARG(text->u.value.u.s));
}

static void cannot_compare(struct checker *c, struct expr *e)
{
	enum vtype   a = e->u.op.a->type.type, b = e->u.op.b->type.type;
	bool         mixed = (is_text(a) && is_number(b)) || (is_text(b) && is_number(a));
	struct diag *g = diag_add(c->d, D_COMPARE, e->span, "%s: `%s` between %s and %s", mixed ? "text compared with a number" : "these are never equal",
				  op_text(e->op), check_type_text(c, e->u.op.a->type), check_type_text(c, e->u.op.b->type));

	help_compare(c, g, e->u.op.a, e->u.op.b);
	check_bad(e);
}

static bool is_method_var(const struct expr *e)
{
	return e->kind == EX_VAR && str_is(e->u.var.name, "rm");
}

/* A text compared with something that has only so many values. */
static void check_compared_literal(struct checker *c, const struct expr *what, const struct expr *literal)
{
	static const char *const transports[] = { "udp", "tcp", NULL };
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", NULL };

	if (is_method_var(what))
		check_methods(c, literal);
	else if (what->kind == EX_VAR && str_is(what->u.var.name, "proto"))
		check_words(c, literal, "`$proto`", transports);
	else if (what->kind == EX_CALL && str_is(what->u.call.name, "weekday"))
		check_words(c, literal, "`weekday()`", days);
}

static void check_equality(struct checker *c, struct expr *e)
{
	struct expr *a = e->u.op.a, *b = e->u.op.b;

	e->type = TYPE(T_BOOL);
	if (is_null_literal(a) || is_null_literal(b))
		return;
	if (!type_fits(a->type.type, b->type.type) && !type_fits(b->type.type, a->type.type)) {
		cannot_compare(c, e);
		return;
	}
	check_compared_literal(c, a, b);
	check_compared_literal(c, b, a);
}

static void wrong_operands(struct checker *c, struct expr *e)
{
	struct diag *g = diag_add(c->d, D_OPERAND, e->span, "`%s` does not work on %s and %s", op_text(e->op), check_type_text(c, e->u.op.a->type),
				  check_type_text(c, e->u.op.b->type));

	if (e->op == OP_IN && e->u.op.a->type.type == T_IP)
		(void)check_quoted(c, g, e->u.op.b, T_CIDR);
	check_bad(e);
}

/* Null is no operand, except of == and ?? and on the left of =~ and in: what is not there matches nothing. */
static bool operands_set(struct checker *c, const struct expr *e)
{
	const struct expr *side[] = { e->u.op.a, e->u.op.b };

	for (size_t i = 0; i < 2; i++) {
		struct diag *g;

		if (!may_be_null(c, side[i]) || side[i]->type.type == T_ANY)
			continue;
		if (i == 0 && side[i]->type.type != T_NULL && (e->op == OP_MATCH || e->op == OP_NO_MATCH || e->op == OP_IN))
			continue;
		if (side[i]->type.type == T_NULL) {
			diag_add(c->d, D_NO_VALUE, side[i]->span, is_const(side[i]) ? "null is no operand of `%s`" : "this gives no value for `%s`", op_text(e->op));
			return false;
		}
		g = diag_add(c->d, D_NULL, side[i]->span, "this operand of `%s` may be null", op_text(e->op));
		diag_help(c->d, g, "give a default: `" STR_FMT " ?? …`", STR_ARG(span_text(side[i]->span)));
		return false;
	}
	return true;
}

static void check_order(struct checker *c, struct expr *e)
{
	enum vtype a = e->u.op.a->type.type, b = e->u.op.b->type.type;

	e->type = TYPE(T_BOOL);
	if (a == T_ANY || b == T_ANY || (a == b && is_number(a)))
		return;
	if ((is_text(a) && is_number(b)) || (is_text(b) && is_number(a)))
		cannot_compare(c, e);
	else
		wrong_operands(c, e);
}

enum vtype check_arithmetic_type(enum op op, enum vtype a, enum vtype b)
{
	if (op == OP_ADD && is_text(a) && is_text(b))
		return T_STR;
	if (!is_number(a) || !is_number(b))
		return T_NULL;
	if (op == OP_ADD || op == OP_SUB || op == OP_MOD)
		return a == b ? a : T_NULL;
	if (op == OP_MUL)
		return a == T_INT ? b : b == T_INT ? a : T_NULL;
	return a == b ? T_INT : b == T_INT ? a : T_NULL;
}

static void check_arithmetic(struct checker *c, struct expr *e)
{
	enum vtype   a = e->u.op.a->type.type, b = e->u.op.b->type.type, t;
	struct diag *g;

	if (a == T_ANY || b == T_ANY) {
		e->type = TYPE(T_ANY);
		return;
	}
	t = check_arithmetic_type(e->op, a, b);
	if (t != T_NULL) {
		e->type = TYPE(t);
		return;
	}
	g = diag_add(c->d, D_OPERAND, e->span, "`%s` does not work on %s and %s", op_text(e->op), check_type_text(c, e->u.op.a->type),
		     check_type_text(c, e->u.op.b->type));
	if (e->op == OP_ADD && (is_text(a) || is_text(b)))
		diag_help(c->d, g, "to make text of both write \"$(…)$(…)\"");
	check_bad(e);
}

static void check_match(struct checker *c, struct expr *e)
{
	struct expr *b = e->u.op.b;
	enum vtype   a = e->u.op.a->type.type;
	struct diag *g;

	e->type = TYPE(T_BOOL);
	if (b->type.type == T_REGEX && (is_text(a) || a == T_ANY))
		return;
	g = diag_add(c->d, D_OPERAND, b->type.type == T_REGEX ? e->u.op.a->span : b->span, "`%s` matches text against a regular expression, got %s", op_text(e->op),
		     check_type_text(c, b->type.type == T_REGEX ? e->u.op.a->type : b->type));
	if (is_const_text(b))
		diag_help(c->d, g, "write it between slashes: /" STR_FMT "/", STR_ARG(b->u.value.u.s));
	check_bad(e);
}

static void check_in(struct checker *c, struct expr *e)
{
	struct expr *a = e->u.op.a, *b = e->u.op.b;
	enum vtype   in = b->type.type, what = a->type.type;

	e->type = TYPE(T_BOOL);
	if (in == T_ANY || what == T_ANY || (in == T_CIDR && what == T_IP) || (is_text(in) && is_text(what)))
		return;
	if (in == T_LIST && (type_fits(what, b->type.item) || type_fits(b->type.item, what) || (what == T_IP && b->type.item == T_CIDR))) {
		check_compared_literal(c, a, b);
		return;
	}
	wrong_operands(c, e);
}

static void check_default(struct checker *c, struct expr *e, bool wanted)
{
	struct expr *a = e->u.op.a, *b = e->u.op.b;
	struct fact *before = c->facts;

	check_expr(c, a, true);
	check_expr(c, b, wanted);
	facts_leave(c, before);
	if (a->type.type == T_NULL && !is_const(a) && a->kind != EX_BAD) {
		diag_add(c->d, D_NO_VALUE, a->span, "this gives no value");
		check_bad(e);
		return;
	}
	/* a ?? send_reply(404): behind it, a is there */
	if (b->kind == EX_CALL && b->u.call.ends) {
		e->type = a->type;
		e->type.nullable = false;
		return;
	}
	if (!wanted && b->type.type == T_NULL) {
		e->type = TYPE(T_ANY);
		return;
	}
	if (b->type.type == T_NULL && !is_const(b)) {
		diag_add(c->d, D_NO_VALUE, b->span, "this gives no value, and does not always end the run");
		check_bad(e);
		return;
	}
	if (!type_join(a->type, b->type, &e->type)) {
		a->type.nullable = false;
		diag_add(c->d, D_OPERAND, e->span, "`?\?` gives %s or %s", check_type_text(c, a->type), check_type_text(c, b->type));
		check_bad(e);
		return;
	}
	e->type.nullable = may_be_null(c, b);
}

static void check_and_or(struct checker *c, struct expr *e, bool wanted)
{
	struct fact *before = c->facts;

	check_condition(c, &e->u.op.a);
	facts_when(c, e->u.op.a, e->op == OP_AND);
	if (wanted)
		check_condition(c, &e->u.op.b);
	else
		check_expr(c, e->u.op.b, false);
	facts_leave(c, before);
	e->type = TYPE(T_BOOL);
}

static void check_binary(struct checker *c, struct expr *e, bool wanted)
{
	if (e->op == OP_DEFAULT) {
		check_default(c, e, wanted);
		return;
	}
	if (e->op == OP_AND || e->op == OP_OR) {
		check_and_or(c, e, wanted);
		return;
	}
	check_expr(c, e->u.op.a, true);
	check_expr(c, e->u.op.b, true);
	if (e->u.op.a->kind == EX_BAD || e->u.op.b->kind == EX_BAD)
		check_bad(e);
	else if (e->op == OP_EQ || e->op == OP_NE)
		check_equality(c, e);
	else if (!operands_set(c, e))
		check_bad(e);
	else if (e->op == OP_MATCH || e->op == OP_NO_MATCH)
		check_match(c, e);
	else if (e->op == OP_IN)
		check_in(c, e);
	else if (e->op >= OP_LT && e->op <= OP_GE)
		check_order(c, e);
	else
		check_arithmetic(c, e);
}

static void check_unary(struct checker *c, struct expr *e)
{
	if (e->op == OP_NOT) {
		check_condition(c, &e->u.op.a);
		e->type = TYPE(T_BOOL);
		return;
	}
	check_expr(c, e->u.op.a, true);
	e->type = e->u.op.a->type;
	if (e->u.op.a->kind == EX_BAD || e->type.type == T_ANY)
		return;
	if (!is_number(e->type.type) || may_be_null(c, e->u.op.a)) {
		diag_add(c->d, D_OPERAND, e->span, "`-` does not work on %s", check_type_text(c, e->type));
		check_bad(e);
	}
}

void check_expr(struct checker *c, struct expr *e, bool wanted)
{
	switch (e->kind) {
	case EX_BAD:
		check_bad(e);
		break;
	case EX_CONST:
		e->type = type_of_value(&e->u.value);
		break;
	case EX_NAME:
		check_name(c, e);
		break;
	case EX_ENV:
		check_env_expr(c, e);
		break;
	case EX_VAR:
		check_var(c, e);
		if (is_avp(e))
			check_avp_read(c, e);
		break;
	case EX_TABLE:
		check_table_ref(c, e);
		break;
	case EX_TEXT: case EX_LIST:
		check_items(c, e);
		break;
	case EX_CALL:
		check_call(c, e, wanted);
		break;
	case EX_ROUTE:
		check_route_call(c, e);
		break;
	case EX_FIELD:
		check_field(c, e);
		break;
	case EX_INDEX:
		check_index(c, e);
		break;
	case EX_UNARY:
		check_unary(c, e);
		break;
	case EX_BINARY:
		check_binary(c, e, wanted);
		break;
	case EX_LOCAL: case EX_HANDLER:
		break;
	}
	if (e->kind != EX_BAD)
		fold_expr(c, e);
}
