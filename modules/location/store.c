#include "modules/location/location.h"

#define PUT_SQL(more) \
	"INSERT INTO bindings (aor, contact, instance, reg_id, call_id, cseq, q, expires_unix, path, user_agent, received, via) " \
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (aor, contact) DO UPDATE SET " more \
	"instance = excluded.instance, reg_id = excluded.reg_id, call_id = excluded.call_id, cseq = excluded.cseq, q = excluded.q, " \
	"expires_unix = excluded.expires_unix, path = excluded.path, user_agent = excluded.user_agent, " \
	"received = excluded.received, via = excluded.via"
static struct db_stmt put = { PUT_SQL(""), ROW_COLUMNS, 0 };
/* The same; other servers are told, also when there is such a row (0006-bindings.sql). */
static struct db_stmt put_told = { PUT_SQL("aor = excluded.aor, "), ROW_COLUMNS, 0 };
static struct db_stmt remove_one = { "DELETE FROM bindings WHERE aor = $1 AND contact = $2", 2, 0 };
static struct db_stmt remove_all = { "DELETE FROM bindings WHERE aor = $1", 1, 0 };
static struct db_stmt remove_others = { "DELETE FROM bindings WHERE aor = $1 AND instance = $2 AND reg_id = $3 AND contact <> $4", 4, 0 };
static struct db_stmt expire = { "DELETE FROM bindings WHERE aor = $1 AND expires_unix <= $2", 2, 0 };

void store_boot(void)
{
	row_boot();
	db_stmt_register(&put);
	db_stmt_register(&put_told);
	db_stmt_register(&remove_one);
	db_stmt_register(&remove_all);
	db_stmt_register(&remove_others);
	db_stmt_register(&expire);
}

struct db_write *store_put(struct str aor, const struct binding *b)
{
	char            peer_room[ADDR_TEXT + 8], via_room[320];
	struct buf      peer = buf_on(peer_room, sizeof(peer_room)), via = buf_on(via_room, sizeof(via_room));
	struct db_value v[ROW_COLUMNS];

	row_write(aor, b, &peer, &via, v);
	return db_write_new(&put, v, ROW_COLUMNS);
}

void store_tell(struct db_write *w)
{
	if (w->stmt == &put)
		w->stmt = &put_told;
}

struct db_write *store_remove(struct str aor, struct str contact)
{
	return db_write_new(&remove_one, (const struct db_value[]){ db_text(aor), db_text(contact) }, 2);
}

struct db_write *store_remove_all(struct str aor)
{
	return db_write_new(&remove_all, (const struct db_value[]){ db_text(aor) }, 1);
}

struct db_write *store_remove_others(struct str aor, const struct binding *b, struct str but)
{
	return db_write_new(&remove_others, (const struct db_value[]){ db_text(aor), db_text(b->instance), db_int(b->reg_id), db_text(but) }, 4);
}

/* A row that is written or removed is what it is, whatever was to become of it before; so are all rows of an address, and those of an instance's reg-id. */
void store_keep(struct db_write *w)
{
	uint32_t more = w->stmt->id + 1;

	if (w->stmt == &put || w->stmt == &put_told || w->stmt == &remove_one)
		more = 0;
	else if (w->stmt == &remove_others)
		more += (uint32_t)w->v[2].i * 0x9e3779b1u;	/* odd: another for each */
	w->key = table_key(w->v[0].s, w->n > 1 && w->stmt != &expire ? w->v[1].s : STR_NONE, more);
}

static void send_now(struct db_write *w)
{
	if (!w)
		return;
	store_keep(w);
	db_write_submit(w);
}

void store_forget(struct str aor, struct str contact)
{
	send_now(store_remove(aor, contact));
}

void store_expire(struct str aor, uint32_t now)
{
	send_now(db_write_new(&expire, (const struct db_value[]){ db_text(aor), db_int(now) }, 2));
}
