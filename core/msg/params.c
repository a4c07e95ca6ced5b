#include "msg/params.h"

#include "msg/scan.h"

static bool value_take(struct str *rest, struct param *p)
{
	skip_lws(rest);
	p->has_value = true;
	if (rest->len && rest->p[0] == '"') {
		p->quoted = true;
		return quoted_take(rest, &p->value);
	}
	p->value = str_take_span(rest, CL_PVALUE);
	return p->value.len;
}

/* generic-param = token [ EQUAL gen-value ] (RFC 3261 §25.1); EQUAL may have white space round it. */
static bool param_take(struct str *rest, struct param *p)
{
	*p = (struct param){ .name = str_take_span(rest, CL_PNAME) };
	if (!p->name.len)
		return false;
	skip_lws(rest);
	if (str_take_ch(rest, '=')) {
		if (!value_take(rest, p))
			return false;
		skip_lws(rest);
	}
	return !rest->len || rest->p[0] == ';';
}

bool param_next(struct str *rest, struct param *out, bool *bad)
{
	struct param p;

	skip_lws(rest);
	if (!rest->len)
		return false;
	str_take_ch(rest, ';');
	skip_lws(rest);
	if (param_take(rest, &p)) {
		*out = p;
		return true;
	}
	*rest = str_from(*rest, rest->len);
	if (bad)
		*bad = true;
	return false;
}

bool param_find(struct str params, const char *name, struct str *value)
{
	struct str   want = str_of(name);
	struct param p;

	while (param_next(&params, &p, NULL)) {
		if (!str_ieq(p.name, want))
			continue;
		if (value)
			*value = p.value;
		return true;
	}
	return false;
}

bool param_names_add(struct param_names *seen, struct str name)
{
	if (seen->count == PARAMS_MOST)
		return false;
	for (size_t i = 0; i < seen->count; i++)
		if (str_ieq(seen->name[i], name))
			return false;
	seen->name[seen->count++] = name;
	return true;
}

bool params_ok(struct str params)
{
	struct param_names seen;
	struct param       p;
	bool               bad = false;

	seen.count = 0;
	while (param_next(&params, &p, &bad))
		if (!param_names_add(&seen, p.name))
			return false;
	return !bad;
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
enum err qvalue_parse(struct str s, uint16_t *out)
{
	unsigned q = 0, unit = 100;

	s = lws_trim(s);
	if (!s.len) {
		*out = 1000;
		return OK;
	}
	if (s.len > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.len > 1 && s.p[1] != '.'))
		return ERR_SYNTAX;
	q = s.p[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (!ch_digit(s.p[i]))
			return ERR_SYNTAX;
		q += unit * (unsigned)(s.p[i] - '0');
	}
	if (q > 1000)
		return ERR_SYNTAX;
	*out = (uint16_t)q;
	return OK;
}

struct str quoted_unescape(struct arena *a, struct str s)
{
	char  *p = arena_alloc(a, s.len ? s.len : 1);
	size_t n = 0;

	if (!p)
		return STR_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		p[n++] = s.p[i];
	}
	return str_n(p, n);
}

/* Where the value ends: the first comma outside "…" and <…>. What does not close reaches to the end. */
static size_t value_end(struct str s)
{
	bool angle = false, quote = false;

	if (str_find(s, ',') < 0)
		return s.len;	/* nearly always */
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (quote) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quote = false;
		} else if (angle) {
			angle = c != '>';
		} else if (c == ',') {
			return i;
		} else {
			quote = c == '"';
			angle = c == '<';
		}
	}
	return s.len;
}

bool value_next(struct str *rest, struct str *value)
{
	size_t end;

	/* a NULL rest is the end; an empty one stands behind a last comma and is an empty value */
	if (!rest->p)
		return false;
	end = value_end(*rest);
	*value = lws_trim(str_to(*rest, end));
	*rest = end < rest->len ? str_from(*rest, end + 1) : STR_NONE;
	return true;
}
