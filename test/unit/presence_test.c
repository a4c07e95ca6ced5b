/* What the processes have of the store, and what of it is said in the log: once by all of them. */
#include "test.h"

#include "base/log.h"
#include "db/driver.h"
#include "net/mailbox.h"
#include "shm/shm.h"

enum { WORKER = 1, OTHER, WRITER, SLOTS };

static struct {
	unsigned lines;
	char     last[600];
} t;

static void note_line(enum log_level level, struct str line)
{
	(void)level;
	t.lines++;
	(void)str_cstr(str_to(line, line.len < sizeof(t.last) ? line.len : sizeof(t.last) - 1), t.last, sizeof(t.last));
}

static bool says(unsigned lines, const char *words)
{
	return t.lines == lines && strstr(t.last, words);
}

static void begin(const char *away, bool seen)
{
	memset(&t, 0, sizeof(t));
	CHECK(!shm_create(16 << 20, SLOTS));
	presence_boot(WRITER, away, seen);
	for (unsigned slot = WORKER; slot < SLOTS; slot++)
		proc_enter(slot, "a process");
	proc_switch(WORKER);
	log_redirect(note_line);
}

static void end(void)
{
	log_redirect(NULL);
	shm_destroy();
}

static enum db_state state(void)
{
	struct db_presence p;

	db_presence(&p);
	return p.state;
}

TEST(one_of_all_says_that_it_is_away_and_the_last_one_that_it_is_back)
{
	begin(NULL, true);
	CHECK_INT(state(), DB_THERE);
	for (unsigned i = 0; i < 3; i++)
		presence_lacks(DB_READS, ERR_IO, "nobody answers");
	proc_switch(OTHER);
	presence_lacks(DB_READS, ERR_IO, "nobody answers");
	CHECK(says(1, "nobody answers") && strstr(t.last, "503"));
	CHECK_INT(state(), DB_AWAY);
	presence_has(DB_READS);
	presence_has(DB_READS);
	CHECK_INT(t.lines, 1);
	proc_switch(WORKER);
	presence_has(DB_READS);
	CHECK(says(2, "is back"));
	CHECK_INT(state(), DB_THERE);
	end();
}

TEST(what_began_without_it_is_back_when_all_have_it)
{
	struct db_presence p;

	begin("nobody answers", false);
	CHECK(presence_unseen());
	presence_lacks(DB_READS, ERR_IO, "nobody answers");
	db_presence(&p);
	CHECK_INT(p.processes, 3);
	CHECK_INT(t.lines, 0);		/* said at the start */
	presence_seen();
	CHECK(!presence_unseen());
	for (unsigned slot = WORKER; slot < SLOTS; slot++) {
		proc_switch(slot);
		CHECK_INT(t.lines, 0);
		presence_has(DB_READS);
	}
	CHECK(says(1, "is back"));
	end();
}

TEST(that_waiting_will_not_help_is_said_as_well)
{
	begin(NULL, true);
	presence_lacks(DB_READS, ERR_IO, "nobody answers");
	presence_lacks(DB_READS, ERR_STATE, "it has schema 0");
	presence_lacks(DB_READS, ERR_IO, "nobody answers");
	presence_lacks(DB_READS, ERR_STATE, "it has schema 0");
	CHECK(says(2, "schema 0"));
	CHECK_INT(state(), DB_UNFIT);
	presence_has(DB_READS);
	CHECK_INT(t.lines, 3);
	end();
}

TEST(the_rest_goes_without_saying_while_nothing_can_be_read)
{
	begin(NULL, true);
	presence_lacks(DB_WRITES, ERR_IO, "nobody answers");	/* it is the first to notice */
	presence_lacks(DB_NEWS, ERR_IO, "nobody answers");
	presence_lacks(DB_READS, ERR_IO, "nobody answers");
	presence_lacks(DB_WRITES, ERR_IO, "nobody answers");
	presence_lacks(DB_NEWS, ERR_IO, "nobody answers");
	CHECK_INT(t.lines, 1);
	presence_has(DB_READS);
	presence_has(DB_NEWS);
	CHECK_INT(t.lines, 2);
	presence_lacks(DB_WRITES, ERR_IO, "the disk is full");
	CHECK(says(3, "cannot be written: the disk is full"));
	CHECK_INT(state(), DB_AWAY);
	presence_has(DB_WRITES);
	CHECK(says(4, "written again"));
	end();
}
