/* Declarations: everything that stands outside of braces, and the parser's handling of tokens and errors. */
#include "script/parse.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "script/check.h"
#include "script/foreign.h"

void *parser_new(struct parser *p, size_t bytes)
{
	void *node = arena_zalloc(&p->prog->arena, bytes);

	if (node)
		return node;
	p->prog->diags.no_memory = true;
	p->lex.at = p->lex.end;
	return memset(p->scratch, 0, sizeof(p->scratch));
}

/* --- tokens --- */
void parser_advance(struct parser *p)
{
	p->prev = p->tok.span;
	p->tok = lex_next(&p->lex);
}

bool parser_at(const struct parser *p, enum token_kind k)
{
	return p->tok.kind == k;
}

bool parser_at_word(const struct parser *p, const char *word)
{
	return p->tok.kind == TK_NAME && str_is(p->tok.text, word);
}

bool parser_take(struct parser *p, enum token_kind k)
{
	if (!parser_at(p, k))
		return false;
	parser_advance(p);
	return true;
}

struct token parser_peek(struct parser *p)
{
	struct lexer ahead = p->lex;

	return lex_next(&ahead);
}

/* --- errors --- */
static struct span behind(struct span s)
{
	s.at += s.len;
	s.len = 0;
	return s;
}

/* What was found, as it stands in the file when it is short. */
static struct str found_text(struct parser *p, char *room, size_t cap)
{
	struct str  text = span_text(p->tok.span);
	struct buf b = buf_on(room, cap);

	if (p->tok.kind == TK_END || !text.len || text.len > 30)
		return str_of(token_kind_text(p->tok.kind));
	buf_printf(&b, "`" STR_FMT "`", STR_ARG(text));
	return buf_str(&b);
}

struct diag *parser_wanted(struct parser *p, const char *what)
{
	bool         same_line = p->prev.src == p->tok.span.src && span_line(p->prev) == span_line(p->tok.span);
		const char  *foreign = p->tok.kind == TK_NAME ? foreign_help(FOREIGN_OPERATOR, p->tok.text) : NULL;
	struct diag *g;
	struct span  where = same_line || foreign || !p->prev.src ? p->tok.span : behind(p->prev);
	char         room[64];
	struct str   found = found_text(p, room, sizeof(room));

	if (p->panic || p->unclosed || p->tok.kind == TK_BAD || p->tok.kind == TK_TORN) {
		p->panic = true;
		return NULL;
	}
	p->panic = true;
	g = diag_add(&p->prog->diags, D_SYNTAX, where, "expected %s, got " STR_FMT, what, STR_ARG(found));
	if (foreign)
		diag_help(&p->prog->diags, g, "%s", foreign);
	return g;
}

bool parser_expect(struct parser *p, enum token_kind k)
{
	if (parser_take(p, k))
		return true;
	parser_wanted(p, token_kind_text(k));
	return false;
}

void parser_expect_semi(struct parser *p)
{
	bool line_ends = parser_at(p, TK_RBRACE) || span_line(p->prev) != span_line(p->tok.span);

	if (p->panic || parser_take(p, TK_SEMI))
		return;
	parser_wanted(p, "`;`");
	if (line_ends && !parser_at(p, TK_LBRACE))
		p->panic = false;	/* go on as if it were there */
}

bool parser_name(struct parser *p, const char *what, struct str *name, struct span *span)
{
	if (!parser_at(p, TK_NAME)) {
		parser_wanted(p, what);
		return false;
	}
	*name = p->tok.text;
	*span = p->tok.span;
	parser_advance(p);
	return true;
}

/* To behind the next `;`, or to a brace: the one that closes belongs to the block, the one that opens begins a block that is worth reading. */
void parser_sync(struct parser *p)
{
	while (!parser_at(p, TK_END) && !parser_at(p, TK_LBRACE) && !parser_at(p, TK_RBRACE) && !parser_take(p, TK_SEMI))
		parser_advance(p);
	p->panic = false;
}

bool parser_enter(struct parser *p, struct span where)
{
	if (++p->depth <= MOST_NESTING)
		return true;
	if (!p->unclosed)
		diag_add(&p->prog->diags, D_TOO_DEEP, where, "nested more than %d levels deep", MOST_NESTING);
	p->panic = p->unclosed = true;	/* leave quietly; what follows cannot be told apart any more */
	p->lex.at = p->lex.end;
	p->tok = (struct token){ .kind = TK_END, .span = p->tok.span };
	return false;
}

