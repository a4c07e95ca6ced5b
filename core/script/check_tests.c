/* test blocks: every word, name and value. */
#include "script/checker.h"
#include "script/sim.h"
#include "script/test_form.h"

#include <stdio.h>

/* The parties that can be named, and where a step is. */
struct scene {
	const struct test_step *general, *own;	/* givens of all tests; the steps of this one, NULL outside of tests */
};

static bool is_regex(const struct expr *e)
{
	return is_const(e) && e->u.value.type == T_REGEX;
}

/* --- parties --- */

static const struct test_step *party_in(const struct test_step *list, struct str name)
{
	for (const struct test_step *s = list; s; s = s->next)
		if (s->kind == GIVEN_PARTY && str_eq(s->name, name))
			return s;
	return NULL;
}

static void offer_parties(struct nearest *near, const struct test_step *list)
{
	for (const struct test_step *s = list; s; s = s->next)
		if (s->kind == GIVEN_PARTY)
			nearest_offer(near, s->name);
}

static bool is_party(const struct scene *at, struct str name)
{
	return str_is(name, TEST_PARTY) || party_in(at->general, name) || party_in(at->own, name);
}

/* `also`: another word that may stand there. */
static void check_party(struct checker *c, const struct scene *at, struct str name, struct span where, const char *also)
{
	struct nearest near = nearest_to(name);
	struct diag   *g;

	if (is_party(at, name))
		return;
	offer_parties(&near, at->general);
	offer_parties(&near, at->own);
	nearest_offer(&near, str_of(also));
	g = diag_add(c->d, D_TEST, where, "no party `" STR_FMT "`", STR_ARG(name));
	if (nearest_name(&near).len)
		diag_did_you_mean(c->d, g, nearest_name(&near));
	else
		diag_help(c->d, g, "declare it: `given party " STR_FMT " at 192.0.2.20;`", STR_ARG(name));
}

/* --- values --- */

static bool check_text(struct checker *c, struct expr *e, const char *what)
{
	return check_const_expr(c, e) && check_value_for(c, e, T_STR, false, D_ARGUMENT_TYPE, what);
}

static void check_duration(struct checker *c, struct expr *e, const char *what, int64_t min)
{
	if (check_const_expr(c, e) && check_value_for(c, e, T_DURATION, false, D_ARGUMENT_TYPE, what))
		check_range(c, e, min, INT64_C(31536000000));
}

/* 192.0.2.20, "192.0.2.20:5070"; [2001:db8::1] is a list, if one looks closely. */
static bool may_be_address(const struct value *v)
{
	if (v->type == T_LIST)
		return v->u.list->count == 1 && v->u.list->v[0].type == T_IP;
	return v->type == T_IP || v->type == T_STR;
}

static void check_not_ours(struct checker *c, const struct expr *e, const struct addr *addr, const char *ours)
{
	struct addr server;

	if (!addr_parse(str_of(ours), 0, &server) && addr_ip_eq(addr, &server))
		diag_add(c->d, D_ADDRESS, e->span, "in tests %s is the server's own address", ours);
}

static void check_address(struct checker *c, const struct scene *at, struct expr *e)
{
	struct addr  addr;
	struct str   text;
	struct diag *g;

	if (e->kind == EX_NAME && is_party(at, e->u.name))
		return;
	if (e->kind == EX_NAME && !check_find_const(c, e->u.name)) {
		check_party(c, at, e->u.name, e->span, TEST_PARTY);
		return;
	}
	if (!check_const_expr(c, e))
		return;
	text = value_text(c->a, &e->u.value);
	if (!text.p)
		return;
	if (may_be_address(&e->u.value) && !test_address_parse(text, &addr)) {
		check_not_ours(c, e, &addr, SIM_SERVER);
		check_not_ours(c, e, &addr, SIM_SERVER_6);
		return;
	}
	g = diag_add(c->d, D_ADDRESS, e->span, "`" STR_FMT "` is no address", STR_ARG(text));
	diag_help(c->d, g, "write 192.0.2.20 or \"192.0.2.20:5070\"");
}

