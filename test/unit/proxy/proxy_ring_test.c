/* Groups of targets that ring one after the other (RFC 3261 §16.6), and contacts of a 3xx (§16.7 step 4). */
#include "proxy_world.h"

#include <sys/wait.h>
#include <unistd.h>

enum { RING_MS = 10000 };

static struct ring_policy policy;
static bool               waits;

static void relay_by(struct request *r)
{
	struct relay_opts opts = { .wait = waits, .run = 9, .timeout_ms = 0 };

	request_relay(r, &opts, waits ? keep_cb : relay_done_cb, r);
}

/* Three phones: 3 and 4 with q 0.9, 5 with 0.5. */
static void script_three(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.5:5080"), .q = 500 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 900 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.4:5080"), .q = 900 }));
	relay_by(r);
}

static void begin(enum ring ring, bool recurse)
{
	world_begin();
	policy = (struct ring_policy){ .ring = ring, .ring_ms = RING_MS, .recurse = recurse, .most_recursions = 2 };
	proxy_set_ring(&policy);
	waits = false;
	w.script = script_three;
}

static void end(void)
{
	if (w.kept) {
		tm_release(w.kept->t);
		request_done(w.kept);
	}
	pass(400000);
	CHECK_INT(tm_alive(), 0);
	proxy_set_ring(NULL);
	world_end();
}

static void call(void)
{
	receive(REQUEST("INVITE", "sip:b@example.org", "<sip:b@y>", ""));
}

/* The only message of that kind that has been sent to that phone; fails where there is none. */
static size_t invite_to(char phone)
{
	char text[64];

	snprintf(text, sizeof(text), "INVITE sip:b@127.0.0.%c:5080", phone);
	for (size_t i = 0; i < w.sent; i++)
		if (str_starts(w.bytes[i], str_of(text)))
			return i;
	return MOST_SENT;
}

static bool rings(char phone)
{
	return invite_to(phone) < MOST_SENT;
}

