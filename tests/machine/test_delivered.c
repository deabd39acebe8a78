/* SPDX-License-Identifier: MIT
 *
 * test_delivered — what a CA delivers, in the life of a certificate: a usable answer is found in it
 * wherever it stands, and what is refused costs one certificate and not one for each try.
 */
#include "tests/machine/world.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE  "https://acme-v02.api.letsencrypt.org"
#define HOUR  INT64_C(3600)
#define SPARE 60 /* seconds that an issue may take to begin */

#define URGENT                                                                                     \
	"{\"suggestedWindow\":{\"start\":\"2001-01-01T00:00:00Z\","                                \
	"\"end\":\"2001-01-02T00:00:00Z\"}}"

static size_t issued(const struct world *w)
{
	return mock_ca_counts(w->ca).certificates;
}

static struct version *live_version(struct world *w)
{
	struct version *v = NULL;

	assert_int_equal(version_load(w->agents[0].store, world_facts(w).live, &v, NULL), 0);
	assert_non_null(v);
	return v;
}

/* --- usable, as it came or as it could have come --- */

static const enum mock_twist habits[] = {
	MOCK_LEAF_LAST, MOCK_LEAF_TWICE, MOCK_ROOT, MOCK_EXPIRED_CROSS, MOCK_CROSS, MOCK_NO_KEY_ID,
};

static void a_usable_chain_is_found_in_whatever_came_and_only_that_is_shown(void **state)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(habits); i++) {
		struct world *w = world_new("www.example", 1);
		AUTO_VERSION struct version *v = NULL;

		mock_ca_config(w->ca)->twist = habits[i];
		world_start(w, 0, RUN_OBTAIN);
		assert_true(world_run(w, 0));
		v = live_version(w);
		assert_ptr_equal(strstr(v->chain, begin), v->chain); /* one, the intermediate */
		assert_null(strstr(v->chain + 1, begin));
		world_kill(w, 0);
		world_assert_good(w, 1);
		assert_int_equal(mock_ca_count(w->ca, MOCK_CERTIFICATE), 1);
		world_free(w);
	}
}

static void
without_a_key_identifier_the_ca_is_not_asked_and_the_renewal_replaces_nothing(void **state)
{
	struct world *w = *state;
	const struct mock_record *r;

	mock_ca_config(w->ca)->renewal_info = true;
	mock_ca_config(w->ca)->twist = MOCK_NO_KEY_ID;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 61 * WORLD_DAY);
	assert_int_equal(issued(w), 2);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_int_equal(mock_ca_count(w->ca, MOCK_RENEWAL_INFO), 0);
	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		if (r->payload != NULL)
			assert_null(strstr(r->payload, "replaces"));
}

/* --- the other chains (RFC 8555 7.4.2) --- */

static void an_alternate_chain_is_taken_when_the_default_one_is_of_no_use(void **state)
{
	static const int64_t counts[] = {1, 3, 16};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		struct world *w = world_new("www.example", 1);

		mock_ca_config(w->ca)->twist = MOCK_FORGED;
		mock_ca_config(w->ca)->alternates = counts[i];
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		assert_int_equal(world_events(w, "failed"), 0);
		assert_int_equal(mock_ca_count(w->ca, MOCK_CERTIFICATE), 1 + counts[i]);
		world_free(w);
	}
}

static void a_default_chain_that_serves_is_taken_without_asking_for_another(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->alternates = 3;
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	assert_int_equal(mock_ca_count(w->ca, MOCK_CERTIFICATE), 1);
}

static void more_than_sixteen_alternates_are_not_asked_for(void **state)
{
	struct world *w = *state;
	struct facts f;

	mock_ca_config(w->ca)->twist = MOCK_FORGED;
	mock_ca_config(w->ca)->alternates = 1000;
	world_command(w, RUN_OBTAIN);
	f = world_facts(w);
	assert_string_equal(f.stage, "failed");
	assert_non_null(strstr(f.order_error.text, "did not sign"));
	assert_int_equal(mock_ca_count(w->ca, MOCK_CERTIFICATE), 17);
}

