#include <errno.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "net/tcp.h"
#include "net/udp.h"

enum {
	MESSAGES = 64,
	DATAGRAM_MOST = 65507,	/* 65535 less the headers of IPv4 and UDP */
	MESSAGE_MOST = 80 * 1024,	/* over a connection: the largest that is received, and what a proxy adds */
	ROOM = 8 * 64 * 1024,	/* messages lie one behind the other: few pages, warm in the cache */
	ALIGN = 64,
};

struct message {
	struct flow  to;
	struct iovec iov;
	bool         gathered;
};

static struct {
	char           *room;
	size_t          used;
	struct message  message[MESSAGES];
	size_t          count;
	struct mmsghdr  msg[MESSAGES];	/* of one system call, and the messages they are */
	struct message *which[MESSAGES];
	struct flow     failed[MESSAGES];	/* refused by the system: told from the loop, not from within a flush */
	size_t          failures;
	struct timer    tell;
	struct loop    *loop;
} tx;

static bool make_room(void)
{
	void *p;

	if (tx.room)
		return true;
	p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	tx.room = p == MAP_FAILED ? NULL : p;
	return tx.room != NULL;
}

/* All messages that leave through the same socket as the first, in their order. */
static size_t gather(size_t first)
{
	const struct listener *via = tx.message[first].to.via;
	size_t                 n = 0;

	for (size_t i = first; i < tx.count; i++) {
		struct message *m = &tx.message[i];

		if (m->gathered || m->to.via != via)
			continue;
		m->gathered = true;
		tx.which[n] = m;
		tx.msg[n++].msg_hdr = (struct msghdr){
			.msg_name = &m->to.peer.u, .msg_namelen = addr_len(&m->to.peer), .msg_iov = &m->iov, .msg_iovlen = 1,
		};
	}
	return n;
}

static void sent(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		net_count(COUNT_SENT_BYTES, (int64_t)tx.which[i]->iov.iov_len);
	net_count(COUNT_SENT, (int64_t)n);
}

static void refused(const struct message *m, int error)
{
	net_count(error == EMSGSIZE ? COUNT_TOO_LARGE : COUNT_FAILED, 1);
	if (!tx.loop || tx.failures == MESSAGES)
		return;
	tx.failed[tx.failures++] = m->to;
	wheel_arm(loop_wheel(tx.loop), &tx.tell, clock_ms());
}

/* UDP promises nothing: when the kernel's queue is full, what is left is dropped. Any other error may be an ICMP error of an
 * earlier datagram, which is reported to the next call on the socket and keeps it from sending (ip(7), IP_RECVERR): only what
 * fails twice has failed. */
static void send_gathered(int fd, size_t n)
{
	bool again = false;

	for (size_t at = 0; at < n;) {
		int done = sendmmsg(fd, tx.msg + at, (unsigned)(n - at), MSG_DONTWAIT);

		if (done > 0) {
			sent(at, (size_t)done);
			at += (size_t)done;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			net_count(COUNT_FULL, (int64_t)(n - at));
			return;
		} else if (again) {
			refused(tx.which[at++], errno);
		}
		again = done <= 0 && !again;
	}
}

/* Datagrams only: called in the middle of a turn, too. */
static void flush_batch(void)
{
	for (size_t i = 0; i < tx.count; i++)
		if (!tx.message[i].gathered) {
			size_t n = gather(i);

			send_gathered(net_socket(tx.message[i].to.via), n);
		}
	tx.count = 0;
	tx.used = 0;
}

void net_flush(void)
{
	flush_batch();
	tcp_flush();
}

struct buf net_reserve(void)
{
	if (!make_room())
		return buf_on(NULL, 0);
	if (tx.count == MESSAGES || tx.used + MESSAGE_MOST > ROOM)
		flush_batch();
	return buf_on(tx.room + tx.used, MESSAGE_MOST);
}

static size_t room_of(size_t len)
{
	return (len + ALIGN - 1) / ALIGN * ALIGN;
}

/* The room stays taken meanwhile: a simulation may answer at once, and so come back here. */
static void leave_by(void (*out)(const struct flow *to, struct str bytes), const struct flow *to, size_t len)
{
	size_t at = tx.used;

	tx.used += room_of(len);
	out(to, str_n(tx.room + at, len));
	tx.used = at;
}

void net_commit(const struct flow *to, size_t len)
{
	if (!len)
		return;
	if (net_exit()) {
		leave_by(net_exit(), to, len);
		return;
	}
	if (to->via->transport == TP_TCP) {
		if (tcp_send(to, str_n(tx.room + tx.used, len)))
			tcp_count(TCP_UNDELIVERED, 1);
		return;
	}
	if (len > DATAGRAM_MOST) {
		net_count(COUNT_TOO_LARGE, 1);
		return;
	}
	tx.message[tx.count++] = (struct message){ .to = *to, .iov = { tx.room + tx.used, len } };
	tx.used += room_of(len);
}

enum err net_send(const struct flow *to, struct str bytes)
{
	struct buf b;

	if (to->via->transport == TP_TCP && !net_exit())
		return tcp_send(to, bytes);
	b = net_reserve();
	if (!b.cap)
		return ERR_NOMEM;
	buf_add(&b, bytes);
	if (!buf_ok(&b) || (to->via->transport == TP_UDP && b.len > DATAGRAM_MOST))
		return ERR_LIMIT;
	net_commit(to, b.len);
	return OK;
}

static void tell_failures(struct timer *t)
{
	struct flow failed[MESSAGES];
	size_t      n = tx.failures;

	(void)t;
	memcpy(failed, tx.failed, n * sizeof(failed[0]));
	tx.failures = 0;
	for (size_t i = 0; i < n; i++)
		net_pass_unreachable(&failed[i]);
}

static void turn_end(void *arg)
{
	(void)arg;
	net_pass_batch_end();
	do
		net_flush();
	while (tcp_reap());
}

enum err send_start(struct loop *l)
{
	if (!make_room())
		return ERR_NOMEM;
	tx.loop = l;
	tx.failures = 0;
	timer_init(&tx.tell, tell_failures);
	loop_at_turn_end(l, turn_end, NULL);
	return OK;
}
