#pragma once
/* TCP: what net.c, send.c and the tcp files share. tcp.c listens, accepts and finds the connection for a message; conn.c is one
 * connection: its bytes, its times, its end. */
#include "msg/frame.h"
#include "net/directory.h"

/* --- tcp.c, for net.c and send.c --- */
void tcp_register_counters(void);
/* One listening socket a worker on that address, as a group that the kernel spreads connections over: so none of the workers gets nearly
 * all of them (as with one socket and EPOLLEXCLUSIVE), and what waits for a dead one is accepted by its successor. */
MUST_CHECK enum err tcp_open(const struct addr *a, unsigned workers, int *fds, char *why, size_t cap);
/* Accept from this worker's sockets. */
MUST_CHECK enum err tcp_start(struct loop *l);
void tcp_stop(void);
/* Queue a message. OK also where it will come back by undelivered(). ERR_NOMEM, ERR_STATE: there is no TCP (net_boot()). */
MUST_CHECK enum err tcp_send(const struct flow *to, struct str bytes);
/* Write what is queued. */
void tcp_flush(void);
/* End connections that are over and report what that means. True: there was something, which may have led to more sending. */
bool tcp_reap(void);

/* --- counters --- */
enum tcp_count {
	TCP_ACCEPTED, TCP_OPENED, TCP_RECEIVED, TCP_RECEIVED_BYTES, TCP_SENT, TCP_SENT_BYTES, TCP_PINGS, TCP_PONGS, TCP_HANDED_OVER,
	TCP_UNDELIVERED, TCP_HAND_OVER_FULL,
	/* connections that were not taken */
	TCP_REFUSED_LIMIT, TCP_REFUSED_SOURCE, TCP_REFUSED_SYSTEM,
	/* why connections ended */
	TCP_CONNECT_FAILED, TCP_CONNECT_TIMEOUT, TCP_CLOSED, TCP_LOST, TCP_IDLE, TCP_SLOW, TCP_SILENT, TCP_QUEUE_FULL, TCP_FRAMING,
	TCP_TOO_LARGE, TCP_PROXY_HEADER, TCP_STOPPED, TCP_COUNTS
};
void tcp_count(enum tcp_count what, int64_t n);

/* --- conn.c, for tcp.c --- */
/* A message on its way; private memory. */
struct outgoing {
	struct outgoing *next;
	struct flow      to;	/* as the sender said */
	size_t           len;
	char             bytes[];
};
struct outgoing *outgoing_new(const struct flow *to, struct str bytes);

enum conn_state {
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_CLOSING,	/* what is queued still leaves, what comes is ignored */
	CONN_ENDED	/* until the end of the turn */
};
/* A connection of this process; private memory. */
struct conn {
	struct loop_fd    f;
	struct loop      *loop;
	struct list       link;		/* of all */
	struct list       busy;		/* of those with something to write, or that have ended; an empty ring: not among them */
	struct timer      timer;	/* the earliest of its deadlines, or one that has moved meanwhile */
	struct entry     *entry;	/* NULL: not in the directory (any more) */
	struct flow       flow;
	enum conn_state   state;
	bool              proxied;	/* its PROXY header is still to come */
	bool              asked;	/* requests were sent over it */
	bool              writable_wanted;
	uint64_t          born_ms;
	uint64_t          since_ms;	/* an incomplete message, or a client's first, has been waited for since; 0: none */
	uint64_t          active_ms;	/* bytes went either way */
	struct outgoing  *out, **out_last;
	size_t            out_at;	/* bytes of the first that are written */
	size_t            out_cost;	/* bytes of memory that all of them take */
	char             *in;		/* what an incomplete message has so far */
	size_t            in_len, in_cap;
	struct frame_scan scan;
};
/* Both NULL with *why: they were not taken (a count). The descriptor is closed then. `proxied`: a PROXY header comes first. */
MUST_CHECK struct conn *conn_accepted(struct loop *l, int fd, const struct flow *f, bool proxied, enum tcp_count *why);
/* To f->peer, from the address of f->via. What fails at once is told at the end of the turn, as all failures. NULL with *exists: another
 * process has one by now. */
MUST_CHECK struct conn *conn_open(struct loop *l, const struct flow *f, bool *exists);
/* Queue a message, which is taken over. False: too many are waiting; the connection has ended. */
bool conn_queue(struct conn *c, struct outgoing *o);
void conn_write(struct conn *c);
/* It is over; what is left of it is reported at the end of the turn. */
void conn_end(struct conn *c, enum tcp_count why);
/* Close and free; its queue is empty. */
void conn_free(struct conn *c);
/* Connections of this process with something to do at the end of the turn. */
struct list *conn_busy(void);
struct list *conn_all(void);
MUST_CHECK enum err conn_boot(void);
