/* SPDX-License-Identifier: MIT
 *
 * test_answers — a CA that refuses, delays, loses, cuts, repeats and replaces its answers: what is
 * a failure, what is none, when it is tried again, and that nothing is doubled.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t asked(const struct world *w, enum mock_kind kind)
{
	return mock_ca_count(w->ca, kind);
}

/* --- whatever happens to one answer, there is a certificate in the end --- */

static const struct mock_fault once[] = {
	{.act = MOCK_DELAY, .delay_ms = 45000},
	{.act = MOCK_DROP_BEFORE},
	{.act = MOCK_DROP_AFTER},
	{.act = MOCK_DROP_BEFORE, .reused = true},
	{.act = MOCK_DROP_AFTER, .reused = true},
	{.act = MOCK_DROP_AFTER, .times = 2},
	{.act = MOCK_DROP_AFTER, .reused = true, .times = 2},
	{.act = MOCK_TRUNCATE, .at = 0},
	{.act = MOCK_TRUNCATE, .at = 1},
	{.act = MOCK_TRUNCATE, .at = 60},
	{.act = MOCK_CUT, .at = 10},
	{.act = MOCK_REPEAT},
	{.act = MOCK_REPLACE,
	 .status = 429,
	 .problem = "rateLimited",
	 .headers = {"retry-after: 30"}},
	{.act = MOCK_REPLACE, .status = 503, .body = ""},
	{.act = MOCK_REPLACE,
	 .status = 503,
	 .body = "busy",
	 .content_type = "text/plain",
	 .headers = {"retry-after: 20"}},
	{.act = MOCK_REPLACE, .status = 500, .problem = "serverInternal"},
	{.act = MOCK_REPLACE, .status = 400, .problem = "badNonce", .times = 5},
	{.act = MOCK_REPLACE, .status = 403, .problem = "unauthorized"},
	{.act = MOCK_REPLACE, .status = 400, .problem = "somethingNew"},
	{.act = MOCK_REPLACE,
	 .status = 200,
	 .body = "<html>log in</html>",
	 .content_type = "text/html"},
	{.act = MOCK_REPLACE, .status = 200, .body = "{}"},
	{.act = MOCK_REPLACE,
	 .status = 302,
	 .body = "",
	 .headers = {"location: https://x.example/"}},
	{.act = MOCK_REPLACE_AFTER, .status = 200, .body = "[]"},
	{.act = MOCK_REPLACE_AFTER, .status = 500, .problem = "serverInternal"},
};

/* Three hours are enough for two failures in a row. */
static void one_odd_answer(const struct mock_fault *row, enum mock_kind kind, bool burst)
{
	struct world *w = world_new("www.example a.example b.example", 3);
	struct mock_fault fault = *row;

	w->burst = burst;
	fault.kind = kind;
	if (kind == MOCK_DIRECTORY || kind == MOCK_NEW_NONCE)
		fault.times = row->times != 5 ? row->times : 1; /* no nonce is in it: a failure */
	mock_ca_fault(w->ca, &fault);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3 * 3600);
	world_assert_good(w, 4);
	assert_int_equal(world_facts(w).versions, 1);
	assert_in_range(mock_ca_counts(w->ca).certificates, 1, 2);
	world_free(w);
}

static void any_odd_answer_to_any_request_ends_in_a_certificate(void **state)
{
	(void)state;
	for (enum mock_kind kind = MOCK_DIRECTORY; kind < MOCK_NOTHING; kind++)
		for (size_t i = 0; i < COUNT_OF(once); i++) {
			print_message("# %s, row %zu\n", mock_kind_name(kind), i);
			one_odd_answer(&once[i], kind, i % 2 == 0);
		}
}

