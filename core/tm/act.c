/* What the machines ask for, done after the unlock. */
#include "tm/trans.h"

struct act {
	struct act   *next;
	enum act_kind kind;
	struct flow   to;
	struct str    bytes;	/* what to send, or the request that CANCEL and ACK are made from */
	struct str    reason;	/* CANCEL: a whole field, or empty */
	uint16_t      status;	/* OWN_REPLY */
	uint8_t       branch;	/* ACK */
	const char   *timer;	/* TIMEOUT */
	bool          goes_on;
};

void acts_init(struct acts *a, struct ctx *c, struct trans *t)
{
	*a = (struct acts){ .c = c, .t = t, .last = &a->first };
	c->call = t->call;	/* timers and letters have no message that would tell */
}

/* Without memory it is as if the message were lost on the way; retransmission mends that. */
static struct act *act_new(struct acts *a, enum act_kind kind, const struct flow *to, struct str text)
{
	struct act *act = text.p ? ARENA_NEW(a->c->arena, struct act) : NULL;

	if (!act)
		return NULL;
	act->kind = kind;
	act->to = *to;
	act->bytes = text;
	*a->last = act;
	a->last = &act->next;
	return act;
}

void acts_send(struct acts *a, const struct flow *to, struct str text)
{
	(void)act_new(a, ACT_SEND, to, text);
}

void acts_send_copy(struct acts *a, const struct flow *to, struct str bytes)
{
	acts_send(a, to, arena_dup(a->c->arena, bytes));
}

void acts_own_reply(struct acts *a, uint16_t status)
{
	struct act *act = act_new(a, ACT_OWN_REPLY, &a->t->back, STR(""));

	if (act)
		act->status = status;
}

void acts_ack(struct acts *a, struct branch *b)
{
	struct act *act;

	if (b->sent_is_ack) {
		acts_send_copy(a, &b->to, b->sent);
		return;
	}
	act = b->sent.p ? act_new(a, ACT_ACK, &b->to, arena_dup(a->c->arena, b->sent)) : NULL;
	if (act)
		act->branch = b->index;
}

void acts_cancel(struct acts *a, struct branch *b)
{
	struct act *act = b->sent.p ? act_new(a, ACT_CANCEL, &b->to, arena_dup(a->c->arena, b->sent)) : NULL;

	if (!act)
		return;
	if (b->elsewhere)
		act->reason = STR("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n");
	else if (a->t->cancel_reason.len)
		act->reason = arena_printf(a->c->arena, "Reason: " STR_FMT "\r\n", STR_ARG(a->t->cancel_reason));
}

void acts_timeout(struct acts *a, const struct flow *peer, const char *timer, bool goes_on)
{
	struct act *act = tm_user() && tm_user()->timeout && peer->via ? act_new(a, ACT_TIMEOUT, peer, STR("")) : NULL;

	if (!act)
		return;
	act->timer = timer;
	act->goes_on = goes_on;
}

void send_text(struct ctx *c, const struct flow *to, struct str bytes)
{
	enum err err;

	if (!to->via || !bytes.p)
		return;
	trail_message(c->call, TRAIL_SENT, to, bytes);
	err = net_send(to, bytes);
	if (err)
		log_debug(c, "not sent to=" STR_FMT " err=%s", STR_ARG(addr_text(&to->peer, (char[ADDR_TEXT]){ 0 })), err_name(err));
}

struct str msg_text(const struct msg *m)
{
	size_t     cap = msg_write_bound(m, 0);
	struct buf out = buf_on(arena_alloc(m->c->arena, cap), cap);

	if (!out.p)
		return STR_NONE;
	msg_write(m, &out);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

enum err kept_parse(struct trans *t, struct ctx *c, struct msg *m)
{
	char       room[ADDR_TEXT];
	struct buf ip = buf_on(room, sizeof(room));
	enum err   err = msg_parse(c, t->request, m);

