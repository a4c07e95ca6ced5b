/* Entry of each message: what the core does by itself before, and mostly instead of, the script. */
#include "proxy/internal.h"

static struct {
	bool closing;	/* private to the process */
} entry;

void proxy_closing(void)
{
	entry.closing = true;
}

static void in_dialog_done(void *arg, const struct tm_outcome *out)
{
	struct request *r = arg;

	(void)out;
	tm_release(r->t);
	request_done(r);
}

/* A request within a dialog follows its Route set. Only a dialog that was record-routed through here has a Route of ours: without it the
 * request is not ours to carry, or anybody could relay through us by adding a To tag. */
static void dialog_request(struct request *r)
{
	const struct uri *u = msg_ruri(&r->msg);

	r->in_dialog = true;
	if (!r->from_us_route || (!r->msg.first[H_ROUTE] && (!u || proxy_is_self(u)))) {
		reply_stateless(r, &(struct reply){ .status = 481 });
		request_done(r);
		return;
	}
	if (!proxy_user()->dialog || !proxy_user()->dialog(r))
		request_relay(r, &(struct relay_opts){ 0 }, in_dialog_done, r);
}

/* Nothing is remembered of what was forwarded statelessly: the same decisions lead the same way, with the same branch (§16.11). */
static bool follows(struct request *r)
{
	return proxy_user()->follow && proxy_user()->follow(r);
}

/* The ACK to a 2xx is a transaction of its own that nobody answers: forwarded without state (RFC 3261 §16.11, RFC 6026 §7). */
static void ack_request(struct request *r)
{
	const struct uri *u;

	if (tm_ack(&r->msg) || !route_in(r) || !request_valid(r)) {	/* what is wrong with it is counted, not answered */
		request_done(r);
		return;
	}
	u = msg_ruri(&r->msg);
	if (!r->from_us_route || !r->sealed || (!r->msg.first[H_ROUTE] && (!u || proxy_is_self(u)))) {
		if (follows(r))
			return;
		counter_inc(&count_dropped_acks);
		request_done(r);
		return;
	}
	request_forward(r, STR_NONE);
	request_done(r);
}

static void cancel_request(struct request *r)
{
	if (tm_cancel(&r->c, &r->msg, &r->from) || !route_in(r) || !request_valid(r)) {
		request_done(r);
		return;
	}
	if (follows(r))
		return;
	reply_stateless(r, &(struct reply){ .status = 481 });
	request_done(r);
}

/* A To tag, and a Route of ours that is not from our Record-Route: a phone that sends all it has through its outbound proxy, or a forgery. Who
 * asks, and where it wants to go, is for the script to judge, as without the tag. */
static bool is_unsealed(struct request *r)
{
	if (!r->from_us_route || r->sealed)
		return false;
	counter_inc(&count_unsealed);
	return true;
}

static void try_later(struct request *r)
{
	reply_stateless(r, &(struct reply){ .status = 503, .headers = STR("Retry-After: 5\r\n") });
	request_done(r);
}

static void good_request(struct request *r)
{
	if (r->msg.method == M_ACK) {
		ack_request(r);
		return;
	}
	if (r->msg.method == M_CANCEL) {
		cancel_request(r);
		return;
	}
	if (tm_absorb(&r->msg, &r->from) || !route_in(r) || !request_valid(r)) {
		request_done(r);
		return;
	}
	if (msg_to_tag(&r->msg).len && !is_unsealed(r)) {
		dialog_request(r);
	} else if (entry.closing || (msg_to_tag(&r->msg).len && proxy_secret_awaited())) {
		try_later(r);	/* the second: with the secret of before the seal may well be good */
	} else {
		proxy_user()->request(r);
	}
}

/* RFC 3581 §4: written into the top Via at once, so that every answer finds its way, through whichever worker. */
static enum err note_source(struct request *r)
{
	char       room[ADDR_TEXT];
	struct buf ip = buf_on(room, sizeof(room));

	addr_ip_write(&r->from.peer, &ip);
	return msg_set_received(&r->msg, buf_str(&ip), addr_port(&r->from.peer));
}

