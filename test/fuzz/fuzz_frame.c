#include "fuzz.h"

#include "msg/frame.h"

/* The first byte says in what steps the rest arrives; the frames must not depend on it. */
static enum err by_steps(struct str in, size_t step, struct frame *out)
{
	struct frame_scan scan = { 0 };
	enum err          err = ERR_AGAIN;

	for (size_t n = step; err == ERR_AGAIN && n < in.len; n += step)
		err = frame_next(str_to(in, n), 4096, false, &scan, out);
	return err == ERR_AGAIN ? frame_next(in, 4096, false, &scan, out) : err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str        in = fuzz_str(data, size);
	size_t            step = size ? (size_t)data[0] % 64 + 1 : 1;
	struct frame_scan scan;
	struct frame      f, g;

	if (size > 4000)
		return 0;
	in = str_from(in, size ? 1 : 0);
	for (size_t frames = 0; in.len; frames++) {
		scan = (struct frame_scan){ 0 };
		if (frame_next(in, 4096, false, &scan, &f))
			return 0;
		EXPECT(frames < size && f.len > 0 && f.len <= in.len && f.skip < f.len);
		EXPECT(by_steps(in, step, &g) == OK && g.kind == f.kind && g.len == f.len && g.skip == f.skip);
		in = str_from(in, f.len);
	}
	return 0;
}
