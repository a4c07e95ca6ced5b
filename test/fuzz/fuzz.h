#pragma once
/* One target a file; scripts/fuzz.sh builds and runs them. A broken promise is a trap, so that the fuzzer sees it. */
#include <stdint.h>
#include <stdio.h>

#include "msg/msg.h"

#define EXPECT(x) ((x) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), __builtin_trap()))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct str fuzz_str(const uint8_t *data, size_t size)
{
	return str_n((const char *)data, size);
}

/* A slice an output holds must lie within the input (an empty one may lie anywhere). */
static inline void expect_within(struct str in, struct str part)
{
	EXPECT(!part.len || (part.p >= in.p && part.p + part.len <= in.p + in.len));
}
