#include "modules/redirect/redirect.h"

#include "test.h"

TEST(the_target_set_becomes_contacts)
{
	struct arena  a;
	struct target second = { .uri = STR("sip:bob@192.0.2.2:5080;transport=tcp"), .q = 300, .expires = 0 };
	struct target first = { .next = &second, .uri = STR("sip:bob@192.0.2.1"), .q = 1000, .expires = 3600 };

	arena_init(&a, NULL, 0, 1 << 16);	/* RFC 3261 §8.3, §20.10 */
	CHECK_STR(contacts_of(&a, &first),
		  "Contact: <sip:bob@192.0.2.1>;expires=3600\r\nContact: <sip:bob@192.0.2.2:5080;transport=tcp>;q=0.300\r\n");
	CHECK_STR(contacts_of(&a, NULL), "");
	arena_free(&a);
	arena_init(&a, NULL, 0, 1);
	CHECK(!contacts_of(&a, &first).p);
	arena_free(&a);
}
