/* The check of a whole program: declarations first, then each route after the routes it calls. */
#include "script/checker.h"

/* --- constants --- */
/* -D NAME=VALUE: read as the type the constant has in the file. */
static void define(struct checker *c, struct str text)
{
	struct str       name = str_trim(str_take_until(&text, '='));
	struct constant *k = check_find_const(c, name);
	struct nearest   near = nearest_to(name);
	struct value     v;
	enum vtype       type;

	if (!k) {
		for (struct constant *x = c->prog->constants; x; x = x->next)
			nearest_offer(&near, x->name);
		diag_did_you_mean(c->d, diag_add(c->d, D_NO_CONST, (struct span){ 0 }, "-D " STR_FMT ": no constant of that name", STR_ARG(name)),
				  nearest_name(&near));
		return;
	}
	if (!check_constant(c, k))
		return;
	type = k->value->u.value.type;
	if (type == T_BOOL && (str_is(text, "on") || str_is(text, "off")))	/* as in settings */
		text = str_is(text, "on") ? STR("true") : STR("false");
	if (!value_parse(c->a, type == T_NULL ? T_STR : type, arena_dup(c->a, text), &v)) {
		diag_add(c->d, D_ASSIGN_TYPE, (struct span){ 0 }, "-D " STR_FMT ": expected %s, got `" STR_FMT "`", STR_ARG(name),
			 vtype_name(type), STR_ARG(text));
		return;
	}
	k->value->u.value = v;
	k->value->type = type_of_value(&v);
}

/* The overrides before anything uses a constant; constants made of others then see them. */
static void check_constants(struct checker *c)
{
	for (struct constant *k = c->prog->constants; k; k = k->next)
		for (struct constant *x = c->prog->constants; x != k; x = x->next)
			if (str_eq(x->name, k->name))
				diag_note(c->d, diag_add(c->d, D_TWICE, k->span, "the constant `" STR_FMT "` is there already", STR_ARG(k->name)), x->span,
					  "declared here");
	for (size_t i = 0; i < c->env->define_count; i++)
		define(c, c->env->defines[i]);
	for (struct constant *k = c->prog->constants; k; k = k->next)
		check_constant(c, k);
}

/* --- tables --- */
enum { SQL_NAME = 63 };	/* bytes of a name in the database: what PostgreSQL takes, where longer ones lose their end */

static const char *const table_fields[] = { "key", "value", "ttl", "max", "load", "key_column", "value_column" };

static void table_type(struct checker *c, const struct table_field *f, enum vtype *out)
{
	struct diag *g;

	if (f->value->kind == EX_BAD)
		return;
	if (f->value->kind == EX_NAME && type_by_name(f->value->u.name, out)) {
		if (*out != T_LIST && (*out != T_ANY || !str_is(f->name, "key")))
			return;
		diag_add(c->d, D_ARGUMENT_TYPE, f->value->span, "`" STR_FMT "` of a table cannot be `" STR_FMT "`: tables keep single values, by keys of one type",
			 STR_ARG(f->name), STR_ARG(f->value->u.name));
		*out = str_is(f->name, "key") ? T_STR : T_ANY;
		return;
	}
	g = diag_add(c->d, D_ARGUMENT_TYPE, f->value->span, "`" STR_FMT "` takes the name of a type", STR_ARG(f->name));
	diag_help(c->d, g, "the types are " STR_FMT, STR_ARG(check_type_names(c)));
}

static void table_number(struct checker *c, const struct table_field *f, enum vtype t, int64_t min, int64_t max, int64_t *out)
{
	if (!check_const_expr(c, f->value))
		return;
	if (!check_value_for(c, f->value, t, false, D_ARGUMENT_TYPE, t == T_INT ? "`max`" : "`ttl`"))
		return;
	check_range(c, f->value, min, max);
	*out = f->value->u.value.u.i;
}

static bool is_letter(char ch)
{
	char low = ch_lower(ch);

	return low >= 'a' && low <= 'z';
}

/* A name of the database, which becomes part of a statement: nothing in it needs quoting. */
static bool is_sql_name(struct str s, bool dot)
{
	size_t n = 0;	/* of this part */

	for (size_t i = 0; i < s.len; i++) {
		if (dot && n && s.p[i] == '.') {
			dot = false;	/* schema.table */
			n = 0;
			continue;
		}
		if (!is_letter(s.p[i]) && s.p[i] != '_' && (!n || !ch_digit(s.p[i])))
			return false;
		if (++n > SQL_NAME)
			return false;
	}
	return n;
}