static void check_choice(struct checker *c, const struct attr_form *f, const struct expr *e)
{
	struct str     word = e->kind == EX_NAME ? e->u.name : is_const_text(e) ? e->u.value.u.s : STR_NONE;
	struct nearest near = nearest_to(word);
	char           room[100];
	struct buf     all = buf_on(room, sizeof(room));
	struct diag   *g;

	for (size_t i = 0; f->choices[i]; i++) {
		if (str_is(word, f->choices[i]))
			return;
		nearest_offer(&near, str_of(f->choices[i]));
		buf_printf(&all, "%s%s", i ? ", " : "", f->choices[i]);
	}
	g = diag_add(c->d, D_TEST, e->span, "`%s` is followed by %s" STR_FMT, f->name, f->choices[1] ? "one of " : "", STR_ARG(buf_str(&all)));
	diag_did_you_mean(c->d, g, nearest_name(&near));
}

/* "Name: value"; "Name" where it is compared, or only has to be there (or not). */
static void check_header(struct checker *c, const struct test_step *s, struct test_attr *a)
{
	struct expr *e = a->of ? a->of : a->value;
	struct str   rest, name;
	bool         sent = s->kind == STEP_SEND_REQUEST || s->kind == STEP_SEND_REPLY;

	if (!check_text(c, e, "a header field"))
		return;
	rest = e->u.value.u.s;
	name = str_trim(str_take_until(&rest, ':'));
	if (sent && name.len == e->u.value.u.s.len)
		diag_add(c->d, D_TEST, e->span, "a header field is written \"Name: value\"");
	else
		check_header_name(c, name, check_within(e, name));
}

/* --- attributes --- */

static void step_kinds_text(struct buf *b, uint32_t steps)
{
	const char *before = "";

	for (unsigned kind = 0; kind < STEP_COUNT; kind++) {
		const char *words = step_words((enum step_kind)kind);

		if (!(steps & 1u << kind) || !strcmp(words, before))
			continue;
		buf_printf(b, "%s`%s`", *before ? ", " : "", words);
		before = words;
	}
}

/* All steps that an attribute of this name is for. */
static uint32_t steps_of(struct str name)
{
	uint32_t steps = 0;

	for (const struct attr_form *f = attr_forms; f->name; f++)
		if (str_is(name, f->name))
			steps |= f->steps;
	return steps;
}

static void no_such_attr(struct checker *c, const struct test_step *s, const struct test_attr *a)
{
	struct nearest near = nearest_to(a->name);
	uint32_t       steps = steps_of(a->name);
	char           room[300];
	struct buf     kinds = buf_on(room, sizeof(room));
	struct diag   *g;

	if (steps) {
		g = diag_add(c->d, D_TEST, a->span, "`" STR_FMT "` means nothing in `%s`", STR_ARG(a->name), step_words(s->kind));
		step_kinds_text(&kinds, steps);
		diag_help(c->d, g, "it is for " STR_FMT, STR_ARG(buf_str(&kinds)));
		return;
	}
	for (const struct attr_form *f = attr_forms; f->name; f++)
		if (f->steps & 1u << s->kind)
			nearest_offer(&near, str_of(f->name));
	g = diag_add(c->d, D_TEST, a->span, "`%s` knows no `" STR_FMT "`", step_words(s->kind), STR_ARG(a->name));
	diag_did_you_mean(c->d, g, nearest_name(&near));
}

/* False: reported. */
static bool check_comparison(struct checker *c, const struct attr_form *f, struct test_attr *a)
{
	if (a->no && f->kind != ATTR_HEADER) {
		diag_add(c->d, D_TEST, a->span, "only a header can be missing: `no header \"Route\"`");
		return false;
	}
	if (!a->op)
		return true;
	if (!f->compares || (a->op >= OP_LT && a->op <= OP_GE) || (f->kind == ATTR_HEADER) != (a->of != NULL)) {
		diag_add(c->d, D_TEST, a->span, "`%s` is not compared like this", f->name);
		return false;
	}
	if (!check_const_expr(c, a->value))
		return false;
	if ((a->op == OP_MATCH || a->op == OP_NO_MATCH) != is_regex(a->value)) {
		diag_add(c->d, D_ARGUMENT_TYPE, a->value->span, is_regex(a->value) ? "a regular expression is compared by =~ or !~" :
			 "=~ and !~ want a regular expression");
		return false;
	}
	return true;
}

