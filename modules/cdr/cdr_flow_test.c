/* From INVITE and BYE to rows of the table: the caller's and the callees' messages go in, the table is read. This process plays worker and writer in turn. */
#include "modules/cdr/cdr.h"
#include "proxy_world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct module module;

enum { WORKER = 1, WRITER = 2 };
static struct {
	char         folder[64], url[112], why[512], place[128];
	struct arena arena;
	struct loop *loop;
	struct db   *d;
} f;

static void sql(const char *text, struct db_rows *rows)
{
	CHECK_INT(db_exec(f.d, text, NULL, 0, &f.arena, rows, f.why, sizeof(f.why)), OK);
}

static void server_start(void)
{
	db_boot_over();
	db_set_writer_slot(WRITER);
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	proc_switch(PROC_SUPERVISOR);
	CHECK_INT(module.start(f.why), OK);
	proc_enter(WRITER, "writer");
	f.loop = loop_new();
	CHECK(f.loop && !mailbox_start(f.loop) && !db_writer_start(f.loop) && !module.writer_start(f.loop, f.why));
	proc_switch(WORKER);
	CHECK_INT(module.worker_start(NULL, f.why), OK);
}

static void folder_make(void)
{
	unsigned n;

	memset(&f, 0, sizeof(f));
	snprintf(f.folder, sizeof(f.folder), "/tmp/sipario-cdr-XXXXXX");
	CHECK(mkdtemp(f.folder));
	snprintf(f.url, sizeof(f.url), "sqlite:%s/x.db", f.folder);
	snprintf(f.place, sizeof(f.place), "%s/spool", f.folder);
	arena_init(&f.arena, NULL, 0, 1 << 20);
	f.d = db_open(str_of(f.url), true, f.why, sizeof(f.why));
	CHECK(f.d && !db_migrate(f.d, "db/schema", &n, f.why, sizeof(f.why)));
	CHECK(!db_configure(str_of(f.url), f.why, sizeof(f.why)));
	cdr_cfg = (struct cdr_cfg){ .spool = str_of(f.place), .spool_limit = 1 << 20, .queue_limit = 1 << 20, .max_calls = 3, .max_duration_s = 3600, .refused = true };
}

static void up(void)
{
	world_begin();
	folder_make();
	server_start();
	w.script = script_relay_recorded;
}

static void writer_turns(unsigned n)
{
	proc_switch(WRITER);
	for (unsigned i = 0; i < n; i++) {
		loop_turn(f.loop, 0);
		disk_wait();
	}
	proc_switch(WORKER);
}

static void writer_end(void)
{
	proc_switch(WRITER);
	module.writer_stop();
	db_writer_stop();
	loop_free(f.loop);
	proc_switch(WORKER);
}

static uint64_t bytes_of(const char *owner)
{
	struct shm_usage rows[32];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n && i < COUNT_OF(rows); i++)
		if (!strcmp(rows[i].owner, owner))
			return rows[i].objects;
	return 0;
}

static void down(void)
{
	char line[128];

	pass(400 * 1000);	/* transactions end, and with them what watched them */
	writer_turns(8);
	CHECK_INT(bytes_of("cdr"), 3 + (uint64_t)counter_read(&cdr_open));	/* the desk, the table of calls and that of seats: none of those is taken */
	writer_end();
	world_end();
	db_close(f.d);
	arena_free(&f.arena);
	snprintf(line, sizeof(line), "rm -rf %s", f.folder);
	CHECK(!system(line));
}

/* One row as text; "" where there is none, "2" where there are two. */
static const char *row_text(const char *columns)
{
	static char    text[1024];
	char           query[512];
	struct db_rows rows;

	writer_turns(12);
	snprintf(query, sizeof(query), "SELECT %s FROM calls", columns);
	sql(query, &rows);
	text[0] = 0;
	if (rows.rows > 1)
		snprintf(text, sizeof(text), "%zu", rows.rows);
	else if (rows.rows)
		snprintf(text, sizeof(text), STR_FMT, STR_ARG(db_cell(&rows, 0, 0)->s));
	return text;
}

static bool row_is(const char *columns, const char *want)
{
	const char *got = row_text(columns);

	if (!strcmp(got, want))
		return true;
	print_error("got \"%s\", not \"%s\"\n", got, want);
	return false;
}

