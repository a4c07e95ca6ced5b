/* Lists and numbers. */
#include <stdlib.h>

#include "base/random.h"
#include "script/builtin.h"

enum err make_list(struct arena *a, const struct value *v, size_t n, struct value *out)
{
	struct list_value *l = ARENA_NEW(a, struct list_value);

	if (!l)
		return ERR_NOMEM;
	*l = (struct list_value){ .count = n, .v = v };
	*out = (struct value){ .type = T_LIST, .u.list = l };
	return OK;
}

static const struct list_value *self(const struct call *c)
{
	return c->argv[0].u.list;
}

enum verdict fn_count_items(struct call *c)
{
	return give(c, value_int((int64_t)self(c)->count));
}

enum verdict fn_first(struct call *c)
{
	return give(c, self(c)->count ? self(c)->v[0] : V_NULL);
}

enum verdict fn_last(struct call *c)
{
	return give(c, self(c)->count ? self(c)->v[self(c)->count - 1] : V_NULL);
}

/* From a place on, so many, or all that follow. */
enum verdict fn_slice(struct call *c)
{
	size_t from = (size_t)c->argv[1].u.i, n = self(c)->count;

	from = from < n ? from : n;
	n -= from;
	if (c->argv[2].type != T_NULL && (size_t)c->argv[2].u.i < n)
		n = (size_t)c->argv[2].u.i;
	return make_list(c->c->arena, self(c)->v + from, n, &c->result) ? V_ERROR : V_OK;
}

enum verdict fn_append(struct call *c)
{
	size_t        n = self(c)->count;
	struct value *v = arena_alloc(c->c->arena, (n + 1) * sizeof(*v));

	if (!v)
		return V_ERROR;
	if (n)
		memcpy(v, self(c)->v, n * sizeof(*v));
	v[n] = c->argv[1];
	return make_list(c->c->arena, v, n + 1, &c->result) ? V_ERROR : V_OK;
}

enum verdict fn_reverse(struct call *c)
{
	size_t        n = self(c)->count;
	struct value *v = arena_alloc(c->c->arena, (n + 1) * sizeof(*v));

	if (!v)
		return V_ERROR;
	for (size_t i = 0; i < n; i++)
		v[i] = self(c)->v[n - 1 - i];
	return make_list(c->c->arena, v, n, &c->result) ? V_ERROR : V_OK;
}

/* Numbers by size, all else by its text; what is of another kind stands behind. */
static int by_value(const void *pa, const void *pb)
{
	const struct value *a = pa, *b = pb;
	bool                text = a->type == T_STR || a->type == T_URI;
	int                 by;

	if (a->type != b->type)
		return (int)a->type - (int)b->type;
	if (!text)
		return (a->u.i > b->u.i) - (a->u.i < b->u.i);
	by = memcmp(a->u.s.p, b->u.s.p, a->u.s.len < b->u.s.len ? a->u.s.len : b->u.s.len);
	return by ? by : (a->u.s.len > b->u.s.len) - (a->u.s.len < b->u.s.len);
}

static bool has_order(const struct value *v)
{
	return v->type == T_INT || v->type == T_DURATION || v->type == T_SIZE || ((v->type == T_STR || v->type == T_URI) && v->u.s.p);
}

enum verdict fn_sort(struct call *c)
{
	size_t        n = self(c)->count;
	struct value *v = arena_alloc(c->c->arena, (n + 1) * sizeof(*v));

	if (!v)
		return V_ERROR;
	for (size_t i = 0; i < n; i++) {
		v[i] = self(c)->v[i];
		if (!has_order(&v[i])) {
			log_error(c->c, "sort(): there is no order among values of type %s", vtype_name(v[i].type));
			return V_ERROR;
		}
	}
	qsort(v, n, sizeof(*v), by_value);
	return make_list(c->c->arena, v, n, &c->result) ? V_ERROR : V_OK;
}

static bool among(const struct value *v, size_t n, const struct value *x)
{
	for (size_t i = 0; i < n; i++)
		if (value_eq(&v[i], x))
			return true;
	return false;
}

enum verdict fn_unique(struct call *c)
{
	size_t        n = 0;
	struct value *v = arena_alloc(c->c->arena, (self(c)->count + 1) * sizeof(*v));

	if (!v)
		return V_ERROR;
	for (size_t i = 0; i < self(c)->count; i++)
		if (!among(v, n, &self(c)->v[i]))
			v[n++] = self(c)->v[i];
	return make_list(c->c->arena, v, n, &c->result) ? V_ERROR : V_OK;
}

/* Each order is as likely (Fisher and Yates). */
enum verdict fn_shuffle(struct call *c)
{
	size_t        n = self(c)->count;
	struct value *v = arena_alloc(c->c->arena, (n + 1) * sizeof(*v));

	if (!v)
		return V_ERROR;
	if (n)
		memcpy(v, self(c)->v, n * sizeof(*v));
	for (size_t i = n; i > 1; i--) {
		size_t       k = random_below((uint32_t)i);
		struct value kept = v[i - 1];

		v[i - 1] = v[k];
		v[k] = kept;
	}
	return make_list(c->c->arena, v, n, &c->result) ? V_ERROR : V_OK;
}

enum verdict fn_join(struct call *c)
{
	size_t      n = self(c)->count, len = 0;
	struct str *text = arena_alloc(c->c->arena, (n + 1) * sizeof(*text));
	struct buf  out;

	for (size_t i = 0; text && i < n; i++) {
		text[i] = self(c)->v[i].type == T_NULL ? STR("") : value_text(c->c->arena, &self(c)->v[i]);
		if (!text[i].p)
			return V_ERROR;
		len += text[i].len + (i ? c->argv[1].u.s.len : 0);
	}
	out = buf_on(arena_alloc(c->c->arena, len + 1), len + 1);
	if (!text || !out.p)
		return V_ERROR;
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add(&out, c->argv[1].u.s);
		buf_add(&out, text[i]);
	}
	return give(c, value_str(buf_str(&out)));
}

enum verdict fn_min(struct call *c)
{
	return give(c, c->argv[c->argv[1].u.i < c->argv[0].u.i]);
}

enum verdict fn_max(struct call *c)
{
	return give(c, c->argv[c->argv[1].u.i > c->argv[0].u.i]);
}

enum verdict fn_abs(struct call *c)
{
	int64_t n = c->argv[0].u.i;

	if (n == INT64_MIN) {
		log_error(c->c, "abs(): the number does not fit");
		return V_ERROR;
	}
	return give(c, value_int(n < 0 ? -n : n));
}

enum verdict fn_random(struct call *c)
{
	return give(c, value_int(random_below((uint32_t)c->argv[0].u.i)));
}
