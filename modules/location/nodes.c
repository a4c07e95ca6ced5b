/* Other servers that share the store: what they have changed is looked at as soon as it is committed. A refresh is not told; aor_fire() asks for that. */
#include "modules/location/location.h"

/* In the worker that listens; the writer process asks. */
static void heard(enum db_news news, struct str key)
{
	struct str node = str_take_until(&key, ' ');

	if (news == DB_MISSED)
		sync_ask(STR_NONE);
	else if (news == DB_CHANGED && !str_is(node, db_node()))
		sync_ask(key);
}

void nodes_boot(void)
{
	static const struct db_listener listener = { "sipario_binding", heard };

	if (db_shared())
		db_listen(&listener);
}
