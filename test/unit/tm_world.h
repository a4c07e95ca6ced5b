#pragma once
/* A world for the transaction tests: a caller at 127.0.0.1:7000, phones downstream, a clock that stands still until told, and all that
 * is sent caught. Messages come in as text and go out as text. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/mailbox.h"
#include "net/net.h"
#include "shm/counter.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"
#include "timer/timer.h"
#include "tm/tm.h"

enum { MB = 1024 * 1024, MOST_SENT = 256, MOST_TEXT = 2048, CALLER = 7000, FIRST_PHONE = 7101 };

struct sent {
	uint16_t port;
	size_t   len;
	char     text[MOST_TEXT];
};

static struct {
	const struct listener *l;
	uint64_t               ms;
	struct sent            sent[MOST_SENT];
	size_t                 n_sent, n_seen;
	struct ctx             c;
	struct arena           arena;
	struct trans          *t;	/* of the last request that was new */
	int                    outcomes;	/* that runs of this process were told */
	uint32_t               run;	/* who was told */
	bool                   no_such_run;
	char                   timeouts[200];	/* that the user was told of: "7101 B, 7102 B+" (+: goes on) */
	uint64_t               bytes_before;
} w;

/* --- clock and network --- */

static uint64_t world_mono(void)
{
	return w.ms;
}

static int64_t world_unix(void)
{
	return (int64_t)w.ms * 1000;
}

static void world_out(const struct flow *to, struct str bytes)
{
	struct sent *s = &w.sent[w.n_sent];

	if (w.n_sent == MOST_SENT)
		return;		/* nobody reads that many: retransmissions while time runs out */
	CHECK(bytes.len < MOST_TEXT);
	s->port = addr_port(&to->peer);
	s->len = bytes.len;
	memcpy(s->text, bytes.p, bytes.len);
	s->text[bytes.len] = '\0';
	w.n_sent++;
}

static bool world_outcome(struct trans *t, uint32_t run)
{
	(void)t;
	w.outcomes++;
	w.run = run;
	return !w.no_such_run;
}

static void world_timeout(struct ctx *c, const struct tm_timeout *what)
{
	size_t have = strlen(w.timeouts);

	(void)c;
	CHECK(str_find(what->request, ' ') > 0);
	snprintf(w.timeouts + have, sizeof(w.timeouts) - have, "%s%u %s%s", have ? ", " : "", addr_port(&what->peer->peer), what->timer, what->goes_on ? "+" : "");
}

static uint64_t tm_bytes(void)
{
	struct shm_usage rows[32];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n && i < COUNT_OF(rows); i++)
		if (!strcmp(rows[i].owner, "tm"))
			return rows[i].bytes;
	return 0;
}

static void world_up(void)
{
	static const struct tm_user      user = { .outcome = world_outcome, .timeout = world_timeout };
	static const struct clock_source clock = { .mono_ms = world_mono, .unix_us = world_unix };
	const struct listener           *l = w.l;

	memset(&w, 0, sizeof(w));
	w.ms = 1000 * 1000;
	clock_replace(&clock);
	shm_destroy();
	CHECK_INT(shm_create(16 * MB, 4), OK);
	CHECK_INT(timer_boot(), OK);
	CHECK_INT(mailbox_boot(), OK);
	CHECK_INT(tm_boot(64), OK);
	tm_set_user(&user);
	tm_timers.first = 5000;
	net_replace(world_out);
	w.l = l ? l : net_fake_listener(TP_UDP, "127.0.0.1", 5060);
	CHECK(w.l);
	proc_enter(1, "worker 1");
	arena_init(&w.arena, NULL, 0, 4 * MB);
	w.c.arena = &w.arena;
	w.bytes_before = tm_bytes();
}

/* Time goes by in the steps of the wheel; letters are read as they come. */
static void pass(uint64_t ms)
{
	for (uint64_t end = w.ms + ms; w.ms < end;) {
		w.ms += TIMER_TICK_MS;
		clock_tick();
		timer_run(w.ms);
		mailbox_read();
	}
}

static void world_down(void)
{
	arena_free(&w.arena);
	net_replace(NULL);
	shm_destroy();
	clock_replace(NULL);
}

static __attribute__((unused)) void run_leaves(void)
{
	tm_leave(w.t);
	w.t = NULL;
}

/* The run leaves, let all timers run out: nothing may be left, neither memory nor timers. */
static __attribute__((unused)) void world_ends_clean(void)
{
	run_leaves();
	pass(400 * 1000);
	CHECK_INT(tm_alive(), 0);
	CHECK_INT(timer_count(), 0);
	CHECK_INT(tm_bytes(), w.bytes_before);
	world_down();
}

static struct flow peer(uint16_t port)
{
	struct flow f = { .via = w.l };

	CHECK_INT(addr_parse(STR("127.0.0.1"), port, &f.peer), OK);
	return f;
}

/* --- what comes in --- */

enum came { CAME_NEW, CAME_ABSORBED, CAME_UNKNOWN };

static struct msg *parsed(struct str text)
{
	struct msg *m = ARENA_NEW(&w.arena, struct msg);
	struct str  copy = arena_dup(&w.arena, text);

