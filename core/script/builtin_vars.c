/* $names. Reading one that the message does not have gives null. */
#include "script/avp.h"
#include "script/builtin.h"

#include <stdio.h>

static enum verdict give_str(struct value *out, struct str s)
{
	*out = s.len ? value_str(s) : V_NULL;
	return V_OK;
}

/* --- the Request-URI --- */

static enum verdict give_uri(struct value *out, struct str s)
{
	*out = s.len ? (struct value){ .type = T_URI, .u.s = s } : V_NULL;
	return V_OK;
}

static enum verdict get_ru(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_uri(out, c->req->msg.ruri);
}

static enum verdict uri_user(const struct uri *u, struct value *out)
{
	return give_str(out, u ? u->user : STR_NONE);
}

static enum verdict uri_host(const struct uri *u, struct value *out)
{
	return give_str(out, u ? u->host : STR_NONE);
}

static enum verdict get_rU(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_user(msg_ruri(&c->req->msg), out);
}

static enum verdict get_rd(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_host(msg_ruri(&c->req->msg), out);
}

static enum verdict get_rp(struct call *c, struct str arg, struct value *out)
{
	const struct uri *u = msg_ruri(&c->req->msg);

	(void)arg;
	*out = u && u->port ? value_int(u->port) : V_NULL;
	return V_OK;
}

/* A new Request-URI is a new target: what lookup() found was for the old one. */
static enum verdict put_ruri(struct call *c, struct str text)
{
	struct uri u;

	if (uri_parse(text, &u) || msg_set_ruri(&c->req->msg, text)) {
		log_error(c->c, "not a URI text=\"" STR_FMT "\"", STR_ARG(text));
		return V_ERROR;
	}
	request_clear_targets(c->req);
	return V_OK;
}

static enum verdict set_ru(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_ruri(c, v->u.s);
}

/* The Request-URI with one part changed; only sip and sips have such parts. */
static enum verdict put_parts(struct call *c, const struct uri *u)
{
	struct str text = uri_spell(c->c->arena, u);

	return text.p ? put_ruri(c, text) : V_ERROR;
}

static const struct uri *sip_ruri(struct call *c)
{
	const struct uri *u = msg_ruri(&c->req->msg);

	return u && (u->scheme == URI_SIP || u->scheme == URI_SIPS) ? u : NULL;
}

static enum verdict set_rU(struct call *c, struct str arg, const struct value *v)
{
	const struct uri *now = sip_ruri(c);
	struct uri        u;

	(void)arg;
	if (!now)
		return V_ERROR;
	u = *now;
	u.user = v->type == T_NULL ? STR_NONE : v->u.s;
	return put_parts(c, &u);
}

static enum verdict set_rd(struct call *c, struct str arg, const struct value *v)
{
	const struct uri *now = sip_ruri(c);
	struct uri        u;

	(void)arg;
	if (!now || v->type == T_NULL)
		return V_ERROR;
	u = *now;
	u.host = v->u.s;
	u.ipv6 = host_is_ipv6(u.host);
	if (!u.ipv6 && !host_ok(u.host))
		return V_ERROR;
	return put_parts(c, &u);
}

static enum verdict set_rp(struct call *c, struct str arg, const struct value *v)
{
	const struct uri *now = sip_ruri(c);
	struct uri        u;

	(void)arg;
	if (!now || (v->type == T_INT && (v->u.i < 1 || v->u.i > UINT16_MAX)))
		return V_ERROR;
	u = *now;
	u.port = v->type == T_NULL ? 0 : (uint16_t)v->u.i;
	return put_parts(c, &u);
}

/* --- From and To --- */

static const struct uri *addr_uri(const struct name_addr *na)
{
	return na ? &na->uri : NULL;
}

static enum verdict get_fu(struct call *c, struct str arg, struct value *out)
{
	const struct name_addr *na = msg_from(&c->req->msg);

	(void)arg;
	return give_uri(out, na ? na->uri_text : STR_NONE);
}

static enum verdict get_fU(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_user(addr_uri(msg_from(&c->req->msg)), out);
}

static enum verdict get_fd(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_host(addr_uri(msg_from(&c->req->msg)), out);
}

static enum verdict get_ft(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, msg_from_tag(&c->req->msg));
}

static enum verdict get_tu(struct call *c, struct str arg, struct value *out)
{
	const struct name_addr *na = msg_to(&c->req->msg);

	(void)arg;
	return give_uri(out, na ? na->uri_text : STR_NONE);
}

static enum verdict get_tU(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_user(addr_uri(msg_to(&c->req->msg)), out);
}

static enum verdict get_td(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return uri_host(addr_uri(msg_to(&c->req->msg)), out);
}

static enum verdict get_tt(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, msg_to_tag(&c->req->msg));
}

/* The URI of From or To, its display name and parameters (the tag) kept. Written in brackets: what is in them cannot be taken for a parameter of
 * the field (RFC 3261 §20.10). */