#define SHORT "coalesce(answer_ms - start_ms, -1) || ' ' || coalesce(end_ms - start_ms, -1) || ' ' || coalesce(ended_by, '-') || ' ' || code || ' ' || reason"

#define INVITE(ruri) REQUEST("INVITE", ruri, "<sip:b@example.org>", "Contact: <sip:a@127.0.0.2:5070>\r\n")

/* A request within the dialog, by the Record-Route that the callee has seen in message `at`. */
static void within(size_t at, const char *method, const char *from_tag, const char *to_tag, const char *branch, unsigned cseq)
{
	struct str rr = w.bytes[at], line;
	char       text[2048];
	ptrdiff_t  pos = str_find_str(rr, STR("Record-Route: "));

	CHECK(pos >= 0);
	rr = str_from(rr, (size_t)pos + 14);
	line = str_take_until(&rr, '\r');
	snprintf(text, sizeof(text),
		 "%s sip:peer@127.0.0.9:5090 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\nRoute: " STR_FMT
		 "\r\nFrom: <sip:x@example.org>;tag=%s\r\nTo: <sip:y@example.org>;tag=%s\r\nCall-ID: c1\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
		 method, branch, STR_ARG(line), from_tag, to_tag, cseq, method);
	receive(text);
}

/* A call that callee 127.0.0.9 has answered; the index of the INVITE that it got. */
static size_t talk(void)
{
	size_t at = w.sent;

	receive(INVITE("sip:b@127.0.0.9:5090"));
	CHECK(sent_has(at, "INVITE sip:b@127.0.0.9:5090"));
	pass(2000);
	answer(at, 180, "bb");
	pass(1000);
	answer(at, 200, "bb");
	return at;
}

static void hang_up(size_t at, bool caller, uint16_t status)
{
	size_t bye;

	within(at, "BYE", caller ? "1" : "bb", caller ? "bb" : "1", "bye", 2);
	bye = w.sent - 1;
	CHECK(sent_has(bye, "BYE sip:peer@127.0.0.9:5090"));
	answer(bye, status, NULL);
}

TEST(a_call_under_way_has_its_row_and_the_bye_completes_it)
{
	size_t at;

	up();
	at = talk();
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	CHECK(row_is("call_id || ' ' || from_tag || ' ' || to_tag || ' ' || caller || ' ' || callee || ' ' || target || ' ' || source || ' ' || route",
		     "c1 1 bb sip:a@example.org sip:b@127.0.0.9 sip:b@127.0.0.9:5090 udp:127.0.0.2:5070 sip:b@127.0.0.9:5090 200"));
	CHECK_INT(counter_read(&cdr_open), 1);
	pass(60 * 1000);
	hang_up(at, true, 200);
	CHECK(row_is(SHORT, "3000 63000 caller 200 OK"));
	CHECK_INT(counter_read(&cdr_open), 0);
	down();
}

TEST(the_callee_hangs_up)
{
	size_t at;

	up();
	at = talk();
	pass(5000);
	hang_up(at, false, 200);
	CHECK(row_is(SHORT, "3000 8000 callee 200 OK"));
	down();
}

TEST(a_bye_that_is_challenged_ends_nothing)
{
	size_t at;

	up();
	at = talk();
	pass(5000);
	hang_up(at, true, 401);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	pass(1000);
	within(at, "BYE", "1", "bb", "bye2", 3);
	answer(w.sent - 1, 481, NULL);
	CHECK(row_is(SHORT, "3000 9000 caller 200 OK"));
	down();
}

/* Not even the ends of a dialog have these tags. */
TEST(who_does_not_know_the_tags_ends_nothing)
{
	size_t at;

	up();
	at = talk();
	within(at, "BYE", "1", "zz", "x1", 2);
	answer(w.sent - 1, 200, NULL);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	hang_up(at, false, 200);
	CHECK(row_is(SHORT, "3000 3000 callee 200 OK"));
	down();
}

TEST(a_bye_that_never_comes_is_the_servers_end)
{
	up();
	(void)talk();
	pass(3600 * 1000 - 20);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	pass(100);
	CHECK(row_is("ended_by || ((end_ms - answer_ms) / 1000)", "server3600"));
	CHECK_INT(counter_read(&cdr_open), 0);
	down();
}

