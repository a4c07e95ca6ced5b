/* What a script asks: whose call is this, and how many have they? */
#include "modules/cdr/cdr.h"

#include "base/log.h"

/* sip:alice@example.org, "alice@Example.ORG" without a scheme, or any name of the script's ("trunk-1"): the same user has the same key. */
static enum err key_of(struct call *c, uint64_t *key)
{
	const struct value *v = &c->argv[0];
	struct str          text = v->u.s, whole;
	struct uri          u;
	struct buf          b;
	char               *room;

	if (v->type != T_STR && v->type != T_URI)
		return ERR_SYNTAX;
	whole = text;
	if (uri_parse(whole, &u) && str_find(text, '@') > 0)
		whole = arena_printf(&c->req->arena, "sip:" STR_FMT, STR_ARG(text));
	if (!whole.p && text.len)
		return ERR_NOMEM;
	if (uri_parse(whole, &u)) {
		*key = cdr_key(text);
		return OK;
	}
	room = arena_alloc(&c->req->arena, whole.len * 3 + 16);
	if (!room)
		return ERR_NOMEM;
	b = buf_on(room, whole.len * 3 + 16);
	uri_aor(&u, &b);
	*key = cdr_key(buf_ok(&b) ? buf_str(&b) : text);
	return OK;
}

static enum verdict failed(struct call *c, const char *func, enum err err)
{
	if (err == ERR_SYNTAX)
		log_error(c->c, "%s() wants a URI or a name, got %s", func, vtype_name(c->argv[0].type));
	else
		log_error(c->c, "%s() has no memory", func);
	return V_ERROR;
}

enum verdict fn_count_call(struct call *c)
{
	uint64_t key = 0;
	enum err err = key_of(c, &key);

	if (err)
		return failed(c, "count_call", err);
	c->result = value_bool(true);
	if (!invite_begins_call(c->req))
		return V_OK;
	if (request_stateful(c->req))
		return V_END;
	err = invite_count(c->req, key, c->argv[1].u.i);
	if (err == ERR_NOMEM)
		return failed(c, "count_call", err);
	c->result = value_bool(!err);
	return V_OK;
}

enum verdict fn_uncount_call(struct call *c)
{
	uint64_t key = 0;
	enum err err = key_of(c, &key);

	if (err)
		return failed(c, "uncount_call", err);
	if (invite_begins_call(c->req) && c->req->t)
		invite_uncount(c->req, key);
	return V_OK;
}

enum verdict fn_calls_of(struct call *c)
{
	uint64_t key = 0;
	enum err err = key_of(c, &key);

	if (err)
		return failed(c, "calls_of", err);
	c->result = value_int(seats_taken(key));
	return V_OK;
}
