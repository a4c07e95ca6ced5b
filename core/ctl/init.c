/* `init`: from nothing to a server that a phone can register with. It asks on a terminal; elsewhere the options answer. */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "module/module.h"
#include "net/addr.h"
#include "script/script.h"

enum { MOST_CONFIG = 1 << 20, MOST_ANSWER = 512 };

struct init {
	struct ctl *c;
	const char *domain_text, *listen, *first, *config;
	struct str  domain, name, password;	/* password empty: the user was there */
	struct listen_text at;
	unsigned    applied;
};

/* --- questions --- */

static bool asks(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* `given` by an option; or what is typed; or, for nothing, `preset`. */
static enum err question(struct ctl *c, const char *text, const char *option, const char *given, const char *preset, const char **answer)
{
	char       room[MOST_ANSWER];
	struct str line;

	*answer = given;
	if (given)
		return OK;
	*answer = preset;
	if (!asks())
		return preset ? OK : ctl_fail(c, ERR_SYNTAX, "there is no terminal to ask on: say it by --%s", option);
	fprintf(stderr, "%s%s%s%s: ", text, preset ? " [" : "", preset ? preset : "", preset ? "]" : "");
	if (!fgets(room, sizeof(room), stdin))
		return ctl_fail(c, ERR_STATE, "no answer; nothing was changed");
	line = str_trim(str_of(room));
	if (line.len)
		*answer = arena_printf(c->arena, STR_FMT "%c", STR_ARG(line), 0).p;
	return *answer ? OK : ctl_fail(c, ERR_STATE, "no answer; nothing was changed");
}

/* The first address that is not of this machine alone, or 127.0.0.1. */
static const char *own_address(struct arena *a)
{
	struct ifaddrs *all = NULL;
	char            room[ADDR_TEXT];
	struct buf      b = buf_on(room, sizeof(room));

	if (getifaddrs(&all))
		return "127.0.0.1";
	for (struct ifaddrs *i = all; i && !b.len; i = i->ifa_next) {
		struct addr ip = { 0 };

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&ip.u.v4, i->ifa_addr, sizeof(ip.u.v4));
		if (!addr_is_loopback(&ip))
			addr_ip_write(&ip, &b);
	}
	freeifaddrs(all);
	return b.len ? arena_printf(a, STR_FMT "%c", STR_ARG(buf_str(&b)), 0).p : "127.0.0.1";
}

/* Of a host that is called sip.example.org: example.org. Else its address, with which phones need no DNS. */
static const char *likely_domain(struct arena *a)
{
	char  host[256] = "";
	char *dot;

	if (gethostname(host, sizeof(host) - 1))
		return own_address(a);
	dot = strchr(host, '.');
	return dot && strchr(dot + 1, '.') ? arena_printf(a, "%s%c", dot + 1, 0).p : own_address(a);
}

static enum err may_write(struct init *in)
{
	const char *answer;

	if (access(in->config, F_OK) || in->c->options & OPT_FORCE)
		return OK;
	if (!asks())
		return ctl_fail(in->c, ERR_EXISTS, "%s is there already: --force writes over it, --config names another file", in->config);
	if (question(in->c, arena_printf(in->c->arena, "%s is there already; write over it?%c", in->config, 0).p, "force", NULL, "no", &answer))
		return ERR_STATE;
	return !strcmp(answer, "yes") || !strcmp(answer, "y") ? OK : ctl_fail(in->c, ERR_EXISTS, "%s is kept; nothing was changed", in->config);
}

static enum err ask_all(struct init *in)
{
	struct ctl *c = in->c;
	enum err    err = question(c, "Domain of your users", "domain", c->domain, asks() ? likely_domain(c->arena) : NULL, &in->domain_text);

	if (!err)
		err = ctl_domain(c, in->domain_text, &in->domain);
	if (!err)
		err = question(c, "Database (sqlite:PATH or postgresql://USER@HOST/NAME)", "db", c->db != c->db_preset || getenv("SIPARIO_DB") ? c->db : NULL,
			       c->db_preset, &c->db);
	if (!err)
		err = question(c, "Where to listen", "listen", c->listen, "udp:*:5060", &in->listen);
	if (!err)
		err = settings_listen(str_of(in->listen), &in->at, c->why, sizeof(c->why)) ? ERR_SYNTAX : OK;
	if (!err)
		err = question(c, "First user", "first-user", c->first, "alice", &in->first);
	if (!err)
		err = ctl_user_take(c, c->arena, arena_printf(c->arena, "%s@" STR_FMT, in->first, STR_ARG(in->domain)), &in->name, &in->domain);
	if (!err)
		err = question(c, "Configuration file", "config", c->config, "sipario.cfg", &in->config);
	return err ? err : may_write(in);
}

