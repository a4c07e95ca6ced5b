/* What is expected of the server. */
#include "script/regex.h"
#include "script/sht.h"
#include "script/test_bench.h"

#include <stdio.h>
#include <stdlib.h>

/* --- what the server sends --- */

static bool same_branch(struct msg *a, struct msg *b)
{
	const struct via *x = msg_via1(a), *y = msg_via1(b);

	return x && y && str_eq(x->branch, y->branch);
}

static bool same_answer(struct msg *a, struct msg *b)
{
	return a->status == b->status && a->method == b->method && same_branch(a, b) && str_eq(msg_to_tag(a), msg_to_tag(b));
}

/* Retransmissions are of no interest to a test of policy, nor is the ACK to an answer but 2xx, which has its INVITE's branch. */
static bool seen_before(struct bench *b, struct msg *m)
{
	for (struct got *o = b->first; o; o = o->next) {
		if (o->m.request != m->request)
			continue;
		if (m->request ? same_branch(&o->m, m) && (o->m.method == m->method || m->method == M_ACK) : m->status >= 200 && same_answer(&o->m, m))
			return true;
	}
	return false;
}

static void sort_in(struct bench *b, const struct sim_message *raw)
{
	struct got *g = ARENA_NEW(&b->arena, struct got);
	struct str  bytes = arena_dup(&b->arena, raw->bytes);

	if (!g || !bytes.p || msg_parse(&b->c, bytes, &g->m))
		return;
	g->to = raw->to;
	g->ms = sim_ms();
	g->number = ++b->numbers;
	g->party = party_at(b, &raw->to.peer, raw->to.via->transport);
	if (seen_before(b, &g->m))
		return;
	story_message(STR("server"), g->party ? g->party->name : STR("?"), &g->m);
	*b->last = g;
	b->last = &g->next;
	if (!g->m.request)
		answer_came(b, g);
}

void collect(struct bench *b)
{
	struct sim_message *m;

	while ((m = sim_take())) {
		sort_in(b, m);
		free(m);
	}
}

void pass(struct bench *b, uint32_t ms)
{
	collect(b);
	do {
		ms -= sim_step(ms);
		collect(b);
	} while (ms);
}

/* --- comparing --- */

static const char *op_text(enum op op)
{
	switch (op) {
	case OP_NE: return "not ";
	case OP_MATCH: return "a match of ";
	case OP_NO_MATCH: return "no match of ";
	default: return "";
	}
}

static bool text_fits(enum op op, struct str got, const struct value *want)
{
	bool same;

	if (op == OP_MATCH || op == OP_NO_MATCH)
		return (regex_match(want->u.regex, got, NULL, 0) > 0) == (op == OP_MATCH);
	same = str_eq(got, want->u.s);
	return op == OP_NE ? !same : same;
}

static bool check_text(struct bench *b, const char *what, const struct test_attr *a, struct str got)
{
	const struct value *want = &a->value->u.value;
	struct str          text = want->type == T_REGEX ? regex_source(want->u.regex) : want->u.s;

	return text_fits(a->op, got, want) || bench_fail(b, "expected %s %s\"" STR_FMT "\", got \"" STR_FMT "\"", what, op_text(a->op), STR_ARG(text), STR_ARG(got));
}

/* header "Name: value", header "Name" == "value", header "Name" =~ /…/: one field of that name fits; with != and !~, all do. */
static bool header_compared(struct bench *b, const struct test_attr *a, struct msg *m, struct str name, enum op op, const struct value *want)
{
	struct hdr *first = msg_find(m, name);
	struct str  text = want->type == T_REGEX ? regex_source(want->u.regex) : want->u.s;
	bool        all = op == OP_NE || op == OP_NO_MATCH, fits = all;

	for (struct hdr *h = first; h; h = msg_find_next(h))
		fits = all ? fits && text_fits(op, h->body, want) : fits || text_fits(op, h->body, want);
	if (fits != a->no)
		return true;
	if (a->no)
		return bench_fail(b, "there is a header field " STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(text));
	if (!first)
		return bench_fail(b, "no header field \"" STR_FMT "\"", STR_ARG(name));
	return bench_fail(b, "expected header field " STR_FMT " to be %s\"" STR_FMT "\", got \"" STR_FMT "\"", STR_ARG(name), op_text(op), STR_ARG(text),
			  STR_ARG(first->body));
}

static bool check_header(struct bench *b, const struct test_attr *a, struct msg *m)
{
	struct str   rest = (a->of ? a->of : a->value)->u.value.u.s, name;
	size_t       len = rest.len;
	struct value want;

	name = str_trim(str_take_until(&rest, ':'));
	if (a->of)
		return header_compared(b, a, m, name, a->op, &a->value->u.value);
	want = value_str(str_trim(rest));
	if (name.len < len && want.u.s.len)
		return header_compared(b, a, m, name, OP_EQ, &want);
	if (a->no)
		return !msg_find(m, name) || bench_fail(b, "there is a header field \"" STR_FMT "\"", STR_ARG(name));
	return msg_find(m, name) || bench_fail(b, "no header field \"" STR_FMT "\"", STR_ARG(name));
}

