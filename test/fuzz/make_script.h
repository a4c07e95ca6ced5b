#pragma once
/* A program of the routing language out of any bytes: mostly one that the checker lets pass, since functions and variables are taken from the tables and
 * expressions are of the type that is wanted. The same bytes make the same program; when they run out it soon comes to an end. */
#include "module/module.h"

enum { MAKER_MOST_LOCALS = 12, MAKER_DEEP = 6 };
struct maker {
	const uint8_t         *at, *end;
	struct buf            *out;
	const struct mod_func *funcs;	/* NULL-named end */
	const struct mod_var  *vars;
	unsigned               deep, blocks, loops;
	unsigned               locals;		/* v0, v1 … of the route, as many as can be seen */
	enum vtype             type[MAKER_MOST_LOCALS];
	unsigned               all_locals;
};

static inline void random_expr(struct maker *m, enum vtype want);

static inline unsigned pick(struct maker *m, unsigned of)
{
	return m->at < m->end ? *m->at++ % of : 0;
}

static inline void put(struct maker *m, const char *text)
{
	buf_add(m->out, str_of(text));
}

static inline void put_one(struct maker *m, const char *const *of, unsigned count)
{
	put(m, of[pick(m, count)]);
}
#define PUT_ONE(m, ...)                                             \
	do {                                                        \
		static const char *const of_[] = { __VA_ARGS__ };   \
		put_one((m), of_, COUNT_OF(of_));                   \
	} while (0)

static inline enum vtype pick_type(struct maker *m)
{
	static const enum vtype all[] = { T_STR, T_INT, T_BOOL, T_DURATION, T_IP, T_LIST, T_STR, T_INT };

	return all[pick(m, COUNT_OF(all))];
}

/* --- values --- */

/* Any bytes, escaped as need be. */
static inline void random_string(struct maker *m)
{
	unsigned n = pick(m, 24);

	put(m, "\"");
	while (n-- && m->at < m->end) {
		char c = (char)*m->at++;

		if (c >= 0x20 && c < 0x7f && !strchr("\"\\$'()", c))
			buf_ch(m->out, c);
		else
			buf_printf(m->out, "\\x%02x", (unsigned char)c);
	}
	put(m, "\"");
}

static inline void random_list(struct maker *m)
{
	unsigned n = pick(m, 4);

	put(m, "[");
	for (unsigned i = 0; i < n; i++) {
		random_expr(m, pick_type(m));
		put(m, ", ");
	}
	put(m, "]");
}

static inline void random_literal(struct maker *m, enum vtype want)
{
	switch (want) {
	case T_BOOL:
		PUT_ONE(m, "true", "false");
		return;
	case T_INT:
		PUT_ONE(m, "0", "1", "2", "-1", "7", "16", "100", "486", "65536", "9223372036854775807", "-9223372036854775807", "4294967296");
		return;
	case T_DURATION:
		PUT_ONE(m, "0s", "1ms", "1s", "10s", "1h30m", "106751991167d");
		return;
	case T_SIZE:
		PUT_ONE(m, "0B", "1B", "16kB", "1GB");
		return;
	case T_IP:
		PUT_ONE(m, "192.0.2.1", "::1", "0.0.0.0", "2001:db8::ffff");
		return;
	case T_CIDR:
		PUT_ONE(m, "10.0.0.0/8", "192.0.2.0/24", "::/0", "2001:db8::/33", "0.0.0.0/0", "192.0.2.1/32");
		return;
	case T_URI:
		PUT_ONE(m, "\"sip:a@b.example\"", "$ru", "$fu", "\"tel:+493012345\"", "\"sip:x@192.0.2.1:5070;transport=tcp;lr\"");
		return;
	case T_REGEX:
		PUT_ONE(m, "/a/", "/^(a+)+$/", "/./i", "/([a-z]*)([0-9]*)/i", "/(.*)*x/s", "/^$/m", "/(a|aa)+$/", "/\\b/");
		return;
	case T_LIST:
		random_list(m);
		return;
	default:
		if (pick(m, 3))
			random_string(m);
		else
			PUT_ONE(m, "\"\"", "\"abc\"", "\"sip:a@b\"", "\"42\"", "\"10.0.0.1\"", "\"{\\\"a\\\": [1, 2, {}]}\"", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"");
	}
}

/* --- calls --- */

