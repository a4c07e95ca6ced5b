/* Soon after the start not all bindings are in memory: whoever needs those of a user waits for them. */
#include "modules/registrar/registrar.h"

#include <stdlib.h>

enum { MOST_WAIT_MS = 10000, RETRY_AFTER_S = 5 };

/* Private memory: it outlives the request when that was a retransmission. */
struct learning {
	struct wait *wait;	/* NULL: nobody waits any more */
};

static void unavailable(struct request *r, enum err err)
{
	char       room[32];
	struct buf headers = buf_on(room, sizeof(room));

	counter_inc(&registrar_unavailable);
	LOG_IF(db_log_level(err), &r->c, "the contacts of a user are not known error=%s", err_name(err));
	buf_printf(&headers, "Retry-After: %d\r\n", RETRY_AFTER_S);
	if (request_reply(r, 503, STR_NONE, buf_str(&headers)))
		log_error(&r->c, "no memory to answer");
}

static void learned(void *arg, enum err err)
{
	struct learning *k = arg;
	struct request  *r = k->wait ? wait_request(k->wait) : NULL;

	if (err && r)
		unavailable(r, err);
	if (k->wait)
		call_resume(k->wait, err ? V_END : V_AGAIN, V_NULL);
	free(k);
}

enum verdict contacts_ready(struct call *c, struct str aor, bool anyway)
{
	const struct location_service *location = registrar_cfg.location;
	struct learning               *k;
	enum err                       err = ERR_NOMEM;

	/* what follows an INVITE that was forwarded statelessly does not wait (script_follow()) */
	if (location->known(aor) || c->req->msg.method == M_ACK || c->req->msg.method == M_CANCEL)
		return V_OK;
	k = calloc(1, sizeof(*k));
	if (k)
		err = location->learn(aor, anyway, learned, k);
	if (err) {
		free(k);
		unavailable(c->req, err);
		return V_END;
	}
	k->wait = call_suspend(c, MOST_WAIT_MS);
	return k->wait ? V_SUSPEND : V_END;
}

enum verdict registrar_ready(struct call *c, const struct uri *u)
{
	struct str aor = aor_of(&c->req->arena, u);

	if (aor.p)
		return contacts_ready(c, aor, false);
	unavailable(c->req, ERR_NOMEM);
	return V_END;
}