/* Three answers arrive at once, and the CA answers no more after none, one or two of them. */
static void bad_authorizations_among_good_ones_park_the_order(void **state)
{
	(void)state;
	for (int skip = 0; skip < 3; skip++) {
		struct world *w = world_new("www.example a.example b.example", 3);

		w->burst = true;
		w->net.there_ms = w->net.back_ms = 0;
		FAULT_ROW(w, .kind = MOCK_AUTHORIZATION, .skip = skip, .act = MOCK_REPLACE,
			  .status = 503, .body = "", .times = MOCK_FOREVER);
		world_command(w, RUN_OBTAIN);
		assert_int_equal(world_facts(w).open_orders, 1);
		mock_ca_heal(w->ca);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* --- time that the CA asks for --- */

static void a_rate_limit_is_kept_to_the_second(void **state)
{
	struct world *w = *state;
	int64_t limited;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 429,
		  .problem = "rateLimited", .headers = {"retry-after: 7000"});
	world_start(w, 0, RUN_DAEMON);
	while (asked(w, MOCK_NEW_ORDER) == 0)
		world_step(w);
	limited = mock_ca_record(w->ca, asked(w, MOCK_ANY) - 1)->at_ms;
	world_pass(w, 6900);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	world_kill(w, 0);
	world_command(w, RUN_OBTAIN); /* nor does a command go over it */
	world_command(w, RUN_FORCE);
	world_command(w, RUN_RENEW);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
	world_start(w, 0, RUN_DAEMON);
	while (asked(w, MOCK_NEW_ORDER) == 1)
		world_step(w);
	assert_in_range(mock_ca_record(w->ca, asked(w, MOCK_ANY) - 1)->at_ms - limited, 7000000,
			7002000);
	world_pass(w, 60);
	world_assert_good(w, 1);
}

static void a_rate_limit_on_accounts_is_kept_too(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ACCOUNT, .act = MOCK_REPLACE, .status = 429,
		  .problem = "rateLimited", .headers = {"retry-after: 500"});
	for (int i = 0; i < 4; i++)
		world_command(w, RUN_OBTAIN);
	assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	world_sleep(w, 501);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
}

static void a_ca_that_is_down_is_asked_again_and_nothing_has_failed(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_DIRECTORY, .act = MOCK_REPLACE, .status = 503, .body = "",
		  .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3600);
	assert_in_range(asked(w, MOCK_DIRECTORY), 2, 10);
	assert_int_equal(asked(w, MOCK_ANY), asked(w, MOCK_DIRECTORY));
	assert_int_equal(world_facts(w).renewal.failures, 0);
	mock_ca_heal(w->ca);
	world_pass(w, 2 * 3600);
	world_assert_good(w, 1);
}

/* --- nonces --- */

static void three_bad_nonces_are_no_failure(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 400,
		  .problem = "badNonce", .times = 3);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 4);
}

static void bad_nonces_for_ever_park_the_order_and_are_no_failure_of_the_certificate(void **state)
{
	struct world *w = *state;
	struct facts f;

	FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_REPLACE, .status = 400,
		  .problem = "badNonce", .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3600);
	f = world_facts(w);
	assert_int_equal(f.open_orders, 1);
	assert_int_equal(f.renewal.failures, 0);
	assert_int_equal(f.order_error.code, ERR_NET);
	assert_in_range(asked(w, MOCK_FINALIZE), 90, 400); /* three rounds of a hundred */
	mock_ca_heal(w->ca);
	world_pass(w, 3 * 3600);
	world_assert_good(w, 1);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 1);
}

/* --- orders --- */

static void a_lost_answer_to_new_order_costs_one_order_at_most(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_DROP_AFTER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 600);
	world_assert_good(w, 2);
	assert_int_equal(mock_ca_counts(w->ca).unused_orders, 1);
}

static void a_ca_that_hands_an_order_out_again_loses_none(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->reuse_orders = true;
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_DROP_AFTER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 600);
	world_assert_good(w, 1);
}

static void lost_answers_to_finalize_end_in_one_certificate(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct world *w = world_new("www.example", (uint64_t)i);

		FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_DROP_AFTER, .times = 1 + i / 2,
			  .reused = i % 2 == 0);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 3600);
		world_assert_good(w, 1);
		assert_int_equal(mock_ca_counts(w->ca).certificates, 1);
		assert_int_equal(world_events(w, "failed"), 0);
		world_free(w);
	}
	(void)state;
}

static int64_t key_of_order(struct world *w, int64_t id)
{
	AUTO_ORDER_ROW struct order *o = NULL;
	struct err e = {0};

	if (order_load(w->agents[0].store, id, &o, &e) != 0 || o == NULL)
		fail_msg("%s", e.text);
	return o->key_id;
}

static void a_csr_that_is_refused_ends_the_order_and_its_key(void **state)
{
	struct world *w = *state;
	struct facts f;

	FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_REPLACE, .status = 400,
		  .problem = "badCSR");
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 30);
	f = world_facts(w);
	assert_int_equal(f.open_orders, 0);
	assert_string_equal(f.stage, "failed");
	assert_int_equal(f.renewal.failures, 1);
	assert_int_equal(f.answers, 0);
	world_pass(w, 120);
	world_assert_good(w, 2);
	assert_int_not_equal(key_of_order(w, 1), key_of_order(w, 2));
}

