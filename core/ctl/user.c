#include "ctl/ctl.h"

#include "base/crypto.h"
#include "msg/uri.h"

struct user {
	struct str name, domain;
};

static enum err no_user(struct ctl *c, const struct user *u)
{
	return ctl_fail(c, ERR_NOT_FOUND, "no user " STR_FMT "@" STR_FMT ": `siparioctl user list` shows those there are", STR_ARG(u->name),
			STR_ARG(u->domain));
}

static void answer_user(struct ctl *c, const struct user *u, const char *done, const struct str *password)
{
	struct str who = arena_printf(c->arena, STR_FMT "@" STR_FMT, STR_ARG(u->name), STR_ARG(u->domain));
	bool       tell = password && c->options & OPT_GENERATE;

	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "user", who);
	if (tell)
		json_put_text(&c->out, "password", *password);
	json_close_object(&c->out);
	if (tell)
		ctl_say(c, "user " STR_FMT " %s\npassword: " STR_FMT, STR_ARG(who), done, STR_ARG(*password));
	else
		ctl_say(c, "user " STR_FMT " %s", STR_ARG(who), done);
}

/* What an INSERT, UPDATE or DELETE on one user's row changed. */
static enum err change(struct ctl *c, struct db *d, const char *sql, const struct db_value *v, unsigned n, const struct user *u)
{
	struct db_rows rows;
	enum err       err = ctl_sql(c, d, sql, v, n, &rows);

	if (!err && !rows.rows)
		return no_user(c, u);
	return err;
}

/* --- add, passwd --- */

static enum err domain_there(struct ctl *c, struct db *d, const struct user *u)
{
	struct db_value v[] = { db_text(u->domain), db_text(u->name) };
	struct db_rows  rows;
	enum err        err = ctl_sql(c, d, "SELECT (SELECT count(*) FROM users WHERE name = $2 AND domain = $1) FROM domains WHERE name = $1", v, 2, &rows);

	if (err)
		return err;
	if (!rows.rows)
		return ctl_fail(c, ERR_NOT_FOUND, "no domain " STR_FMT ": add it first with `siparioctl domain add " STR_FMT "`", STR_ARG(u->domain),
				STR_ARG(u->domain));
	if (rows.cell[0].i)
		return ctl_fail(c, ERR_EXISTS, "user " STR_FMT "@" STR_FMT " is there already: `siparioctl user passwd` gives a new password",
				STR_ARG(u->name), STR_ARG(u->domain));
	return OK;
}

static enum err user_there(struct ctl *c, struct db *d, const struct user *u)
{
	return ctl_there(c, d, NEED_USER, (struct db_value[]){ db_text(u->name), db_text(u->domain) });
}

/* Asks only after it is clear that the password will be of use. values: how many the statement takes of name, domain, both digests, display name;
 * PostgreSQL refuses one that it does not use. */
static enum err with_password(struct ctl *c, struct db *d, const struct user *u, const char *sql, unsigned values, struct str *password)
{
	struct ha1 h;
	enum err   err = ctl_password(c, password);

	if (err)
		return err;
	err = ha1_make(u->name, u->domain, *password, &h);
	if (err)
		return ctl_fail(c, err, "the digest cannot be computed: %s", err_name(err));
	err = change(c, d, sql, (struct db_value[]){ db_text(u->name), db_text(u->domain), db_text(str_n(h.md5, MD5_HEX)),
		     db_text(str_n(h.sha256, SHA256_HEX)), db_text(str_of(c->display)) }, values, u);
	return err != ERR_STATE ? err : ctl_fail(c, err, STR_FMT "@" STR_FMT " is an alias: `siparioctl alias list` shows whose", STR_ARG(u->name), STR_ARG(u->domain));
}

static enum err set_password(struct ctl *c, const char *sql, unsigned values, const char *done,
			     enum err (*first)(struct ctl *c, struct db *d, const struct user *u))
{
	struct str  password = STR_NONE;
	struct user u;
	struct db  *d;
	enum err    err = ctl_user(c, c->argv[0], &u.name, &u.domain);

