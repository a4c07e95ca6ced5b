#include "modules/profile/profile.h"

#include <stdio.h>

struct profile_cfg profile_cfg;

static const struct mod_param params[] = {
	{ "cache_size", P_SIZE, &profile_cfg.cache_bytes, "64MB", 64 << 10, (int64_t)1 << 40, NULL, "the most shared memory for users; those used last are kept", true },
	{ "cache_lifetime", P_MS, &profile_cfg.lifetime_ms, "1h", 0, 86400000, NULL, "how long a user is used before the database is asked again, if it tells of no change", true },
	{ "unknown_lifetime", P_MS, &profile_cfg.unknown_lifetime_ms, "1m", 0, 86400000, NULL, "the same for names that nobody has", true },
	{ "grace", P_MS, &profile_cfg.grace_ms, "1d", 0, 30 * (int64_t)86400000, NULL, "how long users that are known are used while the database is away", true },
	{ "domains_refresh", P_MS, &profile_cfg.domains_refresh_ms, "5s", 100, 3600000, NULL,
	  "how often each worker reads the table of domains, also when it was told of no change", true },
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
struct counter profile_hits = { .name = "profile.hits", .help = "users that were known", .unit = "users" };
struct counter profile_misses = { .name = "profile.misses", .help = "users that had to be asked for, or waited for while another asked", .unit = "users" };
struct counter profile_stale = { .name = "profile.stale", .help = "users taken from an old copy since the database did not answer", .unit = "users" };
struct counter profile_evicted = { .name = "profile.evicted", .help = "users forgotten to make room for others", .unit = "users" };
struct counter profile_entries = { .name = "profile.entries", .help = "users and unknown names in memory", .unit = "users", .gauge = true };
struct counter profile_bytes = { .name = "profile.bytes", .help = "memory they take", .unit = "bytes", .gauge = true };
struct counter profile_failures = { .name = "profile.failures", .help = "questions that the store did not answer", .unit = "queries" };

static struct counter *counters[] = { &profile_queries, &profile_failures, &profile_hits, &profile_misses, &profile_stale, &profile_evicted,
				      &profile_entries, &profile_bytes, NULL };

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
	db_stmt_register(&user_stmt);
	if (cache_boot() || changes_boot()) {
		snprintf(why, 256, "no shared memory for users: raise `memory_limit`, or lower `cache_size`");
		return ERR_NOMEM;
	}
	return domains_load(why, 256);
}

static enum err worker_start(struct loop *l, char *why)
{
	(void)why;
	domains_keep_fresh(l);
	users_worker_start(l);
	return OK;
}

const struct profile_service profile_service = { .known = profile_known, .credentials = profile_credentials, .is_domain = profile_is_domain,
						.knows_domains = profile_knows_domains };

const struct module module = {
	.abi = MODULE_ABI, .name = "profile", .help = "who the users are, and which domains are served",
	.offers = "profile", .service = &profile_service, .params = params, .funcs = funcs, .commands = profile_commands, .counters = counters,
	.configure = configure, .start = start, .worker_start = worker_start,
};
