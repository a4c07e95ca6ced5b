/* core/net: addresses, listeners, UDP sockets and batches. Traffic stays on 127.0.0.0/8 and ::1. */
#include "test.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net.h"
#include "net/udp.h"

TEST(addr_parses_addresses_only_and_writes_them_back)
{
	static const struct { const char *in, *ip, *whole; } rows[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1:5060" },
		{ "2001:DB8::1", "2001:db8::1", "[2001:db8::1]:5060" },
		{ "[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:5060" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:5060" },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0:5060" },
		{ "example.com", NULL, NULL }, { "", NULL, NULL }, { "[192.0.2.1]", NULL, NULL }, { "192.0.2", NULL, NULL },
		{ "192.0.2.256", NULL, NULL }, { "fe80::1%lo", NULL, NULL }, { "[::1", NULL, NULL }, { "::1]", NULL, NULL },
		{ "1234:1234:1234:1234:1234:1234:1234:1234:1234:1234", NULL, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr a = { 0 };
		char        text[ADDR_TEXT];
		struct buf  b = buf_on(text, sizeof(text));

		CHECK_ROW((addr_parse(str_of(rows[i].in), 5060, &a) == OK) == !!rows[i].ip, rows[i].in);
		if (!rows[i].ip) {
			CHECK_INT(a.u.any.sa_family, AF_UNSPEC);
			continue;
		}
		addr_ip_write(&a, &b);
		CHECK_STR(buf_str(&b), rows[i].ip);
		CHECK_STR(addr_text(&a, (char[ADDR_TEXT]){ 0 }), rows[i].whole);
	}
}

static struct addr addr(const char *ip, uint16_t port)
{
	struct addr a = { 0 };

	CHECK_INT(addr_parse(str_of(ip), port, &a), OK);
	return a;
}

TEST(addr_compares_with_and_without_port)
{
	struct addr a = addr("192.0.2.1", 5060), b = addr("192.0.2.1", 5062), c = addr("::1", 5060), none = { 0 };

	CHECK(addr_ip_eq(&a, &b) && !addr_eq(&a, &b));
	CHECK(!addr_ip_eq(&a, &c));
	CHECK(!addr_ip_eq(&none, &none));
	addr_set_port(&b, 5060);
	CHECK(addr_eq(&a, &b));
	a = addr("0.0.0.0", 1);
	b = addr("::", 1);
	CHECK(addr_is_any(&a) && addr_is_any(&b) && !addr_is_any(&c) && !addr_is_any(&none));
}

TEST(transport_names_are_those_of_via)
{
	CHECK_INT(transport_of(STR("udp")), TP_UDP);
	CHECK_INT(transport_of(STR("Wss")), TP_WSS);
	CHECK_INT(transport_of(STR("sctp")), TP_NONE);
	CHECK_INT(transport_of(STR("")), TP_NONE);
	CHECK_STR(transport_name(TP_TLS), "TLS");
	CHECK(!transport_reliable(TP_UDP) && transport_reliable(TP_WS));
	CHECK(transport_port(TP_TLS) == 5061 && transport_port(TP_TCP) == 5060);
}

TEST(listener_name_comes_from_advertise)
{
	static const struct { const char *advertise, *host_port, *host; uint16_t port; bool ok; } rows[] = {
		{ "", "127.0.0.1:6060", "127.0.0.1", 6060, true },
		{ "sip.example.com", "sip.example.com:6060", "sip.example.com", 6060, true },
		{ "sip.example.com:5070", "sip.example.com:5070", "sip.example.com", 5070, true },
		{ "[2001:db8::1]:5070", "[2001:db8::1]:5070", "2001:db8::1", 5070, true },
		{ "[2001:db8::1]", "[2001:db8::1]:6060", "2001:db8::1", 6060, true },
		{ "host:", "", "", 0, false }, { "host:0", "", "", 0, false }, { "host:70000", "", "", 0, false },
		{ "[::1]x", "", "", 0, false }, { ":5060", "", "", 0, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char                   why[200] = "";
		const struct listener *l;

		net_close_all();
		CHECK_ROW((net_listen(STR("udp"), STR("127.0.0.1"), 6060, str_of(rows[i].advertise), 1, why, sizeof(why)) == OK) == rows[i].ok,
			  rows[i].advertise);
		if (!rows[i].ok) {
			CHECK(why[0] && net_listener_count() == 0);
			continue;
		}
		l = net_listener_at(0);
		CHECK_STR(l->host_port, rows[i].host_port);
		CHECK_STR(l->host, rows[i].host);
		CHECK_INT(l->port, rows[i].port);
	}
	net_close_all();
}

TEST(net_is_local_and_listener_for_choose_by_address)
{
	static const struct { const char *host; uint16_t port; enum transport t; bool local; } local[] = {
		{ "192.0.2.10", 5060, TP_UDP, true }, { "192.0.2.10", 0, TP_NONE, true }, { "192.0.2.10", 5062, TP_UDP, false },
		{ "192.0.2.10", 5060, TP_TCP, false }, { "[2001:db8::10]", 0, TP_UDP, true }, { "2001:DB8::10", 5060, TP_NONE, true },
		{ "192.0.2.11", 5060, TP_UDP, false }, { "example.com", 0, TP_NONE, false }, { "127.0.0.1", 5080, TP_UDP, true },
		{ "127.0.0.1", 0, TP_UDP, false },
	};
	static const struct { const char *to; const char *via; } best[] = {
		{ "127.0.0.9", "127.0.0.1:5080" }, { "192.0.2.200", "192.0.2.10:5060" }, { "10.1.2.3", "10.0.0.1:5060" },
		{ "203.0.113.1", "192.0.2.10:5060" }, { "2001:db8::99", "[2001:db8::10]:5060" },
	};
	const struct listener *first, *like;
	struct addr            to = addr("10.1.2.3", 5060), six;

	net_close_all();
	first = net_fake_listener(TP_UDP, "127.0.0.1", 5080);
	like = net_fake_listener(TP_UDP, "192.0.2.10", 5060);
	CHECK(net_fake_listener(TP_UDP, "10.0.0.1", 5060) && net_fake_listener(TP_UDP, "2001:db8::10", 5060));
	for (size_t i = 0; i < COUNT_OF(local); i++)
		CHECK_ROW(net_is_local(str_of(local[i].host), local[i].port, local[i].t) == local[i].local, local[i].host);
	for (size_t i = 0; i < COUNT_OF(best); i++) {
		struct addr a = addr(best[i].to, 5060);

		CHECK_STR(net_listener_for(TP_UDP, &a, NULL)->host_port, best[i].via);
	}
	CHECK(net_listener_for(TP_UDP, &to, like) == like);
	CHECK(net_listener_for(TP_UDP, &to, first) != first);	/* a loopback address reaches nobody outside */
	CHECK(net_listener_for(TP_TCP, &to, like) == NULL);
	six = addr("::1", 5060);
	CHECK(net_listener_for(TP_UDP, &six, like)->addr.u.any.sa_family == AF_INET6);
	net_close_all();
}

TEST(net_listener_on_the_network_of_the_destination_comes_first)
{
	static const struct { const char *to; unsigned like, via; } rows[] = {	/* by number, from 0 */
		{ "10.1.2.3", 1, 2 }, { "10.1.2.3", 2, 2 }, { "10.1.9.9", 1, 1 },	/* 10.1.9.9 is behind a router: as it came */
		{ "192.0.2.7", 2, 1 }, { "127.0.0.2", 1, 0 }, { "10.1.2.3", 3, 3 },	/* two on one network: as it came */
		{ "203.0.113.1", 0, 1 },
	};
	const struct listener *l[4];

	net_close_all();
	l[0] = net_fake_listener(TP_UDP, "127.0.0.1/8", 5060);
	l[1] = net_fake_listener(TP_UDP, "192.0.2.1/24", 5060);
	l[2] = net_fake_listener(TP_UDP, "10.1.2.1/24", 5060);
	l[3] = net_fake_listener(TP_UDP, "10.1.2.1/24", 5070);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr to = addr(rows[i].to, 5060);

		CHECK_ROW(net_listener_for(TP_UDP, &to, l[rows[i].like]) == l[rows[i].via], rows[i].to);
	}
	net_close_all();
	CHECK_INT(net_fake_listener(TP_UDP, "127.0.0.1", 5060)->network_bits, 8);	/* that interface is everywhere */
	net_close_all();
}

/* --- with real sockets --- */

/* Several runs of the tests on one machine must not meet. */
static uint16_t port_plus(unsigned n)
{
	return (uint16_t)(16000 + getpid() % 16000 + n);
}

static struct {
	int         received, unreachable, batches;
	size_t      bytes;
	struct flow from, to;
	char        last[70000];
	bool        echo;
	int         twice;	/* answer so many times */
} seen;

static void on_received(struct str bytes, const struct flow *from)
{
	seen.received++;
	seen.bytes += bytes.len;
	seen.from = *from;
	memcpy(seen.last, bytes.p, bytes.len);
	for (int i = 0; seen.echo && i <= seen.twice; i++)
		CHECK_INT(net_send(from, bytes), OK);
}

static void on_unreachable(const struct flow *to)
{
	seen.unreachable++;
	seen.to = *to;
}

static void on_batch_end(void)
{
	seen.batches++;
}

static const struct net_user user = { .received = on_received, .unreachable = on_unreachable, .batch_end = on_batch_end };

static enum err listen_on(const char *host, uint16_t port, unsigned workers, char *why, size_t cap)
{
	return net_listen(STR("udp"), str_of(host), port, STR_NONE, workers, why, cap);
}

static struct loop *up(const char *host, unsigned workers, unsigned worker)
{
	struct loop *l = loop_new();
	char         why[200] = "";

	memset(&seen, 0, sizeof(seen));
	net_close_all();
	net_set_user(&user);
	if (listen_on(host, port_plus(0), workers, why, sizeof(why)))
		print_error("%s\n", why);
	CHECK_STR(str_of(why), "");
	CHECK_INT(net_worker_start(l, worker), OK);
	return l;
}

static void down(struct loop *l)
{
	net_close_all();
	loop_free(l);
}

static int phone(const char *ip)
{
	struct addr a = addr(ip, 0);
	int         fd = socket(a.u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 4 << 20;
	struct timeval patience = { .tv_sec = 2 };

	CHECK_INT(bind(fd, &a.u.any, addr_len(&a)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	a = addr(ip, port_plus(0));
	CHECK_INT(connect(fd, &a.u.any, addr_len(&a)), 0);
	return fd;
}

static void turns(struct loop *l, int n)
{
	while (n--)
		loop_turn(l, 20);
}

TEST(udp_receives_and_answers_on_ipv4_and_ipv6)
{
	static const char *const ips[] = { "127.0.0.1", "::1" };

	for (size_t i = 0; i < COUNT_OF(ips); i++) {
		struct loop *l = up(ips[i], 1, 0);
		int          fd = phone(ips[i]);
		char         in[100];

		seen.echo = true;
		CHECK_INT(send(fd, "OPTIONS", 7, 0), 7);
		CHECK_INT(send(fd, "", 0, 0), 0);	/* ignored */
		turns(l, 3);
		CHECK_INT(seen.received, 1);
		CHECK(seen.batches >= 1);
		CHECK(seen.from.via == net_listener_at(0) && seen.from.conn == 0);
		CHECK_INT(recv(fd, in, sizeof(in), 0), 7);
		CHECK(memcmp(in, "OPTIONS", 7) == 0);
		close(fd);
		down(l);
	}
}

TEST(udp_hundreds_at_once_none_is_lost_and_sizes_are_kept)
{
	static const size_t sizes[] = { 1, 63, 64, 65, 1500, 9000, 65000, 65507 };
	struct loop *l = up("127.0.0.1", 1, 0);
	int          fd = phone("127.0.0.1");
	static char  out[65507], in[65536];

	seen.echo = true;
	memset(out, 'x', sizeof(out));
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		CHECK_INT(send(fd, out, sizes[i], 0), sizes[i]);
		turns(l, 2);
		CHECK_INT(recv(fd, in, sizeof(in), 0), sizes[i]);
	}
	for (int i = 0; i < 200; i++)
		CHECK_INT(send(fd, out, 300, 0), 300);
	turns(l, 4);	/* 128 in the first turn: four batches */
	CHECK_INT(seen.received, COUNT_OF(sizes) + 200);
	for (int i = 0; i < 200; i++)
		CHECK_INT(recv(fd, in, sizeof(in), 0), 300);
	close(fd);
	down(l);
}

TEST(udp_batch_flushes_itself_when_it_is_full)
{
	struct loop *l = up("127.0.0.1", 1, 0);
	int          fd = phone("127.0.0.1");
	char         in[100];

	seen.echo = true;
	seen.twice = 149;
	CHECK_INT(send(fd, "x", 1, 0), 1);
	turns(l, 2);
	for (int i = 0; i < 150; i++)
		CHECK_INT(recv(fd, in, sizeof(in), 0), 1);
	CHECK_INT(net_send(&seen.from, str_n(seen.last, 65508)), ERR_LIMIT);
	close(fd);
	down(l);
}

TEST(udp_spreads_one_peer_evenly_over_the_workers)
{
	int got[4] = { 0 };

	for (unsigned worker = 0; worker < 4; worker++) {
		struct loop *l = up("127.0.0.1", 4, worker);	/* each time the same group; we look at one socket of it */
		int          fd = phone("127.0.0.1");

		for (int i = 0; i < 400; i++)
			CHECK_INT(send(fd, "x", 1, 0), 1);
		turns(l, 6);
		got[worker] = seen.received;
		close(fd);
		down(l);
	}
	for (int i = 0; i < 4; i++)
		CHECK(got[i] > 50 && got[i] < 150);	/* 100 each, six standard deviations wide */
}

/* %u is the port. */
static const char *text_with_port(const char *pattern)
{
	static char text[200];
	struct str  before = str_of(pattern), after = before;

	before = str_to(before, (size_t)str_find(before, '%'));
	if (before.len == after.len)
		return pattern;
	after = str_from(after, before.len + 2);
	snprintf(text, sizeof(text), STR_FMT "%u" STR_FMT, STR_ARG(before), port_plus(1), STR_ARG(after));
	return text;
}

TEST(udp_refuses_a_port_that_another_server_has)
{
	char why[200];
	int  on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct addr a = addr("127.0.0.1", port_plus(1));

	net_close_all();
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);	/* it would let us in */
	CHECK_INT(bind(fd, &a.u.any, addr_len(&a)), 0);
	CHECK_INT(listen_on("127.0.0.1", port_plus(1), 4, why, sizeof(why)), ERR_IO);
	CHECK_STR(str_of(why), text_with_port("127.0.0.1:%u is in use: stop the other server or change `listen`"));
	CHECK_INT(net_listener_count(), 0);
	close(fd);
}

TEST(net_listen_says_what_to_do)
{
	static const struct { const char *transport, *host; enum err err; const char *why; } rows[] = {
		{ "udp", "192.0.2.1", ERR_IO, "192.0.2.1:%u is not an address of this machine: change `listen`" },
		{ "udp", "localhost", ERR_SYNTAX, "`localhost` is not an IP address: give one of this machine's, or *" },
		{ "tls", "127.0.0.1", ERR_UNSUPPORTED, "transport `tls` is not supported yet: use udp or tcp" },
		{ "udp", "127.0.0.1", ERR_EXISTS, "127.0.0.1:%u is listed twice in `listen`" },
	};
	char why[200];

	net_close_all();
	CHECK_INT(listen_on("127.0.0.1", port_plus(1), 2, why, sizeof(why)), OK);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_INT(net_listen(str_of(rows[i].transport), str_of(rows[i].host), port_plus(1), STR_NONE, 2, why, sizeof(why)), rows[i].err);
		CHECK_STR(str_of(why), text_with_port(rows[i].why));
	}
	CHECK_INT(net_listener_count(), 1);
	net_close_all();
}

TEST(net_listen_star_is_every_address_of_the_machine)
{
	char        why[200] = "";
	struct addr loopback = addr("127.0.0.1", port_plus(2));
	bool        found = false;

	net_close_all();
	CHECK_INT(listen_on("127.0.0.1", port_plus(2), 1, why, sizeof(why)), OK);
	CHECK_INT(listen_on("*", port_plus(2), 1, why, sizeof(why)), OK);	/* the one listed before is passed over */
	for (size_t i = 0; i < net_listener_count(); i++) {
		CHECK(!addr_is_any(&net_listener_at(i)->addr));
		found |= addr_eq(&net_listener_at(i)->addr, &loopback);
	}
	CHECK(found);
	net_close_all();
}

TEST(udp_icmp_error_names_whom_it_is_about_and_the_socket_goes_on)
{
	struct loop *l = up("127.0.0.1", 1, 0);
	int          fd = phone("127.0.0.1");
	struct flow  nobody = { .via = net_listener_at(0), .peer = addr("127.0.0.1", port_plus(3)) }, somebody = nobody;
	socklen_t    len = sizeof(somebody.peer);
	char         in[100];

	CHECK_INT(getsockname(fd, &somebody.peer.u.any, &len), 0);
	CHECK_INT(net_send(&nobody, STR("x")), OK);
	net_flush();
	CHECK_INT(net_send(&somebody, STR("first after the error")), OK);	/* the kernel holds the error against this one */
	net_flush();
	CHECK_INT(recv(fd, in, sizeof(in), 0), 21);
	turns(l, 2);
	CHECK_INT(seen.unreachable, 1);
	CHECK(seen.to.via == nobody.via && addr_eq(&seen.to.peer, &nobody.peer));
	close(fd);
	down(l);
}

TEST(udp_icmp_errors_count_as_in_18_4)
{
	static const struct row {
		const char *name;
		uint8_t     origin, type, code;
		bool        fatal;
	} rows[] = {	/* RFC 792, RFC 4443 */
		{ "network unreachable", SO_EE_ORIGIN_ICMP, 3, 0, true },	/* RFC 3261 §18.4: these four */
		{ "host unreachable", SO_EE_ORIGIN_ICMP, 3, 1, true },
		{ "protocol unreachable", SO_EE_ORIGIN_ICMP, 3, 2, true },
		{ "port unreachable", SO_EE_ORIGIN_ICMP, 3, 3, true },
		{ "administratively prohibited", SO_EE_ORIGIN_ICMP, 3, 13, true },
		{ "parameter problem", SO_EE_ORIGIN_ICMP, 12, 0, true },
		{ "fragmentation needed", SO_EE_ORIGIN_ICMP, 3, 4, false },	/* it is sent in fragments next time */
		{ "source quench", SO_EE_ORIGIN_ICMP, 4, 0, false },	/* §18.4: to be ignored */
		{ "time to live exceeded", SO_EE_ORIGIN_ICMP, 11, 0, false },
		{ "v6 no route", SO_EE_ORIGIN_ICMP6, 1, 0, true },
		{ "v6 port unreachable", SO_EE_ORIGIN_ICMP6, 1, 4, true },
		{ "v6 parameter problem", SO_EE_ORIGIN_ICMP6, 4, 0, true },
		{ "v6 packet too big", SO_EE_ORIGIN_ICMP6, 2, 0, false },
		{ "v6 hop limit exceeded", SO_EE_ORIGIN_ICMP6, 3, 0, false },
		{ "too large for our own link", SO_EE_ORIGIN_LOCAL, 0, 0, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sock_extended_err e = { .ee_origin = rows[i].origin, .ee_type = rows[i].type, .ee_code = rows[i].code };

		CHECK_ROW(udp_is_fatal(&e) == rows[i].fatal, rows[i].name);
	}
}

TEST(udp_what_the_system_refuses_is_reported_from_the_loop)
{
	struct loop *l = up("127.0.0.1", 1, 0);
	struct flow  outside = { .via = net_listener_at(0), .peer = addr("::1", port_plus(3)) };	/* IPv6 through an IPv4 socket */

	CHECK_INT(net_send(&outside, STR("x")), OK);
	net_flush();
	CHECK_INT(seen.unreachable, 0);
	turns(l, 3);
	CHECK_INT(seen.unreachable, 1);
	CHECK(addr_eq(&seen.to.peer, &outside.peer));
	down(l);
}

/* --- without sockets --- */

static char   sim_text[100];
static size_t sim_len;

static void sim_out(const struct flow *to, struct str bytes)
{
	CHECK_STR(to->via->host_port, "192.0.2.10:5060");
	memcpy(sim_text + sim_len, bytes.p, bytes.len);
	sim_len += bytes.len;
}

TEST(net_simulation_needs_no_kernel)
{
	struct flow from = { 0 };
	struct buf  b;

	net_close_all();
	memset(&seen, 0, sizeof(seen));
	seen.echo = true;
	sim_len = 0;
	net_set_user(&user);
	net_replace(sim_out);
	from.via = net_fake_listener(TP_UDP, "192.0.2.10", 5060);
	from.peer = addr("192.0.2.77", 5060);
	net_inject(STR("INVITE"), &from);
	CHECK(seen.received == 1 && seen.batches == 1);
	CHECK_STR(str_n(sim_text, sim_len), "INVITE");
	b = net_reserve();
	BUF_LIT(&b, "+ACK");
	net_commit(&from, b.len);
	b = net_reserve();
	net_commit(&from, 0);
	CHECK_STR(str_n(sim_text, sim_len), "INVITE+ACK");
	net_replace(NULL);
	net_close_all();
}
