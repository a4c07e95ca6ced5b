/* The machine: bytecode, one run at a time, until it ends or must wait. */
#include "script/run.h"
#include "script/run_trail.h"
#include "script/sht.h"

#include <stdio.h>

static struct {
	void (*seen)(const struct code *c, uint32_t at);	/* tests: what is carried out */
} watch;

void machine_watch(void (*seen)(const struct code *c, uint32_t at))
{
	watch.seen = seen;
}

struct str run_place(const struct run *run, char *room)
{
	return code_place(run->code, run->at ? run->at - 1 : 0, room, PLACE_TEXT);
}

/* What the checker could not see. The author reads the place and the reason in the log, the caller gets 500. */
static enum verdict fault(const struct run *run, const char *reason)
{
	char room[PLACE_TEXT];

	log_error(&run->req->c, "script stopped at=" STR_FMT " reason=\"%s\"", STR_ARG(run_place(run, room)), reason);
	note_fault(run, reason);
	return V_ERROR;
}

static enum verdict fault_type(const struct run *run, const char *what, const char *name, const char *want, const struct value *got)
{
	char text[200];

	snprintf(text, sizeof(text), "%s %s: expected %s, got %s", what, name, want, vtype_name(got->type));
	return fault(run, text);
}

static enum verdict fault_call(const struct run *run, const struct mod_func *f)
{
	char text[120];

	snprintf(text, sizeof(text), f->flags & F_METHOD ? ".%s() failed" : "%s() failed", f->name);
	return fault(run, text);
}

static struct value *top(struct run *run)
{
	return &run->stack[run->height - 1];
}

static void push(struct run *run, struct value v)
{
	run->stack[run->height++] = v;
}

static struct value pop(struct run *run)
{
	return run->stack[--run->height];
}

static struct value *slot(struct run *run, int32_t n)
{
	return &run->stack[run->frames[run->depth - 1].base + (unsigned)n];
}

/* What a value has for who walks through it. What is made of it need not be looked at: that takes memory of the run, which is bounded. */
static inline size_t bytes_of(const struct value *v)
{
	if (v->type == T_STR || v->type == T_URI)
		return v->u.s.len;
	return v->type == T_LIST ? v->u.list->count * sizeof(*v) : 0;
}

/* --- calls --- */

static struct call call_of(struct run *run)
{
	return (struct call){ .req = run->req, .c = &run->req->c, .run = run, .result = V_NULL };
}

static enum verdict check_arg(const struct run *run, const struct mod_func *f, const struct mod_arg *a, const struct value *v)
{
	char text[160];

	if (v->type == T_NULL ? a->optional || a->type == T_ANY : vtype_fits(a->type, v->type)) {
		bool bounded = (a->min || a->max) && (v->type == T_INT || v->type == T_DURATION || v->type == T_SIZE);

		if (!bounded || (v->u.i >= a->min && v->u.i <= a->max))
			return V_OK;
		snprintf(text, sizeof(text), "%s(): %s is out of its bounds", f->name, a->name);
		return fault(run, text);
	}
	snprintf(text, sizeof(text), "%s()", f->name);
	return fault_type(run, text, a->name, vtype_name(a->type), v);
}

/* V_OK: the result has been pushed. */
static enum verdict settle(struct run *run, enum verdict v, struct value result)
{
	if (v == V_OK)
		push(run, result);
	return v;
}

/* Back to the call; its arguments still lie above the stack's height. */
void machine_again(struct run *run)
{
	run->at--;
	run->height += run->code->calls[insn_arg(run->code->insn[run->at])].argc;
}

static enum verdict call_function(struct run *run, const struct call_site *s)
{
	struct call  c = call_of(run);
	enum verdict v;

	c.argc = s->argc;
	c.argv = &run->stack[run->height - s->argc];
	c.wanted = s->wanted;
	for (size_t i = 0; s->func->args && s->func->args[i].name; i++)	/* what F_KEYS adds may be anything */
		if (check_arg(run, s->func, &s->func->args[i], &c.argv[i]))
			return V_ERROR;
	for (size_t i = 0; i < c.argc; i++)
		run_charge(run, bytes_of(&c.argv[i]));
	v = s->func->fn(&c);
	run->height -= s->argc;
	if (v == V_SUSPEND && !run->wait)
		return fault(run, "a function waits for nothing");
	if (v != V_SUSPEND)
		wait_take_back(run);
	else if (!wait_is_over(run, &v, &c.result)) {
		note_waits(run, s);
		return V_SUSPEND;
	}
	if (v == V_AGAIN) {
		machine_again(run);
		return V_OK;
	}
	note_called(run, s, v, &c.result);
	if (v == V_ERROR)	/* it has said what, the place is known here */
		return fault_call(run, s->func);
	return settle(run, v, c.result);
}

