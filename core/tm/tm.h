#pragma once
/* The transaction table: one in shared memory, the truth for all workers.
 *
 * A `struct trans` is a server transaction and the client transactions (branches) that were forked from it, guarded by one lock
 * (RANK_TRANS) and reference-counted. Its request is kept as received (the one copy a stateful request costs); a branch keeps the
 * bytes it sent and the best answer it got. Any worker may handle any message or timer of it.
 *
 * A script run that waits for the outcome stays in its worker's private memory; the transaction knows it as (slot,
 * incarnation, run number). When the outcome is there, it is posted to that worker. If the run is gone with its worker, the
 * transaction goes on with the default behaviour: the best answer is sent on.
 *
 * Decide under the lock, act (send, post, call up) after it. */
#include "base/log.h"
#include "msg/msg.h"
#include "net/net.h"
#include "tm/step.h"

struct trans;

enum {
	TM_MOST_BRANCHES = 16,
	TM_MOST_HOPS = 8,	/* addresses of one branch, tried one after the other */
};

/* The outcome of forking: the best answer by RFC 3261 §16.7 step 6, or our own 408/503/500. */
struct tm_outcome {
	uint16_t   status;
	struct str reason;	/* in the arena given to tm_outcome() */
	bool       cancelled;	/* the caller sent CANCEL */
	bool       timed_out;	/* the time given to tm_wait() ran out */
	bool       sent;	/* a 2xx (or the 487 of a CANCEL): already on its way upstream */
	unsigned   branch;	/* which branch answered, from 0; its addresses are one branch */
};

/* A peer of a transaction that said nothing for too long. */
struct tm_timeout {
	struct str         request;	/* what the caller sent, as kept */
	const struct flow *peer;
	const char        *timer;	/* "branch_timeout"; RFC 3261 table 4: "B", "F", "C", "H"; "CANCEL": no final answer after it (§9.1) */
	bool               goes_on;	/* the next address of the branch is being tried */
};

struct tm_user {
	/* The outcome for a waiting run of this process. False: there is no such run (any more); the default behaviour follows.
	 * Called from the loop, no lock held. */
	bool (*outcome)(struct trans *t, uint32_t run);
	/* A chance to change an answer before it is sent upstream or, a final one, held (reply_route). May be NULL. `m` has our Via removed and is
	 * the message that tm_response() was given. False: it is not sent on; a final one is all the same. No lock held. */
	bool (*passing)(struct trans *t, struct msg *m, unsigned branch);
	/* Once for each transaction with a peer that has timed out. May be NULL. No lock held. */
	void (*timeout)(struct ctx *c, const struct tm_timeout *what);
};

/* Who keeps account of what becomes of a transaction: the beginning of an object of the user's in shared memory, which the transaction owns. All but
 * `gone` are called under the transaction's lock: they may take locks of a rank above RANK_TRANS and post letters. */
struct tm_witness {
	const struct tm_testimony *tell;	/* lies at the same address in every process */
};
struct tm_testimony {
	/* A branch was sent to that Request-URI; not once more for its further addresses. */
	void (*branched)(struct tm_witness *w, unsigned branch, struct str uri);
	/* Its final answer; `own`: what we say in the place of one that did not come (408, 503). */
	void (*branch_over)(struct tm_witness *w, unsigned branch, uint16_t status, bool own);
	void (*cancelled)(struct tm_witness *w);
	/* The first final answer upstream (of a non-INVITE also the 408 that nobody is told). `answer`: the branch's, of a 2xx; NULL: ours, or one that was
	 * held. `text`: all of it; empty: ours, with the standard phrase. */
	void (*answered)(struct tm_witness *w, uint16_t status, struct msg *answer, struct str text);
	/* The transaction is freed, or has another witness. No lock held, in a critical section (shm/lock.h). */
	void (*gone)(struct tm_witness *w);
};

/* Supervisor, before the fork; buckets: a power of two. The timer and mailbox floors are booted before. */
MUST_CHECK enum err tm_boot(unsigned buckets);
void tm_set_user(const struct tm_user *u);

/* --- what arrives (all need a message that msg_check() found good) --- */
/* A request that belongs to a server transaction: a retransmission (its last answer is sent again). True: dealt with.
 * Not for ACK and CANCEL. A request whose run died with its worker before anything was sent upstream or downstream is
 * forgotten here and false is answered, so that this retransmission starts anew. */
