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

/* A CA's clock may be ahead of ours by this many seconds; most of them date back by an hour
 * anyway. */
#define X509_CLOCK_SKEW (5 * 60)

struct x509_chain;

/* What we want to know of one certificate. Owned by its chain. */
struct x509_facts {
	char *serial;            /* upper-case hex, as bytes: "0A3F…" */
	char *subject;           /* one line, for people; "" when it is empty */
	char *issuer;            /* the same */
	struct strlist names;    /* subjectAltName dNSName and iPAddress, lower case, sorted */
	struct strlist others;   /* its names of other kinds, for people: "URI:https://…" */
	int64_t not_before;      /* Unix seconds */
	int64_t not_after;       /* Unix seconds */
	uint8_t key_hash[32];    /* SHA-256 of SubjectPublicKeyInfo */
	uint8_t fingerprint[32]; /* SHA-256 of the DER */
	char *ari_id;            /* RFC 9773 4.1 certificate id, or NULL without an AKI */
	size_t place;            /* where it stood in the text, from 1 */
};

/* Parses an application/pem-certificate-chain: only CERTIFICATE blocks, at most X509_MAX_CERTS;
 * text before a block is refused like any other block (RFC 8555 11.4). ERR_PROTOCOL otherwise.
 * *ret_chain is the caller's. */
int x509_chain_parse(const char *pem, size_t len, struct x509_chain **ret_chain, struct err *e);

size_t x509_chain_count(const struct x509_chain *c);

/* Facts of the certificate at index (0: the first, or the leaf of a chain that was built).
 * Borrowed. */
const struct x509_facts *x509_chain_facts(const struct x509_chain *c, size_t index);

/* Brings the chain into the form in which it is shown: first the certificate at leaf, then always
 * the one that signed the one before it, a CA that is valid at now; nothing else stays, and no
 * root. ERR_PROTOCOL, and an unchanged chain: other certificates came with the leaf, and none of
 * them issued it. (Whether the last is trusted by anybody is not asked.) */
int x509_chain_build(struct x509_chain *c, size_t leaf, int64_t now, struct err *e);

/* What that left out and why, a line for each, for people. Borrowed. */
const struct strlist *x509_chain_left_out(const struct x509_chain *c);

/* PEM of the leaf alone, and of everything after it ("" when nothing follows). Borrowed from c;
 * both are written anew from DER. */
const char *x509_chain_leaf_pem(const struct x509_chain *c);
const char *x509_chain_rest_pem(const struct x509_chain *c);

/* Why no TLS client takes the certificate at index as a server's, whatever its names and dates;
 * static. NULL: no such reason. */
const char *x509_chain_misfit(const struct x509_chain *c, size_t index);

void x509_chain_free(struct x509_chain *c);
void auto_chain(struct x509_chain **c);
#define AUTO_CHAIN AUTO(auto_chain)

#endif
