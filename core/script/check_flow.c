/* The paths of one route: is everything assigned before it is read, does each path say what happens, is anything said twice, is there
 * a line that no path reaches, can each loop end. Runs on routes without errors of names or types. */
#include "script/checker.h"

/* What has been said so far: the set of what is possible over all paths to this point. */
enum said {
	SAID_NOTHING = 1,
	SAID_HELD = 2,		/* relayed, the answer is held: may relay again or reply */
	SAID_FINAL = 4,		/* answered or forwarded: nothing more to say */
};
struct path {
	bool        live;		/* this point can be reached */
	unsigned    said;
	uint64_t    assigned[MOST_SLOTS / 64];
	struct span silent;		/* where the ways parted and one went on in silence; .src NULL: from the beginning */
	const char *silent_why;
	const struct expr *ender;	/* not live: the call that ended it, if it was one */
	enum stmt_kind     end_kind;	/* not live: the statement that ended it */
};
struct loop {
	struct loop *up;
	struct path  breaks;
};
struct paths {
	struct checker *c;
	struct route   *r;
	struct path     now;
	struct loop    *loop;
	bool            aside;			/* in a spawn block: nobody waits for what it says */
	bool            told_unreachable;	/* once for each stretch */
};

/* --- joining --- */
static void path_join(struct path *a, const struct path *b)
{
	if (!b->live)
		return;
	if (!a->live) {
		*a = *b;
		return;
	}
	if (!(a->said & SAID_NOTHING) && (b->said & SAID_NOTHING)) {
		a->silent = b->silent;
		a->silent_why = b->silent_why;
	}
	a->said |= b->said;
	for (size_t i = 0; i < COUNT_OF(a->assigned); i++)
		a->assigned[i] &= b->assigned[i];
}

static void path_end(struct paths *f, const struct expr *call, enum stmt_kind kind)
{
	f->now.live = false;
	f->now.ender = call;
	f->now.end_kind = kind;
	f->r->ends_some = f->r->ends_some || (call && f->r->kind == ROUTE_SUB);
	f->told_unreachable = false;
}

static void assign(struct paths *f, const struct local *l)
{
	f->now.assigned[l->slot / 64] |= (uint64_t)1 << l->slot % 64;
}

static bool assigned(const struct paths *f, const struct local *l)
{
	return f->now.assigned[l->slot / 64] >> l->slot % 64 & 1;
}

/* --- what calls say --- */
/* A path that ends here: in a route that messages enter by, it must have said something. */
static void report_silent(struct paths *f, struct span where, const char *how)
{
	struct diag *g;

	if (!(f->now.said & SAID_NOTHING) || f->aside)
		return;
	if (f->r->kind == ROUTE_SUB) {
		if (!f->r->silent_exit.src)
			f->r->silent_exit = where;
		return;
	}
	if (f->r->kind != ROUTE_REQUEST && f->r->kind != ROUTE_DIALOG)
		return;
	g = diag_add(f->c->d, D_SILENT, where, "%s without saying what happens to the request", how);
	if (f->now.silent.src)
		diag_note(f->c->d, g, f->now.silent, "%s", f->now.silent_why);
	diag_help(f->c->d, g, "reply, relay, forward or write `drop;`");
}

static void two_finals(struct paths *f, struct span where, const struct span *first)
{
	struct diag *g = diag_add(f->c->d, D_TWO_FINALS, where, "a second answer on this path");

	if (first)
		diag_note(f->c->d, g, *first, "the first one ends the run");
	else
		diag_note(f->c->d, g, (struct span){ 0 }, "the request has been answered before on every way here");
}

static bool says_final(const struct call_expr *call)
{
	const struct mod_func *func = call->func;
	const struct expr     *code = call->argc ? call->argv[0] : NULL;

	if (!(func->flags & F_REPLY_CODE))
		return func->flags & F_SAYS;
	return !code || code->kind != EX_CONST || code->u.value.type != T_INT || code->u.value.u.i >= 200;
}

static void flow_call(struct paths *f, const struct expr *e)
{
	const struct call_expr *call = &e->u.call;
	bool                    says = says_final(call);
	bool                    known = call->ends || !(call->func->flags & F_ENDS_FINAL);

	if (says && f->now.said == SAID_FINAL)
		two_finals(f, call->name_span, NULL);
	if (says && (call->func->flags & F_WAITS_IF_USED))
		f->now.said = SAID_HELD;
	else if (says)
		f->now.said = known ? SAID_FINAL : SAID_HELD;
	if (call->ends)
		path_end(f, e, ST_EXPR);
}

