/* SPDX-License-Identifier: MIT
 *
 * verdict — what a CA has said of our answers, wherever it says so (in the answer to the challenge,
 * in the challenge, in the authorization; CAs differ in which of them speaks first), and what
 * follows from a refusal.
 */
#ifndef AGENT_VERDICT_H
#define AGENT_VERDICT_H

#include "agent/stage.h"

enum verdict {
	VERDICT_NONE = 0, /* it has not judged yet */
	VERDICT_VALID,
	VERDICT_AGAIN,   /* it met an error and may be told to look again (RFC 8555 8.2) */
	VERDICT_REFUSED, /* it can no longer become valid */
};

/* What a challenge says. *ret_why, which begins with the name, is filled for VERDICT_AGAIN and
 * VERDICT_REFUSED, and for VERDICT_NONE where the CA goes on by itself after an error. */
enum verdict verdict_of_challenge(const struct acme_challenge *c, const char *name, int64_t now,
				  struct err *ret_why);

/* The same of an authorization and the challenge of it that we answer; NULL: it offers none. */
enum verdict verdict_of_authorization(const struct acme_authorization *a,
				      const struct acme_challenge *chosen, const char *name,
				      int64_t now, struct err *ret_why);

/* The order's own name for what an authorization is about, "*." included: borrowed from the row.
 * NULL: the order is not about that. */
const char *verdict_name(const struct order *o, const struct acme_authorization *a);

void refusals_add(const struct step *s, struct refusals *r, const char *name, const char *token,
		  const struct err *why);

/* The attempt ends because of them. */
int refusals_end(struct step *s, struct refusals *r, struct err *e);

void refusals_clear(struct refusals *r);
#define AUTO_REFUSALS AUTO(refusals_clear)

#endif
