#include "net/dns_cache.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { SETS = 256, SET_MOST = 32 };	/* 8192 answers at most */

/* One answer, or that there is none. Constant once it is in its set. */
struct entry {
	struct list link;
	uint64_t    hash, until_ms;
	uint32_t    bytes;	/* of the records */
	uint16_t    count;
	uint8_t     type, err, name_len;
	char        rest[];	/* the name, the records */
};

struct set {
	struct lock lock;	/* RANK_CACHE: what follows */
	struct list entries;	/* the oldest first */
	unsigned    count;
};

static struct {
	struct set     *set;	/* shared */
	unsigned        life;	/* of the shared memory that it is in */
	shm_owner       owner;
	struct hash_key key;
} cache;

enum err dns_cache_boot(void)
{
	cache.owner = shm_owner_new("dns");
	cache.set = shm_alloc(cache.owner, SETS * sizeof(*cache.set));
	if (!cache.set)
		return ERR_NOMEM;
	cache.life = shm_life();
	random_bytes(&cache.key, sizeof(cache.key));
	for (size_t i = 0; i < SETS; i++) {
		lock_init(&cache.set[i].lock, RANK_CACHE);
		list_init(&cache.set[i].entries);
		cache.set[i].count = 0;
	}
	return OK;
}

static struct set *set_of(uint64_t hash)
{
	return cache.set && cache.life == shm_life() ? &cache.set[hash % SETS] : NULL;
}

static uint64_t hash_of(struct str name, enum dns_type type)
{
	return hash_istr(&cache.key, name) + (uint64_t)type * 0x9e3779b97f4a7c15;
}

static size_t record_bytes(enum dns_type type)
{
	if (type == DNS_SRV)
		return sizeof(struct dns_srv);
	return type == DNS_NAPTR ? sizeof(struct dns_naptr) : sizeof(struct addr);
}

static bool is_it(const struct entry *e, uint64_t hash, struct str name, enum dns_type type)
{
	return e->hash == hash && e->type == type && str_ieq(name, str_n(e->rest, e->name_len));
}

static struct entry *find_locked(const struct set *s, uint64_t hash, struct str name, enum dns_type type)
{
	LIST_EACH(struct entry, e, &s->entries, link)
		if (is_it(e, hash, name, type))
			return e;
	return NULL;
}

bool dns_cache_find(struct str name, enum dns_type type, enum err *err, struct dns_answer *out)
{
	uint64_t            hash = hash_of(name, type);
	struct set         *s = set_of(hash);
	const struct entry *e;
	bool                found;

	if (!s)
		return false;
	lock(&s->lock);
	e = find_locked(s, hash, name, type);
	found = e && e->until_ms > clock_ms();
	if (found) {
		*err = (enum err)e->err;
		out->count = e->count;
		memcpy(out->addr, e->rest + e->name_len, e->bytes);
	}
	unlock(&s->lock);
	return found;
}

static struct entry *entry_new(struct str name, enum dns_type type, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	size_t        bytes = err ? 0 : answer->count * record_bytes(type);
	struct entry *e = shm_alloc(cache.owner, sizeof(*e) + name.len + bytes);

	if (!e)
		return NULL;
	*e = (struct entry){
		.hash = hash_of(name, type), .until_ms = clock_ms() + (uint64_t)ttl_s * 1000, .bytes = (uint32_t)bytes,
		.count = err ? 0 : (uint16_t)answer->count, .type = (uint8_t)type, .err = (uint8_t)err, .name_len = (uint8_t)name.len,
	};
	memcpy(e->rest, name.p, name.len);
	memcpy(e->rest + name.len, answer->addr, bytes);
	return e;
}

/* In the place of the same question's, or of the oldest. */
static void put_locked(struct set *s, struct str name, struct entry *e)
{
	struct entry *old = find_locked(s, e->hash, name, (enum dns_type)e->type);

	if (!old && s->count == SET_MOST)
		old = LIST_FIRST(&s->entries, struct entry, link);
	if (old)
		list_remove(&old->link);
	else
		s->count++;
	list_append(&s->entries, &e->link);
	shm_free(old);
}

void dns_cache_store(struct str name, enum dns_type type, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	struct set   *s = set_of(hash_of(name, type));
	struct entry *e;

	if (!s)
		return;
	lock(&s->lock);
	e = entry_new(name, type, err, answer, ttl_s);
	if (e)
		put_locked(s, name, e);
	unlock(&s->lock);
}
