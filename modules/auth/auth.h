#pragma once
/* Private to this folder: digest access authentication (RFC 3261 §22, RFC 7616, RFC 8760). */
#include "module/module.h"
#include "module/services.h"

enum algorithm { ALG_SHA256, ALG_MD5, ALG_COUNT };	/* also the order of the choices of `algorithms` */

struct auth_cfg {
	uint32_t algorithms;	/* P_CHOICES: nibbles, the most preferred lowest, algorithm + 1 each */
	struct str md5_only;	/* beginnings of User-Agent values, separated by commas */
	uint32_t nonce_expire_s;
	int64_t  replay_window;
	bool     require_qop, check_to, check_from;
	const struct profile_service *profile;
};
extern struct auth_cfg auth_cfg;
extern struct counter auth_challenges, auth_accepted, auth_refused, auth_stale, auth_replayed, auth_forged, auth_unavailable;

/* --- nonce.c: nonces that need no memory until they are used --- */
enum { NONCE_BYTES = 28, NONCE_HEX = 2 * NONCE_BYTES };
enum nonce_state {
	NONCE_GOOD,
	NONCE_EXPIRED,
	NONCE_FORGED,	/* not ours, for another realm, or from before the last start */
};
struct nonce {
	uint32_t made;		/* seconds since 1970 */
	uint32_t index;		/* counts all nonces of the server; never 0 */
};
/* Supervisor: the secret and the table of used nonces, in shared memory. */
MUST_CHECK enum err nonce_boot(uint32_t window);
/* A new one, as hexadecimal. */
MUST_CHECK enum err nonce_make(struct str realm, char out[NONCE_HEX]);
enum nonce_state nonce_check(struct str text, struct str realm, uint32_t most_s, struct nonce *out);
/* Claim nonce count `nc` (> 0) of a good nonce. False: it was claimed before, or nobody can tell any more: it is over 63 behind the
 * highest, or a nonce `window` younger has been used. */
bool nonce_use(const struct nonce *n, uint32_t nc);

/* --- verify.c: pure --- */
struct str algorithm_name(enum algorithm a);
/* The algorithm of credentials, MD5 when they name none (RFC 7616 §3.4); false: one we do not know. */
bool algorithm_of(struct str name, enum algorithm *out);
size_t algorithm_hex(enum algorithm a);		/* digits of a digest */
/* Is this the response of one who knows the password (RFC 7616 §3.4.1)? In the same time whether it is or not; `ha1` may be empty (no such user). */
bool response_is_right(const struct digest *d, enum algorithm a, struct str method, struct str ha1);

/* What credentials say before anybody is asked for the password. */
enum judgement {
	JUDGE_ASK,		/* worth asking */
	JUDGE_CHALLENGE,	/* not for us, or not acceptable: challenge anew */
	JUDGE_STALE,		/* challenge anew, the password is not in doubt */
	JUDGE_BAD,		/* 400 */
};
enum judgement judge(const struct digest *d, struct str realm, const struct uri *ruri, enum algorithm *a, struct nonce *n);
/* "alice" of "alice" and of "alice@example.org" where that is the realm. */
struct str user_of(struct str username, struct str realm);

/* --- challenge.c, authenticate.c --- */
/* How to ask: a registrar as a UAS (RFC 3261 §22.2), all else as a proxy (§22.3). */
struct asking {
	uint16_t      status;
	enum hdr_type credentials;
	const char   *challenge;
};
const struct asking *asking_for(enum method m);
/* What to offer to a client that says it is `agent` (its User-Agent, may be empty), as auth_cfg.algorithms. Old clients that are known to give up
 * at a challenge with SHA-256, although one with MD5 stands beside it, are offered MD5 alone, if it is offered at all. Nothing is lost by believing
 * the name: who may choose MD5 needs no false one. */
uint32_t algorithms_for(struct str agent);
/* The header fields of a challenge, one an algorithm, the preferred first (RFC 8760 §2.3). */
MUST_CHECK enum err challenge_write(const struct asking *as, uint32_t algorithms, struct str realm, bool stale, struct buf *out);
/* One question to the store about one request. */
struct attempt {
	struct wait         *wait;	/* NULL: nobody waits any more */
	const struct asking *as;
	struct hdr          *field;	/* the credentials; this and the slices live with the request */
	struct digest        d;
	struct nonce         nonce;
	enum algorithm       algorithm;
	struct str           realm, user;
};
/* Up to the question: V_SUSPEND when it is to be asked, for a->user in a->realm. */
enum verdict attempt_begin(struct call *c, struct attempt *a);
/* From the answer on: V_OK, or V_END, answered. */
enum verdict attempt_end(struct request *r, const struct attempt *a, enum err err, const struct credentials *cred);
enum verdict auth_authenticate(struct call *c);
