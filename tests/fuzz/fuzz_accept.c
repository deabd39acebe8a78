/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "acme/accept.h"
#include "acme/identifier.h"
#include "base/mem.h"

#include <string.h>

#define NOW INT64_C(2000000000)

/* The first 32 bytes are the hash of the key that is wanted, so that a chain that was made for it
 * gets far; what is accepted is then what was asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strlist names AUTO_STRLIST = {0};
	AUTO_CHAIN struct x509_chain *chain = NULL;
	struct accept_wish wish = {.names = &names, .now = NOW};
	AUTO_FREE char *wanted = NULL;
	AUTO_FREE char *has = NULL;

	if (size < 32)
		return 0;
	wish.key_hash = data;
	strlist_add(&names, "a.example");
	if (accept_chain((const char *)data + 32, size - 32, &wish, &chain, NULL) != 0)
		return 0;
	wanted = identifier_set(&names);
	has = identifier_set(&x509_chain_facts(chain, 0)->names);
	FUZZ_MUST(strcmp(wanted, has) == 0);
	FUZZ_MUST(x509_chain_facts(chain, 0)->not_after > NOW);
	FUZZ_MUST(x509_chain_serves_tls(chain) && x509_chain_facts(chain, 0)->ari_id != NULL);
	return 0;
}
