/* core/tm: the addresses of one branch, tried one after the other (RFC 3263 §4.3), and those that are avoided since they have failed. */
#include "tm_world.h"

#include <sys/wait.h>
#include <unistd.h>

#include "net/avoid.h"

enum { A1 = 7201, A2, A3 };	/* ports of the servers behind one name */

static const struct listener *tcp;

static void up(void)
{
	world_up();
	CHECK_INT(avoid_boot(), OK);
	w.bytes_before = tm_bytes();
}

/* A new request, relayed to n servers of one name. What the first one was sent. */
static const struct sent *relayed_to(struct str req, unsigned n, uint32_t run, uint16_t first)
{
	struct build b = { parsed(req), A1 };
	struct flow  to[TM_MOST_HOPS];

	for (unsigned i = 0; i < n; i++)
		to[i] = peer((uint16_t)(A1 + i));
	CHECK_INT(come(req, CALLER), CAME_NEW);
	tm_fork_begin(w.t);
	if (run)
		tm_wait(w.t, run, 0);
	CHECK_INT(tm_fork_any(w.t, &w.c, to, n, build_branch, &b, msg_write_bound(b.m, 256)), OK);
	tm_fork_end(w.t);
	if (!run)
		tm_release(w.t);
	return sent_to(first, b.m->method == M_INVITE ? "INVITE sip:bob@" : "MESSAGE sip:bob@");
}

/* The next request sent, whatever else was before it. */
static const struct sent *next_request(uint16_t port, const char *method)
{
	while (w.n_seen < w.n_sent && (w.sent[w.n_seen].port != port || strncmp(w.sent[w.n_seen].text, method, strlen(method))))
		w.n_seen++;
	return sent_to(port, method);
}

static void skip_all(void)
{
	w.n_seen = w.n_sent;
}

static struct str branch_of(const struct sent *s)
{
	struct str t = str_n(s->text, s->len);

	t = str_from(t, (size_t)str_find_str(t, STR(";branch=")) + 8);
	return str_take_until(&t, '\r');
}

/* Same but for the topmost Via? */
static bool same_request(const struct sent *a, const struct sent *b)
{
	struct str x = str_n(a->text, a->len), y = str_n(b->text, b->len), line = str_take_until(&x, '\n');

	if (!str_eq(line, str_take_until(&y, '\n')))
		return false;
	str_take_until(&x, '\n');
	str_take_until(&y, '\n');
	return str_eq(x, y) && !str_eq(branch_of(a), branch_of(b));
}

static const struct counter *unreachable_counter(void)
{
	for (size_t i = 0; counter_at(i); i++)
		if (!strcmp(counter_at(i)->name, "tm.unreachable"))
			return counter_at(i);
	return NULL;
}

static void hang_up(void)
{
	come(request("ACK", "c1"), CALLER);
	skip_all();
}

