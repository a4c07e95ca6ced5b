#pragma once
/* The whole server in one process, without sockets and without waiting: a virtual clock, a seeded random, a network that is a list.
 * For tests of the language and of the machine. Once a process. */
#include "net/loop.h"
#include "net/net.h"
#include "script/script.h"

/* What the server has sent, oldest first. The taker frees it (free()). */
struct sim_message {
	struct sim_message *next;
	struct flow         to;
	struct str          bytes;	/* behind this struct */
};

/* Boot the floors below on the settings as they are, start the registered modules, and listen on 192.0.2.10:5060 (a documentation
 * address, RFC 5737: nothing can leave by mistake). With a database setting an empty SQLite file in a temporary folder takes its place. */
MUST_CHECK enum err sim_boot(char *why, size_t cap);
void sim_end(void);
struct loop *sim_loop(void);
/* A flow as from that peer to our listener. */
struct flow sim_flow(const char *ip, uint16_t port);
/* Bytes arrive. */
void sim_receive(struct str bytes, const struct flow *from);
/* One turn; if it left nothing to do, the clock then jumps to the next timer, at most `most_ms` ahead. The time that has passed. */
uint32_t sim_step(uint32_t most_ms);
/* Turns until that time has passed. */
void sim_pass(uint32_t ms);
struct sim_message *sim_take(void);	/* NULL: none */
/* Host names that resolve: this one, to that address. The others do not exist. */
void sim_name(const char *host, const char *ip);
