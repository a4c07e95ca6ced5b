/* The table: by the key of the request (RFC 3261 §17.2.3), and by the id in our branch parameters, with one chain for both. */
#include "base/hash.h"
#include "base/random.h"
#include "shm/hand.h"
#include "tm/trans.h"

struct bucket {
	struct lock lock;	/* RANK_TM_BUCKET: the chain, and `linked` of its members */
	struct list chain;
};

static struct {
	struct bucket  *bucket;	/* shared */
	uint64_t        mask;
	struct hash_key secret;
	shm_owner       owner;
} tab;

#define COUNTER(n, h, u, ...) { .name = "tm." n, .help = h, .unit = u, __VA_ARGS__ }
struct tm_counters tm_count = {
	.alive = COUNTER("transactions", "transactions that are alive", "transactions", .gauge = true),
	.open = COUNTER("open", "transactions that still owe their caller a final answer", "transactions", .gauge = true),
	.begun = COUNTER("begun", "requests for which a transaction was begun", "requests"),
	.branches = COUNTER("branches", "requests sent downstream, one a branch", "requests"),
	.absorbed = COUNTER("absorbed", "retransmissions of requests that were absorbed", "requests"),
	.retransmissions = COUNTER("retransmissions", "messages that were sent again by a timer", "messages"),
	.timeouts = COUNTER("timeouts", "branches that did not answer in time", "branches"),
	.unreachable = COUNTER("unreachable", "branches whose peer could not be reached", "branches"),
	.cancelled = COUNTER("cancelled", "INVITEs that their caller cancelled", "requests"),
	.no_ack = COUNTER("no_ack", "final answers to INVITE that nobody acknowledged", "answers"),
	.strays = COUNTER("strays", "answers that belong to no transaction", "answers"),
	.no_memory = COUNTER("no_memory", "transactions and branches that memory did not suffice for", "requests"),
	.failovers = COUNTER("failovers", "requests sent to another address after one had failed", "requests"),
	.lost_answers = COUNTER("lost_answers", "answers that could not be sent, their connection being lost", "answers"),
	.adopted = COUNTER("adopted", "transactions whose script run was lost with its worker", "transactions"),
};

static void register_counters(void)
{
	struct counter *const all[] = {
		&tm_count.alive, &tm_count.open, &tm_count.begun, &tm_count.branches, &tm_count.absorbed, &tm_count.retransmissions,
		&tm_count.timeouts, &tm_count.unreachable, &tm_count.cancelled, &tm_count.no_ack, &tm_count.strays,
		&tm_count.no_memory, &tm_count.adopted, &tm_count.failovers, &tm_count.lost_answers,
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		counter_register(all[i]);
}

enum err tm_boot(unsigned buckets)
{
	size_t n = buckets;

	register_counters();
	tab.owner = shm_owner_new("tm");
	tab.bucket = shm_alloc(tab.owner, n * sizeof(*tab.bucket));
	if (!tab.bucket)
		return ERR_NOMEM;
	tab.mask = n - 1;
	random_bytes(&tab.secret, sizeof(tab.secret));
	for (size_t i = 0; i < n; i++) {
		lock_init(&tab.bucket[i].lock, RANK_TM_BUCKET);
		list_init(&tab.bucket[i].chain);
	}
	return branch_boot();
}

shm_owner tm_owner(void)
{
	return tab.owner;
}

static size_t gauge(const struct counter *c)
{
	int64_t n = counter_read(c);

	return n > 0 ? (size_t)n : 0;
}

size_t tm_alive(void)
{
	return gauge(&tm_count.alive);
}

size_t tm_open(void)
{
	return gauge(&tm_count.open);
}

void text_free(struct str *s)
{
	shm_free((void *)(uintptr_t)s->p);
	*s = STR_NONE;
}

/* --- keys --- */

static void sent_by_write(const struct via *v, struct buf *out)
{
	uint16_t port = v->port ? v->port : transport_port(transport_of(v->transport));

	for (size_t i = 0; i < v->host.len; i++)
		buf_ch(out, ch_lower(v->host.p[i]));
	buf_ch(out, ':');
	buf_u64(out, port);
	buf_ch(out, '\n');
}

/* RFC 2543 had no unique branches: what else tells requests apart. The To tag is left out, since an ACK has the answer's; which of
 * our answers an ACK is for, we know from the transaction's state. */
static void old_key_write(struct msg *m, const struct via *v, struct buf *out)
{
	const struct cseq *cseq = msg_cseq(m);
	const struct str   parts[] = { STR("2"), v->branch, m->ruri, msg_from_tag(m), msg_call_id(m) };

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		buf_add(out, parts[i]);
		buf_ch(out, '\n');
	}
	buf_u64(out, cseq ? cseq->num : 0);
	buf_ch(out, '\n');
}

struct str key_of(struct msg *m, struct str method)
{
	const struct via *v = msg_via1(m);
	struct buf        out;
	size_t            cap;

