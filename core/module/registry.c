/* Which modules there are: built-in ones register themselves, others are shared objects in one folder. Boot; read-only after the fork. */
#include "module/module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_MODULES = 64, MOST_DEPTH = 4, MOST_NAME = 40, MOST_PATH = 512 };

static struct {
	const struct module *loaded[MOST_MODULES];
	size_t               count, started;	/* started in this process, for modules_stop */
	unsigned             depth;		/* of modules loaded for each other's sake */
	char                 folder[MOST_PATH];
	char                 found[MOST_NAME];	/* the last answer of a folder scan */
} reg;

void module_set_folder(const char *path)
{
	snprintf(reg.folder, sizeof(reg.folder), "%s", path);
}

const struct module *module_at(size_t i)
{
	return i < reg.count ? reg.loaded[i] : NULL;
}

const struct module *module_find(struct str name)
{
	for (size_t i = 0; i < reg.count; i++)
		if (str_is(name, reg.loaded[i]->name))
			return reg.loaded[i];
	return NULL;
}

static enum err admit(const struct module *m, char *why, size_t cap)
{
	enum err err;

	if (reg.count == MOST_MODULES) {
		snprintf(why, cap, "more than %d modules", MOST_MODULES);
		return ERR_LIMIT;
	}
	err = module_check_presets(m, why, cap);
	if (err)
		return err;
	for (struct counter *const *c = m->counters; c && *c; c++)
		counter_register(*c);
	module_apply_presets(m);
	reg.loaded[reg.count++] = m;
	return OK;
}

enum err module_register(const struct module *m)
{
	char     why[256];
	enum err err;

	if (module_find(str_of(m->name)))
		return ERR_EXISTS;
	err = admit(m, why, sizeof(why));
	if (err)
		log_error(NULL, "cannot register module=%s reason=%s", m->name, why);
	return err;
}

/* --- the folder --- */

/* A name that is also a file name: no slash, no dot. */
static bool name_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char ch = name.p[i];

		if (!ch_digit(ch) && ch != '_' && !(ch >= 'a' && ch <= 'z'))
			return false;
	}
	return name.len && name.len < MOST_NAME;
}

/* The shared object of that name, its descriptor in *out; NULL when it cannot be opened or is not for this server. */
static void *object_open(struct str name, int mode, const struct module **out, char *why, size_t cap)
{
	char                 path[MOST_PATH + MOST_NAME + 8];
	const struct module *m;
	void                *so;

	snprintf(path, sizeof(path), "%s/" STR_FMT ".so", reg.folder, STR_ARG(name));
	so = dlopen(path, mode | RTLD_LOCAL);
	if (!so) {
		snprintf(why, cap, "%s", dlerror());
		return NULL;
	}
	m = dlsym(so, "module");
	if (!m || !m->name || !str_is(name, m->name))
		snprintf(why, cap, "%s is no module of this name", path);
	else if (m->abi != MODULE_ABI)
		snprintf(why, cap, "%s was built for interface version %d, this server has %d: rebuild it", path, m->abi, MODULE_ABI);
	else {
		*out = m;
		return so;
	}
	dlclose(so);
	return NULL;
}

/* The next NAME.so of the folder; its name in `room`, empty at the end. */
static struct str folder_next(DIR *d, char room[MOST_NAME])
{
	const struct dirent *e;

	while ((e = readdir(d))) {
		struct str file = str_of(e->d_name);

		if (!str_ends(file, STR(".so")) || !name_ok(str_to(file, file.len - 3)))
			continue;
		snprintf(room, MOST_NAME, STR_FMT, (int)file.len - 3, file.p);
		return str_of(room);
	}
	return STR_NONE;
}

static DIR *folder_open(void)
{
	return reg.folder[0] ? opendir(reg.folder) : NULL;
}

struct str module_nearest(struct str name)
{
	char       room[MOST_NAME];
	unsigned   least = name.len < 4 ? 2 : 3;	/* of a short name most others are near */
	struct str each;
	DIR       *d = folder_open();

	reg.found[0] = '\0';
	while (d && (each = folder_next(d, room)).len) {
		unsigned dist = str_distance(name, each, least);

		if (dist >= least)
			continue;
		least = dist;
		snprintf(reg.found, sizeof(reg.found), "%s", room);
	}
	if (d)
		closedir(d);
	return str_of(reg.found);
}

static bool has_func(const struct module *m, struct str func)
{
	for (const struct mod_func *f = m->funcs; f && f->name; f++)
		if (str_is(func, f->name))
			return true;
	return false;
}

static bool has_offer(const struct module *m, struct str service)
{
	return m->offers && str_is(service, m->offers);
}

/* The first module, loaded or in the folder, that answers the question. */
static struct str folder_search(bool (*has)(const struct module *m, struct str what), struct str what)
{
	char       room[MOST_NAME], why[256];
	struct str each;
	DIR       *d;

	for (size_t i = 0; i < reg.count; i++)
		if (has(reg.loaded[i], what))
			return str_of(reg.loaded[i]->name);
	reg.found[0] = '\0';
	d = folder_open();
	while (d && !reg.found[0] && (each = folder_next(d, room)).len) {
		const struct module *m = NULL;
		void                *so = module_find(each) ? NULL : object_open(each, RTLD_LAZY, &m, why, sizeof(why));

		if (!so)
			continue;
		if (has(m, what))
			snprintf(reg.found, sizeof(reg.found), "%s", room);
		dlclose(so);
	}
	if (d)
		closedir(d);
	return str_of(reg.found);
}

struct str module_offering(struct str func)
{
	return folder_search(has_func, func);
}

