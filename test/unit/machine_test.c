/* core/script from text to answer: each test loads a script and sends requests through the whole server in one process (sim.h). */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "module/module.h"
#include "script/event.h"
#include "script/run.h"
#include "script/sht.h"
#include "script/sim.h"
#include "shm/shm.h"

/* --- a module of functions that answer, wait and fail --- */

enum { MOST_WAITS = 16 };
static struct {
	struct wait  *wait[MOST_WAITS];	/* of later() and never(), not yet resumed */
	struct value  value[MOST_WAITS];
	bool          never[MOST_WAITS];
	unsigned      count, resumed_alive;
	struct script *script;
	struct arena  arena;
	struct str    report;
} world;

static enum verdict park(struct call *c, uint32_t most_ms, struct value v, bool never)
{
	struct wait *w = call_suspend(c, most_ms);

	if (!w)
		return V_END;
	CHECK(world.count < MOST_WAITS);
	world.wait[world.count] = w;
	world.value[world.count] = v;
	world.never[world.count++] = never;
	return V_SUSPEND;
}

static enum verdict fn_later(struct call *c)
{
	return park(c, 5000, c->argv[0], false);
}

static enum verdict fn_never(struct call *c)
{
	return park(c, 1000, V_NULL, true);
}

/* Resumes before it says that it waits. */
static enum verdict fn_at_once(struct call *c)
{
	struct wait *w = call_suspend(c, 1000);

	if (!w)
		return V_END;
	call_resume(w, V_OK, c->argv[0]);
	return V_SUSPEND;
}

/* Could not start what it wanted to wait for. */
static enum verdict fn_thinks_better(struct call *c)
{
	struct wait *w = call_suspend(c, 1000);

	if (!w)
		return V_END;
	c->result = c->argv[0];
	return V_OK;
}

static enum verdict fn_fail(struct call *c)
{
	(void)c;
	return V_ERROR;
}

static enum verdict fn_nothing(struct call *c)
{
	(void)c;
	return V_OK;
}

static const struct field user_fields[] = { { "name", T_STR, false, "" }, { "ring_time", T_DURATION, true, "" }, { "forward", T_STR, true, "" }, { 0 } };
static const struct shape user_shape = { "user", user_fields };

static enum verdict fn_user(struct call *c)
{
	static const struct value  v[] = { { .type = T_STR, .u.s = { "bob", 3 } }, { .type = T_NULL }, { .type = T_NULL } };
	static const struct record rec = { &user_shape, v };

	(void)c;
	c->result = value_record(&rec);
	return V_OK;
}

static const struct mod_arg  text_args[] = { { "v", T_STR }, { 0 } };
static const struct mod_func funcs[] = {
	{ "later", fn_later, text_args, T_STR, true, .where = IN_ANY, .flags = F_SUSPENDS, .help = "" },
	{ "never", fn_never, NULL, T_STR, true, .where = IN_ANY, .flags = F_SUSPENDS, .help = "" },
	{ "at_once", fn_at_once, text_args, T_STR, .where = IN_ANY, .flags = F_SUSPENDS, .help = "" },
	{ "thinks_better", fn_thinks_better, text_args, T_STR, .where = IN_ANY, .flags = F_SUSPENDS, .help = "" },
	{ "fail", fn_fail, NULL, .where = IN_ANY, .help = "" },
	{ "nothing", fn_nothing, NULL, T_STR, true, .where = IN_ANY, .help = "" },
	{ "user", fn_user, NULL, T_RECORD, true, &user_shape, IN_ANY, 0, "" },
	{ "bob", fn_user, NULL, T_RECORD, false, &user_shape, IN_ANY, 0, "" },
	{ 0 },
};
static const struct module fake = { .abi = MODULE_ABI, .name = "fake", .help = "", .funcs = funcs };

static void resume_waits(void *arg)
{
	unsigned kept = 0, n = world.count;

	(void)arg;
	for (unsigned i = 0; i < n; i++) {
		struct wait *w = world.wait[i];

		if (world.never[i]) {
			world.wait[kept] = w;
			world.never[kept++] = true;
			continue;
		}
		if (wait_request(w))
			world.resumed_alive++;
		call_resume(w, V_OK, world.value[i]);
	}
	world.count = kept;
}

/* --- the server --- */

static void silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void serve(const char *text)
{
	char why[256] = "";

	module_forget_all();
	world.count = world.resumed_alive = 0;
	arena_init(&world.arena, NULL, 0, 1 << 20);
	CHECK(!script_boot() && !module_register(&fake));
	world.script = script_load_text(STR("test.cfg"), str_of(text), NULL, &world.arena, &world.report);
	if (!world.script)
		print_error(STR_FMT "\n", STR_ARG(world.report));
	CHECK(world.script);
	CHECK(!script_apply(world.script, why, sizeof(why)));
	script_use(world.script);
	if (sim_boot(why, sizeof(why)))
		print_error("%s\n", why);
	CHECK(sim_loop());
	loop_at_turn_end(sim_loop(), resume_waits, NULL);
	log_redirect(silent);
}

static void stop(void)
{
	for (unsigned i = 0; i < world.count; i++)
		call_resume(world.wait[i], V_END, V_NULL);
	world.count = 0;
	log_redirect(NULL);
	script_use(NULL);
	sim_end();
	arena_free(&world.arena);
}

