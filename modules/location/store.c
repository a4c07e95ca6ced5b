#include "modules/location/location.h"

#include <stdio.h>

#include "base/log.h"

enum { COLUMNS = 12 };
static struct db_stmt put = {
	"INSERT INTO bindings (aor, contact, instance, reg_id, call_id, cseq, q, expires_unix, path, user_agent, received, via) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (aor, contact) DO UPDATE SET "
	"instance = excluded.instance, reg_id = excluded.reg_id, call_id = excluded.call_id, cseq = excluded.cseq, q = excluded.q, "
	"expires_unix = excluded.expires_unix, path = excluded.path, user_agent = excluded.user_agent, "
	"received = excluded.received, via = excluded.via", COLUMNS, 0
};
static struct db_stmt remove_one = { "DELETE FROM bindings WHERE aor = $1 AND contact = $2", 2, 0 };
static struct db_stmt remove_all = { "DELETE FROM bindings WHERE aor = $1", 1, 0 };
static struct db_stmt expire = { "DELETE FROM bindings WHERE aor = $1 AND expires_unix <= $2", 2, 0 };

static const char select_all[] =
	"SELECT aor, contact, instance, reg_id, call_id, cseq, q, expires_unix, path, user_agent, received, via FROM bindings";
static const char forget_old[] = "DELETE FROM bindings WHERE expires_unix <= $1";

void store_boot(void)
{
	db_stmt_register(&put);
	db_stmt_register(&remove_one);
	db_stmt_register(&remove_all);
	db_stmt_register(&expire);
}

static void place_write(enum transport t, struct str host_port, struct buf *out)
{
	struct str name = transport_name(t);

	for (size_t i = 0; i < name.len; i++)
		buf_ch(out, ch_lower(name.p[i]));
	buf_ch(out, ':');
	buf_add(out, host_port);
}

/* Both as "udp:192.0.2.1:5060". Only where an address is enough to come back: a connection does not outlive the server. */
static void flow_write(const struct flow *f, struct buf *peer, struct buf *via)
{
	char room[ADDR_TEXT];

	if (!f->via || transport_reliable(f->via->transport))
		return;
	place_write(f->via->transport, addr_text(&f->peer, room), peer);
	place_write(f->via->transport, f->via->host_port, via);
}

struct db_write *store_put(struct str aor, const struct binding *b)
{
	char                  peer_room[ADDR_TEXT + 8], via_room[320];
	struct buf            peer = buf_on(peer_room, sizeof(peer_room)), via = buf_on(via_room, sizeof(via_room));
	struct db_value       v[COLUMNS] = {
		db_text(aor), db_text(b->contact), db_text(b->instance), db_int(b->reg_id), db_text(b->call_id), db_int(b->cseq),
		db_int(b->q), db_int(b->expires_unix), db_text(b->path), db_text(b->user_agent),
	};

	flow_write(&b->received, &peer, &via);
	v[COLUMNS - 2] = db_text(buf_str(&peer));
	v[COLUMNS - 1] = db_text(buf_str(&via));
	return db_write_new(&put, v, COLUMNS);
}

struct db_write *store_remove(struct str aor, struct str contact)
{
	return db_write_new(&remove_one, (const struct db_value[]){ db_text(aor), db_text(contact) }, 2);
}

struct db_write *store_remove_all(struct str aor)
{
	return db_write_new(&remove_all, (const struct db_value[]){ db_text(aor) }, 1);
}

/* A row that is written or removed is what it is, whatever was to become of it before; so are all rows of an address. */
void store_keep(struct db_write *w)
{
	bool one = w->stmt == &put || w->stmt == &remove_one;

	w->key = table_key(w->v[0].s, one ? w->v[1].s : STR_NONE, one ? 0 : w->stmt->id + 1);
}

void store_expire(struct str aor, uint32_t now)
{
	struct db_write *w = db_write_new(&expire, (const struct db_value[]){ db_text(aor), db_int(now) }, 2);

	if (!w)
		return;
	store_keep(w);
	db_write_submit(w);
}

/* --- loading, in the supervisor --- */

struct loading {
	uint64_t rows, failed;
};

static const struct listener *listener_of(struct str via)
{
	enum transport t = transport_of(str_take_until(&via, ':'));

	for (size_t i = 0; i < net_listener_count(); i++)
		if (net_listener_at(i)->transport == t && str_eq(net_listener_at(i)->host_port, via))
			return net_listener_at(i);
	return NULL;
}

/* A flow whose listener is gone is none: the contact's own address is used then. */
static struct flow flow_of(struct str peer, struct str via)
{
	struct flow f = { .via = listener_of(via) };
	ptrdiff_t   colon;
	uint32_t    port;

	str_take_until(&peer, ':');
	colon = (ptrdiff_t)peer.len - 1;
	while (colon > 0 && peer.p[colon] != ':')
		colon--;
	if (!f.via || colon <= 0 || !str_u32(str_from(peer, (size_t)colon + 1), &port) || port > UINT16_MAX ||
	    addr_parse(str_to(peer, (size_t)colon), (uint16_t)port, &f.peer))
		return (struct flow){ 0 };
	return f;
}

static enum err load_binding(struct str key, const struct binding *b)
{
	struct bind *n = bind_new(b);
	uint32_t     hash = table_hash(key);
	struct aor  *a;

	if (!n)
		return ERR_NOMEM;
	lock(table_lock(hash));
	a = aor_find_locked(hash, key);
	if (!a)
		a = aor_add_locked(hash, key);
	if (a)
		aor_link_locked(a, n);
	unlock(table_lock(hash));
	if (a)
		return OK;
	shm_free(n);
	return ERR_NOMEM;
}

static bool load_row(void *arg, const struct db_rows *row)
{
	struct loading       *l = arg;
	const struct db_value *c = db_cell(row, 0, 0);
	struct binding         b = {
		.contact = c[1].s, .instance = c[2].s, .reg_id = (uint32_t)c[3].i, .call_id = c[4].s, .cseq = (uint32_t)c[5].i,
		.q = (uint16_t)c[6].i, .expires_unix = c[7].i, .path = c[8].s, .user_agent = c[9].s,
		.received = flow_of(c[10].s, c[11].s),
	};

	if (load_binding(c[0].s, &b))
		l->failed++;
	l->rows++;
	return !l->failed;
}

enum err store_load(char *why, size_t cap)
{
	struct loading        l = { 0 };
	const struct db_value now = db_int(unix_now());
	struct db            *d = db_open(db_url(), false, why, cap);
	enum err              err;

	if (!d)
		return ERR_IO;
	err = db_exec(d, forget_old, &now, 1, NULL, NULL, why, cap);
	if (!err)
		err = db_each(d, select_all, NULL, 0, load_row, &l, why, cap);
	db_close(d);
	if (!err && l.failed) {
		snprintf(why, cap, "the bindings in the database do not fit: raise memory_limit");
		err = ERR_NOMEM;
	}
	if (!err)
		log_info(NULL, "bindings loaded count=%llu", (unsigned long long)l.rows);
	return err;
}
