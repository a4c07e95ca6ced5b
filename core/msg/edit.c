/* Changes: the index of header fields is the edit list. */
#include "msg/internal.h"

#include <stdio.h>

static void link_same(struct msg *m, struct hdr *h)
{
	struct hdr *before = h->prev;

	if (h->type == H_OTHER)
		return;
	while (before && before->type != h->type)
		before = before->prev;
	h->same = before ? before->same : m->first[h->type];
	*(before ? &before->same : &m->first[h->type]) = h;
}

/* Forget what was read from a field that is no longer what it was. */
static void forget(struct msg *m, enum hdr_type t)
{
	if (t == H_VIA)
		m->via1 = NULL;
}

void hdr_link(struct msg *m, struct hdr *prev, struct hdr *h)
{
	h->prev = prev;
	h->next = prev ? prev->next : m->hdrs;
	*(h->next ? &h->next->prev : &m->last) = h;
	*(prev ? &prev->next : &m->hdrs) = h;
	m->n_hdrs++;
	link_same(m, h);
	forget(m, h->type);
}

/* h keeps its own pointers, so that a walk may remove what it stands on. */
void msg_remove(struct msg *m, struct hdr *h)
{
	struct hdr **at = &m->first[h->type];

	*(h->prev ? &h->prev->next : &m->hdrs) = h->next;
	*(h->next ? &h->next->prev : &m->last) = h->prev;
	m->n_hdrs--;
	forget(m, h->type);
	if (h->type == H_OTHER)
		return;
	while (*at != h)
		at = &(*at)->same;
	*at = h->same;
}

size_t msg_remove_all(struct msg *m, enum hdr_type t)
{
	size_t n = 0;

	for (; m->first[t]; n++)
		msg_remove(m, m->first[t]);
	return n;
}

static bool name_ok(struct str name)
{
	return name.len && str_all(name, CL_TOKEN);
}

/* A field of copied texts, in no list yet: OK, ERR_SYNTAX where it would break the message, ERR_NOMEM. */
static enum err hdr_make(struct msg *m, struct str name, struct str body, struct hdr **out)
{
	struct arena *a = m->c->arena;
	struct hdr   *h;

	body = lws_trim(body);
	if (!name_ok(name) || !field_body_ok(body))
		return ERR_SYNTAX;
	h = ARENA_NEW(a, struct hdr);
	if (!h)
		return ERR_NOMEM;
	*h = (struct hdr){ .type = hdr_type_of(name), .changed = true };
	h->name = arena_dup(a, name);
	h->body = arena_dup(a, body);
	if (!h->name.p || !h->body.p)
		return ERR_NOMEM;
	*out = h;
	return OK;
}

static enum err make_and_link(struct msg *m, struct hdr *prev, struct str name, struct str body)
{
	struct hdr *h;
	enum err    err = hdr_make(m, name, body, &h);

	if (!err)
		hdr_link(m, prev, h);
	return err;
}

enum err msg_append(struct msg *m, struct str name, struct str body)
{
	return make_and_link(m, m->last, name, body);
}

enum err msg_prepend(struct msg *m, struct str name, struct str body)
{
	struct hdr *first = msg_find(m, name);

	return make_and_link(m, first ? first->prev : NULL, name, body);
}

enum err msg_insert_after(struct msg *m, struct hdr *h, struct str name, struct str body)
{
	return make_and_link(m, h, name, body);
}

/* `body` lives as long as the message. */
static void set_body_text(struct msg *m, struct hdr *h, struct str body)
{
	h->body = body;
	h->changed = true;
	h->parsed = NULL;
	forget(m, h->type);
}

enum err msg_replace(struct msg *m, struct hdr *h, struct str body)
{
	struct str copy;

	body = lws_trim(body);
	if (!field_body_ok(body))
		return ERR_SYNTAX;
	copy = arena_dup(m->c->arena, body);
	if (!copy.p)
		return ERR_NOMEM;
	set_body_text(m, h, copy);
	return OK;
}

enum err msg_set_hdr(struct msg *m, struct str name, struct str body)
{
	struct hdr *first = msg_find(m, name), *other;
	enum err    err = first ? msg_replace(m, first, body) : msg_append(m, name, body);

	if (err || !first)
		return err;
	while ((other = msg_find_next(first)))
		msg_remove(m, other);
	return OK;
}

enum err msg_pop_value(struct msg *m, enum hdr_type t)
{
	struct hdr *h = m->first[t];
	struct str  rest, value;

	if (!h)
		return ERR_NOT_FOUND;
	rest = h->body;
	value_next(&rest, &value);
	if (rest.p)
		set_body_text(m, h, lws_trim(rest));
	else
		msg_remove(m, h);
	return OK;
}

static bool ch_visible(char c)
{
	return c > ' ' && c != 0x7f;
}

enum err msg_set_ruri(struct msg *m, struct str uri)
{
	struct str copy;

	for (size_t i = 0; i < uri.len; i++)
		if (!ch_visible(uri.p[i]))
			return ERR_SYNTAX;
	if (!uri.len || !m->request)
		return uri.len ? ERR_STATE : ERR_SYNTAX;
	copy = arena_dup(m->c->arena, uri);
	if (!copy.p)
		return ERR_NOMEM;
	m->ruri = copy;
	m->ruri_parsed = NULL;
	m->first_line_changed = true;
	return OK;
}