static void flow_route_call(struct paths *f, const struct expr *e)
{
	const struct route *to = e->u.route.route;
	struct diag        *g;

	if (to->silent_exit.src && (f->now.said & SAID_NOTHING)) {
		struct path before = f->now;

		f->now.silent = e->span;
		f->now.silent_why = "called from here";
		report_silent(f, to->silent_exit, "the run ends");
		f->now = before;
	}
	if (!to->returns) {
		path_end(f, e, ST_EXPR);
		return;
	}
	if (f->now.said == SAID_FINAL && to->says == SAID_FINAL) {
		g = diag_add(f->c->d, D_TWO_FINALS, e->span, "a second answer on this path");
		diag_note(f->c->d, g, to->span, "this route answers");
	}
	if (!(to->says & SAID_NOTHING)) {
		f->now.said = to->says;
		return;
	}
	if ((to->says != SAID_NOTHING || to->ends_some) && !f->now.silent.src) {
		f->now.silent = e->span;
		f->now.silent_why = "this route may return without a reply or a relay";
	}
	f->now.said |= to->says & ~(unsigned)SAID_NOTHING;
}

/* --- expressions, in the order they are evaluated --- */
static void flow_expr(struct paths *f, const struct expr *e);

static void flow_list(struct paths *f, struct expr *const *item, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (item[i])
			flow_expr(f, item[i]);
}

static void flow_local(struct paths *f, const struct expr *e)
{
	struct diag *g;

	if (!f->now.live || assigned(f, e->u.local))
		return;
	g = diag_add(f->c->d, D_UNASSIGNED, e->span, "`" STR_FMT "` is read before it is assigned", STR_ARG(e->u.local->name));
	diag_note(f->c->d, g, e->u.local->span, "declared here without a value");
}

/* The right side of ?? && || is evaluated on one of two ways only. */
static void flow_either(struct paths *f, const struct expr *e)
{
	struct path without;

	flow_expr(f, e->u.op.a);
	without = f->now;
	flow_expr(f, e->u.op.b);
	path_join(&f->now, &without);
}

static void flow_expr(struct paths *f, const struct expr *e)
{
	switch (e->kind) {
	case EX_LOCAL:
		flow_local(f, e);
		break;
	case EX_TEXT: case EX_LIST:
		flow_list(f, e->u.list.item, e->u.list.count);
		break;
	case EX_TABLE:
		flow_expr(f, e->u.table.key);
		if (e->u.table.add)
			flow_expr(f, e->u.table.add);
		break;
	case EX_CALL:
		flow_list(f, e->u.call.argv, e->u.call.argc);
		flow_call(f, e);
		break;
	case EX_ROUTE:
		flow_list(f, e->u.route.argv, e->u.route.argc);
		flow_route_call(f, e);
		break;
	case EX_FIELD:
		flow_expr(f, e->u.field.of);
		break;
	case EX_INDEX:
		flow_expr(f, e->u.index.of);
		flow_expr(f, e->u.index.at);
		break;
	case EX_UNARY:
		flow_expr(f, e->u.op.a);
		break;
	case EX_BINARY:
		if (e->op == OP_DEFAULT || e->op == OP_AND || e->op == OP_OR) {
			flow_either(f, e);
			break;
		}
		flow_expr(f, e->u.op.a);
		flow_expr(f, e->u.op.b);
		break;
	default:
		break;
	}
}

/* --- lines that are not reached --- */
/* The call that this statement consists of. */
static const struct call_expr *stmt_call(const struct stmt *s)
{
	const struct expr *e = s->value;

	if (s->kind != ST_EXPR && s->kind != ST_LET && s->kind != ST_ASSIGN)
		return NULL;
	return e && e->kind == EX_CALL ? &e->u.call : NULL;
}

static bool ends_quietly(const struct stmt *s)
{
	return s->kind == ST_EXIT || s->kind == ST_RETURN;
}

static const char *end_text(const struct path *p)
{
	static const char *const text[] = {
		[ST_RETURN] = "`return`", [ST_EXIT] = "`exit`", [ST_DROP] = "`drop`", [ST_BREAK] = "`break`", [ST_CONTINUE] = "`continue`",
		[ST_IF] = "what stands before", [ST_WHILE] = "the loop before", [ST_EXPR] = "the call before",
	};

	return p->end_kind < COUNT_OF(text) && text[p->end_kind] ? text[p->end_kind] : "what stands before";
}