static void table_sql_name(struct checker *c, const struct table_field *f, struct str *out)
{
	bool         dot = str_is(f->name, "load");
	struct diag *g;

	if (!check_const_expr(c, f->value) || !check_value_for(c, f->value, T_STR, false, D_ARGUMENT_TYPE, dot ? "`load`" : "the name of a column"))
		return;
	*out = f->value->u.value.u.s;
	if (is_sql_name(*out, dot))
		return;
	g = diag_add(c->d, D_RANGE, f->value->span, "this is no name of a %s: those have letters, digits and _, at most %d of them",
		     dot ? "table or view" : "column", SQL_NAME);
	diag_help(c->d, g, dot ? "\"name\" or \"schema.name\"; what else shall be selected goes into a view of the database" : "what else the column is called, a view of the database may name it so");
}

static bool is_table_field(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(table_fields); i++)
		if (str_is(name, table_fields[i]))
			return true;
	return false;
}

/* It was given before, or it says something of a `load` that is not there (nor any word that may be meant so). */
static void check_table_field_place(struct checker *c, const struct table *t, const struct table_field *f)
{
	bool loads = false;

	for (const struct table_field *x = t->fields; x; x = x->next)
		loads |= str_is(x->name, "load") || !is_table_field(x->name);
	for (const struct table_field *x = t->fields; x != f; x = x->next)
		if (str_eq(x->name, f->name)) {
			diag_note(c->d, diag_add(c->d, D_TWICE, f->span, "`" STR_FMT "` is there already", STR_ARG(f->name)), x->span, "given here");
			return;
		}
	if (!loads && str_ends(f->name, STR("_column")))
		diag_help(c->d, diag_add(c->d, D_NEEDS, f->span, "`" STR_FMT "` is for a table that the database fills", STR_ARG(f->name)),
			  "add `load: \"name of a table or view\";`");
}

static void check_table_field(struct checker *c, struct table *t, const struct table_field *f)
{
	struct nearest near = nearest_to(f->name);

	if (str_is(f->name, "key"))
		table_type(c, f, &t->key);
	else if (str_is(f->name, "value"))
		table_type(c, f, &t->value);
	else if (str_is(f->name, "ttl"))
		table_number(c, f, T_DURATION, 1000, 31536000000, &t->ttl_ms);
	else if (str_is(f->name, "max"))
		table_number(c, f, T_INT, 1, 1000000000, &t->max);
	else if (str_is(f->name, "load"))
		table_sql_name(c, f, &t->load);
	else if (str_is(f->name, "key_column"))
		table_sql_name(c, f, &t->key_column);
	else if (str_is(f->name, "value_column"))
		table_sql_name(c, f, &t->value_column);
	else {
		for (size_t i = 0; i < COUNT_OF(table_fields); i++)
			nearest_offer(&near, str_of(table_fields[i]));
		diag_did_you_mean(c->d, diag_add(c->d, D_NO_PARAMETER, f->span, "a table has key, value, ttl, max, load, key_column and value_column, not `" STR_FMT "`", STR_ARG(f->name)),
				  nearest_name(&near));
	}
}

enum { TABLE_MAX = 100000 };	/* entries of a table that does not say */

static void check_tables(struct checker *c)
{
	for (struct table *t = c->prog->tables; t; t = t->next) {
		for (struct table *x = c->prog->tables; x != t; x = x->next)
			if (str_eq(x->name, t->name))
				diag_note(c->d, diag_add(c->d, D_TWICE, t->span, "the table `" STR_FMT "` is there already", STR_ARG(t->name)), x->span,
					  "declared here");
		t->key = T_STR;
		t->value = T_ANY;
		t->max = TABLE_MAX;
		t->key_column = STR("key");
		t->value_column = STR("value");
		for (const struct table_field *f = t->fields; f; f = f->next) {
			check_table_field(c, t, f);
			check_table_field_place(c, t, f);
			if (t->load.len && str_is(f->name, "load"))
				check_needs_database(c, f->value->span);
		}
	}
}

