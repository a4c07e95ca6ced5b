/* What becomes of calls to a user: aliases, forwardings, do-not-disturb; and preferences. */
#include "ctl/ctl.h"

#define KEYS(...) (const char *const[]){ __VA_ARGS__ }

static const struct ctl_edit
alias_add = {
	.takes = "au", .keys = "alias,user", .need = { { NEED_DOMAIN, 2 }, { NEED_USER, 3 } },
	.sql = "INSERT INTO aliases (name, domain, user_id) VALUES ($1, $2, (SELECT id FROM users WHERE name = $3 AND domain = $4)) RETURNING name",
	.exists = "alias $1@$2 is there already: `siparioctl alias remove $1@$2` first",
	.refused = "$1@$2 is the address of a user: an alias has one of its own", .said = "calls to $1@$2 go to $3@$4",
},
alias_remove = {
	.takes = "a", .keys = "alias", .sql = "DELETE FROM aliases WHERE name = $1 AND domain = $2 RETURNING name",
	.none = "no alias $1@$2: `siparioctl alias list` shows those there are", .said = "alias $1@$2 removed",
},
dnd_on = {
	.takes = "u", .keys = "user", .need = { { NEED_USER, 1 } },
	.sql = "UPDATE users SET do_not_disturb = (1 = 1) WHERE name = $1 AND domain = $2 RETURNING name", .said = "$1@$2 is not disturbed",
},
dnd_off = {
	.takes = "u", .keys = "user", .need = { { NEED_USER, 1 } },
	.sql = "UPDATE users SET do_not_disturb = (1 = 0) WHERE name = $1 AND domain = $2 RETURNING name", .said = "$1@$2 takes calls",
},
preference_set = {
	.takes = "uwv", .keys = "user,preference,value", .need = { { NEED_USER, 1 } },
	.sql = "INSERT INTO preferences (user_id, name, value) VALUES ((SELECT id FROM users WHERE name = $1 AND domain = $2), $3, $4) "
	"ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value RETURNING name",
	.said = "$3 of $1@$2 set",
},
preference_unset = {
	.takes = "uw", .keys = "user,preference", .need = { { NEED_USER, 1 } },
	.sql = "DELETE FROM preferences WHERE user_id = (SELECT id FROM users WHERE name = $1 AND domain = $2) AND name = $3 RETURNING name",
	.none = "$1@$2 has no preference $3: `siparioctl preference list $1@$2` shows what there is", .said = "$3 of $1@$2 removed",
};

static const struct ctl_list
alias_list = {
	.takes = "u", .need = NEED_USER,
	.all = "SELECT a.name || '@' || a.domain, u.name || '@' || u.domain FROM aliases a JOIN users u ON u.id = a.user_id ORDER BY a.domain, a.name",
	.some = "SELECT a.name || '@' || a.domain, u.name || '@' || u.domain FROM aliases a JOIN users u ON u.id = a.user_id WHERE u.name = $1 AND u.domain = $2 "
	"ORDER BY a.domain, a.name",
	.keys = KEYS("alias", "user"),
},
forward_list = {
	.takes = "u", .need = NEED_USER, .all = "SELECT address, replace(kind, ' ', '-'), target, ring_time FROM forwardings ORDER BY address, kind",
	.some = "SELECT address, replace(kind, ' ', '-'), target, ring_time FROM forwardings WHERE address = $1 || '@' || $2 ORDER BY kind",
	.keys = KEYS("user", "when", "target", "ring_time_s"),
},
dnd_list = {
	.all = "SELECT name || '@' || domain, display_name FROM users WHERE do_not_disturb ORDER BY domain, name", .keys = KEYS("user", "display_name"),
},
preference_list = {
	.takes = "u", .need = NEED_USER,
	.all = "SELECT u.name || '@' || u.domain, p.name, p.value FROM preferences p JOIN users u ON u.id = p.user_id ORDER BY u.domain, u.name, p.name",
	.some = "SELECT u.name || '@' || u.domain, p.name, p.value FROM preferences p JOIN users u ON u.id = p.user_id WHERE u.name = $1 AND u.domain = $2 ORDER BY p.name",
	.keys = KEYS("user", "preference", "value"),
};

/* --- forwardings: fields of the user --- */

static const char *const whens[] = { "always", "busy", "no-answer", "offline" };
static const char *const fields[] = { "forward_always", "forward_busy", "forward_no_answer", "forward_offline" };

static enum err take_when(struct ctl *c, const char *text, size_t *when)
{
	const char *near;

