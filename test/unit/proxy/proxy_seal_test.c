/* Within a dialog a request is relayed only by a Record-Route of ours that proves itself: no open relay by a To tag and a Route (RFC 3261 §16.4,
 * §16.12). */
#include "proxy_world.h"

static unsigned asked;	/* how often the script was run */

static void script_refuses(struct request *r)
{
	asked++;
	CHECK(!request_reply(r, 403, STR_NONE, STR_NONE));
	request_done(r);
}

/* With a dialog that began here; its seal as text. */
static struct str world_with_dialog(char room[SEAL_BYTES + 1])
{
	struct str rr;

	world_begin();
	dialog_seal.on = true;
	asked = 0;
	w.script = script_relay_recorded;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	CHECK(sent_has(0, "Record-Route: <sip:") && sent_has(0, "@127.0.0.1:5060;lr>\r\n"));
	rr = str_from(w.bytes[0], (size_t)str_find_str(w.bytes[0], STR("Record-Route: <sip:")) + strlen("Record-Route: <sip:"));
	rr = str_take_until(&rr, '@');
	CHECK_INT(rr.len, SEAL_BYTES);
	snprintf(room, SEAL_BYTES + 1, STR_FMT, STR_ARG(rr));
	w.sent = 0;
	w.script = script_refuses;
	return str_n(room, SEAL_BYTES);
}

static void over(void)
{
	dialog_seal.on = false;
	world_end();
}

/* A request with SEAL in the place of the seal. */
static void receive_sealed(const char *form, struct str seal)
{
	const char *at = strstr(form, "SEAL");
	char        text[1024];

	if (at)
		snprintf(text, sizeof(text), "%.*s" STR_FMT "%s", (int)(at - form), form, STR_ARG(seal), at + 4);
	receive(at ? text : form);
}

#define WITHIN(method, ruri, from, to, call_id, route)                                                                               \
	method " " ruri " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bK9;rport\r\nMax-Forwards: 70\r\n"                  \
	       "Route: " route "\r\nFrom: <sip:a@x>" from "\r\nTo: <sip:b@y>" to "\r\nCall-ID: " call_id "\r\nCSeq: 2 " method "\r\n" \
	       "Content-Length: 0\r\n\r\n"
#define US "<sip:SEAL@127.0.0.1:5060;lr>"
#define THERE "sip:b@127.0.0.3:5080"

