#include "net/directory.h"

#include "base/hash.h"
#include "base/random.h"
#include "shm/counter.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { BUCKETS = 8192, SOURCES = 4096, ID_SHIFT = 16 };	/* an id ends with the number of its chain */

struct chain {
	struct lock lock;	/* RANK_CONN or RANK_SOURCE */
	struct list list;
};

/* An address that has opened connections to us. Shared slab; guarded by its chain's lock. */
struct source {
	struct list link;
	struct addr ip;
	uint32_t    count;
};

/* In shared memory. */
struct directory {
	uint64_t     last;	/* of the ids, begun at random: those of an earlier life are never met again. Atomic */
	int64_t      count;	/* of connections; atomic */
	struct chain chain[BUCKETS];
	struct chain source[SOURCES];
};

static struct {
	struct directory *d;
	unsigned          life;	/* of the shared memory that d is in */
	struct hash_key   key;
	shm_owner         owner;
} dir;

static struct counter count_connections = { .name = "net.tcp.connections", .help = "connections there are now", .unit = "connections", .gauge = true };

enum err directory_boot(void)
{
	counter_register(&count_connections);
	dir.owner = shm_owner_new("connections");
	dir.d = shm_alloc(dir.owner, sizeof(*dir.d));
	if (!dir.d)
		return ERR_NOMEM;
	dir.life = shm_life();
	dir.d->last = random_u64();
	dir.d->count = 0;
	random_bytes(&dir.key, sizeof(dir.key));
	for (size_t i = 0; i < BUCKETS; i++) {
		lock_init(&dir.d->chain[i].lock, RANK_CONN);
		list_init(&dir.d->chain[i].list);
	}
	for (size_t i = 0; i < SOURCES; i++) {
		lock_init(&dir.d->source[i].lock, RANK_SOURCE);
		list_init(&dir.d->source[i].list);
	}
	return OK;
}

bool directory_ready(void)
{
	return dir.d && dir.life == shm_life();
}

static unsigned chain_of(const struct addr *peer)
{
	uint16_t          port = addr_port(peer);
	struct hash_state h;

	hash_begin(&h, &dir.key);
	hash_add(&h, addr_ip_bytes(peer));
	hash_add(&h, str_n((const char *)&port, sizeof(port)));
	return hash_end(&h) % BUCKETS;
}

static uint64_t id_new(unsigned chain)
{
	uint64_t id;

	do
		id = __atomic_add_fetch(&dir.d->last, 1, __ATOMIC_RELAXED) << ID_SHIFT;
	while (!id);
	return id | chain;
}

/* --- sources --- */

/* One customer has a whole /64 of IPv6. */
static struct addr source_of(const struct addr *peer)
{
	struct addr a = *peer;

	addr_set_port(&a, 0);
	if (a.u.any.sa_family == AF_INET6)
		memset(&a.u.v6.sin6_addr.s6_addr[8], 0, 8);
	return a;
}

static struct source *source_find_locked(struct chain *c, const struct addr *ip)
{
	LIST_EACH(struct source, s, &c->list, link)
		if (addr_ip_eq(&s->ip, ip))
			return s;
	return NULL;
}

static enum err source_take(const struct addr *peer)
{
	struct addr    ip = source_of(peer);
	struct chain  *c = &dir.d->source[hash_str(&dir.key, addr_ip_bytes(&ip)) % SOURCES];
	struct source *s;
	enum err       err = OK;

	lock(&c->lock);
	s = source_find_locked(c, &ip);
	if (!s && (s = shm_zalloc(dir.owner, sizeof(*s)))) {
		s->ip = ip;
		list_append(&c->list, &s->link);
	}
	if (!s)
		err = ERR_NOMEM;
	else if (s->count >= tcp_limits.per_source)
		err = ERR_STATE;
	else
		s->count++;
	unlock(&c->lock);
	return err;
}

static void source_give(const struct addr *peer)
{
	struct addr    ip = source_of(peer);
	struct chain  *c = &dir.d->source[hash_str(&dir.key, addr_ip_bytes(&ip)) % SOURCES];
	struct source *s;

	lock(&c->lock);
	s = source_find_locked(c, &ip);
	if (s && !--s->count) {
		list_remove(&s->link);
		shm_free(s);
	}
	unlock(&c->lock);
}

/* --- entries --- */

static struct entry *find_id_locked(struct chain *c, uint64_t id)
{
	LIST_EACH(struct entry, e, &c->list, link)
		if (e->id == id)
			return e;
	return NULL;
}

static struct entry *find_peer_locked(struct chain *c, const struct listener *via, const struct addr *peer)
{
	LIST_EACH(struct entry, e, &c->list, link)
		if (e->via == via && addr_eq(&e->peer, peer))
			return e;
	return NULL;
}

/* The source is counted within the critical section of the chain: a death in between has all of it built anew. */
static enum err link_locked(struct chain *c, struct entry *e)
{
	enum err err = e->counted ? source_take(&e->peer) : OK;

	if (err)
		return err;
	list_prepend(&c->list, &e->link);
	__atomic_add_fetch(&dir.d->count, 1, __ATOMIC_RELAXED);
	counter_inc(&count_connections);
	return OK;
}

