/* Expressions. Precedence, loosest first: ?? || && comparison + * unary postfix. */
#include "script/parse.h"

struct expr *expr_new(struct parser *p, enum expr_kind kind, struct span span)
{
	struct expr *e = PARSER_NEW(p, struct expr);

	e->kind = kind;
	e->span = span;
	return e;
}

struct expr *expr_const(struct parser *p, struct span span, struct value v)
{
	struct expr *e = expr_new(p, EX_CONST, span);

	e->u.value = v;
	return e;
}

/* --- strings --- */
static int hex_digit(char c)
{
	if (ch_digit(c))
		return c - '0';
	c = ch_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct span span_within(struct parser *p, const char *at, size_t len)
{
	return (struct span){ p->lex.src, (uint32_t)(at - p->lex.src->text.p), (uint32_t)len };
}

/* One escape, *s behind the backslash. */
static char unescape_one(struct parser *p, struct str *s)
{
	char c = s->p[0];
	int  hi, lo;

	*s = str_from(*s, 1);
	switch (c) {
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case '"': case '\'': case '\\': case '$': case '/': return c;
	case 'x':
		hi = s->len > 1 ? hex_digit(s->p[0]) : -1;
		lo = hi >= 0 ? hex_digit(s->p[1]) : -1;
		if (lo >= 0) {
			*s = str_from(*s, 2);
			return (char)(hi * 16 + lo);
		}
		break;
	}
	diag_help(&p->prog->diags, diag_add(&p->prog->diags, D_STRING, span_within(p, s->p - 2, 2), "`\\%c` is no escape", c >= 0x20 ? c : '?'),
		  "the escapes are \\n \\r \\t \\\" \\' \\\\ \\$ and \\xHH");
	return c;
}

/* "…" has all the escapes; in '…' a backslash is itself except before ' and \. */
static struct str unescape(struct parser *p, struct str raw, bool all)
{
	char  *out = arena_alloc(&p->prog->arena, raw.len ? raw.len : 1);
	size_t n = 0;

	if (!out) {
		p->prog->diags.no_memory = true;
		return STR("");
	}
	while (raw.len) {
		char c = raw.p[0];

		raw = str_from(raw, 1);
		if (c == '\\' && raw.len && (all || raw.p[0] == '\'' || raw.p[0] == '\\'))
			c = unescape_one(p, &raw);
		out[n++] = c;
	}
	return str_n(out, n);
}

struct parts {
	struct expr **item;
	size_t        count, cap;
};

static void parts_add(struct parser *p, struct parts *all, struct expr *e)
{
	if (all->count == all->cap) {
		size_t        cap = all->cap ? all->cap * 2 : 4;
		struct expr **more = arena_alloc(&p->prog->arena, cap * sizeof(struct expr *));

		if (!more) {
			p->prog->diags.no_memory = true;
			return;
		}
		if (all->count)
			memcpy(more, all->item, all->count * sizeof(struct expr *));
		all->item = more;
		all->cap = cap;
	}
	all->item[all->count++] = e;
}

/* Where text stops and something interpolated begins; the end when nothing does. */
static size_t literal_length(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char next = i + 1 < s.len ? s.p[i + 1] : '\0';

		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '$' && (next == '(' || next == '_' || (ch_lower(next) >= 'a' && ch_lower(next) <= 'z')))
			return i;
	}
	return s.len;
}

static struct expr *parse_var(struct parser *p);

/* $name or $(expression) at *rest: read by this same parser on that part of the file. Leaves *rest behind it. */
static struct expr *interpolated(struct parser *p, struct str *rest)
{
	struct lexer lex = p->lex;
	struct token tok = p->tok;
	struct span  prev = p->prev;
	uint32_t     from = (uint32_t)(rest->p - lex.src->text.p), end = from + (uint32_t)rest->len;
	bool         bracket = rest->p[1] == '(';
	struct expr *e;

	lexer_init(&p->lex, lex.src, bracket ? from + 2 : from, end, lex.diags);
	if (bracket) {
		parser_advance(p);
		e = parse_expr(p);
		if (!parser_at(p, TK_RPAREN))
			parser_wanted(p, "`)`");
		from = parser_at(p, TK_RPAREN) ? p->tok.span.at + 1 : end;
	} else {
		p->tok = lex_next(&p->lex);
		e = parse_var(p);
		from = e->kind == EX_BAD ? end : e->span.at + e->span.len;
	}
	*rest = str_from(str_n(lex.src->text.p, end), from);
	p->lex = lex;
	p->tok = tok;
	p->prev = prev;
	return e;
}

