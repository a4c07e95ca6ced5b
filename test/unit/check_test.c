/* The checker: language.md's default file passes, and each row of its table of mistakes has its exact message. */
#include "script_world.h"

static const char default_file[] =
	"domain \"example.org\";\n"
	"listen udp:*:5060;\n"
	"listen tcp:*:5060;\n"
	"\n"
	"database \"sqlite:var/sipario.db\";          # postgresql://… in production\n"
	"\n"
	"module auth      { algorithms = [SHA-256, MD5]; nonce_expire = 5m; }\n"
	"module location  { durable = on; }\n"
	"module registrar { max_contacts = 10; min_expires = 60s; max_expires = 1h; }\n"
	"module forking   { ring = parallel; }\n"
	"\n"
	"request_route {\n"
	"    if ($rm == \"REGISTER\") {\n"
	"        authenticate();                    # answers 401 and ends the run unless the credentials are good\n"
	"        save();                            # answers 200, or 4xx, when the binding is committed\n"
	"        exit;\n"
	"    }\n"
	"    if (is_local($fd)) authenticate();     # 407 for our own users\n"
	"    else if (!is_local($rd)) send_reply(403, \"Relay denied\");   # never an open relay\n"
	"\n"
	"    record_route();\n"
	"    if (!is_local($rd)) { relay(); exit; }\n"
	"    route(TO_USER);\n"
	"}\n"
	"\n"
	"route[TO_USER] {\n"
	"    let user = profile($ru) ?? send_reply(404);       # suspends for the database, blocks nobody\n"
	"    if (user.forward_always) { $ru = user.forward_always; relay(); exit; }\n"
	"\n"
	"    if (!lookup()) send_reply(480, \"Not registered\");\n"
	"    let answer = relay(timeout = user.ring_time ?? 30s);        # suspends until the final answer\n"
	"\n"
	"    if (answer.code == 486 && user.forward_busy)      { $ru = user.forward_busy;      relay(); }\n"
	"    if (answer.code == 408 && user.forward_no_answer) { $ru = user.forward_no_answer; relay(); }\n"
	"}\n"
	"\n"
	"test \"a stranger cannot relay\" {\n"
	"    send INVITE from \"sip:x@evil.example\" to \"sip:y@other.example\";\n"
	"    expect reply 403;\n"
	"}\n";

static void show(struct program *p)
{
	struct str text = diags_text(&p->diags, &p->arena, false);

	print_error(STR_FMT, STR_ARG(text));
}

TEST(check_the_default_file_is_clean)
{
	bool            good;
	struct program *p = world_check(default_file, &good);

	if (!good || p->diags.count)
		show(p);
	CHECK(good && p->diags.count == 0);
	CHECK(p->request && p->route_count == 2 && p->test_count == 1);
	CHECK_INT(p->routes->next->frame, 2);
	CHECK_STR(p->settings->next->text, "\"udp:*:5060\"");
	CHECK_STR(p->modules->settings->text, "[SHA-256, MD5]");
	program_free(p);
}