static inline void random_arg(struct maker *m, const struct mod_func *f, const struct mod_arg *a)
{
	unsigned n = 0;

	while (a->choices && a->choices[n])
		n++;
	if (f->flags & F_REPLY_CODE && a == f->args)
		PUT_ONE(m, "200", "180", "404", "486", "603", "100", "302");
	else if (f->flags & F_COUNTER && a == f->args)
		PUT_ONE(m, "\"one\"", "\"two\"");
	else if (n)
		buf_printf(m->out, "\"%s\"", a->choices[pick(m, n)]);
	else if (a->literal)
		PUT_ONE(m, "\"Mon-Fri 08:00-18:00\"", "\"Europe/Berlin\"", "\"UTC\"", "\"Sat\"");
	else if (a->max && a->type == T_INT && pick(m, 4))
		buf_printf(m->out, "%lld", (long long)(a->min + pick(m, a->max - a->min < 200 ? (unsigned)(a->max - a->min) + 1 : 200)));
	else if (a->max && a->type == T_DURATION && pick(m, 4))
		buf_printf(m->out, "%lldms", (long long)(a->min + 100 * pick(m, 100)));
	else
		random_expr(m, a->type == T_ANY ? pick_type(m) : a->type);
}

/* A method's first argument stands before it. Behind one that is left out all have names. */
static inline void random_call(struct maker *m, const struct mod_func *f)
{
	const struct mod_arg *a = f->args;
	bool                  named = false, first = true;

	if (f->flags & F_METHOD && a && a->name) {
		put(m, "(");
		random_expr(m, a->type == T_ANY ? T_STR : a->type);
		put(m, ").");
		a++;
	}
	buf_printf(m->out, "%s(", f->name);
	for (; a && a->name; a++) {
		if ((a->optional || a->preset) && !pick(m, 3)) {
			named = true;
			continue;
		}
		buf_printf(m->out, "%s", first ? "" : ", ");
		if (named || (!pick(m, 4) && a->optional)) {
			named = true;
			buf_printf(m->out, "%s = ", a->name);
		}
		random_arg(m, f, a);
		first = false;
	}
	for (unsigned k = f->flags & F_KEYS ? pick(m, 3) : 0; k; k--) {
		buf_printf(m->out, "%sk%u = ", first ? "" : ", ", k);
		random_expr(m, pick_type(m));
		first = false;
	}
	put(m, ")");
}

/* The n-th function that gives such a value, counted round; NULL: none does. */
static inline const struct mod_func *func_giving(struct maker *m, enum vtype want)
{
	const struct mod_func *found = NULL;
	unsigned               count = 0, n;

	for (const struct mod_func *f = m->funcs; f->name; f++)
		count += f->result == want && f->where & IN_REQUEST;
	n = count ? pick(m, count) : 0;
	for (const struct mod_func *f = m->funcs; f->name && !found; f++)
		if (f->result == want && f->where & IN_REQUEST && !n--)
			found = f;
	return found;
}

/* What may be null gets a default, so that it can stand anywhere. */
static inline void random_call_giving(struct maker *m, enum vtype want)
{
	const struct mod_func *f = func_giving(m, want);

	if (!f) {
		random_literal(m, want);
		return;
	}
	put(m, "(");
	random_call(m, f);
	if (f->nullable) {
		put(m, " ?? ");
		random_literal(m, want);
	}
	put(m, ")");
}

/* --- what has a name --- */

static inline void random_var(struct maker *m, enum vtype want)
{
	const struct mod_var *v = m->vars;
	unsigned              count = 0, n;

	while (v[count].name)
		count++;
	n = pick(m, count);
	for (unsigned i = 0; i < count; i++, n = (n + 1) % count)
		if (v[n].type == want && v[n].where & IN_REQUEST)
			break;
	if (v[n].type != want || !(v[n].where & IN_REQUEST)) {
		random_literal(m, want);
		return;
	}
	buf_printf(m->out, "($%s%s", v[n].name, v[n].has_arg ? "(Subject)" : "");
	if (v[n].nullable) {
		put(m, " ?? ");
		random_literal(m, want);
	}
	put(m, ")");
}

static inline void random_local(struct maker *m, enum vtype want)
{
	unsigned n = m->locals ? pick(m, m->locals) : 0;

	for (unsigned i = 0; i < m->locals; i++, n = (n + 1) % m->locals)
		if (m->type[n] == want) {
			buf_printf(m->out, "v%u", n);
			return;
		}
	random_literal(m, want);
}

