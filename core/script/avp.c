#include "script/avp.h"

#include "script/pack.h"
#include "shm/lock.h"
#include "shm/shm.h"

struct avp {
	struct avp  *next;
	struct str   name;
	struct value v;
	size_t       bytes;	/* packed */
};
/* Of one request or reply, in its arena. */
struct avps {
	struct avp *first;
	size_t      bytes;	/* of all */
	uint32_t    version;	/* of the transaction's notes that they are; 0: not shared yet */
};

static struct {
	shm_owner owner;
	char      room[AVPS_MOST_BYTES];	/* where they are packed; private to the process */
} here;

void avp_start(void)
{
	here.owner = shm_owner_new("script.avp");
}

static struct avps *avps_of(struct request *r)
{
	if (!r->avps)
		r->avps = arena_zalloc(&r->arena, sizeof(*r->avps));
	return r->avps;
}

static struct avp **find(struct avps *s, struct str name)
{
	struct avp **at = &s->first;

	while (*at && !str_eq((*at)->name, name))
		at = &(*at)->next;
	return at;
}

static void link_avp(struct avps *s, struct avp *x)
{
	x->next = s->first;
	s->first = x;
	s->bytes += x->bytes;
}

static void remove_avp(struct avps *s, struct str name)
{
	struct avp **at = find(s, name);

	if (!*at)
		return;
	s->bytes -= (*at)->bytes;
	*at = (*at)->next;
}

/* --- as bytes --- */

/* ERR_UNSUPPORTED, ERR_LIMIT. */
static enum err pack_avp(struct buf *out, struct str name, const struct value *v)
{
	pack_text(out, name);
	if (!pack(out, v))
		return ERR_UNSUPPORTED;
	return buf_ok(out) ? OK : ERR_LIMIT;
}

/* Behind the name and value of one. */
static struct avp *unpack_avp(struct arena *a, struct str *rest)
{
	struct avp *x = ARENA_NEW(a, struct avp);
	size_t      before = rest->len;

	if (!x || !unpack_text(rest, &x->name) || !unpack(a, rest, &x->v))
		return NULL;
	x->bytes = before - rest->len;
	return x;
}

static enum err unpack_all(struct arena *a, struct str bytes, struct avps *s)
{
	s->first = NULL;
	s->bytes = 0;
	while (bytes.len) {
		struct avp *x = unpack_avp(a, &bytes);

		if (!x)
			return ERR_NOMEM;
		link_avp(s, x);
	}
	return OK;
}

/* --- with the transaction --- */

/* Has somebody else a part in them: other workers, by the transaction? A reply has one only where it was sent on statefully (inner.c). */
static bool is_shared(const struct run *run)
{
	const struct request *r = run->req;

	return run->code->replies_avp && r->t && (r->end == REQ_RELAYED || r->msg.status);
}

/* What others have assigned meanwhile. */
static enum err see(struct request *r, struct avps *s)
{
	struct str bytes;
	enum err   err = tm_notes(r->t, &r->arena, &s->version, &bytes);

	if (!err && bytes.p)
		err = unpack_all(&r->arena, bytes, s);
	if (err)
		s->version = 0;		/* not all of them: never to be told */
	return err;
}

/* In one critical section, so that a kill loses no object. ERR_AGAIN: others have put theirs there meanwhile. */
static enum err put_notes(struct trans *t, struct str bytes, uint32_t *version)
{
	struct tm_notes *n;
	enum err         err = ERR_NOMEM;

	critical_enter();
	n = shm_alloc(here.owner, sizeof(*n) + bytes.len);
	if (n) {
		n->len = (uint32_t)bytes.len;
		memcpy(n->bytes, bytes.p, bytes.len);
		err = tm_swap_notes(t, &n, version) ? OK : ERR_AGAIN;
	}
	shm_free(n);
	critical_leave();
	return err;
}

/* ERR_AGAIN: others have assigned meanwhile. */
static enum err tell(struct request *r, struct avps *s)
{
	struct buf out = buf_on(here.room, sizeof(here.room));
	enum err   err = OK;

