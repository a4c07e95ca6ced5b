/* One connection of a worker: names by our resolver, connecting by PQconnectPoll on the loop, then questions in a pipeline. Nothing here
 * waits. (libpq itself reads the passfile, the service file and certificates, small local files, when it connects.) */
#include "db/postgres/postgres.h"

#include <stdio.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 2000, MOST_SESSION_SQL = 2000 };

static void look_up_next(struct pg_link *l);

/* --- watching --- */

static void unwatch(struct pg_link *l)
{
	if (l->io.fd >= 0)
		loop_remove(l->loop, &l->io);
	l->io.fd = -1;
	l->events = 0;
}

/* Before libpq may close or change its socket it is to be unwatched. False: it cannot be watched. */
static bool watch(struct pg_link *l, uint32_t events)
{
	if (l->io.fd >= 0 && l->events == events)
		return true;
	l->events = events;
	if (l->io.fd >= 0)
		return !loop_change(l->loop, &l->io, events);
	l->io.fd = PQsocket(l->conn);
	if (l->io.fd >= 0 && !loop_add(l->loop, &l->io, events))
		return true;
	l->io.fd = -1;
	return false;
}

/* --- down --- */

static void close_connection(struct pg_link *l)
{
	unwatch(l);
	PQfinish(l->conn);
	l->conn = NULL;
	dns_cancel(l->asking);
	l->asking = NULL;
	l->state = LINK_DOWN;
	l->count = l->syncs = 0;
	l->open_group = l->got = l->outdated = false;
	memset(l->prepared, 0, sizeof(l->prepared));
}

/* Half of the pause is chance, so that the workers of many servers do not come all at once. */
static void try_later(struct pg_link *l)
{
	uint32_t half = l->backoff_ms / 2;

	wheel_arm(loop_wheel(l->loop), &l->timer, clock_ms() + half + random_below(half + 1));
	l->backoff_ms = l->backoff_ms * 2 < BACKOFF_MOST_MS ? l->backoff_ms * 2 : BACKOFF_MOST_MS;
}

static void lost(struct pg_link *l, enum err err, const char *why)
{
	struct list left;

	list_init(&left);
	list_splice(&left, &l->skipped);
	list_splice(&left, &l->flight);
	close_connection(l);
	try_later(l);
	l->user->down(err, why);
	pool_again(&left);
}

static void lost_by_libpq(struct pg_link *l)
{
	char why[512];

	pg_connect_words(l->conn, why, sizeof(why));
	lost(l, pg_connect_err(why), why);
}

void link_renew(struct pg_link *l, const char *why)
{
	if (l->state != LINK_DOWN)
		lost(l, ERR_IO, why);
}

/* --- answers --- */

static enum err err_of(const PGresult *r)
{
	if (pg_err_is(r, "57014") || pg_err_is(r, "55P03"))	/* statement_timeout, lock_timeout */
		return ERR_TIMEOUT;
	return pg_err(r);
}

static void finish_question(struct pg_link *l, struct pg_question *q, const PGresult *r)
{
	bool skipped = PQresultStatus(r) == PGRES_PIPELINE_ABORTED;

	l->outdated |= pg_err_outdated(r);
	list_remove(&q->link);
	l->count--;
	if (q->failed) {
		pool_answer(q, q->failed, NULL);
	} else if (skipped || pg_err_outdated(r)) {
		list_append(&l->skipped, &q->link);
	} else {
		pool_answer(q, err_of(r), r);
	}
}

static void take_result(struct pg_link *l, struct pg_question *q, const PGresult *r)
{
	bool skipped = PQresultStatus(r) == PGRES_PIPELINE_ABORTED;

	if (!skipped && pg_err(r))
		pool_refused(q, r);
	if (!q->preparing) {
		finish_question(l, q, r);
		return;
	}
	q->preparing = false;
	l->prepared[q->stmt->id] = !pg_err(r);
	l->outdated |= pg_err_is(r, "42P05");
	q->failed = skipped || l->outdated ? OK : err_of(r);	/* OK: asked again */
}

/* False: nothing more is there. A statement has one result, then a NULL; the end of a group has one of its own. */
static bool take_next(struct pg_link *l)
{
	PGresult           *r = PQgetResult(l->conn);
	struct pg_question *q = list_empty(&l->flight) ? NULL : LIST_FIRST(&l->flight, struct pg_question, link);
	bool                more = r || l->got;

	l->got = false;
	if (!r)
		return more;
	if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
		l->syncs--;
		pool_again(&l->skipped);
	} else if (q) {
		l->got = true;
		take_result(l, q, r);
	}
	PQclear(r);
	return true;
}

