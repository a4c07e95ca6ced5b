#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = fuzz_str(data, size);
	struct via v, again;

	if (via_parse(in, &v))
		return 0;
	expect_within(in, v.host);
	expect_within(in, v.branch);
	expect_within(in, v.received);
	expect_within(in, v.params);
	via_branch_3261(&v);
	EXPECT(v.host.len && v.transport.len && via_parse(v.text, &again) == OK);
	return 0;
}
