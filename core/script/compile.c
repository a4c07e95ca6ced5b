/* Checked tree -> bytecode. One walk; jumps forward are chained through their operands until their target is known. */
#include "script/avp.h"

#include <stdio.h>

enum { CHAIN_END = -1, MOST_OPERAND = (1 << 23) - 1 };

/* The loop around a statement: jumps out of it that wait for their target, and where `continue` goes. */
struct loop_ctx {
	struct loop_ctx *outer;
	int32_t          breaks;
	uint32_t         top;
};
struct compiler {
	struct arena    *arena;
	struct code     *c;
	size_t           insn_cap, const_cap, call_cap, var_cap;
	struct loop_ctx *loop;
	bool             spawned;	/* within a spawn block */
	uint32_t         where;		/* the kinds that the present route runs in (enum where) */
	unsigned         depth, most;	/* operands above the frame, in the present route */
	struct span      at;
	bool             failed;
};

static void compile_expr(struct compiler *k, const struct expr *e);
static void compile_stmts(struct compiler *k, const struct stmt *s);

/* Room for one more element; the old copy stays in the arena (a program is small and compiled once). */
static bool grow(struct compiler *k, void **p, size_t count, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void  *fresh;

	if (count < *cap)
		return true;
	fresh = arena_alloc(k->arena, more * size);
	if (!fresh) {
		k->failed = true;
		return false;
	}
	if (count)
		memcpy(fresh, *p, count * size);
	*p = fresh;
	*cap = more;
	return true;
}

/* --- emitting --- */

static void depth_change(struct compiler *k, int by)
{
	k->depth += (unsigned)by;
	if (k->depth > k->most)
		k->most = k->depth;
}

/* What an instruction does to the height of the stack; calls are counted where they are made. */
static int height_of(enum opcode op, int32_t arg)
{
	switch (op) {
	case I_CONST:
	case I_PUSH_NULL:
	case I_LOCAL:
	case I_VAR:
		return 1;
	case I_POP:
	case I_STORE:
	case I_STORE_VAR:
	case I_RETURN:
	case I_JUMP_FALSE:
	case I_AND_JUMP:
	case I_OR_JUMP:
	case I_SET_JUMP:
	case I_BINARY:
	case I_GET_ITEM:
	case I_TABLE_ADD:
		return -1;
	case I_TABLE_STORE:
		return -2;
	case I_TEXT:
	case I_MAKE_LIST:
		return 1 - arg;
	case I_PARALLEL:
		return arg;
	default:
		return 0;
	}
}

static uint32_t emit(struct compiler *k, enum opcode op, int32_t arg)
{
	struct code *c = k->c;
	size_t       cap = k->insn_cap;

	if (arg < CHAIN_END || arg > MOST_OPERAND || c->count >= MOST_OPERAND) {
		k->failed = true;
		return 0;
	}
	if (!grow(k, (void **)&c->place, c->count, &cap, sizeof(*c->place)) ||
	    !grow(k, (void **)&c->insn, c->count, &k->insn_cap, sizeof(*c->insn)))
		return 0;
	c->place[c->count] = k->at;
	c->insn[c->count] = (int32_t)((uint32_t)arg << 8 | op);
	depth_change(k, height_of(op, arg));
	return (uint32_t)c->count++;
}

static uint32_t here(const struct compiler *k)
{
	return (uint32_t)k->c->count;
}

static void set_operand(struct compiler *k, uint32_t at, uint32_t arg)
{
	if (!k->failed)
		k->c->insn[at] = (int32_t)(arg << 8 | insn_op(k->c->insn[at]));
}

/* A forward jump, put on a chain; the chain's new head. */
static int32_t emit_chained(struct compiler *k, enum opcode op, int32_t chain)
{
	return (int32_t)emit(k, op, chain);
}

/* All jumps of the chain lead here. */
static void land(struct compiler *k, int32_t chain)
{
	while (chain != CHAIN_END && !k->failed) {
		int32_t next = insn_arg(k->c->insn[chain]);

		set_operand(k, (uint32_t)chain, here(k));
		chain = next;
	}
}

static int32_t add_const(struct compiler *k, struct value v)
{
	struct code *c = k->c;

	if (!grow(k, (void **)&c->consts, c->const_count, &k->const_cap, sizeof(*c->consts)))
		return 0;
	c->consts[c->const_count] = v;
	return (int32_t)c->const_count++;
}

static void emit_const(struct compiler *k, struct value v)
{
	if (v.type == T_NULL)
		emit(k, I_PUSH_NULL, 0);
	else
		emit(k, I_CONST, add_const(k, v));
}

