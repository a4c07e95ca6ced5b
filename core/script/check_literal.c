/* Literals that mean something beyond their type: methods, URIs, header names, bounds. */
#include "msg/uri.h"
#include "script/builtin.h"
#include "script/checker.h"

/* IANA's registry of SIP methods. */
static const char *const methods[] = { "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "INFO", "PRACK", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER",
				       "MESSAGE", "PUBLISH" };

void check_method(struct checker *c, struct str name, struct span where)
{
	struct nearest near = nearest_to(name);
	struct diag   *g;

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (str_is(name, methods[i]))
			return;
		nearest_offer(&near, str_of(methods[i]));
	}
	g = diag_add(c->d, D_NO_METHOD, where, "no method `" STR_FMT "`", STR_ARG(name));
	diag_did_you_mean(c->d, g, nearest_name(&near));
}

/* The place of `part` of the text of a plain string literal; of the whole literal when escapes have moved it. */
struct span check_within(const struct expr *e, struct str part)
{
	struct str source = span_text(e->span), text = e->u.value.u.s;

	if (!e->span.src || source.len != text.len + 2 || memcmp(source.p + 1, text.p, text.len) != 0)
		return e->span;
	return (struct span){ e->span.src, e->span.at + 1 + (uint32_t)(part.p - text.p), (uint32_t)part.len };
}

static void methods_in_text(struct checker *c, const struct expr *e)
{
	struct str rest = e->u.value.u.s;

	while (rest.len) {
		struct str one = str_take_until(&rest, '|');

		check_method(c, one, check_within(e, one));
	}
}

void check_methods(struct checker *c, const struct expr *e)
{
	if (is_const_text(e))
		methods_in_text(c, e);
	if (!is_const(e) || e->u.value.type != T_LIST)
		return;
	for (size_t i = 0; i < e->u.value.u.list->count; i++)
		if (e->u.value.u.list->v[i].type == T_STR)
			check_method(c, e->u.value.u.list->v[i].u.s, e->span);
}

/* How much of a bad URI is good: where the caret goes. */
static size_t good_uri_prefix(struct str s)
{
	struct uri u;
	ptrdiff_t  colon = str_find(s, ':'), at = str_find(s, '@');

	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || strchr("<>\"{}|\\^`", s.p[i]))
			return i;
	if (colon < 0)
		return 0;
	/* Behind the scheme, or behind the user when that is the sound part. */
	if (at > 0 && !uri_parse(str_n(s.p, (size_t)at + 1), &u))
		return 0;
	return at > 0 ? (size_t)at + 1 : (size_t)colon + 1;
}

void check_uri(struct checker *c, const struct expr *e)
{
	struct uri   u;
	struct str   text = is_const_text(e) ? e->u.value.u.s : STR_NONE;
	struct diag *g;
	size_t       at;

	if (!is_const_text(e) || !uri_parse(text, &u))
		return;
	at = good_uri_prefix(text);
	g = diag_add(c->d, D_URI, check_within(e, str_n(text.p + at, text.len > at)), "`" STR_FMT "` is no URI", STR_ARG(text));
	if (str_find(text, ':') < 0)
		diag_help(c->d, g, "a URI begins with its scheme: sip:" STR_FMT, STR_ARG(text));
}

/* Header names of RFC 3261 and its common company. A name of one's own is fine; one that is nearly one of these is a slip. */
static const char *const headers[] = {
	"Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events", "Authentication-Info", "Authorization",
	"Call-ID", "Call-Info", "Contact", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "CSeq", "Date",
	"Diversion", "Error-Info", "Event", "Expires", "From", "Geolocation", "History-Info", "Identity", "In-Reply-To", "Join", "Max-Forwards",
	"MIME-Version", "Min-Expires", "Min-SE", "Organization", "P-Access-Network-Info", "P-Asserted-Identity", "P-Associated-URI",
	"P-Called-Party-ID", "P-Charging-Vector", "P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Require", "RAck", "Reason", "Record-Route", "Refer-To", "Referred-By", "Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To",
	"Require", "Retry-After", "Route", "RSeq", "Security-Client", "Security-Server", "Security-Verify", "Server", "Service-Route", "Session-Expires",
	"SIP-ETag", "SIP-If-Match", "Subject", "Subscription-State", "Supported", "Timestamp", "To", "Unsupported", "User-Agent", "Via", "Warning",
	"WWW-Authenticate",
};

