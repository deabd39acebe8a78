/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/retry.h"
#include "acme/types.h"

#include <string.h>

static void must_be_printable(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		FUZZ_MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* Whatever a CA says against a request becomes one printable sentence and a class. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {0, 400, 403, 409, 429, 500, 503};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		AUTO_PROBLEM struct acme_problem *p =
			acme_problem_parse(statuses[i], (const char *)data, size);
		struct err e = {0};

		FUZZ_MUST(p != NULL && p->type != NULL);
		FUZZ_MUST(retry_classify(p, 0) < RETRY_CLASSES);
		FUZZ_MUST(retry_error(p, i % 2 == 0 ? 0 : 60, 2000000000, &e) < 0);
		FUZZ_MUST(strlen(e.text) < sizeof(e.text) && e.text[0] != '\0');
		must_be_printable(e.text);
	}
	return 0;
}
