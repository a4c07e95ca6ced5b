#include "msg/uri.h"

#include <arpa/inet.h>

#include "msg/params.h"
#include "msg/scan.h"

bool host_is_ipv4(struct str h)
{
	unsigned dots = 0, digits = 0, v = 0;

	for (size_t i = 0; i < h.len; i++)
		if (ch_digit(h.p[i])) {
			v = v * 10 + (unsigned)(h.p[i] - '0');
			if (++digits > 3 || v > 255)
				return false;
		} else {
			if (h.p[i] != '.' || !digits || ++dots > 3)
				return false;
			v = digits = 0;
		}
	return dots == 3 && digits;
}

static bool ipv6_bytes(struct str h, struct in6_addr *out)
{
	char text[INET6_ADDRSTRLEN];

	return str_cstr(h, text, sizeof(text)) && inet_pton(AF_INET6, text, out) == 1;
}

bool host_is_ipv6(struct str h)
{
	struct in6_addr a;

	return ipv6_bytes(h, &a);
}

/* RFC 5118 §4.10: RFC 3261's grammar allowed a third colon, [2001:db8:::192.0.2.1], so it must be tolerated. */
static bool ipv6_ref_ok(struct str h)
{
	char       text[INET6_ADDRSTRLEN];
	struct buf b = buf_on(text, sizeof(text));
	ptrdiff_t  at = str_find_str(h, STR(":::"));

	if (at < 0)
		return host_is_ipv6(h);
	buf_add(&b, str_to(h, (size_t)at));
	buf_add(&b, str_from(h, (size_t)at + 1));
	return buf_ok(&b) && host_is_ipv6(buf_str(&b));
}

/* Labels of letters, digits and inner hyphens. One that starts with a digit is let pass at the end too (host names of
 * containers), but a name all of digits and dots must be an IPv4 address. */
bool host_ok(struct str h)
{
	bool numeric = true;
	char prev = '.';

	if (h.len && h.p[h.len - 1] == '.')
		h.len--;
	if (!h.len || h.len > 255)
		return false;
	if (host_is_ipv4(h))
		return true;
	for (size_t i = 0; i < h.len; i++) {
		char c = h.p[i];

		if (!ch_is(c, CL_HOST))
			return false;
		if ((c == '.' && (prev == '.' || prev == '-')) || (c == '-' && prev == '.'))
			return false;
		numeric &= c == '.' || ch_digit(c);
		prev = c;
	}
	return prev != '-' && prev != '.' && !numeric;
}

bool host_take(struct str *rest, struct str *host, bool *ipv6)
{
	ptrdiff_t close;

	*ipv6 = rest->len && rest->p[0] == '[';
	if (!*ipv6) {
		*host = str_take_span(rest, CL_HOST);
		return host_ok(*host);
	}
	close = str_find(*rest, ']');
	if (close < 0)
		return false;
	*host = str_n(rest->p + 1, (size_t)close - 1);
	*rest = str_from(*rest, (size_t)close + 1);
	return ipv6_ref_ok(*host);
}

bool port_take(struct str *rest, uint16_t *port)
{
	uint32_t v;

	if (!str_take_u32(rest, &v) || v == 0 || v > 65535)
		return false;
	*port = (uint16_t)v;
	return true;
}

bool host_eq(struct str a, struct str b)
{
	struct in6_addr x, y;

	if (str_ieq(a, b))
		return true;
	return str_find(a, ':') >= 0 && ipv6_bytes(a, &x) && ipv6_bytes(b, &y) && memcmp(&x, &y, sizeof(x)) == 0;
}

static unsigned hex_value(char c)
{
	return ch_digit(c) ? (unsigned)(c - '0') : (unsigned)(ch_lower(c) - 'a' + 10);
}

static bool at_escape(struct str s)
{
	return s.len >= 3 && s.p[0] == '%' && ch_is(s.p[1], CL_HEX) && ch_is(s.p[2], CL_HEX);
}