static void request_send(const char *method, const char *uri, const char *id)
{
	char        text[1024];
	struct flow from = sim_flow("192.0.2.1", 5060);

	snprintf(text, sizeof(text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
		 "From: \"A\" <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: %s\r\nCSeq: 7 %s\r\n"
		 "User-Agent: phone/1.0\r\nSubject: lunch\r\nContact: <sip:alice@192.0.2.1>\r\nContent-Length: 0\r\n\r\n",
		 method, uri, id, id, method);
	sim_receive(str_of(text), &from);
}

/* The next message whose first line begins so; others are dropped. Empty: none within ten seconds. In the test's arena. */
static struct str await(const char *start)
{
	for (uint32_t left = 10000; left;) {
		struct sim_message *m = sim_take();
		struct str          found = STR_NONE;

		if (!m) {
			left -= sim_step(left);
			continue;
		}
		if (str_starts(m->bytes, str_of(start)))
			found = arena_dup(&world.arena, m->bytes);
		free(m);
		if (found.len)
			return found;
	}
	return STR_NONE;
}

static struct str first_line(struct str message)
{
	return str_to(message, (size_t)(message.len ? str_find(message, '\r') : 0));
}

/* "200 OK" */
static struct str answer_to(const char *uri)
{
	request_send("MESSAGE", uri, "one");
	return str_from(first_line(await("SIP/2.0 ")), 8);
}

static void answers(const char *script, const char *want)
{
	serve(script);
	CHECK_STR(answer_to("sip:bob@example.org:5070"), want);
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

static bool has(struct str message, const char *text)
{
	return str_find_str(message, str_of(text)) >= 0;
}

/* --- tests --- */

TEST(expressions_give_what_the_language_says)
{
	static const struct { const char *expr, *want; } rows[] = {
		{ "1 + 2 * 3", "7" }, { "(1 + 2) * 3", "9" }, { "7 / 2", "3" }, { "7 % 4", "3" }, { "-5 + 2", "-3" },
		{ "30s * 2", "1m" }, { "1h / 30m", "2" }, { "90s / 2", "45s" }, { "1s + 500ms", "1s500ms" }, { "16kB + 16kB", "32kB" },
		{ "\"a\" + \"b\" + ($rU ?? \"\")", "abbob" }, { "1 < 2 && 2 <= 2", "true" }, { "1 > 2 || 3 >= 4", "false" }, { "!(1 == 1)", "false" },
		{ "\"a\" == \"A\"", "false" }, { "nothing() == null", "true" }, { "nothing() ?? \"x\"", "x" },
		{ "bob().name", "bob" }, { "bob().ring_time ?? 30s", "30s" }, { "$rp", "5070" }, { "$fU", "alice" }, { "$fd", "example.org" },
		{ "$ft", "a" }, { "$cs", "7" }, { "$si", "192.0.2.1" }, { "$sp", "5060" }, { "$proto", "udp" }, { "$Ri", "192.0.2.10" },
		{ "$Rp", "5060" }, { "$hdr(Subject)", "lunch" }, { "$hdr(X-None) ?? \"none\"", "none" }, { "$ua", "phone/1.0" },
		{ "($ua ?? \"\") =~ /^PHONE/i", "true" }, { "($ua ?? \"\") !~ /softphone/", "true" }, { "$si in 192.0.2.0/24", "true" }, { "$si in 10.0.0.0/8", "false" },
		{ "2 in [1, 2, 3]", "true" }, { "($rU ?? \"\") in [\"eve\", \"bob\"]", "true" }, { "\"one\" in \"phones\"", "true" },
		{ "[10, 20, 30][1]", "20" }, { "[10, 20, 30][-1]", "30" }, { "[1, $cs]", "[1, 7]" }, { "is_method(\"INVITE|MESSAGE\")", "true" },
		{ "is_method(\"INVITE\")", "false" }, { "has_totag()", "false" }, { "is_present_hf(\"subject\")", "true" },
		/* uris and their methods */
		{ "$ru.host ?? \"\"", "example.org" }, { "$ru.port ?? 0", "5070" }, { "$ru.user ?? \"\"", "bob" }, { "$ru.scheme ?? \"\"", "sip" },
		{ "$ru.params ?? \"none\"", "none" }, { "$ru.strip(1)", "sip:ob@example.org:5070" }, { "$ru.strip(9)", "sip:example.org:5070" },
		{ "$ru.strip_tail(1).prefix(\"00\")", "sip:00bo@example.org:5070" }, { "\"0049\".strip(2)", "49" }, { "\"30\".prefix(\"0\")", "030" },
		{ "$ru.with(host = \"2001:db8::1\", port = 5080)", "sip:bob@[2001:db8::1]:5080" }, { "$ru.with(\"eve\")", "sip:eve@example.org:5070" },
		{ "(uri(\"sip:a@b;transport=tcp;lr\") ?? $ru).param(\"transport\") ?? \"-\"", "tcp" }, { "$ru.param(\"lr\") ?? \"-\"", "-" },
		{ "uri(\"no uri\") == null", "true" }, { "$ru.upper()", "SIP:BOB@EXAMPLE.ORG:5070" },
		{ "\"030 123-45\".e164(\"49\") ?? \"-\"", "+493012345" }, { "\"0049 (30) 12345\".e164() ?? \"-\"", "+493012345" },
		{ "\"+49 30 12345\".e164(\"1\") ?? \"-\"", "+493012345" }, { "\"030 12345\".e164() ?? \"-\"", "-" }, { "\"alice\".e164(\"49\") ?? \"-\"", "-" },
		{ "\"+123456789012345678\".e164() ?? \"-\"", "-" }, { "$ru.e164(\"49\") ?? \"-\"", "-" },
		/* texts */
		{ "\"$(5)\" + \"x\"", "5x" }, { "\"$(null)\".length()", "0" }, { "\"a\\x00b$(5)\".length()", "4" },
		{ "(\"a\\x00b\" + \"c\").length()", "4" },
		{ "\"AbC\".lower()", "abc" }, { "\" a \".trim()", "a" }, { "\"abc\".length()", "3" }, { "\"abc\".starts(\"ab\")", "true" },
		{ "\"abc\".ends(\"ab\")", "false" }, { "\"abcdef\".substr(2)", "cdef" }, { "\"abcdef\".substr(-3, 2)", "de" }, { "\"abc\".substr(7)", "" },
		{ "\"abc\".substr(-7, 1)", "a" }, { "\"a,b,,c\".split(\",\")", "[a, b, , c]" }, { "\"\".split(\",\").count()", "0" },
		{ "\"42\".int() ?? -1", "42" }, { "\"4x\".int() ?? -1", "-1" }, { "\"10.0.0.1\".ip() == 10.0.0.1", "true" }, { "\"x\".ip() == null", "true" },
		{ "\"ab12\".match(/([a-z]+)([0-9]+)/) ?? []", "[ab12, ab, 12]" }, { "\"ab\".match(/[0-9]/) == null", "true" },
		{ "subst(\"a-b-c\", /-/, \"+\")", "a+b-c" }, { "subst(\"a-b-c\", /-/, \"+\", all = true)", "a+b+c" },
		{ "subst($ru, /^sip:(.*)@/, \"sips:$1.x@\")", "sips:bob.x@example.org:5070" }, { "subst(\"ab\", /(a)(b)/, '\\2\\1\\0\\9')", "baab" },
		{ "subst(\"abc\", /x*/, \"-\", all = true)", "-a-b-c-" }, { "subst(\"abc\", /z/, \"-\")", "abc" },
		{ "subst(\"aXbX\", /(?<=a)X/, \"-\", all = true)", "a-bX" }, { "subst(\"\", /^/, \"x\")", "x" },
		/* lists and numbers */
		{ "[1, 2, 3].count()", "3" }, { "[1, 2].first() ?? 0", "1" }, { "[1, 2].last() ?? 0", "2" }, { "[].first() ?? 7", "7" },
		{ "[1, 2, 3].slice(1)", "[2, 3]" }, { "[1, 2, 3].slice(0, 2)", "[1, 2]" }, { "[1].slice(5)", "[]" }, { "[1].append(\"x\")", "[1, x]" },
		{ "[1, 2, 3].reverse()", "[3, 2, 1]" }, { "[1, 2].join()", "1, 2" }, { "[\"a\", \"b\"].join(\"-\")", "a-b" },
		{ "min(3, 2)", "2" }, { "max(3, 2)", "3" }, { "abs(-3)", "3" }, { "random(1)", "0" },
		/* time: the simulation begins at 2026-01-01 00:00:40 UTC, a Thursday */
		{ "date(\"%Y-%m-%d %H:%M\", \"UTC\")", "2026-01-01 00:00" }, { "date(\"%H:%M\", \"Asia/Kolkata\")", "05:30" }, { "weekday(\"UTC\")", "Thu" },
		{ "weekday(\"America/New_York\")", "Wed" }, { "now() == 1767225600", "true" }, { "time_in(\"Thu\", \"UTC\")", "true" },
		{ "time_in(\"Mon-Wed, Fri-Sun\", \"UTC\")", "false" }, { "time_in(\"Mon-Fri 08:00-18:00\", \"UTC\")", "false" },
		{ "time_in(\"08:00-18:00, 00:00-00:30\", \"UTC\")", "true" }, { "time_in(\"Wed 22:00-06:00\", \"UTC\")", "true" },
		{ "time_in(\"Thu 22:00-06:00\", \"UTC\")", "false" }, { "time_in(\"Sat-Thu\", \"UTC\")", "true" },
		/* digests and encodings: RFC 1321 A.5, FIPS 180-4, RFC 4648 §10 */
		{ "md5(\"abc\")", "900150983cd24fb0d6963f7d28e17f72" },
		{ "sha256(\"abc\")", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "hash(\"abc\") == hash(\"abc\") && hash(\"abc\") != hash(\"abd\")", "true" },
		{ "base64_encode(\"foobar\")", "Zm9vYmFy" }, { "base64_encode(\"fooba\")", "Zm9vYmE=" }, { "base64_encode(\"foob\")", "Zm9vYg==" }, { "base64_encode(\"\")", "" },
		{ "base64_decode(\"Zm9vYg==\") ?? \"-\"", "foob" }, { "base64_decode(\"Zm9vYmE\") ?? \"-\"", "fooba" }, { "base64_decode(\"Zm9vYmFyZ\") ?? \"-\"", "-" },
		{ "base64_decode(\"Zm9v!\") ?? \"-\"", "-" }, { "hex_encode(\"az\")", "617a" }, { "hex_decode(\"617A\") ?? \"-\"", "az" },
		{ "hex_decode(\"617\") ?? \"-\"", "-" }, { "url_encode(\"a b/ü\")", "a%20b%2F%C3%BC" }, { "url_decode(\"a%20b\") ?? \"-\"", "a b" },
		{ "url_decode(\"a%2\") ?? \"-\"", "-" },
		/* records and JSON */
		{ "record(a = 1, b = \"x\").b ?? \"-\"", "x" }, { "record(a = 1).b ?? \"-\"", "-" },
		{ "json_write(record(a = 1, b = [true, null, \"x\"], c = record(d = 30s, e = $si)))", "{\"a\":1,\"b\":[true,null,\"x\"],\"c\":{\"d\":\"30s\",\"e\":\"192.0.2.1\"}}" },
		{ "json_read(\"[1, \") == null", "true" }, { "(json_read('{\"a b\": [1, 2.5]}') ?? record())[\"a b\"] ?? []", "[1, 2.5]" },
		/* the message */
		{ "has_body()", "false" }, { "$body == null && $sdp == null", "true" }, { "nat_uac_test(private_contact)", "false" },
		{ "nat_uac_test(diff_source, diff_port)", "false" },
		{ "is_local(\"192.0.2.10\")", "true" }, { "is_local(\"EXAMPLE.org\")", "true" }, { "is_local(\"example.com\")", "false" },
	};

	for (size_t r = 0; r < COUNT_OF(rows); r++) {
		char text[400], want[200];

		snprintf(text, sizeof(text), "domain \"example.org\"; request_route { let x = %s; send_reply(200, \"<$(x)>\"); }", rows[r].expr);
		snprintf(want, sizeof(want), "200 <%s>", rows[r].want);
		serve(text);
		CHECK_STR(answer_to("sip:bob@example.org:5070"), want);
		stop();
	}
}

TEST(a_session_description_is_a_record)
{
	answers("request_route { $hdr(Content-Type) = \"application/sdp\"; "
		"$body = \"v=0\\r\\nc=IN IP4 10.0.0.1\\r\\nm=audio 4000/2 RTP/AVP 8 96 101 33\\r\\nc=IN IP4 10.0.0.9/127\\r\\n"
		"a=rtpmap:96 opus/48000/2\\r\\na=rtpmap:101 telephone-event/8000\\r\\nm=video 5000 RTP/AVP 31\\r\\nc=IN IP4 1.1.1.1\\r\\n\"; "
		"let s = $sdp ?? send_reply(500); send_reply(200, \"$(s.ip) $(s.port) $(s.media) $(s.codecs) $(nat_uac_test(private_sdp))\"); }",
		"200 10.0.0.9 4000 audio [PCMA, opus, telephone-event, 33] true");
	answers("request_route { $hdr(Content-Type) = \"multipart/mixed;boundary=b\"; "
		"$body = \"--b\\r\\n\\r\\nhello\\r\\n--b\\r\\nContent-Type: application/sdp\\r\\n\\r\\nm=audio 4000 RTP/AVP 0 8\\r\\n--b--\"; "
		"let s = $sdp ?? send_reply(500); send_reply(200, \"$(s.ip) $(s.port) $(s.codecs)\"); }", "200  4000 [PCMU, PCMA]");
	answers("request_route { $hdr(Content-Type) = \"application/sdp\"; $body = \"junk\"; let s = $sdp ?? send_reply(500); "
		"send_reply(200, \"$(s.ip) $(s.codecs.count())\"); }", "200  0");
}

TEST(a_reply_carries_what_it_is_given)
{
	struct str reply;

	serve("request_route { send_reply(200, \"Fine\", headers = \"X-A: 1\\r\\nX-B: 2\\r\\n\", body = '{}', type = \"application/json\"); }");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	reply = await("SIP/2.0 200 Fine");
	CHECK(has(reply, "X-A: 1\r\n") && has(reply, "X-B: 2\r\n") && has(reply, "Content-Type: application/json\r\n") && has(reply, "\r\n\r\n{}"));
	stop();
	answers("request_route { send_reply(200, headers = \"X-A: 1\"); }", "500 Server Internal Error");
}

TEST(sleep_suspends_the_run_and_nobody_else)
{
	uint64_t before;

	serve("request_route { if ($rU == \"slow\") sleep(3s); send_reply(200, $rU ?? \"\"); }");
	before = clock_ms();
	request_send("MESSAGE", "sip:slow@example.org", "slow");
	CHECK_INT(script_runs_parked(), 1);
	CHECK_STR(answer_to("sip:quick@example.org"), "200 quick");
	CHECK(clock_ms() - before < 1000);
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 slow");
	CHECK(clock_ms() - before >= 3000 && clock_ms() - before < 3100);
	stop();
}

TEST(counters_of_scripts_are_made_at_load)
{
	answers("request_route { count(\"tries\"); count(\"tries\", by = 4); send_reply(200, \"$(counter(\"tries\"))\"); }", "200 5");
}

static char last_line[600];

static void keep_line(enum log_level level, struct str line)
{
	(void)level;
	str_cstr(str_to(line, line.len - 1), last_line, sizeof(last_line));
}

TEST(log_lines_have_a_level_and_values_that_can_be_told_apart)
{
	serve("request_route { log(\"no route\", level = \"error\", user = $fU, why = \"a \\\"b\\\" c\", n = 1, e = \"\"); send_reply(200); }");
	log_redirect(keep_line);
	request_send("MESSAGE", "sip:bob@example.org", "one");
	log_redirect(NULL);
	CHECK(str_find_str(str_of(last_line), STR("error: no route user=alice why=\"a \\\"b\\\" c\" n=1 e=\"\" call_id=one")) > 0);
	stop();
}

TEST(interpolation_leaves_nothing_for_null_and_plain_quotes_none_at_all)
{
	answers("request_route { send_reply(200, \"[$hdr(X-None)] $rm $(1 + 1)\"); }", "200 [] MESSAGE 2");
	answers("request_route { send_reply(200, '$rm'); }", "200 $rm");
}

TEST(the_right_side_of_a_default_may_end_the_run)
{
	answers("request_route { let u = nothing() ?? send_reply(404); send_reply(200, u); }", "404 Not Found");
	answers("request_route { let u = user() ?? send_reply(404); send_reply(200, u.name); }", "200 bob");
}

TEST(a_suspended_run_goes_on_with_its_variables)
{
	answers("request_route { let a = \"x\"; $avp(k) = \"z\"; let b = later(\"y\"); send_reply(200, \"$(a)$(b)$avp(k)\"); }", "200 xyz");
	answers("request_route { let a = at_once(\"y\"); send_reply(200, a); }", "200 y");
	answers("request_route { let a = thinks_better(\"y\"); let b = later(a); send_reply(200, b); }", "200 y");
	answers("route[R](t) { let l = later(t); return \"$(l)!\"; } request_route { let a = route(R, \"y\"); send_reply(200, a); }", "200 y!");
}

TEST(routes_take_arguments_and_give_results)
{
	answers("route[ADD](a: int, b: int) { return a + b; } route[TWICE](a: int) { let s = route(ADD, a, a); return s; } "
		"request_route { let x = route(TWICE, 20) + route(ADD, 1, 1); send_reply(200, \"$(x)\"); }", "200 42");
	answers("route[SAY] { send_reply(486); } request_route { route(SAY); }", "486 Busy Here");
	answers("route[NO] { if ($cs == 7) return; send_reply(486); } request_route { route(NO); send_reply(480); }",
		"480 Temporarily Unavailable");
}

TEST(loops_break_and_continue)
{
	answers("request_route { let s = 0; for (i in [1, 2, 3, 4, 5]) { if (i == 2) continue; if (i == 5) break; s = s + i; } send_reply(200, \"$(s)\"); }",
		"200 8");
	answers("request_route { let i = 0; while (i < 10) { i = i + 3; } send_reply(200, \"$(i)\"); }", "200 12");
}

TEST(edits_take_effect_at_once)
{
	answers("request_route { $rU = \"carol\"; $rd = \"a.example\"; $rp = 5080; send_reply(200, $ru); }", "200 sip:carol@a.example:5080");
	answers("request_route { $rU = null; $rp = null; send_reply(200, $ru); }", "200 sip:example.org");
	answers("request_route { $ru = \"sip:x@y.example;p=1\"; $rU = \"z\"; send_reply(200, $ru); }", "200 sip:z@y.example;p=1");
	answers("request_route { $ru = \"$hdr(Subject)\"; send_reply(200, $ru); }", "500 Server Internal Error");	/* no URI */
	answers("request_route { append_hf(\"X-A: 1\\r\\n\"); append_hf(\"X-B\", \"2\"); remove_hf(\"Subject\"); "
		"send_reply(200, \"$hdr(X-A) $hdr(X-B) $hdr(Subject)\"); }", "200 1 2 ");
	answers("request_route { append_hf(\"X-A\", \"1\\r\\nEvil: yes\"); send_reply(200); }", "500 Server Internal Error");
	answers("request_route { $fU = \"carol\"; send_reply(200, \"$fU $fu $hdr(From)\"); }", "200 carol sip:carol@example.org \"A\" <sip:carol@example.org>;tag=a");
	answers("request_route { $tu = \"sip:x@y.example;p=1\"; $td = \"z.example\"; send_reply(200, \"$hdr(To) $tU\"); }", "200 <sip:x@z.example;p=1> x");
	answers("request_route { $fu = \"sip:a@b>;tag=$rm\"; send_reply(200); }", "500 Server Internal Error");
	answers("request_route { $hdr(Subject) = \"dinner\"; $hdr(X-New) = \"1\"; $hdr(User-Agent) = null; send_reply(200, \"$hdr(Subject) $hdr(X-New) $ua\"); }", "200 dinner 1 ");
	answers("request_route { $hdr(X-A) = \"1\\r\\nEvil: yes\"; send_reply(200); }", "500 Server Internal Error");
	answers("request_route { append_hf(\"X-A: 2\"); insert_hf(\"X-A: 1\"); send_reply(200, $hdr(X-A) ?? \"\"); }", "200 1");
	answers("request_route { $body = \"hello\"; if (has_body(\"text/plain\")) send_reply(200, $body ?? \"\"); $body = null; send_reply(500); }", "200 hello");
	answers("request_route { $body = \"x\"; $body = null; send_reply(200, \"$(has_body()) $hdr(Content-Type)\"); }", "200 false ");
}

TEST(what_goes_wrong_at_run_time_is_answered_500)
{
	answers("request_route { fail(); send_reply(200); }", "500 Server Internal Error");
	answers("request_route { let z = $cs - 7; let x = 1 / z; send_reply(200, \"$(x)\"); }", "500 Server Internal Error");
	answers("request_route { let z = 9223372036854775807 + $cs; send_reply(200, \"$(z)\"); }", "500 Server Internal Error");
	answers("max_steps 1000; request_route { let i = 0; while (i >= 0) { i = i + 1; } send_reply(200); }", "500 Server Internal Error");
}

TEST(drop_says_nothing)
{
	serve("request_route { drop; }");
	CHECK_STR(answer_to("sip:bob@example.org"), "");
	stop();
	serve("request_route { let x = later(\"x\"); drop; }");	/* there is a transaction by then */
	CHECK_STR(answer_to("sip:bob@example.org"), "");
	sim_pass(100);
	CHECK_INT(tm_alive(), 0);
	stop();
}

TEST(a_wait_that_takes_too_long_is_answered_503_and_its_late_result_ignored)
{
	serve("request_route { let x = never(); send_reply(200); }");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	CHECK_INT(script_runs_parked(), 1);
	CHECK(wait_request(world.wait[0]));
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 503 Service Unavailable");
	CHECK_INT(script_runs_parked(), 0);
	CHECK(!wait_request(world.wait[0]));
	call_resume(world.wait[0], V_OK, V_NULL);
	world.count = 0;
	CHECK_INT(await("SIP/2.0 ").len, 0);
	stop();
}

TEST(over_the_limit_of_parked_runs_callers_are_told_to_come_back)
{
	struct str reply;

	serve("max_waiting 2; request_route { let x = never(); send_reply(200); }");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	request_send("MESSAGE", "sip:bob@example.org", "two");
	CHECK_INT(script_runs_parked(), 2);
	request_send("MESSAGE", "sip:bob@example.org", "three");
	reply = await("SIP/2.0 ");
	CHECK_STR(first_line(reply), "SIP/2.0 503 Busy");
	CHECK(has(reply, "Call-ID: three") && has(reply, "Retry-After: "));
	CHECK_INT(script_runs_parked(), 2);
	stop();
}

TEST(a_retransmission_meets_the_transaction_of_the_parked_run)
{
	serve("request_route { let x = never(); send_reply(200); }");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	CHECK_INT(script_runs_parked(), 1);
	CHECK_INT(world.count, 1);
	stop();
}

TEST(without_shared_memory_a_wait_is_answered_503)
{
	serve("request_route { let x = later(\"x\"); send_reply(200, x); }");
	for (unsigned n = 1; n < 4; n++) {
		struct str reply;
		char       id[8];

		snprintf(id, sizeof(id), "m%u", n);
		shm_fail_after(n);
		request_send("MESSAGE", "sip:bob@example.org", id);
		shm_fail_after(0);
		reply = await("SIP/2.0 ");
		CHECK(has(reply, "SIP/2.0 503 ") || has(reply, "SIP/2.0 200 x"));
		CHECK(n > 1 || has(reply, "SIP/2.0 503 "));
		CHECK_INT(script_runs_parked(), 0);
	}
	stop();
}

static struct flow peer(void)
{
	return sim_flow("192.0.2.2", 5060);
}

/* The peer answers the request it got. */
static void reply_send(struct str request, uint16_t status)
{
	char          room[4096];
	struct buf    out = buf_on(room, sizeof(room));
	struct ctx    c = { .arena = &world.arena };
	struct flow   from = peer();
	struct msg    m;
	struct reply  r = { .status = status, .to_tag = STR("p"), .headers = STR("Contact: <sip:bob@192.0.2.2>\r\n") };

	CHECK(!msg_parse(&c, request, &m));
	reply_write(&m, &r, &out);
	CHECK(buf_ok(&out));
	sim_receive(buf_str(&out), &from);
}

static const char serial[] =
	"request_route { $avp(who) = \"first\"; let a = relay(timeout = 20s);"
	"  if (a.code == 486) { $ru = \"sip:mailbox@192.0.2.3\"; relay(); exit; }"
	"  if (a.timed_out) { $ru = \"sip:late@192.0.2.3\"; relay(); } }";

TEST(relay_waits_where_its_answer_is_used_and_another_target_follows)
{
	struct str invite;

	serve(serial);
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	invite = await("INVITE ");
	CHECK_STR(first_line(invite), "INVITE sip:bob@192.0.2.2 SIP/2.0");
	CHECK_INT(script_runs_parked(), 1);
	reply_send(invite, 486);
	invite = await("INVITE ");
	CHECK_STR(first_line(invite), "INVITE sip:mailbox@192.0.2.3 SIP/2.0");
	CHECK_INT(script_runs_parked(), 0);
	reply_send(invite, 200);
	CHECK_STR(first_line(await("SIP/2.0 2")), "SIP/2.0 200 OK");
	stop();
}

TEST(a_held_answer_is_sent_on_when_the_run_ends)
{
	struct str invite;

	serve(serial);
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	invite = await("INVITE ");
	reply_send(invite, 404);
	CHECK_STR(first_line(await("SIP/2.0 4")), "SIP/2.0 404 Not Found");
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

TEST(relay_gives_up_after_its_timeout)
{
	struct str invite, line = STR_NONE;

	serve(serial);
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	invite = await("INVITE ");
	reply_send(invite, 180);
	sim_pass(21000);
	while ((invite = await("")).len && !str_starts(line = first_line(invite), STR("INVITE sip:late@")))
		if (str_starts(line, STR("CANCEL")))
			reply_send(invite, 200);
	CHECK_STR(line, "INVITE sip:late@192.0.2.3 SIP/2.0");
	stop();
}

static void cancel_send(const char *uri, const char *id)
{
	char        text[1024];
	struct flow from = sim_flow("192.0.2.1", 5060);

	snprintf(text, sizeof(text),
		 "CANCEL %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
		 "From: \"A\" <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: %s\r\nCSeq: 7 CANCEL\r\n"
		 "Content-Length: 0\r\n\r\n", uri, id, id);
	sim_receive(str_of(text), &from);
}

TEST(after_a_cancel_the_run_goes_on_and_relays_no_more)
{
	struct str invite, cancel;

	serve("request_route { let a = relay(); let b = relay(); if (b.cancelled && b.code == a.code) exit; $ru = \"sip:no@192.0.2.9\"; relay(); }");
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	invite = await("INVITE ");
	reply_send(invite, 180);
	CHECK_STR(first_line(await("SIP/2.0 180")), "SIP/2.0 180 Ringing");
	cancel_send("sip:bob@192.0.2.2", "one");
	cancel = await("CANCEL ");
	CHECK(cancel.len);
	reply_send(cancel, 200);
	reply_send(invite, 487);
	sim_pass(100);
	CHECK_INT(script_runs_parked(), 0);
	CHECK_INT(await("INVITE ").len, 0);
	stop();
}

TEST(a_cancel_while_something_else_is_waited_for_ends_in_487)
{
	serve("request_route { let x = never(); relay(); }");
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	cancel_send("sip:bob@192.0.2.2", "one");
	CHECK_STR(first_line(await("SIP/2.0 4")), "SIP/2.0 487 Request Terminated");
	sim_pass(2000);
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

TEST(relay_finds_hosts_by_name_without_holding_up_the_run)
{
	struct str invite;

	serve("request_route { let a = relay(); if (a.code >= 500) send_reply(480, \"nowhere\"); }");
	sim_name("phone.example", "192.0.2.2");
	request_send("INVITE", "sip:bob@phone.example", "one");
	invite = await("INVITE ");
	CHECK_STR(first_line(invite), "INVITE sip:bob@phone.example SIP/2.0");
	reply_send(invite, 200);
	CHECK_STR(first_line(await("SIP/2.0 2")), "SIP/2.0 200 OK");
	request_send("INVITE", "sip:bob@nowhere.example", "two");
	CHECK_STR(first_line(await("SIP/2.0 4")), "SIP/2.0 480 nowhere");
	stop();
	serve("request_route { relay(); }");
	request_send("MESSAGE", "sip:bob@nowhere.example", "two");
	CHECK_STR(str_to(first_line(await("SIP/2.0 5")), 11), "SIP/2.0 500");
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

TEST(forward_remembers_nothing)
{
	serve("request_route { append_hf(\"X-By: us\"); forward(); }");
	request_send("MESSAGE", "sip:bob@192.0.2.2", "one");
	CHECK(has(await("MESSAGE "), "X-By: us\r\n"));
	CHECK_INT(tm_alive(), 0);
	stop();
}

TEST(a_reload_lets_old_runs_finish_on_the_old_program)
{
	struct script *next;

	serve("request_route { let x = later(\"old\"); send_reply(200, x); }");
	request_send("MESSAGE", "sip:bob@example.org", "one");
	next = script_load_text(STR("next.cfg"), STR("request_route { send_reply(200, \"new\"); }"), NULL, &world.arena, &world.report);
	CHECK(next);
	script_use(next);
	request_send("MESSAGE", "sip:bob@example.org", "two");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 new");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 old");
	stop();
}

static uint64_t owned(const char *owner)
{
	struct shm_usage rows[64];
	size_t           n = shm_usage(rows, COUNT_OF(rows));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].owner, owner))
			return rows[i].objects;
	return 0;
}

/* The other program, as a reload takes it. */
static void reload(const char *text)
{
	char           why[256];
	struct script *next = script_load_text(STR("next.cfg"), str_of(text), NULL, &world.arena, &world.report);

	CHECK(next && !script_apply(next, why, sizeof(why)) && !script_bind(next, why, sizeof(why)));
	script_use(next);
}

static const char avps_told[] =
	"request_route { $avp(who) = $fU; $avp(n) = 0; let a = relay(); $avp(who) = null; send_reply(480, \"$(a.code) $avp(n)\"); } "
	"reply_route { $avp(n) = ($avp(n) ?? 0) + 1; append_hf(\"X-Who\", \"$avp(who) $avp(n)\"); }";

TEST(what_replies_see_lies_in_one_object_that_ends_with_the_transaction)
{
	struct str invite;

	serve(avps_told);
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	invite = await("INVITE ");
	CHECK_INT(owned("script.avp"), 1);
	reply_send(invite, 180);
	CHECK(has(await("SIP/2.0 180"), "X-Who: alice 1\r\n"));
	reply_send(invite, 486);
	CHECK_STR(first_line(await("SIP/2.0 480")), "SIP/2.0 480 486 2");
	CHECK_INT(owned("script.avp"), 1);
	sim_pass(60000);
	CHECK_INT(owned("script.avp"), 0);
	CHECK_INT(tm_alive(), 0);
	stop();
}

TEST(what_no_reply_sees_takes_no_shared_memory)
{
	serve("request_route { $avp(who) = $fU; let a = relay(on_branch = B); send_reply(480, \"$(a.code) $avp(who)\"); } "
	      "branch_route[B] { append_hf(\"X-Who\", \"$avp(who)\"); $avp(who) = \"branch\"; } reply_route { append_hf(\"X-Seen: yes\"); }");
	request_send("INVITE", "sip:bob@192.0.2.2", "one");
	reply_send(await("INVITE "), 486);
	CHECK_INT(owned("script.avp"), 0);
	CHECK_STR(first_line(await("SIP/2.0 480")), "SIP/2.0 480 486 branch");
	stop();
}

TEST(a_reply_after_a_reload_sees_what_the_old_program_has_kept)
{
	struct str message;

	serve("request_route { $avp(who) = $fU; $avp(n) = 7; relay(); } reply_route { append_hf(\"X-Old\", \"$avp(who) $avp(n)\"); }");
	request_send("MESSAGE", "sip:bob@192.0.2.2", "one");
	message = await("MESSAGE ");
	reload("request_route { $avp(other) = 5; $avp(who) = \"x\"; $avp(n) = 1; relay(); } reply_route { append_hf(\"X-New\", \"$avp(who) $avp(n) $avp(other)\"); }");
	reply_send(message, 404);
	CHECK(has(await("SIP/2.0 404"), "X-New: alice 7\r\n"));
	stop();
}

TEST(without_memory_for_them_the_request_is_not_relayed)
{
	unsigned relayed = 0;

	for (unsigned n = 1; n <= 12; n++) {
		struct str first;

		serve(avps_told);
		shm_fail_after(n);
		request_send("INVITE", "sip:bob@192.0.2.2", "one");
		shm_fail_after(0);
		first = await("");
		relayed += has(first, "INVITE sip:bob");
		CHECK(has(first, "INVITE sip:bob") || has(first, "SIP/2.0 500 ") || has(first, "SIP/2.0 503 "));
		sim_pass(200000);
		CHECK_INT(owned("script.avp"), 0);
		CHECK_INT(script_runs_parked(), 0);
		stop();
	}
	CHECK(relayed > 0 && relayed < 12);
}

static const char *said(const char *id)
{
	static char room[128];

	request_send("MESSAGE", "sip:bob@example.org", id);
	CHECK(str_cstr(str_from(first_line(await("SIP/2.0 ")), 8), room, sizeof(room)));
	return room;
}

TEST(tables_outlive_a_reload_by_name_and_types)
{
	serve("table t { key: string; value: int; } table u { key: int; } request_route { $sht(t => \"k\").add(1); $sht(u => 1) = \"u\"; send_reply(200, \"$sht(t => \"k\")\"); }");
	CHECK_STR(str_of(said("a")), "200 1");
	reload("table v { key: ip; } table t { key: string; value: int; max: 7; } request_route { $sht(t => \"k\").add(1); send_reply(200, \"$sht(t => \"k\")\"); }");
	CHECK_STR(str_of(said("b")), "200 2");
	reload("table t { key: string; value: string; } table u { key: int; } request_route { send_reply(200, \"$($sht(t => \"k\") ?? \"none\") $sht(u => 1)\"); }");
	CHECK_STR(str_of(said("c")), "200 none u");
	stop();
}

TEST(a_removed_table_goes_when_no_run_can_see_it)
{
	uint64_t     before;
	struct script *first;

	serve("table t { key: int; } request_route { $sht(t => 1) = \"t\"; let x = later(\"old\"); send_reply(200, \"$(x) $sht(t => 1)\"); }");
	before = owned("script.tables");
	script_set_epoch(script_now(), 1);
	sht_mark(script_now(), 1);
	request_send("MESSAGE", "sip:bob@example.org", "one");
	first = script_keep(script_now());
	reload("request_route { send_reply(200, \"new\"); }");
	script_set_epoch(script_now(), 2);
	sht_sweep(1);
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 old t");
	script_free(first);
	sht_sweep(2);
	CHECK(owned("script.tables") < before);
	stop();
}

TEST(a_reload_is_an_event_of_the_new_program)
{
	serve("request_route { send_reply(200, \"$(counter(\"told\"))\"); }");
	reload("event_route[core:reload] { if ($event.version == \"abc\") count(\"told\", $event.program); } request_route { send_reply(200, \"$(counter(\"told\"))\"); }");
	CHECK(event_reload.heard);
	script_reloaded(7, STR("abc"));
	sim_pass(50);
	CHECK_STR(str_of(said("a")), "200 7");
	reload("request_route { send_reply(200); }");
	CHECK(!event_reload.heard);
	script_reloaded(8, STR("abc"));
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

TEST(events_and_their_fields_are_checked)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "event_route[core:relaod] { log(\"x\"); } request_route { drop; }", "did you mean `core:reload`?" },
		{ "event_route[core:reload] { log($event.progrm); } request_route { drop; }", "did you mean `program`?" },
		{ "event_route[core:start] { log($event.x); } request_route { drop; }", "event `core:start` has nothing to say" },
		{ "request_route { log($event.x); drop; }", "`$event` makes no sense in a request_route" },
	};

	arena_init(&world.arena, NULL, 0, 1 << 20);
	module_forget_all();
	CHECK(!script_boot());
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CHECK(!script_load_text(STR("x.cfg"), str_of(rows[i].text), NULL, &world.arena, &world.report));
		CHECK_ROW(str_find_str(world.report, str_of(rows[i].want)) >= 0, rows[i].text);
	}
	arena_free(&world.arena);
}

