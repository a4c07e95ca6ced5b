/* Messages cut from a stream (RFC 3261 §18.3, RFC 5626 §3.5.1). */
#include "test.h"

#include "msg/frame.h"

#define ONE "OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\nbody"

TEST(streams_are_cut_at_content_length)
{
	static const struct { const char *in; enum err err; enum frame_kind kind; size_t skip, len; } rows[] = {
		{ ONE "OPTIONS", OK, FRAME_MESSAGE, 0, sizeof(ONE) - 1 },
		{ "A\r\nl : 0\r\n\r\nrest", OK, FRAME_MESSAGE, 0, 13 - 1 },
		{ "A\nl:1\n\nx", OK, FRAME_MESSAGE, 0, 8 },
		{ "\n\nA\nl:0\n\n", OK, FRAME_MESSAGE, 2, 9 },
		{ "A\r\nX: a\r\n l: 9\r\nl: 1\r\n\r\nxy", OK, FRAME_MESSAGE, 0, 25 },
		{ "A\r\nContent-Length:\r\n 2\r\n\r\nxyz", OK, FRAME_MESSAGE, 0, 28 },
		{ "A\r\nbroken line\r\nl: 0\r\n\r\n", OK, FRAME_MESSAGE, 0, 24 },
		{ "", ERR_AGAIN, 0, 0, 0 }, { "\r", ERR_AGAIN, 0, 0, 0 }, { "\r\n", ERR_AGAIN, 0, 0, 0 }, { "\r\n\r", ERR_AGAIN, 0, 0, 0 },
		{ "OPT", ERR_AGAIN, 0, 0, 0 }, { "A\r\nl: 4\r\n\r\nbod", ERR_AGAIN, 0, 0, 0 }, { "A\r\nl: 0\r\n\r", ERR_AGAIN, 0, 0, 0 },
		{ "\r\n\r\n\r\n", OK, FRAME_PING, 0, 4 }, { "\r\nA", OK, FRAME_PONG, 0, 2 }, { "\r\n\rA", OK, FRAME_PONG, 0, 2 },
		{ "\rA", ERR_SYNTAX, 0, 0, 0 },
		{ "A\r\nX: 1\r\n\r\n", ERR_SYNTAX, 0, 0, 0 },	/* no Content-Length */
		{ "A\r\nl: -999\r\n\r\n", ERR_SYNTAX, 0, 0, 0 },	/* RFC 4475 §3.1.2.3 */
		{ "A\r\nl: 5\r\nl: 13\r\n\r\n", ERR_SYNTAX, 0, 0, 0 },	/* §3.3.9 */
		{ "A\r\nl: 201\r\n\r\n", ERR_LIMIT, 0, 0, 0 }, { "A\r\nl: 4294967295\r\n\r\n", ERR_LIMIT, 0, 0, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct frame_scan scan = { 0 };
		struct frame      f = { 0 };

		CHECK_ROW(frame_next(str_of(rows[i].in), 200, false, &scan, &f) == rows[i].err, rows[i].in);
		CHECK_ROW(f.kind == rows[i].kind && f.skip == rows[i].skip && f.len == rows[i].len, rows[i].in);
	}
}

TEST(a_lone_crlf_is_a_pong_when_the_sender_rests)
{
	struct frame_scan scan = { 0 };
	struct frame      f;

	CHECK(frame_next(STR("\r\n"), 200, true, &scan, &f) == OK && f.kind == FRAME_PONG && f.len == 2);
	CHECK(frame_next(STR("\r"), 200, true, &scan, &f) == ERR_AGAIN);
	CHECK(frame_next(STR("\r\n\r"), 200, true, &scan, &f) == ERR_AGAIN);
}

TEST(a_message_may_arrive_byte_by_byte)
{
	struct str        in = STR(ONE);
	struct frame_scan scan = { 0 };
	struct frame      f;

	for (size_t n = 0; n < in.len; n++) {
		CHECK(frame_next(str_to(in, n), 4096, n % 2, &scan, &f) == ERR_AGAIN);
		CHECK(scan.scanned + 64 > n || scan.header_len);	/* what was seen is not looked at again */
	}
	CHECK(frame_next(in, 4096, false, &scan, &f) == OK && f.len == in.len);
}

TEST(a_header_without_end_reaches_the_limit)
{
	static char       text[300];
	struct frame_scan scan = { 0 };
	struct frame      f;

	memset(text, 'a', sizeof(text));
	CHECK(frame_next(str_n(text, 199), 200, false, &scan, &f) == ERR_AGAIN);
	CHECK(frame_next(str_n(text, 200), 200, false, &scan, &f) == ERR_LIMIT);
}
