#pragma once
/* Messages between processes: a list in shared memory a process slot, and an eventfd that wakes its owner.
 *
 * The node is part of the shared object it speaks of, so posting cannot fail and allocates nothing. A process that dies leaves
 * its letters to the next in the slot, also the one that it was reading. */
#include "base/list.h"
#include "net/loop.h"

struct mail {
	struct list link;
	/* Runs in the receiving process, no lock held; once more in the next one if that dies over it, unless it was settled before. The node may be
	 * posted again, linked elsewhere or freed: settled first, in the same critical section. */
	void (*fn)(struct mail *m);
	uint8_t     posted;		/* it is in a box; written atomically, under that box's lock */
};
/* Supervisor, before the fork, after every shm_create(): a mailbox and an eventfd a process slot. */
MUST_CHECK enum err mailbox_boot(void);
void mail_init(struct mail *m, void (*fn)(struct mail *m));
/* Put into a slot's box. False when it is in a box already (it will be read there). May be called under locks below RANK_MAILBOX;
 * to one's own slot too (read in the same loop turn or the next). */
bool mail_post(unsigned slot, struct mail *m);
/* A handler calls this in the critical section in which what the letter is about has become somebody else's concern: from here on it is not
 * read again if the process dies. */
void mail_settled(struct mail *m);
/* Read this process's box from its loop. */
MUST_CHECK enum err mailbox_start(struct loop *l);
/* Read it now (tests, simulation). Returns how many letters there were. */
size_t mailbox_read(void);
