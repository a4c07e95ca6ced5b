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

/* Rows as the database gives them. */
static size_t put_row(struct db_value *cell, enum user_row kind, const char *name, const char *value)
{
	cell[U_KIND] = db_int(kind);
	cell[U_NAME] = db_text(str_of(name));
	cell[U_DOMAIN] = value ? db_text(str_of(value)) : db_null();
	for (size_t i = U_DOMAIN + 1; i < U_COLUMNS; i++)
		cell[i] = db_null();
	return U_COLUMNS;
}

static struct str packed(const struct db_value *cell, size_t n)
{
	const struct db_rows rows = { .rows = n / U_COLUMNS, .cols = U_COLUMNS, .cell = cell };
	size_t               bytes = user_packed_bytes(&rows);
	char                *room = arena_alloc(&a, bytes + 1);

	CHECK(room);
	user_pack(&rows, room);
	return str_n(room, bytes);
}

static struct str alice(void)
{
	struct db_value cell[8 * U_COLUMNS];
	size_t          n = put_row(cell, ROW_USER, "alice", "example.org");

	cell[U_DISPLAY_NAME] = db_text(STR(""));
	cell[U_STATUS] = db_text(STR("active"));
	cell[U_BUSY] = db_text(STR("sip:bob@example.org"));
	cell[U_RING_TIME] = db_int(20);
	cell[U_MAX_CALLS] = db_int(2);
	cell[U_DO_NOT_DISTURB] = db_int(1);
	n += put_row(cell + n, ROW_PERMISSION, "local", NULL);
	n += put_row(cell + n, ROW_PERMISSION, "national", NULL);
	n += put_row(cell + n, ROW_PERMISSION, "national", NULL);	/* by a group as well */
	n += put_row(cell + n, ROW_GROUP, "staff", NULL);
	n += put_row(cell + n, ROW_PREFERENCE, "language", "it");
	n += put_row(cell + n, ROW_PREFERENCE, "tone", "");
	return packed(cell, n);
}

TEST(a_record_has_nulls_for_what_is_not_set)
{
	const struct value *v;
	struct value        all;

	arena_init(&a, NULL, 0, 1 << 20);
	all = profile_record(&a, alice());
	CHECK_INT(all.type, T_RECORD);
	v = all.u.rec->v;
	for (size_t i = 0; profile_shape.fields[i].name; i++)
		CHECK_ROW(v[i].type == profile_shape.fields[i].type || (v[i].type == T_NULL && profile_shape.fields[i].nullable), profile_shape.fields[i].name);
	CHECK_STR(v[0].u.s, "alice");
	CHECK_INT(v[2].type, T_NULL);
	CHECK_INT(v[4].type, T_NULL);
	CHECK_STR(v[5].u.s, "sip:bob@example.org");
	CHECK_INT(v[8].type, T_NULL);
	CHECK_INT(v[9].u.i, 20000);	/* seconds in the table, milliseconds in the language */
	CHECK(v[10].type == T_BOOL && v[10].u.b);
	CHECK_INT(v[11].u.i, 2);
	CHECK_INT(v[12].type, T_NULL);
	arena_free(&a);
}

TEST(a_record_has_permissions_groups_and_preferences)
{
	const struct value *v;
	struct str          bytes;

	arena_init(&a, NULL, 0, 1 << 20);
	bytes = alice();
	v = profile_record(&a, bytes).u.rec->v;
	CHECK_INT(v[13].u.list->count, 2);
	CHECK_STR(v[13].u.list->v[1].u.s, "national");
	CHECK_INT(v[14].u.list->count, 1);
	CHECK_STR(v[14].u.list->v[0].u.s, "staff");
	CHECK(!strcmp(v[15].u.rec->shape->fields[0].name, "language") && v[15].u.rec->shape->open && !v[15].u.rec->shape->fields[2].name);
	CHECK_STR(v[15].u.rec->v[0].u.s, "it");
	CHECK_STR(v[15].u.rec->v[1].u.s, "");
	for (size_t limit = 1; limit < 4096; limit += 64) {	/* wherever memory runs out */
		struct arena small;

		arena_init(&small, NULL, 0, limit);
		(void)profile_record(&small, bytes);
		arena_free(&small);
	}
	arena_free(&a);
}
