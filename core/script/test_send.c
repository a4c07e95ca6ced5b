/* What parties send: requests in and outside of dialogs, CANCEL and ACK, answers, and a second try with credentials. */
#include "base/crypto.h"
#include "script/test_bench.h"

#include <stdio.h>

/* What makes a request besides what the step says. */
struct draft {
	struct str uri, from, to, call_id, routes, credentials;
	uint32_t   cseq;
};

static struct buf room(struct bench *b)
{
	char *p = arena_alloc(&b->arena, MOST_MESSAGE);

	return buf_on(p, p ? MOST_MESSAGE : 0);
}

/* --- header fields --- */

static struct str field_name(struct str text)
{
	struct str rest = text;

	return str_trim(str_take_until(&rest, ':'));
}

/* Does the test write this field itself? */
static bool has_header(const struct test_step *s, const char *name)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, "header") && str_ieqz(field_name(a->value->u.value.u.s), name))
			return true;
	return false;
}

static void add_field(const struct test_step *s, struct buf *out, const char *name, struct str value)
{
	if (!has_header(s, name) && value.p)
		buf_printf(out, "%s: " STR_FMT "\r\n", name, STR_ARG(value));
}

static void add_headers(const struct test_step *s, struct buf *out)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, "header")) {
			buf_add(out, str_trim(a->value->u.value.u.s));
			BUF_LIT(out, "\r\n");
		}
}

static struct str body_type(struct bench *b, const struct test_step *s, struct str body)
{
	return attr_text(b, s, "type", !body.len ? STR_NONE : str_starts(body, STR("v=0")) ? STR("application/sdp") : STR("text/plain"));
}

/* --- requests --- */

static struct test_party *sender(struct bench *b, const struct test_step *s)
{
	const struct test_attr *source = test_attr(s, "source");
	enum transport          over = transport_of(attr_text(b, s, "over", STR("udp")));
	struct str              by = attr_text(b, s, "by", STR(TEST_PARTY));
	struct test_party      *party = NULL;
	struct addr             addr;

	if (!source)
		party = party_named(b, by);
	else if (address_of(b, source->value, &addr))
		party = party_at(b, &addr, over);
	if (party && test_attr(s, "over"))
		party->over = over;
	return party;
}

static struct str contact_uri(struct bench *b, const struct test_party *p)
{
	struct str user = str_eq(p->name, p->host_port) ? STR("test") : p->name;

	return arena_printf(&b->arena, "<sip:" STR_FMT "@" STR_FMT "%s>", STR_ARG(user), STR_ARG(p->host_port), p->over == TP_TCP ? ";transport=tcp" : "");
}

static struct draft draft_new(struct bench *b, const struct test_step *s, const struct test_party *p)
{
	struct str user = str_eq(p->name, p->host_port) ? STR(TEST_PARTY) : p->name;
	struct str from = attr_text(b, s, "from", arena_printf(&b->arena, "sip:" STR_FMT "@" STR_FMT, STR_ARG(user), STR_ARG(b->domain)));
	struct str to = attr_text(b, s, "to", from);
	unsigned   n = ++b->numbers;

	return (struct draft){
		.uri = to, .cseq = 1, .from = arena_printf(&b->arena, "<" STR_FMT ">;tag=from-%u", STR_ARG(from), n),
		.to = arena_printf(&b->arena, "<" STR_FMT ">", STR_ARG(to)), .call_id = arena_printf(&b->arena, "test-%u@" STR_FMT, n, STR_ARG(p->host_port)),
	};
}

/* RFC 3261 §12.2.1.1 */
static struct draft draft_within(struct test_party *p, struct str method)
{
	struct test_dialog *d = &p->dialog;
	bool                ack = str_is(method, "ACK");

	if (!ack)
		d->cseq++;
	if (str_is(method, "INVITE"))
		d->invite_cseq = d->cseq;
	return (struct draft){
		.uri = d->target, .from = d->local, .to = d->remote, .call_id = d->call_id, .routes = d->routes, .cseq = ack ? d->invite_cseq : d->cseq,
	};
}

