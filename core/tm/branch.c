/* Branches: requests sent downstream, and the answers to them (RFC 3261 §16.6, §16.7, §17.1). */
#include "net/avoid.h"
#include "tm/trans.h"

enum { RECENT = 256 };

/* Datagrams that a process has sent lately. ICMP errors come within milliseconds, but to whichever worker the kernel picks among the sockets
 * of one port, hence shared memory; to look through the whole table for each would let a peer that refuses packets slow everybody down.
 * Written by its own process alone, without a lock: a torn read leads to no branch, or to one with another peer. */
struct recent {
	struct {
		uint64_t    id;
		unsigned    index;
		struct addr peer;
	} at[RECENT];
	unsigned next;
};
static struct {
	struct recent *of;	/* one a process slot, shared */
	unsigned       procs;
} sent;

enum err branch_boot(void)
{
	sent.procs = proc_count();
	sent.of = shm_zalloc(tm_owner(), sent.procs * sizeof(*sent.of));
	return sent.of ? peers_boot() : ERR_NOMEM;
}

/* --- branch ids: z9hG4bK s, 16 hexadecimal digits of the transaction, a dot, the index of the branch; behind them, where the user
 * wrote it, a dot and 16 hexadecimal digits of the user's own --- */

struct str branch_id_write(uint64_t id, unsigned index, char room[BRANCH_ID_BYTES])
{
	struct buf out = buf_on(room, BRANCH_ID_BYTES);

	BUF_LIT(&out, "z9hG4bK");
	buf_ch(&out, TM_STATEFUL);
	buf_hex64(&out, id);
	buf_ch(&out, '.');
	if (index > 15)
		buf_ch(&out, "0123456789abcdef"[index >> 4]);
	buf_ch(&out, "0123456789abcdef"[index & 15]);
	return buf_str(&out);
}

static bool take_hex(struct str *rest, uint64_t *out)
{
	size_t n = 0;

	for (*out = 0; n < rest->len && n < 16; n++) {
		char c = ch_lower(rest->p[n]);

		if (!ch_digit(c) && (c < 'a' || c > 'f'))
			break;
		*out = *out << 4 | (uint64_t)(ch_digit(c) ? c - '0' : c - 'a' + 10);
	}
	*rest = str_from(*rest, n);
	return n;
}

bool branch_user_part_ok(struct str rest)
{
	uint64_t ignored;

	return !rest.len || (rest.len == BRANCH_USER_BYTES && str_take_ch(&rest, '.') && take_hex(&rest, &ignored) && !rest.len);
}

static bool id_parse(struct str branch, uint64_t *id, uint64_t *index)
{
	const char       head[] = { 'z', '9', 'h', 'G', '4', 'b', 'K', TM_STATEFUL };
	const struct str ours = str_n(head, sizeof(head));
	struct str       rest = str_from(branch, ours.len);

	return str_istarts(branch, ours) && take_hex(&rest, id) && str_take_ch(&rest, '.') && take_hex(&rest, index) && branch_user_part_ok(rest);
}

struct branch *branch_at(const struct trans *t, unsigned index)
{
	struct branch *b = t->branches;

	while (b && b->index != index)
		b = b->next;
	return b;
}

void branch_free(struct branch *b)
{
	peers_remove(b);
	text_free(&b->sent);
	shm_free(b->rest);
	shm_free(b);
}

/* --- sending one --- */

bool branch_may_fork_locked(const struct trans *t)
{
	return !t->cancelled && !server_is_final(t) && machine_open(&t->m);
}

/* OK, or why no more branches can be made; *index is the next one's. */
static enum err reserve(struct trans *t, unsigned *index)
{
	enum err err = OK;

	lock(&t->lock);
	if (!branch_may_fork_locked(t))
		err = ERR_STATE;
	else if (t->n_forks == TM_MOST_BRANCHES || t->n_branches >= BRANCH_MOST_TRIES)
		err = ERR_LIMIT;
	else
		*index = t->n_branches++;
	t->n_forks += !err;
	unlock(&t->lock);
	return err;
}

