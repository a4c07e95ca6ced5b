/* Responses, CANCEL and ACK made from other messages. */
#include "msg_test.h"

static struct msg_case t, r;
static char            room[8192];

#define INVITE                                                                \
	"INVITE sip:bob@example.org SIP/2.0\r\n"                              \
	"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\n"                 \
	"v: SIP/2.0/UDP 10.0.0.2, SIP/2.0/TCP 10.0.0.3\r\n"                   \
	"Record-Route: <sip:p1;lr>\r\n"                                       \
	"Route: <sip:r1;lr>\r\n"                                              \
	"Route: <sip:r2;lr>\r\n"                                              \
	"From: \"A\" <sip:alice@example.org>;tag=1\r\n"                       \
	"t: <sip:bob@example.org>\r\n"                                        \
	"Call-ID: c1\r\n"                                                     \
	"Timestamp: 54\r\n"                                                   \
	"CSeq: 007 INVITE\r\n"                                                \
	"Content-Length: 0\r\n\r\n"

static struct str reply_text(struct reply reply)
{
	struct buf b = buf_on(room, sizeof(room));

	reply_write(&t.m, &reply, &b);
	CHECK(buf_ok(&b));
	return buf_str(&b);
}

/* RFC 3261 §8.2.6.2 */
TEST(a_reply_copies_what_it_must_and_tags_the_to)
{
	case_begin(&t, STR(INVITE));
	CHECK(msg_set_received(&t.m, STR("10.0.0.9"), 5099) == OK);
	CHECK_STR(reply_text((struct reply){ .status = 404, .to_tag = STR("x1"), .headers = STR("Server: s\r\n") }),
		  "SIP/2.0 404 Not Found\r\n"
		  "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport=5099;received=10.0.0.9\r\n"
		  "v: SIP/2.0/UDP 10.0.0.2, SIP/2.0/TCP 10.0.0.3\r\n"
		  "From: \"A\" <sip:alice@example.org>;tag=1\r\n"
		  "To: <sip:bob@example.org>;tag=x1\r\n"
		  "Call-ID: c1\r\n"
		  "CSeq: 007 INVITE\r\n"
		  "Server: s\r\n"
		  "Content-Length: 0\r\n\r\n");
	case_end(&t);
}

TEST(a_100_has_the_timestamp_and_no_tag)
{
	case_begin(&t, STR(INVITE));
	CHECK_STR(reply_text((struct reply){ .status = 100 }),
		  "SIP/2.0 100 Trying\r\n"
		  "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\n"
		  "v: SIP/2.0/UDP 10.0.0.2, SIP/2.0/TCP 10.0.0.3\r\n"
		  "From: \"A\" <sip:alice@example.org>;tag=1\r\n"
		  "t: <sip:bob@example.org>\r\n"
		  "Call-ID: c1\r\n"
		  "CSeq: 007 INVITE\r\n"
		  "Timestamp: 54\r\n"
		  "Content-Length: 0\r\n\r\n");
	case_end(&t);
}

TEST(a_reply_may_have_a_body_and_record_routes)
{
	case_begin(&t, STR("OPTIONS sip:a SIP/2.0\r\nRecord-Route: <sip:p;lr>\r\nTo: <sip:a>;tag=old\r\nl: 0\r\n\r\n"));
	CHECK_STR(reply_text((struct reply){ .status = 200, .reason = STR("Fine"), .to_tag = STR("new"), .record_route = true,
					     .body_type = STR("text/plain"), .body = STR("hi") }),
		  "SIP/2.0 200 Fine\r\n"
		  "Record-Route: <sip:p;lr>\r\n"
		  "To: <sip:a>;tag=old\r\n"
		  "Content-Type: text/plain\r\n"
		  "Content-Length: 2\r\n\r\nhi");
	case_end(&t);
}

TEST(a_to_that_cannot_be_parsed_goes_back_as_it_is)
{
	case_begin(&t, STR("OPTIONS sip:a SIP/2.0\r\nTo: \"x <sip:a>\r\nl: 0\r\n\r\n"));
	CHECK_STR(reply_text((struct reply){ .status = 400, .to_tag = STR("new") }),
		  "SIP/2.0 400 Bad Request\r\nTo: \"x <sip:a>\r\nContent-Length: 0\r\n\r\n");
	case_end(&t);
}

TEST(nothing_can_be_answered_to_nothing)
{
	case_begin(&t, STR(""));
	CHECK_STR(reply_text((struct reply){ .status = 599 }), "SIP/2.0 599 \r\nContent-Length: 0\r\n\r\n");
	case_end(&t);
}

/* RFC 3261 §9.1 */
TEST(a_cancel_has_the_top_via_the_routes_and_the_number)
{
	struct buf b = buf_on(room, sizeof(room));

	case_begin(&t, STR(INVITE));
	CHECK(cancel_write(&t.m, STR("Reason: SIP;cause=200\r\n"), &b) == OK);
	CHECK_STR(buf_str(&b),
		  "CANCEL sip:bob@example.org SIP/2.0\r\n"
		  "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\n"
		  "Route: <sip:r1;lr>\r\n"
		  "Route: <sip:r2;lr>\r\n"
		  "Max-Forwards: 70\r\n"
		  "From: \"A\" <sip:alice@example.org>;tag=1\r\n"
		  "t: <sip:bob@example.org>\r\n"
		  "Call-ID: c1\r\n"
		  "CSeq: 7 CANCEL\r\n"
		  "Reason: SIP;cause=200\r\n"
		  "Content-Length: 0\r\n\r\n");
	case_begin(&r, buf_str(&b));
	CHECK(r.err == OK && msg_check(&r.m) == 0);
	case_end(&r);
	b = buf_on(room, 100);
	CHECK(cancel_write(&t.m, STR_NONE, &b) == ERR_LIMIT);
	case_end(&t);
}

/* §17.1.1.3 */
TEST(an_ack_has_the_to_of_the_response)
{
	struct buf b = buf_on(room, sizeof(room));

	case_begin(&t, STR(INVITE));
	case_begin(&r, STR("SIP/2.0 486 Busy Here\r\nTo: <sip:bob@example.org>;tag=uas\r\nCSeq: 7 INVITE\r\nl: 0\r\n\r\n"));
	CHECK(ack_write(&t.m, &r.m, &b) == OK);
	CHECK_STR(buf_str(&b),
		  "ACK sip:bob@example.org SIP/2.0\r\n"
		  "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport\r\n"
		  "Route: <sip:r1;lr>\r\n"
		  "Route: <sip:r2;lr>\r\n"
		  "Max-Forwards: 70\r\n"
		  "From: \"A\" <sip:alice@example.org>;tag=1\r\n"
		  "To: <sip:bob@example.org>;tag=uas\r\n"
		  "Call-ID: c1\r\n"
		  "CSeq: 7 ACK\r\n"
		  "Content-Length: 0\r\n\r\n");
	case_end(&r);
	case_begin(&r, STR("SIP/2.0 486 Busy Here\r\nCSeq: 7 INVITE\r\nl: 0\r\n\r\n"));
	CHECK(ack_write(&t.m, &r.m, &b) == ERR_SYNTAX);
	case_end(&r);
	case_end(&t);
}

TEST(phrases_are_those_of_the_rfc)
{
	CHECK_STR(reason_phrase(480), "Temporarily Unavailable");
	CHECK_STR(reason_phrase(481), "Call/Transaction Does Not Exist");
	CHECK_STR(reason_phrase(299), "");
}
