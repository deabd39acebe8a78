/* SPDX-License-Identifier: MIT */
#include "tests/unit.h"

#include "base/http.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

static const struct {
	const char *address;
	enum http_address want;
} rows[] = {
	{"8.8.8.8", HTTP_PUBLIC},
	{"1.0.0.0", HTTP_PUBLIC},
	{"223.255.255.255", HTTP_PUBLIC},
	{"0.0.0.0", HTTP_REFUSED}, /* connects to this host */
	{"0.255.255.255", HTTP_REFUSED},
	{"9.255.255.255", HTTP_PUBLIC}, /* both edges of each private range */
	{"10.0.0.0", HTTP_PRIVATE},
	{"10.255.255.255", HTTP_PRIVATE},
	{"11.0.0.0", HTTP_PUBLIC},
	{"100.63.255.255", HTTP_PUBLIC},
	{"100.64.0.0", HTTP_PRIVATE},
	{"100.127.255.255", HTTP_PRIVATE},
	{"100.128.0.0", HTTP_PUBLIC},
	{"172.15.255.255", HTTP_PUBLIC},
	{"172.16.0.0", HTTP_PRIVATE},
	{"172.31.255.255", HTTP_PRIVATE},
	{"172.32.0.0", HTTP_PUBLIC},
	{"192.167.255.255", HTTP_PUBLIC},
	{"192.168.0.0", HTTP_PRIVATE},
	{"192.168.255.255", HTTP_PRIVATE},
	{"192.169.0.0", HTTP_PUBLIC},
	{"198.18.0.1", HTTP_PRIVATE},
	{"198.20.0.0", HTTP_PUBLIC},
	{"127.0.0.1", HTTP_LOOPBACK},
	{"127.255.255.255", HTTP_LOOPBACK},
	{"128.0.0.1", HTTP_PUBLIC},
	{"169.254.169.254", HTTP_REFUSED}, /* metadata of most clouds */
	{"169.253.255.255", HTTP_PUBLIC},
	{"100.100.100.200", HTTP_REFUSED},
	{"192.0.0.192", HTTP_REFUSED},
	{"168.63.129.16", HTTP_REFUSED},
	{"168.63.129.17", HTTP_PUBLIC},
	{"192.0.2.1", HTTP_REFUSED}, /* documentation */
	{"198.51.100.1", HTTP_REFUSED},
	{"203.0.113.1", HTTP_REFUSED},
	{"224.0.0.1", HTTP_REFUSED},
	{"240.0.0.1", HTTP_REFUSED},
	{"255.255.255.255", HTTP_REFUSED},
	{"2606:4700::1111", HTTP_PUBLIC},
	{"2a00:1450::1", HTTP_PUBLIC},
	{"::", HTTP_REFUSED},
	{"::1", HTTP_LOOPBACK},
	{"::2", HTTP_REFUSED},
	{"::7f00:1", HTTP_REFUSED},          /* v4-compatible, deprecated */
	{"::ffff:127.0.0.1", HTTP_LOOPBACK}, /* judged by what is inside */
	{"::ffff:10.0.0.1", HTTP_PRIVATE},
	{"::ffff:169.254.169.254", HTTP_REFUSED},
	{"::ffff:8.8.8.8", HTTP_PUBLIC},
	{"64:ff9b::8.8.8.8", HTTP_PUBLIC},
	{"64:ff9b::127.0.0.1", HTTP_LOOPBACK},
	{"64:ff9b::a9fe:a9fe", HTTP_REFUSED},
	{"64:ff9b:1::1", HTTP_PRIVATE},
	{"2002:7f00:1::1", HTTP_LOOPBACK}, /* 6to4 of 127.0.0.1 */
	{"2002:808:808::1", HTTP_PUBLIC},
	{"2001::1", HTTP_REFUSED}, /* Teredo */
	{"2001:db8::1", HTTP_REFUSED},
	{"2001:db9::1", HTTP_PUBLIC},
	{"3fff::1", HTTP_REFUSED},
	{"fc00::1", HTTP_PRIVATE},
	{"fdff::1", HTTP_PRIVATE},
	{"fd00:ec2::254", HTTP_REFUSED}, /* metadata of a cloud */
	{"fe80::1", HTTP_REFUSED},
	{"febf::1", HTTP_REFUSED},
	{"fec0::1", HTTP_PRIVATE},
	{"ff02::1", HTTP_REFUSED},
	{"100::1", HTTP_REFUSED},
	{"4000::1", HTTP_REFUSED}, /* not assigned */
};

static enum http_address class_of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return http_address_class((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return http_address_class((struct sockaddr *)&v6);
}

static void an_address_is_public_only_when_it_is_known_to_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (class_of(rows[i].address) != rows[i].want)
			fail_msg("%s is of class %d", rows[i].address, class_of(rows[i].address));
}

static void an_address_of_another_family_is_refused(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/run/x"};

	(void)state;
	assert_int_equal(http_address_class((struct sockaddr *)&a), HTTP_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_public_only_when_it_is_known_to_be),
		cmocka_unit_test(an_address_of_another_family_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