	if (!err)
		err = ctl_text(c, "--display", str_of(c->display));
	if (err)
		return err;
	d = ctl_open(c);
	if (!d)
		return ERR_IO;
	err = first(c, d, &u);
	if (!err)
		err = with_password(c, d, &u, sql, values, &password);
	db_close(d);
	if (!err)
		answer_user(c, &u, done, &password);
	if (password.p)
		crypto_wipe((char *)password.p, password.len);
	return err;
}

static enum err user_add(struct ctl *c)
{
	return set_password(c, "INSERT INTO users (name, domain, ha1_md5, ha1_sha256, display_name) VALUES ($1, $2, $3, $4, $5) RETURNING id",
			    5, "added", domain_there);
}

static enum err user_passwd(struct ctl *c)
{
	return set_password(c, "UPDATE users SET ha1_md5 = $3, ha1_sha256 = $4 WHERE name = $1 AND domain = $2 RETURNING id",
			    4, "has a new password", user_there);
}

/* --- list, show, remove --- */

static enum err user_list(struct ctl *c)
{
	static const char *const names[] = { "user", "status", "display_name", "created_unix" };
	static const char        all[] = "SELECT name || '@' || domain, status, display_name, created FROM users ORDER BY domain, name";
	static const char        some[] = "SELECT name || '@' || domain, status, display_name, created FROM users WHERE domain = $1 ORDER BY name";
	struct db_rows           rows;
	struct str               domain = STR_NONE;
	struct db_value          v;
	enum err                 err = c->argc ? ctl_domain(c, c->argv[0], &domain) : OK;

	if (err)
		return err;
	v = db_text(domain);
	err = ctl_query(c, c->argc ? some : all, &v, c->argc ? 1 : 0, &rows);
	if (!err)
		ctl_put_rows(c, &rows, names);
	return err;
}

static enum err user_show(struct ctl *c)
{
	static const char *const names[] = { "user", "status", "display_name", "do_not_disturb", "ring_time_s", "forward_always", "forward_busy", "forward_no_answer",
					     "forward_offline", "voicemail", "max_contacts", "max_calls", "digests", "created_unix" };
	struct user              u;
	struct db_rows           rows;
	enum err                 err = ctl_user(c, c->argv[0], &u.name, &u.domain);

	if (err)
		return err;
	err = ctl_query(c, "SELECT name || '@' || domain, status, display_name, CASE WHEN do_not_disturb THEN 'on' ELSE 'off' END, ring_time, "
			"forward_always, forward_busy, forward_no_answer, forward_offline, voicemail, max_contacts, max_calls, rtrim(CASE WHEN ha1_md5 IS NULL THEN '' ELSE 'MD5, ' END || CASE WHEN ha1_sha256 IS NULL THEN '' ELSE 'SHA-256' END, ', '), created FROM users "
			"WHERE name = $1 AND domain = $2", (struct db_value[]){ db_text(u.name), db_text(u.domain) }, 2, &rows);
	if (err)
		return err;
	if (!rows.rows)
		return no_user(c, &u);
	ctl_put_row(c, &rows, 0, names);
	return OK;
}

static enum err user_remove(struct ctl *c)
{
	struct user    u;
	struct db_rows rows;
	enum err       err = ctl_user(c, c->argv[0], &u.name, &u.domain);

	if (err)
		return err;
	err = ctl_query(c, "DELETE FROM users WHERE name = $1 AND domain = $2 RETURNING id",
			(struct db_value[]){ db_text(u.name), db_text(u.domain) }, 2, &rows);
	if (err)
		return err;
	if (!rows.rows)
		return no_user(c, &u);
	answer_user(c, &u, "removed", NULL);
	return OK;
}

/* --- set --- */

