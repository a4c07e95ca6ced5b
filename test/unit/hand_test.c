/* core/shm/hand: what a process has in hand goes back when it dies. */
#include "test.h"

#include <setjmp.h>

#include "shm/hand.h"
#include "shm/lock.h"
#include "shm/shm.h"

enum { MB = 1024 * 1024, MANY = 50 };

static struct thing {
	int given;	/* how often it went back */
} *things;
static struct thing *fatal;	/* who gives this back dies */
static jmp_buf       death;

static void go_back(void *p)
{
	struct thing *t = p;

	if (t == fatal) {
		fatal = NULL;
		longjmp(death, 1);
	}
	critical_enter();
	hand_give(t);
	t->given++;
	critical_leave();
}

static void take(struct thing *t)
{
	critical_enter();
	hand_take(t, go_back);
	critical_leave();
}

static void give(struct thing *t)
{
	critical_enter();
	hand_give(t);
	critical_leave();
}

static void up(void)
{
	shm_destroy();
	CHECK_INT(shm_create(MB, 3), OK);
	things = shm_zalloc(0, MANY * sizeof(*things));
	CHECK(things);
	proc_enter(1, "worker 1");
}

TEST(what_is_in_hand_goes_back_with_the_next_process_in_the_slot)
{
	up();
	for (int i = 0; i < 4; i++)
		take(&things[i]);
	take(&things[2]);	/* two references to one */
	give(&things[1]);	/* in whatever order */
	give(&things[0]);
	give(&things[0]);	/* not there any more: fine */
	proc_enter(2, "worker 2");
	hand_adopt();
	CHECK_INT(things[3].given, 0);	/* another's */
	proc_enter(1, "worker 1");
	hand_adopt();
	CHECK_INT(things[0].given, 0);
	CHECK_INT(things[1].given, 0);
	CHECK_INT(things[2].given, 2);
	CHECK_INT(things[3].given, 1);
	hand_adopt();
	CHECK_INT(things[3].given, 1);
	shm_destroy();
}

TEST(an_heir_that_dies_over_it_leaves_the_rest_to_the_next)
{
	up();
	for (int i = 0; i < 3; i++)
		take(&things[i]);
	fatal = &things[1];
	proc_enter(1, "heir");
	if (!setjmp(death))
		hand_adopt();
	CHECK_INT(things[2].given, 1);
	CHECK_INT(things[1].given, 0);
	proc_enter(1, "its heir");
	hand_adopt();
	for (int i = 0; i < 3; i++)
		CHECK_INT(things[i].given, 1);
	shm_destroy();
}

TEST(who_has_more_in_hand_than_can_be_noted_stays_in_a_critical_section)
{
	int noted = 0;

	up();
	for (int i = 0; i < MANY; i++) {
		take(&things[i]);
		noted += proc_died_clean(1);
	}
	CHECK(noted >= 8 && noted < MANY);
	for (int i = MANY; i--;) {
		CHECK(!proc_died_clean(1));	/* shared memory would be built anew */
		give(&things[i]);
	}
	CHECK(proc_died_clean(1));
	take(&things[0]);
	CHECK(proc_died_clean(1));
	proc_enter(1, "heir");
	hand_adopt();
	CHECK_INT(things[0].given, 1);
	shm_destroy();
}
