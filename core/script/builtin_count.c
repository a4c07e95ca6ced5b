/* Counters of scripts: among the server's own under script.NAME (siparioctl stats). */
#include <stdio.h>
#include <stdlib.h>

#include "script/builtin.h"
#include "shm/counter.h"

/* Lives as long as the process: runs of an old program may still count. */
struct script_counter {
	struct script_counter *next;
	struct counter         counter;
	char                   name[COUNTER_NAME];
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

static enum err make(struct str name, char *why, size_t cap)
{
	struct script_counter *k = calloc(1, sizeof(*k));

	if (!k) {
		snprintf(why, cap, "no memory");
		return ERR_NOMEM;
	}
	snprintf(k->name, sizeof(k->name), "script." STR_FMT, STR_ARG(name));
	k->counter = (struct counter){ .name = k->name, .help = "counted by the script", .unit = "times" };
	if (!counter_register_named(&k->counter)) {
		snprintf(why, cap, "no room for the counter `" STR_FMT "`: the server has too many, those of earlier programs go with a restart", STR_ARG(name));
		free(k);
		return ERR_LIMIT;
	}
	k->next = made.first;
	made.first = k;
	return OK;
}

enum err counters_make(const struct program *p, char *why, size_t cap)
{
	enum err err = OK;

	for (const struct counter_use *u = p->counters; u && !err; u = u->next)
		if (!find(u->name))
			err = make(u->name, why, cap);
	return err;
}

void counters_show(const struct program *p)
{
	for (struct script_counter *k = made.first; k; k = k->next)
		counter_show(&k->counter, false);
	for (const struct counter_use *u = p->counters; u; u = u->next) {
		const struct counter *k = find(u->name);

		if (k)
			counter_show(k, true);
	}
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
