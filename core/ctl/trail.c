/* What happened to calls: `why` from the ring that is always on, `trace` for picked calls, line by line. */
#include "ctl/ctl.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "module/value.h"

enum { LOOK_MS = 200, LINE = 1024 };

static volatile sig_atomic_t interrupted;

static struct str text_of(const struct json *event, const char *key)
{
	return json_text(json_get(event, key));
}

/* --- one event as a line for people --- */

/* "14:03:11.120345" of "2026-11-22T14:03:11.120345Z" */
static struct str clock_of(const struct json *event)
{
	struct str t = text_of(event, "time");

	return t.len == 27 ? str_n(t.p + 11, 15) : t;
}

static void put_what(struct buf *b, const struct json *event)
{
	struct str what = text_of(event, "event"), text = text_of(event, "text");

	if (str_is(what, "received"))
		buf_printf(b, "<-- " STR_FMT "   from " STR_FMT, STR_ARG(text), STR_ARG(text_of(event, "peer")));
	else if (str_is(what, "sent"))
		buf_printf(b, "--> " STR_FMT "   to " STR_FMT, STR_ARG(text), STR_ARG(text_of(event, "peer")));
	else if (str_is(what, "begin"))
		buf_printf(b, "    the script runs: " STR_FMT " calls " STR_FMT, STR_ARG(text_of(event, "from")), STR_ARG(text_of(event, "to")));
	else if (str_is(what, "called"))
		buf_printf(b, "    " STR_FMT, STR_ARG(text));
	else if (str_is(what, "waits"))
		buf_printf(b, "    " STR_FMT " waits", STR_ARG(text));
	else if (str_is(what, "resumed"))
		buf_printf(b, "    … goes on with " STR_FMT, STR_ARG(text));
	else if (str_is(what, "end"))
		buf_printf(b, "    the run ends " STR_FMT, STR_ARG(text));
	else if (str_is(what, "timer"))
		buf_printf(b, "  ! " STR_FMT, STR_ARG(text));
	else if (str_is(what, "fault"))
		buf_printf(b, "  ! the script was stopped: " STR_FMT, STR_ARG(text));
	else if (str_is(what, "line"))
		buf_printf(b, "    | " STR_FMT, STR_ARG(text_of(event, "source")));
	else
		buf_printf(b, "    |    " STR_FMT, STR_ARG(text));
}

/* "sipario.cfg:31" of "/etc/sipario/sipario.cfg:31" */
static struct str place_of(const struct json *event)
{
	struct str at = text_of(event, "at");
	size_t     n = at.len;

	while (n && at.p[n - 1] != '/')
		n--;
	return str_from(at, n);
}

static void put_event(struct buf *b, const struct json *event)
{
	struct str process = text_of(event, "process"), place = place_of(event);

	buf_printf(b, STR_FMT "  ", STR_ARG(clock_of(event)));
	buf_printf(b, "%-10.*s %-18.*s ", (int)process.len, process.p, (int)place.len, place.p);
	put_what(b, event);
	buf_ch(b, '\n');
}

static enum err say_events(struct ctl *c, const struct json *events)
{
	size_t     cap = (json_count(events) + 1) * LINE;
	struct buf b = buf_on(arena_alloc(c->arena, cap), cap);

	json_put_json(&c->out, NULL, json_dump(c->arena, events, false));
	if (!b.p)
		return ERR_NOMEM;
	for (size_t i = 0; i < json_count(events); i++)
		put_event(&b, json_at(events, i));
	while (b.len && b.p[b.len - 1] == '\n')
		b.len--;
	c->said = str_n(b.p, b.len);
	return OK;
}

/* --- why, calls --- */

static enum err why(struct ctl *c)
{
	struct json_out o = json_into(c->arena);
	struct json    *events;
	enum err        err;

	if (!c->argc)
		return ctl_pass_on(c, "core.calls", STR("{}"));
	json_open_object(&o, NULL);
	json_put_text(&o, "call_id", str_of(c->argv[0]));
	json_close_object(&o);
	err = ctl_ask(c, "core.why", json_done(&o), &events);
	if (!err)
		err = say_events(c, events);
	json_free(events);
	return err;
}

/* --- trace --- */

static enum err start(struct ctl *c, int64_t *number)
{
	struct json_out o = json_into(c->arena);
	struct json    *answer;
	int64_t         ms = 600 * 1000;
	enum err        err;

	if (c->watch.how_long && (duration_parse(str_of(c->watch.how_long), &ms) || ms <= 0))
		return ctl_fail(c, ERR_SYNTAX, "--for %s: expected a duration, 30s or 2h", c->watch.how_long);
	json_open_object(&o, NULL);
	json_put_text(&o, "user", str_of(c->watch.user));
	json_put_text(&o, "number", str_of(c->watch.number));
	json_put_text(&o, "source", str_of(c->watch.source));
	json_put_text(&o, "call_id", str_of(c->watch.call_id));
	json_put_int(&o, "for_ms", ms);
	json_close_object(&o);
	err = ctl_ask(c, "core.trace_start", json_done(&o), &answer);
	*number = json_int(json_get(answer, "trace"), 0);
	json_free(answer);
	return err;
}

