/* SPDX-License-Identifier: MIT
 *
 * test_mass — a CA has to revoke a thousand certificates at once and says so by their renewal
 * windows: all are replaced before anybody had to act, within the CA's limits.
 */
#include "tests/machine/sim.h"
#include "tests/machine/world.h"

#include "base/clock.h"

#include <stdlib.h>

#define SUBJECTS 1000
#define AGAIN    (6 * SIM_HOUR) /* the Retry-After of renewal information */

static int64_t long_lived(size_t subject)
{
	(void)subject;
	return 90 * SIM_DAY;
}

static void a_thousand_revoked_certificates_are_replaced_within_seven_hours(void **state)
{
	const struct sim_config config = {
		.seed = (uint64_t)random(),
		.subjects = SUBJECTS,
		.informing = "https://acme-v02.api.letsencrypt.org",
		.lifetime = long_lived,
		.info_again = AGAIN,
		.orders_an_hour = 100,
	};
	int64_t began = clock_mono_ms(clock_system());
	struct sim *s = sim_new(&config);
	struct sim_counts before, after;
	int64_t revoked_at;

	(void)state;
	sim_until(s, sim_now(s) + SIM_DAY); /* 300 orders at once, then one every 36 s */
	before = sim_counts(s);
	assert_int_equal(before.issued, SUBJECTS);
	assert_int_equal(before.orders, SUBJECTS);
	assert_int_equal(before.replacing, 0);
	sim_until(s, sim_now(s) + SIM_DAY);
	before = sim_counts(s);
	assert_int_equal(before.issued, SUBJECTS);
	revoked_at = sim_now(s);
	for (size_t i = 0; i < SUBJECTS; i++)
		sim_pull(s, i);
	sim_until(s, revoked_at + 7 * SIM_HOUR);
	after = sim_counts(s);
	for (size_t i = 0; i < SUBJECTS; i++) {
		assert_int_equal(sim_issued(s, i), 2);
		assert_in_range(sim_issued_at(s, i) - revoked_at, 0, 7 * SIM_HOUR);
	}
	/* an order, its authorization, finalize and download; one or two looks at the advice */
	assert_int_equal(after.orders - before.orders, SUBJECTS);
	assert_int_equal(after.replacing - before.replacing, SUBJECTS);
	assert_in_range(after.infos - before.infos, SUBJECTS, 3 * SUBJECTS);
	assert_in_range(after.requests - before.requests - (after.infos - before.infos),
			4 * SUBJECTS, 4 * SUBJECTS + 100);
	print_message("# %d certificates in %.1f s; replacing them cost %zu requests\n", SUBJECTS,
		      (double)(clock_mono_ms(clock_system()) - began) / 1000,
		      after.requests - before.requests);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_revoked_certificates_are_replaced_within_seven_hours),
	};

	world_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
