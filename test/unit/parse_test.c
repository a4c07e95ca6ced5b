/* Trees: precedence, strings, declarations, and what is bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "script_world.h"

/* --- expressions as text, fully bracketed --- */
static void show_expr(struct buf *b, const struct expr *e);

static void show_list(struct buf *b, const char *open, struct expr *const *item, size_t n)
{
	buf_add(b, str_of(open));
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_ch(b, ' ');
		show_expr(b, item[i]);
	}
	buf_ch(b, ')');
}

static void show_args(struct buf *b, struct str name, const struct arg *a)
{
	buf_printf(b, "(" STR_FMT, STR_ARG(name));
	for (; a; a = a->next) {
		buf_ch(b, ' ');
		if (a->name.len)
			buf_printf(b, STR_FMT "=", STR_ARG(a->name));
		show_expr(b, a->value);
	}
	buf_ch(b, ')');
}

static void show_const(struct buf *b, const struct value *v)
{
	char         room[256];
	struct arena a;

	if (v->type == T_REGEX) {
		buf_add(b, STR("/re/"));
		return;
	}
	arena_init(&a, room, sizeof(room), 1 << 16);
	buf_add(b, v->type == T_NULL ? STR("null") : value_text(&a, v));
	arena_free(&a);
}

static void show_op(struct buf *b, const struct expr *e)
{
	static const char *const text[] = {
		[OP_NOT] = "!", [OP_NEG] = "neg", [OP_DEFAULT] = "?\?", [OP_OR] = "||", [OP_AND] = "&&", [OP_EQ] = "==", [OP_NE] = "!=", [OP_LT] = "<",
		[OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=", [OP_MATCH] = "=~", [OP_NO_MATCH] = "!~", [OP_IN] = "in", [OP_ADD] = "+",
		[OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_MOD] = "%",
	};

	buf_printf(b, "(%s ", text[e->op]);
	show_expr(b, e->u.op.a);
	if (e->kind == EX_BINARY) {
		buf_ch(b, ' ');
		show_expr(b, e->u.op.b);
	}
	buf_ch(b, ')');
}

static void show_expr(struct buf *b, const struct expr *e)
{
	switch (e->kind) {
	case EX_CONST:
		show_const(b, &e->u.value);
		break;
	case EX_NAME:
		buf_add(b, e->u.name);
		break;
	case EX_VAR:
		buf_printf(b, "$" STR_FMT, STR_ARG(e->u.var.name));
		if (e->u.var.has_arg)
			buf_printf(b, "[" STR_FMT "]", STR_ARG(e->u.var.arg));
		break;
	case EX_TEXT:
		show_list(b, "(text ", e->u.list.item, e->u.list.count);
		break;
	case EX_LIST:
		show_list(b, "(list ", e->u.list.item, e->u.list.count);
		break;
	case EX_CALL:
		show_args(b, e->u.call.name, e->u.call.args);
		break;
	case EX_ROUTE:
		show_args(b, STR("route"), e->u.route.args);
		break;
	case EX_FIELD:
		show_expr(b, e->u.field.of);
		buf_printf(b, "." STR_FMT, STR_ARG(e->u.field.name));
		break;
	case EX_INDEX:
		show_expr(b, e->u.index.of);
		buf_ch(b, '[');
		show_expr(b, e->u.index.at);
		buf_ch(b, ']');
		break;
	case EX_TABLE:
		buf_printf(b, "(" STR_FMT " => ", STR_ARG(e->u.table.name));
		show_expr(b, e->u.table.key);
		buf_ch(b, ')');
		break;
	case EX_UNARY: case EX_BINARY:
		show_op(b, e);
		break;
	default:
		buf_ch(b, '?');
	}
}

TEST(parse_binds_operators_as_the_manual_says)
{
	static const struct { const char *text, *tree; } rows[] = {
		{ "1 + 2 * 3", "(+ 1 (* 2 3))" },
		{ "(1 + 2) * 3", "(* (+ 1 2) 3)" },
		{ "1 - 2 - 3", "(- (- 1 2) 3)" },
		{ "a ?? b || c && d == e", "(?\? a (|| b (&& c (== d e))))" },
		{ "a ?? b ?? c", "(?\? a (?\? b c))" },
		{ "a || b || c", "(|| (|| a b) c)" },
		{ "!a && b", "(&& (! a) b)" },
		{ "!f() || -x < 3", "(|| (! (f)) (< (neg x) 3))" },
		{ "-5", "-5" },
		{ "a =~ /x/i && b !~ /y/", "(&& (=~ a /re/) (!~ b /re/))" },
		{ "$si in 10.0.0.0/8 || x in [1, 2]", "(|| (in $si 10.0.0.0/8) (in x (list 1 2)))" },
		{ "a.b.c[0].d", "a.b.c[0].d" },
		{ "a.b == 486 && a.c", "(&& (== a.b 486) a.c)" },
		{ "relay(timeout = a.t ?? 30s, x)", "(relay timeout=(?\? a.t 30s) x)" },
		{ "route(ADD, 1, b)", "(route 1 b)" },
		{ "$hdr(X-Foo)", "$hdr[X-Foo]" },
		{ "$hdr( 'X-Foo' )", "$hdr[X-Foo]" },
		{ "$sht(ipban => $si)", "(ipban => $si)" },
		{ "10 / 2 % 3", "(% (/ 10 2) 3)" },
		{ "null == false", "(== null false)" },
		{ "\"plain\"", "plain" },
		{ "\"a $rU b\"", "(text a  $rU  b)" },
		{ "\"$(a + 1)x\"", "(text (+ a 1) x)" },
		{ "\"$hdr(Subject)!\"", "(text $hdr[Subject] !)" },
		{ "\"$(f(\"q\"))\"", "(text (f q))" },
		{ "\"$sht(t => \"k\")\"", "(text (t => k))" },
		{ "\"5$ \\$x \\x41\\n\"", "5$ $x A\n" },
		{ "'$ru \\n it\\'s'", "$ru \\n it's" },
		{ "\"\"", "" },
		{ "[]", "(list )" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct program *p = program_new();
		char            text[200], room[300];
		struct buf      b = buf_on(room, sizeof(room));

		snprintf(text, sizeof(text), "const X = %s;", rows[i].text);
		CHECK_ROW(program_parse(p, STR("x"), str_of(text)), rows[i].text);
		show_expr(&b, p->constants->value);
		CHECK_STR(buf_str(&b), rows[i].tree);
		program_free(p);
	}
}

TEST(parse_reads_every_declaration)
{
	static const char text[] = "domain \"a\"; workers = 4; listen udp:*:5060\n; module m { a = [X-1, \"y\"]; b = env(\"A\", \"b\"); } module n;\n"
				   "const A = 1; table t { key: ip; ttl = 5m; }\n"
				   "request_route { } dialog_route { } reply_route { } reply_route[R] { } branch_route[B] { } event_route[m:e] { }\n"
				   "timer_route[T](every = 60s) { } route[S](a, b: int) { }\n"
				   "test \"x\" { send INVITE from 'sip:a@b' with header \"X: y\", body \"z\"; send 486; expect reply 4xx; expect request BYE; expect nothing; wait 5s; }";
	static const enum route_kind kinds[] = { ROUTE_REQUEST, ROUTE_DIALOG, ROUTE_REPLY, ROUTE_REPLY, ROUTE_BRANCH, ROUTE_EVENT, ROUTE_TIMER, ROUTE_SUB };
	static const enum step_kind  steps[] = { STEP_SEND_REQUEST, STEP_SEND_REPLY, STEP_EXPECT_REPLY, STEP_EXPECT_REQUEST, STEP_EXPECT_NOTHING, STEP_WAIT };
	struct program              *p = program_new();
	size_t                       n = 0;

	CHECK(program_parse(p, STR("x"), STR(text)));
	CHECK_STR(p->settings->name, "domain");
	CHECK_STR(p->settings->next->value->u.name, "4");
	CHECK_STR(p->settings->next->next->value->u.name, "udp:*:5060");
	CHECK_INT(p->modules->settings->value->u.list.count, 2);
	CHECK(p->modules->settings->next->value->kind == EX_ENV);
	CHECK_STR(p->modules->next->name, "n");
	CHECK_STR(p->tables->fields->next->name, "ttl");
	for (struct route *r = p->routes; r; r = r->next)
		CHECK(r->kind == kinds[n++]);
	CHECK_INT(n, COUNT_OF(kinds));
	CHECK_STR(program_route(p, ROUTE_EVENT, STR("m:e"))->name, "m:e");
	CHECK_INT(program_route(p, ROUTE_SUB, STR("S"))->param_count, 2);
	n = 0;
	for (struct test_step *s = p->tests->steps; s; s = s->next)
		CHECK(s->kind == steps[n++]);
	CHECK_INT(n, COUNT_OF(steps));
	CHECK_STR(p->tests->steps->attrs->next->next->name, "body");
	CHECK_INT(p->tests->steps->next->code, 486);
	CHECK_INT(p->tests->steps->next->next->code_class, 4);
	program_free(p);
}

TEST(parse_reads_every_step_of_a_test)
{
	static const char text[] = "given party bob at 192.0.2.1 over tcp; given $sht(t => 1) = 2;\n"
				   "test \"x\" { given user \"a@b\" password \"x\"; given time '2026-01-01 00:00'; expect next request header \"X\" =~ /y/ no header \"Z\";\n"
				   "expect no log =~ /a b/ level warn; expect counter \"c\" >= 1; expect $sht(t => 1) == null; fail bob; restore database; }";
	static const enum step_kind steps[] = { GIVEN_USER, GIVEN_TIME, STEP_EXPECT_REQUEST, STEP_EXPECT_LOG, STEP_EXPECT_COUNTER, STEP_EXPECT_TABLE, STEP_FAIL,
						STEP_RESTORE };
	struct program         *p = program_new();
	const struct test_step *s;
	size_t                  n = 0;

	CHECK(program_parse(p, STR("x"), STR(text)));
	CHECK(p->givens->kind == GIVEN_PARTY && p->givens->next->kind == GIVEN_TABLE && !p->givens->next->next);
	CHECK_STR(p->givens->attrs->next->value->u.name, "tcp");
	for (s = p->tests->steps; s; s = s->next)
		CHECK(s->kind == steps[n++]);
	CHECK_INT(n, COUNT_OF(steps));
	s = p->tests->steps->next->next;
	CHECK(s->directly && s->attrs->of && s->attrs->op == OP_MATCH && s->attrs->next->no && !s->attrs->next->of);
	CHECK(s->next->no && s->next->op == OP_MATCH && s->next->next->op == OP_GE && s->next->next->of);
	program_free(p);
}

TEST(parse_goes_on_after_an_error)
{
	bool            good;
	struct program *p = world_check("request_route {\n    if ($rm == ) { nothing(); }\n    let = 5;\n    xlog(1)\n    xlog(@);\n    drop;\n}\n"
					"const = 3;\nworkers 4 4 4 } \nroute[A] { drop; }\n", &good);

	CHECK(!good);
	CHECK_STR(world_brief(p),
		  "2:16: E101 expected a value, got `)`\n"
		  "2:20: E201 no function `nothing`\n"
		  "3:9: E101 expected the name of a variable, got `=`\n"
		  "4:12: E101 expected `;`, got `xlog`\n"
		  "5:10: E106 `@` has no meaning here\n"
		  "8:7: E101 expected the name of a constant, got `=`\n"
		  "9:9: E304 `workers`: expected int 0 to 256, got \"4 4 4\"\n"
		  "9:15: E101 expected `;`, got `}`\n"
		  "9:15: E102 this `}` closes nothing\n");
	program_free(p);
}

/* What would exhaust the stack of a recursive parser is an error instead. */
TEST(parse_bounds_nesting)
{
	static const struct { const char *head, *unit; } rows[] = {
		{ "const X = ", "(" }, { "const X = ", "!" }, { "const X = ", "-" }, { "const X = ", "[" }, { "const X = ", "f(" }, { "const X = 1", "+1" },
		{ "const X = a", ".b" }, { "const X = a", "[0]" }, { "const X = a", "??a" }, { "request_route ", "{" }, { "request_route {", "if (a) " },
		{ "request_route {", "if (a) b(); else " }, { "request_route {", "while (a) " }, { "module m { a = ", "[" }, { "const X = ", "\"$(" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t          units = 20000, len = strlen(rows[i].head), unit = strlen(rows[i].unit);
		char           *text = malloc(len + units * unit);
		struct program *p = program_new();

		memcpy(text, rows[i].head, len);
		for (size_t n = 0; n < units; n++)
			memcpy(text + len + n * unit, rows[i].unit, unit);
		CHECK_ROW(!program_parse(p, STR("x"), str_n(text, len + units * unit)), rows[i].unit);
		program_free(p);
		free(text);
	}
}

TEST(parse_includes_relative_to_the_including_file)
{
	char            dir[] = "/tmp/sipario-parse-XXXXXX", path[100];
	struct program *p = program_new();
	FILE           *f;

	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/b.cfg", dir);
	f = fopen(path, "w");
	fputs("const B = 2;\ninclude \"a.cfg\";\n", f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/a.cfg", dir);
	f = fopen(path, "w");
	fputs("const A = 1;\ninclude \"b.cfg\";\nconst C = 3;\n", f);
	fclose(f);
	CHECK(!program_read(p, str_of(path)));	/* they include each other */
	CHECK_INT(p->diags.errors, 1);
	CHECK_INT(p->diags.first->code, D_INCLUDE);
	CHECK_INT(p->diags.first->where.src->index, 1);
	CHECK_STR(p->constants->next->name, "B");
	CHECK_STR(p->constants->next->next->name, "C");
	unlink(path);
	snprintf(path, sizeof(path), "%s/b.cfg", dir);
	unlink(path);
	rmdir(dir);
	program_free(p);
}

/* Every allocation may fail: then the parse has failed, and nothing else happens. */
TEST(parse_survives_any_lack_of_memory)
{
	static const char text[] = "const A = \"x $(B) y\"; const B = \"b\"; module auth { algorithms = [MD5]; }\n"
				   "request_route { let a = profile($ru) ?? send_reply(404); if (a.name == \"x\" && $rU =~ /y/) route(S, A, [1, $cs]); drop; }\n"
				   "route[S](x, y) { for (z in [x, \"$y\"]) xlog(z); while ($cs > 3) break; return 1; } test \"t\" { send INVITE to \"sip:a@b\"; }";

	for (size_t limit = 4096; limit < 131072; limit += 512) {
		struct check_env env = world_env();
		struct program  *p = program_new();

		p->arena.limit_bytes = limit;
		if (!program_parse(p, STR("x"), STR(text)) || !check_program(p, &env))
			CHECK(diags_failed(&p->diags));
		program_free(p);
	}
}

TEST(a_script_of_5000_lines_is_checked_in_well_under_a_second)
{
	struct program  *p = program_new();
	struct check_env env = world_env();
	char            *text = NULL;
	size_t           len = 0;
	FILE            *f = open_memstream(&text, &len);
	clock_t          begin = clock();

	fputs("request_route { ", f);
	for (int i = 0; i < 500; i++)
		fprintf(f, "route(R%d);\n", i);
	fputs("drop; }\n", f);
	for (int i = 0; i < 500; i++)
		fprintf(f, "route[R%d] {\n let user = profile($ru) ?? send_reply(404);\n if (user.forward_always && $rU =~ /^\\+%d/) {\n  $ru = user.forward_always;\n"
			   "  xlog(\"to $ru for $(user.name)\");\n }\n let n = $cs + %d;\n if (n > 5) return n;\n return 0;\n}\n", i, i, i);
	fclose(f);
	CHECK(program_parse(p, STR("x"), str_n(text, len)));
	CHECK(check_program(p, &env));
	CHECK((clock() - begin) / (double)CLOCKS_PER_SEC < 1.0);	/* under the sanitizers, too */
	program_free(p);
	free(text);
}
