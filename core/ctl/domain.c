#include "ctl/ctl.h"

static enum err domain_add(struct ctl *c)
{
	struct db_value v;
	struct str      domain;
	enum err        err = ctl_domain(c, c->argv[0], &domain);

	if (err)
		return err;
	v = db_text(domain);
	err = ctl_query(c, "INSERT INTO domains (name) VALUES ($1)", &v, 1, NULL);
	if (err == ERR_EXISTS)
		return ctl_fail(c, err, "domain " STR_FMT " is there already", STR_ARG(domain));
	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "domain", domain);
	json_close_object(&c->out);
	ctl_say(c, "domain " STR_FMT " added", STR_ARG(domain));
	return OK;
}

static enum err domain_list(struct ctl *c)
{
	static const char *const names[] = { "domain", "users", "created_unix" };
	struct db_rows           rows;
	enum err                 err = ctl_query(c, "SELECT name, (SELECT count(*) FROM users WHERE domain = domains.name), created "
						 "FROM domains ORDER BY name", NULL, 0, &rows);

	if (!err)
		ctl_put_rows(c, &rows, names);
	return err;
}

static enum err count_users(struct ctl *c, struct db *d, const struct db_value *domain, int64_t *users)
{
	struct db_rows rows;
	enum err       err = ctl_sql(c, d, "SELECT (SELECT count(*) FROM users WHERE domain = domains.name) FROM domains WHERE name = $1", domain, 1, &rows);

	if (err)
		return err;
	if (!rows.rows)
		return ctl_fail(c, ERR_NOT_FOUND, "no domain " STR_FMT ": `siparioctl domain list` shows those there are", STR_ARG(domain->s));
	*users = rows.cell[0].i;
	return OK;
}

static enum err remove_all(struct ctl *c, struct db *d, const struct db_value *domain, int64_t *users)
{
	enum err err = count_users(c, d, domain, users);

	if (err)
		return err;
	if (*users && !(c->options & OPT_FORCE))
		return ctl_fail(c, ERR_STATE, "domain " STR_FMT " has %lld user%s: remove them first, or use --force to remove all", STR_ARG(domain->s),
				(long long)*users, *users == 1 ? "" : "s");
	err = ctl_sql(c, d, "DELETE FROM users WHERE domain = $1", domain, 1, NULL);
	return err ? err : ctl_sql(c, d, "DELETE FROM domains WHERE name = $1", domain, 1, NULL);
}

static enum err domain_remove(struct ctl *c)
{
	struct db_value v;
	struct str      domain;
	int64_t         users = 0;
	struct db      *d;
	enum err        err = ctl_domain(c, c->argv[0], &domain);

	if (err)
		return err;
	d = ctl_open(c);
	if (!d)
		return ERR_IO;
	v = db_text(domain);
	err = db_begin(d);
	if (!err)
		err = remove_all(c, d, &v, &users);
	if (!err)
		err = db_commit(d);
	db_rollback(d);
	db_close(d);
	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "domain", domain);
	json_put_int(&c->out, "users_removed", users);
	json_close_object(&c->out);
	ctl_say(c, "domain " STR_FMT " removed, with %lld user%s", STR_ARG(domain), (long long)users, users == 1 ? "" : "s");
	return OK;
}

const struct ctl_command ctl_domain_commands[] = {
	{ "domain", "add", "DOMAIN", "a domain this server is responsible for", 0, domain_add },
	{ "domain", "list", "", "all domains", 0, domain_list },
	{ "domain", "remove", "DOMAIN", "forget a domain; --force: and its users", OPT_FORCE, domain_remove },
	{ 0 }
};
