#pragma once
/* Private to this folder: who is trusted, and which calls belong to which class, from the tables `trusted_peers` and `call_prefixes`. */
#include "module/module.h"

struct permissions_cfg {
	uint32_t refresh_ms;
};
extern struct permissions_cfg permissions_cfg;
extern struct counter permissions_failures;

/* --- networks.c: in one allocation, which the caller frees --- */
struct networks;
/* From columns network and name; rows that are no network are left out. NULL: no memory. */
MUST_CHECK void *networks_of(const struct db_rows *rows);
/* The name of the narrowest network around that address; NULL: of none. */
const struct str *networks_find(const struct networks *n, const struct addr *ip);

/* --- numbers.c: likewise --- */
struct numbers;
/* From columns prefix and class. NULL: no memory. */
MUST_CHECK void *numbers_of(const struct db_rows *rows);
/* The class of the longest prefix of that number; NULL: of none. */
const struct str *numbers_find(const struct numbers *n, struct str number);
/* What of a URI or a text is a telephone number, without visual separators (RFC 3966 §5.1.1); empty: none. .p NULL: no memory. */
struct str number_of(struct arena *a, const struct value *v);

/* --- fresh.c: both tables, in the private memory of each process --- */
MUST_CHECK enum err fresh_boot(void);
MUST_CHECK enum err fresh_load(char *why, size_t cap);	/* supervisor; OK while the store is away */
void fresh_keep(struct loop *l);			/* worker */
const struct networks *fresh_networks(void);		/* NULL: not loaded */
const struct numbers *fresh_numbers(void);
