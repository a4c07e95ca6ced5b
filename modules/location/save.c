#include "modules/location/location.h"

#include <stdlib.h>

#include "base/clock.h"

/* Who waits for the commit of a change. Private to the submitting process. */
struct waiter {
	void (*done)(void *arg, enum err err);
	void    *arg;
	unsigned letters;	/* still with the writer */
	enum err err;		/* the first failure */
};

/* A change being made: all that it needs is allocated before anything is changed. */
struct draft {
	const struct location_save *s;
	uint32_t                    hash;
	struct bind                *fresh;	/* in the order of the REGISTER */
	size_t                      n_fresh;
	struct list                 letters;	/* struct db_write, by mail.link */
	unsigned                    n_letters;
	struct waiter              *waiter;
};

static bool bind_doomed(const struct bind *b, uint32_t now)
{
	(void)now;
	return b->doomed;
}

static bool draft_letter(struct draft *d, struct db_write *w)
{
	if (!w)
		return false;
	list_append(&d->letters, &w->mail.link);
	d->n_letters++;
	return true;
}

/* The end of the list, or what the same REGISTER said of this contact before: the later word counts. */
static struct bind **draft_place(struct draft *d, const struct binding *b)
{
	struct bind **at = &d->fresh;

	while (*at && !bind_same(*at, b))
		at = &(*at)->next;
	return at;
}

static bool is_outbound(const struct binding *b)
{
	return b->instance.len && b->reg_id;
}

/* One binding an instance and reg-id (RFC 5626 §6): what the store has of it at other contacts goes, also what is not in memory since the change that brought
 * it failed, or the worker that made it died. */
static enum err draft_others(struct draft *d, const struct binding *b, struct str but)
{
	if (!location_cfg.durable || !is_outbound(b))
		return OK;
	return draft_letter(d, store_remove_others(d->s->aor, b, but)) ? OK : ERR_NOMEM;
}

static enum err draft_change(struct draft *d, const struct binding_change *ch)
{
	struct bind **at = draft_place(d, &ch->b), *old = *at, *fresh;

	if (old) {
		*at = old->next;
		shm_free(old);
		d->n_fresh--;
	}
	if (!ch->expires)
		return draft_others(d, &ch->b, STR_NONE);
	fresh = bind_new(&ch->b);
	if (!fresh)
		return ERR_NOMEM;
	fresh->next = *at;
	*at = fresh;
	d->n_fresh++;
	if (location_cfg.durable && !draft_letter(d, store_put(d->s->aor, &ch->b)))
		return ERR_NOMEM;
	return draft_others(d, &ch->b, ch->b.contact);
}

static enum err draft_make(struct draft *d, void (*done)(void *arg, enum err err), void *arg)
{
	enum err err = OK;

	for (size_t i = 0; i < d->s->n && !err; i++)
		err = draft_change(d, &d->s->change[i]);
	if (err || location_cfg.durable != DURABLE_ON || !done)
		return err;
	d->waiter = malloc(sizeof(*d->waiter));
	if (!d->waiter)
		return ERR_NOMEM;
	*d->waiter = (struct waiter){ .done = done, .arg = arg };
	return OK;
}

/* What was not handed over. */
static void draft_free(struct draft *d)
{
	bind_list_free(d->fresh);
	LIST_EACH_SAFE(struct db_write, w, &d->letters, mail.link) {
		list_remove(&w->mail.link);
		db_write_free(w);
	}
	free(d->waiter);
}

/* RFC 3261 §10.3 steps 6 and 7: a change is older when the Call-ID is the same and its CSeq is not higher. The same CSeq again is taken as
 * the same REGISTER again, since one that is answered without a transaction has nobody else to absorb its repetition: it changes nothing. */
static bool is_older(const struct location_save *s, const struct bind *b)
{
	return str_eq(bind_call_id(b), s->call_id) && s->cseq < b->cseq;
}

static void spare_all(struct aor *a)
{
	for (struct bind *b = a ? a->binds : NULL; b; b = b->next)
		b->doomed = false;
}

/* Does the change name it? */
static bool is_named(const struct location_save *s, const struct bind *b)
{
	for (size_t i = 0; i < s->n; i++)
		if (bind_same(b, &s->change[i].b))
			return true;
	return s->remove_all;
}

