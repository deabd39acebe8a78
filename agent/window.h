/* SPDX-License-Identifier: MIT
 *
 * window — when something may be done: "Mon-Fri 02:00-05:00; Sat,Sun 00:00-24:00 UTC". Pure: it is
 * told the time.
 *
 * Ranges are separated by ";". A range is days (none: every day; "Mon", "Mon-Fri", "Sat,Sun",
 * "Fri-Mon") and from-to in hours and minutes; the end is not part of it, and one that lies before
 * its start lies on the next day, so that "Fri 22:00-04:00" ends on Saturday. A last word "UTC"
 * makes all of it UTC; without, it is the machine's zone, as on the clock on its wall: an hour that
 * a change of clocks leaves out is in no window, and one that is repeated is in it twice.
 */
#ifndef AGENT_WINDOW_H
#define AGENT_WINDOW_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_MAX_RANGES 16

struct window_range {
	unsigned days; /* bit 0: Sunday */
	int from, to;  /* minutes of the day, to up to 1440; to < from: ends on the next day */
};

struct window {
	struct window_range ranges[WINDOW_MAX_RANGES];
	size_t count;
	bool utc;
};

/* ERR_CONFIG with a sentence that names the part that is wrong. */
int window_parse(const char *text, struct window *ret_window, struct err *e);

bool window_open(const struct window *w, int64_t when);

/* The first moment from when on at which it is open; when itself if it is open then. -1 when that
 * is more than eight days ahead (each range a weekday's hour that a change of clocks left out). */
int64_t window_next(const struct window *w, int64_t when);

#endif
