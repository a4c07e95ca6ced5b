/* The methods of the control channel: the core's own, and the commands of loaded modules. */
#include "process/methods.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "module/module.h"
#include "net/net.h"
#include "process/version.h"

enum { MOST_OWNERS = 256 };

static struct {
	int64_t start_unix;
} up;

void methods_set_start(int64_t unix_s)
{
	up.start_unix = unix_s;
}

static enum err done(const struct json_out *o, struct str *result)
{
	*result = json_done(o);
	return result->p ? OK : ERR_NOMEM;
}

/* --- the core's --- */

static void put_processes(struct json_out *o)
{
	json_open_list(o, "processes");
	for (unsigned i = 0; i < proc_count(); i++) {
		const struct proc *p = proc_get(i);

		if (!p->pid)
			continue;
		json_open_object(o, NULL);
		json_put_text(o, "role", str_n(p->role, strnlen(p->role, sizeof(p->role))));
		json_put_int(o, "pid", p->pid);
		json_put_int(o, "slot", i);
		json_put_int(o, "starts", p->incarnation);
		json_close_object(o);
	}
	json_close_list(o);
}

static void put_listeners(struct json_out *o)
{
	json_open_list(o, "listeners");
	for (size_t i = 0; i < net_listener_count(); i++) {
		const struct listener *l = net_listener_at(i);
		char                   room[ADDR_TEXT];

		json_open_object(o, NULL);
		json_put_text(o, "transport", transport_name(l->transport));
		json_put_text(o, "address", addr_text(&l->addr, room));
		json_put_text(o, "advertised", l->host_port);
		json_close_object(o);
	}
	json_close_list(o);
}

static void put_program(struct json_out *o)
{
	struct versions v = versions_get();

	if (!v.now.number)
		return;
	json_put_text(o, "script", str_of(versions_file()));
	json_put_int(o, "program", v.now.number);
	json_put_text(o, "program_version", str_of(v.now.digest));
	json_put_int(o, "program_loaded_unix", v.now.loaded_unix);
	if (v.before.number)
		json_put_int(o, "program_before", v.before.number);
}

static void put_database(struct json_out *o)
{
	static const char *const states[] = { [DB_THERE] = "there", [DB_AWAY] = "away", [DB_UNFIT] = "unfit" };
	static const char *const parts[] = { [DB_READS] = "it cannot be asked", [DB_NEWS] = "its changes are not heard", [DB_WRITES] = "it cannot be written to" };
	struct db_presence       p;

	json_put_text(o, "database", db_url_shown());
	json_put_int(o, "schema", DB_SCHEMA);
	if (!db_configured())
		return;
	db_presence(&p);
	json_put_text(o, "database_state", str_of(states[p.state]));
	if (p.state == DB_THERE)
		return;
	json_put_text(o, "database_lacks", str_of(parts[p.part]));
	json_put_text(o, "database_why", str_of(p.why));
	json_put_int(o, "database_since_unix", p.since_unix);
	json_put_int(o, "database_without_it", p.processes);
}

static enum err core_status(struct arena *a, struct str params, struct str *result)
{
	struct json_out o = json_into(a);

	(void)params;
	json_open_object(&o, NULL);
	json_put_text(&o, "version", STR(SIPARIO_VERSION));
	json_put_int(&o, "start_unix", up.start_unix);
	json_put_int(&o, "uptime_s", clock_unix() - up.start_unix);
	put_database(&o);
	put_program(&o);
	put_processes(&o);
	put_listeners(&o);
	json_open_list(&o, "modules");
	for (size_t i = 0; module_at(i); i++) {
		json_open_object(&o, NULL);
		json_put_text(&o, "module", str_of(module_at(i)->name));
		json_put_text(&o, "help", str_of(module_at(i)->help));
		json_close_object(&o);
	}
	json_close_list(&o);
	json_close_object(&o);
	return done(&o, result);
}

static enum err core_memory(struct arena *a, struct str params, struct str *result)
{
	struct shm_usage *rows = arena_zalloc(a, MOST_OWNERS * sizeof(*rows));
	size_t            n = rows ? shm_usage(rows, MOST_OWNERS) : 0;
	struct json_out   o = json_into(a);
	uint64_t          limit, taken, free_bytes;

	(void)params;
	if (!rows)
		return ERR_NOMEM;
	shm_totals(&limit, &taken, &free_bytes);
	json_open_object(&o, NULL);
	json_put_int(&o, "limit_bytes", (int64_t)limit);
	json_put_int(&o, "taken_bytes", (int64_t)taken);
	json_put_int(&o, "free_bytes", (int64_t)free_bytes);
	json_open_list(&o, "owners");
	for (size_t i = 0; i < n && i < MOST_OWNERS; i++) {
		json_open_object(&o, NULL);
		json_put_text(&o, "owner", str_of(rows[i].owner));
		json_put_int(&o, "bytes", (int64_t)rows[i].bytes);
		json_put_int(&o, "objects", (int64_t)rows[i].objects);
		json_close_object(&o);
	}
	json_close_list(&o);
	json_close_object(&o);
	return done(&o, result);
}

