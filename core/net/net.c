#include "net/net.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/tcp.h"
#include "net/udp.h"
#include "shm/counter.h"

enum { LISTENER_MOST = 64, NAME_MOST = 256 };

static struct {
	struct listener listener[LISTENER_MOST];
	char           *name[LISTENER_MOST];	/* the text of host_port and host */
	int            *fd[LISTENER_MOST];	/* one a worker; NULL: made by net_fake_listener */
	size_t          count;
	unsigned        workers, worker;	/* how many; which of them this process is */
	struct net_user user;
	void (*out)(const struct flow *to, struct str bytes);
} net;

static struct counter counts[NET_COUNTS] = {
	[COUNT_RECEIVED] = { "net.udp.received", "datagrams received", "datagrams" },
	[COUNT_RECEIVED_BYTES] = { "net.udp.received_bytes", "payload received", "bytes" },
	[COUNT_EMPTY] = { "net.udp.empty", "datagrams without payload, ignored", "datagrams" },
	[COUNT_ICMP] = { "net.udp.icmp", "ICMP errors for what was sent", "errors" },
	[COUNT_SENT] = { "net.udp.sent", "datagrams sent", "datagrams" },
	[COUNT_SENT_BYTES] = { "net.udp.sent_bytes", "payload sent", "bytes" },
	[COUNT_FULL] = { "net.udp.dropped_full", "not sent, the socket's buffer was full", "datagrams" },
	[COUNT_TOO_LARGE] = { "net.udp.dropped_too_large", "not sent, larger than a datagram may be", "datagrams" },
	[COUNT_FAILED] = { "net.udp.dropped_failed", "not sent, refused by the system (no route, …)", "datagrams" },
};

static void register_counters(void)
{
	for (size_t i = 0; i < NET_COUNTS; i++)
		counter_register(&counts[i]);
	tcp_register_counters();
}

void net_count(enum net_count what, int64_t n)
{
	counter_add(&counts[what], n);
}

/* --- listeners --- */

/* What stands in our Via: `advertise` ("host", "host:port", "[v6]:port"), or the address itself. Host and port of it. */
static enum err name_of(const struct addr *a, struct str advertise, char *text, struct listener *out)
{
	char       own[ADDR_TEXT];
	struct buf b = buf_on(text, NAME_MOST);
	struct str host = advertise.len ? advertise : addr_text(a, own), rest = STR_NONE;
	ptrdiff_t  end;
	uint32_t   port = addr_port(a);

	end = host.len && host.p[0] == '[' ? str_find(host, ']') + 1 : str_find(host, ':');
	if (end >= 0) {
		rest = str_from(host, (size_t)end);
		host = str_to(host, (size_t)end);
	}
	if (rest.len && (!str_take_ch(&rest, ':') || !str_u32(rest, &port) || port == 0 || port > UINT16_MAX))
		return ERR_SYNTAX;
	buf_add(&b, host);
	buf_ch(&b, ':');
	buf_u64(&b, port);
	if (!buf_ok(&b) || !host.len)
		return ERR_SYNTAX;
	out->host_port = buf_str(&b);
	out->host = str_to(out->host_port, host.len);
	if (host.p[0] == '[')
		out->host = str_n(out->host_port.p + 1, host.len - 2);
	out->port = (uint16_t)port;
	return OK;
}

/* An address of an interface that is up. Link-local ones are left out: they mean nothing without their interface. */
static bool usable(const struct ifaddrs *i, uint16_t port, struct addr *out)
{
	struct addr a = { 0 };

	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
		return false;
	if (i->ifa_addr->sa_family == AF_INET)
		memcpy(&a.u.v4, i->ifa_addr, sizeof(a.u.v4));
	else if (i->ifa_addr->sa_family == AF_INET6)
		memcpy(&a.u.v6, i->ifa_addr, sizeof(a.u.v6));
	else
		return false;
	if (a.u.any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a.u.v6.sin6_addr))
		return false;
	addr_set_port(&a, port);
	*out = a;
	return true;
}

static unsigned mask_bits(const struct sockaddr *mask)
{
	const uint8_t *p = (const uint8_t *)&((const struct sockaddr_in *)mask)->sin_addr;
	unsigned       bytes = 4, n = 0;

	if (mask->sa_family == AF_INET6) {
		p = ((const struct sockaddr_in6 *)mask)->sin6_addr.s6_addr;
		bytes = 16;
	}
	while (n < bytes * 8 && p[n / 8] & (0x80 >> n % 8))
		n++;
	return n;
}