/* Is the stored row of `b` overwritten by what the draft puts? Its key is the contact as text. */
static bool is_overwritten(const struct draft *d, const struct bind *b)
{
	for (const struct bind *f = d->fresh; f; f = f->next)
		if (str_eq(bind_contact(f), bind_contact(b)))
			return true;
	return false;
}

/* Or is it among the others that go? */
static bool is_other(const struct draft *d, const struct bind *b)
{
	for (size_t i = 0; i < d->s->n; i++)
		if (b->reg_id && b->instance_len && is_outbound(&d->s->change[i].b) && bind_same(b, &d->s->change[i].b))
			return true;
	return false;
}

static bool is_doomed_here(const struct aor *a, const struct binding *b)
{
	for (const struct bind *x = a ? a->binds : NULL; x; x = x->next)
		if (x->doomed && bind_same(x, b))
			return true;
	return false;
}

static bool is_fresh(const struct draft *d, const struct binding *b)
{
	for (const struct bind *f = d->fresh; f; f = f->next)
		if (bind_same(f, b))
			return true;
	return false;
}

/* What is to go, and is not in memory, may still be in the store: its removal failed before, or is under way, and the worker that waited for it
 * has died. Nobody is told that it is gone before the store has said so. */
static enum err draft_absent_locked(struct draft *d, const struct aor *a)
{
	for (size_t i = 0; i < d->s->n; i++) {
		const struct binding_change *ch = &d->s->change[i];

		if (!ch->expires && !is_fresh(d, &ch->b) && !is_doomed_here(a, &ch->b) &&
		    !draft_letter(d, store_remove(d->s->aor, ch->b.contact)))
			return ERR_NOMEM;
	}
	return OK;
}

static enum err draft_removals_locked(struct draft *d, struct aor *a)
{
	if (d->s->remove_all)
		return draft_letter(d, store_remove_all(d->s->aor)) ? OK : ERR_NOMEM;
	for (struct bind *b = a ? a->binds : NULL; b; b = b->next)
		if (b->doomed && !is_overwritten(d, b) && !is_other(d, b) && !draft_letter(d, store_remove(d->s->aor, bind_contact(b))))
			return ERR_NOMEM;
	return draft_absent_locked(d, a);
}

/* Mark what goes: replaced, removed, or all. ERR_STATE when one of them is newer than the change. */
static enum err mark_locked(struct draft *d, struct aor *a)
{
	for (struct bind *b = a->binds; b; b = b->next) {
		b->doomed = is_named(d->s, b);
		if (b->doomed && is_older(d->s, b))
			return ERR_STATE;
	}
	return OK;
}

static enum err check_room_locked(const struct draft *d, const struct aor *a)
{
	size_t before = 0, gone = 0;

	for (const struct bind *b = a ? a->binds : NULL; b; b = b->next) {
		before++;
		gone += b->doomed;
	}
	return d->n_fresh > gone && before - gone + d->n_fresh > d->s->max_contacts ? ERR_LIMIT : OK;
}

/* Nothing new in it but for how long. */
static bool is_refresh(const struct bind *was, const struct bind *is)
{
	struct binding a, b;

	bind_view(was, &a);
	bind_view(is, &b);
	return str_eq(a.contact, b.contact) && a.q == b.q && a.reg_id == b.reg_id && str_eq(a.instance, b.instance) && str_eq(a.path, b.path) &&
	       a.received.via == b.received.via && (!a.received.via || addr_eq(&a.received.peer, &b.received.peer));
}

static bool is_all_refreshes(const struct draft *d, const struct aor *a)
{
	for (const struct bind *f = d->fresh; f; f = f->next) {
		const struct bind *b = a ? a->binds : NULL;

		while (b && !is_refresh(b, f))
			b = b->next;
		if (!b)
			return false;
	}
	return true;
}

static void tell_others_locked(struct draft *d, const struct aor *a)
{
	if (!d->n_letters || !db_shared() || is_all_refreshes(d, a))
		return;
	LIST_EACH(struct db_write, w, &d->letters, mail.link)
		store_tell(w);
}

