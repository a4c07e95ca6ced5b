/* core/proxy/locate: RFC 3263 §4 over zones that are written here. */
#include "test.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/dns.h"
#include "proxy/internal.h"

/* --- zones --- */

struct record {
	const char   *zone;	/* a row's own, or "" for all */
	const char   *name;
	enum dns_type type;
	const char   *value;	/* an address; "priority weight port target"; "order preference flags service replacement" */
};

static const struct record records[] = {
	/* the examples of RFC 3263 §4.1, with addresses */
	{ "rfc", "example.com", DNS_NAPTR, "50 50 s SIPS+D2T _sips._tcp.example.com" },
	{ "rfc", "example.com", DNS_NAPTR, "90 50 s SIP+D2T _sip._tcp.example.com" },
	{ "rfc", "example.com", DNS_NAPTR, "100 50 s SIP+D2U _sip._udp.example.com" },
	{ "rfc", "_sip._tcp.example.com", DNS_SRV, "0 1 5060 server1.example.com" },
	{ "rfc", "_sip._tcp.example.com", DNS_SRV, "1 2 5060 server2.example.com" },
	{ "rfc", "_sip._udp.example.com", DNS_SRV, "0 1 5070 server2.example.com" },
	{ "rfc", "_sips._tcp.example.com", DNS_SRV, "0 1 5061 server1.example.com" },
	{ "rfc", "example.com", DNS_A, "192.0.2.99" },
	/* order goes before preference, and what is no SIP service is nothing */
	{ "order", "example.com", DNS_NAPTR, "20 1 s SIP+D2T _t.example.com" },
	{ "order", "example.com", DNS_NAPTR, "10 9 s SIP+D2U _u2.example.com" },
	{ "order", "example.com", DNS_NAPTR, "10 2 S sip+d2u _u1.example.com" },
	{ "order", "example.com", DNS_NAPTR, "1 1 u E2U+sip _x.example.com" },
	{ "order", "example.com", DNS_NAPTR, "1 1 s SIP+D2S _sctp.example.com" },
	{ "order", "example.com", DNS_NAPTR, "1 1 a SIP+D2U server1.example.com" },
	{ "order", "_u1.example.com", DNS_SRV, "0 0 5071 server1.example.com" },
	{ "order", "_u2.example.com", DNS_SRV, "0 0 5072 server1.example.com" },
	{ "order", "_t.example.com", DNS_SRV, "0 0 5073 server1.example.com" },
	{ "order", "_x.example.com", DNS_SRV, "0 0 5074 server1.example.com" },
	/* SRV alone */
	{ "srv", "_sip._udp.example.com", DNS_SRV, "0 1 5080 server1.example.com" },
	{ "srv", "_sip._tcp.example.com", DNS_SRV, "0 1 5081 server2.example.com" },
	{ "srv", "_sips._tcp.example.com", DNS_SRV, "0 1 5082 server2.example.com" },
	{ "srv", "example.com", DNS_A, "192.0.2.99" },
	/* addresses alone */
	{ "a", "example.com", DNS_A, "192.0.2.99" }, { "a", "example.com", DNS_A, "192.0.2.98" },
	{ "both", "example.com", DNS_AAAA, "2001:db8::99" }, { "both", "example.com", DNS_A, "192.0.2.99" },
	/* decidedly nothing (RFC 2782) */
	{ "none", "_sip._udp.example.com", DNS_SRV, "0 0 0 ." }, { "none", "example.com", DNS_A, "192.0.2.99" },
	/* a target without an address, and one that is there twice */
	{ "hole", "_sip._udp.example.com", DNS_SRV, "0 0 5060 nobody.example.com" },
	{ "hole", "_sip._udp.example.com", DNS_SRV, "1 0 5060 server1.example.com" },
	{ "hole", "_sip._udp.example.com", DNS_SRV, "2 0 5060 server1.example.com" },
	/* NAPTR that leads nowhere */
	{ "lost", "example.com", DNS_NAPTR, "1 1 s SIP+D2U _lost.example.com" }, { "lost", "example.com", DNS_A, "192.0.2.99" },
	{ "secure", "example.com", DNS_NAPTR, "1 1 s SIPS+D2T _sips._tcp.example.com" },
	{ "secure", "_sip._udp.example.com", DNS_SRV, "0 1 5080 server1.example.com" },
	{ "", "server1.example.com", DNS_A, "192.0.2.1" }, { "", "server2.example.com", DNS_A, "192.0.2.2" },
};

static struct {
	const char *zone, *listeners;
	enum err    err;
	size_t      count, calls;
	struct flow to[TM_MOST_HOPS];
	char        text[1024];
} w;

