#include "modules/cdr/cdr.h"

#include "base/clock.h"

/* A way that was tried. Shared slab, guarded by the transaction's lock, as all of its call. */
struct leg {
	struct leg *next;
	uint16_t    code;	/* 0: no answer (yet) */
	uint16_t    len;
	uint8_t     branch;
	char        uri[];
};
/* A call that rings: the witness of its INVITE. The texts lie behind it. */
struct invite {
	struct tm_witness w;
	uint64_t    number;
	int64_t     start_ms;
	struct leg *legs;
	struct seat *seats;		/* whose calls it is one of */
	struct str  call_id, from_tag, caller, callee, source;
	uint8_t     state;		/* enum cdr_state */
	bool        silent;		/* there is no record; only whose calls it is one of is kept */
	bool        recorded;		/* our Record-Route is in it: the BYE will come this way */
	char        tail[];
};
enum { URI_ROOM = 512, ROUTE_ROOM = 3072, MOST_LEG = 255, SOURCE_ROOM = ADDR_TEXT + 8 };

static struct invite *of(struct tm_witness *w)
{
	return CONTAINER(w, struct invite, w);
}

/* --- what the request says --- */

/* As it was sent: the script may have changed the Request-URI by now. */
static struct str asked_for(const struct request *r)
{
	struct str rest = r->msg.raw;

	str_take_until(&rest, ' ');
	return str_take_until(&rest, ' ');
}

/* sip:alice@example.org, as bindings and users are named; what is no URI stays as it is. */
static struct str address(struct str text, char room[URI_ROOM])
{
	struct buf b = buf_on(room, URI_ROOM);
	struct uri u;

	if (uri_parse(text, &u))
		return text;
	uri_aor(&u, &b);
	return buf_ok(&b) ? buf_str(&b) : text;
}

static struct str source_of(const struct flow *from, char room[SOURCE_ROOM])
{
	struct str name = transport_name(from->via->transport);
	struct buf b = buf_on(room, SOURCE_ROOM);

	for (size_t i = 0; i < name.len; i++)
		buf_ch(&b, ch_lower(name.p[i]));
	buf_ch(&b, ':');
	addr_write(&from->peer, &b);
	return buf_str(&b);
}

bool invite_begins_call(struct request *r)
{
	return r->msg.method == M_INVITE && !msg_to_tag(&r->msg).len;
}

/* A new INVITE, and the first time that it comes by here: where it comes back (RFC 5393: a spiral) it is still the same call. */
static bool is_new_call(struct request *r)
{
	return invite_begins_call(r) && !r->spiral && !r->unrecorded;
}

/* Texts are slices of the request and of the two rooms. */
static struct cdr_record record_of(struct request *r, char caller[URI_ROOM], char callee[URI_ROOM], char source[SOURCE_ROOM])
{
	const struct name_addr *from = msg_from(&r->msg);

	return (struct cdr_record){
		.number = cdr_number(&r->msg), .call_id = msg_call_id(&r->msg), .from_tag = msg_from_tag(&r->msg),
		.caller = address(from ? from->uri_text : STR_NONE, caller), .callee = address(asked_for(r), callee),
		.source = source_of(&r->from, source), .start_ms = clock_turn_us() / 1000,
	};
}

/* --- the witness --- */

static void leg_add(struct tm_witness *w, unsigned branch, struct str uri)
{
	struct str  text = str_to(uri, MOST_LEG);
	struct leg *leg = of(w)->silent ? NULL : shm_alloc(cdr_owner(), sizeof(*leg) + text.len), **at = &of(w)->legs;

	if (!leg)
		return;		/* the record says less then */
	*leg = (struct leg){ .branch = (uint8_t)branch, .len = (uint16_t)text.len };
	memcpy(leg->uri, text.p, text.len);
	while (*at)
		at = &(*at)->next;
	*at = leg;
}

static void leg_over(struct tm_witness *w, unsigned branch, uint16_t status, bool own)
{
	(void)own;
	for (struct leg *leg = of(w)->legs; leg; leg = leg->next)
		if (leg->branch == branch && !leg->code)
			leg->code = status;
}

static void was_cancelled(struct tm_witness *w)
{
	struct invite *v = of(w);

	v->state = cdr_step((enum cdr_state)v->state, CDR_CANCEL).next;
}

/* "sip:bob@192.0.2.1:5060 486; sip:mailbox@192.0.2.9 200": a way without a number was given up. */
static struct str route_of(const struct invite *v, char room[ROUTE_ROOM])
{
	struct buf b = buf_on(room, ROUTE_ROOM);

	for (const struct leg *leg = v->legs; leg; leg = leg->next) {
		if (leg != v->legs)
			BUF_LIT(&b, "; ");
		buf_add(&b, str_n(leg->uri, leg->len));
		if (leg->code)
			buf_printf(&b, " %u", leg->code);
	}
	return buf_str(&b);
}

