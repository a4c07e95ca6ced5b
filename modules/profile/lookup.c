/* One question for all who want to know: within a worker they join what is under way, and of several workers one asks and the others are woken by its answer.
 * Whoever has an old copy to go on with waits a moment only. */
#include "modules/profile/profile.h"

#include <stdlib.h>

#include "base/clock.h"
#include "shm/lock.h"

enum {
	TABLE = 256,
	PATIENCE_MS = 500,	/* then an old copy has to do */
	MOST_TRIES = 3,		/* a user who changes all the time */
};

struct asker {
	struct list link;
	users_done *done;
	void       *arg;
	bool        has_old;
};
/* A question of this process, or one of another that it waits for. */
struct ask {
	struct list          link;	/* of the table, until it has ended */
	struct list          askers;
	struct timer         impatient;
	struct cache_waiter *waiter;	/* another process asks; NULL: we do */
	uint64_t             at_ms;
	unsigned             tries;
	enum err             failed;	/* it could not be asked: who has no old copy is told so */
	struct str           user, domain, key;	/* slices of text */
	char                 text[];	/* "user@domain" */
};

static struct {
	struct list   table[TABLE];
	struct wheel *wheel;	/* NULL: not started */
} under_way;

static enum err begin(struct ask *q);

/* --- keys --- */

static unsigned place_of(struct str key)
{
	uint32_t h = 2166136261u;	/* FNV-1a; a list that somebody makes long on purpose holds what is under way only */

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.p[i]) * 16777619u;
	return h % TABLE;
}

static struct str key_of(struct str user, struct str domain, char room[CACHE_MOST_KEY])
{
	if (user.len + domain.len + 1 > CACHE_MOST_KEY)
		return STR_NONE;
	memcpy(room, user.p, user.len);
	room[user.len] = '@';
	memcpy(room + user.len + 1, domain.p, domain.len);
	return str_n(room, user.len + 1 + domain.len);
}

/* --- ends --- */

static void ask_free(struct ask *q)
{
	wheel_disarm(&q->impatient);
	list_remove(&q->link);
	free(q);
}

static void tell(struct asker *a, enum err err, struct str bytes)
{
	list_remove(&a->link);
	a->done(a->arg, err, bytes);
	free(a);
}

static void tell_all(struct list *askers, enum err err, struct str bytes)
{
	while (!list_empty(askers))
		tell(LIST_FIRST(askers, struct asker, link), err, bytes);
}

/* Those who have an old copy get it. */
static void tell_old(struct ask *q, struct list *askers)
{
	struct cached old;

	if (!cache_find(q->key, 0, &old))
		return;
	LIST_EACH_SAFE(struct asker, a, askers, link)
		if (a->has_old) {
			counter_inc(&profile_stale);
			tell(a, OK, str_n(old.bytes, old.len));
		}
	cache_wipe(&old);
}

/* What is asked from within done() is another question. */
static void finish(struct ask *q, enum err err, struct str bytes)
{
	struct list askers;

	list_init(&askers);
	list_splice(&askers, &q->askers);
	list_remove(&q->link);
	if (err) {
		counter_inc(&profile_failures);
		tell_old(q, &askers);
	}
	tell_all(&askers, err, bytes);
	ask_free(q);
}

static void on_impatient(struct timer *t)
{
	struct ask *q = CONTAINER(t, struct ask, impatient);

	if (q->failed)
		finish(q, q->failed, STR_NONE);
	else
		tell_old(q, &q->askers);
}

/* --- the database --- */

static void answered(void *arg, enum err err, const struct db_rows *rows)
{
	struct ask *q = arg;
	size_t      n = err ? 0 : user_packed_bytes(rows);
	char       *room = err ? NULL : malloc(n + 1);
	struct str  bytes = str_n(room, n);

	if (!err && !room)
		err = ERR_NOMEM;
	if (err) {
		cache_give_up(q->key, err);
		finish(q, err, STR_NONE);
		return;
	}
	user_pack(rows, room);
	if (cache_answer(q->key, bytes)) {
		finish(q, OK, bytes);
	} else if (++q->tries < MOST_TRIES && !begin(q)) {
		;	/* overtaken by a change: asked anew */
	} else {
		cache_give_up(q->key, OK);
		finish(q, OK, bytes);
	}
	explicit_bzero(room, n);
	free(room);
}

static enum err ask_database(struct ask *q)
{
	const struct db_value v[] = { db_text(q->user), db_text(q->domain) };
	enum err              err = db_query(&user_stmt, v, answered, q);

	if (!err)
		counter_inc(&profile_queries);
	return err;
}

/* --- other processes --- */

