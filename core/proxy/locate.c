/* Where a URI leads (RFC 3263 §4): a small machine over the answers of the domain name system. What is known is gone through at
 * once; for the rest it waits, and goes on from the loop. */
#include <stdlib.h>

#include "base/random.h"
#include "net/dns.h"
#include "proxy/internal.h"

enum { MOST_SERVICES = 6 };

/* Where SRV records say which servers there are for one transport. */
struct service {
	enum transport transport;
	uint16_t       order, preference;
	char           name[DNS_NAME];
};

enum step { STEP_NAPTR, STEP_SRV, STEP_HOST, STEP_DONE };

struct search {
	locate_done           *done;
	void                  *arg;
	const struct listener *like;
	bool                   stable, sips, kept;	/* kept: on the heap, since it has to wait */
	bool                   any_srv;
	enum step              step;
	enum transport         transport;	/* where no record says better */
	uint16_t               port;		/* as given, 0: none */
	enum err               err;		/* the last, told when nothing is found */
	char                   host[DNS_NAME];
	struct service         service[MOST_SERVICES];
	size_t                 services, service_at;
	struct dns_srv         srv[DNS_MOST];	/* of the present service, in the order in which they are to be tried */
	size_t                 srvs, srv_at;
	struct flow            to[TM_MOST_HOPS];
	size_t                 count;
};

static const struct kind {	/* in our order of preference where the zone has none */
	const char    *naptr, *srv;
	enum transport transport;
} kinds[] = {	/* RFC 3263 §4.1; services of other transports are none that we could connect to */
	{ "SIP+D2U", "_sip._udp.", TP_UDP }, { "SIP+D2T", "_sip._tcp.", TP_TCP }, { "SIPS+D2T", "_sips._tcp.", TP_TLS },
};

/* Do we have a socket for it? */
static bool can_use(enum transport t)
{
	for (size_t i = 0; i < net_listener_count(); i++)
		if (net_listener_at(i)->transport == t)
			return true;
	return false;
}

/* A SIPS URI takes secure services only; a SIP URI any that we support. */
static bool suits(const struct search *s, const struct kind *k)
{
	return (!s->sips || k->transport == TP_TLS) && can_use(k->transport);
}

static void service_add(struct search *s, const struct service *new)
{
	if (s->services < MOST_SERVICES)
		s->service[s->services++] = *new;
}

/* §4.2: "_sip._udp.example.com" */
static void service_of_kind(struct search *s, const struct kind *k)
{
	struct service new = { .transport = k->transport };
	struct buf     b = buf_on(new.name, sizeof(new.name) - 1);

	buf_add(&b, str_of(k->srv));
	buf_add(&b, str_of(s->host));
	if (buf_ok(&b))
		service_add(s, &new);
}

/* --- §4.1: NAPTR --- */

static const struct kind *kind_of(const struct dns_naptr *n)
{
	if (!str_ieqz(str_of(n->flags), "s") || !n->replacement[0])
		return NULL;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (str_ieqz(str_of(n->service), kinds[i].naptr))
			return &kinds[i];
	return NULL;
}

static int by_order(const void *a, const void *b)
{
	const struct service *x = a, *y = b;

	return x->order != y->order ? x->order - y->order : x->preference - y->preference;
}

static void take_naptr(struct search *s, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct dns_naptr *n = &a->naptr[i];
		const struct kind      *k = kind_of(n);
		struct service          new = { .order = n->order, .preference = n->preference };

		if (!k || !suits(s, k))
			continue;
		new.transport = k->transport;
		memcpy(new.name, n->replacement, sizeof(new.name));
		service_add(s, &new);
	}
	qsort(s->service, s->services, sizeof(s->service[0]), by_order);
}

/* --- §4.2: SRV --- */

/* The next of those from `from` on (RFC 2782): lowest priority, then by weight at random, where one with weight 0 has a very small chance. */
static size_t choose(const struct dns_srv *srv, size_t from, size_t n)
{
	uint16_t priority = UINT16_MAX;
	uint32_t sum = 0, pick;

	for (size_t i = from; i < n; i++)
		if (srv[i].priority < priority)
			priority = srv[i].priority;
	for (size_t i = from; i < n; i++)
		sum += srv[i].priority == priority ? srv[i].weight : 0;
	pick = random_below(sum + 1);
	for (size_t i = from; i < n && !pick; i++)
		if (srv[i].priority == priority && !srv[i].weight)
			return i;
	sum = 0;
	for (size_t i = from; i < n; i++) {
		if (srv[i].priority != priority)
			continue;
		sum += srv[i].weight;
		if (sum >= pick)
			return i;
	}
	return from;
}

