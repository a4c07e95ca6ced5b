/* `sipario test FILE`: the test blocks, run by the machine that serves, in the simulated world of sim.h.
 *
 * A test is one peer: it sends requests as a phone at 192.0.2.1 (or `source "IP"`), and what the server sends on to anywhere comes to it as well, to be
 * expected and answered. */
#include <stdio.h>
#include <stdlib.h>

#include "script/code.h"
#include "script/run.h"
#include "script/sim.h"

enum {
	REPLY_WAIT_MS = 40000,		/* longer than 64*T1: a 408 of the server's own is seen */
	NOTHING_WAIT_MS = 2000, MOST_MESSAGE = 16384, ARENA_BYTES = 16 << 20
};

/* A message of the server, parsed. Test lifetime. */
struct got {
	struct got *next;
	struct flow to;
	struct msg  m;
};
struct box {
	struct got *first, **last;
};
struct bench {
	struct arena      arena;
	struct ctx        c;
	const struct test *test;
	unsigned          number, sent;		/* of the test; of its requests */
	struct box        replies, requests;
	struct got       *request;		/* the one that `send 200` answers */
	struct msg        last_sent;		/* for the ACK to a final answer */
	struct flow       from;
	char              why[400];
};

/* --- attributes --- */

static const struct test_attr *attr(const struct test_step *s, const char *name)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, name))
			return a;
	return NULL;
}

static struct str attr_text(struct bench *b, const struct test_step *s, const char *name, struct str otherwise)
{
	const struct test_attr *a = attr(s, name);
	struct str              text = a ? value_text(&b->arena, &a->value->u.value) : otherwise;

	return text.p ? text : otherwise;
}

static uint32_t attr_ms(const struct test_step *s, const char *name, uint32_t otherwise)
{
	const struct test_attr *a = attr(s, name);

	if (!a || a->value->u.value.type != T_DURATION)
		return otherwise;
	return (uint32_t)a->value->u.value.u.i;
}

/* The step's attributes are all of these. */
static bool attrs_known(struct bench *b, const struct test_step *s, const char *const *known)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next) {
		size_t i = 0;

		while (known[i] && !str_is(a->name, known[i]))
			i++;
		if (known[i])
			continue;
		snprintf(b->why, sizeof(b->why), "`" STR_FMT "` means nothing here", STR_ARG(a->name));
		return false;
	}
	return true;
}

/* --- what the server sends --- */

static void box_put(struct box *x, struct got *g)
{
	*x->last = g;
	x->last = &g->next;
}

static struct got *box_take(struct box *x)
{
	struct got *g = x->first;

	if (!g)
		return NULL;
	x->first = g->next;
	if (!x->first)
		x->last = &x->first;
	return g;
}

static void box_init(struct box *x)
{
	*x = (struct box){ 0 };
	x->last = &x->first;
}

static bool same_transaction(struct msg *a, struct msg *b)
{
	const struct via *x = msg_via1(a), *y = msg_via1(b);

	return x && y && a->method == b->method && str_eq(x->branch, y->branch);
}

/* Retransmissions are of no interest to a test of policy. */
static bool seen_before(struct bench *b, struct got *g)
{
	if (!g->m.request)
		return false;
	if (b->request && same_transaction(&b->request->m, &g->m))
		return true;
	for (struct got *o = b->requests.first; o; o = o->next)
		if (same_transaction(&o->m, &g->m))
			return true;
	return false;
}

static struct str test_tag(const struct bench *b, char room[32])
{
	snprintf(room, 32, "test%u-", b->number);
	return str_of(room);
}

/* Of this test, good, and not an ACK or a repetition? Then into its box. */
static void sort_in(struct bench *b, const struct sim_message *raw)
{
	struct got *g = ARENA_NEW(&b->arena, struct got);
	struct str  bytes = arena_dup(&b->arena, raw->bytes);
	char        room[32];

	if (!g || !bytes.p || msg_parse(&b->c, bytes, &g->m) || !str_starts(msg_call_id(&g->m), test_tag(b, room)))
		return;
	g->to = raw->to;
	if (g->m.method == M_ACK || seen_before(b, g))
		return;
	box_put(g->m.request ? &b->requests : &b->replies, g);
}

