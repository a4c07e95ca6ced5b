#pragma once
/* JSON (RFC 8259) for the control channel and the command line: the only file that knows jansson. */
#include "base/arena.h"

/* --- reading --- */
enum json_kind {
	JSON_IS_NONE, JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_INT, JSON_IS_FRACTION, JSON_IS_TEXT, JSON_IS_LIST, JSON_IS_OBJECT
};
struct json;	/* a value; what is found in one is borrowed from it */

/* NULL, with a sentence in `why`: not JSON, a key twice, nested too deep, or a NUL in a text. The caller owes json_free(). */
MUST_CHECK struct json *json_read(struct str text, char *why, size_t cap);
void json_free(struct json *j);	/* NULL is fine; only for what json_read() gave */

/* All of these take NULL, which is of kind JSON_IS_NONE. */
enum json_kind json_kind(const struct json *j);
const struct json *json_get(const struct json *object, const char *key);	/* NULL: no such member, or no object */
struct str json_text(const struct json *j);		/* empty unless it is a text */
int64_t    json_int(const struct json *j, int64_t otherwise);
bool       json_bool(const struct json *j, bool otherwise);
size_t     json_count(const struct json *j);		/* of a list or an object */
const struct json *json_at(const struct json *list, size_t i);
/* Members of an object in their order: `at` starts as NULL; false at the end. *key is as long-lived as the object. */
bool json_next(const struct json *object, void **at, const char **key, const struct json **value);
/* As text: one line, or indented for people. .p NULL on no memory. */
MUST_CHECK struct str json_dump(struct arena *a, const struct json *j, bool indented);

/* --- writing --- */
/* Appends to a text in the arena. The caller checks once, at json_done(). Keys are NULL inside a list. */
struct json_out {
	struct arena *arena;
	char         *p;
	size_t        len, cap;
	bool          failed;	/* the arena is full */
	bool          comma;	/* before the next value */
};
static inline struct json_out json_into(struct arena *a)
{
	return (struct json_out){ .arena = a };
}
void json_open_object(struct json_out *o, const char *key);
void json_close_object(struct json_out *o);
void json_open_list(struct json_out *o, const char *key);
void json_close_list(struct json_out *o);
void json_put_text(struct json_out *o, const char *key, struct str s);	/* bytes that are no UTF-8, and NUL, become U+FFFD */
void json_put_int(struct json_out *o, const char *key, int64_t i);
void json_put_bool(struct json_out *o, const char *key, bool b);
void json_put_null(struct json_out *o, const char *key);
/* Text that is JSON already. */
void json_put_json(struct json_out *o, const char *key, struct str json);
/* .p NULL when something did not fit. */
MUST_CHECK struct str json_done(const struct json_out *o);
