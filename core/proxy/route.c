/* Route and Record-Route (RFC 3261 §16.4, §16.6 steps 3, 4 and 6). */
#include "proxy/internal.h"

/* The socket that our Record-Route value names. NULL: none, as for a domain of ours in a preloaded Route. */
static const struct listener *listener_of(const struct uri *u)
{
	struct str     name;
	enum transport t = u->scheme == URI_SIPS ? TP_TLS : uri_param(u, "transport", &name) ? transport_of(name) : TP_UDP;
	uint16_t       port = u->port ? u->port : transport_port(t);
	struct addr    ip;
	bool           numeric = !addr_parse(u->host, port, &ip);

	for (size_t i = 0; i < net_listener_count(); i++) {
		const struct listener *l = net_listener_at(i);

		if (l->transport == t && ((numeric && addr_eq(&ip, &l->addr)) || (port == l->port && str_ieq(u->host, l->host))))
			return l;
	}
	return NULL;
}

/* Before a dialog there is nothing to prove: a preloaded Route leads to the script. */
static void note_own_route(struct request *r, const struct uri *u)
{
	r->from_us_route = true;
	if (!r->sealed && msg_to_tag(&r->msg).len)
		r->sealed = seal_good(&r->msg, u);
}

/* Is that Route value one of ours, so that it has done its work here? Of two that we wrote (RFC 5658 §5) the second names the side to
 * which the request goes on. */
static bool is_own_route(struct request *r, struct str value)
{
	const struct listener *l;
	struct name_addr       na;

	if (name_addr_parse(value, &na) || !proxy_is_self(&na.uri))
		return false;
	l = listener_of(&na.uri);
	if (l)
		r->like = l;
	note_own_route(r, &na.uri);
	return true;
}

static bool first_route(struct request *r, struct str *value)
{
	struct msg_values it = msg_values(&r->msg, H_ROUTE);

	return msg_values_next(&it, value);
}

/* Take the last value off the Route and return its URI. */
static enum err take_last_route(struct request *r, struct str *uri)
{
	struct msg_values it = msg_values(&r->msg, H_ROUTE);
	struct str        value, last = STR_NONE, before = STR_NONE;
	struct hdr       *in = NULL;
	struct name_addr  na;

	while (msg_values_next(&it, &value)) {
		before = it.hdr == in ? str_n(in->body.p, (size_t)(last.p + last.len - in->body.p)) : STR_NONE;
		in = it.hdr;
		last = value;
	}
	if (!in || name_addr_parse(last, &na))
		return ERR_SYNTAX;
	*uri = na.uri_text;
	if (before.len)
		return msg_replace(&r->msg, in, before);
	msg_remove(&r->msg, in);
	return OK;
}

/* A strict router put our Record-Route value into the Request-URI and the real target at the end of the Route (§16.4, first paragraphs). */
static enum err undo_strict_routing(struct request *r)
{
	const struct uri *u = msg_ruri(&r->msg);
	struct str        target;
	enum err          err;

	if (!u || (u->has_user && !(dialog_seal.on && seal_good(&r->msg, u))) || !r->msg.first[H_ROUTE] || !uri_param(u, "lr", NULL) || !net_is_local(u->host, u->port, TP_NONE))
		return OK;
	note_own_route(r, u);
	err = take_last_route(r, &target);
	return err ? err : msg_set_ruri(&r->msg, target);
}

/* Our Path came back as Route: the phone's own flow is the way to it, and only that (RFC 5626 §5.3). False: it is gone, 430 was sent. */
static bool take_flow(struct request *r, struct str value, enum err *err)
{
	struct name_addr na;
	struct flow      flow;

	if (name_addr_parse(value, &na))
		return true;
	switch (flow_token_read(&na.uri, &flow)) {
	case OK:
		*err = request_add_target(r, &(struct target){ .uri = r->msg.ruri, .flow = flow, .q = 1000 });
		return true;
	case ERR_STATE:
		if (r->msg.method != M_ACK)
			reply_stateless(r, &(struct reply){ .status = 430 });
		return false;
	default:
		return true;
	}
}

