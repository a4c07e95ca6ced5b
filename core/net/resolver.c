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

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct asked     *q = arg;
	struct dns_answer answer = { 0 };
	uint32_t          ttl_s = UINT32_MAX;
	enum err          err = err_of(status);

	(void)timeouts;
	for (struct ares_addrinfo_node *n = info ? info->nodes : NULL; n; n = n->ai_next) {
		add_node(&answer, n);
		ttl_s = lower(ttl_s, n->ai_ttl);
	}
	for (struct ares_addrinfo_cname *c = info ? info->cnames : NULL; c; c = c->next)
		ttl_s = lower(ttl_s, c->ttl);
	if (info)
		ares_freeaddrinfo(info);
	if (!ares.closing)
		q->done(q->arg, !err && !answer.count ? ERR_NOT_FOUND : err, &answer, ttl_s);
	free(q);
}

void resolver_ask(const char *name, int family, resolver_done *done, void *arg)
{
	/* NOSORT: sorting would connect sockets to every address (RFC 6724). */
	struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = family };
	struct asked              *q = ares.open ? malloc(sizeof(*q)) : NULL;

	if (!q) {
		done(arg, ares.open ? ERR_NOMEM : ERR_STATE, &(struct dns_answer){ 0 }, 0);
		return;
	}
	*q = (struct asked){ .done = done, .arg = arg };
	ares_getaddrinfo(ares.channel, name, NULL, &hints, on_answer, q);
	arm_timeout();
}

const char *dns_library(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "c-ares %s", ares_version(NULL));
	return text;
}
