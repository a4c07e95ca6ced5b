#pragma once
/* The tree of one configuration. parse_*.c builds it, check_*.c resolves every name and type in place, the compiler only reads it.
 * Program lifetime: all of it lies in program.arena and is freed whole (a reload builds another one beside).
 *
 * Fields under "checked" are set by check_program() and hold only when it answered true. */
#include "module/module.h"
#include "script/diag.h"
#include "script/source.h"

struct expr;
struct stmt;
struct route;
struct use;

/* --- types --- */
/* What an expression can give. T_ANY: known at run time only (a parameter without a type, an element of a list, $avp): the machine checks. */
struct type {
	enum vtype          type;
	bool                nullable;	/* T_NULL itself: the literal null, or no value at all */
	enum vtype          item;	/* of a T_LIST: its elements; T_ANY: mixed or not known */
	const struct shape *shape;	/* of a T_RECORD */
};

/* A `let` variable, a route's parameter or the variable of a `for`: one slot of the route's frame. */
struct local {
	struct local *next;		/* of the same route, in order of declaration */
	struct str    name;
	struct span   span;		/* of the name */
	unsigned      slot;		/* checked */
	struct type   type;		/* checked */
	bool          typed;		/* type is known: given, or from the first assignment */
	bool          is_param, used;
	struct str    type_name;	/* parameters: `name: type`; empty: T_ANY */
	struct span   type_span;
};

/* --- expressions --- */
enum expr_kind {
	EX_CONST,	/* u.value: literals, `const`, env(), null, true, false, and whatever the checker could compute */
	EX_TEXT,	/* u.list: an interpolated string; the parts' texts one after the other (value_text), null as "" */
	EX_LIST,	/* u.list: [a, b] with an element that is not constant (constant lists are EX_CONST) */
	EX_VAR,		/* u.var: $ru, $hdr(Name), $avp(name) */
	EX_TABLE,	/* u.table: $sht(table => key); null where there is none */
	EX_LOCAL,	/* u.local */
	EX_CALL,	/* u.call: a function of the core or of a module */
	EX_ROUTE,	/* u.route: route(NAME, x, y) */
	EX_HANDLER,	/* u.handler: a route's name as an argument (relay(on_branch = NAME)); its value is the name */
	EX_FIELD,	/* u.field: a.name */
	EX_INDEX,	/* u.index: a[i] of a list, from 0, negative from the end; null outside */
	EX_UNARY,	/* u.op.a */
	EX_BINARY,	/* u.op.a, u.op.b; OP_AND, OP_OR and OP_DEFAULT evaluate b only when needed */
	EX_NAME,	/* u.name: a bare word; only before the check */
	EX_ENV,		/* u.env: env("NAME", "default"); only before the check */
	EX_BAD,		/* a syntax error was reported here; only before the check */
};
enum op {
	OP_NONE,
	OP_NOT, OP_NEG,
	OP_IS_SET,			/* unary, put in by the checker: a nullable value used as a condition: true when not null */
	OP_DEFAULT,			/* ?? */
	OP_OR, OP_AND,
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
	OP_MATCH, OP_NO_MATCH,		/* =~ !~: b is a T_REGEX */
	OP_IN,				/* element of a list; address (or list of them) within a cidr; text within text */
	OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD,	/* + also joins two texts */
};

/* An argument as written. */
struct arg {
	struct arg  *next;
	struct str   name;		/* name = value; empty: by position */
	struct span  name_span;
	struct expr *value;
};
struct call_expr {
	struct str             name;
	struct span            name_span;
	struct arg            *args;
	const struct mod_func *func;	/* checked */
	size_t                 argc;	/* checked: as many as declared, and two for each further name = value (F_KEYS) */
	struct expr          **argv;	/* checked: in declared order, never NULL: what was not given is an EX_CONST of the preset, or of null */
	bool                   method;	/* value.name(…): the value is the first of args */
	bool                   wanted;	/* checked: the result is used (struct call.wanted) */
	bool                   ends;	/* checked: the run always ends here: F_ENDS, F_ENDS_FINAL with a final code, or an unused F_WAITS_IF_USED
					 * (relay();, which then must not wait). What stands behind it need not be compiled. */
};
struct expr {
	enum expr_kind kind;
	enum op        op;
	struct span    span;
	struct type    type;	/* checked */
	unsigned       parens;	/* how many pairs stood around it: `if ((a = b))` */
	union {
		struct value value;
		struct { struct expr **item; size_t count; } list;
		struct {
			struct str            name, arg;	/* without the $; arg empty: none */
			struct span           name_span, arg_span;
			bool                  has_arg;
			const struct mod_var *var;		/* checked */
		} var;
		struct {
			struct str    name;
			struct span   name_span;
			struct expr  *key;
			struct expr  *add;			/* $sht(t => k).add(n): by how much; NULL: it is read */
			struct table *table;			/* checked */
		} table;
		struct local    *local;
		struct call_expr call;
		struct {
			struct str    name;
			struct span   name_span;
			struct arg   *args;
			struct route *route;			/* checked */
			size_t        argc;			/* checked: == route->param_count */
			struct expr **argv;			/* checked; never NULL */
		} route;
		struct { struct str name; struct route *route; } handler;
		struct {
			struct expr *of;
			struct str   name;
			struct span  name_span;
			int          index;			/* checked: within the shape; -1: look the name up at run time (T_ANY) */
		} field;
		struct { struct expr *of, *at; } index;
		struct { struct expr *a, *b; } op;
		struct str name;
		struct { struct expr *name, *preset; } env;
	} u;
};

