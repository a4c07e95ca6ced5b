/* Settings, modules and their parameters, against the tables that declare them. */
#include <stdio.h>

#include "script/checker.h"
#include "script/foreign.h"

/* --- the text of a value --- */
/* In the quotes and escapes of the language. */
static void quote(struct buf *b, struct str s)
{
	buf_ch(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.p[i];

		if (ch == '"' || ch == '\\')
			buf_ch(b, '\\');
		if (ch == '\n' || ch == '\r' || ch == '\t')
			buf_printf(b, "\\%c", ch == '\n' ? 'n' : ch == '\r' ? 'r' : 't');
		else
			buf_ch(b, ch);
	}
	buf_ch(b, '"');
}

enum { MOST_TEXT = 4096 };

static bool wants_quotes(const struct mod_param *p)
{
	return p->type == P_STR;
}

static void constant_write(struct checker *c, struct buf *b, const struct value *v, bool quotes)
{
	struct str text = value_text(c->a, v);

	if (v->type == T_BOOL)
		buf_add(b, v->u.b ? STR("on") : STR("off"));
	else if (v->type == T_STR && quotes)
		quote(b, v->u.s);
	else
		buf_add(b, text);
}

/* A bare word: the constant of that name, or itself. Top-level settings take words where a text is wanted (listen udp:*:5060). */
static bool word_write(struct checker *c, struct buf *b, const struct mod_param *p, const struct expr *e, bool words_are_text)
{
	struct constant *k = check_find_const(c, e->u.name);

	if (k && !check_constant(c, k))
		return false;
	if (k)
		constant_write(c, b, &k->value->u.value, wants_quotes(p) || k->value->u.value.type == T_STR);
	else if (words_are_text && wants_quotes(p))
		quote(b, e->u.name);
	else
		buf_add(b, e->u.name);
	return true;
}

static bool setting_write(struct checker *c, struct buf *b, const struct mod_param *p, struct expr *e, bool words_are_text)
{
	bool from_env = e->kind == EX_ENV;

	if (e->kind == EX_NAME)
		return word_write(c, b, p, e, words_are_text);
	if (e->kind == EX_LIST) {
		buf_ch(b, '[');
		for (size_t i = 0; i < e->u.list.count; i++) {
			if (i)
				BUF_LIT(b, ", ");
			if (!setting_write(c, b, p, e->u.list.item[i], words_are_text))
				return false;
		}
		buf_ch(b, ']');
		return true;
	}
	if (!check_const_expr(c, e))
		return false;
	/* What the environment says stands there as if it had been written there. */
	constant_write(c, b, &e->u.value, !from_env || wants_quotes(p));
	return true;
}

static struct str plain_text(struct checker *c, const struct expr *e)
{
	if (is_const(e))
		return value_text(c->a, &e->u.value);
	if (e->kind == EX_NAME) {
		struct constant *k = check_find_const(c, e->u.name);

		return k && is_const(k->value) ? value_text(c->a, &k->value->u.value) : e->u.name;
	}
	return STR_NONE;
}

static void check_value(struct checker *c, struct setting *s, const struct mod_param *p, bool words_are_text)
{
	char       *room = check_new(c, MOST_TEXT), why[300];
	struct diag *g;
	struct buf  b = buf_on(room, room ? MOST_TEXT : 0);
	int64_t     number;
	enum err    err;

	if (!room || s->value->kind == EX_BAD || !setting_write(c, &b, p, s->value, words_are_text))
		return;
	if (!buf_ok(&b)) {
		diag_add(c->d, D_LIMIT, s->span, "this value is longer than %d bytes", MOST_TEXT);
		return;
	}
	s->param = p;
	s->text = buf_str(&b);
	s->plain = plain_text(c, s->value);
	snprintf(why, sizeof(why), "this value does not fit");
	err = c->env->param(p, s->text, false, why, sizeof(why));
	if (!err)
		return;
	g = diag_add(c->d, D_PARAMETER, s->span, "`%s`: %s", p->name, why);
	if ((p->type == P_SECONDS || p->type == P_MS) && str_i64(s->text, &number))
		diag_help(c->d, g, "say the unit: " STR_FMT "s, " STR_FMT "ms", STR_ARG(s->text), STR_ARG(s->text));
}

