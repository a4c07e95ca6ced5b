#pragma once
/* Private to this folder, the only one that knows libpq. */
#include <postgresql/libpq-fe.h>

#include "db/driver.h"
#include "net/dns.h"
#include "net/loop.h"

/* --- target.c: what a URL means --- */
enum { PG_MOST_HOSTS = 16, PG_MOST_OPTIONS = 64 };
struct pg_host {
	char name[DNS_NAME + 2];	/* as configured: a host, an address or a folder with a socket; empty: libpq's default */
	char ip[64];			/* its address; empty: not known, or a folder */
	char port[8];			/* empty: libpq's default */
};
/* All that the URL, the service file, the environment and our own habits say. Options other than the hosts are passed on as they are. */
struct pg_target {
	unsigned          n, hosts;
	uint32_t          connect_ms;	/* one attempt may take so long */
	const char       *key[PG_MOST_OPTIONS], *value[PG_MOST_OPTIONS];
	struct pg_host    host[PG_MOST_HOSTS];
	PQconninfoOption *explicit, *defaults;	/* own the texts */
};
/* `where` is the URL behind "postgresql:". `t` is to be freed also after an error. ERR_SYNTAX, ERR_NOMEM. */
MUST_CHECK enum err pg_target_of(const char *where, enum db_mode mode, struct pg_target *t, char *why, size_t cap);
void pg_target_free(struct pg_target *t);
/* It is a name that has to be looked up before libpq sees it: libpq would wait for the answer. */
bool pg_host_is_name(const struct pg_host *h);
/* Starts connecting to the first of the hosts that will do. NULL: no memory. */
MUST_CHECK PGconn *pg_connect_start(const struct pg_target *t, const struct pg_host *host, unsigned hosts);
/* What libpq said about a connection that failed, in one line, and what helps. */
void pg_connect_words(const PGconn *c, char *why, size_t cap);
/* By those words: ERR_IO, waiting may help; ERR_STATE, it will not. */
enum err pg_connect_err(const char *words);
/* Settings of a new connection: how long the server works on a statement of ours, ms; 0: for ever. */
MUST_CHECK const char *pg_session_sql(enum db_mode mode);

/* --- value.c --- */
struct pg_params {
	const char *value[DB_MOST_PARAMS];
	int         length[DB_MOST_PARAMS], format[DB_MOST_PARAMS];
	Oid         type[DB_MOST_PARAMS];
	char        digits[DB_MOST_PARAMS][24];
};
/* Texts of `v` must be followed by a NUL, which libpq wants. `p` points into `v`. */
void pg_params_set(struct pg_params *p, const struct db_value *v, unsigned n);
/* The cells of one row. Texts lie in the result, bytes in the arena. ERR_NOMEM. */
MUST_CHECK enum err pg_row(const PGresult *r, int row, struct db_value *cell, struct arena *a);
/* What a result says: OK, or by its SQLSTATE what driver.h says. */
enum err pg_err(const PGresult *r);
bool     pg_err_is(const PGresult *r, const char *sqlstate);
/* A table was changed under a statement that had been prepared, or someone between us and the server mixes up connections: a new connection helps. */
bool     pg_err_outdated(const PGresult *r);
/* The server's sentence, without the details: they may show a whole row, digests included; and what helps one of that mode who lacks a right. */
void pg_words(const PGresult *r, enum db_mode mode, char *why, size_t cap);

/* --- pool.c: a worker's questions --- */
struct pg_question {
	struct list           link;	/* the pool's queue, or the flight of a connection */
	struct list           waiting;	/* all that are not answered, oldest first */
	const struct db_stmt *stmt;
	db_done              *done;
	void                 *arg;
	uint64_t              at_ms;
	uint8_t               sent;	/* how often */
	bool                  preparing;	/* the answer to its preparation comes first */
	enum err              failed;	/* why it was not prepared */
	struct db_value       v[];	/* texts lie behind */
};
enum err pool_start(struct loop *l, const char *where, enum db_mode mode);	/* mode: of the server it looks for */
void     pool_stop(void);
enum err pool_query(const struct db_stmt *st, const struct db_value *params, db_done *done, void *arg);
/* From the connections. */
void pool_answer(struct pg_question *q, enum err err, const PGresult *r);
void pool_refused(const struct pg_question *q, const PGresult *r);	/* says so in the log */
void pool_again(struct list *flight);	/* of a connection that was lost, or of statements that were skipped: all of them are asked anew, or told that it is in vain */

/* --- link.c: one connection of a worker --- */
enum link_state { LINK_DOWN, LINK_NAMES, LINK_CONNECTING, LINK_SETTING, LINK_UP };
struct pg_link;
struct pg_link_user {
	const char *sql;	/* what a new session begins with */
	void (*up)(struct pg_link *l);
	void (*down)(enum err err, const char *why);	/* or it did not come up; ERR_IO: waiting may help */
	void (*input)(struct pg_link *l);	/* something has come; NULL: only answers matter */
};
struct pg_link {
	enum link_state         state;
	struct loop            *loop;
	const struct pg_target *target;
	const struct pg_link_user *user;
	PGconn                 *conn;
	struct loop_fd          io;		/* fd -1: not watched */
	uint32_t                events;
	struct timer            timer;		/* down: when to try again; otherwise until when it must be up */
	uint32_t                backoff_ms;
	struct list             flight;		/* questions in the order in which they were sent */
	struct list             skipped;	/* those of them that the server passed over after another's error */
	unsigned                count;		/* in flight */
	unsigned                syncs;		/* ends of groups that were sent and not yet answered */
	bool                    looking;	/* the session begins with a look at the schema */
	bool                    open_group;	/* statements were sent since the last one */
	bool                    got;		/* the statement in question has had a result */
	bool                    outdated;	/* what it has prepared does not fit the tables any more */
	bool                    prepared[DB_MOST_STMTS];
	struct pg_host          host[PG_MOST_HOSTS];	/* with their addresses, of this attempt */
	unsigned                hosts, looked;	/* looked: how many of the target's hosts are done */
	unsigned                first;		/* of the target's hosts, that is tried first */
	struct dns_query       *asking;
};
void link_init(struct pg_link *l, struct loop *loop, const struct pg_target *t, const struct pg_link_user *user);
void link_start(struct pg_link *l);
/* Closes; what is in flight goes to pool_again(). */
void link_stop(struct pg_link *l);
/* Into the connection's buffer. False: the connection is lost, and q has gone to pool_again(). */
MUST_CHECK bool link_send(struct pg_link *l, struct pg_question *q);
/* Ends the group and puts it onto the wire. */
void link_flush(struct pg_link *l);
/* It owes an answer for too long: start anew. */
void link_renew(struct pg_link *l, const char *why);

/* --- listen.c: the connection that hears of changes --- */
enum err listen_start(struct loop *l, const char *where);
void     listen_stop(void);