/* What goes into the configuration is read by others. */
static enum err check_database(struct ctl *c)
{
	db_url_public(str_of(c->db), c->shown, sizeof(c->shown));
	if (strcmp(c->db, c->shown) != 0)
		return ctl_fail(c, ERR_SYNTAX, "the password in the database's URL would stand in the configuration: keep it in the passfile (~/.pgpass, mode 600)");
	if (strpbrk(c->db, "\"'\\\n$"))
		return ctl_fail(c, ERR_SYNTAX, "the database's URL has a quote, a backslash or a dollar sign, which cannot stand in the configuration");
	return OK;
}

/* --- the database --- */

/* The folder of a file: nobody else looks into it. */
static void make_folder(const char *file)
{
	char  path[MOST_ANSWER];
	char *slash;

	if (!str_cstr(str_of(file), path, sizeof(path)))
		return;
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return;
	*slash = 0;
	(void)mkdir(path, 0700);	/* what fails is said when the file is made */
}

static enum err add_user(struct init *in, struct db *d)
{
	struct ctl     *c = in->c;
	struct db_value v[] = { db_text(in->name), db_text(in->domain), db_null(), db_null() };
	struct db_rows  rows;
	struct ha1      h;
	enum err        err = ctl_sql(c, d, "SELECT 1 FROM users WHERE name = $1 AND domain = $2", v, 2, &rows);

	if (err || rows.rows)
		return err;
	c->options |= OPT_GENERATE;
	err = ctl_password(c, &in->password);
	if (!err)
		err = ha1_make(in->name, in->domain, in->password, &h);
	if (err)
		return err;
	v[2] = db_text(str_n(h.md5, MD5_HEX));
	v[3] = db_text(str_n(h.sha256, SHA256_HEX));
	return ctl_sql(c, d, "INSERT INTO users (name, domain, ha1_md5, ha1_sha256) VALUES ($1, $2, $3, $4)", v, 4, NULL);
}

static enum err fill_database(struct init *in)
{
	struct ctl     *c = in->c;
	struct db_value v = db_text(in->domain);
	struct db      *d;
	enum err        err;

	if (!strncmp(c->db, "sqlite:", 7))
		make_folder(c->db + 7);
	d = db_open(str_of(c->db), true, c->why, sizeof(c->why));
	if (!d)
		return ERR_IO;
	err = db_migrate(d, c->schema, &in->applied, c->why, sizeof(c->why));
	if (!err)
		err = db_begin(d);
	if (!err)
		err = ctl_sql(c, d, "INSERT INTO domains (name) VALUES ($1) ON CONFLICT DO NOTHING", &v, 1, NULL);
	if (!err)
		err = add_user(in, d);
	if (!err)
		err = db_commit(d);
	db_rollback(d);
	db_close(d);
	return err;
}

/* --- the configuration --- */

static enum err read_template(struct ctl *c, char *room, size_t cap, struct str *text)
{
	int     fd = open(c->template, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, room, cap);

	if (fd >= 0)
		close(fd);
	if (n < 0 || (size_t)n == cap)
		return ctl_fail(c, ERR_IO, "the default configuration %s cannot be read: %s", c->template, n < 0 ? strerror(errno) : "it is too large");
	*text = str_n(room, (size_t)n);
	return OK;
}

/* A const of the default file that gets our value; NULL: another line. */
static const char *const_of(const struct init *in, struct str line, struct str *value)
{
	struct arena *a = in->c->arena;
	struct str    where = str_of(strchr(in->listen, ':'));	/* ":*:5060" */
	const struct { const char *name; struct str value; } ours[] = {
		{ "DOMAIN", in->domain }, { "LISTEN", arena_printf(a, "udp" STR_FMT, STR_ARG(where)) }, { "LISTEN_TCP", arena_printf(a, "tcp" STR_FMT, STR_ARG(where)) },
		{ "DATABASE", str_of(in->c->db) }, { "CONTROL", str_of(in->c->socket) },
	};
	struct str rest = line, word = str_take_until(&rest, ' '), name = str_take_until(&rest, ' ');

	for (size_t i = 0; str_is(word, "const") && i < COUNT_OF(ours); i++)
		if (str_is(name, ours[i].name)) {
			*value = ours[i].value;
			return ours[i].name;
		}
	return NULL;
}

/* The tests in the file are about users of our domain, too. */
static void put_line(struct buf *b, struct str line, struct str domain)
{
	static const struct str example = { "example.org", 11 };
	bool                    v6 = str_find(domain, ':') >= 0;
	ptrdiff_t               at;

	while ((at = str_find_str(line, example)) >= 0) {
		buf_add(b, str_to(line, (size_t)at));
		buf_printf(b, "%s" STR_FMT "%s", v6 ? "[" : "", STR_ARG(domain), v6 ? "]" : "");
		line = str_from(line, (size_t)at + example.len);
	}
	buf_add(b, line);
	buf_ch(b, '\n');
}

