/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "agent/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400
#define NOW 2000000000

static const uint8_t seed[32] = {1, 2, 3};

/* One certificate for a.test: born at NOW - age, living for life seconds. */
struct fixture {
	struct certificate certificate;
	struct version live;
	struct renewal renewal;
	struct schedule_input in;
};

static void fixture_make(struct fixture *f, int64_t age, int64_t life)
{
	*f = (struct fixture){0};
	strlist_add(&f->certificate.names, "a.test");
	strlist_add(&f->live.names, "a.test");
	f->live.fingerprint = mem_str("0123");
	f->live.not_before = NOW - age;
	f->live.not_after = NOW - age + life;
	f->in = (struct schedule_input){
		.certificate = &f->certificate,
		.live = &f->live,
		.renewal = &f->renewal,
		.seed = seed,
		.now = NOW,
	};
}

static void fixture_free(struct fixture *f)
{
	strlist_clear(&f->certificate.names);
	strlist_clear(&f->live.names);
	free(f->live.fingerprint);
}

static const struct {
	int64_t life;
	int64_t earliest, latest; /* seconds before the end */
} lives[] = {
	{90 * DAY, 33 * DAY, 30 * DAY}, /* a third, and up to a tenth of it earlier */
	{45 * DAY, 16 * DAY + DAY / 2, 15 * DAY},
	{10 * DAY, 10 * DAY / 3 + 10 * DAY / 30 + 1, 10 * DAY / 3},
	{6 * DAY, 3 * DAY + 3 * DAY / 10, 3 * DAY}, /* half of it below ten days */
	{160 * 3600, 88 * 3600, 80 * 3600},
	{60, 33, 30},
};

static void a_certificate_is_renewed_with_a_third_or_half_of_its_life_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lives); i++) {
		struct fixture f;
		struct schedule s;

		fixture_make(&f, 0, lives[i].life);
		s = schedule(&f.in);
		assert_int_equal(s.what, SCHEDULE_RENEW);
		assert_int_equal(s.when, s.due);
		assert_in_range(f.live.not_after - s.when, lives[i].latest, lives[i].earliest);
		fixture_free(&f);
	}
}

static void the_jitter_of_a_version_is_the_same_whenever_it_is_asked(void **state)
{
	struct fixture f;
	int64_t first, differ = 0;

	(void)state;
	fixture_make(&f, 0, 90 * DAY);
	first = schedule(&f.in).when;
	f.in.now = NOW + 50 * DAY;
	assert_int_equal(schedule(&f.in).when, first);
	for (int i = 0; i < 20; i++) {
		f.renewal.issued = i + 1;
		differ += schedule(&f.in).when != first;
	}
	assert_true(differ >= 19); /* a thousand certificates do not come at one second */
	fixture_free(&f);
}

static void two_renewals_at_once_are_a_day_apart_or_an_eighth_of_a_short_life(void **state)
{
	static const struct {
		int64_t life, previous_at, want; /* after now */
	} rows[] = {
		{90 * DAY, 0, 0}, /* the first one */
		{90 * DAY, NOW, DAY},
		{90 * DAY, NOW - 3600, DAY - 3600},
		{90 * DAY, NOW - 2 * DAY, 0},
		{90 * DAY, NOW + 1, 0}, /* by a wrong clock */
		{160, NOW - 1, 59},     /* and a minute at least */
		{60, NOW - 1, 29},      /* which is the whole life of this one */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct renewal_info info = {.window_start = NOW - 9, .window_end = NOW - 8};
		struct fixture f;

		fixture_make(&f, 0, rows[i].life);
		f.live.created_at = NOW;
		f.in.info = &info;
		f.in.previous_at = rows[i].previous_at;
		assert_int_equal(schedule(&f.in).when,
				 rows[i].want == 0 ? NOW - 9 : NOW + rows[i].want);
		fixture_free(&f);
	}
}

static void what_is_missing_or_for_other_names_is_due_now(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 0, 90 * DAY);
	strlist_add(&f.certificate.names, "b.test");
	assert_int_equal(schedule(&f.in).what, SCHEDULE_ISSUE);
	assert_true(schedule(&f.in).when <= NOW);
	f.in.live = NULL;
	assert_int_equal(schedule(&f.in).what, SCHEDULE_ISSUE);
	assert_true(schedule(&f.in).when <= NOW);
	fixture_free(&f);
}

