/* Parsing and checking whole messages: the rows that must hold where the corpus is absent. */
#include "msg_test.h"

#include <stdlib.h>

static struct msg_case t;

#define VIA "Via: SIP/2.0/UDP h;branch=z9hG4bKa\r\n"
#define REST "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\n"
#define END "Content-Length: 0\r\n\r\n"

/* `first` line, then what is common, with `more`. */
static struct str options(const char *first, const char *more)
{
	static char text[4096];
	int         n = snprintf(text, sizeof(text), "%s\r\n" VIA REST "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n%s" END, first, more);

	return str_n(text, (size_t)n);
}

TEST(start_lines_are_judged)
{
	static const struct { const char *line; uint16_t status; enum msg_bad bad; } rows[] = {
		{ "OPTIONS sip:user@example.com SIP/2.0", 0, BAD_NONE },
		{ "OPTIONS sip:user@example.com sip/2.0", 0, BAD_NONE },	/* RFC 3261 §7.1: case-insensitive */
		{ "OPTIONS tel:+1201 SIP/2.0", 0, BAD_NONE },
		{ "OPTIONS sip:user@example.com SIP/7.0", 505, BAD_VERSION },	/* RFC 4475 §3.1.2.16 */
		{ "OPTIONS sip:user@example.com SIP/2.1", 505, BAD_VERSION },
		{ "OPTIONS sip:user@example.com SIP/2.0  ", 400, BAD_FIRST_LINE },	/* §3.1.2.10 */
		{ "OPTIONS  sip:user@example.com  SIP/2.0", 400, BAD_FIRST_LINE },	/* §3.1.2.9 */
		{ "OPTIONS sip:user@example.com; lr SIP/2.0", 400, BAD_FIRST_LINE },	/* §3.1.2.8 */
		{ "OPTIONS sip:user@example.com HTTP/1.1", 400, BAD_FIRST_LINE },
		{ "OPTIONS sip:user@example.com", 400, BAD_FIRST_LINE },
		{ "OPTIONS", 400, BAD_FIRST_LINE },
		{ "", 400, BAD_METHOD },	/* the empty line is passed over (§7.5), and a Via is no start line */
		{ "OPT(IONS sip:user@example.com SIP/2.0", 400, BAD_METHOD },
		{ " OPTIONS sip:user@example.com SIP/2.0", 400, BAD_METHOD },
		{ "OPTIONS <sip:user@example.com> SIP/2.0", 400, BAD_RURI },	/* §3.1.2.7 */
		{ "OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", 400, BAD_RURI },	/* §3.1.2.11 */
		{ "OPTIONS sip:2001:db8::10 SIP/2.0", 400, BAD_RURI },	/* RFC 5118 §4.2 */
		{ "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", 416, BAD_RURI_SCHEME },	/* §3.3.2 */
		{ "OPTIONS sip:a SIP/2.0\rX", 400, BAD_FIRST_LINE },
		{ "NEWMETHOD sip:a SIP/2.0", 501, BAD_CSEQ_METHOD },	/* §3.1.2.18 */
		{ "INVITE sip:a SIP/2.0", 400, BAD_CSEQ_METHOD },	/* §3.1.2.17 */
		{ "options sip:a SIP/2.0", 501, BAD_CSEQ_METHOD },	/* methods are case-sensitive */
		{ "SIP/2.0 200 OK", 0, BAD_NONE },
		{ "SIP/2.0 100 ", 0, BAD_NONE },	/* §3.1.1.13 */
		{ "SIP/2.0 100", 0, BAD_NONE },
		{ "sip/2.0 699 x", 0, BAD_NONE },
		{ "SIP/2.0 4294967301 better not break the receiver", 400, BAD_STATUS },	/* §3.1.2.19 */
		{ "SIP/2.0 099 x", 400, BAD_STATUS }, { "SIP/2.0 700 x", 400, BAD_STATUS }, { "SIP/2.0 20 x", 400, BAD_STATUS },
		{ "SIP/2.0  200 OK", 400, BAD_STATUS }, { "SIP/3.0 200 OK", 505, BAD_VERSION },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		case_begin(&t, options(rows[i].line, ""));
		CHECK_ROW(msg_check(&t.m) == rows[i].status && t.m.bad == rows[i].bad, rows[i].line);
		CHECK_ROW(t.m.request == (rows[i].line[0] != 'S' && rows[i].line[0] != 's'), rows[i].line);
		case_end(&t);
	}
}

