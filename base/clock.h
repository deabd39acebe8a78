/* SPDX-License-Identifier: MIT
 *
 * clock — the only place that asks the system for the time.
 *
 * Everything else is given a clock, so that a test can run years in milliseconds.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
	int64_t (*now)(void *arg);     /* Unix seconds */
	int64_t (*mono_ms)(void *arg); /* milliseconds from an arbitrary start, never backwards */
	void *arg;
};

/* The system's clock. Static; never freed. */
const struct clock *clock_system(void);

int64_t clock_now(const struct clock *c);
int64_t clock_mono_ms(const struct clock *c);

/* Whether a time that we set for ourselves lies further ahead than any that we set: it was written
 * by a wrong clock, and is due (HACKING.md, rule 6). A day is the longest; a quarter is its spread.
 */
#define CLOCK_BEYOND INT64_C(108000)
bool clock_beyond(int64_t when, int64_t now);

/* "2026-11-21T01:09:32Z" into text[21] (RFC 3339, UTC). Times outside year 0 … 9999 are clamped.
 * Returns text. */
#define CLOCK_TEXT_SIZE 32
const char *clock_format(int64_t when, char text[CLOCK_TEXT_SIZE]);

/* Parses RFC 3339 with fractions (dropped) and offsets. False: not such a time. */
bool clock_parse(const char *text, int64_t *ret_when);

#endif
