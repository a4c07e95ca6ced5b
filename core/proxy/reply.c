/* Own answers, through the transaction or statelessly. */
#include "proxy/internal.h"

/* The same request, sent again, must get the same tag although nothing is remembered (RFC 3261 §8.2.7). */
static struct str stable_tag(struct request *r, char room[20])
{
	const struct via *via = msg_via1(&r->msg);
	struct hash_state h;
	struct buf        b = buf_on(room, 20);

	hash_begin(&h, proxy_key());
	hash_add(&h, msg_call_id(&r->msg));
	hash_add(&h, msg_from_tag(&r->msg));
	hash_add(&h, via ? via->branch : STR_NONE);
	buf_hex64(&b, hash_end(&h));
	return buf_str(&b);
}

void reply_stateless(struct request *r, const struct reply *what)
{
	const struct via *via = msg_via1(&r->msg);
	struct reply      reply = *what;
	struct flow       to;
	struct buf        out;
	char              tag[20];

	if (!via || r->msg.method == M_ACK)	/* no address to answer at; an ACK is never answered (§8.1.1.1) */
		return;
	if (!reply.to_tag.len && reply.status > 100)
		reply.to_tag = stable_tag(r, tag);
	response_flow(via, &r->from, &to);
	out = net_reserve();
	reply_write(&r->msg, &reply, &out);
	trail_message(r->c.call, TRAIL_SENT, &to, buf_str(&out));
	net_commit(&to, buf_ok(&out) ? out.len : 0);
}

static void answer_stateless(struct request *r, const struct reply *what)
{
	reply_stateless(r, what);
	if (proxy_clerk())
		proxy_clerk()->answered(r, what->status, what->reason.len ? what->reason : reason_phrase(what->status));
}

enum err request_reply_full(struct request *r, const struct reply *what)
{
	enum err err = OK;

	if (r->end == REQ_REPLIED || r->end == REQ_DROPPED) {
		log_warn(&r->c, "second final answer refused status=%u", what->status);
		return ERR_STATE;
	}
	if (what->status < 200 && !r->t)
		err = request_stateful(r);
	if (err)
		return err;
	if (r->t)
		err = tm_reply(r->t, &r->c, &r->msg, what);
	else
		answer_stateless(r, what);
	if (err == ERR_STATE)
		log_warn(&r->c, "answer refused: a final one has been sent already status=%u", what->status);
	else if (!err && what->status >= 200)
		r->end = REQ_REPLIED;
	return err;
}

enum err request_reply(struct request *r, uint16_t status, struct str reason, struct str headers)
{
	return request_reply_full(r, &(struct reply){ .status = status, .reason = reason, .headers = headers });
}

/* §11.2, §20.5: what this server understands when it is addressed itself. */
void reply_options(struct request *r)
{
	static const struct str headers = STR("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, "
					      "SUBSCRIBE, NOTIFY, REFER, PUBLISH\r\nAccept: */*\r\nSupported: path\r\n");

	reply_stateless(r, &(struct reply){ .status = 200, .headers = headers });
}
