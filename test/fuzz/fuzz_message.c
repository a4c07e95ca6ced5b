#include "fuzz.h"

enum { ROOM = 400000 };
static char out[ROOM], out2[ROOM];

static struct str written(const struct msg *m, char *room)
{
	struct buf b = buf_on(room, ROOM);

	msg_write(m, &b);
	EXPECT(buf_ok(&b) && b.len <= msg_write_bound(m, 0));
	return buf_str(&b);
}

static void read_all(struct msg *m)
{
	uint32_t n;

	msg_ruri(m);
	msg_via1(m);
	msg_from_tag(m);
	msg_to_tag(m);
	msg_cseq(m);
	EXPECT(msg_number(m, H_EXPIRES, &n) != ERR_NOMEM);
	msg_has_token(m, H_REQUIRE, "100rel");
	for (unsigned t = 1; t < H_COUNT; t++) {
		struct msg_values it = msg_values(m, (enum hdr_type)t);
		struct str        value;

		while (msg_values_next(&it, &value))
			expect_within(it.hdr->body, value);
	}
}

static void reply_to(struct msg *m, struct ctx *c)
{
	struct reply r = { .status = 400, .to_tag = STR("t"), .record_route = true };
	struct buf   b = buf_on(out, ROOM);
	struct msg   reply;

	reply_write(m, &r, &b);
	EXPECT(buf_ok(&b));
	if (!msg_check(m))
		EXPECT(msg_parse(c, buf_str(&b), &reply) == OK && msg_check(&reply) == 0 && msg_to_tag(&reply).len);
}

/* The edits that every forwarded request gets; what is written must be fit to be forwarded again. */
static void forward(struct msg *m, struct ctx *c)
{
	struct msg again;

	EXPECT(msg_set_received(m, STR("127.0.0.9"), 5099) == OK);
	EXPECT(msg_prepend(m, STR("Record-Route"), STR("<sip:127.0.0.1;lr>")) == OK);
	EXPECT(msg_prepend(m, STR("Via"), STR("SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx")) == OK);
	EXPECT(msg_set_hdr(m, STR("Max-Forwards"), STR("69")) == OK);
	EXPECT(msg_parse(c, written(m, out), &again) == OK);
	EXPECT(msg_check(&again) == 0 && again.n_hdrs >= m->n_hdrs && str_eq(again.body, m->body));
	EXPECT(msg_pop_value(&again, H_VIA) == OK && msg_pop_value(&again, H_RECORD_ROUTE) == OK);
	EXPECT(msg_parse(c, written(&again, out2), m) == OK && msg_check(m) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   m, again;
	enum err     err;

	arena_init(&a, NULL, 0, 64 << 20);
	err = msg_parse(&c, fuzz_str(data, size), &m);
	EXPECT(!err == !m.bad);
	read_all(&m);
	EXPECT(!msg_check(&m) == !m.bad);
	reply_to(&m, &c);
	if (!err) {
		EXPECT(msg_parse(&c, written(&m, out), &again) == OK);
		EXPECT(str_eq(written(&again, out2), str_n(out, again.raw.len)));
	}
	if (!err && !m.bad && m.request && m.n_hdrs < MSG_MOST_HEADERS - 4 && size < 60000)
		forward(&m, &c);
	arena_free(&a);
	return 0;
}
