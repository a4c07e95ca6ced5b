#include "db/postgres/postgres.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_MS = 5000 };

/* --- options --- */

static const char *option(const PQconninfoOption *o, const char *key)
{
	for (; o && o->keyword; o++)
		if (!strcmp(o->keyword, key))
			return o->val && *o->val ? o->val : NULL;
	return NULL;
}

static const char *merged(const struct pg_target *t, const char *key)
{
	const char *v = option(t->explicit, key);

	return v ? v : option(t->defaults, key);
}

static bool is_host_option(const char *key)
{
	return !strcmp(key, "host") || !strcmp(key, "hostaddr") || !strcmp(key, "port");
}

/* Where libpq's own default would harm. */
static const char *our_habit(const char *key, const char *value, enum db_mode mode)
{
	if (!strcmp(key, "client_encoding"))
		return "UTF8";
	/* a look for Kerberos tickets may wait for a server of tickets */
	if (!strcmp(key, "gssencmode") && (!value || !strcmp(value, "prefer")))
		return "disable";
	/* who writes wants the primary of several; who reads takes what is configured */
	if (!strcmp(key, "target_session_attrs") && mode != DB_READ && value && strcmp(value, "primary") != 0)
		return "read-write";
	if (!strcmp(key, "fallback_application_name"))
		return "sipario";
	/* a peer that has vanished is given up by the kernel: 10 s after something was sent in vain, 40 s after the last sign of life */
	if (!strcmp(key, "tcp_user_timeout") && !value)
		return "10000";
	if (!strcmp(key, "keepalives_idle") && !value)
		return "30";
	return value;
}

static void take_options(struct pg_target *t, enum db_mode mode)
{
	for (const PQconninfoOption *o = t->defaults; o->keyword && t->n < PG_MOST_OPTIONS; o++) {
		const char *value = is_host_option(o->keyword) ? NULL : our_habit(o->keyword, merged(t, o->keyword), mode);

		if (!value)
			continue;
		t->key[t->n] = o->keyword;
		t->value[t->n++] = value;
	}
}

/* --- hosts: lists with commas, as libpq has them --- */

static bool take_entry(struct str *list, char *out, size_t cap)
{
	return str_cstr(str_take_until(list, ','), out, cap);
}

