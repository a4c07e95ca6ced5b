#pragma once
/* What a module declares and what its functions receive. A module is a shared object whose one visible symbol is `const struct module
 * module`. The tables are the truth: the checker, `siparioctl help` and the manual read them. */
#include "db/db.h"
#include "module/value.h"
#include "proxy/request.h"
#include "shm/counter.h"

enum { MODULE_ABI = 4 };	/* changes with any struct of this header */

/* --- parameters: module NAME { name = value; } --- */
enum param_type {
	P_BOOL,		/* on, off: bool */
	P_INT,		/* int64_t */
	P_SECONDS,	/* a duration, kept as whole seconds: uint32_t */
	P_MS,		/* a duration: uint32_t */
	P_SIZE,		/* uint64_t bytes */
	P_STR,		/* struct str, kept for ever (base/keep.h) */
	P_CHOICE,	/* one of `choices`: int, its index */
	P_CHOICES,	/* a list of them, in order of preference: uint32_t nibbles, first choice lowest, index + 1 each */
};
struct mod_param {
	const char        *name;
	enum param_type    type;
	void              *where;
	const char        *preset;	/* the default, written as in a script: "3600s", "on", "[SHA-256, MD5]" */
	int64_t            min, max;	/* numbers, in the kept unit; both 0: no bounds */
	const char *const *choices;	/* NULL-ended */
	const char        *help;	/* one line */
	bool               live;	/* may change while the server runs, at a reload: `where` is read each time it is used, and never twice for one decision */
};

/* --- functions --- */
enum where {	/* route kinds a function makes sense in */
	IN_REQUEST = 1 << 0, IN_DIALOG = 1 << 1, IN_REPLY = 1 << 2, IN_BRANCH = 1 << 3, IN_EVENT = 1 << 4, IN_TIMER = 1 << 5,
	IN_ANY = 63
};
enum verdict {
	V_OK,		/* the result is in c->result; the next line follows */
	V_END,		/* the run ends: answered, relayed or dropped */
	V_SUSPEND,	/* call_suspend() was called; call_resume() follows from the loop */
	V_ERROR,	/* logged by the function; the run ends with 500 */
	V_AGAIN,	/* for call_resume() only: the function is called once more, with the same arguments */
};
struct run;
struct call {
	struct request     *req;	/* in timer and event routes one without a message */
	struct ctx         *c;		/* &req->c, or the run's own */
	struct run         *run;
	size_t              argc;	/* as many as declared; those not given have type T_NULL, or the declared preset. F_KEYS: behind them name, value, name, value … */
	const struct value *argv;
	struct value        result;	/* null at entry */
	bool                wanted;	/* the result is used (relay waits for the outcome only then) */
};
struct mod_arg {
	const char *name;	/* also the name for name = value */
	enum vtype  type;	/* T_ANY: any */
	bool        optional;
	const char *preset;	/* value when not given, as in a script; NULL: null */
	int64_t     min, max;	/* literals are checked at load; both 0: no bounds */
	const char *const *choices;	/* of a text: it is one of these; NULL-ended */
	bool      (*literal)(struct str text, char *why, size_t cap);	/* is that text good? Asked at load; `why` is a sentence */
};
enum {	/* what the checker must know of a function */
	F_ENDS = 1 << 0,	/* never returns to the script: send_reply with a final code is decided by F_ENDS_FINAL instead */
	F_ENDS_FINAL = 1 << 1,	/* ends the run when its first argument, a reply code, is >= 200 */
	F_MAY_END = 1 << 2,	/* may answer and end the run (authenticate) */
	F_SAYS = 1 << 3,	/* the path has said what happens: replied, relayed, forwarded or dropped */
	F_REPLY_CODE = 1 << 4,	/* the first argument is a reply code: 100..699 */
	F_SUSPENDS = 1 << 5,	/* may wait */
	F_WAITS_IF_USED = 1 << 6,	/* relay(): waits only where its result is used */
	F_STATELESS = 1 << 11,	/* forward(): sends on without a transaction, so that CANCEL and ACK must follow by the same decisions */
	F_METHOD = 1 << 7,	/* called as value.name(…): the value is the first argument */
	F_KEYS = 1 << 8,	/* takes any further name = value */
	F_AS_FIRST = 1 << 10,	/* the result has the type of the first argument: $ru.strip(1) is a uri as $ru is */
	F_COUNTER = 1 << 9,	/* the first argument is the name of a counter: a literal, the counter is made at the start */
};
struct mod_func {
	const char           *name;
	enum verdict        (*fn)(struct call *c);
	const struct mod_arg *args;	/* ends with a NULL name; NULL: none */
	enum vtype            result;	/* T_NULL: none, a statement only */
	bool                  nullable;	/* the result may be null */
	const struct shape   *shape;	/* of a T_RECORD result */
	uint32_t              where;	/* enum where */
	uint32_t              flags;
	const char           *help;
	enum vtype            item;	/* of a T_LIST result: its elements; T_NULL: any */
};
/* $name or $name(argument) */
struct mod_var {
	const char  *name;
	enum vtype   type;
	bool         nullable;
	bool         has_arg;	/* $hdr(Subject) */
	enum verdict (*get)(struct call *c, struct str arg, struct value *out);
	enum verdict (*set)(struct call *c, struct str arg, const struct value *v);	/* NULL: read-only */
	uint32_t     where;
	const char  *help;
	const struct shape *shape;	/* of a T_RECORD */
};
/* What event_route[NAME] listens to. */
struct mod_event {
	const char         *name;	/* "module:event" */
	const struct shape *shape;	/* of $event; NULL: it has no fields */
	const char         *help;
	bool                heard;	/* some route listens, in this process. Where not, it shall cost nothing: look before values are gathered */
};
/* A command of the control channel (JSON-RPC method "module.name"), run in the control process. Texts are JSON. */
struct mod_command {
	const char *name;
	enum err  (*fn)(struct arena *a, struct str params_json, struct str *result_json);	/* on error *result_json is a message */
	const char *help;
};

