/* core/net/dns: against a name server of our own, which lives in the same loop. Answers are shared with other processes. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/dns_cache.h"
#include "shm/shm.h"

/* --- a name server --- */

struct record {
	const char *name, *value;	/* of SRV and NAPTR as in a zone file */
	uint32_t    ttl_s;
	int         rcode;	/* 0, 3: no such name (RFC 1035 §4.1.1), SWALLOWED: not answered at all */
};
enum { SWALLOWED = 99, TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_NAPTR = 35 };

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
	{ "_sip._udp.example.com", "0 1 5060 server1.example.com", 60 }, { "_sip._udp.example.com", "0 2 5061 server2.example.com", 40 },
	{ "example.com", "50 50 s SIPS+D2T _sips._tcp.example.com", 70 }, { "example.com", "90 50 s SIP+D2T _sip._tcp.example.com", 70 },
	{ "example.com", "100 50 s SIP+D2U _sip._udp.example.com", 70 },
	{ "long.naptr.test", "1 1 s a-service-of-some-other-protocol x.test", 70 },
	{ "gone.test", "0 0 0 .", 60 },
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

static size_t put_text(uint8_t *p, const char *text)
{
	p[0] = (uint8_t)strlen(text);
	memcpy(p + 1, text, p[0]);
	return p[0] + 1u;
}

/* "priority weight port target", RFC 2782 */
static size_t put_srv(uint8_t *p, const char *value)
{
	unsigned priority, weight, port;
	char     target[256];

	if (sscanf(value, "%u %u %u %255s", &priority, &weight, &port, target) != 4)
		return 0;
	put16(p, priority);
	put16(p + 2, weight);
	put16(p + 4, port);
	return 6 + put_name(p + 6, target);
}

/* "order preference flags service replacement", RFC 3403 §4.1, without a regular expression */
static size_t put_naptr(uint8_t *p, const char *value)
{
	unsigned order, preference;
	char     flags[16], service[64], replacement[256];
	size_t   n = 4;

	if (sscanf(value, "%u %u %15s %63s %255s", &order, &preference, flags, service, replacement) != 5)
		return 0;
	put16(p, order);
	put16(p + 2, preference);
	n += put_text(p + n, flags);
	n += put_text(p + n, service);
	n += put_text(p + n, "");
	return n + put_name(p + n, replacement);
}

