#include "modules/location/location.h"

#define COLUMNS_SQL "aor, contact, instance, reg_id, call_id, cseq, q, expires_unix, path, user_agent, received, via"
_Static_assert(PAGE_ROWS == 2000, "the statement has it, too");
struct db_stmt row_page = { "SELECT " COLUMNS_SQL " FROM bindings WHERE aor >= $1 ORDER BY aor, contact LIMIT 2000", 1, 0 };
struct db_stmt row_one = { "SELECT " COLUMNS_SQL " FROM bindings WHERE aor = $1", 1, 0 };

void row_boot(void)
{
	db_stmt_register(&row_page);
	db_stmt_register(&row_one);
}

/* --- writing --- */

static void place_write(enum transport t, struct str host_port, struct buf *out)
{
	struct str name = transport_name(t);

	for (size_t i = 0; i < name.len; i++)
		buf_ch(out, ch_lower(name.p[i]));
	buf_ch(out, ':');
	buf_add(out, host_port);
}

/* Both as "udp:192.0.2.1:5060". */
static void flow_write(const struct flow *f, struct buf *peer, struct buf *via)
{
	char room[ADDR_TEXT];

	if (!f->via)
		return;
	place_write(f->via->transport, addr_text(&f->peer, room), peer);
	place_write(f->via->transport, f->via->host_port, via);
}

void row_write(struct str aor, const struct binding *b, struct buf *peer, struct buf *via, struct db_value v[ROW_COLUMNS])
{
	flow_write(&b->received, peer, via);
	memcpy(v, (const struct db_value[ROW_COLUMNS]){
		db_text(aor), db_text(b->contact), db_text(b->instance), db_int(b->reg_id), db_text(b->call_id), db_int(b->cseq),
		db_int(b->q), db_int(b->expires_unix), db_text(b->path), db_text(b->user_agent), db_text(buf_str(peer)), db_text(buf_str(via)),
	}, ROW_COLUMNS * sizeof(v[0]));
}

/* --- reading --- */

static const struct listener *listener_of(enum transport t, struct str host_port)
{
	for (size_t i = 0; i < net_listener_count(); i++)
		if (net_listener_at(i)->transport == t && str_eq(net_listener_at(i)->host_port, host_port))
			return net_listener_at(i);
	return NULL;
}

/* "192.0.2.1:5060", "[2001:db8::1]:5060" */
static bool peer_of(struct str text, struct addr *out)
{
	ptrdiff_t colon = (ptrdiff_t)text.len - 1;
	uint32_t  port;

	while (colon > 0 && text.p[colon] != ':')
		colon--;
	return colon > 0 && str_u32(str_from(text, (size_t)colon + 1), &port) && port <= UINT16_MAX &&
	       !addr_parse(str_to(text, (size_t)colon), (uint16_t)port, out);
}

/* Where an address is enough to come back. Through another server's socket, or one that this server had: by ours that is nearest, which is
 * better than the phone's own idea of its address. */
static struct flow flow_of(enum transport t, const struct addr *peer, const struct listener *own)
{
	struct flow f = { .via = own ? own : net_listener_for(t, peer, NULL), .peer = *peer };

	return f.via ? f : (struct flow){ 0 };
}

/* A connection does not outlive the server: what came by one to a socket of ours is lost, and so is what only leads back by it. */
static void read_flow(struct str received, struct str via, struct row *out)
{
	enum transport         t = transport_of(str_take_until(&via, ':'));
	const struct listener *own = listener_of(t, via);
	struct addr            peer;

	str_take_until(&received, ':');
	if (!peer_of(received, &peer))
		return;
	if (!transport_reliable(t))
		out->b.received = flow_of(t, &peer, own);
	else
		out->gone = own && lost_goes(&out->b, &peer);
}

void row_read(const struct db_rows *rows, size_t i, struct row *out)
{
	const struct db_value *c = db_cell(rows, i, 0);

	*out = (struct row){ .aor = c[0].s, .b = {
		.contact = c[1].s, .instance = c[2].s, .reg_id = (uint32_t)c[3].i, .call_id = c[4].s, .cseq = (uint32_t)c[5].i,
		.q = (uint16_t)c[6].i, .expires_unix = c[7].i, .path = c[8].s, .user_agent = c[9].s,
	} };
	read_flow(c[10].s, c[11].s, out);
}
