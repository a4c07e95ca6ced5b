#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/flood.h"

enum { LINE_BYTES = 2048, TEXT_BYTES = LINE_BYTES / 2 };

static struct {
	enum log_level level;
	char           role[32];
	void (*sink)(enum log_level level, struct str line);
} cfg = { .level = LOG_INFO, .role = "sipario" };

void log_set_level(enum log_level level)
{
	cfg.level = level;
}

enum log_level log_get_level(void)
{
	return cfg.level;
}

void log_set_rate(unsigned lines_a_second)
{
	flood_set_rate(lines_a_second);
}

void log_set_role(const char *role)
{
	str_cstr(str_of(role), cfg.role, sizeof(cfg.role));
}

void log_redirect(void (*sink)(enum log_level level, struct str line))
{
	cfg.sink = sink;
}

static void add_time(struct buf *b)
{
	int64_t   us = clock_unix_us();
	time_t    s = (time_t)(us / 1000000);
	struct tm tm;
	char      text[32];

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03dZ", text, (int)(us / 1000 % 1000));
}

/* Bytes below space and DEL as \xNN; UTF-8 passes. */
static void add_escaped(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch < ' ' || ch == 0x7f)
			buf_printf(b, "\\x%02x", ch);
		else
			buf_ch(b, s.p[i]);
	}
}

static void emit(enum log_level level, struct str line)
{
	ssize_t done;

	if (cfg.sink) {
		cfg.sink(level, line);
		return;
	}
	done = write(STDERR_FILENO, line.p, line.len);
	(void)done;	/* a log that cannot be written has nowhere to say so */
}

static void write_line(enum log_level level, const struct ctx *c, struct str text)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	char                     line[LINE_BYTES];
	struct buf               b = buf_on(line, sizeof(line) - 1);

	add_time(&b);
	buf_printf(&b, " %s[%d] %s: ", cfg.role, (int)getpid(), words[level]);
	add_escaped(&b, text);
	if (c && c->call_id.len) {
		BUF_LIT(&b, " call_id=");
		add_escaped(&b, str_to(c->call_id, 128));
	}
	line[b.len] = '\n';
	emit(level, str_n(line, b.len + 1));
}

void log_text(enum log_level level, const struct ctx *c, struct str text)
{
	write_line(level, c, str_to(text, TEXT_BYTES));
}

void log_at(enum log_level level, const struct ctx *c, const char *fmt, ...)
{
	char    raw[TEXT_BYTES];
	va_list ap;
	int     n;

	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	log_settle();
	if (level == LOG_DEBUG || flood_pass(fmt, level, str_of(raw)))
		write_line(level, c, str_of(raw));
}

static void say_left_out(enum log_level level, unsigned left_out, struct str text)
{
	char       raw[TEXT_BYTES];
	struct buf b = buf_on(raw, sizeof(raw));

	buf_printf(&b, "repeated %u times: " STR_FMT, left_out, STR_ARG(text));
	write_line(level, NULL, buf_str(&b));
}

void log_settle(void)
{
	flood_settle(say_left_out);
}