static inline void random_table_ref(struct maker *m, enum vtype want)
{
	put(m, want == T_INT ? "($sht(ints => " : "($sht(texts => ");
	random_expr(m, T_STR);
	put(m, ") ?? ");
	random_literal(m, want == T_INT ? T_INT : T_STR);
	put(m, ")");
}

static inline void random_avp(struct maker *m, enum vtype want)
{
	buf_printf(m->out, "($avp(%s) ?? ", vtype_name(want));
	random_literal(m, want);
	put(m, ")");
}

/* --- operators --- */

static inline void random_pair(struct maker *m, enum vtype a, const char *op, enum vtype b)
{
	put(m, "(");
	random_expr(m, a);
	buf_printf(m->out, " %s ", op);
	random_expr(m, b);
	put(m, ")");
}

static inline void random_condition(struct maker *m)
{
	static const char *const orders[] = { "<", "<=", ">", ">=" };
	enum vtype               t = pick_type(m);

	switch (pick(m, 8)) {
	case 0:
		random_pair(m, t, "==", t);
		return;
	case 1:
		random_pair(m, t, "!=", t);
		return;
	case 2:
		random_pair(m, T_INT, orders[pick(m, COUNT_OF(orders))], T_INT);
		return;
	case 3:
		random_pair(m, T_BOOL, pick(m, 2) ? "&&" : "||", T_BOOL);
		return;
	case 4:
		random_pair(m, T_STR, pick(m, 2) ? "=~" : "!~", T_REGEX);
		return;
	case 5:
		random_pair(m, t, "in", T_LIST);
		return;
	case 6:
		random_pair(m, T_IP, "in", T_CIDR);
		return;
	default:
		put(m, "!");
		random_expr(m, T_BOOL);
	}
}

static inline void random_interpolation(struct maker *m)
{
	put(m, "\"");
	for (unsigned n = 1 + pick(m, 3); n; n--) {
		PUT_ONE(m, "", "x", " ", "$ci", "$hdr(Subject)", "${", "\\$", ")", "(");
		put(m, "$(");
		random_expr(m, pick_type(m));
		put(m, ")");
	}
	put(m, "\"");
}

static inline void random_operation(struct maker *m, enum vtype want)
{
	static const char *const ops[] = { "+", "-", "*", "/", "%" };

	if (want == T_BOOL)
		random_condition(m);
	else if (want == T_INT)
		random_pair(m, T_INT, ops[pick(m, COUNT_OF(ops))], T_INT);
	else if (want == T_DURATION)
		random_pair(m, T_DURATION, ops[pick(m, 2)], T_DURATION);
	else if (want == T_STR && pick(m, 2))
		random_interpolation(m);
	else if (want == T_STR)
		random_pair(m, T_STR, "+", T_STR);
	else
		random_literal(m, want);
}

static inline void random_expr(struct maker *m, enum vtype want)
{
	if (m->deep >= MAKER_DEEP || m->at >= m->end) {
		random_literal(m, want == T_LIST && m->deep > MAKER_DEEP ? T_STR : want);
		return;
	}
	m->deep++;
	switch (pick(m, 8)) {
	case 0:
		random_literal(m, want);
		break;
	case 6:
		if (pick(m, 2))
			random_avp(m, want);
		else
			random_operation(m, want);
		break;
	case 1:
	case 2:
		random_call_giving(m, want);
		break;
	case 3:
		random_var(m, want);
		break;
	case 4:
		random_local(m, want);
		break;
	case 5:
		if (want == T_INT || want == T_STR)
			random_table_ref(m, want);
		else
			random_operation(m, want);
		break;
	default:
		random_operation(m, want);
	}
	m->deep--;
}

/* --- statements --- */

static inline void random_block(struct maker *m);

static inline void random_let(struct maker *m)
{
	enum vtype t = pick_type(m);

	if (m->locals == MAKER_MOST_LOCALS)
		return;
	buf_printf(m->out, "let v%u = ", m->locals);
	random_expr(m, t);
	put(m, ";\n");
	m->type[m->locals++] = t;
}

