#pragma once
/* Stores: one asynchronous interface, several engines (sqlite/, postgres/). Statements are written once, in SQL with $1, $2 … that every
 * engine understands; an expression that is only a parameter has a type of its own where it is a number.
 *
 * A worker never waits for a store: reads go through db_query(), whose answer comes by the loop (SQLite: a thread a worker with its own
 * connection; PostgreSQL: a few connections a worker, pipelined); changes go as letters to the writer process, which commits many of them in one transaction and tells each
 * sender after the commit. siparioctl, migrations and the writer itself use the synchronous calls at the end. */
#include "base/arena.h"
#include "base/log.h"
#include "net/mailbox.h"
#include "shm/shm.h"

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BYTES };
struct db_value {
	enum db_type type;
	int64_t      i;
	struct str   s;		/* DB_TEXT: UTF-8 without NUL (checked: ERR_SYNTAX); DB_BYTES: any */
};
static inline struct db_value db_int(int64_t i) { return (struct db_value){ .type = DB_INT, .i = i }; }
static inline struct db_value db_text(struct str s) { return (struct db_value){ .type = DB_TEXT, .s = s }; }
static inline struct db_value db_null(void) { return (struct db_value){ 0 }; }

struct db_rows {
	size_t                 rows, cols;
	const struct db_value *cell;	/* row by row */
};
static inline const struct db_value *db_cell(const struct db_rows *r, size_t row, size_t col)
{
	return &r->cell[row * r->cols + col];
}
enum { DB_MOST_PARAMS = 24 };
/* A prepared statement: static, registered at boot so that every connection prepares it before its first use. */
struct db_stmt {
	const char *sql;
	unsigned    params;
	unsigned    id;		/* set by db_stmt_register() */
};
void db_stmt_register(struct db_stmt *st);
/* The same for one that is known only later: in the process that asks it, which keeps it for good. False: there are too many. */
MUST_CHECK bool db_stmt_add(struct db_stmt *st);

/* --- boot (supervisor, before the fork) --- */
/* "sqlite:PATH" (relative to the working directory), or "postgresql://…" as libpq has it (service=, passfile=, several hosts …). ERR_UNSUPPORTED, with a sentence in `why`, for engines not built in. */
MUST_CHECK enum err db_configure(struct str url, char *why, size_t cap);
bool db_configured(void);
bool db_shared(void);		/* others than this server may write to it as a matter of course */
/* What tells this server's changes from those of others that share the store: sipario.node of its sessions. Another one after a restart. */
const char *db_node(void);
struct str db_url(void);	/* as configured, for db_open() at start-up; empty: none. It may hold a password */
struct str db_url_shown(void);	/* without it, for people and logs */
/* A URL without what is secret in it, in `room`: "postgresql://alice:x@h/d" is shown as "postgresql://alice@h/d". */
void db_url_public(struct str url, char *room, size_t cap);
/* Opens it and checks the schema version. The sentence in `why` names the command that helps
 * ("var/sipario.db has schema 1, this server needs 2: run `siparioctl db migrate`"). OK also for a store that is away where waiting may help,
 * which is said in the log: then the first connection that comes up later is checked. */
MUST_CHECK enum err db_check(char *why, size_t cap);
/* The connection of the start, for what is loaded before the fork; db_check() has opened it, or this does (shared memory is built anew). NULL: the store is
 * away, which was said, and what there is to load is asked for later. It is not the caller's to close. */
struct db *db_at_boot(void);
void db_boot_over(void);	/* closes it */

/* Names and versions of the engines built in, for `sipario -V`. */
const char *db_library(void);

/* --- worker: reads --- */
MUST_CHECK enum err db_worker_start(struct loop *l);
/* The same for a process that is to see at once what was committed: of several servers it asks the one that takes changes. */
MUST_CHECK enum err db_primary_start(struct loop *l);
void db_worker_stop(void);
/* `rows` lives until the callback returns; NULL unless OK. ERR_TIMEOUT, ERR_IO (store away), ERR_SYNTAX. Called once, from the loop. */
typedef void db_done(void *arg, enum err err, const struct db_rows *rows);
/* Parameters are copied. ERR_AGAIN: too many are waiting; ERR_SYNTAX: a text is not UTF-8 or holds a NUL; ERR_NOMEM; ERR_STATE: no store is
 * configured. On error done is not called. */
MUST_CHECK enum err db_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg);

/* Questions of this worker that are not answered yet. A simulation lets real time pass only while there are any. */
size_t db_waiting(void);

/* --- is it there? --- */
enum db_part { DB_READS, DB_NEWS, DB_WRITES, DB_PARTS };	/* what a process wants of it: answers, to hear of changes, to make them */
enum db_state {
	DB_THERE,
	DB_AWAY,	/* waiting may help */
	DB_UNFIT,	/* it will not: another schema, a wrong password … */
};
enum { DB_WHY_BYTES = 300 };
struct db_presence {
	enum db_state state;
	enum db_part  part;		/* what is lacking */
	unsigned      processes;	/* that lack it */
	int64_t       since_unix;
	char          why[DB_WHY_BYTES];
};
void db_presence(struct db_presence *out);	/* of all processes */
/* How to log what came of it to one request: that the store is away has been said, and is not said for each of them. */
static inline enum log_level db_log_level(enum err err) { return err == ERR_IO ? LOG_DEBUG : LOG_ERROR; }

