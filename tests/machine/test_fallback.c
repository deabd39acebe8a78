/* SPDX-License-Identifier: MIT
 *
 * test_fallback — several CAs in their order, and names that may be left out.
 */
#include "tests/machine/world.h"

#include "agent/fallback.h"
#include "store/account.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR   3600
#define SILENT "https://mock.example/silent" /* none of the mock's: see the faults */
#define NOW    2000000000

static int64_t silent_id, good_id;

static int64_t account_of(struct world *w, const char *server)
{
	AUTO_ACCOUNT_ROW struct account *a = mem_new(sizeof(*a));
	struct store *s = w->agents[0].store;

	a->server = mem_str(server);
	a->entry = mem_str("silent");
	a->contact = mem_str("");
	a->stage = mem_str("key");
	a->agreed = true;
	assert_int_equal(account_insert(s, a, NULL), 0);
	return a->id;
}

static void prefers_the_silent_one(struct world *w, struct certificate *c)
{
	good_id = c->account_id;
	silent_id = account_of(w, SILENT);
	mem_set_str(&c->origin, "/etc/everleaf/everleaf.yaml:3");
	id_list_add(&c->accounts, silent_id);
	id_list_add(&c->accounts, good_id);
	c->account_id = silent_id;
}

static void prefers_the_good_one(struct world *w, struct certificate *c)
{
	prefers_the_silent_one(w, c);
	c->accounts.ids[0] = c->account_id = good_id;
	c->accounts.ids[1] = silent_id;
}

static int64_t account_now(struct world *w)
{
	AUTO_CERTIFICATE struct certificate *c = NULL;

	assert_int_equal(certificate_load(w->agents[0].store, w->certificate_id, &c, NULL), 0);
	return c->account_id;
}

static void until_versions(struct world *w, size_t count, int64_t most)
{
	for (int64_t passed = 0; world_facts(w).versions < count; passed += 60) {
		assert_true(passed < most);
		world_pass(w, 60);
	}
}

static void a_ca_that_does_not_answer_is_left_after_three_failures(void **state)
{
	struct world *w = *state;
	int64_t began = world_now(w);

	FAULT_ROW(w, .kind = MOCK_NOTHING, .times = MOCK_FOREVER, .act = MOCK_DROP_BEFORE);
	world_change(w, 0, prefers_the_silent_one);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 5 * 60);
	assert_int_equal(account_now(w), silent_id); /* one minute, and ten: it may come back */
	until_versions(w, 1, HOUR);
	assert_in_range(world_now(w) - began, 11 * 60, 20 * 60);
	assert_int_equal(account_now(w), good_id);
	assert_int_equal(world_events(w, "moved"), 1);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_int_equal(world_facts(w).renewal.failures, 0);
}

static void the_preferred_ca_is_asked_again_at_the_next_renewal_and_not_within_a_day(void **state)
{
	struct world *w = *state;
	size_t asked;

	FAULT_ROW(w, .kind = MOCK_NOTHING, .times = MOCK_FOREVER, .act = MOCK_DROP_BEFORE);
	mock_ca_config(w->ca)->lifetime = 20 * HOUR;
	world_change(w, 0, prefers_the_silent_one);
	world_start(w, 0, RUN_DAEMON);
	until_versions(w, 1, HOUR);
	asked = mock_ca_count(w->ca, MOCK_NOTHING);
	until_versions(w, 2, 12 * HOUR);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NOTHING), asked);
	until_versions(w, 4, 40 * HOUR);
	assert_true(mock_ca_count(w->ca, MOCK_NOTHING) > asked);
	assert_int_equal(account_now(w), good_id);
	assert_int_equal(world_events(w, "moved"), 2);
}

static int refuse(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	(void)arg, (void)identifier, (void)token, (void)ret_answer;
	return -1;
}

static void a_validation_that_fails_does_not_move_it(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NOTHING, .times = MOCK_FOREVER, .act = MOCK_DROP_BEFORE);
	world_change(w, 0, prefers_the_good_one);
	mock_ca_config(w->ca)->fetch = refuse;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3 * WORLD_DAY);
	assert_true(world_facts(w).renewal.failures >= 4);
	assert_int_equal(account_now(w), good_id);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NOTHING), 0);
}

static void a_ca_that_refuses_the_account_is_left_at_once(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NOTHING, .times = MOCK_FOREVER, .act = MOCK_DROP_BEFORE);
	world_change(w, 0, prefers_the_good_one);
	world_command(w, RUN_OBTAIN);
	mock_ca_deactivate_accounts(w->ca);
	world_start(w, 0, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_int_equal(account_now(w), silent_id);
	assert_int_equal(world_events(w, "moved"), 1);
	assert_int_equal(world_events(w, "failed"), 0);
}

/* --- what moves it: the table --- */

