/* SPDX-License-Identifier: MIT
 *
 * response — what of an HTTP answer may be believed to be the CA's: status, media type, Location,
 * links, Retry-After. Pure. Private to the session.
 */
#ifndef ACME_RESPONSE_H
#define ACME_RESPONSE_H

#include "acme/session.h"
#include "base/http.h"

#include <stdint.h>

/* What was asked for. */
struct response_question {
	const char *url; /* of the request; references in the answer are resolved against it */
	bool wants_chain;
	int64_t now;
};

/* Takes the body out of http. ERR_PROTOCOL for a redirect (its target is named), another media
 * type, a Location of a 2xx that is no https URL; ERR_NET for a web page where JSON should be.
 * An answer from 400 on always becomes a response with a problem. *ret_response is the
 * caller's. */
int response_read(struct http_response *http, const struct response_question *question,
		  struct acme_response **ret_response, struct err *e);

/* For the directory and newNonce, whose refusals are errors of the session: a 503 or 429 is
 * ERR_BUSY when it says how long, else ERR_NET. http's body is taken as in response_read. */
int response_read_plain(struct http_response *http, const struct response_question *question,
			struct acme_response **ret_response, struct err *e);

#endif
