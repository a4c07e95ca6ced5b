/* Two small tables, whole in the private memory of each process and read anew now and then: a question costs no query, and while the store is
 * away those of before hold. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "modules/permissions/permissions.h"

struct table {
	struct db_stmt stmt;
	void *(*made_of)(const struct db_rows *rows);
	void          *now;	/* made in the supervisor, replaced in each worker by its own */
	struct timer   timer;	/* private to the worker */
};

static struct {
	struct table  networks, numbers;
	struct wheel *wheel;
} kept = {
	.networks = { .stmt = { "SELECT CAST(network AS text), name FROM trusted_peers WHERE status = 'active'", 0, 0 }, .made_of = networks_of },
	.numbers = { .stmt = { "SELECT prefix, class FROM call_prefixes", 0, 0 }, .made_of = numbers_of },
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

void fresh_boot(void)
{
	db_stmt_register(&kept.networks.stmt);
	db_stmt_register(&kept.numbers.stmt);
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
	return err;
}

enum err fresh_load(char *why, size_t cap)
{
	struct db *d = db_open(db_url(), false, why, cap);
	enum err   err;

	if (!d)
		return ERR_IO;
	err = load(d, &kept.networks, why, cap);
	if (!err)
		err = load(d, &kept.numbers, why, cap);
	db_close(d);
	return err;
}

static void again(struct table *t)
{
	wheel_arm(kept.wheel, &t->timer, clock_ms() + permissions_cfg.refresh_ms);
}

static void rows_came(void *arg, enum err err, const struct db_rows *rows)
{
	if (err || !replace(arg, rows))
		counter_inc(&permissions_failures);
	again(arg);
}

static void refresh(struct timer *timer)
{
	struct table *t = CONTAINER(timer, struct table, timer);

	if (!db_query(&t->stmt, NULL, rows_came, t))
		return;
	counter_inc(&permissions_failures);
	again(t);
}

void fresh_keep(struct loop *l)
{
	kept.wheel = loop_wheel(l);
	timer_init(&kept.networks.timer, refresh);
	timer_init(&kept.numbers.timer, refresh);
	again(&kept.networks);
	again(&kept.numbers);
}