static void write_request(struct bench *b, const struct test_step *s, const struct test_party *p, const struct draft *d, struct buf *out)
{
	struct str uri = attr_text(b, s, "uri", attr_text(b, s, "ruri", d->uri)), body = attr_text(b, s, "body", STR(""));
	char       via[160], cseq[80];

	buf_printf(out, STR_FMT " " STR_FMT " SIP/2.0\r\n", STR_ARG(s->name), STR_ARG(uri));
	snprintf(via, sizeof(via), "SIP/2.0/" STR_FMT " " STR_FMT ";branch=z9hG4bKtest-%u;rport", STR_ARG(transport_name(p->over)), STR_ARG(p->host_port),
		 ++b->numbers);
	add_field(s, out, "Via", str_of(via));
	add_field(s, out, "Max-Forwards", STR("70"));
	if (d->routes.len && !has_header(s, "Route"))
		buf_add(out, d->routes);
	add_field(s, out, "From", d->from);
	add_field(s, out, "To", d->to);
	add_field(s, out, "Call-ID", d->call_id);
	snprintf(cseq, sizeof(cseq), "%u " STR_FMT, d->cseq, STR_ARG(s->name));
	add_field(s, out, "CSeq", str_of(cseq));
	add_field(s, out, "Contact", contact_uri(b, p));
	add_field(s, out, "Content-Type", body_type(b, s, body));
	if (d->credentials.p)
		buf_add(out, d->credentials);
	add_headers(s, out);
	if (!has_header(s, "Content-Length"))
		buf_printf(out, "Content-Length: %zu\r\n", body.len);
	BUF_LIT(out, "\r\n");
	buf_add(out, body);
}

/* Bytes of that party reach the server. A malformed message is sent all the same: that may be the test. */
static struct sent *transmit(struct bench *b, const struct test_step *s, struct test_party *p, const struct buf *out)
{
	struct flow  from = sim_flow_over(p->over, &p->addr);
	struct sent *sent = ARENA_NEW(&b->arena, struct sent);

	if (!sent || !out->p || !buf_ok(out)) {
		(void)bench_fail(b, "the message is too large");
		return NULL;
	}
	*sent = (struct sent){ .next = b->sent, .party = p, .step = s };
	if (msg_parse(&b->c, buf_str(out), &sent->m))
		story_note("%-22.*s -> %-22s a malformed message of %zu bytes", STR_ARG(p->name), "server", out->len);
	else
		story_message(p->name, STR("server"), &sent->m);
	b->sent = sent;
	sim_receive(buf_str(out), &from);
	return sent;
}

static bool send_draft(struct bench *b, const struct test_step *s, struct test_party *p, const struct draft *d)
{
	struct buf   out = room(b);
	struct sent *sent;

	write_request(b, s, p, d, &out);
	sent = transmit(b, s, p, &out);
	if (sent)
		sent->from = d->from;
	return sent != NULL;
}

static struct sent *last_sent(struct bench *b, const struct test_party *p, enum method method)
{
	for (struct sent *x = b->sent; x; x = x->next)
		if (x->party == p && x->m.request && x->m.method == method)
			return x;
	return NULL;
}

/* RFC 3261 §9.1 */
static bool send_cancel(struct bench *b, const struct test_step *s, struct test_party *p)
{
	struct sent *invite = last_sent(b, p, M_INVITE);
	struct buf   out = room(b), headers = room(b);

	if (!invite)
		return bench_fail(b, "there is no INVITE of " STR_FMT " to cancel", STR_ARG(p->name));
	add_headers(s, &headers);
	if (cancel_write(&invite->m, buf_str(&headers), &out))
		return bench_fail(b, "no memory");
	return transmit(b, s, p, &out) != NULL;
}