enum err msg_set_status(struct msg *m, uint16_t status, struct str reason)
{
	struct str copy;

	if (m->request)
		return ERR_STATE;
	if (status < 100 || status > 699 || str_find(reason, '\r') >= 0 || str_find(reason, '\n') >= 0 ||
	    str_find(reason, '\0') >= 0)
		return ERR_SYNTAX;
	copy = arena_dup(m->c->arena, reason);
	if (!copy.p)
		return ERR_NOMEM;
	m->status = status;
	m->reason = copy;
	m->first_line_changed = true;
	return OK;
}

/* A made field takes the place of those of its type. */
static void put_only(struct msg *m, struct hdr *h)
{
	struct hdr *prev = m->first[h->type] ? m->first[h->type]->prev : m->last;

	msg_remove_all(m, h->type);
	hdr_link(m, prev, h);
}

enum err msg_set_body(struct msg *m, struct str type, struct str body)
{
	struct hdr *length, *content_type = NULL;
	struct str  copy = arena_dup(m->c->arena, body);
	char        digits[24];
	int         n = snprintf(digits, sizeof(digits), "%zu", body.len);
	enum err    err;

	if (!copy.p)
		return ERR_NOMEM;
	err = hdr_make(m, STR("Content-Length"), str_n(digits, (size_t)n), &length);
	if (!err && type.len)
		err = hdr_make(m, STR("Content-Type"), type, &content_type);
	if (err)
		return err;
	put_only(m, length);
	if (content_type)
		put_only(m, content_type);
	m->body = copy;
	m->body_changed = true;
	return OK;
}

static struct str before_params(const struct via *v)
{
	return lws_trim(str_to(v->text, v->text.len - v->params.len));
}

/* The top Via with received and rport as they should be. rport keeps its place; other parameters are left alone. */
static void via_write_received(const struct via *v, bool received, struct str ip, uint16_t port, struct buf *out)
{
	struct str   rest = v->params;
	struct param p;

	buf_add(out, before_params(v));
	while (rest.len) {
		struct str start = rest;

		if (!param_next(&rest, &p, NULL))
			break;
		if (str_ieqz(p.name, "received"))
			continue;
		if (str_ieqz(p.name, "rport")) {
			BUF_LIT(out, ";rport=");
			buf_u64(out, port);
		} else {
			buf_add(out, lws_trim(str_to(start, start.len - rest.len)));
		}
	}
	if (received) {
		BUF_LIT(out, ";received=");
		buf_add(out, ip);
	}
}

/* What is known of the Via, without parsing it again: the rest of it still stands in the received bytes. */
static void via_note_received(struct via *v, struct str text, bool received, struct str ip, uint16_t port)
{
	v->params = str_from(text, before_params(v).len);
	v->text = text;
	v->received = received ? str_from(text, text.len - ip.len) : STR_NONE;
	if (v->has_rport)
		v->rport = port;
}

enum err msg_set_received(struct msg *m, struct str ip, uint16_t port)
{
	const struct via *v;
	struct via       *known;
	struct hdr       *h = m->first[H_VIA];
	struct buf        b;
	struct str        rest, top;
	enum err          err = msg_read_via1(m, &v);
	bool              received;

	if (err)
		return err;
	received = v->has_rport || !host_eq(v->host, ip);
	if (!received && !v->received.p)
		return OK;
	rest = h->body;
	value_next(&rest, &top);
	b.cap = h->body.len + ip.len + sizeof(";received=;rport=65535, ");
	b = buf_on(arena_alloc(m->c->arena, b.cap), b.cap);
	if (!b.p)
		return ERR_NOMEM;
	via_write_received(v, received, ip, port, &b);
	top = buf_str(&b);
	if (rest.p) {
		BUF_LIT(&b, ", ");
		buf_add(&b, lws_trim(rest));
	}
	if (!buf_ok(&b))
		return ERR_LIMIT;
	known = m->via1;
	set_body_text(m, h, buf_str(&b));
	via_note_received(known, top, received, ip, port);
	m->via1 = known;
	return OK;
}

/* What was parsed of a field hangs on the field and goes with it. */
enum err msg_fork(const struct msg *m, struct msg *out)
{
	struct hdr *copy = arena_alloc(m->c->arena, (m->n_hdrs + 1) * sizeof(*copy)), **link;
	struct hdr *last[H_COUNT] = { NULL };
	size_t      n = 0;

	if (!copy)
		return ERR_NOMEM;
	*out = *m;
	out->last = NULL;
	memset(out->first, 0, sizeof(out->first));
	link = &out->hdrs;
	for (const struct hdr *h = m->hdrs; h; h = h->next) {
		struct hdr *own = &copy[n++];

		*own = *h;
		own->prev = out->last;
		own->same = NULL;
		*link = out->last = own;
		link = &own->next;
		if (h->type == H_OTHER)
			continue;
		if (last[h->type])
			last[h->type]->same = own;
		else
			out->first[h->type] = own;
		last[h->type] = own;
	}
	*link = NULL;
	return OK;
}