	if (!v)
		return STR_NONE;
	cap = v->branch.len + v->host.len + m->ruri.len + msg_from_tag(m).len + msg_call_id(m).len + method.len + 48;
	out = buf_on(arena_alloc(m->c->arena, cap), cap);
	if (!out.p)
		return STR_NONE;
	if (via_branch_3261(v)) {
		BUF_LIT(&out, "3\n");
		buf_add(&out, v->branch);
		buf_ch(&out, '\n');
	} else {
		old_key_write(m, v, &out);
	}
	sent_by_write(v, &out);
	buf_add(&out, method);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* The low bits of an id are those of its bucket, hidden behind a hash of the others: a peer that sees our branch parameters
 * learns nothing about which keys share a bucket. */
static uint64_t id_bucket(uint64_t id)
{
	uint64_t high = id & ~tab.mask;

	return (id ^ hash_str(&tab.secret, str_n((const char *)&high, sizeof(high)))) & tab.mask;
}

static uint64_t id_new(uint64_t hash)
{
	uint64_t id = random_u64() & ~tab.mask;

	return id | ((id_bucket(id) ^ hash) & tab.mask);
}

static struct bucket *bucket_of(uint64_t hash)
{
	return &tab.bucket[hash & tab.mask];
}

/* --- objects --- */

void trans_free(struct trans *t)
{
	struct branch *next;

	for (struct branch *b = t->branches; b; b = next) {
		next = b->next;
		branch_free(b);
	}
	text_free(&t->best.bytes);
	text_free(&t->last);
	text_free(&t->cancel_reason);
	shm_free(t->notes);
	witness_gone(t->witness);
	shm_free(t);
}

void trans_ref(struct trans *t)
{
	__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
}

static void unref(struct trans *t)
{
	if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) == 0)
		trans_free(t);
}

static void give_back(void *t)
{
	trans_drop(t);
}

void trans_hold_ref(struct trans *t)
{
	hand_take(t, give_back);
}

struct trans *trans_hold(struct trans *t)
{
	trans_ref(t);
	trans_hold_ref(t);
	return t;
}

void trans_drop(struct trans *t)
{
	if (!t)
		return;
	critical_enter();
	hand_give(t);
	unref(t);
	critical_leave();
}

static void texts_init(struct trans *t, struct msg *m, struct str key)
{
	char *p = (char *)(t + 1);

	memcpy(p, m->raw.p, m->raw.len);
	memcpy(p + m->raw.len, key.p, key.len);
	t->request = str_n(p, m->raw.len);
	t->key = str_n(p + m->raw.len, key.len);
	t->method = str_from(t->key, key.len - m->method_name.len);
}

struct trans *trans_new(struct msg *m, struct str key, const struct flow *from)
{
	struct trans *t = shm_alloc(tab.owner, sizeof(*t) + m->raw.len + key.len);
	bool          invite = m->method == M_INVITE;

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->refs = 1;	/* the table's */
	t->held = true;
	t->hash = hash_str(&tab.secret, key);
	t->id = id_new(t->hash);
	t->tag = random_u64();
	t->born_ms = clock_ms();
	t->call = m->c->call;
	list_init(&t->link);
	lock_init(&t->lock, RANK_TRANS);
	timer_init(&t->timer, deadline_fire);
	mail_init(&t->letter, letter_read);
	machine_init(&t->m, invite ? TM_IST : TM_NIST, invite ? TM_PROCEEDING : TM_TRYING, transport_reliable(from->via->transport));
	t->run.slot = (uint16_t)proc_self();
	t->run.incarnation = proc_get(proc_self())->incarnation;
	response_flow(msg_via1(m), from, &t->back);
	texts_init(t, m, key);
	return t;
}

/* --- chains --- */

/* One that has ended is not there for its key any more, though its id may still be asked for until it is unlinked. */
static bool is_live(const struct trans *t)
{
	return __atomic_load_n(&t->m.state, __ATOMIC_RELAXED) != TM_TERMINATED;
}

static struct trans *find_locked(struct bucket *b, uint64_t hash, struct str key)
{
	LIST_EACH(struct trans, t, &b->chain, link)
		if (t->hash == hash && str_eq(t->key, key) && is_live(t))
			return trans_hold(t);
	return NULL;
}

struct trans *table_find(struct str key)
{
	uint64_t       hash = hash_str(&tab.secret, key);
	struct bucket *b = bucket_of(hash);
	struct trans  *found;

	lock(&b->lock);
	found = find_locked(b, hash, key);
	unlock(&b->lock);
	return found;
}

struct trans *table_find_id(uint64_t id)
{
	struct bucket *b = bucket_of(id_bucket(id));
	struct trans  *found = NULL;

	lock(&b->lock);
	LIST_EACH(struct trans, t, &b->chain, link)
		if (t->id == id) {
			found = trans_hold(t);
			break;
		}
	unlock(&b->lock);
	return found;
}

struct trans *table_link(struct trans *t)
{
	struct bucket *b = bucket_of(t->hash);
	struct trans  *found;

	lock(&b->lock);
	found = find_locked(b, t->hash, t->key);
	if (!found) {
		list_prepend(&b->chain, &t->link);
		t->linked = true;
		counter_inc(&tm_count.alive);
		counter_inc(&tm_count.open);
	}
	unlock(&b->lock);
	return found;
}

void table_unlink(struct trans *t)
{
	struct bucket *b = bucket_of(t->hash);
	bool           was;

	lock(&b->lock);
	was = t->linked;
	t->linked = false;
	list_remove(&t->link);
	if (was)
		counter_add(&tm_count.alive, -1);
	if (was)
		unref(t);	/* never the last: the caller has one */
	unlock(&b->lock);
}

/* The next of a chain; from its beginning again when `t` was unlinked meanwhile. The reference to `t` is given back. */
static struct trans *next_of(struct bucket *b, struct trans *t)
{
	struct list  *at;
	struct trans *next = NULL;

	lock(&b->lock);
	at = t && t->linked ? t->link.next : b->chain.next;
	if (at != &b->chain)
		next = trans_hold(CONTAINER(at, struct trans, link));
	unlock(&b->lock);
	trans_drop(t);
	return next;
}

void table_each(void (*fn)(struct trans *t))
{
	for (uint64_t i = 0; i <= tab.mask; i++)
		for (struct trans *t = next_of(&tab.bucket[i], NULL); t; t = next_of(&tab.bucket[i], t))
			fn(t);
}
