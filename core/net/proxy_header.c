#include "net/proxy_header.h"

enum { V1_MOST = 107, V2_FIXED = 16, V2_MOST = 4096 };

/* Version 1, §2.1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 5060\r\n" */
static enum err v1_line(struct str line, struct addr *peer)
{
	struct str  family = str_take_until(&line, ' '), source, ignored;
	struct addr from, to;
	uint32_t    from_port, to_port;
	int         want;

	if (str_is(family, "UNKNOWN")) {
		*peer = (struct addr){ 0 };
		return OK;
	}
	want = str_is(family, "TCP4") ? AF_INET : str_is(family, "TCP6") ? AF_INET6 : AF_UNSPEC;
	source = str_take_until(&line, ' ');
	ignored = str_take_until(&line, ' ');
	if (!str_u32(str_take_until(&line, ' '), &from_port) || !str_u32(line, &to_port) || from_port > UINT16_MAX || to_port > UINT16_MAX)
		return ERR_SYNTAX;
	if (addr_parse(source, (uint16_t)from_port, &from) || addr_parse(ignored, (uint16_t)to_port, &to))
		return ERR_SYNTAX;
	if (want == AF_UNSPEC || from.u.any.sa_family != want || to.u.any.sa_family != want)
		return ERR_SYNTAX;
	*peer = from;
	return OK;
}

static enum err v1_parse(struct str in, struct addr *peer, size_t *len)
{
	ptrdiff_t lf = str_find(str_to(in, V1_MOST), '\n');
	enum err  err;

	if (lf < 0)
		return in.len >= V1_MOST ? ERR_SYNTAX : ERR_AGAIN;
	if (lf < 7 || in.p[lf - 1] != '\r')
		return ERR_SYNTAX;
	err = v1_line(str_from(str_to(in, (size_t)lf - 1), 6), peer);
	if (!err)
		*len = (size_t)lf + 1;
	return err;
}

/* Version 2, §2.2: signature, version and command, family and protocol, length, addresses, extensions that we skip. */
static enum err v2_parse(struct str in, struct addr *peer, size_t *len)
{
	const uint8_t *p = (const uint8_t *)in.p;
	struct addr    a = { 0 };
	size_t         rest;

	if (in.len < V2_FIXED)
		return ERR_AGAIN;
	rest = (size_t)p[14] << 8 | p[15];
	if (p[12] >> 4 != 2 || (p[12] & 15) > 1 || rest > V2_MOST)
		return ERR_SYNTAX;
	if (in.len < V2_FIXED + rest)
		return ERR_AGAIN;
	if ((p[12] & 15) == 1 && p[13] == 0x11) {
		if (rest < 12)
			return ERR_SYNTAX;
		a.u.v4.sin_family = AF_INET;
		memcpy(&a.u.v4.sin_addr, p + V2_FIXED, 4);
		memcpy(&a.u.v4.sin_port, p + V2_FIXED + 8, 2);
	} else if ((p[12] & 15) == 1 && p[13] == 0x21) {
		if (rest < 36)
			return ERR_SYNTAX;
		a.u.v6.sin6_family = AF_INET6;
		memcpy(&a.u.v6.sin6_addr, p + V2_FIXED, 16);
		memcpy(&a.u.v6.sin6_port, p + V2_FIXED + 32, 2);
	}
	*peer = a;
	*len = V2_FIXED + rest;
	return OK;
}

enum err proxy_header_parse(struct str in, struct addr *peer, size_t *len)
{
	static const struct str v1 = STR("PROXY "), v2 = STR("\r\n\r\n\0\r\nQUIT\n");

	if (str_starts(in, v1))
		return v1_parse(in, peer, len);
	if (str_starts(in, v2))
		return v2_parse(in, peer, len);
	return str_starts(v1, in) || str_starts(v2, in) ? ERR_AGAIN : ERR_SYNTAX;
}
