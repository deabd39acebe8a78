/* SPDX-License-Identifier: MIT
 *
 * fuzz_account — an account that is taken has one of the three states that accounts have.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ACCOUNT struct acme_account *a = NULL;
	struct err e = {0};
	int r = acme_account_parse((const char *)data, size, &a, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (a != NULL));
	if (a == NULL)
		return 0;
	FUZZ_MUST(a->status == ACME_VALID || a->status == ACME_DEACTIVATED ||
		  a->status == ACME_REVOKED);
	if (a->orders != NULL)
		fuzz_must_be_url(a->orders);
	return 0;
}
