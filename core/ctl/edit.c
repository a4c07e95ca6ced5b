/* Commands that are one statement: the arguments become its values, the row it gives back an answer. */
#include "ctl/ctl.h"

#include "module/value.h"

enum { MOST_VALUES = 8 };
static const char classes_are[] = "lower-case letters, digits, - and _";

/* Values of a statement, and how people call them. */
struct values {
	struct db_value v[MOST_VALUES];
	unsigned        n;
};

static void push(struct values *s, struct str text)
{
	s->v[s->n++] = db_text(text);
}

/* --- sentences --- */

/* $1 … $9 are the values. */
static struct str filled(struct arena *a, const char *text, const struct db_value *v)
{
	struct str rest = str_of(text), all = STR("");

	while (rest.len) {
		struct str plain = str_take_until(&rest, '$');
		struct str value = rest.len && ch_digit(rest.p[0]) ? v[rest.p[0] - '1'].s : STR("");

		all = arena_printf(a, STR_FMT STR_FMT STR_FMT, STR_ARG(all), STR_ARG(plain), STR_ARG(ctl_printable(a, value)));
		rest = str_from(rest, rest.len && ch_digit(rest.p[0]));
	}
	return all;
}

static enum err fail_filled(struct ctl *c, enum err err, const char *text, const struct db_value *v)
{
	return ctl_fail(c, err, STR_FMT, STR_ARG(filled(c->arena, text, v)));
}

/* --- what has to be there --- */

enum err ctl_there(struct ctl *c, struct db *d, enum ctl_need what, const struct db_value *v)
{
	static const struct { const char *sql; unsigned n; const char *none; } table[] = {
		[NEED_DOMAIN] = { "SELECT 1 FROM domains WHERE name = $1", 1, "no domain $1: `siparioctl domain list` shows those there are" },
		[NEED_USER] = { "SELECT 1 FROM users WHERE name = $1 AND domain = $2", 2, "no user $1@$2: `siparioctl user list` shows those there are" },
		[NEED_CLASS] = { "SELECT 1 FROM call_classes WHERE name = $1", 1, "no class $1: `siparioctl class list` shows those there are" },
		[NEED_GROUP] = { "SELECT 1 FROM groups WHERE name = $1", 1, "no group $1: `siparioctl group list` shows those there are" },
	};
	struct db_rows rows;
	enum err       err;

	if (what == NEED_NONE)
		return OK;
	err = ctl_sql(c, d, table[what].sql, v, table[what].n, &rows);
	return err || rows.rows ? err : fail_filled(c, ERR_NOT_FOUND, table[what].none, v);
}

/* --- arguments --- */

static enum err take_class(struct ctl *c, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ch_digit(text.p[i]) && text.p[i] != '-' && text.p[i] != '_' && !(text.p[i] >= 'a' && text.p[i] <= 'z'))
			return ctl_fail(c, ERR_SYNTAX, "CLASS: character %zu of \"%.80s\" is not allowed; a class is written in %s", i + 1, text.p, classes_are);
	return ctl_word(c, "CLASS", text);
}

static enum err take_prefix(struct ctl *c, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!(i == 0 && text.p[i] == '+') && !ch_digit(text.p[i]) && text.p[i] != '*' && text.p[i] != '#')
			return ctl_fail(c, ERR_SYNTAX, "PREFIX: character %zu of \"%.80s\" is not allowed; a prefix is written in digits, * and #, with + in front or not",
					i + 1, text.p);
	return ctl_word(c, "PREFIX", text);
}

/* As PostgreSQL writes it: 192.0.2.0/24. */
static enum err take_network(struct ctl *c, struct str text, struct values *s)
{
	char        room[ADDR_TEXT];
	struct buf  b = buf_on(room, sizeof(room));
	struct addr net;
	uint8_t     prefix;
	struct str  bytes, said;

	if (cidr_parse(text, &net, &prefix))
		return ctl_fail(c, ERR_SYNTAX, "\"%.80s\" is no network: write it as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1", text.p);
	bytes = addr_ip_bytes(&net);
	for (size_t i = 0; i < bytes.len; i++)
		((uint8_t *)bytes.p)[i] &= (uint8_t)(i * 8 + 8 <= prefix ? 0xff : i * 8 >= prefix ? 0 : 0xff00 >> (prefix - i * 8));
	addr_ip_write(&net, &b);
	said = arena_printf(c->arena, STR_FMT "/%u", STR_ARG(buf_str(&b)), prefix);
	if (str_find(text, '/') >= 0 && !str_ieq(said, text))
		return ctl_fail(c, ERR_SYNTAX, "\"%.80s\" has bits behind its prefix: did you mean " STR_FMT "?", text.p, STR_ARG(said));
	if (!prefix && c->cmd->options & ~c->options & OPT_FORCE)	/* only who adds takes it */
		return ctl_fail(c, ERR_STATE, STR_FMT " is everybody: whoever finds this server could call anywhere at its expense; --force if it is meant", STR_ARG(said));
	push(s, said);
	return said.p ? OK : ERR_NOMEM;
}

