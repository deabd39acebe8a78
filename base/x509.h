/* SPDX-License-Identifier: MIT
 *
 * x509 — certificates and chains as they come from a CA or a TLS peer: parsed under limits, asked
 * for their facts, checked against each other.
 */
#ifndef BASE_X509_H
#define BASE_X509_H

#include "base/err.h"
#include "base/key.h"
#include "base/strlist.h"

#include <stddef.h>
#include <stdint.h>

#define X509_MAX_PEM   (256 * 1024)
#define X509_MAX_CERTS 10

struct x509_chain;

/* What we want to know of one certificate. Owned by its chain. */
struct x509_facts {
	char *serial;            /* upper-case hex, as bytes: "0A3F…" */
	char *issuer;            /* one line, for people */
	struct strlist names;    /* subjectAltName dNSName and iPAddress, lower case, sorted */
	int64_t not_before;      /* Unix seconds */
	int64_t not_after;       /* Unix seconds */
	uint8_t key_hash[32];    /* SHA-256 of SubjectPublicKeyInfo */
	uint8_t fingerprint[32]; /* SHA-256 of the DER */
	char *ari_id;            /* RFC 9773 4.1 certificate id, or NULL without an AKI */
};

/* Parses an application/pem-certificate-chain: only CERTIFICATE blocks, leaf first, at most
 * X509_MAX_CERTS; text before a block is refused like any other block (RFC 8555 11.4).
 * ERR_PROTOCOL otherwise. *ret_chain is the caller's. */
int x509_chain_parse(const char *pem, size_t len, struct x509_chain **ret_chain, struct err *e);

size_t x509_chain_count(const struct x509_chain *c);

/* Facts of the certificate at index (0: the leaf). Borrowed. */
const struct x509_facts *x509_chain_facts(const struct x509_chain *c, size_t index);

/* Each certificate is signed by the next one and issued under its subject name, and each issuer
 * is a CA. ERR_PROTOCOL otherwise. (Whether the last is trusted by anybody is not asked.) */
int x509_chain_check(const struct x509_chain *c, struct err *e);

/* PEM of the leaf alone, and of everything after it ("" when nothing follows). Borrowed from c;
 * both are written anew from DER. */
const char *x509_chain_leaf_pem(const struct x509_chain *c);
const char *x509_chain_rest_pem(const struct x509_chain *c);

/* True when the leaf's extended key usage is absent or contains serverAuth. */
int x509_chain_serves_tls(const struct x509_chain *c);

void x509_chain_free(struct x509_chain *c);
void auto_chain(struct x509_chain **c);
#define AUTO_CHAIN AUTO(auto_chain)

#endif
