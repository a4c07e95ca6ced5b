/* Tokens of the language. */
#include "script/lex.h"
#include "test.h"

static struct {
	struct arena   arena;
	struct sources sources;
	struct diags   diags;
} t;

static struct lexer lexer_on(const char *text)
{
	struct lexer   l;
	struct source *src;

	arena_init(&t.arena, NULL, 0, 1 << 20);
	sources_init(&t.sources, &t.arena);
	diags_init(&t.diags, &t.arena);
	src = source_add(&t.sources, STR("x"), str_of(text));
	lexer_init(&l, src, 0, (uint32_t)src->text.len, &t.diags);
	return l;
}

TEST(lex_knows_the_literals)
{
	static const struct { const char *text; enum vtype type; int64_t n; } rows[] = {
		{ "0", T_INT, 0 }, { "9223372036854775807", T_INT, INT64_MAX }, { "30s", T_DURATION, 30000 }, { "1h30m", T_DURATION, 5400000 },
		{ "250ms", T_DURATION, 250 }, { "1d", T_DURATION, 86400000 }, { "16kB", T_SIZE, 16384 }, { "1GB", T_SIZE, 1 << 30 },
		{ "10.0.0.1", T_IP, 0 }, { "10.0.0.0/8", T_CIDR, 8 }, { "2001:db8::1", T_IP, 0 }, { "2001:db8::/32", T_CIDR, 32 }, { "::1", T_IP, 0 },
		{ "dead:beef::1", T_IP, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lexer l = lexer_on(rows[i].text);
		struct token k = lex_next(&l);

		CHECK_ROW(k.kind == TK_VALUE && k.value.type == rows[i].type, rows[i].text);
		if (rows[i].type == T_CIDR)
			CHECK_ROW(k.value.prefix == rows[i].n, rows[i].text);
		else if (rows[i].type != T_IP)
			CHECK_ROW(k.value.u.i == rows[i].n, rows[i].text);
		CHECK_ROW(lex_next(&l).kind == TK_END && !t.diags.count, rows[i].text);
		arena_free(&t.arena);
	}
}

/* A row: a text and its tokens, as letters. */
static char letter(const struct token *k)
{
	static const char letters[TK_COUNT] = {
		[TK_END] = '.', [TK_NAME] = 'n', [TK_VAR] = '$', [TK_VALUE] = '1', [TK_CLASS] = 'x', [TK_TEXT] = '"', [TK_QUOTED] = '\'', [TK_BAD] = '!',
		[TK_TORN] = 't', [TK_LBRACE] = '{', [TK_RBRACE] = '}', [TK_LPAREN] = '(', [TK_RPAREN] = ')', [TK_SEMI] = ';', [TK_DEFAULT] = '?',
		[TK_MATCH] = '~', [TK_EQ] = 'e', [TK_ASSIGN] = '=', [TK_ARROW] = '>', [TK_COLON] = ':', [TK_SLASH] = '/', [TK_DOT] = 'd', [TK_AND] = '&',
	};

	return letters[k->kind] ? letters[k->kind] : '#';
}

TEST(lex_tells_tokens_apart)
{
	static const struct { const char *text, *kinds, *said; } rows[] = {
		{ "f(\"\\$a(\", \"b)\")", "n(\"#\").", NULL }, { "f(\"$a(\", \"b)\")", "n(\").", NULL },
		{ "if ($rm == \"A\") { }", "n($e\"){}.", NULL },
		{ "# all of it\n a /* b\n */ c", "nn.", NULL },
		{ "$sht(t => $si)", "$(n>$).", NULL },
		{ "user.x ?? 30s", "ndn?1.", NULL },
		{ "$a =~ /x/", "$~/n/.", NULL },
		{ "\"a $(f(\"b\")) c\" d", "\"n.", NULL },
		{ "\"$(f(\"a$(\"b)\")c)(\"))\" d", "\"n.", NULL }, { "\"$(\"$(\"(\")\")\" d", "\"n.", NULL },
		{ "\"a \\\" b\" 'it\\'s'", "\"'.", NULL },
		{ "4xx 486", "x1.", NULL },
		{ "key: ip;", "n:n;.", NULL },
		{ "\"a\nb", "tn.", "this string is not closed on its line" },
		{ "a ` b", "n!n.", "``` has no meaning here" },
		{ "a $ b", "n!n.", "a `$` is followed by the name of a variable" },
		{ "a \xC3\xA4 b", "n!n.", "`\xC3\xA4` has no meaning here" },
		{ "/* a", ".", "this comment is never closed" },
		{ "10.0.0.256", "!.", "`10.0.0.256` is no IP address" },
		{ "10.0.0.0/40", "!.", "`10.0.0.0/40` is no network (address/prefix)" },
		{ "99999999999999999999", "!.", "`99999999999999999999` does not fit in 64 bits" },
		{ "12abc", "!.", "`12abc` is no number" },
		{ "a // b\nc", "nn.", "a comment begins with `#`" },
		{ "#!KAMAILIO\na", "n.", "there is no preprocessor" },
		{ "#!/usr/sbin/sipario -f\na", "n.", NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lexer l = lexer_on(rows[i].text);
		char         kinds[32];
		size_t       n = 0;
		struct token k;

		do {
			k = lex_next(&l);
			kinds[n++] = letter(&k);
		} while (k.kind != TK_END && n < sizeof(kinds) - 1);
		CHECK_STR(str_n(kinds, n), rows[i].kinds);
		CHECK_ROW((t.diags.first != NULL) == (rows[i].said != NULL), rows[i].text);
		if (rows[i].said)
			CHECK_STR(t.diags.first->message, rows[i].said);
		arena_free(&t.arena);
	}
}

TEST(lex_takes_bare_words_where_a_setting_has_its_value)
{
	static const struct { const char *text, *word; } rows[] = {
		{ " udp:*:5060;", "udp:*:5060" }, { "tls:[::1]:5061 ;", "tls:[::1]:5061" }, { "SHA-256, MD5]", "SHA-256" }, { "MD5]", "MD5" },
		{ "udp:10.0.0.1:5060 advertise 192.0.2.1:5060; x", "udp:10.0.0.1:5060 advertise 192.0.2.1:5060" }, { "parallel }", "parallel" },
		{ "on\nb = off;", "on" }, { "on # comment", "on" }, { "env(\"A\")", "env" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lexer l = lexer_on(rows[i].text);
		struct token k = lex_setting(&l);

		CHECK_ROW(k.kind == TK_WORD, rows[i].text);
		CHECK_STR(k.text, rows[i].word);
		arena_free(&t.arena);
	}
}

TEST(lex_reads_regular_expressions_to_their_slash)
{
	static const struct { const char *text, *pattern, *flags; } rows[] = {
		{ "/^sip:/i;", "^sip:", "i" }, { "/a\\/b/", "a\\/b", "" }, { "/[/]x/is)", "[/]x", "is" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct lexer l = lexer_on(rows[i].text);
		struct token slash = lex_next(&l), k = lex_regex(&l, &slash);

		CHECK_ROW(k.kind == TK_REGEX, rows[i].text);
		CHECK_STR(k.text, rows[i].pattern);
		CHECK_STR(k.flags, rows[i].flags);
		arena_free(&t.arena);
	}
}
