/* Questions and the cache of answers. An entry is born with its first question, gets its answer from the resolver and is kept until
 * the TTL is over or its place is needed. */
#include "net/dns.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "net/resolver.h"
#include "shm/counter.h"

enum {
	BUCKETS = 1024,
	ENTRY_MOST = 4096,
	NAME_MOST = 253,		/* RFC 1035 §2.3.4, as text */
	TTL_LEAST_S = 1,
	TTL_MOST_S = 3600,
	FAILURE_S = 5,
};

struct entry {
	struct list       bucket, age;	/* age: in dns.kept, oldest answer first; a ring of itself while it is asked */
	struct list       waiters;	/* struct dns_query, while it is asked */
	bool              asked;
	int               family;
	uint64_t          until_ms;
	enum err          err;
	struct dns_answer answer;
	char              name[];	/* lower case, without a final dot */
};

struct dns_query {
	struct list       link;		/* in entry.waiters, then dns.ready */
	dns_done         *done;
	void             *arg;
	enum err          err;
	struct dns_answer answer;
};

static struct {
	struct loop    *loop;		/* NULL: not started */
	struct loop_fd  wake;		/* an eventfd: there is something in `ready` */
	struct list     ready, telling;	/* answered; those whose turn it is */
	struct list     bucket[BUCKETS];
	struct list     kept;
	size_t          entries;
	struct hash_key key;
	enum err (*lookup)(struct str name, int family, struct dns_answer *out);
} dns;

enum dns_count { COUNT_ASKED, COUNT_FROM_CACHE, COUNT_TIMEOUTS, COUNT_FAILURES, DNS_COUNTS };
static struct counter counts[DNS_COUNTS] = {
	[COUNT_ASKED] = { "dns.asked", "questions put to the name servers", "questions" },
	[COUNT_FROM_CACHE] = { "dns.from_cache", "questions answered from the cache", "questions" },
	[COUNT_TIMEOUTS] = { "dns.timeouts", "questions that no server answered in time", "questions" },
	[COUNT_FAILURES] = { "dns.failures", "questions refused, or answered without an address", "questions" },
};

void dns_boot(void)
{
	for (size_t i = 0; i < DNS_COUNTS; i++)
		counter_register(&counts[i]);
}

/* --- telling --- */

/* What is ready while others are told waits for the next turn. */
static void tell(struct loop_fd *f, uint32_t events)
{
	uint64_t count;
	ssize_t  done = read(f->fd, &count, sizeof(count));

	(void)events, (void)done;
	list_splice(&dns.telling, &dns.ready);
	while (dns.loop && !list_empty(&dns.telling)) {
		struct dns_query *q = LIST_FIRST(&dns.telling, struct dns_query, link);

		list_remove(&q->link);
		q->done(q->arg, q->err, &q->answer);
		free(q);
	}
}

static void make_ready(struct dns_query *q, enum err err, const struct dns_answer *answer)
{
	uint64_t one = 1;
	ssize_t  done;

	q->err = err;
	q->answer = *answer;
	if (list_empty(&dns.ready)) {
		done = write(dns.wake.fd, &one, sizeof(one));
		(void)done;
	}
	list_remove(&q->link);
	list_append(&dns.ready, &q->link);
}

/* --- the cache --- */

static struct list *bucket_of(struct str name)
{
	return &dns.bucket[hash_istr(&dns.key, name) % BUCKETS];
}

static struct entry *find(struct str name, int family)
{
	LIST_EACH(struct entry, e, bucket_of(name), bucket)
		if (e->family == family && str_ieq(name, str_of(e->name)))
			return e;
	return NULL;
}

static void entry_free(struct entry *e)
{
	list_remove(&e->bucket);
	list_remove(&e->age);
	dns.entries--;
	free(e);
}

/* NULL: no memory, or so many names are being asked for that none can be dropped. */
static struct entry *entry_new(struct str name, int family)
{
	struct entry *e;

	if (dns.entries == ENTRY_MOST && !list_empty(&dns.kept))
		entry_free(LIST_FIRST(&dns.kept, struct entry, age));
	e = dns.entries < ENTRY_MOST ? calloc(1, sizeof(*e) + name.len + 1) : NULL;
	if (!e)
		return NULL;
	e->family = family;
	for (size_t i = 0; i < name.len; i++)
		e->name[i] = ch_lower(name.p[i]);
	list_init(&e->waiters);
	list_init(&e->age);
	list_append(bucket_of(name), &e->bucket);
	dns.entries++;
	return e;
}

