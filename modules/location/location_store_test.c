/* A durable location store: what is in the database when, and what a start finds there. This process is server and writer at once. */
#include "modules/location/location.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "test.h"

extern const struct module module;

static struct {
	char         folder[64], path[96], url[112], why[512];
	struct arena arena;
	struct loop *loop;
	struct db   *d;
	unsigned     answers;
	enum err     last;
	uint64_t     ms;
	int64_t      unix_s;
} t;

static uint64_t fake_ms(void)
{
	return t.ms;
}

static int64_t fake_unix_us(void)
{
	return t.unix_s * 1000000;
}

static const struct clock_source fake_clock = { fake_ms, fake_unix_us };

static void clock_forward(unsigned s)
{
	t.ms += s * 1000u;
	t.unix_s += s;
	clock_tick();
}

static void server_start(void)
{
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	db_set_writer_slot(1);
	CHECK_INT(module.start(t.why), OK);
	proc_enter(1, "worker 1");
	t.loop = loop_new();
	CHECK(t.loop && !mailbox_start(t.loop) && !db_writer_start(t.loop) && !module.worker_start(t.loop, t.why));
}

static void server_stop(void)
{
	db_writer_stop();
	loop_free(t.loop);
	shm_destroy();
}

static void setup(void)
{
	unsigned n;

	memset(&t, 0, sizeof(t));
	t.ms = 1000;
	t.unix_s = 1800000000;
	clock_replace(&fake_clock);
	snprintf(t.folder, sizeof(t.folder), "/tmp/sipario-location-XXXXXX");
	CHECK(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/x.db", t.folder);
	snprintf(t.url, sizeof(t.url), "sqlite:%s", t.path);
	arena_init(&t.arena, NULL, 0, 1 << 20);
	t.d = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(t.d && !db_migrate(t.d, "db/schema", &n, t.why, sizeof(t.why)));
	CHECK(!db_configure(str_of(t.url), t.why, sizeof(t.why)));
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	location_cfg = (struct location_cfg){ .durable = true, .buckets = 1024 };
	server_start();
}

static void teardown(void)
{
	char line[128];

	server_stop();
	db_close(t.d);
	arena_free(&t.arena);
	snprintf(line, sizeof(line), "rm -rf %s", t.folder);
	CHECK(!system(line));
	clock_replace(NULL);
}

static void turns(void)
{
	for (int i = 0; i < 6; i++) {
		t.ms += 10;
		loop_turn(t.loop, 1);
	}
}

static void on_done(void *arg, enum err err)
{
	CHECK(arg == &t);
	t.answers++;
	t.last = err;
}

static const struct str AOR = STR("sip:alice@example.org");

/* contact NULL: all */
static enum err save(const char *contact, uint32_t cseq, uint32_t expires, struct flow from, bool *now)
{
	struct binding_change ch = { .expires = expires, .b = { .contact = str_of(contact), .call_id = STR("c1"), .cseq = cseq, .q = 700,
		.instance = STR("urn:uuid:1"), .path = STR("<sip:edge;lr>"), .user_agent = STR("phone"),
		.expires_unix = t.unix_s + expires, .received = from } };
	struct location_save s = { .aor = AOR, .call_id = STR("c1"), .cseq = cseq, .remove_all = !contact, .n = contact ? 1 : 0, .change = &ch,
				   .max_contacts = 10 };

	*now = true;
	return location_save_bindings(&s, now, on_done, &t);
}

/* "contact contact" as the database has it. */
static struct str rows(void)
{
	struct db_rows r;
	struct buf     out = buf_on(arena_alloc(&t.arena, 1024), 1024);

	CHECK(!db_exec(t.d, "SELECT contact FROM bindings ORDER BY contact", NULL, 0, &t.arena, &r, t.why, sizeof(t.why)));
	for (size_t i = 0; i < r.rows; i++) {
		if (i)
			buf_ch(&out, ' ');
		buf_add(&out, db_cell(&r, i, 0)->s);
	}
	return buf_str(&out);
}

static struct binding *found(void)
{
	struct binding *list = NULL;

	CHECK_INT(location_find(&t.arena, AOR, &list), OK);
	return list;
}

static uint64_t bytes_of(const char *owner)
{
	struct shm_usage u[64];
	size_t           n = shm_usage(u, COUNT_OF(u));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(u[i].owner, owner))
			return u[i].bytes;
	return 0;
}

