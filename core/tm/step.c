#include "tm/step.h"

struct tm_timers tm_timers = { .t1 = 500, .t2 = 4000, .t4 = 5000, .c = 185000, .first = 5000, .avoid = 30000, .trying = 200 };

enum { TIMER_D_LEAST_MS = 32000 };	/* RFC 3261 §17.1.1.2: at least 32 s, whatever T1 is */

static struct tm_step go(enum tm_state next, uint32_t todo)
{
	return (struct tm_step){ .next = next, .todo = todo };
}

/* A client's final answer or failure ends the wait for one. */
enum { DO_STOP_BOTH = DO_STOP_RETRANSMIT | DO_STOP_TIMEOUT };

/* Calling and Proceeding share all arrows that lead to a final state. */
static struct tm_step ict_open(enum tm_state s, enum tm_event ev, bool reliable)
{
	switch (ev) {
	case EV_1XX:
		return go(TM_PROCEEDING, s == TM_TRYING ? DO_PASS_UP | DO_STOP_BOTH : DO_PASS_UP);
	case EV_2XX:
		return go(TM_ACCEPTED, DO_PASS_UP | DO_STOP_BOTH | DO_START_LINGER);
	case EV_FINAL:
		return go(TM_COMPLETED, DO_PASS_UP | DO_SEND_ACK | DO_STOP_BOTH | DO_START_LINGER);
	case EV_TIMER_RETRANSMIT:
		if (s == TM_PROCEEDING || reliable)
			return go(s, 0);
		return go(s, DO_SEND_AGAIN | DO_DOUBLE_RETRANSMIT);
	case EV_TIMER_TIMEOUT:
		/* In Calling Timer B; in Proceeding 64*T1 after a CANCEL, which is as far as §9.1 lets one wait. */
		return go(TM_TERMINATED, DO_TIMED_OUT | DO_END);
	case EV_TRANSPORT_ERROR:
		return s == TM_TRYING ? go(TM_TERMINATED, DO_FAILED | DO_END) : go(s, 0);
	default:
		return go(s, 0);
	}
}

/* RFC 6026 figure 5 */
struct tm_step ict_step(enum tm_state s, enum tm_event ev, bool reliable)
{
	if (s == TM_TRYING || s == TM_PROCEEDING)
		return ict_open(s, ev, reliable);
	if (s == TM_COMPLETED && ev == EV_FINAL)
		return go(s, DO_SEND_ACK);
	if (s == TM_COMPLETED && ev == EV_TRANSPORT_ERROR)
		return go(TM_TERMINATED, DO_FAILED | DO_END);
	if (s == TM_ACCEPTED && ev == EV_2XX)
		return go(s, DO_PASS_UP);
	if ((s == TM_COMPLETED || s == TM_ACCEPTED) && ev == EV_TIMER_LINGER)
		return go(TM_TERMINATED, DO_END);
	return go(s, 0);
}

static struct tm_step nict_open(enum tm_state s, enum tm_event ev, bool reliable)
{
	switch (ev) {
	case EV_1XX:
		return go(TM_PROCEEDING, DO_PASS_UP);
	case EV_2XX:
	case EV_FINAL:
		return go(TM_COMPLETED, DO_PASS_UP | DO_STOP_BOTH | DO_START_LINGER);
	case EV_TIMER_RETRANSMIT:
		if (reliable)
			return go(s, 0);
		return go(s, DO_SEND_AGAIN | (s == TM_TRYING ? DO_DOUBLE_RETRANSMIT : DO_RETRANSMIT_AT_T2));
	case EV_TIMER_TIMEOUT:
		return go(TM_TERMINATED, DO_TIMED_OUT | DO_END);
	case EV_TRANSPORT_ERROR:
		return go(TM_TERMINATED, DO_FAILED | DO_END);
	default:
		return go(s, 0);
	}
}

/* RFC 3261 figure 6 */
struct tm_step nict_step(enum tm_state s, enum tm_event ev, bool reliable)
{
	if (s == TM_TRYING || s == TM_PROCEEDING)
		return nict_open(s, ev, reliable);
	if (s == TM_COMPLETED && ev == EV_TIMER_LINGER)
		return go(TM_TERMINATED, DO_END);
	return go(s, 0);
}

static struct tm_step ist_proceeding(enum tm_event ev, bool reliable)
{
	switch (ev) {
	case EV_REQUEST:
		return go(TM_PROCEEDING, DO_SEND_AGAIN);
	case EV_SEND_1XX:
		return go(TM_PROCEEDING, DO_SEND_REPLY);
	case EV_SEND_2XX:
		return go(TM_ACCEPTED, DO_SEND_REPLY | DO_START_LINGER);
	case EV_SEND_FINAL:
		return go(TM_COMPLETED, DO_SEND_REPLY | DO_START_TIMEOUT | (reliable ? 0 : DO_START_RETRANSMIT));
	case EV_TIMER_TIMEOUT:	/* given up without an answer: its run is lost, the caller will ask again */
		return go(TM_TERMINATED, DO_END);
	case EV_TRANSPORT_ERROR:
		return go(TM_PROCEEDING, DO_FAILED);
	default:
		return go(TM_PROCEEDING, 0);
	}
}

