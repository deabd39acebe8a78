/* SPDX-License-Identifier: MIT
 *
 * test_url — which URLs pass, and where references lead (RFC 3986 5.4).
 */
#include "tests/unit.h"

#include "base/mem.h"
#include "base/url.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *url;
	const char *host; /* NULL: refused */
	int port;
} checks[] = {
	{"https://example.com", "example.com", 443},
	{"https://example.com/", "example.com", 443},
	{"https://example.com/acme/directory", "example.com", 443},
	{"https://example.com?query", "example.com", 443}, /* an empty path */
	{"https://example.com:14000/dir", "example.com", 14000},
	{"https://example.com:1", "example.com", 1},
	{"https://example.com:65535/", "example.com", 65535},
	{"https://example.com:00443/", "example.com", 443},
	{"https://a/%2F%zz?x=%20&y=/?:@[]", "a", 443}, /* the path is not ours to judge */
	{"https://a//b/../c/./", "a", 443},
	{"https://a/x:y@z", "a", 443}, /* behind the authority both are harmless */
	{"https://a?x@y", "a", 443},
	{"https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443},
	{"https://under_score.example./", "under_score.example.", 443},
	{"https://192.0.2.1:8443/", "192.0.2.1", 8443},
	{"https://[::1]/", "::1", 443},
	{"https://[2001:db8::1]:14000/dir", "2001:db8::1", 14000},
	{"https://[::ffff:192.0.2.1]?q", "::ffff:192.0.2.1", 443},
	{"HTTPS://Example.COM/", "Example.COM", 443}, /* the scheme has no case; kept as it came */
	{"", NULL, 0},
	{"https", NULL, 0},
	{"https:", NULL, 0},
	{"https:/a/b", NULL, 0},
	{"https//a/b", NULL, 0},
	{"https:a", NULL, 0},
	{"//a/b", NULL, 0},
	{"/a/b", NULL, 0},
	{"example.com", NULL, 0},
	{"http://example.com/", NULL, 0},
	{"ftp://example.com/", NULL, 0},
	{"file:///etc/passwd", NULL, 0},
	{"httpss://example.com/", NULL, 0},
	{" https://example.com/", NULL, 0},
	{"https://", NULL, 0}, /* no host */
	{"https:///path", NULL, 0},
	{"https://?q", NULL, 0},
	{"https://:443/", NULL, 0},
	{"https://user@example.com/", NULL, 0},
	{"https://user:secret@example.com/", NULL, 0},
	{"https://@example.com/", NULL, 0},
	{"https://good.example:443@evil.example/", NULL, 0},
	{"https://example.com/#", NULL, 0}, /* a fragment, even an empty one */
	{"https://example.com/a#b", NULL, 0},
	{"https://example.com#@evil.example/", NULL, 0},
	{"https://example.com:/", NULL, 0}, /* a port without a number */
	{"https://example.com:0/", NULL, 0},
	{"https://example.com:65536/", NULL, 0},
	{"https://example.com:000443/", NULL, 0},
	{"https://example.com:4294967739/", NULL, 0}, /* 443 in 32 bits */
	{"https://example.com:-1/", NULL, 0},
	{"https://example.com:+443/", NULL, 0},
	{"https://example.com:https/", NULL, 0},
	{"https://example.com:443:443/", NULL, 0},
	{"https://example.com/a b", NULL, 0},
	{"https://example.com/a\tb", NULL, 0},
	{"https://example.com/a\r\nHost: x", NULL, 0},
	{"https://example.com/\x01", NULL, 0},
	{"https://example.com/\x7f", NULL, 0},
	{"https://example.com/\xc3\xa4", NULL, 0},
	{"https://b\xc3\xbc"
	 "cher.example/",
	 NULL, 0},
	{"https://example.com\\@evil.example/", NULL, 0},
	{"https://example.com/a\\b", NULL, 0},
	{"https://ex%61mple.com/", NULL, 0}, /* two readers could disagree about this host */
	{"https://exa$mple.com/", NULL, 0},
	{"https://*.example.com/", NULL, 0},
	{"https://::1/", NULL, 0}, /* IPv6 stands in brackets */
	{"https://[::1", NULL, 0},
	{"https://[::1/]", NULL, 0},
	{"https://[]/", NULL, 0},
	{"https://[::1]x/", NULL, 0},
	{"https://[::1]443/", NULL, 0},
	{"https://[::1]:/", NULL, 0},
	{"https://[fe80::1%25eth0]/", NULL, 0}, /* a zone id */
	{"https://[fe80::1%eth0]/", NULL, 0},
	{"https://[example.com]/", NULL, 0},
	{"https://[192.0.2.1]/", NULL, 0},
	{"https://[1:2:3:4:5:6:7:8:9]/", NULL, 0},
	{"https://[v1.x]/", NULL, 0},
	{"https://a[::1]/", NULL, 0},
};

static void only_absolute_https_without_tricks_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		AUTO_FREE char *host = NULL;
		struct err e = {0};
		int port = 0;
		int want = checks[i].host == NULL ? ERR_PROTOCOL : 0;

		if (url_check_https(checks[i].url, &e) != want || (int)e.code != want)
			fail_msg("\"%s\": %s", checks[i].url, e.text);
		assert_int_equal(url_host(checks[i].url, &host, &port, &e), want);
		assert_int_equal(port, checks[i].port);
		if (want == 0)
			assert_string_equal(host, checks[i].host);
		else
			assert_null(host);
	}
}