static void check_value(struct checker *c, const struct scene *at, const struct attr_form *f, struct expr *e)
{
	char what[40];

	snprintf(what, sizeof(what), "`%s`", f->name);
	switch (f->kind) {
	case ATTR_TEXT:
		(void)check_text(c, e, what);
		break;
	case ATTR_URI:
		if (check_text(c, e, what))
			check_uri(c, e);
		break;
	case ATTR_DURATION:
		check_duration(c, e, what, 0);
		break;
	case ATTR_SECONDS:
		check_duration(c, e, what, 1000);
		break;
	case ATTR_ADDRESS:
		check_address(c, at, e);
		break;
	case ATTR_PARTY:
	case ATTR_METHOD:
		if (e->kind != EX_NAME)
			diag_add(c->d, D_TEST, e->span, "`%s` is followed by %s", f->name, f->kind == ATTR_PARTY ? "the name of a party" : "a method");
		else if (f->kind == ATTR_PARTY)
			check_party(c, at, e->u.name, e->span, TEST_PARTY);
		else
			check_method(c, e->u.name, e->span);
		break;
	case ATTR_CHOICE:
		check_choice(c, f, e);
		break;
	case ATTR_HEADER:
		break;
	}
}

static void check_attr(struct checker *c, const struct scene *at, const struct test_step *s, struct test_attr *a)
{
	const struct attr_form *f = attr_form(a->name, s->kind);

	if (!f || !(f->steps & 1u << s->kind)) {
		no_such_attr(c, s, a);
		return;
	}
	if (a->value->kind == EX_BAD || !check_comparison(c, f, a))
		return;
	if (f->kind == ATTR_HEADER)
		check_header(c, s, a);
	else if (str_is(a->name, "route") && check_text(c, a->value, "a header name"))
		check_header_name(c, a->value->u.value.u.s, check_within(a->value, a->value->u.value.u.s));
	else if (!str_is(a->name, "route") && (!a->op || !is_regex(a->value)))
		check_value(c, at, f, a->value);
}

/* --- steps --- */

static void needs_attr(struct checker *c, const struct test_step *s, const char *one, const char *other, const char *help)
{
	if (test_attr(s, one) || (other && test_attr(s, other)))
		return;
	diag_help(c->d, diag_add(c->d, D_TEST, s->span, "`%s` does not say where", step_words(s->kind)), "write `%s`", help);
}

void check_needs_database(struct checker *c, struct span where)
{
	for (const struct setting *s = c->prog->settings; s; s = s->next)
		if (str_is(s->name, "database"))
			return;
	diag_help(c->d, diag_add(c->d, D_NEEDS, where, "there is no database"), "add the setting `database \"sqlite:var/sipario.db\";`");
}

static void check_given_user(struct checker *c, const struct test_step *s)
{
	check_needs_database(c, s->span);
	if (!check_text(c, s->value, "a user"))
		return;
	if (str_find(s->value->u.value.u.s, '@') < 1 || str_ends(s->value->u.value.u.s, STR("@")))
		diag_help(c->d, diag_add(c->d, D_TEST, s->value->span, "`" STR_FMT "` is no user", STR_ARG(s->value->u.value.u.s)),
			  "write \"name@domain\"");
}

static void check_given_binding(struct checker *c, const struct test_step *s)
{
	if (!c->env->find(STR("location")))
		diag_help(c->d, diag_add(c->d, D_NEEDS, s->span, "nothing keeps bindings here"), "add `module location { }`");
	if (check_text(c, s->value, "an address-of-record"))
		check_uri(c, s->value);
	needs_attr(c, s, "at", "contact", "at PARTY` or `contact \"sip:…\"");
}

