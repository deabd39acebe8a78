/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "acme/domain.h"
#include "base/mem.h"

#include <stdlib.h>

static const struct {
	const char *name;
	const char *domain;
} rows[] = {
	{"example.org", "example.org"},
	{"www.example.org", "example.org"},
	{"*.example.org", "example.org"},
	{"a.b.c.example.org", "example.org"},
	{"www.example.co.uk", "example.co.uk"}, /* a suffix of two labels */
	{"co.uk", "co.uk"},                     /* a suffix itself */
	{"org", "org"},
	{"x.y.example.ck", "y.example.ck"},               /* a wildcard of the list: *.ck */
	{"a.www.ck", "www.ck"},                           /* … and its exception */
	{"a.user.github.io", "user.github.io"},           /* a private suffix */
	{"www.xn--85x722f.com.cn", "xn--85x722f.com.cn"}, /* an A-label */
	{"a.xn--p1ai", "a.xn--p1ai"},
	{"www.host.internal", "host.internal"}, /* a top level that nobody listed */
	{"localhost", "localhost"},
	{"192.0.2.7", "192.0.2.7"},
	{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
	{"2001:db8::1", "2001:db8::/64"},
};

static void a_name_is_counted_by_what_somebody_registered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		AUTO_FREE char *domain = domain_registered(rows[i].name);

		assert_string_equal(domain, rows[i].domain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_counted_by_what_somebody_registered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
