#include "ctl/ctl.h"
#include "msg/uri.h"

enum { MOST_USER = 64, MOST_DOMAIN = 253, MOST_LABEL = 63 };

const char *ctl_nearest(struct str word, const char *const *names, size_t n)
{
	unsigned    least = word.len < 4 ? 2 : 3;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = str_distance(word, str_of(names[i]), least);

		if (d < least) {
			least = d;
			found = names[i];
		}
	}
	return found;
}

/* --- domains --- */

/* NULL: it is one. Otherwise what is wrong with it (RFC 1123 §2.1; RFC 3261 §25.1 hostname: the last label begins with a letter). */
static const char *label_fault(struct str label, bool last)
{
	if (!label.len)
		return "there is an empty label (two dots, or a dot at an end)";
	if (label.len > MOST_LABEL)
		return "a label is longer than 63 characters";
	if (label.p[0] == '-' || label.p[label.len - 1] == '-')
		return "a label begins or ends with a hyphen";
	for (size_t i = 0; i < label.len; i++)
		if (!ch_digit(label.p[i]) && label.p[i] != '-' && !(ch_lower(label.p[i]) >= 'a' && ch_lower(label.p[i]) <= 'z'))
			return "only letters, digits, hyphens and dots are allowed (an international name in its xn-- form)";
	if (last && ch_digit(label.p[0]))
		return "the last label begins with a digit, and it is no IP address";
	return NULL;
}

static const char *domain_fault(struct str d)
{
	struct str rest = d;

	if (!d.len)
		return "it is empty";
	if (d.len > MOST_DOMAIN)
		return "it is longer than 253 characters";
	if (d.p[d.len - 1] == '.')
		return "a domain is written without the dot at its end";
	for (bool last = false; !last;) {
		struct str  label = str_take_until(&rest, '.');
		const char *fault;

		last = !rest.len;
		fault = label_fault(label, last);
		if (fault)
			return fault;
	}
	return NULL;
}

static struct str lowered(struct arena *a, struct str s)
{
	struct str copy = arena_dup(a, s);

	for (size_t i = 0; copy.p && i < copy.len; i++)
		((char *)copy.p)[i] = ch_lower(copy.p[i]);
	return copy;
}

static enum err domain_take(struct ctl *c, struct arena *a, struct str d, struct str *domain)
{
	const char *fault;

	if (d.len > 2 && d.p[0] == '[' && d.p[d.len - 1] == ']')
		d = str_n(d.p + 1, d.len - 2);
	fault = host_is_ipv4(d) || host_is_ipv6(d) ? NULL : domain_fault(d);
	if (fault)
		return ctl_fail(c, ERR_SYNTAX, "\"" STR_FMT "\" is no domain: %s", STR_ARG(str_to(d, 80)), fault);
	*domain = lowered(a, d);
	return domain->p ? OK : ERR_NOMEM;
}

enum err ctl_domain(struct ctl *c, const char *text, struct str *domain)
{
	return domain_take(c, c->arena, str_of(text), domain);
}

/* --- users --- */

/* unreserved and user-unreserved of RFC 3261 §25.1: what stands in a URI without an escape. */
static bool ch_user(char ch)
{
	return ch_digit(ch) || (ch_lower(ch) >= 'a' && ch_lower(ch) <= 'z') || (ch && strchr("-_.!~*'()&=+$,;?/", ch));
}

static enum err user_name_check(struct ctl *c, struct str name)
{
	if (!name.len)
		return ctl_fail(c, ERR_SYNTAX, "the user name is empty");
	if (name.len > MOST_USER)
		return ctl_fail(c, ERR_SYNTAX, "a user name may have %d characters, this one has %zu", MOST_USER, name.len);
	for (size_t i = 0; i < name.len; i++)
		if (!ch_user(name.p[i]))
			return ctl_fail(c, ERR_SYNTAX, "user name \"" STR_FMT "\": character %zu is not allowed; letters, digits and "
				"- _ . ! ~ * ' ( ) & = + $ , ; ? / are", STR_ARG(name), i + 1);
	return OK;
}

enum err ctl_user_take(struct ctl *c, struct arena *a, struct str text, struct str *name, struct str *domain)
{
	struct str rest = text, user;

	if (str_istarts(rest, STR("sip:")))
		rest = str_from(rest, 4);
	if (str_find(rest, '@') < 0)
		return ctl_fail(c, ERR_SYNTAX, "\"" STR_FMT "\" is no user: write it with its domain, as alice@example.org", STR_ARG(str_to(text, 80)));
	user = str_take_until(&rest, '@');
	if (user_name_check(c, user) || domain_take(c, a, rest, domain))
		return ERR_SYNTAX;
	*name = arena_dup(a, user);
	return name->p ? OK : ERR_NOMEM;
}

enum err ctl_user(struct ctl *c, const char *text, struct str *name, struct str *domain)
{
	return ctl_user_take(c, c->arena, str_of(text), name, domain);
}

/* --- texts --- */

static bool control(char ch)
{
	return (unsigned char)ch < ' ' || ch == 0x7f;
}

enum err ctl_text(struct ctl *c, const char *what, struct str text)
{
	for (size_t at = 0, n; at < text.len; at += n) {
		n = str_utf8(str_from(text, at));
		if (!n)
			return ctl_fail(c, ERR_SYNTAX, "%s: byte %zu is no UTF-8 text", what, at + 1);
		if (control(text.p[at]))
			return ctl_fail(c, ERR_SYNTAX, "%s: character %zu is a control character", what, at + 1);
	}
	return OK;
}

enum err ctl_word(struct ctl *c, const char *what, struct str text)
{
	if (!text.len || text.len > MOST_USER)
		return ctl_fail(c, ERR_SYNTAX, "%s: expected 1 to %d bytes, got %zu", what, MOST_USER, text.len);
	if (str_find(text, ' ') >= 0)
		return ctl_fail(c, ERR_SYNTAX, "%s: a name has no blanks, since it stands in lists", what);
	return ctl_text(c, what, text);
}

enum err ctl_aor(struct ctl *c, const char *text, struct str *aor)
{
	bool       scheme = str_istarts(str_of(text), STR("sip:")) || str_istarts(str_of(text), STR("sips:")) || str_istarts(str_of(text), STR("tel:"));
	struct str whole = arena_printf(c->arena, "%s%s", scheme ? "" : "sip:", text);
	size_t     room = whole.len * 3 + 16;
	struct buf b = buf_on(arena_alloc(c->arena, room), room);
	struct uri u;

	if (!whole.p || !b.p)
		return ERR_NOMEM;
	if (uri_parse(whole, &u) || (u.scheme != URI_TEL && !u.user.len))
		return ctl_fail(c, ERR_SYNTAX, "\"%.80s\" is no user: write alice@example.org or sip:alice@example.org", text);
	uri_aor(&u, &b);
	*aor = buf_str(&b);
	return buf_ok(&b) ? OK : ERR_NOMEM;
}
