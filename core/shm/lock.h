#pragma once
/* Process-shared robust locks with ranks, and the critical-section depth.
 *
 * Ranks ascend: a process that holds a lock may only take one of a higher rank (asserted). One function locks
 * and unlocks; inside nothing blocks, logs, or runs a route. lock() raises the process's depth in shared memory
 * before it takes the lock and unlock() lowers it after; a process that dies with depth > 0 left something half
 * done, and the supervisor rebuilds shared memory. Whoever waits for a lock of a dead owner ends itself (exit status
 * LOCK_POISONED) and leaves the rest to the supervisor.
 *
 * Not pthread's robust mutexes: those keep a list of what is held for the kernel to go through at a death, which the depth
 * makes needless, and cost three times the instructions and 40 bytes more. */
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
	RANK_LOCATION = 10,	/* bucket of addresses-of-record */
	RANK_MODULE = 20,	/* tables of modules (nonces, …) */
	RANK_TM_BUCKET = 30,	/* one chain of the transaction table */
	RANK_TRANS = 40,	/* one server transaction and its branches */
	RANK_CALL = 43,		/* one chain of the calls under way (modules/cdr) */
	RANK_TALLY = 44,	/* one chain of how many calls somebody has (modules/cdr) */
	RANK_PEER = 45,		/* branches that wait for an answer over a connection to one peer */
	RANK_CACHE = 50,	/* DNS answers, addresses to avoid */
	RANK_CONN = 54,		/* one chain of the directory of connections */
	RANK_SOURCE = 56,	/* one chain of the addresses that opened connections to us */
	RANK_MAILBOX = 60,
	RANK_TIMER = 70,	/* one process's wheel */
	RANK_SLAB = 80,		/* one slab class */
	RANK_REGION = 90,	/* the blocks of the region */
};
enum { LOCK_POISONED = 97 };

struct lock {
	uint32_t word;	/* a futex: the owner's process id, 0: free; and FUTEX_WAITERS */
	uint8_t  rank;
};
void lock_init(struct lock *l, enum lock_rank rank);
void lock(struct lock *l);
void unlock(struct lock *l);
/* For asserts in functions named _locked. */
bool lock_held(const struct lock *l);
/* A critical section without a lock: for a few stores that must not be torn by a kill. Nests. */
void critical_enter(void);
void critical_leave(void);
