#pragma once
/* The configurations of a running server: the one in use, the one before it, and room for one that may be next. Their texts lie in files without a
 * name that all processes inherit; which is which stands on a page that all share. Both outlive shared memory, and hold no pointer: the
 * supervisor may read them, and what it forks or rebuilds after a reload has the program of that day. */
#include "script/script.h"

struct version {
	uint32_t number;		/* counts what was loaded; 0: none */
	uint32_t place;			/* of its texts */
	uint64_t bytes;
	int64_t  loaded_unix;
	char     digest[13];		/* of its texts: the same file has the same */
};
struct versions {
	uint32_t       epoch;		/* counts the changes of `now`, from 1 */
	uint32_t       last;		/* the highest number given */
	struct version now, before;	/* before.number 0: there is none */
};

/* Supervisor, before the first fork: `s` was read from that file with these options, which are kept: reloads use them again. */
MUST_CHECK enum err versions_boot(const char *file, const struct script_options *o, const struct script *s, char *why, size_t cap);
/* Any process, any time. */
struct versions versions_get(void);
const char *versions_file(void);
/* The options of the start; how it is reported is up to the caller. */
struct script_options versions_options(void);
/* The program of a version, compiled in this process. NULL: no memory. Logs nothing: may be called in a thread. */
MUST_CHECK struct script *version_load(const struct version *v);
/* The same with all that can be said about it; as script_load_image(). */
MUST_CHECK struct script *version_check(const struct version *v, const struct script_options *o, struct arena *a, struct str *report);

/* --- the control process alone --- */
/* Keep these texts in the free place; number and time are not set. */
MUST_CHECK enum err version_store(struct str image, struct version *out);
/* It is used from now on. */
void versions_switch(const struct version *next);
