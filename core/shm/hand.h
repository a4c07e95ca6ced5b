#pragma once
/* What a process has in hand: things in shared memory that nobody but it would give back or pass on, such as a reference or a letter that it
 * reads. They are noted in its slot, so that the next process there does it in its place when it dies.
 *
 * Taken and given within the critical section (lock.h) in which the thing itself changes hands: a kill then finds the note as true as what it
 * speaks of. What is allocated and linked, or unlinked and freed, in one critical section needs no note. Meant for the few things that a
 * process works on at a time; where the notes do not suffice the process stays in a critical section until its hand is empty. */

/* It is in hand from now on. `back` is called by the next process in the slot, with no lock held; it gives the thing (hand_give), with whatever
 * that means for it, and may itself be called once more if that process dies, too. The same address in every process: core, or a module loaded
 * before the fork. */
void hand_take(void *p, void (*back)(void *p));
/* It is not any more; not to have it in hand is fine. */
void hand_give(void *p);
/* Process start, before it takes anything: what the predecessor in this slot had in hand goes back. */
void hand_adopt(void);
