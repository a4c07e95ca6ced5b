#include "base/random.h"
#include "proxy/internal.h"

struct counter count_requests = { .name = "proxy.requests", .help = "requests received", .unit = "messages" };
struct counter count_responses = { .name = "proxy.responses", .help = "responses received", .unit = "messages" };
struct counter count_keepalives = { .name = "proxy.keepalives", .help = "datagrams that only keep a NAT binding alive", .unit = "datagrams" };
struct counter count_strays = { .name = "proxy.stray_responses", .help = "responses that belong to no request of ours, dropped", .unit = "messages" };
struct counter count_bad_messages = { .name = "proxy.bad", .help = "malformed messages of any kind", .unit = "messages" };
struct counter count_dropped_acks = { .name = "proxy.dropped_acks", .help = "ACKs that belong to no transaction and no dialog through us", .unit = "messages" };
struct counter count_too_many_hops = { .name = "proxy.too_many_hops", .help = "requests whose Max-Forwards was used up (483)", .unit = "messages" };
struct counter count_forwarded = { .name = "proxy.forwarded", .help = "requests and responses forwarded statelessly", .unit = "messages" };
struct counter count_loops = { .name = "proxy.loops", .help = "requests that came back here as they had left (482)", .unit = "messages" };
struct counter count_merged = { .name = "proxy.merged", .help = "requests to this server that came by more than one branch (482)", .unit = "messages" };
struct counter count_unsealed = { .name = "proxy.unsealed", .help = "requests within a dialog by a Route of ours without our seal, handled as new ones", .unit = "messages" };
struct counter count_too_broad = { .name = "proxy.too_broad", .help = "requests with more targets than their Max-Breadth allows (440)", .unit = "messages" };
struct counter count_extensions = { .name = "proxy.extensions", .help = "requests that want an extension of us which we do not know (420)", .unit = "messages" };

static struct {
	struct proxy_user user;
	const struct proxy_clerk *clerk;
	struct hash_key   key;
	struct counter    bad[BAD_COUNT];
	char              bad_names[BAD_COUNT][40];
	bool              counters;
} boot;

static void counters_once(void)
{
	static struct counter *const all[] = { &count_requests, &count_responses, &count_keepalives, &count_strays, &count_bad_messages,
					       &count_dropped_acks, &count_too_many_hops, &count_forwarded, &count_loops, &count_merged,
					       &count_too_broad, &count_extensions, &count_unsealed };

	if (boot.counters)
		return;
	boot.counters = true;
	for (size_t i = 0; i < COUNT_OF(all); i++)
		counter_register(all[i]);
	for (int b = BAD_NONE + 1; b < BAD_COUNT; b++) {
		struct buf name = buf_on(boot.bad_names[b], sizeof(boot.bad_names[b]));

		buf_printf(&name, "proxy.bad.%s", msg_bad_name((enum msg_bad)b));
		boot.bad[b] = (struct counter){ .name = boot.bad_names[b], .help = msg_bad_reason((enum msg_bad)b), .unit = "messages" };
		counter_register(&boot.bad[b]);
	}
}

static void proxy_timeout(struct ctx *c, const struct tm_timeout *what)
{
	if (boot.user.timeout)
		boot.user.timeout(c, what);
}

enum err proxy_boot(const struct proxy_user *u)
{
	static const struct tm_user tm_user = { .outcome = proxy_outcome, .passing = proxy_passing, .timeout = proxy_timeout };

	boot.user = *u;
	boot.clerk = NULL;
	random_bytes(&boot.key, sizeof(boot.key));
	counters_once();
	tm_set_user(&tm_user);
	return seal_boot() || merged_boot() || ring_boot() ? ERR_NOMEM : OK;
}

const struct proxy_user *proxy_user(void)
{
	return &boot.user;
}

void proxy_set_clerk(const struct proxy_clerk *c)
{
	boot.clerk = c;
}

const struct proxy_clerk *proxy_clerk(void)
{
	return boot.clerk;
}

const struct hash_key *proxy_key(void)
{
	return &boot.key;
}

void count_bad(enum msg_bad b)
{
	counter_inc(&count_bad_messages);
	if (b > BAD_NONE && b < BAD_COUNT)
		counter_inc(&boot.bad[b]);
}
