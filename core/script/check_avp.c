/* $avp(name): assigned in one route and read in another. Its type is that of its assignments, as far as they can be judged before the routes are walked;
 * else that of the first one in the walk, and what is read before is of no known type. */
#include <stdio.h>

#include "script/checker.h"

bool is_avp(const struct expr *e)
{
	return e->kind == EX_VAR && str_is(e->u.var.name, "avp") && e->u.var.has_arg;
}

static struct avp_use *find(const struct checker *c, struct str name)
{
	struct avp_use *x = c->avps;

	while (x && !str_eq(x->name, name))
		x = x->next;
	return x;
}

/* --- before the walk --- */

static enum vtype guess(struct checker *c, const struct expr *e);

static enum vtype guess_call(struct checker *c, const struct call_expr *call)
{
	const struct mod_func *f = check_find_func(c, call->name, call->method);

	return !f || f->flags & F_AS_FIRST || f->result == T_NULL ? T_ANY : f->result;
}

static enum vtype guess_var(struct checker *c, const struct expr *e)
{
	const struct avp_use *x = is_avp(e) ? find(c, e->u.var.arg) : NULL;
	const struct mod_var *v = check_find_var(c, e->u.var.name);

	if (is_avp(e))
		return x && x->type != T_ANY ? x->type : T_NULL;
	return v ? v->type : T_ANY;
}

static enum vtype join(enum vtype a, enum vtype b)
{
	struct type out;

	return type_join(TYPE(a), TYPE(b), &out) ? out.type : T_ANY;
}

static enum vtype guess_binary(struct checker *c, const struct expr *e)
{
	enum vtype a = guess(c, e->u.op.a), b = guess(c, e->u.op.b);

	if (e->op == OP_DEFAULT)
		return join(a, b);
	if (e->op < OP_ADD)
		return T_BOOL;
	if (a == T_ANY || b == T_ANY)
		return T_ANY;
	a = check_arithmetic_type(e->op, a, b);
	return a == T_NULL ? T_ANY : a;
}

/* T_NULL: this says nothing; T_ANY: it is not known yet. Bare words may be variables, which are not known here. */
static enum vtype guess(struct checker *c, const struct expr *e)
{
	switch (e->kind) {
	case EX_CONST:
		return e->u.value.type;
	case EX_TEXT: case EX_ENV:
		return T_STR;
	case EX_LIST:
		return T_LIST;
	case EX_VAR:
		return guess_var(c, e);
	case EX_TABLE:
		return check_find_table(c, e->u.table.name) ? check_find_table(c, e->u.table.name)->value : T_ANY;
	case EX_CALL:
		return guess_call(c, &e->u.call);
	case EX_UNARY:
		return e->op == OP_NEG ? guess(c, e->u.op.a) : T_BOOL;
	case EX_BINARY:
		return guess_binary(c, e);
	default:
		return T_ANY;
	}
}

static void note_type(struct avp_use *x, enum vtype t, struct span where)
{
	if (t == T_NULL || t == T_ANY)
		return;
	if (x->type == T_ANY) {
		x->type = t;
		x->typed_at = where;
	} else if (join(x->type, t) == T_STR) {
		x->type = T_STR;	/* of texts and uris */
	}
}

static void find_assignment(struct checker *c, const struct stmt *s)
{
	const struct expr *e = s->target;
	struct avp_use    *x = find(c, e->u.var.arg);

	if (!x) {
		x = CHECK_NEW(c, struct avp_use);
		if (!x)
			return;
		*x = (struct avp_use){ .next = c->avps, .name = e->u.var.arg, .type = T_ANY, .assigned_at = e->span };
		c->avps = x;
	}
	note_type(x, guess(c, s->value), e->span);
}

static void find_assignments(struct checker *c, const struct stmt *s)
{
	for (; s; s = s->next) {
		if (s->kind == ST_ASSIGN && !s->part && is_avp(s->target))
			find_assignment(c, s);
		find_assignments(c, s->body);
		find_assignments(c, s->other);
	}
}

void check_avps(struct checker *c)
{
	for (const struct route *r = c->prog->routes; r; r = r->next) {
		c->avps_unknown |= r->broken;
		find_assignments(c, r->body);
	}
}

/* --- in the walk --- */

void check_avp_read(struct checker *c, struct expr *e)
{
	struct avp_use *x = find(c, e->u.var.arg);
	struct nearest  near = nearest_to(e->u.var.arg);

	if (x) {
		x->read = true;
		e->type = (struct type){ .type = x->type, .nullable = true, .item = T_ANY };
		return;
	}
	if (c->avps_unknown)
		return;
	for (x = c->avps; x; x = x->next)
		nearest_offer(&near, x->name);
	diag_did_you_mean(c->d, diag_add(c->d, D_UNASSIGNED, e->span, "no route assigns `$avp(" STR_FMT ")`", STR_ARG(e->u.var.arg)), nearest_name(&near));
	check_bad(e);
}

void check_avp_assigned(struct checker *c, const struct expr *target, struct expr *value)
{
	struct avp_use *x = find(c, target->u.var.arg);
	char            what[100];

	if (value->type.type == T_REGEX && value->kind != EX_BAD) {
		diag_add(c->d, D_ASSIGN_TYPE, value->span, "an `$avp` keeps no regular expression");
		return;
	}
	snprintf(what, sizeof(what), "`$avp(" STR_FMT ")`", STR_ARG(str_to(target->u.var.arg, 60)));
	if (!check_value_for(c, value, x ? x->type : T_ANY, true, D_ASSIGN_TYPE, what) && x && x->typed_at.src)
		diag_note(c->d, c->d->first, x->typed_at, "by this it is");
	else if (x && value->kind != EX_BAD)
		note_type(x, value->type.type, target->span);
}

void check_avps_unread(struct checker *c)
{
	for (const struct avp_use *x = c->avps; x; x = x->next)
		if (!x->read && x->name.len && x->name.p[0] != '_')
			diag_add(c->d, D_UNUSED_LET, x->assigned_at, "`$avp(" STR_FMT ")` is never read", STR_ARG(x->name));
}