static void enter_route(struct run *run, unsigned route)
{
	const struct entry *e = &run->code->entry[route];
	unsigned            base = run->height - e->params;

	while (run->height < base + e->frame)
		push(run, V_NULL);
	run->frames[run->depth++] = (struct frame){ .back = run->at, .base = base, .route = route };
	run->at = e->at;
}

/* False: that was the outermost route. */
static bool leave_route(struct run *run)
{
	struct value result = pop(run);
	struct frame f = run->frames[--run->depth];

	run->height = f.base;
	if (!run->depth) {
		run->result = result;
		run->returned = true;
		return false;
	}
	run->at = f.back;
	push(run, result);
	return true;
}

/* --- variables --- */

static enum verdict read_var(struct run *run, const struct var_site *s)
{
	struct call  c = call_of(run);
	struct value v = V_NULL;

	if (s->var->get(&c, s->arg, &v) != V_OK)
		return fault(run, "a variable cannot be read");
	push(run, v);
	return V_OK;
}

static enum verdict write_var(struct run *run, const struct var_site *s)
{
	struct call  c = call_of(run);
	struct value v = pop(run);

	if (v.type == T_NULL ? !s->var->nullable : !vtype_fits(s->var->type, v.type))
		return fault_type(run, "variable", s->var->name, vtype_name(s->var->type), &v);
	if (s->var->set(&c, s->arg, &v) == V_OK)
		return V_OK;
	return fault(run, "the variable cannot take this value");
}

/* --- tables --- */

/* The table, and the key of it that the value spells. NULL: logged by fault(). */
static struct sht_kept *table_of(struct run *run, int32_t n, const struct value *key, struct str *text)
{
	const struct table *t = run->code->tables[n];
	struct sht_kept    *kept = sht_of(run->script->program, t->index);

	if (key->type != T_NULL && !vtype_fits(t->key, key->type)) {
		(void)fault_type(run, "table", "key", vtype_name(t->key), key);
		return NULL;
	}
	*text = sht_key(&run->req->arena, key);
	if (text->p)
		return kept;
	(void)fault(run, "the key of a table is null, a list or too long");
	return NULL;
}

static enum verdict table_read(struct run *run, int32_t n)
{
	struct value      *v = top(run);
	struct str         key;
	struct sht_kept *t = table_of(run, n, v, &key);

	if (!t)
		return V_ERROR;
	return sht_get(t, &run->req->arena, key, v) ? fault(run, "no memory") : V_OK;
}

/* A full table is logged where that is found out; the run goes on without the entry. */
static enum verdict table_store(struct run *run, int32_t n)
{
	struct value        key = pop(run), v = pop(run);
	const struct table *decl = run->code->tables[n];
	struct str          text;
	struct sht_kept  *t = table_of(run, n, &key, &text);
	enum err            err;

	if (!t)
		return V_ERROR;
	if (v.type != T_NULL && !vtype_fits(decl->value, v.type))
		return fault_type(run, "table", "value", vtype_name(decl->value), &v);
	err = sht_set(t, text, &v);
	if (err == ERR_UNSUPPORTED)
		return fault(run, "a table keeps no lists, no records and no texts of over 4096 bytes");
	return err == ERR_NOMEM ? fault(run, "no shared memory for the table") : V_OK;
}

static enum verdict table_count(struct run *run, int32_t n)
{
	struct value       by = pop(run), *v = top(run);
	int64_t            sum = 0;
	struct str         key;
	struct sht_kept *t = table_of(run, n, v, &key);
	enum err           err;

	if (!t)
		return V_ERROR;
	if (by.type != T_INT)
		return fault_type(run, "table", "add", "int", &by);
	err = sht_add(t, key, by.u.i, &sum);
	if (err == ERR_UNSUPPORTED)
		return fault(run, "the value in the table is no int, or the sum does not fit");
	if (err == ERR_NOMEM)
		return fault(run, "no shared memory for the table");
	*v = value_int(sum);
	return V_OK;
}

/* --- values --- */

static enum verdict unary(struct run *run, enum op op)
{
	const char *why = operate_unary(op, top(run));

	return why ? fault(run, why) : V_OK;
}