static void check_given_time(struct checker *c, const struct test_step *s)
{
	int64_t      unix_s;
	struct diag *g;

	if (!check_text(c, s->value, "the time") || !test_time_parse(s->value->u.value.u.s, &unix_s))
		return;
	g = diag_add(c->d, D_TEST, s->value->span, "`" STR_FMT "` is no time", STR_ARG(s->value->u.value.u.s));
	diag_help(c->d, g, "write \"2026-03-02 08:30\", in UTC");
}

/* $sht(table => key), of which both are known. */
static struct table *check_entry(struct checker *c, struct expr *e)
{
	struct table *t;

	if (e->kind != EX_TABLE || e->u.table.add) {
		if (e->kind != EX_BAD)
			diag_add(c->d, D_TEST, e->span, "only a table's entry can stand here: $sht(table => key)");
		return NULL;
	}
	check_expr(c, e, true);
	t = e->kind == EX_TABLE ? e->u.table.table : NULL;
	if (!t || is_const(e->u.table.key))
		return t;
	diag_add(c->d, D_CONST_EXPR, e->u.table.key->span, "this is not known before the server runs");
	return NULL;
}

static void check_table_value(struct checker *c, const struct test_step *s)
{
	struct table *t = check_entry(c, s->of);
	char          what[120];

	if (!check_const_expr(c, s->value) || !t || is_regex(s->value))
		return;
	snprintf(what, sizeof(what), "a value of table `" STR_FMT "`", STR_ARG(t->name));
	check_value_for(c, s->value, t->value, true, D_ASSIGN_TYPE, what);
}

/* Of the script and of the modules; those of the core's floors are known when it runs. */
static void check_counter_name(struct checker *c, const struct expr *e)
{
	struct str           name = e->u.value.u.s;
	struct nearest       near = nearest_to(name);
	const struct module *m;
	char                 room[100];

	for (const struct counter_use *u = c->prog->counters; u; u = u->next) {
		snprintf(room, sizeof(room), "script." STR_FMT, STR_ARG(u->name));
		if (str_is(name, room))
			return;
		nearest_offer(&near, arena_dup(c->a, str_of(room)));
	}
	for (size_t i = 0; (m = c->env->at(i)); i++)
		for (size_t k = 0; m->counters && m->counters[k]; k++) {
			if (str_is(name, m->counters[k]->name))
				return;
			nearest_offer(&near, str_of(m->counters[k]->name));
		}
	for (size_t i = 0; counter_at(i); i++)
		if (str_is(name, counter_at(i)->name))
			return;
	if (str_starts(name, STR("script.")) || nearest_name(&near).len)
		diag_did_you_mean(c->d, diag_add(c->d, D_TEST, e->span, "no counter `" STR_FMT "`", STR_ARG(name)), nearest_name(&near));
}

static void check_counter(struct checker *c, const struct test_step *s)
{
	if (!s->of) {
		diag_add(c->d, D_TEST, s->span, "a counter is compared with a number: `expect counter \"script.name\" == 2;`");
		return;
	}
	if (check_text(c, s->of, "the name of a counter"))
		check_counter_name(c, s->of);
	if (check_const_expr(c, s->value))
		check_value_for(c, s->value, T_INT, false, D_ARGUMENT_TYPE, "a counter");
}

static void check_log(struct checker *c, const struct test_step *s)
{
	if (!check_const_expr(c, s->value))
		return;
	if (s->op && s->op != OP_MATCH)
		diag_add(c->d, D_TEST, s->value->span, "a log line is looked for by a part of it, or by =~ /…/");
	else if (s->op ? !is_regex(s->value) : is_regex(s->value))
		diag_add(c->d, D_ARGUMENT_TYPE, s->value->span, "a regular expression goes with =~");
	else if (!s->op)
		check_value_for(c, s->value, T_STR, false, D_ARGUMENT_TYPE, "a log line");
}

