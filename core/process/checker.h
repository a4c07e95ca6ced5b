#pragma once
/* The check of another program, in a child of the control process: it may load modules, store parameters and take its time, and is then gone
 * with all of it. It has left shared memory. */
#include "net/loop.h"
#include "process/version.h"

/* The outcome, an object: "good" (bool), "report" (text, as of `sipario -c`), "diagnostics", "refused", "changes" (lists), and where it is good and
 * nothing refused "place", "bytes", "digest" of its texts. Empty: the child died or took too long. */
typedef void checker_done(struct str outcome);

/* Of the file of the start, or of an earlier version. One at a time. */
MUST_CHECK enum err checker_start(struct loop *l, const struct version *v, bool colour, checker_done *done);
void checker_stop(void);	/* the process ends: nothing is told any more */
