/* Completion for shells. What the shell gets is small; it asks this program for the words, which come from the tables of commands and options
 * and, for users, domains and the like, from the database. */
#include "ctl/ctl.h"

#include <stdio.h>

static const char bash[] =
	"# siparioctl in bash: source <(siparioctl completion bash)\n"
	"_siparioctl() {\n"
	"    local line=${COMP_LINE:0:COMP_POINT} cur= word kept= words\n"
	"    read -ra words <<<\"$line\"\n"
	"    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
	"    cur=${words[${#words[@]}-1]}\n"
	"    # bash takes @, = and : for ends of words: what is before them stays on the line\n"
	"    kept=${cur%\"${cur##*[\"${COMP_WORDBREAKS//[^@=:]/}\"]}\"}\n"
	"    [[ $COMP_WORDBREAKS == *[@=:]* ]] || kept=\n"
	"    COMPREPLY=()\n"
	"    while IFS= read -r word; do\n"
	"        COMPREPLY+=(\"${word#\"$kept\"}\")\n"
	"    done < <(\"${words[0]}\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
	"    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	"    return 0\n"
	"}\n"
	"complete -o default -F _siparioctl siparioctl\n";

static const char zsh[] =
	"#compdef siparioctl\n"
	"# siparioctl in zsh: a file _siparioctl in a folder of $fpath\n"
	"_siparioctl() {\n"
	"    local -a found\n"
	"    found=(${(f)\"$(\"${words[1]}\" completion words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
	"    if (( $#found )); then\n"
	"        compadd -S '' -- ${(M)found:#*=}\n"
	"        compadd -- ${found:#*=}\n"
	"    else\n"
	"        _files\n"
	"    fi\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _siparioctl ]; then _siparioctl \"$@\"; else compdef _siparioctl siparioctl; fi\n";

enum { MOST_WORDS = 200 };

static void offer(struct str word, struct str typed)
{
	if (str_starts(word, typed))
		printf(STR_FMT "\n", STR_ARG(word));
}

/* --- options and commands --- */

static void offer_options(const struct ctl_command *cmd, struct str typed)
{
	const struct ctl_option *o;
	char                     room[64];

	for (size_t i = 0; (o = ctl_option_at(i)); i++) {
		if (cmd && !ctl_option_fits(o, cmd))
			continue;
		snprintf(room, sizeof(room), "--%s%s", o->name, o->arg ? "=" : "");
		offer(str_of(room), typed);
	}
}

/* The groups (group NULL), or a group's commands. */
static void offer_commands(const char *group, struct str typed)
{
	const struct ctl_command *cmd, *before = NULL;

	for (size_t i = 0; (cmd = ctl_command_at(i)); before = cmd, i++) {
		if (group && !strcmp(cmd->group, group) && cmd->name)
			offer(str_of(cmd->name), typed);
		if (!group && (!before || strcmp(before->group, cmd->group) != 0))
			offer(str_of(cmd->group), typed);
	}
}

/* --- arguments --- */

static void offer_rows(struct ctl *c, const char *sql, struct str typed)
{
	struct db_value v[] = { db_text(typed) };
	struct db_rows  rows;

	if (ctl_query(c, sql, v, 1, &rows))
		return;	/* the command itself will say why */
	for (size_t i = 0; i < rows.rows; i++)
		offer(ctl_printable(c->arena, db_cell(&rows, i, 0)->s), typed);
}

static void offer_fields(struct str typed)
{
	char room[64];

	for (size_t i = 0; ctl_user_field(i); i++) {
		snprintf(room, sizeof(room), "%s=", ctl_user_field(i));
		offer(str_of(room), typed);
	}
}

