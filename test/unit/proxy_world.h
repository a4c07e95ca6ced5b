#pragma once
/* A world for the tests of core/proxy: messages in and messages out, on a replaced network and clock. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "net/dns.h"
#include "net/mailbox.h"
#include "proxy/internal.h"
#include "shm/shm.h"

enum { MOST_SENT = 40 };

static struct {
	uint64_t               ms;
	const struct listener *us;
	struct flow            caller;
	size_t                 sent;
	struct str             bytes[MOST_SENT];
	struct flow            to[MOST_SENT];
	char                   room[MOST_SENT][4096];
	void (*script)(struct request *r);
	bool                   stateless;	/* the script forwards */
	struct request        *kept;
	struct tm_outcome      outcome;
	unsigned               outcomes;
} w;

static inline uint64_t fake_ms(void) { return w.ms; }
static inline int64_t fake_us(void) { return (int64_t)w.ms * 1000; }

static inline void capture(const struct flow *to, struct str bytes)
{
	if (w.sent == MOST_SENT)
		return;		/* nobody reads that many: retransmissions while time runs out */
	memcpy(w.room[w.sent], bytes.p, bytes.len);
	w.bytes[w.sent] = str_n(w.room[w.sent], bytes.len);
	w.to[w.sent++] = *to;
}

static inline void run_script(struct request *r) { w.script(r); }
static inline bool follow(struct request *r)
{
	if (!w.stateless)
		return false;
	w.script(r);
	return true;
}
static inline bool local_host(struct str host) { return str_ieqz(host, "example.org"); }

/* Also when shared memory was made anew. */
static inline void world_proxy(void)
{
	static const struct proxy_user user = { .request = run_script, .follow = follow, .is_local = local_host };

	CHECK(!proxy_boot(&user));
}

static inline void world_begin(void)
{
	static const struct clock_source clock = { .mono_ms = fake_ms, .unix_us = fake_us };
	static const struct net_user     net = { .received = proxy_received };

	memset(&w, 0, sizeof(w));
	w.ms = 1000000;
	clock_replace(&clock);
	random_seed(7);
	shm_destroy();
	CHECK(!shm_create(64 << 20, 3) && !timer_boot() && !mailbox_boot() && !tm_boot(1024));
	proc_enter(1, "worker 1");
	net_replace(capture);
	net_set_user(&net);
	w.us = net_fake_listener(TP_UDP, "127.0.0.1", 5060);
	CHECK(w.us);
	world_proxy();
	w.caller.via = w.us;
	CHECK(!addr_parse(STR("127.0.0.2"), 5070, &w.caller.peer));
}

static inline void world_end(void)
{
	request_pool_free();
	net_replace(NULL);
	net_close_all();
	dns_replace(NULL);
	shm_destroy();
	random_seed(0);
	clock_replace(NULL);
}

static inline void pass(uint64_t ms)
{
	for (uint64_t end = w.ms + ms; w.ms < end;) {
		w.ms += 10;
		clock_tick();
		timer_run(w.ms);
		mailbox_read();
	}
}

static inline void receive_from(const char *text, const struct flow *from)
{
	net_inject(str_of(text), from);
	mailbox_read();
}

static inline void receive(const char *text)
{
	net_inject(str_of(text), &w.caller);
	mailbox_read();
}

/* A request of the caller: the fields every one has, and more. */
#define REQUEST(method, ruri, to, more)                                                                                       \
	method " " ruri " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK77ef;rport\r\nMax-Forwards: 70\r\n"       \
	       "From: <sip:a@example.org>;tag=1\r\nTo: " to "\r\nCall-ID: c1\r\nCSeq: 1 " method "\r\n" more               \
	       "Content-Length: 0\r\n\r\n"

static inline bool sent_has(size_t i, const char *text)
{
	if (i < w.sent && str_find_str(w.bytes[i], str_of(text)) >= 0)
		return true;
	print_error("message %zu of %zu lacks \"%s\":\n" STR_FMT "\n", i, w.sent, text, STR_ARG(i < w.sent ? w.bytes[i] : STR_NONE));
	return false;
}

static inline bool any_sent_has(const char *text)
{
	for (size_t i = 0; i < w.sent; i++)
		if (str_find_str(w.bytes[i], str_of(text)) >= 0)
			return true;
	return false;
}

/* The answer of a callee to what was sent as message i: its fields copied, `headers` behind them. */
static inline void answer_with(size_t i, uint16_t status, const char *to_tag, const char *headers)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   m;
	char         room[4096];
	struct buf   out = buf_on(room, sizeof(room));
	struct flow  from = { .via = w.us, .peer = w.to[i].peer };

	arena_init(&a, NULL, 0, 1 << 20);
	CHECK(!msg_parse(&c, w.bytes[i], &m));
	reply_write(&m, &(struct reply){ .status = status, .to_tag = str_of(to_tag), .headers = str_of(headers) }, &out);
	net_inject(buf_str(&out), &from);
	mailbox_read();
	arena_free(&a);
}

static inline void answer(size_t i, uint16_t status, const char *to_tag)
{
	answer_with(i, status, to_tag, "");
}

static inline void relay_done_cb(void *arg, const struct tm_outcome *out)
{
	struct request *r = arg;

	w.outcome = *out;
	w.outcomes++;
	if (r->t)
		tm_release(r->t);
	request_done(r);
}

static inline void keep_cb(void *arg, const struct tm_outcome *out)
{
	w.kept = arg;
	w.outcome = *out;
	w.outcomes++;
}

static inline void script_relay(struct request *r) { request_relay(r, &(struct relay_opts){ 0 }, relay_done_cb, r); }
static inline void script_relay_recorded(struct request *r)
{
	r->record_route = true;
	script_relay(r);
}
static inline void script_wait(struct request *r)
{
	request_relay(r, &(struct relay_opts){ .wait = true, .run = 5, .timeout_ms = 20000 }, keep_cb, r);
}
static inline void script_forward(struct request *r)
{
	request_forward(r, STR("sip:127.0.0.9:5090"));
	request_done(r);
}
static inline void script_must_not_run(struct request *r)
{
	request_done(r);
	fail();
}

/* What was sent as message i comes back from where it went, with the first `was` replaced by `is` (NULL: as it is). */
static inline void comes_back(size_t i, const char *was, const char *is)
{
	struct flow from = { .via = w.us, .peer = w.to[i].peer };
	char        room[4096], *at;

	snprintf(room, sizeof(room), STR_FMT, STR_ARG(w.bytes[i]));
	at = was ? strstr(room, was) : NULL;
	CHECK(!was || at);
	if (was) {
		char rest[4096];

		snprintf(rest, sizeof(rest), "%s", at + strlen(was));
		snprintf(at, sizeof(room) - (size_t)(at - room), "%s%s", is, rest);
	}
	receive_from(room, &from);
}

/* How often does the text stand in message i? */
static inline unsigned count_of(size_t i, const char *text)
{
	struct str rest = i < w.sent ? w.bytes[i] : STR_NONE;
	unsigned   n = 0;

	for (ptrdiff_t at; (at = str_find_str(rest, str_of(text))) >= 0; n++)
		rest = str_from(rest, (size_t)at + strlen(text));
	return n;
}
