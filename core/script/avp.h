#pragma once
/* $avp(name): values that live with a transaction.
 *
 * A run keeps them in its request's arena. Where replies are to see them (a reply_route of the program names one), they are copied into shared memory when
 * the request is first relayed and stay there with the transaction, in one object; from then on each worker sees what was assigned last, wherever that
 * was. Two that assign at the same time do it one after the other: an assignment is never lost, and never half seen. */
#include "script/run.h"

enum { AVPS_MOST_BYTES = 16 * 1024 };	/* of one transaction, names and values together */

/* Supervisor: the owner of their memory. */
void avp_start(void);
/* Null where nothing was assigned. */
enum verdict get_avp(struct call *c, struct str arg, struct value *out);
/* V_ERROR, logged: there is no room, or no such value can be kept. */
enum verdict set_avp(struct call *c, struct str arg, const struct value *v);
/* Before the request is relayed: from now on replies see them. ERR_NOMEM; else the run has to end, as after request_stateful(). */
MUST_CHECK enum err avps_share(struct call *c);
/* Those that a run sees for another request, with memory of their own. */
MUST_CHECK enum err avps_copy(const struct run *from, struct request *to);
