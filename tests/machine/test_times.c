/* SPDX-License-Identifier: MIT
 *
 * test_times — nothing is asked for ever, nothing that has ended waits for a day, and a wrong clock
 * costs no certificate.
 */
#include "tests/machine/world.h"

#include "store/event.h"
#include "store/renewal_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR     3600
#define BACKDATE 3600 /* the mock dates its certificates back by so much */

static size_t asked(const struct world *w, enum mock_kind kind)
{
	return mock_ca_count(w->ca, kind);
}

/* --- nothing is asked for ever --- */

static const enum mock_kind signed_kinds[] = {
	MOCK_NEW_ACCOUNT, MOCK_NEW_ORDER, MOCK_AUTHORIZATION, MOCK_CHALLENGE,
	MOCK_ORDER,       MOCK_FINALIZE,  MOCK_CERTIFICATE,
};

static void a_command_does_not_ask_for_ever_where_every_nonce_is_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(signed_kinds); i++) {
		struct world *w = world_new("www.example", 1);
		int64_t began = world_now(w);

		FAULT_ROW(w, .kind = signed_kinds[i], .act = MOCK_REPLACE, .status = 400,
			  .problem = "badNonce", .times = MOCK_FOREVER);
		world_command(w, RUN_OBTAIN);
		assert_in_range(world_now(w) - began, 60, 600);
		assert_int_equal(world_facts(w).versions, 0);
		mock_ca_heal(w->ca);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* At most a hundred in a round of two minutes, and rounds as far apart as failures are. */
static void a_daemon_asks_ever_less_often_where_every_nonce_is_bad(void **state)
{
	struct world *w = *state;
	size_t first;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 400,
		  .problem = "badNonce", .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 150);
	first = asked(w, MOCK_NEW_ORDER);
	assert_in_range(first, 90, 110);
	assert_int_equal(world_facts(w).order_error.cause, CAUSE_BAD_NONCE);
	world_pass(w, WORLD_DAY);
	assert_in_range(asked(w, MOCK_NEW_ORDER), 3 * first, 6 * first);
}

/* It has lived most of its life when it comes: four seconds, or a day, of what the CA gives. */
static void what_is_due_when_it_comes_is_renewed_ever_less_often_and_told_as_an_error(void **state)
{
	static const struct {
		int64_t left;
		size_t in_an_hour;
	} rows[] = {{4, 7}, {240, 25}, {3000, 7}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world *w = world_new("www.example", 1);

		mock_ca_config(w->ca)->lifetime = BACKDATE + rows[i].left;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 59);
		assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
		assert_int_equal(world_facts(w).renewal.error.code, ERR_PROTOCOL);
		assert_non_null(strstr(world_facts(w).renewal.error.text, "was due for renewal"));
		assert_int_equal(world_facts(w).renewal.hasty, 1);
		world_pass(w, HOUR);
		assert_in_range(asked(w, MOCK_NEW_ORDER), 4, rows[i].in_an_hour);
		mock_ca_config(w->ca)->lifetime = 0; /* ninety days */
		world_pass(w, 2 * HOUR);
		assert_int_equal(world_facts(w).renewal.error.code, ERR_NONE);
		assert_int_equal(world_facts(w).renewal.hasty, 0);
		world_free(w);
	}
}

static void a_limit_of_a_week_holds_for_a_week_whoever_asks(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 429,
		  .problem = "rateLimited", .headers = {"retry-after: 604800"});
	world_command(w, RUN_OBTAIN);
	assert_in_range(world_facts(w).order_next_at, world_now(w) + 7 * WORLD_DAY - 60,
			world_now(w) + 7 * WORLD_DAY);
	for (int day = 0; day < 6; day++) {
		world_start(w, 0, day % 2 == 0 ? RUN_DAEMON : RUN_OBTAIN);
		world_pass(w, WORLD_DAY);
		world_kill(w, 0);
	}
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 1);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, WORLD_DAY + HOUR);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 2);
	world_assert_good(w, 1);
}

static void a_time_of_the_ca_that_a_wrong_clock_wrote_is_not_waited_for(void **state)
{
	struct world *w = *state;

	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 429,
		  .problem = "rateLimited", .headers = {"retry-after: 604800"});
	fake_loop_set_now(w->loop, world_now(w) + 20 * WORLD_DAY);
	world_command(w, RUN_OBTAIN);
	fake_loop_set_now(w->loop, world_now(w) - 20 * WORLD_DAY);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, HOUR);
	world_assert_good(w, 1);
}