void parser_leave(struct parser *p)
{
	p->depth--;
}

bool parser_link(struct parser *p)
{
	if (++p->links <= MOST_LINKS)
		return true;
	if (!p->panic)
		diag_add(&p->prog->diags, D_TOO_DEEP, p->tok.span, "more than %d operators in one statement", MOST_LINKS);
	p->panic = true;
	return false;
}

/* Append to a list of the program: declarations stay in the order of the file. */
#define APPEND(list, node)                      \
	do {                                    \
		__typeof__(&(list)) at_ = &(list); \
		while (*at_)                    \
			at_ = &(*at_)->next;    \
		*at_ = (node);                  \
	} while (0)

/* --- settings and modules --- */
/* The name is the current token, the lexer stands right behind it. */
static struct setting *parse_setting(struct parser *p, bool assign_only)
{
	struct setting *s = PARSER_NEW(p, struct setting);
	struct token    next = parser_peek(p);

	s->name = p->tok.text;
	s->name_span = p->tok.span;
	if (next.kind == TK_ASSIGN)
		parser_advance(p);
	else if (assign_only || next.kind == TK_SEMI || next.kind == TK_LPAREN) {
		parser_advance(p);
		parser_wanted(p, assign_only ? "`=`" : "a value");
		return NULL;
	}
	p->prev = p->tok.span;
	s->value = parse_setting_value(p);
	s->span = s->value->span;
	parser_expect_semi(p);
	return s;
}

/* { name = value; … } Reports the `{` when it is never closed. */
static void parse_setting_block(struct parser *p, struct setting **list)
{
	struct span open = p->tok.span;

	if (!parser_expect(p, TK_LBRACE))
		return;
	while (!parser_at(p, TK_RBRACE) && !parser_at(p, TK_END)) {
		struct setting *s = NULL;

		if (parser_at(p, TK_NAME))
			s = parse_setting(p, true);
		else
			parser_wanted(p, "the name of a parameter");
		if (s && s->value->kind != EX_BAD) {
			*list = s;
			list = &s->next;
		}
		if (p->panic)
			parser_sync(p);
		if (parser_at(p, TK_LBRACE))
			break;
	}
	if (parser_at(p, TK_END)) {
		diag_add(&p->prog->diags, D_UNCLOSED, open, "this `{` is never closed");
		return;
	}
	parser_expect(p, TK_RBRACE);
}

static void parse_module(struct parser *p)
{
	struct module_block *m = PARSER_NEW(p, struct module_block);
	struct token         name = p->tok;

	if (parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED)) {
		m->name = name.text;
		m->name_span = name.span;
		parser_advance(p);
	} else if (!parser_name(p, "the name of a module", &m->name, &m->name_span))
		return;
	APPEND(p->prog->modules, m);
	if (!parser_take(p, TK_SEMI))	/* module x; has no parameters to set */
		parse_setting_block(p, &m->settings);
}

/* --- const, include, table --- */
static void parse_const(struct parser *p)
{
	struct constant *c = PARSER_NEW(p, struct constant);

	if (!parser_name(p, "the name of a constant", &c->name, &c->span) || !parser_expect(p, TK_ASSIGN))
		return;
	c->value = parse_expr(p);
	parser_expect_semi(p);
	APPEND(p->prog->constants, c);
}

static void parse_source(struct program *prog, const struct source *src, const struct parser *outer);

/* Relative to the file that includes. */
static struct str include_path(struct parser *p, struct str name)
{
	struct str dir = p->lex.src->name;

	while (dir.len && dir.p[dir.len - 1] != '/')
		dir.len--;
	if (!dir.len || (name.len && name.p[0] == '/'))
		return name;
	return arena_printf(&p->prog->arena, STR_FMT STR_FMT, STR_ARG(dir), STR_ARG(name));
}

static bool includes_itself(const struct parser *p, struct str path)
{
	for (; p; p = p->outer)
		if (str_eq(p->lex.src->name, path))
			return true;
	return false;
}