enum kind { K_STATUS, K_TEXT, K_SWITCH, K_SECONDS, K_NUMBER, K_URI };
static const struct field {
	const char *name;
	enum kind   kind;
	const char *sql;
	uint32_t    least, most;	/* K_NUMBER */
} fields[] = {
	{ "status", K_STATUS, "UPDATE users SET status = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "display_name", K_TEXT, "UPDATE users SET display_name = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "do_not_disturb", K_SWITCH, "UPDATE users SET do_not_disturb = ($3 = 1) WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "ring_time", K_SECONDS, "UPDATE users SET ring_time = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "forward_always", K_URI, "UPDATE users SET forward_always = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "forward_busy", K_URI, "UPDATE users SET forward_busy = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "forward_no_answer", K_URI, "UPDATE users SET forward_no_answer = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "forward_offline", K_URI, "UPDATE users SET forward_offline = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "voicemail", K_URI, "UPDATE users SET voicemail = $3 WHERE name = $1 AND domain = $2 RETURNING id" },
	{ "max_contacts", K_NUMBER, "UPDATE users SET max_contacts = $3 WHERE name = $1 AND domain = $2 RETURNING id", 1, 100 },
	{ "max_calls", K_NUMBER, "UPDATE users SET max_calls = $3 WHERE name = $1 AND domain = $2 RETURNING id", 0, 10000 },
};

static enum err take_seconds(struct ctl *c, struct str text, struct db_value *v)
{
	struct str digits = text.len && text.p[text.len - 1] == 's' ? str_to(text, text.len - 1) : text;
	uint32_t   s;

	if (!str_u32(digits, &s) || s < 1 || s > 180)
		return ctl_fail(c, ERR_SYNTAX, "ring_time \"" STR_FMT "\": expected 1s to 180s, or nothing for the script's own", STR_ARG(str_to(text, 80)));
	*v = db_int(s);
	return OK;
}

static enum err take_uri(struct ctl *c, const char *field, struct str text, struct db_value *v)
{
	struct uri u;

	if (uri_parse(text, &u) || u.scheme == URI_OTHER)
		return ctl_fail(c, ERR_SYNTAX, "%s: \"" STR_FMT "\" is no sip, sips or tel URI (sip:bob@example.org)", field, STR_ARG(str_to(text, 80)));
	*v = db_text(text);
	return OK;
}

static enum err take_number(struct ctl *c, const struct field *f, struct str text, struct db_value *v)
{
	uint32_t n;

	if (!str_u32(text, &n) || n < f->least || n > f->most)
		return ctl_fail(c, ERR_SYNTAX, "%s \"" STR_FMT "\": expected %u to %u, or nothing for the server's own", f->name, STR_ARG(str_to(text, 80)), f->least, f->most);
	*v = db_int(n);
	return OK;
}

static enum err take_switch(struct ctl *c, const struct field *f, struct str text, struct db_value *v)
{
	*v = db_int(str_is(text, "on"));
	return v->i || str_is(text, "off") ? OK : ctl_fail(c, ERR_SYNTAX, "%s \"" STR_FMT "\": expected on or off", f->name, STR_ARG(str_to(text, 80)));
}

static enum err take_value(struct ctl *c, const struct field *f, struct str text, struct db_value *v)
{
	*v = f->kind == K_TEXT ? db_text(text) : db_null();
	if (f->kind == K_TEXT)
		return ctl_text(c, f->name, text);
	if (f->kind == K_STATUS) {
		*v = db_text(text);
		return str_is(text, "active") || str_is(text, "disabled") ? OK : ctl_fail(c, ERR_SYNTAX, "status \"" STR_FMT "\": expected active or disabled", STR_ARG(str_to(text, 80)));
	}
	if (f->kind == K_SWITCH)
		return take_switch(c, f, text, v);
	if (!text.len)
		return OK;	/* none any more */
	if (f->kind == K_NUMBER)
		return take_number(c, f, text, v);
	return f->kind == K_URI ? take_uri(c, f->name, text, v) : take_seconds(c, text, v);
}

/* --- fields by number, for whole files of users --- */

const char *ctl_user_field(size_t i)
{
	return i < COUNT_OF(fields) ? fields[i].name : NULL;
}

