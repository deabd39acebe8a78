/* SPDX-License-Identifier: MIT
 *
 * test_session_owner — owners that cancel, free and submit when they like, and a CA in a bad mood.
 */
#include "tests/unit/session_fixture.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

static void a_cancelled_call_is_never_answered_wherever_it_was(void **state)
{
	struct fixture *f = *state;

	/* Cancelled after 0, 1, 2 … turns: waiting, at the directory, at the nonce, sent. */
	for (int turns = 0; turns < 7; turns++) {
		struct session_call *call;
		struct heard other = {0};
		bool more = true;

		fixture_start(f, NULL);
		call = fixture_submit(f, &f->heard);
		(void)fixture_submit(f, &other);
		for (int i = 0; i < turns && more && f->heard.times == 0; i++)
			more = fake_loop_skip(f->loop);
		if (f->heard.times == 0)
			session_cancel(call);
		else
			assert_true(turns > 4);
		heard_clear(&f->heard);
		fixture_run(f);
		assert_int_equal(f->heard.times, 0);
		assert_int_equal(other.times, 1);
		assert_int_equal(other.status, 200);
		heard_clear(&other);
	}
}

/* The nonce is lost with the request that carried it; who waits for it must not wait forever. */
static void the_others_go_on_when_the_call_with_the_only_nonce_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct heard other = {0};
	struct session_call *call;

	fixture_ask(f);
	call = fixture_submit(f, &f->heard);
	fake_loop_settle(f->loop);
	(void)fixture_submit(f, &other); /* waits for the nonce of the first */
	fake_loop_settle(f->loop);
	fixture_counts(f, 1, 1, 2);
	session_cancel(call);
	fixture_run(f);
	assert_int_equal(other.status, 200);
	fixture_counts(f, 1, 2, 3);
	heard_clear(&other);
}

static void a_cancelled_retry_gives_its_nonce_to_the_others(void **state)
{
	static const struct fake_ca_answer bad[] = {{ANSWER(400, PROBLEM, BAD_NONCE)}};
	struct fixture *f = *state;
	struct session_call *call;

	SCRIPT(f->ca, FAKE_CA_POST, bad);
	call = fixture_submit(f, &f->heard);
	while (f->ca->nonces < 2)
		assert_true(fake_loop_skip(f->loop));
	session_cancel(call);
	fixture_ask(f);
	fixture_counts(f, 1, 1, 2);
}

static void cancelling_nothing_is_fine(void **state)
{
	(void)state;
	session_cancel(NULL);
	session_free(NULL);
	acme_response_free(NULL);
}

static void an_owner_may_free_the_session_when_he_hears(void **state)
{
	static const struct fake_ca_answer failed[] = {{.fail = ERR_NET}};
	struct fixture *f = *state;
	struct heard others[3] = {0};

	for (int directory_fails = 0; directory_fails < 2; directory_fails++) {
		fixture_start(f, NULL);
		fake_ca_script(f->ca, FAKE_CA_DIRECTORY, failed, (size_t)directory_fails);
		heard_clear(&f->heard);
		f->heard.free_session = &f->session;
		(void)fixture_submit(f, &f->heard);
		for (size_t i = 0; i < COUNT_OF(others); i++)
			(void)fixture_submit(f, &others[i]);
		fixture_run(f);
		assert_int_equal(f->heard.times, 1);
		assert_null(f->session);
		for (size_t i = 0; i < COUNT_OF(others); i++)
			assert_int_equal(others[i].times, 0);
		assert_int_equal(fake_loop_watches(f->loop), 0);
	}
}

static void an_owner_may_cancel_another_call_when_he_hears(void **state)
{
	static const struct fake_ca_answer failed[] = {{.fail = ERR_NET}};
	struct fixture *f = *state;

	for (int directory_fails = 0; directory_fails < 2; directory_fails++) {
		struct heard other = {0};
		struct session_call *call;

		fixture_start(f, NULL);
		fake_ca_script(f->ca, FAKE_CA_DIRECTORY, failed, (size_t)directory_fails);
		heard_clear(&f->heard);
		f->heard.cancel = &call;
		(void)fixture_submit(f, &f->heard);
		call = fixture_submit(f, &other);
		fixture_run(f);
		assert_int_equal(f->heard.times, 1);
		assert_int_equal(other.times, 0);
	}
}

