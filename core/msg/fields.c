#include "msg/fields.h"

#include "msg/scan.h"

/* The value without the slices that say where in it: what stands in < >, or reaches to the first character that
 * only a name-addr may hold (RFC 3261 §20.10: without < >, a semicolon starts header parameters, and comma and
 * question mark are not allowed). */
static bool addr_spec_take(struct str *rest, struct name_addr *na)
{
	size_t n = 0;

	while (n < rest->len && rest->p[n] != ';' && !ch_lws(rest->p[n]))
		n++;
	na->uri_text = str_to(*rest, n);
	*rest = str_from(*rest, n);
	return str_find(na->uri_text, '?') < 0 && str_find(na->uri_text, ',') < 0;
}

static bool angle_take(struct str *rest, struct name_addr *na)
{
	ptrdiff_t close = str_find(*rest, '>');

	if (close < 0)
		return false;
	na->brackets = true;
	na->uri_text = str_n(rest->p + 1, (size_t)close - 1);
	*rest = str_from(*rest, (size_t)close + 1);
	return true;
}

/* display-name = *(token LWS) / quoted-string. No LWS is needed before the < (RFC 4475 §3.1.1.6). */
static bool display_take(struct str *rest, struct name_addr *na)
{
	if (rest->p[0] == '"') {
		if (!quoted_take(rest, &na->display))
			return false;
		skip_lws(rest);
	} else {
		na->display = lws_trim(str_take_span(rest, CL_DISPLAY));
	}
	return rest->len && rest->p[0] == '<';
}

static bool address_take(struct str *rest, struct name_addr *na)
{
	ptrdiff_t angle;

	if (rest->p[0] == '<')
		return angle_take(rest, na);
	/* a < behind a semicolon belongs to a parameter */
	angle = rest->p[0] == '"' ? 0 : str_find(*rest, '<');
	if (angle < 0 || str_find(str_to(*rest, (size_t)angle), ';') >= 0)
		return addr_spec_take(rest, na);
	return display_take(rest, na) && angle_take(rest, na);
}

/* addr-params, of which the tag is wanted of nearly all. */
static bool name_addr_params(struct name_addr *na)
{
	struct str         rest = na->params;
	struct param_names seen;
	struct param       p;
	bool               bad = false;

	if (!rest.len)
		return true;
	seen.count = 0;
	while (param_next(&rest, &p, &bad)) {
		if (!param_names_add(&seen, p.name))
			return false;
		if (!str_ieq(p.name, STR("tag")))
			continue;
		na->has_tag = true;
		na->tag = p.value;
	}
	return na->params.p[0] == ';' && !bad;
}

enum err name_addr_parse(struct str in, struct name_addr *out)
{
	struct str       rest = lws_trim(in);
	struct name_addr na = { .text = rest };

	if (!rest.len)
		return ERR_SYNTAX;
	if (str_is(rest, "*")) {
		na.star = true;
		*out = na;
		return OK;
	}
	if (!address_take(&rest, &na) || uri_parse(na.uri_text, &na.uri))
		return ERR_SYNTAX;
	skip_lws(&rest);
	na.params = rest;
	if (!name_addr_params(&na))
		return ERR_SYNTAX;
	*out = na;
	return OK;
}

static bool slash_take(struct str *rest)
{
	skip_lws(rest);
	if (!str_take_ch(rest, '/'))
		return false;
	skip_lws(rest);
	return true;
}

/* sent-protocol = protocol-name SLASH protocol-version SLASH transport. Any version passes: the start line decides
 * about it, and the 505 must find its way back (RFC 4475 §3.1.2.16). */
static bool via_protocol(struct str *rest, struct via *v)
{
	if (!str_ieqz(str_take_span(rest, CL_TOKEN), "SIP") || !slash_take(rest))
		return false;
	if (!str_take_span(rest, CL_TOKEN).len || !slash_take(rest))
		return false;
	v->transport = str_take_span(rest, CL_TOKEN);
	return v->transport.len && str_take_lws(rest);
}

/* sent-by = host [ COLON port ] */
static bool via_sent_by(struct str *rest, struct via *v)
{
	if (!host_take(rest, &v->host, &v->ipv6))
		return false;
	skip_lws(rest);
	if (str_take_ch(rest, ':')) {
		skip_lws(rest);
		if (!port_take(rest, &v->port))
			return false;
		skip_lws(rest);
	}
	return true;
}

