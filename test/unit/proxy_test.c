/* core/proxy as messages in and messages out. */
#include "proxy_world.h"

TEST(options_to_the_server_is_answered_without_a_script)
{
	world_begin();
	w.script = script_must_not_run;
	receive(REQUEST("OPTIONS", "sip:example.org", "<sip:example.org>", ""));
	CHECK_INT(w.sent, 1);
	CHECK(sent_has(0, "SIP/2.0 200 OK\r\n") && sent_has(0, "received=127.0.0.2") && sent_has(0, "rport=5070") && sent_has(0, "Allow: "));
	world_end();
}

/* RFC 3261 §16.3 */
TEST(validation_answers_by_itself)
{
	static const struct { const char *name, *request, *reply; } rows[] = {
		{ "step 3: Max-Forwards 0", "INVITE sip:b@other.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bK1\r\nMax-Forwards: 0\r\n"
		  "From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 483 " },
		{ "step 5: Proxy-Require", REQUEST("INVITE", "sip:b@other.example", "<sip:b@y>", "Proxy-Require: foo, bar\r\n"), "Unsupported: foo, bar\r\n" },
		{ "malformed CSeq", "INVITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@y>\r\n"
		  "Call-ID: c\r\nCSeq: x INVITE\r\n\r\n", "SIP/2.0 400 " },
		{ "a Via with rubbish behind its sent-by (RFC 4475 3.1.2.1)", "INVITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;;,;,,\r\nFrom: <sip:a@x>;tag=1\r\n"
		  "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 400 " },
		{ "in a dialog that is not ours", REQUEST("BYE", "sip:b@other.example", "<sip:b@y>;tag=2", ""), "SIP/2.0 481 " },
		{ "CANCEL of nothing (§9.2)", REQUEST("CANCEL", "sip:b@other.example", "<sip:b@y>", ""), "SIP/2.0 481 " },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		world_begin();
		w.script = script_must_not_run;
		receive(rows[i].request);
		CHECK_ROW(w.sent == 1 && sent_has(0, rows[i].reply), rows[i].name);
		world_end();
	}
}

TEST(an_ack_is_never_answered)
{
	world_begin();
	w.script = script_must_not_run;
	receive(REQUEST("ACK", "sip:b@other.example", "<sip:b@y>;tag=2", ""));
	receive(REQUEST("ACK", "sip:b@other.example", "<sip:b@y>", "Proxy-Require: foo\r\n"));
	CHECK_INT(w.sent, 0);
	world_end();
}

TEST(an_ack_with_its_hops_used_up_goes_no_further)	/* RFC 3261 §16.3 step 3 */
{
	int64_t before = counter_read(&count_too_many_hops);

	world_begin();
	w.script = script_must_not_run;
	receive("ACK sip:b@127.0.0.3:5080 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK1\r\nMax-Forwards: 0\r\nRoute: <sip:127.0.0.1:5060;lr>\r\n"
		"From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c\r\nCSeq: 1 ACK\r\n\r\n");
	CHECK_INT(w.sent, 0);
	CHECK_INT(counter_read(&count_too_many_hops) - before, 1);
	world_end();
}

TEST(keepalives_and_strays_are_dropped)
{
	world_begin();
	w.script = script_must_not_run;
	receive("\r\n\r\n");
	receive("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKs00000000000000aa.0\r\nVia: SIP/2.0/UDP 127.0.0.2\r\n"
		"From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n");
	CHECK_INT(w.sent, 0);
	CHECK_INT(counter_read(&count_keepalives), 1);
	CHECK_INT(counter_read(&count_strays), 1);
	world_end();
}

