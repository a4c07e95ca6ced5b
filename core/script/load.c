/* From a file to something that runs: the front end, then the compiler. */
#include "script/background.h"
#include "script/builtin.h"
#include "script/check.h"
#include "script/sht.h"

#include <stdlib.h>
#include <unistd.h>

static struct {
	char **was;	/* the environment at the start; its texts are never freed */
} environment;

static enum err environment_keep(void)
{
	size_t n = 0;

	if (environment.was)
		return OK;
	while (environ[n])
		n++;
	environment.was = calloc(n + 1, sizeof(*environment.was));
	if (!environment.was)
		return ERR_NOMEM;
	memcpy(environment.was, environ, n * sizeof(*environ));
	return OK;
}

/* As it was at the start: the zone of the clock is set by it meanwhile, while a thread compiles. */
static const char *environment_get(const char *name)
{
	size_t len = strlen(name);

	for (char **e = environment.was; e && *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

static struct check_env world(const struct script_options *o)
{
	return (struct check_env){
		.getenv = environment_get,
		.settings = core_settings, .repeatable = core_repeatable, .events = background_events,
		.defines = o ? o->defines : NULL, .define_count = o ? o->define_count : 0,
		.at = module_at, .find = module_find, .load = module_load, .offering = module_offering, .nearest = module_nearest,
		.param = settings_param,
	};
}

static bool build(struct script *s, const struct check_env *env, bool parsed)
{
	bool good = check_program(s->program, env) && parsed;

	if (!good)
		return false;
	s->code = code_compile(s->program);
	if (!s->code)
		diag_add(&s->program->diags, D_NOMEM, (struct span){ 0 }, "the program is too large");
	return s->code != NULL;
}

static struct script *script_new(void)
{
	struct script *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->program = program_new();
	if (s->program)
		return s;
	free(s);
	return NULL;
}

static struct str report_of(struct script *s, const struct script_options *o, struct arena *a)
{
	struct diags *d = &s->program->diags;

	if (o && o->strict)
		diags_strict(d);
	if (o && o->diagnostics)
		*o->diagnostics = diags_json(&s->program->diags, a);
	return o && o->json ? diags_json(d, a) : diags_text(d, a, o && o->colour);
}

static struct script *finish(struct script *s, bool parsed, const struct script_options *o, struct arena *a, struct str *report)
{
	struct check_env env = world(o);
	bool             good = build(s, &env, parsed);

	*report = report_of(s, o, a);
	if (good && !diags_failed(&s->program->diags))
		return s;
	script_unref(s);
	return NULL;
}

struct script *script_load(const char *path, const struct script_options *o, struct arena *a, struct str *report)
{
	struct script *s = environment_keep() ? NULL : script_new();

	*report = STR("no memory\n");
	return s ? finish(s, program_read(s->program, str_of(path)), o, a, report) : NULL;
}

struct script *script_load_text(struct str name, struct str text, const struct script_options *o, struct arena *a, struct str *report)
{
	struct script *s = environment_keep() ? NULL : script_new();

	*report = STR("no memory\n");
	return s ? finish(s, program_parse(s->program, name, text), o, a, report) : NULL;
}

struct script *script_load_image(struct str image, const struct script_options *o, struct arena *a, struct str *report)
{
	struct script *s = script_new();

	*report = STR("no memory\n");
	if (!s)
		return NULL;
	s->program->sources.image = image;
	s = finish(s, program_read(s->program, image_main(image)), o, a, report);
	if (s)
		s->program->sources.image = STR_NONE;	/* the caller's memory */
	return s;
}

struct str script_image(const struct script *s, struct arena *a)
{
	return sources_image(&s->program->sources, a);
}

void script_unref(struct script *s)
{
	if (!s || --s->refs)
		return;
	script_gone(s);
	program_free(s->program);
	free(s);
}

void script_free(struct script *s)
{
	script_unref(s);
}

/* "module location: durable = on needs a database": where that module is named. */
static struct span place_of(const struct program *p, struct str why)
{
	for (const struct module_block *m = p->modules; m; m = m->next) {
		struct str rest = why;

		if (str_starts(rest, STR("module ")) && str_starts(str_from(rest, 7), m->name) && str_starts(str_from(rest, 7 + m->name.len), STR(": ")))
			return m->name_span;
	}
	return (struct span){ 0 };
}

struct str script_refused(struct script *s, const char *why, const struct script_options *o, struct arena *a)
{
	diag_add(&s->program->diags, D_PARAMETER, place_of(s->program, str_of(why)), "%s", why);
	return report_of(s, o, a);
}

enum err script_apply(struct script *s, char *why, size_t cap)
{
	struct check_env env = world(NULL);
	enum err         err;

	settings_reset();
	err = program_apply(s->program, &env, why, cap);
	if (!err)
		err = modules_check_needs(why, cap);
	if (!err && settings.database.len && !str_eq(settings.database, db_url()))	/* only read here: modules ask whether there is one */
		err = db_configure(settings.database, why, cap);
	if (!err)
		err = modules_configure(why, cap);
	if (err)
		return err;
	log_set_level((enum log_level)settings.log_level);
	log_set_rate((unsigned)settings.log_rate);
	return OK;
}

enum err script_bind(struct script *s, char *why, size_t cap)
{
	enum err err = counters_make(s->program, why, cap);

	if (!err && s == script_now())
		counters_show(s->program);
	return err ? err : sht_bind(s->program, why, cap);
}
