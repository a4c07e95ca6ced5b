#include "script/lex.h"

#include <arpa/inet.h>

void lexer_init(struct lexer *l, const struct source *src, uint32_t from, uint32_t end, struct diags *d)
{
	*l = (struct lexer){ .src = src, .at = from, .end = end, .diags = d };
}

static const char *const kind_text[TK_COUNT] = {
	[TK_END] = "the end of the file", [TK_NAME] = "a name", [TK_VAR] = "a variable", [TK_VALUE] = "a number", [TK_CLASS] = "a class of replies",
	[TK_TEXT] = "a string", [TK_QUOTED] = "a string", [TK_REGEX] = "a regular expression", [TK_WORD] = "a word", [TK_BAD] = "something unreadable", [TK_TORN] = "something unreadable",
	[TK_LBRACE] = "`{`", [TK_RBRACE] = "`}`", [TK_LPAREN] = "`(`", [TK_RPAREN] = "`)`", [TK_LBRACKET] = "`[`", [TK_RBRACKET] = "`]`",
	[TK_SEMI] = "`;`", [TK_COMMA] = "`,`", [TK_DOT] = "`.`", [TK_COLON] = "`:`", [TK_ASSIGN] = "`=`", [TK_ARROW] = "`=>`", [TK_EQ] = "`==`",
	[TK_NE] = "`!=`", [TK_LT] = "`<`", [TK_LE] = "`<=`", [TK_GT] = "`>`", [TK_GE] = "`>=`", [TK_MATCH] = "`=~`", [TK_NO_MATCH] = "`!~`",
	[TK_AND] = "`&&`", [TK_OR] = "`||`", [TK_NOT] = "`!`", [TK_PLUS] = "`+`", [TK_MINUS] = "`-`", [TK_STAR] = "`*`", [TK_SLASH] = "`/`",
	[TK_PERCENT] = "`%`", [TK_DEFAULT] = "`??`",
};

const char *token_kind_text(enum token_kind k)
{
	return kind_text[k];
}

static char peek(const struct lexer *l, uint32_t ahead)
{
	return l->end - l->at > ahead ? l->src->text.p[l->at + ahead] : '\0';
}

static struct span span_from(const struct lexer *l, uint32_t from)
{
	return (struct span){ .src = l->src, .at = from, .len = l->at - from };
}

static struct span span_ahead(const struct lexer *l, uint32_t len)
{
	return (struct span){ .src = l->src, .at = l->at, .len = len };
}

static struct str slice(const struct lexer *l, uint32_t from, uint32_t to)
{
	return str_n(l->src->text.p + from, to - from);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
	return is_letter(c) || ch_digit(c);
}

/* --- space and comments --- */
static void skip_line(struct lexer *l)
{
	while (l->at < l->end && l->src->text.p[l->at] != '\n')
		l->at++;
}

static void skip_block_comment(struct lexer *l)
{
	struct str rest = slice(l, l->at + 2, l->end);
	ptrdiff_t  close = str_find_str(rest, STR("*/"));

	if (close < 0) {
		diag_add(l->diags, D_UNCLOSED, span_ahead(l, 2), "this comment is never closed");
		l->at = l->end;
		return;
	}
	l->at += 2 + (uint32_t)close + 2;
}

/* `#!define` and the like would be comments, and silently do nothing: whoever wrote them expects otherwise. */
static void hash_comment(struct lexer *l)
{
	uint32_t     from = l->at;
	struct diag *g;

	skip_line(l);
	if (!str_starts(slice(l, from, l->at), STR("#!")) || (from == 0 && str_starts(slice(l, from, l->at), STR("#!/"))))
		return;
	g = diag_add(l->diags, D_CHARACTER, span_from(l, from), "there is no preprocessor");
	diag_help(l->diags, g, "write `const NAME = value;`, `include \"file\";` or env(\"NAME\", \"default\")");
}

static void skip_space(struct lexer *l)
{
	for (;;) {
		char c = peek(l, 0);

		if (l->at < l->end && ch_lws(c))
			l->at++;
		else if (c == '#')
			hash_comment(l);
		else if (c == '/' && peek(l, 1) == '*')
			skip_block_comment(l);
		else if (c == '/' && peek(l, 1) == '/') {
			diag_add(l->diags, D_CHARACTER, span_ahead(l, 2), "a comment begins with `#`");
			skip_line(l);
		} else
			return;
	}
}

/* --- numbers and addresses --- */
static struct token value_token(struct lexer *l, uint32_t from, struct value v)
{
	return (struct token){ .kind = TK_VALUE, .span = span_from(l, from), .text = slice(l, from, l->at), .value = v };
}

static struct token bad(struct lexer *l, uint32_t from)
{
	return (struct token){ .kind = TK_BAD, .span = span_from(l, from) };
}

