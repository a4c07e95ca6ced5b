/* core/module/value.c: the values of the routing language; core/script/pack.c: as bytes. */
#include "test.h"

#include "module/value.h"
#include "script/pack.h"

TEST(durations_are_numbers_with_falling_units)
{
	static const struct { const char *in; enum err err; int64_t ms; const char *text; } rows[] = {
		{ "30s", OK, 30000, "30s" }, { "1h30m", OK, 5400000, "1h30m" }, { "250ms", OK, 250, "250ms" }, { "0s", OK, 0, "0s" },
		{ "90s", OK, 90000, "1m30s" }, { "2d", OK, 172800000, "2d" }, { "1s500ms", OK, 1500, "1s500ms" },
		{ "30", ERR_SYNTAX, 0, "" }, { "", ERR_SYNTAX, 0, "" }, { "s", ERR_SYNTAX, 0, "" }, { "30m1h", ERR_SYNTAX, 0, "" },
		{ "1m1m", ERR_SYNTAX, 0, "" }, { "5 s", ERR_SYNTAX, 0, "" }, { "1h30", ERR_SYNTAX, 0, "" }, { "-1s", ERR_SYNTAX, 0, "" },
		{ "99999999999999999999s", ERR_LIMIT, 0, "" }, { "9223372036854775807s", ERR_LIMIT, 0, "" },
		{ "106751991167d7h12m56s", ERR_LIMIT, 0, "" },
	};

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		char       room[64];
		struct buf b = buf_on(room, sizeof(room));
		int64_t    ms = -1;

		CHECK_ROW(duration_parse(str_of(rows[r].in), &ms) == rows[r].err, rows[r].in);
		CHECK_ROW(ms == (rows[r].err ? -1 : rows[r].ms), rows[r].in);
		if (rows[r].err)
			continue;
		duration_write(ms, &b);
		CHECK_STR(buf_str(&b), rows[r].text);
	}
}

TEST(sizes_count_in_1024)
{
	static const struct { const char *in; enum err err; int64_t bytes; const char *text; } rows[] = {
		{ "16kB", OK, 16384, "16kB" }, { "1GB", OK, 1 << 30, "1GB" }, { "1KB", OK, 1024, "1kB" }, { "1500B", OK, 1500, "1500B" },
		{ "0B", OK, 0, "0B" }, { "2TB", OK, (int64_t)2 << 40, "2TB" }, { "16k", ERR_SYNTAX, 0, "" }, { "16", ERR_SYNTAX, 0, "" },
		{ "9999999999TB", ERR_LIMIT, 0, "" },
	};

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		char       room[64];
		struct buf b = buf_on(room, sizeof(room));
		int64_t    n = -1;

		CHECK_ROW(size_parse(str_of(rows[r].in), &n) == rows[r].err && n == (rows[r].err ? -1 : rows[r].bytes), rows[r].in);
		if (rows[r].err)
			continue;
		size_write(n, &b);
		CHECK_STR(buf_str(&b), rows[r].text);
	}
}

TEST(cidr_contains_by_prefix_and_family)
{
	static const struct { const char *net, *ip; bool in; } rows[] = {
		{ "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false }, { "10.0.0.0/9", "10.127.255.255", true },
		{ "10.0.0.0/9", "10.128.0.0", false }, { "0.0.0.0/0", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false }, { "2001:db8::/32", "2001:db8:ffff::1", true }, { "2001:db8::/33", "2001:db8:8000::1", false },
		{ "0.0.0.0/0", "::1", false }, { "::/0", "127.0.0.1", false },
	};
	struct addr net = { 0 };
	uint8_t     prefix;

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		struct addr ip;

		CHECK_ROW(!cidr_parse(str_of(rows[r].net), &net, &prefix) && !addr_parse(str_of(rows[r].ip), 0, &ip), rows[r].net);
		CHECK_ROW(cidr_contains(&net, prefix, &ip) == rows[r].in, rows[r].ip);
	}
	CHECK(cidr_parse(STR("10.0.0.0/33"), &net, &prefix) == ERR_SYNTAX);
	CHECK(cidr_parse(STR("10.0.0.0/"), &net, &prefix) == ERR_SYNTAX);
	CHECK(cidr_parse(STR("::/129"), &net, &prefix) == ERR_SYNTAX);
	CHECK(cidr_parse(STR("example.org/8"), &net, &prefix) == ERR_SYNTAX);
}