TEST(an_image_makes_the_same_program_without_the_files)
{
	struct str     image, none;
	struct script *copy;

	serve("request_route { send_reply(200, \"here\"); }");
	image = script_image(script_now(), &world.arena);
	CHECK_STR(image_main(image), "test.cfg");
	copy = script_load_image(image, NULL, &world.arena, &world.report);
	CHECK(copy);
	CHECK(str_eq(script_image(copy, &world.arena), image));
	script_use(copy);
	CHECK_STR(str_of(said("a")), "200 here");
	for (size_t cut = 0; cut < image.len; cut++) {
		none = str_to(image, cut);
		copy = script_load_image(none.len ? none : STR(""), NULL, &world.arena, &world.report);
		CHECK(!copy);
	}
	stop();
}

static bool told_of_steps;

static void look_for_steps(enum log_level level, struct str line)
{
	(void)level;
	told_of_steps |= str_find_str(line, STR("test.cfg:4 reason=\"too many steps (setting max_steps)\"")) >= 0;
}

/* 64 kB of text, or a list of 4096, and what is done to them in a loop (nothing that would run out of memory first): the default budget is 100,000
 * steps, of which each turn takes 512 or more. */
TEST(large_texts_cost_steps_by_their_size)
{
	static const char *const rows[] = {
		"md5(t)", "sha1(t)", "sha256(t)", "sha512(t)", "hash(t)", "hmac(t, \"k\", \"sha256\")", "t.length()", "t =~ /zzz$/", "t !~ /^0/", "t.match(/[a-z]z/) == null",
		"t == t", "t.find(\"zz\") == null", "t.starts(\"0\")", "t.trim() == \"\"", "t.int() == null", "json_read(t) == null", "\"z\" in t", "\"zz\" in l", "l.count()",
	};
	char text[600];

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (int large = 0; large < 2; large++) {
			snprintf(text, sizeof(text), "request_route {\nlet t = \"0123456789abcdef\"; let i = 0; while (i < %d) { t = t + t; i = i + 1; } let l = t.split(\"0\"); i = 0;\n"
				 "while (i < 300) {\nlet x = %s; i = i + 1; if (x == null) drop; } send_reply(200); }", large ? 12 : 2, rows[i]);
			serve(text);
			told_of_steps = false;
			log_redirect(look_for_steps);
			CHECK_ROW(str_starts(answer_to("sip:bob@example.org"), large ? STR("500") : STR("200")), text);
			CHECK_ROW(told_of_steps == large, text);
			stop();
		}
}