/* These live in dialogs only; where there is none they are sent outside of one, which may be the test. */
static bool belongs_in_dialog(const struct test_step *s)
{
	static const char *const methods[] = { "ACK", "BYE", "PRACK", "UPDATE", "INFO" };

	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (str_is(s->name, methods[i]))
			return true;
	return test_attr(s, "in");
}

/* Path and Service-Route become the Route of what follows (RFC 3327 §5.5, RFC 3608 §6.1): the fields of that name in the newest message that has them
 * and reached the party. .p NULL: none has. */
static struct str route_learnt(struct bench *b, const struct test_party *p, struct str name)
{
	struct str all = STR_NONE;

	for (struct got *g = b->first; g; g = g->next) {
		struct hdr *first = g->party == p ? msg_find(&g->m, name) : NULL;

		if (first)
			all = STR("");
		for (struct hdr *h = first; h; h = msg_find_next(h))
			all = arena_printf(&b->arena, STR_FMT "Route: " STR_FMT "\r\n", STR_ARG(all), STR_ARG(h->body));
	}
	return all;
}

static bool send_outside(struct bench *b, const struct test_step *s, struct test_party *p)
{
	struct str   learnt = attr_text(b, s, "route", STR_NONE);
	struct draft d = draft_new(b, s, p);

	if (learnt.p)
		d.routes = route_learnt(b, p, learnt);
	if (learnt.p && !d.routes.p)
		return bench_fail(b, "no message with " STR_FMT " has reached " STR_FMT, STR_ARG(learnt), STR_ARG(p->name));
	return send_draft(b, s, p, &d);
}

bool send_request(struct bench *b, const struct test_step *s)
{
	struct test_party *p = sender(b, s);
	struct draft       d;

	if (!p)
		return b->why[0] ? false : bench_fail(b, "no party");
	if (str_is(s->name, "CANCEL"))
		return send_cancel(b, s, p);
	if (test_attr(s, "in") && !p->dialog.call_id.len)
		return bench_fail(b, STR_FMT " is in no dialog", STR_ARG(p->name));
	if (!belongs_in_dialog(s) || !p->dialog.call_id.len)
		return send_outside(b, s, p);
	d = draft_within(p, s->name);
	return send_draft(b, s, p, &d);
}

/* --- what a phone does with answers --- */

static struct sent *sent_of(struct bench *b, struct msg *reply)
{
	const struct via *via = msg_via1(reply);

	for (struct sent *x = b->sent; via && x; x = x->next)
		if (x->m.request && x->m.method == reply->method && msg_via1(&x->m) && str_eq(msg_via1(&x->m)->branch, via->branch))
			return x;
	return NULL;
}

/* The ACK to a final answer but 2xx, so that the server stops repeating it (RFC 3261 §17.1.1.3). */
static void acknowledge(struct bench *b, struct sent *x, struct msg *reply)
{
	struct flow from = sim_flow_over(x->party->over, &x->party->addr);
	struct buf  out = room(b);

	if (x->m.method == M_INVITE && reply->status >= 300 && out.p && !ack_write(&x->m, reply, &out) && buf_ok(&out))
		sim_receive(buf_str(&out), &from);
}

static struct str route_fields(struct bench *b, struct msg *m, bool backwards)
{
	struct msg_values it = msg_values(m, H_RECORD_ROUTE);
	struct str        all = STR(""), value;

	while (msg_values_next(&it, &value))
		all = backwards ? arena_printf(&b->arena, "Route: " STR_FMT "\r\n" STR_FMT, STR_ARG(value), STR_ARG(all)) :
				  arena_printf(&b->arena, STR_FMT "Route: " STR_FMT "\r\n", STR_ARG(all), STR_ARG(value));
	return all;
}

static struct str contact_of_message(struct msg *m, struct str otherwise)
{
	struct msg_values it = msg_values(m, H_CONTACT);
	struct name_addr  na;
	struct str        value;

	return msg_values_next(&it, &value) && !name_addr_parse(value, &na) ? na.uri_text : otherwise;
}

