#pragma once
/* TEST(name_is_a_sentence) { CHECK(...); } on top of cmocka: tests register themselves, main()
 * comes from test_main.c. `CHECK_STR(slice, "text")` shows both sides when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

void test_register(const char *name, void (*fn)(void **));
void test_check_str(struct str got, const char *want, const char *expr, const char *file, int line);

#define TEST(name)                                                                          \
	static void name(void **test_state);                                                \
	__attribute__((constructor)) static void name##_register(void)                      \
	{                                                                                   \
		test_register(#name, name);                                                 \
	}                                                                                   \
	static void name(void **test_state __attribute__((unused)))

#define CHECK(x) _assert_true(!!(x), #x, __FILE__, __LINE__)
#define CHECK_INT(got, want) _assert_int_equal((uintmax_t)(got), (uintmax_t)(want), __FILE__, __LINE__)
#define CHECK_STR(got, want) test_check_str((got), (want), #got, __FILE__, __LINE__)
/* For table rows: says which row failed. */
#define CHECK_ROW(x, row)                                                                   \
	do {                                                                                \
		if (!(x)) {                                                                 \
			print_error("row \"%s\"\n", (row));                                 \
			_assert_true(0, #x, __FILE__, __LINE__);                            \
		}                                                                           \
	} while (0)
