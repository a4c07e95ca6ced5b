/* Users in shared memory: bounds, time, changes that overtake answers, and several processes, played by one. */
#include "modules/profile/profile.h"

#include <stdio.h>

#include "base/clock.h"
#include "test.h"

extern const struct module module;

static struct {
	uint64_t      now_ms;
	struct cached got;
	unsigned      woken;
	enum err      err;
} t;

static uint64_t fake_ms(void)
{
	return t.now_ms;
}

static int64_t fake_us(void)
{
	return (int64_t)t.now_ms * 1000;
}

static void at(uint64_t ms)
{
	t.now_ms = ms;
	clock_tick();
}

static void setup(uint64_t cache_bytes)
{
	static const struct clock_source fake = { fake_ms, fake_us };

	memset(&t, 0, sizeof(t));
	clock_replace(&fake);
	at(1000000);
	CHECK(!shm_create(64 << 20, 4) && !timer_boot() && !mailbox_boot());
	for (size_t i = 0; module.counters[i]; i++)
		counter_register(module.counters[i]);
	for (unsigned slot = 3; slot > 0; slot--)
		proc_enter(slot, "worker");
	profile_cfg = (struct profile_cfg){ .cache_bytes = cache_bytes, .lifetime_ms = 1000, .unknown_lifetime_ms = 100, .grace_ms = 10000 };
	CHECK_INT(cache_boot(), OK);
	cache_hearing(true);
}

static void teardown(void)
{
	shm_destroy();
	clock_replace(NULL);
}

static void learn(const char *key, const char *bytes)
{
	CHECK(cache_ask(str_of(key), NULL));
	CHECK(cache_answer(str_of(key), str_of(bytes)));
}

static enum cache_state find(const char *key)
{
	return cache_find(str_of(key), 0, &t.got);
}

static void woken(struct mail *m)
{
	struct cache_waiter *w = CONTAINER(m, struct cache_waiter, mail);

	t.woken++;
	t.err = w->err;
	cache_waiter_free(w);
}

TEST(what_was_learnt_is_fresh_for_its_lifetime_and_old_for_the_time_of_grace)
{
	setup(1 << 20);
	CHECK_INT(find("a@x"), CACHE_NONE);
	learn("a@x", "alice");
	CHECK_INT(find("a@x"), CACHE_FRESH);
	CHECK_STR(str_n(t.got.bytes, t.got.len), "alice");
	learn("n@x", "");	/* nobody */
	CHECK(find("n@x") == CACHE_FRESH && t.got.len == 0);
	at(t.now_ms + 100);
	CHECK_INT(find("n@x"), CACHE_OLD);
	CHECK_INT(find("a@x"), CACHE_FRESH);
	at(t.now_ms + 900);
	CHECK_INT(find("a@x"), CACHE_OLD);
	at(t.now_ms + 20000);
	CHECK_INT(find("a@x"), CACHE_OLD);	/* whoever listens knows that nothing has changed */
	cache_hearing(false);
	at(t.now_ms + 9999);
	CHECK_INT(find("a@x"), CACHE_OLD);
	at(t.now_ms + 1);
	CHECK_INT(find("a@x"), CACHE_NONE);
	teardown();
}

TEST(people_see_what_is_in_memory_and_how_long_it_is_good)
{
	struct cache_times times;
	enum cache_state   state;

	setup(1 << 20);
	CHECK(!cache_peek(STR("a@x"), &t.got, &times, &state) && !t.got.len);
	learn("a@x", "alice");
	learn("n@x", "");
	at(t.now_ms + 40);
	CHECK(cache_peek(STR("a@x"), &t.got, &times, &state) && state == CACHE_FRESH);
	CHECK_STR(str_n(t.got.bytes, t.got.len), "alice");
	CHECK(times.age_ms == 40 && times.fresh_ms == 960 && times.grace_ms == 10000);
	CHECK(cache_peek(STR("n@x"), &t.got, &times, &state) && state == CACHE_FRESH && !t.got.len && times.fresh_ms == 60);
	at(t.now_ms + 1000);
	CHECK(cache_peek(STR("a@x"), &t.got, &times, &state) && state == CACHE_OLD && !times.fresh_ms);
	cache_hearing(false);
	at(t.now_ms + 10000);
	CHECK(cache_peek(STR("a@x"), &t.got, &times, &state) && state == CACHE_NONE && !times.grace_ms);
	CHECK(cache_drop(STR("a@x")));
	CHECK(!cache_drop(STR("a@x")) && !cache_peek(STR("a@x"), &t.got, &times, &state));
	teardown();
}

TEST(while_nothing_is_heard_all_is_old_and_afterwards_until_asked_anew)
{
	setup(1 << 20);
	learn("a@x", "alice");
	cache_hearing(false);
	CHECK_INT(find("a@x"), CACHE_OLD);
	learn("b@x", "bob");
	CHECK_INT(find("b@x"), CACHE_OLD);
	CHECK_INT(cache_find(STR("b@x"), t.now_ms, &t.got), CACHE_FRESH);	/* for one who asked at that time */
	cache_hearing(true);
	cache_doubt_all();
	CHECK_INT(find("a@x"), CACHE_OLD);
	learn("a@x", "alice 2");
	CHECK(find("a@x") == CACHE_FRESH && t.got.len == 7);
	proc_enter(1, "worker");	/* the one that listened has died */
	CHECK_INT(find("a@x"), CACHE_OLD);
	teardown();
}

