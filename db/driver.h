#pragma once
/* What an engine offers to db.c, migrate.c and writer.c. One static table an engine. */
#include "db/db.h"

enum { DB_MOST_STMTS = 128, DB_MOST_COLUMNS = 64 };

enum db_mode {
	DB_READ,	/* a worker's reads; waits briefly for a lock */
	DB_WRITE,	/* the writer; waits briefly for a lock */
	DB_EDIT,	/* a person's command: may wait some seconds for a lock */
	DB_CREATE,	/* the same, and the store is made where there is none */
};
typedef bool db_row_fn(void *arg, const struct db_rows *row);
struct db_job {
	const struct db_stmt  *stmt;
	const struct db_value *v;
	enum err               result;
};

/* Errors of run and each: ERR_SYNTAX (the statement or its values), ERR_EXISTS (a row with that key is there), ERR_STATE (another
 * constraint), ERR_LIMIT; the transaction goes on without that statement. ERR_IO, ERR_NOMEM: the store is away and the transaction lost. */
struct db_driver {
	const char *scheme;	/* of the URL, and the folder of its migrations */
	bool        shared;	/* several servers may use one store */
	void (*library)(char *out, size_t cap);	/* its name and version */
	const char *version_table;	/* the statement that makes it where there is none */
	/* ERR_IO: waiting may help; others: it will not */
	enum err (*open)(const char *where, enum db_mode mode, struct db **out, char *why, size_t cap);
	void (*close)(struct db *d);
	/* The store behind this connection was replaced or removed. */
	bool (*stale)(const struct db *d);
	enum err (*has_table)(struct db *d, const char *name, bool *has);
	/* One statement, prepared for this call, or kept prepared for the connection's life. fn may be NULL. */
	enum err (*each)(struct db *d, const char *sql, const struct db_value *params, unsigned n, db_row_fn *fn, void *arg,
			 char *why, size_t cap);
	enum err (*run)(struct db *d, const struct db_stmt *st, const struct db_value *params, db_row_fn *fn, void *arg,
			char *why, size_t cap);
	/* A whole transaction of *n statements. OK: committed, and each of the first *n (which may be fewer than asked, at least one) has its result: OK, or
	 * why it was refused, which was logged. ERR_IO: nothing is. The connection is then of no further use. */
	enum err (*group)(struct db *d, struct db_job *job, size_t *n, char *why, size_t cap);
	/* Prepare without running. */
	enum err (*prepare)(struct db *d, const struct db_stmt *st, char *why, size_t cap);
	/* Several statements, no parameters, no rows. */
	enum err (*script)(struct db *d, const char *sql, char *why, size_t cap);
	/* `write`: take the right to write at once. */
	enum err (*begin)(struct db *d, bool write, char *why, size_t cap);
	enum err (*commit)(struct db *d, char *why, size_t cap);
	void (*rollback)(struct db *d);
	enum err (*worker_start)(struct loop *l, const char *where, enum db_mode mode);	/* DB_WRITE: where changes are made, for reading */
	void (*worker_stop)(void);
	enum err (*query)(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg);
	size_t (*waiting)(void);	/* questions without an answer */
	enum err (*listen_start)(struct loop *l, const char *where);
	void (*listen_stop)(void);
};
/* The start of every engine's connection. */
struct db {
	const struct db_driver *driver;
};
extern const struct db_driver db_sqlite, db_postgres;

/* Texts must be UTF-8 without NUL in every engine. */
bool db_values_ok(const struct db_value *v, unsigned n);
/* Copies values, and their texts to `room`, each with a NUL behind it; db_values_bytes() says how many bytes that takes. */
size_t db_values_bytes(const struct db_value *v, unsigned n);
void   db_values_copy(struct db_value *to, const struct db_value *v, unsigned n, char *room);
/* Of a change; the words may not hold a value. */
void db_note_refused(const char *why);
/* What an engine has heard. */
void db_heard(struct str channel, struct str key);
void db_heard_all(void);		/* it listens again: anything may have changed */
void db_deaf(enum err err, const char *why);	/* again is harmless */
/* The channel of the i-th listener; NULL past the end. */
const char *db_channel_at(size_t i);
/* The registered statement with that id, NULL past the end. */
const struct db_stmt *db_stmt_at(unsigned id);
/* A connection to the configured store; errors as driver.open has them. */
MUST_CHECK enum err db_connect(enum db_mode mode, struct db **out, char *why, size_t cap);
/* Is that the schema that this server knows? False: `why` names the command that helps. */
bool db_schema_fits(unsigned version, char *why, size_t cap);
/* The same of a connection, where it is not known yet (presence_unseen()): ERR_STATE when it is not, ERR_IO when it does not answer. */
MUST_CHECK enum err db_look(struct db *d, char *why, size_t cap);

/* With what db_check() has found. */
void db_presence_boot(unsigned last_slot);

/* --- presence.c: what this process has of the store --- */
/* Before the fork. away: the store is, why (NULL: it is there); seen: its schema is right. Processes up to that slot will ask. */
void presence_boot(unsigned last_slot, const char *away, bool seen);
bool presence_unseen(void);	/* nobody has looked at the schema yet: whoever connects is to */
void presence_seen(void);
/* Said in the log where it is news; again is harmless. err: ERR_IO, waiting may help; others, it will not. */
void presence_lacks(enum db_part part, enum err err, const char *why);
void presence_has(enum db_part part);

/* Collects rows into an arena: a db_row_fn and its argument. */
struct db_collect {
	struct arena    *arena;
	struct db_value *cell;
	size_t           rows, cols, room;
	bool             failed;	/* the arena is full */
};
bool db_collect_row(void *collect, const struct db_rows *row);
