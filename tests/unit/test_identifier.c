/* SPDX-License-Identifier: MIT
 *
 * test_identifier — what people type as a name, and what becomes of it.
 */
#include "tests/unit.h"

#include "acme/identifier.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L63 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg0"
#define L61 "aaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg"

static const struct {
	const char *typed;
	const char *want;
} good[] = {
	{"example.org", "example.org"},
	{"EXAMPLE.Org", "example.org"},
	{"example.org.", "example.org"}, /* the root's dot is not part of a certificate's name */
	{"localhost", "localhost"},      /* a private CA may know it */
	{"a-b.c--d.example", "a-b.c--d.example"},
	{"r3---sn.example", "r3---sn.example"}, /* hyphens at 3 and 4 without being an A-label */
	{"1and1.example", "1and1.example"},
	{"1.2.3.example", "1.2.3.example"},
	{"*.example.org", "*.example.org"},
	{"*.EXAMPLE.org.", "*.example.org"},
	{"b\xc3\xbc"
	 "cher.example",
	 "xn--bcher-kva.example"},
	{"B\xc3\x9c"
	 "CHER.example",
	 "xn--bcher-kva.example"},
	{"*.b\xc3\xbc"
	 "cher.example",
	 "*.xn--bcher-kva.example"},
	{"bu\xcc\x88"
	 "cher.example",
	 "xn--bcher-kva.example"}, /* u and a combining diaeresis */
	{"stra\xc3\x9f"
	 "e.example",
	 "xn--strae-oqa.example"}, /* non-transitional: not "ss" */
	{"\xe4\xbe\x8b\xe3\x80\x82"
	 "example",
	 "xn--fsq.example"},                    /* an ideographic full stop */
	{"\xef\xbd\x81.example.", "a.example"}, /* a full-width letter */
	{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
	{"xn--i-7iq.example", "xn--i-7iq.example"}, /* an emoji name: typed so, the CA judges */
	{L63 ".example", L63 ".example"},
	{L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61}, /* 253 */
	{L63 "." L63 "." L63 "." L61 ".", L63 "." L63 "." L63 "." L61},
	{"192.0.2.1", "192.0.2.1"},
	{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* RFC 5952 4.2.2: one group stays */
	{"[2001:db8::1]", "2001:db8::1"},
	{"::1", "::1"},
	{"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
};

static const struct {
	const char *typed;
	const char *why; /* in the sentence */
} bad[] = {
	{"", "empty"},
	{".", "empty label"},
	{"..", "empty label"},
	{".example.org", "empty label"},
	{"a..example", "empty label"},
	{"a.example..", "empty label"},
	{"*.", "no name in it"},
	{"*..", "empty label"},
	{"*", "a wildcard is"},
	{"*.*.example", "asterisk"},
	{"a.*.example", "asterisk"},
	{"*a.example", "asterisk"},
	{"a*.example", "asterisk"},
	{"*example", "asterisk"},
	{"*.b\xc3\xbc\xef\xbc\x8a.example", ""}, /* a full-width asterisk */
	{"a.\xef\xbc\x8a.example", "asterisk"},
	{"a" L63 ".example", "63"},
	{L63 "." L63 "." L63 ".b" L61, "253"},
	{"*." L63 "." L63 "." L63 "." L61, "253"},
	{"a b.example", "space"},
	{" example.org", "space"},
	{"a.example,b.example", "comma"},
	{"a/b", "slash"},
	{"192.0.2.0/24", "slash"},
	{"\xe2\x84\x80.example", "slash"}, /* U+2100 is mapped to "a/c" */
	{"a\tb.example", "control"},
	{"a.example\n", "control"},
	{"a\x7f.example", "control"},
	{"_dmarc.example", "underscore"},
	{"a_b.example", "underscore"},
	{"_\xc3\xbc.example", "underscore"},
	{"https://example.org/", "URL"},
	{"https://example.org", "URL"},
	{"me@example.org", "e-mail"},
	{"example.org:443", "port"},
	{"192.0.2.1:80", "port"},
	{"[::1]:443", "port"},
	{"[::1", "bracket"},
	{"[::1]x", "bracket"},
	{"[192.0.2.1]", "bracket"},
	{"[example.org]", "bracket"},
	{"fe80::1%eth0", "neither"},
	{"1::2::3", "neither"},
	{"1.2.3.999", "IPv4"},
	{"1.2.3", "IPv4"},
	{"1.2.3.4.5", "IPv4"},
	{"01.2.3.4", "IPv4"}, /* leading zeros: octal to some */
	{"12345", "IPv4"},
	{"*.192.0.2.1", "IPv4"},
	{"\xef\xbc\x91.2.3.4", "IPv4"}, /* a full-width one */
	{"example.123", "number"},
	{"-a.example", "hyphen"},
	{"a-.example", "hyphen"},
	{"a.example-", "hyphen"},
	{"a!.example", "letters"},
	{"a'.example", "letters"},
	{"$(id).example", "letters"},
	{"a;b.example", "letters"},
	{"a\\.example", "letters"},
	{"xn--.example", "internationalised"},
	{"xn--99999999.example", "internationalised"},
	{"xn--a.example", "internationalised"},
	{"\xff.example", "UTF-8"},
	{"b\xc3.example", "UTF-8"},
	{"i\xe2\x9d\xa4.example", "internationalised"}, /* typed as Unicode it is IDNA's to judge */
	{"a\xe2\x80\xae"
	 "b.example",
	 "internationalised"}, /* right-to-left override */
};

static void a_name_that_people_type_becomes_the_one_that_a_certificate_carries(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO_FREE char *name = NULL;
		struct err e = {0};

		if (identifier_canonical(good[i].typed, &name, &e) != 0)
			fail_msg("\"%s\" was refused: %s", good[i].typed, e.text);
		assert_string_equal(name, good[i].want);
	}
}

static void a_canonical_name_is_its_own_canonical_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		AUTO_FREE char *name = NULL;

		assert_int_equal(identifier_canonical(good[i].want, &name, NULL), 0);
		assert_string_equal(name, good[i].want);
	}
}

