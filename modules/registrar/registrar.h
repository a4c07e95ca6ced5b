#pragma once
/* Private to this folder: REGISTER requests (RFC 3261 §10.3) and what is known through them (§16.5). */
#include "module/module.h"
#include "module/services.h"

enum { PATH_ACCEPT, PATH_REFUSE };
struct registrar_cfg {
	int64_t  max_contacts;
	int      path_unasked;	/* PATH_… */
	struct str service_route;	/* boot lifetime; empty: none */
	uint32_t min_expires_s, max_expires_s, default_expires_s;
	const struct location_service *location;
};
extern struct registrar_cfg registrar_cfg;
extern struct counter registrar_saved, registrar_refused, registrar_unavailable, registrar_found, registrar_not_found;

/* One REGISTER as it was read. Lives in the request's arena. */
struct registration {
	struct location_save save;
	bool                 fetch;	/* no Contact: only asks (§10.2.3) */
	bool                 path;	/* the phone knows Path: it is told (RFC 3327 §5.3) */
	bool                 outbound;	/* done by RFC 5626 §6 */
};
/* Why not. Lives as long. */
struct refusal {
	uint16_t   status;	/* 0: no reason found */
	const char *reason;	/* NULL: the standard one */
	struct str headers;
};

/* --- read.c --- */
/* Steps 2 and 5 to 7 of §10.3, all but the changing. False: *no says what to answer. */
bool registration_read(struct request *r, int64_t now_unix, unsigned max_contacts, struct registration *out, struct refusal *no);
/* The lifetime granted to one who asks for `asked` seconds; *too_brief: it must be refused with 423 (§10.3 step 7). */
uint32_t expires_granted(uint32_t asked, bool *too_brief);
/* uri_aor() in the arena; .p NULL: no memory. */
struct str aor_of(struct arena *a, const struct uri *u);

/* --- answer.c --- */
/* Header fields of the 200: the bindings, Date, Path. .p NULL: no memory. */
struct str answer_headers(struct request *r, const struct registration *reg, const struct binding *list, int64_t now_unix);
/* "Sat, 13 Nov 2010 23:29:00 GMT" (§20.17) */
void date_write(int64_t unix_s, struct buf *out);

/* --- ready.c --- */
/* Are the bindings of that AOR in memory? V_OK; V_SUSPEND: the function is called again; V_END: 503 has been said. `anyway`: a store that is away does not matter. */
enum verdict contacts_ready(struct call *c, struct str aor, bool anyway);
enum verdict registrar_ready(struct call *c, const struct uri *u);	/* services.h */

/* --- save.c, lookup.c --- */
enum verdict fn_save(struct call *c);
enum verdict fn_lookup(struct call *c);
enum err registrar_lookup(struct request *r, const struct uri *u, bool *found);	/* services.h */
/* Must a request for that contact go back to where its REGISTER came from? */
bool contact_needs_flow(const struct binding *b, const struct uri *contact);
