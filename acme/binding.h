/* SPDX-License-Identifier: MIT
 *
 * binding — external account binding (RFC 8555 7.3.4): who asks for an ACME account proves that an
 * account outside of ACME is theirs, by a MAC over the new account's public key.
 */
#ifndef ACME_BINDING_H
#define ACME_BINDING_H

#include "base/buf.h"
#include "base/key.h"

struct acme_binding {
	const char *kid; /* the CA's name for the MAC key */
	const char *mac; /* the MAC key as the CA gave it, base64url; a secret */
	size_t mac_len;  /* of that text */
	const char *url; /* newAccount's */
	const struct key *account;
};

/* The payload of newAccount, JSON text, with "externalAccountBinding" added. The caller's.
 * ERR_CONFIG: the MAC key is no base64url. */
int acme_binding_add(const struct acme_binding *b, const char *payload, char **ret_payload,
		     struct err *e);

#endif
