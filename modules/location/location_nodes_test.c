/* Several servers on one PostgreSQL: this process is one of them, worker and writer at once; statements that say so are the other. */
#include "modules/location/location.h"

#include "base/clock.h"
#include "pg_cluster.h"

extern const struct module module;

static struct {
	char         url[256], why[512];
	struct arena arena;
	struct loop *loop;
	struct db   *other;
	unsigned     answers;
} t;

static void sql(const char *text)
{
	CHECK(!db_exec(t.other, text, NULL, 0, NULL, NULL, t.why, sizeof(t.why)));
}

static void server_start(void)
{
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	db_set_writer_slot(1);
	CHECK_INT(module.start(t.why), OK);
	proc_enter(1, "worker 1");
	t.loop = loop_new();
	CHECK(t.loop && !mailbox_start(t.loop) && !db_writer_start(t.loop) && !db_worker_start(t.loop) && !db_listen_start(t.loop));
	CHECK(!module.writer_start(t.loop, t.why));
}

static void turns(unsigned n)
{
	while (n--)
		loop_turn(t.loop, 5);
}

static void setup(void)
{
	static unsigned n;
	unsigned        applied;

	cluster_start();
	memset(&t, 0, sizeof(t));
	arena_init(&t.arena, NULL, 0, 1 << 20);
	snprintf(t.url, sizeof(t.url), "postgresql://sipario@/n%u?host=%s&port=%u", ++n, cluster.folder, cluster.port);
	t.other = db_open(str_of(t.url), true, t.why, sizeof(t.why));
	CHECK(t.other && !db_migrate(t.other, "db/schema", &applied, t.why, sizeof(t.why)));
	sql("SET sipario.node = 'theother'");
	CHECK(!db_configure(str_of(t.url), t.why, sizeof(t.why)));
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	location_cfg = (struct location_cfg){ .durable = DURABLE_ON, .buckets = 1024 };
	server_start();
}

static void teardown(void)
{
	db_listen_stop();
	db_worker_stop();
	db_writer_stop();
	loop_free(t.loop);
	shm_destroy();
	db_close(t.other);
	arena_free(&t.arena);
}

/* "contact contact" */
static struct str known(const char *aor)
{
	static char     room[1024];
	struct binding *list = NULL;
	struct buf      out = buf_on(room, sizeof(room));

	arena_reset(&t.arena);
	CHECK_INT(location_find(&t.arena, str_of(aor), &list), OK);
	for (struct binding *b = list; b; b = b->next) {
		if (b != list)
			buf_ch(&out, ' ');
		buf_add(&out, b->contact);
	}
	return buf_str(&out);
}

/* For at most half a minute. */
static void until_known(const char *aor, const char *contacts)
{
	for (uint64_t stop = clock_ms() + 30000; !str_is(known(aor), contacts) && clock_ms() < stop;)
		turns(1);
	CHECK_STR(known(aor), contacts);
}

static const char ALICE[] = "sip:alice@example.org";

static void insert(const char *aor, const char *contact, int in_s)
{
	char line[512];

	snprintf(line, sizeof(line), "INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) "
		 "VALUES ('%s', '%s', 'c9', 1, extract(epoch FROM now())::bigint + %d)", aor, contact, in_s);
	sql(line);
}

static void until_listening(void)
{
	insert("sip:zed@example.org", "sip:z@h1", 900);
	until_known("sip:zed@example.org", "sip:z@h1");
	while (table_passing())
		turns(1);
	insert("sip:zoe@example.org", "sip:z@h2", 900);
	until_known("sip:zoe@example.org", "sip:z@h2");
	turns(300);	/* the pass that follows when listening has begun, a second later */
	while (table_passing())
		turns(1);
}

TEST(what_another_server_registers_changes_and_takes_away_is_known_at_once)
{
	setup();
	until_listening();
	insert(ALICE, "sip:a@h1", 900);
	until_known(ALICE, "sip:a@h1");
	insert(ALICE, "sip:a@h2", 900);
	until_known(ALICE, "sip:a@h2 sip:a@h1");
	sql("UPDATE bindings SET aor = aor, q = 500 WHERE contact = 'sip:a@h2'");
	until_known(ALICE, "sip:a@h1 sip:a@h2");
	sql("UPDATE bindings SET aor = 'sip:bob@example.org' WHERE contact = 'sip:a@h1'");
	until_known(ALICE, "sip:a@h2");
	until_known("sip:bob@example.org", "sip:a@h1");
	sql("DELETE FROM bindings WHERE aor = 'sip:bob@example.org'");
	until_known("sip:bob@example.org", "");
	sql("TRUNCATE bindings");
	until_known(ALICE, "");
	teardown();
}

