/* SPDX-License-Identifier: MIT
 *
 * test_session — what a session sends, how often, and with which nonce.
 */
#include "tests/unit/session_fixture.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define DIRECTORY                                                                                  \
	"{\"newNonce\":\"https://ca.example/n2\",\"newAccount\":\"https://ca.example/a2\","        \
	"\"newOrder\":\"https://ca.example/o2\"}"

static void serial_calls_cost_one_directory_one_nonce_and_one_request_each(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i <= 20; i++) {
		fixture_ask(f);
		assert_int_equal(f->heard.status, 200);
		fixture_counts(f, 1, 1, i);
	}
	assert_string_equal(f->heard.response->body.data, "{}");
	assert_null(f->heard.response->problem);
	assert_int_equal(f->told, 1);
}

static void nothing_is_sent_before_somebody_asks(void **state)
{
	struct fixture *f = *state;

	fixture_run(f);
	fixture_counts(f, 0, 0, 0);
	assert_null(session_directory(f->session));
}

static void an_owner_is_never_called_from_within_submit(void **state)
{
	struct fixture *f = *state;

	f->signer_broken = true;
	f->ca->delay_ms = 0;
	for (int i = 0; i < 5; i++)
		(void)fixture_submit(f, &f->heard);
	assert_int_equal(f->heard.times, 0);
	fixture_run(f);
	assert_int_equal(f->heard.times, 5);
	assert_int_equal(f->heard.e.code, ERR_CONFIG);
}

static void a_request_has_the_exact_url_type_and_limit(void **state)
{
	struct fixture *f = *state;
	struct acme_request odd = {.url = (char[]){"https://ca.example:443/%2F/../x?y"}};

	(void)session_submit(f->session, &odd, &f->signer, fixture_hear, &f->heard);
	fixture_run(f);
	assert_string_equal(f->ca->urls.items[0], "https://ca.example:443/%2F/../x?y");
	assert_string_equal(f->ca->bodies.items[0],
			    "0|https://ca.example:443/%2F/../x?y|" KID "|-");
	assert_string_equal(f->ca->headers, "Content-Type: application/jose+json");
	assert_int_equal(f->ca->max_body, ACME_MAX_JSON);
}

static void a_new_account_goes_where_the_directory_says_and_has_no_kid(void **state)
{
	struct fixture *f = *state;
	AUTO_REQUEST struct acme_request *account = request_new_account(NULL, true);
	AUTO_REQUEST struct acme_request *order = NULL;
	struct strlist names AUTO_STRLIST = {0};

	strlist_add(&names, "a.example");
	order = request_new_order(&names, NULL, NULL);
	f->signer.kid = NULL;
	(void)session_submit(f->session, account, &f->signer, fixture_hear, &f->heard);
	fixture_run(f);
	f->signer.kid = KID;
	(void)session_submit(f->session, order, &f->signer, fixture_hear, &f->heard);
	fixture_run(f);
	assert_string_equal(f->ca->bodies.items[0],
			    "0|https://ca.example/account|-|{\"termsOfServiceAgreed\":true}");
	assert_string_equal(f->ca->urls.items[1], "https://ca.example/order");
}

static void a_fresh_copy_of_the_directory_costs_no_request(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, DIRECTORY);
	assert_string_equal(session_directory(f->session)->new_order, "https://ca.example/o2");
	fixture_ask(f);
	fixture_counts(f, 0, 1, 1);
	assert_int_equal(f->told, 0);
}

static void a_copy_of_the_directory_that_cannot_be_read_is_fetched_anew(void **state)
{
	struct fixture *f = *state;

	fixture_start(f, "{\"newNonce\":");
	fixture_ask(f);
	fixture_counts(f, 1, 1, 1);
	assert_non_null(strstr(f->body, "https://ca.example/nonce"));
}

static void an_old_copy_of_the_directory_heals_itself(void **state)
{
	static const struct fake_ca_answer gone[] = {{.status = 404, .no_nonce = true}};
	struct fixture *f = *state;

	fixture_start(f, DIRECTORY);
	SCRIPT(f->ca, FAKE_CA_NONCE, gone);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
	fixture_counts(f, 1, 2, 1);
}

