/* What a call costs in instructions: the benchmark kit's flows in the simulated world of script/sim.h, so that the number is the same on a busy
 * machine. Run by cost.sh under callgrind, which counts only within measured(): receiving, all that follows, and the timers. The caller and the
 * callee are outside. The kernel's part is not seen at all: for that there are run.py and strace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/module.h"
#include "script/sim.h"

enum {
	IN_FLIGHT = 64,		/* calls that go in step */
	ROUND_MS = 1000,	/* between rounds */
	WARM_ROUNDS = 34,	/* longer than a transaction lingers (64*T1): the measured rounds end as many as they begin */
	UAC_PORT = 25080, UAS_PORT = 25070, MESSAGE_BYTES = 3072, BATCH = IN_FLIGHT * 4
};

struct flow_of {
	const char *name, *config, *method;
	uint16_t    refused;	/* the final answer that is expected; 0: 2xx */
};
static const struct flow_of flows[] = {
	{ "stateful-invite", "stateful.cfg", "INVITE" },  { "stateful-message", "stateful.cfg", "MESSAGE" },
	{ "fwd-message", "stateless.cfg", "MESSAGE" },    { "options-self", "options-self.cfg", "OPTIONS" },
	{ "register", "registrar.cfg", "REGISTER" },
	/* what a script costs: the first one is the message alone */
	{ "script-empty", "script-empty.cfg", "MESSAGE" },
	{ "script-default", "../../etc/sipario.cfg", "MESSAGE", 403 },	/* a stranger is turned away by its third line */
	{ "script-500", "../../build/script-500.cfg", "MESSAGE" },
};

struct letter {
	uint16_t port;
	size_t   len;
	char     text[MESSAGE_BYTES];
};
struct batch {
	size_t        n;
	struct letter at[BATCH];
};
static struct {
	const struct flow_of *f;
	struct arena          boot, arena;
	struct ctx            c;
	struct batch          a, b, *out;	/* what the server sends in this turn */
	struct flow           from[2];		/* caller, callee */
	bool                  warm;
	unsigned              number, completed, refused;
} w;

static void die(const char *why)
{
	fprintf(stderr, "cost: %s\n", why);
	exit(1);
}

static void sent(const struct flow *to, struct str bytes)
{
	struct letter *l = &w.out->at[w.out->n];

	if (w.out->n == BATCH || bytes.len > MESSAGE_BYTES)
		die("the server sent more than expected");
	w.out->n++;
	l->port = addr_port(&to->peer);
	l->len = bytes.len;
	memcpy(l->text, bytes.p, bytes.len);
}

/* --- what is counted --- */

__attribute__((noinline)) static void turn(const struct letter *in, uint32_t pass_ms)
{
	if (in)
		sim_receive(str_n(in->text, in->len), &w.from[in->port == UAS_PORT]);
	while (pass_ms)
		pass_ms -= sim_step(pass_ms);
}

__attribute__((noinline, noclone)) void measured(const struct letter *in, uint32_t pass_ms);
__attribute__((noinline, noclone)) void measured(const struct letter *in, uint32_t pass_ms)
{
	turn(in, pass_ms);
}

static void deliver(const struct letter *in, uint32_t pass_ms)
{
	if (w.warm)
		measured(in, pass_ms);
	else
		turn(in, pass_ms);
}

/* --- the peers --- */

static void post(struct batch *b, uint16_t from, struct str text)
{
	struct letter *l = &b->at[b->n++];

	l->port = from;
	l->len = text.len;
	memcpy(l->text, text.p, text.len);
}

static const char *more_of(const char *method)
{
	if (!strcmp(method, "INVITE"))
		return "User-Agent: genload/1.0\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY, UPDATE\r\nSupported: replaces, timer\r\n"
		       "Content-Type: application/sdp\r\nContent-Length: 141\r\n\r\n"
		       "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n"
		       "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
	if (!strcmp(method, "MESSAGE"))
		return "User-Agent: genload/1.0\r\nContent-Type: text/plain\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789";
	if (!strcmp(method, "REGISTER"))
		return "Expires: 3600\r\nUser-Agent: genload/1.0\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, NOTIFY\r\n"
		       "Supported: path, outbound\r\nContent-Length: 0\r\n\r\n";
	return "User-Agent: genload/1.0\r\nContent-Length: 0\r\n\r\n";
}

static void begin(struct batch *b, unsigned slot)
{
	char        text[MESSAGE_BYTES];
	const char *method = w.f->method;
	unsigned    n = w.number++, user = n % 1024, cseq = n + 1;
	bool        direct = !strcmp(method, "REGISTER"), plain = !strcmp(method, "OPTIONS");
	int         len;

	len = snprintf(text, sizeof(text),
		       "%s sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:25080;rport;branch=z9hG4bK-0badcafe%08x%08xI0\r\nMax-Forwards: 70\r\n"
		       "From: \"User u%07u\" <sip:u%07u@bench.test>;tag=5a5a5a5a%08x\r\nTo: <sip:u%07u@bench.test>\r\nCall-ID: 0badcafe-%08x-%08x@genload\r\n"
		       "CSeq: %u %s\r\nContact: <sip:u%07u@127.0.0.1:25080>\r\n%s",
		       method, direct || plain ? "192.0.2.10:5060" : "u0000001@bench.test", slot, n, user, user, direct ? user : n,
		       direct ? user : 1, direct ? user : slot, direct ? 0 : n, direct ? cseq : 1, method, user, more_of(method));
	post(b, UAC_PORT, str_n(text, (size_t)len));
}

