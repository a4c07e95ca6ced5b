/* core/net/dns: against a name server of our own, which lives in the same loop. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/dns.h"

/* --- a name server --- */

struct record {
	const char *name, *value;
	uint32_t    ttl_s;
	int         rcode;	/* 0, 3: no such name (RFC 1035 §4.1.1), SWALLOWED: not answered at all */
};
enum { SWALLOWED = 99, TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };

static const struct record zone[] = {
	{ "one.test", "192.0.2.1", 60 },
	{ "six.test", "2001:db8::6", 60 },
	{ "both.test", "192.0.2.2", 60 }, { "both.test", "2001:db8::2", 60 },
	{ "short.test", "192.0.2.3", 2 },
	{ "zero.test", "192.0.2.4", 0 },
	{ "long.test", "192.0.2.5", 1000000 },
	{ "alias.test", "one.test", 30 },
	{ "many.test", "192.0.2.10", 60 }, { "many.test", "192.0.2.11", 60 }, { "many.test", "192.0.2.12", 60 },
	{ "many.test", "192.0.2.13", 60 }, { "many.test", "192.0.2.14", 60 }, { "many.test", "192.0.2.15", 60 },
	{ "many.test", "192.0.2.16", 60 }, { "many.test", "192.0.2.17", 60 }, { "many.test", "192.0.2.18", 60 },
	{ "refused.test", NULL, 0, 5 },
	{ "hole.test", NULL, 0, SWALLOWED }, { "hole2.test", NULL, 0, SWALLOWED },
};

static struct {
	struct loop_fd f;
	uint16_t       port;
	int            asked;
} server;

static struct str name_in(const uint8_t *q, size_t len, char *text, size_t *end)
{
	size_t at = 12, n = 0;

	while (at < len && q[at] && n < 200) {
		if (n)
			text[n++] = '.';
		memcpy(text + n, q + at + 1, q[at]);
		n += q[at];
		at += q[at] + 1u;
	}
	*end = at + 5;
	return str_n(text, n);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t put_name(uint8_t *p, const char *name)
{
	uint8_t *at = p;

	for (struct str rest = str_of(name); rest.len;) {
		struct str label = str_take_until(&rest, '.');

		*at++ = (uint8_t)label.len;
		memcpy(at, label.p, label.len);
		at += label.len;
	}
	*at++ = 0;
	return (size_t)(at - p);
}

/* The record's data; 0: of another type than was asked for. */
static size_t put_data(uint8_t *p, const struct record *r, unsigned type, unsigned *is)
{
	struct addr a;

	*is = type;
	if (addr_parse(str_of(r->value), 0, &a)) {
		*is = TYPE_CNAME;
		return put_name(p, r->value);
	}
	if (type == TYPE_A && a.u.any.sa_family == AF_INET) {
		memcpy(p, &a.u.v4.sin_addr, 4);
		return 4;
	}
	if (type == TYPE_AAAA && a.u.any.sa_family == AF_INET6) {
		memcpy(p, &a.u.v6.sin6_addr, 16);
		return 16;
	}
	return 0;
}

/* All records of that name; -1: swallow the question. The canonical name of an alias follows it (RFC 1034 §3.6.2). */
static int answer(struct str name, unsigned type, uint8_t *out, size_t *len, unsigned *count)
{
	int rcode = 3;

	for (size_t i = 0; i < COUNT_OF(zone); i++) {
		const struct record *r = &zone[i];
		uint8_t             *p = out + *len;
		unsigned             is;
		size_t               at, n;

		if (!str_ieqz(name, r->name))
			continue;
		if (r->rcode || !r->value)
			return r->rcode == SWALLOWED ? -1 : r->rcode;
		rcode = 0;
		at = put_name(p, r->name);
		n = put_data(p + at + 10, r, type, &is);
		if (!n)
			continue;
		put16(p + at, is);
		put16(p + at + 2, 1);
		put16(p + at + 4, r->ttl_s >> 16);
		put16(p + at + 6, r->ttl_s & 0xffff);
		put16(p + at + 8, (unsigned)n);
		*len += at + 10 + n;
		++*count;
		if (is == TYPE_CNAME)
			return answer(str_of(r->value), type, out, len, count);
	}
	return rcode;
}

static void serve(struct loop_fd *f, uint32_t events)
{
	uint8_t            q[512], out[2048];
	char               text[256];
	struct sockaddr_in peer;
	socklen_t          peer_len = sizeof(peer);
	ssize_t            len = recvfrom(f->fd, q, sizeof(q), MSG_DONTWAIT, (struct sockaddr *)&peer, &peer_len);
	size_t             end;
	unsigned           count = 0;
	int                rcode;
	struct str         name;

	(void)events;
	if (len < 17)
		return;
	server.asked++;
	name = name_in(q, (size_t)len, text, &end);
	memcpy(out, q, end);
	rcode = answer(name, q[end - 3], out, &end, &count);
	if (rcode < 0)
		return;
	put16(out + 2, 0x8180u | (unsigned)rcode);	/* an answer, recursion desired and available */
	put16(out + 6, count);
	put16(out + 8, 0);
	put16(out + 10, 0);
	CHECK(sendto(f->fd, out, end, 0, (struct sockaddr *)&peer, peer_len) == (ssize_t)end);
}

/* --- the tests' world --- */

static uint64_t ahead_ms;

static uint64_t ahead_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + ahead_ms;
}

