#pragma once
/* Parameters: ;name=value;name (generic-param, RFC 3261 §25.1) of header fields and URIs. */
#include "base/arena.h"

struct param {
	struct str name, value;	/* value without its quotes; escapes inside are kept */
	bool       has_value, quoted;
};

/* The next parameter of a list that starts with `;` or with a name; false at the end. A broken
 * one sets *bad (may be NULL) and ends the list. White space and folds around ; and = are fine. */
bool param_next(struct str *rest, struct param *out, bool *bad);
/* First parameter of that name (case-insensitive); *value (may be NULL) is empty for a flag. */
bool param_find(struct str params, const char *name, struct str *value);
/* Well-formed to the end, and no name twice? */
bool params_ok(struct str params);
/* The same for one who reads them anyway: true when the name was not there before. Count 0 to begin with. */
enum { PARAMS_MOST = 64 };	/* more than anyone uses; it bounds the comparison of all names with each other */
struct param_names {
	struct str name[PARAMS_MOST];
	size_t     count;
};
bool param_names_add(struct param_names *seen, struct str name);
/* q: 0..1000 thousandths ("0.7" is 700); 1000 when absent, ERR_SYNTAX when not a qvalue (§25.1). */
MUST_CHECK enum err qvalue_parse(struct str s, uint16_t *out);
/* Quoted-string text (without its quotes) with \-escapes undone; .p NULL on no memory. */
MUST_CHECK struct str quoted_unescape(struct arena *a, struct str s);
/* Split off the next comma-separated value, minding "…" and <…>; trimmed. False at the end.
 * Empty values are returned as such: the caller decides (RFC 4475 3.1.2.1 wants an error). */
bool value_next(struct str *rest, struct str *value);
