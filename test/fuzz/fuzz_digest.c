#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str    in = fuzz_str(data, size);
	struct digest d;
	struct arena  a;

	if (digest_parse(in, &d))
		return 0;
	expect_within(in, d.username);
	expect_within(in, d.response);
	expect_within(in, d.nc_text);
	EXPECT(!d.has_nc || d.nc_text.len == 8);
	arena_init(&a, NULL, 0, 1 << 20);
	EXPECT(quoted_unescape(&a, d.username).len <= d.username.len);
	arena_free(&a);
	return 0;
}
