/* From the workers' hands to the disk, and from there into the database. What waits to be written lies in shared memory, in a list of the process in
 * the writer's slot, so that a writer that dies leaves it to the next one; lines that it had written already are then written once more, and their rows
 * are there. */
#include "modules/cdr/cdr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	GROUP_BYTES = 256 * 1024,	/* written at a time */
	BATCH_BYTES = 64 * 1024,	/* on the way to the database at a time */
	RETRY_MS = 1000, STOP_MS = 5000,
};

/* A letter. Shared slab. */
struct entry {
	struct mail mail;
	uint32_t    len;
	char        line[];
};
struct shared {
	struct list waiting;	/* of entry.mail.link; changed by the process in the writer's slot, in critical sections */
	uint64_t    bytes;	/* of all entries; atomic */
	bool        rows_missing;	/* load.c; changed by the supervisor before the fork, then by the writer */
};

static struct {
	shm_owner      tag;
	struct shared *shared;
	/* the writer's own */
	struct loop   *loop;		/* NULL: there is none in this process */
	bool           simulated;	/* the spool is that of a server: a test of its script neither reads nor writes there */
	struct spool   spool;
	bool           open, stopping;
	uint64_t       synced_ms;	/* when */
	struct timer   again, disk, store;	/* the next group; after a failure of the disk, and of the database */
	bool           disk_rests, store_rests;
	bool           disk_said, store_said;	/* logged so */
	int64_t        lost_said;
	unsigned       out;		/* letters on their way to the database */
	bool           failed;		/* one of them came back */
	size_t         batch;		/* bytes of the spool that they are */
	size_t         taken;		/* bytes that the database has, and the spool too, still */
	bool           left;		/* the spool is not empty */
	bool           caught_up;	/* what was in it when this process began has gone from it */
	/* of the errand that the thread is doing, as is the spool meanwhile */
	enum err       err;
	char           why[400];
	struct str     text;		/* to be appended, or what was read */
	size_t         gathered;	/* lines of it */
	bool           all;		/* that waited */
	char           group[GROUP_BYTES], lines[BATCH_BYTES];
} desk;

shm_owner cdr_owner(void)
{
	return desk.tag;
}

/* --- handing over --- */

static void release(struct entry *e)
{
	critical_enter();
	list_remove(&e->mail.link);
	__atomic_sub_fetch(&desk.shared->bytes, sizeof(*e) + e->len, __ATOMIC_RELAXED);
	counter_add(&cdr_queued, -1);
	shm_free(e);
	critical_leave();
}

/* In the writer's process. A simulation has no disk: there it is enough to have been told. */
static void take(struct mail *m)
{
	critical_enter();
	mail_settled(m);
	list_append(&desk.shared->waiting, &m->link);
	critical_leave();
	if (!desk.loop)
		release(CONTAINER(m, struct entry, mail));
}

static void post(struct entry *e, struct str line)
{
	mail_init(&e->mail, take);
	e->len = (uint32_t)line.len;
	memcpy(e->line, line.p, line.len);
	counter_inc(&cdr_queued);
	__atomic_add_fetch(&desk.shared->bytes, sizeof(*e) + line.len, __ATOMIC_RELAXED);
	mail_post(db_writer_slot(), &e->mail);
}

static void hand_over(const struct buf *line)
{
	uint64_t      size = sizeof(struct entry) + line->len;
	bool          room = __atomic_load_n(&desk.shared->bytes, __ATOMIC_RELAXED) + size <= cdr_cfg.queue_limit;
	struct entry *e;

	critical_enter();
	e = room && buf_ok(line) ? shm_alloc(desk.tag, size) : NULL;
	if (e)
		post(e, buf_str(line));
	critical_leave();
	counter_add(&cdr_lost, !e);
}

void desk_record(const struct cdr_record *r)
{
	char       room[CDR_LINE_BYTES];
	struct buf line = buf_on(room, sizeof(room));

	cdr_record_write(r, &line);
	hand_over(&line);
}

