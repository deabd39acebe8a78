/* SPDX-License-Identifier: MIT
 *
 * test_base64url — strict in one direction, canonical in the other.
 */
#include "tests/unit.h"

#include "base/base64url.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *bytes;
	size_t len;
	const char *text;
} good[] = {
	{"", 0, ""},
	{"f", 1, "Zg"}, /* RFC 4648 10, without padding */
	{"fo", 2, "Zm8"},
	{"foo", 3, "Zm9v"},
	{"foob", 4, "Zm9vYg"},
	{"fooba", 5, "Zm9vYmE"},
	{"foobar", 6, "Zm9vYmFy"},
	{"\x03\xec\xff\xe0\xc1", 5, "A-z_4ME"}, /* RFC 7515 appendix C */
	{"\0", 1, "AA"},
	{"\0\0\0", 3, "AAAA"},
	{"\xff\xff\xff", 3, "____"},
	{"\xfb\xef\xbe", 3, "----"},
	{"\xff", 1, "_w"},
	{"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", 30,
	 "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"}, /* RFC 7515 A.1 */
};

static void the_vectors_of_the_rfcs_go_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO_FREE char *text = base64url_encode(good[i].bytes, good[i].len);
		struct buf b AUTO_BUF = {0};

		assert_string_equal(text, good[i].text);
		buf_init(&b, good[i].len);
		assert_int_equal(base64url_decode(text, strlen(text), &b), 0);
		assert_int_equal(b.len, good[i].len);
		assert_memory_equal(b.data, good[i].bytes, good[i].len);
	}
}

/* each would be a second spelling of something, or of nothing. */
static const char *const bad[] = {
	"Zg==", /* padding */
	"Zm8=", /* padding */
	"=",
	"Zm9v=",
	"____+",
	"-+--", /* the other alphabet */
	"_/__",
	"Zm9v\n", /* white space behind */
	" Zm9v",  /* … in front */
	"Zm 9v",  /* … inside */
	"Zm9v\r\nZm9v",
	"A", /* length 1 mod 4 */
	"Zm9vA",
	"Zh",  /* four bits left over, not zero */
	"Zk",  /* … the highest of them */
	"Zm9", /* two bits left over, not zero */
	"Zm-",
	"_x",
	"Zm9vYh", /* the same behind a whole group */
	"Z\xc3\xa4_",
	"Zm9.",
	"Zm9~",
	"Z@9v", /* neighbours of the ranges in ASCII */
	"Z[9v",
	"Z`9v",
	"Z{9v",
	"Z:9v",
};

static void what_is_not_strict_is_refused_and_nothing_is_added(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct buf b AUTO_BUF = {0};

		buf_init(&b, 100);
		buf_add_text(&b, "kept");
		if (base64url_decode(bad[i], strlen(bad[i]), &b) != -1)
			fail_msg("\"%s\" was accepted", bad[i]);
		assert_string_equal(b.data, "kept");
	}
}

static void a_nul_inside_is_no_end(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(base64url_decode("Zm\0v", 4, &b), -1);
	assert_int_equal(b.len, 0);
}

static void a_full_buffer_is_refused_before_the_first_byte(void **state)
{
	struct buf b AUTO_BUF = {0};

	(void)state;
	buf_init(&b, 6);
	assert_int_equal(base64url_decode("Zm9vYmE", 7, &b), 0);
	assert_int_equal(base64url_decode("Zm8", 3, &b), -1);
	assert_string_equal(b.data, "fooba");
	assert_int_equal(base64url_decode("Zg", 2, &b), 0);
	assert_string_equal(b.data, "foobaf");
}

static void every_length_survives_the_way_there_and_back(void **state)
{
	unsigned char bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 151 + 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		AUTO_FREE char *text = base64url_encode(bytes, len);
		struct buf b AUTO_BUF = {0};

		buf_init(&b, sizeof(bytes));
		assert_int_equal(strlen(text), (len * 4 + 2) / 3);
		assert_int_equal(base64url_decode(text, strlen(text), &b), 0);
		assert_int_equal(b.len, len);
		assert_memory_equal(b.data, bytes, len);
	}
}

static void a_token_is_one_or_more_characters_of_the_alphabet(void **state)
{
	(void)state;
	assert_true(base64url_is("A"));
	assert_true(base64url_is("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"));
	assert_true(base64url_is("___---"));
	assert_false(base64url_is(""));
	assert_false(base64url_is(NULL));
	assert_false(base64url_is("a/b"));
	assert_false(base64url_is("../x"));
	assert_false(base64url_is("a="));
	assert_false(base64url_is("a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_rfcs_go_both_ways),
		cmocka_unit_test(what_is_not_strict_is_refused_and_nothing_is_added),
		cmocka_unit_test(a_nul_inside_is_no_end),
		cmocka_unit_test(a_full_buffer_is_refused_before_the_first_byte),
		cmocka_unit_test(every_length_survives_the_way_there_and_back),
		cmocka_unit_test(a_token_is_one_or_more_characters_of_the_alphabet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
