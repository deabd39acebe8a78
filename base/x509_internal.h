/* SPDX-License-Identifier: MIT
 *
 * x509_internal — what the files of x509 share.
 */
#ifndef BASE_X509_INTERNAL_H
#define BASE_X509_INTERNAL_H

#include "base/x509.h"

struct x509_st; /* OpenSSL's X509 */

struct x509_chain {
	struct x509_st *certs[X509_MAX_CERTS];
	struct x509_facts facts[X509_MAX_CERTS];
	size_t count;
	struct strlist left_out; /* by x509_chain_build */
	char *leaf_pem;
	char *rest_pem;
};

/* Writes both PEM texts anew. */
int x509_chain_print(struct x509_chain *c, struct err *e);

void x509_facts_clear(struct x509_facts *f);

#endif
