/* The server side: from a new request to its last answer (RFC 3261 §17.2, §18.2). */
#include "tm/trans.h"

/* --- where answers go --- */

/* Never answer what was sent to many (RFC 3261 §18.2.2 has TTL rules for maddr; we take no part in multicast at all). */
static bool is_for_many(const struct addr *a)
{
	uint32_t v4 = a->u.any.sa_family == AF_INET ? ntohl(a->u.v4.sin_addr.s_addr) : 0;

	if (a->u.any.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&a->u.v6.sin6_addr);
	return IN_MULTICAST(v4) || v4 == INADDR_BROADCAST;
}

void response_flow(const struct via *top, const struct flow *from, struct flow *to)
{
	*to = *from;
	if (!from->via)
		return;
	if (transport_reliable(from->via->transport)) {
		to->port = top->port ? top->port : transport_port(from->via->transport);
		return;
	}
	if (!top->has_rport)
		addr_set_port(&to->peer, top->port ? top->port : transport_port(from->via->transport));
	if (is_for_many(&to->peer) || addr_is_any(&to->peer) || !addr_port(&to->peer))
		to->via = NULL;
}

/* --- what is sent --- */

static bool is_invite(const struct trans *t)
{
	return t->m.kind == TM_IST;
}

/* RFC 4320 §4.2: no 408 to a non-INVITE. */
static bool is_silent(const struct trans *t, uint16_t status)
{
	return !is_invite(t) && status == 408;
}

/* RFC 3261 §16.7 step 9, RFC 6026 §8.9: the server transaction has had its time, but a branch of it is answered with 2xx: that goes
 * upstream all the same, or the callee would be in a call that nobody knows of. */
static bool is_late_success(const struct trans *t, uint16_t status)
{
	return is_invite(t) && status < 300 && t->m.state == TM_TERMINATED && server_is_final(t);
}

struct str server_keep(const struct trans *t, uint16_t status, struct str text)
{
	/* 2xx to INVITE are repeated by whoever made them (RFC 6026 §7.1); a 100 is written anew */
	if (status == 100 || !text.p || (is_invite(t) && status >= 200 && status < 300))
		return STR_NONE;
	return shm_dup(tm_owner(), text);
}

/* The caller has what it waits for from us (or, by RFC 4320, will not get it). */
static void note_status(struct trans *t, uint16_t status)
{
	if (status >= 200 && !server_is_final(t))
		counter_add(&tm_count.open, -1);
	t->status_up = status;
}

static void sent_locked(struct trans *t, struct acts *a, uint16_t status, struct str text, struct str kept)
{
	witness_answered(t, a, status, text.p ? text : kept);
	text_free(&t->last);
	t->last = kept;
	note_status(t, status);
	t->trying_at = 0;
	if (text.p)
		acts_send(a, &t->back, text);
	else if (kept.p)
		acts_send_copy(a, &t->back, kept);
	else
		acts_own_reply(a, status);
}

/* It is over but the caller does not hear of it. As long as it may ask again, it must not be taken for a new request. */
static bool end_silently_locked(struct trans *t, struct acts *a, uint16_t status, uint32_t now)
{
	if (!(machine_feed(&t->m, EV_SEND_FINAL, now) & DO_SEND_REPLY))
		return false;
	witness_answered(t, a, status, STR_NONE);
	text_free(&t->last);
	note_status(t, status);
	t->trying_at = 0;
	if (t->m.linger_at > now)	/* Timer F at the caller runs from its first request on, and that may have taken T4 to get here */
		t->m.linger_at = (now < 64 * tm_timers.t1 ? 64 * tm_timers.t1 : now) + tm_timers.t4;
	return true;
}

