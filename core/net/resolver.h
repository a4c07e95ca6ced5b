#pragma once
/* The library that asks name servers: for dns.c, and for siparioctl, which has no use for a cache. */
#include "net/dns.h"

/* err OK: at least one record, and the lowest TTL of what led to them. ERR_NOT_FOUND: for how long that may be believed (RFC 2308 §5), 0 when
 * nobody said. */
typedef void resolver_done(void *arg, enum err err, const struct dns_answer *answer, uint32_t ttl_s);

MUST_CHECK enum err resolver_open(struct loop *l, const struct dns_config *cfg);
/* Questions under way are forgotten: their `done` is not called. */
void resolver_close(void);
/* `done` may be called from within. */
void resolver_ask(const char *name, enum dns_type type, resolver_done *done, void *arg);
