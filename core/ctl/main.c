/* siparioctl: the command line of an operator. Options first, then the command, its run, and what it says. */
#include "ctl/ctl.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum { MOST_MEMORY = 256 << 20 };

static const struct ctl_command *const groups[] = {
	ctl_init_commands, ctl_doctor_commands, ctl_user_commands, ctl_domain_commands, ctl_address_commands, ctl_right_commands, ctl_peer_commands, ctl_import_commands, ctl_location_commands, ctl_profile_commands, ctl_calls_commands, ctl_table_commands, ctl_trail_commands, ctl_server_commands, ctl_database_commands, ctl_completion_commands, ctl_help_commands,
};

const struct ctl_command *ctl_command_at(size_t i)
{
	for (size_t g = 0; g < COUNT_OF(groups); g++)
		for (const struct ctl_command *c = groups[g]; c->group; c++)
			if (i-- == 0)
				return c;
	return NULL;
}

enum err ctl_fail(struct ctl *c, enum err err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	return err;
}

void ctl_say(struct ctl *c, const char *fmt, ...)
{
	char    room[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(room, sizeof(room), fmt, ap);
	va_end(ap);
	c->said = arena_dup(c->arena, str_of(room));
}

/* --- defaults --- */

static const char *from_env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v && *v ? v : otherwise;
}

/* The first of the places that is there, seen from this program: as it was built (build/, build/san/), or as it was installed. */
static const char *near_program(struct arena *a, const char *env, const char *const *places, size_t n)
{
	char    self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char   *slash;

	if (from_env(env, NULL))
		return getenv(env);
	if (len <= 0)
		return places[0];
	self[len] = 0;
	slash = strrchr(self, '/');
	*slash = 0;
	for (size_t i = 0; i < n; i++) {
		struct str path = arena_printf(a, "%s/%s%c", self, places[i], 0);

		if (path.p && !access(path.p, F_OK))
			return path.p;
	}
	return places[0];
}

static void set_defaults(struct ctl *c)
{
	static const char *const schema[] = { "../db/schema", "../../db/schema", "../share/sipario/schema" };
	static const char *const templates[] = { "../etc/sipario.cfg", "../../etc/sipario.cfg", "../share/sipario/sipario.cfg" };
	static const char *const modules[] = { "modules", "../lib/sipario/modules" };

	c->db = c->db_preset = from_env("SIPARIO_DB", "sqlite:var/sipario.db");
	c->template = near_program(c->arena, "SIPARIO_TEMPLATE", templates, COUNT_OF(templates));
	c->socket = from_env("SIPARIO_SOCKET", "var/control.sock");
	c->schema = near_program(c->arena, "SIPARIO_SCHEMA", schema, COUNT_OF(schema));
	c->watch.user = c->watch.number = c->watch.source = c->watch.call_id = "";
	c->modules = near_program(c->arena, "SIPARIO_MODULES", modules, COUNT_OF(modules));
}

/* --- the command line --- */

/* How many arguments the usage text asks for: at least, at most. */
static void count_args(const char *args, int *least, int *most)
{
	struct str rest = str_of(args);

	for (*least = *most = 0; rest.len;) {
		struct str word = str_take_until(&rest, ' ');

		if (str_is(word, "…")) {
			*most = INT_MAX;
			continue;
		}
		++*most;
		*least += word.p[0] != '[';
	}
}

static const char *name_of(const struct ctl_command *cmd, struct str group)
{
	return group.p ? (str_is(group, cmd->group) ? cmd->name : NULL) : cmd->group;
}

/* The nearest among a group's commands, or (group.p NULL) among the groups. */
static const char *suggestion(struct str word, struct str group)
{
	const char               *names[128];
	const struct ctl_command *cmd;
	size_t                    n = 0;

	for (size_t i = 0; (cmd = ctl_command_at(i)) && n < COUNT_OF(names); i++)
		if (name_of(cmd, group))
			names[n++] = name_of(cmd, group);
	return ctl_nearest(word, names, n);
}

static enum err unknown(struct ctl *c, bool group_known)
{
	const char *group = c->argv[0], *word = group_known ? (c->argc > 1 ? c->argv[1] : "") : group;
	const char *near = suggestion(str_of(word), group_known ? str_of(group) : STR_NONE);
	const char *sep = group_known ? " " : "", *first = group_known ? group : "";

	if (group_known && !*word)
		return ctl_fail(c, ERR_SYNTAX, "%s what? `siparioctl help %s` lists its commands", group, group);
	if (near)
		return ctl_fail(c, ERR_SYNTAX, "no command \"%s%s%.60s\": did you mean \"%s%s%s\"?", first, sep, word, first, sep, near);
	return ctl_fail(c, ERR_SYNTAX, "no command \"%s%s%.60s\": `siparioctl help%s%s` lists them", first, sep, word, sep, first);
}

