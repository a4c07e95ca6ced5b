/* URIs (RFC 3261 §19.1, RFC 3966) and parameters (§25.1). */
#include "test.h"

#include "msg/params.h"
#include "msg/uri.h"

TEST(uris_are_taken_apart)
{
	static const struct {
		const char *in, *user, *password, *host, *params, *headers;
		uint16_t    port;
	} rows[] = {
		{ "sip:alice@atlanta.com", "alice", "", "atlanta.com", "", "", 0 },	/* §19.1.3 */
		{ "sip:alice:secretword@atlanta.com;transport=tcp", "alice", "secretword", "atlanta.com", "transport=tcp", "", 0 },
		{ "sips:alice@atlanta.com?subject=project%20x&priority=urgent", "alice", "", "atlanta.com", "",
		  "subject=project%20x&priority=urgent", 0 },
		{ "sip:+1-212-555-1212:1234@gateway.com;user=phone", "+1-212-555-1212", "1234", "gateway.com", "user=phone", "", 0 },
		{ "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", "", "", "atlanta.com", "method=REGISTER",
		  "to=alice%40atlanta.com", 0 },
		{ "sip:alice;day=tuesday@atlanta.com", "alice;day=tuesday", "", "atlanta.com", "", "", 0 },
		{ "SIP:a@[2001:db8::1]:5070;lr", "a", "", "2001:db8::1", "lr", "", 5070 },
		{ "sip:[2001:db8::10:5070]", "", "", "2001:db8::10:5070", "", "", 0 },	/* RFC 5118 §4.3 */
		{ "sip:[2001:db8:::192.0.2.1]", "", "", "2001:db8:::192.0.2.1", "", "", 0 },	/* RFC 5118 §4.10 */
		{ "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
		  "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
		  "example.com", "", "", 0 },	/* RFC 4475 §3.1.1.2 */
		{ "tel:+1-201-555-0123", "+1-201-555-0123", "", "", "", "", 0 },	/* RFC 3966 §6 */
		{ "tel:863-1234;phone-context=+1-914-555", "863-1234", "", "", "phone-context=+1-914-555", "", 0 },
		{ "sip:*21#@pbx", "*21#", "", "pbx", "", "", 0 },	/* as phones dial it */
		{ "sip:my_host.lan:05060", "", "", "my_host.lan", "", "", 5060 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct uri u;

		CHECK_ROW(uri_parse(str_of(rows[i].in), &u) == OK, rows[i].in);
		CHECK_STR(u.user, rows[i].user);
		CHECK_STR(u.password, rows[i].password);
		CHECK_STR(u.host, rows[i].host);
		CHECK_STR(u.params, rows[i].params);
		CHECK_STR(u.headers, rows[i].headers);
		CHECK_ROW(u.port == rows[i].port, rows[i].in);
		CHECK_ROW(u.scheme == URI_TEL || u.has_user == (rows[i].user[0] != '\0'), rows[i].in);
	}
}

TEST(what_is_no_uri_is_refused)
{
	static const char *const rows[] = {
		"", "sip", "sip:", ":a", "1sip:a", "sip:@host", "sip:a@", "sip:a b@host", "sip:a@host ", " sip:host",
		"<sip:a@host>", "sip:a@host:", "sip:host:0", "sip:host:65536", "sip:host:5060x", "sip:a@b@c",
		"sip:2001:db8::10",	/* RFC 5118 §4.2 */
		"sip:[::1", "sip:[]", "sip:[1.2.3.4]", "sip:[::1]x", "sip:[:::::1]", "sip:-a.com", "sip:a-.com", "sip:a..b", "sip:.",
		"sip:1.2.3", "sip:256.1.1.1", "sip:1.2.3.4.5", "sip:01234.1.1.1", "sip:a%4", "sip:a%zz@b", "sip:b;x=%",
		"sip:host;", "sip:host;;a", "sip:host;a;;b", "sip:host;=a", "sip:host;a=", "sip:host;lr;LR", "sip:host;lr;%6C%72=on",
		"sip:host?", "sip:host?a", "sip:host?a=b&", "sip:host?=b", "sip:u@host;a=b@c", "sip:a\"b@c", "sip:h\xc3\xa9@c", "sip:h\r\n",
		"tel:", "tel:+", "tel:--", "tel:abcx", "tel:123;", "tel:1;;a", "isbn:", "name:a b", "sip:a@\x01",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct uri u = { .port = 77 };

		CHECK_ROW(uri_parse(str_of(rows[i]), &u) == ERR_SYNTAX && u.port == 77, rows[i]);
	}
	CHECK(uri_parse(STR_NONE, &(struct uri){ 0 }) == ERR_SYNTAX);
	CHECK(uri_parse(str_n("sip:a\0b@c", 9), &(struct uri){ 0 }) == ERR_SYNTAX);
}

TEST(too_many_parameters_are_refused_quickly)
{
	static char text[65000];
	struct uri  u;
	struct buf  b = buf_on(text, sizeof(text));

	BUF_LIT(&b, "sip:h");
	while (b.len < sizeof(text) - 8)
		buf_printf(&b, ";%zx", b.len);
	CHECK(uri_parse(buf_str(&b), &u) == ERR_SYNTAX);
}

TEST(other_schemes_are_kept_whole)
{
	struct uri u;

	CHECK(uri_parse(STR("soap.beep://192.0.2.103:3002"), &u) == OK && u.scheme == URI_OTHER);
	CHECK_STR(u.scheme_name, "soap.beep");
	CHECK_STR(u.rest, "//192.0.2.103:3002");
}

TEST(uri_parameters_are_found_escaped_or_not)
{
	struct uri u;
	struct str v = STR("");

	CHECK(uri_parse(STR("sip:h;%6C%72;n%61me=v%61lue%25%34%31;Maddr=x"), &u) == OK);	/* RFC 4475 §3.1.1.3 */
	CHECK(uri_param(&u, "lr", NULL) && uri_param(&u, "name", &v));
	CHECK_STR(v, "v%61lue%25%34%31");
	CHECK(uri_param(&u, "maddr", &v) && !uri_param(&u, "mad", NULL));
}

/* §19.1.4's own examples, and those of the rules that it has none for */
TEST(equal_uris_are_equal)
{
	static const struct { const char *a, *b; bool eq; } rows[] = {
		{ "sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true },
		{ "sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true },
		{ "sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true },
		{ "sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true },
		{ "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
		  "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true },
		{ "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
		  "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true },
		{ "SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false },
		{ "sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false },
		{ "sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false },
		{ "sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false },
		{ "sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false },
		{ "sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false },
		{ "sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on", false },
		{ "sip:a@h", "sips:a@h", false },
		{ "sip:a%3Bb@h", "sip:a;b@h", false },	/* reserved */
		{ "sip:a%00@h", "sip:a%00%00@h", false },	/* RFC 4475 §3.1.1.4 */
		{ "sip:a:x@h", "sip:a@h", false },
		{ "sip:h", "sip:a@h", false },
		{ "sip:[2001:DB8::1]", "sip:[2001:db8:0::1]", true },
		{ "sip:h;%6Cr", "sip:h;lr", true },
		{ "tel:+1-201-555-0123", "tel:+1(201)5550123", true },	/* RFC 3966 §5 */
		{ "tel:+12015550123;ext=1", "tel:+12015550123", false },
		{ "tel:7042;phone-context=Example.com", "tel:7042;phone-context=example.com", true },
		{ "isbn:1", "ISBN:1", true },
		{ "isbn:1", "isbn:2", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct uri a, b;

		CHECK_ROW(uri_parse(str_of(rows[i].a), &a) == OK && uri_parse(str_of(rows[i].b), &b) == OK, rows[i].a);
		CHECK_ROW(uri_eq(&a, &b) == rows[i].eq && uri_eq(&b, &a) == rows[i].eq, rows[i].a);
	}
}

/* RFC 3261 §10.3 step 5 */
TEST(equal_users_have_one_address_of_record)
{
	static const struct { const char *in, *aor; } rows[] = {
		{ "sip:Alice@Atlanta.COM:5061;transport=tcp?a=b", "sip:Alice@atlanta.com" },
		{ "sips:%41lice:pw@atlanta.com", "sip:Alice@atlanta.com" },
		{ "sip:a%3bb@h", "sip:a%3Bb@h" },
		{ "sip:a;b@h", "sip:a;b@h" },
		{ "sip:null-%00-null@example.com", "sip:null-%00-null@example.com" },	/* RFC 4475 §3.1.1.4 */
		{ "sip:%25%34%31@h", "sip:%2541@h" },	/* undone once, never twice (§3.1.1.3) */
		{ "sip:1#@h", "sip:1%23@h" },
		{ "sip:1%23@h", "sip:1%23@h" },
		{ "sip:a@[2001:DB8::1]:5070", "sip:a@[2001:db8::1]" },
		{ "sip:h", "sip:h" },
		{ "tel:+1-(201)-555.0123;ext=5", "tel:+12015550123" },
		{ "tel:70-42;phone-context=Example.com", "tel:7042;phone-context=example.com" },
		{ "isbn:123", "isbn:123" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char       room[128];
		struct buf b = buf_on(room, sizeof(room));
		struct uri u;

		CHECK_ROW(uri_parse(str_of(rows[i].in), &u) == OK, rows[i].in);
		uri_aor(&u, &b);
		CHECK_STR(buf_str(&b), rows[i].aor);
	}
}

/* §19.1.1, the table: neither headers nor method in a Request-URI */
TEST(a_request_uri_has_no_headers_and_no_method)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "sip:a@h:5061;lr;method=BYE;x=y?Route=%3Csip:e%3E", "sip:a@h:5061;lr;x=y" },
		{ "sip:h?a=b", "sip:h" },
		{ "sip:h;m%65thod=BYE", "sip:h" },
		{ "sips:a@[::1]", "sips:a@[::1]" },
		{ "tel:+1;ext=2", "tel:+1;ext=2" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char       room[128];
		struct buf b = buf_on(room, sizeof(room));
		struct uri u;

		CHECK_ROW(uri_parse(str_of(rows[i].in), &u) == OK, rows[i].in);
		uri_write_ruri(&u, &b);
		CHECK_STR(buf_str(&b), rows[i].out);
	}
}

TEST(hosts_are_told_apart)
{
	CHECK(host_is_ipv4(STR("192.0.2.255")) && !host_is_ipv4(STR("192.0.2.256")) && !host_is_ipv4(STR("1.2.3.")));
	CHECK(!host_is_ipv4(STR("")) && !host_is_ipv4(STR("1.2.3.4 ")) && !host_is_ipv4(STR("1.2.3.0004")));
	CHECK(host_is_ipv6(STR("::")) && host_is_ipv6(STR("::ffff:192.0.2.1")) && !host_is_ipv6(STR("[::1]")));
	CHECK(!host_is_ipv6(STR("2001:db8:::1")) && !host_is_ipv6(STR("1")) && !host_is_ipv6(str_n("::1\0", 4)));
	CHECK(host_ok(STR("example.com.")) && host_ok(STR("3f2a9c")) && !host_ok(STR("")) && !host_ok(STR("a..")));
}

TEST(escapes_are_undone_once)
{
	struct arena a;

	arena_init(&a, NULL, 0, 8192);
	CHECK_STR(uri_unescape(&a, STR("sips%3Auser%40example.com")), "sips:user@example.com");
	CHECK_STR(uri_unescape(&a, STR("%25%34%31%")), "%41%");
	CHECK(str_eq(uri_unescape(&a, STR("a%00b")), str_n("a\0b", 3)));
	CHECK_STR(quoted_unescape(&a, STR("J \\\\\\\"R\\")), "J \\\"R\\");
	CHECK(quoted_unescape(&a, STR("")).p && !uri_unescape(&a, str_n("", 9000)).p);
	arena_free(&a);
}

TEST(parameters_are_walked)
{
	struct str   rest = STR(" ; a = 1;b; c=\"x;\\\"y\" ;d=[::1];received=2001:db8::1");
	struct param p;
	bool         bad = false;

	CHECK(param_next(&rest, &p, &bad) && !p.quoted && p.has_value);
	CHECK_STR(p.name, "a");
	CHECK_STR(p.value, "1");
	CHECK(param_next(&rest, &p, &bad) && !p.has_value && p.value.len == 0);
	CHECK(param_next(&rest, &p, &bad) && p.quoted);
	CHECK_STR(p.value, "x;\\\"y");
	CHECK(param_next(&rest, &p, &bad));
	CHECK_STR(p.value, "[::1]");
	CHECK(param_next(&rest, &p, &bad));
	CHECK_STR(p.value, "2001:db8::1");
	CHECK(!param_next(&rest, &p, &bad) && !bad);
}

TEST(broken_parameters_are_noticed)
{
	static const struct { const char *in; bool ok; } rows[] = {
		{ "", true }, { "a", true }, { ";a=b;c", true }, { "a=b", true }, { ";", false }, { ";;a", false },
		{ "a;", false }, { "a=", false }, { "=b", false }, { "a b", false }, { "a=b c", false }, { "a=\"b", false },
		{ "a=\"b\\\"", false }, { "a=b,c", false }, { "a=<b>", false }, { "a;A", false }, { "a=\"b\"c", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(params_ok(str_of(rows[i].in)) == rows[i].ok, rows[i].in);
	CHECK(!param_find(STR(";ab=1"), "a", NULL));
}

/* qvalue, §25.1 */
TEST(q_is_read_in_thousandths)
{
	static const struct { const char *in; int q; } rows[] = {
		{ "", 1000 }, { "1", 1000 }, { "0", 0 }, { "0.7", 700 }, { "0.33", 330 }, { "0.001", 1 }, { "1.000", 1000 },
		{ "0.", 0 }, { "1.", 1000 }, { "1.001", -1 }, { "2", -1 }, { "0.0001", -1 }, { ".5", -1 }, { "-1", -1 },
		{ "0,5", -1 }, { "0.5x", -1 }, { "00", -1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint16_t q = 7;
		enum err err = qvalue_parse(str_of(rows[i].in), &q);

		CHECK_ROW(rows[i].q < 0 ? err == ERR_SYNTAX && q == 7 : err == OK && q == rows[i].q, rows[i].in);
	}
}

TEST(values_are_split_at_commas_outside_quotes_and_brackets)
{
	static const struct { const char *in; const char *values[4]; } rows[] = {
		{ "a", { "a" } }, { " a , b ", { "a", "b" } }, { "\"a,b\" <sip:x>, c", { "\"a,b\" <sip:x>", "c" } },
		{ "<sip:a,b@c>,d", { "<sip:a,b@c>", "d" } }, { "\"\\\",\",b", { "\"\\\",\"", "b" } },
		{ "a,,b", { "a", "", "b" } }, { "a,", { "a", "" } }, { ",", { "", "" } }, { "\"a,b", { "\"a,b" } },
		{ "<a,b", { "<a,b" } },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str rest = str_of(rows[i].in), value;

		for (size_t k = 0; rows[i].values[k]; k++) {
			CHECK_ROW(value_next(&rest, &value), rows[i].in);
			CHECK_STR(value, rows[i].values[k]);
		}
		CHECK_ROW(!value_next(&rest, &value), rows[i].in);
	}
}
