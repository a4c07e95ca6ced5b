/* What seals of dialogs are made with. It must be the same after a restart, or every call that is under way loses its BYE. */
#include <stdio.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "db/db.h"
#include "process/process.h"
#include "proxy/request.h"

enum { SECRET_LEAST = 16, SECRET_MOST = 256, ARENA_MOST = 1 << 16 };

/* The one that the database was made with; all servers on it have the same. Empty: there is no database. */
static enum err from_database(struct arena *a, struct str *out, char *why, size_t cap)
{
	struct db_rows rows = { 0 };
	struct db     *d;
	enum err       err;

	if (!db_configured())
		return OK;
	d = db_open(db_url(), false, why, cap);
	if (!d)
		return ERR_IO;
	err = db_exec(d, "SELECT value FROM secrets WHERE name = 'dialog_seal'", NULL, 0, a, &rows, why, cap);
	if (!err && rows.rows)
		*out = db_cell(&rows, 0, 0)->s;
	db_close(d);
	return err;
}

/* machine-id(5): random, drawn when the machine was installed, not to be shown to others; what we make of it cannot be traced back. Empty: it
 * has none, as in many a container. */
static struct str from_machine(char room[SECRET_MOST])
{
	FILE  *f = fopen("/etc/machine-id", "re");
	size_t n = f ? fread(room, 1, SECRET_MOST, f) : 0;

	if (f)
		fclose(f);
	return str_trim(str_n(room, n));
}

static enum err find_secret(struct str setting, struct arena *a, char *room, struct str *out, char *why, size_t cap)
{
	enum err err = OK;

	*out = setting;
	if (out->len && out->len < SECRET_LEAST) {
		snprintf(why, cap, "secret: at least %d characters, as `openssl rand -hex 32` draws them", SECRET_LEAST);
		return ERR_SYNTAX;
	}
	if (!out->len)
		err = from_database(a, out, why, cap);
	if (!err && out->len < SECRET_LEAST)
		*out = from_machine(room);
	return err;
}

enum err secret_set(struct str setting, char *why, size_t cap)
{
	char         room[SECRET_MOST];
	struct arena a;
	struct str   secret;
	enum err     err;

	arena_init(&a, NULL, 0, ARENA_MOST);
	err = find_secret(setting, &a, room, &secret, why, cap);
	if (!err && secret.len < SECRET_LEAST) {
		log_warn(NULL, "dialogs will not outlive a restart: there is neither `secret`, nor a database, nor /etc/machine-id");
		random_bytes(room, SECRET_LEAST);
		secret = str_n(room, SECRET_LEAST);
	}
	if (!err && proxy_set_secret(secret)) {
		snprintf(why, cap, "%s refuses HMAC-SHA-256", crypto_library());
		err = ERR_UNSUPPORTED;
	}
	arena_free(&a);
	crypto_wipe(room, sizeof(room));
	return err;
}
