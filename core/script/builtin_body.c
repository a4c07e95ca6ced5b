/* The body, and what a session description says (RFC 8866). */
#include "msg/body.h"
#include "script/builtin.h"

static struct str content_type(const struct msg *m)
{
	struct str type = STR_NONE;

	if (msg_hdr(m, STR("Content-Type"), &type))
		return STR_NONE;
	return str_trim(str_take_until(&type, ';'));
}

/* Is there a body, of that type where one is given? */
enum verdict fn_has_body(struct call *c)
{
	const struct msg *m = &c->req->msg;

	return give(c, value_bool(m->body.len && (c->argv[0].type == T_NULL || str_ieq(content_type(m), c->argv[0].u.s))));
}

enum verdict get_body(struct call *c, struct str arg, struct value *out)
{
	(void)arg;
	*out = c->req->msg.body.len ? value_str(c->req->msg.body) : V_NULL;
	return V_OK;
}

/* Its type stays; without one it is text. */
enum verdict set_body(struct call *c, struct str arg, const struct value *v)
{
	struct msg *m = &c->req->msg;
	struct str  body = text_or_none(v);
	struct str  type = body.len && !content_type(m).len ? STR("text/plain") : STR_NONE;

	(void)arg;
	if (msg_set_body(m, type, body))
		return V_ERROR;
	if (!body.len)
		msg_remove_all(m, H_CONTENT_TYPE);
	return V_OK;
}

/* --- $sdp --- */

static const struct field sdp_fields[] = {
	{ "ip", T_STR, true, "connection address of the first medium, else of the session" },
	{ "port", T_INT, true, "port of the first medium" },
	{ "media", T_STR, true, "the first medium: audio, video …" },
	{ "codecs", T_LIST, false, "names of its formats in order of preference: PCMA, opus …" },
	{ 0 },
};
const struct shape sdp_shape = { "sdp", sdp_fields };

static enum err codecs(struct arena *a, const struct sdp *s, struct value *out)
{
	enum { MOST = 64 };
	struct value *v = arena_alloc(a, MOST * sizeof(*v));
	struct str    formats = s->formats;
	size_t        n = 0;

	if (!v)
		return ERR_NOMEM;
	while (formats.len && n < MOST)
		v[n++] = value_str(sdp_codec(s, sdp_format_take(&formats)));
	return make_list(a, v, n, out);
}

static struct value text_value(struct str s)
{
	return s.len ? value_str(s) : V_NULL;
}

/* Where it stands beside something else, that is not in the way (RFC 5621 §3.1). */
enum verdict get_sdp(struct call *c, struct str arg, struct value *out)
{
	const struct msg *m = &c->req->msg;
	struct arena     *a = c->c->arena;
	struct str        type = STR_NONE, body;
	struct sdp        s;
	struct value     *v;
	struct record    *rec;

	(void)arg;
	if (!m->body.len || msg_hdr(m, STR("Content-Type"), &type))
		return V_OK;
	body = body_find(type, m->body, "application/sdp");
	if (!body.p)
		return V_OK;
	sdp_read(body, &s);
	v = arena_alloc(a, (COUNT_OF(sdp_fields) - 1) * sizeof(*v));
	rec = ARENA_NEW(a, struct record);
	if (!v || !rec || codecs(a, &s, &v[3]))
		return V_ERROR;
	run_charge(c->run, body.len * (1 + v[3].u.list->count));	/* each codec is looked for */
	v[0] = text_value(s.media_ip.len ? s.media_ip : s.ip);
	v[1] = s.has_media ? value_int(s.port) : V_NULL;
	v[2] = text_value(s.media);
	*rec = (struct record){ &sdp_shape, v };
	*out = value_record(rec);
	return V_OK;
}
