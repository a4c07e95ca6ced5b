#pragma once
/* A world of one proxy node (the whole core, with several workers) and some user agents, under a virtual clock and a bad network, all of it from
 * one seed. A run takes one process: what goes wrong in it, a crash included, is seen by the parent.
 *
 * plan.c draws what shall happen; world.c lets it happen; node.c is the server; ua.c the user agents; check.c watches every message that enters or
 * leaves the server and knows what the RFCs owe it; outlive.c looks into it; trace.c draws the ladder; shrink.c looks for the least that still fails. */
#include "base/arena.h"
#include "base/list.h"
#include "msg/msg.h"
#include "net/net.h"

enum {
	WORKERS = 3,		/* process slots 1..WORKERS */
	MOST_UAS = 6, MOST_CALLS = 16, MOST_TARGETS = 3, MOST_FAULTS = 12, MOST_MENDED = 4096,
	SERVER = -1,		/* as a place a message comes from or goes to; else the number of a user agent */
	MOST_MESSAGE = 4096,
};

/* --- plan.c --- */

/* Numbers that depend on the seed and on what they are for, and on nothing else: taking a call out of a plan changes nothing for the others. */
uint64_t draw(uint64_t seed, uint64_t what, uint64_t which);
static inline uint32_t draw_below(uint64_t seed, uint64_t what, uint64_t which, uint32_t below)
{
	return (uint32_t)(draw(seed, what, which) % below);
}

enum callee_kind { CALLEE_FINAL, CALLEE_RINGS, CALLEE_SILENT, CALLEE_DIES };
struct callee_plan {
	unsigned         ua;
	enum callee_kind kind;		/* answers; rings until it is cancelled; hears nothing; sends its final once and is gone */
	uint32_t         trying_ms;	/* 0: no 100 */
	uint32_t         ring_ms;	/* 0: no 180 */
	uint32_t         again_ms;	/* 180 once more, again and again; 0: not */
	uint32_t         final_ms;
	uint16_t         status;
	uint16_t         q;		/* 0..1000, for worlds that ring one group after the other */
};
enum policy {
	POLICY_RELAY,		/* all targets at once, the run ends */
	POLICY_WAIT,		/* one target after the other */
	POLICY_PARK,		/* waits for something else first, then as RELAY */
	POLICY_REPLY,		/* refused by the script */
	POLICY_FORWARD,		/* without state */
	POLICY_COUNT
};
struct call_plan {
	bool               on;
	unsigned           caller;
	enum method        method;
	enum policy        policy;
	uint64_t           at_ms;
	uint32_t           timeout_ms;	/* of one relay(), 0: none */
	uint32_t           park_ms;
	uint32_t           cancel_ms;	/* after the INVITE; 0: never */
	uint32_t           dies_ms;	/* then the caller hears nothing any more; 0: never */
	uint32_t           reinvite_ms, bye_ms;		/* after the answer; 0: never */
	bool               callee_reinvites, callee_hangs_up;
	unsigned           targets;
	struct callee_plan to[MOST_TARGETS];
};
enum fault_kind { FAULT_PARTITION, FAULT_GONE, FAULT_WORKER };
struct fault {
	bool            on;
	enum fault_kind kind;	/* nothing passes to or from it; the same with an ICMP error for each message to it; a worker dies */
	unsigned        which;	/* user agent, or process slot */
	uint64_t        at_ms;
	uint32_t        for_ms;
	unsigned        sends, steps;	/* worker: dies when it has sent so many messages from then on, or has touched shared memory so often, in the
					 * midst of something; both 0: at once */
	unsigned        heir_steps;	/* so does the next one; 0: it lives */
};
struct plan {
	uint64_t         seed;
	uint32_t         loss, twice;	/* of 1000 */
	uint32_t         delay_ms;	/* each takes up to so long */
	uint32_t         first_ms;	/* how long a callee may say nothing at all (tm_timers.first) */
	uint32_t         ring_ms;	/* how long a group of targets rings before the next one; 0: all at once */
	unsigned         uas, calls, faults;
	struct call_plan call[MOST_CALLS];
	struct fault     fault[MOST_FAULTS];
	/* messages that nothing happens to, sorted; shrink.c takes faults of the network out this way */
	uint32_t         mended[MOST_MENDED];
	unsigned         mended_count;
};
void plan_draw(struct plan *p, uint64_t seed);
/* One line each of what it holds. */
void plan_print(const struct plan *p);
/* Do the targets of this call ring one group after the other? */
bool plan_is_serial(const struct plan *p, const struct call_plan *c);
/* "c3-t1": the second target of call 3. NULL: none. */
const struct callee_plan *plan_callee(const struct plan *p, const char *user);