TEST(a_sealed_route_leads_on_in_both_directions)
{
	static const struct { const char *name, *text; } rows[] = {
		{ "the caller's BYE", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", US) },
		{ "the callee's BYE", WITHIN("BYE", THERE, ";tag=2", ";tag=1", "c1", US) },
		{ "the ACK to a 2xx", WITHIN("ACK", THERE, ";tag=1", ";tag=2", "c1", US) },
		{ "behind an outbound proxy's route", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:127.0.0.1:5060;lr>, " US) },
		{ "with more of the route set to follow", WITHIN("BYE", "sip:b@192.0.2.1", ";tag=1", ";tag=2", "c1", US ", <sip:127.0.0.4;lr>") },
		{ "RFC 3261 §16.4: through a strict router", WITHIN("BYE", "sip:SEAL@127.0.0.1:5060;lr", ";tag=1", ";tag=2", "c1", "<" THERE ">") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char       room[SEAL_BYTES + 1];
		struct str seal = world_with_dialog(room);

		receive_sealed(rows[i].text, seal);
		CHECK_ROW(w.sent == 1 && !asked && str_starts(w.bytes[0], str_to(str_of(rows[i].text), 3)), rows[i].name);
		CHECK_ROW(count_of(0, "sip:127.0.0.1:5060") == 0, rows[i].name);
		over();
	}
}

TEST(a_forged_route_is_a_new_request_to_the_script)
{
	static const struct { const char *name, *text; } rows[] = {
		{ "no seal at all", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:127.0.0.1:5060;lr>") },
		{ "a made-up one", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:0123456789abcdef@127.0.0.1:5060;lr>") },
		{ "of another call", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c2", US) },
		{ "of another caller", WITHIN("BYE", THERE, ";tag=3", ";tag=2", "c1", US) },
		{ "longer", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:SEAL0@127.0.0.1:5060;lr>") },
		{ "elsewhere's seal", WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:127.0.0.1:5060;lr>, <sip:SEAL@192.0.2.1;lr>") },
		{ "moved by one byte between Call-ID and tag", WITHIN("BYE", THERE, ";tag=11", ";tag=2", "c", US) },
		{ "a strict router's", WITHIN("BYE", "sip:127.0.0.1:5060;lr", ";tag=1", ";tag=2", "c1", "<" THERE ">") },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char       room[SEAL_BYTES + 1];
		struct str seal = world_with_dialog(room);
		int64_t    before = counter_read(&count_unsealed);

		receive_sealed(rows[i].text, seal);
		CHECK_ROW(asked == 1 && w.sent == 1 && sent_has(0, "SIP/2.0 403"), rows[i].name);
		CHECK_ROW(counter_read(&count_unsealed) == before + 1, rows[i].name);
		over();
	}
}

TEST(a_forged_ack_goes_nowhere)
{
	char room[SEAL_BYTES + 1];

	(void)world_with_dialog(room);
	receive(WITHIN("ACK", THERE, ";tag=1", ";tag=2", "c1", "<sip:127.0.0.1:5060;lr>"));
	CHECK(!w.sent && !asked);
	over();
}

TEST(a_preloaded_route_of_a_new_request_needs_no_seal)
{
	char room[SEAL_BYTES + 1];

	(void)world_with_dialog(room);
	receive(WITHIN("MESSAGE", THERE, ";tag=1", "", "c7", "<sip:127.0.0.1:5060;lr>"));
	CHECK(asked == 1 && sent_has(0, "SIP/2.0 403"));
	over();
}

TEST(seals_outlive_a_restart_with_the_same_secret_only)
{
	char       room[SEAL_BYTES + 1];
	struct str seal;

	CHECK(!proxy_set_secret(STR("a secret of many characters"), false));
	seal = world_with_dialog(room);
	for (int other = 0; other < 2; other++) {
		over();
		if (other)
			CHECK(!proxy_set_secret(STR("another secret of as many"), false));
		world_begin();
		dialog_seal.on = true;
		asked = 0;
		w.script = script_refuses;
		receive_sealed(WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", US), seal);
		CHECK_INT(asked, other);
	}
	over();
}

/* Its database was away at the start. */
TEST(a_server_that_began_without_its_secret_takes_both_afterwards)
{
	char       room[SEAL_BYTES + 1];
	struct str seal, other = STR("0000000000000000");

	CHECK(!proxy_set_secret(STR("a secret to begin with"), true));
	seal = world_with_dialog(room);
	CHECK(proxy_secret_awaited());
	receive_sealed(WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", US), other);
	CHECK(w.sent == 1 && sent_has(0, "SIP/2.0 503 ") && sent_has(0, "Retry-After:") && !asked);
	CHECK(!proxy_add_secret(STR("the secret of all of us")));
	CHECK(!proxy_secret_awaited());
	receive_sealed(WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", US), seal);
	CHECK(w.sent == 2 && str_starts(w.bytes[1], STR("BYE ")) && !asked);
	over();

	CHECK(!proxy_set_secret(STR("a secret to begin with"), true));
	seal = world_with_dialog(room);
	CHECK(!proxy_add_secret(STR_NONE));	/* there is none: it stays */
	CHECK(!proxy_secret_awaited());
	receive_sealed(WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", US), seal);
	CHECK(w.sent == 1 && str_starts(w.bytes[0], STR("BYE ")));
	over();
	CHECK(!proxy_set_secret(STR("a secret of many characters"), false));
}

TEST(both_record_routes_of_two_sockets_are_sealed)
{
	char room[SEAL_BYTES + 1];

	(void)world_with_dialog(room);
	CHECK(net_fake_listener(TP_UDP, "::1", 5060));
	w.script = script_relay_recorded;
	receive(REQUEST("SUBSCRIBE", "sip:b@[::3]:5080", "<sip:b@y>", ""));
	CHECK(w.sent == 1 && count_of(0, room) == 2);	/* the dialog has the same Call-ID and tag */
	over();
}

TEST(off_asks_for_no_proof_and_gives_none)
{
	world_begin();
	w.script = script_relay_recorded;
	receive(REQUEST("INVITE", "sip:b@127.0.0.3:5080", "<sip:b@y>", ""));
	CHECK(sent_has(0, "Record-Route: <sip:127.0.0.1:5060;lr>\r\n"));
	w.sent = 0;
	w.script = script_must_not_run;
	receive(WITHIN("BYE", THERE, ";tag=1", ";tag=2", "c1", "<sip:127.0.0.1:5060;lr>"));
	CHECK(w.sent == 1 && sent_has(0, "BYE"));
	world_end();
}
