#pragma once
/* What the check_*.c files share. Order of work: modules and settings, constants, tables, then each route after the routes it calls:
 * names and types in one walk (check_expr.c, check_stmt.c), then its paths in another (check_flow.c); at last what needs to know who calls whom. */
#include "script/check.h"
#include "script/run.h"

enum {
	MOST_SLOTS = 256,	/* of one route's frame */
};
/* A local that can be seen from here; the newest first. */
struct scope {
	struct scope *up;
	struct local *local;
};
/* Something nullable that is known not to be null here (or, `forgotten`, was assigned since). The newest that fits decides. */
struct fact {
	struct fact          *up;
	const struct local   *local;	/* NULL: about a variable */
	int                   field;	/* of a record local; -1: the local itself */
	const struct mod_var *var;
	struct str            arg;
	bool                  forgotten;
};
/* A function or variable that is not for every kind of route. */
struct use {
	struct use *next;
	struct str  name;
	struct span span;
	uint32_t    where;
	uint32_t    aside;	/* IN_SPAWN, IN_PARALLEL: used within such a block */
};
/* $avp(name) of the whole program. */
struct avp_use {
	struct avp_use *next;
	struct str      name;
	enum vtype      type;		/* T_ANY: not known (yet) */
	struct span     assigned_at;	/* first */
	struct span     typed_at;	/* the assignment that says its type; .src NULL: none */
	bool            read;
};
struct checker {
	struct program         *prog;
	const struct check_env *env;
	struct diags           *d;
	struct arena           *a;
	struct route           *route;		/* being checked; NULL outside: constants, settings, tests */
	struct scope           *scope;
	struct fact            *facts;
	unsigned                loops;		/* around this statement */
	uint32_t                aside;		/* IN_SPAWN, IN_PARALLEL: within such a block */
	unsigned                own_slots;	/* of a spawn block: its variables' slots begin here */
	struct avp_use         *avps;		/* that are assigned */
	bool                    avps_unknown;	/* there may be more: some route has errors of syntax */
};

/* --- check_names.c --- */
void *check_new(struct checker *c, size_t bytes);	/* zeroed; NULL, and recorded, without memory */
#define CHECK_NEW(c, type) ((type *)check_new((c), sizeof(type)))
/* A method is found by value.name() only, the others by name() only. */
const struct mod_func *check_find_func(struct checker *c, struct str name, bool method);
const struct mod_var *check_find_var(struct checker *c, struct str name);
struct local *check_find_local(struct checker *c, struct str name);
struct constant *check_find_const(struct checker *c, struct str name);
struct table *check_find_table(struct checker *c, struct str name);
void check_no_func(struct checker *c, const struct call_expr *call);
/* check_habit.c: help for who asks a value (checked) for something by the name that other languages have for it. False: none is known. */
bool check_habit(struct checker *c, struct diag *g, const struct expr *of, struct str name);
/* And for who quotes a number or an address. */
bool check_quoted(struct checker *c, struct diag *g, const struct expr *e, enum vtype want);
void check_no_var(struct checker *c, const struct expr *e);
void check_no_name(struct checker *c, const struct expr *e);
void check_no_table(struct checker *c, struct str name, struct span where);
/* The route of that kind, or NULL, reported. */
struct route *check_find_route(struct checker *c, enum route_kind kind, struct str name, struct span where);
void check_event_name(struct checker *c, const struct route *r);
/* Remember, for when it is known which kinds of route this one runs in. */
void check_use(struct checker *c, struct str name, struct span span, uint32_t where);
void check_uses(struct checker *c);

/* --- check_literal.c: texts that mean something --- */
void check_methods(struct checker *c, const struct expr *e);	/* "INVITE|ACK", or a list of them, when constant */
void check_method(struct checker *c, struct str name, struct span where);
void check_uri(struct checker *c, const struct expr *e);
/* The place of `part` of the text of a plain string literal; of the whole literal when escapes have moved it. */
struct span check_within(const struct expr *e, struct str part);
void check_header_name(struct checker *c, struct str name, struct span where);
void check_header_edit(struct checker *c, struct str name, struct span where);	/* a script may not change the core's own */
void check_words(struct checker *c, const struct expr *e, const char *what, const char *const *words);	/* `e`, when constant, is one of them */
/* Reported when it is outside; `what` is "argument `code`". */
/* What it complained of, NULL: nothing. */
struct diag *check_range(struct checker *c, const struct expr *e, int64_t min, int64_t max);

