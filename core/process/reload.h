#pragma once
/* A reload, or the way back, as a transaction: check in a process of its own, prepare in all, change, wait until all have taken it. Led by the
 * control process; one at a time. See adopt.h for the others' part. */
#include "net/loop.h"
#include "process/version.h"

enum reload_what { RELOAD_FILE, RELOAD_BACK };
/* `message`: a sentence. `data`: an object for programs, see checker.h, and "program", "version", "loaded_unix", "before" as they are now. */
typedef void reload_done(void *arg, bool changed, struct str message, struct str data);

/* Supervisor, before adopt_boot(): the slot of the control process. */
void reload_boot(unsigned slot);
MUST_CHECK enum err reload_start(struct loop *l, char *why, size_t cap);
/* ERR_STATE, ERR_NOT_FOUND: `why` says why it cannot begin; done is not called. fn NULL: nobody waits. */
MUST_CHECK enum err reload_begin(enum reload_what what, bool colour, reload_done *fn, void *arg, char *why, size_t cap);
/* Who waits is gone. */
void reload_forget(const void *arg);
void reload_stop(void);