static enum err core_stats(struct arena *a, struct str params, struct str *result)
{
	char                  why[128];
	struct json          *j = json_read(params, why, sizeof(why));
	struct str            filter = json_text(json_get(j, "filter"));
	struct json_out       o = json_into(a);
	const struct counter *c;

	json_open_list(&o, NULL);
	for (size_t i = 0; (c = counter_at(i)); i++) {
		if (filter.len && str_find_str(str_of(c->name), filter) < 0)
			continue;
		json_open_object(&o, NULL);
		json_put_text(&o, "name", str_of(c->name));
		json_put_int(&o, "value", counter_read(c));
		json_put_text(&o, "unit", str_of(c->unit));
		json_put_text(&o, "kind", c->gauge ? STR("gauge") : STR("counter"));
		json_put_text(&o, "help", str_of(c->help));
		json_close_object(&o);
	}
	json_close_list(&o);
	json_free(j);
	return done(&o, result);
}

static enum err core_methods(struct arena *a, struct str params, struct str *result);

/* Alone it is answered when it has ended: control.c. */
static enum err core_later(struct arena *a, struct str params, struct str *result)
{
	(void)a, (void)params;
	*result = STR("a reload or rollback takes its time: ask for it in a request of its own, not in a list");
	return ERR_STATE;
}

static const struct mod_command core_commands[] = {
	{ "status", core_status, "version, uptime, program, processes, listeners, modules" },
	{ "memory", core_memory, "shared memory by owner" },
	{ "stats", core_stats, "all counters; {\"filter\": \"tm.\"} for those whose name has that" },
	{ "reload", core_later, "check the file again and switch to it, or change nothing and say why; {\"colour\": true} for a terminal" },
	{ "rollback", core_later, "back to the program before; again: forth" },
	{ "methods", core_methods, "this list" },
	{ 0 }
};

/* --- finding one --- */

static const struct mod_command *find_in(const struct mod_command *c, struct str name)
{
	for (; c && c->name; c++)
		if (str_is(name, c->name))
			return c;
	return NULL;
}

/* The core has its own here, and those of its module: the script's. */
static const struct mod_command *find(struct str method)
{
	struct str                rest = method, module = str_take_until(&rest, '.');
	const struct mod_command *own = str_is(module, "core") ? find_in(core_commands, rest) : NULL;
	const struct module      *m = module_find(module);

	return own || !m ? own : find_in(m->commands, rest);
}

/* Calls fn with the full name of every method; true when one call was answered with true. */
static bool each_method(bool (*fn)(void *arg, struct str name, const struct mod_command *c), void *arg)
{
	const struct mod_command *c = core_commands;
	const char               *module = "core";
	char                      room[128];

	for (size_t i = 0;; i++) {
		for (; c && c->name; c++) {
			struct buf b = buf_on(room, sizeof(room));

			buf_printf(&b, "%s.%s", module, c->name);
			if (fn(arg, buf_str(&b), c))
				return true;
		}
		if (!module_at(i))
			return false;
		module = module_at(i)->name;
		c = module_at(i)->commands;
	}
}

static bool put_method(void *arg, struct str name, const struct mod_command *c)
{
	struct json_out *o = arg;

	json_open_object(o, NULL);
	json_put_text(o, "method", name);
	json_put_text(o, "help", str_of(c->help));
	json_close_object(o);
	return false;
}

static enum err core_methods(struct arena *a, struct str params, struct str *result)
{
	struct json_out o = json_into(a);

	(void)params;
	json_open_list(&o, NULL);
	each_method(put_method, &o);
	json_close_list(&o);
	return done(&o, result);
}

struct nearest {
	struct str wanted;
	unsigned   least;
	char       name[128];
};

static bool nearer(void *arg, struct str name, const struct mod_command *c)
{
	struct nearest *n = arg;
	unsigned        d = str_distance(n->wanted, name, 3);

	(void)c;
	if (d < n->least && str_cstr(name, n->name, sizeof(n->name)))
		n->least = d;
	return false;
}

static struct str unknown(struct arena *a, struct str method)
{
	struct nearest n = { .wanted = method, .least = 4 };

	each_method(nearer, &n);
	if (n.least < 4)
		return arena_printf(a, "no method \"" STR_FMT "\": did you mean \"%s\"?", STR_ARG(str_to(method, 64)), n.name);
	return arena_printf(a, "no method \"" STR_FMT "\": core.methods lists them", STR_ARG(str_to(method, 64)));
}

int methods_run(struct arena *a, struct str method, struct str params, struct str *result)
{
	const struct mod_command *c = find(method);
	enum err                  err;

	if (!c) {
		*result = unknown(a, method);
		return RPC_NO_METHOD;
	}
	err = c->fn(a, params, result);
	if (!err)
		return 0;
	if (!result->len)
		*result = str_of(err_name(err));
	return err == ERR_SYNTAX ? RPC_BAD_PARAMS : err == ERR_NOMEM ? RPC_INTERNAL : RPC_FAILED;
}
