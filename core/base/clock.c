#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t kernel_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t kernel_unix_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static const struct clock_source kernel = { .mono_ms = kernel_mono_ms, .unix_us = kernel_unix_us };

static struct {
	const struct clock_source *src;
	uint64_t                   ms;
	int64_t                    unix_us, unix_s;
} now = { .src = &kernel };

void clock_tick(void)
{
	now.ms = now.src->mono_ms();
	now.unix_us = now.src->unix_us();
	now.unix_s = now.unix_us / 1000000;
}

uint64_t clock_ms(void)
{
	if (!now.ms)
		clock_tick();
	return now.ms;
}

int64_t clock_unix(void)
{
	if (!now.ms)
		clock_tick();
	return now.unix_s;
}

int64_t clock_unix_us(void)
{
	return now.src->unix_us();
}

int64_t clock_turn_us(void)
{
	if (!now.ms)
		clock_tick();
	return now.unix_us;
}

void clock_replace(const struct clock_source *src)
{
	now.src = src ? src : &kernel;
	clock_tick();
}
