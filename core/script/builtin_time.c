/* Time and date. The clock is the core's, so that tests in the language bring their own. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "script/builtin.h"

enum { ZONE_ROOM = 64, MINUTES_A_DAY = 24 * 60, ZONE_ARG = 1, AT_ARG = 2 };
#define ZONE_FOLDER "/usr/share/zoneinfo/"

static struct {
	char zone[ZONE_ROOM];	/* that the C library is set to; empty: the system's */
	char own[ZONE_ROOM];	/* TZ at the start */
	bool known;
} now;

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

bool zone_ok(struct str text, char *why, size_t cap)
{
	char path[sizeof(ZONE_FOLDER) + ZONE_ROOM];
	bool ok = text.len && text.len < ZONE_ROOM && text.p[0] != '/' && str_find_str(text, STR("..")) < 0 && str_find(text, '\0') < 0;

	snprintf(path, sizeof(path), ZONE_FOLDER STR_FMT, STR_ARG(str_to(text, ZONE_ROOM)));
	if (ok && (str_is(text, "UTC") || access(path, R_OK) == 0))
		return true;
	snprintf(why, cap, "no time zone \"" STR_FMT "\": they are named like \"Europe/Berlin\"", STR_ARG(str_to(text, ZONE_ROOM)));
	return false;
}

/* The C library has one zone at a time; it reads a file when that changes, which is rare: scripts have one. */
static void zone_set(struct str zone)
{
	char z[ZONE_ROOM];

	if (!now.known) {
		snprintf(now.own, sizeof(now.own), "%s", getenv("TZ") ? getenv("TZ") : "");
		now.known = true;
	}
	if (!str_cstr(zone, z, sizeof(z)) || strcmp(z, now.zone) == 0)
		return;
	memcpy(now.zone, z, sizeof(z));
	if (!zone.len && !now.own[0])
		unsetenv("TZ");
	else
		setenv("TZ", zone.len ? z : now.own, 1);
	tzset();
}

/* Now, or at that second since 1970, in the zone of an optional argument. False, logged: there is no such zone. */
static bool local_time(struct call *c, const struct value *zone, const struct value *at, struct tm *out)
{
	struct str name = text_or_none(zone);
	time_t     t = (time_t)(at->type == T_INT ? at->u.i : clock_unix());
	char       why[160];

	if (name.len && !zone_ok(name, why, sizeof(why))) {
		log_error(c->c, "%s", why);
		return false;
	}
	zone_set(name);
	return localtime_r(&t, out) != NULL;
}

enum verdict fn_now(struct call *c)
{
	return give(c, value_int(clock_unix()));
}

enum verdict fn_weekday(struct call *c)
{
	struct tm tm;

	return local_time(c, &c->argv[0], &c->argv[1], &tm) ? give(c, value_str(str_of(days[tm.tm_wday]))) : V_ERROR;
}

enum verdict fn_date(struct call *c)
{
	char       form[64], room[200];
	struct tm  tm;
	size_t     n;
	struct str text = c->argv[0].u.s;

