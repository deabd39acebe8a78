/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "base/mem.h"
#include "base/text.h"
#include "hooks/child.h"

#include <string.h>

/* Well-formed, without control characters and without those that turn the direction of text. */
static void must_be_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t at = 0; at < len;) {
		uint32_t c = 0;
		size_t n = text_character(text + at, len - at, &c);

		FUZZ_MUST(n > 0 && c >= 0x20 && !(c >= 0x7f && c <= 0x9f));
		FUZZ_MUST(!(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
		at += n;
	}
}

/* What a program printed, on its way into an error, an event and the log. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct child_result result = {.exit_code = 1};
	AUTO_FREE char *whole = text_escape_new((const char *)data, size);
	struct err e = {0};
	char cut[80];

	must_be_printable(whole);
	FUZZ_MUST(text_escape((const char *)data, size, cut, sizeof(cut)) < sizeof(cut));
	must_be_printable(cut);
	buf_init(&result.output, CHILD_MAX_OUTPUT);
	(void)buf_add(&result.output, data, size);
	FUZZ_MUST(child_failed("/bin/x", &result, &e) == ERR_CHILD);
	must_be_printable(e.text);
	buf_free(&result.output);
	return 0;
}
