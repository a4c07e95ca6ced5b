/* core/module/param.c: each row is a value as written in a script, and what the operator is told. */
#include "test.h"

#include "module/module.h"

static const char *const rings[] = { "parallel", "serial", "q", NULL };
static const char *const algorithms[] = { "MD5", "SHA-256", NULL };

static struct {
	bool       durable;
	int64_t    count;
	uint32_t   expires, ring_ms, algorithms;
	uint64_t   bytes;
	struct str realm;
	int        ring;
} cfg;

static const struct mod_param params[] = {
	{ "durable", P_BOOL, &cfg.durable, "on", 0, 0, NULL, "" },
	{ "count", P_INT, &cfg.count, "10", 1, 100, NULL, "" },
	{ "expires", P_SECONDS, &cfg.expires, "1h", 1, 86400, NULL, "" },
	{ "ring_time", P_MS, &cfg.ring_ms, "30s", 0, 0, NULL, "" },
	{ "bytes", P_SIZE, &cfg.bytes, "16kB", 0, 0, NULL, "" },
	{ "realm", P_STR, &cfg.realm, NULL, 0, 0, NULL, "" },
	{ "ring", P_CHOICE, &cfg.ring, "parallel", 0, 0, rings, "" },
	{ "algorithms", P_CHOICES, &cfg.algorithms, "[SHA-256, MD5]", 0, 0, algorithms, "" },
	{ 0 },
};
static const struct module mod = { .abi = MODULE_ABI, .name = "p", .params = params };

static const struct mod_param *param(const char *name)
{
	for (const struct mod_param *p = params; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	fail();
	return NULL;
}

TEST(presets_are_stored_in_the_kept_unit)
{
	module_apply_presets(&mod);
	CHECK(cfg.durable);
	CHECK_INT(cfg.count, 10);
	CHECK_INT(cfg.expires, 3600);
	CHECK_INT(cfg.ring_ms, 30000);
	CHECK_INT(cfg.bytes, 16384);
	CHECK(!cfg.realm.p);
	CHECK_INT(cfg.ring, 0);
	CHECK_INT(cfg.algorithms, 0x12);	/* SHA-256 (index 1) first */
}

TEST(a_wrong_value_is_refused_with_a_sentence)
{
	static const struct { const char *param, *text, *why; } rows[] = {
		{ "durable", "5", "expected bool (on or off), got int" },
		{ "count", "101", "expected int 1 to 100, got 101" },
		{ "count", "5m", "expected int 1 to 100, got duration" },
		{ "count", "99999999999999999999", "expected int 1 to 100, got \"99999999999999999999\"" },
		{ "expires", "\"1h\"", "expected duration 1s to 1d, got string" },
		{ "expires", "2d", "expected duration 1s to 1d, got 2d" },
		{ "expires", "3600", "expected duration 1s to 1d, got int" },
		{ "expires", "1500ms", "expected whole seconds 1s to 1d, got 1500ms" },
		{ "ring_time", "50d", "expected duration, got 50d" },	/* 2**32 ms are 49.7 days */
		{ "bytes", "on", "expected size, got bool" },
		{ "bytes", "", "expected size, got nothing" },
		{ "realm", "example", "expected string, got \"example\"" },
		{ "realm", "[a]", "expected string, got list" },
		{ "ring", "paralel", "expected parallel, serial or q, got \"paralel\": did you mean parallel?" },
		{ "ring", "5", "expected parallel, serial or q, got int: did you mean q?" },
		{ "algorithms", "[SHA-256, SHA-1]", "expected a list of MD5 or SHA-256, got \"SHA-1\"" },
		{ "algorithms", "[MD5, MD5]", "MD5 is listed twice" },
		{ "algorithms", "[]", "expected a list of MD5 or SHA-256, got nothing" },
	};

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		char why[200] = "";

		CHECK_ROW(module_param_set(param(rows[r].param), str_of(rows[r].text), true, why, sizeof(why)) == ERR_SYNTAX, rows[r].text);
		CHECK_STR(str_of(why), rows[r].why);
	}
}

TEST(checking_alone_stores_nothing)
{
	char why[200];

	module_apply_presets(&mod);
	CHECK(!module_param_set(param("count"), STR("55"), false, why, sizeof(why)));
	CHECK(!module_param_set(param("realm"), STR("\"x\""), false, why, sizeof(why)));
	CHECK(!module_param_set(param("ring"), STR("q"), false, why, sizeof(why)));
	CHECK_INT(cfg.count, 10);
	CHECK(!cfg.realm.p);
	CHECK_INT(cfg.ring, 0);
}

TEST(texts_lose_their_quotes_and_escapes)
{
	char why[200];

	CHECK(!module_param_set(param("realm"), STR("\"a\\\"b\\n\""), true, why, sizeof(why)));
	CHECK_STR(cfg.realm, "a\"b\n");
	CHECK(!module_param_set(param("realm"), STR("'a\\n'"), true, why, sizeof(why)));
	CHECK_STR(cfg.realm, "a\\n");
	CHECK(!module_param_set(param("ring"), STR("\"serial\""), true, why, sizeof(why)));
	CHECK_INT(cfg.ring, 1);
	CHECK(!module_param_set(param("algorithms"), STR("MD5"), true, why, sizeof(why)));
	CHECK_INT(cfg.algorithms, 1);
}

TEST(what_a_parameter_is_can_be_written_back)
{
	static const struct { const char *param, *text, *want; } rows[] = {
		{ "durable", "yes", "on" }, { "count", "55", "55" }, { "expires", "90m", "1h30m" }, { "ring_time", "1500ms", "1s500ms" },
		{ "bytes", "1024kB", "1MB" }, { "realm", "'x'", "\"x\"" }, { "ring", "\"q\"", "q" }, { "algorithms", "[MD5,SHA-256]", "[MD5, SHA-256]" },
	};

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		char       why[200], room[64];
		struct buf b = buf_on(room, sizeof(room));

		CHECK(!module_param_set(param(rows[r].param), str_of(rows[r].text), true, why, sizeof(why)));
		module_param_write(param(rows[r].param), &b);
		CHECK_STR(buf_str(&b), rows[r].want);
	}
}

TEST(another_program_finds_nothing_of_the_one_before)
{
	char why[200];

	CHECK(!module_param_set(param("realm"), STR("\"x\""), true, why, sizeof(why)));
	CHECK(!module_param_set(param("count"), STR("55"), true, why, sizeof(why)));
	module_reset(&mod);
	CHECK(!cfg.realm.len);
	CHECK_INT(cfg.count, 10);
}
