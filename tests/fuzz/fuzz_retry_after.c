/* SPDX-License-Identifier: MIT
 *
 * fuzz_retry_after — 0 or from a second to 31 days, whatever the header says and whatever the
 * clock.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/retry.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST (31 * INT64_C(86400))

static const int64_t clocks[] = {0, 1000000, 1795000000, 4102444800, 253402300799};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *header = fuzz_text(data, size);
	AUTO_FREE char *spaced = mem_printf(" \t%s \t", header);
	size_t digits = strspn(header, "0123456789");

	for (size_t i = 0; i < COUNT_OF(clocks); i++) {
		int64_t seconds = retry_after_parse(header, clocks[i]);

		FUZZ_MUST(seconds == 0 || (seconds >= 1 && seconds <= LONGEST));
		FUZZ_MUST(retry_after_parse(spaced, clocks[i]) == seconds);
		if (digits > 0 && header[digits] == '\0')
			FUZZ_MUST(seconds != 0);
	}
	return 0;
}
