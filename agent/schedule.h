/* SPDX-License-Identifier: MIT
 *
 * schedule — when a certificate is to be renewed, and why: a pure function. The daemon asks it,
 * `status` prints it; there is no second opinion (HACKING.md).
 */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include "agent/limits.h"
#include "store/certificate.h"
#include "store/renewal_info.h"
#include "store/version.h"

#include <stdbool.h>
#include <stdint.h>

enum schedule_what {
	SCHEDULE_NOTHING = 0, /* paused, removed, or no longer in the file that defined it */
	SCHEDULE_ISSUE,       /* there is none yet, or another one than is wanted */
	SCHEDULE_RENEW,
};

struct schedule_input {
	const struct certificate *certificate;
	const struct version *live; /* NULL: none yet */
	int64_t previous_at;        /* when the version before it was issued; 0: not known */
	const struct renewal *renewal;
	const struct renewal_info *info; /* NULL: the CA has said nothing */
	const char *key_kind; /* what the live one's has to be, or another is issued; NULL: any */
	const struct strlist *left_out; /* optional names that failed; NULL: none */
	int64_t left_at;                /* when they did so last */
	int64_t refusals;   /* certificates that came for just this in a row, and were refused */
	int64_t refused_at; /* the last one */
	const struct limit_verdict *limit; /* NULL: no limit of the CA is in the way */
	const uint8_t *seed;               /* the store's, 32 bytes */
	int64_t now;
};

struct schedule {
	enum schedule_what what;
	int64_t when;       /* Unix seconds; ≤ now means now */
	int64_t due;        /* the same without the back-off after failures, and without limits */
	int64_t free_at;    /* not before, whoever asks: a limit of the CA; 0: none is in the way */
	int64_t held_until; /* not before, unless a person insists; 0: nothing holds it */
	char why[160];      /* one clause for people */
};

/* With a valid answer of the CA about this version (RFC 9773 4.2): an instant of its window, the
 * same one whenever it is asked while the window is the same (HMAC of the seed, the version and
 * the window), but not after a sixth of the lifetime is left.
 *
 * Without one: a third of the lifetime before the end (half when it lives less than ten days),
 * pulled forward by a jitter of up to a tenth of that rest, chosen in the same way (HMAC of the
 * seed, the certificate and how many versions it has had, so that a simulation knows it, too).
 *
 * Either way a renewal and the one before it are a day apart (or an eighth of what a short one
 * lives): a CA whose every window is over, or a clock that is months ahead, would have one
 * certificate after the other without end. What a person asked for, or another wish, is no renewal.
 *
 * One that is due when it is issued, because it has lived most of its life by then, is renewed
 * after schedule_floor.
 *
 * Optional names that failed are left out, and tried again once a day.
 *
 * After a failure not before renewal->next_at, within schedule_patience; and not while the CA's
 * limits are in the way. Where the CA did issue and what came was refused, the next one most likely
 * would be, too, and would cost another certificate: a day passes first, then two, four and seven,
 * an hour at least and schedule_patience at most; a day at most while nothing valid is live. */
struct schedule schedule(const struct schedule_input *in);

/* The names that an order has which is born at in->now: all that are wanted, without those that
 * were left out within the last day. */
void schedule_names(const struct schedule_input *in, struct strlist *names);

/* How long a back-off may be for a certificate that ends at not_after: a sixth of what is left at
 * the failure, so that it is not missed, and a minute at least, so that its end makes no storm.
 * Once it has ended an hour, and so when it is urgent, because the CA has revoked it or is about
 * to: nothing valid is served. When there never was one (0), or the end is a month ago: INT64_MAX.
 */
int64_t schedule_patience(int64_t failed_at, int64_t not_after, bool urgent);

/* Whether the live version was due when it was issued, whatever the CA advises. */
bool schedule_is_hasty(const struct schedule_input *in);

/* How long after its issue the hasty-th such version in a row is renewed: a minute, doubling up to
 * half of what was left of it (an hour, when that is not worth a minute or two), and a day. */
int64_t schedule_floor(const struct version *v, int64_t hasty);

/* Whether the CA's advice is about the live version. */
bool schedule_in_force(const struct schedule_input *in);

/* Whether now is within the window of the CA's advice about the live version: only then is an order
 * that replaces it exempt from the CA's limits (letsencrypt.org/docs/rate-limits). */
bool schedule_in_window(const struct schedule_input *in);

/* Whether the CA may and should be asked about the live version now: never before the time that was
 * set, not when it is expired or has no id (RFC 9773 4.3). */
bool schedule_asks(const struct schedule_input *in);

/* When that is so at the earliest; INT64_MAX: never. */
int64_t schedule_asks_at(const struct schedule_input *in);

#endif
