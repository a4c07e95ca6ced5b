#include "modules/registrar/registrar.h"

enum {
	MOST_AGENT = 96,	/* bytes of User-Agent worth keeping for each phone */
	MOST_UNKNOWN = 512,	/* bytes of extensions worth naming in a 420 */
	MOST_KEY = 2000,	/* bytes of an address-of-record and a contact: together they are a key, of which PostgreSQL's indexes take 2704 */
};

static bool refuse(struct refusal *no, uint16_t status, const char *reason)
{
	*no = (struct refusal){ .status = status, .reason = reason };
	return false;
}

static bool refuse_with(struct refusal *no, uint16_t status, struct str headers)
{
	*no = (struct refusal){ .status = headers.p ? status : 503, .headers = headers };
	return false;
}

struct str aor_of(struct arena *a, const struct uri *u)
{
	size_t     cap = u->text.len * 3 + 16;
	char      *room = arena_alloc(a, cap);
	struct buf out = buf_on(room, room ? cap : 0);

	if (room)
		uri_aor(u, &out);
	return room && buf_ok(&out) ? buf_str(&out) : STR_NONE;
}

/* Step 2, §8.2.2.3 */
static bool read_require(struct request *r, struct refusal *no)
{
	struct msg_values it = msg_values(&r->msg, H_REQUIRE);
	char              room[MOST_UNKNOWN];
	struct buf        unknown = buf_on(room, sizeof(room));
	struct str        value;

	while (buf_ok(&unknown) && msg_values_next(&it, &value))
		if (value.len && !str_ieqz(value, "path") && !str_ieqz(value, "outbound")) {
			buf_add(&unknown, unknown.len ? STR(", ") : STR(""));
			buf_add(&unknown, value);
		}
	if (!unknown.len)
		return buf_ok(&unknown) ? true : refuse(no, 420, NULL);
	return refuse_with(no, 420, arena_printf(&r->arena, "Unsupported: " STR_FMT "\r\n", STR_ARG(buf_str(&unknown))));
}

static bool has_option(const struct msg *m, const char *option)
{
	return msg_has_token(m, H_SUPPORTED, option) || msg_has_token(m, H_REQUIRE, option);
}

/* RFC 3327 §5.3: somebody on the way has put a Path in for a phone that may not know what that is. */
static bool path_allowed(struct request *r, struct refusal *no)
{
	if (registrar_cfg.path_unasked == PATH_ACCEPT || !r->msg.first[H_PATH] || has_option(&r->msg, "path"))
		return true;
	return refuse_with(no, 420, STR("Unsupported: path\r\n"));
}

static bool domains_known(void)
{
	const struct profile_service *profile = module_service("profile");

	return !profile || !profile->knows_domains || profile->knows_domains();
}

/* Step 5 */
static bool read_aor(struct request *r, struct location_save *s, struct refusal *no)
{
	const struct name_addr *to = msg_to(&r->msg);

	if (!to || (to->uri.scheme != URI_SIP && to->uri.scheme != URI_SIPS))
		return refuse(no, 400, "To Must Be a SIP URI");
	if (!to->uri.user.len)
		return refuse(no, 404, NULL);
	if (!proxy_is_self(&to->uri))
		return domains_known() ? refuse(no, 404, NULL) : refuse_with(no, 503, STR("Retry-After: 5\r\n"));
	s->aor = aor_of(&r->arena, &to->uri);
	return s->aor.p ? true : refuse(no, 503, NULL);
}

/* Texts that are kept must be what a database takes; none of these may be anything else by their grammar. */
static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] > '~')
			return false;
	return true;
}

/* For people only: cut at what is not plain text. */
static struct str read_agent(const struct msg *m)
{
	struct str s = STR_NONE;
	size_t     n = 0;

	if (msg_hdr(m, STR("User-Agent"), &s))
		return STR_NONE;
	while (n < s.len && n < MOST_AGENT && is_plain(str_n(s.p + n, 1)))
		n++;
	return str_to(s, n);
}

static bool is_own_path(struct str value)
{
	struct name_addr na;

	return !name_addr_parse(value, &na) && net_is_local(na.uri.host, na.uri.port, TP_NONE);
}

/* All Path values as one (RFC 3327 §5.3). Kept also when the phone did not say that it knows Path: the proxies in between need it. This server
 * in front is none of them: it would send to itself what it then sends on, or what comes back for ever (RFC 5393 §3). */
static struct str read_path(struct request *r)
{
	struct msg_values it = msg_values(&r->msg, H_PATH);
	struct str        value, all = STR("");

	while (all.p && msg_values_next(&it, &value))
		if (all.len || !is_own_path(value))
			all = all.len ? arena_printf(&r->arena, STR_FMT ", " STR_FMT, STR_ARG(all), STR_ARG(value)) : value;
	return all;
}