static void collect(struct bench *b)
{
	struct sim_message *m;

	while ((m = sim_take())) {
		sort_in(b, m);
		free(m);
	}
}

/* Time goes on until the box has something. */
static struct got *await(struct bench *b, struct box *x, uint32_t most_ms)
{
	collect(b);
	while (!x->first && most_ms) {
		most_ms -= sim_step(most_ms);
		collect(b);
	}
	return box_take(x);
}

/* --- sending --- */

static void add_headers(struct bench *b, const struct test_step *s, struct buf *out)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, "header")) {
			struct str text = value_text(&b->arena, &a->value->u.value);

			buf_add(out, str_trim(text));
			BUF_LIT(out, "\r\n");
		}
}

static bool has_header(struct bench *b, const struct test_step *s, struct str name)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (str_is(a->name, "header") && str_istarts(value_text(&b->arena, &a->value->u.value), name))
			return true;
	return false;
}

static void write_request(struct bench *b, const struct test_step *s, struct str source, struct buf *out)
{
	struct str from = attr_text(b, s, "from", STR("sip:tester@example.org")), to = attr_text(b, s, "to", from);
	struct str uri = attr_text(b, s, "uri", attr_text(b, s, "ruri", to)), body = attr_text(b, s, "body", STR(""));
	unsigned   n = ++b->sent;

	buf_printf(out, STR_FMT " " STR_FMT " SIP/2.0\r\n", STR_ARG(s->method), STR_ARG(uri));
	buf_printf(out, "Via: SIP/2.0/UDP " STR_FMT ":5060;branch=z9hG4bKtest%u-%u;rport\r\n", STR_ARG(source), b->number, n);
	if (!has_header(b, s, STR("Max-Forwards")))
		BUF_LIT(out, "Max-Forwards: 70\r\n");
	buf_printf(out, "From: <" STR_FMT ">;tag=from%u-%u\r\nTo: <" STR_FMT ">\r\n", STR_ARG(from), b->number, n, STR_ARG(to));
	buf_printf(out, "Call-ID: test%u-%u@" STR_FMT "\r\nCSeq: 1 " STR_FMT "\r\n", b->number, n, STR_ARG(source), STR_ARG(s->method));
	if (!has_header(b, s, STR("Contact")))
		buf_printf(out, "Contact: <sip:test@" STR_FMT ":5060>\r\n", STR_ARG(source));
	add_headers(b, s, out);
	buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
	buf_add(out, body);
}

static bool too_large(struct bench *b)
{
	snprintf(b->why, sizeof(b->why), "the message is too large");
	return false;
}

static bool send_request(struct bench *b, const struct test_step *s)
{
	static const char *const known[] = { "from", "to", "uri", "ruri", "header", "body", "source", NULL };
	struct str               source = attr_text(b, s, "source", STR("192.0.2.1"));
	struct buf               out = buf_on(arena_alloc(&b->arena, MOST_MESSAGE), MOST_MESSAGE);
	char                     ip[64];

	if (!attrs_known(b, s, known))
		return false;
	write_request(b, s, source, &out);
	if (!out.p || !buf_ok(&out) || !str_cstr(source, ip, sizeof(ip)))
		return too_large(b);
	b->from = sim_flow(ip, 5060);
	if (!b->from.via) {
		snprintf(b->why, sizeof(b->why), "source \"%s\" is not an address", ip);
		return false;
	}
	if (msg_parse(&b->c, buf_str(&out), &b->last_sent))
		b->last_sent.request = false;	/* a malformed one is sent all the same: that may be the test */
	sim_receive(buf_str(&out), &b->from);
	return true;
}

static bool send_reply(struct bench *b, const struct test_step *s)
{
	static const char *const known[] = { "header", "reason", NULL };
	struct buf               out = buf_on(arena_alloc(&b->arena, MOST_MESSAGE), MOST_MESSAGE);
	struct buf               headers = buf_on(arena_alloc(&b->arena, MOST_MESSAGE), MOST_MESSAGE);
	struct reply             r = { .status = (uint16_t)s->code, .to_tag = STR("peer"), .record_route = true };

	if (!attrs_known(b, s, known))
		return false;
	if (!b->request) {
		snprintf(b->why, sizeof(b->why), "there is no request to answer: `expect request` first");
		return false;
	}
	if (!out.p || !headers.p)
		return too_large(b);
	if (b->request->m.method == M_INVITE && s->code >= 200 && s->code < 300 && !has_header(b, s, STR("Contact")))
		BUF_LIT(&headers, "Contact: <sip:peer@192.0.2.2:5060>\r\n");
	add_headers(b, s, &headers);
	r.reason = attr_text(b, s, "reason", STR_NONE);
	r.headers = buf_str(&headers);
	reply_write(&b->request->m, &r, &out);
	if (!buf_ok(&out))
		return too_large(b);
	sim_receive(buf_str(&out), &b->request->to);
	return true;
}

