/* SPDX-License-Identifier: MIT
 *
 * test_clock — RFC 3339 in both directions.
 */
#include "tests/unit.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNTOUCHED INT64_C(-77)

static const struct {
	const char *text;
	int64_t when;
} good[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"1969-12-31T23:59:59Z", -1},
	{"2026-11-21T01:09:32Z", 1795223372},
	{"1985-04-12T23:20:50.52Z", 482196050},         /* RFC 3339 5.8 */
	{"1996-12-19T16:39:57-08:00", 851042397},       /* RFC 3339 5.8 */
	{"1990-12-31T23:59:60Z", 662688000},            /* RFC 3339 5.8, leap second: :59 + 1 */
	{"1990-12-31T15:59:60-08:00", 662688000},       /* the same one */
	{"1937-01-01T12:00:27.87+00:20", -1041337173},  /* RFC 3339 5.8 */
	{"2026-11-21t01:09:32z", 1795223372},           /* lower case */
	{"2026-11-21T01:09:32.999999999Z", 1795223372}, /* dropped, not rounded */
	{"2026-11-21T01:09:32+00:00", 1795223372},
	{"2026-11-21T01:09:32-00:00", 1795223372}, /* "offset unknown" */
	{"2026-11-21T23:59:32+23:59", 1795219232},
	{"2000-02-29T00:00:00Z", 951782400}, /* divisible by 400 */
	{"2024-02-29T00:00:00Z", 1709164800},
	{"2024-03-01T00:00:00Z", 1709251200},
	{"2100-03-01T00:00:00Z", 4107542400}, /* the day after 28 February */
	{"2038-01-19T03:14:08Z", INT64_C(2147483648)},
	{"0000-01-01T00:00:00Z", INT64_C(-62167219200)},
	{"0000-03-01T00:00:00Z", INT64_C(-62162035200)}, /* year 0 is a leap year */
	{"9999-12-31T23:59:59Z", INT64_C(253402300799)},
};

static void a_time_of_rfc_3339_is_read_to_the_second(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		int64_t when = UNTOUCHED;

		if (!clock_parse(good[i].text, &when) || when != good[i].when)
			fail_msg("%s: %" PRId64, good[i].text, when);
	}
}

static const char *const bad[] = {
	"",
	"now",
	"2026-11-21",            /* no time */
	"2026-11-21T01:09:32",   /* no offset */
	"2026-11-21 01:09:32Z",  /* a space */
	"2026-11-21T01:09:32Zx", /* something behind */
	"2026-11-21T01:09:32Z ",
	" 2026-11-21T01:09:32Z",
	"2026-00-21T01:09:32Z", /* month 0 */
	"2026-13-21T01:09:32Z",
	"2026-11-00T01:09:32Z", /* day 0 */
	"2026-11-31T01:09:32Z", /* November has 30 */
	"2026-04-31T01:09:32Z",
	"2026-12-32T01:09:32Z",
	"2026-02-29T01:09:32Z", /* no leap year */
	"2100-02-29T01:09:32Z", /* divisible by 100 only */
	"2024-02-30T01:09:32Z",
	"2026-11-21T24:00:00Z",
	"2026-11-21T01:60:32Z",
	"2026-11-21T01:09:61Z",
	"2026-11-21T01:09:32.Z", /* a fraction without digits */
	"2026-11-21T01:09:32,5Z",
	"2026-11-21T01:09:32+0100", /* no colon */
	"2026-11-21T01:09:32+24:00",
	"2026-11-21T01:09:32+01:60",
	"2026-11-21T01:09:32+01",
	"2026-11-21T01:09:32+01:",
	"2026-11-21T1:09:32Z", /* one digit */
	"026-11-21T01:09:32Z",
	"+2026-11-21T01:09:32Z",
	"12026-11-21T01:09:32Z",
	"2026-11-21T01:09Z",
	"20261121T010932Z",
	"2026-11-21T-1:09:32Z",
	"2026/11/21T01:09:32Z",
	"Sat, 21 Nov 2026 01:09:32 GMT",
};

static void what_is_no_such_time_is_refused_and_nothing_is_written(void **state)
{
	int64_t when = UNTOUCHED;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (clock_parse(bad[i], &when) || when != UNTOUCHED)
			fail_msg("\"%s\" was accepted", bad[i]);
	assert_false(clock_parse(NULL, &when));
}

static const struct {
	int64_t when;
	const char *text;
} formats[] = {
	{0, "1970-01-01T00:00:00Z"},
	{-1, "1969-12-31T23:59:59Z"},
	{1795223372, "2026-11-21T01:09:32Z"},
	{951782399, "2000-02-28T23:59:59Z"},
	{951782400, "2000-02-29T00:00:00Z"},
	{INT64_C(-62167219200), "0000-01-01T00:00:00Z"},
	{INT64_C(-62167219201), "0000-01-01T00:00:00Z"}, /* clamped */
	{INT64_MIN, "0000-01-01T00:00:00Z"},
	{INT64_C(253402300799), "9999-12-31T23:59:59Z"},
	{INT64_C(253402300800), "9999-12-31T23:59:59Z"}, /* clamped */
	{INT64_MAX, "9999-12-31T23:59:59Z"},
};

static void a_time_is_written_in_utc_and_clamped_to_four_digit_years(void **state)
{
	char text[CLOCK_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(formats); i++)
		assert_string_equal(clock_format(formats[i].when, text), formats[i].text);
}

static void every_day_of_ten_thousand_years_is_read_back_as_it_was_written(void **state)
{
	char text[CLOCK_TEXT_SIZE];
	char before[CLOCK_TEXT_SIZE] = "";
	int64_t second = 0;

	(void)state;
	for (int64_t day = -719528; day <= 2932896; day++) {
		int64_t when = day * 86400 + second;
		int64_t back = UNTOUCHED;

		clock_format(when, text);
		if (!clock_parse(text, &back) || back != when || strcmp(before, text) >= 0)
			fail_msg("%s after %s: %" PRId64, text, before, back);
		memcpy(before, text, sizeof(before));
		second = (second + 12345) % 86400;
	}
}

static int64_t fake_now(void *arg)
{
	return *(int64_t *)arg;
}

static int64_t fake_mono_ms(void *arg)
{
	return *(int64_t *)arg * 1000;
}

static void a_clock_is_asked_with_its_own_argument(void **state)
{
	int64_t at = 1234;
	const struct clock fake = {.now = fake_now, .mono_ms = fake_mono_ms, .arg = &at};

	(void)state;
	assert_int_equal(clock_now(&fake), 1234);
	assert_int_equal(clock_mono_ms(&fake), 1234000);
}

static void the_clock_of_the_system_is_past_2020_and_never_goes_backwards(void **state)
{
	const struct clock *c = clock_system();
	int64_t before = clock_mono_ms(c);

	(void)state;
	assert_true(clock_now(c) > 1577836800);
	for (int i = 0; i < 1000; i++) {
		int64_t after = clock_mono_ms(c);

		assert_true(after >= before);
		before = after;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_time_of_rfc_3339_is_read_to_the_second),
		cmocka_unit_test(what_is_no_such_time_is_refused_and_nothing_is_written),
		cmocka_unit_test(a_time_is_written_in_utc_and_clamped_to_four_digit_years),
		cmocka_unit_test(every_day_of_ten_thousand_years_is_read_back_as_it_was_written),
		cmocka_unit_test(a_clock_is_asked_with_its_own_argument),
		cmocka_unit_test(the_clock_of_the_system_is_past_2020_and_never_goes_backwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
