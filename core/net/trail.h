#pragma once
/* The trail: what has happened lately to each call, always on, in a bounded ring of shared memory a process. It answers "why did that
 * call end so?" without a line of log. A call is known by a number made of its Call-ID.
 *
 * Only its own process writes a ring, without lock or system call; any process may read it meanwhile. The oldest events are overwritten.
 * Traced calls (see trail_watch) have a second ring, so that the traffic of all others does not push them out, and more is
 * written down of them. */
#include "base/log.h"
#include "net/net.h"

enum trail_kind {
	TRAIL_RECEIVED, TRAIL_SENT,	/* data: struct trail_wire, start line */
	TRAIL_BEGIN,			/* a run of the script; data: From, To, Call-ID and method, each ended by a NUL */
	TRAIL_CALLED,			/* a function was called; data: its name, how it ended */
	TRAIL_WAITS, TRAIL_RESUMED,	/* a run waits for a function; goes on with its result */
	TRAIL_END,			/* the run has ended; data: how */
	TRAIL_TIMER,			/* time is up for something; data: what */
	TRAIL_FAULT,			/* an error in the script; data: which */
	TRAIL_LINE, TRAIL_VALUE,	/* traced calls only: a line is reached; the value that is assigned, or decides */
	TRAIL_KINDS
};
struct trail_wire {
	uint8_t  transport, family;	/* enum transport; AF_INET or AF_INET6 */
	uint16_t port;
	uint8_t  ip[16];
};
enum { TRAIL_MOST_DATA = 428, TRAIL_TRACED = 1 };

/* Before the fork, after every shm_create(). `bytes`: of each ring, 0 for no trail at all. */
void trail_boot(size_t bytes);
/* In a process that shall have rings. It goes on with those of the process that had this slot before. */
void trail_start(void);

/* The number of a call, for struct ctx. 0: there is no trail. TRAIL_TRACED is set in those of traced calls that were met before. */
MUST_CHECK uint64_t trail_call(struct str call_id);
static inline bool trail_traced(const struct ctx *c) { return c->call & TRAIL_TRACED; }

/* One event, at the present time. `place`: as the script floor writes it, 0 none. What is over TRAIL_MOST_DATA bytes is cut off.
 * Nothing when call is 0. May be called with any lock held. */
void trail_add(uint64_t call, enum trail_kind kind, uint32_t place, struct str data);
void trail_message(uint64_t call, enum trail_kind kind, const struct flow *f, struct str bytes);

/* --- reading, in any process --- */
struct trail_event {
	uint64_t        call, at_us;	/* wall clock */
	uint32_t        place;
	unsigned        slot;		/* the process */
	enum trail_kind kind;
	struct str      data;		/* valid until the function returns */
};
/* Calls fn for the events of that slot's ring which are number `from` or later and still there, oldest first. The number of the next one. */
uint64_t trail_each(unsigned slot, bool traced, uint64_t from, void (*fn)(void *arg, const struct trail_event *e), void *arg);

/* --- which calls are traced: written by one process (control), read by all --- */
enum { TRAIL_WATCHES = 8, TRAIL_MOST_TEXT = 128 };
struct trail_watch {
	uint64_t    until_ms;		/* clock_ms(); it ends by itself */
	struct addr source;		/* AF_UNSPEC: any */
	uint8_t     prefix;
	char        user[TRAIL_MOST_TEXT];	/* "alice" or "alice@example.org", of From, To or Request-URI; empty: any */
	char        number[TRAIL_MOST_TEXT];	/* digits only */
	char        call_id[TRAIL_MOST_TEXT];
};
/* What all its fields name is traced from now on. The number of the watch, from 1; 0: there are TRAIL_WATCHES already. */
MUST_CHECK unsigned trail_watch(const struct trail_watch *w);
void trail_unwatch(unsigned number);
/* Is anything watched? One load: for the path of every message. */
bool trail_watching(void);
/* The n-th from 0; NULL: not in use, or over. */
const struct trail_watch *trail_watch_at(unsigned n);
/* That call is one of the n-th's from now on. The number with TRAIL_TRACED. */
uint64_t trail_take(unsigned n, uint64_t call);
/* Did the watch with this number take the call? */
bool trail_took(unsigned number, uint64_t call);
