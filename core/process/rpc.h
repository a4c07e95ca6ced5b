#pragma once
/* JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one JSON text a line. */
#include "base/arena.h"

enum {
	RPC_PARSE_ERROR = -32700, RPC_INVALID_REQUEST = -32600, RPC_NO_METHOD = -32601, RPC_BAD_PARAMS = -32602, RPC_INTERNAL = -32603,
	RPC_FAILED = -32000,		/* the command was understood and did not succeed */
	RPC_MOST_REQUEST = 64 * 1024,	/* bytes of a line */
};

/* Carries out a method. 0, or one of the codes above with a sentence in *result. `params` is JSON, an object or a list; empty: none given. */
typedef int rpc_method(struct arena *a, struct str method, struct str params, struct str *result);

/* The answer to one line (a request, or a list of them), ended by a newline. Empty: there is none to be sent (notifications). .p NULL: no memory. */
MUST_CHECK struct str rpc_answer(struct arena *a, struct str line, rpc_method *run);
/* The answer to what was no request at all. */
MUST_CHECK struct str rpc_refusal(struct arena *a, int code, const char *message);

/* For a method whose answer comes later: the method of a line that is one good request, its params and id (JSON; empty: a notification), in
 * the arena. Empty: rpc_answer() deals with it. */
MUST_CHECK struct str rpc_method_of(struct arena *a, struct str line, struct str *params, struct str *id);
/* The answers then; `data` is JSON, empty: none. */
MUST_CHECK struct str rpc_result(struct arena *a, struct str id, struct str result);
MUST_CHECK struct str rpc_error(struct arena *a, struct str id, int code, struct str message, struct str data);

/* The other side, for programs that may wait: connect to `path`, ask, read the result into the arena. On error `why` is a sentence:
 * ERR_NOT_FOUND: nobody listens there; ERR_STATE: the server's error message; ERR_TIMEOUT; ERR_IO. */
MUST_CHECK enum err rpc_call(const char *path, const char *method, struct str params, struct arena *a, struct str *result,
			     char *why, size_t cap);
/* The same for what may take longer. With ERR_STATE *result is the error's data (JSON), or empty. */
MUST_CHECK enum err rpc_call_within(const char *path, unsigned seconds, const char *method, struct str params, struct arena *a, struct str *result,
				    char *why, size_t cap);