static struct expr *parse_text(struct parser *p, const struct token *t)
{
	struct str   rest = t->text;
	struct parts all = { 0 };
	struct expr *e;

	while (rest.len && !p->panic) {
		size_t n = literal_length(rest);

		if (n)
			parts_add(p, &all, expr_const(p, span_within(p, rest.p, n), value_str(unescape(p, str_to(rest, n), true))));
		rest = str_from(rest, n);
		if (rest.len)
			parts_add(p, &all, interpolated(p, &rest));
	}
	if (!all.count)
		return expr_const(p, t->span, value_str(STR("")));
	if (all.count == 1 && all.item[0]->kind == EX_CONST && all.item[0]->u.value.type == T_STR) {
		all.item[0]->span = t->span;
		return all.item[0];
	}
	e = expr_new(p, EX_TEXT, t->span);
	e->u.list.item = all.item;
	e->u.list.count = all.count;
	return e;
}

struct expr *parse_string(struct parser *p, const struct token *t)
{
	if (t->kind == TK_TEXT)
		return parse_text(p, t);
	return expr_const(p, t->span, value_str(unescape(p, t->text, false)));
}

/* --- variables --- */
/* $sht(table => key) */
static struct expr *parse_table_ref(struct parser *p, struct span dollar)
{
	struct expr *e = expr_new(p, EX_TABLE, dollar);

	parser_advance(p);	/* the ( */
	parser_advance(p);
	if (!parser_name(p, "the name of a table", &e->u.table.name, &e->u.table.name_span) || !parser_expect(p, TK_ARROW)) {
		e->kind = EX_BAD;
		return e;
	}
	e->u.table.key = parse_expr(p);
	e->span = span_join(dollar, p->tok.span);
	/* Not taken with parser_expect(): within a string the token behind it may not be one. */
	if (!parser_at(p, TK_RPAREN)) {
		parser_wanted(p, "`)`");
		e->kind = EX_BAD;
	}
	return e;
}

static struct str without_quotes(struct str s)
{
	if (s.len >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.len - 1] == s.p[0])
		return str_n(s.p + 1, s.len - 2);
	return s;
}

/* $hdr(Name): the lexer stands at the parenthesis. */
static void parse_var_argument(struct parser *p, struct expr *e)
{
	struct token arg;

	p->lex.at++;
	arg = lex_argument(&p->lex);
	e->span.len = p->lex.at - e->span.at;
	e->u.var.has_arg = true;
	if (arg.kind == TK_BAD) {
		e->kind = EX_BAD;
		p->panic = true;
		return;
	}
	e->u.var.arg = without_quotes(arg.text);
	e->u.var.arg_span = arg.span;
	if (!e->u.var.arg.len)
		diag_add(&p->prog->diags, D_SYNTAX, e->span, "`$" STR_FMT "()` needs a name between its parentheses", STR_ARG(e->u.var.name));
}

/* At a TK_VAR, which is left as the current token: in a string what follows is text, not a token. */
static struct expr *parse_var(struct parser *p)
{
	bool         has_arg = p->lex.at < p->lex.end && p->lex.src->text.p[p->lex.at] == '(';
	struct expr *e;

	if (has_arg && str_is(p->tok.text, "sht"))
		return parse_table_ref(p, p->tok.span);
	e = expr_new(p, EX_VAR, p->tok.span);
	e->u.var.name = p->tok.text;
	e->u.var.name_span = p->tok.span;
	if (has_arg)
		parse_var_argument(p, e);
	return e;
}

/* --- calls --- */
static struct arg *parse_arg(struct parser *p)
{
	struct arg *a = PARSER_NEW(p, struct arg);

	if (parser_at(p, TK_NAME) && parser_peek(p).kind == TK_ASSIGN) {
		a->name = p->tok.text;
		a->name_span = p->tok.span;
		parser_advance(p);
		parser_advance(p);
	}
	a->value = parse_expr(p);
	return a;
}

static void args_wanted(struct parser *p)
{
	bool         value = parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED) || parser_at(p, TK_VAR);
	struct diag *g = parser_wanted(p, token_kind_text(TK_RPAREN));

	if (g && value)
		diag_help(&p->prog->diags, g, "arguments are separated by `,`, texts are joined by `+`");
}

/* Behind `(`, up to and with `)`. */
static struct arg *parse_args(struct parser *p)
{
	struct arg *first = NULL, **link = &first;

	if (parser_take(p, TK_RPAREN))
		return NULL;
	do {
		*link = parse_arg(p);
		link = &(*link)->next;
	} while (!p->panic && parser_take(p, TK_COMMA));
	if (!parser_take(p, TK_RPAREN))
		args_wanted(p);
	return first;
}

