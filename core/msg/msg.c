/* One-pass parse and the readers. */
#include "msg/internal.h"

enum { HDRS_AT_ONCE = 32 };	/* more than nearly all messages have */

/* What parsing carries from field to field. */
struct parse {
	struct msg *m;
	struct str  rest;
	struct hdr *room;	/* unused ones of the last array */
	size_t      room_left;
	struct hdr *tail[H_COUNT];	/* last of each type */
};

/* The first thing found wrong is the one to tell. */
static void note_bad(struct msg *m, enum msg_bad bad)
{
	if (!m->bad)
		m->bad = bad;
}

bool field_body_ok(struct str body)
{
	bool quote = false;

	for (size_t i = 0; i < body.len; i++) {
		char c = body.p[i];

		if (c == '\0')
			return false;
		if (c == '"')
			quote = !quote;
		else if (c == '\\' && quote)
			i++;
		else if (c == '\r' && (i + 1 == body.len || body.p[i + 1] != '\n'))
			return false;
		else if (c == '\n' && (i == 0 || body.p[i - 1] != '\r' || i + 1 == body.len ||
				       (body.p[i + 1] != ' ' && body.p[i + 1] != '\t')))
			return false;
	}
	return true;
}

/* SIP-Version of another number than ours: 505, while anything else is no start line at all. */
static bool version_other(struct str v)
{
	uint32_t n;

	if (!str_istarts(v, STR("SIP/")))
		return false;
	v = str_from(v, 4);
	return str_take_u32(&v, &n) && str_take_ch(&v, '.') && str_take_u32(&v, &n) && !v.len;
}

/* Request-Line = Method SP Request-URI SP SIP-Version CRLF, single SPs (RFC 3261 §7.1) */
static enum msg_bad request_line(struct str line, struct msg *m)
{
	struct str rest = line;

	m->request = true;
	m->method_name = str_take_token(&rest);
	m->method = method_of(m->method_name);
	if (!m->method_name.len || (rest.len && rest.p[0] != ' '))
		return BAD_METHOD;
	if (!str_take_ch(&rest, ' '))
		return BAD_FIRST_LINE;
	m->ruri = str_take_until(&rest, ' ');
	if (!str_ieq(rest, STR("SIP/2.0")))
		return version_other(rest) ? BAD_VERSION : BAD_FIRST_LINE;
	return m->ruri.len ? BAD_NONE : BAD_FIRST_LINE;
}

/* Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF (§7.2). A missing SP before an empty reason is
 * forgiven. */
static enum msg_bad status_line(struct str line, struct msg *m)
{
	struct str version = str_take_until(&line, ' '), code = str_take_until(&line, ' ');
	uint32_t   status;

	m->reason = line;
	if (!str_ieqz(version, "SIP/2.0"))
		return BAD_VERSION;
	if (code.len != 3 || !str_u32(code, &status) || status < 100 || status > 699)
		return BAD_STATUS;
	m->status = (uint16_t)status;
	return BAD_NONE;
}

static void parse_first_line(struct parse *p)
{
	struct msg *m = p->m;
	struct str  text;
	bool        bad = false;

	m->request = true;
	if (!line_take(&p->rest, &m->first_line_raw, &text, &m->first_line_changed, &bad)) {
		p->rest = str_from(p->rest, p->rest.len);
		note_bad(m, BAD_FIRST_LINE);
		return;
	}
	m->request = !str_istarts(text, STR("SIP/"));
	note_bad(m, m->request ? request_line(text, m) : status_line(text, m));
	if (bad || memchr(text.p, '\0', text.len))
		note_bad(m, BAD_FIRST_LINE);
}

static struct hdr *hdr_new(struct parse *p)
{
	if (!p->room_left) {
		p->room = arena_alloc(p->m->c->arena, HDRS_AT_ONCE * sizeof(*p->room));
		if (!p->room)
			return NULL;
		p->room_left = HDRS_AT_ONCE;
	}
	p->room_left--;
	return p->room++;
}

/* The body with its folds as single blanks: what ended its lines with a bare LF is not sent on as it came. */
static struct str unfolded(struct arena *a, struct str body)
{
	char  *p = arena_alloc(a, body.len ? body.len : 1);
	size_t n = 0;

	if (!p)
		return STR_NONE;
	for (size_t i = 0; i < body.len; i++)
		if (body.p[i] == '\n')
			p[n++] = ' ';
		else if (body.p[i] != '\r')
			p[n++] = body.p[i];
	return str_n(p, n);
}

static enum err index_field(struct parse *p, const struct field *f)
{
	struct msg   *m = p->m;
	enum hdr_type t = hdr_type_of(f->name);
	struct hdr   *h = hdr_new(p);

	if (!h)
		return ERR_NOMEM;
	*h = (struct hdr){ .name = f->name, .body = f->body, .raw = f->raw, .type = t, .prev = m->last };
	if (f->bare_lf) {
		h->changed = true;
		h->body = unfolded(m->c->arena, f->body);
		if (!h->body.p)
			return ERR_NOMEM;
	}
	*(m->last ? &m->last->next : &m->hdrs) = h;
	m->last = h;
	m->n_hdrs++;
	if (t != H_OTHER) {
		*(p->tail[t] ? &p->tail[t]->same : &m->first[t]) = h;
		p->tail[t] = h;
	}
	return OK;
}

