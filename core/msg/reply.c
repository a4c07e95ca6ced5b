/* Messages made from others: responses, CANCEL, ACK. */
#include "msg/internal.h"

struct str reason_phrase(unsigned status)
{
	/* RFC 3261 §21, and the registry's additions that a proxy or registrar may send or meet */
	static const struct {
		uint16_t   status;
		struct str phrase;
	} phrases[] = {
		{ 100, STR("Trying") }, { 180, STR("Ringing") }, { 181, STR("Call Is Being Forwarded") },
		{ 182, STR("Queued") }, { 183, STR("Session Progress") }, { 199, STR("Early Dialog Terminated") },
		{ 200, STR("OK") }, { 202, STR("Accepted") }, { 204, STR("No Notification") },
		{ 300, STR("Multiple Choices") }, { 301, STR("Moved Permanently") },
		{ 302, STR("Moved Temporarily") }, { 305, STR("Use Proxy") }, { 380, STR("Alternative Service") },
		{ 400, STR("Bad Request") }, { 401, STR("Unauthorized") }, { 402, STR("Payment Required") },
		{ 403, STR("Forbidden") }, { 404, STR("Not Found") }, { 405, STR("Method Not Allowed") },
		{ 406, STR("Not Acceptable") }, { 407, STR("Proxy Authentication Required") },
		{ 408, STR("Request Timeout") }, { 410, STR("Gone") }, { 412, STR("Conditional Request Failed") },
		{ 413, STR("Request Entity Too Large") }, { 414, STR("Request-URI Too Long") },
		{ 415, STR("Unsupported Media Type") }, { 416, STR("Unsupported URI Scheme") },
		{ 417, STR("Unknown Resource-Priority") }, { 420, STR("Bad Extension") },
		{ 421, STR("Extension Required") }, { 422, STR("Session Interval Too Small") },
		{ 423, STR("Interval Too Brief") }, { 428, STR("Use Identity Header") },
		{ 430, STR("Flow Failed") }, { 433, STR("Anonymity Disallowed") }, { 436, STR("Bad Identity Info") },
		{ 437, STR("Unsupported Credential") }, { 438, STR("Invalid Identity Header") },
		{ 439, STR("First Hop Lacks Outbound Support") }, { 440, STR("Max-Breadth Exceeded") },
		{ 469, STR("Bad Info Package") }, { 470, STR("Consent Needed") },
		{ 480, STR("Temporarily Unavailable") }, { 481, STR("Call/Transaction Does Not Exist") },
		{ 482, STR("Loop Detected") }, { 483, STR("Too Many Hops") }, { 484, STR("Address Incomplete") },
		{ 485, STR("Ambiguous") }, { 486, STR("Busy Here") }, { 487, STR("Request Terminated") },
		{ 488, STR("Not Acceptable Here") }, { 489, STR("Bad Event") }, { 491, STR("Request Pending") },
		{ 493, STR("Undecipherable") }, { 494, STR("Security Agreement Required") },
		{ 500, STR("Server Internal Error") }, { 501, STR("Not Implemented") },
		{ 502, STR("Bad Gateway") }, { 503, STR("Service Unavailable") }, { 504, STR("Server Time-out") },
		{ 505, STR("Version Not Supported") }, { 513, STR("Message Too Large") },
		{ 580, STR("Precondition Failure") }, { 600, STR("Busy Everywhere") }, { 603, STR("Decline") },
		{ 604, STR("Does Not Exist Anywhere") }, { 606, STR("Not Acceptable") }, { 607, STR("Unwanted") },
		{ 608, STR("Rejected") },
	};

