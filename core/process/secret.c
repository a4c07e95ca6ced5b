/* What seals of dialogs are made with. It must be the same after a restart, or every call that is under way loses its BYE. */
#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/random.h"
#include "db/db.h"
#include "process/process.h"
#include "proxy/request.h"

enum { SECRET_LEAST = 16, SECRET_MOST = 256, ARENA_MOST = 1 << 16, AGAIN_MS = 1000 };

static const char select_secret[] = "SELECT value FROM secrets WHERE name = 'dialog_seal'";
static struct db_stmt stored = { select_secret, 0, 0 };

static struct {
	struct wheel *wheel;
	struct timer  again;
} later;

/* The one that the database was made with; all servers on it have the same. Empty: there is no database, or (*awaited) it is away. */
static enum err from_database(struct arena *a, struct str *out, bool *awaited, char *why, size_t cap)
{
	struct db_rows rows = { 0 };
	struct db     *d = db_at_boot();
	enum err       err;

	*awaited = db_configured() && !d;
	if (!d)
		return OK;
	err = db_exec(d, select_secret, NULL, 0, a, &rows, why, cap);
	if (!err && rows.rows)
		*out = db_cell(&rows, 0, 0)->s;
	*awaited = err == ERR_IO;	/* it has gone a moment ago */
	return *awaited ? OK : err;
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

static enum err find_secret(struct str setting, struct arena *a, char *room, struct str *out, bool *awaited, char *why, size_t cap)
{
	enum err err = OK;

	*out = setting;
	if (out->len && out->len < SECRET_LEAST) {
		snprintf(why, cap, "secret: at least %d characters, as `openssl rand -hex 32` draws them", SECRET_LEAST);
		return ERR_SYNTAX;
	}
	if (!out->len)
		err = from_database(a, out, awaited, why, cap);
	if (!err && out->len < SECRET_LEAST)
		*out = from_machine(room);
	return err;
}

enum err secret_set(struct str setting, char *why, size_t cap)
{
	char         room[SECRET_MOST];
	struct arena a;
	struct str   secret;
	bool         awaited = false;
	enum err     err;

	if (db_configured())
		db_stmt_register(&stored);

	arena_init(&a, NULL, 0, ARENA_MOST);
	err = find_secret(setting, &a, room, &secret, &awaited, why, cap);
	if (!err && secret.len < SECRET_LEAST) {
		log_warn(NULL, "dialogs will not outlive a restart: there is neither `secret`, nor a database, nor /etc/machine-id");
		random_bytes(room, SECRET_LEAST);
		secret = str_n(room, SECRET_LEAST);
	}
	if (!err && proxy_set_secret(secret, awaited)) {
		snprintf(why, cap, "%s refuses HMAC-SHA-256", crypto_library());
		err = ERR_UNSUPPORTED;
	}
	arena_free(&a);
	crypto_wipe(room, sizeof(room));
	return err;
}

/* --- a worker of a server that started without its database --- */

static void secret_came(void *arg, enum err err, const struct db_rows *rows)
{
	struct str secret = !err && rows->rows ? db_cell(rows, 0, 0)->s : STR_NONE;

	(void)arg;
	if (err || proxy_add_secret(secret.len < SECRET_LEAST ? STR_NONE : secret))
		wheel_arm(later.wheel, &later.again, clock_ms() + AGAIN_MS);
}

static void ask(struct timer *t)
{
	if (!proxy_secret_awaited())
		return;		/* another one was quicker */
	if (db_query(&stored, NULL, secret_came, NULL))
		wheel_arm(later.wheel, t, clock_ms() + AGAIN_MS);
}

void secret_worker_start(struct loop *l)
{
	later.wheel = loop_wheel(l);
	timer_init(&later.again, ask);
	ask(&later.again);
}
