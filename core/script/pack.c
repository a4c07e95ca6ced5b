/* Type and prefix, a byte each; then a number, a text with its length, an address, or as many values as are counted. */
#include "script/pack.h"

static void put(struct buf *out, const void *p, size_t n)
{
	buf_add(out, str_n(p, n));
}

static void put_count(struct buf *out, size_t n)
{
	uint32_t count = (uint32_t)n;

	put(out, &count, sizeof(count));
}

void pack_text(struct buf *out, struct str s)
{
	put_count(out, s.len);
	buf_add(out, s);
}

/* Names of fields keep their NUL. */
static void put_name(struct buf *out, const char *name)
{
	pack_text(out, str_n(name, strlen(name) + 1));
}

static bool put_value(struct buf *out, const struct value *v, unsigned depth);

static bool put_list(struct buf *out, const struct list_value *l, unsigned depth)
{
	put_count(out, l->count);
	for (size_t i = 0; i < l->count && buf_ok(out); i++)
		if (!put_value(out, &l->v[i], depth))
			return false;
	return true;
}

static bool put_record(struct buf *out, const struct record *r, unsigned depth)
{
	const struct field *f = r->shape->fields;
	size_t              n = 0;

	while (f[n].name)
		n++;
	put_name(out, r->shape->name);
	put_count(out, n);
	for (size_t i = 0; i < n && buf_ok(out); i++) {
		put_name(out, f[i].name);
		if (!put_value(out, &r->v[i], depth))
			return false;
	}
	return true;
}

static bool put_value(struct buf *out, const struct value *v, unsigned depth)
{
	const uint8_t head[] = { (uint8_t)v->type, v->prefix };

	put(out, head, sizeof(head));
	switch (v->type) {
	case T_NULL:
		return true;
	case T_BOOL:
		put(out, &v->u.b, sizeof(v->u.b));
		return true;
	case T_INT: case T_DURATION: case T_SIZE:
		put(out, &v->u.i, sizeof(v->u.i));
		return true;
	case T_STR: case T_URI:
		pack_text(out, v->u.s);
		return true;
	case T_IP: case T_CIDR:
		put(out, v->u.ip, sizeof(*v->u.ip));
		return true;
	case T_LIST:
		return depth < PACK_DEPTH && put_list(out, v->u.list, depth + 1);
	case T_RECORD:
		return depth < PACK_DEPTH && put_record(out, v->u.rec, depth + 1);
	default:
		return false;
	}
}

bool pack(struct buf *out, const struct value *v)
{
	return put_value(out, v, 0);
}

/* --- and back --- */

static bool take(struct str *rest, void *out, size_t n)
{
	if (rest->len < n)
		return false;
	memcpy(out, rest->p, n);
	*rest = str_from(*rest, n);
	return true;
}

/* No more than there can be: the least value takes two bytes. */
static bool take_count(struct str *rest, size_t *n)
{
	uint32_t count;

	if (!take(rest, &count, sizeof(count)) || count > rest->len)
		return false;
	*n = count;
	return true;
}

bool unpack_text(struct str *rest, struct str *out)
{
	size_t n;

	if (!take_count(rest, &n))
		return false;
	*out = str_to(*rest, n);
	*rest = str_from(*rest, n);
	return true;
}

static bool take_name(struct str *rest, const char **out)
{
	struct str s;

	if (!unpack_text(rest, &s) || !s.len || s.p[s.len - 1])
		return false;
	*out = s.p;
	return true;
}

static bool take_address(struct arena *a, struct str *rest, struct value *out)
{
	struct addr *ip = ARENA_NEW(a, struct addr);

	out->u.ip = ip;
	return ip && take(rest, ip, sizeof(*ip));
}

static bool take_list(struct arena *a, struct str *rest, struct value *out)
{
	struct list_value *l = ARENA_NEW(a, struct list_value);
	struct value      *v;

	if (!l || !take_count(rest, &l->count))
		return false;
	v = arena_alloc(a, (l->count ? l->count : 1) * sizeof(*v));
	for (size_t i = 0; v && i < l->count; i++)
		if (!unpack(a, rest, &v[i]))
			return false;
	l->v = v;
	out->u.list = l;
	return v != NULL;
}

static bool take_record(struct arena *a, struct str *rest, struct value *out)
{
	struct record *r = ARENA_NEW(a, struct record);
	struct shape  *s = ARENA_NEW(a, struct shape);
	struct field  *f;
	struct value  *v;
	size_t         n;

	if (!r || !s || !take_name(rest, &s->name) || !take_count(rest, &n))
		return false;
	f = arena_zalloc(a, (n + 1) * sizeof(*f));
	v = arena_alloc(a, (n + 1) * sizeof(*v));
	for (size_t i = 0; f && v && i < n; i++) {
		f[i].help = "";
		f[i].nullable = true;
		if (!take_name(rest, &f[i].name) || !unpack(a, rest, &v[i]))
			return false;
		f[i].type = v[i].type;
	}
	s->fields = f;
	s->open = true;
	*r = (struct record){ .shape = s, .v = v };
	*out = value_record(r);
	return f && v;
}

bool unpack(struct arena *a, struct str *rest, struct value *out)
{
	uint8_t head[2];

	if (!take(rest, head, sizeof(head)))
		return false;
	*out = (struct value){ .type = (enum vtype)head[0], .prefix = head[1] };
	switch (out->type) {
	case T_NULL:
		return true;
	case T_BOOL:
		return take(rest, &out->u.b, sizeof(out->u.b));
	case T_INT: case T_DURATION: case T_SIZE:
		return take(rest, &out->u.i, sizeof(out->u.i));
	case T_STR: case T_URI:
		return unpack_text(rest, &out->u.s);
	case T_IP: case T_CIDR:
		return take_address(a, rest, out);
	case T_LIST:
		return take_list(a, rest, out);
	case T_RECORD:
		return take_record(a, rest, out);
	default:
		return false;
	}
}
