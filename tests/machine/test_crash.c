/* SPDX-License-Identifier: MIT
 *
 * test_crash — the heart: an agent is killed after 1, 2, 3 … n steps, another one takes over, and
 * everything is as if nothing had happened. A step is a turn or an event, so the kills fall before
 * and after each commit, each request on its way there, and each answer on its way back.
 *
 * EVERLEAF_TEST_SEED repeats a run of the random pairs.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>

struct scenario {
	const char *names;
	bool renewal;    /* the second certificate, not the first */
	bool burst;      /* all that happens at once is heard in one turn */
	bool daemon;     /* who dies, and who takes over */
	bool processing; /* the CA takes its time */
};

static struct world *scenario_begin(const struct scenario *s)
{
	struct world *w = world_new(s->names, 7);
	struct mock_ca_config *config = mock_ca_config(w->ca);

	w->burst = s->burst;
	if (s->renewal) {
		world_command(w, RUN_OBTAIN);
		world_sleep(w, 62 * WORLD_DAY);
	}
	if (s->processing) {
		config->processing = true;
		config->process_ms = 700;
		config->validate_ms = 900;
	}
	return w;
}

/* Runs at most limit steps; true: it came to its end before. */
static bool scenario_run(struct world *w, const struct scenario *s, int64_t limit)
{
	bool ended;

	world_start(w, 0, s->daemon ? RUN_DAEMON : RUN_OBTAIN);
	if (s->daemon) {
		size_t issued = s->renewal ? 2 : 1;

		for (ended = false; !ended && w->steps < limit;) {
			world_step(w);
			ended = world_events(w, "deployed") == issued;
		}
	} else {
		ended = world_run(w, limit);
	}
	world_kill(w, 0);
	return ended;
}

/* Each kill may lose one answer to newOrder, and with it one order that nobody uses (HACKING.md,
 * rule 5); nothing else is ever there twice. */
static void scenario_check(struct world *w, const struct scenario *s, size_t kills)
{
	size_t issued = s->renewal ? 2 : 1;
	struct mock_counts counts = mock_ca_counts(w->ca);

	world_assert_good(w, issued + kills);
	assert_int_equal(counts.certificates, issued);
	assert_int_equal(world_facts(w).versions, issued);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "issued"), issued);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_in_range(counts.unused_orders, 0, kills);
}

static void kill_everywhere(const struct scenario *s)
{
	size_t issued = s->renewal ? 2 : 1;
	int replaced = 0, kills = 0;
	bool ended = false;
	int64_t k;

	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = scenario_begin(s);

		ended = scenario_run(w, s, k);
		assert_true(scenario_run(w, s, 100000));
		scenario_check(w, s, 1);
		kills += !ended;
		replaced += mock_ca_counts(w->ca).orders > issued;
		world_free(w);
	}
	print_message("# killed at %d steps, %d replaced an order\n", kills, replaced);
	assert_true(k > 40); /* it did walk through an order */
	/* only while the answer to newOrder was on its way: then its URL is durable */
	assert_in_range(replaced, world_stride() == 1 ? 1 : 0, 4);
}

static const struct scenario scenarios[] = {
	{.names = "www.example"},
	{.names = "www.example", .burst = true},
	{.names = "www.example a.example b.example"},
	{.names = "www.example a.example b.example", .burst = true},
	{.names = "www.example", .renewal = true},
	{.names = "www.example", .processing = true},
	{.names = "www.example", .daemon = true},
	{.names = "www.example a.example", .renewal = true, .processing = true, .daemon = true},
};

static void a_first_certificate_survives_a_kill_at_every_step(void **state)
{
	(void)state;
	kill_everywhere(&scenarios[0]);
	kill_everywhere(&scenarios[1]);
}

static void an_order_for_three_names_survives_a_kill_at_every_step(void **state)
{
	(void)state;
	kill_everywhere(&scenarios[2]);
	kill_everywhere(&scenarios[3]);
}

static void a_renewal_survives_a_kill_at_every_step(void **state)
{
	(void)state;
	kill_everywhere(&scenarios[4]);
}

static void a_slow_ca_survives_a_kill_at_every_step(void **state)
{
	(void)state;
	kill_everywhere(&scenarios[5]);
}

static void a_daemon_that_takes_over_survives_a_kill_at_every_step(void **state)
{
	(void)state;
	kill_everywhere(&scenarios[6]);
	kill_everywhere(&scenarios[7]);
}

/* Those who died twice at one stage have two claims charged; a third death would be the last one
 * that costs no back-off (HACKING.md, rule 7). */
static void two_kills_in_a_row_are_survived_wherever_they_fall(void **state)
{
	int pairs = getenv("EVERLEAF_LONG") != NULL ? 2000 : 60;

	(void)state;
	world_seed();
	for (int i = 0; i < pairs; i++) {
		const struct scenario *s = &scenarios[(size_t)random() % COUNT_OF(scenarios)];
		struct world *w = scenario_begin(s);

		(void)scenario_run(w, s, 1 + random() % 90);
		(void)scenario_run(w, s, 1 + random() % 90);
		assert_true(scenario_run(w, s, 100000));
		scenario_check(w, s, 2);
		world_free(w);
	}
}

/* A crash loop must not reach the CA at full speed (HACKING.md, rule 7). */
static void the_fourth_claim_of_a_stage_without_progress_waits(void **state)
{
	struct world *w = *state;
	size_t asked;

	for (size_t i = 1; i <= 3; i++) {
		world_start(w, 0, RUN_OBTAIN);
		while (mock_ca_count(w->ca, MOCK_NEW_ORDER) < i)
			world_step(w);
		world_kill(w, 0);
	}
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_command(w, RUN_OBTAIN);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
	assert_int_equal(world_facts(w).open_orders, 1);
	assert_in_range(world_facts(w).order_next_at, world_now(w) + 59, world_now(w) + 76);
	world_sleep(w, 80);
	world_command(w, RUN_RENEW);
	world_assert_good(w, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_certificate_survives_a_kill_at_every_step),
		cmocka_unit_test(an_order_for_three_names_survives_a_kill_at_every_step),
		cmocka_unit_test(a_renewal_survives_a_kill_at_every_step),
		cmocka_unit_test(a_slow_ca_survives_a_kill_at_every_step),
		cmocka_unit_test(a_daemon_that_takes_over_survives_a_kill_at_every_step),
		cmocka_unit_test(two_kills_in_a_row_are_survived_wherever_they_fall),
		cmocka_unit_test_setup_teardown(the_fourth_claim_of_a_stage_without_progress_waits,
						world_setup, world_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