bool route_in(struct request *r)
{
	struct str value;
	enum err   err = undo_strict_routing(r);

	while (!err && first_route(r, &value) && is_own_route(r, value)) {
		if (!r->targets && !take_flow(r, value, &err))
			return false;
		if (!err)
			err = msg_pop_value(&r->msg, H_ROUTE);
	}
	if (!err)
		return true;
	count_bad(BAD_ROUTE);
	reply_stateless(r, &(struct reply){ .status = 400, .reason = str_of(msg_bad_reason(BAD_ROUTE)) });
	return false;
}

enum err route_out(struct request *r)
{
	uint32_t   left = 70;
	char       room[12];
	struct buf b = buf_on(room, sizeof(room));

	if (r->prepared)
		return OK;
	r->prepared = true;
	breadth_take(r);
	if (!msg_number(&r->msg, H_MAX_FORWARDS, &left) && left > 0)
		left--;
	buf_u64(&b, left);
	return msg_set_hdr(&r->msg, STR("Max-Forwards"), buf_str(&b));
}

/* §19.1.1: header parameters and `method` have no place in a Request-URI. */
static enum err clean_ruri(struct request *r, struct str *uri)
{
	struct uri u;
	struct buf b;

	if (str_find(*uri, '?') < 0 && str_find_str(*uri, STR("method=")) < 0)
		return OK;
	if (uri_parse(*uri, &u))
		return ERR_SYNTAX;
	b = buf_on(arena_alloc(&r->arena, uri->len), uri->len);
	if (!b.p)
		return ERR_NOMEM;
	uri_write_ruri(&u, &b);
	*uri = buf_str(&b);
	return OK;
}

/* §16.6 step 6: a first hop without lr is a strict router: it gets itself as Request-URI, and the real one as last Route. */
static enum err go_strict(struct request *r, struct str value, const struct name_addr *hop, struct route_edit *e)
{
	struct msg_values it = msg_values(&r->msg, H_ROUTE);
	struct hdr       *last = NULL;
	struct str        ignored, text = arena_printf(&r->arena, "<" STR_FMT ">", STR_ARG(e->ruri));
	enum err          err;

	if (!text.p)
		return ERR_NOMEM;
	while (msg_values_next(&it, &ignored))
		last = it.hdr;
	err = msg_insert_after(&r->msg, last, STR("Route"), text);
	if (err)
		return err;
	e->added_last = last->next;
	e->popped = value;
	e->ruri = hop->uri_text;
	return msg_pop_value(&r->msg, H_ROUTE);
}

enum err route_target(struct request *r, struct str uri, struct str path, struct route_edit *e)
{
	struct name_addr hop;
	struct str       value;
	enum err         err;

	*e = (struct route_edit){ .ruri = uri };
	err = clean_ruri(r, &e->ruri);
	if (err)
		return err;
	e->hop = e->ruri;
	if (path.len) {
		err = msg_prepend(&r->msg, STR("Route"), path);
		if (err)
			return err;
		e->added_path = r->msg.first[H_ROUTE];
	}
	if (!first_route(r, &value))
		return OK;
	if (name_addr_parse(value, &hop))
		return ERR_SYNTAX;
	e->hop = hop.uri_text;
	return uri_param(&hop.uri, "lr", NULL) ? OK : go_strict(r, value, &hop, e);
}

enum err route_target_undo(struct request *r, struct route_edit *e)
{
	enum err err = OK;

	if (e->added_last)
		msg_remove(&r->msg, e->added_last);
	if (e->added_path && r->msg.first[H_ROUTE] == e->added_path)	/* its only value may have been taken off */
		msg_remove(&r->msg, e->added_path);
	if (e->popped.len && !e->added_path)
		err = msg_prepend(&r->msg, STR("Route"), e->popped);
	return err;
}
