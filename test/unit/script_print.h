#pragma once
/* A parsed program (not yet checked) as text again. What comes out is parsed to the same tree: each node says in how many parentheses it stood, so
 * that the tokens are those that were read, in the same order; only comments and spelling are lost. Settings come before modules, those before
 * constants, and so on. */
#include "script/check.h"
#include "script/parse.h"
#include "script/test_form.h"

struct printer {
	struct buf *out;
	unsigned    indent;
	unsigned    within;	/* so many interpolations around */
};

static inline void print_expr(struct printer *p, const struct expr *e);
static inline void print_stmt(struct printer *p, const struct stmt *s);

static inline void print_line(struct printer *p)
{
	buf_ch(p->out, '\n');
	for (unsigned i = 0; i < p->indent; i++)
		buf_ch(p->out, '\t');
}

/* --- texts --- */

/* One byte of a "…". Within $( … ) the lexer looks for the end of the whole by counting parentheses and quotes. */
static inline void print_byte(struct printer *p, char c, bool careful)
{
	if (c == '"' || c == '\\' || c == '$')
		buf_printf(p->out, "\\%c", c);
	else if ((unsigned char)c < 0x20 || c == 0x7f || (careful && strchr("()'", c)))
		buf_printf(p->out, "\\x%02x", (unsigned char)c);
	else
		buf_ch(p->out, c);
}

static inline void print_bytes(struct printer *p, struct str s, bool careful)
{
	for (size_t i = 0; i < s.len; i++)
		print_byte(p, s.p[i], careful);
}

static inline void print_string(struct printer *p, struct str s)
{
	buf_ch(p->out, '"');
	print_bytes(p, s, p->within);
	buf_ch(p->out, '"');
}

/* Names that may have been quoted are kept as they were between the quotes. */
static inline void print_quoted_name(struct printer *p, struct str raw)
{
	char quote = str_find(raw, '"') >= 0 ? '\'' : '"';
	bool bare = raw.len && !ch_digit(raw.p[0]);

	for (size_t i = 0; i < raw.len; i++)
		bare = bare && (ch_digit(raw.p[i]) || raw.p[i] == '_' || (ch_lower(raw.p[i]) >= 'a' && ch_lower(raw.p[i]) <= 'z'));
	if (!bare)
		buf_ch(p->out, quote);
	buf_add(p->out, raw);
	if (!bare)
		buf_ch(p->out, quote);
}

static inline bool is_piece(const struct expr *e)
{
	return e->kind == EX_CONST && e->u.value.type == T_STR && !e->parens && e->u.value.u.s.len;
}

/* May it stand there without the parentheses of $( … )? Not where what follows would belong to it. */
static inline bool is_plain_var(const struct expr *e, const struct expr *next)
{
	char c = next && is_piece(next) ? next->u.value.u.s.p[0] : ' ';

	return e->kind == EX_VAR && !e->parens && c != '(' && c != '_' && !ch_digit(c) && !(ch_lower(c) >= 'a' && ch_lower(c) <= 'z');
}

static inline void print_inner(struct printer *p, const struct expr *e)
{
	BUF_LIT(p->out, "$(");
	p->within++;
	print_expr(p, e);
	p->within--;
	buf_ch(p->out, ')');
}

/* Two constants side by side were not one: the second came from $( … ). */
static inline void print_text(struct printer *p, const struct expr *e)
{
	bool after_piece = false;

	buf_ch(p->out, '"');
	for (size_t i = 0; i < e->u.list.count; i++) {
		const struct expr *part = e->u.list.item[i], *next = i + 1 < e->u.list.count ? e->u.list.item[i + 1] : NULL;
		bool               piece = is_piece(part) && !after_piece;

		if (piece)
			print_bytes(p, part->u.value.u.s, true);
		else if (is_plain_var(part, next))
			print_expr(p, part);
		else
			print_inner(p, part);
		after_piece = piece;
	}
	buf_ch(p->out, '"');
}

/* --- values --- */

static inline void print_value(struct printer *p, const struct value *v)
{
	switch (v->type) {
	case T_NULL:
		BUF_LIT(p->out, "null");
		return;
	case T_BOOL:
		buf_add(p->out, v->u.b ? STR("true") : STR("false"));
		return;
	case T_INT:
		buf_printf(p->out, "%lld", (long long)v->u.i);
		return;
	case T_DURATION:
		duration_write(v->u.i, p->out);
		return;
	case T_SIZE:
		size_write(v->u.i, p->out);
		return;
	case T_IP:
	case T_CIDR:
		addr_ip_write(v->u.ip, p->out);
		if (v->type == T_CIDR)
			buf_printf(p->out, "/%u", v->prefix);
		buf_ch(p->out, ' ');	/* `::1 .name` */
		return;
	default:
		print_string(p, v->u.s);
	}
}

