/* How errors are shown: place, line, caret, note, help; once, in order. */
#include "script/diag.h"
#include "test.h"

static struct {
	struct arena   arena;
	struct sources sources;
	struct diags   diags;
} t;

static struct source *file(const char *name, const char *text)
{
	return source_add(&t.sources, str_of(name), str_of(text));
}

static void begin(void)
{
	arena_init(&t.arena, NULL, 0, 1 << 20);
	sources_init(&t.sources, &t.arena);
	diags_init(&t.diags, &t.arena);
}

TEST(diag_shows_line_caret_note_and_help)
{
	struct source *src;
	struct diag   *g;

	begin();
	src = file("a.cfg", "one;\n\tsend_replay(403);\nthree;\n");
	g = diag_add(&t.diags, D_NO_FUNCTION, (struct span){ src, 6, 11 }, "no function `%s`", "send_replay");
	diag_note(&t.diags, g, (struct span){ src, 0, 3 }, "see here");
	diag_did_you_mean(&t.diags, g, STR("send_reply"));
	CHECK_STR(diags_text(&t.diags, &t.arena, false),
		  "a.cfg:2:2: error[E201]: no function `send_replay`\n"
		  "    2 |         send_replay(403);\n"
		  "      |         ^~~~~~~~~~~\n"
		  "a.cfg:1:1: note: see here\n"
		  "    1 | one;\n"
		  "      | ^~~\n"
		  "      = help: did you mean `send_reply`?\n"
		  "\n"
		  "1 error; `sipario explain E201` says more about a code\n");
	CHECK(diags_failed(&t.diags));
	arena_free(&t.arena);
}

TEST(diag_shows_the_part_of_a_long_line_that_is_meant)
{
	struct source *src;
	char           line[1000];

	begin();
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	memcpy(line + 500, "HERE", 4);
	src = file("a.cfg", line);
	diag_add(&t.diags, D_UNREACHABLE, (struct span){ src, 500, 4 }, "never");
	CHECK(str_find_str(diags_text(&t.diags, &t.arena, false), STR("    1 | …xxx")) > 0);
	CHECK(str_find_str(diags_text(&t.diags, &t.arena, false), STR("xHERExxx")) > 0);
	CHECK(str_find_str(diags_text(&t.diags, &t.arena, false), STR("xxx…\n")) > 0);
	CHECK(str_find_str(diags_text(&t.diags, &t.arena, false), STR(" ^~~~\n")) > 0);
	arena_free(&t.arena);
}

TEST(diags_can_all_be_errors)
{
	begin();
	diag_add(&t.diags, D_UNREACHABLE, (struct span){ 0 }, "never");
	CHECK(!diags_failed(&t.diags));
	diags_strict(&t.diags);
	CHECK(diags_failed(&t.diags));
	CHECK_STR(diags_text(&t.diags, &t.arena, false), "error[W501]: never\n\n1 error (warnings count as errors); `sipario explain W501` says more about a code\n");
	arena_free(&t.arena);
}

TEST(diag_counts_columns_in_characters_and_keeps_control_bytes_from_the_terminal)
{
	struct source *src;

	begin();
	src = file("a.cfg", "\xC3\xA4\xC3\xB6 x\033[31m\r\n");
	diag_add(&t.diags, D_UNREACHABLE, (struct span){ src, 5, 1 }, "never");
	CHECK_STR(diags_text(&t.diags, &t.arena, false), 
		  "a.cfg:1:4: warning[W501]: never\n    1 | \xC3\xA4\xC3\xB6 x?[31m\n      |    ^\n\n1 warning; `sipario explain W501` says more about a code\n");
	CHECK(!diags_failed(&t.diags));
	arena_free(&t.arena);
}

TEST(diags_are_sorted_by_file_and_place_and_told_once)
{
	struct source *a, *b;

	begin();
	a = file("a.cfg", "12345\n12345\n");
	b = file("b.cfg", "12345\n");
	diag_add(&t.diags, D_NO_NAME, (struct span){ b, 0, 1 }, "third");
	diag_add(&t.diags, D_NO_NAME, (struct span){ a, 8, 1 }, "second");
	diag_add(&t.diags, D_NO_NAME, (struct span){ a, 8, 1 }, "second again");
	diag_add(&t.diags, D_UNUSED_LET, (struct span){ a, 1, 1 }, "first");
	diags_sort(&t.diags);
	CHECK_INT(t.diags.count, 3);
	CHECK_INT(t.diags.errors, 2);
	CHECK_INT(t.diags.warnings, 1);
	CHECK_STR(t.diags.first->message, "first");
	CHECK_STR(t.diags.first->next->message, "second");
	CHECK_STR(t.diags.first->next->next->message, "third");
	arena_free(&t.arena);
}

TEST(diag_without_a_place_has_none)
{
	begin();
	diag_add(&t.diags, D_NO_CONST, (struct span){ 0 }, "-D X: no constant of that name");
	CHECK_STR(diags_text(&t.diags, &t.arena, false), 
		  "error[E212]: -D X: no constant of that name\n\n1 error; `sipario explain E212` says more about a code\n");
	arena_free(&t.arena);
}

TEST(diags_as_json_carry_all_parts)
{
	struct source *src;
	struct diag   *g;

	begin();
	src = file("a\"b.cfg", "x y\n");
	g = diag_add(&t.diags, D_NO_NAME, (struct span){ src, 2, 1 }, "no `y`");
	diag_help(&t.diags, g, "a\nb");
	CHECK_STR(diags_json(&t.diags, &t.arena),
		  "[{\"file\":\"a\\\"b.cfg\",\"line\":1,\"column\":3,\"length\":1,\"level\":\"error\",\"code\":\"E204\",\"message\":\"no `y`\","
		  "\"help\":\"a\\nb\"}]");
	arena_free(&t.arena);
}

TEST(diag_colours_only_when_asked)
{
	begin();
	diag_add(&t.diags, D_NO_CONST, (struct span){ 0 }, "x");
	CHECK(str_find(diags_text(&t.diags, &t.arena, false), '\033') < 0);
	CHECK(str_find(diags_text(&t.diags, &t.arena, true), '\033') >= 0);
	arena_free(&t.arena);
}

TEST(diags_without_memory_have_failed)
{
	arena_init(&t.arena, NULL, 0, 16);
	diags_init(&t.diags, &t.arena);
	diag_help(&t.diags, diag_add(&t.diags, D_NO_NAME, (struct span){ 0 }, "lost"), "lost too");
	CHECK(diags_failed(&t.diags));
	arena_free(&t.arena);
	begin();
	t.diags.no_memory = true;
	CHECK_STR(diags_text(&t.diags, &t.arena, false), "error[E001]: not enough memory to check all of it\n");
	arena_free(&t.arena);
}

TEST(nearest_allows_a_third_of_the_letters)
{
	static const struct { const char *want, *have, *near; } rows[] = {
		{ "INVTIE", "INVITE", "INVITE" }, { "registar", "registrar", "registrar" }, { "abc", "xyz", "" }, { "rx", "ru", "ru" },
		{ "send_replay", "send_reply", "send_reply" }, { "lookup", "save", "" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct nearest n = nearest_to(str_of(rows[i].want));

		nearest_offer(&n, str_of(rows[i].have));
		CHECK_ROW(str_is(nearest_name(&n), rows[i].near), rows[i].want);
	}
}
