/* Bodies of header fields. */
#include "test.h"

#include "msg/fields.h"

TEST(name_addrs_are_taken_apart)
{
	static const struct { const char *in, *display, *uri, *params; bool brackets; } rows[] = {
		{ "\"A. G. Bell\" <sip:agb@bell-telephone.com> ;tag=a48s", "A. G. Bell", "sip:agb@bell-telephone.com", ";tag=a48s", true },
		{ "sip:+12125551212@server.phone2net.com;tag=887s", "", "sip:+12125551212@server.phone2net.com", ";tag=887s", false },
		{ "Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous", "sip:c8oqz84zk7z@privacy.org", ";tag=hyh8", true },
		{ "<sip:a@h;lr?x=y>", "", "sip:a@h;lr?x=y", "", true },
		{ "caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", ";tag=323", true },	/* RFC 4475 §3.1.1.6 */
		{ "\"J Rosenberg \\\\\\\"\"       <sip:j@e.com>\r\n  ;\r\n  tag = 98", "J Rosenberg \\\\\\\"", "sip:j@e.com",
		  ";\r\n  tag = 98", true },	/* §3.1.1.1 */
		{ "\"<sip:x@y>\" <sip:a@h>", "<sip:x@y>", "sip:a@h", "", true },
		{ "two words <sip:a@h>", "two words", "sip:a@h", "", true },
		{ "J\xc3\xb6rg (work) <sip:a@h>", "J\xc3\xb6rg (work)", "sip:a@h", "", true },
		{ "\"\"<sip:a@h>", "", "sip:a@h", "", true },
		{ "sip:a@h;x=\"<>\"", "", "sip:a@h", ";x=\"<>\"", false },
		{ "isbn:2983792873", "", "isbn:2983792873", "", false },	/* §3.3.5 */
		{ "<tel:+1201;ext=5>;x", "", "tel:+1201;ext=5", ";x", true },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct name_addr na;

		CHECK_ROW(name_addr_parse(str_of(rows[i].in), &na) == OK, rows[i].in);
		CHECK_STR(na.display, rows[i].display);
		CHECK_STR(na.uri_text, rows[i].uri);
		CHECK_STR(na.params, rows[i].params);
		CHECK_ROW(na.brackets == rows[i].brackets && !na.star, rows[i].in);
	}
}

TEST(what_is_no_name_addr_is_refused)
{
	static const char *const rows[] = {
		"", " ", "\"Mr. J. User <sip:j@e.com>", "< sip:a@h >", "<sip:a@h", "sip:a@h>", "Bell, Alexander <sip:a@h>;tag=43",
		"\"a\"", "\"a\" sip:a@h", "\"a\" b <sip:a@h>", "<>", "a@h", "sip:a@h?x=y", "sip:a,b@h", "<sip:a@h>x", "<sip:a@h>;",
		"<sip:a@h>;;tag=1", "<sip:a@h>;tag=1;tag=2", "<sip:a@h>, <sip:b@h>", "<sip:a@h> <sip:b@h>", "* ;q=1", "a\\b <sip:a@h>",
		"sip:victim@x <sip:a@h>",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct name_addr na = { .star = true };

		CHECK_ROW(name_addr_parse(str_of(rows[i]), &na) == ERR_SYNTAX && na.star, rows[i]);
	}
}

TEST(tags_are_found)
{
	struct name_addr na;

	CHECK(name_addr_parse(STR("<sip:a@h;tag=no>;x=\";tag=no\";TAG=yes"), &na) == OK);
	CHECK_STR(na.tag, "yes");
	CHECK(name_addr_parse(STR("<sip:a@h>"), &na) == OK && !na.has_tag);
	CHECK(name_addr_parse(STR(" * "), &na) == OK && na.star);
}

/* A parameter of a bare addr-spec is the header's (RFC 3261 §20.10; RFC 4475 §3.3.12). */
TEST(parameters_belong_to_the_header_without_brackets)
{
	struct name_addr na;

	CHECK(name_addr_parse(STR("sip:+19725552222@gw1.example.net;unknownparam"), &na) == OK);
	CHECK(!na.uri.params.len && param_find(na.params, "unknownparam", NULL));
	CHECK(name_addr_parse(STR("<sip:+19725552222@gw1.example.net;unknownparam>"), &na) == OK);
	CHECK(uri_param(&na.uri, "unknownparam", NULL) && !na.params.len);
}

