/* Names: where they are looked up, and what is said when they are not there. */
#include "script/checker.h"

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
/* Well-known names of Kamailio and OpenSIPS that are not here, because the core does it or because another name means another thing. */
static const struct foreign {
	const char *name, *help;
} foreign_funcs[] = {
	{ "t_relay", "write `relay()`: as a statement of its own it ends the run; `let a = relay()` waits for the final answer" },
	{ "t_relay_to", "write `relay()` after setting `$du`" },
	{ "t_relay_to_udp", "write `relay()` after setting `$du`" },
	{ "t_on_failure", "write `let a = relay(); if (a.code == 486) …`" },
	{ "t_on_branch", "write `relay(on_branch = NAME)`" },
	{ "t_on_reply", "write `relay(on_reply = NAME)`" },
	{ "t_check_trans", "retransmissions, CANCEL and ACK are matched before a route runs" },
	{ "t_lookup_request", "retransmissions, CANCEL and ACK are matched before a route runs" },
	{ "t_lookup_cancel", "a CANCEL is matched before a route runs" },
	{ "t_precheck_trans", "retransmissions are absorbed before a route runs" },
	{ "t_newtran", "the transaction is created by itself before anything waits" },
	{ "t_release", "transactions end by themselves" },
	{ "t_suspend", "any function may wait: write the next line below it" },
	{ "t_continue", "any function may wait: write the next line below it" },
	{ "t_reply", "write `send_reply(code, reason)`" },
	{ "t_send_reply", "write `send_reply(code, reason)`" },
	{ "t_check_status", "write `let a = relay(); if (a.code == 486) …`" },
	{ "t_is_canceled", "write `let a = relay(); if (a.cancelled) …`" },
	{ "t_was_cancelled", "write `let a = relay(); if (a.cancelled) …`" },
	{ "t_branch_timeout", "write `let a = relay(timeout = 30s); if (a.code == 408) …`" },
	{ "t_any_timeout", "write `let a = relay(timeout = 30s); if (a.code == 408) …`" },
	{ "t_is_set", "what a `relay(on_branch = NAME, on_reply = NAME)` is given holds for that relay alone" },
	{ "t_set_fr", "write `relay(timeout = 30s)`" },
	{ "t_next_contacts", "write `relay()` once: the module forking decides who rings when" },
	{ "t_load_contacts", "write `relay()` once: the module forking decides who rings when" },
	{ "sl_send_reply", "write `send_reply(code, reason)`: with or without a transaction" },
	{ "sl_reply_error", "write `send_reply(code, reason)`" },
	{ "loose_route", "requests within a dialog follow their Route set by themselves; `dialog_route { … }` sees them" },
	{ "mf_process_maxfwd_header", "Max-Forwards is checked and counted before a route runs" },
	{ "sanity_check", "malformed requests are answered before a route runs" },
	{ "force_rport", "rport is always honoured (RFC 3581)" },
	{ "add_rport", "rport is always honoured (RFC 3581)" },
	{ "has_credentials", "write `authenticate()`: it answers 401 or 407 itself" },
	{ "www_authorize", "write `authenticate()`: it answers 401 itself" },
	{ "proxy_authorize", "write `authenticate()`: it answers 407 itself" },
	{ "www_authenticate", "write `authenticate()`: it answers 401 itself" },
	{ "proxy_authenticate", "write `authenticate()`: it answers 407 itself" },
	{ "www_challenge", "write `authenticate()`: it answers 401 itself" },
	{ "proxy_challenge", "write `authenticate()`: it answers 407 itself" },
	{ "auth_check", "write `authenticate()`: it answers 401 or 407 itself" },
	{ "auth_challenge", "write `authenticate()`: it answers 401 or 407 itself" },
	{ "consume_credentials", "credentials for this server are removed when the request is relayed" },
	{ "is_myself", "write `is_local($rd)`" },
	{ "is_from_local", "write `is_local($fd)`" },
	{ "is_uri_host_local", "write `is_local($rd)`" },
	{ "is_domain_local", "write `is_local($rd)`" },
	{ "registered", "write `lookup()`" },
	{ "seturi", "write `$ru = \"sip:…\";`" },
	{ "rewriteuri", "write `$ru = \"sip:…\";`" },
	{ "sethost", "write `$rd = \"…\";`" },
	{ "rewritehost", "write `$rd = \"…\";`" },
	{ "setuser", "write `$rU = \"…\";`" },
	{ "rewriteuser", "write `$rU = \"…\";`" },
	{ "prefix", "write `$ru = $ru.prefix(\"00\");`" },
	{ "strip", "write `$ru = $ru.strip(1);`" },
	{ "strip_tail", "write `$ru = $ru.strip_tail(1);`" },
	{ "subst_uri", "write `$ru = subst($ru, /…/, \"…\");`" },
	{ "subst_user", "write `$rU = subst($rU, /…/, \"…\");`" },
	{ "subst_hf", "write `$hdr(Name) = subst($hdr(Name), /…/, \"…\");`" },
	{ "subst_body", "write `$body = subst($body, /…/, \"…\");`" },
	{ "sht_inc", "write `$sht(table => key).add(1)`" },
	{ "setdsturi", "write `$du = \"sip:…\";`" },
	{ "msg_apply_changes", "edits take effect at once" },
	{ "xdbg", "write `log(\"…\", level = \"debug\")`" },
	{ "xinfo", "write `xlog(\"…\")`" },
	{ "xnotice", "write `xlog(\"…\")`" },
	{ "xwarn", "write `log(\"…\", level = \"warn\")`" },
	{ "xerr", "write `log(\"…\", level = \"error\")`" },
	{ "defined", "write `x != null`, or `if (x)`" },
	{ "sl_forward_reply", "replies are sent on by themselves" },
	{ "append_branch", "write `$ru = …; let a = relay();` once for each try" },
	{ "isflagset", "write `$avp(name)`" },
	{ "setflag", "write `$avp(name) = true;`" },
	{ "resetflag", "write `$avp(name) = null;`" },
	{ "setbflag", "write `$avp(name) = true;`" },
	{ "isbflagset", "write `$avp(name)`" },
	{ "fix_nated_contact", "replies and requests go back to where their sender is seen to be" },
	{ "fix_nated_register", "the address a REGISTER came from is kept with its binding" },
};

