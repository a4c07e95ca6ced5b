/* A request as it leaves: what differs between its copies (RFC 3261 §16.6 steps 4 and 8). */
#include "proxy/internal.h"

enum { MOST_BREADTH = 60 };	/* RFC 5393 §5.3.3 */

void copy_write(const struct copy *c, struct str branch_id, struct buf *out)
{
	char       room[COPY_FIELDS_BYTES];
	char       seal[SEAL_BYTES];
	struct buf fields = buf_on(room, sizeof(room));

	BUF_LIT(&fields, "Via: ");
	via_write(c->via, branch_id, &fields);
	buf_ch(&fields, '.');
	buf_hex64(&fields, c->r->loop_hash);
	if (!c->r->t && c->r->from.conn) {	/* nobody will remember which connection the answer belongs to (§18.2.2) */
		BUF_LIT(&fields, ";conn=");
		buf_hex64(&fields, c->r->from.conn);
	}
	BUF_LIT(&fields, "\r\n");
	if (c->r->record_route)
		record_route_write(c->r->from.via, c->via, c->secure, seal_write(&c->r->msg, seal), &fields);
	BUF_LIT(&fields, "Max-Breadth: ");
	buf_u64(&fields, c->breadth);
	BUF_LIT(&fields, "\r\n");
	if (buf_ok(&fields))
		msg_write_branch(&c->r->msg, buf_str(&fields), c->ruri, out);
	else
		out->full = true;
}

bool is_secure(struct str uri)
{
	return str_istarts(uri, STR("sips:"));
}

void breadth_take(struct request *r)
{
	uint32_t n;

	if (msg_number(&r->msg, H_MAX_BREADTH, &n) || n > MOST_BREADTH)
		n = MOST_BREADTH;
	r->breadth = (uint8_t)n;
	msg_remove_all(&r->msg, H_MAX_BREADTH);
}
