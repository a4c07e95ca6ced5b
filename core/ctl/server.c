/* What the running server is asked over its control socket. */
#include "ctl/ctl.h"
#include "process/rpc.h"

static enum err ask(struct ctl *c, const char *method, struct str params)
{
	struct str result;
	enum err   err = rpc_call(c->socket, method, params, c->arena, &result, c->why, sizeof(c->why));

	if (!err)
		json_put_json(&c->out, NULL, result);
	return err;
}

static enum err server_status(struct ctl *c)
{
	return ask(c, "core.status", STR_NONE);
}

static enum err server_memory(struct ctl *c)
{
	return ask(c, "core.memory", STR_NONE);
}

static enum err server_stats(struct ctl *c)
{
	struct json_out o = json_into(c->arena);

	c->columns = "name,value,unit,help";
	json_open_object(&o, NULL);
	if (c->argc)
		json_put_text(&o, "filter", str_of(c->argv[0]));
	json_close_object(&o);
	return ask(c, "core.stats", json_done(&o));
}

const struct ctl_command ctl_server_commands[] = {
	{ "status", NULL, "", "the running server: version, processes, listeners, modules", 0, server_status },
	{ "memory", NULL, "", "its shared memory by owner", 0, server_memory },
	{ "stats", NULL, "[TEXT]", "its counters, or those whose name has TEXT", 0, server_stats },
	{ 0 }
};