/* --- statements --- */
enum stmt_kind {
	ST_BLOCK,	/* body */
	ST_IF,		/* value, body, other (NULL: none) */
	ST_WHILE,	/* value, body. The machine bounds it as well */
	ST_FOR,		/* for (local in value) body; loop_slot and loop_slot + 1 of the frame are the machine's (list, position) */
	ST_LET,		/* local, value (NULL: `let x;`, the slot is null) */
	ST_ASSIGN,	/* target (EX_LOCAL, EX_VAR or EX_TABLE) = value. A table entry set to null is removed */
	ST_EXPR,	/* value: a call whose result is dropped */
	ST_RETURN,	/* value (NULL: none): to the caller; of a top-level route: ends the run */
	ST_EXIT,	/* ends the run; what is held is sent on */
	ST_DROP,	/* ends the run without an answer; in a reply route: the reply is not sent on */
	ST_BREAK, ST_CONTINUE,
	ST_SPAWN,	/* body: a run of its own, with copies of the message and the variables */
	ST_PARALLEL,	/* body: ST_LETs with a value and ST_ASSIGNs to locals, their values found at the same time */
};
enum { MOST_SIDES = 16 };	/* of one ST_PARALLEL */
struct stmt {
	struct stmt   *next;		/* in the same block */
	enum stmt_kind kind;
	struct span    span;		/* the keyword or the whole of a short statement */
	struct span    end;		/* ST_BLOCK: its closing brace */
	struct expr   *value, *target;
	struct stmt   *body, *other;	/* ST_BLOCK: body is the first statement */
	struct local  *local;
	unsigned       loop_slot;	/* checked */
	bool           part;		/* ST_ASSIGN of a uri's part: the value is a call of part(target, name, value) */
};

/* --- declarations --- */
enum route_kind {
	ROUTE_REQUEST,	/* request_route */
	ROUTE_DIALOG,	/* dialog_route */
	ROUTE_REPLY,	/* reply_route, reply_route[NAME] (relay(on_reply = NAME)) */
	ROUTE_BRANCH,	/* branch_route[NAME] (relay(on_branch = NAME)) */
	ROUTE_EVENT,	/* event_route[module:event] */
	ROUTE_TIMER,	/* timer_route[NAME](every = 60s) */
	ROUTE_SUB,	/* route[NAME](a, b): called by the others */
};
/* Beside the kinds of routes (enum where): blocks that run on their own. */
enum { IN_SPAWN = 1 << 6, IN_PARALLEL = 1 << 7, IN_ALL = IN_ANY | IN_SPAWN | IN_PARALLEL };
struct route {
	struct route   *next;
	enum route_kind kind;
	struct str      name;		/* "TO_USER", "module:event"; empty: request_route, dialog_route, the general reply_route */
	struct span     span, name_span;
	struct local   *params;		/* the first param_count of the locals, slots 0 .. param_count-1 */
	size_t          param_count;
	struct expr    *every;		/* ROUTE_TIMER */
	struct stmt    *body;		/* ST_BLOCK */
	/* checked: */
	unsigned        index;		/* 0 .. program.route_count-1, in order of the file */
	uint32_t        every_ms;
	unsigned        frame;		/* slots: parameters, `let`s and loops */
	struct type     result;		/* of ROUTE_SUB; T_NULL: returns nothing */
	uint32_t        where;		/* enum where: the kinds it runs in (a ROUTE_SUB: those that call it) */
	/* the checker's own: */
	struct local   *locals;
	struct route_call {	/* each route(NAME) in its body */
		struct route_call *next;
		struct str         name;
		struct span        span;
		struct route      *to;
		uint32_t           aside;	/* IN_SPAWN, IN_PARALLEL: from within such a block */
	}              *calls;
	struct use     *uses;		/* what is not for every kind of route */
	int             state;		/* 0 not yet, 1 being visited, 2 done */
	bool            called, broken;	/* broken: with errors of syntax */
	bool            ends_some;	/* some path through it ends the run */
	bool            returns;	/* its end, or a `return`, can be reached */
	bool            bare_return, typed_return;
	unsigned        says;		/* what may have been said when it returns: enum said, check_flow.c */
	struct span     silent_exit;	/* an exit without anything said since its beginning; .src NULL: none */
};

