#pragma once
/* What machinery answers. Script functions answer with `enum verdict` (core/module/module.h). */

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

enum err {
	OK = 0,
	ERR_SYNTAX,	/* the bytes are not what the grammar asks for */
	ERR_NOMEM,	/* no memory within the limit */
	ERR_LIMIT,	/* a configured bound is reached */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_TIMEOUT,
	ERR_IO,		/* the system or a peer refused */
	ERR_UNSUPPORTED,
	ERR_STATE,	/* not possible in the present state */
	ERR_AGAIN,	/* more input is needed, or a queue is full */
	ERR_COUNT
};

/* A short English name, for logs. Never NULL. */
const char *err_name(enum err e);
