/* What a call is, as a pure function; how it stands in the spool; and the spool itself, which must not lose a line nor show half of one. */
#include "modules/cdr/cdr.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

extern const struct module module;

/* --- calls --- */

struct story {
	const char    *name;
	enum cdr_event ev[8];	/* the unused ones are CDR_EVENTS */
	unsigned       writes, follows, finishes;
	enum cdr_party by;
	enum cdr_state end;
};
#define NO_MORE CDR_EVENTS

static void tell(const struct story *s)
{
	enum cdr_state state = CDR_RINGING;
	enum cdr_party by = CDR_NOBODY;
	unsigned       writes = 0, follows = 0, finishes = 0;

	for (size_t i = 0; i < COUNT_OF(s->ev) && s->ev[i] != NO_MORE; i++) {
		struct cdr_step step = cdr_step(state, s->ev[i]);

		state = (enum cdr_state)step.next;
		writes += !!(step.todo & CDR_WRITE);
		follows += !!(step.todo & CDR_FOLLOW);
		finishes += !!(step.todo & CDR_FINISH);
		if (step.todo)
			by = (enum cdr_party)step.ended_by;
	}
	CHECK_ROW(writes == s->writes && follows == s->follows && finishes == s->finishes, s->name);
	CHECK_ROW(by == s->by && state == s->end, s->name);
}

TEST(each_call_has_one_record_and_one_end)
{
	static const struct story stories[] = {
		{ "answered, the caller hangs up", { CDR_SUCCESS, CDR_BYE_CALLER, NO_MORE }, 1, 1, 1, CDR_CALLER, CDR_OVER },
		{ "answered, the callee hangs up", { CDR_SUCCESS, CDR_BYE_CALLEE, NO_MORE }, 1, 1, 1, CDR_CALLEE, CDR_OVER },
		{ "both hang up at once", { CDR_SUCCESS, CDR_BYE_CALLEE, CDR_BYE_CALLER, NO_MORE }, 1, 1, 1, CDR_CALLEE, CDR_OVER },
		{ "the BYE never comes", { CDR_SUCCESS, CDR_LIMIT, NO_MORE }, 1, 1, 1, CDR_SERVER, CDR_OVER },
		{ "it comes later than that", { CDR_SUCCESS, CDR_LIMIT, CDR_BYE_CALLER, NO_MORE }, 1, 1, 1, CDR_SERVER, CDR_OVER },
		{ "under way", { CDR_SUCCESS, NO_MORE }, 1, 1, 0, CDR_NOBODY, CDR_TALKING },
		{ "missed: the caller gives up", { CDR_CANCEL, CDR_REFUSAL, NO_MORE }, 1, 0, 0, CDR_CALLER, CDR_OVER },
		{ "given up before anybody was asked", { CDR_CANCEL, CDR_OWN_REFUSAL, NO_MORE }, 1, 0, 0, CDR_CALLER, CDR_OVER },
		{ "given up, and answered all the same (RFC 3261 9.1)", { CDR_CANCEL, CDR_SUCCESS, CDR_BYE_CALLER, NO_MORE }, 1, 1, 1, CDR_CALLER, CDR_OVER },
		{ "busy", { CDR_REFUSAL, NO_MORE }, 1, 0, 0, CDR_CALLEE, CDR_OVER },
		{ "nobody answers", { CDR_OWN_REFUSAL, NO_MORE }, 1, 0, 0, CDR_SERVER, CDR_OVER },
		{ "asked for credentials", { CDR_CHALLENGE, NO_MORE }, 0, 0, 0, CDR_NOBODY, CDR_OVER },
		{ "forked, two answer (RFC 3261 16.7 step 5)", { CDR_SUCCESS, CDR_SUCCESS, CDR_BYE_CALLER, NO_MORE }, 1, 1, 1, CDR_CALLER, CDR_OVER },
		{ "a re-INVITE is refused, or challenged", { CDR_SUCCESS, CDR_REFUSAL, CDR_CHALLENGE, CDR_OWN_REFUSAL, CDR_BYE_CALLEE, NO_MORE }, 1, 1, 1, CDR_CALLEE, CDR_OVER },
		{ "a CANCEL comes too late", { CDR_SUCCESS, CDR_CANCEL, NO_MORE }, 1, 1, 0, CDR_NOBODY, CDR_TALKING },
		{ "a late 2xx after 408", { CDR_OWN_REFUSAL, CDR_SUCCESS, CDR_BYE_CALLER, NO_MORE }, 1, 0, 0, CDR_SERVER, CDR_OVER },
	};

	for (size_t i = 0; i < COUNT_OF(stories); i++)
		tell(&stories[i]);
}

