/* SPDX-License-Identifier: MIT
 *
 * test_cut_off — a reload in whose midst everleaf ends, perhaps because of it.
 */
#include "tests/machine/reload_server.h"

#include "store/deployment.h"

#define HOUR INT64_C(3600)

/* In the midst of a reload: an orderly end, or one without a word. */
static void end_agent(struct world *w, bool orderly)
{
	if (orderly)
		engine_stop(w->agents[0].engine);
	world_kill(w, 0);
}

/* The daemon is started again and again by a service manager, and ended by the reload each time. */
static int ends_within(struct world *w, bool orderly, int64_t seconds)
{
	int64_t until = world_now(w) + seconds;
	int ends = 0;

	for (int starts = 0; world_now(w) < until; starts++) {
		int before = server.reloads;

		if (w->agents[0].engine == NULL)
			world_start(w, 0, RUN_DAEMON);
		while (server.reloads == before && world_now(w) < until)
			world_pass(w, 1);
		if (server.reloads > before) {
			end_agent(w, orderly);
			ends++;
		}
		assert_true(starts < 1000);
	}
	return ends;
}

static void a_reload_that_ends_us_is_run_once_for_all_and_then_less_and_less_often(void **state)
{
	(void)state;
	for (int orderly = 0; orderly < 2; orderly++) {
		struct world *w = server_world(3);

		server.reload_ms = 5000;
		assert_int_equal(ends_within(w, orderly, 50), 1);
		assert_int_equal(ends_within(w, orderly, 250), 1);
		assert_in_range(ends_within(w, orderly, 2 * HOUR), 1, 2);
		assert_int_equal(world_facts(w).live, 1);
		server.reload_ms = 300; /* it does so no more */
		if (w->agents[0].engine == NULL)
			world_start(w, 0, RUN_DAEMON);
		world_pass(w, 2 * WORLD_DAY);
		assert_int_equal(world_facts(w).open_deployments, 0);
		server_assert();
		server_end(w);
	}
}

static void
whoever_asks_for_the_certificate_does_not_wait_for_a_reload_that_was_cut_off(void **state)
{
	struct world *w = server_world(1);

	(void)state;
	server.reload_ms = 5000;
	assert_int_equal(ends_within(w, true, 50), 1);
	if (w->agents[0].engine != NULL)
		world_kill(w, 0);
	world_command(w, RUN_RENEW);
	assert_int_equal(server.reloads, 1);
	world_command(w, RUN_FINISH);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	server_end(w);
}

static void supersede(struct store *s, struct world *w)
{
	struct err e = {0};

	server_must(deployment_supersede(s, w->certificate_id, 0, &e), &e);
}

static void a_reload_whose_deployment_was_taken_away_is_not_called_cut_off(void **state)
{
	struct world *w = server_world(1);

	(void)state;
	server.reload_ms = 5000;
	while (server.reloads == 0)
		world_pass(w, 1);
	server_turn(w, supersede);
	world_pass(w, 10);
	server_turn(w, server_deploys_again);
	world_pass(w, 1);
	world_pass(w, 50); /* not after a back-off */
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_int_equal(server_failed(w), 0);
	server_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_reload_that_ends_us_is_run_once_for_all_and_then_less_and_less_often),
		cmocka_unit_test(
			whoever_asks_for_the_certificate_does_not_wait_for_a_reload_that_was_cut_off),
		cmocka_unit_test(a_reload_whose_deployment_was_taken_away_is_not_called_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
