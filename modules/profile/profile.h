#pragma once
/* Private to this folder: users and domains, read from the tables `users` and `domains`. */
#include "module/module.h"
#include "module/services.h"

struct profile_cfg {
	uint32_t domains_refresh_ms;
};
extern struct profile_cfg profile_cfg;
extern struct counter profile_queries, profile_failures;
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
MUST_CHECK enum err domains_load(char *why, size_t cap);	/* supervisor */
void domains_keep_fresh(struct loop *l);			/* worker */
bool profile_is_domain(struct str host);

/* --- credentials.c --- */
void credentials_boot(void);
MUST_CHECK enum err profile_credentials(struct str user, struct str domain, void (*done)(void *arg, enum err err, const struct credentials *c),
					void *arg);

/* --- profile.c --- */
/* Whom a text means: "sip:alice@example.org" or "alice" (in `domain`). Escapes undone, the domain in lower case. ERR_SYNTAX, ERR_NOMEM. */
MUST_CHECK enum err user_parse(struct arena *a, struct str text, struct str domain, struct str *user, struct str *host);
/* The record of one row of the query; .type T_NULL for no memory. */
struct value profile_record(struct arena *a, const struct db_value *row);
void profile_boot(void);
enum verdict fn_profile(struct call *c);
