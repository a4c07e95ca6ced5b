#include "script/sht.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "script/run.h"
#include "shm/counter.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum {
	STRIPES = 64,			/* locks of a table */
	LEAST_CHAINS = STRIPES, MOST_CHAINS = 1 << 20,
	SWEEP = 2,			/* chains that a new entry looks through for what is over */
	SWEEP_FULL = 64,		/* the same when the table is full */
};

/* Shared; guarded by the lock of its chain. */
struct sht_entry {
	struct sht_entry *next;
	uint64_t      until_ms;		/* clock_ms(); 0: for ever */
	int64_t       number;
	uint32_t      load;		/* of which load, 0: set since */
	uint16_t      key_len, len;
	uint8_t       type, prefix;	/* enum vtype of the value */
	char          bytes[];		/* key, value */
};
struct shared {
	struct hash_key  hash;
	uint32_t         mask;		/* chains - 1 */
	_Atomic int64_t  count;
	_Atomic uint32_t hand;		/* where the next sweep goes on */
	_Atomic uint32_t loads;		/* begun */
	_Atomic bool     wanted;	/* to be loaded */
	struct lock      lock[STRIPES];	/* RANK_MODULE: chains whose number leaves that remainder */
	struct sht_entry    *chain[];
};
/* A table as one program has declared it; its content may be shared with other programs. */
struct sht_kept {
	struct sht_info info;
	struct shared  *t;
	bool            told_full;	/* logged, once until there is room again */
};
/* What there is in this life of shared memory; shared. */
struct held {
	struct held   *next;
	struct shared *t;
	enum vtype     key, value;
	uint32_t       epoch;		/* the last in which a program had it */
	uint16_t       name_len;
	char           name[];
};
struct directory {
	struct lock  lock;		/* RANK_MODULE: the list */
	struct held *first;
};

static struct {
	struct directory *dir;
	shm_owner         owner;
} tables;

struct counter sht_full = { .name = "script.table_full", .help = "entries that a full table did not take, or gave up for", .unit = "entries" };

/* --- the directory --- */

enum err sht_start(char *why, size_t cap)
{
	tables.owner = shm_owner_new("script.tables");
	tables.dir = shm_zalloc(tables.owner, sizeof(*tables.dir));
	if (!tables.dir) {
		snprintf(why, cap, "no shared memory for tables: raise `memory_limit`");
		return ERR_NOMEM;
	}
	lock_init(&tables.dir->lock, RANK_MODULE);
	return OK;
}

static struct shared *shared_new(int64_t max)
{
	uint32_t       chains = LEAST_CHAINS;
	struct shared *t;

	while (chains < MOST_CHAINS && chains < max)
		chains *= 2;
	t = shm_zalloc(tables.owner, sizeof(*t) + chains * sizeof(t->chain[0]));
	if (!t)
		return NULL;
	random_bytes(&t->hash, sizeof(t->hash));
	t->mask = chains - 1;
	atomic_store(&t->wanted, true);
	for (unsigned i = 0; i < STRIPES; i++)
		lock_init(&t->lock[i], RANK_MODULE);
	return t;
}

static struct held *held_new(const struct table *decl)
{
	struct held *h = shm_zalloc(tables.owner, sizeof(*h) + decl->name.len);

	if (!h)
		return NULL;
	h->t = shared_new(decl->max);
	h->key = decl->key;
	h->value = decl->value;
	h->name_len = (uint16_t)decl->name.len;
	memcpy(h->name, decl->name.p, decl->name.len);
	if (h->t)
		return h;
	shm_free(h);
	return NULL;
}

/* A table that is no longer in the directory is in the hand of who empties it (hand.h), which may take a while. */
static void held_free(void *held)
{
	struct held *h = held;

	for (uint32_t i = 0; i <= h->t->mask; i++)
		while (h->t->chain[i]) {
			struct sht_entry *e = h->t->chain[i];

			critical_enter();
			h->t->chain[i] = e->next;
			shm_free(e);
			critical_leave();
		}
	critical_enter();
	hand_give(h);
	shm_free(h->t);
	shm_free(h);
	critical_leave();
}

/* A table of other types is another table, whatever its name. */
static struct held *held_find_locked(const struct table *decl)
{
	for (struct held *h = tables.dir->first; h; h = h->next)
		if (h->key == decl->key && h->value == decl->value && str_eq(str_n(h->name, h->name_len), decl->name))
			return h;
	return NULL;
}