static enum verdict put_addr(struct call *c, enum hdr_type t, const struct name_addr *na, struct str text)
{
	struct msg *m = &c->req->msg;
	struct hdr *h = m->first[t];
	struct uri  u;
	struct str  body;

	if (!h || !na || uri_parse(text, &u) || str_find(text, '>') >= 0) {
		log_error(c->c, "not a URI text=\"" STR_FMT "\"", STR_ARG(text));
		return V_ERROR;
	}
	body = arena_printf(c->c->arena, "%s" STR_FMT "%s<" STR_FMT ">" STR_FMT, na->display.len ? "\"" : "", STR_ARG(na->display), na->display.len ? "\" " : "",
			    STR_ARG(text), STR_ARG(na->params));
	return body.p && !msg_replace(m, h, body) ? V_OK : V_ERROR;
}

static enum verdict put_addr_user(struct call *c, enum hdr_type t, const struct name_addr *na, struct str user)
{
	struct uri u;
	struct str text;

	if (!na || (na->uri.scheme != URI_SIP && na->uri.scheme != URI_SIPS))
		return V_ERROR;
	u = na->uri;
	u.user = user;
	text = uri_spell(c->c->arena, &u);
	return text.p ? put_addr(c, t, na, text) : V_ERROR;
}

static enum verdict put_addr_host(struct call *c, enum hdr_type t, const struct name_addr *na, struct str host)
{
	struct uri u;
	struct str text;

	if (!na || (na->uri.scheme != URI_SIP && na->uri.scheme != URI_SIPS))
		return V_ERROR;
	u = na->uri;
	u.host = host;
	u.ipv6 = host_is_ipv6(host);
	text = uri_spell(c->c->arena, &u);
	return text.p && (u.ipv6 || host_ok(host)) ? put_addr(c, t, na, text) : V_ERROR;
}

static enum verdict set_fu(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr(c, H_FROM, msg_from(&c->req->msg), v->u.s);
}

static enum verdict set_fU(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr_user(c, H_FROM, msg_from(&c->req->msg), text_or_none(v));
}

static enum verdict set_fd(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr_host(c, H_FROM, msg_from(&c->req->msg), text_or_none(v));
}

static enum verdict set_tu(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr(c, H_TO, msg_to(&c->req->msg), v->u.s);
}

static enum verdict set_tU(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr_user(c, H_TO, msg_to(&c->req->msg), text_or_none(v));
}

static enum verdict set_td(struct call *c, struct str arg, const struct value *v)
{
	(void)arg;
	return put_addr_host(c, H_TO, msg_to(&c->req->msg), text_or_none(v));
}

/* --- the message --- */

static enum verdict get_rm(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, c->req->msg.method_name);
}

static enum verdict get_ci(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, msg_call_id(&c->req->msg));
}

static enum verdict get_cs(struct call *c, struct str arg, struct value *out)
{
	const struct cseq *cs = msg_cseq(&c->req->msg);

	(void)arg;
	*out = cs ? value_int(cs->num) : V_NULL;
	return V_OK;
}

static enum verdict header(struct call *c, struct str name, struct value *out)
{
	struct str body = STR_NONE;

	*out = msg_hdr(&c->req->msg, name, &body) ? V_NULL : value_str(body);
	return V_OK;
}

static enum verdict get_ua(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return header(c, STR("User-Agent"), out);
}

static enum verdict get_ct(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return header(c, STR("Contact"), out);
}

static enum verdict get_hdr(struct call *c, struct str arg, struct value *out)
{
	return header(c, arg, out);
}

static enum verdict get_rs(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	*out = c->req->msg.status ? value_int(c->req->msg.status) : V_NULL;
	return V_OK;
}

static enum verdict get_rr(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, c->req->msg.reason);
}

/* --- where it came from, and where it shall go --- */

static enum verdict give_ip(struct call *c, const struct addr *a, struct value *out)
{
	struct addr *ip = ARENA_NEW(c->c->arena, struct addr);

	if (!ip)
		return V_ERROR;
	*ip = *a;
	addr_set_port(ip, 0);
	*out = (struct value){ .type = T_IP, .u.ip = ip };
	return V_OK;
}

static enum verdict get_si(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_ip(c, &c->req->from.peer, out);
}

static enum verdict get_sp(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	*out = value_int(addr_port(&c->req->from.peer));
	return V_OK;
}

static enum verdict get_Ri(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_ip(c, &c->req->from.via->addr, out);
}

static enum verdict get_Rp(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	*out = value_int(c->req->from.via->port);
	return V_OK;
}

struct str proto_name(enum transport t)
{
	static const char *const names[TP_COUNT] = {
		[TP_UDP] = "udp", [TP_TCP] = "tcp", [TP_TLS] = "tls", [TP_WS] = "ws", [TP_WSS] = "wss",
	};