/* The next character, its escape undone; *escaped says it had one. The rest is not empty. */
static char char_take(struct str *rest, bool *escaped)
{
	char c = rest->p[0];

	*escaped = at_escape(*rest);
	if (*escaped)
		c = (char)(hex_value(rest->p[1]) << 4 | hex_value(rest->p[2]));
	*rest = str_from(*rest, *escaped ? 3 : 1);
	return c;
}

/* reserved of RFC 3261 §25.1: escaped, these are not what they are unescaped (§19.1.4). */
static bool ch_reserved(char c)
{
	return c && strchr(";/?:@&=+$,", c);
}

/* Equal but for needless escapes. */
static bool escaped_eq(struct str a, struct str b, bool fold_case)
{
	while (a.len && b.len) {
		bool ea, eb;
		char ca = char_take(&a, &ea), cb = char_take(&b, &eb);

		if (fold_case) {
			ca = ch_lower(ca);
			cb = ch_lower(cb);
		}
		if (ca != cb || (ea != eb && ch_reserved(ca)))
			return false;
	}
	return !a.len && !b.len;
}

static bool param_find_escaped(struct str params, struct str name, struct str *value)
{
	struct param p;

	while (param_next(&params, &p, NULL)) {
		if (!escaped_eq(p.name, name, true))
			continue;
		*value = p.value;
		return true;
	}
	return false;
}

static bool escapes_ok(struct str s)
{
	ptrdiff_t at;

	while ((at = str_find(s, '%')) >= 0) {
		s = str_from(s, (size_t)at + 1);
		if (s.len < 2 || !ch_is(s.p[0], CL_HEX) || !ch_is(s.p[1], CL_HEX))
			return false;
	}
	return true;
}

/* userinfo = user [ ":" password ] "@"; an @ cannot stand unescaped anywhere else. */
static bool userinfo_take(struct str *rest, struct uri *u)
{
	ptrdiff_t  at = str_find(*rest, '@');
	struct str info;

	if (at < 0)
		return true;
	info = str_to(*rest, (size_t)at);
	*rest = str_from(*rest, (size_t)at + 1);
	u->has_user = true;
	u->user = str_take_until(&info, ':');
	u->password = info;
	return u->user.len && str_all(u->user, CL_USER) && str_all(info, CL_PASSWORD);
}

/* headers = "?" header *( "&" header ), header = hname "=" hvalue */
static bool headers_ok(struct str headers)
{
	bool last_empty = str_ends(headers, STR("&"));

	do {
		struct str one = str_take_until(&headers, '&');

		if (str_find(one, '=') < 1 || str_find(one, ';') >= 0)
			return false;
	} while (headers.len);
	return !last_empty;
}

/* No name twice, escapes undone. */
static bool names_differ(struct str params)
{
	struct str   ignored;
	struct param p;

	while (param_next(&params, &p, NULL))
		if (param_find_escaped(params, p.name, &ignored))
			return false;
	return true;
}

/* The first ; is gone already, so that another one stands for an empty parameter. */
static bool uri_params_ok(struct str params)
{
	if (str_starts(params, STR(";")) || !params_ok(params))
		return false;
	return str_find(params, '%') < 0 || names_differ(params);
}

static bool params_take(struct str *rest, struct uri *u)
{
	ptrdiff_t end;

	if (!str_take_ch(rest, ';'))
		return true;
	end = str_find(*rest, '?');
	u->params = end < 0 ? *rest : str_to(*rest, (size_t)end);
	*rest = str_from(*rest, u->params.len);
	return u->params.len && uri_params_ok(u->params);
}

/* SIP-URI = "sip:" [ userinfo ] hostport uri-parameters [ headers ] (RFC 3261 §25.1). Each part has its own characters; only
 * parameters and headers are otherwise more generous than a URI may be. */
static bool sip_parse(struct str rest, struct uri *u)
{
	if (!userinfo_take(&rest, u) || !host_take(&rest, &u->host, &u->ipv6))
		return false;
	if (str_take_ch(&rest, ':') && !port_take(&rest, &u->port))
		return false;
	if (!rest.len)
		return true;
	if (!str_all(rest, CL_URI) || str_find(rest, '@') >= 0 || !params_take(&rest, u))
		return false;
	if (!rest.len)
		return true;
	u->headers = str_from(rest, 1);
	return rest.p[0] == '?' && headers_ok(u->headers);
}

