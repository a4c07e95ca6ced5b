/* What the checker leaves in the tree for the compiler, and what it takes without complaint. */
#include <stdio.h>

#include "script_world.h"

static struct program *good(const char *text)
{
	bool            ok;
	struct program *p = world_check(text, &ok);

	if (!ok)
		print_error("%s\n" STR_FMT, text, STR_ARG(world_brief(p)));
	CHECK(ok);
	return p;
}

TEST(check_places_arguments_and_puts_presets_in)
{
	struct program    *p = good("request_route { xlog(\"a\"); let a = relay(to = \"sip:a@b\", timeout = 20s); xlog(a.code, level = \"warn\"); drop; }");
	struct stmt       *log = p->request->body->body, *let = log->next, *last = let->next;
	struct call_expr  *call = &log->value->u.call;

	CHECK_INT(call->argc, 2);
	CHECK_STR(call->argv[1]->u.value.u.s, "info");
	CHECK(!call->wanted && !call->ends);
	call = &let->value->u.call;
	CHECK_INT(call->argc, 4);
	CHECK(call->wanted && !call->ends);
	CHECK_INT(call->argv[0]->u.value.u.i, 20000);
	CHECK(call->argv[1]->kind == EX_CONST && call->argv[1]->u.value.type == T_NULL);
	CHECK_STR(call->argv[3]->u.value.u.s, "sip:a@b");
	CHECK_STR(last->value->u.call.argv[1]->u.value.u.s, "warn");
	CHECK(last->value->u.call.argv[0]->kind == EX_FIELD && last->value->u.call.argv[0]->u.field.index == 0);
	program_free(p);
}

