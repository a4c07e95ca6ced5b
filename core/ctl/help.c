/* `help`: the commands, or a module as its descriptor tells it; the same tables that the checker and the server use. */
#include "ctl/ctl.h"
#include "ctl/help.h"
#include "module/module.h"
#include "script/script.h"

#include <dirent.h>
#include <stdlib.h>

/* --- commands --- */

static void put_own(struct json_out *o, const struct ctl_command *cmd)
{
	json_open_object(o, NULL);
	json_put_text(o, "command", arena_printf(o->arena, "%s%s%s%s%s", cmd->group, cmd->name ? " " : "", cmd->name ? cmd->name : "",
						 cmd->args[0] ? " " : "", cmd->args));
	json_put_text(o, "help", str_of(cmd->help));
	json_close_object(o);
}

/* The commands of a group as a list; false, and nothing written, when there is no such group. */
static bool put_group(struct json_out *o, const char *key, struct str group)
{
	bool found = false;

	for (size_t i = 0; ctl_command_at(i); i++)
		found |= str_is(group, ctl_command_at(i)->group);
	if (!found)
		return false;
	json_open_list(o, key);
	for (size_t i = 0; ctl_command_at(i); i++)
		if (str_is(group, ctl_command_at(i)->group))
			put_own(o, ctl_command_at(i));
	json_close_list(o);
	return true;
}

/* --- a module --- */

/* A bound as a script writes it: 3600 seconds are 1h, 16777216 bytes 16MB. */
static void put_bound(struct buf *b, enum param_type type, int64_t v)
{
	static const struct unit { int64_t n; const char *name; } ms[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } },
		bytes[] = { { 1LL << 40, "TB" }, { 1 << 30, "GB" }, { 1 << 20, "MB" }, { 1024, "kB" }, { 1, "B" } }, plain[] = { { 1, "" } };
	const struct unit *u = type == P_SECONDS || type == P_MS ? ms : type == P_SIZE ? bytes : plain;

	if (type == P_SECONDS)
		v *= 1000;
	while (v ? v % u->n : u->n > 1)
		u++;
	buf_printf(b, "%lld%s", (long long)(v / u->n), u->name);
}

static void put_param(struct json_out *o, const struct mod_param *p)
{
	static const char *const types[] = {
		[P_BOOL] = "bool", [P_INT] = "int", [P_SECONDS] = "duration", [P_MS] = "duration", [P_SIZE] = "size", [P_STR] = "string",
		[P_CHOICE] = "choice", [P_CHOICES] = "list of choices",
	};
	char       room[256] = "";
	struct buf b = buf_on(room, sizeof(room));

	for (const char *const *ch = p->choices; ch && *ch; ch++)
		buf_printf(&b, "%s%s", ch == p->choices ? "" : ", ", *ch);
	if (p->min || p->max) {
		put_bound(&b, p->type, p->min);
		BUF_LIT(&b, " to ");
		put_bound(&b, p->type, p->max);
	}
	json_open_object(o, NULL);
	json_put_text(o, "name", str_of(p->name));
	json_put_text(o, "type", (size_t)p->type < COUNT_OF(types) ? str_of(types[p->type]) : STR("?"));
	json_put_text(o, "preset", str_of(p->preset));
	json_put_text(o, "range", buf_str(&b));
	json_put_bool(o, "reload", p->live);
	json_put_text(o, "help", str_of(p->help));
	json_close_object(o);
}

/* "relay(timeout: duration?, on_branch: string?) -> answer" */
static struct str signature(char *room, size_t cap, const struct mod_func *f)
{
	struct buf            b = buf_on(room, cap);
	const struct mod_arg *first = f->args && (f->flags & F_METHOD) ? f->args + 1 : f->args;
	bool                  any = first && first->name;

	if (first != f->args)	/* a method: what it is called on stands before it */
		buf_printf(&b, "%s.", vtype_name(f->args->type));
	buf_printf(&b, "%s(", f->name);
	for (const struct mod_arg *a = first; a && a->name; a++) {
		buf_printf(&b, "%s%s: %s%s", a == first ? "" : ", ", a->name, vtype_name(a->type), a->optional ? "?" : "");
		if (a->preset)
			buf_printf(&b, " = %s", a->preset);
	}
	if (f->flags & F_KEYS)
		buf_printf(&b, "%sname = value…", any ? ", " : "");
	BUF_LIT(&b, ")");
	if (f->result != T_NULL)
		buf_printf(&b, " -> %s%s", f->shape ? f->shape->name : vtype_name(f->result), f->nullable ? "?" : "");
	return buf_str(&b);
}

static struct str route_words(char *room, size_t cap, uint32_t where)
{
	static const char *const words[] = { "request", "dialog", "reply", "branch", "event", "timer" };
	struct buf               b = buf_on(room, cap);

	if ((where & IN_ANY) == IN_ANY)
		return STR("any");
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (where & 1u << i)
			buf_printf(&b, "%s%s", b.len ? ", " : "", words[i]);
	return buf_str(&b);
}

