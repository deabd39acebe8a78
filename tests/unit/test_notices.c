/* SPDX-License-Identifier: MIT
 *
 * test_notices — when the operator is told, of what, and that it is told once.
 */
#include "tests/unit.h"

#include "agent/notices.h"

#define NOW  INT64_C(1800000000)
#define LIFE INT64_C(1600) /* so that a sixteenth is 100 */

/* Version 2 is live with so much left; what was told is of version `of`. */
static const struct {
	int64_t left; /* INT64_MAX: there is none */
	int64_t failures;
	int64_t of, level;
	bool failed;
	enum notice_event event;
	int now_level;
	int64_t next; /* from now; 0: never */
} rows[] = {
	{1600, 0, 0, 0, false, NOTICE_NONE, 0, 1200},
	{401, 0, 0, 0, false, NOTICE_NONE, 0, 1},
	{400, 0, 0, 0, false, NOTICE_EXPIRING, 1, 200},
	{400, 0, 2, 1, false, NOTICE_NONE, 1, 200},
	{201, 9, 2, 1, true, NOTICE_NONE, 1, 1},
	{200, 0, 2, 1, false, NOTICE_EXPIRING, 2, 100},
	{100, 0, 2, 2, false, NOTICE_EXPIRING, 3, 0},
	{100, 0, 2, 3, false, NOTICE_NONE, 3, 0},
	{-50, 0, 2, 3, false, NOTICE_NONE, 3, 0},
	{-50, 0, 2, 0, false, NOTICE_EXPIRING, 3,
	 0}, /* levels that were slept over are one notice */
	{1600, 2, 0, 0, false, NOTICE_NONE, 0, 1200},
	{1600, 3, 0, 0, false, NOTICE_FAILED, 0, 1200},
	{1600, 4, 0, 0, true, NOTICE_RENEWED, 0, 1200}, /* told of none; since then there is one */
	{1600, 4, 2, 0, true, NOTICE_NONE, 0, 1200},
	{300, 3, 2, 1, false, NOTICE_FAILED, 1, 100},
	{150, 3, 2, 1, false, NOTICE_EXPIRING, 2, 50}, /* the more urgent one first */
	{1600, 0, 1, 2, false, NOTICE_RENEWED, 0, 1200},
	{1600, 0, 1, 0, true, NOTICE_RENEWED, 0, 1200},
	{1600, 0, 1, 0, false, NOTICE_NONE, 0, 1200}, /* nobody was worried */
	{INT64_MAX, 2, 0, 0, false, NOTICE_NONE, 0, 0},
	{INT64_MAX, 3, 0, 0, false, NOTICE_FAILED, 0, 0},
	{INT64_MAX, 9, 0, 0, true, NOTICE_NONE, 0, 0},
};

static void each_thing_is_told_once_and_the_urgent_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const int64_t end = NOW + (rows[i].left != INT64_MAX ? rows[i].left : 0);
		const struct version live = {.id = 2, .not_before = end - LIFE, .not_after = end};
		const struct renewal renewal = {.failures = rows[i].failures};
		const struct notice told = {
			.version_id = rows[i].of,
			.level = rows[i].level,
			.failed = rows[i].failed,
		};
		const struct notice_input in = {
			rows[i].left != INT64_MAX ? &live : NULL,
			&renewal,
			&told,
			NOW,
		};
		struct notice_verdict v = notice_judge(&in);
		int64_t next = v.next_at == INT64_MAX ? 0 : v.next_at - NOW;

		if (v.event != rows[i].event || v.level != rows[i].now_level ||
		    next != rows[i].next)
			fail_msg("row %zu: %s, level %d, next in %ld", i,
				 notice_event_name(v.event), v.level, (long)next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_thing_is_told_once_and_the_urgent_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