static struct held *held_find(const struct table *decl)
{
	struct held *h;

	lock(&tables.dir->lock);
	h = held_find_locked(decl);
	unlock(&tables.dir->lock);
	return h;
}

/* Another process may have made it meanwhile. */
static struct held *held_make(const struct table *decl)
{
	struct held *h;

	lock(&tables.dir->lock);
	h = held_find_locked(decl);
	if (!h && (h = held_new(decl))) {
		h->next = tables.dir->first;
		tables.dir->first = h;
	}
	unlock(&tables.dir->lock);
	return h;
}

enum err sht_bind(struct program *p, char *why, size_t cap)
{
	if (!p->kept)
		p->kept = arena_zalloc(&p->arena, (p->table_count + 1) * sizeof(*p->kept));
	for (const struct table *decl = p->tables; decl && p->kept; decl = decl->next) {
		struct held *h = held_find(decl);

		if (!h)
			h = held_make(decl);
		if (!h) {
			snprintf(why, cap, "no shared memory for table `" STR_FMT "`: raise `memory_limit`, or lower its max", STR_ARG(decl->name));
			return ERR_NOMEM;
		}
		p->kept[decl->index] = (struct sht_kept){ .t = h->t, .info = {
			.name = decl->name, .key = decl->key, .value = decl->value, .ttl_ms = decl->ttl_ms, .max = decl->max } };
	}
	if (p->kept)
		return OK;
	snprintf(why, cap, "no memory");
	return ERR_NOMEM;
}

void sht_mark(const struct script *s, uint32_t epoch)
{
	for (const struct table *decl = s ? s->program->tables : NULL; decl; decl = decl->next) {
		struct held *h = held_find(decl);

		if (h)
			__atomic_store_n(&h->epoch, epoch, __ATOMIC_RELAXED);
	}
}

static struct held *take_older(uint32_t epoch)
{
	struct held **at, *h;

	lock(&tables.dir->lock);
	for (at = &tables.dir->first; *at && (*at)->epoch >= epoch; at = &(*at)->next)
		;
	h = *at;
	if (h) {
		*at = h->next;
		hand_take(h, held_free);
	}
	unlock(&tables.dir->lock);
	return h;
}

void sht_sweep(uint32_t epoch)
{
	struct held *h;

	while ((h = take_older(epoch))) {
		log_info(NULL, "table is gone, no program has it any more table=" STR_FMT " entries=%lld", (int)h->name_len, h->name,
			 (long long)atomic_load(&h->t->count));
		held_free(h);
	}
}

struct sht_kept *sht_of(const struct program *p, unsigned index)
{
	return &p->kept[index];
}

struct sht_kept *sht_find(struct str name)
{
	const struct script *s = script_now();

	for (const struct table *t = s ? s->program->tables : NULL; t; t = t->next)
		if (str_eq(t->name, name))
			return sht_of(s->program, t->index);
	return NULL;
}

struct sht_kept *sht_at(size_t i)
{
	const struct script *s = script_now();

	return s && i < s->program->table_count ? sht_of(s->program, (unsigned)i) : NULL;
}

struct sht_info sht_info(const struct sht_kept *k)
{
	struct sht_info i = k->info;

	i.count = atomic_load(&k->t->count);
	return i;
}

/* --- chains --- */

static bool is_over(const struct sht_entry *e, uint64_t now_ms)
{
	return e->until_ms && e->until_ms <= now_ms;
}

static struct lock *lock_of(struct shared *t, uint32_t chain)
{
	return &t->lock[chain % STRIPES];
}

static uint32_t chain_of(const struct shared *t, struct str key)
{
	return (uint32_t)hash_str(&t->hash, key) & t->mask;
}

static void unlink_locked(struct shared *t, struct sht_entry **at)
{
	struct sht_entry *e = *at;

	*at = e->next;
	atomic_fetch_sub(&t->count, 1);
	shm_free(e);
}

/* The live entry of that key, what is over on the way to it taken out; where its pointer is, *at NULL: there is none. */
static struct sht_entry **find_locked(struct shared *t, uint32_t chain, struct str key)
{
	struct sht_entry **at = &t->chain[chain];
	uint64_t       now = clock_ms();

