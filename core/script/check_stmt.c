/* Statements of one route: scopes, slots and types. */
#include <stdio.h>

#include "script/checker.h"

static void check_stmt(struct checker *c, struct stmt *s);

/* --- locals --- */
static unsigned slots_take(struct checker *c, unsigned n, struct span where)
{
	unsigned slot = c->route->frame;

	if (slot + n > MOST_SLOTS) {
		diag_add(c->d, D_LIMIT, where, "a route has room for %d variables", MOST_SLOTS);
		return 0;
	}
	c->route->frame += n;
	return slot;
}

static void scope_push(struct checker *c, struct local *l)
{
	struct scope *s = CHECK_NEW(c, struct scope);

	if (!s)
		return;
	*s = (struct scope){ .up = c->scope, .local = l };
	c->scope = s;
}

static void no_second(struct checker *c, const struct local *l)
{
	const struct local *first = check_find_local(c, l->name);
	struct diag        *g;

	if (!first)
		return;
	g = diag_add(c->d, D_TWICE, l->span, "`" STR_FMT "` is there already", STR_ARG(l->name));
	diag_note(c->d, g, first->span, "declared here");
	diag_help(c->d, g, "to change it write `" STR_FMT " = …;`", STR_ARG(l->name));
}

static void local_append(struct route *r, struct local *l)
{
	struct local **at = &r->locals;

	while (*at)
		at = &(*at)->next;
	*at = l;
}

static void declare(struct checker *c, struct local *l)
{
	no_second(c, l);
	l->slot = slots_take(c, 1, l->span);
	local_append(c->route, l);
	scope_push(c, l);
}

/* --- let and assignment --- */
static void declare_let(struct checker *c, struct stmt *s)
{
	struct local *l = s->local;

	l->type = TYPE(T_ANY);
	if (s->value) {
		check_value_for(c, s->value, T_ANY, true, D_ASSIGN_TYPE, "this");
		l->type = s->value->type;
		l->type.nullable = l->type.nullable && !fact_known(c, s->value);
		l->typed = l->type.type != T_NULL;
	}
	declare(c, l);
}

static void check_let(struct checker *c, struct stmt *s)
{
	if (s->value)
		check_expr(c, s->value, true);
	declare_let(c, s);
}

/* What is spawned works on copies. */
static void no_outer(struct checker *c, const struct stmt *s, const struct local *l)
{
	struct diag *g;

	if (!(c->aside & IN_SPAWN) || l->slot >= c->own_slots)
		return;
	g = diag_add(c->d, D_READ_ONLY, s->target->span, "`" STR_FMT "` is a copy here: nobody would see the change", STR_ARG(l->name));
	diag_note(c->d, g, l->span, "declared here");
	diag_help(c->d, g, "declare another one within the block, or use a table");
}

static void assign_local(struct checker *c, struct stmt *s, struct local *l)
{
	struct type have = s->value->type;
	char        what[100];

	no_outer(c, s, l);
	s->target->kind = EX_LOCAL;
	s->target->u.local = l;
	if (!l->typed && s->value->kind != EX_BAD) {	/* `let x;` or `let x = null;`: the first value says what it is */
		bool was_null = l->type.type == T_NULL;

		check_value_for(c, s->value, T_ANY, true, D_ASSIGN_TYPE, "this");
		l->typed = have.type != T_NULL;
		l->type = have;
		l->type.nullable = was_null || (have.nullable && !fact_known(c, s->value));
	} else {
		snprintf(what, sizeof(what), "`" STR_FMT "`", STR_ARG(l->name));
		if (!check_value_for(c, s->value, l->type.type, l->type.nullable || l->type.type == T_ANY, D_ASSIGN_TYPE, what))
			diag_note(c->d, c->d->first, l->span, "declared here");
	}
	s->target->type = l->type;
}

