/* The figures of RFC 3261 §17 as changed by RFC 6026 and RFC 4320: every arrow is a row; whatever is not a row must leave the
 * state alone and ask for nothing. */
#include "test.h"
#include "tm/trans.h"

#include <stdio.h>

struct arrow {
	enum tm_state s;
	enum tm_event ev;
	enum tm_state next;
	uint32_t      todo;
	const char   *source;
};

enum { STOP = DO_STOP_RETRANSMIT | DO_STOP_TIMEOUT };

static const struct arrow ict_udp[] = {	/* RFC 6026 figure 5 */
	{ TM_TRYING, EV_TIMER_RETRANSMIT, TM_TRYING, DO_SEND_AGAIN | DO_DOUBLE_RETRANSMIT, "Timer A fires: reset A, INVITE sent" },
	{ TM_TRYING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_TIMED_OUT | DO_END, "Timer B fires: inform TU" },
	{ TM_TRYING, EV_TRANSPORT_ERROR, TM_TERMINATED, DO_FAILED | DO_END, "Transport Err.: inform TU" },
	{ TM_TRYING, EV_1XX, TM_PROCEEDING, DO_PASS_UP | STOP, "1xx: 1xx to TU" },
	{ TM_TRYING, EV_2XX, TM_ACCEPTED, DO_PASS_UP | STOP | DO_START_LINGER, "2xx: 2xx to TU, Timer M" },
	{ TM_TRYING, EV_FINAL, TM_COMPLETED, DO_PASS_UP | DO_SEND_ACK | STOP | DO_START_LINGER, "300-699: ACK sent, Timer D" },
	{ TM_PROCEEDING, EV_1XX, TM_PROCEEDING, DO_PASS_UP, "1xx: 1xx to TU" },
	{ TM_PROCEEDING, EV_2XX, TM_ACCEPTED, DO_PASS_UP | STOP | DO_START_LINGER, "2xx: 2xx to TU" },
	{ TM_PROCEEDING, EV_FINAL, TM_COMPLETED, DO_PASS_UP | DO_SEND_ACK | STOP | DO_START_LINGER, "300-699: ACK sent" },
	{ TM_PROCEEDING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_TIMED_OUT | DO_END, "RFC 3261 §9.1: 64*T1 after CANCEL" },
	{ TM_COMPLETED, EV_FINAL, TM_COMPLETED, DO_SEND_ACK, "300-699: ACK sent" },
	{ TM_COMPLETED, EV_TRANSPORT_ERROR, TM_TERMINATED, DO_FAILED | DO_END, "Transport Err.: inform TU" },
	{ TM_COMPLETED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer D fires" },
	{ TM_ACCEPTED, EV_2XX, TM_ACCEPTED, DO_PASS_UP, "2xx: 2xx to TU" },
	{ TM_ACCEPTED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer M fires" },
};

static const struct arrow nict_udp[] = {	/* RFC 3261 figure 6 */
	{ TM_TRYING, EV_TIMER_RETRANSMIT, TM_TRYING, DO_SEND_AGAIN | DO_DOUBLE_RETRANSMIT, "Timer E: send request" },
	{ TM_TRYING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_TIMED_OUT | DO_END, "Timer F: inform TU" },
	{ TM_TRYING, EV_TRANSPORT_ERROR, TM_TERMINATED, DO_FAILED | DO_END, "Transport Err.: inform TU" },
	{ TM_TRYING, EV_1XX, TM_PROCEEDING, DO_PASS_UP, "1xx: resp. to TU" },
	{ TM_TRYING, EV_2XX, TM_COMPLETED, DO_PASS_UP | STOP | DO_START_LINGER, "200-699: resp. to TU" },
	{ TM_TRYING, EV_FINAL, TM_COMPLETED, DO_PASS_UP | STOP | DO_START_LINGER, "200-699: resp. to TU" },
	{ TM_PROCEEDING, EV_TIMER_RETRANSMIT, TM_PROCEEDING, DO_SEND_AGAIN | DO_RETRANSMIT_AT_T2, "§17.1.2.2: E is reset to T2" },
	{ TM_PROCEEDING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_TIMED_OUT | DO_END, "Timer F: inform TU" },
	{ TM_PROCEEDING, EV_TRANSPORT_ERROR, TM_TERMINATED, DO_FAILED | DO_END, "Transport Err.: inform TU" },
	{ TM_PROCEEDING, EV_1XX, TM_PROCEEDING, DO_PASS_UP, "1xx: resp. to TU" },
	{ TM_PROCEEDING, EV_2XX, TM_COMPLETED, DO_PASS_UP | STOP | DO_START_LINGER, "200-699: resp. to TU" },
	{ TM_PROCEEDING, EV_FINAL, TM_COMPLETED, DO_PASS_UP | STOP | DO_START_LINGER, "200-699: resp. to TU" },
	{ TM_COMPLETED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer K" },
};

static const struct arrow ist_udp[] = {	/* RFC 6026 figure 7 */
	{ TM_PROCEEDING, EV_REQUEST, TM_PROCEEDING, DO_SEND_AGAIN, "INVITE: send response" },
	{ TM_PROCEEDING, EV_SEND_1XX, TM_PROCEEDING, DO_SEND_REPLY, "101-199 from TU: send response" },
	{ TM_PROCEEDING, EV_SEND_2XX, TM_ACCEPTED, DO_SEND_REPLY | DO_START_LINGER, "2xx from TU: send response" },
	{ TM_PROCEEDING, EV_SEND_FINAL, TM_COMPLETED, DO_SEND_REPLY | DO_START_RETRANSMIT | DO_START_TIMEOUT, "300-699: G and H (§17.2.1)" },
	{ TM_PROCEEDING, EV_TRANSPORT_ERROR, TM_PROCEEDING, DO_FAILED, "Transport Err.: inform TU, stay" },
	{ TM_PROCEEDING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_END, "given up by the user" },
	{ TM_COMPLETED, EV_REQUEST, TM_COMPLETED, DO_SEND_AGAIN, "INVITE: send response" },
	{ TM_COMPLETED, EV_ACK, TM_CONFIRMED, STOP | DO_START_LINGER, "ACK" },
	{ TM_COMPLETED, EV_TIMER_RETRANSMIT, TM_COMPLETED, DO_SEND_AGAIN | DO_DOUBLE_RETRANSMIT, "Timer G fires: send response" },
	{ TM_COMPLETED, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_TIMED_OUT | DO_END, "Timer H fires: inform TU (§17.2.1, the figure does not say so)" },
	{ TM_COMPLETED, EV_TRANSPORT_ERROR, TM_COMPLETED, DO_FAILED, "Transport Err.: inform TU, stay" },
	{ TM_COMPLETED, EV_SEND_2XX, TM_COMPLETED, DO_SEND_REPLY, "RFC 3261 §16.7 step 5" },
	{ TM_CONFIRMED, EV_SEND_2XX, TM_CONFIRMED, DO_SEND_REPLY, "RFC 3261 §16.7 step 5" },
	{ TM_CONFIRMED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer I fires" },
	{ TM_ACCEPTED, EV_REQUEST, TM_ACCEPTED, 0, "INVITE: absorbed" },
	{ TM_ACCEPTED, EV_ACK, TM_ACCEPTED, DO_PASS_UP, "ACK: to TU" },
	{ TM_ACCEPTED, EV_SEND_2XX, TM_ACCEPTED, DO_SEND_REPLY, "2xx from TU: send response" },
	{ TM_ACCEPTED, EV_TRANSPORT_ERROR, TM_ACCEPTED, DO_FAILED, "Transport Err.: inform TU, stay" },
	{ TM_ACCEPTED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer L fires" },
};

static const struct arrow nist_udp[] = {	/* RFC 3261 figure 8 */
	{ TM_TRYING, EV_SEND_1XX, TM_PROCEEDING, DO_SEND_REPLY, "1xx from TU: send response" },
	{ TM_TRYING, EV_SEND_2XX, TM_COMPLETED, DO_SEND_REPLY | DO_START_LINGER, "200-699 from TU: send response" },
	{ TM_TRYING, EV_SEND_FINAL, TM_COMPLETED, DO_SEND_REPLY | DO_START_LINGER, "200-699 from TU: send response" },
	{ TM_TRYING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_END, "RFC 4320 §4.2: no 408" },
	{ TM_PROCEEDING, EV_REQUEST, TM_PROCEEDING, DO_SEND_AGAIN, "Request: send response" },
	{ TM_PROCEEDING, EV_SEND_1XX, TM_PROCEEDING, DO_SEND_REPLY, "1xx from TU: send response" },
	{ TM_PROCEEDING, EV_SEND_2XX, TM_COMPLETED, DO_SEND_REPLY | DO_START_LINGER, "200-699 from TU: send response" },
	{ TM_PROCEEDING, EV_SEND_FINAL, TM_COMPLETED, DO_SEND_REPLY | DO_START_LINGER, "200-699 from TU: send response" },
	{ TM_PROCEEDING, EV_TRANSPORT_ERROR, TM_PROCEEDING, DO_FAILED, "RFC 6026 §8.8: stay" },
	{ TM_PROCEEDING, EV_TIMER_TIMEOUT, TM_TERMINATED, DO_END, "RFC 4320 §4.2: no 408" },
	{ TM_COMPLETED, EV_REQUEST, TM_COMPLETED, DO_SEND_AGAIN, "Request: send response" },
	{ TM_COMPLETED, EV_TRANSPORT_ERROR, TM_COMPLETED, DO_FAILED, "RFC 6026 §8.8: stay" },
	{ TM_COMPLETED, EV_TIMER_LINGER, TM_TERMINATED, DO_END, "Timer J fires" },
};

static const struct arrow *arrow_of(const struct arrow *rows, size_t n, enum tm_state s, enum tm_event ev)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].s == s && rows[i].ev == ev)
			return &rows[i];
	return NULL;
}

/* On a reliable transport nothing is retransmitted (§17.1.1.2, §17.1.2.2, §17.2.1). */
static uint32_t reliable_todo(const struct arrow *a)
{
	if (a->ev == EV_TIMER_RETRANSMIT)
		return 0;
	return a->todo & ~(uint32_t)DO_START_RETRANSMIT;
}

static void check_figure(enum tm_kind kind, const struct arrow *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK_ROW(arrow_of(rows, n, rows[i].s, rows[i].ev) == &rows[i], rows[i].source);	/* one arrow for each */
	for (int s = 0; s < TM_STATES; s++)
		for (int ev = 0; ev < EV_COUNT; ev++) {
			const struct arrow *a = arrow_of(rows, n, s, ev);
			struct tm_step      udp = tm_step(kind, s, ev, false), tcp = tm_step(kind, s, ev, true);
			char                none[48];

			snprintf(none, sizeof(none), "no arrow: state %d event %d", s, ev);
			CHECK_ROW(udp.next == (a ? a->next : (enum tm_state)s), a ? a->source : none);
			CHECK_ROW(udp.todo == (a ? a->todo : 0), a ? a->source : none);
			CHECK_ROW(tcp.next == udp.next, a ? a->source : none);
			CHECK_ROW(tcp.todo == (a ? reliable_todo(a) : 0), a ? a->source : none);
		}
}

TEST(invite_client_follows_rfc_6026_figure_5)
{
	check_figure(TM_ICT, ict_udp, COUNT_OF(ict_udp));
}

TEST(non_invite_client_follows_rfc_3261_figure_6)
{
	check_figure(TM_NICT, nict_udp, COUNT_OF(nict_udp));
}

TEST(invite_server_follows_rfc_6026_figure_7)
{
	check_figure(TM_IST, ist_udp, COUNT_OF(ist_udp));
}

TEST(non_invite_server_follows_rfc_3261_figure_8)
{
	check_figure(TM_NIST, nist_udp, COUNT_OF(nist_udp));
}

TEST(lingering_lasts_as_long_as_rfc_3261_table_4_says)
{
	static const struct {
		enum tm_kind  kind;
		enum tm_state s;
		uint32_t      udp, tcp;
		const char   *timer;
	} rows[] = {
		{ TM_ICT, TM_COMPLETED, 32000, 0, "D: > 32s for UDP, 0s for TCP" },
		{ TM_ICT, TM_ACCEPTED, 32000, 32000, "M: 64*T1 (RFC 6026 §8.11)" },
		{ TM_NICT, TM_COMPLETED, 5000, 0, "K: T4 for UDP, 0s for TCP" },
		{ TM_IST, TM_CONFIRMED, 5000, 0, "I: T4 for UDP, 0s for TCP" },
		{ TM_IST, TM_ACCEPTED, 32000, 32000, "L: 64*T1 (RFC 6026 §8.11)" },
		{ TM_NIST, TM_COMPLETED, 32000, 0, "J: 64*T1 for UDP, 0s for TCP" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK_ROW(tm_linger_ms(rows[i].kind, rows[i].s, false) == rows[i].udp, rows[i].timer);
		CHECK_ROW(tm_linger_ms(rows[i].kind, rows[i].s, true) == rows[i].tcp, rows[i].timer);
	}
}

/* --- when (deadline.c) --- */

static uint32_t next_at(const struct machine *m)
{
	uint32_t at[] = { m->retransmit_at, m->timeout_at, m->linger_at }, first = 0;

	for (size_t i = 0; i < COUNT_OF(at); i++)
		if (at[i] && (!first || at[i] < first))
			first = at[i];
	return first;
}

/* A machine that is left to itself until it ends: each of its timers at its time, and no other. */
static void check_alone(struct machine *m, const uint32_t *retransmits, uint32_t end, const char *what)
{
	enum tm_event ev;
	uint32_t      at = 0;

	while (next_at(m)) {
		CHECK_ROW(next_at(m) > at, what);
		at = next_at(m);
		CHECK_ROW(!machine_due(m, at - 1, &ev) && machine_due(m, at, &ev), what);
		if (ev == EV_TIMER_RETRANSMIT)
			CHECK_ROW(at == 1 + *retransmits++, what);
		machine_feed(m, ev, at);
	}
	CHECK_ROW(m->state == TM_TERMINATED && at == 1 + end && !*retransmits, what);
}

TEST(timers_fire_when_rfc_3261_table_4_says)
{
	static const struct {
		enum tm_kind  kind;
		enum tm_event ev[3];	/* at once, after the start; 0 (EV_REQUEST): none */
		bool          reliable;
		uint32_t      retransmits[12], end;
		const char   *what;
	} rows[] = {
		{ TM_ICT, { 0 }, false, { 500, 1500, 3500, 7500, 15500, 31500 }, 32000, "A doubles, B at 64*T1 (§17.1.1.2)" },
		{ TM_ICT, { 0 }, true, { 0 }, 32000, "B alone" },
		{ TM_ICT, { EV_2XX }, false, { 0 }, 32000, "M" },
		{ TM_ICT, { EV_1XX, EV_2XX }, true, { 0 }, 32000, "M for all transports" },
		{ TM_ICT, { EV_1XX, EV_FINAL }, false, { 0 }, 32000, "D" },
		{ TM_NICT, { 0 }, false, { 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 }, 32000, "E doubles up to T2, F (§17.1.2.2)" },
		{ TM_NICT, { EV_1XX }, false, { 500, 4500, 8500, 12500, 16500, 20500, 24500, 28500 }, 32000, "E at T2 in Proceeding" },
		{ TM_NICT, { 0 }, true, { 0 }, 32000, "F alone" },
		{ TM_NICT, { EV_FINAL }, false, { 0 }, 5000, "K" },
		{ TM_IST, { EV_SEND_FINAL }, false, { 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500 }, 32000, "G, H (§17.2.1)" },
		{ TM_IST, { EV_SEND_FINAL }, true, { 0 }, 32000, "H alone" },
		{ TM_IST, { EV_SEND_FINAL, EV_ACK }, false, { 0 }, 5000, "I" },
		{ TM_IST, { EV_SEND_1XX, EV_SEND_2XX }, true, { 0 }, 32000, "L for all transports" },
		{ TM_NIST, { EV_SEND_FINAL }, false, { 0 }, 32000, "J" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool           client = rows[i].kind == TM_ICT || rows[i].kind == TM_NICT;
		struct machine m;

		machine_init(&m, rows[i].kind, rows[i].kind == TM_IST ? TM_PROCEEDING : TM_TRYING, rows[i].reliable);
		if (client)
			machine_start(&m, 1);
		for (size_t n = 0; n < COUNT_OF(rows[i].ev) && rows[i].ev[n]; n++)
			machine_feed(&m, rows[i].ev[n], 1);
		check_alone(&m, rows[i].retransmits, rows[i].end, rows[i].what);
	}
}
