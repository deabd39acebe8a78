/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/retry.h"
#include "base/mem.h"

/* 0 (none), or between a second and a day, whatever the clock says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t clocks[] = {0, 1, 2000000000, INT64_C(253402300799)};
	AUTO_FREE char *header = mem_strn((const char *)data, size);

	for (size_t i = 0; i < COUNT_OF(clocks); i++) {
		int64_t seconds = retry_after_parse(header, clocks[i]);

		FUZZ_MUST(seconds >= 0 && seconds <= 86400);
	}
	return 0;
}
