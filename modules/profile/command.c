#include "modules/profile/profile.h"

#include "base/clock.h"
#include "base/json.h"

/* Commands of the control channel: what is in memory of a user, and away with it. The database is not asked. */

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

/* {"user": "alice@example.org"} to the key; empty: none is named. ERR_SYNTAX: it is none. */
static enum err key_read(struct arena *a, struct str text, struct str *key)
{
	char         why[128];
	struct json *params = text.len ? json_read(text, why, sizeof(why)) : NULL;
	struct str   user = arena_dup(a, json_text(json_get(params, "user"))), name, domain;
	enum err     err;

	json_free(params);
	*key = STR("");
	if (!user.len)
		return OK;
	err = user_parse(a, user, STR_NONE, &name, &domain);
	if (err || !name.len || !domain.len)
		return err ? err : ERR_SYNTAX;
	*key = arena_printf(a, STR_FMT "@" STR_FMT, STR_ARG(name), STR_ARG(domain));
	return key->p ? OK : ERR_NOMEM;
}

static enum err no_user(struct arena *a, struct str *out)
{
	return say(a, out, ERR_SYNTAX, "\"user\" must be a user as alice@example.org");
}

static void put_value(struct json_out *j, const char *key, const struct value *v);

static void put_list(struct json_out *j, const char *key, const struct list_value *l)
{
	json_open_list(j, key);
	for (size_t i = 0; i < l->count; i++)
		put_value(j, NULL, &l->v[i]);
	json_close_list(j);
}

static void put_fields(struct json_out *j, const struct record *r)
{
	for (size_t i = 0; r->shape->fields[i].name; i++)
		put_value(j, r->shape->fields[i].name, &r->v[i]);
}

/* Names are the user's own: rows of a table. */
static void put_pairs(struct json_out *j, const char *key, const struct record *r)
{
	json_open_list(j, key);
	for (size_t i = 0; r->shape->fields[i].name; i++) {
		json_open_object(j, NULL);
		json_put_text(j, "name", str_of(r->shape->fields[i].name));
		put_value(j, "value", &r->v[i]);
		json_close_object(j);
	}
	json_close_list(j);
}

/* The types that a profile has; durations in seconds, as the table has them. */
static void put_value(struct json_out *j, const char *key, const struct value *v)
{
	if (v->type == T_STR) {
		json_put_text(j, key, v->u.s);
	} else if (v->type == T_INT || v->type == T_DURATION) {
		json_put_int(j, key, v->type == T_INT ? v->u.i : v->u.i / 1000);
	} else if (v->type == T_BOOL) {
		json_put_bool(j, key, v->u.b);
	} else if (v->type == T_LIST) {
		put_list(j, key, v->u.list);
	} else if (v->type == T_RECORD) {
		put_pairs(j, key, v->u.rec);
	} else {
		json_put_null(j, key);
	}
}

/* Which there are, and no more of them. */
static void put_digests(struct json_out *j, struct str bytes)
{
	struct db_value row[U_COLUMNS];

	json_open_list(j, "digests");
	if (user_next_row(&bytes, row)) {
		if (row[U_HA1_MD5].type == DB_TEXT && row[U_HA1_MD5].s.len)
			json_put_text(j, NULL, STR("MD5"));
		if (row[U_HA1_SHA256].type == DB_TEXT && row[U_HA1_SHA256].s.len)
			json_put_text(j, NULL, STR("SHA-256"));
	}
	json_close_list(j);
}

static void put_times(struct json_out *j, const struct cache_times *t, enum cache_state state)
{
	json_put_text(j, "state", state == CACHE_FRESH ? STR("fresh") : state == CACHE_OLD ? STR("old") : STR("expired"));
	json_put_int(j, "from_unix", clock_unix() - (int64_t)(t->age_ms / 1000));
	json_put_int(j, "fresh_for_s", (int64_t)(t->fresh_ms / 1000));
	json_put_int(j, "grace_for_s", (int64_t)(t->grace_ms / 1000));
}

/* {"user": "alice@example.org"} */
static enum err cmd_show(struct arena *a, struct str text, struct str *out)
{
	struct json_out    j = json_into(a);
	struct cached      known;
	struct cache_times times;
	enum cache_state   state;
	struct value       user = V_NULL;
	struct str         key, bytes;
	enum err           err = key_read(a, text, &key);

	if (err || !key.len)
		return err == ERR_NOMEM ? say(a, out, err, "out of memory") : no_user(a, out);
	json_open_object(&j, NULL);
	json_put_text(&j, "user", key);
	if (cache_peek(key, &known, &times, &state)) {
		bytes = str_n(known.bytes, known.len);
		put_times(&j, &times, state);
		json_put_bool(&j, "exists", known.len > 0);
		if (known.len)
			user = profile_record(a, bytes);
		if (user.type == T_RECORD) {
			put_fields(&j, user.u.rec);
			put_digests(&j, bytes);
		}
		cache_wipe(&known);
		if (known.len && user.type != T_RECORD)
			return say(a, out, ERR_NOMEM, "out of memory");
	} else {
		json_put_text(&j, "state", STR("not cached"));
	}
	json_close_object(&j);
	return answer(a, &j, out);
}

/* {"user": "alice@example.org"}; without: all */
static enum err cmd_flush(struct arena *a, struct str text, struct str *out)
{
	struct json_out j = json_into(a);
	int64_t         n = counter_read(&profile_entries);
	struct str      key;
	enum err        err = key_read(a, text, &key);

	if (err)
		return err == ERR_NOMEM ? say(a, out, err, "out of memory") : no_user(a, out);
	if (key.len)
		n = cache_drop(key);
	else
		cache_clear();
	json_open_object(&j, NULL);
	json_put_int(&j, "flushed", n);
	json_close_object(&j);
	return answer(a, &j, out);
}

const struct mod_command profile_commands[] = {
	{ "show", cmd_show, "what is in memory of a user, without its secrets; {\"user\": \"alice@example.org\"}" },
	{ "flush", cmd_flush, "forget one user, or all, so that the database is asked again; {\"user\": \"alice@example.org\"}" },
	{ 0 }
};
