#include "process/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"

enum { MOST_IN_LIST = 64, MOST_ANSWER = 64 << 20, WAIT_S = 10 };

/* --- answers --- */

static void begin_answer(struct json_out *o)
{
	json_open_object(o, NULL);
	json_put_text(o, "jsonrpc", STR("2.0"));
}

static void put_error_data(struct json_out *o, struct str id, int code, struct str message, struct str data)
{
	begin_answer(o);
	json_open_object(o, "error");
	json_put_int(o, "code", code);
	json_put_text(o, "message", message);
	if (data.len)
		json_put_json(o, "data", data);
	json_close_object(o);
	json_put_json(o, "id", id);
	json_close_object(o);
}

static void put_error(struct json_out *o, struct str id, int code, struct str message)
{
	put_error_data(o, id, code, message, STR_NONE);
}

static void put_result(struct json_out *o, struct str id, struct str result)
{
	begin_answer(o);
	json_put_json(o, "result", result.len ? result : STR("null"));
	json_put_json(o, "id", id);
	json_close_object(o);
}

static bool id_ok(const struct json *id)
{
	enum json_kind k = json_kind(id);

	return k == JSON_IS_NONE || k == JSON_IS_NULL || k == JSON_IS_INT || k == JSON_IS_TEXT;
}

static bool request_ok(const struct json *q)
{
	enum json_kind params = json_kind(json_get(q, "params"));

	return json_kind(q) == JSON_IS_OBJECT && str_is(json_text(json_get(q, "jsonrpc")), "2.0") && json_text(json_get(q, "method")).len &&
	       (params == JSON_IS_NONE || params == JSON_IS_OBJECT || params == JSON_IS_LIST) && id_ok(json_get(q, "id"));
}

/* One request. Without an id it is a notification: done, not answered (§4.1). */
static void answer_one(struct json_out *o, const struct json *q, rpc_method *run)
{
	const struct json *id = json_get(q, "id"), *params = json_get(q, "params");
	struct str         id_text = id && id_ok(id) ? json_dump(o->arena, id, false) : STR("null");
	struct str         text = params ? json_dump(o->arena, params, false) : STR_NONE, result = STR_NONE;
	int                code = RPC_INTERNAL;

	if (!request_ok(q)) {
		put_error(o, id_text, RPC_INVALID_REQUEST,
			  STR("not a JSON-RPC 2.0 request: expected {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"…\"}"));
		return;
	}
	if (!params || text.p)
		code = run(o->arena, json_text(json_get(q, "method")), text, &result);
	if (!id)
		return;
	if (code) {
		put_error(o, id_text, code, result.len ? result : STR("out of memory"));
		return;
	}
	put_result(o, id_text, result);
}

static void answer_list(struct json_out *o, const struct json *list, rpc_method *run)
{
	size_t before;

	if (!json_count(list) || json_count(list) > MOST_IN_LIST) {
		put_error(o, STR("null"), RPC_INVALID_REQUEST, STR("a list must have 1 to 64 requests"));
		return;
	}
	json_open_list(o, NULL);
	before = o->len;
	for (size_t i = 0; i < json_count(list); i++)
		answer_one(o, json_at(list, i), run);
	if (o->len == before)
		o->len = 0;	/* notifications only: nothing at all is sent (§6) */
	else
		json_close_list(o);
}

static struct str line_of(const struct json_out *o)
{
	struct str s = json_done(o);

	return s.len ? arena_printf(o->arena, STR_FMT "\n", STR_ARG(s)) : s;
}

struct str rpc_refusal(struct arena *a, int code, const char *message)
{
	struct json_out o = json_into(a);

	put_error(&o, STR("null"), code, str_of(message));
	return line_of(&o);
}

struct str rpc_answer(struct arena *a, struct str line, rpc_method *run)
{
	struct json_out o = json_into(a);
	char            why[256];
	struct json    *q = json_read(line, why, sizeof(why));

	if (!q)
		return rpc_refusal(a, RPC_PARSE_ERROR, why);
	if (json_kind(q) == JSON_IS_LIST)
		answer_list(&o, q, run);
	else
		answer_one(&o, q, run);
	json_free(q);
	return o.len || o.failed ? line_of(&o) : STR("");
}

struct str rpc_method_of(struct arena *a, struct str line, struct str *params, struct str *id)
{
	char         why[128];
	struct json *q = json_read(line, why, sizeof(why));
	struct str   method = STR_NONE;

	if (q && request_ok(q)) {
		method = arena_dup(a, json_text(json_get(q, "method")));
		*params = json_get(q, "params") ? json_dump(a, json_get(q, "params"), false) : STR_NONE;
		*id = json_get(q, "id") ? json_dump(a, json_get(q, "id"), false) : STR_NONE;
	}
	json_free(q);
	return method;
}

