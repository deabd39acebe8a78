/* SPDX-License-Identifier: MIT
 *
 * test_two — two agents on one state directory, and an operator who changes his mind while an
 * order is under way.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void two_commands_make_one_order(void **state)
{
	(void)state;
	for (int head_start = 0; head_start < 80; head_start++) {
		struct world *w = world_new("www.example", 1);

		world_start(w, 0, RUN_OBTAIN);
		for (int i = 0; i < head_start; i++)
			world_step(w);
		world_start(w, 1, RUN_OBTAIN);
		assert_true(world_run(w, 0));
		world_kill(w, 1);
		world_kill(w, 0);
		world_assert_good(w, 1);
		assert_int_equal(world_facts(w).orders, 1);
		assert_int_equal(world_facts(w).versions, 1);
		world_free(w);
	}
}

static void one_takes_over_at_once_from_another_that_dies_at_any_step(void **state)
{
	int64_t k;
	bool ended = false;

	(void)state;
	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = world_new("www.example", 1);

		world_start(w, 0, RUN_OBTAIN);
		world_start(w, 1, RUN_OBTAIN);
		ended = world_run(w, k);
		world_kill(w, 0);
		assert_true(world_run(w, 0));
		world_kill(w, 1);
		world_assert_good(w, 2);
		assert_int_equal(world_facts(w).versions, 1);
		assert_int_equal(mock_ca_counts(w->ca).certificates, 1);
		world_free(w);
	}
	assert_true(k > 40);
}

static void a_command_beside_the_daemon_makes_one_order(void **state)
{
	(void)state;
	for (int head_start = 0; head_start < 60; head_start += 3) {
		struct world *w = world_new("www.example", 1);

		world_start(w, 0, RUN_DAEMON);
		for (int i = 0; i < head_start; i++)
			world_step(w);
		world_start(w, 1, RUN_OBTAIN);
		assert_true(world_run(w, 0));
		world_kill(w, 1);
		world_assert_good(w, 1);
		world_pass(w, 120);
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* An owner that stands still, as after SIGSTOP: alive, so nobody takes its rows. */
static void nobody_takes_the_rows_of_an_owner_that_stands_still(void **state)
{
	struct world *w = *state;
	struct engine *stopped;
	size_t asked;

	world_start(w, 0, RUN_OBTAIN);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) == 0)
		world_step(w);
	stopped = TAKE(w->agents[0].engine);
	asked = mock_ca_count(w->ca, MOCK_NEW_ORDER);
	world_start(w, 1, RUN_DAEMON);
	world_pass(w, 3600);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NEW_ORDER), asked);
	assert_int_equal(world_facts(w).live, 0);
	w->agents[0].engine = stopped;
	assert_true(world_run(w, 0));
	world_assert_good(w, 1);
}

/* --- an operator who changes his mind --- */

static void wants_it_deleted(struct world *w, struct certificate *c)
{
	c->removed_at = world_now(w);
}

/* Deleted by another process after k steps of the order. */
static void a_certificate_deleted_during_its_order_leaves_nothing_behind(void **state)
{
	bool ended = false;
	int64_t k;

	(void)state;
	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = world_new("www.example", 1);
		struct facts f;

		world_start(w, 0, RUN_OBTAIN);
		ended = world_run(w, k);
		world_change(w, 1, wants_it_deleted);
		world_kill(w, 1);
		assert_true(world_run(w, 0));
		world_kill(w, 0);
		world_command(w, RUN_FINISH);
		world_assert_quiet(w);
		f = world_facts(w);
		assert_true(f.removed);
		assert_in_range(f.orders, 0, 1);
		world_free(w);
	}
	assert_true(k > 40);
}

/* … and by one that finds the order without an owner. */
static void a_deleted_certificate_is_cleaned_up_after_a_kill_at_any_step(void **state)
{
	bool ended = false;
	int64_t k;

	(void)state;
	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = world_new("www.example", 1);

		world_start(w, 0, RUN_OBTAIN);
		ended = world_run(w, k);
		world_kill(w, 0);
		world_change(w, 0, wants_it_deleted);
		world_kill(w, 0);
		world_command(w, RUN_FINISH);
		world_assert_quiet(w);
		assert_in_range(mock_ca_counts(w->ca).orders, 0, 1);
		world_free(w);
	}
}