void desk_end(const struct cdr_end *e)
{
	char       room[256];
	struct buf line = buf_on(room, sizeof(room));

	cdr_end_write(e, &line);
	hand_over(&line);
}

enum err desk_boot(void)
{
	desk.tag = shm_owner_new("cdr");
	desk.shared = shm_zalloc(desk.tag, sizeof(*desk.shared));
	if (!desk.shared)
		return ERR_NOMEM;
	list_init(&desk.shared->waiting);
	return OK;
}

/* --- onto the disk --- */

static void rest_disk(const char *why)
{
	if (!desk.disk_said)
		log_error(NULL, "call records cannot be written to the spool: %s; they wait in memory up to queue_limit", why);
	desk.disk_said = desk.disk_rests = true;
	wheel_arm(loop_wheel(desk.loop), &desk.disk, clock_ms() + RETRY_MS);
}

/* In the thread. */
static void open_spool(void)
{
	desk.err = spool_open(&desk.spool, cdr_cfg.spool, desk.why, sizeof(desk.why));
}

static void opened(void)
{
	if (desk.err)
		rest_disk(desk.why);
	else
		desk.open = true;
}

/* Copies of the first that wait, as many as fit. */
static void gather(void)
{
	struct buf b = buf_on(desk.group, sizeof(desk.group));

	desk.gathered = 0;
	desk.all = true;
	LIST_EACH(struct entry, e, &desk.shared->waiting, mail.link) {
		if (e->len > b.cap - b.len) {
			desk.all = false;
			break;
		}
		buf_add(&b, str_n(e->line, e->len));
		desk.gathered++;
	}
	desk.text = buf_str(&b);
}

/* In the thread. */
static void append(void)
{
	desk.err = spool_append(&desk.spool, desk.text);
	if (desk.err == ERR_LIMIT)
		snprintf(desk.why, sizeof(desk.why), "%s has reached spool_limit, since the database is away", desk.spool.folder);
	else if (desk.err)
		snprintf(desk.why, sizeof(desk.why), "%s: %s", desk.spool.folder, strerror(errno));
}

static void appended(void)
{
	if (desk.err) {
		rest_disk(desk.why);
		return;
	}
	counter_add(&cdr_spooled, (int64_t)desk.gathered);
	for (; desk.gathered; desk.gathered--)
		release(LIST_FIRST(&desk.shared->waiting, struct entry, mail.link));
	if (!desk.all)
		return;
	desk.synced_ms = clock_ms();
	if (desk.disk_said)
		log_info(NULL, "call records are written to the spool again");
	desk.disk_said = false;
}

static bool append_due(void)
{
	uint64_t due = desk.synced_ms + cdr_cfg.sync_ms;

	if (desk.disk_rests || list_empty(&desk.shared->waiting))
		return false;
	if (due <= clock_ms() || desk.stopping)
		return true;
	wheel_arm(loop_wheel(desk.loop), &desk.again, due);
	return false;
}

static void to_disk(void)
{
	gather();
	disk_do(append, appended);
}

/* --- into the database --- */

static struct db_stmt put = {
	"INSERT INTO calls (id, call_id, from_tag, to_tag, caller, callee, target, source, start_ms, answer_ms, end_ms, ended_by, code, reason, route) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (id) DO NOTHING", 15, 0
};
static struct db_stmt finish = {
	"UPDATE calls SET end_ms = CASE WHEN answer_ms > $2 THEN answer_ms ELSE $2 END, ended_by = $3 WHERE id = $1 AND end_ms IS NULL", 3, 0
};

static struct db_value time_or_null(int64_t ms)
{
	return ms ? db_int(ms) : db_null();
}

static struct db_value party_or_null(enum cdr_party p)
{
	return p == CDR_NOBODY ? db_null() : db_text(str_of(cdr_party_name(p)));
}

static struct db_write *letter_of(const struct cdr_line *l)
{
	const struct cdr_record *r = &l->r;