TEST(a_session_timer_that_runs_out_ends_the_call_and_a_refresh_does_not)
{
	size_t at;

	up();
	at = w.sent;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	answer_with(at, 200, "bb", "Session-Expires: 90;refresher=uac\r\n");
	pass(60 * 1000);
	within(at, "UPDATE", "1", "bb", "u1", 2);
	answer_with(w.sent - 1, 200, "bb", "Session-Expires: 90\r\n");
	pass(121 * 1000);
	CHECK(row_is(SHORT, "0 -1 - 200 OK"));
	pass(2 * 1000);		/* 60 + 90, and 32 for the BYE to get here (RFC 4028 10) */
	CHECK(row_is("ended_by || ((end_ms - answer_ms) / 1000)", "server182"));
	down();
}

TEST(a_reinvite_is_no_call_and_ends_none)
{
	size_t at;

	up();
	at = talk();
	within(at, "INVITE", "1", "bb", "re1", 2);
	answer(w.sent - 1, 488, NULL);
	within(at, "INVITE", "bb", "1", "re2", 1);
	answer(w.sent - 1, 200, NULL);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	hang_up(at, true, 200);
	CHECK(row_is(SHORT, "3000 3000 caller 200 OK"));
	down();
}

TEST(busy_is_a_record_and_its_repetition_none)
{
	up();
	receive(INVITE("sip:b@127.0.0.9:5090"));
	pass(1000);
	answer(0, 486, "bb");
	receive(INVITE("sip:b@127.0.0.9:5090"));
	CHECK(row_is(SHORT, "-1 1000 callee 486 Busy Here"));
	CHECK_INT(counter_read(&cdr_failed), 1);
	down();
}

TEST(missed_the_caller_gives_up)
{
	size_t n;

	up();
	receive(INVITE("sip:b@127.0.0.9:5090"));
	answer(0, 180, "bb");
	pass(5000);
	receive(REQUEST("CANCEL", "sip:b@127.0.0.9:5090", "<sip:b@example.org>", ""));
	n = counter_read(&cdr_missed);
	answer(0, 487, "bb");
	CHECK(row_is(SHORT, "-1 5000 caller 487 Request Terminated"));
	CHECK_INT(counter_read(&cdr_missed), n + 1);
	down();
}

TEST(nobody_answers)
{
	up();
	receive(INVITE("sip:b@127.0.0.9:5090"));
	pass(40 * 1000);
	CHECK(row_is("ended_by || ' ' || code || ' ' || route", "server 408 sip:b@127.0.0.9:5090 408"));
	down();
}

static void two_targets(struct request *r)
{
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.8:5090"), .q = 1000 }));
	CHECK(!request_add_target(r, &(struct target){ .uri = STR("sip:b@127.0.0.9:5090"), .q = 1000 }));
	script_relay_recorded(r);
}

TEST(a_forked_call_is_one_record_with_all_its_ways)
{
	up();
	w.script = two_targets;
	receive(INVITE("sip:b@example.org"));
	CHECK_INT(w.sent, 2);
	answer(0, 180, "aa");
	answer(1, 180, "bb");
	pass(1000);
	answer(1, 200, "bb");
	answer(0, 200, "aa");	/* both have picked up */
	CHECK(row_is("target || ' ' || to_tag || ' ' || route", "sip:b@127.0.0.9:5090 bb sip:b@127.0.0.8:5090; sip:b@127.0.0.9:5090 200"));
	within(0, "BYE", "1", "aa", "b1", 2);
	answer(w.sent - 1, 200, NULL);
	CHECK(row_is(SHORT, "1000 -1 - 200 OK"));
	hang_up(1, true, 200);
	CHECK(row_is(SHORT, "1000 1000 caller 200 OK"));
	down();
}

TEST(the_way_through_busy_and_silent_phones_is_in_the_record)
{
	up();
	w.script = two_targets;
	receive(INVITE("sip:b@example.org"));
	answer(0, 486, "aa");
	answer(1, 603, "bb");
	CHECK(row_is("code || ' ' || target || ' ' || route", "603 sip:b@127.0.0.9:5090 sip:b@127.0.0.8:5090 486; sip:b@127.0.0.9:5090 603"));
	down();
}

static void script_refuse(struct request *r)
{
	CHECK(!request_reply(r, 403, STR("Relay denied"), STR_NONE));
	request_done(r);
}

