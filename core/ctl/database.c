#include "ctl/ctl.h"

static enum err db_cmd_migrate(struct ctl *c)
{
	unsigned   applied = 0, version = 0;
	struct db *d = db_open(str_of(c->db), true, c->why, sizeof(c->why));
	enum err   err;

	if (!d)
		return ERR_IO;
	err = db_migrate(d, c->schema, &applied, c->why, sizeof(c->why));
	if (!err && db_schema_version(d, &version))
		err = ctl_fail(c, ERR_IO, "%s: the schema version cannot be read", c->shown);
	db_close(d);
	if (err)
		return err;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "database", str_of(c->shown));
	json_put_int(&c->out, "applied", applied);
	json_put_int(&c->out, "schema", version);
	json_close_object(&c->out);
	if (applied)
		ctl_say(c, "%s: %u migration%s applied, schema %u", c->shown, applied, applied == 1 ? "" : "s", version);
	else
		ctl_say(c, "%s has schema %u already", c->shown, version);
	return OK;
}

static enum err put_migrations(struct ctl *c, struct db *d)
{
	struct db_migration *list;
	size_t               n;
	enum err             err = db_migrations(d, c->schema, c->arena, &list, &n, c->why, sizeof(c->why));

	if (err)
		return err;
	json_open_list(&c->out, "migrations");
	for (size_t i = 0; i < n; i++) {
		json_open_object(&c->out, NULL);
		json_put_int(&c->out, "number", list[i].number);
		json_put_text(&c->out, "name", str_of(list[i].name));
		json_put_bool(&c->out, "applied", list[i].applied);
		json_close_object(&c->out);
	}
	json_close_list(&c->out);
	return OK;
}

static enum err db_cmd_status(struct ctl *c)
{
	unsigned   version;
	struct db *d = db_open(str_of(c->db), false, c->why, sizeof(c->why));
	enum err   err;

	if (!d)
		return ERR_IO;
	err = db_schema_version(d, &version);
	if (err) {
		ctl_fail(c, err, "%s: the schema version cannot be read", c->shown);
	} else {
		json_open_object(&c->out, NULL);
		json_put_text(&c->out, "database", str_of(c->shown));
		json_put_int(&c->out, "schema", version);
		json_put_int(&c->out, "needed", DB_SCHEMA);
		err = put_migrations(c, d);
		json_close_object(&c->out);
	}
	db_close(d);
	return err;
}

const struct ctl_command ctl_database_commands[] = {
	{ "db", "migrate", "", "make the database, or bring its schema up to date", 0, db_cmd_migrate },
	{ "db", "status", "", "its schema, and which migrations are applied", 0, db_cmd_status },
	{ 0 }
};
