/* Records of calls (module cdr), as they are in the database. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "module/value.h"

enum { MOST_CONDITIONS = 8, SQL_BYTES = 4096, LIMIT = 50, MOST_LIMIT = 1000000 };

#define STATE                                                                                                                        \
	"CASE WHEN answer_ms IS NOT NULL THEN CASE WHEN end_ms IS NULL AND ended_by IS NULL THEN 'talking' ELSE 'answered' END "     \
	"WHEN ended_by = 'caller' OR code IN (408, 480) THEN 'missed' ELSE 'failed' END"
#define COLUMNS                                                                                                                      \
	"start_ms / 1000, caller, callee, " STATE ", code, reason, (end_ms - answer_ms) / 1000, ended_by, target, route, source, call_id, " \
	"from_tag, to_tag, start_ms, answer_ms, end_ms, id"
static const char *const keys[] = {
	"start_unix", "caller", "callee", "state", "code", "reason", "duration_s", "ended_by", "target", "route", "source", "call_id", "from_tag", "to_tag",
	"start_ms", "answer_ms", "end_ms", "id",
};

/* A question in the making. */
struct query {
	struct buf      sql;
	char            room[SQL_BYTES];
	struct db_value v[MOST_CONDITIONS];
	unsigned        n;
};

/* One more condition, with a parameter between the two texts. */
static void add(struct query *q, const char *before, const char *after, struct db_value v)
{
	q->v[q->n++] = v;
	buf_printf(&q->sql, "%s%s$%u%s", q->n == 1 ? " WHERE " : " AND ", before, q->n, after);
}

/* "sip:alice@%", with what LIKE would understand made harmless. */
static struct str any_domain(struct ctl *c, struct str user)
{
	struct buf b = buf_on(arena_alloc(c->arena, user.len * 2 + 8), user.len * 2 + 8);

	if (!b.p)
		return STR_NONE;
	BUF_LIT(&b, "sip:");
	for (size_t i = 0; i < user.len; i++) {
		if (strchr("%_\\", user.p[i]))
			buf_ch(&b, '\\');
		buf_ch(&b, user.p[i]);
	}
	BUF_LIT(&b, "@%");
	return buf_str(&b);
}

/* "alice@example.org" or a whole URI; a name or number alone is that of any domain. */
static void add_user(struct ctl *c, struct query *q)
{
	struct str user = str_of(c->watch.user), text;
	bool       whole = str_istarts(user, STR("sip:")) || str_istarts(user, STR("sips:")) || str_istarts(user, STR("tel:"));

	if (whole || str_find(user, '@') >= 0) {
		text = whole ? user : arena_printf(c->arena, "sip:" STR_FMT, STR_ARG(user));
		add(q, "", " IN (caller, callee)", db_text(text));
		return;
	}
	text = any_domain(c, user);
	add(q, "(caller LIKE ", " ESCAPE '\\'", db_text(text));
	q->v[q->n++] = db_text(text);
	buf_printf(&q->sql, " OR callee LIKE $%u ESCAPE '\\')", q->n);
}

/* A moment in local time, or how long ago: "2026-11-22 18:00", "2h". */
static enum err time_of(struct ctl *c, const char *option, const char *text, int64_t *ms)
{
	static const char *const forms[] = { "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct tm   tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);

		if (!end || *end)
			continue;
		*ms = (int64_t)mktime(&tm) * 1000;
		return OK;
	}
	if (duration_parse(str_of(text), ms) || *ms < 0)
		return ctl_fail(c, ERR_SYNTAX, "--%s %.60s: write a time, \"2026-11-22 18:00\" or 2026-11-22, or how long ago, 2h", option, text);
	*ms = clock_unix() * 1000 - *ms;
	return OK;
}

static enum err add_times(struct ctl *c, struct query *q)
{
	int64_t  ms;
	enum err err = OK;

	if (c->calls.since) {
		err = time_of(c, "since", c->calls.since, &ms);
		if (!err)
			add(q, "start_ms >= ", "", db_int(ms));
	}
	if (!err && c->calls.until) {
		err = time_of(c, "until", c->calls.until, &ms);
		if (!err)
			add(q, "start_ms < ", "", db_int(ms));
	}
	return err;
}

static enum err add_state(struct ctl *c, struct query *q)
{
	static const char *const states[] = { "answered", "talking", "missed", "failed" };
	const char              *near;

	if (!c->calls.state)
		return OK;
	for (size_t i = 0; i < COUNT_OF(states); i++)
		if (!strcmp(states[i], c->calls.state)) {
			add(q, STATE " = ", "", db_text(str_of(states[i])));
			return OK;
		}
	near = ctl_nearest(str_of(c->calls.state), states, COUNT_OF(states));
	return ctl_fail(c, ERR_SYNTAX, "--state %.40s: expected answered, talking, missed or failed%s%s%s", c->calls.state, near ? "; did you mean " : "", near ? near : "",
			near ? "?" : "");
}

static enum err number_of(struct ctl *c, const char *option, const char *text, int64_t least, int64_t most, int64_t *out)
{
	if (str_i64(str_of(text), out) && *out >= least && *out <= most)
		return OK;
	return ctl_fail(c, ERR_SYNTAX, "--%s %.40s: expected a number from %lld to %lld", option, text, (long long)least, (long long)most);
}

static enum err add_code(struct ctl *c, struct query *q)
{
	int64_t  code;
	enum err err = c->calls.code ? number_of(c, "code", c->calls.code, 100, 699, &code) : OK;

	if (c->calls.code && !err)
		add(q, "code = ", "", db_int(code));
	return err;
}

static void begin(struct query *q)
{
	q->sql = buf_on(q->room, sizeof(q->room));
	q->n = 0;
	buf_printf(&q->sql, "SELECT " COLUMNS " FROM calls");
}

static enum err ask(struct ctl *c, struct query *q)
{
	struct db_rows rows;
	enum err       err;

	buf_ch(&q->sql, '\0');
	if (!buf_ok(&q->sql))
		return ctl_fail(c, ERR_LIMIT, "too many conditions");
	err = ctl_query(c, q->room, q->v, q->n, &rows);
	if (!err)
		ctl_put_rows(c, &rows, keys);
	return err;
}

static enum err cdr_list(struct ctl *c)
{
	struct query q;
	int64_t      limit = LIMIT;
	enum err     err = c->calls.limit ? number_of(c, "limit", c->calls.limit, 1, MOST_LIMIT, &limit) : OK;

	begin(&q);
	if (*c->watch.user)
		add_user(c, &q);
	if (!err)
		err = add_times(c, &q);
	if (!err)
		err = add_state(c, &q);
	if (!err)
		err = add_code(c, &q);
	if (err)
		return err;
	buf_printf(&q.sql, " ORDER BY start_ms DESC, id LIMIT %lld", (long long)limit);
	c->columns = "start_unix,caller,callee,state,code,duration_s,ended_by";
	return ask(c, &q);
}

static enum err cdr_show(struct ctl *c)
{
	struct query q;

	begin(&q);
	add(&q, "call_id = ", "", db_text(str_of(c->argv[0])));
	buf_printf(&q.sql, " ORDER BY start_ms, id");
	c->upright = true;
	return ask(c, &q);
}

const struct ctl_command ctl_calls_commands[] = {
	{ "cdr", "list", "", "the latest calls, also missed and failed ones", OPT_CALLS, cdr_list },
	{ "cdr", "show", "CALL-ID", "all that is known of a call", 0, cdr_show },
	{ 0 }
};