/* The record's data; 0: of another type than was asked for. */
static size_t put_data(uint8_t *p, const struct record *r, unsigned type, unsigned *is)
{
	struct addr a;

	*is = type;
	if (strchr(r->value, ' '))
		return type == TYPE_SRV ? put_srv(p, r->value) : type == TYPE_NAPTR ? put_naptr(p, r->value) : 0;
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

/* That there is nothing in this zone may be believed for 20 seconds (RFC 2308 §5): the lower of TTL and the last number. */
static size_t put_soa(uint8_t *p)
{
	size_t n = put_name(p, "zone.test"), at;

	put16(p + n, TYPE_SOA);
	put16(p + n + 2, 1);
	put16(p + n + 4, 0);
	put16(p + n + 6, 90);
	at = n + 10;
	at += put_name(p + at, "ns.zone.test");
	at += put_name(p + at, "admin.zone.test");
	memset(p + at, 0, 20);
	p[at + 19] = 20;
	at += 20;
	put16(p + n + 8, (unsigned)(at - n - 10));
	return at;
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
	put16(out + 8, !count && str_ends(name, STR("zone.test")));
	put16(out + 10, 0);
	if (out[9])
		end += put_soa(out + end);
	CHECK(sendto(f->fd, out, end, 0, (struct sockaddr *)&peer, peer_len) == (ssize_t)end);
}

/* --- the tests' world --- */

static uint64_t ahead_ms, still_ms;	/* still_ms: the clock stands there; 0: it runs */

static uint64_t true_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t ahead_mono(void)
{
	return still_ms ? still_ms : true_ms() + ahead_ms;
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

static void up_with(uint32_t timeout_ms)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t          len = sizeof(a);
	char               servers[64];
	struct dns_config  cfg = { .servers = servers, .timeout_ms = timeout_ms, .tries = 2 };

	memset(&seen, 0, sizeof(seen));
	ahead_ms = still_ms = 0;
	clock_replace(&ahead);
	CHECK_INT(shm_create(16 << 20, 3), OK);
	CHECK_INT(dns_cache_boot(), OK);
	proc_enter(1, "worker 1");
	seen.loop = loop_new();
	server.asked = 0;
	server.f = (struct loop_fd){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .fn = serve };
	CHECK_INT(bind(server.f.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_INT(getsockname(server.f.fd, (struct sockaddr *)&a, &len), 0);
	CHECK_INT(loop_add(seen.loop, &server.f, EPOLLIN), OK);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(a.sin_port));
	CHECK_INT(dns_start(seen.loop, &cfg), OK);
}

static void up(void)
{
	up_with(100);
}

static void down(void)
{
	dns_stop();
	close(server.f.fd);
	loop_free(seen.loop);
	shm_destroy();
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
	uint64_t start = true_ms();

	while (seen.done < done && true_ms() < start + 10000)
		loop_turn(seen.loop, 100);
	CHECK_INT(seen.done, done);
}

/* "192.0.2.1:0 …" */
static struct str resolve(const char *name, enum dns_type type)
{
	static char text[1024];
	struct buf  b = buf_on(text, sizeof(text));
	int         before = seen.done;

	CHECK(dns_ask(str_of(name), type, on_done, NULL));
	CHECK_INT(seen.done, before);	/* never from within */
	wait_for(before + 1);
	if (seen.err)
		BUF_LIT(&b, "!");
	for (size_t i = 0; type <= DNS_HOST && i < seen.answer.count; i++) {
		if (i)
			buf_ch(&b, ' ');
		addr_ip_write(&seen.answer.addr[i], &b);
	}
	return buf_str(&b);
}

TEST(dns_answers_by_family)
{
	static const struct { const char *name; enum dns_type type; const char *addresses; enum err err; } rows[] = {
		{ "one.test", DNS_A, "192.0.2.1", OK }, { "ONE.test.", DNS_HOST, "192.0.2.1", OK },
		{ "one.test", DNS_AAAA, "!", ERR_NOT_FOUND }, { "six.test", DNS_AAAA, "2001:db8::6", OK },
		{ "six.test", DNS_HOST, "2001:db8::6", OK }, { "alias.test", DNS_A, "192.0.2.1", OK },
		{ "many.test", DNS_A, "192.0.2.10 192.0.2.11 192.0.2.12 192.0.2.13 192.0.2.14 192.0.2.15 192.0.2.16 192.0.2.17", OK },
		{ "nobody.test", DNS_A, "!", ERR_NOT_FOUND }, { "nobody.test", DNS_HOST, "!", ERR_NOT_FOUND },
		{ "", DNS_A, "!", ERR_NOT_FOUND }, { ".", DNS_A, "!", ERR_NOT_FOUND }, { "a..test", DNS_A, "!", ERR_NOT_FOUND },
	};

	up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_STR(resolve(rows[i].name, rows[i].type), rows[i].addresses);
		CHECK_ROW(seen.err == rows[i].err, rows[i].name);
	}
	resolve("both.test", DNS_HOST);
	CHECK(seen.answer.count == 2 && seen.answer.addr[0].u.any.sa_family != seen.answer.addr[1].u.any.sa_family);
	resolve("refused.test", DNS_A);
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

		resolve(rows[i].name, DNS_A);
		first = server.asked;
		ahead_ms += rows[i].kept_s * 1000 - 500;
		clock_tick();
		resolve(rows[i].name, DNS_A);
		CHECK_ROW(server.asked == first, rows[i].name);
		ahead_ms += 1000;
		clock_tick();
		resolve(rows[i].name, DNS_A);
		CHECK_ROW(server.asked == first + 1, rows[i].name);
	}
	down();
}