static void on_done(void *arg, enum err err)
{
	CHECK(arg == &t && !err);
	t.answers++;
}

/* What the channel says. */
static struct {
	unsigned own, others;
} heard;

static void hear(enum db_news news, struct str key)
{
	if (news == DB_CHANGED)
		++*(str_starts(key, str_of(db_node())) ? &heard.own : &heard.others);
}

static void until_heard(unsigned own)
{
	for (uint64_t stop = clock_ms() + 30000; heard.own < own && clock_ms() < stop;)
		turns(1);
	CHECK_INT(heard.own, own);
}

static void save_with(const char *contact, uint32_t cseq, uint16_t q)
{
	struct binding_change ch = { .expires = 900, .b = { .contact = str_of(contact), .call_id = STR("c1"), .cseq = cseq, .q = q,
		.expires_unix = (int64_t)unix_now() + 900 } };
	struct location_save s = { .aor = str_of(ALICE), .call_id = STR("c1"), .cseq = cseq, .n = 1, .change = &ch, .max_contacts = 10 };
	bool                 now = true;
	unsigned             before = t.answers;

	CHECK_INT(location_save_bindings(&s, &now, on_done, &t), OK);
	for (uint64_t stop = clock_ms() + 30000; t.answers == before && clock_ms() < stop;)
		turns(1);
	CHECK_INT(t.answers, before + 1);
}

static void save(const char *contact, uint32_t cseq)
{
	save_with(contact, cseq, 1000);
}

TEST(refreshes_are_not_told_and_changes_are_told_with_whose_they_are)
{
	static const struct db_listener listener = { "sipario_binding", hear };

	db_listen(&listener);
	setup();
	until_listening();
	heard.own = heard.others = 0;
	save("sip:a@h1", 1);
	save("sip:a@h1", 2);
	save("sip:a@h1", 3);
	sql("UPDATE bindings SET expires_unix = expires_unix + 60, cseq = cseq + 1, call_id = 'c2' WHERE contact = 'sip:a@h1'");
	insert("sip:bob@example.org", "sip:b@h1", 900);
	until_known("sip:bob@example.org", "sip:b@h1");
	CHECK_INT(heard.own, 1);
	CHECK_INT(heard.others, 1);
	save_with("sip:a@h1", 4, 300);		/* another preference */
	until_heard(2);
	save_with("sip:a@h1", 5, 300);
	save("sip:a@h2", 6);
	until_heard(3);
	turns(20);
	CHECK_INT(heard.own, 3);
	teardown();
}

TEST(a_copy_is_renewed_before_it_ends_when_the_phone_has_refreshed_elsewhere)
{
	setup();
	until_listening();
	insert(ALICE, "sip:a@h1", 2);
	until_known(ALICE, "sip:a@h1");
	sql("UPDATE bindings SET expires_unix = expires_unix + 900 WHERE contact = 'sip:a@h1'");
	for (uint64_t stop = clock_ms() + 7000; clock_ms() < stop;) {
		turns(1);
		CHECK_STR(known(ALICE), "sip:a@h1");
	}
	teardown();
}

TEST(what_was_missed_while_nothing_was_heard_is_looked_for)
{
	setup();
	until_listening();
	log_set_level(LOG_ERROR);
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%LISTEN sipario_binding%' AND pid <> pg_backend_pid()");
	insert(ALICE, "sip:a@h1", 900);
	insert("sip:bob@example.org", "sip:b@h1", 900);
	until_known(ALICE, "sip:a@h1");
	until_known("sip:bob@example.org", "sip:b@h1");
	teardown();
}

TEST(ten_thousand_changes_at_once_are_all_known)
{
	setup();
	until_listening();
	sql("INSERT INTO bindings (aor, contact, call_id, cseq, expires_unix) SELECT 'sip:u' || i || '@example.org', 'sip:u@h' || i, 'c', 1, "
	    "extract(epoch FROM now())::bigint + 900 FROM generate_series(1, 10000) AS i");
	until_known("sip:u10000@example.org", "sip:u@h10000");
	until_known("sip:u1@example.org", "sip:u@h1");
	until_known("sip:u5000@example.org", "sip:u@h5000");
	teardown();
}
