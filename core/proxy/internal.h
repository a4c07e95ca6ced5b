#pragma once
/* What the files of this floor share among themselves. */
#include "base/hash.h"
#include "net/trail.h"
#include "proxy/request.h"
#include "shm/counter.h"

/* --- request.c --- */
/* From the pool; NULL on no memory. */
MUST_CHECK struct request *request_new(const struct flow *from);
void request_pool_free(void);

/* --- boot.c --- */
const struct proxy_user *proxy_user(void);
const struct proxy_clerk *proxy_clerk(void);	/* NULL: there is none */
/* Secret of this life of the server: tags and stateless branches. The same in all workers. */
const struct hash_key *proxy_key(void);

/* --- watch.c --- */
/* What arrived, into the trail; from here on r->c.call is the call's number. After the parse, however that ended. */
void trail_received(struct request *r);

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
/* Edits that every forwarded copy needs, made once: Max-Forwards counted down (§16.6 step 3), Max-Breadth taken off. */
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

/* --- seal.c --- */
MUST_CHECK enum err seal_boot(void);
enum { SEAL_BYTES = 16 };
/* What our Record-Route of this request says to prove itself later; empty where that is not wanted. */
struct str seal_write(struct msg *m, char room[SEAL_BYTES]);
/* Does the URI of our Route value prove that we recorded it when the dialog of this request began? */
bool seal_good(struct msg *m, const struct uri *u);

/* --- path.c --- */
/* The flow that our Path value names. ERR_NOT_FOUND: none; ERR_STATE: not written by us in this life, or it is gone. */
MUST_CHECK enum err flow_token_read(const struct uri *u, struct flow *out);

/* --- copy.c --- */
/* A copy of a request for one branch: Via, Record-Route and Max-Breadth of its own on top of the rest. */
struct copy {
	struct request        *r;
	const struct listener *via;	/* which it leaves by */
	struct str             ruri;
	unsigned               breadth;	/* RFC 5393: how many branches may grow from it at a time */
	bool                   secure;	/* Request-URI or next hop is a SIPS URI */
};
enum { COPY_FIELDS_BYTES = 1200 };	/* holds any of ours: a host name has at most 255 bytes */
void copy_write(const struct copy *c, struct str branch_id, struct buf *out);
bool is_secure(struct str uri);
/* What the request's Max-Breadth allows to all of its branches together, into r->breadth; 60 where it says nothing or more (RFC 5393
 * §5.3.3). The field is taken off: each copy gets its own. */
void breadth_take(struct request *r);

/* --- ring.c --- */
MUST_CHECK enum err ring_boot(void);
const struct ring_policy *ring_policy(void);
/* The target set in the order in which it shall ring, in the request's arena; *count of them. Without targets it is the Request-URI. NULL: no
 * memory. */
MUST_CHECK const struct target **ring_order(struct request *r, size_t *count);
/* The end of the group that begins at `at`. */
size_t ring_group_end(const struct target **order, size_t at, size_t count);
/* Replace the target set by the contacts of a 3xx (§16.7 step 4, §8.1.3.4) that have not been tried. False: there are none. */
bool ring_recurse(struct request *r, struct str answer, const struct target **tried, size_t count);

/* --- loop.c --- */
enum { SECOND_PART_BYTES = 17 };	/* ".0123456789abcdef" at the end of our branches */
uint64_t loop_hash(struct msg *m);
/* Has this request, with all that decides where it goes, been forwarded from here before? */
bool request_looped(struct request *r);
/* Did we write that Via? kind: TM_STATEFUL or TM_STATELESS. */
bool via_is_ours(const struct via *v, char kind);

/* --- merged.c --- */
MUST_CHECK enum err merged_boot(void);

/* --- locate.c --- */
/* `to`: what to try one after the other, TM_MOST_HOPS at most; at least one when err is OK. Else ERR_NOT_FOUND, ERR_TIMEOUT, ERR_IO,
 * ERR_NOMEM, ERR_UNSUPPORTED (no transport or socket for it), ERR_SYNTAX. */
typedef void locate_done(void *arg, enum err err, const struct flow *to, size_t count);
struct locate_how {
	const struct listener *like;	/* where the request came in, as preference of a socket; may be NULL */
	bool                   stable;	/* always in the same order: for who forwards without state (§4.4) */
};
/* Where to send for `uri` (RFC 3263 §4). For an address, or when all is known, `done` is called before this returns; else from the loop. */
void locate(struct str uri, const struct locate_how *how, locate_done *done, void *arg);

/* --- receive.c --- */
bool proxy_passing(struct trans *t, struct msg *m, unsigned branch);	/* tm_user.passing */

/* --- forward.c --- */
/* A response to a request that was forwarded statelessly: back to its next Via. */
void forward_response(struct request *r);

extern struct counter count_requests, count_responses, count_keepalives, count_strays, count_bad_messages, count_dropped_acks,
	count_too_many_hops, count_forwarded, count_loops, count_merged, count_too_broad, count_extensions, count_unsealed;
