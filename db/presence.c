/* Is the store there? What each process has of it lies in shared memory, so that one of them all says in the log that it is away, the last one that it is back, and
 * siparioctl can ask. A server that started without it looks at the schema when a connection comes up. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/driver.h"
#include "shm/counter.h"
#include "shm/lock.h"

/* Of one part, over all processes. */
struct lack {
	unsigned      count;		/* processes that lack it */
	enum db_state said;		/* the worst that was said in the log; DB_THERE: nothing */
	int64_t       since_unix;
	char          why[DB_WHY_BYTES];	/* the last to be told */
};
/* The lock, RANK_MODULE, guards all but `unseen`, which is atomic. */
struct presence {
	struct lock lock;
	bool        unseen;		/* nobody has looked at its schema yet */
	struct lack lack[DB_PARTS];
	uint8_t     bits[];		/* a slot: what its process lacks, a bit a part */
};
static struct {
	struct presence *p;	/* shared; NULL: a process on its own */
} here;

static struct counter count_away = { .name = "db.away", .help = "processes that have no connection to the database", .unit = "processes", .gauge = true };

static void set_bit(struct presence *p, unsigned slot, enum db_part part)
{
	struct lack *l = &p->lack[part];

	if (!l->count++)
		l->since_unix = clock_unix();
	p->bits[slot] |= (uint8_t)(1u << part);
	counter_add(&count_away, part == DB_READS);
}

/* All that will ask begin without it: it is back when the last of them has it. */
static void begin_away(struct presence *p, unsigned last_slot, const char *why)
{
	for (unsigned slot = PROC_SUPERVISOR + 1; slot <= last_slot && slot < proc_count(); slot++)
		set_bit(p, slot, DB_READS);
	p->lack[DB_READS].said = DB_AWAY;
	snprintf(p->lack[DB_READS].why, DB_WHY_BYTES, "%s", why);
}

void presence_boot(unsigned last_slot, const char *away, bool seen)
{
	struct presence *p = shm_zalloc(shm_owner_new("db"), sizeof(*p) + proc_count());

	counter_register(&count_away);
	here.p = p;
	if (!p)
		return;
	lock_init(&p->lock, RANK_MODULE);
	p->unseen = !seen;
	if (away)
		begin_away(p, last_slot, away);
}

bool presence_unseen(void)
{
	return here.p && __atomic_load_n(&here.p->unseen, __ATOMIC_ACQUIRE);
}

void presence_seen(void)
{
	if (here.p)
		__atomic_store_n(&here.p->unseen, false, __ATOMIC_RELEASE);
}

/* Where nothing can be read the rest goes without saying. It may be noticed first, though: the first time is not told. */
static bool is_news_locked(const struct presence *p, enum db_part part, enum db_state state, bool first)
{
	if (state <= p->lack[part].said)
		return false;
	return part == DB_READS || (!first && !p->lack[DB_READS].count);
}

/* True: it is to be said. */
static bool note_lack(enum db_part part, enum db_state state, const char *why)
{
	struct presence *p = here.p;
	struct lack     *l = &p->lack[part];
	bool             first, say;

	lock(&p->lock);
	first = !(p->bits[proc_self()] >> part & 1);
	if (first)
		set_bit(p, proc_self(), part);
	say = is_news_locked(p, part, state, first);
	if (say)
		l->said = state;
	snprintf(l->why, DB_WHY_BYTES, "%s", why);
	unlock(&p->lock);
	return say;
}

void presence_lacks(enum db_part part, enum err err, const char *why)
{
	static const char *const words[DB_PARTS] = {
		[DB_READS] = "no connection to the database", [DB_NEWS] = "changes in the database are not heard", [DB_WRITES] = "changes cannot be written",
	};
	enum db_state state = err == ERR_IO ? DB_AWAY : DB_UNFIT;

	if (here.p && !note_lack(part, state, why))
		return;
	if (part == DB_READS)	/* a sentence about its schema names it */
		log_error(NULL, "%s " STR_FMT ": %s; until that is over, what needs it gets 503", words[part],
			  STR_ARG(str_find_str(str_of(why), db_url_shown()) < 0 ? db_url_shown() : STR("as it is")), why);
	else if (part == DB_NEWS && state == DB_AWAY)
		log_warn(NULL, "%s: %s", words[part], why);
	else
		log_error(NULL, "%s: %s", words[part], why);
}

/* True: all have it again, which is to be said. */
static bool note_has(enum db_part part)
{
	struct presence *p = here.p;
	struct lack     *l = &p->lack[part];
	bool             say = false;

	lock(&p->lock);
	if (p->bits[proc_self()] >> part & 1) {
		p->bits[proc_self()] &= (uint8_t)~(1u << part);
		counter_add(&count_away, -(part == DB_READS));
		say = !--l->count && l->said;
	}
	if (!l->count)
		l->said = DB_THERE;
	unlock(&p->lock);
	return say;
}

void presence_has(enum db_part part)
{
	static const char *const words[DB_PARTS] = {
		[DB_READS] = "the database is back", [DB_NEWS] = "changes in the database are heard again", [DB_WRITES] = "changes are written again",
	};

	if (here.p && note_has(part))
		log_info(NULL, "%s", words[part]);
}

void db_presence(struct db_presence *out)
{
	struct presence *p = here.p;

	*out = (struct db_presence){ .state = DB_THERE };
	if (!p)
		return;
	lock(&p->lock);
	for (size_t i = DB_PARTS; i-- > 0;) {
		const struct lack *l = &p->lack[i];

		if (!l->count)
			continue;
		out->part = (enum db_part)i;
		out->state = l->said > DB_AWAY ? l->said : DB_AWAY;
		out->processes = l->count;
		out->since_unix = l->since_unix;
		memcpy(out->why, l->why, sizeof(out->why) - 1);
	}
	unlock(&p->lock);
}