static void note_route_call(struct parser *p, const struct expr *e)
{
	struct route_call *call = PARSER_NEW(p, struct route_call);

	call->name = e->u.route.name;
	call->span = e->u.route.name_span;
	call->aside = p->aside;
	call->next = p->calls;
	p->calls = call;
}

/* route(NAME, x, y), behind `route (`. */
static struct expr *parse_route_call(struct parser *p, struct span span)
{
	struct expr *e = expr_new(p, EX_ROUTE, span);
	bool         quoted = parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED);

	if (quoted) {	/* as people write it elsewhere */
		e->u.route.name = p->tok.text;
		e->u.route.name_span = p->tok.span;
		parser_advance(p);
	} else if (!parser_name(p, "the name of a route", &e->u.route.name, &e->u.route.name_span)) {
		e->kind = EX_BAD;
		return e;
	}
	note_route_call(p, e);
	if (parser_take(p, TK_COMMA))
		e->u.route.args = parse_args(p);
	else
		parser_expect(p, TK_RPAREN);
	e->span = span_join(span, p->prev);
	return e;
}

/* env("NAME", "default"), behind `env (`. */
static struct expr *parse_env(struct parser *p, struct span span)
{
	struct expr *e = expr_new(p, EX_ENV, span);

	e->u.env.name = parse_expr(p);
	if (parser_take(p, TK_COMMA))
		e->u.env.preset = parse_expr(p);
	parser_expect(p, TK_RPAREN);
	e->span = span_join(span, p->prev);
	return e;
}

static struct expr *parse_call(struct parser *p, struct token name)
{
	struct expr *e;

	parser_advance(p);	/* the ( */
	if (str_is(name.text, "route"))
		return parse_route_call(p, name.span);
	if (str_is(name.text, "env"))
		return parse_env(p, name.span);
	e = expr_new(p, EX_CALL, name.span);
	e->u.call.name = name.text;
	e->u.call.name_span = name.span;
	e->u.call.args = parse_args(p);
	e->span = span_join(name.span, p->prev);
	return e;
}

static struct expr *parse_named(struct parser *p)
{
	struct token name = p->tok;
	struct expr *e;

	parser_advance(p);
	if (parser_at(p, TK_LPAREN))
		return parse_call(p, name);
	if (str_is(name.text, "true") || str_is(name.text, "false"))
		return expr_const(p, name.span, value_bool(name.text.p[0] == 't'));
	if (str_is(name.text, "null"))
		return expr_const(p, name.span, V_NULL);
	e = expr_new(p, EX_NAME, name.span);
	e->u.name = name.text;
	return e;
}

/* --- operands --- */
static struct expr *parse_list(struct parser *p)
{
	struct span  open = p->tok.span;
	struct parts all = { 0 };
	struct expr *e;

	parser_advance(p);
	while (!parser_at(p, TK_RBRACKET) && !p->panic) {
		parts_add(p, &all, parse_expr(p));
		if (!parser_take(p, TK_COMMA))
			break;
	}
	parser_expect(p, TK_RBRACKET);
	e = expr_new(p, EX_LIST, span_join(open, p->prev));
	e->u.list.item = all.item;
	e->u.list.count = all.count;
	return e;
}

static struct expr *parse_regex(struct parser *p)
{
	struct token  t = lex_regex(&p->lex, &p->tok);
	struct regex *re = NULL;
	size_t        at = 0;
	char          why[160];
	enum err      err;

	p->tok = t;
	parser_advance(p);
	if (t.kind == TK_TORN) {
		p->panic = true;
		return expr_new(p, EX_BAD, t.span);
	}
	err = regex_compile(t.text, t.flags, &p->prog->regexes, &re, &at, why, sizeof(why));
	if (err == ERR_SYNTAX)
		diag_add(&p->prog->diags, D_REGEX, (struct span){ t.span.src, t.span.at + 1 + (uint32_t)at, 1 }, "invalid regular expression: %s", why);
	if (err == ERR_NOMEM)
		p->prog->diags.no_memory = true;
	return expr_const(p, t.span, (struct value){ .type = T_REGEX, .u.regex = re });
}

static struct expr *parse_parens(struct parser *p)
{
	struct span  open = p->tok.span;
	struct expr *e;

	parser_advance(p);
	e = parse_expr(p);
	/* `((a = b))`: the condition's own check says it better. */
	if (!parser_at(p, TK_ASSIGN))
		parser_expect(p, TK_RPAREN);
	e->parens++;
	if (!p->panic)
		e->span = span_join(open, p->prev);
	return e;
}

