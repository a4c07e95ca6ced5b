/* core/net: connections. One worker in this process, others forked; peers are plain sockets. Traffic stays on 127.0.0.0/8 and ::1. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/mailbox.h"
#include "net/proxy_header.h"
#include "shm/counter.h"
#include "shm/shm.h"

#include "net/tcp.h"

enum { MB = 1024 * 1024, PATIENCE_MS = 3000 };

#define MESSAGE(n, body) "OPTIONS sip:x SIP/2.0\r\nCall-ID: " n "\r\nContent-Length: " body
#define ONE MESSAGE("1", "0\r\n\r\n")

static struct {
	int         received, unframed, unreachable, undelivered;
	enum err    why;
	struct flow from, gone, back;
	char        last[80000], lost[80000];
	size_t      last_len;
	bool        answer;	/* each with "SIP/2.0 200 OK" and an empty header */
} seen;

static const struct tcp_limits usual = {
	.connect_ms = 5000, .message_ms = 10000, .idle_ms = 3600000, .queue_bytes = MB, .message_bytes = 65535, .connections = 1000, .per_source = 1000,
};
#define ANSWER "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"

static void on_received(struct str bytes, const struct flow *from)
{
	seen.received++;
	seen.from = *from;
	memcpy(seen.last, bytes.p, bytes.len);
	seen.last_len = bytes.len;
	if (seen.answer)
		CHECK_INT(net_send(from, STR(ANSWER)), OK);
}

static void on_unframed(struct str bytes, enum err why, const struct flow *from)
{
	(void)bytes;
	seen.unframed++;
	seen.why = why;
	CHECK_INT(net_send(from, STR("SIP/2.0 400 No\r\n\r\n")), OK);
}

static void on_unreachable(const struct flow *to)
{
	seen.unreachable++;
	seen.gone = *to;
}

static void on_undelivered(struct str bytes, const struct flow *to)
{
	seen.undelivered++;
	seen.back = *to;
	CHECK(bytes.len < sizeof(seen.lost));
	memcpy(seen.lost, bytes.p, bytes.len);
}

static const struct net_user user = {
	.received = on_received, .unframed = on_unframed, .unreachable = on_unreachable, .undelivered = on_undelivered,
};

/* --- the world --- */

static struct loop *loop;
static int64_t      base[600];	/* what the counters were when the test began */

/* The same in children. */
static uint16_t port_plus(unsigned n)
{
	static int pid;

	if (!pid)
		pid = getpid();
	return (uint16_t)(12000 + pid % 4000 * 2 + n);
}

/* Run as that worker from now on. */
static void worker_up(unsigned worker)
{
	proc_enter(worker + 1, "worker");
	memset(&seen, 0, sizeof(seen));
	loop = loop_new();
	CHECK(loop && !mailbox_start(loop));
	CHECK_INT(net_worker_start(loop, worker), OK);
}

static void up_on(const char *host, unsigned workers)
{
	char why[200] = "";

	clock_tick();
	tcp_limits = usual;
	if (shm_life())
		shm_destroy();	/* an earlier test has failed */
	CHECK_INT(shm_create(64 * MB, 4), OK);
	CHECK(!timer_boot() && !mailbox_boot() && !net_boot());
	net_close_all();
	net_set_user(&user);
	if (net_listen(STR("tcp"), str_of(host), port_plus(0), STR_NONE, workers, why, sizeof(why)))
		print_error("%s\n", why);
	CHECK_STR(str_of(why), "");
	worker_up(0);
	for (size_t i = 0; counter_at(i); i++)
		base[i] = counter_read(counter_at(i));
}

static void up(unsigned workers)
{
	up_on("127.0.0.1", workers);
}

static int64_t count(const char *name)
{
	const struct counter *c;

	for (size_t i = 0; (c = counter_at(i)); i++)
		if (str_is(str_of(c->name), name))
			return counter_read(c) - base[i];
	return -1;
}

static void down(void)
{
	net_worker_stop();
	loop_free(loop);
	net_close_all();
	CHECK_INT(count("net.tcp.connections"), 0);
	shm_destroy();
}