static void answer(struct batch *b, struct msg *req, uint16_t status)
{
	char         text[MESSAGE_BYTES];
	struct buf   out = buf_on(text, sizeof(text));
	struct reply r = { .status = status, .to_tag = STR("0123456789abcdef"), .record_route = true,
			   .headers = STR("Contact: <sip:u0000001@127.0.0.1:25070>\r\nUser-Agent: genload/1.0\r\n") };

	if (req->method == M_INVITE && status == 200) {
		r.body_type = STR("application/sdp");
		r.body = req->body;
	}
	reply_write(req, &r, &out);
	post(b, UAS_PORT, buf_str(&out));
}

/* ACK and BYE by the caller, to the route set of the 200 */
static void follow(struct batch *b, struct msg *resp, const char *method, unsigned cseq)
{
	char        text[MESSAGE_BYTES];
	struct hdr *rr = resp->first[H_RECORD_ROUTE];
	int         len;

	if (!rr)
		die("no Record-Route in the answer");
	len = snprintf(text, sizeof(text),
		       "%s sip:u0000001@127.0.0.1:25070 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:25080;rport;branch=z9hG4bK-%s" STR_FMT "\r\n"
		       "Route: " STR_FMT "\r\nMax-Forwards: 70\r\nFrom: " STR_FMT "\r\nTo: " STR_FMT "\r\nCall-ID: " STR_FMT "\r\n"
		       "CSeq: %u %s\r\nUser-Agent: genload/1.0\r\nContent-Length: 0\r\n\r\n",
		       method, method, STR_ARG(msg_call_id(resp)), STR_ARG(rr->body), STR_ARG(resp->first[H_FROM]->body),
		       STR_ARG(resp->first[H_TO]->body), STR_ARG(msg_call_id(resp)), cseq, method);
	post(b, UAC_PORT, str_n(text, (size_t)len));
}

static void callee(struct batch *next, struct msg *m)
{
	if (m->method == M_ACK)
		return;
	if (m->method == M_INVITE)
		answer(next, m, 180);
	answer(next, m, 200);
}

static void caller(struct batch *next, struct msg *m)
{
	if (m->status < 200)
		return;
	if (m->status >= 300 && m->status != w.f->refused) {
		if (!w.refused++)
			fprintf(stderr, STR_FMT "\n", STR_ARG(m->raw));
		return;
	}
	if (m->method != M_INVITE) {
		w.completed++;
		return;
	}
	follow(next, m, "ACK", 1);
	follow(next, m, "BYE", 2);
}

static void peers(const struct batch *got, struct batch *next)
{
	next->n = 0;
	for (size_t i = 0; i < got->n; i++) {
		const struct letter *l = &got->at[i];
		struct msg           m;

		arena_reset(&w.arena);
		if (msg_parse(&w.c, str_n(l->text, l->len), &m))
			die("the server sent no SIP");
		if (l->port == UAS_PORT)
			callee(next, &m);
		else
			caller(next, &m);
	}
}

static void one_round(void)
{
	w.b.n = 0;
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		begin(&w.b, i);
	while (w.b.n) {
		w.a.n = 0;
		for (size_t i = 0; i < w.b.n; i++)
			deliver(&w.b.at[i], 0);
		peers(&w.a, &w.b);
	}
	w.a.n = 0;
	deliver(NULL, ROUND_MS);
	if (w.a.n)
		die("the server sent something of its own");
}

/* --- boot --- */

static void boot(const char *folder)
{
	static const struct str callee[] = { STR("UAS=sip:127.0.0.1:25070") }, another[] = { STR("DOMAIN=elsewhere.test") };
	struct script_options   o = { .defines = w.f->refused ? another : callee, .define_count = 1 };
	struct script          *s;
	struct str              report;
	char                    path[512], why[512] = "";

	snprintf(path, sizeof(path), "%s/%s", folder, w.f->config);
	arena_init(&w.boot, NULL, 0, 1 << 24);
	arena_init(&w.arena, NULL, 0, 1 << 24);
	w.c.arena = &w.arena;
	module_set_folder("build/modules");
	if (script_boot())
		die("no memory");
	s = script_load(path, &o, &w.boot, &report);
	if (!s)
		fprintf(stderr, STR_FMT, STR_ARG(report));
	if (!s || script_apply(s, why, sizeof(why)))
		die(why);
	script_use(s);
	if (sim_boot(why, sizeof(why)))
		die(why);
	log_set_level(LOG_WARN);
	w.out = &w.a;
	net_replace(sent);
	w.from[0] = sim_flow("127.0.0.1", UAC_PORT);
	w.from[1] = sim_flow("127.0.0.1", UAS_PORT);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 4;

	for (size_t i = 0; argc > 1 && i < COUNT_OF(flows); i++)
		if (!strcmp(argv[1], flows[i].name))
			w.f = &flows[i];
	if (!w.f)
		die("usage: cost stateful-invite|stateful-message|fwd-message|options-self|register|script-empty|script-default|script-500 [ROUNDS]");
	boot("test/bench");
	for (unsigned i = 0; i < WARM_ROUNDS; i++)
		one_round();
	w.warm = true;
	w.completed = 0;
	for (unsigned i = 0; i < rounds; i++)
		one_round();
	if (w.completed != rounds * IN_FLIGHT)
		die("not every call was completed");
	printf("%u\n", w.completed);
	return 0;
}
