/* A connection that only listens: nothing is ever asked on it, since a server that works on a statement tells nothing meanwhile. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/postgres/postgres.h"

enum {
	PULSE_MS = 5000,	/* is it still there? The answer is due before the next question */
	MOST_SQL = 1500,	/* 16 channels of 63 bytes and what a session is set to */
};

static struct {
	struct loop     *loop;	/* NULL: not listening */
	struct pg_target target;
	struct pg_link   link;
	struct timer     pulse;
	char             sql[MOST_SQL];
} ear;

static void hear(struct pg_link *l)
{
	PGnotify *n;

	while (l->state == LINK_UP && (n = PQnotifies(l->conn))) {
		db_heard(str_of(n->relname), str_of(n->extra));
		PQfreemem(n);
	}
}

static void up(struct pg_link *l)
{
	wheel_arm(loop_wheel(ear.loop), &ear.pulse, clock_ms() + PULSE_MS);
	db_heard_all();
	hear(l);
}

static void down(enum err err, const char *why)
{
	wheel_disarm(&ear.pulse);
	db_deaf(err, why);
}

/* An end of a group without a group: the server answers that as well. */
static void on_pulse(struct timer *t)
{
	if (ear.link.syncs) {
		link_renew(&ear.link, "it does not answer any more");
		return;
	}
	wheel_arm(loop_wheel(ear.loop), t, clock_ms() + PULSE_MS);
	ear.link.open_group = true;
	link_flush(&ear.link);
}

static void write_sql(void)
{
	size_t      len = (size_t)snprintf(ear.sql, sizeof(ear.sql), "%s", pg_session_sql(DB_READ));
	const char *channel;

	for (size_t i = 0; (channel = db_channel_at(i)) && len < sizeof(ear.sql); i++)
		len += (size_t)snprintf(ear.sql + len, sizeof(ear.sql) - len, "; LISTEN %s", channel);
}

/* Only a server that can be written to can be listened to. */
enum err listen_start(struct loop *l, const char *where)
{
	static const struct pg_link_user user = { .sql = ear.sql, .up = up, .down = down, .input = hear };
	char     why[256] = "";
	enum err err = pg_target_of(where, DB_WRITE, &ear.target, why, sizeof(why));

	if (err) {
		pg_target_free(&ear.target);
		log_error(NULL, "%s", why);
		return err;
	}
	ear.loop = l;
	write_sql();
	timer_init(&ear.pulse, on_pulse);
	link_init(&ear.link, l, &ear.target, &user);
	link_start(&ear.link);
	return OK;
}

void listen_stop(void)
{
	if (!ear.loop)
		return;
	wheel_disarm(&ear.pulse);
	link_stop(&ear.link);
	pg_target_free(&ear.target);
	ear.loop = NULL;
}
