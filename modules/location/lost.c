/* Bindings whose connection is lost. A connection has ties: the addresses-of-record with bindings that came over it. */
#include "modules/location/location.h"

#include "base/clock.h"

enum { CHAINS = 4096 };

/* Shared slab; guarded by its chain's lock. Goes with its connection; what it leads to may have gone before. */
struct tie {
	struct tie *next;
	uint64_t    conn;
	uint32_t    hash;	/* of the AOR */
};
static struct {
	shm_owner owner;
	struct chain {
		struct lock lock;	/* RANK_MODULE */
		struct tie *first;
	} *chain;	/* shared */
} lost;

enum err lost_create(void)
{
	lost.owner = shm_owner_new("location");
	lost.chain = shm_zalloc(lost.owner, CHAINS * sizeof(lost.chain[0]));
	if (!lost.chain)
		return ERR_NOMEM;
	for (size_t i = 0; i < CHAINS; i++)
		lock_init(&lost.chain[i].lock, RANK_MODULE);
	return OK;
}

/* Ids end with the number of a chain of net's, which is as good as random. */
static struct chain *chain_of(uint64_t conn)
{
	return &lost.chain[(conn ^ conn >> 16) % CHAINS];
}

static bool ends_nowhere(struct str host)
{
	struct str end = STR(".invalid");

	return host.len >= end.len && str_ieq(str_from(host, host.len - end.len), end);
}

/* Can its own address be connected to? Not behind a NAT, nor where it is the phone's end of the connection that was lost. A name leads somewhere, but
 * for those that never do (RFC 7118 §5: browsers). */
static bool is_reachable(const struct uri *contact, const struct addr *peer)
{
	struct addr host;

	if (addr_parse(contact->host, 0, &host))
		return !ends_nowhere(contact->host);
	return addr_ip_eq(&host, peer) && (contact->port ? contact->port : 5060) != addr_port(peer);
}

/* With Path the connection is that of an edge proxy, which opens another. RFC 5626 §6: without its flow such a binding is none. */
bool lost_goes(const struct binding *b, const struct addr *peer)
{
	struct uri u;

	if (b->path.len || location_cfg.lost == LOST_KEEP)
		return false;
	return location_cfg.lost == LOST_FORGET_ALL || b->reg_id || uri_parse(b->contact, &u) || !is_reachable(&u, peer);
}

static bool is_tied_locked(const struct chain *c, uint64_t conn, uint32_t hash)
{
	for (const struct tie *t = c->first; t; t = t->next)
		if (t->conn == conn && t->hash == hash)
			return true;
	return false;
}

/* Without memory it is not tied: the binding ends by its time, and lookup() sees that the connection is gone. */
void lost_note(uint64_t conn, uint32_t hash)
{
	struct chain *c = chain_of(conn);
	struct tie   *t;

	lock(&c->lock);
	t = is_tied_locked(c, conn, hash) ? NULL : shm_alloc(lost.owner, sizeof(*t));
	if (t) {
		*t = (struct tie){ .next = c->first, .conn = conn, .hash = hash };
		c->first = t;
	}
	unlock(&c->lock);
}

static struct tie *take_ties(uint64_t conn)
{
	struct chain *c = chain_of(conn);
	struct tie  **at = &c->first, *t, *taken = NULL;

	lock(&c->lock);
	while ((t = *at)) {
		if (t->conn != conn) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->next = taken;
		taken = t;
	}
	unlock(&c->lock);
	return taken;
}

static bool is_doomed(const struct bind *b, uint32_t now)
{
	(void)now;
	return b->doomed;
}

/* The letters leave under the lock, as all changes of an AOR. */
static void forget_locked(struct aor *a, uint64_t conn)
{
	struct binding v;
	bool           any = false;

	for (struct bind *b = a->binds; b; b = b->next) {
		bind_view(b, &v);
		b->doomed = b->has_conn && v.received.conn == conn && lost_goes(&v, &v.received.peer);
		any |= b->doomed;
		if (b->doomed && location_cfg.durable)
			store_forget(aor_key(a), v.contact);
	}
	if (!any)
		return;
	aor_wrote_locked(a);
	counter_add(&location_lost, (int64_t)aor_cut_locked(a, is_doomed, 0, &location_removed));
	aor_settle_locked(a);
}

void lost_connection(uint64_t conn)
{
	struct tie *t = take_ties(conn), *next;

	for (; t; t = next) {
		struct lock *l = table_lock(t->hash);
		struct aor  *after;

		next = t->next;
		lock(l);
		for (struct aor *a = table_first_locked(t->hash & (table_buckets() - 1)); a; a = after) {
			after = a->next;
			if (a->hash == t->hash)
				forget_locked(a, conn);
		}
		unlock(l);
		shm_free(t);
	}
}