/* Of the interface on whose network this address is (one may listen to all of 127/8); 0: none. */
static unsigned network_bits(const struct addr *a)
{
	struct ifaddrs *all;
	struct addr     own;
	unsigned        bits = 0;

	if (getifaddrs(&all))
		return 0;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		unsigned n = usable(i, 0, &own) && i->ifa_netmask ? mask_bits(i->ifa_netmask) : 0;

		if (n > bits && own.u.any.sa_family == a->u.any.sa_family && addr_common_bits(&own, a) >= n)
			bits = n;
	}
	freeifaddrs(all);
	return bits;
}

static const struct listener *listener_add(enum transport t, const struct addr *a, struct str advertise, int *fds)
{
	struct listener *l = &net.listener[net.count];
	char            *text = net.count < LISTENER_MOST ? malloc(NAME_MOST) : NULL;

	if (!text || name_of(a, advertise, text, l)) {
		free(text);
		return NULL;
	}
	l->transport = t;
	l->addr = *a;
	l->network_bits = network_bits(a);
	l->index = (unsigned)net.count;
	net.name[net.count] = text;
	net.fd[net.count++] = fds;
	return l;
}

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; fds && i < n; i++)
		close(fds[i]);
}

static const struct listener *listener_on(enum transport t, const struct addr *a)
{
	for (size_t i = 0; i < net.count; i++)
		if (net.listener[i].transport == t && addr_eq(&net.listener[i].addr, a))
			return &net.listener[i];
	return NULL;
}

static enum err listen_on(enum transport t, const struct addr *a, struct str advertise, char *why, size_t cap)
{
	int     *fds = calloc(net.workers, sizeof(*fds));
	enum err err;

	if (!fds) {
		snprintf(why, cap, "not enough memory");
		return ERR_NOMEM;
	}
	err = t == TP_TCP ? tcp_open(a, net.workers, fds, why, cap) : udp_open(a, net.workers, fds, why, cap);
	if (err)
		goto out;
	if (listener_add(t, a, advertise, fds))
		return OK;
	close_fds(fds, net.workers);
	snprintf(why, cap, "`advertise` is not a host or host:port, or there are more than %d listening addresses", LISTENER_MOST);
	err = ERR_SYNTAX;
out:
	free(fds);
	return err;
}

/* One listener an address, not one wildcard socket: so every answer leaves from the address that the request came to. */
static enum err listen_everywhere(enum transport t, uint16_t port, struct str advertise, char *why, size_t cap)
{
	struct ifaddrs *all;
	struct addr     a;
	enum err        err = OK;

	if (getifaddrs(&all)) {
		snprintf(why, cap, "the addresses of this machine cannot be read: give one instead of *");
		return ERR_IO;
	}
	for (struct ifaddrs *i = all; i && !err; i = i->ifa_next)
		if (usable(i, port, &a) && !listener_on(t, &a))
			err = listen_on(t, &a, advertise, why, cap);
	freeifaddrs(all);
	return err;
}

enum err net_listen(struct str transport, struct str host, uint16_t port, struct str advertise, unsigned workers, char *why, size_t cap)
{
	enum transport t = transport_of(transport);
	struct addr    a;

	register_counters();
	if (t != TP_UDP && t != TP_TCP) {
		snprintf(why, cap, "transport `" STR_FMT "` is not supported yet: use udp or tcp", STR_ARG(transport));
		return ERR_UNSUPPORTED;
	}
	if (net.count && workers != net.workers) {
		snprintf(why, cap, "all addresses are listened to by the same number of workers");
		return ERR_STATE;
	}
	net.workers = workers;
	if (!port)
		port = transport_port(t);
	if (str_is(host, "*"))
		return listen_everywhere(t, port, advertise, why, cap);
	if (addr_parse(host, port, &a)) {
		snprintf(why, cap, "`" STR_FMT "` is not an IP address: give one of this machine's, or *", STR_ARG(host));
		return ERR_SYNTAX;
	}
	if (listener_on(t, &a)) {
		snprintf(why, cap, STR_FMT " is listed twice in `listen`", STR_ARG(addr_text(&a, (char[ADDR_TEXT]){ 0 })));
		return ERR_EXISTS;
	}
	if (addr_is_any(&a))
		return listen_everywhere(t, port, advertise, why, cap);
	return listen_on(t, &a, advertise, why, cap);
}

