/* core/net/trail: what happened lately to each call; rings that are written and read at the same time. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/trail.h"
#include "shm/shm.h"

enum { SLOTS = 3, RING_BYTES = 4096 };	/* 64 cells */

static struct {
	unsigned count;
	char     last[TRAIL_MOST_DATA + 1], first[TRAIL_MOST_DATA + 1];
	struct trail_event event;
} seen;

static void up(size_t bytes)
{
	shm_destroy();
	CHECK_INT(shm_create(16 << 20, SLOTS), OK);
	proc_enter(1, "worker 1");
	trail_boot(bytes);
	trail_start();
	memset(&seen, 0, sizeof(seen));
}

static void note(void *arg, const struct trail_event *e)
{
	(void)arg;
	seen.event = *e;
	memset(seen.last, 0, sizeof(seen.last));
	memcpy(seen.last, e->data.p, e->data.len);
	if (!seen.count++)
		memcpy(seen.first, seen.last, sizeof(seen.first));
}

static uint64_t read_from(uint64_t from)
{
	memset(&seen, 0, sizeof(seen));
	return trail_each(1, false, from, note, NULL);
}

TEST(an_event_is_read_as_it_was_written)
{
	uint64_t call;

	up(RING_BYTES);
	call = trail_call(STR("a@b"));
	CHECK(call && !(call & TRAIL_TRACED));
	CHECK(call == trail_call(STR("a@b")) && call != trail_call(STR("a@c")));
	trail_add(call, TRAIL_TIMER, 77, STR("it is late"));
	read_from(0);
	CHECK_INT(seen.count, 1);
	CHECK(seen.event.call == call && seen.event.kind == TRAIL_TIMER && seen.event.place == 77 && seen.event.slot == 1);
	CHECK(seen.event.at_us > 1000000);
	CHECK_STR(str_of(seen.last), "it is late");
}

TEST(data_of_every_length_comes_back)
{
	char long_text[TRAIL_MOST_DATA + 10];

	memset(long_text, 'x', sizeof(long_text));
	for (size_t n = 0; n <= sizeof(long_text); n++) {
		uint64_t at;

		up(RING_BYTES);
		trail_add(trail_call(STR("a")), TRAIL_FAULT, 0, str_n(long_text, n));
		trail_add(trail_call(STR("a")), TRAIL_FAULT, 0, STR("next"));
		at = read_from(0);
		CHECK_INT(seen.count, 2);
		CHECK_INT(strlen(seen.first), n < TRAIL_MOST_DATA ? n : TRAIL_MOST_DATA);
		CHECK_STR(str_of(seen.last), "next");
		CHECK(read_from(at) == at && !seen.count);
	}
}

/* The ring goes round: the newest are there, whole and in order, whatever their lengths. */
TEST(the_oldest_make_room)
{
	uint64_t call;
	char     text[200];

	up(RING_BYTES);
	call = trail_call(STR("a"));
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(text, sizeof(text), "%d %.*s", i, i % 150, "................................................................"
				 "......................................................................................");

		trail_add(call, TRAIL_FAULT, 0, str_n(text, (size_t)n));
	}
	read_from(0);
	CHECK(seen.count >= 64 / 4 && seen.count < 64);
	CHECK_INT(atoi(seen.last), 999);
	CHECK_INT(atoi(seen.first), 1000 - (int)seen.count);
}

TEST(a_message_keeps_its_first_line_and_its_peer)
{
	struct listener  l = { .transport = TP_TCP };
	struct flow      f = { .via = &l };
	struct trail_wire w;

	up(RING_BYTES);
	CHECK_INT(addr_parse(STR("2001:db8::7"), 5062, &f.peer), OK);
	trail_message(trail_call(STR("a")), TRAIL_SENT, &f, STR("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776asdhds\r\nFrom: <sip:a@b>\r\n\r\n"));
	read_from(0);
	memcpy(&w, seen.event.data.p ? seen.first : "", sizeof(w));
	CHECK(w.transport == TP_TCP && w.family == AF_INET6 && w.port == 5062 && !memcmp(w.ip, &f.peer.u.v6.sin6_addr, 16));
	CHECK_INT(seen.event.data.len, sizeof(w) + strlen("SIP/2.0 200 OK"));
	trail_message(0, TRAIL_SENT, &f, STR("SIP/2.0 200 OK\r\n\r\n"));
	read_from(0);
	CHECK_INT(seen.count, 1);
}

TEST(without_memory_for_it_nothing_is_noted)
{
	up(0);
	CHECK(!trail_call(STR("a")) && !trail_watching() && !trail_watch_at(0));
	trail_add(2, TRAIL_FAULT, 0, STR("x"));
	CHECK(trail_each(1, false, 0, note, NULL) == 0 && !seen.count);
	CHECK_INT(trail_watch(&(struct trail_watch){ .until_ms = UINT64_MAX }), 0);
	trail_unwatch(1);
}

