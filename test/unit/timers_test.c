/* Each timer setting of a script, by its name in the table of settings, reaches the transactions that it is about. */
#include "tm_world.h"

#include "module/module.h"
#include "net/avoid.h"
#include "script/run.h"

enum { NEVER = UINT32_MAX, MOST_MS = 400 * 1000 };

static const struct sent *phone[2];

static void set(const char *name, const char *value)
{
	char why[256] = "";

	for (const struct mod_param *p = core_settings; p->name; p++)
		if (!strcmp(p->name, name) && module_param_set(p, str_of(value), true, why, sizeof(why)))
			print_error("%s %s: %s\n", name, value, why);
	CHECK(!why[0]);
}

/* How long until a message is sent that begins so; what was sent before does not count. */
static uint32_t until(const char *begin)
{
	for (uint64_t start = w.ms; w.ms < start + MOST_MS; pass(TIMER_TICK_MS))
		while (w.n_seen < w.n_sent)
			if (!strncmp(w.sent[w.n_seen++].text, begin, strlen(begin)))
				return (uint32_t)(w.ms - start);
	return NEVER;
}

static uint32_t until_over(void)
{
	uint64_t start = w.ms;

	run_leaves();
	while (tm_alive() && w.ms < start + MOST_MS)
		pass(TIMER_TICK_MS);
	return (uint32_t)(w.ms - start);
}

/* The gap between repetitions n and n+1. */
static uint32_t gap(const char *begin, unsigned n)
{
	for (; n; n--)
		(void)until(begin);
	return until(begin);
}

static void call(const char *method)
{
	relayed(request(method, "c1"), 1, 0, 0, phone);
}

static void refuse(void)
{
	CHECK_INT(come(request("INVITE", "c1"), CALLER), CAME_NEW);
	CHECK_INT(tm_reply(w.t, &w.c, NULL, &(struct reply){ .status = 486 }), OK);
	sent_to(CALLER, "SIP/2.0 486 ");
}

static uint32_t timer_a(void) { call("INVITE"); return gap("INVITE ", 1); }
static uint32_t timer_b(void) { call("INVITE"); return until("SIP/2.0 408 "); }
static uint32_t timer_e(void) { call("MESSAGE"); return gap("MESSAGE ", 3); }
static uint32_t timer_f(void)	/* the run that waits hears of it, the caller does not (RFC 4320 §4.2) */
{
	uint64_t start = w.ms;

	relayed(request("MESSAGE", "c1"), 1, 9, 0, phone);
	while (!w.outcomes && w.ms < start + MOST_MS)
		pass(TIMER_TICK_MS);
	tm_release(w.t);
	return (uint32_t)(w.ms - start);
}
static uint32_t trying_of_message(void) { call("MESSAGE"); return until("SIP/2.0 100 "); }
static uint32_t timer_g(void) { refuse(); return gap("SIP/2.0 486 ", 3); }
static uint32_t timer_h(void) { refuse(); return until_over(); }
static uint32_t timer_i(void)
{
	refuse();
	CHECK_INT(come(request("ACK", "c1"), CALLER), CAME_ABSORBED);
	return until_over();
}
static uint32_t timer_l(void)	/* RFC 6026 §7.1 */
{
	call("INVITE");
	answer(phone[0], 200);
	return until_over();
}
static uint32_t timer_c(void)
{
	call("INVITE");
	answer(phone[0], 180);
	return until("CANCEL ");
}
static uint32_t first_answer(void) { call("INVITE"); return until("SIP/2.0 408 "); }
static uint32_t avoided(void)
{
	struct flow to[2] = { peer(FIRST_PHONE), peer(FIRST_PHONE + 1) };
	uint64_t    start = w.ms;

	call("INVITE");
	tm_unreachable(&to[0]);
	while (avoid_pick(to, 2) == 1)
		pass(TIMER_TICK_MS);
	return (uint32_t)(w.ms - start);
}

TEST(each_timer_setting_reaches_the_transactions)
{
	static const struct { const char *what, *name, *value; uint32_t (*how)(void); uint32_t ms; } rows[] = {
		{ "T1: A, the second repetition", "t1", "100ms", timer_a, 200 },
		{ "T1: B is 64 of it", "t1", "60ms", timer_b, 3840 },
		{ "T1: F is 64 of it", "t1", "60ms", timer_f, 3840 },
		{ "T1: H is 64 of it", "t1", "60ms", timer_h, 3840 },
		{ "T1: L is 64 of it (RFC 6026)", "t1", "60ms", timer_l, 3840 },
		{ "T2: the most of E", "t2", "700ms", timer_e, 700 },
		{ "T2: 100 to a MESSAGE (RFC 4320 §4.1)", "t2", "8s", trying_of_message, 7500 },
		{ "T2: the same, T2 shorter", "t2", "1s", trying_of_message, 500 },
		{ "T1: 100 to a MESSAGE", "t1", "250ms", trying_of_message, 3750 },
		{ "T2: the most of G", "t2", "700ms", timer_g, 700 },
		{ "T4: I", "t4", "1200ms", timer_i, 1200 },
		{ "Timer C", "timer_c", "200s", timer_c, 200000 },
		{ "first answer", "branch_timeout", "700ms", first_answer, 700 },
		{ "failed addresses", "avoid_for", "900ms", avoided, 900 },
	};
	const struct tm_timers usual = tm_timers;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t ms;

		world_up();
		CHECK_INT(avoid_boot(), OK);
		set(rows[i].name, rows[i].value);
		ms = rows[i].how();
		if (ms < rows[i].ms || ms > rows[i].ms + 2 * TIMER_TICK_MS)
			print_error("%s: %u ms\n", rows[i].what, ms);
		CHECK_ROW(ms >= rows[i].ms && ms <= rows[i].ms + 2 * TIMER_TICK_MS, rows[i].what);
		run_leaves();
		tm_timers = usual;
		pass(MOST_MS);
		world_down();
	}
}