static struct expr *parse_literal(struct parser *p)
{
	struct token t = p->tok;
	struct expr *e;

	if (t.kind == TK_VALUE)
		e = expr_const(p, t.span, t.value);
	else
		e = t.kind == TK_VAR ? parse_var(p) : parse_string(p, &t);
	parser_advance(p);
	return e;
}

/* `x += 1` and `x++` are habits of other languages. */
static void no_value(struct parser *p)
{
	struct str   sign = span_text(p->prev);
	bool         adds = str_is(sign, "+") || str_is(sign, "-"), assigns = parser_at(p, TK_ASSIGN), again = str_is(span_text(p->tok.span), "+");
	struct diag *g = parser_wanted(p, "a value");

	if (g && adds && (assigns || again))
		diag_help(&p->prog->diags, g, "write `x = x " STR_FMT " 1;`, and `$sht(table => key).add(1)` for an entry of a table", STR_ARG(sign));
}

static struct expr *parse_primary(struct parser *p)
{
	switch (p->tok.kind) {
	case TK_VALUE: case TK_TEXT: case TK_QUOTED: case TK_VAR:
		return parse_literal(p);
	case TK_NAME:
		return parse_named(p);
	case TK_LPAREN:
		return parse_parens(p);
	case TK_LBRACKET:
		return parse_list(p);
	case TK_SLASH:
		return parse_regex(p);
	case TK_TORN:
		parser_advance(p);
		p->panic = true;
		return expr_new(p, EX_BAD, p->prev);
	case TK_BAD:	/* reported by the lexer, as a mistake within one token */
		parser_advance(p);
		return expr_new(p, EX_BAD, p->prev);
	default:
		no_value(p);
		return expr_new(p, EX_BAD, p->tok.span);
	}
}

/* value.name(…): a call whose first argument is the value. The ( is next. */
static struct expr *parse_method(struct parser *p, struct expr *field)
{
	struct expr *e = expr_new(p, EX_CALL, field->span);
	struct arg  *self = PARSER_NEW(p, struct arg);

	parser_advance(p);
	self->value = field->u.field.of;
	self->next = parse_args(p);
	e->u.call.name = field->u.field.name;
	e->u.call.name_span = field->u.field.name_span;
	e->u.call.args = self;
	e->u.call.method = true;
	e->span = span_join(field->span, p->prev);
	return e;
}

static struct expr *parse_field(struct parser *p, struct expr *of)
{
	struct expr *e = expr_new(p, EX_FIELD, of->span);
	struct diag *g;

	parser_advance(p);
	e->u.field.of = of;
	e->u.field.index = -1;
	if (parser_at(p, TK_VAR) || parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED)) {	/* "a" . $b */
		g = parser_wanted(p, "the name of a field");
		if (g)
			diag_help(&p->prog->diags, g, "texts are joined by `+`, or stand within one: \"$rU and $(x)\"");
		e->kind = EX_BAD;
	} else if (!parser_name(p, "the name of a field", &e->u.field.name, &e->u.field.name_span))
		e->kind = EX_BAD;
	e->span = span_join(of->span, p->prev);
	return e->kind == EX_FIELD && parser_at(p, TK_LPAREN) ? parse_method(p, e) : e;
}

static struct expr *parse_index(struct parser *p, struct expr *of)
{
	struct expr *e = expr_new(p, EX_INDEX, of->span);

	parser_advance(p);
	e->u.index.of = of;
	e->u.index.at = parse_expr(p);
	parser_expect(p, TK_RBRACKET);
	e->span = span_join(of->span, p->prev);
	return e;
}

static struct expr *parse_postfix(struct parser *p)
{
	struct expr *e = parse_primary(p);

	while (!p->panic && (parser_at(p, TK_DOT) || parser_at(p, TK_LBRACKET)) && parser_link(p))
		e = parser_at(p, TK_DOT) ? parse_field(p, e) : parse_index(p, e);
	return e;
}

static bool is_number(const struct expr *e)
{
	return e->kind == EX_CONST && e->u.value.type == T_INT && !e->parens;
}

static struct expr *parse_unary(struct parser *p)
{
	struct token t = p->tok;
	struct expr *e;

	if (t.kind != TK_NOT && t.kind != TK_MINUS)
		return parse_postfix(p);
	parser_advance(p);
	e = expr_new(p, EX_UNARY, t.span);
	if (parser_enter(p, t.span))
		e->u.op.a = parse_unary(p);
	else
		e->u.op.a = expr_new(p, EX_BAD, t.span);
	parser_leave(p);
	e->op = t.kind == TK_NOT ? OP_NOT : OP_NEG;
	e->span = span_join(t.span, e->u.op.a->span);
	if (e->op == OP_NEG && is_number(e->u.op.a))
		return expr_const(p, e->span, value_int(-e->u.op.a->u.value.u.i));
	return e;
}