/* Which way gave that answer; the last that was tried where none did. */
static struct str target_of(const struct invite *v, uint16_t status)
{
	const struct leg *last = NULL;

	for (const struct leg *leg = v->legs; leg; leg = leg->next) {
		last = leg;
		if (leg->code == status)
			break;
	}
	return last ? str_n(last->uri, last->len) : STR_NONE;
}

static bool a_leg_said(const struct invite *v, uint16_t status)
{
	for (const struct leg *leg = v->legs; leg; leg = leg->next)
		if (leg->code == status)
			return true;
	return false;
}

static enum cdr_event event_of(const struct invite *v, uint16_t status)
{
	if (status < 300)
		return CDR_SUCCESS;
	if (status == 401 || status == 407)
		return CDR_CHALLENGE;
	return a_leg_said(v, status) && status != 408 ? CDR_REFUSAL : CDR_OWN_REFUSAL;
}

static struct str reason_of(uint16_t status, struct str text)
{
	struct str line = str_take_until(&text, '\r');

	str_take_until(&line, ' ');
	str_take_until(&line, ' ');
	return line.len ? line : reason_phrase(status);
}

/* RFC 4028 §4: of the answer; 0: the session has no timer. */
static uint32_t session_s(const struct msg *answer)
{
	struct str body;
	uint32_t   s = 0;

	return answer && !msg_hdr(answer, STR("Session-Expires"), &body) && str_take_u32(&body, &s) ? s : 0;
}

/* The dialog of a 2xx: without our Record-Route, or room for it, nobody here will know how the call ends. */
static bool follow(struct invite *v, const struct cdr_record *r, const struct msg *answer)
{
	return v->recorded && !dialog_add(&(struct dialog_begin){
		.number = r->number, .key = r->key, .caller_tag = cdr_key(r->from_tag), .callee_tag = cdr_key(r->to_tag), .answer_ms = r->answer_ms,
		.session_s = session_s(answer), .seats = &v->seats, .silent = v->silent,
	}, true);
}

/* Of our own 2xx (the script's send_reply(200)): the tag stands in its text. */
static struct str to_tag_of(struct msg *answer, struct str text, struct ctx *c, struct msg *own)
{
	if (answer)
		return msg_to_tag(answer);
	return text.len && !msg_parse(c, text, own) ? msg_to_tag(own) : STR_NONE;
}

static void talking(struct invite *v, struct cdr_record *r, struct msg *answer, struct str text)
{
	char         room[4096];
	struct arena a;
	struct ctx   c = { .arena = &a };
	struct msg   own;

	arena_init(&a, room, sizeof(room), 1 << 20);
	r->to_tag = to_tag_of(answer, text, &c, &own);
	r->answer_ms = clock_turn_us() / 1000;
	if (r->answer_ms < r->start_ms)
		r->answer_ms = r->start_ms;
	if (!follow(v, r, answer) && !v->silent) {
		counter_inc(&cdr_unfollowed);
		r->ended_by = CDR_SERVER;	/* and no time of an end: it is not known */
	}
	if (!v->silent) {
		counter_inc(&cdr_answered);
		desk_record(r);
	}
	arena_free(&a);
}

static void refused(struct cdr_record *r)
{
	int64_t now = clock_turn_us() / 1000;

	r->end_ms = now > r->start_ms ? now : r->start_ms;
	counter_inc(r->ended_by == CDR_CALLER || r->code == 408 || r->code == 480 ? &cdr_missed : &cdr_failed);
	desk_record(r);
}

static void write_down(struct invite *v, uint16_t status, struct msg *answer, struct str text)
{
	struct cdr_step   step = cdr_step((enum cdr_state)v->state, event_of(v, status));
	char              room[ROUTE_ROOM];
	struct cdr_record r = {
		.number = v->number, .key = cdr_key(v->call_id), .call_id = v->call_id, .from_tag = v->from_tag, .caller = v->caller,
		.callee = v->callee, .source = v->source, .start_ms = v->start_ms, .code = status, .reason = reason_of(status, text),
		.target = target_of(v, status), .ended_by = (enum cdr_party)step.ended_by,
	};

	v->state = step.next;
	if (!(step.todo & CDR_WRITE) || (status >= 300 && (v->silent || (!v->legs && !cdr_cfg.refused))) || (v->silent && !v->seats))
		return;
	r.route = route_of(v, room);
	if (step.todo & CDR_FOLLOW)
		talking(v, &r, answer, text);
	else
		refused(&r);
}

/* Whose call it was has room for another one at once; while it is talked, the dialog has the seats. */
static void was_answered(struct tm_witness *w, uint16_t status, struct msg *answer, struct str text)
{
	struct invite *v = of(w);

	write_down(v, status, answer, text);
	if (v->state >= CDR_TALKING)
		seats_leave(&v->seats);
}