static struct token torn(struct lexer *l, uint32_t from)
{
	skip_line(l);
	return (struct token){ .kind = TK_TORN, .span = span_from(l, from) };
}

static struct token address_token(struct lexer *l, uint32_t from)
{
	struct str   text = slice(l, from, l->at);
	struct value v = { .type = str_find(text, '/') < 0 ? T_IP : T_CIDR };
	struct addr *ip = ARENA_NEW(l->diags->arena, struct addr);

	if (!ip) {
		l->diags->no_memory = true;
		return bad(l, from);
	}
	if (cidr_parse(text, ip, &v.prefix)) {
		diag_add(l->diags, D_ADDRESS, span_from(l, from), "`" STR_FMT "` is no %s", STR_ARG(text),
			 v.type == T_IP ? "IP address" : "network (address/prefix)");
		return bad(l, from);
	}
	v.u.ip = ip;
	return value_token(l, from, v);
}

/* The prefix of a network belongs to the address: 10.0.0.0/8. */
static void take_prefix(struct lexer *l)
{
	if (peek(l, 0) != '/' || !ch_digit(peek(l, 1)))
		return;
	l->at++;
	while (is_word(peek(l, 0)))
		l->at++;
}

/* Digits, dot, digit is nothing else in this language: there are no fractions. */
static bool starts_ipv4(const struct lexer *l)
{
	uint32_t n = 0;

	while (ch_digit(peek(l, n)))
		n++;
	return n && peek(l, n) == '.' && ch_digit(peek(l, n + 1));
}

static struct token ipv4_token(struct lexer *l)
{
	uint32_t from = l->at;

	while (is_word(peek(l, 0)) || (peek(l, 0) == '.' && ch_digit(peek(l, 1))))
		l->at++;
	take_prefix(l);
	return address_token(l, from);
}

static bool is_ipv6_char(char c)
{
	return ch_digit(c) || (ch_lower(c) >= 'a' && ch_lower(c) <= 'f') || c == ':' || c == '.';
}

/* How long an IPv6 address begins here, 0: none. Two colons at least, and the system's own parser has the last word. */
static uint32_t ipv6_length(const struct lexer *l)
{
	char            text[INET6_ADDRSTRLEN];
	struct in6_addr ip;
	uint32_t        n = 0;
	unsigned        colons = 0;

	while (n < sizeof(text) && is_ipv6_char(peek(l, n)))
		colons += peek(l, n++) == ':';
	if (colons < 2 || n >= sizeof(text) || is_word(peek(l, n)))
		return 0;
	memcpy(text, l->src->text.p + l->at, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &ip) == 1 ? n : 0;
}

static struct token number_error(struct lexer *l, uint32_t from, enum err err)
{
	struct str text = slice(l, from, l->at);

	if (err == ERR_LIMIT)
		diag_add(l->diags, D_NUMBER, span_from(l, from), "`" STR_FMT "` does not fit in 64 bits", STR_ARG(text));
	else
		diag_help(l->diags, diag_add(l->diags, D_NUMBER, span_from(l, from), "`" STR_FMT "` is no number", STR_ARG(text)),
			  "durations end in ms, s, m, h or d, sizes in B, kB, MB or GB");
	return bad(l, from);
}

static bool all_digits(struct str s)
{
	while (s.len && ch_digit(s.p[0]))
		s = str_from(s, 1);
	return !s.len;
}

/* 12, 30s, 1h30m, 16kB, and 4xx in tests. */
static struct token number_token(struct lexer *l)
{
	uint32_t   from = l->at;
	struct str text;
	int64_t    n;
	enum err   err;

	while (is_word(peek(l, 0)))
		l->at++;
	text = slice(l, from, l->at);
	if (all_digits(text))
		return str_i64(text, &n) ? value_token(l, from, value_int(n)) : number_error(l, from, ERR_LIMIT);
	if (text.len == 3 && str_ends(text, STR("xx")))
		return (struct token){ .kind = TK_CLASS, .span = span_from(l, from), .text = text, .value = value_int(text.p[0] - '0') };
	err = duration_parse(text, &n);
	if (!err)
		return value_token(l, from, value_ms(n));
	if (err == ERR_LIMIT)
		return number_error(l, from, err);
	err = size_parse(text, &n);
	if (err)
		return number_error(l, from, err);
	return value_token(l, from, (struct value){ .type = T_SIZE, .u.i = n });
}

/* --- strings --- */
enum { MOST_QUOTES = 32 };	/* texts within the $( … ) of texts */

/* From the opening quote at `at` to behind the closing one; 0 when the line ends first. Inside $( … ) and $name( … ) of a "…" quotes nest, each with
 * parentheses of its own. Not recursive, so that no input can exhaust the stack. */
