#pragma once
/* URIs: sip and sips (RFC 3261 §19.1), tel (RFC 3966); others are kept as scheme and text. */
#include "base/arena.h"
#include "base/buf.h"

enum uri_scheme { URI_OTHER, URI_SIP, URI_SIPS, URI_TEL };

struct uri {
	enum uri_scheme scheme;
	struct str      text;		/* the whole URI as it stands */
	struct str      scheme_name;
	struct str      user;		/* escaped as received; the number (with its visual separators) for tel */
	struct str      password;
	bool            has_user;	/* tells sip:@host (bad) and sip:host apart from an empty user */
	struct str      host;		/* an IPv6 reference without its brackets */
	bool            ipv6;		/* the host was an IPv6 reference */
	uint16_t        port;		/* 0: none given */
	struct str      params;		/* after the first ';' (without it) */
	struct str      headers;	/* after '?' */
	struct str      rest;		/* URI_OTHER: all behind the colon */
};

/* The whole of `in` must be a URI. Slices of `in`; allocates nothing. ERR_SYNTAX leaves *out alone. */
MUST_CHECK enum err uri_parse(struct str in, struct uri *out);
bool uri_param(const struct uri *u, const char *name, struct str *value);
/* %HH undone once; .p NULL on no memory. May hold NULs (RFC 4475 3.1.1.4). */
MUST_CHECK struct str uri_unescape(struct arena *a, struct str s);
/* Equal by RFC 3261 §19.1.4 (parameters, escapes, case); tel by RFC 3966 §5. */
bool uri_eq(const struct uri *a, const struct uri *b);
/* The address-of-record as a key (RFC 3261 §10.3 step 5): scheme sip, user with escapes brought to
 * one form, lower-case host, no parameters, no port. tel: the number without separators. */
void uri_aor(const struct uri *u, struct buf *out);
/* Append the URI as text for a Request-URI: headers and the `method` parameter left out (§19.1.1 table). */
void uri_write_ruri(const struct uri *u, struct buf *out);
/* IPv4 or IPv6 text (no brackets)? */
bool host_is_ipv4(struct str h);
bool host_is_ipv6(struct str h);
/* hostname / IPv4address of §25.1 */
bool host_ok(struct str h);
