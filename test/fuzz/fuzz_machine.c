/* Compiler and machine: a program (the text itself, or one made from the bytes by make_script.h) that the checker lets pass is run for two requests in the
 * world of `sipario test`. Whatever it does, it ends within its steps, every run and every transaction is over some time later, and no memory, neither
 * private nor shared, is left. With FUZZ_SHOW in its environment it shows the program. */
#include "make_script.h"

#include <stdlib.h>

#include "fuzz.h"
#include "script/builtin.h"
#include "script/sht.h"
#include "script/sim.h"
#include "shm/shm.h"

enum { ROOM = 1 << 18, MOST_OWNERS = 64, MOST_TURNS = 200000, LONG_MS = 100000, MOST_ENTRIES = 64, OUR_TABLES = 2 };

static const char tables[] = "table ints { key: string; value: int; max: 16; }\ntable texts { key: string; ttl: 5s; max: 8; }\n";
static struct {
	bool             there;
	struct arena     arena;
	struct shm_usage usage[MOST_OWNERS];
	size_t           owners;
	char             text[ROOM];
	/* of this input */
	const uint8_t   *answers;
	size_t           answer_count;
	unsigned         asked;
} fuzz;

static void silent(enum log_level level, struct str line)
{
	(void)level, (void)line;
}

static struct script *load(struct str text)
{
	struct str report;

	return script_load_text(STR("fuzz"), text, NULL, &fuzz.arena, &report);
}

static void boot(void)
{
	char           why[256];
	struct script *s;
	struct buf     text = buf_on(fuzz.text, ROOM);

	arena_init(&fuzz.arena, NULL, 0, 64 << 20);
	log_redirect(silent);
	module_set_folder("/nowhere");
	EXPECT(!script_boot());
	buf_add(&text, str_of(tables));
	BUF_LIT(&text, "domain example.org; request_route { count(\"one\"); count(\"two\"); drop; }");
	s = load(buf_str(&text));
	EXPECT(s && !script_apply(s, why, sizeof(why)) && !sim_boot(why, sizeof(why)));
	sim_name("b.example", "192.0.2.77");
	script_use(s);
	fuzz.owners = shm_usage(fuzz.usage, MOST_OWNERS);
	fuzz.there = true;
}

/* --- the other end --- */

/* Some requests are answered by what the input says, some by nobody. */
static void answer(struct str request)
{
	static const uint16_t status[] = { 200, 486, 0, 302, 603, 180, 503, 401, 183, 404 };
	static char           room[16384];
	struct arena          a;
	struct ctx            c = { .arena = &a };
	struct msg            m;
	struct buf            out = buf_on(room, sizeof(room));
	struct flow           from = sim_flow("192.0.2.77", 5060);
	struct reply          r = { .status = status[fuzz.answers[fuzz.asked++ % fuzz.answer_count] % COUNT_OF(status)], .to_tag = STR("b") };

	arena_init(&a, NULL, 0, 1 << 20);
	if (!msg_parse(&c, request, &m) && m.request && m.method != M_ACK) {
		if (m.method == M_CANCEL)
			r.status = 200;
		reply_write(&m, &r, &out);
		if (r.status && buf_ok(&out))
			sim_receive(buf_str(&out), &from);
	}
	arena_free(&a);
}

static void take_all(void)
{
	struct sim_message *m;

	while ((m = sim_take())) {
		if (!str_starts(m->bytes, STR("SIP/")))
			answer(m->bytes);
		free(m);
	}
}

static void ask(const char *method, const char *body)
{
	static char room[4096];
	struct buf  out = buf_on(room, sizeof(room));
	struct flow from = sim_flow("192.0.2.1", 5060);

	buf_printf(&out,
		   "%s sip:bob@example.org:5070;x=y SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"
		   "From: \"A\" <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>\r\nCall-ID: %s\r\nCSeq: 7 %s\r\nSubject: lunch, tea\r\n"
		   "User-Agent: phone/1.0\r\nContact: <sip:alice@192.0.2.1>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		   method, method, method, method, strlen(body), body);
	sim_receive(buf_str(&out), &from);
}

/* --- afterwards --- */

static char   keys[MOST_ENTRIES][SHT_MOST_KEY];
static size_t key_len[MOST_ENTRIES], key_count;

static void note_key(void *arg, struct str key, const struct value *v, int64_t left_ms)
{
	(void)arg, (void)v, (void)left_ms;
	EXPECT(key_count < MOST_ENTRIES && key.len <= SHT_MOST_KEY);
	memcpy(keys[key_count], key.p, key.len);
	key_len[key_count++] = key.len;
}

/* The next input finds nothing there. */
static void empty_tables(void)
{
	struct value none = V_NULL;

	for (size_t i = 0; sht_at(i); i++) {
		key_count = 0;
		EXPECT(sht_each(sht_at(i), 0, MOST_ENTRIES, note_key, NULL) == 0);
		EXPECT((int64_t)key_count <= sht_info(sht_at(i)).max);
		while (key_count--)
			EXPECT(sht_set(sht_at(i), str_n(keys[key_count], key_len[key_count]), &none) == OK);
	}
}

/* Except that entries whose time is over lie in their tables until somebody comes by. */
static void memory_is_back(void)
{
	struct shm_usage now[MOST_OWNERS];
	size_t           n = shm_usage(now, MOST_OWNERS);

	for (size_t i = 0; i < n; i++)
		if (strcmp(now[i].owner, "script.tables") != 0)
			EXPECT(i < fuzz.owners ? now[i].bytes == fuzz.usage[i].bytes : !now[i].bytes);
}

static void run(struct script *s)
{
	unsigned turns = 0;
	char     why[256];

	if (s->program->table_count > OUR_TABLES || script_bind(s, why, sizeof(why))) {	/* nobody would sweep others up */
		script_free(s);
		return;
	}
	script_use(s);
	ask("INVITE", "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n");
	ask("MESSAGE", "hello");
	do {
		take_all();
		sim_step(LONG_MS);
		EXPECT(turns++ < MOST_TURNS);
	} while (script_runs_parked() || tm_alive());
	take_all();
	empty_tables();
	script_use(NULL);
	memory_is_back();
}

/* --- the input --- */

static struct str program_of(const uint8_t *data, size_t size)
{
	struct buf   text = buf_on(fuzz.text, ROOM);
	struct maker m = { .at = data, .end = data + size, .out = &text, .funcs = core_funcs, .vars = core_vars };

	buf_add(&text, str_of(tables));
	if (data[0] & 0x80)
		make_script(&m);
	else
		buf_add(&text, fuzz_str(data, size));
	return buf_ok(&text) ? buf_str(&text) : STR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str     text;
	struct script *s;

	if (!fuzz.there)
		boot();
	if (!size)
		return 0;
	text = program_of(data, size);
	if (str_find_str(text, STR("include")) >= 0)
		return 0;	/* whatever files it would name */
	fuzz.answers = data;
	fuzz.answer_count = size;
	fuzz.asked = 0;
	if (getenv("FUZZ_SHOW"))
		fprintf(stderr, STR_FMT "\n", STR_ARG(text));
	s = text.len ? load(text) : NULL;
	arena_reset(&fuzz.arena);
	if (s)
		run(s);
	return 0;
}
