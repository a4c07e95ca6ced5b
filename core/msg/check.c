/* What makes a message malformed, before any routing (RFC 3261 §8.2, §16.3; RFC 4475). */
#include "msg/internal.h"

static const struct {
	const char *name, *reason;
	uint16_t    status;
} bads[BAD_COUNT] = {
	[BAD_NONE] = { "none", "OK", 0 },
	[BAD_EMPTY] = { "empty", "Empty message", 400 },
	[BAD_FIRST_LINE] = { "first_line", "Malformed start line", 400 },
	[BAD_VERSION] = { "version", "Version Not Supported", 505 },
	[BAD_STATUS] = { "status", "Malformed status code", 400 },
	[BAD_METHOD] = { "method", "Malformed method", 400 },
	[BAD_RURI] = { "ruri", "Malformed Request-URI", 400 },
	[BAD_RURI_SCHEME] = { "ruri_scheme", "Unsupported URI Scheme", 416 },
	[BAD_HEADER] = { "header", "Malformed header field", 400 },
	[BAD_TOO_MANY_HEADERS] = { "too_many_headers", "Too many header fields", 400 },
	[BAD_TOO_LARGE] = { "too_large", "Message Too Large", 513 },
	[BAD_TRUNCATED] = { "truncated", "Message shorter than it says", 400 },
	[BAD_CONTENT_LENGTH] = { "content_length", "Malformed Content-Length", 400 },
	[BAD_VIA] = { "via", "Malformed Via", 400 },
	[BAD_FROM] = { "from", "Malformed From", 400 },
	[BAD_TO] = { "to", "Malformed To", 400 },
	[BAD_CALL_ID] = { "call_id", "Malformed Call-ID", 400 },
	[BAD_CSEQ] = { "cseq", "Malformed CSeq", 400 },
	[BAD_CSEQ_METHOD] = { "cseq_method", "CSeq method does not match", 400 },
	[BAD_MAX_FORWARDS] = { "max_forwards", "Malformed Max-Forwards", 400 },
	[BAD_CONTACT] = { "contact", "Malformed Contact", 400 },
	[BAD_ROUTE] = { "route", "Malformed Route", 400 },
	[BAD_EXPIRES] = { "expires", "Malformed Expires", 400 },
	[BAD_MISSING] = { "missing", "Mandatory header field missing", 400 },
	[BAD_DUPLICATE] = { "duplicate", "Header field given twice", 400 },
	[BAD_BRANCH] = { "branch", "Empty Via branch", 400 },
	[BAD_NOMEM] = { "nomem", "Out of memory", 503 },
};

const char *msg_bad_name(enum msg_bad b)
{
	return bads[b].name;
}

const char *msg_bad_reason(enum msg_bad b)
{
	return bads[b].reason;
}

/* A reader's error as a reason; no memory is no fault of the message. */
static enum msg_bad bad_if(enum err err, enum msg_bad bad)
{
	if (!err)
		return BAD_NONE;
	return err == ERR_NOMEM ? BAD_NOMEM : bad;
}

/* §16.3 steps 1 and 2. Headers are not allowed in a Request-URI (§19.1.1, RFC 4475 §3.1.2.11). */
static enum msg_bad check_ruri(struct msg *m)
{
	const struct uri *u;
	enum err          err;

	if (!m->request)
		return BAD_NONE;
	err = msg_read_ruri(m, &u);
	if (err)
		return bad_if(err, BAD_RURI);
	if (u->scheme == URI_OTHER)
		return BAD_RURI_SCHEME;
	return u->headers.len ? BAD_RURI : BAD_NONE;
}

/* Mandatory ones (§8.1.1; Max-Forwards is not demanded, RFC 2543 had none), and those that may stand but once. */
static enum msg_bad check_counts(struct msg *m)
{
	static const enum hdr_type must[] = { H_VIA, H_FROM, H_TO, H_CALL_ID, H_CSEQ };
	static const enum hdr_type once[] = { H_FROM, H_TO, H_CALL_ID, H_CSEQ, H_MAX_FORWARDS, H_CONTENT_LENGTH,
					      H_CONTENT_TYPE, H_EXPIRES };

	for (size_t i = 0; i < COUNT_OF(must); i++)
		if (!m->first[must[i]])
			return BAD_MISSING;
	for (size_t i = 0; i < COUNT_OF(once); i++)
		if (m->first[once[i]] && m->first[once[i]]->same)
			return BAD_DUPLICATE;
	return BAD_NONE;
}

/* All values must be well-formed, the top one's branch not the bare magic cookie (RFC 4475 §3.2.1). */
static enum msg_bad check_vias(struct msg *m)
{
	struct msg_values it = msg_values(m, H_VIA);
	const struct via *top;
	struct via        v;
	struct str        value;
	enum err          err = msg_read_via1(m, &top);

