/* Types: which fits where, and their names. */
#include "script/checker.h"

/* A URI is carried as its text; where one is wanted a text is checked when it is used. Nothing else converts by itself. */
static bool is_text(enum vtype t)
{
	return t == T_STR || t == T_URI;
}

bool type_fits(enum vtype want, enum vtype have)
{
	return want == have || want == T_ANY || have == T_ANY || (is_text(want) && is_text(have)) || (want == T_CIDR && have == T_IP);
}

bool type_join(struct type a, struct type b, struct type *out)
{
	bool nullable = a.nullable || b.nullable || a.type == T_NULL || b.type == T_NULL;

	if (a.type == T_NULL)
		*out = b;
	else if (b.type == T_NULL || a.type == b.type)
		*out = a;
	else if (a.type == T_ANY || b.type == T_ANY)
		*out = TYPE(T_ANY);
	else if (is_text(a.type) && is_text(b.type))
		*out = TYPE(T_STR);
	else
		return false;
	if (a.type == T_RECORD && b.type == T_RECORD && a.shape != b.shape)
		return false;
	if (a.type == T_LIST && b.type == T_LIST && a.item != b.item)
		out->item = T_ANY;
	out->nullable = nullable;
	return true;
}

/* Types that a parameter or a table may be declared with. */
static const enum vtype named[] = { T_BOOL, T_INT, T_STR, T_DURATION, T_SIZE, T_IP, T_CIDR, T_URI, T_LIST };

bool type_by_name(struct str name, enum vtype *out)
{
	for (size_t i = 0; i < COUNT_OF(named); i++)
		if (str_is(name, vtype_name(named[i]))) {
			*out = named[i];
			return true;
		}
	*out = T_ANY;
	return str_is(name, "any");
}

struct str check_type_names(struct checker *c)
{
	char       room[160];
	struct buf b = buf_on(room, sizeof(room));

	for (size_t i = 0; i < COUNT_OF(named); i++)
		buf_printf(&b, "%s, ", vtype_name(named[i]));
	BUF_LIT(&b, "any");
	return arena_dup(c->a, buf_str(&b));
}

struct str type_text(struct arena *a, const struct type *t)
{
	const char *name = t->type == T_ANY ? "any" : t->type == T_RECORD && t->shape ? t->shape->name : vtype_name(t->type);

	return arena_printf(a, "%s%s", name, t->nullable && t->type != T_NULL ? " or null" : "");
}

const char *check_type_text(struct checker *c, struct type t)
{
	struct str s = type_text(c->a, &t);

	return s.p ? s.p : "?";
}

static enum vtype list_item(const struct list_value *l)
{
	enum vtype t = l && l->count ? l->v[0].type : T_ANY;

	for (size_t i = 1; l && i < l->count; i++)
		if (l->v[i].type != t)
			return T_ANY;
	return t;
}

struct type type_of_value(const struct value *v)
{
	struct type t = { .type = v->type, .nullable = v->type == T_NULL, .item = T_ANY };

	if (v->type == T_LIST)
		t.item = list_item(v->u.list);
	if (v->type == T_RECORD)
		t.shape = v->u.rec->shape;
	return t;
}

bool is_const(const struct expr *e)
{
	return e->kind == EX_CONST;
}

bool is_const_text(const struct expr *e)
{
	return e->kind == EX_CONST && is_text(e->u.value.type);
}
