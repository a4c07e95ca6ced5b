#include "module/module.h"
#include "test.h"

extern const struct module module;

TEST(phones_ring_in_parallel_and_nothing_else_is_promised)
{
	char why[256] = "";

	CHECK(!module_check_presets(&module, why, sizeof(why)));
	CHECK_INT(module_param_set(&module.params[0], STR("parallel"), true, why, sizeof(why)), OK);
	CHECK_INT(module_param_set(&module.params[0], STR("serial"), false, why, sizeof(why)), ERR_SYNTAX);
	CHECK(strstr(why, "parallel"));
}