	while (*at) {
		struct sht_entry *e = *at;

		if (is_over(e, now)) {
			unlink_locked(t, at);
			continue;
		}
		if (e->key_len == key.len && memcmp(e->bytes, key.p, key.len) == 0)
			break;
		at = &e->next;
	}
	return at;
}

static void link_locked(struct shared *t, uint32_t chain, struct sht_entry *e)
{
	e->next = t->chain[chain];
	t->chain[chain] = e;
	atomic_fetch_add(&t->count, 1);
}

/* Take out what is over; the least time that an entry left has. */
static uint64_t sweep_chain(struct shared *t, uint32_t chain)
{
	uint64_t now = clock_ms(), least = UINT64_MAX;

	lock(lock_of(t, chain));
	for (struct sht_entry **at = &t->chain[chain]; *at;) {
		if (is_over(*at, now)) {
			unlink_locked(t, at);
			continue;
		}
		if ((*at)->until_ms && (*at)->until_ms < least)
			least = (*at)->until_ms;
		at = &(*at)->next;
	}
	unlock(lock_of(t, chain));
	return least;
}

static void give_up(struct shared *t, uint32_t chain, uint64_t until_ms)
{
	lock(lock_of(t, chain));
	for (struct sht_entry **at = &t->chain[chain]; *at; at = &(*at)->next)
		if ((*at)->until_ms == until_ms) {
			unlink_locked(t, at);
			break;
		}
	unlock(lock_of(t, chain));
}

/* Full of entries that end some day. */
static bool must_give_up(const struct sht_kept *k)
{
	return k->info.ttl_ms && atomic_load(&k->t->count) >= k->info.max;
}

/* Some of what is over; of a full table also the entry nearest to its end among those seen. */
static void make_room(struct sht_kept *k)
{
	struct shared *t = k->t;
	bool           was_full = atomic_load(&t->count) >= k->info.max;
	uint32_t       n = was_full ? SWEEP_FULL : SWEEP, chain = atomic_fetch_add(&t->hand, n), nearest = 0;
	uint64_t       least = UINT64_MAX;

	for (uint32_t seen = 0; seen <= t->mask && (seen < n || (least == UINT64_MAX && must_give_up(k))); seen++) {
		uint64_t until = sweep_chain(t, (chain + seen) & t->mask);

		if (until < least) {
			least = until;
			nearest = (chain + seen) & t->mask;
		}
	}
	if (atomic_load(&t->count) < k->info.max || least == UINT64_MAX)
		return;
	counter_inc(&sht_full);
	give_up(t, nearest, least);
}

static bool has_room(struct sht_kept *k)
{
	make_room(k);
	if (atomic_load(&k->t->count) < k->info.max) {
		k->told_full = false;
		return true;
	}
	counter_inc(&sht_full);
	if (!k->told_full)
		log_warn(NULL, "table is full table=" STR_FMT " max=%lld", STR_ARG(k->info.name), (long long)k->info.max);
	k->told_full = true;
	return false;
}

/* --- entries --- */

struct str sht_key(struct arena *a, const struct value *v)
{
	struct str s;

	if (v->type == T_NULL || v->type == T_LIST || v->type == T_RECORD || v->type == T_REGEX)
		return STR_NONE;
	s = value_text(a, v);
	return s.p && s.len <= SHT_MOST_KEY ? s : STR_NONE;
}

/* The bytes of a value besides its number; false: it cannot be kept. */
static bool value_bytes(const struct value *v, struct str *out)
{
	*out = STR_NONE;
	switch (v->type) {
	case T_BOOL: case T_INT: case T_DURATION: case T_SIZE:
		return true;
	case T_STR: case T_URI:
		*out = v->u.s;
		return out->len <= SHT_MOST_VALUE;
	case T_IP: case T_CIDR:
		*out = str_n((const char *)v->u.ip, sizeof(*v->u.ip));
		return true;
	default:
		return false;
	}
}

static struct sht_entry *entry_new(const struct sht_kept *k, struct str key, const struct value *v, struct str bytes)
{
	struct sht_entry *e = shm_alloc(tables.owner, sizeof(*e) + key.len + bytes.len);