static void assign_var(struct checker *c, struct stmt *s)
{
	const struct mod_var *v;
	char                  what[80];

	check_var(c, s->target);
	if (s->target->kind != EX_VAR)
		return;
	if (is_avp(s->target)) {
		check_avp_assigned(c, s->target, s->value);
		return;
	}
	v = s->target->u.var.var;
	if (!v->set) {
		diag_add(c->d, D_READ_ONLY, s->target->span, "`$%s` cannot be changed", v->name);
		return;
	}
	snprintf(what, sizeof(what), "`$%s`", v->name);
	check_value_for(c, s->value, v->type, v->nullable || v->type == T_ANY, D_ASSIGN_TYPE, what);
	if (v->type == T_URI)
		check_uri(c, s->value);
	if (strcmp(v->name, "rp") == 0)
		check_range(c, s->value, 1, 65535);
	if (strcmp(v->name, "hdr") == 0)
		check_header_edit(c, s->target->u.var.arg, s->target->u.var.arg_span);
}

static void assign_table(struct checker *c, struct stmt *s)
{
	char what[120];

	check_expr(c, s->target, true);
	if (s->target->kind != EX_TABLE)
		return;
	snprintf(what, sizeof(what), "a value of table `" STR_FMT "`", STR_ARG(s->target->u.table.table->name));
	check_value_for(c, s->value, s->target->u.table.table->value, true, D_ASSIGN_TYPE, what);
}

static void assign_name(struct checker *c, struct stmt *s)
{
	struct local *l = check_find_local(c, s->target->u.name);

	if (l) {
		assign_local(c, s, l);
		return;
	}
	if (check_find_const(c, s->target->u.name)) {
		diag_add(c->d, D_READ_ONLY, s->target->span, "`" STR_FMT "` is a constant", STR_ARG(s->target->u.name));
		return;
	}
	check_no_name(c, s->target);
}

/* `$ru.port = 5070;`: only a uri has parts that are assigned. */
static bool part_fits(struct checker *c, const struct stmt *s)
{
	const struct expr *name = s->value->u.call.args->next->value;
	struct expr        of = *s->target;
	struct nearest     near = nearest_to(name->u.value.u.s);
	struct diag       *g;

	check_expr(c, &of, true);
	if (of.kind == EX_BAD)
		return false;
	if (of.type.type != T_URI) {
		diag_add(c->d, D_READ_ONLY, name->span, "only the parts of a uri are assigned, this is %s", check_type_text(c, of.type));
		return false;
	}
	for (const struct field *f = uri_shape.fields + 1; f->name; f++) {	/* all but its scheme */
		if (str_is(name->u.value.u.s, f->name)) {
			if (strcmp(f->name, "port") == 0)
				check_range(c, s->value->u.call.args->next->next->value, 1, 65535);
			return true;
		}
		nearest_offer(&near, str_of(f->name));
	}
	g = diag_add(c->d, D_NO_FIELD, name->span, "a uri has no part `" STR_FMT "` to assign", STR_ARG(name->u.value.u.s));
	diag_did_you_mean(c->d, g, nearest_name(&near));
	return false;
}

/* Is it there, as far as is known before the assignment? */
static bool gives_value(const struct checker *c, const struct expr *e)
{
	return e->kind != EX_BAD && e->type.type != T_NULL && e->type.type != T_ANY && (!e->type.nullable || fact_known(c, e));
}

static void check_target(struct checker *c, struct stmt *s)
{
	bool there = gives_value(c, s->value);

	if (s->target->kind == EX_NAME)
		assign_name(c, s);
	else if (s->target->kind == EX_VAR)
		assign_var(c, s);
	else if (s->target->kind == EX_TABLE)
		assign_table(c, s);
	if (s->target->kind == EX_VAR || s->target->kind == EX_LOCAL)
		fact_forget(c, s->target);
	if (there && (is_avp(s->target) || s->target->kind == EX_LOCAL))
		fact_set(c, s->target);
}

static void check_assign(struct checker *c, struct stmt *s)
{
	if (s->part && !part_fits(c, s)) {
		check_expr(c, s->value->u.call.args->next->next->value, true);
		check_bad(s->value);
		check_bad(s->target);
		return;
	}
	check_expr(c, s->value, true);
	check_target(c, s);
}