static const struct {
	enum err_code code;
	const char *type;
	int64_t failures, left, retry; /* of a certificate of 90 days; left 0: there is none */
	bool moves;
} rows[] = {
	{ERR_NET, "", 1, 0, 0, false},
	{ERR_NET, "", 2, 30, 0, false},
	{ERR_NET, "", 3, 30, 0, true},
	{ERR_NET, "serverInternal", 3, 0, 0, true},
	{ERR_NET, "", 1, 14, 0, true}, /* near its end */
	{ERR_BUSY, "rateLimited", 1, 30, HOUR, false},
	{ERR_BUSY, "rateLimited", 1, 30, 7 * HOUR, true},
	{ERR_PROTOCOL, "", 1, 30, 0, true},
	{ERR_CONFIG, "externalAccountRequired", 1, 30, 0, true},
	{ERR_CONFIG, "userActionRequired", 1, 30, 0, true},
	{ERR_PROBLEM, "rejectedIdentifier", 1, 30, 0, true},
	{ERR_PROBLEM, "unauthorized", 9, 1, 0, false},
	{ERR_PROBLEM, "connection", 9, 1, 0, false},
	{ERR_PROBLEM, "dns", 9, 1, 0, false},
	{ERR_PROBLEM, "caa", 9, 1, 0, false},
	{ERR_CONFIG, "", 9, 1, 0, false},
	{ERR_CHILD, "", 9, 1, 0, false},
	{ERR_NET, "interrupted", 9, 1, 0, true}, /* the CA's word, not ours */
	{ERR_NET, "orderTaken", 9, 1, 0, true},
};

static void only_what_is_the_ca_s_fault_moves_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err why = {.code = rows[i].code, .retry_at = rows[i].retry};
		struct fallback_input in = {
			.why = &why,
			.failures = rows[i].failures,
			.lifetime = 90 * WORLD_DAY,
			.now = NOW,
		};

		if (rows[i].left != 0)
			in.not_after = NOW + rows[i].left * WORLD_DAY;
		if (rows[i].retry != 0)
			why.retry_at = NOW + rows[i].retry;
		snprintf(why.type, sizeof(why.type), "%s", rows[i].type);
		if (fallback_wanted(&in) != rows[i].moves)
			fail_msg("row %zu", i);
	}
}

/* --- names that may be left out --- */

static int (*fetch_honestly)(void *arg, const char *identifier, const char *token,
			     struct buf *ret_answer);

static int refuse_bad(void *arg, const char *identifier, const char *token, struct buf *ret_answer)
{
	return strstr(identifier, "bad") != NULL
		       ? -1
		       : fetch_honestly(arg, identifier, token, ret_answer);
}

static void wants_three(struct world *w, struct certificate *c)
{
	(void)w;
	world_want_names(c, "www.example bad.example bad2.example");
	strlist_add(&c->optional, "bad.example");
	strlist_add(&c->optional, "bad2.example");
}

static size_t names_live(struct world *w)
{
	AUTO_VERSION struct version *v = NULL;

	assert_int_equal(version_load(w->agents[0].store, world_facts(w).live, &v, NULL), 0);
	return v->names.count;
}

static void bad_names(struct world *w)
{
	fetch_honestly = mock_ca_config(w->ca)->fetch;
	mock_ca_config(w->ca)->fetch = refuse_bad;
	world_change(w, 0, wants_three);
}

static void optional_names_that_fail_are_left_out_and_tried_again_once_a_day(void **state)
{
	struct world *w = *state;
	size_t orders;

	bad_names(w);
	world_start(w, 0, RUN_DAEMON);
	until_versions(w, 1, 600);
	assert_int_equal(names_live(w), 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "failed"), 0);
	orders = mock_ca_counts(w->ca).orders;
	assert_in_range(orders, 2, 3);
	world_pass(w, 23 * HOUR);
	assert_int_equal(mock_ca_counts(w->ca).orders, orders);
	world_pass(w, 2 * HOUR);
	assert_in_range(mock_ca_counts(w->ca).orders, orders + 1, orders + 2);
	assert_int_equal(world_facts(w).versions, 1); /* what there is is as good as can be */
	orders = mock_ca_counts(w->ca).orders;
	world_pass(w, 22 * HOUR);
	assert_int_equal(mock_ca_counts(w->ca).orders, orders);
	mock_ca_config(w->ca)->fetch = fetch_honestly;
	until_versions(w, 2, 4 * HOUR);
	assert_int_equal(names_live(w), 3);
	orders = mock_ca_counts(w->ca).orders;
	world_pass(w, 3 * WORLD_DAY);
	assert_int_equal(mock_ca_counts(w->ca).orders, orders);
}

static void a_name_that_is_not_optional_blocks_all(void **state)
{
	struct world *w = *state;

	bad_names(w);
	mock_ca_config(w->ca)->fetch = refuse;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, HOUR);
	assert_int_equal(world_facts(w).versions, 0);
	assert_true(world_facts(w).renewal.failures >= 2);
	assert_int_equal(world_events(w, "left-out"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ca_that_does_not_answer_is_left_after_three_failures),
		TEST(the_preferred_ca_is_asked_again_at_the_next_renewal_and_not_within_a_day),
		TEST(a_validation_that_fails_does_not_move_it),
		TEST(a_ca_that_refuses_the_account_is_left_at_once),
		cmocka_unit_test(only_what_is_the_ca_s_fault_moves_it),
		TEST(optional_names_that_fail_are_left_out_and_tried_again_once_a_day),
		TEST(a_name_that_is_not_optional_blocks_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