static void what_is_no_name_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char *name = NULL;
		struct err e = {0};

		if (identifier_canonical(bad[i].typed, &name, &e) == 0)
			fail_msg("\"%s\" became \"%s\"", bad[i].typed, name);
		assert_null(name);
		assert_int_equal(e.code, ERR_CONFIG);
		if (strstr(e.text, bad[i].why) == NULL)
			fail_msg("\"%s\": no \"%s\" in: %s", bad[i].typed, bad[i].why, e.text);
	}
}

static void a_very_long_text_is_refused_and_the_reason_still_fits(void **state)
{
	AUTO_FREE char *typed = mem_new(100001);
	char *name = NULL;
	struct err e = {0};

	(void)state;
	memset(typed, 'a', 100000);
	assert_int_equal(identifier_canonical(typed, &name, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "longer than 253 bytes"));
}

static void a_list_is_canonical_keeps_its_order_and_drops_repetitions(void **state)
{
	struct strlist names AUTO_STRLIST = {0};
	AUTO_FREE char *text = NULL;

	(void)state;
	strlist_add_split(&names, "www.Example.org EXAMPLE.org www.example.org. [::1] 0::1", " ");
	assert_int_equal(identifier_list(&names, NULL), 0);
	text = strlist_join(&names, "|");
	assert_string_equal(text, "www.example.org|example.org|::1");
}

static void one_bad_name_refuses_the_list_and_leaves_it_as_it_was(void **state)
{
	struct strlist names AUTO_STRLIST = {0};
	AUTO_FREE char *text = NULL;
	struct err e = {0};

	(void)state;
	strlist_add_split(&names, "A.example b_c.example", " ");
	assert_int_equal(identifier_list(&names, &e), ERR_CONFIG);
	assert_non_null(strstr(e.text, "b_c.example"));
	text = strlist_join(&names, "|");
	assert_string_equal(text, "A.example|b_c.example");
}

static void a_list_has_one_to_a_hundred_different_names(void **state)
{
	struct strlist names AUTO_STRLIST = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(identifier_list(&names, &e), ERR_CONFIG);
	for (int i = 0; i < IDENTIFIER_MAX_NAMES; i++)
		strlist_addf(&names, "n%d.example", i);
	strlist_add(&names, "N7.example"); /* again: does not count */
	assert_int_equal(identifier_list(&names, &e), 0);
	assert_int_equal(names.count, IDENTIFIER_MAX_NAMES);
	strlist_add(&names, "one.too.many.example");
	assert_int_equal(identifier_list(&names, &e), ERR_CONFIG);
}

static void wildcards_and_addresses_are_told_from_names(void **state)
{
	(void)state;
	assert_true(identifier_is_wildcard("*.example.org"));
	assert_false(identifier_is_wildcard("example.org"));
	assert_true(identifier_is_address("192.0.2.1"));
	assert_true(identifier_is_address("2001:db8::1"));
	assert_false(identifier_is_address("example.org"));
	assert_string_equal(identifier_type("::1"), "ip");
	assert_string_equal(identifier_type("*.example.org"), "dns");
}

static void two_orders_of_the_same_names_are_the_same_set(void **state)
{
	struct strlist a AUTO_STRLIST = {0};
	struct strlist b AUTO_STRLIST = {0};
	AUTO_FREE char *set_a = NULL;
	AUTO_FREE char *set_b = NULL;

	(void)state;
	strlist_add_split(&a, "b.example a.example", " ");
	strlist_add_split(&b, "a.example b.example", " ");
	set_a = identifier_set(&a);
	set_b = identifier_set(&b);
	assert_string_equal(set_a, set_b);
	assert_string_equal(set_a, "a.example b.example");
	assert_string_equal(a.items[0], "b.example"); /* the list itself keeps its order */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_name_that_people_type_becomes_the_one_that_a_certificate_carries),
		cmocka_unit_test(a_canonical_name_is_its_own_canonical_form),
		cmocka_unit_test(what_is_no_name_is_refused_with_a_reason),
		cmocka_unit_test(a_very_long_text_is_refused_and_the_reason_still_fits),
		cmocka_unit_test(a_list_is_canonical_keeps_its_order_and_drops_repetitions),
		cmocka_unit_test(one_bad_name_refuses_the_list_and_leaves_it_as_it_was),
		cmocka_unit_test(a_list_has_one_to_a_hundred_different_names),
		cmocka_unit_test(wildcards_and_addresses_are_told_from_names),
		cmocka_unit_test(two_orders_of_the_same_names_are_the_same_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
