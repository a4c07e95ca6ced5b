#pragma once
/* Bodies of the header fields that a proxy and a registrar read. All parsers take the text after
 * the colon (folding allowed), allocate nothing, and leave *out untouched on ERR_SYNTAX; the
 * slices in *out live as long as the bytes of `in`. */
#include "msg/params.h"
#include "msg/uri.h"

/* From, To, Contact, Route, Record-Route (RFC 3261 §20.10): one name-addr or addr-spec. */
struct name_addr {
	struct str text;	/* the whole value */
	struct str display;	/* without quotes; escapes kept */
	struct str uri_text;
	struct uri uri;
	struct str params;	/* header parameters with their leading ';', after the '>' (or the URI, where there is none) */
	struct str tag;		/* of From and To; empty: none, or (has_tag) one without a value */
	bool       has_tag;
	bool       brackets;	/* had < > */
	bool       star;	/* Contact: * (uri is empty then) */
};
MUST_CHECK enum err name_addr_parse(struct str in, struct name_addr *out);

/* Via (§20.42), one value. */
struct via {
	struct str text;
	struct str transport;	/* "UDP", as received */
	struct str host;	/* without brackets */
	bool       ipv6;
	uint16_t   port;	/* 0: none */
	struct str params;	/* with their leading ';' */
	struct str branch, received, maddr;	/* empty: none; received without the brackets of an IPv6 reference */
	bool       has_rport;
	uint16_t   rport;	/* 0: asked for, not filled in (RFC 3581) */
};
MUST_CHECK enum err via_parse(struct str in, struct via *out);
/* Only what says where to answer, sent-protocol and sent-by, whatever follows. */
MUST_CHECK enum err via_parse_start(struct str in, struct via *out);
/* branch starts with z9hG4bK and goes on (§8.1.1.7, RFC 4475 3.2.1)? */
bool via_branch_3261(const struct via *v);

/* CSeq (§20.16). */
struct cseq {
	uint32_t   num;		/* 0 .. 2**31-1 (§8.1.1.5) */
	struct str method;	/* case-sensitive */
};
MUST_CHECK enum err cseq_parse(struct str in, struct cseq *out);

/* Contact (§20.10): a name-addr and what a registrar reads of its parameters. */
struct contact {
	struct name_addr addr;
	uint16_t         q;		/* thousandths, 1000 when absent */
	bool             has_q;
	bool             has_expires;
	uint32_t         expires;	/* seconds; a malformed one counts as 3600 (§10.2.1.1), a huge one as 2**32-1 */
	struct str       instance;	/* +sip.instance without quotes and < >, empty: none (RFC 5626) */
	uint32_t         reg_id;	/* 0: none */
};
MUST_CHECK enum err contact_parse(struct str in, struct contact *out);

/* Authorization, Proxy-Authorization, WWW-Authenticate, Proxy-Authenticate: Digest (§22.4, RFC 8760).
 * Values without their quotes. ERR_UNSUPPORTED for another scheme. */
struct digest {
	struct str username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, domain;
	struct str nc_text;
	uint32_t   nc;
	bool       has_nc, stale;
};
MUST_CHECK enum err digest_parse(struct str in, struct digest *out);

/* A delta-seconds or other plain number alone in its field. */
MUST_CHECK enum err number_parse(struct str in, uint32_t *out);
