#pragma once
/* Questions to the domain name system, without blocking: addresses, SRV (RFC 2782), NAPTR (RFC 3403). Behind resolver.h stands the library,
 * behind dns_cache.h the answers, which all processes share. */
#include "net/addr.h"
#include "net/loop.h"

enum dns_type {
	DNS_A, DNS_AAAA,
	DNS_HOST,	/* both */
	DNS_SRV, DNS_NAPTR
};
enum { DNS_NAME = 254, DNS_MOST = 16, DNS_MOST_ADDRESSES = 8 };	/* RFC 1035 §2.3.4: 253 as text, with NUL; records that are looked at */

struct dns_srv {
	uint16_t priority, weight, port;
	char     target[DNS_NAME];	/* "": the service is decidedly not there (RFC 2782) */
};
struct dns_naptr {
	uint16_t order, preference;
	char     flags[4], service[16];	/* those that do not fit mean nothing to SIP, and are left out */
	char     replacement[DNS_NAME];
};
struct dns_answer {
	size_t count;
	union {
		struct addr      addr[DNS_MOST_ADDRESSES];	/* port 0 */
		struct dns_srv   srv[DNS_MOST];		/* in no order */
		struct dns_naptr naptr[DNS_MOST];
	};
};
struct dns_query;
/* `err`: OK, ERR_NOT_FOUND (no such name, no such record), ERR_TIMEOUT, ERR_IO. Called once, from the loop, never from within dns_ask(). */
typedef void dns_done(void *arg, enum err err, const struct dns_answer *answer);

struct dns_config {
	const char *servers;	/* "127.0.0.1:5353,…"; NULL: the system's */
	uint32_t    timeout_ms;	/* for the first try, doubled for each more; 0: 2000 */
	uint32_t    tries;	/* 0: 2 */
};
/* Supervisor, before the fork: counters. */
void dns_boot(void);
/* Supervisor, before the fork, after every shm_create(): the cache. Without it nothing is kept. */
MUST_CHECK enum err dns_cache_boot(void);
/* Worker start. ERR_SYNTAX: the servers are not a list of addresses. */
MUST_CHECK enum err dns_start(struct loop *l, const struct dns_config *cfg);
void dns_stop(void);
/* What is known already: OK, or the failure that is remembered (ERR_NOT_FOUND, ERR_TIMEOUT, ERR_IO). ERR_AGAIN: it has to be asked.
 * Answers are kept for their TTL (a second to an hour), that there is none for as long as the zone says, or five seconds; failures for
 * five seconds. */
MUST_CHECK enum err dns_known(struct str name, enum dns_type type, struct dns_answer *out);
/* NULL: no memory, or too many questions under way (done is not called). What is known is told from the loop, too. Questions for the
 * same name under way in a process are asked once. Names are complete: no search domain is added. */
MUST_CHECK struct dns_query *dns_ask(struct str name, enum dns_type type, dns_done *done, void *arg);
/* The caller is no longer interested: `done` will not be called. Not after `done` has been called. */
void dns_cancel(struct dns_query *q);
/* Name and version of the library in use, for `sipario -V`. */
const char *dns_library(void);
/* Simulation and tests: answer from this function instead of the cache and the network. NULL restores them. */
typedef enum err dns_lookup(struct str name, enum dns_type type, struct dns_answer *out);
void dns_replace(dns_lookup *lookup);
