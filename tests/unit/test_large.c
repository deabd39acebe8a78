/* SPDX-License-Identifier: MIT
 *
 * test_large — a store with very many rows: what is not read of it, and what is noticed all the
 * same.
 */
#include "tests/unit.h"

#include "store/certificate.h"
#include "store/notice.h"
#include "store/version.h"
#include "tests/unit/make_store.h"

#include <stdio.h>
#include <string.h>

/* Two values that fill a file beyond STORE_SMALL. */
static const char ballast[] = "INSERT INTO event (id, at, certificate_id, order_id, kind, text) "
			      "VALUES (1000001, 1, 0, 0, 'test', hex(zeroblob(2600000))), "
			      "(1000002, 1, 0, 0, 'test', hex(zeroblob(2600000)))";

static const char damage[] = "DELETE FROM account";

static int64_t make_live(struct store *s, const char *name)
{
	int64_t id;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	id = make_certificate(s, make_account(s, "default"), name);
	assert_true(make_version(s, id, 1, MAKE_STORE_NOW + 60 * MAKE_STORE_DAY) > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	return id;
}

static int try_quickly(struct made_store *m, struct store **ret_store, struct err *e)
{
	const struct store_opening o = {
		.dir = m->dir, .clock = &m->clock, .how = STORE_QUICKLY, .wait_ms = STORE_WAIT_MS};

	return store_open_as(&o, ret_store, e);
}

static struct store *open_quickly(struct made_store *m)
{
	struct err e = {0};

	if (try_quickly(m, &m->store, &e) != 0)
		fail_msg("%s", e.text);
	return m->store;
}

static void a_large_store_is_looked_at_as_a_whole_before_somebody_acts(void **state)
{
	struct made_store *m = *state;
	struct store *s = NULL;
	struct err e = {0};

	make_live(made_store_open(m), "a.test");
	made_store_close(m);
	made_store_sql(m, "everleaf.db", ballast);
	assert_int_equal(store_check_rest(open_quickly(m), &e), 0);
	made_store_close(m);
	made_store_sql(m, "everleaf.db", damage);
	assert_int_equal(store_open(m->dir, &m->clock, &s, &e), ERR_CONFIG);
	s = open_quickly(m);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_check_rest(s, &e), ERR_CONFIG);
		assert_non_null(strstr(e.text, "everleaf.db is damaged"));
	}
}

static void a_small_store_is_looked_at_as_a_whole_also_in_a_hurry(void **state)
{
	struct made_store *m = *state;
	struct store *s = NULL;

	make_live(made_store_open(m), "a.test");
	made_store_close(m);
	made_store_sql(m, "everleaf.db", damage);
	assert_int_equal(try_quickly(m, &s, NULL), ERR_CONFIG);
}

static void what_is_large_and_of_an_older_schema_is_looked_at_before_it_is_changed(void **state)
{
	struct made_store *m = *state;
	struct store *s = NULL;
	struct err e = {0};

	make_live(made_store_open(m), "a.test");
	made_store_close(m);
	made_store_sql(m, "everleaf.db", ballast);
	made_store_sql(m, "everleaf.db", damage);
	made_store_sql(m, "everleaf.db", "PRAGMA user_version = 3");
	assert_int_equal(try_quickly(m, &s, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "names one that is gone"));
}

static void a_glance_at_a_version_shows_what_is_told_in_a_line(void **state)
{
	struct made_store *m = *state;
	AUTO_VERSION struct version *whole = NULL;
	AUTO_VERSION struct version *glance = NULL;
	AUTO_VERSION struct version *none = NULL;

	make_live(made_store_open(m), "a.test");
	made_store_close(m);
	made_store_sql(m, "everleaf.db", ballast);
	made_store_open(m);
	assert_int_equal(version_load(m->store, 1, &whole, NULL), 0);
	assert_int_equal(version_glance(m->store, 1, &glance, NULL), 0);
	assert_int_equal(version_glance(m->store, 2, &none, NULL), 0);
	assert_null(none);
	assert_int_equal(glance->id, whole->id);
	assert_int_equal(glance->not_before, whole->not_before);
	assert_int_equal(glance->not_after, whole->not_after);
	assert_string_equal(glance->serial, whole->serial);
	assert_string_equal(glance->fingerprint, whole->fingerprint);
	assert_null(glance->leaf);
}

static void a_glance_at_a_version_of_a_small_store_heeds_its_seal(void **state)
{
	struct made_store *m = *state;
	AUTO_VERSION struct version *v = NULL;

	make_live(made_store_open(m), "a.test");
	made_store_close(m);
	made_store_sql(m, "everleaf.db", "UPDATE version SET chain = 'x'");
	assert_int_equal(version_glance(made_store_open(m), 1, &v, NULL), ERR_SYS);
}