static void turns(int n)
{
	while (n--)
		loop_turn(loop, 5);
}

/* Until it is so, or too late. */
#define TURN_UNTIL(what)                                                                    \
	do {                                                                                \
		uint64_t until_ms = clock_ms() + PATIENCE_MS;                               \
		while (!(what) && clock_ms() < until_ms)                                    \
			turns(1);                                                           \
		CHECK(what);                                                                \
	} while (0)

static struct addr addr(const char *ip, uint16_t port)
{
	struct addr a = { 0 };

	CHECK_INT(addr_parse(str_of(ip), port, &a), OK);
	return a;
}

/* --- peers --- */

static void patient(int fd)
{
	struct timeval t = { .tv_sec = PATIENCE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

static int dial(const char *from, const char *to)
{
	struct addr a = addr(from, 0);
	int         fd = socket(a.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	patient(fd);
	CHECK_INT(bind(fd, &a.u.any, addr_len(&a)), 0);
	a = addr(to, port_plus(0));
	CHECK_INT(connect(fd, &a.u.any, addr_len(&a)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void check_hears(int fd, const char *want)
{
	char   in[2000];
	size_t n = strlen(want);

	CHECK_INT(recv(fd, in, n, MSG_WAITALL), n);
	CHECK(!memcmp(in, want, n));
}

/* A server at 127.0.0.1:port_plus(1). */
static int peer_listens(int backlog)
{
	struct addr a = addr("127.0.0.1", port_plus(1));
	int         fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	patient(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK_INT(bind(fd, &a.u.any, addr_len(&a)), 0);
	CHECK_INT(listen(fd, backlog), 0);
	return fd;
}

static int peer_accepts(int fd)
{
	int c = accept(fd, NULL, NULL);

	CHECK(c >= 0);
	patient(c);
	return c;
}

static bool nobody_waits(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return accept(fd, NULL, NULL) < 0 && errno == EAGAIN;
}

static struct flow to_peer(void)
{
	return (struct flow){ .via = net_listener_at(0), .peer = addr("127.0.0.1", port_plus(1)) };
}

/* --- receiving --- */

TEST(messages_are_cut_from_the_stream_and_answered_on_it)	/* RFC 3261 §18.3, §18.2.2 */
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	static const char        text[] = MESSAGE("1", "4\r\n\r\nbody") "\r\n\r\n" MESSAGE("2", "0\r\n\r\n");

	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		int fd;

		up_on(hosts[i], 1);
		seen.answer = true;
		fd = dial(hosts[i], hosts[i]);
		for (size_t n = 0; n < sizeof(text) - 1; n++) {	/* the worst way to send it */
			CHECK_INT(send(fd, text + n, 1, 0), 1);
			turns(1);
		}
		TURN_UNTIL(seen.received == 2);
		CHECK_STR(str_n(seen.last, seen.last_len), MESSAGE("2", "0\r\n\r\n"));
		CHECK(seen.from.conn && seen.from.owner == 1 && seen.from.via == net_listener_at(0));
		check_hears(fd, ANSWER "\r\n" ANSWER);
		CHECK_INT(count("net.tcp.pings"), 1);
		close(fd);
		TURN_UNTIL(count("net.tcp.connections") == 0);
		CHECK(seen.unreachable == 0 && seen.undelivered == 0);
		down();
	}
}

TEST(a_hundred_messages_in_one_segment_are_all_received)
{
	static char text[100 * sizeof(ONE)];
	int         fd;

	up(1);
	seen.answer = true;
	for (int i = 0; i < 100; i++)
		strcat(text, ONE);
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, text);
	TURN_UNTIL(seen.received == 100);
	for (int i = 0; i < 100; i++)
		check_hears(fd, ANSWER);
	close(fd);
	down();
}

TEST(ping_is_answered_with_pong_and_pong_is_ignored)	/* RFC 5626 §3.5.1, §4.4.1 */
{
	int fd;

	up(1);
	tcp_limits.message_ms = 200;
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, "\r\n\r\n");
	TURN_UNTIL(count("net.tcp.pings") == 1);
	check_hears(fd, "\r\n");
	say(fd, "\r\n");	/* nothing follows: after a while it is known to have been a PONG */
	TURN_UNTIL(count("net.tcp.pongs") == 1);
	say(fd, "\r\n");
	turns(1);
	say(fd, ONE);
	TURN_UNTIL(seen.received == 1);
	CHECK_INT(count("net.tcp.pongs"), 2);
	CHECK_INT(count("net.tcp.connections"), 1);
	close(fd);
	down();
}

TEST(lost_framing_is_answered_and_the_connection_closed)	/* RFC 4475 §3.1.2.3, §3.3.9; RFC 3261 §18.3 */
{
	static const struct { const char *text; enum err why; } rows[] = {
		{ MESSAGE("1", "-1\r\n\r\n"), ERR_SYNTAX },
		{ MESSAGE("1", "0\r\nContent-Length: 5\r\n\r\n"), ERR_SYNTAX },
		{ "OPTIONS sip:x SIP/2.0\r\nCall-ID: 1\r\n\r\n", ERR_SYNTAX },
		{ MESSAGE("1", "99999999\r\n\r\n"), ERR_LIMIT },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int  fd;
		char in[10];

		up(1);
		fd = dial("127.0.0.1", "127.0.0.1");
		say(fd, rows[i].text);
		TURN_UNTIL(seen.unframed == 1);
		CHECK_INT(seen.why, rows[i].why);
		check_hears(fd, "SIP/2.0 400 No\r\n\r\n");
		turns(1);
		CHECK_INT(recv(fd, in, sizeof(in), 0), 0);
		close(fd);
		TURN_UNTIL(count("net.tcp.connections") == 0);
		CHECK_INT(seen.received, 0);
		down();
	}
}

TEST(an_endless_header_is_cut_off)
{
	static char text[70000];
	int         fd;

	up(1);
	memset(text, 'x', sizeof(text));
	fd = dial("127.0.0.1", "127.0.0.1");
	(void)!send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	TURN_UNTIL(count("net.tcp.closed_too_large") == 1);
	CHECK_INT(seen.why, ERR_LIMIT);
	close(fd);
	down();
}

/* --- limits --- */

static bool is_closed(int fd)
{
	char in[10];

	return recv(fd, in, sizeof(in), 0) <= 0;
}

TEST(who_sends_slowly_or_nothing_is_closed_who_is_idle_later)
{
	static const struct { const char *text; const char *reason; } rows[] = {
		{ "", "net.tcp.closed_silent" },
		{ "OPTIONS sip:x SIP/2.0\r\n", "net.tcp.closed_slow" },
		{ ONE "OPTIONS", "net.tcp.closed_slow" },
		{ MESSAGE("1", "10\r\n\r\n123"), "net.tcp.closed_slow" },	/* RFC 4475 §3.1.2.2 */
		{ ONE, "net.tcp.closed_idle" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t began;
		int64_t  before;
		int      fd;

		up(1);
		tcp_limits.message_ms = 100;
		tcp_limits.idle_ms = 300;
		before = count(rows[i].reason);
		fd = dial("127.0.0.1", "127.0.0.1");
		turns(1);
		began = clock_ms();
		say(fd, rows[i].text);
		TURN_UNTIL(count(rows[i].reason) == before + 1);
		CHECK_ROW(clock_ms() - began >= 60 && clock_ms() - began < 1000, rows[i].text);
		CHECK(is_closed(fd));
		close(fd);
		down();
	}
}

TEST(a_slow_sender_cannot_stretch_its_time_by_a_byte_now_and_then)
{
	int fd;

	up(1);
	tcp_limits.message_ms = 200;
	fd = dial("127.0.0.1", "127.0.0.1");
	for (int i = 0; i < 100 && count("net.tcp.closed_slow") == 0; i++) {
		(void)!send(fd, "x", 1, MSG_NOSIGNAL);
		turns(2);
	}
	CHECK_INT(count("net.tcp.closed_slow"), 1);
	close(fd);
	down();
}

TEST(connections_are_limited_in_all_and_by_source)
{
	int fd[4];

	up(1);
	tcp_limits.connections = 3;
	tcp_limits.per_source = 2;
	for (int i = 0; i < 3; i++)
		fd[i] = dial("127.0.0.2", "127.0.0.1");
	TURN_UNTIL(count("net.tcp.refused_source") == 1);
	close(fd[2]);
	fd[2] = dial("127.0.0.3", "127.0.0.1");
	fd[3] = dial("127.0.0.3", "127.0.0.1");
	TURN_UNTIL(count("net.tcp.refused_limit") == 1);
	CHECK_INT(count("net.tcp.connections"), 3);
	close(fd[0]);
	TURN_UNTIL(count("net.tcp.connections") == 2);
	close(fd[3]);
	fd[3] = dial("127.0.0.2", "127.0.0.1");	/* there is room again, in both respects */
	TURN_UNTIL(count("net.tcp.connections") == 3);
	for (int i = 1; i < 4; i++)
		close(fd[i]);
	down();
}

TEST(without_descriptors_nothing_is_accepted_for_a_while)
{
	struct rlimit old, few;
	int           fd;

	up(1);
	fd = dial("127.0.0.1", "127.0.0.1");
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	say(fd, ONE);
	turns(5);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK_INT(count("net.tcp.refused_system"), 1);	/* not once a turn */
	TURN_UNTIL(seen.received == 1);
	close(fd);
	down();
}

/* --- sending --- */

TEST(a_connection_is_opened_once_and_used_again)	/* RFC 3261 §18.1.1, RFC 5923 */
{
	struct flow to;
	int         peer, c;

	up(1);
	peer = peer_listens(5);
	to = to_peer();
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	CHECK_INT(net_send(&to, STR(ONE)), OK);	/* while it is being opened */
	TURN_UNTIL(count("net.tcp.sent") == 2);
	c = peer_accepts(peer);
	check_hears(c, ONE ONE);
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	turns(1);
	check_hears(c, ONE);
	CHECK(nobody_waits(peer));
	say(c, ANSWER);
	TURN_UNTIL(seen.received == 1);
	CHECK(addr_eq(&seen.from.peer, &to.peer) && seen.from.conn);
	CHECK_INT(count("net.tcp.opened"), 1);
	close(c);
	close(peer);
	down();
}

TEST(who_connected_to_us_gets_requests_for_its_own_address_and_port_only)
{
	struct sockaddr_in self;
	socklen_t          len = sizeof(self);
	struct flow        to;
	int                fd, peer, c;

	up(1);
	peer = peer_listens(5);
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, ONE);
	TURN_UNTIL(seen.received == 1);
	getsockname(fd, (struct sockaddr *)&self, &len);
	to = to_peer();		/* same address, another port: whatever the client may have claimed */
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	turns(3);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	to.peer = addr("127.0.0.1", ntohs(self.sin_port));
	CHECK_INT(net_send(&to, STR(ANSWER)), OK);
	turns(1);
	check_hears(fd, ANSWER);
	CHECK_INT(count("net.tcp.opened"), 1);
	close(c);
	close(fd);
	close(peer);
	down();
}

TEST(nobody_listening_is_told_with_the_message)
{
	struct flow to;

	up(1);
	to = to_peer();
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	CHECK_INT(seen.unreachable + seen.undelivered, 0);
	TURN_UNTIL(seen.undelivered == 1);
	CHECK_INT(seen.unreachable, 1);
	CHECK(addr_eq(&seen.gone.peer, &to.peer) && addr_eq(&seen.back.peer, &to.peer));
	CHECK(!memcmp(seen.lost, ONE, sizeof(ONE) - 1));
	CHECK_INT(count("net.tcp.connect_failed"), 1);
	down();
}

/* A listening socket whose backlog is full swallows connection requests. */
TEST(a_black_hole_is_given_up_after_the_connect_timeout)
{
	struct flow to;
	struct addr a;
	int         peer, filler[8];
	uint64_t    began;

	up(1);
	tcp_limits.connect_ms = 300;
	peer = peer_listens(0);
	a = addr("127.0.0.1", port_plus(1));
	for (size_t i = 0; i < COUNT_OF(filler); i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(filler[i], &a.u.any, addr_len(&a));
	}
	turns(2);
	to = to_peer();
	began = clock_ms();
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	TURN_UNTIL(seen.undelivered == 1);
	CHECK(clock_ms() - began >= 290 && clock_ms() - began < 1500);
	CHECK_INT(count("net.tcp.connect_timeout"), 1);
	CHECK_INT(seen.unreachable, 1);
	for (size_t i = 0; i < COUNT_OF(filler); i++)
		close(filler[i]);
	close(peer);
	down();
}

TEST(a_peer_that_reads_nothing_loses_its_connection_and_nobody_else)
{
	static char big[60000] = "OPTIONS";
	struct flow to;
	int         peer, deaf, fd, i;

	up(1);
	seen.answer = true;
	peer = peer_listens(5);
	to = to_peer();
	for (i = 0; i < 1000 && !count("net.tcp.closed_full"); i++) {
		CHECK_INT(net_send(&to, str_n(big, sizeof(big))), OK);
		turns(1);
	}
	CHECK_INT(count("net.tcp.closed_full"), 1);
	CHECK(i > 17);	/* the queue's megabyte, and what the kernel takes */
	deaf = peer_accepts(peer);
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, ONE);
	TURN_UNTIL(seen.received == 1);
	check_hears(fd, ANSWER);
	close(deaf);
	close(fd);
	close(peer);
	down();
}

/* Two bytes are waiting for each, and much more memory: that is what is limited. */
TEST(who_asks_for_pongs_and_reads_none_loses_its_connection)
{
	enum { PINGS = 10000 };
	static char   pings[4 * PINGS];
	const int64_t most = 64 * 1024;
	int           fd, small = 1, i;

	for (i = 0; i < PINGS; i++)
		memcpy(pings + (size_t)4 * i, "\r\n\r\n", 4);
	up(1);
	tcp_limits.queue_bytes = (uint64_t)most;
	fd = dial("127.0.0.1", "127.0.0.1");
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	CHECK_INT(send(fd, pings, sizeof(pings), 0), sizeof(pings));
	TURN_UNTIL(count("net.tcp.closed_full") == 1);
	CHECK(count("net.tcp.pings") <= most / (int64_t)sizeof(struct outgoing) + 1);
	close(fd);
	down();
}

TEST(loss_of_a_connection_is_told_to_who_has_asked_over_it)
{
	struct flow to;
	int         peer, c;

	up(1);
	peer = peer_listens(5);
	to = to_peer();
	CHECK_INT(net_send(&to, STR(ONE)), OK);
	turns(3);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	close(c);
	TURN_UNTIL(seen.unreachable == 1);
	CHECK(addr_eq(&seen.gone.peer, &to.peer));
	CHECK_INT(seen.undelivered, 0);
	CHECK_INT(net_send(&to, STR(ONE)), OK);	/* the next opens anew */
	turns(3);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	close(c);
	close(peer);
	down();
}

TEST(an_answer_outlives_the_connection_of_its_request)	/* RFC 3261 §18.2.2 */
{
	struct flow back;
	int         fd, peer, c;

	up(1);
	peer = peer_listens(5);
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, ONE);
	TURN_UNTIL(seen.received == 1);
	back = seen.from;
	back.port = port_plus(1);	/* as response_flow() writes: that of the top Via */
	CHECK(net_flow_alive(&back));
	close(fd);
	TURN_UNTIL(count("net.tcp.connections") == 0);
	CHECK(!net_flow_alive(&back));
	CHECK_INT(net_send(&back, STR(ANSWER)), OK);
	turns(3);
	c = peer_accepts(peer);
	check_hears(c, ANSWER);
	close(peer);
	close(c);
	TURN_UNTIL(count("net.tcp.connections") == 0);
	CHECK_INT(net_send(&back, STR(ANSWER)), OK);	/* there is nobody either: told, not tried for ever */
	TURN_UNTIL(seen.undelivered == 1);
	CHECK_INT(seen.unreachable, 0);
	down();
}

TEST(a_registered_flow_that_is_gone_is_not_replaced_by_another_connection)
{
	struct flow flow;
	int         fd;

	up(1);
	fd = dial("127.0.0.1", "127.0.0.1");
	say(fd, ONE);
	TURN_UNTIL(seen.received == 1);
	flow = seen.from;
	CHECK_INT(net_send(&flow, STR(ONE)), OK);
	turns(1);
	check_hears(fd, ONE);
	close(fd);
	TURN_UNTIL(seen.unreachable == 1);
	CHECK_INT(net_send(&flow, STR(ONE)), OK);
	TURN_UNTIL(seen.undelivered == 1);
	CHECK_INT(count("net.tcp.opened"), 0);
	down();
}

/* --- several workers --- */

/* Another worker: opens a connection to the peer, answers what comes, until it is ended. */
static pid_t other_worker(bool opens)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	worker_up(1);
	seen.answer = true;
	if (opens) {
		struct flow to = to_peer();

		if (net_send(&to, STR(ONE)))
			_exit(1);
	}
	for (;;)
		loop_turn(loop, 5);
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WTERMSIG(status), SIGKILL);
}

