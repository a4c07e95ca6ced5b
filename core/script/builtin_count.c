/* Counters of scripts: among the server's own under script.NAME (siparioctl stats). */
#include <stdio.h>
#include <stdlib.h>

#include "script/builtin.h"
#include "shm/counter.h"

/* Boot lifetime: a counter is never taken back. */
struct script_counter {
	struct script_counter *next;
	struct counter         counter;
	char                   name[72];
};
static struct {
	struct script_counter *first;
} made;

enum { PREFIX = sizeof("script.") - 1 };

static const struct counter *find(struct str name)
{
	for (struct script_counter *k = made.first; k; k = k->next)
		if (str_is(name, k->name + PREFIX))
			return &k->counter;
	return NULL;
}

enum err counters_make(const struct program *p)
{
	for (const struct counter_use *u = p->counters; u; u = u->next) {
		struct script_counter *k;

		if (find(u->name))
			continue;
		k = calloc(1, sizeof(*k));
		if (!k)
			return ERR_NOMEM;
		snprintf(k->name, sizeof(k->name), "script." STR_FMT, STR_ARG(u->name));
		k->counter = (struct counter){ .name = k->name, .help = "counted by the script", .unit = "times" };
		counter_register(&k->counter);
		k->next = made.first;
		made.first = k;
	}
	return OK;
}

enum verdict fn_count(struct call *c)
{
	const struct counter *k = find(c->argv[0].u.s);

	if (k)
		counter_add(k, c->argv[1].u.i);
	return V_OK;
}

enum verdict fn_counter(struct call *c)
{
	const struct counter *k = find(c->argv[0].u.s);

	return give(c, value_int(k ? counter_read(k) : 0));
}
