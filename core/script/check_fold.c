/* What can be computed at load is: the operands are constants. Where their types are wrong check_expr.c has said so, and they are left alone. */
#include "script/checker.h"

static void become(struct expr *e, struct value v)
{
	e->kind = EX_CONST;
	e->u.value = v;
	e->type = type_of_value(&v);
}

static bool arithmetic(enum op op, int64_t a, int64_t b, int64_t *out)
{
	switch (op) {
	case OP_ADD: return !__builtin_add_overflow(a, b, out);
	case OP_SUB: return !__builtin_sub_overflow(a, b, out);
	case OP_MUL: return !__builtin_mul_overflow(a, b, out);
	default: break;
	}
	if (b == 0 || (a == INT64_MIN && b == -1))
		return false;
	*out = op == OP_DIV ? a / b : a % b;
	return true;
}

static bool is_number(enum vtype t)
{
	return t == T_INT || t == T_DURATION || t == T_SIZE;
}

static void fold_numbers(struct checker *c, struct expr *e, int64_t a, int64_t b)
{
	enum vtype t = e->type.type;
	int64_t    n;

	switch (e->op) {
	case OP_LT: become(e, value_bool(a < b)); return;
	case OP_LE: become(e, value_bool(a <= b)); return;
	case OP_GT: become(e, value_bool(a > b)); return;
	case OP_GE: become(e, value_bool(a >= b)); return;
	case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: break;
	default: return;
	}
	if (!is_number(t))
		return;
	if (arithmetic(e->op, a, b, &n)) {
		become(e, (struct value){ .type = t, .u.i = n });
		return;
	}
	if ((e->op == OP_DIV || e->op == OP_MOD) && !b)
		diag_add(c->d, D_NUMBER, e->u.op.b->span, "division by zero");
	else
		diag_add(c->d, D_NUMBER, e->span, "the result does not fit in 64 bits");
	check_bad(e);
}

/* One text of these. */
static void fold_parts(struct checker *c, struct expr *e, const struct str *part, size_t count)
{
	size_t     len = 0;
	struct buf all;

	for (size_t i = 0; i < count; i++)
		len += part[i].len;
	all = buf_on(arena_alloc(c->a, len ? len : 1), len);
	if (!all.p) {
		c->d->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		buf_add(&all, part[i]);
	become(e, value_str(buf_str(&all)));
}

static void fold_binary(struct checker *c, struct expr *e)
{
	const struct value *a = &e->u.op.a->u.value, *b = &e->u.op.b->u.value;

	if (e->op == OP_DEFAULT && is_const(e->u.op.a)) {	/* a constant is null or it is not */
		struct expr *kept = a->type == T_NULL ? e->u.op.b : e->u.op.a;

		*e = *kept;
		return;
	}
	if (!is_const(e->u.op.a) || !is_const(e->u.op.b))
		return;
	if ((e->op == OP_AND || e->op == OP_OR) && a->type == T_BOOL && b->type == T_BOOL)
		become(e, value_bool(e->op == OP_AND ? a->u.b && b->u.b : a->u.b || b->u.b));
	else if (e->op == OP_EQ || e->op == OP_NE)
		become(e, value_bool(value_eq(a, b) == (e->op == OP_EQ)));
	else if (is_number(a->type) && is_number(b->type))
		fold_numbers(c, e, a->u.i, b->u.i);
	else if (e->op == OP_ADD && a->type == T_STR && b->type == T_STR)
		fold_parts(c, e, (const struct str[]){ a->u.s, b->u.s }, 2);
}

static void fold_unary(struct checker *c, struct expr *e)
{
	const struct value *a = &e->u.op.a->u.value;

	if (!is_const(e->u.op.a))
		return;
	if (e->op == OP_NOT && a->type == T_BOOL)
		become(e, value_bool(!a->u.b));
	else if (e->op == OP_IS_SET)
		become(e, value_bool(a->type != T_NULL));
	else if (e->op != OP_NEG || !is_number(a->type))
		return;		/* has been reported */
	else if (a->u.i == INT64_MIN)
		diag_add(c->d, D_NUMBER, e->span, "the result does not fit in 64 bits");
	else
		become(e, (struct value){ .type = a->type, .u.i = -a->u.i });
}

static bool all_const(const struct expr *e)
{
	for (size_t i = 0; i < e->u.list.count; i++)
		if (!is_const(e->u.list.item[i]))
			return false;
	return true;
}

/* As the machine does it: a null leaves nothing. */
static void fold_text(struct checker *c, struct expr *e)
{
	size_t      n = e->u.list.count;
	struct str *part = check_new(c, (n + 1) * sizeof(*part));

	for (size_t i = 0; part && i < n; i++) {
		const struct value *v = &e->u.list.item[i]->u.value;

		part[i] = v->type == T_NULL ? STR("") : value_text(c->a, v);
		c->d->no_memory |= !part[i].p;
	}
	if (part && !c->d->no_memory)
		fold_parts(c, e, part, n);
}

static void fold_list(struct checker *c, struct expr *e)
{
	struct list_value *l = CHECK_NEW(c, struct list_value);
	struct value      *v = check_new(c, (e->u.list.count + 1) * sizeof(*v));

	if (!l || !v)
		return;
	for (size_t i = 0; i < e->u.list.count; i++)
		v[i] = e->u.list.item[i]->u.value;
	*l = (struct list_value){ .count = e->u.list.count, .v = v };
	become(e, (struct value){ .type = T_LIST, .u.list = l });
}

void fold_expr(struct checker *c, struct expr *e)
{
	switch (e->kind) {
	case EX_BINARY:
		fold_binary(c, e);
		break;
	case EX_UNARY:
		fold_unary(c, e);
		break;
	case EX_TEXT:
		if (all_const(e))
			fold_text(c, e);
		break;
	case EX_LIST:
		if (all_const(e))
			fold_list(c, e);
		break;
	default:
		break;
	}
}