/* Whatever it was that died: nothing is signed, so nothing is done twice. */
static void a_lost_connection_of_a_get_is_no_failure(void **state)
{
	static const enum mock_kind kinds[] = {MOCK_DIRECTORY, MOCK_NEW_NONCE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		for (int act = MOCK_DROP_BEFORE; act <= MOCK_CUT; act++) {
			struct world *w = world_new("www.example", 1);
			int64_t began = world_now(w);

			if (act == MOCK_TRUNCATE)
				act = MOCK_CUT;
			FAULT_ROW(w, .kind = kinds[i], .act = (enum mock_act)act, .at = 5);
			world_command(w, RUN_OBTAIN);
			world_assert_good(w, 1);
			assert_in_range(world_now(w) - began, 0, 10);
			world_free(w);
		}
}

/* --- after the end --- */

static void one_that_has_ended_is_tried_every_hour(void **state)
{
	struct world *w = *state;
	size_t orders;

	mock_ca_config(w->ca)->lifetime = BACKDATE + 3 * HOUR;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 600);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 403,
		  .problem = "rejectedIdentifier", .times = MOCK_FOREVER);
	world_pass(w, 5 * HOUR);
	orders = asked(w, MOCK_NEW_ORDER);
	world_pass(w, 24 * HOUR);
	assert_in_range(asked(w, MOCK_NEW_ORDER) - orders, 22, 26);
	world_pass(w, 31 * WORLD_DAY); /* nobody waits for it any more */
	orders = asked(w, MOCK_NEW_ORDER);
	world_pass(w, 10 * WORLD_DAY);
	assert_in_range(asked(w, MOCK_NEW_ORDER) - orders, 7, 11);
}

/* The CA is away for a day; a request that nobody answers is what is counted. */
static void one_whose_ca_was_away_beyond_its_end_comes_within_an_hour_of_its_return(void **state)
{
	static const enum mock_kind lost[] = {MOCK_NEW_NONCE, MOCK_NEW_ORDER, MOCK_FINALIZE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lost); i++) {
		struct world *w = world_new("www.example", 1);
		size_t issued;

		mock_ca_config(w->ca)->lifetime = BACKDATE + 300;
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 100);
		FAULT_ROW(w, .kind = lost[i], .act = MOCK_DROP_BEFORE, .times = MOCK_FOREVER);
		world_pass(w, WORLD_DAY);
		issued = mock_ca_counts(w->ca).certificates;
		mock_ca_heal(w->ca);
		world_pass(w, HOUR + 120);
		assert_true(mock_ca_counts(w->ca).certificates > issued);
		world_free(w);
	}
}

/* What the CA forgets with its database: the account is registered again, as soon as it can be. */
static void an_account_that_one_that_has_ended_needs_is_tried_every_hour(void **state)
{
	struct world *w = *state;
	size_t tries;

	mock_ca_config(w->ca)->lifetime = BACKDATE + 3 * HOUR;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 600);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = 400,
		  .problem = "accountDoesNotExist");
	FAULT_ROW(w, .kind = MOCK_NEW_ACCOUNT, .act = MOCK_REPLACE, .status = 500,
		  .problem = "serverInternal", .times = MOCK_FOREVER);
	world_pass(w, 12 * HOUR);
	tries = asked(w, MOCK_NEW_ACCOUNT);
	world_pass(w, 12 * HOUR);
	assert_in_range(asked(w, MOCK_NEW_ACCOUNT) - tries, 10, 26);
}

#define WINDOW(start, end) "{\"suggestedWindow\":{\"start\":\"" start "\",\"end\":\"" end "\"}}"

/* It lives for ninety days more, but nobody believes it. */
static void one_that_is_revoked_is_tried_every_hour(void **state)
{
	struct world *w = *state;
	size_t orders;

	mock_ca_config(w->ca)->renewal_info = true;
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		  .body = WINDOW("2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z"),
		  .times = MOCK_FOREVER);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .skip = 1, .act = MOCK_REPLACE, .status = 403,
		  .problem = "rejectedIdentifier", .times = MOCK_FOREVER);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 6 * HOUR);
	orders = asked(w, MOCK_NEW_ORDER);
	world_pass(w, 24 * HOUR);
	assert_in_range(asked(w, MOCK_NEW_ORDER) - orders, 22, 26);
}

