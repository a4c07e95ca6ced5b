/* What has happened, as a ladder: one column for each who took part. */
#include "sim.h"

#include <stdio.h>

enum { COLUMN = 24, MOST_LINES = 180, MOST_COLUMNS = MOST_UAS + 1 };

struct ladder {
	int      place[MOST_COLUMNS];
	unsigned columns;
};

static unsigned column_of(struct ladder *l, int place)
{
	unsigned i = 0;

	while (i < l->columns && l->place[i] != place)
		i++;
	if (i == l->columns)
		l->place[l->columns++] = place;
	return i;
}

/* The first caller left of the server, the others right of it. */
static void columns(struct ladder *l)
{
	for (const struct packet *p = world.packets; p; p = p->next) {
		column_of(l, p->from);
		column_of(l, p->to);
	}
}

static void heading(const struct ladder *l)
{
	printf("%10s  ", "s");
	for (unsigned i = 0; i < l->columns; i++)
		if (l->place[i] == SERVER)
			printf("%-*s", COLUMN, "server");
		else
			printf("u%-*d", COLUMN - 1, l->place[i] + 1);
	printf("\n");
}

static void label(const struct packet *p, char *out, size_t cap)
{
	const struct sip *s = &p->sip;

	if (s->request)
		snprintf(out, cap, "c%d " STR_FMT "%s", s->call, STR_ARG(method_name(s->method)), p->copy ? " (copy)" : "");
	else
		snprintf(out, cap, "c%d %u " STR_FMT "%s", s->call, s->status, STR_ARG(method_name(s->method)), p->copy ? " (copy)" : "");
}

/* From column to column: "|--- INVITE --->|"; an x where it was lost. */
static void arrow(struct ladder *l, const struct packet *p)
{
	unsigned a = column_of(l, p->from), b = column_of(l, p->to), left = a < b ? a : b, right = a < b ? b : a;
	char     text[48], line[MOST_COLUMNS * COLUMN + 1];
	size_t   from = left * COLUMN, to = right * COLUMN, width = l->columns * COLUMN, n, at;

	label(p, text, sizeof(text));
	memset(line, ' ', sizeof(line));
	for (unsigned i = 0; i < l->columns; i++)
		line[i * COLUMN] = '|';
	memset(line + from + 1, '-', to - from - 1);
	n = strlen(text);
	at = from + (to - from - n) / 2;
	memcpy(line + at, text, n);
	line[at - 1] = line[at + n] = ' ';
	if (a < b)
		line[to - 1] = p->fate == FATE_ARRIVES ? '>' : 'x';
	else
		line[from + 1] = p->fate == FATE_ARRIVES ? '<' : 'x';
	line[width] = '\0';
	printf("%10.3f  %s", (double)(p->sent_ms - world.begun_ms) / 1000, line);
	if (p->fate == FATE_LOST)
		printf("lost");
	else if (p->fate == FATE_CUT_OFF)
		printf("cut off");
	else if (p->alarm.at_ms > p->sent_ms + 1)
		printf("arrives at %.3f", (double)(p->alarm.at_ms - world.begun_ms) / 1000);
	if (p->fate == FATE_ARRIVES && p->to == SERVER)
		printf(" worker %u", p->slot);
	printf("\n");
}

/* The end is what matters, the beginning tells how it came to it. */
static bool in_the_middle(unsigned n, unsigned count)
{
	return count > MOST_LINES && n >= MOST_LINES / 3 && n < count - 2 * MOST_LINES / 3;
}

void trace_print(void)
{
	struct ladder        l = { 0 };
	const struct remark *r = world.remarks;
	unsigned             n = 0;

	columns(&l);
	heading(&l);
	for (const struct packet *p = world.packets; p; p = p->next) {
		if (in_the_middle(n++, world.sent)) {
			if (n == MOST_LINES / 3 + 1)
				printf("%10s  (%u messages later)\n", "", world.sent - MOST_LINES);
			for (; r && r->at_ms < p->sent_ms; r = r->next)
				;
			continue;
		}
		for (; r && r->at_ms < p->sent_ms; r = r->next)
			printf("%10.3f  *** %s\n", (double)(r->at_ms - world.begun_ms) / 1000, r->text);
		arrow(&l, p);
	}
	for (; r; r = r->next)
		printf("%10.3f  *** %s\n", (double)(r->at_ms - world.begun_ms) / 1000, r->text);
}
