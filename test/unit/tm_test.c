/* core/tm: whole flows, message in, message out. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tm_world.h"

static const struct sent *phone[TM_MOST_BRANCHES];

/* Another worker, in another process slot, does this; true when its checks held. What it sends is lost to us: it says how much it was. */
static int in_another_worker(unsigned slot, int (*fn)(void))
{
	int   status;
	pid_t pid = fork();

	if (!pid) {
		proc_enter(slot, "worker");
		_exit(fn());
	}
	CHECK(pid > 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* --- where answers go --- */

TEST(answers_go_where_rfc_3581_says)
{
	static const struct {
		const char *via, *from;
		uint16_t    port;
		const char *to;	/* NULL: nowhere */
		const char *source;
	} rows[] = {
		{ "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport", "127.0.0.1", 7000, "127.0.0.1:7000", "RFC 3581 §4: rport" },
		{ "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1", "127.0.0.1", 7000, "127.0.0.1:5070", "§18.2.2: received, sent-by port" },
		{ "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", "127.0.0.1", 7000, "127.0.0.1:5060", "§18.2.2: no port is 5060" },
		{ "SIP/2.0/UDP pc.example.org;maddr=192.0.2.9;branch=z9hG4bK1", "127.0.0.1", 7000, "127.0.0.1:5060", "maddr is ignored" },
		{ "SIP/2.0/UDP 224.0.1.75;branch=z9hG4bK1;rport", "224.0.1.75", 7000, NULL, "multicast" },
		{ "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1", "255.255.255.255", 7000, NULL, "broadcast (RFC 4475 §3.3.12)" },
		{ "SIP/2.0/UDP [ff02::1];branch=z9hG4bK1;rport", "ff02::1", 7000, NULL, "IPv6 multicast" },
		{ "SIP/2.0/UDP [::1]:5080;branch=z9hG4bK1", "::1", 7000, "[::1]:5080", "IPv6" },
	};

	world_up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct flow from = { .via = w.l }, to;
		struct via  v;

		CHECK_INT(via_parse(str_of(rows[i].via), &v), OK);
		CHECK_INT(addr_parse(str_of(rows[i].from), rows[i].port, &from.peer), OK);
		response_flow(&v, &from, &to);
		CHECK_ROW(!to.via == !rows[i].to, rows[i].source);
		if (rows[i].to)
			CHECK_STR(addr_text(&to.peer, (char[ADDR_TEXT]){ 0 }), rows[i].to);
	}
	world_ends_clean();
}

/* --- INVITE, the server side --- */

TEST(trying_is_sent_after_200_ms_and_has_no_to_tag)	/* §17.2.1 */
{
	const struct sent *s;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	pass(190);
	CHECK(quiet());
	pass(20);
	s = sent_to(CALLER, "SIP/2.0 100 Trying\r\n");
	CHECK(has(s, "To: <sip:bob@example.org>\r\n"));
	CHECK(has(s, ";received=127.0.0.1"));
	CHECK(has(s, ";rport=7000"));
	tm_release(w.t);
	sent_to(CALLER, "SIP/2.0 500 ");
	CHECK(tm_is_final(w.t));
	world_ends_clean();
}

TEST(a_repeated_invite_gets_the_last_provisional_answer_again)	/* figure 7 */
{
	struct str req;

	world_up();
	req = request("INVITE", "c1");
	relayed(req, 1, 0, 0, phone);
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 100 ");
	CHECK_INT(answer(phone[0], 100), CAME_ABSORBED);
	CHECK(quiet());		/* §16.7 step 5: a 100 is never forwarded */
	CHECK_INT(answer(phone[0], 180), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 180 Ringing\r\n");
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 180 Ringing\r\n");
	CHECK_INT(answer(phone[0], 200), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	CHECK(quiet());		/* RFC 6026 §7.1: absorbed without an answer */
	pass(31 * 1000);
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	CHECK_INT(tm_alive(), 1);
	CHECK(quiet());
	world_ends_clean();
}

static int absorb_in_child(void)
{
	if (come(request("INVITE", "c1"), CALLER) != CAME_ABSORBED || w.n_sent != w.n_seen + 1)
		return 1;
	return strncmp(w.sent[w.n_seen].text, "SIP/2.0 180 ", 12) ? 2 : 0;
}

TEST(a_repeated_invite_is_absorbed_by_whichever_worker_gets_it)
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	CHECK_INT(in_another_worker(2, absorb_in_child), 0);
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

static int answer_in_child(void)
{
	return answer(phone[0], 200) == CAME_ABSORBED && w.n_sent == w.n_seen + 1 ? 0 : 1;
}

TEST(an_answer_may_reach_any_worker)
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	CHECK_INT(in_another_worker(2, answer_in_child), 0);
	CHECK(tm_is_final(w.t));
	answer(phone[0], 200);	/* its repetition, RFC 6026 §7.2 */
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

TEST(a_refused_invite_is_repeated_until_its_ack)	/* §17.2.1: Timers G, H, I */
{
	static const struct reply busy = { .status = 486 };

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &busy), OK);
	sent_to(CALLER, "SIP/2.0 486 Busy Here\r\n");
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &busy), ERR_STATE);
	run_leaves();
	pass(500);
	sent_to(CALLER, "SIP/2.0 486 ");
	pass(1000);
	sent_to(CALLER, "SIP/2.0 486 ");
	pass(2000);
	sent_to(CALLER, "SIP/2.0 486 ");
	pass(4000);
	sent_to(CALLER, "SIP/2.0 486 ");
	pass(4000);		/* T2 is the most */
	sent_to(CALLER, "SIP/2.0 486 ");
	CHECK_INT(come(request("ACK", "c1"), CALLER), CAME_ABSORBED);
	pass(4000);
	CHECK_INT(come(request("ACK", "c1"), CALLER), CAME_ABSORBED);
	CHECK(quiet());
	pass(1500);		/* Timer I */
	CHECK_INT(tm_alive(), 0);
	CHECK_INT(come(request("ACK", "c1"), CALLER), CAME_UNKNOWN);
	world_ends_clean();
}

TEST(an_unacknowledged_refusal_ends_with_timer_h)
{
	static const struct reply busy = { .status = 486 };
	int64_t                   before;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &busy), OK);
	run_leaves();
	pass(31900);
	CHECK_INT(tm_alive(), 1);
	CHECK_INT(w.n_sent, 11);	/* at 0, 0.5, 1.5, 3.5, 7.5 … 31.5 s */
	before = timer_count();
	CHECK_INT(before, 1);
	pass(200);
	CHECK_INT(tm_alive(), 0);
	world_ends_clean();
}

TEST(the_ack_to_a_2xx_is_not_for_the_transaction)
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	CHECK_INT(come(request("ACK", "c1"), CALLER), CAME_UNKNOWN);	/* figure 7: ACK to TU */
	CHECK_INT(come(request("ACK", "c2"), CALLER), CAME_UNKNOWN);
	world_ends_clean();
}

