#pragma once
/* A small world for the tests of the language: a core and three modules whose tables look like the real ones, and functions that nobody calls. */
#include "script/check.h"
#include "test.h"

#include <stdio.h>

static enum verdict world_fn(struct call *c)
{
	(void)c;
	return V_OK;
}
static enum verdict world_get(struct call *c, struct str arg, struct value *out)
{
	(void)c, (void)arg;
	*out = V_NULL;
	return V_OK;
}
static enum verdict world_set(struct call *c, struct str arg, const struct value *v)
{
	(void)c, (void)arg, (void)v;
	return V_OK;
}

static const struct field answer_fields[] = {
	{ "code", T_INT, false, "" }, { "reason", T_STR, false, "" }, { "cancelled", T_BOOL, false, "" }, { "branch", T_INT, true, "" }, { 0 },
};
static const struct shape answer_shape_ = { "answer", answer_fields };
static const struct field profile_fields[] = {
	{ "forward_always", T_STR, true, "" },   { "forward_busy", T_STR, true, "" }, { "forward_no_answer", T_STR, true, "" },
	{ "ring_time", T_DURATION, true, "" },   { "name", T_STR, false, "" },        { "do_not_disturb", T_BOOL, true, "" },
	{ "devices", T_LIST, false, "" },        { 0 },
};
static const struct shape profile_shape_ = { "profile", profile_fields };

static const struct mod_arg reply_args_[] = { { "code", T_INT, .min = 100, .max = 699 }, { "reason", T_STR, .optional = true }, { 0 } };
static const struct mod_arg relay_args_[] = {
	{ "timeout", T_DURATION, .optional = true, .min = 1000, .max = 3600000 }, { "on_branch", T_STR, .optional = true },
	{ "on_reply", T_STR, .optional = true }, { "to", T_URI, .optional = true }, { 0 },
};
static const struct mod_arg host_args_[] = { { "host", T_STR, .optional = true }, { 0 } };
static const struct mod_arg method_args_[] = { { "methods", T_STR }, { 0 } };
static const struct mod_arg header_args_[] = { { "header", T_STR }, { 0 } };
static const struct mod_arg log_args_[] = { { "text", T_ANY }, { "level", T_STR, .preset = "\"info\"" }, { 0 } };
static const struct mod_arg uri_args_[] = { { "uri", T_URI }, { 0 } };
static const struct mod_arg count_args_[] = { { "count", T_INT, .min = 1, .max = 10, .preset = "3" }, { 0 } };

static bool world_range(struct str text, char *why, size_t cap)
{
	snprintf(why, cap, "`" STR_FMT "` is no time range", STR_ARG(text));
	return str_is(text, "Mon");
}
static const char *const     levels_[] = { "error", "warn", "info", "debug", NULL };
static const struct mod_arg chars_args_[] = { { "text", T_STR }, { "count", T_INT, .min = 0, .max = 100 }, { 0 } };
static const struct mod_arg text_args_[] = { { "text", T_STR }, { 0 } };
static const struct mod_arg level_args_[] = { { "text", T_STR }, { "level", T_STR, .preset = "\"info\"", .choices = levels_ }, { 0 } };
static const struct mod_arg counter_args_[] = { { "counter", T_STR }, { "by", T_INT, .preset = "1" }, { 0 } };
static const struct mod_arg nat_args_[] = { { "private_contact", T_BOOL, .preset = "false" }, { "diff_source", T_BOOL, .preset = "false" }, { 0 } };
static const struct mod_arg range_args_[] = { { "range", T_STR, .literal = world_range }, { 0 } };