static bool makes_dialog(const struct msg *m, unsigned status)
{
	return (m->method == M_INVITE || m->method == M_SUBSCRIBE) && status > 100 && status < 300;
}

/* RFC 3261 §12.1.2; a 2xx to a re-INVITE changes the target alone (§12.2.1.2). */
static void enter_as_caller(struct bench *b, struct sent *x, struct msg *reply)
{
	struct test_dialog     *d = &x->party->dialog;
	const struct name_addr *to = msg_to(reply);
	const struct cseq      *cseq = msg_cseq(reply);

	if (!to || !cseq || !to->tag.len || !makes_dialog(reply, reply->status))
		return;
	if (str_eq(d->call_id, msg_call_id(reply)) && str_eq(d->remote, to->text)) {
		d->target = contact_of_message(reply, d->target);
		return;
	}
	*d = (struct test_dialog){
		.call_id = msg_call_id(reply), .local = x->from, .remote = to->text, .target = contact_of_message(reply, x->m.ruri),
		.routes = route_fields(b, reply, true), .cseq = cseq->num, .invite_cseq = cseq->num,
	};
}

/* KD(H(A1), nonce:nc:cnonce:qop:H(A2)), RFC 7616 §3.4.1. .p NULL: no such algorithm, or no memory. */
static struct str digest_response(struct bench *b, const struct digest *c, struct str user, struct str password, struct str method, struct str uri)
{
	const struct str colon = STR(":");
	bool             sha = str_ieqz(c->algorithm, "SHA-256");
	size_t           hex = sha ? SHA256_HEX : MD5_HEX;
	enum err       (*hash)(const struct str *part, size_t n, char *out) = sha ? sha256_hex : md5_hex;
	char             a1[SHA256_HEX], a2[SHA256_HEX], end[SHA256_HEX];
	const struct str one[] = { user, colon, c->realm, colon, password }, two[] = { method, colon, uri };
	const struct str all[] = { str_n(a1, hex), colon, c->nonce, colon, STR("00000001"), colon, STR("c0ffee"), colon, STR("auth"), colon, str_n(a2, hex) };

	if (hash(one, COUNT_OF(one), a1) || hash(two, COUNT_OF(two), a2) || hash(all, COUNT_OF(all), end))
		return STR_NONE;
	return arena_dup(&b->arena, str_n(end, hex));
}

static struct str credentials(struct bench *b, struct sent *x, struct msg *challenge)
{
	bool              proxy = challenge->status == 407;
	struct str        user = msg_from(&x->m) ? msg_from(&x->m)->uri.user : STR(""), name = attr_text(b, x->step, "username", user);
	struct str        response;
	struct digest     d;
	struct hdr       *h = challenge->first[proxy ? H_PROXY_AUTHENTICATE : H_WWW_AUTHENTICATE];

	while (h && (digest_parse(h->body, &d) || (d.algorithm.len && !str_ieqz(d.algorithm, "MD5") && !str_ieqz(d.algorithm, "SHA-256"))))
		h = h->same;
	if (!h)
		return STR_NONE;
	response = digest_response(b, &d, name, attr_text(b, x->step, "password", STR("")), x->m.method_name, x->m.ruri);
	return arena_printf(&b->arena, "%s: Digest username=\"" STR_FMT "\", realm=\"" STR_FMT "\", nonce=\"" STR_FMT "\", uri=\"" STR_FMT "\", response=\""
			    STR_FMT "\", algorithm=%s, qop=auth, nc=00000001, cnonce=\"c0ffee\"\r\n", proxy ? "Proxy-Authorization" : "Authorization",
			    STR_ARG(name), STR_ARG(d.realm), STR_ARG(d.nonce), STR_ARG(x->m.ruri), STR_ARG(response),
			    str_ieqz(d.algorithm, "SHA-256") ? "SHA-256" : "MD5");
}

