/* User agents: client and server transactions as small as RFC 3261 §17 allows, and the dialogs between them. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

enum { T1 = 500, T2 = 4000, LONG = 64 * T1, TEXT = 256 };

struct dialog {
	struct dialog *next;
	int            ua, call;
	char           local[TEXT], remote[TEXT];	/* From and To of its own requests */
	char           tag[32], remote_tag[32];
	char           target[TEXT], route[TEXT];
	uint32_t       cseq;
	bool           over, caller;
	struct alarm   reinvite, bye;
};
struct client {
	struct client *next;
	int            ua, call;
	enum method    method;
	struct str     bytes;
	char           branch[64];
	struct dialog *dialog;		/* a request within it */
	uint32_t       interval_ms;
	uint16_t       final;
	bool           provisional, cancel_wanted, cancelled;
	struct alarm   resend, timeout, cancel;
};
struct server {
	struct server            *next;
	int                       ua, call;
	enum method               method;
	char                      branch[64], tag[32];
	uint32_t                  cseq;
	const struct callee_plan *plan;		/* NULL: within a dialog */
	struct str                request, last;
	struct dialog            *dialog;
	uint32_t                  interval_ms;
	uint16_t                  status, will_answer;
	bool                      acked;
	struct alarm              trying, ring, final, resend, give_up;
};
struct beginning {
	struct alarm            alarm, end;
	const struct call_plan *plan;
	int                     number;
};

static struct {
	struct client   *clients;
	struct server   *servers;
	struct dialog   *dialogs;
	struct beginning beginning[MOST_CALLS];
	unsigned         named[MOST_CALLS];
	bool             dead[MOST_UAS][MOST_CALLS];	/* of that call it hears nothing any more */
} ua;

static void *zalloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		abort();
	return p;
}

static struct str keep(struct str s)
{
	char *p = zalloc(s.len + 1);

	memcpy(p, s.p, s.len);
	return str_n(p, s.len);
}

static const struct call_plan *plan_of(int call)
{
	return &world.plan->call[call];
}

/* "c3-17": unlike any other, and the same in a plan without the other calls. */
static void name(int call, const char *before, char *out, size_t cap)
{
	snprintf(out, cap, "%sc%d-%u", before, call, ++ua.named[call]);
}

/* --- clients --- */

static void client_send(struct client *k)
{
	world_send(k->ua, SERVER, k->bytes);
}

/* Timers A and E */
static void on_resend(struct alarm *a)
{
	struct client *k = CONTAINER(a, struct client, resend);

	client_send(k);
	k->interval_ms *= 2;
	if (k->method != M_INVITE && (k->interval_ms > T2 || k->provisional))
		k->interval_ms = T2;
	alarm_at(&k->resend, world.now_ms + k->interval_ms);
}

static void client_stop(struct client *k)
{
	alarm_off(&k->resend);
	alarm_off(&k->timeout);
}

/* Timers B and F */
static void on_timeout(struct alarm *a)
{
	client_stop(CONTAINER(a, struct client, timeout));
}

static void on_cancel(struct alarm *a);

static struct client *client_start(int who, int call, enum method method, const char *branch, struct str bytes)
{
	struct client *k = zalloc(sizeof(*k));

	*k = (struct client){ .next = ua.clients, .ua = who, .call = call, .method = method, .bytes = keep(bytes), .interval_ms = T1 };
	snprintf(k->branch, sizeof(k->branch), "%s", branch);
	k->resend.fn = on_resend;
	k->timeout.fn = on_timeout;
	k->cancel.fn = on_cancel;
	ua.clients = k;
	alarm_at(&k->resend, world.now_ms + T1);
	alarm_at(&k->timeout, world.now_ms + LONG);
	client_send(k);
	return k;
}

/* A copy of the request with another method, as CANCEL and ACK to a non-2xx are. */
static void follow_up(struct client *k, struct msg *answer)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   sent;
	char         room[MOST_MESSAGE];
	struct buf   out = buf_on(room, sizeof(room));
	enum err     err;

	arena_init(&a, NULL, 0, 1 << 20);
	err = msg_parse(&c, k->bytes, &sent);
	if (!err)
		err = answer ? ack_write(&sent, answer, &out) : cancel_write(&sent, STR_NONE, &out);
	if (err || !buf_ok(&out))
		world_fail("a user agent cannot write its ACK or CANCEL");
	else if (answer)
		world_send(k->ua, SERVER, buf_str(&out));
	else
		(void)client_start(k->ua, k->call, M_CANCEL, k->branch, buf_str(&out));
	arena_free(&a);
}

