/* Tables over the control channel: core.tables, core.table_list, core.table_set, core.table_remove, core.table_load. */
#include <stdio.h>

#include "base/json.h"
#include "script/commands.h"
#include "script/sht.h"

enum { PORTION = 500 };	/* entries of one answer */

static enum err done(const struct json_out *o, struct str *result)
{
	*result = json_done(o);
	return result->p ? OK : ERR_NOMEM;
}

static enum err fail(struct arena *a, enum err err, struct str *result, const char *what, struct str text)
{
	*result = arena_printf(a, "%s \"" STR_FMT "\"", what, STR_ARG(str_to(text, 80)));
	return err;
}

enum err cmd_tables(struct arena *a, struct str params, struct str *result)
{
	struct json_out          o = json_into(a);
	const struct sht_kept *t;

	(void)params;
	json_open_list(&o, NULL);
	for (size_t i = 0; (t = sht_at(i)); i++) {
		struct sht_info info = sht_info(t);

		json_open_object(&o, NULL);
		json_put_text(&o, "table", info.name);
		json_put_int(&o, "entries", info.count);
		json_put_int(&o, "max", info.max);
		json_put_text(&o, "key", str_of(vtype_name(info.key)));
		json_put_text(&o, "value", info.value == T_ANY ? STR("any") : str_of(vtype_name(info.value)));
		if (info.ttl_ms)
			json_put_int(&o, "ttl_s", info.ttl_ms / 1000);
		else
			json_put_null(&o, "ttl_s");	/* for ever */
		json_close_object(&o);
	}
	json_close_list(&o);
	return done(&o, result);
}

/* --- one table --- */

struct asked {
	struct json       *params;
	struct sht_kept *t;
	struct sht_info  info;
	struct str         key;		/* as it is kept; empty: none was given */
};

/* `siparioctl table set calls alice many` */
static enum err not_a_value(struct arena *a, struct str *result, enum vtype want, struct str text)
{
	char what[80];

	snprintf(what, sizeof(what), "the values of this table are %s, not", vtype_name(want));
	return fail(a, ERR_SYNTAX, result, what, text);
}

/* False: *result says what is wrong. The caller owes json_free(q->params) in both cases. */
static bool asked_for(struct arena *a, struct str params, struct asked *q, struct str *result)
{
	char         why[128];
	struct value key;
	struct str   name, text;

	*q = (struct asked){ .params = json_read(params, why, sizeof(why)) };
	name = json_text(json_get(q->params, "table"));
	text = json_text(json_get(q->params, "key"));
	q->t = sht_find(name);
	if (!q->t) {
		fail(a, ERR_NOT_FOUND, result, "no table", name);
		return false;
	}
	q->info = sht_info(q->t);
	if (!text.len)
		return true;
	q->key = value_parse(a, q->info.key, text, &key) ? sht_key(a, &key) : STR_NONE;
	if (q->key.p)
		return true;
	fail(a, ERR_SYNTAX, result, q->info.key == T_IP ? "not an IP address:" : "not a key of this table:", text);
	return false;
}

static void put_entry(void *arg, struct str key, const struct value *v, int64_t left_ms)
{
	struct json_out *o = arg;

	json_open_object(o, NULL);
	json_put_text(o, "key", key);
	if (v->type == T_INT)
		json_put_int(o, "value", v->u.i);
	else if (v->type == T_BOOL)
		json_put_bool(o, "value", v->u.b);
	else
		json_put_text(o, "value", value_text(o->arena, v));
	if (left_ms >= 0)
		json_put_int(o, "expires_s", (left_ms + 999) / 1000);
	json_close_object(o);
}

struct one {
	struct json_out *o;
	struct str       key;
};

static void put_if(void *arg, struct str key, const struct value *v, int64_t left_ms)
{
	struct one *one = arg;

	if (str_eq(key, one->key))
		put_entry(one->o, key, v, left_ms);
}

enum err cmd_table_list(struct arena *a, struct str params, struct str *result)
{
	struct json_out o = json_into(a);
	struct asked    q;
	struct one      one = { .o = &o };
	enum err        err = ERR_NOT_FOUND;
	int64_t         next;

	if (asked_for(a, params, &q, result)) {
		one.key = q.key;
		next = json_int(json_get(q.params, "from"), 0);
		json_open_object(&o, NULL);
		json_open_list(&o, "entries");
		next = sht_each(q.t, next > 0 && next <= UINT32_MAX ? (uint32_t)next : 0, q.key.p ? UINT32_MAX : PORTION, q.key.p ? put_if : put_entry,
				  q.key.p ? (void *)&one : &o);
		json_close_list(&o);
		json_put_int(&o, "next", next);
		json_close_object(&o);
		err = done(&o, result);
	}
	json_free(q.params);
	return err;
}

static enum err kept(struct arena *a, enum err err, struct str *result)
{
	switch (err) {
	case OK:
		*result = STR("{\"set\":1}");
		return OK;
	case ERR_LIMIT:
		*result = STR("the table is full");
		return err;
	case ERR_UNSUPPORTED:
		*result = arena_printf(a, "the value is too long: %d bytes at most", (int)SHT_MOST_VALUE);
		return err;
	default:
		return err;
	}
}

enum err cmd_table_set(struct arena *a, struct str params, struct str *result)
{
	struct asked q;
	struct value v;
	struct str   text;
	enum err     err = ERR_NOT_FOUND;

	if (asked_for(a, params, &q, result)) {
		text = json_text(json_get(q.params, "value"));
		if (!q.key.p || json_kind(json_get(q.params, "value")) != JSON_IS_TEXT)
			err = fail(a, ERR_SYNTAX, result, "table, key and value are wanted, for table", q.info.name);
		else if (!value_parse(a, q.info.value, text, &v))
			err = not_a_value(a, result, q.info.value, text);
		else
			err = kept(a, sht_set(q.t, q.key, &v), result);
	}
	json_free(q.params);
	return err;
}

enum err cmd_table_remove(struct arena *a, struct str params, struct str *result)
{
	struct asked q;
	struct value v = V_NULL;
	enum err     err = ERR_NOT_FOUND;

	if (asked_for(a, params, &q, result)) {
		if (!q.key.p)
			err = fail(a, ERR_SYNTAX, result, "a key is wanted, for table", q.info.name);
		else
			err = sht_get(q.t, a, q.key, &v);
		if (!err && v.type == T_NULL)
			err = fail(a, ERR_NOT_FOUND, result, "no such key:", q.key);
		else if (!err)
			err = sht_set(q.t, q.key, &(struct value){ .type = T_NULL });
		if (!err)
			*result = STR("{\"removed\":1}");
	}
	json_free(q.params);
	return err;
}

enum err cmd_table_load(struct arena *a, struct str params, struct str *result)
{
	struct asked q;
	enum err     err = ERR_NOT_FOUND;

	if (asked_for(a, params, &q, result)) {
		err = sht_load_ask(q.info.name);
		if (err)
			fail(a, err, result, "the script does not say from where (`load: \"TABLE\";`): table", q.info.name);
		else
			*result = STR("{\"loading\":1}");
	}
	json_free(q.params);
	return err;
}