TEST(value_text_shows_lists_and_records)
{
	static const struct field  fields[] = { { "code", T_INT, false, "" }, { "reason", T_STR, true, "" }, { 0 } };
	static const struct shape  shape = { "answer", fields };
	const struct value         in[] = { value_int(486), V_NULL };
	const struct record        rec = { &shape, in };
	const struct value         items[] = { value_bool(true), value_ms(1500), value_record(&rec) };
	const struct list_value    l = { COUNT_OF(items), items };
	struct value               list = { .type = T_LIST, .u.list = &l };
	struct value               s = value_str(STR("x"));
	char                       first[1024] __attribute__((aligned(16)));
	struct arena               a;

	arena_init(&a, first, sizeof(first), 1 << 20);
	CHECK_STR(value_text(&a, &list), "[true, 1s500ms, answer{code = 486, reason = null}]");
	CHECK_STR(value_text(&a, &s), "x");
	CHECK(value_eq(&list, &list));
	CHECK(!value_eq(&list, &s));
	arena_free(&a);
}

TEST(value_text_of_a_long_list_grows_and_a_full_arena_says_no)
{
	struct value      items[300];
	struct list_value l = { COUNT_OF(items), items };
	struct value      list = { .type = T_LIST, .u.list = &l };
	struct arena      a;

	for (size_t i = 0; i < COUNT_OF(items); i++)
		items[i] = value_int(123456789);
	arena_init(&a, NULL, 0, 1 << 20);
	CHECK_INT(value_text(&a, &list).len, 300 * 9 + 299 * 2 + 2);
	arena_free(&a);
	arena_init(&a, NULL, 0, 64);
	CHECK(!value_text(&a, &list).p);
	arena_free(&a);
}

TEST(values_of_different_types_are_never_equal_but_a_uri_is_its_text)
{
	struct value one = value_int(1), sec = value_ms(1), text = value_str(STR("sip:a@b")), no = V_NULL;
	struct value uri = { .type = T_URI, .u.s = STR("sip:a@b") };

	CHECK(!value_eq(&one, &sec));
	CHECK(value_eq(&uri, &text) && value_eq(&text, &uri));
	CHECK(value_eq(&no, &no) && !value_eq(&no, &one));
}

TEST(values_are_read_as_people_write_them)
{
	static const struct { enum vtype type; const char *text, *value; } rows[] = {
		{ T_BOOL, "true", "true" }, { T_BOOL, "false", "false" }, { T_BOOL, "on", NULL }, { T_BOOL, "yes", NULL },
		{ T_INT, "-5", "-5" }, { T_INT, "5x", NULL }, { T_INT, "", NULL }, { T_DURATION, "90s", "1m30s" }, { T_DURATION, "90", NULL },
		{ T_SIZE, "2048B", "2kB" }, { T_SIZE, "2", NULL }, { T_IP, "192.0.2.1", "192.0.2.1" }, { T_IP, "192.0.2.0/24", NULL },
		{ T_CIDR, "2001:db8::/32", "2001:db8::/32" }, { T_CIDR, "192.0.2.1", "192.0.2.1/32" }, { T_CIDR, "192.0.2.1/33", NULL },
		{ T_STR, "", "" }, { T_STR, "5", "5" }, { T_URI, "sip:a@b", "sip:a@b" }, { T_ANY, "5", "5" }, { T_ANY, "5x", "5x" },
		{ T_LIST, "[]", NULL }, { T_NULL, "null", NULL },
	};
	struct arena a;

	arena_init(&a, NULL, 0, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct value v;
		bool         good = value_parse(&a, rows[i].type, str_of(rows[i].text), &v);

		CHECK_ROW(good == (rows[i].value != NULL), rows[i].text);
		CHECK_ROW(!good || str_is(value_text(&a, &v), rows[i].value), rows[i].text);
		CHECK_ROW(!good || v.type == rows[i].type || rows[i].type == T_ANY, rows[i].text);
	}
	arena_free(&a);
}

