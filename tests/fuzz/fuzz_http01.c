/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "agent/http01_request.h"
#include "base/mem.h"

#include <string.h>

/* A token is a name that is safe in a folder; and a request that is complete stays what it is when
 * more bytes follow, while one that is not may become it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";
	struct http01_request whole = {0};
	enum http01_verdict verdict = http01_request_parse((const char *)data, size, &whole);

	if (verdict == HTTP01_COMPLETE && whole.token[0] != '\0') {
		FUZZ_MUST(strlen(whole.token) >= HTTP01_MIN_TOKEN);
		FUZZ_MUST(strspn(whole.token, alphabet) == strlen(whole.token));
	}
	for (size_t len = 0; verdict == HTTP01_COMPLETE && len < size && len < 300; len++) {
		struct http01_request part = {0};

		FUZZ_MUST(http01_request_parse((const char *)data, len, &part) != HTTP01_COMPLETE ||
			  strcmp(part.token, whole.token) == 0);
	}
	return 0;
}
