/* SPDX-License-Identifier: MIT
 *
 * test_json — limits before the library sees a byte, and values that go in and come out.
 */
#include "tests/unit.h"

#include "base/buf.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	bool fine;
} syntax[] = {
	{"{}", true},
	{"[]", true},
	{" \t\r\n{ \"a\" : [ 1 , -2.5e3 , true , null ] } \n", true},
	{"{\"\":\"\"}", true},
	{"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"]", true},
	{"[\"]}{[,\"]", true},                       /* marks inside strings do not count */
	{"{\"a\":{\"x\":1},\"b\":{\"x\":1}}", true}, /* the same member of two objects */
	{"", false},
	{" ", false},
	{"\"text\"", false}, /* only objects and arrays */
	{"17", false},
	{"null", false},
	{"{}x", false}, /* trailing garbage */
	{"{}{}", false},
	{"[],", false},
	{"[1,]", false},
	{"[,1]", false},
	{"{\"a\":1,}", false},
	{"{\"a\" 1}", false},
	{"{a:1}", false},
	{"{'a':1}", false},
	{"[1] // note", false},
	{"[01]", false},
	{"[+1]", false},
	{"[NaN]", false},
	{"[1e999]", false},
	{"[9223372036854775808]", false}, /* above 64 bits */
	{"[\"a\nb\"]", false},            /* a control inside a string */
	{"[\"\\u0000\"]", false},         /* NUL */
	{"[\"\\ud800\"]", false},         /* half a surrogate pair */
	{"[\"\xff\"]", false},            /* not UTF-8 */
	{"[\"\\x41\"]", false},
	{"[\"", false},
	{"[\"\\", false},
	{"[\"\\\"", false},
	{"{\"a\":1,\"a\":1}", false},         /* a duplicate */
	{"{\"a\":1,\"\\u0061\":2}", false},   /* … in disguise */
	{"{\"x\":{\"a\":1,\"a\":2}}", false}, /* … further down */
	{"[}", false},
	{"]]]]", false},
	{"\xef\xbb\xbf{}", false}, /* a byte order mark */
};

static void only_one_strict_object_or_array_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(syntax); i++) {
		AUTO_JSON struct json *v = NULL;
		struct err e = {0};
		int want = syntax[i].fine ? 0 : ERR_PROTOCOL;

		if (json_parse(syntax[i].text, strlen(syntax[i].text), &v, &e) != want ||
		    (int)e.code != want || (v != NULL) != syntax[i].fine)
			fail_msg("%s: %s", syntax[i].text, e.text);
	}
}

static void a_nul_byte_and_what_follows_it_are_not_ignored(void **state)
{
	AUTO_JSON struct json *v = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(json_parse("[]\0", 3, &v, &e), ERR_PROTOCOL);
	assert_int_equal(json_parse("[]x", 2, &v, &e), 0); /* and nothing is read beyond len */
}

/* first, then count times middle, then last; parsed. Returns json_parse's answer. */
static int parse_repeated(const char *first, size_t count, const char *middle, const char *last,
			  struct err *e)
{
	struct buf b AUTO_BUF = {0};
	AUTO_JSON struct json *v = NULL;

	buf_init(&b, 1 << 20);
	buf_add_text(&b, first);
	for (size_t i = 0; i < count; i++)
		buf_add_text(&b, middle);
	assert_int_equal(buf_add_text(&b, last), 0);
	return json_parse(b.data, b.len, &v, e);
}

/* Arrays inside each other, depth of them. */
static int parse_nested(size_t depth, const char *opening, const char *inner, const char *closing,
			struct err *e)
{
	struct buf b AUTO_BUF = {0};

	buf_init(&b, 1 << 20);
	buf_add_text(&b, inner);
	for (size_t i = 0; i < depth; i++)
		buf_add_text(&b, closing);
	return parse_repeated("", depth, opening, b.data, e);
}

static void thirty_two_levels_are_read_and_one_more_is_refused(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(parse_nested(JSON_MAX_DEPTH, "[", "", "]", &e), 0);
	assert_int_equal(parse_nested(JSON_MAX_DEPTH, "{\"a\":", "1", "}", &e), 0);
	assert_int_equal(parse_nested(JSON_MAX_DEPTH + 1, "[", "", "]", &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "nested too deeply"));
	assert_int_equal(parse_nested(JSON_MAX_DEPTH + 1, "{\"a\":", "1", "}", &e), ERR_PROTOCOL);
	assert_int_equal(parse_nested(100000, "[", "", "", &e), ERR_PROTOCOL);
	/* side by side is not deep */
	assert_int_equal(parse_repeated("[", 100, "[[]],", "[]]", &e), 0);
}

