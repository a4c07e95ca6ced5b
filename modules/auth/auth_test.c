#include "modules/auth/auth.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "test.h"

extern const struct module module;

static int64_t unix_s;

static uint64_t fake_ms(void)
{
	return 1000;
}

static int64_t fake_unix_us(void)
{
	return unix_s * 1000000;
}

static const struct clock_source fake_clock = { fake_ms, fake_unix_us };

static void at(int64_t s)
{
	unix_s = s;
	clock_tick();
}

static void setup(void)
{
	clock_replace(&fake_clock);
	at(1800000000);
	CHECK_INT(shm_create(16 << 20, 2), OK);
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	auth_cfg = (struct auth_cfg){ .algorithms = 0x21, .nonce_expire_s = 300, .require_qop = true, .check_to = true, .check_from = true };
	CHECK_INT(nonce_boot(64), OK);
}

static void teardown(void)
{
	shm_destroy();
	clock_replace(NULL);
}

static struct str new_nonce(char room[NONCE_HEX])
{
	CHECK_INT(nonce_make(STR("example.org"), room), OK);
	return str_n(room, NONCE_HEX);
}

TEST(responses_of_the_rfcs_are_right)
{
	static const struct {
		const char    *what;
		enum algorithm a;
		const char    *user, *realm, *password, *method;
		const char    *nonce, *uri, *nc, *cnonce, *qop, *response;
	} rows[] = {
		{ "RFC 7616 §3.9.1, SHA-256", ALG_SHA256, "Mufasa", "http-auth@example.org", "Circle of Life", "GET",
		  "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "/dir/index.html", "00000001",
		  "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth",
		  "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" },
		{ "RFC 7616 §3.9.1, MD5", ALG_MD5, "Mufasa", "http-auth@example.org", "Circle of Life", "GET",
		  "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "/dir/index.html", "00000001",
		  "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "auth", "8ca523f5e9506fed4657c9700eebdbec" },
		{ "RFC 2617 §3.5", ALG_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", "GET",
		  "dcd98b7102dd2f0e8b11d0f600bfb0c093", "/dir/index.html", "00000001", "0a4f113b", "auth",
		  "6629fae49393a05397450978507c4ef1" },
		{ "the same without qop (RFC 2617 §3.2.2.1, RFC 2069)", ALG_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", "GET",
		  "dcd98b7102dd2f0e8b11d0f600bfb0c093", "/dir/index.html", NULL, NULL, NULL, "670fd8c2df070c60b045671b8b24ff02" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ha1    ha1;
		struct digest d = { .nonce = str_of(rows[i].nonce), .uri = str_of(rows[i].uri), .nc_text = str_of(rows[i].nc),
				    .cnonce = str_of(rows[i].cnonce), .qop = str_of(rows[i].qop), .response = str_of(rows[i].response) };
		struct str    known;

		CHECK_INT(ha1_make(str_of(rows[i].user), str_of(rows[i].realm), str_of(rows[i].password), &ha1), OK);
		known = rows[i].a == ALG_MD5 ? str_n(ha1.md5, MD5_HEX) : str_n(ha1.sha256, SHA256_HEX);
		CHECK_ROW(response_is_right(&d, rows[i].a, str_of(rows[i].method), known), rows[i].what);
		CHECK_ROW(!response_is_right(&d, rows[i].a, STR("POST"), known), rows[i].what);
		CHECK_ROW(!response_is_right(&d, rows[i].a, str_of(rows[i].method), STR_NONE), rows[i].what);
		d.response = str_to(d.response, d.response.len - 1);
		CHECK_ROW(!response_is_right(&d, rows[i].a, str_of(rows[i].method), known), rows[i].what);
	}
}

TEST(nobody_has_the_password_of_zeros)
{
	/* The stand-in for an unknown user's HA1 must not let in one who signs with it. */
	struct digest d = { .nonce = STR("n"), .uri = STR("sip:h") };
	char          zeros[MD5_HEX], h2[MD5_HEX], response[MD5_HEX];
	const struct str a2[] = { STR("INVITE:sip:h") }, kd[] = { str_n(zeros, MD5_HEX), STR(":n:"), str_n(h2, MD5_HEX) };

	memset(zeros, '0', sizeof(zeros));
	CHECK_INT(md5_hex(a2, 1, h2), OK);
	CHECK_INT(md5_hex(kd, 3, response), OK);
	d.response = str_n(response, MD5_HEX);
	CHECK(!response_is_right(&d, ALG_MD5, STR("INVITE"), STR_NONE));
	CHECK(response_is_right(&d, ALG_MD5, STR("INVITE"), str_n(zeros, MD5_HEX)));
}

TEST(a_nonce_is_good_for_its_time_and_realm_only)
{
	char         room[NONCE_HEX], bad[NONCE_HEX];
	struct str   text;
	struct nonce n;

	setup();
	text = new_nonce(room);
	CHECK_INT(nonce_check(text, STR("example.org"), 300, &n), NONCE_GOOD);
	CHECK(n.made == 1800000000 && n.index == 1);
	CHECK_INT(nonce_check(text, STR("example.net"), 300, &n), NONCE_FORGED);
	CHECK_INT(nonce_check(STR_NONE, STR("example.org"), 300, &n), NONCE_FORGED);
	CHECK_INT(nonce_check(str_to(text, NONCE_HEX - 2), STR("example.org"), 300, &n), NONCE_FORGED);
	for (size_t i = 0; i < NONCE_HEX; i++) {	/* any digit changed */
		memcpy(bad, room, NONCE_HEX);
		bad[i] = bad[i] == '0' ? '1' : '0';
		CHECK_INT(nonce_check(str_n(bad, NONCE_HEX), STR("example.org"), 300, &n), NONCE_FORGED);
		bad[i] = 'x';
		CHECK_INT(nonce_check(str_n(bad, NONCE_HEX), STR("example.org"), 300, &n), NONCE_FORGED);
	}
	at(1800000300);
	CHECK_INT(nonce_check(text, STR("example.org"), 300, &n), NONCE_GOOD);
	at(1800000301);
	CHECK_INT(nonce_check(text, STR("example.org"), 300, &n), NONCE_EXPIRED);
	at(1799999999);	/* the clock was set back */
	CHECK_INT(nonce_check(text, STR("example.org"), 300, &n), NONCE_EXPIRED);
	at(1800000000);
	CHECK_INT(nonce_boot(64), OK);	/* a new start: another secret */
	CHECK_INT(nonce_check(text, STR("example.org"), 300, &n), NONCE_FORGED);
	teardown();
}

TEST(a_nonce_count_is_good_once)
{
	static const struct {
		uint32_t nc;
		bool     first;
	} rows[] = {	/* RFC 7616 §3.4.5: replayed when it was seen; UDP brings them out of order */
		{ 0, false }, { 1, true }, { 1, false }, { 3, true }, { 2, true }, { 2, false }, { 3, false }, { 66, true }, { 3, false },
		{ 4, true }, { 4, false }, { 1000, true }, { 936, false }, { 937, true }, { 999, true }, { 0xffffffff, true },
		{ 0xffffffff, false }, { 1000, false },
	};
	const struct nonce n = { .index = 5 };

	setup();
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_INT(nonce_use(&n, rows[i].nc), rows[i].first);
	teardown();
}

TEST(a_younger_nonce_takes_the_place_of_an_older)
{
	setup();	/* a window of 64: index 1 and 65 share a place */
	CHECK(nonce_use(&(struct nonce){ .index = 1 }, 1));
	CHECK(nonce_use(&(struct nonce){ .index = 2 }, 1));
	CHECK(nonce_use(&(struct nonce){ .index = 65 }, 1));
	CHECK(!nonce_use(&(struct nonce){ .index = 1 }, 2));
	CHECK(!nonce_use(&(struct nonce){ .index = 65 }, 1));
	CHECK(nonce_use(&(struct nonce){ .index = 2 }, 2));
	teardown();
}

TEST(credentials_are_judged_before_the_store_is_asked)
{
	static const struct {
		const char    *what, *uri, *rest;
		bool           late, forged, no_qop_is_fine;
		enum judgement want;
	} rows[] = {
		{ "all there", "sip:example.org", ", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_ASK },
		{ "no algorithm means MD5", "sip:example.org", ", qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_ASK },
		{ "the same URI in other words", "SIP:EXAMPLE.org", ", qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_ASK },
		{ "another URI (RFC 7616 §3.4.6)", "sip:other.org", ", qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_BAD },
		{ "no URI", "", ", qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_BAD },
		{ "unknown algorithm", "sip:example.org", ", algorithm=X, qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_CHALLENGE },
		{ "-sess was not offered", "sip:example.org", ", algorithm=MD5-sess, qop=auth, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_CHALLENGE },
		{ "auth-int was not offered", "sip:example.org", ", qop=auth-int, nc=00000001, cnonce=\"c\"", 0, 0, 0, JUDGE_CHALLENGE },
		{ "nc 0", "sip:example.org", ", qop=auth, nc=00000000, cnonce=\"c\"", 0, 0, 0, JUDGE_CHALLENGE },
		{ "no nc (RFC 3261 §22.4)", "sip:example.org", ", qop=auth, cnonce=\"c\"", 0, 0, 0, JUDGE_CHALLENGE },
		{ "no cnonce", "sip:example.org", ", qop=auth, nc=00000001", 0, 0, 0, JUDGE_CHALLENGE },
		{ "no qop", "sip:example.org", "", 0, 0, 0, JUDGE_CHALLENGE },
		{ "no qop, tolerated", "sip:example.org", "", 0, 0, 1, JUDGE_ASK },
		{ "nonce is over", "sip:example.org", ", qop=auth, nc=00000001, cnonce=\"c\"", 1, 0, 0, JUDGE_STALE },
		{ "nonce is not ours (RFC 7616 §3.3)", "sip:example.org", ", qop=auth, nc=00000001, cnonce=\"c\"", 0, 1, 0, JUDGE_STALE },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char           nonce[NONCE_HEX + 1] = "", text[512];
		struct digest  d;
		struct uri     ruri;
		struct nonce   n;
		enum algorithm a;

		setup();
		new_nonce(nonce);
		if (rows[i].forged)
			nonce[0] ^= 1;
		if (rows[i].late)
			at(1800000301);
		auth_cfg.require_qop = !rows[i].no_qop_is_fine;
		snprintf(text, sizeof(text), "Digest username=\"alice\", realm=\"example.org\", nonce=\"%s\", uri=\"%s\", response=\"x\"%s",
			 nonce, rows[i].uri, rows[i].rest);
		CHECK_INT(digest_parse(str_of(text), &d), OK);
		CHECK_INT(uri_parse(STR("sip:example.org"), &ruri), OK);
		CHECK_ROW(judge(&d, STR("example.org"), &ruri, &a, &n) == rows[i].want, rows[i].what);
		teardown();
	}
}

TEST(an_algorithm_that_is_switched_off_is_not_accepted)
{
	char           nonce[NONCE_HEX];
	struct uri     ruri;
	struct nonce   n;
	enum algorithm a;
	struct digest  d = { .username = STR("alice"), .uri = STR("sip:h"), .qop = STR("auth"), .has_nc = true, .nc = 1, .cnonce = STR("c") };

	setup();
	CHECK_INT(uri_parse(STR("sip:h"), &ruri), OK);
	d.nonce = new_nonce(nonce);
	d.algorithm = STR("md5");
	CHECK_INT(judge(&d, STR("example.org"), &ruri, &a, &n), JUDGE_ASK);
	auth_cfg.algorithms = 0x1;
	CHECK_INT(judge(&d, STR("example.org"), &ruri, &a, &n), JUDGE_CHALLENGE);
	d.algorithm = STR("sha-256");
	CHECK_INT(judge(&d, STR("example.org"), &ruri, &a, &n), JUDGE_ASK);
	teardown();
}

TEST(each_algorithm_is_a_challenge_the_preferred_first)
{
	char       room[1024], want[1024];
	struct buf out = buf_on(room, sizeof(room)), small = buf_on(room, 100);
	struct str nonce;

	setup();	/* RFC 8760 §2.3, §2.6 item 8 */
	CHECK_INT(challenge_write(asking_for(M_REGISTER), auth_cfg.algorithms, STR("example.org"), false, &out), OK);
	nonce = str_n(room + sizeof("WWW-Authenticate: Digest realm=\"example.org\", nonce=\"") - 1, NONCE_HEX);
	snprintf(want, sizeof(want),
		 "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"" STR_FMT "\", algorithm=SHA-256, qop=\"auth\"\r\n"
		 "WWW-Authenticate: Digest realm=\"example.org\", nonce=\"" STR_FMT "\", algorithm=MD5, qop=\"auth\"\r\n",
		 STR_ARG(nonce), STR_ARG(nonce));
	CHECK_STR(buf_str(&out), want);
	auth_cfg.algorithms = 0x2;
	out = buf_on(room, sizeof(room));
	CHECK_INT(challenge_write(asking_for(M_INVITE), auth_cfg.algorithms, STR("h"), true, &out), OK);
	CHECK(str_starts(buf_str(&out), STR("Proxy-Authenticate: Digest realm=\"h\", nonce=\"")));
	CHECK(str_ends(buf_str(&out), STR("\", algorithm=MD5, qop=\"auth\", stale=true\r\n")));
	CHECK_INT(challenge_write(asking_for(M_INVITE), auth_cfg.algorithms, STR("h"), true, &small), ERR_LIMIT);
	teardown();
}

TEST(clients_that_stumble_over_sha256_are_offered_md5_alone)
{
	static const struct { const char *agent; bool md5_alone; } rows[] = {
		{ "baresip v1.0.0 (x86_64/linux)", true }, { "BARESIP v0.6", true }, { "SIPp", true },
		{ "baresip v3.1.0", false }, { "Linphone/5", false }, { "", false }, { "my baresip v1", false },
	};

	setup();
	auth_cfg.md5_only = STR("baresip v0, baresip v1,SIPp,");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW((algorithms_for(str_of(rows[i].agent)) == 0x2) == rows[i].md5_alone, rows[i].agent);
	auth_cfg.algorithms = 0x1;	/* an operator who has ruled MD5 out means it */
	CHECK_INT(algorithms_for(STR("SIPp")), 0x1);
	teardown();
}

TEST(a_username_may_carry_its_realm)
{
	CHECK_STR(user_of(STR("alice"), STR("example.org")), "alice");
	CHECK_STR(user_of(STR("alice@Example.org"), STR("example.org")), "alice");
	CHECK_STR(user_of(STR("alice@example.net"), STR("example.org")), "alice@example.net");
	CHECK_STR(user_of(STR("@example.org"), STR("example.org")), "@example.org");
	CHECK_STR(user_of(STR("xexample.org"), STR("example.org")), "xexample.org");
}

TEST(no_room_for_the_nonces_is_an_error)
{
	CHECK_INT(shm_create(16 << 20, 2), OK);
	shm_fail_after(1);
	CHECK_INT(nonce_boot(65536), ERR_NOMEM);
	shm_fail_after(0);
	shm_destroy();
}
