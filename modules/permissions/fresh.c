/* Two small tables, whole in the private memory of each process and read anew now and then: a question costs no query, and while the store is
 * away those of before hold. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "modules/permissions/permissions.h"
#include "net/mailbox.h"
#include "shm/shm.h"

enum { AGAIN_MS = 1000 };

struct table {
	struct db_stmt stmt;
	void *(*made_of)(const struct db_rows *rows);
	void          *now;	/* made in the supervisor, replaced in each worker by its own */
	const char    *changed;	/* what triggers tell when it has changed */
	struct mail   *letters;	/* shared: one a process slot, read in each worker */
	void         (*read)(struct mail *m);
	struct timer   timer;	/* private to the worker, as is what follows */
	bool           asked, outdated;	/* a question is under way; a change has overtaken it */
};
static void read_networks(struct mail *m);
static void read_numbers(struct mail *m);

static struct {
	struct table  networks, numbers;
	struct wheel *wheel;
} kept = {
	.networks = { .stmt = { "SELECT CAST(network AS text), name FROM trusted_peers WHERE status = 'active'", 0, 0 }, .made_of = networks_of,
		      .changed = "peers", .read = read_networks },
	.numbers = { .stmt = { "SELECT prefix, class FROM call_prefixes", 0, 0 }, .made_of = numbers_of, .changed = "prefixes", .read = read_numbers },
};

const struct networks *fresh_networks(void)
{
	return kept.networks.now;
}

const struct numbers *fresh_numbers(void)
{
	return kept.numbers.now;
}

static bool replace(struct table *t, const struct db_rows *rows)
{
	void *now = t->made_of(rows);

	if (!now)
		return false;
	free(t->now);
	t->now = now;
	return true;
}

/* In the worker that listens. */
static void tell_workers(struct table *t, enum db_news news, struct str key)
{
	if (news == DB_MISSED || (news == DB_CHANGED && str_is(key, t->changed)))
		for (unsigned slot = 1; slot < proc_count(); slot++)
			mail_post(slot, &t->letters[slot]);
}

static void heard(enum db_news news, struct str key)
{
	tell_workers(&kept.networks, news, key);
	tell_workers(&kept.numbers, news, key);
}

static enum err boot(struct table *t)
{
	t->letters = shm_alloc(shm_owner_new("permissions"), proc_count() * sizeof(t->letters[0]));
	if (!t->letters)
		return ERR_NOMEM;
	for (unsigned slot = 0; slot < proc_count(); slot++)
		mail_init(&t->letters[slot], t->read);
	db_stmt_register(&t->stmt);
	return OK;
}

enum err fresh_boot(void)
{
	static const struct db_listener listener = { "sipario_profile", heard };
	enum err err = boot(&kept.networks);

	if (!err)
		err = boot(&kept.numbers);
	if (!err)
		db_listen(&listener);
	return err;
}

static enum err load(struct db *d, struct table *t, char *why, size_t cap)
{
	struct arena   a;
	struct db_rows rows;
	enum err       err;

	arena_init(&a, NULL, 0, 256 << 20);
	err = db_exec(d, t->stmt.sql, NULL, 0, &a, &rows, why, cap);
	if (!err && !replace(t, &rows)) {
		snprintf(why, cap, "no memory for what the database has");
		err = ERR_NOMEM;
	}
	arena_free(&a);
	return err == ERR_IO || t->now ? OK : err;
}

/* When shared memory is built anew there is what was before. */
enum err fresh_load(char *why, size_t cap)
{
	struct db *d = db_at_boot();
	enum err   err = d ? load(d, &kept.networks, why, cap) : OK;

	return err || !d ? err : load(d, &kept.numbers, why, cap);
}

/* `failed`: the store is looked for all the time, and may be there soon. */
static void again(struct table *t, bool failed)
{
	uint32_t ms = permissions_cfg.refresh_ms;

	wheel_arm(kept.wheel, &t->timer, clock_ms() + (failed && ms > AGAIN_MS ? AGAIN_MS : ms));
}

static void rows_came(void *arg, enum err err, const struct db_rows *rows);

static void ask(struct table *t)
{
	t->outdated = false;
	t->asked = !db_query(&t->stmt, NULL, rows_came, t);
	if (t->asked)
		return;
	counter_inc(&permissions_failures);
	again(t, true);
}

static void rows_came(void *arg, enum err err, const struct db_rows *rows)
{
	struct table *t = arg;
	bool          failed = err || !replace(t, rows);

	t->asked = false;
	counter_add(&permissions_failures, failed);
	if (t->outdated && !failed)
		ask(t);
	else
		again(t, failed);
}

static void refresh(struct timer *timer)
{
	ask(CONTAINER(timer, struct table, timer));
}

static void read_now(struct table *t)
{
	if (!kept.wheel)
		return;
	t->outdated = true;
	if (t->asked)
		return;
	wheel_disarm(&t->timer);
	ask(t);
}

static void read_networks(struct mail *m)
{
	(void)m;
	read_now(&kept.networks);
}

static void read_numbers(struct mail *m)
{
	(void)m;
	read_now(&kept.numbers);
}

void fresh_keep(struct loop *l)
{
	kept.wheel = loop_wheel(l);
	timer_init(&kept.networks.timer, refresh);
	timer_init(&kept.numbers.timer, refresh);
	again(&kept.networks, !kept.networks.now);
	again(&kept.numbers, !kept.numbers.now);
}
