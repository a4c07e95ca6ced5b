/* The modules as they are loaded, in the whole server in one process (script/sim.h), on a store of its own: what the unit tests of each
 * cannot show, because a run waits for the store. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "db/db.h"
#include "module/module.h"
#include "script/sim.h"
#include "shm/shm.h"

static struct {
	struct script *script;
	struct arena   arena;
	struct db     *d;
	char           why[512];
	unsigned       last;	/* number of the last request */
} w;

static const char config[] =
	"domain \"example.org\"; database \"sqlite:unused\";\n"
	"module profile {} module auth {} module registrar { max_contacts = 2; } module location {} module redirect {}\n"
	"module forking { ring = parallel; }\n"
	"request_route {\n"
	"	if ($rm == \"REGISTER\") { authenticate(); save(); exit; }\n"
	"	if (is_local($fd)) authenticate();\n"
	"	let user = profile($ru) ?? send_reply(404);\n"
	"	if (user.forward_always) { $ru = user.forward_always; relay(); exit; }\n"
	"	if (!lookup()) send_reply(480);\n"
	"	if ($rm == \"OPTIONS\") redirect();\n"
	"	relay();\n"
	"}\n";

static void sql(const char *text)
{
	if (db_exec(w.d, text, NULL, 0, NULL, NULL, w.why, sizeof(w.why)))
		print_error("%s\n", w.why);
	CHECK(!w.why[0]);
}

static void silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void user_add(const char *name)
{
	struct ha1 h;
	char       text[512];

	CHECK(!ha1_make(str_of(name), STR("example.org"), STR("secret"), &h));
	snprintf(text, sizeof(text), "INSERT INTO users (name, domain, ha1_md5, ha1_sha256) VALUES ('%s', 'example.org', '%.32s', '%.64s')",
		 name, h.md5, h.sha256);
	sql(text);
}

static void setup(void)
{
	struct str report;

	memset(&w, 0, sizeof(w));
	module_forget_all();
	module_set_folder("build/san/modules");
	arena_init(&w.arena, NULL, 0, 1 << 22);
	CHECK(!script_boot());
	w.script = script_load_text(STR("test.cfg"), str_of(config), NULL, &w.arena, &report);
	if (!w.script)
		print_error(STR_FMT "\n", STR_ARG(report));
	CHECK(w.script && !script_apply(w.script, w.why, sizeof(w.why)));
	log_redirect(silent);
	script_use(w.script);
	if (sim_boot(w.why, sizeof(w.why)))
		print_error("%s\n", w.why);
	CHECK(sim_loop());
	w.d = db_open(db_url(), false, w.why, sizeof(w.why));
	CHECK(w.d);
	w.why[0] = '\0';
	sql("INSERT INTO domains (name) VALUES ('example.org')");
	user_add("alice");
	user_add("bob");
	sim_pass(100);
}

static void teardown(void)
{
	db_close(w.d);
	log_redirect(NULL);
	script_use(NULL);
	sim_end();
	arena_free(&w.arena);
}

struct ask {
	const char *method, *ruri, *who, *to;	/* who: the user part of From */
	const char *more;
	unsigned    repeats;	/* number of the request that this is a retransmission of */
};

static void ask(struct ask q)
{
	struct flow from = sim_flow("192.0.2.1", 5060);
	unsigned    n = q.repeats ? q.repeats : ++w.last;
	char        text[4096];
	int         len = snprintf(text, sizeof(text),
				   "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\n"
				   "From: <sip:%s@example.org>;tag=1\r\nTo: <%s>\r\nCall-ID: call\r\nCSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
				   q.method, q.ruri, n, q.who, q.to, n, q.method, q.more ? q.more : "");

	sim_receive(str_n(text, (size_t)len), &from);
}

/* The next message that is no 100; empty: none within ten seconds. */
static struct str next_message(void)
{
	for (uint32_t left = 10000; left;) {
		struct sim_message *m = sim_take();
		struct str          found;

		if (!m) {
			left -= sim_step(left);
			continue;
		}
		found = str_starts(m->bytes, STR("SIP/2.0 100 ")) ? STR_NONE : arena_dup(&w.arena, m->bytes);
		free(m);
		if (found.len)
			return found;
	}
	return STR_NONE;
}

static bool has(struct str message, const char *text)
{
	if (str_find_str(message, str_of(text)) >= 0)
		return true;
	print_error("no \"%s\" in:\n" STR_FMT "\n", text, STR_ARG(message));
	return false;
}

static bool is_status(struct str message, unsigned status)
{
	char line[32];

	snprintf(line, sizeof(line), "SIP/2.0 %u ", status);
	return has(message, line) && str_starts(message, str_of(line));
}

static struct str answer(struct ask q)
{
	ask(q);
	return next_message();
}

