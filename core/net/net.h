#pragma once
/* Sockets and messages, UDP and TCP.
 *
 * The supervisor opens every listener before the fork: one SO_REUSEPORT socket a worker, so that the queue of a dead worker is not
 * lost; for UDP with a classic-BPF program that spreads datagrams evenly even when all come from one peer.
 *
 * A TCP connection belongs to the worker that accepted or opened it. A directory in shared memory lets every worker find it; what
 * others have to send over it is handed to the owner through shared memory. */
#include "net/addr.h"
#include "net/loop.h"

/* One listening address. Boot lifetime, the same in every process. */
struct listener {
	enum transport transport;
	struct addr    addr;
	struct str     host_port;	/* "127.0.0.1:5060": sent-by of our Via, and our Record-Route; `advertise` where given */
	struct str     host;		/* the host part alone, without brackets */
	uint16_t       port;
	unsigned       index;
	unsigned       network_bits;	/* of `addr`: who shares them is on the same link; 0: not known */
};

/* Where a message came from, or goes to, and through which of our sockets. Copied freely, also into shared memory. */
struct flow {
	const struct listener *via;	/* never NULL for a usable flow */
	struct addr            peer;
	uint64_t               conn;	/* that very connection (never used again for another); 0: UDP, or whichever leads to `peer` */
	uint16_t               owner;	/* process slot that owned it when this was written */
	uint16_t               port;	/* where there is no (more) connection, open one to this port of `peer`; 0: without `conn` to the
					 * port of `peer`, with it not at all */
};

/* --- supervisor, before the fork --- */
/* "udp:127.0.0.1:5060", "tcp:[::1]:5060", "udp:*:5060" (one listener for every address of the interfaces that are up, loopback
 * included and IPv6 link-local left out, so that an answer leaves from the address that was asked; those listened to already are
 * passed over; 0.0.0.0 and [::] mean the same). Port 0: the transport's. On failure `why` (cap bytes) is a sentence that says what
 * to do ("127.0.0.1:5060 is in use: stop the other server or change `listen`"). TLS and WebSocket listeners are ERR_UNSUPPORTED for now.
 * advertise may be empty, "host" or "host:port" (then the port of `host_port`). `workers` is the same in every call. */
MUST_CHECK enum err net_listen(struct str transport, struct str host, uint16_t port, struct str advertise, unsigned workers,
			       char *why, size_t cap);
/* Limits of connections; settings, changed before the fork. */
struct network {
	struct addr net;	/* its port is of no meaning */
	unsigned    prefix;
};
struct tcp_limits {
	uint32_t connect_ms;	/* a connection that takes longer to be opened has failed */
	uint32_t message_ms;	/* a message, and a client's first, is complete within this */
	uint32_t idle_ms;	/* nothing was sent or received for so long: closed */
	uint64_t queue_bytes;	/* waiting to be sent over one connection; whoever reads slower loses it */
	uint64_t message_bytes;	/* the longest message that is received; at most MSG_MOST_BYTES */
	int64_t  connections;	/* of all workers */
	int64_t  per_source;	/* that one address (IPv6: one /64) may have opened to us */
	const struct network *proxies;	/* connections from these begin with a PROXY header, whose client is then the peer */
	size_t                n_proxies;
};
extern struct tcp_limits tcp_limits;
/* What is shared among the workers; after every shm_create() and mailbox_boot(). Without it there is no TCP. */
MUST_CHECK enum err net_boot(void);
size_t                 net_listener_count(void);
const struct listener *net_listener_at(size_t i);
void net_close_all(void);

/* Is that one of our own addresses (or advertised names) and ports? `port` 0 means the transport's default; transport TP_NONE means
 * any. */
bool net_is_local(struct str host, uint16_t port, enum transport t);
/* The listener to reach `to` from: same transport and family; one on the same network before all; then `like` (may be NULL), else the one
 * whose address is nearest; a loopback address never before another for what is not. NULL: none. */
const struct listener *net_listener_for(enum transport t, const struct addr *to, const struct listener *like);

/* --- worker --- */
/* What the upper floors do with what arrives; set once before the fork. `bytes` live in the receive batch until the call returns. */
struct net_user {
	void (*received)(struct str bytes, const struct flow *from);
	/* A stream whose next message cannot be cut out: `why` is ERR_SYNTAX (no Content-Length, or a bad one) or ERR_LIMIT (too long).
	 * `bytes` are its header as far as it goes. What is sent over `from` now still leaves, then it is closed. May be NULL. */
	void (*unframed)(struct str bytes, enum err why, const struct flow *from);
	/* An ICMP error for what was sent to `to` (UDP; the kernel tells any worker, not the one that sent), no route to it, or a
	 * connection that could not be opened, or was lost after requests were sent over it. Never called from within net_send(). */
	void (*unreachable)(const struct flow *to);
	/* A message that was to go over a connection and certainly did not. Never called from within net_send(). May be NULL. */
	void (*undelivered)(struct str bytes, const struct flow *to);
	/* That connection (flow.conn) has ended, or its owner has died. May be NULL. */
	void (*lost)(uint64_t conn);
	/* at the end of each turn of the loop, before the send batch leaves: work that was put off */
	void (*batch_end)(void);
};
void net_set_user(const struct net_user *u);
/* Register this worker's sockets (0-based worker number) in the loop. Connections of a predecessor in this slot are forgotten. */
MUST_CHECK enum err net_worker_start(struct loop *l, unsigned worker);
/* Send what is queued as far as the kernel takes it, and close this worker's connections; before loop_free(). */
void net_worker_stop(void);
/* Is that connection still there? True for flows without one. */
bool net_flow_alive(const struct flow *f);
/* Did it have a connection that has ended? False without TCP (net_boot()). */
bool net_flow_lost(const struct flow *f);

/* Queue bytes for `to`; copied into the send batch, which leaves with sendmmsg at the end of the loop's turn (or when it is
 * full), or into the queue of a connection. For TCP without `conn`: over a connection that we opened to that peer, or that came from
 * that very address and port; else a new one is opened (the spirit of RFC 5923: who connected to us gets no requests meant for
 * others by claiming an alias). ERR_LIMIT: larger than a datagram may be. Errors of the peer arrive later, by unreachable() and
 * undelivered(). */
MUST_CHECK enum err net_send(const struct flow *to, struct str bytes);
/* The same without the copy: room in the batch to write into, to be followed by net_commit() with what was written (0: nothing is
 * sent) before anything else is sent. Room for any message that was received and what a proxy adds; none when there is no memory. */
MUST_CHECK struct buf net_reserve(void);
void net_commit(const struct flow *to, size_t len);
void net_flush(void);

/* Simulation: instead of sockets, hand every outgoing message to `out`. NULL restores the sockets. Incoming ones are fed with
 * net_inject(), which calls the user's received(). Listeners are then made by net_fake_listener(). */
void net_replace(void (*out)(const struct flow *to, struct str bytes));
void net_inject(struct str bytes, const struct flow *from);
/* host: an address, "192.0.2.1/24" with the length of its network. */
MUST_CHECK const struct listener *net_fake_listener(enum transport t, const char *host, uint16_t port);
