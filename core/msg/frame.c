#include "msg/frame.h"

#include "msg/internal.h"

/* CRLFs between messages: OK with *out when they are a PING or PONG of their own, ERR_AGAIN when that is not yet known,
 * ERR_NOT_FOUND when a message begins. */
static enum err keepalive_next(struct str in, bool at_rest, struct frame *out)
{
	size_t n = 0;

	while (n < in.len && n < 4 && in.p[n] == "\r\n\r\n"[n])
		n++;
	if (n == 4) {
		*out = (struct frame){ .kind = FRAME_PING, .len = 4 };
		return OK;
	}
	if (n == in.len && (n != 2 || !at_rest))
		return ERR_AGAIN;
	if (n < 2)
		return n ? ERR_SYNTAX : ERR_NOT_FOUND;
	*out = (struct frame){ .kind = FRAME_PONG, .len = 2 };
	return OK;
}

/* Go on looking for the empty line; true when scan->header_len is known. */
static bool find_header_end(struct str in, struct frame_scan *scan)
{
	struct str rest = str_from(in, scan->scanned);
	ptrdiff_t  lf;

	while ((lf = str_find(rest, '\n')) >= 0) {
		struct str after = str_from(rest, (size_t)lf + 1);

		if (!after.len || (after.len == 1 && after.p[0] == '\r'))
			break;	/* the next line is not there yet: look at this LF again */
		if (after.p[0] == '\n' || (after.p[0] == '\r' && after.p[1] == '\n')) {
			scan->header_len = (size_t)(after.p - in.p) + (after.p[0] == '\n' ? 1 : 2);
			return true;
		}
		rest = after;
	}
	scan->scanned = lf < 0 ? in.len : (size_t)(rest.p - in.p) + (size_t)lf;
	return false;
}

/* The one Content-Length (RFC 3261 §18.3: on a stream it must be there). */
static enum err find_length(struct str header, size_t *out)
{
	struct field    f;
	enum field_kind kind;
	struct str      line, text;
	uint32_t        len = 0;
	size_t          found = 0;
	bool            ignored = false;

	if (!line_take(&header, &line, &text, &ignored, &ignored))
		return ERR_SYNTAX;
	while ((kind = field_take(&header, &f)) == FIELD_ONE || kind == FIELD_BAD) {
		if (kind == FIELD_BAD || hdr_type_of(f.name) != H_CONTENT_LENGTH)
			continue;
		if (number_parse(f.body, &len))
			return ERR_SYNTAX;
		found++;
	}
	if (found != 1)
		return ERR_SYNTAX;
	*out = len;
	return OK;
}

static struct str without_lfs(struct str in)
{
	while (in.len && in.p[0] == '\n')
		in = str_from(in, 1);
	return in;
}

enum err frame_next(struct str in, size_t max_bytes, bool at_rest, struct frame_scan *scan, struct frame *out)
{
	/* bare LFs before a message mean nothing to anybody; CRLFs were reported one by one */
	struct str msg = without_lfs(in);
	size_t     skip = in.len - msg.len;
	enum err   err;

	if (!scan->header_len) {
		err = keepalive_next(msg, at_rest, out);
		if (!err) {
			out->skip = skip;
			out->len += skip;
		}
		if (err != ERR_NOT_FOUND)
			return err;
		if (!find_header_end(msg, scan))
			return msg.len >= max_bytes ? ERR_LIMIT : ERR_AGAIN;
		if (find_length(str_to(msg, scan->header_len), &scan->body_len))
			return ERR_SYNTAX;
	}
	if (scan->header_len > max_bytes || scan->body_len > max_bytes - scan->header_len)
		return ERR_LIMIT;
	if (msg.len < scan->header_len + scan->body_len)
		return ERR_AGAIN;
	*out = (struct frame){ .kind = FRAME_MESSAGE, .skip = skip, .len = skip + scan->header_len + scan->body_len };
	return OK;
}