TEST(a_table_is_read_written_emptied_and_counted_in)
{
	answers("table t { key: string; } request_route { let a = $sht(t => \"k\"); $sht(t => \"k\") = \"v\"; let b = $sht(t => \"k\"); "
		"$sht(t => \"k\") = null; send_reply(200, \"$(a)$(b)$sht(t => \"k\")\"); }", "200 v");
	answers("table t { key: ip; value: duration; } request_route { $sht(t => $si) = 30s; send_reply(200, \"$($sht(t => 192.0.2.1) ?? 0s)\"); }", "200 30s");
	answers("table t { key: int; } request_route { $sht(t => 1) = $si; $sht(t => 2) = true; $sht(t => 3) = 16kB; $sht(t => 4) = $ru; $sht(t => 5) = 10.0.0.0/8;"
		" send_reply(200, \"$sht(t => 1) $sht(t => 2) $sht(t => 3) $sht(t => 4) $sht(t => 5) $sht(t => 6)\"); }",
		"200 192.0.2.1 true 16kB sip:bob@example.org:5070 10.0.0.0/8 ");
	answers("table t { key: string; value: int; } request_route { $sht(t => \"a\").add(2); let n = $sht(t => \"a\").add(40); "
		"$sht(t => \"a\").add(-2); send_reply(200, \"$(n) $sht(t => \"a\")\"); }", "200 42 40");
	answers("table t { key: string; } request_route { $sht(t => \"a\") = [1, 2]; send_reply(200); }", "500 Server Internal Error");
	answers("table t { key: string; } request_route { $sht(t => \"a\") = \"x\"; $sht(t => \"a\").add(1); send_reply(200); }", "500 Server Internal Error");
	answers("table t { key: string; value: int; } request_route { $sht(t => \"a\") = 9223372036854775807; $sht(t => \"a\").add(1); send_reply(200); }",
		"500 Server Internal Error");
	answers("table t { key: int; } request_route { route(R, \"x\"); send_reply(200); } route[R](k) { $sht(t => k) = 1; }", "500 Server Internal Error");
}

