#include "modules/profile/profile.h"

#include <stdlib.h>

#include "test.h"

static struct arena a;

TEST(a_user_is_named_by_uri_or_by_name)
{
	static const struct {
		const char *text;
		enum err    err;
		const char *user, *host;
	} rows[] = {
		{ "sip:alice@example.org", OK, "alice", "example.org" },
		{ "sip:alice@EXAMPLE.org:5061;transport=tcp?x=y", OK, "alice", "example.org" },
		{ "sips:%61lice@example.org", OK, "alice", "example.org" },	/* RFC 3261 §10.3 step 5: unescaped */
		{ "sip:Alice@example.org", OK, "Alice", "example.org" },	/* the user part compares with case */
		{ "alice", OK, "alice", "home.example" },
		{ "alice@Example.net", OK, "alice", "example.net" },
		{ "tel:+1-555", OK, "+1-555", "home.example" },
		{ "sip:example.org", OK, "", "example.org" },
		{ "sip:", ERR_SYNTAX, NULL, NULL },
		{ "alice@", ERR_SYNTAX, NULL, NULL },
	};

	arena_init(&a, NULL, 0, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str user, host;
		enum err   err = user_parse(&a, str_of(rows[i].text), STR("home.example"), &user, &host);

		CHECK_ROW(err == rows[i].err, rows[i].text);
		if (err)
			continue;
		CHECK_STR(user, rows[i].user);
		CHECK_STR(host, rows[i].host);
	}
	arena_free(&a);
}

TEST(domains_compare_without_case)
{
	struct db_value cells[] = { db_text(STR("b.example")), db_text(STR("A.example")), db_text(STR("example")) };
	struct db_rows  rows = { .rows = 3, .cols = 1, .cell = cells };
	struct domains *d = domains_of(&rows), *none;
	char            longest[300];

	CHECK(domains_have(d, STR("a.example")) && domains_have(d, STR("B.EXAMPLE")) && domains_have(d, STR("example")));
	CHECK(!domains_have(d, STR("c.example")) && !domains_have(d, STR("")) && !domains_have(d, STR("xample")));
	memset(longest, 'a', sizeof(longest));
	CHECK(!domains_have(d, str_n(longest, sizeof(longest))));
	CHECK(!domains_have(NULL, STR("example")));
	rows.rows = 0;
	none = domains_of(&rows);
	CHECK(none && !domains_have(none, STR("example")));
	free(none);
	free(d);
}

TEST(a_record_has_nulls_for_what_is_not_set)
{
	const struct db_value row[] = {
		db_text(STR("alice")), db_text(STR("example.org")), db_text(STR("")), db_text(STR("active")), db_null(),
		db_text(STR("sip:bob@example.org")), db_null(), db_null(), db_null(), db_int(20), db_int(1),
	};
	struct db_value without[COUNT_OF(row)];
	struct value    v;

	arena_init(&a, NULL, 0, 1 << 20);
	v = profile_record(&a, row);
	CHECK_INT(v.type, T_RECORD);
	for (size_t i = 0; profile_shape.fields[i].name; i++) {
		enum vtype got = v.u.rec->v[i].type;

		CHECK_ROW(got == profile_shape.fields[i].type || (got == T_NULL && profile_shape.fields[i].nullable), profile_shape.fields[i].name);
	}
	CHECK_STR(v.u.rec->v[0].u.s, "alice");
	CHECK_INT(v.u.rec->v[2].type, T_NULL);
	CHECK_INT(v.u.rec->v[4].type, T_NULL);
	CHECK_STR(v.u.rec->v[5].u.s, "sip:bob@example.org");
	CHECK_INT(v.u.rec->v[8].type, T_NULL);
	CHECK(v.u.rec->v[10].type == T_BOOL && v.u.rec->v[10].u.b);
	CHECK_INT(v.u.rec->v[9].u.i, 20000);	/* seconds in the table, milliseconds in the language */
	memcpy(without, row, sizeof(row));
	without[9] = db_null();
	CHECK_INT(profile_record(&a, without).u.rec->v[9].type, T_NULL);
	arena_free(&a);
	arena_init(&a, NULL, 0, 1);
	CHECK_INT(profile_record(&a, row).type, T_NULL);
	arena_free(&a);
}