static enum err trace_start(struct ctl *c)
{
	int64_t  n;
	enum err err = start(c, &n);

	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_int(&c->out, "trace", n);
	json_close_object(&c->out);
	ctl_say(c, "trace %" PRId64 " is on: `siparioctl trace show %" PRId64 "` shows what it has, `siparioctl trace stop %" PRId64 "` ends it", n, n, n);
	return OK;
}

static enum err number_of(struct ctl *c, int64_t *n)
{
	if (str_i64(str_of(c->argv[0]), n) && *n > 0)
		return OK;
	return ctl_fail(c, ERR_SYNTAX, "%.40s is no number of a trace: `siparioctl trace list` lists them", c->argv[0]);
}

static struct str read_params(struct ctl *c, int64_t number, const struct json *before)
{
	struct json_out o = json_into(c->arena);

	json_open_object(&o, NULL);
	json_put_int(&o, "trace", number);
	if (json_get(before, "next"))
		json_put_json(&o, "from", json_dump(c->arena, json_get(before, "next"), false));
	json_close_object(&o);
	return json_done(&o);
}

static enum err trace_show(struct ctl *c)
{
	struct json *answer;
	int64_t      n;
	enum err     err = number_of(c, &n);

	if (err)
		return err;
	err = ctl_ask(c, "core.trace_read", read_params(c, n, NULL), &answer);
	if (!err)
		err = say_events(c, json_get(answer, "events"));
	json_free(answer);
	return err;
}

static enum err stop(struct ctl *c, int64_t n)
{
	struct json *answer;
	enum err     err = ctl_ask(c, "core.trace_stop", read_params(c, n, NULL), &answer);

	json_free(answer);
	return err;
}

static enum err trace_stop(struct ctl *c)
{
	int64_t  n;
	enum err err = number_of(c, &n);

	if (!err)
		err = stop(c, n);
	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_int(&c->out, "stopped", n);
	json_close_object(&c->out);
	ctl_say(c, "trace %" PRId64 " is over", n);
	return OK;
}

static enum err trace_list(struct ctl *c)
{
	return ctl_pass_on(c, "core.traces", STR("{}"));
}

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void print_events(struct ctl *c, const struct json *events)
{
	char room[LINE];

	for (size_t i = 0; i < json_count(events); i++) {
		struct buf b = buf_on(room, sizeof(room));
		struct str line;

		put_event(&b, json_at(events, i));
		line = c->json ? json_dump(c->arena, json_at(events, i), false) : str_n(b.p, b.len);
		printf(STR_FMT "%s", STR_ARG(line), c->json ? "\n" : "");
	}
	fflush(stdout);
}

/* One look; *at is the last answer, which tells where the next one begins. */
static enum err look(struct ctl *c, int64_t n, struct json **at)
{
	struct arena    a, *before = c->arena;
	struct json    *answer;
	enum err        err;

	arena_init(&a, NULL, 0, 64 << 20);	/* a trace may be followed for days */
	c->arena = &a;
	err = ctl_ask(c, "core.trace_read", read_params(c, n, *at), &answer);
	if (!err) {
		print_events(c, json_get(answer, "events"));
		json_free(*at);
		*at = answer;
	}
	c->arena = before;
	arena_free(&a);
	return err;
}

/* Until it is interrupted, the output is closed, or the server ends. */
static enum err trace_follow(struct ctl *c)
{
	struct sigaction act = { .sa_handler = on_interrupt };
	struct json     *at = NULL;
	int64_t          n;
	enum err         err = start(c, &n);

	if (err)
		return err;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	fprintf(stderr, "waiting for calls; Ctrl-C ends the trace\n");
	while (!err && !interrupted && !ferror(stdout)) {
		err = look(c, n, &at);
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	json_free(at);
	if (err)
		return err;
	json_put_null(&c->out, NULL);
	ctl_say(c, "trace %" PRId64 " is over", n);
	return stop(c, n);
}

const struct ctl_command ctl_trail_commands[] = {
	{ "why", NULL, "[CALL-ID]", "what happened to a recent call; without one: which calls there are", 0, why },
	{ "trace", "follow", "", "show the calls of --user, --number, --source or --call-id as they come, line by line", OPT_WATCH, trace_follow },
	{ "trace", "start", "", "note them down for --for 10m, to be shown later", OPT_WATCH, trace_start },
	{ "trace", "show", "NUMBER", "what a trace has noted down", 0, trace_show },
	{ "trace", "list", "", "which traces are on", 0, trace_list },
	{ "trace", "stop", "NUMBER", "end a trace", 0, trace_stop },
	{ 0 }
};