TEST(entries_end_with_their_time_and_a_count_with_its_first)
{
	serve("table t { key: string; value: int; ttl: 10s; } request_route { if ($rU == \"put\") $sht(t => \"k\") = 1; if ($rU == \"add\") $sht(t => \"k\").add(1); "
	      "send_reply(200, \"<$sht(t => \"k\")>\"); }");
	CHECK_STR(answer_to("sip:put@example.org"), "200 <1>");
	sim_pass(6000);
	request_send("MESSAGE", "sip:add@example.org", "two");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 <2>");
	sim_pass(6000);
	request_send("MESSAGE", "sip:get@example.org", "three");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 <>");
	stop();
}

TEST(a_full_table_takes_no_more_or_gives_up_the_oldest)
{
	answers("table t { key: int; max: 3; } request_route { for (i in [1, 2, 3, 4]) $sht(t => i) = i; "
		"send_reply(200, \"$sht(t => 1)$sht(t => 2)$sht(t => 3)$sht(t => 4)\"); }", "200 123");
	answers("table t { key: int; max: 3; ttl: 1m; } request_route { for (i in [1, 2, 3, 4]) { $sht(t => i) = i; sleep(20ms); } "
		"send_reply(200, \"$sht(t => 1)$sht(t => 2)$sht(t => 3)$sht(t => 4)\"); }", "200 234");
	answers("table t { key: int; value: int; max: 1; } request_route { $sht(t => 1).add(5); send_reply(200, \"$($sht(t => 2).add(7)) $sht(t => 2)\"); }", "200 7 ");
}