static void shuffle(struct dns_srv *srv, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t         at = choose(srv, i, n);
		struct dns_srv first = srv[at];

		srv[at] = srv[i];
		srv[i] = first;
	}
}

/* §4.4: an order that is always the same, for who forwards without state. */
static int by_name(const void *a, const void *b)
{
	const struct dns_srv *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority - y->priority;
	if (x->weight != y->weight)
		return y->weight - x->weight;
	return strcmp(x->target, y->target);
}

static void take_srv(struct search *s, const struct dns_answer *a)
{
	s->any_srv = true;
	s->srvs = s->srv_at = 0;
	for (size_t i = 0; i < a->count; i++)
		if (a->srv[i].target[0])
			s->srv[s->srvs++] = a->srv[i];
	if (s->stable)
		qsort(s->srv, s->srvs, sizeof(s->srv[0]), by_name);
	else
		shuffle(s->srv, s->srvs);
}

/* --- addresses --- */

static bool is_in(const struct search *s, const struct flow *to)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->to[i].via == to->via && addr_eq(&s->to[i].peer, &to->peer))
			return true;
	return false;
}

static void flow_add(struct search *s, const struct addr *ip, enum transport t, uint16_t port)
{
	struct flow to = { .peer = *ip };

	addr_set_port(&to.peer, port ? port : transport_port(t));
	to.via = net_listener_for(t, &to.peer, s->like);
	if (!to.via)
		s->err = ERR_UNSUPPORTED;
	else if (s->count < TM_MOST_HOPS && !is_in(s, &to))
		s->to[s->count++] = to;
}

static enum transport transport_now(const struct search *s)
{
	return s->any_srv ? s->service[s->service_at].transport : s->transport;
}

/* The family by which the request came first: media will have to go the same way. */
static void take_addresses(struct search *s, const struct dns_answer *a)
{
	int      family = s->like ? s->like->addr.u.any.sa_family : AF_INET6;
	uint16_t port = s->any_srv ? s->srv[s->srv_at].port : s->port;

	for (int same = 1; same >= 0; same--)
		for (size_t i = 0; i < a->count; i++)
			if ((a->addr[i].u.any.sa_family == family) == same)
				flow_add(s, &a->addr[i], transport_now(s), port);
}

/* --- the machine --- */

static void next_service(struct search *s)
{
	s->service_at++;
	if (s->service_at < s->services)
		s->step = STEP_SRV;
	else
		s->step = s->any_srv ? STEP_DONE : STEP_HOST;	/* §4.2: no SRV records were found */
}

static void after_naptr(struct search *s)
{
	bool any = s->services;

	for (size_t i = 0; !any && i < COUNT_OF(kinds); i++)
		if (suits(s, &kinds[i]))
			service_of_kind(s, &kinds[i]);
	s->step = s->services ? STEP_SRV : STEP_HOST;
}

static void after_host(struct search *s)
{
	if (!s->any_srv)
		s->step = STEP_DONE;
	else if (++s->srv_at == s->srvs)
		next_service(s);
}

/* One answer, and where that leads. */
static void take(struct search *s, enum err err, const struct dns_answer *a)
{
	if (err)
		s->err = err;
	switch (s->step) {
	case STEP_NAPTR:
		if (!err)
			take_naptr(s, a);
		after_naptr(s);
		break;
	case STEP_SRV:
		if (!err)
			take_srv(s, a);
		if (!err && s->srvs)
			s->step = STEP_HOST;
		else
			next_service(s);
		break;
	case STEP_HOST:
		if (!err)
			take_addresses(s, a);
		after_host(s);
		break;
	case STEP_DONE:
		break;
	}
	/* Name servers that do not answer will not answer the next question either. */
	if (err == ERR_TIMEOUT || err == ERR_NOMEM || s->count == TM_MOST_HOPS)
		s->step = STEP_DONE;
}

