#include "modules/auth/auth.h"

#include <stdio.h>

struct auth_cfg auth_cfg;

static const char *const algorithm_choices[] = { "SHA-256", "MD5", NULL };	/* in the order of enum algorithm */

static const struct mod_param params[] = {
	{ "algorithms", P_CHOICES, &auth_cfg.algorithms, "[SHA-256, MD5]", 0, 0, algorithm_choices,
	  "offered to clients, the preferred first (RFC 8760)", true },
	{ "md5_only", P_STR, &auth_cfg.md5_only, "\"baresip v0, baresip v1, baresip v2, SIPp\"", 0, 0, NULL,
	  "beginnings of User-Agent values, separated by commas, of clients that fail where SHA-256 is offered beside MD5", true },
	{ "nonce_expire", P_SECONDS, &auth_cfg.nonce_expire_s, "5m", 10, 86400, NULL,
	  "how long a challenge may be answered and its nonce used again", true },
	{ "replay_window", P_INT, &auth_cfg.replay_window, "65536", 64, 16777216, NULL,
	  "nonces in use whose counts are remembered, 16 bytes each", false },
	{ "require_qop", P_BOOL, &auth_cfg.require_qop, "on", 0, 0, NULL,
	  "off lets clients in that know RFC 2069 only; each of their requests needs a new nonce", true },
	{ "check_to", P_BOOL, &auth_cfg.check_to, "on", 0, 0, NULL,
	  "a REGISTER may only be for the user that authenticated (else 403)", true },
	{ "check_from", P_BOOL, &auth_cfg.check_from, "on", 0, 0, NULL,
	  "another request with a From of the realm's domain may only come from that user (else 403)", true },
	{ 0 }
};

static const struct mod_arg authenticate_args[] = {
	{ "realm", T_STR, true, NULL, 0, 0 },
	{ 0 }
};
static const struct mod_func funcs[] = {
	{ "authenticate", auth_authenticate, authenticate_args, T_NULL, false, NULL, IN_REQUEST | IN_DIALOG, F_MAY_END | F_SUSPENDS,
	  "go on only with good credentials; else a REGISTER is answered 401, all else 407; realm: the domain of To or From" },
	{ 0 }
};

struct counter auth_challenges = { .name = "auth.challenges", .help = "requests that were asked for credentials", .unit = "requests" };
struct counter auth_accepted = { .name = "auth.accepted", .help = "requests with good credentials", .unit = "requests" };
struct counter auth_refused = { .name = "auth.refused", .help = "unknown users, wrong passwords, users registering others", .unit = "requests" };
struct counter auth_stale = { .name = "auth.stale", .help = "challenged anew because the nonce was over or used", .unit = "requests" };
struct counter auth_replayed = { .name = "auth.replayed", .help = "right credentials that had been used before", .unit = "requests" };
struct counter auth_forged = { .name = "auth.forged", .help = "nonces that are not ours", .unit = "requests" };
struct counter auth_unavailable = { .name = "auth.unavailable", .help = "answered 503 because the store was away", .unit = "requests" };

static struct counter *counters[] = {
	&auth_challenges, &auth_accepted, &auth_refused, &auth_stale, &auth_replayed, &auth_forged, &auth_unavailable, NULL
};

static enum err start(char *why)
{
	auth_cfg.profile = module_service("profile");
	if (!nonce_boot((uint32_t)auth_cfg.replay_window))
		return OK;
	snprintf(why, 256, "no room for replay_window = %lld; raise memory_limit", (long long)auth_cfg.replay_window);
	return ERR_NOMEM;
}

static const char *const needs[] = { "profile", NULL };

const struct module module = {
	.abi = MODULE_ABI, .name = "auth", .help = "who is asking: digest authentication of users",
	.needs = needs, .params = params, .funcs = funcs, .counters = counters, .start = start,
};