static void bad_nonces_are_repeated_with_the_nonce_of_the_error(void **state)
{
	static const struct fake_ca_answer bad[] = {{ANSWER(400, PROBLEM, BAD_NONCE)},
						    {ANSWER(400, PROBLEM, BAD_NONCE)},
						    {ANSWER(400, PROBLEM, BAD_NONCE)}};
	struct fixture *f = *state;

	fixture_ask(f);
	SCRIPT(f->ca, FAKE_CA_POST, bad);
	(void)fixture_submit(f, &f->heard);
	for (int posts = 2; posts <= 5; posts++) {
		while (f->ca->count[FAKE_CA_POST] < posts)
			assert_true(fake_loop_skip(f->loop));
		assert_int_equal(f->ca->last_nonce, f->ca->nonces - 1);
	}
	fixture_run(f);
	assert_int_equal(f->heard.status, 200);
	fixture_counts(f, 1, 1, 5);
}

static void a_nonce_of_an_error_is_not_given_to_another_call(void **state)
{
	static const struct fake_ca_answer bad[] = {{ANSWER(400, PROBLEM, BAD_NONCE)},
						    {ANSWER(400, PROBLEM, BAD_NONCE)}};
	struct fixture *f = *state;
	struct acme_request second = {.url = (char[]){"https://ca.example/order/2"}};
	struct heard other = {0};

	SCRIPT(f->ca, FAKE_CA_POST, bad);
	(void)fixture_submit(f, &f->heard);
	(void)session_submit(f->session, &second, &f->signer, fixture_hear, &other);
	fixture_run(f);
	assert_int_equal(f->heard.status, 200);
	assert_int_equal(other.status, 200);
	assert_int_equal(f->ca->count[FAKE_CA_POST], 4);
	assert_string_equal(f->ca->bodies.items[2], "2|https://ca.example/order/1|" KID "|-");
	assert_string_equal(f->ca->bodies.items[3], "3|https://ca.example/order/2|" KID "|-");
	heard_clear(&other);
}

static void a_bad_nonce_without_another_one_asks_for_one(void **state)
{
	static const struct fake_ca_answer bad[] = {
		{ANSWER(400, PROBLEM, BAD_NONCE), .no_nonce = true}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, bad);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
	fixture_counts(f, 1, 2, 2);
}

static void a_ca_that_refuses_every_nonce_is_asked_eleven_times(void **state)
{
	static const struct fake_ca_answer bad[] = {
		{ANSWER(400, PROBLEM, BAD_NONCE), .forever = true}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, bad);
	fixture_ask(f);
	assert_null(f->heard.response);
	assert_int_equal(f->heard.e.code, ERR_NET);
	assert_int_equal(f->heard.e.cause, CAUSE_BAD_NONCE);
	fixture_counts(f, 1, 1, 11);
	fixture_ask(f); /* the bound is each call's own */
	fixture_counts(f, 1, 1, 22);
}

static void a_lost_connection_is_signed_anew_and_only_once(void **state)
{
	static const struct fake_ca_answer lost[] = {
		{.fail = ERR_NET, .cause = CAUSE_CONNECTION_LOST}};
	static const struct fake_ca_answer twice[] = {
		{.fail = ERR_NET, .cause = CAUSE_CONNECTION_LOST},
		{.fail = ERR_NET, .cause = CAUSE_CONNECTION_LOST}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, lost);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
	assert_int_equal(f->ca->count[FAKE_CA_POST], 2);
	assert_string_not_equal(f->ca->bodies.items[0], f->ca->bodies.items[1]);
	SCRIPT(f->ca, FAKE_CA_POST, twice);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_NET);
	assert_int_equal(f->ca->count[FAKE_CA_POST], 4);
}

static void a_lost_directory_or_nonce_is_asked_for_once_more(void **state)
{
	static const struct fake_ca_answer lost[] = {
		{.fail = ERR_NET, .cause = CAUSE_CONNECTION_LOST}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_DIRECTORY, lost);
	SCRIPT(f->ca, FAKE_CA_NONCE, lost);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
	fixture_counts(f, 2, 2, 1);
}