/* §9.1: not before a provisional answer, not after the final one. */
static void cancel_now(struct client *k)
{
	if (!k->cancel_wanted || !k->provisional || k->final || k->cancelled)
		return;
	k->cancelled = true;
	follow_up(k, NULL);
}

static void on_cancel(struct alarm *a)
{
	struct client *k = CONTAINER(a, struct client, cancel);

	k->cancel_wanted = true;
	cancel_now(k);
}

/* --- dialogs --- */

static void write_in_dialog(struct dialog *d, enum method method, uint32_t cseq, const char *branch, struct buf *out)
{
	buf_printf(out, STR_FMT " %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=%s;rport\r\nMax-Forwards: 70\r\n", STR_ARG(method_name(method)), d->target,
		   ua_ip(d->ua), branch);
	if (d->route[0])
		buf_printf(out, "Route: %s\r\n", d->route);
	buf_printf(out, "From: %s\r\nTo: %s\r\nCall-ID: c%d@sim\r\nCSeq: %u " STR_FMT "\r\nContact: <sip:u%d@%s:5060>\r\nContent-Length: 0\r\n\r\n", d->local,
		   d->remote, d->call, cseq, STR_ARG(method_name(method)), d->ua + 1, ua_ip(d->ua));
}

static void dialog_ack(struct dialog *d, uint32_t cseq)
{
	char       branch[64], room[MOST_MESSAGE];
	struct buf out = buf_on(room, sizeof(room));

	name(d->call, "z9hG4bK-", branch, sizeof(branch));
	write_in_dialog(d, M_ACK, cseq, branch, &out);
	world_send(d->ua, SERVER, buf_str(&out));
}

static void dialog_request(struct dialog *d, enum method method)
{
	char       branch[64], room[MOST_MESSAGE];
	struct buf out = buf_on(room, sizeof(room));

	if (d->over)
		return;
	d->over = method == M_BYE;
	name(d->call, "z9hG4bK-", branch, sizeof(branch));
	write_in_dialog(d, method, ++d->cseq, branch, &out);
	client_start(d->ua, d->call, method, branch, buf_str(&out))->dialog = d;
}

static void on_reinvite(struct alarm *a)
{
	dialog_request(CONTAINER(a, struct dialog, reinvite), M_INVITE);
}

static void on_bye(struct alarm *a)
{
	dialog_request(CONTAINER(a, struct dialog, bye), M_BYE);
}

static struct dialog *dialog_find(int who, int call, const char *tag, const char *remote_tag)
{
	for (struct dialog *d = ua.dialogs; d; d = d->next)
		if (d->ua == who && d->call == call && !strcmp(d->tag, tag) && !strcmp(d->remote_tag, remote_tag))
			return d;
	return NULL;
}

static void join(char *out, size_t cap, struct str s)
{
	snprintf(out, cap, STR_FMT, STR_ARG(s));
}

/* §12.1: the route set is the Record-Route, at the caller in reverse. */
static void set_route(struct dialog *d, struct msg *m)
{
	struct msg_values it = msg_values(m, H_RECORD_ROUTE);
	struct str        value;
	char              so_far[TEXT];

	while (msg_values_next(&it, &value)) {
		memcpy(so_far, d->route, sizeof(so_far));
		if (!so_far[0])
			join(d->route, sizeof(d->route), value);
		else if (d->caller)
			snprintf(d->route, sizeof(d->route), STR_FMT ", %.160s", STR_ARG(value), so_far);
		else
			snprintf(d->route, sizeof(d->route), "%.160s, " STR_FMT, so_far, STR_ARG(value));
	}
}

static struct dialog *dialog_new(int who, struct sip *s, struct msg *m, bool caller, const char *tag)
{
	struct dialog    *d = zalloc(sizeof(*d));
	struct name_addr  contact;

	d->ua = who;
	d->call = s->call;
	d->caller = caller;
	d->cseq = caller ? s->cseq : 100;
	d->reinvite.fn = on_reinvite;
	d->bye.fn = on_bye;
	snprintf(d->tag, sizeof(d->tag), "%s", tag);
	snprintf(d->remote_tag, sizeof(d->remote_tag), "%s", caller ? s->to_tag : s->from_tag);
	join(d->local, sizeof(d->local), (caller ? m->first[H_FROM] : m->first[H_TO])->body);
	join(d->remote, sizeof(d->remote), (caller ? m->first[H_TO] : m->first[H_FROM])->body);
	if (!caller)
		snprintf(d->local + strlen(d->local), sizeof(d->local) - strlen(d->local), ";tag=%s", tag);
	if (m->first[H_CONTACT] && !name_addr_parse(m->first[H_CONTACT]->body, &contact))
		join(d->target, sizeof(d->target), contact.uri_text);
	set_route(d, m);
	d->next = ua.dialogs;
	ua.dialogs = d;
	return d;
}

