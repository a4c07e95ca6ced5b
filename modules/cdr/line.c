#include "modules/cdr/cdr.h"

#include "base/hash.h"

/* A line: sum, kind and fields, with a tab between each. The sum is over all that stands behind it: a line that was torn by a crash, or damaged on the
 * disk, is known by it. Texts are brought to UTF-8 without control characters, as the database wants them, so that no tab or newline is within one. */
enum { MOST_TAG = 128, MOST_CALL_ID = 255, MOST_URI = 255, MOST_REASON = 128, MOST_ROUTE = 3072, MOST_SOURCE = 80, SUM_DIGITS = 16 };

static const struct hash_key plain;	/* no secret: it is against mishaps */

static void text_write(struct str s, size_t most, struct buf *out)
{
	buf_ch(out, '\t');
	for (size_t at = 0, n; at < s.len; at += n) {
		unsigned char ch = (unsigned char)s.p[at];

		n = str_utf8(str_from(s, at));
		if (at + n > most)
			return;
		if (!n)
			buf_ch(out, '?');
		else if (ch < ' ' || ch == 0x7f)
			buf_ch(out, ' ');
		else
			buf_add(out, str_n(s.p + at, n));
		n += !n;
	}
}

static void number_write(int64_t n, struct buf *out)
{
	buf_ch(out, '\t');
	buf_u64(out, n > 0 ? (uint64_t)n : 0);
}

/* The sum's place is left free in front. */
static size_t begin(char kind, uint64_t number, uint64_t key, struct buf *out)
{
	size_t at = out->len;

	BUF_LIT(out, "0000000000000000\t");
	buf_ch(out, kind);
	buf_ch(out, '\t');
	cdr_id_write(number, out);
	buf_ch(out, '\t');
	buf_hex64(out, key);
	return at;
}

static void end(size_t from, struct buf *out)
{
	struct str whole = str_from(buf_str(out), from);
	struct buf sum = buf_on(out->p + from, SUM_DIGITS);

	if (!buf_ok(out))
		return;
	buf_hex64(&sum, hash_str(&plain, str_from(whole, SUM_DIGITS + 1)));
	buf_ch(out, '\n');
}

void cdr_record_write(const struct cdr_record *r, struct buf *out)
{
	size_t from = begin('C', r->number, r->key, out);

	number_write(r->start_ms, out);
	number_write(r->answer_ms, out);
	number_write(r->end_ms, out);
	number_write(r->ended_by, out);
	number_write(r->code, out);
	text_write(r->call_id, MOST_CALL_ID, out);
	text_write(r->from_tag, MOST_TAG, out);
	text_write(r->to_tag, MOST_TAG, out);
	text_write(r->caller, MOST_URI, out);
	text_write(r->callee, MOST_URI, out);
	text_write(r->target, MOST_URI, out);
	text_write(r->source, MOST_SOURCE, out);
	text_write(r->reason, MOST_REASON, out);
	text_write(r->route, MOST_ROUTE, out);
	end(from, out);
}

void cdr_end_write(const struct cdr_end *e, struct buf *out)
{
	size_t from = begin('E', e->number, e->key, out);

	number_write(e->end_ms, out);
	number_write(e->ended_by, out);
	end(from, out);
}

/* --- and back --- */

static bool take_number(struct str *rest, int64_t most, int64_t *out)
{
	uint64_t n;

	if (!str_u64(str_take_until(rest, '\t'), &n) || n > (uint64_t)most)
		return false;
	*out = (int64_t)n;
	return true;
}

static bool take_party(struct str *rest, enum cdr_party *out)
{
	int64_t n;

	if (!take_number(rest, CDR_SERVER, &n))
		return false;
	*out = (enum cdr_party)n;
	return true;
}

static bool record_read(struct str rest, struct cdr_record *r)
{
	struct str *const texts[] = { &r->call_id, &r->from_tag, &r->to_tag, &r->caller, &r->callee, &r->target, &r->source, &r->reason, &r->route };
	int64_t           code;

	if (!take_number(&rest, INT64_MAX, &r->start_ms) || !take_number(&rest, INT64_MAX, &r->answer_ms) ||
	    !take_number(&rest, INT64_MAX, &r->end_ms) || !take_party(&rest, &r->ended_by) || !take_number(&rest, 699, &code))
		return false;
	r->code = (uint16_t)code;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		*texts[i] = str_take_until(&rest, '\t');
	return true;
}

static bool sum_is_right(struct str sum, struct str rest)
{
	uint64_t n;

	return sum.len == SUM_DIGITS && str_hex64(sum, &n) && n == hash_str(&plain, rest);
}

/* Behind the node's name and a dash. */
static bool number_of(struct str id, uint64_t *out)
{
	str_take_until(&id, '-');
	return str_hex64(id, out);
}

enum err cdr_line_read(struct str line, struct cdr_line *out)
{
	struct cdr_line l = { 0 };
	struct str      rest = line, sum = str_take_until(&rest, '\t'), kind;
	bool            good;

	if (!sum_is_right(sum, rest))
		return ERR_SYNTAX;
	kind = str_take_until(&rest, '\t');
	l.id = str_take_until(&rest, '\t');
	l.kind = str_is(kind, "C") ? CDR_IS_RECORD : CDR_IS_END;
	good = number_of(l.id, &l.r.number) && str_hex64(str_take_until(&rest, '\t'), &l.r.key);
	if (good && l.kind == CDR_IS_RECORD)
		good = record_read(rest, &l.r);
	else if (good)
		good = str_is(kind, "E") && take_number(&rest, INT64_MAX, &l.r.end_ms) && take_party(&rest, &l.r.ended_by);
	if (!good)
		return ERR_SYNTAX;
	*out = l;
	return OK;
}