static enum err add(struct dns_answer *a, enum dns_type type, const char *value)
{
	struct dns_srv   *s = &a->srv[a->count];
	struct dns_naptr *n = &a->naptr[a->count];
	unsigned          x = 0, y = 0, z = 0;

	if (type == DNS_SRV) {
		CHECK(sscanf(value, "%u %u %u %253s", &x, &y, &z, s->target) == 4);
		s->priority = (uint16_t)x, s->weight = (uint16_t)y, s->port = (uint16_t)z;
		if (!strcmp(s->target, "."))
			s->target[0] = '\0';
	} else if (type == DNS_NAPTR) {
		CHECK(sscanf(value, "%u %u %3s %15s %253s", &x, &y, n->flags, n->service, n->replacement) == 5);
		n->order = (uint16_t)x, n->preference = (uint16_t)y;
	} else {
		CHECK_INT(addr_parse(str_of(value), 0, &a->addr[a->count]), OK);
	}
	a->count++;
	return OK;
}

static enum err lookup(struct str name, enum dns_type type, struct dns_answer *out)
{
	enum err err = ERR_NOT_FOUND;

	memset(out, 0, sizeof(*out));
	if (!strcmp(w.zone, "dead"))
		return ERR_TIMEOUT;
	if (!strcmp(w.zone, "refused") && type != DNS_HOST)
		return ERR_IO;
	for (size_t i = 0; i < COUNT_OF(records); i++) {
		const struct record *r = &records[i];
		bool                 fits = r->type == type || (type == DNS_HOST && r->type <= DNS_AAAA);

		if (fits && (!r->zone[0] || !strcmp(r->zone, w.zone)) && str_ieqz(name, r->name))
			err = add(out, type, r->value);
	}
	return err;
}

/* --- the tests' world --- */

/* "u": UDP on 192.0.2.200, "t": TCP, "s": TLS, "6": UDP on IPv6 */
static const struct listener *listen_on(const char *listeners)
{
	net_close_all();
	for (const char *p = listeners; *p; p++) {
		enum transport t = *p == 't' ? TP_TCP : *p == 's' ? TP_TLS : TP_UDP;

		CHECK(net_fake_listener(t, *p == '6' ? "2001:db8::200" : "192.0.2.200", t == TP_TLS ? 5061 : 5060));
	}
	return net_listener_at(0);
}

static void found(void *arg, enum err err, const struct flow *to, size_t count)
{
	(void)arg;
	w.calls++;
	w.err = err;
	w.count = count;
	memcpy(w.to, to, count * sizeof(*to));
}

static struct str flows(void)
{
	struct buf b = buf_on(w.text, sizeof(w.text));

	if (w.err)
		buf_printf(&b, "!%s", err_name(w.err));
	for (size_t i = 0; i < w.count; i++) {
		if (i)
			buf_ch(&b, ' ');
		buf_add(&b, transport_name(w.to[i].via->transport));
		buf_ch(&b, ':');
		addr_write(&w.to[i].peer, &b);
	}
	return buf_str(&b);
}

static struct str located(const char *zone, const char *uri, const struct locate_how *how)
{
	size_t calls = w.calls;

	w.zone = zone;
	dns_replace(lookup);
	locate(str_of(uri), how, found, NULL);
	dns_replace(NULL);
	CHECK_INT(w.calls, calls + 1);
	return flows();
}