/* Both sides know: the one whose turn it is goes on. */
static void dialog_confirmed(struct dialog *d)
{
	const struct call_plan *p = plan_of(d->call);

	if (p->reinvite_ms && p->callee_reinvites != d->caller && !d->reinvite.order)
		alarm_at(&d->reinvite, world.now_ms + p->reinvite_ms);
	if (p->bye_ms && p->callee_hangs_up != d->caller && !d->bye.order)
		alarm_at(&d->bye, world.now_ms + p->bye_ms);
}

/* --- answers to clients --- */

static void accepted(struct client *k, struct sip *s, struct msg *m)
{
	struct dialog *d = k->dialog ? k->dialog : dialog_find(k->ua, k->call, s->from_tag, s->to_tag);
	bool           other = k->final && !d;

	if (!d)
		d = dialog_new(k->ua, s, m, true, s->from_tag);
	dialog_ack(d, s->cseq);
	if (!k->final && !k->dialog)
		dialog_confirmed(d);
	else if (other)		/* a second phone was lifted as well */
		dialog_request(d, M_BYE);
}

static void client_answer(struct client *k, struct sip *s, struct msg *m)
{
	if (s->status < 200) {
		k->provisional = true;
		if (k->method == M_INVITE)
			client_stop(k);
		cancel_now(k);
		return;
	}
	client_stop(k);
	if (k->method == M_INVITE && s->status < 300)
		accepted(k, s, m);
	else if (k->method == M_INVITE)
		follow_up(k, m);
	if (!k->final)
		k->final = s->status;
}

static void response(int who, struct sip *s, struct msg *m)
{
	for (struct client *k = ua.clients; k; k = k->next)
		if (k->ua == who && k->method == s->method && !strcmp(k->branch, s->branch)) {
			client_answer(k, s, m);
			return;
		}
	world_fail("u%d got a %u to a %s it never sent", who + 1, s->status, method_name(s->method).p);
}

/* --- servers --- */

static void answer_to(int who, struct str request, uint16_t status, const char *tag, struct str *kept)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   m;
	char         room[MOST_MESSAGE], headers[TEXT];
	struct reply r = { .status = status, .to_tag = status == 100 ? STR_NONE : str_of(tag), .record_route = true };
	struct buf   out = buf_on(room, sizeof(room));

	arena_init(&a, NULL, 0, 1 << 20);
	if (msg_parse(&c, request, &m))
		abort();
	if (status == 401 || status == 407)
		snprintf(headers, sizeof(headers), "%s-Authenticate: Digest realm=\"%s\", nonce=\"n\"\r\n", status == 401 ? "WWW" : "Proxy", tag);
	else
		snprintf(headers, sizeof(headers), "Contact: <sip:u%d@%s:5060>\r\n", who + 1, ua_ip(who));
	r.headers = str_of(headers);
	reply_write(&m, &r, &out);
	if (kept)
		*kept = keep(buf_str(&out));
	world_send(who, SERVER, buf_str(&out));
	arena_free(&a);
}

static void dialog_of_server(struct server *v)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   m;
	struct sip   s;

	arena_init(&a, NULL, 0, 1 << 20);
	if (!sip_read(v->request, &s) || msg_parse(&c, v->request, &m))
		abort();
	v->dialog = dialog_new(v->ua, &s, &m, false, v->tag);
	arena_free(&a);
}

static void server_answer(struct server *v, uint16_t status)
{
	if (v->status >= 200)
		return;
	v->status = status;
	answer_to(v->ua, v->request, status, v->tag, &v->last);
	if (status < 200)
		return;
	alarm_off(&v->trying);
	alarm_off(&v->ring);
	alarm_off(&v->final);
	if (v->method != M_INVITE)
		return;
	if (status < 300 && !v->dialog)
		dialog_of_server(v);
	v->interval_ms = T1;
	alarm_at(&v->resend, world.now_ms + T1);
	alarm_at(&v->give_up, world.now_ms + LONG);
}

static void on_trying(struct alarm *a)
{
	struct server *v = CONTAINER(a, struct server, trying);

	if (!v->status)
		server_answer(v, 100);
}

