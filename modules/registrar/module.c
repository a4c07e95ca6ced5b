#include "modules/registrar/registrar.h"

#include <stdio.h>

struct registrar_cfg registrar_cfg;

static const struct mod_param params[] = {
	{ "max_contacts", P_INT, &registrar_cfg.max_contacts, "10", 1, 1000, NULL, "contacts that one user may have", true },
	{ "min_expires", P_SECONDS, &registrar_cfg.min_expires_s, "60s", 1, 3600, NULL,
	  "who asks for less gets 423 (RFC 3261 §10.3 step 7)", true },
	{ "max_expires", P_SECONDS, &registrar_cfg.max_expires_s, "1h", 60, 31536000, NULL, "who asks for more gets this", true },
	{ "default_expires", P_SECONDS, &registrar_cfg.default_expires_s, "1h", 60, 31536000, NULL, "who does not ask gets this, within the two above", true },
	{ 0 }
};

static const struct mod_arg lookup_args[] = {
	{ "uri", T_ANY, true, NULL, 0, 0 },
	{ 0 }
};
static const struct mod_func funcs[] = {
	{ "save", fn_save, NULL, T_BOOL, false, NULL, IN_REQUEST, F_SAYS | F_SUSPENDS,
	  "do what this REGISTER asks for and answer it; true: with 200, when the binding is committed" },
	{ "lookup", fn_lookup, lookup_args, T_BOOL, false, NULL, IN_REQUEST, 0,
	  "the contacts of a user, by default of the request URI, become the target set; false: there are none" },
	{ 0 }
};

struct counter registrar_saved = { .name = "registrar.accepted", .help = "REGISTER answered 200", .unit = "requests" };
struct counter registrar_refused = { .name = "registrar.refused", .help = "REGISTER that was wrong, too brief, too many or out of order", .unit = "requests" };
struct counter registrar_unavailable = { .name = "registrar.unavailable", .help = "REGISTER answered 503", .unit = "requests" };
struct counter registrar_found = { .name = "registrar.found", .help = "lookups of users with contacts", .unit = "lookups" };
struct counter registrar_not_found = { .name = "registrar.not_found", .help = "lookups of users without contacts", .unit = "lookups" };

static struct counter *counters[] = {
	&registrar_saved, &registrar_refused, &registrar_unavailable, &registrar_found, &registrar_not_found, NULL
};

static enum err configure(char *why)
{
	if (registrar_cfg.min_expires_s <= registrar_cfg.max_expires_s)
		return OK;
	snprintf(why, 256, "min_expires must not be longer than max_expires");
	return ERR_LIMIT;
}

static enum err start(char *why)
{
	(void)why;
	registrar_cfg.location = module_service("location");
	return OK;
}

static const struct registrar_service service = { .lookup = registrar_lookup };

static const char *const needs[] = { "location", NULL };

const struct module module = {
	.abi = MODULE_ABI, .name = "registrar", .help = "REGISTER requests, and the contacts known through them (RFC 3261 §10)",
	.needs = needs, .offers = "registrar", .service = &service, .params = params, .funcs = funcs, .counters = counters, .configure = configure, .start = start,
};
