/* The tables of the running server's script. */
#include "ctl/ctl.h"

static struct str params_of(struct ctl *c, int64_t from)
{
	static const char *const names[] = { "table", "key", "value" };
	struct json_out          o = json_into(c->arena);

	json_open_object(&o, NULL);
	for (int i = 0; i < c->argc && i < 3; i++)
		json_put_text(&o, names[i], str_of(c->argv[i]));
	json_put_int(&o, "from", from);
	json_close_object(&o);
	return json_done(&o);
}

static enum err table_list(struct ctl *c)
{
	return ctl_pass_on(c, "core.tables", STR("{}"));
}

/* The server gives them in portions: "next" is where to go on. */
static enum err table_show(struct ctl *c)
{
	int64_t  next = 0;
	enum err err;

	json_open_list(&c->out, NULL);
	do {
		struct json       *answer;
		const struct json *list;

		err = ctl_ask(c, "core.table_list", params_of(c, next), &answer);
		list = json_get(answer, "entries");
		for (size_t i = 0; i < json_count(list); i++)
			json_put_json(&c->out, NULL, json_dump(c->arena, json_at(list, i), false));
		next = json_int(json_get(answer, "next"), 0);
		json_free(answer);
	} while (!err && next > 0);
	json_close_list(&c->out);
	return err;
}

static enum err change(struct ctl *c, const char *method, const char *said)
{
	struct json *answer;
	enum err     err = ctl_ask(c, method, params_of(c, 0), &answer);

	if (!err) {
		json_put_json(&c->out, NULL, json_dump(c->arena, answer, false));
		ctl_say(c, "%s %s in table %s", c->argv[1], said, c->argv[0]);
	}
	json_free(answer);
	return err;
}

static enum err table_set(struct ctl *c)
{
	return change(c, "core.table_set", "set");
}

static enum err table_remove(struct ctl *c)
{
	return change(c, "core.table_remove", "removed");
}

static enum err table_load(struct ctl *c)
{
	struct json *answer;
	enum err     err = ctl_ask(c, "core.table_load", params_of(c, 0), &answer);

	if (!err) {
		json_put_json(&c->out, NULL, json_dump(c->arena, answer, false));
		ctl_say(c, "table %s is being loaded; the log says how many rows it took", c->argv[0]);
	}
	json_free(answer);
	return err;
}

const struct ctl_command ctl_table_commands[] = {
	{ "table", "list", "", "the tables of the script, and how full they are", 0, table_list },
	{ "table", "show", "TABLE [KEY]", "the entries of one, or one entry", 0, table_show },
	{ "table", "set", "TABLE KEY VALUE", "make or change an entry", 0, table_set },
	{ "table", "remove", "TABLE KEY", "take out an entry", 0, table_remove },
	{ "table", "load", "TABLE", "load it from the database again", 0, table_load },
	{ 0 }
};
