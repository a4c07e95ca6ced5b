/* Statements: what stands between the braces of a route. */
#include "script/parse.h"

static struct stmt *parse_stmt(struct parser *p);

static struct stmt *stmt_new(struct parser *p, enum stmt_kind kind, struct span span)
{
	struct stmt *s = PARSER_NEW(p, struct stmt);

	s->kind = kind;
	s->span = span;
	return s;
}

static struct local *local_new(struct parser *p)
{
	return PARSER_NEW(p, struct local);
}

/* --- declarations --- */
struct local *parse_params(struct parser *p, size_t *count)
{
	struct local *first = NULL, **link = &first;

	*count = 0;
	if (parser_take(p, TK_RPAREN))
		return NULL;
	do {
		struct local *l = local_new(p);

		if (!parser_name(p, "the name of a parameter", &l->name, &l->span))
			return first;
		l->is_param = l->typed = true;
		if (parser_take(p, TK_COLON) && !parser_name(p, "a type", &l->type_name, &l->type_span))
			return first;
		*link = l;
		link = &l->next;
		++*count;
	} while (parser_take(p, TK_COMMA));
	parser_expect(p, TK_RPAREN);
	return first;
}

static struct stmt *parse_let(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_LET, p->tok.span);

	parser_advance(p);
	s->local = local_new(p);
	if (!parser_name(p, "the name of a variable", &s->local->name, &s->local->span))
		return NULL;
	if (parser_take(p, TK_ASSIGN))
		s->value = parse_expr(p);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
	return s;
}

/* --- conditions --- */
/* One `=` where two were meant. Read on, so that the rest is checked as well. */
static struct expr *assignment_in_condition(struct parser *p, struct expr *left)
{
	struct diag *g = diag_add(&p->prog->diags, D_ASSIGN_IN_CONDITION, p->tok.span, "`=` assigns; a condition compares");

	diag_help(&p->prog->diags, g, "write `==`");
	parser_advance(p);
	parse_expr(p);
	left->kind = EX_BAD;
	for (; left->parens; left->parens--)
		parser_take(p, TK_RPAREN);
	return left;
}

/* ( condition ) */
static struct expr *parse_condition(struct parser *p)
{
	struct expr *e;

	if (!parser_expect(p, TK_LPAREN))
		return expr_new(p, EX_BAD, p->tok.span);
	e = parse_expr(p);
	if (parser_at(p, TK_ASSIGN) && !p->panic)
		e = assignment_in_condition(p, e);
	parser_expect(p, TK_RPAREN);
	return e;
}

/* After a condition with an error: its block is still worth reading. */
static void resume_at_body(struct parser *p)
{
	if (!p->panic || p->unclosed)
		return;
	while (!parser_at(p, TK_END) && !parser_at(p, TK_LBRACE) && !parser_at(p, TK_RBRACE) && !parser_at(p, TK_SEMI))
		parser_advance(p);
	p->panic = !parser_at(p, TK_LBRACE);
}

static struct stmt *parse_body(struct parser *p)
{
	resume_at_body(p);
	if (p->panic || p->unclosed)
		return NULL;
	return parse_stmt(p);
}

static struct stmt *parse_if(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_IF, p->tok.span);

	parser_advance(p);
	s->value = parse_condition(p);
	p->if_body = parser_at(p, TK_LBRACE);
	s->body = parse_body(p);
	p->if_body = false;
	if (!p->panic && parser_at_word(p, "else")) {
		parser_advance(p);
		s->other = parse_stmt(p);
	}
	return s;
}

static struct stmt *parse_while(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_WHILE, p->tok.span);

	parser_advance(p);
	s->value = parse_condition(p);
	s->body = parse_body(p);
	return s;
}

/* for (let i = 0; i < n; i = i + 1): passed over. */
static void other_for(struct parser *p)
{
	struct diag *g = parser_wanted(p, "`in`");

	if (g)
		diag_help(&p->prog->diags, g, "`for (x in list)` goes through a list; to count, write `while (i < n) { …; i = i + 1; }`");
	while (!parser_at(p, TK_RPAREN) && !parser_at(p, TK_LBRACE) && !parser_at(p, TK_RBRACE) && !parser_at(p, TK_END))
		parser_advance(p);
	p->panic = false;
	(void)parser_take(p, TK_RPAREN);
}

/* for (x in list) */
static struct stmt *parse_for(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_FOR, p->tok.span);

	s->local = local_new(p);
	s->local->span = s->span;
	s->value = expr_new(p, EX_BAD, s->span);
	parser_advance(p);
	if (parser_expect(p, TK_LPAREN) && parser_name(p, "the name of a variable", &s->local->name, &s->local->span)) {
		if (parser_at_word(p, "in")) {
			parser_advance(p);
			s->value = parse_expr(p);
			parser_expect(p, TK_RPAREN);
		} else
			other_for(p);
	}
	s->body = parse_body(p);
	return s;
}

/* --- short statements --- */
static struct stmt *parse_return(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_RETURN, p->tok.span);

	parser_advance(p);
	if (!parser_at(p, TK_SEMI) && !parser_at(p, TK_RBRACE))
		s->value = parse_expr(p);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
	return s;
}