	if (err)
		return err;
	addr_ip_write(&t->back.peer, &ip);
	return msg_set_received(m, buf_str(&ip), addr_port(&t->back.peer));
}

struct str own_reply(struct trans *t, struct ctx *c, struct msg *m, const struct reply *r)
{
	struct reply full = *r;
	struct msg   kept;
	struct buf   out;
	size_t       cap;
	char         tag[17];
	struct buf   b = buf_on(tag, sizeof(tag));

	if (!m && kept_parse(t, c, &kept))
		return STR_NONE;
	m = m ? m : &kept;
	buf_hex64(&b, t->tag);
	if (!full.to_tag.len && r->status != 100)
		full.to_tag = buf_str(&b);
	cap = msg_write_bound(m, r->reason.len + r->headers.len + r->body_type.len + r->body.len + sizeof(tag) + 64);
	out = buf_on(arena_alloc(c->arena, cap), cap);
	if (!out.p)
		return STR_NONE;
	reply_write(m, &full, &out);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

static void reply_act(struct acts *a, const struct act *act)
{
	struct reply r = { .status = act->status };

	send_text(a->c, &act->to, own_reply(a->t, a->c, NULL, &r));
}

/* CANCEL or ACK of a request that was sent; .p NULL on failure. */
static struct str follow_up(struct acts *a, const struct act *act)
{
	size_t     cap = act->bytes.len + act->reason.len + (a->answer ? a->answer->raw.len : 0) + 128;
	struct buf out = buf_on(arena_alloc(a->c->arena, cap), cap);
	struct msg sent;
	enum err   err;

	if (!out.p || msg_parse(a->c, act->bytes, &sent))
		return STR_NONE;
	if (act->kind == ACT_CANCEL)
		err = cancel_write(&sent, act->reason, &out);
	else
		err = ack_write(&sent, a->answer, &out);
	return err ? STR_NONE : buf_str(&out);
}

/* From now on the ACK is all that this branch may have to send. Without memory its request stays. */
static void keep_ack(struct trans *t, unsigned index, struct str ack)
{
	struct branch *b;
	struct str     copy = STR_NONE;

	lock(&t->lock);
	b = branch_at(t, index);
	if (b->m.state == TM_COMPLETED && !b->sent_is_ack)
		copy = shm_dup(tm_owner(), ack);
	if (copy.p) {
		text_free(&b->sent);
		b->sent = copy;
		b->sent_is_ack = true;
	}
	unlock(&t->lock);
}

static void ack_act(struct acts *a, const struct act *act)
{
	struct str ack = a->answer ? follow_up(a, act) : STR_NONE;

	if (!ack.p)
		return;
	send_text(a->c, &act->to, ack);
	keep_ack(a->t, act->branch, ack);
}

static void timeout_act(struct acts *a, const struct act *act)
{
	struct tm_timeout what = { .request = a->t->request, .peer = &act->to, .timer = act->timer, .goes_on = act->goes_on };

	tm_user()->timeout(a->c, &what);
}

void acts_run(struct acts *a)
{
	for (const struct act *act = a->first; act; act = act->next)
		switch (act->kind) {
		case ACT_SEND:
			send_text(a->c, &act->to, act->bytes);
			break;
		case ACT_OWN_REPLY:
			reply_act(a, act);
			break;
		case ACT_CANCEL:
			send_text(a->c, &act->to, follow_up(a, act));
			break;
		case ACT_ACK:
			ack_act(a, act);
			break;
		case ACT_TIMEOUT:
			timeout_act(a, act);
			break;
		}
}

void note_timer(const struct trans *t, const struct flow *to, const char *what)
{
	char       room[ADDR_TEXT + 64];
	struct buf text = buf_on(room, sizeof(room));

	if (!t->call)
		return;
	buf_printf(&text, "%s ", what);
	addr_write(&to->peer, &text);
	trail_add(t->call, TRAIL_TIMER, 0, buf_str(&text));
}

void scratch_init(struct scratch *s)
{
	arena_init(&s->arena, s->room, sizeof(s->room), 1024 * 1024);
	s->c = (struct ctx){ .arena = &s->arena };
}

void scratch_free(struct scratch *s)
{
	arena_free(&s->arena);
}
