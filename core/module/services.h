#pragma once
/* Interfaces that modules offer each other. A module names what it needs and offers in its descriptor; it never includes another. */
#include "module/module.h"
#include "module/value.h"
#include "proxy/request.h"

/* "profile": who the users are. Answers come by the loop, in the same worker, never from within the call. */
struct credentials {
	struct str ha1_md5;	/* 32 hex digits; empty: none kept */
	struct str ha1_sha256;	/* 64 hex digits */
};
struct credentials_room {
	char md5[33], sha256[65];
};
struct profile_service {
	/* What is known without asking: *err is OK or ERR_NOT_FOUND, the digests lie in the room. False: credentials() has to ask. */
	bool (*known)(struct str user, struct str domain, enum err *err, struct credentials *c, struct credentials_room *room);
	/* ERR_NOT_FOUND: no such user; ERR_IO: the store is away. *c lives until done returns. */
	enum err (*credentials)(struct str user, struct str domain,
				void (*done)(void *arg, enum err err, const struct credentials *c), void *arg);
	/* Is that a domain we serve (table domains and `domain` settings)? From memory. */
	bool (*is_domain)(struct str host);
	bool (*knows_domains)(void);	/* false: the database has been away since the start, is_domain() says no to all */
};

/* "location": bindings by address-of-record, in shared memory, in front of a store. */
struct binding {
	struct binding *next;
	struct str      contact;	/* URI */
	struct str      instance, call_id, path, user_agent;
	struct flow     received;	/* where the REGISTER came from */
	int64_t         expires_unix;
	uint32_t        cseq, reg_id;
	uint16_t        q;
};
struct binding_change {
	struct binding b;
	uint32_t       expires;		/* seconds; 0 removes */
};
struct location_save {
	struct str            aor;	/* uri_aor() */
	struct str            call_id;
	uint32_t              cseq;
	bool                  remove_all;	/* Contact: * */
	size_t                n;
	struct binding_change *change;	/* of this REGISTER; applied together or not at all (RFC 3261 §10.3) */
	unsigned              max_contacts;
};
struct location_service {
	/* Is what the store has of this AOR in memory? Not always soon after the start: then learn() asks for it, `done` comes by the loop, and from then on it is
	 * known for a while. ERR_IO …: the store is away; with `anyway` that counts as nothing found. When learn() fails itself done is not called. */
	bool (*known)(struct str aor);
	enum err (*learn)(struct str aor, bool anyway, void (*done)(void *arg, enum err err), void *arg);
	/* Live bindings of an AOR, copied into the arena, by q descending, then newest first. NULL list: none. ERR_NOMEM. */
	enum err (*find)(struct arena *a, struct str aor, struct binding **list);
	/* Apply. OK: applied and, if the store is durable, committed: `done` comes by the loop; *now false. When nothing has to be waited for *now is true and
	 * done is not called. ERR_STATE: an older CSeq of the same Call-ID (§10.3 step 7: 500); ERR_LIMIT: too many contacts (403); ERR_NOMEM. */
	enum err (*save)(const struct location_save *s, bool *now, void (*done)(void *arg, enum err err), void *arg);
	bool (*durable)(void);
};

/* "registrar": the phones of a user of ours (RFC 3261 §16.5). */
struct registrar_service {
	/* V_OK: the contacts of that URI are known, lookup() finds them. V_SUSPEND: they are asked for; to be returned by the function, which is then called again.
	 * V_END: it cannot be known now; the caller has been told. */
	enum verdict (*ready)(struct call *c, const struct uri *u);
	/* The contacts bound to that URI become the target set; *found false: there are none. ERR_NOMEM. */
	enum err (*lookup)(struct request *r, const struct uri *u, bool *found);
};
