#pragma once
/* How the region is laid out; for the files of this folder only.
 *
 *   struct region | a struct room a process slot | struct block table | blocks of 64 kB …
 *
 * Mapped at one address before the fork. Untouched pages cost nothing, so the tables are as large as the limit asks. */
#include "base/list.h"
#include "shm/counter.h"
#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum {
	BLOCK_BYTES = 64 * 1024,
	CLASS_COUNT = 39,
	MAGAZINE_MOST = 32,
	OWNER_MOST = 64,
	COUNTER_MOST = 512,
	HAND_MOST = 16,	/* a letter, its transaction, another one that its script answers for, ...: four have been seen */
	RESERVE = 16,	/* one part in so many */
};

enum block_use { BLOCK_FREE, BLOCK_SLAB, BLOCK_BIG, BLOCK_BIG_REST };

/* One block; guarded by its slab's lock while in BLOCK_SLAB, else by the region's. */
struct block {
	struct list link;	/* in slab.partial while it has free objects */
	uint32_t    run;	/* BLOCK_BIG: how many blocks, this one included */
	uint16_t    first;	/* 1 + index of the first free object, 0: none */
	uint16_t    free;	/* objects not handed out, those never carved included */
	uint16_t    carved;	/* objects that have been handed out at least once */
	uint8_t     use;	/* enum block_use */
	uint8_t     class;
};

/* One size class: the blocks cut into it that have free objects. */
struct slab {
	struct lock lock;	/* RANK_SLAB */
	struct list partial;
} __attribute__((aligned(64)));

/* Free objects in the hands of one process: a stack. */
struct magazine {
	uint32_t     count;
	struct head *object[MAGAZINE_MOST];
};

/* What the process of a slot has in hand (hand.h). */
struct held {
	void  *p;
	void (*back)(void *p);
};
struct hand {
	uint32_t    count;
	bool        over;	/* there are more than fit: in a critical section until there are none */
	struct held held[HAND_MOST];
};

/* What one process slot writes without locks. The next process in the slot goes on with it. */
struct room {
	struct proc     proc;
	int64_t         owner_bytes[OWNER_MOST], owner_objects[OWNER_MOST];
	int64_t         counter[COUNTER_MOST];
	struct magazine magazine[CLASS_COUNT];
	struct hand     hand;
} __attribute__((aligned(64)));

struct region {
	struct lock lock;	/* RANK_REGION: what follows but slabs and rooms, and blocks that are in no slab */
	uint32_t    counters;	/* ids given out */
	char        counter_name[COUNTER_MOST][COUNTER_NAME];	/* of those that were named */
	uint32_t    next;	/* blocks from here on were never taken */
	uint32_t    free;	/* taken and given back */
	uint32_t    hint;	/* no free block below this one */
	struct slab slab[CLASS_COUNT];
	struct room room[];
};

/* Where this process stands. Private to it; set by shm_create() and proc_enter(). */
struct shm_here {
	struct region *region;	/* NULL: there is none */
	struct room   *room;	/* this process's */
	struct block  *block;
	char          *base;	/* of the blocks */
	uint32_t       block_count;
	size_t         mapped_bytes;
	unsigned       procs, self;
};
extern struct shm_here shm_here;

/* `count` blocks in a row; -1 when the limit is reached. Marks the first with `use`, the rest BLOCK_BIG_REST. */
int64_t blocks_take(uint32_t count, enum block_use use);
void    blocks_give(uint32_t first, uint32_t count);

void slab_boot(void);
/* Objects are poisoned under ASan only as long as one process uses the region: the shadow is not shared. */
void slab_poison_off(void);
void counter_region_made(void);
void counter_region_goes(void);
void lock_forget_held(void);
/* Where lock.c counts the critical sections of this process; NULL: privately, before there is a region. */
void lock_depth_at(int32_t *depth);
