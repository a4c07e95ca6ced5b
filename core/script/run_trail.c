#include "script/run_trail.h"

enum { LINE_BITS = 24, BRIEF = 24, WHOLE = TRAIL_MOST_DATA };

uint32_t trail_place(const struct code *c, uint32_t at)
{
	struct span where = at < c->count ? c->place[at] : (struct span){ 0 };

	return where.src ? where.src->index << LINE_BITS | span_line(where) : 0;
}

/* The instruction that is being carried out. */
static uint32_t here(const struct run *run)
{
	return trail_place(run->code, run->at ? run->at - 1 : 0);
}

static bool on(const struct run *run)
{
	return run->req->c.call != 0;
}

static void add(const struct run *run, enum trail_kind kind, const struct buf *text)
{
	trail_add(run->req->c.call, kind, here(run), str_n(text->p, text->len));
}

/* --- values --- */

static void put_text(struct buf *b, struct str s, size_t most)
{
	struct str part = str_to(s, b->cap - b->len > 4 ? b->cap - b->len - 4 : 0);

	part = str_to(part, most);
	buf_ch(b, '"');
	buf_add(b, part);
	BUF_LIT(b, "\"");
	if (part.len < s.len)
		BUF_LIT(b, "…");
}

static void put_value(struct buf *b, const struct value *v, size_t most);

/* Most records are told by their first field: an answer by its code. */
static void put_record(struct buf *b, const struct record *r, size_t most)
{
	const struct field *f = r->shape->fields;

	if (!f || !f->name) {
		buf_add(b, str_of(r->shape->name));
		return;
	}
	for (unsigned i = 0; f[i].name && (i == 0 || most == WHOLE); i++) {
		buf_add(b, i ? STR(", ") : STR(""));
		buf_add(b, str_of(f[i].name));
		buf_ch(b, ' ');
		put_value(b, &r->v[i], BRIEF);
	}
}

static void put_value(struct buf *b, const struct value *v, size_t most)
{
	char         room[512];
	struct arena a;

	switch (v->type) {
	case T_NULL:
		BUF_LIT(b, "null");
		return;
	case T_BOOL:
		buf_add(b, v->u.b ? STR("true") : STR("false"));
		return;
	case T_INT:	/* by far the most common, and printf() takes its time */
		buf_add(b, v->u.i < 0 ? STR("-") : STR(""));
		buf_u64(b, v->u.i < 0 ? -(uint64_t)v->u.i : (uint64_t)v->u.i);
		return;
	case T_STR: case T_URI:
		put_text(b, v->u.s, most);
		return;
	case T_RECORD:
		put_record(b, v->u.rec, most);
		return;
	default:
		arena_init(&a, room, sizeof(room), sizeof(room));
		buf_add(b, str_to(value_text(&a, v), most));
		arena_free(&a);
	}
}

/* --- what happens to a run --- */

static void put_party(struct buf *b, const struct name_addr *n)
{
	enum { MOST = 60 };

	if (n)
		buf_add(b, str_to(n->uri.user, MOST));
	if (n && n->uri.user.len)
		buf_ch(b, '@');
	if (n)
		buf_add(b, str_to(n->uri.host, MOST));
	buf_ch(b, '\0');
}

void note_begin(const struct run *run)
{
	char        room[TRAIL_MOST_DATA];
	struct buf  b = buf_on(room, sizeof(room));
	struct msg *m = &run->req->msg;

	if (!on(run))
		return;
	put_party(&b, msg_from(m));
	put_party(&b, msg_to(m));
	buf_add(&b, str_to(run->req->c.call_id, 100));
	buf_ch(&b, '\0');
	buf_add(&b, str_to(m->method_name, 20));
	buf_ch(&b, '\0');
	trail_add(run->req->c.call, TRAIL_BEGIN, trail_place(run->code, run->at), buf_str(&b));
}

