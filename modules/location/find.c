#include "modules/location/location.h"

/* The table keeps them in the order that is promised. */
enum err location_find(struct arena *a, struct str aor, struct binding **list)
{
	uint32_t         hash = table_hash(aor), now = unix_now();
	struct lock     *l = table_lock(hash);
	struct binding  *first = NULL, **at = &first;
	enum err         err = OK;
	const struct aor *found;

	lock(l);
	found = aor_find_locked(hash, aor);
	for (const struct bind *b = found ? found->binds : NULL; b && !err; b = b->next) {
		if (bind_expired(b, now))
			continue;
		*at = bind_copy(b, a);
		if (*at && (*at)->expires_unix <= now)
			(*at)->expires_unix = (int64_t)now + 1;	/* the store is being asked for more */
		if (*at)
			at = &(*at)->next;
		else
			err = ERR_NOMEM;
	}
	unlock(l);
	if (!err)
		*list = first;
	return err;
}