static const struct mod_func core_funcs_[] = {
	{ "send_reply", world_fn, reply_args_, .where = IN_REQUEST | IN_DIALOG, .flags = F_ENDS_FINAL | F_SAYS | F_REPLY_CODE },
	{ "relay", world_fn, relay_args_, T_RECORD, .shape = &answer_shape_, .where = IN_REQUEST | IN_DIALOG, .flags = F_SAYS | F_WAITS_IF_USED | F_SUSPENDS },
	{ "forward", world_fn, NULL, .where = IN_REQUEST | IN_DIALOG, .flags = F_SAYS | F_ENDS },
	{ "is_local", world_fn, host_args_, T_BOOL, .where = IN_ANY },
	{ "is_method", world_fn, method_args_, T_BOOL, .where = IN_ANY },
	{ "has_totag", world_fn, NULL, T_BOOL, .where = IN_ANY },
	{ "record_route", world_fn, NULL, .where = IN_REQUEST },
	{ "append_hf", world_fn, header_args_, .where = IN_ANY },
	{ "xlog", world_fn, log_args_, .where = IN_ANY },
	{ "repeat", world_fn, count_args_, .where = IN_ANY },
	{ "strip", world_fn, chars_args_, T_STR, .where = IN_ANY, .flags = F_METHOD | F_AS_FIRST },
	{ "md5", world_fn, text_args_, T_STR, .where = IN_ANY },
	{ "log", world_fn, level_args_, .where = IN_ANY, .flags = F_KEYS },
	{ "count", world_fn, counter_args_, .where = IN_ANY, .flags = F_COUNTER },
	{ "nat_uac_test", world_fn, nat_args_, T_BOOL, .where = IN_ANY },
	{ "time_in", world_fn, range_args_, T_BOOL, .where = IN_ANY },
	{ 0 },
};
static const struct mod_var core_vars_[] = {
	{ "ru", T_URI, false, false, world_get, world_set, IN_ANY }, { "rU", T_STR, true, false, world_get, world_set, IN_ANY },
	{ "rd", T_STR, true, false, world_get, world_set, IN_ANY },  { "rp", T_INT, true, false, world_get, world_set, IN_ANY },
	{ "rm", T_STR, false, false, world_get, NULL, IN_ANY },      { "fU", T_STR, true, false, world_get, world_set, IN_ANY },
	{ "fd", T_STR, true, false, world_get, NULL, IN_ANY },       { "si", T_IP, false, false, world_get, NULL, IN_ANY },
	{ "cs", T_INT, false, false, world_get, NULL, IN_ANY },      { "ua", T_STR, true, false, world_get, NULL, IN_ANY },
	{ "rs", T_INT, false, false, world_get, NULL, IN_REPLY },    { "hdr", T_STR, true, true, world_get, world_set, IN_ANY },
	{ "avp", T_ANY, true, true, world_get, world_set, IN_ANY },  { 0 },
};
static const struct mod_func auth_funcs_[] = { { "authenticate", world_fn, NULL, .where = IN_REQUEST, .flags = F_MAY_END | F_SUSPENDS }, { 0 } };
static const struct mod_func registrar_funcs_[] = {
	{ "save", world_fn, NULL, .where = IN_REQUEST, .flags = F_SAYS | F_SUSPENDS },
	{ "lookup", world_fn, NULL, T_BOOL, .where = IN_REQUEST },
	{ 0 },
};
static const struct mod_func profile_funcs_[] = { { "profile", world_fn, uri_args_, T_RECORD, .nullable = true, .shape = &profile_shape_, .where = IN_ANY }, { 0 } };

static const char *const algorithms_[] = { "MD5", "SHA-256", NULL };
static const char *const rings_[] = { "parallel", "serial", NULL };
static uint32_t          seconds_, nibbles_;
static int64_t           number_;
static int               choice_;
static bool              bool_;
static struct str        text_;
static const struct mod_param core_settings_[] = {
	{ "domain", P_STR, &text_ }, { "listen", P_STR, &text_ }, { "database", P_STR, &text_ }, { "workers", P_INT, &number_, .min = 0, .max = 256 }, { 0 },
};
static const char *const core_repeatable_[] = { "domain", "listen", NULL };
static const struct mod_param auth_params_[] = {
	{ "algorithms", P_CHOICES, &nibbles_, .choices = algorithms_ }, { "nonce_expire", P_SECONDS, &seconds_, .min = 1, .max = 86400 },
	{ "realm", P_STR, &text_ }, { 0 },
};
static const struct mod_param location_params_[] = { { "durable", P_BOOL, &bool_ }, { 0 } };
static const struct mod_param registrar_params_[] = {
	{ "max_contacts", P_INT, &number_, .min = 1, .max = 100 }, { "min_expires", P_SECONDS, &seconds_, .min = 1, .max = 86400 },
	{ "max_expires", P_SECONDS, &seconds_, .min = 1, .max = 86400 }, { 0 },
};
static const struct mod_param forking_params_[] = { { "ring", P_CHOICE, &choice_, .choices = rings_ }, { 0 } };
static const char *const      needs_location_[] = { "location", NULL }, *const needs_nobody_[] = { "nobody", NULL };

