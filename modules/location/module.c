#include "modules/location/location.h"

#include <stdio.h>

struct location_cfg location_cfg;

static const char *const durable_choices[] = { [DURABLE_OFF] = "off", [DURABLE_ON] = "on", [DURABLE_BEHIND] = "behind", NULL };

static const char *const lost_choices[] = { [LOST_FORGET] = "forget", [LOST_FORGET_ALL] = "forget_all", [LOST_KEEP] = "keep", NULL };

static const struct mod_param params[] = {
	{ "durable", P_CHOICE, &location_cfg.durable, "on", 0, 0, durable_choices,
	  "on: bindings are in the database before a REGISTER is answered; behind: soon after, also when it was away; off: only in memory", false },
	{ "lost_connection", P_CHOICE, &location_cfg.lost, "forget", 0, 0, lost_choices,
	  "contacts that came over a connection which is lost: forget those that cannot be connected to at their own address, forget_all, or keep", false },
	{ "buckets", P_INT, &location_cfg.buckets, "65536", 1024, 16777216, NULL,
	  "size of the hash table; about as many as phones are expected", false },
	{ 0 }
};

struct counter location_bindings = { .name = "location.bindings", .help = "contacts that are registered", .unit = "bindings", .gauge = true };
struct counter location_aors = { .name = "location.aors", .help = "addresses-of-record that have contacts", .unit = "addresses", .gauge = true };
struct counter location_lost = { .name = "location.lost", .help = "contacts dropped because their connection was lost", .unit = "bindings" };
struct counter location_asked = { .name = "location.asked", .help = "users asked for in the database before all were loaded", .unit = "questions" };
struct counter location_expired = { .name = "location.expired", .help = "contacts dropped because nobody refreshed them", .unit = "bindings" };

static struct counter *counters[] = { &location_bindings, &location_aors, &location_expired, &location_lost, &location_asked, NULL };

static enum err configure(char *why)
{
	if (!location_cfg.durable || db_configured())
		return OK;
	snprintf(why, 256, "durable = %s needs a database; add `database \"sqlite:var/sipario.db\";` or say durable = off",
		 durable_choices[location_cfg.durable]);
	return ERR_STATE;
}

static enum err start(char *why)
{
	enum err err = table_create((uint32_t)location_cfg.buckets);

	if (!err)
		err = lost_create();
	if (err)
		snprintf(why, 256, "no room for %lld buckets; raise memory_limit", (long long)location_cfg.buckets);
	else if (!location_cfg.durable)
		table_set_loaded();
	if (err || !location_cfg.durable)
		return err;
	store_boot();
	nodes_boot();
	return OK;
}

static enum err writer_start(struct loop *l, char *why)
{
	(void)why;
	return location_cfg.durable ? sync_start(l) : OK;
}

static bool is_durable(void)
{
	return location_cfg.durable == DURABLE_ON;
}

const struct location_service location_service = {
	.known = location_known, .learn = location_learn, .find = location_find, .save = location_save_bindings, .durable = is_durable,
};

static struct mod_event *const events[] = { &location_added, &location_removed, &location_gone, NULL };

const struct module module = {
	.abi = MODULE_ABI, .name = "location", .help = "where the users are: contacts by address-of-record, in shared memory",
	.offers = "location", .service = &location_service, .params = params, .commands = location_commands,
	.counters = counters, .events = events, .configure = configure, .start = start, .writer_start = writer_start,
	.connection_lost = lost_connection,
};
