#include "net/udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	BATCH = 32,			/* datagrams a system call */
	BATCHES = 4,			/* system calls before other sockets and timers get their turn */
	DATAGRAM_BYTES = 64 * 1024,
	QUEUE_BYTES = 4 * 1024 * 1024,	/* in the kernel, a socket: a second of bursts */
	ERRORS_A_TURN = 64,
};

struct socket {
	struct loop_fd         f;
	const struct listener *listener;
};

static struct {
	struct socket *socket;	/* one a listener */
	char          *room;	/* BATCH datagrams; pages that no datagram reaches are never touched */
	struct mmsghdr msg[BATCH];
	struct iovec   iov[BATCH];
	struct addr    peer[BATCH];
} rx;

/* --- opening, in the supervisor --- */

void socket_explain(const struct addr *a, int error, char *why, size_t cap)
{
	struct str at = addr_text(a, (char[ADDR_TEXT]){ 0 });

	switch (error) {
	case EADDRINUSE:
		snprintf(why, cap, STR_FMT " is in use: stop the other server or change `listen`", STR_ARG(at));
		break;
	case EADDRNOTAVAIL:
		snprintf(why, cap, STR_FMT " is not an address of this machine: change `listen`", STR_ARG(at));
		break;
	case EACCES:
		snprintf(why, cap, STR_FMT " needs privileges: start as root or take a port from 1024 on", STR_ARG(at));
		break;
	case EMFILE:
		snprintf(why, cap, STR_FMT " needs more open files than the limit allows: raise it (ulimit -n)", STR_ARG(at));
		break;
	default:
		snprintf(why, cap, STR_FMT " cannot be opened: %s", STR_ARG(at), strerror(error));
	}
}

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void set_queues(int fd)
{
	int size = QUEUE_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		set(fd, SOL_SOCKET, SO_RCVBUF, size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		set(fd, SOL_SOCKET, SO_SNDBUF, size);
}

/* A bound socket; -1 with errno. */
static int open_one(const struct addr *a, bool group)
{
	int fd = socket(a->u.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	if (a->u.any.sa_family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	} else {
		set(fd, IPPROTO_IP, IP_RECVERR, 1);
	}
	set(fd, SOL_SOCKET, SO_REUSEPORT, group);
	set_queues(fd);
	if (bind(fd, &a->u.any, addr_len(a)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Without this the kernel chooses by addresses and ports, and all that one trunk sends would go to one worker. */
static bool spread_evenly(int fd, unsigned workers)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { .len = COUNT_OF(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}

/* SO_REUSEPORT would let us join the sockets of another server of the same user: ask without it first. */
static bool nobody_there(const struct addr *a)
{
	int fd = open_one(a, false);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

enum err udp_open(const struct addr *a, unsigned workers, int *fds, char *why, size_t cap)
{
	unsigned n = 0;
	int      error;

	if (nobody_there(a))
		while (n < workers && (fds[n] = open_one(a, workers > 1)) >= 0)
			n++;
	if (n == workers && (n == 1 || spread_evenly(fds[0], workers)))
		return OK;
	error = errno;
	socket_explain(a, error, why, cap);
	while (n)
		close(fds[--n]);
	return ERR_IO;
}

/* --- receiving, in a worker --- */

/* No byte of an earlier, longer address: flows are hashed and compared. */
static struct flow flow_of(const struct socket *s, const struct addr *peer)
{
	struct flow f = { .via = s->listener };

	memcpy(&f.peer, peer, addr_len(peer));
	return f;
}

bool udp_is_fatal(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return (e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED) || e->ee_type == ICMP_PARAMETERPROB;
	return e->ee_origin == SO_EE_ORIGIN_ICMP6 && (e->ee_type == ICMP6_DST_UNREACH || e->ee_type == ICMP6_PARAM_PROB);
}

/* IP_RECVERR (ip(7)): the error's own origin is in the control message, the name is where our datagram was going. */
static bool has_failed(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			return udp_is_fatal((const struct sock_extended_err *)CMSG_DATA(c));
	return false;
}

/* One error of the queue; false: it is empty. */
static bool read_error(const struct socket *s)
{
	char          control[512] __attribute__((aligned(8)));
	struct addr   to = { 0 };
	struct msghdr m = { .msg_name = &to.u, .msg_namelen = sizeof(to), .msg_control = control, .msg_controllen = sizeof(control) };
	struct flow   f;

	if (recvmsg(s->f.fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	if (!has_failed(&m) || !m.msg_namelen)
		return true;
	net_count(COUNT_ICMP, 1);
	f = flow_of(s, &to);
	net_pass_unreachable(&f);
	return true;
}

static void pass_up(const struct socket *s, int i)
{
	struct flow f = flow_of(s, &rx.peer[i]);
	struct str  bytes = str_n(rx.room + (size_t)i * DATAGRAM_BYTES, rx.msg[i].msg_len);

	if (!bytes.len) {
		net_count(COUNT_EMPTY, 1);
		return;
	}
	net_count(COUNT_RECEIVED, 1);
	net_count(COUNT_RECEIVED_BYTES, (int64_t)bytes.len);
	net_pass_up(bytes, &f);
}

/* How many came. */
static int receive_batch(const struct socket *s)
{
	int n;

	for (int i = 0; i < BATCH; i++)
		rx.msg[i].msg_hdr.msg_namelen = sizeof(rx.peer[i]);
	n = recvmmsg(s->f.fd, rx.msg, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		pass_up(s, i);
	return n;
}

/* Receiving is tried after an error, too: it clears one that found no room in the queue, and would wake us for ever. */
static void on_socket(struct loop_fd *f, uint32_t events)
{
	const struct socket *s = CONTAINER(f, struct socket, f);

	if (events & EPOLLERR)
		for (int i = 0; i < ERRORS_A_TURN && read_error(s); i++)
			;
	for (int i = 0; i < BATCHES && receive_batch(s) == BATCH; i++)
		;
}

static bool make_room(void)
{
	size_t bytes = (size_t)BATCH * DATAGRAM_BYTES;

	if (rx.room)
		return true;
	rx.room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rx.room == MAP_FAILED) {
		rx.room = NULL;
		return false;
	}
	for (size_t i = 0; i < BATCH; i++) {
		rx.iov[i] = (struct iovec){ rx.room + i * DATAGRAM_BYTES, DATAGRAM_BYTES };
		rx.msg[i].msg_hdr = (struct msghdr){ .msg_iov = &rx.iov[i], .msg_iovlen = 1, .msg_name = &rx.peer[i].u };
	}
	return true;
}

enum err udp_start(struct loop *l)
{
	size_t n = net_listener_count();

	free(rx.socket);
	rx.socket = calloc(n ? n : 1, sizeof(*rx.socket));
	if (!rx.socket || !make_room())
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		struct socket *s = &rx.socket[i];

		s->listener = net_listener_at(i);
		s->f = (struct loop_fd){ .fd = s->listener->transport == TP_UDP ? net_socket(s->listener) : -1, .fn = on_socket };
		if (s->f.fd >= 0 && loop_add(l, &s->f, EPOLLIN))
			return ERR_IO;
	}
	return OK;
}
