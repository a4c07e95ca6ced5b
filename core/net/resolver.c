/* c-ares behind resolver.h: its sockets live in our loop, its timeouts in the loop's wheel. */
#include "net/resolver.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include "base/clock.h"

enum { TIMEOUT_MS = 2000, TRIES = 2 };

struct asked {
	resolver_done *done;
	void          *arg;
	enum dns_type  type;
};

struct socket {
	struct list    link;
	struct loop_fd f;
};

static struct {
	struct loop *loop;
	ares_channel channel;
	bool         open, closing;
	struct list  sockets;
	struct timer timeout;
} ares;

/* When the library wants to look at its timeouts again. A millisecond late, for it does not round. */
static void arm_timeout(void)
{
	struct timeval tv, *next = ares_timeout(ares.channel, NULL, &tv);

	if (next)
		wheel_arm(loop_wheel(ares.loop), &ares.timeout, clock_ms() + (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1);
	else
		wheel_disarm(&ares.timeout);
}

static void process(ares_socket_t readable, ares_socket_t writable)
{
	ares_process_fd(ares.channel, readable, writable);
	arm_timeout();
}

static void on_timeout(struct timer *t)
{
	(void)t;
	process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_socket(struct loop_fd *f, uint32_t events)
{
	int fd = f->fd;	/* *f may be gone after the first look */

	process(events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? fd : ARES_SOCKET_BAD, events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
}

static struct socket *find_socket(int fd)
{
	LIST_EACH(struct socket, s, &ares.sockets, link)
		if (s->f.fd == fd)
			return s;
	return NULL;
}

static void forget_socket(struct socket *s)
{
	loop_remove(ares.loop, &s->f);
	list_remove(&s->link);
	free(s);
}

/* A socket that cannot be watched is one that never answers: its questions time out. */
static void watch_socket(int fd, uint32_t events)
{
	struct socket *s = calloc(1, sizeof(*s));

	if (!s)
		return;
	s->f = (struct loop_fd){ .fd = fd, .fn = on_socket };
	list_append(&ares.sockets, &s->link);
	if (loop_add(ares.loop, &s->f, events))
		forget_socket(s);
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct socket *s = find_socket(fd);
	uint32_t       events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

	(void)data;
	if (s && !events)
		forget_socket(s);
	else if (s && loop_change(ares.loop, &s->f, events))
		forget_socket(s);
	else if (!s && events)
		watch_socket(fd, events);
}

enum err resolver_open(struct loop *l, const struct dns_config *cfg)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH, .timeout = cfg->timeout_ms ? (int)cfg->timeout_ms : TIMEOUT_MS,
		.tries = cfg->tries ? (int)cfg->tries : TRIES, .sock_state_cb = on_socket_state,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS;

	resolver_close();
	ares.loop = l;
	list_init(&ares.sockets);
	timer_init(&ares.timeout, on_timeout);
	if (ares_library_init(ARES_LIB_INIT_ALL))
		return ERR_NOMEM;
	if (ares_init_options(&ares.channel, &o, mask)) {
		ares_library_cleanup();
		return ERR_IO;
	}
	ares.open = true;
	if (!cfg->servers || ares_set_servers_ports_csv(ares.channel, cfg->servers) == ARES_SUCCESS)
		return OK;
	resolver_close();
	return ERR_SYNTAX;
}

void resolver_close(void)
{
	if (!ares.open)
		return;
	ares.closing = true;
	ares_destroy(ares.channel);
	ares_library_cleanup();
	while (!list_empty(&ares.sockets))
		forget_socket(LIST_FIRST(&ares.sockets, struct socket, link));
	wheel_disarm(&ares.timeout);
	ares.open = ares.closing = false;
}

static enum err err_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return OK;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
		return ERR_NOT_FOUND;
	case ARES_ETIMEOUT:
		return ERR_TIMEOUT;
	case ARES_ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

static uint32_t lower(uint32_t ttl_s, int other)
{
	return other >= 0 && (uint32_t)other < ttl_s ? (uint32_t)other : ttl_s;
}

static void add_node(struct dns_answer *a, const struct ares_addrinfo_node *n)
{
	struct addr *to = &a->addr[a->count];

	if (a->count == COUNT_OF(a->addr) || (n->ai_family != AF_INET && n->ai_family != AF_INET6))
		return;
	*to = (struct addr){ 0 };
	memcpy(&to->u, n->ai_addr, n->ai_family == AF_INET ? sizeof(to->u.v4) : sizeof(to->u.v6));
	addr_set_port(to, 0);
	a->count++;
}

static void tell(struct asked *q, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	if (!ares.closing)
		q->done(q->arg, !err && !answer->count ? ERR_NOT_FOUND : err, answer, ttl_s);
	free(q);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct dns_answer answer = { 0 };
	uint32_t          ttl_s = UINT32_MAX;

	(void)timeouts;
	for (struct ares_addrinfo_node *n = info ? info->nodes : NULL; n; n = n->ai_next) {
		add_node(&answer, n);
		ttl_s = lower(ttl_s, n->ai_ttl);
	}
	for (struct ares_addrinfo_cname *c = info ? info->cnames : NULL; c; c = c->next)
		ttl_s = lower(ttl_s, c->ttl);
	if (info)
		ares_freeaddrinfo(info);
	tell(arg, err_of(status), &answer, answer.count ? ttl_s : 0);
}

/* --- TTLs, which the library does not tell for these types: RFC 1035 §4.1 --- */

enum { HEADER_BYTES = 12, CLASS_AND_TYPE = 4, FIXED_BYTES = 10, TYPE_SOA = 6 };

struct packet {
	const unsigned char *p, *at;
	int                  len;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool skip(struct packet *k, long n)
{
	if (k->p + k->len - k->at < n)
		return false;
	k->at += n;
	return true;
}

static bool skip_name(struct packet *k)
{
	char *name;
	long  n;

	if (ares_expand_name(k->at, k->p, k->len, &name, &n) != ARES_SUCCESS)
		return false;
	ares_free_string(name);
	return skip(k, n);
}

/* The next resource record: its type, TTL and data; at the one behind it afterwards. */
static bool next_record(struct packet *k, unsigned *type, uint32_t *ttl_s, const unsigned char **data, unsigned *bytes)
{
	const unsigned char *fixed;

	if (!skip_name(k))
		return false;
	fixed = k->at;
	if (!skip(k, FIXED_BYTES))
		return false;
	*type = get16(fixed);
	*ttl_s = get32(fixed + 4);
	*bytes = get16(fixed + 8);
	*data = k->at;
	return skip(k, *bytes);
}

/* The lowest of the answer's records; without any the lower of the zone's SOA record's and of its last number (RFC 2308 §5). 0: none. */
static uint32_t ttl_of(const unsigned char *p, int len)
{
	struct packet        k = { .p = p, .at = p + HEADER_BYTES, .len = len };
	const unsigned char *data;
	uint32_t             lowest = UINT32_MAX, ttl_s;
	unsigned             answers, authorities, type, bytes;

	if (!p || len < HEADER_BYTES)
		return 0;
	answers = get16(p + 6);
	authorities = get16(p + 8);
	for (unsigned i = get16(p + 4); i; i--)
		if (!skip_name(&k) || !skip(&k, CLASS_AND_TYPE))
			return 0;
	for (unsigned i = 0; i < answers; i++) {
		if (!next_record(&k, &type, &ttl_s, &data, &bytes))
			return 0;
		lowest = ttl_s < lowest ? ttl_s : lowest;
	}
	for (unsigned i = 0; !answers && i < authorities; i++) {
		if (!next_record(&k, &type, &ttl_s, &data, &bytes))
			return 0;
		if (type != TYPE_SOA || bytes < 4)
			continue;
		lowest = ttl_s < lowest ? ttl_s : lowest;
		ttl_s = get32(data + bytes - 4);
		lowest = ttl_s < lowest ? ttl_s : lowest;
	}
	return lowest == UINT32_MAX ? 0 : lowest;
}

/* --- SRV and NAPTR --- */

static void add_srv(struct dns_answer *a, const struct ares_srv_reply *r)
{
	struct dns_srv *s = &a->srv[a->count];

	if (a->count == DNS_MOST || strlen(r->host) >= sizeof(s->target))
		return;
	*s = (struct dns_srv){ .priority = r->priority, .weight = r->weight, .port = r->port };
	(void)str_cstr(str_of(r->host), s->target, sizeof(s->target));
	a->count++;
}

static bool copy(const void *text, char *out, size_t cap)
{
	return text && str_cstr(str_of(text), out, cap);
}

static void add_naptr(struct dns_answer *a, const struct ares_naptr_reply *r)
{
	struct dns_naptr *n = &a->naptr[a->count];

	if (a->count == DNS_MOST)
		return;
	*n = (struct dns_naptr){ .order = r->order, .preference = r->preference };
	if (copy(r->flags, n->flags, sizeof(n->flags)) && copy(r->service, n->service, sizeof(n->service)) &&
	    copy(r->replacement, n->replacement, sizeof(n->replacement)))
		a->count++;
}

static int parse_srv(const unsigned char *p, int len, struct dns_answer *a)
{
	struct ares_srv_reply *all = NULL;
	int                    status = ares_parse_srv_reply(p, len, &all);

	for (const struct ares_srv_reply *r = all; r; r = r->next)
		add_srv(a, r);
	ares_free_data(all);
	return status;
}

static int parse_naptr(const unsigned char *p, int len, struct dns_answer *a)
{
	struct ares_naptr_reply *all = NULL;
	int                      status = ares_parse_naptr_reply(p, len, &all);

	for (const struct ares_naptr_reply *r = all; r; r = r->next)
		add_naptr(a, r);
	ares_free_data(all);
	return status;
}

static void on_packet(void *arg, int status, int timeouts, unsigned char *p, int len)
{
	struct asked     *q = arg;
	struct dns_answer answer = { 0 };

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = q->type == DNS_SRV ? parse_srv(p, len, &answer) : parse_naptr(p, len, &answer);
	tell(q, err_of(status), &answer, ttl_of(p, len));
}

/* --- asking --- */

enum { CLASS_IN = 1, TYPE_SRV = 33, TYPE_NAPTR = 35 };

void resolver_ask(const char *name, enum dns_type type, resolver_done *done, void *arg)
{
	/* NOSORT: sorting would connect sockets to every address (RFC 6724). */
	struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT };
	struct asked              *q = ares.open ? malloc(sizeof(*q)) : NULL;

	if (!q) {
		done(arg, ares.open ? ERR_NOMEM : ERR_STATE, &(struct dns_answer){ 0 }, 0);
		return;
	}
	*q = (struct asked){ .done = done, .arg = arg, .type = type };
	if (type == DNS_SRV || type == DNS_NAPTR) {
		ares_query(ares.channel, name, CLASS_IN, type == DNS_SRV ? TYPE_SRV : TYPE_NAPTR, on_packet, q);
	} else {
		hints.ai_family = type == DNS_A ? AF_INET : type == DNS_AAAA ? AF_INET6 : AF_UNSPEC;
		ares_getaddrinfo(ares.channel, name, NULL, &hints, on_addresses, q);
	}
	arm_timeout();
}

const char *dns_library(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "c-ares %s", ares_version(NULL));
	return text;
}
