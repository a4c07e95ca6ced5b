#include "modules/location/location.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"

/* Commands of the control channel. They run in the control process, which waits for nobody: a removal is in the store a moment later. */

static enum err say(struct arena *a, struct str *out, enum err err, const char *why)
{
	*out = arena_printf(a, "%s", why);
	return err;
}

/* Takes over `j`. */
static enum err answer(struct arena *a, json_t *j, struct str *out)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	*out = text ? arena_dup(a, str_of(text)) : STR_NONE;
	free(text);
	return out->p ? OK : say(a, out, ERR_NOMEM, "out of memory");
}

static json_t *text_of(struct str s)
{
	json_t *j = json_stringn(s.p, s.len);

	return j ? j : json_string("(not UTF-8)");
}

static void set_text(json_t *o, const char *name, struct str s)
{
	if (s.len)
		json_object_set_new(o, name, text_of(s));
}

static json_t *binding_json(struct str aor, const struct binding *b)
{
	char    room[ADDR_TEXT];
	json_t *o = json_object();

	json_object_set_new(o, "aor", text_of(aor));
	json_object_set_new(o, "contact", text_of(b->contact));
	json_object_set_new(o, "expires", json_integer(b->expires_unix - clock_unix()));
	json_object_set_new(o, "q", json_real(b->q / 1000.0));
	if (b->received.via)
		json_object_set_new(o, "received", text_of(addr_text(&b->received.peer, room)));
	set_text(o, "user_agent", b->user_agent);
	set_text(o, "path", b->path);
	set_text(o, "instance", b->instance);
	if (b->reg_id)
		json_object_set_new(o, "reg_id", json_integer(b->reg_id));
	set_text(o, "call_id", b->call_id);
	json_object_set_new(o, "cseq", json_integer(b->cseq));
	return o;
}

/* A bucket as it was at one instant. */
static enum err bucket_append(uint32_t bucket, json_t *list)
{
	struct lock *l = table_lock(bucket);
	enum err     err = OK;

	lock(l);
	for (const struct aor *r = table_first_locked(bucket); r && !err; r = r->next)
		for (const struct bind *b = r->binds; b && !err; b = b->next) {
			struct binding view;

			bind_view(b, &view);
			err = json_array_append_new(list, binding_json(aor_key(r), &view)) ? ERR_NOMEM : OK;
		}
	unlock(l);
	return err;
}

static json_t *params_parse(struct str text)
{
	json_t *j = text.len ? json_loadb(text.p, text.len, 0, NULL) : NULL;

	return j ? j : json_object();
}

/* {"limit": 1000, "from": bucket}: the answer's "next" is the "from" to go on with. */
static enum err cmd_list(struct arena *a, struct str text, struct str *out)
{
	json_t     *params = params_parse(text), *rows = json_array(), *result = json_object(), *asked = json_object_get(params, "limit");
	size_t      limit = json_is_integer(asked) && json_integer_value(asked) > 0 ? (size_t)json_integer_value(asked) : 1000;
	json_int_t  from = json_integer_value(json_object_get(params, "from"));
	uint32_t    at = from > 0 && from < UINT32_MAX ? (uint32_t)from : 0;

	json_decref(params);
	while (at < table_buckets() && json_array_size(rows) < limit)
		if (bucket_append(at++, rows))
			break;
	json_object_set_new(result, "bindings", rows);
	json_object_set_new(result, "total", json_integer(counter_read(&location_bindings)));
	if (at < table_buckets())
		json_object_set_new(result, "next", json_integer(at));
	return answer(a, result, out);
}

/* "alice@example.org" or a whole URI to the key; .p NULL when it is neither. */
static struct str key_of(struct arena *a, json_t *params)
{
	const char *text = json_string_value(json_object_get(params, "aor"));
	struct str  whole;
	struct uri  u;
	struct buf  key;

	if (!text)
		return STR_NONE;
	whole = strchr(text, ':') && str_find(str_of(text), ':') < 5 ? arena_dup(a, str_of(text)) : arena_printf(a, "sip:%s", text);
	if (!whole.p || uri_parse(whole, &u))
		return STR_NONE;
	key = buf_on(arena_alloc(a, whole.len * 3 + 16), whole.len * 3 + 16);
	if (!key.p)
		return STR_NONE;
	uri_aor(&u, &key);
	return buf_ok(&key) ? buf_str(&key) : STR_NONE;
}

/* {"aor": "alice@example.org"} */
static enum err cmd_show(struct arena *a, struct str text, struct str *out)
{
	json_t         *params = params_parse(text), *rows = json_array(), *result = json_object();
	struct str      key = key_of(a, params);
	struct binding *list = NULL;

	json_decref(params);
	json_object_set_new(result, "bindings", rows);
	if (!key.p || location_find(a, key, &list)) {
		json_decref(result);
		return say(a, out, ERR_SYNTAX, "\"aor\" must be a user as alice@example.org or sip:alice@example.org");
	}
	for (const struct binding *b = list; b; b = b->next)
		json_array_append_new(rows, binding_json(key, b));
	return answer(a, result, out);
}

static enum err remove_contacts(struct str key, struct str contact)
{
	struct binding_change ch = { .b = { .contact = contact } };
	struct location_save  s = { .aor = key, .call_id = STR_NONE, .cseq = UINT32_MAX, .remove_all = !contact.len, .n = !!contact.len,
				    .change = &ch, .max_contacts = UINT32_MAX };
	bool                  now;

	return location_save_bindings(&s, &now, NULL, NULL);
}

static size_t list_len(const struct binding *b)
{
	size_t n = 0;

	for (; b; b = b->next)
		n++;
	return n;
}

/* {"aor": "alice@example.org", "contact": "sip:…"}; without contact: all of them. */
static enum err cmd_remove(struct arena *a, struct str text, struct str *out)
{
	json_t         *params = params_parse(text);
	const char     *contact = json_string_value(json_object_get(params, "contact"));
	struct str      key = key_of(a, params), which = arena_dup(a, str_of(contact));
	struct binding *before = NULL, *after = NULL;
	enum err        err = key.p ? location_find(a, key, &before) : ERR_SYNTAX;

	json_decref(params);
	if (err)
		return say(a, out, err, "\"aor\" must be a user as alice@example.org or sip:alice@example.org");
	err = remove_contacts(key, which);
	if (!err)
		err = location_find(a, key, &after);
	if (err)
		return say(a, out, err, err_name(err));
	if (list_len(before) == list_len(after))
		return say(a, out, ERR_NOT_FOUND, "no such contact");
	return answer(a, json_pack("{s:i}", "removed", (int)(list_len(before) - list_len(after))), out);
}

const struct mod_command location_commands[] = {
	{ "list", cmd_list, "all contacts; {\"limit\": 1000, \"from\": 0}" },
	{ "show", cmd_show, "the contacts of one user; {\"aor\": \"alice@example.org\"}" },
	{ "remove", cmd_remove, "forget one contact or all of a user; {\"aor\": \"alice@example.org\", \"contact\": \"sip:…\"}" },
	{ 0 }
};