/* A server that was started as root is somebody else when it reads its file again. */
static void cannot_read(struct program *prog, struct span where, struct str path)
{
	int                  why = errno;
	struct diag         *g = diag_add(&prog->diags, D_FILE, where, "cannot read `" STR_FMT "`: %s", STR_ARG(path), strerror(why));
	const struct passwd *pw = why == EACCES ? getpwuid(geteuid()) : NULL;

	if (why == EACCES)
		diag_help(&prog->diags, g, "this runs as user %s: let it read the file, and enter its folders", pw ? pw->pw_name : "(without a name)");
}

static void parse_include(struct parser *p)
{
	struct token   t = p->tok;
	struct expr   *name = parser_at(p, TK_TEXT) || parser_at(p, TK_QUOTED) ? parse_string(p, &t) : NULL;
	struct source *src;
	struct str     path;

	if (!name || name->kind != EX_CONST) {
		parser_wanted(p, "the name of a file in quotes");
		return;
	}
	parser_advance(p);
	parser_take(p, TK_SEMI);
	path = include_path(p, name->u.value.u.s);
	if (includes_itself(p, path)) {
		diag_add(&p->prog->diags, D_INCLUDE, t.span, "`" STR_FMT "` includes itself", STR_ARG(path));
		return;
	}
	if (p->prog->sources.count >= MOST_FILES) {
		diag_add(&p->prog->diags, D_INCLUDE, t.span, "more than %d files", MOST_FILES);
		return;
	}
	if (source_read(&p->prog->sources, path, &src)) {
		cannot_read(p->prog, t.span, path);
		return;
	}
	src->included = t.span;
	parse_source(p->prog, src, p);
}

static void parse_table_fields(struct parser *p, struct table *t, struct span open)
{
	struct table_field **link = &t->fields;

	while (!parser_at(p, TK_RBRACE) && !parser_at(p, TK_END)) {
		struct table_field *f = PARSER_NEW(p, struct table_field);

		if (parser_name(p, "key, value, ttl, max, load, key_column or value_column", &f->name, &f->span)) {
			if (!parser_take(p, TK_ASSIGN))
				parser_expect(p, TK_COLON);
			f->value = p->panic ? expr_new(p, EX_BAD, f->span) : parse_expr(p);
			parser_expect_semi(p);
			*link = f;
			link = &f->next;
		}
		if (p->panic)
			parser_sync(p);
		if (parser_at(p, TK_LBRACE))
			break;
	}
	if (parser_at(p, TK_END))
		diag_add(&p->prog->diags, D_UNCLOSED, open, "this `{` is never closed");
	else
		parser_expect(p, TK_RBRACE);
}

static void parse_table(struct parser *p)
{
	struct table *t = PARSER_NEW(p, struct table);
	struct span   open;

	if (!parser_name(p, "the name of a table", &t->name, &t->span))
		return;
	open = p->tok.span;
	if (!parser_expect(p, TK_LBRACE))
		return;
	APPEND(p->prog->tables, t);
	t->index = (unsigned)p->prog->table_count++;
	parse_table_fields(p, t, open);
}

/* --- routes --- */
static const struct route_form {
	const char     *word;
	enum route_kind kind;
	bool            may_name, must_name;
} route_forms[] = {
	{ "request_route", ROUTE_REQUEST, false, false }, { "dialog_route", ROUTE_DIALOG, false, false }, { "reply_route", ROUTE_REPLY, true, false },
	{ "branch_route", ROUTE_BRANCH, true, true },     { "event_route", ROUTE_EVENT, true, true },     { "timer_route", ROUTE_TIMER, true, true },
	{ "route", ROUTE_SUB, true, true },
};

const char *route_kind_name(enum route_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(route_forms); i++)
		if (route_forms[i].kind == kind)
			return route_forms[i].word;
	return "route";
}

static const struct route_form *route_form(struct str word)
{
	for (size_t i = 0; i < COUNT_OF(route_forms); i++)
		if (str_is(word, route_forms[i].word))
			return &route_forms[i];
	return NULL;
}

/* [NAME], [module:event] */
static void parse_route_name(struct parser *p, struct route *r)
{
	struct str  name, event;
	struct span span, more;

	parser_advance(p);
	if (!parser_name(p, r->kind == ROUTE_EVENT ? "module:event" : "a name", &name, &span))
		return;
	r->name = name;
	r->name_span = span;
	if (r->kind == ROUTE_EVENT) {
		if (!parser_expect(p, TK_COLON) || !parser_name(p, "the name of an event", &event, &more))
			return;
		r->name_span = span_join(span, more);
		r->name = arena_printf(&p->prog->arena, STR_FMT ":" STR_FMT, STR_ARG(name), STR_ARG(event));
	}
	parser_expect(p, TK_RBRACKET);
}

