#include "base/err.h"

const char *err_name(enum err e)
{
	static const char *const names[ERR_COUNT] = {
		[OK] = "ok",
		[ERR_SYNTAX] = "syntax error",
		[ERR_NOMEM] = "out of memory",
		[ERR_LIMIT] = "limit reached",
		[ERR_NOT_FOUND] = "not found",
		[ERR_EXISTS] = "exists already",
		[ERR_TIMEOUT] = "timed out",
		[ERR_IO] = "input/output error",
		[ERR_UNSUPPORTED] = "unsupported",
		[ERR_STATE] = "wrong state",
		[ERR_AGAIN] = "try again",
	};

	return (unsigned)e < ERR_COUNT ? names[e] : "unknown error";
}
