/* The clock, what happens next, and the network. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"

#define START_UNIX_US INT64_C(1767225600000000)	/* 2026-01-01 */
enum {
	START_MS = 1000000,
	LAST_CALL_MS = 5 * 3600 * 1000,		/* all is over long before: the last call begins after 200 minutes at most */
	MENDED_DELAY_MS = 1,
};

struct world world;

/* --- what happens next: a heap; an alarm that was moved leaves a stale entry behind --- */

struct entry {
	uint64_t      at_ms, order;
	struct alarm *alarm;
};
static struct {
	struct entry *heap;
	size_t        count, cap;
	uint64_t      order;
	unsigned      per_call[MOST_CALLS + 1];	/* messages of each call so far */
} next;

static bool before(const struct entry *a, const struct entry *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
	struct entry e = next.heap[a];

	next.heap[a] = next.heap[b];
	next.heap[b] = e;
}

static void heap_push(struct entry e)
{
	size_t i = next.count;

	if (next.count == next.cap) {
		next.cap = next.cap ? 2 * next.cap : 1024;
		next.heap = realloc(next.heap, next.cap * sizeof(*next.heap));
		if (!next.heap)
			abort();
	}
	next.heap[next.count++] = e;
	for (; i && before(&next.heap[i], &next.heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct entry heap_pop(void)
{
	struct entry first = next.heap[0];
	size_t       i = 0, least;

	next.heap[0] = next.heap[--next.count];
	for (;;) {
		least = i;
		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < next.count; c++)
			if (before(&next.heap[c], &next.heap[least]))
				least = c;
		if (least == i)
			return first;
		swap(i, least);
		i = least;
	}
}

void alarm_at(struct alarm *a, uint64_t at_ms)
{
	a->at_ms = at_ms > world.now_ms ? at_ms : world.now_ms;
	a->order = ++next.order;
	heap_push((struct entry){ a->at_ms, a->order, a });
}

void alarm_off(struct alarm *a)
{
	a->order = 0;
}

/* --- time --- */

static uint64_t virtual_ms(void)
{
	return world.now_ms;
}

static int64_t virtual_us(void)
{
	return START_UNIX_US + (int64_t)world.now_ms * 1000;
}

/* --- what is noted --- */

void world_fail(const char *fmt, ...)
{
	va_list args;

	if (world.failed)
		return;
	world.failed = true;
	va_start(args, fmt);
	vsnprintf(world.why, sizeof(world.why), fmt, args);
	va_end(args);
	world_remark("VIOLATED: %.180s", world.why);
}

void world_remark(const char *fmt, ...)
{
	struct remark *r = world.traced ? calloc(1, sizeof(*r)) : NULL;
	va_list        args;

	if (!r)
		return;
	r->at_ms = world.now_ms;
	va_start(args, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, args);
	va_end(args);
	*world.last_remark = r;
	world.last_remark = &r->next;
}

/* --- places --- */

const char *ua_ip(int ua)
{
	static char text[MOST_UAS][16];

	snprintf(text[ua], sizeof(text[ua]), "10.0.0.%d", ua + 1);
	return text[ua];
}

int place_of(const struct addr *a)
{
	uint32_t ip = ntohl(a->u.v4.sin_addr.s_addr);

	return ip >> 8 == 0x0a0000 && (ip & 0xff) >= 1 && (ip & 0xff) <= MOST_UAS ? (int)(ip & 0xff) - 1 : SERVER;
}

/* --- messages --- */

static void text_copy(char *out, size_t cap, struct str s)
{
	(void)str_cstr(str_to(s, cap - 1), out, cap);
}

static int call_of(struct str call_id)
{
	struct str rest = call_id;
	uint32_t   n;

	return str_take_ch(&rest, 'c') && str_take_u32(&rest, &n) && n < MOST_CALLS ? (int)n : -1;
}

static void read_vias(struct msg *m, struct sip *out)
{
	struct msg_values it = msg_values(m, H_VIA);
	struct str        value;
	struct via        via;

	while (msg_values_next(&it, &value)) {
		if (via_parse(value, &via))
			continue;
		if (!out->vias)
			text_copy(out->via_host, sizeof(out->via_host), via.host);
		if (out->vias < 2)
			text_copy(out->vias ? out->next_branch : out->branch, sizeof(out->branch), via.branch);
		out->vias++;
	}
}

bool sip_read(struct str bytes, struct sip *out)
{
	char              room[16384];
	struct arena      a;
	struct ctx        c = { .arena = &a };
	struct msg        m;
	const struct uri *u;
	bool              good;

	*out = (struct sip){ .call = -1 };
	arena_init(&a, room, sizeof(room), 1 << 20);
	good = !msg_parse(&c, bytes, &m) && !msg_check(&m);
	if (good) {
		out->request = m.request;
		out->method = m.method;
		out->status = m.status;
		out->call = call_of(msg_call_id(&m));
		out->cseq = msg_cseq(&m)->num;
		text_copy(out->from_tag, sizeof(out->from_tag), msg_from_tag(&m));
		text_copy(out->to_tag, sizeof(out->to_tag), msg_to_tag(&m));
		u = m.request ? msg_ruri(&m) : NULL;
		text_copy(out->user, sizeof(out->user), u ? u->user : STR_NONE);
		if (msg_number(&m, H_MAX_FORWARDS, &out->max_forwards))
			out->max_forwards = 0;
		out->record_route = m.first[H_RECORD_ROUTE];
		read_vias(&m, out);
	}
	arena_free(&a);
	return good;
}

/* --- the network --- */

/* Call and number in the call, so that a shrunk plan still knows it. */
static uint32_t id_of(const struct sip *s)
{
	unsigned which = s->call < 0 ? MOST_CALLS : (unsigned)s->call;

	return which << 20 | next.per_call[which]++;
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool is_mended(uint32_t id)
{
	return bsearch(&id, world.plan->mended, world.plan->mended_count, sizeof(id), compare_ids);
}

static bool in_force(const struct fault *f, int ua)
{
	uint64_t now = world.now_ms - world.begun_ms;

	return f->on && f->kind != FAULT_WORKER && (int)f->which == ua && now >= f->at_ms && now < f->at_ms + f->for_ms;
}

/* The fault that a place suffers from just now. */
static const struct fault *cut_off(int place)
{
	for (unsigned i = 0; place != SERVER && i < world.plan->faults; i++)
		if (in_force(&world.plan->fault[i], place))
			return &world.plan->fault[i];
	return NULL;
}

static void arrive(struct alarm *a)
{
	struct packet *p = CONTAINER(a, struct packet, alarm);

	world.delivered++;
	if (p->to == SERVER)
		node_receive(p);
	else
		ua_receive(p->to, p);
}

static void trace_add(struct packet *p)
{
	*world.last_packet = p;
	world.last_packet = &p->next;
	world.sent++;
}

/* The error comes back at once; what else was on its way to that place says the same. */
static void icmp(struct alarm *a)
{
	struct packet *p = CONTAINER(a, struct packet, alarm);

	node_icmp(p->to);
}

static void set_out(struct packet *p)
{
	const struct plan  *plan = world.plan;
	const struct fault *fault = cut_off(p->from) ? cut_off(p->from) : cut_off(p->to);
	bool                mended = is_mended(p->id);
	uint32_t            delay = plan->delay_ms && !mended ? draw_below(plan->seed, 10, p->id, plan->delay_ms) : 0;

	p->slot = 1 + draw_below(plan->seed, 11, p->id, WORKERS);
	if (fault) {
		p->fate = FATE_CUT_OFF;
		p->alarm.fn = icmp;
		if (fault->kind == FAULT_GONE && p->from == SERVER)
			alarm_at(&p->alarm, world.now_ms + 1);
		return;
	}
	p->harmed = delay > 50;
	if (!mended && draw_below(plan->seed, 12, p->id, 1000) < plan->loss) {
		p->fate = FATE_LOST;
		p->harmed = true;
		return;
	}
	alarm_at(&p->alarm, world.now_ms + MENDED_DELAY_MS + delay);
}

static struct packet *packet_new(int from, int to, struct str bytes, const struct sip *sip)
{
	struct packet *p = calloc(1, sizeof(*p) + bytes.len);

	if (!p)
		abort();
	memcpy(p + 1, bytes.p, bytes.len);
	*p = (struct packet){ .from = from, .to = to, .sent_ms = world.now_ms, .sip = *sip, .alarm.fn = arrive };
	p->bytes = str_n((const char *)(p + 1), bytes.len);
	return p;
}

static void send_copy(const struct packet *of)
{
	struct packet *p = packet_new(of->from, of->to, of->bytes, &of->sip);
	uint32_t       delay = 1 + draw_below(world.plan->seed, 14, of->id, world.plan->delay_ms + 1);

	p->copy = p->harmed = true;
	p->id = of->id;
	p->slot = 1 + draw_below(world.plan->seed, 15, of->id, WORKERS);
	trace_add(p);
	alarm_at(&p->alarm, world.now_ms + delay);
}

void world_send(int from, int to, struct str bytes)
{
	struct sip     sip;
	struct packet *p;

	if (!sip_read(bytes, &sip))
		world_fail("%s sends what is no message: " STR_FMT, from == SERVER ? "the server" : "a user agent", STR_ARG(str_to(bytes, 200)));
	p = packet_new(from, to, bytes, &sip);
	p->id = id_of(&sip);
	trace_add(p);
	set_out(p);
	if (p->fate == FATE_ARRIVES && !is_mended(p->id) && draw_below(world.plan->seed, 13, p->id, 1000) < world.plan->twice) {
		p->harmed = true;
		send_copy(p);
	}
	if (from == SERVER)
		check_out(p);
}

/* --- from beginning to end --- */

static void begin(const struct plan *p, bool traced)
{
	static const struct clock_source source = { virtual_ms, virtual_us };

	world = (struct world){ .plan = p, .now_ms = START_MS, .begun_ms = START_MS, .traced = traced };
	world.last_packet = &world.packets;
	world.last_remark = &world.remarks;
	random_seed(p->seed + 1);
	clock_replace(&source);
	check_begin();
	node_begin();
	ua_begin();
}

bool world_run(const struct plan *p, bool traced)
{
	begin(p, traced);
	while (next.count && !world.failed) {
		struct entry e = heap_pop();

		if (e.alarm->order != e.order)
			continue;
		e.alarm->order = 0;
		world.now_ms = e.at_ms;
		if (world.now_ms > START_MS + (uint64_t)2 * LAST_CALL_MS) {
			world_fail("the world does not come to rest");
			break;
		}
		e.alarm->fn(e.alarm);
	}
	if (!world.failed) {
		node_quiet();
		check_end();
	}
	return !world.failed;
}
