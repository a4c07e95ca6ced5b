/* Parts of bodies, and session descriptions. */
#include "msg/body.h"
#include "test.h"

#define SDP "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0 8\r\n"

TEST(body_finds_the_part_of_a_type)
{
	static const struct { const char *type, *body, *want, *why; } rows[] = {
		{ "application/sdp", "x", "x", "the body itself" },
		{ "Application/SDP ; charset=utf-8", "x", "x", "types are case-insensitive, RFC 2045 §5.1" },
		{ "text/plain", "x", NULL, "another type" },
		{ "multipart/mixed;boundary=b", "preamble\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: application/sdp\r\n\r\nx\r\n--b--\r\nepilogue", "x", "the second part" },
		{ "multipart/mixed; boundary=\"b b\"", "--b b  \r\nc: application/sdp\r\nContent-Length: 99\r\n\r\nx\r\n\r\n--b b--", "x\r\n",
		  "quoted boundary, blanks behind it, compact name, a length that is wrong" },
		{ "multipart/mixed;boundary=b", "--b\nContent-Type: application/sdp\n\nx\n--b--\n", "x", "lines that end in LF alone" },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\nx", "x", "not closed" },
		{ "multipart/mixed;boundary=b", "--b--\r\n--b\r\nContent-Type: application/sdp\r\n\r\nx", NULL, "behind the end is nothing" },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\nno empty line", "", "a header alone has no body" },
		{ "multipart/mixed;boundary=b", "--bb\r\nContent-Type: application/sdp\r\n\r\nx\r\n--b--", NULL, "another boundary that begins so" },
		{ "multipart/mixed;boundary=b", " --b\r\nContent-Type: application/sdp\r\n\r\nx", NULL, "a delimiter begins its line" },
		{ "multipart/mixed", "--\r\nContent-Type: application/sdp\r\n\r\nx", NULL, "no boundary" },
		{ "multipart/mixed;boundary=", "--\r\nContent-Type: application/sdp\r\n\r\nx", NULL, "an empty one" },
		{ "multipart/mixed;boundary=a",
		  "--a\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n--b\r\n\r\nt\r\n--b\r\nContent-Type: application/sdp\r\n\r\nx\r\n--b--\r\n--a--", "x",
		  "parts of a part" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str found = body_find(str_of(rows[i].type), str_of(rows[i].body), "application/sdp");

		CHECK_ROW(!found.p == !rows[i].want, rows[i].why);
		CHECK_ROW(!found.p || str_is(found, rows[i].want), rows[i].why);
	}
}

TEST(body_is_not_looked_into_without_end)
{
	char       text[4096] = "";
	struct str found;

	for (int i = 0; i < 20; i++)
		strcat(text, "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n");
	strcat(text, "--b\r\nContent-Type: application/sdp\r\n\r\nx\r\n--b--");
	found = body_find(STR("multipart/mixed;boundary=b"), str_of(text), "application/sdp");
	CHECK_STR(found, "x");		/* the outermost boundary is the same: not nested at all */
	for (char *p = text; (p = strstr(p, "boundary=b\r\n\r\n--b")); p += 14)
		p[9] = p[16] = (char)('c' + (p - text) % 20);
	CHECK(!body_find(STR("multipart/mixed;boundary=b"), str_of(text), "application/sdp").p);
}

TEST(sdp_tells_of_the_first_medium)
{
	struct sdp s;
	struct str formats;

	sdp_read(STR(SDP "c=IN IP6 2001:db8::1/127\r\na=rtpmap:8 mine/8000\r\nm=video 0 x 0\r\na=rtpmap:0 other/1\r\n"), &s);
	CHECK(s.has_media && s.port == 4000);
	CHECK_STR(s.media, "audio");
	CHECK_STR(s.ip, "10.0.0.1");
	CHECK_STR(s.media_ip, "2001:db8::1");
	formats = s.formats;
	CHECK_STR(sdp_codec(&s, sdp_format_take(&formats)), "PCMU");	/* what the second medium calls it is of no interest */
	CHECK_STR(sdp_codec(&s, sdp_format_take(&formats)), "mine");
	CHECK(!formats.len);
	sdp_read(STR("m=\nc=\n=\nm"), &s);
	CHECK(s.has_media && !s.port && !s.media.len && !s.formats.len && !s.media_ip.len);
	sdp_read(STR_NONE, &s);
	CHECK(!s.has_media);
}
