/* No transaction outlives its longest timer (RFC 3261 table 4, RFC 6026 §8.11): looked at from inside, after each turn of a worker. What a transaction may
 * only be for so long is noted with the time it was first seen to be so, and must not be so any more when that is over. */
#include "sim.h"

#include "tm/trans.h"

enum { T1 = 500, LONG = 64 * T1, T4 = 5000, SLACK = 100, RESTART = 2200, MOST = 1024 };

enum what {
	CLOSED,		/* all its machines linger: J, L, D, M, K; or H, then I */
	UNANSWERED,	/* a branch that has not heard anything: B, F */
	UNWANTED,	/* an INVITE that has been cancelled, RFC 3261 §9.1 */
	WITHDRAWING,	/* the CANCEL for it: F */
};
static const struct {
	uint32_t    longest_ms;
	const char *text;
} limits[] = {
	[CLOSED] = { LONG + T4, "a transaction in which nothing is open any more lives on" },
	[UNANSWERED] = { LONG, "a branch without an answer does not time out" },
	[UNWANTED] = { LONG, "a branch that was cancelled is waited for" },
	[WITHDRAWING] = { LONG, "a CANCEL without an answer does not time out" },
};
struct note {
	uint64_t  id, since_ms;
	unsigned  branch, look;		/* the last look that saw it so */
	enum what what;
};
static struct {
	struct note note[MOST];
	unsigned    count, look;
	bool        deaths;
} seen;

void outlive_begin(void)
{
	memset(&seen, 0, sizeof(seen));
}

void outlive_worker_died(void)
{
	seen.deaths = true;
}

static struct note *note_of(const struct trans *t, unsigned branch, enum what what)
{
	for (unsigned i = 0; i < seen.count; i++)
		if (seen.note[i].id == t->id && seen.note[i].branch == branch && seen.note[i].what == what)
			return &seen.note[i];
	if (seen.count == MOST)
		return NULL;
	seen.note[seen.count] = (struct note){ .id = t->id, .since_ms = world.now_ms, .branch = branch, .what = what };
	return &seen.note[seen.count++];
}

static void is_so(const struct trans *t, unsigned branch, enum what what)
{
	struct note *n = note_of(t, branch, what);

	if (!n)
		return;
	n->look = seen.look;
	if (world.now_ms > n->since_ms + limits[what].longest_ms + SLACK + (seen.deaths ? RESTART : 0))
		world_fail("%s after %llu ms", limits[what].text, (unsigned long long)(world.now_ms - n->since_ms));
}

static void look_at_branch(const struct trans *t, const struct branch *b)
{
	bool heard = b->m.kind == TM_ICT && b->m.state != TM_TRYING;

	if (machine_open(&b->m) && !heard)
		is_so(t, b->index, UNANSWERED);
	if (b->m.kind == TM_ICT && b->m.state == TM_PROCEEDING && b->m.timeout_at)
		is_so(t, b->index, UNWANTED);
	if (machine_open(&b->cancel))
		is_so(t, b->index, WITHDRAWING);
}

static void look_at(struct trans *t)
{
	bool open = machine_open(&t->m);

	for (const struct branch *b = t->branches; b; b = b->next) {
		open |= machine_open(&b->m) || machine_open(&b->cancel);
		look_at_branch(t, b);
	}
	if (!open && t->run.phase == RUN_GONE)
		is_so(t, 0, CLOSED);
}

/* Whose time is over and who is no more: forgotten. */
void outlive_look(void)
{
	unsigned kept = 0;

	seen.look++;
	table_each(look_at);
	for (unsigned i = 0; i < seen.count; i++)
		if (seen.note[i].look == seen.look)
			seen.note[kept++] = seen.note[i];
	seen.count = kept;
}