/* Index the fields up to the empty line. A broken one is noted and passed over, so that an answer to the rest is
 * still possible. */
static enum err parse_fields(struct parse *p)
{
	struct field f;

	for (;;) {
		switch (field_take(&p->rest, &f)) {
		case FIELD_END:
			return OK;
		case FIELD_CUT:
			p->rest = str_from(p->rest, p->rest.len);
			note_bad(p->m, BAD_TRUNCATED);
			return OK;
		case FIELD_BAD:
			note_bad(p->m, BAD_HEADER);
			break;
		case FIELD_ONE:
			if (p->m->n_hdrs == MSG_MOST_HEADERS) {
				note_bad(p->m, BAD_TOO_MANY_HEADERS);
				p->rest = str_from(p->rest, p->rest.len);
				return OK;
			}
			if (index_field(p, &f))
				return ERR_NOMEM;
		}
	}
}

/* A NUL may stand only as a quoted pair (RFC 4475 §3.1.1.2); most messages hold none, which one look tells. */
static void check_nuls(struct msg *m, struct str header)
{
	if (!header.len || !memchr(header.p, '\0', header.len))
		return;
	for (const struct hdr *h = m->hdrs; h; h = h->next)
		if (memchr(h->raw.p, '\0', h->raw.len) && !field_body_ok(h->body))
			note_bad(m, BAD_HEADER);
}

/* Content-Length bytes, or all there is where it is missing (§18.3, datagrams). */
static void parse_body(struct parse *p)
{
	struct msg *m = p->m;
	struct hdr *cl = m->first[H_CONTENT_LENGTH];
	uint32_t    len;

	m->body = p->rest;
	if (!cl)
		return;
	if (number_parse(cl->body, &len)) {
		note_bad(m, BAD_CONTENT_LENGTH);
		return;
	}
	for (const struct hdr *h = cl->same; h; h = h->same)
		if (!str_eq(h->body, cl->body))
			note_bad(m, BAD_CONTENT_LENGTH);
	if (len > p->rest.len)
		note_bad(m, BAD_TRUNCATED);
	m->body = str_to(p->rest, len);
}

/* CRLFs before the start line are passed over (§7.5). */
static struct str skip_line_ends(struct str in)
{
	while (in.len && (in.p[0] == '\r' || in.p[0] == '\n'))
		in = str_from(in, 1);
	return in;
}

static enum err parse_all(struct parse *p)
{
	struct msg        *m = p->m;
	const struct cseq *cseq;
	const char        *header;

	parse_first_line(p);
	header = p->rest.p;
	if (p->rest.len || !m->bad)
		if (parse_fields(p))
			return ERR_NOMEM;
	check_nuls(m, str_n(header, (size_t)(p->rest.p - header)));
	parse_body(p);
	m->body_raw = m->body;
	m->raw.len = (size_t)(m->body.p + m->body.len - m->raw.p);
	if (m->request)
		return OK;
	switch (msg_read_cseq(m, &cseq)) {
	case OK:
		m->method_name = cseq->method;
		m->method = method_of(cseq->method);
		return OK;
	case ERR_NOMEM:
		return ERR_NOMEM;
	default:
		return OK;	/* msg_check tells */
	}
}

enum err msg_parse(struct ctx *c, struct str in, struct msg *m)
{
	struct parse p = { .m = m };

	*m = (struct msg){ .c = c, .raw = skip_line_ends(in) };
	p.rest = m->raw;
	if (!m->raw.len || m->raw.len > MSG_MOST_BYTES) {
		m->bad = m->raw.len ? BAD_TOO_LARGE : BAD_EMPTY;
		m->request = true;
		return ERR_SYNTAX;
	}
	if (parse_all(&p)) {
		m->bad = BAD_NOMEM;
		return ERR_NOMEM;
	}
	return m->bad ? ERR_SYNTAX : OK;
}

/* --- typed readers --- */

enum err msg_read_ruri(struct msg *m, const struct uri **out)
{
	struct uri u;

	if (!m->ruri_parsed) {
		if (!m->request)
			return ERR_NOT_FOUND;
		if (uri_parse(m->ruri, &u))
			return ERR_SYNTAX;
		m->ruri_parsed = arena_alloc(m->c->arena, sizeof(u));
		if (!m->ruri_parsed)
			return ERR_NOMEM;
		*m->ruri_parsed = u;
	}
	*out = m->ruri_parsed;
	return OK;
}

static enum err read_via1(struct msg *m, enum err (*parse)(struct str in, struct via *out))
{
	struct str body, top;
	struct via v;