TEST(check_marks_the_calls_that_end_the_run)
{
	static const struct { const char *text; bool ends; } rows[] = {
		{ "request_route { relay(); exit; }", true },          { "request_route { send_reply(404); }", true },
		{ "request_route { send_reply(180); drop; }", false }, { "request_route { send_reply($cs); drop; }", false },
		{ "request_route { forward(); }", true },              { "request_route { record_route(); drop; }", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct program *p = good(rows[i].text);

		CHECK_ROW(p->request->body->body->value->u.call.ends == rows[i].ends, rows[i].text);
		program_free(p);
	}
}

TEST(check_gives_slots_and_types)
{
	struct program *p = good("request_route { let n = route(F, 1, \"x\"); for (x in [1, 2]) { xlog(x); } let s = \"$(n)\"; xlog(s); drop; }\n"
				 "route[F](a: int, b) { let sum = a + 1; xlog(b); if (sum > 3) return sum; return null; }");
	struct route   *f = program_route(p, ROUTE_SUB, STR("F"));
	struct stmt    *let = p->request->body->body, *loop = let->next;

	CHECK_INT(f->frame, 3);
	CHECK_INT(f->params->slot, 0);
	CHECK_INT(f->params->next->slot, 1);
	CHECK_INT(f->params->type.type, T_INT);
	CHECK_INT(f->params->next->type.type, T_ANY);
	CHECK(f->result.type == T_INT && f->result.nullable);
	CHECK_INT(f->where, IN_REQUEST);
	CHECK(let->local->type.type == T_INT && let->local->type.nullable);
	CHECK_INT(loop->local->slot, 1);
	CHECK_INT(loop->local->type.type, T_INT);
	CHECK_INT(loop->loop_slot, 2);
	CHECK_INT(p->request->frame, 5);
	program_free(p);
}

TEST(check_computes_what_is_known_at_load)
{
	static const struct { const char *value; enum vtype type; int64_t n; const char *text; } rows[] = {
		{ "1 + 2 * 3", T_INT, 7, NULL },        { "1h / 4", T_DURATION, 900000, NULL },  { "1h / 30m", T_INT, 2, NULL },
		{ "2 * 16kB", T_SIZE, 32768, NULL },    { "3 > 2 && !false", T_BOOL, 1, NULL },  { "null ?? 5", T_INT, 5, NULL },
		{ "\"a\" + \"b\"", T_STR, 0, "ab" },    { "\"$(B) $(1 + 1)\"", T_STR, 0, "b 2" }, { "env(\"REALM\", \"x\")", T_STR, 0, "from.env" },
		{ "env(\"NONE\", \"x\")", T_STR, 0, "x" }, { "-B2", T_INT, -2, NULL },           { "7 % 4", T_INT, 3, NULL },
		{ "\"a\" == \"a\"", T_BOOL, 1, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char            text[200];
		struct program *p;
		struct value   *v;

		snprintf(text, sizeof(text), "const X = %s; const B = \"b\"; const B2 = 2;", rows[i].value);
		p = good(text);
		v = &p->constants->value->u.value;
		CHECK_ROW(v->type == rows[i].type, rows[i].value);
		if (rows[i].text)
			CHECK_STR(v->u.s, rows[i].text);
		else
			CHECK_ROW((v->type == T_BOOL ? v->u.b : v->u.i) == rows[i].n, rows[i].value);
		program_free(p);
	}
}

TEST(check_writes_settings_as_their_parameters_read_them)
{
	static const struct { const char *text, *want, *plain; } rows[] = {
		{ "listen udp:*:5060;", "\"udp:*:5060\"", "udp:*:5060" },
		{ "database \"a\\\"b\";", "\"a\\\"b\"", "a\"b" },
		{ "workers 4;", "4", "4" },
		{ "workers env(\"W\", \"4\");", "4", "4" },
		{ "database env(\"REALM\", \"x\");", "\"from.env\"", "from.env" },
		{ "workers N; const N = 2 + 2;", "4", "4" },
		{ "domain D; const D = \"example.$(E)\"; const E = \"org\";", "\"example.org\"", "example.org" },
		{ "domain \"$(D)\"; const D = \"x\";", "\"x\"", "x" },
		{ "database 'a$b';", "\"a$b\"", "a$b" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct program *p = good(rows[i].text);

		CHECK_STR(p->settings->text, rows[i].want);
		CHECK_STR(p->settings->plain, rows[i].plain);
		program_free(p);
	}
}

TEST(check_takes_constants_from_the_command_line)
{
	static const struct { const char *define; bool ok; const char *said; } rows[] = {
		{ "N=7", true, "" },
		{ "T=1m", true, "" },
		{ "NET=192.168.0.0/16", true, "" },
		{ "N=seven", false, "0:0: E310 -D N: expected int, got `seven`\n" },
		{ "NUMBR=1", false, "0:0: E212 -D NUMBR: no constant of that name\n" },
		{ "NETT=1", false, "0:0: E212 -D NETT: no constant of that name | did you mean `NET`?\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct check_env env = world_env();
		struct str       define = str_of(rows[i].define);
		struct program  *p = program_new();

		env.defines = &define;
		env.define_count = 1;
		CHECK(program_parse(p, STR("x"), STR("const N = 1; const M = N + 1; const T = 5s; const NET = 10.0.0.0/8;")));
		CHECK_ROW(check_program(p, &env) == rows[i].ok, rows[i].define);
		CHECK_STR(world_brief(p), rows[i].said);
		if (i == 0)	/* before anything is made of it */
			CHECK_INT(p->constants->next->value->u.value.u.i, 8);
		program_free(p);
	}
}

/* What people write, and what must not be taken for a mistake. */
TEST(check_accepts_honest_scripts)
{
	static const char *const rows[] = {
		/* null is known to be away */
		"request_route { let u = profile($ru); if (!u) { send_reply(404); } xlog(u.name); drop; }",
		"request_route { let u = profile($ru); if (u) xlog(u.name); else xlog(\"none\"); drop; }",
		"request_route { let u = profile($ru); if (u != null && u.name == \"x\") drop; drop; }",
		"request_route { let u = profile($ru); if (u == null || u.name == \"x\") drop; xlog(u.name); drop; }",
		"request_route { if ($ua) { let p = profile($ua); xlog(\"$(p)\"); } drop; }",
		"request_route { let u = profile($ru); if (u == null) drop; while ($cs > 3) { xlog(1); break; } drop; }",
		/* first value decides */
		"request_route { let x; if (is_local($rd)) x = 1; else x = 2; xlog(x); drop; }",
		"request_route { let x = null; x = \"a\"; xlog(x); drop; }",
		/* paths */
		"request_route { if (is_local($rd)) relay(); else send_reply(403); }",
		"request_route { while (true) { let a = relay(timeout = 5s); if (a.code != 408) exit; } }",
		"request_route { let a = relay(); if (a.code == 486) { let b = relay(); xlog(b.code); } if (a.code == 404) send_reply(410); }",
		"request_route { route(DENY); }\nroute[DENY] { send_reply(403); }",
		"request_route { if (route(CHECK)) relay(); else send_reply(403); }\nroute[CHECK] { if ($si in [10.0.0.0/8, 192.168.0.1]) return true; return false; }",
		"event_route[core:start] { xlog(\"up\"); }",
		"reply_route { if ($rs == 404) xlog(\"gone\"); }",
		"module auth { } request_route { authenticate(); relay(); }",
		/* operators */
		"request_route { if ($rU =~ /^00/ || $hdr(Subject) !~ /x/ || $rp == 5060 || $rU in [\"a\", \"b\"]) drop; drop; }",
		"table ban { key: ip; value: int; ttl: 1m; }\nrequest_route { if ($sht(ban => $si)) drop; $sht(ban => $si) = ($sht(ban => $si) ?? 0) + 1; drop; }",
		"request_route { $avp(n) = 5; $avp(s) = \"x\"; if ($avp(n) == 5 && $avp(s) == \"x\") drop; $ru = \"sip:a@b;transport=tcp\"; drop; }",
		"request_route { xlog(\"$hdr(User-Agent) $(($rU ?? \"nobody\") + \"!\") \\$5\"); drop(); }",
		"include '/dev/null'; request_route { drop; };",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool            ok;
		struct program *p = world_check(rows[i], &ok);

		if (!ok)
			print_error(STR_FMT, STR_ARG(world_brief(p)));
		CHECK_ROW(ok, rows[i]);
		program_free(p);
	}
}
