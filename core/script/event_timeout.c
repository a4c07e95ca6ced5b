/* event_route[tm:timeout]. */
#include "script/builtin.h"
#include "script/event.h"

static const struct field timeout_fields[] = {
	{ "method", T_STR, false, "of the request" },
	{ "call_id", T_STR, false, "its Call-ID" },
	{ "uri", T_URI, false, "what the caller asked for: the Request-URI as it came" },
	{ "peer", T_IP, false, "the address that was silent" },
	{ "port", T_INT, false, "its port" },
	{ "proto", T_STR, false, "transport to it: udp, tcp" },
	{ "timer", T_STR, false, "branch_timeout, B, F: no answer; C: rang for too long; CANCEL: no end after it; H: no ACK to our answer" },
	{ "failover", T_BOOL, false, "another address of the same target is being tried" },
	{ 0 },
};
static const struct shape timeout_shape = { "timeout", timeout_fields };
struct mod_event event_timeout = { .name = "tm:timeout", .shape = &timeout_shape, .help = "a transaction timed out: a peer was silent for too long" };

static struct value own_ip(const struct addr *peer, struct addr *room)
{
	*room = *peer;
	addr_set_port(room, 0);
	return (struct value){ .type = T_IP, .u.ip = room };
}

void script_timeout(struct ctx *c, const struct tm_timeout *what)
{
	struct addr ip;
	struct msg  m;

	if (!event_timeout.heard || msg_parse(c, what->request, &m))
		return;
	event_raise(&event_timeout, (struct value[]){
		value_str(m.method_name), value_str(msg_call_id(&m)), { .type = T_URI, .u.s = m.ruri }, own_ip(&what->peer->peer, &ip),
		value_int(addr_port(&what->peer->peer)), value_str(proto_name(what->peer->via->transport)), value_str(str_of(what->timer)),
		value_bool(what->goes_on),
	});
}
