/* core/base: slices, arena, bounded writer, hash, clock, random, log. */
#include "test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/keep.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"

TEST(str_numbers_refuse_overflow_and_rubbish)
{
	static const struct { const char *in; bool ok; uint32_t v; } rows[] = {
		{ "0", true, 0 }, { "4294967295", true, UINT32_MAX }, { "4294967296", false, 0 },
		{ "", false, 0 }, { "-1", false, 0 }, { "12x", false, 0 }, { "0068", true, 68 },
	};
	int64_t i;

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		uint32_t v = 0;

		CHECK_ROW(str_u32(str_of(rows[r].in), &v) == rows[r].ok && v == rows[r].v, rows[r].in);
	}
	CHECK(str_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
	CHECK(!str_i64(STR("9223372036854775808"), &i));
}

TEST(str_distance_counts_a_swap_as_one)
{
	CHECK_INT(str_distance(STR("INVTIE"), STR("INVITE"), 3), 1);
	CHECK_INT(str_distance(STR("registrar"), STR("regstrar"), 3), 1);
	CHECK_INT(str_distance(STR("abc"), STR("xyz"), 2), 3);
	CHECK_INT(str_distance(STR(""), STR("ab"), 3), 2);
}

TEST(str_compares_without_case_only_when_asked)
{
	CHECK(str_ieq(STR("Via"), STR("vIA")));
	CHECK(!str_eq(STR("Via"), STR("vIA")));
	CHECK(!str_ieq(STR("Via["), STR("Via{")));
	CHECK(str_find_str(STR("a\r\n\r\nb"), STR("\r\n\r\n")) == 1);
}

