/* Who wants to hear of changes, and what the engine has heard. The engine knows how; here is what all have in common. */
#include <stdio.h>
#include <stdlib.h>

#include "db/driver.h"

enum { MOST_LISTENERS = 16 };

static struct {
	const struct db_listener *listener[MOST_LISTENERS];
	size_t                    count;
	/* of the process that listens */
	bool                      listens;
} ear;

void db_listen(const struct db_listener *l)
{
	for (size_t i = 0; i < ear.count; i++)
		if (ear.listener[i] == l)
			return;
	if (ear.count == MOST_LISTENERS)
		abort();	/* a mistake of ours, seen at the first start */
	ear.listener[ear.count++] = l;
}

const char *db_channel_at(size_t i)
{
	return i < ear.count ? ear.listener[i]->channel : NULL;
}

static void tell_all(enum db_news news)
{
	ear.listens = news != DB_DEAF;
	for (size_t i = 0; i < ear.count; i++)
		ear.listener[i]->heard(news, STR_NONE);
}

void db_heard(struct str channel, struct str key)
{
	for (size_t i = 0; i < ear.count; i++)
		if (str_is(channel, ear.listener[i]->channel))
			ear.listener[i]->heard(DB_CHANGED, key);
}

void db_heard_all(void)
{
	presence_has(DB_NEWS);
	tell_all(DB_MISSED);
}

void db_deaf(enum err err, const char *why)
{
	presence_lacks(DB_NEWS, err, why);
	if (ear.listens)
		tell_all(DB_DEAF);
}