static void put_func(struct json_out *o, const struct mod_func *f)
{
	char room[512], routes[64];

	json_open_object(o, NULL);
	json_put_text(o, "function", signature(room, sizeof(room), f));
	json_put_text(o, "routes", route_words(routes, sizeof(routes), f->flags & F_SUSPENDS ? f->where & ~(uint32_t)(IN_REPLY | IN_BRANCH) : f->where));
	json_put_bool(o, "waits", f->flags & (F_SUSPENDS | F_WAITS_IF_USED));
	json_put_text(o, "help", str_of(f->help));
	json_close_object(o);
}

static void put_var(struct json_out *o, const struct mod_var *v)
{
	char       room[128];
	struct buf b = buf_on(room, sizeof(room));

	buf_printf(&b, v->has_arg ? "$%s(…)" : "$%s", v->name);
	json_open_object(o, NULL);
	json_put_text(o, "variable", buf_str(&b));
	json_put_text(o, "type", arena_printf(o->arena, "%s%s", vtype_name(v->type), v->nullable ? "?" : ""));
	json_put_bool(o, "may_be_set", v->set != NULL);
	json_put_text(o, "help", str_of(v->help));
	json_close_object(o);
}

static void put_record(struct json_out *o, const struct shape *s)
{
	for (const struct field *f = s->fields; f && f->name; f++) {
		json_open_object(o, NULL);
		json_put_text(o, "field", arena_printf(o->arena, "%s.%s", s->name, f->name));
		json_put_text(o, "type", arena_printf(o->arena, "%s%s", vtype_name(f->type), f->nullable ? "?" : ""));
		json_put_text(o, "help", str_of(f->help));
		json_close_object(o);
	}
}

static void put_counter(struct json_out *o, const struct counter *n)
{
	json_open_object(o, NULL);
	json_put_text(o, "name", str_of(n->name));
	json_put_text(o, "unit", str_of(n->unit));
	json_put_text(o, "kind", n->gauge ? STR("gauge") : STR("counter"));
	json_put_text(o, "help", str_of(n->help));
	json_close_object(o);
}

static void put_command(struct json_out *o, const struct module *m, const struct mod_command *cmd)
{
	json_open_object(o, NULL);
	json_put_text(o, "method", arena_printf(o->arena, "%s.%s", m->name, cmd->name));
	json_put_text(o, "help", str_of(cmd->help));
	json_close_object(o);
}

/* "$event.aor: string" */
static void put_event(struct json_out *o, const struct mod_event *e)
{
	struct str fields = STR("");

	for (const struct field *f = e->shape ? e->shape->fields : NULL; f && f->name; f++)
		fields = arena_printf(o->arena, STR_FMT "%s$event.%s: %s%s", STR_ARG(fields), fields.len ? ", " : "", f->name, vtype_name(f->type), f->nullable ? "?" : "");
	json_open_object(o, NULL);
	json_put_text(o, "event", str_of(e->name));
	json_put_text(o, "help", str_of(e->help));
	json_put_text(o, "fields", fields);
	json_close_object(o);
}

static void put_module(struct json_out *o, const struct module *m)
{
	char       room[256];
	struct buf b = buf_on(room, sizeof(room));

	json_open_object(o, NULL);
	json_put_text(o, "module", str_of(m->name));
	json_put_text(o, "help", str_of(m->help));
	if (m->offers)
		json_put_text(o, "offers", str_of(m->offers));
	for (const char *const *n = m->needs; n && *n; n++)
		buf_printf(&b, "%s%s", n == m->needs ? "" : ", ", *n);
	if (b.len)
		json_put_text(o, "needs", buf_str(&b));
	json_open_list(o, "parameters");
	for (const struct mod_param *p = m->params; p && p->name; p++)
		put_param(o, p);
	json_close_list(o);
	json_open_list(o, "functions");
	for (const struct mod_func *f = m->funcs; f && f->name; f++)
		put_func(o, f);
	json_close_list(o);
	json_open_list(o, "results");
	for (const struct mod_func *f = m->funcs; f && f->name; f++)
		if (f->shape)
			put_record(o, f->shape);
	json_close_list(o);
	json_open_list(o, "variables");
	for (const struct mod_var *v = m->vars; v && v->name; v++)
		put_var(o, v);
	json_close_list(o);
	json_open_list(o, "events");
	for (struct mod_event *const *e = m->events; e && *e; e++)
		put_event(o, *e);
	json_close_list(o);
	json_open_list(o, "counters");
	for (struct counter *const *n = m->counters; n && *n; n++)
		put_counter(o, *n);
	json_close_list(o);
	json_open_list(o, "commands");
	for (const struct mod_command *cmd = m->commands; cmd && cmd->name; cmd++)
		put_command(o, m, cmd);
	json_close_list(o);
	put_group(o, "siparioctl", str_of(m->name));
	json_close_object(o);
}

