/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "base/base64url.h"
#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

/* What can be read is written again byte for byte (RFC 8555 6.1: one text for one value). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = mem_strn((const char *)data, size);
	struct buf out AUTO_BUF = {0};
	AUTO_FREE char *again = NULL;

	buf_init(&out, size + 1);
	if (base64url_decode((const char *)data, size, &out) != 0) {
		FUZZ_MUST(out.len == 0);
		return 0;
	}
	again = base64url_encode(out.data, out.len);
	FUZZ_MUST(strlen(again) == size && memcmp(again, data, size) == 0);
	FUZZ_MUST(size == 0 || base64url_is(text));
	return 0;
}