static void an_order_that_stays_in_processing_is_parked_and_taken_up_again(void **state)
{
	struct world *w = *state;
	struct mock_ca_config *config = mock_ca_config(w->ca);
	struct facts f;
	size_t polls;

	config->processing = true;
	config->process_ms = 50 * 60 * 1000;
	world_command(w, RUN_OBTAIN); /* which does not wait for ever */
	f = world_facts(w);
	assert_int_equal(f.open_orders, 1);
	assert_int_equal(f.order_error.code, ERR_NET);
	polls = asked(w, MOCK_ORDER);
	assert_in_range(polls, 10, 140); /* ten minutes, at most one each five seconds later */
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 4 * 3600);
	world_assert_good(w, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(asked(w, MOCK_FINALIZE), 1);
}

static void an_order_that_the_ca_has_forgotten_is_replaced_at_once(void **state)
{
	struct world *w = *state;

	world_start(w, 0, RUN_OBTAIN);
	while (asked(w, MOCK_CHALLENGE) == 0)
		world_step(w);
	world_kill(w, 0);
	mock_ca_forget_orders(w->ca);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "interrupted"), 1);
}

static void an_order_that_expired_while_nobody_ran_is_replaced_at_once(void **state)
{
	struct world *w = *state;

	world_start(w, 0, RUN_OBTAIN);
	while (asked(w, MOCK_NEW_ORDER) == 0 || world_facts(w).unwithdrawn == 0)
		world_step(w);
	world_kill(w, 0);
	world_sleep(w, 2 * WORLD_DAY);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).versions, 1);
}

static void an_order_for_other_names_is_refused(void **state)
{
	struct world *w = *state;
	struct facts f;

	mock_ca_config(w->ca)->twist = MOCK_OTHER_ORDER;
	world_command(w, RUN_OBTAIN);
	f = world_facts(w);
	assert_int_equal(f.open_orders, 0);
	assert_int_equal(f.renewal.failures, 1);
	assert_int_equal(f.order_error.code, ERR_PROTOCOL);
	assert_non_null(strstr(f.order_error.text, "other.example"));
	assert_int_equal(asked(w, MOCK_AUTHORIZATION), 0);
}

/* --- certificates that must not be published --- */

static const struct {
	enum mock_twist twist;
	const char *says;
} twists[] = {
	{MOCK_OTHER_KEY, "another key"},
	{MOCK_OTHER_NAMES, "other.example"},
	{MOCK_SECRET, "refused"},
	{MOCK_OLD, "older than"},
	{MOCK_FUTURE, "not valid before"},
	{MOCK_OTHER_KINDS, "URI:https://other.example/, which was not ordered"},
	{MOCK_CA_LEAF, "CA:TRUE"},
	{MOCK_FORGED, "did not sign"},
	{MOCK_VERSION_1, "is no CA"},
	{MOCK_ALONE_EXPIRED, "expired at"},
};

static void what_was_not_ordered_is_refused_and_the_old_one_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(twists); i++) {
		struct world *w = world_new("www.example", 1);
		struct facts before, after;

		world_command(w, RUN_OBTAIN);
		before = world_facts(w);
		mock_ca_config(w->ca)->twist = twists[i].twist;
		world_command(w, RUN_FORCE);
		after = world_facts(w);
		assert_int_equal(after.live, before.live);
		assert_int_equal(after.versions, 1);
		assert_string_equal(after.stage, "failed");
		assert_int_equal(after.order_error.code, ERR_PROTOCOL);
		assert_non_null(strstr(after.order_error.text, twists[i].says));
		assert_int_equal(after.renewal.failures, 1);
		world_assert_good(w, 2); /* and so do its files */
		world_free(w);
	}
}

/* --- challenges that fail --- */

static void an_answer_that_the_ca_cannot_find_fails_the_order_and_is_withdrawn(void **state)
{
	struct world *w = *state;
	struct facts f;

	mock_ca_config(w->ca)->fetch = NULL;
	world_command(w, RUN_OBTAIN);
	world_assert_quiet(w);
	f = world_facts(w);
	assert_int_equal(f.live, 0);
	assert_string_equal(f.stage, "failed");
	assert_string_equal(f.order_error.type, "connection");
	assert_int_equal(f.renewal.failures, 1);
	assert_int_equal(mock_ca_counts(w->ca).orders, 1);
}

/* Let's Encrypt's integration guide: 1, 10, 100 minutes, then once a day; 0 … 25 % more. */
static const int64_t waits[] = {60, 600, 6000, 86400, 86400};

