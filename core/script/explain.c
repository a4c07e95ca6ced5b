/* What each code of the check means, at length: `sipario explain E201`, and a page of the manual. `wrong` is a whole file that gives the code and
 * `right` one that is clean; both are tried by a test. */
#include "base/buf.h"
#include "script/diag.h"

static const struct explanation all[D_COUNT] = {
	[D_NOMEM] = { "out of memory", "The file, with all it includes, needs more memory than the check may take or the machine has." },
	[D_FILE] = { "a file cannot be read", "The file of an `include`, or the configuration itself, is not there or may not be read. The name in an `include` is "
		     "relative to the file that it stands in.", "include \"nowhere.cfg\";\nrequest_route { drop; }\n" },
	[D_INCLUDE] = { "files include each other without end", "A file includes itself, perhaps by way of others, or there are far too many of them. An `include` "
			"puts the other file's declarations where it stands; each file is included once." },

	[D_SYNTAX] = { "the sentence is not complete, or not of this language", "The check shows what it expected and what stands there instead. Statements end with "
		       "`;`, conditions stand in `( )`, blocks in `{ }`. A statement must do something: a value or a comparison alone does not.",
		       "request_route {\n    xlog(\"hello\")\n    drop;\n}\n", "request_route {\n    xlog(\"hello\");\n    drop;\n}\n" },
	[D_UNCLOSED] = { "a brace, parenthesis or comment is never closed", "The place shown is the opening one whose partner is missing, found by the indentation of "
			 "what follows; not the end of the file.", "request_route {\n    if (is_local($rd)) {\n        drop;\n    drop;\n}\n",
			 "request_route {\n    if (is_local($rd)) {\n        drop;\n    }\n    drop;\n}\n" },
	[D_STRING] = { "a string is not closed, or holds an unknown escape", "A string ends on the line where it begins. In \"…\" the escapes are \\n \\r \\t \\\" \\' "
		       "\\\\ \\$ and \\xHH, and `$name` and `$(expression)` are replaced by their values; '…' is taken as it stands.",
		       "request_route { xlog(\"100\\% sure\"); drop; }\n", "request_route { xlog(\"100% sure\"); drop; }\n" },
	[D_NUMBER] = { "a number that is none, or does not fit", "Integers have 64 bits. Durations end in ms, s, m, h or d (1h30m is one, too), sizes in B, kB, MB or "
		       "GB. A result that is known when the file is read must fit as well, and nothing is divided by zero.",
		       "request_route { sleep(5sec); drop; }\n", "request_route { sleep(5s); drop; }\n" },
	[D_TOO_DEEP] = { "nested too deep", "Blocks and parentheses within each other, or operators in one statement, in a number that no person writes. Split the "
			 "statement, or make a route of the inner part." },
	[D_CHARACTER] = { "a character without meaning", "Comments begin with `#` or stand between `/*` and `*/`. There is no preprocessor: `const`, `include` and "
			  "`env()` do what `#!define`, `#!ifdef` and `#!include_file` were for.", "#!define WITH_NAT\nrequest_route { drop; }\n",
			  "const WITH_NAT = true;\nrequest_route { if (WITH_NAT) xlog(\"nat\"); drop; }\n" },
	[D_REGEX] = { "a regular expression that is none", "Regular expressions are those of PCRE2, between slashes: /^\\+49/. The flags i, s, m and x may follow. The "
		      "caret stands where the library gave up.", "request_route { if ($ru =~ /^sip:(\\+49/) drop; relay(); }\n",
		      "request_route { if ($ru =~ /^sip:(\\+49)/) drop; relay(); }\n" },
	[D_URI] = { "a text that must be a URI is none", "A URI begins with its scheme (sip:, sips:, tel:). Blanks and quotes have no place in it.",
		    "request_route { $ru = \"alice@example.org\"; relay(); }\n", "request_route { $ru = \"sip:alice@example.org\"; relay(); }\n" },
	[D_ADDRESS] = { "an address or network that is none", "Addresses are written as they are, without quotes: 192.0.2.1, 2001:db8::1. A network has a prefix "
			"length of at most 32 or 128.", "request_route { if ($si in 10.0.0.0/33) drop; relay(); }\n",
			"request_route { if ($si in 10.0.0.0/8) drop; relay(); }\n" },
	[D_TEST] = { "a test says what tests do not know", "A word, a party, a counter or a value in a test block that means nothing there. doc/testing.md lists what "
		     "`given`, `send` and `expect` take.",
		     "request_route { drop; }\ntest \"x\" { send INVITE fro \"sip:a@example.org\" to \"sip:b@example.org\"; }\n",
		     "request_route { drop; }\ntest \"x\" { send INVITE from \"sip:a@example.org\" to \"sip:b@example.org\"; }\n" },

	[D_NO_FUNCTION] = { "no such function", "Either the name is misspelt, or it belongs to a module that the file does not load: the help says which. Methods "
			    "are called as value.name(), routes as route(NAME).", "request_route { send_replay(404); }\n", "request_route { send_reply(404); }\n" },
	[D_NO_ROUTE] = { "no such route", "The route that is called or named as a handler is not in the file. Names of routes are case-sensitive.",
			 "request_route { route(TO_USR); }\nroute[TO_USER] { drop; }\n", "request_route { route(TO_USER); }\nroute[TO_USER] { drop; }\n" },
	[D_NO_VARIABLE] = { "no such $variable", "Names with a `$` belong to the message and to modules; your own variables (`let x = …`) and constants are written "
			    "without it, and as $(x) within a string. A `$` that is meant as such is written \\$ in a string.",
			    "request_route { xlog(\"call from $fux\"); drop; }\n", "request_route { xlog(\"call from $fu\"); drop; }\n" },
	[D_NO_NAME] = { "no variable or constant of that name", "A bare word is a `let` of this route, one of its parameters or a `const`. A variable ends with the "
			"block that declares it. Text is written in quotes.", "request_route {\n    if (is_local($rd)) { let where = \"here\"; xlog(where); }\n    xlog(where);\n    drop;\n}\n",
			"request_route {\n    let where = \"elsewhere\";\n    if (is_local($rd)) where = \"here\";\n    xlog(where);\n    drop;\n}\n" },
	[D_NO_MODULE] = { "no such module", "There is no module of that name in the folder of modules, or its file cannot be loaded. `siparioctl help` lists them.",
			  "module forkign { }\nrequest_route { relay(); }\n", "module forking { }\nrequest_route { relay(); }\n" },
	[D_NO_PARAMETER] = { "no such parameter or argument", "The module, function or table has no parameter of that name. `siparioctl help NAME` lists those of a "
			     "module.", "module forking { rings = parallel; }\nrequest_route { relay(); }\n", "module forking { ring = parallel; }\nrequest_route { relay(); }\n" },
	[D_NO_SETTING] = { "no such setting", "`siparioctl help core` lists the settings. Parameters of modules stand in the block of their module.",
			   "workrs 4;\nrequest_route { drop; }\n", "workers 4;\nrequest_route { drop; }\n" },
	[D_NO_FIELD] = { "the value has no such field", "Records have the fields that the page of their function lists: the answer of relay() has code, reason …",
			 "request_route { let a = relay(); if (a.status == 486) xlog(\"busy\"); }\n", "request_route { let a = relay(); if (a.code == 486) xlog(\"busy\"); }\n" },
	[D_NO_TABLE] = { "no such table", "Tables are declared, with the type of their keys, how long entries live and how many there may be.",
			 "request_route { $sht(seen => $si) = 1; drop; }\n", "table seen { key: ip; value: int; ttl: 5m; max: 10000; }\nrequest_route { $sht(seen => $si) = 1; drop; }\n" },
	[D_NO_EVENT] = { "no such event", "Events are named module:event; the reference lists them.", "event_route[core:started] { xlog(\"up\"); }\nrequest_route { drop; }\n",
			 "event_route[core:start] { xlog(\"up\"); }\nrequest_route { drop; }\n" },
	[D_NO_METHOD] = { "no such SIP method", "The methods are those of IANA's registry, in capitals.", "request_route { if ($rm == \"INVTIE\") drop; relay(); }\n",
			  "request_route { if ($rm == \"INVITE\") drop; relay(); }\n" },
	[D_NO_CONST] = { "-D names a constant that is not in the file", "-D NAME=VALUE gives another value to `const NAME = …;`; it makes no new ones, so that a "
			 "slip is not taken for a setting." },
	[D_TWICE] = { "declared or given twice", "Only the first would count, or only the last: which one was meant cannot be known. Settings such as `listen` and "
		      "`domain` may be repeated.", "module forking { }\nmodule forking { ring = parallel; }\nrequest_route { relay(); }\n",
		      "module forking { ring = parallel; }\nrequest_route { relay(); }\n" },
	[D_ROUTE_KIND] = { "the route is of another kind", "route() calls a route[…], relay(on_branch = …) names a branch_route[…], on_reply a reply_route[…].",
			   "request_route { route(LATER); }\ntimer_route[LATER](every = 1m) { xlog(\"x\"); }\n", "request_route { route(NOW); }\nroute[NOW] { drop; }\n" },
	[D_NOT_HERE] = { "not for this kind of route", "Some functions and variables need what only certain routes have: a timer has no request to relay, a request "
			 "no status. What a route[…] uses must suit every route that calls it.", "timer_route[T](every = 1m) { relay(); }\nrequest_route { drop; }\n",
			 "timer_route[T](every = 1m) { count(\"minutes\"); }\nrequest_route { drop; }\n" },
	[D_NOT_NEEDED] = { "from another server, and not needed here", "The core does by itself what this was for, or there is another word for it: the message says "
			   "which. The chapter \"Coming from Kamailio or OpenSIPS\" has the whole list.", "request_route { t_relay(); }\n", "request_route { relay(); }\n" },
	[D_NEEDS] = { "a module needs a service that nobody offers", "Modules build on each other: one that keeps registrations needs a location store. Add the module that "
		      "offers the service." },

	[D_ARGUMENTS] = { "wrong number of arguments", "The help shows the signature: `?` marks what may be left out, `=` shows the default.",
			  "request_route { send_reply(); }\n", "request_route { send_reply(404); }\n" },
	[D_ARGUMENT_TYPE] = { "an argument of the wrong type", "Nothing converts by itself: 5060 is a number and \"5060\" a text, 30 a number and 30s a duration. "
			      "text.int() and \"$(number)\" convert.", "request_route { relay(timeout = 30); }\n", "request_route { relay(timeout = 30s); }\n" },
	[D_RANGE] = { "out of range", "The value is of the right type but outside of what makes sense there.", "request_route { sleep(2d); drop; }\n",
		      "request_route { sleep(2s); drop; }\n" },
	[D_PARAMETER] = { "a setting or parameter has a wrong value", "The message shows the type and range that the module declares.",
			  "t1 \"500ms\";\nrequest_route { relay(); }\n", "t1 500ms;\nrequest_route { relay(); }\n" },
	[D_CONDITION] = { "a condition that is no bool", "Only a bool is a condition: compare a number with 0 and a text with \"\". What may be null is asked for by its "
			  "name alone: `if (user.forward_busy)`.", "request_route { if ($cs) drop; relay(); }\n", "request_route { if ($cs != 0) drop; relay(); }\n" },
	[D_ASSIGN_IN_CONDITION] = { "an assignment in a condition", "One `=` assigns, two compare.", "request_route { if ($rm = \"REGISTER\") drop; relay(); }\n",
				    "request_route { if ($rm == \"REGISTER\") drop; relay(); }\n" },
	[D_COMPARE] = { "a comparison that can never be true", "Text is never equal to a number or an address. Numbers and addresses are written without quotes.",
			"request_route { if ($si == \"10.0.0.1\") drop; relay(); }\n", "request_route { if ($si == 10.0.0.1) drop; relay(); }\n" },
	[D_OPERAND] = { "an operator on values that it is not for", "`+` joins texts or adds numbers, never a mixture; `=~` wants a regular expression in slashes on its "
			"right.", "request_route { xlog(\"port \" + $sp); drop; }\n", "request_route { xlog(\"port $sp\"); drop; }\n" },
	[D_NULL] = { "the value may be null here", "A header may be absent, a user unknown. Say what happens then: `x ?? default`, `x ?? send_reply(404)`, or ask with "
		     "`if (x)`; behind that the check knows that it is there.", "request_route { $ru = $ru.prefix($ua); relay(); }\n",
		     "request_route { $ru = $ru.prefix($ua ?? \"\"); relay(); }\n" },
	[D_ASSIGN_TYPE] = { "the variable is of another type", "A `let` keeps the type of its first value.", "request_route { let n = 1; n = \"two\"; xlog(\"$(n)\"); drop; }\n",
			    "request_route { let n = 1; n = 2; xlog(\"$(n)\"); drop; }\n" },
	[D_READ_ONLY] = { "this cannot be assigned", "The reference says of each variable whether it may be set.", "request_route { $si = 10.0.0.1; drop; }\n",
			  "request_route { $du = \"sip:10.0.0.1\"; relay(); }\n" },
	[D_REPLY_CODE] = { "no reply code", "Reply codes are 100 to 699.", "request_route { send_reply(40); }\n", "request_route { send_reply(404); }\n" },
	[D_NO_VALUE] = { "this gives no value", "A function that only does something cannot be assigned or compared.", "request_route { let x = record_route(); xlog(x); drop; }\n",
			 "request_route { record_route(); drop; }\n" },
	[D_CONST_EXPR] = { "not known before the server runs", "Constants, settings and names of counters are fixed when the file is read: literals, other constants and "
			   "env().", "const HERE = $Ri;\nrequest_route { drop; }\n", "const HERE = 192.0.2.1;\nrequest_route { xlog(\"$(HERE)\"); drop; }\n" },
	[D_RETURN_TYPE] = { "a return that does not fit", "All returns of a route give the same type, and only a route[…] returns anything.",
			    "request_route { let n = route(F); xlog(\"$(n)\"); drop; }\nroute[F] { if (is_local($rd)) return 1; return \"a\"; }\n",
			    "request_route { let n = route(F); xlog(\"$(n)\"); drop; }\nroute[F] { if (is_local($rd)) return 1; return 2; }\n" },
	[D_LIMIT] = { "too large", "More than the machine keeps: over 256 variables in one route, or a value of over 4096 bytes in a setting." },

	[D_UNASSIGNED] = { "read before it is assigned", "On one of the ways to this line the variable has no value yet.",
			   "request_route { let x; if (is_local($rd)) x = \"a\"; xlog(x); drop; }\n", "request_route { let x = \"b\"; if (is_local($rd)) x = \"a\"; xlog(x); drop; }\n" },
	[D_SILENT] = { "a path that says nothing", "Every path answers, relays, forwards or says `drop`. Otherwise the caller would hear nothing and try again for half a "
		       "minute. The note shows where the paths part.", "request_route { if (is_local($rd)) relay(); }\n",
		       "request_route { if (is_local($rd)) relay(); else send_reply(403); }\n" },
	[D_TWO_FINALS] = { "two final answers on one path", "A final reply ends the run; a second one would never be sent.",
			   "request_route { if (is_local($rd)) { send_reply(404); send_reply(403); } drop; }\n", "request_route { if (is_local($rd)) send_reply(404); drop; }\n" },
	[D_RECURSION] = { "made of itself", "Routes do not call themselves, not even by way of others, and constants are not made of themselves: the stack of a run is "
			  "known before it starts. Use a loop.", "request_route { route(A); drop; }\nroute[A] { route(A); }\n", "request_route { route(A); drop; }\nroute[A] { xlog(\"a\"); }\n" },
	[D_ENDLESS] = { "a loop that cannot end", "Nothing in it changes its condition and nothing leaves it.", "request_route { let i = 0; while (i < 3) xlog(\"$(i)\"); drop; }\n",
			"request_route { let i = 0; while (i < 3) { xlog(\"$(i)\"); i = i + 1; } drop; }\n" },
	[D_AFTER_RELAY] = { "a statement behind a relay() whose answer is not used", "`relay();` as a statement of its own ends the run: nothing waits. To go on when the "
			    "answer is there, use it.", "request_route { relay(); xlog(\"done\"); }\n", "request_route { let a = relay(); xlog(\"done: $(a.code)\"); }\n" },
	[D_OUTSIDE_LOOP] = { "break or continue outside of a loop", "They are for `while` and `for`. A route is left by `return`, a run by `exit`.",
			     "request_route { break; }\n", "request_route { for (x in [1, 2]) { if (x == 2) break; xlog(\"$(x)\"); } drop; }\n" },

	[D_UNREACHABLE] = { "a statement that is never reached", "What stands before it ends the path on every way.", "request_route { drop; xlog(\"x\"); }\n",
			    "request_route { xlog(\"x\"); drop; }\n" },
	[D_UNUSED_ROUTE] = { "a route that is never called", "Perhaps a call is misspelt, or the route is left over.", "request_route { drop; }\nroute[X] { return; }\n",
			     "request_route { route(X); drop; }\nroute[X] { return; }\n" },
	[D_UNUSED_LET] = { "a variable that is never read", "Remove it, or begin its name with `_` when it is meant to be ignored.", "request_route { let n = 1; drop; }\n",
			   "request_route { let n = 1; xlog(\"$(n)\"); drop; }\n" },
	[D_NEAR_HEADER] = { "nearly the name of a well-known header", "A header of one's own is fine; one letter away from a known one it is a slip. Names that begin with X- "
			    "are never asked about.", "request_route { remove_hf(\"Cotnent-Type\"); relay(); }\n", "request_route { remove_hf(\"Content-Type\"); relay(); }\n" },
};

