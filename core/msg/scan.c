#include "msg/scan.h"

#define UNRESERVED (CL_PNAME | CL_PVALUE | CL_URI | CL_USER | CL_PASSWORD | CL_DISPLAY)
#define ALNUM (UNRESERVED | CL_TOKEN | CL_HOST | CL_SCHEME)

const uint16_t msg_class[256] = {
	['0' ... '9'] = ALNUM | CL_HEX | CL_PHONE,
	['a' ... 'f'] = ALNUM | CL_HEX | CL_PHONE,
	['A' ... 'F'] = ALNUM | CL_HEX | CL_PHONE,
	['g' ... 'z'] = ALNUM,
	['G' ... 'Z'] = ALNUM,
	[' '] = CL_LWS | CL_DISPLAY,
	['\t'] = CL_LWS | CL_DISPLAY,
	['\r'] = CL_LWS | CL_DISPLAY,
	['\n'] = CL_LWS | CL_DISPLAY,
	['-'] = UNRESERVED | CL_TOKEN | CL_HOST | CL_SCHEME | CL_PHONE,
	['.'] = UNRESERVED | CL_TOKEN | CL_HOST | CL_SCHEME | CL_PHONE,
	['_'] = UNRESERVED | CL_TOKEN | CL_HOST,
	['!'] = UNRESERVED | CL_TOKEN,
	['~'] = UNRESERVED | CL_TOKEN,
	['*'] = UNRESERVED | CL_TOKEN | CL_PHONE,
	['\''] = UNRESERVED | CL_TOKEN,
	['('] = UNRESERVED | CL_PHONE,
	[')'] = UNRESERVED | CL_PHONE,
	['%'] = UNRESERVED | CL_TOKEN,
	['+'] = UNRESERVED | CL_TOKEN | CL_SCHEME,
	['`'] = CL_TOKEN | CL_PNAME | CL_PVALUE | CL_DISPLAY,
	['&'] = UNRESERVED,
	['$'] = UNRESERVED,
	['='] = CL_PVALUE | CL_URI | CL_USER | CL_PASSWORD | CL_DISPLAY,
	[','] = CL_URI | CL_USER | CL_PASSWORD,
	[';'] = CL_URI | CL_USER,
	['?'] = CL_PVALUE | CL_URI | CL_USER | CL_DISPLAY,
	['/'] = CL_PNAME | CL_PVALUE | CL_URI | CL_USER | CL_DISPLAY,
	[':'] = CL_PNAME | CL_PVALUE | CL_URI,
	['@'] = CL_PVALUE | CL_URI | CL_DISPLAY,
	['['] = CL_PNAME | CL_PVALUE | CL_URI | CL_DISPLAY,
	[']'] = CL_PNAME | CL_PVALUE | CL_URI | CL_DISPLAY,
	['#'] = CL_PVALUE | CL_URI | CL_USER | CL_DISPLAY | CL_PHONE,
	['{'] = CL_DISPLAY,
	['}'] = CL_DISPLAY,
	['|'] = CL_DISPLAY,
	['^'] = CL_DISPLAY,
	[128 ... 255] = CL_DISPLAY,
};

bool quoted_take(struct str *rest, struct str *text)
{
	size_t i = 1;

	while (i < rest->len && rest->p[i] != '"')
		i += rest->p[i] == '\\' ? 2 : 1;
	if (i >= rest->len)
		return false;
	*text = str_n(rest->p + 1, i - 1);
	*rest = str_from(*rest, i + 1);
	return true;
}

/* Where the line that starts at p ends: behind its LF; NULL: there is none. */
static const char *line_end(const char *p, const char *end, bool *bare_lf, bool *bad)
{
	const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	size_t      len;

	if (!lf)
		return NULL;
	len = (size_t)(lf - p);
	if (len && lf[-1] == '\r')
		len--;
	else
		*bare_lf = true;
	if (memchr(p, '\r', len))
		*bad = true;
	return lf + 1;
}

bool line_take(struct str *rest, struct str *line, struct str *text, bool *bare_lf, bool *bad)
{
	const char *next = line_end(rest->p, rest->p + rest->len, bare_lf, bad);

	if (!next)
		return false;
	*line = str_n(rest->p, (size_t)(next - rest->p));
	*text = str_to(*line, line->len - (line->len > 1 && next[-2] == '\r' ? 2 : 1));
	*rest = str_from(*rest, line->len);
	return true;
}

/* header-name HCOLON header-value; blanks before the colon are allowed (RFC 3261 §7.3.1). */
static bool field_split(struct field *f)
{
	struct str rest = f->raw;

	f->name = str_take_span(&rest, CL_TOKEN);
	while (rest.len && (rest.p[0] == ' ' || rest.p[0] == '\t'))
		rest = str_from(rest, 1);
	if (!f->name.len || !str_take_ch(&rest, ':'))
		return false;
	f->body = lws_trim(rest);
	return true;
}

static bool is_empty_line(const char *p, const char *next)
{
	return next == p + 1 || (next == p + 2 && p[0] == '\r');
}

enum field_kind field_take(struct str *rest, struct field *f)
{
	const char *start = rest->p, *end = start + rest->len;
	bool        bare_lf = false, bad = false;
	const char *next = line_end(start, end, &bare_lf, &bad);
	bool        last = next && is_empty_line(start, next);

	while (!last && next && next < end && (*next == ' ' || *next == '\t'))	/* folded */
		next = line_end(next, end, &bare_lf, &bad);
	if (!next)
		return FIELD_CUT;
	*rest = str_n(next, (size_t)(end - next));
	if (last)
		return FIELD_END;
	f->raw = str_n(start, (size_t)(next - start));
	f->bare_lf = bare_lf;
	return field_split(f) && !bad ? FIELD_ONE : FIELD_BAD;
}
