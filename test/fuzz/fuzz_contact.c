#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str     rest = fuzz_str(data, size), value;
	struct contact c;
	size_t         n = 0;

	while (value_next(&rest, &value)) {
		expect_within(fuzz_str(data, size), value);
		EXPECT(++n <= size + 1);
		if (contact_parse(value, &c))
			continue;
		EXPECT(c.q <= 1000 && (c.addr.star || c.addr.uri_text.len));
		expect_within(value, c.addr.display);
		expect_within(value, c.instance);
	}
	return 0;
}