	if (m->via1)
		return OK;
	if (!m->first[H_VIA])
		return ERR_NOT_FOUND;
	body = m->first[H_VIA]->body;
	if (!value_next(&body, &top) || parse(top, &v))
		return ERR_SYNTAX;
	m->via1 = arena_alloc(m->c->arena, sizeof(v));
	if (!m->via1)
		return ERR_NOMEM;
	*m->via1 = v;
	return OK;
}

enum err msg_read_via1(struct msg *m, const struct via **out)
{
	enum err err = read_via1(m, via_parse);

	if (!err)
		*out = m->via1;
	return err;
}

enum err msg_salvage_via1(struct msg *m)
{
	return read_via1(m, via_parse_start);
}

/* tag-param = "tag" EQUAL token: one without value is neither a tag nor none. */
static bool tag_ok(const struct name_addr *na)
{
	return !na->has_tag || na->tag.len;
}

enum err msg_read_addr(struct msg *m, enum hdr_type t, const struct name_addr **out)
{
	struct hdr      *h = m->first[t];
	struct name_addr na;

	if (!h)
		return ERR_NOT_FOUND;
	if (!h->parsed) {
		if (name_addr_parse(h->body, &na) || na.star || !tag_ok(&na))
			return ERR_SYNTAX;
		h->parsed = arena_alloc(m->c->arena, sizeof(na));
		if (!h->parsed)
			return ERR_NOMEM;
		memcpy(h->parsed, &na, sizeof(na));
	}
	*out = h->parsed;
	return OK;
}

enum err msg_read_cseq(struct msg *m, const struct cseq **out)
{
	struct hdr *h = m->first[H_CSEQ];
	struct cseq c;

	if (!h)
		return ERR_NOT_FOUND;
	if (!h->parsed) {
		if (cseq_parse(h->body, &c))
			return ERR_SYNTAX;
		h->parsed = arena_alloc(m->c->arena, sizeof(c));
		if (!h->parsed)
			return ERR_NOMEM;
		memcpy(h->parsed, &c, sizeof(c));
	}
	*out = h->parsed;
	return OK;
}

const struct uri *msg_ruri(struct msg *m)
{
	const struct uri *u;

	return msg_read_ruri(m, &u) ? NULL : u;
}

const struct via *msg_via1(struct msg *m)
{
	const struct via *v;

	return msg_read_via1(m, &v) ? NULL : v;
}

const struct name_addr *msg_from(struct msg *m)
{
	const struct name_addr *na;

	return msg_read_addr(m, H_FROM, &na) ? NULL : na;
}

const struct name_addr *msg_to(struct msg *m)
{
	const struct name_addr *na;

	return msg_read_addr(m, H_TO, &na) ? NULL : na;
}

const struct cseq *msg_cseq(struct msg *m)
{
	const struct cseq *c;

	return msg_read_cseq(m, &c) ? NULL : c;
}

struct str msg_call_id(const struct msg *m)
{
	return m->first[H_CALL_ID] ? m->first[H_CALL_ID]->body : STR_NONE;
}

struct str msg_from_tag(struct msg *m)
{
	const struct name_addr *na = msg_from(m);

	return na ? na->tag : STR_NONE;
}

struct str msg_to_tag(struct msg *m)
{
	const struct name_addr *na = msg_to(m);

	return na ? na->tag : STR_NONE;
}

enum err msg_number(struct msg *m, enum hdr_type t, uint32_t *out)
{
	return m->first[t] ? number_parse(m->first[t]->body, out) : ERR_NOT_FOUND;
}

/* --- readers by name --- */

static struct hdr *same_name(struct hdr *h, struct str name)
{
	while (h && (h->type != H_OTHER || !hdr_name_eq(h->name, name)))
		h = h->next;
	return h;
}

struct hdr *msg_find(const struct msg *m, struct str name)
{
	enum hdr_type t = hdr_type_of(name);

	return t != H_OTHER ? m->first[t] : same_name(m->hdrs, name);
}

struct hdr *msg_find_next(const struct hdr *h)
{
	return h->type != H_OTHER ? h->same : same_name(h->next, h->name);
}

enum err msg_hdr(const struct msg *m, struct str name, struct str *body)
{
	const struct hdr *h = msg_find(m, name);

	if (!h)
		return ERR_NOT_FOUND;
	*body = h->body;
	return OK;
}

struct msg_values msg_values(const struct msg *m, enum hdr_type t)
{
	return (struct msg_values){ .next = m->first[t] };
}

bool msg_values_next(struct msg_values *it, struct str *value)
{
	while (!value_next(&it->rest, value)) {
		if (!it->next)
			return false;
		it->hdr = it->next;
		it->next = it->hdr->same;
		/* a field without text has no values: "Supported:" is legal (RFC 3261 §20.37) */
		it->rest = it->hdr->body.len ? it->hdr->body : STR_NONE;
	}
	return true;
}

bool msg_has_token(const struct msg *m, enum hdr_type t, const char *token)
{
	struct msg_values it = msg_values(m, t);
	struct str        value, want = str_of(token);

	while (msg_values_next(&it, &value))
		if (str_ieq(value, want))
			return true;
	return false;
}
