#pragma once
/* A parsed message for a test, in an arena of its own. */
#include "test.h"

#include <stdio.h>

#include "msg/msg.h"

struct msg_case {
	struct arena arena;
	struct ctx   c;
	struct msg   m;
	enum err     err;
	char         room[8192] __attribute__((aligned(16)));
	char         out[70000];
};

/* Parse `text`; the message lives until case_end(). */
static inline void case_begin(struct msg_case *t, struct str text)
{
	arena_init(&t->arena, t->room, sizeof(t->room), 1 << 22);
	t->c = (struct ctx){ .arena = &t->arena };
	t->err = msg_parse(&t->c, text, &t->m);
}

static inline void case_end(struct msg_case *t)
{
	arena_free(&t->arena);
}

/* The message as it is written now. */
static inline struct str case_text(struct msg_case *t)
{
	struct buf b = buf_on(t->out, sizeof(t->out));

	msg_write(&t->m, &b);
	CHECK(buf_ok(&b) && b.len <= msg_write_bound(&t->m, 0));
	return buf_str(&b);
}
