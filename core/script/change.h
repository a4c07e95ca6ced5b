#pragma once
/* What another program would change in a running server, and what of that cannot be done while it runs. In a process of its own, which
 * has the parameters of the running program and then stores those of the other (process/checker.c). */
#include "base/json.h"
#include "script/script.h"

struct change_base;	/* how things are */
/* Before the other program is loaded. NULL: no memory. */
MUST_CHECK struct change_base *change_begin(struct arena *a);
/* After script_apply() of it: writes "refused" and "changes", lists of sentences. The number of what is refused. */
MUST_CHECK size_t change_write(const struct change_base *b, const struct script *other, struct json_out *o);
