#include "net/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/mailbox.h"
#include "net/udp.h"
#include "shm/counter.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { ACCEPT_A_TURN = 64, BACKLOG = 4096, PAUSE_MS = 200 };

struct tcp_limits tcp_limits = {
	.connect_ms = 5000, .message_ms = 10000, .idle_ms = 65 * 60 * 1000, .queue_bytes = 1 << 20, .message_bytes = 65535,
	.connections = 100000, .per_source = 5000,
};

/* A message for a connection of another process; shared slab. */
struct letter {
	struct mail mail;
	struct flow to;		/* as the sender said */
	uint64_t    conn;	/* where it is to go */
	size_t      len;
	char        bytes[];
};
struct door {
	struct loop_fd         f;
	const struct listener *listener;
};

static struct {
	struct loop     *loop;		/* NULL: not started */
	struct door     *door;		/* one a listener */
	size_t           doors;
	bool             paused;	/* no descriptors left: nothing is accepted for a while */
	struct timer     pause;
	struct timer     wake;		/* something has to be reported, though no event will come */
	struct outgoing *failed, **failed_last;	/* found undeliverable in this turn */
	shm_owner        owner;
} tcp;

#define COUNTER(n, h, u) { .name = "net.tcp." n, .help = h, .unit = u }
static struct counter counts[TCP_COUNTS] = {
	[TCP_ACCEPTED] = COUNTER("accepted", "connections that clients opened", "connections"),
	[TCP_OPENED] = COUNTER("opened", "connections that we opened", "connections"),
	[TCP_RECEIVED] = COUNTER("received", "messages received", "messages"),
	[TCP_RECEIVED_BYTES] = COUNTER("received_bytes", "bytes received", "bytes"),
	[TCP_SENT] = COUNTER("sent", "messages written", "messages"),
	[TCP_SENT_BYTES] = COUNTER("sent_bytes", "bytes written", "bytes"),
	[TCP_PINGS] = COUNTER("pings", "keepalives that were answered (RFC 5626 §4.4.1)", "keepalives"),
	[TCP_PONGS] = COUNTER("pongs", "answers to keepalives, ignored", "keepalives"),
	[TCP_HANDED_OVER] = COUNTER("handed_over", "messages for connections of another worker", "messages"),
	[TCP_UNDELIVERED] = COUNTER("undelivered", "messages that could not be sent", "messages"),
	[TCP_HAND_OVER_FULL] = COUNTER("dropped_full", "not handed over, too much was waiting for that connection", "messages"),
	[TCP_REFUSED_LIMIT] = COUNTER("refused_limit", "not taken, tcp_max_connections was reached", "connections"),
	[TCP_REFUSED_SOURCE] = COUNTER("refused_source", "not taken, the source had tcp_max_per_source", "connections"),
	[TCP_REFUSED_SYSTEM] = COUNTER("refused_system", "not taken or opened, no descriptors or no memory", "connections"),
	[TCP_CONNECT_FAILED] = COUNTER("connect_failed", "could not be opened", "connections"),
	[TCP_CONNECT_TIMEOUT] = COUNTER("connect_timeout", "could not be opened within tcp_connect_timeout", "connections"),
	[TCP_CLOSED] = COUNTER("closed", "closed by the peer", "connections"),
	[TCP_LOST] = COUNTER("lost", "ended by an error of the network or the system", "connections"),
	[TCP_IDLE] = COUNTER("closed_idle", "closed, idle for tcp_idle", "connections"),
	[TCP_SLOW] = COUNTER("closed_slow", "closed, a message was not complete within tcp_message_timeout", "connections"),
	[TCP_SILENT] = COUNTER("closed_silent", "closed, the client sent nothing within tcp_message_timeout", "connections"),
	[TCP_QUEUE_FULL] = COUNTER("closed_full", "closed, the peer read too slowly (tcp_write_queue)", "connections"),
	[TCP_FRAMING] = COUNTER("closed_framing", "closed, no or a bad Content-Length", "connections"),
	[TCP_TOO_LARGE] = COUNTER("closed_too_large", "closed, a message was over tcp_max_message", "connections"),
	[TCP_PROXY_HEADER] = COUNTER("closed_proxy_header", "closed, no PROXY header where one was due", "connections"),
	[TCP_STOPPED] = COUNTER("closed_stopped", "closed when the server stopped", "connections"),
};