/* §16.4, §16.6, §16.12: what a request within a dialog looks like behind us. */
TEST(dialog_requests_follow_their_route_set)
{
	static const struct { const char *name, *request, *to, *has[3], *lacks; } rows[] = {
		{ "loose (§16.12.1.1)", REQUEST("BYE", "sip:b@127.0.0.3:5080", "<sip:b@y>;tag=2", "Route: <sip:127.0.0.1:5060;lr>\r\n"),
		  "127.0.0.3:5080", { "BYE sip:b@127.0.0.3:5080 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKs", "Max-Forwards: 69\r\n" }, "Route:" },
		{ "two of ours, one of another", REQUEST("BYE", "sip:b@127.0.0.3", "<sip:b@y>;tag=2",
		  "Route: <sip:127.0.0.1:5060;lr>, <sip:127.0.0.1;lr>\r\nRoute: <sip:127.0.0.4:5090;lr>\r\n"),
		  "127.0.0.4:5090", { "BYE sip:b@127.0.0.3 ", "Route: <sip:127.0.0.4:5090;lr>\r\n" }, "Route: <sip:127.0.0.1" },
		{ "from a strict router (§16.12.1.2)", REQUEST("BYE", "sip:127.0.0.1:5060;lr", "<sip:b@y>;tag=2",
		  "Route: <sip:127.0.0.4:5090;lr>, <sip:b@127.0.0.3>\r\n"),
		  "127.0.0.4:5090", { "BYE sip:b@127.0.0.3 SIP/2.0\r\n", "Route: <sip:127.0.0.4:5090;lr>\r\n" }, "<sip:b@127.0.0.3>" },
		{ "to a strict router (§16.6 step 6)", REQUEST("BYE", "sip:b@127.0.0.3", "<sip:b@y>;tag=2",
		  "Route: <sip:127.0.0.1:5060;lr>\r\nRoute: <sip:127.0.0.4:5090>, <sip:127.0.0.5;lr>\r\n"),
		  "127.0.0.4:5090", { "BYE sip:127.0.0.4:5090 SIP/2.0\r\n", "Route: <sip:127.0.0.5;lr>\r\n", "Route: <sip:b@127.0.0.3>\r\n" }, "Route: <sip:127.0.0.4" },
		{ "the domain's host, but another port", REQUEST("BYE", "sip:b@example.org:5080;maddr=127.0.0.3", "<sip:b@y>;tag=2", "Route: <sip:127.0.0.1:5060;lr>\r\n"),
		  "127.0.0.3:5080", { "BYE sip:b@example.org:5080;" }, "Route:" },
		{ "ACK to a 2xx, without state", REQUEST("ACK", "sip:b@127.0.0.3:5080", "<sip:b@y>;tag=2", "Route: <sip:127.0.0.1:5060;lr>\r\n"),
		  "127.0.0.3:5080", { "ACK sip:b@127.0.0.3:5080 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKf", "Max-Forwards: 69\r\n" }, "Route:" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		world_begin();
		w.script = script_must_not_run;
		receive(rows[i].request);
		CHECK_ROW(w.sent == 1, rows[i].name);
		CHECK_ROW(str_is(addr_text(&w.to[0].peer, (char[ADDR_TEXT]){ 0 }), rows[i].to), rows[i].name);
		for (size_t h = 0; h < 3 && rows[i].has[h]; h++)
			CHECK_ROW(sent_has(0, rows[i].has[h]), rows[i].name);
		CHECK_ROW(str_find_str(w.bytes[0], str_of(rows[i].lacks)) < 0, rows[i].name);
		world_end();
	}
}

TEST(a_call_passes_and_its_answer_comes_back)
{
	world_begin();
	w.script = script_relay_recorded;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 1);
	CHECK(sent_has(0, "Record-Route: <sip:127.0.0.1:5060;lr>\r\n") && sent_has(0, "Max-Forwards: 69\r\n"));
	CHECK(sent_has(0, "Via: SIP/2.0/UDP 127.0.0.2:5070;"));
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));	/* sent again: absorbed */
	answer(0, 180, "b1");
	answer(0, 200, "b1");
	CHECK(sent_has(w.sent - 2, "SIP/2.0 180 ") && sent_has(w.sent - 1, "SIP/2.0 200 "));
	CHECK(str_find_str(w.bytes[w.sent - 1], STR("Via: SIP/2.0/UDP 127.0.0.1")) < 0);
	CHECK(addr_eq(&w.to[w.sent - 1].peer, &w.caller.peer));
	CHECK_INT(w.outcomes, 1);
	pass(40000);
	CHECK_INT(tm_alive(), 0);
	world_end();
}