struct branch *branch_new(const struct trans *t, unsigned index, const struct flow *to, struct str text)
{
	struct branch *b = shm_zalloc(tm_owner(), sizeof(*b));
	bool           reliable = transport_reliable(to->via->transport);

	if (!b)
		return NULL;
	b->sent = shm_dup(tm_owner(), text);
	if (!b->sent.p) {
		branch_free(b);
		return NULL;
	}
	list_init(&b->waiting);
	b->to = *to;
	b->index = b->target = (uint8_t)index;
	machine_init(&b->m, t->m.kind == TM_IST ? TM_ICT : TM_NICT, TM_TRYING, reliable);
	machine_init(&b->cancel, TM_NICT, TM_TERMINATED, reliable);
	return b;
}

/* The first branch after an outcome begins a new round: what was held is not the answer any more. */
static void new_round_locked(struct trans *t)
{
	t->round += t->decided;
	t->decided = false;
	t->forked = true;
	t->timed_out = false;
	if (!t->one_choice)
		best_clear_locked(t);
}

/* Another request but INVITE may take its time (Timer F) where there is nowhere else to go. */
void branch_start_locked(struct trans *t, struct branch *b)
{
	uint32_t now = trans_now(t);

	b->round = t->round;
	b->mark = t->mark;
	b->next = t->branches;
	t->branches = b;
	machine_start(&b->m, now);
	peers_add(t, b);
	if (b->m.kind == TM_ICT)
		b->timer_c_at = now + tm_timers.c;
	if (tm_timers.first && (b->m.kind == TM_ICT || b->rest))
		b->first_at = now + tm_timers.first;
}

static void start_locked(struct trans *t, struct branch *b)
{
	if (!t->forked || t->decided)
		new_round_locked(t);
	branch_start_locked(t, b);
	witness_branched(t, b);
}

/* False: it was answered or cancelled while the branch was being built. */
static bool start(struct trans *t, struct branch *b)
{
	bool may;

	lock(&t->lock);
	may = branch_may_fork_locked(t);
	if (may)
		start_locked(t, b);
	deadline_set_locked(t);
	unlock(&t->lock);
	return may;
}

void branch_remember(uint64_t id, unsigned index, const struct flow *to)
{
	struct recent *r = &sent.of[proc_self()];

	if (transport_reliable(to->via->transport))
		return;
	r->at[r->next].id = id;
	r->at[r->next].index = index;
	r->at[r->next].peer = to->peer;
	r->next = (r->next + 1) % RECENT;
}

static struct str built(struct trans *t, struct ctx *c, unsigned index, tm_build *build, void *arg, size_t bound)
{
	char       id[BRANCH_ID_BYTES];
	struct buf out = buf_on(arena_alloc(c->arena, bound), bound);

	if (!out.p)
		return STR_NONE;
	build(arg, branch_id_write(t->id, index, id), &out);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* Its first request, kept in shared memory with the addresses that remain. NULL: no memory. */
static struct branch *first_try(const struct trans *t, unsigned index, const struct first_hop *hop)
{
	struct branch *b = branch_new(t, index, &hop->to[hop->at], hop->text);

	if (b)
		b->rest = hops_but(hop->to, hop->count, hop->at);
	return b;
}

/* Made and linked; ERR_STATE: not any more; ERR_NOMEM. */
static enum err begin_branch(struct trans *t, unsigned index, struct first_hop *hop)
{
	struct branch *b;
	bool           started = false;

	critical_enter();
	b = first_try(t, index, hop);
	if (b)
		started = start(t, b);
	if (b && !started)
		branch_free(b);
	critical_leave();
	if (!b)
		return ERR_NOMEM;
	return started ? OK : ERR_STATE;
}

enum err tm_fork_any(struct trans *t, struct ctx *c, const struct flow *to, size_t count, tm_build *build, void *arg, size_t bound)
{
	unsigned         index;
	struct first_hop hop;
	struct str       text;
	enum err         err = reserve(t, &index);