static void failures_are_tried_again_after_1_10_100_minutes_and_then_daily(void **state)
{
	struct world *w = *state;
	int (*fetch)(void *, const char *, const char *, struct buf *) =
		mock_ca_config(w->ca)->fetch;

	mock_ca_config(w->ca)->fetch = NULL;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 20);
	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		struct facts f = world_facts(w);
		int64_t wait = f.renewal.next_at - f.renewal.error_at;

		assert_int_equal(f.renewal.failures, i + 1);
		assert_int_equal(asked(w, MOCK_NEW_ORDER), i + 1);
		assert_in_range(wait, waits[i], waits[i] + waits[i] / 4);
		world_pass(w, f.renewal.next_at - world_now(w) - 2);
		assert_int_equal(asked(w, MOCK_NEW_ORDER), i + 1);
		if (i + 1 == COUNT_OF(waits))
			mock_ca_config(w->ca)->fetch = fetch;
		world_pass(w, 30);
	}
	world_assert_good(w, 6);
	assert_int_equal(world_facts(w).renewal.failures, 0); /* a success resets it */
}

/* Each wait is a sixth of what is left, which comes to nothing. */
static void the_end_of_a_certificate_makes_no_storm(void **state)
{
	static const struct mock_fault faults[] = {
		{.status = 403, .problem = "rejectedIdentifier"}, /* the attempt fails */
		{.status = 500, .problem = "serverInternal"},     /* its order is parked */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct world *w = world_new("www.example", 1);
		struct mock_fault fault = faults[i];
		size_t before;

		fault.kind = MOCK_NEW_ORDER;
		fault.act = MOCK_REPLACE;
		fault.times = MOCK_FOREVER;
		mock_ca_config(w->ca)->lifetime = 6 * WORLD_DAY;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 60);
		mock_ca_fault(w->ca, &fault);
		world_pass(w, 6 * WORLD_DAY - 3600 - 60 - 360); /* it was born an hour ago */
		before = asked(w, MOCK_NEW_ORDER);
		world_pass(w, 360 + 120);
		assert_in_range(asked(w, MOCK_NEW_ORDER) - before, 3, 8);
		world_free(w);
	}
}

/* Two hundred installations that fail at one moment must not come back at one moment. */
static void the_wait_after_a_failure_differs_from_store_to_store(void **state)
{
	int64_t first = 0;
	bool differs = false;

	(void)state;
	for (int i = 0; i < 8; i++) {
		struct world *w = world_new("www.example", 1);
		struct facts f;

		mock_ca_config(w->ca)->fetch = NULL;
		world_command(w, RUN_OBTAIN);
		f = world_facts(w);
		if (first == 0)
			first = f.renewal.next_at - f.renewal.error_at;
		differs = differs || f.renewal.next_at - f.renewal.error_at != first;
		world_free(w);
	}
	assert_true(differs);
}

static void a_command_goes_over_the_back_off_but_a_patient_one_does_not(void **state)
{
	struct world *w = *state;
	int64_t next_at;

	mock_ca_config(w->ca)->fetch = NULL;
	world_command(w, RUN_OBTAIN);
	next_at = world_facts(w).renewal.next_at;
	world_command(w, RUN_RENEW);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
	world_command(w, RUN_OBTAIN);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 2);
	assert_int_equal(world_facts(w).renewal.failures, 1); /* nor does it make it longer */
	assert_int_equal(world_facts(w).renewal.next_at, next_at);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_odd_answer_to_any_request_ends_in_a_certificate),
		cmocka_unit_test(bad_authorizations_among_good_ones_park_the_order),
		TEST(a_rate_limit_is_kept_to_the_second),
		TEST(a_rate_limit_on_accounts_is_kept_too),
		TEST(a_ca_that_is_down_is_asked_again_and_nothing_has_failed),
		TEST(three_bad_nonces_are_no_failure),
		TEST(bad_nonces_for_ever_park_the_order_and_are_no_failure_of_the_certificate),
		TEST(a_lost_answer_to_new_order_costs_one_order_at_most),
		TEST(a_ca_that_hands_an_order_out_again_loses_none),
		cmocka_unit_test(lost_answers_to_finalize_end_in_one_certificate),
		TEST(a_csr_that_is_refused_ends_the_order_and_its_key),
		TEST(an_order_that_stays_in_processing_is_parked_and_taken_up_again),
		TEST(an_order_that_the_ca_has_forgotten_is_replaced_at_once),
		TEST(an_order_that_expired_while_nobody_ran_is_replaced_at_once),
		TEST(an_order_for_other_names_is_refused),
		cmocka_unit_test(what_was_not_ordered_is_refused_and_the_old_one_stays),
		TEST(an_answer_that_the_ca_cannot_find_fails_the_order_and_is_withdrawn),
		TEST(failures_are_tried_again_after_1_10_100_minutes_and_then_daily),
		cmocka_unit_test(the_end_of_a_certificate_makes_no_storm),
		cmocka_unit_test(the_wait_after_a_failure_differs_from_store_to_store),
		TEST(a_command_goes_over_the_back_off_but_a_patient_one_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