TEST(dns_asks_once_for_questions_under_way)
{
	up();
	for (int i = 0; i < 10; i++)
		CHECK(dns_ask(STR("one.test"), DNS_A, on_done, NULL));
	wait_for(10);
	CHECK_INT(server.asked, 1);
	down();
}

TEST(dns_cancelled_questions_stay_silent_wherever_they_are)
{
	struct dns_query *under_way, *ready;

	up();
	under_way = dns_ask(STR("one.test"), DNS_A, on_done, NULL);
	dns_cancel(under_way);
	for (int i = 0; i < 5; i++)
		loop_turn(seen.loop, 20);
	CHECK_INT(seen.done, 0);
	ready = dns_ask(STR("one.test"), DNS_A, on_done, NULL);	/* from the cache */
	CHECK_INT(server.asked, 1);
	dns_cancel(ready);
	dns_cancel(NULL);
	loop_turn(seen.loop, 20);
	CHECK_INT(seen.done, 0);
	CHECK(dns_ask(STR("hole.test"), DNS_A, on_done, NULL));	/* dns_stop frees what is open */
	CHECK(dns_ask(STR("one.test"), DNS_A, on_done, NULL));
	down();
	CHECK_INT(seen.done, 0);
	CHECK(!dns_ask(STR("one.test"), DNS_A, on_done, NULL));
}

TEST(dns_server_that_swallows_holds_nothing_up)
{
	uint64_t start;

	up();
	CHECK(dns_ask(STR("hole.test"), DNS_A, on_done, NULL));
	CHECK(dns_ask(STR("hole2.test"), DNS_HOST, on_done, NULL));
	start = clock_ms();
	CHECK_STR(resolve("one.test", DNS_A), "192.0.2.1");	/* the loop serves the others meanwhile */
	CHECK_INT(seen.done, 1);
	wait_for(3);
	CHECK_INT(seen.err, ERR_TIMEOUT);
	CHECK(clock_ms() >= start + 300 && clock_ms() < start + 2000);	/* 100 ms, then 200 ms */
	CHECK_STR(resolve("hole.test", DNS_A), "!");	/* remembered for five seconds */
	CHECK_INT(seen.err, ERR_TIMEOUT);
	down();
}

static void ask_again(void *arg, enum err err, const struct dns_answer *a)
{
	on_done(arg, err, a);
	if (seen.done < 5)
		CHECK(dns_ask(STR("one.test"), DNS_A, ask_again, NULL));
}

TEST(dns_done_may_ask_again)
{
	up();
	CHECK(dns_ask(STR("one.test"), DNS_A, ask_again, NULL));
	wait_for(5);
	CHECK_INT(server.asked, 1);
	down();
}

static uint64_t dns_objects(void)
{
	struct shm_usage rows[32];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n && i < COUNT_OF(rows); i++)
		if (!strcmp(rows[i].owner, "dns"))
			return rows[i].objects;
	return 0;
}

/* Its time stands still: what there is not is kept for five seconds, and no question is asked twice. */
TEST(dns_cache_is_bounded)
{
	char name[32];

	up_with(60000);
	still_ms = clock_ms();
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		CHECK(dns_ask(str_of(name), DNS_A, on_done, NULL));
		if (i % 64 == 63)
			wait_for(i + 1);
	}
	wait_for(10000);
	CHECK(dns_objects() <= 8192 + 1);
	CHECK(dns_objects() > 4096);
	resolve("n9999.test", DNS_A);	/* the oldest made room */
	CHECK_INT(server.asked, 10000);
	down();
}

