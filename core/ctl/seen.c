#include "ctl/seen.h"

#include <stdlib.h>

#include "base/random.h"

static uint64_t hash_of(const struct seen *s, struct str a, struct str b)
{
	struct hash_state h;

	hash_begin(&h, &s->key);
	hash_add(&h, a);
	hash_add(&h, b);
	return hash_end(&h);
}

/* Where it is, or would be. */
static struct seen_slot *find(const struct seen *s, uint64_t hash)
{
	size_t i = hash & (s->room - 1);

	while (s->slot[i].line && s->slot[i].hash != hash)
		i = (i + 1) & (s->room - 1);
	return &s->slot[i];
}

static bool grow(struct seen *s)
{
	struct seen bigger = { .key = s->key, .count = s->count, .room = s->room ? s->room * 2 : 1024 };

	if (!s->room)
		random_bytes(&bigger.key, sizeof(bigger.key));
	bigger.slot = calloc(bigger.room, sizeof(*bigger.slot));
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < s->room; i++)
		if (s->slot[i].line)
			*find(&bigger, s->slot[i].hash) = s->slot[i];
	free(s->slot);
	*s = bigger;
	return true;
}

enum err seen_put(struct seen *s, struct str a, struct str b, uint32_t line, uint32_t *before)
{
	struct seen_slot *slot;
	uint64_t          hash;

	if (s->count * 2 >= s->room && !grow(s))
		return ERR_NOMEM;
	hash = hash_of(s, a, b);
	slot = find(s, hash);
	*before = slot->line;
	if (slot->line)
		return OK;
	*slot = (struct seen_slot){ hash, line };
	s->count++;
	return OK;
}

bool seen_has(const struct seen *s, struct str a, struct str b)
{
	return s->room && find(s, hash_of(s, a, b))->line;
}

void seen_free(struct seen *s)
{
	free(s->slot);
	*s = (struct seen){ 0 };
}
