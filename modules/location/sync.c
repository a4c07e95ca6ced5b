/* In the writer process: it goes through the store once at the start, so that all is loaded, and now and then again; and it looks at single addresses
 * when there is a reason to. It asks as workers do, and never waits.
 *
 * What the store has counts, as soon as it had all our own changes when it was asked (apply_rows()). */
#include "modules/location/location.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	MOST_ASKED = 64,	/* single addresses at a time */
	MOST_WANTED = 50000,	/* more are a reason to go through all */
	AGAIN_MS = 1000,	/* after a failure, and for what is not settled */
	PACE_MS = 20,		/* between pages, but for the first time */
	VERIFY_MS = 3600000,	/* a pass an hour finds what nobody told us, and rows whose time was over while nobody looked */
	STALE_S = 60,		/* rows that are over for so long are removed; before, that is up to the server that wrote them */
	SWEEP_BUCKETS = 4096,	/* at a time */
	KEY_ROOM = 65536,	/* the longest address, and one byte */
};

/* An address to be looked at; private. */
struct wanted {
	struct list link;
	uint64_t    written_ms;
	size_t      len;
	char        aor[];
};
/* The same from another process; shared. Empty: all of them. */
struct note {
	struct mail mail;
	size_t      len;
	char        aor[];
};

static struct {
	struct loop *loop;		/* NULL: not started */
	struct list  wanted, later;
	size_t       count, asked;
	struct timer again;
	/* the pass */
	struct timer next;
	bool         passing, said;
	bool         repeat;		/* what it has been through already may have changed */
	char        *from;		/* the first address of the next page */
	size_t       from_len, from_room;
	uint32_t     bucket;		/* of the sweep */
	bool         sweeping;
	uint64_t     rows, since_ms, written_ms;
} sync;

static void pass_soon(uint32_t ms);
static void pass_again(void);

/* --- single addresses --- */

static void pump(void);

static void drop(struct wanted *x)
{
	sync.count--;
	free(x);
}

static void put_off(struct wanted *x)
{
	list_append(&sync.later, &x->link);
	if (!sync.again.wheel)
		wheel_arm(loop_wheel(sync.loop), &sync.again, clock_ms() + AGAIN_MS);
}

static void on_answer(void *arg, enum err err, const struct db_rows *rows)
{
	struct wanted *x = arg;

	sync.asked--;
	if (!err)
		err = apply_answer(str_n(x->aor, x->len), rows, x->written_ms);
	if (err)
		put_off(x);
	else
		drop(x);
	pump();
}

static void pump(void)
{
	while (sync.asked < MOST_ASKED && !list_empty(&sync.wanted)) {
		struct wanted  *x = LIST_FIRST(&sync.wanted, struct wanted, link);
		struct db_value v = db_text(str_n(x->aor, x->len));

		list_remove(&x->link);
		x->written_ms = db_written_until_ms();
		if (db_query(&row_one, &v, on_answer, x))
			put_off(x);
		else
			sync.asked++;
	}
}

static void on_again(struct timer *t)
{
	(void)t;
	list_splice(&sync.wanted, &sync.later);
	pump();
}

static void want(struct str aor)
{
	struct wanted *x = sync.count < MOST_WANTED ? malloc(sizeof(*x) + aor.len) : NULL;

	if (!x) {
		pass_soon(AGAIN_MS);
		return;
	}
	*x = (struct wanted){ .len = aor.len };
	memcpy(x->aor, aor.p, aor.len);
	list_append(&sync.wanted, &x->link);
	sync.count++;
}

static void read_note(struct mail *m)
{
	struct note *n = CONTAINER(m, struct note, mail);

	if (sync.loop && !n->len) {
		pass_again();
	} else if (sync.loop) {
		want(str_n(n->aor, n->len));
		pump();
	}
	critical_enter();
	mail_settled(m);
	shm_free(n);
	critical_leave();
}

void sync_ask(struct str aor)
{
	struct note *n;

	critical_enter();
	n = shm_alloc(shm_owner_new("location"), sizeof(*n) + aor.len);
	if (n) {
		n->len = aor.len;
		if (aor.len)
			memcpy(n->aor, aor.p, aor.len);
		mail_init(&n->mail, read_note);
		mail_post(db_writer_slot(), &n->mail);
	}
	critical_leave();
}

/* --- all of them --- */

static void ask_page(void);

static void pass_soon(uint32_t ms)
{
	if (!sync.passing)
		wheel_arm(loop_wheel(sync.loop), &sync.next, clock_ms() + ms);
}

/* One that goes on may have been there already. */
static void pass_again(void)
{
	sync.repeat = sync.passing;
	pass_soon(0);
}

/* Where the next page begins: at that address, or (`behind`) with the next one there can be. */
static bool set_from(struct str aor, bool behind)
{
	if (aor.len + 1 > sync.from_room)
		return false;
	memcpy(sync.from, aor.p, aor.len);
	sync.from[aor.len] = '\1';
	sync.from_len = aor.len + behind;
	return true;
}