/* (every = 60s), behind the parenthesis */
static void parse_every(struct parser *p, struct route *r)
{
	if (!parser_at_word(p, "every")) {
		parser_wanted(p, "`every`");
		return;
	}
	parser_advance(p);
	if (!parser_expect(p, TK_ASSIGN))
		return;
	r->every = parse_expr(p);
	parser_expect(p, TK_RPAREN);
}

static void parse_route_head(struct parser *p, struct route *r, const struct route_form *form)
{
	if (parser_at(p, TK_LBRACKET) && form->may_name)
		parse_route_name(p, r);
	else if (form->must_name) {
		struct diag *g = parser_wanted(p, "`[`");

		if (g && form->kind == ROUTE_SUB && parser_at(p, TK_LBRACE))
			diag_help(&p->prog->diags, g, "the route for new requests is `request_route { … }`");
	}
	if (p->panic || !parser_at(p, TK_LPAREN) || (r->kind != ROUTE_TIMER && r->kind != ROUTE_SUB))
		return;
	parser_advance(p);
	if (r->kind == ROUTE_TIMER)
		parse_every(p, r);
	else
		r->params = parse_params(p, &r->param_count);
}

static void parse_route(struct parser *p, const struct route_form *form)
{
	struct route *r = PARSER_NEW(p, struct route);
	size_t        errors;

	r->kind = form->kind;
	r->span = r->name_span = p->prev;
	parse_route_head(p, r, form);
	r->broken = p->panic;
	r->span = span_join(r->span, p->prev);
	if (p->panic)
		parser_sync(p);
	if (!parser_at(p, TK_LBRACE)) {
		parser_wanted(p, "`{`");
		return;
	}
	p->calls = NULL;
	errors = p->prog->diags.errors;
	r->body = parse_block(p);
	r->calls = p->calls;
	r->broken = r->broken || p->prog->diags.errors != errors;
	APPEND(p->prog->routes, r);
	r->index = (unsigned)p->prog->route_count++;
}

/* --- what people bring from elsewhere --- */
/* Behind its word: skip its arguments, or its whole block. */
static void skip_foreign(struct parser *p)
{
	unsigned depth = 0;

	while (!parser_at(p, TK_END)) {
		bool ends = parser_at(p, TK_SEMI) && !depth;

		depth += parser_at(p, TK_LBRACE);
		if (parser_at(p, TK_RBRACE) && (!depth || --depth == 0))
			ends = true;
		if (!depth && span_line(p->prev) != span_line(p->tok.span) && parser_at(p, TK_NAME))
			return;	/* loadmodule "x" has no semicolon */
		parser_advance(p);
		if (ends)
			return;
	}
}

static bool parse_foreign(struct parser *p)
{
	const char  *help = foreign_help(FOREIGN_DECLARATION, p->tok.text);
	struct diag *g;

	if (!help)
		return false;
	g = diag_add(&p->prog->diags, D_NOT_NEEDED, p->tok.span, "`" STR_FMT "` is not a part of this language", STR_ARG(p->tok.text));
	diag_help(&p->prog->diags, g, "%s", help);
	parser_advance(p);
	skip_foreign(p);
	return true;
}

/* --- the file --- */
static bool parse_keyword(struct parser *p)
{
	static const struct { const char *word; void (*parse)(struct parser *p); } all[] = {
		{ "module", parse_module }, { "const", parse_const }, { "include", parse_include }, { "table", parse_table }, { "test", parse_test },
		{ "given", parse_givens },
	};
	const struct route_form *form = route_form(p->tok.text);

	if (form) {
		parser_advance(p);
		parse_route(p, form);
		return true;
	}
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		if (!parser_at_word(p, all[i].word))
			continue;
		parser_advance(p);
		all[i].parse(p);
		return true;
	}
	return parse_foreign(p);
}