static void free_locked(struct entry *e)
{
	list_remove(&e->link);
	if (e->counted)
		source_give(&e->peer);
	__atomic_sub_fetch(&dir.d->count, 1, __ATOMIC_RELAXED);
	counter_add(&count_connections, -1);
	shm_free(e);
}

static enum err add_locked(struct chain *c, const struct entry *new, struct entry **out)
{
	struct entry *e;
	enum err      err;

	if (!new->counted && find_peer_locked(c, new->via, &new->peer))
		return ERR_EXISTS;
	e = shm_alloc(dir.owner, sizeof(*e));
	if (!e)
		return ERR_NOMEM;
	*e = *new;
	err = link_locked(c, e);
	if (err)
		shm_free(e);
	else
		*out = e;
	return err;
}

enum err directory_add(struct flow *f, bool counted, struct conn *conn, struct entry **out)
{
	unsigned      n = chain_of(&f->peer);
	struct chain *c = &dir.d->chain[n];
	struct entry  new = { .via = f->via, .peer = f->peer, .conn = conn, .owner = (uint16_t)proc_self(), .counted = counted };
	enum err      err;

	if (__atomic_load_n(&dir.d->count, __ATOMIC_RELAXED) >= tcp_limits.connections)
		return ERR_LIMIT;
	new.id = id_new(n);
	lock(&c->lock);
	err = add_locked(c, &new, out);
	unlock(&c->lock);
	if (err)
		return err;
	f->conn = new.id;
	f->owner = new.owner;
	return OK;
}

void directory_remove(struct entry *e)
{
	struct chain *c;

	if (!e)
		return;
	c = &dir.d->chain[e->id & ((1 << ID_SHIFT) - 1)];
	lock(&c->lock);
	free_locked(e);
	unlock(&c->lock);
}

/* With the lock of its chain, or NULL. */
static struct chain *chain_of_id(uint64_t id)
{
	unsigned n = id & ((1 << ID_SHIFT) - 1);

	return id && n < BUCKETS ? &dir.d->chain[n] : NULL;
}

static enum err hit_locked(struct entry *e, size_t bytes, struct hit *out)
{
	if (!e)
		return ERR_NOT_FOUND;
	if (e->owner != proc_self()) {
		if (e->waiting + bytes > tcp_limits.queue_bytes)
			return ERR_LIMIT;
		e->waiting += bytes;
	}
	*out = (struct hit){ .id = e->id, .owner = e->owner, .conn = e->owner == proc_self() ? e->conn : NULL };
	return OK;
}

static enum err find_peer(const struct flow *to, const struct addr *peer, size_t bytes, struct hit *out)
{
	struct chain *c = &dir.d->chain[chain_of(peer)];
	enum err      err;

	lock(&c->lock);
	err = hit_locked(find_peer_locked(c, to->via, peer), bytes, out);
	unlock(&c->lock);
	return err;
}

/* Ids come from far, too (our Via in a stateless request): whoever makes one up reaches nobody but himself. */
static enum err find_id(uint64_t id, const struct addr *peer, size_t bytes, struct hit *out)
{
	struct chain *c = chain_of_id(id);
	struct entry *e;
	enum err      err;

	if (!c)
		return ERR_NOT_FOUND;
	lock(&c->lock);
	e = find_id_locked(c, id);
	err = hit_locked(e && addr_ip_eq(&e->peer, peer) ? e : NULL, bytes, out);
	unlock(&c->lock);
	return err;
}

enum err directory_find(const struct flow *to, size_t bytes, struct hit *out)
{
	enum err    err = to->conn ? find_id(to->conn, &to->peer, bytes, out) : find_peer(to, &to->peer, bytes, out);
	struct addr peer = to->peer;

	if (err != ERR_NOT_FOUND || !to->port)
		return err;
	addr_set_port(&peer, to->port);
	return find_peer(to, &peer, bytes, out);
}

struct conn *directory_read(uint64_t id, size_t bytes)
{
	struct chain *c = chain_of_id(id);
	struct entry *e;
	struct conn  *conn = NULL;

	if (!c)
		return NULL;
	lock(&c->lock);
	e = find_id_locked(c, id);
	if (e) {
		e->waiting -= bytes < e->waiting ? bytes : e->waiting;
		conn = e->owner == proc_self() ? e->conn : NULL;
	}
	unlock(&c->lock);
	return conn;
}

bool directory_has(uint64_t id)
{
	struct chain *c = directory_ready() ? chain_of_id(id) : NULL;
	bool          has;

	if (!c)
		return false;
	lock(&c->lock);
	has = find_id_locked(c, id);
	unlock(&c->lock);
	return has;
}

static struct entry *own_locked(struct chain *c)
{
	LIST_EACH(struct entry, e, &c->list, link)
		if (e->owner == proc_self())
			return e;
	return NULL;
}

/* It is told first and freed then: if we die over it the next one tells it again. */
static bool clean_one(struct chain *c, void (*lost)(uint64_t id))
{
	struct entry *e;
	uint64_t      id;

	lock(&c->lock);
	e = own_locked(c);
	id = e ? e->id : 0;
	unlock(&c->lock);
	if (!id)
		return false;
	lost(id);
	lock(&c->lock);
	free_locked(e);		/* nobody else does */
	unlock(&c->lock);
	return true;
}

void directory_clean(void (*lost)(uint64_t id))
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (clean_one(&dir.d->chain[i], lost))
			;
}