TEST(uris_lead_where_rfc_3263_says)
{
	static const struct { const char *source, *listeners, *zone, *uri, *to; } rows[] = {
		/* numeric (§4.1, §4.2) */
		{ "numeric: UDP, default port", "ut", "rfc", "sip:bob@192.0.2.7", "UDP:192.0.2.7:5060" },
		{ "numeric with port", "ut", "rfc", "sip:bob@192.0.2.7:5099", "UDP:192.0.2.7:5099" },
		{ "numeric with transport", "ut", "rfc", "sip:bob@192.0.2.7;transport=tcp", "TCP:192.0.2.7:5060" },
		{ "numeric sips: TLS, 5061", "uts", "rfc", "sips:bob@192.0.2.7", "TLS:192.0.2.7:5061" },
		{ "numeric sips, tcp means TLS", "uts", "rfc", "sips:bob@192.0.2.7;transport=tcp", "TLS:192.0.2.7:5061" },
		{ "numeric IPv6", "u6", "rfc", "sip:bob@[2001:db8::7]", "UDP:[2001:db8::7]:5060" },
		{ "numeric IPv6 without a socket", "u", "rfc", "sip:bob@[2001:db8::7]", "!unsupported" },
		{ "maddr is the TARGET", "ut", "rfc", "sip:bob@example.com;maddr=192.0.2.8", "UDP:192.0.2.8:5060" },
		{ "maddr may be a name", "u", "a", "sip:bob@192.0.2.7:5062;maddr=example.com", "UDP:192.0.2.99:5062 UDP:192.0.2.98:5062" },
		/* refused */
		{ "no socket for the transport", "u", "rfc", "sip:bob@192.0.2.7;transport=tcp", "!unsupported" },
		{ "unknown transport", "ut", "rfc", "sip:bob@example.com;transport=avian", "!unsupported" },
		{ "sips without TLS", "ut", "rfc", "sips:bob@example.com", "!unsupported" },
		{ "sips over UDP (RFC 3261 §26.2.2)", "uts", "rfc", "sips:bob@example.com;transport=udp", "!unsupported" },
		{ "no SIP at all", "u", "rfc", "tel:+15551234", "!unsupported" },
		/* port given: addresses only (§4.2) */
		{ "port: no SRV, no NAPTR", "ut", "rfc", "sip:bob@example.com:5060", "UDP:192.0.2.99:5060" },
		{ "port and sips: TLS", "uts", "rfc", "sips:bob@example.com:5099", "TLS:192.0.2.99:5099" },
		{ "port and transport", "ut", "rfc", "sip:bob@example.com:5099;transport=tcp", "TCP:192.0.2.99:5099" },
		/* transport given: its SRV (§4.2) */
		{ "transport: SRV of it", "ut", "rfc", "sip:bob@example.com;transport=tcp", "TCP:192.0.2.1:5060 TCP:192.0.2.2:5060" },
		{ "transport udp", "ut", "rfc", "sip:bob@example.com;transport=UDP", "UDP:192.0.2.2:5070" },
		{ "transport tls", "uts", "rfc", "sip:bob@example.com;transport=tls", "TLS:192.0.2.1:5061" },
		{ "transport without SRV: addresses", "ut", "a", "sip:bob@example.com;transport=tcp", "TCP:192.0.2.99:5060 TCP:192.0.2.98:5060" },
		/* NAPTR (§4.1) */
		{ "NAPTR: what we have sockets for", "u", "rfc", "sip:bob@example.com", "UDP:192.0.2.2:5070" },
		{ "NAPTR: TCP is preferred to UDP there", "ut", "rfc", "sip:bob@example.com", "TCP:192.0.2.1:5060 TCP:192.0.2.2:5060 UDP:192.0.2.2:5070" },
		{ "NAPTR: a SIP URI takes SIPS services", "uts", "rfc", "sip:bob@example.com",
		  "TLS:192.0.2.1:5061 TCP:192.0.2.1:5060 TCP:192.0.2.2:5060 UDP:192.0.2.2:5070" },
		{ "NAPTR: sips takes nothing else", "uts", "rfc", "sips:bob@example.com", "TLS:192.0.2.1:5061" },
		{ "NAPTR: order, then preference", "ut", "order", "sip:bob@example.com.", "UDP:192.0.2.1:5071 UDP:192.0.2.1:5072 TCP:192.0.2.1:5073" },
		{ "NAPTR for others only: SRV", "u", "secure", "sip:bob@example.com", "UDP:192.0.2.1:5080" },
		{ "NAPTR without its SRV: addresses", "u", "lost", "sip:bob@example.com", "UDP:192.0.2.99:5060" },
		/* no NAPTR: SRV of each transport (§4.1) */
		{ "SRV: each transport we have", "ut", "srv", "sip:bob@example.com", "UDP:192.0.2.1:5080 TCP:192.0.2.2:5081" },
		{ "SRV: UDP only", "u", "srv", "sip:bob@example.com", "UDP:192.0.2.1:5080" },
		{ "SRV: sips", "uts", "srv", "sips:bob@example.com", "TLS:192.0.2.2:5082" },
		{ "SRV: decidedly not there", "u", "none", "sip:bob@example.com", "!not found" },
		{ "SRV: targets without address, twice the same", "u", "hole", "sip:bob@example.com", "UDP:192.0.2.1:5060" },
		/* neither (§4.2) */
		{ "A: UDP and 5060", "ut", "a", "sip:bob@example.com", "UDP:192.0.2.99:5060 UDP:192.0.2.98:5060" },
		{ "A: TLS and 5061", "uts", "a", "sips:bob@example.com", "TLS:192.0.2.99:5061 TLS:192.0.2.98:5061" },
		{ "A and AAAA: as the request came", "u6", "both", "sip:bob@example.com", "UDP:192.0.2.99:5060 UDP:[2001:db8::99]:5060" },
		{ "AAAA and A: as the request came", "6u", "both", "sip:bob@example.com", "UDP:[2001:db8::99]:5060 UDP:192.0.2.99:5060" },
		{ "AAAA is no use without IPv6", "u", "both", "sip:bob@example.com", "UDP:192.0.2.99:5060" },
		{ "no such name", "u", "a", "sip:bob@nowhere.test", "!not found" },
		{ "name servers that do not answer", "u", "dead", "sip:bob@example.com", "!timed out" },
		{ "name servers that know addresses only", "u", "refused", "sip:bob@server1.example.com", "UDP:192.0.2.1:5060" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct locate_how how = { .like = listen_on(rows[i].listeners) };
		struct str        to = located(rows[i].zone, rows[i].uri, &how);

		if (!str_is(to, rows[i].to))
			print_error("%s: " STR_FMT "\n", rows[i].source, STR_ARG(to));
		CHECK_ROW(str_is(to, rows[i].to), rows[i].source);
	}
	net_close_all();
}

/* --- weights (RFC 2782) --- */

static struct dns_answer cluster;

static enum err lookup_cluster(struct str name, enum dns_type type, struct dns_answer *out)
{
	if (type == DNS_SRV && str_ieqz(name, "_sip._udp.cluster.test")) {
		*out = cluster;
		return OK;
	}
	if (type != DNS_HOST || !str_ends(name, STR(".cluster.test")))
		return ERR_NOT_FOUND;
	memset(out, 0, sizeof(*out));
	out->count = 1;
	CHECK_INT(addr_parse(STR("192.0.2.1"), 0, &out->addr[0]), OK);
	out->addr[0].u.v4.sin_addr.s_addr = htonl(0xc0000200u + (uint32_t)(name.p[1] - '0'));
	return OK;
}

static void server(uint16_t priority, uint16_t weight)
{
	struct dns_srv *s = &cluster.srv[cluster.count];

	*s = (struct dns_srv){ .priority = priority, .weight = weight, .port = 5060, .target = "s0.cluster.test" };
	s->target[1] = (char)('0' + cluster.count++);
}

/* The number of the server that is at that place of the list. */
static unsigned at(size_t i)
{
	CHECK(i < w.count);
	return ntohl(w.to[i].peer.u.v4.sin_addr.s_addr) & 15;
}

static void locate_cluster(bool stable)
{
	dns_replace(lookup_cluster);
	locate(STR("sip:cluster.test"), &(struct locate_how){ .stable = stable }, found, NULL);
	dns_replace(NULL);
	CHECK_INT(w.err, OK);
}

TEST(srv_weights_share_the_load_as_in_rfc_2782)
{
	enum { TIMES = 20000 };
	unsigned first[8] = { 0 }, second[8] = { 0 };

	listen_on("u");
	random_seed(42);
	cluster.count = 0;
	server(10, 60), server(10, 20), server(10, 20), server(5, 1), server(10, 0), server(20, 65535);
	for (int i = 0; i < TIMES; i++) {
		locate_cluster(false);
		CHECK_INT(w.count, 6);
		first[at(0)]++;
		second[at(1)]++;
		CHECK_INT(at(5), 5);	/* the highest priority number is always last */
	}
	CHECK_INT(first[3], TIMES);	/* the lowest always first */
	CHECK(second[0] > TIMES * 57 / 100 && second[0] < TIMES * 62 / 100);
	CHECK(second[1] > TIMES * 18 / 100 && second[1] < TIMES * 22 / 100);
	CHECK(second[2] > TIMES * 18 / 100 && second[2] < TIMES * 22 / 100);
	CHECK(second[4] > 0 && second[4] < TIMES * 2 / 100);	/* "a very small chance" */
	random_seed(0);
	net_close_all();
}

TEST(a_seed_gives_the_same_order_again)
{
	unsigned once[3];

	listen_on("u");
	cluster.count = 0;
	server(1, 10), server(1, 10), server(1, 10);
	for (int i = 0; i < 2; i++) {
		random_seed(99);
		for (size_t n = 0; n < COUNT_OF(once); n++) {
			locate_cluster(false);
			CHECK(!i || once[n] == at(0) * 100 + at(1) * 10 + at(2));
			once[n] = at(0) * 100 + at(1) * 10 + at(2);
		}
	}
	random_seed(0);
	net_close_all();
}

TEST(who_forwards_without_state_gets_one_order)	/* §4.4 */
{
	listen_on("u");
	cluster.count = 0;
	server(2, 10), server(1, 10), server(1, 10), server(1, 30);
	for (int i = 0; i < 50; i++) {
		locate_cluster(true);
		CHECK(at(0) == 3 && at(1) == 1 && at(2) == 2 && at(3) == 0);
	}
	net_close_all();
}

TEST(more_servers_than_are_ever_tried)
{
	listen_on("u");
	cluster.count = 0;
	for (int i = 0; i < DNS_MOST - 6; i++)
		server((uint16_t)i, 0);
	locate_cluster(false);
	CHECK_INT(w.count, TM_MOST_HOPS);
	CHECK_INT(at(7), 7);
	net_close_all();
}
