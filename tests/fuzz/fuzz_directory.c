/* SPDX-License-Identifier: MIT
 *
 * fuzz_directory — a directory that is taken has its three URLs, and no URL that is not https.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/types.h"

#include <string.h>

static void check_directory(const struct acme_directory *d)
{
	const char *const optional[] = {d->revoke_cert, d->key_change, d->renewal_info};

	fuzz_must_be_url(d->new_nonce);
	fuzz_must_be_url(d->new_account);
	fuzz_must_be_url(d->new_order);
	for (size_t i = 0; i < COUNT_OF(optional); i++)
		if (optional[i] != NULL)
			fuzz_must_be_url(optional[i]);
	if (d->terms_of_service != NULL)
		FUZZ_MUST(strncasecmp(d->terms_of_service, "https://", 8) == 0 ||
			  strncmp(d->terms_of_service, "data:", 5) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_DIRECTORY struct acme_directory *d = NULL;
	struct err e = {0};
	int r = acme_directory_parse((const char *)data, size, &d, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (d != NULL));
	if (d != NULL)
		check_directory(d);
	return 0;
}
