#include "process/reload.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "process/adopt.h"
#include "process/checker.h"
#include "script/sht.h"

enum { LATE_MS = 30 * 1000, MOST_DATA = 64 << 20 };
enum stage { IDLE, CHECKING, PREPARING, CHANGING };

static struct {
	struct loop     *loop;
	enum stage       stage;
	enum reload_what what;
	struct version   next;
	struct script   *script;	/* of `next`, in this process */
	struct script   *before;	/* of versions_get().before: keeps its tables alive; NULL after a start of this process */
	struct timer     late;
	struct arena     arena;		/* of one reload */
	struct json     *outcome;	/* of its check */
	reload_done     *done;
	void            *arg;
} own;

/* --- the others' seats --- */

static uint32_t seat_read(unsigned i, size_t field)
{
	return __atomic_load_n((uint32_t *)((char *)&adopt_desk()->seat[i] + field), __ATOMIC_ACQUIRE);
}

static bool is_other(unsigned i)
{
	return i != PROC_SUPERVISOR && i != proc_self();
}

static bool all_are(size_t field, uint32_t value)
{
	for (unsigned i = 0; i < proc_count(); i++)
		if (is_other(i) && seat_read(i, field) != value)
			return false;
	return true;
}

/* The first that is, or (`is` false) is not; its name. */
static const char *first_that(size_t field, uint32_t value, bool is)
{
	for (unsigned i = 0; i < proc_count(); i++)
		if (is_other(i) && (seat_read(i, field) == value) == is)
			return proc_get(i)->role;
	return NULL;
}

static uint32_t oldest(void)
{
	uint32_t least = versions_get().epoch;

	for (unsigned i = 0; i < proc_count(); i++)
		if (is_other(i) && seat_read(i, offsetof(struct seat, oldest)) < least)
			least = seat_read(i, offsetof(struct seat, oldest));
	return least;
}

static void ask_all(void)
{
	for (unsigned i = 0; i < proc_count(); i++)
		if (is_other(i))
			mail_post(i, &adopt_desk()->seat[i].to);
}

/* --- the end of it --- */

static const char *word_of(enum reload_what what)
{
	return what == RELOAD_BACK ? "rollback" : "reload";
}

static struct str data_of(void)
{
	static const char *const lists[] = { "diagnostics", "refused", "changes" };
	struct versions          v = versions_get();
	struct json_out          o = json_into(&own.arena);

	json_open_object(&o, NULL);
	json_put_text(&o, "script", str_of(versions_file()));
	json_put_int(&o, "program", v.now.number);
	json_put_text(&o, "program_version", str_of(v.now.digest));
	json_put_int(&o, "program_loaded_unix", v.now.loaded_unix);
	if (v.before.number)
		json_put_int(&o, "program_before", v.before.number);
	json_put_text(&o, "report", json_text(json_get(own.outcome, "report")));
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		const struct json *list = json_get(own.outcome, lists[i]);

		json_put_json(&o, lists[i], list ? json_dump(&own.arena, list, false) : STR("[]"));
	}
	json_close_object(&o);
	return json_done(&o);
}

static void end(bool changed, struct str message)
{
	reload_done *done = own.done;
	struct str   data = data_of();

	wheel_disarm(&own.late);
	own.stage = IDLE;
	own.done = NULL;
	if (done)
		done(own.arg, changed, message.p ? message : STR("no memory"), data.p ? data : STR("{}"));
	json_free(own.outcome);
	own.outcome = NULL;
	arena_free(&own.arena);
}

/* Nothing has changed, and nothing shall. */
static void give_up(struct str why)
{
	struct versions v = versions_get();
	struct str      message = arena_printf(&own.arena, "nothing was changed, program %u goes on: " STR_FMT, v.now.number, STR_ARG(why));

	script_free(own.script);
	own.script = NULL;
	__atomic_store_n(&adopt_desk()->preparing, 0, __ATOMIC_RELEASE);
	ask_all();
	log_warn(NULL, "%s refused file=%s program=%u reason=\"" STR_FMT "\"", word_of(own.what), versions_file(), v.now.number, STR_ARG(why));
	end(false, message);
}

/* --- changing --- */

/* Tables that no program has any more go when the last run that could see them has ended. */
static void sweep(void)
{
	struct versions v = versions_get();

	sht_mark(own.before, v.epoch);
	sht_mark(script_now(), v.epoch);
	sht_sweep(oldest());
}

static void changed(void)
{
	struct versions v = versions_get();
	const char     *late = first_that(offsetof(struct seat, active), v.epoch, false);

	if (late)
		log_error(NULL, "a process has not taken the new program yet process=\"%s\" program=%u", late, v.now.number);
	log_info(NULL, "%s: program=%u version=%s file=%s before=%u", word_of(own.what), v.now.number, v.now.digest, versions_file(), v.before.number);
	end(true, arena_printf(&own.arena, "%s is program %u now, version %s; program %u is kept for `siparioctl rollback`%s%s", versions_file(),
			       v.now.number, v.now.digest, v.before.number, late ? "; not yet in " : "", late ? late : ""));
	sweep();
}

/* From the switch on there is no way back but another reload. */
static void change(void)
{
	struct script *was = script_keep(script_now());
	char           why[256] = "";

	own.stage = CHANGING;
	versions_switch(&own.next);
	if (adopt_switch(own.script, versions_get().epoch, why, sizeof(why))) {
		log_error(NULL, "the control process cannot take the new program, starting again with it reason=\"%s\"", why);
		exit(1);
	}
	own.script = NULL;
	script_free(own.before);
	own.before = was;
	__atomic_store_n(&adopt_desk()->preparing, 0, __ATOMIC_RELEASE);
	ask_all();
}

