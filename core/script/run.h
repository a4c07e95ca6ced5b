#pragma once
/* One run: the machine's state for one request. Private memory: it lies in the arena of its request and ends with it. */
#include "base/list.h"
#include "script/code.h"
#include "script/script.h"

struct script {
	struct program *program;
	struct code    *code;
	struct script  *older;	/* used before this one, and by some run still (run.c) */
	unsigned        refs;	/* its owner's and one a run; one process */
	uint32_t        epoch;	/* since when it is used */
};
void script_unref(struct script *s);
void script_gone(struct script *s);	/* its last reference went */

struct frame {
	uint32_t     back;	/* instruction to go on with in the caller */
	unsigned     base;	/* first slot */
	unsigned     route;
};
struct run {
	struct list        parked;	/* all parked runs of this process, oldest first */
	struct request    *req;
	struct script     *script;	/* our reference */
	const struct code *code;
	struct value      *stack;	/* entry.most_values of them */
	struct frame      *frames;	/* entry.most_frames of them */
	unsigned           height, depth, most_values, most_frames;
	uint32_t           at;		/* next instruction */
	uint32_t           number;	/* identity for tm_wait() and tm_park(); 0: none yet */
	int64_t            steps;
	struct wait       *wait;	/* what it waits for */
	struct value       answer;	/* of the last relay() that was waited for; null: none */
	struct run        *parent;	/* this is a side of its parallel block (aside.c) */
	struct sides      *sides;	/* of the parallel block that it waits for */
	struct value       result;	/* of a side that has returned */
	int64_t            began;	/* steps that were its parent's */
	uint64_t           until_ms;	/* how long its sides may be waiting; of the outermost */
	unsigned           place;	/* which side */
	bool               returned;
	bool               inside;	/* the machine is running it now */
	bool               dropped;	/* `drop` */
	bool               inner;	/* of a branch or reply route: it cannot wait (inner.c) */
	bool               background;	/* of a timer or event route: nobody waits for an answer */
	const struct record *event;	/* of an event route; NULL: it has none */
	struct beat       *beat;	/* of a timer route (background.c) */
	uint32_t           line;	/* traced: the last line in the trail (run_trail.c) */
};

/* What a run does to texts and lists costs steps by their size, so that a loop over large ones ends as any other loop does. */
enum { STEP_BYTES = 128 };
static inline void run_charge(struct run *run, size_t bytes)
{
	run->steps += (int64_t)(bytes / STEP_BYTES);
}

/* A run that starts with that route. NULL: no memory. Takes no reference until it is there. */
MUST_CHECK struct run *run_new(struct request *r, struct script *s, const struct route *route);
/* From its present instruction until it ends or is parked; takes care of what follows then. */
void run_go(struct run *run);
/* The same after a wait. */
void run_resume(struct run *run, enum verdict v, struct value result);
/* aside.c: spawn, at its instruction; where this run goes on. */
void run_spawn(struct run *run, uint32_t after);
/* parallel, at its instruction: V_OK when the results have been pushed, V_SUSPEND when a side waits, V_END or V_ERROR when one ended the run. */
MUST_CHECK enum verdict run_parallel(struct run *run, unsigned n);
/* Such a side has ended. */
void side_ended(struct run *side, enum verdict v, uint16_t status);
/* It has ended: answers with `status` where V_ERROR left the request open, releases what was held, frees the request. */
void run_end(struct run *run, enum verdict v, uint16_t status);
/* The machine: V_END, V_ERROR (logged) or V_SUSPEND. */
MUST_CHECK enum verdict machine_run(struct run *run);
/* A function was waited for that is to be called again. */
void machine_again(struct run *run);
/* Tests: told of each instruction before it is carried out. NULL: nobody is. */
void machine_watch(void (*seen)(const struct code *c, uint32_t at));
/* The place in the script, for log lines: "etc/sipario.cfg:12". */
enum { PLACE_TEXT = 300 };
struct str run_place(const struct run *run, char *room);

/* --- waits (wait.c) --- */
/* Something to resume by, without a time limit and without making the request stateful: relay() sees to both. NULL: no memory. */
MUST_CHECK struct wait *wait_new(struct run *run);
/* Is there room for one more parked run? If not, the request has been answered with 503. */
bool wait_room(struct run *run);
uint32_t run_number(struct run *run);
/* The machine's: the function has answered without waiting. */
void wait_take_back(struct run *run);
/* The function said V_SUSPEND: true when call_resume() has been called already; then the wait is gone and the outcome in *v, *result. */
bool wait_is_over(struct run *run, enum verdict *v, struct value *result);
void run_park(struct run *run);
void run_unpark(struct run *run);
struct loop *script_loop(void);	/* this worker's */

/* --- values (operate.c): the operators. NULL, or what is wrong ("cannot add int and string") in the arena --- */
MUST_CHECK const char *operate_unary(enum op op, struct value *v);
MUST_CHECK const char *operate_binary(struct arena *a, enum op op, const struct value *x, const struct value *y, struct value *out);
/* Does a value of type `have` do where `want` is declared? */
bool vtype_fits(enum vtype want, enum vtype have);

/* What can be read of a uri: u.host. The n-th field of the URI that is spelt so; null where it has none, or is no URI. */
extern const struct shape uri_shape;
MUST_CHECK struct value uri_field(struct str text, unsigned n);

extern const struct module core_module;	/* builtin.c */
extern const struct mod_param core_settings[];	/* settings.c; ends with a NULL name */
extern const char *const core_repeatable[];
/* check_env.param for the settings: collects the repeatable ones. */
MUST_CHECK enum err settings_param(const struct mod_param *p, struct str text, bool store, char *why, size_t cap);
/* What one is now, as a script would write it. */
void settings_write(const struct mod_param *p, struct buf *out);
void settings_reset(void);
