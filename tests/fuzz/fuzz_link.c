/* SPDX-License-Identifier: MIT
 *
 * fuzz_link — whatever a Link header says, its targets are https, few, and kept in order.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/link.h"

#include <stdlib.h>
#include <string.h>

#define BASE "https://ca.example/acme/cert/1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *header = fuzz_text(data, size);
	AUTO_FREE char *longer = mem_printf("<https://a/>;rel=alternate, %s", header);
	struct strlist targets AUTO_STRLIST = {0};
	struct strlist more AUTO_STRLIST = {0};

	link_targets(header, BASE, "alternate", &targets);
	FUZZ_MUST(targets.count <= LINK_MAX_TARGETS);
	for (size_t i = 0; i < targets.count; i++)
		fuzz_must_be_url(targets.items[i]);

	/* behind another link the same ones are found */
	link_targets(longer, BASE, "alternate", &more);
	FUZZ_MUST(more.count >= 1 && strcmp(more.items[0], "https://a/") == 0);
	FUZZ_MUST(more.count == targets.count + 1 || more.count == LINK_MAX_TARGETS);
	for (size_t i = 1; i < more.count; i++)
		FUZZ_MUST(strcmp(more.items[i], targets.items[i - 1]) == 0);
	return 0;
}
