#include "modules/profile/profile.h"

#include <stdlib.h>

enum {	/* fields, in their order; up to VOICEMAIL they are columns as well, one further on */
	F_NAME, F_DOMAIN, F_DISPLAY_NAME, F_STATUS, F_ALWAYS, F_BUSY, F_NO_ANSWER, F_OFFLINE, F_VOICEMAIL,
	F_RING_TIME, F_DO_NOT_DISTURB, F_MAX_CALLS, F_MAX_CONTACTS, F_PERMISSIONS, F_GROUPS, F_PREFERENCES, FIELDS
};

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
	{ "max_calls", T_INT, true, "calls at a time" },
	{ "max_contacts", T_INT, true, "phones at a time" },
	{ "permissions", T_LIST, false, "classes of calls that the user may make, by itself or by its groups" },
	{ "groups", T_LIST, false, "names of the groups that the user is in" },
	{ "preferences", T_RECORD, false, "whatever else is kept of the user: a field each; null for others" },
	{ 0 }
};
const struct shape profile_shape = { "profile", fields };

/* A run that waits. Private memory: it outlives the request when that was a retransmission. */
struct lookup {
	struct wait *wait;	/* NULL: nobody waits any more */
};

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

static struct value number_value(const struct db_value *v)
{
	return v->type == DB_INT ? value_int(v->i) : V_NULL;
}

static size_t count_rows(struct str bytes, enum user_row kind)
{
	struct db_value row[U_COLUMNS];
	size_t          n = 0;

	while (user_next_row(&bytes, row))
		n += row[U_KIND].i == (int64_t)kind;
	return n;
}

/* Names come in order; one that is there twice, by a group and by itself, is taken once. */
static struct value list_value(struct arena *a, struct str bytes, enum user_row kind)
{
	struct value      *v = arena_alloc(a, (count_rows(bytes, kind) + 1) * sizeof(*v));
	struct list_value *l = ARENA_NEW(a, struct list_value);
	struct db_value    row[U_COLUMNS];
	size_t             n = 0;

	while (v && l && user_next_row(&bytes, row)) {
		if (row[U_KIND].i != (int64_t)kind || (n && str_eq(v[n - 1].u.s, row[U_NAME].s)))
			continue;
		v[n] = value_str(arena_dup(a, row[U_NAME].s));
		if (!v[n++].u.s.p)
			return V_NULL;
	}
	if (!v || !l)
		return V_NULL;
	*l = (struct list_value){ .count = n, .v = v };
	return (struct value){ .type = T_LIST, .u.list = l };
}

static bool preference(struct arena *a, const struct db_value *row, struct field *f, struct value *v)
{
	char *name = arena_zalloc(a, row[U_NAME].s.len + 1);

	if (!name)
		return false;
	memcpy(name, row[U_NAME].s.p, row[U_NAME].s.len);
	*f = (struct field){ .name = name, .type = T_STR, .help = "" };
	*v = value_str(arena_dup(a, row[U_DOMAIN].s));
	return v->u.s.p != NULL;
}

static struct value preferences_value(struct arena *a, struct str bytes)
{
	size_t          most = count_rows(bytes, ROW_PREFERENCE) + 1, n = 0;
	struct field   *f = arena_zalloc(a, most * sizeof(*f));
	struct value   *v = arena_zalloc(a, most * sizeof(*v));
	struct shape   *shape = ARENA_NEW(a, struct shape);
	struct record  *r = ARENA_NEW(a, struct record);
	struct db_value row[U_COLUMNS];

	if (!f || !v || !shape || !r)
		return V_NULL;
	while (user_next_row(&bytes, row)) {
		if (row[U_KIND].i != ROW_PREFERENCE)
			continue;
		if (!preference(a, row, &f[n], &v[n]))
			return V_NULL;
		n++;
	}
	*shape = (struct shape){ .name = "preferences", .fields = f, .open = true };
	*r = (struct record){ .shape = shape, .v = v };
	return value_record(r);
}

