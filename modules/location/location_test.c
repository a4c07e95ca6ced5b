#include "modules/location/location.h"

#include "base/clock.h"
#include "test.h"

/* One process, no store: what §10.3 of RFC 3261 asks of a set of bindings, and where the memory goes. */

static struct {
	uint64_t ms;
	int64_t  unix_s;
} now;

static uint64_t fake_ms(void)
{
	return now.ms;
}

static int64_t fake_unix_us(void)
{
	return now.unix_s * 1000000;
}

static const struct clock_source fake_clock = { fake_ms, fake_unix_us };

static void clock_forward(unsigned s)
{
	now.ms += s * 1000u;
	now.unix_s += s;
	clock_tick();
}

extern const struct module module;
static struct arena arena;

static void setup(void)
{
	char why[256];

	now.ms = 1000;
	now.unix_s = 1800000000;
	clock_replace(&fake_clock);
	CHECK_INT(shm_create(64 << 20, 4), OK);
	CHECK_INT(timer_boot(), OK);
	location_cfg = (struct location_cfg){ .durable = false, .buckets = 1024 };
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	CHECK_INT(module.start(why), OK);
	arena_init(&arena, NULL, 0, 1 << 20);
}

static void teardown(void)
{
	arena_free(&arena);
	shm_destroy();
	clock_replace(NULL);
}

static uint64_t bytes_used(void)
{
	struct shm_usage rows[64];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].owner, "location"))
			return rows[i].bytes;
	return 0;
}

static const struct str AOR = STR("sip:alice@example.org");

struct one {
	const char *contact, *call_id;
	uint32_t    cseq, expires;
	uint16_t    q;
	const char *instance;
	uint32_t    reg_id;
};

static struct binding_change change_of(const struct one *o)
{
	return (struct binding_change){
		.expires = o->expires,
		.b = { .contact = str_of(o->contact), .call_id = str_of(o->call_id), .cseq = o->cseq, .q = o->q,
		       .instance = str_of(o->instance), .reg_id = o->reg_id, .expires_unix = now.unix_s + o->expires },
	};
}

static enum err save_n(const struct one *o, size_t n, bool all, unsigned most)
{
	struct binding_change ch[8];
	struct location_save  s = { .aor = AOR, .call_id = str_of(o->call_id), .cseq = o->cseq, .remove_all = all, .n = n,
				    .change = ch, .max_contacts = most };
	bool                  done = false;
	enum err              err;

	for (size_t i = 0; i < n; i++)
		ch[i] = change_of(&o[i]);
	err = location_save_bindings(&s, &done, NULL, NULL);
	CHECK(err || done);
	return err;
}

static enum err save(struct one o)
{
	return save_n(&o, 1, false, 10);
}

/* "contact;q;expires contact;q;expires" of what is live. */
static struct str listing(void)
{
	struct binding *list = NULL;
	struct buf      out = buf_on(arena_alloc(&arena, 4096), 4096);

	CHECK_INT(location_find(&arena, AOR, &list), OK);
	for (const struct binding *b = list; b; b = b->next)
		buf_printf(&out, "%s" STR_FMT ";%u;%lld", out.len ? " " : "", STR_ARG(b->contact), b->q,
			   (long long)(b->expires_unix - now.unix_s));
	return buf_str(&out);
}

TEST(bindings_are_listed_by_q_then_newest_first)
{
	setup();
	CHECK_INT(save((struct one){ "sip:a@h1", "c1", 1, 60, 500 }), OK);
	CHECK_INT(save((struct one){ "sip:a@h2", "c2", 1, 60, 1000 }), OK);
	CHECK_INT(save((struct one){ "sip:a@h3", "c3", 1, 60, 500 }), OK);
	CHECK_STR(listing(), "sip:a@h2;1000;60 sip:a@h3;500;60 sip:a@h1;500;60");
	CHECK_INT(counter_read(&location_bindings), 3);
	CHECK_INT(counter_read(&location_aors), 1);
	teardown();
}