static struct tm_step ist_completed(enum tm_event ev, bool reliable)
{
	switch (ev) {
	case EV_REQUEST:
		return go(TM_COMPLETED, DO_SEND_AGAIN);
	case EV_ACK:
		return go(TM_CONFIRMED, DO_STOP_BOTH | DO_START_LINGER);
	case EV_SEND_2XX:	/* not in the figure, but §16.7 step 5: a 2xx is forwarded even after another final */
		return go(TM_COMPLETED, DO_SEND_REPLY);
	case EV_TIMER_RETRANSMIT:
		return go(TM_COMPLETED, reliable ? 0 : DO_SEND_AGAIN | DO_DOUBLE_RETRANSMIT);
	case EV_TIMER_TIMEOUT:
		return go(TM_TERMINATED, DO_TIMED_OUT | DO_END);
	case EV_TRANSPORT_ERROR:
		return go(TM_COMPLETED, DO_FAILED);
	default:
		return go(TM_COMPLETED, 0);
	}
}

static struct tm_step ist_accepted(enum tm_event ev)
{
	switch (ev) {
	case EV_ACK:
		return go(TM_ACCEPTED, DO_PASS_UP);
	case EV_SEND_2XX:
		return go(TM_ACCEPTED, DO_SEND_REPLY);
	case EV_TIMER_LINGER:
		return go(TM_TERMINATED, DO_END);
	case EV_TRANSPORT_ERROR:
		return go(TM_ACCEPTED, DO_FAILED);
	default:
		return go(TM_ACCEPTED, 0);
	}
}

/* RFC 6026 figure 7 */
struct tm_step ist_step(enum tm_state s, enum tm_event ev, bool reliable)
{
	switch (s) {
	case TM_PROCEEDING:
		return ist_proceeding(ev, reliable);
	case TM_COMPLETED:
		return ist_completed(ev, reliable);
	case TM_ACCEPTED:
		return ist_accepted(ev);
	case TM_CONFIRMED:
		if (ev == EV_TIMER_LINGER)
			return go(TM_TERMINATED, DO_END);
		return go(s, ev == EV_SEND_2XX ? DO_SEND_REPLY : 0);	/* §16.7 step 5 as above */
	default:
		return go(s, 0);
	}
}

static struct tm_step nist_open(enum tm_state s, enum tm_event ev)
{
	switch (ev) {
	case EV_REQUEST:
		return go(s, s == TM_PROCEEDING ? DO_SEND_AGAIN : 0);
	case EV_SEND_1XX:
		return go(TM_PROCEEDING, DO_SEND_REPLY);
	case EV_SEND_2XX:
	case EV_SEND_FINAL:
		return go(TM_COMPLETED, DO_SEND_REPLY | DO_START_LINGER);
	case EV_TIMER_TIMEOUT:	/* no answer in time: none is sent at all (RFC 4320 §4.2) */
		return go(TM_TERMINATED, DO_END);
	case EV_TRANSPORT_ERROR:
		return go(s, s == TM_PROCEEDING ? DO_FAILED : 0);
	default:
		return go(s, 0);
	}
}

/* RFC 3261 figure 8; a transport error ends nothing any more (RFC 6026 §8.8) */
struct tm_step nist_step(enum tm_state s, enum tm_event ev, bool reliable)
{
	(void)reliable;	/* only the length of Timer J depends on it */
	if (s == TM_TRYING || s == TM_PROCEEDING)
		return nist_open(s, ev);
	if (s != TM_COMPLETED)
		return go(s, 0);
	if (ev == EV_REQUEST)
		return go(s, DO_SEND_AGAIN);
	if (ev == EV_TRANSPORT_ERROR)
		return go(s, DO_FAILED);
	return ev == EV_TIMER_LINGER ? go(TM_TERMINATED, DO_END) : go(s, 0);
}

struct tm_step tm_step(enum tm_kind kind, enum tm_state s, enum tm_event ev, bool reliable)
{
	switch (kind) {
	case TM_ICT:
		return ict_step(s, ev, reliable);
	case TM_NICT:
		return nict_step(s, ev, reliable);
	case TM_IST:
		return ist_step(s, ev, reliable);
	default:
		return nist_step(s, ev, reliable);
	}
}

/* RFC 3261 table 4, RFC 6026 §8.11 */
uint32_t tm_linger_ms(enum tm_kind kind, enum tm_state s, bool reliable)
{
	uint32_t all = 64 * tm_timers.t1;

	if (s == TM_ACCEPTED)	/* L, M: for all transports */
		return all;
	if (reliable)
		return 0;
	if (kind == TM_ICT)	/* D */
		return all > TIMER_D_LEAST_MS ? all : TIMER_D_LEAST_MS;
	if (kind == TM_NIST)	/* J */
		return all;
	return tm_timers.t4;	/* I, K */
}
