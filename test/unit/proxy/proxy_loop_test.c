/* Loops, spirals, merged requests and Max-Breadth (RFC 3261 §16.3, §8.2.2.2; RFC 5393). */
#include "proxy_world.h"

static const char *const ours = "branch=z9hG4bKs";

TEST(what_comes_back_as_it_left_is_a_loop_and_what_was_changed_is_a_spiral)
{
	static const struct { const char *name, *was, *is; bool loop; } rows[] = {
		{ "RFC 5393 §4.2.2: equal, a loop", NULL, NULL, true },
		{ "RFC 5393 §4.2.2: another Request-URI, a spiral", "INVITE sip:b@", "INVITE sip:c@", false },
		{ "RFC 5393 §4.2.1: a Route, a spiral", "Max-Forwards", "Route: <sip:127.0.0.7;lr>\r\nMax-Forwards", false },
		{ "RFC 3261 §16.6 step 8: another Call-ID", "Call-ID: c1", "Call-ID: c2", false },
		{ "RFC 3261 §16.6 step 8: another CSeq", "CSeq: 1", "CSeq: 2", false },
		{ "RFC 3261 §16.6 step 8: another From tag", "tag=1", "tag=2", false },
		{ "To tag, method and Max-Forwards are no part of it", "Max-Forwards: 69", "Max-Forwards: 60", true },
		{ "a Via of another server (RFC 3261 §16.3 step 4)", "UDP 127.0.0.1:5060", "UDP 127.0.0.1:5062", false },
		{ "our name without our second part", "branch=z9hG4bKs", "branch=z9hG4bKt", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t before = counter_read(&count_loops);
		size_t  last;

		world_begin();
		w.script = script_relay;
		receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
		CHECK_ROW(w.sent == 1 && sent_has(0, ours), rows[i].name);
		comes_back(0, rows[i].was, rows[i].is);
		last = w.sent - 1;
		if (rows[i].loop)
			CHECK_ROW(w.sent == 2 && sent_has(last, "SIP/2.0 482 Loop Detected"), rows[i].name);
		else
			CHECK_ROW(w.sent == 2 && sent_has(last, "INVITE sip:"), rows[i].name);
		CHECK_INT(counter_read(&count_loops) - before, rows[i].loop);
		pass(80000);
		world_end();
	}
}

TEST(a_loop_is_seen_behind_the_vias_of_others)
{
	world_begin();
	w.script = script_relay;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	comes_back(0, "Via: ", "Via: SIP/2.0/TCP x.example;weird=\"a,b\";flag;branch=z9hG4bK1;received=1.2.3.4, SIP/2.0/UDP y\r\nVia: ");
	CHECK_INT(w.sent, 2);
	CHECK(sent_has(1, "SIP/2.0 482 "));
	pass(80000);
	world_end();
}

TEST(stateless_forwarding_finds_loops_too)
{
	world_begin();
	w.script = script_forward;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	comes_back(0, NULL, NULL);
	CHECK_INT(w.sent, 2);
	CHECK(sent_has(1, "SIP/2.0 482 "));
	world_end();
}

TEST(an_ack_that_loops_is_dropped)
{
	int64_t before = counter_read(&count_loops);

	world_begin();
	w.script = script_must_not_run;
	receive(REQUEST("ACK", "sip:b@127.0.0.3:5080", "<sip:b@y>;tag=2", "Route: <sip:127.0.0.1:5060;lr>\r\n"));
	CHECK_INT(w.sent, 1);
	comes_back(0, "Max-Forwards", "Route: <sip:127.0.0.1:5060;lr>\r\nMax-Forwards");
	CHECK_INT(w.sent, 1);
	CHECK_INT(counter_read(&count_loops) - before, 1);
	world_end();
}

/* RFC 5393 §4.2.1: CANCEL and the ACK to a non-2xx have the branch of their INVITE. */
TEST(the_second_part_does_not_vary_with_the_method)
{
	world_begin();
	w.script = script_relay;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	answer(0, 180, "b1");
	receive(REQUEST("CANCEL", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	CHECK(sent_has(w.sent - 1, "CANCEL sip:b@"));
	for (size_t i = 1; i < w.sent; i++)
		if (str_starts(w.bytes[i], STR("CANCEL"))) {
			ptrdiff_t at = str_find_str(w.bytes[0], str_of(ours)), end = str_find_str(str_from(w.bytes[0], (size_t)at), STR("\r\n"));

			CHECK(str_find_str(w.bytes[i], str_to(str_from(w.bytes[0], (size_t)at), (size_t)end)) >= 0);
		}
	answer(0, 487, "b1");
	pass(80000);
	CHECK_INT(tm_alive(), 0);
	world_end();
}

/* --- Max-Breadth --- */

static unsigned targets;

static void script_fork_many(struct request *r)
{
	static const char *const uri[] = { "sip:b@127.0.0.3:5080", "sip:b@127.0.0.4:5080", "sip:b@127.0.0.5:5080", "sip:b@127.0.0.6:5080" };

	for (unsigned i = 0; i < targets; i++)
		CHECK(!request_add_target(r, &(struct target){ .uri = str_of(uri[i]), .q = 1000 }));
	script_relay(r);
}

/* RFC 5393 §5.3.3 */
TEST(max_breadth_is_divided_among_the_branches)
{
	static const struct { const char *name, *field; unsigned targets; const char *share[4]; } rows[] = {
		{ "none: 60", "", 1, { "60" } },
		{ "one branch keeps it all", "Max-Breadth: 7\r\n", 1, { "7" } },
		{ "§5.2: parallel", "Max-Breadth: 60\r\n", 2, { "30", "30" } },
		{ "nothing is lost", "Max-Breadth: 7\r\n", 3, { "3", "2", "2" } },
		{ "just enough", "Max-Breadth: 4\r\n", 4, { "1", "1", "1", "1" } },
		{ "more than we allow is overwritten", "Max-Breadth: 61\r\n", 2, { "30", "30" } },
		{ "not a number", "Max-Breadth: many\r\n", 1, { "60" } },
		{ "two of them: a single value goes on", "Max-Breadth: 9\r\nMax-Breadth: 5\r\n", 1, { "9" } },
		{ "§5.3.3: too many targets", "Max-Breadth: 3\r\n", 4, { NULL } },
		{ "not positive", "Max-Breadth: 0\r\n", 1, { NULL } },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char request[1024], share[32];

		world_begin();
		targets = rows[i].targets;
		w.script = script_fork_many;
		snprintf(request, sizeof(request), "INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK77ef;rport\r\n"
			 "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n%s\r\n", rows[i].field);
		receive(request);
		if (rows[i].share[0])
			CHECK_ROW(w.sent == rows[i].targets, rows[i].name);
		else
			CHECK_ROW(w.sent == 1 && sent_has(0, "SIP/2.0 440 Max-Breadth Exceeded"), rows[i].name);
		for (unsigned k = 0; rows[i].share[0] && k < rows[i].targets; k++) {
			snprintf(share, sizeof(share), "Max-Breadth: %s\r\n", rows[i].share[k]);
			CHECK_ROW(sent_has(k, share) && count_of(k, "Max-Breadth") == 1, rows[i].name);
		}
		pass(400000);
		CHECK_INT(tm_alive(), 0);
		world_end();
	}
}

/* --- fork bombs: RFC 5393 §3 --- */

/* Everybody's contacts are all ten names here. */
static void script_bomb(struct request *r)
{
	static const char *const uri[] = { "sip:0@127.0.0.1:5060", "sip:1@127.0.0.1:5060", "sip:2@127.0.0.1:5060", "sip:3@127.0.0.1:5060", "sip:4@127.0.0.1:5060",
					   "sip:5@127.0.0.1:5060", "sip:6@127.0.0.1:5060", "sip:7@127.0.0.1:5060", "sip:8@127.0.0.1:5060", "sip:9@127.0.0.1:5060" };

	for (unsigned i = 0; i < targets; i++)
		CHECK(!request_add_target(r, &(struct target){ .uri = str_of(uri[i]), .q = (uint16_t)(1000 - i) }));
	request_relay(r, &(struct relay_opts){ .run = 9 }, relay_done_cb, r);
}

enum { MOST_FLYING = 4096 };
static struct {
	size_t     first, last;
	struct str text[MOST_FLYING];
	char       room[MOST_FLYING][2048];
	bool       answered;
} wire;

/* What is sent to us is kept until it is delivered; the caller's answers are counted. */
static void fly(const struct flow *to, struct str bytes)
{
	if (addr_port(&to->peer) == 5070) {
		wire.answered |= !str_starts(bytes, STR("SIP/2.0 1"));
		return;
	}
	CHECK(wire.last < MOST_FLYING && bytes.len < sizeof(wire.room[0]));
	memcpy(wire.room[wire.last], bytes.p, bytes.len);
	wire.text[wire.last] = str_n(wire.room[wire.last], bytes.len);
	wire.last++;
}

TEST(targets_that_lead_back_here_end_soon_in_whatever_order_they_ring)
{
	static const struct { const char *name; enum ring ring; unsigned targets; size_t most; } rows[] = {
		{ "two in parallel: each way ends where it has been", RING_PARALLEL, 2, 60 },
		{ "ten in parallel: each gets its share of the breadth", RING_PARALLEL, 10, 60 },
		{ "ten by q", RING_SERIAL, 10, 400 },
		{ "ten in a hunt", RING_HUNT, 10, 400 },
	};
	struct flow us = { 0 };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ring_policy policy = { .ring = rows[i].ring, .ring_ms = 15000 };

		world_begin();
		memset(&wire, 0, sizeof(wire));
		net_replace(fly);
		proxy_set_ring(&policy);
		targets = rows[i].targets;
		w.script = script_bomb;
		us = (struct flow){ .via = w.us, .peer = w.us->addr };
		receive(REQUEST("INVITE", "sip:b@example.org", "<sip:b@y>", ""));
		while (wire.first < wire.last) {
			net_inject(wire.text[wire.first++], &us);
			mailbox_read();
		}
		CHECK_ROW(wire.answered, rows[i].name);
		if (wire.last > rows[i].most)
			print_error("%s: %zu messages\n", rows[i].name, wire.last);
		CHECK_ROW(wire.last <= rows[i].most, rows[i].name);
		proxy_set_ring(NULL);
		world_end();
	}
}

/* --- merged requests --- */

static void script_serve(struct request *r)
{
	if (!request_merged(r))
		CHECK_INT(request_reply(r, 200, STR_NONE, STR_NONE), OK);
	request_done(r);
}

static void register_by(const char *via, const char *call_id, unsigned cseq, const char *from_tag)
{
	char text[1024];

	snprintf(text, sizeof(text), "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\nFrom: <sip:a@example.org>;tag=%s\r\n"
		 "To: <sip:a@example.org>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n\r\n", via, from_tag, call_id, cseq);
	receive(text);
}

/* RFC 3261 §8.2.2.2 */
TEST(a_user_agent_refuses_what_comes_by_a_second_branch)
{
	static const struct { const char *name, *via, *call_id; unsigned cseq; const char *tag, *reply; unsigned after_s; } rows[] = {
		{ "another branch: merged", "127.0.0.8;branch=z9hG4bKb", "c1", 5, "t", "SIP/2.0 482 ", 0 },
		{ "the same branch: a retransmission", "127.0.0.2;branch=z9hG4bKa", "c1", 5, "t", "SIP/2.0 200 ", 0 },
		{ "another CSeq", "127.0.0.8;branch=z9hG4bKb", "c1", 6, "t", "SIP/2.0 200 ", 0 },
		{ "another Call-ID", "127.0.0.8;branch=z9hG4bKb", "c2", 5, "t", "SIP/2.0 200 ", 0 },
		{ "another From tag", "127.0.0.8;branch=z9hG4bKb", "c1", 5, "u", "SIP/2.0 200 ", 0 },
		{ "not ongoing any more (64*T1)", "127.0.0.8;branch=z9hG4bKb", "c1", 5, "t", "SIP/2.0 200 ", 40 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		world_begin();
		w.script = script_serve;
		register_by("127.0.0.2;branch=z9hG4bKa", "c1", 5, "t");
		pass(rows[i].after_s * 1000);
		register_by(rows[i].via, rows[i].call_id, rows[i].cseq, rows[i].tag);
		CHECK_ROW(w.sent == 2 && sent_has(1, rows[i].reply), rows[i].name);
		world_end();
	}
}