TEST(a_call_that_the_script_refuses_is_one_record_however_often_it_comes)
{
	up();
	w.script = script_refuse;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	pass(500);
	receive(INVITE("sip:b@127.0.0.9:5090"));	/* our 403 was lost; nothing is remembered of it */
	CHECK(row_is("code || ' ' || reason || ' ' || ended_by || ' ' || route", "403 Relay denied server "));
	down();
}

static void script_challenge(struct request *r)
{
	CHECK(!request_reply(r, 407, STR_NONE, STR_NONE));
	request_done(r);
}

TEST(a_challenge_is_no_call_and_neither_is_another_method)
{
	up();
	w.script = script_challenge;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	w.script = script_relay_recorded;
	receive(REQUEST("MESSAGE", "sip:b@127.0.0.9:5090", "<sip:b@example.org>", ""));
	answer(w.sent - 1, 404, "bb");
	CHECK(row_is(SHORT, ""));
	down();
}

static void script_off(struct request *r)
{
	r->unrecorded = true;
	script_relay_recorded(r);
}

TEST(the_script_may_want_no_record)
{
	up();
	w.script = script_off;
	(void)talk();
	CHECK(row_is(SHORT, ""));
	cdr_cfg.refused = false;
	w.script = script_refuse;
	receive(REQUEST("INVITE", "sip:b@127.0.0.9:5090", "<sip:b@example.org>", "Subject: 2\r\n"));
	CHECK(row_is(SHORT, ""));
	down();
}

TEST(without_record_route_the_end_is_not_known_and_said_so)
{
	int64_t n;

	up();
	n = counter_read(&cdr_unfollowed);
	w.script = script_relay;
	(void)talk();
	CHECK(row_is(SHORT, "3000 -1 server 200 OK"));
	CHECK(!counter_read(&cdr_open) && counter_read(&cdr_unfollowed) == n + 1);
	down();
}

/* --- failures --- */

static void away(bool is)
{
	char here[128], there[128];

	snprintf(here, sizeof(here), "%s/x.db", f.folder);
	snprintf(there, sizeof(there), "%s/away.db", f.folder);
	CHECK(!rename(is ? here : there, is ? there : here));
}

static void time_for_writer(unsigned s)
{
	for (unsigned i = 0; i < s * 10; i++) {
		pass(100);
		writer_turns(2);
	}
}

TEST(while_the_database_is_away_the_records_wait_on_the_disk)
{
	size_t at;

	up();
	away(true);
	at = talk();
	time_for_writer(20);
	hang_up(at, true, 200);
	time_for_writer(20);
	CHECK(counter_read(&cdr_spool_bytes) > 0 && counter_read(&cdr_queued) == 0);
	away(false);
	time_for_writer(10);
	CHECK(row_is(SHORT, "3000 23000 caller 200 OK"));
	CHECK_INT(counter_read(&cdr_spool_bytes), 0);
	down();
}

static enum err result;

static void note_result(struct db_write *l)
{
	result = l->result;
	db_write_free(l);
}

static struct db_stmt any = { "INSERT INTO domains (name) VALUES ('stalled.example')", 0, 0 };

/* Opening a pipe for writing waits until somebody reads it: that is our stalled disk. */
TEST(a_stalled_disk_does_not_hold_up_what_others_commit)
{
	char             path[160];
	struct db_write *l;
	int              end;

	up();
	db_stmt_register(&any);
	writer_turns(2);
	snprintf(path, sizeof(path), "%s/0000000001.cdr", f.place);
	CHECK(!mkfifo(path, 0600));
	(void)talk();
	l = db_write_new(&any, NULL, 0);
	CHECK(l != NULL);
	l->done = note_result;
	result = ERR_AGAIN;
	proc_switch(WRITER);
	loop_turn(f.loop, 0);
	CHECK(disk_busy());
	proc_switch(WORKER);
	db_write_submit(l);
	proc_switch(WRITER);
	loop_turn(f.loop, 0);
	proc_switch(WORKER);
	mailbox_read();
	CHECK_INT(result, OK);
	CHECK(disk_busy() && counter_read(&cdr_queued) == 1);
	end = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(end >= 0 && !unlink(path));
	writer_turns(1);	/* what is no file cannot be synced: it is written elsewhere, a second later */
	close(end);
	time_for_writer(2);
	CHECK_INT(counter_read(&cdr_queued), 0);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	down();
}

