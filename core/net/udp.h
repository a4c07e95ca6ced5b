#pragma once
/* Sockets: between net.c (listeners), udp.c (receiving datagrams), send.c (the batch) and the tcp files only. */
#include "net/net.h"

/* One socket a worker on that address, as a group that the kernel spreads datagrams over. fds[workers] on success; else nothing
 * is open and `why` says what to do. */
MUST_CHECK enum err udp_open(const struct addr *a, unsigned workers, int *fds, char *why, size_t cap);
/* Why a socket cannot be opened there, as a sentence that says what to do. */
void socket_explain(const struct addr *a, int error, char *why, size_t cap);
/* Receive from this worker's sockets (net_socket) in the loop. */
MUST_CHECK enum err udp_start(struct loop *l);

/* Has what was sent failed for good? RFC 3261 §18.4: unreachable, or a parameter problem. Not where its hops were used up, nor where it was
 * too large for a link on its way: the kernel has learned that path's MTU and will send the retransmission in fragments. */
struct sock_extended_err;
bool udp_is_fatal(const struct sock_extended_err *e);

/* This worker's socket of a listener; -1: none. */
int  net_socket(const struct listener *via);
void net_pass_up(struct str bytes, const struct flow *from);
void net_pass_unframed(struct str bytes, enum err why, const struct flow *from);
void net_pass_undelivered(struct str bytes, const struct flow *to);
void net_pass_unreachable(const struct flow *to);
void net_pass_lost(uint64_t conn);
void net_pass_batch_end(void);
/* The simulation's exit; NULL: there are sockets. */
void (*net_exit(void))(const struct flow *to, struct str bytes);

/* The send batch of this worker may be used, and leaves at the end of the loop's turns. */
MUST_CHECK enum err send_start(struct loop *l);

enum net_count {
	COUNT_RECEIVED, COUNT_RECEIVED_BYTES, COUNT_EMPTY, COUNT_ICMP, COUNT_SENT, COUNT_SENT_BYTES, COUNT_FULL, COUNT_TOO_LARGE,
	COUNT_FAILED, NET_COUNTS
};
void net_count(enum net_count what, int64_t n);
