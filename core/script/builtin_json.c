/* Records made by scripts, and JSON (RFC 8259). */
#include <stdio.h>

#include "base/json.h"
#include "script/builtin.h"

enum { MOST_DEPTH = 32 };

/* --- records whose fields are known at run time only --- */

static struct field *open_shape(struct arena *a, size_t n, struct value *out, struct value **v)
{
	struct field  *f = arena_zalloc(a, (n + 1) * sizeof(*f));
	struct shape  *shape = ARENA_NEW(a, struct shape);
	struct record *rec = ARENA_NEW(a, struct record);

	*v = arena_zalloc(a, (n + 1) * sizeof(**v));
	if (!f || !shape || !rec || !*v)
		return NULL;
	*shape = (struct shape){ .name = "record", .fields = f, .open = true };
	*rec = (struct record){ shape, *v };
	*out = value_record(rec);
	return f;
}

static bool name_field(struct arena *a, struct field *f, struct str name)
{
	char *z = arena_alloc(a, name.len + 1);

	if (!z)
		return false;
	memcpy(z, name.p, name.len);
	z[name.len] = '\0';
	*f = (struct field){ .name = z, .type = T_ANY, .nullable = true };
	return true;
}

enum verdict fn_record(struct call *c)
{
	size_t        n = keys_count(c, 0);
	struct value *v;
	struct field *f = open_shape(c->c->arena, n, &c->result, &v);

	for (size_t i = 0; f && i < n; i++) {
		if (!name_field(c->c->arena, &f[i], key_name(c, 0, i)))
			return V_ERROR;
		v[i] = key_value(c, 0, i);
	}
	return f ? V_OK : V_ERROR;
}

/* --- reading --- */

static bool to_value(struct arena *a, const struct json *j, struct value *out);

static bool to_list(struct arena *a, const struct json *j, struct value *out)
{
	size_t        n = json_count(j);
	struct value *v = arena_alloc(a, (n + 1) * sizeof(*v));

	for (size_t i = 0; v && i < n; i++)
		if (!to_value(a, json_at(j, i), &v[i]))
			return false;
	return v && !make_list(a, v, n, out);
}

static bool to_record(struct arena *a, const struct json *j, struct value *out)
{
	struct value      *v;
	struct field      *f = open_shape(a, json_count(j), out, &v);
	const struct json *member;
	const char        *name;
	void              *at = NULL;

	for (size_t i = 0; f && json_next(j, &at, &name, &member); i++)
		if (!name_field(a, &f[i], str_of(name)) || !to_value(a, member, &v[i]))
			return false;
	return f != NULL;
}

/* There are no fractions in the language: they stay text. */
static bool to_value(struct arena *a, const struct json *j, struct value *out)
{
	switch (json_kind(j)) {
	case JSON_IS_BOOL:
		*out = value_bool(json_bool(j, false));
		return true;
	case JSON_IS_INT:
		*out = value_int(json_int(j, 0));
		return true;
	case JSON_IS_TEXT:
		*out = value_str(arena_dup(a, json_text(j)));
		return out->u.s.p;
	case JSON_IS_FRACTION:
		*out = value_str(json_dump(a, j, false));
		return out->u.s.p;
	case JSON_IS_LIST:
		return to_list(a, j, out);
	case JSON_IS_OBJECT:
		return to_record(a, j, out);
	default:
		*out = V_NULL;
		return true;
	}
}

enum verdict fn_json_read(struct call *c)
{
	char         why[128];
	struct json *j = json_read(c->argv[0].u.s, why, sizeof(why));
	bool         ok = true;

	if (!j)
		log_debug(c->c, "json_read(): %s", why);
	else
		ok = to_value(c->c->arena, j, &c->result);
	json_free(j);
	return ok ? V_OK : V_ERROR;
}

/* --- writing --- */

static bool put_value(struct json_out *o, const char *key, const struct value *v, unsigned depth);

static bool put_list(struct json_out *o, const char *key, const struct list_value *l, unsigned depth)
{
	bool ok = true;

	json_open_list(o, key);
	for (size_t i = 0; ok && i < l->count; i++)
		ok = put_value(o, NULL, &l->v[i], depth + 1);
	json_close_list(o);
	return ok;
}

static bool put_record(struct json_out *o, const char *key, const struct record *r, unsigned depth)
{
	bool ok = true;

	json_open_object(o, key);
	for (size_t i = 0; ok && r->shape->fields[i].name; i++)
		ok = put_value(o, r->shape->fields[i].name, &r->v[i], depth + 1);
	json_close_object(o);
	return ok;
}

/* Numbers, bools and null as such; all other values as the text they are in a string. */
static bool put_value(struct json_out *o, const char *key, const struct value *v, unsigned depth)
{
	struct str text;

	if (depth > MOST_DEPTH)
		return false;
	switch (v->type) {
	case T_NULL:
		json_put_null(o, key);
		return true;
	case T_BOOL:
		json_put_bool(o, key, v->u.b);
		return true;
	case T_INT:
		json_put_int(o, key, v->u.i);
		return true;
	case T_LIST:
		return put_list(o, key, v->u.list, depth);
	case T_RECORD:
		return put_record(o, key, v->u.rec, depth);
	default:
		text = value_text(o->arena, v);
		if (text.p)
			json_put_text(o, key, text);
		return text.p;
	}
}

enum verdict fn_json_write(struct call *c)
{
	struct json_out o = json_into(c->c->arena);

	if (!put_value(&o, NULL, &c->argv[0], 0)) {
		log_error(c->c, "json_write(): nested too deep, or no memory");
		return V_ERROR;
	}
	return give_text(c, json_done(&o));
}
