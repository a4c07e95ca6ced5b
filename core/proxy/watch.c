/* The trail's door: which call a message belongs to, and whether somebody traces it (siparioctl trace). */
#include "proxy/internal.h"

/* "+39 06-1234" is dialled and written in many ways: the digits are the number (RFC 3966 §5.1.1). */
static bool same_digits(struct str s, const char *digits)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			continue;
		if (s.p[i] != *digits++)
			return false;
	}
	return !*digits;
}

/* "alice", or "alice@example.org" */
static bool same_user(const struct uri *u, const char *want)
{
	struct str rest = str_of(want), user = str_take_until(&rest, '@');

	return str_eq(u->user, user) && (!rest.len || str_ieq(u->host, rest));
}

static bool uri_is(const struct uri *u, const struct trail_watch *w)
{
	if (!u)
		return false;
	return w->number[0] ? u->user.len && same_digits(u->user, w->number) : same_user(u, w->user);
}

static bool party_is(struct msg *m, const struct trail_watch *w)
{
	const struct name_addr *from = msg_from(m), *to = msg_to(m);

	return (from && uri_is(&from->uri, w)) || (to && uri_is(&to->uri, w)) || (m->request && uri_is(msg_ruri(m), w));
}

static bool source_is(const struct addr *from, const struct trail_watch *w)
{
	return from->u.any.sa_family == w->source.u.any.sa_family && addr_common_bits(from, &w->source) >= w->prefix;
}

static bool is_wanted(struct request *r, const struct trail_watch *w)
{
	if (w->call_id[0] && !str_is(r->c.call_id, w->call_id))
		return false;
	if (w->source.u.any.sa_family && !source_is(&r->from.peer, w))
		return false;
	return (!w->user[0] && !w->number[0]) || party_is(&r->msg, w);
}

static void look(struct request *r)
{
	for (unsigned i = 0; i < TRAIL_WATCHES; i++) {
		const struct trail_watch *w = trail_watch_at(i);

		if (w && is_wanted(r, w))
			r->c.call = trail_take(i, r->c.call);
	}
}

void trail_received(struct request *r)
{
	if (!r->c.call_id.len)
		return;
	r->c.call = trail_call(r->c.call_id);
	if (r->c.call && trail_watching())
		look(r);
	trail_message(r->c.call, TRAIL_RECEIVED, &r->from, r->msg.raw);
}
