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

/* All of it but for the writer's look at what there is. */
static void server_boot(void)
{
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	db_set_writer_slot(1);
	CHECK_INT(module.start(t.why), OK);
	proc_enter(1, "worker 1");
	t.loop = loop_new();
	CHECK(t.loop && !mailbox_start(t.loop) && !db_worker_start(t.loop) && !db_writer_start(t.loop));
}

static void turn(void)
{
	t.ms += 10;
	loop_turn(t.loop, 1);
}

static void load(void)
{
	CHECK(!module.writer_start(t.loop, t.why));
	for (int i = 0; i < 5000 && (!table_loaded() || table_passing()); i++)
		turn();
	CHECK(table_loaded());
}

static void server_start(void)
{
	server_boot();
	load();
}

static void server_stop(void)
{
	db_worker_stop();
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
	for (int i = 0; i < 6; i++)
		turn();
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
	turns();
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
	CHECK_INT(timer_count(), 1);
	clock_forward(31);
	turns();
	CHECK(!found());
	CHECK_INT(counter_read(&location_bindings), 0);
	CHECK_STR(rows(), "");
	teardown();
}

TEST(a_flow_whose_listener_is_gone_goes_by_another)
{
	const char *insert = "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix, received, via) VALUES "
			     "('sip:alice@example.org', 'sip:a@h', 'c', 1, 1800000100, 'udp:192.0.2.7:4321', 'udp:203.0.113.1:5060')";

	setup();
	CHECK(!db_exec(t.d, insert, NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
	server_stop();
	server_start();
	CHECK(found() && found()->received.via && found()->received.via->port == 5060);
	teardown();
}

/* --- while it is loaded --- */

static void sql(const char *text)
{
	CHECK(!db_exec(t.d, text, NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
}

static void insert(const char *user, const char *contact)
{
	struct str line = arena_printf(&t.arena, "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) VALUES ('sip:%s@example.org', '%s', 'c9', 7, %lld)",
				       user, contact, (long long)t.unix_s + 3000);

	sql(arena_printf(&t.arena, STR_FMT "%c", STR_ARG(line), 0).p);
}

/* "contact contact" as memory has it. */
static struct str known_of(const char *user)
{
	struct str      key = arena_printf(&t.arena, "sip:%s@example.org", user);
	struct buf      out = buf_on(arena_alloc(&t.arena, 1024), 1024);
	struct binding *list = NULL;

	CHECK(!location_find(&t.arena, key, &list));
	for (; list; list = list->next)
		buf_printf(&out, "%s" STR_FMT, out.len ? " " : "", STR_ARG(list->contact));
	return buf_str(&out);
}

static void learn_now(void)
{
	unsigned before = t.answers;

	CHECK(!location_learn(AOR, false, on_done, &t));
	for (int i = 0; i < 2000 && t.answers == before; i++)
		turn();
	CHECK_INT(t.answers, before + 1);
}

TEST(before_all_is_loaded_one_address_is_asked_for_by_itself)
{
	setup();
	insert("alice", "sip:a@h1");
	insert("bob", "sip:b@h1");
	server_stop();
	server_boot();
	CHECK(!location_known(AOR) && !location_known(STR("sip:bob@example.org")));
	learn_now();
	CHECK_INT(t.last, OK);
	CHECK(location_known(AOR) && !location_known(STR("sip:bob@example.org")));
	CHECK_STR(known_of("alice"), "sip:a@h1");
	load();
	CHECK(location_known(STR("sip:bob@example.org")));
	CHECK_STR(known_of("alice"), "sip:a@h1");
	CHECK_STR(known_of("bob"), "sip:b@h1");
	CHECK_INT(counter_read(&location_bindings), 2);
	teardown();
}

TEST(nobody_there_is_known_for_a_while_too)
{
	uint64_t bytes;

	setup();
	server_stop();
	server_boot();
	bytes = bytes_of("location");
	learn_now();
	CHECK(t.last == OK && location_known(AOR) && !found());
	clock_forward(10);
	turns();
	CHECK(!location_known(AOR));
	CHECK(bytes_of("location") == bytes);
	load();
	teardown();
}

TEST(loading_brings_nothing_back_that_was_changed_meanwhile)
{
	bool now;

	setup();
	insert("alice", "sip:a@h1");
	insert("alice", "sip:a@h2");
	server_stop();
	server_boot();
	learn_now();
	CHECK_INT(save("sip:a@h1", 1, 0, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save("sip:a@h2", 2, 0, (struct flow){ 0 }, &now), OK);	/* all gone, and the writer has not even read of it */
	CHECK_INT(save("sip:a@h3", 3, 60, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save("sip:a@h3", 4, 0, (struct flow){ 0 }, &now), OK);
	load();
	CHECK_STR(known_of("alice"), "");
	CHECK_STR(rows(), "");
	clock_forward(5);
	turns();
	CHECK_STR(known_of("alice"), "");
	teardown();
}

TEST(an_address_with_rows_on_two_pages_is_loaded_whole)
{
	enum { MANY = PAGE_ROWS - 1 };

	setup();
	sql("BEGIN");
	for (unsigned i = 0; i < MANY; i++)
		insert(arena_printf(&t.arena, "u%05u%c", i, 0).p, "sip:u@h");
	for (unsigned i = 0; i < 4; i++)
		insert("v", arena_printf(&t.arena, "sip:v@h%u%c", i, 0).p);
	insert("w", "sip:w@h");
	sql("COMMIT");
	server_stop();
	server_start();
	CHECK_INT(counter_read(&location_bindings), MANY + 5);
	CHECK_STR(known_of("v"), "sip:v@h0 sip:v@h1 sip:v@h2 sip:v@h3");
	CHECK_STR(known_of("w"), "sip:w@h");
	CHECK_STR(known_of("u01998"), "sip:u@h");
	teardown();
}

TEST(another_pass_finds_what_others_have_changed)
{
	bool now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 3000, (struct flow){ 0 }, &now), OK);
	CHECK_INT(save("sip:a@h2", 2, 3000, (struct flow){ 0 }, &now), OK);
	turns();
	clock_forward(5);
	turns();
	sql("DELETE FROM bindings WHERE contact = 'sip:a@h1'");
	sql("UPDATE bindings SET contact = 'sip:a@h4'");
	insert("bob", "sip:b@h1");
	clock_forward(3600);	/* h2 and h4 are over by now, but for bob … */
	insert("carol", "sip:c@h1");
	for (int i = 0; i < 400; i++)
		turn();
	CHECK_STR(known_of("carol"), "sip:c@h1");
	CHECK_STR(known_of("alice"), "");
	sql("DELETE FROM bindings");
	clock_forward(3600 - 700);
	for (int i = 0; i < 400; i++)
		turn();
	CHECK_STR(known_of("carol"), "sip:c@h1");	/* nobody has told, and the hour is not over */
	teardown();
}

TEST(one_address_is_looked_at_again_when_somebody_says_so)
{
	bool now;

	setup();
	CHECK_INT(save("sip:a@h1", 1, 3000, (struct flow){ 0 }, &now), OK);
	turns();
	clock_forward(5);
	turns();
	insert("alice", "sip:a@h2");
	insert("bob", "sip:b@h1");
	sync_ask(AOR);
	sync_ask(STR("sip:bob@example.org"));
	for (int i = 0; i < 50; i++)
		turn();
	CHECK_STR(known_of("alice"), "sip:a@h2 sip:a@h1");
	CHECK_STR(known_of("bob"), "sip:b@h1");
	sql("DELETE FROM bindings WHERE contact <> 'sip:a@h2'");
	sync_ask(AOR);
	sync_ask(STR("sip:bob@example.org"));
	for (int i = 0; i < 50; i++)
		turn();
	CHECK_STR(known_of("alice"), "sip:a@h2");
	CHECK_STR(known_of("bob"), "");
	/* what is on its way to the store is not taken back by a look at what it has now */
	CHECK_INT(save("sip:a@h5", 9, 3000, (struct flow){ 0 }, &now), OK);
	sync_ask(AOR);
	turn();
	CHECK_STR(known_of("alice"), "sip:a@h2 sip:a@h5");
	for (int i = 0; i < 400; i++)
		turn();
	CHECK_STR(known_of("alice"), "sip:a@h2 sip:a@h5");
	teardown();
}

/* --- connections --- */

static struct flow over_tcp(uint64_t conn)
{
	struct flow f = { .via = net_fake_listener(TP_TCP, "127.0.0.1", 5060), .conn = conn };

	CHECK(f.via && !addr_parse(STR("192.0.2.7"), 4321, &f.peer));
	return f;
}

static struct binding_change change_over(const char *contact, uint64_t conn, const char *path, uint32_t reg_id)
{
	return (struct binding_change){ .expires = 600, .b = { .contact = str_of(contact), .call_id = STR("c1"), .cseq = 1, .q = 700, .reg_id = reg_id,
		.instance = reg_id ? STR("urn:uuid:1") : STR(""), .path = str_of(path), .expires_unix = t.unix_s + 600, .received = over_tcp(conn) } };
}

static void save_over(const char *contact, uint64_t conn, const char *path, uint32_t reg_id)
{
	struct binding_change ch = change_over(contact, conn, path, reg_id);
	struct location_save  s = { .aor = AOR, .call_id = STR("c1"), .cseq = 1, .n = 1, .change = &ch, .max_contacts = 20 };
	bool                  now;

	CHECK_INT(location_save_bindings(&s, &now, on_done, &t), OK);
}

static void many_over(uint64_t conn)
{
	save_over("sip:a@192.0.2.7:5060;transport=tcp", conn, "", 0);		/* says where else it can be reached */
	save_over("sip:a@192.0.2.7:4321;transport=tcp", conn, "", 0);		/* its end of the connection */
	save_over("sip:a@10.0.0.7:5060;transport=tcp", conn, "", 0);		/* behind a NAT */
	save_over("sip:a@phone.example.org;transport=tcp", conn, "", 0);
	save_over("sip:a@df7jal23ls0d.invalid;transport=ws", conn, "", 0);
	save_over("sip:a@192.0.2.7:5062;transport=tcp;ob", conn, "", 2);	/* RFC 5626 */
	save_over("sip:a@10.0.0.8;transport=tcp", conn, "<sip:edge;lr>", 0);	/* the edge connects anew */
	save_over("sip:a@10.0.0.9;transport=tcp", conn + 1, "", 0);
	turns();
}

#define STAY "sip:a@10.0.0.8;transport=tcp sip:a@10.0.0.9;transport=tcp sip:a@192.0.2.7:5060;transport=tcp sip:a@phone.example.org;transport=tcp"

TEST(a_lost_connection_takes_the_bindings_along_that_only_it_leads_to)
{
	uint64_t bytes;

	setup();
	bytes = bytes_of("location");
	many_over(77);
	CHECK_INT(counter_read(&location_bindings), 8);
	module.connection_lost(77);
	turns();
	CHECK_STR(rows(), STAY);
	CHECK_INT(counter_read(&location_bindings), 4);
	module.connection_lost(77);
	module.connection_lost(78);
	turns();
	CHECK_INT(counter_read(&location_bindings), 3);
	sql("DELETE FROM bindings");
	clock_forward(700);
	turns();
	clock_forward(10);
	turns();
	CHECK(bytes_of("location") == bytes);
	teardown();
}

TEST(lost_connections_are_lost_by_name)
{
	setup();
	location_cfg.lost = LOST_KEEP;
	many_over(77);
	module.connection_lost(77);
	CHECK_INT(counter_read(&location_bindings), 8);
	location_cfg.lost = LOST_FORGET_ALL;
	many_over(79);
	module.connection_lost(79);
	CHECK_INT(counter_read(&location_bindings), 2);
	turns();
	teardown();
}

TEST(no_connection_outlives_the_server)
{
	setup();
	many_over(77);
	sql("UPDATE bindings SET via = 'tcp:203.0.113.9:5060' WHERE contact LIKE '%:4321%'");	/* it came to another server */
	server_stop();
	server_start();
	turns();
	CHECK_STR(rows(), "sip:a@10.0.0.8;transport=tcp sip:a@192.0.2.7:4321;transport=tcp sip:a@192.0.2.7:5060;transport=tcp sip:a@phone.example.org;transport=tcp");
	CHECK_INT(counter_read(&location_bindings), 4);
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

static enum err outbound(const char *contact, uint32_t cseq, uint32_t expires, bool *now)
{
	struct binding_change ch = { .expires = expires, .b = { .contact = str_of(contact), .call_id = STR("c1"), .cseq = cseq, .q = 700,
		.instance = STR("urn:uuid:1"), .reg_id = 1, .expires_unix = t.unix_s + 3000 } };
	struct location_save s = { .aor = AOR, .call_id = STR("c1"), .cseq = cseq, .n = 1, .change = &ch, .max_contacts = 10 };

	*now = true;
	return location_save_bindings(&s, now, on_done, &t);
}

static void store_away(bool away)
{
	char line[256];

	snprintf(line, sizeof(line), away ? "mv %s %s.away" : "mv %2$s.away %1$s", t.folder, t.folder);
	CHECK(!system(line));
}

static void until_answers(unsigned n)
{
	for (int i = 0; i < 100 && t.answers < n; i++) {
		clock_forward(1);
		turns();
	}
	CHECK_INT(t.answers, n);
}

/* RFC 5626 §6: one binding an instance and reg-id, also in the store. */
TEST(an_instance_has_one_row_whatever_failed_before)
{
	bool now;

	setup();
	CHECK_INT(outbound("sip:a@h1", 1, 3000, &now), OK);
	turns();
	store_away(true);
	log_set_level(LOG_ERROR);
	CHECK_INT(outbound("sip:a@h2", 2, 3000, &now), OK);
	until_answers(2);
	CHECK_INT(t.last, ERR_IO);
	store_away(false);
	CHECK_INT(outbound("sip:a@h3", 3, 3000, &now), OK);
	until_answers(3);
	CHECK_INT(t.last, OK);
	CHECK_STR(rows(), "sip:a@h3");
	CHECK_STR(found()->contact, "sip:a@h3");
	/* nor does what is not in memory at all outlive its phone */
	sql("INSERT INTO bindings (aor, contact, instance, reg_id, call_id, cseq, expires_unix) VALUES ('sip:alice@example.org', 'sip:a@h9', 'urn:uuid:1', 1, 'c1', 1, 1900000000)");
	sql("INSERT INTO bindings (aor, contact, instance, reg_id, call_id, cseq, expires_unix) VALUES ('sip:alice@example.org', 'sip:a@h8', 'urn:uuid:1', 2, 'c1', 1, 1900000000)");
	CHECK_INT(outbound("sip:a@h3", 5, 0, &now), OK);
	until_answers(4);
	CHECK_STR(rows(), "sip:a@h8");
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