/* Header field with alice's or bob's answer to that challenge. */
static const char *credentials(struct str challenge, const char *user, const char *password, const char *method, const char *uri, unsigned nc)
{
	ptrdiff_t        at = str_find_str(challenge, STR("nonce=\""));
	bool             proxy = str_starts(challenge, STR("SIP/2.0 407"));
	struct str       rest = str_from(challenge, (size_t)at + 7), nonce = str_take_until(&rest, '"');
	char             h2[SHA256_HEX], response[SHA256_HEX], count[9];
	struct ha1       ha1;
	const struct str a2[] = { str_of(method), STR(":"), str_of(uri) };
	const struct str kd[] = { str_n(ha1.sha256, SHA256_HEX), STR(":"), nonce, STR(":"), str_n(count, 8), STR(":cn:auth:"),
				  str_n(h2, SHA256_HEX) };

	CHECK(at > 0);
	snprintf(count, sizeof(count), "%08x", nc);
	CHECK(!ha1_make(str_of(user), STR("example.org"), str_of(password), &ha1));
	CHECK(!sha256_hex(a2, COUNT_OF(a2), h2) && !sha256_hex(kd, COUNT_OF(kd), response));
	return arena_printf(&w.arena,
			    "%s: Digest username=\"%s\", realm=\"example.org\", nonce=\"" STR_FMT "\", uri=\"%s\", response=\"%.64s\", "
			    "algorithm=SHA-256, qop=auth, nc=%s, cnonce=\"cn\"\r\n%c",
			    proxy ? "Proxy-Authorization" : "Authorization", user, STR_ARG(nonce), uri, response, count, '\0').p;
}

/* Asked once, answered once. */
static struct str authenticated(struct ask q, const char *password)
{
	struct str challenge = answer(q);
	const char *auth = credentials(challenge, q.who, password, q.method, q.ruri, 1);

	q.more = arena_printf(&w.arena, "%s%s%c", auth, q.more ? q.more : "", '\0').p;
	return answer(q);
}

static struct str registers(const char *who, const char *contact)
{
	const char *to = arena_printf(&w.arena, "sip:%s@example.org%c", who, '\0').p;
	const char *more = arena_printf(&w.arena, "Contact: %s\r\n%c", contact, '\0').p;

	return authenticated((struct ask){ "REGISTER", "sip:example.org", who, to, more, 0 }, "secret");
}

static int64_t rows(void)
{
	struct db_rows r;

	CHECK(!db_exec(w.d, "SELECT count(*) FROM bindings", NULL, 0, &w.arena, &r, w.why, sizeof(w.why)));
	return r.cell[0].i;
}

static const struct ask REGISTER = { "REGISTER", "sip:example.org", "alice", "sip:alice@example.org", "Contact: <sip:alice@192.0.2.1>\r\n", 0 };

TEST(a_register_is_answered_when_it_is_in_the_store)
{
	struct str reply, again;

	setup();
	reply = authenticated(REGISTER, "secret");
	CHECK(is_status(reply, 200) && has(reply, "\r\nContact: <sip:alice@192.0.2.1>;expires=3600\r\n"));
	CHECK_INT(rows(), 1);
	again = answer((struct ask){ "REGISTER", "sip:example.org", "alice", "sip:alice@example.org", "", w.last });	/* a retransmission */
	CHECK(str_eq(again, reply));
	reply = registers("alice", "<sip:alice@192.0.2.1>;expires=0");
	CHECK(is_status(reply, 200) && str_find_str(reply, STR("Contact:")) < 0);
	CHECK_INT(rows(), 0);
	reply = registers("alice", "<sip:1@h>, <sip:2@h>, <sip:3@h>");
	CHECK(is_status(reply, 403) && has(reply, "Too Many Contacts"));
	CHECK_INT(rows(), 0);
	teardown();
}

TEST(nobody_gets_in_without_the_password)
{
	struct ask q = REGISTER;
	struct str challenge, reply;

	setup();
	CHECK(is_status(authenticated(REGISTER, "guess"), 401));
	q.who = "nobody";
	CHECK(is_status(authenticated(q, "secret"), 401));
	q.who = "bob";
	CHECK(is_status(authenticated(q, "secret"), 403));	/* registers alice */
	sql("UPDATE users SET status = 'disabled' WHERE name = 'alice'");
	CHECK(is_status(authenticated(REGISTER, "secret"), 401));
	sql("UPDATE users SET status = 'active' WHERE name = 'alice'");
	challenge = answer(REGISTER);
	q = REGISTER;
	q.more = credentials(challenge, "alice", "secret", "REGISTER", "sip:example.org", 1);
	CHECK(is_status(answer(q), 200));
	reply = answer(q);	/* heard on the way, and sent again */
	CHECK(is_status(reply, 401) && has(reply, ", stale=true"));
	q.more = credentials(challenge, "alice", "secret", "REGISTER", "sip:example.org", 2);
	CHECK(is_status(answer(q), 200));
	sim_pass(301 * 1000);
	q.more = credentials(challenge, "alice", "secret", "REGISTER", "sip:example.org", 3);
	reply = answer(q);
	CHECK(is_status(reply, 401) && has(reply, ", stale=true"));
	CHECK_INT(rows(), 0);
	teardown();
}