static void the_order_of_names_does_not_matter(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 0, 90 * DAY);
	strlist_add(&f.certificate.names, "b.test");
	strlist_clear(&f.live.names);
	strlist_add(&f.live.names, "b.test");
	strlist_add(&f.live.names, "a.test");
	assert_int_equal(schedule(&f.in).what, SCHEDULE_RENEW);
	fixture_free(&f);
}

static void what_is_paused_or_removed_is_left_alone(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 80 * DAY, 90 * DAY);
	f.certificate.paused = true;
	assert_int_equal(schedule(&f.in).what, SCHEDULE_NOTHING);
	f.certificate.paused = false;
	f.certificate.removed_at = NOW;
	assert_int_equal(schedule(&f.in).what, SCHEDULE_NOTHING);
	fixture_free(&f);
}

static void a_failure_puts_it_off_but_keeps_when_it_was_due(void **state)
{
	struct fixture f;
	struct schedule s;

	(void)state;
	fixture_make(&f, 70 * DAY, 90 * DAY);
	f.renewal = (struct renewal){.failures = 3, .next_at = NOW + 6000, .error_at = NOW};
	s = schedule(&f.in);
	assert_int_equal(s.when, NOW + 6000);
	assert_true(s.due <= NOW);
	assert_non_null(strstr(s.why, "attempt 3 failed"));
	fixture_free(&f);
}

static void no_back_off_is_longer_than_a_sixth_of_what_is_left(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 5 * DAY, 6 * DAY); /* a day left: four hours at most */
	f.renewal = (struct renewal){.failures = 5, .next_at = NOW + DAY, .error_at = NOW};
	assert_int_equal(schedule(&f.in).when, NOW + 4 * 3600);
	fixture_free(&f);
}

static void what_was_refused_waits_longer_each_time_but_not_too_long(void **state)
{
	static const struct {
		int64_t refusals, age; /* of the live one, of 90 days; 0: none is live */
		int64_t want;          /* from the refusal on */
	} rows[] = {
		{0, 60 * DAY, 0},
		{1, 60 * DAY, DAY},
		{2, 60 * DAY, 2 * DAY},
		{3, 60 * DAY, 4 * DAY},
		{4, 0, DAY}, /* nothing valid is live */
		{4, 91 * DAY, DAY},
		{4, 84 * DAY, DAY},         /* a sixth of six days */
		{4, 90 * DAY - 7200, 3600}, /* an hour at least */
		{99, 61 * DAY, 29 * DAY / 6},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fixture f;
		struct schedule s;

		fixture_make(&f, rows[i].age, 90 * DAY);
		if (rows[i].age == 0)
			f.in.live = NULL;
		f.in.refusals = rows[i].refusals;
		f.in.refused_at = NOW;
		s = schedule(&f.in);
		assert_int_equal(s.held_until, rows[i].want != 0 ? NOW + rows[i].want : 0);
		assert_int_equal(s.free_at, 0); /* a person may */
		if (rows[i].want != 0) {
			assert_int_equal(s.when, NOW + rows[i].want);
			assert_non_null(strstr(s.why, "was refused at 20"));
			assert_non_null(strstr(s.why, "--force asks for it all the same"));
		}
		f.in.refused_at = NOW + 1; /* by a wrong clock */
		assert_int_equal(schedule(&f.in).held_until, 0);
		fixture_free(&f);
	}
}

static void a_week_is_the_longest_wait_for_what_was_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 45 * DAY, 90 * DAY);
	f.in.refusals = 4;
	f.in.refused_at = NOW;
	assert_int_equal(schedule(&f.in).held_until, NOW + 7 * DAY);
	fixture_free(&f);
}

