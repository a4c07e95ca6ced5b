#include "shm/hand.h"

#include <assert.h>

#include "shm/region.h"

void hand_take(void *p, void (*back)(void *p))
{
	struct hand *h = &shm_here.room->hand;

	assert(shm_here.room->proc.depth > 0);
	if (h->count < HAND_MOST) {
		h->held[h->count++] = (struct held){ p, back };
	} else if (!h->over) {
		h->over = true;
		critical_enter();
	}
}

/* From the newest on: what was taken last is mostly given first. */
void hand_give(void *p)
{
	struct hand *h = &shm_here.room->hand;
	uint32_t     i = h->count;

	assert(shm_here.room->proc.depth > 0);
	while (i && h->held[i - 1].p != p)
		i--;
	if (!i)
		return;
	h->held[i - 1] = h->held[--h->count];
	if (!h->count && h->over) {	/* what there was no note for was taken later, and given earlier */
		h->over = false;
		critical_leave();
	}
}

void hand_adopt(void)
{
	struct hand *h = &shm_here.room->hand;

	while (h->count) {
		struct held last = h->held[h->count - 1];

		last.back(last.p);
	}
}
