/* SPDX-License-Identifier: MIT
 *
 * past_order — orders as their CA remembers them: what its limits are counted from
 * (agent/limits.h). Only reads.
 */
#ifndef STORE_PAST_ORDER_H
#define STORE_PAST_ORDER_H

#include "store/certificate.h"

struct past_order {
	int64_t account_id;
	char *names; /* joined by a space */
	char *had;   /* those of the certificate's version then; NULL: there was none */
	bool exempt; /* it said what it replaces (RFC 9773 5) while the CA advised that */
	bool known;  /* the CA has answered newOrder, or may yet */
	bool issued; /* a certificate came of it, also one that we refused; or may yet */
	int64_t began_at;
	int64_t refused_at; /* when the CA could not validate its names; 0: it did not say so */
};

struct past_orders {
	struct past_order *orders; /* owned, by began_at */
	size_t count;
};

/* Those of all accounts at a CA (its directory URL) that began after a time. */
int past_orders_read(struct store *s, const char *server, int64_t after, struct past_orders *ret,
		     struct err *e);

void past_orders_clear(struct past_orders *l);
#define AUTO_PAST_ORDERS AUTO(past_orders_clear)

/* What the CA issued for one certificate to nobody's use, since it last got one: mostly because we
 * refused it. */
struct past_refusals {
	int64_t count;
	int64_t last_at; /* 0: never */
};

/* Those of orders for these names that were born of what is wanted now: of another wish or account
 * something else comes. *ret is zero before. */
int past_refusals_read(struct store *s, const struct certificate *c, const struct strlist *names,
		       struct past_refusals *ret, struct err *e);

#endif
