/* Soon after the start, before all is loaded: what a request needs is asked for by itself. */
#include "modules/location/location.h"

#include <stdlib.h>

/* Private to the worker that asks. */
struct question {
	void   (*done)(void *arg, enum err err);
	void    *arg;
	uint64_t written_ms;
	bool     anyway;
	size_t   len;
	char     aor[];
};

bool location_known(struct str aor)
{
	uint32_t hash;
	bool     known;

	if (table_loaded())
		return true;
	hash = table_hash(aor);
	lock(table_lock(hash));
	known = aor_find_locked(hash, aor);
	unlock(table_lock(hash));
	return known;
}

static void on_answer(void *arg, enum err err, const struct db_rows *rows)
{
	struct question *q = arg;
	struct str       aor = str_n(q->aor, q->len);

	if (!err) {
		err = apply_answer(aor, rows, q->written_ms);
		if (err == ERR_AGAIN)	/* it was changed meanwhile: known */
			err = OK;
	} else if (q->anyway) {
		table_set_blind();
		err = apply_rows(aor, NULL, 0, 0);
		err = err == ERR_AGAIN ? OK : err;
	}
	q->done(q->arg, err);
	free(q);
}

enum err location_learn(struct str aor, bool anyway, void (*done)(void *arg, enum err err), void *arg)
{
	struct db_value  v = db_text(aor);
	struct question *q = malloc(sizeof(*q) + aor.len);
	enum err         err;

	if (!q)
		return ERR_NOMEM;
	*q = (struct question){ .done = done, .arg = arg, .written_ms = db_written_until_ms(), .anyway = anyway, .len = aor.len };
	memcpy(q->aor, aor.p, aor.len);
	err = db_query(&row_one, &v, on_answer, q);
	if (err) {
		free(q);
		return err;
	}
	counter_inc(&location_asked);
	return OK;
}
