#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char  room[200000], ruri_room[200000];
	struct str   in = fuzz_str(data, size);
	struct buf   aor = buf_on(room, sizeof(room)), ruri = buf_on(ruri_room, sizeof(ruri_room));
	struct arena a;
	struct uri   u, again;

	if (uri_parse(in, &u))
		return 0;
	expect_within(in, u.user);
	expect_within(in, u.host);
	expect_within(in, u.params);
	expect_within(in, u.headers);
	EXPECT(uri_eq(&u, &u) || u.headers.len > 3 * 64);	/* more headers than are compared */
	uri_aor(&u, &aor);
	EXPECT(buf_ok(&aor));
	if (u.scheme != URI_OTHER && str_find_str(u.host, STR(":::")) < 0)
		EXPECT(uri_parse(buf_str(&aor), &again) == OK);
	uri_write_ruri(&u, &ruri);
	EXPECT(buf_ok(&ruri) && uri_parse(buf_str(&ruri), &again) == OK && again.headers.len == 0);
	arena_init(&a, NULL, 0, 1 << 20);
	EXPECT(uri_unescape(&a, u.user).p);
	arena_free(&a);
	return 0;
}
