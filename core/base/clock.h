#pragma once
/* The only place that asks for the time. A simulation replaces both clocks (clock_replace). */
#include <stdint.h>

/* Monotonic milliseconds; cached: refreshed by clock_tick(), once per event-loop turn, so that
 * reading it costs nothing and all of one turn sees one time. */
uint64_t clock_ms(void);
/* Seconds since 1970, for digests, expiries that outlive the process, and logs. Cached likewise. */
int64_t clock_unix(void);
/* Microseconds of the wall clock, uncached: log lines, and what has just arrived. */
int64_t clock_unix_us(void);
/* The same as it was at the last clock_tick(). */
int64_t clock_turn_us(void);
void    clock_tick(void);

struct clock_source {
	uint64_t (*mono_ms)(void);
	int64_t (*unix_us)(void);
};
/* NULL restores the kernel's clocks. Ticks. */
void clock_replace(const struct clock_source *src);