static const struct {
	const char *first, *middle, *last;
	size_t most; /* repetitions that make JSON_MAX_NODES values */
} nodes[] = {
	{"[", "1,", "1]", JSON_MAX_NODES - 2},
	{"[", "\"a\",", "1]", JSON_MAX_NODES - 2},
	{"[", "[],", "[]]", JSON_MAX_NODES - 2}, /* empty containers are one value each */
	{"[", "{ } ,", "{}]", JSON_MAX_NODES - 2},
	{"[", "[1],", "[]]", (JSON_MAX_NODES - 2) / 2},
	{"[", "{\"k\":[1]},", "1,1]", (JSON_MAX_NODES - 3) / 3},
	{"[", "\"1,2,[\",", "1]", JSON_MAX_NODES - 2}, /* commas in strings do not count */
};

static void as_many_values_as_the_limit_are_read_and_more_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(nodes); i++) {
		struct err e = {0};

		if (parse_repeated(nodes[i].first, nodes[i].most, nodes[i].middle, nodes[i].last,
				   &e) != 0)
			fail_msg("row %zu: %s", i, e.text);
		assert_int_equal(parse_repeated(nodes[i].first, nodes[i].most + 1, nodes[i].middle,
						nodes[i].last, &e),
				 ERR_PROTOCOL);
		assert_non_null(strstr(e.text, "too many values"));
	}
}

static void a_string_or_a_name_of_8192_bytes_is_read_and_a_longer_one_refused(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(parse_repeated("[\"", JSON_MAX_STRING, "x", "\"]", &e), 0);
	assert_int_equal(parse_repeated("[\"", JSON_MAX_STRING + 1, "x", "\"]", &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "a string that is too long"));
	assert_int_equal(parse_repeated("{\"", JSON_MAX_STRING, "x", "\":1}", &e), 0);
	assert_int_equal(parse_repeated("{\"", JSON_MAX_STRING + 1, "x", "\":1}", &e),
			 ERR_PROTOCOL);
	/* measured raw: an escape counts as written */
	assert_int_equal(parse_repeated("[\"", JSON_MAX_STRING / 2, "\\\"", "\"]", &e), 0);
	assert_int_equal(parse_repeated("[\"x", JSON_MAX_STRING / 2, "\\\"", "\"]", &e),
			 ERR_PROTOCOL);
	/* one that never ends */
	assert_int_equal(parse_repeated("[\"", JSON_MAX_STRING + 1, "x", "", &e), ERR_PROTOCOL);
}

#define SAMPLE                                                                                     \
	"{\"text\":\"t\",\"number\":-9223372036854775808,\"real\":1.0,\"yes\":true,\"no\":false,"  \
	"\"nothing\":null,\"list\":[1,\"two\"],\"map\":{\"z\":1,\"a\":2,\"m\":3}}"

static struct json *parse_sample(void)
{
	struct json *v = NULL;
	struct err e = {0};

	assert_int_equal(json_parse(SAMPLE, strlen(SAMPLE), &v, &e), 0);
	return v;
}

static void asking_for_the_wrong_type_yields_nothing(void **state)
{
	AUTO_JSON struct json *v = parse_sample();
	int64_t number = 77;

	(void)state;
	assert_string_equal(json_get_text(v, "text"), "t");
	assert_null(json_get_text(v, "number"));
	assert_null(json_get_text(v, "nothing"));
	assert_null(json_get_text(v, "absent"));
	assert_false(json_number(json_get(v, "text"), &number));
	assert_false(json_number(json_get(v, "real"), &number));
	assert_false(json_number(json_get(v, "yes"), &number));
	assert_false(json_number(NULL, &number));
	assert_int_equal(number, 77);
	assert_true(json_number(json_get(v, "number"), &number));
	assert_true(number == INT64_MIN);
	assert_true(json_flag(json_get(v, "yes")));
	assert_false(json_flag(json_get(v, "no")));
	assert_false(json_flag(json_get(v, "text")));
	assert_false(json_flag(NULL));
	assert_null(json_get(NULL, "x"));
	assert_null(json_get(json_get(v, "list"), "x"));
	assert_non_null(json_get(v, "nothing")); /* null is there */
}