	for (*when = 0; *when < COUNT_OF(whens); ++*when)
		if (!strcmp(text, whens[*when]))
			return OK;
	near = ctl_nearest(str_of(text), whens, COUNT_OF(whens));
	return near ? ctl_fail(c, ERR_SYNTAX, "no forwarding \"%.80s\": did you mean \"%s\"?", text, near) :
	       ctl_fail(c, ERR_SYNTAX, "no forwarding \"%.80s\": there are always, busy, no-answer, offline", text);
}

struct forward {
	struct str name, domain;
	size_t     first, last;		/* of the fields */
	struct str target, ring_time;	/* ring_time.p NULL: leave it */
};

static enum err apply(struct ctl *c, struct db *d, void *arg)
{
	const struct forward *f = arg;
	enum err              err = OK;

	for (size_t i = f->first; i <= f->last && !err; i++)
		err = ctl_user_assign(c, d, f->name, f->domain, str_of(fields[i]), f->target);
	if (!err && f->ring_time.p)
		err = ctl_user_assign(c, d, f->name, f->domain, STR("ring_time"), f->ring_time);
	return err;
}

static enum err forward(struct ctl *c, struct forward *f)
{
	enum err err = ctl_change(c, apply, f);

	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "user", arena_printf(c->arena, STR_FMT "@" STR_FMT, STR_ARG(f->name), STR_ARG(f->domain)));
	json_close_object(&c->out);
	if (f->target.len)
		ctl_say(c, STR_FMT "@" STR_FMT " forwards to " STR_FMT ": %s", STR_ARG(f->name), STR_ARG(f->domain), STR_ARG(f->target), whens[f->first]);
	else
		ctl_say(c, STR_FMT "@" STR_FMT " does not forward any more: %s", STR_ARG(f->name), STR_ARG(f->domain), f->first == f->last ? whens[f->first] : "all");
	return OK;
}

static enum err forward_set(struct ctl *c)
{
	struct forward f = { .target = str_of(c->argv[2]), .ring_time = str_of(c->argc > 3 ? c->argv[3] : NULL) };
	enum err       err = ctl_user(c, c->argv[0], &f.name, &f.domain);

	if (!err)
		err = take_when(c, c->argv[1], &f.first);
	if (err)
		return err;
	f.last = f.first;
	if (!f.target.len)
		return ctl_fail(c, ERR_SYNTAX, "where to? `siparioctl forward clear` ends a forwarding");
	if (f.ring_time.p && strcmp(whens[f.first], "no-answer") != 0)
		return ctl_fail(c, ERR_SYNTAX, "only no-answer has a ring time: leave out \"%.80s\"", c->argv[3]);
	return forward(c, &f);
}

static enum err forward_clear(struct ctl *c)
{
	struct forward f = { .last = COUNT_OF(fields) - 1, .target = STR("") };
	enum err       err = ctl_user(c, c->argv[0], &f.name, &f.domain);

	if (!err && c->argc > 1) {
		err = take_when(c, c->argv[1], &f.first);
		f.last = f.first;
	}
	return err ? err : forward(c, &f);
}

const struct ctl_command ctl_address_commands[] = {
	{ "alias", "add", "ALIAS@DOMAIN NAME@DOMAIN", "a further address of a user", 0, ctl_edit, &alias_add },
	{ "alias", "remove", "ALIAS@DOMAIN", "forget one", 0, ctl_edit, &alias_remove },
	{ "alias", "list", "[NAME@DOMAIN]", "all aliases, or a user's", 0, ctl_list, &alias_list },
	{ "forward", "set", "NAME@DOMAIN WHEN URI [RING-TIME]", "forward calls: always, busy, no-answer (after RING-TIME, as 20s) or offline", 0, forward_set },
	{ "forward", "clear", "NAME@DOMAIN [WHEN]", "end a user's forwardings, or one", 0, forward_clear },
	{ "forward", "list", "[NAME@DOMAIN]", "all forwardings, or a user's", 0, ctl_list, &forward_list },
	{ "dnd", "on", "NAME@DOMAIN", "do not disturb: no call reaches the user, but for the forwardings", 0, ctl_edit, &dnd_on },
	{ "dnd", "off", "NAME@DOMAIN", "the user takes calls", 0, ctl_edit, &dnd_off },
	{ "dnd", "list", "", "who is not to be disturbed", 0, ctl_list, &dnd_list },
	{ "preference", "set", "NAME@DOMAIN NAME VALUE", "what else a script or a phone's set-up wants to know of a user", 0, ctl_edit, &preference_set },
	{ "preference", "unset", "NAME@DOMAIN NAME", "forget one", 0, ctl_edit, &preference_unset },
	{ "preference", "list", "[NAME@DOMAIN]", "all preferences, or a user's", 0, ctl_list, &preference_list },
	{ 0 }
};
