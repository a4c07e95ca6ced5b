#include <unistd.h>

#include "shm/region.h"

void proc_enter(unsigned slot, const char *role)
{
	struct room *room = &shm_here.region->room[slot];
	struct proc *p = &room->proc;

	shm_here.self = slot;
	shm_here.room = room;
	lock_forget_held();
	p->depth = 0;
	p->incarnation++;
	p->pid = (int32_t)getpid();
	(void)str_cstr(str_of(role), p->role, sizeof(p->role));
	lock_depth_at(&p->depth);
	if (shm_here.region->room[PROC_SUPERVISOR].proc.pid != p->pid)
		slab_poison_off();
}

void proc_switch(unsigned slot)
{
	shm_here.self = slot;
	shm_here.room = &shm_here.region->room[slot];
	lock_forget_held();
	lock_depth_at(&shm_here.room->proc.depth);
}

unsigned proc_self(void)
{
	return shm_here.self;
}

unsigned proc_count(void)
{
	return shm_here.procs;
}

struct proc *proc_get(unsigned slot)
{
	return &shm_here.region->room[slot].proc;
}

bool proc_died_clean(unsigned slot)
{
	return __atomic_load_n(&proc_get(slot)->depth, __ATOMIC_RELAXED) == 0;
}
