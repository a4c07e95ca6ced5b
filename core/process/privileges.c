#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process/process.h"

static enum err no_such(const char *kind, const char *name, char *why, size_t cap)
{
	snprintf(why, cap, "there is no %s `%s` on this system: create it or change the setting `%s`", kind, name, kind);
	return ERR_NOT_FOUND;
}

enum err privileges_drop(const char *user, const char *group, char *why, size_t cap)
{
	const struct passwd *pw = user ? getpwnam(user) : NULL;
	const struct group  *gr = group ? getgrnam(group) : NULL;
	gid_t                gid;

	if (user && !pw)
		return no_such("user", user, why, cap);
	if (group && !gr)
		return no_such("group", group, why, cap);
	if (!pw && !gr)
		return OK;
	gid = gr ? gr->gr_gid : pw ? pw->pw_gid : getgid();
	if ((pw && initgroups(user, gid)) || setresgid(gid, gid, gid) || (pw && setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))) {
		snprintf(why, cap, "cannot become user `%s`: %s; start as root, or leave the setting `user` out", user ? user : "-", strerror(errno));
		return ERR_IO;
	}
	if (pw && setenv("HOME", pw->pw_dir, 1)) {	/* libpq looks there for the passfile and certificates */
		snprintf(why, cap, "out of memory");
		return ERR_NOMEM;
	}
	return OK;
}
