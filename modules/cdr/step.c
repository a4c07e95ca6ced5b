#include "modules/cdr/cdr.h"

/* What is not in here changes nothing: a re-INVITE's answers, a second BYE, another 2xx of a forked call, a CANCEL that comes too late. */
static const struct cdr_step steps[CDR_STATES][CDR_EVENTS] = {
	[CDR_RINGING] = {
		[CDR_CANCEL]      = { CDR_CANCELLED, 0, CDR_NOBODY },
		[CDR_CHALLENGE]   = { CDR_OVER, 0, CDR_NOBODY },
		[CDR_REFUSAL]     = { CDR_OVER, CDR_WRITE, CDR_CALLEE },
		[CDR_OWN_REFUSAL] = { CDR_OVER, CDR_WRITE, CDR_SERVER },
		[CDR_SUCCESS]     = { CDR_TALKING, CDR_WRITE | CDR_FOLLOW, CDR_NOBODY },
	},
	[CDR_CANCELLED] = {	/* what is answered now is answered since the caller did not want to wait; a 2xx may have been quicker (RFC 3261 §9.1) */
		[CDR_CHALLENGE]   = { CDR_OVER, CDR_WRITE, CDR_CALLER },
		[CDR_REFUSAL]     = { CDR_OVER, CDR_WRITE, CDR_CALLER },
		[CDR_OWN_REFUSAL] = { CDR_OVER, CDR_WRITE, CDR_CALLER },
		[CDR_SUCCESS]     = { CDR_TALKING, CDR_WRITE | CDR_FOLLOW, CDR_NOBODY },
	},
	[CDR_TALKING] = {
		[CDR_BYE_CALLER]  = { CDR_OVER, CDR_FINISH, CDR_CALLER },
		[CDR_BYE_CALLEE]  = { CDR_OVER, CDR_FINISH, CDR_CALLEE },
		[CDR_LIMIT]       = { CDR_OVER, CDR_FINISH, CDR_SERVER },
	},
};

struct cdr_step cdr_step(enum cdr_state s, enum cdr_event ev)
{
	struct cdr_step step = steps[s][ev];

	if (step.next == CDR_RINGING)	/* no step leads back there */
		step.next = (uint8_t)s;
	return step;
}

const char *cdr_party_name(enum cdr_party p)
{
	static const char *const names[] = { "", "caller", "callee", "server" };

	return names[p];
}

/* RFC 3261 §15.1.1: the session is over with the BYE, whatever comes of it. One that was asked for credentials has not been a BYE yet (§22). */
bool cdr_bye_counts(uint16_t status)
{
	return status != 401 && status != 407;
}