static uint32_t string_end(const struct lexer *l, uint32_t at, bool nesting)
{
	const char *p = l->src->text.p;
	char        quote[MOST_QUOTES] = { p[at] };
	unsigned    depth[MOST_QUOTES] = { 0 }, n = 0;
	bool        in_name = false;	/* behind a $ and the name that may follow it: a parenthesis belongs to them */

	for (uint32_t i = at + 1; i < l->end && p[i] != '\n'; i++) {
		char c = p[i];
		bool behind_name = in_name;

		in_name = c == '$' || (in_name && is_word(c));
		if (c == '\\') {
			i += i + 1 < l->end && p[i + 1] != '\n';
		} else if (depth[n] && (c == '"' || c == '\'')) {
			if (++n == MOST_QUOTES)
				return 0;
			quote[n] = c;
			depth[n] = 0;
		} else if (!depth[n] && c == quote[n]) {
			if (!n--)
				return i + 1;
		} else if (nesting && quote[n] == '"' && c == '(' && (depth[n] || behind_name)) {
			depth[n]++;
		} else if (depth[n] && c == ')') {
			depth[n]--;
		}
	}
	return 0;
}

static struct token string_token(struct lexer *l)
{
	uint32_t        from = l->at, end = string_end(l, from, true);
	enum token_kind kind = l->src->text.p[from] == '"' ? TK_TEXT : TK_QUOTED;

	if (!end)	/* an unclosed $( is reported where it is read, better than as an unclosed string */
		end = string_end(l, from, false);
	if (!end) {
		diag_add(l->diags, D_STRING, (struct span){ l->src, from, 1 }, "this string is not closed on its line");
		return torn(l, from);
	}
	l->at = end;
	return (struct token){ .kind = kind, .span = span_from(l, from), .text = slice(l, from + 1, end - 1) };
}

/* --- the rest --- */
static struct token name_token(struct lexer *l)
{
	uint32_t from = l->at;

	while (is_word(peek(l, 0)))
		l->at++;
	return (struct token){ .kind = TK_NAME, .span = span_from(l, from), .text = slice(l, from, l->at) };
}

static struct token var_token(struct lexer *l)
{
	uint32_t from = l->at++;

	while (is_word(peek(l, 0)))
		l->at++;
	return (struct token){ .kind = TK_VAR, .span = span_from(l, from), .text = slice(l, from + 1, l->at) };
}

struct mark {
	char            text[3];
	enum token_kind kind;
};
/* Two characters before one: the first that fits is taken. */
static const struct mark marks[] = {
	{ "=>", TK_ARROW }, { "==", TK_EQ }, { "=~", TK_MATCH }, { "!=", TK_NE }, { "!~", TK_NO_MATCH }, { "<=", TK_LE }, { ">=", TK_GE },
	{ "&&", TK_AND }, { "||", TK_OR }, { "?\?", TK_DEFAULT }, { "=", TK_ASSIGN }, { "!", TK_NOT }, { "<", TK_LT }, { ">", TK_GT }, { "{", TK_LBRACE },
	{ "}", TK_RBRACE }, { "(", TK_LPAREN }, { ")", TK_RPAREN }, { "[", TK_LBRACKET }, { "]", TK_RBRACKET }, { ";", TK_SEMI }, { ",", TK_COMMA },
	{ ".", TK_DOT }, { ":", TK_COLON }, { "+", TK_PLUS }, { "-", TK_MINUS }, { "*", TK_STAR }, { "/", TK_SLASH }, { "%", TK_PERCENT },
};

/* Behind `$`: what stands in parentheses on this line. One mistake, one message. */
static void skip_parens(struct lexer *l)
{
	const char *text = l->src->text.p;
	unsigned    depth = 0;

	for (uint32_t i = l->at; i < l->end && text[i] != '\n' && (depth || text[i] == '('); i++) {
		depth += text[i] == '(';
		depth -= text[i] == ')';
		if (!depth) {
			l->at = i + 1;
			return;
		}
	}
}

/* One whole character of UTF-8, so that the message does not cut it. */
static struct token stray(struct lexer *l)
{
	uint32_t      from = l->at++;
	unsigned char c = (unsigned char)l->src->text.p[from];
	struct str    text;

	while (l->at < l->end && ((unsigned char)l->src->text.p[l->at] & 0xC0) == 0x80)
		l->at++;
	text = slice(l, from, l->at);
	if (c == '$')
		skip_parens(l);
	if (c < 0x20 || c == 0x7f)
		diag_add(l->diags, D_CHARACTER, span_from(l, from), "a control character (0x%02x) outside a string", c);
	else if (c == '$')
		diag_help(l->diags, diag_add(l->diags, D_CHARACTER, span_from(l, from), "a `$` is followed by the name of a variable"),
			  "`$(…)` is for texts in quotes; the parts of a uri are `$ru.user`");
	else if (c == '?')
		diag_help(l->diags, diag_add(l->diags, D_CHARACTER, span_from(l, from), "`?` has no meaning here"),
			  "write `if (…) … else …`; `a ?? b` is b where a is null");
	else
		diag_add(l->diags, D_CHARACTER, span_from(l, from), "`" STR_FMT "` has no meaning here", STR_ARG(text));
	return bad(l, from);
}

