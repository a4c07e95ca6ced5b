#pragma once
/* Answers of name servers in shared memory, for dns.c only: every process finds what any of them has asked, and a worker that dies takes
 * none of it along. Names are lower case, without a final dot. */
#include "net/dns.h"

/* True: *err is what is remembered, and *out the answer where that is OK. */
bool dns_cache_find(struct str name, enum dns_type type, enum err *err, struct dns_answer *out);
/* Without memory it is not remembered. */
void dns_cache_store(struct str name, enum dns_type type, enum err err, const struct dns_answer *answer, uint32_t ttl_s);