static enum err write_file(struct ctl *c, const char *path, struct str text)
{
	int  fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool good = fd >= 0 && write(fd, text.p, text.len) == (ssize_t)text.len;

	if (fd >= 0 && close(fd))
		good = false;
	return good ? OK : ctl_fail(c, ERR_IO, "%s cannot be written: %s", path, strerror(errno));
}

static enum err write_config(struct init *in)
{
	struct ctl *c = in->c;
	char       *room = arena_alloc(c->arena, MOST_CONFIG), *out = arena_alloc(c->arena, MOST_CONFIG);
	struct buf  b = buf_on(out, MOST_CONFIG);
	struct str  text, value;
	enum err    err = room && out ? read_template(c, room, MOST_CONFIG, &text) : ERR_NOMEM;

	while (!err && text.len) {
		struct str  line = str_take_until(&text, '\n');
		const char *name = const_of(in, line, &value);

		if (name)
			buf_printf(&b, "const %-10s = \"" STR_FMT "\";\n", name, STR_ARG(value));
		else
			put_line(&b, line, in->domain);
	}
	if (err)
		return err;
	return buf_ok(&b) ? write_file(c, in->config, buf_str(&b)) : ERR_LIMIT;
}

/* What `sipario -c` does. */
static enum err check_config(struct init *in)
{
	struct script_options o = { 0 };
	struct ctl           *c = in->c;
	struct script        *s;
	enum err              err = script_boot();

	if (err)
		return err;
	module_set_folder(c->modules);
	s = script_load(in->config, &o, c->arena, &c->report);
	if (!s)
		return ctl_fail(c, ERR_STATE, "%s has errors", in->config);
	err = script_apply(s, c->why, sizeof(c->why));
	script_free(s);
	return err;
}

/* --- the answer --- */

static void answer(struct init *in)
{
	struct ctl *c = in->c;
	bool        v6 = str_find(in->domain, ':') >= 0, any = str_is(in->at.host, "*") || str_is(in->at.host, "0.0.0.0") || str_is(in->at.host, "[::]");
	struct str  host = any ? str_of(own_address(c->arena)) : in->at.host;
	struct str  domain = arena_printf(c->arena, "%s" STR_FMT "%s", v6 ? "[" : "", STR_ARG(in->domain), v6 ? "]" : "");

	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "domain", in->domain);
	json_put_text(&c->out, "database", str_of(c->shown));
	json_put_text(&c->out, "config", str_of(in->config));
	json_put_text(&c->out, "user", arena_printf(c->arena, STR_FMT "@" STR_FMT, STR_ARG(in->name), STR_ARG(in->domain)));
	json_put_text(&c->out, "server", arena_printf(c->arena, STR_FMT ":%u", STR_ARG(host), in->at.port));
	if (in->password.len)
		json_put_text(&c->out, "password", in->password);
	json_close_object(&c->out);
	c->said = arena_printf(c->arena,
		"%s: domain " STR_FMT ", user " STR_FMT "\n%s is written and checked\n\n"
		"Type into a phone:\n  domain (registrar)   " STR_FMT "\n  server or proxy      " STR_FMT ":%u, UDP or TCP\n  user                 " STR_FMT
		"\n  password             " STR_FMT "\n\n"
		"Start the server:      sipario -f %s\n%s%s%s"
		"Look at all around it: siparioctl doctor --config %s\n"
		"Another user:          siparioctl user add bob@" STR_FMT " --generate",
		c->shown, STR_ARG(in->domain), STR_ARG(in->name), in->config, STR_ARG(domain), STR_ARG(host), in->at.port, STR_ARG(in->name),
		STR_ARG(in->password.len ? in->password : STR("(the one that it has)")), in->config, strcmp(c->db, "sqlite:var/sipario.db") ? "For siparioctl:        export SIPARIO_DB='" : "",
		strcmp(c->db, "sqlite:var/sipario.db") ? c->db : "", strcmp(c->db, "sqlite:var/sipario.db") ? "'\n" : "", in->config, STR_ARG(in->domain));
}

static enum err init(struct ctl *c)
{
	struct init in = { .c = c };
	enum err    err = ask_all(&in);

	if (!err)
		err = check_database(c);
	if (!err)
		err = fill_database(&in);
	if (!err) {
		make_folder(c->socket);
		err = write_config(&in);
	}
	if (!err)
		err = check_config(&in);
	if (!err)
		answer(&in);
	if (in.password.p)
		crypto_wipe((char *)in.password.p, in.password.len);
	return err;
}

const struct ctl_command ctl_init_commands[] = {
	{ "init", NULL, "", "set everything up: asks domain and database, makes a user, writes the configuration", OPT_INIT | OPT_CONFIG | OPT_FORCE, init },
	{ 0 }
};
