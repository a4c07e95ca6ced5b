#pragma once
/* Private to core/tm: what a transaction is made of, and how its files speak to each other.
 *
 * Every entry point does the same: find the transaction, lock it, let the `_locked` functions feed the machines and note in a
 * `struct acts` what has to be done, set the timer, unlock, and then act (send). A process that is killed after the unlock loses
 * a sending at most, which the machines repeat. */
#include "base/clock.h"
#include "net/mailbox.h"
#include "net/trail.h"
#include "shm/counter.h"
#include "shm/lock.h"
#include "shm/shm.h"
#include "tm/tm.h"

/* --- machines: one transaction's state and its timers (deadline.c) --- */

/* Times are milliseconds after the birth of the transaction, 0: not running. 32 bits last 49 days. */
struct machine {
	uint32_t retransmit_at;	/* A, E, G */
	uint32_t interval_ms;	/* its present length */
	uint32_t timeout_at;	/* B, F, H, or the wait after a CANCEL */
	uint32_t linger_at;	/* D, I, J, K, L, M */
	uint8_t  kind;		/* enum tm_kind */
	uint8_t  state;		/* enum tm_state */
	bool     reliable;
};
void machine_init(struct machine *m, enum tm_kind kind, enum tm_state s, bool reliable);
/* A client's first send: Timers A and B, or E and F. */
void machine_start(struct machine *m, uint32_t now);
/* One event: the new state and its timers are set, the rest of what is to be done is the answer (enum tm_todo). */
uint32_t machine_feed(struct machine *m, enum tm_event ev, uint32_t now);
/* A timer that is due, taken off: true and its event. */
bool machine_due(struct machine *m, uint32_t now, enum tm_event *ev);
void machine_end(struct machine *m);
/* Waiting for its final answer (clients), or still owing one (servers)? */
static inline bool machine_open(const struct machine *m)
{
	return m->state == TM_TRYING || m->state == TM_PROCEEDING;
}

/* --- the objects; shared slab --- */

/* Addresses of a branch that have not been tried yet. */
struct hops {
	uint8_t     count;
	struct flow to[];
};

/* A client transaction: one request sent downstream, and the CANCEL for it. Guarded by its trans's lock. */
struct branch {
	struct branch *next;
	struct list    waiting;		/* of those for which the loss of a connection matters (peers.c); guarded by its chain's lock */
	uint64_t       trans_id;	/* constant once it is in there */
	struct flow    to;
	struct str     sent;		/* the request; after a non-2xx final of an INVITE its ACK; none when neither is needed. Own object */
	struct machine m;
	struct machine cancel;		/* terminated: none was sent, or it is over */
	struct hops   *rest;		/* addresses to try when this one fails; NULL: none. Own object, handed on */
	uint32_t       timer_c_at;
	uint32_t       first_at;	/* the end of its patience, unless there is any answer before */
	uint8_t        index;
	uint8_t        target;		/* the index of the first that was tried: which branch this is to the user */
	uint8_t        round;		/* of forking, to which its answer counts */
	uint32_t       mark;		/* the user's */
	bool           sent_is_ack;
	bool           cancel_asked;	/* sent as soon as a provisional answer has come (RFC 3261 §9.1) */
	bool           heard;		/* there was an answer, of whatever kind */
	bool           told;		/* the user has heard that it timed out */
	bool           abandoned;	/* given up before its transaction has ended: only a late 2xx still counts */
	bool           elsewhere;	/* another branch answered with 2xx: the CANCEL tells so (RFC 3326) */
};

/* The best final answer of a round. */
struct best {
	uint16_t   status;	/* 0: none yet */
	uint8_t    branch;
	struct str bytes;	/* as it goes upstream; none: our own, or sent already. Own object */
};

/* Who decides what becomes of the outcome. */
enum run_phase {
	RUN_ACTIVE,	/* a run of a script, which is being executed */
	RUN_WAITING,	/* it waits for the outcome */
	RUN_POSTED,	/* the outcome is on its way to it */
	RUN_PARKED,	/* it waits for something else */
	RUN_GONE	/* nobody: the outcome is sent upstream */
};
struct run {
	uint32_t id;
	uint32_t incarnation;	/* of the process in `slot` */
	uint32_t give_up_at;	/* waiting: cancel the branches; parked: answer without it. 0: never */
	uint16_t slot;
	uint8_t  phase;
};

