#include "modules/registrar/registrar.h"

#include <stdlib.h>

#include "base/clock.h"

enum { MOST_WAIT_MS = 10000, RETRY_AFTER_S = 5 };

/* A REGISTER whose commit is under way. Private memory: it outlives the request when that was a retransmission. */
struct commit {
	struct wait               *wait;	/* NULL: nobody waits any more */
	const struct registration *reg;		/* lives with the request */
};

static enum verdict answer(struct call *c, struct request *r, uint16_t status, const char *reason, struct str headers)
{
	if (request_reply(r, status, str_of(reason), headers))
		return V_ERROR;
	if (c)
		c->result = value_bool(status < 300);
	return V_OK;
}

static enum verdict unavailable(struct call *c, struct request *r, enum err err)
{
	char       room[32];
	struct buf headers = buf_on(room, sizeof(room));

	counter_inc(&registrar_unavailable);
	LOG_IF(db_log_level(err), &r->c, "cannot keep a registration error=%s", err_name(err));
	buf_printf(&headers, "Retry-After: %d\r\n", RETRY_AFTER_S);
	return answer(c, r, 503, NULL, buf_str(&headers));
}

/* Step 8 of §10.3: all current bindings. */
static enum verdict accepted(struct call *c, struct request *r, const struct registration *reg)
{
	struct binding *list = NULL;
	enum err        err = registrar_cfg.location->find(&r->arena, reg->save.aor, &list);
	struct str      headers = err ? STR_NONE : answer_headers(r, reg, list, clock_unix());

	if (!headers.p)
		return unavailable(c, r, ERR_NOMEM);
	counter_inc(&registrar_saved);
	return answer(c, r, 200, NULL, headers);
}

static enum verdict refused(struct call *c, struct request *r, enum err err)
{
	if (err != ERR_STATE && err != ERR_LIMIT)
		return unavailable(c, r, err);
	counter_inc(&registrar_refused);
	if (err == ERR_LIMIT)
		return answer(c, r, 403, "Too Many Contacts", STR_NONE);
	return answer(c, r, 500, "CSeq Out of Order", STR_NONE);	/* §10.3 step 7, §12.2.2 */
}

static void committed(void *arg, enum err err)
{
	struct commit  *k = arg;
	struct request *r = k->wait ? wait_request(k->wait) : NULL;
	enum verdict    v = V_END;

	if (r)
		v = err ? unavailable(NULL, r, err) : accepted(NULL, r, k->reg);
	if (k->wait)
		call_resume(k->wait, v, value_bool(!err));
	free(k);
}

/* Into memory only. */
static enum verdict save_now(struct call *c, struct registration *reg)
{
	bool     now;
	enum err err = registrar_cfg.location->save(&reg->save, &now, NULL, NULL);

	return err ? refused(c, c->req, err) : accepted(c, c->req, reg);
}

static enum verdict save_durably(struct call *c, struct registration *reg)
{
	struct commit *k = malloc(sizeof(*k));
	bool           now = true;
	enum err       err = ERR_NOMEM;

	if (k) {
		*k = (struct commit){ .reg = reg };
		err = registrar_cfg.location->save(&reg->save, &now, committed, k);
	}
	if (err || now)
		free(k);
	if (err)
		return refused(c, c->req, err);
	if (now)
		return accepted(c, c->req, reg);
	k->wait = call_suspend(c, MOST_WAIT_MS);	/* after handing over: a commit that is not needed need not wait */
	return k->wait ? V_SUSPEND : V_END;
}

enum verdict fn_save(struct call *c)
{
	struct request      *r = c->req;
	struct registration *reg;
	struct refusal       no = { 0 };
	enum verdict         v;

	if (r->msg.method != M_REGISTER) {
		log_error(&r->c, "save() is for REGISTER, not for " STR_FMT, STR_ARG(r->msg.method_name));
		return V_ERROR;
	}
	if (request_merged(r))
		return V_END;
	reg = ARENA_NEW(&r->arena, struct registration);
	if (!reg)
		return unavailable(c, r, ERR_NOMEM);
	if (!registration_read(r, clock_unix(), (unsigned)(c->argv[0].type == T_INT ? c->argv[0].u.i : registrar_cfg.max_contacts), reg, &no)) {
		counter_inc(&registrar_refused);
		return answer(c, r, no.status, no.reason, no.headers);
	}
	v = contacts_ready(c, reg->save.aor, !registrar_cfg.location->durable());
	if (v != V_OK)
		return v;
	if (reg->fetch)
		return accepted(c, r, reg);
	return registrar_cfg.location->durable() ? save_durably(c, reg) : save_now(c, reg);
}
