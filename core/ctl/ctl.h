#pragma once
/* siparioctl: one file a group of commands. A command leaves its answer as JSON; main.c prints that, or shows it to a person. */
#include "base/json.h"
#include "db/db.h"

enum ctl_exit { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum ctl_option_bit { OPT_STDIN = 1 << 0, OPT_GENERATE = 1 << 1, OPT_FORCE = 1 << 2, OPT_DISPLAY = 1 << 3, OPT_WATCH = 1 << 4, OPT_JSON = 1 << 5,
		      OPT_DRY = 1 << 6, OPT_UPDATE = 1 << 7, OPT_RESUME = 1 << 8, OPT_DIGESTS = 1 << 9,
		      OPT_INIT = 1 << 10, OPT_CONFIG = 1 << 11, OPT_CALLS = 1 << 12 };

/* Which calls a trace is for; empty: any. */
struct ctl_watch {
	const char *user, *number, *source, *call_id;	/* --user, --number, --source, --call-id */
	const char *how_long;				/* --for; NULL: not given */
};

/* Which records of calls; NULL: not given. */
struct ctl_calls {
	const char *since, *until, *state, *code, *limit;	/* --since … */
};

/* One run of the program. */
struct ctl {
	const char *db, *socket, *schema, *modules;	/* --db, --socket, --schema, --modules, or their defaults */
	const char *db_preset;		/* db without --db */
	char        shown[512];		/* db without a password, for people */
	bool        json;
	unsigned    options;		/* enum ctl_option_bit: those given */
	uint32_t    given;		/* a bit an option of the table */
	const struct ctl_command *cmd;
	const char *display;		/* --display */
	const char *template;		/* the default configuration */
	const char *config, *domain, *listen, *first;	/* --config, --domain, --listen, --first-user; NULL: not given */
	struct ctl_watch watch;
	struct ctl_calls calls;
	int         argc;		/* what stands behind the command's words */
	const char *const *argv;
	struct arena   *arena;
	struct json_out out;		/* the answer */
	struct str      said;		/* a sentence for people instead of the answer; empty: show the answer */
	const char     *columns;	/* "a,b,c": for people only these; NULL: all */
	bool            failed;		/* a good answer to which exit status 1 belongs */
	bool            silent;		/* the answer went out already */
	bool            upright;	/* for people: each row as lines of name and value */
	char        why[4096];		/* what went wrong */
	struct str  report;		/* text for people in front of that, or of a good answer: on standard error as it is */
	struct str  details;		/* JSON, for programs beside it; empty: none */
};
struct ctl_command {
	const char *group, *name;	/* "user", "add"; name NULL: the group is the command */
	const char *args;		/* for the usage line; each word is an argument, in brackets when it may be left out, … when more may follow */
	const char *help;
	unsigned    options;		/* enum ctl_option_bit: those it takes */
	enum err  (*run)(struct ctl *c);
	const void *more;		/* what `run` wants to know, where several commands share one */
};
/* One option. */
struct ctl_option {
	const char *name, *arg;		/* "db", "URL"; arg NULL: a switch */
	unsigned    bits;		/* enum ctl_option_bit: commands that take one of these take it; 0: all do */
	size_t      where;		/* of a `const char *` in struct ctl, for arg */
	const char *help;
};
/* Tables ending with a NULL group. */
extern const struct ctl_command ctl_user_commands[], ctl_domain_commands[], ctl_location_commands[], ctl_server_commands[], ctl_database_commands[], ctl_table_commands[], ctl_trail_commands[], ctl_help_commands[],
	ctl_address_commands[], ctl_right_commands[], ctl_peer_commands[], ctl_import_commands[], ctl_init_commands[], ctl_completion_commands[], ctl_doctor_commands[], ctl_calls_commands[], ctl_profile_commands[];
/* In the order of `help`; NULL past the end. */
const struct ctl_command *ctl_command_at(size_t i);

/* --- options (options.c) --- */
/* In the order of `help`; NULL past the end. */
const struct ctl_option *ctl_option_at(size_t i);
/* Options may stand anywhere; the other words are c->argv then. */
MUST_CHECK enum err ctl_options_take(struct ctl *c, int argc, char **argv);
uint32_t ctl_option_bit(const char *name);	/* in c->given */
bool ctl_option_fits(const struct ctl_option *o, const struct ctl_command *cmd);
/* Those given are options of that command. */
MUST_CHECK enum err ctl_options_check(struct ctl *c, const struct ctl_command *cmd);

/* Puts the sentence into c->why and answers `err` (ERR_SYNTAX is a mistake in the command line: exit status 2). */
enum err ctl_fail(struct ctl *c, enum err err, const char *fmt, ...) PRINTF(3, 4);
void     ctl_say(struct ctl *c, const char *fmt, ...) PRINTF(2, 3);

/* --- stores (store.c) --- */
/* Opens the database and checks its schema; NULL with c->why. The caller owes db_close(). */
MUST_CHECK struct db *ctl_open(struct ctl *c);
/* What fn does to the database, in one transaction; nothing of it when fn fails. */
MUST_CHECK enum err ctl_change(struct ctl *c, enum err (*fn)(struct ctl *c, struct db *d, void *arg), void *arg);
/* db_exec with c's arena and c->why. */
MUST_CHECK enum err ctl_sql(struct ctl *c, struct db *d, const char *sql, const struct db_value *v, unsigned n, struct db_rows *rows);
/* The same on a connection of its own. */
MUST_CHECK enum err ctl_query(struct ctl *c, const char *sql, const struct db_value *v, unsigned n, struct db_rows *rows);
/* The rows as a list of objects; `names` are the keys, one a column. */
void ctl_put_rows(struct ctl *c, const struct db_rows *rows, const char *const *names);
void ctl_put_row(struct ctl *c, const struct db_rows *rows, size_t row, const char *const *names);

/* --- the running server (server.c) --- */
/* One method of its control channel; the caller owes json_free(). On error c->why. */
MUST_CHECK enum err ctl_ask(struct ctl *c, const char *method, struct str params, struct json **answer);
/* The same, and the answer is ours. */
MUST_CHECK enum err ctl_pass_on(struct ctl *c, const char *method, struct str params);

/* --- names (names.c) --- */
/* A domain in the form in which it is kept: lower case, an IPv6 address without brackets. */
MUST_CHECK enum err ctl_domain(struct ctl *c, const char *text, struct str *domain);
/* "alice@example.org"; "sip:" in front is fine. */
MUST_CHECK enum err ctl_user(struct ctl *c, const char *text, struct str *name, struct str *domain);
/* The same of a slice, into that arena. */
MUST_CHECK enum err ctl_user_take(struct ctl *c, struct arena *a, struct str text, struct str *name, struct str *domain);
/* The same as an address-of-record, the key of a contact. */
MUST_CHECK enum err ctl_aor(struct ctl *c, const char *text, struct str *aor);
/* The one of `names` nearest to `word`; NULL: none is near. */
const char *ctl_nearest(struct str word, const char *const *names, size_t n);

/* A text for people: UTF-8 without control characters. `what` names it in the error. */
MUST_CHECK enum err ctl_text(struct ctl *c, const char *what, struct str text);
/* A name that stands in lists of names: no blanks, at most 64 bytes. */
MUST_CHECK enum err ctl_word(struct ctl *c, const char *what, struct str text);

/* --- commands that are a statement (edit.c): `run` of a command whose `more` is one of these --- */
/* What else has to be there, and the sentence when it is not. */
enum ctl_need { NEED_NONE, NEED_DOMAIN, NEED_USER, NEED_CLASS, NEED_GROUP };
struct ctl_edit {
	const char *takes;	/* a letter an argument: u user and a alias ($1 name, $2 domain), c class, w name, p prefix, n network, t text, v any text */
	const char *keys;	/* "user,class": of the JSON answer, one an argument */
	struct { enum ctl_need what; unsigned at; } need[2];	/* at: its first value, from 1 */
	const char *sql;	/* uses all values; gives a row back where it changed something */
	/* $1 in a sentence is a value. No row came back; there is one already; a constraint refuses; done. */
	const char *none, *exists, *refused, *said;
};
MUST_CHECK enum err ctl_edit(struct ctl *c);
/* `all`, or with an argument `some`, as a table. */
struct ctl_list {
	const char *takes;	/* of the argument: as above; NULL: none */
	enum ctl_need need;
	const char *all, *some;
	const char *const *keys;	/* one a column */
};
MUST_CHECK enum err ctl_list(struct ctl *c);
/* NEED_… with its values. */
MUST_CHECK enum err ctl_there(struct ctl *c, struct db *d, enum ctl_need what, const struct db_value *v);

/* --- a user's fields (user.c) --- */
/* Also judges the value. */
MUST_CHECK enum err ctl_user_assign(struct ctl *c, struct db *d, struct str name, struct str domain, struct str field, struct str value);

/* They are numbered; the name is the column's, too. NULL past the end. */
const char *ctl_user_field(size_t i);
const char *ctl_user_preset(size_t i);		/* of a user for whom nothing is said, as ctl_user_judge() reads it */
bool ctl_user_is_switch(size_t i);		/* a number for the database, on or off for people */
MUST_CHECK enum err ctl_user_judge(struct ctl *c, size_t i, struct str text, struct db_value *v);
/* What stands around a text in SQL that shall become its value. */
void ctl_user_cast(size_t i, const char **before, const char **after);

/* --- passwords (password.c) --- */
/* By --generate, --stdin or a prompt. Arena memory; the caller wipes it. */
MUST_CHECK enum err ctl_password(struct ctl *c, struct str *password);

/* --- for people (show.c) --- */
void ctl_show(struct ctl *c, const struct json *answer);
/* A phone or a stranger chose the text: nothing in it may steer the terminal, or be no text. */
struct str ctl_printable(struct arena *a, struct str s);
