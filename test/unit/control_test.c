/* core/process: JSON-RPC 2.0 (https://www.jsonrpc.org/specification) and the control channel on a unix socket. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "module/module.h"
#include "process/control.h"
#include "process/rpc.h"

/* --- the protocol --- */

static int echo(struct arena *a, struct str method, struct str params, struct str *result)
{
	if (str_is(method, "none"))
		return 0;
	if (!str_is(method, "echo")) {
		*result = STR("no \"such\" thing");
		return RPC_NO_METHOD;
	}
	*result = params.len ? arena_dup(a, params) : STR("\"\"");
	return 0;
}

TEST(requests_are_answered_as_the_specification_says)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":[1]}}", "{\"jsonrpc\":\"2.0\",\"result\":{\"a\":[1]},\"id\":1}\n" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\"}", "{\"jsonrpc\":\"2.0\",\"result\":\"\",\"id\":\"x\"}\n" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"none\"}", "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":null}\n" },
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", "" },	/* §4.1 a notification */
		{ "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}", "" },
		{ "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"nothing\"}",
		  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"no \\\"such\\\" thing\"},\"id\":2}\n" },
		{ "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"},{\"jsonrpc\":\"2.0\",\"method\":\"echo\"},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"none\"}]",
		  "[{\"jsonrpc\":\"2.0\",\"result\":\"\",\"id\":1},{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":2}]\n" },	/* §6 */
		{ "[{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}]", "" },
	};
	struct arena a;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str got;

		arena_init(&a, NULL, 0, 1 << 16);
		got = rpc_answer(&a, str_of(rows[i].in), echo);
		CHECK_STR(got, rows[i].want);
		arena_free(&a);
	}
}

TEST(what_is_no_request_is_an_error)
{
	static const struct { const char *in; int code; } rows[] = {
		{ "{", RPC_PARSE_ERROR }, { "hello", RPC_PARSE_ERROR }, { "7", RPC_INVALID_REQUEST }, { "[]", RPC_INVALID_REQUEST }, { "{}", RPC_INVALID_REQUEST },
		{ "{\"id\":1,\"method\":\"echo\"}", RPC_INVALID_REQUEST }, { "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", RPC_INVALID_REQUEST }, { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":7}", RPC_INVALID_REQUEST },
		{ "{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"echo\"}", RPC_INVALID_REQUEST },
	};
	struct arena a;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char         why[128];
		struct json *j;

		arena_init(&a, NULL, 0, 1 << 16);
		j = json_read(rpc_answer(&a, str_of(rows[i].in), echo), why, sizeof(why));
		CHECK_ROW(json_int(json_get(json_get(j, "error"), "code"), 0) == rows[i].code, rows[i].in);
		json_free(j);
		arena_free(&a);
	}
}

TEST(an_answer_that_does_not_fit_into_memory_is_none)
{
	struct arena a;

	arena_init(&a, NULL, 0, 300);
	CHECK(rpc_answer(&a, STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"0123456789012345678901234567890123456789\"]}"), echo).p == NULL);
	arena_free(&a);
}

/* --- the channel --- */

static struct counter calls = { "control_test.calls", "calls in this test", "calls", false, 0 };
static struct counter *const counters[] = { &calls, NULL };

static enum err cmd_big(struct arena *a, struct str params, struct str *result)
{
	struct json_out o = json_into(a);

	(void)params;
	json_open_list(&o, NULL);
	for (int i = 0; i < 100000; i++)
		json_put_int(&o, NULL, i);
	json_close_list(&o);
	*result = json_done(&o);
	return OK;
}

static enum err cmd_fail(struct arena *a, struct str params, struct str *result)
{
	(void)a;
	(void)params;
	*result = STR("\"aor\" is missing");
	return ERR_SYNTAX;
}

static const struct mod_command commands[] = { { "big", cmd_big, "a long list" }, { "fail", cmd_fail, "no success" }, { 0 } };
static const struct module      testing = { .abi = MODULE_ABI, .name = "testing", .help = "a module", .commands = commands,
					    .counters = (struct counter **)counters };

static struct {
	char         folder[64], path[96], why[256];
	struct loop *loop;
} t;

static void begin(void)
{
	enum err err;

	snprintf(t.folder, sizeof(t.folder), "/tmp/sipario-ctl-XXXXXX");
	CHECK(mkdtemp(t.folder));
	snprintf(t.path, sizeof(t.path), "%s/s", t.folder);
	CHECK(!shm_create(16 << 20, 3));
	err = module_register(&testing);
	CHECK(err == OK || err == ERR_EXISTS);
	proc_enter(1, "control");
	t.loop = loop_new();
	CHECK(t.loop);
}