bool tm_absorb(struct msg *m, const struct flow *from);
/* ACK: true when it was for a non-2xx final (consumed, §17.2.1). False: a 2xx's ACK, to be routed. */
bool tm_ack(struct msg *m);
/* CANCEL (§9.2, §16.10): true when its INVITE is known: answered 200, branches cancelled, the caller gets 487. False: to be
 * answered 481 or forwarded statelessly. The run that waits is told at the outcome. */
bool tm_cancel(struct ctx *c, struct msg *m, const struct flow *from);
/* A response: true when it belongs to a branch of ours (also late ones, which are absorbed). False: a stray; drop it, unless its branch
 * was made for stateless forwarding. */
bool tm_response(struct ctx *c, struct msg *m, const struct flow *from);
/* The peer of these branches cannot be reached (ICMP, connection failure): EV_TRANSPORT_ERROR for those still waiting. */
void tm_unreachable(const struct flow *to);
/* A message of ours that did not leave (net_user.undelivered): EV_TRANSPORT_ERROR for the transaction that sent it. */
void tm_undelivered(struct str bytes, const struct flow *to);

/* --- server side --- */
/* Where the answer to a request goes (RFC 3261 §18.2.2, RFC 3581 §4): to the address it came from, at the port it came from
 * where rport asks for that, else at that of the top Via. On a connection: back over it, or when it is gone over one to the port
 * of the top Via. to->via is NULL where no answer may be sent (to a broadcast or multicast address, to port 0). */
void response_flow(const struct via *top, const struct flow *from, struct flow *to);
/* A server transaction for a new request. OK: *out, which stays for the caller until tm_leave(). ERR_EXISTS: another worker
 * was quicker, the message is absorbed. ERR_NOMEM. INVITE: 100 goes out by itself after 200 ms. */
MUST_CHECK enum err tm_create(struct ctx *c, struct msg *m, const struct flow *from, struct trans **out);
/* The run is over and has nothing more to do with it. If the process dies before, the next in its slot does this. NULL is fine. */
void tm_leave(struct trans *t);
/* Answer it. m is the request if the caller has it parsed, else NULL (the kept copy is parsed). r->to_tag may be empty: the transaction's
 * own tag is used for anything but 100. A final answer cancels branches that are still open. ERR_STATE: a final answer was
 * sent already. */
MUST_CHECK enum err tm_reply(struct trans *t, struct ctx *c, struct msg *m, const struct reply *r);
bool tm_is_cancelled(struct trans *t);
/* From now on that one; NULL: nobody. What was before is not told anew. */
void tm_set_witness(struct trans *t, struct tm_witness *w);
/* Call fn with the witness there is, under the lock. False: there is none. */
bool tm_ask_witness(struct trans *t, void (*fn)(struct tm_witness *w, void *arg), void *arg);
bool tm_is_final(struct trans *t);	/* a final answer has been sent upstream */
struct str tm_request(struct trans *t);	/* the kept bytes; live until tm_leave() */

/* --- client side --- */
/* Write the request of one branch: `branch_id` is the value for the branch parameter ("z9hG4bK…"), to which the user may add a dot and 16
 * hexadecimal digits (the second part of RFC 5393 §4.2.1). At most out->cap bytes. */
typedef void tm_build(void *arg, struct str branch_id, struct buf *out);
/* Branches made from now on carry that number of the user's, those for further addresses too; 0 to begin with. */
void tm_set_mark(struct trans *t, uint32_t mark);
uint32_t tm_branch_mark(struct trans *t, unsigned branch);
/* Between the two no outcome is decided, so that a quick answer to the first branch does not end a fork that is still
 * being made. tm_fork_end() decides when all branches have ended meanwhile; tm_wait() belongs between them. */
void tm_fork_begin(struct trans *t);
void tm_fork_end(struct trans *t);
/* More branches to those of a round that a run waits for, in the place of tm_fork_begin(). False: its outcome is there already. */
bool tm_fork_more(struct trans *t);
/* The next rounds belong to the same choice as this one (RFC 3261 §16.7: one response context for all groups of a serial fork): its best answer is
 * kept until there is a better one, and the end of the time given to tm_wait() counts as a 408. Off: each round stands for itself. */
