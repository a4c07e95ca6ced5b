#pragma once
/* The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.8/doc/proxy-protocol.txt): who is behind a load balancer. Pure. */
#include "net/addr.h"

/* The header at the front of `in`. OK: *len bytes are the header; *peer is the client, family AF_UNSPEC where the header names none (LOCAL,
 * UNKNOWN, or no TCP over IP): then it is the balancer itself. ERR_AGAIN: more is needed. ERR_SYNTAX: no PROXY header. */
MUST_CHECK enum err proxy_header_parse(struct str in, struct addr *peer, size_t *len);
