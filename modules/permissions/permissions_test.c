#include "modules/permissions/permissions.h"

#include <stdlib.h>

#include "test.h"

static struct arena a;

static struct addr ip(const char *text)
{
	struct addr out = { 0 };

	CHECK_INT(addr_parse(str_of(text), 5060, &out), OK);
	return out;
}

TEST(the_narrowest_network_names_the_peer)
{
	static const char *const table[][2] = {
		{ "10.0.0.0/8", "wide" }, { "10.1.0.0/16", "narrow" }, { "10.1.2.3", "one" }, { "192.0.2.128/25", "half" }, { "2001:db8::/32", "six" },
		{ "2001:db8:2::/47", "odd" }, { "10.9.9.9/16", "unmasked" }, { "no network", "nobody" },
	};
	static const struct {
		const char *ip, *name;
	} rows[] = {
		{ "10.1.2.3", "one" }, { "10.1.2.4", "narrow" }, { "10.2.0.1", "wide" }, { "11.0.0.1", NULL }, { "192.0.2.127", NULL }, { "192.0.2.128", "half" },
		{ "2001:db8::1", "six" }, { "2001:db8:0:ffff::1", "six" }, { "2001:db8:3::1", "odd" }, { "2001:db8:4::1", "six" }, { "2001:db9::1", NULL }, { "10.9.0.1", "unmasked" },
		{ "::ffff:10.1.2.3", NULL },
	};
	struct db_value  cell[COUNT_OF(table) * 2];
	struct db_rows   all = { .rows = COUNT_OF(table), .cols = 2, .cell = cell };
	struct networks *n;

	for (size_t i = 0; i < COUNT_OF(cell); i++)
		cell[i] = db_text(str_of(table[i / 2][i % 2]));
	n = networks_of(&all);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr       from = ip(rows[i].ip);
		const struct str *name = networks_find(n, &from);

		CHECK_ROW(rows[i].name ? name && str_is(*name, rows[i].name) : !name, rows[i].ip);
	}
	free(n);
}

TEST(the_whole_world_may_be_trusted_and_nobody)
{
	struct db_value  cell[] = { db_text(STR("0.0.0.0/0")), db_text(STR("all")) };
	struct db_rows   rows = { .rows = 1, .cols = 2, .cell = cell };
	struct networks *n = networks_of(&rows), *none;
	struct addr      four = ip("203.0.113.9"), six = ip("2001:db8::1");

	CHECK(networks_find(n, &four) && !networks_find(n, &six) && !networks_find(NULL, &four));
	rows.rows = 0;
	none = networks_of(&rows);
	CHECK(none && !networks_find(none, &four));
	free(none);
	free(n);
}

TEST(the_longest_prefix_is_the_class)
{
	static const char *const table[][2] = {
		{ "+49", "national" }, { "+491", "mobile" }, { "+4900", "premium" }, { "+", "international" }, { "110", "emergency" }, { "0", "national" },
	};
	static const struct {
		const char *number, *class;
	} rows[] = {
		{ "+4930123", "national" }, { "+49170123", "mobile" }, { "+490", "national" }, { "+49009", "premium" }, { "+1", "international" }, { "+", "international" },
		{ "110", "emergency" }, { "11", NULL }, { "1101", "emergency" }, { "030", "national" }, { "7", NULL }, { "", NULL },
	};
	struct db_value cell[COUNT_OF(table) * 2];
	struct db_rows  all = { .rows = COUNT_OF(table), .cols = 2, .cell = cell };
	struct numbers *n, *none;

	for (size_t i = 0; i < COUNT_OF(cell); i++)
		cell[i] = db_text(str_of(table[i / 2][i % 2]));
	n = numbers_of(&all);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct str *class = numbers_find(n, str_of(rows[i].number));

		CHECK_ROW(rows[i].class ? class && str_is(*class, rows[i].class) : !class, rows[i].number);
	}
	all.rows = 0;
	none = numbers_of(&all);
	CHECK(none && !numbers_find(none, STR("1")) && !numbers_find(NULL, STR("1")));
	free(none);
	free(n);
}

TEST(a_number_in_a_uri_or_by_itself)
{
	static const struct {
		enum vtype  type;
		const char *text, *number;
	} rows[] = {
		{ T_URI, "sip:+49(30)123-45@example.org;user=phone", "+493012345" }, { T_URI, "tel:+1-555-0100", "+15550100" }, { T_URI, "tel:110;phone-context=+49", "110" },
		{ T_URI, "sip:%2B4930@example.org", "+4930" }, { T_URI, "sip:alice@example.org", "" }, { T_URI, "sip:example.org", "" },
		{ T_URI, "sip:1+2@example.org", "" }, { T_URI, "sip:*21#@example.org", "*21#" }, { T_URI, "urn:service:sos", "" },
		{ T_STR, "030.123", "030123" }, { T_STR, "sip:030@example.org", "030" }, { T_STR, "bob", "" }, { T_STR, "", "" }, { T_STR, "sip:", "" },
	};

	arena_init(&a, NULL, 0, 1 << 16);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct value v = { .type = rows[i].type, .u.s = str_of(rows[i].text) };
		struct str   got = number_of(&a, &v);

		CHECK_ROW(got.p && str_is(got, rows[i].number), rows[i].text);
	}
	arena_free(&a);
	arena_init(&a, NULL, 0, 1);
	CHECK(!number_of(&a, &(struct value){ .type = T_STR, .u.s = STR("0123456789012345") }).p);
	arena_free(&a);
}
