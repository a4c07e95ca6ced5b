#pragma once
/* Who has which connection: a table in shared memory, found by id and by peer. For tcp.c only.
 *
 * An entry is written by the owner of its connection. When that dies, the next process in its slot removes what it left
 * (directory_clean()). */
#include "base/list.h"
#include "net/net.h"

struct conn;
/* Shared slab; guarded by its chain's lock. */
struct entry {
	struct list            link;
	uint64_t               id;
	const struct listener *via;
	struct addr            peer;
	struct conn           *conn;	/* means something to the owner only */
	uint64_t               waiting;	/* bytes that were handed to the owner and that it has not read yet */
	uint16_t               owner;
	bool                   counted;	/* against the limit of its source address */
};
struct hit {
	uint64_t     id;
	unsigned     owner;
	struct conn *conn;	/* where this process is the owner */
};

MUST_CHECK enum err directory_boot(void);
bool directory_ready(void);
/* A connection of this process; sets f->conn and f->owner. `counted`: the peer opened it, its limit applies. ERR_LIMIT: there are too many;
 * ERR_STATE: too many from that source; ERR_EXISTS: not `counted`, and there is one to that peer already; ERR_NOMEM. */
MUST_CHECK enum err directory_add(struct flow *f, bool counted, struct conn *conn, struct entry **out);
void directory_remove(struct entry *e);
/* The connection for `to`: by its id, else (without one, or where it may be opened anew) by peer or peer and port. Where another
 * process owns it, `bytes` are noted as handed over: ERR_LIMIT when that would be too many. ERR_NOT_FOUND. */
MUST_CHECK enum err directory_find(const struct flow *to, size_t bytes, struct hit *out);
/* `bytes` that were handed over for it have been read. NULL: it is gone, or not this process's. */
struct conn *directory_read(uint64_t id, size_t bytes);
bool directory_has(uint64_t id);
/* Forget what an earlier process in this slot has left; `lost` is told each id, no lock held. */
void directory_clean(void (*lost)(uint64_t id));
