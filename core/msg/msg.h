#pragma once
/* One SIP message: the received bytes, an index of its header fields, and the edits made to it.
 *
 * Parsing makes one pass: first line, then name and extent of each header field. Bodies are parsed
 * when first asked for and remembered. The received bytes never change. The index is the edit
 * list: fields are marked as removed, replaced or inserted, every reader goes through the index and
 * so sees the edits at once, and msg_write() applies them in one pass, copying untouched runs whole.
 *
 * Message lifetime: everything lives in the arena of the ctx. One process, no locks, no syscalls. */
#include "base/buf.h"
#include "base/log.h"
#include "msg/fields.h"

enum method {
	M_OTHER, M_INVITE, M_ACK, M_CANCEL, M_BYE, M_REGISTER, M_OPTIONS, M_MESSAGE, M_INFO,
	M_PRACK, M_UPDATE, M_SUBSCRIBE, M_NOTIFY, M_REFER, M_PUBLISH, M_COUNT
};
/* Case-sensitive (RFC 3261 §7.1). */
enum method method_of(struct str name);
/* "" for M_OTHER. */
struct str method_name(enum method m);

/* Known header fields; compact forms included. The order is of no meaning. */
enum hdr_type {
	H_OTHER, H_VIA, H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_CONTACT, H_MAX_FORWARDS, H_ROUTE,
	H_RECORD_ROUTE, H_EXPIRES, H_MIN_EXPIRES, H_CONTENT_LENGTH, H_CONTENT_TYPE, H_CONTENT_ENCODING,
	H_CONTENT_DISPOSITION, H_AUTHORIZATION, H_PROXY_AUTHORIZATION, H_WWW_AUTHENTICATE,
	H_PROXY_AUTHENTICATE, H_REQUIRE, H_PROXY_REQUIRE, H_SUPPORTED, H_UNSUPPORTED, H_ALLOW, H_ACCEPT,
	H_USER_AGENT, H_SERVER, H_DATE, H_PATH, H_SERVICE_ROUTE, H_RETRY_AFTER, H_REASON, H_WARNING,
	H_EVENT, H_SUBJECT, H_IDENTITY, H_PRIVACY, H_P_ASSERTED_IDENTITY, H_MAX_BREADTH, H_COUNT
};
/* By name or compact form, case-insensitive; H_OTHER when not known. Compares names, never a hash alone. */
enum hdr_type hdr_type_of(struct str name);
/* The long form as the RFCs write it ("Call-ID"); "" for H_OTHER. */
struct str hdr_type_name(enum hdr_type t);

struct hdr {
	struct str    name;	/* as received or given */
	struct str    body;	/* trimmed; may hold folds */
	struct str    raw;	/* the whole field with its CRLFs in the received bytes; empty: inserted */
	struct hdr   *next, *prev;	/* message order, without removed ones */
	struct hdr   *same;	/* next of the same known type, message order */
	enum hdr_type type;
	bool          changed;	/* body is ours: written as "name: body", not copied from raw */
	void         *parsed;	/* remembered by the typed readers below */
};

/* Why a message is not one. Each is a counter (`bad_…`) and a test. */
enum msg_bad {
	BAD_NONE, BAD_EMPTY, BAD_FIRST_LINE, BAD_VERSION, BAD_STATUS, BAD_METHOD, BAD_RURI, BAD_RURI_SCHEME,
	BAD_HEADER, BAD_TOO_MANY_HEADERS, BAD_TOO_LARGE, BAD_TRUNCATED, BAD_CONTENT_LENGTH, BAD_VIA, BAD_FROM, BAD_TO,
	BAD_CALL_ID, BAD_CSEQ, BAD_CSEQ_METHOD, BAD_MAX_FORWARDS, BAD_CONTACT, BAD_ROUTE, BAD_EXPIRES,
	BAD_MISSING, BAD_DUPLICATE, BAD_BRANCH, BAD_NOMEM, BAD_COUNT
};
/* Short name for counters ("cseq_method") and the reason phrase of the answer ("CSeq method does not match"). */
const char *msg_bad_name(enum msg_bad b);
const char *msg_bad_reason(enum msg_bad b);

struct msg {
	struct ctx  *c;
	struct str   raw;		/* the received bytes, up to the end of the body */
	bool         request;
	enum method  method;		/* of the request; for a response that of its CSeq */
	struct str   method_name;
	struct str   ruri;		/* as it stands after edits */
	uint16_t     status;		/* responses: 100..699 */
	struct str   reason;
	struct hdr  *hdrs, *last;	/* message order */
	struct hdr  *first[H_COUNT];	/* of each known type; [H_OTHER] is unused */
	size_t       n_hdrs;
	struct str   body;		/* after edits; Content-Length bytes of the datagram or stream */
	enum msg_bad bad;		/* what made msg_parse fail */
	/* private to core/msg */
	struct str   first_line_raw, body_raw;
	bool         first_line_changed, body_changed;
	struct uri  *ruri_parsed;
	struct via  *via1;
};

enum { MSG_MOST_HEADERS = 512, MSG_MOST_BYTES = 65535 };

/* Index one message that fills `in` (a datagram, or what frame_next() cut from a stream). Bytes beyond
 * Content-Length are ignored (§18.3). On ERR_SYNTAX *m holds what was found so far, so that a request
 * can still be answered where its Via allows, and m->bad says what was wrong. `in` must outlive *m. */
MUST_CHECK enum err msg_parse(struct ctx *c, struct str in, struct msg *m);
/* Everything that decides 400, 416, 505 or a drop before any routing (§8.2, §16.3 step 1, 2; RFC 4475):
 * mandatory fields once each, Via, From, To, CSeq, Call-ID, Max-Forwards, Route, Contact well-formed, CSeq method
 * matching. Returns 0 when the message is good, else the status for a request (a bad response is dropped),
 * and sets m->bad. Call after msg_parse, whatever that returned. */
