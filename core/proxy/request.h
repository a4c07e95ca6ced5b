#pragma once
/* A request on its way through this server: what travels from the network to the script, the modules and back.
 *
 * Message lifetime, in the private memory of one worker; if the run is parked it stays there until the run ends. Its bytes are its
 * own (copied from the receive batch once, when a script is to run). */
#include "msg/msg.h"
#include "net/net.h"
#include "tm/tm.h"

/* Where a request shall go: one entry of the target set (RFC 3261 §16.5). */
struct target {
	struct target *next;
	struct str     uri;	/* Request-URI of that branch */
	struct str     dst;	/* send it there instead (URI; $du), empty: by Route or Request-URI */
	struct str     path;	/* Path vector of the binding (RFC 3327), empty: none */
	struct flow    flow;	/* the connection it registered on; .via NULL: none */
	uint32_t       expires;	/* seconds its binding still lives, for a redirect (§21.3.3); 0: not known */
	uint16_t       q;	/* 0..1000 */
	uint32_t       after_ms;	/* joins the ringing so much later; the others go on. 0: rings in its turn */
};

/* $avp(name): what the script keeps with the request, and with its transaction (core/script/avp.c). */
struct avps;

enum req_end { REQ_OPEN, REQ_REPLIED, REQ_RELAYED, REQ_DROPPED };

struct request {
	struct ctx     c;		/* first: &r->c goes to log_*() and to the lower floors */
	struct arena   arena;
	struct msg     msg;
	struct flow    from;
	struct trans  *t;		/* NULL while stateless; our reference */
	struct target *targets;		/* empty: the Request-URI alone */
	struct str     dst;		/* $du: next hop URI of all branches, empty: none */
	struct avps   *avps;		/* NULL: none yet */
	enum req_end   end;		/* what became of it so far */
	bool           record_route;	/* asked for by the script */
	bool           in_dialog;	/* To tag: routed by its Route set */
	bool           from_us_route;	/* our own Route value was removed (loose routing) */
	bool           sealed;		/* and it proved to be of this dialog (seal.c) */
	bool           unrecorded;	/* the script wants no record of this call */
	bool           prepared;	/* Max-Forwards is counted down: once, however often it is relayed */
	bool           spiral;		/* it has been here before, with something else in it (RFC 5393 §4) */
	uint32_t       mark;		/* of the branches of the last relay */
	uint8_t        recursions;	/* how often a 3xx has been followed */
	uint8_t        breadth;		/* branches that may be open at a time (RFC 5393); once it is prepared */
	uint64_t       loop_hash;	/* of what decides where it goes, as received (RFC 5393 §4.2.1) */
	const struct listener *like;	/* which it shall leave by, where several would do */
	struct str     auth_user, auth_realm;	/* $au, $ar: after a good authenticate() */
	void          *run;		/* the script run; core/script's */
};

/* Where upper floors come in; set before the fork. */
struct proxy_user {
	/* A new request that passed validation and belongs to no transaction or dialog. Must end in a reply, a relay or a drop; owns r
	 * until request_done(r). */
	void (*request)(struct request *r);
	/* An ACK or CANCEL without a transaction here, whose INVITE may have been forwarded statelessly (§16.10, §16.11). True: taken, r is owned as
	 * above. False: it is for nobody. May be NULL. */
	bool (*follow)(struct request *r);
	/* A request within a dialog that may follow its Route set. False: it does so without further ado. True: taken, as above. May be NULL. */
	bool (*dialog)(struct request *r);
	/* An answer that is passed on, r->msg without our Via; t: NULL where it was forwarded without state. False: not, which is for provisional ones
	 * only. May be NULL. */
	bool (*reply)(struct request *r, struct trans *t, unsigned branch);
	/* tm_user.timeout. May be NULL. */
	void (*timeout)(struct ctx *c, const struct tm_timeout *what);
	/* OPTIONS to the server itself and the like are answered below; domains are the script's. Is that host one of ours? */
	bool (*is_local)(struct str host);
};
MUST_CHECK enum err proxy_boot(const struct proxy_user *u);

/* Who writes records of calls: a module, which says so at its start. Nobody after proxy_boot(). */
struct proxy_clerk {
	/* A transaction was made for that request: who keeps account of it (tm.h), NULL: nobody. */
	struct tm_witness *(*begun)(struct request *r);
	/* It is about to be relayed; r->t has a witness, or none. */
	void (*relayed)(struct request *r);
	/* It was answered for good without a transaction. */
	void (*answered)(struct request *r, uint16_t status, struct str reason);
};
void proxy_set_clerk(const struct proxy_clerk *c);

/* A Route of ours within a dialog counts only with the seal that we gave our Record-Route. */
struct seal_settings {
	bool on;
};
extern struct seal_settings dialog_seal;
/* What seals are made with: before proxy_boot(), the same in every life of the server, or dialogs do not outlive one. Without it each
 * proxy_boot() draws a key. ERR_UNSUPPORTED, ERR_NOMEM of the library. */
