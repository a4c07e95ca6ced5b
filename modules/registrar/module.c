#include "modules/registrar/registrar.h"

#include <stdio.h>

struct registrar_cfg registrar_cfg;

static const char *const path_choices[] = { [PATH_ACCEPT] = "accept", [PATH_REFUSE] = "refuse", NULL };

static const struct mod_param params[] = {
	{ "max_contacts", P_INT, &registrar_cfg.max_contacts, "10", 1, 1000, NULL, "contacts that one user may have", true },
	{ "min_expires", P_SECONDS, &registrar_cfg.min_expires_s, "60s", 1, 3600, NULL,
	  "who asks for less gets 423 (RFC 3261 §10.3 step 7)", true },
	{ "max_expires", P_SECONDS, &registrar_cfg.max_expires_s, "1h", 60, 31536000, NULL, "who asks for more gets this", true },
	{ "default_expires", P_SECONDS, &registrar_cfg.default_expires_s, "1h", 60, 31536000, NULL, "who does not ask gets this, within the two above", true },
	{ "path_unasked", P_CHOICE, &registrar_cfg.path_unasked, "accept", 0, 0, path_choices,
	  "a Path from a phone that does not say that it knows Path: kept, or refused with 420 (RFC 3327 §5.3)", true },
	{ "service_route", P_STR, &registrar_cfg.service_route, "\"\"", 0, 0, NULL,
	  "the route that a phone's own requests shall take, told in the 200 (RFC 3608): \"<sip:edge.example.org;lr>\"", true },
	{ 0 }
};

/* lookup("location") is what other servers want. */
static bool user_ok(struct str text, char *why, size_t cap)
{
	struct uri u;

	if (!uri_parse(text, &u))
		return true;
	snprintf(why, cap, "`" STR_FMT "` is no URI: `lookup()` is for the request URI, and there is one store of contacts", STR_ARG(str_to(text, 60)));
	return false;
}

static const struct mod_arg save_args[] = {
	{ "max_contacts", T_INT, true, NULL, 1, 1000 },
	{ 0 }
};
static const struct mod_arg lookup_args[] = {
	{ "uri", T_ANY, true, .literal = user_ok },
	{ "more", T_BOOL, false, "false", 0, 0 },
	{ 0 }
};
static const struct mod_func funcs[] = {
	{ "save", fn_save, save_args, T_BOOL, false, NULL, IN_REQUEST, F_SAYS | F_SUSPENDS,
	  "do what this REGISTER asks for and answer it; true: with 200, when the binding is committed. `max_contacts` instead of the module's for this user" },
	{ "lookup", fn_lookup, lookup_args, T_BOOL, false, NULL, IN_REQUEST, F_SUSPENDS,
	  "the contacts of a user, by default of the request URI, become the target set, or (more) join it; false: there are none" },
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

/* Service-Route = sr-value *( COMMA sr-value ), each a name-addr (RFC 3608 §4.1); loose routers, or nothing would come of it (§6.1). */
static bool is_service_route(struct str text)
{
	struct str       value;
	struct name_addr na;

	while (value_next(&text, &value))
		if (name_addr_parse(value, &na) || !na.brackets || !uri_param(&na.uri, "lr", NULL))
			return false;
	return true;
}

static enum err configure(char *why)
{
	if (registrar_cfg.min_expires_s > registrar_cfg.max_expires_s) {
		snprintf(why, 256, "min_expires must not be longer than max_expires");
		return ERR_LIMIT;
	}
	if (registrar_cfg.service_route.len && !is_service_route(registrar_cfg.service_route)) {
		snprintf(why, 256, "service_route must be a list of addresses like <sip:edge.example.org;lr>");
		return ERR_SYNTAX;
	}
	return OK;
}

static enum err start(char *why)
{
	(void)why;
	registrar_cfg.location = module_service("location");
	return OK;
}

static const struct registrar_service service = { .ready = registrar_ready, .lookup = registrar_lookup };

static const char *const needs[] = { "location", NULL };

const struct module module = {
	.abi = MODULE_ABI, .name = "registrar", .help = "REGISTER requests, and the contacts known through them (RFC 3261 §10)",
	.needs = needs, .offers = "registrar", .service = &service, .params = params, .funcs = funcs, .counters = counters, .configure = configure, .start = start,
};
