#include "modules/cdr/cdr.h"

#include "base/clock.h"

/* A chain a Call-ID. A call is known by the two tags, of which the BYE has one in From and the other in To: who sends it is who hangs up (RFC 3261
 * §12.2.1.1). 128 bytes a call, and what they are counted by. */
enum { BUCKETS = 16384, LOCKS = 256, GRACE_MS = 32000 };

struct dialog {
	struct list  link;	/* guarded by the bucket's lock, as all else */
	struct timer timer;	/* armed as long as it is linked, but for those that were loaded and not armed yet */
	uint64_t     key, number, caller_tag, callee_tag;
	int64_t      answer_ms;
	struct seat *seats;
	bool         silent;	/* another dialog of the same tags, or nobody, has the record */
	bool         timed;	/* armed, or the handler is on its way: that one frees what is over */
	bool         over;
};
static struct {
	struct table {
		struct list bucket[BUCKETS];
		struct lock lock[LOCKS];
	} *t;	/* shared */
} dialogs;

enum err dialog_boot(void)
{
	struct table *t = shm_alloc(cdr_owner(), sizeof(*t));

	if (!t)
		return ERR_NOMEM;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&t->bucket[i]);
	for (size_t i = 0; i < LOCKS; i++)
		lock_init(&t->lock[i], RANK_CALL);
	dialogs.t = t;
	return OK;
}

static struct lock *lock_of(uint64_t key)
{
	return &dialogs.t->lock[key % LOCKS];
}

static struct list *bucket_of(uint64_t key)
{
	return &dialogs.t->bucket[key % BUCKETS];
}

/* --- the end --- */

static int64_t now_ms(void)
{
	return clock_turn_us() / 1000;
}

/* Out of the table; what is left of it is freed here, or by the handler that is on its way. */
static void remove_locked(struct dialog *d)
{
	d->over = true;
	list_remove(&d->link);
	seats_leave(&d->seats);
	if (!d->silent)
		counter_add(&cdr_open, -1);
	if (d->timed && !timer_disarm(&d->timer))
		return;
	shm_free(d);
}

static void end_locked(struct dialog *d, enum cdr_event ev, int64_t at_ms)
{
	struct cdr_step step = cdr_step(CDR_TALKING, ev);
	struct cdr_end  e = {
		.number = d->number, .key = d->key, .end_ms = at_ms > d->answer_ms ? at_ms : d->answer_ms, .ended_by = (enum cdr_party)step.ended_by,
	};

	if (!(step.todo & CDR_FINISH))
		return;
	if (!d->silent)
		desk_end(&e);
	remove_locked(d);
}

/* Nobody has said good-bye for so long: the phone has lost its power, or the BYE went another way. */
static void fire(struct timer *timer)
{
	struct dialog *d = CONTAINER(timer, struct dialog, timer);
	struct lock   *l = lock_of(d->key);

	lock(l);
	timer_settled(timer);
	d->timed = false;
	if (d->over) {
		shm_free(d);
	} else {
		if (!d->silent)
			counter_inc(&cdr_expired);
		end_locked(d, CDR_LIMIT, now_ms());
	}
	unlock(l);
}

/* --- how long it may last --- */

/* RFC 4028 §10: whoever is there refreshes half way, or sends a BYE before the session expires; that has some time to get here. */
static uint64_t limit_ms(uint32_t session_s)
{
	uint64_t most = (uint64_t)cdr_cfg.max_duration_s * 1000, session = (uint64_t)session_s * 1000 + GRACE_MS;

	return session_s && session < most ? session : most;
}

/* Without a session timer. */
static uint64_t left_ms(const struct dialog *d)
{
	int64_t  age = now_ms() - d->answer_ms;
	uint64_t most = limit_ms(0);

	return age < 0 ? most : (uint64_t)age < most ? most - (uint64_t)age : 0;
}

static void arm_locked(struct dialog *d, uint64_t in_ms)
{
	if (d->timed && !timer_disarm(&d->timer))
		return;		/* it is being ended just now */
	d->timed = true;
	timer_arm(&d->timer, clock_ms() + in_ms);
}

void dialog_arm_all(void)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		lock(lock_of(i));
		LIST_EACH(struct dialog, d, &dialogs.t->bucket[i], link) {
			if (!d->timed)
				arm_locked(d, left_ms(d));
		}
		unlock(lock_of(i));
	}
}

/* --- the beginning --- */

static struct dialog *find_locked(uint64_t key, uint64_t number)
{
	LIST_EACH(struct dialog, d, bucket_of(key), link)
		if (d->key == key && d->number == number)
			return d;
	return NULL;
}

static enum err add_locked(const struct dialog_begin *b, bool arm)
{
	struct dialog *d;