static void a_back_off_is_a_minute_at_least_and_an_hour_at_most_after_the_end(void **state)
{
	struct fixture f;
	static const struct {
		int64_t left, waits;
	} rows[] = {
		{359, 60},
		{60, 60},
		{1, 60},
		{0, 3600},
		{-1, 3600},
		{-DAY, 3600},
		{-30 * DAY + 1, 3600},
		{-30 * DAY, DAY}, /* nobody waits for it any more */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fixture_make(&f, 6 * DAY - rows[i].left, 6 * DAY);
		f.renewal = (struct renewal){.failures = 9, .next_at = NOW + DAY, .error_at = NOW};
		assert_int_equal(schedule(&f.in).when, NOW + rows[i].waits);
		f.renewal.error.retry_at = NOW + DAY; /* the CA's time holds whatever ends */
		assert_int_equal(schedule(&f.in).when, NOW + DAY);
		fixture_free(&f);
	}
}

static void what_never_was_issued_has_its_usual_back_off(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 0, DAY);
	f.in.live = NULL;
	f.renewal = (struct renewal){.failures = 9, .next_at = NOW + DAY, .error_at = NOW};
	assert_int_equal(schedule(&f.in).when, NOW + DAY);
	fixture_free(&f);
}

/* How long after its issue it is renewed that had so much of its life left then. */
static const struct {
	int64_t hasty, left, want;
} floors[] = {
	{1, 30 * DAY, 60},   {2, 30 * DAY, 120}, {5, 30 * DAY, 960}, {20, 30 * DAY, DAY},
	{99, 30 * DAY, DAY}, {1, 3600, 60},      {9, 3600, 1800}, /* half of it */
	{1, 1, 60},          {2, 1, 120},        {7, 1, 3600},    /* nothing can keep it valid */
};

static void what_is_due_when_it_is_issued_waits_a_minute_and_twice_that_each_time(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(floors); i++) {
		fixture_make(&f, 0, floors[i].left);
		f.live.not_before -= 365 * DAY;
		f.live.created_at = NOW;
		assert_true(schedule_is_hasty(&f.in));
		f.renewal.hasty = floors[i].hasty;
		assert_int_equal(schedule(&f.in).when, NOW + floors[i].want);
		fixture_free(&f);
	}
	fixture_make(&f, 3600, 90 * DAY);
	f.live.created_at = NOW;
	assert_false(schedule_is_hasty(&f.in));
	fixture_free(&f);
}

static void a_back_off_that_a_wrong_clock_wrote_does_not_hold(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 80 * DAY, 90 * DAY);
	f.renewal = (struct renewal){.failures = 1, .next_at = NOW + 400 * DAY, .error_at = NOW};
	assert_true(schedule(&f.in).when <= NOW);
	fixture_free(&f);
}

/* A version that lives for 90 days and was born today, with what the CA says of it. */
static char id[] = "a.b";

static void advise(struct fixture *f, struct renewal_info *info, int64_t start, int64_t end)
{
	fixture_make(f, 0, 90 * DAY);
	f->live.id = 7;
	f->live.ari_id = id;
	*info = (struct renewal_info){.version_id = 7, .window_start = start, .window_end = end};
	f->in.info = info;
}

static void the_cas_advice_wins_and_its_instant_stays_while_the_window_does(void **state)
{
	struct renewal_info info;
	struct fixture f;
	struct schedule s;
	int64_t first;

	(void)state;
	advise(&f, &info, NOW + 10 * DAY, NOW + 11 * DAY);
	s = schedule(&f.in);
	first = s.when;
	assert_in_range(s.when, NOW + 10 * DAY, NOW + 11 * DAY);
	assert_non_null(strstr(s.why, "the CA advises"));
	f.in.now += 5 * DAY;
	s = schedule(&f.in);
	assert_int_equal(s.when, first);
	info.window_start -= 20 * DAY; /* revoked: a window in the past means now */
	info.window_end -= 20 * DAY;
	s = schedule(&f.in);
	assert_true(s.when <= NOW);
	fixture_free(&f);
}

static void what_is_revoked_is_tried_every_hour(void **state)
{
	struct renewal_info info;
	struct fixture f;

	(void)state;
	advise(&f, &info, NOW - DAY, NOW - DAY / 2);
	f.renewal = (struct renewal){.failures = 9, .next_at = NOW + DAY, .error_at = NOW};
	assert_int_equal(schedule(&f.in).when, NOW + DAY); /* its time is over, but it is valid */
	info.urgent = true;
	assert_int_equal(schedule(&f.in).when, NOW + 3600);
	fixture_free(&f);
}

