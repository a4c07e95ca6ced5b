#include "process/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/json.h"
#include "process/methods.h"
#include "process/reload.h"

enum {
	MOST_CLIENTS = 64,
	MOST_WORK_BYTES = 64 << 20,	/* for one answer */
	SLOW_MS = 10 * 1000,		/* with half a request sent or half an answer read, and nothing happening */
	QUIET_MS = 10 * 60 * 1000,	/* between requests, and while an answer is being made */
	MOST_ID = 128,			/* bytes of the id of a request that is answered later */
};

struct client {
	struct loop_fd fd;
	struct list    link;
	struct timer   patience;
	bool           ended;		/* will send no more */
	bool           waits;		/* for the end of a reload; no request is read meanwhile */
	char           id[MOST_ID];	/* of that request, empty: a notification */
	char          *out;		/* an answer being sent; no request is read meanwhile */
	size_t         out_len, out_at;
	size_t         in_len;
	char           in[RPC_MOST_REQUEST];
};

static struct {
	struct loop       *loop;	/* NULL: not started */
	struct loop_fd     door;
	struct sockaddr_un at;
	struct list        clients;
	unsigned           count;
	bool               booted;
} ctl;

static void client_close(struct client *c)
{
	reload_forget(c);
	loop_remove(ctl.loop, &c->fd);
	close(c->fd.fd);
	wheel_disarm(&c->patience);
	list_remove(&c->link);
	ctl.count--;
	free(c->out);
	free(c);
}

static void on_impatient(struct timer *t)
{
	client_close(CONTAINER(t, struct client, patience));
}

static void be_patient(struct client *c)
{
	uint64_t ms = c->out || (c->in_len && !c->waits) ? SLOW_MS : QUIET_MS;

	wheel_disarm(&c->patience);
	wheel_arm(loop_wheel(ctl.loop), &c->patience, clock_ms() + ms);
}

/* False: the client is gone. */
static bool flush(struct client *c)
{
	while (c->out && c->out_at < c->out_len) {
		ssize_t n = send(c->fd.fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	return true;
}

static bool reply(struct client *c, struct str text)
{
	if (!text.p)
		return false;
	if (!text.len)
		return true;
	c->out = malloc(text.len);
	if (!c->out)
		return false;
	memcpy(c->out, text.p, text.len);
	c->out_len = text.len;
	c->out_at = 0;
	return flush(c);
}

/* --- reload and rollback: answered when they have ended --- */

static void go_on(struct client *c);

static void reload_ended(void *arg, bool changed, struct str message, struct str data)
{
	struct client *c = arg;
	struct arena   a;
	struct str     line = STR("");

	arena_init(&a, NULL, 0, MOST_WORK_BYTES);
	if (c->id[0])
		line = changed ? rpc_result(&a, str_of(c->id), data) : rpc_error(&a, str_of(c->id), RPC_FAILED, message, data);
	c->waits = false;
	if (reply(c, line))
		go_on(c);
	else
		client_close(c);
	arena_free(&a);
}

static bool begin_reload(struct client *c, struct arena *a, enum reload_what what, struct str params, struct str id)
{
	char         why[256];
	struct json *j = json_read(params, why, sizeof(why));
	bool         colour = json_bool(json_get(j, "colour"), false);

	json_free(j);
	if (!str_cstr(id, c->id, sizeof(c->id)))
		return reply(c, rpc_error(a, id, RPC_INVALID_REQUEST, STR("the id is too long"), STR_NONE));
	if (reload_begin(what, colour, reload_ended, c, why, sizeof(why)))
		return !id.len || reply(c, rpc_error(a, id, RPC_FAILED, str_of(why), STR_NONE));
	c->waits = true;
	return true;
}

static bool answer(struct client *c, struct str line)
{
	struct arena a;
	struct str   params, id, method;
	bool         good = true;

	arena_init(&a, NULL, 0, MOST_WORK_BYTES);
	line = str_trim(line);
	method = line.len ? rpc_method_of(&a, line, &params, &id) : STR_NONE;
	if (str_is(method, "core.reload") || str_is(method, "core.rollback"))
		good = begin_reload(c, &a, str_is(method, "core.reload") ? RELOAD_FILE : RELOAD_BACK, params, id);
	else if (line.len)
		good = reply(c, rpc_answer(&a, line, methods_run));
	arena_free(&a);
	return good;
}

static bool refuse_long(struct client *c)
{
	struct arena a;
	bool         good;

	arena_init(&a, NULL, 0, MOST_WORK_BYTES);
	good = reply(c, rpc_refusal(&a, RPC_INVALID_REQUEST, "a request may have 65536 bytes"));
	arena_free(&a);
	c->in_len = 0;
	c->ended = true;
	return good;
}

/* Answer what is complete, until an answer cannot be sent at once. */
static bool work(struct client *c)
{
	while (!c->out && !c->waits && c->in_len) {
		ptrdiff_t end = str_find(str_n(c->in, c->in_len), '\n');
		size_t    used = end < 0 ? c->in_len : (size_t)end + 1;

		if (end < 0 && c->in_len == sizeof(c->in))
			return refuse_long(c);
		if (end < 0 && !c->ended)
			return true;
		if (!answer(c, str_n(c->in, used)))
			return false;
		c->in_len -= used;
		memmove(c->in, c->in + used, c->in_len);
	}
	return true;
}

static bool receive(struct client *c)
{
	ssize_t n = recv(c->fd.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	if (n == 0)
		c->ended = true;
	c->in_len += (size_t)n;
	return true;
}

/* After whatever has happened to it. */
static void go_on(struct client *c)
{
	bool good = work(c) && (!c->ended || c->out || c->waits);

	if (good && !loop_change(ctl.loop, &c->fd, c->out ? EPOLLOUT : c->waits ? 0 : EPOLLIN))
		be_patient(c);
	else
		client_close(c);
}

static void on_client(struct loop_fd *f, uint32_t events)
{
	struct client *c = CONTAINER(f, struct client, fd);
	bool           good = true;

	if (events & EPOLLOUT)
		good = flush(c);
	else if (c->waits)
		good = false;		/* it hung up */
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		good = receive(c);
	if (good)
		go_on(c);
	else
		client_close(c);
}

static void on_door(struct loop_fd *f, uint32_t events)
{
	int            fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c;

	(void)events;
	if (fd < 0)
		return;
	c = ctl.count < MOST_CLIENTS ? malloc(sizeof(*c)) : NULL;	/* malloc: `in` need not be touched */
	if (!c) {
		log_warn(NULL, "control channel is full clients=%u", ctl.count);
		close(fd);
		return;
	}
	c->fd = (struct loop_fd){ .fd = fd, .fn = on_client };
	c->ended = c->waits = false;
	c->out = NULL;
	c->out_len = c->out_at = c->in_len = 0;
	timer_init(&c->patience, on_impatient);
	if (loop_add(ctl.loop, &c->fd, EPOLLIN)) {
		close(fd);
		free(c);
		return;
	}
	list_append(&ctl.clients, &c->link);
	ctl.count++;
	be_patient(c);
}

/* --- the door --- */

static bool somebody_answers(void)
{
	int  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (struct sockaddr *)&ctl.at, sizeof(ctl.at));

	if (fd >= 0)
		close(fd);
	return yes;
}

static int bind_private(int fd)
{
	mode_t before = umask(0177);	/* from its first instant nobody else may open it */
	int    bad = bind(fd, (struct sockaddr *)&ctl.at, sizeof(ctl.at));

	umask(before);
	return bad;
}

static enum err set_address(const char *path, char *why, size_t cap)
{
	ctl.at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (str_cstr(str_of(path), ctl.at.sun_path, sizeof(ctl.at.sun_path)))
		return OK;
	snprintf(why, cap, "control socket %s: the path is longer than %zu bytes", path, sizeof(ctl.at.sun_path) - 1);
	return ERR_LIMIT;
}

/* There is a file of that name: may it be replaced? */
static enum err check_old(char *why, size_t cap)
{
	struct stat st;
	const char *path = ctl.at.sun_path;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode)) {
		snprintf(why, cap, "control socket %s: there is another file of that name; remove it or choose another name", path);
		return ERR_EXISTS;
	}
	if (somebody_answers()) {
		snprintf(why, cap, "another server answers at %s: stop it, or choose another control socket", path);
		return ERR_EXISTS;
	}
	return OK;
}

