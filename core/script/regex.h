#pragma once
/* Regular expressions of the language (PCRE2, UTF off: SIP is bytes). Program lifetime. */
#include "base/str.h"

struct regex;
/* Flags: 'i' caseless, 's' dot matches line ends, 'm' multi-line, 'x' extended. ERR_SYNTAX: *at is the offset in `pattern` and why a sentence;
 * ERR_NOMEM. Links itself to *list, the program's. */
MUST_CHECK enum err regex_compile(struct str pattern, struct str flags, struct regex **list, struct regex **out, size_t *at, char *why, size_t cap);
/* `groups` (may be NULL) gets the whole match and up to n-1 groups; empty slices for those that took no part. The number of groups set, 0: no match,
 * -1: given up, REGEX_GAVE_UP says why: backtracking is bounded, so that no text a peer sends can hold a worker. */
int regex_match(const struct regex *re, struct str text, struct str *groups, unsigned n);
/* The same from an offset on: what stands before counts for ^ and look-behind. */
int regex_match_from(const struct regex *re, struct str text, size_t from, struct str *groups, unsigned n);
#define REGEX_GAVE_UP "the regular expression takes too many steps on this text"
struct str regex_source(const struct regex *re);	/* as written between the slashes */
/* Name and version of the library in use, for `sipario -V`. */
const char *regex_library(void);
void regex_free_all(struct regex *list);
