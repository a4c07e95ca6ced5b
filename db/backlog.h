#pragma once
/* Letters that wait for a store that is away, by what they are about. For the writer process only, in its private memory. */
#include "db/db.h"

/* The last one with that key is this from now on. Returns the one that was it before, or NULL; without memory, too: both stay then. */
MUST_CHECK struct db_write *backlog_put(struct db_write *l);
/* It goes, unless another has taken its place. */
void backlog_remove(const struct db_write *l);
void backlog_clear(void);
