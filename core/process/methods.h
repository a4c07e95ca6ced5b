#pragma once
#include "process/rpc.h"

/* What the control channel offers: an rpc_method. */
int methods_run(struct arena *a, struct str method, struct str params, struct str *result);
void methods_set_start(int64_t unix_s);
