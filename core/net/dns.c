/* Questions under way in this process, and who waits for them. What came of them is kept in dns_cache.c. */
#include "net/dns.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/random.h"
#include "net/dns_cache.h"
#include "net/resolver.h"
#include "shm/counter.h"

enum {
	BUCKETS = 256,
	MOST_UNDER_WAY = 4096,
	TTL_LEAST_S = 1,
	TTL_MOST_S = 3600,
	FAILURE_S = 5,
};

struct question {
	struct list   bucket;
	struct list   waiters;		/* struct dns_query */
	enum dns_type type;
	char          name[];		/* lower case, without a final dot */
};

struct dns_query {
	struct list       link;		/* in question.waiters, then dns.ready */
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
	size_t          under_way;
	struct hash_key key;
	dns_lookup     *lookup;
} dns;

enum dns_count { COUNT_ASKED, COUNT_FROM_CACHE, COUNT_TIMEOUTS, COUNT_FAILURES, DNS_COUNTS };
static struct counter counts[DNS_COUNTS] = {
	[COUNT_ASKED] = { "dns.asked", "questions put to the name servers", "questions" },
	[COUNT_FROM_CACHE] = { "dns.from_cache", "questions answered from the cache", "questions" },
	[COUNT_TIMEOUTS] = { "dns.timeouts", "questions that no server answered in time", "questions" },
	[COUNT_FAILURES] = { "dns.failures", "questions refused, or answered without a record", "questions" },
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

static void make_ready(struct dns_query *q, enum err err)
{
	uint64_t one = 1;
	ssize_t  done;

	q->err = err;
	if (list_empty(&dns.ready)) {
		done = write(dns.wake.fd, &one, sizeof(one));
		(void)done;
	}
	list_remove(&q->link);
	list_append(&dns.ready, &q->link);
}

/* --- questions under way --- */

static struct list *bucket_of(struct str name)
{
	return &dns.bucket[hash_istr(&dns.key, name) % BUCKETS];
}

static struct question *find(struct str name, enum dns_type type)
{
	LIST_EACH(struct question, q, bucket_of(name), bucket)
		if (q->type == type && str_ieq(name, str_of(q->name)))
			return q;
	return NULL;
}

static void question_free(struct question *q)
{
	list_remove(&q->bucket);
	dns.under_way--;
	free(q);
}

/* NULL: no memory, or there are too many. */
static struct question *question_new(struct str name, enum dns_type type)
{
	struct question *q = dns.under_way < MOST_UNDER_WAY ? calloc(1, sizeof(*q) + name.len + 1) : NULL;

	if (!q)
		return NULL;
	q->type = type;
	for (size_t i = 0; i < name.len; i++)
		q->name[i] = ch_lower(name.p[i]);
	list_init(&q->waiters);
	list_append(bucket_of(name), &q->bucket);
	dns.under_way++;
	return q;
}

static void count_outcome(enum err err)
{
	if (err)
		counter_inc(&counts[err == ERR_TIMEOUT ? COUNT_TIMEOUTS : COUNT_FAILURES]);
}

/* RFC 2308 §5: that there is nothing is kept for as long as the zone says, but no failure for long. */
static uint32_t kept_s(enum err err, uint32_t ttl_s)
{
	if (err && (err != ERR_NOT_FOUND || !ttl_s))
		return FAILURE_S;
	if (ttl_s < TTL_LEAST_S)
		return TTL_LEAST_S;
	return ttl_s > TTL_MOST_S ? TTL_MOST_S : ttl_s;
}

static void on_answer(void *arg, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	struct question *asked = arg;

	count_outcome(err);
	dns_cache_store(str_of(asked->name), asked->type, err, answer, kept_s(err, ttl_s));
	LIST_EACH_SAFE(struct dns_query, q, &asked->waiters, link) {
		q->answer = *answer;
		make_ready(q, err);
	}
	question_free(asked);
}

/* --- asking --- */

static struct str complete(struct str name)
{
	return str_ends(name, STR(".")) ? str_to(name, name.len - 1) : name;
}

static bool can_be_asked(struct str name)
{
	return name.len && name.len < DNS_NAME && str_find(name, '\0') < 0;
}

/* ERR_AGAIN: it is not known. */
static enum err known(struct str name, enum dns_type type, struct dns_answer *out)
{
	enum err err;

	if (dns.lookup)
		return dns.lookup(name, type, out);
	if (!can_be_asked(name))
		return ERR_NOT_FOUND;
	if (!dns_cache_find(name, type, &err, out))
		return ERR_AGAIN;
	counter_inc(&counts[COUNT_FROM_CACHE]);
	return err;
}

enum err dns_known(struct str name, enum dns_type type, struct dns_answer *out)
{
	return known(complete(name), type, out);
}

/* False: no memory. */
static bool ask(struct dns_query *q, struct str name, enum dns_type type)
{
	struct question *asked = find(name, type);

	if (asked) {
		list_append(&asked->waiters, &q->link);
		return true;
	}
	asked = question_new(name, type);
	if (!asked)
		return false;
	list_append(&asked->waiters, &q->link);
	counter_inc(&counts[COUNT_ASKED]);
	resolver_ask(asked->name, type, on_answer, asked);
	return true;
}

struct dns_query *dns_ask(struct str name, enum dns_type type, dns_done *done, void *arg)
{
	struct dns_query *q = dns.loop ? calloc(1, sizeof(*q)) : NULL;
	enum err          err;

	if (!q)
		return NULL;
	q->done = done;
	q->arg = arg;
	list_init(&q->link);
	name = complete(name);
	err = known(name, type, &q->answer);
	if (err != ERR_AGAIN) {
		make_ready(q, err);
		return q;
	}
	if (ask(q, name, type))
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

void dns_replace(dns_lookup *lookup)
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
		LIST_EACH_SAFE(struct question, q, &dns.bucket[i], bucket) {
			drop_queries(&q->waiters);
			question_free(q);
		}
	drop_queries(&dns.ready);
	drop_queries(&dns.telling);
	loop_remove(dns.loop, &dns.wake);
	close(dns.wake.fd);
	dns.loop = NULL;
}
