#include "modules/redirect/redirect.h"

static size_t bound_of(const struct target *list)
{
	size_t bytes = 1;

	for (; list; list = list->next)
		bytes += list->uri.len + 64;
	return bytes;
}

static void contact_write(const struct target *t, struct buf *out)
{
	BUF_LIT(out, "Contact: <");
	buf_add(out, t->uri);
	BUF_LIT(out, ">");
	if (t->q < 1000)
		buf_printf(out, ";q=0.%03u", t->q);
	if (t->expires)
		buf_printf(out, ";expires=%u", t->expires);
	BUF_LIT(out, "\r\n");
}

struct str contacts_of(struct arena *a, const struct target *list)
{
	size_t     cap = bound_of(list);
	char      *room = arena_alloc(a, cap);
	struct buf out = buf_on(room, room ? cap : 0);

	if (!room)
		return STR_NONE;
	for (; list; list = list->next)
		contact_write(list, &out);
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

enum verdict fn_redirect(struct call *c)
{
	struct request *r = c->req;
	struct str      contacts = contacts_of(&r->arena, r->targets);

	if (!contacts.p) {
		log_error(&r->c, "no memory to redirect");
		return V_ERROR;
	}
	counter_inc(contacts.len ? &redirect_sent : &redirect_empty);
	return request_reply(r, contacts.len ? 302 : 480, STR_NONE, contacts) ? V_ERROR : V_END;
}
