/* Whether who looks for our domain (RFC 3263 §4) finds this host. */
#include "ctl/doctor.h"

#include <ifaddrs.h>
#include <stdio.h>

#include "net/resolver.h"
#include "script/script.h"

enum { WAIT_MS = 200 };

struct question {
	bool              done;
	enum err          err;
	struct dns_answer answer;
};

/* What the steps for one domain have led to. */
struct found {
	struct doctor *d;
	struct loop   *loop;
	struct str     way;		/* "SRV sip.example.org:5060 (192.0.2.1), …" */
	bool           any, here;	/* an address; one of ours */
	bool           broken, silent;	/* a record leads nowhere; a name server did not answer */
};

static void on_answer(void *arg, enum err err, const struct dns_answer *answer, uint32_t ttl_s)
{
	struct question *q = arg;

	(void)ttl_s;
	q->err = err;
	if (!err)
		q->answer = *answer;
	q->done = true;
}

static void ask(struct found *f, const char *name, enum dns_type type, struct question *q)
{
	*q = (struct question){ 0 };
	resolver_ask(name, type, on_answer, q);
	while (!q->done)
		loop_turn(f->loop, WAIT_MS);
	f->silent |= q->err && q->err != ERR_NOT_FOUND;
}

static bool is_ours(const struct addr *ip)
{
	struct ifaddrs *all = NULL;
	struct addr     shown;
	bool            ours = !addr_parse(settings.advertise, 0, &shown) && addr_ip_eq(&shown, ip);

	if (getifaddrs(&all))
		return ours;
	for (struct ifaddrs *i = all; i && !ours; i = i->ifa_next) {
		struct addr own = { 0 };

		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&own.u, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof(own.u.v4) : sizeof(own.u.v6));
		ours = addr_ip_eq(&own, ip);
	}
	freeifaddrs(all);
	return ours;
}

static void look_at_host(struct found *f, const char *host, unsigned port)
{
	struct arena   *a = f->d->c->arena;
	struct question q;
	struct str      list = STR("");

	ask(f, host, DNS_HOST, &q);
	for (size_t i = 0; !q.err && i < q.answer.count; i++) {
		char       room[ADDR_TEXT];
		struct buf b = buf_on(room, sizeof(room));

		addr_ip_write(&q.answer.addr[i], &b);
		list = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(list), i ? " " : "", STR_ARG(buf_str(&b)));
		f->here |= is_ours(&q.answer.addr[i]);
		f->any = true;
	}
	f->broken |= q.err != OK;
	f->way = arena_printf(a, STR_FMT "%s%s:%u (" STR_FMT ")", STR_ARG(f->way), f->way.len ? ", " : "", host, port, STR_ARG(list.len ? list : STR("no address")));
}

/* False: no such record. */
static bool look_at_srv(struct found *f, const char *name)
{
	struct question q;

	ask(f, name, DNS_SRV, &q);
	for (size_t i = 0; !q.err && i < q.answer.count; i++)
		if (q.answer.srv[i].target[0])
			look_at_host(f, q.answer.srv[i].target, q.answer.srv[i].port);
	return !q.err;
}

static void look(struct found *f, const char *domain)
{
	struct question q;
	char            name[DNS_NAME + 16];
	bool            srv = false;

	ask(f, domain, DNS_NAPTR, &q);
	for (size_t i = 0; !q.err && i < q.answer.count; i++)
		if (!strncmp(q.answer.naptr[i].service, "SIP", 3))
			srv |= look_at_srv(f, q.answer.naptr[i].replacement);
	for (size_t i = 0; !srv && i < 2; i++) {
		snprintf(name, sizeof(name), "%s.%s", i ? "_sip._tcp" : "_sip._udp", domain);
		srv = look_at_srv(f, name);
	}
	if (!srv)
		look_at_host(f, domain, 5060);
}

static void note(struct found *f, const char *check, const char *domain)
{
	if (!f->any)
		doctor_note(f->d, HEALTH_FAIL, check, "have the zone say `_sip._udp IN SRV 0 0 5060 HOST.` and HOST's address, or give phones this server's address as their proxy",
			    "nobody finds %s: no NAPTR, SRV or address record leads to an address%s", domain, f->silent ? " (or the name server does not answer)" : "");
	else if (!f->here)
		doctor_note(f->d, HEALTH_WARN, check, "correct the zone; behind a NAT, say the outer address by `advertise`",
			    STR_FMT ": none is an address of this host", STR_ARG(f->way));
	else if (f->broken)
		doctor_note(f->d, HEALTH_WARN, check, "each record should lead to an address that answers", STR_FMT ": some of it leads nowhere", STR_ARG(f->way));
	else
		doctor_note(f->d, HEALTH_GOOD, check, NULL, STR_FMT, STR_ARG(f->way));
}

void doctor_dns(struct doctor *d, struct str domain)
{
	struct dns_config cfg = { .servers = settings.dns_servers.len ? settings.dns_servers.p : NULL, .timeout_ms = 1000, .tries = 2 };
	struct found      f = { .d = d, .way = STR("") };
	const char       *check = arena_printf(d->c->arena, "DNS of " STR_FMT "%c", STR_ARG(domain), 0).p;
	struct addr       ip;

	if (!addr_parse(domain, 0, &ip)) {
		doctor_note(d, is_ours(&ip) ? HEALTH_GOOD : HEALTH_WARN, check, "phones that are told this domain call that address", "an address, which needs no DNS");
		return;
	}
	f.loop = loop_new();
	if (f.loop && !resolver_open(f.loop, &cfg)) {
		const char *name = arena_printf(d->c->arena, STR_FMT "%c", STR_ARG(domain), 0).p;

		look(&f, name);
		note(&f, check, name);
		resolver_close();
	} else {
		doctor_note(d, HEALTH_FAIL, check, "`dns_servers` is a list as 127.0.0.1:53,192.0.2.1", "the name servers cannot be asked");
	}
	loop_free(f.loop);
}
