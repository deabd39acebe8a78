/* SPDX-License-Identifier: MIT
 *
 * test_words — a CA that speaks in our own control words: they are text in its mouth. And what
 * keeps being replaced is a failure in the end.
 */
#include "tests/machine/world.h"

#include <stdio.h>

/* What the engine once steered by, and how its causes are written today. */
static const char *const words[] = {
	"interrupted",     "lost",          "orderTaken",      "usage",
	"connectionLost",  "changed",       "order-taken",     "bad-nonce",
	"connection-lost", "noRenewalInfo", "no-renewal-info",
};

/* Where a CA may say a word. */
static const struct {
	enum mock_kind kind; /* MOCK_ANY: in a challenge that it judged */
	int status;
} places[] = {
	{MOCK_DIRECTORY, 403}, {MOCK_NEW_NONCE, 403},     {MOCK_NEW_ACCOUNT, 403},
	{MOCK_NEW_ORDER, 403}, {MOCK_ORDER, 403},         {MOCK_AUTHORIZATION, 403},
	{MOCK_CHALLENGE, 403}, {MOCK_FINALIZE, 403},      {MOCK_CERTIFICATE, 403},
	{MOCK_NEW_ORDER, 500}, {MOCK_AUTHORIZATION, 500}, {MOCK_FINALIZE, 500},
	{MOCK_ANY, 0},
};

/* How many requests a daemon makes in six hours, and what its certificate's row says then. */
static size_t requests_with(size_t place, const char *word, struct facts *ret_facts)
{
	struct world *w = world_new("www.example", 1);
	size_t count;

	if (places[place].kind == MOCK_ANY) {
		mock_ca_config(w->ca)->fetch = NULL;
		mock_ca_config(w->ca)->blames = word;
	} else {
		FAULT_ROW(w, .kind = places[place].kind, .act = MOCK_REPLACE,
			  .status = places[place].status, .problem = word, .times = MOCK_FOREVER);
	}
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 6 * 3600);
	count = mock_ca_count(w->ca, MOCK_ANY);
	*ret_facts = world_facts(w);
	assert_int_equal(world_events(w, "interrupted"), 0);
	world_free(w);
	return count;
}

static void our_words_in_a_ca_s_mouth_steer_nothing(void **state)
{
	(void)state;
	for (size_t p = 0; p < COUNT_OF(places); p++) {
		struct facts plain = {0};
		/* what a CA does not know by itself passes: with an unknown word, as many */
		const char *other = places[p].status < 500 ? "rejectedIdentifier" : "new";
		size_t most = requests_with(p, other, &plain);

		for (size_t i = (size_t)world_first() - 1; i < COUNT_OF(words);
		     i += (size_t)world_stride()) {
			struct facts f = {0};
			size_t count = requests_with(p, words[i], &f);

			if (count > most + 2) /* a CA may be asked once more or less by chance */
				fail_msg("%s %d \"%s\": %zu requests, not %zu",
					 mock_kind_name(places[p].kind), places[p].status, words[i],
					 count, most);
			if (f.renewal.failures != plain.renewal.failures)
				fail_msg("%s %d \"%s\": %lld failures",
					 mock_kind_name(places[p].kind), places[p].status, words[i],
					 (long long)f.renewal.failures);
		}
	}
}

/* A CA that loses every order right after it made it: nobody is to blame, and still. */
static void an_order_is_replaced_three_times_in_a_row_and_then_it_is_a_failure(void **state)
{
	struct world *w = *state;
	struct facts f;

	world_start(w, 0, RUN_DAEMON);
	for (int i = 0; i < 4; i++) {
		while (mock_ca_count(w->ca, MOCK_NEW_ORDER) == (size_t)i ||
		       world_facts(w).unwithdrawn == 0)
			world_step(w);
		world_kill(w, 0);
		mock_ca_forget_orders(w->ca);
		world_start(w, 0, RUN_DAEMON);
	}
	world_pass(w, 20);
	f = world_facts(w);
	assert_int_equal(mock_ca_count(w->ca, MOCK_NEW_ORDER), 4);
	assert_int_equal(world_events(w, "interrupted"), 3);
	assert_int_equal(f.renewal.failures, 1);
	assert_true(f.renewal.next_at > world_now(w));
	assert_int_equal(f.renewal.replaced, 0);
	world_pass(w, 3600);
	world_assert_good(w, 5);
	assert_int_equal(world_facts(w).renewal.replaced, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_words_in_a_ca_s_mouth_steer_nothing),
		TEST(an_order_is_replaced_three_times_in_a_row_and_then_it_is_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