/* The same request once more (RFC 3261 §22.2): same Call-ID and tag, the next CSeq. False: there is nothing to answer the challenge with. */
static bool try_again(struct bench *b, struct sent *x, struct msg *challenge)
{
	const struct cseq *cseq = msg_cseq(&x->m);
	struct draft       d;

	if ((challenge->status != 401 && challenge->status != 407) || !test_attr(x->step, "password") || x->retried || !cseq || !msg_to(&x->m))
		return false;
	d = (struct draft){
		.uri = x->m.ruri, .from = x->from, .to = msg_to(&x->m)->text, .call_id = msg_call_id(&x->m), .cseq = cseq->num + 1,
		.credentials = credentials(b, x, challenge),
	};
	if (!d.credentials.p || !send_draft(b, x->step, x->party, &d))
		return false;
	b->sent->retried = true;
	return true;
}

void answer_came(struct bench *b, struct got *g)
{
	struct sent *x = sent_of(b, &g->m);

	if (!x)
		return;
	g->party = x->party;
	acknowledge(b, x, &g->m);
	enter_as_caller(b, x, &g->m);
	g->taken = try_again(b, x, &g->m);
}

/* --- answers --- */

/* RFC 3261 §12.1.1 */
static void enter_as_callee(struct bench *b, struct got *g, struct str tag)
{
	const struct name_addr *from = msg_from(&g->m), *to = msg_to(&g->m);

	if (!from || !to || to->tag.len || !g->party)
		return;
	g->party->dialog = (struct test_dialog){
		.call_id = msg_call_id(&g->m), .local = arena_printf(&b->arena, STR_FMT ";tag=" STR_FMT, STR_ARG(to->text), STR_ARG(tag)), .remote = from->text,
		.target = contact_of_message(&g->m, from->uri_text), .routes = route_fields(b, &g->m, false), .cseq = 100,
	};
}

/* The newest request that the test has expected: of that party, of that method, where the step names them. */
static struct got *request_to_answer(struct bench *b, const struct test_step *s)
{
	struct str by = attr_text(b, s, "by", STR_NONE), method = attr_text(b, s, "for", STR_NONE);
	struct got *found = NULL;

	if (!by.p && !method.p)
		return b->current;
	for (struct got *g = b->first; g; g = g->next)
		if (g->m.request && g->taken && g->m.method != M_ACK && (!by.p || (g->party && str_eq(g->party->name, by))) &&
		    (!method.p || str_eq(g->m.method_name, method)))
			found = g;
	return found;
}

static void write_reply(struct bench *b, const struct test_step *s, struct got *g, struct str tag, struct buf *out)
{
	struct buf   headers = room(b);
	struct reply r = { .status = (uint16_t)s->code, .to_tag = s->code > 100 ? tag : STR_NONE, .record_route = true };

	if (makes_dialog(&g->m, s->code) && g->party)
		add_field(s, &headers, "Contact", contact_uri(b, g->party));
	add_headers(s, &headers);
	r.reason = attr_text(b, s, "reason", STR_NONE);
	r.headers = buf_str(&headers);
	r.body = attr_text(b, s, "body", STR_NONE);
	r.body_type = body_type(b, s, r.body);
	reply_write(&g->m, &r, out);
}

bool send_reply(struct bench *b, const struct test_step *s)
{
	struct got *g = request_to_answer(b, s);
	struct str  tag = arena_printf(&b->arena, "to-%u", g ? g->number : 0);
	struct buf  out = room(b);
	struct msg  m;

	if (!g)
		return bench_fail(b, "there is no request to answer: `expect request` first");
	write_reply(b, s, g, tag, &out);
	if (!out.p || !buf_ok(&out))
		return bench_fail(b, "the message is too large");
	if (makes_dialog(&g->m, s->code))
		enter_as_callee(b, g, tag);
	if (!msg_parse(&b->c, buf_str(&out), &m))
		story_message(g->party->name, STR("server"), &m);
	sim_receive(buf_str(&out), &g->to);
	return true;
}