static int32_t var_site(struct compiler *k, const struct expr *e)
{
	struct code *c = k->c;

	if (!grow(k, (void **)&c->vars, c->var_count, &k->var_cap, sizeof(*c->vars)))
		return 0;
	c->replies_avp |= e->u.var.var->get == get_avp && k->where & IN_REPLY;
	c->vars[c->var_count] = (struct var_site){ .var = e->u.var.var, .arg = e->u.var.arg };
	return (int32_t)c->var_count++;
}

/* --- expressions --- */

static void compile_call(struct compiler *k, const struct expr *e)
{
	const struct call_expr *call = &e->u.call;
	struct code            *c = k->c;

	for (size_t i = 0; i < call->argc; i++)
		compile_expr(k, call->argv[i]);
	k->at = e->span;
	if (!grow(k, (void **)&c->calls, c->call_count, &k->call_cap, sizeof(*c->calls)))
		return;
	c->stateless |= call->func->flags & F_STATELESS;
	c->calls[c->call_count++] = (struct call_site){ .func = call->func, .argc = (uint16_t)call->argc, .wanted = call->wanted };
	emit(k, I_CALL, (int32_t)c->call_count - 1);
	depth_change(k, 1 - (int)call->argc);
}

static void compile_route_call(struct compiler *k, const struct expr *e)
{
	for (size_t i = 0; i < e->u.route.argc; i++)
		compile_expr(k, e->u.route.argv[i]);
	k->at = e->span;
	emit(k, I_ROUTE, (int32_t)e->u.route.route->index);
	depth_change(k, 1 - (int)e->u.route.argc);
}

static void compile_items(struct compiler *k, const struct expr *e, enum opcode op)
{
	for (size_t i = 0; i < e->u.list.count; i++)
		compile_expr(k, e->u.list.item[i]);
	k->at = e->span;
	emit(k, op, (int32_t)e->u.list.count);
}

/* a && b, a || b, a ?? b: b only where a does not decide. */
static void compile_lazy(struct compiler *k, const struct expr *e, enum opcode op)
{
	int32_t chain;

	compile_expr(k, e->u.op.a);
	k->at = e->span;
	chain = emit_chained(k, op, CHAIN_END);
	compile_expr(k, e->u.op.b);
	land(k, chain);
}

static void compile_binary(struct compiler *k, const struct expr *e)
{
	if (e->op == OP_AND || e->op == OP_OR || e->op == OP_DEFAULT) {
		compile_lazy(k, e, e->op == OP_AND ? I_AND_JUMP : e->op == OP_OR ? I_OR_JUMP : I_SET_JUMP);
		return;
	}
	compile_expr(k, e->u.op.a);
	compile_expr(k, e->u.op.b);
	k->at = e->span;
	emit(k, I_BINARY, (int32_t)e->op);
}

static void compile_field(struct compiler *k, const struct expr *e)
{
	compile_expr(k, e->u.field.of);
	k->at = e->span;
	if (e->u.field.index >= 0) {
		emit(k, I_GET_FIELD, e->u.field.index);
		return;
	}
	emit(k, I_GET_NAMED, add_const(k, value_str(e->u.field.name)));
}

static void compile_table(struct compiler *k, const struct expr *e)
{
	compile_expr(k, e->u.table.key);
	if (e->u.table.add)
		compile_expr(k, e->u.table.add);
	k->at = e->span;
	emit(k, e->u.table.add ? I_TABLE_ADD : I_TABLE, (int32_t)e->u.table.table->index);
}

static void compile_expr(struct compiler *k, const struct expr *e)
{
	k->at = e->span;
	switch (e->kind) {
	case EX_CONST:
		emit_const(k, e->u.value);
		return;
	case EX_TEXT:
		compile_items(k, e, I_TEXT);
		return;
	case EX_LIST:
		compile_items(k, e, I_MAKE_LIST);
		return;
	case EX_VAR:
		emit(k, I_VAR, var_site(k, e));
		return;
	case EX_TABLE:
		compile_table(k, e);
		return;
	case EX_LOCAL:
		emit(k, I_LOCAL, (int32_t)e->u.local->slot);
		return;
	case EX_CALL:
		compile_call(k, e);
		return;
	case EX_ROUTE:
		compile_route_call(k, e);
		return;
	case EX_HANDLER:
		emit_const(k, value_str(e->u.handler.route->name));
		return;
	case EX_FIELD:
		compile_field(k, e);
		return;
	case EX_INDEX:
		compile_expr(k, e->u.index.of);
		compile_expr(k, e->u.index.at);
		k->at = e->span;
		emit(k, I_GET_ITEM, 0);
		return;
	case EX_UNARY:
		compile_expr(k, e->u.op.a);
		k->at = e->span;
		emit(k, I_UNARY, (int32_t)e->op);
		return;
	case EX_BINARY:
		compile_binary(k, e);
		return;
	default:
		k->failed = true;	/* these end with the check */
	}
}