	return str_of(names[t]);
}

static enum verdict get_proto(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, proto_name(c->req->from.via->transport));
}

static enum verdict get_au(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_str(out, c->req->auth_user);
}

static enum verdict get_du(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	return give_uri(out, c->req->dst);
}

static enum verdict set_du(struct call *c, struct str arg, const struct value *v)
{
	struct uri u;

	(void)arg;
	if (v->type != T_NULL && uri_parse(v->u.s, &u)) {
		log_error(c->c, "not a URI text=\"" STR_FMT "\"", STR_ARG(v->u.s));
		return V_ERROR;
	}
	c->req->dst = v->type == T_NULL ? STR_NONE : v->u.s;
	return V_OK;
}

enum { IN_MESSAGE = IN_REQUEST | IN_DIALOG | IN_REPLY | IN_BRANCH, IN_ASKED = IN_REQUEST | IN_DIALOG | IN_BRANCH };

static enum verdict get_event(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	if (c->run->event)
		*out = value_record(c->run->event);
	return V_OK;
}

const struct mod_var core_vars[] = {
	{ "ru", T_URI, false, false, get_ru, set_ru, IN_ASKED, "Request-URI" },
	{ "rU", T_STR, true, false, get_rU, set_rU, IN_ASKED, "its user part" },
	{ "rd", T_STR, true, false, get_rd, set_rd, IN_ASKED, "its host" },
	{ "rp", T_INT, true, false, get_rp, set_rp, IN_ASKED, "its port, null where none is given" },
	{ "rm", T_STR, false, false, get_rm, NULL, IN_MESSAGE, "method" },
	{ "fu", T_URI, false, false, get_fu, set_fu, IN_MESSAGE, "URI of From; answers that pass carry what it is changed to" },
	{ "fU", T_STR, true, false, get_fU, set_fU, IN_MESSAGE, "its user part" },
	{ "fd", T_STR, true, false, get_fd, set_fd, IN_MESSAGE, "its host" },
	{ "ft", T_STR, true, false, get_ft, NULL, IN_MESSAGE, "tag of From" },
	{ "tu", T_URI, false, false, get_tu, set_tu, IN_MESSAGE, "URI of To; answers that pass carry what it is changed to" },
	{ "tU", T_STR, true, false, get_tU, set_tU, IN_MESSAGE, "its user part" },
	{ "td", T_STR, true, false, get_td, set_td, IN_MESSAGE, "its host" },
	{ "tt", T_STR, true, false, get_tt, NULL, IN_MESSAGE, "tag of To" },
	{ "ci", T_STR, false, false, get_ci, NULL, IN_MESSAGE, "Call-ID" },
	{ "cs", T_INT, false, false, get_cs, NULL, IN_MESSAGE, "number of CSeq" },
	{ "si", T_IP, false, false, get_si, NULL, IN_MESSAGE, "address it came from" },
	{ "sp", T_INT, false, false, get_sp, NULL, IN_MESSAGE, "port it came from" },
	{ "proto", T_STR, false, false, get_proto, NULL, IN_MESSAGE, "transport it came by: udp, tcp" },
	{ "Ri", T_IP, false, false, get_Ri, NULL, IN_MESSAGE, "our address that it was received on" },
	{ "Rp", T_INT, false, false, get_Rp, NULL, IN_MESSAGE, "our port that it was received on" },
	{ "ua", T_STR, true, false, get_ua, NULL, IN_MESSAGE, "User-Agent" },
	{ "ct", T_STR, true, false, get_ct, NULL, IN_MESSAGE, "first Contact field" },
	{ "rs", T_INT, false, false, get_rs, NULL, IN_REPLY, "status of the reply" },
	{ "rr", T_STR, true, false, get_rr, NULL, IN_REPLY, "reason phrase of the reply" },
	{ "au", T_STR, true, false, get_au, NULL, IN_ASKED, "user name that authenticate() found good" },
	{ "du", T_URI, true, false, get_du, set_du, IN_ASKED, "URI of the next hop, instead of what the request says" },
	{ "hdr", T_STR, true, true, get_hdr, set_hdr, IN_MESSAGE, "first header field of that name; assigned, it is the only one; null takes it out" },
	{ "body", T_STR, true, false, get_body, set_body, IN_MESSAGE, "the body; null takes it out" },
	{ "event", T_RECORD, false, false, get_event, NULL, IN_EVENT, "what has happened, in an event_route: $event.aor; which fields there are depends on the event" },
	{ "sdp", T_RECORD, true, false, get_sdp, NULL, IN_MESSAGE, "what the session description in the body says: ip, port, media, codecs", &sdp_shape },
	{ "avp", T_ANY, true, true, get_avp, set_avp, IN_ANY, "a value that lives with the transaction: its branches and replies see it, too" },
	{ 0 },
};
