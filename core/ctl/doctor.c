/* `doctor`: looks at all that a server depends on, one line each, and says what helps. */
#include "ctl/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "module/module.h"
#include "script/script.h"

void doctor_note(struct doctor *d, enum health health, const char *check, const char *remedy, const char *fmt, ...)
{
	static const char *const words[] = { "ok", "warn", "fail" };
	struct ctl              *c = d->c;
	char                     room[1024];
	va_list                  ap;

	va_start(ap, fmt);
	vsnprintf(room, sizeof(room), fmt, ap);
	va_end(ap);
	d->count[health]++;
	json_open_object(&c->out, NULL);
	json_put_text(&c->out, "result", str_of(words[health]));
	json_put_text(&c->out, "check", str_of(check));
	json_put_text(&c->out, "found", str_of(room));
	json_put_text(&c->out, "remedy", health && remedy ? str_of(remedy) : STR(""));
	json_close_object(&c->out);
	c->said = arena_printf(c->arena, STR_FMT "%-5s %-18s " STR_FMT "\n%s%s%s", STR_ARG(c->said.p ? c->said : STR("")), words[health], check,
			       STR_ARG(ctl_printable(c->arena, str_of(room))), health && remedy ? "                         -> " : "", health && remedy ? remedy : "", health && remedy ? "\n" : "");
}

/* What the options do not say is as the configuration has it. */
static void take_settings(struct ctl *c)
{
	if (settings.database.len && c->db == c->db_preset && !getenv("SIPARIO_DB"))
		c->db = settings.database.p;
	if (settings.control.len && !(c->given & ctl_option_bit("socket")) && !getenv("SIPARIO_SOCKET"))
		c->socket = settings.control.p;
	db_url_public(str_of(c->db), c->shown, sizeof(c->shown));
}

static void check_configuration(struct doctor *d)
{
	struct script_options o = { 0 };
	struct ctl           *c = d->c;
	struct str            report = STR_NONE;
	struct script        *s;

	if (!c->config && access("sipario.cfg", R_OK)) {
		doctor_note(d, HEALTH_WARN, "configuration", "--config FILE names it", "none is known: what it says cannot be looked at");
		return;
	}
	c->config = c->config ? c->config : "sipario.cfg";
	if (access(c->config, R_OK)) {
		doctor_note(d, HEALTH_FAIL, "configuration", "--config FILE names it", "%s cannot be read: %s", c->config, strerror(errno));
		return;
	}
	module_set_folder(c->modules);
	s = script_boot() ? NULL : script_load(c->config, &o, c->arena, &report);
	d->configured = s && !script_apply(s, c->why, sizeof(c->why));
	if (d->configured)
		take_settings(c);
	doctor_note(d, d->configured ? HEALTH_GOOD : HEALTH_FAIL, "configuration", "`sipario -c` shows what is wrong with it", "%s %s", c->config,
		    d->configured ? "is fine" : s ? c->why : "has errors");
	script_free(s);
}

static enum err doctor(struct ctl *c)
{
	struct doctor d = { .c = c };

	json_open_list(&c->out, NULL);
	check_configuration(&d);
	doctor_host(&d);
	for (size_t i = 0; i < settings.domains.count; i++)
		doctor_dns(&d, settings.domains.v[i]);
	doctor_database(&d);
	json_close_list(&c->out);
	c->said = arena_printf(c->arena, STR_FMT "%u ok, %u to look at, %u failed", STR_ARG(c->said), d.count[HEALTH_GOOD], d.count[HEALTH_WARN], d.count[HEALTH_FAIL]);
	c->failed = d.count[HEALTH_FAIL] > 0;
	return OK;
}

const struct ctl_command ctl_doctor_commands[] = {
	{ "doctor", NULL, "", "looks at all that the server depends on: configuration, DNS, clock, limits, database; exit status 1 when something failed", OPT_CONFIG, doctor },
	{ 0 }
};