/* --- the descriptor --- */
struct module {
	int                       abi;
	const char               *name;
	const char               *help;
	const char *const        *needs;	/* services: names, NULL-ended */
	const char               *offers;	/* service name, or NULL */
	const void               *service;	/* its interface (core/module/services.h) */
	const struct mod_param   *params;	/* each table ends with a NULL name */
	const struct mod_func    *funcs;
	const struct mod_var     *vars;
	const struct mod_command *commands;
	struct counter          **counters;	/* NULL-ended */
	struct mod_event *const  *events;	/* NULL-ended */
	/* Hooks, each may be NULL, in this order. `why` (256 bytes) is a sentence for the operator on error. */
	enum err (*configure)(char *why);	/* parameters are set; checks across them; no resources (also under sipario -c) */
	enum err (*start)(char *why);		/* supervisor, shared memory exists, before the fork */
	enum err (*worker_start)(struct loop *l, char *why);
	void (*stop)(void);			/* worker, gentle stop */
	enum err (*writer_start)(struct loop *l, char *why);	/* the writer process, which alone may wait for disks, and may ask the database as workers do; there is none without one */
	void (*writer_stop)(void);		/* the same, gentle stop: the workers have ended, the database is still there */
	void (*connection_lost)(uint64_t conn);	/* worker: that connection (flow.conn) has ended, or died with the worker that had it */
};

/* --- registry (boot) --- */
/* Load NAME.so from the module folder, after the modules that offer what it needs, and apply its presets. ERR_EXISTS: it is loaded; ERR_NOT_FOUND with the nearest name in `why`;
 * ERR_UNSUPPORTED: it cannot be loaded, `why` says why. Built-in modules (core) register themselves. */
MUST_CHECK enum err module_load(struct str name, char *why, size_t cap);
MUST_CHECK enum err module_register(const struct module *m);
void module_set_folder(const char *path);
const struct module *module_at(size_t i);		/* loaded ones, in order; NULL past the end */
const struct module *module_find(struct str name);
/* A module in the folder (loaded or not) that has a function of that name: "did you forget `module x {}`?". Empty: none. Valid until
 * the next call of this family. */
struct str module_offering(struct str func);
/* Nearest module name in the folder, for suggestions. Empty: none near. */
struct str module_nearest(struct str name);
/* Missing services: ERR_NOT_FOUND with a sentence. */
MUST_CHECK enum err modules_check_needs(char *why, size_t cap);
const void *module_service(const char *name);
void module_apply_presets(const struct module *m);
void module_reset(const struct module *m);	/* the same, and zero what has none: another program may have set it */
/* Are the presets values of their types, within their bounds? Done by the two above. */
MUST_CHECK enum err module_check_presets(const struct module *m, char *why, size_t cap);
/* Forget all (tests). */
void module_forget_all(void);
/* Parse `text` (a preset, or a value from a script, as written) by the parameter's type, check its bounds, store it. The sentence in `why` is as
 * the checker prints it: "expected duration 1s to 1d, got string". `store` false: check only. */
MUST_CHECK enum err module_param_set(const struct mod_param *p, struct str text, bool store, char *why, size_t cap);
/* The value it has now, as a script would write it. */
void module_param_write(const struct mod_param *p, struct buf *out);
/* The hooks of all modules, in order of loading; on error `why` begins with the module's name. */
MUST_CHECK enum err modules_configure(char *why, size_t cap);	/* parameters are set; also under sipario -c */
MUST_CHECK enum err modules_start(char *why, size_t cap);
MUST_CHECK enum err modules_worker_start(struct loop *l, char *why, size_t cap);
void modules_stop(void);
MUST_CHECK enum err modules_writer_start(struct loop *l, char *why, size_t cap);
void modules_writer_stop(void);
void modules_connection_lost(uint64_t conn);

/* --- events --- */
/* Something has happened: `v` has a value for each field (numbers, texts, addresses, null), which are copied. In any process, also under locks of a rank
 * below RANK_MAILBOX; the route runs later, on its own. */
void event_raise(const struct mod_event *e, const struct value *v);

/* --- waiting --- */
struct wait;
/* Before (or right after) starting something asynchronous: makes the request stateful, lets the run wait for at most `most_ms`. NULL: the run must
 * end (return V_END): it was a retransmission, or there is no room and 503 has been sent. Then return V_SUSPEND; returning anything else takes the
 * wait back, it must not be used any more. If time runs out, the run ends with 503 and the later call_resume() is ignored: the wait stays
 * valid until call_resume() was called exactly once. */
MUST_CHECK struct wait *call_suspend(struct call *c, uint32_t most_ms);
/* In the same worker, from the loop or from within the function that then returns V_SUSPEND. V_OK with the result, V_END, V_ERROR, or V_AGAIN. */
void call_resume(struct wait *w, enum verdict v, struct value result);
/* What the function needs cannot be had now: answers 503 with Retry-After and returns V_END; V_OK where the run has no request to answer. */
enum verdict call_unavailable(struct call *c);
/* The run's arena, for building the result before call_resume(); NULL when the run is gone (its time ran out). */
struct request *wait_request(struct wait *w);