	if (l->kind == CDR_IS_END)
		return db_write_new(&finish, (const struct db_value[]){ db_text(l->id), db_int(r->end_ms), party_or_null(r->ended_by) }, finish.params);
	return db_write_new(&put, (const struct db_value[]){
		db_text(l->id), db_text(r->call_id), db_text(r->from_tag), db_text(r->to_tag), db_text(r->caller), db_text(r->callee), db_text(r->target),
		db_text(r->source), db_int(r->start_ms), time_or_null(r->answer_ms), time_or_null(r->end_ms), party_or_null(r->ended_by),
		db_int(r->code), db_text(r->reason), db_text(r->route),
	}, put.params);
}

/* What the database will never take is kept for a person to look at. */
static void reject(struct str line)
{
	char path[300];
	int  fd;

	snprintf(path, sizeof(path), "%s/rejected", desk.spool.folder);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	counter_inc(&cdr_rejected);
	log_error(NULL, "a call record was refused by the database; it is kept in %s", path);
	if (fd < 0)
		return;
	if (write(fd, line.p, line.len) != (ssize_t)line.len || write(fd, "\n", 1) != 1)
		log_error(NULL, "nor could it be kept there: %s", strerror(errno));
	close(fd);
}

static void pause_store(void)
{
	desk.store_rests = true;
	wheel_arm(loop_wheel(desk.loop), &desk.store, clock_ms() + RETRY_MS);
}

static void rest_store(void)
{
	if (!desk.store_said)
		log_warn(NULL, "call records wait in the spool %s: the database is away", desk.spool.folder);
	desk.store_said = true;
	pause_store();
}

/* Until the thread has marked it in the spool, nothing more is read. */
static void batch_over(void)
{
	if (desk.failed) {
		rest_store();
		return;
	}
	desk.taken = desk.batch;
	if (desk.store_said)
		log_info(NULL, "call records are written to the database again");
	desk.store_said = false;
}

static void written(struct db_write *w)
{
	struct str rest = str_from(str_n(desk.lines, desk.batch), (size_t)((char *)w->owner - desk.lines));

	if (w->result == ERR_IO || w->result == ERR_NOMEM || w->result == ERR_UNSUPPORTED)	/* the last: a GRANT is missing, not the record wrong */
		desk.failed = true;
	else if (w->result)
		reject(str_take_until(&rest, '\n'));
	else
		counter_inc(&cdr_written);
	db_write_free(w);
	if (--desk.out == 0)
		batch_over();
}

static void send_line(struct str line)
{
	struct cdr_line  l;
	struct db_write *w;

	if (cdr_line_read(line, &l)) {
		counter_inc(&cdr_damaged);
		reject(line);
		return;
	}
	w = letter_of(&l);
	if (!w) {
		desk.failed = true;
		return;
	}
	w->owner = (void *)(uintptr_t)line.p;
	w->done = written;
	desk.out++;
	db_write_submit(w);
}

/* In the thread. */
static void mark_done(void)
{
	spool_done(&desk.spool, desk.taken);
}

static void marked(void)
{
	desk.taken = 0;
}

/* In the thread. */
static void read_spool(void)
{
	desk.err = spool_read(&desk.spool, desk.lines, sizeof(desk.lines), &desk.text);
	if (desk.err)
		snprintf(desk.why, sizeof(desk.why), "%s", strerror(errno));
}

static void spool_was_read(void)
{
	struct str rest = desk.text;

	if (desk.err) {
		log_error(NULL, "the spool %s cannot be read: %s", desk.spool.folder, desk.why);
		pause_store();
		return;
	}
	desk.batch = rest.len;
	desk.failed = false;
	while (rest.len)
		send_line(str_take_until(&rest, '\n'));
	if (desk.batch && !desk.out)
		batch_over();
}

static bool read_due(void)
{
	return !desk.store_rests && !desk.out && spool_has_more(&desk.spool);
}

/* --- the writer process --- */