struct str rpc_result(struct arena *a, struct str id, struct str result)
{
	struct json_out o = json_into(a);

	put_result(&o, id, result);
	return line_of(&o);
}

struct str rpc_error(struct arena *a, struct str id, int code, struct str message, struct str data)
{
	struct json_out o = json_into(a);

	put_error_data(&o, id, code, message, data);
	return line_of(&o);
}

/* --- the other side --- */

static enum err reach(const char *path, unsigned seconds, int *fd, char *why, size_t cap)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval     wait = { .tv_sec = seconds };

	if (!str_cstr(str_of(path), a.sun_path, sizeof(a.sun_path))) {
		snprintf(why, cap, "control socket %s: the path is longer than %zu bytes", path, sizeof(a.sun_path) - 1);
		return ERR_SYNTAX;
	}
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0) {
		snprintf(why, cap, "no socket: %s", strerror(errno));
		return ERR_IO;
	}
	(void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (!connect(*fd, (struct sockaddr *)&a, sizeof(a)))
		return OK;
	if (errno == ENOENT || errno == ECONNREFUSED) {
		snprintf(why, cap, "no server answers at %s: start it, or name its control socket with --socket", path);
		return ERR_NOT_FOUND;
	}
	snprintf(why, cap, "control socket %s: %s", path, strerror(errno));
	return ERR_IO;
}

static enum err failed(char *why, size_t cap)
{
	bool late = errno == EAGAIN || errno == EWOULDBLOCK;

	snprintf(why, cap, late ? "the server did not answer in time" : "the server broke off the connection");
	return late ? ERR_TIMEOUT : ERR_IO;
}

static enum err send_all(int fd, struct str s, char *why, size_t cap)
{
	while (s.len) {
		ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);

		if (n < 0)
			return failed(why, cap);
		s = str_from(s, (size_t)n);
	}
	return OK;
}

/* Up to the newline, in malloc'ed memory. */
static enum err receive_line(int fd, char **text, size_t *len, char *why, size_t cap)
{
	size_t room = 0;

	for (*text = NULL, *len = 0;;) {
		ssize_t n;

		if (*len == room) {
			char *more = room < MOST_ANSWER ? realloc(*text, room = room ? room * 2 : 16384) : NULL;

			if (!more) {
				snprintf(why, cap, "the answer is too large");
				return ERR_LIMIT;
			}
			*text = more;
		}
		n = recv(fd, *text + *len, room - *len, 0);
		if (n <= 0) {
			errno = n ? errno : ECONNRESET;
			return failed(why, cap);
		}
		*len += (size_t)n;
		if ((*text)[*len - 1] == '\n')
			return OK;
	}
}

static enum err take_result(struct arena *a, struct str text, struct str *result, char *why, size_t cap)
{
	char         words[256];
	struct json *j = json_read(text, words, sizeof(words));
	enum err     err = OK;

	if (json_get(j, "result")) {
		*result = json_dump(a, json_get(j, "result"), false);
		if (!result->p)
			err = ERR_NOMEM;
	} else if (json_get(j, "error")) {
		snprintf(why, cap, STR_FMT, STR_ARG(json_text(json_get(json_get(j, "error"), "message"))));
		*result = json_get(json_get(j, "error"), "data") ? json_dump(a, json_get(json_get(j, "error"), "data"), false) : STR_NONE;
		err = ERR_STATE;
	} else {
		snprintf(why, cap, "the server's answer is not JSON-RPC");
		err = ERR_IO;
	}
	json_free(j);
	return err;
}

enum err rpc_call_within(const char *path, unsigned seconds, const char *method, struct str params, struct arena *a, struct str *result,
			 char *why, size_t cap)
{
	struct json_out o = json_into(a);
	char           *text = NULL;
	size_t          len = 0;
	int             fd = -1;
	enum err        err;

	begin_answer(&o);
	json_put_int(&o, "id", 1);
	json_put_text(&o, "method", str_of(method));
	if (params.len)
		json_put_json(&o, "params", params);
	json_close_object(&o);
	*result = STR_NONE;
	err = reach(path, seconds, &fd, why, cap);
	if (!err)
		err = send_all(fd, line_of(&o), why, cap);
	if (!err)
		err = receive_line(fd, &text, &len, why, cap);
	if (!err)
		err = take_result(a, str_n(text, len), result, why, cap);
	free(text);
	if (fd >= 0)
		close(fd);
	return err;
}

enum err rpc_call(const char *path, const char *method, struct str params, struct arena *a, struct str *result, char *why, size_t cap)
{
	return rpc_call_within(path, WAIT_S, method, params, a, result, why, cap);
}