static int64_t ahead_unix(void)
{
	return 1;
}

static const struct clock_source ahead = { .mono_ms = ahead_mono, .unix_us = ahead_unix };

static struct {
	struct loop *loop;
	int          done;
	enum err     err;
	struct dns_answer answer;
} seen;

static void up(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof(a);
	char               servers[64];
	struct dns_config  cfg = { .servers = servers, .timeout_ms = 100, .tries = 2 };

	memset(&seen, 0, sizeof(seen));
	ahead_ms = 0;
	clock_replace(&ahead);
	seen.loop = loop_new();
	server.asked = 0;
	server.f = (struct loop_fd){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .fn = serve };
	CHECK_INT(bind(server.f.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_INT(getsockname(server.f.fd, (struct sockaddr *)&a, &len), 0);
	CHECK_INT(loop_add(seen.loop, &server.f, EPOLLIN), OK);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(a.sin_port));
	CHECK_INT(dns_start(seen.loop, &cfg), OK);
}

static void down(void)
{
	dns_stop();
	close(server.f.fd);
	loop_free(seen.loop);
	clock_replace(NULL);
}

static void on_done(void *arg, enum err err, const struct dns_answer *a)
{
	(void)arg;
	seen.done++;
	seen.err = err;
	seen.answer = *a;
}

static void wait_for(int done)
{
	uint64_t start = clock_ms();

	while (seen.done < done && clock_ms() < start + 3000)
		loop_turn(seen.loop, 100);
	CHECK_INT(seen.done, done);
}

/* "192.0.2.1:0 …" */
static struct str resolve(const char *name, int family)
{
	static char text[1024];
	struct buf  b = buf_on(text, sizeof(text));
	int         before = seen.done;

	CHECK(dns_resolve(str_of(name), family, on_done, NULL));
	CHECK_INT(seen.done, before);	/* never from within */
	wait_for(before + 1);
	if (seen.err)
		BUF_LIT(&b, "!");
	for (size_t i = 0; i < seen.answer.count; i++) {
		if (i)
			buf_ch(&b, ' ');
		addr_ip_write(&seen.answer.addr[i], &b);
	}
	return buf_str(&b);
}

TEST(dns_answers_by_family)
{
	static const struct { const char *name; int family; const char *addresses; enum err err; } rows[] = {
		{ "one.test", AF_INET, "192.0.2.1", OK }, { "ONE.test.", AF_UNSPEC, "192.0.2.1", OK },
		{ "one.test", AF_INET6, "!", ERR_NOT_FOUND }, { "six.test", AF_INET6, "2001:db8::6", OK },
		{ "six.test", AF_UNSPEC, "2001:db8::6", OK }, { "alias.test", AF_INET, "192.0.2.1", OK },
		{ "many.test", AF_INET, "192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 192.0.2.16 192.0.2.17", OK },
		{ "nobody.test", AF_INET, "!", ERR_NOT_FOUND }, { "nobody.test", AF_UNSPEC, "!", ERR_NOT_FOUND },
		{ "", AF_INET, "!", ERR_NOT_FOUND }, { ".", AF_INET, "!", ERR_NOT_FOUND }, { "a..test", AF_INET, "!", ERR_NOT_FOUND },
	};

	up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_STR(resolve(rows[i].name, rows[i].family), rows[i].addresses);
		CHECK_ROW(seen.err == rows[i].err, rows[i].name);
	}
	resolve("both.test", AF_UNSPEC);
	CHECK(seen.answer.count == 2 && seen.answer.addr[0].u.any.sa_family != seen.answer.addr[1].u.any.sa_family);
	resolve("refused.test", AF_INET);
	CHECK_INT(seen.err, ERR_IO);
	down();
}

