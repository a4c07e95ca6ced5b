/* URIs: parts, and the methods that change them. */
#include <stdio.h>

#include "msg/params.h"
#include "msg/uri.h"
#include "script/builtin.h"

static const struct field uri_fields[] = {
	{ "scheme", T_STR, true, "sip, sips, tel …" },
	{ "user", T_STR, true, "user, or the number of a tel URI" },
	{ "password", T_STR, true, "password" },
	{ "host", T_STR, true, "host, an IPv6 address without brackets" },
	{ "port", T_INT, true, "port, null where none is given" },
	{ "params", T_STR, true, "parameters, without the first semicolon" },
	{ "headers", T_STR, true, "what stands behind the question mark" },
	{ 0 },
};
const struct shape uri_shape = { "uri", uri_fields };

static struct value part(struct str s)
{
	return s.len ? value_str(s) : V_NULL;
}

struct value uri_field(struct str text, unsigned n)
{
	struct uri u;

	if (uri_parse(text, &u))
		return V_NULL;
	switch (n) {
	case 0: return part(u.scheme_name);
	case 1: return part(u.user);
	case 2: return part(u.password);
	case 3: return part(u.host);
	case 4: return u.port ? value_int(u.port) : V_NULL;
	case 5: return part(u.params);
	case 6: return part(u.headers);
	default: return V_NULL;
	}
}

static void write_parts(const struct uri *u, struct buf *out)
{
	buf_add(out, u->scheme_name);
	buf_ch(out, ':');
	if (u->scheme == URI_TEL) {
		buf_add(out, u->user);
	} else if (u->user.len) {
		buf_add(out, u->user);
		if (u->password.len) {
			buf_ch(out, ':');
			buf_add(out, u->password);
		}
		buf_ch(out, '@');
	}
	buf_printf(out, u->ipv6 ? "[" STR_FMT "]" : STR_FMT, STR_ARG(u->host));
	if (u->port)
		buf_printf(out, ":%u", u->port);
	if (u->params.len) {
		buf_ch(out, ';');
		buf_add(out, u->params);
	}
	if (u->headers.len) {
		buf_ch(out, '?');
		buf_add(out, u->headers);
	}
}

struct str uri_spell(struct arena *a, const struct uri *u)
{
	size_t     cap = u->scheme_name.len + u->user.len + u->password.len + u->host.len + u->params.len + u->headers.len + 32;
	struct buf out = buf_on(arena_alloc(a, cap), cap);

	if (!out.p)
		return STR_NONE;
	write_parts(u, &out);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* --- methods on the user of a uri, or on the whole of a text --- */

static enum verdict give_uri(struct call *c, const struct uri *u)
{
	struct str text = uri_spell(c->c->arena, u);
	struct uri again;

	if (!text.p || uri_parse(text, &again)) {
		log_error(c->c, "not a URI text=\"" STR_FMT "\"", STR_ARG(text));
		return V_ERROR;
	}
	return give(c, (struct value){ .type = T_URI, .u.s = text });
}

/* What such a method works on. False: a uri without a user. */
static bool subject(const struct value *v, struct uri *u, struct str *text)
{
	*text = v->u.s;
	if (v->type != T_URI)
		return true;
	if (uri_parse(v->u.s, u) || u->scheme == URI_OTHER)
		return false;
	*text = u->user;
	return true;
}

static enum verdict give_subject(struct call *c, struct uri *u, struct str text)
{
	if (!text.p)
		return V_ERROR;
	if (c->argv[0].type != T_URI)
		return give(c, value_str(text));
	u->user = text;
	return give_uri(c, u);
}

static enum verdict no_user(struct call *c)
{
	log_error(c->c, "neither sip, sips nor tel text=\"" STR_FMT "\"", STR_ARG(c->argv[0].u.s));
	return V_ERROR;
}

enum verdict fn_strip(struct call *c)
{
	struct uri u;
	struct str text;

	if (!subject(&c->argv[0], &u, &text))
		return no_user(c);
	text = str_from(text, (size_t)c->argv[1].u.i);
	return give_subject(c, &u, text.len ? text : STR(""));
}

enum verdict fn_strip_tail(struct call *c)
{
	size_t     n = (size_t)c->argv[1].u.i;
	struct uri u;
	struct str text;

	if (!subject(&c->argv[0], &u, &text))
		return no_user(c);
	text = n < text.len ? str_to(text, text.len - n) : STR("");
	return give_subject(c, &u, text);
}

enum verdict fn_prefix(struct call *c)
{
	struct uri u;
	struct str text;

	if (!subject(&c->argv[0], &u, &text))
		return no_user(c);
	return give_subject(c, &u, arena_printf(c->c->arena, STR_FMT STR_FMT, STR_ARG(c->argv[1].u.s), STR_ARG(text)));
}

/* Digits without what people put between them (RFC 3966 §5.1.1); .p NULL: something else is among them. */
static struct str digits_of(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.len; i++) {
		if (ch_digit(s.p[i]))
			p[n++] = s.p[i];
		else if (!strchr("-.() /", s.p[i]) || !s.p[i])
			return STR_NONE;
	}
	return p && n ? str_n(p, n) : STR_NONE;
}

