/* The database as the server will find it: answer time, schema, rights, certificates, files. */
#include "ctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "script/script.h"

enum { PINGS = 21, SLOW_US = 20000, SOON_DAYS = 14, LITTLE_MB = 200, NOTHING_MB = 20 };

/* --- answer time --- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void check_latency(struct doctor *d, struct db *db)
{
	int64_t us[PINGS];
	enum err err = OK;

	for (size_t i = 0; i < PINGS && !err; i++) {
		int64_t begun = clock_unix_us();

		err = db_exec(db, "SELECT count(*) FROM domains", NULL, 0, d->c->arena, NULL, d->c->why, sizeof(d->c->why));
		us[i] = clock_unix_us() - begun;
	}
	if (err) {
		doctor_note(d, HEALTH_FAIL, "database", "see that this user may read it", "%s", d->c->why);
		return;
	}
	qsort(us, PINGS, sizeof(us[0]), by_size);
	doctor_note(d, us[PINGS / 2] > SLOW_US ? HEALTH_WARN : HEALTH_GOOD, "database answers", "a nearer or less busy database makes calls and registrations quicker",
		    "in %.2f ms (median of %d, the quickest %.2f ms)", (double)us[PINGS / 2] / 1000, PINGS, (double)us[0] / 1000);
}

/* --- rights --- */

static void check_rights(struct doctor *d, struct db *db)
{
	struct db_rows rows;
	enum err       err = ctl_sql(d->c, db, "SELECT current_user::text, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), has_table_privilege('users', 'SELECT') AND "
		"has_table_privilege('secrets', 'SELECT') AND has_table_privilege('bindings', 'INSERT') AND has_table_privilege('bindings', 'DELETE') AND has_table_privilege('calls', 'INSERT')",
		NULL, 0, &rows);

	if (err || !rows.rows)
		doctor_note(d, HEALTH_WARN, "rights", "ask an administrator of the database", "cannot be read: %s", d->c->why);
	else if (!db_cell(&rows, 0, 2)->i)
		doctor_note(d, HEALTH_FAIL, "rights", arena_printf(d->c->arena, "GRANT sipario_server TO \"" STR_FMT "\"%c", STR_ARG(db_cell(&rows, 0, 0)->s), 0).p, "user " STR_FMT " may not do what the server has to", STR_ARG(db_cell(&rows, 0, 0)->s));
	else if (db_cell(&rows, 0, 1)->i)
		doctor_note(d, HEALTH_WARN, "rights", "make a user of its own for the server, and GRANT sipario_server TO it", "user " STR_FMT " is a superuser: it may do everything",
			    STR_ARG(db_cell(&rows, 0, 0)->s));
	else
		doctor_note(d, HEALTH_GOOD, "rights", NULL, "user " STR_FMT " may do what the server has to", STR_ARG(db_cell(&rows, 0, 0)->s));
}

/* --- certificates --- */

static void check_certificate(struct doctor *d, const char *key, struct str value)
{
	const char *path = arena_printf(d->c->arena, STR_FMT "%c", STR_ARG(value), 0).p, *check = arena_printf(d->c->arena, "certificate %s%c", key, 0).p;
	int64_t     left_s = 0;
	enum err    err = crypto_certificate(path, &left_s);
	long long   days = (long long)left_s / 86400;

	if (err)
		doctor_note(d, HEALTH_FAIL, check, "name a PEM file that the server may read", "%s %s", path, err == ERR_IO ? "cannot be read" : "has no certificate in it");
	else if (left_s < 0)
		doctor_note(d, HEALTH_FAIL, check, "renew it", "%s has expired %lld days ago", path, -days);
	else
		doctor_note(d, days < SOON_DAYS ? HEALTH_WARN : HEALTH_GOOD, check, "renew it", "%s is valid for %lld days", path, days);
}

static void check_certificates(struct doctor *d)
{
	static const char *const keys[] = { "sslrootcert", "sslcert" };
	struct str               url = str_of(d->c->db), query = url;
	bool                     any = false;

	(void)str_take_until(&query, '?');
	while (query.len) {
		struct str value = str_take_until(&query, '&'), key = str_take_until(&value, '=');

		for (size_t i = 0; i < COUNT_OF(keys); i++)
			if (str_is(key, keys[i]) && !str_is(value, "system")) {
				check_certificate(d, keys[i], value);
				any = true;
			}
	}
	if (!any)
		doctor_note(d, HEALTH_GOOD, "certificates", NULL, "none is named (this version listens on UDP and TCP)");
}

/* --- the way to PostgreSQL --- */

