#include "modules/redirect/redirect.h"

static const struct mod_func funcs[] = {
	{ "redirect", fn_redirect, NULL, T_NULL, false, NULL, IN_REQUEST, F_ENDS | F_SAYS,
	  "answer 302 with the target set as contacts, 480 when it is empty; the caller then goes there by itself" },
	{ 0 }
};

struct counter redirect_sent = { .name = "redirect.sent", .help = "requests answered 302", .unit = "requests" };
struct counter redirect_empty = { .name = "redirect.empty", .help = "requests answered 480, there was no target", .unit = "requests" };

static struct counter *counters[] = { &redirect_sent, &redirect_empty, NULL };

const struct module module = {
	.abi = MODULE_ABI, .name = "redirect", .help = "send callers to the contacts themselves (RFC 3261 §8.3)",
	.funcs = funcs, .counters = counters,
};