TEST(a_message_for_a_connection_of_another_worker_is_handed_over)
{
	struct flow to;
	int         peer, c;
	pid_t       other;

	up(2);
	peer = peer_listens(5);
	other = other_worker(true);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	to = to_peer();
	for (int i = 0; i < 20; i++)
		CHECK_INT(net_send(&to, STR(ONE)), OK);
	for (int i = 0; i < 20; i++)
		check_hears(c, ONE);
	CHECK_INT(count("net.tcp.handed_over"), 20);
	CHECK_INT(count("net.tcp.opened"), 1);
	end(other);
	close(c);
	close(peer);
	net_worker_stop();
	loop_free(loop);
	net_close_all();
	shm_destroy();
}

TEST(an_owner_that_is_stuck_gets_no_more_than_its_queue)
{
	static char big[60000] = "OPTIONS";
	struct flow to;
	int         peer, c, i;
	pid_t       other;

	up(2);
	peer = peer_listens(5);
	other = other_worker(true);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	kill(other, SIGSTOP);
	to = to_peer();
	for (i = 0; i < 30 && !seen.undelivered; i++) {
		CHECK_INT(net_send(&to, str_n(big, i < 17 ? sizeof(big) : 3000)), OK);
		turns(1);
	}
	CHECK(i > 17 && i < 30);
	CHECK_INT(count("net.tcp.dropped_full"), 1);
	end(other);
	close(c);
	close(peer);
	net_worker_stop();
	loop_free(loop);
	net_close_all();
	shm_destroy();
}

