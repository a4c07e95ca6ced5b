/* event_route[location:added] and the like. */
#include "modules/location/location.h"

static const struct field fields[] = {
	{ "aor", T_STR, false, "address-of-record: whose contact it is" },
	{ "contact", T_URI, false, "where the phone is" },
	{ "expires", T_DURATION, false, "how long it would have been valid from now on" },
	{ "user_agent", T_STR, true, "what the phone calls itself" },
	{ "source", T_IP, true, "the address that registered it" },
	{ 0 },
};
static const struct shape shape = { "binding", fields };

struct mod_event location_added = { .name = "location:added", .shape = &shape, .help = "a contact was registered that was not there before" };
struct mod_event location_removed = { .name = "location:removed", .shape = &shape, .help = "a contact was taken back, by its phone or by siparioctl" };
struct mod_event location_gone = { .name = "location:expired", .shape = &shape, .help = "a contact was dropped because nobody refreshed it" };

void bind_event(const struct mod_event *e, struct str aor, const struct bind *b)
{
	struct binding v;
	int64_t        left;

	if (!e || !e->heard)
		return;
	bind_view(b, &v);
	left = v.expires_unix - (int64_t)unix_now();
	event_raise(e, (struct value[]){
		value_str(aor), { .type = T_URI, .u.s = v.contact }, value_ms(left > 0 ? left * 1000 : 0), v.user_agent.len ? value_str(v.user_agent) : V_NULL,
		v.received.via ? (struct value){ .type = T_IP, .u.ip = &v.received.peer } : V_NULL,
	});
}
