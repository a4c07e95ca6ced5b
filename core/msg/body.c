#include "msg/body.h"

#include "msg/internal.h"

enum { MOST_NESTING = 4, MOST_BOUNDARY = 70 /* RFC 2046 §5.1.1 */ };

/* --- multipart --- */

struct parts {
	struct str rest, boundary;
	bool       over;
};

/* "--boundary", at the end "--boundary--"; blanks may follow. */
static bool is_delimiter(struct str line, struct str boundary, bool *last)
{
	if (!str_starts(line, STR("--")) || !str_starts(str_from(line, 2), boundary))
		return false;
	line = lws_trim(str_from(line, 2 + boundary.len));
	*last = str_is(line, "--");
	return *last || !line.len;
}

/* The line end before a delimiter belongs to the delimiter. */
static struct str without_line_end(struct str s)
{
	if (s.len && s.p[s.len - 1] == '\n')
		s.len--;
	if (s.len && s.p[s.len - 1] == '\r')
		s.len--;
	return s;
}

/* The next part with its header. One that is not closed goes to the end of the body. */
static bool part_next(struct parts *p, struct str *part)
{
	const char *begin = NULL;

	while (p->rest.len && !p->over) {
		struct str here = p->rest, line = str_take_until(&p->rest, '\n');
		bool       last;

		if (!is_delimiter(line, p->boundary, &last))
			continue;
		if (begin) {
			*part = without_line_end(str_n(begin, (size_t)(here.p - begin)));
			p->rest = here;		/* it begins the next one */
			return true;
		}
		p->over = last;
		begin = p->rest.p;
	}
	if (!begin || p->over)
		return false;
	*part = str_n(begin, (size_t)(p->rest.p - begin));
	return true;
}

/* Its Content-Type; without one it is text (RFC 2046 §5.1). */
static void part_split(struct str part, struct str *type, struct str *body)
{
	struct field    f;
	enum field_kind kind;

	*type = STR("text/plain");
	while ((kind = field_take(&part, &f)) == FIELD_ONE || kind == FIELD_BAD)
		if (kind == FIELD_ONE && hdr_type_of(f.name) == H_CONTENT_TYPE)
			*type = f.body;
	*body = kind == FIELD_END ? part : STR("");
}

static struct str find(struct str content_type, struct str body, const char *media_type, unsigned depth)
{
	struct str   params = content_type, media = lws_trim(str_take_until(&params, ';')), part, type, inner;
	struct parts all = { .rest = body };

	if (str_ieqz(media, media_type))
		return body;
	if (!str_istarts(media, STR("multipart/")) || depth == MOST_NESTING || !param_find(params, "boundary", &all.boundary))
		return STR_NONE;
	if (!all.boundary.len || all.boundary.len > MOST_BOUNDARY)
		return STR_NONE;
	while (part_next(&all, &part)) {
		part_split(part, &type, &inner);
		inner = find(type, inner, media_type, depth + 1);
		if (inner.p)
			return inner;
	}
	return STR_NONE;
}

struct str body_find(struct str content_type, struct str body, const char *media_type)
{
	return find(content_type, body, media_type, 0);
}

/* --- SDP --- */

/* Formats with a number below 96 need no rtpmap (RFC 3551 §6). */
static const struct { unsigned number; const char *name; } fixed[] = {
	{ 0, "PCMU" }, { 3, "GSM" }, { 4, "G723" }, { 5, "DVI4" }, { 7, "LPC" }, { 8, "PCMA" }, { 9, "G722" }, { 10, "L16" }, { 12, "QCELP" },
	{ 13, "CN" }, { 15, "G728" }, { 18, "G729" }, { 26, "JPEG" }, { 31, "H261" }, { 34, "H263" },
};

static struct str take_word(struct str *rest)
{
	*rest = lws_trim(*rest);
	return str_take_until(rest, ' ');
}

struct str sdp_format_take(struct str *formats)
{
	return take_word(formats);
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
		struct str line = lws_trim(str_take_until(rest, '\n'));

		if (line.len < 2 || line.p[1] != '=')
			continue;
		*kind = line.p[0];
		*value = lws_trim(str_from(line, 2));
		return true;
	}
	return false;
}

/* m=audio 4000/2 RTP/AVP 0 8 */
static void medium(struct str rest, struct sdp *s)
{
	s->has_media = true;
	s->media = take_word(&rest);
	rest = lws_trim(rest);
	if (!str_take_u32(&rest, &s->port))
		s->port = 0;
	str_take_until(&rest, ' ');	/* what may follow the port: /2 */
	take_word(&rest);	/* RTP/AVP */
	s->formats = lws_trim(rest);
}

void sdp_read(struct str body, struct sdp *out)
{
	struct str rest = body, value;
	char       kind;

	*out = (struct sdp){ 0 };
	for (const char *begin = rest.p; sdp_line(&rest, &kind, &value); begin = rest.p) {
		if (kind == 'm' && out->has_media) {	/* the second one */
			out->lines.len = (size_t)(begin - out->lines.p);
			return;
		}
		if (kind == 'm') {
			medium(value, out);
			out->lines = rest;
		} else if (kind == 'c' && out->has_media) {
			out->media_ip = connection(value);
		} else if (kind == 'c') {
			out->ip = connection(value);
		}
	}
}

/* a=rtpmap:101 telephone-event/8000 */
struct str sdp_codec(const struct sdp *s, struct str format)
{
	struct str rest = s->lines, value;
	char       kind;
	uint32_t   n;

	while (sdp_line(&rest, &kind, &value)) {
		struct str name;

		if (kind != 'a' || !str_starts(value, STR("rtpmap:")))
			continue;
		value = str_from(value, 7);
		name = take_word(&value);
		if (str_eq(name, format)) {
			value = lws_trim(value);
			return str_take_until(&value, '/');
		}
	}
	for (size_t i = 0; str_u32(format, &n) && i < COUNT_OF(fixed); i++)
		if (fixed[i].number == n)
			return str_of(fixed[i].name);
	return format;
}