	if (err)
		return err;
	text = built(t, c, index, build, arg, bound);
	err = text.p ? first_hop(t, c, index, to, count, text, &hop) : ERR_NOMEM;
	if (!err)
		err = begin_branch(t, index, &hop);
	counter_add(&tm_count.no_memory, err == ERR_NOMEM);
	if (err)
		return err;
	counter_inc(&tm_count.branches);
	branch_remember(t->id, index, &hop.to[hop.at]);
	send_text(c, &hop.to[hop.at], hop.text);
	return OK;
}

enum err tm_fork(struct trans *t, struct ctx *c, const struct flow *to, tm_build *build, void *arg, size_t bound)
{
	return tm_fork_any(t, c, to, 1, build, arg, bound);
}

void tm_set_mark(struct trans *t, uint32_t mark)
{
	lock(&t->lock);
	t->mark = mark;
	unlock(&t->lock);
}

uint32_t tm_branch_mark(struct trans *t, unsigned branch)
{
	const struct branch *b;
	uint32_t             mark;

	lock(&t->lock);
	b = branch_at(t, branch);
	mark = b ? b->mark : 0;
	unlock(&t->lock);
	return mark;
}

/* --- what comes back --- */

static void fields_write(const struct msg *m, enum hdr_type kind, struct buf *out)
{
	for (const struct hdr *h = m->first[kind]; h; h = h->same) {
		buf_add(out, hdr_type_name(kind));
		BUF_LIT(out, ": ");
		buf_add(out, h->body);
		BUF_LIT(out, "\r\n");
	}
}

/* What of this answer may go together with what another branch said (best.c). */
static struct str joins_of(struct msg *m)
{
	bool       challenge = m->status == 401 || m->status == 407;
	size_t     cap = challenge || m->status / 100 == 3 ? msg_write_bound(m, 0) : 0;
	struct buf out = buf_on(cap ? arena_alloc(m->c->arena, cap) : NULL, cap);

