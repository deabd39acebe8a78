/* SPDX-License-Identifier: MIT
 *
 * test_habits — CAs that say what became of a challenge elsewhere than Boulder and Pebble do: in
 * the answer to the challenge, in the authorization alone, without a reason, or as an error that
 * may pass; and CAs that speak of other names than were ordered.
 */
#include "tests/machine/world_standalone.h"

#include "agent/standalone.h"
#include "base/file.h"
#include "store/challenge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int fetch_fn(void *arg, const char *identifier, const char *token, struct buf *ret_answer);

static size_t asked(const struct world *w, enum mock_kind kind)
{
	return mock_ca_count(w->ca, kind);
}

/* --- what has failed, wherever it is said --- */

static void set_habits(struct world *w, int bits)
{
	struct mock_ca_config *config = mock_ca_config(w->ca);

	config->verdict_in_answer = (bits & 1) != 0;
	config->authorizations_stay = (bits & 2) != 0;
	config->orders_stay = (bits & 4) != 0;
	config->silent = (bits & 8) != 0;
}

static void assert_failed(struct world *w, const char *type)
{
	struct facts f = world_facts(w);

	world_assert_quiet(w);
	assert_string_equal(f.stage, "failed");
	assert_string_equal(f.order_error.type, type);
	assert_non_null(strstr(f.order_error.text, "www.example"));
	assert_int_equal(f.renewal.failures, 1);
	assert_int_equal(world_events(w, "failed"), 1);
	assert_int_equal(world_events(w, "interrupted"), 0);
}

static void a_challenge_that_failed_ends_the_attempt_wherever_the_ca_says_so(void **state)
{
	(void)state;
	for (int bits = 0; bits < 16; bits++) {
		struct world *w = world_new("www.example a.example", 1);
		fetch_fn *fetch = mock_ca_config(w->ca)->fetch;
		int64_t began = world_now(w);

		print_message("# habits %d\n", bits);
		set_habits(w, bits);
		mock_ca_config(w->ca)->fetch = NULL;
		world_command(w, RUN_OBTAIN);
		assert_failed(w, (bits & 8) != 0 ? "" : "connection");
		assert_in_range(world_now(w) - began, 0, 10);
		mock_ca_config(w->ca)->fetch = fetch;
		began = world_now(w);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 2);
		assert_in_range(world_now(w) - began, 0, 10);
		world_free(w);
	}
}

/* A process that ends at any moment leaves behind what the next one finds refused: its files were
 * there all the time, so the CA had a reason of its own. */
static void what_the_ca_refused_is_a_failure_whoever_hears_of_it(void **state)
{
	bool ended = false;

	(void)state;
	for (int64_t k = 1; !ended; k++) {
		struct world *w = world_new("www.example", 7);
		struct facts f;

		set_habits(w, (int)(k % 16));
		mock_ca_config(w->ca)->fetch = NULL;
		world_start(w, 0, RUN_DAEMON);
		while (w->steps < k && world_facts(w).renewal.failures == 0)
			world_step(w);
		ended = world_facts(w).renewal.failures > 0;
		world_kill(w, 0);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 55);
		f = world_facts(w);
		assert_int_equal(f.renewal.failures, 1);
		assert_int_equal(f.open_orders, 0);
		assert_int_equal(world_events(w, "interrupted"), 0);
		assert_in_range(mock_ca_counts(w->ca).orders, 1, 2); /* one for a lost answer */
		world_free(w);
	}
}

static int fetch_but_b(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	const struct world *w = arg;
	AUTO_FREE char *path = mem_printf("%s/.well-known/acme-challenge/%s", w->webroot, token);

	return str_equal(identifier, "b.example") ? -1 : file_read(path, ret_answer, NULL);
}

static void wants_b_optional(struct world *w, struct certificate *c)
{
	(void)w;
	strlist_add(&c->optional, "b.example");
}

static void an_optional_name_is_left_out_although_the_order_stays_pending(void **state)
{
	(void)state;
	for (int bits = 0; bits < 16; bits++) {
		struct world *w = world_new("www.example b.example", 1);

		world_change(w, 0, wants_b_optional);
		set_habits(w, bits);
		mock_ca_config(w->ca)->fetch = fetch_but_b;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 30);
		world_assert_quiet(w);
		assert_int_equal(world_facts(w).versions, 1);
		assert_int_equal(world_facts(w).renewal.failures, 0);
		assert_int_equal(mock_ca_counts(w->ca).orders, 2);
		world_free(w);
	}
}

/* --- an error that may pass (RFC 8555 8.2) --- */

static struct {
	int failures; /* of the next fetches */
	int64_t at[8];
	size_t count;
} flaky;

