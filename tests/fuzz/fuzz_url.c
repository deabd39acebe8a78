/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"
#include "base/url.h"

#include <string.h>
#include <strings.h>

static void must_be_sound(const char *url)
{
	AUTO_FREE char *host = NULL;
	int port = 0;

	FUZZ_MUST(strncasecmp(url, "https://", 8) == 0 && strlen(url) <= URL_MAX);
	for (const char *p = url; *p != '\0'; p++)
		FUZZ_MUST(*p > 0x20 && *p < 0x7f && *p != '\\' && *p != '#');
	FUZZ_MUST(url_host(url, &host, &port, NULL) == 0);
	FUZZ_MUST(host[0] != '\0' && strchr(host, '@') == NULL && port >= 1 && port <= 65535);
}

/* The first line is a URL, the second a reference to be resolved against it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = mem_strn((const char *)data, size);
	char *reference = strchr(text, '\n');
	AUTO_FREE char *resolved = NULL;

	if (reference != NULL)
		*reference++ = '\0';
	if (url_check_https(text, NULL) != 0)
		return 0;
	must_be_sound(text);
	if (reference != NULL && url_resolve(text, reference, &resolved, NULL) == 0)
		must_be_sound(resolved);
	return 0;
}