static bool is_token(struct str s)
{
	struct str rest = s;

	return str_take_token(&rest).len && !rest.len;
}

void check_header_name(struct checker *c, struct str name, struct span where)
{
	struct nearest near = nearest_to(name);

	if (!is_token(name)) {
		diag_add(c->d, D_SYNTAX, where, "`" STR_FMT "` is no header name", STR_ARG(name));
		return;
	}
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		nearest_offer(&near, str_of(headers[i]));
	/* Short names are near to too many others. */
	if (name.len < 5 || !near.best.len || near.distance == 0 || near.distance > 2 || str_istarts(name, STR("X-")))
		return;
	diag_did_you_mean(c->d, diag_add(c->d, D_NEAR_HEADER, where, "no well-known header `" STR_FMT "`", STR_ARG(name)), nearest_name(&near));
}

void check_header_edit(struct checker *c, struct str name, struct span where)
{
	struct diag *g;

	if (!header_is_kept(name))
		return;
	g = diag_add(c->d, D_READ_ONLY, where, "`" STR_FMT "` is the server's to write: without it, or with two, the message is none", STR_ARG(name));
	if (str_ieqz(name, "From") || str_ieqz(name, "f"))
		diag_help(c->d, g, "its URI is `$fu`, which can be assigned");
	else if (str_ieqz(name, "To") || str_ieqz(name, "t"))
		diag_help(c->d, g, "its URI is `$tu`, which can be assigned");
}

static void check_word(struct checker *c, struct str word, struct span where, const char *what, const char *const *words)
{
	struct nearest near = nearest_to(word);

	for (; *words; words++) {
		if (str_is(word, *words))
			return;
		nearest_offer(&near, str_of(*words));
		if (str_ieqz(word, *words) || str_istarts(word, str_of(*words)))
			near.best = str_of(*words), near.distance = 0;
	}
	diag_did_you_mean(c->d, diag_add(c->d, D_RANGE, where, "%s is never `" STR_FMT "`", what, STR_ARG(word)), nearest_name(&near));
}

void check_words(struct checker *c, const struct expr *e, const char *what, const char *const *words)
{
	if (is_const_text(e))
		check_word(c, e->u.value.u.s, e->span, what, words);
	if (!is_const(e) || e->u.value.type != T_LIST)
		return;
	for (size_t i = 0; i < e->u.value.u.list->count; i++)
		if (e->u.value.u.list->v[i].type == T_STR)
			check_word(c, e->u.value.u.list->v[i].u.s, e->span, what, words);
}

/* Numbers as they are written: 1s, 1d, 16kB. The largest unit that leaves nothing over. */
static const char *number_text(struct checker *c, enum vtype t, int64_t n)
{
	static const struct unit { int64_t size; const char *name; } durations[] = {
		{ 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" },
	}, sizes[] = {
		{ 1 << 30, "GB" }, { 1 << 20, "MB" }, { 1 << 10, "kB" }, { 1, "B" },
	};
	const struct unit *u = t == T_DURATION ? durations : sizes;
	struct str         s;

	while ((t == T_DURATION || t == T_SIZE) && n && n % u->size)
		u++;
	if (t == T_DURATION || t == T_SIZE)
		s = arena_printf(c->a, "%lld%s", (long long)(n / u->size), n ? u->name : t == T_DURATION ? "s" : "B");
	else
		s = arena_printf(c->a, "%lld", (long long)n);
	return s.p ? s.p : "?";
}

struct diag *check_range(struct checker *c, const struct expr *e, int64_t min, int64_t max)
{
	enum vtype t = is_const(e) ? e->u.value.type : T_NULL;

	if ((!min && !max) || (t != T_INT && t != T_DURATION && t != T_SIZE) || (e->u.value.u.i >= min && e->u.value.u.i <= max))
		return NULL;
	return diag_add(c->d, D_RANGE, e->span, "expected %s %s to %s, got %s", vtype_name(t), number_text(c, t, min), number_text(c, t, max),
			number_text(c, t, e->u.value.u.i));
}