const char *ctl_user_preset(size_t i)
{
	return fields[i].kind == K_STATUS ? "active" : fields[i].kind == K_SWITCH ? "off" : "";
}

bool ctl_user_is_switch(size_t i)
{
	return fields[i].kind == K_SWITCH;
}

enum err ctl_user_judge(struct ctl *c, size_t i, struct str text, struct db_value *v)
{
	return take_value(c, &fields[i], text, v);
}

void ctl_user_cast(size_t i, const char **before, const char **after)
{
	bool number = fields[i].kind == K_SECONDS || fields[i].kind == K_NUMBER || fields[i].kind == K_SWITCH;

	*before = number ? "CAST(" : "";
	*after = fields[i].kind == K_SWITCH ? " AS integer) = 1" : number ? " AS integer)" : "";
}

static const struct field *find_field(struct ctl *c, struct str name)
{
	const char *names[COUNT_OF(fields)], *near;

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (str_is(name, fields[i].name))
			return &fields[i];
		names[i] = fields[i].name;
	}
	near = ctl_nearest(name, names, COUNT_OF(fields));
	if (near)
		ctl_fail(c, ERR_SYNTAX, "no field \"" STR_FMT "\": did you mean \"%s\"?", STR_ARG(str_to(name, 80)), near);
	else
		ctl_fail(c, ERR_SYNTAX, "no field \"" STR_FMT "\": there are status, display_name, do_not_disturb, ring_time, forward_always, "
			 "forward_busy, forward_no_answer, forward_offline, voicemail, max_contacts, max_calls", STR_ARG(str_to(name, 80)));
	return NULL;
}

enum err ctl_user_assign(struct ctl *c, struct db *d, struct str name, struct str domain, struct str field, struct str value)
{
	struct user         u = { name, domain };
	struct db_value     v[3] = { db_text(name), db_text(domain) };
	const struct field *f = find_field(c, field);
	enum err            err;

	if (!f)
		return ERR_SYNTAX;
	err = take_value(c, f, value, &v[2]);
	return err ? err : change(c, d, f->sql, v, 3, &u);
}

static enum err set_one(struct ctl *c, struct db *d, const struct user *u, const char *assignment)
{
	struct str value = str_of(assignment), field;

	if (str_find(value, '=') < 0)
		return ctl_fail(c, ERR_SYNTAX, "\"%.80s\": expected FIELD=VALUE, as forward_busy=sip:bob@example.org", assignment);
	field = str_take_until(&value, '=');
	return ctl_user_assign(c, d, u->name, u->domain, field, value);
}

static enum err set_all(struct ctl *c, struct db *d, void *user)
{
	enum err err = OK;

	for (int i = 1; i < c->argc && !err; i++)
		err = set_one(c, d, user, c->argv[i]);
	return err;
}

static enum err user_set(struct ctl *c)
{
	struct user u;
	enum err    err = ctl_user(c, c->argv[0], &u.name, &u.domain);

	if (!err)
		err = ctl_change(c, set_all, &u);
	if (!err)
		answer_user(c, &u, "changed", NULL);
	return err;
}

const struct ctl_command ctl_user_commands[] = {
	{ "user", "add", "NAME@DOMAIN", "a new user; the password by prompt, --stdin or --generate", OPT_STDIN | OPT_GENERATE | OPT_DISPLAY, user_add },
	{ "user", "passwd", "NAME@DOMAIN", "a new password, in the same ways", OPT_STDIN | OPT_GENERATE, user_passwd },
	{ "user", "set", "NAME@DOMAIN FIELD=VALUE …", "status, display_name, do_not_disturb, ring_time, forward_…, voicemail, max_…; no value: none", 0, user_set },
	{ "user", "list", "[DOMAIN]", "all users, or a domain's", 0, user_list },
	{ "user", "show", "NAME@DOMAIN", "all about one user", 0, user_show },
	{ "user", "remove", "NAME@DOMAIN", "forget a user; contacts go when they expire", 0, user_remove },
	{ 0 }
};
