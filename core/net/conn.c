/* One TCP connection of this process. Nothing here frees one but conn_free(), at the end of the turn: so every function may end the
 * connection that its callers are busy with. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "msg/frame.h"
#include "net/proxy_header.h"
#include "net/tcp.h"
#include "net/udp.h"

enum {
	READ_BYTES = 64 * 1024,		/* a turn and connection */
	WRITE_MOST = 64,		/* messages a system call */
	LINGER_MS = 2000,		/* after a framing error the peer has so long to read our answer */
	UNACKED_MS = 20000,		/* bytes that the peer does not take: less than Timers B and F, so that somebody else can still be asked */
};

static struct {
	char       *room;	/* READ_BYTES: connections without an incomplete message need no memory for receiving */
	struct list all, busy;
	bool        ready;
} conns;

enum err conn_boot(void)
{
	if (!conns.ready) {
		list_init(&conns.all);
		list_init(&conns.busy);
		conns.ready = true;
	}
	if (!conns.room)
		conns.room = malloc(READ_BYTES);
	return conns.room ? OK : ERR_NOMEM;
}

struct list *conn_all(void)
{
	return &conns.all;
}

struct list *conn_busy(void)
{
	return &conns.busy;
}

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void note_busy(struct conn *c)
{
	if (list_empty(&c->busy))
		list_append(&conns.busy, &c->busy);
}

/* --- ends --- */

static void leave_directory(struct conn *c)
{
	directory_remove(c->entry);
	c->entry = NULL;
}

void conn_end(struct conn *c, enum tcp_count why)
{
	if (c->state == CONN_ENDED)
		return;
	c->state = CONN_ENDED;
	tcp_count(why, 1);
	leave_directory(c);
	note_busy(c);
}

void conn_free(struct conn *c)
{
	loop_remove(c->loop, &c->f);
	wheel_disarm(&c->timer);
	leave_directory(c);
	list_remove(&c->link);
	list_remove(&c->busy);
	close(c->f.fd);
	free(c->in);
	free(c);
}

/* --- times --- */

static uint64_t deadline(const struct conn *c)
{
	uint64_t idle = c->active_ms + tcp_limits.idle_ms;

	if (c->state == CONN_CONNECTING)
		return c->born_ms + tcp_limits.connect_ms;
	if (c->state == CONN_CLOSING)
		return c->since_ms + LINGER_MS;
	if (c->since_ms && c->since_ms + tcp_limits.message_ms < idle)
		return c->since_ms + tcp_limits.message_ms;
	return idle;
}

static void set_timer(struct conn *c)
{
	uint64_t due = deadline(c);

	if (!c->timer.wheel || due < c->timer.at_ms)
		wheel_arm(loop_wheel(c->loop), &c->timer, due);
}

/* A lone CRLF after which nothing came is a PONG (RFC 5626 §4.4.1), and nothing is incomplete. */
static bool was_pong(struct conn *c)
{
	struct frame f;

	if (frame_next(str_n(c->in, c->in_len), tcp_limits.message_bytes, true, &c->scan, &f) || f.kind != FRAME_PONG || f.len != c->in_len)
		return false;
	tcp_count(TCP_PONGS, 1);
	c->in_len = 0;
	c->since_ms = 0;
	return true;
}

static void overdue(struct conn *c)
{
	if (c->state == CONN_CONNECTING)
		conn_end(c, TCP_CONNECT_TIMEOUT);
	else if (c->state == CONN_CLOSING)
		conn_end(c, TCP_FRAMING);
	else if (!c->since_ms)
		conn_end(c, TCP_IDLE);
	else if (c->in_len && was_pong(c))
		set_timer(c);
	else
		conn_end(c, c->in_len ? TCP_SLOW : TCP_SILENT);
}

static void on_timer(struct timer *t)
{
	struct conn *c = CONTAINER(t, struct conn, timer);

	if (c->state == CONN_ENDED)
		return;
	if (deadline(c) <= clock_ms())
		overdue(c);
	else
		set_timer(c);
}