static void look(void)
{
	uint32_t ticket = adopt_desk()->preparing;

	if (own.stage == PREPARING && first_that(offsetof(struct seat, failed), ticket, true))
		give_up(arena_printf(&own.arena, "%s has no memory for it", first_that(offsetof(struct seat, failed), ticket, true)));
	else if (own.stage == PREPARING && all_are(offsetof(struct seat, prepared), ticket))
		change();
	if (own.stage == CHANGING && all_are(offsetof(struct seat, active), versions_get().epoch))
		changed();
	else if (own.stage == IDLE)
		sweep();
}

static void on_letter(struct mail *m)
{
	(void)m;
	look();
}

static void on_late(struct timer *t)
{
	(void)t;
	if (own.stage == CHANGING)
		changed();
	else
		give_up(arena_printf(&own.arena, "%s does not answer", first_that(offsetof(struct seat, prepared), adopt_desk()->preparing, false)));
}

/* --- preparing --- */

static void prepare(void)
{
	struct desk *d = adopt_desk();
	char         why[256] = "";

	own.script = version_load(&own.next);
	if (!own.script || script_bind(own.script, why, sizeof(why))) {
		give_up(arena_dup(&own.arena, str_of(why[0] ? why : "no memory")));
		return;
	}
	own.stage = PREPARING;
	d->next = own.next;
	if (!++d->tickets)
		d->tickets = 1;
	__atomic_store_n(&d->preparing, d->tickets, __ATOMIC_RELEASE);
	wheel_arm(loop_wheel(own.loop), &own.late, clock_ms() + LATE_MS);
	ask_all();
	look();
}

static struct str faults(void)
{
	const struct json *list = json_get(own.outcome, "diagnostics");
	size_t             n = 0;

	for (size_t i = 0; i < json_count(list); i++)
		n += str_is(json_text(json_get(json_at(list, i), "level")), "error");
	return arena_printf(&own.arena, "%s has %zu error%s", versions_file(), n, n == 1 ? "" : "s");
}

static struct str refusals(void)
{
	const struct json *list = json_get(own.outcome, "refused");
	struct str         all = STR("");

	for (size_t i = 0; i < json_count(list); i++)
		all = arena_printf(&own.arena, STR_FMT "%s" STR_FMT, STR_ARG(all), i ? "; " : "", STR_ARG(json_text(json_at(list, i))));
	return arena_printf(&own.arena, "this cannot change while the server runs, restart it or put it back as it was: " STR_FMT, STR_ARG(all));
}

static bool next_version(void)
{
	struct versions v = versions_get();
	int64_t         bytes = json_int(json_get(own.outcome, "bytes"), -1);

	own.next = v.before;
	if (own.what == RELOAD_BACK || bytes < 0)
		return bytes >= 0;
	own.next = (struct version){
		.number = v.last + 1, .place = (uint32_t)json_int(json_get(own.outcome, "place"), 0), .bytes = (uint64_t)bytes, .loaded_unix = clock_unix(),
	};
	return str_cstr(json_text(json_get(own.outcome, "digest")), own.next.digest, sizeof(own.next.digest));
}

static void checked(struct str outcome)
{
	char why[128];

	own.outcome = json_read(outcome, why, sizeof(why));
	if (!own.outcome)
		give_up(STR("the check died or took too long"));
	else if (!json_bool(json_get(own.outcome, "good"), false))
		give_up(faults());
	else if (json_count(json_get(own.outcome, "refused")))
		give_up(refusals());
	else if (!next_version())
		give_up(STR("no memory to keep it"));
	else
		prepare();
}

/* --- begin --- */

enum err reload_begin(enum reload_what what, bool colour, reload_done *fn, void *arg, char *why, size_t cap)
{
	struct versions v = versions_get();

	if (!own.loop) {
		snprintf(why, cap, "this process reloads nothing");
		return ERR_STATE;
	}
	if (own.stage != IDLE) {
		snprintf(why, cap, "a %s is under way: try again when it has ended", word_of(own.what));
		return ERR_STATE;
	}
	if (what == RELOAD_BACK && !v.before.number) {
		snprintf(why, cap, "there is no earlier program: nothing was reloaded since the start");
		return ERR_NOT_FOUND;
	}
	if (checker_start(own.loop, what == RELOAD_BACK ? &v.before : NULL, colour, checked)) {
		snprintf(why, cap, "no process can be made for the check");
		return ERR_IO;
	}
	arena_init(&own.arena, NULL, 0, MOST_DATA);
	own.stage = CHECKING;
	own.what = what;
	own.done = fn;
	own.arg = arg;
	return OK;
}

void reload_forget(const void *arg)
{
	if (own.arg == arg)
		own.done = NULL;
}

/* The process before us may have died in the middle of a change: none is under way any more, and what it has changed all shall take. */
enum err reload_start(struct loop *l, char *why, size_t cap)
{
	enum err err = adopt_start(l, why, cap);

	if (err)
		return err;
	own.loop = l;
	own.stage = IDLE;
	timer_init(&own.late, on_late);
	__atomic_store_n(&adopt_desk()->preparing, 0, __ATOMIC_RELEASE);
	ask_all();
	return OK;
}

void reload_boot(unsigned slot)
{
	adopt_set_leader(slot, on_letter);
}

void reload_stop(void)
{
	if (!own.loop)
		return;
	checker_stop();
	script_free(own.script);
	script_free(own.before);
	own.script = own.before = NULL;
	adopt_stop();
	own.loop = NULL;
}
