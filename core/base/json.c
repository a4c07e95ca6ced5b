#include "base/json.h"

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"

/* --- reading --- */

/* Ours is an opaque name for theirs. */
static const json_t *theirs(const struct json *j)
{
	return (const json_t *)j;
}

static const struct json *ours(const json_t *j)
{
	return (const struct json *)j;
}

struct json *json_read(struct str text, char *why, size_t cap)
{
	json_error_t e;
	json_t      *j = json_loadb(text.len ? text.p : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);

	if (!j)
		snprintf(why, cap, "line %d column %d: %s", e.line, e.column, e.text);
	return (struct json *)j;
}

void json_free(struct json *j)
{
	json_decref((json_t *)j);
}

enum json_kind json_kind(const struct json *j)
{
	static const enum json_kind kinds[] = {
		[JSON_NULL] = JSON_IS_NULL, [JSON_TRUE] = JSON_IS_BOOL, [JSON_FALSE] = JSON_IS_BOOL, [JSON_INTEGER] = JSON_IS_INT,
		[JSON_REAL] = JSON_IS_FRACTION, [JSON_STRING] = JSON_IS_TEXT, [JSON_ARRAY] = JSON_IS_LIST, [JSON_OBJECT] = JSON_IS_OBJECT,
	};

	return j ? kinds[json_typeof(theirs(j))] : JSON_IS_NONE;
}

const struct json *json_get(const struct json *object, const char *key)
{
	return ours(json_object_get(theirs(object), key));
}

struct str json_text(const struct json *j)
{
	const json_t *t = theirs(j);

	return json_is_string(t) ? str_n(json_string_value(t), json_string_length(t)) : STR_NONE;
}

int64_t json_int(const struct json *j, int64_t otherwise)
{
	const json_t *t = theirs(j);

	return json_is_integer(t) ? json_integer_value(t) : otherwise;
}

bool json_bool(const struct json *j, bool otherwise)
{
	const json_t *t = theirs(j);

	return json_is_boolean(t) ? json_is_true(t) : otherwise;
}

size_t json_count(const struct json *j)
{
	const json_t *t = theirs(j);

	return json_is_array(t) ? json_array_size(t) : json_object_size(t);
}

const struct json *json_at(const struct json *list, size_t i)
{
	return ours(json_array_get(theirs(list), i));
}

bool json_next(const struct json *object, void **at, const char **key, const struct json **value)
{
	json_t *t = (json_t *)object;	/* jansson's iterators want it without const; nothing is changed */

	*at = *at ? json_object_iter_next(t, *at) : json_object_iter(t);
	if (!*at)
		return false;
	*key = json_object_iter_key(*at);
	*value = ours(json_object_iter_value(*at));
	return true;
}

struct str json_dump(struct arena *a, const struct json *j, bool indented)
{
	size_t flags = JSON_ENCODE_ANY | (indented ? JSON_INDENT(2) : JSON_COMPACT);
	size_t n = json_dumpb(theirs(j), NULL, 0, flags);
	char  *p = n ? arena_alloc(a, n) : NULL;

	if (!p || json_dumpb(theirs(j), p, n, flags) != n)
		return STR_NONE;
	return str_n(p, n);
}

/* --- writing --- */

static void add(struct json_out *o, struct str s)
{
	size_t cap = o->cap ? o->cap : 256;
	char  *p;

	if (o->failed)
		return;
	while (s.len > cap - o->len)
		cap *= 2;
	if (cap != o->cap) {
		p = arena_alloc(o->arena, cap);
		if (!p) {
			o->failed = true;
			return;
		}
		if (o->len)
			memcpy(p, o->p, o->len);
		o->p = p;
		o->cap = cap;
	}
	if (s.len)
		memcpy(o->p + o->len, s.p, s.len);
	o->len += s.len;
}

static void add_escaped(struct json_out *o, char c)
{
	char       room[8];
	struct buf b = buf_on(room, sizeof(room));

	if (c == '"' || c == '\\')
		buf_printf(&b, "\\%c", c);
	else if (c == '\n')
		BUF_LIT(&b, "\\n");
	else
		buf_printf(&b, "\\u%04x", (unsigned char)c);
	add(o, buf_str(&b));
}

static bool plain(char c)
{
	return (unsigned char)c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
}

/* The longest run that needs no change is copied at once. */
static void quoted(struct json_out *o, struct str s)
{
	add(o, STR("\""));
	while (s.len) {
		size_t run = 0, n;

		while (run < s.len && plain(s.p[run]) && (n = str_utf8(str_from(s, run))))
			run += n;
		add(o, str_to(s, run));
		s = str_from(s, run);
		if (!s.len)
			break;
		if (s.p[0] != 0 && (unsigned char)s.p[0] < 0x80)
			add_escaped(o, s.p[0]);
		else
			add(o, STR("\xef\xbf\xbd"));	/* U+FFFD */
		s = str_from(s, 1);
	}
	add(o, STR("\""));
}

static void lead(struct json_out *o, const char *key)
{
	if (o->comma)
		add(o, STR(","));
	o->comma = true;
	if (!key)
		return;
	quoted(o, str_of(key));
	add(o, STR(":"));
}

static void open_with(struct json_out *o, const char *key, struct str bracket)
{
	lead(o, key);
	add(o, bracket);
	o->comma = false;
}

static void close_with(struct json_out *o, struct str bracket)
{
	add(o, bracket);
	o->comma = true;
}

void json_open_object(struct json_out *o, const char *key)
{
	open_with(o, key, STR("{"));
}

void json_close_object(struct json_out *o)
{
	close_with(o, STR("}"));
}

void json_open_list(struct json_out *o, const char *key)
{
	open_with(o, key, STR("["));
}

void json_close_list(struct json_out *o)
{
	close_with(o, STR("]"));
}

void json_put_text(struct json_out *o, const char *key, struct str s)
{
	lead(o, key);
	quoted(o, s);
}

void json_put_json(struct json_out *o, const char *key, struct str json)
{
	lead(o, key);
	add(o, json);
}

void json_put_int(struct json_out *o, const char *key, int64_t i)
{
	char room[24];
	int  n = snprintf(room, sizeof(room), "%lld", (long long)i);

	json_put_json(o, key, str_n(room, (size_t)n));
}

void json_put_bool(struct json_out *o, const char *key, bool b)
{
	json_put_json(o, key, b ? STR("true") : STR("false"));
}

void json_put_null(struct json_out *o, const char *key)
{
	json_put_json(o, key, STR("null"));
}

struct str json_done(const struct json_out *o)
{
	return o->failed ? STR_NONE : str_n(o->p, o->len);
}
