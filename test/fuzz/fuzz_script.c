/* The routing language: no text crashes the lexer, the parser or the checker; what is parsed can be printed and parsed to the same again; what passes
 * the checker is resolved; places lie within the file. */
#include "../unit/script_print.h"
#include "../unit/script_same.h"
#include "../unit/script_world.h"
#include "fuzz.h"

enum { ROOM = 1 << 20 };
static char room[ROOM], room2[ROOM];

static void expect_round(const struct program *p)
{
	struct buf      out = buf_on(room, ROOM), out2 = buf_on(room2, ROOM);
	struct program *again = program_new();

	print_program(p, &out);
	EXPECT(again && buf_ok(&out) && program_parse(again, STR("again"), buf_str(&out)) && same_program(p, again));
	print_program(again, &out2);
	EXPECT(str_eq(buf_str(&out), buf_str(&out2)));
	program_free(again);
}

static void expect_resolved(const struct program *p)
{
	for (const struct route *r = p->routes; r; r = r->next) {
		EXPECT(r->body && r->state == 2 && r->frame <= 256);
		for (const struct local *l = r->locals; l; l = l->next)
			EXPECT(l->slot < r->frame);
	}
	for (const struct constant *k = p->constants; k; k = k->next)
		EXPECT(k->value->kind == EX_CONST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_env env = world_env();
	struct str       text = fuzz_str(data, size);
	struct program  *p;
	bool             parsed;

	if (str_find_str(text, STR("include")) >= 0)
		return 0;	/* whatever files it would name */
	p = program_new();
	EXPECT(p);
	parsed = program_parse(p, STR("fuzz"), text);
	if (parsed)
		expect_round(p);
	if (check_program(p, &env) && parsed)
		expect_resolved(p);
	for (const struct diag *g = p->diags.first; g; g = g->next)
		EXPECT(!g->where.src || g->where.at + g->where.len <= size);
	EXPECT(diags_text(&p->diags, &p->arena, true).p);
	EXPECT(diags_json(&p->diags, &p->arena).p);
	program_free(p);
	return 0;
}
