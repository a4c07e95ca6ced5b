#pragma once
/* Shared memory: one region, reserved before the fork so that it has the same address in every process,
 * its pages touched on demand, up to memory_limit. Slab classes with per-process magazines (kept in
 * the region, so that the next process in a slot goes on with them); big objects by whole blocks.
 * Every allocation carries its owner's tag: `siparioctl memory` shows bytes by owner.
 *
 * A process may be killed at any instant. An allocation or release in its magazine is safe at every
 * instruction (at worst that object is lost); all else happens in critical sections (lock.h). Nothing is lost where an object
 * is allocated and linked, or unlinked and freed, in one critical section, or is noted meanwhile (hand.h). */
#include "base/str.h"

typedef uint8_t shm_owner;	/* a small number; not a struct, so the house rule on typedefs is kept in spirit */

/* Supervisor, before the fork; it enters slot PROC_SUPERVISOR. ERR_IO when the region cannot be reserved. Called once a life of
 * shared memory: after shm_destroy() again (rebuild, tests). `procs` is how many process slots there are, the supervisor's included. */
MUST_CHECK enum err shm_create(size_t limit_bytes, unsigned procs);
void shm_destroy(void);
/* A child that has nothing to do with it: unmapped in this process alone, which then is as before shm_create(). */
void shm_leave(void);
/* Which life of shared memory this is, 1 for the first; 0 when there is none. What points into the region from private memory
 * is worth nothing in another life. */
unsigned shm_life(void);

/* Register an owner name (boot; static text). The same name gives the same tag; when there are too many, that of "other". */
shm_owner shm_owner_new(const char *name);

/* 8-byte aligned. NULL when the limit is reached. Any process frees what any process allocated. */
MUST_CHECK void *shm_alloc(shm_owner who, size_t bytes);
MUST_CHECK void *shm_zalloc(shm_owner who, size_t bytes);
MUST_CHECK struct str shm_dup(shm_owner who, struct str s);	/* .p NULL on failure */
/* NULL is fine. A second free, or a pointer that is no object, is logged and aborts. Under ASan a process that is alone in the
 * region hears of every access to a freed object, and to bytes beyond what was asked for unless it called shm_usable(). */
void   shm_free(void *p);
size_t shm_usable(const void *p);	/* bytes that fit in the object, at least what was asked */
/* Is less than a sixteenth of the limit left? Then nothing new is begun: what is there already shall find what it needs to go on, and who is
 * to be remembered (a REGISTER) takes precedence over who passes through. */
bool   shm_scarce(void);
/* Tests: the n-th allocation from now on (1 = the next) and all after it fail; 0 switches that off. This process only. */
void shm_fail_after(unsigned n);

struct shm_usage {
	const char *owner;
	uint64_t    bytes;	/* as asked for by the class, header included */
	uint64_t    objects;
};
/* One row an owner, in order of registration; returns how many rows there are (may be over `most`). */
size_t shm_usage(struct shm_usage *rows, size_t most);
/* Bytes of the region: limit, taken from it so far (its pages), free within those. */
void shm_totals(uint64_t *limit, uint64_t *taken, uint64_t *free_bytes);

/* --- process slots --- */
enum { PROC_SUPERVISOR = 0 };
struct proc {
	int32_t  pid;		/* 0: the slot is empty */
	uint32_t incarnation;	/* counts the processes that have had this slot */
	int32_t  depth;		/* of critical sections; written by its process only (lock.h) */
	char     role[20];	/* "worker 1", "writer" */
};
/* After the fork: this process is in that slot from now on. A new incarnation starts. No two processes share a slot. */
void     proc_enter(unsigned slot, const char *role);
/* Simulation: one process plays several slots in turn, each entered before. Not from within a critical section. */
void     proc_switch(unsigned slot);
unsigned proc_self(void);
unsigned proc_count(void);
struct proc *proc_get(unsigned slot);
/* The supervisor, of a dead child: was it outside of critical sections? Reads plain numbers only. */
bool proc_died_clean(unsigned slot);