TEST(a_writer_that_dies_leaves_its_records_to_the_next)
{
	size_t at;

	up();
	cdr_cfg.sync_ms = 5000;
	at = talk();
	writer_turns(3);
	hang_up(at, true, 200);
	proc_switch(WRITER);
	db_writer_stop();	/* which takes what has come, too; nobody writes it */
	disk_stop();
	loop_free(f.loop);
	proc_enter(WRITER, "writer");
	f.loop = loop_new();
	CHECK(f.loop && !mailbox_start(f.loop) && !db_writer_start(f.loop));
	CHECK(!module.writer_start(f.loop, f.why));
	proc_switch(WORKER);
	pass(6000);
	CHECK(row_is(SHORT, "3000 3000 caller 200 OK"));
	down();
}

/* What kill -9 of all leaves: the rows, the spool, phones that go on talking. */
TEST(a_call_outlives_the_server)
{
	const struct listener *us;
	char                   bye[2048];
	size_t                 at, n;

	CHECK(!proxy_set_secret(STR("a secret of many characters"), false));
	up();
	at = talk();
	within(at, "OPTIONS", "1", "bb", "o1", 2);
	CHECK(row_is(SHORT, "3000 -1 - 200 OK"));
	snprintf(bye, sizeof(bye), STR_FMT, STR_ARG(w.bytes[at]));
	writer_end();
	us = w.us;
	shm_destroy();
	CHECK(!shm_create(64 << 20, 3) && !timer_boot() && !mailbox_boot() && !tm_boot(1024));
	proc_enter(WORKER, "worker 1");
	CHECK(us);
	world_proxy();
	n = w.sent;
	server_start();
	CHECK_INT(counter_read(&cdr_open), 1);
	pass(1000);
	proxy_set_clerk(&cdr_clerk);
	hang_up(at, false, 200);
	CHECK(w.sent > n);
	CHECK(row_is("coalesce(ended_by, '-') || (end_ms - answer_ms)", "callee1000"));
	down();
}

TEST(beyond_max_calls_calls_go_on_and_their_end_is_not_known)
{
	int64_t n;

	up();
	cdr_cfg.max_calls = 0;
	n = counter_read(&cdr_unfollowed);
	(void)talk();
	CHECK(any_sent_has("SIP/2.0 200"));
	CHECK(row_is(SHORT, "3000 -1 server 200 OK"));
	CHECK_INT(counter_read(&cdr_unfollowed), n + 1);
	down();
}

TEST(without_memory_calls_go_on_and_the_loss_is_counted)
{
	int64_t n;

	up();
	cdr_cfg.queue_limit = 10;
	n = counter_read(&cdr_lost);
	(void)talk();
	CHECK(any_sent_has("SIP/2.0 200"));
	CHECK_INT(counter_read(&cdr_lost), n + 1);
	CHECK(row_is(SHORT, ""));
	down();
}

/* --- whose calls --- */

enum { ALICE = 77, BOB = 78 };

static void counted(struct request *r, int64_t most)
{
	if (request_stateful(r)) {
		request_done(r);
		return;
	}
	if (!invite_count(r, ALICE, most) && !invite_count(r, ALICE, most))
		script_relay_recorded(r);
	else
		script_refuse(r);
}

static void script_count(struct request *r)
{
	counted(r, 1);
}

static void script_count_off(struct request *r)
{
	invite_silence(r);
	counted(r, 1);
}

/* Comes back here (RFC 5393): the first time that it came has the record. */
static void script_spiral(struct request *r)
{
	r->spiral = true;
	counted(r, 1);
}

static void script_off_counted(struct request *r)
{
	CHECK(!request_stateful(r) && !invite_count(r, ALICE, 1));
	invite_silence(r);
	script_relay_recorded(r);
}

TEST(a_counted_call_is_one_until_its_bye)
{
	size_t at;

	up();
	w.script = script_count;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	CHECK_INT(seats_taken(ALICE), 1);
	receive(INVITE("sip:b@127.0.0.9:5090"));	/* again: a retransmission */
	CHECK_INT(seats_taken(ALICE), 1);
	at = 0;
	answer(at, 200, "bb");
	pass(100 * 1000);	/* the transaction has ended */
	CHECK_INT(seats_taken(ALICE), 1);
	hang_up(at, true, 407);
	CHECK_INT(seats_taken(ALICE), 1);
	within(at, "BYE", "1", "bb", "bye2", 3);
	answer(w.sent - 1, 481, NULL);
	CHECK_INT(seats_taken(ALICE), 0);
	down();
}