TEST(a_waiting_run_gets_the_outcome_and_may_try_again)
{
	world_begin();
	w.script = script_wait;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	answer(0, 486, "b1");
	CHECK_INT(w.outcomes, 1);
	CHECK_INT(w.outcome.status, 486);
	CHECK(sent_has(w.sent - 1, "ACK sip:b@127.0.0.3:5080"));
	CHECK(!msg_set_ruri(&w.kept->msg, STR("sip:c@127.0.0.4:5090")));
	request_relay(w.kept, &(struct relay_opts){ 0 }, relay_done_cb, w.kept);
	CHECK(sent_has(w.sent - 1, "INVITE sip:c@127.0.0.4:5090") && sent_has(w.sent - 1, "Max-Forwards: 69\r\n"));
	answer(w.sent - 1, 200, "c1");
	CHECK(sent_has(w.sent - 1, "SIP/2.0 200 "));
	pass(40000);
	CHECK_INT(tm_alive(), 0);
	world_end();
}

static void script_fork(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 1000 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.4:5080?Subject=x"), .path = STR("<sip:127.0.0.6:5060;lr>"), .q = 1000 }));
	script_wait(r);
}

TEST(parallel_targets_ring_together_and_the_loser_is_cancelled)
{
	world_begin();
	w.script = script_fork;
	receive(REQUEST("INVITE", "sip:b@example.org", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 2);
	CHECK(sent_has(0, "INVITE sip:b@127.0.0.3:5080 SIP/2.0\r\n") && str_find_str(w.bytes[0], STR("Route:")) < 0);
	/* the second by way of its Path (RFC 3327 §5.3), without the headers of its Contact (§19.1.1) */
	CHECK(sent_has(1, "INVITE sip:b@127.0.0.4:5080 SIP/2.0\r\n") && sent_has(1, "Route: <sip:127.0.0.6:5060;lr>\r\n"));
	CHECK_STR(addr_text(&w.to[1].peer, (char[ADDR_TEXT]){ 0 }), "127.0.0.6:5060");
	answer(0, 180, "b1");
	answer(1, 180, "b2");
	answer(1, 200, "b2");
	CHECK(any_sent_has("SIP/2.0 200 ") && any_sent_has("CANCEL sip:b@127.0.0.3:5080"));
	CHECK_INT(w.outcomes, 1);
	CHECK(w.outcome.status == 200 && w.outcome.sent && w.outcome.branch == 1);
	tm_release(w.kept->t);
	request_done(w.kept);
	pass(80000);
	CHECK_INT(tm_alive(), 0);
	world_end();
}

TEST(stateless_forwarding_keeps_its_branch_and_takes_answers_back)
{
	struct str first;

	world_begin();
	w.script = script_forward;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 2);
	first = w.bytes[0];
	CHECK(str_eq(first, w.bytes[1]));
	CHECK(sent_has(0, "MESSAGE sip:b@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKf"));
	CHECK_STR(addr_text(&w.to[0].peer, (char[ADDR_TEXT]){ 0 }), "127.0.0.9:5090");
	answer(0, 200, "b");
	CHECK_INT(w.sent, 3);
	CHECK(sent_has(2, "SIP/2.0 200 ") && addr_eq(&w.to[2].peer, &w.caller.peer));
	CHECK_INT(tm_alive(), 0);
	world_end();
}