/* --- the clock --- */

static void a_wrong_clock_costs_no_order(void **state)
{
	static const int64_t rows[] = {-400 * WORLD_DAY, -WORLD_DAY,     -2 * HOUR, -301, 301,
				       2 * HOUR,         400 * WORLD_DAY};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world *w = world_new("www.example", 1);
		const char *text;
		struct facts f;

		mock_ca_config(w->ca)->date_ahead = rows[i];
		for (int n = 0; n < 3; n++)
			world_command(w, RUN_OBTAIN);
		f = world_facts(w);
		text = f.renewal.error.text;
		assert_int_equal(asked(w, MOCK_NEW_ORDER), 0);
		assert_int_equal(f.renewal.error.code, ERR_CONFIG);
		assert_non_null(strstr(text, "the clock of this machine says "));
		assert_non_null(strstr(text, rows[i] < 0 ? " ahead" : " behind"));
		assert_non_null(strstr(text, "timedatectl"));
		mock_ca_config(w->ca)->date_ahead = rows[i] < 0 ? -290 : 290;
		world_command(w, RUN_OBTAIN); /* within what is tolerated */
		world_assert_good(w, 1);
		world_free(w);
	}
}

/* What it measured with the wrong clock is measured again, before the next order. */
static void a_clock_that_is_set_right_is_believed_at_once(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->date_ahead = -2 * HOUR;
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 30);
	assert_int_equal(asked(w, MOCK_NEW_ORDER), 0);
	mock_ca_config(w->ca)->date_ahead = 0;
	world_pass(w, 90);
	world_assert_good(w, 1);
	assert_int_equal(world_facts(w).renewal.failures, 0);
}

/* --- orders --- */

static void an_order_that_another_machine_has_finished_is_replaced_at_once(void **state)
{
	struct world *w = *state;
	int64_t began = world_now(w);

	mock_ca_config(w->ca)->twist = MOCK_OTHER_KEY;
	FAULT_ROW(w, .kind = MOCK_FINALIZE, .act = MOCK_REPLACE_AFTER, .status = 403,
		  .problem = "orderNotReady");
	world_start(w, 0, RUN_OBTAIN);
	while (asked(w, MOCK_FINALIZE) == 0)
		world_step(w);
	mock_ca_config(w->ca)->twist = MOCK_HONEST;
	assert_true(world_run(w, 0));
	world_kill(w, 0);
	world_assert_good(w, 2);
	assert_int_equal(world_events(w, "interrupted"), 1);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_in_range(world_now(w) - began, 0, 10);
}

static bool history_has(struct world *w, const char *kind, const char *words)
{
	struct event_list list AUTO_EVENT_LIST = {0};
	bool has = false;

	assert_int_equal(event_list(w->agents[0].store, w->certificate_id, 100, &list, NULL), 0);
	for (size_t i = 0; i < list.count; i++)
		has |= str_equal(list.events[i]->kind, kind) &&
		       strstr(list.events[i]->text, words) != NULL;
	return has;
}

static void another_name(struct world *w, struct certificate *c)
{
	(void)w;
	world_want_names(c, "www.example b.example");
}

static void the_history_says_why_a_certificate_was_ordered(void **state)
{
	struct world *w = *state;

	world_command(w, RUN_OBTAIN);
	world_command(w, RUN_FORCE);
	world_change(w, 0, another_name);
	world_command(w, RUN_OBTAIN);
	mock_ca_config(w->ca)->renewal_info = true;
	FAULT_ROW(
		w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		.body = "{\"suggestedWindow\":{\"start\":\"2001-01-01T00:00:00Z\",\"end\":"
			"\"2001-01-02T00:00:00Z\"},\"explanationURL\":\"https://ca.example/why\"}");
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 404,
		  .problem = "malformed", .times = MOCK_FOREVER);
	world_sleep(w, 2 * WORLD_DAY);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 70 * WORLD_DAY);
	assert_true(history_has(w, "ordered", "there is no certificate yet"));
	assert_true(history_has(w, "ordered", "somebody asked for it before it is due"));
	assert_true(history_has(w, "ordered", "b.example: the wanted names have changed"));
	assert_true(history_has(w, "ordered", "the CA advises it; see https://ca.example/why"));
	assert_true(history_has(w, "ordered", "a third of its lifetime is left"));
}

