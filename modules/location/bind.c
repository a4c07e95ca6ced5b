#include "modules/location/location.h"

#include "base/clock.h"

static shm_owner owner(void)
{
	return shm_owner_new("location");
}

uint32_t unix_now(void)
{
	return (uint32_t)clock_unix();
}

static bool fits(const struct binding *b)
{
	size_t most = UINT16_MAX;

	return b->contact.len <= most && b->instance.len <= most && b->call_id.len <= most && b->path.len <= most &&
	       b->user_agent.len <= most;
}

static char *put(char *at, const void *p, size_t n)
{
	if (n)
		memcpy(at, p, n);
	return at + n;
}

static const void *ip_bytes(const struct flow *f, uint8_t *len)
{
	*len = 0;
	if (!f->via)
		return NULL;
	*len = f->peer.u.any.sa_family == AF_INET6 ? 16 : 4;
	return *len == 16 ? (const void *)&f->peer.u.v6.sin6_addr : (const void *)&f->peer.u.v4.sin_addr;
}

struct bind *bind_new(const struct binding *b)
{
	size_t       texts = b->contact.len + b->instance.len + b->call_id.len + b->path.len + b->user_agent.len;
	const struct flow *f = &b->received;
	bool         conn = f->via && f->conn;
	uint8_t      ip_len;
	const void  *ip = ip_bytes(f, &ip_len);
	struct bind *n = fits(b) ? shm_alloc(owner(), sizeof(*n) + texts + ip_len + (conn ? sizeof(f->conn) + sizeof(f->owner) : 0)) : NULL;
	char        *at;

	if (!n)
		return NULL;
	*n = (struct bind){
		.expires = b->expires_unix > UINT32_MAX ? UINT32_MAX : (uint32_t)b->expires_unix,
		.cseq = b->cseq, .reg_id = b->reg_id, .q = b->q, .listener = f->via ? (uint16_t)(f->via->index + 1) : 0,
		.port = f->via ? addr_port(&f->peer) : 0, .contact_len = (uint16_t)b->contact.len,
		.instance_len = (uint16_t)b->instance.len, .call_id_len = (uint16_t)b->call_id.len,
		.path_len = (uint16_t)b->path.len, .agent_len = (uint16_t)b->user_agent.len, .ip_len = ip_len, .has_conn = conn,
	};
	at = put(n->tail, b->contact.p, b->contact.len);
	at = put(at, b->instance.p, b->instance.len);
	at = put(at, b->call_id.p, b->call_id.len);
	at = put(at, b->path.p, b->path.len);
	at = put(at, b->user_agent.p, b->user_agent.len);
	at = put(at, ip, ip_len);
	if (conn) {
		at = put(at, &f->conn, sizeof(f->conn));
		put(at, &f->owner, sizeof(f->owner));
	}
	return n;
}

void bind_list_free(struct bind *list)
{
	while (list) {
		struct bind *next = list->next;

		shm_free(list);
		list = next;
	}
}

static void flow_view(const struct bind *b, const char *at, struct flow *f)
{
	*f = (struct flow){ .via = b->listener ? net_listener_at(b->listener - 1u) : NULL };
	if (!f->via)
		return;
	if (b->ip_len == 16) {
		f->peer.u.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		memcpy(&f->peer.u.v6.sin6_addr, at, 16);
	} else {
		f->peer.u.v4 = (struct sockaddr_in){ .sin_family = AF_INET };
		memcpy(&f->peer.u.v4.sin_addr, at, 4);
	}
	addr_set_port(&f->peer, b->port);
	at += b->ip_len;
	if (!b->has_conn)
		return;
	memcpy(&f->conn, at, sizeof(f->conn));
	memcpy(&f->owner, at + sizeof(f->conn), sizeof(f->owner));
}

static struct str take(const char **at, size_t len)
{
	struct str s = str_n(*at, len);

	*at += len;
	return s;
}

/* `texts` is b->tail or a copy of it. */
static void view_at(const struct bind *b, const char *texts, struct binding *out)
{
	const char *at = texts;

	*out = (struct binding){ .expires_unix = b->expires, .cseq = b->cseq, .reg_id = b->reg_id, .q = b->q };
	out->contact = take(&at, b->contact_len);
	out->instance = take(&at, b->instance_len);
	out->call_id = take(&at, b->call_id_len);
	out->path = take(&at, b->path_len);
	out->user_agent = take(&at, b->agent_len);
	flow_view(b, b->tail + (at - texts), &out->received);
}

void bind_view(const struct bind *b, struct binding *out)
{
	view_at(b, b->tail, out);
}

static size_t texts_len(const struct bind *b)
{
	return (size_t)b->contact_len + b->instance_len + b->call_id_len + b->path_len + b->agent_len;
}

struct binding *bind_copy(const struct bind *b, struct arena *a)
{
	struct binding *out = arena_alloc(a, sizeof(*out) + texts_len(b));

	if (!out)
		return NULL;
	memcpy(out + 1, b->tail, texts_len(b));
	view_at(b, (const char *)(out + 1), out);
	return out;
}

struct str bind_contact(const struct bind *b)
{
	return str_n(b->tail, b->contact_len);
}

static struct str bind_instance(const struct bind *b)
{
	return str_n(b->tail + b->contact_len, b->instance_len);
}

struct str bind_call_id(const struct bind *b)
{
	return str_n(b->tail + b->contact_len + b->instance_len, b->call_id_len);
}

bool bind_same(const struct bind *b, const struct binding *other)
{
	struct uri mine, theirs;

	if (b->instance_len && b->reg_id && other->instance.len && other->reg_id)
		return b->reg_id == other->reg_id && str_eq(bind_instance(b), other->instance);
	if (str_eq(bind_contact(b), other->contact))
		return true;
	return !uri_parse(bind_contact(b), &mine) && !uri_parse(other->contact, &theirs) && uri_eq(&mine, &theirs);
}
