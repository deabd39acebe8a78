/* SPDX-License-Identifier: MIT
 *
 * test_keys — private keys are where they belong, come back as they were, and nowhere else; and an
 * erased one is in no file any more.
 */
#include "tests/unit.h"

#include "store/account.h"
#include "store/keys.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* 40 characters from the middle of the key's PEM: enough to find it wherever it went. */
#define CANARY_SIZE 40

static struct key *new_key(char canary[CANARY_SIZE])
{
	struct buf pem AUTO_BUF = {0};
	struct key *k = NULL;
	const char *body;

	assert_int_equal(key_generate(KEY_EC256, &k, NULL), 0);
	buf_init_secret(&pem, KEY_PEM_MAX);
	assert_int_equal(key_print(k, &pem, NULL), 0);
	body = strchr(pem.data, '\n');
	assert_non_null(body);
	assert_true(strlen(body) > 65 + CANARY_SIZE);
	/* The second line of 64: the first is the same for every key of a kind. */
	memcpy(canary, body + 66, CANARY_SIZE);
	return k;
}

static int64_t put(struct store *s, const struct key *k)
{
	struct err e = {0};
	int64_t id = 0;

	if (keys_put(s, k, &id, &e) != 0)
		fail_msg("%s", e.text);
	assert_true(id > 0);
	return id;
}

static bool is_there(struct store *s, int64_t id)
{
	AUTO_KEY struct key *k = NULL;
	const int r = keys_get(s, id, &k, NULL);

	assert_true(r == 0 || r == ERR_SYS);
	return r == 0;
}

static void a_key_comes_back_as_it_was_put(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *k = new_key(canary);
	AUTO_KEY struct key *back = NULL;
	uint8_t hash[KEY_HASH_SIZE], other[KEY_HASH_SIZE];
	int64_t id, found = -1;

	key_hash(k, hash);
	assert_int_equal(keys_find(s, hash, &found, NULL), 0);
	assert_int_equal(found, 0);
	id = put(s, k);
	assert_int_equal(put(s, k), id); /* the same again is the same */
	made_store_close(m);
	s = made_store_open(m);
	assert_int_equal(keys_get(s, id, &back, NULL), 0);
	assert_int_equal(key_kind(back), KEY_EC256);
	key_hash(back, other);
	assert_memory_equal(hash, other, sizeof(hash));
	assert_int_equal(keys_find(s, hash, &found, NULL), 0);
	assert_int_equal(found, id);
}

static void keys_of_a_turn_are_kept_with_it_and_undone_with_it(void **state)
{
	struct made_store *m = *state;
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *first = new_key(canary);
	AUTO_KEY struct key *second = new_key(canary);
	struct store *s = made_store_open(m);
	int64_t ids[2];

	for (int kept = 0; kept < 2; kept++) {
		assert_int_equal(store_turn_begin(s, NULL), 0);
		ids[0] = put(s, first);
		ids[1] = put(s, second);
		assert_true(is_there(s, ids[0]) && is_there(s, ids[1]));
		assert_true(make_event(s, 0, "something else changed") > 0);
		if (kept)
			assert_int_equal(store_turn_commit(s, NULL), 0);
		else
			store_turn_undo(s);
		assert_true(is_there(s, ids[0]) == kept && is_there(s, ids[1]) == kept);
	}
	made_store_close(m);
	s = made_store_open(m);
	assert_true(is_there(s, ids[0]) && is_there(s, ids[1]));
}

static void a_key_that_is_put_outside_of_a_turn_is_kept_at_once(void **state)
{
	struct made_store *m = *state;
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *k = new_key(canary);
	int64_t id = put(made_store_open(m), k);

	made_store_close(m);
	assert_true(is_there(made_store_open(m), id));
	assert_int_equal(store_commits(m->store), 0);
}

static void a_key_that_is_missing_or_damaged_is_not_given_out(void **state)
{
	static const char *const damages[] = {
		"UPDATE key SET hash = zeroblob(32)",
		"UPDATE key SET pem = x'2d2d'",
		"UPDATE key SET pem = x''",
	};
	struct made_store *m = *state;
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *k = new_key(canary);
	AUTO_KEY struct key *back = NULL;
	struct err e = {0};
	int64_t id = put(made_store_open(m), k);

	assert_int_equal(keys_get(m->store, id + 1, &back, &e), ERR_SYS);
	assert_non_null(strstr(e.text, "there is no key 2 in"));
	for (size_t i = 0; i < COUNT_OF(damages); i++) {
		made_store_close(m);
		made_store_sql(m, "keys.db", damages[i]);
		assert_int_equal(keys_get(made_store_open(m), id, &back, &e), ERR_SYS);
		assert_null(back);
	}
}

