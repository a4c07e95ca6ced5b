/* What the database tells of changes, in one worker: it changes the cache for all of them, and writes to each that the domains are to be read anew. */
#include "modules/profile/profile.h"

#include "shm/shm.h"

static struct {
	struct mail *domains;	/* shared: one a process slot */
} letters;

static void read_domains(struct mail *m)
{
	(void)m;
	domains_read_now();
}

static void tell_workers(void)
{
	for (unsigned slot = 1; slot < proc_count(); slot++)
		mail_post(slot, &letters.domains[slot]);
}

static void heard(enum db_news news, struct str key)
{
	if (news != DB_CHANGED) {
		cache_hearing(news == DB_MISSED);
		if (news == DB_DEAF)
			return;
		cache_doubt_all();
		tell_workers();
	} else if (str_starts(key, STR("user:"))) {
		(void)cache_drop(str_from(key, 5));
	} else if (str_is(key, "users")) {
		cache_doubt_all();
	} else if (str_is(key, "domains")) {
		tell_workers();
	}
}

enum err changes_boot(void)
{
	static const struct db_listener listener = { "sipario_profile", heard };

	letters.domains = shm_alloc(shm_owner_new("profile"), proc_count() * sizeof(letters.domains[0]));
	if (!letters.domains)
		return ERR_NOMEM;
	for (unsigned slot = 0; slot < proc_count(); slot++)
		mail_init(&letters.domains[slot], read_domains);
	db_listen(&listener);
	return OK;
}
