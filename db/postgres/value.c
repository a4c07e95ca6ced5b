#include "db/postgres/postgres.h"

#include <stdio.h>

/* pg_type.dat: built-in types keep their numbers in all versions. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_OID = 26 };

/* --- parameters --- */

/* Numbers and bytes say what they are. Texts take the type that the statement gives them: so one sentence of SQL serves a text, a
 * CIDR and a time. Bytes travel as they are, the others as text. */
void pg_params_set(struct pg_params *p, const struct db_value *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		p->value[i] = NULL;
		p->length[i] = p->format[i] = 0;
		p->type[i] = 0;
		switch (v[i].type) {
		case DB_NULL:
			break;
		case DB_INT:
			snprintf(p->digits[i], sizeof(p->digits[i]), "%lld", (long long)v[i].i);
			p->value[i] = p->digits[i];
			p->type[i] = OID_INT8;
			break;
		case DB_TEXT:
			p->value[i] = v[i].s.len ? v[i].s.p : "";
			break;
		case DB_BYTES:
			p->value[i] = v[i].s.len ? v[i].s.p : "";
			p->length[i] = (int)v[i].s.len;
			p->format[i] = 1;
			p->type[i] = OID_BYTEA;
			break;
		}
	}
}

/* --- rows --- */

static unsigned hex_digit(char c)
{
	return (unsigned)(ch_digit(c) ? c - '0' : c - 'a' + 10);
}

/* "\x6162": the form that the server has written since 9.0. */
static enum err take_bytes(struct str hex, struct db_value *out, struct arena *a)
{
	size_t len = hex.len >= 2 ? hex.len / 2 - 1 : 0;
	char  *p = arena_alloc(a, len + 1);

	if (!p)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(hex_digit(hex.p[2 + 2 * i]) << 4 | hex_digit(hex.p[3 + 2 * i]));
	*out = (struct db_value){ .type = DB_BYTES, .s = str_n(p, len) };
	return OK;
}

static enum err take_cell(const PGresult *r, int row, int col, struct db_value *out, struct arena *a)
{
	struct str s = str_n(PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col));
	int64_t    i;

	if (PQgetisnull(r, row, col)) {
		*out = db_null();
		return OK;
	}
	switch (PQftype(r, col)) {
	case OID_BOOL:
		*out = db_int(s.p[0] == 't');
		return OK;
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_OID:
		*out = db_int(str_i64(s, &i) ? i : 0);
		return OK;
	case OID_BYTEA:
		return take_bytes(s, out, a);
	default:
		*out = db_text(s);
		return OK;
	}
}

enum err pg_row(const PGresult *r, int row, struct db_value *cell, struct arena *a)
{
	int cols = PQnfields(r);

	for (int i = 0; i < cols; i++)
		if (take_cell(r, row, i, &cell[i], a))
			return ERR_NOMEM;
	return OK;
}

/* --- errors --- */

/* Appendix A of PostgreSQL's manual: the first that fits, so that exceptions stand before their class. */
static const struct {
	const char *prefix;
	enum err    err;
} codes[] = {
	{ "23505", ERR_EXISTS },	/* unique_violation */
	{ "23", ERR_STATE },		/* other constraints */
	{ "P0001", ERR_STATE },		/* raised by a trigger */
	{ "22", ERR_SYNTAX },		/* a value of the wrong form */
	{ "42501", ERR_UNSUPPORTED },	/* insufficient_privilege */
	{ "42P05", ERR_IO },		/* a statement of that name is there already: see pg_err_outdated() */
	{ "42", ERR_SYNTAX },		/* the statement: names, grammar */
	{ "0A", ERR_SYNTAX },
	{ "08P01", ERR_SYNTAX },	/* fewer values than the statement wants */
	{ "26000", ERR_IO },		/* no such prepared statement: the same */
	{ "54", ERR_LIMIT },		/* too complex, too many columns … */
};

bool pg_err_is(const PGresult *r, const char *sqlstate)
{
	const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	return code && !strcmp(code, sqlstate);
}

bool pg_err_outdated(const PGresult *r)
{
	return pg_err_is(r, "0A000") || pg_err_is(r, "26000") || pg_err_is(r, "42P05");
}

enum err pg_err(const PGresult *r)
{
	const char *code;

	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
	case PGRES_EMPTY_QUERY:
	case PGRES_PIPELINE_SYNC:
		return OK;
	default:
		break;
	}
	code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	for (size_t i = 0; code && i < COUNT_OF(codes); i++)
		if (str_starts(str_of(code), str_of(codes[i].prefix)))
			return codes[i].err;
	return ERR_IO;	/* connection, resources, locks, shutdown: the store is away for now */
}

static const char *grant_for(enum db_mode mode)
{
	return mode == DB_CREATE ? "the owner of the database's tables may" : mode == DB_EDIT ? "GRANT sipario_operator TO this database user" :
	       "GRANT sipario_server TO this database user";
}

void pg_words(const PGresult *r, enum db_mode mode, char *why, size_t cap)
{
	const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	struct str  line = str_of(words ? words : PQresultErrorMessage(r));

	if (!why)
		return;
	line = str_trim(str_take_until(&line, '\n'));
	if (pg_err_is(r, "55P03"))	/* lock_not_available */
		snprintf(why, cap, "a table or row is locked by another program: try again");
	else if (pg_err_is(r, "42501"))
		snprintf(why, cap, STR_FMT ": %s", STR_ARG(line), grant_for(mode));
	else
		snprintf(why, cap, STR_FMT, line.len ? (int)line.len : 23, line.len ? line.p : "the connection was lost");
}
