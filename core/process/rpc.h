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

/* The other side, for programs that may wait: connect to `path`, ask, read the result into the arena. On error `why` is a sentence:
 * ERR_NOT_FOUND: nobody listens there; ERR_STATE: the server's error message; ERR_TIMEOUT; ERR_IO. */
MUST_CHECK enum err rpc_call(const char *path, const char *method, struct str params, struct arena *a, struct str *result,
			     char *why, size_t cap);
