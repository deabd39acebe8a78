/* SPDX-License-Identifier: MIT
 *
 * test_mid_order — an order between its birth and its end: one request that fails, an order that is
 * dead or never done, and what goes on beside one that is parked.
 */
#include "tests/machine/world_standalone.h"

#include "agent/standalone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600)

static size_t asked(const struct world *w, enum mock_kind kind)
{
	return mock_ca_count(w->ca, kind);
}

/* The index-th request of a kind. */
static int64_t asked_at_ms(const struct world *w, enum mock_kind kind, size_t index)
{
	const struct mock_record *r;

	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		if (r->kind == kind && index-- == 0)
			return r->at_ms;
	fail_msg("there was no such request");
	return 0;
}

/* --- one request that fails --- */

static const struct mock_fault passing[] = {
	{.act = MOCK_REPLACE, .status = 500, .problem = "serverInternal"},
	{.act = MOCK_REPLACE, .status = 503, .body = "busy", .content_type = "text/plain"},
	{.act = MOCK_REPLACE_AFTER, .status = 502, .body = "", .content_type = "text/html"},
	{.act = MOCK_DROP_BEFORE},
	{.act = MOCK_DROP_AFTER},
	{.act = MOCK_CUT, .at = 10},
};

static const enum mock_kind kinds[] = {MOCK_NEW_ORDER, MOCK_AUTHORIZATION, MOCK_CHALLENGE,
				       MOCK_ORDER,     MOCK_FINALIZE,      MOCK_CERTIFICATE};

/* A command ends with its certificate: it would give up an order that is parked. */
static void a_passing_error_of_any_request_is_over_after_1_2_4_seconds(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t i = 0; i < COUNT_OF(passing); i++) {
			struct world *w = world_new("www.example a.example", 1);
			struct mock_fault fault = passing[i];
			int64_t began = world_now(w);

			fault.kind = kinds[k];
			fault.times = 3;
			if (fault.kind == MOCK_NEW_ORDER && fault.act == MOCK_DROP_AFTER)
				fault.times = 1;
			mock_ca_fault(w->ca, &fault);
			world_command(w, RUN_OBTAIN);
			world_assert_good(w, kinds[k] == MOCK_NEW_ORDER ? 4 : 1);
			assert_int_equal(world_facts(w).order_error.code, ERR_NONE);
			assert_int_equal(world_facts(w).renewal.failures, 0);
			assert_in_range(world_now(w) - began, 1, 12);
			world_free(w);
		}
}

static void a_request_is_repeated_three_times_and_then_the_order_is_parked(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_CERTIFICATE, .act = MOCK_REPLACE, .status = 503, .body = "",
		  .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 30);
	assert_int_equal(world_facts(w).open_orders, 1);
	assert_int_equal(asked(w, MOCK_CERTIFICATE), 4);
	for (size_t i = 0; i < 3; i++)
		assert_in_range(asked_at_ms(w, MOCK_CERTIFICATE, i + 1) -
					asked_at_ms(w, MOCK_CERTIFICATE, i),
				1000 << i, (1000 << i) + 200);
	mock_ca_heal(w->ca);
	world_pass(w, 90);
	world_assert_good(w, 1);
}

static void a_request_with_a_time_is_not_repeated_before(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_ORDER, .act = MOCK_REPLACE, .status = 503, .body = "",
		  .headers = {"retry-after: 40"});
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 35);
	assert_int_equal(asked(w, MOCK_ORDER), 1);
	world_pass(w, 30);
	world_assert_good(w, 1);
}

/* What many certificates ask of a CA that is down stays little. */
static void a_daemon_s_new_order_is_parked_at_once(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 503, .body = "",
		  .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 50);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
}

