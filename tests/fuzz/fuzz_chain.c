/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "base/x509.h"

#include <string.h>

/* What is taken as a chain is certificates and nothing else, and is the same when it is written
 * and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CHAIN struct x509_chain *chain = NULL;
	AUTO_CHAIN struct x509_chain *again = NULL;
	const char *leaf, *rest;

	if (x509_chain_parse((const char *)data, size, &chain, NULL) != 0)
		return 0;
	leaf = x509_chain_leaf_pem(chain);
	rest = x509_chain_rest_pem(chain);
	FUZZ_MUST(x509_chain_count(chain) >= 1);
	FUZZ_MUST(strstr(leaf, "PRIVATE KEY") == NULL && strstr(rest, "PRIVATE KEY") == NULL);
	FUZZ_MUST(x509_chain_parse(leaf, strlen(leaf), &again, NULL) == 0);
	FUZZ_MUST(memcmp(x509_chain_facts(chain, 0)->fingerprint,
			 x509_chain_facts(again, 0)->fingerprint, 32) == 0);
	(void)x509_chain_check(chain, NULL);
	(void)x509_chain_serves_tls(chain);
	return 0;
}
