#pragma once
/* Private to this folder: how bindings lie in shared memory.
 *
 * A hash table of addresses-of-record; each holds its bindings sorted by q, then newest first. One allocation an AOR, one a binding, its texts
 * behind it: about 270 bytes a phone in all. One of LOCKS locks (RANK_LOCATION) guards a bucket's chain, its AORs and their bindings.
 * An AOR has one shared timer, armed for its earliest expiry or before that: a refresh does not touch it, the handler looks again. */
#include "module/module.h"
#include "module/services.h"
#include "shm/lock.h"

struct bind {
	struct bind *next;
	uint32_t     expires;		/* seconds since 1970, until 2106 */
	uint32_t     cseq, reg_id;
	uint16_t     q;
	uint16_t     listener;		/* 1 + index, 0: none */
	uint16_t     port;		/* of the peer */
	uint16_t     contact_len, instance_len, call_id_len, path_len, agent_len;
	uint8_t      ip_len;		/* 4, 16, or 0: no flow */
	uint8_t      doomed : 1;	/* goes in the change being decided, under the lock */
	uint8_t      has_conn : 1;
	uint8_t      stored : 1;	/* as the store has it: somebody else may refresh it there */
	char         tail[];		/* the five texts, the address, the connection and its owner */
};
struct aor {
	struct aor  *next;
	struct bind *binds;
	struct timer timer;
	uint32_t     hash;
	uint16_t     key_len;
	uint32_t     wrote_s;		/* clock_ms() in seconds: the last change that was handed to the writer; 0: none */
	uint8_t      pass;		/* that has seen it, or was going on when it changed (table_pass()) */
	bool         timed;		/* the timer is armed, or its handler on its way: that one frees an empty AOR */
	char         key[];
};

enum durable { DURABLE_OFF, DURABLE_ON, DURABLE_BEHIND };
enum lost { LOST_FORGET, LOST_FORGET_ALL, LOST_KEEP };
struct location_cfg {
	int     durable;
	int     lost;
	int64_t buckets;
};
extern struct location_cfg location_cfg;
extern struct counter location_bindings, location_aors, location_expired, location_lost, location_asked;
extern struct mod_event location_added, location_removed, location_gone;
extern const struct location_service location_service;
extern const struct mod_command location_commands[];

/* --- bind.c: one binding as a shared object --- */
MUST_CHECK struct bind *bind_new(const struct binding *b);	/* NULL: no memory, or a text over 64 kB */
void bind_list_free(struct bind *list);
/* The texts are slices of *b. */
void bind_view(const struct bind *b, struct binding *out);
/* Copied into the arena with its texts; NULL: no memory. */
MUST_CHECK struct binding *bind_copy(const struct bind *b, struct arena *a);
struct str bind_contact(const struct bind *b);
struct str bind_call_id(const struct bind *b);
/* The same binding? By instance and reg-id where both have them (RFC 5626 §6), else by comparing URIs (RFC 3261 §10.2.4). */
bool bind_same(const struct bind *b, const struct binding *other);

/* --- table.c --- */
MUST_CHECK enum err table_create(uint32_t buckets);
uint32_t     table_hash(struct str aor);
uint64_t     table_key(struct str aor, struct str contact, uint32_t more);	/* for db_write.key */
uint32_t     table_buckets(void);
struct lock *table_lock(uint32_t hash);		/* also of a bucket number */
struct aor  *table_first_locked(uint32_t bucket);
struct aor  *aor_find_locked(uint32_t hash, struct str key);
MUST_CHECK struct aor *aor_add_locked(uint32_t hash, struct str key);
struct str   aor_key(const struct aor *a);
void         aor_link_locked(struct aor *a, struct bind *b);
void         aor_wrote_locked(struct aor *a);	/* a change of it goes to the writer now */
bool         aor_settled(const struct aor *a, uint64_t written_ms);	/* the store had all its changes at that time */
/* Take out and count those that fn chooses, raise `why` for each (NULL: nothing), free them; returns how many. */
size_t       aor_cut_locked(struct aor *a, bool (*chosen)(const struct bind *b, uint32_t now), uint32_t now, const struct mod_event *why);
void         aor_expire_locked(struct aor *a);	/* drop what is over */
bool         bind_expired(const struct bind *b, uint32_t now);
/* After a change: arm its timer, or free it when it is empty. */
void         aor_settle_locked(struct aor *a);
uint32_t     unix_now(void);
/* Is all that the store has in memory? Until then an AOR is known when it is in the table, with or without bindings. */
bool         table_loaded(void);
void         table_set_loaded(void);
/* The writer process goes through the store: passes are numbered, 0 is none. */
uint8_t      table_pass(void);
bool         table_passing(void);
void         table_pass_begin(void);
void         table_pass_end(void);
/* An AOR was made known although the store did not answer: true once, then another pass is due. */
void         table_set_blind(void);
bool         table_take_blind(void);