static void a_kill_while_a_request_rests_leaves_nothing_behind(void **state)
{
	(void)state;
	for (size_t k = 1; k < COUNT_OF(kinds); k++) {
		struct world *w = world_new("www.example", 1);

		FAULT_ROW(w, .kind = kinds[k], .act = MOCK_DROP_BEFORE, .times = 2);
		world_start(w, 0, RUN_OBTAIN);
		while (asked(w, kinds[k]) == 0)
			world_step(w);
		world_kill(w, 0);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* --- what the CA was told of stays answered --- */

static struct world *standalone_world(void)
{
	struct world *w = world_new("www.example", 1);

	world_change(w, 0, world_want_standalone);
	world_kill(w, 0);
	mock_ca_config(w->ca)->fetch = world_fetch_shown;
	return w;
}

static void an_answer_is_there_while_its_order_is_parked(void **state)
{
	struct world *w = standalone_world();

	(void)state;
	mock_ca_config(w->ca)->validate_ms = 40000;
	FAULT_ROW(w, .kind = MOCK_ORDER, .act = MOCK_REPLACE, .status = 500,
		  .problem = "serverInternal", .times = 8);
	world_start(w, 0, RUN_DAEMON);
	while (world_facts(w).order_error.code == ERR_NONE)
		world_step(w);
	world_pass(w, 35);
	assert_int_equal(mock_ca_counts(w->ca).validations, 1);
	assert_int_equal(world_facts(w).open_orders, 1);
	world_pass(w, 1000);
	world_assert_good(w, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_false(standalone_listens(engine_standalone(w->agents[0].engine)));
	world_free(w);
}

/* It does not wait for itself. */
static void a_command_whose_order_is_parked_ends_and_its_answers_with_it(void **state)
{
	struct world *w = standalone_world();

	(void)state;
	mock_ca_config(w->ca)->validate_ms = 40000;
	FAULT_ROW(w, .kind = MOCK_ORDER, .act = MOCK_REPLACE, .status = 500,
		  .problem = "serverInternal", .times = MOCK_FOREVER);
	world_command(w, RUN_OBTAIN);
	assert_int_equal(world_facts(w).open_orders, 1);
	mock_ca_heal(w->ca);
	world_sleep(w, 40);
	mock_ca_tick(w->ca);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "interrupted"), 1);
	world_free(w);
}

/* --- what is dead --- */

/* How the CA says it: at once, after processing, or by an error of the request. */
static void break_issuing(struct world *w, int how)
{
	mock_ca_config(w->ca)->issue_error = "serverInternal";
	mock_ca_config(w->ca)->processing = how == 1;
	mock_ca_config(w->ca)->process_ms = how == 1 ? 3000 : 0;
	if (how == 2)
		FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_REPLACE_AFTER, .status = 500,
			  .problem = "serverInternal");
}

static void an_order_that_is_invalid_ends_its_attempt_whatever_its_error(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct world *w = world_new("www.example", 1);
		struct facts f;

		break_issuing(w, how);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 50);
		f = world_facts(w);
		assert_int_equal(f.open_orders, 0);
		assert_string_equal(f.stage, "failed");
		assert_string_equal(f.order_error.type, "serverInternal");
		assert_int_equal(f.renewal.failures, 1);
		assert_in_range(f.renewal.next_at - f.renewal.error_at, 60, 75);
		assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
		mock_ca_config(w->ca)->issue_error = NULL;
		world_pass(w, 90);
		world_assert_good(w, 2);
		world_free(w);
	}
}

/* Nor do its authorizations have to be read. */
static void a_dead_order_whose_authorizations_are_gone_is_dead_too(void **state)
{
	struct world *w = *state;

	break_issuing(w, 0);
	FAULT_ROW(w, .kind = MOCK_AUTHORIZATION, .skip = 1, .act = MOCK_REPLACE, .status = 404,
		  .problem = "malformed", .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 50);
	assert_int_equal(world_facts(w).open_orders, 0);
	assert_string_equal(world_facts(w).order_error.type, "serverInternal");
}

static void a_command_replaces_an_order_that_died_while_it_was_parked(void **state)
{
	static const enum world_run runs[] = {RUN_FORCE, RUN_OBTAIN};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		struct world *w = world_new("www.example", 1);
		int64_t began;

		world_command(w, RUN_OBTAIN);
		world_sleep(w, 70 * WORLD_DAY);
		break_issuing(w, 0);
		FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_DROP_AFTER, .times = MOCK_FOREVER);
		FAULT_ROW(w, .kind = MOCK_ORDER, .skip = 1, .act = MOCK_DROP_BEFORE,
			  .times = MOCK_FOREVER);
		world_command(w, RUN_OBTAIN);
		assert_int_equal(world_facts(w).open_orders, 1); /* and is dead already */
		mock_ca_heal(w->ca);
		mock_ca_config(w->ca)->issue_error = NULL;
		began = world_now(w);
		world_command(w, runs[i]);
		world_assert_good(w, 3);
		assert_int_equal(world_facts(w).versions, 2);
		assert_in_range(world_now(w) - began, 0, 10);
		world_free(w);
	}
}