/* received = IPv4address / IPv6address; brackets are tolerated, never written (RFC 5118 §4.5). */
static bool via_received(struct str value, struct via *v)
{
	if (value.len > 2 && value.p[0] == '[' && value.p[value.len - 1] == ']')
		value = str_n(value.p + 1, value.len - 2);
	v->received = value;
	return value.len;
}

static bool via_rport(const struct param *p, struct via *v)
{
	struct str digits = p->value;

	v->has_rport = true;
	return !p->has_value || (port_take(&digits, &v->rport) && !digits.len);
}

static bool via_param(const struct param *p, struct via *v)
{
	if (str_ieqz(p->name, "branch")) {
		v->branch = p->value;
		return p->value.len;
	}
	if (str_ieqz(p->name, "received"))
		return via_received(p->value, v);
	if (str_ieqz(p->name, "maddr")) {
		v->maddr = p->value;
		return p->value.len;
	}
	return !str_ieqz(p->name, "rport") || via_rport(p, v);
}

enum err via_parse_start(struct str in, struct via *out)
{
	struct str rest = lws_trim(in);
	struct via v = { .text = rest };

	if (!via_protocol(&rest, &v) || !via_sent_by(&rest, &v))
		return ERR_SYNTAX;
	v.params = rest;
	*out = v;
	return OK;
}

enum err via_parse(struct str in, struct via *out)
{
	struct via         v;
	struct str         rest;
	struct param_names seen;
	struct param       p;
	bool               bad = false;

	if (via_parse_start(in, &v))
		return ERR_SYNTAX;
	rest = v.params;
	if (rest.len && rest.p[0] != ';')
		return ERR_SYNTAX;
	seen.count = 0;
	while (param_next(&rest, &p, &bad))
		if (!param_names_add(&seen, p.name) || !via_param(&p, &v))
			return ERR_SYNTAX;
	if (bad)
		return ERR_SYNTAX;
	*out = v;
	return OK;
}

bool via_branch_3261(const struct via *v)
{
	static const struct str cookie = { "z9hG4bK", 7 };

	return v->branch.len > cookie.len && str_istarts(v->branch, cookie);
}

/* CSeq = 1*DIGIT LWS Method (RFC 3261 §25.1) */
enum err cseq_parse(struct str in, struct cseq *out)
{
	struct str rest = lws_trim(in), method;
	uint32_t   num;

	if (!str_take_u32(&rest, &num) || num > INT32_MAX || !str_take_lws(&rest))
		return ERR_SYNTAX;
	method = str_take_span(&rest, CL_TOKEN);
	if (!method.len || rest.len)
		return ERR_SYNTAX;
	*out = (struct cseq){ .num = num, .method = method };
	return OK;
}

enum err number_parse(struct str in, uint32_t *out)
{
	return str_u32(lws_trim(in), out) ? OK : ERR_SYNTAX;
}

/* delta-seconds: too big a number is the biggest (§20.19), what is no number counts as an hour (§10.2.1.1). */
static uint32_t expires_of(struct str s)
{
	uint32_t v;

	if (str_u32(s, &v))
		return v;
	for (size_t i = 0; i < s.len; i++)
		if (!ch_digit(s.p[i]))
			return 3600;
	return s.len ? UINT32_MAX : 3600;
}

/* reg-id = 1..2**31-1 (RFC 5626 §11.1); another one is as if not there. */
static uint32_t reg_id_of(struct str s)
{
	uint32_t v;

	return str_u32(s, &v) && v <= INT32_MAX ? v : 0;
}

static struct str instance_of(struct str s)
{
	if (s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		return str_n(s.p + 1, s.len - 2);
	return s;
}

static enum err contact_param(const struct param *p, struct contact *c)
{
	if (str_ieqz(p->name, "q")) {
		c->has_q = true;
		return p->value.len ? qvalue_parse(p->value, &c->q) : ERR_SYNTAX;
	}
	if (str_ieqz(p->name, "expires")) {
		c->has_expires = true;
		c->expires = expires_of(p->value);
	} else if (str_ieqz(p->name, "+sip.instance")) {
		c->instance = instance_of(p->value);
	} else if (str_ieqz(p->name, "reg-id")) {
		c->reg_id = reg_id_of(p->value);
	}
	return OK;
}

enum err contact_parse(struct str in, struct contact *out)
{
	struct contact c = { .q = 1000 };
	struct str     params;
	struct param   p;

	if (name_addr_parse(in, &c.addr))
		return ERR_SYNTAX;
	params = c.addr.params;
	while (param_next(&params, &p, NULL))
		if (contact_param(&p, &c))
			return ERR_SYNTAX;
	*out = c;
	return OK;
}