static void report_unreachable(struct paths *f, const struct stmt *s)
{
	const struct expr      *ender = f->now.ender;
	const struct call_expr *by = ender && ender->kind == EX_CALL ? &ender->u.call : NULL, *call = stmt_call(s);
	struct diag            *g;

	if (f->told_unreachable || (by && ends_quietly(s)))
		return;
	f->told_unreachable = true;
	if (by && (by->func->flags & F_WAITS_IF_USED)) {
		g = diag_add(f->c->d, D_AFTER_RELAY, s->span, "`%s()` has ended this path", by->func->name);
		diag_note(f->c->d, g, ender->span, "its answer is not used, so the run ends here");
		diag_help(f->c->d, g, "use its answer: `let a = %s();`", by->func->name);
		return;
	}
	if (by && call && (says_final(call) || call->ends)) {
		two_finals(f, call->name_span, &ender->span);
		return;
	}
	g = diag_add(f->c->d, D_UNREACHABLE, s->span, "this is never reached");
	if (ender)
		diag_note(f->c->d, g, ender->span, "the run ends here");
	else
		diag_note(f->c->d, g, (struct span){ 0 }, "%s ends the path", end_text(&f->now));
}

/* --- statements --- */
static void flow_stmt(struct paths *f, const struct stmt *s);

static void flow_block(struct paths *f, const struct stmt *s)
{
	for (const struct stmt *x = s->body; x; x = x->next) {
		if (!f->now.live)
			report_unreachable(f, x);
		flow_stmt(f, x);
	}
}

static bool is_const_bool(const struct expr *e, bool b)
{
	return e->kind == EX_CONST && e->u.value.type == T_BOOL && e->u.value.u.b == b;
}

/* One way has said something, the other has not: remember where they parted. */
static void note_parting(struct path *joined, const struct path *yes, const struct path *no, const struct stmt *s)
{
	bool yes_silent = yes->live && (yes->said & SAID_NOTHING), no_silent = no->live && (no->said & SAID_NOTHING);

	if (yes_silent == no_silent || !joined->live)
		return;
	if ((yes_silent ? yes : no)->silent.src && s->other)
		return;	/* it parted further in */
	joined->silent = s->span;
	joined->silent_why = yes_silent ? "when this is true" : "when this is false";
}

static void flow_if(struct paths *f, const struct stmt *s)
{
	struct path yes, no;

	flow_expr(f, s->value);
	no = f->now;
	if (s->body)
		flow_stmt(f, s->body);
	yes = f->now;
	f->now = no;
	if (s->other)
		flow_stmt(f, s->other);
	no = f->now;
	if (is_const_bool(s->value, true) && !s->other)
		no.live = false;
	path_join(&f->now, &yes);
	if (is_const_bool(s->value, true) && !s->other)
		f->now = yes;
	note_parting(&f->now, &yes, &no, s);
	f->told_unreachable = false;
}

/* --- loops that cannot end --- */
struct ways_out {
	const struct expr *cond;
	bool               leaves, changes;
};

static void scan_stmt(struct ways_out *w, const struct stmt *s, unsigned depth);

static bool reads_local(const struct expr *e, const struct local *l);

static bool any_reads(struct expr *const *item, size_t n, const struct local *l)
{
	for (size_t i = 0; i < n; i++)
		if (item[i] && reads_local(item[i], l))
			return true;
	return false;
}

/* Does e depend on this local; with NULL: on anything of the message or on a call? */
static bool reads_local(const struct expr *e, const struct local *l)
{
	switch (e->kind) {
	case EX_LOCAL: return l && e->u.local == l;
	case EX_VAR: return !l;
	case EX_TABLE: return !l || reads_local(e->u.table.key, l);
	case EX_CALL: return !l || any_reads(e->u.call.argv, e->u.call.argc, l);
	case EX_ROUTE: return !l || any_reads(e->u.route.argv, e->u.route.argc, l);
	case EX_TEXT: case EX_LIST: return any_reads(e->u.list.item, e->u.list.count, l);
	case EX_FIELD: return reads_local(e->u.field.of, l);
	case EX_INDEX: return reads_local(e->u.index.of, l) || reads_local(e->u.index.at, l);
	case EX_UNARY: return reads_local(e->u.op.a, l);
	case EX_BINARY: return reads_local(e->u.op.a, l) || reads_local(e->u.op.b, l);
	default: return false;
	}
}

