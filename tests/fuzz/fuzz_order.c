/* SPDX-License-Identifier: MIT
 *
 * fuzz_order — an order that is taken can be gone on with: names that compare, URLs that may be
 * asked, a certificate once it is valid.
 */
#include "tests/fuzz/fuzz.h"

#include "acme/types.h"

#include <string.h>

static void check_order(const struct acme_order *o)
{
	FUZZ_MUST(o->status > ACME_UNKNOWN && o->status < ACME_STATUSES);
	FUZZ_MUST(o->expires >= 0);
	FUZZ_MUST(o->identifiers.count >= 1);
	FUZZ_MUST(o->identifiers.count <= ACME_MAX_AUTHORIZATIONS);
	for (size_t i = 0; i < o->identifiers.count; i++) {
		fuzz_must_be_name(o->identifiers.items[i]);
		if (i > 0) /* sorted, none twice */
			FUZZ_MUST(strcmp(o->identifiers.items[i - 1], o->identifiers.items[i]) < 0);
	}
	FUZZ_MUST(o->authorizations.count <= ACME_MAX_AUTHORIZATIONS);
	for (size_t i = 0; i < o->authorizations.count; i++)
		fuzz_must_be_url(o->authorizations.items[i]);
	fuzz_must_be_url(o->finalize);
	FUZZ_MUST(o->status != ACME_VALID || o->certificate != NULL);
	if (o->certificate != NULL)
		fuzz_must_be_url(o->certificate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_ORDER struct acme_order *o = NULL;
	struct err e = {0};
	int r = acme_order_parse((const char *)data, size, &o, &e);

	fuzz_must_answer(r, &e, ERR_PROTOCOL);
	FUZZ_MUST((r == 0) == (o != NULL));
	if (o != NULL)
		check_order(o);
	return 0;
}