static int fetch_flaky(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	const struct world *w = arg;
	AUTO_FREE char *path = mem_printf("%s/.well-known/acme-challenge/%s", w->webroot, token);

	(void)identifier;
	if (flaky.count < COUNT_OF(flaky.at))
		flaky.at[flaky.count++] = world_now(w);
	return flaky.failures-- > 0 ? -1 : file_read(path, ret_answer, NULL);
}

static struct world *flaky_world(int failures, bool at_once)
{
	struct world *w = world_new("www.example", 1);
	struct mock_ca_config *config = mock_ca_config(w->ca);

	flaky.failures = failures;
	flaky.count = 0;
	config->fetch = fetch_flaky;
	config->answered_again = true;
	config->verdict_in_answer = at_once;
	return w;
}

static void an_answer_that_could_not_be_fetched_is_told_of_again(void **state)
{
	(void)state;
	for (int failures = 1; failures <= 3; failures++)
		for (int at_once = 0; at_once < 2; at_once++) {
			struct world *w = flaky_world(failures, at_once);

			world_command(w, RUN_OBTAIN);
			world_assert_good(w, 1);
			assert_int_equal(world_facts(w).renewal.failures, 0);
			assert_int_equal(asked(w, MOCK_CHALLENGE), failures + 1);
			assert_in_range(world_events(w, "unanswered"), 1, failures);
			assert_in_range(flaky.at[1] - flaky.at[0], 5, 8);
			world_free(w);
		}
}

static void it_is_not_told_for_ever(void **state)
{
	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		struct world *w = flaky_world(1000, at_once);
		int64_t began = world_now(w);

		world_command(w, RUN_OBTAIN);
		assert_failed(w, "connection");
		assert_int_equal(asked(w, MOCK_CHALLENGE), 4);
		assert_in_range(world_now(w) - began, 35, 60);
		world_free(w);
	}
}

static void a_restart_tells_it_again_as_well(void **state)
{
	struct world *w = flaky_world(1, true);

	(void)state;
	world_start(w, 0, RUN_OBTAIN);
	while (flaky.count == 0)
		world_step(w);
	world_kill(w, 0);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	world_free(w);
}

/* --- a CA that does not want to be told --- */

static void a_challenge_that_is_refused_names_its_identifier_and_ends_the_attempt(void **state)
{
	struct world *w = *state;
	int64_t began = world_now(w);

	FAULT_ROW(w, .kind = MOCK_CHALLENGE, .act = MOCK_REPLACE, .status = 400,
		  .problem = "malformed");
	world_command(w, RUN_OBTAIN);
	assert_failed(w, "malformed");
	assert_in_range(world_now(w) - began, 0, 3);
	assert_int_equal(asked(w, MOCK_AUTHORIZATION), 2);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 2);
}

static void a_refusal_of_what_the_ca_has_done_is_none(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_CHALLENGE, .act = MOCK_REPLACE_AFTER, .status = 400,
		  .problem = "malformed");
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
}

/* --- answers that end with us --- */

static struct world *standalone_world(int64_t validate_ms)
{
	struct world *w = world_new("www.example", 1);

	world_change(w, 0, world_want_standalone);
	world_kill(w, 0);
	mock_ca_config(w->ca)->fetch = world_fetch_shown;
	mock_ca_config(w->ca)->validate_ms = validate_ms;
	return w;
}

/* The CA looks while nobody is there. */
static void die_while_it_looks(struct world *w)
{
	world_start(w, 0, RUN_DAEMON);
	while (asked(w, MOCK_CHALLENGE) == 0)
		world_step(w);
	world_kill(w, 0);
	world_sleep(w, 60);
	mock_ca_tick(w->ca);
	mock_ca_config(w->ca)->validate_ms = 0;
}

static void an_answer_that_died_with_us_is_no_failure(void **state)
{
	(void)state;
	for (int bits = 0; bits < 16; bits += 2) { /* a verdict in the answer is heard at once */
		struct world *w = standalone_world(30000);

		set_habits(w, bits);
		die_while_it_looks(w);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 30);
		world_assert_good(w, 2);
		assert_int_equal(world_events(w, "interrupted"), 1);
		assert_int_equal(world_facts(w).renewal.failures, 0);
		world_free(w);
	}
}

static void a_refusal_that_no_answer_could_have_helped_is_a_failure_although_we_died(void **state)
{
	static const char *const judges[] = {"caa", "dns", "rejectedIdentifier"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(judges); i++) {
		struct world *w = standalone_world(30000);

		mock_ca_config(w->ca)->judge = judges[i];
		die_while_it_looks(w);
		mock_ca_config(w->ca)->judge = NULL;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 30);
		assert_failed(w, judges[i]);
		world_free(w);
	}
}