/* --- worker: what others change --- */
enum db_news {
	DB_CHANGED,	/* `key` says what */
	DB_MISSED,	/* anything may have changed: after the start, after a connection that was lost */
	DB_DEAF,	/* from now on nothing is heard, until DB_MISSED */
};
/* What triggers in the database tell as soon as a change is committed: PostgreSQL by NOTIFY channel, 'key'; SQLite, which has no such thing, by rows of
 * its table `changes`, looked at 20 times a second. */
struct db_listener {
	const char *channel;	/* a name of SQL in lower case */
	void (*heard)(enum db_news news, struct str key);	/* from the loop of the worker that listens; `key` lives as long as the call */
};
/* Boot, before the fork; *l is static. Again is harmless. */
void db_listen(const struct db_listener *l);
/* In one worker of all, since a worker never waits and may ask. When it dies the next in its slot hears DB_MISSED. */
MUST_CHECK enum err db_listen_start(struct loop *l);
void db_listen_stop(void);

/* --- worker: changes, through the writer --- */
struct db_write {
	struct mail           mail;		/* first */
	const struct db_stmt *stmt;
	void (*done)(struct db_write *w);	/* in the submitting slot, after the commit or its failure; NULL: nobody waits. Frees w (db_write_free) */
	void                 *owner;		/* the submitter's */
	enum err              result;
	uint16_t              slot;		/* who submitted */
	uint32_t              incarnation;	/* of that process: a letter for a dead one is only freed */
	uint64_t              at_ms;		/* when; submit sets it */
	uint64_t              key;		/* not 0: nobody waits (done is NULL), and it is kept while the store is away, until a later one with the
						 * same key takes its place: that says all that this one says */
	uint16_t              n;
	struct db_value       v[];		/* texts lie behind it, in the same allocation */
};
/* NULL: no shared memory. `params` are copied into it. */
MUST_CHECK struct db_write *db_write_new(const struct db_stmt *st, const struct db_value *params, unsigned n);
void db_write_free(struct db_write *w);
/* Hand over. A statement must be fit to be repeated: the writer may die between its commit and its answer, and the next one does all that was
 * not answered. One that the store refuses fails alone: ERR_SYNTAX, ERR_EXISTS, ERR_STATE (a constraint). Order is kept for one sender, and for several that post under one lock (rank below RANK_MAILBOX). */
void db_write_submit(struct db_write *w);

/* What any process has submitted before that time (clock_ms(), a second on the safe side) is written, or given up. */
uint64_t db_written_until_ms(void);

/* --- the writer process --- */
/* Supervisor, after shm_create() and before the fork (also when shared memory was rebuilt): the desk where letters wait is made here. */
void db_set_writer_slot(unsigned slot);
unsigned db_writer_slot(void);
/* Serve letters until loop_stop(): takes all that wait, one transaction, commit, answers. While the store is away letters wait, with
 * backoff, and are answered ERR_IO after a bound of time; logged once. Those with a key wait as long as there is room (db.dropped counts). */
MUST_CHECK enum err db_writer_start(struct loop *l);
/* Gentle stop: reads the mailbox, tries once to write what waits, closes. Call it when the workers have ended. */
void db_writer_stop(void);

/* --- synchronous: siparioctl, migrations, start-up loading. Never in a worker. --- */
struct db;
MUST_CHECK struct db *db_open(struct str url, bool create, char *why, size_t cap);
void db_close(struct db *d);
/* One statement with $1 … $n, each of which it must use; rows in the arena, may be NULL. On error `why` (may be NULL) has the engine's words. ERR_EXISTS: a row with that key
 * is there; ERR_STATE: another constraint; ERR_SYNTAX: the statement or a value; ERR_IO: the store is away. */
MUST_CHECK enum err db_exec(struct db *d, const char *sql, const struct db_value *params, unsigned n, struct arena *a,
			    struct db_rows *rows, char *why, size_t cap);
/* One row at a time, for large results. Stops when fn answers false. */
MUST_CHECK enum err db_each(struct db *d, const char *sql, const struct db_value *params, unsigned n,
			    bool (*fn)(void *arg, const struct db_rows *row), void *arg, char *why, size_t cap);
MUST_CHECK enum err db_begin(struct db *d);
MUST_CHECK enum err db_commit(struct db *d);
void db_rollback(struct db *d);

/* --- schema --- */
/* Migrations are files db/schema/ENGINE/NNNN-name.sql, each applied once, in a transaction, recorded in table schema_version. */
enum { DB_SCHEMA = 6 };		/* what this server needs */
struct db_migration {
	unsigned number;
	char     name[64];
	bool     applied;
};
/* folder: of the numbered files for this engine's dialect ("db/schema"). */
MUST_CHECK enum err db_migrate(struct db *d, const char *folder, unsigned *applied, char *why, size_t cap);
MUST_CHECK enum err db_migrations(struct db *d, const char *folder, struct arena *a, struct db_migration **list, size_t *n, char *why, size_t cap);
MUST_CHECK enum err db_schema_version(struct db *d, unsigned *version);
