/* SPDX-License-Identifier: MIT
 *
 * fuzz_renewal_info — a window that is taken is one, and its explanation can be visited.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/renewal_info.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_RENEWAL_INFO struct acme_renewal_info *i = NULL;
	struct err e = {0};
	int r = acme_renewal_info_parse((const char *)data, size, &i, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (i != NULL));
	if (i == NULL)
		return 0;
	FUZZ_MUST(i->start < i->end);
	if (i->explanation_url != NULL)
		fuzz_must_be_url(i->explanation_url);
	return 0;
}