TEST(requests_are_told_apart_as_in_17_2_3)
{
	static const struct {
		const char *method, *via, *call, *ruri;
		enum came   want;
		const char *source;
	} rows[] = {
		{ "OPTIONS", "127.0.0.1:7000;branch=z9hG4bK-x", "c9", "sip:b@x", CAME_NEW, "the first" },
		{ "OPTIONS", "127.0.0.1:7000;branch=z9hG4bK-x", "c9", "sip:b@x", CAME_ABSORBED, "the same" },
		{ "MESSAGE", "127.0.0.1:7000;branch=z9hG4bK-x", "c9", "sip:b@x", CAME_NEW, "3. the method of the request matches" },
		{ "OPTIONS", "127.0.0.1:7001;branch=z9hG4bK-x", "c9", "sip:b@x", CAME_NEW, "2. the sent-by port is equal" },
		{ "OPTIONS", "127.0.0.2:7000;branch=z9hG4bK-x", "c9", "sip:b@x", CAME_NEW, "2. the sent-by host is equal" },
		{ "OPTIONS", "127.0.0.1:7000;branch=z9hG4bK-y", "c9", "sip:b@x", CAME_NEW, "1. the branch is the same" },
		{ "OPTIONS", "Host.Example:7000;branch=z9hG4bK-z", "c9", "sip:b@x", CAME_NEW, "a name" },
		{ "OPTIONS", "host.example:7000;branch=z9hG4bK-z", "c9", "sip:b@x", CAME_ABSORBED, "names have no case" },
		{ "OPTIONS", "127.0.0.1:7000;branch=old", "c9", "sip:b@x", CAME_NEW, "RFC 2543" },
		{ "OPTIONS", "127.0.0.1:7000;branch=old", "c9", "sip:b@x", CAME_ABSORBED, "RFC 2543 again" },
		{ "OPTIONS", "127.0.0.1:7000;branch=old", "c8", "sip:b@x", CAME_NEW, "RFC 2543: the Call-ID" },
		{ "OPTIONS", "127.0.0.1:7000;branch=old", "c9", "sip:c@x", CAME_NEW, "RFC 2543: the Request-URI" },
		{ "OPTIONS", "127.0.0.1:7000", "c9", "sip:b@x", CAME_NEW, "RFC 2543: the top Via" },
	};

	world_up();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str req = arena_printf(&w.arena,
			"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\nMax-Forwards: 7\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n"
			"Call-ID: %s\r\nCSeq: 1 %s\r\n\r\n", rows[i].method, rows[i].ruri, rows[i].via, rows[i].call, rows[i].method);
		enum came  got = come(req, CALLER);

		CHECK_ROW(got == rows[i].want, rows[i].source);
		if (got == CAME_NEW) {
			tm_release(w.t);
			tm_leave(w.t);
			w.t = NULL;
		}
	}
	world_ends_clean();
}

TEST(the_ack_of_an_rfc_2543_caller_is_matched_without_a_branch)	/* §17.2.3 */
{
	static const struct reply busy = { .status = 486 };
	static const char         form[] = "%s sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:7000\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>%s\r\n"
					   "Call-ID: old\r\nCSeq: 7 %s\r\n\r\n";
	char invite[512], ack[512];

	world_up();
	snprintf(invite, sizeof(invite), form, "INVITE", "", "INVITE");
	snprintf(ack, sizeof(ack), form, "ACK", ";tag=whatever", "ACK");
	CHECK_INT(come(str_of(invite), CALLER), CAME_NEW);
	CHECK_INT(come(str_of(invite), CALLER), CAME_ABSORBED);
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &busy), OK);
	CHECK_INT(come(str_of(ack), CALLER), CAME_ABSORBED);
	w.n_seen = w.n_sent;
	pass(4000);
	CHECK(quiet());
	world_ends_clean();
}

/* --- INVITE, the branches --- */

