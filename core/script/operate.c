/* The operators. The checker has seen to types where it could; the rest (T_ANY) is looked at here. */
#include "script/regex.h"
#include "script/run.h"

static bool is_text(const struct value *v)
{
	return v->type == T_STR || v->type == T_URI;
}

/* int, duration, size: all are counted in u.i */
static bool is_number(const struct value *v)
{
	return v->type == T_INT || v->type == T_DURATION || v->type == T_SIZE;
}

bool vtype_fits(enum vtype want, enum vtype have)
{
	if (want == T_ANY || want == have)
		return true;
	return (want == T_STR && have == T_URI) || (want == T_URI && have == T_STR);
}

const char *operate_unary(enum op op, struct value *v)
{
	if (op == OP_IS_SET) {
		*v = value_bool(v->type != T_NULL);
		return NULL;
	}
	if (op == OP_NOT) {
		if (v->type != T_BOOL)
			return "expected bool after !";
		v->u.b = !v->u.b;
		return NULL;
	}
	if (!is_number(v) || __builtin_sub_overflow(0, v->u.i, &v->u.i))
		return "cannot negate this";
	return NULL;
}

static const char *trouble(struct arena *a, const char *what, const struct value *x, const struct value *y)
{
	struct str s = arena_printf(a, "cannot %s %s and %s", what, vtype_name(x->type), vtype_name(y->type));

	return s.p ? s.p : "operands do not fit";
}

static const char *order(struct arena *a, enum op op, const struct value *x, const struct value *y, struct value *out)
{
	int by;

	if (!is_number(x) || x->type != y->type)
		return trouble(a, "compare", x, y);
	by = (x->u.i > y->u.i) - (x->u.i < y->u.i);
	*out = value_bool(op == OP_LT ? by < 0 : op == OP_LE ? by <= 0 : op == OP_GT ? by > 0 : by >= 0);
	return NULL;
}

static const char *join(struct arena *a, const struct value *x, const struct value *y, struct value *out)
{
	size_t len = x->u.s.len + y->u.s.len;
	char  *p = arena_alloc(a, len ? len : 1);

	if (!p)
		return "no memory";
	if (x->u.s.len)
		memcpy(p, x->u.s.p, x->u.s.len);
	if (y->u.s.len)
		memcpy(p + x->u.s.len, y->u.s.p, y->u.s.len);
	*out = value_str(str_n(p, len));
	return NULL;
}

static const char *divide(enum op op, int64_t x, int64_t y, int64_t *out)
{
	if (!y)
		return "division by zero";
	if (x == INT64_MIN && y == -1)
		return "the number does not fit";
	*out = op == OP_DIV ? x / y : x % y;
	return NULL;
}

/* The type that arithmetic gives; T_NULL: these two do not go together. A count times a duration is a duration, a duration by
 * a duration a count. */
static enum vtype number_type(enum op op, const struct value *x, const struct value *y)
{
	if (!is_number(x) || !is_number(y))
		return T_NULL;
	if (op == OP_ADD || op == OP_SUB || op == OP_MOD)
		return x->type == y->type ? x->type : T_NULL;
	if (op == OP_MUL && x->type == T_INT)
		return y->type;
	if (y->type == T_INT)
		return x->type;
	return op == OP_DIV && x->type == y->type ? T_INT : T_NULL;
}

static const char *reckon(struct arena *a, enum op op, const struct value *x, const struct value *y, struct value *out)
{
	enum vtype t = number_type(op, x, y);
	int64_t    n = 0;
	bool       over = false;

	if (t == T_NULL)
		return trouble(a, "reckon with", x, y);
	if (op == OP_DIV || op == OP_MOD) {
		const char *why = divide(op, x->u.i, y->u.i, &n);

		if (why)
			return why;
	} else if (op == OP_ADD) {
		over = __builtin_add_overflow(x->u.i, y->u.i, &n);
	} else if (op == OP_SUB) {
		over = __builtin_sub_overflow(x->u.i, y->u.i, &n);
	} else {
		over = __builtin_mul_overflow(x->u.i, y->u.i, &n);
	}
	if (over)
		return "the number does not fit";
	*out = (struct value){ .type = t, .u.i = n };
	return NULL;
}

/* A header that is not there matches nothing. */
static const char *match(struct arena *a, const struct value *x, const struct value *y, struct value *out)
{
	int got;

	if (y->type != T_REGEX || (!is_text(x) && x->type != T_NULL))
		return trouble(a, "match", x, y);
	got = x->type != T_NULL ? regex_match(y->u.regex, x->u.s, NULL, 0) : 0;
	*out = value_bool(got > 0);
	return got < 0 ? REGEX_GAVE_UP : NULL;
}

/* An address within a network; both may be written as text. */
static bool within(const struct value *x, const struct value *y)
{
	struct addr        parsed;
	const struct addr *ip = &parsed;

	if (x->type == T_IP)
		ip = x->u.ip;
	else if (!is_text(x) || addr_parse(x->u.s, 0, &parsed))
		return false;
	return cidr_contains(y->u.ip, y->prefix, ip);
}

static bool in_list(const struct value *x, const struct list_value *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct value *y = &l->v[i];

		if (value_eq(x, y) || (y->type == T_CIDR && within(x, y)))
			return true;
	}
	return false;
}

static const char *contained(struct arena *a, const struct value *x, const struct value *y, struct value *out)
{
	bool yes = false;

	if (y->type == T_LIST)
		yes = in_list(x, y->u.list);
	else if (y->type == T_CIDR)
		yes = within(x, y);
	else if (is_text(x) && is_text(y))
		yes = str_find_str(y->u.s, x->u.s) >= 0;
	else if (x->type != T_NULL)
		return trouble(a, "look for", x, y);
	*out = value_bool(yes);
	return NULL;
}

const char *operate_binary(struct arena *a, enum op op, const struct value *x, const struct value *y, struct value *out)
{
	const char *why = NULL;

	switch (op) {
	case OP_EQ:
	case OP_NE:
		*out = value_bool(value_eq(x, y) == (op == OP_EQ));
		return NULL;
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return order(a, op, x, y, out);
	case OP_MATCH:
	case OP_NO_MATCH:
		why = match(a, x, y, out);
		if (!why && op == OP_NO_MATCH)
			out->u.b = !out->u.b;
		return why;
	case OP_IN:
		return contained(a, x, y, out);
	case OP_ADD:
		if (is_text(x) && is_text(y))
			return join(a, x, y, out);
		return reckon(a, op, x, y, out);
	default:
		return reckon(a, op, x, y, out);
	}
}
