/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/window.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/strlist.h"

#include <stdlib.h>
#include <time.h>

static int64_t at(const char *text)
{
	int64_t when = 0;

	assert_true(clock_parse(text, &when));
	return when;
}

static void zone_set(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* When it is next open, seen from a moment. 2026-03-29 and 2026-10-25 are the Sundays on which
 * Berlin changes its clocks: 02:00 CET becomes 03:00 CEST, and 03:00 CEST becomes 02:00 CET. */
static const struct {
	const char *zone, *window, *when;
	const char *next; /* NULL: not within eight days */
} rows[] = {
	/* open now */
	{"UTC0", "02:00-05:00", "2026-11-23T02:00:00Z", "2026-11-23T02:00:00Z"},
	{"UTC0", "02:00-05:00", "2026-11-23T04:59:59Z", "2026-11-23T04:59:59Z"},
	{"UTC0", "00:00-24:00", "2026-11-23T23:59:59Z", "2026-11-23T23:59:59Z"},
	/* the end is not part of it */
	{"UTC0", "02:00-05:00", "2026-11-23T05:00:00Z", "2026-11-24T02:00:00Z"},
	{"UTC0", "02:00-05:00", "2026-11-23T01:59:30Z", "2026-11-23T02:00:00Z"},
	/* days: 2026-11-23 is a Monday */
	{"UTC0", "Mon-Fri 02:00-05:00", "2026-11-27T05:00:00Z", "2026-11-30T02:00:00Z"},
	{"UTC0", "Sat,Sun 02:00-05:00", "2026-11-23T03:00:00Z", "2026-11-28T02:00:00Z"},
	{"UTC0", "Fri-Mon 02:00-05:00", "2026-11-24T03:00:00Z", "2026-11-27T02:00:00Z"},
	{"UTC0", "Mon 02:00-05:00", "2026-11-23T05:00:00Z", "2026-11-30T02:00:00Z"},
	/* several ranges: the nearest */
	{"UTC0", "Wed 02:00-03:00; Tue 12:00-13:00", "2026-11-23T05:00:00Z",
	 "2026-11-24T12:00:00Z"},
	/* across midnight: the day is that of the start */
	{"UTC0", "Fri 22:00-04:00", "2026-11-28T03:59:00Z", "2026-11-28T03:59:00Z"},
	{"UTC0", "Fri 22:00-04:00", "2026-11-27T03:00:00Z", "2026-11-27T22:00:00Z"},
	{"UTC0", "Sat 22:00-04:00", "2026-11-29T01:00:00Z", "2026-11-29T01:00:00Z"},
	{"UTC0", "22:00-00:00", "2026-11-28T00:00:00Z", "2026-11-28T22:00:00Z"},
	/* the machine's zone, or UTC by its last word */
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-05:00", "2026-11-23T00:00:00Z",
	 "2026-11-23T01:00:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-05:00 UTC", "2026-11-23T00:00:00Z",
	 "2026-11-23T02:00:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "Mon 00:30-01:00", "2026-11-22T20:00:00Z",
	 "2026-11-22T23:30:00Z"},
	/* an hour that is left out has no window that day */
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-03:00", "2026-03-28T12:00:00Z",
	 "2026-03-30T00:00:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-05:00", "2026-03-28T12:00:00Z",
	 "2026-03-29T01:00:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "Sun 02:10-02:50", "2026-03-24T12:00:00Z", NULL},
	/* one that is repeated is in it twice */
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-03:00", "2026-10-25T00:59:00Z",
	 "2026-10-25T00:59:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:00-03:00", "2026-10-25T01:59:00Z",
	 "2026-10-25T01:59:00Z"},
	{"CET-1CEST,M3.5.0,M10.5.0/3", "02:30-03:00", "2026-10-25T01:00:00Z",
	 "2026-10-25T01:30:00Z"},
};

static void a_window_is_next_open_when_the_clock_on_the_wall_says_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t want = rows[i].next != NULL ? at(rows[i].next) : -1;
		char shown[CLOCK_TEXT_SIZE] = "never";
		struct window w;
		struct err e = {0};
		int64_t got;

		zone_set(rows[i].zone);
		if (window_parse(rows[i].window, &w, &e) != 0)
			fail_msg("\"%s\": %s", rows[i].window, e.text);
		got = window_next(&w, at(rows[i].when));
		if (got != want)
			fail_msg("\"%s\" from %s in %s: %s", rows[i].window, rows[i].when,
				 rows[i].zone, got < 0 ? shown : clock_format(got, shown));
		assert_int_equal(window_open(&w, at(rows[i].when)), got == at(rows[i].when));
	}
}

static const char *const wrong[] = {
	"",
	" ",
	"UTC",
	";",
	"02:00",
	"2:00-5:00",
	"02:00-25:00",
	"02:60-03:00",
	"24:00-02:00",
	"02:00-24:01",
	"02:00-02:00",
	"02:00 - 05:00",
	"Mo-Fr 02:00-05:00",
	"Monday 02:00-05:00",
	"Mon- 02:00-05:00",
	"Mon, 02:00-05:00 Tue",
	"Mon Tue 02:00-05:00",
	"02:00-05:00 CET",
	"02:00-05:00; UTC 03:00-04:00",
};

static void what_is_no_window_is_refused_with_a_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct window w;
		struct err e = {0};

		if (window_parse(wrong[i], &w, &e) != ERR_CONFIG)
			fail_msg("\"%s\" is a window", wrong[i]);
		assert_true(e.text[0] != '\0');
	}
}

static void a_window_has_at_most_sixteen_ranges(void **state)
{
	struct strlist parts AUTO_STRLIST = {0};
	AUTO_FREE char *most = NULL;
	AUTO_FREE char *more = NULL;
	struct window w;

	(void)state;
	for (int i = 0; i < WINDOW_MAX_RANGES; i++)
		strlist_add(&parts, "01:00-02:00");
	most = strlist_join(&parts, ";");
	more = mem_printf("%s;01:00-02:00", most);
	assert_int_equal(window_parse(most, &w, NULL), 0);
	assert_int_equal(window_parse(more, &w, NULL), ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_next_open_when_the_clock_on_the_wall_says_so),
		cmocka_unit_test(what_is_no_window_is_refused_with_a_sentence),
		cmocka_unit_test(a_window_has_at_most_sixteen_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
