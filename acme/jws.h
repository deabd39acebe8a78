/* SPDX-License-Identifier: MIT
 *
 * jws — flattened JSON Web Signatures as ACME wants them (RFC 8555 6.2, RFC 7515).
 */
#ifndef ACME_JWS_H
#define ACME_JWS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/key.h"

struct jws_header {
	const char *url;   /* exactly the request's URL (RFC 8555 6.4) */
	const char *nonce; /* NULL: none (inner JWS) */
	const char *kid;   /* account URL, or NULL: the public key as "jwk" */
};

/* Appends {"protected":…,"payload":…,"signature":…}. payload is JSON text, or NULL for the empty
 * payload of POST-as-GET (6.3). */
int jws_sign(const struct key *k, const struct jws_header *h, const char *payload, struct buf *out,
	     struct err *e);

#endif
