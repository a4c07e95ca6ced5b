#pragma once
/* Bytecode: what the compiler hands the machine. Program lifetime, in the arena of the program; read-only once made.
 *
 * One instruction is 32 bits: the operation in the low 8, a signed operand above. A run's values are one stack: the slots of the
 * running route's frame, above them what is being computed, above that the frame of the route it calls. Routes cannot call themselves (the
 * checker sees to it), so the most a run needs is known here and allocated once. */
#include "script/ast.h"

enum opcode {
	I_CONST,	/* push constant #n */
	I_PUSH_NULL,
	I_POP,
	I_LOCAL,	/* push slot n */
	I_STORE,	/* pop into slot n */
	I_VAR,		/* push variable site #n */
	I_STORE_VAR,	/* pop into variable site #n */
	I_CALL,	/* call site #n; its arguments are popped, its result is pushed */
	I_ROUTE,	/* call route #n; its arguments become its first slots, its result is pushed */
	I_RETURN,	/* top value is the route's result */
	I_END,		/* the run ends */
	I_DROP,	/* the run ends without an answer */
	I_JUMP,	/* to instruction n */
	I_JUMP_FALSE,	/* pop a bool */
	I_AND_JUMP,	/* && : false stays and jumps, true is popped */
	I_OR_JUMP,	/* || : true stays and jumps, false is popped */
	I_SET_JUMP,	/* ?? : not null stays and jumps, null is popped */
	I_UNARY,	/* operator n on the top */
	I_BINARY,	/* operator n on the top two */
	I_TEXT,	/* join the top n as text */
	I_MAKE_LIST,	/* of the top n */
	I_GET_FIELD,	/* field n of the record on top */
	I_GET_NAMED,	/* field whose name is constant #n */
	I_GET_ITEM,	/* a[i] */
	I_TABLE,	/* the key on top becomes its value in table #n */
	I_TABLE_STORE,	/* pop key and value into table #n */
	I_TABLE_ADD,	/* pop a number, the key below it becomes the sum in table #n */
	I_NEXT,	/* list in slot n, position in slot n + 1: push the next item and skip one instruction, or go on */
	I_SPAWN,	/* a run of its own goes on behind this, this one at instruction n */
	I_PARALLEL,	/* n sides at the same time, whose first instructions are the operands of the n I_SIDEs behind this; pushes their n results */
	I_SIDE,
	I_LAST
};
struct call_site {
	const struct mod_func *func;
	uint16_t               argc;
	bool                   wanted;
};
struct var_site {
	const struct mod_var *var;
	struct str            arg;
};
struct entry {
	uint32_t at;		/* first instruction */
	unsigned params, frame;	/* slots */
	unsigned most_values;	/* with all that it calls */
	unsigned most_frames;
};
struct code {
	int32_t                *insn;
	struct span            *place;	/* of each instruction, for log lines */
	size_t                  count;
	struct value           *consts;
	struct call_site       *calls;
	struct var_site        *vars;
	size_t                  const_count, call_count, var_count;
	struct entry           *entry;	/* by route.index */
	const struct table    **tables;	/* by table.index */
	const struct program   *program;
	bool                    replies;	/* it has a reply_route */
	bool                    replies_avp;	/* which sees $avp */
	bool                    stateless;	/* it forwards statelessly somewhere */
};

static inline enum opcode insn_op(int32_t i) { return (enum opcode)(i & 255); }
static inline int32_t insn_arg(int32_t i) { return i >> 8; }

/* From a checked program. NULL: no memory, or more than 2**23 instructions. */
MUST_CHECK struct code *code_compile(struct program *p);
/* "etc/sipario.cfg:12" of an instruction. */
struct str code_place(const struct code *c, uint32_t at, char *room, size_t cap);
