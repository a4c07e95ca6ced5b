#pragma once
/* What the files that run test blocks share. One process a test: whatever is here ends with it. */
#include "script/code.h"
#include "script/run.h"
#include "script/sim.h"
#include "script/test_form.h"

enum {
	REPLY_WAIT_MS = 40000,		/* longer than 64*T1: a 408 of the server's own is seen */
	NOTHING_WAIT_MS = 2000, MOST_MESSAGE = 65535, BENCH_BYTES = 64 << 20
};

/* One side of a dialog (RFC 3261 §12). */
struct test_dialog {
	struct str call_id, local, remote;	/* values of From and To, with their tags; call_id empty: none */
	struct str target, routes;		/* Request-URI; Route fields with their line ends */
	uint32_t   cseq, invite_cseq;
};
/* A message of the server. */
struct got {
	struct got        *next;
	struct flow        to;
	struct test_party *party;
	struct msg         m;
	uint64_t           ms;
	unsigned           number;
	bool               taken;	/* by an expect, or of no interest to any */
};
/* A request of a party. */
struct sent {
	struct sent            *next;	/* newest first */
	struct test_party      *party;
	const struct test_step *step;
	struct msg              m;	/* m.request false: it was malformed on purpose */
	struct str              from;
	bool                    retried;	/* with credentials */
};
struct test_party {
	struct test_party *next;
	struct str         name, host_port;
	struct addr        addr;
	enum transport     over;
	struct test_dialog dialog;	/* its latest */
};
struct log_line {
	struct log_line *next;
	enum log_level   level;
	struct str       text;
	bool             taken;
};
struct bench {
	struct arena          arena;
	struct ctx            c;
	const struct program *prog;
	const struct test    *test;
	struct str            domain;	/* of addresses that the test does not give */
	struct test_party    *parties;
	struct got           *first, **last, *current;	/* current: the request that `send 200` answers */
	struct sent          *sent;
	unsigned              numbers;	/* of what is unique: branches, tags, Call-IDs */
	char                  why[700];
};

/* Why the test fails; answers false. */
bool bench_fail(struct bench *b, const char *fmt, ...) PRINTF(2, 3);
/* Text of an attribute's value, `otherwise` where it is not given. */
struct str attr_text(struct bench *b, const struct test_step *s, const char *name, struct str otherwise);
uint32_t   attr_ms(const struct test_step *s, const char *name, uint32_t otherwise);

/* --- test_given.c --- */
/* The party of that name; where nobody has it, a new one at that address. NULL: no memory, or no address. */
struct test_party *party_named(struct bench *b, struct str name);
struct test_party *party_at(struct bench *b, const struct addr *addr, enum transport over);
/* What an attribute's value says: a party's address, or one written out. False: the test fails. */
bool address_of(struct bench *b, const struct expr *e, struct addr *out);
/* Before the server boots: parties, hosts, and what its world begins with. */
bool givens_before(struct bench *b, struct sim_plan *plan);
/* When it runs: bindings, entries of tables. */
bool givens_after(struct bench *b);

/* --- test_send.c --- */
bool send_request(struct bench *b, const struct test_step *s);
bool send_reply(struct bench *b, const struct test_step *s);
/* What a phone does by itself with an answer: ACK, credentials, its side of the dialog. */
void answer_came(struct bench *b, struct got *g);

/* --- test_expect.c --- */
/* Take in what the server has sent. */
void collect(struct bench *b);
/* Let that time pass; phones go on doing what they do by themselves. */
void pass(struct bench *b, uint32_t ms);
bool expect_message(struct bench *b, const struct test_step *s);
bool expect_nothing(struct bench *b, const struct test_step *s);
bool expect_log(struct bench *b, const struct test_step *s);
bool expect_counter(struct bench *b, const struct test_step *s);
bool expect_table(struct bench *b, const struct test_step *s);

/* --- test_story.c: what happened, for who reads a failure --- */
void story_begin(struct arena *a);
void story_message(struct str from, struct str to, const struct msg *m);
void story_note(const char *fmt, ...) PRINTF(1, 2);
struct log_line *story_log(void);	/* lines logged so far, oldest first */
void story_print(void);

/* --- test_cover.c --- */
/* Before the first test; the marks are shared with the processes of the tests. */
MUST_CHECK enum err cover_begin(const struct code *c);
void cover_mark(uint32_t at);
void cover_print(const struct code *c);
void cover_end(const struct code *c);
