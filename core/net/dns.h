#pragma once
/* Host names to addresses through c-ares, without blocking. A and AAAA now. Behind this one file stands the library. */
#include "net/addr.h"
#include "net/loop.h"

struct dns_answer {
	size_t      count;
	struct addr addr[8];	/* port 0 */
};
struct dns_query;
/* `err`: OK, ERR_NOT_FOUND (no such name, no address), ERR_TIMEOUT, ERR_IO. Called once, from the loop, never from within dns_resolve(). */
typedef void dns_done(void *arg, enum err err, const struct dns_answer *answer);

struct dns_config {
	const char *servers;	/* "127.0.0.1:5353,…"; NULL: the system's */
	uint32_t    timeout_ms;	/* for the first try, doubled for each more; 0: 2000 */
	uint32_t    tries;	/* 0: 2 */
};
/* Supervisor, before the fork: counters. */
void dns_boot(void);
/* Worker start. ERR_SYNTAX: the servers are not a list of addresses. */
MUST_CHECK enum err dns_start(struct loop *l, const struct dns_config *cfg);
void dns_stop(void);
/* family AF_UNSPEC, AF_INET or AF_INET6. NULL: no memory, or too many questions under way (done is not called). Questions for the
 * same name under way are asked once. Answers are kept for their TTL (a second to an hour, 4096 names a process), failures for five
 * seconds. Names are complete: no search domain is added. */
MUST_CHECK struct dns_query *dns_resolve(struct str name, int family, dns_done *done, void *arg);
/* The caller is no longer interested: `done` will not be called. Not after `done` has been called. */
void dns_cancel(struct dns_query *q);
/* Name and version of the library in use, for `sipario -V`. */
const char *dns_library(void);
/* Simulation and tests: answer from this function instead of the cache and the network. NULL restores c-ares. */
void dns_replace(enum err (*lookup)(struct str name, int family, struct dns_answer *out));
