/* SPDX-License-Identifier: MIT
 *
 * make_cert — certificates for tests, made in memory: as wrong as the test wants them.
 *
 * It uses OpenSSL directly, so that what base/x509.c reads was written by somebody else.
 */
#ifndef TESTS_UNIT_MAKE_CERT_H
#define TESTS_UNIT_MAKE_CERT_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key;

/* What is 0 or NULL is left out or has the default that is named. Everything is borrowed. */
struct make_cert_spec {
	const char *subject;            /* its common name; NULL: an empty subject */
	const struct made_cert *issuer; /* NULL: signed by itself */
	EVP_PKEY *key;                  /* NULL: a new P-256 key */
	EVP_PKEY *signer;               /* NULL: the issuer's key */
	const char *names;              /* OpenSSL's words: "DNS:a.example,IP:192.0.2.1" */
	const char *names_hex;          /* instead: the DER of the subjectAltName extension */
	const char *usage;              /* extended key usage: "serverAuth" */
	const char *aki;                /* keyIdentifier in hex; NULL: the issuer's; "": none */
	const char *serial;             /* hex; NULL: 1001 */
	int64_t not_before;
	int64_t not_after;
	bool ca;
	bool no_sign_usage;    /* a CA whose key usage does not allow to sign certificates */
	bool no_constraints;   /* a CA without basic constraints, by its key usage alone */
	bool version_1;        /* X.509 of 1988: no extensions at all */
	bool critical;         /* an extension that nobody knows and everybody has to */
	const char *key_usage; /* of a leaf; NULL: none */
};

/* Owns all of it. */
struct made_cert {
	X509 *x509;
	EVP_PKEY *key;
	char *pem;
};

/* Never NULL: a failure fails the test. */
struct made_cert *make_cert(const struct make_cert_spec *spec);
void made_cert_free(struct made_cert *c);
void auto_made_cert(struct made_cert **c);
#define AUTO_MADE_CERT AUTO(auto_made_cert)

/* OpenSSL's view of one of our keys. The caller frees it. */
EVP_PKEY *make_cert_pkey(const struct key *k);

/* PEM of a private key: PKCS#8, with a passphrase when there is one, or the older form of its
 * type. The caller frees it. */
char *make_cert_key_pem(EVP_PKEY *pkey, bool older, const char *passphrase);

#endif