static bool ch_visual(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

static struct str skip_visual(struct str s)
{
	while (s.len && ch_visual(s.p[0]))
		s = str_from(s, 1);
	return s;
}

/* telephone-uri (RFC 3966 §3): "+" digits, or a local number. A missing phone-context is forgiven. */
static bool tel_parse(struct str rest, struct uri *u)
{
	struct str number;

	u->user = str_take_until(&rest, ';');
	u->has_user = true;
	u->params = rest;
	number = u->user;
	str_take_ch(&number, '+');
	if (!skip_visual(number).len || !str_all(number, CL_PHONE))
		return false;
	return !str_ends(u->text, STR(";")) && uri_params_ok(rest);
}

static enum uri_scheme scheme_of(struct str name)
{
	if (str_ieqz(name, "sip"))
		return URI_SIP;
	if (str_ieqz(name, "sips"))
		return URI_SIPS;
	return str_ieqz(name, "tel") ? URI_TEL : URI_OTHER;
}

static bool rest_parse(struct str rest, struct uri *u)
{
	switch (u->scheme) {
	case URI_SIP:
	case URI_SIPS:
		return sip_parse(rest, u);
	case URI_TEL:
		return str_all(rest, CL_URI) && tel_parse(rest, u);
	case URI_OTHER:
		u->rest = rest;
		return rest.len && str_all(rest, CL_URI);
	}
	return false;
}

enum err uri_parse(struct str in, struct uri *out)
{
	struct uri u = { .text = in };
	struct str rest = in;

	u.scheme_name = str_take_span(&rest, CL_SCHEME);
	if (!u.scheme_name.len || ch_lower(in.p[0]) < 'a' || ch_lower(in.p[0]) > 'z' || !str_take_ch(&rest, ':'))
		return ERR_SYNTAX;
	u.scheme = scheme_of(u.scheme_name);
	if (!escapes_ok(rest) || !rest_parse(rest, &u))
		return ERR_SYNTAX;
	*out = u;
	return OK;
}

/* %6C%72 is lr (RFC 4475 §3.1.1.3). */
bool uri_param(const struct uri *u, const char *name, struct str *value)
{
	struct str ignored;

	if (str_find(u->params, '%') < 0)
		return param_find(u->params, name, value);
	return param_find_escaped(u->params, str_of(name), value ? value : &ignored);
}

struct str uri_unescape(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len ? s.len : 1);
	size_t n = 0;
	bool   escaped;

	if (!p)
		return STR_NONE;
	while (s.len)
		p[n++] = char_take(&s, &escaped);
	return str_n(p, n);
}

/* §19.1.4: these must be in both or in neither. */
static bool param_needs_partner(struct str name)
{
	return str_ieqz(name, "user") || str_ieqz(name, "ttl") || str_ieqz(name, "method") ||
	       str_ieqz(name, "maddr") || str_ieqz(name, "transport");
}

/* Each parameter of `a` has an equal one in `b`, or may do without (`all`: none may). */
static bool params_agree(struct str a, struct str b, bool all)
{
	struct param p;
	struct str   value;

	while (param_next(&a, &p, NULL)) {
		if (!param_find_escaped(b, p.name, &value)) {
			if (all || param_needs_partner(p.name))
				return false;
		} else if (!escaped_eq(p.value, value, true)) {
			return false;
		}
	}
	return true;
}

static bool header_in(struct str one, struct str headers)
{
	struct str value = one, name = str_take_until(&value, '=');

	while (headers.len) {
		struct str v = str_take_until(&headers, '&'), n = str_take_until(&v, '=');

		if (escaped_eq(n, name, true) && escaped_eq(v, value, false))
			return true;
	}
	return false;
}

/* As sets; bounded, since each header of one is looked for in the other. */
static bool headers_eq(struct str a, struct str b)
{
	enum { MOST = 64 };
	unsigned   na = 0, nb = 0;
	struct str rest;

	for (rest = a; rest.len; na++)
		if (na == MOST || !header_in(str_take_until(&rest, '&'), b))
			return false;
	for (rest = b; rest.len; nb++)
		if (nb == MOST || !header_in(str_take_until(&rest, '&'), a))
			return false;
	return na == nb;
}