/* May this be done by RFC 5626? Only where the first hop keeps the flow: it is us, or it says `ob` in its Path (§6). */
static bool may_be_outbound(struct request *r)
{
	struct msg_values vias = msg_values(&r->msg, H_VIA), paths = msg_values(&r->msg, H_PATH);
	struct str        value, last = STR_NONE;
	struct name_addr  na;
	size_t            n = 0;

	if (!has_option(&r->msg, "outbound"))
		return false;
	while (msg_values_next(&vias, &value))
		n++;
	while (msg_values_next(&paths, &value))
		last = value;
	return n == 1 || (last.len && !name_addr_parse(last, &na) && uri_param(&na.uri, "ob", NULL));
}

uint32_t expires_granted(uint32_t asked, bool *too_brief)
{
	*too_brief = asked && asked < registrar_cfg.min_expires_s && asked < 3600;
	return asked > registrar_cfg.max_expires_s ? registrar_cfg.max_expires_s : asked;
}

/* The Expires field, or what stands for it. Malformed counts as an hour (§10.2); who does not ask is never too brief. */
static uint32_t read_expires(struct msg *m)
{
	uint32_t s = registrar_cfg.default_expires_s, min = registrar_cfg.min_expires_s;
	enum err err = msg_number(m, H_EXPIRES, &s);

	if (err == ERR_SYNTAX)
		return 3600;
	return err && s < min ? min : s;
}

/* Step 6: "*" alone, with Expires: 0. */
static bool read_star(struct request *r, size_t n, struct location_save *s, struct refusal *no)
{
	uint32_t expires;

	if (n != 1 || msg_number(&r->msg, H_EXPIRES, &expires) || expires)
		return refuse(no, 400, "Contact * Needs Expires 0 And Nothing Else");
	s->remove_all = true;
	return true;
}

static bool too_brief(struct request *r, struct refusal *no)
{
	return refuse_with(no, 423, arena_printf(&r->arena, "Min-Expires: %u\r\n", registrar_cfg.min_expires_s));
}

/* What all bindings of one REGISTER have in common. */
static struct binding template_of(struct request *r, const struct location_save *s, struct str path)
{
	return (struct binding){ .call_id = s->call_id, .cseq = s->cseq, .path = path, .user_agent = read_agent(&r->msg), .received = r->from };
}

/* Step 7, for one address */
static bool read_contact(struct request *r, const struct contact *ct, int64_t now, struct registration *reg, struct binding_change *ch,
			 struct refusal *no)
{
	bool brief;

	ch->expires = expires_granted(ct->has_expires ? ct->expires : read_expires(&r->msg), &brief);
	if (brief)
		return too_brief(r, no);
	if (!is_plain(ct->addr.uri_text) || !is_plain(ct->instance))
		return refuse(no, 400, "Bad Contact");
	if (reg->save.aor.len + ct->addr.uri_text.len > MOST_KEY)
		return refuse(no, 400, "Contact Too Long");
	ch->b.contact = ct->addr.uri_text;
	ch->b.instance = ct->instance;
	ch->b.q = ct->q;
	ch->b.expires_unix = now + ch->expires;
	if (ct->reg_id && ct->instance.len && may_be_outbound(r)) {
		ch->b.reg_id = ct->reg_id;
		reg->outbound = true;
	}
	return true;
}

static size_t count_contacts(const struct msg *m)
{
	struct msg_values it = msg_values(m, H_CONTACT);
	struct str        value;
	size_t            n = 0;

	while (msg_values_next(&it, &value))
		n++;
	return n;
}

static bool read_contacts(struct request *r, size_t n, int64_t now, struct registration *reg, struct refusal *no)
{
	struct location_save *s = &reg->save;
	struct msg_values     it = msg_values(&r->msg, H_CONTACT);
	struct binding        common = template_of(r, s, read_path(r));
	struct str            value;
	struct contact        ct;

	s->change = arena_alloc(&r->arena, n * sizeof(s->change[0]));
	if (!s->change || !common.path.p)
		return refuse(no, 503, NULL);
	if (!is_plain(common.path) || !is_plain(common.call_id))
		return refuse(no, 400, "Bad Path or Call-ID");
	while (msg_values_next(&it, &value)) {
		if (contact_parse(value, &ct))
			return refuse(no, 400, "Bad Contact");
		if (ct.addr.star)
			return read_star(r, n, s, no);
		s->change[s->n] = (struct binding_change){ .b = common };
		if (!read_contact(r, &ct, now, reg, &s->change[s->n++], no))
			return false;
	}
	return true;
}

bool registration_read(struct request *r, int64_t now_unix, unsigned max_contacts, struct registration *out, struct refusal *no)
{
	struct location_save *s = &out->save;
	const struct cseq    *cseq = msg_cseq(&r->msg);
	size_t                n = count_contacts(&r->msg);

	*out = (struct registration){ .fetch = !n, .path = has_option(&r->msg, "path") };
	if (!cseq)
		return refuse(no, 400, NULL);
	if (!read_require(r, no) || !path_allowed(r, no) || !read_aor(r, s, no))
		return false;
	s->call_id = msg_call_id(&r->msg);
	s->cseq = cseq->num;
	s->max_contacts = max_contacts;
	/* More than can be there to remove and to add; bounds the work for one request. */
	if (n > 2 * (size_t)max_contacts)
		return refuse(no, 403, "Too Many Contacts");
	return !n || read_contacts(r, n, now_unix, out, no);
}
