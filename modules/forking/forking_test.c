#include "module/module.h"
#include "test.h"

extern const struct module module;

TEST(the_choices_of_ringing)
{
	static const struct { const char *text; enum err err; } rows[] = {
		{ "parallel", OK }, { "serial", OK }, { "hunt", OK }, { "round_robin", OK }, { "random", ERR_SYNTAX },
	};
	char why[256] = "";

	CHECK(!module_check_presets(&module, why, sizeof(why)));
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		CHECK_ROW(module_param_set(&module.params[0], str_of(rows[i].text), false, why, sizeof(why)) == rows[i].err, rows[i].text);
	CHECK(strstr(why, "parallel"));
}
