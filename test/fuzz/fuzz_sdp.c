/* Lengths and boundaries: a header of our own with what Content-Length, Content-Type and body the input makes of it. Datagram and stream agree on where the
 * body ends, or one of them refuses; its parts and its SDP lie within it, whatever lengths and boundaries are nested in it.
 *
 * The input: header lines, an empty line, the body; what follows is the next message of the stream. */
#include "fuzz.h"

#include "msg/body.h"
#include "msg/frame.h"

enum { ROOM = 16384 };
static char room[ROOM];

#define HEADER \
	"INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\nFrom: <sip:a@b.c>;tag=a\r\n" \
	"To: <sip:b@b.c>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"

static void read_sdp(struct str sdp)
{
	struct sdp s;
	struct str formats, format;

	sdp_read(sdp, &s);
	expect_within(sdp, s.ip);
	expect_within(sdp, s.media_ip);
	expect_within(sdp, s.media);
	expect_within(sdp, s.formats);
	expect_within(sdp, s.lines);
	EXPECT(s.has_media || (!s.media.len && !s.formats.len && !s.lines.len));
	formats = s.formats;
	for (unsigned n = 0; formats.len && n < 8; n++) {
		format = sdp_format_take(&formats);
		expect_within(sdp, format);
		EXPECT(sdp_codec(&s, format).p);
	}
}

static void read_body(struct msg *m)
{
	struct str type = STR_NONE, part;

	if (msg_hdr(m, STR("Content-Type"), &type))
		return;
	part = body_find(type, m->body, "application/sdp");
	expect_within(m->body, part);
	read_sdp(part);
	expect_within(m->body, body_find(type, m->body, "text/plain"));
}

/* What a datagram of it is taken for: its body and how often it says its length. False: refused. */
static bool as_datagram(struct ctx *c, struct str in, struct str *body, unsigned *lengths)
{
	struct msg m;

	if (msg_parse(c, in, &m) || msg_check(&m))
		return false;
	expect_within(in, m.body);
	read_body(&m);
	*body = m.body;
	*lengths = 0;
	for (const struct hdr *h = m.first[H_CONTENT_LENGTH]; h; h = h->same)
		++*lengths;
	return true;
}

/* A stream wants the length once, and all of the body (RFC 3261 §18.3); apart from that the two read alike. */
static void compare(struct ctx *c, struct str in)
{
	struct frame_scan scan = { 0 };
	struct frame      f;
	struct str        datagram, stream;
	unsigned          lengths;
	bool              whole = as_datagram(c, in, &datagram, &lengths);
	enum err          err = frame_next(in, ROOM, true, &scan, &f);

	if (err) {
		EXPECT(!whole || (err == ERR_SYNTAX && lengths != 1));
		return;
	}
	EXPECT(f.kind == FRAME_MESSAGE && f.len <= in.len && f.skip == 0);
	EXPECT(as_datagram(c, str_to(in, f.len), &stream, &lengths) == whole);
	if (whole)
		EXPECT(str_eq(datagram, stream) && scan.header_len + stream.len == f.len && stream.p + stream.len == in.p + f.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf   b = buf_on(room, ROOM);
	struct arena a;
	struct ctx   c = { .arena = &a };

	BUF_LIT(&b, HEADER);
	buf_add(&b, fuzz_str(data, size));
	if (!buf_ok(&b))
		return 0;
	arena_init(&a, NULL, 0, 64 << 20);
	compare(&c, buf_str(&b));
	arena_free(&a);
	return 0;
}
