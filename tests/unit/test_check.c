/* SPDX-License-Identifier: MIT
 *
 * test_check — what a monitor is told of a certificate in every state it can be in.
 */
#include "tests/unit.h"

#include "agent/check.h"

#include <stdlib.h>
#include <string.h>

#define DAY INT64_C(86400)
#define NOW INT64_C(1800000000)

/* A certificate of 96 days (4 to warn are 24, 8 are 12, a twenty-fourth is 4), renewed with 32
 * left. */
static const struct {
	int64_t left;     /* seconds; -1 day: expired; INT64_MAX: none was issued */
	int64_t failures; /* of its renewal */
	const char *state;
	enum check_level level;
	const char *says;
} rows[] = {
	{96 * DAY, 0, "valid", CHECK_OK, "it expires in 96 days"},
	{33 * DAY, 0, "valid", CHECK_OK, "33 days"},
	{31 * DAY, 0, "due", CHECK_OK, "31 days"},
	{31 * DAY, 3, "failing", CHECK_OK, "31 days: broken"},
	{28 * DAY, 3, "failing", CHECK_OK, "28 days: broken"},
	{28 * DAY - 1, 3, "failing", CHECK_WARNING, "27 days: broken"},
	{28 * DAY - 1, 0, "due", CHECK_OK, "27 days"}, /* nobody has tried yet */
	{24 * DAY + 1, 0, "due", CHECK_OK, "24 days"},
	{24 * DAY, 0, "due", CHECK_WARNING, "24 days"},
	{12 * DAY + 1, 0, "due", CHECK_WARNING, "12 days"},
	{12 * DAY, 0, "due", CHECK_CRITICAL, "12 days"},
	{2 * DAY - 1, 0, "due", CHECK_CRITICAL, "it expires in 47 hours"},
	{61, 0, "due", CHECK_CRITICAL, "it expires in 61 seconds"},
	{0, 0, "expired", CHECK_CRITICAL, "it expired 0 seconds ago"},
	{-3 * DAY, 9, "expired", CHECK_CRITICAL, "it expired 3 days ago: broken"},
	{90 * DAY, 0, "degraded", CHECK_WARNING, "it expires in 90 days"},
	{INT64_MAX, 0, "due", CHECK_WARNING, "there is no certificate yet"},
	{INT64_MAX, 1, "failing", CHECK_CRITICAL, "there is no certificate yet: broken"},
};

static enum check_level judge(size_t i, const struct check_limits *limits, char **ret_text)
{
	struct certificate certificate = {.name = (char *)"www"};
	const int64_t left = rows[i].left != INT64_MAX ? rows[i].left : 0;
	struct version live = {.not_after = NOW + left};
	struct report r = {.certificate = &certificate, .state = rows[i].state};

	live.not_before = live.not_after - 96 * DAY;
	r.live = rows[i].left != INT64_MAX ? &live : NULL;
	r.next = (struct schedule){.what = SCHEDULE_RENEW, .due = live.not_after - 32 * DAY};
	r.renewal.failures = rows[i].failures;
	if (rows[i].failures > 0)
		err_set(&r.error, ERR_NET, "broken");
	return check_judge(&r, limits, NOW, ret_text);
}

static void every_state_has_its_level(void **state)
{
	const struct check_limits limits = {{.part = 4}, {.part = 8}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_FREE char *text = NULL;
		enum check_level level = judge(i, &limits, &text);

		if (level != rows[i].level || strstr(text, rows[i].says) == NULL)
			fail_msg("row %zu: %s, \"%s\"", i, check_level_name(level), text);
	}
}

static void what_is_paused_is_not_blamed_for_old_failures(void **state)
{
	const struct check_limits limits = {{.part = 4}, {.part = 8}};
	struct version live = {.not_before = NOW - 50 * DAY, .not_after = NOW + 40 * DAY};
	struct report r = {.live = &live, .state = "failing", .renewal.failures = 5};
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_int_equal(check_judge(&r, &limits, NOW, &text), CHECK_OK);
}

static void limits_can_be_days(void **state)
{
	const struct check_limits limits = {{.days = 95}, {.days = 32}};
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;
	AUTO_FREE char *third = NULL;

	(void)state;
	assert_int_equal(judge(0, &limits, &first), CHECK_OK);
	assert_int_equal(judge(1, &limits, &second), CHECK_WARNING);
	assert_int_equal(judge(2, &limits, &third), CHECK_CRITICAL);
}

static const struct {
	const char *text;
	int64_t part, days; /* both 0: refused, or no days at all */
	bool good;
} texts[] = {
	{"1/4", 4, 0, true},  {"1/1", 1, 0, true},      {"0", 0, 0, true},
	{"14", 0, 14, true},  {"1/0", 0, 0, false},     {"2/3", 0, 0, false},
	{"", 0, 0, false},    {"-1", 0, 0, false},      {"1/", 0, 0, false},
	{"14d", 0, 0, false}, {" 4", 0, 0, false},      {"1/+4", 0, 0, false},
	{"0.5", 0, 0, false}, {"1/10001", 0, 0, false}, {"99999999999999999999", 0, 0, false},
};

static void limits_are_parts_or_days_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct check_limit limit = {0};

		if (check_limit_parse(texts[i].text, &limit) != texts[i].good ||
		    limit.part != texts[i].part || limit.days != texts[i].days)
			fail_msg("\"%s\"", texts[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_its_level),
		cmocka_unit_test(what_is_paused_is_not_blamed_for_old_failures),
		cmocka_unit_test(limits_can_be_days),
		cmocka_unit_test(limits_are_parts_or_days_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