static void wants_other_names(struct world *w, struct certificate *c)
{
	(void)w;
	world_want_names(c, "new.example www.example");
}

/* Whoever changes the names gets them, whether somebody works on the old ones or not. */
static void names_changed_during_an_order_are_issued_after_it(void **state)
{
	bool ended = false;
	int64_t k;

	(void)state;
	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = world_new("www.example", 1);

		world_start(w, 0, RUN_OBTAIN);
		ended = world_run(w, k);
		if (k / world_stride() % 2 == 0)
			world_kill(w, 0);
		world_change(w, 1, wants_other_names);
		world_start(w, 1, RUN_OBTAIN);
		assert_true(world_run(w, 0));
		world_kill(w, 1);
		world_kill(w, 0);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 3);
		assert_int_equal(world_facts(w).renewal.failures, 0);
		world_free(w);
	}
	assert_true(k > 40);
}

static void wants_other_files(struct world *w, struct certificate *c)
{
	AUTO_FREE char *files = mem_printf("%s/elsewhere", w->base);

	world_want_files(w, c, files);
	mem_set_str(&w->files, files);
}

/* An order is born with its copy of the wish: it deploys to where it was told, and the next
 * version goes to the new place. */
static void a_wish_changed_during_an_order_holds_from_the_next_one_on(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *before = mem_str(w->files);

	world_start(w, 0, RUN_OBTAIN);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) == 0)
		world_step(w);
	world_change(w, 1, wants_other_files);
	world_kill(w, 1);
	assert_true(world_run(w, 0));
	world_kill(w, 0);
	world_command(w, RUN_FORCE);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).versions, 2);
	mem_set_str(&w->files, before);
}

static void wants_another_key(struct world *w, struct certificate *c)
{
	char *kind = strstr(c->wish, "ec-256");

	(void)w;
	assert_non_null(kind);
	memcpy(kind, "ec-384", strlen("ec-384"));
}

/* An order that somebody works on is what --force asks for only when it has the key that is wanted.
 */
static void a_key_of_another_kind_is_issued_after_the_order_under_way(void **state)
{
	struct world *w = *state;
	AUTO_VERSION struct version *live = NULL;

	world_start(w, 0, RUN_OBTAIN);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) == 0)
		world_step(w);
	world_change(w, 1, wants_another_key);
	world_start(w, 1, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_int_equal(version_load(w->agents[1].store, world_facts(w).live, &live, NULL), 0);
	assert_string_equal(live->key_kind, "ec-384");
	assert_int_equal(world_facts(w).versions, 2);
	world_kill(w, 1);
	world_kill(w, 0);
	world_assert_good(w, 2);
}

static void wants_a_pause(struct world *w, struct certificate *c)
{
	(void)w;
	c->paused = true;
}

static void an_order_under_way_is_finished_although_it_is_paused_then(void **state)
{
	struct world *w = *state;
	size_t asked;

	world_start(w, 0, RUN_DAEMON);
	while (mock_ca_count(w->ca, MOCK_CHALLENGE) == 0)
		world_step(w);
	world_change(w, 1, wants_a_pause);
	world_pass(w, 60);
	world_assert_good(w, 1);
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_kill(w, 0);
	world_sleep(w, 80 * WORLD_DAY);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3600);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_commands_make_one_order),
		cmocka_unit_test(one_takes_over_at_once_from_another_that_dies_at_any_step),
		cmocka_unit_test(a_command_beside_the_daemon_makes_one_order),
		TEST(nobody_takes_the_rows_of_an_owner_that_stands_still),
		cmocka_unit_test(a_certificate_deleted_during_its_order_leaves_nothing_behind),
		cmocka_unit_test(a_deleted_certificate_is_cleaned_up_after_a_kill_at_any_step),
		cmocka_unit_test(names_changed_during_an_order_are_issued_after_it),
		TEST(a_wish_changed_during_an_order_holds_from_the_next_one_on),
		TEST(a_key_of_another_kind_is_issued_after_the_order_under_way),
		TEST(an_order_under_way_is_finished_although_it_is_paused_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
