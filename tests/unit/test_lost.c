/* SPDX-License-Identifier: MIT
 *
 * test_lost — a database of the store is gone: that is said, and none is made in its place.
 */
#include "tests/unit.h"

#include "store/store.h"
#include "tests/unit/make_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_refused(struct made_store *m, const char *text)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(store_open(m->dir, &m->clock, &s, &e), ERR_CONFIG);
	assert_null(s);
	if (strstr(e.text, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
}

static void half_a_store_is_not_completed_in_silence(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *main_path = made_store_path(m, "everleaf.db");
	AUTO_FREE char *keys_path = made_store_path(m, "keys.db");
	AUTO_FREE char *aside = made_store_path(m, "aside");

	made_store_open(m);
	made_store_close(m);
	made_store_sql(m, "keys.db",
		       "INSERT INTO key VALUES (1, 'ec-256', zeroblob(32), x'00', 0, 0)");
	assert_int_equal(rename(keys_path, aside), 0);
	assert_refused(m, "keys.db is missing");
	assert_int_equal(rename(aside, keys_path), 0);
	assert_int_equal(rename(main_path, aside), 0);
	assert_refused(m, "everleaf.db is missing");
	assert_int_equal(rename(aside, main_path), 0);
	made_store_open(m);
}

/* Neither by who writes nor by who reads; and what is refused makes no file in its place. */
static void what_is_lost_is_said_and_never_made_empty(void **state)
{
	static const struct {
		const char *lost, *also, *says;
	} rows[] = {
		{"everleaf.db", "everleaf.db-journal", "everleaf.db is missing"},
		{"keys.db", "keys.db-journal", "keys.db is missing"},
		{"keys.db", "everleaf.db", "everleaf.db and keys.db are gone"},
		{"keys.db", "turn", "keys.db is missing"},
	};
	struct made_store *m = *state;

	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		const struct store_opening reader = {
			.dir = m->dir, .clock = &m->clock, .how = STORE_READER};
		struct store *s = NULL;
		struct err e = {0};

		snprintf(m->dir, sizeof(m->dir), "%s/%zu", m->base, i);
		made_store_open(m);
		made_store_close(m);
		for (int also = 0; also < 2; also++) {
			AUTO_FREE char *path =
				made_store_path(m, also ? rows[i / 2].also : rows[i / 2].lost);

			(void)unlink(path);
			if (i % 2 != 0 && !also) /* empty is no better */
				close(open(path, O_WRONLY | O_CREAT, 0600));
		}
		for (int twice = 0; twice < 2; twice++) {
			AUTO_FREE char *path = made_store_path(m, rows[i / 2].lost);
			struct stat st;

			assert_refused(m, rows[i / 2].says);
			assert_int_equal(store_open_as(&reader, &s, &e), ERR_CONFIG);
			assert_non_null(strstr(e.text, rows[i / 2].says));
			assert_non_null(strstr(e.text, "restore the state directory"));
			assert_true(stat(path, &st) != 0 || st.st_size == 0);
			assert_int_equal(stat(path, &st), i % 2 != 0 ? 0 : -1);
		}
	}
}

static void half_made_stores_of_a_crash_are_completed(void **state)
{
	static const char *const rows[] = {"everleaf.db", "everleaf.db-journal", "turn"};
	struct made_store *m = *state;

	made_store_open(m);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_FREE char *path = made_store_path(m, rows[i]);

		(void)unlink(path);
	}
	made_store_open(m); /* keys.db is there, and has no key yet */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(half_a_store_is_not_completed_in_silence),
		TEST(what_is_lost_is_said_and_never_made_empty),
		TEST(half_made_stores_of_a_crash_are_completed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
