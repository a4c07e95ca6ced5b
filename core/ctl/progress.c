#include "ctl/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { WIDTH = 30, EVERY_MS = 100 };

static uint64_t now_ms(void)
{
	return (uint64_t)clock_unix_us() / 1000;
}

struct progress progress_begin(const char *what, uint64_t total, bool wanted)
{
	return (struct progress){ .what = what, .total = total, .begun_ms = now_ms(), .on = wanted && isatty(STDERR_FILENO) };
}

static void draw(const struct progress *p, uint64_t done, uint64_t things, uint64_t ms)
{
	static const char full[] = "##############################", none[] = "..............................";
	unsigned          part = p->total ? (unsigned)(done * WIDTH / p->total) : 0;
	uint64_t          rate = ms ? things * 1000 / ms : 0;

	if (part > WIDTH)
		part = WIDTH;
	fprintf(stderr, "\r%-8s [%.*s%.*s] ", p->what, (int)part, full, (int)(WIDTH - part), none);
	if (p->total)
		fprintf(stderr, "%3u%%  ", (unsigned)(done * 100 / p->total));
	fprintf(stderr, "%llu users, %llu a second", (unsigned long long)things, (unsigned long long)rate);
	if (p->total && done)
		fprintf(stderr, ", %llu s left", (unsigned long long)((p->total - done) * ms / done / 1000));
	fprintf(stderr, "\033[K");	/* what a longer line left */
	fflush(stderr);
}

void progress_show(struct progress *p, uint64_t done, uint64_t things)
{
	uint64_t now = p->on ? now_ms() : 0;

	if (!p->on || now - p->shown_ms < EVERY_MS)
		return;
	p->shown_ms = now;
	p->drawn = true;
	draw(p, done, things, now - p->begun_ms);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\r\033[K");
	p->drawn = false;
}