static void on_ring(struct alarm *a)
{
	struct server *v = CONTAINER(a, struct server, ring);

	server_answer(v, 180);
	if (v->plan->again_ms && (v->plan->kind != CALLEE_RINGS || world.now_ms - world.begun_ms < plan_of(v->call)->at_ms + 400000))
		alarm_at(&v->ring, world.now_ms + v->plan->again_ms);
}

static void on_final(struct alarm *a)
{
	struct server *v = CONTAINER(a, struct server, final);

	server_answer(v, v->will_answer);
	if (!v->plan || v->plan->kind != CALLEE_DIES)
		return;
	ua.dead[v->ua][v->call] = true;
	alarm_off(&v->resend);
	alarm_off(&v->give_up);
}

/* Timer G, and the same for 2xx (§13.3.1.4) */
static void on_server_resend(struct alarm *a)
{
	struct server *v = CONTAINER(a, struct server, resend);

	world_send(v->ua, SERVER, v->last);
	v->interval_ms = 2 * v->interval_ms < T2 ? 2 * v->interval_ms : T2;
	alarm_at(&v->resend, world.now_ms + v->interval_ms);
}

/* No ACK: a call that was answered is ended (§13.3.1.4). */
static void on_give_up(struct alarm *a)
{
	struct server *v = CONTAINER(a, struct server, give_up);

	alarm_off(&v->resend);
	if (v->status < 300 && v->dialog)
		dialog_request(v->dialog, M_BYE);
}

static struct server *server_new(int who, struct packet *p)
{
	struct server *v = zalloc(sizeof(*v));

	v->ua = who;
	v->call = p->sip.call;
	v->method = p->sip.method;
	v->cseq = p->sip.cseq;
	v->request = p->bytes;
	snprintf(v->branch, sizeof(v->branch), "%s", p->sip.branch);
	name(v->call, "t", v->tag, sizeof(v->tag));
	v->trying.fn = on_trying;
	v->ring.fn = on_ring;
	v->final.fn = on_final;
	v->resend.fn = on_server_resend;
	v->give_up.fn = on_give_up;
	v->next = ua.servers;
	ua.servers = v;
	return v;
}

static void follow_plan(struct server *v, const struct callee_plan *p)
{
	v->plan = p;
	v->will_answer = p->status;
	if (p->kind == CALLEE_SILENT)
		return;
	if (p->trying_ms)
		alarm_at(&v->trying, world.now_ms + p->trying_ms);
	if (p->ring_ms || p->kind == CALLEE_RINGS)
		alarm_at(&v->ring, world.now_ms + (p->ring_ms ? p->ring_ms : 1000));
	if (p->kind != CALLEE_RINGS)
		alarm_at(&v->final, world.now_ms + p->final_ms);
}

static void in_dialog(struct server *v, const struct sip *s)
{
	v->dialog = dialog_find(v->ua, v->call, s->to_tag, s->from_tag);
	v->will_answer = 200;
	if (!v->dialog || v->dialog->over)
		v->will_answer = 481;
	else if (s->method == M_BYE)
		v->dialog->over = true;
	else if (s->method == M_INVITE && draw_below(world.plan->seed, 30, (uint64_t)v->call, 4) == 0)
		v->will_answer = 488;
	if (s->method != M_INVITE)
		server_answer(v, v->will_answer);
	else
		alarm_at(&v->final, world.now_ms + 1 + draw_below(world.plan->seed, 31, (uint64_t)v->call, 3000));
}

static struct server *server_by_branch(int who, const struct sip *s, enum method method)
{
	for (struct server *v = ua.servers; v; v = v->next)
		if (v->ua == who && v->method == method && !strcmp(v->branch, s->branch))
			return v;
	return NULL;
}

static void ack(int who, const struct sip *s)
{
	struct server *v = server_by_branch(who, s, M_INVITE);

	for (struct server *o = ua.servers; o && !v; o = o->next)
		if (o->ua == who && o->call == s->call && o->method == M_INVITE && o->cseq == s->cseq && o->status >= 200 && o->status < 300 && o->dialog &&
		    !strcmp(o->dialog->tag, s->to_tag))
			v = o;
	if (!v || v->acked)
		return;
	v->acked = true;
	alarm_off(&v->resend);
	alarm_off(&v->give_up);
	if (v->status < 300 && v->dialog && v->plan)
		dialog_confirmed(v->dialog);
}

static void cancel(int who, struct packet *p)
{
	struct server *v = server_by_branch(who, &p->sip, M_INVITE);

	answer_to(who, p->bytes, v ? 200 : 481, v ? v->tag : "none", NULL);
	if (v && v->status < 200)
		server_answer(v, 487);
}