TEST(arena_keeps_the_first_chunk_and_obeys_its_limit)
{
	char         first[512] __attribute__((aligned(16)));
	struct arena a;
	void        *p;

	arena_init(&a, first, sizeof(first), 16384);
	p = arena_alloc(&a, 100);
	CHECK((char *)p > first && (char *)p < first + sizeof(first));
	CHECK(arena_alloc(&a, 8000) != NULL);
	CHECK(arena_alloc(&a, 12000) == NULL);
	arena_reset(&a);
	CHECK(arena_alloc(&a, 100) == p);
	CHECK_STR(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	arena_free(&a);
}

TEST(buf_remembers_what_did_not_fit)
{
	char       room[8];
	struct buf b = buf_on(room, sizeof(room));

	buf_u64(&b, 1234567);
	CHECK(buf_ok(&b));
	BUF_LIT(&b, "ab");
	CHECK(!buf_ok(&b));
	CHECK_STR(buf_str(&b), "1234567");
}

TEST(buf_writes_numbers_without_printf)
{
	char       room[64];
	struct buf b = buf_on(room, sizeof(room));

	buf_u64(&b, UINT64_MAX);
	buf_ch(&b, ' ');
	buf_hex64(&b, 0x0123456789abcdef);
	buf_hex64(&b, 0);
	CHECK_STR(buf_str(&b), "18446744073709551615 0123456789abcdef0000000000000000");
}

TEST(hash_without_case_agrees_with_lower_case)
{
	struct hash_key k = { { 1, 2 } };

	for (int c = 0; c < 256; c++) {
		char up[11] = "ab@[`{Zz", low[11] = "ab@[`{zz";

		up[8] = (char)c;
		low[8] = ch_lower((char)c);
		up[3] = (char)c;
		low[3] = ch_lower((char)c);
		CHECK_INT(hash_istr(&k, str_n(up, 10)), hash_str(&k, str_n(low, 10)));
	}
	CHECK(hash_str(&k, STR("a")) != hash_str(&k, str_n("a\0", 2)));
	CHECK(hash_mac(&k, STR("12345678a"), STR("b")) != hash_mac(&k, STR("12345678"), STR("ab")));	/* where one ends counts */
	CHECK(hash_mac(&k, STR(""), STR("ab")) != hash_mac(&k, STR("ab"), STR("")));
}

static uint64_t hash_of_two(struct str a, struct str b)
{
	struct hash_key   k = { { 1, 2 } };
	struct hash_state h;

	hash_begin(&h, &k);
	hash_add(&h, a);
	hash_add(&h, b);
	return hash_end(&h);
}

TEST(hash_of_several_slices_tells_where_one_ends)
{
	uint64_t h = hash_of_two(STR("abcdefgh"), STR("ijk"));

	CHECK(h == hash_of_two(STR("abcdefgh"), STR("ijk")));
	CHECK(h != hash_of_two(STR("abcdefg"), STR("hijk")));
	CHECK(h != hash_of_two(STR("abcdefghijk"), STR("")));
	CHECK(h != hash_of_two(STR(""), STR("abcdefghijk")));
}

TEST(list_moves_whole_rings)
{
	struct list a, b, n[3];

	list_init(&a);
	list_init(&b);
	for (int i = 0; i < 3; i++)
		list_append(&a, &n[i]);
	list_splice(&b, &a);
	CHECK(list_empty(&a) && b.next == &n[0] && b.prev == &n[2]);
	list_remove(&n[1]);
	list_remove(&n[1]);
	CHECK(n[0].next == &n[2]);
}

static uint64_t ms_42(void) { return 42; }
static int64_t us_7(void) { return 7000000; }

TEST(clock_and_random_can_be_replaced)
{
	static const struct clock_source fake = { .mono_ms = ms_42, .unix_us = us_7 };
	uint64_t                         a, b;

	clock_replace(&fake);
	CHECK(clock_ms() == 42 && clock_unix() == 7);
	clock_replace(NULL);
	random_seed(5);
	a = random_u64();
	random_seed(5);
	b = random_u64();
	random_seed(0);
	CHECK(a == b && random_u64() != random_u64());
	for (int i = 0; i < 100; i++)
		CHECK(random_below(3) < 3);
}

static char log_line[512];
static void keep_line(enum log_level level, struct str line)
{
	(void)level;
	str_cstr(line, log_line, sizeof(log_line));
}

static uint64_t now_ms;
static uint64_t mono_now(void) { return now_ms; }
static int64_t  unix_now(void) { return (int64_t)now_ms * 1000; }
static unsigned log_lines;
static void count_lines(enum log_level level, struct str line)
{
	log_lines++;
	keep_line(level, line);
}

static void complain(int times)
{
	for (int i = 0; i < times; i++)
		log_warn(NULL, "a peer misbehaves no=%d", i);
}

TEST(log_lines_of_one_kind_are_written_so_often_a_second_and_then_counted)
{
	static const struct clock_source fake = { .mono_ms = mono_now, .unix_us = unix_now };

	now_ms = 10000;
	clock_replace(&fake);
	log_redirect(count_lines);
	log_set_rate(5);
	complain(100);
	CHECK(log_lines == 5 && strstr(log_line, "no=4\n"));
	log_warn(NULL, "another kind");
	log_text(LOG_WARN, NULL, STR("ready text"));
	CHECK_INT(log_lines, 7);

	now_ms += 999;
	clock_tick();
	log_settle();
	CHECK_INT(log_lines, 7);
	now_ms += 1;
	clock_tick();
	log_settle();
	CHECK(log_lines == 8 && strstr(log_line, " warn: repeated 95 times: a peer misbehaves no=5\n"));

	complain(3);		/* the next second */
	CHECK_INT(log_lines, 11);
	log_set_rate(0);
	complain(100);
	CHECK_INT(log_lines, 111);
	log_redirect(NULL);
	clock_replace(NULL);
}

TEST(log_lines_cannot_be_forged_by_a_peer)
{
	struct ctx c = { .call_id = STR("a\nb") };

	log_redirect(keep_line);
	log_warn(&c, "user=" STR_FMT, STR_ARG(STR("x\r\nfake")));
	log_redirect(NULL);
	CHECK(strstr(log_line, "user=x\\x0d\\x0afake call_id=a\\x0ab\n"));
}

TEST(a_text_is_kept_once)
{
	char       room[] = "one";
	struct str one = text_keep(str_n(room, 3)), more;

	room[0] = 'x';
	CHECK_STR(one, "one");
	CHECK(one.p[3] == '\0');
	CHECK(text_keep(STR("one")).p == one.p && text_keep(STR("two")).p != one.p);
	more = text_keep(STR_NONE);
	CHECK(more.p && more.p == text_keep(STR("")).p);
}