const struct explanation *diag_explanation(enum diag_code code)
{
	return &all[code];
}

static void put_example(struct buf *b, const char *heading, const char *text)
{
	struct str rest = str_of(text);

	if (!rest.len)
		return;
	buf_printf(b, "\n%s:\n\n", heading);
	while (rest.len) {
		struct str line = str_take_until(&rest, '\n');

		buf_printf(b, "    " STR_FMT "\n", STR_ARG(line));
	}
}

/* In lines that a terminal of 80 columns shows whole. */
static void put_paragraph(struct buf *b, const char *text)
{
	enum { WIDTH = 78 };
	struct str rest = str_of(text);
	size_t     column = 0;

	while (rest.len) {
		struct str word = str_take_until(&rest, ' ');

		if (column && column + 1 + word.len > WIDTH)
			column = 0;
		buf_printf(b, "%s" STR_FMT, column ? " " : b->len ? "\n" : "", STR_ARG(word));
		column += word.len + (column > 0);
	}
	buf_ch(b, '\n');
}

struct str diag_explain(struct arena *a, struct str name)
{
	enum { ROOM = 4096 };
	struct buf b = buf_on(arena_alloc(a, ROOM), ROOM);

	for (unsigned i = 0; b.p && i < D_COUNT; i++) {
		if (!str_ieqz(name, diag_code_text((enum diag_code)i)))
			continue;
		buf_printf(&b, "%s: %s\n", diag_code_text((enum diag_code)i), all[i].title);
		put_paragraph(&b, all[i].text);
		put_example(&b, "Wrong", all[i].wrong);
		put_example(&b, "Right", all[i].right);
		return buf_str(&b);
	}
	return STR_NONE;
}