static void put_call(struct buf *b, const struct run *run, const struct call_site *s)
{
	const struct value *v = &run->stack[run->height];	/* the arguments lie there still */
	unsigned            n = s->argc;

	buf_add(b, str_of(s->func->name));
	if (!trail_traced(&run->req->c))
		return;
	buf_ch(b, '(');
	while (n && v[n - 1].type == T_NULL)	/* not given */
		n--;
	for (unsigned i = 0; i < n; i++) {
		buf_add(b, i ? STR(", ") : STR(""));
		put_value(b, &v[i], 60);
	}
	buf_ch(b, ')');
}

void note_called(const struct run *run, const struct call_site *s, enum verdict v, const struct value *result)
{
	char       room[WHOLE];
	bool       whole = trail_traced(&run->req->c);
	struct buf b = buf_on(room, whole ? WHOLE : 92);

	if (!on(run))
		return;
	put_call(&b, run, s);
	if (v == V_END)
		BUF_LIT(&b, ": the run ends");
	else if (v == V_ERROR)
		BUF_LIT(&b, ": failed");
	else if (s->wanted || result->type != T_NULL)
		BUF_LIT(&b, " = ");
	if (v == V_OK && (s->wanted || result->type != T_NULL))
		put_value(&b, result, whole ? WHOLE : BRIEF);
	add(run, TRAIL_CALLED, &b);
}

void note_waits(const struct run *run, const struct call_site *s)
{
	char       room[WHOLE];
	struct buf b = buf_on(room, sizeof(room));

	if (!on(run))
		return;
	put_call(&b, run, s);
	add(run, TRAIL_WAITS, &b);
}

void note_resumed(const struct run *run, const struct value *result)
{
	char       room[WHOLE];
	bool       whole = trail_traced(&run->req->c);
	struct buf b = buf_on(room, whole ? WHOLE : 92);

	if (!on(run))
		return;
	put_value(&b, result, whole ? WHOLE : BRIEF);
	add(run, TRAIL_RESUMED, &b);
}

void note_fault(const struct run *run, const char *reason)
{
	if (on(run))
		trail_add(run->req->c.call, TRAIL_FAULT, here(run), str_of(reason));
}

void note_end(const struct run *run, enum verdict v)
{
	if (on(run))
		trail_add(run->req->c.call, TRAIL_END, here(run), v == V_ERROR ? STR("with an error") : run->dropped ? STR("with drop") : STR(""));
}

/* --- traced runs --- */

static void note_line(struct run *run)
{
	uint32_t place = trail_place(run->code, run->at);

	if (!place || place == run->line)
		return;
	run->line = place;
	trail_add(run->req->c.call, TRAIL_LINE, place, STR_NONE);
}

static void note_value(const struct run *run, struct str name, struct str arg)
{
	char       room[WHOLE];
	struct buf b = buf_on(room, sizeof(room));

	buf_add(&b, name);
	if (arg.len)
		buf_printf(&b, "(" STR_FMT ")", STR_ARG(arg));
	BUF_LIT(&b, " = ");
	put_value(&b, &run->stack[run->height - 1], WHOLE);
	trail_add(run->req->c.call, TRAIL_VALUE, trail_place(run->code, run->at), buf_str(&b));
}

void note_step(struct run *run, int32_t insn)
{
	const struct var_site *v;

	note_line(run);
	switch (insn_op(insn)) {
	case I_STORE:
		note_value(run, STR("value"), STR_NONE);
		return;
	case I_STORE_VAR:
		v = &run->code->vars[insn_arg(insn)];
		note_value(run, str_of(v->var->name), v->arg);
		return;
	case I_TABLE_STORE:
		note_value(run, str_of("key of $sht"), run->code->tables[insn_arg(insn)]->name);
		return;
	case I_JUMP_FALSE:
		note_value(run, STR("condition"), STR_NONE);
		return;
	default:
		return;
	}
}
