/* SPDX-License-Identifier: MIT
 *
 * test_buf — buffers with limits, lists of strings, and the memory under both.
 */
#include "tests/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/strlist.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void an_empty_buffer_is_an_empty_text(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 10);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
	buf_clear(&b);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_string_equal(b.data, "");
}

static void a_struct_that_was_never_initialised_can_be_freed(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_free(&b);
	buf_free(&b); /* twice is fine as well */
	assert_int_equal(buf_add(&b, "x", 1), -1);
}

static void what_passes_the_limit_is_refused_whole(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_add_text(&b, "abcd"), 0);
	assert_int_equal(buf_add_text(&b, "ef"), -1);
	assert_int_equal(buf_printf(&b, "%d", 12), -1);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX), -1);
	assert_string_equal(b.data, "abcd");
	assert_int_equal(b.len, 4);
	assert_int_equal(buf_printf(&b, "%d", 5), 0); /* the limit itself is allowed */
	assert_string_equal(b.data, "abcd5");
	assert_int_equal(buf_add(&b, "x", 1), -1);
}

static void a_buffer_grows_from_byte_to_byte_and_stays_terminated(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < 1000; i++) {
		char c = (char)('a' + i % 26);

		assert_int_equal(buf_add(&b, &c, 1), 0);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_true(b.size <= 1001);
}

static void bytes_with_nul_are_kept(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(buf_printf(&b, "%03d", 7), 0);
	assert_int_equal(b.len, 6);
	assert_memory_equal(b.data, "a\0b007", 7);
}

static void clearing_keeps_limit_and_secrecy_and_wipes_a_secret(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init_secret(&b, 200);
	assert_int_equal(buf_add_text(&b, "BEGIN PRIVATE KEY"), 0);
	for (int i = 0; i < 9; i++) /* moves to larger memory */
		assert_int_equal(buf_printf(&b, "%020d", i), 0);
	assert_int_equal(b.len, 197);
	assert_memory_equal(b.data, "BEGIN PRIVATE KEY", 17);
	buf_clear(&b);
	for (size_t i = 0; i < b.size; i++)
		assert_int_equal(b.data[i], 0);
	assert_true(b.secret);
	assert_int_equal(b.limit, 200);
	assert_int_equal(b.len, 0);
}

static void a_text_that_was_taken_is_no_longer_in_the_buffer(void **state)
{
	AUTO_FREE char *first = NULL;
	AUTO_FREE char *second = NULL;
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 10);
	buf_add_text(&b, "one");
	first = buf_take(&b);
	assert_string_equal(first, "one");
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_add_text(&b, "0123456789"), 0); /* the limit is still there */
	assert_int_equal(buf_add_text(&b, "x"), -1);
	buf_free(&b);
	second = buf_take(&b);
	assert_string_equal(second, "");
}

static void a_list_ends_with_null_like_an_argument_vector(void **state)
{
	struct strlist l AUTO_STRLIST = {0};

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		strlist_addf(&l, "item %zu", i);
		assert_int_equal(l.count, i + 1);
		assert_null(l.items[i + 1]);
	}
	assert_string_equal(l.items[19], "item 19");
	strlist_clear(&l);
	assert_null(l.items);
	assert_int_equal(l.count, 0);
}

static const struct {
	const char *text;
	const char *separators;
	const char *joined; /* with "|" */
} splits[] = {
	{"", ",", ""},       {",,,", ",", ""},       {"a", ",", "a"},
	{"a,b", ",", "a|b"}, {",a,,b,", ",", "a|b"}, {"a b,c\td", ", \t", "a|b|c|d"},
	{"a,b", "", "a,b"}, /* nothing separates */
};

static void splitting_adds_no_empty_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(splits); i++) {
		struct strlist l AUTO_STRLIST = {0};
		AUTO_FREE char *joined = NULL;

		strlist_add_split(&l, splits[i].text, splits[i].separators);
		joined = strlist_join(&l, "|");
		assert_string_equal(joined, splits[i].joined);
	}
}

