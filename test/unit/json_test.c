/* core/base/json */
#include "test.h"

#include "base/json.h"

static struct arena a;

TEST(json_written_is_read_back)
{
	char             why[128];
	struct json_out  o;
	struct json     *j;
	const char      *key;
	const struct json *v;
	void            *at = NULL;

	arena_init(&a, NULL, 0, 1 << 16);
	o = json_into(&a);
	json_open_object(&o, NULL);
	json_put_text(&o, "text", STR("a \"b\" \\ \n\t\x01 \xc3\xab"));
	json_put_text(&o, "nul", str_n("a\0b", 3));
	json_put_text(&o, "bad", STR("x\xffy\xc3"));
	json_put_int(&o, "int", INT64_MIN);
	json_open_list(&o, "list");
	json_put_bool(&o, NULL, true);
	json_put_null(&o, NULL);
	json_put_json(&o, NULL, STR("{\"k\":[1,2]}"));
	json_close_list(&o);
	json_close_object(&o);
	CHECK_STR(json_done(&o), "{\"text\":\"a \\\"b\\\" \\\\ \\n\\u0009\\u0001 \xc3\xab\",\"nul\":\"a\xef\xbf\xbd\x62\","
				 "\"bad\":\"x\xef\xbf\xbdy\xef\xbf\xbd\",\"int\":-9223372036854775808,\"list\":[true,null,{\"k\":[1,2]}]}");
	j = json_read(json_done(&o), why, sizeof(why));
	CHECK(j);
	json_free(j);
	j = json_read(STR("{\"text\":\"a\\n\",\"int\":-7,\"f\":1.5,\"list\":[true,null,{\"k\":[1,2]}]}"), why, sizeof(why));
	CHECK(j && json_kind(j) == JSON_IS_OBJECT && json_count(j) == 4);
	CHECK_STR(json_text(json_get(j, "text")), "a\n");
	CHECK(json_int(json_get(j, "int"), 0) == -7 && json_int(json_get(j, "none"), 3) == 3 && json_int(json_get(j, "text"), 3) == 3);
	CHECK(json_kind(json_get(j, "f")) == JSON_IS_FRACTION);
	CHECK(json_bool(json_at(json_get(j, "list"), 0), false) && json_kind(json_at(json_get(j, "list"), 1)) == JSON_IS_NULL);
	CHECK(json_at(json_get(j, "list"), 3) == NULL && json_kind(NULL) == JSON_IS_NONE && json_count(NULL) == 0);
	CHECK(json_next(j, &at, &key, &v) && !strcmp(key, "text") && json_next(j, &at, &key, &v) && !strcmp(key, "int"));
	CHECK_STR(json_dump(&a, json_get(j, "list"), false), "[true,null,{\"k\":[1,2]}]");
	json_free(j);
	arena_free(&a);
}

TEST(json_that_is_none_says_where)
{
	static const struct { const char *in, *why; } rows[] = {
		{ "\"a\\u0000b\"", "NUL" }, { "", "line 1" }, { "{\"a\":1,\"a\":2}", "duplicate" }, { "{\"a\":}", "column" }, { "[1,2", "line 1" }, { "{} x", "end of file" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char why[128] = "";

		CHECK_ROW(!json_read(str_of(rows[i].in), why, sizeof(why)), rows[i].in);
		CHECK_ROW(strstr(why, rows[i].why), why);
	}
}

TEST(json_that_does_not_fit_is_no_text)
{
	struct json_out o;

	arena_init(&a, NULL, 0, 4096);
	o = json_into(&a);
	json_open_list(&o, NULL);
	for (int i = 0; i < 2000; i++)
		json_put_text(&o, NULL, STR("0123456789"));
	json_close_list(&o);
	CHECK(json_done(&o).p == NULL);
	arena_free(&a);
}
