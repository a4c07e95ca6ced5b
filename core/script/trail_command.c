/* The trail over the control channel: core.why and core.calls for `siparioctl why`, core.trace_* for `siparioctl trace`. */
#include "script/commands.h"
#include "script/run_trail.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"

enum { PLACE_BITS = 24, MOST_EVENTS = 20000, MOST_CALLS = 200, MOST_TRACE_MS = 86400 * 1000 };

static const char *const words[TRAIL_KINDS] = {
	[TRAIL_RECEIVED] = "received", [TRAIL_SENT] = "sent", [TRAIL_BEGIN] = "begin", [TRAIL_CALLED] = "called", [TRAIL_WAITS] = "waits",
	[TRAIL_RESUMED] = "resumed", [TRAIL_END] = "end", [TRAIL_TIMER] = "timer", [TRAIL_FAULT] = "fault", [TRAIL_LINE] = "line",
	[TRAIL_VALUE] = "value",
};

/* What is collected from all rings before it is put in order. */
struct event {
	struct trail_event e;
	uint64_t           nth;		/* of its ring: events of one microsecond stay in order */
};
struct events {
	struct arena *arena;
	struct event *v;
	size_t        count, room;
	uint64_t      call;	/* only those of this call; 0: of the watch */
	unsigned      watch;	/* its number, 0: of all calls */
	int           kind;	/* only those; -1: all */
};

static bool is_wanted(const struct events *all, const struct trail_event *e)
{
	if (all->kind >= 0 && (int)e->kind != all->kind)
		return false;
	if (all->call)
		return (e->call | TRAIL_TRACED) == (all->call | TRAIL_TRACED);
	return !all->watch || trail_took(all->watch, e->call);
}

/* Beyond MOST_EVENTS the first ones stay. */
static void collect(void *arg, const struct trail_event *e)
{
	struct events *all = arg;
	struct event  *more;

	if (!is_wanted(all, e) || all->count == MOST_EVENTS)
		return;
	if (all->count == all->room) {
		all->room = all->room ? all->room * 2 : 64;
		more = arena_alloc(all->arena, all->room * sizeof(*more));
		if (!more) {
			all->room = all->count;
			return;
		}
		if (all->count)
			memcpy(more, all->v, all->count * sizeof(*more));
		all->v = more;
	}
	all->v[all->count] = (struct event){ .e = *e, .nth = all->count };
	all->v[all->count++].e.data = arena_dup(all->arena, e->data);
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->e.at_us != y->e.at_us)
		return x->e.at_us < y->e.at_us ? -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

static void sort(struct events *all)
{
	if (all->count)
		qsort(all->v, all->count, sizeof(*all->v), by_time);
}

/* --- one event as JSON --- */

static void put_time(struct json_out *o, uint64_t at_us)
{
	time_t    s = (time_t)(at_us / 1000000);
	struct tm tm;
	char      text[80];

	gmtime_r(&s, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		 tm.tm_sec, (unsigned)(at_us % 1000000));
	json_put_text(o, "time", str_of(text));
}

static const struct source *source_at(unsigned index)
{
	const struct script *s = script_now();

	for (const struct source *f = s ? s->program->sources.first : NULL; f; f = f->next)
		if (f->index == index)
			return f;
	return NULL;
}

static void put_place(struct json_out *o, uint32_t place, bool with_text)
{
	const struct source *f = source_at(place >> PLACE_BITS);
	uint32_t             line = place & ((1u << PLACE_BITS) - 1);

	if (!place || !f || line > f->lines)
		return;
	json_put_text(o, "at", arena_printf(o->arena, STR_FMT ":%u", STR_ARG(f->name), line));
	if (with_text)
		json_put_text(o, "source", str_trim(span_source_line((struct span){ f, f->line_at[line - 1], 0 })));
}

static struct str peer_text(struct arena *a, const struct trail_wire *w)
{
	struct addr peer = { 0 };
	char        room[ADDR_TEXT];

	peer.u.any.sa_family = w->family;
	if (w->family == AF_INET6)
		memcpy(&peer.u.v6.sin6_addr, w->ip, 16);
	else
		memcpy(&peer.u.v4.sin_addr, w->ip, 4);
	addr_set_port(&peer, w->port);
	return arena_printf(a, STR_FMT " " STR_FMT, STR_ARG(transport_name(w->transport)), STR_ARG(addr_text(&peer, room)));
}