static enum err open_door(int fd, char *why, size_t cap)
{
	const char *path = ctl.at.sun_path;
	enum err    err;

	if (!bind_private(fd))
		return OK;
	if (errno != EADDRINUSE) {
		snprintf(why, cap, "control socket %s: %s; check that its folder exists and may be written", path, strerror(errno));
		return ERR_IO;
	}
	err = check_old(why, cap);
	if (err)
		return err;
	if (unlink(path) || bind_private(fd)) {
		snprintf(why, cap, "control socket %s: %s", path, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

void control_boot(void)
{
	methods_set_start(clock_unix());
	ctl.booted = true;
}

enum err control_check(const char *path, char *why, size_t cap)
{
	char     folder[sizeof(ctl.at.sun_path)];
	char    *slash;
	enum err err = set_address(path, why, cap);

	if (err)
		return err;
	memcpy(folder, ctl.at.sun_path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (slash)
		slash[1] = '\0';
	if (access(slash ? folder : ".", W_OK | X_OK)) {
		snprintf(why, cap, "control socket %s: %s; make the folder or change `control`", path, strerror(errno));
		return ERR_IO;
	}
	return access(path, F_OK) ? OK : check_old(why, cap);
}

void control_reload(void)
{
	char why[256];

	if (reload_begin(RELOAD_FILE, false, NULL, NULL, why, sizeof(why)))
		log_warn(NULL, "reload on SIGHUP: %s", why);
}

enum err control_start(struct loop *l, const char *path, char *why, size_t cap)
{
	enum err err = set_address(path, why, cap);
	int      fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(why, cap, "no socket: %s", strerror(errno));
		return ERR_IO;
	}
	err = open_door(fd, why, cap);
	ctl.door = (struct loop_fd){ .fd = fd, .fn = on_door };
	if (!err && (listen(fd, MOST_CLIENTS) || loop_add(l, &ctl.door, EPOLLIN))) {
		snprintf(why, cap, "control socket %s: %s", path, strerror(errno));
		err = ERR_IO;
	}
	if (err) {
		close(fd);
		return err;
	}
	list_init(&ctl.clients);
	ctl.count = 0;
	ctl.loop = l;
	if (!ctl.booted)
		control_boot();
	return OK;
}

void control_stop(void)
{
	if (!ctl.loop)
		return;
	LIST_EACH_SAFE(struct client, c, &ctl.clients, link)
		client_close(c);
	loop_remove(ctl.loop, &ctl.door);
	close(ctl.door.fd);
	unlink(ctl.at.sun_path);
	ctl.loop = NULL;
}