static bool flushed(struct pg_link *l)
{
	int left = PQflush(l->conn);

	return left >= 0 && watch(l, left ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void work(struct pg_link *l)
{
	if (!PQconsumeInput(l->conn)) {
		lost_by_libpq(l);
		return;
	}
	while (l->syncs && !PQisBusy(l->conn) && take_next(l))
		;
	if (l->user->input)
		l->user->input(l);
	if (l->outdated)
		lost(l, ERR_IO, "its tables have changed");
	else if (PQstatus(l->conn) != CONNECTION_OK || !flushed(l))
		lost_by_libpq(l);
}

/* --- coming up --- */

static void up(struct pg_link *l)
{
	if (!PQenterPipelineMode(l->conn) || !watch(l, EPOLLIN)) {
		lost_by_libpq(l);
		return;
	}
	wheel_disarm(&l->timer);
	l->state = LINK_UP;
	l->backoff_ms = BACKOFF_FIRST_MS;
	l->user->up(l);
}

static void set_session(struct pg_link *l)
{
	const char *encoding = PQparameterStatus(l->conn, "server_encoding");
	char        sql[MOST_SESSION_SQL];

	if (!encoding || strcmp(encoding, "UTF8") != 0) {
		lost(l, ERR_STATE, "it is not in encoding UTF8");
		return;
	}
	l->state = LINK_SETTING;
	l->looking = presence_unseen();
	snprintf(sql, sizeof(sql), "%s%s", l->user->sql, l->looking ? "; SELECT coalesce(max(number), 0) FROM schema_version" : "");
	if (PQsetnonblocking(l->conn, 1) || !PQsendQuery(l->conn, sql) || !flushed(l))
		lost_by_libpq(l);
}

/* False: it is one that this server does not know; the connection is closed. */
static bool schema_fits(struct pg_link *l, const PGresult *r)
{
	char     why[DB_WHY_BYTES];
	uint32_t version = 0;

	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		(void)str_u32(str_of(PQgetvalue(r, 0, 0)), &version);
	else if (!pg_err_is(r, "42P01"))	/* undefined_table: an empty database */
		return true;
	if (!db_schema_fits(version, why, sizeof(why))) {
		lost(l, ERR_STATE, why);
		return false;
	}
	presence_seen();
	return true;
}

static void session_answers(struct pg_link *l)
{
	PGresult *r;
	bool      good = PQconsumeInput(l->conn);

	while (good && !PQisBusy(l->conn)) {
		r = PQgetResult(l->conn);
		if (!r) {
			up(l);
			return;
		}
		if (l->looking && !schema_fits(l, r)) {
			PQclear(r);
			return;
		}
		good = !pg_err(r);
		PQclear(r);
	}
	if (!good || !flushed(l))
		lost_by_libpq(l);
}

static void connect_more(struct pg_link *l)
{
	PostgresPollingStatusType s;

	unwatch(l);
	s = PQconnectPoll(l->conn);
	if (s == PGRES_POLLING_OK) {
		if (watch(l, EPOLLIN))
			set_session(l);
		else
			lost_by_libpq(l);
	} else if (s == PGRES_POLLING_FAILED || !watch(l, s == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT)) {
		lost_by_libpq(l);
	}
}

/* libpq's own would write to standard error. */
static void on_notice(void *unused, const PGresult *r)
{
	char why[256];

	(void)unused;
	pg_words(r, DB_READ, why, sizeof(why));
	log_debug(NULL, "the database says \"%s\"", why);
}

static void connect_now(struct pg_link *l)
{
	l->state = LINK_CONNECTING;
	l->conn = pg_connect_start(l->target, l->host, l->hosts);
	if (l->conn)
		PQsetNoticeReceiver(l->conn, on_notice, NULL);
	if (!l->conn)
		lost(l, ERR_IO, "out of memory");
	else if (PQstatus(l->conn) == CONNECTION_BAD || !watch(l, EPOLLOUT))
		lost_by_libpq(l);
}

/* --- names --- */

static void add_host(struct pg_link *l, const struct pg_host *h, const struct addr *a)
{
	struct pg_host *mine = &l->host[l->hosts];
	struct buf      ip;

	if (l->hosts == PG_MOST_HOSTS)
		return;
	*mine = *h;
	if (a) {
		ip = buf_on(mine->ip, sizeof(mine->ip) - 1);
		addr_ip_write(a, &ip);
		mine->ip[ip.len] = '\0';
	}
	l->hosts++;
}

static const struct pg_host *host_now(const struct pg_link *l)
{
	return &l->target->host[(l->first + l->looked) % l->target->hosts];
}

static void name_known(void *arg, enum err err, const struct dns_answer *answer)
{
	struct pg_link *l = arg;

	l->asking = NULL;
	for (size_t i = 0; !err && i < answer->count; i++)
		add_host(l, host_now(l), &answer->addr[i]);
	l->looked++;
	look_up_next(l);
}

static void look_up_next(struct pg_link *l)
{
	char why[DNS_NAME + 64];

	for (; l->looked < l->target->hosts; l->looked++) {
		const struct pg_host *h = host_now(l);

		if (!pg_host_is_name(h)) {
			add_host(l, h, NULL);
			continue;
		}
		l->asking = dns_ask(str_of(h->name), DNS_HOST, name_known, l);
		if (l->asking)
			return;
	}
	if (l->hosts) {
		connect_now(l);
		return;
	}
	snprintf(why, sizeof(why), "the name of its host is not known to the name servers: %s", l->target->host[0].name);
	lost(l, ERR_IO, why);
}

void link_start(struct pg_link *l)
{
	l->state = LINK_NAMES;
	l->hosts = l->looked = 0;
	wheel_arm(loop_wheel(l->loop), &l->timer, clock_ms() + l->target->connect_ms);
	look_up_next(l);
}

/* A host that accepts and says nothing would be tried for ever: begin with the next one. */
static void on_timer(struct timer *t)
{
	struct pg_link *l = CONTAINER(t, struct pg_link, timer);
	char            why[96];

	if (l->state == LINK_DOWN) {
		link_start(l);
		return;
	}
	l->first = (l->first + 1) % l->target->hosts;
	snprintf(why, sizeof(why), "it did not answer within %u ms", l->target->connect_ms);
	lost(l, ERR_IO, why);
}

static void on_event(struct loop_fd *f, uint32_t events)
{
	struct pg_link *l = CONTAINER(f, struct pg_link, io);

	(void)events;
	if (l->state == LINK_CONNECTING)
		connect_more(l);
	else if (l->state == LINK_SETTING)
		session_answers(l);
	else if (l->state == LINK_UP)
		work(l);
}

/* --- from the pool --- */

void link_init(struct pg_link *l, struct loop *loop, const struct pg_target *t, const struct pg_link_user *user)
{
	*l = (struct pg_link){ .loop = loop, .target = t, .user = user, .io = { .fd = -1, .fn = on_event }, .backoff_ms = BACKOFF_FIRST_MS };
	timer_init(&l->timer, on_timer);
	list_init(&l->flight);
	list_init(&l->skipped);
}

void link_stop(struct pg_link *l)
{
	wheel_disarm(&l->timer);
	close_connection(l);
	list_splice(&l->skipped, &l->flight);
	pool_again(&l->skipped);
}

static bool put_question(struct pg_link *l, struct pg_question *q)
{
	const struct db_stmt *st = q->stmt;
	struct pg_params      v;
	char                  name[16];

	pg_params_set(&v, q->v, st->params);
	snprintf(name, sizeof(name), "s%u", st->id);
	q->preparing = !l->prepared[st->id];
	if (q->preparing && !PQsendPrepare(l->conn, name, st->sql, (int)st->params, v.type))
		return false;
	l->prepared[st->id] = true;
	return PQsendQueryPrepared(l->conn, name, (int)st->params, v.value, v.length, v.format, 0);
}

bool link_send(struct pg_link *l, struct pg_question *q)
{
	bool put = put_question(l, q);

	list_append(&l->flight, &q->link);
	l->count++;
	q->sent++;
	l->open_group = true;
	if (!put)
		lost_by_libpq(l);
	return put;
}

void link_flush(struct pg_link *l)
{
	if (l->state != LINK_UP || !l->open_group)
		return;
	l->open_group = false;
	l->syncs++;
	if (!PQpipelineSync(l->conn) || !flushed(l))
		lost_by_libpq(l);
}