static void say_loaded(void)
{
	if (!table_loaded())
		log_info(NULL, "bindings loaded count=%llu ms=%llu", (unsigned long long)sync.rows, (unsigned long long)(clock_ms() - sync.since_ms));
	table_set_loaded();
}

static void pass_end(void)
{
	bool soon = table_take_blind() || sync.repeat;

	table_pass_end();
	sync.passing = sync.sweeping = sync.said = sync.repeat = false;
	pass_soon(soon ? AGAIN_MS : VERIFY_MS);
}

/* What no page had is looked at by itself: it may be new. */
static void sweep(void)
{
	uint8_t pass = table_pass();

	for (unsigned i = 0; i < SWEEP_BUCKETS && sync.bucket < table_buckets(); i++, sync.bucket++) {
		lock(table_lock(sync.bucket));
		for (const struct aor *a = table_first_locked(sync.bucket); a; a = a->next)
			if (a->binds && a->pass != pass)
				want(aor_key(a));
		unlock(table_lock(sync.bucket));
	}
	pump();
	if (sync.bucket < table_buckets())
		wheel_arm(loop_wheel(sync.loop), &sync.next, clock_ms() + PACE_MS);
	else
		pass_end();
}

static void page_failed(enum err err)
{
	if (!sync.said && !table_loaded() && err != ERR_IO) {	/* a store that is away has been said */
		log_error(NULL, "bindings cannot be loaded, users are asked for one by one; trying again why=\"%s\"",
			  err == ERR_NOMEM ? "they do not fit: raise memory_limit" : err_name(err));
		sync.said = true;
	}
	wheel_arm(loop_wheel(sync.loop), &sync.next, clock_ms() + AGAIN_MS);
}

static void forget_stale(struct str aor, const struct row *row, size_t n)
{
	uint32_t before = unix_now() - (db_shared() ? STALE_S : 0);

	for (size_t i = 0; i < n; i++)
		if (row[i].b.expires_unix <= before) {
			store_expire(aor, before);
			return;
		}
}

/* Rows come sorted by address: those of one are a run. What is known already may be newer than the page. */
static enum err apply_page(const struct row *row, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		enum err err;

		for (end = i + 1; end < n && str_eq(row[end].aor, row[i].aor); end++)
			;
		err = apply_rows(row[i].aor, &row[i], end - i, sync.written_ms);
		if (err == ERR_NOMEM)
			return err;
		if (err == ERR_AGAIN && table_loaded())
			want(row[i].aor);
		forget_stale(row[i].aor, &row[i], end - i);
	}
	return OK;
}

/* The last address of a full page may have more rows: it begins the next one. */
static size_t whole(const struct row *row, size_t n)
{
	size_t end = n;

	if (n < PAGE_ROWS)
		return n;
	while (end && str_eq(row[end - 1].aor, row[n - 1].aor))
		end--;
	return end ? end : n;
}

static enum err take_page(const struct db_rows *rows, struct row *row)
{
	size_t   n = rows->rows, end;
	enum err err;

	for (size_t i = 0; i < n; i++)
		row_read(rows, i, &row[i]);
	end = whole(row, n);
	err = apply_page(row, end);
	if (err)
		return err;
	sync.rows += end;
	if (n == PAGE_ROWS && !set_from(row[n - 1].aor, end == n))
		return ERR_LIMIT;
	return OK;
}

static void on_page(void *arg, enum err err, const struct db_rows *rows)
{
	struct row *row = err ? NULL : malloc((rows->rows + 1) * sizeof(*row));

	(void)arg;
	if (!err)
		err = row ? take_page(rows, row) : ERR_NOMEM;
	free(row);
	pump();
	if (err) {
		page_failed(err);
		return;
	}
	if (rows->rows == PAGE_ROWS && !table_loaded()) {
		ask_page();
		return;
	}
	if (rows->rows < PAGE_ROWS) {
		say_loaded();
		sync.sweeping = true;
		sync.bucket = 0;
	}
	wheel_arm(loop_wheel(sync.loop), &sync.next, clock_ms() + PACE_MS);
}

static void ask_page(void)
{
	struct db_value v = db_text(str_n(sync.from, sync.from_len));
	enum err        err;

	sync.written_ms = db_written_until_ms();
	err = db_query(&row_page, &v, on_page, NULL);
	if (err)
		page_failed(err);
}

static void on_next(struct timer *t)
{
	(void)t;
	if (sync.sweeping) {
		sweep();
		return;
	}
	if (!sync.passing) {
		sync.passing = true;
		sync.rows = sync.from_len = 0;
		sync.since_ms = clock_ms();
		table_pass_begin();
	}
	ask_page();
}

enum err sync_start(struct loop *l)
{
	free(sync.from);
	memset(&sync, 0, sizeof(sync));
	sync.from = malloc(KEY_ROOM);
	if (!sync.from)
		return ERR_NOMEM;
	sync.from_room = KEY_ROOM;
	sync.loop = l;
	list_init(&sync.wanted);
	list_init(&sync.later);
	timer_init(&sync.again, on_again);
	timer_init(&sync.next, on_next);
	pass_soon(0);
	return OK;
}
