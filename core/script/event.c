#include "script/event.h"

#include <stdlib.h>

#include "base/clock.h"
#include "script/background.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { FIRST_WORKER = 1 };

/* One that was raised. In shared memory when it goes to another process, else private; its values and what they point to lie behind it. */
struct raised {
	struct mail         mail;	/* first */
	struct raised      *next;
	const struct mod_event *event;
	struct value        v[];
};
static struct {
	struct raised *first, **last;	/* private ones that wait for the next turn */
	struct timer   timer;		/* private wheel */
} queue = { .last = &queue.first };

static const struct field reload_fields[] = {
	{ "program", T_INT, false, "its number" },
	{ "version", T_STR, false, "the beginning of the digest of its texts" },
	{ 0 },
};
static const struct shape reload_shape = { "reload", reload_fields };
struct mod_event event_reload = { .name = "core:reload", .shape = &reload_shape, .help = "this program has taken the place of another one; once in all workers" };
struct mod_event *const core_events[] = { &event_reload, &event_timeout, NULL };

const struct mod_event *event_find(const struct module *(*at)(size_t i), struct str name)
{
	const struct module *m;

	for (size_t i = 0; (m = at(i)); i++)
		for (struct mod_event *const *e = m->events; e && *e; e++)
			if (str_is(name, (*e)->name))
				return *e;
	return NULL;
}

void events_heard(const struct program *p)
{
	const struct module *m;

	for (size_t i = 0; (m = module_at(i)); i++)
		for (struct mod_event *const *e = m->events; e && *e; e++)
			(*e)->heard = program_route(p, ROUTE_EVENT, str_of((*e)->name)) != NULL;
}

/* --- values, flat --- */

static size_t field_count(const struct mod_event *e)
{
	size_t n = 0;

	while (e->shape && e->shape->fields[n].name)
		n++;
	return n;
}

static struct str bytes_of(const struct value *v)
{
	if (v->type == T_STR || v->type == T_URI)
		return v->u.s;
	return v->type == T_IP ? str_n((const char *)v->u.ip, sizeof(*v->u.ip)) : STR_NONE;
}

enum { ALIGN = 8 };

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static size_t flat_bytes(const struct value *v, size_t n)
{
	size_t bytes = n * sizeof(*v);

	for (size_t i = 0; i < n; i++)
		bytes += aligned(bytes_of(&v[i]).len);
	return bytes;
}

static void flat_copy(struct value *to, const struct value *v, size_t n)
{
	char *at = (char *)&to[n];

	for (size_t i = 0; i < n; i++) {
		struct str s = bytes_of(&v[i]);

		to[i] = v[i];
		if (!s.p)
			continue;
		memcpy(at, s.p, s.len);
		if (v[i].type == T_IP)
			to[i].u.ip = (const struct addr *)(void *)at;
		else
			to[i].u.s = str_n(at, s.len);
		at += aligned(s.len);
	}
}

/* --- running --- */

static void run_it(const struct raised *r)
{
	background_event(r->event, r->v, flat_bytes(r->v, field_count(r->event)));
}

static void run_all(struct timer *t)
{
	struct raised *r = queue.first, *next;

	(void)t;
	queue.first = NULL;
	queue.last = &queue.first;
	for (; r; r = next) {
		next = r->next;
		run_it(r);
		free(r);
	}
}

static void raised_free(void *raised)
{
	critical_enter();
	hand_give(raised);
	shm_free(raised);
	critical_leave();
}

/* Not raised once more where the process dies over it: who made it die might do so again. */
static void on_letter(struct mail *m)
{
	struct raised *r = CONTAINER(m, struct raised, mail);

	critical_enter();
	mail_settled(m);
	hand_take(r, raised_free);
	critical_leave();
	run_it(r);
	raised_free(r);
}

static void keep(struct raised *r)
{
	if (!queue.first) {
		timer_init(&queue.timer, run_all);
		wheel_arm(loop_wheel(script_loop()), &queue.timer, clock_ms());
	}
	*queue.last = r;
	queue.last = &r->next;
}

/* NULL: no memory. */
static struct raised *raised_new(const struct mod_event *e, const struct value *v, bool here)
{
	size_t         n = field_count(e), bytes = sizeof(struct raised) + flat_bytes(v, n);
	struct raised *r = here ? calloc(1, bytes) : shm_zalloc(shm_owner_new("script.events"), bytes);

	if (!r)
		return NULL;
	mail_init(&r->mail, on_letter);
	r->event = e;
	flat_copy(r->v, v, n);
	return r;
}

/* Without memory it is lost, as an event of a process that dies is. */
void event_raise(const struct mod_event *e, const struct value *v)
{
	bool           here = script_loop();
	struct raised *r;

	if (!e->heard)
		return;
	critical_enter();
	r = raised_new(e, v, here);
	if (r && !here)
		mail_post(FIRST_WORKER, &r->mail);
	critical_leave();
	if (r && here)
		keep(r);
}

void script_reloaded(uint32_t number, struct str version)
{
	struct value v[] = { value_int(number), value_str(version) };

	if (proc_self() == FIRST_WORKER)
		event_raise(&event_reload, v);
}