enum { E164_MOST = 15 };	/* digits, ITU-T E.164 §6.2.1 */

/* +49301234 of 030 1234, 0049 30 1234 or +49 (30) 1234; null where it is no number, or a national one and no country was given. */
enum verdict fn_e164(struct call *c)
{
	struct str country = text_or_none(&c->argv[1]), text, digits;
	struct uri u;
	bool       full;

	if (!subject(&c->argv[0], &u, &text))
		return give(c, V_NULL);
	text = str_trim(text);
	full = text.len && text.p[0] == '+';
	digits = digits_of(c->c->arena, str_from(text, full));
	if (!digits.p)
		return give(c, V_NULL);
	if (!full && str_starts(digits, STR("00"))) {
		full = true;
		digits = str_from(digits, 2);
	}
	if (full)
		country = STR_NONE;
	else if (!country.len || !str_starts(digits, STR("0")))
		return give(c, V_NULL);
	else
		digits = str_from(digits, 1);
	if (!digits.len || digits.p[0] == '0' || country.len + digits.len > E164_MOST)
		return give(c, V_NULL);
	return give_text(c, arena_printf(c->c->arena, "+" STR_FMT STR_FMT, STR_ARG(country), STR_ARG(digits)));
}

/* "" where the parameter stands without a value. */
enum verdict fn_param(struct call *c)
{
	struct uri u;
	struct str value = STR_NONE;
	char       name[64];

	if (uri_parse(c->argv[0].u.s, &u) || !str_cstr(c->argv[1].u.s, name, sizeof(name)) || !uri_param(&u, name, &value))
		return give(c, V_NULL);
	return give(c, value_str(value.len ? value : STR("")));
}

enum { WITH_USER = 1, WITH_HOST, WITH_PORT, WITH_PARAMS };

enum verdict fn_with(struct call *c)
{
	const struct value *v = c->argv;
	struct uri          u;

	if (uri_parse(v[0].u.s, &u) || (u.scheme != URI_SIP && u.scheme != URI_SIPS))
		return no_user(c);
	if (v[WITH_USER].type != T_NULL)
		u.user = v[WITH_USER].u.s;
	if (v[WITH_HOST].type != T_NULL) {
		u.host = v[WITH_HOST].u.s;
		u.ipv6 = host_is_ipv6(u.host);
	}
	if (v[WITH_PORT].type != T_NULL)
		u.port = (uint16_t)v[WITH_PORT].u.i;
	if (v[WITH_PARAMS].type != T_NULL)
		u.params = v[WITH_PARAMS].u.s;
	return give_uri(c, &u);
}

const char *const uri_part_names[] = { "user", "password", "host", "port", "params", "headers", NULL };

/* The member of that name, NULL: it is the port. */
static struct str *text_part(struct uri *u, struct str name)
{
	return str_is(name, "user") ? &u->user : str_is(name, "password") ? &u->password : str_is(name, "host") ? &u->host :
	       str_is(name, "params") ? &u->params : str_is(name, "headers") ? &u->headers : NULL;
}

static enum verdict bad_part(struct call *c)
{
	log_error(c->c, "the %s of a uri cannot be %s", c->argv[1].u.s.len ? "part" : "nothing", vtype_name(c->argv[2].type));
	return V_ERROR;
}

/* `$ru.port = 5070;` is written `$ru = $ru.part("port", 5070);` by the parser. Null takes the part out. */
enum verdict fn_part(struct call *c)
{
	const struct value *v = &c->argv[2];
	struct str         *text;
	struct uri          u;

	if (uri_parse(c->argv[0].u.s, &u) || (u.scheme != URI_SIP && u.scheme != URI_SIPS))
		return no_user(c);
	text = text_part(&u, c->argv[1].u.s);
	if (text && (v->type == T_STR || v->type == T_URI || v->type == T_NULL))
		*text = text_or_none(v);
	else if (!text && (v->type == T_NULL || (v->type == T_INT && v->u.i > 0 && v->u.i <= UINT16_MAX)))
		u.port = v->type == T_NULL ? 0 : (uint16_t)v->u.i;
	else
		return bad_part(c);
	u.ipv6 = host_is_ipv6(u.host);
	return give_uri(c, &u);
}

/* A text as a uri; null where it is none. */
bool uri_ok(struct str text, char *why, size_t cap)
{
	struct uri u;

	if (!uri_parse(text, &u))
		return true;
	snprintf(why, cap, "`" STR_FMT "` is no URI", STR_ARG(str_to(text, 100)));
	return false;
}

enum verdict fn_uri(struct call *c)
{
	struct uri u;

	return give(c, uri_parse(c->argv[0].u.s, &u) ? V_NULL : (struct value){ .type = T_URI, .u.s = c->argv[0].u.s });
}
