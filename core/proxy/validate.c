/* RFC 3261 §16.3, what msg_check() leaves to a proxy. */
#include "proxy/internal.h"

/* Behind a served domain with a port of its own may be another server, or a phone where the domain is this machine's address. */
static bool is_our_port(uint16_t port)
{
	for (size_t i = 0; i < net_listener_count(); i++)
		if (net_listener_at(i)->port == port)
			return true;
	return port == 0;
}

bool proxy_is_self(const struct uri *u)
{
	if (u->scheme != URI_SIP && u->scheme != URI_SIPS)
		return false;
	if (net_is_local(u->host, u->port, TP_NONE))
		return true;
	return is_our_port(u->port) && proxy_user()->is_local && proxy_user()->is_local(u->host);
}

/* OPTIONS without a user part, or with its hops used up here, asks about this server (§11, §16.3 step 3). */
static bool options_to_self(struct request *r)
{
	const struct uri *u = msg_ruri(&r->msg);

	return r->msg.method == M_OPTIONS && u && !u->has_user && !r->msg.first[H_ROUTE] && proxy_is_self(u);
}

/* Step 3 */
static bool hops_left(struct request *r)
{
	uint32_t left;

	if (msg_number(&r->msg, H_MAX_FORWARDS, &left) || left > 0)
		return true;
	counter_inc(&count_too_many_hops);
	if (r->msg.method == M_OPTIONS)
		reply_options(r);
	else
		reply_stateless(r, &(struct reply){ .status = 483 });
	return false;
}

/* Step 4 */
static bool is_no_loop(struct request *r)
{
	if (!request_looped(r))
		return true;
	counter_inc(&count_loops);
	reply_stateless(r, &(struct reply){ .status = 482 });
	return false;
}

/* Step 5: we support no extension that a proxy could be required to. */
static bool extensions_known(struct request *r)
{
	struct msg_values it = msg_values(&r->msg, H_PROXY_REQUIRE);
	struct str        tag;
	char              room[512];
	struct buf        headers = buf_on(room, sizeof(room));

	if (!r->msg.first[H_PROXY_REQUIRE] || r->msg.method == M_ACK || r->msg.method == M_CANCEL)
		return true;	/* §8.2.2.3: never for CANCEL and ACK */
	BUF_LIT(&headers, "Unsupported: ");
	for (bool first = true; msg_values_next(&it, &tag); first = false) {
		if (!first)
			BUF_LIT(&headers, ", ");
		buf_add(&headers, tag);
	}
	BUF_LIT(&headers, "\r\n");
	counter_inc(&count_extensions);
	reply_stateless(r, &(struct reply){ .status = 420, .headers = buf_ok(&headers) ? buf_str(&headers) : STR_NONE });
	return false;
}

bool request_valid(struct request *r)
{
	if (options_to_self(r)) {
		reply_options(r);
		return false;
	}
	return hops_left(r) && is_no_loop(r) && extensions_known(r);
}