	if (!e)
		return NULL;
	*e = (struct sht_entry){
		.until_ms = k->info.ttl_ms ? clock_ms() + (uint64_t)k->info.ttl_ms : 0, .type = (uint8_t)v->type, .prefix = v->prefix,
		.key_len = (uint16_t)key.len, .len = (uint16_t)bytes.len,
		.number = v->type == T_BOOL ? v->u.b : v->type == T_INT || v->type == T_DURATION || v->type == T_SIZE ? v->u.i : 0,
	};
	memcpy(e->bytes, key.p, key.len);
	if (bytes.len)
		memcpy(e->bytes + key.len, bytes.p, bytes.len);
	return e;
}

/* The entry's value; text and addresses point into it. *ip is room for an address. */
static struct value entry_value(const struct sht_entry *e, struct addr *ip)
{
	struct value v = { .type = (enum vtype)e->type, .prefix = e->prefix };

	switch (v.type) {
	case T_BOOL:
		v.u.b = e->number;
		break;
	case T_STR: case T_URI:
		v.u.s = str_n(e->bytes + e->key_len, e->len);
		break;
	case T_IP: case T_CIDR:
		memcpy(ip, e->bytes + e->key_len, sizeof(*ip));
		v.u.ip = ip;
		break;
	default:
		v.u.i = e->number;
		break;
	}
	return v;
}

/* From the copy made under the lock into the run's own memory. */
static enum err to_arena(struct arena *a, struct value *v)
{
	struct addr *ip;

	if (v->type == T_STR || v->type == T_URI) {
		v->u.s = arena_dup(a, v->u.s);
		return v->u.s.p ? OK : ERR_NOMEM;
	}
	if (v->type != T_IP && v->type != T_CIDR)
		return OK;
	ip = ARENA_NEW(a, struct addr);
	if (!ip)
		return ERR_NOMEM;
	*ip = *v->u.ip;
	v->u.ip = ip;
	return OK;
}

enum err sht_get(struct sht_kept *k, struct arena *a, struct str key, struct value *out)
{
	uint32_t     chain = chain_of(k->t, key);
	char         room[SHT_MOST_VALUE];
	struct addr  ip;
	struct value v = V_NULL;
	struct sht_entry *e;

	lock(lock_of(k->t, chain));
	e = *find_locked(k->t, chain, key);
	if (e)
		v = entry_value(e, &ip);
	if (v.type == T_STR || v.type == T_URI) {
		memcpy(room, v.u.s.p, v.u.s.len);
		v.u.s.p = room;
	}
	unlock(lock_of(k->t, chain));
	if (to_arena(a, &v))
		return ERR_NOMEM;
	*out = v;
	return OK;
}

static void remove_key(struct shared *t, struct str key)
{
	uint32_t       chain = chain_of(t, key);
	struct sht_entry **at;

	lock(lock_of(t, chain));
	at = find_locked(t, chain, key);
	if (*at)
		unlink_locked(t, at);
	unlock(lock_of(t, chain));
}

static bool is_there(struct shared *t, struct str key)
{
	uint32_t chain = chain_of(t, key);
	bool     yes;

	lock(lock_of(t, chain));
	yes = *find_locked(t, chain, key);
	unlock(lock_of(t, chain));
	return yes;
}

/* There is room for it, if it is new. */
static enum err put(struct sht_kept *k, struct str key, const struct value *v, uint32_t load)
{
	struct shared *t = k->t;
	uint32_t       chain = chain_of(t, key);
	struct sht_entry  *e, **old;
	struct str     bytes;

	if (!value_bytes(v, &bytes))
		return ERR_UNSUPPORTED;
	lock(lock_of(t, chain));
	e = entry_new(k, key, v, bytes);
	if (e) {
		e->load = load;
		old = find_locked(t, chain, key);
		if (*old)
			unlink_locked(t, old);
		link_locked(t, chain, e);
	}
	unlock(lock_of(t, chain));
	return e ? OK : ERR_NOMEM;
}

enum err sht_set(struct sht_kept *k, struct str key, const struct value *v)
{
	struct str bytes;

	if (v->type == T_NULL) {
		remove_key(k->t, key);
		return OK;
	}
	if (!value_bytes(v, &bytes))
		return ERR_UNSUPPORTED;
	if (!is_there(k->t, key) && !has_room(k))
		return ERR_LIMIT;
	return put(k, key, v, 0);
}

/* ERR_NOT_FOUND: there is none. */
static enum err add_locked(struct shared *t, uint32_t chain, struct str key, int64_t by, int64_t *out)
{
	struct sht_entry *e = *find_locked(t, chain, key);
	int64_t       sum;

