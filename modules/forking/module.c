/* How the phones of one user ring. */
#include "module/module.h"

static struct {
	int ring;	/* index into rings */
} cfg;

/* Parallel is how transactions fork (RFC 3261 §16.6): the choice is named so that a script can say it. */
static const char *const rings[] = { "parallel", NULL };

static const struct mod_param params[] = {
	{ "ring", P_CHOICE, &cfg.ring, "parallel", 0, 0, rings, "parallel: all contacts of a user ring at once, the first that answers has the call", true },
	{ 0 }
};

const struct module module = {
	.abi = MODULE_ABI, .name = "forking", .help = "how the phones of one user ring", .params = params,
};
