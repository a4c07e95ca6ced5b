#include "modules/cdr/cdr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of lines, numbered; the last one is written, the first one read. One that has been read to its end is removed, or, where it is the one being
 * written, emptied. A process never goes on with a segment of its predecessor, whose last line may be torn. */
enum { SEGMENT_BYTES = 1 << 20, MOST_PATH = 300 };

/* --- the folder --- */

static bool make_folders(const char *path)
{
	char  room[256];
	char *slash;

	snprintf(room, sizeof(room), "%s", path);
	for (slash = strchr(room + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(room, 0755) && errno != EEXIST)
			return false;
		*slash = '/';
	}
	return !mkdir(room, 0700) || errno == EEXIST;
}

enum err spool_folder(struct str path, char *why, size_t cap)
{
	char        room[256];
	struct stat st;

	if (!path.len || !str_cstr(path, room, sizeof(room))) {
		snprintf(why, cap, "spool = \"" STR_FMT "\": write the path of a folder, of at most 255 bytes", STR_ARG(str_to(path, 80)));
		return ERR_SYNTAX;
	}
	if (!make_folders(room) || stat(room, &st)) {
		snprintf(why, cap, "spool folder %s cannot be made: %s; make it for this server's user, or change spool", room, strerror(errno));
		return ERR_IO;
	}
	if (S_ISDIR(st.st_mode) && !access(room, R_OK | W_OK | X_OK))
		return OK;
	snprintf(why, cap, "spool folder %s: %s; give it to this server's user (mode 700), or change spool", room,
		 S_ISDIR(st.st_mode) ? strerror(errno) : "it is no folder");
	return ERR_IO;
}

static void segment_path(const char *folder, uint64_t number, char room[MOST_PATH])
{
	snprintf(room, MOST_PATH, "%s/%010llu.cdr", folder, (unsigned long long)number);
}

/* The number in a segment's name; 0: it is another file. */
static uint64_t number_of(const char *name)
{
	struct str rest = str_of(name);
	uint64_t   n;

	return str_ends(rest, STR(".cdr")) && str_u64(str_to(rest, rest.len - 4), &n) ? n : 0;
}

/* Numbers of the segments there are, first and last; 0 where there are none. */
static enum err look(const char *folder, uint64_t *first, uint64_t *last)
{
	DIR           *d = opendir(folder);
	struct dirent *e;

	if (!d)
		return ERR_IO;
	*first = *last = 0;
	while ((e = readdir(d))) {
		uint64_t n = number_of(e->d_name);

		if (n && (!*first || n < *first))
			*first = n;
		if (n > *last)
			*last = n;
	}
	closedir(d);
	return OK;
}

static uint64_t size_of(const char *folder, uint64_t number)
{
	char        path[MOST_PATH];
	struct stat st;

	segment_path(folder, number, path);
	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* --- opening --- */

static enum err take_lock(struct spool *s, char *why, size_t cap)
{
	char path[MOST_PATH];

	snprintf(path, sizeof(path), "%s/lock", s->folder);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		snprintf(why, cap, "%s: %s; see the setting spool", path, strerror(errno));
		return ERR_IO;
	}
	if (!flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return OK;
	snprintf(why, cap, "%s: another server writes there; give each its own spool", s->folder);
	return ERR_EXISTS;
}

enum err spool_open(struct spool *s, struct str path, char *why, size_t cap)
{
	enum err err;

	*s = (struct spool){ .lock_fd = -1, .fd = -1, .segment_bytes = SEGMENT_BYTES };
	err = spool_folder(path, why, cap);
	if (err)
		return err;
	(void)str_cstr(path, s->folder, sizeof(s->folder));
	err = take_lock(s, why, cap);
	if (!err && look(s->folder, &s->first, &s->last)) {
		snprintf(why, cap, "spool folder %s: %s", s->folder, strerror(errno));
		err = ERR_IO;
	}
	if (err) {
		spool_close(s);
		return err;
	}
	for (uint64_t n = s->first; n && n <= s->last; n++)
		s->bytes += size_of(s->folder, n);
	s->begun = ++s->last;
	if (!s->first)
		s->first = s->last;
	return OK;
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->fd = s->lock_fd = -1;
}

/* --- writing --- */

/* The name of a new file is on the disk when its folder is. */
static bool sync_folder(const char *folder)
{
	int  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return good;
}

static void leave_segment(struct spool *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	s->last++;
	s->written = 0;
}

static bool begin_segment(struct spool *s)
{
	char path[MOST_PATH];

	if (s->fd >= 0 && s->written >= s->segment_bytes)
		leave_segment(s);
	if (s->fd >= 0)
		return true;
	segment_path(s->folder, s->last, path);
	s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	s->written = 0;
	return s->fd >= 0 && sync_folder(s->folder);
}

static bool write_all(int fd, struct str text)
{
	while (text.len) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = str_from(text, (size_t)n);
	}
	return true;
}