static void any_other_failure_is_the_callers(void **state)
{
	static const struct fake_ca_answer failed[] = {{.fail = ERR_NET}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, failed);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_NET);
	assert_string_equal(f->heard.e.text, "the script says so");
	assert_int_equal(f->ca->count[FAKE_CA_POST], 1);
}

static void burst(struct fixture *f, int calls)
{
	struct heard heard[50] = {0};

	assert_true(calls <= 50);
	for (int i = 0; i < calls; i++)
		(void)fixture_submit(f, &heard[i]);
	fixture_run(f);
	for (int i = 0; i < calls; i++) {
		assert_int_equal(heard[i].times, 1);
		assert_int_equal(heard[i].status, 200);
		heard_clear(&heard[i]);
	}
}

static void fifty_calls_at_once_share_four_nonces(void **state)
{
	struct fixture *f = *state;

	burst(f, 50);
	fixture_counts(f, 1, 4, 50);
	assert_int_equal(f->ca->most_in_flight, 4);
	burst(f, 50); /* the four are still there */
	fixture_counts(f, 1, 4, 100);
}

static void two_calls_at_once_take_two_nonces_and_a_third_waits_for_one_of_them(void **state)
{
	struct fixture *f = *state;

	burst(f, 2);
	fixture_counts(f, 1, 2, 2);
	burst(f, 3); /* a new nonce would take as long as one that comes back */
	fixture_counts(f, 1, 2, 5);
}

static void a_burst_after_a_long_silence_may_ask_for_four_nonces_again(void **state)
{
	struct fixture *f = *state;

	burst(f, 10);
	fake_loop_advance(f->loop, SESSION_NONCE_IDLE_MS + 1);
	burst(f, 10);
	fixture_counts(f, 1, 8, 20);
}

static void a_directory_that_is_on_its_way_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		(void)fixture_submit(f, &f->heard);
		fake_loop_settle(f->loop);
		fake_loop_advance(f->loop, 1);
	}
	fixture_run(f);
	assert_int_equal(f->heard.times, 3);
	assert_int_equal(f->ca->count[FAKE_CA_DIRECTORY], 1);
}

static void nonces_that_a_ca_does_not_return_are_asked_for_and_within_bounds(void **state)
{
	static const struct fake_ca_answer none[] = {{.no_nonce = true, .forever = true}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_POST, none);
	burst(f, 20);
	assert_int_equal(f->ca->count[FAKE_CA_POST], 20);
	assert_int_equal(f->ca->count[FAKE_CA_NONCE], 20);
}

/* What the directory or newNonce answers, and what a call makes of it. */
static const struct {
	struct fake_ca_answer answer;
	enum err_code code;
	int64_t retry_in;
} refusals[] = {
	{{ANSWER(503, "text/html", "busy"), .headers = {"retry-after: 30"}, .no_nonce = true},
	 ERR_BUSY,
	 30},
	{{ANSWER(429, "text/plain", ""), .headers = {"retry-after: 5", "retry-after: 60"},
	  .no_nonce = true},
	 ERR_BUSY,
	 60},
	{{ANSWER(503, "text/html", "busy"), .no_nonce = true}, ERR_NET, 0},
	{{ANSWER(429, PROBLEM, "{\"type\":\"" URN "rateLimited\"}"), .no_nonce = true}, ERR_NET, 0},
	{{ANSWER(500, "text/html", "oops"), .no_nonce = true}, ERR_NET, 0},
	{{ANSWER(404, "text/plain", "no such page"), .no_nonce = true}, ERR_PROTOCOL, 0},
	{{.fail = ERR_CONFIG}, ERR_CONFIG, 0},
};