static void put_wire(struct json_out *o, struct str data)
{
	static const struct str version = STR("SIP/2.0");
	struct trail_wire       w;
	struct str              line;

	if (data.len < sizeof(w))
		return;
	memcpy(&w, data.p, sizeof(w));
	line = str_from(data, sizeof(w));
	if (str_istarts(line, version))
		line = str_trim(str_from(line, version.len));
	else if (line.len > version.len && str_eq(str_from(line, line.len - version.len), version))
		line = str_trim(str_to(line, line.len - version.len));
	json_put_text(o, "peer", peer_text(o->arena, &w));
	json_put_text(o, "text", line);
}

static void put_parties(struct json_out *o, struct str data)
{
	struct str rest = data;

	json_put_text(o, "from", str_take_until(&rest, '\0'));
	json_put_text(o, "to", str_take_until(&rest, '\0'));
	json_put_text(o, "call_id", str_take_until(&rest, '\0'));
	json_put_text(o, "method", str_take_until(&rest, '\0'));
}

static void put_event(struct json_out *o, const struct trail_event *e)
{
	const struct proc *p = proc_get(e->slot);

	json_open_object(o, NULL);
	put_time(o, e->at_us);
	json_put_text(o, "process", str_n(p->role, strnlen(p->role, sizeof(p->role))));
	json_put_text(o, "event", str_of(words[e->kind]));
	put_place(o, e->place, e->kind == TRAIL_LINE);
	if (e->kind == TRAIL_RECEIVED || e->kind == TRAIL_SENT)
		put_wire(o, e->data);
	else if (e->kind == TRAIL_BEGIN)
		put_parties(o, e->data);
	else if (e->data.len)
		json_put_text(o, "text", e->data);
	json_close_object(o);
}

static enum err done(const struct json_out *o, struct str *result)
{
	*result = json_done(o);
	return result->p ? OK : ERR_NOMEM;
}

/* --- what happened to a call --- */

static void collect_all(struct events *all)
{
	for (unsigned slot = 0; slot < proc_count(); slot++) {
		(void)trail_each(slot, false, 0, collect, all);
		(void)trail_each(slot, true, 0, collect, all);
	}
	sort(all);
}

enum err cmd_why(struct arena *a, struct str params, struct str *result)
{
	char            why[128];
	struct json    *j = json_read(params, why, sizeof(why));
	struct str      call_id = arena_dup(a, json_text(json_get(j, "call_id")));
	struct events   all = { .arena = a, .call = call_id.len ? trail_call(call_id) : 0, .kind = -1 };
	struct json_out o = json_into(a);

	json_free(j);
	if (!call_id.len) {
		*result = STR("{\"call_id\": \"…\"} is wanted");
		return ERR_SYNTAX;
	}
	if (!all.call) {
		*result = STR("nothing is kept of calls: set `trail` to some size");
		return ERR_STATE;
	}
	collect_all(&all);
	if (!all.count) {
		*result = arena_printf(a, "nothing is known (any more) of a call \"" STR_FMT "\"", STR_ARG(str_to(call_id, 80)));
		return ERR_NOT_FOUND;
	}
	json_open_list(&o, NULL);
	for (size_t i = 0; i < all.count; i++)
		put_event(&o, &all.v[i].e);
	json_close_list(&o);
	return done(&o, result);
}

enum err cmd_calls(struct arena *a, struct str params, struct str *result)
{
	struct events   all = { .arena = a, .kind = TRAIL_BEGIN };
	struct json_out o = json_into(a);

	(void)params;
	collect_all(&all);
	json_open_list(&o, NULL);
	for (size_t i = all.count > MOST_CALLS ? all.count - MOST_CALLS : 0; i < all.count; i++) {
		json_open_object(&o, NULL);
		put_time(&o, all.v[i].e.at_us);
		put_parties(&o, all.v[i].e.data);
		json_close_object(&o);
	}
	json_close_list(&o);
	return done(&o, result);
}

/* --- traces --- */

static bool copy_text(const struct json *j, const char *key, char *to)
{
	return str_cstr(json_text(json_get(j, key)), to, TRAIL_MOST_TEXT);
}

static void only_digits(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s >= '0' && *s <= '9')
			*to++ = *s;
	*to = '\0';
}