/* https://a/xxx… of len bytes. */
static char *url_of_length(size_t len)
{
	char *url = mem_new(len + 1);

	memset(url, 'x', len);
	memcpy(url, "https://a/", 10);
	return url;
}

static void a_url_of_2048_bytes_passes_and_one_more_does_not(void **state)
{
	AUTO_FREE char *longest = url_of_length(URL_MAX);
	AUTO_FREE char *longer = url_of_length(URL_MAX + 1);
	AUTO_FREE char *result = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(url_check_https(longest, &e), 0);
	assert_int_equal(url_check_https(longer, &e), ERR_PROTOCOL);
	assert_non_null(strstr(e.text, "longer than 2048 bytes"));
	assert_int_equal(url_resolve("https://b", longer, &result, &e), ERR_PROTOCOL);
	assert_int_equal(url_resolve(longest, "?q", &result, &e), ERR_PROTOCOL);
	assert_int_equal(url_resolve(longest, longest + 8, &result, &e), ERR_PROTOCOL); /* 2050 */
	assert_null(result);
	assert_int_equal(url_resolve(longest, longest + 10, &result, &e), 0);
	assert_string_equal(result, longest);
}

static void a_host_longer_than_a_name_can_be_is_refused(void **state)
{
	AUTO_FREE char *url = url_of_length(8 + 256);
	struct err e = {0};

	(void)state;
	url[9] = 'x'; /* the slash: now it is all host */
	assert_int_equal(url_check_https(url, &e), ERR_PROTOCOL);
	url[8 + 255] = '\0';
	assert_int_equal(url_check_https(url, &e), 0);
}

#define BASE "https://a/b/c/d;p?q" /* RFC 3986 5.4, moved to https */