static void request(int who, struct packet *p)
{
	const struct sip         *s = &p->sip;
	const struct callee_plan *plan;
	struct server            *v;

	if (s->method == M_ACK) {
		ack(who, s);
		return;
	}
	if (s->method == M_CANCEL) {
		cancel(who, p);
		return;
	}
	v = server_by_branch(who, s, s->method);
	if (v) {
		if (v->last.p)
			world_send(who, SERVER, v->last);
		return;
	}
	v = server_new(who, p);
	plan = s->to_tag[0] ? NULL : plan_callee(world.plan, s->user);
	if (plan && (int)plan->ua != who)
		world_fail("u%d got a request that was for u%u", who + 1, plan->ua + 1);
	if (plan)
		follow_plan(v, plan);
	else if (s->to_tag[0])
		in_dialog(v, s);
	else
		world_fail("u%d got a request for \"%s\", whom nobody sent there", who + 1, s->user);
}

void ua_receive(int who, struct packet *p)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   m;

	if (p->sip.call < 0) {
		world_fail("u%d got a message of no call", who + 1);
		return;
	}
	if (ua.dead[who][p->sip.call])
		return;
	if (p->sip.request) {
		request(who, p);
		return;
	}
	arena_init(&a, NULL, 0, 1 << 20);
	if (p->sip.vias != 1)
		world_fail("u%d got a %u with %u Via values", who + 1, p->sip.status, p->sip.vias);
	else if (!msg_parse(&c, p->bytes, &m))
		response(who, &p->sip, &m);
	arena_free(&a);
}

/* --- calls --- */

static void on_begin(struct alarm *a)
{
	struct beginning       *b = CONTAINER(a, struct beginning, alarm);
	const struct call_plan *p = b->plan;
	int                     who = (int)p->caller;
	char                    branch[64], tag[32], room[MOST_MESSAGE];
	struct buf              out = buf_on(room, sizeof(room));
	struct client          *k;

	name(b->number, "z9hG4bK-", branch, sizeof(branch));
	name(b->number, "f", tag, sizeof(tag));
	buf_printf(&out, STR_FMT " sip:c%d@example.org SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=%s;rport\r\nMax-Forwards: 70\r\n",
		   STR_ARG(method_name(p->method)), b->number, ua_ip(who), branch);
	buf_printf(&out, "From: <sip:u%d@example.org>;tag=%s\r\nTo: <sip:c%d@example.org>\r\nCall-ID: c%d@sim\r\nCSeq: 1 " STR_FMT "\r\n", who + 1, tag,
		   b->number, b->number, STR_ARG(method_name(p->method)));
	buf_printf(&out, "Contact: <sip:u%d@%s:5060>\r\nContent-Length: 0\r\n\r\n", who + 1, ua_ip(who));
	k = client_start(who, b->number, p->method, branch, buf_str(&out));
	if (p->cancel_ms)
		alarm_at(&k->cancel, world.now_ms + p->cancel_ms);
}

/* Nothing more is said or heard, and what was to be repeated is not. */
static void on_end(struct alarm *a)
{
	const struct beginning *b = CONTAINER(a, struct beginning, end);
	int                     who = (int)b->plan->caller;

	ua.dead[who][b->number] = true;
	for (struct client *k = ua.clients; k; k = k->next)
		if (k->ua == who && k->call == b->number) {
			client_stop(k);
			alarm_off(&k->cancel);
		}
	for (struct dialog *d = ua.dialogs; d; d = d->next)
		if (d->ua == who && d->call == b->number) {
			alarm_off(&d->reinvite);
			alarm_off(&d->bye);
		}
	for (struct server *v = ua.servers; v; v = v->next)
		if (v->ua == who && v->call == b->number) {
			alarm_off(&v->final);
			alarm_off(&v->resend);
			alarm_off(&v->give_up);
		}
}

void ua_begin(void)
{
	for (unsigned i = 0; i < world.plan->calls; i++) {
		ua.beginning[i] = (struct beginning){ .alarm.fn = on_begin, .end.fn = on_end, .plan = &world.plan->call[i], .number = (int)i };
		if (world.plan->call[i].on)
			alarm_at(&ua.beginning[i].alarm, world.begun_ms + world.plan->call[i].at_ms);
		if (world.plan->call[i].on && world.plan->call[i].dies_ms)
			alarm_at(&ua.beginning[i].end, world.begun_ms + world.plan->call[i].at_ms + world.plan->call[i].dies_ms);
	}
}