TEST(a_call_finds_its_user)
{
	struct ask call = { "MESSAGE", "sip:bob@example.org", "alice", "sip:bob@example.org", NULL, 0 };
	struct ask nobody = { "MESSAGE", "sip:eve@example.org", "alice", "sip:eve@example.org", NULL, 0 };
	struct str sent;

	setup();
	CHECK(is_status(answer(call), 407));
	CHECK(is_status(authenticated(nobody, "secret"), 404));
	CHECK(is_status(authenticated(call, "secret"), 480));
	CHECK(is_status(registers("bob", "<sip:bob@192.0.2.1:5070>"), 200));
	sent = authenticated(call, "secret");
	CHECK(str_starts(sent, STR("MESSAGE sip:bob@192.0.2.1:5070 SIP/2.0\r\n")) && str_find_str(sent, STR("Proxy-Authorization")) < 0);
	call.method = "OPTIONS";
	sent = authenticated(call, "secret");
	CHECK(is_status(sent, 302) && has(sent, "\r\nContact: <sip:bob@192.0.2.1:5070>;expires=3600\r\n"));
	sql("UPDATE users SET forward_always = 'sip:carol@192.0.2.3' WHERE name = 'bob'");
	call.method = "MESSAGE";
	CHECK(str_starts(authenticated(call, "secret"), STR("MESSAGE sip:carol@192.0.2.3 SIP/2.0\r\n")));
	sql("UPDATE users SET status = 'disabled' WHERE name = 'bob'");
	CHECK(is_status(authenticated(call, "secret"), 404));
	teardown();
}

TEST(a_domain_added_to_the_table_is_served_soon)
{
	struct ask q = { "REGISTER", "sip:new.example", "alice", "sip:alice@new.example", "Contact: <sip:a@h>\r\n", 0 };

	setup();
	CHECK(!script_is_local(STR("new.example")));
	sql("INSERT INTO domains (name) VALUES ('new.example')");
	sim_pass(6000);
	CHECK(script_is_local(STR("New.Example")));
	CHECK(has(answer(q), "realm=\"new.example\""));
	sql("DELETE FROM domains WHERE name = 'new.example'");
	sim_pass(6000);
	CHECK(!script_is_local(STR("new.example")));
	teardown();
}

TEST(a_store_that_is_away_is_503)
{
	struct str challenge, url = STR_NONE;
	struct ask q = REGISTER;
	char       path[128], away[160];

	setup();
	challenge = answer(REGISTER);
	url = str_from(db_url(), sizeof("sqlite:") - 1);
	CHECK(str_cstr(url, path, sizeof(path)));
	snprintf(away, sizeof(away), "%s.away", path);
	CHECK(!rename(path, away));
	q.more = credentials(challenge, "alice", "secret", "REGISTER", "sip:example.org", 1);
	CHECK(has(answer(q), "\r\nRetry-After: "));
	CHECK(!rename(away, path));
	sim_pass(2000);
	CHECK(is_status(authenticated(REGISTER, "secret"), 200));
	teardown();
}

TEST(what_registrations_took_of_shared_memory_is_given_back)
{
	struct shm_usage before[64], after[64];
	size_t           n;

	setup();
	CHECK(is_status(registers("alice", "<sip:a@192.0.2.1>"), 200));	/* first uses */
	CHECK(is_status(registers("alice", "<sip:a@192.0.2.1>;expires=0"), 200));
	CHECK(is_status(registers("bob", "<sip:b@192.0.2.1>;expires=0"), 200));	/* both profiles are kept */
	sim_pass(60000);
	n = shm_usage(before, COUNT_OF(before));
	for (int i = 0; i < 10; i++) {
		CHECK(is_status(registers("alice", "<sip:a@192.0.2.1>;expires=60"), 200));
		CHECK(is_status(registers("bob", "<sip:b@192.0.2.1>, <sip:b@192.0.2.2>"), 200));
		CHECK(is_status(registers("bob", "<sip:b@192.0.2.2>;expires=0, <sip:b@192.0.2.1>;expires=0"), 200));
	}
	sim_pass(120000);
	CHECK_INT(shm_usage(after, COUNT_OF(after)), n);
	for (size_t i = 0; i < n; i++)
		CHECK_ROW(after[i].bytes == before[i].bytes, before[i].owner);
	CHECK_INT(rows(), 0);
	teardown();
}
