#pragma once
/* One line a message, `key=value`, to stderr. Error: someone must act. Warn: a peer misbehaves.
 * Info: life of the server. Debug: the rest. Never secrets. Control bytes are escaped, so that
 * no peer can forge a line. */
#include "base/arena.h"

/* What every function on the path of a message is handed: its memory and its name in the log. */
struct ctx {
	struct arena *arena;
	struct str    call_id;	/* empty when there is none */
	uint64_t      call;	/* its number in the trail (net/trail.h); 0: none */
};

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_at(enum log_level level, const struct ctx *c, const char *fmt, ...) PRINTF(3, 4);
/* Ready text, written however often it comes: a script's own lines. */
void log_text(enum log_level level, const struct ctx *c, struct str text);
/* Of the lines from one place in the source so many a second are written by a process, but of debug all; how many more there were is said
 * when the second is over, by log_settle() (each turn of a loop) or with a later line. 0, the preset: no limit. */
void log_set_rate(unsigned lines_a_second);
void log_settle(void);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* The word behind the time: "supervisor", "worker 1". Copied. */
void log_set_role(const char *role);
/* Where lines go; NULL restores stderr. `line` ends with a newline. Tests. */
void log_redirect(void (*sink)(enum log_level level, struct str line));

/* `c` may be NULL. The level is tested before the arguments are evaluated. */
#define LOG_IF(level, c, ...) (log_get_level() >= (level) ? log_at((level), (c), __VA_ARGS__) : (void)0)
#define log_error(c, ...) LOG_IF(LOG_ERROR, c, __VA_ARGS__)
#define log_warn(c, ...) LOG_IF(LOG_WARN, c, __VA_ARGS__)
#define log_info(c, ...) LOG_IF(LOG_INFO, c, __VA_ARGS__)
#define log_debug(c, ...) LOG_IF(LOG_DEBUG, c, __VA_ARGS__)
