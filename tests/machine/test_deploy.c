/* SPDX-License-Identifier: MIT
 *
 * test_deploy — one reload for many certificates, and windows. The files are real; the server is a
 * fake one that takes, when a reload begins, what lies in the folders then.
 */
#include "tests/machine/reload_server.h"

#include "agent/wanted.h"
#include "base/file.h"
#include "hooks/deployer.h"
#include "store/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR INT64_C(3600)

static const struct clock *clock_of(const struct world *w)
{
	return fake_loop_clock(w->loop);
}

/* --- one reload for many --- */

static void twenty_certificates_that_are_due_at_one_time_are_one_reload(void **state)
{
	struct world *w = server_world(SERVER_MANY);

	(void)state;
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	assert_int_equal(server.reloads, 1);
	server_turn(w, server_deploys_again);
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(server.checks, 2);
	world_pass(w, SERVER_LIFETIME * 3 / 4); /* each has its own time to be renewed */
	assert_int_equal(world_facts(w).versions, 2);
	server_assert();
	server_end(w);
}

static void whoever_dies_between_raise_and_reload_leaves_it_to_the_next(void **state)
{
	bool ended = false;
	int64_t k;

	(void)state;
	for (k = world_first(); !ended; k += world_stride()) {
		struct world *w = server_world(3);

		world_pass(w, 120);
		assert_int_equal(server.reloads, 1);
		server_turn(w, server_deploys_again);
		server_load_clear(
			&server.load); /* so that it serves nothing that was there before */
		for (int64_t i = 0; i < k; i++)
			world_step(w);
		ended = world_facts(w).open_deployments == 0;
		world_kill(w, 0);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 120);
		assert_int_equal(world_facts(w).open_deployments, 0);
		server_assert();
		assert_in_range(server.reloads, 2, 3);
		world_assert_quiet(w);
		server_end(w);
	}
	assert_true(k > 10);
}

static void a_reload_that_fails_fails_one_and_the_next_one_stands_for_it_too(void **state)
{
	struct world *w = server_world(SERVER_MANY);

	(void)state;
	server.failures = 1;
	world_pass(w, 30);
	assert_int_equal(server_failed(w), 1);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 1);
	server_assert();
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	assert_int_equal(server.reloads, 2);
	server_end(w);
}

static void a_reload_that_fails_each_time_is_tried_less_and_less_often(void **state)
{
	struct world *w = server_world(1);

	(void)state;
	server.failures = 1000;
	world_pass(w, 2 * HOUR); /* after 0, 1, 10 and 100 minutes */
	assert_in_range(server.reloads, 3, 4);
	world_pass(w, 2 * WORLD_DAY);
	assert_in_range(server.reloads, 4, 7);
	server.failures = 0;
	world_pass(w, 2 * WORLD_DAY);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	server_end(w);
}

static void a_check_that_fails_reloads_nothing(void **state)
{
	struct world *w = server_world(3);

	(void)state;
	server.check_fails = true;
	world_pass(w, 30);
	assert_int_equal(server_failed(w), 3);
	assert_int_equal(server.reloads, 0);
	server.check_fails = false;
	world_pass(w, 300);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	server_end(w);
}

static void deploy_first_again(struct store *s, struct world *w)
{
	struct err e = {0};

	server_must(deployment_renew(s, world_facts(w).live, &e), &e);
}

static void what_is_installed_during_a_reload_is_reloaded_after_it(void **state)
{
	struct world *w = server_world(2);

	(void)state;
	world_pass(w, 120);
	server.reload_ms = 20000;
	server_turn(w, deploy_first_again);
	world_pass(w, 5);
	assert_int_equal(server.reloads, 2);
	w->certificate_id++;
	server_turn(w, deploy_first_again);
	w->certificate_id--;
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	world_pass(w, 30);
	assert_int_equal(server.reloads, 3);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	server_end(w);
}

/* --- windows --- */

static const char *window; /* for set_window */

static void set_window(struct store *s, struct world *w)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct context context = {.store = s, .clock = clock_of(w)};
	struct err e = {0};

	server_must(certificate_load(s, w->certificate_id, &c, &e), &e);
	free(c->wish);
	c->wish = server_wish(w, 0, window);
	server_must(certificate_save(s, c, &e), &e);
	server_must(wanted_deployments(&context, c, false, &e), &e);
}

static void change_window(struct world *w, const char *to)
{
	window = to;
	server_turn(w, set_window);
}

/* Until a second version is issued; when that was. */
static int64_t pass_renewal(struct world *w)
{
	size_t versions = world_facts(w).versions;

	while (world_facts(w).versions == versions)
		world_step(w);
	return world_now(w);
}

