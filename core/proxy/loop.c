/* Loops and spirals (RFC 3261 §16.3 step 4, as RFC 5393 §4.2 has it). */
#include "proxy/internal.h"

/* From what decides where a request goes, and from nothing that a CANCEL or an ACK to a non-2xx has otherwise than its INVITE (§9.1,
 * §17.1.1.3): not the method, not the To tag. */
uint64_t loop_hash(struct msg *m)
{
	const struct name_addr *from = msg_from(m), *to = msg_to(m);
	const struct cseq      *cseq = msg_cseq(m);
	struct hash_state       h;

	hash_begin(&h, proxy_key());
	hash_add(&h, m->ruri);
	for (const struct hdr *route = m->first[H_ROUTE]; route; route = route->same)
		hash_add(&h, route->body);
	hash_add(&h, msg_call_id(m));
	hash_add(&h, from ? from->uri_text : STR_NONE);
	hash_add(&h, msg_from_tag(m));
	hash_add(&h, to ? to->uri_text : STR_NONE);
	hash_add(&h, cseq ? str_n((const char *)&cseq->num, sizeof(cseq->num)) : STR_NONE);
	return hash_end(&h);
}

bool via_is_ours(const struct via *v, char kind)
{
	const char head[] = { 'z', '9', 'h', 'G', '4', 'b', 'K', kind };

	return str_starts(v->branch, str_n(head, sizeof(head))) && v->branch.len > sizeof(head) + SECOND_PART_BYTES &&
	       net_is_local(v->host, v->port, TP_NONE);
}

/* One Via: has the request been here, and if so, as it is now? */
static bool has_looped(struct request *r, const struct via *v, struct str second_part)
{
	if (!via_is_ours(v, TM_STATEFUL) && !via_is_ours(v, TM_STATELESS))
		return false;
	r->spiral = true;
	return str_ends(v->branch, second_part);
}

bool request_looped(struct request *r)
{
	struct msg_values it = msg_values(&r->msg, H_VIA);
	const struct via *top = msg_via1(&r->msg);
	struct str        value;
	struct via        v;
	char              room[SECOND_PART_BYTES];
	struct buf        second_part = buf_on(room, sizeof(room));

	buf_ch(&second_part, '.');
	buf_hex64(&second_part, r->loop_hash);
	if (top && has_looped(r, top, buf_str(&second_part)))
		return true;
	(void)msg_values_next(&it, &value);	/* the one looked at just now */
	while (msg_values_next(&it, &value))
		if (!via_parse(value, &v) && has_looped(r, &v, buf_str(&second_part)))
			return true;
	return false;
}
