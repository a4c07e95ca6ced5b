/* Users in shared memory: 64 shards, each with a lock of its own, its part of the bytes, and a list by use for those that are users and one for those
 * that are known to be nobody, which may take an eighth: who tries names cannot push out the users.
 *
 * Fresh is what came from the database within its lifetime while a process listens for changes and none was heard. An answer that was
 * under way when its user changed is not kept: the change marks the asking. */
#include "modules/profile/profile.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { SHARDS = 64, NOBODYS_PART = 8, BYTES_A_BUCKET = 1024 };

struct entry {
	struct entry *next;	/* of the bucket */
	struct list   use;	/* of the shard, the latest used first */
	uint64_t      hash, at_ms;	/* when it came from the database */
	uint32_t      generation;
	uint32_t      key_len, len;
	char          text[];	/* key, bytes */
};
/* One question to the database. */
struct asking {
	struct list link, waiters;	/* of cache_waiter.link */
	uint64_t    hash;
	uint32_t    generation, incarnation;
	uint16_t    slot;
	bool        overtaken;		/* the user has changed since */
	uint32_t    key_len;
	char        key[];
};
/* The lock, RANK_MODULE, guards all else and the entries and askings. */
struct shard {
	struct lock   lock;
	struct list   use[2], askings;	/* use: users, nobodies */
	size_t        bytes[2];
	struct entry **bucket;
} __attribute__((aligned(64)));

struct cache {
	struct hash_key key;		/* read-only after boot */
	uint32_t        mask;		/* buckets of a shard; read-only */
	/* Written by the process that listens, atomically each. */
	uint32_t        generation;	/* what is of an older one may have changed */
	uint32_t        ear_incarnation;
	uint16_t        ear_slot;
	uint8_t         hearing;
	uint64_t        deaf_ms;	/* since when nothing is heard */
	struct shard    shard[SHARDS];
};

static struct {
	struct cache *c;	/* shared */
	shm_owner     tag;
} all;

enum err cache_boot(void)
{
	size_t        buckets = 16;
	struct cache *c;

	while (buckets * SHARDS * BYTES_A_BUCKET < profile_cfg.cache_bytes)
		buckets *= 2;
	all.tag = shm_owner_new("profile");
	c = shm_zalloc(all.tag, sizeof(*c) + 64);
	if (!c)
		return ERR_NOMEM;
	c = (struct cache *)(((uintptr_t)c + 63) & ~(uintptr_t)63);
	random_bytes(&c->key, sizeof(c->key));
	c->mask = (uint32_t)buckets - 1;
	c->generation = 1;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shard[i];

		lock_init(&s->lock, RANK_MODULE);
		list_init(&s->use[0]);
		list_init(&s->use[1]);
		list_init(&s->askings);
		s->bucket = shm_zalloc(all.tag, buckets * sizeof(s->bucket[0]));
		if (!s->bucket)
			return ERR_NOMEM;
	}
	all.c = c;
	return OK;
}

static struct shard *shard_of(uint64_t hash)
{
	return &all.c->shard[hash % SHARDS];
}

static struct entry **bucket_of(struct shard *s, uint64_t hash)
{
	return &s->bucket[hash / SHARDS & all.c->mask];
}

static uint32_t generation_now(void)
{
	return __atomic_load_n(&all.c->generation, __ATOMIC_ACQUIRE);
}

/* A process that died hears nothing, and its successor not yet. */
static bool is_hearing(void)
{
	return __atomic_load_n(&all.c->hearing, __ATOMIC_ACQUIRE) && all.c->ear_incarnation == proc_get(all.c->ear_slot)->incarnation;
}

/* --- entries --- */

static size_t size_of(const struct entry *e)
{
	return sizeof(*e) + e->key_len + e->len;
}

static unsigned kind_of(const struct entry *e)
{
	return e->len == 0;
}

static struct entry *find_locked(struct shard *s, uint64_t hash, struct str key)
{
	for (struct entry *e = *bucket_of(s, hash); e; e = e->next)
		if (e->hash == hash && str_eq(str_n(e->text, e->key_len), key))
			return e;
	return NULL;
}

/* Digests are not left lying about. */
static void remove_locked(struct shard *s, struct entry *e)
{
	struct entry **at = bucket_of(s, e->hash);
	size_t         n = size_of(e);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_remove(&e->use);
	s->bytes[kind_of(e)] -= n;
	counter_add(&profile_bytes, -(int64_t)n);
	counter_add(&profile_entries, -1);
	explicit_bzero(e, n);
	shm_free(e);
}

static void make_room_locked(struct shard *s, unsigned kind, size_t most)
{
	while (s->bytes[kind] > most) {
		remove_locked(s, CONTAINER(s->use[kind].prev, struct entry, use));
		counter_inc(&profile_evicted);
	}
}

