/* The body, and what a session description says (RFC 8866). */
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

/* Formats with a number below 96 need no rtpmap (RFC 3551 §6). */
static const struct { unsigned number; const char *name; } fixed[] = {
	{ 0, "PCMU" }, { 3, "GSM" }, { 4, "G723" }, { 5, "DVI4" }, { 7, "LPC" }, { 8, "PCMA" }, { 9, "G722" }, { 10, "L16" }, { 12, "QCELP" },
	{ 13, "CN" }, { 15, "G728" }, { 18, "G729" }, { 26, "JPEG" }, { 31, "H261" }, { 34, "H263" },
};

struct sdp {
	struct str ip, media_ip, media, formats;
	uint32_t   port;
	bool       has_media;
};

static struct str take_word(struct str *rest)
{
	*rest = str_trim(*rest);
	return str_take_until(rest, ' ');
}

/* c=IN IP4 192.0.2.1/127 */
static struct str connection(struct str rest)
{
	struct str address;

	take_word(&rest);
	take_word(&rest);
	address = take_word(&rest);
	return str_take_until(&address, '/');
}

/* The next line, and what is behind its "x=". */
static bool sdp_line(struct str *rest, char *kind, struct str *value)
{
	while (rest->len) {
		struct str line = str_trim(str_take_until(rest, '\n'));

		if (line.len < 2 || line.p[1] != '=')
			continue;
		*kind = line.p[0];
		*value = str_trim(str_from(line, 2));
		return true;
	}
	return false;
}

/* Up to the second medium. */
static void sdp_read(struct str body, struct sdp *s)
{
	struct str value;
	char       kind;

	while (sdp_line(&body, &kind, &value)) {
		if (kind == 'm' && s->has_media)
			return;
		if (kind == 'c' && s->has_media)
			s->media_ip = connection(value);
		else if (kind == 'c')
			s->ip = connection(value);
		if (kind != 'm')
			continue;
		s->has_media = true;
		s->media = take_word(&value);
		value = str_trim(value);
		if (!str_take_u32(&value, &s->port))
			s->port = 0;
		(void)str_take_until(&value, ' ');	/* what may follow the port: /2 */
		take_word(&value);	/* RTP/AVP */
		s->formats = str_trim(value);
	}
}

/* a=rtpmap:101 telephone-event/8000 */
static struct str codec_name(struct str body, struct str format)
{
	struct str value;
	char       kind;
	uint32_t   n;

	while (sdp_line(&body, &kind, &value)) {
		struct str name;

		if (kind != 'a' || !str_starts(value, STR("rtpmap:")))
			continue;
		value = str_from(value, 7);
		name = take_word(&value);
		if (str_eq(name, format)) {
			value = str_trim(value);
			return str_take_until(&value, '/');
		}
	}
	for (size_t i = 0; str_u32(format, &n) && i < COUNT_OF(fixed); i++)
		if (fixed[i].number == n)
			return str_of(fixed[i].name);
	return format;
}

static enum err codecs(struct arena *a, struct str body, struct str formats, struct value *out)
{
	enum { MOST = 64 };
	struct value *v = arena_alloc(a, MOST * sizeof(*v));
	size_t        n = 0;

	if (!v)
		return ERR_NOMEM;
	while (formats.len && n < MOST)
		v[n++] = value_str(codec_name(body, take_word(&formats)));
	return make_list(a, v, n, out);
}

static struct value text_value(struct str s)
{
	return s.len ? value_str(s) : V_NULL;
}

enum verdict get_sdp(struct call *c, struct str arg, struct value *out)
{
	const struct msg *m = &c->req->msg;
	struct arena     *a = c->c->arena;
	struct sdp        s = { 0 };
	struct value     *v;
	struct record    *rec;

	(void)arg;
	if (!m->body.len || !str_ieqz(content_type(m), "application/sdp"))
		return V_OK;
	sdp_read(m->body, &s);
	v = arena_alloc(a, (COUNT_OF(sdp_fields) - 1) * sizeof(*v));
	rec = ARENA_NEW(a, struct record);
	if (!v || !rec || codecs(a, m->body, s.formats, &v[3]))
		return V_ERROR;
	v[0] = text_value(s.media_ip.len ? s.media_ip : s.ip);
	v[1] = s.has_media ? value_int(s.port) : V_NULL;
	v[2] = text_value(s.media);
	*rec = (struct record){ &sdp_shape, v };
	*out = value_record(rec);
	return V_OK;
}
