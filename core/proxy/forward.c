/* Stateless forwarding (RFC 3261 §16.11): nothing is remembered, so a retransmission must get the same branch. */
#include "proxy/internal.h"

enum { BRANCH_BYTES = 32, MAGIC = 8, HALF = 8 };	/* of the characters: z9hG4bK and the kind, and each half of what follows */

/* §16.11: from the received branch if that is unique, else from all that names the transaction. The Request-URI is in it, so that a
 * spiral through here gets another one. CANCEL and ACK to a non-2xx have all of it in common with their INVITE. */
static uint32_t stable_hash(struct request *r)
{
	const struct via  *via = msg_via1(&r->msg);
	const struct cseq *cseq = msg_cseq(&r->msg);
	struct hash_state  h;

	hash_begin(&h, proxy_key());
	hash_add(&h, r->msg.ruri);
	if (via_branch_3261(via)) {
		hash_add(&h, via->branch);
	} else {
		hash_add(&h, via->text);
		hash_add(&h, msg_call_id(&r->msg));
		hash_add(&h, msg_from_tag(&r->msg));
		hash_add(&h, str_n((const char *)&cseq->num, sizeof(cseq->num)));
	}
	return (uint32_t)hash_end(&h);
}

/* Second half of our branch: proof that a request from where that Via says came through here with the first half. Without it anybody could write
 * a response whose next Via names a victim, and have it sent from here. */
static void way_back_write(struct str half, const struct via *via, struct buf *out)
{
	const uint16_t    ports[] = { via->port, via->rport };
	uint64_t          first = hash_istr(proxy_key(), half), proof;
	struct hash_state h;

	hash_begin(&h, proxy_key());
	hash_add(&h, str_n((const char *)&first, sizeof(first)));
	hash_add(&h, via->host);
	hash_add(&h, via->received);
	hash_add(&h, str_n((const char *)ports, sizeof(ports)));
	hash_add(&h, via->branch);
	proof = hash_end(&h);
	buf_hex(out, &proof, HALF / 2);
}

static void stable_branch(struct request *r, struct buf *out)
{
	uint32_t half = stable_hash(r);

	BUF_LIT(out, "z9hG4bK");
	buf_ch(out, TM_STATELESS);
	buf_hex(out, &half, HALF / 2);
	way_back_write(str_from(buf_str(out), MAGIC), msg_via1(&r->msg), out);
}

/* A request on its way to a next hop: private memory, its request's arena or the stack. */
struct sending {
	struct request *r;
	struct str      ruri, branch;
	bool            secure;
};

static void send_failed(struct request *r, enum err err)
{
	log_warn(&r->c, "request cannot be forwarded uri=" STR_FMT " reason=\"%s\"", STR_ARG(r->msg.ruri), err_name(err));
	reply_stateless(r, &(struct reply){ .status = 500, .reason = STR("Next hop cannot be resolved") });
}

static void found_now(void *arg, enum err err, const struct flow *to, size_t count)
{
	struct sending *s = arg;
	struct buf      out;

	(void)count;	/* RFC 3263 §4.4: the first one, always */
	if (err) {
		send_failed(s->r, err);
		return;
	}
	out = net_reserve();
	copy_write(&(struct copy){ .r = s->r, .via = to->via, .ruri = s->ruri, .breadth = s->r->breadth, .secure = s->secure }, s->branch, &out);
	trail_message(s->r->c.call, TRAIL_SENT, to, buf_str(&out));
	net_commit(to, buf_ok(&out) ? out.len : 0);
	counter_inc(&count_forwarded);
}

static void found_late(void *arg, enum err err, const struct flow *to, size_t count)
{
	struct sending *s = arg;

	found_now(s, err, to, count);
	request_done(s->r);
}

/* The request as it stands, in memory of its own: the caller's goes. NULL: no memory. */
static struct request *own_copy(const struct request *r)
{
	struct request *own = request_new(&r->from);
	size_t          cap = msg_write_bound(&r->msg, 0);
	struct buf      text;

	if (!own)
		return NULL;
	text = buf_on(arena_alloc(&own->arena, cap), cap);
	if (text.p)
		msg_write(&r->msg, &text);
	if (!text.p || !buf_ok(&text) || msg_parse(&own->c, buf_str(&text), &own->msg)) {
		request_done(own);
		return NULL;
	}
	own->c.call_id = msg_call_id(&own->msg);
	own->c.call = r->c.call;
	own->record_route = r->record_route;
	own->breadth = r->breadth;
	own->loop_hash = r->loop_hash;
	return own;
}