/* --- writing --- */

struct outgoing *outgoing_new(const struct flow *to, struct str bytes)
{
	struct outgoing *o = malloc(sizeof(*o) + bytes.len);

	if (!o)
		return NULL;
	*o = (struct outgoing){ .to = *to, .len = bytes.len };
	memcpy(o->bytes, bytes.p, bytes.len);
	return o;
}

/* Neither an answer nor a keepalive. */
static bool is_request(struct str bytes)
{
	return !str_starts(bytes, STR("SIP/")) && !str_starts(bytes, STR("\r\n"));
}

/* With what it takes to keep it: a PONG has two bytes. */
static size_t cost(const struct outgoing *o)
{
	return sizeof(*o) + o->len;
}

bool conn_queue(struct conn *c, struct outgoing *o)
{
	if (c->out_cost + cost(o) > tcp_limits.queue_bytes) {
		conn_end(c, TCP_QUEUE_FULL);
		return false;
	}
	c->out_cost += cost(o);
	*c->out_last = o;
	c->out_last = &o->next;
	c->asked |= is_request(str_n(o->bytes, o->len));
	if (c->state != CONN_CONNECTING)
		note_busy(c);
	return true;
}

static void watch(struct conn *c, bool writable)
{
	if (c->writable_wanted == writable)
		return;
	c->writable_wanted = writable;
	if (loop_change(c->loop, &c->f, writable ? EPOLLIN | EPOLLOUT : EPOLLIN))
		conn_end(c, TCP_LOST);
}

static int gather(const struct conn *c, struct iovec iov[WRITE_MOST])
{
	size_t skip = c->out_at;
	int    n = 0;

	for (struct outgoing *o = c->out; o && n < WRITE_MOST; o = o->next) {
		iov[n++] = (struct iovec){ o->bytes + skip, o->len - skip };
		skip = 0;
	}
	return n;
}

static void written(struct conn *c, size_t n)
{
	tcp_count(TCP_SENT_BYTES, (int64_t)n);
	c->active_ms = clock_ms();
	n += c->out_at;
	while (c->out && n >= c->out->len) {
		struct outgoing *o = c->out;

		n -= o->len;
		c->out_cost -= cost(o);
		c->out = o->next;
		free(o);
		tcp_count(TCP_SENT, 1);
	}
	c->out_at = n;
	if (!c->out)
		c->out_last = &c->out;
}

void conn_write(struct conn *c)
{
	struct iovec  iov[WRITE_MOST];
	struct msghdr m = { .msg_iov = iov };

	while (c->out) {
		ssize_t n;

		m.msg_iovlen = (size_t)gather(c, iov);
		n = sendmsg(c->f.fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			conn_end(c, TCP_LOST);
			return;
		}
		written(c, (size_t)n);
	}
	watch(c, c->out);
	if (!c->out && c->state == CONN_CLOSING)
		(void)shutdown(c->f.fd, SHUT_WR);
}

/* --- reading --- */

/* RFC 3261 §18.3: where a message cannot be cut out, neither can all that follow. */
static void framing_lost(struct conn *c, struct str rest, enum err why)
{
	while (rest.len && rest.p[0] == '\n')
		rest = str_from(rest, 1);
	if (c->scan.header_len)
		rest = str_to(rest, c->scan.header_len);
	net_pass_unframed(rest, why, &c->flow);
	if (c->state != CONN_OPEN)
		return;
	tcp_count(why == ERR_LIMIT ? TCP_TOO_LARGE : TCP_FRAMING, 1);
	leave_directory(c);
	c->state = CONN_CLOSING;
	c->since_ms = clock_ms();
	note_busy(c);
}

static void answer_ping(struct conn *c)
{
	struct outgoing *o = outgoing_new(&c->flow, STR("\r\n"));

	tcp_count(TCP_PINGS, 1);
	if (o && !conn_queue(c, o))
		free(o);
}