/* Each stands in the way of the first of two alternates. */
static const struct mock_fault troubles[] = {
	{.act = MOCK_REPLACE, .status = 404, .problem = "malformed"},
	{.act = MOCK_REPLACE, .status = 200, .content_type = "text/plain", .body = "x"},
	{.act = MOCK_REPLACE,
	 .status = 200,
	 .content_type = "application/pem-certificate-chain",
	 .body = "x"},
	{.act = MOCK_REPLACE, .status = 500, .problem = "serverInternal"},
	{.act = MOCK_DROP_BEFORE},
};

static void an_alternate_that_does_not_come_hides_no_other_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(troubles); i++) {
		struct world *w = world_new("www.example", 1);
		struct mock_fault fault = troubles[i];

		fault.kind = MOCK_CERTIFICATE;
		fault.skip = 1;
		mock_ca_fault(w->ca, &fault);
		mock_ca_config(w->ca)->twist = MOCK_FORGED;
		mock_ca_config(w->ca)->alternates = 2;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, HOUR);
		world_assert_good(w, 1);
		assert_int_equal(issued(w), 1);
		world_free(w);
	}
}

/* It never comes: what it was needed for is refused in the end, and costs one certificate. */
static void an_alternate_that_never_comes_is_not_waited_for_without_end(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_CERTIFICATE, .skip = 1, .times = MOCK_FOREVER,
		  .act = MOCK_REPLACE, .status = 500, .problem = "serverInternal");
	mock_ca_config(w->ca)->twist = MOCK_FORGED;
	mock_ca_config(w->ca)->alternates = 1;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY / 2);
	assert_int_equal(issued(w), 1);
	assert_in_range(mock_ca_count(w->ca, MOCK_CERTIFICATE), 2, 20);
}

/* --- what did not come at all --- */

static const struct mock_fault misses[] = {
	{.act = MOCK_REPLACE, .status = 404, .problem = "malformed"},
	{.act = MOCK_REPLACE, .status = 403, .problem = "unauthorized", .times = 3},
	{.act = MOCK_REPLACE, .status = 302, .headers = {"location: https://x.example/"}},
	{.act = MOCK_REPLACE, .status = 200, .body = "{}"},
	{.act = MOCK_TRUNCATE, .at = 60},
	{.act = MOCK_TRUNCATE, .at = 1000, .times = 2},
};

static void a_certificate_that_does_not_come_is_fetched_again_and_not_issued_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(misses); i++) {
		struct world *w = world_new("www.example", 1);
		struct mock_fault fault = misses[i];

		fault.kind = MOCK_CERTIFICATE;
		mock_ca_fault(w->ca, &fault);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 3 * HOUR);
		world_assert_good(w, 1);
		assert_int_equal(issued(w), 1);
		assert_int_equal(world_events(w, "failed"), 0);
		world_free(w);
	}
}

static void a_certificate_that_never_comes_fails_its_order_in_the_end(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_CERTIFICATE, .times = MOCK_FOREVER, .act = MOCK_REPLACE,
		  .status = 404, .problem = "malformed");
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY / 2);
	assert_int_equal(world_events(w, "failed"), 1);
	assert_int_equal(issued(w), 1);
	assert_int_equal(mock_ca_count(w->ca, MOCK_CERTIFICATE), 4);
}

/* --- refused --- */

/* One that is live and due. */
static struct world *due_world(enum mock_twist twist)
{
	struct world *w = world_new("www.example", 1);

	world_command(w, RUN_OBTAIN);
	world_sleep(w, 63 * WORLD_DAY);
	mock_ca_config(w->ca)->twist = twist;
	return w;
}

