#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_TESTS = 1024 };

static struct {
	struct CMUnitTest tests[MOST_TESTS];
	size_t            count;
} all;

void test_register(const char *name, void (*fn)(void **))
{
	if (all.count == MOST_TESTS)
		abort();
	all.tests[all.count++] = (struct CMUnitTest){ .name = name, .test_func = fn };
}

void test_check_str(struct str got, const char *want, const char *expr, const char *file, int line)
{
	if (str_is(got, want))
		return;
	print_error("%s\n  got:  \"" STR_FMT "\"\n  want: \"%s\"\n", expr, STR_ARG(got), want);
	_assert_true(0, expr, file, line);
}

/* An argument is a pattern (`*` and `?`) of the tests to run. */
int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(argv[0], all.tests, all.count, NULL, NULL);
}