TEST(a_call_that_does_not_come_about_leaves_its_seat_at_once)
{
	static const uint16_t finals[] = { 401, 407, 486, 503, 603 };

	for (size_t i = 0; i < COUNT_OF(finals); i++) {
		up();
		w.script = script_count;
		receive(INVITE("sip:b@127.0.0.9:5090"));
		CHECK_INT(seats_taken(ALICE), 1);
		answer(0, finals[i], "bb");
		CHECK_INT(seats_taken(ALICE), 0);
		down();
	}
}

TEST(given_up_or_never_answered_leaves_its_seat)
{
	up();
	w.script = script_count;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	answer(0, 180, "bb");
	receive(REQUEST("CANCEL", "sip:b@127.0.0.9:5090", "<sip:b@example.org>", ""));
	answer(0, 487, "bb");
	CHECK_INT(seats_taken(ALICE), 0);
	down();
	up();
	w.script = script_count;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	pass(40 * 1000);
	CHECK_INT(seats_taken(ALICE), 0);
	down();
}

TEST(a_seat_goes_with_the_longest_time_that_a_call_may_last)
{
	up();
	w.script = script_count;
	(void)talk();
	pass(3600 * 1000 - 20);
	CHECK_INT(seats_taken(ALICE), 1);
	pass(100);
	CHECK_INT(seats_taken(ALICE), 0);
	down();
}

TEST(who_has_as_many_gets_no_more_and_a_refusal_takes_nothing)
{
	struct seat *others = NULL;

	up();
	CHECK_INT(seat_take(&others, ALICE, 1), OK);
	w.script = script_count;
	receive(INVITE("sip:b@127.0.0.9:5090"));
	CHECK(any_sent_has("SIP/2.0 403"));
	CHECK_INT(seats_taken(ALICE), 1);
	seats_leave(&others);
	CHECK_INT(seats_taken(ALICE), 0);
	down();
}

TEST(a_call_without_a_record_is_counted_all_the_same)
{
	void (*const scripts[])(struct request *) = { script_count_off, script_off_counted, script_spiral };
	size_t at;

	for (size_t i = 0; i < COUNT_OF(scripts); i++) {
		up();
		w.script = scripts[i];
		at = talk();
		CHECK_INT(counter_read(&cdr_open), 0);
		CHECK_INT(seats_taken(ALICE), 1);
		hang_up(at, false, 200);
		CHECK_INT(seats_taken(ALICE), 0);
		CHECK(row_is(SHORT, ""));
		down();
	}
}

/* Without record_route() nobody here learns of the end: better too few than one that stays. */
TEST(an_end_that_nobody_will_know_of_holds_no_seat)
{
	up();
	cdr_cfg.max_calls = 0;
	w.script = script_count;
	(void)talk();
	CHECK_INT(seats_taken(ALICE), 0);
	down();
}

TEST(seats_are_counted_by_key_and_once_a_call)
{
	struct seat *call[3] = { NULL };

	up();
	CHECK_INT(seat_take(&call[0], ALICE, 0), ERR_LIMIT);
	CHECK_INT(seat_take(&call[0], ALICE, 2), OK);
	CHECK_INT(seat_take(&call[0], ALICE, 1), OK);	/* has it */
	CHECK_INT(seat_take(&call[0], BOB, 1), OK);
	CHECK_INT(seat_take(&call[1], ALICE, 2), OK);
	CHECK_INT(seat_take(&call[2], ALICE, 2), ERR_LIMIT);
	CHECK_INT(seat_take(&call[2], BOB, 1), ERR_LIMIT);
	seat_leave(&call[0], ALICE);
	seat_leave(&call[0], ALICE);
	CHECK_INT(seats_taken(ALICE), 1);
	CHECK_INT(seat_take(&call[2], ALICE, 2), OK);
	for (size_t i = 0; i < COUNT_OF(call); i++)
		seats_leave(&call[i]);
	CHECK(!seats_taken(ALICE) && !seats_taken(BOB));
	down();
}
