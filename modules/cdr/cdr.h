#pragma once
/* Private to this folder: records of calls, from the first INVITE to a row of the table `calls`.
 *
 * While it rings, a call is a witness of its INVITE's transaction (invite.c). With the 2xx its row is written, still without an end, and what is
 * needed to know its BYE is put into a hash table (dialog.c); with the end that row is completed. Whatever has to be written is a line of text
 * (line.c), which is a letter to the writer process: that puts it on the disk (spool.c, in a thread: disk.c), and from there into the database (desk.c). */
#include "module/module.h"
#include "net/mailbox.h"
#include "shm/lock.h"
#include "shm/shm.h"

struct cdr_cfg {
	struct str spool;		/* the folder */
	uint32_t   sync_ms;
	uint64_t   spool_limit, queue_limit;	/* bytes */
	int64_t    max_calls;
	uint32_t   max_duration_s;
	bool       refused;
};
extern struct cdr_cfg cdr_cfg;
extern struct counter cdr_open, cdr_answered, cdr_missed, cdr_failed, cdr_expired, cdr_unfollowed, cdr_queued, cdr_lost, cdr_spooled, cdr_spool_bytes, cdr_written,
	cdr_damaged, cdr_rejected;

/* --- step.c: a call as a pure function --- */
enum cdr_state { CDR_RINGING, CDR_CANCELLED, CDR_TALKING, CDR_OVER, CDR_STATES };
enum cdr_event {
	CDR_CANCEL,		/* the caller gives up */
	CDR_CHALLENGE,		/* 401 or 407 goes upstream: who calls comes again with his credentials */
	CDR_REFUSAL,		/* another final answer but 2xx, of a callee */
	CDR_OWN_REFUSAL,	/* the same, of ours: the script's, or for want of an answer */
	CDR_SUCCESS,		/* a 2xx */
	CDR_BYE_CALLER, CDR_BYE_CALLEE,	/* answered, or given up: RFC 3261 §15.1.1 */
	CDR_LIMIT,		/* the longest that a call may last, or its session timer (RFC 4028) */
	CDR_EVENTS
};
enum cdr_todo {
	CDR_WRITE = 1 << 0,	/* the record as it is now: a row of the table */
	CDR_FOLLOW = 1 << 1,	/* the dialog has begun: expect its BYE */
	CDR_FINISH = 1 << 2,	/* its end goes into the row that is there */
};
enum cdr_party { CDR_NOBODY, CDR_CALLER, CDR_CALLEE, CDR_SERVER };
struct cdr_step {
	uint8_t next;		/* enum cdr_state */
	uint8_t todo;		/* enum cdr_todo */
	uint8_t ended_by;	/* enum cdr_party */
};
struct cdr_step cdr_step(enum cdr_state s, enum cdr_event ev);
const char *cdr_party_name(enum cdr_party p);	/* as the table has it; "" for nobody */
/* What a final answer to a BYE makes of the call; false: nothing, for the BYE will come again with credentials. */
bool cdr_bye_counts(uint16_t status);

/* --- line.c: what is written, as a line of the spool --- */
enum { CDR_LINE_BYTES = 8192, CDR_ID_BYTES = 28 };
/* A record; texts may be anything that came from the network. */
struct cdr_record {
	uint64_t       number;		/* with the node's name: the row's id */
	uint64_t       key;		/* of its Call-ID, cdr_key() */
	struct str     call_id, from_tag, to_tag, caller, callee, target, source, reason, route;
	int64_t        start_ms, answer_ms, end_ms;	/* 0: not */
	enum cdr_party ended_by;
	uint16_t       code;
};
struct cdr_end {
	uint64_t       number, key;
	int64_t        end_ms;
	enum cdr_party ended_by;
};
void cdr_record_write(const struct cdr_record *r, struct buf *out);
void cdr_end_write(const struct cdr_end *e, struct buf *out);
/* A line read back, without its newline; texts are slices of it. ERR_SYNTAX: damaged. */
enum cdr_kind { CDR_IS_RECORD, CDR_IS_END };
struct cdr_line {
	enum cdr_kind     kind;
	struct str        id;
	struct cdr_record r;	/* of an end: number, key, end_ms, ended_by */
};
MUST_CHECK enum err cdr_line_read(struct str line, struct cdr_line *out);

/* --- node.c: who we are, kept in the spool's folder so that it is the same in the next life --- */
/* On error `why` is a sentence. */
MUST_CHECK enum err node_load(struct str folder, char *why, size_t cap);
void node_draw(void);	/* a new one, kept nowhere */
/* Of the parts of a dialog and of an INVITE. */
uint64_t cdr_key(struct str s);
/* The same INVITE gives the same number, however often it comes. */
uint64_t cdr_number(struct msg *m);
void     cdr_id_write(uint64_t number, struct buf *out);
struct str node_prefix(void);	/* of our ids */

