#include "modules/profile/profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { AGAIN_MS = 1000 };

static const char select_names[] = "SELECT name FROM domains";
static struct db_stmt names = { select_names, 0, 0 };

static struct {
	struct domains *now;	/* made in the supervisor, replaced in each worker by its own */
	struct timer    timer;	/* private to the worker */
	struct wheel   *wheel;
	bool            asked, outdated;	/* a question is under way; a change has overtaken it */
} served;

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct domains *domains_of(const struct db_rows *rows)
{
	size_t          bytes = sizeof(struct domains) + rows->rows * sizeof(struct str);
	struct domains *d;
	char           *at;

	for (size_t i = 0; i < rows->rows; i++)
		bytes += db_cell(rows, i, 0)->s.len;
	d = malloc(bytes);
	if (!d)
		return NULL;
	d->count = rows->rows;
	at = (char *)&d->name[d->count];
	for (size_t i = 0; i < d->count; i++) {
		struct str s = db_cell(rows, i, 0)->s;

		d->name[i] = str_n(at, s.len);
		for (size_t k = 0; k < s.len; k++)
			*at++ = ch_lower(s.p[k]);
	}
	qsort(d->name, d->count, sizeof(d->name[0]), by_name);
	return d;
}

bool domains_have(const struct domains *d, struct str host)
{
	char       room[256];
	struct str key = str_n(room, host.len);

	if (!d || !d->count || host.len > sizeof(room))
		return false;
	for (size_t i = 0; i < host.len; i++)
		room[i] = ch_lower(host.p[i]);
	return bsearch(&key, d->name, d->count, sizeof(d->name[0]), by_name);
}

bool profile_is_domain(struct str host)
{
	return domains_have(served.now, host);
}

bool profile_knows_domains(void)
{
	return served.now != NULL;
}

static bool replace(const struct db_rows *rows)
{
	struct domains *d = domains_of(rows);

	if (!d)
		return false;
	free(served.now);
	served.now = d;
	return true;
}

void domains_boot(void)
{
	db_stmt_register(&names);
}

/* When shared memory is built anew there are those of before. */
enum err domains_load(char *why, size_t cap)
{
	struct db     *d = db_at_boot();
	struct arena   a;
	struct db_rows rows;
	enum err       err;

	if (!d)
		return OK;
	arena_init(&a, NULL, 0, 64 << 20);
	err = db_exec(d, select_names, NULL, 0, &a, &rows, why, cap);
	if (!err && !replace(&rows)) {
		snprintf(why, cap, "no memory for the domains");
		err = ERR_NOMEM;
	}
	arena_free(&a);
	return err == ERR_IO || served.now ? OK : err;
}

/* `failed`: the store is looked for all the time, and may be there soon. */
static void again(bool failed)
{
	uint32_t ms = profile_cfg.domains_refresh_ms;

	wheel_arm(served.wheel, &served.timer, clock_ms() + (failed && ms > AGAIN_MS ? AGAIN_MS : ms));
}

static void names_came(void *arg, enum err err, const struct db_rows *rows);

static void refresh(struct timer *t)
{
	(void)t;
	served.outdated = false;
	served.asked = !db_query(&names, NULL, names_came, NULL);
	if (served.asked)
		return;
	counter_inc(&profile_failures);
	again(true);
}

/* While the store is away the domains of before are served. */
static void names_came(void *arg, enum err err, const struct db_rows *rows)
{
	bool failed = err || !replace(rows);

	(void)arg;
	served.asked = false;
	counter_add(&profile_failures, failed);
	if (served.outdated && !failed)
		refresh(NULL);
	else
		again(failed);
}

void domains_read_now(void)
{
	if (!served.wheel)
		return;
	served.outdated = true;
	if (served.asked)
		return;
	wheel_disarm(&served.timer);
	refresh(NULL);
}

void domains_keep_fresh(struct loop *l)
{
	served.wheel = loop_wheel(l);
	timer_init(&served.timer, refresh);
	again(!served.now);
}
