/* SPDX-License-Identifier: MIT
 *
 * renewal_info — the row of what the CA advises about renewing a certificate (RFC 9773), one for
 * each, made with it. What it says is about version_id, and void once another version is live.
 */
#ifndef STORE_RENEWAL_INFO_H
#define STORE_RENEWAL_INFO_H

#include "store/standing.h"

struct renewal_info {
	int64_t id; /* the certificate's */
	int64_t version_id;
	int64_t window_start, window_end; /* Unix seconds; window_end 0: no valid answer */
	char *explanation_url;            /* or NULL */
	int64_t asked_at;                 /* last answer or failure; 0: never */
	bool urgent;  /* it advises to replace it at once: it is revoked, or soon will be */
	bool refused; /* the CA refused an order that replaces this version (RFC 9773 5) */
	struct standing standing; /* next_at: when to ask again */
};

/* *ret_info is NULL when the certificate is gone. */
int renewal_info_load(struct store *s, int64_t certificate_id, struct renewal_info **ret_info,
		      struct err *e);

/* The fenced UPDATE; see account_save. The certificate is looked at again. */
int renewal_info_save(struct store *s, const struct renewal_info *i, bool release, struct err *e);

/* The CA refused to see this certificate's live version replaced: later orders do not ask. Nobody's
 * claim is needed. */
int renewal_info_refused(struct store *s, int64_t certificate_id, int64_t version_id,
			 struct err *e);

/* The CA is to be asked again now, unless that was done less than a minute ago. */
int renewal_info_recheck(struct store *s, int64_t certificate_id, struct err *e);

void renewal_info_free(struct renewal_info *i);
void auto_renewal_info(struct renewal_info **i);
#define AUTO_INFO_ROW AUTO(auto_renewal_info)

#endif
