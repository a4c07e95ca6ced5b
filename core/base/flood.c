#include "base/flood.h"

#include "base/clock.h"

enum { KINDS = 64, TRIES = 4, TEXT_BYTES = 160, SECOND_MS = 1000 };

struct kind {
	const char    *fmt;	/* NULL: nobody's */
	uint64_t       since_ms;
	unsigned       written, left_out;
	enum log_level level;
	size_t         len;
	char           text[TEXT_BYTES];	/* of the first line that was left out */
};
static struct {
	unsigned    rate, pending;	/* kinds with lines that were left out */
	struct kind kind[KINDS];
} flood;

void flood_set_rate(unsigned lines_a_second)
{
	flood.rate = lines_a_second;
}

static bool is_over(const struct kind *k)
{
	return clock_ms() - k->since_ms >= SECOND_MS;
}

/* Its place, a new one perhaps; NULL: all are taken by others that were heard of within the second. What nobody has been told yet stays. */
static struct kind *kind_of(const char *fmt)
{
	size_t       at = ((uintptr_t)fmt >> 3) % KINDS;
	struct kind *free_one = NULL;

	for (size_t i = 0; i < TRIES; i++) {
		struct kind *k = &flood.kind[(at + i) % KINDS];

		if (k->fmt == fmt)
			return k;
		if (!free_one && (!k->fmt || (is_over(k) && !k->left_out)))
			free_one = k;
	}
	if (free_one)
		*free_one = (struct kind){ .fmt = fmt, .since_ms = clock_ms() };
	return free_one;
}

static void leave_out(struct kind *k, enum log_level level, struct str text)
{
	if (k->left_out++)
		return;
	flood.pending++;
	k->level = level;
	k->len = text.len < sizeof(k->text) ? text.len : sizeof(k->text);
	memcpy(k->text, text.p, k->len);
}

bool flood_pass(const char *fmt, enum log_level level, struct str text)
{
	struct kind *k = flood.rate ? kind_of(fmt) : NULL;

	if (!k)
		return true;
	if (is_over(k) && !k->left_out) {
		k->since_ms = clock_ms();
		k->written = 0;
	}
	if (k->written < flood.rate) {
		k->written++;
		return true;
	}
	leave_out(k, level, text);
	return false;
}

void flood_settle(void (*fn)(enum log_level level, unsigned left_out, struct str text))
{
	for (size_t i = 0; flood.pending && i < KINDS; i++) {
		struct kind *k = &flood.kind[i];

		if (!k->left_out || !is_over(k))
			continue;
		fn(k->level, k->left_out, str_n(k->text, k->len));
		flood.pending--;
		k->left_out = 0;
	}
}