/* The pattern and its flags, as they stand in the source: from the first slash on, behind what parentheses there were. */
static inline void print_regex(struct printer *p, const struct expr *e)
{
	struct str all = span_text(e->span);
	struct str pattern = regex_source(e->u.value.u.regex);
	ptrdiff_t  at = -1;

	for (size_t i = 0; i < all.len && at < 0; i++)
		if (all.p[i] == '/' && str_starts(str_from(all, i + 1), pattern) && i + 1 + pattern.len < all.len && all.p[i + 1 + pattern.len] == '/')
			at = (ptrdiff_t)i;
	buf_ch(p->out, '/');
	buf_add(p->out, pattern);
	buf_ch(p->out, '/');
	for (size_t i = (size_t)at + 2 + pattern.len; at >= 0 && i < all.len && ch_lower(all.p[i]) >= 'a' && ch_lower(all.p[i]) <= 'z'; i++)
		buf_ch(p->out, all.p[i]);
}

/* --- expressions --- */

static inline void print_args(struct printer *p, const struct arg *a)
{
	for (; a; a = a->next) {
		if (a->name.len)
			buf_printf(p->out, STR_FMT " = ", STR_ARG(a->name));
		print_expr(p, a->value);
		if (a->next)
			BUF_LIT(p->out, ", ");
	}
	buf_ch(p->out, ')');
}

static inline void print_call(struct printer *p, const struct call_expr *c)
{
	const struct arg *first = c->args;

	if (c->method) {
		print_expr(p, first->value);
		buf_ch(p->out, '.');
		first = first->next;
	}
	buf_printf(p->out, STR_FMT "(", STR_ARG(c->name));
	print_args(p, first);
}

static inline void print_route_call(struct printer *p, const struct expr *e)
{
	BUF_LIT(p->out, "route(");
	print_quoted_name(p, e->u.route.name);
	if (e->u.route.args)
		BUF_LIT(p->out, ", ");
	print_args(p, e->u.route.args);
}

/* Blanks at its ends are only possible within quotes. */
static inline void print_var(struct printer *p, const struct expr *e)
{
	struct str arg = e->u.var.arg;
	bool       quote = arg.len && (ch_lws(arg.p[0]) || ch_lws(arg.p[arg.len - 1]) || arg.p[0] == '"' || arg.p[0] == '\'');

	buf_printf(p->out, "$" STR_FMT, STR_ARG(e->u.var.name));
	if (!e->u.var.has_arg)
		return;
	buf_add(p->out, quote ? STR("(\"") : STR("("));
	buf_add(p->out, arg);
	buf_add(p->out, quote ? STR("\")") : STR(")"));
}

static inline void print_list(struct printer *p, const struct expr *e)
{
	buf_ch(p->out, '[');
	for (size_t i = 0; i < e->u.list.count; i++) {
		if (i)
			BUF_LIT(p->out, ", ");
		print_expr(p, e->u.list.item[i]);
	}
	buf_ch(p->out, ']');
}