TEST(the_first_group_by_policy)
{
	static const struct { enum ring ring; bool three, four, five; } rows[] = {
		{ RING_PARALLEL, true, true, true }, { RING_SERIAL, true, true, false }, { RING_HUNT, true, false, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(rows[i].ring, false);
		call();
		CHECK(rings('3') == rows[i].three && rings('4') == rows[i].four && rings('5') == rows[i].five);
		end();
	}
}

TEST(the_next_group_rings_when_all_of_the_first_have_refused)
{
	begin(RING_SERIAL, false);
	call();
	answer(invite_to('3'), 486, "b3");
	CHECK(!rings('5'));
	answer(invite_to('4'), 404, "b4");
	CHECK(rings('5'));
	CHECK_INT(w.outcomes, 0);
	answer(invite_to('5'), 200, "b5");
	CHECK(any_sent_has("SIP/2.0 200 OK") && !any_sent_has("SIP/2.0 486"));
	CHECK_INT(w.outcomes, 1);
	end();
}

TEST(the_next_group_rings_when_the_first_has_rung_for_its_time)
{
	begin(RING_HUNT, false);
	call();
	answer(invite_to('3'), 180, "b3");
	pass(RING_MS - 100);
	CHECK(!rings('4'));
	pass(200);
	CHECK(rings('4') && any_sent_has("CANCEL sip:b@127.0.0.3:5080"));
	answer(invite_to('3'), 487, "b3");
	answer(invite_to('4'), 200, "b4");
	CHECK(any_sent_has("SIP/2.0 200 OK") && !rings('5'));
	end();
}

/* §16.7 step 6: one response context for all groups. */
TEST(the_best_answer_of_all_groups_goes_to_the_caller)
{
	static const struct { const char *name; uint16_t first, second, third; const char *best; } rows[] = {
		{ "the lowest of a class", 486, 480, 404, "SIP/2.0 404 " },
		{ "the first group's", 404, 486, 480, "SIP/2.0 404 " },
		{ "a challenge before others", 486, 407, 404, "SIP/2.0 407 " },
		{ "silence is 408 and tells the least", 486, 0, 0, "SIP/2.0 486 " },
		{ "silence everywhere", 0, 0, 0, "SIP/2.0 408 " },
		{ "503 is 500 upstream", 503, 503, 503, "SIP/2.0 500 " },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const uint16_t status[] = { rows[i].first, rows[i].second, rows[i].third };

		begin(RING_HUNT, false);
		call();
		for (size_t k = 0; k < 3; k++) {
			size_t to = invite_to((char)('3' + k));

			CHECK_ROW(to < MOST_SENT, rows[i].name);
			answer(to, status[k] ? status[k] : 180, "b");
			if (!status[k])
				pass(RING_MS + 100);
			if (!status[k])
				answer(to, 487, "b");
		}
		CHECK_ROW(any_sent_has(rows[i].best), rows[i].name);
		CHECK_INT(w.outcomes, 1);
		end();
	}
}

/* §16.7 step 5 */
TEST(nothing_more_rings_after_a_6xx_or_when_the_caller_gives_up)
{
	begin(RING_HUNT, false);
	call();
	answer(invite_to('3'), 603, "b3");
	CHECK(any_sent_has("SIP/2.0 603 ") && !rings('4'));
	end();
	begin(RING_HUNT, false);
	call();
	answer(invite_to('3'), 180, "b3");
	receive(REQUEST("CANCEL", "sip:b@example.org", "<sip:b@y>", ""));
	CHECK(any_sent_has("CANCEL sip:b@127.0.0.3"));
	answer(invite_to('3'), 487, "b3");
	CHECK(any_sent_has("SIP/2.0 487 ") && !rings('4'));
	end();
}

TEST(a_run_that_waits_is_told_when_the_last_group_has_ended)
{
	begin(RING_HUNT, false);
	waits = true;
	call();
	answer(invite_to('3'), 486, "b3");
	answer(invite_to('4'), 486, "b4");
	CHECK_INT(w.outcomes, 0);
	answer(invite_to('5'), 480, "b5");
	CHECK_INT(w.outcomes, 1);
	CHECK_INT(w.outcome.status, 480);
	CHECK(!w.outcome.sent && !any_sent_has("SIP/2.0 4"));
	end();
}

/* Which phone rings first for call number i; it refuses for all. */
static char first_of(unsigned i, const char *ruri)
{
	char text[1024], phone;

	snprintf(text, sizeof(text), "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@y>\r\nCall-ID: c%u\r\nCSeq: 1 INVITE\r\n\r\n", ruri, i, i);
	w.sent = 0;
	receive(text);
	CHECK(rings('3') + rings('4') + rings('5') == 1);
	phone = rings('3') ? '3' : rings('4') ? '4' : '5';
	answer(invite_to(phone), 603, "b");
	return phone;
}

TEST(round_robin_begins_with_another_phone_each_time)
{
	char first[4] = "";

	begin(RING_ROUND_ROBIN, false);
	for (unsigned i = 0; i < 3; i++)
		first[i] = first_of(i, "sip:b@example.org");
	CHECK(strchr(first, '3') && strchr(first, '4') && strchr(first, '5'));
	CHECK_INT(first_of(3, "sip:b@example.org"), first[0]);
	CHECK_INT(first_of(4, "sip:c@example.org"), '3');	/* another user's phones have turns of their own */
	CHECK_INT(first_of(5, "sip:b@example.org"), first[1]);
	end();
}

/* What one worker has counted all have: the calls of one phone line may reach any of them. */
TEST(the_turns_of_round_robin_are_counted_by_all_workers_together)
{
	int status;

	begin(RING_ROUND_ROBIN, false);
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid) {
			proc_enter(2, "worker 2");
			_exit(first_of(i, "sip:b@example.org"));
		}
		CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		CHECK_INT(WEXITSTATUS(status), '3' + (int)i);
	}
	CHECK_INT(first_of(3, "sip:b@example.org"), '3');
	pass(400000);
	proxy_set_ring(NULL);
	world_end();
}

/* The second joins after five seconds, the third after eight. */
static void script_later(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.5:5080"), .q = 1000, .after_ms = 8000 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 100 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.4:5080"), .q = 1000, .after_ms = 5000 }));
	relay_by(r);
}

static void pass_with(struct loop *l, uint64_t ms)
{
	for (uint64_t end = w.ms + ms; w.ms < end;) {
		pass(100);
		loop_turn(l, 0);
	}
}

TEST(targets_join_a_call_that_rings)
{
	static const struct { const char *name; uint16_t first, second; bool four, five, last; const char *reply; } rows[] = {
		{ "all ring together in the end", 0, 0, true, true, true, "SIP/2.0 200 " },
		{ "who refuses at once makes room at once", 486, 0, true, true, true, "SIP/2.0 200 " },
		{ "who answers ends it", 200, 0, false, false, false, "SIP/2.0 200 " },
		{ "who answers when two ring ends it too", 0, 200, true, false, false, "SIP/2.0 200 " },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct loop *l;

		begin(RING_PARALLEL, false);
		l = loop_new();
		CHECK(l);
		proxy_worker_start(l);
		w.script = script_later;
		call();
		CHECK_ROW(rings('3') && !rings('4') && !rings('5'), rows[i].name);
		answer(invite_to('3'), rows[i].first ? rows[i].first : 180, "b3");
		CHECK_ROW(rings('4') == (rows[i].first == 486), rows[i].name);
		if (rings('4'))
			answer(invite_to('4'), 180, "b4");
		pass_with(l, 5200);
		CHECK_ROW(rings('4') == rows[i].four && !rings('5') && !any_sent_has("CANCEL"), rows[i].name);
		if (rings('4'))
			answer(invite_to('4'), rows[i].second ? rows[i].second : 180, "b4");
		pass_with(l, 3000);
		CHECK_ROW(rings('5') == rows[i].five, rows[i].name);
		if (rows[i].last)
			answer(invite_to('5'), 200, "b5");
		CHECK_ROW(any_sent_has(rows[i].reply), rows[i].name);
		CHECK_INT(w.outcomes, 1);
		end();
		proxy_worker_start(NULL);
		loop_free(l);
	}
}

