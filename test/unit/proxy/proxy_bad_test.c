/* Bad input: for each reason the RFC's answer or a drop, and one more on its counter (RFC 3261 §8.2, §16.3; RFC 4475). */
#include "proxy_world.h"

static int64_t bad_count(const char *reason)
{
	char name[64];

	snprintf(name, sizeof(name), "proxy.bad.%s", reason);
	for (size_t i = 0; counter_at(i); i++)
		if (!strcmp(counter_at(i)->name, name))
			return counter_read(counter_at(i));
	fail_msg("no counter %s", name);
	return 0;
}

#define HEAD(method, ruri) method " " ruri " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bKb;rport\r\n"
#define FROM "From: <sip:a@x>;tag=1\r\n"
#define REST "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
#define GOOD HEAD("INVITE", "sip:b@127.0.0.3") FROM REST

TEST(each_kind_of_bad_input_is_answered_or_dropped_and_counted)
{
	static const struct { const char *reason, *request, *reply; } rows[] = {
		{ "first_line", "INVITE  sip:b@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bKb\r\n" FROM REST "\r\n", "SIP/2.0 400 " },
		{ "method", "INV(ITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bKb\r\n" FROM REST "\r\n", "SIP/2.0 400 " },
		{ "version", "INVITE sip:b@127.0.0.3 SIP/7.0\r\nVia: SIP/7.0/UDP 127.0.0.2:5070;branch=z9hG4bKb\r\n" FROM REST "\r\n", "SIP/2.0 505 " },
		{ "ruri", HEAD("INVITE", "sip:b@127.0.0.3?Route=%3Csip:x%3E") FROM REST "\r\n", "SIP/2.0 400 " },	/* RFC 4475 §3.1.2.11 */
		{ "ruri_scheme", HEAD("INVITE", "soap.beep://192.0.2.1:3302") FROM REST "\r\n", "SIP/2.0 416 " },	/* §16.3 step 2 */
		{ "header", GOOD "no colon here\r\n\r\n", "SIP/2.0 400 " },
		{ "truncated", GOOD "Content-Length: 100\r\n\r\nv=0\r\n", "SIP/2.0 400 " },	/* §18.3 */
		{ "content_length", GOOD "Content-Length: -1\r\n\r\n", "SIP/2.0 400 " },
		{ "content_length", GOOD "Content-Length: 5x\r\n\r\n", "SIP/2.0 400 " },
		{ "content_length", GOOD "Content-Length: 99999999999999999999\r\n\r\n", "SIP/2.0 400 " },
		{ "missing", HEAD("INVITE", "sip:b@127.0.0.3") REST "\r\n", "SIP/2.0 400 " },
		{ "missing", HEAD("INVITE", "sip:b@127.0.0.3") FROM "\r\n", "SIP/2.0 400 " },
		{ "duplicate", GOOD FROM "\r\n", "SIP/2.0 400 " },			/* RFC 4475 §3.3.8 */
		{ "duplicate", GOOD "Max-Forwards: 5\r\nMax-Forwards: 70\r\n\r\n", "SIP/2.0 400 " },
		{ "from", HEAD("INVITE", "sip:b@127.0.0.3") "From: <<>>;tag=1\r\n" REST "\r\n", "SIP/2.0 400 " },
		{ "to", HEAD("INVITE", "sip:b@127.0.0.3") FROM "To: \"no end <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 400 " },
		{ "call_id", HEAD("INVITE", "sip:b@127.0.0.3") FROM "To: <sip:b@y>\r\nCall-ID: a b\r\nCSeq: 1 INVITE\r\n\r\n", "SIP/2.0 400 " },
		{ "cseq_method", HEAD("INVITE", "sip:b@127.0.0.3") FROM "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n", "SIP/2.0 400 " },
		{ "cseq", HEAD("INVITE", "sip:b@127.0.0.3") FROM "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 36893488147419103232 INVITE\r\n\r\n", "SIP/2.0 400 " },
		{ "max_forwards", GOOD "Max-Forwards: 300\r\n\r\n", "SIP/2.0 400 " },	/* §20.22 */
		{ "contact", GOOD "Contact: <sip:a@h>, <sip:b@h>\r\n\r\n", "SIP/2.0 400 " },	/* §8.1.1.8 */
		{ "contact", GOOD "Contact: *\r\n\r\n", "SIP/2.0 400 " },			/* §10.2.2 */
		{ "route", GOOD "Route: sip:x;lr\r\n\r\n", "SIP/2.0 400 " },
		{ "expires", GOOD "Expires: soon\r\n\r\n", "SIP/2.0 400 " },
		{ "branch", "INVITE sip:b@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK\r\n" FROM REST "\r\n", "SIP/2.0 400 " },
		/* no answer: there is no address to send it to, or nobody who would want it */
		{ "missing", "INVITE sip:b@127.0.0.3 SIP/2.0\r\n" FROM REST "\r\n", NULL },
		{ "via", "INVITE sip:b@127.0.0.3 SIP/2.0\r\nVia: rubbish\r\n" FROM REST "\r\n", NULL },
		{ "header", HEAD("ACK", "sip:b@127.0.0.3") FROM "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 ACK\r\nno colon\r\n\r\n", NULL },	/* §8.1.1.1: an ACK is not answered */
		{ "status", "SIP/2.0 4294967301 better not\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKb\r\n" FROM REST "\r\n", NULL },	/* RFC 4475 §3.1.2.19 */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t before, all;

		world_begin();
		before = bad_count(rows[i].reason);
		all = counter_read(&count_bad_messages);
		w.script = script_must_not_run;
		receive(rows[i].request);
		CHECK_ROW(rows[i].reply ? w.sent == 1 && sent_has(0, rows[i].reply) : w.sent == 0, rows[i].request);
		CHECK_ROW(bad_count(rows[i].reason) == before + 1 && counter_read(&count_bad_messages) == all + 1, rows[i].request);
		world_end();
	}
}

