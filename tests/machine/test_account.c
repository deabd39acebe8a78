/* SPDX-License-Identifier: MIT
 *
 * test_account — what CAs say of an account: that it is not there, that it is not to be used, that
 * they do not look one up like this. An account that is gone is made again and the command goes on;
 * one that somebody deactivated stays so; and none of it becomes a circle.
 */
#include "tests/machine/world.h"

#include "store/account.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t asked(const struct world *w, enum mock_kind kind)
{
	return mock_ca_count(w->ca, kind);
}

static struct account *account_row(struct world *w)
{
	struct account *a = NULL;
	struct store *s = w->agents[0].store;
	struct err e = {0};

	if (s == NULL)
		assert_int_equal(store_open(w->state, fake_loop_clock(w->loop), &s, &e), 0);
	assert_int_equal(account_load(s, 1, &a, &e), 0);
	assert_non_null(a);
	if (s != w->agents[0].store)
		store_free(s);
	return a;
}

static void assert_account(struct world *w, const char *stage, const char *says)
{
	AUTO_ACCOUNT_ROW struct account *a = account_row(w);

	assert_string_equal(a->stage, stage);
	if (says != NULL && strstr(a->standing.error.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", a->standing.error.text, says);
}

static void configure(struct world *w, void (*change)(struct world *w, struct account *a))
{
	AUTO_ACCOUNT_ROW struct account *a = account_row(w);
	struct store *s = NULL;
	struct err e = {0};

	change(w, a);
	assert_int_equal(store_open(w->state, fake_loop_clock(w->loop), &s, &e), 0);
	assert_int_equal(store_turn_begin(s, &e), 0);
	assert_int_equal(account_configure(s, a, &e), 0);
	assert_int_equal(store_turn_commit(s, &e), 0);
	store_free(s);
}

/* Everything that is signed by what the CA does not know, and every look-up of it. */
static const struct mock_refusal refusals[] = {
	{0, NULL}, /* 400 accountDoesNotExist */
	{401, "accountDoesNotExist"},
	{403, "accountDoesNotExist"},
	{404, "accountDoesNotExist"},
	{401, "unauthorized"},
	{403, "unauthorized"},
	{404, "malformed"},
	{400, "malformed"},
	{401, "malformed"},
	{403, "malformed"},
	{500, "serverInternal"},
	{400, ""},
	{404, ""},
	{500, ""},
};

/* --- the CA's database is lost --- */

static struct world *world_of_a_forgetful_ca(const struct mock_refusal *how, bool same_ids)
{
	struct world *w = world_new("www.example", 5);
	struct mock_ca_config *config = mock_ca_config(w->ca);

	config->alone = true;
	config->same_ids = same_ids;
	world_command(w, RUN_OBTAIN);
	assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 1);
	config->unknown = *how;
	world_sleep(w, 62 * WORLD_DAY);
	mock_ca_forget_accounts(w->ca);
	return w;
}

static void assert_renewed(struct world *w, size_t orders)
{
	struct mock_counts counts = mock_ca_counts(w->ca);

	world_assert_quiet(w);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(world_facts(w).renewal.failures, 0);
	assert_int_equal(world_events(w, "failed"), 0);
	assert_int_equal(counts.accounts, 2);
	assert_int_equal(counts.certificates, 2);
	assert_in_range(counts.orders, 2, 1 + orders);
	assert_account(w, "ready", NULL);
}

static void an_account_that_the_ca_forgot_is_made_again_in_the_same_command(void **state)
{
	static const enum world_run runs[] = {RUN_OBTAIN, RUN_FORCE, RUN_RENEW, RUN_DAEMON};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(refusals); i++) {
		size_t row = i % COUNT_OF(refusals);
		enum world_run run = runs[(i + row) / 2 % COUNT_OF(runs)];
		struct world *w = world_of_a_forgetful_ca(&refusals[row], i % 4 < 2);

		print_message("# row %zu, run %d\n", row, (int)run);
		if (run == RUN_DAEMON) {
			world_start(w, 0, RUN_DAEMON);
			world_pass(w, 50); /* no back-off is over by then */
		} else {
			world_command(w, run);
		}
		assert_renewed(w, 1);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 3); /* look-up, registration */
		/* one of them was refused; a 500 is asked again three times first */
		assert_in_range(asked(w, MOCK_NEW_ORDER), 3, refusals[row].status == 500 ? 6 : 3);
		world_free(w);
	}
}

static const enum mock_kind last_seen[] = {MOCK_NEW_ORDER, MOCK_AUTHORIZATION, MOCK_CHALLENGE,
					   MOCK_ORDER, MOCK_FINALIZE};