static void lists_and_maps_are_told_apart(void **state)
{
	AUTO_JSON struct json *v = parse_sample();
	const struct json *list = json_get(v, "list");

	(void)state;
	assert_true(json_is_map(v) && !json_is_list(v));
	assert_true(json_is_list(list) && !json_is_map(list));
	assert_false(json_is_list(NULL) || json_is_map(NULL));
	assert_int_equal(json_count(list), 2);
	assert_int_equal(json_count(v), 0);
	assert_int_equal(json_count(NULL), 0);
	assert_string_equal(json_text(json_at(list, 1)), "two");
	assert_null(json_at(list, 2));
	assert_null(json_at(list, SIZE_MAX));
	assert_null(json_at(v, 0));
	assert_null(json_at(NULL, 0));
}

static void note_key(void *arg, const char *key, const struct json *value)
{
	int64_t number = 0;

	json_number(value, &number);
	buf_printf(arg, "%s=%d ", key, (int)number);
}

static void members_are_visited_in_the_order_of_the_text(void **state)
{
	AUTO_JSON struct json *v = parse_sample();
	struct buf seen AUTO_BUF = {0};

	(void)state;
	buf_init(&seen, 100);
	json_each(json_get(v, "map"), note_key, &seen);
	json_each(json_get(v, "list"), note_key, &seen);
	json_each(NULL, note_key, &seen);
	assert_string_equal(seen.data, "z=1 a=2 m=3 ");
}

static void what_is_built_is_printed_in_the_order_it_was_put(void **state)
{
	AUTO_JSON struct json *map = json_new_map();
	AUTO_FREE char *compact = NULL;
	AUTO_FREE char *indented = NULL;
	struct json *list = json_new_list();

	(void)state;
	json_put_text(map, "zulu", "a\"b/\n");
	json_put_number(map, "alpha", INT64_MAX);
	json_put_flag(map, "mike", false);
	json_put_text(map, "none", NULL);
	json_add_text(list, "x");
	json_add(list, json_new_flag(true));
	json_add(list, json_new_map());
	json_put(map, "list", list);
	json_put_number(map, "alpha", 1); /* replaces, and keeps its place */
	compact = json_print(map, false);
	assert_string_equal(compact, "{\"zulu\":\"a\\\"b/\\n\",\"alpha\":1,\"mike\":false,"
				     "\"none\":null,\"list\":[\"x\",true,{}]}");
	indented = json_print(json_get(map, "list"), true);
	assert_string_equal(indented, "[\n  \"x\",\n  true,\n  {}\n]");
}

static const struct {
	const char *text;
	const char *printed;
} replaced[] = {
	{"plain", "\"plain\""},
	{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x92", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x92\""},
	{"a\xff"
	 "b",
	 "\"a\xef\xbf\xbd"
	 "b\""},
	{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* each byte for itself */
	{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
	{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* an overlong NUL */
	{"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},                 /* U+10FFFF */
};

static void text_that_is_not_utf_8_is_replaced_and_never_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(replaced); i++) {
		AUTO_JSON struct json *v = json_new_text(replaced[i].text);
		AUTO_FREE char *printed = json_print(v, false);

		assert_string_equal(printed, replaced[i].printed);
	}
}

static void a_member_name_that_is_not_utf_8_is_replaced_too(void **state)
{
	AUTO_JSON struct json *map = json_new_map();
	AUTO_FREE char *printed = NULL;

	(void)state;
	json_put_text(map, "k\xff", "v");
	printed = json_print(map, false);
	assert_string_equal(printed, "{\"k\xef\xbf\xbd\":\"v\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_strict_object_or_array_is_read),
		cmocka_unit_test(a_nul_byte_and_what_follows_it_are_not_ignored),
		cmocka_unit_test(thirty_two_levels_are_read_and_one_more_is_refused),
		cmocka_unit_test(as_many_values_as_the_limit_are_read_and_more_are_refused),
		cmocka_unit_test(a_string_or_a_name_of_8192_bytes_is_read_and_a_longer_one_refused),
		cmocka_unit_test(asking_for_the_wrong_type_yields_nothing),
		cmocka_unit_test(lists_and_maps_are_told_apart),
		cmocka_unit_test(members_are_visited_in_the_order_of_the_text),
		cmocka_unit_test(what_is_built_is_printed_in_the_order_it_was_put),
		cmocka_unit_test(text_that_is_not_utf_8_is_replaced_and_never_lost),
		cmocka_unit_test(a_member_name_that_is_not_utf_8_is_replaced_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