TEST(a_bye_that_is_asked_for_credentials_ends_nothing_yet)
{
	static const struct { uint16_t status; bool counts; } rows[] = {
		{ 200, true }, { 401, false }, { 407, false }, { 408, true }, { 481, true }, { 500, true },	/* RFC 3261 15.1.1 */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_INT(cdr_bye_counts(rows[i].status), rows[i].counts);
}

/* --- lines --- */

static struct str record_line(char *room, size_t cap)
{
	const struct cdr_record r = {
		.number = 0x123456789abcdef0, .key = 7, .call_id = STR("a\tb\nc"), .from_tag = STR("\xff\xfe"), .to_tag = STR(""), .caller = STR("sip:\xc3\xa4@example.org"),
		.callee = STR("sip:bob@example.org"), .target = STR("sip:x\0y"), .source = STR("udp:192.0.2.1:5060"), .reason = STR("'; DROP TABLE calls; --"),
		.route = STR("sip:a 486; sip:b 200"), .start_ms = 1, .answer_ms = 2, .code = 200, .ended_by = CDR_NOBODY,
	};
	struct buf b = buf_on(room, cap);

	node_draw();
	cdr_record_write(&r, &b);
	CHECK(buf_ok(&b) && b.len && b.p[b.len - 1] == '\n');
	return str_to(buf_str(&b), b.len - 1);
}

TEST(a_record_is_one_line_whatever_is_in_it)
{
	char            room[CDR_LINE_BYTES];
	struct str      line = record_line(room, sizeof(room));
	struct cdr_line l;

	CHECK(str_find(line, '\n') < 0);
	CHECK(!cdr_line_read(line, &l));
	CHECK(l.kind == CDR_IS_RECORD && l.r.number == 0x123456789abcdef0 && l.r.key == 7 && l.r.start_ms == 1 && l.r.answer_ms == 2 && !l.r.end_ms);
	CHECK(str_is(l.r.call_id, "a b c") && str_is(l.r.from_tag, "??") && !l.r.to_tag.len && str_is(l.r.caller, "sip:\xc3\xa4@example.org"));
	CHECK(str_is(l.r.target, "sip:x y") && str_is(l.r.route, "sip:a 486; sip:b 200") && l.r.code == 200);
	CHECK(l.id.len == 8 + 1 + 16 && str_starts(l.id, node_prefix()));
}

TEST(an_end_is_a_line_too)
{
	char            room[256];
	struct buf      b = buf_on(room, sizeof(room));
	struct cdr_line l;

	cdr_end_write(&(struct cdr_end){ .number = 5, .key = 6, .end_ms = 7, .ended_by = CDR_CALLEE }, &b);
	CHECK(!cdr_line_read(str_to(buf_str(&b), b.len - 1), &l));
	CHECK(l.kind == CDR_IS_END && l.r.number == 5 && l.r.key == 6 && l.r.end_ms == 7 && l.r.ended_by == CDR_CALLEE);
}

TEST(every_torn_or_damaged_line_is_known)
{
	char            room[CDR_LINE_BYTES], bad[CDR_LINE_BYTES];
	struct str      line = record_line(room, sizeof(room));
	struct cdr_line l;

	for (size_t i = 0; i < line.len; i++) {
		CHECK(cdr_line_read(str_to(line, i), &l) == ERR_SYNTAX);
		memcpy(bad, line.p, line.len);
		bad[i] ^= 4;
		CHECK(cdr_line_read(str_n(bad, line.len), &l) == ERR_SYNTAX);
	}
}

TEST(what_is_too_long_is_cut_between_characters)
{
	char              text[4001], room[CDR_LINE_BYTES];
	struct buf        b = buf_on(room, sizeof(room));
	struct cdr_line   l;
	struct cdr_record r = { .code = 486 };

	for (size_t i = 0; i < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 1] = '\0';
	r.call_id = r.from_tag = r.to_tag = r.caller = r.callee = r.target = r.source = r.reason = r.route = str_of(text);
	cdr_record_write(&r, &b);
	CHECK(buf_ok(&b) && !cdr_line_read(str_to(buf_str(&b), b.len - 1), &l));
	CHECK(l.r.call_id.len == 254 && l.r.from_tag.len == 128 && l.r.route.len == 3072);
}

/* --- the spool --- */

static struct {
	char         folder[64], path[96], why[512], room[4096];
	struct spool s;
} t;

static void setup(void)
{
	memset(&t, 0, sizeof(t));
	snprintf(t.folder, sizeof(t.folder), "/tmp/sipario-cdr-XXXXXX");
	CHECK(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/a/spool", t.folder);
	cdr_cfg = (struct cdr_cfg){ .spool_limit = 1 << 20 };
	CHECK_INT(spool_open(&t.s, str_of(t.path), t.why, sizeof(t.why)), OK);
}

static void teardown(void)
{
	char line[128];

	spool_close(&t.s);
	snprintf(line, sizeof(line), "rm -rf %s", t.folder);
	CHECK(!system(line));
}

static void reopen(void)
{
	spool_close(&t.s);
	CHECK_INT(spool_open(&t.s, str_of(t.path), t.why, sizeof(t.why)), OK);
}

static struct str next(void)
{
	struct str lines;

	CHECK_INT(spool_read(&t.s, t.room, sizeof(t.room), &lines), OK);
	return lines;
}

static void damage(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && %s", t.path, command);
	CHECK(!system(line));
}

TEST(what_is_appended_is_read_until_it_is_done)
{
	struct stat st;
	char        file[160];

	setup();
	CHECK(!stat(t.path, &st) && (st.st_mode & 0777) == 0700);
	CHECK(!next().len);
	CHECK_INT(spool_append(&t.s, STR("one\ntwo\n")), OK);
	CHECK(str_is(next(), "one\ntwo\n"));
	spool_done(&t.s, 4);
	CHECK(str_is(next(), "two\n"));
	CHECK_INT(spool_append(&t.s, STR("three\n")), OK);
	CHECK(str_is(next(), "two\nthree\n") && t.s.bytes == 14);
	spool_done(&t.s, 10);
	CHECK(!next().len && !t.s.bytes);
	snprintf(file, sizeof(file), "%s/0000000001.cdr", t.path);
	CHECK(!stat(file, &st) && !st.st_size && (st.st_mode & 0777) == 0600);
	teardown();
}

TEST(a_new_process_begins_with_what_its_predecessor_left)
{
	setup();
	CHECK_INT(spool_append(&t.s, STR("one\ntwo\n")), OK);
	spool_done(&t.s, 4);
	reopen();
	CHECK_INT(spool_append(&t.s, STR("three\n")), OK);
	CHECK(str_is(next(), "one\ntwo\n"));	/* again: its row is there, then */
	spool_done(&t.s, 8);
	CHECK(str_is(next(), "three\n"));
	spool_done(&t.s, 6);
	CHECK(!next().len && !t.s.bytes);
	damage("test ! -e 0000000001.cdr");
	teardown();
}

TEST(a_torn_last_line_is_left_out)
{
	setup();
	CHECK_INT(spool_append(&t.s, STR("one\n")), OK);
	damage("printf 'tw' >> 0000000001.cdr");
	reopen();
	CHECK_INT(spool_append(&t.s, STR("three\n")), OK);
	CHECK(str_is(next(), "one\n"));
	spool_done(&t.s, 4);
	CHECK(str_is(next(), "three\n"));
	spool_done(&t.s, 6);
	CHECK(!t.s.bytes);
	teardown();
}

TEST(a_large_spool_is_many_files_that_go_one_by_one)
{
	setup();
	t.s.segment_bytes = 10;
	for (int i = 0; i < 5; i++)
		CHECK_INT(spool_append(&t.s, STR("12345\n12345\n")), OK);
	damage("test $(ls *.cdr | wc -l) = 5");
	for (int i = 0; i < 5; i++) {
		CHECK(str_is(next(), "12345\n12345\n"));
		spool_done(&t.s, 12);
	}
	CHECK(!next().len && !t.s.bytes);
	damage("test $(ls *.cdr | wc -l) = 1");
	teardown();
}

TEST(a_segment_that_somebody_cut_is_an_error)
{
	struct str lines;

	setup();
	CHECK(!spool_has_more(&t.s));
	CHECK_INT(spool_append(&t.s, STR("one\n")), OK);
	CHECK(spool_has_more(&t.s));
	damage(": > 0000000001.cdr");
	CHECK_INT(spool_read(&t.s, t.room, sizeof(t.room), &lines), ERR_IO);
	teardown();
}

TEST(the_spool_has_a_limit_and_room_again_when_it_is_read)
{
	setup();
	cdr_cfg.spool_limit = 10;
	CHECK_INT(spool_append(&t.s, STR("1234567\n")), OK);
	CHECK_INT(spool_append(&t.s, STR("abc\n")), ERR_LIMIT);
	spool_done(&t.s, next().len);
	CHECK_INT(spool_append(&t.s, STR("abc\n")), OK);
	teardown();
}

/* A disk that is full: RLIMIT and loop devices want rights, /dev/full does not. */
TEST(a_full_disk_loses_nothing_that_was_written)
{
	setup();
	CHECK_INT(spool_append(&t.s, STR("one\n")), OK);
	close(t.s.fd);
	damage("ln -s /dev/full 0000000002.cdr");
	t.s.fd = -1;
	t.s.last = 2;
	CHECK_INT(spool_append(&t.s, STR("two\n")), ERR_IO);
	damage("rm 0000000002.cdr");
	close(t.s.fd);
	t.s.fd = -1;
	CHECK_INT(spool_append(&t.s, STR("two\n")), OK);
	CHECK(str_is(next(), "one\n"));
	spool_done(&t.s, 4);
	CHECK(str_is(next(), "two\n"));
	teardown();
}

TEST(two_servers_do_not_share_a_spool)
{
	struct spool other;

	setup();
	CHECK_INT(spool_open(&other, str_of(t.path), t.why, sizeof(t.why)), ERR_EXISTS);
	CHECK(strstr(t.why, t.path) && strstr(t.why, "each its own spool"));
	teardown();
}

TEST(a_folder_that_cannot_be_used_is_named_with_its_setting)
{
	char long_path[400];

	setup();
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	CHECK_INT(spool_folder(STR(""), t.why, sizeof(t.why)), ERR_SYNTAX);
	CHECK_INT(spool_folder(str_of(long_path), t.why, sizeof(t.why)), ERR_SYNTAX);
	CHECK(strstr(t.why, "255"));
	CHECK_INT(spool_folder(STR("/dev/null/x"), t.why, sizeof(t.why)), ERR_IO);
	CHECK(strstr(t.why, "/dev/null/x") && strstr(t.why, "change spool"));
	CHECK_INT(spool_folder(STR("/dev/null"), t.why, sizeof(t.why)), ERR_IO);
	CHECK(strstr(t.why, "no folder"));
	teardown();
}

TEST(a_node_keeps_its_name_and_its_key)
{
	char     was[16];
	uint64_t key;

	setup();
	CHECK_INT(node_load(str_of(t.path), t.why, sizeof(t.why)), OK);
	snprintf(was, sizeof(was), STR_FMT, STR_ARG(node_prefix()));
	key = cdr_key(STR("x"));
	node_draw();
	CHECK(!str_is(node_prefix(), was));
	CHECK_INT(node_load(str_of(t.path), t.why, sizeof(t.why)), OK);
	CHECK(str_is(node_prefix(), was) && key == cdr_key(STR("x")));
	damage("test $(stat -c %a node) = 600 && echo rubbish > node");
	CHECK_INT(node_load(str_of(t.path), t.why, sizeof(t.why)), OK);
	CHECK(!str_is(node_prefix(), was));
	CHECK_INT(node_load(STR("/nonexistent"), t.why, sizeof(t.why)), ERR_IO);
	teardown();
}

TEST(the_settings_are_good)
{
	char why[256] = "";

	CHECK(!module_check_presets(&module, why, sizeof(why)));
}
