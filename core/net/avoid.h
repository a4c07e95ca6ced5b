#pragma once
/* Addresses that have failed lately, shared by all workers. One is passed over for a while; when that is over a single request may try it
 * ("half-open"), and the others follow when it has answered. What is remembered is bounded: the oldest make room. */
#include "net/net.h"

/* Supervisor, before the fork, after every shm_create(). Without it nothing is avoided. */
MUST_CHECK enum err avoid_boot(void);
/* It has failed: avoid this address and transport for so long. 0: nothing happens. */
void avoid_add(const struct flow *to, uint32_t ms);
/* It has answered. Costs nothing as long as nothing is avoided. */
void avoid_clear(const struct flow *to);
/* Which of them to send to next: the first that is not avoided or may be probed by us; if there is none, simply the first. n > 0. */
size_t avoid_pick(const struct flow *to, size_t n);
