#pragma once
/* The control channel: JSON-RPC 2.0 on a unix stream socket that only the server's own user may open (0600). Runs in the control process;
 * never in the path of a call. Methods: core.status, core.memory, core.stats, core.reload, core.rollback, core.methods, and every loaded module's commands as "module.name". */
#include "net/loop.h"

/* Supervisor, before the fork: from when the server counts as up. Without it: from control_start(). */
void control_boot(void);
/* Supervisor, at the start: is there anything that control_start() would stumble over? Said now, not by a child that cannot start. */
MUST_CHECK enum err control_check(const char *path, char *why, size_t cap);
/* A socket file that a dead server left is replaced; one that answers is refused with a sentence in `why`. */
MUST_CHECK enum err control_start(struct loop *l, const char *path, char *why, size_t cap);
/* As `siparioctl reload`, when nobody waits for the answer: it is in the log. */
void control_reload(void);
/* Closes all and removes the socket file. */
void control_stop(void);