static bool sip_eq(const struct uri *a, const struct uri *b)
{
	return a->has_user == b->has_user && escaped_eq(a->user, b->user, false) &&
	       escaped_eq(a->password, b->password, false) && host_eq(a->host, b->host) && a->port == b->port &&
	       params_agree(a->params, b->params, false) && params_agree(b->params, a->params, false) &&
	       headers_eq(a->headers, b->headers);
}

static void number_write(struct str number, struct buf *out)
{
	for (size_t i = 0; i < number.len; i++)
		if (!ch_visual(number.p[i]))
			buf_ch(out, ch_lower(number.p[i]));
}

/* RFC 3966 §5: without visual separators, hex digits in either case. */
static bool number_eq(struct str a, struct str b)
{
	for (;;) {
		a = skip_visual(a);
		b = skip_visual(b);
		if (!a.len || !b.len)
			return !a.len && !b.len;
		if (ch_lower(a.p[0]) != ch_lower(b.p[0]))
			return false;
		a = str_from(a, 1);
		b = str_from(b, 1);
	}
}

bool uri_eq(const struct uri *a, const struct uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case URI_SIP:
	case URI_SIPS:
		return sip_eq(a, b);
	case URI_TEL:
		return number_eq(a->user, b->user) && params_agree(a->params, b->params, true) &&
		       params_agree(b->params, a->params, true);
	case URI_OTHER:
		return str_ieq(a->scheme_name, b->scheme_name) && str_eq(a->rest, b->rest);
	}
	return false;
}

static void lower_write(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++)
		buf_ch(out, ch_lower(s.p[i]));
}

/* One spelling for users that §19.1.4 calls equal: needless escapes undone, needed ones with capital digits. */
static void user_write(struct str user, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";

	while (user.len) {
		bool          escaped;
		char          c = char_take(&user, &escaped);
		unsigned char u = (unsigned char)c;

		if (escaped ? ch_is(c, CL_PASSWORD) && !ch_reserved(c) && c != '%' : c != '#')
			buf_ch(out, c);
		else
			buf_add(out, str_n((char[]){ '%', hex[u >> 4], hex[u & 15] }, 3));
	}
}

static void tel_aor(const struct uri *u, struct buf *out)
{
	struct str context;

	BUF_LIT(out, "tel:");
	number_write(u->user, out);
	if (!uri_param(u, "phone-context", &context))
		return;
	BUF_LIT(out, ";phone-context=");	/* a local number is a number only within it (RFC 3966 §5.1.5) */
	lower_write(context, out);
}

void uri_aor(const struct uri *u, struct buf *out)
{
	if (u->scheme == URI_TEL) {
		tel_aor(u, out);
		return;
	}
	if (u->scheme == URI_OTHER) {
		buf_add(out, u->text);
		return;
	}
	BUF_LIT(out, "sip:");
	if (u->has_user) {
		user_write(u->user, out);
		buf_ch(out, '@');
	}
	if (u->ipv6)
		buf_ch(out, '[');
	lower_write(u->host, out);
	if (u->ipv6)
		buf_ch(out, ']');
}

/* The text from the start of the URI to the end of its host and port. */
static struct str upto_port(const struct uri *u)
{
	size_t len = u->text.len;

	if (u->headers.p)
		len = (size_t)(u->headers.p - u->text.p) - 1;
	if (u->params.p)
		len = (size_t)(u->params.p - u->text.p) - 1;
	return str_to(u->text, len);
}

void uri_write_ruri(const struct uri *u, struct buf *out)
{
	struct str   params = u->params;
	struct param p;

	if (u->scheme == URI_TEL || u->scheme == URI_OTHER) {
		buf_add(out, u->text);
		return;
	}
	buf_add(out, upto_port(u));
	while (param_next(&params, &p, NULL)) {
		if (escaped_eq(p.name, STR("method"), true))
			continue;
		buf_ch(out, ';');
		buf_add(out, p.name);
		if (!p.has_value)
			continue;
		buf_ch(out, '=');
		buf_add(out, p.value);
	}
}