TEST(a_response_whose_sent_by_is_not_ours_is_dropped)	/* RFC 3261 §18.1.2 */
{
	static const char *const other[] = { "127.0.0.7:5060", "127.0.0.1:5099", "elsewhere.example" };

	for (size_t i = 0; i <= COUNT_OF(other); i++) {
		int64_t before = counter_read(&count_strays);
		char    reply[1000];

		world_begin();
		w.script = script_relay;
		receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
		CHECK_INT(w.sent, 1);
		snprintf(reply, sizeof(reply), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;%.50s\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK77ef;rport=5070\r\n"
			 "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
			 i < COUNT_OF(other) ? other[i] : "127.0.0.1:5060", w.bytes[0].p + str_find_str(w.bytes[0], STR("branch=")));
		receive_from(reply, &w.to[0]);
		CHECK_INT(w.sent, i < COUNT_OF(other) ? 1 : 2);
		CHECK_INT(counter_read(&count_strays) - before, i < COUNT_OF(other));
		world_end();
	}
}

static enum err phone_lookup(struct str name, enum dns_type type, struct dns_answer *out)
{
	if (!str_is(name, "phone.example") || type != DNS_HOST)
		return ERR_NOT_FOUND;
	out->count = 1;
	return addr_parse(STR("127.0.0.9"), 0, &out->addr[0]);
}

static void script_forward_to_name(struct request *r)
{
	request_forward(r, STR("sip:phone.example:5090"));
	request_done(r);
}

static void count_sent(void *arg, const struct trail_event *e)
{
	*(unsigned *)arg += e->call && e->kind == TRAIL_SENT;
}

TEST(what_is_forwarded_to_a_name_is_in_the_trail)
{
	unsigned n = 0;

	world_begin();
	trail_boot(64 * 1024);
	trail_start();
	dns_replace(phone_lookup);
	w.script = script_forward_to_name;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 1);
	(void)trail_each(proc_self(), false, 0, count_sent, &n);
	CHECK_INT(n, 1);
	trail_boot(0);
	world_end();
}