TEST(dns_srv_and_naptr)	/* the records of RFC 3263 §4.1 and RFC 2782 */
{
	const struct dns_answer *a = &seen.answer;

	up();
	CHECK(dns_ask(STR("_sip._udp.example.com"), DNS_SRV, on_done, NULL));
	wait_for(1);
	CHECK(!seen.err && a->count == 2);
	CHECK(a->srv[0].priority == 0 && a->srv[0].weight == 1 && a->srv[0].port == 5060);
	CHECK_STR(str_of(a->srv[0].target), "server1.example.com");
	CHECK_STR(str_of(a->srv[1].target), "server2.example.com");
	CHECK(dns_ask(STR("Example.COM."), DNS_NAPTR, on_done, NULL));
	wait_for(2);
	CHECK(!seen.err && a->count == 3 && a->naptr[0].order == 50 && a->naptr[0].preference == 50);
	CHECK_STR(str_of(a->naptr[0].flags), "s");
	CHECK_STR(str_of(a->naptr[0].service), "SIPS+D2T");
	CHECK_STR(str_of(a->naptr[0].replacement), "_sips._tcp.example.com");
	CHECK(dns_ask(STR("long.naptr.test"), DNS_NAPTR, on_done, NULL));	/* nothing that SIP knows */
	wait_for(3);
	CHECK_INT(seen.err, ERR_NOT_FOUND);
	CHECK(dns_ask(STR("gone.test"), DNS_SRV, on_done, NULL));
	wait_for(4);
	CHECK(!seen.err && a->count == 1 && !a->srv[0].target[0]);
	CHECK(dns_ask(STR("one.test"), DNS_SRV, on_done, NULL));	/* the name is there, but no such record */
	wait_for(5);
	CHECK_INT(seen.err, ERR_NOT_FOUND);
	down();
}

TEST(dns_keeps_srv_for_the_lowest_ttl_and_nothing_for_what_the_zone_says)
{
	static const struct { const char *name; enum dns_type type; uint32_t kept_s; } rows[] = {
		{ "_sip._udp.example.com", DNS_SRV, 40 }, { "example.com", DNS_NAPTR, 70 }, { "_sip._udp.zone.test", DNS_SRV, 20 },
		{ "zone.test", DNS_NAPTR, 20 }, { "nobody.test", DNS_SRV, 5 },
	};

	up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dns_answer a;
		int               first;

		resolve(rows[i].name, rows[i].type);
		first = server.asked;
		ahead_ms += rows[i].kept_s * 1000 - 500;
		clock_tick();
		CHECK_ROW(dns_known(str_of(rows[i].name), rows[i].type, &a) == seen.err, rows[i].name);
		ahead_ms += 1000;
		clock_tick();
		CHECK_ROW(dns_known(str_of(rows[i].name), rows[i].type, &a) == ERR_AGAIN, rows[i].name);
		CHECK_ROW(server.asked == first, rows[i].name);
	}
	down();
}

/* Another worker asks for the first time; true when its checks held. */
static int ask_in_child(void)
{
	struct dns_answer a;

	proc_enter(2, "worker 2");
	if (dns_known(STR("One.Test."), DNS_A, &a) != OK || a.count != 1)
		return 1;
	if (dns_known(STR("nobody.test"), DNS_A, &a) != ERR_NOT_FOUND)
		return 2;
	dns_cache_store(STR("child.test"), DNS_SRV, OK, &(struct dns_answer){ .count = 1, .srv = { { .port = 5099, .target = "x.test" } } }, 60);
	return 0;
}

TEST(dns_answers_are_shared_and_survive_who_asked)
{
	struct dns_answer a;
	pid_t             pid;
	int               status;

	up();
	resolve("one.test", DNS_A);
	resolve("nobody.test", DNS_A);
	pid = fork();
	if (!pid)
		_exit(ask_in_child());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
	CHECK_INT(dns_known(STR("child.test"), DNS_SRV, &a), OK);	/* its process is dead */
	CHECK(a.count == 1 && a.srv[0].port == 5099);
	CHECK_INT(server.asked, 2);
	down();
}

static enum err pretend(struct str name, enum dns_type type, struct dns_answer *out)
{
	(void)type;
	if (!str_is(name, "sim.test"))
		return ERR_NOT_FOUND;
	out->count = 1;
	return addr_parse(STR("203.0.113.5"), 0, &out->addr[0]);
}

TEST(dns_simulation_replaces_the_network)
{
	up();
	dns_replace(pretend);
	CHECK_STR(resolve("sim.test", DNS_A), "203.0.113.5");
	CHECK_STR(resolve("one.test", DNS_A), "!");
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