/* The core and profile are loaded; the others when they are named. */
static const struct module world_modules[] = {
	{ .name = "core", .funcs = core_funcs_, .vars = core_vars_ },
	{ .name = "profile", .funcs = profile_funcs_, .offers = "profile" },
	{ .name = "auth", .funcs = auth_funcs_, .params = auth_params_ },
	{ .name = "registrar", .funcs = registrar_funcs_, .params = registrar_params_, .needs = needs_location_ },
	{ .name = "location", .params = location_params_, .offers = "location" },
	{ .name = "forking", .params = forking_params_ },
	{ .name = "lonely", .needs = needs_nobody_ },
};
static struct {
	const struct module *loaded[COUNT_OF(world_modules) + 1];
	size_t               n;
} world;

static const struct module *world_at(size_t i)
{
	return i < world.n ? world.loaded[i] : NULL;
}
static const struct module *world_find(struct str name)
{
	for (size_t i = 0; i < world.n; i++)
		if (str_is(name, world.loaded[i]->name))
			return world.loaded[i];
	return NULL;
}
static enum err world_load(struct str name, char *why, size_t cap)
{
	(void)why, (void)cap;
	for (size_t i = 0; i < COUNT_OF(world_modules); i++)
		if (str_is(name, world_modules[i].name)) {
			world.loaded[world.n++] = &world_modules[i];
			return OK;
		}
	return ERR_NOT_FOUND;
}
static struct str world_offering(struct str func)
{
	for (size_t i = 0; i < COUNT_OF(world_modules); i++)
		for (const struct mod_func *f = world_modules[i].funcs; f && f->name; f++)
			if (str_is(func, f->name) && !world_find(str_of(world_modules[i].name)))
				return str_of(world_modules[i].name);
	return STR_NONE;
}
static struct str world_nearest(struct str name)
{
	struct nearest near = nearest_to(name);

	for (size_t i = 1; i < COUNT_OF(world_modules); i++)
		nearest_offer(&near, str_of(world_modules[i].name));
	return nearest_name(&near);
}
static const char *world_getenv(const char *name)
{
	return strcmp(name, "REALM") == 0 ? "from.env" : NULL;
}

static inline struct check_env world_env(void)
{
	static const char *const events[] = { "core:start", "registrar:expired", NULL };

	world.n = 2;
	world.loaded[0] = &world_modules[0];
	world.loaded[1] = &world_modules[1];
	return (struct check_env){
		.settings = core_settings_, .repeatable = core_repeatable_, .events = events, .at = world_at, .find = world_find, .load = world_load,
		.offering = world_offering, .nearest = world_nearest, .param = module_param_set, .getenv = world_getenv,
	};
}

/* "1:23: E202 no route[TO_USR] | did you mean `TO_USER`?", a line for each. */
static inline struct str world_brief(struct program *p)
{
	struct str all = STR("");

	diags_sort(&p->diags);
	for (const struct diag *g = p->diags.first; g; g = g->next)
		all = arena_printf(&p->arena, STR_FMT "%u:%u: %s " STR_FMT "%s" STR_FMT "\n", STR_ARG(all), span_line(g->where), span_column(g->where),
				   diag_code_text(g->code), STR_ARG(g->message), g->help.len ? " | " : "", STR_ARG(g->help));
	return all;
}

static inline struct program *world_check(const char *text, bool *good)
{
	struct check_env env = world_env();
	struct program  *p = program_new();
	bool             parsed = program_parse(p, STR("x.cfg"), str_of(text));

	*good = check_program(p, &env) && parsed;
	return p;
}