/* --- check_type.c --- */
#define TYPE(t) ((struct type){ .type = (t), .item = T_ANY })
bool type_fits(enum vtype want, enum vtype have);
/* Of both, for ?? and return; false when there is no such type. */
bool type_join(struct type a, struct type b, struct type *out);
bool type_by_name(struct str name, enum vtype *out);
struct str check_type_names(struct checker *c);		/* for the help line */
const char *check_type_text(struct checker *c, struct type t);	/* NUL-terminated */
struct type type_of_value(const struct value *v);
bool is_const(const struct expr *e);
bool is_const_text(const struct expr *e);

/* --- check_expr.c --- */
/* Resolve and type e in place. `wanted`: its value is used. After an error e is EX_BAD of T_ANY: whatever is done with it is right. */
void check_expr(struct checker *c, struct expr *e, bool wanted);
/* As a condition: a bool, or something nullable, which is wrapped in OP_IS_SET. */
void check_condition(struct checker *c, struct expr **e);
void check_bad(struct expr *e);
/* A $variable by itself, whether it is read or assigned. */
void check_var(struct checker *c, struct expr *e);
/* Is it of a type that `want` takes, and not null unless it may be? Reported as `what`. */
bool check_value_for(struct checker *c, struct expr *e, enum vtype want, bool may_be_null, enum diag_code code, const char *what);
bool check_constant(struct checker *c, struct constant *k);
/* A constant expression, folded; false when reported. */
bool check_const_expr(struct checker *c, struct expr *e);

/* The type of a computation with numbers or texts, T_NULL when there is none. */
enum vtype check_arithmetic_type(enum op op, enum vtype a, enum vtype b);

/* --- check_avp.c --- */
bool is_avp(const struct expr *e);
/* Before the routes are walked: which are assigned, and of what type. */
void check_avps(struct checker *c);
void check_avp_read(struct checker *c, struct expr *e);
/* Does that value fit? */
void check_avp_assigned(struct checker *c, const struct expr *target, struct expr *value);
/* When all routes have been walked: warnings. */
void check_avps_unread(struct checker *c);

/* --- check_call.c --- */
void check_call(struct checker *c, struct expr *e, bool wanted);
void check_route_call(struct checker *c, struct expr *e);

/* --- check_fold.c --- */
void fold_expr(struct checker *c, struct expr *e);	/* to EX_CONST when its operands are */

/* --- check_fact.c --- */
bool fact_known(const struct checker *c, const struct expr *e);
/* What is known when the condition came out so. */
void facts_when(struct checker *c, const struct expr *cond, bool outcome);
void fact_forget(struct checker *c, const struct expr *target);
/* It has just been given a value that is not null. */
void fact_set(struct checker *c, const struct expr *target);
void fact_forget_all(struct checker *c);
/* Back to an earlier state, without what was forgotten since. */
void facts_leave(struct checker *c, struct fact *before);

/* --- check_stmt.c --- */
void check_params(struct checker *c, struct route *r);	/* their types; of all routes before the first body */
void check_route_body(struct checker *c, struct route *r);

/* --- check_flow.c --- */
void check_flow(struct checker *c, struct route *r);
/* For a route with errors: whatever its callers make of it is right. */
void check_flow_unknown(struct route *r);
/* Can the line behind it be reached? */
bool stmt_completes(const struct stmt *s);

/* --- check_setting.c --- */
void check_modules(struct checker *c);
void check_settings(struct checker *c);

/* --- check_tests.c --- */
void check_tests(struct checker *c);
/* An error there unless the setting is made. */
void check_needs_database(struct checker *c, struct span where);