/* --- statements --- */

static void compile_if(struct compiler *k, const struct stmt *s)
{
	int32_t no, end;

	compile_expr(k, s->value);
	no = emit_chained(k, I_JUMP_FALSE, CHAIN_END);
	compile_stmts(k, s->body);
	if (!s->other) {
		land(k, no);
		return;
	}
	end = emit_chained(k, I_JUMP, CHAIN_END);
	land(k, no);
	compile_stmts(k, s->other);
	land(k, end);
}

static void compile_loop_body(struct compiler *k, const struct stmt *s, struct loop_ctx *l)
{
	l->outer = k->loop;
	k->loop = l;
	compile_stmts(k, s->body);
	k->loop = l->outer;
	k->at = s->span;
	emit(k, I_JUMP, (int32_t)l->top);
	land(k, l->breaks);
}

static void compile_while(struct compiler *k, const struct stmt *s)
{
	struct loop_ctx l = { .breaks = CHAIN_END, .top = here(k) };

	compile_expr(k, s->value);
	l.breaks = emit_chained(k, I_JUMP_FALSE, l.breaks);
	compile_loop_body(k, s, &l);
}

static void compile_for(struct compiler *k, const struct stmt *s)
{
	struct loop_ctx l = { .breaks = CHAIN_END };

	compile_expr(k, s->value);
	emit(k, I_STORE, (int32_t)s->loop_slot);
	emit_const(k, value_int(0));
	emit(k, I_STORE, (int32_t)s->loop_slot + 1);
	l.top = here(k);
	emit(k, I_NEXT, (int32_t)s->loop_slot);
	l.breaks = emit_chained(k, I_JUMP, l.breaks);
	depth_change(k, 1);	/* the item that I_NEXT pushed */
	emit(k, I_STORE, (int32_t)s->local->slot);
	compile_loop_body(k, s, &l);
}

static void compile_value(struct compiler *k, const struct expr *e)
{
	if (e)
		compile_expr(k, e);
	else
		emit(k, I_PUSH_NULL, 0);
}

static void compile_assign(struct compiler *k, const struct stmt *s)
{
	compile_expr(k, s->value);
	if (s->target->kind == EX_TABLE)
		compile_expr(k, s->target->u.table.key);
	k->at = s->target->span;
	if (s->target->kind == EX_LOCAL)
		emit(k, I_STORE, (int32_t)s->target->u.local->slot);
	else if (s->target->kind == EX_VAR)
		emit(k, I_STORE_VAR, var_site(k, s->target));
	else
		emit(k, I_TABLE_STORE, (int32_t)s->target->u.table.table->index);
}

static void compile_spawn(struct compiler *k, const struct stmt *s)
{
	struct loop_ctx *loop = k->loop;
	bool             outer = k->spawned;
	int32_t          over = emit_chained(k, I_SPAWN, CHAIN_END);

	k->loop = NULL;
	k->spawned = true;
	compile_stmts(k, s->body);
	k->spawned = outer;
	k->loop = loop;
	emit(k, I_END, 0);
	land(k, over);
}

static void compile_parallel(struct compiler *k, const struct stmt *s)
{
	unsigned slots[MOST_SIDES], n = 0;
	uint32_t table;
	int32_t  end;

	for (const struct stmt *x = s->body->body; x; x = x->next)
		slots[n++] = x->kind == ST_LET ? x->local->slot : x->target->u.local->slot;
	table = emit(k, I_PARALLEL, (int32_t)n) + 1;
	for (unsigned i = 0; i < n; i++)
		emit(k, I_SIDE, 0);
	end = emit_chained(k, I_JUMP, CHAIN_END);
	for (const struct stmt *x = s->body->body; x; x = x->next) {
		set_operand(k, table++, here(k));
		compile_expr(k, x->value);
		emit(k, I_RETURN, 0);
	}
	land(k, end);
	while (n)
		emit(k, I_STORE, (int32_t)slots[--n]);
}

