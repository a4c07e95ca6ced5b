#pragma once
/* Counters: one 64-bit cell a process slot, written without locks by that process, summed on read.
 * A gauge is a counter that is also subtracted from. */
#include "base/str.h"

enum { COUNTER_NAME = 72 };
struct counter {
	const char *name;	/* "tm.transactions" */
	const char *help;	/* one line */
	const char *unit;	/* "requests", "bytes" */
	bool        gauge;
	uint32_t    id;		/* set by counter_register */
};
/* Boot, before the fork; the struct must be static. Again is harmless. There is room for 511; counting in one that was never registered
 * is harmless and reads as 0. What was counted outlives shm_destroy(); what a gauge measured does not. */
void     counter_register(struct counter *c);
/* At any time, in any process: all that register the name share the counter, as those do that come after a rebuild. It counts, and is not
 * shown by counter_at(). False: there is no room. Names are compared up to COUNTER_NAME - 1 bytes. */
MUST_CHECK bool counter_register_named(struct counter *c);
/* Whether counter_at() shows it, in this process. */
void     counter_show(const struct counter *c, bool shown);
void     counter_add(const struct counter *c, int64_t n);
static inline void counter_inc(const struct counter *c)
{
	counter_add(c, 1);
}
int64_t  counter_read(const struct counter *c);
/* Those shown, in order of their first registration; NULL past the end. */
const struct counter *counter_at(size_t i);