/* Each mistake and all that is said about it. */
struct mistake {
	const char *text, *said;
};
static const struct mistake mistakes[] = {
	/* call of an undefined route */
	{ "request_route { route(TO_USR); drop; }\nroute[TO_USER] { return; }",
	  "1:23: E202 no route[TO_USR] | did you mean `TO_USER`?\n" },
	{ "request_route { route(NOWHERE); drop; }",
	  "1:23: E202 no route[NOWHERE]\n" },

	/* misspelt function */
	{ "request_route { send_replay(404); drop; }",
	  "1:17: E201 no function `send_replay` | did you mean `send_reply`?\n" },
	{ "request_route { save(); drop; }",
	  "1:17: E201 no function `save` | the module `registrar` has it: add `module registrar { }`\n" },
	{ "request_route { t_relay(); }",
	  "1:17: E216 `t_relay` is not needed here: write `relay()`: as a statement of its own it ends the run; `let a = relay()` waits for the final answer\n" },
	{ "request_route { t_on_failure(\"X\"); drop; }",
	  "1:17: E216 `t_on_failure` is not needed here: write `let a = relay(); if (a.code == 486) …`\n" },
	{ "request_route { loose_route(); mf_process_maxfwd_header(10); sl_send_reply(404, \"x\"); drop; }",
	  "1:17: E216 `loose_route` is not needed here: requests within a dialog follow their Route set by themselves; `dialog_route { … }` sees them\n"
	  "1:32: E216 `mf_process_maxfwd_header` is not needed here: Max-Forwards is checked and counted before a route runs\n"
	  "1:62: E216 `sl_send_reply` is not needed here: write `send_reply(code, reason)`: with or without a transaction\n" },
	{ "request_route { TO_USER(); drop; }\nroute[TO_USER] { return; }",
	  "1:17: E201 no function `TO_USER` | a route is called by `route(TO_USER)`\n"
	  "2:1: W502 route[TO_USER] is never called\n" },

	/* tables */
	{ "table t { key: ip; value: int; }\nrequest_route { let n = $sht(t => $si).add(1); $sht(t => $si).add(n); if ($sht(t => $si).add(2) > 3) drop; drop; }", "" },
	{ "table t { key: list; value: list; }\nrequest_route { drop; }",
	  "1:16: E302 `key` of a table cannot be `list`: tables keep single values, by keys of one type\n"
	  "1:29: E302 `value` of a table cannot be `list`: tables keep single values, by keys of one type\n" },
	{ "table t { key: ip; value: string; }\nrequest_route { $sht(t => $si).add(1); drop; }",
	  "2:17: E308 the values of table `t` are string, `add` counts in int\n" },
	{ "table t { key: ip; }\nrequest_route { $sht(t => $si).add(\"1\"); $sht(t => $si).add(); drop; }",
	  "2:36: E302 what `add` adds is int, got string | write it without the quotes: 1\n"
	  "2:42: E301 `add` takes 1 argument | `$sht(table => key).add(number: int)`\n" },

	/* timer and event routes */
	/* $avp, across routes */
	{ "request_route { $avp(tries) = 1; route(R); drop; }\nroute[R] { if ($avp(tires) == 2) drop; }\nroute[S] { xlog(\"$avp(Tries)\"); }",
	  "1:17: W503 `$avp(tries)` is never read\n"
	  "2:16: E401 no route assigns `$avp(tires)` | did you mean `tries`?\n"
	  "3:1: W502 route[S] is never called\n"
	  "3:18: E401 no route assigns `$avp(Tries)` | did you mean `tries`?\n" },
	{ "request_route { $avp(n) = ($avp(n) ?? 0) + 1; if ($avp(n) > 3) drop; relay(); }\nreply_route { if ($avp(n) == \"1\") $avp(n) = \"x\"; if ($avp(n) > 3) drop; }",
	  "2:19: E307 text compared with a number: `==` between int or null and string | write it without the quotes: 1\n"
	  "2:45: E310 `$avp(n)` is int, got string\n"
	  "2:54: E309 this operand of `>` may be null | give a default: `$avp(n) ?? …`\n" },
	{ "request_route { $avp(nat) = true; relay(); }\nreply_route { if ($avp(nat)) drop; $avp(nat) = null; if (!$avp(nat)) drop; if ($avp(nat) ?? false) drop; }",
	  "2:19: E305 this bool may be null | write `$avp(nat) ?? false`\n"
	  "2:59: E305 this bool may be null | write `$avp(nat) ?? false`\n" },
	{ "request_route { let who = $fU; $avp(who) = who; $avp(to) = $ru; $avp(to) = \"x\"; relay(); }\nreply_route { if ($avp(who) == 5) drop; xlog(($avp(to) ?? \"\") + \"$avp(to)\"); }",
	  "2:19: E307 text compared with a number: `==` between string or null and int\n" },
	{ "request_route { $avp(re) = /x/; xlog(\"$avp(re)\"); $avp(j) = route(R, 1); $avp(j) = 5; if ($avp(j) == \"x\") drop; $avp(l) = [1]; for (x in $avp(l)) xlog(\"$(x)\"); drop; }\n"
	  "route[R](x) { return x; }",
	  "1:28: E310 an `$avp` keeps no regular expression\n"
	  "1:91: E307 text compared with a number: `==` between int or null and string\n" },
	{ "request_route { $avp(x) = 5 +; drop; }\nroute[R] { if ($avp(y) ?? false) drop; }",
	  "1:30: E101 expected a value, got `;`\n" },

	{ "timer_route[T](every = 10s) { $avp(_x) = 1; }\nevent_route[core:start] { xlog(\"up\"); }\nrequest_route { drop; }", "" },
	{ "timer_route[T](every = 10ms) { xlog(\"x\"); }\nrequest_route { drop; }", "1:24: E303 expected duration 100ms to 1d, got 10ms\n" },
	{ "timer_route[T] { xlog(\"x\"); }\nrequest_route { drop; }", "1:1: E301 timer_route[T] does not say when | write `timer_route[T](every = 60s)`\n" },
	{ "timer_route[T](every = 1m) { send_reply(200); }\nrequest_route { drop; }",
	  "1:30: E215 `send_reply` makes no sense in a timer_route; it is for request_route and dialog_route\n" },

	/* methods, words, further arguments */
	{ "request_route { $ru = $ru.strip(1); count(\"a.b-c\"); log(\"x\", level = \"warn\", user = $fU, n = 1); if (nat_uac_test(private_contact) && time_in(\"Mon\")) drop; drop; }", "" },
	{ "request_route { xlog($ru.strp(1)); drop; }", "1:26: E201 no method `strp` | did you mean `strip`?\n" },
	{ "request_route { xlog(\"x\".md5()); drop; }", "1:26: E201 no method `md5` | it is a function: write `md5(…)`\n" },
	{ "request_route { strip(1); drop; }", "1:17: E216 `strip` is not needed here: write `$ru = $ru.strip(1);`\n" },
	{ "request_route { xlog($ru.strip(\"x\")); drop; }", "1:32: E302 argument `count` of `strip` is int, got string | `string.strip(count: int)`\n" },
	{ "request_route { xlog($ru.strip()); drop; }", "1:22: E301 `strip` takes 1 argument, got 0 | `string.strip(count: int)`\n" },
	{ "request_route { xlog($rU.strip(1)); drop; }", "1:22: E309 argument `text` of `strip` may be null here | give a default: `$rU ?? …`\n" },
	{ "request_route { xlog($cs.strip(1)); drop; }", "1:22: E302 argument `text` of `strip` is string, got int | as text: \"$($cs)\"\n" },
	{ "request_route { xlog($ru.usr); drop; }", "1:26: E208 uri has no field `usr` | did you mean `user`?\n" },
	{ "request_route { log(\"x\", level = \"wran\"); drop; }",
	  "1:34: E303 argument `level` of `log` is one of error, warn, info, debug, got \"wran\" | did you mean `warn`?\n" },
	{ "request_route { log(\"x\", user = drop_it()); drop; }", "1:33: E201 no function `drop_it`\n" },
	{ "request_route { log(\"x\", user = record_route()); drop; }", "1:33: E313 this gives no value\n" },
	{ "request_route { nat_uac_test(private_contct); drop; }",
	  "1:30: E206 `nat_uac_test` has no argument `private_contct` | did you mean `private_contact`?\n" },
	{ "request_route { count(\"$fU\"); drop; }",
	  "1:23: E314 the name of a counter is a literal of letters, digits, dots and dashes: the counter is made when the server starts\n" },
	{ "request_route { if (time_in(\"Mno\")) drop; drop; }", "1:29: E303 `Mno` is no time range\n" },

	/* wrong number or type of arguments */
	{ "request_route { send_reply(); }",
	  "1:17: E301 `send_reply` takes 1 to 2 arguments, got 0 | `send_reply(code: int, reason: string?)`\n" },
	{ "request_route { send_reply(404, \"a\", 3); }",
	  "1:17: E301 `send_reply` takes 1 to 2 arguments, got 3 | `send_reply(code: int, reason: string?)`\n" },
	{ "request_route { send_reply(\"404\"); drop; }",
	  "1:28: E302 argument `code` of `send_reply` is int, got string | write it without the quotes: 404\n" },
	{ "request_route { let a = relay(timout = 30s); xlog(a.reason); }",
	  "1:31: E206 `relay` has no argument `timout` | did you mean `timeout`?\n" },
	{ "request_route { relay(timeout = 30); }",
	  "1:33: E302 argument `timeout` of `relay` is duration, got int | say the unit: 30s, 30ms\n" },
	{ "request_route { relay(timeout = 1s, timeout = 2s); }",
	  "1:37: E213 argument `timeout` of `relay` is given twice\n" },
	{ "request_route { relay(2h); }",
	  "1:23: E303 expected duration 1s to 1h, got 2h\n" },
	{ "request_route { record_route(1); drop; }",
	  "1:17: E301 `record_route` takes no arguments, got 1 | `record_route()`\n" },
	{ "request_route { repeat(11); repeat(); drop; }",
	  "1:24: E303 expected int 1 to 10, got 11\n" },
	{ "request_route { route(A, 1); drop; }\nroute[A](x, y) { xlog(x); xlog(y); }",
	  "1:17: E301 route[A] takes 2 arguments, got 1 | `route(A, x, y)`\n" },
	{ "request_route { route(A, \"x\"); drop; }\nroute[A](x: int) { xlog(x); }",
	  "1:26: E302 argument `x` of route[A] is int, got string\n" },
	{ "request_route { let p = profile($ua); drop; }",
	  "1:33: E309 argument `uri` of `profile` may be null here | give a default: `$ua ?\? …`\n" },

	/* misspelt module, parameter or setting */
	{ "module registar { }",
	  "1:8: E205 no module `registar` | did you mean `registrar`?\n" },
	{ "module auth { nonce_expires = 5m; }",
	  "1:15: E206 module `auth` has no parameter `nonce_expires` | did you mean `nonce_expire`?\n" },
	{ "workrs 4;",
	  "1:1: E207 no setting `workrs` | did you mean `workers`?\n" },
	{ "reqest_route { drop; }",
	  "1:1: E101 nothing is declared by `reqest_route` | did you mean `request_route`?\n" },
	{ "rout[X] { drop; }",
	  "1:1: E101 nothing is declared by `rout` | did you mean `route`?\n" },
	{ "loadmodule \"tm.so\"\nmodparam(\"auth\", \"x\", 1)\nfailure_route[X] { t_relay(); }\nrequest_route { drop; }",
	  "1:1: E216 `loadmodule` is not a part of this language | write `module NAME { }`\n"
	  "2:1: E216 `modparam` is not a part of this language | write `module NAME { parameter = value; }`\n"
	  "3:1: E216 `failure_route` is not a part of this language | write `let a = relay(); if (a.code == 486) …`: the next line runs when the answer is there\n" },
	{ "module auth { } module auth { }",
	  "1:24: E213 module `auth` has two blocks\n" },
	{ "module registrar { }",
	  "" },
	{ "module lonely { }",
	  "1:8: E217 module `lonely` needs the service `nobody`, which no module offers\n" },
	{ "module auth { realm = \"a\"; realm = \"b\"; }",
	  "1:28: E213 `realm` is set twice\n" },
	{ "#!define X\nrequest_route { drop; }",
	  "1:1: E106 there is no preprocessor | write `const NAME = value;`, `include \"file\";` or env(\"NAME\", \"default\")\n" },

	/* parameter out of range or of the wrong type */
	{ "module auth { nonce_expire = \"5m\"; }",
	  "1:30: E304 `nonce_expire`: expected duration 1s to 1d, got string\n" },
	{ "module auth { nonce_expire = 2d; }",
	  "1:30: E304 `nonce_expire`: expected duration 1s to 1d, got 2d\n" },
	{ "module auth { algorithms = [SHA-256, MD6]; }",
	  "1:28: E304 `algorithms`: expected a list of MD5 or SHA-256, got \"MD6\": did you mean MD5?\n" },
	{ "workers 1000;",
	  "1:9: E304 `workers`: expected int 0 to 256, got 1000\n" },
	{ "const LONG = 2d;\nmodule auth { nonce_expire = LONG; }",
	  "2:30: E304 `nonce_expire`: expected duration 1s to 1d, got 2d\n" },
	{ "module auth { realm = env(\"NOWHERE\"); }",
	  "1:23: E314 the environment has no `NOWHERE` | give a default: env(\"NOWHERE\", \"…\")\n" },
	{ "module location { durable = maybe; }",
	  "1:29: E304 `durable`: expected bool (on or off), got \"maybe\"\n" },

	/* variable read before it is assigned; unknown $name */
	{ "request_route { let x; if (is_local($rd)) x = \"a\"; xlog(x); drop; }",
	  "1:57: E401 `x` is read before it is assigned\n" },
	{ "request_route { xlog(\"from $fux to $ru\"); drop; }",
	  "1:28: E203 no variable `$fux` | did you mean `$fU`?\n" },
	{ "request_route { $rx = \"a\"; drop; }",
	  "1:17: E203 no variable `$rx` | did you mean `$ru`?\n" },
	{ "request_route { let user = \"a\"; xlog(\"hello $user\"); xlog(user); drop; }",
	  "1:45: E203 no variable `$user` | `user` is written without the `$`; within a string `$(user)`\n" },
	{ "request_route { xlog(nobody); drop; }",
	  "1:22: E204 no variable or constant `nobody` | text is written in quotes: \"nobody\"\n" },
	{ "request_route { if (is_local($rd)) { let x = 1; xlog(x); } xlog(x); drop; }",
	  "1:65: E204 no variable or constant `x` | write `let x;` before the block\n" },
	{ "request_route { xlog($hdr); drop; }",
	  "1:22: E301 `$hdr` needs a name: `$hdr(name)`\n" },
	{ "request_route { xlog(\"$ru(x)\"); drop; }",
	  "1:23: E301 `$ru` takes no argument; within a string write `$($ru)`\n" },
	{ "request_route { $si = 10.0.0.1; drop; }",
	  "1:17: E311 `$si` cannot be changed\n" },
	{ "request_route { $var(x) = 1; drop; }",
	  "1:17: E203 no variable `$var` | write `let x = …;` and then `x`\n" },
	{ "request_route { let user = profile($ru) ?\? send_reply(404); xlog(user.nam); xlog(user.forward_allways); drop; }",
	  "1:71: E208 profile has no field `nam` | did you mean `name`?\n"
	  "1:87: E208 profile has no field `forward_allways` | did you mean `forward_always`?\n" },
	{ "request_route { let user = profile($ru); xlog(user.name); drop; }",
	  "1:47: E309 this profile may be null here | say what then: `user ?\? send_reply(404)`, or `if (user) { … }`\n" },
	{ "request_route { xlog($hdr(Cotnent-Type)); drop; }",
	  "1:27: W504 no well-known header `Cotnent-Type` | did you mean `Content-Type`?\n" },
	{ "request_route { let x = 1; let x = 2; xlog(x); drop; }",
	  "1:32: E213 `x` is there already | to change it write `x = …;`\n" },
	{ "request_route { let unused = 1; drop; }",
	  "1:21: W503 `unused` is never read\n" },
	{ "request_route { xlog(\"a\\qb\"); drop; }",
	  "1:24: E103 `\\q` is no escape | the escapes are \\n \\r \\t \\\" \\' \\\\ \\$ and \\xHH\n" },

	/* null is not taken for a value */
	{ "request_route { let u = profile($ru); if (u) { u = profile($ru); xlog(u.name); } drop; }",
	  "1:71: E309 this profile may be null here | say what then: `u ?\? send_reply(404)`, or `if (u) { … }`\n" },
	{ "request_route { let u = profile($ru); if (!u) drop; for (x in [1, 2]) { xlog(x); xlog(u.name); u = profile($ru); } drop; }",
	  "1:87: E309 this profile may be null here | say what then: `u ?\? send_reply(404)`, or `if (u) { … }`\n" },
	{ "request_route { let u = profile($ru); if (!u) drop; if (is_local($rd)) { for (x in [1]) { xlog(x); u = profile($ru); } } xlog(u.name); drop; }",
	  "1:127: E309 this profile may be null here | say what then: `u ?\? send_reply(404)`, or `if (u) { … }`\n" },
	{ "request_route { let u = profile($ru); if (u || is_local($rd)) xlog(u.name); drop; }",
	  "1:68: E309 this profile may be null here | say what then: `u ?\? send_reply(404)`, or `if (u) { … }`\n" },
	{ "request_route { let x = \"a\"; x = $ua; xlog(x); drop; }",
	  "1:34: E309 `x` is never null, this may be | give a default: `$ua ?\? …`\n" },
	{ "request_route { let n = route(F); xlog(n + 1); drop; }\nroute[F] { if (is_local($rd)) return 1; }",
	  "1:40: E309 this operand of `+` may be null | give a default: `n ?\? …`\n" },
	{ "request_route { let n = route(F); xlog(n); drop; }\nroute[F] { xlog(1); }",
	  "1:25: E313 this gives no value\n" },
	{ "request_route { route(F); drop; }\nroute[F] { if (is_local($rd)) return 1; return \"a\"; }",
	  "2:48: E315 route[F] returns int elsewhere, here string\n" },

	/* a reply code that is no reply code */
	{ "request_route { send_reply(99); drop; }",
	  "1:28: E312 99 is no reply code: they are 100 to 699\n" },
	{ "request_route { send_reply(700, \"x\"); }",
	  "1:28: E312 700 is no reply code: they are 100 to 699\n" },

	/* a handler name that does not exist, or is a route of another kind */
	{ "request_route { relay(on_branch = NAT); }\nbranch_route[NATS] { xlog(1); }",
	  "1:35: E202 no branch_route[NAT] | did you mean `NATS`?\n" },
	{ "request_route { relay(on_branch = X); }\nroute[X] { return; }",
	  "1:35: E214 `X` is a route, wanted a branch_route\n"
	  "2:1: W502 route[X] is never called\n" },
	{ "request_route { route(B); drop; }\nbranch_route[B] { xlog(1); }",
	  "1:23: E214 `B` is a branch_route, wanted a route\n"
	  "2:1: W502 branch_route[B] is never called\n" },
	{ "request_route { relay(on_reply = R, on_branch = \"B\"); }\nreply_route[R] { xlog($rs); }\nbranch_route[B] { xlog(1); }",
	  "" },

	/* a route never called; statements after exit */
	{ "request_route { drop; }\nroute[X] { return; }",
	  "2:1: W502 route[X] is never called\n" },
	{ "request_route { drop; xlog(1); xlog(2); }",
	  "1:23: W501 this is never reached\n" },
	{ "request_route { if (is_local($rd)) { drop; } else { drop; } xlog(1); }",
	  "1:61: W501 this is never reached\n" },
	{ "request_route { send_reply(404); exit; }",
	  "" },

	/* an invalid regular expression, URI, address or CIDR literal */
	{ "request_route { if ($rU =~ /^(\\+49/) drop; drop; }",
	  "1:35: E107 invalid regular expression: missing closing parenthesis\n" },
	{ "request_route { if ($ru =~ /^sip:(\\+49/) drop; drop; }",
	  "1:39: E107 invalid regular expression: missing closing parenthesis\n" },
	{ "request_route { $ru = \"sip:a b@x\"; drop; }",
	  "1:29: E108 `sip:a b@x` is no URI\n" },
	{ "request_route { $ru = \"alice\"; drop; }",
	  "1:24: E108 `alice` is no URI | a URI begins with its scheme: sip:alice\n" },
	{ "request_route { if ($si in 10.0.0.0/33) drop; drop; }",
	  "1:28: E109 `10.0.0.0/33` is no network (address/prefix)\n" },
	{ "request_route { if ($si == 10.0.0.300) drop; drop; }",
	  "1:28: E109 `10.0.0.300` is no IP address\n" },
	{ "request_route { if ($si in 2001:db8::/129) drop; drop; }",
	  "1:28: E109 `2001:db8::/129` is no network (address/prefix)\n" },
	{ "request_route { if ($ru =~ \"^sip:\") drop; drop; }",
	  "1:28: E308 `=~` matches text against a regular expression, got string | write it between slashes: /^sip:/\n" },
	{ "request_route { if ($ru =~ /a/q) drop; drop; }",
	  "1:31: E107 invalid regular expression: a regular expression takes the flags i, s, m and x\n" },
	{ "request_route { if ($ru =~ /abc) drop; drop; }\n",
	  "1:15: E102 this `{` is never closed\n"
	  "1:28: E103 this regular expression is not closed on its line\n" },

	/* assignment in a condition; a condition that is not a bool */
	{ "request_route { if ($rm = \"REGISTER\") drop; drop; }",
	  "1:25: E306 `=` assigns; a condition compares | write `==`\n" },
	{ "request_route { if (($rm = \"REGISTER\")) drop; drop; }",
	  "1:26: E306 `=` assigns; a condition compares | write `==`\n" },
	{ "request_route { if ($cs) drop; drop; }",
	  "1:21: E305 a condition is a bool, this is int | write `$cs != 0`\n" },
	{ "request_route { if ($rm) drop; drop; }",
	  "1:21: E305 a condition is a bool, this is string | write `$rm != \"\"`\n" },
	{ "request_route { if (save()) drop; drop; }\nmodule registrar { } module location { }",
	  "1:21: E305 this gives no value; a condition is a bool\n" },
	{ "request_route { let user = profile($ru) ?\? send_reply(404); if (user.do_not_disturb) drop; drop; }",
	  "1:65: E305 this bool may be null | write `user.do_not_disturb ?\? false`\n" },
	{ "request_route { while ($cs + 1) drop; drop; }",
	  "1:24: E305 a condition is a bool, this is int | write `$cs + 1 != 0`\n" },
	{ "request_route { if (!$cs) drop; drop; }",
	  "1:22: E305 a condition is a bool, this is int | write `$cs != 0`\n" },
	{ "request_route { if (record_route()) drop; drop; }",
	  "1:21: E305 this gives no value; a condition is a bool\n" },

	/* text compared with a number */
	{ "request_route { if ($rm == 5) drop; drop; }",
	  "1:21: E307 text compared with a number: `==` between string and int\n" },
	{ "request_route { if ($cs == \"5060\") drop; drop; }",
	  "1:21: E307 text compared with a number: `==` between int and string | write it without the quotes: 5060\n" },
	{ "request_route { if ($si == \"10.0.0.1\") drop; drop; }",
	  "1:21: E307 these are never equal: `==` between ip and string | write it without the quotes: 10.0.0.1\n" },
	{ "request_route { if ($cs < \"5\") drop; drop; }",
	  "1:21: E307 text compared with a number: `<` between int and string | write it without the quotes: 5\n" },
	{ "request_route { if ($rp < 5) drop; drop; }",
	  "1:21: E309 this operand of `<` may be null | give a default: `$rp ?\? …`\n" },
	{ "request_route { let x = \"a\" + 1; xlog(x); drop; }",
	  "1:25: E308 `+` does not work on string and int | to make text of both write \"$(…)$(…)\"\n" },
	{ "request_route { let x = 30s + 1; xlog(x); drop; }",
	  "1:25: E308 `+` does not work on duration and int\n" },
	{ "request_route { $rU = $rU; $ru = $rU; $cs = 1; drop; }",
	  "1:34: E309 `$ru` is never null, this may be | give a default: `$rU ?\? …`\n"
	  "1:39: E311 `$cs` cannot be changed\n" },
	{ "request_route { let x = $rp ?\? \"5060\"; xlog(x); drop; }",
	  "1:25: E308 `?\?` gives int or string\n" },
	{ "request_route { let x = 1; x = \"a\"; xlog(x); drop; }",
	  "1:32: E310 `x` is int, got string\n" },

	/* unknown method */
	{ "request_route { if ($rm == \"INVTIE\") drop; drop; }",
	  "1:29: E211 no method `INVTIE` | did you mean `INVITE`?\n" },
	{ "request_route { if (is_method(\"INVITE|SUBSCIRBE\")) drop; drop; }",
	  "1:39: E211 no method `SUBSCIRBE` | did you mean `SUBSCRIBE`?\n" },
	{ "request_route { if ($rm in [\"INVITE\", \"BYEE\"]) drop; drop; }",
	  "1:28: E211 no method `BYEE` | did you mean `BYE`?\n" },
	{ "test \"x\" { send INVTIE from \"sip:a@b\" to \"sip:c@d\"; expect reply 200; }",
	  "1:17: E211 no method `INVTIE` | did you mean `INVITE`?\n" },

	/* an undeclared table or an unknown event */
	{ "table ipban { key: ip; ttl: 5m; max: 1000; }\nrequest_route { if ($sht(ipbann => $si)) drop; drop; }",
	  "2:26: E209 no table `ipbann` | did you mean `ipban`?\n" },
	{ "request_route { $sht(seen => $si) = 1; drop; }",
	  "1:22: E209 no table `seen` | declare it: `table seen { key: string; ttl: 5m; max: 10000; }`\n" },
	{ "event_route[registrar:expird] { xlog(1); }",
	  "1:13: E210 no event `registrar:expird` | did you mean `registrar:expired`?\n" },
	{ "table t { key: adress; tt: 5m; ttl: 5; max: 0; }",
	  "1:16: E302 `key` takes the name of a type | the types are bool, int, string, duration, size, ip, cidr, uri, list, any\n"
	  "1:24: E206 a table has key, value, ttl, max, load, key_column and value_column, not `tt` | did you mean `ttl`?\n"
	  "1:37: E302 `ttl` is duration, got int | say the unit: 5s, 5ms\n"
	  "1:45: E303 expected int 1 to 1000000000, got 0\n" },
	{ "table ipban { key: ip; }\nrequest_route { if ($sht(ipban => $ru)) drop; drop; }",
	  "2:35: E302 the key of table `ipban` is ip, got uri\n" },

	/* a path that falls silent; two final answers on one path */
	{ "request_route { xlog(1); }",
	  "1:26: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { if (is_local($rd)) relay(); }",
	  "1:45: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { if (is_local($rd)) exit; relay(); }",
	  "1:36: E402 the run ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { if (is_local($rd)) { send_reply(404); send_reply(403); } drop; }",
	  "1:55: E403 a second answer on this path\n" },
	{ "request_route { relay(); send_reply(404); }",
	  "1:26: E406 `relay()` has ended this path | use its answer: `let a = relay();`\n" },
	{ "request_route { relay(); xlog(1); }",
	  "1:26: E406 `relay()` has ended this path | use its answer: `let a = relay();`\n" },
	{ "request_route { relay(); exit; }",
	  "" },
	{ "request_route { save(); send_reply(200); }\nmodule registrar { } module location { }",
	  "1:25: E403 a second answer on this path\n" },
	{ "request_route { let a = relay(); if (a.code == 486) send_reply(480); }",
	  "" },
	{ "request_route { route(X); }\nroute[X] { if (is_local($rd)) relay(); }",
	  "1:27: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { route(X); }\nroute[X] { if (is_local($rd)) exit; relay(); }",
	  "2:31: E402 the run ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { send_reply(100); }",
	  "1:34: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "dialog_route { xlog(1); }\nreply_route { xlog(1); }",
	  "1:25: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { for (d in [\"a\", \"b\"]) { $rd = d; let a = relay(); if (a.code < 300) exit; } }",
	  "1:93: E402 the route ends without saying what happens to the request | reply, relay, forward or write `drop;`\n" },
	{ "request_route { profile($ru) ?\? send_reply(404); relay(); }",
	  "" },

	/* a route that calls itself; a loop that cannot end */
	{ "request_route { route(A); drop; }\nroute[A] { route(A); }",
	  "2:18: E404 route[A] calls itself\n" },
	{ "request_route { route(A); drop; }\nroute[A] { route(B); }\nroute[B] { route(A); }",
	  "3:18: E404 route[A] calls itself by way of route[B]\n" },
	{ "request_route { while (true) xlog(1); }",
	  "1:24: E405 this loop cannot end | leave it with `break`, `return` or `exit`\n" },
	{ "request_route { let i = 0; while (i < 3) { xlog(i); } drop; }",
	  "1:35: E405 this loop cannot end | nothing in it changes the condition\n" },
	{ "request_route { let i = 0; while (i < 3) { i = i + 1; } drop; }",
	  "" },
	{ "request_route { while (true) { if (is_local($rd)) break; } drop; }",
	  "" },
	{ "request_route { break; }",
	  "1:17: E407 `break` is only for loops\n" },
	{ "const A = B; const B = A;",
	  "1:7: E404 the constant `A` is made of itself\n" },

	/* a function used in a route kind where it makes no sense */
	{ "timer_route[T](every = 60s) { relay(); }",
	  "1:31: E215 `relay` makes no sense in a timer_route; it is for request_route and dialog_route\n" },
	{ "timer_route[T](every = 60s) { route(X); }\nrequest_route { route(X); drop; }\nroute[X] { record_route(); }",
	  "3:12: E215 `record_route` makes no sense in a timer_route; it is for request_route\n" },
	{ "reply_route { send_reply(404); }",
	  "1:15: E215 `send_reply` makes no sense in a reply_route; it is for request_route and dialog_route\n" },
	{ "request_route { xlog($rs); drop; }",
	  "1:22: E215 `$rs` makes no sense in a request_route; it is for reply_route\n" },
	{ "timer_route[T] { xlog(1); }\ntimer_route[U](every = 50ms) { xlog(1); }\ntimer_route[V](every = 3) { xlog(1); }",
	  "1:1: E301 timer_route[T] does not say when | write `timer_route[T](every = 60s)`\n"
	  "2:24: E303 expected duration 100ms to 1d, got 50ms\n"
	  "3:24: E302 `every` is duration, got int | say the unit: 3s, 3ms\n" },

	/* an integer that does not fit */
	{ "request_route { let x = 9223372036854775808; xlog(x); drop; }",
	  "1:25: E104 `9223372036854775808` does not fit in 64 bits\n" },
	{ "request_route { let x = 9223372036854775807 + 1; xlog(x); xlog(1 / 0); drop; }",
	  "1:25: E104 the result does not fit in 64 bits\n"
	  "1:68: E104 division by zero\n" },
	{ "request_route { let x = 30x; xlog(x); drop; }",
	  "1:25: E104 `30x` is no number | durations end in ms, s, m, h or d, sizes in B, kB, MB or GB\n" },
	{ "request_route { let x = 99999999999999999d; xlog(x); drop; }",
	  "1:25: E104 `99999999999999999d` does not fit in 64 bits\n" },

	/* a missing } */
	{ "request_route {\n    if (is_local($rd)) {\n        drop;\n    drop;\n}\n",
	  "2:24: E102 this `{` is never closed\n" },
	{ "request_route {\n    if (is_local($rd)) {\n        xlog(1);\n    drop;\n}\nroute[X] {\n    return;\n}\n",
	  "2:24: E102 this `{` is never closed\n" },
	{ "module auth {\n    nonce_expire = 5m;\n",
	  "1:13: E102 this `{` is never closed\n" },
	{ "request_route {\n    drop;\n}\n}\n",
	  "4:1: E102 this `}` closes nothing\n" },
	{ "/* never\nrequest_route { drop; }",
	  "1:1: E102 this comment is never closed\n" },

	/* what people bring from elsewhere */
	{ "children = 8; debug = 3;",
	  "1:1: E207 no setting `children` | write `workers 8;`\n"
	  "1:15: E207 no setting `debug` | write `log_level info;`\n" },
	{ "request_route { if (uri == myself && $rU == $null) drop; drop; }",
	  "1:21: E204 no variable or constant `uri` | write `$ru`\n"
	  "1:28: E204 no variable or constant `myself` | write `is_local($rd)`\n"
	  "1:45: E203 no variable `$null` | write `null`\n" },

	/* syntax */
	{ "request_route {\n    xlog(1)\n    drop;\n}",
	  "2:12: E101 expected `;`, got `drop`\n" },
	{ "request_route { if ($rm == ) { xlog(nobody); } drop; }",
	  "1:28: E101 expected a value, got `)`\n"
	  "1:37: E204 no variable or constant `nobody` | text is written in quotes: \"nobody\"\n" },
	{ "request_route { if ($rm == \"INVITE\" and is_local($rd)) drop; drop; }",
	  "1:37: E101 expected `)`, got `and` | write `&&`\n" },
	{ "request_route { xlog(\"abc); drop; }\n",
	  "1:15: E102 this `{` is never closed\n"
	  "1:22: E103 this string is not closed on its line\n" },
	{ "request_route { xlog(\"$(1 + )\"); drop; }",
	  "1:29: E101 expected a value, got `)`\n" },
	{ "request_route { $ru; is_local; $cs == 1; drop; }",
	  "1:17: E101 this does nothing\n"
	  "1:22: E101 this does nothing | a call has parentheses: `is_local();`\n"
	  "1:32: E101 this does nothing | to assign, write one `=`\n" },
	{ "request_route { switch ($rm) { case \"A\": drop; } drop; }",
	  "1:17: E101 expected a statement, got `switch` | there is no switch: write `if … else if … else`\n"
	  "1:32: E101 expected a statement, got `case` | there is no switch: write `if … else if … else`\n" },
	{ "request_route { let = 1; xlog(@); drop; }",
	  "1:21: E101 expected the name of a variable, got `=`\n"
	  "1:31: E106 `@` has no meaning here\n" },
	{ "route { drop; }",
	  "1:7: E101 expected `[`, got `{` | the route for new requests is `request_route { … }`\n" },
	{ "request_route { // x\n drop; }",
	  "1:17: E106 a comment begins with `#`\n" },
	{ "request_route { drop; }\nrequest_route { drop; }",
	  "2:1: E213 this route is there already\n" },
	{ "include \"nothing.cfg\";",
	  "1:9: E002 cannot read `nothing.cfg`: No such file or directory\n" },
	/* tests: words, parties, values */
	{ "test \"x\" { send INVITE fro \"sip:a@b\"; expect answer 200; expect reply 20; wait 5; }",
	  "1:24: E110 `send` knows no `fro` | did you mean `from`?\n"
	  "1:46: E101 expected `reply`, `request`, `nothing`, `log`, `counter` or `$sht(table => key)`, got `answer`\n"
	  "1:71: E312 a reply code is 100 to 699\n"
	  "1:80: E302 the time to wait is duration, got int | say the unit: 5s, 5ms\n" },
	{ "test \"ok\" { send INVITE from 'sip:a@b' to \"sip:b@c\" with header \"X: y\", body \"z\"; expect reply 1xx; expect request INVITE to \"sip:b@c\"; send 486; expect nothing within 2s; wait 32s; }",
	  "" },
	{ "test \"x\" { send INVITE by bob; given party bob at 192.0.2.1; expect reply 200 at bbo; expect request at carol; fail dave; }",
	  "1:32: E110 what is given stands at the beginning of a test\n"
	  "1:82: E110 no party `bbo` | did you mean `bob`?\n"
	  "1:105: E110 no party `carol` | declare it: `given party carol at 192.0.2.20;`\n"
	  "1:117: E110 no party `dave` | declare it: `given party dave at 192.0.2.20;`\n" },
	{ "given party bob at 192.0.2.1; test \"x\" { given party bob at 192.0.2.2; given party tester at 192.0.2.3; given party carol; }",
	  "1:54: E213 the party `bob` is there already\n"
	  "1:84: E213 `tester` means something else in tests\n"
	  "1:105: E110 `given party` does not say where | write `at 192.0.2.20`\n" },
	{ "given party me at \"192.0.2.10:5070\"; test \"x\" { send INVITE source 192.0.2.10; }",
	  "1:19: E109 in tests 192.0.2.10 is the server's own address\n"
	  "1:68: E109 in tests 192.0.2.10 is the server's own address\n" },
	{ "given party bob at \"192.0.2.300\"; given party eve at \"host\"; given host \"a.example\" at bbo;",
	  "1:20: E109 `192.0.2.300` is no address | write 192.0.2.20 or \"192.0.2.20:5070\"\n"
	  "1:54: E109 `host` is no address | write 192.0.2.20 or \"192.0.2.20:5070\"\n"
	  "1:88: E110 no party `bbo` | did you mean `bob`?\n" },
	{ "test \"x\" { send INVITE within 5s; expect reply 200 by tester; expect nothing header \"X: y\"; }",
	  "1:24: E110 `within` means nothing in `send` | it is for `expect request`, `expect reply`, `expect nothing`, `expect log`\n"
	  "1:52: E110 `by` means nothing in `expect reply` | it is for `send`\n"
	  "1:78: E110 `header` means nothing in `expect nothing` | it is for `send`, `expect request`, `expect reply`\n" },
	{ "test \"x\" { send INVITE over upd in dailog; expect log \"x\" level warning; }",
	  "1:29: E110 `over` is followed by one of udp, tcp | did you mean `udp`?\n"
	  "1:36: E110 `in` is followed by dialog | did you mean `dialog`?\n"
	  "1:65: E110 `level` is followed by one of error, warn, info, debug\n" },
	{ "test \"x\" { send INVITE header \"X-Foo\" header \"Sbuject: x\"; expect reply 200 header \"Recrod-Route\" no body \"x\"; }",
	  "1:31: E110 a header field is written \"Name: value\"\n"
	  "1:47: W504 no well-known header `Sbuject` | did you mean `Subject`?\n"
	  "1:85: W504 no well-known header `Recrod-Route` | did you mean `Record-Route`?\n"
	  "1:102: E110 only a header can be missing: `no header \"Route\"`\n" },
	{ "test \"x\" { expect request header \"X\" =~ \"y\" body == /y/ header =~ /x/; expect reply 200 within > 5s; expect request INVTIE; send 200 for INVTE; }",
	  "1:41: E302 =~ and !~ want a regular expression\n"
	  "1:53: E302 a regular expression is compared by =~ or !~\n"
	  "1:57: E110 `header` is not compared like this\n"
	  "1:89: E110 `within` is not compared like this\n"
	  "1:117: E211 no method `INVTIE` | did you mean `INVITE`?\n"
	  "1:138: E211 no method `INVTE` | did you mean `INVITE`?\n" },
	{ "test \"x\" { expect request body =~ /(/; }",
	  "1:37: E107 invalid regular expression: missing closing parenthesis\n" },
	{ "test \"x\" { send INVITE to \"bob\" from 5; expect reply 200 within \"5s\"; expect no nothing; expect next log \"x\"; }",
	  "1:28: E108 `bob` is no URI | a URI begins with its scheme: sip:bob\n"
	  "1:38: E302 `from` is string, got int\n"
	  "1:65: E302 `within` is duration, got string | write it without the quotes: 5s\n"
	  "1:71: E110 `no` goes with `reply`, `request` and `log`\n"
	  "1:90: E110 `next` goes with `reply` and `request`\n" },
	{ "test \"x\" { given user \"bob@example.org\"; given user \"bob\"; given sql \"x\"; given time \"Monday\"; fail database; }",
	  "1:12: E217 there is no database | add the setting `database \"sqlite:var/sipario.db\";`\n"
	  "1:42: E217 there is no database | add the setting `database \"sqlite:var/sipario.db\";`\n"
	  "1:53: E110 `bob` is no user | write \"name@domain\"\n"
	  "1:60: E217 there is no database | add the setting `database \"sqlite:var/sipario.db\";`\n"
	  "1:86: E110 `Monday` is no time | write \"2026-03-02 08:30\", in UTC\n"
	  "1:101: E217 there is no database | add the setting `database \"sqlite:var/sipario.db\";`\n" },
	{ "test \"x\" { given binding \"sip:bob@example.org\" q \"0.5\"; given user \"a@b\" pasword \"x\" ring_time 5; }\ndatabase \"sqlite:x\";",
	  "1:12: E217 nothing keeps bindings here | add `module location { }`\n"
	  "1:12: E110 `given binding` does not say where | write `at PARTY` or `contact \"sip:…\"`\n"
	  "1:74: E110 `given user` knows no `pasword` | did you mean `password`?\n"
	  "1:96: E302 `ring_time` is duration, got int | say the unit: 5s, 5ms\n" },
	{ "table calls { key: string; value: int; }\ntest \"x\" { given $sht(cals => \"a\") = 1; given $sht(calls => 5) = 1; given $sht(calls => \"a\") = \"b\"; given $ru = 5; expect $sht(calls => \"a\") == \"b\"; expect $sht(calls => \"a\"); }",
	  "2:23: E209 no table `cals` | did you mean `calls`?\n"
	  "2:61: E302 the key of table `calls` is string, got int\n"
	  "2:96: E310 a value of table `calls` is int, got string\n"
	  "2:107: E110 only a table's entry can stand here: $sht(table => key)\n"
	  "2:145: E310 a value of table `calls` is int, got string\n"
	  "2:175: E101 expected a comparison (== 2), got `;`\n" },
	{ "request_route { count(\"calls\"); drop; }\ntest \"x\" { expect counter \"script.cals\" == 1; expect counter \"script.calls\" == \"1\"; expect counter == 1; expect log == \"x\"; expect log /x/; }",
	  "2:27: E110 no counter `script.cals` | did you mean `script.calls`?\n"
	  "2:80: E302 a counter is int, got string | write it without the quotes: 1\n"
	  "2:85: E110 a counter is compared with a number: `expect counter \"script.name\" == 2;`\n"
	  "2:120: E110 a log line is looked for by a part of it, or by =~ /…/\n"
	  "2:136: E302 a regular expression goes with =~\n" },
	{ "given bind \"x\"; test \"x\" { given; expect; fail; shout; }",
	  "1:7: E101 expected `party`, `user`, `domain`, `binding`, `host`, `time`, `sql` or `$sht(table => key)`, got `bind`\n"
	  "1:33: E101 expected `party`, `user`, `domain`, `binding`, `host`, `time`, `sql` or `$sht(table => key)`, got `;`\n"
	  "1:41: E101 expected `reply`, `request`, `nothing`, `log`, `counter` or `$sht(table => key)`, got `;`\n"
	  "1:47: E101 expected `database` or the name of a party, got `;`\n"
	  "1:49: E101 expected `given`, `send`, `expect`, `wait`, `fail` or `restore`, got `shout`\n" },
};
/* end */

TEST(check_says_exactly_what_is_wrong)
{
	size_t bad = 0;

	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		bool            good;
		struct program *p = world_check(mistakes[i].text, &good);
		struct str      said = world_brief(p);

		if (!str_is(said, mistakes[i].said)) {
			print_error("%s\n  got:\n" STR_FMT "  want:\n%s", mistakes[i].text, STR_ARG(said), mistakes[i].said);
			bad++;
		}
		CHECK_ROW(good == !p->diags.errors, mistakes[i].text);
		program_free(p);
	}
	CHECK_INT(bad, 0);
}