/* A value of the URL's; empty: it says nothing of that. */
static struct str url_value(struct str url, const char *name)
{
	(void)str_take_until(&url, '?');
	while (url.len) {
		struct str value = str_take_until(&url, '&'), key = str_take_until(&value, '=');

		if (str_is(key, name))
			return value;
	}
	return STR("");
}

/* Asked of the other end, since a service file or the environment may say what the URL does not. */
static void check_way(struct doctor *d, struct db *db)
{
	struct db_rows rows;
	struct str     mode = url_value(str_of(d->c->db), "sslmode");
	bool           tls, local;

	if (!mode.len && getenv("PGSSLMODE"))
		mode = str_of(getenv("PGSSLMODE"));
	if (ctl_sql(d->c, db, "SELECT CASE WHEN ssl THEN 1 ELSE 0 END, coalesce(version, ''), "
		    "CASE WHEN inet_server_addr() IS NULL OR inet_server_addr() << inet '127.0.0.0/8' OR inet_server_addr() = inet '::1' THEN 1 ELSE 0 END "
		    "FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()", NULL, 0, &rows) || !rows.rows) {
		doctor_note(d, HEALTH_WARN, "TLS to database", "ask an administrator of the database", "cannot be read: %s", d->c->why);
		return;
	}
	tls = db_cell(&rows, 0, 0)->i;
	local = db_cell(&rows, 0, 2)->i;
	if (local)
		doctor_note(d, HEALTH_GOOD, "TLS to database", NULL, "%s; it is on this host", tls ? "encrypted" : "not encrypted");
	else if (!tls)
		doctor_note(d, HEALTH_WARN, "TLS to database", "add sslmode=verify-full and sslrootcert=FILE to the URL", "digests of passwords cross a network in the clear");
	else if (!str_is(mode, "verify-full"))
		doctor_note(d, HEALTH_WARN, "TLS to database", "add sslmode=verify-full and sslrootcert=FILE to the URL", "sslmode=" STR_FMT ": encrypted, but anybody may pass for the database",
			    STR_ARG(mode.len ? mode : STR("prefer")));
	else
		doctor_note(d, HEALTH_GOOD, "TLS to database", NULL, STR_FMT ", verify-full", STR_ARG(db_cell(&rows, 0, 1)->s));
}

/* --- SQLite's file --- */

static void check_file(struct doctor *d, const char *path)
{
	struct statvfs fs;
	struct stat    st;

	if (!stat(path, &st))
		doctor_note(d, st.st_mode & 077 ? HEALTH_WARN : HEALTH_GOOD, "database file", "chmod 600, and the folder 700: it has the digests of all passwords",
			    "%s, mode %03o", path, st.st_mode & 0777);
	if (!statvfs(path, &fs)) {
		uint64_t mb = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;

		doctor_note(d, mb < NOTHING_MB ? HEALTH_FAIL : mb < LITTLE_MB ? HEALTH_WARN : HEALTH_GOOD, "disk", "free some space: without it no registration is kept",
			    "%llu MB are free at %s", (unsigned long long)mb, path);
	}
}

/* The configuration names it, too. */
static bool is_set(struct str domain)
{
	for (size_t i = 0; i < settings.domains.count; i++)
		if (str_ieq(settings.domains.v[i], domain))
			return true;
	return false;
}

static void check_domains(struct doctor *d, struct db *db)
{
	struct db_rows rows;

	if (ctl_sql(d->c, db, "SELECT name FROM domains ORDER BY name LIMIT 20", NULL, 0, &rows))
		return;
	if (!rows.rows)
		doctor_note(d, HEALTH_WARN, "domains", "`siparioctl domain add DOMAIN`", "the database has none");
	for (size_t i = 0; i < rows.rows; i++)
		if (!is_set(db_cell(&rows, i, 0)->s))
			doctor_dns(d, db_cell(&rows, i, 0)->s);
}

void doctor_database(struct doctor *d)
{
	bool       sqlite = !strncmp(d->c->db, "sqlite:", 7);
	struct db *db = ctl_open(d->c);

	if (!db) {
		doctor_note(d, HEALTH_FAIL, "database", strchr(d->c->why, '`') ? NULL : "see that it runs and that the URL is right", "%s", d->c->why);	/* it names the command */
		return;
	}
	doctor_note(d, HEALTH_GOOD, "database", NULL, "%s has schema %d", d->c->shown, DB_SCHEMA);
	check_latency(d, db);
	if (sqlite) {
		check_file(d, d->c->db + 7);
	} else {
		check_rights(d, db);
		check_way(d, db);
	}
	check_certificates(d);
	check_domains(d, db);
	db_close(db);
}
