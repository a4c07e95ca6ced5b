/* Applying the edits, in one pass. */
#include "msg/internal.h"

/* Neighbours in the received bytes are gathered, so that what nobody touched is copied at one go. */
struct run {
	struct buf *out;
	struct str  pending;
};

static void run_flush(struct run *r)
{
	buf_add(r->out, r->pending);
	r->pending = STR_NONE;
}

static void run_add(struct run *r, struct str s)
{
	if (r->pending.len && r->pending.p + r->pending.len == s.p) {
		r->pending.len += s.len;
		return;
	}
	run_flush(r);
	r->pending = s;
}

static void field_write(struct str name, struct str body, struct buf *out)
{
	buf_add(out, name);
	BUF_LIT(out, ": ");
	buf_add(out, body);
	BUF_LIT(out, "\r\n");
}

static void length_write(const struct msg *m, struct buf *out)
{
	BUF_LIT(out, "Content-Length: ");
	buf_u64(out, m->body.len);
	BUF_LIT(out, "\r\n");
}

void hdr_write(const struct hdr *h, struct buf *out)
{
	if (h->changed)
		field_write(h->name, h->body, out);
	else
		buf_add(out, h->raw);
}

static void first_line_write(const struct msg *m, struct str ruri, struct run *r)
{
	if (!m->first_line_changed && !ruri.len) {
		run_add(r, m->first_line_raw);
		return;
	}
	run_flush(r);
	if (m->request) {
		buf_add(r->out, m->method_name);
		buf_ch(r->out, ' ');
		buf_add(r->out, ruri.len ? ruri : m->ruri);
		BUF_LIT(r->out, " SIP/2.0\r\n");
		return;
	}
	BUF_LIT(r->out, "SIP/2.0 ");
	buf_u64(r->out, m->status);
	buf_ch(r->out, ' ');
	buf_add(r->out, m->reason);
	BUF_LIT(r->out, "\r\n");
}

/* A Content-Length that somebody set is not believed: a wrong one would break the peer's framing. */
static void fields_write(const struct msg *m, struct run *r)
{
	bool length_done = false;

	for (const struct hdr *h = m->hdrs; h; h = h->next) {
		bool ours = h->type == H_CONTENT_LENGTH && (h->changed || m->body_changed);

		if (!h->changed && !ours) {
			run_add(r, h->raw);
			length_done |= h->type == H_CONTENT_LENGTH;
			continue;
		}
		run_flush(r);
		if (!ours)
			field_write(h->name, h->body, r->out);
		else if (!length_done)
			length_write(m, r->out);
		length_done |= ours;
	}
	run_flush(r);
	if (!length_done)
		length_write(m, r->out);
}

void msg_write_branch(const struct msg *m, struct str fields, struct str ruri, struct buf *out)
{
	struct run r = { .out = out };

	first_line_write(m, ruri, &r);
	if (fields.len) {
		run_flush(&r);
		buf_add(out, fields);
	}
	fields_write(m, &r);
	BUF_LIT(out, "\r\n");
	buf_add(out, m->body);
}

void msg_write(const struct msg *m, struct buf *out)
{
	msg_write_branch(m, STR_NONE, STR_NONE, out);
}

size_t msg_write_bound(const struct msg *m, size_t extra)
{
	/* "SIP/2.0 699 ", " SIP/2.0", a Content-Length and their line ends */
	enum { FIXED = 128 };
	size_t n = FIXED + extra + m->first_line_raw.len + m->method_name.len + m->ruri.len + m->reason.len + m->body.len;

	for (const struct hdr *h = m->hdrs; h; h = h->next)
		n += h->changed ? h->name.len + h->body.len + 4 : h->raw.len;
	return n;
}