TEST(without_shared_memory_a_table_ends_the_run_and_stays_whole)
{
	serve("table t { key: string; } request_route { $sht(t => \"k\") = \"v\"; send_reply(200, \"$sht(t => \"k\")\"); }");
	shm_fail_after(1);
	CHECK_STR(answer_to("sip:bob@example.org"), "500 Server Internal Error");
	shm_fail_after(0);
	request_send("MESSAGE", "sip:bob@example.org", "two");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 v");
	stop();
}

static struct str command(const char *name, const char *params)
{
	const struct mod_command *c = module_find(STR("core"))->commands;
	struct str                result = STR_NONE;
	enum err                  err;

	while (!str_is(str_of(name), c->name))
		c++;
	err = c->fn(&world.arena, str_of(params), &result);
	return err ? arena_printf(&world.arena, "%s: " STR_FMT, err_name(err), STR_ARG(result)) : result;
}

TEST(tables_are_seen_and_changed_over_the_control_channel)
{
	serve("table ban { key: ip; value: int; ttl: 1m; max: 9; } request_route { send_reply(200, \"$sht(ban => $si)\"); }");
	CHECK_STR(command("tables", "{}"), "[{\"table\":\"ban\",\"entries\":0,\"max\":9,\"key\":\"ip\",\"value\":\"int\",\"ttl_s\":60}]");
	CHECK_STR(command("table_set", "{\"table\":\"ban\",\"key\":\"192.0.2.1\",\"value\":\"7\"}"), "{\"set\":1}");
	CHECK_STR(answer_to("sip:bob@example.org"), "200 7");
	CHECK_STR(command("table_list", "{\"table\":\"ban\"}"), "{\"entries\":[{\"key\":\"192.0.2.1\",\"value\":7,\"expires_s\":60}],\"next\":0}");
	CHECK_STR(command("table_list", "{\"table\":\"ban\",\"key\":\"192.0.2.9\"}"), "{\"entries\":[],\"next\":0}");
	CHECK(has(command("table_set", "{\"table\":\"ban\",\"key\":\"x\",\"value\":\"7\"}"), "not an IP address: \"x\""));
	CHECK(has(command("table_set", "{\"table\":\"ban\",\"key\":\"192.0.2.1\",\"value\":\"x\"}"), "the values of this table are int, not \"x\""));
	CHECK(has(command("table_set", "{\"table\":\"bann\"}"), "no table \"bann\""));
	CHECK_STR(command("table_remove", "{\"table\":\"ban\",\"key\":\"192.0.2.1\"}"), "{\"removed\":1}");
	CHECK(has(command("table_remove", "{\"table\":\"ban\",\"key\":\"192.0.2.1\"}"), "no such key: \"192.0.2.1\""));
	CHECK(has(command("table_load", "{\"table\":\"ban\"}"), "the script does not say from where"));
	stop();
}