/* exit; drop; break; continue; also with the () that other servers want. */
static struct stmt *parse_short(struct parser *p, enum stmt_kind kind)
{
	struct stmt *s = stmt_new(p, kind, p->tok.span);

	parser_advance(p);
	if (parser_take(p, TK_LPAREN))
		parser_expect(p, TK_RPAREN);
	parser_expect_semi(p);
	return s;
}

static bool can_be_assigned(const struct expr *e)
{
	return !e->parens && (e->kind == EX_VAR || e->kind == EX_TABLE || e->kind == EX_NAME || e->kind == EX_BAD);
}

/* `$ru.port = 5070;` is `$ru = $ru.part("port", 5070);` */
static struct expr *part_call(struct parser *p, const struct expr *field, struct expr *value)
{
	struct expr *of = expr_new(p, EX_BAD, field->u.field.of->span), *name = expr_new(p, EX_CONST, field->u.field.name_span);
	struct expr *call = expr_new(p, EX_CALL, field->span);
	struct arg  *args = PARSER_NEW(p, struct arg);

	*of = *field->u.field.of;
	name->u.value = value_str(field->u.field.name);
	name->type = (struct type){ .type = T_STR, .item = T_ANY };
	args->value = of;
	args->next = PARSER_NEW(p, struct arg);
	args->next->value = name;
	args->next->next = PARSER_NEW(p, struct arg);
	args->next->next->value = value;
	call->u.call.name = STR("part");
	call->u.call.name_span = field->u.field.name_span;
	call->u.call.method = true;
	call->u.call.args = args;
	return call;
}

static bool is_part(const struct expr *e)
{
	return !e->parens && e->kind == EX_FIELD && (e->u.field.of->kind == EX_VAR || e->u.field.of->kind == EX_NAME);
}

static struct stmt *parse_assignment(struct parser *p, struct expr *target)
{
	struct stmt *s = stmt_new(p, ST_ASSIGN, target->span);

	if (!can_be_assigned(target) && !is_part(target))
		diag_add(&p->prog->diags, D_READ_ONLY, target->span, "this cannot be assigned");
	s->target = is_part(target) ? target->u.field.of : target;
	parser_advance(p);
	s->value = parse_expr(p);
	s->part = is_part(target);
	if (s->part)
		s->value = part_call(p, target, s->value);
	s->span = span_join(s->span, p->prev);
	parser_expect_semi(p);
	return s;
}

static bool is_call(const struct expr *e)
{
	return e->kind == EX_CALL || e->kind == EX_ROUTE || e->kind == EX_BAD;
}

/* `profile($ru) ?? send_reply(404);` does something, `$ru;` and `a == b;` do not. */
static bool does_something(const struct expr *e)
{
	return is_call(e) || (e->kind == EX_BINARY && (e->op == OP_DEFAULT || e->op == OP_AND || e->op == OP_OR) && is_call(e->u.op.b));
}

static struct stmt *parse_expression(struct parser *p)
{
	struct expr *e = parse_expr(p);
	struct stmt *s;

	if (parser_at(p, TK_ASSIGN) && !p->panic)
		return parse_assignment(p, e);
	s = stmt_new(p, ST_EXPR, e->span);
	s->value = e;
	if (!p->panic && !does_something(e)) {
		struct diag *g = diag_add(&p->prog->diags, D_SYNTAX, e->span, "this does nothing");

		if (e->kind == EX_NAME)
			diag_help(&p->prog->diags, g, "a call has parentheses: `" STR_FMT "();`", STR_ARG(e->u.name));
		if (e->kind == EX_BINARY && e->op == OP_EQ)
			diag_help(&p->prog->diags, g, "to assign, write one `=`");
		e->kind = EX_BAD;
	}
	parser_expect_semi(p);
	return s;
}

/* --- blocks --- */
/* A word that can only begin a declaration: the block before it was not closed. */
static bool at_declaration(struct parser *p)
{
	static const char *const words[] = { "request_route", "dialog_route", "reply_route", "branch_route", "event_route", "timer_route" };
	enum token_kind          next;

	if (!parser_at(p, TK_NAME))
		return false;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (parser_at_word(p, words[i]))
			return true;
	next = parser_peek(p).kind;
	return (parser_at_word(p, "route") && next == TK_LBRACKET) || (parser_at_word(p, "test") && (next == TK_TEXT || next == TK_QUOTED)) ||
	       ((parser_at_word(p, "table") || parser_at_word(p, "module") || parser_at_word(p, "const")) && next == TK_NAME);
}

static uint32_t indent_of(struct span s)
{
	struct str line = span_source_line(s);
	uint32_t   n = 0;

	while (n < line.len && ch_lws(line.p[n]))
		n++;
	return n;
}

/* A closing brace that begins its line further left than the line of the one it closes: the brace it was meant for is further out. */
static void suspect_brace(struct parser *p, struct span open)
{
	bool begins_line = span_column(p->tok.span) == indent_of(p->tok.span) + 1;

	if (!p->suspect.src && begins_line && indent_of(p->tok.span) < indent_of(open))
		p->suspect = open;
}