static void insert_locked(struct shard *s, struct entry *e)
{
	struct entry **at = bucket_of(s, e->hash), *before = find_locked(s, e->hash, str_n(e->text, e->key_len));
	unsigned       kind = kind_of(e);
	size_t         most = profile_cfg.cache_bytes / SHARDS / (kind ? NOBODYS_PART : 1);

	if (before)
		remove_locked(s, before);
	e->next = *at;
	*at = e;
	list_prepend(&s->use[kind], &e->use);
	s->bytes[kind] += size_of(e);
	counter_add(&profile_bytes, (int64_t)size_of(e));
	counter_inc(&profile_entries);
	make_room_locked(s, kind, most);
}

/* NULL: it is not worth the memory. */
static struct entry *entry_new(struct str key, uint64_t hash, struct str bytes)
{
	struct entry *e = key.len > CACHE_MOST_KEY || bytes.len > CACHE_MOST_BYTES || shm_scarce() ? NULL : shm_alloc(all.tag, sizeof(*e) + key.len + bytes.len);

	if (!e)
		return NULL;
	*e = (struct entry){ .hash = hash, .at_ms = clock_ms(), .key_len = (uint32_t)key.len, .len = (uint32_t)bytes.len };
	memcpy(e->text, key.p, key.len);
	if (bytes.len)
		memcpy(e->text + key.len, bytes.p, bytes.len);
	return e;
}

/* --- looking --- */

/* When it was last known to be so. */
static uint64_t verified_ms(const struct entry *e)
{
	uint64_t deaf = __atomic_load_n(&all.c->deaf_ms, __ATOMIC_ACQUIRE);

	if (e->generation != generation_now())
		return e->at_ms;
	return is_hearing() ? clock_ms() : deaf > e->at_ms ? deaf : e->at_ms;
}

static enum cache_state state_of(const struct entry *e, uint64_t since_ms)
{
	uint64_t now = clock_ms();
	uint32_t life = e->len ? profile_cfg.lifetime_ms : profile_cfg.unknown_lifetime_ms;
	bool     current = e->generation == generation_now();

	if (current && since_ms && e->at_ms >= since_ms)
		return CACHE_FRESH;
	if (current && is_hearing() && now < e->at_ms + life)
		return CACHE_FRESH;
	return now < verified_ms(e) + profile_cfg.grace_ms ? CACHE_OLD : CACHE_NONE;
}

enum cache_state cache_find(struct str key, uint64_t since_ms, struct cached *out)
{
	uint64_t         hash = hash_str(&all.c->key, key);
	struct shard    *s = shard_of(hash);
	enum cache_state state = CACHE_NONE;
	struct entry    *e;

	out->len = 0;
	lock(&s->lock);
	e = find_locked(s, hash, key);
	if (e)
		state = state_of(e, since_ms);
	if (state) {
		list_remove(&e->use);
		list_prepend(&s->use[kind_of(e)], &e->use);
		out->len = e->len;
		memcpy(out->bytes, e->text + e->key_len, e->len);
	}
	unlock(&s->lock);
	return state;
}

static uint64_t left_ms(uint64_t until, uint64_t now)
{
	return until > now ? until - now : 0;
}

bool cache_peek(struct str key, struct cached *out, struct cache_times *t, enum cache_state *state)
{
	uint64_t      hash = hash_str(&all.c->key, key), now = clock_ms();
	struct shard *s = shard_of(hash);
	struct entry *e;

	out->len = 0;
	lock(&s->lock);
	e = find_locked(s, hash, key);
	if (e) {
		*state = state_of(e, 0);
		*t = (struct cache_times){
			.age_ms = now - e->at_ms,
			.fresh_ms = *state == CACHE_FRESH ? left_ms(e->at_ms + (e->len ? profile_cfg.lifetime_ms : profile_cfg.unknown_lifetime_ms), now) : 0,
			.grace_ms = left_ms(verified_ms(e) + profile_cfg.grace_ms, now),
		};
		out->len = e->len;
		memcpy(out->bytes, e->text + e->key_len, e->len);
	}
	unlock(&s->lock);
	return e != NULL;
}

/* --- asking --- */

static struct asking *asking_locked(struct shard *s, uint64_t hash, struct str key)
{
	LIST_EACH(struct asking, a, &s->askings, link)
		if (a->hash == hash && str_eq(str_n(a->key, a->key_len), key))
			return a;
	return NULL;
}

static struct asking *asking_new(struct str key, uint64_t hash)
{
	struct asking *a = shm_zalloc(all.tag, sizeof(*a) + key.len);

	if (!a)
		return NULL;
	list_init(&a->link);
	list_init(&a->waiters);
	a->hash = hash;
	a->slot = (uint16_t)proc_self();
	a->incarnation = proc_get(a->slot)->incarnation;
	a->generation = generation_now();
	a->key_len = (uint32_t)key.len;
	memcpy(a->key, key.p, key.len);
	return a;
}