/* The CA revokes what a person has forced a minute after another one: that is no endless row. */
static void one_that_was_forced_and_then_revoked_is_replaced_at_once(void **state)
{
	struct world *w = *state;

	mock_ca_config(w->ca)->renewal_info = true;
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		  .body = WINDOW("2001-01-01T00:00:00Z", "2001-01-02T00:00:00Z"));
	FAULT_ROW(w, .kind = MOCK_RENEWAL_INFO, .act = MOCK_REPLACE, .status = 200,
		  .body = WINDOW("2901-01-01T00:00:00Z", "2901-01-02T00:00:00Z"),
		  .times = MOCK_FOREVER);
	world_command(w, RUN_OBTAIN);
	world_sleep(w, 60);
	world_command(w, RUN_FORCE);
	assert_int_equal(world_facts(w).versions, 2);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 120);
	assert_int_equal(world_facts(w).versions, 3);
}

/* --- what an order replaces --- */

static const struct {
	const char *type;
	int status;
	bool about_it; /* it may be about the predecessor: an order without it is asked for */
	bool doubts; /* … and about the account: the same is asked for again once that is clear */
} refusals[] = {
	{"alreadyReplaced", 409, true, false},     {"conflict", 409, true, false},
	{"unauthorized", 403, true, true},         {"malformed", 400, true, true},
	{"rejectedIdentifier", 400, false, false}, {"unsupportedIdentifier", 400, false, false},
	{"invalidProfile", 400, false, false},     {"caa", 403, false, false},
	{"userActionRequired", 403, false, false}, {"rateLimited", 429, false, false},
};

static bool predecessor_is_refused(struct world *w)
{
	AUTO_INFO_ROW struct renewal_info *info = NULL;

	assert_int_equal(renewal_info_load(w->agents[0].store, w->certificate_id, &info, NULL), 0);
	return info->refused;
}

/* lasts: what is refused is refused without the predecessor, too, so it was not about that. */
static void refuse_an_order_that_replaces(size_t row, bool lasts)
{
	struct world *w = world_new("www.example", 1);
	bool tried_alone = refusals[row].about_it;

	mock_ca_config(w->ca)->renewal_info = true;
	world_command(w, RUN_OBTAIN);
	FAULT_ROW(w, .kind = MOCK_NEW_ORDER, .act = MOCK_REPLACE, .status = refusals[row].status,
		  .problem = refusals[row].type, .times = lasts ? MOCK_FOREVER : 1);
	world_start(w, 0, RUN_FORCE);
	assert_true(world_run(w, 0));
	assert_int_equal(asked(w, MOCK_NEW_ORDER),
			 2 + tried_alone + (lasts && refusals[row].doubts));
	assert_int_equal(predecessor_is_refused(w), tried_alone && !lasts);
	world_kill(w, 0);
	world_free(w);
}

static void only_a_refusal_of_the_predecessor_is_remembered_as_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		print_message("# %s\n", refusals[i].type);
		refuse_an_order_that_replaces(i, false);
		refuse_an_order_that_replaces(i, true);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_does_not_ask_for_ever_where_every_nonce_is_bad),
		TEST(a_daemon_asks_ever_less_often_where_every_nonce_is_bad),
		cmocka_unit_test(
			what_is_due_when_it_comes_is_renewed_ever_less_often_and_told_as_an_error),
		TEST(a_limit_of_a_week_holds_for_a_week_whoever_asks),
		TEST(a_time_of_the_ca_that_a_wrong_clock_wrote_is_not_waited_for),
		cmocka_unit_test(a_lost_connection_of_a_get_is_no_failure),
		TEST(one_that_has_ended_is_tried_every_hour),
		cmocka_unit_test(
			one_whose_ca_was_away_beyond_its_end_comes_within_an_hour_of_its_return),
		TEST(an_account_that_one_that_has_ended_needs_is_tried_every_hour),
		TEST(one_that_is_revoked_is_tried_every_hour),
		cmocka_unit_test(a_wrong_clock_costs_no_order),
		TEST(a_clock_that_is_set_right_is_believed_at_once),
		TEST(an_order_that_another_machine_has_finished_is_replaced_at_once),
		TEST(the_history_says_why_a_certificate_was_ordered),
		TEST(one_that_was_forced_and_then_revoked_is_replaced_at_once),
		cmocka_unit_test(only_a_refusal_of_the_predecessor_is_remembered_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