static struct token mark_token(struct lexer *l)
{
	uint32_t from = l->at;

	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		size_t n = strlen(marks[i].text);

		if (l->end - l->at < n || memcmp(l->src->text.p + l->at, marks[i].text, n) != 0)
			continue;
		l->at += (uint32_t)n;
		return (struct token){ .kind = marks[i].kind, .span = span_from(l, from), .text = slice(l, from, l->at) };
	}
	return stray(l);
}

struct token lex_next(struct lexer *l)
{
	uint32_t from, ipv6;
	char     c;

	skip_space(l);
	if (l->at >= l->end)
		return (struct token){ .kind = TK_END, .span = span_ahead(l, 0) };
	c = peek(l, 0);
	from = l->at;
	if (c == '"' || c == '\'')
		return string_token(l);
	if (starts_ipv4(l))
		return ipv4_token(l);
	ipv6 = is_ipv6_char(c) ? ipv6_length(l) : 0;
	if (ipv6) {
		l->at += ipv6;
		take_prefix(l);
		return address_token(l, from);
	}
	if (ch_digit(c))
		return number_token(l);
	if (is_letter(c))
		return name_token(l);
	if (c == '$' && is_letter(peek(l, 1)))
		return var_token(l);
	return mark_token(l);
}

static bool ends_setting_word(char c, unsigned depth)
{
	return ch_lws(c) || strchr(";,{}\"'()#", c) || (!depth && c == ']');
}

/* One word without blanks; brackets within it may hold an IPv6 reference (tls:[::1]:5061). */
static void take_setting_word(struct lexer *l)
{
	unsigned depth = 0;

	while (l->at < l->end && peek(l, 0) && !ends_setting_word(peek(l, 0), depth)) {
		depth += peek(l, 0) == '[';
		depth -= depth && peek(l, 0) == ']';
		l->at++;
	}
}

static uint32_t blanks_ahead(const struct lexer *l)
{
	uint32_t n = 0;

	while (peek(l, n) == ' ' || peek(l, n) == '\t')
		n++;
	return n;
}

struct token lex_setting(struct lexer *l)
{
	uint32_t from;

	skip_space(l);
	from = l->at;
	if (l->at >= l->end || strchr("[]{};,\"'=()", peek(l, 0)))
		return lex_next(l);
	take_setting_word(l);
	/* `listen udp:10.0.0.1:5060 advertise 192.0.2.1:5060;`: more words of the same line belong to it. */
	for (uint32_t n = blanks_ahead(l); n; n = blanks_ahead(l)) {
		uint32_t before = l->at;

		l->at += n;
		take_setting_word(l);
		if (l->at == before + n || peek(l, 0) == '=' || l->src->text.p[before + n] == '=') {
			l->at = before;
			break;
		}
	}
	return (struct token){ .kind = TK_WORD, .span = span_from(l, from), .text = slice(l, from, l->at) };
}

struct token lex_regex(struct lexer *l, const struct token *slash)
{
	const char *p = l->src->text.p;
	uint32_t    from = slash->span.at, close = from + 1;
	bool        in_class = false;

	while (close < l->end && p[close] != '\n' && (in_class || p[close] != '/')) {
		if (p[close] == '[')
			in_class = true;
		if (p[close] == ']')
			in_class = false;
		close += p[close] == '\\' ? 2 : 1;
	}
	l->at = close < l->end ? close : l->end;
	if (close >= l->end || p[close] != '/') {
		diag_add(l->diags, D_STRING, slash->span, "this regular expression is not closed on its line");
		return torn(l, from);
	}
	l->at++;
	while (is_word(peek(l, 0)))
		l->at++;
	return (struct token){ .kind = TK_REGEX, .span = span_from(l, from), .text = slice(l, from + 1, close), .flags = slice(l, close + 1, l->at) };
}

struct token lex_argument(struct lexer *l)
{
	uint32_t     from = l->at;
	struct token t;

	while (l->at < l->end && peek(l, 0) != ')' && peek(l, 0) != '\n')
		l->at++;
	if (peek(l, 0) != ')') {
		diag_add(l->diags, D_UNCLOSED, (struct span){ l->src, from - 1, 1 }, "this `(` is not closed on its line");
		return bad(l, from);
	}
	t = (struct token){ .kind = TK_WORD, .text = str_trim(slice(l, from, l->at)) };
	t.span = (struct span){ l->src, t.text.len ? (uint32_t)(t.text.p - l->src->text.p) : from, (uint32_t)t.text.len };
	l->at++;
	return t;
}