static bool check_attr(struct bench *b, const struct test_attr *a, struct msg *m)
{
	if (str_is(a->name, "header"))
		return check_header(b, a, m);
	if (str_is(a->name, "body"))
		return check_text(b, "body", a, m->body);
	if (str_is(a->name, "reason"))
		return check_text(b, "reason", a, m->reason);
	if (str_is(a->name, "from"))
		return check_text(b, "From", a, msg_from(m) ? msg_from(m)->uri_text : STR(""));
	if (str_is(a->name, "to") || str_is(a->name, "uri") || str_is(a->name, "ruri"))
		return check_text(b, "Request-URI", a, m->ruri);	/* `to`: where it goes, not what the To header field says */
	return true;
}

/* --- messages --- */

static struct str wanted(struct bench *b, const struct test_step *s)
{
	struct str at = attr_text(b, s, "at", STR_NONE), what = STR("a request");

	if (s->kind == STEP_EXPECT_REQUEST && s->name.len)
		what = arena_printf(&b->arena, "request " STR_FMT, STR_ARG(s->name));
	else if (s->kind == STEP_EXPECT_REPLY)
		what = s->code ? arena_printf(&b->arena, "reply %u", s->code) : arena_printf(&b->arena, "reply %uxx", s->code_class);
	return at.p ? arena_printf(&b->arena, STR_FMT " at " STR_FMT, STR_ARG(what), STR_ARG(at)) : what;
}

static struct str described(struct bench *b, const struct got *g)
{
	struct str at = g->party ? g->party->name : STR("?");

	if (g->m.request)
		return arena_printf(&b->arena, "request " STR_FMT " " STR_FMT " (to " STR_FMT ")", STR_ARG(g->m.method_name), STR_ARG(g->m.ruri), STR_ARG(at));
	return arena_printf(&b->arena, "reply %u " STR_FMT, g->m.status, STR_ARG(g->m.reason));
}

/* Kind, code, method and party; the rest is compared by attrs_hold(). */
static bool is_kind(struct bench *b, const struct test_step *s, const struct got *g)
{
	struct str at = attr_text(b, s, "at", STR_NONE);

	if (g->taken || g->m.request != (s->kind == STEP_EXPECT_REQUEST) || (at.p && !(g->party && str_eq(g->party->name, at))))
		return false;
	if (g->m.request)
		return !s->name.len || str_eq(s->name, g->m.method_name);
	return s->code ? g->m.status == s->code : g->m.status / 100 == s->code_class;
}

static bool attrs_hold(struct bench *b, const struct test_step *s, struct msg *m)
{
	for (const struct test_attr *a = s->attrs; a; a = a->next)
		if (!check_attr(b, a, m))
			return false;
	return true;
}

/* A 100 says nothing (RFC 3261 §16.7 step 5: it is not sent on). */
static bool is_news(const struct got *g)
{
	return !g->taken && (g->m.request || g->m.status > 100);
}

static struct got *first_news(struct bench *b)
{
	struct got *g = b->first;

	while (g && !is_news(g))
		g = g->next;
	return g;
}

static struct got *fitting(struct bench *b, const struct test_step *s)
{
	for (struct got *g = b->first; g; g = g->next)
		if (is_kind(b, s, g) && attrs_hold(b, s, &g->m))
			return g;
	return NULL;
}

/* The reason of attrs_hold() stays when something nearly fitted; else what came instead. */
static bool nothing_fits(struct bench *b, const struct test_step *s)
{
	struct str  want = wanted(b, s);
	struct got *instead = NULL;

	for (struct got *g = b->first; g; g = g->next)
		if (is_kind(b, s, g))
			return attrs_hold(b, s, &g->m);
	b->why[0] = '\0';
	for (struct got *g = b->first; g; g = g->next)
		if (is_news(g) && (!instead || (instead->m.request != (s->kind == STEP_EXPECT_REQUEST) && g->m.request != instead->m.request)))
			instead = g;
	if (!instead)
		return bench_fail(b, "expected " STR_FMT ", but nothing came", STR_ARG(want));
	return bench_fail(b, "expected " STR_FMT ", got " STR_FMT, STR_ARG(want), STR_ARG(described(b, instead)));
}

static bool none_may_come(struct bench *b, const struct test_step *s)
{
	struct got *g;

	pass(b, attr_ms(s, "within", NOTHING_WAIT_MS));
	g = fitting(b, s);
	b->why[0] = '\0';
	return !g || bench_fail(b, "expected no such thing, got " STR_FMT, STR_ARG(described(b, g)));
}

/* Time goes on until something fits. */
static struct got *await(struct bench *b, const struct test_step *s, uint32_t most_ms)
{
	struct got *g;

	collect(b);
	while (!(g = fitting(b, s)) && most_ms) {
		most_ms -= sim_step(most_ms);
		collect(b);
	}
	return g;
}