MUST_CHECK uint16_t msg_check(struct msg *m);

/* --- reading: parsed when first asked for; NULL when absent or malformed --- */
const struct uri       *msg_ruri(struct msg *m);
const struct via       *msg_via1(struct msg *m);	/* the top value of the top Via */
/* Of a malformed request: when the top Via at least says where to answer, msg_via1() finds that from now on. Else ERR_SYNTAX. */
MUST_CHECK enum err msg_salvage_via1(struct msg *m);
const struct name_addr *msg_from(struct msg *m);
const struct name_addr *msg_to(struct msg *m);
const struct cseq      *msg_cseq(struct msg *m);
struct str              msg_call_id(const struct msg *m);
struct str              msg_from_tag(struct msg *m);
struct str              msg_to_tag(struct msg *m);
/* A field that holds one number (Max-Forwards, Expires …): ERR_NOT_FOUND, ERR_SYNTAX or OK. */
MUST_CHECK enum err msg_number(struct msg *m, enum hdr_type t, uint32_t *out);
/* Body of the first field of that name (long or compact), ERR_NOT_FOUND when there is none. */
MUST_CHECK enum err msg_hdr(const struct msg *m, struct str name, struct str *body);
struct hdr *msg_find(const struct msg *m, struct str name);
/* Next field of the same name after h (also for unknown names). */
struct hdr *msg_find_next(const struct hdr *h);

/* The comma-separated values of all fields of a type, in order:
 *	struct msg_values it = msg_values(m, H_CONTACT);
 *	while (msg_values_next(&it, &value)) … */
struct msg_values {
	struct hdr *hdr;	/* the field `value` came from */
	struct hdr *next;
	struct str  rest;
};
struct msg_values msg_values(const struct msg *m, enum hdr_type t);
bool msg_values_next(struct msg_values *it, struct str *value);
/* Is the option tag or token among the values of the fields of that type? Case-insensitive. */
bool msg_has_token(const struct msg *m, enum hdr_type t, const char *token);

/* --- editing: texts are copied into the arena; ERR_NOMEM changes nothing --- */
MUST_CHECK enum err msg_set_ruri(struct msg *m, struct str uri);
MUST_CHECK enum err msg_set_status(struct msg *m, uint16_t status, struct str reason);
MUST_CHECK enum err msg_append(struct msg *m, struct str name, struct str body);	/* behind the last field */
/* In front of the first field of that name; where there is none, in front of all (Via, Route, Record-Route). */
MUST_CHECK enum err msg_prepend(struct msg *m, struct str name, struct str body);
MUST_CHECK enum err msg_insert_after(struct msg *m, struct hdr *h, struct str name, struct str body);
void msg_remove(struct msg *m, struct hdr *h);
/* Returns how many were removed. */
size_t msg_remove_all(struct msg *m, enum hdr_type t);
MUST_CHECK enum err msg_replace(struct msg *m, struct hdr *h, struct str body);
/* The first field of that name gets this body, others of the name go; appended when there is none. */
MUST_CHECK enum err msg_set_hdr(struct msg *m, struct str name, struct str body);
/* Take out the first comma-separated value of the first field of a type (top Via, Route). ERR_NOT_FOUND. */
MUST_CHECK enum err msg_pop_value(struct msg *m, enum hdr_type t);
/* New body; sets Content-Length, and Content-Type unless `type` is empty. */
MUST_CHECK enum err msg_set_body(struct msg *m, struct str type, struct str body);
/* RFC 3261 §18.2.1 and RFC 3581 §4: write received= (always when asked by rport, else when the host differs)
 * and rport= into the top Via. `ip` without brackets. */
MUST_CHECK enum err msg_set_received(struct msg *m, struct str ip, uint16_t port);

/* A message of its own with the same content, whose edits do not touch the other. Shares the bytes and the arena. ERR_NOMEM. */
MUST_CHECK enum err msg_fork(const struct msg *m, struct msg *out);

/* --- writing --- */
/* The message with its edits. Content-Length is corrected where the body changed, and added where it was
 * missing. */
void msg_write(const struct msg *m, struct buf *out);
/* The same with `fields` (whole ones with their CRLFs, or empty) in front of all others and `ruri` (may be empty) in the first
 * line: what differs between the branches of one request, so that none of them edits the message. */
void msg_write_branch(const struct msg *m, struct str fields, struct str ruri, struct buf *out);
/* An upper bound of what the two write. */
size_t msg_write_bound(const struct msg *m, size_t extra);

/* The standard reason phrase (§21), "" when there is none. */
struct str reason_phrase(unsigned status);
struct reply {
	uint16_t   status;
	struct str reason;	/* empty: reason_phrase(status) */
	struct str to_tag;	/* given to a To without tag; empty: none added (100) */
	struct str headers;	/* further fields, each "Name: value\r\n" */
	struct str body_type, body;
	bool       record_route;	/* copy Record-Route (a UAS creating a dialog, §12.1.1) */
};
/* The response to `req` (RFC 3261 §8.2.6.2): its Via values (received and rport included), From, To, Call-ID, CSeq;
 * Timestamp for a 100. Fields that a broken request lacks are left out. */
void reply_write(struct msg *req, const struct reply *r, struct buf *out);
/* The CANCEL for a request that was sent (§9.1), and the ACK to its non-2xx final `resp` (§17.1.1.3): both from
 * the request as it was written to the wire. `headers` as above (Reason). */
MUST_CHECK enum err cancel_write(struct msg *sent, struct str headers, struct buf *out);
MUST_CHECK enum err ack_write(struct msg *sent, struct msg *resp, struct buf *out);
