/* Registered contacts: of the running server, or, where none answers, those in the database. */
#include "ctl/ctl.h"

#include <stdio.h>

#include "base/clock.h"
#include "process/rpc.h"

#define COLUMNS "aor, contact, expires_unix - $1, q, received, user_agent, path, instance, reg_id, call_id, cseq"
static const char *const names[] = { "aor", "contact", "expires_s", "q", "received", "user_agent", "path", "instance", "reg_id", "call_id", "cseq" };
static const char        for_list[] = "aor,contact,expires_s,received,user_agent";

static struct str params_of(struct ctl *c, struct str aor, const char *contact)
{
	struct json_out o = json_into(c->arena);

	json_open_object(&o, NULL);
	json_put_text(&o, "aor", aor);
	if (contact)
		json_put_text(&o, "contact", str_of(contact));
	json_close_object(&o);
	return json_done(&o);
}

static void note_source(const struct ctl *c)
{
	if (!c->json)
		fprintf(stderr, "siparioctl: no server answers at %s; this is from %s\n", c->socket, c->shown);
}

static enum err rows_instead(struct ctl *c, const char *sql, struct str aor)
{
	struct db_value v[] = { db_int(clock_unix()), db_text(aor) };
	struct db_rows  rows;
	enum err        err = ctl_query(c, sql, v, aor.p ? 2 : 1, &rows);

	if (err)
		return err;
	note_source(c);
	ctl_put_rows(c, &rows, names);
	return OK;
}

/* Adds the rows of one answer to c->out. False: it is no list of contacts. */
static bool put_bindings(struct ctl *c, const struct json *answer)
{
	const struct json *list = json_get(answer, "bindings");

	for (size_t i = 0; i < json_count(list); i++)
		json_put_json(&c->out, NULL, json_dump(c->arena, json_at(list, i), false));
	return json_kind(list) == JSON_IS_LIST;
}

/* The server gives them in portions: "next" is where to go on. */
static enum err ask_rows(struct ctl *c, const char *method, struct str params)
{
	struct str   text;
	struct json *answer;
	int64_t      next = 0;
	enum err     err = rpc_call(c->socket, method, params, c->arena, &text, c->why, sizeof(c->why));

	if (err)
		return err;
	json_open_list(&c->out, NULL);
	while (!err) {
		answer = json_read(text, c->why, sizeof(c->why));
		if (!put_bindings(c, answer))
			err = ctl_fail(c, ERR_IO, "the server's answer is not understood: is it of another version?");
		next = json_int(json_get(answer, "next"), 0);
		json_free(answer);
		if (err || next <= 0)
			break;
		err = rpc_call(c->socket, method, arena_printf(c->arena, "{\"from\":%lld}", (long long)next), c->arena, &text, c->why, sizeof(c->why));
		if (err == ERR_NOT_FOUND)
			err = ERR_IO;	/* it has gone since: half a list is no reason to ask the database for another */
	}
	json_close_list(&c->out);
	return err;
}

static enum err location_list(struct ctl *c)
{
	enum err err = ask_rows(c, "location.list", STR("{}"));

	c->columns = for_list;
	if (err != ERR_NOT_FOUND)
		return err;
	return rows_instead(c, "SELECT " COLUMNS " FROM bindings WHERE expires_unix > $1 ORDER BY aor, contact", STR_NONE);
}

static enum err location_show(struct ctl *c)
{
	struct str aor;
	enum err   err = ctl_aor(c, c->argv[0], &aor);

	if (err)
		return err;
	c->upright = true;
	err = ask_rows(c, "location.show", params_of(c, aor, NULL));
	if (err != ERR_NOT_FOUND)
		return err;
	return rows_instead(c, "SELECT " COLUMNS " FROM bindings WHERE aor = $2 AND expires_unix > $1 ORDER BY q DESC, contact", aor);
}

static void answer_removed(struct ctl *c, int64_t n)
{
	json_open_object(&c->out, NULL);
	json_put_int(&c->out, "removed", n);
	json_close_object(&c->out);
	ctl_say(c, "%lld contact%s removed", (long long)n, n == 1 ? "" : "s");
}

static enum err none_such(struct ctl *c)
{
	return ctl_fail(c, ERR_NOT_FOUND, "no such contact: `siparioctl location show %.80s` shows those there are", c->argv[0]);
}

static enum err remove_instead(struct ctl *c, struct str aor, const char *contact)
{
	struct db_value v[] = { db_text(aor), db_text(str_of(contact)) };
	struct db_rows  rows;
	enum err        err = ctl_query(c, contact ? "DELETE FROM bindings WHERE aor = $1 AND contact = $2 RETURNING 1"
						   : "DELETE FROM bindings WHERE aor = $1 RETURNING 1", v, contact ? 2 : 1, &rows);

	if (err)
		return err;
	if (!rows.rows)
		return none_such(c);
	note_source(c);
	answer_removed(c, (int64_t)rows.rows);
	return OK;
}

static enum err location_remove(struct ctl *c)
{
	const char  *contact = c->argc > 1 ? c->argv[1] : NULL;
	struct str   aor, text;
	struct json *answer;
	enum err     err = ctl_aor(c, c->argv[0], &aor);

	if (err)
		return err;
	err = rpc_call(c->socket, "location.remove", params_of(c, aor, contact), c->arena, &text, c->why, sizeof(c->why));
	if (err == ERR_NOT_FOUND)
		return remove_instead(c, aor, contact);
	if (err)
		return err;
	answer = json_read(text, c->why, sizeof(c->why));
	answer_removed(c, json_int(json_get(answer, "removed"), 0));
	json_free(answer);
	return OK;
}

const struct ctl_command ctl_location_commands[] = {
	{ "location", "list", "", "all registered contacts", 0, location_list },
	{ "location", "show", "NAME@DOMAIN", "the contacts of one user", 0, location_show },
	{ "location", "remove", "NAME@DOMAIN [CONTACT]", "forget all contacts of a user, or one", 0, location_remove },
	{ 0 }
};