	for (size_t i = 0; i < COUNT_OF(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return STR("");
}

static void copy_all(const struct msg *m, enum hdr_type t, struct buf *out)
{
	for (const struct hdr *h = m->first[t]; h; h = h->same)
		hdr_write(h, out);
}

static void copy_first(const struct msg *m, enum hdr_type t, struct buf *out)
{
	if (m->first[t])
		hdr_write(m->first[t], out);
}

/* The To of the request, with our tag where it has none (§8.2.6.2). One that cannot be parsed goes back as it is. */
static void to_write(struct msg *req, struct str tag, struct buf *out)
{
	const struct name_addr *to = msg_to(req);

	if (!to || !tag.len || to->tag.len) {
		copy_first(req, H_TO, out);
		return;
	}
	BUF_LIT(out, "To: ");
	buf_add(out, req->first[H_TO]->body);
	BUF_LIT(out, ";tag=");
	buf_add(out, tag);
	BUF_LIT(out, "\r\n");
}

static void body_write(struct str type, struct str body, struct buf *out)
{
	if (body.len && type.len) {
		BUF_LIT(out, "Content-Type: ");
		buf_add(out, type);
		BUF_LIT(out, "\r\n");
	}
	BUF_LIT(out, "Content-Length: ");
	buf_u64(out, body.len);
	BUF_LIT(out, "\r\n\r\n");
	buf_add(out, body);
}

static void status_line_write(const struct reply *r, struct buf *out)
{
	BUF_LIT(out, "SIP/2.0 ");
	buf_u64(out, r->status);
	buf_ch(out, ' ');
	buf_add(out, r->reason.len ? r->reason : reason_phrase(r->status));
	BUF_LIT(out, "\r\n");
}

void reply_write(struct msg *req, const struct reply *r, struct buf *out)
{
	const struct hdr *timestamp = r->status == 100 ? msg_find(req, STR("Timestamp")) : NULL;

	status_line_write(r, out);
	copy_all(req, H_VIA, out);
	if (r->record_route)
		copy_all(req, H_RECORD_ROUTE, out);
	copy_first(req, H_FROM, out);
	to_write(req, r->to_tag, out);
	copy_first(req, H_CALL_ID, out);
	copy_first(req, H_CSEQ, out);
	if (timestamp)
		hdr_write(timestamp, out);	/* §8.2.6.1 */
	buf_add(out, r->headers);
	body_write(r->body_type, r->body, out);
}

/* What CANCEL and ACK take from their request: Request-URI, the top Via alone, Route, Max-Forwards of their own. */
static void hop_write(struct msg *sent, const struct via *via, struct str method, struct buf *out)
{
	buf_add(out, method);
	buf_ch(out, ' ');
	buf_add(out, sent->ruri);
	BUF_LIT(out, " SIP/2.0\r\nVia: ");
	buf_add(out, via->text);
	BUF_LIT(out, "\r\n");
	copy_all(sent, H_ROUTE, out);
	BUF_LIT(out, "Max-Forwards: 70\r\n");
}

static void cseq_write(const struct cseq *cseq, struct str method, struct buf *out)
{
	BUF_LIT(out, "CSeq: ");
	buf_u64(out, cseq->num);
	buf_ch(out, ' ');
	buf_add(out, method);
	BUF_LIT(out, "\r\n");
}

/* A CANCEL or ACK, its To from `to_of`. */
static enum err follow_up_write(struct msg *sent, struct msg *to_of, enum method method, struct str headers,
				struct buf *out)
{
	const struct via  *via;
	const struct cseq *cseq;
	enum err           err = msg_read_via1(sent, &via);

	if (!err)
		err = msg_read_cseq(sent, &cseq);
	if (err)
		return err == ERR_NOMEM ? err : ERR_SYNTAX;
	if (!sent->request || !sent->first[H_FROM] || !to_of->first[H_TO] || !sent->first[H_CALL_ID])
		return ERR_SYNTAX;
	hop_write(sent, via, method_name(method), out);
	copy_first(sent, H_FROM, out);
	copy_first(to_of, H_TO, out);
	copy_first(sent, H_CALL_ID, out);
	cseq_write(cseq, method_name(method), out);
	buf_add(out, headers);
	body_write(STR_NONE, STR_NONE, out);
	return buf_ok(out) ? OK : ERR_LIMIT;
}

enum err cancel_write(struct msg *sent, struct str headers, struct buf *out)
{
	return follow_up_write(sent, sent, M_CANCEL, headers, out);
}

enum err ack_write(struct msg *sent, struct msg *resp, struct buf *out)
{
	return follow_up_write(sent, resp, M_ACK, STR_NONE, out);
}