static int is_module(const struct dirent *e)
{
	return str_ends(str_of(e->d_name), STR(".so")) && strlen(e->d_name) > 3;
}

/* All modules of the folder. */
static void load_modules(struct ctl *c)
{
	struct dirent **file = NULL;
	char            why[256];
	int             n = scandir(c->modules, &file, is_module, alphasort);

	for (int i = 0; i < n; i++) {
		struct str name = str_to(str_of(file[i]->d_name), strlen(file[i]->d_name) - 3);

		if (!module_find(name) && module_load(name, why, sizeof(why)))
			log_debug(NULL, "cannot load module=" STR_FMT " reason=%s", STR_ARG(name), why);
		free(file[i]);
	}
	free(file);
}

/* The functions of that name (count(…) is one, list.count() another) and the variable. */
static bool put_named(struct ctl *c, struct str name)
{
	const struct module *m;
	bool                 any = false;

	load_modules(c);
	json_open_list(&c->out, NULL);
	for (size_t i = 0; (m = module_at(i)); i++) {
		for (const struct mod_func *f = m->funcs; f && f->name; f++)
			if (str_is(name, f->name)) {
				put_func(&c->out, f);
				any = true;
			}
		for (const struct mod_var *v = m->vars; v && v->name; v++)
			if (str_starts(name, STR("$")) && str_is(str_from(name, 1), v->name)) {
				put_var(&c->out, v);
				any = true;
			}
	}
	any = any || help_elsewhere(&c->out, name);
	json_close_list(&c->out);
	return any;
}

/* A word may be both: the module then has the commands of that group too. */
static enum err help_word(struct ctl *c, struct str word)
{
	enum err err;

	if (str_is(word, "language")) {
		help_language(&c->out, c->json);
		return OK;
	}
	err = module_find(word) ? OK : module_load(word, c->why, sizeof(c->why));
	if (!err)
		put_module(&c->out, module_find(word));
	else if (put_group(&c->out, NULL, word) || put_named(c, word))
		err = OK;
	if ((err == ERR_NOT_FOUND || err == ERR_SYNTAX) && !module_nearest(word).len)
		return ctl_fail(c, ERR_NOT_FOUND, "no command, module, function or variable \"%.60s\": `siparioctl help` lists them", c->argv[0]);
	return err == ERR_SYNTAX ? ERR_NOT_FOUND : err;
}

/* --- all --- */

static void put_modules(struct ctl *c)
{
	struct dirent **file = NULL;
	int             n = scandir(c->modules, &file, is_module, alphasort);

	json_open_list(&c->out, "modules");
	for (int i = 0; i < n; i++) {
		struct str           name = str_to(str_of(file[i]->d_name), strlen(file[i]->d_name) - 3);
		enum err             err = module_find(name) ? OK : module_load(name, c->why, sizeof(c->why));
		const struct module *m = err ? NULL : module_find(name);

		json_open_object(&c->out, NULL);
		json_put_text(&c->out, "module", name);
		json_put_text(&c->out, "help", m ? str_of(m->help) : arena_printf(c->arena, "(cannot be loaded: %s)", c->why));
		json_close_object(&c->out);
		free(file[i]);
	}
	free(file);
	json_close_list(&c->out);
}

static void put_all(struct ctl *c)
{
	const struct ctl_option *o;

	json_open_object(&c->out, NULL);
	json_open_list(&c->out, "commands");
	for (size_t i = 0; ctl_command_at(i); i++)
		put_own(&c->out, ctl_command_at(i));
	json_close_list(&c->out);
	json_open_list(&c->out, "options");
	for (size_t i = 0; (o = ctl_option_at(i)); i++) {
		json_open_object(&c->out, NULL);
		json_put_text(&c->out, "option", arena_printf(c->arena, "--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : ""));
		json_put_text(&c->out, "help", str_of(o->help));
		json_close_object(&c->out);
	}
	json_close_list(&c->out);
	put_modules(c);
	json_close_object(&c->out);
}

static enum err help(struct ctl *c)
{
	enum err err = script_boot();	/* module zero, which lies in no folder */

	if (err)
		return err;
	module_set_folder(c->modules);
	if (c->argc)
		return help_word(c, str_of(c->argv[0]));
	put_all(c);
	return OK;
}

static enum err version(struct ctl *c)
{
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "version", STR(SIPARIO_VERSION));
	json_put_int(&c->out, "schema", DB_SCHEMA);
	json_close_object(&c->out);
	ctl_say(c, "siparioctl %s, schema %d", SIPARIO_VERSION, DB_SCHEMA);
	return OK;
}

const struct ctl_command ctl_help_commands[] = {
	{ "help", NULL, "[WORD]", "this, or about a command, a module, a function, a $variable, `language`, or a name of another server", 0, help },
	{ "version", NULL, "", "version of this program and the schema it knows", 0, version },
	{ 0 }
};