/* --- routes --- */
static void check_every(struct checker *c, struct route *r)
{
	struct diag *g;

	if (!r->every) {
		g = diag_add(c->d, D_ARGUMENTS, r->span, "timer_route[" STR_FMT "] does not say when", STR_ARG(r->name));
		diag_help(c->d, g, "write `timer_route[" STR_FMT "](every = 60s)`", STR_ARG(r->name));
		return;
	}
	if (!check_const_expr(c, r->every) || !check_value_for(c, r->every, T_DURATION, false, D_ARGUMENT_TYPE, "`every`"))
		return;
	check_range(c, r->every, 100, 86400000);
	r->every_ms = (uint32_t)r->every->u.value.u.i;
}

static void check_route_head(struct checker *c, struct route *r)
{
	struct route *first = program_route(c->prog, r->kind, r->name);

	if (first != r)
		diag_note(c->d, diag_add(c->d, D_TWICE, r->span, "this route is there already"), first->span, "declared here");
	r->where = r->kind == ROUTE_SUB ? 0 : 1u << r->kind;
	check_params(c, r);
	if (r->kind == ROUTE_TIMER)
		check_every(c, r);
	if (r->kind == ROUTE_EVENT)
		check_event_name(c, r);
	for (struct route_call *call = r->calls; call; call = call->next)
		call->to = program_route(c->prog, ROUTE_SUB, call->name);
}

static void report_recursion(struct checker *c, const struct route *from, const struct route_call *call)
{
	if (call->to == from)
		diag_add(c->d, D_RECURSION, call->span, "route[" STR_FMT "] calls itself", STR_ARG(from->name));
	else
		diag_note(c->d, diag_add(c->d, D_RECURSION, call->span, "route[" STR_FMT "] calls itself by way of route[" STR_FMT "]", STR_ARG(call->to->name),
					 STR_ARG(from->name)), call->to->span, "declared here");
}

/* Callees first: their results are then known. Errors of names and types would only be repeated by the paths. */
static void visit(struct checker *c, struct route *r)
{
	size_t before;
	bool   recursive = false;

	r->state = 1;
	for (struct route_call *call = r->calls; call; call = call->next) {
		if (!call->to)
			continue;
		call->to->called = true;
		if (call->to->state == 1) {
			report_recursion(c, r, call);
			recursive = true;
		} else if (call->to->state == 0)
			visit(c, call->to);
	}
	before = c->d->errors;
	check_route_body(c, r);
	if (c->d->errors == before && !recursive && !r->broken && !c->d->no_memory)
		check_flow(c, r);
	else
		check_flow_unknown(r);
	r->state = 2;
}

/* Which kinds a sub-route runs in: those of its callers. */
static void spread_kinds(struct route *r)
{
	for (struct route_call *call = r->calls; call; call = call->next) {
		uint32_t kinds = r->where | call->aside;

		if (!call->to || (call->to->where | kinds) == call->to->where)
			continue;
		call->to->where |= kinds;
		spread_kinds(call->to);
	}
}

static bool must_be_called(const struct route *r)
{
	return r->kind == ROUTE_SUB || r->kind == ROUTE_BRANCH || (r->kind == ROUTE_REPLY && r->name.len);
}

static void check_routes(struct checker *c)
{
	for (struct route *r = c->prog->routes; r; r = r->next)
		check_route_head(c, r);
	check_avps(c);
	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->state == 0)
			visit(c, r);
	if (!c->avps_unknown)
		check_avps_unread(c);
	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->kind != ROUTE_SUB)
			spread_kinds(r);
	check_uses(c);
	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->broken)
			return;		/* what it calls is not known */
	for (struct route *r = c->prog->routes; r; r = r->next)
		if (must_be_called(r) && !r->called)
			diag_add(c->d, D_UNUSED_ROUTE, r->span, "%s[" STR_FMT "] is never called", route_kind_name(r->kind), STR_ARG(r->name));
}

bool check_program(struct program *p, const struct check_env *env)
{
	struct checker c = { .prog = p, .env = env, .d = &p->diags, .a = &p->arena };

	if (p->diags.no_memory)
		return false;
	check_constants(&c);
	check_modules(&c);
	check_settings(&c);
	check_tables(&c);
	check_routes(&c);
	check_tests(&c);
	p->request = program_route(p, ROUTE_REQUEST, STR_NONE);
	p->dialog = program_route(p, ROUTE_DIALOG, STR_NONE);
	p->reply = program_route(p, ROUTE_REPLY, STR_NONE);
	diags_sort(&p->diags);
	return !diags_failed(&p->diags);
}