static void submit_again(void *arg, struct acme_response *response, const struct err *e)
{
	struct fixture *f = arg;

	fixture_hear(&f->heard, response, e);
	if (f->heard.times < 3)
		(void)session_submit(f->session, f->request, &f->signer, submit_again, f);
}

static void an_owner_may_submit_when_he_hears(void **state)
{
	struct fixture *f = *state;

	(void)session_submit(f->session, f->request, &f->signer, submit_again, f);
	fixture_run(f);
	assert_int_equal(f->heard.times, 3);
	fixture_counts(f, 1, 1, 3);
}

static void a_freed_session_never_calls_back(void **state)
{
	struct fixture *f = *state;

	for (int turns = 0; turns < 6; turns++) {
		fixture_start(f, NULL);
		for (int i = 0; i < 3; i++)
			(void)fixture_submit(f, &f->heard);
		for (int i = 0; i < turns && f->heard.times == 0; i++)
			(void)fake_loop_skip(f->loop);
		session_free(TAKE(f->session));
		heard_clear(&f->heard);
		fixture_run(f);
		assert_int_equal(f->heard.times, 0);
		assert_null(f->ca->calls);
	}
}

static void a_server_that_is_no_https_url_is_the_operators_to_change(void **state)
{
	struct fixture *f = *state;
	struct session *session = NULL;
	struct session_config config = {.server = "http://ca.example/directory",
					.transport = &f->ca->transport};
	struct err e = {0};

	assert_int_equal(session_new(&config, &session, &e), ERR_CONFIG);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_null(session);
	assert_true(f->ca->freed);
}

/* A CA in a bad mood: bad nonces, lost connections, failures, missing nonces, moves. */
static bool moody(struct fake_ca *ca, enum fake_ca_kind kind, struct fake_ca_answer *answer)
{
	int mood = rand() % 100;

	ca->delay_ms = rand() % 50;
	if (kind == FAKE_CA_POST && mood < 30)
		*answer = (struct fake_ca_answer){ANSWER(400, PROBLEM, BAD_NONCE),
						  .no_nonce = mood < 5};
	else if (mood < 40)
		*answer = (struct fake_ca_answer){.fail = ERR_NET, .cause = CAUSE_CONNECTION_LOST};
	else if (mood < 43)
		*answer = (struct fake_ca_answer){.fail = ERR_NET};
	else if (mood < 46)
		*answer = (struct fake_ca_answer){ANSWER(404, "text/plain", "gone")};
	else if (mood < 50)
		*answer = (struct fake_ca_answer){.no_nonce = true};
	return true;
}

static void whatever_a_ca_does_each_call_ends_once_and_no_nonce_is_used_twice(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
	struct heard heard[300] = {0};
	int answered = 0;

	print_message("SEED=%u\n", seed);
	srand(seed);
	f->ca->decide = moody;
	for (size_t i = 0; i < COUNT_OF(heard); i++) {
		(void)fixture_submit(f, &heard[i]);
		for (int turns = rand() % 8; turns > 0; turns--)
			(void)fake_loop_skip(f->loop);
	}
	fixture_run(f);
	for (size_t i = 0; i < COUNT_OF(heard); i++) {
		assert_int_equal(heard[i].times, 1);
		answered += heard[i].status == 200;
		heard_clear(&heard[i]);
	}
	assert_true(answered > 0);
	assert_true(f->ca->nonces < FAKE_CA_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cancelled_call_is_never_answered_wherever_it_was),
		TEST(the_others_go_on_when_the_call_with_the_only_nonce_is_cancelled),
		TEST(a_cancelled_retry_gives_its_nonce_to_the_others),
		TEST(cancelling_nothing_is_fine),
		TEST(an_owner_may_free_the_session_when_he_hears),
		TEST(an_owner_may_cancel_another_call_when_he_hears),
		TEST(an_owner_may_submit_when_he_hears),
		TEST(a_freed_session_never_calls_back),
		TEST(a_server_that_is_no_https_url_is_the_operators_to_change),
		TEST(whatever_a_ca_does_each_call_ends_once_and_no_nonce_is_used_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
