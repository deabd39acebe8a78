/* SPDX-License-Identifier: MIT
 *
 * renewal_info — when the CA advises to renew a certificate (RFC 9773): the object, and when to ask
 * for it again. Pure; which instant of the window is taken is the schedule's business.
 */
#ifndef ACME_RENEWAL_INFO_H
#define ACME_RENEWAL_INFO_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct acme_renewal_info {
	int64_t start, end;    /* suggestedWindow, Unix seconds, start < end */
	char *explanation_url; /* for people, never fetched; NULL when absent or no https URL */
};

/* RFC 9773 4.2. ERR_PROTOCOL with what is wrong: then it is as if there was no answer. *ret is the
 * caller's. */
int acme_renewal_info_parse(const char *body, size_t len, struct acme_renewal_info **ret,
			    struct err *e);

/* Seconds until the CA may be asked again after a good answer (4.3.2): its Retry-After
 * (retry_after_parse), within [1 min, 1 day]; 6 h when it sent none. */
int64_t renewal_info_again(int64_t retry_after);

/* Seconds until it is asked again after the n-th failure in a row (n from 1; 4.3.3): what the CA
 * said (ERR_BUSY); 1, 2, 4 … 32 min for what may pass by itself (ERR_NET); 6 h for everything else,
 * and from the seventh on. */
int64_t renewal_info_retry(const struct err *why, int64_t failures, int64_t now);

void acme_renewal_info_free(struct acme_renewal_info *i);
void auto_acme_renewal_info(struct acme_renewal_info **i);
#define AUTO_RENEWAL_INFO AUTO(auto_acme_renewal_info)

#endif
