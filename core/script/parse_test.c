/* test "name" { send …; expect …; wait …; } */
#include "script/parse.h"

/* An attribute: a name and a value, `with`, `and` and commas between them as one likes. */
static struct test_attr *parse_attr(struct parser *p)
{
	struct test_attr *a;

	while (parser_take(p, TK_COMMA) || parser_at_word(p, "with") || parser_at_word(p, "and"))
		if (parser_at(p, TK_NAME) && (parser_at_word(p, "with") || parser_at_word(p, "and")))
			parser_advance(p);
	if (p->panic || parser_at(p, TK_SEMI) || parser_at(p, TK_RBRACE))
		return NULL;
	a = PARSER_NEW(p, struct test_attr);
	if (!parser_name(p, "`;` or an attribute (from, to, header, body …)", &a->name, &a->span))
		return NULL;
	parser_take(p, TK_ASSIGN);
	a->value = parse_operand(p);
	return a;
}

static void parse_attrs(struct parser *p, struct test_step *s)
{
	struct test_attr **link = &s->attrs;

	while ((*link = parse_attr(p)))
		link = &(*link)->next;
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
}

/* 403, or 4xx where a class is enough */
static bool parse_code(struct parser *p, struct test_step *s, bool class_too)
{
	if (p->tok.kind == TK_VALUE && p->tok.value.type == T_INT) {
		if (p->tok.value.u.i < 100 || p->tok.value.u.i > 699)
			diag_add(&p->prog->diags, D_REPLY_CODE, p->tok.span, "a reply code is 100 to 699");
		s->code = (unsigned)p->tok.value.u.i;
	} else if (p->tok.kind == TK_CLASS && class_too) {
		if (p->tok.value.u.i < 1 || p->tok.value.u.i > 6)
			diag_add(&p->prog->diags, D_REPLY_CODE, p->tok.span, "the classes of replies are 1xx to 6xx");
		s->code_class = (unsigned)p->tok.value.u.i;
	} else {
		parser_wanted(p, class_too ? "a reply code, or a class like 4xx" : "a reply code");
		return false;
	}
	parser_advance(p);
	return true;
}

/* send INVITE from … to …; send 200 …; send reply 200 …; */
static void parse_send(struct parser *p, struct test_step *s)
{
	s->kind = STEP_SEND;
	if (parser_at_word(p, "reply") || parser_at(p, TK_VALUE)) {
		if (parser_at_word(p, "reply"))
			parser_advance(p);
		if (!parse_code(p, s, false))
			return;
	} else if (!parser_name(p, "a method or a reply code", &s->method, &s->method_span))
		return;
	parse_attrs(p, s);
}

/* expect reply 403; expect request INVITE to …; expect nothing; */
static void parse_expect(struct parser *p, struct test_step *s)
{
	static const char *const attrs[] = { "from", "to", "with", "header", "body", "within", "ruri", "uri" };
	bool                     any = false;

	if (parser_at_word(p, "reply")) {
		s->kind = STEP_EXPECT_REPLY;
		parser_advance(p);
		if (!parse_code(p, s, true))
			return;
	} else if (parser_at_word(p, "request")) {
		s->kind = STEP_EXPECT_REQUEST;
		parser_advance(p);
		for (size_t i = 0; i < COUNT_OF(attrs); i++)
			any = any || parser_at_word(p, attrs[i]);
		if (!any && parser_at(p, TK_NAME)) {
			s->method = p->tok.text;
			s->method_span = p->tok.span;
			parser_advance(p);
		}
	} else if (parser_at_word(p, "nothing")) {
		s->kind = STEP_EXPECT_NOTHING;
		parser_advance(p);
	} else {
		parser_wanted(p, "`reply`, `request` or `nothing`");
		return;
	}
	parse_attrs(p, s);
}

static void parse_wait(struct parser *p, struct test_step *s)
{
	s->kind = STEP_WAIT;
	s->time = parse_expr(p);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
}

static struct test_step *parse_step(struct parser *p)
{
	static const struct { const char *word; void (*parse)(struct parser *p, struct test_step *s); } all[] = {
		{ "send", parse_send }, { "expect", parse_expect }, { "wait", parse_wait },
	};
	struct test_step *s = PARSER_NEW(p, struct test_step);

	s->span = p->tok.span;
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (!parser_at_word(p, all[i].word))
			continue;
		parser_advance(p);
		all[i].parse(p, s);
		return p->panic ? NULL : s;
	}
	parser_wanted(p, "`send`, `expect` or `wait`");
	if (!parser_at(p, TK_SEMI) && !parser_at(p, TK_LBRACE))
		parser_advance(p);
	return NULL;
}

static void parse_steps(struct parser *p, struct test_step **link)
{
	while (!parser_at(p, TK_RBRACE) && !parser_at(p, TK_END)) {
		struct test_step *s;

		p->links = 0;
		if (parser_take(p, TK_SEMI))
			continue;
		s = parse_step(p);
		if (s) {
			*link = s;
			link = &s->next;
		}
		if (p->panic)
			parser_sync(p);
		if (parser_at(p, TK_LBRACE))
			break;
	}
}

static void append_test(struct program *prog, struct test *t)
{
	struct test **at = &prog->tests;

	while (*at)
		at = &(*at)->next;
	*at = t;
	prog->test_count++;
}

void parse_test(struct parser *p)
{
	struct test *t = PARSER_NEW(p, struct test);
	struct token name = p->tok;
	struct expr *text = parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED) ? parse_string(p, &name) : NULL;
	struct span  open;

	if (!text || text->kind != EX_CONST) {
		parser_wanted(p, "the name of the test in quotes");
		return;
	}
	t->name = text->u.value.u.s;
	t->span = name.span;
	parser_advance(p);
	open = p->tok.span;
	if (!parser_expect(p, TK_LBRACE))
		return;
	append_test(p->prog, t);
	parse_steps(p, &t->steps);
	if (parser_at(p, TK_END))
		diag_add(&p->prog->diags, D_UNCLOSED, open, "this `{` is never closed");
	else
		parser_expect(p, TK_RBRACE);
}