static bool lists(struct arena *a, struct str bytes, struct value *v)
{
	v[F_PERMISSIONS] = list_value(a, bytes, ROW_PERMISSION);
	v[F_GROUPS] = list_value(a, bytes, ROW_GROUP);
	v[F_PREFERENCES] = preferences_value(a, bytes);
	return v[F_PERMISSIONS].type && v[F_GROUPS].type && v[F_PREFERENCES].type;
}

struct value profile_record(struct arena *a, struct str bytes)
{
	struct value   *v = arena_alloc(a, FIELDS * sizeof(*v));
	struct record  *r = ARENA_NEW(a, struct record);
	struct str      rest = bytes;
	struct db_value row[U_COLUMNS];

	if (!v || !r || !user_next_row(&rest, row))
		return V_NULL;
	for (size_t i = 0; i <= F_VOICEMAIL; i++) {
		v[i] = text_value(a, &row[U_NAME + i], fields[i].nullable);
		if (v[i].type == T_STR && !v[i].u.s.p)
			return V_NULL;
	}
	v[F_RING_TIME] = row[U_RING_TIME].type == DB_INT && row[U_RING_TIME].i > 0 ? value_ms(row[U_RING_TIME].i * 1000) : V_NULL;
	v[F_DO_NOT_DISTURB] = value_bool(row[U_DO_NOT_DISTURB].i != 0);
	v[F_MAX_CALLS] = number_value(&row[U_MAX_CALLS]);
	v[F_MAX_CONTACTS] = number_value(&row[U_MAX_CONTACTS]);
	if (!lists(a, rest, v))
		return V_NULL;
	*r = (struct record){ .shape = &profile_shape, .v = v };
	return value_record(r);
}

static enum verdict unavailable(struct request *r, enum err err)
{
	char       room[32];
	struct buf headers = buf_on(room, sizeof(room));

	counter_inc(&profile_failures);
	LOG_IF(db_log_level(err), &r->c, "no profile from the store error=%s", err_name(err));
	buf_printf(&headers, "Retry-After: %d\r\n", PROFILE_RETRY_AFTER_S);
	return request_reply(r, 503, STR_NONE, buf_str(&headers)) ? V_ERROR : V_END;
}

static enum verdict conclude(struct request *r, enum err err, struct str bytes, struct value *out)
{
	if (err)
		return unavailable(r, err);
	if (!bytes.len)
		return V_OK;
	*out = profile_record(&r->arena, bytes);
	return out->type == T_RECORD ? V_OK : V_ERROR;
}

static void user_came(void *arg, enum err err, struct str bytes)
{
	struct lookup  *l = arg;
	struct request *r = l->wait ? wait_request(l->wait) : NULL;
	struct value    result = V_NULL;
	enum verdict    v = r ? conclude(r, err, bytes, &result) : V_END;

	if (l->wait)
		call_resume(l->wait, v, result);
	free(l);
}

static enum verdict ask(struct call *c, struct str user, struct str host)
{
	struct lookup *l = calloc(1, sizeof(*l));
	enum err       err = l ? users_ask(user, host, user_came, l) : ERR_NOMEM;

	if (err)
		free(l);
	if (err == ERR_SYNTAX)	/* not UTF-8: nobody has such a name */
		return V_OK;
	if (err)
		return unavailable(c->req, err);
	l->wait = call_suspend(c, PROFILE_MOST_WAIT_MS);	/* after asking: what cannot be asked need not wait */
	return l->wait ? V_SUSPEND : V_END;
}

/* Most are known: the run goes on at once. */
static enum verdict known_or_ask(struct call *c, struct str user, struct str host)
{
	struct cached known;
	enum verdict  v;

	if (!users_known(user, host, &known))
		return ask(c, user, host);
	v = conclude(c->req, OK, str_n(known.bytes, known.len), &c->result);
	cache_wipe(&known);
	return v;
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
	return known_or_ask(c, user, host);
}