static void offer_argument(struct ctl *c, struct str what, struct str typed)
{
	static const struct { const char *what, *sql; } lists[] = {
		{ "NAME@DOMAIN", "SELECT name || '@' || domain AS w FROM users WHERE substr(name || '@' || domain, 1, length($1)) = $1 ORDER BY w LIMIT 200" },
		{ "ALIAS@DOMAIN", "SELECT name || '@' || domain AS w FROM aliases WHERE substr(name || '@' || domain, 1, length($1)) = $1 ORDER BY w LIMIT 200" },
		{ "DOMAIN", "SELECT name FROM domains WHERE substr(name, 1, length($1)) = $1 ORDER BY name LIMIT 200" },
		{ "CLASS", "SELECT name FROM call_classes WHERE substr(name, 1, length($1)) = $1 ORDER BY name LIMIT 200" },
		{ "GROUP", "SELECT name FROM groups WHERE substr(name, 1, length($1)) = $1 ORDER BY name LIMIT 200" },
		{ "PREFIX", "SELECT prefix FROM call_prefixes WHERE substr(prefix, 1, length($1)) = $1 ORDER BY prefix LIMIT 200" },
		{ "NETWORK", "SELECT CAST(network AS text) AS w FROM trusted_peers WHERE substr(CAST(network AS text), 1, length($1)) = $1 ORDER BY w LIMIT 200" },
	};
	static const struct { const char *what, *words[5]; } choices[] = {
		{ "WHEN", { "always", "busy", "no-answer", "offline" } },
	};

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (str_is(what, lists[i].what))
			offer_rows(c, lists[i].sql, typed);
	for (size_t i = 0; i < COUNT_OF(choices); i++)
		for (const char *const *w = choices[i].words; str_is(what, choices[i].what) && *w; w++)
			offer(str_of(*w), typed);
	if (str_is(what, "FIELD=VALUE"))
		offer_fields(typed);
	if (str_is(what, "WORD"))
		offer_commands(NULL, typed);
}

/* The n-th argument of a command, as its usage calls it; the last again where more may follow. */
static struct str argument_of(const struct ctl_command *cmd, size_t n)
{
	struct str rest = str_of(cmd->args), word = STR_NONE, last = STR("");

	for (size_t i = 0; i <= n && rest.len; i++) {
		word = str_take_until(&rest, ' ');
		if (str_starts(word, STR("[")))
			word = str_n(word.p + 1, word.len - 2);
		if (str_is(word, "…"))
			return last;
		last = word;
		if (i == n)
			return word;
	}
	return STR("");
}

/* --- the line --- */

/* What is no option, of the words before the one that is typed; NULL: that one is an option's value. */
static const char *const *plain_words(struct ctl *c, const char **room, size_t *n)
{
	*n = 0;
	for (int i = 0; i + 1 < c->argc; i++) {
		const char              *word = c->argv[i];
		const struct ctl_option *o;

		if (strncmp(word, "--", 2) != 0) {
			if (*n < MOST_WORDS)
				room[(*n)++] = word;
			continue;
		}
		for (size_t k = 0; (o = ctl_option_at(k)) && strcmp(o->name, word + 2) != 0; k++)
			;
		if (!o || !o->arg)
			continue;
		if (++i + 1 >= c->argc)
			return NULL;
		if (!strcmp(o->name, "db"))
			c->db = c->argv[i];
	}
	return room;
}

static const struct ctl_command *command_of(const char *const *word, size_t n)
{
	const struct ctl_command *cmd = NULL;

	for (size_t i = 0; n && (cmd = ctl_command_at(i)); i++)
		if (!strcmp(cmd->group, word[0]) && (!cmd->name || (n > 1 && !strcmp(cmd->name, word[1]))))
			break;
	return n ? cmd : NULL;
}

static enum err completion_words(struct ctl *c)
{
	const char               *room[MOST_WORDS];
	struct str                typed = str_of(c->argc ? c->argv[c->argc - 1] : "");
	size_t                    n;
	const char *const        *word = plain_words(c, room, &n);
	const struct ctl_command *cmd = word ? command_of(word, n) : NULL;

	c->silent = true;
	json_put_null(&c->out, NULL);
	if (!word)
		return OK;
	db_url_public(str_of(c->db), c->shown, sizeof(c->shown));
	if (str_starts(typed, STR("-")))
		offer_options(cmd, typed);
	else if (cmd)
		offer_argument(c, argument_of(cmd, n - (cmd->name ? 2 : 1)), typed);
	else if (n < 2)
		offer_commands(n ? word[0] : NULL, typed);
	return OK;
}

static enum err completion_script(struct ctl *c)
{
	bool is_zsh = !strcmp(c->cmd->name, "zsh");

	fputs(is_zsh ? zsh : bash, stdout);
	c->silent = true;
	json_put_null(&c->out, NULL);
	return OK;
}

const struct ctl_command ctl_completion_commands[] = {
	{ "completion", "bash", "", "what bash needs to complete this program's words: source <(siparioctl completion bash)", 0, completion_script },
	{ "completion", "zsh", "", "the same for zsh", 0, completion_script },
	{ "completion", "words", "[WORD] …", "the words that may stand for the last one; what those scripts ask", 0, completion_words },
	{ 0 }
};
