#pragma once
/* Are two parsed programs the same? All that the parser has found out is compared, except places. */
#include "script/parse.h"

static inline bool same_expr(const struct expr *a, const struct expr *b);
static inline bool same_stmts(const struct stmt *a, const struct stmt *b);

static inline bool same_value(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == T_REGEX)
		return str_eq(regex_source(a->u.regex), regex_source(b->u.regex));
	return value_eq(a, b);
}

static inline bool same_args(const struct arg *a, const struct arg *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_expr(a->value, b->value))
			return false;
	return !a && !b;
}

static inline bool same_items(const struct expr *a, const struct expr *b)
{
	if (a->u.list.count != b->u.list.count)
		return false;
	for (size_t i = 0; i < a->u.list.count; i++)
		if (!same_expr(a->u.list.item[i], b->u.list.item[i]))
			return false;
	return true;
}

static inline bool same_expr(const struct expr *a, const struct expr *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->op != b->op || a->parens != b->parens)
		return false;
	switch (a->kind) {
	case EX_CONST:
		return same_value(&a->u.value, &b->u.value);
	case EX_TEXT:
	case EX_LIST:
		return same_items(a, b);
	case EX_VAR:
		return str_eq(a->u.var.name, b->u.var.name) && a->u.var.has_arg == b->u.var.has_arg && str_eq(a->u.var.arg, b->u.var.arg);
	case EX_TABLE:
		return str_eq(a->u.table.name, b->u.table.name) && same_expr(a->u.table.key, b->u.table.key);
	case EX_CALL:
		return str_eq(a->u.call.name, b->u.call.name) && a->u.call.method == b->u.call.method && same_args(a->u.call.args, b->u.call.args);
	case EX_ROUTE:
		return str_eq(a->u.route.name, b->u.route.name) && same_args(a->u.route.args, b->u.route.args);
	case EX_FIELD:
		return str_eq(a->u.field.name, b->u.field.name) && same_expr(a->u.field.of, b->u.field.of);
	case EX_INDEX:
		return same_expr(a->u.index.of, b->u.index.of) && same_expr(a->u.index.at, b->u.index.at);
	case EX_UNARY:
	case EX_BINARY:
		return same_expr(a->u.op.a, b->u.op.a) && same_expr(a->u.op.b, b->u.op.b);
	case EX_ENV:
		return same_expr(a->u.env.name, b->u.env.name) && same_expr(a->u.env.preset, b->u.env.preset);
	default:
		return a->kind == EX_NAME && str_eq(a->u.name, b->u.name);
	}
}

static inline bool same_local(const struct local *a, const struct local *b)
{
	if (!a || !b)
		return a == b;
	return str_eq(a->name, b->name) && str_eq(a->type_name, b->type_name) && a->is_param == b->is_param;
}

static inline bool same_stmt(const struct stmt *a, const struct stmt *b)
{
	return a->kind == b->kind && same_expr(a->value, b->value) && same_expr(a->target, b->target) && same_stmts(a->body, b->body) &&
	       same_stmts(a->other, b->other) && same_local(a->local, b->local);
}

static inline bool same_stmts(const struct stmt *a, const struct stmt *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!same_stmt(a, b))
			return false;
	return !a && !b;
}

static inline bool same_settings(const struct setting *a, const struct setting *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_expr(a->value, b->value))
			return false;
	return !a && !b;
}

static inline bool same_modules(const struct module_block *a, const struct module_block *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_settings(a->settings, b->settings))
			return false;
	return !a && !b;
}

static inline bool same_constants(const struct constant *a, const struct constant *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_expr(a->value, b->value))
			return false;
	return !a && !b;
}

static inline bool same_fields(const struct table_field *a, const struct table_field *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_expr(a->value, b->value))
			return false;
	return !a && !b;
}

static inline bool same_tables(const struct table *a, const struct table *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!str_eq(a->name, b->name) || !same_fields(a->fields, b->fields))
			return false;
	return !a && !b;
}

static inline bool same_route(const struct route *a, const struct route *b)
{
	const struct local *x = a->params, *y = b->params;

	for (; x && y; x = x->next, y = y->next)
		if (!same_local(x, y))
			return false;
	return !x && !y && a->kind == b->kind && str_eq(a->name, b->name) && a->param_count == b->param_count && same_expr(a->every, b->every) &&
	       same_stmts(a->body, b->body);
}

static inline bool same_routes(const struct route *a, const struct route *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!same_route(a, b))
			return false;
	return !a && !b;
}

static inline bool same_step(const struct test_step *a, const struct test_step *b)
{
	const struct test_attr *x = a->attrs, *y = b->attrs;

	for (; x && y; x = x->next, y = y->next)
		if (!str_eq(x->name, y->name) || x->no != y->no || x->op != y->op || !same_expr(x->of, y->of) || !same_expr(x->value, y->value))
			return false;
	return !x && !y && a->kind == b->kind && a->no == b->no && a->directly == b->directly && str_eq(a->name, b->name) && a->code == b->code &&
	       a->code_class == b->code_class && a->op == b->op && same_expr(a->of, b->of) && same_expr(a->value, b->value);
}

static inline bool same_steps(const struct test_step *a, const struct test_step *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!same_step(a, b))
			return false;
	return !a && !b;
}

static inline bool same_tests(const struct test *a, const struct test *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!same_steps(a->steps, b->steps) || !str_eq(a->name, b->name))
			return false;
	return !a && !b;
}

static inline bool same_program(const struct program *a, const struct program *b)
{
	return same_settings(a->settings, b->settings) && same_modules(a->modules, b->modules) && same_constants(a->constants, b->constants) &&
	       same_tables(a->tables, b->tables) && same_routes(a->routes, b->routes) && same_tests(a->tests, b->tests) &&
	       same_steps(a->givens, b->givens);
}