/* --- branches and loops --- */
static void check_inner(struct checker *c, struct stmt *s)
{
	struct scope *scope = c->scope;

	if (s)
		check_stmt(c, s);
	c->scope = scope;
}

static void check_if(struct checker *c, struct stmt *s)
{
	struct fact *before;

	check_condition(c, &s->value);
	before = c->facts;
	facts_when(c, s->value, true);
	check_inner(c, s->body);
	facts_leave(c, before);
	before = c->facts;
	facts_when(c, s->value, false);
	check_inner(c, s->other);
	facts_leave(c, before);
	/* `if (!user) { send_reply(404); }`: behind it, user is there. Likewise when the else ends. */
	if (s->body && !stmt_completes(s->body))
		facts_when(c, s->value, false);
	if (s->other && !stmt_completes(s->other))
		facts_when(c, s->value, true);
}

/* What is known before a loop may not hold in its second turn: nothing is. */
static void check_loop_body(struct checker *c, struct stmt *s, bool condition)
{
	fact_forget_all(c);
	if (condition) {
		check_condition(c, &s->value);
		facts_when(c, s->value, true);
	}
	c->loops++;
	check_inner(c, s->body);
	c->loops--;
	fact_forget_all(c);
}

static void check_for(struct checker *c, struct stmt *s)
{
	struct scope *scope = c->scope;

	check_expr(c, s->value, true);
	check_value_for(c, s->value, T_LIST, false, D_OPERAND, "what `for` goes through");
	s->local->type = TYPE(s->value->type.type == T_LIST ? s->value->type.item : T_ANY);
	s->local->typed = s->local->used = true;
	declare(c, s->local);
	s->loop_slot = slots_take(c, 2, s->span);
	check_loop_body(c, s, false);
	c->scope = scope;
}

/* --- on their own --- */
static void check_spawn(struct checker *c, struct stmt *s)
{
	struct fact *before = c->facts;
	uint32_t     aside = c->aside;
	unsigned     loops = c->loops, own_slots = c->own_slots;

	c->aside |= IN_SPAWN;
	c->loops = 0;
	c->own_slots = c->route->frame;
	check_inner(c, s->body);
	c->aside = aside;
	c->loops = loops;
	c->own_slots = own_slots;
	facts_leave(c, before);
}

static struct str side_name(const struct stmt *s)
{
	if (s->kind == ST_LET)
		return s->local->name;
	return s->kind == ST_ASSIGN && s->target->kind == EX_NAME ? s->target->u.name : STR_NONE;
}

/* All values first: no side sees what another one sets. */
static void check_parallel(struct checker *c, struct stmt *s)
{
	uint32_t aside = c->aside;

	c->aside |= IN_PARALLEL;
	for (struct stmt *x = s->body->body; x; x = x->next) {
		for (struct stmt *y = s->body->body; y != x; y = y->next)
			if (side_name(x).len && str_eq(side_name(x), side_name(y)))
				diag_add(c->d, D_TWICE, x->span, "`" STR_FMT "` is set by another side", STR_ARG(side_name(x)));
		if (x->value)
			check_expr(c, x->value, true);
	}
	c->aside = aside;
	for (struct stmt *x = s->body->body; x; x = x->next)
		if (x->kind == ST_LET)
			declare_let(c, x);
		else if (x->kind == ST_ASSIGN)
			check_target(c, x);
}

/* --- ends --- */
static void join_result(struct checker *c, struct stmt *s)
{
	struct route *r = c->route;
	struct type   joined;

	if (!r->typed_return) {
		r->result = s->value->type;
		r->result.nullable = r->result.nullable && !fact_known(c, s->value);
		r->typed_return = true;
	} else if (type_join(r->result, s->value->type, &joined))
		r->result = joined;
	else
		diag_add(c->d, D_RETURN_TYPE, s->value->span, "route[" STR_FMT "] returns %s elsewhere, here %s", STR_ARG(r->name),
			 check_type_text(c, r->result), check_type_text(c, s->value->type));
}

