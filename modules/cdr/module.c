#include "modules/cdr/cdr.h"

#include <stdio.h>

struct cdr_cfg cdr_cfg;

static const struct mod_param params[] = {
	{ "spool", P_STR, &cdr_cfg.spool, "\"var/cdr\"", 0, 0, NULL, "folder for records on their way to the database; made where there is none; each server has its own", false },
	{ "sync_interval", P_MS, &cdr_cfg.sync_ms, "200ms", 0, 10000, NULL, "a record is on the disk so long after its call has ended, at the latest; 0s: at once", true },
	{ "spool_limit", P_SIZE, &cdr_cfg.spool_limit, "1GB", 1 << 20, INT64_MAX, NULL, "bytes on the disk while the database is away, about 2 million calls", true },
	{ "queue_limit", P_SIZE, &cdr_cfg.queue_limit, "16MB", 1 << 16, INT64_MAX, NULL, "bytes in shared memory while the disk does not take them; what is beyond is lost and counted", true },
	{ "max_calls", P_INT, &cdr_cfg.max_calls, "100000", 1, 10000000, NULL, "calls at a time whose end is waited for, 200 bytes each; of those beyond the end is not known", true },
	{ "max_duration", P_SECONDS, &cdr_cfg.max_duration_s, "12h", 60, 7 * 86400, NULL, "a call without a BYE for so long has been ended by the server, as far as its record goes", true },
	{ "refused", P_BOOL, &cdr_cfg.refused, "on", 0, 0, NULL, "records of calls, too, that the script answered by itself without asking anybody (403, 404, 480 …)", true },
	{ 0 }
};

/* The script wants no record of this call. */
static enum verdict fn_cdr_off(struct call *c)
{
	invite_silence(c->req);
	return V_OK;
}

static const struct mod_arg count_args[] = {
	{ "user", T_ANY, false, NULL, 0, 0 },
	{ "most", T_INT, false, NULL, 0, 1000000 },
	{ 0 }
};
static const struct mod_arg user_args[] = {
	{ "user", T_ANY, false, NULL, 0, 0 },
	{ 0 }
};

static const struct mod_func funcs[] = {
	{ "count_call", fn_count_call, count_args, T_BOOL, false, NULL, IN_REQUEST, F_MAY_END,
	  "this call is one of that user's, or of any name, from now until it ends; false, and it is not counted: there are `most` already. A call counts once for each "
	  "name; its end is known with record_route(). True for what begins no call" },
	{ "uncount_call", fn_uncount_call, user_args, T_NULL, false, NULL, IN_REQUEST, 0,
	  "it is none of theirs any more: it goes elsewhere before it is answered" },
	{ "calls_of", fn_calls_of, user_args, T_INT, false, NULL, IN_ANY, 0, "how many calls that were counted for that user are under way; to refuse one, ask count_call()" },
	{ "cdr_off", fn_cdr_off, NULL, T_NULL, false, NULL, IN_REQUEST, 0, "no record of this call; before it is answered" },
	{ 0 }
};

struct counter cdr_open = { .name = "cdr.open", .help = "calls under way whose end is waited for", .unit = "calls", .gauge = true };
struct counter cdr_answered = { .name = "cdr.answered", .help = "calls that were answered", .unit = "calls" };
struct counter cdr_missed = { .name = "cdr.missed", .help = "calls that their caller gave up, or that nobody answered (408, 480)", .unit = "calls" };
struct counter cdr_failed = { .name = "cdr.failed", .help = "calls that ended with another final answer", .unit = "calls" };
struct counter cdr_expired = { .name = "cdr.expired", .help = "calls without a BYE, ended by max_duration or their session timer", .unit = "calls" };
struct counter cdr_unfollowed = { .name = "cdr.unfollowed", .help = "answered calls whose end will not be known: without record_route(), or beyond max_calls", .unit = "calls" };
struct counter cdr_queued = { .name = "cdr.queued", .help = "lines in shared memory, on their way to the disk", .unit = "lines", .gauge = true };
struct counter cdr_lost = { .name = "cdr.lost", .help = "records lost for want of memory", .unit = "records" };
struct counter cdr_spooled = { .name = "cdr.spooled", .help = "lines written to the disk: one for a call that was not answered, else two", .unit = "lines" };
struct counter cdr_spool_bytes = { .name = "cdr.spool_bytes", .help = "size of the spool", .unit = "bytes", .gauge = true };
struct counter cdr_written = { .name = "cdr.written", .help = "lines that the database has taken", .unit = "lines" };
struct counter cdr_damaged = { .name = "cdr.damaged", .help = "lines of the spool that were torn by a crash or damaged on the disk", .unit = "lines" };
struct counter cdr_rejected = { .name = "cdr.rejected", .help = "lines that the database refused; they are in the spool's file `rejected`", .unit = "lines" };

static struct counter *counters[] = {
	&cdr_open, &cdr_answered, &cdr_missed, &cdr_failed, &cdr_expired, &cdr_unfollowed, &cdr_queued, &cdr_lost, &cdr_spooled, &cdr_spool_bytes,
	&cdr_written, &cdr_damaged, &cdr_rejected, NULL
};

static enum err configure(char *why)
{
	if (db_configured())
		return OK;
	snprintf(why, 256, "records of calls need a database: add `database \"sqlite:var/sipario.db\";` or take module cdr out");
	return ERR_STATE;
}

static enum err start(char *why)
{
	if (desk_boot() || seats_boot() || dialog_boot()) {
		snprintf(why, 256, "no room for the calls under way; raise memory_limit");
		return ERR_NOMEM;
	}
	desk_statements();
	proxy_set_clerk(&cdr_clerk);
	return calls_load(why, 256);
}

/* Those that were loaded before the fork. */
static enum err worker_start(struct loop *l, char *why)
{
	(void)l, (void)why;
	dialog_arm_all();
	return OK;
}

static enum err writer_start(struct loop *l, char *why)
{
	enum err err = desk_start(l, why);

	if (!err)
		calls_load_later(l);
	return err;
}

const struct module module = {
	.abi = MODULE_ABI, .name = "cdr", .help = "records of calls, in the table calls of the database: by way of the disk, once each",
	.params = params, .funcs = funcs, .counters = counters, .configure = configure, .start = start, .worker_start = worker_start,
	.writer_start = writer_start, .writer_stop = desk_stop,
};