/* Each makes one certificate of nine something that `renew` has to look at. */
static const struct {
	const char *name;
	const char *change;
	bool notices; /* only if they are wanted */
	bool wanted;
} rows[] = {
	{"1.test", NULL, false, false},
	{"2.test", "UPDATE renewal SET look_at = 0 WHERE certificate_id = 2", false, true},
	{"3.test", "UPDATE renewal SET failures = 1 WHERE certificate_id = 3", false, true},
	{"4.test", "UPDATE renewal SET look_at = 3000000000 WHERE certificate_id = 4", false, true},
	{"5.test", "UPDATE notice SET next_at = 0 WHERE id = 5", true, true},
	{"6.test", "UPDATE notice SET next_at = 3000000000 WHERE id = 6", true, true},
	{"7.test",
	 "UPDATE renewal SET look_at = 0 WHERE certificate_id = 7; "
	 "UPDATE certificate SET paused = 1 WHERE id = 7",
	 false, false},
	{"8.test",
	 "UPDATE renewal SET look_at = 0 WHERE certificate_id = 8; "
	 "UPDATE certificate SET removed_at = 1 WHERE id = 8",
	 false, false},
	{"9.test", NULL, false, true}, /* it has a live order */
};

static void make_rows(struct made_store *m)
{
	struct store *s = made_store_open(m);
	int64_t account;

	assert_int_equal(store_turn_begin(s, NULL), 0);
	account = make_account(s, "default");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t id = make_certificate(s, account, rows[i].name);

		assert_int_equal(id, i + 1);
		assert_int_equal(renewal_look(s, id, m->now + 3600, NULL), 0);
		assert_int_equal(notice_look(s, id, m->now + 3600, NULL), 0);
	}
	assert_true(make_order_row(s, account, 9) > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	made_store_close(m);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].change != NULL)
			made_store_sql(m, "everleaf.db", rows[i].change);
}

static void only_what_may_have_something_to_do_is_read_for_a_renewal(void **state)
{
	struct made_store *m = *state;

	make_rows(m);
	made_store_open(m);
	for (int notices = 0; notices < 2; notices++) {
		struct certificate **list = NULL;
		size_t count = 0, next = 0;

		assert_int_equal(certificate_list_wanting(m->store, notices, &list, &count, NULL),
				 0);
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			if (!rows[i].wanted || (rows[i].notices && !notices))
				continue;
			assert_true(next < count);
			assert_string_equal(list[next++]->name, rows[i].name);
		}
		assert_int_equal(next, count);
		certificate_list_free(list, count);
	}
}

static void one_certificate_is_asked_what_all_are_asked_for_a_renewal(void **state)
{
	struct made_store *m = *state;

	make_rows(m);
	made_store_open(m);
	for (int notices = 0; notices < 2; notices++) {
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			bool wants = false;

			if (i == 6 || i == 7) /* paused and removed: that is for the caller */
				continue;
			assert_int_equal(
				certificate_wants(m->store, (int64_t)i + 1, notices, &wants, NULL),
				0);
			assert_int_equal(wants, rows[i].wanted && (notices || !rows[i].notices));
		}
	}
}

static void certificates_are_counted_without_those_that_are_paused_or_removed(void **state)
{
	int64_t count = 0;

	make_rows(*state);
	assert_int_equal(certificate_count(made_store_open(*state), &count, NULL), 0);
	assert_int_equal(count, COUNT_OF(rows) - 2);
}

static void what_is_due_is_found_by_its_time_or_by_a_wrong_one(void **state)
{
	static const int64_t due[] = {2, 4, 7};
	struct id_list ids AUTO_ID_LIST = {0};
	struct made_store *m = *state;
	int64_t next = 0;

	make_rows(m);
	assert_int_equal(certificate_due(made_store_open(m), &ids, &next, NULL), 0);
	assert_int_equal(ids.count, COUNT_OF(due));
	assert_memory_equal(ids.ids, due, sizeof(due));
	assert_int_equal(next, m->now + 3600);
}

static void a_certificate_is_busy_while_an_order_or_a_deployment_of_it_lives(void **state)
{
	struct made_store *m = *state;
	struct make_deployment spec = {.certificate_id = 2};
	struct store *s;

	make_rows(m);
	s = made_store_open(m);
	assert_int_equal(store_turn_begin(s, NULL), 0);
	spec.version_id = make_version(s, 2, 1, m->now + MAKE_STORE_DAY);
	spec.target_id = make_target(s, "{}");
	assert_true(make_deployment(s, &spec) > 0);
	assert_int_equal(store_turn_commit(s, NULL), 0);
	for (int64_t id = 0; id <= 10; id++) {
		bool busy = false;

		assert_int_equal(certificate_busy(s, id, &busy, NULL), 0);
		assert_int_equal(busy, id == 2 || id == 9);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, made_store_setup, made_store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_large_store_is_looked_at_as_a_whole_before_somebody_acts),
		TEST(a_small_store_is_looked_at_as_a_whole_also_in_a_hurry),
		TEST(what_is_large_and_of_an_older_schema_is_looked_at_before_it_is_changed),
		TEST(a_glance_at_a_version_shows_what_is_told_in_a_line),
		TEST(a_glance_at_a_version_of_a_small_store_heeds_its_seal),
		TEST(only_what_may_have_something_to_do_is_read_for_a_renewal),
		TEST(one_certificate_is_asked_what_all_are_asked_for_a_renewal),
		TEST(certificates_are_counted_without_those_that_are_paused_or_removed),
		TEST(what_is_due_is_found_by_its_time_or_by_a_wrong_one),
		TEST(a_certificate_is_busy_while_an_order_or_a_deployment_of_it_lives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
