/* Names: where they are looked up, and what is said when they are not there. */
#include "script/checker.h"
#include "script/event.h"
#include "script/foreign.h"

void *check_new(struct checker *c, size_t bytes)
{
	void *p = arena_zalloc(c->a, bytes);

	if (!p)
		c->d->no_memory = true;
	return p;
}

/* --- finding --- */
static bool is_method(const struct mod_func *f)
{
	return f->flags & F_METHOD;
}

const struct mod_func *check_find_func(struct checker *c, struct str name, bool method)
{
	const struct module *m;

	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (const struct mod_func *f = m->funcs; f && f->name; f++)
			if (str_is(name, f->name) && is_method(f) == method)
				return f;
	return NULL;
}

const struct mod_var *check_find_var(struct checker *c, struct str name)
{
	const struct module *m;

	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (const struct mod_var *v = m->vars; v && v->name; v++)
			if (str_is(name, v->name))
				return v;
	return NULL;
}

struct local *check_find_local(struct checker *c, struct str name)
{
	for (struct scope *s = c->scope; s; s = s->up)
		if (str_eq(s->local->name, name))
			return s->local;
	return NULL;
}

struct constant *check_find_const(struct checker *c, struct str name)
{
	for (struct constant *k = c->prog->constants; k; k = k->next)
		if (str_eq(k->name, name))
			return k;
	return NULL;
}

struct table *check_find_table(struct checker *c, struct str name)
{
	for (struct table *t = c->prog->tables; t; t = t->next)
		if (str_eq(t->name, name))
			return t;
	return NULL;
}

/* --- functions --- */
static struct str nearest_func(struct checker *c, struct str name, bool method)
{
	struct nearest       near = nearest_to(name);
	const struct module *m;

	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (const struct mod_func *f = m->funcs; f && f->name; f++)
			if (is_method(f) == method)
				nearest_offer(&near, str_of(f->name));
	if (!method)
		nearest_offer(&near, STR("route"));
	return nearest_name(&near);
}

static void no_method(struct checker *c, const struct call_expr *call)
{
	struct diag *g = diag_add(c->d, D_NO_FUNCTION, call->name_span, "no method `" STR_FMT "`", STR_ARG(call->name));

	if (check_find_func(c, call->name, false))
		diag_help(c->d, g, "it is a function: write `" STR_FMT "(…)`", STR_ARG(call->name));
	else if (!check_habit(c, g, call->args->value, call->name))
		diag_did_you_mean(c->d, g, nearest_func(c, call->name, true));
}

void check_no_func(struct checker *c, const struct call_expr *call)
{
	const char  *foreign = foreign_help(FOREIGN_FUNC, call->name), *missing = foreign_help(FOREIGN_MISSING, call->name);
	struct str   module = foreign ? STR_NONE : c->env->offering(call->name);
	struct diag *g;

	if (call->method) {
		no_method(c, call);
		return;
	}
	if (foreign) {
		diag_add(c->d, D_NOT_NEEDED, call->name_span, "`" STR_FMT "` is not needed here: %s", STR_ARG(call->name), foreign);
		return;
	}
	g = diag_add(c->d, D_NO_FUNCTION, call->name_span, "no function `" STR_FMT "`", STR_ARG(call->name));
	if (check_find_func(c, call->name, true))
		diag_help(c->d, g, "it is a method: write `value." STR_FMT "(…)`", STR_ARG(call->name));
	else if (module.len)
		diag_help(c->d, g, "the module `" STR_FMT "` has it: add `module " STR_FMT " { }`", STR_ARG(module), STR_ARG(module));
	else if (missing)
		diag_help(c->d, g, "%s", missing);
	else if (program_route(c->prog, ROUTE_SUB, call->name))
		diag_help(c->d, g, "a route is called by `route(" STR_FMT ")`", STR_ARG(call->name));
	else
		diag_did_you_mean(c->d, g, nearest_func(c, call->name, false));
}

/* --- variables --- */
static struct str nearest_var(struct checker *c, struct str name)
{
	struct nearest       near = nearest_to(name);
	const struct module *m;

	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (const struct mod_var *v = m->vars; v && v->name; v++)
			nearest_offer(&near, str_of(v->name));
	return nearest_name(&near);
}

