/* SPDX-License-Identifier: MIT
 *
 * test_drain — an orderly end in the middle of things: nothing is begun any more, what is out is
 * heard, and what is left is neither lost nor charged.
 */
#include "tests/machine/world.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define DRAIN_MS  10000
#define MAX_STEPS 400
#define STOPS     8 /* more than the claims after which a crash loop is a failure */

static int64_t mono(const struct world *w)
{
	return clock_mono_ms(fake_loop_clock(w->loop));
}

/* As the daemon does on SIGTERM. Returns how many milliseconds it took. */
static int64_t world_drains(struct world *w)
{
	struct engine *g = w->agents[0].engine;
	int64_t began = mono(w);
	int64_t next_ms = -1;

	engine_drain(g, DRAIN_MS);
	while (!engine_drained(g))
		world_step(w);
	assert_int_equal(engine_tick(g, &next_ms, NULL), 0);
	assert_int_equal(next_ms, 0); /* whoever waited before looking again would wait in vain */
	engine_stop(g);
	world_kill(w, 0);
	return mono(w) - began;
}

/* Runs the daemon for so many steps; false: by then it was done. */
static bool world_runs_for(struct world *w, int64_t steps)
{
	world_start(w, 0, RUN_DAEMON);
	while (w->steps < steps)
		world_step(w);
	return world_facts(w).live == 0 || world_facts(w).open_deployments > 0;
}

static void an_end_at_any_step_costs_no_second_order(void **state)
{
	bool unfinished = true;
	int64_t steps;

	(void)state;
	for (steps = world_first() - 1; unfinished && steps < MAX_STEPS; steps += world_stride()) {
		struct world *w = world_new("www.example", (uint64_t)steps);
		size_t orders;

		unfinished = world_runs_for(w, steps);
		orders = mock_ca_counts(w->ca).orders;
		assert_in_range(world_drains(w), 0, DRAIN_MS);
		assert_in_range(mock_ca_counts(w->ca).orders, orders, 1);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		assert_int_equal(world_events(w, "failed"), 0);
		world_free(w);
	}
	assert_in_range(steps, 20, MAX_STEPS - 1); /* it went through all of them */
}

/* The same as crashes would end in "everleaf ended 3 times while it was at …". */
static void ends_in_a_row_are_not_charged(void **state)
{
	bool unfinished = true;

	(void)state;
	for (int64_t steps = 1; unfinished && steps < MAX_STEPS; steps += 3 * world_stride()) {
		struct world *w = world_new("www.example", (uint64_t)steps);

		for (int i = 0; i < STOPS; i++) {
			unfinished = world_runs_for(w, steps);
			(void)world_drains(w);
		}
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		assert_int_equal(world_events(w, "failed"), 0);
		assert_int_equal(world_facts(w).renewal.failures, 0);
		world_free(w);
	}
}

static void runs_until(struct world *w, enum mock_kind kind)
{
	world_start(w, 0, RUN_DAEMON);
	while (mock_ca_count(w->ca, kind) == 0 || w->net.in_flight == 0)
		world_step(w);
}

static void an_answer_that_takes_a_while_is_awaited_and_kept(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_DELAY, .delay_ms = 4000);
	runs_until(w, MOCK_NEW_ORDER);
	assert_in_range(world_drains(w), 3000, 4100);
	assert_string_equal(world_facts(w).stage, "authorize"); /* it knows the order's URL */
	assert_int_equal(mock_ca_count(w->ca, MOCK_AUTHORIZATION), 0); /* and went no further */
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
}

static void an_answer_that_never_comes_is_awaited_ten_seconds(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_DELAY, .delay_ms = 25000);
	runs_until(w, MOCK_FINALIZE);
	assert_in_range(world_drains(w), DRAIN_MS, DRAIN_MS);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
}

static void nothing_new_is_begun_although_it_is_due(void **state)
{
	struct world *w = *state;
	struct engine *g;

	world_start(w, 0, RUN_DAEMON);
	g = w->agents[0].engine;
	engine_drain(g, DRAIN_MS);
	assert_true(engine_drained(g)); /* nothing is out */
	for (int i = 0; i < 10; i++)
		world_step(w);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), 0);
	assert_int_equal(world_facts(w).orders, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_at_any_step_costs_no_second_order),
		cmocka_unit_test(ends_in_a_row_are_not_charged),
		TEST(an_answer_that_takes_a_while_is_awaited_and_kept),
		TEST(an_answer_that_never_comes_is_awaited_ten_seconds),
		TEST(nothing_new_is_begun_although_it_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