TEST(a_change_by_the_rules_of_call_id_and_cseq)
{
	static const struct {
		const char *what;	/* RFC 3261 §10.3 step 7, after "sip:a@h" with Call-ID c1, CSeq 5 */
		struct one  o;
		enum err    err;
		const char *after;
	} rows[] = {
		{ "same Call-ID, higher CSeq: updated", { "sip:a@h", "c1", 6, 90, 0 }, OK, "sip:a@h;0;90" },
		{ "same Call-ID, lower CSeq: aborted", { "sip:a@h", "c1", 4, 90, 0 }, ERR_STATE, "sip:a@h;0;60" },
		{ "same Call-ID, lower CSeq, removal: aborted", { "sip:a@h", "c1", 4, 0, 0 }, ERR_STATE, "sip:a@h;0;60" },
		{ "same Call-ID and CSeq: the same REGISTER again", { "sip:a@h", "c1", 5, 60, 0 }, OK, "sip:a@h;0;60" },
		{ "other Call-ID, any CSeq: updated", { "sip:a@h", "c2", 1, 90, 0 }, OK, "sip:a@h;0;90" },
		{ "other Call-ID, expires 0: removed", { "sip:a@h", "c2", 1, 0, 0 }, OK, "" },
		{ "higher CSeq, expires 0: removed (§10.2.2)", { "sip:a@h", "c1", 6, 0, 0 }, OK, "" },
		{ "compared as URIs (§10.2.4, §19.1.4)", { "SIP:a@H;transport=udp", "c1", 6, 90, 0 }, OK,
		  "SIP:a@H;transport=udp;0;90 sip:a@h;0;60" },
		{ "host in another case is the same contact", { "sip:a@H", "c1", 6, 90, 0 }, OK, "sip:a@H;0;90" },
		{ "a contact that is not there is removed without a word", { "sip:b@h", "c1", 6, 0, 0 }, OK, "sip:a@h;0;60" },
		{ "another contact is added", { "sip:b@h", "c1", 6, 90, 0 }, OK, "sip:b@h;0;90 sip:a@h;0;60" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		CHECK_ROW(save((struct one){ "sip:a@h", "c1", 5, 60, 0 }) == OK, rows[i].what);
		CHECK_ROW(save(rows[i].o) == rows[i].err, rows[i].what);
		CHECK_STR(listing(), rows[i].after);
		teardown();
	}
}

TEST(a_star_removes_all_or_is_aborted_whole)
{
	setup();	/* §10.3 step 6 */
	CHECK_INT(save((struct one){ "sip:a@h1", "c1", 5, 60, 0 }), OK);
	CHECK_INT(save((struct one){ "sip:a@h2", "c2", 9, 60, 0 }), OK);
	CHECK_INT(save_n(&(struct one){ NULL, "c2", 8, 0, 0 }, 0, true, 10), ERR_STATE);
	CHECK_INT(counter_read(&location_bindings), 2);
	CHECK_INT(save_n(&(struct one){ NULL, "c2", 10, 0, 0 }, 0, true, 10), OK);
	CHECK_STR(listing(), "");
	CHECK_INT(counter_read(&location_bindings), 0);
	CHECK_INT(counter_read(&location_aors), 0);
	teardown();
}

TEST(one_register_is_applied_whole_or_not_at_all)
{
	const struct one stale[] = { { "sip:new@h", "c1", 4, 60, 0 }, { "sip:a@h", "c1", 4, 60, 0 } };
	const struct one mixed[] = { { "sip:new@h", "c1", 6, 60, 0 }, { "sip:a@h", "c1", 6, 0, 0 }, { "sip:x@h", "c1", 6, 30, 700 } };

	setup();	/* "either processed completely or not at all" */
	CHECK_INT(save((struct one){ "sip:a@h", "c1", 5, 60, 0 }), OK);
	CHECK_INT(save_n(stale, 2, false, 10), ERR_STATE);
	CHECK_STR(listing(), "sip:a@h;0;60");
	CHECK_INT(save_n(mixed, 3, false, 10), OK);
	CHECK_STR(listing(), "sip:x@h;700;30 sip:new@h;0;60");
	teardown();
}

TEST(the_last_word_about_a_contact_within_one_register_counts)
{
	const struct one twice[] = { { "sip:a@h", "c1", 1, 60, 0 }, { "sip:A@h", "c1", 1, 30, 0 }, { "sip:a@H", "c1", 1, 90, 0 } };
	const struct one gone[] = { { "sip:a@h", "c2", 1, 60, 0 }, { "sip:a@h", "c2", 1, 0, 0 } };

	setup();
	CHECK_INT(save_n(twice, 3, false, 2), OK);
	CHECK_INT(counter_read(&location_bindings), 2);
	CHECK_INT(save_n(gone, 2, false, 2), OK);
	CHECK_STR(listing(), "sip:A@h;0;30");
	teardown();
}

TEST(an_instance_replaces_its_own_flow_only)
{
	setup();	/* RFC 5626 §6 */
	CHECK_INT(save((struct one){ "sip:a@1.1.1.1:1000", "c1", 1, 60, 0, "urn:uuid:1", 1 }), OK);
	CHECK_INT(save((struct one){ "sip:a@1.1.1.1:2000", "c2", 1, 60, 0, "urn:uuid:1", 1 }), OK);
	CHECK_STR(listing(), "sip:a@1.1.1.1:2000;0;60");
	CHECK_INT(save((struct one){ "sip:a@1.1.1.1:3000", "c2", 2, 60, 0, "urn:uuid:1", 2 }), OK);
	CHECK_INT(save((struct one){ "sip:a@2.2.2.2:1000", "c3", 1, 60, 0, "urn:uuid:2", 1 }), OK);
	CHECK_INT(counter_read(&location_bindings), 3);
	CHECK_INT(save((struct one){ "sip:a@1.1.1.1:4000", "c2", 1, 60, 0, "urn:uuid:1", 2 }), ERR_STATE);
	teardown();
}

TEST(an_aor_has_at_most_its_number_of_contacts)
{
	const struct one swap[] = { { "sip:a@h1", "c", 3, 0, 0 }, { "sip:a@h3", "c", 3, 60, 0 } };

	setup();
	CHECK_INT(save_n(&(struct one){ "sip:a@h1", "c", 1, 60, 0 }, 1, false, 2), OK);
	CHECK_INT(save_n(&(struct one){ "sip:a@h2", "c", 2, 60, 0 }, 1, false, 2), OK);
	CHECK_INT(save_n(&(struct one){ "sip:a@h3", "c", 3, 60, 0 }, 1, false, 2), ERR_LIMIT);
	CHECK_INT(save_n(&(struct one){ "sip:a@h1", "c", 3, 60, 0 }, 1, false, 1), OK);	/* a refresh when the limit was lowered */
	CHECK_INT(save_n(swap, 2, false, 2), OK);
	CHECK_STR(listing(), "sip:a@h3;0;60 sip:a@h2;0;60");
	clock_forward(61);	/* what is over takes no room, whether its timer came or not */
	CHECK_INT(save_n(&(struct one){ "sip:a@h4", "c", 4, 60, 0 }, 1, false, 1), OK);
	teardown();
}

TEST(a_binding_that_is_not_refreshed_goes)
{
	uint64_t before;
	int64_t  expired;

	setup();
	before = bytes_used();
	expired = counter_read(&location_expired);
	CHECK_INT(save((struct one){ "sip:a@h1", "c1", 1, 60, 0 }), OK);
	CHECK_INT(save((struct one){ "sip:a@h2", "c2", 1, 120, 0 }), OK);
	CHECK_INT(timer_count(), 1);
	clock_forward(59);
	timer_run(clock_ms());
	CHECK_STR(listing(), "sip:a@h2;0;61 sip:a@h1;0;1");
	clock_forward(1);
	CHECK_STR(listing(), "sip:a@h2;0;60");	/* on the second, also before its timer */
	CHECK_INT(counter_read(&location_bindings), 2);
	timer_run(clock_ms());
	CHECK_INT(counter_read(&location_bindings), 1);
	clock_forward(60);
	timer_run(clock_ms());
	CHECK_INT(counter_read(&location_bindings), 0);
	CHECK_INT(counter_read(&location_aors), 0);
	CHECK_INT(counter_read(&location_expired) - expired, 2);
	CHECK_INT(timer_count(), 0);
	CHECK_INT(bytes_used(), before);
	teardown();
}

TEST(a_refresh_leaves_the_timer_alone_and_the_binding_lives_on)
{
	setup();
	for (uint32_t cseq = 1; cseq < 20; cseq++) {
		CHECK_INT(save((struct one){ "sip:a@h1", "c1", cseq, 60, 0 }), OK);
		CHECK_INT(timer_count(), 1);
		clock_forward(30);
		timer_run(clock_ms());
		CHECK_STR(listing(), "sip:a@h1;0;30");
	}
	CHECK_INT(save((struct one){ "sip:a@h2", "c2", 1, 5, 0 }), OK);	/* an earlier end moves it */
	clock_forward(5);
	timer_run(clock_ms());
	CHECK_INT(counter_read(&location_bindings), 1);
	teardown();
}

TEST(no_allocation_failure_changes_anything_or_leaks)
{
	const struct one change[] = { { "sip:new@h", "c1", 6, 60, 0 }, { "sip:a@h", "c1", 6, 0, 0 }, { "sip:x@h", "c1", 6, 30, 700 } };
	uint64_t         empty, before;
	unsigned         n;

	setup();
	empty = bytes_used();
	for (n = 1;; n++) {	/* a first contact: the AOR too */
		shm_fail_after(n);
		if (!save((struct one){ "sip:a@h", "c1", 5, 60, 0 }))
			break;
		shm_fail_after(0);
		CHECK_INT(bytes_used(), empty);
		CHECK_INT(counter_read(&location_aors), 0);
	}
	shm_fail_after(0);
	CHECK(n > 2);
	before = bytes_used();
	for (n = 1;; n++) {
		shm_fail_after(n);
		if (!save_n(change, 3, false, 10))
			break;
		shm_fail_after(0);
		CHECK_INT(bytes_used(), before);
		CHECK_STR(listing(), "sip:a@h;0;60");
	}
	shm_fail_after(0);
	CHECK(n > 2);
	CHECK_STR(listing(), "sip:x@h;700;30 sip:new@h;0;60");
	CHECK_INT(save_n(&(struct one){ NULL, "c1", 7, 0, 0 }, 0, true, 10), OK);
	CHECK_INT(bytes_used(), empty);
	teardown();
}

TEST(a_binding_comes_back_as_it_went)
{
	struct binding_change ch;
	struct binding       *got = NULL;
	struct location_save  s = { .aor = AOR, .call_id = STR("call"), .cseq = 7, .n = 1, .change = &ch, .max_contacts = 1 };
	bool                  done;
	static const struct {
		const char *ip;
		uint64_t    conn;
	} rows[] = { { "192.0.2.1", 0 }, { "2001:db8::1", 0 }, { "192.0.2.1", 77 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		ch = (struct binding_change){ .expires = 60, .b = { .contact = STR("sip:alice@192.0.2.9"), .instance = STR("urn:uuid:1"),
			.call_id = STR("call"), .path = STR("<sip:edge;lr>"), .user_agent = STR("phone/1"), .expires_unix = now.unix_s + 60,
			.cseq = 7, .reg_id = 3, .q = 300 } };
		ch.b.received = (struct flow){ .via = net_fake_listener(TP_UDP, "127.0.0.1", 5060), .conn = rows[i].conn, .owner = 2 };
		CHECK(ch.b.received.via);
		CHECK_INT(addr_parse(str_of(rows[i].ip), 4321, &ch.b.received.peer), OK);
		CHECK_INT(location_save_bindings(&s, &done, NULL, NULL), OK);
		CHECK_INT(location_find(&arena, AOR, &got), OK);
		CHECK(got && !got->next);
		CHECK_STR(got->contact, "sip:alice@192.0.2.9");
		CHECK_STR(got->instance, "urn:uuid:1");
		CHECK_STR(got->call_id, "call");
		CHECK_STR(got->path, "<sip:edge;lr>");
		CHECK_STR(got->user_agent, "phone/1");
		CHECK(got->expires_unix == now.unix_s + 60 && got->cseq == 7 && got->reg_id == 3 && got->q == 300);
		CHECK(got->received.via == ch.b.received.via && addr_eq(&got->received.peer, &ch.b.received.peer));
		CHECK(got->received.conn == rows[i].conn && (!rows[i].conn || got->received.owner == 2));
		teardown();
	}
}

/* An edge proxy keeps one connection for all its users: each tie to it would be looked through at each REGISTER. */
TEST(only_bindings_that_go_with_their_connection_are_tied_to_it)
{
	static const struct { const char *contact, *path; bool tied; } rows[] = {
		{ "sip:alice@10.0.0.1", "<sip:edge;lr>", false }, { "sip:alice@192.0.2.1:5080", "", false }, { "sip:alice@10.0.0.1", "", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct binding_change ch = { .expires = 60, .b = { .contact = str_of(rows[i].contact), .path = str_of(rows[i].path), .call_id = STR("c"), .cseq = 1 } };
		struct location_save  s = { .aor = AOR, .call_id = STR("c"), .cseq = 1, .n = 1, .change = &ch, .max_contacts = 1 };
		uint64_t              empty;
		bool                  done;

		setup();
		empty = bytes_used();
		ch.b.expires_unix = now.unix_s + 60;
		ch.b.received = (struct flow){ .via = net_fake_listener(TP_TCP, "127.0.0.1", 5060), .conn = 77, .owner = 2 };
		CHECK_INT(addr_parse(STR("192.0.2.1"), 4321, &ch.b.received.peer), OK);
		CHECK_INT(location_save_bindings(&s, &done, NULL, NULL), OK);
		ch.expires = 0;
		s.cseq++;
		CHECK_INT(location_save_bindings(&s, &done, NULL, NULL), OK);
		CHECK_ROW((bytes_used() > empty) == rows[i].tied, rows[i].contact);
		lost_connection(77);
		CHECK_INT(bytes_used(), empty);
		teardown();
	}
}

TEST(a_phone_costs_less_than_300_bytes)
{
	uint64_t before;
	struct binding_change ch = { .expires = 3600, .b = { .call_id = STR("0a1b2c3d-reg-00000001@genload"), .q = 1000 } };
	struct location_save  s = { .call_id = ch.b.call_id, .cseq = 1, .n = 1, .change = &ch, .max_contacts = 10 };
	bool                  done;

	setup();
	before = bytes_used();
	ch.b.received = (struct flow){ .via = net_fake_listener(TP_UDP, "127.0.0.1", 5060) };
	CHECK_INT(addr_parse(STR("127.0.0.1"), 25070, &ch.b.received.peer), OK);
	for (unsigned i = 0; i < 1000; i++) {
		s.aor = arena_printf(&arena, "sip:u%07u@bench.example", i);
		ch.b.contact = arena_printf(&arena, "sip:u%07u@127.0.0.1:25070", i);
		ch.b.user_agent = STR("genload/1.0");
		ch.b.expires_unix = now.unix_s + 3600;
		CHECK_INT(location_save_bindings(&s, &done, NULL, NULL), OK);
	}
	CHECK((bytes_used() - before) / 1000 < 300);
	teardown();
}

static struct str run_command(const char *name, const char *params)
{
	struct str out = STR_NONE;

	for (const struct mod_command *c = module.commands; c->name; c++)
		if (!strcmp(c->name, name))
			(void)c->fn(&arena, str_of(params), &out);
	return out;
}

TEST(the_commands_list_show_and_remove)
{
	setup();
	CHECK_INT(save((struct one){ "sip:a@h1", "c1", 1, 60, 500 }), OK);
	CHECK_INT(save((struct one){ "sip:a@h2", "c2", 1, 60, 1000 }), OK);
	CHECK(str_find_str(run_command("list", ""), STR("\"total\":2")) >= 0);
	CHECK(str_find_str(run_command("list", "{\"limit\":1}"), STR("\"contact\":\"sip:a@h1\"")) >= 0);	/* a bucket is never cut */
	CHECK(str_find_str(run_command("show", "{\"aor\":\"alice@example.org\"}"), STR("\"expires_s\":60,\"q\":500")) >= 0);
	CHECK_STR(run_command("show", "{\"aor\":\"nobody@example.org\"}"), "{\"bindings\":[]}");
	CHECK(str_starts(run_command("show", "{}"), STR("\"aor\" must be")));
	CHECK_STR(run_command("remove", "{\"aor\":\"sip:alice@EXAMPLE.org\",\"contact\":\"sip:a@h1\"}"), "{\"removed\":1}");
	CHECK_STR(run_command("remove", "{\"aor\":\"alice@example.org\",\"contact\":\"sip:a@h1\"}"), "no such contact");
	CHECK_STR(run_command("remove", "{\"aor\":\"alice@example.org\"}"), "{\"removed\":1}");
	CHECK_STR(listing(), "");
	teardown();
}