static bool object_exists(struct str name)
{
	char  path[MOST_PATH + MOST_NAME + 8];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" STR_FMT ".so", reg.folder, STR_ARG(name));
	f = fopen(path, "re");
	if (f)
		fclose(f);
	return f != NULL;
}

static enum err no_such_module(struct str name, char *why, size_t cap)
{
	struct str near = module_nearest(name);

	if (near.len)
		snprintf(why, cap, "no module \"" STR_FMT "\": did you mean \"" STR_FMT "\"?", STR_ARG(name), STR_ARG(near));
	else
		snprintf(why, cap, "no module \"" STR_FMT "\" in %s", STR_ARG(name), reg.folder[0] ? reg.folder : "this server");
	return ERR_NOT_FOUND;
}

const void *module_service(const char *name)
{
	for (size_t i = 0; i < reg.count; i++)
		if (has_offer(reg.loaded[i], str_of(name)))
			return reg.loaded[i]->service;
	return NULL;
}

/* What a module needs comes along with it, before it, so that it starts first. What nobody offers is told by modules_check_needs(). */
static enum err load_needs(const struct module *m, char *why, size_t cap)
{
	for (const char *const *n = m->needs; n && *n; n++) {
		struct str by = module_service(*n) ? STR_NONE : folder_search(has_offer, str_of(*n));
		char       name[MOST_NAME];
		enum err   err;

		if (!by.len || !str_cstr(by, name, sizeof(name)))
			continue;
		err = module_load(str_of(name), why, cap);
		if (err && err != ERR_EXISTS)
			return err;
	}
	return OK;
}

enum err module_load(struct str name, char *why, size_t cap)
{
	const struct module *m;
	enum err             err = OK;
	void                *so;

	if (module_find(name))
		return ERR_EXISTS;
	if (!name_ok(name) || !reg.folder[0] || !object_exists(name))
		return no_such_module(name, why, cap);
	so = object_open(name, RTLD_NOW, &m, why, cap);
	if (!so)
		return ERR_UNSUPPORTED;
	if (reg.depth < MOST_DEPTH) {	/* two that need each other end here; the second then finds the first loaded */
		reg.depth++;
		err = load_needs(m, why, cap);
		reg.depth--;
	}
	if (!err && !module_find(name))
		err = admit(m, why, cap);
	if (err)
		dlclose(so);
	return err;
}

/* --- services --- */

static enum err need_missing(const struct module *m, const char *need, char *why, size_t cap)
{
	struct str by = folder_search(has_offer, str_of(need));

	if (by.len)
		snprintf(why, cap, "module %s needs %s: add `module " STR_FMT " { }`", m->name, need, STR_ARG(by));
	else
		snprintf(why, cap, "module %s needs %s, which no module offers", m->name, need);
	return ERR_NOT_FOUND;
}

enum err modules_check_needs(char *why, size_t cap)
{
	for (size_t i = 0; i < reg.count; i++)
		for (const char *const *n = reg.loaded[i]->needs; n && *n; n++)
			if (!module_service(*n))
				return need_missing(reg.loaded[i], *n, why, cap);
	return OK;
}

/* --- hooks --- */

static enum err hook_failed(enum err err, const struct module *m, const char *reason, char *why, size_t cap)
{
	if (err)
		snprintf(why, cap, "module %s: %s", m->name, reason[0] ? reason : err_name(err));
	return err;
}

enum err modules_configure(char *why, size_t cap)
{
	for (size_t i = 0; i < reg.count; i++) {
		const struct module *m = reg.loaded[i];
		char                 reason[256] = "";
		enum err             err = m->configure ? m->configure(reason) : OK;

		if (err)
			return hook_failed(err, m, reason, why, cap);
	}
	return OK;
}

enum err modules_start(char *why, size_t cap)
{
	for (size_t i = 0; i < reg.count; i++) {
		const struct module *m = reg.loaded[i];
		char                 reason[256] = "";
		enum err             err = m->start ? m->start(reason) : OK;

		if (err)
			return hook_failed(err, m, reason, why, cap);
	}
	return OK;
}

enum err modules_worker_start(struct loop *l, char *why, size_t cap)
{
	for (reg.started = 0; reg.started < reg.count; reg.started++) {
		const struct module *m = reg.loaded[reg.started];
		char                 reason[256] = "";
		enum err             err = m->worker_start ? m->worker_start(l, reason) : OK;

		if (err)
			return hook_failed(err, m, reason, why, cap);
	}
	return OK;
}

enum err modules_writer_start(struct loop *l, char *why, size_t cap)
{
	for (size_t i = 0; i < reg.count; i++) {
		const struct module *m = reg.loaded[i];
		char                 reason[256] = "";
		enum err             err = m->writer_start ? m->writer_start(l, reason) : OK;

		if (err)
			return hook_failed(err, m, reason, why, cap);
	}
	return OK;
}

void modules_writer_stop(void)
{
	for (size_t i = reg.count; i--;)
		if (reg.loaded[i]->writer_stop)
			reg.loaded[i]->writer_stop();
}

/* Last started, first stopped: a module may still call the services it needs. */
void modules_stop(void)
{
	while (reg.started) {
		const struct module *m = reg.loaded[--reg.started];

		if (m->stop)
			m->stop();
	}
}

void module_forget_all(void)
{
	reg.count = reg.started = 0;
}

void modules_connection_lost(uint64_t conn)
{
	for (size_t i = 0; i < reg.count; i++)
		if (reg.loaded[i]->connection_lost)
			reg.loaded[i]->connection_lost(conn);
}
