#pragma once
/* How one process comes to another program: it compiles it beside the running one, in a thread, and takes it when all have.
 *
 * The control process leads (reload.h): it asks all seats to prepare, waits until each is ready, changes versions_get().now, and asks all to take it.
 * Until that change nothing has happened; from then on a process that starts takes the new program by itself. */
#include "net/mailbox.h"
#include "process/version.h"

/* One a process slot, in shared memory. Written by the slot's process but for `to`. */
struct seat {
	struct mail to, back;		/* "look at the desk"; "look at my seat": for the control process */
	uint32_t    prepared;		/* the ticket it is ready for */
	uint32_t    failed;		/* the one it has no memory for */
	uint32_t    active;		/* the epoch whose program it uses */
	uint32_t    oldest;		/* of those that its runs still use */
};
struct desk {
	uint32_t       tickets;		/* given out: each attempt has its own */
	uint32_t       preparing;	/* the ticket that is being prepared; 0: none */
	struct version next;		/* its program; written before `preparing` */
	struct seat    seat[];
};

/* Supervisor, after every shm_create() and mailbox_boot(). */
MUST_CHECK enum err adopt_boot(void);
/* Supervisor, before a fork and now and then: be what the children shall be. Follows no pointer into shared memory. */
void adopt_catch_up(void);
/* Child: take the program of this moment, and those that follow. `why` is a sentence. */
MUST_CHECK enum err adopt_start(struct loop *l, char *why, size_t cap);
void adopt_stop(void);

/* --- the control process --- */
struct desk *adopt_desk(void);
/* Who posts `back`, and what the letter does. */
void adopt_set_leader(unsigned slot, void (*fn)(struct mail *m));
/* Its own part of the change: takes the reference of `s`. */
MUST_CHECK enum err adopt_switch(struct script *s, uint32_t epoch, char *why, size_t cap);