/* A server transaction with its branches. `refs` counts: the table while it is linked, the armed timer, the letter while it is
 * posted, and whoever works on it, each counted in the critical section in which it is linked, armed, posted, or taken in hand (hand.h). A run
 * has none: as long as it holds the transaction, that stays in the table. */
struct trans {
	struct list   link;		/* guarded by the bucket's lock, and by `lock` too: `linked` */
	uint32_t      refs;		/* atomic */
	/* constant */
	uint64_t      id;		/* in the branch ids; its low bits lead to the bucket */
	uint64_t      hash;		/* of the key */
	uint64_t      tag;		/* our To tag */
	uint64_t      born_ms;
	uint64_t      call;	/* its number in the trail */
	struct flow   back;		/* where answers go; .via NULL: nowhere */
	struct str    request, key, method;	/* behind this struct */
	/* guarded by `lock` */
	struct lock   lock;		/* RANK_TRANS */
	struct timer  timer;		/* of the earliest deadline, or one that has moved meanwhile */
	struct mail   letter;		/* to the process of the run */
	struct machine m;		/* IST or NIST */
	struct run    run;
	struct branch *branches;
	struct best   best;
	struct str    last;		/* the answer to send again; none with a status_up: written anew from `request`. Own object */
	struct str    cancel_reason;	/* Reason of the CANCELs (RFC 3326). Own object */
	struct tm_notes *notes;		/* the user's; NULL: none. Own object */
	struct tm_witness *witness;	/* NULL: nobody keeps account. Own object */
	uint32_t      mark;		/* the user's, for the next branches */
	uint32_t      trying_at;	/* 100 goes out by itself */
	uint16_t      status_up;	/* of the last answer sent upstream; 0: none */
	uint8_t       n_branches;	/* all that were made, also for further addresses */
	uint8_t       n_forks, round;
	bool          linked, armed;
	bool          held;		/* by its run, from tm_create() to tm_leave() or the death of its process */
	bool          forking;		/* between tm_fork_begin() and _end() */
	bool          forked;		/* this round has a branch */
	bool          decided;		/* this round has its outcome */
	bool          cancelled, timed_out;
	bool          one_choice;	/* the rounds have their best answer in common */
};

/* --- what to do after the unlock (act.c); message lifetime --- */

enum act_kind { ACT_SEND, ACT_OWN_REPLY, ACT_CANCEL, ACT_ACK, ACT_TIMEOUT };
struct act;
struct acts {
	struct ctx    *c;
	struct trans  *t;	/* the caller's reference, or its run's */
	struct msg    *answer;	/* the one being handled: ACKs are made from it */
	struct act    *first, **last;
};
void acts_init(struct acts *a, struct ctx *c, struct trans *t);
/* The text must live until acts_run(): the message's, or in the arena. */
void acts_send(struct acts *a, const struct flow *to, struct str text);
/* Shared bytes, which may be gone by then: copied. */
void acts_send_copy(struct acts *a, const struct flow *to, struct str bytes);
void acts_own_reply(struct acts *a, uint16_t status);
void acts_cancel(struct acts *a, struct branch *b);
void acts_ack(struct acts *a, struct branch *b);
/* The user hears of it: struct tm_timeout. */
void acts_timeout(struct acts *a, const struct flow *peer, const char *timer, bool goes_on);
void acts_run(struct acts *a);
/* The kept request, parsed, with received and rport as it arrived. */
MUST_CHECK enum err kept_parse(struct trans *t, struct ctx *c, struct msg *m);
/* An answer of our own; .p NULL on no memory. An empty r->to_tag becomes the transaction's (not for 100). */
MUST_CHECK struct str own_reply(struct trans *t, struct ctx *c, struct msg *m, const struct reply *r);
/* The whole of a message with its edits, in its arena; .p NULL on no memory. */
MUST_CHECK struct str msg_text(const struct msg *m);
void send_text(struct ctx *c, const struct flow *to, struct str bytes);
/* That a branch is given up, into the trail: "what 192.0.2.1:5060". */
void note_timer(const struct trans *t, const struct flow *to, const char *what);

