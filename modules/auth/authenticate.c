#include "modules/auth/auth.h"

#include <stdlib.h>

enum { MOST_WAIT_MS = 5000, MOST_REALM = 255, RETRY_AFTER_S = 5 };

static enum verdict answer(struct request *r, uint16_t status, const char *reason, struct str headers)
{
	return request_reply(r, status, str_of(reason), headers) ? V_ERROR : V_END;
}

static enum verdict challenge(struct request *r, const struct asking *as, struct str realm, bool stale)
{
	char       room[2 * (MOST_REALM + NONCE_HEX + 128)];
	struct buf headers = buf_on(room, sizeof(room));
	struct hdr *agent = r->msg.first[H_USER_AGENT];
	enum err   err = challenge_write(as, algorithms_for(agent ? agent->body : STR_NONE), realm, stale, &headers);

	if (err) {
		log_error(&r->c, "cannot challenge error=%s", err_name(err));
		return V_ERROR;
	}
	counter_inc(stale ? &auth_stale : &auth_challenges);
	return answer(r, as->status, NULL, buf_str(&headers));
}

static enum verdict unavailable(struct request *r, enum err err)
{
	char       room[32];
	struct buf headers = buf_on(room, sizeof(room));

	LOG_IF(db_log_level(err), &r->c, "no credentials from the store error=%s", err_name(err));
	counter_inc(&auth_unavailable);
	buf_printf(&headers, "Retry-After: %d\r\n", RETRY_AFTER_S);
	return answer(r, 503, NULL, buf_str(&headers));
}

/* The name that a request acts under: of a REGISTER the To, whose contacts it changes (RFC 3261 §10.3 step 4); else the From, which is
 * what the callee gets to see. A From of another domain is not ours to judge. */
static bool acts_as_itself(struct request *r, const struct attempt *a)
{
	bool                    registers = r->msg.method == M_REGISTER;
	const struct name_addr *who = registers ? msg_to(&r->msg) : msg_from(&r->msg);
	struct str              user;

	if (!(registers ? auth_cfg.check_to : auth_cfg.check_from))
		return true;
	if (!who || !str_ieq(who->uri.host, a->realm))
		return !registers;
	user = uri_unescape(&r->arena, who->uri.user);
	return user.p && str_eq(user, a->user);
}

static enum verdict admit(struct request *r, const struct attempt *a)
{
	if (!acts_as_itself(r, a)) {
		log_warn(&r->c, "acts as another user=" STR_FMT " realm=" STR_FMT, STR_ARG(a->user), STR_ARG(a->realm));
		counter_inc(&auth_refused);
		return answer(r, 403, NULL, STR_NONE);
	}
	counter_inc(&auth_accepted);
	r->auth_user = a->user;
	r->auth_realm = a->realm;
	msg_remove(&r->msg, a->field);	/* ours to consume (§22.3), and a risk further on */
	return V_OK;
}

/* An unknown user is told the same as one with a wrong password, after the same work. */
enum verdict attempt_end(struct request *r, const struct attempt *a, enum err err, const struct credentials *cred)
{
	struct str ha1 = err ? STR_NONE : a->algorithm == ALG_MD5 ? cred->ha1_md5 : cred->ha1_sha256;

	if (err && err != ERR_NOT_FOUND)
		return unavailable(r, err);
	if (!response_is_right(&a->d, a->algorithm, r->msg.method_name, ha1)) {
		log_warn(&r->c, "wrong credentials user=" STR_FMT " realm=" STR_FMT, STR_ARG(a->user), STR_ARG(a->realm));
		counter_inc(&auth_refused);
		return challenge(r, a->as, a->realm, false);
	}
	if (!nonce_use(&a->nonce, a->d.qop.len ? a->d.nc : 1)) {	/* without qop a nonce is good for one request */
		counter_inc(&auth_replayed);
		return challenge(r, a->as, a->realm, true);
	}
	return admit(r, a);
}

/* The attempt is private memory of its own: it outlives the request when that was a retransmission. */
static void credentials_came(void *arg, enum err err, const struct credentials *cred)
{
	struct attempt *a = arg;
	struct request *r = a->wait ? wait_request(a->wait) : NULL;
	enum verdict    v = r ? attempt_end(r, a, err, cred) : V_END;

	if (a->wait)
		call_resume(a->wait, v, V_NULL);
	free(a);
}