MUST_CHECK enum err proxy_set_secret(struct str secret, bool awaited);
/* awaited: it is one to begin with, since the right one cannot be had yet. When that comes, in any process, all seal with it, and go on to take both. Empty: there is
 * none, the first one stays. */
MUST_CHECK enum err proxy_add_secret(struct str secret);
bool proxy_secret_awaited(void);
/* From the net floor: one message. */
void proxy_received(struct str bytes, const struct flow *from);
/* From the net floor: a stream that must be closed, for the message with this header cannot be cut out (net_user.unframed). */
void proxy_unframed(struct str bytes, enum err why, const struct flow *from);
/* Worker start: relays that add targets later need its timers. */
void proxy_worker_start(struct loop *l);
/* The request and all its memory; drops the reference to its transaction. */
void request_done(struct request *r);

/* This process is stopping gently: requests outside of dialogs and transactions get 503 from now on. */
void proxy_closing(void);

/* Is it for us: our address and port, or a served domain (is_local) without a port or with one of ours? */
bool proxy_is_self(const struct uri *u);

/* Create the server transaction if there is none yet. ERR_EXISTS: it was a retransmission, the run must end silently. ERR_NOMEM: answered
 * with 503 statelessly; the run must end. */
MUST_CHECK enum err request_stateful(struct request *r);
/* Answer: through the transaction where there is one, else statelessly. headers: "Name: value\r\n"… A second final answer is refused:
 * ERR_STATE, logged. A 1xx to a stateless request makes it stateful. */
MUST_CHECK enum err request_reply(struct request *r, uint16_t status, struct str reason, struct str headers);
MUST_CHECK enum err request_reply_full(struct request *r, const struct reply *what);

/* A REGISTER on its way to a registrar: put us into its Path, with the flow it came by (RFC 3327, RFC 5626 §5.2). A request that comes with that Path as
 * its Route has this flow as its target. `at`: "host:port" where the registrar reaches us, empty: our own address. */
MUST_CHECK enum err request_add_path(struct request *r, struct str at);

/* For who serves a request as its user agent (a registrar): has it come by another branch already (RFC 3261 §8.2.2.2)? Then 482 was sent. */
bool request_merged(struct request *r);

/* In which order the targets of a request ring. What the module `forking` sets; without it all ring at once. */
enum ring {
	RING_PARALLEL,
	RING_SERIAL,		/* by q, those of the same q together (RFC 3261 §16.6) */
	RING_HUNT,		/* one after the other, by q */
	RING_ROUND_ROBIN	/* the same, beginning with another one each time */
};
struct ring_policy {
	int      ring;		/* enum ring */
	uint32_t ring_ms;	/* how long one group rings before the next */
	bool     recurse;	/* a 3xx adds its contacts to the target set (§16.7 step 4) */
	int64_t  most_recursions;	/* in the life of one request */
};
/* The policy stays the caller's and may change while the server runs. NULL: all at once. */
void proxy_set_ring(const struct ring_policy *p);

/* A chance to change what one branch sends: r is the request as that branch will write it, r->msg.ruri its Request-URI, r->dst its next hop (empty: by
 * Route or Request-URI). Called as the branch is made, possibly after request_relay() has returned. Where no branch is left the outcome is 480, or 500
 * when one has failed. */
enum branch_wish { BRANCH_SEND, BRANCH_REFUSED, BRANCH_FAILED };
typedef enum branch_wish relay_branch(void *arg, struct request *r);

/* Relay to the target set, transaction-stateful (§16.6). */
struct relay_opts {
	bool     wait;		/* call `done` with the outcome; else when the branches have been started (or could not be) */
	uint32_t run;		/* identity of the waiting run (tm_wait) */
	uint32_t timeout_ms;	/* 0: only the transaction's own limits */
	relay_branch *branch;	/* NULL: all alike */
	void       *branch_arg;
	uint32_t    mark;	/* of its branches: proxy_user.reply finds it by tm_branch_mark() */
	struct str to;		/* send to this URI instead of the target set's next hops; empty: none */
};
/* `done` is always called, once, in this worker, possibly before this returns. err: OK; with opts.wait the outcome is then in *out. When nothing
 * could be forked: the outcome is 408/503/483/404 … that was not sent upstream (opts.wait), or has been (else). */
typedef void relay_done(void *arg, const struct tm_outcome *out);
void request_relay(struct request *r, const struct relay_opts *opts, relay_done *done, void *arg);
/* Statelessly to its next hop (§16.11), or to the URI `to` where that is not empty. Answers with 4xx/5xx by itself when that is not
 * possible. The request is not needed any longer when this returns. */
void request_forward(struct request *r, struct str to);

/* Target set. Texts are copied into the request's arena. */
MUST_CHECK enum err request_add_target(struct request *r, const struct target *t);
void request_clear_targets(struct request *r);

/* Runs of this process that wait for an outcome find it here (tm_user.outcome). */
bool proxy_outcome(struct trans *t, uint32_t run);
