/* SPDX-License-Identifier: MIT
 *
 * fuzz_url — the first line is a URL, the rest a reference to be resolved against it. What passes
 * means the same to libcurl, which is who connects.
 */
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

static bool is_address(const char *host)
{
	struct in_addr address;

	return inet_pton(AF_INET, host, &address) == 1;
}

static bool same_ipv6(const char *bracketed, const char *host)
{
	AUTO_FREE char *inner = mem_strn(bracketed + 1, strcspn(bracketed + 1, "]"));
	struct in6_addr a, b;

	return inet_pton(AF_INET6, inner, &a) == 1 && inet_pton(AF_INET6, host, &b) == 1 &&
	       memcmp(&a, &b, sizeof(a)) == 0;
}

/* libcurl may refuse more, and writes addresses in their usual form. */
static void check_with_curl(const char *url, const char *host, int port)
{
	CURLU *u = curl_url();
	char *curl_host = NULL;
	char *curl_port = NULL;

	FUZZ_MUST(u != NULL);
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
		FUZZ_MUST(curl_url_get(u, CURLUPART_HOST, &curl_host, 0) == CURLUE_OK);
		FUZZ_MUST(curl_url_get(u, CURLUPART_PORT, &curl_port, CURLU_DEFAULT_PORT) ==
			  CURLUE_OK);
		FUZZ_MUST(atoi(curl_port) == port);
		FUZZ_MUST(strcasecmp(curl_host, host) == 0 || is_address(curl_host) ||
			  same_ipv6(curl_host, host));
	}
	curl_free(curl_host);
	curl_free(curl_port);
	curl_url_cleanup(u);
}

static void check_url(const char *url)
{
	AUTO_FREE char *host = NULL;
	AUTO_FREE char *same = NULL;
	int port = 0;

	fuzz_must_be_url(url);
	FUZZ_MUST(url_host(url, &host, &port, NULL) == 0);
	FUZZ_MUST(*host != '\0' && port >= 1 && port <= 65535);
	check_with_curl(url, host, port);
	FUZZ_MUST(url_resolve(url, "", &same, NULL) == 0);
	FUZZ_MUST(strcmp(same, url) == 0);
}

/* How many bytes of a URL say where to connect. */
static size_t authority_length(const char *url)
{
	return 8 + strcspn(url + 8, "/?");
}

static bool has_dot_segment(const char *url)
{
	const char *path = url + authority_length(url);
	const char *end = path + strcspn(path, "?");

	while (path < end) {
		size_t len = strcspn(path + 1, "/?"); /* behind the slash */

		if ((len == 1 && path[1] == '.') || (len == 2 && memcmp(path + 1, "..", 2) == 0))
			return true;
		path += 1 + len;
	}
	return false;
}

static void check_resolved(const char *base, const char *reference, const char *url)
{
	AUTO_FREE char *again = NULL;
	AUTO_FREE char *still = NULL;
	size_t len = authority_length(base);

	check_url(url);
	/* without an authority of its own a reference leads to the same server */
	if (strncmp(reference, "//", 2) != 0 &&
	    strcspn(reference, ":") >= strcspn(reference, "/?#"))
		FUZZ_MUST(authority_length(url) == len && memcmp(url, base, len) == 0);
	if (strcspn(reference, "?#") > 0) /* else the path is the base's, as it is */
		FUZZ_MUST(!has_dot_segment(url));
	FUZZ_MUST(url_resolve(base, url, &again, NULL) == 0);
	FUZZ_MUST(url_resolve(base, again, &still, NULL) == 0);
	FUZZ_MUST(strcmp(again, still) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *base = fuzz_text(data, size);
	AUTO_FREE char *url = NULL;
	char *reference = base + strcspn(base, "\n");
	struct err e = {0};
	int r;

	if (*reference == '\n')
		*reference++ = '\0';
	r = url_check_https(base, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	if (r != 0)
		return 0;
	check_url(base);
	r = url_resolve(base, reference, &url, &e);
	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (url != NULL));
	if (r == 0)
		check_resolved(base, reference, url);
	return 0;
}