static void a_renewal_is_deployed_exactly_when_its_window_opens(void **state)
{
	struct world *w = server_world(1);
	int64_t renewed_at, opens_at;

	(void)state;
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 60);
	assert_int_equal(server.reloads, 1); /* nothing was served yet */
	renewed_at = pass_renewal(w);
	opens_at = renewed_at - renewed_at % WORLD_DAY + WORLD_DAY + 2 * HOUR;
	assert_true(opens_at - renewed_at < WORLD_DAY); /* it is closed */
	world_pass(w, opens_at - renewed_at - 1);
	assert_int_equal(server.reloads, 1);
	assert_int_equal(world_facts(w).open_deployments, 1);
	assert_int_equal(world_events(w, "deploy-failed"), 0);
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, opens_at, opens_at + 1);
	server_assert();
	server_end(w);
}

/* A minute of the week, so many seconds from now. */
static char *window_in(const struct world *w, int64_t seconds)
{
	time_t from = (time_t)(world_now(w) + seconds), to = from + 60;
	char day[8], begin[8], end[8];
	struct tm tm;

	assert_non_null(gmtime_r(&from, &tm));
	strftime(day, sizeof(day), "%a", &tm);
	strftime(begin, sizeof(begin), "%H:%M", &tm);
	assert_non_null(gmtime_r(&to, &tm));
	strftime(end, sizeof(end), "%H:%M", &tm);
	return mem_printf("%s %s-%s UTC", day, begin, end);
}

static void a_window_is_waited_for_over_days_but_not_until_what_is_served_ends(void **state)
{
	struct world *w = server_world(1);
	AUTO_FREE char *late = NULL;
	AUTO_VERSION struct version *served = NULL;
	struct err e = {0};
	int64_t latest;

	(void)state;
	world_pass(w, 60);
	server_must(version_load(w->agents[0].store, world_facts(w).live, &served, &e), &e);
	latest = served->not_after - (served->not_after - served->not_before) / 6;
	late = window_in(w, SERVER_LIFETIME - WORLD_DAY);
	change_window(w, late);
	assert_true(pass_renewal(w) < latest - WORLD_DAY);
	world_pass(w, latest - world_now(w) - 1);
	assert_int_equal(server.reloads, 1);
	world_pass(w, 10);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, latest, latest + 1);
	server_assert();
	server_end(w);
}

static void another_window_is_no_other_target_and_heeded_at_once(void **state)
{
	struct world *w = server_world(1);
	AUTO_TARGET struct target *t = NULL;
	struct err e = {0};
	int64_t renewed_at;

	(void)state;
	world_pass(w, 60);
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 2 * WORLD_DAY);
	assert_int_equal(server.reloads, 1);
	server_must(target_load(w->agents[0].store, 2, &t, &e), &e);
	assert_string_equal(t->window, "02:00-05:00 UTC");
	target_free(TAKE(t));
	server_must(target_load(w->agents[0].store, 3, &t, &e), &e);
	assert_null(t);
	renewed_at = pass_renewal(w);
	world_pass(w, 60);
	assert_int_equal(server.reloads, 1);
	change_window(w, NULL);
	world_pass(w, 120);
	assert_int_equal(server.reloads, 2);
	assert_in_range(server.began_at, renewed_at + 60, renewed_at + 180);
	server_end(w);
}

static void
who_asks_for_a_certificate_does_not_wait_and_who_renews_whatever_is_due_does(void **state)
{
	struct world *w = server_world(1);

	(void)state;
	change_window(w, "02:00-05:00 UTC");
	world_pass(w, 60);
	world_kill(w, 0);
	world_sleep(w, SERVER_LIFETIME * 3 / 4);
	world_command(w, RUN_RENEW);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(server.reloads, 1);
	world_command(w, RUN_RENEW);
	assert_int_equal(server.reloads, 1);
	world_command(w, RUN_FINISH);
	assert_int_equal(server.reloads, 2);
	assert_int_equal(world_facts(w).open_deployments, 0);
	server_assert();
	server_end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_certificates_that_are_due_at_one_time_are_one_reload),
		cmocka_unit_test(whoever_dies_between_raise_and_reload_leaves_it_to_the_next),
		cmocka_unit_test(a_reload_that_fails_fails_one_and_the_next_one_stands_for_it_too),
		cmocka_unit_test(a_reload_that_fails_each_time_is_tried_less_and_less_often),
		cmocka_unit_test(a_check_that_fails_reloads_nothing),
		cmocka_unit_test(what_is_installed_during_a_reload_is_reloaded_after_it),
		cmocka_unit_test(a_renewal_is_deployed_exactly_when_its_window_opens),
		cmocka_unit_test(
			a_window_is_waited_for_over_days_but_not_until_what_is_served_ends),
		cmocka_unit_test(another_window_is_no_other_target_and_heeded_at_once),
		cmocka_unit_test(
			who_asks_for_a_certificate_does_not_wait_and_who_renews_whatever_is_due_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
