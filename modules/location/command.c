#include "modules/location/location.h"

#include "base/clock.h"
#include "base/json.h"

/* Commands of the control channel. They run in the control process, which waits for nobody: a removal is in the store a moment later. */

static enum err say(struct arena *a, struct str *out, enum err err, const char *why)
{
	*out = arena_printf(a, "%s", why);
	return err;
}

static enum err answer(struct arena *a, const struct json_out *j, struct str *out)
{
	*out = json_done(j);
	return out->p ? OK : say(a, out, ERR_NOMEM, "out of memory");
}

static void put_some(struct json_out *j, const char *key, struct str s)
{
	if (s.len)
		json_put_text(j, key, s);
}

static void put_binding(struct json_out *j, struct str aor, const struct binding *b)
{
	char room[ADDR_TEXT];

	json_open_object(j, NULL);
	json_put_text(j, "aor", aor);
	json_put_text(j, "contact", b->contact);
	json_put_int(j, "expires_s", b->expires_unix - clock_unix());
	json_put_int(j, "q", b->q);
	if (b->received.via)
		json_put_text(j, "received", addr_text(&b->received.peer, room));
	put_some(j, "user_agent", b->user_agent);
	put_some(j, "path", b->path);
	put_some(j, "instance", b->instance);
	if (b->reg_id)
		json_put_int(j, "reg_id", b->reg_id);
	put_some(j, "call_id", b->call_id);
	json_put_int(j, "cseq", b->cseq);
	json_close_object(j);
}

/* A bucket as it is at one instant. */
static size_t put_bucket(struct json_out *j, uint32_t bucket)
{
	struct lock *l = table_lock(bucket);
	size_t       n = 0;

	lock(l);
	for (const struct aor *r = table_first_locked(bucket); r; r = r->next)
		for (const struct bind *b = r->binds; b; b = b->next) {
			struct binding view;

			bind_view(b, &view);
			put_binding(j, aor_key(r), &view);
			n++;
		}
	unlock(l);
	return n;
}

/* No parameters are as good as none that we know. */
static struct json *params_read(struct str text)
{
	char why[128];

	return text.len ? json_read(text, why, sizeof(why)) : NULL;
}

/* {"limit": 1000, "from": bucket}: the answer's "next" is the "from" to go on with. */
static enum err cmd_list(struct arena *a, struct str text, struct str *out)
{
	struct json    *params = params_read(text);
	int64_t         limit = json_int(json_get(params, "limit"), 1000), from = json_int(json_get(params, "from"), 0), n = 0;
	uint32_t        at = from > 0 && from < UINT32_MAX ? (uint32_t)from : 0;
	struct json_out j = json_into(a);

	json_free(params);
	json_open_object(&j, NULL);
	json_open_list(&j, "bindings");
	while (at < table_buckets() && n < limit && !j.failed)
		n += (int64_t)put_bucket(&j, at++);
	json_close_list(&j);
	json_put_int(&j, "total", counter_read(&location_bindings));
	if (at < table_buckets())
		json_put_int(&j, "next", at);
	json_close_object(&j);
	return answer(a, &j, out);
}

/* "alice@example.org" or a whole URI to the key; .p NULL when it is neither. */
static struct str key_of(struct arena *a, const struct json *params)
{
	struct str text = json_text(json_get(params, "aor")), whole = text;
	struct uri u;
	struct buf key;

	if (!text.len)
		return STR_NONE;
	if (!str_istarts(text, STR("sip:")) && !str_istarts(text, STR("sips:")) && !str_istarts(text, STR("tel:")))
		whole = arena_printf(a, "sip:" STR_FMT, STR_ARG(text));
	if (!whole.p || uri_parse(whole, &u))
		return STR_NONE;
	key = buf_on(arena_alloc(a, whole.len * 3 + 16), whole.len * 3 + 16);
	if (!key.p)
		return STR_NONE;
	uri_aor(&u, &key);
	return buf_ok(&key) ? buf_str(&key) : STR_NONE;
}

static enum err no_aor(struct arena *a, struct str *out)
{
	return say(a, out, ERR_SYNTAX, "\"aor\" must be a user as alice@example.org or sip:alice@example.org");
}

/* {"aor": "alice@example.org"} */
static enum err cmd_show(struct arena *a, struct str text, struct str *out)
{
	struct json    *params = params_read(text);
	struct str      key = key_of(a, params);
	struct json_out j = json_into(a);
	struct binding *list = NULL;

	json_free(params);
	if (!key.p)
		return no_aor(a, out);
	if (location_find(a, key, &list))
		return say(a, out, ERR_NOMEM, "out of memory");
	json_open_object(&j, NULL);
	json_open_list(&j, "bindings");
	for (const struct binding *b = list; b; b = b->next)
		put_binding(&j, key, b);
	json_close_list(&j);
	json_close_object(&j);
	return answer(a, &j, out);
}

static size_t count(struct arena *a, struct str key)
{
	struct binding *list = NULL;
	size_t          n = 0;

	if (location_find(a, key, &list))
		return 0;
	for (; list; list = list->next)
		n++;
	return n;
}

static enum err remove_contacts(struct str key, struct str contact)
{
	struct binding_change ch = { .b = { .contact = contact } };
	struct location_save  s = { .aor = key, .cseq = UINT32_MAX, .remove_all = !contact.len, .n = !!contact.len, .change = &ch,
				    .max_contacts = UINT32_MAX };
	bool                  now;

	return location_save_bindings(&s, &now, NULL, NULL);
}

/* {"aor": "alice@example.org", "contact": "sip:…"}; without contact: all of them. */
static enum err cmd_remove(struct arena *a, struct str text, struct str *out)
{
	struct json    *params = params_read(text);
	struct str      key = key_of(a, params);
	size_t          before = key.p ? count(a, key) : 0, after;
	enum err        err = key.p ? remove_contacts(key, json_text(json_get(params, "contact"))) : OK;
	struct json_out j = json_into(a);

	json_free(params);
	if (!key.p)
		return no_aor(a, out);
	if (err)
		return say(a, out, err, err_name(err));
	after = count(a, key);
	if (after >= before)
		return say(a, out, ERR_NOT_FOUND, "no such contact");
	json_open_object(&j, NULL);
	json_put_int(&j, "removed", (int64_t)(before - after));
	json_close_object(&j);
	return answer(a, &j, out);
}

const struct mod_command location_commands[] = {
	{ "list", cmd_list, "all contacts; {\"limit\": 1000, \"from\": 0}" },
	{ "show", cmd_show, "the contacts of one user; {\"aor\": \"alice@example.org\"}" },
	{ "remove", cmd_remove, "forget one contact or all of a user; {\"aor\": \"alice@example.org\", \"contact\": \"sip:…\"}" },
	{ 0 }
};
