#pragma once
/* Private to core/msg: character classes, and the steps every byte goes through (inlined for that reason). */
#include "base/str.h"

enum {
	CL_TOKEN = 1 << 0,	/* token (RFC 3261 §25.1) */
	CL_LWS = 1 << 1,
	CL_PNAME = 1 << 2,	/* parameter name: token, or paramchar of a URI */
	CL_PVALUE = 1 << 3,	/* unquoted parameter value: gen-value, pvalue, and = @ ? # that careless peers send */
	CL_URI = 1 << 4,	/* anywhere in a URI (RFC 3986 §2, and [ ]) */
	CL_USER = 1 << 5,	/* user of a SIP URI, and # (*21# is dialled, not escaped, by many phones) */
	CL_PASSWORD = 1 << 6,
	CL_HOST = 1 << 7,	/* hostname, and _ (container and Windows host names) */
	CL_HEX = 1 << 8,
	CL_SCHEME = 1 << 9,
	CL_DISPLAY = 1 << 10,	/* unquoted display name: tokens, UTF-8, and marks that cannot be taken for structure */
	CL_PHONE = 1 << 11,	/* phonedigit-hex of RFC 3966, visual separators included */
};
extern const uint16_t msg_class[256];

static inline bool ch_is(char c, unsigned classes)
{
	return msg_class[(unsigned char)c] & classes;
}

/* How many characters at the front are of the classes. */
static inline size_t str_span(struct str s, unsigned classes)
{
	size_t n = 0;

	while (n < s.len && ch_is(s.p[n], classes))
		n++;
	return n;
}

static inline bool str_all(struct str s, unsigned classes)
{
	return str_span(s, classes) == s.len;
}

static inline struct str str_take_span(struct str *rest, unsigned classes)
{
	struct str head = str_to(*rest, str_span(*rest, classes));

	*rest = str_from(*rest, head.len);
	return head;
}

static inline void skip_lws(struct str *rest)
{
	while (rest->len && ch_lws(rest->p[0])) {
		rest->p++;
		rest->len--;
	}
}

static inline struct str lws_trim(struct str s)
{
	skip_lws(&s);
	while (s.len && ch_lws(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* The text of a quoted string, without its quotes, from a rest that starts with one; false when it does not end. */
bool quoted_take(struct str *rest, struct str *text);

/* host = hostname / IPv4address / IPv6reference; *ipv6 tells the last, which comes without its brackets. */
bool host_take(struct str *rest, struct str *host, bool *ipv6);
/* 1*DIGIT, 1..65535 */
bool port_take(struct str *rest, uint16_t *port);
/* The same address or name, whatever the spelling of an IPv6 address? */
bool host_eq(struct str a, struct str b);

/* One field cut from the front of a header. */
struct field {
	struct str raw;		/* with folds and line end */
	struct str name, body;	/* body trimmed */
	bool       bare_lf;	/* a line ended without CR */
};
enum field_kind {
	FIELD_ONE,
	FIELD_BAD,	/* no name, no colon, or a CR alone; taken all the same */
	FIELD_END,	/* the empty line, taken */
	FIELD_CUT,	/* the bytes end within the header */
};
enum field_kind field_take(struct str *rest, struct field *f);
/* The bytes up to and with the next LF in *line, without the line end in *text. False: no LF left. *bare_lf is set when
 * there was no CR before it, *bad when a CR stands elsewhere. */
bool line_take(struct str *rest, struct str *line, struct str *text, bool *bare_lf, bool *bad);