static struct str name_now(const struct search *s)
{
	if (s->step == STEP_SRV)
		return str_of(s->service[s->service_at].name);
	return str_of(s->step == STEP_HOST && s->any_srv ? s->srv[s->srv_at].target : s->host);
}

static enum dns_type type_now(const struct search *s)
{
	return s->step == STEP_NAPTR ? DNS_NAPTR : s->step == STEP_SRV ? DNS_SRV : DNS_HOST;
}

static void go_on(struct search *s);

static void answered(void *arg, enum err err, const struct dns_answer *a)
{
	struct search *s = arg;

	take(s, err, a);
	go_on(s);
}

/* False: no memory, or too many questions under way. */
static bool wait(struct search *s)
{
	struct search *kept = s->kept ? s : malloc(sizeof(*kept));

	if (!kept)
		return false;
	if (kept != s)
		*kept = *s;
	kept->kept = true;
	if (dns_ask(name_now(s), type_now(s), answered, kept))
		return true;
	if (kept != s)
		free(kept);
	return false;
}

static void finish(struct search *s)
{
	enum err err = s->count ? OK : s->err ? s->err : ERR_NOT_FOUND;

	s->done(s->arg, err, s->to, s->count);
	if (s->kept)
		free(s);
}

static void go_on(struct search *s)
{
	struct dns_answer a = { 0 };

	while (s->step != STEP_DONE) {
		enum err err = dns_known(name_now(s), type_now(s), &a);

		if (err == ERR_AGAIN && wait(s))
			return;
		take(s, err == ERR_AGAIN ? ERR_NOMEM : err, &a);
	}
	finish(s);
}

/* --- the URI --- */

/* §4.1 and RFC 3261 §19.1.1: sips means TLS, whatever reliable transport is named; never UDP. */
static enum err read_transport(struct search *s, const struct uri *u, bool *given)
{
	struct str value;

	*given = uri_param(u, "transport", &value);
	s->transport = s->sips ? TP_TLS : TP_UDP;
	if (!*given)
		return OK;
	s->transport = transport_of(value);
	if (s->sips && s->transport == TP_TCP)
		s->transport = TP_TLS;
	return s->transport == TP_NONE || (s->sips && s->transport == TP_UDP) ? ERR_UNSUPPORTED : OK;
}

/* The first question: none where an address is given, that of the host where a port is, else by the transport (§4.1, §4.2). */
static void first_step(struct search *s, bool transport_given)
{
	struct addr ip;

	if (!addr_parse(str_of(s->host), 0, &ip)) {
		s->step = STEP_DONE;
		flow_add(s, &ip, s->transport, s->port);
		return;
	}
	s->step = s->port ? STEP_HOST : transport_given ? STEP_SRV : STEP_NAPTR;
	if (s->step != STEP_SRV)
		return;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].transport == s->transport)
			service_of_kind(s, &kinds[i]);
	if (!s->services)	/* WebSocket has no SRV service (RFC 7118 §5) */
		s->step = STEP_HOST;
}

static enum err read_uri(struct search *s, struct str text)
{
	struct uri u;
	struct str host;
	bool       given;
	enum err   err;

	if (uri_parse(text, &u))
		return ERR_SYNTAX;
	if (u.scheme != URI_SIP && u.scheme != URI_SIPS)
		return ERR_UNSUPPORTED;
	s->sips = u.scheme == URI_SIPS;
	err = read_transport(s, &u, &given);
	if (err)
		return err;
	if (!uri_param(&u, "maddr", &host) || !host.len)
		host = u.host;
	if (str_ends(host, STR(".")))
		host.len--;
	if (!str_cstr(host, s->host, sizeof(s->host)))
		return ERR_SYNTAX;
	s->port = u.port;
	if (!can_use(s->transport) && (given || s->port || s->sips))
		return ERR_UNSUPPORTED;
	first_step(s, given);
	return OK;
}

void locate(struct str uri, const struct locate_how *how, locate_done *done, void *arg)
{
	struct search s;
	enum err      err;

	s.done = done;
	s.arg = arg;
	s.like = how->like;
	s.stable = how->stable;
	s.kept = s.any_srv = false;
	s.err = OK;
	s.services = s.service_at = s.srvs = s.srv_at = s.count = 0;
	err = read_uri(&s, uri);
	if (err) {
		s.err = err;
		s.step = STEP_DONE;
	}
	go_on(&s);
}