/* --- row.c: a binding as a row --- */
struct row {
	struct str     aor;
	struct binding b;
	bool           gone;	/* it came over a connection to this server that is no more */
};
extern struct db_stmt row_page, row_one;
enum { ROW_COLUMNS = 12, PAGE_ROWS = 2000 };
void row_boot(void);
void row_read(const struct db_rows *rows, size_t i, struct row *out);	/* texts are slices of the rows */
void row_write(struct str aor, const struct binding *b, struct buf *peer, struct buf *via, struct db_value v[ROW_COLUMNS]);

/* --- store.c: the letters to the writer --- */
void store_boot(void);
MUST_CHECK struct db_write *store_put(struct str aor, const struct binding *b);
/* Of a letter that puts, before it is sent: other servers that share the store are told of it. They need not be of a refresh. */
void store_tell(struct db_write *w);
MUST_CHECK struct db_write *store_remove(struct str aor, struct str contact);
MUST_CHECK struct db_write *store_remove_all(struct str aor);
/* What has the same instance and reg-id as `b`, but for the row of that contact. */
MUST_CHECK struct db_write *store_remove_others(struct str aor, const struct binding *b, struct str but);
/* Nobody waits for it: it may be made needless by a later one while the store is away. */
void store_keep(struct db_write *w);
/* The same three for one that is sent at once; without memory nothing is. */
void store_forget(struct str aor, struct str contact);
void store_expire(struct str aor, uint32_t now);

/* --- apply.c: what the store has of an AOR becomes what the table has --- */
/* All rows of that AOR, as the store had them at a time when it had what was submitted before written_ms (db_written_until_ms()). ERR_AGAIN: a change
 * of ours was not among that, nothing is done. ERR_NOMEM: nothing is done. */
MUST_CHECK enum err apply_rows(struct str aor, const struct row *row, size_t n, uint64_t written_ms);
/* The same with what was answered to a question for that AOR. */
MUST_CHECK enum err apply_answer(struct str aor, const struct db_rows *rows, uint64_t written_ms);

/* --- learn.c: a worker asks for one AOR --- */
bool location_known(struct str aor);
MUST_CHECK enum err location_learn(struct str aor, bool anyway, void (*done)(void *arg, enum err err), void *arg);

/* --- sync.c: the writer process keeps the table like the store --- */
MUST_CHECK enum err sync_start(struct loop *l);
/* Any process, also under an AOR's lock: look again what the store has of it. Empty: of all. */
void sync_ask(struct str aor);

/* --- nodes.c: other servers that share the store --- */
void nodes_boot(void);

/* --- lost.c: bindings whose connection is lost --- */
MUST_CHECK enum err lost_create(void);
/* Does a binding that came from there go when its connection does? */
bool lost_goes(const struct binding *b, const struct addr *peer);
/* This AOR has a binding by that connection. Under its lock. */
void lost_note(uint64_t conn, uint32_t hash);
void lost_connection(uint64_t conn);

/* --- save.c, find.c --- */
MUST_CHECK enum err location_save_bindings(const struct location_save *s, bool *now, void (*done)(void *arg, enum err err), void *arg);
MUST_CHECK enum err location_find(struct arena *a, struct str aor, struct binding **list);

/* --- event.c --- */
void bind_event(const struct mod_event *e, struct str aor, const struct bind *b);	/* nothing where nobody listens */