/* --- world.c --- */

struct alarm {
	uint64_t at_ms, order;	/* order 0: not armed */
	void (*fn)(struct alarm *a);
};
/* What there is to know of a message without its bytes. */
struct sip {
	bool        request;
	enum method method;
	uint16_t    status;
	uint32_t    cseq;
	int         call;		/* -1: none of ours */
	unsigned    vias;
	char        branch[64], next_branch[64];	/* of the first and the second Via */
	char        via_host[48];
	char        from_tag[32], to_tag[32];
	char        user[24];		/* of the Request-URI */
	uint32_t    max_forwards;
	bool        record_route;
};
bool sip_read(struct str bytes, struct sip *out);

enum fate { FATE_ARRIVES, FATE_LOST, FATE_CUT_OFF };
struct packet {
	struct packet *next;		/* of the trace */
	struct alarm   alarm;
	int            from, to;
	uint64_t       sent_ms;
	uint32_t       id;		/* call and number in the call: what shrink.c names it by */
	unsigned       slot;		/* of the worker that gets it */
	enum fate      fate;
	bool           copy;		/* by the network's duplication */
	bool           harmed;		/* lost, doubled, or late */
	struct sip     sip;
	struct str     bytes;
};
/* A line between the messages of the ladder. */
struct remark {
	struct remark *next;
	uint64_t       at_ms;
	char           text[200];
};

struct world {
	const struct plan *plan;
	uint64_t           now_ms, begun_ms;
	bool               failed;
	char               why[400];
	struct packet     *packets, **last_packet;
	struct remark     *remarks, **last_remark;
	bool               traced;
	unsigned           sent, delivered;
};
extern struct world world;

/* Everything from the beginning to the silence at the end. False: an invariant was broken; world.why. */
bool world_run(const struct plan *p, bool traced);
void alarm_at(struct alarm *a, uint64_t at_ms);
void alarm_off(struct alarm *a);
/* Put on the wire. The bytes are copied. */
void world_send(int from, int to, struct str bytes);
/* An invariant is broken: the first one counts, and the run ends. */
void world_fail(const char *fmt, ...) PRINTF(1, 2);
void world_remark(const char *fmt, ...) PRINTF(1, 2);
/* The place with that address, or SERVER. */
int  place_of(const struct addr *a);
/* "10.0.0.1" */
const char *ua_ip(int ua);

/* --- node.c --- */
void node_begin(void);
void node_receive(struct packet *p);
void node_icmp(int ua);
/* It has nothing left to do or to remember. */
void node_quiet(void);
extern const char server_ip[];

/* --- ua.c --- */
void ua_begin(void);
void ua_receive(int ua, struct packet *p);

/* --- check.c --- */
void check_begin(void);
void check_in(const struct packet *p);		/* before the server sees it */
void check_out(const struct packet *p);
/* What the message asked for at once must have been done; `died`: the worker did not come to the end. */
void check_turn_end(bool died);
void check_relay_timeout(int call);		/* the time of a relay() may be over */
void check_worker_died(void);
void check_unreachable(int ua);		/* ICMP errors speak of it */
void check_end(void);

/* --- outlive.c --- */
void outlive_begin(void);
void outlive_worker_died(void);
void outlive_look(void);		/* as a process that lives */

/* --- trace.c, shrink.c, main.c --- */
void trace_print(void);
struct result {
	bool     ok;
	char     why[400];
	uint64_t virtual_ms;
	unsigned delivered;
	unsigned harmed_count;
	uint32_t harmed[MOST_MENDED];	/* messages something happened to */
};
/* In a child process. */
void run_plan(const struct plan *p, bool print, struct result *out);
void shrink(struct plan *p, struct result *r);