static void report_unclosed(struct parser *p, struct span open)
{
	struct span where = p->suspect.src ? p->suspect : open;

	if (!p->unclosed)
		diag_add(&p->prog->diags, D_UNCLOSED, where, "this `{` is never closed");
	p->unclosed = true;
}

static void parse_stmts(struct parser *p, struct stmt **link, bool of_if)
{
	while (!parser_at(p, TK_RBRACE) && !parser_at(p, TK_END) && !p->unclosed && !at_declaration(p) && !(of_if && parser_at_word(p, "else"))) {
		struct stmt *s;

		p->links = 0;
		if (parser_take(p, TK_SEMI))
			continue;
		s = parse_stmt(p);
		if (s) {
			*link = s;
			link = &s->next;
		}
		if (p->panic && !p->unclosed)
			parser_sync(p);
	}
}

struct stmt *parse_block(struct parser *p)
{
	struct stmt *s = stmt_new(p, ST_BLOCK, p->tok.span);
	bool         of_if = p->if_body;

	p->if_body = false;
	parser_advance(p);
	parse_stmts(p, &s->body, of_if);
	s->end = p->tok.span;
	if (p->unclosed)
		return s;
	if (of_if && parser_at_word(p, "else")) {	/* what follows is read as if the brace were there */
		diag_help(&p->prog->diags, diag_add(&p->prog->diags, D_UNCLOSED, s->span, "this `{` is never closed"), "write `} else`");
		return s;
	}
	if (!parser_at(p, TK_RBRACE)) {
		report_unclosed(p, s->span);
		return s;
	}
	suspect_brace(p, s->span);
	parser_advance(p);
	return s;
}

/* spawn { … } and parallel { … }: their words are names elsewhere. */
static struct stmt *parse_aside(struct parser *p, enum stmt_kind kind, uint32_t aside)
{
	struct stmt *s = stmt_new(p, kind, p->tok.span);
	uint32_t     outer = p->aside;

	parser_advance(p);
	p->aside |= aside;
	s->body = parse_block(p);
	p->aside = outer;
	return s;
}

/* Each side is one value for one variable. */
static struct stmt *parse_parallel(struct parser *p)
{
	struct stmt *s = parse_aside(p, ST_PARALLEL, IN_PARALLEL);
	unsigned     sides = 0;

	for (struct stmt *x = s->body->body; x && !p->panic; x = x->next) {
		if ((x->kind == ST_LET && x->value) || (x->kind == ST_ASSIGN && x->target->kind == EX_NAME && !x->part)) {
			if (++sides > MOST_SIDES)
				diag_add(&p->prog->diags, D_LIMIT, x->span, "parallel has room for %d sides", MOST_SIDES);
			continue;
		}
		diag_help(&p->prog->diags, diag_add(&p->prog->diags, D_SYNTAX, x->span, "parallel only sets variables"),
			  "write `let a = …;`, or `a = …;` where there is an `a`; what takes more goes into a route that returns it");
		x->kind = ST_BLOCK;
		x->body = NULL;
	}
	return s;
}

static struct stmt *parse_keyword(struct parser *p)
{
	static const struct { const char *word; enum stmt_kind kind; struct stmt *(*parse)(struct parser *p); } all[] = {
		{ "if", ST_IF, parse_if }, { "while", ST_WHILE, parse_while }, { "for", ST_FOR, parse_for }, { "let", ST_LET, parse_let },
		{ "return", ST_RETURN, parse_return }, { "exit", ST_EXIT, NULL }, { "drop", ST_DROP, NULL }, { "break", ST_BREAK, NULL },
		{ "continue", ST_CONTINUE, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (parser_at_word(p, all[i].word))
			return all[i].parse ? all[i].parse(p) : parse_short(p, all[i].kind);
	if (parser_peek(p).kind == TK_LBRACE && parser_at_word(p, "spawn"))
		return parse_aside(p, ST_SPAWN, IN_SPAWN);
	if (parser_peek(p).kind == TK_LBRACE && parser_at_word(p, "parallel"))
		return parse_parallel(p);
	if (parser_at_word(p, "else") || parser_at_word(p, "switch") || parser_at_word(p, "case")) {
		parser_wanted(p, "a statement");
		parser_advance(p);
		return NULL;
	}
	return parse_expression(p);
}

static struct stmt *parse_stmt(struct parser *p)
{
	struct stmt *s = NULL;

	if (parser_enter(p, p->tok.span)) {
		if (parser_at(p, TK_LBRACE))
			s = parse_block(p);
		else if (parser_at(p, TK_SEMI)) {	/* if (x) ; */
			s = stmt_new(p, ST_BLOCK, p->tok.span);
			s->end = s->span;
			parser_advance(p);
		} else if (parser_at(p, TK_NAME))
			s = parse_keyword(p);
		else
			s = parse_expression(p);
	}
	parser_leave(p);
	return s;
}