static enum err find_command(struct ctl *c, const struct ctl_command **found)
{
	const struct ctl_command *cmd;
	bool                      group_known = false;

	for (size_t i = 0; (cmd = ctl_command_at(i)); i++) {
		if (strcmp(cmd->group, c->argv[0]) != 0)
			continue;
		group_known = true;
		if (cmd->name && (c->argc < 2 || strcmp(cmd->name, c->argv[1]) != 0))
			continue;
		*found = cmd;
		c->argc -= cmd->name ? 2 : 1;
		c->argv += cmd->name ? 2 : 1;
		return OK;
	}
	return unknown(c, group_known);
}

static enum err check_use(struct ctl *c, const struct ctl_command *cmd)
{
	int least, most;

	count_args(cmd->args, &least, &most);
	if (c->argc < least || c->argc > most)
		return ctl_fail(c, ERR_SYNTAX, "usage: siparioctl %s%s%s%s%s", cmd->group, cmd->name ? " " : "", cmd->name ? cmd->name : "",
				*cmd->args ? " " : "", cmd->args);
	return ctl_options_check(c, cmd);
}

/* Whoever is on this machine sees the command line. */
static enum err check_url(struct ctl *c)
{
	db_url_public(str_of(c->db), c->shown, sizeof(c->shown));
	if (c->db != c->db_preset && strcmp(c->db, c->shown) != 0)
		return ctl_fail(c, ERR_SYNTAX, "a password in --db can be seen by everybody on this machine: keep it in the passfile (~/.pgpass, mode 600), "
				"a service file or PGPASSWORD, or give the URL by SIPARIO_DB");
	return OK;
}

/* --- what it says --- */

static enum err print_answer(struct ctl *c)
{
	struct str   text = json_done(&c->out);
	struct json *j;

	if (!text.p)
		return ctl_fail(c, ERR_NOMEM, "out of memory");
	if (!c->json)
		fprintf(stderr, STR_FMT, STR_ARG(c->report));
	if (c->silent)
		return OK;
	if (!c->json && c->said.len) {
		printf(STR_FMT "\n", STR_ARG(c->said));
		return OK;
	}
	j = json_read(text, c->why, sizeof(c->why));
	if (!j)
		return ERR_STATE;
	if (c->json) {
		text = json_dump(c->arena, j, true);
		printf(STR_FMT "\n", STR_ARG(text));
	} else {
		ctl_show(c, j);
	}
	json_free(j);
	return OK;
}

static int print_error(struct ctl *c, enum err err)
{
	struct json_out o = json_into(c->arena);

	if (!c->why[0])
		ctl_fail(c, err, "%s", err_name(err));
	json_open_object(&o, NULL);
	json_put_text(&o, "error", str_of(c->why));
	if (c->details.len)
		json_put_json(&o, "details", c->details);
	json_close_object(&o);
	if (c->json)
		fprintf(stderr, STR_FMT "\n", STR_ARG(json_done(&o)));
	else
		fprintf(stderr, STR_FMT "siparioctl: " STR_FMT "\n", STR_ARG(c->report), STR_ARG(ctl_printable(c->arena, str_of(c->why))));
	return err == ERR_SYNTAX ? EXIT_USAGE : EXIT_FAILED;
}

static enum err run(struct ctl *c, int argc, char **argv)
{
	const struct ctl_command *cmd = NULL;
	enum err                  err = ctl_options_take(c, argc, argv);

	if (err)
		return err;
	if (!c->argc)
		return ctl_fail(c, ERR_SYNTAX, "what shall be done? `siparioctl help` lists the commands");
	err = find_command(c, &cmd);
	if (!err)
		err = check_use(c, cmd);
	if (!err)
		err = check_url(c);
	if (err)
		return err;
	c->cmd = cmd;
	err = cmd->run(c);
	return err ? err : print_answer(c);
}

int main(int argc, char **argv)
{
	struct arena a;
	struct ctl   c = { .arena = &a };
	enum err     err;
	int          status;

	arena_init(&a, NULL, 0, MOST_MEMORY);
	log_set_level(LOG_ERROR);
	c.out = json_into(&a);
	set_defaults(&c);
	err = run(&c, argc, argv);
	if (!err && fflush(stdout))
		err = ctl_fail(&c, ERR_IO, "the answer could not be written");
	status = err ? print_error(&c, err) : c.failed ? EXIT_FAILED : EXIT_GOOD;
	arena_free(&a);
	return status;
}
