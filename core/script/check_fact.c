/* What is known not to be null: within `if (user.forward_always) { … }`, behind `if (!user) { …; exit; }`, on the right of
 * `user.forward_busy && …`. Known of locals, of fields of record locals and of $variables, until they are assigned. */
#include "script/checker.h"

static bool about(const struct expr *e, struct fact *out)
{
	*out = (struct fact){ .field = -1 };
	if (e->kind == EX_LOCAL)
		out->local = e->u.local;
	else if (e->kind == EX_FIELD && e->u.field.of->kind == EX_LOCAL && e->u.field.index >= 0) {
		out->local = e->u.field.of->u.local;
		out->field = e->u.field.index;
	} else if (e->kind == EX_VAR && e->u.var.var) {
		out->var = e->u.var.var;
		out->arg = e->u.var.arg;
	} else
		return false;
	return true;
}

static bool is_header(const struct mod_var *v)
{
	return strcmp(v->name, "hdr") == 0;
}

/* Forgetting a local forgets its fields. */
static bool concerns(const struct fact *f, const struct fact *about_it)
{
	if (!f->local && !f->var)
		return true;	/* fact_forget_all() */
	if (f->local != about_it->local || f->var != about_it->var)
		return false;
	if (f->local)
		return f->field == about_it->field || (f->forgotten && f->field < 0);
	return is_header(f->var) ? str_ieq(f->arg, about_it->arg) : str_eq(f->arg, about_it->arg);
}

bool fact_known(const struct checker *c, const struct expr *e)
{
	struct fact it;

	if (!about(e, &it))
		return false;
	for (const struct fact *f = c->facts; f; f = f->up)
		if (concerns(f, &it))
			return !f->forgotten;
	return false;
}

static void fact_push(struct checker *c, const struct fact *f, bool forgotten)
{
	struct fact *copy = CHECK_NEW(c, struct fact);

	if (!copy)
		return;
	*copy = *f;
	copy->up = c->facts;
	copy->forgotten = forgotten;
	c->facts = copy;
}

static bool is_null(const struct expr *e)
{
	return is_const(e) && e->u.value.type == T_NULL;
}

void facts_when(struct checker *c, const struct expr *cond, bool outcome)
{
	struct fact f;

	if (cond->kind == EX_UNARY && cond->op == OP_NOT) {
		facts_when(c, cond->u.op.a, !outcome);
		return;
	}
	if (cond->kind == EX_UNARY && cond->op == OP_IS_SET && outcome && about(cond->u.op.a, &f))
		fact_push(c, &f, false);
	if (cond->kind != EX_BINARY)
		return;
	if ((cond->op == OP_AND && outcome) || (cond->op == OP_OR && !outcome)) {
		facts_when(c, cond->u.op.a, outcome);
		facts_when(c, cond->u.op.b, outcome);
	}
	if ((cond->op == OP_NE && outcome) || (cond->op == OP_EQ && !outcome)) {
		if (is_null(cond->u.op.b) && about(cond->u.op.a, &f))
			fact_push(c, &f, false);
		if (is_null(cond->u.op.a) && about(cond->u.op.b, &f))
			fact_push(c, &f, false);
	}
	/* x == "text": then x is not null */
	if (cond->op == OP_EQ && outcome && is_const(cond->u.op.b) && !is_null(cond->u.op.b) && about(cond->u.op.a, &f))
		fact_push(c, &f, false);
}

void fact_forget(struct checker *c, const struct expr *target)
{
	struct fact f;

	if (about(target, &f))
		fact_push(c, &f, true);
}

void fact_set(struct checker *c, const struct expr *target)
{
	struct fact f;

	if (about(target, &f))
		fact_push(c, &f, false);
}

void fact_forget_all(struct checker *c)
{
	static const struct fact all = { .field = -1 };

	fact_push(c, &all, true);
}

void facts_leave(struct checker *c, struct fact *before)
{
	struct fact *inner = c->facts;

	c->facts = before;
	for (; inner && inner != before; inner = inner->up)
		if (inner->forgotten)
			fact_push(c, inner, true);
}
