/* Header fields by name. */
#include "script/builtin.h"

/* A token, as a field's name must be (RFC 3261 §25.1). */
static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ch_token(name.p[i]))
			return false;
	return name.len > 0;
}

/* RFC 3261 §8.1.1: what every request has; and the length, which the core knows better. */
bool header_is_kept(struct str name)
{
	static const char *const kept[] = { "Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Content-Length", "l" };

	for (size_t i = 0; i < COUNT_OF(kept); i++)
		if (str_ieqz(name, kept[i]))
			return true;
	return false;
}

/* The checker has seen names that are literals; these are computed. */
static bool may_edit(struct call *c, struct str name)
{
	if (!header_is_kept(name))
		return true;
	log_error(c->c, "a script cannot change this header field name=" STR_FMT, STR_ARG(name));
	return false;
}

/* A value taken from a received field may be folded (§7.3.1): on one line again. Any other line end would begin a field that the
 * script did not mean: .p NULL. Also on no memory. */
static struct str unfold(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; p && i < s.len;) {
		size_t from = i;

		while (i < s.len && ch_lws(s.p[i]))
			i++;
		if (i > from && !one_line(str_n(s.p + from, i - from))) {
			if (s.p[i - 1] != ' ' && s.p[i - 1] != '\t')
				return STR_NONE;
			p[n++] = ' ';
			continue;
		}
		memcpy(p + n, s.p + from, i - from);
		n += i - from;
		if (i < s.len)
			p[n++] = s.p[i++];
	}
	return p ? str_n(p, n) : STR_NONE;
}

static bool field_split(struct str line, struct str *name, struct str *body)
{
	struct str rest = line;

	*name = str_trim(str_take_until(&rest, ':'));
	*body = str_trim(rest);
	return name->len < line.len && name_ok(*name);
}

bool headers_ok(struct str text)
{
	while (text.len) {
		ptrdiff_t  end = str_find_str(text, STR("\r\n"));
		struct str name, body;

		if (end < 0 || !one_line(str_to(text, (size_t)end)) || !field_split(str_to(text, (size_t)end), &name, &body))
			return false;
		text = str_from(text, (size_t)end + 2);
	}
	return true;
}

/* Was there one? */
static bool remove_all(struct msg *m, struct str name)
{
	struct hdr *h = msg_find(m, name);
	bool        any = h != NULL;

	while (h) {
		struct hdr *next = msg_find_next(h);

		msg_remove(m, h);
		h = next;
	}
	return any;
}

/* "Name: value\r\n" as in other servers, the line end being optional, or name and value. */
static bool field_given(struct call *c, struct str *name, struct str *body)
{
	*name = str_trim(c->argv[0].u.s);
	*body = c->argv[1].u.s;
	if (c->argv[1].type == T_NULL && !field_split(*name, name, body)) {
		log_error(c->c, "expected \"Name: value\" text=\"" STR_FMT "\"", STR_ARG(*name));
		return false;
	}
	*body = unfold(c->c->arena, str_trim(*body));
	if (name_ok(*name) && body->p && one_line(*body))
		return may_edit(c, *name);
	log_error(c->c, "not one header field name=" STR_FMT, STR_ARG(*name));
	return false;
}

static enum verdict added(struct call *c, enum err err)
{
	if (err)
		log_error(c->c, "no memory for a header field");
	return err ? V_ERROR : V_OK;
}

enum verdict fn_append_hf(struct call *c)
{
	struct str name, body;

	return field_given(c, &name, &body) ? added(c, msg_append(&c->req->msg, name, body)) : V_ERROR;
}

enum verdict fn_insert_hf(struct call *c)
{
	struct str name, body;

	return field_given(c, &name, &body) ? added(c, msg_prepend(&c->req->msg, name, body)) : V_ERROR;
}

/* $hdr(Name) = value: the only field of that name; null takes it out. */
enum verdict set_hdr(struct call *c, struct str name, const struct value *v)
{
	struct str body;

	if (!may_edit(c, name))
		return V_ERROR;
	if (v->type == T_NULL) {
		remove_all(&c->req->msg, name);
		return V_OK;
	}
	body = unfold(c->c->arena, str_trim(v->u.s));
	if (!body.p || !one_line(body)) {
		log_error(c->c, "not the value of one header field name=" STR_FMT, STR_ARG(name));
		return V_ERROR;
	}
	return added(c, msg_set_hdr(&c->req->msg, name, body));
}

enum verdict fn_remove_hf(struct call *c)
{
	if (!may_edit(c, c->argv[0].u.s))
		return V_ERROR;
	return give(c, value_bool(remove_all(&c->req->msg, c->argv[0].u.s)));
}

enum verdict fn_is_present_hf(struct call *c)
{
	c->result = value_bool(msg_find(&c->req->msg, c->argv[0].u.s) != NULL);
	return V_OK;
}