static const struct foreign *foreign_func(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(foreign_funcs); i++)
		if (str_ieqz(name, foreign_funcs[i].name))
			return &foreign_funcs[i];
	return NULL;
}

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
	else
		diag_did_you_mean(c->d, g, nearest_func(c, call->name, true));
}

void check_no_func(struct checker *c, const struct call_expr *call)
{
	const struct foreign *foreign = foreign_func(call->name);
	struct str            module = foreign ? STR_NONE : c->env->offering(call->name);
	struct diag          *g;

	if (call->method) {
		no_method(c, call);
		return;
	}
	if (foreign) {
		diag_add(c->d, D_NOT_NEEDED, call->name_span, "`" STR_FMT "` is not needed here: %s", STR_ARG(call->name), foreign->help);
		return;
	}
	g = diag_add(c->d, D_NO_FUNCTION, call->name_span, "no function `" STR_FMT "`", STR_ARG(call->name));
	if (check_find_func(c, call->name, true))
		diag_help(c->d, g, "it is a method: write `value." STR_FMT "(…)`", STR_ARG(call->name));
	else if (module.len)
		diag_help(c->d, g, "the module `" STR_FMT "` has it: add `module " STR_FMT " { }`", STR_ARG(module), STR_ARG(module));
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

/* `$var(x)`, `$dlg_var(x)`, `$shv(x)`, `$xavp(x)` of other servers. */
static const char *foreign_var(struct str name)
{
	static const struct foreign all[] = {
		{ "var", "write `let x = …;` and then `x`" },
		{ "shv", "write `table NAME { … }` and `$sht(NAME => key)`" },
		{ "xavp", "write `$avp(name)`" },
		{ "vn", "write `$avp(name)`" },
		{ "sel", "there is `$hdr(Name)`" },
		{ "retcode", "write `let x = …;`: calls give values" },
		{ "rc", "write `let x = …;`: calls give values" },
		{ "T_reply_code", "write `let a = relay(); if (a.code == 486) …`" },
		{ "def", "write the name of the `const` alone" },
		{ "defn", "write the name of the `const` alone" },
		{ "env", "write `env(\"NAME\", \"default\")`" },
		{ "null", "write `null`" },
		{ "sht", "write `$sht(table => key)`" },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (str_is(name, all[i].name))
			return all[i].help;
	return NULL;
}

void check_no_var(struct checker *c, const struct expr *e)
{
	struct str   name = e->u.var.name, near = nearest_var(c, name);
	const char  *foreign = foreign_var(name);
	struct diag *g = diag_add(c->d, D_NO_VARIABLE, e->u.var.name_span, "no variable `$" STR_FMT "`", STR_ARG(name));

	if (foreign)
		diag_help(c->d, g, "%s", foreign);
	else if (check_find_local(c, name) || check_find_const(c, name))
		diag_help(c->d, g, "`" STR_FMT "` is written without the `$`; within a string `$(" STR_FMT ")`", STR_ARG(name), STR_ARG(name));
	else if (near.len)
		diag_help(c->d, g, "did you mean `$" STR_FMT "`?", STR_ARG(near));
}

/* --- bare words --- */
/* Keywords that are variables here. */
static const char *foreign_word(struct str name)
{
	static const struct foreign all[] = {
		{ "myself", "write `is_local($rd)`" }, { "uri", "write `$ru`" },       { "method", "write `$rm`" },   { "from_uri", "write `$fu`" },
		{ "to_uri", "write `$tu`" },           { "src_ip", "write `$si`" },    { "src_port", "write `$sp`" }, { "dst_ip", "write `$Ri`" },
		{ "dst_port", "write `$Rp`" },         { "proto", "write `$proto`" },  { "status", "write `$rs`" },   { "retcode", "calls give values: `let x = …;`" },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (str_is(name, all[i].name))
			return all[i].help;
	return NULL;
}

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
	} else if (foreign_word(name))
		diag_help(c->d, g, "%s", foreign_word(name));
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
	if (nearest_name(&near).len)
		diag_did_you_mean(c->d, g, nearest_name(&near));
	else
		diag_help(c->d, g, "declare it: `table " STR_FMT " { key: string; ttl: 5m; max: 10000; }`", STR_ARG(name));
}

/* --- routes --- */
static struct str nearest_route(struct checker *c, enum route_kind kind, struct str name)
{
	struct nearest near = nearest_to(name);

	for (struct route *r = c->prog->routes; r; r = r->next)
		if (r->kind == kind && r->name.len)
			nearest_offer(&near, r->name);
	return nearest_name(&near);
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
	struct route       *r = program_route(c->prog, kind, name);
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
	diag_did_you_mean(c->d, g, nearest_route(c, kind, name));
	return NULL;
}

void check_event_name(struct checker *c, const struct route *r)
{
	struct nearest near = nearest_to(r->name);
	struct diag   *g;

	if (!c->env->events)
		return;
	for (const char *const *e = c->env->events; *e; e++) {
		if (str_is(r->name, *e))
			return;
		nearest_offer(&near, str_of(*e));
	}
	g = diag_add(c->d, D_NO_EVENT, r->name_span, "no event `" STR_FMT "`", STR_ARG(r->name));
	diag_did_you_mean(c->d, g, nearest_name(&near));
}

/* --- kinds of routes --- */
void check_use(struct checker *c, struct str name, struct span span, uint32_t where)
{
	struct use *u;

	if (!c->route || (where & IN_ANY) == IN_ANY)
		return;
	u = CHECK_NEW(c, struct use);
	if (!u)
		return;
	*u = (struct use){ .next = c->route->uses, .name = name, .span = span, .where = where };
	c->route->uses = u;
}

static void kinds_text(struct buf *b, uint32_t where)
{
	bool more = false;

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
			uint32_t     wrong = r->where & ~u->where;
			char         room[2][160];
			struct buf   here = buf_on(room[0], sizeof(room[0])), right = buf_on(room[1], sizeof(room[1]));
			struct diag *g;

			if (!wrong)
				continue;
			kinds_text(&here, wrong);
			kinds_text(&right, u->where & IN_ANY);
			g = diag_add(c->d, D_NOT_HERE, u->span, "`" STR_FMT "` makes no sense in a " STR_FMT "; it is for " STR_FMT, STR_ARG(u->name),
				     STR_ARG(buf_str(&here)), STR_ARG(buf_str(&right)));
			if (r->kind == ROUTE_SUB)
				diag_note(c->d, g, r->span, "this route is called there");
		}
}