static enum verdict binary(struct run *run, enum op op)
{
	struct value y = pop(run), x = *top(run);
	const char  *why;

	run_charge(run, bytes_of(&x) + bytes_of(&y));
	why = operate_binary(&run->req->arena, op, &x, &y, top(run));
	return why ? fault(run, why) : V_OK;
}

/* Interpolation: a null leaves nothing. */
static enum verdict join_texts(struct run *run, unsigned n)
{
	struct value *v = &run->stack[run->height - n];
	struct arena *a = &run->req->arena;
	size_t        len = 0;
	struct buf    out;

	for (unsigned i = 0; i < n; i++) {
		struct str s = v[i].type == T_NULL ? STR("") : value_text(a, &v[i]);

		if (!s.p)
			return fault(run, "no memory");
		v[i] = value_str(s);
		len += s.len;
	}
	out = buf_on(arena_alloc(a, len ? len : 1), len);
	if (!out.p)
		return fault(run, "no memory");
	for (unsigned i = 0; i < n; i++)
		buf_add(&out, v[i].u.s);
	run->height -= n;
	push(run, value_str(buf_str(&out)));
	return V_OK;
}

static enum verdict make_list(struct run *run, unsigned n)
{
	struct list_value *l = ARENA_NEW(&run->req->arena, struct list_value);
	struct value      *v = arena_alloc(&run->req->arena, (n ? n : 1) * sizeof(*v));

	if (!l || !v)
		return fault(run, "no memory");
	run->height -= n;
	memcpy(v, &run->stack[run->height], n * sizeof(*v));
	*l = (struct list_value){ .count = n, .v = v };
	push(run, (struct value){ .type = T_LIST, .u.list = l });
	return V_OK;
}

static enum verdict get_field(struct run *run, int32_t n)
{
	struct value *v = top(run);

	if (v->type == T_URI || v->type == T_STR) {
		run_charge(run, bytes_of(v));
		*v = uri_field(v->u.s, (unsigned)n);
		return V_OK;
	}
	if (v->type != T_RECORD)
		return fault_type(run, "field", "access", "record", v);
	*v = v->u.rec->v[n];
	return V_OK;
}

static enum verdict get_named(struct run *run, struct str name)
{
	struct value       *v = top(run);
	const struct shape *shape;
	const struct field *f;
	unsigned            n = 0;

	if (v->type != T_RECORD && v->type != T_URI)
		return fault_type(run, "field", "access", "record", v);
	shape = v->type == T_URI ? &uri_shape : v->u.rec->shape;
	for (f = shape->fields; f->name && !str_is(name, f->name); f++)
		n++;
	run_charge(run, n * sizeof(*f));	/* JSON may have thousands */
	if (!f->name && !shape->open)
		return fault(run, "the record has no such field");
	if (!f->name)
		*v = V_NULL;
	else
		*v = v->type == T_URI ? uri_field(v->u.s, n) : v->u.rec->v[n];
	return V_OK;
}

/* a[i], negative from the end; null outside. j["name"] of a record. */
static enum verdict get_item(struct run *run)
{
	struct value  at = pop(run);
	struct value *v = top(run);
	int64_t       i;

	if (v->type == T_RECORD && at.type == T_STR)
		return get_named(run, at.u.s);
	if (v->type != T_LIST)
		return fault_type(run, "index", "access", "list", v);
	if (at.type != T_INT)
		return fault_type(run, "list", "index", "int", &at);
	i = at.u.i;
	if (i < 0)
		i += (int64_t)v->u.list->count;
	*v = i >= 0 && (uint64_t)i < v->u.list->count ? v->u.list->v[i] : V_NULL;
	return V_OK;
}

static enum verdict next_item(struct run *run, int32_t n)
{
	const struct value *list = slot(run, n);
	struct value       *at = slot(run, n + 1);

	if (list->type == T_NULL)
		return V_OK;	/* nothing to go through */
	if (list->type != T_LIST)
		return fault_type(run, "for", "loop", "list", list);
	if ((uint64_t)at->u.i >= list->u.list->count)
		return V_OK;
	push(run, list->u.list->v[at->u.i++]);
	run->at++;
	return V_OK;
}

/* --- jumps --- */

static enum verdict jump_false(struct run *run, int32_t to)
{
	struct value v = pop(run);

	if (v.type != T_BOOL)
		return fault_type(run, "this", "condition", "bool", &v);
	if (!v.u.b)
		run->at = (uint32_t)to;
	return V_OK;
}

