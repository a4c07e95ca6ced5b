#include "script/change.h"

#include <stdarg.h>
#include <stdio.h>

#include "script/check.h"
#include "script/run.h"

enum { MOST_VALUE = 4096 };

struct change_base {
	const struct script *running;
	size_t               modules;	/* loaded */
	struct str          *was;	/* the value of each parameter of each module, in their order */
};

/* --- parameters --- */

static struct str value_now(struct arena *a, const struct mod_param *p)
{
	char       room[MOST_VALUE];
	struct buf b = buf_on(room, sizeof(room));

	settings_write(p, &b);
	return arena_dup(a, buf_str(&b));
}

/* Calls fn for each parameter of the first n modules, until it answers false. */
static bool each_param(size_t n, bool (*fn)(void *arg, const struct module *m, const struct mod_param *p), void *arg)
{
	for (size_t i = 0; i < n; i++)
		for (const struct mod_param *p = module_at(i)->params; p && p->name; p++)
			if (!fn(arg, module_at(i), p))
				return false;
	return true;
}

struct collect {
	struct arena *arena;
	struct str   *v;
	size_t        n;
};

static bool count_one(void *arg, const struct module *m, const struct mod_param *p)
{
	struct collect *c = arg;

	(void)m, (void)p;
	c->n++;
	return true;
}

static bool collect_one(void *arg, const struct module *m, const struct mod_param *p)
{
	struct collect *c = arg;
	struct str      s = value_now(c->arena, p);

	(void)m;
	c->v[c->n++] = s;
	return s.p;
}

struct change_base *change_begin(struct arena *a)
{
	struct change_base *b = ARENA_NEW(a, struct change_base);
	struct collect      c = { .arena = a };

	if (!b)
		return NULL;
	b->running = script_now();
	while (module_at(b->modules))
		b->modules++;
	each_param(b->modules, count_one, &c);
	b->was = c.v = arena_zalloc(a, (c.n + 1) * sizeof(*c.v));
	c.n = 0;
	return c.v && each_param(b->modules, collect_one, &c) ? b : NULL;
}

/* --- sentences --- */

struct writer {
	const struct change_base *base;
	const struct script      *other;
	struct json_out          *o;
	size_t                    n, at;
	bool                      live;	/* those that may change are wanted, else those that may not */
};

static void say(struct writer *w, const char *fmt, ...) PRINTF(2, 3);
static void say(struct writer *w, const char *fmt, ...)
{
	char    room[MOST_VALUE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(room, sizeof(room), fmt, ap);
	va_end(ap);
	json_put_text(w->o, NULL, str_of(room));
	w->n++;
}

static bool say_param(void *arg, const struct module *m, const struct mod_param *p)
{
	struct writer *w = arg;
	struct str     was = w->base->was[w->at++], is = value_now(w->o->arena, p);
	bool           top = m == &core_module;

	if (p->live == w->live && !str_eq(was, is))
		say(w, "%s%s%s: " STR_FMT " -> " STR_FMT, top ? "" : m->name, top ? "" : ".", p->name, STR_ARG(str_to(was, 500)), STR_ARG(str_to(is, 500)));
	return true;
}

static void say_params(struct writer *w, bool live)
{
	w->at = 0;
	w->live = live;
	each_param(w->base->modules, say_param, w);
}

/* --- modules --- */

static bool needs(const struct module *m, const struct module *other)
{
	for (const char *const *n = m->needs; n && *n; n++)
		if (other->offers && !strcmp(*n, other->offers))
			return true;
	return false;
}

static bool named(const struct program *p, const struct module *m)
{
	for (const struct module_block *b = p->modules; b; b = b->next)
		if (str_is(b->name, m->name))
			return true;
	return false;
}

/* Does a start with that program load it? Needs of needs are few: two modules that need each other must not send us round. */
static bool wanted(const struct program *p, const struct module *m, unsigned depth)
{
	if (m == &core_module || named(p, m))
		return true;
	for (size_t i = 0; depth && module_at(i); i++)
		if (needs(module_at(i), m) && wanted(p, module_at(i), depth - 1))
			return true;
	return false;
}

static void say_modules(struct writer *w)
{
	enum { MOST_DEPTH = 8 };

	for (size_t i = 0; module_at(i); i++)
		if (i >= w->base->modules)
			say(w, "module %s: it is not loaded, and no module is loaded into a running server", module_at(i)->name);
		else if (!wanted(w->other->program, module_at(i), MOST_DEPTH))
			say(w, "module %s: it is loaded, and no module is taken out of a running server", module_at(i)->name);
}

/* --- tables --- */

static const struct table *table_named(const struct script *s, struct str name)
{
	for (const struct table *t = s ? s->program->tables : NULL; t; t = t->next)
		if (str_eq(t->name, name))
			return t;
	return NULL;
}

static const char *type_word(enum vtype t)
{
	return t == T_ANY ? "any" : vtype_name(t);
}

static void say_table(struct writer *w, const struct table *was, const struct table *is)
{
	const char *what = was->key != is->key ? "keys" : "values";
	enum vtype  before = was->key != is->key ? was->key : was->value, after = was->key != is->key ? is->key : is->value;

	if (before != after)
		say(w, "table " STR_FMT ": its %s are %s, they were %s: it starts empty", STR_ARG(is->name), what, type_word(after), type_word(before));
}

static void say_tables(struct writer *w)
{
	for (const struct table *t = w->other->program->tables; t; t = t->next) {
		const struct table *was = table_named(w->base->running, t->name);

		if (was)
			say_table(w, was, t);
		else
			say(w, "table " STR_FMT ": new", STR_ARG(t->name));
	}
	for (const struct table *t = w->base->running ? w->base->running->program->tables : NULL; t; t = t->next)
		if (!table_named(w->other, t->name))
			say(w, "table " STR_FMT ": gone with its entries, unless a rollback follows", STR_ARG(t->name));
}

/* --- timers --- */

static void say_timers(struct writer *w)
{
	for (const struct route *r = w->other->program->routes; r; r = r->next) {
		const struct route *was = r->kind == ROUTE_TIMER && w->base->running ? program_route(w->base->running->program, ROUTE_TIMER, r->name) : NULL;

		if (was && was->every_ms != r->every_ms)
			say(w, "timer_route[" STR_FMT "]: every %u ms, it was %u ms", STR_ARG(r->name), r->every_ms, was->every_ms);
	}
}

size_t change_write(const struct change_base *b, const struct script *other, struct json_out *o)
{
	struct writer w = { .base = b, .other = other, .o = o };
	size_t        refused;

	json_open_list(o, "refused");
	say_params(&w, false);
	say_modules(&w);
	json_close_list(o);
	refused = w.n;
	json_open_list(o, "changes");
	say_params(&w, true);
	say_tables(&w);
	say_timers(&w);
	json_close_list(o);
	return refused;
}