/* From now on the announced address is the peer, with its own limit. */
static void peer_announced(struct conn *c, const struct addr *peer)
{
	enum err err;

	c->proxied = false;
	if (peer->u.any.sa_family == AF_UNSPEC)
		return;
	leave_directory(c);
	c->flow.peer = *peer;
	err = directory_add(&c->flow, true, c, &c->entry);
	if (err)
		conn_end(c, err == ERR_STATE ? TCP_REFUSED_SOURCE : TCP_REFUSED_LIMIT);
}

/* The bytes of a PROXY header; 0: not all there, or no such thing. */
static size_t take_proxy_header(struct conn *c, struct str rest)
{
	struct addr peer;
	size_t      len = 0;
	enum err    err = proxy_header_parse(rest, &peer, &len);

	if (!err)
		peer_announced(c, &peer);
	else if (err != ERR_AGAIN)
		conn_end(c, TCP_PROXY_HEADER);
	return len;
}

static void take_frame(struct conn *c, struct str rest, const struct frame *f)
{
	c->scan = (struct frame_scan){ 0 };
	if (f->kind == FRAME_PING) {
		answer_ping(c);
	} else if (f->kind == FRAME_PONG) {
		tcp_count(TCP_PONGS, 1);
	} else {
		tcp_count(TCP_RECEIVED, 1);
		net_pass_up(str_n(rest.p + f->skip, f->len - f->skip), &c->flow);
	}
}

/* How many bytes of it were used up. */
static size_t take_frames(struct conn *c, struct str in)
{
	struct str   rest = in;
	struct frame f;
	size_t       header;

	while (rest.len && c->state == CONN_OPEN) {
		enum err err = OK;

		if (c->proxied) {
			header = take_proxy_header(c, rest);
			if (!header)
				break;
			rest = str_from(rest, header);
			continue;
		}
		err = frame_next(rest, tcp_limits.message_bytes, false, &c->scan, &f);
		if (err == ERR_AGAIN)
			break;
		if (err) {
			framing_lost(c, rest, err);
			break;
		}
		take_frame(c, rest, &f);
		rest = str_from(rest, f.len);
	}
	return in.len - rest.len;
}

/* Room for more behind what there is; false: no memory. */
static bool grow(struct conn *c, size_t len)
{
	size_t cap = c->in_cap ? c->in_cap : 2048;
	char  *p;

	if (len <= c->in_cap)
		return true;
	while (cap < len)
		cap *= 2;
	p = realloc(c->in, cap);
	if (!p)
		return false;
	c->in = p;
	c->in_cap = cap;
	return true;
}

static void drop_in(struct conn *c)
{
	free(c->in);
	c->in = NULL;
	c->in_len = c->in_cap = 0;
}

/* What is left of `in`, which is c->in or the common room, is the beginning of a message. */
static void keep(struct conn *c, struct str in, size_t used)
{
	struct str left = str_from(in, used);

	if (c->state == CONN_OPEN && (used || !c->since_ms))
		c->since_ms = left.len ? clock_ms() : 0;
	if (c->state != CONN_OPEN || !left.len) {
		drop_in(c);
		return;
	}
	if (!grow(c, left.len)) {
		conn_end(c, TCP_LOST);
		return;
	}
	if (left.p != c->in)
		memmove(c->in, left.p, left.len);
	c->in_len = left.len;
}

static void received(struct conn *c, size_t n)
{
	struct str in;

	tcp_count(TCP_RECEIVED_BYTES, (int64_t)n);
	c->active_ms = clock_ms();
	if (c->state != CONN_OPEN)
		return;
	in = c->in_len ? str_n(c->in, c->in_len + n) : str_n(conns.room, n);
	keep(c, in, take_frames(c, in));
	if (c->state != CONN_ENDED)
		set_timer(c);
}

static void conn_read(struct conn *c)
{
	bool    append = c->in_len && c->state == CONN_OPEN;
	ssize_t n;

	if (append && !grow(c, c->in_len + READ_BYTES / 4)) {
		conn_end(c, TCP_LOST);
		return;
	}
	n = append ? recv(c->f.fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT) : recv(c->f.fd, conns.room, READ_BYTES, MSG_DONTWAIT);
	if (n > 0)
		received(c, (size_t)n);
	else if (n == 0)
		conn_end(c, TCP_CLOSED);
	else if (errno != EAGAIN && errno != EINTR)
		conn_end(c, TCP_LOST);
}

