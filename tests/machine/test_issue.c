/* SPDX-License-Identifier: MIT
 *
 * test_issue — an order from nothing to files when nothing goes wrong: what it costs, and what it
 * leaves behind.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_certificate_is_obtained_from_nothing(void **state)
{
	struct world *w = *state;
	struct mock_counts counts;
	struct facts f;

	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	counts = mock_ca_counts(w->ca);
	f = world_facts(w);
	assert_int_equal(counts.certificates, 1);
	assert_int_equal(counts.validations, 1);
	assert_int_equal(f.versions, 1);
	assert_int_equal(f.renewal.failures, 0);
	assert_int_equal(f.renewal.succeeded_at, world_now(w));
	assert_int_equal(world_events(w, "issued"), 1);
	assert_int_equal(world_events(w, "deployed"), 1);
	assert_int_equal(world_events(w, "failed"), 0);
}

static void what_is_not_due_is_left_alone(void **state)
{
	struct world *w = *state;
	size_t asked;

	world_command(w, RUN_OBTAIN);
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_command(w, RUN_OBTAIN);
	world_command(w, RUN_RENEW);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
	assert_int_equal(world_facts(w).versions, 1);
}

static void wants_no_files(struct world *w, struct certificate *c)
{
	AUTO_FREE char *wish = mem_printf("{\"key\":\"ec-256\",\"solver\":{\"name\":\"webroot\","
					  "\"directory\":\"%s\"},\"deploy\":[]}",
					  w->webroot);

	mem_set_str(&c->wish, wish);
}

static void an_order_costs_five_commits_and_eight_requests(void **state)
{
	struct world *w = *state;
	size_t asked;
	int64_t before;

	world_command(w, RUN_OBTAIN);
	world_change(w, 0, wants_no_files); /* deployments have commits of their own */
	asked = mock_ca_count(w->ca, MOCK_ANY);
	before = store_commits(w->agents[0].store);
	world_start(w, 0, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(store_commits(w->agents[0].store) - before, 5);
	assert_in_range(mock_ca_count(w->ca, MOCK_ANY) - asked, 1, 8);
}

static char *many_names(size_t count)
{
	struct strlist names AUTO_STRLIST = {0};

	for (size_t i = 0; i < count; i++)
		strlist_addf(&names, "n%zu.example", i);
	return strlist_join(&names, " ");
}

static void fifty_names_cost_at_most_110_requests(void **state)
{
	AUTO_FREE char *names = many_names(50);
	struct world *w = world_new(names, 1);

	(void)state;
	w->burst = true;
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	assert_int_equal(mock_ca_counts(w->ca).validations, 50);
	/* two less: the account and its directory are known from the second time on */
	assert_in_range(mock_ca_count(w->ca, MOCK_ANY), 100, 112);
	world_free(w);
}

static void challenges_may_come_in_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		struct world *w = world_new("www.example a.example 192.0.2.7", seed);

		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

static void an_authorization_that_is_valid_already_needs_no_challenge(void **state)
{
	struct world *w = *state;
	struct mock_counts before, after;

	mock_ca_config(w->ca)->reuse_authorizations = true;
	world_command(w, RUN_OBTAIN);
	before = mock_ca_counts(w->ca);
	world_command(w, RUN_FORCE);
	after = mock_ca_counts(w->ca);
	world_assert_good(w, 2);
	assert_int_equal(after.certificates, 2);
	assert_int_equal(after.validations, before.validations);
	assert_int_equal(mock_ca_count(w->ca, MOCK_CHALLENGE), 1);
}

static void wants_one_name_more(struct world *w, struct certificate *c)
{
	(void)w;
	world_want_names(c, "www.example new.example");
}

static void only_the_names_without_an_authorization_are_validated(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->reuse_authorizations = true;
	world_command(w, RUN_OBTAIN);
	world_change(w, 0, wants_one_name_more);
	world_kill(w, 0);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
	assert_int_equal(mock_ca_counts(w->ca).validations, 2);
	assert_int_equal(world_facts(w).versions, 2);
}