/* Memory and context of a handler that has no message. */
struct scratch {
	struct ctx   c;
	struct arena arena;
	char         room[8 * 1024];
};
void scratch_init(struct scratch *s);
void scratch_free(struct scratch *s);

/* --- table.c --- */
shm_owner tm_owner(void);
/* The key by which a request finds its transaction, as if its method were `method`; .p NULL on no memory. */
MUST_CHECK struct str key_of(struct msg *m, struct str method);
/* In hand (trans_drop), or NULL. Transactions that have ended are passed over. */
struct trans *table_find(struct str key);
struct trans *table_find_id(uint64_t id);
/* Link it, or answer the one that has the same key, in hand. */
struct trans *table_link(struct trans *t);
/* Unlink; drops the table's reference. The caller has one, too. */
void table_unlink(struct trans *t);
/* Call fn for every transaction, with a reference in hand and no lock held. */
void table_each(void (*fn)(struct trans *t));
/* To be linked or freed in the same critical section; NULL on no memory. */
MUST_CHECK struct trans *trans_new(struct msg *m, struct str key, const struct flow *from);
void trans_free(struct trans *t);

/* --- references; in a critical section --- */
/* Counted for what refers to it in shared memory. */
void trans_ref(struct trans *t);
/* One that was counted so is in hand now. */
void trans_hold_ref(struct trans *t);
/* Another one, in hand. */
struct trans *trans_hold(struct trans *t);
/* What is in hand is given back; anywhere. NULL is fine. */
void trans_drop(struct trans *t);

/* Each process reads the clock once a turn, so another's may be some milliseconds behind the birth. 0 means "not running". */
static inline uint32_t trans_now(const struct trans *t)
{
	uint64_t now_ms = clock_ms();

	return now_ms > t->born_ms ? (uint32_t)(now_ms - t->born_ms) + 1 : 1;
}

/* Free a text that is an object of its own; it is none afterwards. */
void text_free(struct str *s);

/* --- deadline.c --- */
void deadline_fire(struct timer *timer);
/* See to it that the timer fires when the earliest deadline is due, at the latest. */
void deadline_set_locked(struct trans *t);

/* --- server.c --- */
/* The final answer goes upstream. `text` is what is sent; `kept`, an own object, is handed over and sent again when asked
 * for (and sent now where there is no text). Without both it is our own, by its status, made when needed. False: no answer
 * may be sent any more. A 408 to a non-INVITE ends the transaction without one (RFC 4320 §4.2). A 2xx to an INVITE may be sent even after that is over. */
bool server_final_locked(struct trans *t, struct acts *a, uint16_t status, struct str text, struct str kept);
/* A 1xx; an empty text: our own 100. False: not any more, or not to a non-INVITE. */
bool server_provisional_locked(struct trans *t, struct acts *a, uint16_t status, struct str text);
/* A text that is to be sent again if need be, else none. */
struct str server_keep(const struct trans *t, uint16_t status, struct str text);
void server_send_again_locked(struct trans *t, struct acts *a);
/* An answer could not be sent. */
void server_undelivered(struct msg *m);
/* End without an answer: the caller's retransmission starts anew. */
void server_forget_locked(struct trans *t);
static inline bool server_is_final(const struct trans *t)
{
	return t->status_up >= 200;
}
/* Given up, but the caller was not told (RFC 4320 §4.2), so that a late 2xx may still be passed on. */
static inline bool server_untold(const struct trans *t)
{
	return t->m.kind == TM_NIST && t->m.state == TM_COMPLETED && t->status_up == 408;
}

