/* SPDX-License-Identifier: MIT
 *
 * test_prune — what has ended goes when it is old, and not before; what is live stays.
 */
#include "tests/unit.h"

#include "store/certificate.h"
#include "store/challenge.h"
#include "store/deployment.h"
#include "store/event.h"
#include "store/order.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW MAKE_STORE_NOW
#define DAY MAKE_STORE_DAY

static struct store *in_turn(void **state)
{
	struct store *s = made_store_open(*state);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	return s;
}

static void commit_and_prune(struct made_store *m, int64_t when)
{
	struct err e = {0};

	if (store_in_turn(m->store))
		assert_int_equal(store_turn_commit(m->store, NULL), 0);
	m->now = when;
	if (store_prune(m->store, &e) != 0 || store_check(m->store, &e) != 0)
		fail_msg("%s", e.text);
}

/* Versions from the oldest (id 1) to the newest, 'x' expired and 'v' valid; the one that is live;
 * one with a live deployment (0: none); and the ids that must be left, as digits from the newest.
 */
static const struct {
	const char *versions;
	int64_t live;
	int64_t deploying;
	int64_t left;
} rows[] = {
	{"v", 1, 0, 1},
	{"x", 1, 0, 1},   /* expired, but the only one there is */
	{"xx", 2, 0, 21}, /* live and previous, whatever their age */
	{"xxx", 3, 0, 32},
	{"xvx", 3, 0, 32},  /* an older one that is valid is the previous here */
	{"vxx", 3, 0, 321}, /* … and stays also when it is not */
	{"vvvvv", 5, 0, 54321},
	{"vvvvvvv", 7, 0, 76543}, /* five in all */
	{"vvvvvvv", 2, 0, 76542}, /* the live one is kept, and previous is the newest other */
	{"xxxxx", 1, 0, 51},
	{"xxxxx", 5, 2, 542}, /* what is being deployed is still needed */
	{"vvvvvvvv", 8, 1, 876541},
};

static int64_t versions_left(struct store *s, int64_t certificate_id)
{
	struct version **list = NULL;
	size_t count = 0;
	int64_t ids = 0;

	assert_int_equal(version_list(s, certificate_id, &list, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		ids = ids * 10 + list[i]->id;
	version_list_free(list, count);
	return ids;
}

static void make_versions(struct store *s, size_t row)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;
	struct make_deployment spec = {.certificate_id = 1, .position = 1};

	assert_int_equal(make_certificate(s, make_account(s, "default"), "www"), 1);
	spec.target_id = make_target(s, "{}");
	for (const char *v = rows[row].versions; *v != '\0'; v++) {
		spec.version_id = make_version(s, 1, 1, *v == 'x' ? NOW : NOW + 1);
		assert_true(spec.version_id > 0);
		assert_true(make_deployment(s, &spec) > 0);
		if (spec.version_id != rows[row].deploying)
			assert_int_equal(deployment_supersede(s, 1, rows[row].deploying, NULL), 0);
	}
	assert_int_equal(certificate_load(s, 1, &c, NULL), 0);
	c->live_version_id = rows[row].live;
	assert_int_equal(certificate_save(s, c, NULL), 0);
}

static void of_versions_live_previous_and_a_few_valid_ones_stay(void **state)
{
	struct made_store *m = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(m->dir, sizeof(m->dir), "%s/%zu", m->base, i);
		make_versions(in_turn(state), i);
		commit_and_prune(m, NOW);
		if (versions_left(m->store, 1) != rows[i].left)
			fail_msg("row %zu (%s): %ld are left", i, rows[i].versions,
				 (long)versions_left(m->store, 1));
		made_store_close(m);
	}
}

static void put_challenge(struct store *s, int64_t order_id)
{
	struct challenge c = {
		.order_id = order_id,
		.authorization_url = (char *)"https://ca.example/1",
		.identifier = (char *)"example.com",
		.type = (char *)"dns-01",
		.url = (char *)"https://ca.example/2",
		.token = (char *)"token",
		.solver = (char *)"{}",
	};

	assert_int_equal(challenge_put(s, &c, NULL), 0);
}

static bool order_exists(struct store *s, int64_t id)
{
	AUTO_ORDER_ROW struct order *o = NULL;

	assert_int_equal(order_load(s, id, &o, NULL), 0);
	return o != NULL;
}

static void an_ended_order_goes_after_thirty_days_and_a_live_one_never(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");
	const int64_t certificate = make_certificate(s, account, "www");

	assert_int_equal(make_order_row(s, account, certificate), 1);
	put_challenge(s, 1);
	end_order(s, 1, NOW);
	assert_int_equal(make_order_row(s, account, certificate), 2);
	put_challenge(s, 2);
	commit_and_prune(m, NOW + 30 * DAY - 1);
	assert_true(order_exists(s, 1));
	commit_and_prune(m, NOW + 30 * DAY);
	assert_false(order_exists(s, 1));
	commit_and_prune(m, NOW + 1000 * DAY);
	assert_true(order_exists(s, 2));
}

static size_t events_of(struct store *s, int64_t certificate_id)
{
	struct event_list list AUTO_EVENT_LIST = {0};

	assert_int_equal(event_list(s, certificate_id, 10000, &list, NULL), 0);
	return list.count;
}

