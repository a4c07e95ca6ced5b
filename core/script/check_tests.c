/* test blocks: methods, attributes and their values. */
#include "script/checker.h"

static const char *const attrs[] = { "from", "to", "uri", "ruri", "header", "body", "reason", "source", "within" };

static void check_attr_name(struct checker *c, const struct test_attr *a)
{
	struct nearest near = nearest_to(a->name);

	for (size_t i = 0; i < COUNT_OF(attrs); i++) {
		if (str_is(a->name, attrs[i]))
			return;
		nearest_offer(&near, str_of(attrs[i]));
	}
	diag_did_you_mean(c->d, diag_add(c->d, D_TEST, a->span, "a test knows no `" STR_FMT "`", STR_ARG(a->name)), nearest_name(&near));
}

static void check_attr(struct checker *c, const struct test_attr *a)
{
	check_attr_name(c, a);
	if (!check_const_expr(c, a->value))
		return;
	if (str_is(a->name, "from") || str_is(a->name, "to") || str_is(a->name, "uri") || str_is(a->name, "ruri"))
		check_uri(c, a->value);
	if (str_is(a->name, "within"))
		check_value_for(c, a->value, T_DURATION, false, D_ARGUMENT_TYPE, "`within`");
	else
		check_value_for(c, a->value, T_STR, false, D_ARGUMENT_TYPE, "this");
}

static void check_step(struct checker *c, const struct test_step *s)
{
	if (s->method.len)
		check_method(c, s->method, s->method_span);
	if (s->time && check_const_expr(c, s->time))
		check_value_for(c, s->time, T_DURATION, false, D_ARGUMENT_TYPE, "the time to wait");
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		check_attr(c, a);
}

void check_tests(struct checker *c)
{
	for (const struct test *t = c->prog->tests; t; t = t->next) {
		for (const struct test *x = c->prog->tests; x != t; x = x->next)
			if (str_eq(x->name, t->name))
				diag_note(c->d, diag_add(c->d, D_TWICE, t->span, "two tests have this name"), x->span, "first here");
		for (const struct test_step *s = t->steps; s; s = s->next)
			check_step(c, s);
	}
}