/* The CA exempts an order from its limits within the window alone (Boulder, IsWithin). */
static void only_now_inside_the_window_is_inside_it(void **state)
{
	struct renewal_info info;
	struct fixture f;

	(void)state;
	advise(&f, &info, NOW, NOW + 10);
	assert_true(schedule_in_window(&f.in));
	f.in.now = NOW + 10;
	assert_false(schedule_in_window(&f.in));
	f.in.now = NOW - 1;
	assert_false(schedule_in_window(&f.in));
	f.in.now = NOW;
	info.version_id = 6;
	assert_false(schedule_in_window(&f.in));
	fixture_free(&f);
}

static void advice_that_comes_too_late_does_not_let_it_expire(void **state)
{
	struct renewal_info info;
	struct fixture f;
	struct schedule s;

	(void)state;
	advise(&f, &info, NOW + 200 * DAY, NOW + 300 * DAY);
	s = schedule(&f.in);
	assert_int_equal(s.when, f.live.not_after - 15 * DAY);
	fixture_free(&f);
}

static void advice_about_another_version_is_void(void **state)
{
	struct renewal_info info;
	struct fixture f;

	(void)state;
	advise(&f, &info, NOW - 2 * DAY, NOW - DAY);
	info.version_id = 6;
	assert_true(schedule(&f.in).when > NOW + 50 * DAY);
	assert_true(schedule_asks(&f.in));
	fixture_free(&f);
}

static void the_ca_is_not_asked_before_its_time_nor_about_what_is_over(void **state)
{
	struct renewal_info info;
	struct fixture f;

	(void)state;
	advise(&f, &info, NOW + 10 * DAY, NOW + 11 * DAY);
	info.standing.next_at = NOW + 100;
	assert_false(schedule_asks(&f.in));
	f.in.now = NOW + 100;
	assert_true(schedule_asks(&f.in));
	f.in.now = f.live.not_after;
	assert_false(schedule_asks(&f.in)); /* RFC 9773 4.3: not after its end */
	f.in.now = NOW;
	info.standing.next_at = NOW + 30 * DAY; /* by a wrong clock */
	assert_true(schedule_asks(&f.in));
	f.certificate.paused = true;
	assert_false(schedule_asks(&f.in));
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_cas_advice_wins_and_its_instant_stays_while_the_window_does),
		cmocka_unit_test(advice_that_comes_too_late_does_not_let_it_expire),
		cmocka_unit_test(advice_about_another_version_is_void),
		cmocka_unit_test(the_ca_is_not_asked_before_its_time_nor_about_what_is_over),
		cmocka_unit_test(a_certificate_is_renewed_with_a_third_or_half_of_its_life_left),
		cmocka_unit_test(the_jitter_of_a_version_is_the_same_whenever_it_is_asked),
		cmocka_unit_test(two_renewals_at_once_are_a_day_apart_or_an_eighth_of_a_short_life),
		cmocka_unit_test(what_is_missing_or_for_other_names_is_due_now),
		cmocka_unit_test(the_order_of_names_does_not_matter),
		cmocka_unit_test(what_is_paused_or_removed_is_left_alone),
		cmocka_unit_test(a_failure_puts_it_off_but_keeps_when_it_was_due),
		cmocka_unit_test(no_back_off_is_longer_than_a_sixth_of_what_is_left),
		cmocka_unit_test(what_was_refused_waits_longer_each_time_but_not_too_long),
		cmocka_unit_test(a_week_is_the_longest_wait_for_what_was_refused),
		cmocka_unit_test(a_back_off_is_a_minute_at_least_and_an_hour_at_most_after_the_end),
		cmocka_unit_test(what_never_was_issued_has_its_usual_back_off),
		cmocka_unit_test(what_is_revoked_is_tried_every_hour),
		cmocka_unit_test(only_now_inside_the_window_is_inside_it),
		cmocka_unit_test(
			what_is_due_when_it_is_issued_waits_a_minute_and_twice_that_each_time),
		cmocka_unit_test(a_back_off_that_a_wrong_clock_wrote_does_not_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