/* The ACK to a final answer but 2xx, so that the server stops repeating it (RFC 3261 §17.1.1.3). */
static void acknowledge(struct bench *b, struct msg *reply)
{
	struct buf out = buf_on(arena_alloc(&b->arena, MOST_MESSAGE), MOST_MESSAGE);

	if (reply->method != M_INVITE || reply->status < 300 || !b->last_sent.request || !out.p)
		return;
	if (!ack_write(&b->last_sent, reply, &out) && buf_ok(&out))
		sim_receive(buf_str(&out), &b->from);
}

/* --- expecting --- */

static bool header_there(struct bench *b, struct msg *m, struct str want)
{
	struct str rest = want, name = str_trim(str_take_until(&rest, ':')), value = str_trim(rest);

	for (const struct hdr *h = msg_find(m, name); h; h = msg_find_next(h))
		if (!value.len || str_eq(h->body, value))
			return true;
	snprintf(b->why, sizeof(b->why), "no header field \"" STR_FMT "\"", STR_ARG(want));
	return false;
}

static bool text_is(struct bench *b, const char *what, struct str got, struct str want)
{
	if (str_eq(got, want))
		return true;
	snprintf(b->why, sizeof(b->why), "expected %s \"" STR_FMT "\", got \"" STR_FMT "\"", what, STR_ARG(want), STR_ARG(got));
	return false;
}

static struct str uri_text_of(const struct name_addr *na)
{
	return na ? na->uri_text : STR_NONE;
}

static bool attr_holds(struct bench *b, const struct test_attr *a, struct msg *m)
{
	struct str want = value_text(&b->arena, &a->value->u.value);

	if (str_is(a->name, "header"))
		return header_there(b, m, want);
	if (str_is(a->name, "body"))
		return text_is(b, "body", m->body, want);
	if (str_is(a->name, "reason"))
		return text_is(b, "reason", m->reason, want);
	if (str_is(a->name, "from"))
		return text_is(b, "From", uri_text_of(msg_from(m)), want);
	if (str_is(a->name, "to"))
		return text_is(b, "Request-URI", m->ruri, want);	/* where it goes, not what the To header field says */
	if (str_is(a->name, "uri") || str_is(a->name, "ruri"))
		return text_is(b, "Request-URI", m->ruri, want);
	return true;
}

static bool attrs_hold(struct bench *b, const struct test_step *s, struct msg *m)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (!attr_holds(b, a, m))
			return false;
	return true;
}

/* "reply 403", "reply 4xx" */
static void wanted_reply(const struct test_step *s, char room[32])
{
	if (s->code)
		snprintf(room, 32, "reply %u", s->code);
	else
		snprintf(room, 32, "reply %uxx", s->code_class);
}

static bool reply_fits(const struct test_step *s, const struct msg *m)
{
	return s->code ? m->status == s->code : m->status / 100 == s->code_class;
}

static void nothing_came(struct bench *b, const char *want)
{
	struct got *g = box_take(&b->requests);

	if (g)
		snprintf(b->why, sizeof(b->why), "expected %s, got request " STR_FMT " " STR_FMT, want, STR_ARG(g->m.method_name), STR_ARG(g->m.ruri));
	else
		snprintf(b->why, sizeof(b->why), "expected %s, but nothing came", want);
}

