/* SPDX-License-Identifier: MIT
 *
 * test_cut — every answer of one whole issue ends at every of its bytes, once by a connection that
 * dies and once looking whole. EVERLEAF_LONG=1 tries them all; else as many of each answer as there
 * is time for, chosen by EVERLEAF_TEST_SEED.
 */
#include "tests/machine/world.h"

#include <stdio.h>
#include <stdlib.h>

#define SAMPLES 6

/* A CA that lets its orders be read: every kind of request occurs. */
static struct world *slow_world(void)
{
	struct world *w = world_new("www.example a.example", 5);

	mock_ca_config(w->ca)->processing = true;
	mock_ca_config(w->ca)->process_ms = 100;
	return w;
}

/* How long the first answer to each kind of request is. */
static void measure(size_t lengths[MOCK_KINDS])
{
	struct world *w = slow_world();
	const struct mock_record *r;
	bool seen[MOCK_KINDS] = {false};

	world_command(w, RUN_OBTAIN);
	world_assert_good(w, 1);
	for (size_t i = 0; (r = mock_ca_record(w->ca, i)) != NULL; i++)
		if (!seen[r->kind]) {
			seen[r->kind] = true;
			lengths[r->kind] = r->body_len;
		}
	for (enum mock_kind kind = MOCK_DIRECTORY; kind < MOCK_NOTHING; kind++)
		assert_true(seen[kind] || kind == MOCK_ACCOUNT);
	world_free(w);
}

/* Three hours are enough for two failures in a row. Who lost an answer only asks again; what looks
 * whole and is not may end the attempt, and only an order whose URL nobody learned is left over. */
static void one_answer_ends_at(enum mock_kind kind, enum mock_act act, size_t at)
{
	struct world *w = slow_world();
	size_t most = act == MOCK_TRUNCATE || kind == MOCK_NEW_ORDER ? 2 : 1;

	FAULT_ROW(w, .kind = kind, .act = act, .at = at);
	world_start(w, 0, RUN_DAEMON);
	world_pass(w, 3 * 3600);
	world_assert_good(w, most);
	assert_int_equal(world_facts(w).versions, 1);
	assert_in_range(mock_ca_counts(w->ca).certificates, 1, act == MOCK_TRUNCATE ? 2 : 1);
	assert_true(act == MOCK_TRUNCATE || world_events(w, "failed") == 0);
	world_free(w);
}

static void every_answer_ends(enum mock_act act)
{
	bool all = getenv("EVERLEAF_LONG") != NULL;
	size_t lengths[MOCK_KINDS] = {0};

	world_seed();
	measure(lengths);
	for (enum mock_kind kind = MOCK_DIRECTORY; kind < MOCK_NOTHING; kind++) {
		/* a connection can die behind the last byte as well */
		size_t ends = lengths[kind] + (act == MOCK_CUT);

		for (size_t i = 0; i < (all || ends < SAMPLES ? ends : SAMPLES); i++) {
			size_t at = all || ends < SAMPLES ? i : (size_t)random() % ends;

			print_message("# %s at %zu of %zu\n", mock_kind_name(kind), at,
				      lengths[kind]);
			one_answer_ends_at(kind, act, at);
		}
	}
}

static void an_answer_cut_at_any_byte_costs_no_certificate_and_no_failure(void **state)
{
	(void)state;
	every_answer_ends(MOCK_CUT);
}

static void an_answer_truncated_at_any_byte_ends_in_one_certificate_all_the_same(void **state)
{
	(void)state;
	every_answer_ends(MOCK_TRUNCATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_cut_at_any_byte_costs_no_certificate_and_no_failure),
		cmocka_unit_test(
			an_answer_truncated_at_any_byte_ends_in_one_certificate_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