static void a_refused_directory_or_nonce_fails_the_call_with_its_reason(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 2 * COUNT_OF(refusals); i++) {
		size_t row = i / 2;
		int posts = f->ca->count[FAKE_CA_POST];
		int64_t start = clock_now(fake_loop_clock(f->loop));

		fixture_start(f, NULL);
		fake_ca_script(f->ca, i % 2 == 0 ? FAKE_CA_DIRECTORY : FAKE_CA_NONCE,
			       &refusals[row].answer, 1);
		fixture_ask(f);
		assert_int_equal(f->heard.e.code, refusals[row].code);
		if (refusals[row].retry_in == 0)
			assert_int_equal(f->heard.e.retry_at, 0);
		else
			assert_in_range(f->heard.e.retry_at, start + refusals[row].retry_in,
					start + refusals[row].retry_in + 1);
		assert_int_equal(f->ca->count[FAKE_CA_POST], posts);
		fake_loop_advance(f->loop, refusals[row].retry_in * 1000);
		fixture_ask(f);
		assert_int_equal(f->heard.status, 200);
	}
}

/* Whoever asks. */
static void a_retry_after_of_directory_or_nonce_is_kept_by_every_call(void **state)
{
	static const struct fake_ca_answer busy[] = {
		{.status = 503, .headers = {"retry-after: 3600"}, .no_nonce = true}};
	static const enum fake_ca_kind kinds[] = {FAKE_CA_DIRECTORY, FAKE_CA_NONCE};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const int *count = &f->ca->count[kinds[i]];
		int before = *count;

		fixture_start(f, NULL);
		SCRIPT(f->ca, kinds[i], busy);
		for (int minutes = 0; minutes < 60; minutes++) {
			fixture_ask(f);
			assert_int_equal(f->heard.e.code, ERR_BUSY);
			assert_int_equal(*count, before + 1);
			fake_loop_advance(f->loop, 59 * 1000);
		}
		fake_loop_advance(f->loop, 61 * 1000);
		fixture_ask(f);
		assert_int_equal(f->heard.status, 200);
		assert_int_equal(*count, before + 2);
	}
}

static void setting_the_wall_clock_back_does_not_prolong_a_retry_after(void **state)
{
	static const struct fake_ca_answer busy[] = {
		{.status = 503, .headers = {"retry-after: 60"}, .no_nonce = true}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_DIRECTORY, busy);
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_BUSY);
	fake_loop_set_now(f->loop, 1000000);
	fake_loop_advance(f->loop, 60 * 1000);
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
}

static void a_failed_extra_nonce_fails_nobody(void **state)
{
	static const struct fake_ca_answer failed[] = {
		{.status = 503, .no_nonce = true}, {.fail = ERR_NET}, {.no_nonce = true}};
	struct fixture *f = *state;

	SCRIPT(f->ca, FAKE_CA_NONCE, failed);
	burst(f, 10);
	fixture_counts(f, 1, 4, 10);
}

static void a_failed_nonce_fails_nobody_while_a_request_may_bring_one(void **state)
{
	static const struct fake_ca_answer failed[] = {{.fail = ERR_NET, .forever = true}};
	struct fixture *f = *state;
	struct heard others[2] = {0};

	fixture_ask(f);
	f->ca->delay_ms = 100;
	(void)fixture_submit(f, &f->heard);
	fake_loop_settle(f->loop);
	f->ca->delay_ms = 10;
	SCRIPT(f->ca, FAKE_CA_NONCE, failed);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		(void)fixture_submit(f, &others[i]);
	fixture_run(f);
	assert_int_equal(f->ca->count[FAKE_CA_NONCE], 2); /* and it is not tried again */
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_int_equal(others[i].status, 200);
		heard_clear(&others[i]);
	}
}

static const char *const bad_nonces[] = {
	"replay-nonce: ",    "replay-nonce: abc=",     "replay-nonce: a+b",
	"replay-nonce: a b", "replay-nonce: \xc3\xa9",
};

static void an_invalid_nonce_is_ignored(void **state)
{
	struct fixture *f = *state;
	char *too_long = mem_printf("replay-nonce: %0257d", 1);
	int heads = 1;

	fixture_ask(f);
	for (size_t i = 0; i <= COUNT_OF(bad_nonces); i++) {
		const char *header = i < COUNT_OF(bad_nonces) ? bad_nonces[i] : too_long;
		const struct fake_ca_answer answer = {.headers = {header}, .no_nonce = true};

		fake_ca_script(f->ca, FAKE_CA_POST, &answer, 1);
		fixture_ask(f);
		fixture_ask(f);
		fixture_counts(f, 1, ++heads, 1 + 2 * (int)(i + 1));
	}
	free(too_long);
}