TEST(vias_are_taken_apart)
{
	static const struct { const char *in, *transport, *host, *branch, *received; uint16_t port; int rport; } rows[] = {
		{ "SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7", "UDP", "erlang.bell-telephone.com",
		  "z9hG4bK87asdks7", "", 5060, -1 },
		{ "SIP/2.0/UDP 192.0.2.1:5060 ;received=192.0.2.207;branch=z9hG4bK77asjd", "UDP", "192.0.2.1", "z9hG4bK77asjd",
		  "192.0.2.207", 5060, -1 },
		{ "SIP / 2.0 / UDP first.example.com: 4000;ttl=16\r\n  ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1", "UDP",
		  "first.example.com", "z9hG4bKa7c6a8dlze.1", "", 4000, -1 },
		{ "SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw", "UDP", "192.0.2.2", "390skdjuw", "", 0, -1 },
		{ "SIP/2.0/TCP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", "TCP", "10.1.1.1", "z9hG4bKkjshdyff", "", 4540, 0 },
		{ "SIP/2.0/UDP 10.1.1.1;received=192.0.2.1;rport=9988", "UDP", "10.1.1.1", "", "192.0.2.1", 0, 9988 },
		{ "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111", "UDP", "2001:db8::9:1",
		  "z9hG4bKas3-111", "2001:db8::9:255", 0, -1 },	/* RFC 5118 §4.5 */
		{ "SIP/2.0/UDP [2001:db8::9:1]:6050;received=2001:db8::9:255", "UDP", "2001:db8::9:1", "", "2001:db8::9:255", 6050, -1 },
		{ "SIP/7.0/UDP c.example.com", "UDP", "c.example.com", "", "", 0, -1 },	/* RFC 4475 §3.1.2.16 */
		{ "SIP/2.0/UNKNOWN t4.example.com", "UNKNOWN", "t4.example.com", "", "", 0, -1 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct via v;

		CHECK_ROW(via_parse(str_of(rows[i].in), &v) == OK, rows[i].in);
		CHECK_STR(v.transport, rows[i].transport);
		CHECK_STR(v.host, rows[i].host);
		CHECK_STR(v.branch, rows[i].branch);
		CHECK_STR(v.received, rows[i].received);
		CHECK_ROW(v.port == rows[i].port && v.has_rport == (rows[i].rport >= 0), rows[i].in);
		CHECK_ROW(!v.has_rport || v.rport == rows[i].rport, rows[i].in);
	}
}

TEST(what_is_no_via_is_refused)
{
	static const char *const rows[] = {
		"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 UDP h", "HTTP/1.1/TCP h", "SIP/2.0/UDPh", "SIP/2.0/UDP h h",
		"SIP/2.0/UDP 2001:db8::1", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP h;",
		"SIP/2.0/UDP 192.0.2.15;;,;,,", "SIP/2.0/UDP h;branch=", "SIP/2.0/UDP h;branch", "SIP/2.0/UDP h;branch=a;branch=b",
		"SIP/2.0/UDP h;rport=x", "SIP/2.0/UDP h;rport=0", "SIP/2.0/UDP h;rport=", "SIP/2.0/UDP h;received",
		"SIP/2.0/UDP h (comment)", "SIP/2.0/UDP [::1", "SIP//UDP h", "/2.0/UDP h",
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(via_parse(str_of(rows[i]), &(struct via){ 0 }) == ERR_SYNTAX, rows[i]);
}

TEST(a_branch_of_rfc_3261_has_the_cookie_and_more)
{
	struct via v;

	CHECK(via_parse(STR("SIP/2.0/UDP h;branch=z9hG4bKx"), &v) == OK && via_branch_3261(&v));
	CHECK(via_parse(STR("SIP/2.0/UDP h;branch=z9hG4bK"), &v) == OK && !via_branch_3261(&v));
	CHECK(via_parse(STR("SIP/2.0/UDP h;branch=390skdjuw"), &v) == OK && !via_branch_3261(&v));
	CHECK(via_parse(STR("SIP/2.0/UDP h"), &v) == OK && !via_branch_3261(&v));
}

TEST(cseq_needs_a_small_number_and_a_method)
{
	static const struct { const char *in; bool ok; uint32_t num; } rows[] = {
		{ "1 INVITE", true, 1 }, { "0009\r\n  INVITE", true, 9 }, { "2147483647 ACK", true, 2147483647 },
		{ "2147483648 ACK", false, 0 }, { "36893488147419103232 REGISTER", false, 0 }, { "1", false, 0 }, { "1INVITE", false, 0 },
		{ "INVITE 1", false, 0 }, { "-1 BYE", false, 0 }, { "1 BYE x", false, 0 }, { "", false, 0 }, { "1 B<E", false, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cseq c = { 0 };

		CHECK_ROW((cseq_parse(str_of(rows[i].in), &c) == OK) == rows[i].ok && c.num == rows[i].num, rows[i].in);
	}
}

TEST(contacts_carry_what_a_registrar_reads)
{
	struct contact c;

	CHECK(contact_parse(STR("\"W\" <sip:w@h>;q=0.7;expires=3600;+sip.instance=\"<urn:uuid:0-1>\";reg-id=2"), &c) == OK);
	CHECK(c.has_q && c.q == 700 && c.has_expires && c.expires == 3600 && c.reg_id == 2);
	CHECK_STR(c.instance, "urn:uuid:0-1");
	CHECK(contact_parse(STR("sip:w@h"), &c) == OK && !c.has_q && c.q == 1000 && !c.has_expires && !c.instance.len);
	CHECK(contact_parse(STR("*"), &c) == OK && c.addr.star);
	/* RFC 3261 §10.2.1.1, §20.19 */
	CHECK(contact_parse(STR("<sip:w@h>;expires=soon"), &c) == OK && c.expires == 3600);
	CHECK(contact_parse(STR("<sip:w@h>;expires"), &c) == OK && c.expires == 3600);
	CHECK(contact_parse(STR("<sip:w@h>;expires=280297596632815"), &c) == OK && c.expires == UINT32_MAX);
	CHECK(contact_parse(STR("<sip:w@h>;reg-id=0;+sip.instance=x"), &c) == OK && c.reg_id == 0);
	CHECK(contact_parse(STR("<sip:w@h>;q=2"), &c) == ERR_SYNTAX);
	CHECK(contact_parse(STR("<sip:w@h>;q"), &c) == ERR_SYNTAX);
	CHECK(contact_parse(STR("<sip:w@h>;expires=1;Expires=2"), &c) == ERR_SYNTAX);
}

/* RFC 7616 §3.9.1, RFC 3261 §22.4 */
TEST(digest_credentials_are_read)
{
	struct digest d;

	CHECK(digest_parse(STR("Digest username=\"Mu\\\"fasa\",\r\n realm=\"http-auth@example.org\", uri=\"/dir/index.html\","
			       " algorithm=SHA-256 , nonce=\"7ypf/x,lj9\", nc=0000001f, cnonce=\"f2/w\", qop=auth,"
			       " response=\"753927fa\", opaque=\"FQhe\", unknown=x, stale=TRUE"), &d) == OK);
	CHECK_STR(d.username, "Mu\\\"fasa");
	CHECK_STR(d.realm, "http-auth@example.org");
	CHECK_STR(d.nonce, "7ypf/x,lj9");
	CHECK_STR(d.algorithm, "SHA-256");
	CHECK_STR(d.response, "753927fa");
	CHECK_STR(d.qop, "auth");
	CHECK(d.has_nc && d.nc == 31 && d.stale);
	CHECK_STR(d.nc_text, "0000001f");
	CHECK(digest_parse(STR("digest realm=\"a\",qop=\"auth,auth-int\",domain=\"sip:x sip:y\""), &d) == OK && !d.has_nc);
	CHECK_STR(d.qop, "auth,auth-int");
}

TEST(broken_credentials_are_refused)
{
	static const struct { const char *in; enum err err; } rows[] = {
		{ "NoOneKnowsThisScheme opaque-data=here", ERR_UNSUPPORTED },	/* RFC 4475 §3.3.7 */
		{ "Basic QWxhZGRpbg==", ERR_UNSUPPORTED }, { "", ERR_SYNTAX }, { "Digest", ERR_SYNTAX }, { "Digest ", ERR_SYNTAX },
		{ "Digest realm", ERR_SYNTAX }, { "Digest realm=", ERR_SYNTAX }, { "Digest realm=\"x", ERR_SYNTAX },
		{ "Digest realm=\"x\" nonce=\"y\"", ERR_SYNTAX }, { "Digest realm=\"x\",", ERR_SYNTAX },
		{ "Digest realm=\"x\",,nonce=y", ERR_SYNTAX }, { "Digest nc=1", ERR_SYNTAX }, { "Digest nc=0000000g", ERR_SYNTAX },
		{ "Digest realm=a,Realm=b", ERR_SYNTAX }, { "Digest =a", ERR_SYNTAX }, { "Digest realm=a\"b\"", ERR_SYNTAX },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(digest_parse(str_of(rows[i].in), &(struct digest){ 0 }) == rows[i].err, rows[i].in);
}

TEST(a_number_stands_alone)
{
	uint32_t n;

	CHECK(number_parse(STR(" 0068 "), &n) == OK && n == 68);
	CHECK(number_parse(STR(""), &n) == ERR_SYNTAX && number_parse(STR("-999"), &n) == ERR_SYNTAX);
	CHECK(number_parse(STR("1 2"), &n) == ERR_SYNTAX && number_parse(STR("4294967296"), &n) == ERR_SYNTAX);
}