/* Of a top Via with rubbish in it, what says where to answer is enough (RFC 4475 §3.1.2.1). */
static bool can_be_answered(struct request *r)
{
	if (!r->msg.method_name.len)
		return false;
	return msg_via1(&r->msg) ? !note_source(r) : !msg_salvage_via1(&r->msg);
}

static void request_received(struct request *r, struct str bytes)
{
	struct str own = arena_dup(&r->arena, bytes);	/* the receive batch is used again while a run may wait */
	enum err   err;
	uint16_t   status;

	counter_inc(&count_requests);
	err = own.p ? msg_parse(&r->c, own, &r->msg) : ERR_NOMEM;
	status = own.p ? msg_check(&r->msg) : 0;
	r->c.call_id = msg_call_id(&r->msg);
	trail_received(r);
	if (!err && !status && !note_source(r)) {
		r->loop_hash = loop_hash(&r->msg);
		good_request(r);
		return;
	}
	count_bad(r->msg.bad);
	log_debug(&r->c, "malformed request reason=%s status=%u", msg_bad_name(r->msg.bad), status);
	if (status && can_be_answered(r))
		reply_stateless(r, &(struct reply){ .status = status, .reason = status == 400 ? str_of(msg_bad_reason(r->msg.bad)) : STR_NONE });
	request_done(r);
}

bool proxy_passing(struct trans *t, struct msg *m, unsigned branch)
{
	return !proxy_user()->reply || proxy_user()->reply(CONTAINER(m, struct request, msg), t, branch);
}

/* §18.1.2: the top Via has one of our sent-by values, or the response is somebody else's. */
static bool is_for_us(struct request *r)
{
	const struct via *top = msg_via1(&r->msg);

	return top && net_is_local(top->host, top->port, TP_NONE);
}

static void response_received(struct request *r, struct str bytes)
{
	enum err err = msg_parse(&r->c, bytes, &r->msg);

	counter_inc(&count_responses);
	r->c.call_id = msg_call_id(&r->msg);
	trail_received(r);
	if (err || msg_check(&r->msg))
		count_bad(r->msg.bad);
	else if (!is_for_us(r))
		counter_inc(&count_strays);
	else if (!tm_response(&r->c, &r->msg, &r->from))
		forward_response(r);
	request_done(r);
}

/* RFC 3261 §18.3 wants a 400 for it; §21.5.11 has 513 for what is too long. */
void proxy_unframed(struct str bytes, enum err why, const struct flow *from)
{
	struct request *r = str_istarts(bytes, STR("SIP/")) ? NULL : request_new(from);
	uint16_t        status = why == ERR_LIMIT ? 513 : 400;

	count_bad(why == ERR_LIMIT ? BAD_TOO_LARGE : BAD_CONTENT_LENGTH);
	if (!r)
		return;
	if (msg_parse(&r->c, str_to(bytes, MSG_MOST_BYTES), &r->msg))	/* it is read as far as it goes */
		log_debug(&r->c, "a stream without end peer=" STR_FMT, STR_ARG(addr_text(&from->peer, (char[ADDR_TEXT]){ 0 })));
	if (r->msg.method_name.len && msg_via1(&r->msg) && !note_source(r))
		reply_stateless(r, &(struct reply){ .status = status, .reason = status == 400 ? str_of(msg_bad_reason(BAD_CONTENT_LENGTH)) : STR_NONE });
	request_done(r);
}

/* CRLFs alone, or a single NUL, are keepalives (RFC 5626 §3.5.1 and common practice). */
static bool is_keepalive(struct str bytes)
{
	return !str_trim(bytes).len || (bytes.len <= 4 && bytes.p[0] == '\0');
}

void proxy_received(struct str bytes, const struct flow *from)
{
	struct request *r;

	if (is_keepalive(bytes)) {
		counter_inc(&count_keepalives);
		return;
	}
	r = request_new(from);
	if (!r)
		return;
	if (str_istarts(bytes, STR("SIP/")))
		response_received(r, bytes);
	else
		request_received(r, bytes);
}
