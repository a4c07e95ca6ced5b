#pragma once
/* The whole server in one process, without sockets and without waiting: a virtual clock, a seeded random, a network that is a list.
 * For tests of the language and of the machine. Once a process. */
#include "db/db.h"
#include "net/loop.h"
#include "net/net.h"
#include "script/script.h"

/* What the server has sent, oldest first. The taker frees it (free()). */
struct sim_message {
	struct sim_message *next;
	struct flow         to;
	struct str          bytes;	/* behind this struct */
};

#define SIM_SERVER "192.0.2.10"
#define SIM_SERVER_6 "2001:db8::10"
/* What a world begins with. */
struct sim_plan {
	int64_t     start_unix;	/* 0: 2026-01-01 */
	const char *database;	/* a file to begin with a copy of, made by sim_database_make(); NULL: an empty one is made */
	/* Puts rows into the database before anything reads it; NULL: none. ERR_SYNTAX with a sentence. */
	enum err (*fill)(struct db *d, void *arg, char *why, size_t cap);
	void *arg;
};
/* Boot the floors below on the settings as they are, start the registered modules, and listen on 192.0.2.10:5060 and [2001:db8::10]:5060, UDP and
 * TCP (documentation addresses, RFC 5737 and RFC 3849: nothing can leave by mistake). With a database setting an empty SQLite file in a temporary folder takes its place. */
MUST_CHECK enum err sim_boot(char *why, size_t cap);
MUST_CHECK enum err sim_boot_as(const struct sim_plan *plan, char *why, size_t cap);
/* An empty database of the present schema at that place, for many worlds to begin with. */
MUST_CHECK enum err sim_database_make(const char *path, char *why, size_t cap);
/* A folder in memory where the system has one, else in /tmp. False: cannot be made. */
MUST_CHECK bool sim_folder_make(char *room, size_t cap);
void sim_end(void);
struct loop *sim_loop(void);
/* A flow as from that peer to our listener. */
struct flow sim_flow(const char *ip, uint16_t port);
struct flow sim_flow_over(enum transport t, const struct addr *peer);
/* What is sent to that peer from now on is refused: an ICMP error, or a connection that cannot be opened. Or it is not any longer. */
void sim_refuse(const struct addr *peer, bool refuse);
/* The database goes away, or comes back. */
void sim_database_fail(bool fail);
/* Bytes arrive. */
void sim_receive(struct str bytes, const struct flow *from);
/* One turn; if it left nothing to do, the clock then jumps to the next timer, at most `most_ms` ahead. The time that has passed. */
uint32_t sim_step(uint32_t most_ms);
/* Turns until that time has passed. */
void sim_pass(uint32_t ms);
struct sim_message *sim_take(void);	/* NULL: none */
/* Host names that resolve: this one, to that address. The others do not exist. */
void sim_name(const char *host, const char *ip);
uint64_t sim_ms(void);		/* since the world began */