/* The order is gone with its account, so another one takes its place. */
static void an_account_that_is_forgotten_amid_an_order_costs_one_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(refusals); i++) {
		const struct mock_refusal *how = &refusals[i % COUNT_OF(refusals)];
		enum mock_kind kind = last_seen[i % COUNT_OF(last_seen)];
		struct world *w = world_new("www.example", 5);
		struct mock_ca_config *config = mock_ca_config(w->ca);
		size_t before;

		print_message("# row %zu, after %s\n", i % COUNT_OF(refusals),
			      mock_kind_name(kind));
		config->unknown = *how;
		config->same_ids = i % 2;
		config->validate_ms = config->process_ms = 500;
		config->processing = true;
		world_command(w, RUN_OBTAIN);
		before = asked(w, kind);
		world_start(w, 0, RUN_FORCE);
		while (asked(w, kind) == before)
			world_step(w);
		mock_ca_forget_accounts(w->ca);
		assert_true(world_run(w, 0));
		assert_int_equal(world_facts(w).versions, 2);
		assert_int_equal(world_events(w, "failed"), 0);
		assert_int_equal(mock_ca_counts(w->ca).accounts, 2);
		assert_in_range(mock_ca_counts(w->ca).orders, 3, 3);
		world_assert_quiet(w);
		world_free(w);
	}
}

/* Dies after n steps; the next one ends it. What comes after the new order is test_crash's. */
static void kill_everywhere(const struct mock_refusal *how, bool same_ids)
{
	bool ended = false;
	int64_t n;

	for (n = 1; !ended; n++) {
		struct world *w = world_of_a_forgetful_ca(how, same_ids);

		world_start(w, 0, RUN_OBTAIN);
		ended = world_run(w, n);
		world_kill(w, 0);
		ended = ended || asked(w, MOCK_NEW_ORDER) >= 3;
		world_command(w, RUN_OBTAIN);
		assert_renewed(w, 2);
		assert_in_range(asked(w, MOCK_NEW_ACCOUNT), 3, 5);
		world_free(w);
	}
	print_message("# killed at %lld places\n", (long long)n);
}

static void a_death_while_the_account_is_asked_about_loses_and_doubles_nothing(void **state)
{
	(void)state;
	kill_everywhere(&refusals[0], true);
	kill_everywhere(&refusals[5], false);
}

static void want_another_contact(struct world *w, struct account *a)
{
	(void)w;
	mem_set_str(&a->contact, "new@example.org");
}

static void a_death_while_the_ca_is_told_another_contact_loses_nothing(void **state)
{
	bool ended = false;

	(void)state;
	for (int64_t n = 1; !ended; n++) {
		struct world *w = world_new("www.example", 5);

		world_command(w, RUN_OBTAIN);
		configure(w, want_another_contact);
		assert_account(w, "update", NULL);
		world_start(w, 0, RUN_OBTAIN);
		ended = world_run(w, n);
		world_kill(w, 0);
		world_command(w, RUN_OBTAIN);
		assert_account(w, "ready", NULL);
		assert_in_range(asked(w, MOCK_ACCOUNT), 1, 2);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 1);
		world_assert_quiet(w);
		world_free(w);
	}
}

/* Two that find out at once ask once, and register once. */
static void two_processes_make_one_account_of_what_was_forgotten(void **state)
{
	struct world *w = world_of_a_forgetful_ca(&refusals[0], true);

	(void)state;
	world_start(w, 0, RUN_OBTAIN);
	world_start(w, 1, RUN_OBTAIN);
	assert_true(world_run(w, 0));
	world_kill(w, 0);
	world_kill(w, 1);
	assert_renewed(w, 1);
	assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 3);
	world_free(w);
}

/* --- somebody deactivated it --- */

static void an_account_that_was_deactivated_stays_so_until_somebody_says_otherwise(void **state)
{
	static const struct mock_refusal ways[] = {{0, NULL}, {403, "unauthorized"}, {401, ""}};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(ways); i++) {
		struct world *w = world_new("www.example", 5);
		size_t before;

		world_command(w, RUN_OBTAIN);
		mock_ca_config(w->ca)->inactive = ways[i / 2];
		mock_ca_config(w->ca)->shows_inactive = i % 2;
		mock_ca_deactivate_accounts(w->ca);
		world_sleep(w, 62 * WORLD_DAY);
		world_command(w, RUN_RENEW);
		assert_account(w, "refused", "account register --new");
		assert_non_null(strstr(world_facts(w).order_error.text, "account register --new"));
		assert_int_equal(world_facts(w).open_orders, 0);
		assert_int_equal(world_facts(w).renewal.failures, 1);
		assert_int_equal(mock_ca_counts(w->ca).accounts, 1);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 2);
		before = asked(w, MOCK_NEW_ORDER);
		world_start(w, 0, RUN_DAEMON);
		world_pass(w, 3 * WORLD_DAY);
		world_kill(w, 0);
		assert_account(w, "refused", NULL);
		assert_int_equal(asked(w, MOCK_NEW_ORDER), before);
		assert_in_range(asked(w, MOCK_NEW_ACCOUNT), 4, 7); /* once a day */
		mock_ca_activate_accounts(w->ca);
		world_command(w, RUN_OBTAIN);
		assert_account(w, "ready", NULL);
		assert_int_equal(world_facts(w).versions, 2);
		assert_int_equal(mock_ca_counts(w->ca).accounts, 1);
		world_free(w);
	}
}