static void events_go_after_four_hundred_days_or_above_two_hundred(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);

	for (int i = 0; i < 201; i++)
		assert_true(make_event(s, 1, "many") > 0);
	assert_true(make_event(s, 2, "old") > 0);
	m->now = NOW + 1;
	assert_true(make_event(s, 2, "new") > 0);
	commit_and_prune(m, NOW + 400 * DAY - 1);
	assert_int_equal(events_of(s, 1), 200);
	assert_int_equal(events_of(s, 2), 2);
	commit_and_prune(m, NOW + 400 * DAY);
	assert_int_equal(events_of(s, 1), 0);
	assert_int_equal(events_of(s, 2), 1);
}

static void remove_certificate(struct store *s, int64_t id)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;

	assert_int_equal(certificate_load(s, id, &c, NULL), 0);
	c->removed_at = NOW;
	assert_int_equal(certificate_save(s, c, NULL), 0);
}

static bool certificate_exists(struct store *s, int64_t id)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;

	assert_int_equal(certificate_load(s, id, &c, NULL), 0);
	return c != NULL;
}

static void a_removed_certificate_goes_when_nothing_of_it_is_live(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");
	struct make_deployment spec = {.position = 1, .target_id = make_target(s, "{}")};

	spec.certificate_id = make_certificate(s, account, "www");
	spec.version_id = make_version(s, spec.certificate_id, 1, NOW + 90 * DAY);
	assert_int_equal(make_deployment(s, &spec), 1);
	assert_int_equal(make_order_row(s, account, spec.certificate_id), 1);
	put_challenge(s, 1);
	assert_int_equal(make_certificate(s, account, "kept"), 2);
	remove_certificate(s, 1);
	commit_and_prune(m, NOW + 1);
	assert_true(certificate_exists(s, 1));

	assert_int_equal(store_turn_begin(s, NULL), 0);
	end_order(s, 1, NOW);
	commit_and_prune(m, NOW + 1);
	assert_true(certificate_exists(s, 1)); /* its deployment is still at work */

	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(deployment_supersede(s, 1, 0, NULL), 0);
	commit_and_prune(m, NOW + 1);
	assert_false(certificate_exists(s, 1));
	assert_false(order_exists(s, 1));
	assert_int_equal(versions_left(s, 1), 0);
	assert_true(certificate_exists(s, 2));
}

static bool target_exists(struct store *s, int64_t id)
{
	AUTO_TARGET struct target *t = NULL;

	assert_int_equal(target_load(s, id, &t, NULL), 0);
	return t != NULL;
}

static void a_target_goes_with_its_last_deployment(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);
	struct make_deployment spec = {.position = 1, .target_id = make_target(s, "{}")};
	int64_t idle = make_target(s, "{\"directory\":\"/idle\"}");

	spec.certificate_id = make_certificate(s, make_account(s, "default"), "www");
	spec.version_id = make_version(s, spec.certificate_id, 1, NOW + 90 * DAY);
	assert_int_equal(make_deployment(s, &spec), 1);
	commit_and_prune(m, NOW + 1);
	assert_true(target_exists(s, spec.target_id));
	assert_false(target_exists(s, idle));
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(deployment_supersede(s, 1, 0, NULL), 0);
	remove_certificate(s, spec.certificate_id);
	commit_and_prune(m, NOW + 1);
	assert_false(target_exists(s, spec.target_id));
}

static void ids_of_what_was_pruned_are_never_used_again(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");

	assert_int_equal(make_certificate(s, account, "www"), 1);
	assert_int_equal(make_order_row(s, account, 1), 1);
	assert_int_equal(make_version(s, 1, 1, NOW), 1);
	assert_int_equal(make_event(s, 1, "old"), 1);
	end_order(s, 1, NOW);
	remove_certificate(s, 1);
	commit_and_prune(m, NOW + 500 * DAY);
	assert_false(certificate_exists(s, 1));
	assert_int_equal(events_of(s, 0), 0);
	made_store_close(m);

	s = in_turn(state);
	assert_int_equal(make_certificate(s, account, "www"), 2);
	assert_int_equal(make_order_row(s, account, 2), 2);
	assert_int_equal(make_version(s, 2, 1, NOW), 2);
	assert_int_equal(make_event(s, 2, "new"), 2);
	assert_int_equal(store_turn_commit(s, NULL), 0);
}

static void pruning_that_finds_nothing_commits_nothing(void **state)
{
	struct made_store *m = *state;
	struct store *s = in_turn(state);
	const int64_t account = make_account(s, "default");
	const int64_t certificate = make_certificate(s, account, "www");

	assert_true(make_version(s, certificate, 1, NOW + DAY) > 0);
	assert_true(make_order_row(s, account, certificate) > 0);
	assert_true(make_event(s, certificate, "new") > 0);
	commit_and_prune(m, NOW + 1);
	assert_int_equal(store_commits(s), 1);
	assert_false(store_in_turn(s));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_versions_live_previous_and_a_few_valid_ones_stay),
		TEST(an_ended_order_goes_after_thirty_days_and_a_live_one_never),
		TEST(events_go_after_four_hundred_days_or_above_two_hundred),
		TEST(a_removed_certificate_goes_when_nothing_of_it_is_live),
		TEST(a_target_goes_with_its_last_deployment),
		TEST(ids_of_what_was_pruned_are_never_used_again),
		TEST(pruning_that_finds_nothing_commits_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
