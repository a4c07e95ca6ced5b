/* core/module/registry.c with modules made here, and with a folder that holds none of ours. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "module/module.h"

static char order[64];

static void note(const char *what)
{
	strncat(order, what, sizeof(order) - strlen(order) - 1);
}

static enum err a_configure(char *why)
{
	(void)why;
	note("ac ");
	return OK;
}

static enum err a_start(char *why)
{
	(void)why;
	note("as ");
	return OK;
}

static enum err b_start(char *why)
{
	snprintf(why, 256, "the moon is full");
	return ERR_IO;
}

static enum err a_worker(struct loop *l, char *why)
{
	(void)l;
	(void)why;
	note("aw ");
	return OK;
}

static void a_stop(void)
{
	note("at ");
}

static enum verdict fn(struct call *c)
{
	(void)c;
	return V_OK;
}

static int                       service;
static const struct mod_func     a_funcs[] = { { "save", fn }, { 0 } };
static const char *const         needs_location[] = { "location", NULL };
static const struct module mod_a = { .abi = MODULE_ABI, .name = "a", .offers = "location", .service = &service, .funcs = a_funcs,
				     .configure = a_configure, .start = a_start, .worker_start = a_worker, .stop = a_stop };
static const struct module mod_b = { .abi = MODULE_ABI, .name = "b", .needs = needs_location, .start = b_start };
static const struct mod_param    broken_params[] = { { "x", P_SECONDS, order, "3600", 0, 0, NULL, "" }, { 0 } };
static const struct module mod_broken = { .abi = MODULE_ABI, .name = "broken", .params = broken_params };

static void quiet(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

TEST(modules_are_found_once_registered)
{
	module_forget_all();
	CHECK(!module_register(&mod_a));
	CHECK(module_register(&mod_a) == ERR_EXISTS);
	CHECK(module_find(STR("a")) == &mod_a && !module_find(STR("c")));
	CHECK(module_at(0) == &mod_a && !module_at(1));
	CHECK_STR(module_offering(STR("save")), "a");
	CHECK_INT(module_offering(STR("lookup")).len, 0);
}

TEST(a_preset_that_is_no_value_is_the_modules_fault)
{
	char why[256];

	module_forget_all();
	log_redirect(quiet);
	CHECK(module_register(&mod_broken) == ERR_SYNTAX);
	log_redirect(NULL);
	CHECK(module_check_presets(&mod_broken, why, sizeof(why)) == ERR_SYNTAX);
	CHECK_STR(str_of(why), "module broken is broken: default of x: expected duration, got int");
	CHECK(!module_at(0));
}

TEST(a_missing_service_is_named)
{
	char why[256];

	module_forget_all();
	CHECK(!module_register(&mod_b));
	CHECK(modules_check_needs(why, sizeof(why)) == ERR_NOT_FOUND);
	CHECK_STR(str_of(why), "module b needs location, which no module offers");
	CHECK(!module_service("location"));
	CHECK(!module_register(&mod_a));
	CHECK(!modules_check_needs(why, sizeof(why)));
	CHECK(module_service("location") == &service);
}

TEST(hooks_run_in_order_and_a_failure_names_the_module)
{
	char why[256];

	module_forget_all();
	order[0] = '\0';
	CHECK(!module_register(&mod_a) && !module_register(&mod_b));
	CHECK(!modules_configure(why, sizeof(why)));
	CHECK(modules_start(why, sizeof(why)) == ERR_IO);
	CHECK_STR(str_of(why), "module b: the moon is full");
	CHECK(!modules_worker_start(NULL, why, sizeof(why)));
	modules_stop();
	modules_stop();
	CHECK_STR(str_of(order), "ac as aw at ");
}

TEST(a_misspelt_module_gets_the_nearest_name_of_the_folder)
{
	char dir[] = "/tmp/sipario-registry-XXXXXX", path[80], why[512];
	FILE *f;

	module_forget_all();
	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/registrar.so", dir);
	f = fopen(path, "w");
	CHECK(f);
	fclose(f);
	module_set_folder(dir);
	CHECK(module_load(STR("regstrar"), why, sizeof(why)) == ERR_NOT_FOUND);
	CHECK_STR(str_of(why), "no module \"regstrar\": did you mean \"registrar\"?");
	CHECK(module_load(STR("../registrar"), why, sizeof(why)) == ERR_NOT_FOUND);
	CHECK(module_load(STR("registrar"), why, sizeof(why)) == ERR_UNSUPPORTED);	/* no shared object at all */
	CHECK(str_find_str(str_of(why), STR("registrar.so")) >= 0);
	CHECK_INT(module_offering(STR("save")).len, 0);
	unlink(path);
	rmdir(dir);
	module_set_folder("");
}