enum err spool_append(struct spool *s, struct str lines)
{
	if (s->bytes + lines.len > cdr_cfg.spool_limit)
		return ERR_LIMIT;
	if (!begin_segment(s))
		return ERR_IO;
	if (!write_all(s->fd, lines) || fdatasync(s->fd)) {
		int why = errno;

		/* What is there may be part of a line, or may not be on the disk at all: it is written again, in another place. */
		if (ftruncate(s->fd, (off_t)s->written) || s->written)
			leave_segment(s);
		errno = why;
		return ERR_IO;
	}
	s->written += lines.len;
	s->bytes += lines.len;
	return OK;
}

/* --- reading --- */

static ssize_t read_at(const char *folder, uint64_t number, uint64_t at, char *room, size_t cap)
{
	char    path[MOST_PATH];
	int     fd;
	ssize_t n;

	segment_path(folder, number, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = pread(fd, room, cap, (off_t)at);
	close(fd);
	return n;
}

static size_t whole_lines(const char *room, size_t n)
{
	while (n && room[n - 1] != '\n')
		n--;
	return n;
}

static void forget_segment(struct spool *s)
{
	char     path[MOST_PATH];
	uint64_t size = size_of(s->folder, s->first);

	segment_path(s->folder, s->first, path);
	(void)unlink(path);
	s->bytes -= size < s->bytes ? size : s->bytes;
	s->first++;
	s->read_at = 0;
}

/* Up to what has been synced, of the one being written. */
static size_t readable(const struct spool *s, size_t cap)
{
	if (s->first < s->last)
		return cap;
	return s->written - s->read_at < cap ? (size_t)(s->written - s->read_at) : cap;
}

bool spool_has_more(const struct spool *s)
{
	return readable(s, 1) > 0;
}

enum err spool_read(struct spool *s, char *room, size_t cap, struct str *out)
{
	ssize_t n;
	size_t  whole;

	*out = STR_NONE;
	while (readable(s, cap)) {
		n = read_at(s->folder, s->first, s->read_at, room, readable(s, cap));
		if (n < 0)
			return ERR_IO;
		whole = whole_lines(room, (size_t)n);
		if (whole) {
			*out = str_n(room, whole);
			return OK;
		}
		if (s->first == s->last) {
			errno = ENODATA;	/* somebody else has cut what we wrote */
			return ERR_IO;
		}
		if (n)
			s->torn++;	/* when its writer died */
		forget_segment(s);
	}
	return OK;
}

void spool_done(struct spool *s, size_t bytes)
{
	s->read_at += bytes;
	if (s->first < s->last || s->read_at < s->written || s->fd < 0)
		return;
	if (ftruncate(s->fd, 0))
		return;		/* it is read once more after a restart, which changes nothing */
	s->bytes -= s->written < s->bytes ? s->written : s->bytes;
	s->written = s->read_at = 0;
}

/* --- all of it --- */

static void segment_each(const char *folder, uint64_t number, void (*fn)(void *arg, struct str line), void *arg)
{
	char       *room;
	uint64_t    size = size_of(folder, number);
	ssize_t     n;
	struct str  rest;

	room = size ? malloc(size) : NULL;
	n = room ? read_at(folder, number, 0, room, size) : 0;
	rest = str_n(room, whole_lines(room, n > 0 ? (size_t)n : 0));
	while (rest.len)
		fn(arg, str_take_until(&rest, '\n'));
	free(room);
}

void spool_each(struct str path, void (*fn)(void *arg, struct str line), void *arg)
{
	char     folder[256];
	uint64_t first, last;

	if (!str_cstr(path, folder, sizeof(folder)) || look(folder, &first, &last))
		return;
	for (uint64_t n = first; n && n <= last; n++)
		segment_each(folder, n, fn, arg);
}
