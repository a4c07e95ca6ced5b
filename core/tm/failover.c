/* The addresses of one branch, one after the other (RFC 3263 §4.3). It is done here, not by who resolved the name: that worker may be
 * gone. Each is a client transaction of its own; the request is the same but for the topmost Via. */
#include "net/avoid.h"
#include "tm/trans.h"

enum {
	UDP_MOST_BYTES = 1300,		/* RFC 3261 §18.1.1, where nobody knows the path's MTU */
};

void via_write(const struct listener *l, struct str branch_id, struct buf *out)
{
	BUF_LIT(out, "SIP/2.0/");
	buf_add(out, transport_name(l->transport));
	buf_ch(out, ' ');
	buf_add(out, l->host_port);
	BUF_LIT(out, ";branch=");
	buf_add(out, branch_id);
}

static void record_one(const struct listener *l, bool secure, struct str seal, struct buf *b)
{
	bool       tls = l->transport == TP_TLS;
	struct str name = transport_name(l->transport);

	buf_add(b, secure && tls ? STR("Record-Route: <sips:") : STR("Record-Route: <sip:"));
	if (seal.len) {
		buf_add(b, seal);
		buf_ch(b, '@');
	}
	buf_add(b, l->host_port);
	if (l->transport != TP_UDP && !(secure && tls)) {
		BUF_LIT(b, ";transport=");
		for (size_t i = 0; i < name.len; i++)
			buf_ch(b, ch_lower(name.p[i]));
	}
	BUF_LIT(b, ";lr>\r\n");
}

void record_route_write(const struct listener *in, const struct listener *out, bool secure, struct str seal, struct buf *b)
{
	if (out != in)
		record_one(out, secure, seal, b);
	record_one(in, secure, seal, b);
}

/* The seal in what may be our Record-Route, at the beginning of `text`: behind "Record-Route: <sip:". */
static struct str seal_in(struct str text)
{
	struct str uri = str_take_until(&text, '>');
	ptrdiff_t  at = str_find(uri, '@');

	str_take_until(&uri, '<');
	str_take_until(&uri, ':');
	return at < 0 ? STR_NONE : str_take_until(&uri, '@');
}

/* Our Record-Route behind the Via, if it is there, is taken off `rest` and written for another socket. */
static void move_record_route(const struct listener *in, const struct listener *was, const struct listener *is, struct str *rest, struct buf *out)
{
	struct str seal = seal_in(*rest);

	for (int secure = 0; secure < 2; secure++) {
		char       room[RECORD_ROUTE_BYTES];
		struct buf ours = buf_on(room, sizeof(room));

		record_route_write(in, was, secure, seal, &ours);
		if (!str_starts(*rest, buf_str(&ours)))
			continue;
		*rest = str_from(*rest, ours.len);
		record_route_write(in, is, secure, seal, out);
		return;
	}
}

/* What the user wrote behind our branch id, at the end of the Via that we put on top. */
static struct str user_part(struct str via_line)
{
	struct str rest = str_trim(via_line);

	rest = str_from(rest, rest.len > BRANCH_USER_BYTES ? rest.len - BRANCH_USER_BYTES : 0);
	return branch_user_part_ok(rest) ? rest : STR_NONE;
}

/* The request that was written for the socket `was` with another Via in the place of the one that we put behind the request line. In the
 * arena; .p NULL on no memory. */
static struct str with_via(const struct trans *t, struct ctx *c, struct str text, unsigned index, const struct listener *was, const struct listener *is)
{
	char       id[BRANCH_ID_BYTES];
	struct str rest = text, line = str_take_until(&rest, '\n');
	size_t     cap = text.len + VIA_BYTES + RECORD_ROUTE_BYTES;
	struct buf out = buf_on(arena_alloc(c->arena, cap), cap);

	if (!out.p)
		return STR_NONE;
	buf_add(&out, line);
	BUF_LIT(&out, "\nVia: ");
	via_write(is, branch_id_write(t->id, index, id), &out);
	buf_add(&out, user_part(str_take_until(&rest, '\n')));
	BUF_LIT(&out, "\r\n");
	if (t->back.via)
		move_record_route(t->back.via, was, is, &rest, &out);
	buf_add(&out, rest);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* §18.1.1: what is too large for a datagram goes by TCP, and by UDP where that fails. */
static size_t by_size(const struct flow *to, size_t count, size_t bytes, struct flow list[HOPS_MOST])
{
	size_t n = 0;

	for (size_t i = 0; i < count && n + 1 < HOPS_MOST; i++) {
		bool                   large = bytes > UDP_MOST_BYTES && to[i].via->transport == TP_UDP;
		const struct listener *tcp = large ? net_listener_for(TP_TCP, &to[i].peer, NULL) : NULL;

		if (tcp)
			list[n++] = (struct flow){ .peer = to[i].peer, .via = tcp };
		list[n++] = to[i];
	}
	return n;
}

struct hops *hops_but(const struct flow *list, size_t n, size_t but)
{
	struct hops *h = n > 1 ? shm_alloc(tm_owner(), sizeof(*h) + (n - 1) * sizeof(h->to[0])) : NULL;

	if (!h)
		return NULL;
	h->count = 0;
	for (size_t i = 0; i < n; i++)
		if (i != but)
			h->to[h->count++] = list[i];
	return h;
}

/* The next to be tried, taken off. */
static struct flow hops_take(struct hops *h)
{
	size_t      at = avoid_pick(h->to, h->count);
	struct flow to = h->to[at];

	h->count--;
	memmove(&h->to[at], &h->to[at + 1], (h->count - at) * sizeof(h->to[0]));
	return to;
}

enum err first_hop(const struct trans *t, struct ctx *c, unsigned index, const struct flow *to, size_t count, struct str text, struct first_hop *out)
{
	out->count = by_size(to, count, text.len, out->to);
	out->at = avoid_pick(out->to, out->count);
	if (out->to[out->at].via != to[0].via)
		text = with_via(t, c, text, index, to[0].via, out->to[out->at].via);
	out->text = text;
	return text.p ? OK : ERR_NOMEM;
}

/* The branch for the next address; NULL on no memory. */
static struct branch *another(const struct trans *t, struct branch *b, struct acts *a, struct str *text)
{
	struct flow    to = hops_take(b->rest);
	struct branch *next = NULL;

	*text = with_via(t, a->c, b->sent, t->n_branches, b->to.via, to.via);
	if (text->p)
		next = branch_new(t, t->n_branches, &to, *text);
	if (!next) {
		counter_inc(&tm_count.no_memory);
		return NULL;
	}
	next->target = b->target;
	if (b->rest->count) {
		next->rest = b->rest;
		b->rest = NULL;
	}
	return next;
}

/* Is the branch still wanted, and is there anywhere to go? */
static bool may_go_on_locked(const struct trans *t, const struct branch *b)
{
	if (!b->rest || !b->sent.p || b->sent_is_ack || b->abandoned || b->cancel_asked)
		return false;
	return b->round == t->round && !t->decided && branch_may_fork_locked(t) && t->n_branches < BRANCH_MOST_TRIES;
}

bool failover_locked(struct trans *t, struct branch *b, struct acts *a)
{
	struct str     text;
	struct branch *next = may_go_on_locked(t, b) ? another(t, b, a, &text) : NULL;

	if (!next)
		return false;
	t->n_branches++;
	branch_start_locked(t, next);
	branch_remember(t->id, next->index, &next->to);
	acts_send(a, &next->to, text);
	counter_inc(&tm_count.failovers);
	return true;
}