/* A worker that dies takes the rest of the hunt with it, not the call. */
TEST(without_its_worker_the_group_that_rings_goes_on)
{
	begin(RING_HUNT, false);
	call();
	answer(invite_to('3'), 180, "b3");
	proc_enter(1, "worker 1");
	tm_adopt();
	answer(invite_to('3'), 486, "b3");
	CHECK(any_sent_has("SIP/2.0 486 "));
	pass(400000);
	CHECK_INT(tm_alive(), 0);
	proxy_set_ring(NULL);
	world_end();
}

/* --- 3xx --- */

static void moved(size_t i, const char *contacts)
{
	answer_with(i, 302, "m", contacts);
}

static void script_one(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.3:5080"), .q = 1000 }));
	relay_by(r);
}

TEST(contacts_of_a_3xx_ring_where_that_is_wanted)
{
	static const struct { const char *name, *contacts; bool recurse, four, five; const char *reply; } rows[] = {
		{ "off: the caller's affair", "Contact: <sip:b@127.0.0.4:5080>\r\n", false, false, false, "SIP/2.0 302 " },
		{ "on", "Contact: <sip:b@127.0.0.4:5080>\r\n", true, true, false, NULL },
		{ "two of them at once", "Contact: <sip:b@127.0.0.4:5080>, <sip:b@127.0.0.5:5080>;q=0.1\r\n", true, true, true, NULL },
		{ "§8.1.3.4: not what has been tried", "Contact: <sip:b@127.0.0.3:5080>\r\n", true, false, false, "SIP/2.0 302 " },
		{ "other schemes are not for us", "Contact: <mailto:b@example.org>\r\n", true, false, false, "SIP/2.0 302 " },
		{ "none", "", true, false, false, "SIP/2.0 302 " },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(RING_PARALLEL, rows[i].recurse);
		w.script = script_one;
		call();
		moved(invite_to('3'), rows[i].contacts);
		CHECK_ROW(rings('4') == rows[i].four && rings('5') == rows[i].five, rows[i].name);
		CHECK_ROW(!rows[i].reply || any_sent_has(rows[i].reply), rows[i].name);
		if (rows[i].four) {
			CHECK_ROW(!any_sent_has("SIP/2.0 302"), rows[i].name);
			answer(invite_to('4'), 200, "b4");
			CHECK_ROW(any_sent_has("SIP/2.0 200 OK"), rows[i].name);
		}
		end();
	}
}

/* §16.7 step 6: "combining Contact values" */
TEST(the_contacts_of_all_redirects_of_a_group_ring)
{
	static const char *const contacts[] = { "Contact: <sip:b@127.0.0.6:5080>\r\n", "m: <sip:b@127.0.0.7:5080>;q=0.3, <sip:b@127.0.0.6:5080>\r\n" };

	for (int recurse = 0; recurse < 2; recurse++) {
		begin(RING_PARALLEL, recurse);
		call();
		answer(invite_to('5'), 486, "b5");
		moved(invite_to('3'), contacts[0]);
		CHECK(!rings('6'));
		moved(invite_to('4'), contacts[1]);
		CHECK(rings('6') == recurse && rings('7') == recurse);
		CHECK(any_sent_has("SIP/2.0 302 ") == !recurse);
		for (size_t i = 0; i < w.sent && !recurse; i++)
			if (str_starts(w.bytes[i], STR("SIP/2.0 302 ")))
				CHECK(sent_has(i, "<sip:b@127.0.0.6:5080>") && sent_has(i, "<sip:b@127.0.0.7:5080>;q=0.3"));
		end();
	}
}

TEST(recursion_has_an_end)
{
	begin(RING_PARALLEL, true);	/* at most two */
	w.script = script_one;
	call();
	moved(invite_to('3'), "Contact: <sip:b@127.0.0.4:5080>\r\n");
	moved(invite_to('4'), "Contact: <sip:b@127.0.0.5:5080>\r\n");
	CHECK(rings('5'));
	moved(invite_to('5'), "Contact: <sip:b@127.0.0.6:5080>\r\n");
	CHECK(!rings('6') && any_sent_has("SIP/2.0 302 "));
	end();
}