TEST(one_phone_answers_and_the_others_are_cancelled)	/* §16.7 step 10, RFC 3326 */
{
	const struct sent *s;

	world_up();
	relayed(request("INVITE", "c1"), 3, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[1], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[1], 200);
	s = sent_to(CALLER, "SIP/2.0 200 ");
	CHECK(!strstr(s->text, "127.0.0.1:5060"));	/* our Via is gone */
	s = sent_to(FIRST_PHONE, "CANCEL sip:bob@127.0.0.1:7101 SIP/2.0\r\n");
	CHECK(has(s, "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
	CHECK(has(s, "CSeq: 1 CANCEL\r\n"));
	CHECK(quiet());		/* the third has not answered at all: §9.1 wants a provisional first */
	answer(s, 200);
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK sip:bob@127.0.0.1:7101 SIP/2.0\r\n");
	answer(phone[2], 180);
	s = sent_to(FIRST_PHONE + 2, "CANCEL ");
	CHECK(has(s, "Call completed elsewhere"));
	answer(s, 200);
	answer(phone[2], 487);
	sent_to(FIRST_PHONE + 2, "ACK ");
	CHECK(quiet());
	pass(10 * 1000);
	CHECK(quiet());
	world_ends_clean();
}

TEST(both_phones_answer_and_both_2xx_go_upstream)	/* §16.7 step 5; RFC 6026 */
{
	world_up();
	relayed(request("INVITE", "c1"), 2, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[1], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(FIRST_PHONE, "CANCEL ");
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	pass(5000);
	CHECK(quiet());		/* a CANCEL that came too late is not repeated */
	world_ends_clean();
}

TEST(the_best_answer_is_chosen_as_in_16_7_step_6)
{
	static const struct {
		uint16_t    first, second, best;
		const char *source;
	} rows[] = {
		{ 486, 404, 404, "lowest code of a class" },
		{ 404, 486, 404, "whatever the order" },
		{ 500, 486, 486, "lowest class" },
		{ 302, 486, 302, "lowest class" },
		{ 486, 603, 603, "6xx wins" },
		{ 603, 486, 603, "6xx wins" },
		{ 404, 407, 407, "preferred: 401, 407, 415, 420, 484" },
		{ 484, 400, 484, "preferred" },
		{ 415, 480, 415, "preferred" },
		{ 420, 484, 420, "preferred" },
		{ 408, 486, 486, "a timeout says nothing" },
		{ 503, 503, 500, "503 is not forwarded" },
		{ 503, 500, 500, "503 is not forwarded" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		world_up();
		relayed(request("INVITE", "c1"), 2, 0, 0, phone);
		answer(phone[0], rows[i].first);
		sent_to(FIRST_PHONE, "ACK ");
		CHECK(quiet());
		answer(phone[1], rows[i].second);
		CHECK_ROW(w.n_sent == w.n_seen + 2, rows[i].source);
		if (w.sent[w.n_seen].port != CALLER) {	/* the order of the two does not matter */
			sent_to(FIRST_PHONE + 1, "ACK ");
		}
		CHECK_ROW(strtoul(w.sent[w.n_seen].text + 8, NULL, 10) == rows[i].best, rows[i].source);
		w.n_seen = w.n_sent;
		come(request("ACK", "c1"), CALLER);
		world_ends_clean();
	}
}

TEST(challenges_of_all_branches_are_collected)	/* §16.7 step 7 */
{
	const struct sent *s;

	world_up();
	relayed(request("INVITE", "c1"), 3, 0, 0, phone);
	answer_with(phone[0], 404, "");
	sent_to(FIRST_PHONE, "ACK ");
	answer_with(phone[1], 401, "WWW-Authenticate: Digest realm=\"one\", nonce=\"1\"\r\n");
	sent_to(FIRST_PHONE + 1, "ACK ");
	answer_with(phone[2], 407, "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\"\r\n"
				   "Proxy-Authenticate: Digest realm=\"three\", nonce=\"3\"\r\n");
	sent_to(FIRST_PHONE + 2, "ACK ");
	s = sent_to(CALLER, "SIP/2.0 401 Unauthorized\r\n");
	CHECK(has(s, "\r\nWWW-Authenticate: Digest realm=\"one\""));
	CHECK(has(s, "\r\nProxy-Authenticate: Digest realm=\"two\""));
	CHECK(has(s, "\r\nProxy-Authenticate: Digest realm=\"three\""));
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_6xx_cancels_the_others_and_waits_for_them)	/* §16.7 step 5 */
{
	const struct sent *cancel;

	world_up();
	relayed(request("INVITE", "c1"), 2, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[1], 603);
	sent_to(FIRST_PHONE + 1, "ACK ");
	cancel = sent_to(FIRST_PHONE, "CANCEL ");
	CHECK(!strstr(cancel->text, "Reason"));
	CHECK(quiet());
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 603 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(nobody_answers_and_the_caller_gets_408)	/* Timer A, B; §16.8 */
{
	static const uint32_t at[] = { 500, 1000, 2000, 4000, 8000, 16000 };	/* intervals double without bound */

	world_up();
	tm_timers.first = 40000;	/* an address is given up before, see failover_test.c */
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	pass(200);
	sent_to(CALLER, "SIP/2.0 100 ");
	pass(300);
	sent_to(FIRST_PHONE, "INVITE ");
	for (size_t i = 1; i < COUNT_OF(at); i++) {
		pass(at[i] - 20);
		CHECK(quiet());
		pass(20);
		sent_to(FIRST_PHONE, "INVITE ");
	}
	pass(490);
	CHECK(quiet());
	pass(20);
	sent_to(CALLER, "SIP/2.0 408 Request Timeout\r\n");
	CHECK_INT(answer(phone[0], 180), CAME_ABSORBED);	/* late */
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_final_answer_is_acknowledged_each_time_it_comes)	/* §17.1.1.2: Completed */
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	run_leaves();
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK sip:bob@127.0.0.1:7101 SIP/2.0\r\n");
	sent_to(CALLER, "SIP/2.0 486 ");
	answer(phone[0], 486);
	CHECK(has(sent_to(FIRST_PHONE, "ACK sip:bob@127.0.0.1:7101 SIP/2.0\r\n"), ";tag=phone\r\n"));
	answer(phone[0], 180);		/* late */
	answer(phone[0], 200);		/* not from Completed */
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	pass(33 * 1000);
	CHECK_INT(answer(phone[0], 486), CAME_UNKNOWN);
	world_ends_clean();
}

TEST(timer_c_cancels_a_phone_that_rings_too_long)	/* §16.6 step 11, §16.8 */
{
	const struct sent *cancel;

	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(180 * 1000);
	answer(phone[0], 180);		/* §16.7 step 2: it starts again */
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(180 * 1000);
	CHECK(quiet());
	pass(5010);
	cancel = sent_to(FIRST_PHONE, "CANCEL ");
	pass(500);
	sent_to(FIRST_PHONE, "CANCEL ");	/* it is a transaction of its own: Timer E */
	answer(cancel, 200);
	pass(31 * 1000);
	CHECK(quiet());
	pass(1000);		/* nothing came in 64*T1 */
	sent_to(CALLER, "SIP/2.0 408 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* A caller who acknowledges what he gets, and a phone that answers at once with `status` (0: not at all) and then never again. */
TEST(a_transaction_that_times_out_is_told_once)
{
	static const struct {
		const char *method;
		uint16_t    status;
		bool        cancel, ack;
		uint32_t    first_ms;
		const char *told;
	} row[] = {
		{ "INVITE", 0, false, true, 0, "7101 B" },		/* §17.1.1.2 */
		{ "INVITE", 100, false, true, 0, "7101 C" },		/* §16.6 step 11 */
		{ "INVITE", 180, false, true, 0, "7101 C" },
		{ "INVITE", 0, false, true, 5000, "7101 branch_timeout" },	/* and not once more when its Timer B ends */
		{ "INVITE", 180, true, true, 5000, "7101 CANCEL" },	/* §9.1 */
		{ "INVITE", 0, true, true, 0, "7101 B" },		/* the CANCEL was never sent */
		{ "INVITE", 486, false, true, 0, "" },
		{ "INVITE", 486, false, false, 0, "7000 H" },		/* §17.2.1 */
		{ "INVITE", 200, false, true, 5000, "" },
		{ "MESSAGE", 0, false, false, 0, "7101 F" },		/* §17.1.2.2 */
		{ "MESSAGE", 100, false, false, 0, "7101 F" },
		{ "MESSAGE", 0, false, false, 5000, "7101 F" },		/* there is nobody else to ask */
		{ "MESSAGE", 200, false, false, 0, "" },
	};

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		world_up();
		tm_timers.first = row[i].first_ms;
		relayed(request(row[i].method, "c1"), 1, 0, 0, phone);
		if (row[i].status)
			answer(phone[0], row[i].status);
		if (row[i].cancel)
			come(request("CANCEL", "c1"), CALLER);
		for (int s = 0; s < 400; s++) {
			if (row[i].ack)
				come(request("ACK", "c1"), CALLER);
			pass(1000);
		}
		CHECK_STR(str_of(w.timeouts), row[i].told);
		world_ends_clean();
	}
}

TEST(an_unreachable_phone_counts_as_503_and_goes_up_as_500)	/* §16.9 */
{
	struct flow gone;

	world_up();
	gone = peer(FIRST_PHONE);
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	tm_unreachable(&gone);
	sent_to(CALLER, "SIP/2.0 500 ");
	tm_unreachable(&gone);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_request_that_did_not_leave_fails_its_branch_and_a_lost_answer_nothing)	/* §17.1.4; RFC 6026 §8.8 */
{
	const struct sent *up;
	struct flow        gone;

	world_up();
	gone = peer(FIRST_PHONE);
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	tm_undelivered(str_n(phone[0]->text, phone[0]->len), &gone);
	up = sent_to(CALLER, "SIP/2.0 500 ");
	tm_undelivered(str_n(up->text, up->len), &gone);
	tm_undelivered(STR("rubbish"), &gone);
	tm_undelivered(str_n(phone[0]->text, phone[0]->len), &gone);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* An answer to the INVITE of phone[0] that has our Via alone. */
static struct str with_our_via_only(char text[MOST_TEXT], const char *status_line)
{
	char *own = strstr(phone[0]->text, "Via: "), *other = strstr(own + 1, "Via: ");

	snprintf(text, MOST_TEXT, "SIP/2.0 %s\r\n%.*sFrom: <sip:alice@example.org>;tag=a1\r\nTo: <sip:bob@example.org>;tag=p\r\n"
		 "Call-ID: onevia\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n", status_line, (int)(other - own), own);
	return str_of(text);
}

/* Phones do that to an INVITE that was cancelled: they want their ACK (§17.1.1.3), and the caller an answer. */
TEST(a_refusal_with_our_via_alone_ends_its_branch)
{
	char text[MOST_TEXT];

	world_up();
	relayed(request("INVITE", "onevia"), 1, 0, 0, phone);
	CHECK_INT(come(with_our_via_only(text, "486 Busy Here"), FIRST_PHONE), CAME_ABSORBED);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 486 ");
	CHECK_INT(come(request("ACK", "onevia"), CALLER), CAME_ABSORBED);
	world_ends_clean();
}

/* §16.7 step 3: where no Via is left the answer is to nobody's request; it neither goes on nor ends anything. */
TEST(an_answer_without_the_callers_via_is_a_stray)
{
	char text[MOST_TEXT];

	world_up();
	relayed(request("INVITE", "onevia"), 1, 0, 0, phone);
	CHECK_INT(come(with_our_via_only(text, "200 OK"), FIRST_PHONE), CAME_UNKNOWN);
	CHECK(quiet());
	CHECK_INT(answer(phone[0], 200), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 OK");
	world_ends_clean();
}

/* A 2xx is passed on when it is repeated; if it never is, the caller gets an answer that is one. */
TEST(a_2xx_that_memory_does_not_suffice_for_is_waited_for)
{
	for (int repeated = 0; repeated < 2; repeated++) {
		struct arena       none;
		struct msg        *ok;
		struct flow        from = peer(FIRST_PHONE);
		char               room[MOST_TEXT];
		struct buf         out = buf_on(room, sizeof(room));

		world_up();
		relayed(request("INVITE", "scarce"), 1, 0, 0, phone);
		reply_write(parsed(str_n(phone[0]->text, phone[0]->len)), &(struct reply){ .status = 200, .to_tag = STR("p") }, &out);
		ok = parsed(buf_str(&out));
		arena_init(&none, NULL, 0, 0);
		w.c.arena = &none;
		CHECK(tm_response(&w.c, ok, &from));
		w.c.arena = &w.arena;
		pass(150);
		CHECK(quiet());
		if (repeated)
			CHECK_INT(answer(phone[0], 200), CAME_ABSORBED);
		else
			pass(64 * tm_timers.t1 + 1000);
		if (!repeated)
			sent_to(CALLER, "SIP/2.0 100 ");
		sent_to(CALLER, repeated ? "SIP/2.0 200 OK" : "SIP/2.0 500 ");
		arena_free(&none);
		world_ends_clean();
	}
}

TEST(answers_that_match_no_branch_are_strays)	/* §17.1.3 */
{
	static const char *const branches[] = {
		"z9hG4bKs0123456789abcdef.0", "z9hG4bKs0123456789abcdef", "z9hG4bKs.0", "z9hG4bKf0123456789abcdef.0",
		"z9hG4bKs0.100000000", "z9hG4bK-other", "x",
	};

	struct sent other;

	world_up();
	for (size_t i = 0; i < COUNT_OF(branches); i++) {
		struct str s = arena_printf(&w.arena,
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=%s\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\n"
			"Call-ID: c\r\nCSeq: 1 INVITE\r\n\r\n", branches[i]);

		CHECK_ROW(come(s, CALLER) == CAME_UNKNOWN, branches[i]);
	}
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	other = *phone[0];
	memcpy(strstr(other.text, "CSeq: 1 INVITE"), "CSeq: 1 UPDATE", 14);
	memcpy(other.text, "UPDATE", 6);
	CHECK_INT(answer(&other, 200), CAME_UNKNOWN);	/* the CSeq method differs */
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	CHECK(quiet());
	world_ends_clean();
}

/* --- CANCEL --- */

TEST(the_caller_cancels_a_ringing_phone)	/* §9.2, §16.10 */
{
	const struct sent *s;

	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	CHECK_INT(come(request("CANCEL", "c1"), CALLER), CAME_ABSORBED);
	s = sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	CHECK(has(s, "CSeq: 1 CANCEL\r\n"));
	s = sent_to(FIRST_PHONE, "CANCEL ");
	CHECK(quiet());
	CHECK(tm_is_cancelled(w.t));
	answer(s, 200);
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 487 ");
	CHECK_INT(come(request("CANCEL", "c1"), CALLER), CAME_ABSORBED);	/* again: answered again, nothing else */
	sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(cancel_waits_for_a_provisional_answer)	/* §9.1 */
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	CHECK(quiet());
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE + 1), ERR_STATE);
	answer(phone[0], 100);
	sent_to(FIRST_PHONE, "CANCEL ");
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	CHECK(quiet());
	pass(32 * 1000 + 20);	/* neither the CANCEL nor the INVITE is answered */
	w.n_seen = w.n_sent - 1;
	sent_to(CALLER, "SIP/2.0 487 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(cancel_crosses_a_200)	/* §9.1: then it has no effect */
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 7, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	sent_to(FIRST_PHONE, "CANCEL ");
	answer(phone[0], 200);
	CHECK(has(sent_to(CALLER, "SIP/2.0 200 OK\r\n"), "CSeq: 1 INVITE\r\n"));
	pass(10);
	CHECK_INT(w.outcomes, 1);
	CHECK(quiet());
	tm_release(w.t);
	world_ends_clean();
}

TEST(cancel_of_a_request_without_branches_is_answered_487_at_once)	/* §9.2 */
{
	static const struct reply ok = { .status = 200 };

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_park(w.t, 5, 10000);
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 OK\r\n");
	sent_to(CALLER, "SIP/2.0 487 ");
	tm_unpark(w.t);
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &ok), ERR_STATE);
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE), ERR_STATE);
	tm_release(w.t);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(cancel_of_nothing_is_unknown)
{
	world_up();
	CHECK_INT(come(request("CANCEL", "c1"), CALLER), CAME_UNKNOWN);
	CHECK(quiet());
	world_ends_clean();
}

TEST(the_reason_of_the_callers_cancel_travels_on)	/* RFC 3326 §2 */
{
	struct str cancel;

	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	cancel = arena_printf(&w.arena, STR_FMT "Reason: SIP;cause=480\r\n\r\n",
			      (int)request("CANCEL", "c1").len - 2, request("CANCEL", "c1").p);
	come(cancel, CALLER);
	sent_to(CALLER, "SIP/2.0 200 ");
	CHECK(has(sent_to(FIRST_PHONE, "CANCEL "), "Reason: SIP;cause=480\r\n"));
	answer(phone[0], 487);
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(who_has_cancelled_is_told_487_rather_than_busy)	/* §9.2 */
{
	world_up();
	relayed(request("INVITE", "c1"), 2, 0, 0, phone);
	answer(phone[0], 180);
	answer(phone[1], 180);
	come(request("CANCEL", "c1"), CALLER);
	answer(phone[0], 486);
	w.n_seen = w.n_sent;
	answer(phone[1], 487);
	sent_to(FIRST_PHONE + 1, "ACK ");
	sent_to(CALLER, "SIP/2.0 487 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(cancel_while_the_next_hop_is_being_looked_for)
{
	struct tm_outcome out;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_fork_begin(w.t);
	tm_wait(w.t, 5, 0);
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(CALLER, "SIP/2.0 487 ");
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE), ERR_STATE);
	tm_fork_end(w.t);
	tm_wait(w.t, 6, 0);	/* a wait for what has been is over at once */
	mailbox_read();
	CHECK_INT(w.outcomes, 2);
	tm_outcome(w.t, &w.arena, &out);
	CHECK(out.status == 487 && out.sent && out.cancelled);
	tm_release(w.t);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* The caller's CANCEL comes in while the branch is being written. */
static void build_and_cancel(void *arg, struct str branch_id, struct buf *out)
{
	build_branch(arg, branch_id, out);
	CHECK_INT(come(request("CANCEL", "c1"), CALLER), CAME_ABSORBED);
}

TEST(cancel_while_the_branch_is_being_built)
{
	struct build b;
	struct flow  to;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	b = (struct build){ parsed(request("INVITE", "c1")), FIRST_PHONE };
	to = peer(FIRST_PHONE);
	CHECK_INT(tm_fork(w.t, &w.c, &to, build_and_cancel, &b, msg_write_bound(b.m, 256)), ERR_STATE);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(CALLER, "SIP/2.0 487 ");
	tm_release(w.t);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(the_user_cancels_with_a_reason)	/* RFC 3326 */
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	tm_cancel_branches(w.t, &w.c, STR("SIP;cause=600;text=\"no more\""));
	CHECK(quiet());
	answer(phone[0], 180);
	CHECK(has(sent_to(FIRST_PHONE, "CANCEL "), "Reason: SIP;cause=600;text=\"no more\"\r\n"));
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 487 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* --- what the user says and sees --- */

TEST(the_user_answers_with_provisionals_first)
{
	static const struct reply trying = { .status = 100 }, early = { .status = 183 }, gone = { .status = 410 };

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	CHECK(str_starts(tm_request(w.t), STR("INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:7000;rport;")));
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &trying), OK);
	CHECK(!strstr(sent_to(CALLER, "SIP/2.0 100 ")->text, "example.org>;tag=\r\n"));
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &early), OK);
	CHECK(has(sent_to(CALLER, "SIP/2.0 183 Session Progress\r\n"), "To: <sip:bob@example.org>;tag="));
	pass(300);
	CHECK(quiet());
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 183 ");
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &gone), OK);
	sent_to(CALLER, "SIP/2.0 410 ");
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &early), ERR_STATE);
	come(request("ACK", "c1"), CALLER);
	tm_release(w.t);
	CHECK(quiet());
	world_ends_clean();
}

