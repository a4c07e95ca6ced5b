#include "process/checker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "script/change.h"
#include "shm/shm.h"

enum { MOST_MEMORY = 512 << 20, MOST_OUTCOME = 32 << 20, LATE_MS = 60 * 1000 };

static struct {
	struct loop   *loop;
	pid_t          pid;		/* 0: none is at work */
	struct loop_fd pipe;
	struct timer   late;
	checker_done  *done;
	char          *text;
	size_t         len, room;
} own;

/* --- the child --- */

static void put_version(struct json_out *o, const struct script *s, const struct version *old)
{
	struct version v = old ? *old : (struct version){ 0 };
	struct str     image = old ? STR_NONE : script_image(s, o->arena);

	if (!old && (!image.p || version_store(image, &v)))
		return;		/* without a place it is not taken */
	json_put_int(o, "place", v.place);
	json_put_int(o, "bytes", (int64_t)v.bytes);
	json_put_text(o, "digest", str_of(v.digest));
}

static struct str check(struct arena *a, const struct version *v, bool colour)
{
	struct str            report = STR("no memory\n"), diagnostics = STR_NONE;
	struct script_options so = versions_options();
	struct json_out       o = json_into(a);
	struct change_base   *base = change_begin(a);
	struct script        *s = NULL;
	char                  why[300] = "";
	bool                  good;

	so.colour = colour;
	so.diagnostics = &diagnostics;
	if (base)
		s = v ? version_check(v, &so, a, &report) : script_load(versions_file(), &so, a, &report);
	good = s && !script_apply(s, why, sizeof(why));
	if (s && !good)
		report = script_refused(s, why, &so, a);
	json_open_object(&o, NULL);
	json_put_bool(&o, "good", good);
	json_put_text(&o, "report", report);
	json_put_json(&o, "diagnostics", diagnostics.len ? diagnostics : STR("[]"));
	if (good && !change_write(base, s, &o))
		put_version(&o, s, v);
	json_close_object(&o);
	return json_done(&o);
}

static void child(int fd, const struct version *v, bool colour)
{
	struct arena a;
	struct str   out;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() == 1)
		_exit(1);
	shm_leave();
	arena_init(&a, NULL, 0, MOST_MEMORY);
	out = check(&a, v, colour);
	while (out.len) {
		ssize_t n = write(fd, out.p, out.len);

		if (n <= 0)
			_exit(1);
		out = str_from(out, (size_t)n);
	}
	_exit(out.p ? 0 : 1);
}

/* --- the control process --- */

static void over(bool in_time)
{
	checker_done *done = own.done;
	char         *text = own.text;
	int           status = -1;

	loop_remove(own.loop, &own.pipe);
	close(own.pipe.fd);
	wheel_disarm(&own.late);
	if (!in_time)
		kill(own.pid, SIGKILL);
	while (waitpid(own.pid, &status, 0) < 0 && errno == EINTR)
		;
	own.pid = 0;
	own.text = NULL;
	done(in_time && status == 0 ? str_n(text, own.len) : STR_NONE);
	free(text);
}

static void on_late(struct timer *t)
{
	(void)t;
	over(false);
}

static bool more_room(void)
{
	size_t room = own.room ? own.room * 2 : 65536;
	char  *more = room <= MOST_OUTCOME ? realloc(own.text, room) : NULL;

	if (!more)
		return false;
	own.text = more;
	own.room = room;
	return true;
}

static void on_pipe(struct loop_fd *f, uint32_t events)
{
	ssize_t n;

	(void)events;
	if (own.len == own.room && !more_room()) {
		over(false);
		return;
	}
	n = read(f->fd, own.text + own.len, own.room - own.len);
	if (n > 0)
		own.len += (size_t)n;
	else if (n == 0)
		over(true);
	else if (errno != EAGAIN && errno != EINTR)
		over(false);
}

enum err checker_start(struct loop *l, const struct version *v, bool colour, checker_done *done)
{
	int fd[2];

	if (own.pid)
		return ERR_STATE;
	if (pipe2(fd, O_CLOEXEC))
		return ERR_IO;
	own.loop = l;
	own.done = done;
	own.len = own.room = 0;
	own.pipe = (struct loop_fd){ .fd = fd[0], .fn = on_pipe };
	own.pid = loop_add(l, &own.pipe, EPOLLIN) ? -1 : fork();
	if (own.pid == 0)
		child(fd[1], v, colour);
	close(fd[1]);
	if (own.pid < 0) {
		loop_remove(l, &own.pipe);
		close(fd[0]);
		own.pid = 0;
		return ERR_IO;
	}
	timer_init(&own.late, on_late);
	wheel_arm(loop_wheel(l), &own.late, clock_ms() + LATE_MS);
	return OK;
}

void checker_stop(void)
{
	if (own.pid)
		kill(own.pid, SIGKILL);
}
