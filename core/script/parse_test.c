/* test "name" { given …; send …; expect …; wait …; } */
#include "script/parse.h"
#include "script/test_form.h"

/* --- attributes --- */

static enum op parse_comparison(struct parser *p)
{
	static const struct { enum token_kind token; enum op op; } all[] = {
		{ TK_EQ, OP_EQ }, { TK_NE, OP_NE }, { TK_MATCH, OP_MATCH }, { TK_NO_MATCH, OP_NO_MATCH },
		{ TK_LT, OP_LT }, { TK_LE, OP_LE }, { TK_GT, OP_GT }, { TK_GE, OP_GE },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (parser_take(p, all[i].token))
			return all[i].op;
	return OP_NONE;
}

/* value; =~ value; value =~ value */
static void parse_compared(struct parser *p, struct expr **of, enum op *op, struct expr **value)
{
	*op = parse_comparison(p);
	*value = parse_operand(p);
	if (*op)
		return;
	*op = parse_comparison(p);
	if (!*op)
		return;
	*of = *value;
	*value = parse_operand(p);
}

/* A name and a value, `with`, `and` and commas between them as one likes. */
static struct test_attr *parse_attr(struct parser *p)
{
	struct test_attr *a;

	while (parser_take(p, TK_COMMA) || parser_at_word(p, "with") || parser_at_word(p, "and"))
		if (parser_at_word(p, "with") || parser_at_word(p, "and"))
			parser_advance(p);
	if (p->panic || parser_at(p, TK_SEMI) || parser_at(p, TK_RBRACE))
		return NULL;
	a = PARSER_NEW(p, struct test_attr);
	if (parser_at_word(p, "no")) {
		a->no = true;
		parser_advance(p);
	}
	if (!parser_name(p, "`;` or an attribute (from, to, header, body …)", &a->name, &a->span))
		return NULL;
	parser_take(p, TK_ASSIGN);
	parse_compared(p, &a->of, &a->op, &a->value);
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

static bool at_attr(struct parser *p)
{
	return parser_at(p, TK_NAME) && (parser_at_word(p, "with") || parser_at_word(p, "no") || attr_form(p->tok.text, STEP_EXPECT_REQUEST));
}

/* --- send --- */

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
	if (parser_at_word(p, "reply") || parser_at(p, TK_VALUE)) {
		s->kind = STEP_SEND_REPLY;
		if (parser_at_word(p, "reply"))
			parser_advance(p);
		if (!parse_code(p, s, false))
			return;
	} else if (!parser_name(p, "a method or a reply code", &s->name, &s->name_span))
		return;
	parse_attrs(p, s);
}

/* --- expect --- */

static void parse_expect_reply(struct parser *p, struct test_step *s)
{
	s->kind = STEP_EXPECT_REPLY;
	if (parse_code(p, s, true))
		parse_attrs(p, s);
}

static void parse_expect_request(struct parser *p, struct test_step *s)
{
	s->kind = STEP_EXPECT_REQUEST;
	if (parser_at(p, TK_NAME) && !at_attr(p)) {
		s->name = p->tok.text;
		s->name_span = p->tok.span;
		parser_advance(p);
	}
	parse_attrs(p, s);
}

static void parse_expect_nothing(struct parser *p, struct test_step *s)
{
	s->kind = STEP_EXPECT_NOTHING;
	parse_attrs(p, s);
}

static void parse_expect_log(struct parser *p, struct test_step *s)
{
	s->kind = STEP_EXPECT_LOG;
	s->op = parse_comparison(p);
	s->value = parse_operand(p);
	parse_attrs(p, s);
}

/* `counter "name" == 2`, `$sht(table => key) == 2` */
static void parse_expect_state(struct parser *p, struct test_step *s)
{
	parse_compared(p, &s->of, &s->op, &s->value);
	if (!s->op)
		parser_wanted(p, "a comparison (== 2)");
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
}

static void parse_expect_counter(struct parser *p, struct test_step *s)
{
	s->kind = STEP_EXPECT_COUNTER;
	parse_expect_state(p, s);
}

/* expect reply 403; expect next request INVITE to …; expect nothing; expect no log "…"; */
static void parse_expect(struct parser *p, struct test_step *s)
{
	static const struct { const char *word; void (*parse)(struct parser *p, struct test_step *s); } all[] = {
		{ "reply", parse_expect_reply }, { "request", parse_expect_request }, { "nothing", parse_expect_nothing }, { "log", parse_expect_log },
		{ "counter", parse_expect_counter },
	};

	s->no = parser_at_word(p, "no");
	s->directly = parser_at_word(p, "next");
	if (s->no || s->directly)
		parser_advance(p);
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (parser_at_word(p, all[i].word)) {
			parser_advance(p);
			all[i].parse(p, s);
			return;
		}
	if (!parser_at(p, TK_VAR)) {
		parser_wanted(p, "`reply`, `request`, `nothing`, `log`, `counter` or `$sht(table => key)`");
		return;
	}
	s->kind = STEP_EXPECT_TABLE;
	parse_expect_state(p, s);
}

/* --- given --- */

/* given $sht(table => key) = value; */
static void parse_given_table(struct parser *p, struct test_step *s)
{
	s->kind = GIVEN_TABLE;
	s->of = parse_operand(p);
	if (!p->panic && !parser_expect(p, TK_ASSIGN))
		return;
	s->value = parse_operand(p);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
}

static void parse_given(struct parser *p, struct test_step *s)
{
	static const struct { const char *word; enum step_kind kind; } all[] = {
		{ "party", GIVEN_PARTY }, { "user", GIVEN_USER }, { "domain", GIVEN_DOMAIN }, { "binding", GIVEN_BINDING }, { "host", GIVEN_HOST },
		{ "time", GIVEN_TIME }, { "sql", GIVEN_SQL },
	};

	if (parser_at(p, TK_VAR)) {
		parse_given_table(p, s);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (!parser_at_word(p, all[i].word))
			continue;
		s->kind = all[i].kind;
		parser_advance(p);
		if (s->kind != GIVEN_PARTY)
			s->value = parse_operand(p);
		else if (!parser_name(p, "the name of the party", &s->name, &s->name_span))
			return;
		parse_attrs(p, s);
		return;
	}
	parser_wanted(p, "`party`, `user`, `domain`, `binding`, `host`, `time`, `sql` or `$sht(table => key)`");
}

/* --- steps --- */

static void parse_wait(struct parser *p, struct test_step *s)
{
	s->kind = STEP_WAIT;
	s->value = parse_expr(p);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
}

static void parse_break(struct parser *p, struct test_step *s, enum step_kind kind)
{
	s->kind = kind;
	if (parser_name(p, "`database` or the name of a party", &s->name, &s->name_span))
		parse_attrs(p, s);
}

static void parse_fail(struct parser *p, struct test_step *s)
{
	parse_break(p, s, STEP_FAIL);
}

static void parse_restore(struct parser *p, struct test_step *s)
{
	parse_break(p, s, STEP_RESTORE);
}

static struct test_step *parse_step(struct parser *p)
{
	static const struct { const char *word; void (*parse)(struct parser *p, struct test_step *s); } all[] = {
		{ "given", parse_given }, { "send", parse_send }, { "expect", parse_expect }, { "wait", parse_wait }, { "fail", parse_fail },
		{ "restore", parse_restore },
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
	parser_wanted(p, "`given`, `send`, `expect`, `wait`, `fail` or `restore`");
	if (!parser_at(p, TK_SEMI) && !parser_at(p, TK_LBRACE))
		parser_advance(p);
	return NULL;
}

void parse_givens(struct parser *p)
{
	struct test_step **at = &p->prog->givens, *s = PARSER_NEW(p, struct test_step);

	s->span = p->prev;
	parse_given(p, s);
	if (p->panic)
		return;
	while (*at)
		at = &(*at)->next;
	*at = s;
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
