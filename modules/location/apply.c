#include "modules/location/location.h"

#include <stdlib.h>

/* Is that the row of this binding, with nothing new in it? Where it came from lies in memory only, for a connection. */
static bool is_row_of(const struct bind *b, const struct binding *row)
{
	struct binding v;

	bind_view(b, &v);
	return str_eq(v.contact, row->contact) && v.expires_unix == row->expires_unix && v.cseq == row->cseq && v.q == row->q &&
	       v.reg_id == row->reg_id && str_eq(v.call_id, row->call_id) && str_eq(v.instance, row->instance) && str_eq(v.path, row->path);
}

static bool spare(struct aor *a, const struct binding *row)
{
	for (struct bind *b = a->binds; b; b = b->next)
		if (b->doomed && is_row_of(b, row)) {
			b->doomed = false;
			return true;
		}
	return false;
}

static void doom_all(struct aor *a, bool doomed)
{
	for (struct bind *b = a->binds; b; b = b->next)
		b->doomed = doomed;
}

static bool is_doomed(const struct bind *b, uint32_t now)
{
	(void)now;
	return b->doomed;
}

/* Those that are not in memory as they are. */
static enum err make_fresh(struct aor *a, const struct row *row, size_t n, struct bind **fresh)
{
	uint32_t now = unix_now();

	for (size_t i = 0; i < n; i++) {
		struct bind *b;

		if (row[i].gone || row[i].b.expires_unix <= now || spare(a, &row[i].b))
			continue;
		b = bind_new(&row[i].b);
		if (!b)
			return ERR_NOMEM;
		b->stored = true;
		b->next = *fresh;
		*fresh = b;
	}
	return OK;
}

static enum err replace_locked(struct aor *a, const struct row *row, size_t n)
{
	struct bind *fresh = NULL, *next;
	enum err     err;

	doom_all(a, true);
	err = make_fresh(a, row, n, &fresh);
	if (err) {
		doom_all(a, false);
		bind_list_free(fresh);
		return err;
	}
	aor_cut_locked(a, is_doomed, 0, NULL);	/* whoever made the change has said so */
	for (; fresh; fresh = next) {
		next = fresh->next;
		aor_link_locked(a, fresh);
	}
	a->pass = table_pass();
	return OK;
}

/* It is new here: nobody can have used that contact since the connection was lost. */
static void forget_gone(const struct row *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (row[i].gone) {
			store_forget(row[i].aor, row[i].b.contact);
			counter_inc(&location_lost);
		}
}

enum err apply_rows(struct str aor, const struct row *row, size_t n, uint64_t written_ms)
{
	uint32_t     hash = table_hash(aor);
	struct lock *l = table_lock(hash);
	struct aor  *a;
	enum err     err = OK;

	lock(l);
	a = aor_find_locked(hash, aor);
	if (a && !aor_settled(a, written_ms)) {
		err = ERR_AGAIN;
		goto out;
	}
	if (!a) {
		a = aor_add_locked(hash, aor);
		if (a)
			forget_gone(row, n);
	}
	err = a ? replace_locked(a, row, n) : ERR_NOMEM;
	if (a)
		aor_settle_locked(a);
out:
	unlock(l);
	return err;
}

enum err apply_answer(struct str aor, const struct db_rows *rows, uint64_t written_ms)
{
	struct row *row = malloc((rows->rows + 1) * sizeof(*row));
	enum err    err;

	if (!row)
		return ERR_NOMEM;
	for (size_t i = 0; i < rows->rows; i++)
		row_read(rows, i, &row[i]);
	err = apply_rows(aor, row, rows->rows, written_ms);
	free(row);
	return err;
}
