#include "net/avoid.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum {
	SETS = 256, SET_MOST = 8,	/* 2048 addresses */
	PROBE_MS = 10000,	/* who probes has told by then how it went, or never will */
};

struct entry {
	struct addr peer;
	uint8_t     transport;	/* TP_NONE: a free place */
	uint64_t    until_ms;	/* avoided, then half-open */
	uint64_t    probe_ms;	/* half-open: somebody is trying until then */
};

struct set {
	struct lock  lock;	/* RANK_CACHE: what follows */
	struct entry entry[SET_MOST];
};

struct shared {
	unsigned   count;	/* of entries; atomic */
	struct set set[SETS];
};

static struct {
	struct shared  *shared;
	unsigned        life;	/* of the shared memory that it is in */
	struct hash_key key;
} avoid;

enum err avoid_boot(void)
{
	avoid.shared = shm_zalloc(shm_owner_new("avoid"), sizeof(*avoid.shared));
	if (!avoid.shared)
		return ERR_NOMEM;
	avoid.life = shm_life();
	random_bytes(&avoid.key, sizeof(avoid.key));
	for (size_t i = 0; i < SETS; i++)
		lock_init(&avoid.shared->set[i].lock, RANK_CACHE);
	return OK;
}

static bool is_on(void)
{
	return avoid.shared && avoid.life == shm_life();
}

static bool is_empty(void)
{
	return !is_on() || !__atomic_load_n(&avoid.shared->count, __ATOMIC_RELAXED);
}

static void count(int n)
{
	__atomic_add_fetch(&avoid.shared->count, (unsigned)n, __ATOMIC_RELAXED);
}

static enum transport transport_to(const struct flow *to)
{
	return to->via ? to->via->transport : TP_NONE;
}

static struct set *set_of(const struct flow *to)
{
	const void *ip = to->peer.u.any.sa_family == AF_INET6 ? (const void *)&to->peer.u.v6.sin6_addr : (const void *)&to->peer.u.v4.sin_addr;
	size_t      len = to->peer.u.any.sa_family == AF_INET6 ? sizeof(to->peer.u.v6.sin6_addr) : sizeof(to->peer.u.v4.sin_addr);
	uint64_t    h = hash_str(&avoid.key, str_n(ip, len));

	return &avoid.shared->set[(h + addr_port(&to->peer)) % SETS];
}

static struct entry *find_locked(struct set *s, const struct flow *to)
{
	for (size_t i = 0; i < SET_MOST; i++)
		if (s->entry[i].transport == transport_to(to) && addr_eq(&s->entry[i].peer, &to->peer))
			return &s->entry[i];
	return NULL;
}

/* A free place, or the one whose time is over first. */
static struct entry *place_locked(struct set *s)
{
	struct entry *best = &s->entry[0];

	for (size_t i = 1; i < SET_MOST && best->transport; i++)
		if (!s->entry[i].transport || s->entry[i].until_ms < best->until_ms)
			best = &s->entry[i];
	return best;
}

static void add_locked(struct set *s, const struct flow *to, uint32_t ms)
{
	struct entry *e = find_locked(s, to);

	if (!e) {
		e = place_locked(s);
		count(!e->transport);
	}
	*e = (struct entry){ .peer = to->peer, .transport = (uint8_t)transport_to(to), .until_ms = clock_ms() + ms };
}

void avoid_add(const struct flow *to, uint32_t ms)
{
	struct set *s;

	if (!ms || !is_on() || !transport_to(to))
		return;
	s = set_of(to);
	lock(&s->lock);
	add_locked(s, to, ms);
	unlock(&s->lock);
}

void avoid_clear(const struct flow *to)
{
	struct set   *s;
	struct entry *e;

	if (is_empty() || !transport_to(to))
		return;
	s = set_of(to);
	lock(&s->lock);
	e = find_locked(s, to);
	if (e) {
		e->transport = TP_NONE;
		count(-1);
	}
	unlock(&s->lock);
}

/* True: it is not avoided, or it is for us to probe. */
static bool may_try(const struct flow *to)
{
	struct set   *s = set_of(to);
	uint64_t      now_ms = clock_ms();
	struct entry *e;
	bool          may = true;

	lock(&s->lock);
	e = find_locked(s, to);
	if (e) {
		may = e->until_ms <= now_ms && e->probe_ms <= now_ms;
		if (may)
			e->probe_ms = now_ms + PROBE_MS;
	}
	unlock(&s->lock);
	return may;
}

size_t avoid_pick(const struct flow *to, size_t n)
{
	if (n < 2 || is_empty())
		return 0;
	for (size_t i = 0; i < n; i++)
		if (may_try(&to[i]))
			return i;
	return 0;
}