static bool expect_some(struct bench *b, const struct test_step *s)
{
	uint32_t    after_ms = attr_ms(s, "after", 0), usual_ms = s->kind == STEP_EXPECT_REPLY ? REPLY_WAIT_MS : NOTHING_WAIT_MS;
	uint64_t    began = sim_ms();
	struct got *g = await(b, s, attr_ms(s, "within", after_ms + usual_ms)), *news;

	if (!g)
		return nothing_fits(b, s);
	if (after_ms && g->ms < began + after_ms)
		return bench_fail(b, "expected " STR_FMT " after %u ms, it came after %lld ms", STR_ARG(wanted(b, s)), after_ms, (long long)g->ms - (long long)began);
	news = first_news(b);
	if (s->directly && news != g)
		return bench_fail(b, "expected " STR_FMT " next, got " STR_FMT " before it", STR_ARG(wanted(b, s)), STR_ARG(described(b, news)));
	g->taken = true;
	if (g->m.request && g->m.method != M_ACK)
		b->current = g;
	return true;
}

/* Answers below 200 that came before the one wanted need not be expected. */
static void pass_over_provisional(struct bench *b, const struct test_step *s)
{
	for (struct got *g = b->first; g && s->kind == STEP_EXPECT_REPLY; g = g->next)
		if (!g->m.request && g->m.status < 200)
			g->taken = true;
}

bool expect_message(struct bench *b, const struct test_step *s)
{
	if (s->no)
		return none_may_come(b, s);
	if (!expect_some(b, s))
		return false;
	pass_over_provisional(b, s);
	return true;
}

bool expect_nothing(struct bench *b, const struct test_step *s)
{
	struct str at = attr_text(b, s, "at", STR_NONE);

	pass(b, attr_ms(s, "within", NOTHING_WAIT_MS));
	for (struct got *g = b->first; g; g = g->next)
		if (is_news(g) && g->m.method != M_ACK && (!at.p || (g->party && str_eq(g->party->name, at))))
			return bench_fail(b, "expected nothing, got " STR_FMT, STR_ARG(described(b, g)));
	return true;
}

/* --- log, counters, tables --- */

static bool line_fits(const struct test_step *s, struct str level, const struct log_line *l)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	if (l->taken || (level.p && !str_is(level, names[l->level])))
		return false;
	if (s->op == OP_MATCH)
		return regex_match(s->value->u.value.u.regex, l->text, NULL, 0) > 0;
	return str_find_str(l->text, s->value->u.value.u.s) >= 0;
}

static struct log_line *find_line(struct bench *b, const struct test_step *s)
{
	struct str level = attr_text(b, s, "level", STR_NONE);

	for (struct log_line *l = story_log(); l; l = l->next)
		if (line_fits(s, level, l))
			return l;
	return NULL;
}

bool expect_log(struct bench *b, const struct test_step *s)
{
	uint32_t         left = attr_ms(s, "within", s->no ? 0 : NOTHING_WAIT_MS);
	struct str       want = s->op ? regex_source(s->value->u.value.u.regex) : s->value->u.value.u.s;
	struct log_line *l;

	if (s->no)
		pass(b, left);
	while (!(l = find_line(b, s)) && left && !s->no) {
		left -= sim_step(left);
		collect(b);
	}
	if (s->no)
		return !l || bench_fail(b, "expected no such line, got \"" STR_FMT "\"", STR_ARG(l->text));
	if (!l)
		return bench_fail(b, "no log line with \"" STR_FMT "\"", STR_ARG(want));
	l->taken = true;
	return true;
}

static bool compare(struct bench *b, const struct test_step *s, const char *what, struct value got)
{
	const struct value *want = &s->value->u.value;
	struct value        out = V_NULL;
	const char         *why = operate_binary(&b->arena, s->op, &got, want, &out);
	struct str          text = value_text(&b->arena, &got);

	if (why)
		return bench_fail(b, "%s: %s", what, why);
	return out.u.b || bench_fail(b, "%s is " STR_FMT, what, STR_ARG(text));
}

bool expect_counter(struct bench *b, const struct test_step *s)
{
	struct str name = s->of->u.value.u.s;
	char       what[200];

	snprintf(what, sizeof(what), "counter " STR_FMT, STR_ARG(name));
	for (size_t i = 0; counter_at(i); i++)
		if (str_is(name, counter_at(i)->name))
			return compare(b, s, what, value_int(counter_read(counter_at(i))));
	return bench_fail(b, "there is no %s", what);
}

bool expect_table(struct bench *b, const struct test_step *s)
{
	struct sht_kept *t = sht_find(s->of->u.table.name);
	struct str       key = sht_key(&b->arena, &s->of->u.table.key->u.value);
	struct value     got = V_NULL;
	char             what[200];

	snprintf(what, sizeof(what), "$sht(" STR_FMT " => " STR_FMT ")", STR_ARG(s->of->u.table.name), STR_ARG(key));
	if (!t || !key.p || sht_get(t, &b->arena, key, &got))
		return bench_fail(b, "%s cannot be read", what);
	return compare(b, s, what, got);
}
