#pragma once
/* Bytes to tokens. Pulled one at a time by the parser, which knows better where a word may be bare or a slash begins a
 * regular expression. What is no token is reported once and skipped. */
#include "module/value.h"
#include "script/diag.h"

enum token_kind {
	TK_END,
	TK_NAME,	/* text */
	TK_VAR,		/* $name: text without the $ */
	TK_VALUE,	/* value: int, duration, size, ip, cidr */
	TK_CLASS,	/* 4xx: value.u.i is the digit (tests) */
	TK_TEXT,	/* "…": text is what stands between the quotes, as written */
	TK_QUOTED,	/* '…': likewise; only \' and \\ are escapes */
	TK_REGEX,	/* text between the slashes; flags behind */
	TK_WORD,	/* a bare word of a setting */
	TK_BAD,		/* was reported */
	TK_TORN,	/* was reported; the rest of the line went with it */
	TK_LBRACE, TK_RBRACE, TK_LPAREN, TK_RPAREN, TK_LBRACKET, TK_RBRACKET, TK_SEMI, TK_COMMA, TK_DOT, TK_COLON,
	TK_ASSIGN, TK_ARROW, TK_EQ, TK_NE, TK_LT, TK_LE, TK_GT, TK_GE, TK_MATCH, TK_NO_MATCH, TK_AND, TK_OR, TK_NOT,
	TK_PLUS, TK_MINUS, TK_STAR, TK_SLASH, TK_PERCENT, TK_DEFAULT,
	TK_COUNT
};
struct token {
	enum token_kind kind;
	struct span     span;
	struct str      text, flags;
	struct value    value;
};
struct lexer {
	const struct source *src;
	uint32_t             at, end;
	struct diags        *diags;
};

/* All of the file, or the part of it from..end. */
void lexer_init(struct lexer *l, const struct source *src, uint32_t from, uint32_t end, struct diags *d);
struct token lex_next(struct lexer *l);
/* The value of a setting, where words need no quotes (udp:*:5060, SHA-256): a TK_WORD, or the token that begins there when
 * that is a quote, a bracket, a brace, a comma or a semicolon. */
struct token lex_setting(struct lexer *l);
/* The regular expression whose opening slash was `slash`, the token just read. */
struct token lex_regex(struct lexer *l, const struct token *slash);
/* What stands between the parenthesis just read and the next one that closes, on the same line: the name in $hdr(Name). The
 * closing one is read as well. TK_WORD, or TK_BAD (reported). */
struct token lex_argument(struct lexer *l);
/* As in a message: "`;`", "a name", "the end of the file". */
const char *token_kind_text(enum token_kind k);