/* A message of `n` times the same text between its fields and its end. */
static void receive_many(const char *begin, const char *text, size_t n, const char *last)
{
	size_t     cap = strlen(begin) + n * strlen(text) + strlen(last);
	char      *room = malloc(cap);
	struct buf out = buf_on(room, cap);

	buf_add(&out, str_of(begin));
	for (size_t i = 0; i < n; i++)
		buf_add(&out, str_of(text));
	buf_add(&out, str_of(last));
	CHECK(buf_ok(&out));
	net_inject(buf_str(&out), &w.caller);
	free(room);
}

TEST(what_is_too_much_is_refused)
{
	static const struct { const char *reason, *begin, *text; size_t n; const char *last, *reply; } rows[] = {
		{ "too_many_headers", GOOD, "X: y\r\n", 3000, "\r\n", "SIP/2.0 400 " },
		{ "too_large", GOOD "X: ", "yyyyyyyyyy", 7000, "\r\n\r\n", NULL },	/* more than a datagram can hold; a stream is cut off earlier */
		{ "route", GOOD "Route: <sip:x;lr>", ",", 20000, "\r\n\r\n", "SIP/2.0 400 " },	/* a bomb of empty values */
		{ "contact", GOOD "Contact: ", "<sip:x>,", 6000, "<sip:x>\r\n\r\n", "SIP/2.0 400 " },
		{ "from", HEAD("INVITE", "sip:b@127.0.0.3") REST "From: <sip:a@x>;tag=1", ";p=1", 4000, "\r\n\r\n", "SIP/2.0 400 " },	/* parameters without end */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t before;

		world_begin();
		before = bad_count(rows[i].reason);
		w.script = script_must_not_run;
		receive_many(rows[i].begin, rows[i].text, rows[i].n, rows[i].last);
		CHECK_ROW(rows[i].reply ? w.sent == 1 && sent_has(0, rows[i].reply) : w.sent == 0, rows[i].reason);
		CHECK_ROW(bad_count(rows[i].reason) == before + 1, rows[i].reason);
		world_end();
	}
}

/* §21.5.11: of a stream that is closed for it the beginning is enough to know whom to tell. */
TEST(a_header_without_end_on_a_stream_is_told_513)
{
	static char room[3 * MSG_MOST_BYTES];
	struct buf  out = buf_on(room, sizeof(room));
	int64_t     before;

	world_begin();
	before = bad_count("too_large");
	buf_add(&out, STR(GOOD "X: "));
	while (out.len < sizeof(room))
		buf_ch(&out, 'y');
	proxy_unframed(buf_str(&out), ERR_LIMIT, &w.caller);
	CHECK(w.sent == 1 && sent_has(0, "SIP/2.0 513 "));
	CHECK_INT(bad_count("too_large"), before + 1);
	world_end();
}

/* Not everything that looks bad is: bodies are bytes, texts may be in any encoding, and a long list is a long list. */
TEST(what_is_merely_strange_passes)
{
	static const struct { const char *name, *text; size_t len; } rows[] = {
#define ROW(name, text) { name, text, sizeof(text) - 1 }
		ROW("a binary body with NULs", GOOD "Content-Type: application/octet-stream\r\nContent-Length: 8\r\n\r\n\0\1\2\r\n\0\xff\xfe"),
		ROW("invalid UTF-8 in a display name and a subject", HEAD("INVITE", "sip:b@127.0.0.3") "From: \"\xff\xfe\xc0\x80\" <sip:a@x>;tag=1\r\n" REST "Subject: \xc3\x28\r\n\r\n"),
		ROW("bytes behind Content-Length (§18.3)", GOOD "Content-Length: 0\r\n\r\nrest of a datagram"),
		ROW("an unknown scheme in From (RFC 4475 §3.3.4)", HEAD("INVITE", "sip:b@127.0.0.3") "From: <name:John_Smith>;tag=1\r\n" REST "\r\n"),
		ROW("unknown fields with values of all kinds", GOOD "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\r\n"),
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t all;

		world_begin();
		all = counter_read(&count_bad_messages);
		w.script = script_relay;
		net_inject(str_n(rows[i].text, rows[i].len), &w.caller);
		CHECK_ROW(w.sent == 1 && sent_has(0, "INVITE sip:b@127.0.0.3 "), rows[i].name);
		CHECK_ROW(counter_read(&count_bad_messages) == all, rows[i].name);
		world_end();
	}
}
