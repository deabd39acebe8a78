/* SPDX-License-Identifier: MIT
 *
 * window — see window.h. There is no second opinion: window_next asks window_open.
 */
#include "agent/window.h"

#include "base/mem.h"
#include "base/strlist.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DAY       1440 /* minutes */
#define WEEK      7
#define EVERY_DAY 0x7fU

static const char *const day_names[WEEK] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* --- reading --- */

static int day_of(const char *text, size_t len)
{
	for (int day = 0; day < WEEK; day++)
		if (len == 3 && strncasecmp(day_names[day], text, 3) == 0)
			return day;
	return -1;
}

/* "Mon", "Mon-Fri", also across the week's end ("Fri-Mon"). */
static bool days_add(const char *text, unsigned *days)
{
	const char *dash = strchr(text, '-');
	int first = day_of(text, dash != NULL ? (size_t)(dash - text) : strlen(text));
	int last = dash != NULL ? day_of(dash + 1, strlen(dash + 1)) : first;

	if (first < 0 || last < 0)
		return false;
	for (int day = first;; day = (day + 1) % WEEK) {
		*days |= 1U << day;
		if (day == last)
			return true;
	}
}

static bool days_parse(const char *text, unsigned *ret_days)
{
	struct strlist parts AUTO_STRLIST = {0};
	unsigned days = 0;

	strlist_add_split(&parts, text, ",");
	for (size_t i = 0; i < parts.count; i++)
		if (!days_add(parts.items[i], &days))
			return false;
	*ret_days = days;
	return days != 0;
}

/* "02:00" of exactly that form; 24:00 is the end of the day. */
static int minute_of(const char *text)
{
	int minute;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : !isdigit((unsigned char)text[i]))
			return -1;
	minute = ((text[0] - '0') * 10 + text[1] - '0') * 60 + (text[3] - '0') * 10 + text[4] - '0';
	return text[3] < '6' && minute <= DAY ? minute : -1;
}

static bool times_parse(const char *text, struct window_range *range)
{
	if (strlen(text) != 11 || text[5] != '-')
		return false;
	range->from = minute_of(text);
	range->to = minute_of(text + 6);
	return range->from >= 0 && range->from < DAY && range->to >= 0 && range->to != range->from;
}

static int range_parse(const char *text, struct window *w, struct err *e)
{
	struct window_range *range = &w->ranges[w->count];
	struct strlist words AUTO_STRLIST = {0};
	bool good;

	strlist_add_split(&words, text, " ");
	if (w->count == WINDOW_MAX_RANGES)
		return err_set(e, ERR_CONFIG, "a window has at most %d ranges", WINDOW_MAX_RANGES);
	range->days = EVERY_DAY;
	good = words.count == 1 || (words.count == 2 && days_parse(words.items[0], &range->days));
	if (!good || !times_parse(words.items[words.count - 1], range))
		return err_set(e, ERR_CONFIG,
			       "\"%s\" is no range of a window, like \"Mon-Fri 02:00-05:00\"",
			       text + strspn(text, " "));
	w->count++;
	return 0;
}

/* Whether the last word is UTC, which is cut off. */
static bool zone_take(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	if (len < 4 || strcmp(text + len - 4, " UTC") != 0)
		return false;
	text[len - 4] = '\0';
	return true;
}

int window_parse(const char *text, struct window *ret_window, struct err *e)
{
	AUTO_FREE char *ranges = mem_str(text);
	struct strlist parts AUTO_STRLIST = {0};
	struct window w = {.utc = zone_take(ranges)};
	int r = 0;

	strlist_add_split(&parts, ranges, ";");
	if (parts.count == 0)
		return err_set(e, ERR_CONFIG, "a window is a text like \"Mon-Fri 02:00-05:00\"");
	for (size_t i = 0; r == 0 && i < parts.count; i++)
		r = range_parse(parts.items[i], &w, e);
	if (r == 0)
		*ret_window = w;
	return r;
}

/* --- asking --- */

static bool has_day(const struct window_range *range, int day)
{
	return (range->days & (1U << day)) != 0;
}

static bool range_open(const struct window_range *range, int day, int minute)
{
	if (range->from < range->to)
		return has_day(range, day) && minute >= range->from && minute < range->to;
	return (has_day(range, day) && minute >= range->from) ||
	       (has_day(range, (day + WEEK - 1) % WEEK) && minute < range->to);
}

bool window_open(const struct window *w, int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm = {0};

	if ((w->utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) == NULL)
		return false;
	for (size_t i = 0; i < w->count; i++)
		if (range_open(&w->ranges[i], tm.tm_wday, tm.tm_hour * 60 + tm.tm_min))
			return true;
	return false;
}

/* Minute by minute: it is a millisecond, and no calendar arithmetic can be wrong. Zones differ by
 * whole minutes, so a window opens at one. */
int64_t window_next(const struct window *w, int64_t when)
{
	int64_t minute = when - when % 60;

	if (window_open(w, when))
		return when;
	for (int i = 1; i <= (WEEK + 1) * DAY; i++)
		if (window_open(w, minute + (int64_t)i * 60))
			return minute + (int64_t)i * 60;
	return -1;
}