/* Most users are known: nobody waits. */
static bool known(struct call *c, const struct attempt *a, enum verdict *v)
{
	struct credentials_room room;
	struct credentials      cred;
	enum err                err;

	if (!auth_cfg.profile->known(a->user, a->realm, &err, &cred, &room))
		return false;
	*v = attempt_end(c->req, a, err, &cred);
	explicit_bzero(&room, sizeof(room));
	return true;
}

static enum verdict ask(struct call *c, const struct attempt *draft)
{
	struct attempt *a = malloc(sizeof(*a));
	enum err        err = ERR_NOMEM;

	if (a) {
		*a = *draft;
		err = auth_cfg.profile->credentials(a->user, a->realm, credentials_came, a);
	}
	if (err) {
		free(a);
		return unavailable(c->req, err);
	}
	a->wait = call_suspend(c, MOST_WAIT_MS);	/* after asking: what cannot be asked need not wait */
	return a->wait ? V_SUSPEND : V_END;
}

/* The credentials of our realm among those for each proxy on the way (§22.3). */
static struct hdr *find_credentials(struct msg *m, const struct asking *as, struct str realm, struct digest *d)
{
	for (struct hdr *h = m->first[as->credentials]; h; h = h->same)
		if (!digest_parse(h->body, d) && str_ieq(d->realm, realm))
			return h;
	return NULL;
}

static bool realm_is_writable(struct str realm)
{
	for (size_t i = 0; i < realm.len; i++)
		if ((unsigned char)realm.p[i] < ' ' || realm.p[i] == '"' || realm.p[i] == '\\')
			return false;
	return realm.len && realm.len <= MOST_REALM;
}

static struct str lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; p && i < s.len; i++)
		p[i] = ch_lower(s.p[i]);
	return p ? str_n(p, s.len) : STR_NONE;
}

/* As asked for, else the domain of who registers (To) or of who calls (From). */
static struct str realm_of(struct call *c)
{
	struct request         *r = c->req;
	const struct name_addr *who;

	if (c->argc && c->argv[0].type == T_STR)
		return c->argv[0].u.s;
	who = r->msg.method == M_REGISTER ? msg_to(&r->msg) : msg_from(&r->msg);
	if (who && who->uri.host.len)
		return lower(&r->arena, who->uri.host);
	return msg_ruri(&r->msg) ? lower(&r->arena, msg_ruri(&r->msg)->host) : STR_NONE;	/* From: <tel:…> */
}

static enum verdict judged(struct request *r, struct attempt *a)
{
	struct str username;

	switch (judge(&a->d, a->realm, msg_ruri(&r->msg), &a->algorithm, &a->nonce)) {
	case JUDGE_CHALLENGE:
		return challenge(r, a->as, a->realm, false);
	case JUDGE_STALE:
		return challenge(r, a->as, a->realm, true);
	case JUDGE_BAD:
		log_warn(&r->c, "digest uri is not the request's uri=" STR_FMT, STR_ARG(a->d.uri));
		return answer(r, 400, "Digest URI Does Not Match", STR_NONE);
	case JUDGE_ASK:
		break;
	}
	username = quoted_unescape(&r->arena, a->d.username);
	if (!username.p)
		return V_ERROR;
	a->user = user_of(username, a->realm);
	return V_SUSPEND;
}

enum verdict attempt_begin(struct call *c, struct attempt *a)
{
	struct request *r = c->req;

	*a = (struct attempt){ .as = asking_for(r->msg.method), .realm = realm_of(c) };
	if (r->msg.method == M_ACK || r->msg.method == M_CANCEL)	/* neither can be asked again (§22.1) */
		return V_OK;
	if (!realm_is_writable(a->realm)) {
		log_warn(&r->c, "no realm to authenticate in");
		return answer(r, 403, NULL, STR_NONE);
	}
	a->field = find_credentials(&r->msg, a->as, a->realm, &a->d);
	return a->field ? judged(r, a) : challenge(r, a->as, a->realm, false);
}

enum verdict auth_authenticate(struct call *c)
{
	struct attempt a;
	enum verdict   v = attempt_begin(c, &a);

	return v != V_SUSPEND || known(c, &a, &v) ? v : ask(c, &a);
}