TEST(a_run_that_takes_too_many_steps_is_stopped_and_its_line_logged)
{
	serve("max_steps 1000;\nrequest_route {\n  let i = 0;\n  while (i >= 0)\n    i = i + 1;\n  send_reply(200);\n}");
	log_redirect(keep_line);
	CHECK_STR(answer_to("sip:bob@example.org"), "500 Server Internal Error");
	log_redirect(NULL);
	CHECK(str_find_str(str_of(last_line), STR("script stopped at=test.cfg:")) > 0 && str_find_str(str_of(last_line), STR("too many steps (setting max_steps)")) > 0);
	stop();
}

TEST(timer_routes_run_again_and_again_and_lose_beats_that_they_oversleep)
{
	serve("table n { key: string; value: int; } timer_route[QUICK](every = 10s) { $avp(x) = 1; $sht(n => \"quick\").add($avp(x) ?? 0); }"
	      "timer_route[SLOW](every = 10s) { $sht(n => \"slow\").add(1); sleep(15s); $sht(n => \"slept\").add(1); }"
	      "request_route { send_reply(200, \"$sht(n => \"quick\") $sht(n => \"slow\") $sht(n => \"slept\")\"); }");
	sim_pass(9000);
	CHECK_STR(answer_to("sip:bob@example.org"), "200   ");
	sim_pass(32000);	/* 41 s: beats at 10, 20, 30, 40; the slow one at 10 (until 25) and 30 */
	request_send("MESSAGE", "sip:bob@example.org", "two");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 4 2 1");
	sim_pass(10000);
	CHECK_INT(script_runs_parked(), 1);
	sim_pass(15000);
	CHECK_INT(script_runs_parked(), 0);
	stop();
}