static void say_lost(void)
{
	int64_t lost = counter_read(&cdr_lost);

	if (lost > desk.lost_said)
		log_error(NULL, "call records are lost for want of memory: raise queue_limit or memory_limit lost=%lld", (long long)lost);
	desk.lost_said = lost;
}

/* While the thread has nothing to do: the spool is ours. */
static void count_spool(void)
{
	counter_add(&cdr_spool_bytes, (int64_t)desk.spool.bytes - counter_read(&cdr_spool_bytes));
	counter_add(&cdr_damaged, (int64_t)desk.spool.torn);
	desk.spool.torn = 0;
	desk.left = desk.spool.bytes > 0;
	desk.caught_up = desk.spool.first >= desk.spool.begun;
}

/* What has been read goes first: it is quick, and then it is with the database for a while. */
static void give_errand(void)
{
	if (!desk.open) {
		if (!desk.disk_rests)
			disk_do(open_spool, opened);
		return;
	}
	count_spool();
	if (desk.taken)
		disk_do(mark_done, marked);
	else if (read_due())
		disk_do(read_spool, spool_was_read);
	else if (append_due())
		to_disk();
}

static void turn(void *unused)
{
	(void)unused;
	if (!desk.loop)
		return;
	if (!disk_busy())
		give_errand();
	say_lost();
}

static void on_again(struct timer *t)
{
	(void)t;	/* the end of the turn does it */
}

static void on_disk(struct timer *t)
{
	(void)t;
	desk.disk_rests = false;
}

static void on_store(struct timer *t)
{
	(void)t;
	desk.store_rests = false;
}

bool *desk_rows_missing(void)
{
	return &desk.shared->rows_missing;
}

bool desk_caught_up(void)
{
	return desk.caught_up;
}

void desk_simulate(void)
{
	desk.simulated = true;
}

void desk_statements(void)
{
	db_stmt_register(&put);
	db_stmt_register(&finish);
}

enum err desk_start(struct loop *l, char *why)
{
	if (desk.simulated)
		return OK;
	if (desk.open)
		spool_close(&desk.spool);	/* a test plays several processes */
	if (disk_start(l)) {
		snprintf(why, 256, "no thread for call records: raise the limits of processes (ulimit -u) and of open files (ulimit -n)");
		return ERR_IO;
	}
	desk.loop = l;
	desk.open = desk.stopping = desk.disk_rests = desk.store_rests = desk.left = desk.caught_up = false;
	desk.out = 0;
	desk.taken = 0;
	desk.synced_ms = 0;
	desk.lost_said = counter_read(&cdr_lost);
	timer_init(&desk.again, on_again);
	timer_init(&desk.disk, on_disk);
	timer_init(&desk.store, on_store);
	loop_at_turn_end(l, turn, NULL);
	return OK;
}

/* Their supervisor sees to it that they end first; where it was killed, all end at the same time. */
static bool workers_alive(void)
{
	for (unsigned i = 0; i < proc_count(); i++) {
		const struct proc *p = proc_get(i);

		if (str_starts(str_of(p->role), STR("worker")) && p->pid && p->pid != getpid() && !kill(p->pid, 0))
			return true;
	}
	return false;
}

static bool is_busy(void)
{
	return (desk.out || desk.taken || desk.left || disk_busy()) && !desk.store_rests && !desk.disk_rests;
}

/* What has come is put on the disk; and into the database, where that is quick. The rest is there at the next start. */
void desk_stop(void)
{
	uint64_t until = clock_ms() + STOP_MS;

	if (!desk.loop)
		return;
	desk.stopping = true;
	do {
		loop_turn(desk.loop, 10);
	} while ((workers_alive() || is_busy()) && clock_ms() < until);
	while (mailbox_read())
		;
	disk_wait();
	while (desk.open && append_due()) {
		to_disk();
		disk_wait();
	}
	disk_stop();
	wheel_disarm(&desk.again);
	wheel_disarm(&desk.disk);
	wheel_disarm(&desk.store);
	if (desk.open)
		spool_close(&desk.spool);
	desk.open = false;
	desk.disk_rests = true;
}