	if (!e)
		return ERR_NOT_FOUND;
	if (e->type != T_INT || __builtin_add_overflow(e->number, by, &sum))
		return ERR_UNSUPPORTED;
	*out = e->number = sum;
	return OK;
}

static enum err add_to(struct shared *t, struct str key, int64_t by, int64_t *out)
{
	uint32_t chain = chain_of(t, key);
	enum err err;

	lock(lock_of(t, chain));
	err = add_locked(t, chain, key, by, out);
	unlock(lock_of(t, chain));
	return err;
}

static enum err begin_locked(struct sht_kept *k, uint32_t chain, struct str key, int64_t by)
{
	struct value      first = value_int(by);
	struct sht_entry *e = entry_new(k, key, &first, STR_NONE);

	if (!e)
		return ERR_NOMEM;
	link_locked(k->t, chain, e);
	return OK;
}

enum err sht_add(struct sht_kept *k, struct str key, int64_t by, int64_t *out)
{
	uint32_t chain = chain_of(k->t, key);
	enum err err = add_to(k->t, key, by, out);

	if (err != ERR_NOT_FOUND)
		return err;
	*out = by;
	if (!has_room(k))
		return ERR_LIMIT;
	lock(lock_of(k->t, chain));
	err = add_locked(k->t, chain, key, by, out);	/* another process may have been quicker */
	if (err == ERR_NOT_FOUND)
		err = begin_locked(k, chain, key, by);
	unlock(lock_of(k->t, chain));
	return err;
}

/* --- loading --- */

bool sht_is_wanted(const struct sht_kept *k)
{
	return atomic_load(&k->t->wanted);
}

void sht_want(struct sht_kept *k, bool wanted)
{
	atomic_store(&k->t->wanted, wanted);
}

uint32_t sht_load_number(struct sht_kept *k)
{
	uint32_t n = atomic_fetch_add(&k->t->loads, 1) + 1;

	return n ? n : atomic_fetch_add(&k->t->loads, 1) + 1;
}

enum err sht_load_put(struct sht_kept *k, struct str key, const struct value *v, uint32_t number)
{
	if (atomic_load(&k->t->count) >= k->info.max && !is_there(k->t, key))
		return ERR_LIMIT;
	return put(k, key, v, number);
}

static uint64_t sweep_loaded(struct shared *t, uint32_t chain, uint32_t number)
{
	uint64_t gone = 0;

	lock(lock_of(t, chain));
	for (struct sht_entry **at = &t->chain[chain]; *at;) {
		if (!(*at)->load || (*at)->load == number) {
			at = &(*at)->next;
			continue;
		}
		unlink_locked(t, at);
		gone++;
	}
	unlock(lock_of(t, chain));
	return gone;
}

uint32_t sht_load_sweep(struct sht_kept *k, uint32_t number, uint32_t from, uint32_t most, uint64_t *gone)
{
	for (uint32_t n = 0; from <= k->t->mask && n < most; from++, n++)
		*gone += sweep_loaded(k->t, from, number);
	return from <= k->t->mask ? from : 0;
}

/* --- all of them --- */

/* The handler runs under the lock of the chain: it copies and returns. */
static unsigned each_of_chain(struct shared *t, uint32_t chain, void (*fn)(void *arg, struct str key, const struct value *v, int64_t left_ms), void *arg)
{
	uint64_t now = clock_ms();
	unsigned n = 0;

	lock(lock_of(t, chain));
	for (const struct sht_entry *e = t->chain[chain]; e; e = e->next) {
		struct addr  ip;
		struct value v;

		if (is_over(e, now))
			continue;
		v = entry_value(e, &ip);
		fn(arg, str_n(e->bytes, e->key_len), &v, e->until_ms ? (int64_t)(e->until_ms - now) : -1);
		n++;
	}
	unlock(lock_of(t, chain));
	return n;
}

uint32_t sht_each(struct sht_kept *k, uint32_t from, unsigned most,
		    void (*fn)(void *arg, struct str key, const struct value *v, int64_t left_ms), void *arg)
{
	unsigned n = 0;

	for (; from <= k->t->mask && n < most; from++)
		n += each_of_chain(k->t, from, fn, arg);
	return from <= k->t->mask ? from : 0;
}