TEST(two_workers_begin_the_same_request)
{
	struct msg   *m;
	struct flow   from;
	struct trans *second = NULL;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	m = parsed(request("INVITE", "c1"));
	from = peer(CALLER);
	CHECK_INT(tm_create(&w.c, m, &from, &second), ERR_EXISTS);
	CHECK(!second);
	sent_to(CALLER, "SIP/2.0 100 ");
	tm_release(w.t);
	sent_to(CALLER, "SIP/2.0 500 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

static bool mark_passing(struct trans *t, struct msg *m, unsigned branch)
{
	CHECK(t == w.t || !w.t);
	CHECK_INT(msg_append(m, STR("X-Passed"), branch ? STR("1") : STR("0")), OK);
	return m->status != 183;
}

TEST(the_user_may_change_answers_on_their_way)
{
	static const struct tm_user user = { .outcome = world_outcome, .passing = mark_passing };

	world_up();
	tm_set_user(&user);
	relayed(request("INVITE", "c1"), 2, 0, 0, phone);
	answer(phone[1], 180);
	CHECK(has(sent_to(CALLER, "SIP/2.0 180 "), "X-Passed: 1\r\n"));
	answer(phone[1], 183);
	CHECK(quiet());		/* not passed on */
	answer(phone[1], 486);
	sent_to(FIRST_PHONE + 1, "ACK ");
	answer(phone[0], 500);
	sent_to(FIRST_PHONE, "ACK ");
	CHECK(has(sent_to(CALLER, "SIP/2.0 486 "), "X-Passed: 1\r\n"));
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* --- requests that are not INVITE --- */

TEST(a_message_is_relayed_and_its_answer_kept_for_repetitions)	/* figures 6 and 8 */
{
	struct str req;

	world_up();
	req = request("MESSAGE", "m1");
	relayed(req, 1, 0, 0, phone);
	run_leaves();
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	CHECK(quiet());		/* Trying: nothing to say yet */
	pass(500);
	sent_to(FIRST_PHONE, "MESSAGE ");
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	answer(phone[0], 200);
	CHECK(quiet());
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 ");
	pass(31 * 1000);
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 ");
	pass(1100);
	CHECK_INT(tm_alive(), 0);
	world_ends_clean();
}

TEST(a_message_that_nobody_answers_is_not_answered)	/* RFC 4320 §4.1, §4.2 */
{
	world_up();
	relayed(request("MESSAGE", "m1"), 1, 0, 0, phone);
	run_leaves();
	pass(500);
	sent_to(FIRST_PHONE, "MESSAGE ");
	answer(phone[0], 183);		/* nobody may send this, and we do not pass it on */
	pass(3010);
	sent_to(FIRST_PHONE, "MESSAGE ");	/* the interval under way ends as it began, then it is T2 */
	sent_to(CALLER, "SIP/2.0 100 ");	/* when the caller's Timer E has reached T2 */
	pass(30 * 1000);
	for (; w.n_seen < w.n_sent; w.n_seen++)
		CHECK_INT(w.sent[w.n_seen].port, FIRST_PHONE);
	CHECK_INT(tm_open(), 0);
	CHECK_INT(answer(phone[0], 200), CAME_ABSORBED);	/* late: not forwarded */
	pass(5000);
	CHECK_INT(tm_alive(), 0);
	CHECK_INT(answer(phone[0], 200), CAME_UNKNOWN);
	CHECK(quiet());
	world_ends_clean();
}

TEST(a_message_given_up_early_is_not_relayed_again)	/* §17.2.2, RFC 4320 §4.2 */
{
	struct str req;

	world_up();
	req = request("MESSAGE", "m1");
	relayed(req, 1, 9, 2000, phone);
	pass(2020);
	CHECK_INT(w.outcomes, 1);
	tm_release(w.t);
	sent_to(FIRST_PHONE, "MESSAGE ");
	sent_to(FIRST_PHONE, "MESSAGE ");
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	CHECK(quiet());
	answer(phone[0], 200);		/* the caller was told nothing, so it is not too late (§16.7 step 5) */
	sent_to(CALLER, "SIP/2.0 200 ");
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

TEST(a_408_to_a_message_is_told_to_the_script_alone)	/* RFC 4320 §4.2 */
{
	struct tm_outcome out;

	world_up();
	relayed(request("MESSAGE", "m1"), 1, 9, 0, phone);
	answer(phone[0], 408);
	pass(10);
	CHECK_INT(w.outcomes, 1);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 408);
	tm_release(w.t);
	run_leaves();
	CHECK(quiet());
	pass(37020);		/* Timer F of the caller, and what it sent last may have taken T4 */
	CHECK_INT(tm_alive(), 0);
	world_ends_clean();
}

/* --- runs that wait --- */

TEST(a_busy_answer_is_held_and_the_run_forks_again)	/* serial forking */
{
	struct tm_outcome out;
	struct str        req;

	world_up();
	req = request("INVITE", "c1");
	relayed(req, 1, 42, 0, phone);
	answer_with(phone[0], 486, "X-Held: yes\r\n");
	sent_to(FIRST_PHONE, "ACK ");
	CHECK(quiet());
	CHECK_INT(w.outcomes, 0);	/* a letter comes with the loop */
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	CHECK_INT(w.run, 42);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 486);
	CHECK_STR(out.reason, "Busy Here");
	CHECK(!out.sent && !out.cancelled && !out.timed_out);

	tm_fork_begin(w.t);
	tm_wait(w.t, 43, 0);
	CHECK_INT(try_branch(req, FIRST_PHONE + 1), OK);
	tm_fork_end(w.t);
	phone[1] = sent_to(FIRST_PHONE + 1, "INVITE ");
	answer(phone[1], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	mailbox_read();
	CHECK_INT(w.run, 43);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 200);
	CHECK_INT(out.branch, 1);
	CHECK(out.sent);
	tm_release(w.t);
	CHECK(quiet());
	world_ends_clean();
}

TEST(a_held_answer_is_sent_when_the_run_ends)
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	answer_with(phone[0], 486, "X-Held: yes\r\n");
	sent_to(FIRST_PHONE, "ACK ");
	mailbox_read();
	tm_release(w.t);
	CHECK(has(sent_to(CALLER, "SIP/2.0 486 "), "X-Held: yes\r\n"));
	tm_release(w.t);
	CHECK(quiet());
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_ABSORBED);
	CHECK(has(sent_to(CALLER, "SIP/2.0 486 "), "X-Held: yes\r\n"));
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_run_may_answer_otherwise_than_the_held_answer)
{
	static const struct reply r = { .status = 480, .headers = { .p = "X-Ours: 1\r\n", .len = 11 } };

	world_up();
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	mailbox_read();
	CHECK_INT(tm_reply(w.t, &w.c, parsed(request("INVITE", "c1")), &r), OK);
	CHECK(has(sent_to(CALLER, "SIP/2.0 480 "), "X-Ours: 1\r\n"));
	tm_release(w.t);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(relay_with_a_timeout_cancels_and_goes_on)
{
	struct tm_outcome  out;
	const struct sent *cancel;
	struct str         req;

	world_up();
	req = request("INVITE", "c1");
	relayed(req, 1, 42, 10000, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(9980);
	CHECK(quiet());
	pass(40);
	cancel = sent_to(FIRST_PHONE, "CANCEL ");
	CHECK_INT(w.outcomes, 1);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 408);
	CHECK(out.timed_out && !out.sent);

	tm_fork_begin(w.t);
	tm_wait(w.t, 43, 0);
	CHECK_INT(try_branch(req, FIRST_PHONE + 1), OK);
	tm_fork_end(w.t);
	phone[1] = sent_to(FIRST_PHONE + 1, "INVITE ");
	answer(cancel, 200);
	answer(phone[0], 180);		/* of a round that is over */
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK ");
	CHECK(quiet());
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	answer(phone[1], 404);
	sent_to(FIRST_PHONE + 1, "ACK ");
	mailbox_read();
	CHECK_INT(w.outcomes, 2);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 404);
	CHECK(!out.timed_out);
	tm_release(w.t);
	sent_to(CALLER, "SIP/2.0 404 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_late_200_after_the_timeout_still_goes_upstream)
{
	struct str req;

	world_up();
	req = request("INVITE", "c1");
	relayed(req, 1, 42, 10000, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(10020);
	sent_to(FIRST_PHONE, "CANCEL ");
	tm_fork_begin(w.t);
	tm_wait(w.t, 43, 0);
	CHECK_INT(try_branch(req, FIRST_PHONE + 1), OK);
	tm_fork_end(w.t);
	phone[1] = sent_to(FIRST_PHONE + 1, "INVITE ");
	answer(phone[1], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(FIRST_PHONE + 1, "CANCEL ");
	mailbox_read();
	CHECK_INT(w.outcomes, 2);
	tm_release(w.t);
	answer(phone[1], 487);
	sent_to(FIRST_PHONE + 1, "ACK ");
	CHECK(quiet());
	world_ends_clean();
}

TEST(a_200_goes_upstream_when_the_callers_transaction_is_over)	/* §16.7 step 9, RFC 6026 §8.9 */
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 42, 2000, phone);
	pass(2020);
	sent_to(CALLER, "SIP/2.0 100 ");
	sent_to(FIRST_PHONE, "INVITE ");
	sent_to(FIRST_PHONE, "INVITE ");
	CHECK_INT(w.outcomes, 1);
	tm_release(w.t);
	sent_to(CALLER, "SIP/2.0 408 ");
	come(request("ACK", "c1"), CALLER);
	pass(10 * 1000);		/* over after Timer I */
	w.n_seen = w.n_sent;
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	CHECK(quiet());
	world_ends_clean();
}

TEST(the_waiting_run_hears_of_the_callers_cancel)
{
	struct tm_outcome out;

	world_up();
	relayed(request("INVITE", "c1"), 1, 42, 30000, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(FIRST_PHONE, "CANCEL ");
	answer(phone[0], 487);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 487 ");
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	tm_outcome(w.t, &w.arena, &out);
	CHECK_INT(out.status, 487);
	CHECK(out.cancelled && out.sent);
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE), ERR_STATE);
	tm_release(w.t);
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(an_outcome_that_no_run_takes_is_sent)
{
	world_up();
	w.no_such_run = true;
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	mailbox_read();
	sent_to(CALLER, "SIP/2.0 486 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_quick_answer_does_not_end_a_fork_under_way)
{
	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_fork_begin(w.t);
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE), OK);
	phone[0] = sent_to(FIRST_PHONE, "INVITE ");
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	CHECK(quiet());
	CHECK_INT(try_branch(request("INVITE", "c1"), FIRST_PHONE + 1), OK);
	phone[1] = sent_to(FIRST_PHONE + 1, "INVITE ");
	tm_fork_end(w.t);
	CHECK(quiet());
	answer(phone[1], 404);
	sent_to(FIRST_PHONE + 1, "ACK ");
	sent_to(CALLER, "SIP/2.0 404 ");
	tm_release(w.t);
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(there_is_a_limit_to_branches)
{
	struct str req;

	world_up();
	req = request("INVITE", "c1");
	relayed(req, TM_MOST_BRANCHES, 1, 0, phone);
	CHECK_INT(try_branch(req, FIRST_PHONE), ERR_LIMIT);
	answer(phone[15], 200);
	w.n_seen = w.n_sent;
	tm_release(w.t);
	world_ends_clean();
}

TEST(a_parked_invite_is_answered_in_time)
{
	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_park(w.t, 5, 3000);
	pass(210);
	sent_to(CALLER, "SIP/2.0 100 ");
	pass(2780);
	CHECK(quiet());
	pass(30);
	sent_to(CALLER, "SIP/2.0 500 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(a_parked_message_is_forgotten_in_time)
{
	world_up();
	CHECK_INT(come(request("MESSAGE", "m1"), CALLER), CAME_NEW);
	tm_park(w.t, 5, 3000);
	pass(3020);
	CHECK(quiet());
	CHECK_INT(tm_open(), 0);
	CHECK_INT(tm_alive(), 1);	/* its run may come back yet */
	run_leaves();
	pass(20);
	CHECK_INT(tm_alive(), 0);
	world_ends_clean();
}

TEST(a_dropped_request_is_forgotten_and_a_held_answer_is_not)
{
	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_park(w.t, 5, 3000);
	tm_drop(w.t);
	tm_leave(w.t);
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_drop(w.t);
	tm_leave(w.t);
	pass(300);
	CHECK(quiet());
	CHECK_INT(tm_alive(), 0);
	relayed(request("INVITE", "c2"), 1, 5, 0, phone);
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	mailbox_read();
	tm_drop(w.t);
	sent_to(CALLER, "SIP/2.0 486 ");
	come(request("ACK", "c2"), CALLER);
	world_ends_clean();
}

TEST(a_forgotten_message_is_not_waited_for)
{
	world_up();
	CHECK_INT(come(request("MESSAGE", "m1"), CALLER), CAME_NEW);
	tm_park(w.t, 5, 3000);
	pass(3020);
	tm_fork_begin(w.t);
	tm_wait(w.t, 6, 0);
	CHECK_INT(try_branch(request("MESSAGE", "m1"), FIRST_PHONE), ERR_STATE);
	tm_fork_end(w.t);
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	CHECK_INT(w.run, 6);
	tm_release(w.t);
	CHECK(quiet());
	world_ends_clean();
}

TEST(a_relay_that_times_out_after_a_cancel_is_answered_487)
{
	struct tm_outcome out;

	world_up();
	relayed(request("INVITE", "c1"), 1, 5, 10000, phone);
	answer(phone[0], 180);
	come(request("CANCEL", "c1"), CALLER);
	pass(10020);		/* the phone is silent */
	w.n_seen = w.n_sent - 1;
	sent_to(CALLER, "SIP/2.0 487 ");
	CHECK_INT(w.outcomes, 1);
	tm_outcome(w.t, &w.arena, &out);
	CHECK(out.cancelled && out.sent && !out.timed_out);
	tm_release(w.t);
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

/* --- processes that die --- */

/* Slot 2 ran what `fn` left behind, and its process is dead now. */
static void died_in_slot_2(int (*fn)(void))
{
	CHECK_INT(in_another_worker(2, fn), 0);
	proc_get(2)->pid = 0;	/* the supervisor has seen it */
}

static int begin_and_die(void)
{
	return come(request("INVITE", "c1"), CALLER) == CAME_NEW ? 0 : 1;
}

TEST(a_request_whose_worker_died_starts_anew)
{
	world_up();
	died_in_slot_2(begin_and_die);
	CHECK_INT(tm_alive(), 1);
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	tm_release(w.t);
	run_leaves();
	sent_to(CALLER, "SIP/2.0 500 ");
	come(request("ACK", "c1"), CALLER);
	pass(100 * 1000);
	proc_enter(2, "worker 2");
	world_ends_clean();
}

static int park_and_die(void)
{
	if (come(request("INVITE", "c1"), CALLER) != CAME_NEW)
		return 1;
	tm_park(w.t, 5, 60000);
	return 0;
}

TEST(the_heir_forgets_a_parked_request_that_nobody_heard_of)
{
	world_up();
	died_in_slot_2(park_and_die);
	proc_enter(2, "worker 2");
	tm_adopt();
	pass(20);
	CHECK(quiet());
	world_ends_clean();
}

TEST(a_100_is_not_sent_for_a_run_that_is_dead)
{
	world_up();
	died_in_slot_2(park_and_die);
	proc_enter(2, "worker 2");
	pass(300);
	CHECK(quiet());
	CHECK_INT(tm_alive(), 0);
	world_ends_clean();
}

static int park_try_and_die(void)
{
	if (park_and_die())
		return 1;
	pass(300);
	return w.n_sent == 1 ? 0 : 2;
}

TEST(the_heir_answers_a_parked_invite_that_was_confirmed)
{
	world_up();
	died_in_slot_2(park_try_and_die);
	proc_enter(2, "worker 2");
	tm_adopt();
	sent_to(CALLER, "SIP/2.0 500 ");
	tm_adopt();
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

static int relay_and_die(void)
{
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	return 0;
}

/* What the child sent was its own memory: the branch as the phone would have it. */
static void find_branch(const char *call)
{
	CHECK_INT(come(request("INVITE", call), CALLER), CAME_ABSORBED);
	w.n_seen = w.n_sent;
	pass(500);
	phone[0] = sent_to(FIRST_PHONE, "INVITE ");
}

TEST(the_answer_for_a_dead_run_is_sent_upstream)
{
	world_up();
	died_in_slot_2(relay_and_die);
	proc_enter(2, "worker 2");	/* its timers go on here */
	find_branch("c1");
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 486 ");
	mailbox_read();
	CHECK_INT(w.outcomes, 0);
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

static int wait_for_outcome_and_die(void)
{
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	answer(phone[0], 486);	/* the letter is in the box, unread */
	return 0;
}

TEST(a_letter_to_a_dead_run_is_read_by_its_heir)
{
	for (int adopt_first = 0; adopt_first < 2; adopt_first++) {
		world_up();
		died_in_slot_2(wait_for_outcome_and_die);
		proc_enter(2, "worker 2");
		if (adopt_first)
			tm_adopt();
		mailbox_read();
		tm_adopt();
		sent_to(CALLER, "SIP/2.0 486 ");
		CHECK(quiet());
		CHECK_INT(w.outcomes, 0);
		come(request("ACK", "c1"), CALLER);
		world_ends_clean();
	}
}

static int hold_and_die(void)
{
	relayed(request("INVITE", "c1"), 1, 42, 0, phone);
	answer(phone[0], 486);
	mailbox_read();
	tm_park(w.t, 43, 20000);
	return w.outcomes == 1 ? 0 : 1;
}

TEST(what_a_dead_run_held_is_sent)
{
	world_up();
	died_in_slot_2(hold_and_die);
	proc_enter(2, "worker 2");
	tm_adopt();
	sent_to(CALLER, "SIP/2.0 486 ");
	CHECK(quiet());
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

static int relay_for_10_s_and_die(void)
{
	relayed(request("INVITE", "c1"), 1, 42, 10000, phone);
	return 0;
}

TEST(time_runs_out_for_a_run_that_is_dead)
{
	world_up();
	died_in_slot_2(relay_for_10_s_and_die);
	proc_enter(2, "worker 2");
	find_branch("c1");
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(10 * 1000);
	CHECK(quiet());		/* who set that time is gone */
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

static int fork_and_die(void)
{
	if (come(request("INVITE", "c1"), CALLER) != CAME_NEW)
		return 1;
	tm_fork_begin(w.t);
	return try_branch(request("INVITE", "c1"), FIRST_PHONE);
}

TEST(a_fork_that_its_worker_left_half_done_goes_on)
{
	world_up();
	died_in_slot_2(fork_and_die);
	proc_enter(2, "worker 2");
	find_branch("c1");
	answer(phone[0], 486);
	sent_to(FIRST_PHONE, "ACK ");
	sent_to(CALLER, "SIP/2.0 486 ");
	come(request("ACK", "c1"), CALLER);
	tm_adopt();
	pass(100 * 1000);
	world_ends_clean();
}

static int end_and_die(void)
{
	if (come(request("INVITE", "c1"), CALLER) != CAME_NEW || tm_reply(w.t, &w.c, NULL, &(struct reply){ .status = 486 }))
		return 1;
	tm_release(w.t);
	return 0;
}

TEST(a_dead_run_that_had_said_all_does_not_keep_its_transaction)
{
	world_up();
	died_in_slot_2(end_and_die);
	pass(100 * 1000);
	CHECK_INT(tm_alive(), 1);
	proc_enter(2, "worker 2");
	tm_adopt();
	world_ends_clean();
}

static bool die_passing(struct trans *t, struct msg *m, unsigned branch)
{
	(void)t, (void)m, (void)branch;
	_exit(0);
}

static int answer_and_die(void)
{
	static const struct tm_user user = { .passing = die_passing };

	tm_set_user(&user);
	answer(phone[0], 180);
	return 1;
}

static void die_sending(const struct flow *to, struct str bytes)
{
	(void)to, (void)bytes;
	_exit(0);
}

static int try_and_die(void)
{
	if (come(request("INVITE", "c2"), CALLER) != CAME_NEW)
		return 1;
	net_replace(die_sending);
	pass(2000);
	return 1;
}

TEST(what_a_worker_had_in_hand_when_it_died_is_given_back)
{
	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	died_in_slot_2(answer_and_die);		/* it had found the transaction */
	died_in_slot_2(try_and_die);		/* its timer was firing */
	proc_enter(2, "worker 2");
	hand_adopt();
	tm_adopt();
	pass(100 * 1000);
	proc_switch(1);
	world_ends_clean();
}

/* Calls of all kinds, for ever: the process will be killed somewhere on the way. */
static __attribute__((noreturn)) void call_until_killed(void)
{
	for (unsigned i = 0;; i++) {
		char       call[16];
		struct str req;

		snprintf(call, sizeof(call), "k%u-%u", (unsigned)getpid(), i);
		arena_reset(&w.arena);
		w.n_sent = w.n_seen = 0;
		req = request(i % 5 ? "INVITE" : "MESSAGE", call);
		relayed(req, 1 + i % 3, i % 2 ? i : 0, 5000, phone);
		come(req, CALLER);
		answer(phone[0], 180);
		if (i % 7 == 0)
			come(request("CANCEL", call), CALLER);
		answer(phone[0], i % 3 ? 200 : 486);
		pass(250);
		mailbox_read();
		if (i % 2)
			tm_release(w.t);
		come(request("ACK", call), CALLER);
		tm_leave(w.t);
	}
}

static int64_t counted(const char *name)
{
	for (size_t i = 0; counter_at(i); i++)
		if (!strcmp(counter_at(i)->name, name))
			return counter_read(counter_at(i));
	return -1;
}

static void killed_after(unsigned us)
{
	pid_t pid = fork();

	if (!pid) {
		proc_enter(2, "worker 2");
		call_until_killed();
	}
	CHECK(pid > 0);
	usleep(us);
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

TEST(a_kill_at_any_instant_leaves_no_transaction_behind)
{
	unsigned survived = 0;

	for (unsigned i = 0; i < 60; i++) {
		world_up();
		killed_after(2000 + 377 * i);
		if (proc_died_clean(2)) {	/* else the supervisor rebuilds shared memory, see design.md */
			survived++;
			proc_enter(2, "worker 2");
			w.ms += 600 * 1000;	/* the child's clock was ahead */
			clock_tick();
			hand_adopt();
			timer_adopt();
			tm_adopt();
			mailbox_read();
			for (int s = 0; s < 300; s++) {
				w.n_sent = w.n_seen = 0;
				pass(1000);
			}
			CHECK_INT(tm_alive(), 0);
			CHECK_INT(timer_count(), 0);
			CHECK_INT(tm_bytes(), w.bytes_before);
		}
		world_down();
	}
	print_message("tm: %u of 60 kills outside of critical sections, in %llu calls\n", survived, (unsigned long long)counted("tm.begun"));
	CHECK(survived > 20);
}

/* --- processes at once --- */

enum { CALLS = 16, BLOWS = 1500 };

static struct {
	struct sent phone[2];
	char        call[8];
} calls[CALLS];

static void any_event(void)
{
	static const uint16_t codes[] = { 100, 180, 183, 200, 302, 486, 503, 603 };
	unsigned              k = random_below(CALLS);

	arena_reset(&w.arena);
	w.n_sent = w.n_seen = 0;
	switch (random_below(10)) {
	case 0:
		come(request("INVITE", calls[k].call), CALLER);
		break;
	case 1:
		come(request("ACK", calls[k].call), CALLER);
		break;
	case 2:
		if (!random_below(4))
			come(request("CANCEL", calls[k].call), CALLER);
		break;
	case 3:
		pass(100);
		break;
	default:
		answer(&calls[k].phone[random_below(2)], codes[random_below(COUNT_OF(codes))]);
	}
}

static pid_t worker_at_random(unsigned slot)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	proc_enter(slot, "worker");
	random_seed(slot);
	for (unsigned i = 0; i < BLOWS; i++)
		any_event();
	_exit(0);
}

static void begin_calls(void)
{
	for (unsigned k = 0; k < CALLS; k++) {
		snprintf(calls[k].call, sizeof(calls[k].call), "r%u", k);
		relayed(request("INVITE", calls[k].call), 2, 0, 0, phone);
		calls[k].phone[0] = *phone[0];
		calls[k].phone[1] = *phone[1];
		tm_leave(w.t);
		w.t = NULL;
	}
}

TEST(workers_that_handle_the_same_calls_at_once_lose_nothing)
{
	pid_t pid[2];
	int   status;

	world_up();
	begin_calls();
	for (unsigned i = 0; i < 2; i++)
		CHECK((pid[i] = worker_at_random(2 + i)) > 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_INT(waitpid(pid[i], &status, 0), pid[i]);
		CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	}
	for (unsigned turn = 0; turn < 9; turn++) {	/* the timers of all three wheels */
		proc_enter(1 + turn % 3, "worker");
		for (int s = 0; s < 200; s++) {
			w.n_sent = w.n_seen = 0;
			pass(1000);
		}
	}
	world_ends_clean();
}

/* --- memory --- */

/* One call with two phones, as far as memory goes; false when it could not begin. The caller must get a final answer in any case. */
static bool whole_call(unsigned fail_after)
{
	struct str req = request("INVITE", "c1");
	unsigned   n = 0;

	shm_fail_after(fail_after);
	if (come(req, CALLER) != CAME_NEW) {
		shm_fail_after(0);
		return false;
	}
	tm_fork_begin(w.t);
	for (unsigned i = 0; i < 2; i++)
		if (!try_branch(req, (uint16_t)(FIRST_PHONE + i)))
			phone[n++] = sent_to((uint16_t)(FIRST_PHONE + i), "INVITE ");
	tm_fork_end(w.t);
	for (unsigned i = 0; i < n; i++)
		answer(phone[i], 180);
	for (unsigned i = 0; i < n; i++)
		answer_with(phone[i], 401, i ? "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n"
					     : "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n");
	for (unsigned i = 0; i < n; i++)
		answer(phone[i], 401);
	tm_release(w.t);
	CHECK_INT(come(req, CALLER), CAME_ABSORBED);
	CHECK(!strncmp(w.sent[w.n_sent - 1].text, n ? "SIP/2.0 401" : "SIP/2.0 500", 11));
	come(request("ACK", "c1"), CALLER);
	shm_fail_after(0);
	return true;
}

TEST(no_allocation_failure_leaks_or_leaves_the_caller_alone)
{
	unsigned begun = 0;

	for (unsigned n = 1; n <= 24; n++) {
		world_up();
		begun += whole_call(n);
		world_ends_clean();
	}
	CHECK(begun > 20);
}

static struct tm_notes *notes_new(const char *text)
{
	struct tm_notes *n = shm_alloc(shm_owner_new("tm"), sizeof(*n) + strlen(text));

	CHECK(n);
	n->len = (uint32_t)strlen(text);
	memcpy(n->bytes, text, n->len);
	return n;
}

/* *version as it was seen before. */
static struct str notes_of(struct trans *t, uint32_t *version)
{
	struct str s;

	CHECK(!tm_notes(t, &w.arena, version, &s));
	return s;
}

TEST(notes_are_seen_by_all_and_end_with_the_transaction)
{
	struct tm_notes *n;
	uint32_t         ours = 0, theirs = 0, late = 0;
	struct str       s;

	world_up();
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	CHECK(!notes_of(w.t, &ours).p);
	n = notes_new("one");
	CHECK(tm_swap_notes(w.t, &n, &ours) && !n);
	CHECK(!notes_of(w.t, &ours).p);		/* our own are not new */
	proc_enter(2, "worker 2");
	CHECK_STR(notes_of(w.t, &theirs), "one");
	n = notes_new("two");
	CHECK(tm_swap_notes(w.t, &n, &theirs) && n);
	shm_free(n);
	proc_switch(1);
	n = notes_new("lost");
	CHECK(!tm_swap_notes(w.t, &n, &ours));	/* others were quicker */
	CHECK_STR(notes_of(w.t, &ours), "two");
	CHECK(tm_swap_notes(w.t, &n, &ours));
	shm_free(n);
	n = notes_new("");
	CHECK(tm_swap_notes(w.t, &n, &ours));
	shm_free(n);
	s = notes_of(w.t, &theirs);
	CHECK(s.p && !s.len);
	arena_reset(&w.arena);
	w.arena.limit_bytes = 1;
	CHECK(tm_notes(w.t, &w.arena, &late, &s) == OK || late == 0);
	w.arena.limit_bytes = MB;
	tm_release(w.t);
	sent_to(CALLER, "SIP/2.0 500 ");
	come(request("ACK", "c1"), CALLER);
	world_ends_clean();
}

TEST(what_lingers_is_small)
{
	uint64_t ringing, lingering;

	world_up();
	relayed(request("INVITE", "c1"), 1, 0, 0, phone);
	answer(phone[0], 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	ringing = tm_bytes() - w.bytes_before;
	answer(phone[0], 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	lingering = tm_bytes() - w.bytes_before;
	print_message("tm: %llu bytes ringing, %llu lingering\n", (unsigned long long)ringing, (unsigned long long)lingering);
	CHECK(ringing < 3000);
	CHECK(lingering < 1700);
	CHECK_INT(timer_count(), 1);
	world_ends_clean();
}