/* `reqest_route {`, `rout[X] {`: settings have no brackets. */
static bool unknown_declaration(struct parser *p)
{
	static const char *const words[] = { "module", "table", "test", "const", "include" };
	enum token_kind          next = parser_peek(p).kind;
	struct nearest           near = nearest_to(p->tok.text);
	struct diag             *g;

	if (next != TK_LBRACE && (next != TK_LBRACKET || p->lex.at >= p->lex.end || p->lex.src->text.p[p->lex.at] != '['))
		return false;
	for (size_t i = 0; i < COUNT_OF(route_forms); i++)
		nearest_offer(&near, str_of(route_forms[i].word));
	for (size_t i = 0; i < COUNT_OF(words); i++)
		nearest_offer(&near, str_of(words[i]));
	g = diag_add(&p->prog->diags, D_SYNTAX, p->tok.span, "nothing is declared by `" STR_FMT "`", STR_ARG(p->tok.text));
	diag_did_you_mean(&p->prog->diags, g, nearest_name(&near));
	parser_advance(p);
	p->panic = true;
	return true;
}

static void parse_declaration(struct parser *p)
{
	struct setting *s;

	p->links = 0;
	if (parser_take(p, TK_SEMI))
		return;
	if (parser_at(p, TK_RBRACE)) {
		diag_add(&p->prog->diags, D_UNCLOSED, p->tok.span, "this `}` closes nothing");
		parser_advance(p);
		return;
	}
	if (!parser_at(p, TK_NAME)) {
		parser_wanted(p, "a setting, a module, a table, a test or a route");
		if (!parser_at(p, TK_LBRACE))
			parser_advance(p);
		return;
	}
	if (parse_keyword(p) || unknown_declaration(p))
		return;
	s = parse_setting(p, false);
	if (s && s->value->kind != EX_BAD)
		APPEND(p->prog->settings, s);
}

static void skip_block(struct parser *p)
{
	unsigned depth = 0;

	do {
		depth += parser_at(p, TK_LBRACE);
		depth -= parser_at(p, TK_RBRACE);
		parser_advance(p);
	} while (depth && !parser_at(p, TK_END));
}

static void parse_source(struct program *prog, const struct source *src, const struct parser *outer)
{
	struct parser p = { .prog = prog, .outer = outer };

	lexer_init(&p.lex, src, 0, (uint32_t)src->text.len, &prog->diags);
	if (str_starts(src->text, STR("\xEF\xBB\xBF")))
		p.lex.at = 3;	/* the mark some editors put in front of UTF-8 */
	parser_advance(&p);
	while (!parser_at(&p, TK_END)) {
		parse_declaration(&p);
		p.unclosed = false;
		p.suspect = (struct span){ 0 };
		if (!p.panic)
			continue;
		parser_sync(&p);
		if (parser_at(&p, TK_LBRACE))
			skip_block(&p);
		else
			parser_take(&p, TK_RBRACE);
	}
}

/* --- programs --- */
enum { MOST_PROGRAM_BYTES = 256 << 20 };

struct program *program_new(void)
{
	struct arena    a;
	struct program *p;

	arena_init(&a, NULL, 0, MOST_PROGRAM_BYTES);
	p = ARENA_NEW(&a, struct program);
	if (!p)
		return NULL;
	p->arena = a;
	sources_init(&p->sources, &p->arena);
	diags_init(&p->diags, &p->arena);
	return p;
}

void program_free(struct program *p)
{
	struct arena a;

	if (!p)
		return;
	regex_free_all(p->regexes);
	a = p->arena;	/* the program lies in it */
	arena_free(&a);
}

bool program_parse(struct program *p, struct str name, struct str text)
{
	struct source *src = source_add(&p->sources, name, text);

	if (!src) {
		p->diags.no_memory = true;
		return false;
	}
	parse_source(p, src, NULL);
	return !diags_failed(&p->diags);
}

bool program_read(struct program *p, struct str path)
{
	struct source *src;

	if (source_read(&p->sources, path, &src)) {
		cannot_read(p, (struct span){ 0 }, path);
		return false;
	}
	parse_source(p, src, NULL);
	return !diags_failed(&p->diags);
}

struct route *program_route(const struct program *p, enum route_kind kind, struct str name)
{
	for (struct route *r = p->routes; r; r = r->next)
		if (r->kind == kind && str_eq(r->name, name))
			return r;
	return NULL;
}