	if (find_locked(b->key, b->number))
		return ERR_EXISTS;
	d = shm_alloc(cdr_owner(), sizeof(*d));
	if (!d)
		return ERR_NOMEM;
	*d = (struct dialog){ .key = b->key, .number = b->number, .caller_tag = b->caller_tag, .callee_tag = b->callee_tag, .answer_ms = b->answer_ms, .silent = b->silent };
	if (b->seats) {
		d->seats = *b->seats;
		*b->seats = NULL;
	}
	timer_init(&d->timer, fire);
	list_append(bucket_of(b->key), &d->link);
	if (!d->silent)
		counter_inc(&cdr_open);
	if (arm)
		arm_locked(d, limit_ms(b->session_s));
	return OK;
}

enum err dialog_add(const struct dialog_begin *b, bool arm)
{
	struct lock *l = lock_of(b->key);
	enum err     err;

	if (!b->silent && counter_read(&cdr_open) >= cdr_cfg.max_calls)
		return ERR_NOMEM;
	lock(l);
	err = add_locked(b, arm);
	unlock(l);
	return err;
}

void dialog_drop(uint64_t key, uint64_t number)
{
	struct lock   *l = lock_of(key);
	struct dialog *d;

	lock(l);
	d = find_locked(key, number);
	if (d)
		remove_locked(d);
	unlock(l);
}

/* --- what happens within it --- */

/* The witness of a BYE, or of what may refresh the session (re-INVITE, UPDATE). */
struct within {
	struct tm_witness w;
	uint64_t          key, caller_tag, callee_tag;
	int64_t           at_ms;	/* when it came */
	bool              bye, by_caller;
};

/* Where the call came by here more than once, each time has its own. */
static bool is_of(const struct dialog *d, const struct within *n)
{
	return d->key == n->key && d->caller_tag == n->caller_tag && d->callee_tag == n->callee_tag;
}

static void bye_answered(const struct within *n, uint16_t status)
{
	struct lock *l = lock_of(n->key);

	if (!cdr_bye_counts(status))
		return;
	lock(l);
	LIST_EACH_SAFE(struct dialog, d, bucket_of(n->key), link)
		if (is_of(d, n))
			end_locked(d, n->by_caller ? CDR_BYE_CALLER : CDR_BYE_CALLEE, n->at_ms);
	unlock(l);
}

/* A 2xx without the field ends the timer (RFC 4028 §8.1: it is negotiated anew each time). */
static void refreshed(const struct within *n, const struct msg *answer)
{
	struct lock   *l = lock_of(n->key);
	struct str     body;
	uint32_t       s = 0;
	bool           timer = !msg_hdr(answer, STR("Session-Expires"), &body) && str_take_u32(&body, &s) && s;

	lock(l);
	LIST_EACH(struct dialog, d, bucket_of(n->key), link)
		if (is_of(d, n))
			arm_locked(d, timer ? limit_ms(s) : left_ms(d));
	unlock(l);
}

static void branched(struct tm_witness *w, unsigned branch, struct str uri)
{
	(void)w, (void)branch, (void)uri;
}

static void branch_over(struct tm_witness *w, unsigned branch, uint16_t status, bool own)
{
	(void)w, (void)branch, (void)status, (void)own;
}

static void cancelled(struct tm_witness *w)
{
	(void)w;
}

static void answered(struct tm_witness *w, uint16_t status, struct msg *answer, struct str text)
{
	const struct within *n = CONTAINER(w, struct within, w);

	(void)text;
	if (n->bye)
		bye_answered(n, status);
	else if (answer)
		refreshed(n, answer);
}

static void gone(struct tm_witness *w)
{
	shm_free(CONTAINER(w, struct within, w));
}

static const struct tm_testimony testimony = { branched, branch_over, cancelled, answered, gone };

/* Whose dialog is it, and who sends? False: nobody's that we know. */
static bool find_party(uint64_t key, uint64_t from, uint64_t to, struct within *out)
{
	struct lock *l = lock_of(key);
	bool         found = false;

	lock(l);
	LIST_EACH(struct dialog, d, bucket_of(key), link) {
		bool caller = d->caller_tag == from && d->callee_tag == to;

		if (d->key != key || (!caller && (d->caller_tag != to || d->callee_tag != from)))
			continue;
		out->caller_tag = d->caller_tag;
		out->callee_tag = d->callee_tag;
		out->by_caller = caller;
		found = true;
		break;
	}
	unlock(l);
	return found;
}

struct tm_witness *dialog_begun(struct request *r)
{
	struct within  found = { .w.tell = &testimony, .at_ms = now_ms() }, *n;
	enum method    m = r->msg.method;

	if (m != M_BYE && m != M_INVITE && m != M_UPDATE)
		return NULL;
	found.bye = m == M_BYE;
	found.key = cdr_key(msg_call_id(&r->msg));
	if (!find_party(found.key, cdr_key(msg_from_tag(&r->msg)), cdr_key(msg_to_tag(&r->msg)), &found))
		return NULL;
	n = shm_alloc(cdr_owner(), sizeof(*n));
	if (!n) {
		if (found.bye)
			bye_answered(&found, 200);	/* whatever comes of it, the session is over */
		return NULL;
	}
	*n = found;
	return &n->w;
}
