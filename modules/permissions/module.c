#include <stdio.h>

#include "modules/permissions/permissions.h"

struct permissions_cfg permissions_cfg;

static const struct mod_param params[] = {
	{ "refresh", P_MS, &permissions_cfg.refresh_ms, "5s", 100, 3600000, NULL,
	  "how often each worker reads the tables of trusted peers and of prefixes, also when it was told of no change", true },
	{ 0 }
};

static enum verdict fn_trusted_peer(struct call *c)
{
	const struct str *name = networks_find(fresh_networks(), &c->req->from.peer);

	if (name)	/* the table may be replaced while the run waits */
		c->result = value_str(arena_dup(&c->req->arena, *name));
	return name && !c->result.u.s.p ? V_ERROR : V_OK;
}

static enum verdict fn_call_class(struct call *c)
{
	const struct value *v = &c->argv[0];
	struct str          number;
	const struct str   *class;

	if (v->type != T_STR && v->type != T_URI) {
		log_error(c->c, "call_class() wants a URI or a number, got %s", vtype_name(v->type));
		return V_ERROR;
	}
	number = number_of(&c->req->arena, v);
	if (number.len && !fresh_numbers())
		return call_unavailable(c);
	class = numbers_find(fresh_numbers(), number);
	if (class)
		c->result = value_str(arena_dup(&c->req->arena, *class));
	return !number.p || (class && !c->result.u.s.p) ? V_ERROR : V_OK;
}

static const struct mod_arg class_args[] = {
	{ "number", T_ANY, false, NULL, 0, 0 },
	{ 0 }
};
static const struct mod_func funcs[] = {
	{ "trusted_peer", fn_trusted_peer, NULL, T_STR, true, NULL, IN_REQUEST | IN_DIALOG, 0,
	  "name of the trusted peer that sent this request, by its source address (table trusted_peers, the narrowest network counts); null: of none" },
	{ "call_class", fn_call_class, class_args, T_STR, true, NULL, IN_ANY, F_MAY_END,
	  "class of calls that a number belongs to: a text or the user of a URI, with or without visual separators (table call_prefixes, the longest prefix "
	  "counts); null: to none, or it is no number; 503 while the table has not been read yet; null where no request can be answered, as in a branch_route" },
	{ 0 }
};

struct counter permissions_failures = { .name = "permissions.failures", .help = "refreshes of a table that the store did not answer", .unit = "queries" };

static struct counter *counters[] = { &permissions_failures, NULL };

static enum err configure(char *why)
{
	if (db_configured())
		return OK;
	snprintf(why, 256, "peers and prefixes are kept in a database; add `database \"sqlite:var/sipario.db\";`");
	return ERR_STATE;
}

static enum err start(char *why)
{
	if (fresh_boot()) {
		snprintf(why, 256, "no shared memory: raise `memory_limit`");
		return ERR_NOMEM;
	}
	return fresh_load(why, 256);
}

static enum err worker_start(struct loop *l, char *why)
{
	(void)why;
	fresh_keep(l);
	return OK;
}

const struct module module = {
	.abi = MODULE_ABI, .name = "permissions", .help = "which peers are trusted, and who may make which calls",
	.params = params, .funcs = funcs, .counters = counters, .configure = configure, .start = start, .worker_start = worker_start,
};
