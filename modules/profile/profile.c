#include "modules/profile/profile.h"

#include <stdlib.h>

enum column { C_NAME, C_DOMAIN, C_DISPLAY_NAME, C_STATUS, C_ALWAYS, C_BUSY, C_NO_ANSWER, C_OFFLINE, C_VOICEMAIL, C_RING_TIME, C_DO_NOT_DISTURB, COLUMNS };

static struct db_stmt by_user = {
	"SELECT name, domain, display_name, status, forward_always, forward_busy, forward_no_answer, forward_offline, voicemail, ring_time, "
	"CASE WHEN do_not_disturb THEN 1 ELSE 0 END "
	"FROM users WHERE name = $1 AND domain = $2 AND status = 'active'", 2, 0
};

/* In the order of the columns. */
static const struct field fields[] = {
	{ "name", T_STR, false, "the user part" },
	{ "domain", T_STR, false, "the domain" },
	{ "display_name", T_STR, true, "for people" },
	{ "status", T_STR, false, "\"active\"; others are not found" },
	{ "forward_always", T_STR, true, "URI for every call" },
	{ "forward_busy", T_STR, true, "URI for calls that were answered 486" },
	{ "forward_no_answer", T_STR, true, "URI for calls that were not answered in time" },
	{ "forward_offline", T_STR, true, "URI for calls while no phone is registered" },
	{ "voicemail", T_STR, true, "URI where callers may leave a message" },
	{ "ring_time", T_DURATION, true, "how long to wait for an answer" },
	{ "do_not_disturb", T_BOOL, false, "no call shall ring" },
	{ 0 }
};
const struct shape profile_shape = { "profile", fields };

/* A run that waits. Private memory: it outlives the request when that was a retransmission. */
struct lookup {
	struct wait *wait;	/* NULL: nobody waits any more */
};

void profile_boot(void)
{
	db_stmt_register(&by_user);
}

static struct str lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; p && i < s.len; i++)
		p[i] = ch_lower(s.p[i]);
	return p ? str_n(p, s.len) : STR_NONE;
}

enum err user_parse(struct arena *a, struct str text, struct str domain, struct str *user, struct str *host)
{
	ptrdiff_t  at = str_find(text, '@'), colon = str_find(text, ':');
	bool       has_host = at >= 0, has_scheme = colon >= 0 && (!has_host || colon < at);
	struct uri u = { .user = text, .host = domain };
	struct str name, where;

	if (has_scheme && uri_parse(text, &u))
		return ERR_SYNTAX;
	if (has_host && !has_scheme) {
		text = arena_printf(a, "sip:" STR_FMT, STR_ARG(text));
		if (!text.p || uri_parse(text, &u))
			return text.p ? ERR_SYNTAX : ERR_NOMEM;
	}
	name = uri_unescape(a, u.user);
	where = lower(a, u.host.len ? u.host : domain);	/* tel: has no host */
	if (!name.p || !where.p)
		return ERR_NOMEM;
	*user = name;
	*host = where;
	return OK;
}

static struct value text_value(struct arena *a, const struct db_value *v, bool nullable)
{
	struct str s = v->type == DB_TEXT ? v->s : STR("");

	return nullable && !s.len ? V_NULL : value_str(arena_dup(a, s));
}

struct value profile_record(struct arena *a, const struct db_value *row)
{
	struct value  *v = arena_alloc(a, COLUMNS * sizeof(*v));
	struct record *r = ARENA_NEW(a, struct record);

	if (!v || !r)
		return V_NULL;
	for (size_t i = 0; i < C_RING_TIME; i++) {
		v[i] = text_value(a, &row[i], fields[i].nullable);
		if (v[i].type == T_STR && !v[i].u.s.p)
			return V_NULL;
	}
	v[C_RING_TIME] = row[C_RING_TIME].type == DB_INT && row[C_RING_TIME].i > 0 ? value_ms(row[C_RING_TIME].i * 1000) : V_NULL;
	v[C_DO_NOT_DISTURB] = value_bool(row[C_DO_NOT_DISTURB].i != 0);
	*r = (struct record){ .shape = &profile_shape, .v = v };
	return value_record(r);
}

static enum verdict unavailable(struct request *r, enum err err)
{
	char       room[32];
	struct buf headers = buf_on(room, sizeof(room));

	counter_inc(&profile_failures);
	log_error(&r->c, "no profile from the store error=%s", err_name(err));
	buf_printf(&headers, "Retry-After: %d\r\n", PROFILE_RETRY_AFTER_S);
	return request_reply(r, 503, STR_NONE, buf_str(&headers)) ? V_ERROR : V_END;
}

static enum verdict conclude(struct request *r, enum err err, const struct db_rows *rows, struct value *out)
{
	if (err)
		return unavailable(r, err);
	if (!rows->rows)
		return V_OK;
	*out = profile_record(&r->arena, rows->cell);
	return out->type == T_RECORD ? V_OK : V_ERROR;
}

static void row_came(void *arg, enum err err, const struct db_rows *rows)
{
	struct lookup  *l = arg;
	struct request *r = l->wait ? wait_request(l->wait) : NULL;
	struct value    result = V_NULL;
	enum verdict    v = r ? conclude(r, err, rows, &result) : V_END;

	if (l->wait)
		call_resume(l->wait, v, result);
	free(l);
}

static enum verdict ask(struct call *c, struct str user, struct str host)
{
	const struct db_value v[] = { db_text(user), db_text(host) };
	struct lookup        *l = calloc(1, sizeof(*l));
	enum err              err = l ? db_query(&by_user, v, row_came, l) : ERR_NOMEM;

	if (err)
		free(l);
	if (err == ERR_SYNTAX)	/* not UTF-8: nobody has such a name */
		return V_OK;
	if (err)
		return unavailable(c->req, err);
	counter_inc(&profile_queries);
	l->wait = call_suspend(c, PROFILE_MOST_WAIT_MS);	/* after asking: what cannot be asked need not wait */
	return l->wait ? V_SUSPEND : V_END;
}

enum verdict fn_profile(struct call *c)
{
	struct request   *r = c->req;
	const struct uri *ruri = msg_ruri(&r->msg);
	enum vtype        type = c->argv[0].type;
	struct str        user, host;
	enum err          err;

	if (type != T_STR && type != T_URI) {
		log_error(&r->c, "profile() wants a URI or a user, got %s", vtype_name(type));
		return V_ERROR;
	}
	err = user_parse(&r->arena, c->argv[0].u.s, ruri ? ruri->host : STR_NONE, &user, &host);
	if (err == ERR_NOMEM)
		return V_ERROR;
	if (err || !user.len)
		return V_OK;
	return ask(c, user, host);
}