static inline const char *op_symbol(enum op op)
{
	static const char *const text[] = {
		[OP_DEFAULT] = "?\?", [OP_OR] = "||", [OP_AND] = "&&", [OP_EQ] = "==", [OP_NE] = "!=", [OP_LT] = "<", [OP_LE] = "<=", [OP_GT] = ">",
		[OP_GE] = ">=", [OP_MATCH] = "=~", [OP_NO_MATCH] = "!~", [OP_IN] = "in", [OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/",
		[OP_MOD] = "%",
	};

	return text[op];
}

static inline void print_binary(struct printer *p, const struct expr *e)
{
	print_expr(p, e->u.op.a);
	buf_printf(p->out, " %s ", op_symbol(e->op));
	print_expr(p, e->u.op.b);
}

static inline void print_table_ref(struct printer *p, const struct expr *e)
{
	buf_printf(p->out, "$sht(" STR_FMT " => ", STR_ARG(e->u.table.name));
	print_expr(p, e->u.table.key);
	buf_ch(p->out, ')');
}

static inline void print_index(struct printer *p, const struct expr *e)
{
	print_expr(p, e->u.index.of);
	buf_ch(p->out, '[');
	print_expr(p, e->u.index.at);
	buf_ch(p->out, ']');
}

static inline void print_env(struct printer *p, const struct expr *e)
{
	BUF_LIT(p->out, "env(");
	print_expr(p, e->u.env.name);
	if (e->u.env.preset) {
		BUF_LIT(p->out, ", ");
		print_expr(p, e->u.env.preset);
	}
	buf_ch(p->out, ')');
}

static inline void print_bare(struct printer *p, const struct expr *e)
{
	switch (e->kind) {
	case EX_CONST:
		if (e->u.value.type == T_REGEX)
			print_regex(p, e);
		else
			print_value(p, &e->u.value);
		return;
	case EX_TEXT:
		print_text(p, e);
		return;
	case EX_LIST:
		print_list(p, e);
		return;
	case EX_VAR:
		print_var(p, e);
		return;
	case EX_TABLE:
		print_table_ref(p, e);
		return;
	case EX_CALL:
		print_call(p, &e->u.call);
		return;
	case EX_ROUTE:
		print_route_call(p, e);
		return;
	case EX_FIELD:
		print_expr(p, e->u.field.of);
		buf_printf(p->out, "." STR_FMT, STR_ARG(e->u.field.name));
		return;
	case EX_INDEX:
		print_index(p, e);
		return;
	case EX_UNARY:
		buf_ch(p->out, e->op == OP_NOT ? '!' : '-');
		print_expr(p, e->u.op.a);
		return;
	case EX_BINARY:
		print_binary(p, e);
		return;
	case EX_ENV:
		print_env(p, e);
		return;
	default:	/* EX_NAME; the others come with the check */
		buf_add(p->out, e->u.name);
	}
}

static inline void print_expr(struct printer *p, const struct expr *e)
{
	for (unsigned i = 0; i < e->parens; i++)
		buf_ch(p->out, '(');
	print_bare(p, e);
	for (unsigned i = 0; i < e->parens; i++)
		buf_ch(p->out, ')');
}

/* --- statements --- */

static inline void print_block(struct printer *p, const struct stmt *s)
{
	buf_ch(p->out, '{');
	p->indent++;
	for (const struct stmt *in = s->body; in; in = in->next) {
		print_line(p);
		print_stmt(p, in);
	}
	p->indent--;
	print_line(p);
	buf_ch(p->out, '}');
}

static inline void print_body(struct printer *p, const struct stmt *s)
{
	if (s->kind == ST_BLOCK) {
		buf_ch(p->out, ' ');
		print_stmt(p, s);
		return;
	}
	p->indent++;
	print_line(p);
	print_stmt(p, s);
	p->indent--;
}

/* "if (…)" and its body */
static inline void print_headed(struct printer *p, const char *word, const struct stmt *s)
{
	buf_printf(p->out, "%s (", word);
	if (s->kind == ST_FOR)
		buf_printf(p->out, STR_FMT " in ", STR_ARG(s->local->name));
	print_expr(p, s->value);
	buf_ch(p->out, ')');
	print_body(p, s->body);
	if (!s->other)
		return;
	print_line(p);
	BUF_LIT(p->out, "else");
	print_body(p, s->other);
}

/* "return x;" */
static inline void print_short(struct printer *p, const char *word, const struct expr *e)
{
	buf_printf(p->out, "%s", word);
	if (e)
		print_expr(p, e);
	buf_ch(p->out, ';');
}

static inline void print_stmt(struct printer *p, const struct stmt *s)
{
	switch (s->kind) {
	case ST_BLOCK:
		print_block(p, s);
		return;
	case ST_IF:
		print_headed(p, "if", s);
		return;
	case ST_WHILE:
		print_headed(p, "while", s);
		return;
	case ST_FOR:
		print_headed(p, "for", s);
		return;
	case ST_LET:
		buf_printf(p->out, "let " STR_FMT, STR_ARG(s->local->name));
		print_short(p, s->value ? " = " : "", s->value);
		return;
	case ST_ASSIGN:
		print_expr(p, s->target);
		print_short(p, " = ", s->value);
		return;
	case ST_EXPR:
		print_short(p, "", s->value);
		return;
	case ST_RETURN:
		print_short(p, s->value ? "return " : "return", s->value);
		return;
	case ST_SPAWN: case ST_PARALLEL:
		buf_add(p->out, s->kind == ST_SPAWN ? STR("spawn ") : STR("parallel "));
		print_block(p, s->body);
		return;
	default:
		print_short(p, s->kind == ST_EXIT ? "exit" : s->kind == ST_DROP ? "drop" : s->kind == ST_BREAK ? "break" : "continue", NULL);
	}
}

/* --- declarations --- */

static inline void print_setting(struct printer *p, const struct setting *s)
{
	print_line(p);
	buf_printf(p->out, STR_FMT " = ", STR_ARG(s->name));
	print_expr(p, s->value);
	buf_ch(p->out, ';');
}

static inline void print_module(struct printer *p, const struct module_block *m)
{
	BUF_LIT(p->out, "\nmodule ");
	print_quoted_name(p, m->name);
	BUF_LIT(p->out, " {");
	p->indent++;
	for (const struct setting *s = m->settings; s; s = s->next)
		print_setting(p, s);
	p->indent--;
	BUF_LIT(p->out, "\n}");
}

static inline void print_table(struct printer *p, const struct table *t)
{
	buf_printf(p->out, "\ntable " STR_FMT " {", STR_ARG(t->name));
	for (const struct table_field *f = t->fields; f; f = f->next) {
		buf_printf(p->out, "\n\t" STR_FMT ": ", STR_ARG(f->name));
		print_expr(p, f->value);
		buf_ch(p->out, ';');
	}
	BUF_LIT(p->out, "\n}");
}

static inline void print_params(struct printer *p, const struct route *r)
{
	const struct local *l = r->params;

	buf_ch(p->out, '(');
	for (size_t i = 0; i < r->param_count; i++, l = l->next) {
		buf_printf(p->out, "%s" STR_FMT, i ? ", " : "", STR_ARG(l->name));
		if (l->type_name.len)
			buf_printf(p->out, ": " STR_FMT, STR_ARG(l->type_name));
	}
	buf_ch(p->out, ')');
}

static inline void print_route(struct printer *p, const struct route *r)
{
	buf_printf(p->out, "\n%s", route_kind_name(r->kind));
	if (r->name.len)
		buf_printf(p->out, "[" STR_FMT "]", STR_ARG(r->name));
	if (r->param_count)
		print_params(p, r);
	if (r->every) {
		BUF_LIT(p->out, "(every = ");
		print_expr(p, r->every);
		buf_ch(p->out, ')');
	}
	buf_ch(p->out, ' ');
	print_stmt(p, r->body);
}

/* --- tests --- */

/* value; =~ value; value =~ value */
static inline void print_compared(struct printer *p, const struct expr *of, enum op op, const struct expr *value)
{
	if (of) {
		print_expr(p, of);
		buf_ch(p->out, ' ');
	}
	if (op)
		buf_printf(p->out, "%s ", op_symbol(op));
	if (value)
		print_expr(p, value);
}

static inline void print_step_head(struct printer *p, const struct test_step *s)
{
	struct str words = str_of(step_words(s->kind)), verb = str_take_until(&words, ' ');

	buf_printf(p->out, "\n\t" STR_FMT " %s" STR_FMT " ", STR_ARG(verb), s->no ? "no " : s->directly ? "next " : "", STR_ARG(words));
	buf_add(p->out, s->name);
	if (s->code)
		buf_u64(p->out, s->code);
	else if (s->code_class)
		buf_printf(p->out, "%uxx", s->code_class);
	print_compared(p, s->of, s->kind == GIVEN_TABLE ? OP_NONE : s->op, s->kind == GIVEN_TABLE ? NULL : s->value);
	if (s->kind == GIVEN_TABLE) {
		BUF_LIT(p->out, "= ");
		print_expr(p, s->value);
	}
}

/* `with` keeps an attribute from being taken for the method. */
static inline void print_steps(struct printer *p, const struct test_step *s)
{
	for (; s; s = s->next) {
		print_step_head(p, s);
		for (const struct test_attr *a = s->attrs; a; a = a->next) {
			buf_printf(p->out, " with %s" STR_FMT " ", a->no ? "no " : "", STR_ARG(a->name));
			print_compared(p, a->of, a->op, a->value);
		}
		buf_ch(p->out, ';');
	}
}

static inline void print_test(struct printer *p, const struct test *t)
{
	BUF_LIT(p->out, "\ntest ");
	print_string(p, t->name);
	BUF_LIT(p->out, " {");
	print_steps(p, t->steps);
	BUF_LIT(p->out, "\n}");
}

/* Into `out`; whether all of it fitted is buf_ok(). */
static inline void print_program(const struct program *prog, struct buf *out)
{
	struct printer p = { .out = out };

	for (const struct setting *s = prog->settings; s; s = s->next)
		print_setting(&p, s);
	for (const struct module_block *m = prog->modules; m; m = m->next)
		print_module(&p, m);
	for (const struct constant *k = prog->constants; k; k = k->next) {
		buf_printf(out, "\nconst " STR_FMT " = ", STR_ARG(k->name));
		print_expr(&p, k->value);
		buf_ch(out, ';');
	}
	for (const struct table *t = prog->tables; t; t = t->next)
		print_table(&p, t);
	for (const struct route *r = prog->routes; r; r = r->next)
		print_route(&p, r);
	print_steps(&p, prog->givens);
	for (const struct test *t = prog->tests; t; t = t->next)
		print_test(&p, t);
	buf_ch(out, '\n');
}