/* --- names --- */
static const struct mod_param *find_param(const struct mod_param *all, struct str name)
{
	for (; all && all->name; all++)
		if (str_is(name, all->name))
			return all;
	return NULL;
}

static struct str nearest_param(const struct mod_param *all, struct str name)
{
	struct nearest near = nearest_to(name);

	for (; all && all->name; all++)
		nearest_offer(&near, str_of(all->name));
	return nearest_name(&near);
}

static const struct setting *set_before(const struct setting *list, const struct setting *s)
{
	for (; list && list != s; list = list->next)
		if (str_eq(list->name, s->name))
			return list;
	return NULL;
}

static void set_twice(struct checker *c, const struct setting *first, const struct setting *s)
{
	diag_note(c->d, diag_add(c->d, D_TWICE, s->name_span, "`" STR_FMT "` is set twice", STR_ARG(s->name)), first->name_span, "first here");
}

/* --- modules --- */
static void check_params_of(struct checker *c, struct module_block *m)
{
	for (struct setting *s = m->settings; s; s = s->next) {
		const struct mod_param *p = find_param(m->module->params, s->name);
		const struct setting   *first = set_before(m->settings, s);

		if (first)
			set_twice(c, first, s);
		if (p) {
			check_value(c, s, p, false);
			continue;
		}
		diag_did_you_mean(c->d, diag_add(c->d, D_NO_PARAMETER, s->name_span, "module `" STR_FMT "` has no parameter `" STR_FMT "`", STR_ARG(m->name),
						 STR_ARG(s->name)), nearest_param(m->module->params, s->name));
	}
}

static const struct module_block *named_before(struct checker *c, const struct module_block *m)
{
	for (const struct module_block *x = c->prog->modules; x != m; x = x->next)
		if (str_eq(x->name, m->name))
			return x;
	return NULL;
}

/* Modules of other servers whose work is done here by another one, or by the core. */
static bool help_elsewhere(struct checker *c, struct diag *g, struct str name)
{
	static const char *const core[] = { "tm", "sl", "rr", "maxfwd", "textops", "siputils", "uri", "xlog", "pv", "kex", "corex", "sanity", "nathelper", "sipmsgops",
					    "signaling", "tmx", "cfgutils", "avpops", "json", "jansson", "db_postgres", "db_mysql", "db_sqlite", "proto_udp", "proto_tcp", "ctl", "mi_fifo" };
	static const struct { const char *there, *here; } others[] = {
		{ "usrloc", "location" }, { "auth_db", "auth" }, { "alias_db", "profile" }, { "acc", "cdr" },
	};

	for (size_t i = 0; i < COUNT_OF(core); i++)
		if (str_is(name, core[i])) {
			diag_help(c->d, g, "what it did is the core's: leave it out");
			return true;
		}
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (str_is(name, others[i].there)) {
			diag_help(c->d, g, "here it is `module %s { }`", others[i].here);
			return true;
		}
	if (!str_is(name, "htable"))
		return false;
	diag_help(c->d, g, "tables are declared: `table NAME { key: string; ttl: 5m; }`");
	return true;
}

static bool load_module(struct checker *c, struct module_block *m)
{
	char         why[300] = "";
	struct diag *g;
	enum err     err;

	m->module = c->env->find(m->name);
	if (m->module)
		return true;
	err = c->env->load(m->name, why, sizeof(why));
	if (!err)
		m->module = c->env->find(m->name);
	if (m->module)
		return true;
	if (err && err != ERR_NOT_FOUND) {
		diag_add(c->d, D_NO_MODULE, m->name_span, "module `" STR_FMT "` cannot be loaded: %s", STR_ARG(m->name), why);
		return false;
	}
	g = diag_add(c->d, D_NO_MODULE, m->name_span, "no module `" STR_FMT "`", STR_ARG(m->name));
	if (!help_elsewhere(c, g, m->name))
		diag_did_you_mean(c->d, g, c->env->nearest(m->name));
	return false;
}