/* --- as bytes --- */

/* What it is afterwards, as text; the bytes lie where nothing follows them. */
static struct str there_and_back(struct arena *a, const struct value *v)
{
	char        room[1000];
	struct buf  out = buf_on(room, sizeof(room));
	struct str  rest, short_of;
	struct value back, none;

	CHECK(pack(&out, v) && buf_ok(&out));
	rest = arena_dup(a, buf_str(&out));
	for (size_t n = 0; n < rest.len; n++) {	/* none of its beginnings is one, and nobody looks behind their end */
		short_of = arena_dup(a, str_to(rest, n));
		CHECK(!unpack(a, &short_of, &none));
	}
	CHECK(unpack(a, &rest, &back));
	CHECK_INT(rest.len, 0);
	CHECK_INT(back.type, v->type);
	return value_text(a, &back);
}

TEST(values_become_bytes_and_values_again)
{
	static const struct field  fields[] = { { "code", T_INT, false, "" }, { "ip", T_IP, true, "" }, { 0 } };
	static const struct shape  shape = { "answer", fields, false };
	struct addr                ip, net;
	struct value               in_record[2], items[11];
	const struct record        rec = { &shape, in_record };
	const struct list_value    empty = { 0, NULL }, l = { COUNT_OF(items), items };
	const struct value         list = { .type = T_LIST, .u.list = &l };
	struct arena               a;

	arena_init(&a, NULL, 0, 1 << 20);
	CHECK(!addr_parse(STR("192.0.2.1"), 0, &ip) && !addr_parse(STR("2001:db8::"), 0, &net));
	in_record[0] = value_int(486);
	in_record[1] = (struct value){ .type = T_IP, .u.ip = &ip };
	items[0] = V_NULL;
	items[1] = value_bool(true);
	items[2] = value_int(INT64_MIN);
	items[3] = value_str(STR("a\nb"));
	items[4] = value_str(STR_NONE);
	items[5] = value_ms(90000);
	items[6] = (struct value){ .type = T_SIZE, .u.i = 2048 };
	items[7] = (struct value){ .type = T_CIDR, .prefix = 32, .u.ip = &net };
	items[8] = (struct value){ .type = T_URI, .u.s = STR("sip:a@b") };
	items[9] = (struct value){ .type = T_LIST, .u.list = &empty };
	items[10] = value_record(&rec);
	CHECK_STR(there_and_back(&a, &list), "[null, true, -9223372036854775808, a\nb, , 1m30s, 2kB, 2001:db8::/32, sip:a@b, [], answer{code = 486, ip = 192.0.2.1}]");
	arena_free(&a);
}

TEST(what_cannot_be_kept_or_has_no_room_is_told)
{
	struct value      nested[PACK_DEPTH + 2];
	struct list_value lists[PACK_DEPTH + 2];
	char              room[1000];
	struct buf        out = buf_on(room, sizeof(room)), small = buf_on(room, 9);
	struct value      regex = { .type = T_REGEX }, ten = value_str(STR("0123456789"));

	nested[0] = value_int(1);
	for (size_t i = 1; i < COUNT_OF(nested); i++) {
		lists[i] = (struct list_value){ 1, &nested[i - 1] };
		nested[i] = (struct value){ .type = T_LIST, .u.list = &lists[i] };
	}
	CHECK(pack(&out, &nested[PACK_DEPTH]) && buf_ok(&out));
	CHECK(!pack(&out, &nested[PACK_DEPTH + 1]));
	CHECK(!pack(&out, &regex));
	CHECK(pack(&small, &ten) && !buf_ok(&small));
}