/* In the process that waited, or the next one of its slot, which knows nothing of it. */
static void woken(struct mail *m)
{
	struct cache_waiter *w = CONTAINER(m, struct cache_waiter, mail);
	struct ask          *q = w->incarnation == proc_get(proc_self())->incarnation ? w->owner : NULL;
	enum err             err = w->err;
	struct cached        got;

	cache_waiter_free(w);
	if (!q)
		return;
	q->waiter = NULL;
	if (!err && cache_find(q->key, q->at_ms, &got) == CACHE_FRESH) {
		finish(q, OK, str_n(got.bytes, got.len));
		cache_wipe(&got);
		return;
	}
	if (!err)
		err = begin(q);
	if (err)
		finish(q, err, STR_NONE);
}

/* Another one asks, and wakes us; else it is for us to ask. The waiter is made and linked, or freed, in one critical section. */
static bool is_asked(struct ask *q)
{
	critical_enter();
	q->waiter = cache_waiter_new(woken, q);
	if (cache_ask(q->key, q->waiter)) {
		cache_waiter_free(q->waiter);
		q->waiter = NULL;
	}
	critical_leave();
	return q->waiter;
}

/* A second try goes on with the asking that is ours already. */
static enum err begin(struct ask *q)
{
	enum err err;

	if (!q->tries && is_asked(q))
		return OK;
	err = ask_database(q);
	if (err)
		cache_give_up(q->key, err);
	return err;
}

/* --- from the functions --- */

static struct ask *ask_find(unsigned place, struct str key)
{
	LIST_EACH(struct ask, q, &under_way.table[place], link)
		if (str_eq(q->key, key))
			return q;
	return NULL;
}

static struct ask *ask_new(unsigned place, struct str key, size_t user_len)
{
	struct ask *q = malloc(sizeof(*q) + key.len);

	if (!q)
		return NULL;
	*q = (struct ask){ .at_ms = clock_ms() };
	memcpy(q->text, key.p, key.len);
	q->key = str_n(q->text, key.len);
	q->user = str_n(q->text, user_len);
	q->domain = str_from(q->key, user_len + 1);
	list_init(&q->askers);
	timer_init(&q->impatient, on_impatient);
	list_append(&under_way.table[place], &q->link);
	return q;
}

static enum err join(struct ask *q, users_done *done, void *arg, bool has_old)
{
	struct asker *a = malloc(sizeof(*a));

	if (!a)
		return ERR_NOMEM;
	*a = (struct asker){ .done = done, .arg = arg, .has_old = has_old };
	list_append(&q->askers, &a->link);
	if (has_old && !q->impatient.wheel)
		wheel_arm(under_way.wheel, &q->impatient, clock_ms() + PATIENCE_MS);
	return OK;
}

bool users_known(struct str user, struct str domain, struct cached *out)
{
	char       room[CACHE_MOST_KEY];
	struct str key = key_of(user, domain, room);

	if (!key.p || cache_find(key, 0, out) != CACHE_FRESH)
		return false;
	counter_inc(&profile_hits);
	return true;
}

/* No address of ours is that long: nobody. The database says so as for others, that nobody may tell the two apart. */
static struct str shortened(struct str user, struct str domain, char room[CACHE_MOST_KEY])
{
	struct str key = key_of(user, domain, room);

	return key.p ? key : key_of(STR(""), STR(""), room);
}

enum err users_ask(struct str user, struct str domain, users_done *done, void *arg)
{
	char          room[CACHE_MOST_KEY];
	struct str    key = shortened(user, domain, room);
	unsigned      place = place_of(key);
	struct ask   *q = ask_find(place, key), *fresh = NULL;
	struct cached old;
	bool          has_old = cache_find(key, 0, &old) != CACHE_NONE;
	enum err      err;

	cache_wipe(&old);
	counter_inc(&profile_misses);
	if (!q)
		q = fresh = ask_new(place, key, key.len > 1 ? user.len : 0);
	err = q ? join(q, done, arg, has_old) : ERR_NOMEM;
	if (!err && fresh)
		err = begin(q);
	if (err && fresh && has_old && !list_empty(&fresh->askers)) {
		fresh->failed = err;
		wheel_arm(under_way.wheel, &fresh->impatient, clock_ms());
		return OK;
	}
	if (err && fresh) {
		LIST_EACH_SAFE(struct asker, a, &fresh->askers, link)
			free(a);
		ask_free(fresh);
	}
	return err;
}

void users_worker_start(struct loop *l)
{
	for (size_t i = 0; i < TABLE; i++)
		list_init(&under_way.table[i]);
	under_way.wheel = loop_wheel(l);
	cache_adopt();
}
