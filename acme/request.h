/* SPDX-License-Identifier: MIT
 *
 * request — every message everleaf sends to a CA, as a value. Building one has no effect; the
 * session signs and sends it. Functions take what the RFC's section names and nothing else.
 */
#ifndef ACME_REQUEST_H
#define ACME_REQUEST_H

#include "acme/types.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a request goes: a URL, or a directory entry that the session looks up when it sends. */
enum acme_target {
	ACME_TO_URL = 0,
	ACME_TO_NEW_ACCOUNT,
	ACME_TO_NEW_ORDER,
	ACME_TO_RENEWAL_INFO,
	ACME_TARGETS, /* how many */
};

/* Owns its strings. */
struct acme_request {
	enum acme_target target;
	char *url;         /* ACME_TO_URL; the certificate's id for ACME_TO_RENEWAL_INFO */
	char *payload;     /* JSON; NULL: POST-as-GET */
	bool with_jwk;     /* newAccount: signed with "jwk" instead of "kid" */
	bool binds;        /* a registration: takes an external account binding (7.3.4) */
	bool wants_chain;  /* the answer is a PEM chain, not JSON */
	bool unsigned_get; /* a GET that nobody signs (RFC 9773 4.1) */
};

/* RFC 8555 7.3. contact: "mailto:…" URLs. */
struct acme_request *request_new_account(const struct strlist *contact, bool agreed);

/* RFC 8555 7.3.1: the account of a key, if there is one. Nothing stands beside onlyReturnExisting,
 * and nothing is bound: CAs refuse a look-up that looks like a registration. */
struct acme_request *request_find_account(void);

/* RFC 8555 7.3.2. An empty list takes away what the CA has. */
struct acme_request *request_update_contact(const char *account_url, const struct strlist *contact);

/* RFC 8555 7.3.6. */
struct acme_request *request_deactivate(const char *account_url);

/* RFC 8555 7.4. names canonical; profile and replaces may be NULL (RFC 9773 5). */
struct acme_request *request_new_order(const struct strlist *names, const char *profile,
				       const char *replaces);

/* POST-as-GET of an order, authorization or account (6.3). */
struct acme_request *request_read(const char *url);

/* "{}" to a challenge (7.5.1). */
struct acme_request *request_answer_challenge(const char *challenge_url);

/* RFC 8555 7.4. csr: DER. */
struct acme_request *request_finalize(const char *finalize_url, const void *csr, size_t csr_len);

/* RFC 8555 7.4.2. */
struct acme_request *request_certificate(const char *certificate_url);

/* RFC 9773 4.1. The answer is ERR_PROTOCOL with CAUSE_NO_RENEWAL_INFO when the CA's
 * directory offers none. */
struct acme_request *request_renewal_info(const char *certificate_id);

void acme_request_free(struct acme_request *r);
void auto_acme_request(struct acme_request **r);
#define AUTO_REQUEST AUTO(auto_acme_request)

#endif
