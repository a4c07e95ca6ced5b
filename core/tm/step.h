#pragma once
/* Transactions as pure step functions: (state, event) -> (next state, things to do). The figures of RFC 3261 §17 as changed by
 * RFC 6026; each is a table in the tests. No clock, no memory, no side effects. */
#include <stdbool.h>
#include <stdint.h>

enum tm_state {
	TM_TRYING,	/* NICT, NIST; ICT calls it "Calling" */
	TM_PROCEEDING,
	TM_COMPLETED,
	TM_CONFIRMED,	/* IST only */
	TM_ACCEPTED,	/* ICT, IST (RFC 6026) */
	TM_TERMINATED,
	TM_STATES
};
enum tm_event {
	EV_REQUEST,	/* server: the request, received again */
	EV_ACK,		/* IST: ACK of this transaction (non-2xx) or, in Accepted, one that strayed here */
	EV_SEND_1XX, EV_SEND_2XX, EV_SEND_FINAL,	/* server: the user sends an answer; FINAL is 300-699 (NIST: 200-699 is FINAL too) */
	EV_1XX, EV_2XX, EV_FINAL,	/* client: an answer arrived (NICT: 2xx counts as EV_FINAL) */
	EV_TIMER_RETRANSMIT,		/* A, E; G at a server */
	EV_TIMER_TIMEOUT,		/* B, F; H at a server */
	EV_TIMER_LINGER,		/* D, K, M; I, J, L at a server */
	EV_TRANSPORT_ERROR,
	EV_COUNT
};
enum tm_todo {
	DO_SEND_AGAIN = 1 << 0,		/* server: the last answer; client: the request */
	DO_PASS_UP = 1 << 1,		/* hand the answer (client) to the user */
	DO_SEND_REPLY = 1 << 2,		/* server: the user's answer goes to the wire */
	DO_SEND_ACK = 1 << 3,		/* ICT: ACK to a non-2xx */
	DO_TIMED_OUT = 1 << 4,		/* tell the user: 408 (B, F), or no ACK came (H) */
	DO_FAILED = 1 << 5,		/* tell the user: transport error, 503 */
	DO_START_RETRANSMIT = 1 << 6,	/* start A, E or G at T1 */
	DO_DOUBLE_RETRANSMIT = 1 << 7,	/* A doubles without bound; E and G up to T2 */
	DO_RETRANSMIT_AT_T2 = 1 << 8,	/* NICT in Proceeding: E stays at T2 */
	DO_STOP_RETRANSMIT = 1 << 9,
	DO_START_TIMEOUT = 1 << 10,	/* start B, F or H: 64*T1 */
	DO_STOP_TIMEOUT = 1 << 11,
	DO_START_LINGER = 1 << 12,	/* start D, K, M, I, J or L; its length is tm_linger_ms() */
	DO_END = 1 << 13,		/* terminated: drop the transaction */
};
struct tm_step {
	enum tm_state next;
	uint32_t      todo;	/* set of enum tm_todo */
};
struct tm_step ict_step(enum tm_state s, enum tm_event ev, bool reliable);
struct tm_step nict_step(enum tm_state s, enum tm_event ev, bool reliable);
struct tm_step ist_step(enum tm_state s, enum tm_event ev, bool reliable);
struct tm_step nist_step(enum tm_state s, enum tm_event ev, bool reliable);

/* INVITE and non-INVITE, client and server transaction. */
enum tm_kind { TM_ICT, TM_NICT, TM_IST, TM_NIST };
/* One of the four above. */
struct tm_step tm_step(enum tm_kind kind, enum tm_state s, enum tm_event ev, bool reliable);
/* How long a transaction stays in a state that waits for repeats only: D, I, J, K, L, M. */
uint32_t tm_linger_ms(enum tm_kind kind, enum tm_state s, bool reliable);

/* RFC 3261 table 4; milliseconds, changeable at boot by the settings t1, t2, t4, timer_c. */
struct tm_timers {
	uint32_t t1, t2, t4;
	uint32_t c;		/* Timer C: over three minutes (§16.6 step 11) */
	uint32_t first;		/* how long one address may say nothing at all */
	uint32_t avoid;		/* how long one that has failed is passed over where there are others; 0: not at all */
	uint32_t trying;	/* 100 is sent by itself after this (§17.2.1: 200 ms) */
};
extern struct tm_timers tm_timers;