static void what_was_refused_is_not_issued_again_before_a_day_then_two_then_four(void **state)
{
	static const int64_t days[] = {1, 2, 4};
	struct world *w = due_world(MOCK_OTHER_NAMES);
	size_t before = issued(w);

	(void)state;
	world_start(w, 0, RUN_DAEMON);
	for (size_t i = 0; i < COUNT_OF(days); i++) {
		world_pass(w, days[i] * WORLD_DAY - HOUR);
		assert_int_equal(issued(w), before + 1 + i);
		world_kill(w, 0); /* it is remembered */
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, HOUR + SPARE - (int64_t)i * SPARE);
		assert_int_equal(issued(w), before + 2 + i);
	}
	mock_ca_config(w->ca)->twist = MOCK_HONEST;
	world_pass(w, 7 * WORLD_DAY);
	world_assert_good(w, before + 5);
	assert_int_equal(world_facts(w).versions, 2);
	world_free(w);
}

static void what_was_refused_is_tried_again_before_the_live_one_ends(void **state)
{
	struct world *w = due_world(MOCK_OTHER_NAMES);
	size_t before = issued(w);

	(void)state;
	world_sleep(w, 26 * WORLD_DAY); /* 23 hours are left */
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 5 * HOUR);
	assert_in_range(issued(w) - before, 2, 3);
	world_free(w);
}

static void what_was_refused_is_asked_for_again_by_force_alone(void **state)
{
	struct world *w = due_world(MOCK_OTHER_NAMES);
	size_t asked;

	(void)state;
	world_command(w, RUN_OBTAIN);
	mock_ca_config(w->ca)->twist = MOCK_HONEST;
	asked = mock_ca_count(w->ca, MOCK_ANY);
	world_command(w, RUN_RENEW);
	world_start(w, 0, RUN_OBTAIN);
	assert_true(world_run(w, 0));
	assert_true(engine_limited(w->agents[0].engine, w->certificate_id));
	assert_true(engine_said(w->agents[0].engine, w->certificate_id));
	world_kill(w, 0);
	assert_int_equal(mock_ca_count(w->ca, MOCK_ANY), asked);
	world_command(w, RUN_FORCE);
	world_assert_good(w, 3);
	assert_int_equal(world_facts(w).versions, 2);
	world_free(w);
}

static void wants_one_name_more(struct world *w, struct certificate *c)
{
	(void)w;
	world_want_names(c, "www.example new.example");
}

static void something_else_is_asked_for_whatever_was_refused(void **state)
{
	struct world *w = due_world(MOCK_OTHER_KINDS);

	(void)state;
	world_command(w, RUN_OBTAIN);
	mock_ca_config(w->ca)->twist = MOCK_HONEST;
	world_change(w, 0, wants_one_name_more);
	world_kill(w, 0);
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 3);
	world_free(w);
}

static void what_was_refused_counts_against_the_limits_of_the_ca(void **state)
{
	struct world *w = world_new_at("www.example", 1, BASE);

	(void)state;
	mock_ca_config(w->ca)->twist = MOCK_FORGED;
	for (int i = 0; i < 5; i++)
		world_command(w, RUN_FORCE);
	assert_int_equal(issued(w), 5);
	mock_ca_config(w->ca)->twist = MOCK_HONEST;
	world_start(w, 0, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_true(engine_limited(w->agents[0].engine, w->certificate_id));
	world_kill(w, 0);
	assert_int_equal(issued(w), 5);
	world_sleep(w, 34 * HOUR); /* one of five in seven days */
	world_command(w, RUN_FORCE);
	world_assert_good(w, 6);
	world_free(w);
}

/* False: it ended before. */
static bool killed_at(int64_t step)
{
	struct world *w = world_new("www.example", 1);
	bool ended;

	mock_ca_config(w->ca)->twist = MOCK_CA_LEAF;
	mock_ca_config(w->ca)->alternates = 1;
	world_start(w, 0, RUN_OBTAIN);
	ended = world_run(w, step);
	world_kill(w, 0);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 20 * HOUR);
	assert_int_equal(issued(w), 1);
	assert_int_equal(world_events(w, "failed"), 1);
	world_assert_quiet(w);
	world_free(w);
	return !ended;
}

