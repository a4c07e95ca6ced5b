/* The order in which the targets of a request ring (RFC 3261 §16.6), and what a 3xx adds to them (§16.7 step 4). */
#include "proxy/internal.h"

#include <stdlib.h>

#include "shm/shm.h"

enum {
	MOST_CONTACTS = 8,	/* of the 3xx of one group that are followed */
	TURNS = 1024,	/* 4 kB; two users that share one see it jump, no more */
};

static struct {
	const struct ring_policy *policy;	/* boot */
	uint32_t                 *turn;		/* of round robin, one for each Request-URI's hash; shared, atomic */
} here;

enum err ring_boot(void)
{
	here.turn = shm_zalloc(shm_owner_new("proxy"), TURNS * sizeof(*here.turn));
	return here.turn ? OK : ERR_NOMEM;
}

void proxy_set_ring(const struct ring_policy *p)
{
	here.policy = p;
}

const struct ring_policy *ring_policy(void)
{
	static const struct ring_policy all_at_once = { .ring = RING_PARALLEL };

	return here.policy ? here.policy : &all_at_once;
}

static size_t count_targets(const struct target *t)
{
	size_t n = 0;

	for (; t; t = t->next)
		n++;
	return n;
}

/* Those that join later last; by q. */
static bool rings_before(const struct target *a, const struct target *b)
{
	if (a->after_ms != b->after_ms)
		return a->after_ms < b->after_ms;
	return ring_policy()->ring != RING_PARALLEL && a->q > b->q;
}

/* The same ones as they stand: target sets are short. */
static void sort(const struct target **order, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k && rings_before(order[k], order[k - 1]); k--) {
			const struct target *t = order[k];

			order[k] = order[k - 1];
			order[k - 1] = t;
		}
}

/* The end of those that have the same delay. */
static size_t together(const struct target **order, size_t at, size_t count)
{
	size_t end = at + 1;

	while (end < count && order[end]->after_ms == order[at]->after_ms)
		end++;
	return end;
}

/* The first `by` go to the end. */
static void rotate(const struct target **order, size_t n, size_t by)
{
	for (; by; by--) {
		const struct target *first = order[0];

		memmove(order, order + 1, (n - 1) * sizeof(*order));
		order[n - 1] = first;
	}
}

/* All workers count together, and for each user apart: the calls of one would else skip phones of another. */
static uint32_t next_turn(const struct request *r)
{
	return __atomic_fetch_add(&here.turn[hash_str(proxy_key(), r->msg.ruri) % TURNS], 1, __ATOMIC_RELAXED);
}

const struct target **ring_order(struct request *r, size_t *count)
{
	struct target        *own = r->targets ? NULL : ARENA_NEW(&r->arena, struct target);
	size_t                n = own ? 1 : count_targets(r->targets), i = 0;
	const struct target **order = n ? arena_alloc(&r->arena, n * sizeof(*order)) : NULL;

	if (!order)
		return NULL;
	if (own) {
		*own = (struct target){ .uri = r->msg.ruri, .q = 1000 };
		order[0] = own;
	}
	for (const struct target *t = r->targets; t; t = t->next)
		order[i++] = t;
	*count = n;
	sort(order, n);
	n = together(order, 0, n);
	if (ring_policy()->ring == RING_ROUND_ROBIN)
		rotate(order, n, next_turn(r) % n);
	return order;
}

size_t ring_group_end(const struct target **order, size_t at, size_t count)
{
	size_t end = at + 1;

	count = together(order, at, count);
	if (ring_policy()->ring == RING_PARALLEL || order[at]->after_ms)
		return count;
	if (ring_policy()->ring == RING_SERIAL)
		while (end < count && order[end]->q == order[at]->q)
			end++;
	return end;
}

/* §16.5: a URI is in a target set once, and what has been tried is not tried again (§8.1.3.4). */
static bool was_tried(const struct uri *u, const struct target **tried, size_t count)
{
	struct uri other;

	for (size_t i = 0; i < count; i++)
		if (!uri_parse(tried[i]->uri, &other) && uri_eq(u, &other))
			return true;
	return false;
}

/* A sips: request is not sent to a sip: contact (§16.7 step 4). */
static bool may_follow(const struct contact *c, bool secure)
{
	return !c->addr.star && (c->addr.uri.scheme == URI_SIPS || (c->addr.uri.scheme == URI_SIP && !secure));
}

bool ring_recurse(struct request *r, struct str answer, const struct target **tried, size_t count)
{
	struct msg        m;
	struct msg_values it;
	struct str        value;
	struct contact    c;
	size_t            n = 0;

	if (!answer.p || msg_parse(&r->c, answer, &m))
		return false;
	request_clear_targets(r);
	it = msg_values(&m, H_CONTACT);
	while (n < MOST_CONTACTS && msg_values_next(&it, &value)) {
		if (contact_parse(value, &c) || !may_follow(&c, is_secure(r->msg.ruri)) || was_tried(&c.addr.uri, tried, count))
			continue;
		if (request_add_target(r, &(struct target){ .uri = c.addr.uri_text, .q = c.q }))
			return n;
		n++;
	}
	return n;
}
