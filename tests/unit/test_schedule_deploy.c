/* SPDX-License-Identifier: MIT
 *
 * test_schedule_deploy — when a deployment waits for its window, and when it does not.
 */
#include "tests/unit.h"

#include "agent/schedule_deploy.h"

#include <string.h>

#define HOUR INT64_C(3600)
#define DAY  INT64_C(86400)
#define NOW  (INT64_C(20000) * DAY + 12 * HOUR) /* noon, UTC */
#define LIFE (90 * DAY)

static const struct {
	const char *window;
	int64_t rest; /* what is served lives that long from now; 0: nothing is served */
	bool by_hand;
	int64_t in; /* deployed so many seconds from now */
	const char *why;
} rows[] = {
	/* no window, in both ways to say so */
	{"", LIFE, false, 0, "no window"},
	{NULL, LIFE, false, 0, "no window"},
	/* open now; its end is not part of it */
	{"11:00-13:00 UTC", LIFE, false, 0, "is open"},
	{"12:00-12:01 UTC", LIFE, false, 0, "is open"},
	{"11:00-12:00 UTC", LIFE, false, 23 * HOUR, "opens then"},
	/* closed */
	{"02:00-05:00 UTC", LIFE, false, 14 * HOUR, "opens then"},
	{"23:30-01:00 UTC", LIFE, false, 11 * HOUR + HOUR / 2, "opens then"},
	/* closed, and asked for */
	{"02:00-05:00 UTC", LIFE, true, 0, "asked"},
	/* closed, and the first one */
	{"02:00-05:00 UTC", 0, false, 0, "nothing is served"},
	/* what is served ends before it opens, or within an hour of that */
	{"02:00-05:00 UTC", 14 * HOUR, false, 0, "ends before"},
	{"02:00-05:00 UTC", 15 * HOUR - 1, false, 0, "ends before"},
	{"02:00-05:00 UTC", -DAY, false, 0, "ends before"},
	/* a sixth of 90 days is left: already, in ten hours, only after it opened */
	{"02:00-05:00 UTC", 15 * DAY, false, 0, "less than a sixth"},
	{"02:00-05:00 UTC", 15 * DAY + 10 * HOUR, false, 10 * HOUR, "is left then"},
	{"02:00-05:00 UTC", 15 * DAY + 14 * HOUR, false, 14 * HOUR, "opens then"},
	/* a damaged row holds nothing up */
	{"whenever", LIFE, false, 0, "cannot be read"},
};

static void a_deployment_waits_for_its_window_but_not_for_the_end_of_what_is_served(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct version served = {.not_before = NOW + rows[i].rest - LIFE,
					 .not_after = NOW + rows[i].rest};
		struct schedule_deploy_input in = {
			.window = rows[i].window,
			.served = rows[i].rest != 0 ? &served : NULL,
			.by_hand = rows[i].by_hand,
			.now = NOW,
		};
		struct schedule_deploy s = schedule_deploy(&in);

		if (s.when != NOW + rows[i].in || strstr(s.why, rows[i].why) == NULL)
			fail_msg("row %zu: in %lld s, because %s", i, (long long)(s.when - NOW),
				 s.why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_deployment_waits_for_its_window_but_not_for_the_end_of_what_is_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