void check_no_var(struct checker *c, const struct expr *e)
{
	struct str   name = e->u.var.name, near = nearest_var(c, name);
	const char  *foreign = foreign_help(FOREIGN_VAR, name);
	struct diag *g = diag_add(c->d, D_NO_VARIABLE, e->u.var.name_span, "no variable `$" STR_FMT "`", STR_ARG(name));

	if (foreign)
		diag_help(c->d, g, "%s", foreign);
	else if (check_find_local(c, name) || check_find_const(c, name))
		diag_help(c->d, g, "`" STR_FMT "` is written without the `$`; within a string `$(" STR_FMT ")`", STR_ARG(name), STR_ARG(name));
	else if (near.len)
		diag_help(c->d, g, "did you mean `$" STR_FMT "`?", STR_ARG(near));
}

/* --- bare words --- */
/* A `let` of this route that ended with its block. */
static const struct local *gone_local(struct checker *c, struct str name)
{
	for (const struct local *l = c->route ? c->route->locals : NULL; l; l = l->next)
		if (str_eq(l->name, name))
			return l;
	return NULL;
}

static struct str nearest_word(struct checker *c, struct str name)
{
	struct nearest near = nearest_to(name);

	for (struct scope *s = c->scope; s; s = s->up)
		nearest_offer(&near, s->local->name);
	for (struct constant *k = c->prog->constants; k; k = k->next)
		nearest_offer(&near, k->name);
	nearest_offer(&near, STR("true"));
	nearest_offer(&near, STR("false"));
	nearest_offer(&near, STR("null"));
	return nearest_name(&near);
}

void check_no_name(struct checker *c, const struct expr *e)
{
	struct str          name = e->u.name;
	struct diag        *g = diag_add(c->d, D_NO_NAME, e->span, "no variable or constant `" STR_FMT "`", STR_ARG(name));
	const struct local *gone = gone_local(c, name);
	struct str          near = nearest_word(c, name);

	if (gone) {
		diag_note(c->d, g, gone->span, "this one ends with its block");
		diag_help(c->d, g, "write `let " STR_FMT ";` before the block", STR_ARG(name));
	} else if (foreign_help(FOREIGN_WORD, name))
		diag_help(c->d, g, "%s", foreign_help(FOREIGN_WORD, name));
	else if (near.len)
		diag_did_you_mean(c->d, g, near);
	else if (check_find_func(c, name, false))
		diag_help(c->d, g, "a call has parentheses: `" STR_FMT "()`", STR_ARG(name));
	else if (check_find_var(c, name))
		diag_help(c->d, g, "did you mean `$" STR_FMT "`?", STR_ARG(name));
	else
		diag_help(c->d, g, "text is written in quotes: \"" STR_FMT "\"", STR_ARG(name));
}

void check_no_table(struct checker *c, struct str name, struct span where)
{
	struct nearest near = nearest_to(name);
	struct diag   *g = diag_add(c->d, D_NO_TABLE, where, "no table `" STR_FMT "`", STR_ARG(name));

	for (struct table *t = c->prog->tables; t; t = t->next)
		nearest_offer(&near, t->name);
	if (nearest_name(&near).len) {
		diag_note(c->d, g, check_find_table(c, nearest_name(&near))->span, "there is this one");
		diag_did_you_mean(c->d, g, nearest_name(&near));
	} else
		diag_help(c->d, g, "declare it: `table " STR_FMT " { key: string; ttl: 5m; max: 10000; }`", STR_ARG(name));
}

/* --- routes --- */
static struct route *nearest_route(struct checker *c, enum route_kind kind, struct str name)
{
	struct nearest near = nearest_to(name);

	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->kind == kind && r->name.len)
			nearest_offer(&near, r->name);
	return nearest_name(&near).len ? program_route(c->prog, kind, nearest_name(&near)) : NULL;
}

static const struct route *other_kind(struct checker *c, struct str name)
{
	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->kind != ROUTE_EVENT && str_eq(r->name, name))
			return r;
	return NULL;
}