static void a_nonce_of_the_longest_length_is_used(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *longest = mem_printf("replay-nonce: %0256d", 0);
	const struct fake_ca_answer answer = {.headers = {longest}, .no_nonce = true};

	fake_ca_script(f->ca, FAKE_CA_NONCE, &answer, 1);
	f->ca->nonces = 1; /* it counts as number 0 */
	fixture_ask(f);
	fixture_counts(f, 1, 1, 1);
}

static void a_nonce_that_lay_for_more_than_ten_minutes_is_not_used(void **state)
{
	struct fixture *f = *state;

	fixture_ask(f);
	fake_loop_advance(f->loop, SESSION_NONCE_IDLE_MS - 1000);
	fixture_ask(f);
	fixture_counts(f, 1, 1, 2);
	fake_loop_advance(f->loop, SESSION_NONCE_IDLE_MS + 1);
	fixture_ask(f);
	fixture_counts(f, 1, 2, 3);
}

static void a_call_that_could_not_be_signed_wastes_no_nonce(void **state)
{
	struct fixture *f = *state;

	f->signer_broken = true;
	fixture_ask(f);
	assert_int_equal(f->heard.e.code, ERR_CONFIG);
	assert_string_equal(f->heard.e.text, "the key is gone");
	f->signer_broken = false;
	fixture_ask(f);
	assert_int_equal(f->heard.status, 200);
	fixture_counts(f, 1, 1, 1);
}

static void a_call_to_an_http_url_is_never_sent(void **state)
{
	struct fixture *f = *state;
	struct acme_request http = {.url = (char[]){"http://ca.example/order/1"}};

	(void)session_submit(f->session, &http, &f->signer, fixture_hear, &f->heard);
	fixture_run(f);
	assert_int_equal(f->heard.e.code, ERR_PROTOCOL);
	fixture_counts(f, 1, 1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(serial_calls_cost_one_directory_one_nonce_and_one_request_each),
		TEST(nothing_is_sent_before_somebody_asks),
		TEST(an_owner_is_never_called_from_within_submit),
		TEST(a_request_has_the_exact_url_type_and_limit),
		TEST(a_new_account_goes_where_the_directory_says_and_has_no_kid),
		TEST(a_fresh_copy_of_the_directory_costs_no_request),
		TEST(a_copy_of_the_directory_that_cannot_be_read_is_fetched_anew),
		TEST(an_old_copy_of_the_directory_heals_itself),
		TEST(bad_nonces_are_repeated_with_the_nonce_of_the_error),
		TEST(a_nonce_of_an_error_is_not_given_to_another_call),
		TEST(a_bad_nonce_without_another_one_asks_for_one),
		TEST(a_ca_that_refuses_every_nonce_is_asked_eleven_times),
		TEST(a_lost_connection_is_signed_anew_and_only_once),
		TEST(a_lost_directory_or_nonce_is_asked_for_once_more),
		TEST(any_other_failure_is_the_callers),
		TEST(fifty_calls_at_once_share_four_nonces),
		TEST(two_calls_at_once_take_two_nonces_and_a_third_waits_for_one_of_them),
		TEST(nonces_that_a_ca_does_not_return_are_asked_for_and_within_bounds),
		TEST(a_burst_after_a_long_silence_may_ask_for_four_nonces_again),
		TEST(a_directory_that_is_on_its_way_is_not_asked_for_again),
		TEST(a_refused_directory_or_nonce_fails_the_call_with_its_reason),
		TEST(a_retry_after_of_directory_or_nonce_is_kept_by_every_call),
		TEST(setting_the_wall_clock_back_does_not_prolong_a_retry_after),
		TEST(a_failed_extra_nonce_fails_nobody),
		TEST(a_failed_nonce_fails_nobody_while_a_request_may_bring_one),
		TEST(an_invalid_nonce_is_ignored),
		TEST(a_nonce_of_the_longest_length_is_used),
		TEST(a_nonce_that_lay_for_more_than_ten_minutes_is_not_used),
		TEST(a_call_that_could_not_be_signed_wastes_no_nonce),
		TEST(a_call_to_an_http_url_is_never_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
