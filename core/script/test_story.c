/* What happened in a test: messages, the lines of the script that were carried out, what was logged. Printed when the test fails. */
#include "script/test_bench.h"

#include <stdarg.h>
#include <stdio.h>

enum { MOST_EVENTS = 5000 };

struct event {
	struct event *next;
	uint64_t      ms;
	struct str    text;
};
static struct {
	struct arena    *arena;
	struct event    *first, **last;
	unsigned         count;
	struct log_line *logged, **log_end;
	struct span      line;		/* of the script, the last one told */
} story;

static void tell(struct str text)
{
	struct event *e = text.p && story.count < MOST_EVENTS ? ARENA_NEW(story.arena, struct event) : NULL;

	if (!e)
		return;
	story.count++;
	*e = (struct event){ .ms = sim_ms(), .text = text };
	*story.last = e;
	story.last = &e->next;
}

void story_note(const char *fmt, ...)
{
	char    room[1200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(room, sizeof(room), fmt, ap);
	va_end(ap);
	tell(arena_dup(story.arena, str_of(room)));
}

void story_message(struct str from, struct str to, const struct msg *m)
{
	story.line = (struct span){ 0 };
	if (m->request)
		story_note("%-22.*s -> %-22.*s " STR_FMT " " STR_FMT, STR_ARG(from), STR_ARG(to), STR_ARG(m->method_name), STR_ARG(m->ruri));
	else
		story_note("%-22.*s -> %-22.*s %u " STR_FMT, STR_ARG(from), STR_ARG(to), m->status, STR_ARG(m->reason));
}

/* Each line once, however many instructions it is made of. */
static void line_seen(const struct code *c, uint32_t at)
{
	struct span s = c->place[at];
	struct str  text;

	cover_mark(at);
	if (!s.src || (s.src == story.line.src && span_line(s) == span_line(story.line)))
		return;
	story.line = s;
	text = str_trim(span_source_line(s));
	if (!str_is(text, "}"))
		story_note("    %5u | " STR_FMT, span_line(s), STR_ARG(text));
}

/* "time role[pid] level: text call_id=…" */
static void logged(enum log_level level, struct str line)
{
	ptrdiff_t        at = str_find_str(line, STR("] "));
	struct str       text = arena_dup(story.arena, str_trim(at < 0 ? line : str_from(line, (size_t)at + 2)));
	struct log_line *l = text.p ? ARENA_NEW(story.arena, struct log_line) : NULL;

	if (!l)
		return;
	*l = (struct log_line){ .level = level, .text = text };
	*story.log_end = l;
	story.log_end = &l->next;
	tell(arena_printf(story.arena, "    log " STR_FMT, STR_ARG(text)));
}

struct log_line *story_log(void)
{
	return story.logged;
}

void story_begin(struct arena *a)
{
	story.arena = a;
	story.first = NULL;
	story.last = &story.first;
	story.logged = NULL;
	story.log_end = &story.logged;
	story.count = 0;
	story.line = (struct span){ 0 };
	log_redirect(logged);
	log_set_level(LOG_DEBUG);
	machine_watch(line_seen);
}

void story_print(void)
{
	for (const struct event *e = story.first; e; e = e->next)
		printf("# %9.3f  " STR_FMT "\n", (double)e->ms / 1000, STR_ARG(e->text));
	if (story.count == MOST_EVENTS)
		printf("# and so on\n");
}
