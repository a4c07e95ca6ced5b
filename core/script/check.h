#pragma once
/* From files to a checked tree: program_new, program_read, check_program. Nothing is printed; what is wrong is in program.diags.
 * Checking opens no socket and no database. */
#include "script/ast.h"

/* What the language consists of besides its grammar. Everything is asked for through here, so that a test brings its own world. */
struct check_env {
	const struct mod_param   *settings;	/* top-level settings; ends with a NULL name */
	const char *const        *repeatable;	/* settings that may be given more than once ("listen", "domain"); NULL-ended, or NULL */
	const char *const        *events;	/* "module:event" of every event there is; NULL-ended, or NULL */
	const struct str         *defines;	/* -D NAME=VALUE */
	size_t                    define_count;
	/* as the functions of module/module.h of the same purpose */
	const struct module     *(*at)(size_t i);
	const struct module     *(*find)(struct str name);
	enum err                (*load)(struct str name, char *why, size_t cap);
	struct str              (*offering)(struct str func);
	struct str              (*nearest)(struct str module);
	enum err                (*param)(const struct mod_param *p, struct str text, bool store, char *why, size_t cap);
	const char              *(*getenv)(const char *name);	/* NULL: the process's own environment */
};

/* NULL on no memory. */
struct program *program_new(void);
void program_free(struct program *p);
/* Parse a file (and what it includes, relative to it), or a text that goes by that name; more than one may follow another. True when nothing was wrong so far. */
bool program_read(struct program *p, struct str path);
bool program_parse(struct program *p, struct str name, struct str text);
/* Resolve names, types and paths; loads the modules that the file names. Also after a failed parse, for the errors that can be seen
 * all the same. True: no error (there may be warnings), the tree is complete. diags are sorted. Parameters of modules are
 * checked, not stored. */
bool check_program(struct program *p, const struct check_env *env);
/* Store the parameters and settings of a checked program: module_param_set(…, true …) for each, after module_reset(). */
MUST_CHECK enum err program_apply(const struct program *p, const struct check_env *env, char *why, size_t cap);

struct route *program_route(const struct program *p, enum route_kind kind, struct str name);
const char *route_kind_name(enum route_kind kind);	/* "request_route" */
/* "string", "duration or null", "answer" */
struct str type_text(struct arena *a, const struct type *t);