static inline void random_assignment(struct maker *m)
{
	unsigned n = pick(m, 12);

	if (n < m->locals) {
		buf_printf(m->out, "v%u = ", n);
		random_expr(m, m->type[n]);
	} else if (n == 9) {
		put(m, "$sht(ints => ");
		random_expr(m, T_STR);
		put(m, ") = ");
		random_expr(m, T_INT);
	} else if (n == 10) {
		put(m, "$sht(texts => ");
		random_expr(m, T_STR);
		put(m, ") = ");
		random_expr(m, T_STR);
	} else if (n == 11) {
		enum vtype t = pick_type(m);

		buf_printf(m->out, "$avp(%s) = ", vtype_name(t));
		random_expr(m, t);
	} else {
		PUT_ONE(m, "$rU", "$rd", "$fU", "$hdr(X-New)", "$hdr(Subject)", "$body", "$td", "$tU");
		put(m, " = ");
		random_expr(m, T_STR);
	}
	put(m, ";\n");
}

static inline void random_loop(struct maker *m)
{
	static const char *const long_enough[] = { "10", "1000", "1000000" };
	unsigned                 k = m->loops++;

	if (pick(m, 3)) {
		buf_printf(m->out, "let n%u = 0; while (n%u < %s) { n%u = n%u + 1;\n", k, k, long_enough[pick(m, 3)], k, k);
	} else {
		buf_printf(m->out, "for (e%u in ", k);
		random_expr(m, T_LIST);
		put(m, ") {\n");
	}
	random_block(m);
	put(m, "}\n");
}

static inline void random_if(struct maker *m)
{
	put(m, "if (");
	random_expr(m, T_BOOL);
	put(m, ") {\n");
	random_block(m);
	put(m, "}\n");
	if (!pick(m, 2))
		return;
	put(m, "else {\n");
	random_block(m);
	put(m, "}\n");
}

static inline void random_call_statement(struct maker *m)
{
	unsigned count = 0;

	while (m->funcs[count].name)
		count++;
	random_call(m, &m->funcs[pick(m, count)]);
	put(m, ";\n");
}

static inline void random_statement(struct maker *m)
{
	switch (pick(m, 12)) {
	case 0: case 1: case 2:
		random_let(m);
		return;
	case 3: case 4:
		random_assignment(m);
		return;
	case 5:
		random_if(m);
		return;
	case 6:
		random_loop(m);
		return;
	case 7: case 8:
		random_call_statement(m);
		return;
	case 9:
		put(m, "route(SUB, ");
		random_expr(m, T_INT);
		put(m, ", ");
		random_expr(m, T_STR);
		put(m, ");\n");
		return;
	case 10:
		PUT_ONE(m, "if (relay().code == 486) send_reply(480);\n", "if (1 == $cs) drop;\n", "if (2 == $cs) exit;\n", "if (\"x\" == $ci) send_reply(404);\n");
		return;
	default:
		put(m, "log(");
		random_expr(m, T_STR);
		put(m, ");\n");
	}
}

/* What it declares ends with it. */
static inline void random_block(struct maker *m)
{
	unsigned locals = m->locals, n = m->blocks < 5 ? pick(m, 6) : 0;

	m->blocks++;
	while (n--)
		random_statement(m);
	m->blocks--;
	m->locals = locals;
}

/* Each $avp is of the type that it is called by; replies join in. */
static inline void put_avps(struct maker *m)
{
	static const enum vtype all[] = { T_STR, T_INT, T_BOOL, T_DURATION, T_SIZE, T_IP, T_CIDR, T_URI, T_LIST };

	put(m, "route[AVPS] {\n");
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		buf_printf(m->out, "$avp(%s) = ", vtype_name(all[i]));
		random_literal(m, all[i]);
		put(m, ";\n");
	}
	put(m, "}\nreply_route { $avp(int) = ($avp(int) ?? 0) + 1; $avp(list) = [$rs, $avp(list)]; $avp(string) = \"$avp(string)$rr$rr\"; }\n");
}

static inline void make_script(struct maker *m)
{
	put_avps(m);
	put(m, "route[SUB](v0: int, v1: string) {\n");
	m->locals = 2;
	m->type[0] = T_INT;
	m->type[1] = T_STR;
	m->blocks = 4;		/* it may be called in a loop: not too long */
	random_block(m);
	put(m, "}\nrequest_route {\n");
	m->locals = m->blocks = 0;
	for (unsigned n = 0; m->at < m->end && n < 30; n++)
		random_statement(m);
	put(m, "send_reply(200);\n}\n");
}
