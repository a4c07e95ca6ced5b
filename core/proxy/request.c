#include "proxy/request.h"

#include <stdlib.h>

#include "proxy/internal.h"
#include "shm/lock.h"

/* A request and the room that the common message needs, so that serving it takes nothing from malloc. */
enum { ROOM_BYTES = 7680, ARENA_LIMIT = 1 << 20, MOST_SPARE = 64 };

struct slot {
	struct request r;
	struct slot   *next;
	char           room[ROOM_BYTES] __attribute__((aligned(16)));
};

static struct {
	struct slot *spare;	/* private to the process */
	unsigned     spares;
} pool;

struct request *request_new(const struct flow *from)
{
	struct slot *s = pool.spare;

	if (s) {
		pool.spare = s->next;
		pool.spares--;
	} else {
		s = malloc(sizeof(*s));
		if (!s)
			return NULL;
	}
	s->r = (struct request){ .from = *from, .like = from->via };
	arena_init(&s->r.arena, s->room, sizeof(s->room), ARENA_LIMIT);
	s->r.c.arena = &s->r.arena;
	return &s->r;
}

void request_done(struct request *r)
{
	struct slot *s = (struct slot *)r;

	if (!r)
		return;
	tm_leave(r->t);
	r->t = NULL;
	arena_reset(&r->arena);
	if (pool.spares >= MOST_SPARE) {
		free(s);
		return;
	}
	s->next = pool.spare;
	pool.spare = s;
	pool.spares++;
}

void request_pool_free(void)
{
	while (pool.spare) {
		struct slot *s = pool.spare;

		pool.spare = s->next;
		free(s);
	}
	pool.spares = 0;
}

static void tell_clerk(struct request *r)
{
	struct tm_witness *w;

	critical_enter();	/* the witness is made and belongs to its transaction, or neither */
	w = proxy_clerk()->begun(r);
	if (w)
		tm_set_witness(r->t, w);
	critical_leave();
}

enum err request_stateful(struct request *r)
{
	enum err err;

	if (r->t)
		return OK;
	err = tm_create(&r->c, &r->msg, &r->from, &r->t);
	if (err == ERR_NOMEM)
		reply_stateless(r, &(struct reply){ .status = 503, .headers = STR("Retry-After: 10\r\n") });
	if (err)
		r->end = REQ_DROPPED;	/* absorbed, or answered just now */
	else if (proxy_clerk())
		tell_clerk(r);
	return err;
}

static bool copy_text(struct request *r, struct str *s)
{
	if (!s->len)
		return true;
	*s = arena_dup(&r->arena, *s);
	return s->p != NULL;
}

enum err request_add_target(struct request *r, const struct target *t)
{
	struct target *copy = ARENA_NEW(&r->arena, struct target), **at = &r->targets;

	if (!copy)
		return ERR_NOMEM;
	*copy = *t;
	copy->next = NULL;
	if (!copy_text(r, &copy->uri) || !copy_text(r, &copy->dst) || !copy_text(r, &copy->path))
		return ERR_NOMEM;
	while (*at)
		at = &(*at)->next;
	*at = copy;
	return OK;
}

void request_clear_targets(struct request *r)
{
	r->targets = NULL;
}