/* && and ||: the left side decides when it is `when`. */
static enum verdict jump_decided(struct run *run, int32_t to, bool when)
{
	if (top(run)->type != T_BOOL)
		return fault_type(run, "this", "condition", "bool", top(run));
	if (top(run)->u.b == when)
		run->at = (uint32_t)to;
	else
		run->height--;
	return V_OK;
}

static void jump_set(struct run *run, int32_t to)
{
	if (top(run)->type != T_NULL)
		run->at = (uint32_t)to;
	else
		run->height--;
}

/* One instruction. V_OK: on with the next. */
static enum verdict step(struct run *run, int32_t insn)
{
	const struct code *c = run->code;
	int32_t            n = insn_arg(insn);

	switch (insn_op(insn)) {
	case I_CONST:
		push(run, c->consts[n]);
		return V_OK;
	case I_PUSH_NULL:
		push(run, V_NULL);
		return V_OK;
	case I_POP:
		run->height--;
		return V_OK;
	case I_LOCAL:
		push(run, *slot(run, n));
		return V_OK;
	case I_STORE:
		*slot(run, n) = pop(run);
		return V_OK;
	case I_VAR:
		return read_var(run, &c->vars[n]);
	case I_STORE_VAR:
		return write_var(run, &c->vars[n]);
	case I_CALL:
		return call_function(run, &c->calls[n]);
	case I_ROUTE:
		enter_route(run, (unsigned)n);
		return V_OK;
	case I_RETURN:
		return leave_route(run) ? V_OK : V_END;
	case I_DROP:
		run->dropped = true;
		return V_END;
	case I_JUMP:
		run->at = (uint32_t)n;
		return V_OK;
	case I_JUMP_FALSE:
		return jump_false(run, n);
	case I_AND_JUMP:
		return jump_decided(run, n, false);
	case I_OR_JUMP:
		return jump_decided(run, n, true);
	case I_SET_JUMP:
		jump_set(run, n);
		return V_OK;
	case I_UNARY:
		return unary(run, (enum op)n);
	case I_BINARY:
		return binary(run, (enum op)n);
	case I_TEXT:
		return join_texts(run, (unsigned)n);
	case I_MAKE_LIST:
		return make_list(run, (unsigned)n);
	case I_GET_FIELD:
		return get_field(run, n);
	case I_GET_NAMED:
		return get_named(run, c->consts[n].u.s);
	case I_GET_ITEM:
		return get_item(run);
	case I_TABLE:
		return table_read(run, n);
	case I_TABLE_STORE:
		return table_store(run, n);
	case I_TABLE_ADD:
		return table_count(run, n);
	case I_NEXT:
		return next_item(run, n);
	case I_SPAWN:
		run_spawn(run, (uint32_t)n);
		return V_OK;
	case I_PARALLEL:
		return run_parallel(run, (unsigned)n);
	default:
		return V_END;
	}
}

/* One more instruction within the run's budget. */
static enum verdict step_next(struct run *run)
{
	if (++run->steps > settings.max_steps)
		return fault(run, "too many steps (setting max_steps)");
	return step(run, run->code->insn[run->at++]);
}

/* For who looks on: a trace of this call, a test. */
static enum verdict run_watched(struct run *run, bool traced)
{
	enum verdict v = V_OK;

	while (v == V_OK) {
		if (traced)
			note_step(run, run->code->insn[run->at]);
		if (watch.seen)
			watch.seen(run->code, run->at);
		v = step_next(run);
	}
	return v;
}

enum verdict machine_run(struct run *run)
{
	enum verdict v = V_OK;
	bool         traced = trail_traced(&run->req->c);

	run->inside = true;
	if (traced || watch.seen)
		v = run_watched(run, traced);
	while (v == V_OK)
		v = step_next(run);
	run->inside = false;
	return v;
}

struct run *run_new(struct request *r, struct script *s, const struct route *route)
{
	const struct entry *e = &s->code->entry[route->index];
	struct run         *run = ARENA_NEW(&r->arena, struct run);
	struct value       *stack = arena_alloc(&r->arena, e->most_values * sizeof(*stack));
	struct frame       *frames = arena_alloc(&r->arena, e->most_frames * sizeof(*frames));

	if (!run || !stack || !frames)
		return NULL;
	list_init(&run->parked);
	run->req = r;
	run->script = s;
	run->code = s->code;
	run->stack = stack;
	run->frames = frames;
	s->refs++;
	r->run = run;
	enter_route(run, route->index);
	return run;
}