static void a_wildcard_that_the_solver_cannot_answer_fails_the_order(void **state)
{
	struct world *w = world_new("www.example *.www.example", 1);
	struct facts f;

	(void)state;
	world_command(w, RUN_OBTAIN);
	world_assert_quiet(w);
	f = world_facts(w);
	assert_int_equal(f.live, 0);
	assert_string_equal(f.stage, "failed");
	assert_int_equal(f.order_error.code, ERR_CONFIG);
	assert_non_null(strstr(f.order_error.text, "webroot"));
	assert_int_equal(f.renewal.failures, 1);
	assert_int_equal(mock_ca_count(w->ca, MOCK_CHALLENGE), 0);
	world_free(w);
}

/* The times at which a kind of request came. */
static int64_t request_at(const struct world *w, enum mock_kind kind, size_t index)
{
	const struct mock_record *r;

	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		if (r->kind == kind && index-- == 0)
			return r->at_ms;
	fail_msg("there was no such request");
	return 0;
}

static void a_ca_that_asks_for_time_is_given_it(void **state)
{
	struct world *w = *state;
	struct mock_ca_config *config = mock_ca_config(w->ca);
	int64_t finalized, read;
	size_t polls;

	config->processing = true;
	config->process_ms = 2500;
	config->retry_after = 3;
	config->validate_ms = 10;
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	polls = mock_ca_count(w->ca, MOCK_ORDER);
	finalized = request_at(w, MOCK_FINALIZE, 0);
	read = request_at(w, MOCK_ORDER, polls - 1);
	assert_in_range(read - finalized, 3000, 3100); /* one poll, and not before */
	assert_true(request_at(w, MOCK_ORDER, polls - 2) < finalized);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
	struct world *a = world_new("www.example a.example", 5);
	struct world *b = world_new("www.example a.example", 5);
	struct world *c = world_new("www.example a.example", 6);
	AUTO_FREE char *of_a = NULL;
	AUTO_FREE char *of_b = NULL;
	AUTO_FREE char *of_c = NULL;

	(void)state;
	world_command(a, RUN_OBTAIN);
	world_command(b, RUN_OBTAIN);
	world_command(c, RUN_OBTAIN);
	of_a = world_trace(a);
	of_b = world_trace(b);
	of_c = world_trace(c);
	assert_string_equal(of_a, of_b);
	assert_string_not_equal(of_a, of_c);
	world_free(a);
	world_free(b);
	world_free(c);
}

static void the_daemon_renews_when_a_third_of_the_lifetime_is_left(void **state)
{
	struct world *w = *state;

	world_command(w, RUN_OBTAIN);
	world_sleep(w, 56 * WORLD_DAY); /* the jitter takes at most three of the thirty days */
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3600);
	assert_int_equal(world_facts(w).versions, 1);
	world_kill(w, 0);
	world_sleep(w, 4 * WORLD_DAY);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 600);
	assert_int_equal(world_facts(w).versions, 2);
	world_assert_good(w, 2);
}

static void wants_a_pause(struct world *w, struct certificate *c)
{
	(void)w;
	c->paused = true;
}

static void wants_no_pause(struct world *w, struct certificate *c)
{
	(void)w;
	c->paused = false;
}

static void what_is_paused_is_not_renewed_until_it_is_resumed(void **state)
{
	struct world *w = *state;
	size_t asked;

	world_command(w, RUN_OBTAIN);
	world_sleep(w, 80 * WORLD_DAY);
	world_start(w, 0, RUN_DAEMON);
	world_change(w, 0, wants_a_pause);
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_pass(w, 7200);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
	world_change(w, 1, wants_no_pause); /* by another process: seen without being told */
	world_pass(w, 600);
	world_kill(w, 1);
	assert_int_equal(world_facts(w).versions, 2);
	world_assert_good(w, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_certificate_is_obtained_from_nothing),
		TEST(what_is_not_due_is_left_alone),
		TEST(an_order_costs_five_commits_and_eight_requests),
		cmocka_unit_test(fifty_names_cost_at_most_110_requests),
		cmocka_unit_test(challenges_may_come_in_any_order),
		TEST(an_authorization_that_is_valid_already_needs_no_challenge),
		TEST(only_the_names_without_an_authorization_are_validated),
		cmocka_unit_test(a_wildcard_that_the_solver_cannot_answer_fails_the_order),
		TEST(a_ca_that_asks_for_time_is_given_it),
		cmocka_unit_test(the_same_seed_gives_the_same_trace),
		TEST(the_daemon_renews_when_a_third_of_the_lifetime_is_left),
		TEST(what_is_paused_is_not_renewed_until_it_is_resumed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