	if (!out.p)
		return STR_NONE;
	if (challenge) {
		fields_write(m, H_WWW_AUTHENTICATE, &out);
		fields_write(m, H_PROXY_AUTHENTICATE, &out);
	} else {
		fields_write(m, H_CONTACT, &out);
	}
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* delta-seconds [ comment ] *( SEMI retry-param ), RFC 3261 §25.1. 0: none */
static uint32_t retry_after(const struct msg *m)
{
	struct str rest = m->first[H_RETRY_AFTER] ? str_trim(m->first[H_RETRY_AFTER]->body) : STR_NONE;
	uint32_t   s = 0;

	return str_take_u32(&rest, &s) ? s : 0;
}

/* The answer as it will go upstream: without our Via (§16.7 step 3), and 503 as 500 (step 6). On no memory there is no text. False: a 2xx
 * with no other Via, which answers nothing that we have passed on. A refusal without one is still the end of its branch, and wants its
 * ACK: there are phones that answer a cancelled INVITE with the Via of the CANCEL. What goes upstream is then our own. */
static bool prepare(struct trans *t, struct msg *m, unsigned index, struct answer *an)
{
	const struct tm_user *u = tm_user();

	an->status = m->status;
	an->retry_after_s = m->status == 503 ? retry_after(m) : 0;
	if (m->status == 100 || msg_pop_value(m, H_VIA))
		return true;
	if (!m->first[H_VIA])
		return m->status < 200 || m->status >= 300;
	if (u && u->passing && !u->passing(t, m, index) && m->status < 200)
		return true;
	if (m->status == 503 && msg_set_status(m, 500, reason_phrase(500)))
		return true;
	an->text = msg_text(m);
	an->joins = joins_of(m);
	return true;
}

static void provisional_locked(struct trans *t, struct branch *b, struct acts *a, const struct answer *an)
{
	if (b->cancel_asked && b->cancel.state == TM_TERMINATED && !b->m.timeout_at)
		cancel_send_locked(t, b, a);
	if (an->status == 100 || b->m.kind != TM_ICT)
		return;
	if (b->timer_c_at)
		b->timer_c_at = trans_now(t) + tm_timers.c;	/* §16.7 step 2 */
	if (an->text.p && branch_counts(t, b) && !t->decided)
		(void)server_provisional_locked(t, a, an->status, an->text);
}

/* It needs neither its request nor its CANCEL any more, nor another address. */
static void branch_over_locked(struct branch *b)
{
	peers_remove(b);
	machine_end(&b->cancel);
	b->timer_c_at = b->first_at = 0;
	shm_free(b->rest);
	b->rest = NULL;
	if (b->m.state != TM_COMPLETED || b->m.kind != TM_ICT)
		text_free(&b->sent);
}

/* §16.7 step 5, 10: at once, whatever was decided before; the others are not wanted any more. */
static void success_locked(struct trans *t, struct branch *b, struct acts *a, const struct answer *an)
{
	bool       again = server_is_final(t) && !server_untold(t);
	struct str kept = again ? STR_NONE : server_keep(t, an->status, an->text);

	if (!an->text.p && b->m.kind == TM_ICT)
		return;		/* no memory: its repetition will be passed on */
	if (!server_final_locked(t, a, an->status, an->text, kept) || again)
		return;
	t->decided = true;
	best_set_locked(t, an->status);
	t->best.branch = b->target;
	cancel_open_locked(t, a, true);
	if (t->run.phase == RUN_WAITING)
		run_wake_locked(t);
}

static void failure_locked(struct trans *t, struct branch *b, struct acts *a, const struct answer *an)
{
	if (t->decided || b->round != t->round)
		return;
	best_offer_locked(t, b->target, an);
	if (an->status >= 600)
		cancel_open_locked(t, a, false);
	round_decide_locked(t, a);
}

/* A branch times out once: after Timer C, or when it was abandoned, the rest is its funeral. */
static void tell_timeout_locked(struct branch *b, struct acts *a, const char *timer, bool goes_on)
{
	if (!b->told)
		acts_timeout(a, &b->to, timer, goes_on);
	b->told = true;
}

/* Which timer a branch waited for in vain: with a CANCEL under way it is the wait for what that leads to (§9.1). */
static const char *last_timer(const struct branch *b)
{
	if (b->m.kind != TM_ICT)
		return "F";
	return b->heard && b->cancel_asked ? "CANCEL" : "B";
}

/* §16.8, §16.9: as if 408 or 503 had come. Who has cancelled is told just that. An address that never answered is avoided. */
static void gave_up_locked(struct trans *t, struct branch *b, struct acts *a, uint32_t todo)
{
	struct answer own = { .status = 503 };
	bool          over;

	if (todo & DO_TIMED_OUT)
		own.status = t->cancelled ? 487 : 408;
	if (!b->abandoned)
		counter_inc(todo & DO_TIMED_OUT ? &tm_count.timeouts : &tm_count.unreachable);
	if (!b->heard)
		avoid_add(&b->to, tm_timers.avoid);
	note_timer(t, &b->to, todo & DO_TIMED_OUT ? "no final answer from" : "unreachable:");
	over = !failover_locked(t, b, a);
	if (todo & DO_TIMED_OUT)
		tell_timeout_locked(b, a, last_timer(b), !over);
	branch_over_locked(b);
	if (!over || b->abandoned)
		return;
	witness_branch_over(t, b, own.status, true);
	failure_locked(t, b, a, &own);
}

/* Whatever comes late is answered as it must be: a 1xx by CANCEL (§9.1), a final answer by ACK, and a 2xx is passed on. */
static void abandon_locked(struct branch *b)
{
	b->abandoned = true;
	b->first_at = b->timer_c_at = 0;
	b->m.retransmit_at = 0;
	b->cancel_asked = b->m.kind == TM_ICT;
}

/* Not a word for so long. An INVITE has failed then; what else is asked may be answered later, if there is nobody else to ask. */
static void silent_locked(struct trans *t, struct branch *b, struct acts *a)
{
	struct answer own = { .status = t->cancelled ? 487 : 408 };
	bool          next;

	b->first_at = 0;
	if (b->heard || !machine_open(&b->m))
		return;
	avoid_add(&b->to, tm_timers.avoid);
	note_timer(t, &b->to, "not a word (branch_timeout) from");
	next = failover_locked(t, b, a);
	if (!next && b->m.kind != TM_ICT)
		return;
	counter_inc(&tm_count.timeouts);
	tell_timeout_locked(b, a, "branch_timeout", next);
	abandon_locked(b);
	if (next)
		return;
	witness_branch_over(t, b, own.status, true);
	failure_locked(t, b, a, &own);
}

enum { RETRY_AFTER_MOST_S = 300 };	/* who asks for more is asked again */

/* §21.5.4: a server that says for how long it cannot serve is left alone meanwhile; any other answer shows that it is alive. */
static void note_health_locked(struct branch *b, const struct answer *an)
{
	uint32_t s = an->retry_after_s < RETRY_AFTER_MOST_S ? an->retry_after_s : RETRY_AFTER_MOST_S;

	b->heard = true;
	b->first_at = 0;
	if (an->status == 503 && s && tm_timers.avoid)
		avoid_add(&b->to, s * 1000);
	else
		avoid_clear(&b->to);
}

static enum tm_event event_of(uint16_t status)
{
	if (status < 200)
		return EV_1XX;
	return status < 300 ? EV_2XX : EV_FINAL;
}

static void answered_locked(struct trans *t, struct branch *b, struct acts *a, const struct answer *an)
{
	uint32_t todo = machine_feed(&b->m, event_of(an->status), trans_now(t));

	bool     next;

	note_health_locked(b, an);
	if (todo & DO_SEND_ACK)
		acts_ack(a, b);
	if (!(todo & DO_PASS_UP))
		return;
	if (an->status < 200) {
		if (b->m.kind == TM_ICT)
			peers_remove(b);
		provisional_locked(t, b, a, an);
		return;
	}
	next = an->status == 503 && failover_locked(t, b, a);
	branch_over_locked(b);
	if (!next)
		witness_branch_over(t, b, an->status, false);
	if (an->status < 300)
		success_locked(t, b, a, an);
	else if (!next && !b->abandoned)
		failure_locked(t, b, a, an);
}

/* The answer to a CANCEL stops its retransmission; what else it says does not matter. */
static void cancel_answered_locked(struct trans *t, struct branch *b, const struct answer *an)
{
	machine_feed(&b->cancel, event_of(an->status), trans_now(t));
	if (b->cancel.state == TM_COMPLETED)
		machine_end(&b->cancel);
}

static bool answer(struct trans *t, unsigned index, struct ctx *c, struct msg *m)
{
	bool           to_cancel = m->method == M_CANCEL && t->m.kind == TM_IST;
	struct answer  an = { .status = m->status };
	struct acts    a;
	struct branch *b;

	if (!to_cancel && !str_eq(m->method_name, t->method))	/* §17.1.3: the CSeq method must match */
		return false;
	if (!to_cancel && !prepare(t, m, index, &an))
		return false;
	acts_init(&a, c, t);
	a.answer = m;
	lock(&t->lock);
	b = branch_at(t, index);
	if (b && to_cancel)
		cancel_answered_locked(t, b, &an);
	else if (b)
		answered_locked(t, b, &a, &an);
	deadline_set_locked(t);
	unlock(&t->lock);
	acts_run(&a);
	return b;
}

bool tm_response(struct ctx *c, struct msg *m, const struct flow *from)
{
	const struct via *v = msg_via1(m);
	uint64_t          id, index;
	struct trans     *t;
	bool              done;

	(void)from;	/* a branch's answers may come from anywhere (§18.1.2) */
	if (!v || !id_parse(v->branch, &id, &index))
		return false;
	t = table_find_id(id);
	done = t && index <= UINT8_MAX && answer(t, (unsigned)index, c, m);
	trans_drop(t);
	counter_add(&tm_count.strays, !done);
	return done;
}

/* --- what does not come back --- */

/* `to`: a peer, that branches may have been sent to by any connection; NULL: it is known to be this branch. */
static bool concerns(const struct branch *b, const struct flow *to)
{
	return !to || (b->to.via->transport == to->via->transport && addr_eq(&b->to.peer, &to->peer));
}

static void unreachable_locked(struct trans *t, unsigned index, const struct flow *to, struct acts *a)
{
	struct branch *b = branch_at(t, index);
	uint32_t       todo;

	if (!b || !machine_open(&b->m) || !concerns(b, to))
		return;
	todo = machine_feed(&b->m, EV_TRANSPORT_ERROR, trans_now(t));
	if (todo & DO_FAILED)
		gave_up_locked(t, b, a, todo);
}

static void branch_unreachable(uint64_t id, unsigned index, const struct flow *to)
{
	struct trans  *t = table_find_id(id);
	struct scratch s;
	struct acts    a;

	if (!t)
		return;
	scratch_init(&s);
	acts_init(&a, &s.c, t);
	lock(&t->lock);
	unreachable_locked(t, index, to, &a);
	deadline_set_locked(t);
	unlock(&t->lock);
	acts_run(&a);
	scratch_free(&s);
	trans_drop(t);
}

static void connection_lost(const struct flow *to)
{
	struct waiting some[64];
	size_t         n;

	while ((n = peers_take(to, some, COUNT_OF(some))))
		for (size_t i = 0; i < n; i++)
			branch_unreachable(some[i].id, some[i].index, to);
}

static void datagram_lost(const struct flow *to)
{
	for (unsigned p = 0; p < sent.procs; p++)
		for (unsigned i = 0; i < RECENT; i++)
			if (sent.of[p].at[i].id && addr_eq(&sent.of[p].at[i].peer, &to->peer))
				branch_unreachable(sent.of[p].at[i].id, sent.of[p].at[i].index, to);
}

void tm_unreachable(const struct flow *to)
{
	if (transport_reliable(to->via->transport))
		connection_lost(to);
	else
		datagram_lost(to);
}

static void branch_undelivered(struct msg *m)
{
	const struct via *v = msg_via1(m);
	uint64_t          id, index;

	/* A CANCEL has the branch of its INVITE, whose fate is not its own; nobody waits for an answer to an ACK. */
	if (v && m->method != M_CANCEL && m->method != M_ACK && id_parse(v->branch, &id, &index) && index <= UINT8_MAX)
		branch_unreachable(id, (unsigned)index, NULL);
}

void tm_undelivered(struct str bytes, const struct flow *to)
{
	struct scratch s;
	struct msg     m;

	(void)to;
	scratch_init(&s);
	if (!msg_parse(&s.c, bytes, &m)) {
		if (m.request)
			branch_undelivered(&m);
		else
			server_undelivered(&m);
	}
	scratch_free(&s);
}

static void branch_timer_locked(struct trans *t, struct branch *b, struct acts *a, enum tm_event ev, uint32_t now)
{
	uint32_t todo = machine_feed(&b->m, ev, now);

	if (todo & DO_SEND_AGAIN) {
		counter_inc(&tm_count.retransmissions);
		acts_send_copy(a, &b->to, b->sent);
	}
	if (todo & DO_TIMED_OUT)
		gave_up_locked(t, b, a, todo);
	else if (todo & DO_END)
		text_free(&b->sent);
}

static void cancel_timer_locked(struct branch *b, struct acts *a, enum tm_event ev, uint32_t now)
{
	if (!(machine_feed(&b->cancel, ev, now) & DO_SEND_AGAIN))
		return;
	counter_inc(&tm_count.retransmissions);
	acts_cancel(a, b);
}

void branch_due_locked(struct trans *t, struct branch *b, struct acts *a, uint32_t now)
{
	enum tm_event ev;

	while (machine_due(&b->m, now, &ev))
		branch_timer_locked(t, b, a, ev, now);
	while (machine_due(&b->cancel, now, &ev))
		cancel_timer_locked(b, a, ev, now);
	if (b->first_at && b->first_at <= now)
		silent_locked(t, b, a);
	if (!b->timer_c_at || b->timer_c_at > now)
		return;
	b->timer_c_at = 0;	/* §16.8: it has rung for long enough */
	note_timer(t, &b->to, "has rung for too long (Timer C):");
	tell_timeout_locked(b, a, "C", false);
	cancel_branch_locked(t, b, a);
}