TEST(who_takes_the_slot_goes_on_in_its_ring)
{
	up(RING_BYTES);
	trail_add(trail_call(STR("a")), TRAIL_FAULT, 0, STR("before"));
	proc_enter(1, "worker 1");
	trail_start();
	trail_add(trail_call(STR("a")), TRAIL_FAULT, 0, STR("after"));
	read_from(0);
	CHECK_INT(seen.count, 2);
	CHECK_STR(str_of(seen.first), "before");
}

/* Whoever reads while another process writes gets whole events only: each is one character all through. */
static void check_whole(void *arg, const struct trail_event *e)
{
	unsigned *n = arg;

	for (size_t i = 1; i < e->data.len; i++)
		CHECK_INT(e->data.p[i], e->data.p[0]);
	++*n;
}

static void write_and_end(void)
{
	char     text[TRAIL_MOST_DATA];
	uint64_t call = trail_call(STR("a"));

	for (unsigned i = 0; i < 200000; i++) {
		size_t n = i * 7 % TRAIL_MOST_DATA;

		memset(text, 'a' + (int)(i % 26), n);
		trail_add(call, TRAIL_FAULT, 0, str_n(text, n));
	}
	_exit(0);
}

TEST(readers_never_see_half_an_event)
{
	unsigned n = 0;
	int      status = 0;
	pid_t    pid;

	up(RING_BYTES);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		write_and_end();
	while (waitpid(pid, &status, WNOHANG) == 0)
		(void)trail_each(1, false, 0, check_whole, &n);
	(void)trail_each(1, false, 0, check_whole, &n);
	CHECK_INT(status, 0);
	CHECK(n > 0);
}

TEST(a_watch_takes_calls_into_their_own_ring)
{
	uint64_t call;
	unsigned w;

	up(RING_BYTES);
	call = trail_call(STR("a"));
	w = trail_watch(&(struct trail_watch){ .until_ms = clock_ms() + 1000, .user = "alice" });
	CHECK_INT(w, 1);
	CHECK(trail_watching() && !strcmp(trail_watch_at(0)->user, "alice") && !trail_watch_at(1));
	CHECK(trail_call(STR("a")) == call);
	CHECK(trail_take(0, call) == (call | TRAIL_TRACED));
	CHECK(trail_call(STR("a")) == (call | TRAIL_TRACED));
	CHECK(trail_took(w, call) && !trail_took(w, trail_call(STR("b"))) && !trail_took(2, call) && !trail_took(0, call));
	trail_add(trail_call(STR("a")), TRAIL_LINE, 1, STR_NONE);
	trail_add(trail_call(STR("b")), TRAIL_CALLED, 1, STR("f"));
	read_from(0);
	CHECK_INT(seen.count, 1);
	CHECK_INT(seen.event.kind, TRAIL_CALLED);
	memset(&seen, 0, sizeof(seen));
	(void)trail_each(1, true, 0, note, NULL);
	CHECK_INT(seen.count, 1);
	CHECK_INT(seen.event.kind, TRAIL_LINE);
	trail_unwatch(w);
	CHECK(!trail_watching() && trail_call(STR("a")) == call);
	trail_unwatch(w);	/* twice does no harm */
	CHECK(!(trail_watching()));
}

TEST(watches_are_bounded_and_end_by_themselves)
{
	up(RING_BYTES);
	for (unsigned i = 0; i < TRAIL_WATCHES; i++)
		CHECK_INT(trail_watch(&(struct trail_watch){ .until_ms = i == 7 ? clock_ms() : UINT64_MAX }), i + 1);
	CHECK(!trail_watch_at(7));
	CHECK_INT(trail_watch(&(struct trail_watch){ .until_ms = UINT64_MAX }), 8);	/* in the place of the one that is over */
	CHECK_INT(trail_watch(&(struct trail_watch){ .until_ms = UINT64_MAX }), 0);
	for (unsigned i = 1; i <= TRAIL_WATCHES; i++)
		trail_unwatch(i);
	CHECK(!(trail_watching()));
}

TEST(a_watch_remembers_its_last_calls)
{
	char text[20];

	up(RING_BYTES);
	CHECK_INT(trail_watch(&(struct trail_watch){ .until_ms = UINT64_MAX }), 1);
	for (int i = 0; i < 100; i++) {
		struct buf b = buf_on(text, sizeof(text));

		buf_u64(&b, (uint64_t)i);
		(void)trail_take(0, trail_call(buf_str(&b)));
	}
	CHECK(trail_call(STR("99")) & TRAIL_TRACED);
	CHECK(!(trail_call(STR("1")) & TRAIL_TRACED));
	shm_destroy();
}
