/* What the running server is asked over its control socket. */
#include "ctl/ctl.h"

#include <unistd.h>

#include "process/rpc.h"

enum err ctl_ask(struct ctl *c, const char *method, struct str params, struct json **answer)
{
	struct str text;
	enum err   err = rpc_call(c->socket, method, params, c->arena, &text, c->why, sizeof(c->why));

	*answer = err ? NULL : json_read(text, c->why, sizeof(c->why));
	return err || *answer ? err : ERR_IO;
}

enum err ctl_pass_on(struct ctl *c, const char *method, struct str params)
{
	struct str result;
	enum err   err = rpc_call(c->socket, method, params, c->arena, &result, c->why, sizeof(c->why));

	if (!err)
		json_put_json(&c->out, NULL, result);
	return err;
}

static enum err server_status(struct ctl *c)
{
	return ctl_pass_on(c, "core.status", STR_NONE);
}

static enum err server_memory(struct ctl *c)
{
	return ctl_pass_on(c, "core.memory", STR_NONE);
}

static enum err server_stats(struct ctl *c)
{
	struct json_out o = json_into(c->arena);

	c->columns = "name,value,unit,help";
	json_open_object(&o, NULL);
	if (c->argc)
		json_put_text(&o, "filter", str_of(c->argv[0]));
	json_close_object(&o);
	return ctl_pass_on(c, "core.stats", json_done(&o));
}

/* --- reload --- */

enum { RELOAD_WAIT_S = 120 };

/* "  registrar.max_expires: 1h -> 2h", a line each. */
static struct str lines_of(struct ctl *c, const struct json *list)
{
	struct str all = STR("");

	for (size_t i = 0; i < json_count(list); i++)
		all = arena_printf(c->arena, STR_FMT "\n  " STR_FMT, STR_ARG(all), STR_ARG(json_text(json_at(list, i))));
	return all;
}

static void say_program(struct ctl *c, const struct json *answer)
{
	struct str changes = lines_of(c, json_get(answer, "changes"));

	c->said = arena_printf(c->arena, STR_FMT " is program %lld now, version " STR_FMT "; program %lld is kept for `siparioctl rollback`" STR_FMT,
			       STR_ARG(json_text(json_get(answer, "script"))), (long long)json_int(json_get(answer, "program"), 0),
			       STR_ARG(json_text(json_get(answer, "program_version"))), (long long)json_int(json_get(answer, "program_before"), 0), STR_ARG(changes));
}

/* What `sipario -c` would say goes before the answer, good or bad. */
static enum err change(struct ctl *c, const char *method)
{
	struct json_out o = json_into(c->arena);
	struct json    *answer;
	struct str      text;
	enum err        err;

	json_open_object(&o, NULL);
	json_put_bool(&o, "colour", isatty(STDERR_FILENO));
	json_close_object(&o);
	err = rpc_call_within(c->socket, RELOAD_WAIT_S, method, json_done(&o), c->arena, &text, c->why, sizeof(c->why));
	answer = text.len ? json_read(text, c->why, err ? 0 : sizeof(c->why)) : NULL;
	if (answer)
		c->report = arena_dup(c->arena, json_text(json_get(answer, "report")));
	if (answer && !err) {
		json_put_json(&c->out, NULL, text);
		say_program(c, answer);
	}
	c->details = text;
	json_free(answer);
	return err;
}

static enum err server_reload(struct ctl *c)
{
	return change(c, "core.reload");
}

static enum err server_rollback(struct ctl *c)
{
	return change(c, "core.rollback");
}

const struct ctl_command ctl_server_commands[] = {
	{ "status", NULL, "", "the running server: version, program, processes, listeners, modules", 0, server_status },
	{ "reload", NULL, "", "check its script again and switch to it; with errors nothing changes", 0, server_reload },
	{ "rollback", NULL, "", "back to the program before the last reload; again: forth", 0, server_rollback },
	{ "memory", NULL, "", "its shared memory by owner", 0, server_memory },
	{ "stats", NULL, "[TEXT]", "its counters, or those whose name has TEXT", 0, server_stats },
	{ 0 }
};
