/* The options: one table, which the command line, `help`, completion and the manual are made from. */
#include "ctl/ctl.h"

#include <getopt.h>
#include <stdio.h>

enum { LONG = 256 };	/* getopt's answer for the first of the table */

#define TEXT(field) offsetof(struct ctl, field)
static const struct ctl_option table[] = {
	{ "db", "URL", 0, TEXT(db), "the database (SIPARIO_DB, else sqlite:var/sipario.db)" },
	{ "socket", "PATH", 0, TEXT(socket), "the server's control socket (SIPARIO_SOCKET, else var/control.sock)" },
	{ "json", NULL, OPT_JSON, 0, "answers for programs; errors as {\"error\": …} on standard error" },
	{ "schema", "DIR", 0, TEXT(schema), "where the migrations lie" },
	{ "modules", "DIR", 0, TEXT(modules), "where the modules lie" },
	{ "stdin", NULL, OPT_STDIN, 0, "user add, passwd: the password is a line of standard input" },
	{ "generate", NULL, OPT_GENERATE, 0, "user add, passwd: a password is made and printed" },
	{ "display", "TEXT", OPT_DISPLAY, TEXT(display), "user add: the name to show" },
	{ "force", NULL, OPT_FORCE, 0, "domain remove: with its users; peer add: everybody; export, init: write over a file" },
	{ "dry-run", NULL, OPT_DRY, 0, "import: check the file, change nothing" },
	{ "update", NULL, OPT_UPDATE, 0, "import: change users who are there already, in the columns that the file has" },
	{ "resume", NULL, OPT_RESUME, 0, "import: pass over users who are there already, and commit every 5000: one that broke off is run again" },
	{ "with-digests", NULL, OPT_DIGESTS, 0, "export: also what passwords are checked against" },
	{ "domain", "DOMAIN", OPT_INIT, TEXT(domain), "init: of the users" },
	{ "listen", "ADDRESS", OPT_INIT, TEXT(listen), "init: where, as udp:*:5060; TCP goes with it" },
	{ "first-user", "NAME", OPT_INIT, TEXT(first), "init: the user that is made" },
	{ "config", "FILE", OPT_CONFIG, TEXT(config), "init: the file to write; doctor: the server's" },
	{ "user", "USER", OPT_WATCH | OPT_CALLS, TEXT(watch.user), "trace, cdr list: calls of or to a user" },
	{ "number", "NUMBER", OPT_WATCH, TEXT(watch.number), "trace: calls of or to a number" },
	{ "source", "ADDRESS", OPT_WATCH, TEXT(watch.source), "trace: calls that come from there" },
	{ "call-id", "CALL-ID", OPT_WATCH, TEXT(watch.call_id), "trace: one call" },
	{ "for", "10m", OPT_WATCH, TEXT(watch.how_long), "trace: how long" },
	{ "since", "TIME", OPT_CALLS, TEXT(calls.since), "cdr list: not before that: 2026-11-22, \"2026-11-22 18:00\", or how long ago: 2h" },
	{ "until", "TIME", OPT_CALLS, TEXT(calls.until), "cdr list: before that" },
	{ "state", "STATE", OPT_CALLS, TEXT(calls.state), "cdr list: answered, talking, missed or failed" },
	{ "code", "CODE", OPT_CALLS, TEXT(calls.code), "cdr list: with that final answer, 486" },
	{ "limit", "N", OPT_CALLS, TEXT(calls.limit), "cdr list: so many at most, else 50" },
};
#undef TEXT

const struct ctl_option *ctl_option_at(size_t i)
{
	return i < COUNT_OF(table) ? &table[i] : NULL;
}

static void fill(struct option *o)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		o[i] = (struct option){ table[i].name, table[i].arg ? required_argument : no_argument, NULL, LONG + (int)i };
	o[COUNT_OF(table)] = (struct option){ "help", no_argument, NULL, 'h' };
	o[COUNT_OF(table) + 1] = (struct option){ "version", no_argument, NULL, 'V' };
	o[COUNT_OF(table) + 2] = (struct option){ 0 };
}

static enum err bad_option(struct ctl *c, const char *word, int what)
{
	const char *names[COUNT_OF(table) + 2] = { "help", "version" }, *near;
	struct str  rest = str_of(word), name;

	for (size_t i = 0; i < COUNT_OF(table); i++)
		names[i + 2] = table[i].name;
	while (str_take_ch(&rest, '-'))
		;
	name = str_take_until(&rest, '=');
	if (what == ':')
		return ctl_fail(c, ERR_SYNTAX, "--" STR_FMT " needs a value", STR_ARG(name));
	near = ctl_nearest(name, names, COUNT_OF(names));
	if (near && !str_is(name, near))
		return ctl_fail(c, ERR_SYNTAX, "no option %s: did you mean --%s?", word, near);
	return ctl_fail(c, ERR_SYNTAX, "option %s is not known: `siparioctl help` lists them", word);
}

static void take(struct ctl *c, size_t i)
{
	c->options |= table[i].bits;
	c->given |= 1u << i;
	c->json = c->options & OPT_JSON;
	if (table[i].arg)
		*(const char **)((char *)c + table[i].where) = optarg;
}

/* -h and -V are words for commands: `siparioctl user --help` is `siparioctl help user`. */
static void become_word(struct ctl *c, int o)
{
	static const char *words[3];

	words[0] = o == 'h' ? "help" : "version";
	words[1] = c->argc && o == 'h' ? c->argv[0] : NULL;
	c->argc = words[1] ? 2 : 1;
	c->argv = words;
}

enum err ctl_options_take(struct ctl *c, int argc, char **argv)
{
	struct option long_options[COUNT_OF(table) + 3];
	int           o, word = 0;

	_Static_assert(COUNT_OF(table) <= 32, "a bit each in ctl.given");
	fill(long_options);
	opterr = 0;
	while ((o = getopt_long(argc, argv, ":hV", long_options, NULL)) != -1) {
		if (o == '?' || o == ':')
			return bad_option(c, argv[optind - 1], o);
		if (o == 'h' || o == 'V')
			word = o;
		else
			take(c, (size_t)(o - LONG));
	}
	c->argc = argc - optind;
	c->argv = (const char *const *)argv + optind;
	if (word)
		become_word(c, word);
	return OK;
}

uint32_t ctl_option_bit(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (!strcmp(table[i].name, name))
			return 1u << i;
	return 0;
}

bool ctl_option_fits(const struct ctl_option *o, const struct ctl_command *cmd)
{
	return !o->bits || o->bits == OPT_JSON || o->bits & cmd->options;
}

enum err ctl_options_check(struct ctl *c, const struct ctl_command *cmd)
{
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (c->given & 1u << i && !ctl_option_fits(&table[i], cmd))
			return ctl_fail(c, ERR_SYNTAX, "%s%s%s does not take --%s", cmd->group, cmd->name ? " " : "", cmd->name ? cmd->name : "", table[i].name);
	return OK;
}
