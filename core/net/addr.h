#pragma once
/* Transport addresses. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/buf.h"

enum transport { TP_NONE, TP_UDP, TP_TCP, TP_TLS, TP_WS, TP_WSS, TP_COUNT };

struct addr {
	union {
		struct sockaddr     any;	/* sa_family AF_UNSPEC (0): no address */
		struct sockaddr_in  v4;
		struct sockaddr_in6 v6;
	} u;
};

struct str     transport_name(enum transport t);		/* "UDP", as in Via */
enum transport transport_of(struct str name);			/* case-insensitive; TP_NONE when not known */
bool           transport_reliable(enum transport t);
uint16_t       transport_port(enum transport t);		/* 5060, or 5061 for TLS */

/* IPv4, or IPv6 with or without brackets; no names. ERR_SYNTAX. Mapped ::ffff:a.b.c.d stays IPv6. */
MUST_CHECK enum err addr_parse(struct str ip, uint16_t port, struct addr *out);
bool      addr_eq(const struct addr *a, const struct addr *b);		/* with port */
bool      addr_ip_eq(const struct addr *a, const struct addr *b);	/* without */
unsigned  addr_common_bits(const struct addr *a, const struct addr *b);	/* of two of one family, from the front */
bool      addr_is_any(const struct addr *a);				/* 0.0.0.0, :: */
bool      addr_is_loopback(const struct addr *a);			/* 127/8, ::1 */
struct str addr_ip_bytes(const struct addr *a);				/* 4 or 16, within *a: for hashing */
uint16_t  addr_port(const struct addr *a);
void      addr_set_port(struct addr *a, uint16_t port);
socklen_t addr_len(const struct addr *a);
/* "192.0.2.1" or "2001:db8::1": as in received= (no brackets). */
void addr_ip_write(const struct addr *a, struct buf *out);
/* "192.0.2.1:5060" or "[2001:db8::1]:5060": as in sent-by, URIs and logs. */
void addr_write(const struct addr *a, struct buf *out);
/* The same on a small buffer that the caller gives, for one log line: addr_text(&a, (char[ADDR_TEXT]){0}), which lives until the end
 * of its block (a lone statement after `if` is one). */
enum { ADDR_TEXT = 64 };
struct str addr_text(const struct addr *a, char *room);