TEST(who_waits_is_told_after_the_commit)
{
	bool now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 60, (struct flow){ 0 }, &now), OK);
	CHECK(!now && !t.answers);
	CHECK_STR(rows(), "");
	turns();
	CHECK(t.answers == 1 && t.last == OK);
	CHECK_STR(rows(), "sip:a@h1");
	CHECK_INT(save("sip:a@H1", 2, 90, (struct flow){ 0 }, &now), OK);	/* the same contact, spelt anew: two letters, one answer */
	turns();
	CHECK(t.answers == 2 && t.last == OK);
	CHECK_STR(rows(), "sip:a@H1");
	CHECK_INT(save("sip:a@h1", 3, 0, (struct flow){ 0 }, &now), OK);
	turns();
	CHECK_STR(rows(), "");
	CHECK_INT(save("sip:a@h1", 4, 60, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save("sip:a@h2", 5, 60, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save(NULL, 6, 0, (struct flow){ 0 }, &now), OK);
	CHECK(!now);
	turns();
	CHECK_INT(t.answers, 6);
	CHECK_STR(rows(), "");
	CHECK(!found());
	teardown();
}

TEST(write_behind_answers_at_once_and_writes_soon_also_after_the_store_was_away)
{
	char     line[256];
	uint64_t letters;
	bool     now;

	setup();
	letters = bytes_of("db");
	location_cfg.durable = DURABLE_BEHIND;
	CHECK_INT(save("sip:a@h1", 1, 3600, (struct flow){ 0 }, &now), OK);
	CHECK(now);
	turns();
	CHECK_STR(rows(), "sip:a@h1");
	snprintf(line, sizeof(line), "mv %s %s.away", t.folder, t.folder);
	CHECK(!system(line));
	log_set_level(LOG_ERROR);
	for (uint32_t i = 2; i < 50; i++) {
		CHECK_INT(save(i % 2 ? "sip:a@h1" : "sip:a@h2", i, 3600, (struct flow){ 0 }, &now), OK);
		CHECK(now);
		clock_forward(1);
		turns();
	}
	CHECK_INT(save("sip:a@h1", 50, 0, (struct flow){ 0 }, &now), OK);
	turns();
	snprintf(line, sizeof(line), "mv %s.away %s", t.folder, t.folder);
	CHECK(!system(line));
	clock_forward(2);
	turns();
	CHECK_STR(rows(), "sip:a@h2");
	CHECK_INT(t.answers, 0);
	CHECK(bytes_of("db") == letters);
	teardown();
}

TEST(a_start_brings_the_bindings_back_and_their_end)
{
	struct flow           from = { .via = net_fake_listener(TP_UDP, "127.0.0.1", 5060) };
	const struct binding *b;
	bool                  now;

	setup();
	CHECK(from.via);
	CHECK_INT(addr_parse(STR("192.0.2.7"), 4321, &from.peer), OK);
	CHECK_INT(save("sip:a@h1", 9, 60, from, &now), OK);
	CHECK_INT(save("sip:a@h2", 10, 20, from, &now), OK);
	turns();
	server_stop();
	clock_forward(30);	/* the second is over meanwhile */
	server_start();
	CHECK_STR(rows(), "sip:a@h1");
	CHECK_INT(counter_read(&location_bindings), 1);
	b = found();
	CHECK(b && !b->next);
	CHECK_STR(b->contact, "sip:a@h1");
	CHECK_STR(b->call_id, "c1");
	CHECK_STR(b->instance, "urn:uuid:1");
	CHECK_STR(b->path, "<sip:edge;lr>");
	CHECK_STR(b->user_agent, "phone");
	CHECK(b->cseq == 9 && b->q == 700 && b->expires_unix == 1800000060);
	CHECK(b->received.via == from.via && addr_eq(&b->received.peer, &from.peer));
	CHECK_INT(timer_count(), 0);
	turns();
	CHECK_INT(timer_count(), 1);	/* armed by the worker */
	clock_forward(31);
	turns();
	CHECK(!found());
	CHECK_INT(counter_read(&location_bindings), 0);
	CHECK_STR(rows(), "");
	teardown();
}

TEST(a_flow_whose_listener_is_gone_is_none)
{
	const char *insert = "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix, received, via) VALUES "
			     "('sip:alice@example.org', 'sip:a@h', 'c', 1, 1800000100, 'udp:192.0.2.7:4321', 'udp:203.0.113.1:5060')";

	setup();
	CHECK(!db_exec(t.d, insert, NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
	server_stop();
	server_start();
	CHECK(found() && !found()->received.via);
	teardown();
}

TEST(a_store_that_is_away_is_told_and_the_phone_stays_reachable)
{
	char line[256];
	bool now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 60, (struct flow){ 0 }, &now), OK);
	turns();
	snprintf(line, sizeof(line), "mv %s %s.away", t.folder, t.folder);
	CHECK(!system(line));
	log_set_level(LOG_ERROR);
	CHECK_INT(save("sip:a@h2", 2, 60, (struct flow){ 0 }, &now), OK);
	CHECK(!now);
	turns();
	CHECK_INT(t.answers, 1);
	clock_forward(6);
	for (int i = 0; i < 100 && t.answers < 2; i++) {
		clock_forward(1);
		turns();
	}
	CHECK(t.answers == 2 && t.last == ERR_IO);
	CHECK_STR(found()->contact, "sip:a@h2");
	snprintf(line, sizeof(line), "mv %s.away %s", t.folder, t.folder);
	CHECK(!system(line));
	teardown();
}

/* It may be in the store none the less: its removal failed before, or is not written yet. */
TEST(who_takes_away_what_is_not_in_memory_is_told_after_the_commit_too)
{
	char line[256];
	bool now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 60, (struct flow){ 0 }, &now), OK);
	turns();
	CHECK_INT(save("sip:a@h1", 2, 0, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save("sip:a@h1", 3, 0, (struct flow){ 0 }, &now), OK);	/* the first is under way */
	CHECK(!found() && !now && t.answers == 1);
	turns();
	CHECK_INT(t.answers, 3);
	CHECK_STR(rows(), "");
	CHECK_INT(save("sip:a@h1", 4, 60, (struct flow){ 0 }, &now), OK);
	turns();
	snprintf(line, sizeof(line), "mv %s %s.away", t.folder, t.folder);
	CHECK(!system(line));
	log_set_level(LOG_ERROR);
	for (const char *contact = "sip:a@h1"; ; contact = NULL) {	/* then with `*` */
		unsigned before = t.answers;

		CHECK_INT(save(contact, 5, 0, (struct flow){ 0 }, &now), OK);
		CHECK(!now);
		clock_forward(6);
		for (int i = 0; i < 100 && t.answers == before; i++) {
			clock_forward(1);
			turns();
		}
		CHECK(t.answers == before + 1 && t.last == ERR_IO);
		CHECK(!found());
		if (!contact)
			break;
	}
	snprintf(line, sizeof(line), "mv %s.away %s", t.folder, t.folder);
	CHECK(!system(line));
	clock_forward(2);
	turns();
	CHECK_STR(rows(), "sip:a@h1");
	CHECK_INT(save("sip:a@h1", 6, 0, (struct flow){ 0 }, &now), OK);
	CHECK(!now);
	turns();
	CHECK_STR(rows(), "");
	teardown();
}

TEST(no_allocation_failure_writes_half_a_change_or_leaks)
{
	uint64_t letters, table;
	unsigned n;
	bool     now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 60, (struct flow){ 0 }, &now), OK);
	turns();
	letters = bytes_of("db");
	table = bytes_of("location");
	for (n = 1;; n++) {	/* replaces a binding under another spelling: its row goes, another comes */
		shm_fail_after(n);
		if (!save("sip:a@H1", 2, 60, (struct flow){ 0 }, &now))
			break;
		shm_fail_after(0);
		turns();
		CHECK(bytes_of("db") == letters && bytes_of("location") == table);
		CHECK_STR(rows(), "sip:a@h1");
	}
	shm_fail_after(0);
	CHECK_INT(n, 4);	/* the binding and two letters */
	turns();
	CHECK_STR(rows(), "sip:a@H1");
	CHECK(bytes_of("db") == letters && bytes_of("location") == table);
	teardown();
}