/* A daemon whose CA is away for a while is not a daemon that died. */
static void a_refusal_heard_late_by_who_showed_the_answer_is_a_failure(void **state)
{
	struct world *w = standalone_world(30000);

	(void)state;
	mock_ca_config(w->ca)->judge = "unauthorized";
	FAULT_ROW(w, .kind = MOCK_ORDER, .act = MOCK_DROP_BEFORE, .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	while (world_facts(w).order_error.code == ERR_NONE)
		world_step(w);
	assert_int_equal(world_facts(w).open_orders, 1);
	mock_ca_heal(w->ca);
	while (world_facts(w).renewal.failures == 0)
		world_step(w);
	assert_failed(w, "unauthorized");
	world_free(w);
}

/* --- identifiers are ours --- */

static void an_authorization_for_what_was_not_ordered_is_refused(void **state)
{
	static const struct {
		enum mock_twist twist;
		const char *says;
	} rows[] = {{MOCK_OTHER_AUTHORIZATION, "other.example"},
		    {MOCK_OTHER_WILDCARD, "*.www.example"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world *w = world_new("www.example", 1);
		struct facts f;

		mock_ca_config(w->ca)->twist = rows[i].twist;
		world_command(w, RUN_OBTAIN);
		f = world_facts(w);
		assert_string_equal(f.stage, "failed");
		assert_int_equal(f.order_error.code, ERR_PROTOCOL);
		assert_non_null(strstr(f.order_error.text, rows[i].says));
		assert_int_equal(asked(w, MOCK_CHALLENGE), 0);
		assert_int_equal(f.unwithdrawn, 0);
		world_free(w);
	}
}

static void an_authorization_that_becomes_another_one_is_refused(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->validate_ms = 60000;
	world_start(w, 0, RUN_OBTAIN);
	while (asked(w, MOCK_CHALLENGE) == 0)
		world_step(w);
	mock_ca_config(w->ca)->twist = MOCK_OTHER_AUTHORIZATION;
	assert_true(world_run(w, 0));
	world_kill(w, 0);
	assert_int_equal(world_facts(w).order_error.code, ERR_PROTOCOL);
	assert_int_equal(world_facts(w).answers, 0);
}

static void solvers_are_given_our_spelling_of_a_name(void **state)
{
	struct world *w = world_new("www.example xn--bcher-kva.example", 1);
	struct challenge **list = NULL;
	size_t count = 0;

	(void)state;
	mock_ca_config(w->ca)->spells = true;
	world_start(w, 0, RUN_OBTAIN);
	assert_true(world_run(w, 0));
	assert_int_equal(challenge_list(w->agents[0].store, 1, &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++)
		assert_true(str_equal(list[i]->identifier, "www.example") ||
			    str_equal(list[i]->identifier, "xn--bcher-kva.example"));
	challenge_list_free(list, count);
	world_kill(w, 0);
	world_assert_good(w, 1);
	world_free(w);
}

static void a_name_that_is_refused_in_another_spelling_is_left_out(void **state)
{
	struct world *w = world_new("www.example b.example", 1);

	(void)state;
	world_change(w, 0, wants_b_optional);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 400,
		  .content_type = "application/problem+json",
		  .body = "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\","
			  "\"detail\":\"no\",\"subproblems\":[{\"type\":"
			  "\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"no\","
			  "\"identifier\":{\"type\":\"dns\",\"value\":\"B.Example.\"}}]}");
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 30);
	assert_int_equal(world_facts(w).versions, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "left-out"), 1);
	world_free(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_challenge_that_failed_ends_the_attempt_wherever_the_ca_says_so),
		cmocka_unit_test(what_the_ca_refused_is_a_failure_whoever_hears_of_it),
		cmocka_unit_test(an_optional_name_is_left_out_although_the_order_stays_pending),
		cmocka_unit_test(an_answer_that_could_not_be_fetched_is_told_of_again),
		cmocka_unit_test(it_is_not_told_for_ever),
		cmocka_unit_test(a_restart_tells_it_again_as_well),
		TEST(a_challenge_that_is_refused_names_its_identifier_and_ends_the_attempt),
		TEST(a_refusal_of_what_the_ca_has_done_is_none),
		cmocka_unit_test(an_answer_that_died_with_us_is_no_failure),
		cmocka_unit_test(
			a_refusal_that_no_answer_could_have_helped_is_a_failure_although_we_died),
		cmocka_unit_test(a_refusal_heard_late_by_who_showed_the_answer_is_a_failure),
		cmocka_unit_test(an_authorization_for_what_was_not_ordered_is_refused),
		TEST(an_authorization_that_becomes_another_one_is_refused),
		cmocka_unit_test(solvers_are_given_our_spelling_of_a_name),
		cmocka_unit_test(a_name_that_is_refused_in_another_spelling_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