static bool has_call(const struct expr *e)
{
	switch (e->kind) {
	case EX_CALL: case EX_ROUTE: return true;
	case EX_TABLE: return has_call(e->u.table.key);
	case EX_FIELD: return has_call(e->u.field.of);
	case EX_INDEX: return has_call(e->u.index.of) || has_call(e->u.index.at);
	case EX_UNARY: return has_call(e->u.op.a);
	case EX_BINARY: return has_call(e->u.op.a) || has_call(e->u.op.b);
	case EX_TEXT: case EX_LIST:
		for (size_t i = 0; i < e->u.list.count; i++)
			if (has_call(e->u.list.item[i]))
				return true;
		return false;
	default: return false;
	}
}

/* A call that may end the run is a way out. */
static bool may_end(const struct expr *e)
{
	switch (e->kind) {
	case EX_CALL: return e->u.call.ends || (e->u.call.func->flags & (F_MAY_END | F_ENDS | F_ENDS_FINAL));
	case EX_ROUTE: return !e->u.route.route->returns || e->u.route.route->silent_exit.src || e->u.route.route->says != SAID_NOTHING;
	case EX_UNARY: return may_end(e->u.op.a);
	case EX_BINARY: return may_end(e->u.op.a) || may_end(e->u.op.b);
	default: return false;
	}
}

static void scan_expr(struct ways_out *w, const struct expr *e)
{
	if (!e)
		return;
	w->leaves = w->leaves || may_end(e);
	w->changes = w->changes || (has_call(e) && reads_local(w->cond, NULL));
}

static void scan_stmt(struct ways_out *w, const struct stmt *s, unsigned depth)
{
	scan_expr(w, s->value);
	switch (s->kind) {
	case ST_BLOCK:
		for (const struct stmt *x = s->body; x; x = x->next)
			scan_stmt(w, x, depth);
		break;
	case ST_IF: case ST_WHILE: case ST_FOR:
		if (s->body)
			scan_stmt(w, s->body, depth + (s->kind != ST_IF));
		if (s->other)
			scan_stmt(w, s->other, depth);
		break;
	case ST_ASSIGN:
		w->changes = w->changes || (s->target->kind == EX_LOCAL ? reads_local(w->cond, s->target->u.local) : reads_local(w->cond, NULL));
		break;
	case ST_BREAK:
		w->leaves = w->leaves || depth == 0;
		break;
	case ST_PARALLEL:
		scan_stmt(w, s->body, depth);
		break;
	case ST_RETURN: case ST_EXIT: case ST_DROP:
		w->leaves = true;
		break;
	default:
		break;
	}
}

static void check_ends(struct paths *f, const struct stmt *s)
{
	struct ways_out w = { .cond = s->value };
	struct diag    *g;

	if (s->body)
		scan_stmt(&w, s->body, 0);
	if (w.leaves || w.changes || has_call(s->value) || is_const_bool(s->value, false))
		return;
	g = diag_add(f->c->d, D_ENDLESS, s->value->span, "this loop cannot end");
	if (is_const_bool(s->value, true))
		diag_help(f->c->d, g, "leave it with `break`, `return` or `exit`");
	else
		diag_help(f->c->d, g, "nothing in it changes the condition");
}

static void flow_loop(struct paths *f, const struct stmt *s)
{
	struct loop loop = { .up = f->loop };
	struct path before;

	flow_expr(f, s->value);
	if (s->kind == ST_WHILE)
		check_ends(f, s);
	before = f->now;
	if (s->kind == ST_FOR)
		assign(f, s->local);
	f->loop = &loop;
	if (s->body)
		flow_stmt(f, s->body);
	f->loop = loop.up;
	if (s->kind == ST_WHILE && is_const_bool(s->value, true)) {
		f->now = loop.breaks;
		f->now.end_kind = ST_WHILE;
		f->now.ender = NULL;
		return;
	}
	path_join(&f->now, &loop.breaks);
	if (f->now.live && !(f->now.said & SAID_NOTHING)) {
		before.silent = s->span;
		before.silent_why = "when this is not entered";
	}
	path_join(&f->now, &before);
}

/* --- ends --- */
static void route_returns(struct paths *f)
{
	if (!f->now.live || f->aside)
		return;
	f->r->returns = true;
	f->r->says |= f->now.said;
}

static void flow_return(struct paths *f, const struct stmt *s)
{
	if (f->now.live && f->r->kind != ROUTE_SUB)
		report_silent(f, s->span, "the run ends");
	route_returns(f);
	path_end(f, NULL, ST_RETURN);
}