/* NULL, or what is wrong. */
static const char *read_watch(const struct json *j, struct trail_watch *w)
{
	struct str source = json_text(json_get(j, "source"));
	int64_t    ms = json_int(json_get(j, "for_ms"), 600 * 1000);
	bool       number = json_text(json_get(j, "number")).len > 0;

	*w = (struct trail_watch){ .until_ms = clock_ms() + (uint64_t)(ms > 0 && ms <= MOST_TRACE_MS ? ms : MOST_TRACE_MS) };
	if (!copy_text(j, "user", w->user) || !copy_text(j, "number", w->number) || !copy_text(j, "call_id", w->call_id))
		return "a user, number or Call-ID may have 127 bytes";
	only_digits(w->number);
	if (number && !w->number[0])
		return "a number has digits";
	if (source.len && cidr_parse(source, &w->source, &w->prefix))
		return "the source is an address, 192.0.2.1, or a network, 192.0.2.0/24";
	if (!w->user[0] && !w->number[0] && !w->call_id[0] && !source.len)
		return "which calls? Name a user, a number, a source or a Call-ID";
	return NULL;
}

enum err cmd_trace_start(struct arena *a, struct str params, struct str *result)
{
	char               text[128];
	struct json       *j = json_read(params, text, sizeof(text));
	struct trail_watch w;
	const char        *bad = read_watch(j, &w);
	unsigned           n = bad ? 0 : trail_watch(&w);

	json_free(j);
	if (!bad && !n)
		bad = "no more traces at a time, or setting `trail` is 0: `siparioctl trace list` shows those there are";
	*result = bad ? str_of(bad) : arena_printf(a, "{\"trace\":%u}", n);
	return bad ? ERR_SYNTAX : OK;
}

enum err cmd_trace_stop(struct arena *a, struct str params, struct str *result)
{
	char         text[128];
	struct json *j = json_read(params, text, sizeof(text));
	int64_t      n = json_int(json_get(j, "trace"), 0);
	bool         there = n > 0 && n <= TRAIL_WATCHES && trail_watch_at((unsigned)n - 1);

	json_free(j);
	if (there)
		trail_unwatch((unsigned)n);
	*result = there ? STR("{\"stopped\":1}") : arena_printf(a, "no trace %lld", (long long)n);
	return there ? OK : ERR_NOT_FOUND;
}

static void put_watch(struct json_out *o, unsigned number, const struct trail_watch *w)
{
	char       room[ADDR_TEXT + 8];
	struct buf source = buf_on(room, sizeof(room));

	if (w->source.u.any.sa_family) {
		addr_ip_write(&w->source, &source);
		buf_printf(&source, "/%u", w->prefix);
	}
	json_open_object(o, NULL);
	json_put_int(o, "trace", number);
	json_put_text(o, "user", str_of(w->user));
	json_put_text(o, "number", str_of(w->number));
	json_put_text(o, "source", buf_str(&source));
	json_put_text(o, "call_id", str_of(w->call_id));
	json_put_int(o, "left_s", (int64_t)(w->until_ms - clock_ms()) / 1000);
	json_close_object(o);
}

enum err cmd_traces(struct arena *a, struct str params, struct str *result)
{
	struct json_out o = json_into(a);

	(void)params;
	json_open_list(&o, NULL);
	for (unsigned i = 0; i < TRAIL_WATCHES; i++)
		if (trail_watch_at(i))
			put_watch(&o, i + 1, trail_watch_at(i));
	json_close_list(&o);
	return done(&o, result);
}

/* "from" is a list of numbers, one a process slot, as the last answer had it in "next". */
enum err cmd_trace_read(struct arena *a, struct str params, struct str *result)
{
	char               text[128];
	struct json       *j = json_read(params, text, sizeof(text));
	const struct json *from = json_get(j, "from");
	int64_t            n = json_int(json_get(j, "trace"), 0);
	struct events      all = { .arena = a, .watch = n > 0 && n <= TRAIL_WATCHES ? (unsigned)n : 0, .kind = -1 };
	struct json_out    o = json_into(a);

	json_open_object(&o, NULL);
	json_open_list(&o, "next");
	for (unsigned slot = 0; slot < proc_count(); slot++) {
		int64_t at = json_int(json_at(from, slot), 0);

		json_put_int(&o, NULL, (int64_t)trail_each(slot, true, at > 0 ? (uint64_t)at : 0, collect, &all));
	}
	json_close_list(&o);
	json_free(j);
	sort(&all);
	json_open_list(&o, "events");
	for (size_t i = 0; i < all.count; i++)
		put_event(&o, &all.v[i].e);
	json_close_list(&o);
	json_close_object(&o);
	return done(&o, result);
}