/* §16.11: CANCEL and the ACK to a non-2xx follow their INVITE with its branch; without a script that forwards nobody asks. */
TEST(cancel_and_ack_follow_an_invite_that_was_forwarded_statelessly)
{
	struct str branch;

	world_begin();
	w.script = script_forward;
	w.stateless = true;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	branch = str_from(w.bytes[0], (size_t)str_find_str(w.bytes[0], STR("branch=")));
	branch = str_to(branch, (size_t)str_find(branch, '\r'));
	receive(REQUEST("CANCEL", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	receive(REQUEST("ACK", "sip:b@127.0.0.3", "<sip:b@y>;tag=b1", ""));
	CHECK_INT(w.sent, 3);
	CHECK(sent_has(1, "CANCEL sip:b@127.0.0.3 SIP/2.0\r\n") && sent_has(2, "ACK sip:b@127.0.0.3 SIP/2.0\r\n"));
	CHECK(str_find_str(w.bytes[1], branch) > 0 && str_find_str(w.bytes[2], branch) > 0);
	CHECK(addr_eq(&w.to[0].peer, &w.to[1].peer) && addr_eq(&w.to[0].peer, &w.to[2].peer));
	answer(1, 200, "b1");
	CHECK(sent_has(3, "SIP/2.0 200 ") && sent_has(3, "CSeq: 1 CANCEL") && addr_eq(&w.to[3].peer, &w.caller.peer));
	CHECK_INT(tm_alive(), 0);
	world_end();
}

/* Only to where a request came from: else anybody could have responses of his own sent to anybody from here. */
TEST(a_response_that_answers_no_forwarded_request_is_dropped)
{
	static const struct { const char *name, *next; bool ours, passes; } rows[] = {
		{ "an answer", "127.0.0.2:5070;branch=z9hG4bK77ef;rport=5070;received=127.0.0.2", true, true },
		{ "a branch made up", "127.0.0.2:5070;branch=z9hG4bK77ef;rport=5070;received=127.0.0.2", false, false },
		{ "to another address", "127.0.0.2:5070;branch=z9hG4bK77ef;rport=5070;received=127.0.0.99", true, false },
		{ "to another port", "127.0.0.2:5070;branch=z9hG4bK77ef;rport=5071;received=127.0.0.2", true, false },
		{ "to another request", "127.0.0.2:5070;branch=z9hG4bKx;rport=5070;received=127.0.0.2", true, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str ours;
		char       text[1024];
		int64_t    strays;

		world_begin();
		strays = counter_read(&count_strays);
		w.script = script_forward;
		receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
		ours = str_from(w.bytes[0], (size_t)str_find_str(w.bytes[0], STR("branch=")) + 7);
		ours = rows[i].ours ? str_to(ours, (size_t)str_find(ours, '\r')) : STR("z9hG4bKf0123456789abcdef");
		snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=" STR_FMT "\r\nVia: SIP/2.0/UDP %s\r\n"
			 "From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c1\r\nCSeq: 1 MESSAGE\r\n\r\n", STR_ARG(ours), rows[i].next);
		receive(text);
		CHECK_ROW(w.sent == (rows[i].passes ? 2 : 1) && counter_read(&count_strays) - strays == !rows[i].passes, rows[i].name);
		world_end();
	}
}

static enum err no_name(struct str name, enum dns_type type, struct dns_answer *out)
{
	(void)name;
	(void)type;
	(void)out;
	return ERR_NOT_FOUND;
}

static void script_address_and_name(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 1000 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@nowhere.invalid"), .q = 1000 }));
	script_wait(r);
}

/* The answer is passed on at once (RFC 3261 §16.7 step 5); the run must hear of it although its fork is not complete. */
TEST(a_run_is_told_of_a_2xx_that_comes_while_a_name_is_still_being_asked_for)
{
	struct loop *l;

	world_begin();
	l = loop_new();
	CHECK(l && !dns_start(l, &(struct dns_config){ .servers = "127.0.0.1:9", .timeout_ms = 50, .tries = 1 }));	/* nobody there */
	w.script = script_address_and_name;
	receive(REQUEST("INVITE", "sip:b@example.org", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 1);
	answer(0, 200, "b1");
	CHECK(sent_has(w.sent - 1, "SIP/2.0 200 "));
	CHECK_INT(w.outcomes, 0);
	for (int i = 0; i < 100 && !w.outcomes; i++) {
		w.ms += 10;
		loop_turn(l, 20);
	}
	CHECK_INT(w.outcomes, 1);
	CHECK(w.outcome.status == 200 && w.outcome.sent);
	tm_release(w.kept->t);
	request_done(w.kept);
	pass(80000);
	CHECK_INT(tm_alive(), 0);
	dns_stop();
	loop_free(l);
	world_end();
}

TEST(a_next_hop_that_has_no_address_is_a_500)
{
	struct loop *l;

	world_begin();
	l = loop_new();
	CHECK(l && !dns_start(l, &(struct dns_config){ .timeout_ms = 100, .tries = 1 }));
	dns_replace(no_name);
	w.script = script_relay;
	receive(REQUEST("MESSAGE", "sip:b@nowhere.invalid", "<sip:b@y>", ""));
	for (int i = 0; i < 3 && !w.sent; i++) {
		w.ms += 10;
		loop_turn(l, 0);
	}
	CHECK_INT(w.sent, 1);
	CHECK(sent_has(0, "SIP/2.0 500 Next hop cannot be resolved"));
	pass(40000);
	CHECK_INT(tm_alive(), 0);
	dns_stop();
	loop_free(l);
	world_end();
}

static void script_reply_twice(struct request *r)
{
	CHECK_INT(request_reply(r, 404, STR_NONE, STR_NONE), OK);
	CHECK_INT(request_reply(r, 200, STR_NONE, STR_NONE), ERR_STATE);
	request_done(r);
}

TEST(final_means_final)
{
	world_begin();
	w.script = script_reply_twice;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.3", "<sip:b@y>", ""));
	CHECK_INT(w.sent, 1);
	CHECK(sent_has(0, "SIP/2.0 404 Not Found"));
	world_end();
}
