/* The least that still goes wrong: calls, faults and what the network did to messages are taken out of the plan, one after the other, and stay out where
 * it fails without them as well. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct plan trial;	/* as large as a plan is */

/* Any failure will do: a smaller one of another kind is worth as much. */
static bool still_fails(struct plan *p, struct result *r)
{
	struct result now;

	run_plan(&trial, false, &now);
	if (now.ok)
		return false;
	*p = trial;
	*r = now;
	return true;
}

static bool without_calls(struct plan *p, struct result *r)
{
	bool any = false;

	for (unsigned i = 0; i < p->calls; i++) {
		trial = *p;
		trial.call[i].on = false;
		any |= p->call[i].on && still_fails(p, r);
	}
	return any;
}

static bool without_faults(struct plan *p, struct result *r)
{
	bool any = false;

	for (unsigned i = 0; i < p->faults; i++) {
		trial = *p;
		trial.fault[i].on = false;
		any |= p->fault[i].on && still_fails(p, r);
	}
	return any;
}

/* Take out a property of the network as a whole, or of a call. */
static bool without(struct plan *p, struct result *r, uint32_t *of_trial)
{
	uint32_t was = *of_trial;

	if (!was)
		return false;
	*of_trial = 0;
	return still_fails(p, r);
}

static bool without_network(struct plan *p, struct result *r)
{
	bool any = false;

	trial = *p;
	any |= without(p, r, &trial.first_ms);
	trial = *p;
	any |= without(p, r, &trial.ring_ms);
	trial = *p;
	any |= without(p, r, &trial.delay_ms);
	trial = *p;
	any |= without(p, r, &trial.twice);
	trial = *p;
	any |= without(p, r, &trial.loss);
	return any;
}

static bool simpler_calls(struct plan *p, struct result *r)
{
	bool any = false;

	for (unsigned i = 0; i < p->calls; i++) {
		uint32_t *const parts[] = { &trial.call[i].reinvite_ms, &trial.call[i].bye_ms, &trial.call[i].cancel_ms, &trial.call[i].timeout_ms, &trial.call[i].dies_ms };

		for (size_t n = 0; p->call[i].on && n < COUNT_OF(parts); n++) {
			trial = *p;
			any |= without(p, r, parts[n]);
		}
		trial = *p;
		trial.call[i].targets--;
		if (p->call[i].on && p->call[i].targets > 1)
			any |= still_fails(p, r);
	}
	return any;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* These messages get through, from now on. */
static bool mend(struct plan *p, struct result *r, const uint32_t *ids, unsigned n)
{
	trial = *p;
	if (trial.mended_count + n > MOST_MENDED)
		return false;
	memcpy(trial.mended + trial.mended_count, ids, n * sizeof(*ids));
	trial.mended_count += n;
	qsort(trial.mended, trial.mended_count, sizeof(*ids), compare);
	return still_fails(p, r);
}

/* Halves, then smaller parts, down to single messages. */
static bool mend_messages(struct plan *p, struct result *r)
{
	static uint32_t ids[MOST_MENDED];
	unsigned        count = r->harmed_count;
	bool            any = false;

	memcpy(ids, r->harmed, count * sizeof(*ids));
	for (unsigned part = count; part; part /= 2)
		for (unsigned at = 0; at < count; at += part)
			if (bsearch(&ids[at], p->mended, p->mended_count, sizeof(*ids), compare) == NULL)
				any |= mend(p, r, ids + at, at + part < count ? part : count - at);
	return any;
}

void shrink(struct plan *p, struct result *r)
{
	bool smaller = true;

	for (int round = 0; smaller && round < 6; round++) {
		smaller = without_calls(p, r);
		smaller |= without_faults(p, r);
		smaller |= without_network(p, r);
		smaller |= simpler_calls(p, r);
		smaller |= mend_messages(p, r);
	}
	trial = *p;
	trial.mended_count = 0;		/* a network that does nothing needs no mending */
	(void)still_fails(p, r);
}