	if (err)
		return bad_if(err, BAD_VIA);
	if (str_ieqz(top->branch, "z9hG4bK"))
		return BAD_BRANCH;
	msg_values_next(&it, &value);
	while (msg_values_next(&it, &value))
		if (via_parse(value, &v))
			return BAD_VIA;
	return BAD_NONE;
}

/* callid = word [ "@" word ] (§25.1), here: visible characters; peers put = and more than one @ into it. */
static enum msg_bad check_call_id(struct msg *m)
{
	struct str id = msg_call_id(m);

	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~')
			return BAD_CALL_ID;
	return id.len ? BAD_NONE : BAD_CALL_ID;
}

static enum msg_bad check_cseq(struct msg *m)
{
	const struct cseq *c;
	enum err           err = msg_read_cseq(m, &c);

	if (err)
		return bad_if(err, BAD_CSEQ);
	return !m->request || str_eq(c->method, m->method_name) ? BAD_NONE : BAD_CSEQ_METHOD;
}

static enum msg_bad check_addresses(struct msg *m)
{
	const struct name_addr *na;
	enum err                err = msg_read_addr(m, H_FROM, &na);

	if (err)
		return bad_if(err, BAD_FROM);
	return bad_if(msg_read_addr(m, H_TO, &na), BAD_TO);
}

/* 0..255 (§20.22) */
static enum msg_bad check_max_forwards(struct msg *m)
{
	uint32_t n;

	switch (msg_number(m, H_MAX_FORWARDS, &n)) {
	case OK:
		return n > 255 ? BAD_MAX_FORWARDS : BAD_NONE;
	case ERR_NOT_FOUND:
		return BAD_NONE;
	default:
		return BAD_MAX_FORWARDS;
	}
}

/* Digits. Too many of them are not wrong enough to refuse (RFC 4475 §3.1.2.4). */
static enum msg_bad check_expires(struct msg *m)
{
	struct str s = m->first[H_EXPIRES] ? m->first[H_EXPIRES]->body : STR("0");

	for (size_t i = 0; i < s.len; i++)
		if (!ch_digit(s.p[i]))
			return BAD_EXPIRES;
	return s.len ? BAD_NONE : BAD_EXPIRES;
}

/* Route wants name-addrs (§20.34): without < > nobody knows whose the lr is. */
static enum msg_bad check_routes(struct msg *m)
{
	struct msg_values it = msg_values(m, H_ROUTE);
	struct name_addr  na;
	struct str        value;

	for (const struct hdr *h = m->first[H_ROUTE]; h; h = h->same)
		if (!h->body.len)
			return BAD_ROUTE;
	while (msg_values_next(&it, &value))
		if (name_addr_parse(value, &na) || !na.brackets)
			return BAD_ROUTE;
	return BAD_NONE;
}

/* Whose Contact is the remote target of a dialog: exactly one address (§8.1.1.8, §12.1.1; RFC 6665 §3.1.1, RFC 3515 §2.2). */
static bool makes_dialog(enum method m)
{
	return m == M_INVITE || m == M_SUBSCRIBE || m == M_REFER || m == M_UPDATE || m == M_NOTIFY;
}

/* `*` is for REGISTER, and alone (§10.2.2). */
static enum msg_bad check_contacts(struct msg *m)
{
	struct msg_values it = msg_values(m, H_CONTACT);
	struct contact    c;
	struct str        value;
	bool              star = false;
	size_t            n = 0;

	for (const struct hdr *h = m->first[H_CONTACT]; h; h = h->same)
		if (!h->body.len)
			return BAD_CONTACT;
	while (msg_values_next(&it, &value)) {
		if (contact_parse(value, &c))
			return BAD_CONTACT;
		star |= c.addr.star;
		n++;
	}
	if (n > 1 && makes_dialog(m->method))
		return BAD_CONTACT;
	return star && (n > 1 || m->method != M_REGISTER) ? BAD_CONTACT : BAD_NONE;
}

static enum msg_bad find_bad(struct msg *m)
{
	/* in the order in which they are told; a response must only be fit to be matched and passed on */
	static enum msg_bad (*const checks[])(struct msg *) = {
		check_ruri, check_counts, check_vias, check_addresses, check_call_id, check_cseq,
		check_max_forwards, check_expires, check_routes, check_contacts,
	};
	enum { FOR_RESPONSES = 6 };
	size_t n = m->request ? COUNT_OF(checks) : FOR_RESPONSES;

	for (size_t i = 0; i < n; i++) {
		enum msg_bad bad = checks[i](m);

		if (bad)
			return bad;
	}
	return BAD_NONE;
}

uint16_t msg_check(struct msg *m)
{
	if (!m->bad)
		m->bad = find_bad(m);
	/* RFC 4475 §3.1.2.18: a method that nobody knows is the better thing to tell */
	if (m->bad == BAD_CSEQ_METHOD && m->request && m->method == M_OTHER)
		return 501;
	return bads[m->bad].status;
}