struct route *check_find_route(struct checker *c, enum route_kind kind, struct str name, struct span where)
{
	struct route       *r = program_route(c->prog, kind, name), *near;
	const struct route *other;
	struct diag        *g;

	if (r)
		return r;
	other = other_kind(c, name);
	if (other) {
		g = diag_add(c->d, D_ROUTE_KIND, where, "`" STR_FMT "` is a %s, wanted a %s", STR_ARG(name), route_kind_name(other->kind),
			     route_kind_name(kind));
		diag_note(c->d, g, other->span, "declared here");
		return NULL;
	}
	g = diag_add(c->d, D_NO_ROUTE, where, "no %s[" STR_FMT "]", route_kind_name(kind), STR_ARG(name));
	near = nearest_route(c, kind, name);
	if (!near)
		return NULL;
	near->called = true;	/* most likely: that nobody calls it would be one complaint too many */
	diag_note(c->d, g, near->span, "there is this one");
	diag_did_you_mean(c->d, g, near->name);
	return NULL;
}

void check_event_name(struct checker *c, const struct route *r)
{
	struct str           rest = r->name, name = str_take_until(&rest, ':');
	struct nearest       near = nearest_to(r->name);
	const struct module *m;
	struct diag         *g;

	if (event_find(c->env->at, r->name))
		return;
	for (const char *const *e = c->env->events; e && *e; e++) {
		if (str_is(r->name, *e))
			return;
		nearest_offer(&near, str_of(*e));
	}
	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (struct mod_event *const *e = m->events; e && *e; e++)
			nearest_offer(&near, str_of((*e)->name));
	g = diag_add(c->d, D_NO_EVENT, r->name_span, "no event `" STR_FMT "`", STR_ARG(r->name));
	if (nearest_name(&near).len || !name.len || c->env->find(name) || str_is(name, "core") || str_is(name, "tm"))
		diag_did_you_mean(c->d, g, nearest_name(&near));
	else
		diag_help(c->d, g, "if it is of a module, load that: `module " STR_FMT " { }`", STR_ARG(name));
}

/* --- kinds of routes --- */
void check_use(struct checker *c, struct str name, struct span span, uint32_t where)
{
	struct use *u;

	if (!c->route || (where & IN_ALL) == IN_ALL)
		return;
	u = CHECK_NEW(c, struct use);
	if (!u)
		return;
	*u = (struct use){ .next = c->route->uses, .name = name, .span = span, .where = where, .aside = c->aside };
	c->route->uses = u;
}

static void kinds_text(struct buf *b, uint32_t where)
{
	bool more = false;

	if (where & ~(uint32_t)IN_ANY) {	/* the nearest says it all */
		buf_add(b, where & IN_PARALLEL ? STR("parallel block") : STR("spawn block"));
		return;
	}
	for (unsigned kind = 0; kind < ROUTE_SUB; kind++) {
		if (!(where & (1u << kind)))
			continue;
		buf_printf(b, "%s%s", more ? where >> (kind + 1) ? ", " : " and " : "", route_kind_name((enum route_kind)kind));
		more = true;
	}
}

void check_uses(struct checker *c)
{
	for (struct route *r = c->prog->routes; r; r = r->next)
		for (struct use *u = r->uses; u; u = u->next) {
			uint32_t     wrong = (r->where | u->aside) & ~u->where;
			char         room[2][160];
			struct buf   here = buf_on(room[0], sizeof(room[0])), right = buf_on(room[1], sizeof(room[1]));
			struct diag *g;

			if (!wrong)
				continue;
			kinds_text(&here, wrong);
			kinds_text(&right, u->where & IN_ANY);
			g = diag_add(c->d, D_NOT_HERE, u->span, "`" STR_FMT "` makes no sense in %s " STR_FMT "; it is for " STR_FMT, STR_ARG(u->name),
				     str_starts(buf_str(&here), STR("event")) ? "an" : "a", STR_ARG(buf_str(&here)), STR_ARG(buf_str(&right)));
			if (r->kind == ROUTE_SUB)
				diag_note(c->d, g, r->span, "this route is called there");
		}
}