static void a_kill_at_any_step_forgets_no_refusal_and_costs_no_certificate(void **state)
{
	int64_t step = world_first();

	(void)state;
	while (killed_at(step))
		step += world_stride();
	assert_true(step > 10);
}

/* --- how long it lives --- */

static void wants_a_profile(struct world *w, struct certificate *c)
{
	AUTO_FREE char *wish = mem_printf("{\"key\":\"ec-256\",\"profile\":\"short\","
					  "\"solver\":{\"name\":\"webroot\",\"directory\":\"%s\"},"
					  "\"deploy\":[]}",
					  w->webroot);

	mem_set_str(&c->wish, wish);
}

static void one_that_ends_before_the_live_one_is_refused(void **state)
{
	struct world *w = *state;
	struct facts f;

	world_command(w, RUN_OBTAIN);
	mock_ca_config(w->ca)->lifetime = 80 * WORLD_DAY;
	world_command(w, RUN_FORCE);
	f = world_facts(w);
	assert_string_equal(f.stage, "failed");
	assert_non_null(strstr(f.order_error.text, "before the one it replaces"));
	world_sleep(w, 11 * WORLD_DAY); /* by then it ends after it */
	world_command(w, RUN_FORCE);
	world_assert_good(w, 3);
	assert_int_equal(world_facts(w).versions, 2);
}

static void one_of_another_profile_or_for_other_names_may_end_earlier(void **state)
{
	static void (*const changes[])(struct world *, struct certificate *) = {
		wants_a_profile, wants_one_name_more};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		struct world *w = world_new("www.example", 1);

		world_command(w, RUN_OBTAIN);
		mock_ca_config(w->ca)->lifetime = 10 * WORLD_DAY;
		world_change(w, 0, changes[i]);
		world_kill(w, 0);
		world_command(w, RUN_FORCE);
		assert_int_equal(world_facts(w).versions, 2);
		assert_int_equal(world_events(w, "failed"), 0);
		world_free(w);
	}
}

/* A revoked one has to go, also where its CA has shortened what it issues. */
static void one_that_the_ca_calls_back_may_be_replaced_by_a_shorter_one(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->renewal_info = true;
	world_command(w, RUN_OBTAIN);
	mock_ca_config(w->ca)->lifetime = 45 * WORLD_DAY;
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200, .body = URGENT);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, HOUR);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(world_events(w, "failed"), 0);
}

#define TEST(name)          cmocka_unit_test(name)
#define TEST_IN_WORLD(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_usable_chain_is_found_in_whatever_came_and_only_that_is_shown),
		TEST_IN_WORLD(
			without_a_key_identifier_the_ca_is_not_asked_and_the_renewal_replaces_nothing),
		TEST(an_alternate_chain_is_taken_when_the_default_one_is_of_no_use),
		TEST_IN_WORLD(a_default_chain_that_serves_is_taken_without_asking_for_another),
		TEST_IN_WORLD(more_than_sixteen_alternates_are_not_asked_for),
		TEST(an_alternate_that_does_not_come_hides_no_other_one),
		TEST_IN_WORLD(an_alternate_that_never_comes_is_not_waited_for_without_end),
		TEST(a_certificate_that_does_not_come_is_fetched_again_and_not_issued_again),
		TEST_IN_WORLD(a_certificate_that_never_comes_fails_its_order_in_the_end),
		TEST(what_was_refused_is_not_issued_again_before_a_day_then_two_then_four),
		TEST(what_was_refused_is_tried_again_before_the_live_one_ends),
		TEST(what_was_refused_is_asked_for_again_by_force_alone),
		TEST(something_else_is_asked_for_whatever_was_refused),
		TEST(what_was_refused_counts_against_the_limits_of_the_ca),
		TEST(a_kill_at_any_step_forgets_no_refusal_and_costs_no_certificate),
		TEST_IN_WORLD(one_that_ends_before_the_live_one_is_refused),
		TEST(one_of_another_profile_or_for_other_names_may_end_earlier),
		TEST_IN_WORLD(one_that_the_ca_calls_back_may_be_replaced_by_a_shorter_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