	CHECK(m && copy.p);
	CHECK_INT(msg_parse(&w.c, copy, m), OK);
	CHECK_INT(msg_check(m), 0);
	return m;
}

/* What the proxy floor does with a message. */
static enum came come_msg(struct msg *m, uint16_t port)
{
	struct flow from = peer(port);
	enum err    err;

	if (!m->request)
		return tm_response(&w.c, m, &from) ? CAME_ABSORBED : CAME_UNKNOWN;
	CHECK_INT(msg_set_received(m, STR("127.0.0.1"), port), OK);
	if (m->method == M_ACK)
		return tm_ack(m) ? CAME_ABSORBED : CAME_UNKNOWN;
	if (m->method == M_CANCEL)
		return tm_cancel(&w.c, m, &from) ? CAME_ABSORBED : CAME_UNKNOWN;
	if (tm_absorb(m, &from))
		return CAME_ABSORBED;
	err = tm_create(&w.c, m, &from, &w.t);
	return err ? CAME_UNKNOWN : CAME_NEW;
}

static enum came come(struct str text, uint16_t port)
{
	return come_msg(parsed(text), port);
}

/* A request of the caller, with branch parameter z9hG4bK-<call>. ACK and CANCEL follow the INVITE. */
static struct str request(const char *method, const char *call)
{
	struct str  s = arena_printf(&w.arena,
		"%s sip:bob@example.org SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 127.0.0.1:7000;rport;branch=z9hG4bK-%s\r\n"
		"Max-Forwards: 70\r\n"
		"From: <sip:alice@example.org>;tag=a1\r\n"
		"To: <sip:bob@example.org>\r\n"
		"Call-ID: %s\r\n"
		"CSeq: 1 %s\r\n"
		"Contact: <sip:alice@127.0.0.1:7000>\r\n"
		"Content-Length: 0\r\n\r\n", method, call, call, method);

	CHECK(s.p);
	return s;
}

/* A phone answers what was sent to it. `headers` whole fields, or empty. */
static enum came answer_with(const struct sent *req, uint16_t status, const char *headers)
{
	char         room[MOST_TEXT];
	struct buf   out = buf_on(room, sizeof(room));
	struct msg  *m = parsed(str_n(req->text, req->len));
	struct reply r = { .status = status, .to_tag = status == 100 ? STR("") : STR("phone"), .headers = str_of(headers) };

	reply_write(m, &r, &out);
	CHECK(buf_ok(&out));
	return come(buf_str(&out), req->port);
}

static enum came answer(const struct sent *req, uint16_t status)
{
	return answer_with(req, status, "");
}

/* --- what goes out --- */

/* The next message that was sent must go to that port and begin so. */
static const struct sent *sent_to(uint16_t port, const char *begin)
{
	const struct sent *s = &w.sent[w.n_seen];

	if (w.n_seen == w.n_sent)
		print_error("nothing was sent, wanted to %u: %s\n", port, begin);
	CHECK(w.n_seen < w.n_sent);
	w.n_seen++;
	if (s->port != port || strncmp(s->text, begin, strlen(begin)))
		print_error("wanted to %u: %s\ngot to %u:\n%s\n", port, begin, s->port, s->text);
	CHECK_INT(s->port, port);
	CHECK(!strncmp(s->text, begin, strlen(begin)));
	return s;
}

static __attribute__((unused)) bool quiet(void)
{
	if (w.n_seen == w.n_sent)
		return true;
	print_error("sent to %u:\n%s\n", w.sent[w.n_seen].port, w.sent[w.n_seen].text);
	return false;
}

static __attribute__((unused)) bool has(const struct sent *s, const char *text)
{
	if (strstr(s->text, text))
		return true;
	print_error("no \"%s\" in:\n%s\n", text, s->text);
	return false;
}

/* --- forking --- */

struct build {
	struct msg *m;
	unsigned    phone;
};

static void build_branch(void *arg, struct str branch_id, struct buf *out)
{
	struct build *b = arg;
	struct str    via = arena_printf(&w.arena, "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=" STR_FMT "\r\n", STR_ARG(branch_id));
	struct str    ruri = arena_printf(&w.arena, "sip:bob@127.0.0.1:%u", b->phone);

	msg_write_branch(b->m, via, ruri, out);
}

static enum err try_branch(struct str req, uint16_t port)
{
	struct build b = { parsed(req), port };
	struct flow  to = peer(port);

	return tm_fork(w.t, &w.c, &to, build_branch, &b, msg_write_bound(b.m, 256));
}

/* New request, relayed to n phones: it and what they were sent. */
static __attribute__((unused)) void relayed(struct str req, unsigned n, uint32_t run, uint32_t most_ms, const struct sent *phone[])
{
	CHECK_INT(come(req, CALLER), CAME_NEW);
	tm_fork_begin(w.t);
	if (run)
		tm_wait(w.t, run, most_ms);
	for (unsigned i = 0; i < n; i++) {
		CHECK_INT(try_branch(req, (uint16_t)(FIRST_PHONE + i)), OK);
		phone[i] = sent_to((uint16_t)(FIRST_PHONE + i), parsed(req)->method == M_INVITE ? "INVITE" : "");
	}
	tm_fork_end(w.t);
	if (!run)
		tm_release(w.t);
}