void tm_one_choice(struct trans *t, bool on);
/* The answer that is held, as it would go upstream; .p NULL: none, or our own. In the arena. */
struct str tm_held(struct trans *t, struct arena *a);
/* The value of the Via that we put on top: "SIP/2.0/UDP host:port;branch=ID". */
void via_write(const struct listener *l, struct str branch_id, struct buf *out);
enum { VIA_BYTES = 400 };	/* holds any of ours: a host name has at most 255 bytes */
/* Our Record-Route, whole fields (RFC 3261 §16.6 step 4). Where the request leaves by another socket than it came in by, each side gets the one
 * that it can reach: RFC 5658 §5, the value for the next hop on top. secure: the Request-URI or the next hop is a SIPS URI. seal: their
 * user part, empty: none. */
void record_route_write(const struct listener *in, const struct listener *out, bool secure, struct str seal, struct buf *b);
enum { RECORD_ROUTE_BYTES = 700 };
/* One branch: builds, sends, starts its timers. bound: the most bytes build may write. ERR_STATE: cancelled or final already.
 * ERR_LIMIT: too many branches. May be called again after an outcome that was not sent (serial forking). */
MUST_CHECK enum err tm_fork(struct trans *t, struct ctx *c, const struct flow *to, tm_build *build, void *arg, size_t bound);
/* The same with several addresses (RFC 3263 §4.3), tried in their order, but that those which failed lately come last. Each is a client
 * transaction of its own; the branch has failed when all have: no answer within tm_timers.first, ICMP, no connection, 503. A request that
 * is too large for UDP goes by TCP first, where we listen for that (RFC 3261 §18.1.1). `build` puts the Via of the first one on
 * top, right behind the request line; it is changed for the others. */
MUST_CHECK enum err tm_fork_any(struct trans *t, struct ctx *c, const struct flow *to, size_t count, tm_build *build, void *arg, size_t bound);
/* This run of this process wants the outcome. most_ms (0: only Timer B/C limit it): then the open branches are cancelled, the outcome
 * is 408, timed_out. Without tm_wait() the outcome is simply sent upstream. */
void tm_wait(struct trans *t, uint32_t run, uint32_t most_ms);
/* A run is parked for something else than the outcome (database, DNS): if it is not done within most_ms, or its process dies, the
 * transaction is answered with 500 by itself (an INVITE; others are forgotten, see tm_absorb). */
void tm_park(struct trans *t, uint32_t run, uint32_t most_ms);
/* The run goes on: neither of the two holds any more. */
void tm_unpark(struct trans *t);
/* What came of it (valid after user->outcome was called, until the next tm_fork). */
void tm_outcome(struct trans *t, struct arena *a, struct tm_outcome *out);
/* The run has ended or has nothing more to say: send a held answer upstream, and later outcomes too. When nothing was forked or answered
 * it is answered with 500. */
void tm_release(struct trans *t);
/* The same, but where nothing was forked or answered it stays so: the transaction is forgotten, and a retransmission starts anew. */
void tm_drop(struct trans *t);
/* Cancel all open branches; `reason` is a Reason header value (RFC 3326) or empty. */
void tm_cancel_branches(struct trans *t, struct ctx *c, struct str reason);

/* --- notes: what the user keeps with a transaction, seen by all workers, freed with it --- */
struct tm_notes {	/* an object of its own in shared memory */
	uint32_t version;	/* 1 for the first */
	uint32_t len;
	char     bytes[];
};
/* A copy in the arena of what is newer than *version (0: none was seen), which is then that of the copy; .p NULL: nothing is. ERR_NOMEM. */
MUST_CHECK enum err tm_notes(struct trans *t, struct arena *a, uint32_t *version, struct str *out);
/* Put *own in the place of the notes of that version: true, *own is then what the caller has to free, *version the new one. False: others have been
 * put there meanwhile. */
MUST_CHECK bool tm_swap_notes(struct trans *t, struct tm_notes **own, uint32_t *version);

/* Process start: outcomes and parked runs of the dead predecessor in this slot go on with the default behaviour. */
void tm_adopt(void);
/* Branch ids we make begin with z9hG4bK and this letter; a stateless proxy's (§16.11) with TM_STATELESS. */
enum { TM_STATEFUL = 's', TM_STATELESS = 'f' };
/* How many transactions are alive (tests, gentle stop). */
size_t tm_alive(void);
/* How many of them still owe their caller a final answer. */
size_t tm_open(void);
