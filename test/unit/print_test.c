/* A program that was parsed, printed (script_print.h) and parsed again is the same program. */
#include "../fuzz/make_script.h"
#include "script/builtin.h"
#include "script/check.h"
#include "script_print.h"
#include "script_same.h"
#include "test.h"

#include <glob.h>
#include <stdlib.h>

enum { ROOM = 1 << 20 };
static char room[ROOM], room2[ROOM], made[ROOM];

static struct str printed(const struct program *p, char *into)
{
	struct buf out = buf_on(into, ROOM);

	print_program(p, &out);
	CHECK(buf_ok(&out));
	return buf_str(&out);
}

static struct program *parsed(struct str text)
{
	struct program *p = program_new();

	CHECK(p);
	if (!program_parse(p, STR("x.cfg"), text))
		print_error(STR_FMT, STR_ARG(str_to(diags_text(&p->diags, &p->arena, false), 700)));
	CHECK(!diags_failed(&p->diags));
	return p;
}

static void check_round(const struct program *p, const char *which)
{
	struct str      text = printed(p, room);
	struct program *again = parsed(text);

	if (!same_program(p, again))
		print_error(STR_FMT, STR_ARG(text));
	CHECK_ROW(same_program(p, again), which);
	CHECK_ROW(str_eq(text, printed(again, room2)), which);
	program_free(again);
}

static void check_files(const char *pattern, unsigned least)
{
	glob_t files;

	CHECK_INT(glob(pattern, 0, NULL, &files), 0);
	CHECK(files.gl_pathc >= least);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct program *p = program_new();

		CHECK(p);
		if (program_read(p, str_of(files.gl_pathv[i])))	/* wrong.cfg has errors, that is what it is for */
			check_round(p, files.gl_pathv[i]);
		program_free(p);
	}
	globfree(&files);
}

TEST(the_scripts_of_this_tree_are_printed_and_parsed_to_the_same)
{
	check_files("etc/*.cfg", 1);
	check_files("etc/examples/*.cfg", 6);
	check_files("test/script/*.cfg", 3);
	check_files("test/bench/*.cfg", 0);
	check_files("test/fuzz/script-seeds/*.cfg", 2);
}

static void check_text(const char *text)
{
	struct program *p = parsed(str_of(text));

	check_round(p, text);
	program_free(p);
}

TEST(what_looks_alike_stays_different)
{
	static const char *const rows[] = {
		/* parentheses, signs, precedence */
		"const a = -5; const b = -(5); const c = -5s; const d = - -5; const e = !(-5 == 2);",
		"const a = 1 - 2 - 3; const b = 1 - (2 - 3); const c = a ?? (b ?? 1) ?? 2; const d = (((1)));",
		"route[R] { if (a) if (b) x(); else y(); }", "route[R] { if (a) { if (b) x(); } else y(); }", "route[R] { if (a); else ; }",
		/* addresses end where a name may begin */
		"route[R] { x(::1 .a, (::1).a, 10.0.0.1.a, 10.0.0.1 / 8, 10.0.0.1/8, 2001:db8::1/32 .b); }",
		/* texts */
		"const a = \"x$(\"y\")z\"; const b = \"$(\"\")\"; const c = \"$ru$rU.x$(ru)$($ru)(\"; const d = \"\\$ru \\$(5) \\x24x\";",
		"const a = \"$($a)b $($a)(b) $hdr(To)b $($hdr(' To '))\"; const b = \"$(\"a$('b' + \"x\")c\")(\";", "const a = 'it\\'s $ru \\n \"quoted\"';",
		"const a = \"$(\"$(\"a\" + \")(\")\")\"; const b = \"$(\"$(f(\")$(\"b)\")(\"))\")\";",
		"const a = \"\\x00\\r\\n\\t\\x7f\\xff\\\"\";", "route[R] { x(\"\\$a(\", \"b)\"); x(\"$(5)\", \"$(null)\", \"$((\"x\"))\"); }",
		/* regular expressions, lists, names */
		"route[R] { if ($ua =~ /[/]\\/\"(x)/i && a =~ (/x/)) y([], [1,], [[a]]); }", "route[R] { route('a b'); route(\"it's\", 1); route(R, x, y); route(R,); }",
		"route[R] { let y = x(a, b = c, d = 5kB, e = 1h30m, f = 0s, g = 0B)[0][-1].h(i).j; }", "route[R] { $sht(t => a + 1) = $sht(t => $sht(t => 1)).add(2); }",
		/* declarations */
		"listen udp:*:5060; listen = tls:[::1]:5061 advertise 192.0.2.1:5061; domain \"a b\"; x [a, \"b\", env(N)]; y env(\"N\", \"d\");",
		"module \"a b\" { x = [a, b]; } module c; module d { y = 5s; z = \"$a\"; }", "table t { key: ip; value = string; ttl: 5m; max: 10 * 10; }",
		"timer_route[T](every = 60s) { } event_route[core:start] { } reply_route { } reply_route[X] { } route[Y](a, b: int) { return a; } route[Z] { return; }",
		"test \"it's \\\"x\\\"\" { send INVITE from \"a\" to $b, with header \"c: d\"; send 200; expect reply 4xx; expect request; expect request , source ::1; "
		"expect request BYE body /x/; expect nothing within 5s; wait 1s + 2s; }",
		"given party bob at 192.0.2.1 over tcp; given $sht(t => 1) = -2; test \"x\" { given user \"a@b\" status active; expect next reply 200 header \"A\" =~ /b/ "
		"no header \"C\"; expect no log =~ /x y/ level warn; expect counter \"c\" >= 1; expect $sht(t => 1) == null; fail bob; restore database; }",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_text(rows[i]);
}

/* The same bytes as in the fuzz targets, only fewer. */
TEST(programs_made_at_random_are_printed_and_parsed_to_the_same)
{
	uint8_t bytes[400];

	srand(1);
	for (int n = 0; n < 300; n++) {
		struct buf   out = buf_on(made, ROOM);
		struct maker m = { .at = bytes, .end = bytes + 1 + rand() % (int)sizeof(bytes), .out = &out, .funcs = core_funcs, .vars = core_vars };
		struct program *p;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand();
		make_script(&m);
		CHECK(buf_ok(&out));
		p = parsed(buf_str(&out));
		check_round(p, "random");
		program_free(p);
	}
}
