/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/link.h"
#include "base/mem.h"
#include "base/url.h"

#include <string.h>

/* The first line is the relation that is looked for, the rest the header's value. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strlist targets AUTO_STRLIST = {0};
	AUTO_FREE char *rel = mem_strn((const char *)data, size);
	char *header = strchr(rel, '\n');

	if (header == NULL)
		return 0;
	*header++ = '\0';
	link_targets(header, "https://ca.example/acme/cert/1?x=y", rel, &targets);
	FUZZ_MUST(targets.count <= LINK_MAX_TARGETS);
	for (size_t i = 0; i < targets.count; i++)
		FUZZ_MUST(url_check_https(targets.items[i], NULL) == 0);
	return 0;
}
