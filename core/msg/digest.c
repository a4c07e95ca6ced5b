/* Digest credentials and challenges (RFC 3261 §22.4, §25.1; RFC 7616, RFC 8760). */
#include "msg/fields.h"
#include "msg/scan.h"

/* auth-param = auth-param-name EQUAL ( token / quoted-string ). An unquoted value ends at a comma or blank: some peers
 * leave the quotes off a uri or a nonce. */
static bool auth_param_take(struct str *rest, struct param *p)
{
	size_t n = 0;

	*p = (struct param){ .name = str_take_token(rest), .has_value = true };
	skip_lws(rest);
	if (!p->name.len || !str_take_ch(rest, '='))
		return false;
	skip_lws(rest);
	if (rest->len && rest->p[0] == '"') {
		p->quoted = true;
		return quoted_take(rest, &p->value);
	}
	while (n < rest->len && rest->p[n] != ',' && rest->p[n] != '"' && !ch_lws(rest->p[n]))
		n++;
	p->value = str_to(*rest, n);
	*rest = str_from(*rest, n);
	return n;
}

/* Where a parameter of this name goes; NULL when we do not read it. */
static struct str *slot_of(struct digest *d, struct str name)
{
	const struct {
		const char *name;
		struct str *slot;
	} slots[] = {
		{ "username", &d->username }, { "realm", &d->realm }, { "nonce", &d->nonce }, { "uri", &d->uri },
		{ "response", &d->response }, { "algorithm", &d->algorithm }, { "cnonce", &d->cnonce },
		{ "opaque", &d->opaque }, { "qop", &d->qop }, { "domain", &d->domain }, { "nc", &d->nc_text },
	};

	for (size_t i = 0; i < COUNT_OF(slots); i++)
		if (str_ieqz(name, slots[i].name))
			return slots[i].slot;
	return NULL;
}

/* nc-value = 8LHEX */
static bool nc_parse(struct digest *d)
{
	if (d->nc_text.len != 8 || !str_all(d->nc_text, CL_HEX))
		return false;
	d->has_nc = true;
	for (size_t i = 0; i < 8; i++) {
		char c = d->nc_text.p[i];

		d->nc = d->nc << 4 | (uint32_t)(ch_digit(c) ? c - '0' : ch_lower(c) - 'a' + 10);
	}
	return true;
}

/* A value twice leaves open which one was signed, so that is refused. */
static bool digest_put(struct digest *d, const struct param *p)
{
	struct str *slot = slot_of(d, p->name);

	if (str_ieqz(p->name, "stale"))
		d->stale = str_ieqz(p->value, "true");
	if (!slot)
		return true;
	if (slot->p)
		return false;
	*slot = p->value;
	return slot != &d->nc_text || nc_parse(d);
}

enum err digest_parse(struct str in, struct digest *out)
{
	struct str    rest = lws_trim(in), scheme = str_take_token(&rest);
	struct digest d = { 0 };
	struct param  p;

	if (!scheme.len)
		return ERR_SYNTAX;
	if (!str_ieqz(scheme, "Digest"))
		return ERR_UNSUPPORTED;
	if (!str_take_lws(&rest) || !rest.len)
		return ERR_SYNTAX;
	do {
		skip_lws(&rest);
		if (!auth_param_take(&rest, &p) || !digest_put(&d, &p))
			return ERR_SYNTAX;
		skip_lws(&rest);
	} while (str_take_ch(&rest, ','));
	if (rest.len)
		return ERR_SYNTAX;
	*out = d;
	return OK;
}
