/* What the user keeps with a transaction. */
#include "tm/trans.h"

static uint32_t version_of(const struct tm_notes *n)
{
	return n ? n->version : 0;
}

enum err tm_notes(struct trans *t, struct arena *a, uint32_t *version, struct str *out)
{
	const struct tm_notes *n;
	enum err               err = OK;

	*out = STR_NONE;
	lock(&t->lock);
	n = t->notes;
	if (version_of(n) != *version) {
		*out = arena_dup(a, str_n(n->bytes, n->len));
		err = out->p ? OK : ERR_NOMEM;
	}
	if (!err)
		*version = version_of(n);
	unlock(&t->lock);
	return err;
}

bool tm_swap_notes(struct trans *t, struct tm_notes **own, uint32_t *version)
{
	struct tm_notes *n = *own;
	bool             same;

	n->version = *version + 1;
	lock(&t->lock);
	same = version_of(t->notes) == *version;
	if (same) {
		*own = t->notes;
		t->notes = n;
		*version = n->version;
	}
	unlock(&t->lock);
	return same;
}
