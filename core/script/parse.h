#pragma once
/* What the parse_*.c files share. One recursive-descent parser a file; it never stops at an error but skips to where a statement can
 * begin again, so that one run shows all of them. */
#include "script/ast.h"
#include "script/lex.h"
#include "script/regex.h"

enum {
	MOST_NESTING = 200,	/* blocks, parentheses and operators within each other: bounds the stack of every later pass, too */
	MOST_LINKS = 1000,	/* operators of one statement, for the same reason: a + b + c + … is as deep as it is long */
	MOST_FILES = 1000,	/* of one configuration, counted as often as they are included */
};
struct parser {
	struct program *prog;
	struct lexer    lex;
	struct token    tok;		/* the next one; nothing behind it has been read */
	struct span     prev;		/* the last one taken */
	unsigned        depth, links;
	bool            panic;		/* an error was reported: quiet until a place to go on is found */
	bool            unclosed;	/* a missing } was reported: leave all blocks */
	bool            if_body;	/* the next block is that of an `if` */
	struct span     suspect;	/* the first { whose } stands further left than its line: the likely place of a missing } */
	struct route_call *calls;	/* of the route being read */
	uint32_t        aside;		/* IN_SPAWN, IN_PARALLEL: within such a block */
	const struct parser *outer;	/* of the file that includes this one */
	char            scratch[1024];	/* what nodes are made of when there is no memory: parsing has failed then */
};

/* --- parse.c: tokens and errors --- */
void parser_advance(struct parser *p);
bool parser_at(const struct parser *p, enum token_kind k);
bool parser_at_word(const struct parser *p, const char *word);
bool parser_take(struct parser *p, enum token_kind k);
/* The token after the next one, unread. */
struct token parser_peek(struct parser *p);
/* Take one of that kind, or report it missing. */
bool parser_expect(struct parser *p, enum token_kind k);
/* `;`: when it is missing at the end of a line the next line is read as if it were there. */
void parser_expect_semi(struct parser *p);
/* A name: taken into *name and *span, or reported as `what` missing. */
bool parser_name(struct parser *p, const char *what, struct str *name, struct span *span);
/* "expected %s, got …", at the place where it should have been. Quiet while panicking. */
struct diag *parser_wanted(struct parser *p, const char *what);
void parser_sync(struct parser *p);
/* False, reported: nested too deep. Pair with parser_leave() in both cases. */
bool parser_enter(struct parser *p, struct span where);
void parser_leave(struct parser *p);
/* One more operator in this statement; false, reported: too many. */
bool parser_link(struct parser *p);
/* Zeroed, never NULL. */
void *parser_new(struct parser *p, size_t bytes);
#define PARSER_NEW(p, type) ((type *)parser_new((p), sizeof(type)))

/* --- parse_expr.c --- */
struct expr *parse_expr(struct parser *p);		/* never NULL; EX_BAD after an error */
struct expr *parse_operand(struct parser *p);		/* without binary operators: an attribute of a test */
struct expr *parse_setting_value(struct parser *p);	/* the lexer stands behind the setting's name or `=` */
struct expr *parse_string(struct parser *p, const struct token *t);
struct expr *expr_new(struct parser *p, enum expr_kind kind, struct span span);
struct expr *expr_const(struct parser *p, struct span span, struct value v);

/* --- parse_stmt.c --- */
struct stmt *parse_block(struct parser *p);		/* at `{` */
struct local *parse_params(struct parser *p, size_t *count);	/* (a, b: int); behind `(` */

/* --- parse_test.c --- */
void parse_test(struct parser *p);			/* behind `test` */
void parse_givens(struct parser *p);			/* behind `given`, outside of a test */