static void end(void)
{
	control_stop();
	loop_free(t.loop);
	shm_destroy();
	CHECK(access(t.path, F_OK) && !rmdir(t.folder));
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", t.path);
	CHECK(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static void turns(int n)
{
	while (n--)
		loop_turn(t.loop, 1);
}

/* What has come within some turns; the length, 0: closed. */
static size_t heard(int fd, char *room, size_t cap)
{
	size_t n = 0;

	for (int i = 0; i < 30; i++) {
		ssize_t got = recv(fd, room + n, cap - 1 - n, 0);

		if (got > 0)
			n += (size_t)got;
		if (n && room[n - 1] == '\n')
			break;
		turns(1);
	}
	room[n] = 0;
	return n;
}

static bool closed(int fd)
{
	char c;

	for (int i = 0; i < 30; i++) {
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return true;
		turns(1);
	}
	return false;
}

static void ask(int fd, const char *line)
{
	CHECK(send(fd, line, strlen(line), 0) == (ssize_t)strlen(line));
}

static bool asks_and_hears(const char *line, const char *part)
{
	static char room[16384];
	int         fd = dial();

	ask(fd, line);
	ask(fd, "\n");
	heard(fd, room, sizeof(room));
	close(fd);
	turns(2);
	if (strstr(room, part))
		return true;
	print_error("%s", room);
	return false;
}

#define Q(method) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\"}"

TEST(the_socket_is_its_owners_only_and_is_removed_at_the_end)
{
	struct stat st;

	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	CHECK(!stat(t.path, &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
	end();
}

TEST(a_socket_left_by_a_dead_server_is_replaced_and_a_live_one_is_not)
{
	static char long_path[200];
	pid_t       pid;
	int         status;
	FILE       *f;

	begin();
	pid = fork();
	if (!pid)
		_exit(control_start(t.loop, t.path, t.why, sizeof(t.why)) ? 1 : 0);
	CHECK(waitpid(pid, &status, 0) == pid && !status && !access(t.path, F_OK));
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	pid = fork();
	if (!pid)
		_exit(control_check(t.path, t.why, sizeof(t.why)) == ERR_EXISTS &&
		      control_start(t.loop, t.path, t.why, sizeof(t.why)) == ERR_EXISTS && strstr(t.why, "another server answers") ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(asks_and_hears(Q("core.status"), "\"result\""));
	control_stop();
	f = fopen(t.path, "w");
	CHECK(f && !fclose(f));
	CHECK_INT(control_start(t.loop, t.path, t.why, sizeof(t.why)), ERR_EXISTS);
	CHECK(strstr(t.why, "another file") && !unlink(t.path));
	CHECK_INT(control_start(t.loop, "/tmp/no-such-folder/s", t.why, sizeof(t.why)), ERR_IO);
	CHECK(strstr(t.why, "folder"));
	memset(long_path, 'x', sizeof(long_path) - 1);
	CHECK_INT(control_start(t.loop, long_path, t.why, sizeof(t.why)), ERR_LIMIT);
	end();
}

TEST(what_a_control_socket_would_stumble_over_is_said_at_the_start)
{
	char text[200];

	begin();
	CHECK(!control_check(t.path, t.why, sizeof(t.why)) && access(t.path, F_OK));
	CHECK_INT(control_check("/tmp/no-such-folder/s", t.why, sizeof(t.why)), ERR_IO);
	CHECK(strstr(t.why, "make the folder"));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	CHECK_INT(control_check(text, t.why, sizeof(t.why)), ERR_LIMIT);
	end();
}

TEST(the_core_and_the_modules_answer)
{
	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	counter_add(&calls, 5);
	CHECK(asks_and_hears(Q("core.status"), "\"role\":\"control\""));
	CHECK(asks_and_hears(Q("core.status"), "\"version\":\"" SIPARIO_VERSION "\""));
	CHECK(asks_and_hears(Q("core.memory"), "\"limit_bytes\":16777216"));
	CHECK(asks_and_hears("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"core.stats\",\"params\":{\"filter\":\"control_test\"}}",
			     "[{\"name\":\"control_test.calls\",\"value\":5,\"unit\":\"calls\",\"kind\":\"counter\",\"help\":\"calls in this test\"}]"));
	CHECK(asks_and_hears(Q("core.methods"), "{\"method\":\"testing.big\",\"help\":\"a long list\"}"));
	CHECK(asks_and_hears(Q("testing.fail"), "{\"code\":-32602,\"message\":\"\\\"aor\\\" is missing\"}"));
	CHECK(asks_and_hears(Q("core.memroy"), "did you mean \\\"core.memory\\\"?"));
	CHECK(asks_and_hears(Q("nonsense"), "core.methods lists them"));
	CHECK(asks_and_hears("nonsense", "-32700"));
	end();
}

TEST(requests_may_come_in_pieces_and_several_at_once)
{
	char room[4096];
	int  fd;

	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	fd = dial();
	ask(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,");
	turns(3);
	ask(fd, "\"method\":\"testing.fail\"}\r\n\n" Q("testing.fail") "\n{\"json");
	CHECK(heard(fd, room, sizeof(room)));
	turns(3);
	heard(fd, room + strlen(room), sizeof(room) - strlen(room));
	CHECK(strchr(room, '\n') && strchr(room, '\n') != strrchr(room, '\n'));
	ask(fd, "rpc\":\"2.0\",\"id\":3,\"method\":\"testing.fail\"}");
	shutdown(fd, SHUT_WR);	/* the last line needs no newline */
	CHECK(heard(fd, room, sizeof(room)) && strstr(room, "\"id\":3"));
	CHECK(closed(fd));
	close(fd);
	end();
}

TEST(a_request_that_is_too_long_is_refused)
{
	static char half[32768];
	char        room[4096];
	int         fd;

	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	fd = dial();
	memset(half, ' ', sizeof(half) - 1);
	for (int i = 0; i < 3; i++) {
		ask(fd, half);
		turns(2);
	}
	CHECK(heard(fd, room, sizeof(room)) && strstr(room, "65536 bytes"));
	CHECK(closed(fd));
	close(fd);
	end();
}

static struct {
	uint64_t ms;
} fake;

static uint64_t fake_ms(void)
{
	return fake.ms;
}

static int64_t fake_us(void)
{
	return 1700000000000000;
}

static void time_passes(uint64_t ms)
{
	for (uint64_t stop = fake.ms + ms; fake.ms < stop; fake.ms += 1000)
		turns(1);
}

TEST(a_client_that_does_not_read_is_cut_off_and_hinders_nobody)
{
	static const struct clock_source manual = { fake_ms, fake_us };
	int                              slow, half, quiet;
	char                             c;

	fake.ms = 1000;
	clock_replace(&manual);
	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	slow = dial();
	half = dial();
	quiet = dial();
	ask(half, "{\"jsonrpc\"");
	for (int i = 0; i < 8; i++)
		ask(slow, Q("testing.big") "\n");
	turns(10);
	CHECK(asks_and_hears(Q("core.status"), "\"result\""));
	time_passes(11000);
	CHECK(closed(half));
	CHECK(recv(quiet, &c, 1, 0) < 0);	/* it owes nothing */
	time_passes(600000);
	CHECK(closed(quiet));
	close(slow);
	close(half);
	close(quiet);
	end();
	clock_replace(NULL);
}

TEST(clients_over_the_bound_are_turned_away)
{
	enum { MANY = 80 };
	int fd[MANY];
	int turned_away = 0;

	begin();
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	log_set_level(LOG_ERROR);
	for (int i = 0; i < MANY; i++) {
		fd[i] = dial();
		turns(1);
	}
	turns(20);
	for (int i = 0; i < MANY; i++) {
		char c;

		turned_away += recv(fd[i], &c, 1, 0) == 0;
		close(fd[i]);
	}
	CHECK_INT(turned_away, MANY - 64);
	log_set_level(LOG_INFO);
	turns(80);
	CHECK(asks_and_hears(Q("core.status"), "\"result\""));
	end();
}

/* In a process of its own, since rpc_call() waits. */
static int called(const char *method, enum err want, const char *part)
{
	char         why[256] = "";
	struct arena a;
	struct str   result = STR_NONE;
	enum err     err;
	bool         good;

	arena_init(&a, NULL, 0, 16 << 20);
	err = rpc_call(t.path, method, STR("{}"), &a, &result, why, sizeof(why));
	good = err == want && (err ? strstr(why, part) != NULL : str_find_str(result, str_of(part)) >= 0);
	if (!good)
		fprintf(stderr, "%s: %s %s\n", method, err_name(err), why);
	arena_free(&a);
	return good ? 0 : 1;
}

TEST(the_client_calls_and_reads_long_answers)
{
	static const struct { const char *method; enum err want; const char *part; } rows[] = {
		{ "core.status", OK, "\"schema\":6" },
		{ "testing.big", OK, "99998,99999]" },
		{ "testing.fail", ERR_STATE, "\"aor\" is missing" },
		{ "no.such", ERR_STATE, "no method" },
	};

	begin();
	CHECK_INT(called("core.status", ERR_NOT_FOUND, "no server answers at"), 0);
	CHECK(!control_start(t.loop, t.path, t.why, sizeof(t.why)));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int   status = -1;
		pid_t pid = fork();

		if (!pid)
			_exit(called(rows[i].method, rows[i].want, rows[i].part));
		for (int n = 0; n < 60000 && waitpid(pid, &status, WNOHANG) == 0; n++)
			turns(1);
		CHECK_ROW(status == 0, rows[i].method);
	}
	end();
}
