/* Path for an edge proxy (RFC 3327 §5.2): the registrar keeps it with the binding and puts it into the Route of what it sends to that phone. It carries the
 * flow that the REGISTER came by (RFC 5626 §5.2, §5.3), so that the request goes back the same way, through whatever NAT there is. Nothing is remembered
 * here: the flow itself is the user part, behind it a proof that we wrote it in this life of the server, for the number of a connection means nothing in
 * another. */
#include "base/crypto.h"
#include "proxy/internal.h"

enum { FLOW_BYTES = 30, FLOW_HEX = 2 * FLOW_BYTES, PROOF_HEX = 16, TOKEN_HEX = FLOW_HEX + PROOF_HEX };

/* listener, length of the address, port, owner, connection, address */
static void flow_pack(const struct flow *f, unsigned char out[FLOW_BYTES])
{
	bool     v6 = f->peer.u.any.sa_family == AF_INET6;
	uint16_t port = addr_port(&f->peer);

	memset(out, 0, FLOW_BYTES);
	out[0] = (unsigned char)f->via->index;
	out[1] = v6 ? 16 : 4;
	memcpy(out + 2, &port, sizeof(port));
	memcpy(out + 4, &f->owner, sizeof(f->owner));
	memcpy(out + 6, &f->conn, sizeof(f->conn));
	if (v6)
		memcpy(out + 14, &f->peer.u.v6.sin6_addr, 16);
	else
		memcpy(out + 14, &f->peer.u.v4.sin_addr, 4);
}

static void flow_unpack(const unsigned char in[FLOW_BYTES], struct flow *out)
{
	uint16_t port;

	*out = (struct flow){ .via = net_listener_at(in[0]) };
	out->peer.u.any.sa_family = in[1] == 16 ? AF_INET6 : AF_INET;
	if (in[1] == 16)
		memcpy(&out->peer.u.v6.sin6_addr, in + 14, 16);
	else
		memcpy(&out->peer.u.v4.sin_addr, in + 14, 4);
	memcpy(&port, in + 2, sizeof(port));
	addr_set_port(&out->peer, port);
	memcpy(&out->owner, in + 4, sizeof(out->owner));
	memcpy(&out->conn, in + 6, sizeof(out->conn));
}

static void proof_write(struct str flow, struct buf *out)
{
	buf_hex64(out, hash_mac(proxy_key(), STR("flow"), flow));
}

static int hex_digit(char ch)
{
	return ch_digit(ch) ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool hex_read(struct str hex, unsigned char *out)
{
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		int hi = hex_digit(hex.p[i]), lo = hex_digit(hex.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i / 2] = (unsigned char)(hi * 16 + lo);
	}
	return true;
}

enum err flow_token_read(const struct uri *u, struct flow *out)
{
	char          room[PROOF_HEX];
	struct buf    proof = buf_on(room, sizeof(room));
	unsigned char bytes[FLOW_BYTES];

	if (u->user.len != TOKEN_HEX)
		return ERR_NOT_FOUND;
	proof_write(str_to(u->user, FLOW_HEX), &proof);
	if (!crypto_equal(str_from(u->user, FLOW_HEX), buf_str(&proof)) || !hex_read(str_to(u->user, FLOW_HEX), bytes))
		return ERR_STATE;
	flow_unpack(bytes, out);
	return out->via && net_flow_alive(out) ? OK : ERR_STATE;
}

/* Where the registrar reaches us: by UDP at the address that the phone does, where we listen there. */
static const struct listener *path_listener(const struct listener *in)
{
	for (size_t i = 0; i < net_listener_count(); i++) {
		const struct listener *l = net_listener_at(i);

		if (l->transport == TP_UDP && l->port == in->port && addr_ip_eq(&l->addr, &in->addr))
			return l;
	}
	return in;
}

enum err request_add_path(struct request *r, struct str at)
{
	const struct listener *l = path_listener(r->from.via);
	bool                   tcp = !at.len && l->transport == TP_TCP;
	unsigned char          bytes[FLOW_BYTES];
	char                   room[TOKEN_HEX];
	struct buf             token = buf_on(room, sizeof(room));
	struct str             path;

	flow_pack(&r->from, bytes);
	buf_hex(&token, bytes, sizeof(bytes));
	proof_write(buf_str(&token), &token);
	path = arena_printf(&r->arena, "<sip:" STR_FMT "@" STR_FMT "%s;lr;ob>", STR_ARG(buf_str(&token)), STR_ARG(at.len ? at : l->host_port),
			    tcp ? ";transport=tcp" : "");
	return path.p ? msg_prepend(&r->msg, STR("Path"), path) : ERR_NOMEM;
}
