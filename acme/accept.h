/* SPDX-License-Identifier: MIT
 *
 * accept — whether what the CA sent is the certificate we asked for (HACKING.md, rule
 * 10). Nothing is published before it passed here. Pure.
 */
#ifndef ACME_ACCEPT_H
#define ACME_ACCEPT_H

#include "base/err.h"
#include "base/strlist.h"
#include "base/x509.h"

#include <stdint.h>

struct accept_wish {
	const uint8_t *key_hash;     /* 32 bytes: SHA-256 of our key's SubjectPublicKeyInfo */
	const struct strlist *names; /* ordered, canonical */
	int64_t now;
	int64_t live_not_before; /* of the certificate it replaces, 0: none */
};

/* ERR_CONFIG when the clock says a time before this program was built: then no certificate can be
 * judged, and none should be asked for. */
int accept_clock(int64_t present, struct err *e);

/* Parses and checks. ERR_PROTOCOL with the first thing that is wrong: key, names, dates (not yet
 * valid by more than 5 minutes, expired, older than what it replaces), server use, no
 * authority key identifier, an expired issuer, the chain's signatures. A clock before the build
 * date is ERR_CONFIG and says so. *ret_chain is the caller's. */
int accept_chain(const char *pem, size_t len, const struct accept_wish *wish,
		 struct x509_chain **ret_chain, struct err *e);

#endif