static void a_list_is_sorted_by_bytes(void **state)
{
	struct strlist l AUTO_STRLIST = {0};
	AUTO_FREE char *joined = NULL;

	(void)state;
	strlist_sort(&l); /* an empty one is sorted */
	strlist_add_split(&l, "b a \xc3\xa4 B *.a aa", " ");
	strlist_sort(&l);
	joined = strlist_join(&l, " ");
	assert_string_equal(joined, "*.a B a aa b \xc3\xa4");
}

static void a_copy_is_equal_until_one_of_them_changes(void **state)
{
	struct strlist a AUTO_STRLIST = {0};
	struct strlist b AUTO_STRLIST = {0};

	(void)state;
	assert_true(strlist_equal(&a, &b));
	strlist_add_split(&a, "x y", " ");
	strlist_add(&b, "old");
	strlist_copy(&b, &a);
	assert_true(strlist_equal(&a, &b));
	assert_ptr_not_equal(a.items[0], b.items[0]);
	strlist_copy(&b, &b);
	assert_int_equal(b.count, 2);
	strlist_add(&b, "z");
	assert_false(strlist_equal(&a, &b));
	strlist_add(&a, "Z");
	assert_false(strlist_equal(&a, &b));
	assert_true(strlist_has(&b, "z"));
	assert_false(strlist_has(&b, "old"));
	assert_false(strlist_has(&b, NULL));
}

static void taking_leaves_an_empty_hand(void **state)
{
	AUTO_FREE char *text = mem_printf("%d", 42);
	AUTO_FREE char *taken = NULL;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int kept = TAKE_FD(fd);

	(void)state;
	taken = TAKE(text);
	assert_null(text);
	assert_string_equal(taken, "42");
	assert_int_equal(fd, -1);
	auto_close(&fd); /* -1 is nothing to close */
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	auto_close(&kept);
	assert_int_equal(fcntl(kept, F_GETFD), -1);
}

static void a_slot_may_be_set_to_its_own_text(void **state)
{
	AUTO_FREE char *slot = mem_str("one");

	(void)state;
	mem_set_str(&slot, slot);
	assert_string_equal(slot, "one");
	mem_set_str(&slot, slot + 1);
	assert_string_equal(slot, "ne");
	mem_set_str(&slot, NULL);
	assert_null(slot);
	assert_null(mem_str(NULL));
	assert_null(mem_strn(NULL, 3));
}

static void null_equals_only_null(void **state)
{
	(void)state;
	assert_true(str_equal(NULL, NULL));
	assert_false(str_equal(NULL, ""));
	assert_false(str_equal("", NULL));
	assert_true(str_equal("a", "a"));
	assert_false(str_equal("a", "A"));
}

static void new_memory_is_zero_even_when_none_was_asked_for(void **state)
{
	AUTO_FREE char *none = mem_new(0);
	AUTO_FREE char *some = mem_new(100);

	(void)state;
	assert_non_null(none);
	for (int i = 0; i < 100; i++)
		assert_int_equal(some[i], 0);
	strcpy(some, "key");
	mem_wipe(some, 3);
	assert_memory_equal(some, "\0\0\0", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_buffer_is_an_empty_text),
		cmocka_unit_test(a_struct_that_was_never_initialised_can_be_freed),
		cmocka_unit_test(what_passes_the_limit_is_refused_whole),
		cmocka_unit_test(a_buffer_grows_from_byte_to_byte_and_stays_terminated),
		cmocka_unit_test(bytes_with_nul_are_kept),
		cmocka_unit_test(clearing_keeps_limit_and_secrecy_and_wipes_a_secret),
		cmocka_unit_test(a_text_that_was_taken_is_no_longer_in_the_buffer),
		cmocka_unit_test(a_list_ends_with_null_like_an_argument_vector),
		cmocka_unit_test(splitting_adds_no_empty_parts),
		cmocka_unit_test(a_list_is_sorted_by_bytes),
		cmocka_unit_test(a_copy_is_equal_until_one_of_them_changes),
		cmocka_unit_test(taking_leaves_an_empty_hand),
		cmocka_unit_test(a_slot_may_be_set_to_its_own_text),
		cmocka_unit_test(null_equals_only_null),
		cmocka_unit_test(new_memory_is_zero_even_when_none_was_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
