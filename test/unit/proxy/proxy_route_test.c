/* Record-Route on both sides (RFC 3261 §16.6 step 4, RFC 5658) and the way back (§16.4). */
#include "proxy_world.h"

static struct flow v6, tcp, tls;

static void all_sockets(void)
{
	world_begin();
	v6.via = net_fake_listener(TP_UDP, "::1", 5060);
	tcp.via = net_fake_listener(TP_TCP, "127.0.0.1", 5060);
	tls.via = net_fake_listener(TP_TLS, "127.0.0.1", 5061);
	CHECK(v6.via && tcp.via && tls.via);
	CHECK(!addr_parse(STR("::2"), 5070, &v6.peer));
	tcp.peer = tls.peer = w.caller.peer;
}

#define RR "Record-Route: <sip:"

TEST(record_route_is_written_for_either_side)
{
	static const struct { const char *name, *ruri; const struct flow *from; const char *fields; } rows[] = {
		{ "one socket, one value", "sip:b@127.0.0.3:5080", &w.caller, RR "127.0.0.1:5060;lr>\r\nMax" },
		{ "RFC 5658 §5: IPv4 to IPv6", "sip:b@[::3]:5080", &w.caller, RR "[::1]:5060;lr>\r\n" RR "127.0.0.1:5060;lr>\r\nMax" },
		{ "IPv6 to IPv4", "sip:b@127.0.0.3:5080", &v6, RR "127.0.0.1:5060;lr>\r\n" RR "[::1]:5060;lr>\r\nMax" },
		{ "UDP to TCP", "sip:b@127.0.0.3:5080;transport=tcp", &w.caller,
		  RR "127.0.0.1:5060;transport=tcp;lr>\r\n" RR "127.0.0.1:5060;lr>\r\nMax" },
		{ "TCP to UDP", "sip:b@127.0.0.3:5080", &tcp, RR "127.0.0.1:5060;lr>\r\n" RR "127.0.0.1:5060;transport=tcp;lr>\r\nMax" },
		{ "RFC 3261 §16.6 step 4: sips", "sips:b@127.0.0.3:5081", &tls, "Record-Route: <sips:127.0.0.1:5061;lr>\r\nMax" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char request[1024];

		all_sockets();
		w.script = script_relay_recorded;
		snprintf(request, sizeof(request), "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\n"
			 "Record-Route: <sip:edge.example;lr>\r\nTo: <sip:b@y>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\r\n", rows[i].ruri);
		receive_from(request, rows[i].from);
		CHECK_ROW(w.sent == 1 && sent_has(0, rows[i].fields), rows[i].name);
		CHECK_ROW(str_find_str(w.bytes[0], str_of(rows[i].fields)) < str_find_str(w.bytes[0], STR("Record-Route: <sip:edge")), rows[i].name);
		world_end();
	}
}

static void script_fork_both(struct request *r)
{
	r->record_route = true;
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 1000 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@[::3]:5080"), .q = 1000 }));
	script_relay(r);
}

TEST(each_branch_has_the_record_route_of_its_own_side)
{
	all_sockets();
	w.script = script_fork_both;
	receive(REQUEST("INVITE", "sip:b@example.org", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 2);
	CHECK(count_of(0, "Record-Route") == 1 && count_of(1, "Record-Route") == 2);
	world_end();
}

/* §16.4; RFC 5658 §5: both values of ours go, and the request leaves by the socket that the second one names. */
TEST(both_values_are_taken_off_and_the_second_says_where_it_leaves)
{
	static const struct { const char *name, *route, *ruri, *via, *rest; } rows[] = {
		{ "IPv4 to IPv6", "<sip:127.0.0.1:5060;lr>,<sip:[::1]:5060;lr>", "sip:b@[::3]", "Via: SIP/2.0/UDP [::1]:5060;", NULL },
		{ "UDP to TCP", "<sip:127.0.0.1:5060;lr>,<sip:127.0.0.1:5060;transport=tcp;lr>", "sip:b@127.0.0.3;transport=tcp",
		  "Via: SIP/2.0/TCP 127.0.0.1:5060;", NULL },
		{ "of two addresses of one family", "<sip:127.0.0.1:5060;lr>, <sip:127.0.0.11:5060;lr>", "sip:b@127.0.0.3", "Via: SIP/2.0/UDP 127.0.0.11:5060;", NULL },
		{ "parameters of others are kept", "<sip:127.0.0.1:5060;lr>,<sip:[::1]:5060;lr>,<sip:127.0.0.4;lr;x=1%2C2;flag>;y=z", "sip:b@127.0.0.3",
		  "Via: SIP/2.0/UDP 127.0.0.1:5060;", "Route: <sip:127.0.0.4;lr;x=1%2C2;flag>;y=z\r\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char request[1024];

		all_sockets();
		CHECK(net_fake_listener(TP_UDP, "127.0.0.11", 5060));
		w.script = script_must_not_run;
		snprintf(request, sizeof(request), "BYE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\n"
			 "Route: %s\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 BYE\r\n\r\n", rows[i].ruri, rows[i].route);
		receive(request);
		CHECK_ROW(w.sent == 1 && sent_has(0, rows[i].via), rows[i].name);
		if (rows[i].rest)
			CHECK_ROW(sent_has(0, rows[i].rest) && count_of(0, "Route") == 1, rows[i].name);
		else
			CHECK_ROW(!count_of(0, "Route"), rows[i].name);
		world_end();
	}
}