static const struct {
	const char *base;
	const char *reference;
	const char *want; /* NULL: refused */
} resolves[] = {
	/* 5.4.1, normal */
	{BASE, "g:h", NULL}, /* another scheme */
	{BASE, "g", "https://a/b/c/g"},
	{BASE, "./g", "https://a/b/c/g"},
	{BASE, "g/", "https://a/b/c/g/"},
	{BASE, "/g", "https://a/g"},
	{BASE, "//g", "https://g"},
	{BASE, "?y", "https://a/b/c/d;p?y"},
	{BASE, "g?y", "https://a/b/c/g?y"},
	{BASE, "#s", "https://a/b/c/d;p?q"}, /* we drop the fragment */
	{BASE, "g#s", "https://a/b/c/g"},
	{BASE, "g?y#s", "https://a/b/c/g?y"},
	{BASE, ";x", "https://a/b/c/;x"},
	{BASE, "g;x", "https://a/b/c/g;x"},
	{BASE, "g;x?y#s", "https://a/b/c/g;x?y"},
	{BASE, "", "https://a/b/c/d;p?q"},
	{BASE, ".", "https://a/b/c/"},
	{BASE, "./", "https://a/b/c/"},
	{BASE, "..", "https://a/b/"},
	{BASE, "../", "https://a/b/"},
	{BASE, "../g", "https://a/b/g"},
	{BASE, "../..", "https://a/"},
	{BASE, "../../", "https://a/"},
	{BASE, "../../g", "https://a/g"},
	/* 5.4.2, abnormal */
	{BASE, "../../../g", "https://a/g"},
	{BASE, "../../../../g", "https://a/g"},
	{BASE, "/./g", "https://a/g"},
	{BASE, "/../g", "https://a/g"},
	{BASE, "g.", "https://a/b/c/g."},
	{BASE, ".g", "https://a/b/c/.g"},
	{BASE, "g..", "https://a/b/c/g.."},
	{BASE, "..g", "https://a/b/c/..g"},
	{BASE, "./../g", "https://a/b/g"},
	{BASE, "./g/.", "https://a/b/c/g/"},
	{BASE, "g/./h", "https://a/b/c/g/h"},
	{BASE, "g/../h", "https://a/b/c/h"},
	{BASE, "g;x=1/./y", "https://a/b/c/g;x=1/y"},
	{BASE, "g;x=1/../y", "https://a/b/c/y"},
	{BASE, "g?y/./x", "https://a/b/c/g?y/./x"},
	{BASE, "g?y/../x", "https://a/b/c/g?y/../x"},
	{BASE, "g#s/./x", "https://a/b/c/g"},
	{BASE, "g#s/../x", "https://a/b/c/g"},
	{BASE, "https:g", NULL}, /* the strict reading */
	/* absolute */
	{BASE, "https://h/x?y", "https://h/x?y"},
	{BASE, "https://h:8443/x/../y#s", "https://h:8443/y"},
	{BASE, "https://h", "https://h"},
	{BASE, "https://h?/../x", "https://h?/../x"},
	{BASE, "HTTPS://h/x", "HTTPS://h/x"},
	{BASE, "http://h/x", NULL},
	{BASE, "javascript:alert(1)", NULL},
	{BASE, "https://u@h/x", NULL},
	/* an authority of its own */
	{BASE, "//h/x", "https://h/x"},
	{BASE, "//h:14000/a/../x?q", "https://h:14000/x?q"},
	{BASE, "//", NULL},
	{BASE, "///x", NULL},
	{BASE, "//u@h/x", NULL},
	/* bases without much of a path */
	{"https://a", "g", "https://a/g"},
	{"https://a", "?y", "https://a?y"},
	{"https://a?q/r", "g", "https://a/g"},
	{"https://a?q", "", "https://a?q"},
	{"https://a", "..", "https://a/"},
	{"https://a/", "g/h", "https://a/g/h"},
	{"https://a/b?c/d", "g", "https://a/g"}, /* a slash in the query is no path */
	{"https://[::1]:14000/dir", "/order/1", "https://[::1]:14000/order/1"},
	{"https://a:8443/acme/cert/1", "1/1", "https://a:8443/acme/cert/1/1"},
	/* empty segments and encoded dots stay what they are */
	{BASE, "/g//h", "https://a/g//h"},
	{BASE, "/g//../h", "https://a/g/h"},
	{BASE, "/%2e%2e/g", "https://a/%2e%2e/g"},
	{BASE, "/.//g", "https://a//g"},
	{BASE, "/...", "https://a/..."},
	/* what the check refuses is refused here, too */
	{BASE, "a b", NULL},
	{BASE, " g", NULL},
	{BASE, "g\n", NULL},
	{BASE, "g\\h", NULL},
	{BASE, "/\xc3\xa4", NULL},
	{"http://a/b", "g", NULL}, /* a base that never passed */
	{"", "https://h/", NULL},
};

static void references_lead_where_rfc_3986_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(resolves); i++) {
		AUTO_FREE char *got = NULL;
		struct err e = {0};
		int want = resolves[i].want == NULL ? ERR_PROTOCOL : 0;
		int r = url_resolve(resolves[i].base, resolves[i].reference, &got, &e);

		if (r != want || (int)e.code != want || !str_equal(got, resolves[i].want))
			fail_msg("\"%s\" + \"%s\": \"%s\" %s", resolves[i].base,
				 resolves[i].reference, got == NULL ? "" : got, e.text);
	}
}

static void a_refused_url_is_named_without_its_control_bytes(void **state)
{
	struct err e = {0};

	(void)state;
	url_check_https("https://a/\x1b[2J", &e);
	assert_non_null(strstr(e.text, "\"https://a/\\x1b[2J\""));
	assert_null(strchr(e.text, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_absolute_https_without_tricks_passes),
		cmocka_unit_test(a_url_of_2048_bytes_passes_and_one_more_does_not),
		cmocka_unit_test(a_host_longer_than_a_name_can_be_is_refused),
		cmocka_unit_test(references_lead_where_rfc_3986_says),
		cmocka_unit_test(a_refused_url_is_named_without_its_control_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
