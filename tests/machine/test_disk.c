/* SPDX-License-Identifier: MIT
 *
 * test_disk — every single write, sync, truncate and remove of the store fails once: the same
 * agent goes on by itself. Then each is the last one that the disk takes, the agent is killed, and
 * another one takes over.
 */
#include "tests/machine/world.h"

#include "base/log.h"
#include "tests/machine/failing_disk.h"

#include <stdio.h>
#include <stdlib.h>

struct disk_world {
	struct failing_disk *disk;
	struct world *w;
};

static struct disk_world disk_world_new(void)
{
	struct disk_world d = {.disk = failing_disk_new()};

	d.w = world_new("www.example a.example", 7);
	log_level = (enum log_level) - 1; /* each failure says so */
	return d;
}

static void disk_world_free(struct disk_world *d)
{
	world_free(d->w);
	failing_disk_free(d->disk);
}

/* Every third operation, unless there is time. The first test meets them all. */
static int64_t stride(void)
{
	return getenv("EVERLEAF_LONG") != NULL ? 1 : 3;
}

/* The n-th operation from now fails. A command ends by itself; a daemon is given ten minutes.
 * False: there were no n operations. */
static bool fail_once(int64_t n, enum world_run run)
{
	struct disk_world d = disk_world_new();
	struct world *w = d.w;
	bool failed;

	world_start(w, 0, run);
	failing_disk_break(d.disk, n, false);
	if (run == RUN_DAEMON)
		world_pass(w, 600);
	else
		assert_true(world_run(w, 0));
	failed = failing_disk_repair(d.disk);
	assert_int_equal(w->agents[0].end.code, ERR_NONE);
	world_kill(w, 0);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).versions, 1);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	disk_world_free(&d);
	return failed;
}

static void a_command_goes_on_after_any_write_that_failed(void **state)
{
	int64_t n = 0;

	(void)state;
	while (fail_once(++n, RUN_OBTAIN))
		;
	print_message("# failed at each of %lld operations\n", (long long)n - 1);
	assert_true(n > 40);
}

static void a_daemon_goes_on_after_any_write_that_failed(void **state)
{
	int64_t n = 2;

	(void)state;
	while (fail_once(n, RUN_DAEMON))
		n += stride();
	assert_true(n > 40);
}

/* Nothing reaches the disk from the n-th operation on; the agent runs into it for a while. */
static bool fail_for_good(int64_t n)
{
	struct disk_world d = disk_world_new();
	struct world *w = d.w;
	bool failed;

	world_start(w, 0, RUN_OBTAIN);
	failing_disk_break(d.disk, n, true);
	(void)world_run(w, 300);
	world_kill(w, 0);
	failed = failing_disk_repair(d.disk);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
	assert_int_equal(world_facts(w).versions, 1);
	assert_int_equal(mock_ca_counts(w->ca).certificates, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	disk_world_free(&d);
	return failed;
}

static void another_one_takes_over_after_the_disk_died_at_any_write(void **state)
{
	int64_t n = 1;

	(void)state;
	while (fail_for_good(n))
		n += stride();
	assert_true(n > 40);
}

static void a_command_on_a_dead_disk_ends_and_a_daemon_waits(void **state)
{
	struct disk_world d = disk_world_new();
	struct world *w = d.w;

	(void)state;
	world_start(w, 0, RUN_OBTAIN);
	failing_disk_break(d.disk, 1, true);
	assert_true(world_run(w, 0));
	assert_int_equal(w->agents[0].end.code, ERR_STORE);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), 0); /* nothing goes out before a commit */
	world_kill(w, 0);
	failing_disk_repair(d.disk);
	world_start(w, 0, RUN_DAEMON);
	failing_disk_break(d.disk, 1, true);
	world_pass(w, 1800);
	assert_int_equal(w->agents[0].end.code, ERR_NONE);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), 0);
	failing_disk_repair(d.disk);
	world_pass(w, 600);
	world_kill(w, 0);
	world_assert_good(w, 1);
	disk_world_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_goes_on_after_any_write_that_failed),
		cmocka_unit_test(a_daemon_goes_on_after_any_write_that_failed),
		cmocka_unit_test(another_one_takes_over_after_the_disk_died_at_any_write),
		cmocka_unit_test(a_command_on_a_dead_disk_ends_and_a_daemon_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
