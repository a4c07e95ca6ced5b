#pragma once
/* What the files of this floor share among themselves. */
#include "base/hash.h"
#include "proxy/request.h"
#include "shm/counter.h"

/* --- request.c --- */
/* From the pool; NULL on no memory. */
MUST_CHECK struct request *request_new(const struct flow *from);
void request_pool_free(void);

/* --- boot.c --- */
const struct proxy_user *proxy_user(void);
/* Secret of this life of the server: tags and stateless branches. The same in all workers. */
const struct hash_key *proxy_key(void);

/* --- reply.c --- */
void reply_stateless(struct request *r, const struct reply *what);
/* 200 to an OPTIONS for the server itself (RFC 3261 §11.2). */
void reply_options(struct request *r);

/* --- validate.c --- */
/* RFC 3261 §16.3 steps 3 to 5, after msg_check(). True: go on. False: it was answered or dropped. */
bool request_valid(struct request *r);
void count_bad(enum msg_bad b);

/* --- route.c --- */
/* §16.4: undo strict routing, take our own values off the Route. False: malformed, answered 400. */
bool route_in(struct request *r);
/* Edits that every forwarded copy needs, made once: Max-Forwards, Record-Route (§16.6 steps 3, 4). */
MUST_CHECK enum err route_out(struct request *r);
/* The Route to put in front for one target (its Path), and §16.6 step 6 for a first hop without lr: edits the message and says the
 * Request-URI to write. route_target_undo() takes the edits back, so that the next target starts from the same. */
struct route_edit {
	struct str  ruri;	/* Request-URI of the copy */
	struct str  hop;	/* URI to send to: first Route, else the Request-URI */
	struct hdr *added_path, *added_last;
	struct str  popped;	/* strict router's value taken from the front; empty: none */
};
MUST_CHECK enum err route_target(struct request *r, struct str uri, struct str path, struct route_edit *e);
MUST_CHECK enum err route_target_undo(struct request *r, struct route_edit *e);

/* --- nexthop.c --- */
typedef void nexthop_done(void *arg, enum err err, const struct flow *to);
/* Where to send for `uri`: for an address at once, `done` being called before this returns; for a name once the answer is there, from
 * the loop. ERR_NOT_FOUND, ERR_TIMEOUT, ERR_NOMEM, ERR_UNSUPPORTED (no transport or socket for it), ERR_SYNTAX. */
void nexthop_find(struct str uri, const struct listener *like, nexthop_done *done, void *arg);

/* --- forward.c --- */
/* The value of the Via that we put on top: "SIP/2.0/UDP host:port;branch=ID". */
void via_write(const struct listener *l, struct str branch_id, struct buf *out);
enum { VIA_BYTES = 400 };	/* holds any of ours: a host name has at most 255 bytes */
/* A response to a request that was forwarded statelessly: back to its next Via. */
void forward_response(struct request *r);

extern struct counter count_requests, count_responses, count_keepalives, count_strays, count_bad_messages, count_dropped_acks,
	count_too_many_hops, count_forwarded;