static void check_return(struct checker *c, struct stmt *s)
{
	if (!s->value) {
		c->route->bare_return |= !(c->aside & IN_SPAWN);
		return;
	}
	check_expr(c, s->value, true);
	if (c->aside & IN_SPAWN) {
		diag_add(c->d, D_RETURN_TYPE, s->value->span, "a spawn block returns nothing: nobody waits for it");
		return;
	}
	if (c->route->kind != ROUTE_SUB) {
		diag_add(c->d, D_RETURN_TYPE, s->value->span, "%s returns nothing: only a route[…] does", route_kind_name(c->route->kind));
		return;
	}
	if (s->value->kind != EX_BAD && check_value_for(c, s->value, T_ANY, true, D_RETURN_TYPE, "this"))
		join_result(c, s);
}

static void check_stmt(struct checker *c, struct stmt *s)
{
	switch (s->kind) {
	case ST_BLOCK: {
		struct scope *scope = c->scope;

		for (struct stmt *x = s->body; x; x = x->next)
			check_stmt(c, x);
		c->scope = scope;
		break;
	}
	case ST_IF:
		check_if(c, s);
		break;
	case ST_WHILE:
		check_loop_body(c, s, true);
		break;
	case ST_FOR:
		check_for(c, s);
		break;
	case ST_LET:
		check_let(c, s);
		break;
	case ST_ASSIGN:
		check_assign(c, s);
		break;
	case ST_EXPR:
		check_expr(c, s->value, false);
		break;
	case ST_RETURN:
		check_return(c, s);
		break;
	case ST_BREAK: case ST_CONTINUE:
		if (!c->loops)
			diag_add(c->d, D_OUTSIDE_LOOP, s->span, "`%s` is only for loops", s->kind == ST_BREAK ? "break" : "continue");
		break;
	case ST_EXIT:
		check_use(c, STR("exit"), s->span, IN_ANY | IN_SPAWN);
		break;
	case ST_DROP:
		check_use(c, STR("drop"), s->span, IN_ANY);
		break;
	case ST_SPAWN:
		check_spawn(c, s);
		break;
	case ST_PARALLEL:
		check_parallel(c, s);
		break;
	}
}

/* --- the route --- */
void check_params(struct checker *c, struct route *r)
{
	for (struct local *l = r->params; l; l = l->next) {
		enum vtype t = T_ANY;

		if (l->type_name.len && !type_by_name(l->type_name, &t)) {
			struct diag *g = diag_add(c->d, D_NO_NAME, l->type_span, "no type `" STR_FMT "`", STR_ARG(l->type_name));

			diag_help(c->d, g, "the types are " STR_FMT, STR_ARG(check_type_names(c)));
		}
		l->type = TYPE(t);
		l->used = true;
	}
	r->result = TYPE(T_ANY);	/* until its body has been seen */
}

static void declare_params(struct checker *c, struct route *r)
{
	struct local *l = r->params, *next;

	for (r->locals = NULL; l; l = next) {
		next = l->next;
		l->next = NULL;
		declare(c, l);
	}
	if (r->params)
		r->params = r->locals;
}

static void warn_unused(struct checker *c, const struct route *r)
{
	for (const struct local *l = r->locals; l; l = l->next)
		if (!l->used && l->name.len && l->name.p[0] != '_')
			diag_add(c->d, D_UNUSED_LET, l->span, "`" STR_FMT "` is never read", STR_ARG(l->name));
}

void check_route_body(struct checker *c, struct route *r)
{
	size_t before = c->d->errors;

	c->route = r;
	c->scope = NULL;
	c->facts = NULL;
	c->loops = 0;
	r->result = (struct type){ .type = T_NULL, .nullable = true, .item = T_ANY };
	declare_params(c, r);
	check_stmt(c, r->body);
	if (c->d->errors == before && !r->broken)
		warn_unused(c, r);
	if (r->typed_return && (r->bare_return || stmt_completes(r->body)))
		r->result.nullable = true;
	c->route = NULL;
	c->scope = NULL;
	c->facts = NULL;
}
