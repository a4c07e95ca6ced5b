/* Who the server is once its sockets are open. */
#include "test.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/process.h"

/* libpq looks for the passfile and certificates in HOME: that of the one who started the server cannot be read any more. */
TEST(home_is_that_of_the_user)
{
	const struct passwd *pw = getpwnam("nobody");
	char                 home[256], why[256] = "";
	int                  status = -1;
	pid_t                pid;

	if (getuid() || !pw)
		return;		/* only root may become somebody else */
	snprintf(home, sizeof(home), "%s", pw->pw_dir);
	pid = fork();
	if (!pid)
		_exit(privileges_drop("nobody", NULL, why, sizeof(why)) || getuid() == 0 || strcmp(getenv("HOME"), home) != 0);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(a_user_that_is_not_there_is_named)
{
	char why[256] = "";

	CHECK_INT(privileges_drop("no-such-user", NULL, why, sizeof(why)), ERR_NOT_FOUND);
	CHECK(strstr(why, "no-such-user") && strstr(why, "setting `user`"));
}