TEST(dns_keeps_answers_for_their_ttl_and_failures_briefly)
{
	static const struct { const char *name; uint32_t kept_s; } rows[] = {
		{ "one.test", 60 }, { "short.test", 2 }, { "zero.test", 1 }, { "long.test", 3600 }, { "alias.test", 30 },
		{ "nobody.test", 5 },
	};

	up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int first;

		resolve(rows[i].name, AF_INET);
		first = server.asked;
		ahead_ms += rows[i].kept_s * 1000 - 500;
		clock_tick();
		resolve(rows[i].name, AF_INET);
		CHECK_ROW(server.asked == first, rows[i].name);
		ahead_ms += 1000;
		clock_tick();
		resolve(rows[i].name, AF_INET);
		CHECK_ROW(server.asked == first + 1, rows[i].name);
	}
	down();
}

TEST(dns_asks_once_for_questions_under_way)
{
	up();
	for (int i = 0; i < 10; i++)
		CHECK(dns_resolve(STR("one.test"), AF_INET, on_done, NULL));
	wait_for(10);
	CHECK_INT(server.asked, 1);
	down();
}

TEST(dns_cancelled_questions_stay_silent_wherever_they_are)
{
	struct dns_query *under_way, *ready;

	up();
	under_way = dns_resolve(STR("one.test"), AF_INET, on_done, NULL);
	dns_cancel(under_way);
	for (int i = 0; i < 5; i++)
		loop_turn(seen.loop, 20);
	CHECK_INT(seen.done, 0);
	ready = dns_resolve(STR("one.test"), AF_INET, on_done, NULL);	/* from the cache */
	CHECK_INT(server.asked, 1);
	dns_cancel(ready);
	dns_cancel(NULL);
	loop_turn(seen.loop, 20);
	CHECK_INT(seen.done, 0);
	CHECK(dns_resolve(STR("hole.test"), AF_INET, on_done, NULL));	/* dns_stop frees what is open */
	CHECK(dns_resolve(STR("one.test"), AF_INET, on_done, NULL));
	down();
	CHECK_INT(seen.done, 0);
	CHECK(!dns_resolve(STR("one.test"), AF_INET, on_done, NULL));
}

TEST(dns_server_that_swallows_holds_nothing_up)
{
	uint64_t start;

	up();
	CHECK(dns_resolve(STR("hole.test"), AF_INET, on_done, NULL));
	CHECK(dns_resolve(STR("hole2.test"), AF_UNSPEC, on_done, NULL));
	start = clock_ms();
	CHECK_STR(resolve("one.test", AF_INET), "192.0.2.1");	/* the loop serves the others meanwhile */
	CHECK_INT(seen.done, 1);
	wait_for(3);
	CHECK_INT(seen.err, ERR_TIMEOUT);
	CHECK(clock_ms() >= start + 300 && clock_ms() < start + 2000);	/* 100 ms, then 200 ms */
	CHECK_STR(resolve("hole.test", AF_INET), "!");	/* remembered for five seconds */
	CHECK_INT(seen.err, ERR_TIMEOUT);
	down();
}

static void ask_again(void *arg, enum err err, const struct dns_answer *a)
{
	on_done(arg, err, a);
	if (seen.done < 5)
		CHECK(dns_resolve(STR("one.test"), AF_INET, ask_again, NULL));
}

TEST(dns_done_may_ask_again)
{
	up();
	CHECK(dns_resolve(STR("one.test"), AF_INET, ask_again, NULL));
	wait_for(5);
	CHECK_INT(server.asked, 1);
	down();
}

TEST(dns_cache_is_bounded)
{
	char name[32];
	int  done = 0;

	up();
	for (int i = 0; i < 4200; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		CHECK(dns_resolve(str_of(name), AF_INET, on_done, NULL));
		if (i % 64 == 63)
			wait_for(done = i + 1);
	}
	wait_for(4200);
	CHECK(done);
	resolve("n4199.test", AF_INET);
	CHECK_INT(server.asked, 4200);
	resolve("n0.test", AF_INET);	/* the oldest made room */
	CHECK_INT(server.asked, 4201);
	down();
}

static enum err pretend(struct str name, int family, struct dns_answer *out)
{
	(void)family;
	if (!str_is(name, "sim.test"))
		return ERR_NOT_FOUND;
	out->count = 1;
	return addr_parse(STR("203.0.113.5"), 0, &out->addr[0]);
}

TEST(dns_simulation_replaces_the_network)
{
	up();
	dns_replace(pretend);
	CHECK_STR(resolve("sim.test", AF_INET), "203.0.113.5");
	CHECK_STR(resolve("one.test", AF_INET), "!");
	CHECK_INT(server.asked, 0);
	dns_replace(NULL);
	down();
}

TEST(dns_start_refuses_rubbish)
{
	struct loop      *l = loop_new();
	struct dns_config cfg = { .servers = "not an address" };

	CHECK_INT(dns_start(l, &cfg), ERR_SYNTAX);
	cfg.servers = NULL;
	CHECK_INT(dns_start(l, &cfg), OK);
	dns_stop();
	dns_stop();
	loop_free(l);
}
