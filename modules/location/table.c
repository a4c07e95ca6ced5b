#include "modules/location/location.h"

#include <assert.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

enum { LOCKS = 1024 };	/* a power of two; more buckets than locks share them */

static struct {
	shm_owner owner;
	struct table {
		struct hash_key key;
		uint32_t        mask;
		uint32_t        arm_next;	/* atomic: the first bucket whose loaded AORs nobody has armed yet */
		struct aor    **bucket;
		struct lock     lock[LOCKS];
	} *t;	/* shared */
} loc;

static uint32_t power_of_two(uint32_t n)
{
	uint32_t size = LOCKS;

	while (size < n)
		size *= 2;
	return size;
}

enum err table_create(uint32_t buckets)
{
	uint32_t      size = power_of_two(buckets);
	struct table *t;

	loc.owner = shm_owner_new("location");
	t = shm_zalloc(loc.owner, sizeof(*t));
	if (!t)
		return ERR_NOMEM;
	t->bucket = shm_zalloc(loc.owner, size * sizeof(t->bucket[0]));
	if (!t->bucket) {
		shm_free(t);
		return ERR_NOMEM;
	}
	t->mask = size - 1;
	t->arm_next = size;
	random_bytes(&t->key, sizeof(t->key));
	for (size_t i = 0; i < LOCKS; i++)
		lock_init(&t->lock[i], RANK_LOCATION);
	loc.t = t;
	return OK;
}

uint32_t table_hash(struct str aor)
{
	return (uint32_t)hash_str(&loc.t->key, aor);
}

uint64_t table_key(struct str aor, struct str contact, uint32_t more)
{
	struct hash_state h;
	uint64_t          key;

	hash_begin(&h, &loc.t->key);
	hash_add(&h, aor);
	hash_add(&h, str_n((const char *)&more, sizeof(more)));
	hash_add(&h, contact);
	key = hash_end(&h);
	return key ? key : 1;
}

uint32_t table_buckets(void)
{
	return loc.t->mask + 1;
}

struct lock *table_lock(uint32_t hash)
{
	return &loc.t->lock[hash & (LOCKS - 1)];
}

struct aor *table_first_locked(uint32_t bucket)
{
	assert(lock_held(table_lock(bucket)));
	return loc.t->bucket[bucket];
}

struct str aor_key(const struct aor *a)
{
	return str_n(a->key, a->key_len);
}

struct aor *aor_find_locked(uint32_t hash, struct str key)
{
	struct aor *a;

	assert(lock_held(table_lock(hash)));
	for (a = loc.t->bucket[hash & loc.t->mask]; a; a = a->next)
		if (a->hash == hash && str_eq(aor_key(a), key))
			return a;
	return NULL;
}

/* Its time has come: drop what has expired, look again when the next one is due. */
static void aor_fire(struct timer *t)
{
	struct aor  *a = CONTAINER(t, struct aor, timer);	/* alive: it is `timed` until here */
	struct lock *l = table_lock(a->hash);

	lock(l);
	a->timed = false;
	aor_expire_locked(a);
	aor_settle_locked(a);
	unlock(l);
}

struct aor *aor_add_locked(uint32_t hash, struct str key)
{
	struct aor **head = &loc.t->bucket[hash & loc.t->mask], *a;

	assert(lock_held(table_lock(hash)));
	a = key.len <= UINT16_MAX ? shm_alloc(loc.owner, sizeof(*a) + key.len) : NULL;
	if (!a)
		return NULL;
	*a = (struct aor){ .next = *head, .hash = hash, .key_len = (uint16_t)key.len };
	memcpy(a->key, key.p, key.len);
	timer_init(&a->timer, aor_fire);
	*head = a;
	counter_inc(&location_aors);
	return a;
}

static void aor_free_locked(struct aor *a)
{
	struct aor **at = &loc.t->bucket[a->hash & loc.t->mask];

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	timer_settled(&a->timer);
	counter_add(&location_aors, -1);
	shm_free(a);
}

/* By q, then newest first. */
void aor_link_locked(struct aor *a, struct bind *b)
{
	struct bind **at = &a->binds;

	assert(lock_held(table_lock(a->hash)));
	while (*at && (*at)->q > b->q)
		at = &(*at)->next;
	b->next = *at;
	*at = b;
	counter_inc(&location_bindings);
}

bool bind_expired(const struct bind *b, uint32_t now)
{
	return b->expires <= now;
}

size_t aor_cut_locked(struct aor *a, bool (*chosen)(const struct bind *b, uint32_t now), uint32_t now, const struct mod_event *why)
{
	struct bind **at = &a->binds, *b;
	size_t        n = 0;

	assert(lock_held(table_lock(a->hash)));
	while ((b = *at)) {
		if (!chosen(b, now)) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		bind_event(why, aor_key(a), b);
		shm_free(b);
		n++;
	}
	counter_add(&location_bindings, -(int64_t)n);
	return n;
}

void aor_expire_locked(struct aor *a)
{
	uint32_t now = unix_now();
	size_t   n = aor_cut_locked(a, bind_expired, now, &location_gone);

	if (n && location_cfg.durable)
		store_expire(aor_key(a), now);
	counter_add(&location_expired, (int64_t)n);
}

static uint64_t earliest_ms(const struct aor *a)
{
	uint32_t first = UINT32_MAX, now = unix_now();

	for (const struct bind *b = a->binds; b; b = b->next)
		if (b->expires < first)
			first = b->expires;
	return clock_ms() + (first > now ? (uint64_t)(first - now) * 1000 : 0);
}

/* Later than wanted is moved, earlier is left: the handler arms again. One that cannot be disarmed is about to look anyway. */
static void aor_arm_locked(struct aor *a)
{
	uint64_t at = earliest_ms(a);

	if (a->timed && (a->timer.at_ms <= at || !timer_disarm(&a->timer)))
		return;
	timer_arm(&a->timer, at);
	a->timed = true;
}

void aor_settle_locked(struct aor *a)
{
	assert(lock_held(table_lock(a->hash)));
	if (a->binds)
		aor_arm_locked(a);
	else if (!a->timed || timer_disarm(&a->timer))
		aor_free_locked(a);
}

void table_loaded(void)
{
	loc.t->arm_next = 0;
}

bool table_arm_some(uint32_t n)
{
	uint32_t from, to;

	if (__atomic_load_n(&loc.t->arm_next, __ATOMIC_RELAXED) > loc.t->mask)
		return false;
	from = __atomic_fetch_add(&loc.t->arm_next, n, __ATOMIC_RELAXED);
	to = from + n;
	for (uint32_t i = from; i < to && i <= loc.t->mask; i++) {
		lock(table_lock(i));
		for (struct aor *a = loc.t->bucket[i]; a; a = a->next)
			if (!a->timed)
				aor_arm_locked(a);
		unlock(table_lock(i));
	}
	return to <= loc.t->mask;
}