/* --- branch.c --- */
/* The part of tm_boot() that branches need. */
MUST_CHECK enum err branch_boot(void);
struct branch *branch_at(const struct trans *t, unsigned index);
/* Its answer still counts for the present round? */
static inline bool branch_counts(const struct trans *t, const struct branch *b)
{
	return b->round == t->round && !b->abandoned && machine_open(&b->m);
}
void branch_free(struct branch *b);
/* With its own copy of `text`; NULL on no memory. */
MUST_CHECK struct branch *branch_new(const struct trans *t, unsigned index, const struct flow *to, struct str text);
/* Its timers run from now on. */
void branch_start_locked(struct trans *t, struct branch *b);
/* So that an ICMP error finds it. */
void branch_remember(uint64_t id, unsigned index, const struct flow *to);
bool branch_may_fork_locked(const struct trans *t);
enum { BRANCH_ID_BYTES = 48, BRANCH_MOST_TRIES = 250, BRANCH_USER_BYTES = 17 };
/* Nothing, or what the user may write behind an id: a dot and 16 hexadecimal digits. */
bool branch_user_part_ok(struct str part);
struct str branch_id_write(uint64_t id, unsigned index, char room[BRANCH_ID_BYTES]);
/* Timers of one branch. */
void branch_due_locked(struct trans *t, struct branch *b, struct acts *a, uint32_t now);

/* --- peers.c --- */
MUST_CHECK enum err peers_boot(void);
/* A branch over a connection waits for its first answer, or, if it is no INVITE, for the final one. Nothing for datagrams. */
void peers_add(const struct trans *t, struct branch *b);
void peers_remove(struct branch *b);
/* Take off some of those that wait for this peer, `most` at a time; 0: there are no more. */
struct waiting {
	uint64_t id;
	unsigned index;
};
size_t peers_take(const struct flow *to, struct waiting *out, size_t most);

/* --- failover.c --- */
/* The addresses in their order, which of them is tried first, and what it is sent. `text` is for to[0]; ERR_NOMEM. */
enum { HOPS_MOST = 2 * TM_MOST_HOPS };	/* each by TCP and by UDP */
struct first_hop {
	struct flow to[HOPS_MOST];
	size_t      count, at;
	struct str  text;
};
MUST_CHECK enum err first_hop(const struct trans *t, struct ctx *c, unsigned index, const struct flow *to, size_t count, struct str text, struct first_hop *out);
/* All but one; NULL where nothing is left. Without memory there is no other address. */
struct hops *hops_but(const struct flow *list, size_t n, size_t but);
/* This address has failed: true when the next one is being tried. */
bool failover_locked(struct trans *t, struct branch *b, struct acts *a);

/* --- best.c --- */
struct answer {
	uint16_t   status;
	uint32_t   retry_after_s;	/* of a 503; 0: none */
	struct str text;	/* as it goes upstream; none: ours */
	struct str joins;	/* its fields that go with those of the answer that is held: challenges, or contacts of a redirect */
};
void best_offer_locked(struct trans *t, unsigned branch, const struct answer *an);
/* An answer of our own: this status and nothing else. */
void best_set_locked(struct trans *t, uint16_t status);
void best_clear_locked(struct trans *t);
/* Send it upstream: the final answer. */
void best_send_locked(struct trans *t, struct acts *a);

/* --- witness.c: what is told to who keeps account; nothing where nobody does --- */
void witness_branched(struct trans *t, const struct branch *b);
void witness_branch_over(struct trans *t, const struct branch *b, uint16_t status, bool own);
/* Before the answer is noted (status_up). */
void witness_answered(struct trans *t, const struct acts *a, uint16_t status, struct str text);
void witness_gone(struct tm_witness *w);

/* --- cancel.c --- */
void cancel_branch_locked(struct trans *t, struct branch *b, struct acts *a);
/* All that are open; `elsewhere`: since a 2xx came from another. */
void cancel_open_locked(struct trans *t, struct acts *a, bool elsewhere);
/* The CANCEL that was asked for may go now. */
void cancel_send_locked(struct trans *t, struct branch *b, struct acts *a);

/* --- wait.c --- */
/* All branches of the round have ended: its outcome is sent upstream or posted to the run that waits. */
void round_decide_locked(struct trans *t, struct acts *a);
void run_wake_locked(struct trans *t);
bool run_lost_locked(const struct trans *t);
/* Nobody decides any more: what is undecided takes its default course. */
void run_gone_locked(struct trans *t, struct acts *a);
void run_due_locked(struct trans *t, struct acts *a);
const struct tm_user *tm_user(void);
void letter_read(struct mail *m);

/* --- counters --- */
struct tm_counters {
	struct counter alive, open, begun, branches, absorbed, retransmissions, timeouts, unreachable, cancelled, no_ack, strays,
		no_memory, adopted, failovers, lost_answers;
};
extern struct tm_counters tm_count;