size_t net_listener_count(void)
{
	return net.count;
}

const struct listener *net_listener_at(size_t i)
{
	return i < net.count ? &net.listener[i] : NULL;
}

void net_close_all(void)
{
	while (net.count) {
		net.count--;
		close_fds(net.fd[net.count], net.workers);
		free(net.fd[net.count]);
		free(net.name[net.count]);
	}
}

int net_socket(const struct listener *via)
{
	return net.fd[via->index] ? net.fd[via->index][net.worker] : -1;
}

bool net_is_local(struct str host, uint16_t port, enum transport t)
{
	struct addr a;
	bool        ip = addr_parse(host, 0, &a) == OK;

	for (size_t i = 0; i < net.count; i++) {
		const struct listener *l = &net.listener[i];
		uint16_t               want = port ? port : transport_port(l->transport);

		if (t != TP_NONE && t != l->transport)
			continue;
		if (ip && addr_ip_eq(&a, &l->addr) && want == addr_port(&l->addr))
			return true;
		if (str_ieq(host, l->host) && want == l->port)
			return true;
	}
	return false;
}

enum { SAME_NETWORK = 1000 };

/* How well a listener suits the destination; 0: not at all. On a machine with several networks, the destination's own comes first. The
 * kernel refuses to send from a loopback address to the outside, and whoever is outside cannot answer to one. */
static unsigned suits(const struct listener *l, enum transport t, const struct addr *to)
{
	unsigned same;

	if (l->transport != t || l->addr.u.any.sa_family != to->u.any.sa_family)
		return 0;
	if (addr_is_loopback(&l->addr) && !addr_is_loopback(to))
		return 1;
	same = addr_common_bits(&l->addr, to);
	return (l->network_bits && same >= l->network_bits ? SAME_NETWORK : 2) + same;
}

const struct listener *net_listener_for(enum transport t, const struct addr *to, const struct listener *like)
{
	const struct listener *best = NULL;
	unsigned               most = 0, liked = like ? suits(like, t, to) : 0;

	for (size_t i = 0; i < net.count; i++)
		if (suits(&net.listener[i], t, to) > most) {
			best = &net.listener[i];
			most = suits(best, t, to);
		}
	if (liked >= SAME_NETWORK || (liked > 1 && most < SAME_NETWORK))
		return like;
	return best;
}

/* --- worker --- */

void net_set_user(const struct net_user *u)
{
	register_counters();
	net.user = *u;
}

enum err net_worker_start(struct loop *l, unsigned worker)
{
	enum err err;

	if (net.count && worker >= net.workers)
		return ERR_LIMIT;
	net.worker = worker;
	err = send_start(l);
	if (!err)
		err = udp_start(l);
	return err ? err : tcp_start(l);
}

void net_worker_stop(void)
{
	net_flush();
	tcp_stop();
}

void net_pass_up(struct str bytes, const struct flow *from)
{
	if (net.user.received)
		net.user.received(bytes, from);
}

void net_pass_unframed(struct str bytes, enum err why, const struct flow *from)
{
	if (net.user.unframed)
		net.user.unframed(bytes, why, from);
}

void net_pass_undelivered(struct str bytes, const struct flow *to)
{
	if (net.user.undelivered)
		net.user.undelivered(bytes, to);
}

void net_pass_unreachable(const struct flow *to)
{
	if (net.user.unreachable)
		net.user.unreachable(to);
}

void net_pass_lost(uint64_t conn)
{
	if (net.user.lost)
		net.user.lost(conn);
}

void net_pass_batch_end(void)
{
	if (net.user.batch_end)
		net.user.batch_end();
}

/* --- simulation --- */

void net_replace(void (*out)(const struct flow *to, struct str bytes))
{
	net.out = out;
}

void (*net_exit(void))(const struct flow *to, struct str bytes)
{
	return net.out;
}

void net_inject(struct str bytes, const struct flow *from)
{
	net_pass_up(bytes, from);
	net_pass_batch_end();
}

const struct listener *net_fake_listener(enum transport t, const char *host, uint16_t port)
{
	const struct listener *l;
	struct addr            a;
	struct str             length = str_of(host), ip = str_take_until(&length, '/');
	uint32_t               bits = 0;

	register_counters();
	l = addr_parse(ip, port, &a) ? NULL : listener_add(t, &a, STR_NONE, NULL);
	if (l && str_u32(length, &bits))
		net.listener[l->index].network_bits = bits;
	return l;
}