static void check_party_decl(struct checker *c, const struct scene *at, const struct test_step *s)
{
	const struct test_step *first = party_in(at->general, s->name);

	if (!first)
		first = party_in(at->own, s->name);
	if (first != s)
		diag_note(c->d, diag_add(c->d, D_TWICE, s->name_span, "the party `" STR_FMT "` is there already", STR_ARG(s->name)), first->name_span,
			  "declared here");
	if (str_is(s->name, TEST_PARTY) || str_is(s->name, "database"))
		diag_add(c->d, D_TWICE, s->name_span, "`" STR_FMT "` means something else in tests", STR_ARG(s->name));
	needs_attr(c, s, "at", NULL, "at 192.0.2.20");
}

static void check_step(struct checker *c, const struct scene *at, const struct test_step *s)
{
	if (s->no && s->kind != STEP_EXPECT_REPLY && s->kind != STEP_EXPECT_REQUEST && s->kind != STEP_EXPECT_LOG)
		diag_add(c->d, D_TEST, s->span, "`no` goes with `reply`, `request` and `log`");
	if (s->directly && s->kind != STEP_EXPECT_REPLY && s->kind != STEP_EXPECT_REQUEST)
		diag_add(c->d, D_TEST, s->span, "`next` goes with `reply` and `request`");
	switch (s->kind) {
	case STEP_SEND_REQUEST: case STEP_EXPECT_REQUEST:
		if (s->name.len)
			check_method(c, s->name, s->name_span);
		break;
	case STEP_EXPECT_LOG:
		check_log(c, s);
		break;
	case STEP_EXPECT_COUNTER:
		check_counter(c, s);
		break;
	case STEP_EXPECT_TABLE: case GIVEN_TABLE:
		if (s->of)
			check_table_value(c, s);
		break;
	case STEP_WAIT:
		check_duration(c, s->value, "the time to wait", 0);
		break;
	case STEP_FAIL: case STEP_RESTORE:
		if (str_is(s->name, "database"))
			check_needs_database(c, s->name_span);
		else
			check_party(c, at, s->name, s->name_span, "database");
		break;
	case GIVEN_PARTY:
		check_party_decl(c, at, s);
		break;
	case GIVEN_USER:
		check_given_user(c, s);
		break;
	case GIVEN_BINDING:
		check_given_binding(c, s);
		break;
	case GIVEN_TIME:
		check_given_time(c, s);
		break;
	case GIVEN_DOMAIN: case GIVEN_SQL:
		check_needs_database(c, s->span);
		(void)check_text(c, s->value, "this");
		break;
	case GIVEN_HOST:
		(void)check_text(c, s->value, "a host name");
		needs_attr(c, s, "at", NULL, "at 192.0.2.20");
		break;
	case STEP_SEND_REPLY: case STEP_EXPECT_REPLY: case STEP_EXPECT_NOTHING: case STEP_COUNT:
		break;
	}
	for (struct test_attr *a = s->attrs; a; a = a->next)
		check_attr(c, at, s, a);
}

static void check_steps(struct checker *c, const struct scene *at, const struct test_step *list)
{
	bool given = true;

	for (const struct test_step *s = list; s; s = s->next) {
		check_step(c, at, s);
		if (s->kind >= GIVEN_PARTY && !given)
			diag_add(c->d, D_TEST, s->span, "what is given stands at the beginning of a test");
		given = given && s->kind >= GIVEN_PARTY;
	}
}

void check_tests(struct checker *c)
{
	struct scene at = { .general = c->prog->givens };

	check_steps(c, &at, c->prog->givens);
	for (const struct test *t = c->prog->tests; t; t = t->next) {
		for (const struct test *x = c->prog->tests; x != t; x = x->next)
			if (str_eq(x->name, t->name))
				diag_note(c->d, diag_add(c->d, D_TWICE, t->span, "two tests have this name"), x->span, "first here");
		at.own = t->steps;
		check_steps(c, &at, t->steps);
	}
}