	if (!str_cstr(text, form, sizeof(form)) || !local_time(c, &c->argv[ZONE_ARG], &c->argv[AT_ARG], &tm)) {
		log_error(c->c, "date(): the form is too long, or there is no such zone");
		return V_ERROR;
	}
	/* The form is the author's, not a peer's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = strftime(room, sizeof(room), form, &tm);
#pragma GCC diagnostic pop
	return give_text(c, arena_dup(c->c->arena, str_n(room, n)));
}

/* --- ranges: "Mon-Fri 08:00-18:00, Sat 09:00-12:00, 12-24..12-26, 2027-05-01" --- */

struct range {
	unsigned days;	/* a bit each, Sunday lowest */
	uint32_t first, last;	/* dates as numbers, 20270501, or 1224 of every year; 0: any */
	int      from, to;	/* minutes of the day; to <= from: over midnight */
};

static int take_day(struct str *rest)
{
	for (int i = 0; i < (int)COUNT_OF(days); i++)
		if (str_istarts(*rest, str_of(days[i]))) {
			*rest = str_from(*rest, 3);
			return i;
		}
	return -1;
}

/* Mon or Mon-Fri, also Fri-Mon. */
static bool take_days(struct str *rest, unsigned *out)
{
	int from = take_day(rest), to = from;

	if (from < 0)
		return false;
	if (str_take_ch(rest, '-'))
		to = take_day(rest);
	if (to < 0)
		return false;
	for (*out = 0;; from = (from + 1) % 7) {
		*out |= 1u << from;
		if (from == to)
			return true;
	}
}

static bool take_clock(struct str *rest, int *minutes)
{
	uint32_t h, m;

	if (!str_take_u32(rest, &h) || !str_take_ch(rest, ':') || !str_take_u32(rest, &m) || m > 59 || h > 24 || (h == 24 && m))
		return false;
	*minutes = (int)(h * 60 + m);
	return true;
}

/* 2027-05-01 or 05-01 */
static bool take_date(struct str *rest, uint32_t *out)
{
	uint32_t a, b, c;

	if (!str_take_u32(rest, &a) || !str_take_ch(rest, '-') || !str_take_u32(rest, &b))
		return false;
	*out = a * 100 + b;
	if (str_take_ch(rest, '-')) {
		if (!str_take_u32(rest, &c) || a < 1970 || a > 9999)
			return false;
		*out = *out * 100 + c;
		a = b;
		b = c;
	}
	return a >= 1 && a <= 12 && b >= 1 && b <= 31;
}

/* A date, or two with .. between them, both with the year or both without. */
static bool take_dates(struct str *rest, struct range *out)
{
	if (!take_date(rest, &out->first))
		return false;
	out->last = out->first;
	if (!str_starts(*rest, STR("..")))
		return true;
	*rest = str_from(*rest, 2);
	return take_date(rest, &out->last) && (out->first > 9999) == (out->last > 9999) && (out->first < 9999 || out->first <= out->last);
}

/* 08:00, and not 12-24? */
static bool begins_clock(struct str s)
{
	struct str rest = s;
	uint32_t   n;

	return str_take_u32(&rest, &n) && str_take_ch(&rest, ':');
}

static bool read_range(struct str text, struct range *out)
{
	struct str rest = str_trim(text);

	*out = (struct range){ .days = 127, .to = MINUTES_A_DAY };
	if (!rest.len)
		return false;
	if (ch_digit(rest.p[0]) ? !begins_clock(rest) && !take_dates(&rest, out) : !take_days(&rest, &out->days))
		return false;
	rest = str_trim(rest);
	if (!rest.len)
		return true;
	return take_clock(&rest, &out->from) && str_take_ch(&rest, '-') && take_clock(&rest, &out->to) && !rest.len;
}

bool time_range_ok(struct str text, char *why, size_t cap)
{
	struct range r;
	struct str   rest = text, one;

	do {
		one = str_take_until(&rest, ',');
		if (!read_range(one, &r)) {
			snprintf(why, cap, "`" STR_FMT "` is no time range: they are like \"Mon-Fri 08:00-18:00, Sat, 12-24..12-26\"", STR_ARG(str_to(str_trim(one), 60)));
			return false;
		}
	} while (rest.len);
	return true;
}

/* Without a year the end may be the next one's: 12-24..01-06. */
static bool on_date(const struct range *r, const struct tm *tm)
{
	uint32_t date = (uint32_t)(tm->tm_mon + 1) * 100 + (uint32_t)tm->tm_mday;

	if (!r->first)
		return true;
	if (r->first > 9999)
		date += (uint32_t)(tm->tm_year + 1900) * 10000;
	return r->first <= r->last ? date >= r->first && date <= r->last : date >= r->first || date <= r->last;
}

/* Noon of the day before: of its date only the day, month and year are looked at. */
static struct tm day_before(const struct tm *tm)
{
	struct tm before = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday - 1, .tm_hour = 12, .tm_isdst = -1 };

	(void)mktime(&before);
	return before;
}

/* Over midnight the hours after it belong to the day before. */
static bool within(const struct range *r, const struct tm *tm)
{
	struct tm before = day_before(tm);
	int       minute = tm->tm_hour * 60 + tm->tm_min;
	bool      today = (r->days >> tm->tm_wday & 1) && on_date(r, tm), yesterday = (r->days >> before.tm_wday & 1) && on_date(r, &before);

	if (r->from < r->to)
		return today && minute >= r->from && minute < r->to;
	return (today && minute >= r->from) || (yesterday && minute < r->to);
}

enum verdict fn_time_in(struct call *c)
{
	struct str rest = c->argv[0].u.s;
	char       why[160];
	struct tm  tm;
	bool       yes = false;

	if (!time_range_ok(rest, why, sizeof(why))) {
		log_error(c->c, "time_in(): %s", why);
		return V_ERROR;
	}
	if (!local_time(c, &c->argv[ZONE_ARG], &c->argv[AT_ARG], &tm))
		return V_ERROR;
	while (rest.len && !yes) {
		struct range r;

		if (read_range(str_take_until(&rest, ','), &r))
			yes = within(&r, &tm);
	}
	return give(c, value_bool(yes));
}