static void an_order_that_is_never_issued_is_given_up_after_an_hour(void **state)
{
	(void)state;
	for (int64_t life = 60; life <= 2 * HOUR; life *= 5) { /* of each process */
		struct world *w = world_new("www.example", 1);
		int64_t began = world_now(w);

		mock_ca_config(w->ca)->processing = true;
		mock_ca_config(w->ca)->process_ms = 1000 * WORLD_DAY;
		while (asked(w, MOCK_NEW_ORDER) < 2 && world_now(w) - began < 2 * HOUR) {
			world_start(w, 0, RUN_DAEMON);
			world_pass(w, life);
			world_kill(w, 0);
		}
		assert_int_equal(asked(w, MOCK_NEW_ORDER), 2);
		assert_in_range(asked_at_ms(w, MOCK_NEW_ORDER, 1) -
					asked_at_ms(w, MOCK_NEW_ORDER, 0),
				HOUR * 1000, (HOUR + 1200) * 1000);
		assert_int_equal(world_events(w, "failed"), 1);
		world_free(w);
	}
}

static void a_command_does_not_wait_for_an_order_that_is_too_old(void **state)
{
	struct world *w = *state;
	int64_t began;

	mock_ca_config(w->ca)->processing = true;
	mock_ca_config(w->ca)->process_ms = 1000 * WORLD_DAY;
	world_command(w, RUN_OBTAIN);
	assert_int_equal(world_facts(w).open_orders, 1);
	world_sleep(w, HOUR);
	mock_ca_config(w->ca)->processing = false;
	began = world_now(w);
	world_command(w, RUN_FORCE);
	world_assert_good(w, 2);
	assert_in_range(world_now(w) - began, 0, 10);
}

/* --- beside an order that is parked --- */

#define WINDOW(start, end) "{\"suggestedWindow\":{\"start\":\"" start "\",\"end\":\"" end "\"}}"

static void advice_is_asked_while_an_order_is_parked(void **state)
{
	struct world *w = *state;
	size_t before;

	mock_ca_config(w->ca)->renewal_info = true;
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		  .body = WINDOW("2901-01-01T00:00:00Z", "2901-01-02T00:00:00Z"),
		  .times = MOCK_FOREVER);
	world_command(w, RUN_OBTAIN);
	world_sleep(w, 80 * WORLD_DAY);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 503, .body = "",
		  .headers = {"retry-after: 80000"});
	world_start(w, 0, RUN_DAEMON);
	while (world_facts(w).open_orders == 0)
		world_step(w);
	world_pass(w, 600);
	before = asked(w, MOCK_RENEWAL_INFO);
	mock_ca_heal(w->ca);
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		  .body = WINDOW("2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z"),
		  .times = MOCK_FOREVER);
	world_pass(w, 13 * HOUR);
	assert_int_equal(world_facts(w).open_orders, 1);
	assert_in_range(asked(w, MOCK_RENEWAL_INFO) - before, 2, 3);
	assert_int_equal(world_events(w, "advised"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_passing_error_of_any_request_is_over_after_1_2_4_seconds),
		TEST(a_request_is_repeated_three_times_and_then_the_order_is_parked),
		TEST(a_request_with_a_time_is_not_repeated_before),
		TEST(a_daemon_s_new_order_is_parked_at_once),
		cmocka_unit_test(a_kill_while_a_request_rests_leaves_nothing_behind),
		cmocka_unit_test(an_answer_is_there_while_its_order_is_parked),
		cmocka_unit_test(a_command_whose_order_is_parked_ends_and_its_answers_with_it),
		cmocka_unit_test(an_order_that_is_invalid_ends_its_attempt_whatever_its_error),
		TEST(a_dead_order_whose_authorizations_are_gone_is_dead_too),
		cmocka_unit_test(a_command_replaces_an_order_that_died_while_it_was_parked),
		cmocka_unit_test(an_order_that_is_never_issued_is_given_up_after_an_hour),
		TEST(a_command_does_not_wait_for_an_order_that_is_too_old),
		TEST(advice_is_asked_while_an_order_is_parked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