TEST(a_failing_timer_route_does_not_stop_its_timer)
{
	serve("table n { key: string; value: int; } timer_route[T](every = 1s) { $sht(n => \"n\").add(1); fail(); }"
	      "request_route { send_reply(200, \"$sht(n => \"n\")\"); }");
	sim_pass(3500);
	CHECK_STR(answer_to("sip:bob@example.org"), "200 3");
	stop();
}

TEST(the_start_is_an_event_that_happens_once)
{
	serve("table n { key: string; value: int; } event_route[core:start] { $sht(n => \"n\").add(1); let x = later(\"y\"); if (x == \"y\") $sht(n => \"n\").add(10); }"
	      "request_route { send_reply(200, \"$sht(n => \"n\")\"); }");
	sim_pass(1000);
	CHECK_STR(answer_to("sip:bob@example.org"), "200 11");
	CHECK_INT(script_runs_parked(), 0);
	CHECK(!script_worker_start(sim_loop()));	/* the next process in the slot */
	sim_pass(1000);
	request_send("MESSAGE", "sip:bob@example.org", "two");
	CHECK_STR(first_line(await("SIP/2.0 ")), "SIP/2.0 200 11");
	stop();
}

TEST(the_stop_is_an_event_that_cannot_wait)
{
	serve("event_route[core:stop] { log(\"going\", level = \"error\"); sleep(1s); log(\"gone\", level = \"error\"); } request_route { send_reply(200); }");
	log_redirect(keep_line);
	last_line[0] = '\0';
	modules_stop();
	log_redirect(NULL);
	CHECK(str_find_str(str_of(last_line), STR("nothing can be waited for while the server stops at=test.cfg:1")) > 0);	/* the last line: not "gone" */
	CHECK_INT(script_runs_parked(), 0);
	stop();
}