/* Provisional answers other than the one that is wanted are passed over. */
static bool expect_reply(struct bench *b, const struct test_step *s)
{
	static const char *const known[] = { "header", "body", "reason", "within", "timeout", NULL };
	uint32_t                 most_ms = attr_ms(s, "within", attr_ms(s, "timeout", REPLY_WAIT_MS));
	char                     want[32];
	struct got              *g;

	if (!attrs_known(b, s, known))
		return false;
	wanted_reply(s, want);
	do {
		g = await(b, &b->replies, most_ms);
	} while (g && g->m.status < 200 && !reply_fits(s, &g->m));
	if (!g) {
		nothing_came(b, want);
		return false;
	}
	acknowledge(b, &g->m);
	if (reply_fits(s, &g->m))
		return attrs_hold(b, s, &g->m);
	snprintf(b->why, sizeof(b->why), "expected %s, got %u " STR_FMT, want, g->m.status, STR_ARG(g->m.reason));
	return false;
}

static bool expect_request(struct bench *b, const struct test_step *s)
{
	static const char *const known[] = { "from", "to", "uri", "ruri", "header", "body", "within", "timeout", NULL };
	struct got              *g, *reply;

	if (!attrs_known(b, s, known))
		return false;
	g = await(b, &b->requests, attr_ms(s, "within", attr_ms(s, "timeout", NOTHING_WAIT_MS)));
	if (!g) {
		for (reply = b->replies.first; reply && reply->m.status < 200; reply = reply->next)
			;
		if (reply)
			snprintf(b->why, sizeof(b->why), "expected a request, got reply %u " STR_FMT, reply->m.status, STR_ARG(reply->m.reason));
		else
			snprintf(b->why, sizeof(b->why), "expected a request, but nothing came");
		return false;
	}
	b->request = g;
	if (s->method.len && !str_eq(s->method, g->m.method_name)) {
		snprintf(b->why, sizeof(b->why), "expected request " STR_FMT ", got " STR_FMT, STR_ARG(s->method), STR_ARG(g->m.method_name));
		return false;
	}
	return attrs_hold(b, s, &g->m);
}

static bool expect_nothing(struct bench *b, const struct test_step *s)
{
	static const char *const known[] = { "within", "timeout", NULL };
	struct got              *g;

	if (!attrs_known(b, s, known))
		return false;
	sim_pass(attr_ms(s, "within", attr_ms(s, "timeout", NOTHING_WAIT_MS)));
	collect(b);
	g = box_take(&b->requests);
	if (g) {
		snprintf(b->why, sizeof(b->why), "expected nothing, got request " STR_FMT " " STR_FMT, STR_ARG(g->m.method_name), STR_ARG(g->m.ruri));
		return false;
	}
	while ((g = box_take(&b->replies)) && g->m.status == 100)
		;
	if (!g)
		return true;
	snprintf(b->why, sizeof(b->why), "expected nothing, got reply %u " STR_FMT, g->m.status, STR_ARG(g->m.reason));
	return false;
}

/* --- tests --- */

static bool run_step(struct bench *b, const struct test_step *s)
{
	switch (s->kind) {
	case STEP_SEND:
		return s->code ? send_reply(b, s) : send_request(b, s);
	case STEP_EXPECT_REPLY:
		return expect_reply(b, s);
	case STEP_EXPECT_REQUEST:
		return expect_request(b, s);
	case STEP_EXPECT_NOTHING:
		return expect_nothing(b, s);
	case STEP_WAIT:
		sim_pass((uint32_t)s->time->u.value.u.i);
		return true;
	}
	return true;
}

static const struct test_step *run_steps(struct bench *b)
{
	for (const struct test_step *s = b->test->steps; s; s = s->next)
		if (!run_step(b, s))
			return s;
	return NULL;
}

static bool run_test(const struct test *t, unsigned number)
{
	struct bench            b = { .test = t, .number = number };
	const struct test_step *failed;

	arena_init(&b.arena, NULL, 0, ARENA_BYTES);
	b.c.arena = &b.arena;
	box_init(&b.replies);
	box_init(&b.requests);
	failed = run_steps(&b);
	if (failed)
		printf("not ok - " STR_FMT " # line %u: %s\n", STR_ARG(t->name), span_line(failed->span), b.why);
	else
		printf("ok - " STR_FMT "\n", STR_ARG(t->name));
	arena_free(&b.arena);
	return !failed;
}

int script_test(struct script *s, char *why, size_t cap)
{
	int      failed = 0;
	unsigned number = 0;

	if (sim_boot(why, cap))
		return -1;
	for (const struct test *t = s->program->tests; t; t = t->next)
		failed += !run_test(t, ++number);
	sim_end();
	return failed;
}