	for (const struct avp *x = s->first; x && !err; x = x->next)
		err = pack_avp(&out, x->name, &x->v);
	return err ? err : put_notes(r->t, buf_str(&out), &s->version);
}

enum err avps_share(struct call *c)
{
	struct request *r = c->req;
	enum err        err;

	if (!c->run->code->replies_avp || !r->avps || !r->avps->first || r->avps->version)
		return OK;
	err = request_stateful(r);
	return err ? err : tell(r, r->avps);
}

/* --- reading and assigning --- */

/* As they are now; *out NULL: there are none. */
static enum err current(const struct run *run, struct avps **out)
{
	bool shared = is_shared(run);

	*out = shared ? avps_of(run->req) : run->req->avps;
	if (!shared)
		return OK;
	return *out ? see(run->req, *out) : ERR_NOMEM;
}

enum verdict get_avp(struct call *c, struct str arg, struct value *out)
{
	struct avps *s;
	struct avp  *x;

	if (current(c->run, &s))
		return V_ERROR;
	x = s ? *find(s, arg) : NULL;
	*out = x ? x->v : V_NULL;
	return V_OK;
}

static enum err assign(struct request *r, struct avps *s, struct str name, const struct value *v)
{
	struct buf  out = buf_on(here.room, sizeof(here.room));
	struct avp *old = *find(s, name), *x;
	enum err    err = v->type == T_NULL ? OK : pack_avp(&out, name, v);

	if (!err && s->bytes - (old ? old->bytes : 0) + out.len > AVPS_MOST_BYTES)
		err = ERR_LIMIT;
	if (err)
		return err;
	x = out.len ? ARENA_NEW(&r->arena, struct avp) : NULL;
	if (out.len && !x)
		return ERR_NOMEM;
	remove_avp(s, name);
	if (!x)
		return OK;
	*x = (struct avp){ .name = name, .v = *v, .bytes = out.len };	/* the name is the program's, which the run holds */
	link_avp(s, x);
	return OK;
}

static enum err assign_shared(struct request *r, struct avps *s, struct str name, const struct value *v)
{
	enum err err;

	do {
		err = see(r, s);
		if (!err)
			err = assign(r, s, name, v);
		if (!err)
			err = tell(r, s);
	} while (err == ERR_AGAIN);
	return err;
}

static void say_why(const struct call *c, struct str name, enum err err)
{
	if (err == ERR_LIMIT)
		log_error(c->c, "the $avp of one transaction take %d bytes at most, all together name=" STR_FMT, AVPS_MOST_BYTES, STR_ARG(name));
	else if (err == ERR_UNSUPPORTED)
		log_error(c->c, "an $avp keeps no regular expression and at most %d lists within each other name=" STR_FMT, PACK_DEPTH, STR_ARG(name));
	else
		log_error(c->c, "no memory for an $avp name=" STR_FMT, STR_ARG(name));
}

enum verdict set_avp(struct call *c, struct str arg, const struct value *v)
{
	struct avps *s = avps_of(c->req);
	enum err     err = ERR_NOMEM;

	if (s)
		err = is_shared(c->run) ? assign_shared(c->req, s, arg, v) : assign(c->req, s, arg, v);
	if (!err)
		return V_OK;
	say_why(c, arg, err);
	return V_ERROR;
}

enum err avps_copy(const struct run *from, struct request *to)
{
	struct avps *had, *s;
	enum err     err = current(from, &had);

	if (err || !had || !had->first)
		return err;
	s = avps_of(to);
	for (const struct avp *x = had->first; s && x; x = x->next) {
		struct avp *own = ARENA_NEW(&to->arena, struct avp);

		if (!own || value_copy(&to->arena, &x->v, &own->v))
			return ERR_NOMEM;
		own->name = arena_dup(&to->arena, x->name);
		own->bytes = x->bytes;
		link_avp(s, own);
	}
	return s ? OK : ERR_NOMEM;
}
