#include "modules/location/location.h"

#include <assert.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"

enum {
	LOCKS = 1024,		/* a power of two; more buckets than locks share them */
	GRACE_S = 3,		/* the store is asked whether somebody else has refreshed what it gave us */
	EMPTY_MS = 3000,	/* an empty AOR is looked at so often: may it be forgotten? */
};

static void aor_look_locked(struct aor *a);

static struct {
	shm_owner owner;
	struct table {
		struct hash_key key;
		uint32_t        mask;
		/* written by the writer process; atomic */
		bool            loaded, passing;
		bool            blind;		/* any process sets it */
		uint8_t         pass;
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

static bool ask_before_it_ends(const struct bind *b)
{
	return b->stored && db_shared();
}

/* Its time has come: drop what has expired, look again when the next one is due. */
static void aor_fire(struct timer *t)
{
	struct aor  *a = CONTAINER(t, struct aor, timer);	/* alive: it is `timed` until here */
	struct lock *l = table_lock(a->hash);

	lock(l);
	a->timed = false;
	aor_expire_locked(a);
	for (const struct bind *b = a->binds; b; b = b->next)
		if (ask_before_it_ends(b) && b->expires <= unix_now()) {
			sync_ask(aor_key(a));
			break;
		}
	aor_look_locked(a);
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

static uint32_t bind_end(const struct bind *b)
{
	return b->expires + (ask_before_it_ends(b) ? GRACE_S : 0);
}

bool bind_expired(const struct bind *b, uint32_t now)
{
	return bind_end(b) <= now;
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

	for (const struct bind *b = a->binds; b; b = b->next) {
		uint32_t next = b->expires > now ? b->expires : bind_end(b);

		if (next < first)
			first = next;
	}
	return clock_ms() + (first > now ? (uint64_t)(first - now) * 1000 : 0);
}

/* Later than wanted is moved, earlier is left: the handler arms again. One that cannot be disarmed is about to look anyway. */
static void aor_arm_locked(struct aor *a, uint64_t at)
{
	if (a->timed && (a->timer.at_ms <= at || !timer_disarm(&a->timer)))
		return;
	timer_arm(&a->timer, at);
	a->timed = true;
}

void aor_wrote_locked(struct aor *a)
{
	assert(lock_held(table_lock(a->hash)));
	a->wrote_s = (uint32_t)(clock_ms() / 1000) + 1;
}

bool aor_settled(const struct aor *a, uint64_t written_ms)
{
	return (uint64_t)a->wrote_s * 1000 <= written_ms;
}

/* While the store may still show what it had, the table knows better. */
static bool may_be_forgotten(const struct aor *a)
{
	return !location_cfg.durable || !a->wrote_s || (!table_passing() && aor_settled(a, db_written_until_ms()));
}

static void aor_look_locked(struct aor *a)
{
	if (a->binds)
		aor_arm_locked(a, earliest_ms(a));
	else if (!may_be_forgotten(a))
		aor_arm_locked(a, clock_ms() + EMPTY_MS);
	else if (!a->timed || timer_disarm(&a->timer))
		aor_free_locked(a);
}

/* An empty one is looked at later where there is a store: that nothing is there is worth knowing, for a while. */
void aor_settle_locked(struct aor *a)
{
	assert(lock_held(table_lock(a->hash)));
	if (!a->binds && location_cfg.durable)
		aor_arm_locked(a, clock_ms() + EMPTY_MS);
	else
		aor_look_locked(a);
}

/* --- the store and the table --- */

bool table_loaded(void)
{
	return __atomic_load_n(&loc.t->loaded, __ATOMIC_ACQUIRE);
}

void table_set_loaded(void)
{
	__atomic_store_n(&loc.t->loaded, true, __ATOMIC_RELEASE);
}

uint8_t table_pass(void)
{
	return __atomic_load_n(&loc.t->pass, __ATOMIC_RELAXED);
}

bool table_passing(void)
{
	return __atomic_load_n(&loc.t->passing, __ATOMIC_RELAXED);
}

void table_pass_begin(void)
{
	uint8_t next = (uint8_t)(loc.t->pass + 1);

	__atomic_store_n(&loc.t->pass, next ? next : 1, __ATOMIC_RELAXED);
	__atomic_store_n(&loc.t->passing, true, __ATOMIC_RELAXED);
}

void table_pass_end(void)
{
	__atomic_store_n(&loc.t->passing, false, __ATOMIC_RELAXED);
}

void table_set_blind(void)
{
	__atomic_store_n(&loc.t->blind, true, __ATOMIC_RELAXED);
}

bool table_take_blind(void)
{
	return __atomic_exchange_n(&loc.t->blind, false, __ATOMIC_RELAXED);
}