/* Its account and key in one: both are new, and the old order is nobody's. */
static void an_account_that_is_made_anew_has_a_new_key(void **state)
{
	struct world *w = *state;
	AUTO_ACCOUNT_ROW struct account *before = NULL;
	AUTO_ACCOUNT_ROW struct account *after = NULL;
	struct store *s = NULL;

	world_command(w, RUN_OBTAIN);
	before = account_row(w);
	mock_ca_deactivate_accounts(w->ca);
	world_command(w, RUN_FORCE);
	assert_int_equal(store_open(w->state, fake_loop_clock(w->loop), &s, NULL), 0);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	assert_int_equal(account_renew(s, 1, NULL), 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	store_free(s);
	world_command(w, RUN_FORCE);
	after = account_row(w);
	assert_int_equal(world_facts(w).versions, 2);
	assert_int_equal(mock_ca_counts(w->ca).accounts, 2);
	assert_int_not_equal(before->key_id, after->key_id);
	assert_string_not_equal(before->url, after->url);
	world_assert_quiet(w);
}

/* --- it is in order, and the refusal was about something else --- */

static void a_refusal_of_what_was_asked_costs_one_question_about_the_account(void **state)
{
	static const enum mock_kind kinds[] = {MOCK_NEW_ORDER, MOCK_AUTHORIZATION, MOCK_FINALIZE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct world *w = world_new("www.example", 5);

		FAULT_ROW(w, .kind = kinds[i], .act = MOCK_REPLACE, .status = 403,
			  .problem = "unauthorized", .times = MOCK_FOREVER);
		world_command(w, RUN_OBTAIN);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 2);
		assert_int_equal(asked(w, kinds[i]), 2);
		assert_account(w, "ready", NULL);
		assert_int_equal(world_facts(w).open_orders, 0);
		assert_int_equal(world_facts(w).renewal.failures, 1);
		assert_string_equal(world_facts(w).order_error.type, "unauthorized");
		world_free(w);
	}
}

/* --- no circles --- */

static size_t requests_in_two_days(const struct mock_fault *fault)
{
	struct world *w = world_new("www.example", 5);
	size_t count;

	mock_ca_fault(w->ca, fault);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 2 * WORLD_DAY);
	count = asked(w, MOCK_ANY);
	assert_in_range(asked(w, MOCK_NEW_ACCOUNT), 1, 12);
	world_free(w);
	return count;
}

/* It registers what it then does not know, or refuses for ever whatever was asked. */
static void a_ca_that_refuses_its_own_accounts_makes_no_circle(void **state)
{
	static const enum mock_kind kinds[] = {MOCK_NEW_ORDER, MOCK_AUTHORIZATION,
					       MOCK_CHALLENGE, MOCK_ORDER,
					       MOCK_FINALIZE,  MOCK_CERTIFICATE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct mock_fault fault = {.kind = kinds[i],
					   .act = MOCK_REPLACE,
					   .status = 400,
					   .problem = "rejectedIdentifier",
					   .times = MOCK_FOREVER};
		size_t usual = requests_in_two_days(&fault);

		for (size_t k = i % 2; k < COUNT_OF(refusals); k += 2) {
			size_t count;

			fault.status = refusals[k].status != 0 ? refusals[k].status : 400;
			fault.problem = refusals[k].problem != NULL ? refusals[k].problem
								    : "accountDoesNotExist";
			count = requests_in_two_days(&fault);
			print_message("# %s, row %zu: %zu requests, usually %zu\n",
				      mock_kind_name(kinds[i]), k, count, usual);
			assert_in_range(count, 1, 4 * usual + 20);
		}
	}
}

/* --- a look-up is not a registration --- */

static void obtain_at_last(struct world *w)
{
	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	assert_account(w, "ready", NULL);
}

/* The first command found no CA; the next one looks up a key that was never registered. */
static void a_first_command_that_found_no_ca_is_no_dead_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct world *w = world_new("www.example", 5);

		print_message("# row %zu\n", i);
		mock_ca_config(w->ca)->alone = true;
		mock_ca_config(w->ca)->absent = refusals[i];
		FAULT_ROW(w, .kind = MOCK_DIRECTORY, .act = MOCK_DROP_BEFORE,
			  .times = MOCK_FOREVER);
		world_command(w, RUN_OBTAIN);
		assert_account(w, "register", NULL);
		mock_ca_heal(w->ca);
		obtain_at_last(w);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 2);
		world_free(w);
	}
}