static void flow_end(struct paths *f, const struct stmt *s)
{
	if (f->now.live && s->kind == ST_EXIT)
		report_silent(f, s->span, "the run ends");
	if (f->loop && f->now.live && s->kind == ST_BREAK)
		path_join(&f->loop->breaks, &f->now);
	path_end(f, NULL, s->kind);
}

/* Whatever happens in it, the path goes on behind it as it was. */
static void flow_spawn(struct paths *f, const struct stmt *s)
{
	struct path  before = f->now;
	struct loop *loop = f->loop;
	bool         aside = f->aside;

	f->loop = NULL;
	f->aside = true;
	flow_block(f, s->body);
	f->aside = aside;
	f->loop = loop;
	f->now = before;
	f->told_unreachable = false;
}

static void flow_parallel(struct paths *f, const struct stmt *s)
{
	for (const struct stmt *x = s->body->body; x; x = x->next)
		flow_expr(f, x->value);
	for (const struct stmt *x = s->body->body; x; x = x->next)
		assign(f, x->kind == ST_LET ? x->local : x->target->u.local);
}

static void flow_stmt(struct paths *f, const struct stmt *s)
{
	bool dead = !f->now.live;

	switch (s->kind) {
	case ST_BLOCK:
		flow_block(f, s);
		return;
	case ST_IF:
		flow_if(f, s);
		break;
	case ST_WHILE: case ST_FOR:
		flow_loop(f, s);
		break;
	case ST_LET: case ST_ASSIGN: case ST_EXPR:
		if (s->target && s->target->kind == EX_TABLE)
			flow_expr(f, s->target->u.table.key);
		if (s->value)
			flow_expr(f, s->value);
		if (s->kind == ST_LET && s->value)
			assign(f, s->local);
		if (s->kind == ST_ASSIGN && s->target->kind == EX_LOCAL)
			assign(f, s->target->u.local);
		break;
	case ST_RETURN:
		if (s->value)
			flow_expr(f, s->value);
		flow_return(f, s);
		break;
	case ST_SPAWN:
		flow_spawn(f, s);
		break;
	case ST_PARALLEL:
		flow_parallel(f, s);
		break;
	default:
		flow_end(f, s);
		break;
	}
	if (dead)
		f->now.live = false;	/* whatever it does, it is not done */
}

void check_flow_unknown(struct route *r)
{
	r->returns = true;
	r->says = SAID_HELD;
}

void check_flow(struct checker *c, struct route *r)
{
	struct paths f = { .c = c, .r = r, .now = { .live = true, .said = SAID_NOTHING } };

	r->says = 0;
	for (const struct local *l = r->params; l && l->is_param; l = l->next)
		assign(&f, l);
	flow_block(&f, r->body);
	if (f.now.live && r->kind != ROUTE_SUB)
		report_silent(&f, r->body->end, "the route ends");
	route_returns(&f);
}

/* --- for the types: without the paths, from what is known of the calls --- */
static bool expr_ends(const struct expr *e)
{
	if (!e)
		return false;
	if (e->kind == EX_CALL)
		return e->u.call.ends;
	return e->kind == EX_ROUTE && e->u.route.route && e->u.route.route->state == 2 && !e->u.route.route->returns;
}

/* Does a break of this loop stand in s? */
static bool breaks(const struct stmt *s)
{
	if (s->kind == ST_BREAK)
		return true;
	if (s->kind == ST_BLOCK)
		for (const struct stmt *x = s->body; x; x = x->next)
			if (breaks(x))
				return true;
	return s->kind == ST_IF && ((s->body && breaks(s->body)) || (s->other && breaks(s->other)));
}

bool stmt_completes(const struct stmt *s)
{
	switch (s->kind) {
	case ST_BLOCK:
		for (const struct stmt *x = s->body; x; x = x->next)
			if (!stmt_completes(x))
				return false;
		return true;
	case ST_IF:
		return !s->other || !s->body || stmt_completes(s->body) || stmt_completes(s->other);
	case ST_WHILE:
		return !is_const_bool(s->value, true) || (s->body && breaks(s->body));
	case ST_RETURN: case ST_EXIT: case ST_DROP: case ST_BREAK: case ST_CONTINUE:
		return false;
	case ST_EXPR: case ST_LET: case ST_ASSIGN:
		return !expr_ends(s->value);
	default:
		return true;
	}
}
