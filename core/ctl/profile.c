/* What the running server has in memory of users; `user` is for what the database has. */
#include "ctl/ctl.h"

#include "process/rpc.h"

/* {"user": "alice@example.org"}, or {} where none is named. */
static enum err params_of(struct ctl *c, struct str *params)
{
	struct json_out o = json_into(c->arena);
	struct str      name = STR(""), domain = STR("");
	enum err        err = c->argc ? ctl_user(c, c->argv[0], &name, &domain) : OK;

	if (err)
		return err;
	json_open_object(&o, NULL);
	if (c->argc)
		json_put_text(&o, "user", arena_printf(c->arena, STR_FMT "@" STR_FMT, STR_ARG(name), STR_ARG(domain)));
	json_close_object(&o);
	*params = json_done(&o);
	return OK;
}

static enum err profile_show(struct ctl *c)
{
	struct str params;
	enum err   err = params_of(c, &params);

	return err ? err : ctl_pass_on(c, "profile.show", params);
}

static enum err profile_flush(struct ctl *c)
{
	struct json *answer;
	struct str   params;
	int64_t      n;
	enum err     err = params_of(c, &params);

	if (!err)
		err = ctl_ask(c, "profile.flush", params, &answer);
	if (err)
		return err;
	n = json_int(json_get(answer, "flushed"), 0);
	json_free(answer);
	json_open_object(&c->out, NULL);
	json_put_int(&c->out, "flushed", n);
	json_close_object(&c->out);
	if (c->argc)
		ctl_say(c, n ? "%s is forgotten: the database is asked at the next call" : "%s was not in memory", c->argv[0]);
	else
		ctl_say(c, "%lld forgotten: the database is asked at their next calls", (long long)n);
	return OK;
}

const struct ctl_command ctl_profile_commands[] = {
	{ "profile", "show", "NAME@DOMAIN", "what the running server has in memory of a user: since when, how long it is good, and the fields", 0, profile_show },
	{ "profile", "flush", "[NAME@DOMAIN]", "forget that, or all users, so that the database is asked again", 0, profile_flush },
	{ 0 }
};