static void count_outcome(enum err err)
{
	if (err)
		counter_inc(&counts[err == ERR_TIMEOUT ? COUNT_TIMEOUTS : COUNT_FAILURES]);
}

static void on_answer(void *arg, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	struct entry *e = arg;

	count_outcome(err);
	if (err)
		ttl_s = FAILURE_S;
	else if (ttl_s < TTL_LEAST_S)
		ttl_s = TTL_LEAST_S;
	else if (ttl_s > TTL_MOST_S)
		ttl_s = TTL_MOST_S;
	e->asked = false;
	e->err = err;
	e->answer = *answer;
	e->until_ms = clock_ms() + (uint64_t)ttl_s * 1000;
	list_append(&dns.kept, &e->age);
	LIST_EACH_SAFE(struct dns_query, q, &e->waiters, link)
		make_ready(q, err, answer);
}

/* --- questions --- */

static bool can_be_asked(struct str name)
{
	return name.len && name.len <= NAME_MOST && str_find(name, '\0') < 0;
}

/* Into the cache, or out of it. False: no memory. */
static bool ask(struct dns_query *q, struct str name, int family)
{
	struct entry *e = find(name, family);

	if (e && !e->asked && e->until_ms <= clock_ms()) {
		entry_free(e);
		e = NULL;
	}
	if (e && !e->asked) {
		counter_inc(&counts[COUNT_FROM_CACHE]);
		make_ready(q, e->err, &e->answer);
		return true;
	}
	if (e) {
		list_append(&e->waiters, &q->link);
		return true;
	}
	e = entry_new(name, family);
	if (!e)
		return false;
	list_append(&e->waiters, &q->link);
	e->asked = true;
	counter_inc(&counts[COUNT_ASKED]);
	resolver_ask(e->name, family, on_answer, e);
	return true;
}

struct dns_query *dns_resolve(struct str name, int family, dns_done *done, void *arg)
{
	struct dns_answer answer = { 0 };
	struct dns_query *q = dns.loop ? calloc(1, sizeof(*q)) : NULL;
	enum err          err;

	if (!q)
		return NULL;
	q->done = done;
	q->arg = arg;
	list_init(&q->link);
	if (str_ends(name, STR(".")))
		name.len--;
	if (dns.lookup || !can_be_asked(name)) {
		err = dns.lookup ? dns.lookup(name, family, &answer) : ERR_NOT_FOUND;
		make_ready(q, err, &answer);
		return q;
	}
	if (ask(q, name, family))
		return q;
	free(q);
	return NULL;
}

void dns_cancel(struct dns_query *q)
{
	if (!q)
		return;
	list_remove(&q->link);
	free(q);
}

void dns_replace(enum err (*lookup)(struct str name, int family, struct dns_answer *out))
{
	dns.lookup = lookup;
}

/* --- start and stop --- */

enum err dns_start(struct loop *l, const struct dns_config *cfg)
{
	enum err err;

	dns_stop();
	list_init(&dns.ready);
	list_init(&dns.telling);
	list_init(&dns.kept);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&dns.bucket[i]);
	random_bytes(&dns.key, sizeof(dns.key));
	err = resolver_open(l, cfg);
	if (err)
		return err;
	dns.wake = (struct loop_fd){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .fn = tell };
	if (dns.wake.fd < 0 || loop_add(l, &dns.wake, EPOLLIN)) {
		close(dns.wake.fd);
		resolver_close();
		return ERR_IO;
	}
	dns.loop = l;
	return OK;
}

static void drop_queries(struct list *l)
{
	LIST_EACH_SAFE(struct dns_query, q, l, link)
		dns_cancel(q);
}

void dns_stop(void)
{
	if (!dns.loop)
		return;
	resolver_close();
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_EACH_SAFE(struct entry, e, &dns.bucket[i], bucket) {
			drop_queries(&e->waiters);
			entry_free(e);
		}
	drop_queries(&dns.ready);
	drop_queries(&dns.telling);
	loop_remove(dns.loop, &dns.wake);
	close(dns.wake.fd);
	dns.loop = NULL;
}
