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

struct removal {
	struct db_value domain;
	int64_t         users;
};

static enum err remove_all(struct ctl *c, struct db *d, void *arg)
{
	struct removal *r = arg;
	enum err        err = count_users(c, d, &r->domain, &r->users);

	if (err)
		return err;
	if (r->users && !(c->options & OPT_FORCE))
		return ctl_fail(c, ERR_STATE, "domain " STR_FMT " has %lld user%s: remove them first, or use --force to remove all", STR_ARG(r->domain.s),
				(long long)r->users, r->users == 1 ? "" : "s");
	err = ctl_sql(c, d, "DELETE FROM users WHERE domain = $1", &r->domain, 1, NULL);
	return err ? err : ctl_sql(c, d, "DELETE FROM domains WHERE name = $1", &r->domain, 1, NULL);
}

static enum err domain_remove(struct ctl *c)
{
	struct str     domain;
	struct removal r = { 0 };
	enum err       err = ctl_domain(c, c->argv[0], &domain);

	if (err)
		return err;
	r.domain = db_text(domain);
	err = ctl_change(c, remove_all, &r);
	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "domain", domain);
	json_put_int(&c->out, "users_removed", r.users);
	json_close_object(&c->out);
	ctl_say(c, "domain " STR_FMT " removed, with %lld user%s", STR_ARG(domain), (long long)r.users, r.users == 1 ? "" : "s");
	return OK;
}

const struct ctl_command ctl_domain_commands[] = {
	{ "domain", "add", "DOMAIN", "a domain this server is responsible for", 0, domain_add },
	{ "domain", "list", "", "all domains", 0, domain_list },
	{ "domain", "remove", "DOMAIN", "forget a domain; --force: and its users", OPT_FORCE, domain_remove },
	{ 0 }
};
