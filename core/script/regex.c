#include "script/regex.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of backtracking one match may take: what a peer sends must not hold a worker. PCRE2's own default is 10 million, which is seconds. */
enum { MOST_STEPS = 100000, JIT_STACK = 32 << 10, MOST_JIT_STACK = 512 << 10 };

struct regex {
	struct regex        *next;
	pcre2_code          *code;
	pcre2_match_data    *data;	/* one at a time: a worker is one thread */
	pcre2_match_context *limits;
	char                *source;
	size_t               source_len;
};

/* Compiled patterns keep their backtracking there; the 32 kB of the machine's stack that they take otherwise are too little for a long body. One
 * for all: a worker is one thread. Process lifetime. */
static struct {
	pcre2_jit_stack *stack;
} jit;

static void regex_free(struct regex *re)
{
	if (!re)
		return;
	pcre2_match_data_free(re->data);
	pcre2_match_context_free(re->limits);
	pcre2_code_free(re->code);
	free(re->source);
	free(re);
}

void regex_free_all(struct regex *list)
{
	while (list) {
		struct regex *next = list->next;

		regex_free(list);
		list = next;
	}
}

static bool options_of(struct str flags, uint32_t *options)
{
	*options = PCRE2_NEVER_UTF;
	for (size_t i = 0; i < flags.len; i++) {
		switch (flags.p[i]) {
		case 'i': *options |= PCRE2_CASELESS; break;
		case 's': *options |= PCRE2_DOTALL; break;
		case 'm': *options |= PCRE2_MULTILINE; break;
		case 'x': *options |= PCRE2_EXTENDED; break;
		default: return false;
		}
	}
	return true;
}

static enum err compile(struct regex *re, struct str pattern, uint32_t options, size_t *at, char *why, size_t cap)
{
	int        code;
	PCRE2_SIZE where;

	re->code = pcre2_compile((PCRE2_SPTR)(pattern.len ? pattern.p : ""), pattern.len, options, &code, &where, NULL);
	if (!re->code) {
		*at = where;
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, cap);
		return ERR_SYNTAX;
	}
	/* No JIT memory (a hardened kernel): the interpreter does it. */
	(void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
	re->data = pcre2_match_data_create_from_pattern(re->code, NULL);
	re->limits = pcre2_match_context_create(NULL);
	re->source = malloc(pattern.len + 1);
	if (!re->data || !re->limits || !re->source)
		return ERR_NOMEM;
	memcpy(re->source, pattern.len ? pattern.p : "", pattern.len);
	re->source_len = pattern.len;
	pcre2_set_match_limit(re->limits, MOST_STEPS);
	if (!jit.stack)
		jit.stack = pcre2_jit_stack_create(JIT_STACK, MOST_JIT_STACK, NULL);
	if (jit.stack)
		pcre2_jit_stack_assign(re->limits, NULL, jit.stack);
	return OK;
}

enum err regex_compile(struct str pattern, struct str flags, struct regex **list, struct regex **out, size_t *at, char *why, size_t cap)
{
	struct regex *re;
	uint32_t      options;
	enum err      err;

	if (!options_of(flags, &options)) {
		*at = pattern.len + 1;
		snprintf(why, cap, "a regular expression takes the flags i, s, m and x");
		return ERR_SYNTAX;
	}
	re = calloc(1, sizeof(*re));
	if (!re)
		return ERR_NOMEM;
	err = compile(re, pattern, options, at, why, cap);
	if (err) {
		regex_free(re);
		return err;
	}
	re->next = *list;
	*list = *out = re;
	return OK;
}

int regex_match_from(const struct regex *re, struct str text, size_t from, struct str *groups, unsigned n)
{
	int         got = pcre2_match(re->code, (PCRE2_SPTR)(text.len ? text.p : ""), text.len, from, 0, re->data, re->limits);
	PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->data);
	unsigned    count = got < 0 ? 0 : (unsigned)got;

	if (got < 0)
		return got == PCRE2_ERROR_NOMATCH ? 0 : -1;
	if (!groups)
		return got;
	if (count > n)
		count = n;
	for (unsigned i = 0; i < count; i++) {
		bool part = at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		groups[i] = part ? str_n(text.p + at[2 * i], at[2 * i + 1] - at[2 * i]) : STR_NONE;
	}
	return (int)count;
}

int regex_match(const struct regex *re, struct str text, struct str *groups, unsigned n)
{
	return regex_match_from(re, text, 0, groups, n);
}

struct str regex_source(const struct regex *re)
{
	return str_n(re->source, re->source_len);
}


const char *regex_library(void)
{
	static char text[64] = "PCRE2 ";

	pcre2_config(PCRE2_CONFIG_VERSION, text + strlen(text));
	return text;
}