/* A name has to be asked for: the answer comes by the loop. */
static void send_later(const struct sending *now, struct str hop)
{
	struct request *own = own_copy(now->r);
	struct sending *s = own ? ARENA_NEW(&own->arena, struct sending) : NULL;

	if (s) {
		*s = (struct sending){ .r = own, .secure = now->secure };
		s->ruri = arena_dup(&own->arena, now->ruri);
		s->branch = arena_dup(&own->arena, now->branch);
	}
	if (!s || !s->ruri.p || !s->branch.p) {
		request_done(own);
		send_failed(now->r, ERR_NOMEM);
		return;
	}
	locate(hop, &(struct locate_how){ .like = now->r->like, .stable = true }, found_late, s);
}

static bool hop_is_numeric(struct str hop)
{
	struct uri  u;
	struct addr ip;
	struct str  maddr;

	return uri_parse(hop, &u) || u.scheme == URI_OTHER || !addr_parse(uri_param(&u, "maddr", &maddr) ? maddr : u.host, 1, &ip);
}

void request_forward(struct request *r, struct str to)
{
	struct route_edit e = { 0 };
	struct str        target = r->targets ? r->targets->uri : r->msg.ruri, path = r->targets ? r->targets->path : STR_NONE, hop;
	char              room[BRANCH_BYTES];
	struct buf        branch = buf_on(room, sizeof(room));
	struct sending    s = { .r = r };
	enum err          err = route_out(r);

	stable_branch(r, &branch);
	if (!err)
		err = route_target(r, target, path, &e);
	if (err) {
		send_failed(r, err);
		return;
	}
	r->end = REQ_RELAYED;
	hop = to.len ? to : r->dst.len ? r->dst : e.hop;
	s.ruri = e.ruri;
	s.branch = buf_str(&branch);
	s.secure = is_secure(e.ruri) || is_secure(e.hop);
	if (hop_is_numeric(hop))
		locate(hop, &(struct locate_how){ .like = r->like, .stable = true }, found_now, &s);
	else
		send_later(&s, hop);
}

/* Did we send the request that had this branch of ours on behalf of the next Via? */
static bool came_from(struct str branch, const struct via *next)
{
	char       room[BRANCH_BYTES];
	struct buf proof = buf_on(room, sizeof(room));

	if (branch.len != MAGIC + 2 * HALF + SECOND_PART_BYTES)
		return false;
	way_back_write(str_n(branch.p + MAGIC, HALF), next, &proof);
	return str_ieq(str_n(branch.p + MAGIC + HALF, HALF), buf_str(&proof));
}

/* The connection that the request came by, noted in our Via; 0: none. The directory sees to it that its peer is the one of the next Via. */
static uint64_t conn_of(const struct via *ours)
{
	struct str text;
	uint64_t   conn = 0;

	return param_find(ours->params, "conn", &text) && str_hex64(text, &conn) ? conn : 0;
}

/* Where the next Via says: received and rport are always in it, since the request came through here (§16.7, §18.2.2). */
static bool response_hop(struct request *r, const struct via *via, struct flow *to)
{
	struct str ip = via->received.len ? via->received : via->host;
	uint16_t   port = via->rport ? via->rport : via->port ? via->port : 5060;

	*to = (struct flow){ 0 };
	if (addr_parse(ip, port, &to->peer))
		return false;
	to->via = net_listener_for(transport_of(via->transport), &to->peer, r->from.via);
	if (to->via && transport_reliable(to->via->transport))	/* where the connection that it came by is gone */
		to->port = via->port ? via->port : transport_port(to->via->transport);
	return to->via != NULL;
}

void forward_response(struct request *r)
{
	const struct via *via = msg_via1(&r->msg);
	struct str        branch = via ? via->branch : STR_NONE;
	uint64_t          conn = via ? conn_of(via) : 0;
	struct flow       to;
	struct buf        out;

	if (!via || !via_is_ours(via, TM_STATELESS) || msg_pop_value(&r->msg, H_VIA)) {
		counter_inc(&count_strays);
		return;
	}
	via = msg_via1(&r->msg);
	if (!via || !came_from(branch, via) || !response_hop(r, via, &to)) {
		counter_inc(&count_strays);
		return;
	}
	if (transport_reliable(to.via->transport))
		to.conn = conn;
	if (!proxy_passing(NULL, &r->msg, 0) && r->msg.status < 200)
		return;
	out = net_reserve();
	msg_write(&r->msg, &out);
	trail_message(r->c.call, TRAIL_SENT, &to, buf_str(&out));
	net_commit(&to, buf_ok(&out) ? out.len : 0);
	counter_inc(&count_forwarded);
}