static const struct module *offering_service(struct checker *c, const char *service)
{
	const struct module *m;

	for (size_t i = 0; (m = c->env->at(i)); i++)
		if (m->offers && strcmp(m->offers, service) == 0)
			return m;
	return NULL;
}

/* A service that nobody offers yet is that of the module of its name, with its presets: `module profile { }` need not be written. */
static const struct module *load_service(struct checker *c, const char *service)
{
	char why[256];

	if (c->env->load(str_of(service), why, sizeof(why)))
		return NULL;
	return offering_service(c, service);
}

static void check_needs(struct checker *c, const struct module *m, struct span where)
{
	for (const char *const *need = m->needs; need && *need; need++) {
		const struct module *loaded;

		if (offering_service(c, *need))
			continue;
		loaded = load_service(c, *need);
		if (loaded)
			check_needs(c, loaded, where);
		else
			diag_add(c->d, D_NEEDS, where, "module `%s` needs the service `%s`, which no module offers", m->name, *need);
	}
}

void check_modules(struct checker *c)
{
	for (struct module_block *m = c->prog->modules; m; m = m->next) {
		const struct module_block *first = named_before(c, m);

		if (first) {
			diag_note(c->d, diag_add(c->d, D_TWICE, m->name_span, "module `" STR_FMT "` has two blocks", STR_ARG(m->name)), first->name_span, "first here");
			continue;
		}
		if (load_module(c, m))
			check_params_of(c, m);
	}
	for (struct module_block *m = c->prog->modules; m; m = m->next)
		if (m->module)
			check_needs(c, m->module, m->name_span);
}

/* --- top level --- */
static bool repeatable(struct checker *c, struct str name)
{
	for (const char *const *r = c->env->repeatable; r && *r; r++)
		if (str_is(name, *r))
			return true;
	return false;
}

static void no_setting(struct checker *c, const struct setting *s)
{
	struct diag *g = diag_add(c->d, D_NO_SETTING, s->name_span, "no setting `" STR_FMT "`", STR_ARG(s->name));

	if (foreign_help(FOREIGN_SETTING, s->name))
		diag_help(c->d, g, "%s", foreign_help(FOREIGN_SETTING, s->name));
	else
		diag_did_you_mean(c->d, g, nearest_param(c->env->settings, s->name));
}

void check_settings(struct checker *c)
{
	for (struct setting *s = c->prog->settings; s; s = s->next) {
		const struct mod_param *p = find_param(c->env->settings, s->name);
		const struct setting   *first = set_before(c->prog->settings, s);

		if (!p) {
			no_setting(c, s);
			continue;
		}
		if (first && !repeatable(c, s->name))
			set_twice(c, first, s);
		check_value(c, s, p, true);
	}
}

/* --- applying --- */
static enum err apply(const struct setting *s, const struct check_env *env, char *why, size_t cap)
{
	enum err err = OK;

	for (; s && !err; s = s->next)
		err = env->param(s->param, s->text, true, why, cap);
	return err;
}

enum err program_apply(const struct program *p, const struct check_env *env, char *why, size_t cap)
{
	const struct module *loaded;
	enum err             err;

	for (size_t i = 0; (loaded = env->at(i)); i++)
		if (loaded->params != env->settings)	/* those have been: settings_reset() */
			module_reset(loaded);
	err = apply(p->settings, env, why, cap);
	for (const struct module_block *m = p->modules; m && !err; m = m->next)
		err = apply(m->settings, env, why, cap);
	return err;
}