static void compile_stmt(struct compiler *k, const struct stmt *s)
{
	k->at = s->span;
	switch (s->kind) {
	case ST_BLOCK:
		compile_stmts(k, s->body);
		return;
	case ST_IF:
		compile_if(k, s);
		return;
	case ST_WHILE:
		compile_while(k, s);
		return;
	case ST_FOR:
		compile_for(k, s);
		return;
	case ST_LET:
		compile_value(k, s->value);
		emit(k, I_STORE, (int32_t)s->local->slot);
		return;
	case ST_ASSIGN:
		compile_assign(k, s);
		return;
	case ST_EXPR:
		compile_expr(k, s->value);
		emit(k, I_POP, 0);
		return;
	case ST_SPAWN:
		compile_spawn(k, s);
		return;
	case ST_PARALLEL:
		compile_parallel(k, s);
		return;
	case ST_RETURN:
		if (k->spawned) {
			emit(k, I_END, 0);
			return;
		}
		compile_value(k, s->value);
		emit(k, I_RETURN, 0);
		return;
	case ST_EXIT:
		emit(k, I_END, 0);
		return;
	case ST_DROP:
		emit(k, I_DROP, 0);
		return;
	case ST_BREAK:
		k->loop->breaks = emit_chained(k, I_JUMP, k->loop->breaks);
		return;
	case ST_CONTINUE:
		emit(k, I_JUMP, (int32_t)k->loop->top);
		return;
	}
}

static void compile_stmts(struct compiler *k, const struct stmt *s)
{
	for (; s; s = s->next)
		compile_stmt(k, s);
}

/* --- routes --- */

static void compile_route(struct compiler *k, const struct route *r)
{
	struct entry *e = &k->c->entry[r->index];

	k->depth = k->most = 0;
	k->loop = NULL;
	*e = (struct entry){ .at = here(k), .params = (unsigned)r->param_count, .frame = r->frame };
	if (r->body)
		compile_stmts(k, r->body);
	k->at = r->body ? r->body->end : r->span;
	emit(k, I_PUSH_NULL, 0);
	emit(k, I_RETURN, 0);
	e->most_values = e->frame + k->most;
}

/* What a route needs with all that it calls. Calls form no circle (E404). */
static void measure(struct code *c, size_t index, const uint32_t *end)
{
	struct entry *e = &c->entry[index];
	unsigned      values = 0, frames = 0;

	if (e->most_frames)
		return;
	for (uint32_t i = e->at; i < end[index]; i++) {
		const struct entry *callee;

		if (insn_op(c->insn[i]) != I_ROUTE)
			continue;
		measure(c, (size_t)insn_arg(c->insn[i]), end);
		callee = &c->entry[insn_arg(c->insn[i])];
		values = callee->most_values > values ? callee->most_values : values;
		frames = callee->most_frames > frames ? callee->most_frames : frames;
	}
	e->most_values += values;
	e->most_frames = frames + 1;
}

static bool measure_all(struct compiler *k, const struct program *p)
{
	uint32_t *end = arena_zalloc(k->arena, (p->route_count + 1) * sizeof(*end));

	if (!end)
		return false;
	for (const struct route *r = p->routes; r; r = r->next)
		end[r->index] = r->next ? k->c->entry[r->next->index].at : here(k);
	for (size_t i = 0; i < p->route_count; i++)
		measure(k->c, i, end);
	return true;
}

struct code *code_compile(struct program *p)
{
	struct compiler k = { .arena = &p->arena, .c = ARENA_NEW(&p->arena, struct code) };

	if (!k.c)
		return NULL;
	k.c->program = p;
	k.c->entry = arena_zalloc(&p->arena, (p->route_count + 1) * sizeof(*k.c->entry));
	k.c->tables = arena_zalloc(&p->arena, (p->table_count + 1) * sizeof(struct table *));
	if (!k.c->entry || !k.c->tables)
		return NULL;
	for (const struct table *t = p->tables; t; t = t->next)
		k.c->tables[t->index] = t;
	for (const struct route *r = p->routes; r; r = r->next) {
		k.c->replies |= r->kind == ROUTE_REPLY;
		k.where = r->where;
		compile_route(&k, r);
	}
	return !k.failed && measure_all(&k, p) ? k.c : NULL;
}

struct str code_place(const struct code *c, uint32_t at, char *room, size_t cap)
{
	struct span where = at < c->count ? c->place[at] : (struct span){ 0 };

	if (!where.src)
		return STR("?");
	snprintf(room, cap, STR_FMT ":%u", STR_ARG(where.src->name), span_line(where));
	return str_of(room);
}
