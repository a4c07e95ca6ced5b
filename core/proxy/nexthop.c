/* Where a URI leads (RFC 3263; addresses and A/AAAA now). */
#include <stdlib.h>

#include "net/dns.h"
#include "proxy/internal.h"

struct hop {	/* a question under way; private memory */
	nexthop_done          *done;
	void                  *arg;
	const struct listener *like;
	enum transport         transport;
	uint16_t               port;
};

/* The host to ask for and the transport: maddr and transport parameters go first (RFC 3263 §4.1, §4.2). */
static enum err read_uri(struct str text, struct str *host, struct hop *hop)
{
	struct uri u;
	struct str value;

	if (uri_parse(text, &u))
		return ERR_SYNTAX;
	if (u.scheme != URI_SIP && u.scheme != URI_SIPS)
		return ERR_UNSUPPORTED;
	hop->transport = u.scheme == URI_SIPS ? TP_TLS : TP_UDP;
	if (uri_param(&u, "transport", &value))
		hop->transport = transport_of(value);
	if (hop->transport == TP_NONE)
		return ERR_UNSUPPORTED;
	*host = uri_param(&u, "maddr", &value) && value.len ? value : u.host;
	hop->port = u.port ? u.port : transport_port(hop->transport);
	return OK;
}

/* The flow to one address, or false when no socket of ours reaches it. */
static bool flow_to(const struct hop *hop, const struct addr *ip, struct flow *to)
{
	*to = (struct flow){ .peer = *ip };
	addr_set_port(&to->peer, hop->port);
	to->via = net_listener_for(hop->transport, &to->peer, hop->like);
	return to->via != NULL;
}

static void resolved(void *arg, enum err err, const struct dns_answer *answer)
{
	struct hop *hop = arg;
	struct flow to;
	bool        found = false;

	for (size_t i = 0; !err && !found && i < answer->count; i++)
		found = flow_to(hop, &answer->addr[i], &to);
	if (!err && !found)
		err = ERR_UNSUPPORTED;
	hop->done(hop->arg, err, err ? NULL : &to);
	free(hop);
}

static enum err ask(struct str host, const struct hop *hop)
{
	struct hop *kept = malloc(sizeof(*kept));

	if (!kept)
		return ERR_NOMEM;
	*kept = *hop;
	if (dns_resolve(host, AF_UNSPEC, resolved, kept))
		return OK;
	free(kept);
	return ERR_NOMEM;
}

void nexthop_find(struct str uri, const struct listener *like, nexthop_done *done, void *arg)
{
	struct hop  hop = { .done = done, .arg = arg, .like = like };
	struct str  host;
	struct addr ip;
	struct flow to;
	enum err    err = read_uri(uri, &host, &hop);

	if (!err && addr_parse(host, hop.port, &ip)) {
		err = ask(host, &hop);
		if (!err)
			return;
	} else if (!err && !flow_to(&hop, &ip, &to)) {
		err = ERR_UNSUPPORTED;
	}
	done(arg, err, err ? NULL : &to);
}
