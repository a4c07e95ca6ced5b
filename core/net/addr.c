#include "net/addr.h"

#include <arpa/inet.h>

struct str transport_name(enum transport t)
{
	static const struct str names[TP_COUNT] = {
		[TP_NONE] = { .p = "", .len = 0 }, [TP_UDP] = { .p = "UDP", .len = 3 }, [TP_TCP] = { .p = "TCP", .len = 3 },
		[TP_TLS] = { .p = "TLS", .len = 3 }, [TP_WS] = { .p = "WS", .len = 2 }, [TP_WSS] = { .p = "WSS", .len = 3 },
	};

	return names[t < TP_COUNT ? t : TP_NONE];
}

enum transport transport_of(struct str name)
{
	for (enum transport t = TP_UDP; t < TP_COUNT; t++)
		if (str_ieq(name, transport_name(t)))
			return t;
	return TP_NONE;
}

bool transport_reliable(enum transport t)
{
	return t > TP_UDP && t < TP_COUNT;
}

/* RFC 3261 §19.1.2; RFC 7118 §5 leaves WS and WSS the ports of SIP and SIPS. */
uint16_t transport_port(enum transport t)
{
	return t == TP_TLS || t == TP_WSS ? 5061 : 5060;
}

enum err addr_parse(struct str ip, uint16_t port, struct addr *out)
{
	char        text[INET6_ADDRSTRLEN];
	bool        bracketed = ip.len >= 2 && ip.p[0] == '[' && ip.p[ip.len - 1] == ']';
	struct addr a = { 0 };

	if (bracketed)
		ip = str_n(ip.p + 1, ip.len - 2);
	if (!str_cstr(ip, text, sizeof(text)))
		return ERR_SYNTAX;
	if (!bracketed && inet_pton(AF_INET, text, &a.u.v4.sin_addr) == 1)
		a.u.any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &a.u.v6.sin6_addr) == 1)
		a.u.any.sa_family = AF_INET6;
	else
		return ERR_SYNTAX;
	addr_set_port(&a, port);
	*out = a;
	return OK;
}

bool addr_ip_eq(const struct addr *a, const struct addr *b)
{
	if (a->u.any.sa_family != b->u.any.sa_family)
		return false;
	if (a->u.any.sa_family == AF_INET)
		return a->u.v4.sin_addr.s_addr == b->u.v4.sin_addr.s_addr;
	return a->u.any.sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&a->u.v6.sin6_addr, &b->u.v6.sin6_addr);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_ip_eq(a, b) && addr_port(a) == addr_port(b);
}

bool addr_is_any(const struct addr *a)
{
	if (a->u.any.sa_family == AF_INET)
		return a->u.v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return a->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->u.v6.sin6_addr);
}

bool addr_is_loopback(const struct addr *a)
{
	if (a->u.any.sa_family == AF_INET)
		return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return a->u.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->u.v6.sin6_addr);
}

unsigned addr_common_bits(const struct addr *a, const struct addr *b)
{
	bool           v6 = a->u.any.sa_family == AF_INET6;
	const uint8_t *x = v6 ? a->u.v6.sin6_addr.s6_addr : (const uint8_t *)&a->u.v4.sin_addr;
	const uint8_t *y = v6 ? b->u.v6.sin6_addr.s6_addr : (const uint8_t *)&b->u.v4.sin_addr;
	unsigned       n = 0;

	while (n < (v6 ? 128 : 32) && !((x[n / 8] ^ y[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n;
}

/* The port stands at the same place in both. */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "sockaddr layouts");

struct str addr_ip_bytes(const struct addr *a)
{
	return a->u.any.sa_family == AF_INET6 ? str_n((const char *)&a->u.v6.sin6_addr, sizeof(a->u.v6.sin6_addr))
					      : str_n((const char *)&a->u.v4.sin_addr, sizeof(a->u.v4.sin_addr));
}

uint16_t addr_port(const struct addr *a)
{
	return ntohs(a->u.v4.sin_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
	a->u.v4.sin_port = htons(port);
}

socklen_t addr_len(const struct addr *a)
{
	return a->u.any.sa_family == AF_INET6 ? sizeof(a->u.v6) : sizeof(a->u.v4);
}

/* Once a message at least, hence not by inet_ntop(), which goes through printf. */
static void ipv4_write(const struct in_addr *ip, struct buf *out)
{
	uint8_t octet[4];

	memcpy(octet, ip, sizeof(octet));
	for (size_t i = 0; i < sizeof(octet); i++) {
		if (i)
			buf_ch(out, '.');
		buf_u64(out, octet[i]);
	}
}

void addr_ip_write(const struct addr *a, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (a->u.any.sa_family == AF_INET)
		ipv4_write(&a->u.v4.sin_addr, out);
	else if (a->u.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a->u.v6.sin6_addr, text, sizeof(text)))
		buf_add(out, str_of(text));
	else
		BUF_LIT(out, "none");
}

void addr_write(const struct addr *a, struct buf *out)
{
	bool v6 = a->u.any.sa_family == AF_INET6;

	if (v6)
		buf_ch(out, '[');
	addr_ip_write(a, out);
	if (v6)
		buf_ch(out, ']');
	buf_ch(out, ':');
	buf_u64(out, addr_port(a));
}

struct str addr_text(const struct addr *a, char *room)
{
	struct buf b = buf_on(room, ADDR_TEXT);

	addr_write(a, &b);
	return buf_str(&b);
}