static void a_key_is_in_the_key_file_alone_and_that_is_closed(void **state)
{
	struct made_store *m = *state;
	AUTO_FREE char *path = made_store_path(m, "keys.db");
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *k = new_key(canary);
	const mode_t before = umask(0);
	struct stat st;
	struct store *s = made_store_open(m);

	assert_int_equal(store_turn_begin(s, NULL), 0);
	put(s, k);
	assert_true(make_account(s, "default") > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	umask(before);
	made_store_close(m);
	assert_true(made_store_contains(m, "keys.db", canary, CANARY_SIZE));
	assert_false(made_store_contains(m, "everleaf.db", canary, CANARY_SIZE));
	assert_false(made_store_contains(m, "everleaf.db", "PRIVATE KEY", 11));
	assert_false(made_store_contains(m, "everleaf.db-journal", canary, CANARY_SIZE));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void prune(struct made_store *m, int64_t when)
{
	struct err e = {0};

	m->now = when;
	if (store_prune(m->store, &e) != 0)
		fail_msg("%s", e.text);
}

static void an_erased_key_is_in_no_file_any_more(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *k = new_key(canary);
	const int64_t id = put(s, k);

	prune(m, MAKE_STORE_NOW + MAKE_STORE_DAY - 1);
	assert_true(is_there(s, id));
	prune(m, MAKE_STORE_NOW + MAKE_STORE_DAY);
	assert_false(is_there(s, id));
	made_store_close(m);
	assert_false(made_store_contains(m, NULL, canary, CANARY_SIZE));
	assert_int_equal(put(made_store_open(m), k), id + 1); /* an id is never used twice */
}

static void a_named_key_stays_until_a_day_after_nothing_names_it(void **state)
{
	struct made_store *m = *state;
	struct store *s = made_store_open(m);
	char canary[CANARY_SIZE];
	AUTO_KEY struct key *of_account = new_key(canary);
	AUTO_KEY struct key *of_version = new_key(canary);
	struct account a = {.server = (char *)"https://ca.example/d", .entry = (char *)"default"};
	const int64_t first = put(s, of_account);
	const int64_t second = put(s, of_version);
	int64_t now = MAKE_STORE_NOW;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	a.key_id = first;
	assert_int_equal(account_insert(s, &a, NULL), 0);
	free(a.stage);
	assert_true(make_version(s, make_certificate(s, a.id, "www"), second, now) > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	prune(m, now += 100 * MAKE_STORE_DAY);
	prune(m, now += 100 * MAKE_STORE_DAY);
	assert_true(is_there(s, first) && is_there(s, second));

	made_store_close(m);
	made_store_sql(m, "everleaf.db",
		       "UPDATE certificate SET live_version_id = NULL; DELETE FROM version");
	s = made_store_open(m);
	prune(m, now += 100 * MAKE_STORE_DAY); /* its day begins when that is seen */
	prune(m, now += MAKE_STORE_DAY - 1);
	assert_true(is_there(s, first) && is_there(s, second));
	prune(m, now - 10 * MAKE_STORE_DAY); /* a clock that was ahead: begins anew */
	prune(m, now - 9 * MAKE_STORE_DAY - 1);
	assert_true(is_there(s, second));
	prune(m, now - 9 * MAKE_STORE_DAY);
	assert_true(is_there(s, first));
	assert_false(is_there(s, second));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_comes_back_as_it_was_put),
		TEST(keys_of_a_turn_are_kept_with_it_and_undone_with_it),
		TEST(a_key_that_is_put_outside_of_a_turn_is_kept_at_once),
		TEST(a_key_that_is_missing_or_damaged_is_not_given_out),
		TEST(a_key_is_in_the_key_file_alone_and_that_is_closed),
		TEST(an_erased_key_is_in_no_file_any_more),
		TEST(a_named_key_stays_until_a_day_after_nothing_names_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
