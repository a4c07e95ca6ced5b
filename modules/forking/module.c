/* How the phones of one user ring. The order is carried out by the proxy floor (core/proxy/ring.c, relay.c). */
#include "module/module.h"

static struct ring_policy cfg;

static const char *const rings[] = {
	[RING_PARALLEL] = "parallel", [RING_SERIAL] = "serial", [RING_HUNT] = "hunt", [RING_ROUND_ROBIN] = "round_robin", NULL
};

static const struct mod_param params[] = {
	{ "ring", P_CHOICE, &cfg.ring, "parallel", 0, 0, rings,
	  "parallel: all at once; serial: by q, the same q together; hunt: one by one, by q; round_robin: the same, beginning with another each time", true },
	{ "ring_time", P_MS, &cfg.ring_ms, "15s", 1000, 600000, NULL, "how long one group rings before the next (serial, hunt, round_robin)", true },
	{ "recurse", P_BOOL, &cfg.recurse, "off", 0, 0, NULL, "ring the contacts of a 3xx instead of sending it to the caller (RFC 3261 §16.7 step 4)", true },
	{ "max_recursions", P_INT, &cfg.most_recursions, "5", 1, 20, NULL, "how many 3xx are followed for one request", true },
	{ 0 }
};

static enum err start(char *why)
{
	(void)why;
	proxy_set_ring(&cfg);
	return OK;
}

const struct module module = {
	.abi = MODULE_ABI, .name = "forking", .help = "how the phones of one user ring", .params = params, .start = start,
};