static enum err take_user(struct ctl *c, const char *text, struct values *s)
{
	struct str name, domain;
	enum err   err = ctl_user(c, text, &name, &domain);

	if (err)
		return err;
	push(s, name);
	push(s, domain);
	return OK;
}

static enum err take(struct ctl *c, char kind, const char *arg, struct values *s)
{
	struct str text = str_of(arg);
	enum err   err = OK;

	if (kind == 'u' || kind == 'a')
		return take_user(c, arg, s);
	if (kind == 'n')
		return take_network(c, text, s);
	if (kind == 'c')
		err = take_class(c, text);
	else if (kind == 'p')
		err = take_prefix(c, text);
	else if (kind == 'w')
		err = ctl_word(c, "NAME", text);
	else if (kind == 't')
		err = ctl_text(c, "HELP", text);
	push(s, text);
	return err;
}

/* An argument that was left out is an empty text. */
static enum err take_all(struct ctl *c, const char *takes, struct values *s)
{
	enum err err = OK;

	for (int i = 0; takes && takes[i] && !err; i++)
		err = take(c, takes[i], i < c->argc ? c->argv[i] : "", s);
	return err;
}

/* --- changes --- */

static enum err fail_edit(struct ctl *c, enum err err, const struct ctl_edit *e, const struct db_value *v)
{
	const char *text = err == ERR_EXISTS ? e->exists : err == ERR_STATE ? e->refused : err == ERR_NOT_FOUND ? e->none : NULL;

	return text ? fail_filled(c, err, text, v) : err;
}

static enum err edit_in(struct ctl *c, struct db *d, void *arg)
{
	const struct ctl_edit *e = c->cmd->more;
	struct values         *s = arg;
	struct db_rows rows;
	enum err       err = OK;

	for (size_t i = 0; i < COUNT_OF(e->need) && !err; i++)
		err = ctl_there(c, d, e->need[i].what, &s->v[e->need[i].what ? e->need[i].at - 1 : 0]);
	if (err)
		return err;
	err = ctl_sql(c, d, e->sql, s->v, s->n, &rows);
	if (!err && !rows.rows)
		err = ERR_NOT_FOUND;
	return err ? fail_edit(c, err, e, s->v) : OK;
}

static void answer(struct ctl *c, const struct ctl_edit *e, const struct values *s)
{
	struct str keys = str_of(e->keys);
	unsigned   at = 0;

	json_open_object(&c->out, NULL);
	for (const char *k = e->takes; *k && keys.len; k++) {
		struct str key = str_take_until(&keys, ','), value = s->v[at++].s;

		if (*k == 'u' || *k == 'a') {
			value = arena_printf(c->arena, STR_FMT "@" STR_FMT, STR_ARG(value), STR_ARG(s->v[at].s));
			at++;
		}
		json_put_text(&c->out, arena_printf(c->arena, STR_FMT "%c", STR_ARG(key), 0).p, value);
	}
	json_close_object(&c->out);
	c->said = filled(c->arena, e->said, s->v);
}

enum err ctl_edit(struct ctl *c)
{
	const struct ctl_edit *e = c->cmd->more;
	struct values          s = { 0 };
	enum err               err = take_all(c, e->takes, &s);

	if (!err)
		err = ctl_change(c, edit_in, &s);
	if (!err)
		answer(c, e, &s);
	return err;
}

/* --- lists --- */

enum err ctl_list(struct ctl *c)
{
	const struct ctl_list *l = c->cmd->more;
	struct values          s = { 0 };
	struct db_rows         rows;
	struct db             *d;
	enum err               err = c->argc ? take_all(c, l->takes, &s) : OK;

	if (err)
		return err;
	d = ctl_open(c);
	if (!d)
		return ERR_IO;
	err = s.n ? ctl_there(c, d, l->need, s.v) : OK;
	if (!err)
		err = ctl_sql(c, d, s.n ? l->some : l->all, s.v, s.n, &rows);
	db_close(d);
	if (!err)
		ctl_put_rows(c, &rows, l->keys);
	return err;
}