struct expr *parse_operand(struct parser *p)
{
	return parse_unary(p);
}

struct infix {
	enum op  op;
	unsigned level;	/* the higher the tighter; 0: no operator */
};

static struct infix infix_of(const struct token *t)
{
	static const struct infix all[TK_COUNT] = {
		[TK_DEFAULT] = { OP_DEFAULT, 1 }, [TK_OR] = { OP_OR, 2 }, [TK_AND] = { OP_AND, 3 },
		[TK_EQ] = { OP_EQ, 4 }, [TK_NE] = { OP_NE, 4 }, [TK_LT] = { OP_LT, 4 }, [TK_LE] = { OP_LE, 4 }, [TK_GT] = { OP_GT, 4 },
		[TK_GE] = { OP_GE, 4 }, [TK_MATCH] = { OP_MATCH, 4 }, [TK_NO_MATCH] = { OP_NO_MATCH, 4 },
		[TK_PLUS] = { OP_ADD, 5 }, [TK_MINUS] = { OP_SUB, 5 }, [TK_STAR] = { OP_MUL, 6 }, [TK_SLASH] = { OP_DIV, 6 }, [TK_PERCENT] = { OP_MOD, 6 },
	};

	if (t->kind == TK_NAME && str_is(t->text, "in"))
		return (struct infix){ OP_IN, 4 };
	return all[t->kind];
}

/* Precedence climbing. Operators of one level join from the left; `??` from the right, where only its last alternative may be missing. */
static struct expr *parse_binary(struct parser *p, unsigned level)
{
	struct expr *left = parse_unary(p);

	for (struct infix in = infix_of(&p->tok); in.level && in.level >= level && !p->panic; in = infix_of(&p->tok)) {
		struct expr *e = expr_new(p, EX_BINARY, left->span);

		if (!parser_link(p))
			break;
		parser_advance(p);
		e->op = in.op;
		e->u.op.a = left;
		e->u.op.b = parse_binary(p, in.op == OP_DEFAULT ? in.level : in.level + 1);
		e->span = span_join(left->span, e->u.op.b->span);
		left = e;
	}
	return left;
}

struct expr *parse_expr(struct parser *p)
{
	struct expr *e;

	if (parser_enter(p, p->tok.span))
		e = parse_binary(p, 1);
	else
		e = expr_new(p, EX_BAD, p->tok.span);
	parser_leave(p);
	if (parser_at(p, TK_BAD))
		e->kind = EX_BAD;	/* half of it is missing: what it is now means nothing */
	return e;
}

/* --- values of settings --- */
static struct expr *setting_word(struct parser *p)
{
	struct expr *e = expr_new(p, EX_NAME, p->tok.span);

	e->u.name = p->tok.text;
	return e;
}

static struct expr *setting_item(struct parser *p);

static struct expr *setting_list(struct parser *p)
{
	struct span  open = p->tok.span;
	struct parts all = { 0 };
	struct expr *e = expr_new(p, EX_LIST, open);

	do {
		p->tok = lex_setting(&p->lex);
		if (parser_at(p, TK_RBRACKET))
			break;
		parts_add(p, &all, setting_item(p));
	} while (!p->panic && parser_at(p, TK_COMMA));
	parser_expect(p, TK_RBRACKET);
	e->span = span_join(open, p->prev);
	e->u.list.item = all.item;
	e->u.list.count = all.count;
	return e;
}

/* p->tok came from lex_setting(). */
static struct expr *setting_item(struct parser *p)
{
	struct expr *e;

	if (parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED))
		return parse_literal(p);
	if (parser_at(p, TK_WORD)) {
		struct token word = p->tok;

		e = setting_word(p);
		parser_advance(p);
		if (!parser_at(p, TK_LPAREN) || !str_is(word.text, "env"))
			return e;
		parser_advance(p);
		return parse_env(p, word.span);
	}
	parser_wanted(p, "a value");
	return expr_new(p, EX_BAD, p->tok.span);
}

struct expr *parse_setting_value(struct parser *p)
{
	struct expr *e;

	p->tok = lex_setting(&p->lex);
	if (!parser_at(p, TK_LBRACKET))
		return setting_item(p);
	if (!parser_enter(p, p->tok.span))
		return expr_new(p, EX_BAD, p->tok.span);
	e = setting_list(p);
	parser_leave(p);
	return e;
}
