/* SPDX-License-Identifier: MIT
 *
 * fallback — from one CA of a certificate to the next one, and back (everleaf.yaml(5), "account").
 *
 *     the CA fails: at once when waiting does not help (its terms, its policy, an account
 *     that it refuses, what it does not understand); after 3 failures in a row, or the first one
 *     near expiry or before a wait of six hours, when it might  ─►  the next account of the list,
 *     with a new order
 *     a day later, at the next order  ─►  the preferred one again
 *
 * Never for what any CA would say: a validation that failed, a key, a mistake on this machine.
 */
#ifndef AGENT_FALLBACK_H
#define AGENT_FALLBACK_H

#include "agent/step.h"

#define FALLBACK_FAILURES 3
#define FALLBACK_WAIT_S   (6 * 3600)
#define FALLBACK_STAYS_S  86400 /* so long it does not go back, whatever the other one does */

struct fallback_input {
	const struct err *why;
	int64_t failures;  /* in a row, with this one */
	int64_t not_after; /* of the live version; 0: there is none */
	int64_t lifetime;
	int64_t now;
};

/* Pure: whether another CA is to be tried because of this failure. */
bool fallback_wanted(const struct fallback_input *in);

/* Of an order that failed like this for the failures-th time in a row: moves its certificate to its
 * next account if that is wanted and there is one, and makes why the reason (CAUSE_INTERRUPTED:
 * the next order comes at once). *ret_moved says whether. Within a turn. */
int fallback_try(struct step *s, int64_t failures, struct err *why, bool *ret_moved, struct err *e);

/* Before an order is born: takes a certificate back to the account it prefers, if it is time. */
int fallback_return(struct store *store, struct certificate *c, int64_t now, struct err *e);

#endif