/* table NAME { key: ip; value: int; ttl: 5m; max: 100000; load: "ipban"; } */
struct table {
	struct table *next;
	struct str    name;
	struct span   span;		/* of the name */
	struct table_field {
		struct table_field *next;
		struct str          name;
		struct span         span;
		struct expr        *value;	/* a type's name is an EX_NAME */
	}            *fields;
	/* checked: */
	unsigned      index;
	enum vtype    key, value;	/* value T_ANY when it was not said */
	int64_t       ttl_ms;		/* 0: for ever */
	int64_t       max;		/* entries */
	struct str    load;		/* table or view of the database that fills it; empty: none */
	struct str    key_column, value_column;
};

/* `name value;` or `name = value;` at top level, and `name = value;` in a module block. */
struct setting {
	struct setting         *next;
	struct str              name;
	struct span             name_span, span;	/* span: of the value */
	struct expr            *value;		/* as parsed: EX_CONST, EX_NAME (bare word), EX_ENV, EX_LIST of them */
	/* checked: */
	const struct mod_param *param;
	struct str              text;		/* as module_param_set() wants it: constants and env() put in, strings quoted */
	struct str              plain;		/* a string without its quotes and escapes, a bare word as it is; empty for lists */
};
struct module_block {
	struct module_block *next;
	struct str           name;
	struct span          name_span;
	struct setting      *settings;
	const struct module *module;	/* checked */
};
struct constant {
	struct constant *next;
	struct str       name;
	struct span      span;
	struct expr     *value;		/* checked: an EX_CONST */
	int              state;
};

/* test "name" { given …; send …; expect …; wait 5s; } What there is to write: test_form.h. */
struct test_attr {			/* from "sip:a@b", header "Subject" =~ /x/, no header "Route", at bob */
	struct test_attr *next;
	struct str        name;		/* `with` before it is optional and not kept */
	struct span       span;
	bool              no;
	enum op           op;		/* == != =~ !~ as written, OP_NONE: none */
	struct expr      *of;		/* what stands before the operator: header "Subject" == …; NULL: nothing */
	struct expr      *value;	/* A party, a method or another word is an EX_NAME; checked: else an EX_CONST */
};
enum step_kind {
	STEP_SEND_REQUEST,	/* name: its method */
	STEP_SEND_REPLY,	/* code */
	STEP_EXPECT_REQUEST,	/* name: its method; empty: any */
	STEP_EXPECT_REPLY,	/* code, or code_class: `4xx`: 4 */
	STEP_EXPECT_NOTHING,
	STEP_EXPECT_LOG,	/* op, value */
	STEP_EXPECT_COUNTER,	/* of, op, value */
	STEP_EXPECT_TABLE,	/* of (an EX_TABLE), op, value */
	STEP_WAIT,		/* value */
	STEP_FAIL, STEP_RESTORE,	/* name: of a party, or `database` */
	GIVEN_PARTY,		/* name */
	GIVEN_USER, GIVEN_DOMAIN, GIVEN_BINDING, GIVEN_HOST, GIVEN_TIME, GIVEN_SQL,	/* value */
	GIVEN_TABLE,		/* of (an EX_TABLE), value */
	STEP_COUNT
};
struct test_step {
	struct test_step *next;
	enum step_kind    kind;
	bool              no, directly;	/* expect no …, expect next … */
	struct span       span, name_span;
	struct str        name;
	unsigned          code, code_class;
	enum op           op;		/* OP_NONE: none was written */
	struct expr      *of, *value;	/* checked: EX_CONST, but for an EX_TABLE */
	struct test_attr *attrs;
};
struct test {
	struct test      *next;
	struct str        name;
	struct span       span;
	struct test_step *steps;
};

/* count("name"): made when the server starts. */
struct counter_use {
	struct counter_use *next;
	struct str          name;
};

struct regex;
struct sht_kept;
struct program {
	struct arena         arena;
	struct sources       sources;
	struct diags         diags;
	struct setting      *settings;
	struct module_block *modules;
	struct constant     *constants;
	struct table        *tables;
	struct route        *routes;
	struct test         *tests;
	struct test_step    *givens;	/* outside of tests: for all of them */
	struct regex        *regexes;	/* freed with the program */
	struct counter_use  *counters;	/* checked; a name may come more than once */
	struct sht_kept     *kept;	/* the tables, by index; sht_bind() */
	size_t               route_count, table_count, test_count;
	/* checked: the ones that messages come in by; NULL where there is none */
	struct route        *request, *dialog, *reply;
};
