/* Where a request comes from. */
#include "module/services.h"
#include "script/builtin.h"

static bool is_own_address(struct str host)
{
	const struct listener *l;

	for (size_t i = 0; (l = net_listener_at(i)); i++)
		if (net_is_local(host, l->port, l->transport))
			return true;
	return false;
}

static bool is_known(void)
{
	const struct profile_service *profile = module_service("profile");

	return !profile || !profile->knows_domains || profile->knows_domains();
}

/* A served domain, or one of our addresses whatever the port: what is sent there is for us. As long as nobody knows which domains are served, none
 * is taken for another's. */
enum verdict fn_is_local(struct call *c)
{
	const struct value *v = &c->argv[0];
	char                room[ADDR_TEXT];
	struct buf          ip = buf_on(room, sizeof(room));
	struct str          host = STR_NONE;

	if (v->type == T_IP) {
		addr_ip_write(v->u.ip, &ip);
		host = buf_str(&ip);
	} else if (v->type == T_STR) {
		host = v->u.s;
	} else if (v->type != T_NULL) {
		log_error(c->c, "is_local(): expected a host name or an address, got %s", vtype_name(v->type));
		return V_ERROR;
	}
	c->result = value_bool(host.len && (script_is_local(host) || is_own_address(host)));
	return host.len && !c->result.u.b && !is_known() ? call_unavailable(c) : V_OK;
}

/* --- nat_uac_test --- */

/* Addresses that nobody outside can send to (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 §2.5.6, and loopback). */
static bool is_private(const struct addr *ip)
{
	static const char *const nets[] = {
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128",
	};

	for (size_t i = 0; i < COUNT_OF(nets); i++) {
		struct addr net;
		uint8_t     prefix;

		if (!cidr_parse(str_of(nets[i]), &net, &prefix) && cidr_contains(&net, prefix, ip))
			return true;
	}
	return false;
}

static bool host_private(struct str host)
{
	struct addr ip;

	return !addr_parse(host, 0, &ip) && is_private(&ip);
}

/* A host that is no address says nothing about NAT. */
static bool host_differs(struct str host, const struct addr *source)
{
	struct addr ip;

	return !addr_parse(host, 0, &ip) && !addr_ip_eq(&ip, source);
}

static struct str contact_host(struct msg *m)
{
	struct msg_values it = msg_values(m, H_CONTACT);
	struct str        text;
	struct name_addr  na;

	if (!msg_values_next(&it, &text) || name_addr_parse(text, &na) || na.star)
		return STR_NONE;
	return na.uri.host;
}

static bool sdp_private(struct call *c)
{
	struct value v = V_NULL;

	return get_sdp(c, STR_NONE, &v) == V_OK && v.type == T_RECORD && v.u.rec->v[0].type == T_STR && host_private(v.u.rec->v[0].u.s);
}

enum { PRIVATE_CONTACT, DIFF_SOURCE, DIFF_PORT, DIFF_CONTACT, PRIVATE_VIA, PRIVATE_SDP };

/* Is one of the signs there that are asked for? */
enum verdict fn_nat_uac_test(struct call *c)
{
	const struct value *ask = c->argv;
	struct msg         *m = &c->req->msg;
	const struct addr  *peer = &c->req->from.peer;
	const struct via   *via = msg_via1(m);
	struct str          contact = contact_host(m), sent_by = via ? via->host : STR_NONE;
	uint16_t            via_port = via && via->port ? via->port : 5060;
	bool                yes = false;

	yes = yes || (ask[PRIVATE_CONTACT].u.b && host_private(contact));
	yes = yes || (ask[DIFF_SOURCE].u.b && host_differs(sent_by, peer));
	yes = yes || (ask[DIFF_PORT].u.b && via && via_port != addr_port(peer));
	yes = yes || (ask[DIFF_CONTACT].u.b && host_differs(contact, peer));
	yes = yes || (ask[PRIVATE_VIA].u.b && host_private(sent_by));
	yes = yes || (ask[PRIVATE_SDP].u.b && sdp_private(c));
	return give(c, value_bool(yes));
}
