/* Which lines of the script the tests have run. */
#include "script/test_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* One byte an instruction, shared with the processes of the tests. NULL: nobody asked. */
static struct {
	uint8_t *seen;
	size_t   count;
} cover;

/* Of one line of a file. */
enum { LINE_EMPTY, LINE_NEVER, LINE_PARTLY, LINE_RUN };
struct lines {
	const struct source *src;
	uint8_t             *state;	/* by line, from 1 */
	struct span         *never;	/* LINE_PARTLY: what of it was not run */
};

enum err cover_begin(const struct code *c)
{
	cover.count = c->count;
	cover.seen = mmap(NULL, c->count + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cover.seen != MAP_FAILED)
		return OK;
	cover.seen = NULL;
	return ERR_NOMEM;
}

void cover_end(const struct code *c)
{
	if (cover.seen)
		munmap(cover.seen, c->count + 1);
	cover.seen = NULL;
}

void cover_mark(uint32_t at)
{
	if (cover.seen && at < cover.count)
		cover.seen[at] = 1;
}

/* What an author may miss when it is never done. */
static bool does_something(int32_t insn)
{
	switch (insn_op(insn)) {
	case I_CALL: case I_ROUTE: case I_STORE: case I_STORE_VAR: case I_TABLE_STORE: case I_TABLE_ADD: case I_DROP:
		return true;
	default:
		return false;
	}
}

/* The others that an author has written; what the compiler puts behind the end of a path is not. */
static bool is_written(int32_t insn, struct span s)
{
	struct str text = span_text(s);

	switch (insn_op(insn)) {
	case I_JUMP_FALSE: case I_NEXT:
		return true;
	case I_END: case I_RETURN:
		return str_starts(text, STR("exit")) || str_starts(text, STR("return"));
	default:
		return does_something(insn);
	}
}

static void note(struct lines *l, struct span s, bool seen, bool does)
{
	uint32_t n = span_line(s);
	uint8_t *state = &l->state[n];

	if (seen && *state == LINE_EMPTY)
		*state = LINE_RUN;
	else if (seen && *state == LINE_NEVER)
		*state = LINE_PARTLY;
	else if (!seen && does && *state == LINE_RUN)
		*state = LINE_PARTLY;
	else if (!seen && *state == LINE_EMPTY)
		*state = LINE_NEVER;
	if (!seen && does && !l->never[n].src)
		l->never[n] = s;
}

static void print_line(const struct lines *l, uint32_t n)
{
	struct str text = span_source_line((struct span){ l->src, l->src->line_at[n - 1], 0 });

	if (l->state[n] == LINE_NEVER)
		printf("  never   %5u | " STR_FMT "\n", n, STR_ARG(text));
	else if (l->state[n] == LINE_PARTLY && l->never[n].src)
		printf("  partly  %5u | " STR_FMT "\n          never | %*s" STR_FMT "\n", n, STR_ARG(text), (int)span_column(l->never[n]) - 1, "",
		       STR_ARG(span_text(l->never[n])));
}

static void print_file(const struct lines *l)
{
	unsigned run = 0, all = 0;

	for (uint32_t n = 1; n <= l->src->lines; n++) {
		all += l->state[n] != LINE_EMPTY;
		run += l->state[n] == LINE_RUN || l->state[n] == LINE_PARTLY;
	}
	if (!all)
		return;
	printf("coverage " STR_FMT ": %u of %u lines, %u %%\n", STR_ARG(l->src->name), run, all, run * 100 / all);
	for (uint32_t n = 1; n <= l->src->lines; n++)
		print_line(l, n);
}

static void cover_file(const struct code *c, const struct source *src)
{
	struct lines l = { .src = src, .state = calloc(src->lines + 2, 1), .never = calloc(src->lines + 2, sizeof(struct span)) };

	for (size_t i = 0; l.state && l.never && i < c->count; i++)
		if (c->place[i].src == src && is_written(c->insn[i], c->place[i]))
			note(&l, c->place[i], cover.seen[i], does_something(c->insn[i]));
	if (l.state && l.never)
		print_file(&l);
	free(l.state);
	free(l.never);
}

void cover_print(const struct code *c)
{
	for (const struct source *src = c->program->sources.first; src && cover.seen; src = src->next)
		cover_file(c, src);
}
