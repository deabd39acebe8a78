/* SPDX-License-Identifier: MIT
 *
 * retry — what a failure means for the next try: one table from the CA's words to what the caller
 * can do, and the arithmetic of waiting. Pure.
 */
#ifndef ACME_RETRY_H
#define ACME_RETRY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct acme_problem;

/* An HTTP-date in any of the three forms of RFC 9110 5.6.7. False: it is none, also for NULL. */
bool retry_date_parse(const char *text, int64_t now, int64_t *ret_when);

/* Seconds from now that a Retry-After header asks for (RFC 9110 10.2.3; seconds or HTTP-date),
 * clamped to [1 s, 31 days]; 0 when there is none or it is unreadable. More than a day is for
 * limits alone: see retry_error and retry_after_poll. */
int64_t retry_after_parse(const char *header, int64_t now);

/* The same for what is only not ready yet: a day at most. */
int64_t retry_after_poll(int64_t retry_after);

/* What a problem document asks of us. */
enum retry_class {
	RETRY_LATER = 0,        /* transient: again after a back-off, same request */
	RETRY_WAIT,             /* rate limited: not before Retry-After */
	RETRY_NONCE,            /* badNonce: at once with the nonce of the answer */
	RETRY_READ_ORDER,       /* orderNotReady: the order's status decides */
	RETRY_NEW_ORDER,        /* this order is over (badCSR): a new one may succeed */
	RETRY_CHALLENGE,        /* validation failed: look before trying again */
	RETRY_CONFIG,           /* the operator has to change something; daily at most */
	RETRY_ACCOUNT,          /* the account is not known or not usable */
	RETRY_OPERATOR,         /* userActionRequired: only after the operator acted */
	RETRY_DONE,             /* alreadyRevoked: what was asked for is so already */
	RETRY_WITHOUT_REPLACES, /* alreadyReplaced */
	RETRY_CONFLICT,         /* 409 on keyChange */
	RETRY_CLASSES,          /* how many */
};

/* The class of a problem by (type, status); an unknown type is RETRY_LATER for 408, 429 and 5xx,
 * else RETRY_CONFIG. retry_after is retry_after_parse's result. */
enum retry_class retry_classify(const struct acme_problem *p, int64_t retry_after);

/* Whether a refusal of a request that an account has signed may be about the account: CAs say by
 * accountDoesNotExist, 401, unauthorized, and by a bare 400, 403, 404 or 500 that they do not know
 * it, or that it is not to be used. Never of what stands inside a challenge or an order, nor of
 * what names a time to wait for. */
bool retry_doubts_account(const struct acme_problem *p, int64_t retry_after);

/* Whether a look-up of an account (RFC 8555 7.3.1) that was refused like this is answered: there is
 * none to be had by it, and to register is the next thing to do, which does no harm where one is
 * there (7.3). Not so what may pass, and what the operator has to act on. */
bool retry_ends_lookup(const struct acme_problem *p, int64_t retry_after);

/* Fills e from a problem: code by class (NET, BUSY, PROBLEM, CONFIG, PROTOCOL), type, retry_at
 * (now + retry_after for BUSY; a day at most unless it is a limit), and a sentence "the CA says:
 * DETAIL (TYPE)" with subproblems and their identifiers, a hint what to do for known types, and the
 * instance URL where the operator has to visit it. Returns the code. */
int retry_error(const struct acme_problem *p, int64_t retry_after, int64_t now, struct err *e);

/* Seconds to wait after the n-th failure in a row (n from 1): 60, 600, 6000, then 86400, plus 0…25
 * % chosen by spread (any number, the same one gives the same wait). Saturates for every n. */
int64_t retry_backoff(int64_t failures, uint32_t spread);

/* Until when a row waits. */
struct retry_wait {
	int64_t next_at;  /* of the row */
	int64_t retry_at; /* of its error: what the CA asked for, 0: nothing */
	int64_t error_at; /* when that was */
};

/* next_at, or 0 (now) when a wrong clock wrote it (HACKING.md, rule 6): it is clock_beyond, unless
 * the CA asked for just that at a time that has been. */
int64_t retry_until(const struct retry_wait *w, int64_t now);

/* Milliseconds before the n-th poll (n from 0) when the CA sent no Retry-After: first 20 (hinted:
 * we know that the CA has just acted) or 200, then 200, 500, 1000, 2000, 4000, 5000 … */
int64_t retry_poll_ms(int polls, int hinted);

#endif