/* Without memory for it everybody asks. */
bool cache_ask(struct str key, struct cache_waiter *w)
{
	uint64_t       hash = hash_str(&all.c->key, key);
	struct shard  *s = shard_of(hash);
	struct asking *mine, *theirs;

	lock(&s->lock);
	theirs = asking_locked(s, hash, key);
	mine = theirs ? NULL : asking_new(key, hash);
	if (theirs && w)
		list_append(&theirs->waiters, &w->link);
	else if (mine)
		list_append(&s->askings, &mine->link);
	unlock(&s->lock);
	return !(theirs && w);
}

static void end_locked(struct asking *a, enum err err)
{
	LIST_EACH_SAFE(struct cache_waiter, w, &a->waiters, link) {
		list_remove(&w->link);
		w->err = err;
		mail_post(w->slot, &w->mail);
	}
	list_remove(&a->link);
	shm_free(a);
}

/* This process's. */
static struct asking *own_locked(struct shard *s, uint64_t hash, struct str key)
{
	struct asking *a = asking_locked(s, hash, key);

	return a && a->slot == proc_self() ? a : NULL;
}

bool cache_answer(struct str key, struct str bytes)
{
	uint64_t       hash = hash_str(&all.c->key, key);
	struct shard  *s = shard_of(hash);
	struct entry  *e;
	struct asking *a;
	bool           good = true;

	critical_enter();
	e = entry_new(key, hash, bytes);
	lock(&s->lock);
	a = own_locked(s, hash, key);
	if (a) {
		good = !a->overtaken && a->generation == generation_now();
		a->overtaken = false;
		a->generation = generation_now();
	}
	if (a && good && e) {
		e->generation = a->generation;
		insert_locked(s, e);
		e = NULL;
	}
	if (a && good)
		end_locked(a, OK);
	unlock(&s->lock);
	if (e)
		explicit_bzero(e, size_of(e));
	shm_free(e);
	critical_leave();
	return good;
}

void cache_give_up(struct str key, enum err err)
{
	uint64_t       hash = hash_str(&all.c->key, key);
	struct shard  *s = shard_of(hash);
	struct asking *a;

	lock(&s->lock);
	a = own_locked(s, hash, key);
	if (a)
		end_locked(a, err);
	unlock(&s->lock);
}

struct cache_waiter *cache_waiter_new(void (*fn)(struct mail *m), void *owner)
{
	struct cache_waiter *w = shm_zalloc(all.tag, sizeof(*w));

	if (!w)
		return NULL;
	mail_init(&w->mail, fn);
	list_init(&w->link);
	w->owner = owner;
	w->slot = (uint16_t)proc_self();
	w->incarnation = proc_get(w->slot)->incarnation;
	return w;
}

void cache_waiter_free(struct cache_waiter *w)
{
	if (!w)
		return;
	critical_enter();
	mail_settled(&w->mail);
	shm_free(w);
	critical_leave();
}

void cache_adopt(void)
{
	unsigned self = proc_self();

	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &all.c->shard[i];

		lock(&s->lock);
		LIST_EACH_SAFE(struct asking, a, &s->askings, link)
			if (a->slot == self && a->incarnation != proc_get(self)->incarnation)
				end_locked(a, OK);	/* one of those that wait will find nothing and ask */
		unlock(&s->lock);
	}
}

/* --- changes --- */

bool cache_drop(struct str key)
{
	uint64_t       hash = hash_str(&all.c->key, key);
	struct shard  *s = shard_of(hash);
	struct entry  *e;
	struct asking *a;

	lock(&s->lock);
	e = find_locked(s, hash, key);
	if (e)
		remove_locked(s, e);
	a = asking_locked(s, hash, key);
	if (a)
		a->overtaken = true;
	unlock(&s->lock);
	return e != NULL;
}

void cache_doubt_all(void)
{
	__atomic_add_fetch(&all.c->generation, 1, __ATOMIC_ACQ_REL);
}

void cache_hearing(bool hearing)
{
	if (!hearing)
		__atomic_store_n(&all.c->deaf_ms, clock_ms(), __ATOMIC_RELEASE);
	all.c->ear_slot = (uint16_t)proc_self();
	all.c->ear_incarnation = proc_get(proc_self())->incarnation;
	__atomic_store_n(&all.c->hearing, hearing, __ATOMIC_RELEASE);
}

void cache_clear(void)
{
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &all.c->shard[i];

		lock(&s->lock);
		for (unsigned kind = 0; kind < 2; kind++)
			while (!list_empty(&s->use[kind]))
				remove_locked(s, LIST_FIRST(&s->use[kind], struct entry, use));
		unlock(&s->lock);
	}
	cache_doubt_all();	/* answers that are under way as well */
}