TEST(connections_die_with_their_worker_and_its_successor_opens_anew)
{
	struct flow to;
	int         peer, c;
	pid_t       other;

	up(2);
	peer = peer_listens(5);
	other = other_worker(true);
	c = peer_accepts(peer);
	check_hears(c, ONE);
	kill(other, SIGSTOP);
	to = to_peer();
	CHECK_INT(net_send(&to, STR(MESSAGE("left behind", "0\r\n\r\n"))), OK);
	end(other);
	CHECK(is_closed(c));
	close(c);
	other = other_worker(false);
	c = peer_accepts(peer);		/* for the letter that the dead one had not read */
	check_hears(c, MESSAGE("left behind", "0\r\n\r\n"));
	CHECK_INT(count("net.tcp.connections"), 1);
	end(other);
	close(c);
	close(peer);
	net_worker_stop();
	loop_free(loop);
	net_close_all();
	shm_destroy();
}

/* --- PROXY protocol --- */

TEST(proxy_headers_are_read_or_refused)
{
#define V2 "\r\n\r\n\0\r\nQUIT\n"
	static const struct { struct str in; enum err err; size_t len; const char *peer; } rows[] = {
		{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 5060\r\nOPTIONS"), OK, 46, "192.0.2.1:56324" },
		{ STR("PROXY TCP6 2001:db8::1 2001:db8::2 56324 5060\r\n"), OK, 47, "[2001:db8::1]:56324" },
		{ STR("PROXY UNKNOWN\r\n"), OK, 15, "" },
		{ STR("PROXY UNKNOWN a b c d\r\n"), OK, 23, "" },
		{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324 506"), ERR_AGAIN, 0, NULL },
		{ STR("PRO"), ERR_AGAIN, 0, NULL },
		{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"), ERR_SYNTAX, 0, NULL },
		{ STR("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), ERR_SYNTAX, 0, NULL },
		{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 99999 5060\r\n"), ERR_SYNTAX, 0, NULL },
		{ STR("PROXY TCP9 192.0.2.1 198.51.100.1 1 2\r\n"), ERR_SYNTAX, 0, NULL },
		{ STR("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n"), ERR_SYNTAX, 0, NULL },
		{ STR("OPTIONS sip:x SIP/2.0\r\n"), ERR_SYNTAX, 0, NULL },
		{ STR(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\xdc\4\x13\xc4" "OPT"), OK, 28, "192.0.2.1:56324" },
		{ STR(V2 "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\1\xdc\4\x13\xc4\4\0\0"), OK, 31, "192.0.2.1:56324" },
		{ STR(V2 "\x20\0\0\0"), OK, 16, "" },
		{ STR(V2 "\x21\x31\0\0"), OK, 16, "" },
		{ STR(V2 "\x21\x11\0\x0c\xc0\0\2\1"), ERR_AGAIN, 0, NULL },
		{ STR(V2 "\x21"), ERR_AGAIN, 0, NULL },
		{ STR(V2 "\x21\x11\0\4\xc0\0\2\1"), ERR_SYNTAX, 0, NULL },
		{ STR(V2 "\x31\x11\0\0"), ERR_SYNTAX, 0, NULL },
		{ STR(V2 "\x22\x11\0\0"), ERR_SYNTAX, 0, NULL },
		{ STR(V2 "\x21\x11\xff\xff"), ERR_SYNTAX, 0, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr peer = { 0 };
		size_t      len = 0;

		CHECK_ROW(proxy_header_parse(rows[i].in, &peer, &len) == rows[i].err, rows[i].in.p);
		CHECK_INT(len, rows[i].len);
		if (rows[i].peer && *rows[i].peer)
			CHECK_STR(addr_text(&peer, (char[ADDR_TEXT]){ 0 }), rows[i].peer);
		else
			CHECK_INT(peer.u.any.sa_family, AF_UNSPEC);
	}
}

TEST(proxy_header_counts_from_named_addresses_only)
{
	struct network named = { .prefix = 32 };
	int            balancer, client, silent;

	up(1);
	seen.answer = true;
	named.net = addr("127.0.0.9", 0);
	tcp_limits.proxies = &named;
	tcp_limits.n_proxies = 1;
	balancer = dial("127.0.0.9", "127.0.0.1");
	say(balancer, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 5060\r\n" ONE);
	TURN_UNTIL(seen.received == 1);
	CHECK_STR(addr_text(&seen.from.peer, (char[ADDR_TEXT]){ 0 }), "192.0.2.1:56324");
	check_hears(balancer, ANSWER);
	client = dial("127.0.0.8", "127.0.0.1");
	say(client, "PROXY TCP4 192.0.2.1 198.51.100.1 56324 5060\r\n\r\n" ONE);
	TURN_UNTIL(seen.unframed == 1);		/* for SIP it is rubbish */
	silent = dial("127.0.0.9", "127.0.0.1");
	say(silent, ONE);
	TURN_UNTIL(count("net.tcp.closed_proxy_header") == 1);
	CHECK_INT(seen.received, 1);
	close(balancer);
	close(client);
	close(silent);
	down();
}