TEST(header_fields_are_judged)
{
	static const struct { const char *more; uint16_t status; enum msg_bad bad; } rows[] = {
		{ "", 0, BAD_NONE },
		{ "Subject:\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n", 0, BAD_NONE },	/* RFC 4475 §3.1.1.1 */
		{ "Date: Fri, 01 Jan 2010 16:00:00 EST\r\n", 0, BAD_NONE },	/* §3.1.2.12 */
		{ "Contact: <sip:a@h>, sip:b@h;q=0.1\r\nm: <name:John_Smith>\r\n", 0, BAD_NONE },	/* §3.3.4 */
		{ "Contact: sip:a@h?Route=%3Csip:e%3E\r\n", 400, BAD_CONTACT },	/* §3.1.2.13 */
		{ "Contact: \"Joe\" <sip:joe@example.org>;;;;\r\n", 400, BAD_CONTACT },	/* §3.1.2.1 */
		{ "Contact: *\r\n", 400, BAD_CONTACT }, { "Contact:\r\n", 400, BAD_CONTACT }, { "Contact: <sip:a>,\r\n", 400, BAD_CONTACT },
		{ "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n", 400, BAD_VIA },
		{ "Via: SIP/2.0/UDP a, SIP/2.0/TCP b\r\nv: SIP/2.0/SCTP c\r\n", 0, BAD_NONE },
		{ "Route: <sip:a;lr>, \"x\" <sip:b>\r\n", 0, BAD_NONE }, { "Route: sip:a;lr\r\n", 400, BAD_ROUTE }, { "Route:\r\n", 400, BAD_ROUTE },
		{ "Max-Forwards: 70\r\n", 400, BAD_DUPLICATE },	/* §3.3.8 */
		{ "f: <sip:x@y>;tag=2\r\n", 400, BAD_DUPLICATE }, { "l: 0\r\n", 400, BAD_DUPLICATE }, { "i: x\r\n", 400, BAD_DUPLICATE },
		{ "l: 5\r\n", 400, BAD_CONTENT_LENGTH },	/* §3.3.9 */
		{ "Expires: 10000000000000000000000\r\n", 0, BAD_NONE },	/* §3.1.2.4: could be defaulted */
		{ "Expires: -1\r\n", 400, BAD_EXPIRES }, { "Expires:\r\n", 400, BAD_EXPIRES },
		{ "no colon\r\n", 400, BAD_HEADER }, { ": x\r\n", 400, BAD_HEADER }, { "a@b: x\r\n", 400, BAD_HEADER },
		{ "X: a\rb\r\n", 400, BAD_HEADER }, { "X: a\r\r\n", 400, BAD_HEADER }, { "X\r\n : a\r\n", 400, BAD_HEADER },
		{ "X: a\n", 0, BAD_NONE }, { "X \t: a\r\n", 0, BAD_NONE }, { "X: a\r\n\tb\r\n  c\r\n", 0, BAD_NONE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		case_begin(&t, options("OPTIONS sip:a SIP/2.0", rows[i].more));
		CHECK_ROW(msg_check(&t.m) == rows[i].status && t.m.bad == rows[i].bad, rows[i].more);
		CHECK_ROW(t.err == (rows[i].bad == BAD_HEADER || rows[i].bad == BAD_CONTENT_LENGTH ? ERR_SYNTAX : OK), rows[i].more);
		case_end(&t);
	}
}

#define OPT "OPTIONS sip:a SIP/2.0\r\n"
#define F "From: <sip:a@h>;tag=1\r\n"
#define T "To: <sip:b@h>\r\n"
#define I "Call-ID: c\r\n"
#define C "CSeq: 1 OPTIONS\r\n"

TEST(mandatory_fields_are_demanded_and_read)
{
	static const struct { struct str text; uint16_t status; enum msg_bad bad; } rows[] = {
		{ STR(OPT VIA F T I C END), 0, BAD_NONE },	/* RFC 4475 §3.4.1: no Max-Forwards in RFC 2543 */
		{ STR(OPT F T I C END), 400, BAD_MISSING }, { STR(OPT VIA T I C END), 400, BAD_MISSING },
		{ STR(OPT VIA F I C END), 400, BAD_MISSING }, { STR(OPT VIA F T C END), 400, BAD_MISSING },
		{ STR(OPT VIA F T I END), 400, BAD_MISSING },	/* §3.3.1 */
		{ STR(OPT VIA "f: Bell, Alexander <sip:a@h>;tag=43\r\n" T I C END), 400, BAD_FROM },	/* §3.1.2.15 */
		{ STR(OPT VIA F "To: \"Watson, Thomas\" < sip:t@h >\r\n" I C END), 400, BAD_TO },	/* §3.1.2.14 */
		{ STR(OPT VIA F "To: \"Mr. J. User <sip:j@h>\r\n" I C END), 400, BAD_TO },	/* §3.1.2.6 */
		{ STR(OPT VIA F "To: <sip:b@h>;tag\r\n" I C END), 400, BAD_TO },	/* an answer would add a second tag */
		{ STR(OPT VIA "From: <sip:a@h>;tag=\"\"\r\n" T I C END), 400, BAD_FROM },
		{ STR(OPT VIA F "To: *\r\n" I C END), 400, BAD_TO },
		{ STR(OPT VIA F T "i: a b\r\n" C END), 400, BAD_CALL_ID }, { STR(OPT VIA F T "i:\r\n" C END), 400, BAD_CALL_ID },
		{ STR(OPT VIA F T "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n" C END), 0, BAD_NONE },	/* §3.1.1.2 */
		{ STR(OPT VIA F T I "CSeq: 36893488147419103232 OPTIONS\r\n" END), 400, BAD_CSEQ },	/* §3.1.2.4 */
		{ STR(OPT VIA F T I C "Max-Forwards: 256\r\n" END), 400, BAD_MAX_FORWARDS },
		{ STR(OPT VIA F T I C "Max-Forwards: 255\r\n" END), 0, BAD_NONE },
		{ STR(OPT VIA F T I C "Max-Forwards: x\r\n" END), 400, BAD_MAX_FORWARDS },
		{ STR(OPT VIA F T I C "Max-Forwards: 0\r\n" END), 0, BAD_NONE },	/* §3.3.11: 483 is the proxy's */
		{ STR(OPT "v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\r\n" F T I C END), 400, BAD_BRANCH },	/* §3.2.1 */
		{ STR(OPT "v: SIP/2.0/UDP 192.0.2.1\r\n" F T I C END), 0, BAD_NONE },
		{ STR(OPT "v:\r\n" F T I C END), 400, BAD_VIA },
		{ STR(OPT VIA F T I C "Content-Length: 9999\r\n\r\nbody"), 400, BAD_TRUNCATED },	/* §3.1.2.2 */
		{ STR(OPT VIA F T I C "Content-Length: -999\r\n\r\nbody"), 400, BAD_CONTENT_LENGTH },	/* §3.1.2.3 */
		{ STR(OPT VIA F T I C "Content-Length: 99999999999999999999\r\n\r\nbody"), 400, BAD_CONTENT_LENGTH },
		{ STR(OPT VIA F T I C), 400, BAD_TRUNCATED }, { STR(OPT VIA F T I "CSeq: 1 OPTIONS"), 400, BAD_TRUNCATED },
		{ STR(OPT), 400, BAD_TRUNCATED }, { STR("OPTIONS sip:a SIP/2.0"), 400, BAD_FIRST_LINE },
		{ STR(""), 400, BAD_EMPTY }, { STR("\r\n\r\n"), 400, BAD_EMPTY }, { STR("\r\n" OPT VIA F T I C END), 0, BAD_NONE },
		{ STR("REGISTER sip:a SIP/2.0\r\n" VIA F T I "CSeq: 1 REGISTER\r\nContact: *\r\n" END), 0, BAD_NONE },
		{ STR("REGISTER sip:a SIP/2.0\r\n" VIA F T I "CSeq: 1 REGISTER\r\nm: *, <sip:a>\r\n" END), 400, BAD_CONTACT },
		/* a response must only be fit to be passed on; §3.1.2.5 is not */
		{ STR("SIP/2.0 200 OK\r\n" VIA F T I C "Contact: ;;\r\nExpires: x\r\n" END), 0, BAD_NONE },
		{ STR("SIP/2.0 503 x\r\n" VIA F T I "CSeq: 9292394834772304023312 OPTIONS\r\n" END), 400, BAD_CSEQ },
		{ STR("SIP/2.0 200 OK\r\n" F T I C END), 400, BAD_MISSING },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char row[24];

		snprintf(row, sizeof(row), "%zu", i);
		case_begin(&t, rows[i].text);
		CHECK_ROW(msg_check(&t.m) == rows[i].status && t.m.bad == rows[i].bad, row);
		case_end(&t);
	}
}

TEST(a_broken_request_keeps_what_an_answer_needs)
{
	case_begin(&t, STR("INVITE  sip:a SIP/2.0\r\nbroken\r\n" VIA REST "CSeq: 2 INVITE\r\nContent-Length: 99\r\n\r\nxy"));
	CHECK(t.err == ERR_SYNTAX && t.m.bad == BAD_FIRST_LINE && t.m.request && t.m.method == M_INVITE);
	CHECK(msg_via1(&t.m) && msg_from(&t.m) && msg_cseq(&t.m)->num == 2);
	CHECK_STR(t.m.body, "xy");
	case_end(&t);
}

TEST(a_response_takes_its_method_from_cseq)
{
	case_begin(&t, STR("SIP/2.0 180 Ringing here\r\n" VIA REST "CSeq: 2 INVITE\r\n" END));
	CHECK(t.err == OK && !t.m.request && t.m.method == M_INVITE && t.m.status == 180);
	CHECK_STR(t.m.method_name, "INVITE");
	CHECK_STR(t.m.reason, "Ringing here");
	CHECK(!msg_ruri(&t.m));
	case_end(&t);
}

TEST(bytes_behind_content_length_are_not_the_body)
{
	case_begin(&t, STR(OPT VIA REST C "l: 2\r\n\r\nabINVITE sip:b SIP/2.0\r\n"));
	CHECK(t.err == OK);
	CHECK_STR(t.m.body, "ab");
	CHECK(str_ends(t.m.raw, STR("ab")));
	case_end(&t);
	case_begin(&t, STR(OPT VIA REST C "\r\nall of it"));
	CHECK_STR(t.m.body, "all of it");
	case_end(&t);
}

TEST(a_nul_stands_only_as_a_quoted_pair)
{
	static const struct { struct str text; bool ok; } rows[] = {
		{ STR(OPT VIA F "To: \"NUL:\\\0\" <sip:b@h>\r\n" I C END), true },	/* RFC 4475 §3.1.1.2 */
		{ STR(OPT VIA F "To: \"NUL:\0\" <sip:b@h>\r\n" I C END), false },
		{ STR(OPT VIA F "To: \"NUL:\\\\\0\" <sip:b@h>\r\n" I C END), false },
		{ STR(OPT VIA F T I C "X: a\\\0\r\n" END), false },
		{ STR(OPT VIA F T I C "X: a\0b\r\n" END), false },
		{ STR(OPT VIA F T I C "X\0: b\r\n" END), false },
		{ STR("OPTIONS sip:a\0 SIP/2.0\r\n" VIA F T I C END), false },
		{ STR(OPT VIA F T I C "l: 2\r\n\r\n\0\0"), true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char row[24];

		snprintf(row, sizeof(row), "%zu", i);
		case_begin(&t, rows[i].text);
		CHECK_ROW((msg_check(&t.m) == 0) == rows[i].ok, row);
		case_end(&t);
	}
}

TEST(too_much_is_refused)
{
	static char text[70000];
	struct buf  b = buf_on(text, sizeof(text));

	BUF_LIT(&b, OPT VIA REST C);
	for (int i = 0; i < MSG_MOST_HEADERS; i++)
		BUF_LIT(&b, "X: a\r\n");
	BUF_LIT(&b, "\r\n");
	case_begin(&t, buf_str(&b));
	CHECK(t.err == ERR_SYNTAX && t.m.bad == BAD_TOO_MANY_HEADERS && t.m.n_hdrs == MSG_MOST_HEADERS && msg_check(&t.m) == 400);
	case_end(&t);
	case_begin(&t, str_n(text, MSG_MOST_BYTES + 1));
	CHECK(t.err == ERR_SYNTAX && msg_check(&t.m) == 513);
	case_end(&t);
}

TEST(header_names_are_known_in_both_forms_and_any_case)
{
	static const struct { const char *name; enum hdr_type type; } rows[] = {
		{ "v", H_VIA }, { "F", H_FROM }, { "t", H_TO }, { "i", H_CALL_ID }, { "m", H_CONTACT }, { "L", H_CONTENT_LENGTH },
		{ "c", H_CONTENT_TYPE }, { "e", H_CONTENT_ENCODING }, { "k", H_SUPPORTED }, { "s", H_SUBJECT }, { "o", H_EVENT },
		{ "y", H_IDENTITY }, { "MAX-forwards", H_MAX_FORWARDS }, { "Via:", H_OTHER }, { "Vib", H_OTHER }, { "", H_OTHER },
		{ "z", H_OTHER }, { "C%6Fntact", H_OTHER }, { "Proxy-Authorizatio", H_OTHER }, { "Proxy-Authorizations", H_OTHER },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(hdr_type_of(str_of(rows[i].name)) == rows[i].type, rows[i].name);
	for (unsigned h = H_OTHER + 1; h < H_COUNT; h++)
		CHECK_INT(hdr_type_of(hdr_type_name((enum hdr_type)h)), h);
	for (unsigned m = M_OTHER + 1; m < M_COUNT; m++)
		CHECK_INT(method_of(method_name((enum method)m)), m);
	CHECK(method_of(STR("invite")) == M_OTHER && method_of(STR("")) == M_OTHER && !method_name(M_OTHER).len);
	CHECK(!hdr_type_name(H_OTHER).len);
	for (unsigned b = 0; b < BAD_COUNT; b++)
		CHECK(msg_bad_name((enum msg_bad)b) && msg_bad_reason((enum msg_bad)b));
}

TEST(unknown_fields_are_found_by_name_and_compact_form)
{
	struct str body;

	case_begin(&t, STR(OPT VIA REST C "r: <sip:x>\r\nX-A: 1\r\nx-a: 2\r\nSupported: a, B\r\nk:\r\nk: c\r\n" END));
	CHECK(msg_hdr(&t.m, STR("Refer-To"), &body) == OK);
	CHECK_STR(body, "<sip:x>");
	CHECK(msg_hdr(&t.m, STR("X-B"), &body) == ERR_NOT_FOUND);
	CHECK_STR(msg_find_next(msg_find(&t.m, STR("x-A")))->body, "2");
	CHECK(msg_has_token(&t.m, H_SUPPORTED, "b") && msg_has_token(&t.m, H_SUPPORTED, "C") && !msg_has_token(&t.m, H_SUPPORTED, "d"));
	CHECK(!msg_has_token(&t.m, H_REQUIRE, ""));
	case_end(&t);
}

/* The registry's compact forms of fields that have no type here. */
TEST(compact_forms_of_untyped_fields_are_their_long_names)
{
	static const struct { const char *compact, *name; } rows[] = {
		{ "r", "Refer-To" }, { "B", "Referred-By" }, { "x", "Session-Expires" }, { "u", "Allow-Events" },
		{ "a", "Accept-Contact" }, { "j", "Reject-Contact" }, { "d", "Request-Disposition" }, { "n", "Identity-Info" },
		{ "Q", "q" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), OPT VIA REST C "%s: 1\r\n" END, rows[i].compact);
		case_begin(&t, str_of(text));
		CHECK_ROW(msg_find(&t.m, str_of(rows[i].name)), rows[i].name);
		CHECK_ROW(msg_set_hdr(&t.m, str_of(rows[i].name), STR("2")) == OK, rows[i].name);
		CHECK_STR(msg_find(&t.m, str_of(rows[i].compact))->body, "2");
		case_end(&t);
	}
}

TEST(numbers_are_told_from_rubbish_and_absence)
{
	uint32_t n;

	case_begin(&t, STR(OPT VIA REST C "Expires: 60\r\nMin-Expires: x\r\n" END));
	CHECK(msg_number(&t.m, H_EXPIRES, &n) == OK && n == 60);
	CHECK(msg_number(&t.m, H_MIN_EXPIRES, &n) == ERR_SYNTAX && msg_number(&t.m, H_MAX_FORWARDS, &n) == ERR_NOT_FOUND);
	case_end(&t);
}

/* --- memory runs out at every allocation in turn --- */

/* All that allocates, once; ends at the first failure, like a caller would. */
static enum err use_memory(struct ctx *c, struct msg *m)
{
	enum err err = msg_parse(c, STR(OPT VIA "Route: <sip:r;lr>, <sip:s;lr>\r\nX: a\n b\r\n" REST C END), m);

	if (err)
		return err;
	if (msg_check(m))
		return m->bad == BAD_NOMEM ? ERR_NOMEM : ERR_SYNTAX;
	if ((err = msg_set_received(m, STR("10.0.0.1"), 1)) || (err = msg_prepend(m, STR("Via"), STR("SIP/2.0/UDP x"))) ||
	    (err = msg_set_hdr(m, STR("Max-Forwards"), STR("69"))) || (err = msg_set_ruri(m, STR("sip:new"))) ||
	    (err = msg_set_body(m, STR("text/plain"), STR("hello"))) || (err = msg_pop_value(m, H_ROUTE)) ||
	    (err = msg_replace(m, m->first[H_TO], STR("<sip:c@h>"))))
		return err;
	return msg_via1(m) && msg_ruri(m) && msg_to(m) ? OK : ERR_NOMEM;
}

/* An arena whose only memory is its first `bytes`. */
static enum err with_memory(size_t bytes, char *room)
{
	struct arena  a;
	struct ctx    c = { .arena = &a };
	struct msg    m;
	struct reply  r = { .status = 500, .to_tag = STR("t") };
	struct buf    b = buf_on(t.out, sizeof(t.out));
	enum err      err;

	arena_init(&a, room, bytes, 0);
	err = use_memory(&c, &m);
	/* whatever failed, the message can be answered and written */
	reply_write(&m, &r, &b);
	msg_write(&m, &b);
	CHECK(buf_ok(&b) && msg_check(&m) != 400);
	arena_free(&a);
	return err;
}

TEST(no_memory_is_survived_at_every_step)
{
	enum { ENOUGH = 16384 };
	size_t failures = 0;

	for (size_t bytes = 0; bytes <= ENOUGH; bytes += 16) {
		/* memory of exactly this size, so that the sanitizer sees a byte too many */
		char    *room = aligned_alloc(16, bytes ? bytes : 16);
		enum err err = with_memory(bytes, room);

		CHECK(err == OK || err == ERR_NOMEM);
		failures += err == ERR_NOMEM;
		free(room);
	}
	CHECK(failures > 100 && failures < ENOUGH / 16);
}

TEST(an_edit_without_memory_changes_nothing)
{
	static char before[4096];
	struct str  text;

	for (size_t left = 0; left < 400; left += 16) {
		case_begin(&t, STR(OPT VIA REST C "Content-Length: 2\r\n\r\nab"));
		text = case_text(&t);
		memcpy(before, text.p, text.len);
		before[text.len] = '\0';
		/* leave so much in the chunk, and nothing behind it */
		t.arena.limit_bytes = 0;
		while ((size_t)(t.arena.end - t.arena.at) > left && arena_alloc(&t.arena, 16))
			;
		if (msg_set_body(&t.m, STR("text/plain"), STR("a new body, longer than the old one")) == ERR_NOMEM)
			CHECK_STR(case_text(&t), before);
		else
			CHECK_STR(t.m.first[H_CONTENT_TYPE]->body, "text/plain");
		case_end(&t);
	}
}
