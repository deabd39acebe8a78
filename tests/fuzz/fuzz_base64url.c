/* SPDX-License-Identifier: MIT
 *
 * fuzz_base64url — what decodes has one spelling only, and every byte survives the way there and
 * back.
 */
#include "tests/fuzz/fuzz.h"

#include "base/base64url.h"
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

static void check_decoding(const char *text, size_t len)
{
	AUTO_FREE char *again = NULL;
	struct buf bytes AUTO_BUF = {0};

	buf_init(&bytes, len);
	if (base64url_decode(text, len, &bytes) != 0) {
		FUZZ_MUST(bytes.len == 0);
		return;
	}
	again = base64url_encode(bytes.data, bytes.len);
	FUZZ_MUST(strlen(again) == len && memcmp(again, text, len) == 0);
	FUZZ_MUST(len == 0 || base64url_is(again));
}

static void check_encoding(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = base64url_encode(data, size);
	struct buf bytes AUTO_BUF = {0};

	buf_init(&bytes, size);
	FUZZ_MUST(base64url_decode(text, strlen(text), &bytes) == 0);
	FUZZ_MUST(bytes.len == size && (size == 0 || memcmp(bytes.data, data, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_decoding((const char *)data, size);
	check_encoding(data, size);
	return 0;
}
