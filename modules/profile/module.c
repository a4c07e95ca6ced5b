#include "modules/profile/profile.h"

#include <stdio.h>

struct profile_cfg profile_cfg;

static const struct mod_param params[] = {
	{ "domains_refresh", P_MS, &profile_cfg.domains_refresh_ms, "5s", 100, 3600000, NULL,
	  "how often each worker reads the table of domains", true },
	{ 0 }
};

static const struct mod_arg profile_args[] = {
	{ "user", T_ANY, false, NULL, 0, 0 },
	{ 0 }
};
static const struct mod_func funcs[] = {
	{ "profile", fn_profile, profile_args, T_RECORD, true, &profile_shape, IN_REQUEST | IN_DIALOG, F_SUSPENDS | F_MAY_END,
	  "who that user is: a URI, or a name in the domain of the request; null for unknown and disabled ones" },
	{ 0 }
};

struct counter profile_queries = { .name = "profile.queries", .help = "questions to the table of users", .unit = "queries" };
struct counter profile_failures = { .name = "profile.failures", .help = "questions that the store did not answer", .unit = "queries" };

static struct counter *counters[] = { &profile_queries, &profile_failures, NULL };

static enum err configure(char *why)
{
	if (db_configured())
		return OK;
	snprintf(why, 256, "users are kept in a database; add `database \"sqlite:var/sipario.db\";`");
	return ERR_STATE;
}

static enum err start(char *why)
{
	domains_boot();
	credentials_boot();
	profile_boot();
	return domains_load(why, 256);
}

static enum err worker_start(struct loop *l, char *why)
{
	(void)why;
	domains_keep_fresh(l);
	return OK;
}

const struct profile_service profile_service = { .credentials = profile_credentials, .is_domain = profile_is_domain };

const struct module module = {
	.abi = MODULE_ABI, .name = "profile", .help = "who the users are, and which domains are served",
	.offers = "profile", .service = &profile_service, .params = params, .funcs = funcs, .counters = counters,
	.configure = configure, .start = start, .worker_start = worker_start,
};
