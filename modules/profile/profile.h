#pragma once
/* Private to this folder: users and domains, read from the tables `users`, those that belong to them, and `domains`. */
#include "module/module.h"
#include "module/services.h"
#include "net/mailbox.h"

struct profile_cfg {
	uint64_t cache_bytes;
	uint32_t domains_refresh_ms, lifetime_ms, unknown_lifetime_ms, grace_ms;
};
extern struct profile_cfg profile_cfg;
extern struct counter profile_queries, profile_failures, profile_hits, profile_misses, profile_stale, profile_evicted, profile_entries, profile_bytes;
extern const struct profile_service profile_service;
extern const struct shape profile_shape;

enum { PROFILE_RETRY_AFTER_S = 5, PROFILE_MOST_WAIT_MS = 5000 };

/* --- domains.c: the served ones, in the private memory of each process --- */
struct domains {
	size_t     count;
	struct str name[];	/* sorted; the texts lie behind */
};
/* From one column of names; NULL: no memory. The caller frees it. */
MUST_CHECK struct domains *domains_of(const struct db_rows *rows);
bool domains_have(const struct domains *d, struct str host);
void domains_boot(void);
MUST_CHECK enum err domains_load(char *why, size_t cap);	/* supervisor; OK while the store is away */
void domains_keep_fresh(struct loop *l);			/* worker */
void domains_read_now(void);					/* worker: they have changed */
bool profile_is_domain(struct str host);
bool profile_knows_domains(void);	/* false: they could not be read yet */

/* --- user.c: what the database says of one user, as bytes --- */
enum user_row { ROW_USER, ROW_PERMISSION, ROW_GROUP, ROW_PREFERENCE };
/* Of ROW_USER. The others have their name in U_NAME, preferences their value in U_DOMAIN. */
enum user_column {
	U_KIND, U_NAME, U_DOMAIN, U_DISPLAY_NAME, U_STATUS, U_ALWAYS, U_BUSY, U_NO_ANSWER, U_OFFLINE, U_VOICEMAIL, U_HA1_MD5, U_HA1_SHA256,
	U_RING_TIME, U_MAX_CALLS, U_MAX_CONTACTS, U_DO_NOT_DISTURB, U_COLUMNS
};
extern struct db_stmt user_stmt;	/* $1 name, $2 domain: of the user itself or of an alias */
size_t user_packed_bytes(const struct db_rows *rows);
/* `room` has that many bytes. */
void user_pack(const struct db_rows *rows, char *room);
/* The next row: takes it off *bytes. Texts are slices of it. False: there is none. */
bool user_next_row(struct str *bytes, struct db_value row[U_COLUMNS]);

/* --- cache.c: users in shared memory, by address, and who is asking the database for which --- */
enum {
	CACHE_MOST_BYTES = 8192,	/* a larger profile is not kept */
	CACHE_MOST_KEY = 512,
};
enum cache_state {
	CACHE_NONE,
	CACHE_OLD,	/* may have changed, or is beyond its lifetime: good for as long as the database is away, up to the time of grace */
	CACHE_FRESH,
};
/* A copy of what is known, taken under the lock; it may hold digests: cache_wipe() it. No bytes: known to be nobody. */
struct cached {
	size_t len;
	char   bytes[CACHE_MOST_BYTES];
};
static inline void cache_wipe(struct cached *c)
{
	explicit_bzero(c->bytes, c->len);
}
/* In shared memory: a process that waits for another one's answer. */
struct cache_waiter {
	struct mail mail;	/* first: its fn is the waiter's, in its process; it frees this */
	struct list link;	/* in the asking's list; guarded by the shard's lock */
	void       *owner;
	uint32_t    incarnation;
	uint16_t    slot;
	enum err    err;	/* of the question */
};
MUST_CHECK enum err cache_boot(void);
/* `since_ms` not 0: what came from the database at that time or later is fresh in any case. */
enum cache_state cache_find(struct str key, uint64_t since_ms, struct cached *out);
/* Who asks the database: true: this process, and it owes cache_answer() or cache_give_up(). False: another one does, and posts w (taken over). */
bool cache_ask(struct str key, struct cache_waiter *w);
/* What the database said is kept, if it may be, and those who wait are woken. False: it was overtaken by a change; ask again, or give up. */
bool cache_answer(struct str key, struct str bytes);
void cache_give_up(struct str key, enum err err);
struct cache_waiter *cache_waiter_new(void (*fn)(struct mail *m), void *owner);
void cache_waiter_free(struct cache_waiter *w);
/* What a predecessor in this slot was asking when it died: others ask instead. */
void cache_adopt(void);
/* What the database tells, in the process that listens. */
bool cache_drop(struct str key);	/* it has changed; was it there? */
void cache_doubt_all(void);		/* all may have changed */
void cache_hearing(bool hearing);
void cache_clear(void);

/* For people: looking is no use of it. False: it is not there; *out then has no bytes. */
struct cache_times {
	uint64_t age_ms;	/* since it came from the database */
	uint64_t fresh_ms;	/* so long it is used without asking, if no change is told of */
	uint64_t grace_ms;	/* so long while the database is away */
};
bool cache_peek(struct str key, struct cached *out, struct cache_times *t, enum cache_state *state);

/* --- command.c --- */
extern const struct mod_command profile_commands[];

/* --- lookup.c --- */
/* `bytes` (user.c) live as long as the call; none: nobody. */
typedef void users_done(void *arg, enum err err, struct str bytes);
/* From memory alone. */
bool users_known(struct str user, struct str domain, struct cached *out);
/* Asks, once for all who want to know; done comes by the loop. On error it does not. ERR_IO: the store is away and nothing is known that might do;
 * ERR_SYNTAX: nobody can have such a name; ERR_NOMEM, ERR_AGAIN. */
MUST_CHECK enum err users_ask(struct str user, struct str domain, users_done *done, void *arg);
void users_worker_start(struct loop *l);

/* --- changes.c: what the database tells --- */
MUST_CHECK enum err changes_boot(void);

/* --- credentials.c --- */
bool profile_known(struct str user, struct str domain, enum err *err, struct credentials *c, struct credentials_room *room);
MUST_CHECK enum err profile_credentials(struct str user, struct str domain, void (*done)(void *arg, enum err err, const struct credentials *c),
					void *arg);

/* --- profile.c --- */
/* Whom a text means: "sip:alice@example.org" or "alice" (in `domain`). Escapes undone, the domain in lower case. ERR_SYNTAX, ERR_NOMEM. */
MUST_CHECK enum err user_parse(struct arena *a, struct str text, struct str domain, struct str *user, struct str *host);
/* The record; .type T_NULL for no memory. */
struct value profile_record(struct arena *a, struct str bytes);
enum verdict fn_profile(struct call *c);
