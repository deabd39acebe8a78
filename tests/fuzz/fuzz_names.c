/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/identifier.h"
#include "base/mem.h"

#include <string.h>

/* A canonical name stays what it is, and is safe in a folder, an SQL text and an argument. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *typed = mem_strn((const char *)data, size);
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *again = NULL;
	const char *bare;
	struct err e = {0};

	if (identifier_canonical(typed, &name, &e) != 0) {
		FUZZ_MUST(e.text[0] != '\0' && name == NULL);
		return 0;
	}
	FUZZ_MUST(identifier_canonical(name, &again, NULL) == 0 && strcmp(name, again) == 0);
	bare = identifier_is_wildcard(name) ? name + 2 : name;
	FUZZ_MUST(strlen(bare) <= 253 && bare[0] != '\0' && bare[0] != '.' && bare[0] != '-');
	if (!identifier_is_address(name))
		FUZZ_MUST(strspn(bare, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(bare));
	return 0;
}