bool server_final_locked(struct trans *t, struct acts *a, uint16_t status, struct str text, struct str kept)
{
	uint32_t now = trans_now(t), todo;

	if (is_silent(t, status)) {
		text_free(&kept);
		return end_silently_locked(t, a, status, now);
	}
	if (server_untold(t)) {
		sent_locked(t, a, status, text, kept);
		return true;
	}
	if (is_late_success(t, status)) {
		text_free(&kept);
		acts_send(a, &t->back, text);
		return true;
	}
	todo = machine_feed(&t->m, status < 300 ? EV_SEND_2XX : EV_SEND_FINAL, now);
	if (!(todo & DO_SEND_REPLY)) {
		text_free(&kept);
		return false;
	}
	if (server_is_final(t))		/* another 2xx: on its way, but the first answer stays what is kept */
		acts_send(a, &t->back, text);
	else
		sent_locked(t, a, status, text, kept);
	return true;
}

bool server_provisional_locked(struct trans *t, struct acts *a, uint16_t status, struct str text)
{
	if (!is_invite(t) && status != 100)	/* RFC 4320 §4.1 */
		return false;
	if (!(machine_feed(&t->m, EV_SEND_1XX, trans_now(t)) & DO_SEND_REPLY))
		return false;
	sent_locked(t, a, status, text, server_keep(t, status, text));
	return true;
}

void server_send_again_locked(struct trans *t, struct acts *a)
{
	if (t->last.p)
		acts_send_copy(a, &t->back, t->last);
	else if (is_silent(t, t->status_up))
		return;
	else if (t->status_up)
		acts_own_reply(a, t->status_up);
	else
		(void)server_provisional_locked(t, a, 100, STR_NONE);	/* a repeated INVITE wants to hear something */
}

void server_forget_locked(struct trans *t)
{
	if (machine_open(&t->m))
		counter_add(&tm_count.open, -1);
	machine_feed(&t->m, EV_TIMER_TIMEOUT, trans_now(t));
	t->trying_at = 0;
	t->run.give_up_at = 0;
}

/* --- what arrives --- */

/* False: its run died before anybody heard of it; it is forgotten. */
static bool absorb(struct trans *t, struct ctx *c)
{
	struct acts a;
	bool        lost;

	acts_init(&a, c, t);
	lock(&t->lock);
	lost = run_lost_locked(t) && !t->branches && !t->status_up;
	if (lost)
		run_gone_locked(t, &a);
	else if (machine_feed(&t->m, EV_REQUEST, trans_now(t)) & DO_SEND_AGAIN)
		server_send_again_locked(t, &a);
	deadline_set_locked(t);
	unlock(&t->lock);
	counter_add(&tm_count.absorbed, !lost);
	acts_run(&a);
	return !lost;
}

bool tm_absorb(struct msg *m, const struct flow *from)
{
	struct str    key = key_of(m, m->method_name);
	struct trans *t = key.p ? table_find(key) : NULL;
	bool          done = t && absorb(t, m->c);

	(void)from;	/* the answer goes where the first one went */
	trans_drop(t);
	return done;
}

bool tm_ack(struct msg *m)
{
	struct str    key = key_of(m, method_name(M_INVITE));
	struct trans *t = key.p ? table_find(key) : NULL;
	bool          pass;

	if (!t)
		return false;
	lock(&t->lock);
	pass = machine_feed(&t->m, EV_ACK, trans_now(t)) & DO_PASS_UP;
	if (t->m.state == TM_CONFIRMED)
		text_free(&t->last);
	deadline_set_locked(t);
	unlock(&t->lock);
	trans_drop(t);
	return !pass;
}

/* RFC 6026 §8.8: the transaction goes on; a request that comes again gets the answer then. */
void server_undelivered(struct msg *m)
{
	struct str    key = key_of(m, m->method_name);
	struct trans *t = key.p ? table_find(key) : NULL;

	if (!t)
		return;
	lock(&t->lock);
	(void)machine_feed(&t->m, EV_TRANSPORT_ERROR, trans_now(t));
	deadline_set_locked(t);
	unlock(&t->lock);
	counter_inc(&tm_count.lost_answers);
	trans_drop(t);
}

/* --- a new one --- */

