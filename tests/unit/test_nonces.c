/* SPDX-License-Identifier: MIT
 *
 * test_nonces — the pool of unused nonces.
 */
#include "tests/unit.h"

#include "acme/nonces.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_takes(struct nonces *n, int64_t now_ms, const char *want)
{
	AUTO_FREE char *have = nonces_take(n, now_ms);

	if (want == NULL)
		assert_null(have);
	else
		assert_string_equal(have, want);
}

static void the_newest_nonce_is_used_first(void **state)
{
	struct nonces n = {0};

	(void)state;
	nonces_add(&n, "old", 0);
	nonces_add(&n, "new", 1);
	assert_takes(&n, 2, "new");
	assert_takes(&n, 2, "old");
	assert_takes(&n, 2, NULL);
}

static void a_full_pool_forgets_its_oldest(void **state)
{
	struct nonces n = {0};
	char value[16];

	(void)state;
	for (int i = 0; i < SESSION_MAX_NONCES + 3; i++) {
		snprintf(value, sizeof(value), "n%d", i);
		nonces_add(&n, value, i);
	}
	assert_int_equal(n.count, SESSION_MAX_NONCES);
	for (int i = SESSION_MAX_NONCES + 2; i >= 3; i--) {
		snprintf(value, sizeof(value), "n%d", i);
		assert_takes(&n, 100, value);
	}
	assert_takes(&n, 100, NULL);
}

static void a_nonce_that_is_there_is_not_kept_twice(void **state)
{
	struct nonces n = {0};

	(void)state;
	nonces_add(&n, "same", 0);
	nonces_add(&n, "same", 1);
	assert_int_equal(n.count, 1);
	nonces_clear(&n);
	assert_int_equal(n.count, 0);
}

static void only_the_idle_ones_are_forgotten(void **state)
{
	struct nonces n = {0};

	(void)state;
	nonces_add(&n, "a", 0);
	nonces_add(&n, "b", 1000);
	nonces_add(&n, "c", 2000);
	assert_takes(&n, SESSION_NONCE_IDLE_MS + 1, "c");
	assert_takes(&n, SESSION_NONCE_IDLE_MS + 1000, "b");
	assert_takes(&n, SESSION_NONCE_IDLE_MS + 1000, NULL);
}

static void those_before_a_time_are_forgotten(void **state)
{
	struct nonces n = {0};

	(void)state;
	nonces_add(&n, "a", 0);
	nonces_add(&n, "b", 1000);
	nonces_add(&n, "c", 2000);
	nonces_forget(&n, 2000);
	assert_takes(&n, 2000, "c");
	assert_takes(&n, 2000, NULL);
	nonces_forget(&n, 9000);
}

static void what_is_no_nonce_is_not_kept(void **state)
{
	static const char *const bad[] = {NULL, "", "a=", "a+b", "a/b", " a", "a,b", "\xc3\xa9"};
	struct nonces n = {0};
	AUTO_FREE char *longest = mem_printf("%0256d", 0);
	AUTO_FREE char *too_long = mem_printf("%0257d", 0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		nonces_add(&n, bad[i], 0);
	nonces_add(&n, too_long, 0);
	assert_int_equal(n.count, 0);
	nonces_add(&n, longest, 0);
	assert_int_equal(n.count, 1);
	nonces_clear(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_nonce_is_used_first),
		cmocka_unit_test(a_full_pool_forgets_its_oldest),
		cmocka_unit_test(a_nonce_that_is_there_is_not_kept_twice),
		cmocka_unit_test(only_the_idle_ones_are_forgotten),
		cmocka_unit_test(those_before_a_time_are_forgotten),
		cmocka_unit_test(what_is_no_nonce_is_not_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
