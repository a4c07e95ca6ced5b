#pragma once
/* A bar on standard error while something long goes on; nothing when that is no terminal. */
#include "base/str.h"

struct progress {
	const char *what;	/* "checking" */
	uint64_t    total;	/* 0: not known */
	uint64_t    begun_ms, shown_ms;
	bool        on, drawn;
};
struct progress progress_begin(const char *what, uint64_t total, bool wanted);
/* `done` of `total` (bytes of the file, say), and how many `things` that were. */
void progress_show(struct progress *p, uint64_t done, uint64_t things);
/* The line goes. */
void progress_end(struct progress *p);