TEST(a_changed_user_is_forgotten_at_once)
{
	setup(1 << 20);
	learn("a@x", "alice");
	learn("b@x", "bob");
	cache_drop(STR("a@x"));
	CHECK_INT(find("a@x"), CACHE_NONE);
	CHECK_INT(find("b@x"), CACHE_FRESH);
	cache_clear();
	CHECK_INT(find("b@x"), CACHE_NONE);
	CHECK(!counter_read(&profile_entries) && !counter_read(&profile_bytes));
	teardown();
}

TEST(an_answer_that_a_change_has_overtaken_is_not_kept)
{
	setup(1 << 20);
	CHECK(cache_ask(STR("a@x"), NULL));
	cache_drop(STR("a@x"));
	CHECK(!cache_answer(STR("a@x"), STR("before")));
	CHECK_INT(find("a@x"), CACHE_NONE);
	CHECK(cache_answer(STR("a@x"), STR("after")));	/* asked again */
	CHECK_INT(find("a@x"), CACHE_FRESH);
	CHECK(cache_ask(STR("b@x"), NULL));
	cache_doubt_all();
	CHECK(!cache_answer(STR("b@x"), STR("before")));
	CHECK(cache_answer(STR("b@x"), STR("after")));
	CHECK_INT(find("b@x"), CACHE_FRESH);
	teardown();
}

TEST(memory_is_bounded_and_names_that_nobody_has_push_out_no_user)
{
	const int64_t most = 1 << 20;
	char          key[32], text[200];
	unsigned      kept = 0;

	setup((uint64_t)most);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "u%u@x", i);
		learn(key, text);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "guess%u@x", i);
		learn(key, "");
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "u%u@x", i);
		kept += find(key) == CACHE_FRESH;
	}
	CHECK_INT(kept, 1000);
	CHECK(counter_read(&profile_evicted) > 0);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(key, sizeof(key), "v%u@x", i);
		learn(key, text);
		CHECK(counter_read(&profile_bytes) <= most + most / 8);
	}
	CHECK_INT(find(key), CACHE_FRESH);
	CHECK_INT(find("u0@x"), CACHE_NONE);	/* the longest unused goes first */
	teardown();
}

TEST(of_several_processes_one_asks_and_the_others_are_woken)
{
	setup(1 << 20);
	proc_switch(1);
	CHECK(cache_ask(STR("a@x"), NULL));
	proc_switch(2);
	CHECK(!cache_ask(STR("a@x"), cache_waiter_new(woken, NULL)));
	CHECK(!cache_answer(STR("a@x"), STR("not asked by this one")) || find("a@x") == CACHE_NONE);
	proc_switch(3);
	CHECK(!cache_ask(STR("a@x"), cache_waiter_new(woken, NULL)));
	CHECK(mailbox_read() == 0);
	proc_switch(1);
	CHECK(cache_answer(STR("a@x"), STR("alice")));
	proc_switch(2);
	CHECK(mailbox_read() == 1 && t.woken == 1 && t.err == OK);
	CHECK_INT(find("a@x"), CACHE_FRESH);
	proc_switch(3);
	CHECK(mailbox_read() == 1 && t.woken == 2);
	proc_switch(1);
	CHECK(cache_ask(STR("b@x"), NULL));
	proc_switch(2);
	CHECK(!cache_ask(STR("b@x"), cache_waiter_new(woken, NULL)));
	proc_switch(1);
	cache_give_up(STR("b@x"), ERR_IO);
	proc_switch(2);
	CHECK(mailbox_read() == 1 && t.err == ERR_IO);
	CHECK(cache_ask(STR("b@x"), NULL));
	teardown();
}

TEST(what_a_dead_process_was_asking_is_asked_by_another)
{
	setup(1 << 20);
	proc_switch(2);
	CHECK(cache_ask(STR("a@x"), NULL));
	proc_switch(3);
	CHECK(!cache_ask(STR("a@x"), cache_waiter_new(woken, NULL)));
	proc_enter(2, "worker");
	cache_adopt();
	proc_switch(3);
	CHECK(mailbox_read() == 1 && t.woken == 1);
	CHECK_INT(find("a@x"), CACHE_NONE);
	CHECK(cache_ask(STR("a@x"), NULL));
	CHECK(cache_answer(STR("a@x"), STR("alice")));
	CHECK_INT(find("a@x"), CACHE_FRESH);
	teardown();
}

TEST(without_memory_everybody_asks_and_nothing_is_kept)
{
	setup(1 << 20);
	shm_fail_after(1);
	CHECK(cache_ask(STR("a@x"), NULL) && cache_ask(STR("a@x"), NULL));
	CHECK(cache_answer(STR("a@x"), STR("alice")));
	shm_fail_after(0);
	CHECK_INT(find("a@x"), CACHE_NONE);
	CHECK(cache_ask(STR("a@x"), NULL));
	teardown();
}