static enum err decide_locked(struct draft *d, struct aor **a)
{
	enum err err = *a ? mark_locked(d, *a) : OK;

	if (!err)
		err = check_room_locked(d, *a);
	if (!err && location_cfg.durable)
		err = draft_removals_locked(d, *a);
	if (!err)
		tell_others_locked(d, *a);
	if (!err && !*a && (d->fresh || d->n_letters) && !(*a = aor_add_locked(d->hash, d->s->aor)))
		err = ERR_NOMEM;
	return err;
}

static void letter_done(struct db_write *w)
{
	struct waiter *me = w->owner;

	if (w->result && !me->err)
		me->err = w->result;
	db_write_free(w);
	if (--me->letters)
		return;
	me->done(me->arg, me->err);
	free(me);
}

/* Under the AOR's lock, so that the writer sees the changes of one AOR in their order. */
static void submit_locked(struct draft *d, struct aor *a)
{
	if (!d->n_letters)
		return;
	aor_wrote_locked(a);
	if (d->waiter)
		d->waiter->letters = d->n_letters;
	LIST_EACH_SAFE(struct db_write, w, &d->letters, mail.link) {
		list_remove(&w->mail.link);
		w->owner = d->waiter;
		w->done = d->waiter ? letter_done : NULL;
		if (!d->waiter)
			store_keep(w);
		db_write_submit(w);
	}
	d->waiter = NULL;
}

static bool is_among(const struct bind *list, const struct bind *b, bool doomed)
{
	struct binding v;

	bind_view(b, &v);
	for (; list; list = list->next)
		if (list->doomed == doomed && bind_same(list, &v))
			return true;
	return false;
}

/* What is refreshed was there before and still is. Before anything is applied. */
static void raise_locked(const struct draft *d, const struct aor *a)
{
	if (!location_added.heard && !location_removed.heard)
		return;
	for (const struct bind *b = a->binds; b; b = b->next)
		if (b->doomed && !is_among(d->fresh, b, false))
			bind_event(&location_removed, aor_key(a), b);
	for (const struct bind *f = d->fresh; f; f = f->next)
		if (!is_among(a->binds, f, true))
			bind_event(&location_added, aor_key(a), f);
}

/* Only what goes with its connection: an edge proxy has one for all its users, whose ties each of them would look through. */
static void tie(const struct bind *b, uint32_t hash)
{
	struct binding v;

	if (!b->has_conn)
		return;
	bind_view(b, &v);
	if (lost_goes(&v, &v.received.peer))
		lost_note(v.received.conn, hash);
}

static void apply_locked(struct draft *d, struct aor *a)
{
	raise_locked(d, a);
	aor_cut_locked(a, bind_doomed, 0, NULL);
	while (d->fresh) {
		struct bind *b = d->fresh;

		d->fresh = b->next;
		aor_link_locked(a, b);
		tie(b, d->hash);
	}
	a->pass = table_pass();
	aor_settle_locked(a);
}

static enum err draft_commit(struct draft *d)
{
	struct lock *l = table_lock(d->hash);
	struct aor  *a;
	enum err     err;

	lock(l);
	a = aor_find_locked(d->hash, d->s->aor);
	if (a)
		aor_expire_locked(a);
	err = decide_locked(d, &a);
	if (err) {
		spare_all(a);
	} else {
		if (a) {
			submit_locked(d, a);
			apply_locked(d, a);
		}
	}
	unlock(l);
	return err;
}

enum err location_save_bindings(const struct location_save *s, bool *now, void (*done)(void *arg, enum err err), void *arg)
{
	struct draft d = { .s = s, .hash = table_hash(s->aor) };
	enum err     err;

	list_init(&d.letters);
	critical_enter();	/* what the draft has in shared memory is linked, or free again, when it is over */
	err = draft_make(&d, done, arg);
	if (!err)
		err = draft_commit(&d);
	if (!err && s->n && net_flow_lost(&s->change[0].b.received))
		lost_connection(s->change[0].b.received.conn);	/* while this was decided, so that its end found nothing */
	if (!err)
		*now = !d.n_letters || !done || location_cfg.durable != DURABLE_ON;
	draft_free(&d);
	critical_leave();
	return err;
}
