#include "modules/registrar/registrar.h"

#include <time.h>

void date_write(int64_t unix_s, struct buf *out)
{
	static const char day[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char month[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t            t = unix_s;
	struct tm         tm;

	gmtime_r(&t, &tm);
	buf_printf(out, "%s, %02d %s %d %02d:%02d:%02d GMT", day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon], 1900 + tm.tm_year,
		   tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The Date of this second, made once (private to the process). */
static struct {
	int64_t at;
	size_t  len;
	char    text[40];
} date;

static struct str date_of(int64_t unix_s)
{
	struct buf out = buf_on(date.text, sizeof(date.text));

	if (date.len && date.at == unix_s)
		return str_n(date.text, date.len);
	date_write(unix_s, &out);
	date.at = unix_s;
	date.len = out.len;
	return buf_str(&out);
}

static void contact_write(const struct binding *b, int64_t now_unix, struct buf *out)
{
	BUF_LIT(out, "Contact: <");
	buf_add(out, b->contact);
	BUF_LIT(out, ">;expires=");
	buf_u64(out, b->expires_unix > now_unix ? (uint64_t)(b->expires_unix - now_unix) : 0);
	if (b->q < 1000)
		buf_printf(out, ";q=0.%03u", b->q);
	if (b->instance.len) {
		BUF_LIT(out, ";+sip.instance=\"<");
		buf_add(out, b->instance);
		BUF_LIT(out, ">\"");
	}
	if (b->reg_id) {
		BUF_LIT(out, ";reg-id=");
		buf_u64(out, b->reg_id);
	}
	BUF_LIT(out, "\r\n");
}

static size_t bound_of(const struct msg *m, const struct binding *list)
{
	struct msg_values it = msg_values(m, H_PATH);
	struct str        value;
	size_t            bytes = 256 + registrar_cfg.service_route.len;

	for (const struct binding *b = list; b; b = b->next)
		bytes += b->contact.len + b->instance.len + 128;
	while (msg_values_next(&it, &value))
		bytes += value.len + 16;
	return bytes;
}

/* RFC 3327 §5.3: the Path as it came. */
static void path_write(const struct msg *m, struct buf *out)
{
	struct msg_values it = msg_values(m, H_PATH);
	struct str        value;

	while (msg_values_next(&it, &value)) {
		BUF_LIT(out, "Path: ");
		buf_add(out, value);
		BUF_LIT(out, "\r\n");
	}
}

struct str answer_headers(struct request *r, const struct registration *reg, const struct binding *list, int64_t now_unix)
{
	size_t     cap = bound_of(&r->msg, list);
	char      *room = arena_alloc(&r->arena, cap);
	struct buf out = buf_on(room, room ? cap : 0);

	if (!room)
		return STR_NONE;
	for (const struct binding *b = list; b; b = b->next)
		contact_write(b, now_unix, &out);
	BUF_LIT(&out, "Date: ");
	buf_add(&out, date_of(now_unix));
	BUF_LIT(&out, "\r\n");
	if (reg->path)
		path_write(&r->msg, &out);
	if (registrar_cfg.service_route.len) {
		BUF_LIT(&out, "Service-Route: ");
		buf_add(&out, registrar_cfg.service_route);
		BUF_LIT(&out, "\r\n");
	}
	if (reg->outbound)
		BUF_LIT(&out, "Require: outbound\r\n");	/* RFC 5626 §6 */
	return buf_ok(&out) ? buf_str(&out) : STR_NONE;
}