void tcp_register_counters(void)
{
	for (size_t i = 0; i < TCP_COUNTS; i++)
		counter_register(&counts[i]);
}

void tcp_count(enum tcp_count what, int64_t n)
{
	counter_add(&counts[what], n);
}

enum err net_boot(void)
{
	tcp.owner = shm_owner_new("connections");
	tcp_register_counters();
	return directory_boot();
}

/* --- listening, in the supervisor --- */

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* A listening socket; -1 with errno. SO_REUSEADDR: connections of an earlier life may still be in TIME_WAIT. */
static int listen_one(const struct addr *a, bool group)
{
	int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	if (a->u.any.sa_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, group);
	if (bind(fd, &a->u.any, addr_len(a)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* SO_REUSEPORT would let us join the sockets of another server of the same user: ask without it first. */
static bool nobody_there(const struct addr *a)
{
	int fd = listen_one(a, false);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

enum err tcp_open(const struct addr *a, unsigned workers, int *fds, char *why, size_t cap)
{
	unsigned n = 0;

	if (nobody_there(a))
		while (n < workers && (fds[n] = listen_one(a, true)) >= 0)
			n++;
	if (n == workers)
		return OK;
	socket_explain(a, errno, why, cap);
	while (n)
		close(fds[--n]);
	return ERR_IO;
}

/* --- accepting, in a worker --- */

static bool is_proxy(const struct addr *peer)
{
	for (size_t i = 0; i < tcp_limits.n_proxies; i++) {
		const struct network *n = &tcp_limits.proxies[i];

		if (n->net.u.any.sa_family == peer->u.any.sa_family && addr_common_bits(&n->net, peer) >= n->prefix)
			return true;
	}
	return false;
}

/* They would be reported again at once: the loop would spin. */
static void pause_doors(void)
{
	if (tcp.paused)
		return;
	tcp.paused = true;
	for (size_t i = 0; i < tcp.doors; i++)
		if (tcp.door[i].f.fd >= 0)
			loop_remove(tcp.loop, &tcp.door[i].f);
	wheel_arm(loop_wheel(tcp.loop), &tcp.pause, clock_ms() + PAUSE_MS);
}

static void open_doors(struct timer *t)
{
	(void)t;
	tcp.paused = false;
	for (size_t i = 0; i < tcp.doors; i++)
		if (tcp.door[i].f.fd >= 0 && loop_add(tcp.loop, &tcp.door[i].f, EPOLLIN)) {
			pause_doors();
			return;
		}
}

/* False: no more for now. */
static bool accept_one(const struct door *d)
{
	struct flow    f = { .via = d->listener };
	socklen_t      len = sizeof(f.peer);
	int            fd = accept4(d->f.fd, &f.peer.u.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	enum tcp_count why;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		tcp_count(TCP_REFUSED_SYSTEM, 1);
		pause_doors();
		return false;
	}
	if (fd < 0)
		return errno != EAGAIN;	/* one that has gone already */
	if (!conn_accepted(tcp.loop, fd, &f, is_proxy(&f.peer), &why))
		tcp_count(why, 1);
	return true;
}

static void on_door(struct loop_fd *f, uint32_t events)
{
	const struct door *d = CONTAINER(f, struct door, f);

	(void)events;
	for (int i = 0; i < ACCEPT_A_TURN && accept_one(d); i++)
		;
}

/* --- sending --- */

static void wake_up(struct timer *t)
{
	(void)t;	/* the turn has an end now, where it is done */
}

/* To be reported at the end of the turn; taken over. */
static void undelivered(struct outgoing *o)
{
	o->next = NULL;
	*tcp.failed_last = o;
	tcp.failed_last = &o->next;
	wheel_arm(loop_wheel(tcp.loop), &tcp.wake, clock_ms());
}

static void queue(struct conn *c, struct outgoing *o)
{
	if (!conn_queue(c, o))
		undelivered(o);
}

static void letter_read(struct mail *m);

static enum err hand_over(const struct hit *hit, const struct flow *to, struct str bytes)
{
	struct letter *l = shm_alloc(tcp.owner, sizeof(*l) + bytes.len);

	if (!l) {
		(void)directory_read(hit->id, bytes.len);
		return ERR_NOMEM;
	}
	mail_init(&l->mail, letter_read);
	l->to = *to;
	l->conn = hit->id;
	l->len = bytes.len;
	memcpy(l->bytes, bytes.p, bytes.len);
	tcp_count(TCP_HANDED_OVER, 1);
	(void)mail_post(hit->owner, &l->mail);
	return OK;
}

/* OK: sent on its way. ERR_NOT_FOUND: there is no connection. That bytes wait for the connection's owner is counted, and they are posted, in one
 * critical section. */
static enum err send_by_existing(const struct flow *to, struct str bytes)
{
	struct hit       hit;
	enum err         err;
	struct outgoing *o;

	critical_enter();
	err = directory_find(to, bytes.len, &hit);
	if (!err && !hit.conn)
		err = hand_over(&hit, to, bytes);
	critical_leave();
	if (err || !hit.conn)
		return err;
	o = outgoing_new(to, bytes);
	if (!o)
		return ERR_NOMEM;
	queue(hit.conn, o);
	return OK;
}

/* To the port that the sender names. It is not tried a second time when that fails. */
static enum err send_by_new(const struct flow *to, struct str bytes)
{
	struct flow      f = *to, bare;
	struct outgoing *o;
	struct conn     *c;
	bool             exists;

	if (to->port)
		addr_set_port(&f.peer, to->port);
	f.conn = 0;
	f.port = 0;
	bare = f;
	c = conn_open(tcp.loop, &f, &exists);
	if (exists)
		return send_by_existing(&bare, bytes);
	o = outgoing_new(&bare, bytes);
	if (!o)
		return ERR_NOMEM;
	if (c && c->state != CONN_ENDED)
		queue(c, o);
	else
		undelivered(o);
	return OK;
}

static enum err leave_undelivered(const struct flow *to, struct str bytes)
{
	struct outgoing *o = outgoing_new(to, bytes);

	if (!o)
		return ERR_NOMEM;
	undelivered(o);
	return OK;
}

enum err tcp_send(const struct flow *to, struct str bytes)
{
	enum err err;

	if (!tcp.loop || !directory_ready())
		return ERR_STATE;
	err = send_by_existing(to, bytes);
	if (err == ERR_LIMIT)
		tcp_count(TCP_HAND_OVER_FULL, 1);
	if (err == ERR_NOT_FOUND && (!to->conn || to->port))
		err = send_by_new(to, bytes);
	return err ? leave_undelivered(to, bytes) : OK;
}

/* The connection may have ended meanwhile, or its owner, which we have succeeded. */
static void letter_read(struct mail *m)
{
	struct letter   *l = CONTAINER(m, struct letter, mail);
	struct str       bytes = str_n(l->bytes, l->len);
	struct conn     *c = directory_ready() ? directory_read(l->conn, l->len) : NULL;
	struct outgoing *o = c ? outgoing_new(&l->to, bytes) : NULL;

	if (o)
		queue(c, o);
	else if (tcp_send(&l->to, bytes))
		tcp_count(TCP_UNDELIVERED, 1);
	critical_enter();
	mail_settled(m);
	shm_free(l);
	critical_leave();
}

/* --- the end of a turn --- */

void tcp_flush(void)
{
	if (!tcp.loop)
		return;
	LIST_EACH(struct conn, c, conn_busy(), busy)
		if (c->state == CONN_OPEN || c->state == CONN_CLOSING)
			conn_write(c);
}

/* An answer that its connection was lost under goes over a new one (RFC 3261 §18.2.2); anything else is told. */
static void settle(struct outgoing *o, bool again)
{
	if (again && o->to.port && tcp_send(&o->to, str_n(o->bytes, o->len)) == OK) {
		free(o);
		return;
	}
	tcp_count(TCP_UNDELIVERED, 1);
	net_pass_undelivered(str_n(o->bytes, o->len), &o->to);
	free(o);
}

static bool settle_all(struct outgoing *o, bool again)
{
	struct outgoing *next;
	bool             any = o;

	for (; o; o = next) {
		next = o->next;
		settle(o, again);
	}
	return any;
}

/* Each is out of the list and gone before anybody is told: what they do then may lead back here. */
static void bury(struct conn *c)
{
	struct outgoing *left = c->out;
	struct flow      flow = c->flow;
	bool             asked = c->asked;

	conn_free(c);
	net_pass_lost(flow.conn);
	if (asked)
		net_pass_unreachable(&flow);
	settle_all(left, true);
}

bool tcp_reap(void)
{
	struct list      ended;
	struct outgoing *failed = tcp.failed;

	if (!tcp.loop)
		return false;
	tcp.failed = NULL;
	tcp.failed_last = &tcp.failed;
	list_init(&ended);
	LIST_EACH_SAFE(struct conn, c, conn_busy(), busy) {
		list_remove(&c->busy);
		if (c->state == CONN_ENDED)
			list_append(&ended, &c->busy);
	}
	if (list_empty(&ended) && !failed)
		return false;
	while (!list_empty(&ended))
		bury(LIST_FIRST(&ended, struct conn, busy));
	settle_all(failed, false);
	return true;
}

/* --- start and stop --- */

static void forget_all(void)
{
	while (!list_empty(conn_all())) {
		struct conn *c = LIST_FIRST(conn_all(), struct conn, link);

		for (struct outgoing *o = c->out, *next; o; o = next) {
			next = o->next;
			free(o);
		}
		conn_free(c);
		tcp_count(TCP_STOPPED, 1);
	}
	for (struct outgoing *o = tcp.failed, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	tcp.failed = NULL;
}

void tcp_stop(void)
{
	if (!tcp.loop)
		return;
	tcp_flush();
	forget_all();
	for (size_t i = 0; i < tcp.doors && !tcp.paused; i++)
		if (tcp.door[i].f.fd >= 0)
			loop_remove(tcp.loop, &tcp.door[i].f);
	wheel_disarm(&tcp.pause);
	wheel_disarm(&tcp.wake);
	free(tcp.door);
	tcp.door = NULL;
	tcp.loop = NULL;
}

enum err tcp_start(struct loop *l)
{
	size_t n = net_listener_count();

	if (!directory_ready())
		return OK;
	directory_clean(net_pass_lost);
	if (conn_boot())
		return ERR_NOMEM;
	tcp.door = calloc(n ? n : 1, sizeof(*tcp.door));
	if (!tcp.door)
		return ERR_NOMEM;
	tcp.loop = l;
	tcp.doors = n;
	tcp.paused = false;
	tcp.failed_last = &tcp.failed;
	timer_init(&tcp.pause, open_doors);
	timer_init(&tcp.wake, wake_up);
	for (size_t i = 0; i < n; i++) {
		struct door *d = &tcp.door[i];

		d->listener = net_listener_at(i);
		d->f = (struct loop_fd){ .fd = d->listener->transport == TP_TCP ? net_socket(d->listener) : -1, .fn = on_door };
		if (d->f.fd >= 0 && loop_add(l, &d->f, EPOLLIN))
			return ERR_IO;
	}
	return OK;
}

bool net_flow_alive(const struct flow *f)
{
	return !f->conn || directory_has(f->conn);
}

bool net_flow_lost(const struct flow *f)
{
	return f->conn && directory_ready() && !directory_has(f->conn);
}