static void connected(struct conn *c)
{
	int       error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->f.fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
		conn_end(c, TCP_CONNECT_FAILED);
		return;
	}
	c->state = CONN_OPEN;
	c->active_ms = clock_ms();
	set(c->f.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);	/* before, it would limit tcp_connect_timeout */
	tcp_count(TCP_OPENED, 1);
	watch(c, c->out);
	wheel_disarm(&c->timer);
	set_timer(c);
	note_busy(c);
}

static void on_event(struct loop_fd *f, uint32_t events)
{
	struct conn *c = CONTAINER(f, struct conn, f);

	if (c->state == CONN_CONNECTING)
		connected(c);
	else if (c->state != CONN_ENDED && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_read(c);
	if (events & EPOLLOUT && c->state != CONN_ENDED)
		note_busy(c);
}

/* --- beginnings --- */

static struct conn *conn_new(struct loop *l, int fd, const struct flow *f, enum conn_state state)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (state == CONN_OPEN)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
	c->f = (struct loop_fd){ .fd = fd, .fn = on_event };
	c->loop = l;
	c->flow = *f;
	c->state = state;
	c->born_ms = c->active_ms = clock_ms();
	c->out_last = &c->out;
	c->writable_wanted = state == CONN_CONNECTING;
	list_init(&c->link);
	list_init(&c->busy);
	timer_init(&c->timer, on_timer);
	if (loop_add(l, &c->f, c->writable_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN)) {
		free(c);
		return NULL;
	}
	list_append(&conns.all, &c->link);
	return c;
}

static enum tcp_count refusal(enum err err)
{
	if (err == ERR_STATE)
		return TCP_REFUSED_SOURCE;
	return err == ERR_LIMIT ? TCP_REFUSED_LIMIT : TCP_REFUSED_SYSTEM;
}

struct conn *conn_accepted(struct loop *l, int fd, const struct flow *f, bool proxied, enum tcp_count *why)
{
	struct conn *c = conn_new(l, fd, f, CONN_OPEN);
	enum err     err;

	if (!c) {
		*why = TCP_REFUSED_SYSTEM;
		close(fd);
		return NULL;
	}
	c->proxied = proxied;
	c->since_ms = c->born_ms;
	err = directory_add(&c->flow, !proxied, c, &c->entry);
	if (err) {
		*why = refusal(err);
		conn_free(c);
		return NULL;
	}
	tcp_count(TCP_ACCEPTED, 1);
	set_timer(c);
	return c;
}

/* A socket that is being connected; -1: no descriptor. *failed: refused at once. The port is chosen late, per destination, so that there
 * can be more connections than ports. */
static int connecting(const struct flow *f, bool *failed)
{
	struct addr from = f->via->addr;
	int         fd = socket(f->peer.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	addr_set_port(&from, 0);
	*failed = bind(fd, &from.u.any, addr_len(&from)) || (connect(fd, &f->peer.u.any, addr_len(&f->peer)) && errno != EINPROGRESS);
	return fd;
}

struct conn *conn_open(struct loop *l, const struct flow *f, bool *exists)
{
	bool         failed = false;
	int          fd = connecting(f, &failed);
	struct conn *c = fd < 0 ? NULL : conn_new(l, fd, f, CONN_CONNECTING);
	enum err     err;

	*exists = false;
	if (!c) {
		tcp_count(TCP_REFUSED_SYSTEM, 1);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	err = directory_add(&c->flow, false, c, &c->entry);
	if (err) {
		*exists = err == ERR_EXISTS;
		if (!*exists)
			tcp_count(refusal(err), 1);
		conn_free(c);
		return NULL;
	}
	if (failed)
		conn_end(c, TCP_CONNECT_FAILED);
	else
		set_timer(c);
	return c;
}
