#pragma once
/* The tables of scripts: `table NAME { key: ip; ttl: 5m; max: 10000; }`. They lie in shared memory, are seen by all processes alike and outlive any of
 * them; a new life of shared memory starts with empty ones. A reload keeps what is in a table whose name and types stay.
 *
 * An entry whose time is over is not seen any more; its memory is taken back when its chain is next walked, and by every new entry a
 * little. A full table with a ttl gives up the entry that is nearest to its end, one without a ttl takes no new ones. */
#include "module/module.h"

struct program;
struct script;
extern struct counter sht_full;
struct sht_kept;	/* lifetime of its program */

enum { SHT_MOST_KEY = 1024, SHT_MOST_VALUE = 4096 };	/* bytes */

/* Supervisor, shared memory exists. `why` is a sentence. */
MUST_CHECK enum err sht_start(char *why, size_t cap);
/* Find the tables of that program, make those that are not there yet. In each process, before the program is used in it. */
MUST_CHECK enum err sht_bind(struct program *p, char *why, size_t cap);
/* That program is used, or may be gone back to, in that epoch (process/adopt.h). */
void sht_mark(const struct script *s, uint32_t epoch);	/* NULL is fine */
/* Free the tables that were not marked in that epoch or since: no program that has one may run any more, or be about to. */
void sht_sweep(uint32_t epoch);
struct sht_kept *sht_of(const struct program *p, unsigned index);
/* Those of the program in use. */
struct sht_kept *sht_find(struct str name);	/* NULL: none */
struct sht_kept *sht_at(size_t i);		/* NULL past the end */

/* A value as a key; .p NULL: it cannot be one (too long, null, list), or no memory. */
MUST_CHECK struct str sht_key(struct arena *a, const struct value *v);
/* Null where there is none. Text is copied into the arena. ERR_NOMEM. */
MUST_CHECK enum err sht_get(struct sht_kept *t, struct arena *a, struct str key, struct value *out);
/* Null removes. Its time starts anew. ERR_LIMIT: the table is full; ERR_UNSUPPORTED: no such value can be kept, or it is too long; ERR_NOMEM. */
MUST_CHECK enum err sht_set(struct sht_kept *t, struct str key, const struct value *v);
/* In one step for all processes; what is not there is 0. The entry keeps its end: a count of the last minute ends with its minute. *out is the new
 * value, also with ERR_LIMIT (full: nothing is kept). ERR_UNSUPPORTED: the value there is no int, or it would not fit. */
MUST_CHECK enum err sht_add(struct sht_kept *t, struct str key, int64_t by, int64_t *out);

/* --- loading, sht_load.c: by one process --- */
/* It is to be loaded: true from its beginning on. */
bool sht_is_wanted(const struct sht_kept *t);
void sht_want(struct sht_kept *t, bool wanted);
/* Of what is loaded from now on; never 0, which what the script has set bears. */
uint32_t sht_load_number(struct sht_kept *t);
/* As sht_set(), but a full table gives nothing up for it. */
MUST_CHECK enum err sht_load_put(struct sht_kept *t, struct str key, const struct value *v, uint32_t number);
/* Take out what an earlier load has brought, in `most` chains from that on. Where to go on, 0: that was all. */
uint32_t sht_load_sweep(struct sht_kept *t, uint32_t number, uint32_t from, uint32_t most, uint64_t *gone);
/* Worker: load what waits for it. */
void sht_load_go(struct loop *l);
void sht_load_stop(void);
/* Supervisor, shared memory exists. `why` is a sentence. */
MUST_CHECK enum err sht_load_boot(char *why, size_t cap);
/* From any process. ERR_UNSUPPORTED: the script does not say from where. */
MUST_CHECK enum err sht_load_ask(struct str name);

/* For the commands. */
struct sht_info {
	struct str name;
	enum vtype key, value;
	int64_t    ttl_ms, max, count;
};
struct sht_info sht_info(const struct sht_kept *t);
/* Calls fn for each live entry from that chain on, until `most` have been seen at the end of a chain. Where to go on, 0: that was all. */
uint32_t sht_each(struct sht_kept *t, uint32_t from, unsigned most,
		    void (*fn)(void *arg, struct str key, const struct value *v, int64_t left_ms), void *arg);
