/* SPDX-License-Identifier: MIT
 *
 * test_link — Link headers, as CAs and proxies write them.
 */
#include "tests/unit.h"

#include "acme/link.h"

#include <string.h>

#define BASE "https://ca.example/acme/cert/1"

static const struct {
	const char *header;
	const char *want; /* targets of rel="alternate", joined by a space */
} rows[] = {
	{"<https://ca.example/c/1>;rel=\"alternate\"", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=alternate", "https://ca.example/c/1"},
	{"<https://ca.example/c/1> ; rel = \"alternate\" ", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>;\trel=\"ALTERNATE\"", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>;REL=alternate", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=\"up alternate\"", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=\"  alternate\tnext\"", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=\"alternates\"", ""},
	{"<https://ca.example/c/1>; rel=\"alt\"", ""},
	{"<https://ca.example/c/1>; rel=\"up\"", ""},
	{"<https://ca.example/c/1>; rel=\"\"", ""},
	{"<https://ca.example/c/1>; rel", ""},
	{"<https://ca.example/c/1>; rel=", ""},
	{"<https://ca.example/c/1>", ""},
	{"<https://ca.example/c/1>; rel=up; rel=alternate", ""}, /* only the first rel counts */
	{"<https://ca.example/c/1>; title=\"a, b; rel=up\"; rel=alternate",
	 "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; title=\"a \\\" <x>\"; rel=alternate", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; type*=UTF-8''x; rel=alternate", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=\"al\\ternate\"", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>;;; rel=alternate;", "https://ca.example/c/1"},
	{"<https://ca.example/c/1>; rel=alternate; anchor=\"https://x.example/\"", ""},
	/* several */
	{"<https://ca.example/1>;rel=up, <https://ca.example/2>;rel=alternate, "
	 "<https://ca.example/3>; rel=\"alternate\"",
	 "https://ca.example/2 https://ca.example/3"},
	{",, ,<https://ca.example/2>;rel=alternate,,", "https://ca.example/2"},
	{"<https://ca.example/a,b;c>;rel=alternate", "https://ca.example/a,b;c"},
	/* relative (RFC 8288 3.1) */
	{"</acme/cert/2>;rel=alternate", "https://ca.example/acme/cert/2"},
	{"<1/alt/1>;rel=alternate", "https://ca.example/acme/cert/1/alt/1"},
	{"<//b.example/c>;rel=alternate", "https://b.example/c"},
	{"<../order>;rel=alternate", "https://ca.example/acme/order"},
	/* kept byte for byte */
	{"<https://CA.example:443/a/../b?q=%2F>;rel=alternate",
	 "https://CA.example:443/a/../b?q=%2F"},
	/* passed over; what follows counts */
	{"<http://ca.example/1>;rel=alternate, <https://ca.example/2>;rel=alternate",
	 "https://ca.example/2"},
	{"<ftp://ca.example/1>;rel=alternate", ""},
	{"<https://u:p@ca.example/1>;rel=alternate", ""},
	{"<https://ca.example/ 1>;rel=alternate", ""},
	{"nonsense, <https://ca.example/2>;rel=alternate", "https://ca.example/2"},
	{"\"quoted, <https://ca.example/1>;rel=alternate\", <https://ca.example/2>;rel=alternate",
	 "https://ca.example/2"},
	{"<https://ca.example/1> junk; rel=alternate, <https://ca.example/2>;rel=alternate",
	 "https://ca.example/2"},
	/* cut off */
	{"<https://ca.example/1", ""},
	{"<", ""},
	{"<https://ca.example/1>; rel=\"alternate", "https://ca.example/1"},
	{"<https://ca.example/1>; rel=\"alternate\\", ""},
	{"<https://ca.example/1>; rel=alternate; title=\"", "https://ca.example/1"},
	{"", ""},
	{" ", ""},
};

static void every_target_of_the_relation_is_found_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct strlist targets AUTO_STRLIST = {0};
		AUTO_FREE char *text = NULL;

		link_targets(rows[i].header, BASE, "alternate", &targets);
		text = strlist_join(&targets, " ");
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("%s: \"%s\"", rows[i].header, text);
	}
}

static void several_headers_together_give_at_most_16_targets(void **state)
{
	struct strlist targets AUTO_STRLIST = {0};

	(void)state;
	for (int i = 0; i < 9; i++)
		link_targets("<a>;rel=alternate,<b>;rel=up,<c>;rel=alternate", BASE, "alternate",
			     &targets);
	assert_int_equal(targets.count, LINK_MAX_TARGETS);
}

/* Quadratic reading of such a header would take minutes. */
static void a_hostile_header_of_a_megabyte_is_read_at_once(void **state)
{
	static const char *const units[] = {"<,", ";a=\"", "\",\"", "<x>;\"", ";;", "\\\""};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		struct strlist targets AUTO_STRLIST = {0};
		AUTO_FREE char *header = mem_new(1024 * 1024 + 8);
		size_t len = strlen(units[i]);

		memcpy(header, "<x>", 3);
		for (size_t at = 3; at + len <= 1024 * 1024; at += len)
			memcpy(header + at, units[i], len);
		link_targets(header, BASE, "alternate", &targets);
		assert_int_equal(targets.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_target_of_the_relation_is_found_and_nothing_else),
		cmocka_unit_test(several_headers_together_give_at_most_16_targets),
		cmocka_unit_test(a_hostile_header_of_a_megabyte_is_read_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
