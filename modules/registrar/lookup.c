#include "modules/registrar/registrar.h"

#include "base/clock.h"

/* An address that is not the one the REGISTER came from lies behind a NAT (or is a name that only means something there), so only the
 * flow reaches it. A connection is the only way to who opened it, and RFC 5626 §5.3 asks for the flow. With Path it is the edge's affair. */
bool contact_needs_flow(const struct binding *b, const struct uri *contact)
{
	struct addr host;

	if (!b->received.via || b->path.len)
		return false;
	if (b->received.conn || b->reg_id)
		return true;
	return addr_parse(contact->host, 0, &host) || !addr_ip_eq(&host, &b->received.peer);
}

static struct str ruri_text(struct arena *a, const struct uri *u)
{
	size_t     cap = u->text.len + 8;
	char      *room = arena_alloc(a, cap);
	struct buf out = buf_on(room, room ? cap : 0);

	if (room)
		uri_write_ruri(u, &out);
	return room && buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* One contact into the target set. A sips: request goes to sips: contacts only (§16.5, §26.4.4). */
static bool add(struct request *r, const struct binding *b, bool secure)
{
	struct target t = { .path = b->path, .q = b->q };
	struct uri    u;

	if (uri_parse(b->contact, &u) || (secure && u.scheme != URI_SIPS))
		return false;
	t.uri = ruri_text(&r->arena, &u);
	t.expires = b->expires_unix > clock_unix() ? (uint32_t)(b->expires_unix - clock_unix()) : 0;
	/* a connection that is lost is of no use: the contact may be connected to by its own address */
	if (contact_needs_flow(b, &u) && net_flow_alive(&b->received))
		t.flow = b->received;
	return t.uri.p && !request_add_target(r, &t);
}

static bool wanted_uri(struct call *c, struct uri *out)
{
	const struct uri *ruri = msg_ruri(&c->req->msg);

	if (c->argc && (c->argv[0].type == T_STR || c->argv[0].type == T_URI))
		return !uri_parse(c->argv[0].u.s, out);
	if (ruri)
		*out = *ruri;
	return ruri;
}

/* Into the target set, besides those that are there. */
static enum err add_contacts(struct request *r, const struct uri *u, bool *found)
{
	struct binding *list = NULL;
	struct str      aor = aor_of(&r->arena, u);
	bool            any = false;

	if (!aor.p || registrar_cfg.location->find(&r->arena, aor, &list))
		return ERR_NOMEM;
	for (const struct binding *b = list; b; b = b->next)
		any |= add(r, b, u->scheme == URI_SIPS);
	counter_inc(any ? &registrar_found : &registrar_not_found);
	*found = any;
	return OK;
}

enum err registrar_lookup(struct request *r, const struct uri *u, bool *found)
{
	request_clear_targets(r);
	return add_contacts(r, u, found);
}

enum verdict fn_lookup(struct call *c)
{
	struct request *r = c->req;
	struct uri      u;
	bool            found = false, more = c->argc > 1 && c->argv[1].type == T_BOOL && c->argv[1].u.b;
	bool            wanted = wanted_uri(c, &u);
	enum verdict    v = wanted ? registrar_ready(c, &u) : V_OK;

	if (v != V_OK)
		return v;
	if (!more)
		request_clear_targets(r);
	if (wanted && add_contacts(r, &u, &found)) {
		log_error(&r->c, "no memory to look up contacts");
		return V_ERROR;
	}
	c->result = value_bool(found);
	return V_OK;
}
