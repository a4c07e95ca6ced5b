/* save() and lookup() on requests that came in by the real proxy floor, in front of a location service of the test's own. */
#include "modules/registrar/registrar.h"

#include <stdio.h>

#include "base/clock.h"
#include "net/mailbox.h"
#include "test.h"

extern const struct module module;

static struct {
	struct flow    from;
	char           sent[8192];	/* the last answer */
	bool           ran;		/* the request got as far as the script */
	enum verdict   verdict;
	struct value   result;
	/* the location service */
	struct arena   arena;
	struct binding *list;		/* what it finds */
	enum err       find_err, save_err;
	bool           durable;
	unsigned       saves;
	struct location_save saved;	/* the last one */
	char           saved_text[4096];	/* "aor call-id cseq[ *]: contact;expires;q;instance;reg;path …" */
	char           found_aor[256];
	char           targets[2048];
	bool           do_lookup;
	struct value   lookup_arg;
} w;

static void swallow(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void capture(const struct flow *to, struct str bytes)
{
	(void)to;
	CHECK(str_cstr(bytes, w.sent, sizeof(w.sent)));
}

static enum err fake_find(struct arena *a, struct str aor, struct binding **list)
{
	(void)a;
	snprintf(w.found_aor, sizeof(w.found_aor), STR_FMT, STR_ARG(aor));
	if (!w.find_err)
		*list = w.list;
	return w.find_err;
}

static enum err fake_save(const struct location_save *s, bool *now, void (*done)(void *arg, enum err err), void *arg)
{
	struct buf out = buf_on(w.saved_text, sizeof(w.saved_text) - 1);

	CHECK(!done == !w.durable && !arg == !w.durable);
	w.saves++;
	w.saved = *s;
	buf_printf(&out, STR_FMT " " STR_FMT " %u%s", STR_ARG(s->aor), STR_ARG(s->call_id), s->cseq, s->remove_all ? " *" : "");
	for (size_t i = 0; i < s->n; i++) {
		const struct binding *b = &s->change[i].b;

		CHECK(b->expires_unix == clock_unix() + s->change[i].expires && str_eq(b->call_id, s->call_id) && b->cseq == s->cseq);
		CHECK(b->received.via == w.from.via && addr_eq(&b->received.peer, &w.from.peer));
		buf_printf(&out, " " STR_FMT ";%u;%u;" STR_FMT ";%u;" STR_FMT ";" STR_FMT, STR_ARG(b->contact), s->change[i].expires, b->q,
			   STR_ARG(b->instance), b->reg_id, STR_ARG(b->path), STR_ARG(b->user_agent));
	}
	w.saved_text[out.len] = 0;
	*now = true;
	return w.save_err;
}

static bool fake_durable(void)
{
	return w.durable;
}

static bool fake_known(struct str aor)
{
	return aor.len > 0;
}

static const struct location_service fake_location = { .known = fake_known, .find = fake_find, .save = fake_save, .durable = fake_durable };

static void list_targets(const struct request *r)
{
	struct buf out = buf_on(w.targets, sizeof(w.targets) - 1);

	for (const struct target *t = r->targets; t; t = t->next)
		buf_printf(&out, "%s" STR_FMT ";%u;%u;%s;" STR_FMT, out.len ? " " : "", STR_ARG(t->uri), t->q, t->expires,
			   t->flow.via ? "flow" : "", STR_ARG(t->path));
	w.targets[out.len] = 0;
}

static void script(struct request *r)
{
	struct call c = { .req = r, .c = &r->c, .argc = w.do_lookup, .argv = &w.lookup_arg };

	w.ran = true;
	w.verdict = w.do_lookup ? fn_lookup(&c) : fn_save(&c);
	w.result = c.result;
	list_targets(r);
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
	registrar_cfg = (struct registrar_cfg){ .max_contacts = 3, .min_expires_s = 60, .max_expires_s = 7200, .default_expires_s = 1800,
						.location = &fake_location };
	arena_init(&w.arena, NULL, 0, 1 << 20);
	log_set_level(LOG_ERROR);
}

static void teardown(void)
{
	log_redirect(NULL);
	arena_free(&w.arena);
	net_replace(NULL);
	net_close_all();
	shm_destroy();
}

static void receive(const char *method, const char *ruri, const char *to, const char *more)
{
	static unsigned last;
	unsigned        n = ++last;
	char            text[8192];
	int             len = snprintf(text, sizeof(text),
				       "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK%u;rport\r\nMax-Forwards: 70\r\n"
				       "From: <sip:alice@example.org>;tag=%u\r\nTo: %s\r\nCall-ID: call-1\r\nCSeq: 7 %s\r\n%sContent-Length: 0\r\n\r\n",
				       method, ruri, n, n, to, method, more);

	w.sent[0] = w.saved_text[0] = 0;
	net_inject(str_n(text, (size_t)len), &w.from);
	net_flush();
}

static void reg(const char *more)
{
	receive("REGISTER", "sip:example.org", "\"A\" <sip:alice@example.org>", more);
}

static struct binding *bound(const char *contact, uint16_t q, int64_t expires)
{
	struct binding *b = ARENA_NEW(&w.arena, struct binding), **at = &w.list;

	CHECK(b);
	*b = (struct binding){ .contact = str_of(contact), .q = q, .expires_unix = clock_unix() + expires };
	while (*at)
		at = &(*at)->next;
	return *at = b;
}

static bool sent_has(const char *text)
{
	if (strstr(w.sent, text))
		return true;
	print_error("no \"%s\" in:\n%s\n", text, w.sent);
	return false;
}

static bool status_is(unsigned status)
{
	char line[32];

	snprintf(line, sizeof(line), "SIP/2.0 %u ", status);
	return sent_has(line) && w.sent == strstr(w.sent, line);
}

TEST(a_register_is_read_by_the_steps_of_the_rfc)
{
	static const struct {
		const char *what, *more;
		unsigned    status;
		const char *saved;	/* NULL: nothing is */
		const char *header;	/* in the answer */
	} rows[] = {
		{ "§10.2.1: one contact", "Contact: <sip:a@h>\r\nExpires: 600\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;600;1000;;0;;", NULL },
		{ "§10.2.1.1: the parameter comes before the field", "Contact: <sip:a@h>;expires=300\r\nExpires: 600\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;300;1000;;0;;", NULL },
		{ "§10.2.1.1: nothing said, the server chooses", "Contact: sip:a@h\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;1800;1000;;0;;", NULL },
		{ "§10.3 step 7: a shorter time may be chosen", "Contact: <sip:a@h>;expires=999999\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;7200;1000;;0;;", NULL },
		{ "§10.2: over 2**32-1 counts as that", "Contact: <sip:a@h>;expires=99999999999999\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;7200;1000;;0;;", NULL },
		{ "§10.2: malformed counts as 3600", "Contact: <sip:a@h>;expires=soon\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;3600;1000;;0;;", NULL },
		{ "§10.3 step 7: too brief", "Contact: <sip:a@h>;expires=59\r\n", 423, NULL, "\r\nMin-Expires: 60\r\n" },
		{ "too brief for one is too brief for all", "Contact: <sip:a@h>;expires=600, <sip:b@h>;expires=1\r\n", 423, NULL,
		  "\r\nMin-Expires: 60\r\n" },
		{ "just long enough", "Contact: <sip:a@h>;expires=60\r\n", 200, "sip:alice@example.org call-1 7 sip:a@h;60;1000;;0;;", NULL },
		{ "§10.2.2: removal", "Contact: <sip:a@h>;expires=0\r\n", 200, "sip:alice@example.org call-1 7 sip:a@h;0;1000;;0;;", NULL },
		{ "§10.2.1.2: preferences, several contacts", "Contact: <sip:a@h>;q=0.7, <sip:b@h>;q=0.1\r\nContact: <sip:c@h>\r\nExpires: 600\r\n",
		  200, "sip:alice@example.org call-1 7 sip:a@h;600;700;;0;; sip:b@h;600;100;;0;; sip:c@h;600;1000;;0;;", NULL },
		{ "§10.2.2: all", "Contact: *\r\nExpires: 0\r\n", 200, "sip:alice@example.org call-1 7 *", NULL },
		{ "§10.3 step 6: * without Expires", "Contact: *\r\n", 400, NULL, NULL },
		{ "§10.3 step 6: * with a time", "Contact: *\r\nExpires: 1\r\n", 400, NULL, NULL },
		{ "§10.3 step 6: * and another", "Contact: *\r\nContact: <sip:a@h>\r\nExpires: 0\r\n", 400, NULL, NULL },
		{ "§10.3 step 6: another and *", "Contact: <sip:a@h>\r\nContact: *\r\nExpires: 0\r\n", 400, NULL, NULL },
		{ "§10.2.3: only asks", "", 200, NULL, NULL },
		{ "§10.3 step 2: unknown extension", "Require: 100rel, path, gruu\r\nContact: <sip:a@h>\r\n", 420, NULL,
		  "\r\nUnsupported: 100rel, gruu\r\n" },
		{ "RFC 3327 §5.3: Path is kept and repeated", "Supported: path\r\nPath: <sip:p1;lr>,<sip:p2;lr>\r\nPath: <sip:p3;lr>\r\n"
		  "Contact: <sip:a@h>;expires=600\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;600;1000;;0;<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>;",
		  "\r\nPath: <sip:p1;lr>\r\nPath: <sip:p2;lr>\r\nPath: <sip:p3;lr>\r\n" },
		{ "RFC 5626 §6: instance and reg-id", "Supported: outbound\r\nContact: <sip:a@h>;expires=600;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n",
		  200, "sip:alice@example.org call-1 7 sip:a@h;600;1000;urn:uuid:1;2;;", "\r\nRequire: outbound\r\n" },
		{ "RFC 5626 §6: reg-id of one who does not speak it", "Contact: <sip:a@h>;expires=600;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n",
		  200, "sip:alice@example.org call-1 7 sip:a@h;600;1000;urn:uuid:1;0;;", NULL },
		{ "RFC 5626 §6: a first hop that keeps no flow", "Via: SIP/2.0/UDP 127.0.0.3;branch=z9hG4bKx\r\nSupported: outbound\r\n"
		  "Contact: <sip:a@h>;expires=600;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;600;1000;urn:uuid:1;0;;", NULL },
		{ "RFC 5393 §3: this server is no hop in front of itself", "Path: <sip:127.0.0.1:5060;lr>, <sip:p1;lr>\r\nContact: <sip:a@h>\r\n", 200, 
		  "sip:alice@example.org call-1 7 sip:a@h;1800;1000;;0;<sip:p1;lr>;", NULL },
		{ "RFC 5626 §6: one that does", "Via: SIP/2.0/UDP 127.0.0.3;branch=z9hG4bKx\r\nSupported: outbound\r\nPath: <sip:e;lr;ob>\r\n"
		  "Contact: <sip:a@h>;expires=600;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;600;1000;urn:uuid:1;2;<sip:e;lr;ob>;", "\r\nRequire: outbound\r\n" },
		{ "User-Agent is kept as far as it is text", "User-Agent: Phone 1.0 \xfc\r\nContact: <sip:a@h>;expires=600\r\n", 200,
		  "sip:alice@example.org call-1 7 sip:a@h;600;1000;;0;;Phone 1.0 ", NULL },
		{ "more contacts than there can be", "Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>, <sip:4@h>, <sip:5@h>, <sip:6@h>, <sip:7@h>\r\n",
		  403, NULL, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		reg(rows[i].more);
		CHECK_ROW(!w.ran || (w.verdict == V_OK && w.result.type == T_BOOL && w.result.u.b == (rows[i].status == 200)), rows[i].what);
		CHECK_ROW(status_is(rows[i].status), rows[i].what);
		CHECK_ROW(w.saves == (rows[i].saved != NULL), rows[i].what);
		if (rows[i].saved)
			CHECK_STR(str_of(w.saved_text), rows[i].saved);
		if (rows[i].header)
			CHECK_ROW(sent_has(rows[i].header), rows[i].what);
		else
			CHECK_ROW(!strstr(w.sent, "Require:") && !strstr(w.sent, "Path:"), rows[i].what);
		teardown();
	}
}

/* What a store cannot take is not promised to anybody, and not asked of it. */
TEST(a_contact_too_long_for_a_key_is_refused)
{
	char long_one[2100];

	for (int more = 0; more <= 1; more++) {	/* "sip:alice@example.org" and the contact */
		setup();
		snprintf(long_one, sizeof(long_one), "Contact: <sip:%0*d@h>\r\n", 2000 - 21 - 6 + more, 0);
		reg(long_one);
		CHECK(status_is(more ? 400 : 200));
		CHECK_INT(w.saves, !more);
		teardown();
	}
}

TEST(path_without_support_is_the_operators_choice)
{
	static const struct { int choice; const char *more; unsigned status; } rows[] = {	/* RFC 3327 §5.3 */
		{ PATH_ACCEPT, "Contact: <sip:a@1.1.1.1>\r\nPath: <sip:p;lr>\r\n", 200 },
		{ PATH_REFUSE, "Contact: <sip:a@1.1.1.1>\r\nPath: <sip:p;lr>\r\n", 420 },
		{ PATH_REFUSE, "Contact: <sip:a@1.1.1.1>\r\nSupported: path\r\nPath: <sip:p;lr>\r\n", 200 },
		{ PATH_REFUSE, "Contact: <sip:a@1.1.1.1>\r\n", 200 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		registrar_cfg.path_unasked = rows[i].choice;
		reg(rows[i].more);
		CHECK_ROW(status_is(rows[i].status), rows[i].more);
		if (rows[i].status == 420)
			CHECK(sent_has("Unsupported: path\r\n") && !w.saves);
		teardown();
	}
}

TEST(the_service_route_is_told_in_the_200)
{
	static const struct { const char *text; bool good; } rows[] = {	/* RFC 3608 §4.1, §6.3 */
		{ "<sip:edge.example.org;lr>", true },
		{ "<sip:edge.example.org;lr>, <sip:home.example.org;lr>", true },
		{ "", true },
		{ "sip:edge.example.org;lr", false },
		{ "<sip:edge.example.org>", false },
		{ "<sip:edge.example.org;lr>,", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char why[256];

		setup();
		registrar_cfg.service_route = str_of(rows[i].text);
		CHECK_ROW(!module.configure(why) == rows[i].good, rows[i].text);
		if (rows[i].good) {
			reg("Contact: <sip:a@1.1.1.1>\r\n");
			CHECK_ROW(status_is(200) && !strstr(w.sent, "Service-Route: ") == !rows[i].text[0], rows[i].text);
			CHECK_ROW(!rows[i].text[0] || sent_has(rows[i].text), rows[i].text);
		}
		teardown();
	}
}

TEST(a_flood_of_unknown_extensions_is_told_some_of_them)
{
	char more[4096] = "Require: x";
	char tag[600];

	setup();
	for (size_t n = strlen(more); n + 2 < sizeof(more) - 2; n += 2)
		strcat(more, ",x");
	reg(strcat(more, "\r\n"));
	CHECK(status_is(420) && sent_has("\r\nUnsupported: x, x, x") && strlen(w.sent) < 1024);
	memset(tag, 'y', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = 0;
	snprintf(more, sizeof(more), "Require: %s\r\n", tag);	/* too long to be named */
	reg(more);
	CHECK(status_is(420) && !strstr(w.sent, "Unsupported"));
	teardown();
}

TEST(the_address_of_record_is_canonical_and_ours)
{
	static const struct {
		const char *to;	/* §10.3 step 5 */
		unsigned    status;
		const char *aor;
	} rows[] = {
		{ "<sip:%61lice@EXAMPLE.org:5060;transport=tcp;user=phone>", 200, "sip:alice@example.org" },
		{ "<sips:alice@example.org>", 200, "sip:alice@example.org" },
		{ "sip:alice@example.org", 200, "sip:alice@example.org" },
		{ "<sip:alice@other.example>", 404, NULL },
		{ "<sip:example.org>", 404, NULL },
		{ "<tel:+1555>", 400, NULL },	/* §10.2: MUST be a SIP or SIPS URI */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		receive("REGISTER", "sip:example.org", rows[i].to, "Contact: <sip:a@h>\r\n");
		CHECK_ROW(status_is(rows[i].status), rows[i].to);
		if (rows[i].aor)
			CHECK_STR(w.saved.aor.p ? str_to(str_of(w.saved_text), strlen(rows[i].aor)) : STR_NONE, rows[i].aor);
		teardown();
	}
}

TEST(the_answer_lists_all_bindings)
{
	struct binding *b;

	setup();	/* step 8; §20.17 */
	bound("sip:a@h1", 1000, 600);
	b = bound("sip:a@h2;transport=tcp", 50, 30);
	b->instance = STR("urn:uuid:1");
	b->reg_id = 4;
	reg("");
	CHECK(status_is(200) && sent_has("\r\nContact: <sip:a@h1>;expires=600\r\n"
					 "Contact: <sip:a@h2;transport=tcp>;expires=30;q=0.050;+sip.instance=\"<urn:uuid:1>\";reg-id=4\r\nDate: "));
	CHECK_STR(str_of(w.found_aor), "sip:alice@example.org");
	teardown();
}

TEST(what_the_store_refuses_is_told)
{
	static const struct {
		enum err    save, find;
		unsigned    status;
		const char *header;
	} rows[] = {
		{ ERR_STATE, OK, 500, "" },	/* §10.3 step 7 */
		{ ERR_LIMIT, OK, 403, "Too Many Contacts" },
		{ ERR_NOMEM, OK, 503, "\r\nRetry-After: 5\r\n" },
		{ ERR_IO, OK, 503, "\r\nRetry-After: 5\r\n" },
		{ OK, ERR_NOMEM, 503, "\r\nRetry-After: 5\r\n" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		w.save_err = rows[i].save;
		w.find_err = rows[i].find;
		w.durable = i % 2;
		log_redirect(swallow);
		reg("Contact: <sip:a@h>\r\n");
		CHECK(status_is(rows[i].status) && sent_has(rows[i].header) && w.verdict == V_OK && !w.result.u.b);
		teardown();
	}
}

TEST(save_is_for_register_only)
{
	setup();
	log_redirect(swallow);
	receive("MESSAGE", "sip:bob@example.org", "<sip:bob@example.org>", "");
	CHECK(w.verdict == V_ERROR && !w.saves);
	teardown();
}

TEST(a_date_is_written_as_the_rfc_does)
{
	char       room[40];
	struct buf out = buf_on(room, sizeof(room));

	date_write(1289690940, &out);
	CHECK_STR(buf_str(&out), "Sat, 13 Nov 2010 23:29:00 GMT");	/* §20.17 */
}

static void look_up(const char *ruri, struct value arg)
{
	w.do_lookup = true;
	w.lookup_arg = arg;
	receive("MESSAGE", ruri, "<sip:bob@example.org>", "");
}

TEST(the_target_set_is_the_bindings_of_the_request_uri)
{
	setup();	/* §16.5 */
	bound("sip:a@h1;method=BYE?Subject=x", 700, 600);
	bound("sips:a@h2", 300, 60)->path = STR("<sip:edge;lr>");
	look_up("sip:%61lice@Example.org;user=phone", V_NULL);
	CHECK(w.verdict == V_OK && w.result.u.b);
	CHECK_STR(str_of(w.found_aor), "sip:alice@example.org");
	CHECK_STR(str_of(w.targets), "sip:a@h1;700;600;; sips:a@h2;300;60;;<sip:edge;lr>");	/* §19.1.1: without method and headers */
	look_up("sip:x@example.org", value_str(STR("sip:carol@example.org")));
	CHECK_STR(str_of(w.found_aor), "sip:carol@example.org");
	look_up("sips:alice@example.org", V_NULL);	/* §26.4.4 */
	CHECK_STR(str_of(w.targets), "sips:a@h2;300;60;;<sip:edge;lr>");
	w.list = NULL;
	look_up("sip:alice@example.org", V_NULL);
	CHECK(w.verdict == V_OK && !w.result.u.b);
	look_up("sip:alice@example.org", value_str(STR("nonsense")));
	CHECK(w.verdict == V_OK && !w.result.u.b);
	w.find_err = ERR_NOMEM;
	log_redirect(swallow);
	look_up("sip:alice@example.org", V_NULL);
	CHECK_INT(w.verdict, V_ERROR);
	teardown();
}

TEST(only_what_cannot_be_reached_otherwise_goes_by_its_flow)
{
	static const struct {
		const char *contact, *path;
		uint64_t    conn;
		uint32_t    reg_id;
		bool        has_flow, want;
	} rows[] = {
		{ "sip:a@192.0.2.1:5060", "", 0, 0, true, false },	/* the very address */
		{ "sip:a@192.0.2.1:9999", "", 0, 0, true, false },	/* another port of it: it listens there */
		{ "sip:a@10.0.0.1:5060", "", 0, 0, true, true },	/* behind a NAT */
		{ "sip:a@[2001:db8::1]:5060", "", 0, 0, true, true },
		{ "sip:a@host.invalid", "", 0, 0, true, true },		/* RFC 7118 §5 */
		{ "sip:a@10.0.0.1:5060", "<sip:edge;lr>", 0, 0, true, false },
		{ "sip:a@192.0.2.1:5060", "", 9, 0, true, true },
		{ "sip:a@192.0.2.1:5060", "", 0, 1, true, true },	/* RFC 5626 §5.3 */
		{ "sip:a@10.0.0.1:5060", "", 0, 0, false, false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct listener l = { .transport = TP_UDP };
		struct binding  b = { .contact = str_of(rows[i].contact), .path = str_of(rows[i].path), .reg_id = rows[i].reg_id };
		struct uri      u;

		b.received = (struct flow){ .via = rows[i].has_flow ? &l : NULL, .conn = rows[i].conn };
		CHECK(!addr_parse(STR("192.0.2.1"), 1024, &b.received.peer) && !uri_parse(b.contact, &u));
		CHECK_ROW(contact_needs_flow(&b, &u) == rows[i].want, rows[i].contact);
	}
}

TEST(the_limits_must_be_in_order)
{
	char why[256];

	registrar_cfg = (struct registrar_cfg){ .min_expires_s = 120, .max_expires_s = 60, .default_expires_s = 60 };
	CHECK_INT(module.configure(why), ERR_LIMIT);
	registrar_cfg.max_expires_s = 120;
	CHECK_INT(module.configure(why), OK);
}

TEST(who_does_not_ask_gets_a_time_within_the_limits)
{
	static const struct {
		uint32_t min, max, preset;
		const char *saved;
	} rows[] = {
		{ 60, 600, 3600, "sip:alice@example.org call-1 7 sip:a@h;600;1000;;0;;" },
		{ 1200, 3600, 600, "sip:alice@example.org call-1 7 sip:a@h;1200;1000;;0;;" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup();
		registrar_cfg.min_expires_s = rows[i].min;
		registrar_cfg.max_expires_s = rows[i].max;
		registrar_cfg.default_expires_s = rows[i].preset;
		reg("Contact: <sip:a@h>\r\n");
		CHECK_STR(str_of(w.saved_text), rows[i].saved);
		teardown();
	}
}
