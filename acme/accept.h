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
	int64_t live_not_after;  /* the same; 0 as well when it may end earlier: another CA or
				  * profile may let its certificates live less long */
};

/* ERR_CONFIG when the clock says a time before this program was built: then no certificate can be
 * judged, and none should be asked for. */
int accept_clock(int64_t present, struct err *e);

/* Looks for a usable certificate and its chain in what a CA sent. *ret_chain, which is the
 * caller's, has the leaf and its issuers only, in order (x509_chain_build); what was left out is
 * told by x509_chain_left_out. ERR_PROTOCOL with the first thing that is wrong: a text that is not
 * only certificates, key, names of any kind, dates (not yet valid by more than 5 minutes, expired,
 * older than what it replaces, ends before it), what no client takes (x509_chain_misfit), no valid
 * issuer among those that came with it. A clock before the build date is ERR_CONFIG and says so. */
int accept_chain(const char *pem, size_t len, const struct accept_wish *wish,
		 struct x509_chain **ret_chain, struct err *e);

#endif