static unsigned entries(const char *list)
{
	unsigned n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static bool one_port_for_all(const char *port)
{
	return !strchr(port, ',');
}

static enum err take_hosts(struct pg_target *t, char *why, size_t cap)
{
	const char *host = merged(t, "host"), *ip = merged(t, "hostaddr"), *port = merged(t, "port");
	struct str  hosts = str_of(host ? host : ""), ips = str_of(ip ? ip : ""), ports = str_of(port ? port : "");
	unsigned    n = host ? entries(host) : ip ? entries(ip) : 1;

	if (n > PG_MOST_HOSTS || (host && ip && entries(ip) != n) || (port && !one_port_for_all(port) && entries(port) != n)) {
		snprintf(why, cap, "the database's hosts, addresses and ports are not of one number, or more than %d", PG_MOST_HOSTS);
		return ERR_SYNTAX;
	}
	for (; t->hosts < n; t->hosts++) {
		struct pg_host *h = &t->host[t->hosts];
		struct str      same = ports;

		if (!take_entry(&hosts, h->name, sizeof(h->name)) || !take_entry(&ips, h->ip, sizeof(h->ip)) ||
		    !take_entry(port && one_port_for_all(port) ? &same : &ports, h->port, sizeof(h->port))) {
			snprintf(why, cap, "host %u of the database is too long", t->hosts + 1);
			return ERR_SYNTAX;
		}
	}
	return OK;
}

bool pg_host_is_name(const struct pg_host *h)
{
	struct in6_addr any;

	if (h->ip[0] || !h->name[0] || h->name[0] == '/' || h->name[0] == '@')
		return false;
	return inet_pton(AF_INET, h->name, &any) != 1 && inet_pton(AF_INET6, h->name, &any) != 1;
}

/* --- from the URL --- */

/* libpq's words about a URL may repeat a part of it, and that part may be of the password. */
static enum err parse_url(const char *where, PQconninfoOption **out, char *why, size_t cap)
{
	char  url[600], *words = NULL;
	bool  secret = strchr(where, '@') || strstr(where, "password");

	if ((size_t)snprintf(url, sizeof(url), "postgresql:%s", where) >= sizeof(url)) {
		snprintf(why, cap, "the database's URL is too long");
		return ERR_SYNTAX;
	}
	*out = PQconninfoParse(url, &words);
	if (*out)
		return OK;
	if (secret)
		snprintf(why, cap, "the database's URL is not understood: expected postgresql://USER@HOST/NAME?OPTION=VALUE, "
			 "with characters as @ : / %% of a name or password written %%40 %%3A %%2F %%25");
	else
		snprintf(why, cap, "the database's URL is not understood: %.*s", (int)strcspn(words ? words : "", "\n"), words ? words : "no memory");
	PQfreemem(words);
	return ERR_SYNTAX;
}

/* The service file is read by libpq; asking for the defaults tells what it says, so that its hosts are known before connecting. */
static enum err read_defaults(struct pg_target *t, char *why, size_t cap)
{
	const char *service = option(t->explicit, "service");

	if (service && setenv("PGSERVICE", service, 1))
		t->defaults = NULL;
	else
		t->defaults = PQconndefaults();
	if (t->defaults)
		return OK;
	snprintf(why, cap, "out of memory");
	return ERR_NOMEM;
}

enum err pg_target_of(const char *where, enum db_mode mode, struct pg_target *t, char *why, size_t cap)
{
	const char *timeout;
	uint32_t    s;
	enum err    err;

	*t = (struct pg_target){ .connect_ms = CONNECT_MS };
	err = parse_url(where, &t->explicit, why, cap);
	if (!err)
		err = read_defaults(t, why, cap);
	if (!err)
		err = take_hosts(t, why, cap);
	if (err)
		return err;
	take_options(t, mode);
	timeout = merged(t, "connect_timeout");
	if (timeout && str_u32(str_of(timeout), &s) && s > 0 && s < 3600)
		t->connect_ms = s * 1000;
	return OK;
}

void pg_target_free(struct pg_target *t)
{
	PQconninfoFree(t->explicit);
	PQconninfoFree(t->defaults);
	t->explicit = t->defaults = NULL;
}

/* --- connecting --- */

enum { LIST_BYTES = PG_MOST_HOSTS * (DNS_NAME + 4) };

static void add_entry(char *list, const char *entry, bool first)
{
	size_t len = strlen(list);

	snprintf(list + len, LIST_BYTES - len, "%s%s", first ? "" : ",", entry);
}

PGconn *pg_connect_start(const struct pg_target *t, const struct pg_host *host, unsigned hosts)
{
	const char *key[PG_MOST_OPTIONS + 4], *value[PG_MOST_OPTIONS + 4];
	char        names[LIST_BYTES] = "", ips[LIST_BYTES] = "", ports[LIST_BYTES] = "";
	unsigned    n = t->n;
	PGconn     *c;

	memcpy(key, t->key, n * sizeof(key[0]));
	memcpy(value, t->value, n * sizeof(value[0]));
	for (unsigned i = 0; i < hosts; i++) {
		add_entry(names, host[i].name, !i);
		add_entry(ips, host[i].ip, !i);
		add_entry(ports, host[i].port, !i);
	}
	key[n] = "host", value[n++] = names;
	key[n] = "hostaddr", value[n++] = ips;
	key[n] = "port", value[n++] = ports;
	key[n] = NULL, value[n] = NULL;
	c = PQconnectStartParams(key, value, 0);
	if (c)
		PQsetErrorVerbosity(c, PQERRORS_VERBOSE);	/* with the code, which is the same in every language */
	return c;
}

static const struct {
	const char *code, *help;
} remedies[] = {
	{ " 28P01:", "give the right password in the passfile (~/.pgpass, mode 600), the service file or PGPASSWORD" },
	{ "Peer authentication failed", "with `peer` in its pg_hba.conf the server lets in the system user of that name alone: run as that user (the server's setting "
	  "`user`), or name a host in the URL, as postgresql://USER@localhost/NAME, with the password in the passfile (~/.pgpass, mode 600)" },
	{ " 28000: role ", "make that user with `createuser`, as an administrator of the server" },
	{ " 28000:", "allow this user, database and address in the server's pg_hba.conf" },
	{ " 3D000:", "make it with `siparioctl db migrate`" },
	{ " 53300:", "raise the server's max_connections, or run fewer workers" },
	{ "no password supplied", "give the password in the passfile (~/.pgpass, mode 600), the service file or PGPASSWORD" },
	{ "could not translate host name", "see that the URL has the right host, and that the name servers know it" },
	{ "certificate verify failed", "name the file with the authority's certificate by sslrootcert=FILE" },
};

void pg_connect_words(const PGconn *c, char *why, size_t cap)
{
	struct str rest = str_of(PQerrorMessage(c));
	struct buf out = buf_on(why, cap - 1);

	while (rest.len) {
		struct str line = str_trim(str_take_until(&rest, '\n'));

		if (line.len && !str_starts(line, STR("LOCATION:")))
			buf_printf(&out, "%s" STR_FMT, out.len ? "; " : "", STR_ARG(line));
	}
	if (!out.len)
		BUF_LIT(&out, "the connection was lost");
	why[out.len] = '\0';
	for (size_t i = 0; i < COUNT_OF(remedies); i++)
		if (strstr(why, remedies[i].code)) {
			buf_printf(&out, ": %s", remedies[i].help);
			why[out.len] = '\0';
			return;
		}
}

/* Errors of the server that come before a session, by the beginning of their code (PostgreSQL's manual, appendix A): it starts or stops, has no connection
 * or lock left, has a fault of its own, or a pooler in front of it cannot reach it. */
static const char *const passing[] = { "57", "55", "53", "58", "40", "08", "XX" };
/* And what libpq finds by itself that stays as it is. */
static const char *const lasting[] = { "no password supplied", "invalid ", "certificate", "private key", "does not support SSL" };

/* "FATAL:  28P01: password …": libpq's verbose form has the code behind two blanks, whatever the language of the first word. Takes what stands before it off. */
static struct str take_code(struct str *words)
{
	ptrdiff_t at;

	while ((at = str_find_str(*words, STR(":  "))) >= 0) {
		*words = str_from(*words, (size_t)at + 3);
		if (words->len > 6 && words->p[5] == ':' && words->p[6] == ' ')
			return str_to(*words, 5);
	}
	return STR_NONE;
}

static bool will_pass(struct str code)
{
	for (size_t i = 0; i < COUNT_OF(passing); i++)
		if (str_starts(code, str_of(passing[i])))
			return true;
	return false;
}

/* Of several hosts one that refuses for good is enough. No code: nobody answers, or the name is not known. */
enum err pg_connect_err(const char *words)
{
	struct str rest = str_of(words), code;

	while ((code = take_code(&rest)).len)
		if (!will_pass(code))
			return ERR_STATE;
	for (size_t i = 0; i < COUNT_OF(lasting); i++)
		if (strstr(words, lasting[i]))
			return ERR_STATE;
	return ERR_IO;
}

/* The server stops working on what nobody waits for any more; a person's commands may take long, but do not queue behind a lock for ever. */
const char *pg_session_sql(enum db_mode mode)
{
#define DURABLE "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
	static char write[256];

	switch (mode) {
	case DB_READ:
		return "SET statement_timeout = 4000; SET lock_timeout = 1000; SET default_transaction_read_only = on";
	case DB_WRITE:	/* a 200 to REGISTER is a promise */
		(void)snprintf(write, sizeof(write), "SET statement_timeout = 4000; SET lock_timeout = 1000; SET sipario.node = '%s'; " DURABLE, db_node());
		return write;
	default:
		return "SET lock_timeout = 5000; " DURABLE;
	}
#undef DURABLE
}
