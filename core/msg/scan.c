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

bool line_take(struct str *rest, struct str *line, struct str *text, bool *bare_lf, bool *bad)
{
	const char *lf = rest->len ? memchr(rest->p, '\n', rest->len) : NULL, *cr;
	size_t      len;

	if (!lf)
		return false;
	len = (size_t)(lf - rest->p);
	cr = len ? memchr(rest->p, '\r', len) : NULL;
	*line = str_to(*rest, len + 1);
	*text = str_to(*rest, cr ? (size_t)(cr - rest->p) : len);
	*rest = str_from(*rest, len + 1);
	if (!cr)
		*bare_lf = true;
	else if (cr + 1 != lf)
		*bad = true;
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

static bool at_fold(struct str rest)
{
	return rest.len && (rest.p[0] == ' ' || rest.p[0] == '\t');
}

enum field_kind field_take(struct str *rest, struct field *f)
{
	const char *start = rest->p;
	struct str  line, text;
	bool        bad = false;

	*f = (struct field){ 0 };
	if (!line_take(rest, &line, &text, &f->bare_lf, &bad))
		return FIELD_CUT;
	if (!text.len && !bad)
		return FIELD_END;
	while (at_fold(*rest))
		if (!line_take(rest, &line, &text, &f->bare_lf, &bad))
			return FIELD_CUT;
	f->raw = str_n(start, (size_t)(rest->p - start));
	return field_split(f) && !bad ? FIELD_ONE : FIELD_BAD;
}