/* When the caller's Timer E has come to T2, and not before (RFC 4320 §4.1). */
static uint32_t timer_e_at_t2_ms(void)
{
	uint32_t ms = tm_timers.t1;

	for (uint32_t interval = 2 * tm_timers.t1; interval < tm_timers.t2; interval *= 2)
		ms += interval;
	return ms;
}

static void begin(struct trans *t)
{
	lock(&t->lock);
	if (is_invite(t)) {
		t->trying_at = trans_now(t) + tm_timers.trying;
		deadline_set_locked(t);
	} else {
		t->trying_at = trans_now(t) + timer_e_at_t2_ms();	/* the timer is armed when there is a branch */
	}
	unlock(&t->lock);
	counter_inc(&tm_count.begun);
}

/* In the table; NULL: no memory, or another one is in the way, which is then in hand. */
static struct trans *new_in_table(struct msg *m, struct str key, const struct flow *from, struct trans **other)
{
	struct trans *t;

	*other = NULL;
	critical_enter();
	t = trans_new(m, key, from);
	if (t)
		*other = table_link(t);
	if (*other) {
		trans_free(t);
		t = NULL;
	}
	critical_leave();
	return t;
}

/* OK, ERR_NOMEM, ERR_EXISTS (absorbed), or ERR_AGAIN: the one that was in the way has just been forgotten. */
static enum err try_create(struct msg *m, struct str key, const struct flow *from, struct trans **out)
{
	struct trans *other = NULL, *t = shm_scarce() ? NULL : new_in_table(m, key, from, &other);
	bool          absorbed;

	if (t) {
		begin(t);
		*out = t;
		return OK;
	}
	if (!other)
		return ERR_NOMEM;
	absorbed = absorb(other, m->c);
	trans_drop(other);
	return absorbed ? ERR_EXISTS : ERR_AGAIN;
}

enum err tm_create(struct ctx *c, struct msg *m, const struct flow *from, struct trans **out)
{
	struct str key = key_of(m, m->method_name);
	enum err   err = key.p ? try_create(m, key, from, out) : ERR_NOMEM;

	if (err == ERR_AGAIN)
		err = try_create(m, key, from, out);
	if (err == ERR_NOMEM) {
		counter_inc(&tm_count.no_memory);
		log_warn(c, "no memory for a transaction");
	}
	return err;
}

void tm_leave(struct trans *t)
{
	if (!t)
		return;
	lock(&t->lock);
	t->held = false;
	if (t->m.state == TM_TERMINATED)	/* it may have waited for that */
		deadline_set_locked(t);
	unlock(&t->lock);
}

/* --- the user's answers --- */

static bool reply_locked(struct trans *t, struct acts *a, uint16_t status, struct str text)
{
	if (server_is_final(t))
		return false;
	if (status < 200)
		return server_provisional_locked(t, a, status, text);
	if (!server_final_locked(t, a, status, text, server_keep(t, status, text)))
		return false;
	t->decided = true;
	best_set_locked(t, status);
	cancel_open_locked(t, a, false);
	return true;
}

enum err tm_reply(struct trans *t, struct ctx *c, struct msg *m, const struct reply *r)
{
	struct str  text = own_reply(t, c, m, r);
	struct acts a;
	bool        done;

	if (!text.p)
		return ERR_NOMEM;
	acts_init(&a, c, t);
	lock(&t->lock);
	done = reply_locked(t, &a, r->status, text);
	deadline_set_locked(t);
	unlock(&t->lock);
	acts_run(&a);
	return done ? OK : ERR_STATE;
}

bool tm_is_cancelled(struct trans *t)
{
	bool is;

	lock(&t->lock);
	is = t->cancelled;
	unlock(&t->lock);
	return is;
}

bool tm_is_final(struct trans *t)
{
	bool is;

	lock(&t->lock);
	is = server_is_final(t);
	unlock(&t->lock);
	return is;
}

struct str tm_request(struct trans *t)
{
	return t->request;
}