static void a_look_up_without_an_answer_registers_nothing(void **state)
{
	static const struct mock_fault faults[] = {
		{.status = 429, .problem = "rateLimited", .headers = {"retry-after: 600"}},
		{.status = 503, .body = ""},
		{.status = 403, .problem = "userActionRequired"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct world *w = world_new("www.example", 5);
		struct mock_fault fault = faults[i];

		FAULT_ROW(w, .kind = MOCK_NEW_ACCOUNT, .act = MOCK_DROP_BEFORE);
		fault.kind = MOCK_NEW_ACCOUNT;
		fault.act = MOCK_REPLACE;
		fault.skip = 1;
		mock_ca_fault(w->ca, &fault);
		world_command(w, RUN_OBTAIN);
		world_command(w, RUN_OBTAIN);
		assert_int_equal(asked(w, MOCK_NEW_ACCOUNT), 2);
		assert_int_equal(mock_ca_counts(w->ca).accounts, 0);
		world_sleep(w, 601);
		obtain_at_last(w);
		world_free(w);
	}
}

static void write_file(const struct world *w, const char *name, const char *text)
{
	AUTO_FREE char *path = mem_printf("%s/%s", w->base, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void has_key(struct world *w, struct account *a)
{
	a->key_reference = mem_printf("file:%s/key.pem", w->base);
}

/* "accounts: {…: {key: …}}": the CA may know it already, or not. */
static void an_account_with_a_key_of_its_own_is_no_dead_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		struct world *w = world_new("www.example", 5);
		AUTO_KEY struct key *key = NULL;
		struct buf pem AUTO_BUF = {0};

		assert_int_equal(key_generate(KEY_EC256, &key, NULL), 0);
		buf_init_secret(&pem, 4096);
		assert_int_equal(key_print(key, &pem, NULL), 0);
		write_file(w, "key.pem", pem.data);
		configure(w, has_key);
		mock_ca_config(w->ca)->alone = true;
		mock_ca_config(w->ca)->absent = refusals[i];
		obtain_at_last(w);
		world_free(w);
	}
}

static void has_binding(struct world *w, struct account *a)
{
	a->eab_kid = mem_str("kid-1");
	a->eab_hmac_key = mem_printf("file:%s/mac", w->base);
}

/* A binding is not for a look-up, which some CAs refuse with one. */
static void a_mistyped_binding_that_was_corrected_is_no_dead_end(void **state)
{
	static const char *const wrong[] = {"bm90IHRoaXM", "?"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals) * COUNT_OF(wrong); i++) {
		struct world *w = world_new("www.example", 5);
		struct mock_ca_config *config = mock_ca_config(w->ca);

		config->alone = true;
		config->absent = refusals[i / COUNT_OF(wrong)];
		config->eab_kid = "kid-1";
		config->eab_hmac_key = "dGhlIHJpZ2h0IG9uZQ";
		configure(w, has_binding);
		write_file(w, "mac", wrong[i % COUNT_OF(wrong)]);
		world_command(w, RUN_OBTAIN);
		assert_account(w, "register", i % 2 ? "base64url" : "does not verify");
		write_file(w, "mac", config->eab_hmac_key);
		world_command(w, RUN_OBTAIN);
		world_assert_good(w, 1);
		world_free(w);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_account_that_the_ca_forgot_is_made_again_in_the_same_command),
		cmocka_unit_test(an_account_that_is_forgotten_amid_an_order_costs_one_order),
		cmocka_unit_test(
			a_death_while_the_account_is_asked_about_loses_and_doubles_nothing),
		cmocka_unit_test(a_death_while_the_ca_is_told_another_contact_loses_nothing),
		cmocka_unit_test(two_processes_make_one_account_of_what_was_forgotten),
		cmocka_unit_test(
			an_account_that_was_deactivated_stays_so_until_somebody_says_otherwise),
		TEST(an_account_that_is_made_anew_has_a_new_key),
		cmocka_unit_test(a_refusal_of_what_was_asked_costs_one_question_about_the_account),
		cmocka_unit_test(a_ca_that_refuses_its_own_accounts_makes_no_circle),
		cmocka_unit_test(a_first_command_that_found_no_ca_is_no_dead_end),
		cmocka_unit_test(a_look_up_without_an_answer_registers_nothing),
		cmocka_unit_test(an_account_with_a_key_of_its_own_is_no_dead_end),
		cmocka_unit_test(a_mistyped_binding_that_was_corrected_is_no_dead_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
