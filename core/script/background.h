#pragma once
/* Runs that no request has started: timer_route, event_route. They have a request without a message, for its memory and $avp. */
#include "script/run.h"

/* Supervisor, shared memory exists. `why` is a sentence. */
MUST_CHECK enum err background_start(char *why, size_t cap);
/* Worker: the one in the first slot starts what the others need not. */
void background_worker_start(struct loop *l);
/* Worker: another program is in use; its timer routes from now on. */
void background_adopt(void);
/* Worker, gentle stop: event_route[core:stop], which cannot wait. */
void background_stop(void);
/* The events there are, for the checker. NULL-ended. */
extern const char *const background_events[];
/* A request that nobody sent; NULL: no memory. */
MUST_CHECK struct request *request_alone(void);
void request_alone_free(struct request *r);
/* Worker: a run of the route that listens to it, if there is one. `v`: the values of its fields and, behind them, what they point to. */
void background_event(const struct mod_event *e, const struct value *v, size_t bytes);
/* Such a run has ended: its request and all its memory. */
void background_done(struct run *run);
bool background_stopping(void);
