#pragma once
/* Routes that run within what the core does with a message. */
#include "script/run.h"

/* relay(on_branch = NAME, on_reply = NAME): each is the name of a route of the run's program, or null. */
void inner_handlers(struct run *run, const struct value *on_branch, const struct value *on_reply, struct relay_opts *opts);