TEST(a_silent_address_is_left_for_the_next_one)	/* §4.3: a new transaction, the same request */
{
	const struct sent *first, *second;

	up();
	first = relayed_to(request("INVITE", "c1"), 2, 0, A1);
	pass(4980);
	next_request(A1, "INVITE ");		/* Timer A meanwhile */
	skip_all();
	pass(40);
	second = sent_to(A2, "INVITE ");
	CHECK(same_request(first, second));
	answer(second, 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	pass(30000);
	CHECK(quiet());				/* nothing more to the dead one, nor to the caller */
	CHECK_STR(str_of(w.timeouts), "7201 branch_timeout+");
	answer(second, 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

TEST(who_was_given_up_and_rings_after_all_is_cancelled)
{
	const struct sent *first, *second;

	up();
	first = relayed_to(request("INVITE", "c1"), 2, 0, A1);
	pass(5020);
	second = next_request(A2, "INVITE ");
	answer(first, 180);
	sent_to(A1, "CANCEL ");			/* and no 180 to the caller */
	answer(second, 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(first, 487);
	sent_to(A1, "ACK ");
	CHECK(quiet());
	answer(second, 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

TEST(a_2xx_of_who_was_given_up_still_counts)	/* §16.7 step 5 */
{
	const struct sent *first, *second;

	up();
	first = relayed_to(request("INVITE", "c1"), 2, 0, A1);
	pass(5020);
	second = next_request(A2, "INVITE ");
	answer(second, 180);
	sent_to(CALLER, "SIP/2.0 180 ");
	answer(first, 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	sent_to(A2, "CANCEL ");
	answer(second, 487);
	sent_to(A2, "ACK ");
	world_ends_clean();
}

TEST(icmp_leads_to_the_next_address_at_once)
{
	const struct sent *second;
	struct flow        gone;

	up();
	relayed_to(request("INVITE", "c1"), 2, 0, A1);
	gone = peer(A1);
	tm_unreachable(&gone);
	second = sent_to(A2, "INVITE ");
	tm_unreachable(&gone);			/* told again */
	CHECK(quiet());
	answer(second, 486);
	sent_to(A2, "ACK ");
	sent_to(CALLER, "SIP/2.0 486 ");
	hang_up();
	world_ends_clean();
}

TEST(a_503_leads_to_the_next_address)
{
	static const char *const methods[] = { "INVITE", "MESSAGE" };

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		const struct sent *first, *second;

		up();
		first = relayed_to(request(methods[i], "c1"), 3, 0, A1);
		answer(first, 503);
		if (!i)
			sent_to(A1, "ACK ");
		second = sent_to(A2, methods[i]);
		answer(first, 503);		/* its repetition */
		if (!i)
			sent_to(A1, "ACK ");
		CHECK(quiet());
		answer(second, 200);
		sent_to(CALLER, "SIP/2.0 200 ");
		world_ends_clean();
	}
}

TEST(the_outcome_is_that_of_the_last_address)
{
	static const struct { uint16_t last; const char *up; } rows[] = {
		{ 503, "SIP/2.0 500 " /* §16.7 step 6 */ }, { 486, "SIP/2.0 486 " }, { 0, "SIP/2.0 408 " }, { 1, "SIP/2.0 500 " /* ICMP: §16.9 */ },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct sent *s;
		struct flow        gone;

		up();
		s = relayed_to(request("INVITE", "c1"), 3, 0, A1);
		answer(s, 503);
		sent_to(A1, "ACK ");
		s = sent_to(A2, "INVITE ");
		pass(5020);
		s = next_request(A3, "INVITE ");
		if (rows[i].last > 1)
			answer(s, rows[i].last);
		gone = peer(A3);
		if (rows[i].last == 1)
			tm_unreachable(&gone);
		else if (!rows[i].last)
			pass(5020);
		while (w.n_seen < w.n_sent && w.sent[w.n_seen].port != CALLER)
			w.n_seen++;
		sent_to(CALLER, rows[i].up);
		hang_up();
		world_ends_clean();
	}
}

TEST(a_waiting_run_hears_of_the_branch_when_all_its_addresses_have_failed)
{
	struct tm_outcome  out;
	const struct sent *s;

	up();
	s = relayed_to(request("INVITE", "c1"), 2, 7, A1);
	answer(s, 503);
	mailbox_read();
	CHECK_INT(w.outcomes, 0);
	sent_to(A1, "ACK ");
	s = sent_to(A2, "INVITE ");
	answer(s, 503);
	mailbox_read();
	CHECK_INT(w.outcomes, 1);
	tm_outcome(w.t, &w.arena, &out);
	CHECK(out.status == 503 && out.branch == 0 && !out.sent);
	tm_release(w.t);
	hang_up();
	world_ends_clean();
}

TEST(cancel_ends_the_search)	/* §9.2 */
{
	up();
	relayed_to(request("INVITE", "c1"), 3, 0, A1);
	pass(5020);
	next_request(A2, "INVITE ");
	CHECK_INT(come(request("CANCEL", "c1"), CALLER), CAME_ABSORBED);
	sent_to(CALLER, "SIP/2.0 200 ");
	pass(4950);
	next_request(A2, "INVITE ");
	skip_all();
	pass(40);
	sent_to(CALLER, "SIP/2.0 487 ");	/* and nothing to the third */
	hang_up();
	world_ends_clean();
}

TEST(cancel_before_any_answer_takes_the_503_as_the_end)
{
	const struct sent *s;

	up();
	s = relayed_to(request("INVITE", "c1"), 3, 0, A1);
	come(request("CANCEL", "c1"), CALLER);
	sent_to(CALLER, "SIP/2.0 200 ");
	answer(s, 503);
	sent_to(A1, "ACK ");
	sent_to(CALLER, "SIP/2.0 500 ");
	hang_up();
	world_ends_clean();
}

TEST(a_message_waits_for_timer_f_at_its_last_address)
{
	const struct sent *s;

	up();
	relayed_to(request("MESSAGE", "c1"), 2, 0, A1);
	pass(5020);
	s = next_request(A2, "MESSAGE ");
	pass(20000);
	skip_all();
	answer(s, 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

/* --- what has failed is avoided --- */

TEST(a_failed_address_is_avoided_and_probed_by_one)
{
	const struct sent *s;
	struct flow        gone;

	up();
	relayed_to(request("INVITE", "c1"), 2, 0, A1);
	gone = peer(A1);
	tm_unreachable(&gone);
	answer(sent_to(A2, "INVITE "), 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	tm_leave(w.t);
	answer(relayed_to(request("INVITE", "c2"), 2, 0, A2), 200);
	tm_leave(w.t);
	skip_all();
	pass(30 * 1000);
	s = relayed_to(request("INVITE", "c3"), 2, 0, A1);		/* the probe */
	tm_leave(w.t);
	answer(relayed_to(request("INVITE", "c4"), 2, 0, A2), 200);	/* not another one meanwhile */
	tm_leave(w.t);
	skip_all();
	answer(s, 180);							/* it lives */
	skip_all();
	answer(relayed_to(request("INVITE", "c5"), 2, 0, A1), 200);
	skip_all();
	answer(s, 200);
	skip_all();
	world_ends_clean();
}

TEST(where_all_are_avoided_the_first_is_as_good_as_any)
{
	struct flow gone[2];

	up();
	gone[0] = peer(A1);
	gone[1] = peer(A2);
	avoid_add(&gone[0], 30000);
	avoid_add(&gone[1], 30000);
	answer(relayed_to(request("INVITE", "c1"), 2, 0, A1), 200);
	skip_all();
	world_ends_clean();
}

TEST(retry_after_is_honoured_within_bounds)	/* RFC 3261 §21.5.4 */
{
	static const struct { const char *headers; uint32_t avoided_s; } rows[] = {
		{ "", 0 }, { "Retry-After: 5\r\n", 5 }, { "Retry-After: 120 (maintenance);duration=3600\r\n", 120 },
		{ "Retry-After: 999999\r\n", 300 }, { "Retry-After: soon\r\n", 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct sent *s;

		up();
		s = relayed_to(request("MESSAGE", "c1"), 2, 0, A1);
		answer_with(s, 503, rows[i].headers);
		answer(sent_to(A2, "MESSAGE "), 200);
		skip_all();
		tm_leave(w.t);
		if (rows[i].avoided_s) {
			pass(rows[i].avoided_s * 1000 - 1000);
			skip_all();
			answer(relayed_to(request("MESSAGE", "c2"), 2, 0, A2), 200);
			skip_all();
			tm_leave(w.t);
			pass(1000);
			skip_all();
		}
		answer(relayed_to(request("MESSAGE", "c3"), 2, 0, A1), 200);
		skip_all();
		world_ends_clean();
	}
}

static int avoid_in_child(void)
{
	struct flow to[2] = { peer(A1), peer(A2) };

	proc_enter(2, "worker 2");
	return avoid_pick(to, 2) == 1 ? 0 : 1;
}

TEST(what_one_worker_avoids_all_avoid)
{
	struct flow gone;
	pid_t       pid;
	int         status;

	up();
	gone = peer(A1);
	avoid_add(&gone, 30000);
	pid = fork();
	if (!pid)
		_exit(avoid_in_child());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	avoid_clear(&gone);
	CHECK_INT(avoid_pick((struct flow[]){ gone, peer(A2) }, 2), 0);
	world_ends_clean();
}

TEST(the_table_of_avoided_addresses_is_bounded)
{
	struct flow to[2];

	up();
	for (unsigned i = 1; i < 20000; i++) {
		to[0] = peer((uint16_t)i);
		avoid_add(&to[0], 30000);
	}
	to[1] = peer(A2);
	avoid_clear(&to[1]);
	CHECK_INT(avoid_pick(to, 2), 1);	/* the last is there, whoever made room */
	world_ends_clean();
}

/* --- size (RFC 3261 §18.1.1) --- */

static struct str large(void)
{
	char       pad[1300];
	struct str s = request("MESSAGE", "c1");

	memset(pad, 'x', sizeof(pad));
	pad[sizeof(pad) - 1] = '\0';
	return arena_printf(&w.arena, STR_FMT "X: %s\r\nContent-Length: 0\r\n\r\n", STR_ARG(str_to(s, s.len - 21)), pad);
}

TEST(a_request_too_large_for_a_datagram_goes_by_tcp_and_back_to_udp)
{
	const struct sent *s;
	struct flow        gone;

	up();
	s = relayed_to(large(), 1, 0, A1);
	CHECK(has(s, "Via: SIP/2.0/UDP 127.0.0.1:5060;branch="));	/* no socket for TCP: nothing to do about it */
	answer(s, 200);
	skip_all();
	world_ends_clean();
	tcp = tcp ? tcp : net_fake_listener(TP_TCP, "127.0.0.1", 5062);
	up();
	s = relayed_to(request("MESSAGE", "c1"), 1, 0, A1);
	CHECK(has(s, "Via: SIP/2.0/UDP 127.0.0.1:5060;branch="));
	answer(s, 200);
	skip_all();
	world_ends_clean();
	up();
	s = relayed_to(large(), 1, 0, A1);
	CHECK(has(s, "Via: SIP/2.0/TCP 127.0.0.1:5062;branch="));
	gone = peer(A1);
	tm_unreachable(&gone);		/* of the same address by UDP: not meant */
	CHECK(quiet());
	gone.via = tcp;
	tm_unreachable(&gone);
	s = sent_to(A1, "MESSAGE ");
	CHECK(has(s, "Via: SIP/2.0/UDP 127.0.0.1:5060;branch="));
	answer(s, 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

/* All at once, though they are more than any worker remembers of what it sent; a phone that has answered is not meant, nor another peer. */
TEST(a_lost_connection_is_told_to_all_that_wait_for_it)
{
	enum { WAITING = 400 };
	int64_t            before;
	struct flow        one, two;
	const struct sent *s;

	tcp = tcp ? tcp : net_fake_listener(TP_TCP, "127.0.0.1", 5062);
	up();
	one = (struct flow){ .via = tcp, .peer = peer(A1).peer };
	two = (struct flow){ .via = tcp, .peer = peer(A2).peer };
	before = counter_read(unreachable_counter());
	for (unsigned i = 0; i < WAITING + 3; i++) {
		char         call[16];
		struct build b = { .phone = A1 };
		struct str   req;

		snprintf(call, sizeof(call), "c%u", i);
		req = request(i % 2 ? "INVITE" : "MESSAGE", call);
		b.m = parsed(req);
		w.n_sent = w.n_seen = 0;
		CHECK_INT(come(req, CALLER), CAME_NEW);
		CHECK_INT(tm_fork(w.t, &w.c, i == WAITING ? &two : &one, build_branch, &b, msg_write_bound(b.m, 256)), OK);
		tm_release(w.t);
		s = &w.sent[0];
		if (i > WAITING)
			CHECK_INT(answer(s, i % 2 ? 180 : 200), CAME_ABSORBED);
		tm_leave(w.t);
		w.t = NULL;
		arena_free(&w.arena);
		arena_init(&w.arena, NULL, 0, 4 * MB);
	}
	tm_unreachable(&one);
	CHECK_INT(counter_read(unreachable_counter()) - before, WAITING);
	tm_unreachable(&one);
	CHECK_INT(counter_read(unreachable_counter()) - before, WAITING);
	world_ends_clean();
}

/* --- kills and memory --- */

static int answer_503_in_child(const struct sent *s)
{
	proc_enter(2, "worker 2");
	return answer(s, 503) == CAME_ABSORBED && w.n_sent == w.n_seen + 2 && w.sent[w.n_seen + 1].port == A2 ? 0 : 1;
}

TEST(another_worker_goes_on_with_the_addresses)
{
	const struct sent *first;
	pid_t              pid;
	int                status;

	up();
	first = relayed_to(request("INVITE", "c1"), 3, 0, A1);
	pid = fork();
	if (!pid)
		_exit(answer_503_in_child(first));
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	pass(5020);			/* the second was sent by the other; it says nothing */
	answer(next_request(A3, "INVITE "), 200);
	sent_to(CALLER, "SIP/2.0 200 ");
	world_ends_clean();
}

/* All that can fail does, from the n-th allocation on: the caller hears a final answer in any case. */
TEST(no_allocation_failure_leaks_addresses)
{
	for (unsigned n = 1; n <= 16; n++) {
		struct str   req;
		struct build b;
		struct flow  to[3];

		up();
		req = request("INVITE", "c1");
		b = (struct build){ parsed(req), A1 };
		for (unsigned i = 0; i < 3; i++)
			to[i] = peer((uint16_t)(A1 + i));
		shm_fail_after(n);
		if (come(req, CALLER) == CAME_NEW) {
			tm_fork_begin(w.t);
			(void)!tm_fork_any(w.t, &w.c, to, 3, build_branch, &b, msg_write_bound(b.m, 256));
			tm_fork_end(w.t);
			tm_release(w.t);
			pass(20000);
			CHECK(tm_is_final(w.t));
		}
		shm_fail_after(0);
		hang_up();
		world_ends_clean();
	}
}