/* --- invite.c: the clerk (proxy/request.h) --- */
extern const struct proxy_clerk cdr_clerk;
bool invite_begins_call(struct request *r);	/* an INVITE outside of a dialog */
/* The call that this INVITE begins is one of that key's from now on; counted once, however often it is asked for. ERR_LIMIT: there are `most`; ERR_NOMEM. It has a
 * transaction. */
MUST_CHECK enum err invite_count(struct request *r, uint64_t key, int64_t most);
void invite_uncount(struct request *r, uint64_t key);
void invite_silence(struct request *r);		/* no record of it; what is counted stays counted */

/* --- dialog.c: calls under way that were answered --- */
struct dialog_begin {
	uint64_t number, key, caller_tag, callee_tag;	/* cdr_key() of the texts */
	int64_t  answer_ms;		/* since 1970 */
	uint32_t session_s;		/* RFC 4028, 0: none */
	struct seat **seats;		/* taken over where it is added; NULL: none */
	bool     silent;		/* there is no record that would want an end */
};
MUST_CHECK enum err dialog_boot(void);
/* ERR_LIMIT, ERR_NOMEM: nobody will know of its end. ERR_EXISTS: it is there. `arm` false: before the fork. */
MUST_CHECK enum err dialog_add(const struct dialog_begin *b, bool arm);
void dialog_drop(uint64_t key, uint64_t number);	/* loading */
/* The witness of a request within a dialog that we follow; NULL: it is none, or of no interest. */
struct tm_witness *dialog_begun(struct request *r);
void dialog_arm_all(void);	/* of those that were loaded */

/* --- seats.c: how many calls somebody takes part in --- */
struct seat;	/* one call of somebody's; in a list of who holds it, guarded by the holder's lock, of a rank below RANK_TALLY. In a critical section */
MUST_CHECK enum err seats_boot(void);
/* OK also when the list has a seat of that key already. ERR_LIMIT: there are `most` in all lists; ERR_NOMEM. */
MUST_CHECK enum err seat_take(struct seat **list, uint64_t key, int64_t most);
void seat_leave(struct seat **list, uint64_t key);
void seats_leave(struct seat **list);		/* all of the list */
int64_t seats_taken(uint64_t key);

/* --- count.c: functions of the script --- */
enum verdict fn_count_call(struct call *c);
enum verdict fn_uncount_call(struct call *c);
enum verdict fn_calls_of(struct call *c);

/* --- desk.c: the queue, and the writer's part --- */
shm_owner cdr_owner(void);
MUST_CHECK enum err desk_boot(void);
void desk_simulate(void);	/* a test of a script has no disk */
void desk_statements(void);	/* supervisor, at the start */
/* Hand over. Also under locks below RANK_MAILBOX. */
void desk_record(const struct cdr_record *r);
void desk_end(const struct cdr_end *e);
MUST_CHECK enum err desk_start(struct loop *l, char *why);
void desk_stop(void);
bool *desk_rows_missing(void);	/* shared: calls under way are still to be asked for */
bool desk_caught_up(void);	/* what was in the spool when this process began is in the database */

/* --- disk.c: the writer's thread for the spool --- */
MUST_CHECK enum err disk_start(struct loop *l);
/* One errand at a time: work() in the thread, and then after() in the loop. Until then what work() touches is the thread's. */
void disk_do(void (*work)(void), void (*after)(void));
bool disk_busy(void);
void disk_wait(void);	/* until nothing is under way */
void disk_stop(void);	/* the same, and the thread ends */

/* --- load.c --- */
MUST_CHECK enum err calls_load(char *why, size_t cap);
/* In the writer: what the database could not tell then it is asked for as soon as it is there. */
void calls_load_later(struct loop *l);

/* --- spool.c: lines in files, one process --- */
struct spool {
	char     folder[256];
	int      lock_fd, fd;		/* -1: none. fd: of the segment that is written */
	uint64_t first, last;		/* segments there are; last is being written, first read */
	uint64_t begun;			/* the first one of this process */
	uint64_t read_at, written;	/* bytes of those two */
	uint64_t bytes;			/* of all */
	uint64_t segment_bytes;		/* when another one is begun */
	uint64_t torn;			/* lines found so, since it was opened */
};
/* Make the folder where there is none. On error `why` names it, the setting and the remedy. */
MUST_CHECK enum err spool_folder(struct str path, char *why, size_t cap);
/* ERR_EXISTS: another process writes there. */
MUST_CHECK enum err spool_open(struct spool *s, struct str path, char *why, size_t cap);
void spool_close(struct spool *s);
/* All of it is on the disk, or nothing. */
MUST_CHECK enum err spool_append(struct spool *s, struct str lines);
/* Whole lines that have not been done with, as many as fit; empty: there are none. ERR_IO. */
MUST_CHECK enum err spool_read(struct spool *s, char *room, size_t cap, struct str *out);
/* Is there a reason to read? */
bool spool_has_more(const struct spool *s);
/* So many bytes of them are in the database. */
void spool_done(struct spool *s, size_t bytes);
/* Every line of a folder, in order, without opening it for writing. */
void spool_each(struct str path, void (*fn)(void *arg, struct str line), void *arg);