static void gone(struct tm_witness *w)
{
	struct leg *next;

	seats_leave(&of(w)->seats);
	for (struct leg *leg = of(w)->legs; leg; leg = next) {
		next = leg->next;
		shm_free(leg);
	}
	shm_free(of(w));
}

static const struct tm_testimony testimony = { leg_add, leg_over, was_cancelled, was_answered, gone };

/* --- the clerk --- */

static struct str put(char **at, struct str s)
{
	struct str copy = str_n(*at, s.len);

	if (s.len)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return copy;
}

static struct tm_witness *invite_new(const struct cdr_record *r, bool silent)
{
	size_t         texts = r->call_id.len + r->from_tag.len + r->caller.len + r->callee.len + r->source.len;
	struct invite *v = shm_alloc(cdr_owner(), sizeof(*v) + texts);
	char          *at;

	if (!v) {
		if (!silent)
			counter_inc(&cdr_lost);
		return NULL;
	}
	*v = (struct invite){ .w.tell = &testimony, .number = r->number, .start_ms = r->start_ms, .state = CDR_RINGING, .silent = silent };
	at = v->tail;
	v->call_id = put(&at, r->call_id);
	v->from_tag = put(&at, r->from_tag);
	v->caller = put(&at, r->caller);
	v->callee = put(&at, r->callee);
	v->source = put(&at, r->source);
	return &v->w;
}

static struct tm_witness *begun(struct request *r)
{
	char              caller[URI_ROOM], callee[URI_ROOM], source[SOURCE_ROOM];
	struct cdr_record record;

	if (msg_to_tag(&r->msg).len)
		return dialog_begun(r);
	if (!is_new_call(r))
		return NULL;
	record = record_of(r, caller, callee, source);
	return invite_new(&record, false);
}

static void note_route(struct tm_witness *w, void *unused)
{
	(void)unused;
	of(w)->recorded = true;
}

static void relayed(struct request *r)
{
	if (r->record_route && r->msg.method == M_INVITE && !r->in_dialog && !msg_to_tag(&r->msg).len)
		(void)tm_ask_witness(r->t, note_route, NULL);
}

/* --- whose calls it is one of --- */

struct wish {
	uint64_t key;
	int64_t  most;
	enum err err;
};

/* A call that is over, or was answered, while the script went on is none any more. */
static void take_seat(struct tm_witness *w, void *arg)
{
	struct wish *wish = arg;

	wish->err = of(w)->state >= CDR_TALKING ? OK : seat_take(&of(w)->seats, wish->key, wish->most);
}

static void leave_seat(struct tm_witness *w, void *arg)
{
	seat_leave(&of(w)->seats, ((struct wish *)arg)->key);
}

static void silence(struct tm_witness *w, void *unused)
{
	(void)unused;
	of(w)->silent = true;
}

/* A call without a record (cdr_off(), or one that has come back here: RFC 5393) has nobody who watches it yet. */
static enum err watch_silently(struct request *r)
{
	char               caller[URI_ROOM], callee[URI_ROOM], source[SOURCE_ROOM];
	struct cdr_record  record = record_of(r, caller, callee, source);
	struct tm_witness *w;

	critical_enter();
	w = invite_new(&record, true);
	if (w) {
		of(w)->recorded = r->record_route;
		tm_set_witness(r->t, w);
	}
	critical_leave();
	return w ? OK : ERR_NOMEM;
}

enum err invite_count(struct request *r, uint64_t key, int64_t most)
{
	struct wish wish = { .key = key, .most = most };

	if (!tm_ask_witness(r->t, take_seat, &wish)) {
		if (watch_silently(r))
			return ERR_NOMEM;
		(void)tm_ask_witness(r->t, take_seat, &wish);
	}
	return wish.err;
}

void invite_uncount(struct request *r, uint64_t key)
{
	struct wish wish = { .key = key };

	(void)tm_ask_witness(r->t, leave_seat, &wish);
}

void invite_silence(struct request *r)
{
	r->unrecorded = true;
	if (r->t && invite_begins_call(r))
		(void)tm_ask_witness(r->t, silence, NULL);
}

static void answered_without_state(struct request *r, uint16_t status, struct str reason)
{
	char              caller[URI_ROOM], callee[URI_ROOM], source[SOURCE_ROOM];
	struct cdr_record record;

	if (!is_new_call(r) || status == 401 || status == 407 || !cdr_cfg.refused)
		return;
	record = record_of(r, caller, callee, source);
	record.key = cdr_key(record.call_id);
	record.code = status;
	record.reason = reason;
	record.ended_by = CDR_SERVER;
	refused(&record);
}

const struct proxy_clerk cdr_clerk = { begun, relayed, answered_without_state };
