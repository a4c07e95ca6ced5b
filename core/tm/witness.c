/* Who keeps account of a transaction (a module that writes records of calls) is told what happens, where it is decided. */
#include "tm/trans.h"

/* Behind the method in the request line. */
static struct str ruri_of(struct str text)
{
	str_take_until(&text, ' ');
	return str_take_until(&text, ' ');
}

void witness_branched(struct trans *t, const struct branch *b)
{
	if (t->witness)
		t->witness->tell->branched(t->witness, b->target, ruri_of(b->sent));
}

void witness_branch_over(struct trans *t, const struct branch *b, uint16_t status, bool own)
{
	if (t->witness)
		t->witness->tell->branch_over(t->witness, b->target, status, own);
}

void witness_answered(struct trans *t, const struct acts *a, uint16_t status, struct str text)
{
	if (t->witness && status >= 200 && !server_is_final(t))
		t->witness->tell->answered(t->witness, status, status < 300 ? a->answer : NULL, text);
}

void witness_gone(struct tm_witness *w)
{
	if (w)
		w->tell->gone(w);
}

void tm_set_witness(struct trans *t, struct tm_witness *w)
{
	struct tm_witness *before;

	critical_enter();
	lock(&t->lock);
	before = t->witness;
	t->witness = w;
	unlock(&t->lock);
	witness_gone(before);
	critical_leave();
}

bool tm_ask_witness(struct trans *t, void (*fn)(struct tm_witness *w, void *arg), void *arg)
{
	bool there;

	lock(&t->lock);
	there = t->witness;
	if (there)
		fn(t->witness, arg);
	unlock(&t->lock);
	return there;
}
