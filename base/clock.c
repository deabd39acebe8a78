/* SPDX-License-Identifier: MIT
 *
 * clock — the only place that asks the system for the time, and the calendar (RFC 3339) in both
 * directions. No libc time zone is involved: the arithmetic is proleptic Gregorian in UTC.
 */
#include "base/clock.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define DAY          86400
#define DAYS_TO_1970 719528                         /* from 0000-01-01 */
#define EARLIEST     (-(int64_t)DAYS_TO_1970 * DAY) /* 0000-01-01T00:00:00Z */
#define LATEST       INT64_C(253402300799)          /* 9999-12-31T23:59:59Z */

static int64_t system_now(void *arg)
{
	struct timespec t = {0};

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + FAULT_AHEAD_MS() / 1000;
}

static int64_t system_mono_ms(void *arg)
{
	const int64_t ahead = FAULT_AHEAD_MS();
	struct timespec t = {0};

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	/* a clock that somebody set back is not this one */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + (ahead > 0 ? ahead : 0);
}

const struct clock *clock_system(void)
{
	static const struct clock clock = {.now = system_now, .mono_ms = system_mono_ms};

	return &clock;
}

int64_t clock_now(const struct clock *c)
{
	return c->now(c->arg);
}

bool clock_beyond(int64_t when, int64_t now)
{
	return when > now + CLOCK_BEYOND;
}

int64_t clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->arg);
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 0000-01-01 to the first of January of year (0 or later). Year 0 is a leap year, so
 * the multiples below year are rounded up. */
static int64_t days_before_year(int64_t year)
{
	return 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

/* month 1 … 13; 13 yields the length of the year. */
static int64_t days_before_month(int64_t year, int month)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

	return before[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

static void put_digits(char *at, int64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void put_date(char *text, int64_t days)
{
	int64_t year = days * 400 / 146097; /* by the mean length: exact or one too many or few */
	int month = 1;

	while (days < days_before_year(year))
		year--;
	while (days >= days_before_year(year + 1))
		year++;
	days -= days_before_year(year);
	while (days >= days_before_month(year, month + 1))
		month++;
	days -= days_before_month(year, month);
	put_digits(text, year, 4);
	put_digits(text + 5, month, 2);
	put_digits(text + 8, days + 1, 2);
}

const char *clock_format(int64_t when, char text[CLOCK_TEXT_SIZE])
{
	int64_t second;

	if (when < EARLIEST)
		when = EARLIEST;
	if (when > LATEST)
		when = LATEST;
	when -= EARLIEST;
	second = when % DAY;
	memcpy(text, "0000-00-00T00:00:00Z", sizeof("0000-00-00T00:00:00Z"));
	put_date(text, when / DAY);
	put_digits(text + 11, second / 3600, 2);
	put_digits(text + 14, second / 60 % 60, 2);
	put_digits(text + 17, second % 60, 2);
	return text;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly width digits between least and most. */
static bool take_number(const char **at, int width, int least, int most, int *ret_number)
{
	int number = 0;

	for (int i = 0; i < width; i++) {
		if (!is_digit((*at)[i]))
			return false;
		number = number * 10 + ((*at)[i] - '0');
	}
	if (number < least || number > most)
		return false;
	*at += width;
	*ret_number = number;
	return true;
}

/* One of the characters in wanted. */
static bool take_mark(const char **at, const char *wanted)
{
	if (**at == '\0' || strchr(wanted, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, int64_t *ret_days)
{
	int year, month, day;
	int64_t before;

	if (!take_number(at, 4, 0, 9999, &year) || !take_mark(at, "-") ||
	    !take_number(at, 2, 1, 12, &month) || !take_mark(at, "-") ||
	    !take_number(at, 2, 1, 31, &day))
		return false;
	before = days_before_month(year, month);
	if (day > days_before_month(year, month + 1) - before)
		return false;
	*ret_days = days_before_year(year) + before + day - 1;
	return true;
}

static bool take_time(const char **at, int64_t *ret_seconds)
{
	int hour, minute, second;

	if (!take_number(at, 2, 0, 23, &hour) || !take_mark(at, ":") ||
	    !take_number(at, 2, 0, 59, &minute) || !take_mark(at, ":") ||
	    !take_number(at, 2, 0, 60, &second)) /* RFC 3339 5.7: 60 is a leap second */
		return false;
	*ret_seconds = hour * 3600 + minute * 60 + second;
	if (!take_mark(at, "."))
		return true;
	if (!is_digit(**at))
		return false;
	while (is_digit(**at))
		(*at)++;
	return true;
}

/* "Z" or "+HH:MM": seconds that local time is ahead of UTC. */
static bool take_offset(const char **at, int64_t *ret_seconds)
{
	int sign = **at == '-' ? -1 : 1;
	int hour, minute;

	*ret_seconds = 0;
	if (take_mark(at, "Zz"))
		return true;
	if (!take_mark(at, "+-") || !take_number(at, 2, 0, 23, &hour) || !take_mark(at, ":") ||
	    !take_number(at, 2, 0, 59, &minute))
		return false;
	*ret_seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

bool clock_parse(const char *text, int64_t *ret_when)
{
	const char *at = text;
	int64_t days, seconds, offset;

	if (text == NULL)
		return false;
	if (!take_date(&at, &days) || !take_mark(&at, "Tt") || !take_time(&at, &seconds) ||
	    !take_offset(&at, &offset) || *at != '\0')
		return false;
	*ret_when = (days - DAYS_TO_1970) * DAY + seconds - offset;
	return true;
}
