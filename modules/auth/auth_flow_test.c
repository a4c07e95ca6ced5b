/* authenticate() on requests that came in by the real proxy floor, up to the question to the store and from its answer on. */
#include "modules/auth/auth.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "net/mailbox.h"
#include "test.h"

extern const struct module module;

static struct {
	struct flow         from;
	char                sent[4096];	/* the last answer */
	size_t              answers;
	struct value        realm;
	struct attempt      attempt;	/* of the last request */
	enum verdict        begun, ended;
	enum err            store;	/* what it answers */
	struct credentials  cred;
	char                kept[4096];	/* the request as it would be relayed */
	char                user[64], in_realm[64];
} w;

static void swallow(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void capture(const struct flow *to, struct str bytes)
{
	(void)to;
	w.answers++;
	CHECK(str_cstr(bytes, w.sent, sizeof(w.sent)));
}

static void script(struct request *r)
{
	struct call c = { .req = r, .c = &r->c, .argc = 1, .argv = &w.realm };
	struct buf  out = buf_on(w.kept, sizeof(w.kept) - 1);

	w.begun = w.ended = attempt_begin(&c, &w.attempt);
	if (w.begun == V_SUSPEND)
		w.ended = attempt_end(r, &w.attempt, w.store, &w.cred);
	snprintf(w.user, sizeof(w.user), STR_FMT, STR_ARG(r->auth_user));
	snprintf(w.in_realm, sizeof(w.in_realm), STR_FMT, STR_ARG(r->auth_realm));
	msg_write(&r->msg, &out);
	w.kept[out.len] = 0;
	request_done(r);
}

static bool is_local(struct str host)
{
	return str_ieqz(host, "example.org");
}

static void setup(void)
{
	static const struct proxy_user user = { .request = script, .is_local = is_local };
	static const struct net_user   net = { .received = proxy_received };
	static struct ha1              ha1;

	memset(&w, 0, sizeof(w));
	CHECK(!shm_create(64 << 20, 3) && !timer_boot() && !mailbox_boot() && !tm_boot(1024));
	for (size_t i = 0; module.counters[i]; i++)
		if (!module.counters[i]->id)
			counter_register(module.counters[i]);
	proc_enter(1, "worker 1");
	net_replace(capture);
	net_set_user(&net);
	w.from.via = net_fake_listener(TP_UDP, "127.0.0.1", 5060);
	CHECK(w.from.via && !addr_parse(STR("127.0.0.2"), 5070, &w.from.peer));
	CHECK(!proxy_boot(&user));
	auth_cfg = (struct auth_cfg){ .algorithms = 0x21, .nonce_expire_s = 300, .require_qop = true, .check_to = true, .check_from = true };
	CHECK_INT(nonce_boot(64), OK);
	CHECK_INT(ha1_make(STR("alice"), STR("example.org"), STR("secret"), &ha1), OK);
	w.cred = (struct credentials){ str_n(ha1.md5, MD5_HEX), str_n(ha1.sha256, SHA256_HEX) };
	log_set_level(LOG_ERROR);
}

static void teardown(void)
{
	log_redirect(NULL);
	net_replace(NULL);
	net_close_all();
	shm_destroy();
}

struct ask {
	const char *method, *ruri, *from, *to, *more;
};

static void receive(struct ask q)
{
	static unsigned last;
	unsigned        n = ++last;
	char            text[4096];
	int             len = snprintf(text, sizeof(text),
				       "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\n"
				       "From: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: c%u\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
				       q.method, q.ruri, n, q.from, q.to, n, q.method, q.more);

	w.sent[0] = 0;
	net_inject(str_n(text, (size_t)len), &w.from);
	net_flush();
}

static const struct ask REGISTER = { "REGISTER", "sip:example.org", "sip:alice@example.org", "sip:alice@example.org", "" };

static bool sent_has(const char *text)
{
	if (strstr(w.sent, text))
		return true;
	print_error("no \"%s\" in:\n%s\n", text, w.sent);
	return false;
}

/* The nonce of the last challenge. */
static struct str nonce(void)
{
	const char *at = strstr(w.sent, "nonce=\"");

	CHECK(at);
	return str_n(at + 7, NONCE_HEX);
}

/* Credentials of alice as a phone makes them. */
static const char *credentials(const char *header, const char *algorithm, const char *user, const char *method, const char *uri,
			       struct str n, unsigned nc)
{
	static char      out[1024];
	char             copy[NONCE_HEX], h2[SHA256_HEX], response[SHA256_HEX], count[9];
	bool             md5 = !strcmp(algorithm, "MD5");
	enum err       (*hash)(const struct str *part, size_t k, char *to) = md5 ? md5_hex : sha256_hex;
	int              hex = md5 ? MD5_HEX : SHA256_HEX;
	const struct str a2[] = { str_of(method), STR(":"), str_of(uri) };
	struct str       kd[] = { md5 ? w.cred.ha1_md5 : w.cred.ha1_sha256, STR(":"), str_n(copy, n.len), STR(":"), str_n(count, 8),
				  STR(":cn:auth:"), str_n(h2, (size_t)hex) };

	memcpy(copy, n.p, n.len);
	snprintf(count, sizeof(count), "%08x", nc);
	CHECK(!hash(a2, COUNT_OF(a2), h2) && !hash(kd, COUNT_OF(kd), response));
	snprintf(out, sizeof(out),
		 "%s: Digest username=\"%s\", realm=\"example.org\", nonce=\"%.*s\", uri=\"%s\", response=\"%.*s\", algorithm=%s, "
		 "qop=auth, nc=%s, cnonce=\"cn\"\r\n",
		 header, user, NONCE_HEX, copy, uri, hex, response, algorithm, count);
	return out;
}

static void register_with(const char *user, struct str n, unsigned nc)
{
	struct ask q = REGISTER;

	q.more = credentials("Authorization", "SHA-256", user, "REGISTER", "sip:example.org", n, nc);
	receive(q);
}

TEST(a_stranger_is_asked_by_the_kind_of_request)
{
	struct ask invite = { "INVITE", "sip:bob@example.net", "sip:alice@Example.ORG", "sip:bob@example.net", "" };

	setup();
	receive(REGISTER);	/* RFC 3261 §22.2 */
	CHECK(w.begun == V_END && sent_has("SIP/2.0 401 Unauthorized\r\n"));
	CHECK(sent_has("\r\nWWW-Authenticate: Digest realm=\"example.org\"") && sent_has("algorithm=SHA-256") && sent_has("algorithm=MD5"));
	CHECK(tm_alive() == 0);	/* a question costs no memory */
	receive(invite);	/* §22.3 */
	CHECK(sent_has("SIP/2.0 407 Proxy Authentication Required\r\n") && sent_has("\r\nProxy-Authenticate: Digest realm=\"example.org\""));
	w.realm = value_str(STR("corp.example"));
	receive(invite);
	CHECK(sent_has("realm=\"corp.example\""));
	w.realm = value_str(STR("no\"quote"));
	receive(invite);
	CHECK(sent_has("SIP/2.0 403 "));
	teardown();
}

TEST(good_credentials_let_in_and_are_taken_out)
{
	static const struct {
		const char *algorithm, *user;
	} rows[] = { { "SHA-256", "alice" }, { "MD5", "alice" } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ask q = { "INVITE", "sip:bob@example.net", "sip:alice@example.org", "sip:bob@example.net", "" };
		char       more[2048];

		setup();
		receive(q);
		snprintf(more, sizeof(more), "Proxy-Authorization: Digest realm=\"further.example\", nonce=\"x\"\r\n%s",
			 credentials("Proxy-Authorization", rows[i].algorithm, rows[i].user, "INVITE", "sip:bob@example.net", nonce(), 1));
		q.more = more;
		receive(q);
		CHECK(w.begun == V_SUSPEND && w.ended == V_OK && !w.sent[0]);
		CHECK_STR(str_of(w.user), "alice");
		CHECK_STR(str_of(w.in_realm), "example.org");
		CHECK(strstr(w.kept, "further.example") && !strstr(w.kept, "realm=\"example.org\""));	/* only ours (§22.3) */
		teardown();
	}
}

TEST(a_nonce_serves_many_requests_each_count_once)
{
	char       room[NONCE_HEX];
	struct str n;

	setup();
	receive(REGISTER);
	memcpy(room, nonce().p, NONCE_HEX);
	n = str_n(room, NONCE_HEX);
	for (unsigned nc = 1; nc < 5; nc++) {
		register_with("alice", n, nc);
		CHECK_INT(w.ended, V_OK);
	}
	register_with("alice", n, 3);	/* somebody heard it */
	CHECK(w.ended == V_END && sent_has("SIP/2.0 401 ") && sent_has(", stale=true"));
	register_with("alice", n, 5);
	CHECK_INT(w.ended, V_OK);
	teardown();
}

TEST(wrong_credentials_are_asked_again_whoever_it_is)
{
	char first[4096];

	setup();
	receive(REGISTER);
	w.store = ERR_NOT_FOUND;	/* no such user */
	register_with("alice", nonce(), 1);
	CHECK(w.ended == V_END && sent_has("SIP/2.0 401 ") && !strstr(w.sent, "stale"));
	strcpy(first, strstr(w.sent, "SIP/2.0 401"));
	w.store = OK;
	register_with("alice", nonce(), 1);	/* the password is right now, the nonce was not used up by the failure */
	CHECK_INT(w.ended, V_OK);
	receive(REGISTER);
	{
		struct ask q = REGISTER;
		char       more[1024];

		strcpy(more, credentials("Authorization", "SHA-256", "alice", "REGISTER", "sip:example.org", nonce(), 1));
		strstr(more, "response=\"")[10] ^= 1;
		q.more = more;
		receive(q);
	}
	CHECK(w.ended == V_END && sent_has("SIP/2.0 401 ") && !strstr(w.sent, "stale"));
	CHECK_INT(strlen(first) / 8, strlen(w.sent) / 8);	/* the two answers look alike */
	teardown();
}

TEST(a_user_registers_only_itself)
{
	struct ask q = { "REGISTER", "sip:example.org", "sip:alice@example.org", "sip:bob@example.org", "" };

	setup();	/* RFC 3261 §10.3 step 4 */
	receive(q);
	q.more = credentials("Authorization", "SHA-256", "alice", "REGISTER", "sip:example.org", nonce(), 1);
	receive(q);
	CHECK(w.ended == V_END && sent_has("SIP/2.0 403 "));
	q.to = "sip:%61lice@Example.org";
	q.more = "";
	receive(q);
	q.more = credentials("Authorization", "SHA-256", "alice", "REGISTER", "sip:example.org", nonce(), 1);
	receive(q);
	CHECK_INT(w.ended, V_OK);
	auth_cfg.check_to = false;
	q.to = "sip:bob@example.org";
	q.more = "";
	receive(q);
	q.more = credentials("Authorization", "SHA-256", "alice", "REGISTER", "sip:example.org", nonce(), 1);
	receive(q);
	CHECK_INT(w.ended, V_OK);
	teardown();
}

TEST(a_user_calls_only_in_its_own_name)
{
	static const struct { const char *from; bool check; enum verdict ended; } rows[] = {
		{ "sip:alice@example.org", true, V_OK },
		{ "sip:%61lice@Example.org", true, V_OK },
		{ "sip:bob@example.org", true, V_END },
		{ "sip:bob@example.org", false, V_OK },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ask q = { "INVITE", "sip:bob@example.org", rows[i].from, "sip:bob@example.org", "" };

		setup();
		auth_cfg.check_from = rows[i].check;
		receive(q);
		q.more = credentials("Proxy-Authorization", "SHA-256", "alice", "INVITE", "sip:bob@example.org", nonce(), 1);
		receive(q);
		CHECK_ROW(w.ended == rows[i].ended && (rows[i].ended == V_OK || sent_has("SIP/2.0 403 ")), rows[i].from);
		teardown();
	}
}

TEST(a_store_that_is_away_is_503)
{
	setup();
	receive(REGISTER);
	w.store = ERR_IO;
	log_redirect(swallow);
	register_with("alice", nonce(), 1);
	CHECK(w.ended == V_END && sent_has("SIP/2.0 503 ") && sent_has("\r\nRetry-After: 5\r\n"));
	teardown();
}

TEST(credentials_for_another_request_are_400)
{
	struct ask q = REGISTER;

	setup();	/* RFC 7616 §3.4.6 */
	receive(q);
	q.more = credentials("Authorization", "SHA-256", "alice", "REGISTER", "sip:example.com", nonce(), 1);
	receive(q);
	CHECK(w.ended == V_END && sent_has("SIP/2.0 400 "));
	teardown();
}
